"""A local server that answers like Telegram, Discord and a WeCom robot, and refuses whatever is over the limits.

It runs in a process of its own and counts requests when they arrive. `GET /_stats` gives what it saw.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs
from urllib.request import urlopen

Answer = tuple[int, dict[str, str], dict[str, Any]]


class Sliding:
    """At most `amount` in any stretch of `per` seconds."""

    def __init__(self, amount: int, per: float) -> None:
        self.amount, self.per = amount, per
        self.seen: deque[float] = deque()

    def wait(self, now: float) -> float:
        while self.seen and self.seen[0] <= now - self.per:
            self.seen.popleft()
        return self.seen[0] + self.per - now if len(self.seen) >= self.amount else 0.0

    def take(self, now: float) -> None:
        self.seen.append(now)


class Leaky:
    """A bucket of `burst` tokens, refilled evenly with `amount` per `per` seconds."""

    def __init__(self, amount: int, per: float, burst: int) -> None:
        self.rate, self.burst = amount / per, burst
        self.tokens, self.at = float(burst), 0.0

    def wait(self, now: float) -> float:
        self.tokens = min(self.tokens + (now - self.at) * self.rate, float(self.burst))
        self.at = now
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.rate

    def take(self, now: float) -> None:
        self.tokens -= 1


class Fixed:
    """Windows of `per` seconds from their first request, `amount` in each."""

    def __init__(self, amount: int, per: float) -> None:
        self.amount, self.per = amount, per
        self.left, self.reset = amount, 0.0

    def wait(self, now: float) -> float:
        if now >= self.reset:
            self.left, self.reset = self.amount, now + self.per
        return 0.0 if self.left else self.reset - now

    def take(self, now: float) -> None:
        self.left -= 1


class Rules:
    """The limits of one run."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.channels: dict[str, list[Any]] = defaultdict(self._channel)
        self.shared: list[Any] = []
        self.refusals: list[tuple[float, str, float, str]] = []
        if mode == "telegram-leaky":
            self.shared = [Leaky(30, 1.0, 30)]
        elif mode in {"telegram-strict", "telegram-no-burst"}:
            self.shared = [Sliding(30, 1.0)]
        elif mode.startswith("discord"):
            self.shared = [Sliding(50, 1.0)]

    def _channel(self) -> list[Any]:
        match self.mode:
            case "telegram-leaky" | "telegram-strict":
                return [Leaky(1, 1.0, 3), Sliding(20, 60.0)]
            case "telegram-no-burst":
                return [Sliding(1, 1.0), Sliding(20, 60.0)]
            case "discord-leaky":
                return [Leaky(5, 5.0, 5)]
            case "discord-fixed":
                return [Fixed(5, 5.0)]
            case "wecom":
                return [Sliding(20, 60.0)]
            case _:
                return []

    def ask(self, channel: str, now: float, *, private: bool = False) -> float:
        limits = [*self.shared, *(self.channels[channel][:1] if private else self.channels[channel])]
        wait, which = max(
            ((limit.wait(now), str(number)) for number, limit in enumerate(limits)), default=(0.0, "")
        )
        if wait > 0:
            self.refusals.append((now, which, wait, channel))
        if wait <= 0:
            for limit in limits:
                limit.take(now)
        return wait


class Platform:
    """Reads a request and answers it."""

    def __init__(self, mode: str) -> None:
        self.rules = Rules(mode)
        self.accepted = self.refused = 0
        self.first = self.last = 0.0

    def answer(self, target: str, kind: str, body: bytes) -> Answer:
        path, _, query = target.partition("?")
        if path == "/_stats":
            return (
                200,
                {},
                {
                    "accepted": self.accepted,
                    "refused": self.refused,
                    "span": self.last - self.first,
                    "why": [
                        (round(t - self.first, 3), w, round(d, 4), c) for t, w, d, c in self.rules.refusals
                    ],
                },
            )
        if path.startswith("/bot"):
            return self._telegram(path.rpartition("/")[2], kind, body)
        if "/channels/" in path and path.endswith("/messages"):
            return self._discord(path.split("/")[-2])
        if path.endswith("/webhook/send"):
            return self._wecom(query)
        if path.endswith("/users/@me"):
            user = {
                "id": "1",
                "username": "bot",
                "discriminator": "0",
                "bot": True,
                "avatar": None,
                "flags": 0,
            }
            return (
                200,
                {},
                {**user, "mfa_enabled": False, "global_name": None, "verified": True, "locale": "en"},
            )
        if path.endswith("/applications/@me"):
            owner = {
                "id": "2",
                "username": "owner",
                "discriminator": "0",
                "avatar": None,
                "global_name": None,
            }
            about = {
                "id": "1",
                "name": "bot",
                "description": "",
                "icon": None,
                "rpc_origins": None,
                "flags": 0,
            }
            rest = {
                "bot_public": True,
                "bot_require_code_grant": False,
                "owner": owner,
                "verify_key": "0" * 64,
            }
            return 200, {}, about | rest
        return 200, {}, {}

    def _count(self, channel: str, *, private: bool = False) -> float:
        now = time.monotonic()
        wait = self.rules.ask(channel, now, private=private)
        if wait > 0:
            self.refused += 1
        else:
            self.accepted += 1
            self.first = self.first or now
            self.last = now
        return wait

    def _telegram(self, method: str, kind: str, body: bytes) -> Answer:
        if method.lower() != "sendmessage":
            return (
                200,
                {},
                {"ok": True, "result": {"id": 123456, "is_bot": True, "first_name": "b", "username": "b"}},
            )
        fields = _fields(kind, body)
        chat = int(fields["chat_id"])
        wait = self._count(str(chat), private=chat > 0)
        if wait > 0:
            seconds = int(wait) + 1
            text = f"Too Many Requests: retry after {seconds}"
            return (
                429,
                {},
                {"ok": False, "error_code": 429, "description": text, "parameters": {"retry_after": seconds}},
            )
        where: dict[str, Any] = {"id": chat, "type": "private", "first_name": "m"}
        if chat < 0:
            where = {"id": chat, "type": "supergroup", "title": "t"}
        message = {
            "message_id": self.accepted,
            "date": int(time.time()),
            "chat": where,
            "text": fields["text"],
        }
        message["from"] = {"id": 123456, "is_bot": True, "first_name": "b", "username": "b"}
        return 200, {}, {"ok": True, "result": message}

    def _discord(self, channel: str) -> Answer:
        wait = self._count(channel)
        bucket = next(iter(self.rules.channels[channel]), None)
        now = time.monotonic()
        headers: dict[str, str] = {}
        if bucket is not None:
            leaky = isinstance(bucket, Leaky)
            left = bucket.tokens if leaky else bucket.left
            after = (bucket.burst - bucket.tokens) / bucket.rate if leaky else bucket.reset - now
            headers = {
                "X-RateLimit-Bucket": "80c17d2f203122d936070c88c8d10f33",
                "X-RateLimit-Limit": "5",
                "X-RateLimit-Remaining": str(int(left)),
                "X-RateLimit-Reset": f"{time.time() + after:.3f}",
                "X-RateLimit-Reset-After": f"{after:.3f}",
            }
        if wait > 0:
            headers |= {"X-RateLimit-Scope": "user", "Retry-After": str(int(wait) + 1), "Via": "1.1 google"}
            return (
                429,
                headers,
                {"message": "You are being rate limited.", "retry_after": wait, "global": False},
            )
        author = {
            "id": "1",
            "username": "bot",
            "discriminator": "0",
            "avatar": None,
            "bot": True,
            "global_name": None,
        }
        return 200, headers, {
            "id": str(10**17 + self.accepted), "channel_id": channel, "author": author, "content": "hello", "type": 0,
            "timestamp": "2026-11-21T00:00:00.000000+00:00", "edited_timestamp": None, "tts": False,
            "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
            "pinned": False, "flags": 0, "components": [],
        }  # fmt: skip

    def _wecom(self, query: str) -> Answer:
        if self._count(parse_qs(query)["key"][0]) > 0:
            return 200, {}, {"errcode": 45009, "errmsg": "api freq out of limit"}
        return 200, {}, {"errcode": 0, "errmsg": "ok"}


def _fields(kind: str, body: bytes) -> dict[str, Any]:
    if kind.startswith("application/json"):
        return json.loads(body)
    if kind.startswith("multipart/"):
        boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
        fields: dict[str, Any] = {}
        for part in body.split(boundary)[1:-1]:
            head, _, value = part.partition(b"\r\n\r\n")
            fields[head.partition(b'name="')[2].partition(b'"')[0].decode()] = value.removesuffix(
                b"\r\n"
            ).decode()
        return fields
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


class Connected(asyncio.Protocol):
    """HTTP/1.1, as little of it as clients need."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
            }
            if headers.get("transfer-encoding") == "chunked":
                close = self.buffer.find(b"0\r\n\r\n", end)
                if close < 0:
                    return
                body, rest = self.buffer[end + 4 : close], close + 5
                body = b"".join(body.split(b"\r\n")[1::2])
            else:
                rest = end + 4 + int(headers.get("content-length", 0))
                if len(self.buffer) < rest:
                    return
                body = self.buffer[end + 4 : rest]
            self.buffer = self.buffer[rest:]
            target = lines[0].split(" ")[1]
            status, extra, document = self.platform.answer(target, headers.get("content-type", ""), body)
            text = json.dumps(document).encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in extra.items())
            self.transport.write(head.encode() + b"\r\n" + text)


def _serve(mode: str, tell: Connection) -> None:
    async def main() -> None:
        platform = Platform(mode)
        server = await asyncio.get_running_loop().create_server(lambda: Connected(platform), "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


class Server:
    """The server's address and what it saw."""

    def __init__(self, url: str) -> None:
        self.url = url

    def stats(self) -> dict[str, Any]:
        with urlopen(f"{self.url}/_stats", timeout=10) as answer:
            return json.loads(answer.read())


@contextmanager
def serving(mode: str = "none") -> Iterator[Server]:
    """Run a server with the limits of `mode` in another process."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(mode, there), daemon=True)
    process.start()
    try:
        yield Server(f"http://127.0.0.1:{here.recv()}")
    finally:
        process.terminate()
        process.join()
