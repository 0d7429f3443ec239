"""Telling operators what a person has to decide: unknowns that are asked about, hand-overs, what came too late."""

from __future__ import annotations

import inspect
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeAlias

import anyio
from pydantic import AwareDatetime
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Content, Delivery, LatePolicy, OnUnknown
from shequn_sdk.domain._base import Frozen
from shequn_sdk.publishing.rows import COLUMNS, Row, to_delivery
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us

__all__ = ["Listener", "Notice", "NoticeKind", "Notices"]

_log = logging.getLogger(__name__)
_KEY = "shequn.notice:"
"""Begins the idempotency keys of notices, about which no notice is posted."""
_HARMLESS = re.compile(r"[^\w\s，。！？、：；,.!?]|_")
_EXCERPT = 60
_WAITING = Fast(
    f"select {COLUMNS} from delivery where (state = 'unknown' and check_at is null) or state = 'awaiting_person' "  # noqa: S608
    "order by id limit 1000"
)


class NoticeKind(StrEnum):
    """What a person is told."""

    UNKNOWN = "delivery.unknown"
    """Perhaps landed, and held until somebody has looked."""
    AWAITING_PERSON = "delivery.awaiting_person"
    """Handed over; somebody must press send. Comes again with each reminder."""
    OVERDUE = "delivery.overdue"
    """Not confirmed before its deadline, or late with the policy to ask."""


class Notice(Frozen):
    """Something that a person has to look at (通知)."""

    kind: NoticeKind
    delivery: Delivery
    at: AwareDatetime
    asked: bool
    """Whether the settings or the call ask for a person; a held unknown under another policy is told only."""
    text: str
    """What happened and what to do, in one plain text without the content's own markup."""
    number: int = 0
    """Which reminder of a hand-over; 0 is the first notice."""

    @property
    def key(self) -> str:
        """The same for the same occasion, whoever tells of it how often."""
        return f"{_KEY}{self.kind}:{self.delivery.id}:{self.delivery.attempts}:{self.number}"


Listener: TypeAlias = Callable[[Notice], Awaitable[object] | object]
Post: TypeAlias = Callable[[Content, ChannelRef, str], Awaitable[object]]


class Notices:
    """Collects occasions while rows are written, and tells of them afterwards."""

    def __init__(self, *, on_unknown: OnUnknown | None, post: Post) -> None:
        """Tell listeners, and the operators' channel by `post`, which plans a content under a key."""
        self.channel: ChannelRef | None = None
        """Of the operators."""
        self._on_unknown = on_unknown
        self._post = post
        self._listeners: list[Listener] = []
        self._waiting: deque[tuple[Notice, Row]] = deque()
        self._came = anyio.Event()

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every notice; it may be a coroutine function."""
        self._listeners.append(listener)

    def note(self, new: Row, old: Row | None) -> None:
        """Look whether a written step is an occasion."""
        if not self._listeners and self.channel is None:
            return
        kind = _kind(new, old)
        if kind is not None:
            self._waiting.append((self._notice(kind, new), new))
            self._came.set()

    async def tell(self) -> None:
        """Tell of what waits; a listener that fails is logged and stops nothing."""
        while self._waiting:
            notice, row = self._waiting.popleft()
            for listener in self._listeners:
                try:
                    result = listener(notice)
                    if inspect.isawaitable(result):
                        await result
                except Exception:  # noqa: BLE001 - strangers' code
                    _log.exception("a listener failed on %s of delivery %d", notice.kind, row.id)
            if self.channel is None or not notice.asked or row.batch.startswith(_KEY):
                continue  # a notice about a notice would go round in circles
            try:
                await self._post(Content(text=notice.text), self.channel, notice.key)
            except Exception:  # noqa: BLE001 - tried again at the next start of a worker
                _log.exception("%s of delivery %d could not be posted", notice.kind, row.id)

    async def keep_telling(self) -> None:
        """Tell of each occasion as it comes, until cancelled."""
        while True:
            await self.tell()
            self._came = anyio.Event()
            if not self._waiting:
                await self._came.wait()

    def waiting(self, conn: Connection) -> list[Row]:
        """Give what waits for a person in the ledger: its notice may have been lost with a process."""
        return [Row._make(values) for values in _WAITING.all(conn)]

    def catch_up(self, rows: list[Row]) -> None:
        """Post again what waits for a person; what was posted before is not posted twice."""
        if self.channel is None:
            return
        for row in rows:
            kind = NoticeKind.UNKNOWN if row.state == "unknown" else NoticeKind.AWAITING_PERSON
            notice = self._notice(kind, row)
            if notice.asked:
                self._waiting.append((notice, row))
        self._came.set()

    def _notice(self, kind: NoticeKind, row: Row) -> Notice:
        policy = row.unknown_policy or self._on_unknown
        return Notice(
            kind=kind,
            delivery=to_delivery(row),
            at=from_us(row.updated_at),
            asked=kind is not NoticeKind.UNKNOWN or policy is OnUnknown.ASK,
            text=_text(kind, row),
            number=row.reminders if row.state == "awaiting_person" else 0,
        )


def _kind(new: Row, old: Row | None) -> NoticeKind | None:
    was = "" if old is None else old.state
    if new.state == "unknown":
        held = was == "unknown" and old is not None and old.check_at is None
        return NoticeKind.UNKNOWN if new.check_at is None and not held else None
    if new.state == "awaiting_person":
        again = old is not None and was == "awaiting_person" and new.reminders == old.reminders
        return None if again else NoticeKind.AWAITING_PERSON
    if was == "awaiting_person" and new.deadline is not None and new.updated_at >= new.deadline:
        return NoticeKind.OVERDUE if new.state in {"expired", "partly"} else None
    late = new.state == "blocked" and new.late_policy is LatePolicy.ASK and was == "claimed"
    return NoticeKind.OVERDUE if late else None


def _text(kind: NoticeKind, row: Row) -> str:
    number, where = row.id, f"{row.account}:{row.channel}"
    excerpt = " ".join(_HARMLESS.sub(" ", row.text).split())[:_EXCERPT]
    what = f"Delivery {number} to {where}" + (f" ({excerpt})" if excerpt else "")
    if kind is NoticeKind.UNKNOWN:
        return (
            f"{what} is unknown: nobody knows whether it was posted. Look at the channel, then say so: "
            f"shequn deliveries resolve {number} --landed, or --not-landed to send it again."
        )
    if kind is NoticeKind.AWAITING_PERSON:
        until = (
            "" if row.deadline is None else f" before {from_us(row.deadline).isoformat(timespec='minutes')}"
        )
        again = f" This is reminder {row.reminders}." if row.reminders else ""
        return f"{what} waits for a person to press send{until}.{again}"
    if row.state == "blocked":
        return (
            f"{what} is late. Send it all the same: shequn deliveries approve {number}, or give it up: "
            f"shequn deliveries cancel {number}."
        )
    return f"{what} was not confirmed in time and is {row.state} now."
