"""The room of badges: what a person has reached once stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, delete, func, insert, select

from shequn_sdk.domain import ChannelRef, Community, Content, Frozen, MemberRef, Name
from shequn_sdk.engagement.streaks import streak_of
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.incentives import _ledger
from shequn_sdk.incentives._specs import faces, identity_of, person_of, read_specs, remove_spec, write_spec
from shequn_sdk.incentives._words import plain, say
from shequn_sdk.scheduling.triggers import Every
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.engagement import act, activity
from shequn_sdk.stores.tables.incentives import badge_award, points_account, points_entry
from shequn_sdk.stores.tables.members import identity
from shequn_sdk.stores.tables.profiles import person_change

if TYPE_CHECKING:
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Badge", "BadgeAward", "Badges"]

_WHOLE = timedelta(days=7)
"""After this time a review looks at everybody again, and not only at who was awarded points or after a merge."""
_OUT_OF_ORDER = 1000
"""Entries on a server that others may have written later than newer ones; a file has one writer at a time."""


class Badge(Frozen):
    """What can be reached (徽章)."""

    name: Name
    title: str = Field(min_length=1, max_length=100)
    by: Literal["points", "check_ins", "streak", "awards", "hand"] = "hand"
    """Points earned, days of check-in, longest streak of check-ins, awards by a rule of points, or only by hand."""
    at_least: int = Field(default=1, ge=1)
    rule: str = ""
    """The rule whose awards count, for `awards`."""
    announce: tuple[ChannelRef, ...] = ()
    """Where it is said when somebody reaches it."""


class BadgeAward(Frozen):
    """A badge that somebody has."""

    badge: Name
    title: str
    member: str
    name: str
    at: AwareDatetime
    note: str = ""


class _Due(Frozen):
    community: str


class _Look(NamedTuple):
    """What the last review has seen."""

    defined: Mapping[str, Badge]
    entry: int
    merge: int
    """Number of the newest change of persons."""
    whole_at: datetime


class Badges(Room):
    """Badges (徽章): reached once, kept for good, one per person however many members they have."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._looks: dict[str, _Look] = {}

    def serve(self, scheduler: Scheduler) -> None:
        """Look every ten minutes for who has reached one."""
        scheduler.handlers.add("shequn.badges.review", self._scheduled, arguments=_Due)

    async def define(self, badge: Badge, *, community: str | None = None) -> Badge:
        """Define a badge, or change the one of its name; who has it keeps it.

        Raises:
            InvalidInput: it counts awards and names no rule.
        """
        if badge.by == "awards" and not badge.rule:
            raise InvalidInput("say which rule's awards count: rule='talk'")
        owner = self._community(community)
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(lambda conn: write_spec(conn, owner.name, "badge", badge.name, badge, now=now))
        if badge.by != "hand":
            await (await self._house.scheduler()).create(
                "shequn.badges.review",
                when=Every(timedelta(minutes=10)),
                arguments=_Due(community=owner.name),
                idempotency_key=f"badges/{owner.name}/review",
            )
        return badge

    async def remove(self, name: str, *, community: str | None = None) -> None:
        """Give a badge no more; who has it keeps it.

        Raises:
            UnknownName: there is none of that name.
        """
        owner = self._community(community)
        store = await self._house.store()
        if not await store.write(lambda conn: remove_spec(conn, owner.name, "badge", name)):
            raise UnknownName("badge", name)

    async def list(self, *, community: str | None = None) -> Sequence[Badge]:
        """Give the badges that can be reached."""
        owner = self._community(community)
        return list((await self._defined(owner)).values())

    async def give(
        self, name: str, member: MemberRef | str, *, note: str = "", community: str | None = None
    ) -> BadgeAward:
        """Give a badge by hand; who has it already keeps the first.

        Raises:
            UnknownName: there is none of that name.
        """
        owner, ref = self._community(community), MemberRef.parse(member)
        badge = (await self._defined(owner)).get(name)
        if badge is None:
            raise UnknownName("badge", name)
        store = await self._house.store()
        now = store.clock.now()

        def write(conn: Connection) -> BadgeAward:
            identity_of(conn, [ref], to_us(now))
            person = person_of(conn, ref)
            if person is not None and person not in _holders(conn, owner.name, name):
                _give(conn, owner.name, badge, [person], now, note)
            return next(one for one in _awards(conn, owner.name, {name: badge}, person) if one.badge == name)

        return await store.write(write)

    async def revoke(self, name: str, member: MemberRef | str, *, community: str | None = None) -> bool:
        """Take a badge away; False when the person has none. One that is reached by a measure may be given again.

        Raises:
            InvalidInput: `member` is malformed.
        """
        owner, ref = self._community(community), MemberRef.parse(member)

        def write(conn: Connection) -> bool:
            mine = select(identity.c.id).where(identity.c.person_id == person_of(conn, ref))
            query = delete(badge_award).where(
                badge_award.c.community == owner.name,
                badge_award.c.badge == name,
                badge_award.c.identity_id.in_(mine),
            )
            return bool(conn.execute(query).rowcount)

        return await (await self._house.store()).write(write)

    async def list_awards(
        self, *, member: MemberRef | str | None = None, community: str | None = None
    ) -> Sequence[BadgeAward]:
        """Give who has which badges, oldest first; of merged members the first of each badge."""
        owner = self._community(community)
        ref = None if member is None else MemberRef.parse(member)
        defined = await self._defined(owner)

        def look(conn: Connection) -> Sequence[BadgeAward]:
            person = None
            if ref is not None:
                person = person_of(conn, ref)
                if person is None:
                    return []
            return _awards(conn, owner.name, defined, person)

        return await (await self._house.store()).read(look)

    async def review(self, *, community: str | None = None) -> Sequence[BadgeAward]:
        """Give badges to whoever has reached them, and say so; gives what was new. A schedule does it every ten minutes."""
        owner = self._community(community)
        defined = await self._defined(owner)
        store = await self._house.store()
        now = store.clock.now()

        margin = 0 if store.is_sqlite else _OUT_OF_ORDER
        before = self._looks.get(owner.name)
        if before is not None and (before.defined != defined or now - before.whole_at > _WHOLE):
            before = None

        def write(conn: Connection) -> tuple[Sequence[BadgeAward], _Look]:
            measures: dict[tuple[str, str], Mapping[int, int]] = {}
            new: list[tuple[str, int]] = []
            merge = conn.execute(select(func.max(person_change.c.id))).scalar() or 0
            known = before if before is not None and before.merge == merge else None
            look = _Look(defined, _ledger.last_entry(conn), merge, known.whole_at if known else now)
            accounts: Sequence[int] | None = None
            if known is not None:
                awarded = _ledger.accounts_since(conn, owner.name, known.entry - margin)
                complete = set[int].intersection(
                    set(awarded.values()),
                    *(_holders(conn, owner.name, one.name) for one in defined.values() if one.by == "points"),
                )
                accounts = [number for number, person in awarded.items() if person not in complete]
            for badge in defined.values():
                if badge.by == "hand":
                    continue
                key = (badge.by, badge.rule)
                if key not in measures:
                    measures[key] = _measure(conn, owner, badge, now, accounts)
                reached = {one for one, value in measures[key].items() if value >= badge.at_least}
                fresh = sorted(reached - _holders(conn, owner.name, badge.name))
                _give(conn, owner.name, badge, fresh, now, "")
                new += [(badge.name, person) for person in fresh]
            named = faces(conn, [person for _, person in new])
            awards = [
                BadgeAward(
                    badge=name,
                    title=defined[name].title,
                    member=named[person][0],
                    name=named[person][1],
                    at=now,
                )
                for name, person in new
            ]
            return awards, look

        given, self._looks[owner.name] = await store.write(write)
        for one in given:
            await self._announce(owner, defined[one.badge], one)
        return given

    async def _announce(self, owner: Community, badge: Badge, award: BadgeAward) -> None:
        if badge.announce:
            text = say(owner, "badge.given", name=plain(award.name or award.member), title=plain(badge.title))
            await (await self._house.publishing()).plan(
                Content(text=text),
                badge.announce,
                idempotency_key=f"badge/{owner.name}/{badge.name}/{award.member}"[:200],
            )

    async def _defined(self, owner: Community) -> dict[str, Badge]:
        store = await self._house.store()
        found = await store.read(lambda conn: read_specs(conn, "badge", owner.name))
        return {name: Badge.model_validate_json(spec) for _, name, spec in found}

    async def _scheduled(self, arguments: _Due, firing: Firing) -> None:
        await self.review(community=arguments.community)


def _give(
    conn: Connection, community: str, badge: Badge, persons: Sequence[int], now: datetime, note: str
) -> None:
    if not persons:
        return
    first = (
        select(identity.c.person_id, func.min(identity.c.id).label("id"))
        .where(identity.c.person_id.in_(persons))
        .group_by(identity.c.person_id)
    )
    rows = [
        {
            "community": community,
            "badge": badge.name,
            "identity_id": row.id,
            "at": to_us(now),
            "note": note[:300],
        }
        for row in conn.execute(first)
    ]
    conn.execute(insert(badge_award), rows)


_HOLDERS = Fast(
    "select i.person_id from badge_award b join identity i on i.id = b.identity_id "
    "where b.community = :community and b.badge = :badge"
)


def _holders(conn: Connection, community: str, badge: str) -> set[int]:
    return {person for (person,) in _HOLDERS.all(conn, {"community": community, "badge": badge})}


def _awards(
    conn: Connection, community: str, defined: Mapping[str, Badge], person: int | None
) -> list[BadgeAward]:
    query = (
        select(badge_award.c.badge, badge_award.c.at, badge_award.c.note, identity.c.person_id)
        .join(identity, identity.c.id == badge_award.c.identity_id)
        .where(badge_award.c.community == community)
        .order_by(badge_award.c.at, badge_award.c.badge)
    )
    if person is not None:
        query = query.where(identity.c.person_id == person)
    rows = conn.execute(query).all()
    named = faces(conn, [row.person_id for row in rows])
    found: dict[tuple[str, int], BadgeAward] = {}
    for row in rows:
        member, name = named[row.person_id]
        badge = defined.get(row.badge)
        award = BadgeAward(
            badge=row.badge,
            title=badge.title if badge else row.badge,
            member=member,
            name=name,
            at=from_us(row.at),
            note=row.note,
        )
        found.setdefault((row.badge, row.person_id), award)
    return list(found.values())


def _measure(
    conn: Connection, owner: Community, badge: Badge, now: datetime, accounts: Sequence[int] | None
) -> Mapping[int, int]:
    """Give what each person has reached of what a badge counts; of points, only those of `accounts` when these are given."""
    if badge.by == "points":
        return {} if accounts == [] else _ledger.earned(conn, owner.name, accounts=accounts)
    if badge.by == "awards":
        back = select(points_entry.c.reverses).where(
            points_entry.c.community == owner.name, points_entry.c.kind == "reversal"
        )
        query = (
            select(identity.c.person_id, func.count().label("number"))
            .join(points_account, points_account.c.identity_id == identity.c.id)
            .join(points_entry, points_entry.c.target_id == points_account.c.id)
            .where(
                points_entry.c.community == owner.name,
                points_entry.c.kind == "award",
                points_entry.c.rule == badge.rule,
                points_entry.c.id.not_in(back),
            )
            .group_by(identity.c.person_id)
        )
        return {row.person_id: row.number for row in conn.execute(query)}
    days = (
        select(identity.c.person_id, act.c.activity_id, act.c.value.label("day"))
        .join(act, act.c.identity_id == identity.c.id)
        .join(activity, activity.c.id == act.c.activity_id)
        .where(
            activity.c.community == owner.name,
            activity.c.kind == "check_in",
            act.c.act.in_(("check_in", "make_up")),
        )
    )
    by_person: defaultdict[int, defaultdict[str, set[date]]] = defaultdict(lambda: defaultdict(set))
    for row in conn.execute(days):
        by_person[row.person_id][row.activity_id].add(date.fromisoformat(row.day))
    if badge.by == "check_ins":
        return {
            person: len(set[date]().union(*activities.values())) for person, activities in by_person.items()
        }
    return {
        person: max(
            streak_of(found, today=now.date() + timedelta(days=2), zone=owner.zone).longest
            for found in activities.values()
        )
        for person, activities in by_person.items()
    }
