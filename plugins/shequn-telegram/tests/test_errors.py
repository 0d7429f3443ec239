"""What goes wrong on the wire, and the typed errors it becomes."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx

from shequn_sdk.domain import Account, Piece
from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    Conflict,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetMoved,
    TargetNotFound,
    Unavailable,
    VerificationFailed,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_telegram import wire
from shequn_telegram.adapter import TelegramAdapter, create
from shequn_telegram.errors import RULES, error_for

from .conftest import NOW, TOKEN, tg_account

URL = f"http://tg.test/bot{TOKEN}/"
SENT = {
    "ok": True,
    "result": {"message_id": 5, "date": 1782000000, "chat": {"id": -1, "type": "group"}, "text": "a"},
}


class HastyClock:
    """Sleeps at once and remembers for how long."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
async def tg_lone():
    clock = HastyClock()
    async with TelegramAdapter(tg_account(), AdapterContext(clock=clock, timeout=5)) as adapter:
        adapter.clock_for_tests = clock
        with respx.mock(assert_all_called=False) as mock:
            yield adapter, mock, clock


async def _publish(adapter: TelegramAdapter):
    return await adapter.publish("-1", Piece(text="a"), idempotency_key="k")


def _refusal(status: int, text: str, **parameters: object) -> httpx.Response:
    body: dict[str, object] = {"ok": False, "error_code": status, "description": text}
    if parameters:
        body["parameters"] = parameters
    return httpx.Response(status, json=body)


async def test_request_that_is_sent(tg_lone):
    adapter, mock, _ = tg_lone
    route = mock.post(URL + "sendMessage").respond(json=SENT)
    post = await _publish(adapter)
    assert json.loads(route.calls.last.request.content) == {"chat_id": -1, "text": "a"}
    assert post.native_id == "5"


@pytest.mark.parametrize(
    ("response", "wait"),
    [
        (_refusal(429, "Too Many Requests: retry after 17", retry_after=17), 17),
        (httpx.Response(429, headers={"Retry-After": "3"}, text="<html>slow down</html>"), 3),
        (_refusal(429, "Too Many Requests"), None),
    ],
)
async def test_rate_limits_are_handed_to_the_ledger(tg_lone, response, wait):
    adapter, mock, _ = tg_lone
    route = mock.post(URL + "sendMessage").mock(return_value=response)
    with pytest.raises(RateLimited) as raised:
        await _publish(adapter)
    assert raised.value.retry_after == (timedelta(seconds=wait) if wait is not None else None)
    assert (raised.value.scope, raised.value.landed) == ("channel", Landing.SURELY_NOT)
    assert route.call_count == 1  # a post is never repeated here


async def test_reads_are_repeated(tg_lone):
    adapter, mock, clock = tg_lone
    route = mock.post(URL + "getChatMemberCount")
    route.side_effect = [
        httpx.Response(502, text="<html>Bad Gateway</html>"),
        _refusal(429, "x", retry_after=2),
        httpx.ReadTimeout("slow"),
        httpx.Response(200, json={"ok": True, "result": 9}),
    ]
    assert await adapter.count_members("-1") == 9
    assert 2 <= clock.slept[1] <= 2.3


@pytest.mark.parametrize(
    ("effect", "landed"),
    [
        (httpx.ConnectError("refused"), Landing.SURELY_NOT),
        (httpx.ConnectTimeout("t"), Landing.SURELY_NOT),
        (httpx.ReadTimeout("t"), Landing.PERHAPS),
        (httpx.ReadError("reset"), Landing.PERHAPS),
        (httpx.RemoteProtocolError("cut"), Landing.PERHAPS),
        (httpx.Response(502, text="<html>Bad Gateway</html>"), Landing.PERHAPS),
        (httpx.Response(500, json={"ok": False, "error_code": 500, "description": "Internal Server Error: restart"}), Landing.PERHAPS),
        (httpx.Response(200, content=b'{"ok":true,"resu'), Landing.PERHAPS),
        (httpx.Response(200, json={"ok": True, "result": True}), Landing.PERHAPS),
        (httpx.Response(200, json=[]), Landing.PERHAPS),
    ],
)  # fmt: skip
async def test_whether_it_landed(tg_lone, effect, landed):
    adapter, mock, _ = tg_lone
    route = mock.post(URL + "sendMessage")
    route.side_effect = [effect]
    with pytest.raises(Unavailable) as raised:
        await _publish(adapter)
    assert raised.value.landed is landed
    assert route.call_count == 1


async def test_error_in_a_200_body(tg_lone):
    adapter, mock, _ = tg_lone
    mock.post(URL + "sendMessage").respond(
        json={"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}
    )
    with pytest.raises(TargetNotFound):
        await _publish(adapter)


async def test_migration(tg_lone):
    adapter, mock, _ = tg_lone
    text = "Bad Request: group chat was upgraded to a supergroup chat"
    mock.post(URL + "sendMessage").mock(return_value=_refusal(400, text, migrate_to_chat_id=-1009))
    with pytest.raises(TargetMoved) as raised:
        await _publish(adapter)
    assert raised.value.new_id == "-1009"


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (400, "Bad Request: chat not found", TargetNotFound),
        (400, "Bad Request: message to edit not found", TargetNotFound),
        (400, "Bad Request: message thread not found", TargetNotFound),
        (400, "Bad Request: not enough rights to send text messages to the chat", PermissionDenied),
        (400, "Bad Request: need administrator rights in the channel chat", PermissionDenied),
        (400, "Bad Request: CHAT_ADMIN_REQUIRED", PermissionDenied),
        (
            400,
            'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0',
            InvalidContent,
        ),
        (400, "Bad Request: message is too long", InvalidContent),
        (400, "Bad Request: SOMETHING_NEW", InvalidContent),
        (400, "Bad Request: wrong file identifier/HTTP URL specified", InvalidContent),
        (400, "Bad Request: message is not modified: specified new …", Conflict),
        (400, "Bad Request: HIDE_REQUESTER_MISSING", Conflict),
        (400, "Bad Request: method is available only for supergroups", Conflict),
        (401, "Unauthorized", AuthFailed),
        (403, "Forbidden: bot was blocked by the user", TargetNotFound),
        (403, "Forbidden: bot was kicked from the supergroup chat", TargetNotFound),
        (403, "Forbidden: something new", PermissionDenied),
        (404, "Not Found", AuthFailed),
        (404, "Not Found: method not found", Conflict),
        (409, "Conflict: terminated by other getUpdates request", Conflict),
        (413, "Request Entity Too Large", InvalidContent),
        (418, "I'm a teapot", InvalidContent),
        (421, "Misdirected Request: unallowed token specified", AuthFailed),
        (500, "Internal Server Error", Unavailable),
    ],
)
def test_error_table(status: int, text: str, error: type[PlatformError]):
    found = error_for("sendMessage", status=status, description=text)
    assert type(found) is error
    assert (found.platform, found.operation, found.code) == ("telegram", "sendMessage", str(status))
    assert found.landed is (Landing.PERHAPS if status >= 500 else Landing.SURELY_NOT)


def test_every_rule_can_be_reached():
    for index, rule in enumerate(RULES):
        found = error_for("x", status=rule.status, description=rule.text)
        assert rule.next in str(found), (index, rule)


async def test_html_413(tg_lone):
    adapter, mock, _ = tg_lone
    mock.post(URL + "sendMessage").respond(413, text="<html>413</html>")
    with pytest.raises(InvalidContent):
        await _publish(adapter)


async def test_token_is_never_shown(tg_lone, caplog):
    adapter, mock, _ = tg_lone
    secret = TOKEN.partition(":")[2]
    effects = [
        httpx.ConnectError(f"cannot reach {URL}"),
        _refusal(401, f"Unauthorized: {TOKEN}"),
        httpx.Response(502, text=f"<html>{URL}</html>"),
        httpx.ReadTimeout(f"{URL} is slow"),
    ]
    seen = [repr(adapter), repr(adapter.api), str(adapter)]
    with caplog.at_level(logging.DEBUG):
        for effect in effects:
            mock.post(URL + "sendMessage").side_effect = [effect]
            with pytest.raises(PlatformError) as raised:
                await _publish(adapter)
            seen += [str(raised.value), repr(raised.value), repr(vars(raised.value))]
    seen += [record.getMessage() for record in caplog.records if record.name.startswith("shequn")]
    assert not [text for text in seen if secret in text]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"secrets": {}}, "BotFather"),
        ({"secrets": {"token": "not a token"}}, "does not look like"),
        ({"options": {"poll_timeout": 90}}, "0 to 50"),
        ({"options": {"pol_timeout": 9}}, "unknown options pol_timeout"),
        ({"options": {"allowed_updates": "message"}}, "list of update types"),
        ({"options": {"max_webhook_bytes": 0}}, "positive"),
        ({"base_url": "ftp://x"}, "http://"),
    ],
)
def test_wrong_settings(change, match):
    fields = {**tg_account().model_dump(), "secrets": {"token": TOKEN}, **change}
    with pytest.raises(ConfigError, match=match) as raised:
        create(Account.model_validate(fields), AdapterContext(clock=HastyClock()))
    assert "not a token" not in str(raised.value)


# webhook

BODY = b'{"update_id":7,"message":{"message_id":1,"chat":{"id":-1},"date":5,"text":"x"}}'


def _request(**change: object) -> WebhookRequest:
    fields: dict[str, object] = {
        "method": "POST",
        "path": "/",
        "query": {},
        "headers": {"x-telegram-bot-api-secret-token": "s3cret-token"},
        "body": BODY,
        "received_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return WebhookRequest(**{**fields, **change})  # type: ignore[arg-type]


def test_webhook_is_taken():
    adapter = create(tg_account(), AdapterContext(clock=HastyClock()))
    reply = adapter.verify(_request())
    assert [event.event_id for event in reply.events] == ["update:7"]
    assert reply.status == 200
    assert "s3cret" not in repr(reply)
    assert adapter.parse(reply.events[0]).interactions[0].text == "x"


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {}},
        {"headers": {"x-telegram-bot-api-secret-token": "wrong"}},
        {"headers": {"x-telegram-bot-api-secret-token": "s3cret-tokenß\udcff"}},
        {"method": "GET"},
        {"body": b""},
        {"body": b"[]"},
        {"body": b'{"a":' * 200_000},
        {"body": b"[" * 200_000},
        {"body": b" " * (1024 * 1024 + 1)},
    ],
)
def test_webhook_is_refused(change):
    adapter = create(tg_account(), AdapterContext(clock=HastyClock()))
    with pytest.raises(VerificationFailed) as raised:
        adapter.verify(_request(**change))
    assert "s3cret" not in str(raised.value)


def test_webhook_without_secret_is_refused():
    account = tg_account().model_copy(update={"secrets": {"token": tg_account().secrets["token"]}})
    adapter = create(account, AdapterContext(clock=HastyClock()))
    with pytest.raises(VerificationFailed, match="webhook_secret"):
        adapter.verify(_request())


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (rb'{"id":1,"first_name":"a\ud800b"}', "a\ufffdb"),
        (rb'{"id":1,"first_name":"\udc00\ud83d"}', "\ufffd\ufffd"),
        (rb'{"id":1,"first_name":"\ud83d\ude00"}', "😀"),
        (rb'{"id":1,"first_name":"\\ud800\ud800"}', "\\ud800\ufffd"),
        (b'{"id":1,"first_name":"a\xffb"}', "a\ufffdb"),
    ],
)
def test_half_a_character_is_replaced_not_refused(raw, name):
    assert wire.decode(raw, wire.User).first_name == name


async def test_a_request_that_timed_out_on_its_way_is_no_refusal(tg_lone):
    adapter, mock, _ = tg_lone
    mock.post(URL + "sendMessage").respond(408, content=b"<html>timeout</html>")
    with pytest.raises(Unavailable) as caught:
        await _publish(adapter)
    assert caught.value.landed is Landing.PERHAPS


async def test_a_wait_beyond_reason_is_cut(tg_lone):
    adapter, mock, _ = tg_lone
    mock.post(URL + "sendMessage").mock(return_value=_refusal(429, "Too Many Requests", retry_after=10**18))
    with pytest.raises(RateLimited) as caught:
        await _publish(adapter)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.days == 365


@pytest.mark.parametrize(
    "result",
    [
        b'{"message_id":5}',
        b'{"message_id":"5","date":null,"chat":null,"text":null}',
        b'{"message_id":5,"date":99999999999999,"chat":{"id":-1}}',
        b'{"message_id":5,"date":-1,"chat":{"id":-1},"text":"\\ud83d","poll":null}',
    ],
)
async def test_a_message_that_stands_is_never_unknown_for_the_form_of_its_answer(tg_lone, result):
    adapter, mock, clock = tg_lone
    mock.post(URL + "sendMessage").respond(content=b'{"ok":true,"result":' + result + b"}")
    post = await _publish(adapter)
    assert (post.native_id, post.channel.native_id) == ("5", "-1")
    assert post.landed_at == clock.now()


async def test_a_time_that_no_calendar_knows_is_for_ever(tg_lone):
    adapter, mock, _ = tg_lone
    user = {"id": 5, "is_bot": False, "first_name": "L"}
    member = {"user": user, "status": "restricted", "is_member": True, "until_date": 10**18}
    mock.post(URL + "getChatMember").respond(json={"ok": True, "result": member})
    assert (await adapter.get_member("-1", "5")).until is None
