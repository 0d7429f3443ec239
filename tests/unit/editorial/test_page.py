"""The page: whole weeks, escaped, self-contained, with small pictures."""

import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest

from shequn_sdk import Content
from shequn_sdk.domain import Media, MediaKind
from shequn_sdk.editorial._page import span

AT = datetime(2026, 9, 25, 12, tzinfo=UTC)


class Reader(HTMLParser):
    """Checks that every element is closed, and gathers attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *item) for item in attrs]
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_pages_show_whole_weeks():
    assert span(date(2026, 9, 25), "month") == (date(2026, 8, 31), date(2026, 10, 4))
    assert span(date(2026, 9, 25), "week") == (date(2026, 9, 21), date(2026, 9, 27))
    assert span(date(2026, 2, 1), "month") == (date(2026, 1, 26), date(2026, 3, 1))


@pytest.mark.parametrize(
    ("form", "language", "words"), [("month", "zh", "2026 年 9 月"), ("week", "en", "Week of 21 September")]
)
async def test_what_members_wrote_is_text_and_nothing_is_loaded(place, tmp_path, form, language, words):
    from PIL import Image

    picture = tmp_path / "a.png"
    Image.new("RGBA", (1200, 800), (200, 30, 30, 128)).save(picture)
    broken = tmp_path / "b.jpg"
    broken.write_bytes(b"no picture")
    sq = place.sq
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    await sq.calendar.add(
        Content(
            text=evil,
            category='"><b>',
            media=(
                Media(kind=MediaKind.PHOTO, path=broken),
                Media(kind=MediaKind.PHOTO, url="https://tracker.example/x.png"),
                Media(kind=MediaKind.PHOTO, path=picture, alt='a"b'),
            ),
        ),
        to=[place.one],
        at=AT,
    )
    await sq.calendar.add(Content(text="待定"), state="idea")
    page = await sq.calendar.page(start=AT.date(), form=form, language=language)
    found = read(page)
    assert words in found.text
    assert "20:00 <script>" in found.text
    assert "中秋节" in found.text
    tags = {tag for tag, *_ in found.attributes}
    assert "script" not in tags
    assert not any(name.startswith("on") for _, name, _ in found.attributes)
    sources = [value for tag, name, value in found.attributes if name in {"src", "href"}]
    assert len(sources) == 1
    assert re.match(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+$", sources[0])
    assert len(sources[0]) < 20_000
    assert ("img", "alt", 'a"b') in found.attributes


async def test_an_empty_month_is_a_page_too(place):
    assert "没有安排" in read(await place.sq.calendar.page()).text
