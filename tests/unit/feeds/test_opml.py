"""Lists of feeds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.errors import InvalidInput
from shequn_sdk.feeds.model import Feed
from shequn_sdk.feeds.opml import read_opml, write_opml

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
OPML = """<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0"><head><title>x</title></head><body>
<outline text="健康"><outline type="rss" text="A" xmlUrl="https://a.example/feed" htmlUrl="https://a.example/"/>
<outline text="深"><outline xmlURL="https://b.example/feed" title="B"/></outline></outline>
<outline xmlUrl="https://c.example/feed" text="C" category="/tech,other"/>
<outline text="empty folder"/>
</body></opml>"""


def test_folders_become_categories():
    found = read_opml(OPML)
    assert [(one.url, one.title, one.category) for one in found] == [
        ("https://a.example/feed", "A", "健康"),
        ("https://b.example/feed", "B", "深"),
        ("https://c.example/feed", "C", "tech"),
    ]
    assert (found[0].site, found[0].line) == ("https://a.example/", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<opml><body>", "line 1, column"),
        ("<html/>", "no OPML"),
        ("", "broken|no OPML"),
        ('<!DOCTYPE o [<!ENTITY a "b">]><opml><body>&a;</body></opml>', "entities"),
        ("<opml>" + "<outline>" * 30 + "</outline>" * 30 + "</opml>", "nested"),
        ("<opml><body>" + '<outline xmlUrl="https://a.example/"/>' * 5001 + "</body></opml>", "more than"),
        ('<?xml version="1.0" encoding="klingon"?><opml/>', "OPML"),
    ],
)
def test_what_cannot_be_read(text, words):
    with pytest.raises(InvalidInput, match=words):
        read_opml(text)


def feed(number: int, title: str, category: str, url: str) -> Feed:
    return Feed(
        id=number,
        url=url,
        title=title,
        category=category,
        every=timedelta(hours=1),
        next_at=NOW,
        added_at=NOW,
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30).map(
    lambda text: " ".join(text.split())
)


@given(st.lists(st.tuples(TEXT, TEXT.map(lambda text: text.replace(",", "").strip("/ "))), max_size=6))
def test_what_is_written_is_read_again(rows):
    feeds = [
        feed(n, title, category, f"https://e.example/{n}?a=1&b='\"<")
        for n, (title, category) in enumerate(rows)
    ]
    found = {one.url: (one.title, one.category) for one in read_opml(write_opml(feeds))}
    assert found == {one.url: (one.title or one.url, one.category) for one in feeds}
