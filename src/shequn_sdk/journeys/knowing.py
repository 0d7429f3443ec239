"""Whom steps are for: looked up for many at once, because one by one it costs more than the steps themselves."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import JsonValue
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef
from shequn_sdk.journeys import rows
from shequn_sdk.journeys.models import Policy
from shequn_sdk.members.fields import CONTACTS, HIDDEN, specs
from shequn_sdk.members.identities import persons_of
from shequn_sdk.members.merging import identities_of
from shequn_sdk.members.names import shown
from shequn_sdk.stores.fast import Fast

__all__ = ["Person", "Place", "Who", "know", "people_of"]

_FACES = Fast("select id, platform, native_id, display_name, account, is_bot from identity where id in :ids")
_NAMES = Fast("select id, name from person where id in :ids and name <> ''")
_CHANNELS = Fast(
    "select identity_id, account, channel from presence "
    "where identity_id in :ids and community = :community and left_at is null order by since"
)
_FIELDS = Fast(
    "select identity_id, name, value from profile_field where identity_id in :ids order by at, identity_id"
)


class _Face(NamedTuple):
    """What is known of an identity."""

    id: int
    platform: str
    native_id: str
    display_name: str
    account: str
    is_bot: int


class Place(NamedTuple):
    """An identity, and where it can be found."""

    platform: str
    native_id: str
    name: str
    account: str
    channel: ChannelRef | None


class Person(NamedTuple):
    """What a step has to know of a person."""

    identities: list[int]
    places: list[Place]
    """Identities but bots, those seen last first, each with the channel in which it came last."""
    name: str
    fields: Mapping[str, JsonValue]
    """To fill in; contacts stay hidden."""


class Who(NamedTuple):
    """The person of a run."""

    number: int
    person: Person
    policy: Policy
    doubled: bool
    """They were on this journey before, with another account: the two were merged since."""


def know(conn: Connection, runs: Sequence[Any]) -> dict[int, Who]:
    """Give whom each run is for, by the run's number."""
    owners = persons_of(conn, [run.identity_id for run in runs])
    by_community: defaultdict[str, list[Any]] = defaultdict(list)
    for run in runs:
        by_community[run.community].append(run)
    found: dict[int, Who] = {}
    for community, own in by_community.items():
        people = people_of(conn, community, [owners[run.identity_id] for run in own])
        policy = rows.policy_of(conn, community)
        mine = {run.id: people[owners[run.identity_id]].identities for run in own}
        doubled = rows.doubled(conn, community, own, mine)
        for run in own:
            number = owners[run.identity_id]
            found[run.id] = Who(number, people[number], policy, run.id in doubled)
    return found


def people_of(conn: Connection, community: str, persons: Iterable[int]) -> dict[int, Person]:
    """Give persons as journeys of a community know them."""
    groups = identities_of(conn, persons)
    numbers = [number for group in groups.values() for number in group]
    known = {row[0]: _Face._make(row) for row in _FACES.all(conn, {"ids": numbers})}
    given: dict[int, str] = dict(_NAMES.all(conn, {"ids": list(groups)}))
    channels = {
        number: ChannelRef(account=account, native_id=channel)
        for number, account, channel in _CHANNELS.all(conn, {"ids": numbers, "community": community})
    }
    fields = _fields(conn, {number: owner for owner, group in groups.items() for number in group})
    found: dict[int, Person] = {}
    for owner, group in groups.items():
        mine = [known[number] for number in group]
        places = [
            Place(row.platform, row.native_id, row.display_name, row.account, channels.get(row.id))
            for row in mine
            if not row.is_bot
        ]
        names = (shown(name) for name in (given.get(owner, ""), *(row.display_name for row in mine)))
        found[owner] = Person(
            group, places, next((name for name in names if name), ""), fields.get(owner, {})
        )
    return found


def _fields(conn: Connection, owners: Mapping[int, int]) -> dict[int, dict[str, JsonValue]]:
    """Give the newest value of each field, by person; `owners` has the person of each identity."""
    declared = specs(conn)
    if not declared:
        return {}
    found: defaultdict[int, dict[str, JsonValue]] = defaultdict(dict)
    for number, name, value in _FIELDS.all(conn, {"ids": list(owners)}):
        spec = declared.get(name)
        hidden = spec is not None and spec.kind in CONTACTS
        found[owners[number]][name] = HIDDEN if hidden else json.loads(value)
    return found
