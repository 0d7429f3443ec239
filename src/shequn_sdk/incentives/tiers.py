"""The room of tiers: a ladder that members climb, and the roles that go with it on the platforms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, func, insert, select, update

from shequn_sdk.domain import ChannelRef, Community, Content, Frozen, MemberRef, Name
from shequn_sdk.errors import InvalidInput, ShequnError
from shequn_sdk.house import Room
from shequn_sdk.incentives import _ledger
from shequn_sdk.incentives._specs import faces, person_of, read_specs, write_spec
from shequn_sdk.incentives._words import plain, say
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Roles
from shequn_sdk.scheduling.triggers import Every
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.incentives import points_account, tier_holding
from shequn_sdk.stores.tables.members import identity

if TYPE_CHECKING:
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Ladder", "Tier", "TierChange", "TierState", "Tiers"]


class Tier(Frozen):
    """One rung (会员等级)."""

    name: Name
    title: str = Field(min_length=1, max_length=100)
    at_least: int = Field(ge=0)
    benefits: tuple[str, ...] = ()
    """What it brings (权益), in words."""
    roles: Mapping[str, str] = Field(default_factory=dict)
    """Channel as `account:native-id` to the platform's role that is given there, as its adapter names roles."""


class Ladder(Frozen):
    """All rungs, and how one climbs and falls."""

    tiers: tuple[Tier, ...] = Field(min_length=1)
    measure: Literal["earned", "balance"] = "earned"
    """Points that were earned, or that are there and not spent."""
    window: timedelta | None = None
    """Only what was earned in the last so many days counts; None is everything."""
    grace: timedelta = timedelta(days=30)
    """How long one keeps a tier after falling below what it asks (保级)."""
    announce: tuple[ChannelRef, ...] = ()
    """Where it is said when somebody climbs."""


class TierState(Frozen):
    """Where a person stands."""

    member: str
    name: str = ""
    tier: str = ""
    """"" is below the lowest."""
    title: str = ""
    benefits: tuple[str, ...] = ()
    points: int = 0
    since: AwareDatetime | None = None
    falls_at: AwareDatetime | None = None
    """When the tier is lost unless what it asks is there again; None while it is."""
    next_tier: str = ""
    missing: int = 0
    """Points to the next tier."""
    notes: tuple[str, ...] = ()
    """Why a role was not given."""


class TierChange(Frozen):
    """Somebody climbed or fell."""

    member: str
    name: str
    old: str
    new: str


class _Due(Frozen):
    community: str


@dataclass(slots=True)
class _Held:
    """The highest tier that a person's members hold."""

    tier: str
    since: int
    below_since: int | None


class Tiers(Room):
    """Membership tiers by points (会员等级), with benefits, grace before one falls, and roles on the platforms."""

    def serve(self, scheduler: Scheduler) -> None:
        """Look every ten minutes for who climbs and falls."""
        scheduler.handlers.add("shequn.tiers.review", self._scheduled, arguments=_Due)

    async def set_ladder(self, ladder: Ladder, *, community: str | None = None) -> Ladder:
        """Set a community's tiers, in place of those it had; `review` applies them.

        Raises:
            InvalidInput: two tiers share a name or a threshold, a channel is malformed, or a window goes with `balance`.
            UnknownName: a role names an account that does not exist.
        """
        owner = self._community(community)
        if len({one.name for one in ladder.tiers}) < len(ladder.tiers) or len(
            {one.at_least for one in ladder.tiers}
        ) < len(ladder.tiers):
            raise InvalidInput("tiers must differ in name and in what they ask")
        if ladder.measure == "balance" and ladder.window is not None:
            raise InvalidInput("a balance has no window: count what was earned instead")
        for tier in ladder.tiers:
            for channel in tier.roles:
                self._house.accounts.account(ChannelRef.parse(channel).account)
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(lambda conn: write_spec(conn, owner.name, "tiers", "ladder", ladder, now=now))
        await (await self._house.scheduler()).create(
            "shequn.tiers.review",
            when=Every(timedelta(minutes=10)),
            arguments=_Due(community=owner.name),
            idempotency_key=f"tiers/{owner.name}/review",
        )
        return ladder

    async def get_ladder(self, *, community: str | None = None) -> Ladder:
        """Give a community's tiers.

        Raises:
            InvalidInput: it has none.
        """
        owner = self._community(community)
        store = await self._house.store()
        found = await store.read(lambda conn: read_specs(conn, "tiers", owner.name))
        if not found:
            raise InvalidInput(f"{owner.name} has no tiers: set them with set_ladder")
        return Ladder.model_validate_json(found[0][2])

    async def get_state(self, member: MemberRef | str, *, community: str | None = None) -> TierState:
        """Give where a member's person stands, as of the last review.

        Raises:
            InvalidInput: the community has no tiers, or `member` is malformed.
        """
        ref = MemberRef.parse(member)
        found = await self._states(community, ref)
        return found[0] if found else TierState(member=str(ref))

    async def list(self, *, tier: str | None = None, community: str | None = None) -> Sequence[TierState]:
        """Give where all stand who have points, highest first."""
        states = await self._states(community, None)
        return [one for one in states if tier is None or one.tier == tier]

    async def review(self, *, community: str | None = None) -> Sequence[TierChange]:
        """Let members climb at once, and fall after their grace; gives or takes the roles. A schedule does it too.

        A role that could not be given is tried again at the next review; `get_state` says why.

        Raises:
            InvalidInput: the community has no tiers.
        """
        owner = self._community(community)
        ladder = await self.get_ladder(community=owner.name)
        store = await self._house.store()
        now = store.clock.now()
        changes = await store.write(lambda conn: _climb(conn, owner, ladder, now))
        await self._give_roles(owner, ladder)
        order = {one.name: one.at_least for one in ladder.tiers}
        for one in changes:
            if ladder.announce and order.get(one.new, -1) > order.get(one.old, -1):
                title = next(tier.title for tier in ladder.tiers if tier.name == one.new)
                text = say(owner, "tier.up", name=plain(one.name or one.member), title=plain(title))
                key = f"tier/{owner.name}/{one.member}/{one.new}/{to_us(now)}"[:200]
                await (await self._house.publishing()).plan(
                    Content(text=text), ladder.announce, idempotency_key=key
                )
        return changes

    async def _states(self, community: str | None, ref: MemberRef | None) -> Sequence[TierState]:
        owner = self._community(community)
        ladder = await self.get_ladder(community=owner.name)
        store = await self._house.store()
        now = store.clock.now()

        def look(conn: Connection) -> Sequence[TierState]:
            person = None if ref is None else person_of(conn, ref)
            if ref is not None and person is None:
                return []
            return _read_states(conn, owner, ladder, now, person)

        return await store.read(look)

    async def _give_roles(self, owner: Community, ladder: Ladder) -> None:
        """Make the roles on the platforms what the tiers say."""
        store = await self._house.store()

        def look(conn: Connection) -> list[tuple[int, str, str, str, str, str]]:
            query = (
                select(
                    tier_holding.c.identity_id,
                    identity.c.platform,
                    identity.c.native_id,
                    tier_holding.c.tier,
                    tier_holding.c.roles,
                    tier_holding.c.note,
                )
                .join(identity, identity.c.id == tier_holding.c.identity_id)
                .where(tier_holding.c.community == owner.name)
            )
            return [tuple(row) for row in conn.execute(query)]

        wanted = {one.name: dict(one.roles) for one in ladder.tiers}
        for number, platform, native, tier, kept, note in await store.read(look):
            has: dict[str, str] = json.loads(kept)
            want = {
                channel: role
                for channel, role in wanted.get(tier, {}).items()
                if self._house.accounts.platform(ChannelRef.parse(channel).account) == platform
            }
            if has == want and not note:
                continue
            given, notes = await self._change_roles(native, has, want)
            said = "; ".join(notes)[:500]
            if (given, said) == (has, note):
                continue
            values = {"roles": json.dumps(given), "note": said}
            await store.write(lambda conn, n=number, v=values: _note_roles(conn, owner, n, v))

    async def _change_roles(
        self, native: str, has: Mapping[str, str], want: Mapping[str, str]
    ) -> tuple[dict[str, str], list[str]]:
        """Take what is not wanted, give what is missing; gives what stands now, and why something is not as wanted."""
        given = dict(has)
        notes: list[str] = []
        for channel in sorted({*has, *want}):
            old, new = has.get(channel), want.get(channel)
            if old == new:
                continue
            ref = ChannelRef.parse(channel)
            manifest = self._house.accounts.manifest(ref.account)
            if not manifest.supports(Capability.ROLES):
                notes.append(f"{channel}: {manifest.explain(Capability.ROLES)}")
                continue
            try:
                adapter = cast("Roles", self._house.accounts.adapter(ref.account))
                if old is not None:
                    await adapter.revoke_role(ref.native_id, native, old)
                    del given[channel]
                if new is not None:
                    await adapter.grant_role(ref.native_id, native, new)
                    given[channel] = new
            except ShequnError as error:
                notes.append(f"{channel}: {error}")
        return given, notes

    async def _scheduled(self, arguments: _Due, firing: Firing) -> None:
        await self.review(community=arguments.community)


def _note_roles(conn: Connection, owner: Community, number: int, values: dict[str, str]) -> None:
    key = (tier_holding.c.community == owner.name, tier_holding.c.identity_id == number)
    conn.execute(update(tier_holding).where(*key).values(**values))


def _points(conn: Connection, owner: Community, ladder: Ladder, now: datetime) -> dict[int, int]:
    if ladder.measure == "earned":
        since = ""
        if ladder.window is not None:
            since = (now - ladder.window).astimezone(ZoneInfo(owner.zone)).date().isoformat()
        return _ledger.earned(conn, owner.name, since=since)
    query = (
        select(identity.c.person_id, func.sum(points_account.c.balance).label("points"))
        .join(identity, identity.c.id == points_account.c.identity_id)
        .where(points_account.c.community == owner.name)
        .group_by(identity.c.person_id)
    )
    return {row.person_id: int(row.points) for row in conn.execute(query)}


def _reached(ladder: Ladder, points: int) -> str:
    """Give the highest tier that so many points reach; "" for none."""
    found = [tier for tier in ladder.tiers if tier.at_least <= points]
    return max(found, key=lambda tier: tier.at_least).name if found else ""


def _held(conn: Connection, owner: Community, ladder: Ladder) -> dict[int, _Held]:
    order = {one.name: one.at_least for one in ladder.tiers}
    query = (
        select(identity.c.person_id, tier_holding.c.tier, tier_holding.c.since, tier_holding.c.below_since)
        .join(identity, identity.c.id == tier_holding.c.identity_id)
        .where(tier_holding.c.community == owner.name)
    )
    found: dict[int, _Held] = {}
    for row in conn.execute(query):
        tier = row.tier if row.tier in order else ""
        known = found.get(row.person_id)
        if known is None or order.get(tier, -1) > order.get(known.tier, -1):
            found[row.person_id] = _Held(tier, row.since, row.below_since)
    return found


def _climb(conn: Connection, owner: Community, ladder: Ladder, now: datetime) -> list[TierChange]:
    """Decide where everybody stands, and write it down for each of their identities."""
    _ledger.lock(conn, owner.name)
    at, grace = to_us(now), ladder.grace // timedelta(microseconds=1)
    order = {one.name: one.at_least for one in ladder.tiers}
    points = _points(conn, owner, ladder, now)
    held = _held(conn, owner, ladder)
    changes: list[tuple[int, str, str]] = []
    after: dict[int, _Held] = {}
    for person in sorted({*points, *held}):
        reached = _reached(ladder, points.get(person, 0))
        known = held.get(person, _Held("", at, None))
        if order.get(reached, -1) >= order.get(known.tier, -1):
            new = _Held(reached, known.since if reached == known.tier else at, None)
        elif known.below_since is None:
            new = _Held(known.tier, known.since, at)
        elif at - known.below_since >= grace:
            new = _Held(reached, at, None)
        else:
            new = known
        if grace == 0 and order.get(reached, -1) < order.get(known.tier, -1):
            new = _Held(reached, at, None)
        after[person] = new
        if new.tier != known.tier:
            changes.append((person, known.tier, new.tier))
    _write_held(conn, owner, after)
    named = faces(conn, [person for person, _, _ in changes])
    return [
        TierChange(member=named[person][0], name=named[person][1], old=old, new=new)
        for person, old, new in changes
    ]


def _write_held(conn: Connection, owner: Community, after: Mapping[int, _Held]) -> None:
    persons = list(after)
    for start in range(0, len(persons), 400):
        query = (
            select(
                identity.c.id,
                identity.c.person_id,
                tier_holding.c.tier,
                tier_holding.c.since,
                tier_holding.c.below_since,
            )
            .outerjoin(
                tier_holding,
                (tier_holding.c.identity_id == identity.c.id) & (tier_holding.c.community == owner.name),
            )
            .where(identity.c.person_id.in_(persons[start : start + 400]))
        )
        for row in conn.execute(query).all():
            new = after[row.person_id]
            if (row.tier, row.since, row.below_since) == (new.tier, new.since, new.below_since):
                continue
            values = {"tier": new.tier, "since": new.since, "below_since": new.below_since}
            key = (tier_holding.c.community == owner.name, tier_holding.c.identity_id == row.id)
            if row.tier is not None:
                conn.execute(update(tier_holding).where(*key).values(**values))
            elif new.tier:
                conn.execute(
                    insert(tier_holding).values(
                        community=owner.name, identity_id=row.id, roles="{}", note="", **values
                    )
                )


def _read_states(
    conn: Connection, owner: Community, ladder: Ladder, now: datetime, person: int | None
) -> list[TierState]:
    points = _points(conn, owner, ladder, now)
    held = _held(conn, owner, ladder)
    chosen = sorted({*points, *held}) if person is None else [person]
    named = faces(conn, chosen)
    tiers = {one.name: one for one in ladder.tiers}
    query = (
        select(identity.c.person_id, tier_holding.c.note)
        .join(identity, identity.c.id == tier_holding.c.identity_id)
        .where(tier_holding.c.community == owner.name, tier_holding.c.note != "")
    )
    notes: dict[int, list[str]] = {}
    for row in conn.execute(query):
        notes.setdefault(row.person_id, []).append(row.note)
    found: list[TierState] = []
    for one in chosen:
        known = held.get(one)
        tier = tiers.get(known.tier) if known is not None else None
        has = points.get(one, 0)
        above = [item for item in ladder.tiers if item.at_least > has]
        following = min(above, key=lambda item: item.at_least) if above else None
        member, name = named[one]
        falls = None
        if known is not None and known.below_since is not None:
            falls = from_us(known.below_since) + ladder.grace
        found.append(
            TierState(
                member=member,
                name=name,
                tier=tier.name if tier else "",
                title=tier.title if tier else "",
                benefits=tier.benefits if tier else (),
                points=has,
                since=from_us(known.since) if tier and known else None,
                falls_at=falls,
                next_tier=following.name if following else "",
                missing=following.at_least - has if following else 0,
                notes=tuple(notes.get(one, ())),
            )
        )
    return sorted(found, key=lambda state: (-state.points, state.member))
