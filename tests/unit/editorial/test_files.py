"""The calendar in and out: CSV and JSON with a verdict per row, iCalendar by RFC 5545."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import Content, InvalidInput
from shequn_sdk.editorial._columns import escaped, unescaped
from shequn_sdk.editorial._exporting import to_ical
from shequn_sdk.editorial.model import Entry, EntryState

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
GOOD = "编号,时间,渠道,标题,内容,栏目,广告,标签\n"


async def test_csv_with_chinese_columns(place):
    sq = place.sq
    text = (
        GOOD
        + f'r1,2026-03-03 20:00,{place.one};{place.two},早安,"第一行\n第二行,还有",健康,否,养生;早安\n'
        + "r2,2026年03月04日 08:30,,,只有正文,,是,\n"
    )
    found = await sq.calendar.import_file(text.encode(), actor="desk:anna")
    assert [(row.line, row.ok) for row in found.rows] == [(2, True), (4, True)]
    assert found.imported == 2
    first, second = await sq.calendar.entries()
    assert (first.at, str(first.channels[1]), first.content.hashtags) == (
        datetime(2026, 3, 3, 12, tzinfo=UTC),
        place.two,
        ("养生", "早安"),
    )
    assert (second.at, len(second.channels), second.content.promotional) == (
        datetime(2026, 3, 4, 0, 30, tzinfo=UTC),
        2,
        True,
    )
    again = await sq.calendar.import_file(text.encode("gb18030"))
    assert (again.imported, again.ok) == (0, True)
    assert "already" in again.rows[0].message
    assert again.notes == ("read as GB 18030, because it is no UTF-8",)
    await sq.calendar.undo()
    assert await sq.calendar.entries() == []


async def test_one_wrong_row_and_nothing_is_imported_unless_asked(place, tmp_path):
    sq = place.sq
    rows = [
        "k1,2026-03-03 20:00,,,好的一行,,,",
        "k2,明天,,,时间不对,,,",
        "k3,2026-03-03 21:00,nobody:1,,渠道不对,,,",
        "k4,2026-03-03 21:00,,,,,,",
        "k1,2026-03-03 21:00,,,编号重复,,,",
        "k5,2026-03-03 21:00,,,广告不对,,也许,",
        "k6,2026-03-03 21:00,,,多了,,,,,",
    ]
    path = tmp_path / "plan.csv"
    path.write_text(GOOD + "\n".join(rows), encoding="utf-8")
    found = await sq.calendar.import_file(path)
    assert (found.imported, found.rejected, found.ok) == (0, 6, False)
    assert await sq.calendar.entries() == []
    wrong = {row.line: (row.column, row.field) for row in found.rows if not row.ok}
    assert wrong == {
        3: (2, "at"),
        4: (3, "channels"),
        5: (5, "text"),
        6: (1, "key"),
        7: (7, "promotional"),
        8: (9, "…"),
    }
    assert "not imported because other rows" in found.rows[0].message
    part = await sq.calendar.import_file(path, partial=True)
    assert (part.imported, part.rejected) == (1, 6)
    assert part.rows[0].entry == (await sq.calendar.entries())[0].id


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"", "empty", 1),
        (b"text\n", "no row", 1),
        (b"text,colour\nx,y\n", "column 2: 'colour' is no column", 1),
        (b"text,text\nx,y\n", "twice", 1),
        (b'text\n"open\n', "line 2", 2),
        (b"text\n\x00\n", "no text", 2),
        (b"text\n\xff\xff\xff\n", "GB 18030", 2),
        (b'[{"text": "a"},\n {"text": ]', "line 2, column 11", 2),
        (b'[{"text": "a"}\n {"text": "b"}]', "line 2, column 2", 2),
        (b"[" * 100_000, "nested", 1),
        (b"x" * 20_000_001, "larger than", None),
    ],
)
async def test_files_that_cannot_be_read_at_all(place, data, words, line):
    with pytest.raises(InvalidInput, match=words) as failed:
        await place.sq.calendar.import_file(data)
    assert failed.value.line == line
    assert await place.sq.calendar.log() == []


async def test_json_rows_and_whole_contents(place):
    sq = place.sq
    rows = [
        {"text": "一", "at": "2026-03-03T20:00+08:00", "channels": [place.one], "state": "scheduled"},
        {"content": {"poll": {"question": "几点直播?", "choices": ["七点", "八点"]}}},
    ]
    found = await sq.calendar.import_file(json.dumps(rows, ensure_ascii=False, indent=1).encode())
    assert found.imported == 2
    assert [one.state for one in await sq.calendar.entries()] == [EntryState.SCHEDULED, EntryState.DRAFT]
    assert len(await sq.deliveries.list()) == 1
    lines = b'{"text": "a"}\n{"text": 7}\n{"text": ["x"]}\n{"content": {"media": [{"kind": "photo", "path": "/etc/passwd"}]}}\n17\n'
    found = await sq.calendar.import_file(lines)
    assert [(row.line, row.ok, row.field) for row in found.rows] == [
        (1, True, ""),
        (2, True, ""),
        (3, False, "text"),
        (4, False, "content"),
        (5, False, "…"),
    ]


async def test_pictures_stay_within_their_directory(place, tmp_path):
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan/a.jpg").write_bytes(b"x")
    (tmp_path / "secret.jpg").write_bytes(b"x")
    path = tmp_path / "plan/plan.csv"
    path.write_text(
        "内容,图片\n好,a.jpg\n坏,../secret.jpg\n无,b.jpg\n网,https://x.example/a.png\n", encoding="utf-8"
    )
    found = await place.sq.calendar.import_file(path, partial=True)
    assert [row.ok for row in found.rows] == [True, False, False, True]
    assert "leads out" in found.rows[1].message


async def test_export_escapes_formulas_and_comes_back_as_it_was(place):
    sq = place.sq
    evil = ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "'quoted", "plain, with comma\nand line"]
    for number, text in enumerate(evil):
        await sq.calendar.add(Content(text=text, title=text[:3]), to=[place.one], key=f"k{number}")
    text = await sq.calendar.export_csv()
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["text"][0] for row in rows] == ["'"] * 5 + ["p"]
    await sq.calendar.undo(steps=6)
    found = await sq.calendar.import_file(text.encode())
    assert found.imported == 6
    assert [one.content.text for one in await sq.calendar.entries()] == evil


@given(st.text(max_size=30))
def test_escaping_is_undone(text):
    assert unescaped(escaped(text)) == text
    assert not escaped(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def made(text, **more):
    return Entry(
        id=7,
        community="health",
        state=EntryState.SCHEDULED,
        content=Content(text=text, category="a;b,c"),
        at=NOW,
        created_at=NOW,
        updated_at=NOW,
        **more,
    )


@given(st.text(min_size=1, max_size=200).filter(str.strip))
def test_icalendar_is_read_back_by_another_program(text):
    raw = to_ical([made(text)], title="社群, 日历", now=NOW).encode("utf-8", "replace")
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    calendar = icalendar.Calendar.from_ical(raw)
    assert "\r\nX-WR-CALNAME:社群\\, 日历\r\n" in raw.decode()
    (event,) = calendar.walk("VEVENT")
    assert event["DTSTART"].dt == NOW
    assert event["DTSTAMP"].dt == NOW
    assert event["UID"].startswith("entry-7-")
    expected = "".join(one for one in text if one in "\t\n\r" or (ord(one) >= 32 and ord(one) != 127))
    expected = expected.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    assert str(event["DESCRIPTION"]) == expected
    assert [str(one) for one in event["CATEGORIES"].cats] == ["a;b,c"]


async def test_export_ical_has_what_has_a_time(place):
    sq = place.sq
    one = await sq.calendar.add(
        Content(text="今晚直播,\n八点见;不见不散"), to=[place.one], at=NOW + timedelta(hours=8)
    )
    gone = await sq.calendar.add(Content(text="取消的"), to=[place.one], at=NOW + timedelta(hours=9))
    await sq.calendar.cancel(gone.id)
    await sq.calendar.add(Content(text="没有时间"), state="idea")
    events = icalendar.Calendar.from_ical(await sq.calendar.export_ical()).walk("VEVENT")
    assert [str(event["STATUS"]) for event in events] == ["TENTATIVE", "CANCELLED"]
    assert str(events[0]["LOCATION"]) == place.one
    assert one.at == events[0]["DTSTART"].dt
