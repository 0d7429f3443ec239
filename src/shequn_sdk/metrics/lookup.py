# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""What a computation must know of the store: zone, range of data, kinds seen, names behind numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from shequn_sdk.domain import MetricPoint
from shequn_sdk.errors import UnknownName
from shequn_sdk.metrics.store.base import Session

__all__ = ["Scope", "contents", "describe", "name_dims", "scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """A community, or all of them, and its data."""

    number: int | None
    zone: str
    first: date | None
    """First local day with data."""
    last: date | None
    last_any: date | None
    """Last local day on which any community of the store had data: until then, silence is silence."""
    as_of: datetime | None
    late_share: float | None
    platforms: tuple[str, ...]
    kinds: Mapping[str, frozenset[str]]
    """Kinds ever seen, per platform."""
    persons: int
    """Largest person number."""


def scope(session: Session, community: str | None) -> Scope:
    """Look the community and its data up; a session that remembers is asked only once until its data change."""
    memo: dict[object, object] = getattr(session, "memo", {})
    found = memo.get(("scope", community))
    if not isinstance(found, Scope):
        found = memo["scope", community] = _scope(session, community)
    return found


def _scope(session: Session, community: str | None) -> Scope:
    _, known = session.rows("select community_no, name, zone from communities order by community_no")
    number: int | None = None
    zones = {str(row[2]) for row in known}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    if community is not None:
        match = [row for row in known if row[1] == community]
        if not match:
            raise UnknownName("community", community, nearest=tuple(str(row[1]) for row in known[:3]))
        number, _, zone = match[0]
    _, rows = session.rows(
        "select h.community_no, h.platform, h.kind, min(h.local_day), max(h.local_day) from ingest_stats as h "
        "group by h.community_no, h.platform, h.kind"
    )
    last_any = max((row[4] for row in rows), default=None)
    own = [row for row in rows if number is None or row[0] == number]
    kinds: dict[str, set[str]] = {}
    for _, platform, kind, _, _ in own:
        kinds.setdefault(platform, set()).add(kind)
    where = "" if number is None else f" where s.community_no = {number}"
    _, fresh = session.rows(
        f"select max(s.last_ts), sum(s.late), sum(s.events) from ingest_stats as s{where}"
    )
    newest, late, events = fresh[0]
    _, largest = session.rows("select max(m.person_no) from members as m")
    return Scope(
        number=number,
        zone=zone,
        first=min((row[3] for row in own), default=None),
        last=max((row[4] for row in own), default=None),
        last_any=last_any,
        as_of=None if newest is None else newest.replace(tzinfo=UTC),
        late_share=float(late) / float(events) if events else None,
        platforms=tuple(sorted(kinds)),
        kinds={platform: frozenset(seen) for platform, seen in kinds.items()},
        persons=largest[0][0] or 0,
    )


def _in(numbers: list[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)


def describe(session: Session, persons: list[int]) -> dict[int, tuple[str, str]]:
    """Give the oldest identity of each person as `platform:native-id`, and a name."""
    found: dict[int, tuple[str, str]] = {number: (f"person:{number}", "") for number in persons}
    if persons:
        _, rows = session.rows(
            "select m.person_no, m.platform, m.native_id, m.name from members as m "
            f"where m.person_no in ({_in(persons)}) order by m.member_no desc"
        )
        for person, platform, native, name in rows:
            found[person] = (f"{platform}:{native}", name or found[person][1])
    return found


def contents(session: Session, numbers: list[int]) -> dict[int, str]:
    """Give `platform:channel:message` of each content; unknown ones are "unknown"."""
    found = dict.fromkeys(numbers, "unknown")
    if numbers:
        _, rows = session.rows(
            "select o.content_no, o.platform, c.native_id, o.native_id from contents as o "
            f"join channels as c on c.channel_no = o.channel_no where o.content_no in ({_in(numbers)})"
        )
        for number, platform, channel, native in rows:
            found[number] = f"{platform}:{channel}:{native}"
    return found


def name_dims(session: Session, points: tuple[MetricPoint, ...]) -> tuple[MetricPoint, ...]:
    """Put names in the place of the numbers of communities and channels."""
    names: dict[str, dict[object, str]] = {}
    dims = {name for point in points for name in point.dims}
    if "community" in dims:
        _, rows = session.rows("select community_no, name from communities")
        names["community"] = {row[0]: row[1] for row in rows}
    if "channel" in dims:
        _, rows = session.rows("select channel_no, platform, native_id from channels")
        names["channel"] = {row[0]: f"{row[1]}:{row[2]}" for row in rows}
    if not names:
        return points
    return tuple(
        point.model_copy(
            update={
                "dims": {
                    name: names[name].get(value, value) if name in names else value
                    for name, value in point.dims.items()
                }
            }
        )
        for point in points
    )
