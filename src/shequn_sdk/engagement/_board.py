"""The board on which all activities stand: what is open, who is told of what is heard, and where posts landed."""

from __future__ import annotations

import hashlib
import json
import weakref
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from shequn_sdk.domain import (
    ChannelRef,
    Community,
    Content,
    Interaction,
    InteractionKind,
    MemberRef,
    Override,
    Priority,
    Receipt,
    new_id,
)
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._rows import NewAct, Row, Spot
from shequn_sdk.engagement.models import Activity, ActivityState, Closing, Span
from shequn_sdk.errors import InvalidInput, ShequnError
from shequn_sdk.house import House, Room
from shequn_sdk.members.identities import Seen, seen_in
from shequn_sdk.scheduling.triggers import Once
from shequn_sdk.stores.schema import from_us, to_us

if TYPE_CHECKING:
    from pydantic import BaseModel

    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Board", "Subject", "key_of", "words_of"]

_K = InteractionKind
_REFERRED = ("poll_id",)
"""Attributes of a landed post by which later events name it."""
_SPOKEN = frozenset({_K.MESSAGE, _K.COMMENT, _K.MENTION, _K.COMMAND, _K.BUTTON, _K.SHARE})


class Board(Room):
    """What is open in this workspace; reads it once for each batch of events, and not at all without subjects."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._subjects: dict[str, Subject] = {}
        self.rows: list[Row] = []
        """What was open when the batch that is being handled came."""
        self._told: weakref.WeakSet[Any] = weakref.WeakSet()

    def tell(self, subject: Subject, dispatcher: Dispatcher) -> None:
        """Let a subject hear of what happens where its activities are open."""
        self._subjects[subject.KIND] = subject
        if dispatcher not in self._told:
            self._told.add(dispatcher)
            dispatcher.on_batch("shequn.engagement", self._hear)

    async def _hear(self, heard: Sequence[Heard]) -> None:
        store = await self._house.store()
        for one in heard:
            event = one.interaction
            if event.kind is _K.CHANNEL_MOVED and event.channel and event.target:
                await store.write(
                    lambda conn, a=one.account, e=event: _rows.move_channel(conn, a, e.channel, e.target)
                )
        rows = [row for row in await store.read(_rows.live) if row.kind in self._subjects]
        self.rows = rows
        for row in rows:
            found = [one for one in heard if not one.interaction.is_bot and self._concerns(row, one)]
            if not found:
                continue
            row = await self.landed(row)  # noqa: PLW2901 - the same activity, better known
            await self._subjects[row.kind].hear(row, found)

    @staticmethod
    def _concerns(row: Row, heard: Heard) -> bool:
        event = heard.interaction
        for spot in row.spots:
            if spot.account != heard.account:
                continue
            if spot.channel == event.channel or (
                spot.message and spot.message in {event.message, event.parent}
            ):
                return True
            if not event.channel and event.kind in {_K.VOTE, _K.RETRACT, _K.BUTTON}:
                return True  # votes that name their poll only
        return False

    async def landed(self, row: Row) -> Row:
        """Find out where the posts stand that had not landed when they were last looked at."""
        if all(spot.message for spot in row.spots):
            return row
        publishing = await self._house.publishing()
        store = await self._house.store()
        spots: list[Spot] = []
        for spot in row.spots:
            if spot.message or not spot.batch:
                spots.append(spot)
                continue
            receipts = await publishing.get_receipts(spot.batch)
            message, refers = "", ""
            for receipt in receipts:
                if str(receipt.channel) == f"{spot.account}:{spot.channel}" and receipt.posts:
                    # the poll, or what is answered, is the last piece of its post
                    post = receipt.posts[-1 if spot.native else 0]
                    message = post.native_id
                    refers = next((str(post.attrs[key]) for key in _REFERRED if post.attrs.get(key)), "")
            if message:
                await store.write(
                    lambda conn, s=spot, m=message, r=refers: _rows.note_landed(
                        conn, row.id, s, message=m, refers=r
                    )
                )
                spot = replace(spot, message=message, refers=refers)  # noqa: PLW2901
            spots.append(spot)
        return replace(row, spots=tuple(spots))


class Subject(Room):
    """What the rooms of engagement share: opening an activity, posting about it, hearing of it, closing it."""

    KIND: ClassVar[str]
    """Kind of its activities."""

    def listen(self, dispatcher: Dispatcher) -> None:
        """Hear what happens in the channels of open activities."""
        self._house.room(Board).tell(self, dispatcher)

    def serve(self, scheduler: Scheduler) -> None:
        """Close what has come to its end."""
        scheduler.handlers.add(f"shequn.{self.KIND}.due", self._due, arguments=Closing)

    @abstractmethod
    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Take note of what happened where an activity is open; may be told again of the same."""

    @abstractmethod
    async def _due(self, arguments: Closing, firing: Firing) -> None: ...

    # what there is

    async def _list(
        self, community: str | None, state: ActivityState | str | None, limit: int
    ) -> list[Activity]:
        name = self._community(community).name if community is not None else None
        chosen = None if state is None else ActivityState(state).value
        store = await self._house.store()
        rows = await store.read(
            lambda conn: _rows.find_many(conn, self.KIND, community=name, state=chosen, limit=limit)
        )
        return [_rows.to_activity(row) for row in rows]

    async def _row(self, number: str) -> Row:
        return await (await self._house.store()).read(lambda conn: _rows.get(conn, number, self.KIND))

    async def _now(self) -> datetime:
        return (await self._house.store()).clock.now()

    def _of(self, row: Row) -> Community:
        found = next((one for one in self._house.communities if one.name == row.community), None)
        return found or Community(name=row.community, title=row.community)

    # opening

    async def _open(
        self,
        *,
        title: str,
        spec: BaseModel,
        content: Content | None,
        to: Sequence[ChannelRef | str],
        community: str | None,
        closes: Span,
        opens: datetime | None = None,
        secret: str = "",
        idempotency_key: str | None,
        number: str = "",
        unposted: str = "",
    ) -> Activity:
        """Write an activity down, plan its end, post about it; the same key opens it once."""
        owner = self._owner(community, to)
        now = await self._now()
        number = number or key_of(self.KIND, owner.name, idempotency_key)
        store = await self._house.store()
        known = await store.read(lambda conn: _rows.find(conn, number))
        if known is not None:
            return await self._post_again(known, content)
        refs = tuple(sorted(dict.fromkeys(ChannelRef.parse(one) for one in to), key=str))
        if not refs:
            raise InvalidInput("to is empty: name at least one channel")
        end = instant_of(closes, now)
        if end is not None and end <= max(now, opens or now):
            raise InvalidInput(f"it would close at {end.isoformat()}, before it opens: give a later end")
        notes: list[str] = []
        natives: set[ChannelRef] = set()
        if content is not None:
            content, natives, notes = await self._fitted(content, refs, owner, end)
        row = Row(
            id=number,
            community=owner.name,
            kind=self.KIND,
            title=title,
            state="open",
            spec=spec.model_dump_json(),
            result="",
            secret=secret,
            opens_at=to_us(opens or now),
            closes_at=None if end is None else to_us(end),
            spots=tuple(
                Spot(
                    unposted if content is None and unposted else "post",
                    ref.account,
                    ref.native_id,
                    "" if content is None else f"engagement/{number}/post",
                    ref in natives,
                    "",
                    "",
                )
                for ref in refs
            ),
        )
        stamp = to_us(now)
        await store.write(lambda conn: _rows.add_activity(conn, row, now=stamp))
        if end is not None:
            await self._plan(row, end)
        return await self._post_again(row, content, notes)

    async def _post_again(self, row: Row, content: Content | None, notes: Sequence[str] = ()) -> Activity:
        if content is None or row.state != "open" or all(spot.message for spot in row.spots):
            return _rows.to_activity(row, notes=notes)
        publishing = await self._house.publishing()
        refs = [ref for ref in row.channels if any(s.batch for s in row.spots)]
        if not await publishing.get_receipts(f"engagement/{row.id}/post"):
            await publishing.publish(
                content, refs, idempotency_key=f"engagement/{row.id}/post", timeout=timedelta(seconds=15)
            )
        return _rows.to_activity(await self._house.room(Board).landed(row), notes=notes)

    async def _fitted(
        self, content: Content, refs: Iterable[ChannelRef], owner: Community, end: datetime | None
    ) -> tuple[Content, set[ChannelRef], list[str]]:
        """Check that the content can be said everywhere; gives it, where its native form is used, and what changed.

        Raises:
            NotSupported: it cannot be said somewhere; nothing was written.
        """
        publishing = await self._house.publishing()
        natives: set[ChannelRef] = set()
        notes: list[str] = []
        overrides: dict[str, str | Override] = dict(content.overrides)
        for ref in refs:
            self._house.accounts.account(ref.account)
            variant = publishing.preview(content, ref)
            if any(piece.poll is not None for piece in variant.pieces):
                natives.add(ref)
            elif content.poll is not None:
                overrides[str(ref)] = self._instead(content, owner, end)
            notes += [f"{ref}: {change.what}: {change.why}" for change in variant.changes]
        if len(overrides) > len(content.overrides):
            content = content.model_copy(update={"overrides": overrides})
        return content, natives, notes

    def _instead(self, content: Content, owner: Community, end: datetime | None) -> Override:
        """Give what is said where the platform has no poll."""
        del owner, end
        return Override(text=content.text, drop=frozenset({"poll"}))

    def _owner(self, community: str | None, to: Sequence[ChannelRef | str]) -> Community:
        """Give the community that is named, or that the first channel belongs to."""
        if community is None:
            for one in to:
                ref = ChannelRef.parse(one)
                for found in self._house.communities:
                    if ref in found.channels:
                        return found
        return self._community(community)

    async def _plan(self, row: Row, at: datetime, what: str = "") -> None:
        """Let the scheduler call `_due` at an instant, once."""
        now = await self._now()
        await (await self._house.scheduler()).create(
            f"shequn.{self.KIND}.due",
            when=Once(max(at, now + timedelta(seconds=1))),
            arguments=Closing(activity=row.id, what=what),
            idempotency_key=f"engagement/{row.id}/{what or 'close'}",
        )

    # acting

    async def _say(
        self,
        row: Row,
        text: str,
        *,
        key: str,
        to: Iterable[ChannelRef] | None = None,
        reply_to: str = "",
        content: Content | None = None,
    ) -> list[Receipt]:
        """Plan a post about an activity; the same key says it once."""
        publishing = await self._house.publishing()
        refs = list(row.channels if to is None else to)
        if not refs:
            return []
        said = content or Content(text=text, reply_to=reply_to or None)
        if reply_to and content is not None:
            said = said.model_copy(update={"reply_to": reply_to})
        return await publishing.plan(
            said,
            refs,
            priority=Priority.REPLY if reply_to else Priority.NORMAL,
            idempotency_key=f"engagement/{row.id}/{key}",
        )

    async def _answer(self, row: Row, heard: Heard, text: str) -> None:
        """Answer a member where they spoke; an account that cannot write there says nothing."""
        event = heard.interaction
        ref = heard.channel
        if ref is None:
            return
        where = event.message if event.kind is not _K.BUTTON else ""
        try:
            await self._say(row, text, key=f"answer/{event.id}"[:200], to=[ref], reply_to=where)
        except ShequnError:
            return

    async def _note(self, row: Row, acts: Sequence[NewAct]) -> int:
        """Note what members did, unless the activity is closed by now."""

        def write(conn: Connection) -> int:
            current = _rows.find(conn, row.id)
            if current is None or current.state != "open":
                return 0
            return _rows.add_acts(conn, row.id, acts)

        return await (await self._house.store()).write(write) if acts else 0

    async def _by_hand(
        self, number: str, member: MemberRef | str, what: str, *, value: str = "", event: str = ""
    ) -> tuple[Row, NewAct]:
        """Give an act that an operator notes for a member.

        Raises:
            UnknownName: there is no such activity.
            InvalidInput: it is closed, or `member` is malformed.
        """
        row = await self._row(number)
        if row.state != "open":
            raise InvalidInput(f"{row.title!r} is {row.state}: nothing can be changed any more")
        ref = MemberRef.parse(member)
        now = to_us(await self._now())
        seen = Seen(ref=ref, at=now)
        return row, NewAct(seen, event or f"hand/{new_id()}", now, what, value)

    async def _closed(self, row: Row, make: Any) -> tuple[Row, bool]:
        """Close in one transaction with its result; gives the row as it is now, and whether this call closed it."""
        now = to_us(await self._now())

        def write(conn: Connection) -> tuple[Row, bool]:
            current = _rows.get(conn, row.id, self.KIND, lock=True)
            if current.state != "open":
                return current, False
            result: str = make(conn, current)
            _rows.settle(conn, current, state="closed", result=result, now=now)
            return replace(current, state="closed", result=result), True

        return await (await self._house.store()).write(write)

    async def _cancel(self, number: str) -> Activity:
        row = await self._row(number)
        now = to_us(await self._now())

        def write(conn: Connection) -> Row:
            current = _rows.get(conn, number, self.KIND, lock=True)
            if current.state == "closed":
                raise InvalidInput(f"{current.title!r} is closed already: its result stands")
            _rows.settle(conn, current, state="cancelled", result="", now=now)
            return replace(current, state="cancelled")

        del row
        return _rows.to_activity(await (await self._house.store()).write(write))

    async def _record(
        self, row: Row, kind: InteractionKind, heard: Interaction, *, key: str, attrs: Mapping[str, Any]
    ) -> None:
        """Let metrics and the other rooms know of what a member did here."""
        made = Interaction(
            id=f"{kind.value}/{row.id}/{key}",
            kind=kind,
            platform=heard.platform,
            account=heard.account,
            channel=heard.channel,
            member=heard.member,
            member_name=heard.member_name,
            username=heard.username,
            occurred_at=heard.occurred_at,
            message=heard.message,
            attrs={"activity": row.id, **attrs},
        )
        await self._house.record([made], community=row.community)


def act_of(heard: Heard, what: str, *, value: str = "", event: str = "") -> NewAct | None:
    """Give the act that an interaction is; None when it names nobody."""
    interaction = heard.interaction
    seen = seen_in(interaction)
    if seen is None:
        return None
    return NewAct(
        seen=seen,
        event=event or interaction.id,
        at=to_us(interaction.occurred_at),
        act=what,
        value=value,
        account=heard.account,
        channel=interaction.channel,
        message=interaction.message,
    )


def instant_of(span: Span, now: datetime) -> datetime | None:
    """Give the instant at which a span ends.

    Raises:
        InvalidInput: a datetime without a zone.
    """
    if span is None:
        return None
    if isinstance(span, timedelta):
        return now + span
    if span.tzinfo is None:
        raise InvalidInput(
            "an instant needs a zone: datetime(2026, 3, 1, 20, tzinfo=ZoneInfo('Asia/Shanghai'))"
        )
    return span.astimezone(UTC)


def key_of(kind: str, community: str, key: str | None) -> str:
    """Give an activity's id: random, or the same for the same key."""
    if key is None:
        return new_id()
    return hashlib.sha256(json.dumps([kind, community, key]).encode()).hexdigest()[:32]


def local_time(community: Community, at: int | datetime) -> str:
    """Write an instant for the community's members."""
    instant = from_us(at) if isinstance(at, int) else at
    local = instant.astimezone(ZoneInfo(community.zone))
    if community.language.startswith("zh"):
        return f"{local.month}月{local.day}日 {local:%H:%M}"
    return f"{local:%d %b %H:%M}"


def words_of(heard: Heard) -> str:
    """Give what a member said: a message's text, a command with its slash, a button's data; "" for all else."""
    event = heard.interaction
    if event.kind not in _SPOKEN:
        return ""
    text = event.text.strip()
    if event.kind is _K.BUTTON:
        return str(event.attrs.get("data") or text)
    if event.kind is _K.COMMAND:
        name = str(event.attrs.get("command") or "")
        rest = str(event.attrs.get("arguments") or "")
        options = event.attrs.get("options")
        if not name:
            name, _, rest = text.lstrip("/").partition(" ")
            if isinstance(options, Mapping):
                rest = " ".join(str(value) for value in options.values())
        return f"/{name} {rest}".strip()
    return text
