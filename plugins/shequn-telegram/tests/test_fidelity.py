"""Facts of the Bot API that a stranger's client or server relies on."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from shequn_sdk.domain import Media, MediaKind, Piece
from shequn_sdk.errors import (
    AuthFailed,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.lenient import repaired
from shequn_telegram.adapter import TelegramAdapter
from shequn_telegram.errors import error_for
from shequn_telegram.events import UpdateParser
from shequn_telegram.wire import SentMessage, decode

from .conftest import HAN, TOKEN, Place, tg_account

URL = f"http://tg.test/bot{TOKEN}/"
UPDATE: dict[str, Any] = {
    "update_id": 5,
    "message": {
        "message_id": 1,
        "from": {"id": 5, "is_bot": False, "first_name": "Li"},
        "chat": {"id": -100123, "type": "supergroup", "title": "t"},
        "date": 1782000000,
        "text": "hi",
    },
}


@pytest.fixture
async def tg_quick(tg: Place):
    """The adapter's account against a mocked server."""
    async with TelegramAdapter(tg_account(), AdapterContext(clock=tg.clock, timeout=5)) as adapter:
        with respx.mock(assert_all_called=False) as mock:
            yield adapter, mock


class Client:
    """A client that knows nothing of the adapter."""

    def __init__(self, place: Place, http: httpx.AsyncClient) -> None:
        described = place.sandbox.describe()
        self.url, self.http = f"{described['base_url']}/bot{described['token']}", http

    async def __call__(self, name: str, **params: Any) -> Any:
        body = (await self.http.post(f"{self.url}/{name}", json=params)).json()
        return body["result"] if body["ok"] else body["description"]


@pytest.fixture
async def tg_ask(tg: Place):
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield Client(tg, http)


# odd payloads


def _message(payload: bytes) -> Any:
    (found,) = UpdateParser("bot", now=lambda: 0.0).parse(payload).interactions
    return found


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (json.dumps(UPDATE).replace('"hi"', '"h\\ud83d"').encode(), "h\ufffd"),
        (json.dumps(UPDATE).encode().replace(b'"hi"', b'"h\xff"'), "h\ufffd"),
        (json.dumps(UPDATE).replace("1782000000", "1782000000.0").encode(), "hi"),
        (json.dumps(UPDATE).replace('"Li"', '"Li","last_name":null,"username":null').encode(), "hi"),
        (
            json.dumps(UPDATE).replace('"hi"', '"hi","entities":null,"is_automatic_forward":null').encode(),
            "hi",
        ),
    ],
    ids=["half character", "no utf-8", "whole float", "null names", "null flags"],
)
def test_an_odd_message_is_read_all_the_same(payload: bytes, text: str):
    found = _message(payload)
    assert (found.text, found.member, found.member_name) == (text, "5", "Li")


def test_what_cannot_be_repaired_stays_as_it_is():
    assert repaired(b"{") == b"{"
    assert json.loads(repaired(b'{"a":1e300,"b":2.5,"c":[null,3.0]}')) == {
        "a": 1e300,
        "b": 2.5,
        "c": [None, 3],
    }
    deep = b"[" * 100_000
    assert repaired(deep) == deep


def test_a_sent_message_with_nulls_is_no_failure():
    raw = b'{"message_id":1,"date":5,"chat":{"id":-1,"title":null,"type":"group"},"caption":null,"text":"a"}'
    assert decode(raw, SentMessage).chat.title == ""


@pytest.mark.parametrize("medium", ["dice", "location", "live_photo", "rich_message"])
def test_media_without_a_model_are_shared_and_answer_as_others_do(medium: str):
    author = {"id": 9, "is_bot": False, "first_name": "Han"}
    plain = {key: value for key, value in UPDATE["message"].items() if key != "text"}
    answered = {"message_id": 4, "date": 5, "chat": plain["chat"], "from": author}
    answer = {**plain, "quote": {"text": "q", "position": 0}, "reply_to_message": answered, medium: {}}
    found = _message(json.dumps({"update_id": 5, "message": answer}).encode())
    assert (found.kind, found.parent, found.target, found.attrs) == ("message", "4", "9", {"media": medium})
    origin = {"type": "user", "date": 5, "sender_user": author}
    shared = {**plain, "forward_origin": origin, "is_from_offline": True, medium: {}}
    found = _message(json.dumps({"update_id": 5, "message": shared}).encode())
    assert (found.kind, found.attrs["media"], found.target) == ("share", medium, "9")


# refusals


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("CHAT_SEND_PHOTOS_FORBIDDEN", PermissionDenied),
        ("CHAT_WRITE_FORBIDDEN", PermissionDenied),
        ("VOICE_MESSAGES_FORBIDDEN", PermissionDenied),
        ("USER_BANNED_IN_CHANNEL", PermissionDenied),
        ("CHAT_RESTRICTED", PermissionDenied),
        ("RIGHT_FORBIDDEN", PermissionDenied),
        ("CHANNEL_PRIVATE", TargetNotFound),
        ("USER_IS_BLOCKED", TargetNotFound),
        ("INPUT_USER_DEACTIVATED", TargetNotFound),
    ],
)
def test_codes_that_were_403_at_telegram(description: str, kind: type[PlatformError]):
    assert type(error_for("x", status=400, description=f"Bad Request: {description}")) is kind


@pytest.mark.parametrize(
    ("status", "kind"), [(400, InvalidContent), (401, AuthFailed), (403, PermissionDenied), (404, AuthFailed)]
)
async def test_a_front_ends_refusal_without_json_has_surely_not_landed(tg_quick, status, kind):
    adapter, mock = tg_quick
    mock.post(URL + "sendMessage").respond(status, text="<html>no</html>")
    with pytest.raises(kind) as caught:
        await adapter.publish("-1", Piece(text="a"), idempotency_key="k")
    assert caught.value.landed is Landing.SURELY_NOT
    assert not caught.value.retryable


async def test_a_redirect_has_surely_not_landed(tg_quick):
    adapter, mock = tg_quick
    mock.post(URL + "sendMessage").respond(301, headers={"Location": "https://example.org/"})
    with pytest.raises(Unavailable) as caught:
        await adapter.publish("-1", Piece(text="a"), idempotency_key="k")
    assert caught.value.landed is Landing.SURELY_NOT


def test_seconds_that_stand_in_the_description_only():
    error = error_for("x", status=429, description="Too Many Requests: retry after 33")
    assert isinstance(error, RateLimited)
    assert error.retry_after == timedelta(seconds=33)


async def test_an_album_answered_with_nothing_has_perhaps_landed(tg_quick):
    adapter, mock = tg_quick
    mock.post(URL + "sendMediaGroup").respond(json={"ok": True, "result": []})
    photo = Media(kind=MediaKind.PHOTO, url="https://example.org/a.jpg")
    with pytest.raises(Unavailable) as caught:
        await adapter.publish("-1", Piece(media=(photo, photo)), idempotency_key="k")
    assert caught.value.landed is Landing.PERHAPS


async def test_receive_now_asks_without_a_long_poll(tg_quick):
    adapter, mock = tg_quick
    route = mock.post(URL + "getUpdates").respond(json={"ok": True, "result": []})
    await adapter.receive_now("7")
    await adapter.receive("7")
    waits = [json.loads(call.request.content)["timeout"] for call in route.calls]
    assert waits == [0, 25]


# the sandbox


async def test_a_poll_closes_while_the_bot_waits(tg: Place, tg_ask: Client):
    await tg_ask("sendPoll", chat_id=int(tg.group), question="q", options=["a", "b"], open_period=10)
    waiting = asyncio.create_task(tg_ask("getUpdates", timeout=15))
    await asyncio.sleep(0.1)
    tg.clock.advance(timedelta(seconds=11))
    async with asyncio.timeout(300):
        (update,) = await waiting
    assert update["poll"]["is_closed"] is True


async def test_limit_of_updates_is_clamped(tg: Place, tg_ask: Client):
    for text in "abc":
        tg.sandbox.say(tg.group, HAN, text)
    assert len(await tg_ask("getUpdates", limit=0)) == 1
    assert len(await tg_ask("getUpdates", limit=-3)) == 1
    assert len(await tg_ask("getUpdates", limit=1000)) == 3


async def test_a_quote_stands_in_the_reply(tg: Place, tg_ask: Client):
    sent = await tg_ask("sendMessage", chat_id=int(tg.group), text="你好 👍 world")
    reply = {"message_id": sent["message_id"], "quote": "world"}
    answer = await tg_ask("sendMessage", chat_id=int(tg.group), text="re", reply_parameters=reply)
    assert answer["quote"] == {"text": "world", "position": 6, "is_manual": True}
    reply["quote"] = "nowhere"
    refused = await tg_ask("sendMessage", chat_id=int(tg.group), text="re", reply_parameters=reply)
    assert refused == "Bad Request: QUOTE_TEXT_INVALID"


async def test_permissions_left_out_follow_others(tg: Place, tg_ask: Client):
    user = int(tg.sandbox.member_id(HAN))
    names = ("can_send_messages", "can_send_other_messages", "can_add_web_page_previews", "can_send_polls")
    more = ("can_invite_users", "can_pin_messages", "can_change_info")
    standing = {"chat_id": int(tg.group), "user_id": user}
    await tg_ask("restrictChatMember", **standing, permissions=dict.fromkeys((*names, *more), True))
    assert (await tg_ask("getChatMember", **standing))["status"] == "member"
    await tg_ask("restrictChatMember", **standing, permissions=dict.fromkeys(names, True))
    found = await tg_ask("getChatMember", **standing)
    assert found["status"] == "restricted"
    assert found["can_react_to_messages"] is True
    assert found["can_manage_topics"] is False
    assert found["can_invite_users"] is False


async def test_labels_hold_no_emoji(tg: Place, tg_ask: Client):
    user = int(tg.sandbox.member_id(HAN))
    refused = await tg_ask("setChatMemberTag", chat_id=int(tg.group), user_id=user, tag="书友📚")
    assert refused == "Bad Request: ADMIN_RANK_EMOJI_NOT_ALLOWED"
    assert await tg_ask("setChatMemberTag", chat_id=int(tg.group), user_id=user, tag="书友") is True


async def test_an_own_message_older_than_two_days_needs_the_right(tg: Place, tg_ask: Client):
    sent = await tg_ask("sendMessage", chat_id=int(tg.group), text="a")
    where = {"chat_id": int(tg.group), "message_id": sent["message_id"]}
    tg.clock.advance(timedelta(hours=49))
    tg.sandbox.set_rights(tg.group, "can_pin_messages")
    assert await tg_ask("deleteMessage", **where) == "Bad Request: message can't be deleted"
    tg.sandbox.set_rights(tg.group, "can_delete_messages")
    assert await tg_ask("deleteMessage", **where) is True


@pytest.mark.parametrize("port", ["", ":443", ":80", ":88", ":8443"])
async def test_ports_of_webhooks(tg_ask: Client, port: str):
    assert await tg_ask("setWebhook", url=f"https://example.org{port}/x") is True
    refused = await tg_ask("setWebhook", url="https://example.org:8080/x")
    assert "ports 80, 88, 443 or 8443" in refused


async def test_a_join_query_that_nobody_asked(tg_ask: Client):
    refused = await tg_ask("answerChatJoinRequestQuery", chat_join_request_query_id="1", result="approve")
    assert refused.startswith("Bad Request: query is too old")


async def test_a_picture_of_a_chat_is_told(tg: Place, tg_ask: Client):
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 8 + b"\0\0\0\x10" * 2
    form = {"chat_id": tg.group, "photo": "attach://p1"}
    answer = await tg_ask.http.post(f"{tg_ask.url}/setChatPhoto", data=form, files={"p1": ("a.png", png)})
    assert answer.json() == {"ok": True, "result": True}
    assert (
        await tg_ask("setChatPhoto", chat_id=int(tg.group)) == "Bad Request: there is no photo in the request"
    )
    assert await tg_ask("deleteChatPhoto", chat_id=int(tg.group)) is True


async def test_rights_that_a_bot_asks_for(tg_ask: Client):
    rights = {"can_delete_messages": True, "is_anonymous": False}
    assert await tg_ask("setMyDefaultAdministratorRights", rights=rights) is True
    found = await tg_ask("getMyDefaultAdministratorRights")
    assert [name for name, given in found.items() if given] == ["can_delete_messages"]
    assert (await tg_ask("setMyDefaultAdministratorRights", rights=[1])).startswith(
        "Bad Request: can't parse"
    )
    assert not any((await tg_ask("getMyDefaultAdministratorRights", for_channels=True)).values())


async def test_drafts_are_for_private_chats(tg: Place, tg_ask: Client):
    member = int(tg.sandbox.describe()["members"][0])
    assert await tg_ask("sendMessageDraft", chat_id=member, draft_id=1, text="x") is True
    assert (await tg_ask("sendMessageDraft", chat_id=int(tg.group), draft_id=1, text="x")).startswith("Bad")
