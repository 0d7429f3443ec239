"""The room of questions: heard, promised an answer in time, and answered by whoever is on duty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime
from sqlalchemy import Connection, select, update

from shequn_sdk.domain import ChannelRef, Content, Frozen, InteractionKind, MemberRef, Priority
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._board import Subject, words_of
from shequn_sdk.engagement._rows import Row
from shequn_sdk.engagement._words import plain, say, short
from shequn_sdk.engagement.duty import Hours, Shift, due_after, minutes_between, on_duty
from shequn_sdk.engagement.models import Activity, ActivityState, Closing
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.members.identities import seen_in
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.engagement import activity as _activity
from shequn_sdk.stores.tables.engagement import question
from shequn_sdk.stores.tables.members import identity, membership

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing

__all__ = ["Question", "QuestionReport", "Questions"]

_K = InteractionKind
_STAFF = ("owner", "admin", "moderator")
_KEPT = 280
"""Characters of a question that are kept until it is answered."""


class Question(Frozen):
    """A question of a member (提问)."""

    id: int
    desk: str
    member: str
    name: str
    channel: ChannelRef
    message: str
    text: str = ""
    """Its beginning; "" once it is settled: no more is kept than is needed."""
    asked_at: AwareDatetime
    due_at: AwareDatetime
    state: Literal["open", "answered", "dismissed"]
    assignee: str = ""
    """Who was on duty when it came; "" for nobody."""
    settled_at: AwareDatetime | None = None
    settled_by: str = ""


class QuestionReport(Frozen):
    """How well questions were answered (答疑统计)."""

    asked: int
    answered: int
    open: int
    overdue: int
    """Open, and past what was promised."""
    in_time: float | None
    """Share of those answered or overdue that were answered in time; None without any."""
    median_minutes: float | None
    """Of business, to the answer; None without any."""


class _Spec(Frozen):
    marks: tuple[str, ...]
    keywords: tuple[str, ...]
    commands: tuple[str, ...]
    promise: timedelta
    hours: tuple[Hours, ...]
    shifts: tuple[Shift, ...]
    remind_to: tuple[ChannelRef, ...]


class _Handover(Frozen):
    person: str = ""
    until: int = 0


@dataclass(slots=True)
class _Facts:
    """What is known of an answer when it comes."""

    row: Any
    staff: bool


class Questions(Subject):
    """Questions and answers (答疑): who is on duty, what was promised, what waits, and how well it went."""

    KIND = "questions"

    async def open_desk(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        promise: timedelta = timedelta(minutes=30),
        hours: Sequence[Hours] = (),
        shifts: Sequence[Shift] = (),
        marks: Sequence[str] = ("?", "？"),
        keywords: Sequence[str] = (),
        commands: Sequence[str] = ("ask", "提问"),
        remind_to: Sequence[ChannelRef | str] = (),
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """Listen for questions in channels; nothing is posted there.

        A question is a message that ends with a mark, has a keyword, or is a command; staff's own messages are none. It is
        answered when somebody of the roster, or an administrator of the community, answers the message on the platform.
        What is overdue is reminded of, once, where `remind_to` says. Questions and answers are recorded as interactions.

        Args:
            title: name of the desk.
            to: channels in which it listens.
            promise: how soon an answer comes, in hours of business.
            hours: of business, in the community's zone; none is always.
            shifts: who is on duty when; the first that fits.
            marks: ends of a question.
            keywords: words that make a question.
            commands: commands that make one.
            remind_to: where whoever is on duty is reminded, such as a channel of the staff.
            community: whose; that of the first channel by default.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            InvalidInput: the promise is no time, or nothing would make a question.
        """
        if promise <= timedelta(0) or not (marks or keywords or commands):
            raise InvalidInput("a desk needs a promise above zero, and marks, keywords or commands")
        spec = _Spec(
            marks=tuple(marks),
            keywords=tuple(word.casefold() for word in keywords if word.strip()),
            commands=tuple(commands),
            promise=promise,
            hours=tuple(hours),
            shifts=tuple(shifts),
            remind_to=tuple(ChannelRef.parse(one) for one in remind_to),
        )
        for ref in spec.remind_to:
            self._house.accounts.account(ref.account)
        return await self._open(
            title=title,
            spec=spec,
            content=None,
            unposted="listen",
            to=to,
            community=community,
            closes=None,
            idempotency_key=idempotency_key,
        )

    async def list_desks(
        self, *, community: str | None = None, state: ActivityState | str | None = "open"
    ) -> Sequence[Activity]:
        """Give desks, newest first."""
        return await self._list(community, state, 100)

    async def close_desk(self, desk: str) -> Activity:
        """Listen no more; open questions stay, to be settled.

        Raises:
            UnknownName: there is no such desk.
        """
        row = await self._row(desk)
        now = to_us(await self._now())
        store = await self._house.store()
        await store.write(lambda conn: _rows.settle(conn, row, state="closed", result=row.result, now=now))
        return _rows.to_activity(await self._row(desk))

    async def get_on_duty(self, desk: str, *, at: datetime | None = None) -> str:
        """Give who is on duty, now or at an instant; "" for nobody. A hand-over goes before the roster.

        Raises:
            UnknownName: there is no such desk.
        """
        row = await self._row(desk)
        return _duty(row, self._of(row).zone, at or await self._now())

    async def hand_over(self, desk: str, *, person: str, until: datetime) -> str:
        """Let somebody else be on duty until an instant, and say so where reminders go; gives who is on duty now.

        Raises:
            UnknownName: there is no such desk.
            InvalidInput: `until` has passed, or nobody is named.
        """
        now = await self._now()
        if not person.strip() or until.tzinfo is None or until <= now:
            raise InvalidInput("name a person, and an aware instant to come")
        row = await self._row(desk)
        made = _Handover(person=person.strip()[:100], until=to_us(until))
        store = await self._house.store()
        await store.write(
            lambda conn: _rows.settle(
                conn, row, state=row.state, result=made.model_dump_json(), now=to_us(now)
            )
        )
        spec = _Spec.model_validate_json(row.spec)
        text = say(self._of(row), "question.handover", who=plain(made.person))
        await self._say(row, text, key=f"handover/{made.until}", to=spec.remind_to)
        return made.person

    async def list(
        self,
        *,
        state: Literal["open", "overdue", "answered", "dismissed"] = "open",
        desk: str | None = None,
        community: str | None = None,
        limit: int = 100,
    ) -> Sequence[Question]:
        """Give questions, the one that is due first, first."""
        owner = self._community(community).name if community is not None else None
        now = to_us(await self._now())

        def look(conn: Connection) -> Sequence[Question]:
            query = _select()
            if desk is not None:
                query = query.where(question.c.activity_id == desk)
            if owner is not None:
                query = query.where(_activity.c.community == owner)
            query = query.where(question.c.state == ("open" if state == "overdue" else state))
            if state == "overdue":
                query = query.where(question.c.due_at < now)
            return [
                _question(row)
                for row in conn.execute(query.order_by(question.c.due_at, question.c.id).limit(limit))
            ]

        return await (await self._house.store()).read(look)

    async def answer(self, number: int, text: str, *, by: str = "") -> Question:
        """Answer a question where it was asked, and settle it; the same text is said once.

        Raises:
            UnknownName: there is no such question.
            InvalidInput: the text is empty, or the question is settled already.
        """
        if not text.strip():
            raise InvalidInput("an answer needs a text")
        found = await self._question(number)
        if found.state != "open":
            raise InvalidInput(f"question {number} is {found.state} already")
        publishing = await self._house.publishing()
        await publishing.plan(
            Content(text=text, reply_to=found.message or None),
            [found.channel],
            priority=Priority.REPLY,
            idempotency_key=f"question/{number}/answer",
        )
        await self._settle(number, "answered", by or "staff", await self._now())
        return await self._question(number)

    async def dismiss(self, number: int, *, by: str = "") -> Question:
        """Put a question aside that needs no answer; again changes nothing.

        Raises:
            UnknownName: there is no such question.
        """
        await self._question(number)
        await self._settle(number, "dismissed", by or "staff", await self._now())
        return await self._question(number)

    async def report(
        self, desk: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> QuestionReport:
        """Count how the questions that were asked in a time were answered.

        Raises:
            UnknownName: there is no such desk.
        """
        row = await self._row(desk)
        spec = _Spec.model_validate_json(row.spec)
        now = await self._now()
        low, high = to_us(since) if since else 0, to_us(until or now) + 1

        def look(conn: Connection) -> list[Any]:
            return list(
                conn.execute(
                    select(question).where(
                        question.c.activity_id == desk,
                        question.c.asked_at >= low,
                        question.c.asked_at < high,
                        question.c.state != "dismissed",
                    )
                )
            )

        rows = await (await self._house.store()).read(look)
        return _report(rows, spec, self._of(row).zone, now)

    async def _question(self, number: int) -> Question:
        def look(conn: Connection) -> Any:
            return conn.execute(_select().where(question.c.id == number)).first()

        row = await (await self._house.store()).read(look)
        if row is None:
            raise UnknownName("question", str(number))
        return _question(row)

    async def _settle(self, number: int, state: str, by: str, at: datetime) -> bool:
        def write(conn: Connection) -> bool:
            done = conn.execute(
                update(question)
                .where(question.c.id == number, question.c.state == "open")
                .values(state=state, settled_by=by[:200], settled_at=to_us(at), text="")
            )
            return bool(done.rowcount)

        return await (await self._house.store()).write(write)

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        """Remind of what is overdue: one reminder for all that waits."""
        row = await self._row(arguments.activity)
        spec = _Spec.model_validate_json(row.spec)
        now = await self._now()
        waiting = [one for one in await self.list(desk=row.id, limit=1000) if one.due_at <= now]
        mine = [one for one in waiting if str(one.id) == arguments.what.rpartition("/")[2]]
        if not mine or not spec.remind_to:
            return
        owner = self._of(row)
        oldest = min(one.asked_at for one in waiting)
        text = say(
            owner,
            "question.remind",
            who=plain(_duty(row, self._of(row).zone, now) or say(owner, "question.duty")),
            count=len(waiting),
            minutes=int(minutes_between(oldest, now, hours=spec.hours, zone=owner.zone)),
        )
        await self._say(row, text, key=f"remind/{mine[0].id}", to=spec.remind_to)

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Note questions, and settle those that were answered."""
        spec = _Spec.model_validate_json(row.spec)
        for one in heard:
            event = one.interaction
            if event.kind not in {_K.MESSAGE, _K.COMMENT, _K.COMMAND, _K.MENTION} or not event.member:
                continue
            facts = await (await self._house.store()).read(lambda conn, one=one: _facts(conn, row, spec, one))
            if facts.row is not None and facts.staff:
                answered = await self._settle(
                    facts.row.id, "answered", f"{event.platform}:{event.member}", event.occurred_at
                )
                if answered or facts.row.state == "answered":
                    await self._record(
                        row,
                        _K.ANSWER,
                        event,
                        key=f"{event.platform}/{event.id}",
                        attrs={"question": facts.row.id},
                    )
            elif not facts.staff and _asks(spec, one):
                await self._ask(row, spec, one)

    async def _ask(self, row: Row, spec: _Spec, heard: Heard) -> None:
        event = heard.interaction
        seen = seen_in(event)
        if seen is None:
            return
        due = due_after(event.occurred_at, spec.promise, hours=spec.hours, zone=self._of(row).zone)
        values = _new(row, heard, due, _duty(row, self._of(row).zone, event.occurred_at))

        def write(conn: Connection) -> int:
            number = _rows.identities_of(conn, [seen])[seen.ref]
            _rows.insert_new(conn, question, [{**values, "identity_id": number}])
            return conn.execute(
                select(question.c.id).where(
                    question.c.activity_id == row.id, question.c.event == values["event"]
                )
            ).scalar_one()

        number = await (await self._house.store()).write(write)
        if spec.remind_to:
            await self._plan(row, due, what=f"remind/{number}")
        await self._record(
            row, _K.QUESTION, event, key=f"{event.platform}/{event.id}", attrs={"question": number}
        )


def _new(row: Row, heard: Heard, due: datetime, assignee: str) -> dict[str, Any]:
    """Give the row of a question, without its member."""
    event = heard.interaction
    return {
        "activity_id": row.id,
        "event": f"{event.platform}/{event.id}"[:400],
        "account": heard.account,
        "channel": event.channel,
        "message": event.message,
        "text": short(event.text.strip(), _KEPT),
        "asked_at": to_us(event.occurred_at),
        "due_at": to_us(due),
        "state": "open",
        "settled_at": None,
        "settled_by": "",
        "assignee": assignee,
        "reminded_at": None,
    }


def _report(rows: Sequence[Any], spec: _Spec, zone: str, now: datetime) -> QuestionReport:
    answered = [one for one in rows if one.state == "answered"]
    overdue = [one for one in rows if one.state == "open" and one.due_at < to_us(now)]
    good = sum(one.settled_at <= one.due_at for one in answered)
    judged = len(answered) + len(overdue)
    waits = [
        minutes_between(from_us(one.asked_at), from_us(one.settled_at), hours=spec.hours, zone=zone)
        for one in answered
    ]
    return QuestionReport(
        asked=len(rows),
        answered=len(answered),
        open=len(rows) - len(answered),
        overdue=len(overdue),
        in_time=good / judged if judged else None,
        median_minutes=median(waits) if waits else None,
    )


def _duty(row: Row, zone: str, at: datetime) -> str:
    made = _Handover.model_validate_json(row.result) if row.result else _Handover()
    if made.person and to_us(at) < made.until:
        return made.person
    found = on_duty(_Spec.model_validate_json(row.spec).shifts, at, zone=zone)
    return found.person if found else ""


def _asks(spec: _Spec, heard: Heard) -> bool:
    event = heard.interaction
    said = words_of(heard)
    if event.kind is _K.COMMAND:
        return said.removeprefix("/").partition(" ")[0] in spec.commands
    text = event.text.strip()
    return text.endswith(spec.marks or ("\0",)) or any(word in text.casefold() for word in spec.keywords)


def _facts(conn: Connection, row: Row, spec: _Spec, heard: Heard) -> _Facts:
    event = heard.interaction
    ref = MemberRef(platform=event.platform, native_id=event.member)
    staff = any(ref in one.members for one in spec.shifts)
    if not staff:
        query = (
            select(membership.c.role)
            .join(identity, identity.c.id == membership.c.identity_id)
            .where(
                membership.c.community == row.community,
                identity.c.platform == ref.platform,
                identity.c.native_id == ref.native_id,
            )
        )
        staff = conn.execute(query).scalar() in _STAFF
    found = None
    if event.parent:
        found = conn.execute(
            select(question).where(
                question.c.activity_id == row.id,
                question.c.account == heard.account,
                question.c.channel == event.channel,
                question.c.message == event.parent,
            )
        ).first()
    return _Facts(found, staff)


def _select() -> Any:
    return (
        select(question, identity.c.platform, identity.c.native_id, identity.c.display_name)
        .join(identity, identity.c.id == question.c.identity_id)
        .join(_activity, _activity.c.id == question.c.activity_id)
    )


def _question(row: Any) -> Question:
    return Question(
        id=row.id,
        desk=row.activity_id,
        member=f"{row.platform}:{row.native_id}",
        name=row.display_name,
        channel=ChannelRef(account=row.account, native_id=row.channel),
        message=row.message,
        text=row.text,
        asked_at=from_us(row.asked_at),
        due_at=from_us(row.due_at),
        state=row.state,
        assignee=row.assignee,
        settled_at=None if row.settled_at is None else from_us(row.settled_at),
        settled_by=row.settled_by,
    )
