"""One update nested beyond any decoder becomes a dead letter; the others and the source go on."""

import json
from datetime import UTC, datetime

import httpx
import pytest
import respx

from shequn_sdk.errors import InvalidInput, Unavailable
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import ManualClock
from shequn_telegram.adapter import TelegramAdapter

from .conftest import TOKEN, tg_account

DEEP = b"[" * 100_000 + b"]" * 100_000


def update(number, text):
    message = {
        "message_id": number,
        "date": 1772409600,
        "chat": {"id": -5, "type": "supergroup", "title": "t"},
        "from": {"id": 9, "is_bot": False, "first_name": "Li"},
        "text": text,
    }
    return json.dumps({"update_id": number, "message": message}).encode()


@respx.mock
async def test_a_deeply_nested_update_does_not_hold_up_the_others():
    rows = [update(1, "a"), b'{"update_id": 2, "message": {"new_chat_members": %b}}' % DEEP, update(3, "c")]
    body = b'{"ok":true,"result":[%b]}' % b",".join(rows)
    respx.post(f"http://tg.test/bot{TOKEN}/getUpdates").mock(return_value=httpx.Response(200, content=body))
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with TelegramAdapter(tg_account(), AdapterContext(clock=clock)) as adapter:
        batch = await adapter.receive(None)
        assert [event.event_id for event in batch.events] == ["update:1", "update:2", "update:3"]
        assert batch.cursor == "4"
        assert batch.events[1].payload == rows[1]
        assert [adapter.parse(batch.events[place]).interactions[0].text for place in (0, 2)] == ["a", "c"]
        with pytest.raises(InvalidInput, match="no update"):
            adapter.parse(batch.events[1])


@respx.mock
async def test_an_answer_that_is_cut_off_is_still_an_error():
    body = b'{"ok":true,"result":[%b' % DEEP
    respx.post(f"http://tg.test/bot{TOKEN}/getUpdates").mock(return_value=httpx.Response(200, content=body))
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with TelegramAdapter(tg_account(), AdapterContext(clock=clock)) as adapter:
        with pytest.raises(Unavailable):
            await adapter.receive(None)
