"""Answers, callbacks and requests that have not quite the documented form."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from shequn_sdk.domain import Account, Piece
from shequn_sdk.errors import InvalidContent, Landing, PlatformError, RateLimited, Unavailable
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import ManualClock
from shequn_wecom.adapter import create
from shequn_wecom.errors import error_of
from shequn_wecom.events import parse_event

BASE = "https://qyapi.weixin.qq.com/cgi-bin"
START = datetime(2026, 3, 2, tzinfo=UTC)


async def adapter_of(mode: str, stack: Any, **options: Any) -> Any:
    account = Account(
        name="club",
        platform="wecom",
        secrets={"corp_secret": SecretStr("s3cr3t-of-the-app-0123456789")},
        options={"mode": mode, "corp_id": "ww1", "agent_id": 1000002, **options},
    )
    return await stack.enter_async_context(create(account, AdapterContext(clock=ManualClock(START))))


@pytest.fixture
async def open_adapter():
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        yield lambda mode, **options: adapter_of(mode, stack, **options)


@pytest.fixture
def mocked():
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        router.get("/gettoken").respond(
            json={"errcode": 0, "errmsg": None, "access_token": "tok-123456", "expires_in": "7200"}
        )
        yield router


async def test_nulls_and_numbers_in_an_answer_do_not_make_a_sent_message_unknown(open_adapter, mocked):
    mocked.post("/message/send").respond(
        json={"errcode": 0, "errmsg": None, "msgid": 77, "invaliduser": None, "response_code": None}
    )
    app = await open_adapter("app")
    post = await app.publish("user:lin", Piece(text="你好"), idempotency_key="k")
    assert post.native_id == "77"


async def test_groups_are_read_with_nulls_texts_for_numbers_and_odd_names(open_adapter, mocked):
    group = {
        "chat_id": "wrA1",
        "name": None,
        "owner": "lin",
        "create_time": "1735000000",
        "notice": None,
        "member_list": [
            {"userid": "lin", "type": "1", "join_time": "1735000000", "invitor": None, "unionid": None},
            {"userid": "wmX1", "type": 2, "join_time": None, "name": "读者\u200b😀", "group_nickname": None},
        ],
        "admin_list": None,
        "member_version": None,
    }
    mocked.post("/externalcontact/groupchat/get").respond(json={"errcode": 0, "group_chat": group})
    customer = await open_adapter("customer")
    members = [m async for m in customer.iter_members("wrA1")]
    assert [m.identity.ref.native_id for m in members] == ["lin", "wmX1"]
    assert members[1].identity.display_name == "读者\u200b😀"
    assert (await customer.get_channel("wrA1")).member_count == 2


@pytest.mark.parametrize("code", ["60011", 60011, 60011.0])
async def test_an_errcode_is_a_refusal_in_any_form(open_adapter, mocked, code):
    mocked.post("/message/send").respond(json={"errcode": code, "errmsg": None, "next_cursor": None})
    app = await open_adapter("app")
    with pytest.raises(PlatformError) as caught:
        await app.publish("user:lin", Piece(text="x"), idempotency_key="k")
    assert (caught.value.code, caught.value.landed) == ("60011", Landing.SURELY_NOT)


async def test_an_errcode_that_is_no_number_is_no_success(open_adapter, mocked):
    mocked.post("/message/send").respond(json={"errcode": {"new": 1}})
    app = await open_adapter("app")
    with pytest.raises(Unavailable) as caught:
        await app.publish("user:lin", Piece(text="x"), idempotency_key="k")
    assert caught.value.landed is Landing.PERHAPS


@pytest.mark.parametrize(("header", "seconds"), [({"Retry-After": "7"}, 7), ({}, 60)])
async def test_a_gateway_that_asks_to_wait_took_nothing(open_adapter, mocked, header, seconds):
    mocked.post("/message/send").respond(429, html="<h1>Too Many Requests</h1>", headers=header)
    app = await open_adapter("app")
    with pytest.raises(RateLimited) as caught:
        await app.publish("user:lin", Piece(text="x"), idempotency_key="k")
    assert caught.value.retry_after == timedelta(seconds=seconds)
    assert caught.value.landed is Landing.SURELY_NOT


async def test_groups_of_a_range_that_is_too_wide_are_listed_owner_by_owner(open_adapter, mocked):
    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        owners = body.get("owner_filter", {}).get("userid_list", [])
        if not owners:
            return httpx.Response(200, json={"errcode": 81017, "errmsg": "too many"})
        assert len(owners) <= 100
        return httpx.Response(
            200, json={"errcode": 0, "group_chat_list": [{"chat_id": f"wr-{owners[0]}", "status": 0}]}
        )

    mocked.post("/externalcontact/groupchat/list").mock(side_effect=answer)
    mocked.get("/externalcontact/get_follow_user_list").respond(
        json={"errcode": 0, "follow_user": [f"u{number}" for number in range(150)]}
    )
    customer = await open_adapter("customer")
    assert [chat async for chat in customer.groups.iter_ids()] == ["wr-u0", "wr-u100"]
    mocked.post("/externalcontact/groupchat/list").respond(json={"errcode": 81017})
    with pytest.raises(InvalidContent):
        [chat async for chat in customer.groups.iter_ids(owners=["u1"])]


async def test_changing_a_join_way_sends_again_what_it_does_not_change(open_adapter, mocked):
    mocked.post("/externalcontact/groupchat/get_join_way").respond(
        json={
            "errcode": 0,
            "join_way": {
                "config_id": "c1",
                "scene": 2,
                "remark": "海报",
                "auto_create_room": 0,
                "room_base_name": "读书会",
                "room_base_id": 3,
                "chat_id_list": ["wr1"],
                "state": "bus",
                "mark_source": False,
                "qr_code": None,
            },
        }
    )
    update = mocked.post("/externalcontact/groupchat/update_join_way").respond(json={"errcode": 0})
    contact = mocked.post("/externalcontact/update_contact_way").respond(json={"errcode": 0})
    customer = await open_adapter("customer")
    await customer.entrances.update_join_way("c1", chats=["wr2"], state="train")
    assert json.loads(update.calls[0].request.content) == {
        "config_id": "c1",
        "scene": 2,
        "remark": "海报",
        "auto_create_room": 0,
        "room_base_name": "读书会",
        "room_base_id": 3,
        "chat_id_list": ["wr2"],
        "state": "train",
        "mark_source": False,
    }
    await customer.entrances.update_contact_way("c2", users=["lin"], state="s")
    assert "remark" not in json.loads(contact.calls[0].request.content)


@pytest.mark.parametrize(
    ("code", "repeated"),
    # 84055 … 701085 ask in words to come again, yet what they refuse is not ours to repeat
    [(-1, True), (6000, True), (45009, True), (45033, True), (81026, True), (640019, True)]
    + [(code, False) for code in (95001, 84055, 90304, 90313, 301064, 301096, 400013, 701022, 701134)],
)
def test_what_is_repeated(code, repeated):
    assert error_of(code, "", operation="o").retryable is repeated


def test_an_event_without_a_time_happened_when_it_came():
    event = b"<xml><MsgType>event</MsgType><Event>subscribe</Event><FromUserName>lin</FromUserName>%s</xml>"
    for time in (b"", b"<CreateTime>soon</CreateTime>", b"<CreateTime>99999999999999</CreateTime>"):
        parsed = parse_event(event % time, account="club", received_at=START)
        assert parsed.interactions[0].occurred_at == START


def test_nulls_in_a_bot_message_are_no_words():
    body = {
        "msgid": "m1",
        "aibotid": None,
        "chatid": None,
        "from": {"userid": "lin"},
        "msgtype": "text",
        "text": {"content": None},
    }
    (found,) = parse_event(json.dumps(body).encode(), account="club", received_at=START).interactions
    assert (found.text, found.attrs["aibotid"], found.channel) == ("", "", "@all/user:lin")


def test_control_characters_in_what_a_member_writes_spoil_nothing_else():
    text = b"<xml><FromUserName>lin</FromUserName><CreateTime>1772409600</CreateTime><MsgType>text</MsgType>"
    text += b"<Content><![CDATA[a\x14b\xffc]]></Content><MsgId>1</MsgId></xml>"
    (found,) = parse_event(text, account="club").interactions
    assert (found.text, found.member) == ("a\ufffdb\ufffdc", "lin")
    bot = rb'{"msgid":"1","from":{"userid":"lin"},"msgtype":"text","text":{"content":"x\ud83d"}}'
    assert parse_event(bot, account="club").interactions[0].text == "x\ufffd"


async def test_half_a_character_in_an_answer_does_not_make_a_sent_message_unknown(open_adapter, mocked):
    mocked.post("/message/send").respond(content=rb'{"errcode":0,"errmsg":"\ud83d","msgid":"m-1"}')
    app = await open_adapter("app")
    assert (await app.publish("user:lin", Piece(text="x"), idempotency_key="k")).native_id == "m-1"


_WRONG: tuple[Any, ...] = (None, True, 7, 1.5, "x", [], ["x"], [None], {}, {"x": 1}, [{"x": [1]}])
_BODIES: dict[str, dict[str, Any]] = {
    "message/send": {
        "touser": "lin",
        "agentid": 1000002,
        "msgtype": "template_card",
        "template_card": {
            "card_type": "vote_interaction",
            "main_title": {"title": "t"},
            "task_id": "t1",
            "checkbox": {"question_key": "q", "option_list": [{"id": "a", "text": "A"}]},
            "submit_button": {"text": "ok", "key": "k"},
        },
    },
    "externalcontact/add_msg_template": {
        "chat_type": "single",
        "external_userid": ["wm1"],
        "sender": "lin",
        "text": {"content": "x"},
        "attachments": [{"msgtype": "link", "link": {"title": "t", "url": "https://example.com"}}],
        "tag_filter": {"group_list": [{"tag_list": ["et1"]}]},
    },
    "externalcontact/add_moment_task": {
        "text": {"content": "x"},
        "visible_range": {"sender_list": {"user_list": ["lin"]}, "external_contact_list": {"tag_list": []}},
    },
    "externalcontact/groupchat/add_join_way": {"scene": 2, "chat_id_list": ["wr1"], "state": "s"},
    "externalcontact/add_contact_way": {"type": 2, "scene": 2, "user": ["lin"], "party": [1]},
    "externalcontact/add_intercept_rule": {
        "rule_name": "r",
        "word_list": ["w"],
        "semantics_list": [1],
        "intercept_type": 1,
        "applicable_range": {"user_list": ["lin"]},
    },
    "externalcontact/group_welcome_template/add": {"text": {"content": "x"}, "image": {"media_id": "m"}},
    "externalcontact/add_corp_tag": {"group_name": "g", "tag": [{"name": "t", "order": 1}]},
}


def variants(body: Any) -> list[Any]:
    """Give `body` with each part in turn replaced by something of another type."""
    if isinstance(body, dict):
        return [{**body, name: wrong} for name in body for wrong in (*_WRONG, *variants(body[name]))]
    return [[wrong] for wrong in (*_WRONG, *variants(body[0]))] if isinstance(body, list) and body else []


@pytest.mark.parametrize("path", list(_BODIES))
async def test_the_sandbox_answers_wrong_types_as_wecom_does(start_wecom, path):
    wecom = await start_wecom(calls_per_minute=10**6)
    account = wecom.account("customer")
    async with httpx.AsyncClient(base_url=str(account.base_url)) as client:
        secret = account.secret("corp_secret")
        told = await client.get(
            "/gettoken", params={"corpid": account.options["corp_id"], "corpsecret": secret}
        )
        token = {"access_token": told.json()["access_token"]}
        for body in variants(_BODIES[path]):
            answer = await client.post(f"/{path}", params=token, json=body)
            assert (answer.status_code, type(answer.json()["errcode"])) == (200, int), body


PAGE = b"<html><body><h1>nginx</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "error", "landed"),
    [
        (200, Unavailable, Landing.PERHAPS),
        (302, Unavailable, Landing.SURELY_NOT),
        (403, Unavailable, Landing.SURELY_NOT),
        (404, Unavailable, Landing.SURELY_NOT),
        (408, Unavailable, Landing.PERHAPS),
        (413, InvalidContent, Landing.SURELY_NOT),
        (502, Unavailable, Landing.PERHAPS),
    ],
)
async def test_a_page_of_a_gateway_is_a_no_only_where_http_says_no(
    open_adapter, mocked, status, error, landed
):
    route = mocked.post("/message/send").respond(status, content=PAGE, headers={"content-type": "text/html"})
    app = await open_adapter("app")
    with pytest.raises(error) as caught:
        await app.publish("user:lin", Piece(text="你好"), idempotency_key="k")
    assert (caught.value.landed, route.call_count) == (landed, 1)


async def test_a_task_without_a_name_may_stand(open_adapter, mocked):
    mocked.post("/externalcontact/add_msg_template").respond(json={"errcode": 0, "msgid": None})
    customer = await open_adapter("customer", sender="lin")
    with pytest.raises(Unavailable) as caught:
        await customer.publish("wrA1", Piece(text="共读"), idempotency_key="k")
    assert caught.value.landed is Landing.PERHAPS


async def test_what_is_being_dispatched_is_not_asked_for_again_at_once(open_adapter, mocked):
    route = mocked.post("/externalcontact/get_groupmsg_task").respond(
        json={"errcode": 41063, "errmsg": "later"}
    )
    customer = await open_adapter("customer", sender="lin")
    told = await customer.get_confirmation("wrA1", "mm1")
    assert (told.sent, told.pending, route.call_count) == (0, 1, 1)


async def test_rows_without_an_id_are_passed_over(open_adapter, mocked):
    members = [{"userid": None, "type": 2}, {"userid": "wmX1", "type": 2}, {}]
    mocked.post("/externalcontact/groupchat/get").respond(
        json={"errcode": 0, "group_chat": {"chat_id": "wrA1", "member_list": members}}
    )
    mocked.post("/externalcontact/groupchat/list").respond(
        json={"errcode": 0, "group_chat_list": [{"chat_id": None}, {"chat_id": "wrA1"}]}
    )
    contacts = [{"external_contact": None}, {"external_contact": {"external_userid": "wmX1"}}]
    mocked.post("/externalcontact/batch/get_by_user").respond(
        json={"errcode": 0, "external_contact_list": contacts}
    )
    mocked.get("/appchat/get").respond(
        json={"errcode": 0, "chat_info": {"chatid": "core", "userlist": ["lin", "", None]}}
    )
    customer = await open_adapter("customer", sender="lin")
    for channel in ("wrA1", "customers"):
        found = [one.identity.ref.native_id async for one in customer.iter_members(channel)]
        assert found == ["wmX1"]
    channels = [one.ref.native_id async for one in customer.iter_channels()]
    assert channels == ["customers", "wrA1"]
    chat = await open_adapter("appchat")
    assert [one.identity.ref.native_id async for one in chat.iter_members("core")] == ["lin"]
