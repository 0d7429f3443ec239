"""The form: who may tell a result, and what foreign pages cannot do."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import httpx
import pytest

from shequn_handoff import handoff_app
from shequn_handoff.desk import Desk
from shequn_handoff.tasks import NewTask, TaskFile, task_id
from shequn_sdk.errors import ConfigError
from shequn_sdk.scheduling.clock import ManualClock

TOKEN = "a-token-of-the-desk-42"
NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


@pytest.fixture
def form_desk(tmp_path):
    desk = Desk(tmp_path, clock=ManualClock(NOW))
    desk.add(
        NewTask(
            id=task_id("a", "一群", "k"),
            account="a",
            channel="<b>一群</b>",
            place="qq_group",
            text="<img src=x onerror=alert(1)>",
            files=(TaskFile(name="a.png", data=PNG), TaskFile(name="b.html", data=b"<script>1</script>")),
            checklist=("粘贴",),
        )
    )
    return desk


@pytest.fixture
async def stranger(form_desk):
    app = handoff_app(form_desk.folder, TOKEN, clock=ManualClock(NOW))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000"
    ) as client:
        yield client


@pytest.fixture
async def helper(stranger):
    entered = await stranger.get("/", params={"token": TOKEN})
    assert entered.status_code == 303
    assert TOKEN not in entered.headers["location"]
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    return stranger


def csrf_of(page):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)[1]


async def test_nobody_enters_without_the_token(stranger, form_desk):
    task = form_desk.list()[0]
    for path in ("/", f"/tasks/{task.id}", f"/tasks/{task.id}/files/{task.files[0]}"):
        assert (await stranger.get(path)).status_code == 401
        assert (await stranger.get(path, params={"token": "wrong"})).status_code == 401
    assert (await stranger.post(f"/tasks/{task.id}", data={"verdict": "confirmed"})).status_code == 401
    assert (await stranger.get("/api/desk")).status_code == 401
    assert (await stranger.get("/api/desk", headers={"authorization": "Bearer x"})).status_code == 401
    assert form_desk.list()[0].result is None


async def test_a_person_confirms_with_numbers(helper, form_desk):
    task = form_desk.list()[0]
    listed = await helper.get("/")
    assert "&lt;img" in listed.text
    page = await helper.get(f"/tasks/{task.id}")
    assert "<img src=x" not in page.text
    assert "<b>一群" not in page.text
    policy = page.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)[1]
    assert f'<script nonce="{nonce}">' in page.text
    fields = {"verdict": "confirmed", "views": "120", "link": "https://e.org/1", "at": "2026-03-02 11:00"}
    bad = await helper.post(f"/tasks/{task.id}", data={**fields, "views": "-1", "csrf": csrf_of(page)})
    assert bad.status_code == 422
    assert "views" in bad.text
    done = await helper.post(f"/tasks/{task.id}", data={**fields, "csrf": csrf_of(page)})
    assert done.status_code == 303
    result = form_desk.get(task.id).result
    assert (result.views, result.likes, result.at) == (120, None, datetime(2026, 3, 2, 3, tzinfo=UTC))
    again = await helper.get(f"/tasks/{task.id}")
    assert "浏览 120" in again.text
    refuse = {"verdict": "refused", "reason": "x", "csrf": csrf_of(again)}
    assert (await helper.post(f"/tasks/{task.id}", data=refuse)).status_code == 409


async def test_a_person_refuses_with_a_reason(helper, form_desk):
    task = form_desk.list()[0]
    csrf = csrf_of(await helper.get(f"/tasks/{task.id}"))
    assert (
        await helper.post(f"/tasks/{task.id}", data={"verdict": "refused", "csrf": csrf})
    ).status_code == 422
    await helper.post(f"/tasks/{task.id}", data={"verdict": "refused", "reason": "<i>不行", "csrf": csrf})
    assert form_desk.get(task.id).result.reason == "<i>不行"
    assert "<i>" not in (await helper.get(f"/tasks/{task.id}")).text


async def test_foreign_pages_can_tell_nothing(helper, form_desk):
    task = form_desk.list()[0]
    path = f"/tasks/{task.id}"
    csrf = csrf_of(await helper.get(path))
    fields = {"verdict": "confirmed", "csrf": csrf}
    assert (await helper.post(path, data={"verdict": "confirmed"})).status_code == 403
    assert (await helper.post(path, data={"verdict": "confirmed", "csrf": "0" * 64})).status_code == 403
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9999"):
        assert (await helper.post(path, data=fields, headers={"origin": origin})).status_code == 403
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example"):
        assert (await helper.get("/", headers={"host": host})).status_code == 403
    assert form_desk.get(task.id).result is None
    good = await helper.post(path, data=fields, headers={"origin": "http://127.0.0.1:8000"})
    assert good.status_code == 303


async def test_files_cannot_do_harm(helper, form_desk):
    task = form_desk.list()[0]
    picture = await helper.get(f"/tasks/{task.id}/files/{task.files[0]}")
    assert picture.content == PNG
    page = await helper.get(f"/tasks/{task.id}/files/{task.files[1]}")
    assert page.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in page.headers["content-security-policy"]
    for name in ("task.json", "..%2Ftask.json", "%2e%2e"):
        assert (await helper.get(f"/tasks/{task.id}/files/{name}")).status_code == 404
    assert (await helper.get("/tasks/..")).status_code in {401, 404, 200}
    assert (await helper.get("/tasks/" + "0" * 20)).status_code == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"[" * 50_000, b'{"id": "x"}', b'{"id":"' + b"0" * 20 + b'","account":1}', b"\xff"],
)
async def test_bad_calls_are_refused(stranger, body):
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = await stranger.post("/api/tasks", content=body, headers=headers)
    assert answer.status_code == 400
    assert (await stranger.get("/api/desk", headers=headers)).json() == {"waiting": 1}
    big = await stranger.post("/tasks/" + "0" * 20, content=b"x" * 70_000)
    assert big.status_code == 401


async def test_large_forms_are_refused(helper, form_desk):
    task = form_desk.list()[0]
    answer = await helper.post(f"/tasks/{task.id}", content=b"x" * 70_000)
    assert answer.status_code == 413


def test_short_tokens_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="16"):
        handoff_app(tmp_path, "short")


async def test_a_damaged_result_is_told_again_by_the_form(helper, form_desk):
    task = task_id("a", "一群", "k")
    (form_desk.folder / task / "result.json").write_text("{")
    page = await helper.get(f"/tasks/{task}")
    assert page.status_code == 200
    assert "result.json" in page.text
    form = {"csrf": csrf_of(page), "verdict": "confirmed", "views": "7"}
    assert (await helper.post(f"/tasks/{task}", data=form)).status_code == 303
    assert form_desk.get(task).result.views == 7
