"""The room of feedback: taken from everywhere, answered in time, acted on, told in public."""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select

from shequn_sdk.domain import (
    ChannelRef,
    Community,
    Content,
    Frozen,
    Interaction,
    InteractionKind,
    MemberRef,
    Name,
    Priority,
)
from shequn_sdk.engagement.duty import due_after, minutes_between, on_duty
from shequn_sdk.errors import ConfigError, InvalidInput
from shequn_sdk.feedback import records
from shequn_sdk.feedback.model import (
    FeedbackDesk,
    FeedbackItem,
    FeedbackKind,
    FeedbackReport,
    FeedbackState,
    Source,
    Theme,
    Urgency,
)
from shequn_sdk.feedback.records import OPEN, Told
from shequn_sdk.house import House, Room
from shequn_sdk.members.identities import Seen, seen_in
from shequn_sdk.scheduling.models import Firing
from shequn_sdk.scheduling.triggers import Every, Trigger
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.feedback import feedback_desk, feedback_item

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["DigestArguments", "Feedback"]

_K = InteractionKind
_FRESH = 5.0
"""Seconds for which the desks are kept in memory."""
_ALARM = "shequn.feedback.alarm"
_DIGEST = "shequn.feedback.digest"
_Cutter = Callable[[str], Iterable[str]]
_SPOKEN = {_K.MESSAGE: Source.MESSAGE, _K.COMMENT: Source.COMMENT, _K.FEEDBACK: Source.PLATFORM}


class DigestArguments(Frozen):
    """What the schedule of a digest is called with."""

    community: Name
    to: tuple[ChannelRef, ...]
    title: str


class _Alarm(Frozen):
    community: Name


class Feedback(Room):
    """What members say of the community, and what becomes of it (反馈)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._desks: dict[str, FeedbackDesk] = {}
        self._looked = -math.inf

    def listen(self, dispatcher: Dispatcher) -> None:
        """Take feedback from messages, comments, reactions and what platforms call feedback."""
        dispatcher.on_batch("shequn.feedback", self._hear)

    def serve(self, scheduler: Scheduler) -> None:
        """Alarm about what is overdue, and publish digests."""
        scheduler.handlers.add(_ALARM, self._alarm, arguments=_Alarm)
        scheduler.handlers.add(_DIGEST, self._digest, arguments=DigestArguments)

    # -- how it is taken

    async def open(self, desk: FeedbackDesk | None = None, *, community: str | None = None) -> FeedbackDesk:
        """Take feedback from now on, by these words, marks and promises; again changes them.

        Messages and comments with one of the words or marks become items, once each; so do the platform's own feedback and
        reactions of displeasure to our posts. What is overdue is told once where `notify` says, looked for every five minutes.

        Args:
            desk: how; the defaults when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: the promise is not positive.
            UnknownName: no such community, or an account of `notify` does not exist.
        """
        where = self._community(community)
        chosen = desk or FeedbackDesk()
        if chosen.promise <= timedelta(0):
            raise InvalidInput("the promise must be above zero")
        for ref in chosen.notify:
            self._house.accounts.account(ref.account)
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(lambda conn: records.put_desk(conn, where.name, chosen, now=now))
        self._looked = -math.inf
        scheduler = await self._house.scheduler()
        await scheduler.create(
            _ALARM,
            when=Every(timedelta(minutes=5)),
            arguments=_Alarm(community=where.name),
            idempotency_key=f"feedback/alarm/{where.name}",
        )
        return chosen

    async def desk(self, *, community: str | None = None) -> FeedbackDesk | None:
        """Give how feedback is taken; None when it is not."""
        where = self._community(community).name
        return (await self._known(fresh=True)).get(where)

    async def close(self, *, community: str | None = None) -> None:
        """Take no more feedback; what came stays."""
        where = self._community(community).name
        store = await self._house.store()
        await store.write(
            lambda conn: (
                conn.execute(delete(feedback_desk).where(feedback_desk.c.community == where)).rowcount
            )
        )
        self._looked = -math.inf

    async def submit(
        self,
        text: str,
        *,
        member: MemberRef | str | None = None,
        kind: FeedbackKind | str | None = None,
        key: str = "",
        source: Source | str = Source.FORM,
        community: str | None = None,
    ) -> FeedbackItem:
        """Take feedback that came by a form, a hot line or by mail.

        Args:
            text: what was said; 1,000 characters are kept.
            member: who said it, `platform:native-id`; None is anonymous.
            kind: what it is; found by the desk's words when not given.
            key: names it: the same key again gives the first item.
            source: by which way it came.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: the text is empty or longer than 20,000 characters, or the community takes no feedback yet.
        """
        where = self._community(community)
        desk = (await self._known(fresh=True)).get(where.name)
        if desk is None:
            raise InvalidInput(f"{where.name} takes no feedback yet: call feedback.open first")
        if not text.strip() or len(text) > 20_000:
            raise InvalidInput("feedback needs a text of at most 20,000 characters")
        ref = None if member is None else MemberRef.parse(member)
        store = await self._house.store()
        now = store.clock.now()
        made_key = f"{Source(source).value}/{key or uuid.uuid4().hex}"
        told = self._told(
            where,
            desk,
            key=made_key,
            seen=None if ref is None else Seen(ref=ref, at=to_us(now)),
            source=Source(source),
            text=text,
            kind=None if kind is None else FeedbackKind(kind),
            at=now,
        )

        def write(conn: Connection) -> tuple[FeedbackItem, bool]:
            made = records.add(conn, [told])
            found = records.find(
                conn, feedback_item.c.community == where.name, feedback_item.c.key == made_key
            )
            return found[0], bool(made)

        item, new = await store.write(write)
        if new:
            await self._record([item])
            await self._tell_urgent([item])
        return item

    # -- what becomes of it

    async def list(
        self,
        *,
        states: Sequence[FeedbackState | str] = (),
        kind: FeedbackKind | str | None = None,
        assignee: str | None = None,
        overdue: bool = False,
        limit: int = 100,
        community: str | None = None,
    ) -> Sequence[FeedbackItem]:
        """Give feedback, the item that is due first in front; what is open, unless states are named.

        Args:
            states: only these.
            kind: only this one.
            assignee: only theirs.
            overdue: only what nobody answered in the promised time.
            limit: most items to give.
            community: its name; not needed when there is one.
        """
        where = self._community(community).name
        wanted = [FeedbackState(one).value for one in states] or list(OPEN)
        conditions = [feedback_item.c.community == where, feedback_item.c.state.in_(wanted)]
        store = await self._house.store()
        if kind is not None:
            conditions.append(feedback_item.c.kind == FeedbackKind(kind).value)
        if assignee is not None:
            conditions.append(feedback_item.c.assignee == assignee)
        if overdue:
            conditions += [
                feedback_item.c.answered_at.is_(None),
                feedback_item.c.settled_at.is_(None),
                feedback_item.c.due_at < to_us(store.clock.now()),
            ]
        return await store.read(lambda conn: records.find(conn, *conditions, limit=limit))

    async def get(self, item: int) -> FeedbackItem:
        """Give one item.

        Raises:
            UnknownName: there is none of that number.
        """
        return await (await self._house.store()).read(partial(records.get, number=item))

    async def triage(
        self,
        item: int,
        *,
        kind: FeedbackKind | str | None = None,
        urgency: Urgency | str | None = None,
        assignee: str | None = None,
    ) -> FeedbackItem:
        """Say what it is, how urgent, and whose task; None leaves it as it is.

        Raises:
            UnknownName: there is none of that number.
            InvalidInput: it is settled.
        """
        values: dict[str, object] = {}
        if kind is not None:
            values["kind"] = FeedbackKind(kind).value
        if urgency is not None:
            values["urgency"] = Urgency(urgency).value
        if assignee is not None:
            values["assignee"] = assignee
        return await self._change(item, values, assigned=bool(assignee))

    async def answer(self, item: int, text: str, *, by: str = "") -> FeedbackItem:
        """Answer: a reply to the message where it came from; where there is none, the answer is only noted.

        Args:
            item: its number.
            text: Markdown.
            by: who answers; becomes the assignee when there is none.

        Raises:
            UnknownName: there is none of that number.
            InvalidInput: it is settled, or the text is empty.
            NotSupported: the channel takes no text of ours.
        """
        if not text.strip():
            raise InvalidInput("say what is answered")
        found = await self.get(item)
        store = await self._house.store()
        now = to_us(store.clock.now())
        values: dict[str, object] = {"state": FeedbackState.ANSWERED.value}
        if found.answered_at is None:
            values["answered_at"] = now
        if by and not found.assignee:
            values["assignee"] = by
        changed = await self._change(item, values)
        if found.channel is not None:
            publishing = await self._house.publishing()
            await publishing.plan(
                Content(text=text, reply_to=found.message or None, category="feedback"),
                [found.channel],
                priority=Priority.REPLY,
                idempotency_key=f"feedback/{found.community}/{item}/{uuid.uuid5(uuid.NAMESPACE_OID, text).hex}",
                actor=f"feedback {by}".strip(),
            )
        return changed

    async def settle(
        self, item: int, outcome: str, *, done: bool = True, public: bool = False, by: str = ""
    ) -> FeedbackItem:
        """Say what was done, or that nothing will be.

        Args:
            item: its number.
            outcome: in words.
            done: whether something was done; False declines.
            public: tell it in the next digest; the member is never named there.
            by: who says so.

        Raises:
            UnknownName: there is none of that number.
            InvalidInput: it is settled otherwise, or `outcome` is empty.
        """
        if not outcome.strip():
            raise InvalidInput("say what was done, or why nothing will be")
        store = await self._house.store()
        state = FeedbackState.DONE if done else FeedbackState.DECLINED
        values: dict[str, object] = {
            "state": state.value,
            "outcome": outcome[:1000],
            "public": int(public),
            "settled_at": to_us(store.clock.now()),
        }
        if by:
            values["assignee"] = by
        return await self._change(item, values)

    async def report(
        self, *, last: timedelta = timedelta(days=30), community: str | None = None
    ) -> FeedbackReport:
        """Say how well feedback of the last days was taken."""
        where = self._community(community)
        desk = (await self._known(fresh=True)).get(where.name) or FeedbackDesk()
        store = await self._house.store()
        now = store.clock.now()
        since = to_us(now - last)
        items = await store.read(
            lambda conn: records.find(
                conn, feedback_item.c.community == where.name, feedback_item.c.created_at >= since
            )
        )
        answered = [one for one in items if one.answered_at is not None]
        judged = [one for one in items if one.answered_at or one.settled_at or one.is_overdue(now)]
        minutes = [
            minutes_between(one.created_at, one.answered_at, hours=desk.hours, zone=where.zone)
            for one in answered
            if one.answered_at is not None
        ]
        good = sum((one.answered_at or one.settled_at or now) <= one.due_at for one in judged)
        return FeedbackReport(
            items=len(items),
            by_kind=dict(Counter(one.kind.value for one in items)),
            by_source=dict(Counter(one.source.value for one in items)),
            open=sum(one.state.value in OPEN for one in items),
            overdue=sum(one.is_overdue(now) for one in items),
            answered=len(answered),
            in_time=good / len(judged) if judged else None,
            median_minutes=median(minutes) if minutes else None,
        )

    async def themes(
        self,
        *,
        last: timedelta = timedelta(days=30),
        kind: FeedbackKind | str | None = None,
        most: int = 20,
        community: str | None = None,
    ) -> Sequence[Theme]:
        """Give the words that feedback is about, against the period before; a word counts once per item.

        Chinese is cut into words by the extra `chinese`; without it pairs of characters stand for words.
        """
        where = self._community(community).name
        store = await self._house.store()
        now = store.clock.now()
        conditions = [
            feedback_item.c.community == where,
            feedback_item.c.created_at >= to_us(now - 2 * last),
            feedback_item.c.text != "",
        ]
        if kind is not None:
            conditions.append(feedback_item.c.kind == FeedbackKind(kind).value)
        rows = await store.read(
            lambda conn: conn.execute(
                select(feedback_item.c.text, feedback_item.c.created_at).where(*conditions)
            ).all()
        )
        counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        cut = self._cutter()
        for text, at in rows:
            counts[from_us(at) >= now - last].update(cut(text))
        before, present = counts
        return [
            Theme(word=word, items=number, before=before[word])
            for word, number in sorted(present.items(), key=lambda one: (-one[1], one[0]))[:most]
        ]

    # -- told in public

    async def digest(self, *, title: str = "你们说，我们做", community: str | None = None) -> Content | None:
        """Give the digest of what was settled in public and not told yet; None when there is nothing. Nobody is named."""
        where = self._community(community).name
        items = await self._untold(where)
        return _digest_of(title, items) if items else None

    async def schedule_digest(
        self,
        *,
        to: Sequence[ChannelRef | str],
        when: Trigger,
        title: str = "你们说，我们做",
        community: str | None = None,
    ) -> str:
        """Publish the digest whenever `when` says, when there is something to tell; gives the schedule's id.

        Raises:
            InvalidInput: no channel is named.
            UnknownName: an account does not exist.
        """
        where = self._community(community).name
        refs = tuple(ChannelRef.parse(one) for one in to)
        if not refs:
            raise InvalidInput("say where: to=['account:native-id']")
        for ref in refs:
            self._house.accounts.account(ref.account)
        scheduler = await self._house.scheduler()
        made = await scheduler.create(
            _DIGEST, when=when, arguments=DigestArguments(community=where, to=refs, title=title)
        )
        return made.id

    # -- inside

    async def _known(self, *, fresh: bool = False) -> dict[str, FeedbackDesk]:
        now = self._house.clock.monotonic()
        if fresh or now - self._looked > _FRESH:
            self._desks = await (await self._house.store()).read(records.desks)
            self._looked = now
        return self._desks

    async def _hear(self, heard: Sequence[Heard]) -> None:
        known = await self._known()
        if not known:
            return
        told = [
            found
            for one in heard
            if one.community in known and (found := self._of_heard(one, known[one.community])) is not None
        ]
        if not told:
            return
        store = await self._house.store()

        def write(conn: Connection) -> Sequence[FeedbackItem]:
            made = records.add(conn, told)
            return records.find(conn, feedback_item.c.id.in_(made)) if made else []

        new = await store.write(write)
        await self._record([one for one in new if one.source is not Source.PLATFORM])
        await self._tell_urgent(new)

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
        return self._told(
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

    def _told(
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

    async def _change(self, item: int, values: dict[str, object], *, assigned: bool = False) -> FeedbackItem:
        store = await self._house.store()

        def write(conn: Connection) -> FeedbackItem:
            found = records.get(conn, item)
            if found.settled_at is not None:
                if all(
                    getattr(found, name, value) == value for name, value in values.items() if name == "state"
                ):
                    return found
                raise InvalidInput(f"feedback {item} is settled already: {found.outcome}")
            if assigned and found.state is FeedbackState.NEW:
                values["state"] = FeedbackState.ASSIGNED.value
            return records.change(conn, item, **values) if values else found

        return await store.write(write)

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

    async def _tell_urgent(self, items: Sequence[FeedbackItem]) -> None:
        for one in items:
            if one.urgency is Urgency.HIGH:
                await self._notify(one, "紧急反馈", key="urgent")

    async def _notify(self, item: FeedbackItem, title: str, *, key: str) -> None:
        desk = (await self._known()).get(item.community)
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

    async def _alarm(self, arguments: _Alarm, firing: Firing) -> None:
        del firing
        store = await self._house.store()
        now = to_us(store.clock.now())
        late = await store.read(
            lambda conn: records.find(
                conn,
                feedback_item.c.community == arguments.community,
                feedback_item.c.state.in_(OPEN),
                feedback_item.c.answered_at.is_(None),
                feedback_item.c.alarmed_at.is_(None),
                feedback_item.c.due_at < now,
            )
        )
        for one in late:
            await self._notify(one, "反馈超时未回复", key="overdue")
            await store.write(partial(records.change, number=one.id, alarmed_at=now))

    async def _untold(self, community: str) -> Sequence[FeedbackItem]:
        store = await self._house.store()
        return await store.read(
            lambda conn: records.find(
                conn,
                feedback_item.c.community == community,
                feedback_item.c.public == 1,
                feedback_item.c.settled_at.is_not(None),
                feedback_item.c.told_at.is_(None),
            )
        )

    async def _digest(self, arguments: DigestArguments, firing: Firing) -> None:
        items = await self._untold(arguments.community)
        if not items:
            return
        publishing = await self._house.publishing()
        await publishing.plan(
            _digest_of(arguments.title, items),
            list(arguments.to),
            idempotency_key=firing.key,
            schedule_id=firing.schedule,
            actor="feedback digest",
        )
        store = await self._house.store()
        now = to_us(store.clock.now())
        for one in items:
            await store.write(partial(records.change, number=one.id, told_at=now))

    def _cutter(self) -> _Cutter:
        from shequn_sdk.feeds.words import segmenter, words_of  # noqa: PLC0415 - a second for its dictionary

        try:
            cut = segmenter(self._house.home)
        except ConfigError:
            cut = _pairs
        return lambda text: words_of(text, cut)


def _pairs(text: str) -> Sequence[str]:
    """Give Latin words, and pairs of neighbouring Chinese characters."""
    found: list[str] = []
    for word in "".join(char if char.isalnum() else " " for char in text).split():
        if word.isascii():
            found.append(word)
        else:
            found += [word[place : place + 2] for place in range(len(word) - 1)] or [word]
    return found


def _kind_of(text: str, desk: FeedbackDesk) -> FeedbackKind | None:
    """Give the kind that a text's words say; None when it is no feedback."""
    folded = text.casefold()
    for kind, words in desk.words.items():
        if any(word.casefold() in folded for word in words):
            return kind
    return FeedbackKind.OTHER if any(mark.casefold() in folded for mark in desk.marks) else None


def _digest_of(title: str, items: Sequence[FeedbackItem]) -> Content:
    lines = [f"{number}. {one.outcome}" for number, one in enumerate(items, 1)]
    return Content(text=f"**{title}**\n\n" + "\n".join(lines), category="feedback")
