"""The server under the sandboxes: mounting, faults on the wire, controls, page, clean ends."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time

import httpx
import pytest
import websockets

from shequn_sdk.errors import ConfigError, NotSupported, PluginError
from shequn_sdk.platforms.hooks import SandboxSpec
from shequn_sdk.testing.sandbox import FaultKind, FaultRule, Person, SandboxServer, serve

FOX = Person(id="fox", name="<script>alert(1)</script>")


@pytest.fixture
async def client(wall_server):
    async with httpx.AsyncClient(base_url=wall_server.base_url, trust_env=False) as client:
        yield client


async def test_a_platform_sees_paths_without_its_prefix(wall_server, client) -> None:
    answer = await client.post("/wall/post/a%2Fb", content="你好")
    assert answer.json() == {"id": "1", "size": 6}
    assert wall_server["wall"].paths == [("/wall", "/post/a/b")]
    assert wall_server["wall"].started
    assert list(wall_server) == ["wall"]
    assert len(wall_server) == 1


async def test_requests_are_not_logged(client, caplog) -> None:
    with caplog.at_level(logging.DEBUG):
        await client.post("/wall/post/with-a-token", content="x")
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


async def test_account_comes_from_what_the_platform_describes(wall_server) -> None:
    account = wall_server.account("wall", name="my_wall")
    assert account.name == "my_wall"
    assert account.base_url == wall_server.base_url + "/wall"
    assert account.secret("token") == "wall-secret"
    assert account.options == {"mode": "brick"}
    assert "wall-secret" not in repr(account)


async def test_unknown_paths_say_what_is_served(client) -> None:
    answer = await client.get("/nowhere")
    assert answer.status_code == 404
    assert "/wall" in answer.text


@pytest.mark.parametrize(
    ("kind", "status", "landed"),
    [
        (FaultKind.RATE_LIMIT, 429, 0),
        (FaultKind.SERVER_ERROR, 502, 0),
        (FaultKind.SERVER_ERROR_AFTER, 502, 1),
        (FaultKind.RESET_BEFORE, None, 0),
        (FaultKind.RESET_AFTER, None, 1),
        (FaultKind.SLOW, 200, 1),
        (FaultKind.MALFORMED, 200, 1),
    ],
)
async def test_faults_happen_on_the_wire(wall_server, client, kind, status, landed, caplog) -> None:
    wall_server.faults.set([FaultRule(kind, operation="publish", times=1, delay=0.02)])
    if status is None:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.post("/wall/post/x", content="你好")
    else:
        answer = await client.post("/wall/post/x", content="你好")
        assert answer.status_code == status
        if kind is FaultKind.MALFORMED:
            with pytest.raises(json.JSONDecodeError):
                answer.json()
        if kind is FaultKind.RATE_LIMIT:
            assert answer.headers["retry-after"] == "0.02"
    assert len(wall_server["wall"].texts) == landed
    assert (await client.post("/wall/post/x", content="again")).status_code == 200
    assert wall_server.faults.played == {("wall", "publish", kind): 1}
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


async def test_an_empty_answer_is_malformed_too(wall_server, client) -> None:
    wall_server.faults.set([FaultRule(FaultKind.MALFORMED, times=1)])
    with pytest.raises(json.JSONDecodeError):
        (await client.post("/wall/nothing")).json()


async def test_large_bodies_are_refused(wall_spec) -> None:
    async with (
        SandboxServer([wall_spec], max_body=10) as server,
        httpx.AsyncClient(base_url=server.base_url, trust_env=False) as client,
    ):
        assert (await client.post("/wall/post/x", content=b"0123456789")).status_code == 200
        assert (await client.post("/wall/post/x", content=b"0123456789A")).status_code == 413
        assert len(server["wall"].texts) == 1


async def test_websockets_are_served_and_can_be_cut(wall_server) -> None:
    url = wall_server["wall"].context.ws_url + "/live"
    async with websockets.connect(url, proxy=None) as link:
        await link.send("在吗")
        assert json.loads(await link.recv()) == {"said": "在吗"}
        assert wall_server.drop_websockets() == 1
        with pytest.raises(websockets.ConnectionClosedError):
            await link.recv()
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(wall_server.base_url.replace("http", "ws") + "/nowhere", proxy=None)


async def test_it_ends_at_once_while_requests_wait(wall_spec) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        async with SandboxServer([wall_spec]) as server:
            poll = asyncio.create_task(client.get(server.base_url + "/wall/wait"))
            while not server._server.server_state.tasks:  # noqa: ASYNC110 - the state of another library
                await asyncio.sleep(0)
            before = time.monotonic()
        assert (await poll).json() == []
        assert time.monotonic() - before < 60.0  # they wait until it ends
        with pytest.raises(httpx.ConnectError):
            await client.get(server.base_url)
    await server.aclose()


async def test_a_platform_that_does_not_stop_cleanly_holds_nobody_up(wall_server, wall_spec, caplog) -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    async with SandboxServer([wall_spec]) as server:
        server["wall"].stop = fail
        async with httpx.AsyncClient(trust_env=False) as client:
            waiting = asyncio.create_task(client.get(server.base_url + "/wall/wait"))
            while not server._server.server_state.tasks:  # noqa: ASYNC110 - the state of another library
                await asyncio.sleep(0)
            await server.aclose()
            with pytest.raises(httpx.HTTPError):
                (await waiting).raise_for_status()
    assert "did not stop cleanly" in caplog.text


async def test_a_platform_that_cannot_be_made_is_named() -> None:
    def broken(context):
        raise ImportError("moved")

    with pytest.raises(PluginError, match=r"'moon' cannot be made \(ImportError: moved\)"):
        await SandboxServer([SandboxSpec(platform="moon", create=broken)]).__aenter__()


async def test_a_port_that_is_taken_is_a_clear_error(wall_server, wall_spec) -> None:
    port = int(wall_server.base_url.rpartition(":")[2])
    with pytest.raises(ConfigError, match="choose another port"):
        await SandboxServer([wall_spec], port=port).__aenter__()
    with pytest.raises(ConfigError, match="this machine only"):
        SandboxServer([wall_spec], host="0.0.0.0")
    with pytest.raises(PluginError, match="two plugins"):
        await SandboxServer([wall_spec, wall_spec]).__aenter__()


async def test_calling_back_never_raises_and_stays_on_this_machine(wall_server) -> None:
    call_back = wall_server["wall"].context.call_back
    reply = await call_back(wall_server.base_url + "/wall/post/x", b"hook", {"x-signature": "1"})
    assert reply.status == 200
    assert json.loads(reply.body)["size"] == 4
    assert (await call_back("http://127.0.0.1:1/", b"", {})).status == 0
    refused = await call_back("http://192.0.2.1/", b"", {})
    assert refused.status == 0
    assert b"this machine" in refused.body
    assert (await call_back("http://[broken", b"", {})).status == 0
    assert (await call_back("http://localhost:1/", b"", {"bad\nname": "x"})).status == 0


class TestControl:
    async def test_the_clock_is_moved(self, client, wall_clock) -> None:
        answer = await client.post("/_control/clock", json={"by": 3600})
        assert answer.json() == {"now": "2026-03-01T01:00:00+00:00", "movable": True}
        await client.post("/_control/clock", json={"to": "2026-03-02T08:00:00+08:00"})
        assert wall_clock.now().isoformat() == "2026-03-02T00:00:00+00:00"
        assert (await client.get("/_control/clock")).json()["now"] == "2026-03-02T00:00:00+00:00"
        assert (await client.post("/_control/clock", json={"to": "2026-03-02T08:00:00"})).status_code == 400

    async def test_people_act(self, client, wall_server) -> None:
        act = {
            "platform": "wall",
            "act": "say",
            "channel": "wall",
            "person": {"id": "fox", "name": "狐狸"},
            "text": "早",
        }
        answer = await client.post("/_control/act", json=act)
        assert answer.json() == {
            "result": "1",
            "member": wall_server["wall"].member_id(Person("fox", "狐狸")),
        }
        state = (await client.get("/_control/state")).json()
        assert state["platforms"]["wall"]["channels"][0]["messages"][0]["text"] == "早"
        assert (await client.get("/_control/describe")).json()["wall"]["channels"] == ["wall"]

    async def test_what_the_platform_lacks_is_said(self, client) -> None:
        vote = {
            "platform": "wall",
            "act": "vote",
            "channel": "wall",
            "person": "fox",
            "message": "1",
            "choice": 0,
        }
        answer = await client.post("/_control/act", json=vote)
        assert answer.status_code == 501
        assert "a wall has no polls" in answer.json()["message"]

    @pytest.mark.parametrize(
        ("act", "status"),
        [
            ({}, 404),
            ({"platform": "moon", "act": "say"}, 400),
            ({"platform": "wall", "act": "__class__", "channel": "wall", "person": "fox"}, 400),
            ({"platform": "wall", "act": "say", "channel": "wall", "person": "fox"}, 404),
            (
                {
                    "platform": "wall",
                    "act": "say",
                    "channel": "wall",
                    "person": {"id": "a", "evil": 1},
                    "text": "",
                },
                400,
            ),
        ],
    )
    async def test_bad_acts_are_refused(self, client, act, status) -> None:
        assert (await client.post("/_control/act", json=act)).status_code == status

    async def test_faults_are_set_and_counted(self, client) -> None:
        rule = {"kind": "server_error", "operation": "publish", "times": 1}
        assert (await client.post("/_control/faults", json={"rules": [rule], "seed": 3})).status_code == 200
        assert (await client.post("/wall/post/x", content="1")).status_code == 502
        told = (await client.get("/_control/faults")).json()
        assert told["rules"][0]["kind"] == "server_error"
        assert told["played"] == [
            {"platform": "wall", "operation": "publish", "kind": "server_error", "times": 1}
        ]
        assert (
            await client.post("/_control/faults", json={"rules": [{"kind": "meteor"}]})
        ).status_code == 400

    async def test_foreign_pages_cannot_use_it(self, client) -> None:
        forged = await client.post(
            "/_control/clock", content='{"by":1}', headers={"content-type": "text/plain"}
        )
        assert forged.status_code == 400
        rebound = await client.get("/_control/describe", headers={"host": "evil.example:80"})
        assert rebound.status_code == 403

    @pytest.mark.parametrize("body", ["[1]", "{", "[" * 100_000])
    async def test_nonsense_is_refused(self, client, body) -> None:
        answer = await client.post(
            "/_control/clock", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert (await client.delete("/_control/clock")).status_code == 400


async def test_the_page_shows_messages_as_text(client, wall_server) -> None:
    wall_server["wall"].say("wall", FOX, '<img src=x onerror="alert(2)">')
    answer = await client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "&lt;img src=x" in answer.text
    assert "墙 &lt;b&gt;" in answer.text
    assert "http" not in answer.text.partition("</style>")[0], "the page loads nothing from elsewhere"
    assert "待人工确认" in answer.text
    part = await client.get("/_control/fragment")
    assert part.text in answer.text


async def test_serve_prints_one_line(wall_spec) -> None:
    out = io.StringIO()
    task = asyncio.create_task(serve([wall_spec], out=out))
    while not out.getvalue():  # noqa: ASYNC110 - a plain text stream
        await asyncio.sleep(0.01)
    line = json.loads(out.getvalue())
    assert out.getvalue().count("\n") == 1
    assert line["wall"]["secrets"] == {"token": "wall-secret"}
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(line["sandbox"]["page"])).status_code == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_base_gives_stable_ids_and_reasons(wall_server) -> None:
    wall = wall_server["wall"]
    first = wall.member_id(FOX)
    assert wall.member_id(Person(id="fox", name="new name")) == first
    assert wall.person(first).name == "new name"
    assert wall.person("0") is None
    for act in (
        lambda: wall.create_channel("x"),
        lambda: wall.join("wall", FOX),
        lambda: wall.leave("wall", FOX),
        lambda: wall.react("wall", FOX, "1", "👍"),
        lambda: wall.share("wall", FOX, "1"),
        lambda: wall.press("wall", FOX, "1", "x"),
        lambda: wall.confirm("wall", "1"),
    ):
        with pytest.raises(NotSupported, match="nothing like it"):
            act()


def test_spec_is_plain_data() -> None:
    assert SandboxSpec(platform="x", create=print).api_version == 1


async def test_the_page_brings_its_own_chinese_font(client) -> None:
    answer = await client.get("/_control/font")
    assert (answer.status_code, answer.content[:4]) == (200, b"OTTO")
    page = await client.get("/")
    assert "url(/_control/font)" in page.text
    assert "font-src 'self'" in page.headers["content-security-policy"]
