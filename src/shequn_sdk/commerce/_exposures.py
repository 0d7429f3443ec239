"""Rows of experiments: who was exposed to what, and what came of it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from shequn_sdk.commerce.trials import ArmResult, Experiment, Outcome
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.commerce import experiment, experiment_outcome, exposure, shop_order
from shequn_sdk.stores.tables.members import identity

__all__ = ["experiment_of", "find", "groups", "note_activity"]

_US = timedelta(microseconds=1)


def groups(conn: Connection, found: Experiment, now: int) -> dict[str, ArmResult]:
    """Give each arm with its persons, successes and revenue."""
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
    found_groups: dict[str, ArmResult] = {}
    for arm in found.arms:
        people = [(person, at) for person, (which, at) in exposed.items() if which == arm]
        # who succeeded early must not count before those who may yet: that would raise every share
        done = [person for person, at in people if at + window <= now]
        good = sum(person in successes for person in done)
        found_groups[arm] = ArmResult(
            arm=arm,
            persons=len(done),
            waiting=len(people) - len(done),
            successes=good,
            share=good / len(done) if done else None,
            revenue=revenue[arm],
        )
    return found_groups


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


def note_activity(conn: Connection, community: str, name: str, number: int, at: int) -> None:
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


def find(conn: Connection, community: str, name: str) -> Row[Any] | None:
    """Give an experiment's row; None when there is none."""
    return conn.execute(
        select(experiment).where(experiment.c.community == community, experiment.c.name == name)
    ).one_or_none()


def experiment_of(row: Row[Any]) -> Experiment:
    """Read a row."""
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
