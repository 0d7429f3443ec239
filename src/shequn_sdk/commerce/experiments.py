"""The room of experiments: arms drawn by chance, a hold-out, and intervals that are honest."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select, update

from shequn_sdk.commerce import _exposures
from shequn_sdk.commerce.orders import of_person
from shequn_sdk.commerce.trials import (
    ArmResult,
    Experiment,
    ExperimentResult,
    Outcome,
    draw_arm,
    verdict_of,
    warnings_of,
)
from shequn_sdk.domain import InteractionKind, MemberRef, Name
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.members.identities import Seen, find_identities, note_identities, seen_in
from shequn_sdk.metrics.effects import hold_out
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.commerce import experiment, experiment_outcome, exposure

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard

__all__ = ["Experiments"]

_US = timedelta(microseconds=1)
_WATCHED = Fast("select community, name from experiment where outcome = :outcome and ended_at is null")
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
            self._watched = await store.read(
                lambda conn: [
                    (row[0], row[1]) for row in _WATCHED.all(conn, {"outcome": Outcome.ACTIVE.value})
                ]
            )
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
                    _exposures.note_activity(conn, community, name, numbers[seen.ref], seen.at)

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
            old = _exposures.find(conn, where, name)
            if old is not None:
                known = _exposures.experiment_of(old)
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
        row = await store.read(lambda conn: _exposures.find(conn, where, name))
        if row is None:
            raise UnknownName("experiment", name)
        return _exposures.experiment_of(row)

    async def list(self, *, community: str | None = None) -> Sequence[Experiment]:
        """Give the experiments, newest first."""
        where = self._community(community).name
        store = await self._house.store()
        query = (
            select(experiment).where(experiment.c.community == where).order_by(experiment.c.started_at.desc())
        )
        return await store.read(lambda conn: [_exposures.experiment_of(row) for row in conn.execute(query)])

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
            row = _exposures.find(conn, where, name)
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
        groups = await store.read(lambda conn: _exposures.groups(conn, found, now))
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
        warnings = warnings_of(found, arms)
        return ExperimentResult(
            experiment=found,
            arms=tuple(arms),
            ready=ready,
            warnings=tuple(warnings),
            verdict=verdict_of(found, arms, ready=ready),
        )
