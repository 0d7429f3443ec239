"""`shequn run`: it serves health and webhooks, takes what comes, and ends in order on SIGTERM."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import anyio
import anyio.to_thread
import pytest

from shequn_sdk import AsyncShequn
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.api import Person
from shequn_sdk.testing.sandbox.server import SandboxServer


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


@pytest.fixture
async def place():
    async with SandboxServer([load_plugins(only=["telegram"]).sandbox("telegram")]) as server:
        yield server


async def test_a_run_serves_listens_and_stops_in_order(tmp_path, monkeypatch, place, free_port):
    sandbox = place["telegram"]
    channel = sandbox.create_channel("健康养生社")
    account = place.account("telegram", name="bot")
    (tmp_path / "shequn.toml").write_text(
        f'[communities.health]\nchannels = ["bot:{channel}"]\n[accounts.bot]\nplatform = "telegram"\n'
        f'base_url = "{account.base_url}"\n[accounts.bot.options]\npoll_timeout = 1\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("SHEQUN_BOT_TOKEN", account.secret("token"))
    command = [
        sys.executable,
        "-m",
        "shequn_sdk.cli",
        "run",
        "--home",
        str(tmp_path),
        "--port",
        str(free_port),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            base = f"http://127.0.0.1:{free_port}"
            with anyio.fail_after(300):
                while (await anyio.to_thread.run_sync(fetch, f"{base}/healthz"))[0] != 200:
                    assert running.poll() is None, running.stderr.read()
                    await anyio.sleep(0.2)
                status, body = await anyio.to_thread.run_sync(fetch, f"{base}/readyz")
                assert (status, json.loads(body)) == (200, {"ok": True, "problems": {}})
                assert (await anyio.to_thread.run_sync(fetch, f"{base}/hooks/nobody"))[0] == 404
                sandbox.join(channel, Person(id="lin", name="林小满"))
                sandbox.say(channel, Person(id="lin", name="林小满"), "早安")
                numbers = b""
                while b'shequn_source_events_total{account="bot"} ' not in numbers:
                    status, numbers = await anyio.to_thread.run_sync(fetch, f"{base}/metrics")
                    assert status == 200
                    await anyio.sleep(0.2)
                assert b'shequn_deliveries{state="landed"} 0.0' in numbers
                assert account.secret("token").encode() not in numbers
                # a report beside the running process simply works
                async with AsyncShequn.open(home=tmp_path) as sq:
                    while not (  # noqa: ASYNC110 - another process fills it
                        await sq.metrics.compute("activity.interactions", community="health", grain="total")
                    ).points:
                        await anyio.sleep(0.2)
        finally:
            running.send_signal(signal.SIGTERM)
            with anyio.fail_after(300):
                errors = await anyio.to_thread.run_sync(running.communicate)
        assert running.returncode == 0, errors
        assert "Traceback" not in errors[1]


async def test_an_address_that_is_taken_is_a_clear_error(tmp_path):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        command = [
            sys.executable,
            "-m",
            "shequn_sdk.cli",
            "run",
            "--home",
            str(tmp_path),
            "--port",
            str(sock.getsockname()[1]),
        ]
        done = await anyio.to_thread.run_sync(
            lambda: subprocess.run(command, capture_output=True, text=True, timeout=600)
        )
    assert done.returncode == 2
    assert "choose another --port" in done.stderr
    assert "Traceback" not in done.stderr
