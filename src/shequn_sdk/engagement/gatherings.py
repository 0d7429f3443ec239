"""The room of gatherings: sign-up, waiting list, reminders, attendance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime

from shequn_sdk.domain import ChannelRef, Community, Content, Frozen, MemberRef
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._board import Subject, act_of, local_time, words_of
from shequn_sdk.engagement._rows import Act, Row
from shequn_sdk.engagement._words import plain, say
from shequn_sdk.engagement.models import Activity, ActivityState, Closing
from shequn_sdk.errors import InvalidInput
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing

__all__ = ["Gathering", "Gatherings", "Guest"]

_ACTS = ("in", "out", "here")


class Guest(Frozen):
    """Somebody who signed up."""

    number: int
    member: str
    name: str
    came: bool = False


class Gathering(Frozen):
    """How a gathering stands (活动报名)."""

    activity: str
    title: str
    state: ActivityState
    starts_at: AwareDatetime
    capacity: int | None
    guests: tuple[Guest, ...] = ()
    waiting: tuple[Guest, ...] = ()
    walk_ins: int = 0
    """Who came without having a place."""

    @property
    def attendance(self) -> float | None:
        """Share of those with a place who came; None without any."""
        return sum(one.came for one in self.guests) / len(self.guests) if self.guests else None


class _Spec(Frozen):
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    place: str
    capacity: int | None
    word: str
    leave: str
    here: str
    reminders: tuple[timedelta, ...]


@dataclass(slots=True)
class Folded:
    """What comes of all sign-ups, by person."""

    order: list[int]
    """In the order of their sign-up that holds."""
    acts: dict[int, Act]
    """Their first act, for the name."""
    here: set[int]


def fold_guests(acts: Iterable[Act], *, closes_at: int | None = None) -> Folded:
    """Fold sign-ups: who cancels and comes again stands at the end; two members of one person are one guest.

    What came at or after `closes_at` changes no place; who says that they are there, is.
    """
    since: dict[int, tuple[int, int]] = {}
    first: dict[int, Act] = {}
    here: set[int] = set()
    for one in sorted(acts, key=lambda one: (one.at, one.id)):
        first[one.person] = one if one.person not in first or one.name else first[one.person]
        if one.act == "here":
            here.add(one.person)
        elif closes_at is None or one.at < closes_at:
            if one.act == "in":
                since.setdefault(one.person, (one.at, one.id))
            else:
                since.pop(one.person, None)
    return Folded(sorted(since, key=lambda person: since[person]), first, here)


class Gatherings(Subject):
    """Lectures and meetings, online and offline (活动): sign-up with places, a waiting list that moves up, reminders, attendance."""

    KIND = "gathering"

    async def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        starts_at: datetime,
        lasts: timedelta = timedelta(hours=2),
        place: str = "",
        capacity: int | None = None,
        word: str = "报名",
        leave: str = "取消报名",
        here: str = "签到",
        reminders: Sequence[timedelta] = (timedelta(days=1), timedelta(hours=1)),
        text: str = "",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """Announce a gathering and take sign-ups until it starts.

        Args:
            title: what it is called.
            to: channels as `account:native-id`.
            starts_at: aware instant.
            lasts: how long; `here` counts from an hour before the start until the end.
            place: where, an address or a link.
            capacity: how many have a place; further ones wait, and move up when somebody cancels. None is without end.
            word: what signs up.
            leave: what cancels.
            here: what says that one is there.
            reminders: how long before the start the channels are reminded; those that have passed are left out.
            text: what is said about it, Markdown.
            community: whose; that of the first channel by default.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            InvalidInput: it starts in the past or without a zone, has no place for anybody, or lasts no time.
            NotSupported: a channel cannot take the post; nothing was opened.
        """
        now = await self._now()
        if starts_at.tzinfo is None or starts_at <= now or lasts <= timedelta(0):
            raise InvalidInput("a gathering starts at an aware instant to come, and lasts a while")
        if capacity is not None and capacity < 1:
            raise InvalidInput("capacity must be at least 1")
        owner = self._owner(community, to)
        spec = _Spec(
            starts_at=starts_at,
            ends_at=starts_at + lasts,
            place=place,
            capacity=capacity,
            word=word.strip(),
            leave=leave.strip(),
            here=here.strip(),
            reminders=tuple(reminders),
        )
        opened = await self._open(
            title=title,
            spec=spec,
            content=Content(text=_invitation(owner, spec, title, text)),
            to=to,
            community=owner.name,
            closes=spec.ends_at,
            idempotency_key=idempotency_key,
        )
        row = await self._row(opened.id)
        for before in spec.reminders:
            if starts_at - before > now:
                await self._plan(row, starts_at - before, what=f"remind/{int(before.total_seconds())}")
        return opened

    async def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """Give gatherings, newest first."""
        return await self._list(community, state, limit)

    async def get(self, gathering: str) -> Gathering:
        """Give who has a place, who waits, and who came.

        Raises:
            UnknownName: there is no such gathering.
        """
        row = await self._row(gathering)
        acts = await (await self._house.store()).read(lambda conn: _rows.acts_of(conn, row.id, _ACTS))
        return _gathering(row, acts)

    async def sign_up(self, gathering: str, member: MemberRef | str) -> Gathering:
        """Sign a member up; again is no error.

        Raises:
            UnknownName: there is no such gathering.
            InvalidInput: it is over.
        """
        return await self._set(gathering, member, "in")

    async def cancel_sign_up(self, gathering: str, member: MemberRef | str) -> Gathering:
        """Take a member off; the next who waits has the place.

        Raises:
            UnknownName: there is no such gathering.
            InvalidInput: it is over.
        """
        return await self._set(gathering, member, "out")

    async def attend(self, gathering: str, member: MemberRef | str) -> Gathering:
        """Note that a member is there, with a place or without.

        Raises:
            UnknownName: there is no such gathering.
            InvalidInput: it is over: its attendance stands.
        """
        return await self._set(gathering, member, "here")

    async def cancel(self, gathering: str) -> Activity:
        """Call a gathering off; its reminders are not sent.

        Raises:
            UnknownName: there is no such gathering.
            InvalidInput: it is over.
        """
        return await self._cancel(gathering)

    async def _set(self, gathering: str, member: MemberRef | str, what: str) -> Gathering:
        row, act = await self._by_hand(gathering, member, what)
        before = await self.get(gathering)
        await self._note(row, [act])
        after = await self.get(gathering)
        await self._moved_up(row, before, after)
        return after

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        row = await self._row(arguments.activity)
        if row.state != "open":
            return
        if not arguments.what:
            await self._closed(row, lambda *_: "")
            return
        owner = self._of(row)
        spec = _Spec.model_validate_json(row.spec)
        text = say(
            owner,
            "gathering.remind",
            title=plain(row.title, most=200),
            start=local_time(owner, spec.starts_at),
        )
        if spec.place:
            text += "\n\n" + say(owner, "gathering.where", place=plain(spec.place, most=300))
        await self._say(row, text, key=arguments.what)

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Note sign-ups and arrivals, one after another, and answer them."""
        spec = _Spec.model_validate_json(row.spec)
        owner = self._of(row)
        for one in heard:
            what = _means(spec, words_of(one).removeprefix("/"))
            act = act_of(one, what) if what else None
            if act is None or not _in_time(spec, what, act.at):
                continue
            before = await self.get(row.id)
            await self._note(row, [act])
            after = await self.get(row.id)
            text = _reply(owner, what, after, one)
            if text:
                await self._answer(row, one, text)
            await self._moved_up(row, before, after)

    async def _moved_up(self, row: Row, before: Gathering, after: Gathering) -> None:
        """Tell those who waited that they have a place now."""
        waited = {one.member for one in before.waiting}
        for one in after.guests:
            if one.member in waited:
                owner = self._of(row)
                text = say(owner, "gathering.moved_up", name=plain(one.name or one.member))
                await self._say(
                    row, text, key=f"up/{one.member}/{len(before.guests)}/{len(before.waiting)}"[:180]
                )


def _means(spec: _Spec, said: str) -> str:
    folded = said.strip().casefold()
    if not folded:
        return ""
    return {spec.leave.casefold(): "out", spec.word.casefold(): "in", spec.here.casefold(): "here"}.get(
        folded, ""
    )


def _in_time(spec: _Spec, what: str, at: int) -> bool:
    if what == "here":
        return to_us(spec.starts_at - timedelta(hours=1)) <= at < to_us(spec.ends_at)
    return at < to_us(spec.starts_at)


def _reply(owner: Community, what: str, found: Gathering, heard: Heard) -> str:
    event = heard.interaction
    name = plain(event.member_name)
    ref = f"{event.platform}:{event.member}"
    if what == "out":
        return say(owner, "gathering.out", name=name)
    if what == "here":
        return say(owner, "gathering.here", name=name)
    for key, guests in (("gathering.in", found.guests), ("gathering.waits", found.waiting)):
        number = next((one.number for one in guests if one.member == ref), None)
        if number is not None:
            return say(owner, key, name=name, number=number)
    return ""


def _gathering(row: Row, acts: Sequence[Act]) -> Gathering:
    spec = _Spec.model_validate_json(row.spec)
    folded = fold_guests(acts)
    most = len(folded.order) if spec.capacity is None else spec.capacity

    def guest(number: int, person: int) -> Guest:
        act = folded.acts[person]
        return Guest(number=number, member=act.member, name=act.name, came=person in folded.here)

    placed = folded.order[:most]
    return Gathering(
        activity=row.id,
        title=row.title,
        state=ActivityState(row.state),
        starts_at=spec.starts_at,
        capacity=spec.capacity,
        guests=tuple(guest(number, person) for number, person in enumerate(placed, 1)),
        waiting=tuple(guest(number, person) for number, person in enumerate(folded.order[most:], 1)),
        walk_ins=len(folded.here - set(placed)),
    )


def _invitation(owner: Community, spec: _Spec, title: str, text: str) -> str:
    lines = [f"**{plain(title, most=200)}**", text]
    lines.append(say(owner, "gathering.when", start=local_time(owner, spec.starts_at)))
    if spec.place:
        lines.append(say(owner, "gathering.where", place=plain(spec.place, most=300)))
    if spec.capacity is not None:
        lines.append(say(owner, "gathering.places", capacity=spec.capacity))
    lines.append(say(owner, "gathering.how", word=plain(spec.word), leave=plain(spec.leave)))
    return "\n\n".join(line for line in lines if line)
