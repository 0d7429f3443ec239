"""Dates of answers, for who listens."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import respx

from shequn_sdk.platforms.dates import note_date, overheard
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient
from shequn_sdk.scheduling.clock import SystemClock


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ("Sat, 21 Nov 2026 08:00:05 GMT", [datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC)]),
        ("Sat, 21 Nov 2026 16:00:05 +0800", [datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC)]),
        ("Sat, 21 Nov 2026 08:00:05 -0000", [datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC)]),
        ("yesterday", []),
        ("", []),
        ("Sat, 99 Nov 2026 08:00:05 GMT", []),
    ],
)
def test_a_date_is_understood_or_left_out(told, heard):
    with overheard() as dates:
        note_date({"date": told})
    assert dates == heard


@respx.mock
async def test_the_client_tells_who_listens():
    respx.get("https://demo.test/x").respond(headers={"Date": "Sat, 21 Nov 2026 08:00:05 GMT"})
    context = AdapterContext(clock=SystemClock())
    async with HttpClient(platform="demo", base_url="https://demo.test", context=context) as http:
        await http.request("GET", "/x", operation="look")
        with overheard() as dates:
            await http.request("GET", "/x", operation="look")
        await http.request("GET", "/x", operation="look")
    assert dates == [datetime(2026, 11, 21, 8, 0, 5, tzinfo=UTC)]
