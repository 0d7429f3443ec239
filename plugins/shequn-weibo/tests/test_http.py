"""What can go wrong between us and Weibo, with the requests that were sent."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from pydantic import SecretStr

from shequn_sdk.domain import Account, Media, MediaKind, Piece
from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    ContentRejected,
    InvalidInput,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    Unavailable,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.scheduling.clock import ManualClock
from shequn_weibo.adapter import WeiboAdapter
from shequn_weibo.api import base_of, oauth_base_of
from shequn_weibo.manifest import manifest_for

BASE = "https://api.weibo.com/2"
TOKEN = "2.00T0KEN-that-must-not-be-seen"
LINK = "https://club.example.com/d7"
STATUS = {
    "created_at": "Mon Mar 02 12:00:00 +0800 2026",
    "id": 5349862107251384,
    "idstr": "5349862107251384",
    "text": "x",
}


class QuickClock(ManualClock):
    """Sleeping takes no time."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


def account(**options) -> Account:
    return Account(
        name="club",
        platform="weibo",
        secrets={"access_token": SecretStr(TOKEN)},
        options={"uid": "1000000001", "safe_domains": ["club.example.com"], **options},
    )


@pytest.fixture
async def lone():
    context = AdapterContext(clock=QuickClock(datetime(2026, 3, 2, 4, tzinfo=UTC)))
    async with WeiboAdapter(account(rip="203.0.113.9"), context) as adapter:
        yield adapter


@pytest.fixture
def mocked():
    with respx.mock(assert_all_called=False) as router:
        yield router


async def share(adapter, **more):
    return await adapter.publish("1000000001", Piece(text=f"共读 100%&= {LINK}", **more), idempotency_key="k")


async def test_the_request_is_what_the_document_says(lone, mocked):
    route = mocked.post(f"{BASE}/statuses/share.json").respond(json=STATUS)
    post = await share(lone)
    assert post.native_id == "5349862107251384"
    assert post.url == "https://weibo.com/1000000001/RkV8KuqpO"
    request = route.calls[0].request
    assert request.headers["authorization"] == f"OAuth2 {TOKEN}"
    assert TOKEN not in str(request.url)
    assert parse_qs(request.content.decode()) == {"status": [f"共读 100%&= {LINK}"], "rip": ["203.0.113.9"]}
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_picture_makes_it_multipart(lone, mocked):
    route = mocked.post(f"{BASE}/statuses/share.json").respond(json=STATUS)
    await share(lone, media=(Media(kind=MediaKind.PHOTO, data=b"\xff\xd8\xff" + b"0" * 9),))
    request = route.calls[0].request
    assert request.headers["content-type"].startswith("multipart/form-data")
    assert b'name="pic"; filename="picture.jpeg"' in request.content
    assert b'name="status"' in request.content


@pytest.mark.parametrize("status", [200, 400, 403])
@pytest.mark.parametrize("code", [20021, "20021"])
async def test_errors_are_told_by_code_in_any_status(lone, mocked, status, code):
    body = {"request": "/2/statuses/share.json", "error_code": code, "error": "illegal"}
    mocked.post(f"{BASE}/statuses/share.json").respond(status, json=body)
    with pytest.raises(ContentRejected) as caught:
        await share(lone)
    assert (caught.value.code, caught.value.landed) == ("20021", Landing.SURELY_NOT)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(502, text="<html>"), Unavailable),
        (httpx.Response(200, text="{"), Unavailable),
        (httpx.Response(200, text="[" * 50_000), Unavailable),
        (httpx.Response(200, json={}), Unavailable),
        (httpx.Response(500, json={"x": 1}), Unavailable),
        (httpx.Response(400, json={"error_code": 10001, "error": "system"}), Unavailable),
        (httpx.Response(400, json={"error_code": 21327, "error": "expired_token"}), AuthFailed),
        (httpx.Response(403, json={"error_code": 10014, "error": "perm"}), PermissionDenied),
        (httpx.Response(400, json={"error_code": 31337, "error": "?"}), PlatformError),
    ],
)
async def test_a_post_is_sent_once_whatever_comes(lone, mocked, answer, kind):
    route = mocked.post(f"{BASE}/statuses/share.json").mock(return_value=answer)
    with pytest.raises(kind) as caught:
        await share(lone)
    assert route.call_count == 1
    expected = Landing.PERHAPS if kind is Unavailable else Landing.SURELY_NOT
    assert caught.value.landed is expected


async def test_a_timeout_may_have_landed_and_counts(lone, mocked):
    mocked.post(f"{BASE}/statuses/share.json").mock(side_effect=httpx.ReadTimeout)
    with pytest.raises(Unavailable) as caught:
        await share(lone)
    assert caught.value.landed is Landing.PERHAPS
    assert lone.plan.spent == 1


async def test_a_repeated_text_that_cannot_be_seen_stays_open(lone, mocked):
    mocked.post(f"{BASE}/statuses/share.json").respond(400, json={"error_code": 20017, "error": "similar"})
    mocked.get(f"{BASE}/statuses/user_timeline.json").respond(json={"statuses": [], "total_number": 99})
    with pytest.raises(PlatformError) as caught:
        await share(lone)
    assert caught.value.landed is Landing.PERHAPS


async def test_reads_are_repeated_once(lone, mocked):
    route = mocked.get(f"{BASE}/users/counts.json").mock(
        side_effect=[
            httpx.Response(502),
            httpx.Response(200, json=[{"id": "1000000001", "followers_count": "12"}]),
        ]
    )
    assert await lone.count_members("1000000001") == 12
    assert route.call_count == 2
    assert lone.plan.spent == 2


async def test_a_hidden_number_is_none_and_a_missing_post_is_left_out(lone, mocked):
    mocked.get(f"{BASE}/statuses/count.json").respond(
        json=[{"id": 5349862107251384, "comments": "3", "reposts": None, "attitudes": "1.2万"}]
    )
    [numbers] = await lone.get_post_numbers("1000000001", ["5349862107251384", "5349862107251385"])
    assert (numbers.comments, numbers.shares, numbers.reactions) == (3, None, None)


async def test_hosts_of_reminders(lone, mocked):
    route = mocked.get("https://rm.api.weibo.com/2/remind/unread_count.json").respond(json={"cmt": 0})
    for path in ("comments/to_me", "comments/mentions"):
        mocked.get(f"{BASE}/{path}.json").respond(
            json={"comments": [{"x": 1}, {"id": 1, "created_at": "nonsense"}]}
        )
    mocked.get(f"{BASE}/statuses/mentions.json").respond(json={"statuses": [], "total_number": 500})
    mocked.get(f"{BASE}/statuses/user_timeline.json").respond(json={"statuses": []})
    mocked.get(f"{BASE}/friendships/followers.json").respond(json={"users": [], "next_cursor": 0})
    batch = await lone.receive(None)
    assert not batch.events
    assert route.called
    with pytest.raises(InvalidInput):
        await lone.receive("{broken")


async def test_the_wait_is_asked_for_but_not_in_a_loop(lone, mocked):
    mocked.get(f"{BASE}/users/counts.json").respond(403, json={"error_code": 10024, "error": "limit"})
    asked = mocked.get(f"{BASE}/account/rate_limit_status.json").respond(json={"reset_time_in_seconds": 1800})
    for expected in (timedelta(minutes=30), timedelta(hours=1)):
        with pytest.raises(RateLimited) as caught:
            await lone.count_members("1000000001")
        assert caught.value.retry_after == expected
    assert asked.call_count == 1


async def test_secrets_are_shown_nowhere(lone, mocked, caplog):
    mocked.post(f"{BASE}/statuses/share.json").respond(
        400, json={"error_code": 21332, "error": f"bad {TOKEN}"}
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthFailed) as caught:
        await share(lone)
    shown = repr(lone) + repr(lone._api) + str(caught.value) + repr(caught.value) + caplog.text
    assert TOKEN not in shown


@pytest.mark.parametrize(
    "options",
    [
        {"level": "gold"},
        {"levle": "test"},
        {"safe_domains": ["https://club.example.com/"]},
        {"poll_minutes": 1},
        {"uid": "me"},
        {"rip": "here"},
        {"token_expires_at": "tomorrow"},
        {"daily_budget": -1},
    ],
)
def test_wrong_options_are_named(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        manifest_for(account(**options))


def test_secrets_that_are_missing_are_named():
    context = AdapterContext(clock=QuickClock(datetime(2026, 3, 2, tzinfo=UTC)))
    with pytest.raises(ConfigError, match="access_token"):
        WeiboAdapter(account().model_copy(update={"secrets": {}}), context)
    with pytest.raises(ConfigError, match="app_secret"):
        WeiboAdapter(account(fan_service=True), context)
    with pytest.raises(ConfigError, match="app_key"):
        WeiboAdapter(account(), context).oauth()


def test_the_manifest_follows_the_level():
    normal, commercial = manifest_for(account()), manifest_for(account(level="commercial"))
    assert not normal.supports(Capability.LIST_MEMBERS)
    assert commercial.supports(Capability.LIST_MEMBERS, Capability.DELETE)
    assert {limit.name for limit in normal.rate_limits} - {
        limit.name for limit in commercial.rate_limits
    } == {"daily budget"}
    assert manifest_for(account(allow_delete=True)).supports(Capability.DELETE)
    assert normal.min_poll_interval >= timedelta(minutes=3)


def test_addresses():
    assert base_of(None) == BASE
    assert base_of("http://h/weibo/") == base_of("http://h/weibo/2/") == "http://h/weibo/2"
    assert oauth_base_of(None) == "https://api.weibo.com/oauth2"
    assert oauth_base_of("http://h/weibo/2") == "http://h/weibo/oauth2"
