"""What can go wrong between us and WeCom, with the requests that were sent."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest
import respx
from pydantic import SecretStr

from shequn_sdk.domain import Account, Piece
from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    ContentRejected,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import ManualClock
from shequn_wecom import wire
from shequn_wecom.adapter import create
from shequn_wecom.api import base_of
from shequn_wecom.errors import error_of, rule_of

BASE = "https://qyapi.weixin.qq.com/cgi-bin"
SECRET, TOKEN = "s3cr3t-of-the-app-0123456789", "T0KEN-that-must-not-be-seen"
FIXTURES = Path(__file__).parent / "fixtures" / "http"
START = datetime(2026, 3, 2, tzinfo=UTC)


class QuickClock(ManualClock):
    """Sleeping takes no time."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


@pytest.fixture
def quick_clock():
    return QuickClock(START)


@pytest.fixture
async def lone_app(quick_clock):
    account = Account(
        name="club",
        platform="wecom",
        secrets={"corp_secret": SecretStr(SECRET)},
        options={"corp_id": "ww1", "agent_id": 1000002},
    )
    async with create(account, AdapterContext(clock=quick_clock)) as adapter:
        yield adapter


@pytest.fixture
def mocked():
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        router.get("/gettoken").respond(json={"errcode": 0, "access_token": TOKEN, "expires_in": 7200})
        yield router


def token_calls(router) -> int:
    return sum(call.request.url.path.endswith("/gettoken") for call in router.calls)


async def publish(adapter, text="你好", key="k"):
    return await adapter.publish("user:lin", Piece(text=text), idempotency_key=key)


async def test_the_request_is_what_the_document_says(lone_app, mocked):
    send = mocked.post("/message/send").respond(
        json={"errcode": "0", "errmsg": "ok", "msgid": "m-1", "new": {}}
    )
    post = await publish(lone_app)
    assert post.native_id == "m-1"
    request = send.calls[0].request
    assert dict(request.url.params) == {"access_token": TOKEN}
    assert "你好".encode() in request.content
    body = json.loads(request.content)
    assert body.pop("client_msg_id")
    assert body == {
        "touser": "lin",
        "agentid": 1000002,
        "msgtype": "text",
        "text": {"content": "你好"},
        "safe": 0,
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 1800,
    }
    token = mocked.calls[0].request
    assert dict(token.url.params) == {"corpid": "ww1", "corpsecret": SECRET}


async def test_repeated_requests_are_the_same_bytes(lone_app, mocked):
    send = mocked.post("/message/send").respond(json={"errcode": 0, "msgid": "m"})
    await publish(lone_app)
    await publish(lone_app)
    assert send.calls[0].request.content == send.calls[1].request.content


async def test_many_callers_share_one_token_request(lone_app, mocked):
    mocked.post("/message/send").respond(json={"errcode": 0, "msgid": "m"})
    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(publish, lone_app, f"第 {number}", str(number))
    assert token_calls(mocked) == 1


@pytest.mark.parametrize("code", [42001, 40014, 40001])
async def test_an_expired_token_is_renewed_once_under_concurrency(lone_app, mocked, code):
    tokens = iter(["old-token-0001", "new-token-0002"])
    mocked.get("/gettoken").mock(
        side_effect=lambda _: httpx.Response(200, json={"access_token": next(tokens), "expires_in": 7200})
    )

    def answer(request):
        fresh = request.url.params["access_token"] == "new-token-0002"
        return httpx.Response(
            200, json={"errcode": 0, "msgid": "m"} if fresh else {"errcode": code, "errmsg": "x"}
        )

    mocked.post("/message/send").mock(side_effect=answer)
    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(publish, lone_app, f"第 {number}", str(number))
    assert token_calls(mocked) == 2


@pytest.mark.parametrize("code", [42001, 40014])
async def test_a_token_that_stays_bad_is_replayed_once_then_fails(lone_app, mocked, code):
    send = mocked.post("/message/send").respond(json={"errcode": code, "errmsg": "bad"})
    with pytest.raises(AuthFailed) as caught:
        await publish(lone_app)
    assert (send.call_count, token_calls(mocked)) == (2, 2)
    assert caught.value.landed is Landing.SURELY_NOT


@pytest.mark.parametrize("code", [40001, 40013, 40091])
async def test_a_wrong_secret_is_not_tried_again_for_a_minute(lone_app, mocked, quick_clock, code):
    gettoken = mocked.get("/gettoken").respond(json={"errcode": code, "errmsg": "no"})
    for _ in range(3):
        with pytest.raises(AuthFailed):
            await publish(lone_app)
    assert gettoken.call_count == 1
    quick_clock.advance(61)
    with pytest.raises(AuthFailed):
        await publish(lone_app)
    assert gettoken.call_count == 2


async def test_tokens_are_renewed_before_they_end(lone_app, mocked, quick_clock):
    mocked.post("/message/send").respond(json={"errcode": 0, "msgid": "m"})
    await publish(lone_app)
    quick_clock.advance(7200 - 301)
    await publish(lone_app)
    assert token_calls(mocked) == 1
    quick_clock.advance(2)
    await publish(lone_app)
    assert token_calls(mocked) == 2


async def test_a_limit_says_how_long_and_nothing_landed(lone_app, mocked):
    send = mocked.post("/message/send").respond(json={"errcode": 45009, "errmsg": "api freq out of limit"})
    with pytest.raises(RateLimited) as caught:
        await publish(lone_app)
    assert (caught.value.retry_after, caught.value.landed, send.call_count) == (
        timedelta(seconds=60),
        Landing.SURELY_NOT,
        1,
    )


async def test_reads_are_repeated_when_the_platform_is_busy_and_posts_are_not(lone_app, mocked):
    read = mocked.get("/department/list")
    read.side_effect = [
        httpx.Response(200, json={"errcode": -1, "errmsg": "busy"}),
        httpx.Response(502, html="<html>bad gateway</html>"),
        httpx.Response(200, json={"errcode": 0, "department": [{"id": "2", "name": "运营"}]}),
    ]
    assert (await lone_app.get_channel("party:2")).title == "运营"
    send = mocked.post("/message/send").respond(json={"errcode": -1, "errmsg": "busy"})
    with pytest.raises(Unavailable) as caught:
        await publish(lone_app)
    assert (send.call_count, caught.value.landed) == (1, Landing.SURELY_NOT)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(502, html="<html>bad gateway</html>"),
        httpx.Response(200, html="<html>captive portal</html>"),
        httpx.Response(200, content=b'{"errcode":0,"msg'),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, json=["no", "object"]),
        httpx.Response(200, json={"errcode": "what"}),
        httpx.Response(200, content=b""),
        httpx.Response(200, json={"errcode": 0, "msgid": {"odd": 1}}),
    ],
)
async def test_nonsense_in_the_answer_perhaps_landed(lone_app, mocked, response):
    mocked.post("/message/send").mock(return_value=response)
    with pytest.raises(Unavailable) as caught:
        await publish(lone_app)
    assert caught.value.landed is Landing.PERHAPS


@pytest.mark.parametrize(
    ("error", "landed"),
    [
        (httpx.ConnectError("refused"), Landing.SURELY_NOT),
        (httpx.ConnectTimeout("slow"), Landing.SURELY_NOT),
        (httpx.ReadTimeout("slow"), Landing.PERHAPS),
        (httpx.RemoteProtocolError("reset"), Landing.PERHAPS),
        (httpx.WriteError("reset"), Landing.PERHAPS),
    ],
)
async def test_what_a_broken_connection_means(lone_app, mocked, error, landed):
    mocked.post("/message/send").mock(side_effect=error)
    with pytest.raises(Unavailable) as caught:
        await publish(lone_app)
    assert caught.value.landed is landed


async def test_no_token_means_nothing_was_sent(lone_app, mocked):
    mocked.get("/gettoken").mock(side_effect=httpx.ReadTimeout("slow"))
    send = mocked.post("/message/send").respond(json={"errcode": 0})
    with pytest.raises(Unavailable) as caught:
        await publish(lone_app)
    assert caught.value.landed is Landing.SURELY_NOT
    assert not send.called
    mocked.get("/gettoken").respond(json={"errcode": 0, "access_token": ""})
    with pytest.raises(AuthFailed):
        await publish(lone_app)


async def test_a_message_without_an_id_still_has_landed(lone_app, mocked):
    mocked.post("/message/send").respond(json={"errmsg": "ok"})
    assert (await publish(lone_app)).native_id.startswith("sent-")


async def test_secrets_are_nowhere_to_be_seen(lone_app, mocked, caplog):
    caplog.set_level(logging.DEBUG)
    told: list[Any] = [lone_app, lone_app.api, lone_app.api.http, lone_app.api.token]
    mocked.post("/message/send").respond(
        json={
            "errcode": 40056,
            "errmsg": f"invalid agentid, {TOKEN} {SECRET}, hint: [1_2_ab], from ip: 203.0.113.9",
        }
    )
    with pytest.raises(PlatformError) as refused:
        await publish(lone_app)
    mocked.post("/message/send").mock(
        side_effect=httpx.ReadTimeout(f"{BASE}/message/send?access_token={TOKEN}")
    )
    with pytest.raises(Unavailable) as broken:
        await publish(lone_app)
    mocked.get("/gettoken").respond(json={"errcode": 40001, "errmsg": f"secret {SECRET}"})
    lone_app.api.token.drop(TOKEN)
    with pytest.raises(AuthFailed) as wrong:
        await publish(lone_app)
    import traceback

    for error in (refused.value, broken.value, wrong.value):
        told += [error, error.args, "".join(traceback.format_exception(error))]
    text = "\n".join(f"{item} {item!r}" for item in told) + caplog.text
    assert SECRET not in text
    assert TOKEN not in text
    assert refused.value.request_id == "1_2_ab"
    assert "203.0.113.9" in str(refused.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1, Unavailable),
        (6000, Unavailable),
        (40003, TargetNotFound),
        (40096, TargetNotFound),
        (40201, ContentRejected),
        (85002, ContentRejected),
        (45002, InvalidContent),
        (45033, RateLimited),
        (41094, RateLimited),
        (640019, RateLimited),
        (48002, PermissionDenied),
        (60020, PermissionDenied),
        (93000, AuthFailed),
        (84061, TargetNotFound),
        (41063, Unavailable),
        (49008, TargetNotFound),
        (46987, TargetNotFound),  # published nowhere: judged by its range
        (99999999, PlatformError),
    ],
)
def test_codes_become_types(code, kind):
    error = error_of(code, "words", operation="message/send")
    assert type(error) is kind
    assert (error.code, error.operation, error.platform, error.landed) == (
        str(code),
        "message/send",
        "wecom",
        Landing.SURELY_NOT,
    )


def test_every_published_code_has_a_type():
    from shequn_wecom.errors import _published

    codes = _published()
    assert len(codes) == 1250
    assert all(issubclass(rule_of(code).kind, PlatformError) for code in codes)
    assert sum(rule_of(code).kind is PlatformError for code in codes) == 0


def test_base_url_with_and_without_its_path():
    assert base_of(None) == BASE
    assert base_of("http://127.0.0.1:1/wecom") == base_of("http://127.0.0.1:1/wecom/cgi-bin/")


@pytest.mark.parametrize(
    ("secrets", "options", "word"),
    [
        ({}, {"corp_id": "ww1", "agent_id": 1}, "corp_secret"),
        ({"corp_secret": "s" * 9}, {"agent_id": 1}, "corp_id"),
        ({"corp_secret": "s" * 9}, {"corp_id": "ww1"}, "agent_id"),
        ({"corp_secret": "s" * 9}, {"corp_id": "ww1", "agent_id": 1, "mod": "app"}, "mod"),
        ({"corp_secret": "s" * 9}, {"corp_id": "ww1", "agent_id": 1, "mode": "fax"}, "mode"),
        (
            {"corp_secret": "s" * 9},
            {"corp_id": "ww1", "agent_id": 1, "duplicate_window": 99999},
            "duplicate_window",
        ),
        ({"corp_secret": "s" * 9}, {"corp_id": "ww1", "agent_id": 1, "text_format": "markdown_v2"}, "robot"),
        (
            {"corp_secret": "s" * 9, "callback_token": "t"},
            {"corp_id": "ww1", "agent_id": 1},
            "encoding_aes_key",
        ),
        (
            {"corp_secret": "s" * 9, "callback_token": "t", "encoding_aes_key": "short"},
            {"corp_id": "ww1", "agent_id": 1},
            "EncodingAESKey",
        ),
    ],
)
def test_wrong_settings_are_named(quick_clock, secrets, options, word):
    account = Account(
        name="club",
        platform="wecom",
        secrets={name: SecretStr(value) for name, value in secrets.items()},
        options=options,
    )
    with pytest.raises(ConfigError, match=word):
        create(account, AdapterContext(clock=quick_clock))


ANSWERS = {
    "add_contact_way.response": wire.Created,
    "add_msg_template.response": wire.MassSent,
    "appchat_create.response": wire.Created,
    "appchat_get.response": wire.AppChat,
    "externalcontact_batch_get_by_user.response": wire.BatchContacts,
    "externalcontact_get.response": wire.CustomerDetail,
    "externalcontact_list.response": wire.Contacts,
    "get_corp_tag_list.response": wire.TagList,
    "get_groupmsg_list_v2.response": wire.MassList,
    "get_groupmsg_send_result.response": wire.MassResults,
    "get_groupmsg_task.response": wire.MassTasks,
    "get_intercept_rule.response": wire.Rules,
    "get_moment_comments.response": wire.Moments,
    "get_moment_task_result.response": wire.MomentResult,
    "get_user_behavior_data.response": wire.Behaviour,
    "getcallbackip.response": wire.Answer,
    "gettoken.response": wire.Token,
    "groupchat_get.response": wire.GroupDetail,
    "groupchat_get_join_way.response": wire.JoinWayAnswer,
    "groupchat_list.response": wire.GroupList,
    "groupchat_onjob_transfer.response": wire.Transfers,
    "groupchat_statistic.response": wire.GroupStatistics,
    "groupchat_statistic_group_by_day.response": wire.GroupStatistics,
    "media_upload.response": wire.Uploaded,
    "message_send.response": wire.Sent,
    "transfer_customer.response": wire.Transfers,
    "wechatpy_externalcontact_get_contact_way": wire.ContactWays,
    "wechatpy_externalcontact_get_follow_user_list": wire.FollowUsers,
    "wechatpy_externalcontact_get_group_msg_result": wire.Answer,
    "wechatpy_externalcontact_groupchat_get": wire.GroupDetail,
    "wechatpy_externalcontact_groupchat_list": wire.GroupList,
    "wechatpy_externalcontact_send_welcome_msg": wire.Answer,
    "wechatpy_gettoken": wire.Token,
}


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_every_http_fixture_decodes(path):
    data = path.read_bytes()
    if path.stem.endswith(".request"):
        assert isinstance(json.loads(data), dict)
        return
    answer = msgspec.json.decode(data, type=ANSWERS[path.stem], strict=False)
    assert answer.errcode == 0
    own = {name for name in answer.__struct_fields__ if name not in {"errcode", "errmsg", "next_cursor"}}
    if own:
        # what the fixture holds under our names arrived
        told = own & set(json.loads(data))
        assert told
        assert all(getattr(answer, name) for name in told)
