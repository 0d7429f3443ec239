"""The members of a community as columns of numbers, brought up to date by what changed since.

Reading a million rows takes seconds, looking through them milliseconds; so the rows are read once, and after that only
those that a later write has numbered (`membership.change`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from shequn_sdk.domain import LifecycleDays, Role
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.members import filters as f
from shequn_sdk.members.fields import CONTACTS, FieldKind, FieldSpec
from shequn_sdk.members.lifecycle import Stage
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import identity, membership
from shequn_sdk.stores.tables.profiles import member_counter, member_tag, profile_field

__all__ = ["Columns", "Scope", "evaluate", "stamps"]

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

_NEVER = np.iinfo(np.int64).min
_STEP = 50_000
_QUARTER = 900_000_000
"""Microseconds of a quarter of an hour: clocks are changed on its bounds only."""
_ROLE_LIST = [role.value for role in Role]
_NAMES = ("joined_at", "left_at", "last_active", "first_at", "away_since", "returned_at")


class Stamps(NamedTuple):
    """How far the writes have come."""

    change: int
    facts: int
    epoch: int


def stamps(conn: Connection) -> Stamps:
    """Give the counters that writers advance."""
    found = {row.name: row.value for row in conn.execute(select(member_counter))}
    return Stamps(found.get("change", 0), found.get("facts", 0), found.get("epoch", 0))


class Scope(NamedTuple):
    """By what a filter is judged."""

    now: datetime
    zone: str
    thresholds: LifecycleDays
    specs: Mapping[str, FieldSpec]
    saved: Callable[[str], f.Filter]
    """Gives a saved segment's filter."""
    given: Mapping[f.Filter, Ints]
    """Identities that pass filters over what other stores know."""


class Columns:
    """The identities of one community's members, and the persons they are."""

    def __init__(self, community: str) -> None:
        """Hold nothing yet."""
        self.community = community
        self.stamps = Stamps(-1, -1, -1)
        self.ids: Ints = np.empty(0, np.int64)
        self._data: dict[str, Ints] = {}
        self._codes: dict[str, dict[str, int]] = {"platform": {}, "entrance": {}}
        self._tags: dict[str, Ints] = {}
        self._fields: dict[str, tuple[Ints, NDArray[np.float64], list[Any]]] = {}
        self._persons = self._by_person()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def persons(self) -> _Persons:
        """The same by person."""
        return self._persons

    def refresh(self, conn: Connection, *, only: Sequence[int] | None = None) -> bool:
        """Read what changed, or everything the first time; gives whether anything had.

        Args:
            conn: in a transaction.
            only: just the identities of these persons, for a look at a few.
        """
        now = stamps(conn)
        if now == self.stamps and only is None:
            return False
        whole = now.epoch != self.stamps.epoch or self.stamps.change < 0
        if whole:
            self.ids, self._data = np.empty(0, np.int64), {}
        query = (
            select(
                membership.c.identity_id,
                identity.c.person_id,
                identity.c.platform,
                membership.c.role,
                membership.c.entrance,
                identity.c.is_bot,
                *(membership.c[name] for name in _NAMES),
            )
            .join(identity, identity.c.id == membership.c.identity_id)
            .where(membership.c.community == self.community)
        )
        if not whole:
            query = query.where(membership.c.change > self.stamps.change)
        if only is not None:
            query = query.where(identity.c.person_id.in_(list(only)))
        parts: list[dict[str, Ints]] = []
        result = conn.execute(query)
        while rows := result.fetchmany(_STEP):
            parts.append(self._packed(rows))
        known: Ints | None = np.empty(0, np.int64)
        if parts:
            known = self._put({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        if whole or now.facts != self.stamps.facts:
            self._tags.clear()
            self._fields.clear()
        self.stamps = now
        if known is None or whole:
            self._persons = self._by_person()
        elif len(known):
            owners = np.unique(self._persons.of[known])
            self._persons.put(owners[owners >= 0], self._together)
        return True

    def _packed(self, rows: Sequence[Any]) -> dict[str, Ints]:
        columns = list(zip(*rows, strict=True))

        def codes(name: str, values: Sequence[str]) -> Ints:
            known = self._codes[name]
            return np.fromiter((known.setdefault(one, len(known)) for one in values), np.int64, len(values))

        packed = {
            "id": np.array(columns[0], np.int64),
            "person": np.array(columns[1], np.int64),
            "platform": codes("platform", columns[2]),
            "role": np.array([_ROLE_LIST.index(one) for one in columns[3]], np.int64),
            "entrance": codes("entrance", columns[4]),
            "is_bot": np.array(columns[5], np.int64),
        }
        for name, values in zip(_NAMES, columns[6:], strict=True):
            packed[name] = np.fromiter(
                (_NEVER if one is None else one for one in values), np.int64, len(values)
            )
        return packed

    def _put(self, fresh: dict[str, Ints]) -> Ints | None:
        """Take rows in; gives the places of those that were known, None when who is which person has to be found anew."""
        order = np.argsort(fresh["id"], kind="stable")
        fresh = {name: values[order] for name, values in fresh.items()}
        if not len(self.ids):
            self._data, self.ids = fresh, fresh["id"]
            return None
        places = np.searchsorted(self.ids, fresh["id"])
        known = (places < len(self.ids)) & (self.ids[np.minimum(places, len(self.ids) - 1)] == fresh["id"])
        old = places[known]
        same = bool(known.all()) and all(
            np.array_equal(self._data[name][old], fresh[name]) for name in ("person", "is_bot")
        )
        for name, values in fresh.items():
            self._data[name][old] = values[known]
        if not known.all():
            grown = {
                name: np.concatenate([self._data[name], values[~known]]) for name, values in fresh.items()
            }
            if grown["id"][len(self.ids)] <= self.ids[-1]:
                order = np.argsort(grown["id"], kind="stable")
                grown = {name: values[order] for name, values in grown.items()}
            self._data, self.ids = grown, grown["id"]
        return old if same else None

    def _by_person(self) -> _Persons:
        if not len(self.ids):
            nothing = np.empty(0, np.int64)
            return _Persons(nothing, nothing, {}, nothing, nothing)
        people = self._data["person"]
        order = np.flatnonzero(self._data["is_bot"] == 0)
        if not np.all(people[order][1:] >= people[order][:-1]):
            order = order[np.argsort(people[order], kind="stable")]
        ordered = people[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else order
        of = np.full(len(self.ids), -1, np.int64)
        of[order] = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(order)]))
        found = _Persons(ordered[starts], of, {}, order, starts)
        found.data = self._together(found, np.arange(len(starts)))
        return found

    def _together(self, persons: _Persons, which: Ints) -> dict[str, Ints]:
        """Give the columns of some persons, each over all their identities."""
        rows = persons.order[persons.starts[which]]
        data = {name: values[rows] for name, values in self._data.items()}
        lengths = np.diff(np.r_[persons.starts, len(persons.order)])[which]
        several = np.flatnonzero(lengths > 1)
        if not len(several):
            return data
        counts = lengths[several]
        starts = np.r_[0, np.cumsum(counts)[:-1]]
        inner = np.arange(int(counts.sum())) - np.repeat(starts, counts)
        rows = persons.order[np.repeat(persons.starts[which[several]], counts) + inner]
        own = {name: values[rows] for name, values in self._data.items()}
        for name in ("first_at", "role"):
            data[name][several] = np.minimum.reduceat(own[name], starts)
        for name in ("last_active", "returned_at"):
            data[name][several] = np.maximum.reduceat(own[name], starts)
        inside = np.maximum.reduceat((own["left_at"] == _NEVER).astype(np.int64), starts) > 0
        data["left_at"][several] = np.where(inside, _NEVER, np.maximum.reduceat(own["left_at"], starts))
        # of what belongs together, that of the identity that returned or joined last
        group, last = np.repeat(np.arange(len(several)), counts), starts + counts - 1
        for name, by in (
            ("away_since", "returned_at"),
            ("joined_at", "returned_at"),
            ("entrance", "joined_at"),
        ):
            rank = np.lexsort((own["first_at"], own[by], group))
            data[name][several] = own[name][rank][last]
        return data

    def has(self, name: str, codes: Sequence[int]) -> Mask:
        """Which persons have an identity with one of these codes in a column."""
        return self._persons.any_of(np.isin(self._data[name], list(codes)))

    def codes(self, name: str, values: Sequence[str]) -> list[int]:
        """Give the codes of texts; those that never came are left out."""
        return [self._codes[name][one] for one in values if one in self._codes[name]]

    def load_for(self, conn: Connection, wanted: f.Filter, scope: Scope) -> None:
        """Read the tags and fields that a filter asks for and that were not read yet."""
        for one in f.walk(wanted):
            if isinstance(one, f.InSegment):
                self.load_for(conn, scope.saved(one.name), scope)
            elif isinstance(one, f.Tagged) and one.tag not in self._tags:
                rows = conn.execute(
                    select(member_tag.c.identity_id).where(
                        member_tag.c.community == self.community, member_tag.c.tag == one.tag
                    )
                )
                self._tags[one.tag] = np.fromiter(rows.scalars(), np.int64)
            elif isinstance(one, f.Field) and one.name not in self._fields:
                rows = conn.execute(
                    select(profile_field.c.identity_id, profile_field.c.number, profile_field.c.value)
                    .where(profile_field.c.name == one.name)
                    .order_by(profile_field.c.at, profile_field.c.identity_id)
                ).all()
                self._fields[one.name] = (
                    np.array([row.identity_id for row in rows], np.int64),
                    np.array([np.nan if row.number is None else row.number for row in rows], np.float64),
                    [json.loads(row.value) for row in rows],
                )

    def tagged(self, tag: str) -> Mask:
        """Which persons have a tag."""
        return self.members(self._tags[tag])

    def members(self, identities: Ints) -> Mask:
        """Which persons have one of these identities."""
        mask = np.zeros(len(self._persons.numbers), np.bool_)
        owners, _ = self._owners(identities)
        mask[owners] = True
        return mask

    def _owners(self, identities: Ints) -> tuple[Ints, Mask]:
        places = np.minimum(np.searchsorted(self.ids, identities), max(len(self.ids) - 1, 0))
        known = self.ids[places] == identities if len(self.ids) else np.zeros(len(identities), np.bool_)
        owners = self._persons.of[places[known]] if len(self.ids) else places[:0]
        kept = owners >= 0
        known[known] = kept
        return owners[kept], known

    def field(self, name: str) -> tuple[NDArray[np.float64], list[Any], Ints]:
        """Give a field by person: its numbers, and its values with the places of those that have one."""
        identities, numbers, values = self._fields[name]
        owners, known = self._owners(identities)
        by_person = np.full(len(self._persons.numbers), np.nan)
        by_person[owners] = numbers[known]  # rows are in order of time: the newest is written last
        newest = dict(zip(owners.tolist(), np.flatnonzero(known).tolist(), strict=True))
        return by_person, [values[place] for place in newest.values()], np.array(list(newest), np.int64)


class _Persons:
    """Persons of a community: one entry each."""

    def __init__(self, numbers: Ints, of: Ints, data: dict[str, Ints], order: Ints, starts: Ints) -> None:
        self.numbers = numbers
        self.of = of
        """Place of the person of each identity; -1 of bots."""
        self.data = data
        self.order = order
        """Places of identities, those of one person side by side."""
        self.starts = starts
        """Where in `order` each person begins."""

    def __len__(self) -> int:
        return len(self.numbers)

    def put(self, which: Ints, give: Callable[[_Persons, Ints], dict[str, Ints]]) -> None:
        """Bring the columns of some persons up to date."""
        for name, values in give(self, which).items():
            self.data[name][which] = values

    def any_of(self, mask: Mask) -> Mask:
        """Which persons have an identity that a mask holds."""
        ordered = mask[self.order]
        if len(self.starts) == len(self.order):
            return ordered
        return np.logical_or.reduceat(ordered, self.starts)

    @property
    def left(self) -> Mask:
        """Who left, and did not join again."""
        return self.data["left_at"] != _NEVER if self.data else np.zeros(0, np.bool_)


def _midnight(today: date, days_ago: int, zone: ZoneInfo) -> int:
    first = today - timedelta(days=days_ago)
    return to_us(datetime.combine(first, time(), zone).astimezone(UTC))


def _local_days(instants: Ints, zone: ZoneInfo) -> Ints:
    """Give local days as numbers; looked up once per quarter of an hour."""
    quarters, places = np.unique(instants // _QUARTER, return_inverse=True)
    found = [
        datetime.fromtimestamp(int(one) * 900, UTC).astimezone(zone).date().toordinal() for one in quarters
    ]
    return np.array(found, np.int64)[places]


def _stage(columns: Columns, stage: Stage, scope: Scope) -> Mask:
    data, limits = columns.persons.data, scope.thresholds
    zone = ZoneInfo(scope.zone)
    today = scope.now.astimezone(zone).date()
    left = columns.persons.left
    if stage is Stage.CHURNED:
        latest = np.where(data["last_active"] == _NEVER, data["first_at"], data["last_active"])
        gone = (latest < _midnight(today, limits.churned_days - 1, zone)) & ~(
            data["first_at"] >= _midnight(today, limits.new_days - 1, zone)
        )
        gone &= ~(data["last_active"] >= _midnight(today, limits.active_days - 1, zone))
        return left | gone
    new = ~left & (data["first_at"] >= _midnight(today, limits.new_days - 1, zone))
    if stage is Stage.NEW:
        return new
    since = _midnight(today, limits.active_days - 1, zone)
    active = ~left & ~new & (data["last_active"] >= since)
    if stage is Stage.SILENT:
        return ~left & ~new & ~active & ~_stage(columns, Stage.CHURNED, scope)
    recent = np.flatnonzero(active & (data["returned_at"] >= since))
    back = np.zeros(len(active), np.bool_)
    if len(recent):
        returned, away = data["returned_at"][recent], data["away_since"][recent]
        gap = _local_days(returned, zone) - _local_days(away, zone)
        back[recent] = (gap >= limits.churned_days) | (data["joined_at"][recent] == returned)
    return back if stage is Stage.RESURRECTED else active & ~back


_OPS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "is": np.equal,
}


def _field(columns: Columns, one: f.Field, scope: Scope) -> Mask:
    spec = scope.specs.get(one.name)
    if spec is None:
        raise UnknownName("field", one.name, nearest=tuple(scope.specs)[:5])
    if spec.kind in CONTACTS:
        raise InvalidInput(f"field {one.name!r} is sealed: segments cannot look into it", source=one.name)
    numbers, values, places = columns.field(one.name)
    has = np.zeros(len(numbers), np.bool_)
    has[places] = True
    if one.op == "set":
        return has
    wanted = spec.check(one.value)
    if spec.kind in {FieldKind.TEXT, FieldKind.CHOICE}:
        if one.op not in {"is", "is not"}:
            raise InvalidInput(f"field {one.name!r} is a {spec.kind}: it can be compared by `is` only")
        equal = np.zeros(len(numbers), np.bool_)
        equal[places] = np.fromiter((value == wanted for value in values), np.bool_, len(values))
        return equal if one.op == "is" else has & ~equal
    number = spec.number_of(wanted)
    if one.op == "is not":
        return has & (numbers != number)
    return _OPS[one.op](numbers, number)


def _holds(columns: Columns, one: f.Filter, scope: Scope) -> Mask:
    data, size = columns.persons.data, len(columns.persons)
    if isinstance(one, f.And):
        mask = np.ones(size, np.bool_)
        for inner in one.of:
            mask &= _holds(columns, inner, scope)
        return mask
    if isinstance(one, f.Or):
        mask = np.zeros(size, np.bool_)
        for inner in one.of:
            mask |= _holds(columns, inner, scope)
        return mask
    if isinstance(one, f.Not):
        return ~_holds(columns, one.of, scope)
    if isinstance(one, f.InSegment):
        return evaluate(columns, scope.saved(one.name), scope)
    if isinstance(one, f.Tagged):
        return columns.tagged(one.tag)
    if isinstance(one, f.InStage):
        mask = np.zeros(size, np.bool_)
        for stage in one.stages:
            mask |= _stage(columns, stage, scope)
        return mask
    if isinstance(one, f.HasRole):
        return np.isin(data["role"], [_ROLE_LIST.index(role) for role in one.roles])
    if isinstance(one, (f.JoinedWithin, f.ActiveWithin)):
        zone = ZoneInfo(scope.zone)
        since = _midnight(scope.now.astimezone(zone).date(), one.days - 1, zone)
        return data["first_at" if isinstance(one, f.JoinedWithin) else "last_active"] >= since
    if isinstance(one, f.Entrance):
        return np.isin(data["entrance"], columns.codes("entrance", one.names))
    if isinstance(one, f.OnPlatform):
        return columns.has("platform", columns.codes("platform", one.platforms))
    if isinstance(one, f.Left):
        return columns.persons.left
    if isinstance(one, f.Field):
        return _field(columns, one, scope)
    return columns.members(scope.given[one])


def evaluate(columns: Columns, wanted: f.Filter, scope: Scope) -> Mask:
    """Say which persons pass a filter; who left does not, unless it asks for them."""
    if not len(columns.persons):
        return np.zeros(0, np.bool_)
    mask = _holds(columns, wanted, scope)
    if any(isinstance(one, f.Left) for one in f.walk(wanted)):
        return mask
    return mask & ~columns.persons.left
