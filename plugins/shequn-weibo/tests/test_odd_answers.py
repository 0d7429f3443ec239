"""Answers and pushes that have not quite the documented form."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from pydantic import SecretStr

from shequn_sdk.domain import Account, Piece
from shequn_sdk.errors import (
    InvalidContent,
    Landing,
    PlatformError,
    RateLimited,
    Unavailable,
    VerificationFailed,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient, HttpResponse
from shequn_sdk.platforms.ports import RawEvent, WebhookRequest
from shequn_sdk.scheduling.clock import ManualClock
from shequn_weibo.adapter import WeiboAdapter
from shequn_weibo.api import refusal_of
from shequn_weibo.events import parse_event
from shequn_weibo.push import PushReceiver, sign
from shequn_weibo.render import stands_as

BASE = "https://api.weibo.com/2"
START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
UID = "1000000001"
TEXT = "共读第七天 https://club.example.com/d7"
TIME = "Mon Mar 02 11:59:00 +0800 2026"


@pytest.fixture
async def lone():
    account = Account(
        name="club",
        platform="weibo",
        secrets={
            "access_token": SecretStr("2.00secret-token"),
            "app_secret": SecretStr("app-secret-1"),
            "fan_token": SecretStr("2.00fan-token"),
        },
        options={"uid": UID, "safe_domains": ["club.example.com"], "fan_service": True},
    )
    async with WeiboAdapter(account, AdapterContext(clock=ManualClock(START))) as adapter:
        yield adapter


@pytest.fixture
def mocked():
    with respx.mock(assert_all_called=False) as router:
        yield router


async def publish(adapter, channel=UID, text=TEXT):
    return await adapter.publish(channel, Piece(text=text), idempotency_key="k")


@pytest.mark.parametrize(
    "answer",
    [
        {"id": 5349862107251384, "created_at": "just now", "text": None, "user": None},
        {"id": "5349862107251384", "created_at": None, "text": "x", "user": {"id": 1, "screen_name": None}},
        {"idstr": 5349862107251384, "created_at": 1772423940, "text": 5, "retweeted_status": []},
    ],
)
async def test_a_post_that_stands_is_never_unknown_for_the_form_of_its_answer(lone, mocked, answer):
    mocked.post(f"{BASE}/statuses/share.json").respond(json=answer)
    post = await publish(lone)
    assert (post.native_id, post.landed_at) == ("5349862107251384", START)


async def test_half_a_character_in_an_answer_does_not_make_a_post_unknown(lone, mocked):
    mocked.post(f"{BASE}/statuses/share.json").respond(
        content=rb'{"id":7,"text":"x\ud83d","created_at":"%b"}' % TIME.encode()
    )
    assert (await publish(lone)).text == "x\ufffd"


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "20012", "error": None},
        {"error_code": 20012, "error": {"new": "form"}, "request": 7},
        {"error_code": "20012", "error": "x", "error_description": None},
    ],
)
async def test_a_refusal_is_a_refusal_in_any_form(lone, mocked, body):
    mocked.post(f"{BASE}/statuses/share.json").respond(400, json=body)
    with pytest.raises(PlatformError) as caught:
        await publish(lone)
    assert (caught.value.code, caught.value.landed) == ("20012", Landing.SURELY_NOT)


@pytest.mark.parametrize(
    ("content", "header", "wait"),
    [(b"<h1>Too Many</h1>", {"Retry-After": "9"}, 9), (b"{}", {}, 60), (b"", {"Retry-After": "soon"}, 60)],
)
async def test_a_gateway_that_asks_to_wait_took_nothing(lone, mocked, content, header, wait):
    mocked.post(f"{BASE}/statuses/share.json").respond(429, content=content, headers=header)
    with pytest.raises(RateLimited) as caught:
        await publish(lone)
    assert (caught.value.retry_after, caught.value.landed) == (timedelta(seconds=wait), Landing.SURELY_NOT)


async def test_messages_to_members_name_the_token_as_the_documents_do(lone, mocked):
    route = mocked.post("https://m.api.weibo.com/2/messages/reply.json").respond(json={"result": True})
    await publish(lone, "dm:2000000002", "你好")
    form = parse_qs(route.calls[0].request.content.decode())
    assert form["access_token"] == ["2.00fan-token"]
    assert (form["type"], form["receiver_id"]) == (["text"], ["2000000002"])
    assert json.loads(__import__("urllib.parse").parse.unquote(form["data"][0])) == {"text": "你好"}


async def test_rows_of_odd_form_are_heard_and_deleted_ones_are_not(lone, mocked):
    user = {"id": 2000000002, "screen_name": None, "description": None, "name": "成员"}
    rows = [
        {"id": 9007199254740993, "created_at": TIME, "text": "打卡", "user": user, "status": None},
        {"id": 9007199254740994, "created_at": "soon", "text": None, "user": user, "reply_comment": []},
        {"id": 9007199254740995, "deleted": "1", "text": "此微博已被原作者删除。"},
        {"id": None, "text": "?"},
        None,
    ]
    body = json.dumps({"comments": rows, "total_number": 99}).encode()
    body = body.replace(b'"total_number"', rb'"note":"\ud83d","total_number"')
    mocked.get("https://rm.api.weibo.com/2/remind/unread_count.json").respond(json={"cmt": "2", "dm": None})
    mocked.get(f"{BASE}/comments/to_me.json").respond(content=body)
    mocked.get(f"{BASE}/comments/mentions.json").respond(json={"comments": None, "total_number": 3})
    mocked.get(f"{BASE}/statuses/mentions.json").respond(json={"statuses": [], "total_number": 500})
    mocked.get(f"{BASE}/statuses/user_timeline.json").respond(json={"statuses": None})
    batch = await lone.receive(None)
    heard = [item for event in batch.events for item in lone.parse(event).interactions]
    assert [item.message for item in heard] == ["9007199254740993", "9007199254740994"]
    assert [item.member for item in heard] == ["2000000002"] * 2
    assert [item.member_name for item in heard] == ["成员"] * 2
    assert heard[1].occurred_at == START
    assert (await lone.receive(batch.cursor)).events == []


async def test_a_lost_answer_is_looked_up_though_other_rows_are_odd(lone, mocked):
    rows = [
        {"id": 1, "text": None, "created_at": None},
        {"id": 2, "created_at": "soon", "text": "other"},
        {"id": 3, "created_at": TIME, "text": "共读第七天 http://t.cn/A6x", "user": None},
    ]
    mocked.get(f"{BASE}/statuses/user_timeline.json").respond(json={"statuses": rows, "total_number": None})
    found = await lone.find_landed(
        UID, Piece(text=TEXT), idempotency_key="k", since=START - timedelta(minutes=5)
    )
    assert found is not None
    assert found.native_id == "3"


@pytest.mark.parametrize(
    ("body", "kind", "known"),
    [
        ({"type": "text", "text": "hi", "data": None}, "message", True),
        ({"type": "text", "text": "hi", "data": []}, "message", True),
        ({"type": "text", "text": 7, "data": "?"}, "message", True),
        ({"type": "event", "data": {"subtype": "scan_follow", "key": None, "ticket": "t"}}, "follow", True),
        ({"type": "event", "data": {"subtype": "follow"}, "created_at": "soon"}, "follow", True),
        ({"type": "event", "data": {"subtype": "new_thing"}}, "", False),
        ({"type": "new_type", "data": {"x": {}}}, "", False),
        ({"text": "no type"}, "", False),
    ],
)
def test_pushes_of_odd_form_are_kept(body, kind, known):
    push = {"sender_id": 2000000002, "receiver_id": UID, "created_at": TIME, **body}
    raw = json.dumps(push).encode()
    stamp = str(int(START.timestamp()))
    query = {"signature": sign("s" * 8, stamp, "n"), "timestamp": stamp, "nonce": "n"}
    request = WebhookRequest(method="POST", path="/", query=query, headers={}, body=raw, received_at=START)
    (event,) = PushReceiver("s" * 8).verify(request).events
    parsed = parse_event(event, account="club")
    assert parsed.known is known
    assert [item.kind for item in parsed.interactions] == ([kind] if kind else [])
    for item in parsed.interactions:
        assert item.occurred_at in {START, START - timedelta(minutes=1)}
        assert "None" not in (item.entrance, item.text)


def test_what_is_no_event_of_ours_is_not_known():
    raw = RawEvent(
        event_id="e", payload=b'{"polled":"new","owner":"1","at":"2026-03-02T04:00:00+00:00","row":1}'
    )
    assert parse_event(raw, account="club").known is False


def test_a_deep_row_is_no_refusal():
    deep = b"[" * 100_000 + b"]" * 100_000
    http = HttpClient(platform="weibo", base_url=BASE, context=AdapterContext(clock=ManualClock(START)))
    body = b'{"comments":[{"id":7,"x":%b}],"total_number":1}' % deep
    response = HttpResponse(200, {}, body, platform="weibo", operation="comments/to_me")
    assert refusal_of(response, http) is None


async def test_the_sandbox_answers_odd_requests_as_weibo_does(start_weibo):
    weibo = await start_weibo(fan_service=True)
    told = weibo.sandbox.describe()
    login = {"Authorization": f"OAuth2 {told['token']}"}
    async with httpx.AsyncClient(base_url=told["base_url"], headers=login) as client:
        for cids in ("²", "١", "1" * 40, "-1", "1.5"):
            assert (await client.get("/comments/show_batch.json", params={"cids": cids})).json() == []
        for body in (b"x", b"[]", b'{"url":5}', b'{"url":"http://127.0.0.1:1/x"}'):
            answer = await client.post(told["push_control"], content=body)
            assert (answer.status_code, answer.json()["ok"]) == (400, False)


async def test_messages_are_measured_in_hanzi(start_weibo):
    weibo = await start_weibo(fan_service=True)
    told = weibo.sandbox.describe()
    member = told["members"][0]
    weibo.sandbox.say(f"dm:{member}", weibo.sandbox._ready[0], "hi")
    login = {"Authorization": f"OAuth2 {told['secrets']['fan_token']}"}
    async with httpx.AsyncClient(base_url=told["base_url"], headers=login) as client:
        for text, code in (("a" * 598, None), ("汉" * 299, None), ("a" * 599, 20013), ("汉" * 300, 20013)):
            form = {"type": "text", "receiver_id": member, "data": json.dumps({"text": text})}
            answer = await client.post("/messages/reply.json", data=form)
            assert answer.json().get("error_code") == code, text[:2]


async def test_a_long_post_is_recognised_though_timelines_cut_it(start_weibo):
    weibo = await start_weibo(level="commercial", text_limit=2000)
    adapter = await weibo.adapter(text_limit=2000)
    long = "今天我们读第七章，说一说各自的想法。" * 20 + "https://club.example.com/d7"
    post = await adapter.publish(weibo.uid, Piece(text=long), idempotency_key="k")
    again = await weibo.adapter(text_limit=2000)  # a new process, which knows no keys
    since = weibo.clock.now() - timedelta(minutes=1)
    rows = [one.text async for one in again.iter_own_posts()]
    assert "全文" in rows[0]
    found = await again.find_landed(weibo.uid, Piece(text=long), idempotency_key="k", since=since)
    assert found is not None
    assert found.native_id == post.native_id
    other = long.replace("第七章", "第八章", 1)
    assert await again.find_landed(weibo.uid, Piece(text=other), idempotency_key="o", since=since) is None


def test_what_stands_as_a_text():
    long = "共读" * 60
    assert stands_as(long, long[:100] + "...全文： http://m.weibo.cn/status/1")
    assert stands_as(long, long[:100] + "…全文")
    assert not stands_as(long, long[:100])
    assert not stands_as(long, "共读...全文")
    assert not stands_as(long, "共写" * 50 + "...全文")


async def test_how_old_a_push_may_be_is_a_setting(start_weibo):
    weibo = await start_weibo(fan_service=True)
    adapter = await weibo.adapter(push_minutes=60.0)
    stamp = str(int((weibo.clock.now() - timedelta(minutes=30)).timestamp()))
    secret = weibo.sandbox.application.secret
    query = {"signature": sign(secret, stamp, "n"), "timestamp": stamp, "nonce": "n", "echostr": "e"}
    request = WebhookRequest(
        method="GET", path="/", query=query, headers={}, body=b"", received_at=weibo.clock.now()
    )
    assert adapter.verify(request).body == b"e"
    with pytest.raises(VerificationFailed):
        (await weibo.adapter()).verify(request)


@pytest.mark.parametrize(
    ("status", "kind", "landed"),
    [
        (200, Unavailable, Landing.PERHAPS),
        (301, Unavailable, Landing.SURELY_NOT),
        (403, Unavailable, Landing.SURELY_NOT),
        (408, Unavailable, Landing.PERHAPS),
        (413, InvalidContent, Landing.SURELY_NOT),
        (502, Unavailable, Landing.PERHAPS),
    ],
)
async def test_a_page_of_a_gateway_is_a_no_only_where_http_says_no(lone, mocked, status, kind, landed):
    route = mocked.post(f"{BASE}/statuses/share.json").respond(status, content=b"<html>nginx</html>")
    with pytest.raises(kind) as caught:
        await publish(lone)
    assert (caught.value.landed, route.call_count) == (landed, 1)


async def test_a_byte_order_mark_does_not_make_a_post_unknown(lone, mocked):
    body = b"\xef\xbb\xbf" + json.dumps({"id": 7, "created_at": TIME}).encode()
    mocked.post(f"{BASE}/statuses/share.json").respond(content=body)
    assert (await publish(lone)).native_id == "7"


async def test_comments_with_odd_ids_neither_stop_nor_repeat_a_listing(lone, mocked):
    user = {"id": 2000000002, "screen_name": "成员"}
    rows = [
        {"idstr": given, "created_at": TIME, "text": str(given), "user": user} for given in ("7", "x", 1.5, 0)
    ]
    route = mocked.get(f"{BASE}/comments/show.json").respond(json={"comments": rows, "total_number": 4})
    told = [item.message async for item in lone.iter_comments(UID, "5")]
    assert (told, route.call_count) == (["0", "7"], 1)
