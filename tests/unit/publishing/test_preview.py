"""What people see before anything is sent."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from PIL import Image

from shequn_sdk.domain import Article, Button, Content, Link, Media, MediaKind, Poll
from shequn_sdk.errors import InvalidInput, MissingGlyphs, UnknownName
from shequn_sdk.platforms.manifest import Capability as C
from shequn_sdk.platforms.manifest import Limits, Manifest, Markup
from shequn_sdk.publishing.preview import look
from shequn_sdk.publishing.preview_page import previews_html

ALL = frozenset(
    {C.PUBLISH_TEXT, C.PUBLISH_PHOTO, C.PUBLISH_POLL, C.PUBLISH_LINK, C.PUBLISH_ARTICLE, C.BUTTONS, C.REPLY}
)


class Book:
    def __init__(self, manifests: Mapping[str, Manifest]) -> None:
        self.manifests = manifests

    def adapter(self, name):
        raise AssertionError("a preview needs no adapter")

    def manifest(self, name):
        return self.manifests[name]

    def platform(self, name):
        if name not in self.manifests:
            raise UnknownName("account", name)
        return self.manifests[name].platform

    def names(self):
        return tuple(self.manifests)


def made(platform: str, capabilities=ALL, **more) -> Manifest:
    limits = more.pop("limits", Limits(media_per_post=9, buttons=9))
    return Manifest(
        platform=platform, title=platform.title(), capabilities=capabilities, limits=limits, **more
    )


BOOK = Book(
    {
        "a": made("able", markup=Markup(name="e", entities=True)),
        "b": made("bare", frozenset({C.PUBLISH_TEXT})),
        "c": made("camera", frozenset({C.PUBLISH_PHOTO})),
        "w": made("wary", limits=Limits(link_required_domain=True)),
    }
)
RED = io.BytesIO()
Image.new("RGB", (64, 48), "#aa3322").save(RED, "JPEG")
RICH = Content(
    title="直播预告",
    text="今晚**八点** <script>alert(1)</script> 👍",
    media=(Media(kind=MediaKind.PHOTO, data=RED.getvalue(), filename="a.jpg"),),
    link=Link(url="https://e.org/?a=1&b=2", title="<b>报名</b>"),
    poll=Poll(question="几点？", choices=("七点", "八点")),
    article=Article(title="长文", body="x"),
    buttons=((Button(label="<i>去", url="https://e.org/"),),),
    comments=("名单见此",),
)


async def test_one_preview_per_channel_in_order_and_none_hides_another():
    found = await look(RICH, BOOK, ["c:1", "a:1", "b:1", "a:1"])
    assert [str(one.channel) for one in found] == ["c:1", "a:1", "b:1"]
    camera, able, bare = found
    assert not (await look(Content(text="x"), BOOK, ["c:1"]))[0].ok
    assert able.ok
    assert [piece.follows for piece in able.pieces][-1] == "reply"
    assert "1. 七点" in bare.text
    assert {change.field for change in bare.changes} >= {"media", "poll", "buttons", "link"}
    assert "报名" in able.text
    assert camera.ok


async def test_what_stands_against_it_is_said(tmp_path):
    missing = Content(text="x", media=(Media(kind=MediaKind.PHOTO, path=tmp_path / "no.jpg"),))
    [able] = await look(missing, BOOK, ["a:1"])
    assert "does not exist" in able.problems[0].what
    [wary] = await look(Content(text="x"), BOOK, ["w:1"])
    assert "link" in wary.problems[0].what
    assert (await look(Content(text="x https://e.org/"), BOOK, ["w:1"]))[0].ok


async def test_unknown_and_malformed_channels():
    with pytest.raises(UnknownName):
        await look(RICH, BOOK, ["nobody:1"])
    for to in ([], ["a"], "a:1"):
        with pytest.raises(InvalidInput):
            await look(RICH, BOOK, to)


async def test_the_page_escapes_everything():
    found = await look(RICH, BOOK, ["a:<x>", "b:1"])
    page = previews_html(found)
    assert "<script>" not in page
    assert "<i>去" not in page
    assert "<b>报名" not in page
    assert "a:<x>" not in page
    assert "<b>八点</b>" in page
    assert "data:image/jpeg;base64," in page
    assert page.count("<b>") == page.count("</b>")
    assert previews_html(found, language="en") == previews_html(found, language="de")


async def test_the_picture():
    for one in await look(RICH, BOOK, ["a:1", "b:1"]):
        with Image.open(io.BytesIO(one.png(width=360))) as picture:
            assert picture.format == "PNG"
            assert picture.width == 720
            assert 300 < picture.height < 4000
            assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20


async def test_letters_that_no_font_draws(monkeypatch):
    from shequn_sdk.reports import _fonts

    monkeypatch.setattr(_fonts, "_SYSTEM", ())
    _fonts.coverage.cache_clear()
    [one] = await look(Content(text="ਗੁਰਮੁਖੀ"), BOOK, ["b:1"])
    with pytest.raises(MissingGlyphs):
        one.png()


async def test_a_long_text_is_a_picture_of_bounded_height():
    [one] = await look(
        Content(text="很长的文字。\n" * 3000),
        Book({"b": made("b", limits=Limits(text={"maximum": 50000}))}),
        ["b:1"],
    )
    with Image.open(io.BytesIO(one.png())) as picture:
        assert picture.height <= 12000
