"""Fitting content to manifests."""

from __future__ import annotations

import gc

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from shequn_sdk.domain import Article, Button, Content, EntityKind, Link, Media, MediaKind, Poll
from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.platforms.manifest import Capability as C
from shequn_sdk.platforms.manifest import LengthUnit, Limits, Manifest, Markup, TextLimit, measure
from shequn_sdk.publishing.compose import compose
from shequn_sdk.publishing.markdown import parse_markdown

E = EntityKind
MARKS = Markup(
    name="marks",
    marks={
        E.BOLD: ("**", "**"),
        E.ITALIC: ("*", "*"),
        E.STRIKE: ("~~", "~~"),
        E.CODE: ("`", "`"),
        E.PRE: ("```\n", "\n```"),
    },
    escape="*_`~|\\",
    link="[{text}](<{url}>)",
    line_quote="> ",
)
ENTITIES = Markup(name="entities", entities=True)
HTML = Markup(
    name="html",
    marks={E.BOLD: ("<b>", "</b>"), E.CODE: ("<code>", "</code>")},
    replace={"<": "&lt;", ">": "&gt;", "&": "&amp;"},
    link='<a href="{url}">{text}</a>',
)


def manifest(
    *capabilities: C, markup: Markup = ENTITIES, text: int = 4096, unit=LengthUnit.CODE_POINTS, **limits
):
    return Manifest(
        platform="p",
        capabilities=frozenset(capabilities or {C.PUBLISH_TEXT}),
        markup=markup,
        limits=Limits(text=TextLimit(maximum=text, unit=unit), **limits),
    )


def test_markdown_becomes_text_and_entities():
    rich = parse_markdown(
        "# Week\n\n**bold *and italic*** ~~old~~ `x*y`\n\n> quote\n\n- one\n- two\n  1. deep\n\n```py\na=1\n```\n[site](https://e.org/a)"
    )
    assert rich.text == "Week\n\nbold and italic old x*y\n\nquote\n\n• one\n• two\n  1. deep\n\na=1\n\nsite"
    found = {(one.kind, rich.text[one.offset : one.offset + one.length]) for one in rich.entities}
    assert (E.BOLD, "Week") in found
    assert (E.BOLD, "bold and italic") in found
    assert (E.ITALIC, "and italic") in found
    assert (E.STRIKE, "old") in found
    assert (E.CODE, "x*y") in found
    assert (E.QUOTE, "quote") in found
    assert (E.PRE, "a=1") in found
    assert (E.LINK, "site") in found
    assert next(one for one in rich.entities if one.kind is E.PRE).language == "py"


def test_what_looks_like_markdown_but_is_not_stays():
    text = "a_b_c 2*3*4 &amp; <b> #tag\n    not code\nline\n---"
    assert "a_b_c 2" in parse_markdown(text).text
    assert "&amp; <b> #tag\nnot code" in parse_markdown(text).text


def test_rendering_by_marks_escapes_and_links():
    variant = compose(
        Content(text="**a_b** [t](https://e.org/x_y) `q*` https://e.org/a_b"), manifest(markup=MARKS)
    )
    assert variant.pieces[0].text == r"**a\_b** [t](<https://e.org/x_y>) `q*` https://e.org/a_b"
    html = compose(Content(text="**1 < 2** & ~~gone~~"), manifest(markup=HTML))
    assert html.pieces[0].text == "<b>1 &lt; 2</b> &amp; gone"
    assert "strike" in html.changes[0].what


def test_plain_writes_link_and_address():
    variant = compose(Content(text="see [here](https://e.org)"), manifest(markup=Markup()))
    assert variant.pieces[0].text == "see here https://e.org"


def test_quotes_by_line():
    assert compose(Content(text="> a\n> b"), manifest(markup=MARKS)).pieces[0].text == "> a\n> b"


def test_hashtags_per_platform():
    content = Content(text="x", hashtags=("健康", "#早起"))
    assert compose(content, manifest()).pieces[0].text == "x\n\n#健康 #早起"
    assert compose(content, manifest(markup=Markup(hashtag="#{tag}#"))).pieces[0].text == "x\n\n#健康# #早起#"
    assert compose(content, manifest(markup=Markup(hashtag=""))).pieces[0].text == "x"


def test_overrides_account_before_platform():
    content = Content(text="x", overrides={"p": "for p", "bot": "for bot"})
    assert compose(content, manifest(), account="bot").pieces[0].text == "for bot"
    assert compose(content, manifest(), account="other").pieces[0].text == "for p"


def test_poll_native_or_as_text():
    content = Content(text="Vote!", poll=Poll(question="When?", choices=("Mon", "Tue")))
    native = compose(content, manifest(C.PUBLISH_TEXT, C.PUBLISH_POLL))
    assert [piece.poll is not None for piece in native.pieces] == [False, True]
    text = compose(content, manifest())
    assert text.pieces[0].text == "Vote!\n\nWhen?\n1. Mon\n2. Tue"
    assert text.changes[0].field == "poll"
    many = Content(poll=Poll(question="q", choices=tuple("abcdefghijklm")))
    assert compose(many, manifest(C.PUBLISH_TEXT, C.PUBLISH_POLL)).pieces[0].poll is None


def test_buttons_native_or_as_links():
    rows = ((Button(label="Go", url="https://e.org/"), Button(label="Yes", data="y")),)
    content = Content(text="x", buttons=rows)
    assert compose(content, manifest(C.PUBLISH_TEXT, C.BUTTONS, buttons=100)).pieces[0].buttons == rows
    text = compose(content, manifest())
    assert text.pieces[0].text == "x\n\nGo: https://e.org/"
    assert [change.what for change in text.changes] == ["buttons replaced by links", "buttons left out: Yes"]
    with pytest.raises(InvalidInput):
        compose(
            Content(text="x", buttons=((Button(label="a", data="y" * 65),),)),
            manifest(
                C.PUBLISH_TEXT, C.BUTTONS, buttons=9, button_data=TextLimit(maximum=64, unit=LengthUnit.UTF8)
            ),
        )


def test_captions_albums_and_long_text():
    photos = tuple(Media(kind=MediaKind.PHOTO, data=b"x") for _ in range(12))
    able = manifest(
        C.PUBLISH_TEXT, C.PUBLISH_PHOTO, C.PUBLISH_ALBUM, media_per_post=10, caption=TextLimit(maximum=10)
    )
    one = compose(Content(text="short", media=photos[:1]), able)
    assert [(piece.text, len(piece.media)) for piece in one.pieces] == [("short", 1)]
    two = compose(Content(text="longer than ten", media=photos), able)
    assert [(piece.text, len(piece.media)) for piece in two.pieces] == [
        ("", 10),
        ("", 2),
        ("longer than ten", 0),
    ]
    none = compose(Content(text="words", media=photos[:1]), manifest())
    assert none.pieces[0].text == "words"
    assert none.changes[0].field == "media"


def test_nothing_sensible_is_an_early_error():
    photo = Media(kind=MediaKind.PHOTO, data=b"x" * 11)
    with pytest.raises(NotSupported):
        compose(Content(media=(photo,)), manifest())
    with pytest.raises(NotSupported):
        compose(Content(text="x"), manifest(C.PUBLISH_PHOTO, media_per_post=1))
    with pytest.raises(InvalidInput):
        compose(
            Content(media=(photo,)),
            manifest(C.PUBLISH_PHOTO, media_per_post=1, media_bytes={MediaKind.PHOTO: 10}),
        )


def test_article_native_link_or_text():
    article = Article(title="T", body="**long**", digest="d", url="https://e.org/t")
    assert compose(Content(article=article), manifest(C.PUBLISH_ARTICLE)).pieces[0].article == article
    assert compose(Content(article=article), manifest()).pieces[0].text == "T\n\nd\nhttps://e.org/t"
    bare = article.model_copy(update={"url": None})
    assert compose(Content(article=bare), manifest()).pieces[0].text == "T\n\nlong"


def test_link_card_or_address():
    content = Content(link=Link(url="https://e.org/", title="Site"))
    assert compose(content, manifest(C.PUBLISH_TEXT, C.PUBLISH_LINK)).pieces[0].link is not None
    assert compose(content, manifest()).pieces[0].text == "Site\nhttps://e.org/"


def test_link_cost_counts_apart():
    able = manifest(markup=Markup(), text=20, unit=LengthUnit.HANZI, link_cost=10)
    content = Content(text="一二三四五六七八九十https://e.org/" + "x" * 100)
    assert len(compose(content, able).pieces) == 1


def test_splits_at_paragraphs_then_sentences():
    text = "第一段。\n\n" + "第二段第一句。第二段第二句！" * 3
    variant = compose(Content(text=text), manifest(text=30))
    assert variant.pieces[0].text.startswith("第一段。")
    assert all(piece.text[-1] in "。！" for piece in variant.pieces)
    assert "split" in variant.changes[0].what


def test_an_entity_is_moved_whole_and_only_cut_when_too_long_alone():
    variant = compose(Content(text="some words **bold stretch** end"), manifest(text=20))
    bold = [
        piece.text[one.offset : one.offset + one.length] for piece in variant.pieces for one in piece.entities
    ]
    assert bold == ["bold stretch"]
    long = compose(Content(text="**" + "word " * 20 + "end**"), manifest(text=20, markup=MARKS))
    assert all(piece.text.startswith("**") and piece.text.endswith("**") for piece in long.pieces)


SIGNS = [
    *"ab C。,!?\n 汉字*_~`[]()>#-1.",
    "👍🏽",
    "👨‍👩‍👧",
    "e\u0301",
    "🇨🇳",
    "https://e.org/a ",
    "**",
    "[t](https://e.org)",
]
WORDS = st.lists(st.sampled_from(SIGNS), max_size=120).map("".join).filter(lambda text: text.strip())
UNITS = st.sampled_from(list(LengthUnit))


def visible(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=300, deadline=None)
@given(WORDS, UNITS, st.integers(30, 60))
def test_pieces_fit_lose_nothing_and_keep_graphemes(text, unit, most):
    rich = parse_markdown(text)
    able = manifest(text=most, unit=unit)
    try:
        content = Content(text=text)
        variant = compose(content, able)
    except NotSupported:
        assert not rich.text
        return
    assert visible("".join(piece.text for piece in variant.pieces)) == visible(rich.text)
    whole = {found.group() for found in regex.finditer(r"\X", rich.text)}
    for piece in variant.pieces:
        assert measure(piece.text, unit) <= most
        assert piece.text == piece.text.strip()
        assert {found.group() for found in regex.finditer(r"\X", piece.text)} <= whole
        for one in piece.entities:
            assert one.offset + one.length <= len(piece.text)
            assert piece.text[one.offset : one.offset + one.length].strip()


@settings(max_examples=200, deadline=None)
@given(WORDS, UNITS, st.integers(60, 90), st.sampled_from([MARKS, HTML, Markup()]))
def test_rendered_pieces_fit(text, unit, most, markup):
    able = manifest(text=most, unit=unit, markup=markup)
    try:
        variant = compose(Content(text=text), able)
    except NotSupported:
        return
    assert all(measure(piece.text, unit) <= most for piece in variant.pieces)
    assert compose(Content(text=text), able).pieces == variant.pieces


def test_text_and_files_part_where_they_never_share_a_message():
    manifest = Manifest(
        platform="parting",
        capabilities=frozenset({C.PUBLISH_TEXT, C.PUBLISH_PHOTO}),
        limits=Limits(media_per_post=1, caption_with_media=False),
    )
    photo = Media(kind=MediaKind.PHOTO, data=b"png")
    variant = compose(Content(text="早", media=(photo,)), manifest)
    assert [(piece.text, len(piece.media)) for piece in variant.pieces] == [("", 1), ("早", 0)]
    assert "never share a message" in variant.changes[0].why


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["早", "a", " ", "\n", "\n\n", "。", "1", ".", ")", "#", ">", "-", "+", "*", "_", "x"]
        )
    ).map("".join)
)
def test_texts_without_marks_are_read_as_the_parser_reads_them(text):
    from shequn_sdk.publishing import markdown

    if markdown._MARKED.search(text) or not text.strip():
        return
    writer = markdown._Writer()
    writer.walk(markdown._parser().parse(text))
    assert markdown._unmarked(text) == "".join(writer.out).strip()


def test_code_keeps_no_white_space_at_its_ends():
    assert [(one.offset, one.length) for one in parse_markdown("x ``  a  `` y").entities] == [(3, 1)]


@settings(max_examples=100, deadline=None)
@given(st.text("早安abc é́👨‍👩‍👧가ｶﾞ\n", max_size=60))
def test_what_is_taken_for_single_characters_is(text):
    from shequn_sdk.publishing import split

    if split._SINGLE.fullmatch(text):
        assert regex.findall(r"\X", text) == list(text)


def test_composing_leaves_nothing_to_the_garbage_collector():
    compose(Content(text="**x**"), manifest())  # what is made once, is made
    gc.collect()
    gc.disable()
    try:
        for number in range(50):
            compose(Content(text=f"**x** {number}"), manifest())
        assert gc.collect() < 50
    finally:
        gc.enable()
