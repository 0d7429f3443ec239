"""How feedback comes in: heard or handed in, made known to metrics, and told to operators."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from shequn_sdk.domain import (
    ChannelRef,
    Community,
    Content,
    Frozen,
    Interaction,
    InteractionKind,
    Name,
    Priority,
)
from shequn_sdk.engagement.duty import due_after, on_duty
from shequn_sdk.feedback import records
from shequn_sdk.feedback.model import FeedbackDesk, FeedbackItem, FeedbackKind, Source, Urgency
from shequn_sdk.feedback.records import Told
from shequn_sdk.house import House
from shequn_sdk.members.identities import Seen, seen_in
from shequn_sdk.scheduling.models import Firing
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.feedback import feedback_item

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard

__all__ = ["AlarmArguments", "Intake"]

_K = InteractionKind
_FRESH = 5.0
"""Seconds for which the desks are kept in memory."""
_SPOKEN = {_K.MESSAGE: Source.MESSAGE, _K.COMMENT: Source.COMMENT, _K.FEEDBACK: Source.PLATFORM}


class AlarmArguments(Frozen):
    """What the schedule that looks for overdue feedback is called with."""

    community: Name


class Intake:
    """Takes feedback for the room, and tells operators of what cannot wait."""

    def __init__(self, house: House, community: Callable[[str | None], Community]) -> None:
        """Take it in `house`; `community` gives a community by its name."""
        self._house = house
        self._community = community
        self._desks: dict[str, FeedbackDesk] = {}
        self._looked = -math.inf

    def forget(self) -> None:
        """Read the desks again at the next need."""
        self._looked = -math.inf

    async def desks(self, *, fresh: bool = False) -> dict[str, FeedbackDesk]:
        """Give the desks by community, read again every few seconds."""
        now = self._house.clock.monotonic()
        if fresh or now - self._looked > _FRESH:
            self._desks = await (await self._house.store()).read(records.desks)
            self._looked = now
        return self._desks

    async def hear(self, heard: Sequence[Heard]) -> None:
        """Take what is feedback among what was heard."""
        known = await self.desks()
        if not known:
            return
        told = [
            found
            for one in heard
            if one.community in known and (found := self._of_heard(one, known[one.community])) is not None
        ]
        if not told:
            return
        await self.take(told)

    async def take(self, told: Sequence[Told]) -> Sequence[FeedbackItem]:
        """Write feedback, each once; gives what is new, which handlers, metrics and operators are told of."""
        store = await self._house.store()

        def write(conn: Connection) -> Sequence[FeedbackItem]:
            made = records.add(conn, told)
            return records.find(conn, feedback_item.c.id.in_(made)) if made else []

        new = await store.write(write)
        await self._record([one for one in new if one.source is not Source.PLATFORM])
        await self._tell_urgent(new)
        return new

    def _of_heard(self, heard: Heard, desk: FeedbackDesk) -> Told | None:
        event = heard.interaction
        if event.is_bot or event.id.startswith("feedback/"):
            return None
        source = _SPOKEN.get(event.kind)
        if event.kind is _K.REACTION and event.text in desk.reactions:
            source = Source.REACTION
        if source is None:
            return None
        kind = FeedbackKind.COMPLAINT if source is Source.REACTION else None
        if source in {Source.MESSAGE, Source.COMMENT}:
            kind = _kind_of(event.text, desk)
            if kind is None:
                return None
        where = self._community(heard.community)
        return self.told(
            where,
            desk,
            key=f"{event.platform}/{event.id}",
            seen=seen_in(event),
            source=source,
            text="" if source is Source.REACTION else event.text,
            kind=kind,
            at=event.occurred_at,
            channel=str(heard.channel or ""),
            message=event.message,
        )

    def told(
        self,
        where: Community,
        desk: FeedbackDesk,
        *,
        key: str,
        seen: Seen | None,
        source: Source,
        text: str,
        kind: FeedbackKind | None,
        at: datetime,
        channel: str = "",
        message: str = "",
    ) -> Told:
        """Make feedback ready to be written: what it is, how urgent, whose, and by when."""
        folded = text.casefold()
        urgent = any(word.casefold() in folded for word in desk.urgent)
        promise = desk.promise / 4 if urgent else desk.promise
        shift = on_duty(desk.shifts, at, zone=where.zone)
        return Told(
            community=where.name,
            key=key,
            seen=seen,
            source=source,
            channel=channel,
            message=message,
            text=text,
            kind=kind or _kind_of(text, desk) or FeedbackKind.OTHER,
            urgency=Urgency.HIGH if urgent else Urgency.LOW if source is Source.REACTION else Urgency.NORMAL,
            assignee=shift.person if shift is not None else "",
            at=to_us(at),
            due=to_us(due_after(at, promise, hours=desk.hours, zone=where.zone)),
        )

    async def _record(self, items: Sequence[FeedbackItem]) -> None:
        """Let handlers and metrics know, as of any other interaction."""
        for one in items:
            await self._house.record(
                [
                    Interaction(
                        id=f"feedback/{one.community}/{one.id}",
                        kind=_K.FEEDBACK,
                        platform=one.member.platform if one.member else "feedback",
                        account=one.channel.account if one.channel else "",
                        channel=one.channel.native_id if one.channel else "",
                        member=one.member.native_id if one.member else "",
                        occurred_at=one.created_at,
                        message=one.message,
                        attrs={
                            "kind": one.kind.value,
                            "urgency": one.urgency.value,
                            "source": one.source.value,
                        },
                    )
                ],
                community=one.community,
            )

    async def reply(self, item: FeedbackItem, channel: ChannelRef, text: str, *, by: str) -> None:
        """Answer where it came from; the same text once."""
        publishing = await self._house.publishing()
        await publishing.plan(
            Content(text=text, reply_to=item.message or None, category="feedback"),
            [channel],
            priority=Priority.REPLY,
            idempotency_key=f"feedback/{item.community}/{item.id}/{uuid.uuid5(uuid.NAMESPACE_OID, text).hex}",
            actor=f"feedback {by}".strip(),
        )

    async def _tell_urgent(self, items: Sequence[FeedbackItem]) -> None:
        for one in items:
            if one.urgency is Urgency.HIGH:
                await self._notify(one, "紧急反馈", key="urgent")

    async def _notify(self, item: FeedbackItem, title: str, *, key: str) -> None:
        desk = (await self.desks()).get(item.community)
        if desk is None or not desk.notify:
            return
        who = f"，负责人：{item.assignee}" if item.assignee else ""
        said = item.text.replace("*", "").replace("`", "")[:200]
        publishing = await self._house.publishing()
        await publishing.plan(
            Content(text=f"{title} #{item.id}（{item.kind.value}{who}）：{said}", category="operators"),
            list(desk.notify),
            priority=Priority.REPLY,
            idempotency_key=f"feedback/{item.community}/{item.id}/{key}",
            actor="feedback",
        )

    async def alarm(self, arguments: AlarmArguments, firing: Firing) -> None:
        """Tell of what nobody answered in the promised time, once."""
        del firing
        store = await self._house.store()
        now = to_us(store.clock.now())
        late = await store.read(lambda conn: records.late(conn, arguments.community, now=now))
        for one in late:
            await self._notify(one, "反馈超时未回复", key="overdue")
            await store.write(partial(records.change, number=one.id, alarmed_at=now))


def _kind_of(text: str, desk: FeedbackDesk) -> FeedbackKind | None:
    """Give the kind that a text's words say; None when it is no feedback."""
    folded = text.casefold()
    for kind, words in desk.words.items():
        if any(word.casefold() in folded for word in words):
            return kind
    return FeedbackKind.OTHER if any(mark.casefold() in folded for mark in desk.marks) else None
