"""The room of contests: entries, votes by reaction or number, ties by a rule that is stated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Community, Content, Frozen, InteractionKind
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._board import Subject, act_of, instant_of, local_time, words_of
from shequn_sdk.engagement._rows import Act, NewAct, Row
from shequn_sdk.engagement._words import plain, say
from shequn_sdk.engagement.counting import read_choices
from shequn_sdk.engagement.models import Activity, ActivityState, Closing, Span
from shequn_sdk.errors import InvalidInput
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing

__all__ = ["ContestEntry", "ContestResult", "Contests"]

_K = InteractionKind
_SHOWN = 30


class ContestEntry(Frozen):
    """One entry with its votes."""

    number: int
    """In the order of coming in: by it members vote."""
    rank: int
    member: str
    name: str
    votes: int
    channel: str
    message: str
    """Native id of the message that is the entry."""


class ContestResult(Frozen):
    """How a contest stands (征集评选结果)."""

    activity: str
    title: str
    state: ActivityState
    entries: tuple[ContestEntry, ...] = ()
    """Best first."""
    voters: int = 0
    refused: Mapping[str, int] = Field(default_factory=dict)
    """Votes and entries that do not count, by reason."""


class _Spec(Frozen):
    hashtag: str
    media: Literal["required", "optional"]
    votes: Literal["reaction", "number"]
    votes_each: int
    self_votes: Literal["refused", "counted"]
    ties: Literal["share", "earliest"]
    enter_until: int


@dataclass(slots=True)
class _Entry:
    number: int
    act: Act


@dataclass(slots=True)
class Counted:
    """Entries by number, and their votes."""

    entries: list[_Entry]
    votes: dict[int, set[int]]
    refused: dict[str, int]


def count_contest(
    acts: Iterable[Act], *, enter_until: int, closes_at: int | None, votes_each: int, self_votes: str
) -> Counted:
    """Fold entries and votes: one entry per person, the first; of each person's votes the last `votes_each` that differ.

    A vote names its entry by the entry's message (`channel/message`) or its number. Votes for one's own entry do not count
    where they are refused; what comes after the end does not count.
    """
    refused: defaultdict[str, int] = defaultdict(int)
    entries: list[_Entry] = []
    by_person: dict[int, _Entry] = {}
    by_message: dict[str, _Entry] = {}
    ordered = sorted(acts, key=lambda one: (one.at, one.id))
    for one in ordered:
        if one.act != "entry":
            continue
        if one.at >= enter_until:
            refused["entry too late"] += 1
        elif one.person in by_person:
            refused["second entry of a person"] += 1
        else:
            made = _Entry(len(entries) + 1, one)
            entries.append(made)
            by_person[one.person] = made
            by_message[f"{one.channel}/{one.message}"] = made
    chosen: dict[int, list[int]] = {}
    for one in ordered:
        if one.act not in {"vote", "unvote"}:
            continue
        number = int(one.value) if one.value.isdigit() else 0
        entry = by_message.get(one.value) or (entries[number - 1] if 0 < number <= len(entries) else None)
        if entry is None:
            continue
        if closes_at is not None and one.at >= closes_at:
            refused["vote too late"] += 1
            continue
        mine = chosen.setdefault(one.person, [])
        if entry.number in mine:
            mine.remove(entry.number)
        if one.act == "unvote":
            continue
        if entry.act.person == one.person and self_votes == "refused":
            refused["vote for oneself"] += 1
            continue
        mine.append(entry.number)
        del mine[:-votes_each]
    votes: dict[int, set[int]] = {one.number: set() for one in entries}
    for person, numbers in chosen.items():
        for number in numbers:
            votes[number].add(person)
    return Counted(entries, votes, dict(refused))


class Contests(Subject):
    """Contests and challenges with works (征集、晒图、挑战赛): entries by hashtag, votes by reaction or number."""

    KIND = "contest"

    async def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        hashtag: str,
        enter_for: Span,
        vote_for: Span,
        media: Literal["required", "optional"] = "optional",
        votes: Literal["reaction", "number"] = "reaction",
        votes_each: int = 1,
        self_votes: Literal["refused", "counted"] = "refused",
        ties: Literal["share", "earliest"] = "share",
        text: str = "",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """Call for entries; then post them with numbers, take votes, and post the result.

        A message with the hashtag is an entry, the first of each person. Members vote by reacting to an entry, also while
        entries still come in, or by answering with its number. Each person has `votes_each` votes over all platforms; the
        last ones count. The rules, also that for ties, are in the post.

        Args:
            title: what it is called.
            to: channels as `account:native-id`.
            hashtag: without `#`.
            enter_for: until when entries count: an instant, or a span from now.
            vote_for: until when votes count.
            media: whether an entry needs a picture, video or file.
            votes: how members vote. Not every platform tells of reactions: see `manifest.reports`.
            votes_each: votes per person.
            self_votes: whether votes for one's own entry count.
            ties: equal votes share a rank, or the earlier entry comes first.
            text: what is said about it, Markdown.
            community: whose; that of the first channel by default.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            InvalidInput: no hashtag, or ends that are not in order.
            NotSupported: a channel cannot take the post; nothing was opened.
        """
        now = await self._now()
        enter, vote = instant_of(enter_for, now), instant_of(vote_for, now)
        tag = hashtag.strip().strip("#")
        if not tag or " " in tag or votes_each < 1:
            raise InvalidInput("a contest needs a hashtag of one word, and at least one vote each")
        if enter is None or vote is None or not now < enter <= vote:
            raise InvalidInput("entries end before votes do: give enter_for and vote_for in this order")
        owner = self._owner(community, to)
        spec = _Spec(
            hashtag=tag,
            media=media,
            votes=votes,
            votes_each=votes_each,
            self_votes=self_votes,
            ties=ties,
            enter_until=to_us(enter),
        )
        lines = [f"**{plain(title, most=200)}**", text, say(owner, "contest.how", tag=plain(tag))]
        if media == "required":
            lines.append(say(owner, "contest.media"))
        lines.append(say(owner, f"contest.vote_{votes}", votes=votes_each))
        lines.append(say(owner, f"contest.tie.{ties}"))
        lines.append(say(owner, "vote.until", until=local_time(owner, enter)))
        opened = await self._open(
            title=title,
            spec=spec,
            content=Content(text="\n\n".join(line for line in lines if line)),
            to=to,
            community=owner.name,
            closes=vote,
            idempotency_key=idempotency_key,
        )
        if enter < vote:
            await self._plan(await self._row(opened.id), enter, what="entries")
        return opened

    async def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """Give contests, newest first."""
        return await self._list(community, state, limit)

    async def get_result(self, contest: str) -> ContestResult:
        """Give how a contest stands; once it is closed, what was counted then.

        Raises:
            UnknownName: there is no such contest.
        """
        row = await self._row(contest)
        if row.result:
            return ContestResult.model_validate_json(row.result)
        return await (await self._house.store()).read(lambda conn: _result(conn, row))

    async def close(self, contest: str) -> ContestResult:
        """End a contest and post its result; closing again gives the same.

        Raises:
            UnknownName: there is no such contest.
            InvalidInput: it was cancelled.
        """

        def make(conn: Connection, current: Row) -> str:
            return _result(conn, current).model_copy(update={"state": ActivityState.CLOSED}).model_dump_json()

        row, _ = await self._closed(await self._row(contest), make)
        if not row.result:
            raise InvalidInput(f"{row.title!r} was cancelled: it has no result")
        found = ContestResult.model_validate_json(row.result)
        await self._say(row, _announcement(self._of(row), found), key="result")
        return found

    async def cancel(self, contest: str) -> Activity:
        """End a contest without a result.

        Raises:
            UnknownName: there is no such contest.
            InvalidInput: it is closed.
        """
        return await self._cancel(contest)

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        row = await self._row(arguments.activity)
        if row.state != "open":
            return
        if not arguments.what:
            await self.close(row.id)
            return
        owner = self._of(row)
        found = await self.get_result(row.id)
        lines = [f"**{say(owner, 'contest.entries', title=plain(row.title, most=200))}**"]
        entries = sorted(found.entries, key=lambda one: one.number)[:_SHOWN]
        lines += [f"{one.number}\\. {plain(one.name or one.member)}" for one in entries]
        lines += [] if entries else [say(owner, "contest.nobody")]
        spec = _Spec.model_validate_json(row.spec)
        lines.append(say(owner, f"contest.vote_{spec.votes}", votes=spec.votes_each))
        await self._say(row, "\n\n".join(lines), key="entries")

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Note entries and votes."""
        spec = _Spec.model_validate_json(row.spec)
        acts = [act for one in heard if (act := _read(spec, one)) is not None]
        await self._note(row, acts)


def _read(spec: _Spec, heard: Heard) -> NewAct | None:
    event = heard.interaction
    if event.kind in {_K.MESSAGE, _K.MENTION, _K.SHARE, _K.COMMENT}:
        said = event.text
        if f"#{spec.hashtag}".casefold() in said.casefold():
            shows = any(event.attrs.get(key) for key in ("media", "attachments", "pictures"))
            return act_of(heard, "entry") if shows or spec.media == "optional" else None
        if spec.votes == "number" and (numbers := read_choices(said, [str(n) for n in range(1, 1000)])):
            return act_of(heard, "vote", value=str(numbers[0] + 1)) if len(numbers) == 1 else None
    if spec.votes == "reaction" and event.message:
        place = f"{event.channel}/{event.message}"
        if event.kind is _K.REACTION:
            return act_of(heard, "vote", value=place)
        if event.kind is _K.RETRACT and event.attrs.get("retracts") == "reaction":
            return act_of(heard, "unvote", value=place)
    if words_of(heard).startswith("/vote ") and spec.votes == "number":
        number = words_of(heard).removeprefix("/vote ").strip()
        return act_of(heard, "vote", value=number) if number.isdigit() and len(number) < 4 else None
    return None


def _result(conn: Connection, row: Row) -> ContestResult:
    spec = _Spec.model_validate_json(row.spec)
    counted = count_contest(
        _rows.acts_of(conn, row.id, ("entry", "vote", "unvote")),
        enter_until=spec.enter_until,
        closes_at=row.closes_at,
        votes_each=spec.votes_each,
        self_votes=spec.self_votes,
    )
    ordered = sorted(counted.entries, key=lambda one: (-len(counted.votes[one.number]), one.number))
    entries: list[ContestEntry] = []
    for place, one in enumerate(ordered, 1):
        votes = len(counted.votes[one.number])
        tied = spec.ties == "share" and entries and entries[-1].votes == votes
        entries.append(
            ContestEntry(
                number=one.number,
                rank=entries[-1].rank if tied else place,
                member=one.act.member,
                name=one.act.name,
                votes=votes,
                channel=f"{one.act.account}:{one.act.channel}",
                message=one.act.message,
            )
        )
    return ContestResult(
        activity=row.id,
        title=row.title,
        state=ActivityState(row.state),
        entries=tuple(entries),
        voters=len(set[int]().union(*counted.votes.values())),
        refused=counted.refused,
    )


def _announcement(owner: Community, found: ContestResult) -> str:
    lines = [f"**{say(owner, 'contest.result', title=plain(found.title, most=200))}**"]
    lines += [
        say(owner, "contest.line", rank=one.rank, name=plain(one.name or one.member), votes=one.votes)
        for one in found.entries[:10]
    ]
    return "\n\n".join(lines if found.entries else [*lines, say(owner, "contest.nobody")])
