"""The room of points: a ledger that every award is booked in once, and in which all that went out came from somewhere."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, or_, select

from shequn_sdk.domain import Community, Frozen, Interaction, InteractionKind, MemberRef
from shequn_sdk.errors import InvalidInput
from shequn_sdk.house import House, Room
from shequn_sdk.incentives import _ledger, _signals
from shequn_sdk.incentives._ledger import Move
from shequn_sdk.incentives._specs import identity_of, local_day_of, person_of, read_specs, write_spec
from shequn_sdk.incentives.models import (
    Award,
    Balance,
    Entry,
    LedgerCheck,
    PointRule,
    PointRules,
    Signal,
)
from shequn_sdk.members.identities import persons_of, seen_in
from shequn_sdk.scheduling.triggers import Cron
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.incentives import points_entry

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Points"]

_K = InteractionKind
_FRESH = 3.0
"""Seconds for which rules are believed; another process's new rules apply after that."""
_BY_HAND = "by_hand"


class _Upkeep(Frozen):
    community: str


class Points(Room):
    """Points (积分) in an append-only double-entry ledger over all platforms.

    Rules award by interaction, once for each, however often it is heard. What a member takes back (a deleted message, a
    reaction removed, a refund) takes the points back, even below 0: then the next awards pay the debt first. A person has
    what their members have; merging and undoing a merge move nothing.
    """

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._rules: dict[str, PointRules] = {}
        self._read_at = float("-inf")

    def listen(self, dispatcher: Dispatcher) -> None:
        """Hear what earns points."""
        dispatcher.on_batch("shequn.points", self._hear)

    def serve(self, scheduler: Scheduler) -> None:
        """Let points expire and decay, every night."""
        scheduler.handlers.add("shequn.points.upkeep", self._nightly, arguments=_Upkeep)

    # rules

    async def set_rules(self, rules: PointRules, *, community: str | None = None) -> PointRules:
        """Set a community's rules, in place of those it had; what was awarded stays.

        With points that expire or decay, a schedule takes care of that every night at 03:30 local time.

        Raises:
            InvalidInput: two rules have one name.
        """
        owner = self._community(community)
        if len({rule.name for rule in rules.rules}) < len(rules.rules):
            raise InvalidInput("two rules have one name: names must differ")
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(lambda conn: write_spec(conn, owner.name, "points", "rules", rules, now=now))
        self._read_at = float("-inf")
        lasting = rules.expires_after or rules.decay or any(rule.expires_after for rule in rules.rules)
        if lasting:
            await (await self._house.scheduler()).create(
                "shequn.points.upkeep",
                when=Cron("30 3 * * *", tz=owner.zone),
                arguments=_Upkeep(community=owner.name),
                idempotency_key=f"points/{owner.name}/upkeep",
            )
        return rules

    async def get_rules(self, *, community: str | None = None) -> PointRules:
        """Give a community's rules; empty when it has none."""
        owner = self._community(community)
        return (await self._all_rules(fresh=True)).get(owner.name, PointRules())

    async def _all_rules(self, *, fresh: bool = False) -> Mapping[str, PointRules]:
        if fresh or time.monotonic() - self._read_at > _FRESH:
            store = await self._house.store()
            found = await store.read(lambda conn: read_specs(conn, "points"))
            self._rules = {owner: PointRules.model_validate_json(spec) for owner, _, spec in found}
            self._read_at = time.monotonic()
        return self._rules

    # awarding

    async def award(
        self,
        member: MemberRef | str,
        *,
        points: int,
        note: str = "",
        community: str | None = None,
        idempotency_key: str,
    ) -> Balance:
        """Give points for something that no rule sees.

        Args:
            member: as `platform:native-id`.
            points: how many, at least 1.
            note: what for; kept with the entry.
            community: whose points.
            idempotency_key: what it is for: the same key is booked once.

        Raises:
            InvalidInput: `points` is not positive, or `member` is malformed.
        """
        ref = MemberRef.parse(member)
        if points < 1:
            raise InvalidInput("points must be at least 1; to take some away, use `reverse`")
        await self.award_many(
            [Award(member=str(ref), points=points, key=idempotency_key, note=note)], community=community
        )
        return await self.get_balance(ref, community=community)

    async def award_many(self, awards: Sequence[Award], *, community: str | None = None) -> int:
        """Give points to many in one durable transaction: all or none. Gives how many were new.

        Raises:
            InvalidInput: a member is malformed; nothing was booked.
        """
        owner = self._community(community)
        store = await self._house.store()
        now = store.clock.now()
        at, day = to_us(now), local_day_of(owner, now)
        lasts = (await self._all_rules()).get(owner.name, PointRules()).expires_after
        ends = None if lasts is None else to_us(now + lasts)
        refs = [MemberRef.parse(one.member) for one in awards]

        def write(conn: Connection) -> int:
            numbers = identity_of(conn, refs, at)
            return _ledger.book(
                conn,
                owner.name,
                [
                    Move(
                        event=f"{_BY_HAND}/{one.key}",
                        kind="award",
                        source=_ledger.ISSUED,
                        target=numbers[ref],
                        amount=one.points,
                        at=at,
                        day=day,
                        rule=_BY_HAND,
                        expires_at=ends,
                        note=one.note,
                    )
                    for one, ref in zip(awards, refs, strict=True)
                ],
            )

        return await store.write(write)

    async def reverse(self, entry: int, *, note: str = "", community: str | None = None) -> bool:
        """Take one award back; False when it was taken back already.

        Raises:
            InvalidInput: there is no award of that number.
        """
        owner = self._community(community)
        store = await self._house.store()
        now = store.clock.now()

        def write(conn: Connection) -> bool:
            query = select(points_entry).where(
                points_entry.c.id == entry,
                points_entry.c.community == owner.name,
                points_entry.c.kind == "award",
            )
            found = conn.execute(query).all()
            if not found:
                raise InvalidInput(f"entry {entry} is no award of {owner.name}")
            return _reverse(conn, owner, found, now, note) > 0

        return await store.write(write)

    # looking

    async def numbers(self, *, community: str | None = None) -> Mapping[MemberRef, float]:
        """Give what everybody has, by member; each member of a person has what the person has.

        Segments compare it by `Number(source="points", at_least=…)`. Who never had points is left out.
        """
        where = self._community(community).name
        return await (await self._house.store()).read(lambda conn: _ledger.everyone(conn, where))

    async def get_balance(self, member: MemberRef | str, *, community: str | None = None) -> Balance:
        """Give what a member's person has; 0 for one who was never seen.

        Raises:
            InvalidInput: `member` is malformed.
        """
        owner, ref = self._community(community), MemberRef.parse(member)

        def look(conn: Connection) -> Balance:
            person = person_of(conn, ref)
            if person is None:
                return Balance(member=str(ref), balance=0, earned=0)
            holding = _ledger.of_person(conn, owner.name, person)
            return Balance(
                member=str(ref),
                balance=holding.balance,
                earned=_ledger.earned(conn, owner.name, person=person).get(person, 0),
                by_member=dict(holding.accounts.values()),
            )

        return await (await self._house.store()).read(look)

    async def get_history(
        self, member: MemberRef | str, *, community: str | None = None, limit: int = 50
    ) -> Sequence[Entry]:
        """Give a person's entries, newest first."""
        owner, ref = self._community(community), MemberRef.parse(member)

        def look(conn: Connection) -> Sequence[Entry]:
            person = person_of(conn, ref)
            rows = [] if person is None else _ledger.history(conn, owner.name, person, limit)
            return [
                Entry(
                    id=row.id,
                    kind=row.kind,
                    points=row.points,
                    rule=row.rule,
                    day=date.fromisoformat(row.day),
                    at=from_us(row.at),
                    expires_at=None if row.expires_at is None else from_us(row.expires_at),
                    note=row.note,
                )
                for row in rows
            ]

        return await (await self._house.store()).read(look)

    async def check(self, *, community: str | None = None) -> LedgerCheck:
        """Add up the whole ledger, and say whether it agrees with the balances it keeps."""
        owner = self._community(community)
        store = await self._house.store()
        entries, accounts, total, wrong = await store.read(lambda conn: _ledger.check(conn, owner.name))
        return LedgerCheck(entries=entries, accounts=accounts, total=total, wrong=tuple(wrong))

    async def find_signals(
        self, *, last: timedelta = timedelta(days=7), community: str | None = None
    ) -> Sequence[Signal]:
        """Look for signs of farming in what was awarded lately, each with its evidence; nothing is done about them.

        Who wrote what was reacted to is known where a rule awards messages too.
        """
        owner = self._community(community)
        store = await self._house.store()
        since = to_us(store.clock.now() - last)
        return await store.read(lambda conn: _signals.find(conn, owner.name, since))

    # upkeep

    async def expire(self, *, community: str | None = None) -> int:
        """Let points expire and decay that are due; gives how many entries were booked. A schedule does it every night."""
        owner = self._community(community)
        store = await self._house.store()
        now = store.clock.now()
        rules = (await self._all_rules(fresh=True)).get(owner.name, PointRules())
        return await store.write(lambda conn: _upkeep(conn, owner, rules, now))

    async def _nightly(self, arguments: _Upkeep, firing: Firing) -> None:
        await self.expire(community=arguments.community)

    # hearing

    async def _hear(self, heard: Sequence[Heard]) -> None:
        rules = await self._all_rules()
        if not rules:
            return
        by_community: defaultdict[str, list[Interaction]] = defaultdict(list)
        for one in heard:
            event = one.interaction
            wanted = rules.get(one.community or "")
            if wanted is None or event.is_bot:
                continue
            if event.kind in {_K.RETRACT, _K.REFUND} or any(rule.kind is event.kind for rule in wanted.rules):
                by_community[one.community or ""].append(event)
        if not by_community:
            return
        store = await self._house.store()
        now = store.clock.now()

        def write(conn: Connection) -> None:
            for name, events in by_community.items():
                _book_events(conn, self._owner(name), rules[name], events, now)

        await store.write(write)

    def _owner(self, name: str) -> Community:
        found = next((one for one in self._house.communities if one.name == name), None)
        return found or Community(name=name)


def _reverse(conn: Connection, owner: Community, rows: Iterable[Any], now: datetime, note: str) -> int:
    return _ledger.reverse(
        conn, owner.name, rows, kind="reversal", at=to_us(now), day=local_day_of(owner, now), note=note
    )


def place_of(event: Interaction, kind: str = "") -> str:
    """Give what an award was for, by which a later event can take it back."""
    what = kind or event.kind.value
    place = f"{what}/{event.platform}/{event.channel}/{event.message or event.id}"
    if what == _K.REACTION.value:
        place += f"/{event.attrs.get('emoji') or event.text}"
    return place[:400]


def _book_events(
    conn: Connection, owner: Community, rules: PointRules, events: Sequence[Interaction], now: datetime
) -> None:
    """Book awards and take awards back, in the order in which things happened."""
    waiting: list[tuple[Interaction, PointRule, MemberRef]] = []

    def settle() -> None:
        _award(conn, owner, rules, waiting)
        waiting.clear()

    for event in events:
        if event.kind in {_K.RETRACT, _K.REFUND}:
            settle()
            _take_back(conn, owner, event, now)
            continue
        for rule in rules.rules:
            who = event.member if rule.to == "actor" else event.target
            if rule.kind is not event.kind or not who or (rule.to == "target" and who == event.member):
                continue
            if rule.min_letters and _ledger.letters(event.text) < rule.min_letters:
                continue
            waiting.append((event, rule, MemberRef(platform=event.platform, native_id=who)))
    settle()


def _award(
    conn: Connection,
    owner: Community,
    rules: PointRules,
    waiting: Sequence[tuple[Interaction, PointRule, MemberRef]],
) -> None:
    if not waiting:
        return
    _ledger.lock(conn, owner.name)
    keys = [f"{rule.name}/{event.platform}/{event.id}"[:400] for event, rule, _ in waiting]
    known = _ledger.known_events(conn, owner.name, keys)
    # the room of members has noted nearly all of them; who is left is noted with the name that the event tells
    actors = {
        ref: seen
        for event, _, ref in waiting
        if (seen := seen_in(event)) is not None and seen.ref == ref and seen.display_name
    }
    numbers = identity_of(
        conn, (ref for _, _, ref in waiting), to_us(waiting[0][0].occurred_at), named=actors
    )
    persons = persons_of(conn, numbers.values())
    days = [local_day_of(owner, event.occurred_at) for event, _, _ in waiting]
    capped = {rule.name for _, rule, _ in waiting if rule.per_day or rule.per_week}
    first = min(_monday(day) for day in days)
    spent = _ledger.used(conn, owner.name, set(persons.values()), capped, first) if capped else {}
    moves: list[Move] = []
    for (event, rule, ref), key, day in zip(waiting, keys, days, strict=True):
        if key in known:
            continue
        known.add(key)
        person = persons[numbers[ref]]
        points = min(rule.points, _left(spent, person, rule, day))
        if points <= 0:
            continue
        if rule.name in capped:
            spent[person, rule.name, day] = spent.get((person, rule.name, day), 0) + points
        lasts = rule.expires_after or rules.expires_after
        moves.append(
            Move(
                event=key,
                kind="award",
                source=_ledger.ISSUED,
                target=numbers[ref],
                amount=points,
                at=to_us(event.occurred_at),
                day=day,
                rule=rule.name,
                place=place_of(event),
                fingerprint=_ledger.fingerprint(event.text) if event.kind is _K.MESSAGE else "",
                expires_at=None if lasts is None else to_us(event.occurred_at + lasts),
            )
        )
    _ledger.book(conn, owner.name, moves)


def _left(spent: Mapping[tuple[int, str, str], int], person: int, rule: PointRule, day: str) -> int:
    """Give how many points a rule still has for a person on a day."""
    left = rule.points
    if rule.per_day is not None:
        left = min(left, rule.per_day - spent.get((person, rule.name, day), 0))
    if rule.per_week is not None:
        monday = date.fromisoformat(_monday(day))
        week = [(monday + timedelta(days=number)).isoformat() for number in range(7)]
        left = min(left, rule.per_week - sum(spent.get((person, rule.name, one), 0) for one in week))
    return left


def _monday(day: str) -> str:
    found = date.fromisoformat(day)
    return (found - timedelta(days=found.weekday())).isoformat()


def _take_back(conn: Connection, owner: Community, event: Interaction, now: datetime) -> None:
    """Take back what was awarded for what a member, or an administrator, took back."""
    if event.kind is _K.REFUND:
        bought = {event.message, event.parent, event.target, str(event.attrs.get("order", ""))} - {""}
        places = [f"purchase/{event.platform}/{event.channel}/{one}" for one in sorted(bought)]
    else:
        places = [
            place_of(
                event.model_copy(update={"message": event.message or event.target}),
                str(event.attrs.get("retracts", "")),
            )
        ]
    wanted = points_entry.c.place.in_(places)
    if event.attrs.get("everyone"):
        start = places[0].rpartition("/")[0] + "/"
        wanted = or_(wanted, points_entry.c.place.startswith(start, autoescape=True))
    query = select(points_entry).where(
        points_entry.c.community == owner.name, points_entry.c.kind == "award", wanted
    )
    rows = conn.execute(query).all()
    if rows and event.member and event.attrs.get("retracts") in {"reaction", "vote"}:
        ref = MemberRef(platform=event.platform, native_id=event.member)
        mine = identity_of(conn, [ref], to_us(event.occurred_at))[ref]
        own = _ledger.balances(conn, owner.name, [row.target_id for row in rows])
        rows = [row for row in rows if own[row.target_id].identity_id == mine]
    _reverse(conn, owner, rows, now, f"{event.kind.value} {event.id}"[:200])


def _upkeep(conn: Connection, owner: Community, rules: PointRules, now: datetime) -> int:
    at, day = to_us(now), local_day_of(owner, now)
    due = _ledger.expiring(conn, owner.name, at)
    accounts = _ledger.balances(conn, owner.name, list(due))
    moves = [
        Move(
            f"expiry/{number}/{day}",
            "expiry",
            accounts[number].identity_id or accounts[number].name,
            _ledger.EXPIRED,
            points,
            at,
            day,
        )
        for number, points in due.items()
    ]
    booked = _ledger.book(conn, owner.name, moves)
    if rules.decay is not None:
        booked += _ledger.book(conn, owner.name, _ledger.decaying(conn, owner.name, rules.decay, at, day))
    return booked
