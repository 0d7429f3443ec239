"""The room of experiments: arms drawn by chance, a hold-out, and intervals that are honest."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime
from sqlalchemy import Connection, Row, insert, select, update

from shequn_sdk.commerce.orders import of_person
from shequn_sdk.domain import Frozen, InteractionKind, MemberRef, Name
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.members.identities import Seen, find_identities, note_identities, seen_in
from shequn_sdk.metrics.effects import Effect, hold_out
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.commerce import experiment, experiment_outcome, exposure, shop_order
from shequn_sdk.stores.tables.members import identity

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard

__all__ = ["ArmResult", "Experiment", "ExperimentResult", "Experiments", "Outcome", "draw_arm", "sample_size"]

_US = timedelta(microseconds=1)
_FRESH = 5.0
"""Seconds for which the list of experiments about activity is kept."""
_K = InteractionKind
_DOING = frozenset(
    {
        _K.MESSAGE,
        _K.COMMENT,
        _K.REACTION,
        _K.SHARE,
        _K.VOTE,
        _K.CHECK_IN,
        _K.QUESTION,
        _K.ANSWER,
        _K.BUTTON,
        _K.COMMAND,
    }
)
_SUSPICIOUS = 0.001
"""Below this probability the groups' sizes do not fit the weights: something is wrong with who was counted."""


class Outcome(StrEnum):
    """What counts as success."""

    BOUGHT = "bought"
    """An order, not wholly paid back."""
    ACTIVE = "active"
    """Did something after the exposure."""
    NOTED = "noted"
    """What `note` was called for."""


class Experiment(Frozen):
    """A question put to members by chance (实验)."""

    community: str
    name: Name
    question: str
    arms: Mapping[str, float]
    """Name to weight; the first is the control, which gets nothing new."""
    outcome: Outcome
    window: timedelta
    """From a person's first exposure to the latest outcome that counts."""
    planned: int | None = None
    """Persons per arm, decided before the start."""
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None


class ArmResult(Frozen):
    """One arm's numbers."""

    arm: str
    persons: int
    """Exposed persons whose window is over."""
    waiting: int
    """Whose window still runs; they are in no share."""
    successes: int
    share: float | None
    revenue: Mapping[str, Decimal] = {}
    """Net money within the window, per currency."""
    effect: Effect | None = None
    """Against the control; None for the control, and while a group is empty."""


class ExperimentResult(Frozen):
    """What an experiment says so far."""

    experiment: Experiment
    arms: tuple[ArmResult, ...]
    ready: bool
    """Every arm has the planned number of persons: the intervals hold as stated."""
    warnings: tuple[str, ...]
    verdict: str


def draw_arm(salt: str, person: int, arms: Mapping[str, float]) -> str:
    """Give the arm of a person: the same for the same salt, in proportion to the weights, unforeseeable without the salt."""
    digest = hashlib.sha256(f"{salt}/{person}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64 * math.fsum(arms.values())
    for name, weight in arms.items():
        point -= weight
        if point < 0:
            return name
    return next(reversed(list(arms)))


def sample_size(base: float, lift: float, *, power: float = 0.8, level: float = 0.95) -> int:
    """Give how many persons each of two arms needs to see a share rise from `base` by `lift` (both absolute).

    The usual formula for two shares with equal groups: (z(1-a/2) sqrt(2 p q) + z(power) sqrt(p1 q1 + p2 q2))^2 / lift^2,
    with p the mean of both shares (Fleiss, Statistical Methods for Rates and Proportions, without continuity correction).

    Raises:
        InvalidInput: a share is not between 0 and 1, or the lift is 0.
    """
    after = base + lift
    if not (0 < base < 1 and 0 < after < 1 and lift and 0 < power < 1 and 0 < level < 1):
        raise InvalidInput("base and base + lift must lie between 0 and 1, and lift must not be 0")
    middle = (base + after) / 2
    alpha = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(2 * middle * (1 - middle))
    beta = NormalDist().inv_cdf(power) * math.sqrt(base * (1 - base) + after * (1 - after))
    return math.ceil((alpha + beta) ** 2 / lift**2)


class Experiments(Room):
    """Experiments over members, persons being drawn once over all platforms (A/B 实验)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._watched: Sequence[tuple[str, str]] = ()
        self._looked = -math.inf

    def listen(self, dispatcher: Dispatcher) -> None:
        """Note what exposed members do, for experiments about activity."""
        dispatcher.on_batch("shequn.experiments.active", self._active)

    async def _active(self, heard: Sequence[Heard]) -> None:
        now = self._house.clock.monotonic()
        if now - self._looked > _FRESH:
            store = await self._house.store()
            query = select(experiment.c.community, experiment.c.name).where(
                experiment.c.outcome == Outcome.ACTIVE.value, experiment.c.ended_at.is_(None)
            )
            self._watched = await store.read(lambda conn: [(row[0], row[1]) for row in conn.execute(query)])
            self._looked = now
        doers = [
            (one.community, seen)
            for one in heard
            if one.interaction.kind in _DOING and (seen := seen_in(one.interaction)) is not None
        ]
        if not self._watched or not doers:
            return

        def write(conn: Connection) -> None:
            numbers = find_identities(conn, [seen.ref for _, seen in doers])
            for community, name in self._watched:
                for seen in (one for where, one in doers if where == community and one.ref in numbers):
                    _note_activity(conn, community, name, numbers[seen.ref], seen.at)

        await (await self._house.store()).write(write)

    async def start(
        self,
        name: Name,
        *,
        question: str,
        arms: Mapping[str, float] | Sequence[str],
        outcome: Outcome | str = Outcome.BOUGHT,
        window: timedelta = timedelta(days=14),
        planned: int | None = None,
        salt: str = "",
        community: str | None = None,
    ) -> Experiment:
        """Start an experiment; starting the same one again changes nothing.

        Args:
            name: by which members are assigned.
            question: what is to be found out.
            arms: names with weights, or names of equal weight; the first is the control or hold-out.
            outcome: what counts as success.
            window: from first exposure to outcome.
            planned: persons per arm, from `sample_size`; without it no result is called ready.
            salt: makes the draw repeatable in tests; random when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: fewer than two arms, a weight that is not positive, a window that is not positive, or the name is taken.
        """
        where = self._community(community).name
        weights = dict(arms) if isinstance(arms, Mapping) else dict.fromkeys(arms, 1.0)
        if len(weights) < 2 or any(not (0 < one < math.inf) for one in weights.values()):
            raise InvalidInput(
                "an experiment needs at least two arms with positive weights; the first is the control"
            )
        if window <= timedelta(0) or (planned is not None and planned < 1):
            raise InvalidInput("window and planned must be positive")
        try:
            kind = Outcome(outcome)
        except ValueError:
            raise InvalidInput(f"an outcome is one of {', '.join(Outcome)}, not {outcome!r}") from None
        store = await self._house.store()
        made = Experiment(
            community=where,
            name=name,
            question=question,
            arms=weights,
            outcome=kind,
            window=window,
            planned=planned,
            started_at=store.clock.now(),
        )

        def write(conn: Connection) -> None:
            old = _find(conn, where, name)
            if old is not None:
                known = _experiment(old)
                if known.model_copy(update={"started_at": made.started_at, "ended_at": None}) != made:
                    raise InvalidInput(f"the experiment {name!r} exists with other terms: use a new name")
                return
            conn.execute(
                insert(experiment).values(
                    community=where,
                    name=name,
                    question=question,
                    arms=json.dumps(weights, ensure_ascii=False),
                    salt=salt or secrets.token_hex(16),
                    outcome=kind.value,
                    window=window // _US,
                    planned=planned,
                    started_at=to_us(made.started_at),
                    ended_at=None,
                )
            )

        await store.write(write)
        self._looked = -math.inf
        return await self.get(name, community=where)

    async def get(self, name: str, *, community: str | None = None) -> Experiment:
        """Give an experiment.

        Raises:
            UnknownName: there is none of that name.
        """
        where = self._community(community).name
        store = await self._house.store()
        row = await store.read(lambda conn: _find(conn, where, name))
        if row is None:
            raise UnknownName("experiment", name)
        return _experiment(row)

    async def list(self, *, community: str | None = None) -> Sequence[Experiment]:
        """Give the experiments, newest first."""
        where = self._community(community).name
        store = await self._house.store()
        query = (
            select(experiment).where(experiment.c.community == where).order_by(experiment.c.started_at.desc())
        )
        return await store.read(lambda conn: [_experiment(row) for row in conn.execute(query)])

    async def assign(self, name: str, member: MemberRef | str, *, community: str | None = None) -> str:
        """Give a member's arm, and note the exposure; the same person has the same arm for ever, on every platform.

        Call it at the moment when the arms begin to differ, not before: who never saw a difference blurs the result.

        Raises:
            UnknownName: there is no such experiment.
            InvalidInput: it has ended.
        """
        where = self._community(community).name
        ref = MemberRef.parse(member)
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> str:
            row = _find(conn, where, name)
            if row is None:
                raise UnknownName("experiment", name)
            if row.ended_at is not None:
                raise InvalidInput(f"the experiment {name!r} has ended")
            mine = of_person(conn, ref)
            number = dict(note_identities(conn, [Seen(ref=ref, at=now)]))[ref] if not mine else None
            known = conn.execute(
                select(exposure.c.arm)
                .where(
                    exposure.c.community == where,
                    exposure.c.experiment == name,
                    exposure.c.identity_id.in_(mine or [number]),
                )
                .order_by(exposure.c.at)
                .limit(1)
            ).scalar()
            if known is not None:
                return str(known)
            ids = mine or [number]
            arm = draw_arm(row.salt, min(one for one in ids if one is not None), json.loads(row.arms))
            conn.execute(
                insert(exposure).values(
                    community=where,
                    experiment=name,
                    identity_id=min(one for one in ids if one is not None),
                    arm=arm,
                    at=now,
                )
            )
            return arm

        return await store.write(write)

    async def note(
        self,
        name: str,
        member: MemberRef | str,
        *,
        key: str,
        at: datetime | None = None,
        community: str | None = None,
    ) -> bool:
        """Note an outcome of a member, once per `key`; gives whether it was new. Outcomes of the unexposed count nowhere.

        Raises:
            UnknownName: no such experiment, or nobody of that id was ever seen.
        """
        found = await self.get(name, community=community)
        ref = MemberRef.parse(member)
        store = await self._house.store()
        when = to_us(at or store.clock.now())

        def write(conn: Connection) -> bool:
            mine = of_person(conn, ref)
            if not mine:
                raise UnknownName("member", str(ref))
            there = select(experiment_outcome.c.key).where(
                experiment_outcome.c.community == found.community,
                experiment_outcome.c.experiment == name,
                experiment_outcome.c.key == key,
            )
            if conn.execute(there).one_or_none() is not None:
                return False
            conn.execute(
                insert(experiment_outcome).values(
                    community=found.community, experiment=name, key=key, identity_id=min(mine), at=when
                )
            )
            return True

        return await store.write(write)

    async def end(self, name: str, *, community: str | None = None) -> Experiment:
        """End an experiment: nobody is assigned any more; windows that run go on.

        Raises:
            UnknownName: there is none of that name.
        """
        found = await self.get(name, community=community)
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(
            lambda conn: (
                conn.execute(
                    update(experiment)
                    .where(
                        experiment.c.community == found.community,
                        experiment.c.name == name,
                        experiment.c.ended_at.is_(None),
                    )
                    .values(ended_at=now)
                ).rowcount
            )
        )
        return await self.get(name, community=found.community)

    async def result(
        self, name: str, *, level: float = 0.95, community: str | None = None
    ) -> ExperimentResult:
        """Compare the arms with the control.

        Intervals are Newcombe's for the difference of two shares; with several arms each is widened (Bonferroni), so that
        all of them hold together at `level`. They hold for one look at the planned number of persons: before that the result
        is not `ready`, because who looks often and stops at a good moment finds effects that are not there.

        Raises:
            UnknownName: there is none of that name.
        """
        found = await self.get(name, community=community)
        store = await self._house.store()
        now = to_us(store.clock.now())
        groups = await store.read(lambda conn: _groups(conn, found, now))
        control = next(iter(found.arms))
        level_each = 1 - (1 - level) / (len(found.arms) - 1)
        base = groups[control]
        arms: list[ArmResult] = []
        for arm in found.arms:
            group = groups[arm]
            effect = None
            if arm != control and group.persons and base.persons:
                effect = hold_out(
                    treated=group.successes,
                    treated_of=group.persons,
                    control=base.successes,
                    control_of=base.persons,
                    level=level_each,
                )
            arms.append(group.model_copy(update={"effect": effect}))
        ready = found.planned is not None and all(one.persons >= found.planned for one in arms)
        warnings = _warnings(found, arms)
        return ExperimentResult(
            experiment=found,
            arms=tuple(arms),
            ready=ready,
            warnings=tuple(warnings),
            verdict=_verdict(found, arms, ready=ready),
        )


def _warnings(found: Experiment, arms: Sequence[ArmResult]) -> list[str]:
    warnings: list[str] = []
    counts = [one.persons + one.waiting for one in arms]
    odds = _mismatch(counts, list(found.arms.values()))
    if odds < _SUSPICIOUS:
        warnings.append(
            f"the groups' sizes {counts} do not fit the weights (probability {odds:.2g}): "
            "somebody is assigned in one arm and not in another; the comparison cannot be trusted"
        )
    if found.planned is None:
        warnings.append("no number of persons was planned before the start: see sample_size")
    if any(one.waiting for one in arms):
        warnings.append(f"{sum(one.waiting for one in arms)} persons are still within their window")
    return warnings


def _verdict(found: Experiment, arms: Sequence[ArmResult], *, ready: bool) -> str:
    if not ready:
        least = min(one.persons for one in arms)
        wanted = f" of {found.planned}" if found.planned else ""
        return f"not ready: {least}{wanted} persons in the smallest arm"
    clear = [one for one in arms if one.effect is not None and one.effect.clear]
    if not clear:
        return "no difference shown: it may be smaller than the intervals"
    return "; ".join(
        f"{one.arm} {'better' if one.effect.difference > 0 else 'worse'} than the control "
        f"by {abs(one.effect.difference):.1%} ({one.effect.low:+.1%} to {one.effect.high:+.1%})"
        for one in clear
        if one.effect is not None
    )


def _mismatch(counts: Sequence[int], weights: Sequence[float]) -> float:
    """Give the probability of sizes at least so far from the weights (chi-square, Wilson and Hilferty's approximation)."""
    total, whole = sum(counts), math.fsum(weights)
    if total == 0:
        return 1.0
    square = sum(
        (count - total * weight / whole) ** 2 / (total * weight / whole)
        for count, weight in zip(counts, weights, strict=True)
    )
    freedom = len(counts) - 1
    if freedom == 1:
        return math.erfc(math.sqrt(square / 2))
    z = ((square / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 1 - NormalDist().cdf(z)


def _groups(conn: Connection, found: Experiment, now: int) -> dict[str, ArmResult]:
    window = found.window // _US
    exposed: dict[int, tuple[str, int]] = {}
    for row in conn.execute(
        select(identity.c.person_id, exposure.c.arm, exposure.c.at)
        .join(identity, identity.c.id == exposure.c.identity_id)
        .where(exposure.c.community == found.community, exposure.c.experiment == found.name)
        .order_by(exposure.c.at)
    ):
        exposed.setdefault(row.person_id, (row.arm, row.at))
    successes: set[int] = set()
    for person, at in _outcomes(conn, found):
        arm = exposed.get(person)
        if arm is not None and arm[1] <= at <= arm[1] + window:
            successes.add(person)
    revenue: dict[str, dict[str, Decimal]] = {arm: {} for arm in found.arms}
    for person, at, net, currency in _orders(conn, found.community):
        arm = exposed.get(person)
        if arm is not None and arm[1] <= at <= arm[1] + window:
            line = revenue[arm[0]]
            line[currency] = line.get(currency, Decimal(0)) + net
    groups: dict[str, ArmResult] = {}
    for arm in found.arms:
        people = [(person, at) for person, (which, at) in exposed.items() if which == arm]
        # who succeeded early must not count before those who may yet: that would raise every share
        done = [person for person, at in people if at + window <= now]
        good = sum(person in successes for person in done)
        groups[arm] = ArmResult(
            arm=arm,
            persons=len(done),
            waiting=len(people) - len(done),
            successes=good,
            share=good / len(done) if done else None,
            revenue=revenue[arm],
        )
    return groups


def _outcomes(conn: Connection, found: Experiment) -> list[tuple[int, int]]:
    if found.outcome is Outcome.BOUGHT:
        return [(person, at) for person, at, net, _ in _orders(conn, found.community) if net > 0]
    query = (
        select(identity.c.person_id, experiment_outcome.c.at)
        .join(identity, identity.c.id == experiment_outcome.c.identity_id)
        .where(
            experiment_outcome.c.community == found.community,
            experiment_outcome.c.experiment == found.name,
        )
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def _orders(conn: Connection, community: str) -> list[tuple[int, int, Decimal, str]]:
    return [
        (row.person_id, row.at, Decimal(row.amount) - Decimal(row.refunded), row.currency)
        for row in conn.execute(
            select(
                identity.c.person_id,
                shop_order.c.at,
                shop_order.c.amount,
                shop_order.c.refunded,
                shop_order.c.currency,
            )
            .join(identity, identity.c.id == shop_order.c.identity_id)
            .where(shop_order.c.community == community)
        )
    ]


def _note_activity(conn: Connection, community: str, name: str, number: int, at: int) -> None:
    """Note the first thing that an exposed person did after the exposure."""
    person = select(identity.c.person_id).where(identity.c.id == number).scalar_subquery()
    first = conn.execute(
        select(exposure.c.at)
        .join(identity, identity.c.id == exposure.c.identity_id)
        .where(
            exposure.c.community == community, exposure.c.experiment == name, identity.c.person_id == person
        )
        .order_by(exposure.c.at)
        .limit(1)
    ).scalar()
    if first is None or at <= first:
        return
    key = f"active/{number}"
    known = conn.execute(
        select(experiment_outcome.c.at).where(
            experiment_outcome.c.community == community,
            experiment_outcome.c.experiment == name,
            experiment_outcome.c.key == key,
        )
    ).scalar()
    if known is None:
        conn.execute(
            insert(experiment_outcome).values(
                community=community, experiment=name, key=key, identity_id=number, at=at
            )
        )
    elif at < known:
        conn.execute(
            update(experiment_outcome)
            .where(
                experiment_outcome.c.community == community,
                experiment_outcome.c.experiment == name,
                experiment_outcome.c.key == key,
            )
            .values(at=at)
        )


def _find(conn: Connection, community: str, name: str) -> Row[Any] | None:
    return conn.execute(
        select(experiment).where(experiment.c.community == community, experiment.c.name == name)
    ).one_or_none()


def _experiment(row: Row[Any]) -> Experiment:
    return Experiment(
        community=row.community,
        name=row.name,
        question=row.question,
        arms=json.loads(row.arms),
        outcome=Outcome(row.outcome),
        window=timedelta(microseconds=row.window),
        planned=row.planned,
        started_at=from_us(row.started_at),
        ended_at=None if row.ended_at is None else from_us(row.ended_at),
    )
