"""httpx logs whole URLs; a token in one must not get out that way."""

from __future__ import annotations

import logging

import httpx

from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient
from shequn_sdk.scheduling.clock import SystemClock


async def test_a_token_in_the_url_is_not_logged(caplog) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={}))
    context = AdapterContext(clock=SystemClock(), transport=transport)
    client = HttpClient(
        platform="x",
        base_url="http://x.invalid/bot123:SECRET-TOKEN",
        context=context,
        secrets=["123:SECRET-TOKEN"],
    )
    with caplog.at_level(logging.DEBUG):
        async with client:
            client.redact.add("fetched-later")
            await client.request("GET", "/me?access_token=fetched-later", operation="me")
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "GET http://x.invalid/bot***/me" in told
    assert "SECRET-TOKEN" not in told
    assert "fetched-later" not in told
