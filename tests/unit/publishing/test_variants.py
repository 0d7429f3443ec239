"""What a content says otherwise somewhere: overrides, mentions, hashtags, descriptions, comments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shequn_sdk.domain import Button, Content, EntityKind, Link, Media, MediaKind, Override, Poll
from shequn_sdk.errors import NotSupported
from shequn_sdk.platforms.manifest import Capability as C
from shequn_sdk.platforms.manifest import LengthUnit, Limits, Manifest, Markup, TextLimit
from shequn_sdk.publishing.compose import compose

PHOTO = Media(kind=MediaKind.PHOTO, url="https://e.org/a.jpg", alt="一碗燕麦")


def manifest(*capabilities: C, markup: Markup | None = None, **limits) -> Manifest:
    return Manifest(
        platform="p",
        capabilities=frozenset({C.PUBLISH_TEXT, *capabilities}),
        markup=markup or Markup(),
        limits=Limits(**limits),
    )


def test_a_whole_variant_per_platform_account_and_channel():
    content = Content(
        text="各位早",
        media=(PHOTO,),
        hashtags=("健康",),
        buttons=((Button(label="报名", url="https://e.org/"),),),
        overrides={
            "p": Override(hashtags=("早安",), drop=frozenset({"buttons"})),
            "bot": Override(text="机器人说早", media=()),
            "bot:42": "只对这一群",
        },
    )
    able = manifest(C.PUBLISH_PHOTO, C.BUTTONS, media_per_post=1, buttons=9)
    anywhere = compose(content, able, account="other", channel="42").pieces[0]
    assert (anywhere.text, len(anywhere.media), anywhere.buttons) == ("各位早\n\n#早安", 1, ())
    bot = compose(content, able, account="bot", channel="7").pieces[0]
    assert (bot.text, bot.media) == ("机器人说早\n\n#早安", ())
    one = compose(content, able, account="bot", channel="42").pieces[0]
    assert one.text == "只对这一群\n\n#早安"
    assert one.media == ()
    assert content.differs_by_channel()


def test_dropping_everything_leaves_nothing_to_say():
    content = Content(text="x", overrides={"p": Override(drop=frozenset({"text"}))})
    with pytest.raises(NotSupported):
        compose(content, manifest())


def test_an_override_of_nothing_is_an_early_error():
    with pytest.raises(ValidationError, match="names no platform"):
        Content(text="x", overrides={"Not A Name": "y"})
    with pytest.raises(ValidationError):
        Override(drop=frozenset({"texts"}))


def test_overrides_survive_json():
    content = Content(text="x", overrides={"p": Override(text="y", drop=frozenset({"media"})), "q": "z"})
    assert Content.model_validate_json(content.model_dump_json()) == content


KEYS = st.sampled_from(["p", "q", "bot", "other", "bot:1", "bot:2"])


@given(st.dictionaries(KEYS, st.text("ab", min_size=1, max_size=3)))
def test_the_nearest_override_wins(overrides):
    said = Content(text="base", overrides=overrides).for_channel(platform="p", account="bot", channel="1")
    wanted = next((overrides[key] for key in ("bot:1", "bot", "p") if key in overrides), "base")
    assert said.text == wanted
    assert said.overrides == {}


def test_mentions_where_the_platform_knows_the_member():
    content = Content(text="欢迎 [林小满](member:p:55,q:77)！")
    able = manifest(C.MENTION, markup=Markup(mention="<@{id}>"))
    assert compose(content, able).pieces[0].text == "欢迎 <@55>！"
    assert compose(content, able).changes == ()
    deaf = compose(content, manifest())
    assert deaf.pieces[0].text == "欢迎 林小满！"
    assert "not mentioned" in deaf.changes[0].what
    stranger = able.model_copy(update={"platform": "r"})
    assert compose(content, stranger).pieces[0].text == "欢迎 林小满！"
    beside = manifest(C.MENTION, markup=Markup(name="entities", entities=True))
    piece = compose(content, beside).pieces[0]
    assert piece.text == "欢迎 林小满！"
    assert (piece.entities[0].kind, piece.entities[0].member_id) == (EntityKind.MENTION, "55")


def test_hashtags_end_at_the_first_other_sign():
    content = Content(text="x", hashtags=("健康 饮食", "C++"))
    said = compose(content, manifest())
    assert said.pieces[0].text == "x\n\n#健康_饮食 #C"
    assert [change.field for change in said.changes] == ["hashtags", "hashtags"]
    closed = compose(content, manifest(markup=Markup(hashtag="#{tag}#")))
    assert closed.pieces[0].text == "x\n\n#健康 饮食# #C++#"


def test_descriptions_of_pictures():
    content = Content(media=(PHOTO,))
    shown = compose(
        content, manifest(C.PUBLISH_PHOTO, media_per_post=1, alt_text=TextLimit(maximum=3))
    ).pieces[0]
    assert shown.media[0].alt == "一碗…"
    none = compose(content, manifest(C.PUBLISH_PHOTO, media_per_post=1))
    assert none.changes[0].what == "description left out"


def test_a_link_that_stands_in_the_text_is_not_written_twice():
    content = Content(text="看 https://e.org/a", link=Link(url="https://e.org/a", title="A"))
    said = compose(content, manifest())
    assert said.pieces[0].text == "看 https://e.org/a"
    assert said.changes[0].field == "link"


def test_comments_answers_or_messages_of_their_own():
    content = Content(text="post", comments=("**first**", "second"), silent=True)
    limit = TextLimit(maximum=4, unit=LengthUnit.CODE_POINTS)
    commented = compose(content, manifest(C.COMMENTS, comment=limit))
    assert [(piece.follows, piece.text) for piece in commented.pieces] == [
        ("", "post"),
        ("comment", "firs"),
        ("comment", "t"),
        ("comment", "seco"),
        ("comment", "nd"),
    ]
    assert [piece.silent for piece in commented.pieces] == [True, False, False, False, False]
    answered = compose(content, manifest(C.REPLY))
    assert [piece.follows for piece in answered.pieces] == ["", "reply", "reply"]
    alone = compose(content, manifest())
    assert [piece.follows for piece in alone.pieces] == ["", "", ""]
    assert alone.changes[-1].field == "comments"


def test_a_dropped_poll_leaves_no_choices():
    content = Content(
        text="x",
        poll=Poll(question="q", choices=("a", "b")),
        overrides={"p": Override(drop=frozenset({"poll"}))},
    )
    assert compose(content, manifest()).pieces[0].text == "x"


def test_what_must_be_split_begins_in_the_caption_where_captions_are_as_long_as_texts():
    photo = Media(kind=MediaKind.PHOTO, url="https://e.org/a.jpg")
    said = compose(
        Content(text="一二三四五六。七八九十一二。", media=(photo,)),
        manifest(C.PUBLISH_PHOTO, media_per_post=1, text=TextLimit(maximum=8)),
    )
    assert [(piece.text, len(piece.media)) for piece in said.pieces] == [
        ("一二三四五六。", 1),
        ("七八九十一二。", 0),
    ]


@given(st.integers(10, 200), st.integers(40, 90))
def test_every_part_has_a_link_where_every_post_needs_one(words, most):
    link = "https://e.org/d7"
    said = compose(
        Content(text=f"{link} " + "早饭要吃好。" * words),
        manifest(text=TextLimit(maximum=most), link_required_domain=True),
    )
    assert all(link in piece.text and len(piece.text) <= most for piece in said.pieces)
    assert "".join(piece.text for piece in said.pieces).count("早饭要吃好。") == words
