"""The room of check-ins: days, streaks, make-up cards and milestones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from sqlalchemy import Connection

from shequn_sdk.domain import (
    Button,
    ChannelRef,
    Community,
    Content,
    Frozen,
    Interaction,
    InteractionKind,
    MemberRef,
    ZoneName,
)
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._board import Subject, act_of, words_of
from shequn_sdk.engagement._rows import Act, NewAct, Row
from shequn_sdk.engagement._words import plain, say
from shequn_sdk.engagement.models import Activity, ActivityState, Closing, Ranked, Span, ranked
from shequn_sdk.engagement.streaks import Streak, local_day, streak_of
from shequn_sdk.errors import InvalidInput
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.stores.schema import from_us, to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing

__all__ = ["CheckInState", "CheckIns"]

_DAYS = ("check_in", "make_up")
_LOUD = 3
"""Times a day that a member who has checked in already is told so, at most: a flood gets no flood of answers."""


class CheckInState(Frozen):
    """How a person stands in a check-in."""

    member: str
    streak: Streak
    cards: int
    """Make-up cards left."""
    days: tuple[date, ...] = ()
    made_up: tuple[date, ...] = ()


class _Spec(Frozen):
    words: tuple[str, ...]
    zone: ZoneName
    begins: time
    milestones: Mapping[int, str] = Field(default_factory=dict)
    answers: Literal["always", "milestones", "never"]
    cards: int
    make_up_within: int


class CheckIns(Subject):
    """Check-ins by the community's local day (打卡), with streaks, make-up cards (补签卡) and milestones.

    The day is that of the platform's time of the message, so a wrong clock of ours changes nothing, and once noted it stays,
    whatever zone the community moves to. A person with members on two platforms checks in once a day; after a merge days on
    which both did count once. A challenge (挑战) is a check-in with an end.
    """

    KIND = "check_in"

    async def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        words: Sequence[str] = ("打卡",),
        closes: Span = None,
        opens: datetime | None = None,
        zone: str | None = None,
        day_begins: time = time(0),
        milestones: Mapping[int, str] | None = None,
        answers: Literal["always", "milestones", "never"] = "always",
        cards: int = 0,
        make_up_within: int = 7,
        text: str = "",
        button: Literal["none", "shown"] = "none",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """Let members check in once a day, and post how.

        Whoever writes one of `words` at the beginning of a message (what follows is their report), gives it as a command, or
        presses the button has checked in. Each is recorded as a `check_in` interaction, so that points and metrics count it.

        Args:
            title: what it is called.
            to: channels as `account:native-id`.
            words: what counts.
            closes: when it ends; None is until `close`.
            opens: first instant that counts; now by default.
            zone: IANA zone of the days; the community's by default.
            day_begins: local time at which a day begins: `time(4)` lets night owls check in for yesterday until four.
            milestones: length of a streak to what is said when it is reached.
            answers: which check-ins are answered.
            cards: make-up cards that everybody has from the start.
            make_up_within: for how many days back they serve.
            text: what is said above, Markdown.
            button: whether a button is shown where the platform has buttons.
            community: whose; that of the first channel by default.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            InvalidInput: no words, or an end before the beginning.
            NotSupported: a channel cannot take the post; nothing was opened.
        """
        kept = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
        if not kept or cards < 0 or make_up_within < 0:
            raise InvalidInput("a check-in needs a word, and numbers that are not negative")
        owner = self._owner(community, to)
        spec = _Spec(
            words=kept,
            zone=zone or owner.zone,
            begins=day_begins,
            milestones=milestones or {},
            answers=answers,
            cards=cards,
            make_up_within=make_up_within,
        )
        lines = [f"**{plain(title, most=200)}**", text, say(owner, "check_in.how", word=plain(kept[0]))]
        shown = Button(label=say(owner, "check_in.button"), data=kept[0])
        return await self._open(
            title=title,
            spec=spec,
            content=Content(
                text="\n\n".join(line for line in lines if line),
                buttons=((shown,),) if button == "shown" else (),
            ),
            to=to,
            community=owner.name,
            closes=closes,
            opens=opens,
            idempotency_key=idempotency_key,
        )

    async def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """Give check-ins, newest first."""
        return await self._list(community, state, limit)

    async def get_state(self, check_in: str, member: MemberRef | str) -> CheckInState:
        """Give how a member's person stands; nobody seen yet stands at nothing.

        Raises:
            UnknownName: there is no such check-in.
        """
        ref = MemberRef.parse(member)
        now = await self._now()

        def look(conn: Connection) -> CheckInState:
            row = _rows.get(conn, check_in, self.KIND)
            return _state(row, ref, _acts_of_member(conn, row, ref), now)

        return await (await self._house.store()).read(look)

    async def check_in(
        self, check_in: str, member: MemberRef | str, *, at: datetime | None = None
    ) -> CheckInState:
        """Note a check-in that was made elsewhere; a second one of the same day changes nothing.

        Args:
            check_in: the check-in's id.
            member: as `platform:native-id`.
            at: when it was made; now by default.

        Raises:
            UnknownName: there is no such check-in.
            InvalidInput: it is closed, or `at` is outside of it.
        """
        row, act = await self._by_hand(check_in, member, "check_in")
        when = act.at if at is None else to_us(at)
        if when < row.opens_at or row.is_over(when) or when > act.at:
            raise InvalidInput(f"{row.title!r} takes no check-in for {from_us(when).isoformat()}")
        ref = act.seen.ref
        made = Interaction(
            id=f"hand:{ref}",
            kind=InteractionKind.CHECK_IN,
            platform=ref.platform,
            member=ref.native_id,
            occurred_at=from_us(when),
        )
        spec = _Spec.model_validate_json(row.spec)
        day = local_day(from_us(when), zone=spec.zone, begins=spec.begins)
        await self._note(row, [replace(act, event=f"{ref}/{day}", at=when, value=day.isoformat())])
        await self._recorded(row, [(made, day)])
        return await self.get_state(check_in, ref)

    async def grant_cards(
        self, check_in: str, member: MemberRef | str, *, cards: int = 1, idempotency_key: str | None = None
    ) -> CheckInState:
        """Give a member make-up cards.

        Raises:
            UnknownName: there is no such check-in.
            InvalidInput: it is closed, or `cards` is not positive.
        """
        if cards < 1:
            raise InvalidInput("cards must be at least 1")
        event = f"cards/{idempotency_key}" if idempotency_key else ""
        row, act = await self._by_hand(check_in, member, "cards", value=str(cards), event=event)
        await self._note(row, [act])
        return await self.get_state(check_in, member)

    async def make_up(self, check_in: str, member: MemberRef | str, *, day: date) -> CheckInState:
        """Make up for a missed day with one card; a day that is there already costs none.

        Raises:
            UnknownName: there is no such check-in.
            InvalidInput: it is closed, no card is left, or the day is not one that can be made up for.
        """
        row, act = await self._by_hand(check_in, member, "make_up", value=day.isoformat())
        spec = _Spec.model_validate_json(row.spec)
        ref = act.seen.ref
        now = await self._now()

        def write(conn: Connection) -> CheckInState:
            current = _rows.get(conn, check_in, self.KIND, lock=True)
            state = _state(current, ref, _acts_of_member(conn, current, ref), now)
            if day in state.days:
                return state
            today = local_day(now, zone=spec.zone, begins=spec.begins)
            first = local_day(from_us(row.opens_at), zone=spec.zone, begins=spec.begins)
            if not first <= day < today or (today - day).days > spec.make_up_within:
                raise InvalidInput(
                    f"{day} cannot be made up for: it must be before today, not before {first}, and at most "
                    f"{spec.make_up_within} days ago"
                )
            if state.cards < 1:
                raise InvalidInput(f"{ref} has no make-up card left")
            _rows.add_acts(conn, row.id, [replace(act, event=f"{ref}/{day}")])
            return _state(current, ref, _acts_of_member(conn, current, ref), now)

        return await (await self._house.store()).write(write)

    async def get_ranking(
        self,
        check_in: str,
        *,
        by: Literal["current", "longest", "total"] = "current",
        limit: int = 10,
    ) -> Sequence[Ranked]:
        """Rank persons by streak or days; equal ones share a rank, and those with nothing are left out.

        Raises:
            UnknownName: there is no such check-in.
        """
        now = await self._now()

        def look(conn: Connection) -> Sequence[Ranked]:
            row = _rows.get(conn, check_in, self.KIND)
            spec = _Spec.model_validate_json(row.spec)
            persons: dict[int, list[Act]] = {}
            for one in _rows.acts_of(conn, row.id, _DAYS):
                persons.setdefault(one.person, []).append(one)
            scores: list[tuple[str, str, int]] = []
            for acts in persons.values():
                streak = _streak(spec, acts, now)
                newest = max(acts, key=lambda one: one.at)
                scores.append((min(one.member for one in acts), newest.name, getattr(streak, by)))
            return [line for line in ranked(scores) if line.score][:limit]

        return await (await self._house.store()).read(look)

    async def close(self, check_in: str) -> Activity:
        """End a check-in; what was noted stays. Closing again changes nothing.

        Raises:
            UnknownName: there is no such check-in.
        """
        row, _ = await self._closed(await self._row(check_in), lambda *_: "")
        return _rows.to_activity(row)

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        if (await self._row(arguments.activity)).state == "open":
            await self.close(arguments.activity)

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Note check-ins, record them, and answer them."""
        spec = _Spec.model_validate_json(row.spec)
        acts: list[NewAct] = []
        made: list[tuple[Heard, date]] = []
        for one in heard:
            if not _checks_in(spec, one):
                continue
            act = act_of(one, "check_in")
            if act is None or act.at < row.opens_at or row.is_over(act.at):
                continue
            day = local_day(one.interaction.occurred_at, zone=spec.zone, begins=spec.begins)
            acts.append(replace(act, event=f"{act.seen.ref}/{day}", value=day.isoformat()))
            acts.append(replace(act, act="said", value=day.isoformat()))
            made.append((one, day))
        if not acts:
            return
        await self._note(row, acts)
        await self._recorded(row, [(one.interaction, day) for one, day in made])
        if spec.answers != "never":
            for one, day in made:
                await self._answer_one(row, spec, one, day)

    async def _recorded(self, row: Row, made: Iterable[tuple[Interaction, date]]) -> None:
        """Record each as an interaction: one per person and day, as far as members are merged by then."""
        for event, day in made:
            ref = MemberRef(platform=event.platform, native_id=event.member)
            first = await (await self._house.store()).read(
                lambda conn, ref=ref, day=day: _first_of_day(conn, row, ref, day)
            )
            if first == str(ref):
                await self._record(
                    row,
                    InteractionKind.CHECK_IN,
                    event,
                    key=f"{ref}/{day}",
                    attrs={"day": day.isoformat(), "title": row.title},
                )

    async def _answer_one(self, row: Row, spec: _Spec, heard: Heard, day: date) -> None:
        event = heard.interaction
        ref = MemberRef(platform=event.platform, native_id=event.member)
        acts = await (await self._house.store()).read(lambda conn: _acts_of_member(conn, row, ref))
        said = [one for one in acts if one.act == "said" and one.value == day.isoformat()]
        place = next((number for number, one in enumerate(said) if one.event == event.id), len(said))
        owner = self._of(row)
        text = ""
        if place == 0:
            text = _answer(owner, spec, heard, _streak(spec, acts, event.occurred_at))
        elif place < _LOUD and spec.answers == "always":
            text = say(owner, "check_in.again", name=plain(event.member_name))
        if text:
            await self._answer(row, heard, text)


def _answer(owner: Community, spec: _Spec, heard: Heard, streak: Streak) -> str:
    name = plain(heard.interaction.member_name)
    words = spec.milestones.get(streak.current)
    if words is not None:
        return say(owner, "check_in.milestone", name=name, days=streak.current, words=words)
    if spec.answers == "milestones":
        return ""
    return say(owner, "check_in.done", name=name, streak=streak.current, total=streak.total)


def _checks_in(spec: _Spec, heard: Heard) -> bool:
    if heard.interaction.kind is InteractionKind.SHARE:
        return False
    said = words_of(heard).removeprefix("/").lstrip("#").casefold()
    for word in spec.words:
        folded = word.casefold()
        if said.startswith(folded):
            after = said[len(folded) : len(folded) + 1]
            # `打卡` and `打卡：跑步 5 公里`, not `打卡机坏了`; Latin words end where a word ends
            if not after or not after.isalnum():
                return True
    return False


def _acts_of_member(conn: Connection, row: Row, ref: MemberRef) -> list[Act]:
    number = find_identities(conn, [ref]).get(ref)
    if number is None:
        return []
    return _rows.acts_of(conn, row.id, person=persons_of(conn, [number])[number])


def _first_of_day(conn: Connection, row: Row, ref: MemberRef, day: date) -> str:
    acts = [one for one in _acts_of_member(conn, row, ref) if one.act == "check_in"]
    return next((one.member for one in acts if one.value == day.isoformat()), "")


def _streak(spec: _Spec, acts: Iterable[Act], now: datetime) -> Streak:
    return streak_of(
        (date.fromisoformat(one.value) for one in acts if one.act in _DAYS),
        today=local_day(now, zone=spec.zone, begins=spec.begins),
        zone=spec.zone,
        begins=spec.begins,
    )


def _state(row: Row, ref: MemberRef, acts: Sequence[Act], now: datetime) -> CheckInState:
    spec = _Spec.model_validate_json(row.spec)
    made_up = {one.value for one in acts if one.act == "make_up"}
    given = sum(int(one.value) for one in acts if one.act == "cards")
    return CheckInState(
        member=str(ref),
        streak=_streak(spec, acts, now),
        cards=max(0, spec.cards + given - len(made_up)),
        days=tuple(sorted({date.fromisoformat(one.value) for one in acts if one.act in _DAYS})),
        made_up=tuple(sorted(map(date.fromisoformat, made_up))),
    )
