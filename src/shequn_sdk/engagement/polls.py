"""The room of polls: one question to several platforms, one vote per person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, cast

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from shequn_sdk.domain import (
    ChannelRef,
    Community,
    Content,
    Frozen,
    InteractionKind,
    MemberRef,
    Override,
    Poll,
    PollResult,
)
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._board import Board, Subject, act_of, instant_of, local_time, words_of
from shequn_sdk.engagement._rows import Act, NewAct, Row, Spot
from shequn_sdk.engagement._words import plain, say
from shequn_sdk.engagement.counting import read_choices
from shequn_sdk.engagement.models import Activity, ActivityState, Closing, Span
from shequn_sdk.errors import InvalidInput, ShequnError
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Polls as PollPort
from shequn_sdk.stores.schema import from_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing

__all__ = ["ChoiceCount", "PollTally", "Polls", "count_votes"]

_VOTES = ("set", "add", "remove", "clear")


class ChoiceCount(Frozen):
    """How often a choice was chosen."""

    choice: str
    votes: int
    share: float
    """Of the voters; with several choices per voter the shares add up to more than 1. 0 without voters."""
    by_platform: Mapping[str, int] = Field(default_factory=dict)


class PollTally(Frozen):
    """How a poll stands, over all platforms together (投票结果)."""

    activity: str
    question: str
    state: ActivityState
    choices: tuple[ChoiceCount, ...]
    voters: int
    """Persons: one with identities on two platforms is one."""
    by_platform: Mapping[str, int] = Field(default_factory=dict)
    """Voters by the platform of the vote that counts."""
    late: int = 0
    """Votes cast after the end, which do not count."""
    closed_at: AwareDatetime | None = None
    notes: tuple[str, ...] = ()


class _Spec(Frozen):
    question: str
    choices: tuple[str, ...]
    multiple: bool = False
    anonymous: bool = False
    intro: str = ""
    results: Literal["post", "keep"] = "post"


@dataclass(slots=True)
class _Ballot:
    chosen: set[int] = field(default_factory=set[int])
    at: tuple[int, int] = (0, 0)
    platform: str = ""


@dataclass(slots=True)
class _Counted:
    ballots: dict[int, _Ballot]
    late: int = 0


def count_votes(acts: Iterable[Act], *, choices: int, multiple: bool, closes_at: int | None) -> _Counted:
    """Fold what was done into one ballot per person.

    Each identity's last word is its vote; of a person's identities the one that voted last counts, so that a merge of two
    members turns two votes into one, whenever it comes before the end. What was cast at or after the end is left out.
    """
    late = 0
    single: dict[int, _Ballot] = {}
    owner: dict[int, int] = {}
    for one in sorted(acts, key=lambda one: (one.at, one.id)):
        if closes_at is not None and one.at >= closes_at:
            late += one.act != "clear"
            continue
        ballot = single.setdefault(one.identity, _Ballot(platform=one.platform))
        owner[one.identity] = one.person
        named = {int(part) for part in one.value.split(",") if part}
        named = {index for index in named if 0 <= index < choices}
        if one.act == "set" or (one.act == "add" and not multiple):
            ballot.chosen = named if multiple or len(named) == 1 else ballot.chosen
        elif one.act == "add":
            ballot.chosen = ballot.chosen | named
        elif one.act == "remove":
            ballot.chosen = ballot.chosen - named
        else:
            ballot.chosen = set()
        ballot.at = (one.at, one.id)
    persons: dict[int, _Ballot] = {}
    for identity, ballot in single.items():
        known = persons.get(owner[identity])
        if ballot.chosen and (known is None or ballot.at > known.at):
            persons[owner[identity]] = ballot
    return _Counted(persons, late)


class Polls(Subject):
    """Polls over all platforms together (投票): native where there are such, else numbered choices counted from answers."""

    KIND = "poll"

    async def open(
        self,
        poll: Poll,
        *,
        to: Sequence[ChannelRef | str],
        closes: Span = None,
        community: str | None = None,
        intro: str = "",
        results: Literal["post", "keep"] = "post",
        idempotency_key: str | None = None,
    ) -> Activity:
        """Ask members to choose.

        Where the platform has polls its own is posted, with `poll.anonymous` as given: votes of an anonymous one come as
        totals only, at the end. Elsewhere the choices are numbered, and an answer to the post, or a message in its channel
        that is nothing but numbers, is a vote. Each person has one vote over all platforms; the last one counts.

        Args:
            poll: the question; its own `duration` is replaced by `closes`.
            to: channels as `account:native-id`.
            closes: when votes stop counting; None until `close`.
            community: whose; that of the first channel by default.
            intro: what is said above it, Markdown.
            results: whether the result is posted when it closes.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            NotSupported: a channel can take it in no form; nothing was opened.
            InvalidInput: fewer than two choices, two alike, or an end before now.
        """
        if len(poll.choices) < 2 or len(set(poll.choices)) < len(poll.choices):
            raise InvalidInput("a poll needs at least two choices, all different")
        spec = _Spec(
            question=poll.question,
            choices=poll.choices,
            multiple=poll.multiple,
            anonymous=poll.anonymous,
            intro=intro,
            results=results,
        )
        now = await self._now()
        end = instant_of(closes, now)
        content = Content(text=intro, poll=poll.model_copy(update={"duration": None}))
        if end is not None:
            content = self._with_durations(content, poll, to, end=end, now=now)
        return await self._open(
            title=poll.question,
            spec=spec,
            content=content,
            to=to,
            community=community,
            closes=end,
            idempotency_key=idempotency_key,
        )

    def _with_durations(
        self, content: Content, poll: Poll, to: Sequence[ChannelRef | str], *, end: datetime, now: datetime
    ) -> Content:
        """Let each platform's own poll end by itself where it can; where it cannot, we end it."""
        overrides: dict[str, str | Override] = {}
        for ref in map(ChannelRef.parse, to):
            allowed = self._house.accounts.manifest(ref.account).limits.poll_duration
            if allowed is None or end - now > allowed[1]:
                continue
            lasts = max(end - now, allowed[0])
            overrides[str(ref)] = Override(poll=poll.model_copy(update={"duration": lasts}))
        return content.model_copy(update={"overrides": overrides})

    def _instead(self, content: Content, owner: Community, end: datetime | None) -> Override:
        poll = cast("Poll", content.poll)
        lines = [f"**{plain(poll.question, most=300)}**", ""]
        lines += [f"{number}\\. {plain(choice, most=200)}" for number, choice in enumerate(poll.choices, 1)]
        lines += ["", say(owner, "vote.how_many" if poll.multiple else "vote.how")]
        if end is not None:
            lines.append(say(owner, "vote.until", until=local_time(owner, end)))
        text = "\n".join(lines)
        return Override(text=f"{content.text}\n\n{text}" if content.text else text, drop=frozenset({"poll"}))

    async def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """Give polls, newest first."""
        return await self._list(community, state, limit)

    async def get_result(self, poll: str) -> PollTally:
        """Give how a poll stands; once it is closed, what was counted then.

        Raises:
            UnknownName: there is no such poll.
        """
        row = await self._row(poll)
        if row.result:
            return PollTally.model_validate_json(row.result)
        store = await self._house.store()
        return await store.read(lambda conn: _tally(conn, row, {}, ()))

    async def vote(self, poll: str, member: MemberRef | str, *, choices: Sequence[int]) -> PollTally:
        """Note a vote that was given elsewhere, on paper or by telephone; `choices` are counted from 1.

        Raises:
            UnknownName: there is no such poll.
            InvalidInput: it is closed, or has no such choice.
        """
        row, new = await self._by_hand(poll, member, "set")
        spec = _Spec.model_validate_json(row.spec)
        wanted = sorted({one - 1 for one in choices})
        if not all(0 <= one < len(spec.choices) for one in wanted) or (len(wanted) > 1 and not spec.multiple):
            raise InvalidInput(
                f"choose {'from' if spec.multiple else 'one of'} 1 to {len(spec.choices)}", source="choices"
            )
        act = NewAct(new.seen, new.event, new.at, "set" if wanted else "clear", ",".join(map(str, wanted)))
        await self._note(row, [act])
        return await self.get_result(poll)

    async def close(self, poll: str) -> PollTally:
        """End a poll, and post its result where `results` says so; closing again gives the same result.

        Native polls are ended on their platforms too. What is counted now stands: persons that are merged later change
        nothing any more.

        Raises:
            UnknownName: there is no such poll.
        """
        row = await self._house.room(Board).landed(await self._row(poll))
        told: dict[str, PollResult] = {}
        notes: list[str] = []
        spec = _Spec.model_validate_json(row.spec)
        if row.state == "open":
            for spot in row.spots:
                if spot.native and spot.message:
                    await self._end_native(spot, told, notes)

        def make(conn: Connection, current: Row) -> str:
            return _tally(
                conn, current, told if spec.anonymous else {}, _differences(current, told, notes), closed=True
            ).model_dump_json()

        row, _ = await self._closed(row, make)
        if not row.result:
            raise InvalidInput(f"{row.title!r} was cancelled: it has no result")
        tally = PollTally.model_validate_json(row.result)
        if spec.results == "post":
            await self._say(row, _announcement(self._of(row), tally), key="result")
        return tally

    async def cancel(self, poll: str) -> Activity:
        """End a poll without a result.

        Raises:
            UnknownName: there is no such poll.
            InvalidInput: it is closed.
        """
        return await self._cancel(poll)

    async def _end_native(self, spot: Spot, told: dict[str, PollResult], notes: list[str]) -> None:
        manifest = self._house.accounts.manifest(spot.account)
        if not manifest.supports(Capability.CLOSE_POLL):
            notes.append(
                f"{spot.account}:{spot.channel} stays open: {manifest.explain(Capability.CLOSE_POLL)}"
            )
            return
        adapter = cast("PollPort", self._house.accounts.adapter(spot.account))
        try:
            told[f"{spot.account}:{spot.channel}"] = await adapter.close_poll(spot.channel, spot.message)
        except ShequnError as error:
            notes.append(f"{spot.account}:{spot.channel} was not ended on its platform: {error}")

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        row = await self._row(arguments.activity)
        if row.state == "open":
            await self.close(row.id)

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Note votes."""
        spec = _Spec.model_validate_json(row.spec)
        numbered = [one for one in self._house.room(Board).rows if one.kind == self.KIND]
        await self._note(row, [act for one in heard if (act := _vote(row, spec, one, numbered)) is not None])


def _vote(row: Row, spec: _Spec, heard: Heard, open_polls: Sequence[Row]) -> NewAct | None:
    """Give the vote that an interaction is."""
    event = heard.interaction
    kind = event.kind
    attrs = event.attrs
    native = kind is InteractionKind.VOTE or (
        kind is InteractionKind.RETRACT and attrs.get("retracts") == "vote"
    )
    if native:
        if not any(
            spot.account == heard.account
            and spot.native
            and (
                (spot.message and spot.message == event.message)
                or (spot.refers and spot.refers == attrs.get("poll"))
            )
            for spot in row.spots
        ):
            return None
        chosen = attrs.get("choices")
        one = attrs.get("choice")
        if kind is InteractionKind.VOTE and isinstance(chosen, list):
            return act_of(heard, "set", value=",".join(str(n) for n in chosen if isinstance(n, int)))
        if isinstance(one, int):
            return act_of(heard, "add" if kind is InteractionKind.VOTE else "remove", value=str(one))
        return act_of(heard, "clear") if kind is InteractionKind.RETRACT else None
    text = words_of(heard)
    if not text:
        return None
    spot = next(
        (
            spot
            for spot in row.spots
            if spot.account == heard.account
            and not spot.native
            and (spot.channel == event.channel or (spot.message and spot.message == event.parent))
        ),
        None,
    )
    if spot is None:
        return None
    if event.parent:
        if event.parent != spot.message:
            return None
    else:  # a bare number is for the newest poll of the channel
        here = [
            one
            for one in open_polls
            if any(
                (s.account, s.channel, s.native) == (heard.account, event.channel, False) for s in one.spots
            )
        ]
        if not here or max(here, key=lambda one: (one.opens_at, one.id)).id != row.id:
            return None
    named = read_choices(text.removeprefix("/vote").strip(), spec.choices)
    if not named or (len(named) > 1 and not spec.multiple):
        return None
    return act_of(heard, "set", value=",".join(map(str, named)))


def _tally(
    conn: Connection,
    row: Row,
    totals: Mapping[str, PollResult],
    notes: Sequence[str],
    *,
    closed: bool = False,
) -> PollTally:
    spec = _Spec.model_validate_json(row.spec)
    counted = count_votes(
        _rows.acts_of(conn, row.id, _VOTES),
        choices=len(spec.choices),
        multiple=spec.multiple,
        closes_at=row.closes_at,
    )
    votes = [Counter[str]() for _ in spec.choices]
    voters: Counter[str] = Counter()
    for ballot in counted.ballots.values():
        voters[ballot.platform] += 1
        for index in ballot.chosen:
            votes[index][ballot.platform] += 1
    said = list(notes)
    for place, result in totals.items():
        for index, number in enumerate(result.votes[: len(votes)]):
            votes[index][place] += number
        voters[place] += result.voters if result.voters is not None else sum(result.votes)
        said.append(f"{place}: votes of an anonymous poll come as totals; nobody can be counted once there")
    total = sum(voters.values())
    return PollTally(
        activity=row.id,
        question=spec.question,
        state=ActivityState.CLOSED if closed else ActivityState(row.state),
        choices=tuple(
            ChoiceCount(
                choice=choice,
                votes=sum(count.values()),
                share=sum(count.values()) / total if total else 0.0,
                by_platform=dict(sorted(count.items())),
            )
            for choice, count in zip(spec.choices, votes, strict=True)
        ),
        voters=total,
        by_platform=dict(sorted(voters.items())),
        late=counted.late,
        closed_at=None if row.closes_at is None else from_us(row.closes_at),
        notes=tuple(said),
    )


def _differences(row: Row, told: Mapping[str, PollResult], notes: Sequence[str]) -> list[str]:
    """Give the notes, and where a platform counted nobody's vote so that theirs and ours cannot be compared."""
    del row
    return [
        *notes,
        *(
            f"{place}: {result.voters} voters by the platform's own count"
            for place, result in told.items()
            if result.voters is not None
        ),
    ]


def _announcement(owner: Community, tally: PollTally) -> str:
    lines = [f"**{say(owner, 'vote.result', title=plain(tally.question, most=300))}**", ""]
    lines += [
        say(
            owner,
            "vote.line",
            choice=f"{number}\\. {plain(one.choice, most=200)}",
            votes=one.votes,
            share=round(one.share * 100),
        )
        for number, one in enumerate(tally.choices, 1)
    ]
    lines += ["", say(owner, "vote.voters", voters=tally.voters)]
    return "\n".join(lines)
