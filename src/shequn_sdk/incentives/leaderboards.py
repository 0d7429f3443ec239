"""The room of leaderboards: who earned most, of those who want to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, insert, select

from shequn_sdk.domain import ChannelRef, Community, Content, Frozen, MemberRef, Receipt
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.incentives import _ledger
from shequn_sdk.incentives._specs import faces, identity_of, person_of
from shequn_sdk.incentives._words import plain, say
from shequn_sdk.scheduling.triggers import AnyTrigger
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.incentives import opt_out
from shequn_sdk.stores.tables.members import identity

if TYPE_CHECKING:
    from shequn_sdk.scheduling.models import Firing, Schedule
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Leaderboard", "Leaderboards", "Period", "Standing"]

Period: TypeAlias = Literal["day", "week", "month", "all"]


class Standing(Frozen):
    """One line of a leaderboard. Equal points share a rank, and the ranks after them are left out: 1, 2, 2, 4."""

    rank: int
    member: str
    name: str
    points: int


class Leaderboard(Frozen):
    """Who earned most in a period (排行榜)."""

    community: str
    period: Period
    since: date | None
    """First local day; None is from the beginning."""
    until: date | None
    """First local day that is not in it any more."""
    lines: tuple[Standing, ...]
    hidden: int = 0
    """Persons left out because they do not want to be seen."""


class _Posting(Frozen):
    community: str
    to: tuple[ChannelRef, ...]
    period: Period
    limit: int


class Leaderboards(Room):
    """Leaderboards of points earned (排行榜), by the community's local days; whoever opted out is not on them."""

    def serve(self, scheduler: Scheduler) -> None:
        """Post what is to be posted regularly."""
        scheduler.handlers.add("shequn.leaderboards.post", self._scheduled, arguments=_Posting)

    async def get(
        self,
        *,
        period: Period = "week",
        back: int = 0,
        rule: str | None = None,
        limit: int = 10,
        community: str | None = None,
    ) -> Leaderboard:
        """Give who earned most. What was taken back does not count; what was spent does.

        Everybody who ties with the last place is on it too, so there may be more than `limit` lines.

        Args:
            period: the local day, week from Monday, month, or everything.
            back: how many periods ago: 1 is yesterday, last week or last month.
            rule: only points of this rule.
            limit: how many places.
            community: whose.

        Raises:
            InvalidInput: `back` or `limit` makes no sense.
        """
        owner = self._community(community)
        if back < 0 or limit < 1:
            raise InvalidInput("back must not be negative, and limit at least 1")
        store = await self._house.store()
        today = store.clock.now().astimezone(ZoneInfo(owner.zone)).date()
        since, until = bounds(period, today, back)

        def look(conn: Connection) -> Leaderboard:
            scores = _ledger.earned(
                conn,
                owner.name,
                since=since.isoformat() if since else "",
                until=until.isoformat() if until else "9",
                rule=rule,
            )
            gone = _hidden(conn, owner.name) & set(scores)
            return Leaderboard(
                community=owner.name,
                period=period,
                since=since,
                until=until,
                lines=_lines(conn, {one: score for one, score in scores.items() if one not in gone}, limit),
                hidden=len(gone),
            )

        return await store.read(look)

    async def opt_out(self, member: MemberRef | str, *, community: str | None = None) -> None:
        """Leave a member's person off all leaderboards; again is no error."""
        await self._choose(member, community, hide=True)

    async def opt_in(self, member: MemberRef | str, *, community: str | None = None) -> None:
        """Show a member's person again."""
        await self._choose(member, community, hide=False)

    async def post(
        self,
        to: Sequence[ChannelRef | str],
        *,
        period: Period = "week",
        back: int = 0,
        limit: int = 10,
        community: str | None = None,
        idempotency_key: str,
    ) -> Sequence[Receipt]:
        """Post a leaderboard; the same key posts it once.

        Raises:
            InvalidInput: a channel is malformed, or `back` or `limit` makes no sense.
        """
        board = await self.get(period=period, back=back, limit=limit, community=community)
        publishing = await self._house.publishing()
        return await publishing.plan(
            Content(text=_text(self._community(community), board)),
            [ChannelRef.parse(one) for one in to],
            idempotency_key=idempotency_key,
        )

    async def post_regularly(
        self,
        to: Sequence[ChannelRef | str],
        *,
        when: AnyTrigger,
        period: Period = "week",
        limit: int = 10,
        community: str | None = None,
    ) -> Schedule:
        """Post the leaderboard of the period that has ended, whenever `when` says, such as Mondays at nine.

        Raises:
            InvalidInput: a channel is malformed, or the trigger has nothing to come.
        """
        owner = self._community(community)
        posting = _Posting(
            community=owner.name,
            to=tuple(ChannelRef.parse(one) for one in to),
            period=period,
            limit=limit,
        )
        return await (await self._house.scheduler()).create(
            "shequn.leaderboards.post", when=when, arguments=posting
        )

    async def _scheduled(self, arguments: _Posting, firing: Firing) -> None:
        await self.post(
            arguments.to,
            period=arguments.period,
            back=0 if arguments.period == "all" else 1,
            limit=arguments.limit,
            community=arguments.community,
            idempotency_key=firing.key,
        )

    async def _choose(self, member: MemberRef | str, community: str | None, *, hide: bool) -> None:
        owner, ref = self._community(community), MemberRef.parse(member)
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            if hide:
                number = identity_of(conn, [ref], now)[ref]
                key = (opt_out.c.community == owner.name, opt_out.c.identity_id == number)
                if conn.execute(select(opt_out.c.at).where(*key)).first() is None:
                    conn.execute(insert(opt_out).values(community=owner.name, identity_id=number, at=now))
                return
            person = person_of(conn, ref)
            if person is None:
                raise UnknownName("member", str(ref))
            mine = select(identity.c.id).where(identity.c.person_id == person)
            conn.execute(
                delete(opt_out).where(opt_out.c.community == owner.name, opt_out.c.identity_id.in_(mine))
            )

        await store.write(write)


def bounds(period: Period, today: date, back: int) -> tuple[date | None, date | None]:
    """Give the first local day of a period and the first after it.

    >>> bounds("week", date(2026, 3, 4), 1)
    (datetime.date(2026, 2, 23), datetime.date(2026, 3, 2))
    """
    if period == "all":
        return None, None
    if period == "day":
        first = today - timedelta(days=back)
        return first, first + timedelta(days=1)
    if period == "week":
        first = today - timedelta(days=today.weekday() + 7 * back)
        return first, first + timedelta(days=7)
    months = today.year * 12 + today.month - 1 - back
    first = date(months // 12, months % 12 + 1, 1)
    months += 1
    return first, date(months // 12, months % 12 + 1, 1)


def _hidden(conn: Connection, community: str) -> set[int]:
    query = (
        select(identity.c.person_id)
        .join(opt_out, opt_out.c.identity_id == identity.c.id)
        .where(opt_out.c.community == community)
    )
    return set(conn.execute(query).scalars())


def _lines(conn: Connection, scores: dict[int, int], limit: int) -> tuple[Standing, ...]:
    ordered = sorted(scores.items(), key=lambda one: (-one[1], one[0]))
    kept = [one for place, one in enumerate(ordered) if place < limit or one[1] == ordered[limit - 1][1]]
    named = faces(conn, [person for person, _ in kept])
    lines: list[Standing] = []
    for place, (person, points) in enumerate(kept, 1):
        rank = lines[-1].rank if lines and lines[-1].points == points else place
        member, name = named[person]
        lines.append(Standing(rank=rank, member=member, name=name, points=points))
    return tuple(lines)


def _text(owner: Community, board: Leaderboard) -> str:
    lines = [f"**{say(owner, 'board.' + board.period)}**"]
    lines += [
        say(owner, "board.line", rank=one.rank, name=plain(one.name or one.member), points=one.points)
        for one in board.lines
    ]
    return "\n\n".join(lines if board.lines else [*lines, say(owner, "board.nobody")])
