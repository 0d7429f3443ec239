"""The fan service of the local Weibo: signed pushes with three tries, and messages within 48 hours."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode
from xml.sax.saxutils import escape

from shequn_sdk.testing.sandbox import FaultKind, SandboxContext
from shequn_weibo.push import MESSAGE_LIMIT, sign
from shequn_weibo.sandbox.server import Call, Handler
from shequn_weibo.sandbox.state import Refuse, World
from shequn_weibo.wire import format_time

__all__ = ["DirectMessage", "Fans"]

TRIES = 3
_WINDOW = timedelta(hours=48)


@dataclass(slots=True)
class DirectMessage:
    """A private message."""

    id: int
    member: str
    by_account: bool
    text: str
    at: datetime


@dataclass(slots=True)
class _Outgoing:
    body: bytes
    late: float = 0.0
    twice: bool = False


class Fans:
    """Sends what members do to one address, and takes answers."""

    def __init__(self, context: SandboxContext, world: World, *, uid: str, app_secret: str) -> None:
        self.url = str(context.options.get("callback_url", ""))
        """Where pushes go; "" keeps them in `waiting`."""
        self.format = str(context.options.get("push_format", "json"))
        """Form of pushes: json or xml."""
        self.waiting: deque[bytes] = deque(maxlen=10_000)
        self.failed: list[bytes] = []
        self.delivered = 0
        self.messages: list[DirectMessage] = []
        self._context = context
        self._world = world
        self._uid = uid
        self._secret = app_secret
        self._open: dict[str, datetime] = {}
        """Until when a member can be written to."""
        self._queue: asyncio.Queue[_Outgoing] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._later: set[asyncio.Task[None]] = set()

    def writes(self) -> dict[str, Handler]:
        """Give the handlers made with POST."""
        return {"messages/reply": self.reply, "eps/push/set_format": self.set_format}

    # what members do

    def event(self, member: str, subtype: str, **data: str) -> None:
        """Push an event."""
        if subtype == "unfollow":
            self._open.pop(member, None)
        else:
            self._open[member] = self._world.now() + _WINDOW
        self.push(
            member,
            "event",
            {"follow": "关注事件消息", "unfollow": "取消关注事件消息"}.get(subtype, "事件消息"),
            {"subtype": subtype, **data},
        )

    def write(self, member: str, text: str) -> str:
        """Let a member write to the account."""
        self._open[member] = self._world.now() + _WINDOW
        message = DirectMessage(
            self._world.new_id(), member, by_account=False, text=text, at=self._world.now()
        )
        self.messages.append(message)
        user = self._world.users[self._uid]
        user.reset["dms"] = user.reset.get("dms", 0) + 1
        self.push(member, "text", text, {})
        return str(message.id)

    def push(self, member: str, kind: str, text: str, data: dict[str, Any]) -> None:
        """Queue one push."""
        body = (
            self._xml(member, kind, text, data)
            if self.format == "xml"
            else self._json(member, kind, text, data)
        )
        if not self.url:
            self.waiting.append(body)
            return
        fault = self._context.faults.for_event("weibo")
        outgoing = _Outgoing(body)
        if fault is not None and fault.kind is FaultKind.DUPLICATE_EVENT:
            outgoing.twice = True
        elif fault is not None and fault.kind is FaultKind.LATE_EVENT:
            outgoing.late = fault.delay or 1.0
        self._queue.put_nowait(outgoing)

    def _json(self, member: str, kind: str, text: str, data: dict[str, Any]) -> bytes:
        return json.dumps(
            {
                "type": kind,
                "receiver_id": int(self._uid),
                "sender_id": int(member),
                "created_at": format_time(self._world.now()),
                "text": text,
                "data": data,
            },
            ensure_ascii=False,
        ).encode()

    def _xml(self, member: str, kind: str, text: str, data: dict[str, Any]) -> bytes:
        """Write a push in the format of WeChat, which has no field for what an event's text says."""
        fields = {"ToUserName": self._uid, "FromUserName": member, "MsgType": kind}
        if kind == "event":
            fields |= {"Event": str(data["subtype"]), "EventKey": str(data.get("key", ""))}
        else:
            fields["Content"] = text
        told = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
        at = int(self._world.now().timestamp())
        return f"<xml>{told}<CreateTime>{at}</CreateTime><MsgId></MsgId></xml>".encode()

    # answers

    def set_format(self, call: Call) -> dict[str, Any]:
        """Choose the form of pushes: json or xml."""
        wanted = call.text("format").lower()
        if wanted not in {"json", "xml"}:
            raise Refuse(10017)
        self.format = wanted
        return {"result": True}

    def reply(self, call: Call) -> dict[str, Any]:
        """Take a message to a member who wrote within 48 hours."""
        member = call.text("receiver_id")
        if call.fields.get("type") not in {"text", "articles", "position"}:
            raise Refuse(10017)
        data = self._decode(call.text("data"))
        if member not in self._world.users:
            raise Refuse(20003)
        if self._open.get(member, datetime.min.replace(tzinfo=self._world.now().tzinfo)) < self._world.now():
            raise Refuse(20112, "out of the 48 hours in which the user can be answered")
        self._keep(member, data)
        return {
            "result": True,
            "sender_id": int(self._uid),
            "receiver_id": int(member),
            "type": call.fields["type"],
        }

    @staticmethod
    def _decode(text: str) -> dict[str, Any]:
        """Decode until it is JSON: clients encode once or twice."""
        for _ in range(4):
            try:
                value = json.loads(text)
            except ValueError:
                text = unquote(text)
                continue
            if isinstance(value, dict):
                return {str(key): item for key, item in value.items()}
            break
        raise Refuse(10017)

    def _keep(self, member: str, data: dict[str, Any]) -> None:
        text = str(data.get("text") or json.dumps(data, ensure_ascii=False))
        if not MESSAGE_LIMIT.fits(text):
            raise Refuse(20013)
        self.messages.append(
            DirectMessage(self._world.new_id(), member, by_account=True, text=text, at=self._world.now())
        )

    # pushing

    def start(self) -> None:
        """Begin sending."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="weibo-sandbox-pushes")

    async def stop(self) -> None:
        """End sending; what is queued is dropped."""
        tasks = [task for task in (self._task, *self._later) if task is not None]
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
                    self._later.add(task)
                    task.add_done_callback(self._later.discard)
                else:
                    for _ in range(2 if outgoing.twice else 1):
                        await self._deliver(outgoing.body)
            finally:
                self._queue.task_done()

    async def _send_late(self, outgoing: _Outgoing) -> None:
        await self._context.clock.sleep(outgoing.late)
        await self._deliver(outgoing.body)

    def query(self, **more: str) -> str:
        """Give a signed query, with the time in milliseconds."""
        timestamp = str(int(self._world.now().timestamp() * 1000))
        nonce = str(self._world.rng.randrange(10**7, 10**8))
        signed = {"signature": sign(self._secret, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
        return urlencode({**signed, **more})

    async def _deliver(self, body: bytes) -> None:
        for _ in range(TRIES):
            joint = "&" if "?" in self.url else "?"
            result = await self._context.call_back(
                f"{self.url}{joint}{self.query()}",
                body,
                {"content-type": "text/xml" if body[:1] == b"<" else "application/json"},
            )
            if result.status == 200:
                self.delivered += 1
                self._answered(result.body)
                return
        self.failed.append(body)

    def _answered(self, body: bytes) -> None:
        """Take a passive reply, when there is one."""
        if not body.strip():
            return
        try:
            answer = json.loads(body)
            if answer.get("result") and str(answer["receiver_id"]) in self._world.users:
                self._keep(str(answer["receiver_id"]), self._decode(str(answer["data"])))
        except (ValueError, KeyError, AttributeError, Refuse):
            return
