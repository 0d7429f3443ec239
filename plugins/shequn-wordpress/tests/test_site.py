"""The sandbox's site as a client that knows nothing of it sees it."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import httpx
import pytest

from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import Person, SandboxServer
from shequn_wordpress import shequn_sandboxes

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 32


@pytest.fixture
async def site():
    """Give a starter: the sandbox, a client of its user, and one of a stranger."""
    async with AsyncExitStack() as stack:

        async def begin(**options):
            clock = ManualClock(START)
            server = SandboxServer(shequn_sandboxes(), clock=clock, seed=7, options={"wordpress": options})
            await stack.enter_async_context(server)
            sandbox = server["wordpress"]
            told = sandbox.describe()
            base = f"{told['base_url']}/wp-json/wp/v2"
            # with its spaces taken out the password is the same
            login = (told["options"]["username"], told["secrets"]["application_password"].replace(" ", ""))
            mine = await stack.enter_async_context(httpx.AsyncClient(base_url=base, auth=login))
            stranger = await stack.enter_async_context(httpx.AsyncClient(base_url=base))
            return sandbox, mine, stranger

        yield begin


def code_of(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["data"]["status"] == answer.status_code
    assert body["message"]
    return answer.status_code, body["code"]


async def test_a_post_from_draft_to_bin(site):
    _, mine, stranger = await site()
    made = await mine.post("/posts", json={"title": "早餐 怎么吃", "content": "燕麦"})
    post = made.json()
    assert (made.status_code, post["status"], post["slug"]) == (201, "draft", "")
    assert made.headers["location"].endswith(f"/wp/v2/posts/{post['id']}")
    assert post["title"] == {"raw": "早餐 怎么吃", "rendered": "早餐 怎么吃"}
    assert post["link"].endswith(f"/?p={post['id']}")
    assert code_of(await stranger.get(f"/posts/{post['id']}")) == (401, "rest_forbidden")
    shown = await mine.patch(f"/posts/{post['id']}", data={"status": "publish", "tags": "99"})
    assert (shown.json()["slug"], shown.json()["tags"]) == ("早餐-怎么吃", [])
    read = (await stranger.get(f"/posts/{post['id']}")).json()
    assert read["title"] == {"rendered": "早餐 怎么吃"}
    assert "raw" not in read["content"]
    assert {"guid", "date_gmt", "modified_gmt", "sticky", "format", "_links"} <= set(read)
    binned = await mine.delete(f"/posts/{post['id']}")
    assert (binned.json()["status"], binned.json()["slug"]) == ("trash", "早餐-怎么吃__trashed")
    assert code_of(await mine.delete(f"/posts/{post['id']}")) == (410, "rest_already_trashed")
    gone = await mine.delete(f"/posts/{post['id']}", params={"force": "true"})
    assert (gone.json()["deleted"], gone.json()["previous"]["id"]) == (True, post["id"])
    assert code_of(await mine.get(f"/posts/{post['id']}")) == (404, "rest_post_invalid_id")


async def test_lists_are_paged_filtered_and_linked(site):
    _, mine, stranger = await site()
    for number in range(12):
        body = {
            "title": f"p{number}",
            "content": "x",
            "status": "publish",
            "date_gmt": f"2026-02-{number + 1:02}T00:00:00",
        }
        assert (await mine.post("/posts", json=body)).status_code == 201
    first = await stranger.get("/posts", params={"per_page": 5, "_fields": "id,title.rendered"})
    assert (first.headers["x-wp-total"], first.headers["x-wp-totalpages"]) == ("13", "3")
    assert 'rel="next"' in first.headers["link"]
    assert 'rel="prev"' not in first.headers["link"]
    assert set(first.json()[0]) == {"id", "title"}
    last = await stranger.get("/posts", params={"per_page": 5, "page": 3, "order": "asc", "orderby": "title"})
    assert [one["title"]["rendered"] for one in last.json()] == ["p8", "p9", "欢迎"]
    assert code_of(await stranger.get("/posts", params={"page": 9})) == (400, "rest_post_invalid_page_number")
    assert (await stranger.get("/comments", params={"page": 9})).json() == []
    span = {"after": "2026-02-03T00:00:00Z", "before": "2026-02-05T08:00:00+08:00", "order": "asc"}
    assert [one["title"]["rendered"] for one in (await stranger.get("/posts", params=span)).json()] == ["p3"]
    head = await stranger.head("/posts")
    assert (head.status_code, head.headers["x-wp-total"]) == (200, "13")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"per_page": 101}, "rest_invalid_param"),
        ({"per_page": "many"}, "rest_invalid_param"),
        ({"orderby": "luck"}, "rest_invalid_param"),
        ({"after": "yesterday"}, "rest_invalid_param"),
        ({"status": "draft"}, "rest_invalid_param"),
        ({"status": "secret"}, "rest_invalid_param"),
        ({"context": "edit"}, "rest_forbidden_context"),
    ],
)
async def test_what_lists_refuse_strangers(site, params, code):
    _, _, stranger = await site()
    answer = await stranger.get("/posts", params=params)
    assert code_of(answer) == (401 if code == "rest_forbidden_context" else 400, code)
    if code == "rest_invalid_param":
        assert set(answer.json()["data"]["params"]) <= {*params, "status[0]"}


async def test_who_may_do_what(site):
    sandbox, mine, stranger = await site(role="contributor")
    for path, body, code in (
        ("/posts", {"title": "x"}, "rest_cannot_create"),
        ("/comments", {"post": 11, "content": "x"}, "rest_comment_login_required"),
        ("/categories", {"name": "x"}, "rest_cannot_create"),
    ):
        assert code_of(await stranger.post(path, json=body)) == (401, code)
    assert code_of(await stranger.get("/users/me")) == (401, "rest_not_logged_in")
    assert code_of(await mine.post("/posts", json={"title": "x", "status": "publish"})) == (
        403,
        "rest_cannot_publish",
    )
    waits = (await mine.post("/posts", json={"title": "x", "status": "pending", "slug": "mine"})).json()
    assert (waits["status"], waits["slug"]) == ("pending", "")
    assert code_of(await mine.post("/media", content=PNG)) == (403, "rest_cannot_create")
    other = sandbox.write(Person(id="lin", name="林"), "别人的", "x")
    assert code_of(await mine.post(f"/posts/{other}", json={"title": "y"})) == (403, "rest_cannot_edit")
    assert code_of(await mine.delete(f"/posts/{other}")) == (403, "rest_cannot_delete")
    for login, code in (
        ((sandbox.username, "wrong"), "incorrect_password"),
        (("nobody", "x"), "invalid_username"),
    ):
        assert code_of(await stranger.get("/users/me", auth=login)) == (401, code)
    me = (await mine.get("/users/me", params={"context": "edit"})).json()
    assert me["capabilities"] == {"edit_posts": True}


async def test_files_as_body_and_as_form(site):
    _, mine, _ = await site()
    headers = {"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="a.png"'}
    sent = await mine.post("/media", content=PNG, headers=headers)
    assert (sent.status_code, sent.json()["mime_type"], sent.json()["media_type"]) == (
        201,
        "image/png",
        "image",
    )
    form = await mine.post(
        "/media", data={"alt_text": "燕麦", "title": "早餐"}, files={"file": ("b.pdf", b"%PDF-1")}
    )
    assert (form.json()["alt_text"], form.json()["title"]["rendered"]) == ("燕麦", "早餐")
    assert form.json()["media_type"] == "file"
    assert [one["id"] for one in (await mine.get("/media")).json()] == [form.json()["id"], sent.json()["id"]]
    number = sent.json()["id"]
    assert (await mine.put(f"/media/{number}", json={"alt_text": "x"})).json()["alt_text"] == "x"
    assert code_of(await mine.delete(f"/media/{number}")) == (501, "rest_trash_not_supported")
    assert (await mine.delete(f"/media/{number}", params={"force": 1})).json()["deleted"] is True
    for left_out, code in (
        ({"Content-Disposition"}, "rest_upload_no_content_disposition"),
        ({"Content-Type"}, "rest_upload_no_content_type"),
    ):
        kept = {name: value for name, value in headers.items() if name not in left_out}
        assert code_of(await mine.post("/media", content=PNG, headers=kept)) == (400, code)
    odd = {**headers, "Content-Disposition": "attachment"}
    assert code_of(await mine.post("/media", content=PNG, headers=odd)) == (
        400,
        "rest_upload_invalid_disposition",
    )
    script = {**headers, "Content-Disposition": 'attachment; filename="a.php"'}
    assert code_of(await mine.post("/media", content=PNG, headers=script)) == (
        500,
        "rest_upload_sideload_error",
    )
    assert code_of(await mine.post("/media", data={"title": "x"})) == (400, "rest_upload_no_data")
    assert code_of(await mine.post("/media", content=b"", headers=headers)) == (400, "rest_upload_no_data")


async def test_comments_are_written_moderated_and_binned(site):
    sandbox, mine, stranger = await site()
    post = (await stranger.get("/posts")).json()[0]["id"]
    made = await mine.post("/comments", json={"post": post, "content": "好 <b>"})
    comment = made.json()
    assert (made.status_code, comment["content"]["rendered"]) == (201, "<p>好 &lt;b&gt;</p>\n")
    assert code_of(await mine.post("/comments", json={"post": post, "content": "好 <b>"})) == (
        409,
        "comment_duplicate",
    )
    assert code_of(await mine.post("/comments", json={"post": 9, "content": "x"})) == (
        403,
        "rest_comment_invalid_post_id",
    )
    path = f"/comments/{comment['id']}"
    assert (await stranger.get(path)).json()["author_name"] == sandbox.me.name
    assert (await mine.post(path, json={"status": "hold"})).json()["status"] == "hold"
    assert code_of(await stranger.get(path)) == (401, "rest_cannot_read")
    assert (await stranger.get("/comments")).headers["x-wp-total"] == "0"
    assert code_of(await stranger.get("/comments", params={"status": "hold"})) == (
        401,
        "rest_forbidden_param",
    )
    held = await mine.get("/comments", params={"status": "hold", "context": "edit"})
    assert [one["content"]["raw"] for one in held.json()] == ["好 <b>"]
    assert (await mine.delete(path)).json()["status"] == "trash"
    assert code_of(await mine.delete(path)) == (410, "rest_already_trashed")


async def test_terms_users_and_what_the_site_says_of_itself(site):
    sandbox, mine, stranger = await site()
    made = await mine.post("/categories", json={"name": "谷类", "slug": "grain"})
    assert (made.status_code, made.json()["taxonomy"], made.json()["count"]) == (201, "category", 0)
    again = await mine.post("/categories", json={"name": "谷类"})
    assert code_of(again) == (400, "term_exists")
    assert again.json()["data"]["term_id"] == made.json()["id"]
    assert code_of(await mine.post("/tags", json={})) == (400, "rest_missing_callback_param")
    tag = (await mine.post("/tags", json={"name": "早餐"})).json()["id"]
    body = {"title": "x", "status": "publish", "categories": [made.json()["id"], 999], "tags": [tag]}
    post = (await mine.post("/posts", json=body)).json()
    assert (post["categories"], post["tags"]) == ([made.json()["id"]], [tag])
    for params in ({"tags": tag}, {"categories": f"{made.json()['id']},999"}, {"include[]": post["id"]}):
        assert [one["id"] for one in (await stranger.get("/posts", params=params)).json()] == [post["id"]]
    assert (await stranger.get(f"/tags/{tag}")).json()["count"] == 1
    assert [one["slug"] for one in (await stranger.get("/users")).json()] == [sandbox.username]
    assert code_of(await stranger.get("/users/999")) == (404, "rest_user_invalid_id")
    index = (await stranger.get(f"{sandbox.context.base_url}/wp-json/")).json()
    assert "wp/v2" in index["namespaces"]
    assert "/wp/v2/posts/(?P<id>[\\d]+)" in index["routes"]
    for method, path in (("GET", "/posts/x"), ("DELETE", "/posts"), ("GET", "/nothing")):
        assert code_of(await stranger.request(method, path)) == (404, "rest_no_route")


@pytest.mark.parametrize(
    "body",
    [
        {"title": []},
        {"title": {"raw": []}},
        {"status": 1},
        {"categories": "x"},
        {"date": "soon"},
        {"featured_media": "²"},
    ],
)
async def test_wrong_types_are_refused_as_wordpress_does(site, body):
    _, mine, _ = await site()
    answer = await mine.post("/posts", json={"content": "x", **body})
    assert code_of(answer) == (400, "rest_invalid_param")
    broken = await mine.post("/posts", content=b"{", headers={"Content-Type": "application/json"})
    assert code_of(broken) == (400, "rest_invalid_json")
    assert json.loads(broken.content)["data"]["json_error_message"] == "Syntax error"
