from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shequn_sdk import AsyncShequn, Community, InvalidInput
from shequn_sdk.errors import StoreBusy, UnknownName
from shequn_sdk.links.model import Source
from shequn_sdk.links.redirect import RedirectApp
from shequn_sdk.testing import ManualClock

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PERSON = {"user-agent": "Mozilla/5.0 (iPhone) MicroMessenger/8.0.49"}
ROBOT = {"user-agent": "TelegramBot (like TwitterBot)"}


@pytest.fixture
async def sq(tmp_path):
    clock = ManualClock(NOW)
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")], clock=clock) as opened:
        opened.clock = clock
        yield opened


def browser(sq, **options):
    transport = httpx.ASGITransport(app=sq.links.app(), **options)
    return httpx.AsyncClient(transport=transport, base_url="https://go.example")


async def test_a_short_link_redirects_and_counts_people_apart_from_robots(sq):
    made = await sq.links.shorten(
        "https://shop.example/课?a=1", entrance="spring", source=Source(campaign="spring", partner="gym")
    )
    async with browser(sq) as web:
        for headers in (PERSON, PERSON, ROBOT):
            answer = await web.get(f"/{made.code}", headers=headers)
            assert answer.status_code == 302
            assert answer.headers["location"] == "https://shop.example/%E8%AF%BE?a=1"
            assert answer.headers["cache-control"] == "no-store"
            assert "set-cookie" not in answer.headers
        assert (await web.head(f"/{made.code}", headers=PERSON)).status_code == 302
        sq.clock.advance(timedelta(hours=2))
        await web.get(f"/{made.code}", headers=PERSON)
    found = await sq.links.get(made.code)
    assert (found.people, found.robots) == (3, 2)
    hours = await sq.links.clicks(made.code)
    assert [(one.hour, one.people, one.robots) for one in hours] == [
        (NOW.replace(minute=0), 2, 2),
        (NOW.replace(minute=0) + timedelta(hours=2), 1, 0),
    ]
    await sq.drain()
    result = await sq.metrics.compute("activity.interactions", start=NOW.date(), end=NOW.date(), by=["kind"])
    assert {point.dims["kind"]: point.value for point in result.points} == {"click": 3}


async def test_nothing_of_a_request_leads_elsewhere(sq):
    made = await sq.links.shorten("https://shop.example/", code="x")
    async with browser(sq) as web:
        answer = await web.get(
            f"/{made.code}?url=https://evil.example&next=//evil.example",
            headers=PERSON | {"host": "evil.example", "x-forwarded-host": "evil.example"},
        )
        assert answer.headers["location"] == "https://shop.example/"
        for path in (
            "//evil.example",
            "/x/../y",
            "/https:%2f%2fevil.example",
            "/",
            "/x%0d%0aSet-Cookie:a",
            "/nope",
        ):
            answer = await web.get(path, headers=PERSON)
            assert answer.status_code == 404
            assert "location" not in answer.headers
            assert "evil" not in answer.text
        assert (await web.post("/x")).status_code == 405


async def test_codes_ends_and_wrong_input(sq):
    made = await sq.links.shorten("https://a.example/", code="spring")
    assert await sq.links.shorten("https://a.example/", code="spring") == made
    with pytest.raises(InvalidInput, match="taken"):
        await sq.links.shorten("https://b.example/", code="spring")
    for code in ("has space", "斜杠", "a/b", "x" * 65):
        with pytest.raises(InvalidInput):
            await sq.links.shorten("https://a.example/", code=code)
    with pytest.raises(InvalidInput):
        await sq.links.shorten("https://a.example/", expires_at=NOW - timedelta(seconds=1))
    with pytest.raises(InvalidInput):
        await sq.links.shorten("https://a.example/", expires_at=datetime(2027, 1, 1))
    soon = await sq.links.shorten("https://a.example/", expires_at=NOW + timedelta(hours=1))
    assert {one.code for one in await sq.links.list()} == {"spring", soon.code}
    await sq.links.close("spring")
    sq.clock.advance(timedelta(hours=1))
    async with browser(sq) as web:
        for code in ("spring", soon.code):
            assert (await web.get(f"/{code}", headers=PERSON)).status_code == 404
    assert await sq.links.list() == []
    assert len(await sq.links.list(ended=True)) == 2
    with pytest.raises(UnknownName):
        await sq.links.get("nope")
    assert len({(await sq.links.shorten("https://a.example/")).code for _ in range(50)}) == 50


async def test_a_store_that_is_away_is_said_and_nothing_is_guessed():
    async def clicked(code, *, robot):
        raise StoreBusy("locked")

    transport = httpx.ASGITransport(app=RedirectApp(clicked))
    async with httpx.AsyncClient(transport=transport, base_url="https://go.example") as web:
        answer = await web.get("/spring", headers=PERSON)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
