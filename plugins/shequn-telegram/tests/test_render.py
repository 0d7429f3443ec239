"""Pieces to parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import Button, Entity, EntityKind, Link, Media, MediaKind, Piece, Poll
from shequn_sdk.errors import InvalidContent
from shequn_telegram.render import Utf16, render, render_edit, split_channel, wire_entities

EMOJI = st.sampled_from(["👨‍👩‍👧", "👍🏽", "🇨🇳", "中", "a", "\u200b", "é", "𝔸", " "])


@given(st.lists(EMOJI | st.characters(exclude_categories=("Cs",)), max_size=30).map("".join), st.data())
def test_utf16_offsets_cut_the_same_text(text: str, data: st.DataObject):
    if not text:
        return
    offset = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(1, len(text) - offset))
    start, units = Utf16(text).span(offset, length)
    encoded = text.encode("utf-16-le")
    assert encoded[start * 2 : (start + units) * 2].decode("utf-16-le") == text[offset : offset + length]


def test_entities():
    text = "👍 code @李 #话题 x"
    marks = [
        Entity(kind=EntityKind.PRE, offset=2, length=4, language="python"),
        Entity(kind=EntityKind.MENTION, offset=7, length=2, member_id="55"),
        Entity(kind=EntityKind.MENTION, offset=7, length=2, member_id="name"),
        Entity(kind=EntityKind.HASHTAG, offset=10, length=3),
        Entity(kind=EntityKind.QUOTE, offset=0, length=1),
        Entity(kind=EntityKind.LINK, offset=14, length=1, url="https://e.org"),
    ]
    assert wire_entities(text, marks) == [
        {"type": "pre", "offset": 3, "length": 4, "language": "python"},
        {
            "type": "text_mention",
            "offset": 8,
            "length": 2,
            "user": {"id": 55, "is_bot": False, "first_name": "李"},
        },
        {"type": "blockquote", "offset": 0, "length": 2},
        {"type": "text_link", "offset": 15, "length": 1, "url": "https://e.org"},
    ]


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("-1001", (-1001, None)),
        ("55", (55, None)),
        ("@name", ("@name", None)),
        ("-1/12", (-1, 12)),
        ("-1/1", (-1, None)),
    ],
)
def test_channels(channel: str, expected: tuple[object, object]):
    assert split_channel(channel) == expected


@pytest.mark.parametrize("channel", ["", "x", "@", "-", "1/", "1/x", "1/2/3", "9" * 40, "١٢", "--5", "1\n"])
def test_no_channels(channel: str):
    with pytest.raises(InvalidContent):
        split_channel(channel)


def test_methods():
    photo, document = (
        Media(kind=MediaKind.PHOTO, url="https://e.org/a.jpg"),
        Media(kind=MediaKind.DOCUMENT, data=b"x"),
    )
    assert render("1", Piece(text="a")).method == "sendMessage"
    sent = render("-1/4", Piece(text="c", media=(photo,), silent=True))
    assert (sent.method, sent.parameters["photo"], sent.parameters["caption"]) == (
        "sendPhoto",
        "https://e.org/a.jpg",
        "c",
    )
    assert (sent.parameters["message_thread_id"], sent.parameters["disable_notification"]) == (4, True)
    assert set(render("1", Piece(media=(document,))).uploads) == {"document"}
    album = render("1", Piece(text="c", media=(photo, photo)))
    assert album.parameters["media"][0] == {"type": "photo", "media": "https://e.org/a.jpg", "caption": "c"}
    poll = render("1", Piece(poll=Poll(question="q", choices=("a", "b"), multiple=True)))
    assert poll.parameters["allows_multiple_answers"]
    assert poll.parameters["is_anonymous"] is False
    edited = render_edit("1", 5, Piece(text="c", media=(document,)))
    assert (edited.method, edited.parameters["media"]["media"]) == ("editMessageMedia", "attach://file0")


@pytest.mark.parametrize(
    "piece",
    [
        Piece(media=(Media(kind=MediaKind.PHOTO, data=b"x"), Media(kind=MediaKind.DOCUMENT, data=b"x"))),
        Piece(media=(Media(kind=MediaKind.PHOTO, data=b"x"),) * 2, buttons=((Button(label="a", data="b"),),)),
        Piece(poll=Poll(question="q", choices=("a",)), media=(Media(kind=MediaKind.PHOTO, data=b"x"),)),
        Piece(text="a", reply_to="no-number"),
    ],
)
def test_what_telegram_has_not(piece: Piece):
    with pytest.raises(InvalidContent):
        render("1", piece)


def test_link_is_added_once():
    link = Link(url="https://e.org/a", title="全文")
    added = render("1", Piece(text="看", link=link)).parameters
    assert added["text"] == "看\n\n全文"
    assert added["entities"] == [{"type": "text_link", "offset": 3, "length": 2, "url": "https://e.org/a"}]
    assert render("1", Piece(text="看 https://e.org/a", link=link)).parameters["text"] == "看 https://e.org/a"
    assert render("1", Piece(link=Link(url="https://e.org/a"))).parameters["text"] == "https://e.org/a"
