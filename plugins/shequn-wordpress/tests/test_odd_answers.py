"""Answers of sites that are not quite WordPress as its documents show it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx
from pydantic import SecretStr

from shequn_sdk.domain import Account, Media, MediaKind, Piece
from shequn_sdk.errors import (
    AuthFailed,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import ManualClock
from shequn_wordpress.adapter import WordPressAdapter

BASE = "https://blog.example.org/wp-json/wp/v2"
PASSWORD = "abcd efgh ijkl mnop qrst uvwx"
START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
POST = {
    "id": 7,
    "status": "publish",
    "date_gmt": "2026-03-02T04:00:00",
    "link": "https://blog.example.org/p/",
}


def adapter_of(**options) -> WordPressAdapter:
    account = Account(
        name="blog",
        platform="wordpress",
        base_url="https://blog.example.org",
        secrets={"application_password": SecretStr(PASSWORD)},
        options={"username": "editor", **options},
    )
    return WordPressAdapter(account, AdapterContext(clock=ManualClock(START)))


@pytest.fixture
async def blog():
    async with adapter_of() as adapter:
        yield adapter


@pytest.fixture
def mocked():
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        router.get("/users/me").respond(json={"id": 3, "name": None})
        yield router


async def publish(adapter, **more):
    return await adapter.publish("posts", Piece(text="早餐\n燕麦", **more), idempotency_key="k")


async def test_the_request_is_what_the_documents_say(blog, mocked):
    route = mocked.post("/posts").respond(201, json=POST)
    post = await publish(blog)
    assert (post.native_id, post.url) == ("7", "https://blog.example.org/p/")
    request = route.calls[0].request
    assert request.headers["authorization"].startswith("Basic ")
    body = json.loads(request.content)
    assert body.pop("slug").startswith("sq-")
    assert body == {"title": "早餐", "content": "早餐\n燕麦", "status": "publish"}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(
            {**POST, "id": "7", "date_gmt": None, "link": None, "title": None, "author": None}
        ).encode(),
        b"\xef\xbb\xbf" + json.dumps(POST).encode(),
        b"<br />\n<b>Notice</b>: old in <b>/x.php</b>\n" + json.dumps(POST).encode(),
        b'{"id":7,"status":"publish","date_gmt":"2026-03-02T04:00:00","title":{"raw":"\\ud83d"}}',
        b'{"id":7,"meta":[],"content":[],"excerpt":null,"featured_media":null}',
    ],
)
async def test_a_post_that_stands_is_never_unknown_for_the_form_of_its_answer(blog, mocked, content):
    mocked.post("/posts").respond(201, content=content)
    post = await publish(blog)
    assert (post.native_id, post.landed_at) == ("7", START)
    assert "None" not in post.url


@pytest.mark.parametrize(
    ("answer", "kind", "landed"),
    [
        (httpx.Response(301, headers={"Location": "https://www.example.org/"}), TargetNotFound, "surely_not"),
        (httpx.Response(401, json={"code": "rest_cannot_create"}), PermissionDenied, "surely_not"),
        (
            httpx.Response(401, json={"code": "new_code", "message": None, "data": None}),
            AuthFailed,
            "surely_not",
        ),
        (httpx.Response(403, html="<h1>Firewall</h1>"), PermissionDenied, "surely_not"),
        (httpx.Response(403, json={"code": "rest_cannot_assign_term"}), PermissionDenied, "surely_not"),
        (httpx.Response(408, html=""), Unavailable, "perhaps"),
        (httpx.Response(429, html="", headers={"Retry-After": "5"}), RateLimited, "surely_not"),
        (
            httpx.Response(500, json={"code": "internal_server_error", "message": "<p>"}),
            Unavailable,
            "perhaps",
        ),
        (httpx.Response(200, html="<h1>Maintenance</h1>"), Unavailable, "perhaps"),
        (httpx.Response(200, json=[]), Unavailable, "perhaps"),
    ],
)
async def test_what_a_refusal_means_for_the_post(blog, mocked, answer, kind, landed):
    mocked.post("/posts").mock(return_value=answer)
    with pytest.raises(PlatformError) as caught:
        await publish(blog)
    assert type(caught.value) is kind
    assert caught.value.landed is Landing(landed)


async def test_only_wordpress_itself_says_that_a_post_is_gone(blog, mocked):
    gone = {"code": "rest_post_invalid_id", "message": "x", "data": {"status": 404}}
    mocked.delete("/posts/7").respond(404, json=gone)
    mocked.delete("/comments/8").respond(410, json={"code": "rest_already_trashed"})
    await blog.delete("posts", "7")
    await blog.delete_comment("posts", "7", "comment:8")
    for body in ({"json": {"code": "rest_no_route"}}, {"html": "<h1>404</h1>"}):
        mocked.delete("/posts/7").respond(404, **body)
        mocked.get("/posts/7").respond(404, **body)
        with pytest.raises(TargetNotFound):
            await blog.delete("posts", "7")
        with pytest.raises(TargetNotFound):
            await blog.get_post_numbers("posts", ["7"])


async def test_rows_that_went_away_end_a_list(blog, mocked):
    def pages(request: httpx.Request) -> httpx.Response:
        if request.url.params["page"] == "1":
            return httpx.Response(200, json=[{**POST, "id": number} for number in range(1, 101)])
        return httpx.Response(400, json={"code": "rest_post_invalid_page_number", "data": {"status": 400}})

    mocked.get("/posts").mock(side_effect=pages)
    assert len([post async for post in blog.iter_posts()]) == 100


async def test_what_waits_for_review_is_found_without_its_address(mocked):
    rows = [
        {
            **POST,
            "id": 5,
            "title": {"raw": "早餐"},
            "content": {"raw": "早餐\n燕麦"},
            "date_gmt": "2026-03-01T00:00:00",
        },
        {**POST, "id": 6, "title": {"raw": "早餐"}, "content": {"raw": "别的"}},
        {
            **POST,
            "id": 9,
            "status": "pending",
            "title": {"raw": "早餐"},
            "content": {"raw": "<p>早餐\n燕麦</p>"},
        },
    ]

    def listed(request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if "slug" in params:
            return httpx.Response(200, json=[])
        assert (params["author"], params["status"], params["context"]) == ("3", "pending", "edit")
        return httpx.Response(200, json=rows)

    mocked.get("/posts").mock(side_effect=listed)
    piece, since = Piece(text="早餐\n燕麦"), START - timedelta(minutes=5)
    async with adapter_of(status="pending") as author, adapter_of() as editor:
        found = await author.find_landed("posts", piece, idempotency_key="k", since=since)
        assert found is not None
        assert found.native_id == "9"
        assert await editor.find_landed("posts", piece, idempotency_key="k", since=since) is None


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("早餐", "file.png"),
        ("早餐 1.png", "1.png"),
        ("a b.PNG", "a-b.PNG"),
        ('x".png', "x.png"),
        ("a.b.png", "a.b.png"),
    ],
)
async def test_files_keep_a_suffix_whatever_their_name(blog, mocked, name, sent):
    upload = mocked.post("/media").respond(
        201, json={"id": 4, "source_url": "https://blog.example.org/a.png"}
    )
    mocked.post("/posts").respond(201, json=POST)
    picture = Media(kind=MediaKind.PHOTO, data=b"\x89PNG\r\n\x1a\n", filename=name, mime="image/png")
    await publish(blog, media=(picture,))
    assert upload.calls[0].request.headers["content-disposition"] == f'attachment; filename="{sent}"'


async def test_comments_of_odd_form_are_heard(blog, mocked):
    rows = [
        {
            "id": 21,
            "post": 7,
            "parent": None,
            "author": None,
            "author_name": None,
            "date_gmt": "2026-03-02T04:01:00",
        },
        {
            "id": 22,
            "post": 7,
            "author": 0,
            "author_name": "路人",
            "date_gmt": "2026-03-02T04:02:00",
            "content": [],
        },
    ]
    body = json.dumps(rows).encode().replace(b'"id": 22', rb'"note": "\ud83d", "id": 22')
    mocked.get("/comments").respond(content=body)
    mocked.get("/posts").respond(json=[])
    batch = await blog.receive(None)
    heard = [item for event in batch.events for item in blog.parse(event).interactions]
    assert [(item.message, item.member, item.parent) for item in heard] == [
        ("comment:21", "", "7"),
        ("comment:22", "guest:路人", "7"),
    ]


async def test_the_password_is_shown_nowhere(blog, mocked, caplog):
    caplog.set_level(logging.DEBUG)
    said = f"wrong password {PASSWORD} or {PASSWORD.replace(' ', '')}"
    mocked.post("/posts").respond(401, json={"code": "incorrect_password", "message": said})
    with pytest.raises(AuthFailed) as caught:
        await publish(blog)
    shown = f"{caught.value} {caught.value!r} {blog!r} {caplog.text}"
    assert PASSWORD not in shown
    assert PASSWORD.replace(" ", "") not in shown


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7),
        ("Mon, 02 Mar 2026 04:00:09 GMT", 9),
        ("Mon, 02 Mar 2026 03:00:00 GMT", 0),
        ("-5", 0),
        ("inf", 86_400),
        ("soon", None),
        ("", None),
    ],
)
async def test_every_form_of_retry_after(blog, mocked, told, seconds):
    headers = {"Retry-After": told, "Date": "Mon, 02 Mar 2026 04:00:00 GMT"}
    mocked.post("/posts").respond(429, content=b"<html>", headers=headers)
    with pytest.raises(RateLimited) as caught:
        await blog.publish("posts", Piece(text="Hallo"), idempotency_key="k")
    wanted = None if seconds is None else timedelta(seconds=seconds)
    assert (caught.value.retry_after, caught.value.landed) == (wanted, Landing.SURELY_NOT)
