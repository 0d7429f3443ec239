"""What strangers, broken files and broken servers do to a workspace: clear words, an exit code, and nothing lost."""

import contextlib
import csv
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import traceback

import anyio
import anyio.to_thread
import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from shequn_sdk import Account, AsyncShequn, Content
from shequn_sdk.cli._app import app
from shequn_sdk.cli._output import Exit
from shequn_sdk.errors import ShequnError, Unavailable
from shequn_sdk.listening.webhooks import webhook_app
from shequn_sdk.metrics.store.turns import Turn
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.testing.sandbox.server import SandboxServer

TOKEN = "7000000009:AAF-a-token-that-must-not-be-seen"
HOSTILE = "\x1b[31m红\x1b[0m\u202e倒\u200b零</script><img src=x onerror=alert(1)>"


def shequn(*arguments, code=0):
    """Run a command in this process; nothing but typed errors may come out of it."""
    result = CliRunner().invoke(app, [str(item) for item in arguments], catch_exceptions=False)
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    assert "Traceback" not in result.stdout + result.stderr
    return result


def words(result):
    return " ".join(result.stderr.split())


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def imported(home, form, path, *more, code=0):
    return json.loads(shequn("import", form, path, "--home", home, "--json", *more, code=code).stdout)


def test_every_bad_line_is_counted_and_every_good_one_kept(tmp_path):
    file = tmp_path / "log.txt"
    lines = [
        b"1 2 1082040961",
        b"only two",
        b"1 2 noon",
        b"1 2 -86400",
        b"1 2 99999999999",
        b"1 2 \x00 1082040961",
        b"3 \xff\xfe 1082040961",
        b"4 " + b"x" * 10_000_000 + b" 1082040961",
        b"",
        b"5 6 1082155839",
    ]
    file.write_bytes(b"\n".join(lines))
    result = imported(tmp_path / "home", "edges", file)
    assert result["added"] == 2
    skipped = result["skipped"]
    assert sum(skipped.values()) == result["read"] - 2
    assert {"malformed", "bad_time", "before_1970", "in_the_future", "too_large", "bad_encoding"} <= set(
        skipped
    )
    assert {example["line"] for example in result["examples"]} >= {2, 3, 4, 5, 6, 7, 8}
    assert imported(tmp_path / "home", "edges", file)["added"] == 0


def chat(messages):
    return {"name": "读书会", "type": "private_supergroup", "id": 1, "messages": messages}


def said(number, text="早安", **more):
    return {
        "id": number, "type": "message", "date": "2026-03-02T08:00:00", "date_unixtime": str(1772409600 + number),
        "from": "林", "from_id": "user1", "text": text, **more,
    }  # fmt: skip


def test_a_truncated_export_keeps_what_came_before_and_goes_on_when_whole(tmp_path):
    whole = json.dumps(chat([said(n) for n in range(1, 200)]), ensure_ascii=False).encode()
    file = tmp_path / "result.json"
    file.write_bytes(whole[: len(whole) // 2])
    result = imported(tmp_path / "home", "telegram", file, code=Exit.PARTLY)
    assert 0 < result["added"] < 199
    assert "byte" in result["warning"]
    file.write_bytes(whole)
    again = imported(tmp_path / "home", "telegram", file)
    assert result["added"] + again["added"] == 199


@pytest.mark.parametrize("opener", ["[", '{"a":'])
def test_json_nested_a_hundred_thousand_deep_is_refused_in_words(tmp_path, opener):
    deep = opener * 100_000
    file = tmp_path / "result.json"
    file.write_text(
        '{"name":"x","type":"private_group","id":1,"messages":[' + json.dumps(said(1)) + "," + deep
    )
    result = imported(tmp_path / "home", "telegram", file, code=Exit.PARTLY)
    assert result["added"] == 1
    assert not result["complete"]
    file.write_text(deep)
    shequn("import", "telegram", file, "--home", tmp_path / "home", code=Exit.USAGE)
    closed = deep + "1" + {"[": "]", '{"a":': "}"}[opener] * 100_000
    text = json.dumps(chat([said(1), said(2, text="DEEP"), said(3)])).replace('"DEEP"', closed)
    file.write_text(text)
    result = CliRunner().invoke(
        app,
        ["import", "telegram", str(file), "--home", str(tmp_path / "third"), "--json"],
        catch_exceptions=False,
    )
    assert result.exit_code in {0, Exit.PARTLY}
    assert json.loads(result.stdout)["added"] >= 1


@pytest.mark.parametrize("form", ["telegram", "discord", "edges", "csv", "whatsapp", "parquet", "nonsense"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 5000, bytes(range(256)) * 40, b"<html>no</html>", b"null", b"PAR1"]
)
def test_a_file_that_is_something_else_entirely(tmp_path, form, content):
    file = tmp_path / "file.bin"
    file.write_bytes(content)
    result = CliRunner().invoke(
        app, ["import", form, str(file), "--home", str(tmp_path / "home"), "--json"], catch_exceptions=False
    )
    assert result.exit_code in {Exit.OK, Exit.USAGE, Exit.PARTLY}, result.stderr
    if result.exit_code == Exit.USAGE:
        assert json.loads(result.stderr.splitlines()[-1])["error"]["exit_code"] == Exit.USAGE
        assert not result.stdout
    else:
        assert json.loads(result.stdout)["added"] == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_table_in_any_usual_encoding(tmp_path, encoding):
    file = tmp_path / "table.csv"
    file.write_bytes("time,member,text\n2026-03-02 08:00:00,林小满,早安各位朋友\n".encode(encoding))
    assert imported(tmp_path / "home", "csv", file)["added"] == 1


# ── settings and plans ────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = '[communities.club]\ntitle = "读书会"\nzone = "Asia/Shanghai"\n'


@pytest.mark.parametrize(
    ("text", "said_so"),
    [
        ("[comunities.club]\n", "did you mean 'communities'?"),
        ("[accounts.a]\nplatfrom = 'telegram'\n", "did you mean 'platform'?"),
        ("[communities.club]\nzonne = 'UTC'\n", "did you mean 'zone'?"),
        ("[communities.club]\nzone = 'Asia/Shangai'\n", "zone"),
        ("[delivery]\nmax_atempts = 3\n", "did you mean 'max_attempts'?"),
        ("[delivery]\nconcurrency = 'many'\n", "concurrency"),
        ("[accounts.a]\nplatform = 'telegram'\n[accounts.a]\nplatform = 'discord'\n", "line 3"),
        ("[accounts.a]\nplatform = 'telegramm'\n", "telegramm"),
        ("[accounts.a]\nplatform = 3\n", "platform"),
        ("[accounts]\na = 3\n", "accounts.a must be a table"),
        ("[communities.club]\nchannels = ['a:1']\n", "no account 'a'"),
        ("[communities.club]\nchannels = ['nocolon']\n", "channels"),
        ("x = [" * 100_000, "shequn.toml"),
        ("\x00", "shequn.toml"),
        ("a = 'unfinished", "no valid TOML"),
        ("plugins = ['telegarm']\n[accounts.a]\nplatform='telegram'\n", "telegarm"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path, text, said_so):
    (tmp_path / "shequn.toml").write_text(text, encoding="utf-8")
    result = shequn("publish", "hi", "--to", "a:1", "--home", tmp_path, code=Exit.USAGE)
    assert said_so in words(result)
    assert not result.stdout


def test_settings_in_another_encoding_are_named(tmp_path):
    (tmp_path / "shequn.toml").write_bytes('[communities.club]\ntitle = "读书会"\n'.encode("utf-16"))
    assert "UTF-8" in words(shequn("doctor", "--home", tmp_path, code=Exit.USAGE))


@pytest.mark.parametrize("make", ["file", "broken link", "loop"])
def test_a_home_that_is_no_directory(tmp_path, make):
    home = tmp_path / "home"
    if make == "file":
        home.write_text("mine")
    elif make == "broken link":
        home.symlink_to(tmp_path / "nowhere" / "at" / "all")
    else:
        home.symlink_to(home)
    for command in (
        ["init"],
        ["doctor"],
        ["deliveries"],
        ["metrics", "active_members.dau"],
        ["report"],
        ["demo"],
    ):
        result = CliRunner().invoke(app, [*command, "--home", str(home)], catch_exceptions=False)
        assert "Traceback" not in result.stderr
        assert result.exit_code in {Exit.FAILED, Exit.USAGE} or make == "broken link", (
            command,
            result.stdout,
        )


@pytest.mark.parametrize(
    ("text", "said_so"),
    [
        ("titel = 'x'\n", "titel"),
        ("name = 'x'\nname = 'y'\n", "line 2"),
        ("name = 3\n", "name"),
        ("\x00", "plan.toml"),
        ("name = '" + "x" * 2_000_000 + "'", "plan.toml"),
        ("x = [" * 100_000, "plan.toml"),
    ],
)
def test_a_mistake_in_the_plan_is_named(tmp_path, text, said_so):
    plan = tmp_path / "plan.toml"
    plan.write_text(text)
    result = shequn("demo", "--plan", plan, "--days", 1, "--home", tmp_path / "demo", code=Exit.USAGE)
    assert said_so in words(result)
    assert not (tmp_path / "demo").exists()


@pytest.fixture
def no_waiting(monkeypatch):
    """Pauses between attempts take no time."""
    real = SystemClock.sleep

    async def short(self, seconds):
        await real(self, min(seconds, 0.01))

    monkeypatch.setattr(SystemClock, "sleep", short)


# ── servers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class RawServer:
    """Answers every connection with what `answer` gives: bytes, or None to say nothing and keep the line open."""

    def __init__(self, answer):
        self.answer = answer
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.kept = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        try:
            request = connection.recv(65536)
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            answer = self.answer(request) if callable(self.answer) else self.answer
            if answer is None:
                self.kept.append(connection)
                return
            connection.sendall(answer)
        except OSError:
            pass
        connection.close()

    def close(self):
        self.socket.close()
        for connection in self.kept:
            connection.close()


def http(body, *, status="200 OK", kind="application/json"):
    if isinstance(body, str):
        body = body.encode()
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        + body
    )


def workspace(home, port, *, platform="telegram", options="", token=TOKEN):
    home.mkdir(exist_ok=True)
    (home / "shequn.toml").write_text(
        f'[communities.club]\nchannels = ["a:-1001"]\n[accounts.a]\nplatform = "{platform}"\n'
        f'base_url = "http://127.0.0.1:{port}"\n[accounts.a.secrets]\ntoken = "{token}"\n{options}',
        encoding="utf-8",
    )
    return home


DEEP = "[" * 100_000
ANSWERS = {
    "html": http("<html><body>Sign in to the hotel's network</body></html>", kind="text/html"),
    "garbage": b"\x00\xff\xfe not http at all \r\n\r\n",
    "nothing": b"",
    "empty": http(b""),
    "a list": http("[]"),
    "a number": http("7"),
    "ok without result": http('{"ok":true}'),
    "ok of another kind": http('{"ok":true,"result":"yes"}'),
    "deep": http('{"ok":true,"result":' + DEEP),
    "deep and closed": http('{"ok":true,"result":' + DEEP + "]" * 100_000 + "}"),
    "bad encoding": http('{"ok":true,"result":{"id":1}}'.encode("utf-16")),
    "cut": http('{"ok":true,"result":{"id":7}}')[:-9],
    "terminal codes": http(json.dumps({"ok": False, "error_code": 400, "description": HOSTILE}), status="400 Bad Request"),
    "not found": http("nothing here", status="404 Not Found", kind="text/plain"),
    "redirect": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
}  # fmt: skip


@pytest.fixture
def serving():
    servers = []

    def start(answer):
        servers.append(RawServer(answer))
        return servers[-1].port

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_base_url_where_something_else_answers(tmp_path, serving, no_waiting, name):
    home = workspace(tmp_path / "home", serving(ANSWERS[name]))
    rows = json.loads(shequn("doctor", "--home", home, "--json", code=Exit.FAILED).stdout)
    account = next(row for row in rows if row["check"] == "account a")
    assert account["ok"] is False
    assert len(account["detail"]) < 600
    result = CliRunner().invoke(
        app,
        ["publish", "早安", "--to", "a:-1001", "--home", str(home), "--timeout", "5"],
        catch_exceptions=False,
    )
    assert result.exit_code in {0, Exit.FAILED}, result.stderr
    for text in (result.stdout, result.stderr):
        assert TOKEN not in text
        assert "\x1b[31m" not in text
        assert "Traceback" not in text
    listed = json.loads(shequn("deliveries", "--home", home, "--json").stdout)
    assert len(listed) == 1
    assert listed[0]["state"] != "landed"


def test_nobody_at_the_base_url(tmp_path, no_waiting):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = workspace(tmp_path / "home", port)
    result = shequn("doctor", "--home", home, "--json", code=Exit.FAILED)
    assert "check the network and base_url" in result.stdout
    assert TOKEN not in result.stdout + result.stderr


async def test_a_server_that_never_answers_leaves_a_message_unknown_and_a_question_failed(tmp_path, serving):
    home = workspace(tmp_path / "home", serving(lambda _: None))
    async with AsyncShequn.open(home=home, timeout=0.3) as sq:
        with pytest.raises(Unavailable):
            await sq.accounts.adapter("a").check()
        receipts = await sq.publish(Content(text="早安"), to=["a:-1001"], timeout=5)
        assert receipts[0].status == "unknown"


def test_a_wrong_token_is_said_so(tmp_path, serving, no_waiting):
    refused = http('{"ok":false,"error_code":401,"description":"Unauthorized"}', status="401 Unauthorized")
    home = workspace(tmp_path / "home", serving(refused))
    rows = json.loads(shequn("doctor", "--home", home, "--json", code=Exit.FAILED).stdout)
    assert "token" in next(row["detail"] for row in rows if row["check"] == "account a").lower()
    home = workspace(tmp_path / "other", 1, token="not a token")
    result = shequn("doctor", "--home", home, "--json", code=Exit.FAILED)
    assert "does not look like one" in result.stdout
    assert "not a token" not in result.stdout


UPDATES = [
    {"update_id": 1, "weather_report": {"rain": True}},
    {"update_id": 2, "message": {"message_id": 5, "date": 1772409600, "chat": {"id": -1001, "type": "galaxy"}, "hologram": {}}},
    {"update_id": 3, "message": {"message_id": "not a number"}},
    {"update_id": 4, "message": None},
    {"update_id": 5, "message": {"message_id": 6, "date": -5, "chat": {"id": -1001, "type": "supergroup"}, "from": {"id": 9, "is_bot": False, "first_name": "早"}, "text": "from 1969"}},
    {"update_id": 6, "message": {"message_id": 7, "date": 10**18, "chat": {"id": -1001, "type": "supergroup"}, "text": "from afar"}},
    {"update_id": 7, "message": {"message_id": 8, "date": 1772409600, "chat": {"id": -1001, "type": "supergroup"}, "from": {"id": 9, "is_bot": False, "first_name": HOSTILE}, "text": "\x00" + HOSTILE}},
    {"update_id": 8, "message": {"message_id": 9, "date": 1772409600, "chat": {"id": -1001, "type": "supergroup"}, "from": {"id": 9, "is_bot": False, "first_name": "\ud800"}, "text": "lone \ud800"}},
    {"update_id": 9},
    {"no_id": True},
    {"update_id": "nine"},
    7,
    {"update_id": 10, "message": {"message_id": 10, "date": 1772409600, "chat": {"id": -1001, "type": "supergroup"}, "from": {"id": 9, "is_bot": False, "first_name": "林"}, "text": "good"}},
]  # fmt: skip


class Telegram:
    """Serves a list of updates once, and whoever is asked for."""

    def __init__(self, updates):
        self.updates = updates
        self.offsets = []

    def __call__(self, request):
        method = request.split(b" ")[1].rsplit(b"/", 1)[-1].split(b"?")[0]
        if method == b"getMe":
            return http(
                '{"ok":true,"result":{"id":7000000009,"is_bot":true,"first_name":"b","username":"b"}}'
            )
        if method == b"getUpdates":
            served, self.updates = self.updates, []
            return http(json.dumps({"ok": True, "result": served}))
        return http('{"ok":true,"result":true}')


async def test_updates_of_no_known_kind_are_counted_and_the_source_goes_on(tmp_path, serving):
    home = workspace(
        tmp_path / "home", serving(Telegram(UPDATES)), options="[accounts.a.options]\npoll_timeout = 0\n"
    )
    async with AsyncShequn.open(home=home) as sq:
        while await sq.poll_once():
            await sq.process()
        await sq.collect()
        texts = await sq.metrics.compute("activity.interactions", community="club", grain="total")
        assert sum(point.value for point in texts.points) >= 2
        stats = await (await sq._workspace.inbox()).stats()
        assert stats.unknown
        for path in (await sq.report(community="club")).write(
            home / "reports", formats={"html", "csv", "md"}
        ):
            text = path.read_text(encoding="utf-8")
            assert "</script><img" not in text, path
            assert "\x1b" not in text, path
    for command in (["metrics", "kol.pagerank"], ["metrics", "activity.heatmap"]):
        shown = await anyio.to_thread.run_sync(
            lambda command=command: shequn(*command, "--home", home).stdout
        )
        assert "\x1b" not in shown
        assert "\u202e" not in shown


# ── stores ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def filled(tmp_path, serving, no_waiting):
    """A workspace with all three files, closed in order."""
    landed = http(
        '{"ok":true,"result":{"message_id":5,"date":1772409600,"chat":{"id":-1001,"type":"supergroup"}}}'
    )
    home = workspace(tmp_path / "home", serving(landed))
    log = tmp_path / "log.txt"
    log.write_text("".join(f"{n % 40} {n % 7} {1082040961 + n * 60}\n" for n in range(3000)))
    shequn("import", "edges", log, "--community", "club", "--home", home)
    shequn("publish", "早安", "--to", "a:-1001", "--home", home)
    shequn("doctor", "--home", home)
    return home


@pytest.mark.parametrize("name", ["store.db", "inbox.db", "events.duckdb"])
@pytest.mark.parametrize("where", ["head", "first page", "middle", "everywhere", "cut", "emptied"])
def test_a_damaged_store_is_named_and_not_made_worse(filled, name, where):
    path = filled / name
    data = bytearray(path.read_bytes())
    spans = {"head": (0, 64), "first page": (100, 4096), "middle": (len(data) // 2, len(data) // 2 + 8192), "everywhere": (0, len(data))}  # fmt: skip
    if where in spans:
        start, end = spans[where]
        data[start:end] = b"\xa5" * (min(end, len(data)) - start)
    else:
        data = data[: len(data) // 2 if where == "cut" else 0]
    path.write_bytes(data)
    for suffix in ("-wal", "-shm", ".wal"):
        path.with_name(name + suffix).unlink(missing_ok=True)
    for command in (
        ["doctor"],
        ["deliveries"],
        ["publish", "again", "--to", "a:-1001"],
        ["metrics", "active_members.dau"],
        ["report", "--formats", "md"],
    ):
        result = CliRunner().invoke(app, [*command, "--home", str(filled)], catch_exceptions=False)
        assert result.exit_code in {Exit.OK, Exit.FAILED, Exit.USAGE}, (command, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
    if where in {"head", "everywhere"}:
        assert bytes(data[:4000]) == path.read_bytes()[:4000], "what is damaged was overwritten"


# ── webhooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

BODIES = {
    "empty": b"",
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"update_id":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "large": b"x" * (2 << 20),
    "no text": bytes(range(256)),
    "utf-16": '{"update_id":1}'.encode("utf-16"),
    "half a character": b'{"update_id":1,"x":"\\ud800"}',
    "null": b"null",
    "number": b"1e400",
    "bomb": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><xml><Encrypt>&j;</Encrypt></xml>",
    "a file of this machine": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Encrypt>&a;</Encrypt></xml>',
    "deep elements": b"<xml>" + b"<a>" * 100_000,
    "deep elements, closed": b"<xml>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</xml>",
}


@pytest.fixture
async def four(tmp_path):
    """A workspace with an account on each platform's sandbox that takes webhooks, and its application."""
    plugins = load_plugins()
    names = [name for name, spec in plugins.platforms.items() if name in plugins.sandboxes]
    async with SandboxServer([plugins.sandbox(name) for name in names]) as server:
        accounts = [server.account(name, name=name) for name in names]
        async with AsyncShequn.open(home=tmp_path / "home", accounts=accounts, plugins=plugins) as sq:
            hooked = [n for n in names if sq.accounts.manifest(n).supports(Capability.WEBHOOK)]
            inbox = await sq._workspace.inbox()
            yield sq, hooked, webhook_app(sq.accounts, inbox, clock=sq._workspace.clock), inbox


async def test_webhooks_refuse_what_is_forged_and_survive_what_is_malformed(four, caplog):
    sq, hooked, application, inbox = four
    assert {"telegram", "discord", "wecom"} <= set(hooked)
    now = str(int(sq._workspace.clock.now().timestamp()))
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        for account in hooked:
            secrets = sq._workspace.settings.accounts[
                [a.name for a in sq._workspace.settings.accounts].index(account)
            ]
            known = {"x-telegram-bot-api-secret-token": secrets.secret("webhook_secret") or ""}
            for headers in ({}, known, {"x-signature-ed25519": "zz", "x-signature-timestamp": now}):
                for query in (
                    "",
                    f"?msg_signature=0&timestamp={now}&nonce=1",
                    "?signature=%00&timestamp=9e9&nonce=é",
                ):
                    for name, body in BODIES.items():
                        answer = await client.post(f"/hooks/{account}{query}", content=body, headers=headers)
                        allowed = {400, 401, 413} | (
                            {200} if headers is known and account == "telegram" else set()
                        )
                        assert answer.status_code in allowed, (
                            account,
                            query,
                            name,
                            answer.text,
                            caplog.text[-3000:],
                        )
            counts = application.counts[account]
            assert counts.failed == 0
            assert counts.not_verified + counts.bad > 0
            assert counts.too_large > 0
        assert (await client.put("/hooks/telegram", content=b"")).status_code == 405
        assert (await client.post("/hooks/nobody", content=b"")).status_code == 404
        assert (await client.post("/hooks/telegram/../../etc", content=b"")).status_code == 404
    await sq.process()
    assert (await inbox.stats()).events <= 3


@pytest.mark.parametrize("name", BODIES)
async def test_no_adapter_breaks_on_a_stored_event_that_cannot_be_read(four, name):
    sq, hooked, _, _ = four
    for account in hooked:
        adapter = sq.accounts.adapter(account)
        raw = RawEvent(event_id="x", payload=BODIES[name], headers={})
        try:
            parsed = adapter.parse(raw)
        except ShequnError:
            continue
        assert not parsed.known or not parsed.interactions, account


# ── other processes, no room, no rights ───────────────────────────────────────────────────────────────────────────────

HOLD = """
import sys, time
from pathlib import Path
from shequn_sdk.metrics.store.turns import Turn
turn = Turn(Path(sys.argv[1]))
turn.take(purpose="a long import", timeout=5)
print("held", flush=True)
time.sleep(600)
"""


def lock_of(home):
    found = [path for path in home.glob("events.duckdb*") if path.name.endswith(("lock", "turn"))]
    assert len(found) == 1, sorted(home.iterdir())
    return found[0]


def test_a_store_that_another_process_holds_is_busy_until_that_process_dies(filled, monkeypatch):
    monkeypatch.setattr("shequn_sdk.metrics.store.turns.Turn._wait", short_wait(Turn._wait))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock_of(filled))], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        before = (filled / "events.duckdb").read_bytes()
        result = shequn("metrics", "active_members.dau", "--home", filled, code=Exit.BUSY)
        assert "a long import" in words(result)
        assert str(holder.pid) in words(result)
        assert (filled / "events.duckdb").read_bytes() == before
        holder.kill()
    assert json.loads(shequn("metrics", "active_members.dau", "--home", filled, "--json").stdout)["points"]


def short_wait(real):
    def wait(self, descriptor, deadline, timeout):
        return real(self, descriptor, deadline - timeout + min(timeout, 0.3), timeout)

    return wait


def test_a_foreign_program_that_has_the_event_store_open_is_named(filled, monkeypatch):
    script = "import duckdb, sys, time; db = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(filled / "events.duckdb")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        result = CliRunner().invoke(
            app, ["metrics", "active_members.dau", "--home", str(filled)], catch_exceptions=False
        )
        holder.kill()
    assert result.exit_code == Exit.BUSY, result.stderr
    assert "events.duckdb" in result.stderr
    shequn("metrics", "active_members.dau", "--home", filled)


LIMITED = """
import resource, signal, sys
sys.dont_write_bytecode = True  # Python itself leaves halves of it, which all others would read
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from shequn_sdk.cli import main
main()
"""


def limited(size, *arguments):
    command = [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert "Traceback" not in done.stderr, (arguments, done.stderr)
    return done


@pytest.mark.parametrize(
    "room", [3_000, *(pytest.param(room, marks=pytest.mark.slow) for room in (0, 70_000, 300_000, 900_000))]
)
def test_no_room_on_the_disk_is_said_and_nothing_is_half_written(tmp_path, room):
    home = tmp_path / "home"
    log = tmp_path / "log.txt"
    log.write_text("".join(f"{n % 900} {n % 7} {1082040961 + n * 60}\n" for n in range(8_000)))
    refused = 0
    for arguments in (
        ["init", "--home", home],
        ["import", "edges", log, "--home", home, "--community", "main"],
        ["report", "--home", home, "--formats", "html,md,csv"],
        ["deliveries", "export", home / "ledger.csv", "--home", home],
    ):
        done = limited(room, *arguments)
        assert done.returncode in {0, Exit.FAILED, Exit.USAGE}, (arguments, done.stderr)
        refused += done.returncode == Exit.FAILED
    assert refused
    assert not list(home.glob("reports/*.html")) or (
        home / "reports/report.html"
    ).read_text().rstrip().endswith("</html>")
    if not (home / "shequn.toml").exists():
        shequn("init", "--home", home)
    first = imported(home, "edges", log, "--community", "main")
    assert first["added"] + first["duplicates"] <= 8_000
    total = json.loads(
        shequn("metrics", "activity.interactions", "--grain", "total", "--home", home, "--json").stdout
    )
    assert sum(point["value"] for point in total["points"]) == 8_000
    shequn("deliveries", "--home", home)


@pytest.mark.skipif(sys.platform == "win32", reason="rights of files are POSIX's")
@pytest.mark.parametrize("locked", ["the home", "the files"])
def test_a_home_that_may_not_be_written(filled, locked):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    paths = [filled] if locked == "the home" else [path for path in filled.iterdir() if path.is_file()]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        for command in (
            ["doctor"],
            ["publish", "x", "--to", "a:-1001"],
            ["metrics", "active_members.dau"],
            ["report"],
            ["import", "edges", str(filled / "shequn.toml")],
        ):
            result = CliRunner().invoke(app, [*command, "--home", str(filled)], catch_exceptions=False)
            assert "Traceback" not in result.stderr
            assert result.exit_code in {Exit.OK, Exit.FAILED, Exit.USAGE}
    finally:
        for path in (filled, *filled.rglob("*")):  # SQLite gives the files beside its own the same rights
            path.chmod(0o700)
    shequn("doctor", "--home", filled)


# ── secrets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_secret_is_in_logs_stores_or_reports(tmp_path, caplog, capfd, no_waiting):
    caplog.set_level(logging.DEBUG)
    plugins = load_plugins()
    names = [name for name, spec in plugins.platforms.items() if name in plugins.sandboxes]
    async with SandboxServer([plugins.sandbox(name) for name in names]) as server:
        accounts = [server.account(name, name=name) for name in names]
        for mode, more in server.describe()["wecom"]["accounts"].items():
            accounts.append(
                Account(
                    name=f"wecom_{mode}",
                    platform="wecom",
                    base_url=more["base_url"],
                    secrets=more["secrets"],
                    options=more["options"],
                )
            )
        places = {
            account.name: server.describe()["wecom"]["accounts"][account.name[6:]]["channels"][0]
            if account.name.startswith("wecom_")
            else server.describe()[account.platform]["channels"][0]
            for account in accounts
        }
        wrong = [
            account.model_copy(
                update={
                    "name": f"wrong_{account.name}",
                    "secrets": {
                        key: SecretStr(value.get_secret_value()[:-4] + "abcd")
                        for key, value in account.secrets.items()
                    },
                }
            )
            for account in accounts
        ]
        secrets = {
            part
            for account in (*accounts, *wrong)
            for value in account.secrets.values()
            for part in (value.get_secret_value(), value.get_secret_value().partition(":")[2])
            if len(part) > 6
        }
        shown = []
        async with AsyncShequn.open(home=tmp_path, accounts=[*accounts, *wrong], plugins=plugins) as sq:
            for account in (*accounts, *wrong):
                adapter = sq.accounts.adapter(account.name)
                shown += [repr(account), repr(adapter), str(account)]
                try:
                    shown.append(await adapter.check())
                except ShequnError as error:
                    shown.append("".join(traceback.format_exception(error)))
            landed = 0
            for name, place in places.items():
                for receipt in await sq.publish(
                    Content(text="早安 https://club.example.com/1"),
                    to=[f"{name}:{place}", f"wrong_{name}:{place}"],
                    timeout=1,
                ):
                    landed += receipt.landed
                    shown.append(repr(receipt))
            assert landed >= 4
            with contextlib.suppress(ShequnError):
                await sq.poll_once()
            await sq.process()
            await sq.collect()
    said = capfd.readouterr()
    # the local server's own records show what it was sent; a real platform's are not ours
    records = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    texts = {"log": caplog.text, "records": "".join(repr(vars(record)) for record in records)}
    texts |= {"stdout": said.out, "stderr": said.err, "shown": "\n".join(shown)}
    for path in tmp_path.rglob("*"):
        if path.is_file():
            texts[path.name] = path.read_bytes().decode("latin-1")
    for where, text in texts.items():
        for secret in secrets:
            assert secret not in text, (where, text[max(0, text.index(secret) - 300) : text.index(secret)])
        for token in re.findall(r"access_token=([\w.%-]+)", text):
            assert set(token) == {"*"}, where


# ── terminals and pipes ───────────────────────────────────────────────────────────────────────────────────────────────


def start(*arguments, **options):
    command = [sys.executable, "-m", "shequn_sdk.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_reader_that_goes_away_early_is_no_error():
    with start("plugins", "--capabilities", "--json") as running:
        assert running.stdout.readline() == "[\n"
        running.stdout.close()
        errors = running.stderr.read()
        assert running.wait(timeout=300) == 0
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


@pytest.mark.parametrize("command", [["sandbox", "telegram"], ["worker"]])
def test_ctrl_c_ends_quietly(tmp_path, command):
    # a run in the background of a shell ignores Ctrl-C, and what it starts would too
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with start(*command, *(["--home", tmp_path] if command == ["worker"] else []), **heeds) as running:
        stream = running.stdout if command[0] == "sandbox" else running.stderr
        assert stream.readline()
        running.send_signal(signal.SIGINT)
        out, errors = running.communicate(timeout=300)
    assert running.returncode in {0, Exit.INTERRUPTED}
    assert "Traceback" not in out + errors


def test_hostile_names_do_not_reach_the_terminal(tmp_path):
    log = tmp_path / "names.csv"
    names = [
        HOSTILE,
        "=cmd|'/C calc'!A0",
        "@SUM(1+1)",
        "a\tb",
        "[bold red]markup[/]",
        "[/nothing]",
        "\u2066x\u2069",
    ]
    with log.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "member", "member_name", "text", "target"])
        for number, name in enumerate(names * 3):
            rows.writerow(
                [
                    1772409600 + number * 60,
                    f"m{number % len(names)}",
                    name,
                    name,
                    f"m{(number + 1) % len(names)}",
                ]
            )
    home = tmp_path / "home"
    imported(home, "csv", log)
    shown = shequn("metrics", "kol.pagerank", "--home", home).stdout
    assert not set("\x1b\u202e\u2066\u2069") & set(shown)
    assert "[bold red]markup[/]" in shown.replace("\n", "")
    shequn("report", "--home", home, "--formats", "html,csv,md")
    page = (home / "reports/report.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    for path in (home / "reports").rglob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file):
                assert not [cell for cell in row if cell.startswith(("=", "@", "+", "\t", "\r"))], path
