"""A platform as a separate process sees it: a small HTTP server that remembers every request, and a worker to kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).parent / "worker.py"


class WallServer:
    """Takes posts; can be told to reset connections before or after a post landed, to answer 429, or to be slow."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.landed: list[tuple[str, str, str]] = []
        """Channel, text and key."""
        self.requests: list[tuple[str, str]] = []
        self.faults: dict[str, list[str]] = {}
        self.native_key = False
        self.delay = 0.0
        self.busy = 0
        """Posts that came and did not land yet."""
        wall = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                wall.serve(self, self.path, body)

            def answer(self, status: int, value: Any) -> None:
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def drop(self) -> None:
                self.close_connection = True
                self.connection.close()

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128  # a refused connection would be a fault that nobody asked for

            def handle_error(self, *_: Any) -> None: ...

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    def serve(self, handler: Any, path: str, body: dict[str, str]) -> None:
        if path == "/find":
            deadline = time.monotonic() + 30
            while self.busy and time.monotonic() < deadline:  # of a slow machine, not of the platform's
                time.sleep(0.01)
            with self.lock:
                for number, (channel, _, key) in enumerate(self.landed):
                    if channel == body["channel"] and key == body["key"]:
                        return handler.answer(200, {"id": str(number + 1)})
            return handler.answer(200, {"id": None})
        with self.lock:
            self.busy += 1
        try:
            return self.post(handler, body)
        finally:
            with self.lock:
                self.busy -= 1

    def post(self, handler: Any, body: dict[str, str]) -> None:
        channel, key = body["channel"], body["key"]
        with self.lock:
            self.requests.append((channel, key))
            waiting = self.faults.get(body["text"]) or []
            fault = waiting.pop(0) if waiting else ""
        if self.delay:
            time.sleep(self.delay)
        if fault == "429":
            return handler.answer(429, {"retry_after": 0.05})
        if fault == "refuse":
            return handler.answer(400, {"error": "no"})
        if fault == "reset_before":
            return handler.drop()
        with self.lock:
            known = [number for number, one in enumerate(self.landed) if one[2] == key]
            if not (self.native_key and known):
                self.landed.append((channel, body["text"], key))
                known = [len(self.landed) - 1]
        if fault == "reset_after":
            return handler.drop()
        if fault == "nonsense":
            return handler.answer(200, ["?"])
        return handler.answer(200, {"id": str(known[-1] + 1)})

    def copies(self) -> Counter[tuple[str, str]]:
        """How often each text stands in each channel."""
        with self.lock:
            return Counter((channel, text) for channel, text, _ in self.landed)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Workers:
    """Worker processes of one test."""

    def __init__(self, store: Path, url: str) -> None:
        self.store, self.url = store, url
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, **settings: Any) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SHEQUN_TEST_")}
        environment.update({f"SHEQUN_TEST_{key.upper()}": str(value) for key, value in settings.items()})
        process = subprocess.Popen(
            [sys.executable, str(WORKER), str(self.store), self.url],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.running.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], how: int = signal.SIGKILL) -> None:
        process.send_signal(how)
        process.wait(300)
        if process.stdout is not None:
            process.stdout.close()
        if process in self.running:
            self.running.remove(process)


@pytest.fixture
def wall() -> Any:
    server = WallServer()
    yield server
    server.close()


@pytest.fixture
def workers(tmp_path: Path, wall: WallServer) -> Any:
    made = Workers(tmp_path / "store.db", wall.url)
    yield made
    for process in list(made.running):
        made.end(process)
