"""The room of feedback: taken from everywhere, answered in time, acted on, told in public."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import delete

from shequn_sdk.domain import (
    ChannelRef,
    Content,
    MemberRef,
)
from shequn_sdk.errors import InvalidInput
from shequn_sdk.feedback import records
from shequn_sdk.feedback.digests import DigestArguments, Digests
from shequn_sdk.feedback.form import FormApp
from shequn_sdk.feedback.intake import AlarmArguments, Intake
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
from shequn_sdk.feedback.numbers import cutter, report_of, themes_of
from shequn_sdk.feedback.records import OPEN
from shequn_sdk.house import House, Room
from shequn_sdk.members.identities import Seen
from shequn_sdk.scheduling.triggers import Every, Trigger
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.feedback import feedback_desk, feedback_item

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Feedback"]

_ALARM = "shequn.feedback.alarm"
_DIGEST = "shequn.feedback.digest"


class Feedback(Room):
    """What members say of the community, and what becomes of it (反馈)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._intake = Intake(house, self._community)
        self._digests = Digests(house)

    def listen(self, dispatcher: Dispatcher) -> None:
        """Take feedback from messages, comments, reactions and what platforms call feedback."""
        dispatcher.on_batch("shequn.feedback", self._intake.hear)

    def serve(self, scheduler: Scheduler) -> None:
        """Alarm about what is overdue, and publish digests."""
        scheduler.handlers.add(_ALARM, self._intake.alarm, arguments=AlarmArguments)
        scheduler.handlers.add(_DIGEST, self._digests.publish, arguments=DigestArguments)

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
        self._intake.forget()
        scheduler = await self._house.scheduler()
        await scheduler.create(
            _ALARM,
            when=Every(timedelta(minutes=5)),
            arguments=AlarmArguments(community=where.name),
            idempotency_key=f"feedback/alarm/{where.name}",
        )
        return chosen

    async def desk(self, *, community: str | None = None) -> FeedbackDesk | None:
        """Give how feedback is taken; None when it is not."""
        where = self._community(community).name
        return (await self._intake.desks(fresh=True)).get(where)

    async def close(self, *, community: str | None = None) -> None:
        """Take no more feedback; what came stays."""
        where = self._community(community).name
        store = await self._house.store()
        await store.write(
            lambda conn: (
                conn.execute(delete(feedback_desk).where(feedback_desk.c.community == where)).rowcount
            )
        )
        self._intake.forget()

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
        desk = (await self._intake.desks(fresh=True)).get(where.name)
        if desk is None:
            raise InvalidInput(f"{where.name} takes no feedback yet: call feedback.open first")
        if not text.strip() or len(text) > 20_000:
            raise InvalidInput("feedback needs a text of at most 20,000 characters")
        ref = None if member is None else MemberRef.parse(member)
        store = await self._house.store()
        now = store.clock.now()
        made_key = f"{Source(source).value}/{key or uuid.uuid4().hex}"
        told = self._intake.told(
            where,
            desk,
            key=made_key,
            seen=None if ref is None else Seen(ref=ref, at=to_us(now)),
            source=Source(source),
            text=text,
            kind=None if kind is None else FeedbackKind(kind),
            at=now,
        )

        await self._intake.take([told])
        mine = (feedback_item.c.community == where.name, feedback_item.c.key == made_key)
        (item,) = await store.read(lambda conn: records.find(conn, *mine))
        return item

    def form(
        self,
        *,
        title: str = "",
        language: str = "zh",
        secret: str | None = None,
        most: int = 5,
        community: str | None = None,
    ) -> FormApp:
        """Give the web form as an ASGI application: mount it anywhere (反馈表单).

        It works without scripts and asks for no name: what comes by it is anonymous. The sender's address is counted, as a
        hash with a salt that lives some minutes, and is never written.

        Args:
            title: above the form; the community's title when not given.
            language: of the page, `zh` or `en`.
            secret: signs the form; needed where several processes serve it, at least 16 characters.
            most: submissions from one address within ten minutes.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: no such language, or the secret is too short.
        """
        where = self._community(community)

        async def take(text: str, kind: str, key: str) -> int:
            item = await self.submit(text, kind=kind or None, key=key, community=where.name)
            return item.id

        return FormApp(
            take, title=title or where.title or where.name, language=language, secret=secret, most=most
        )

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
            await self._intake.reply(found, found.channel, text, by=by)
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
        desk = (await self._intake.desks(fresh=True)).get(where.name) or FeedbackDesk()
        store = await self._house.store()
        now = store.clock.now()
        since = to_us(now - last)
        items = await store.read(
            lambda conn: records.find(
                conn, feedback_item.c.community == where.name, feedback_item.c.created_at >= since
            )
        )
        return report_of(items, desk, now=now, zone=where.zone)

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
        chosen = None if kind is None else FeedbackKind(kind)
        told = await store.read(
            lambda conn: records.texts(conn, where, since=to_us(now - 2 * last), kind=chosen)
        )
        return themes_of(told, since=now - last, cut=cutter(self._house.home), most=most)

    # -- told in public

    async def digest(self, *, title: str = "你们说，我们做", community: str | None = None) -> Content | None:
        """Give the digest of what was settled in public and not told yet; None when there is nothing. Nobody is named."""
        where = self._community(community).name
        return await self._digests.content(where, title)

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

    async def _change(self, item: int, values: dict[str, object], *, assigned: bool = False) -> FeedbackItem:
        store = await self._house.store()
        return await store.write(lambda conn: records.amend(conn, item, values, assigned=assigned))
