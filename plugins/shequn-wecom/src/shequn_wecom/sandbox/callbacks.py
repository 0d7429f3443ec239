"""Callbacks of the local WeChat Work: signed, encrypted, tried three times, each time with a new nonce."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shequn_sdk.errors import ConfigError, ShequnError
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient
from shequn_sdk.testing.sandbox import FaultKind, SandboxContext
from shequn_wecom.crypto import CallbackCrypto
from shequn_wecom.sandbox.furniture import AGENT
from shequn_wecom.sandbox.state import World

__all__ = ["CallbackSender", "xml_of"]

TRIES = 3
_KEPT = 10_000

Fields = dict[str, "str | int | list[str] | Fields"]


@dataclass(slots=True)
class _Outgoing:
    plain: str
    late: float = 0.0
    twice: bool = False


def xml_of(fields: Fields) -> str:
    """Write fields as WeCom does: text in CDATA, numbers bare, lists as items."""

    def one(name: str, value: str | int | list[str] | Fields) -> str:
        if isinstance(value, int):
            return f"<{name}>{value}</{name}>"
        if isinstance(value, list):
            items = "".join(f"<Item><![CDATA[{item}]]></Item>" for item in value)
            return f"<{name}>{items}</{name}>"
        if isinstance(value, dict):
            return f"<{name}>{''.join(one(key, inner) for key, inner in value.items())}</{name}>"
        body = f"<![CDATA[{value}]]>" if "]]>" not in value else escape(value)
        return f"<{name}>{body}</{name}>"

    return "<xml>" + "".join(one(name, value) for name, value in fields.items()) + "</xml>"


class CallbackSender:
    """Sends what happens to one address."""

    def __init__(self, context: SandboxContext, world: World, *, token: str, encoding_aes_key: str) -> None:
        self.url = str(context.options.get("callback_url", ""))
        """Where callbacks go; "" keeps them in `waiting`."""
        self.waiting: deque[str] = deque(maxlen=_KEPT)
        """Decrypted callbacks that had no address to go to."""
        self.failed: list[str] = []
        """Decrypted callbacks that were given up after three tries."""
        self.delivered = 0
        self._context = context
        self._world = world
        self._token = token
        self._aes_key = encoding_aes_key
        self._queue: asyncio.Queue[_Outgoing] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()

    @property
    def _crypto(self) -> CallbackCrypto:
        return CallbackCrypto(
            token=self._token, encoding_aes_key=self._aes_key, receive_id=self._world.corp_id
        )

    def event(self, fields: Fields) -> None:
        """Tell what happened, in its own time; the common fields are added."""
        head: Fields = {
            "ToUserName": self._world.corp_id,
            "FromUserName": "sys",
            "CreateTime": self._world.stamp(),
            "MsgType": "event",
        }
        self.send(xml_of({**head, **fields}))

    def send(self, plain: str) -> None:
        """Queue one callback."""
        if not self.url:
            self.waiting.append(plain)
            return
        fault = self._context.faults.for_event("wecom")
        outgoing = _Outgoing(plain)
        if fault is not None and fault.kind is FaultKind.DUPLICATE_EVENT:
            outgoing.twice = True
        elif fault is not None and fault.kind is FaultKind.LATE_EVENT:
            outgoing.late = fault.delay or 1.0
        self._queue.put_nowait(outgoing)

    def start(self) -> None:
        """Begin sending."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="wecom-sandbox-callbacks")

    async def stop(self) -> None:
        """End sending; what is queued is dropped."""
        tasks = [task for task in (self._task, *self._late) if task is not None]
        self._task = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def drain(self) -> None:
        """Wait until everything that is not late was sent."""
        await self._queue.join()

    async def _run(self) -> None:
        while True:
            outgoing = await self._queue.get()
            try:
                if outgoing.late:
                    task = asyncio.create_task(self._send_late(outgoing))
                    self._late.add(task)
                    task.add_done_callback(self._late.discard)
                else:
                    await self._deliver(outgoing.plain)
                    if outgoing.twice:
                        await self._deliver(outgoing.plain)
            finally:
                self._queue.task_done()

    async def _send_late(self, outgoing: _Outgoing) -> None:
        await self._context.clock.sleep(outgoing.late)
        await self._deliver(outgoing.plain)

    def envelope(self, plain: str) -> tuple[str, bytes]:
        """Give query and body of one try: fresh nonce, fresh cipher text."""
        crypto = self._crypto
        random16 = self._world.rng.randbytes(16)
        encrypted = crypto.encrypt(plain.encode(), random16=random16)
        timestamp, nonce = str(self._world.stamp()), str(self._world.rng.randrange(10**9, 10**10))
        query = urlencode(
            {
                "msg_signature": crypto.sign(timestamp, nonce, encrypted),
                "timestamp": timestamp,
                "nonce": nonce,
            }
        )
        body = (
            f"<xml><ToUserName><![CDATA[{self._world.corp_id}]]></ToUserName>"
            f"<AgentID><![CDATA[{AGENT}]]></AgentID>"
            f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        )
        return query, body.encode()

    def check_query(self, echo: str) -> str:
        """Give the query of the check of an address, which must answer `echo`."""
        crypto = self._crypto
        encrypted = crypto.encrypt(echo.encode(), random16=self._world.rng.randbytes(16))
        timestamp, nonce = str(self._world.stamp()), str(self._world.rng.randrange(10**9, 10**10))
        return urlencode(
            {
                "msg_signature": crypto.sign(timestamp, nonce, encrypted),
                "timestamp": timestamp,
                "nonce": nonce,
                "echostr": encrypted,
            }
        )

    async def register(self, url: str) -> bool:
        """Ask an address to answer the check, and use it when it does."""
        if urlsplit(url).hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise ConfigError("the sandbox calls back to this machine only")
        echo = str(self._world.rng.randrange(10**18, 10**19))
        joint = "&" if "?" in url else "?"
        client = HttpClient(
            platform="wecom", base_url=url, context=AdapterContext(clock=self._context.clock, timeout=5.0)
        )
        async with client:
            reply = await client.request(
                "GET", f"{url}{joint}{self.check_query(echo)}", operation="check of the callback address"
            )
        if reply.status != 200 or reply.body != echo.encode():
            return False
        self.url = url
        return True

    async def control(self, request: Request) -> Response:
        """Answer `/_callback`: POST `{"url": …, "check": true}` sets where callbacks go; GET tells how they went."""
        if request.method == "POST":
            try:
                body = json.loads(await request.body())
                url = str(body.get("url", ""))
                check = bool(body.get("check", True))
            except (ValueError, AttributeError):
                return JSONResponse({"ok": False, "why": 'send JSON: {"url": …, "check": true}'}, 400)
            try:
                good = not (url and check) or await self.register(url)
            except ShequnError as error:
                return JSONResponse({"ok": False, "why": str(error)}, 400)
            if not good:
                return JSONResponse({"ok": False, "why": "the address did not answer the check"}, 400)
            self.url = url
        counts = {
            "delivered": self.delivered,
            "failed": len(self.failed),
            "waiting": len(self.waiting),
        }
        return JSONResponse({"ok": True, "url": self.url, **counts})

    async def _deliver(self, plain: str) -> None:
        for _ in range(TRIES):
            query, body = self.envelope(plain)
            joint = "&" if "?" in self.url else "?"
            result = await self._context.call_back(
                f"{self.url}{joint}{query}", body, {"content-type": "text/xml; charset=utf-8"}
            )
            if result.status == 200:
                self.delivered += 1
                return
        self.failed.append(plain)
