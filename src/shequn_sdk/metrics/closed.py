"""Finished buckets are computed once: what they gave is kept until one of their days changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol, cast, runtime_checkable

from shequn_sdk.domain import Grain
from shequn_sdk.metrics import buckets
from shequn_sdk.metrics.columns import Request
from shequn_sdk.metrics.macros import MEMBER_DIMS
from shequn_sdk.metrics.model import Gaps, Metric, Row, Segment
from shequn_sdk.metrics.store.base import Session

__all__ = ["PointKeeper", "rows"]

_GRAINS = frozenset({Grain.DAY, Grain.WEEK, Grain.MONTH})
_ALL = -1
"""In the place of a community's number: all together."""


@runtime_checkable
class PointKeeper(Protocol):
    """A session that keeps what finished buckets gave, and drops it when one of their days changes."""

    def kept(self, ask: str, *, community: int, first: date, last: date) -> Mapping[date, str]:
        """Give what is kept of buckets from `first` to `last`."""
        ...

    def keep(self, ask: str, *, community: int, found: Mapping[date, tuple[date, date, str]]) -> None:
        """Keep what buckets gave, with the first and last day on which it rests."""
        ...


def rows(
    session: Session,
    metric: Metric,
    request: Request,
    *,
    community: int | None,
    start: date,
    end: date,
    today: date,
    compute: Callable[[date, date], list[Row]],
) -> list[Row]:
    """Give the rows of a range: of finished buckets what is kept, of the others what `compute` says.

    Kept are only metrics that say so (`Metric.closed`), without segments or dimensions of members, whose facts change
    without a trace in the log.
    """
    if not isinstance(session, PointKeeper) or not _fits(metric, request):
        return compute(start, end)
    grain = request.grain
    asked = buckets.starts(start, end, grain)
    done = {
        day
        for day in asked
        if day >= start and buckets.bucket_end(day, grain) <= min(end, today - timedelta(days=1))
    }
    if not done:
        return compute(start, end)
    ask, number = _ask(metric, request), _ALL if community is None else community
    kept = session.kept(ask, community=number, first=min(done), last=max(done))
    found = {day: _read(text, day) for day, text in kept.items() if day in done}
    missing = [day for day in asked if day not in found]
    if missing:
        low = max(start, missing[0])
        high = min(end, buckets.bucket_end(missing[-1], grain))
        fresh: dict[date, list[Row]] = {day: [] for day in asked if low <= day <= high or day == missing[0]}
        computed = compute(low, high)
        if metric.gaps is Gaps.CARRY:
            computed = _every_bucket(computed, list(fresh), high, grain)
        for row in computed:
            fresh.setdefault(row["bucket"], []).append(row)
        found |= fresh
        session.keep(
            ask,
            community=number,
            found={
                day: (
                    day - timedelta(days=metric.lead_of(request.params)),
                    buckets.bucket_end(day, grain),
                    _write(fresh[day]),
                )
                for day in fresh
                if day in done
            },
        )
    return [row for day in sorted(found) for row in found[day]]


def _fits(metric: Metric, request: Request) -> bool:
    return (
        metric.closed
        and request.rollup
        and not metric.finished
        and request.grain in _GRAINS
        and not set(request.dims) & MEMBER_DIMS
        and not (metric.gaps is Gaps.CARRY and request.dims)
        and request.segment.model_copy(update={"platforms": None}) == Segment()
    )


def _every_bucket(changes: list[Row], days: list[date], end: date, grain: Grain) -> list[Row]:
    """Give the value of each bucket of a stock that comes as changes."""
    waiting = sorted(changes, key=lambda row: row["bucket"], reverse=True)
    value = 0
    found: list[Row] = []
    for day in sorted(days):
        upto = min(buckets.bucket_end(day, grain), end)
        while waiting and waiting[-1]["bucket"] <= upto:
            value = waiting.pop()["value"]
        found.append({"bucket": day, "value": value})
    return found


def _ask(metric: Metric, request: Request) -> str:
    parts = [
        metric.name,
        metric.version,
        metric.sql,
        str(request.grain),
        request.dims,
        request.params.model_dump_json(),
        request.segment.platforms,
        request.platforms,
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(f"{type(value).__name__} cannot be kept")


def _write(found: list[Row]) -> str:
    return json.dumps(
        [{name: value for name, value in row.items() if name != "bucket"} for row in found],
        default=_plain,
        ensure_ascii=False,
    )


def _number(value: dict[str, Any]) -> object:
    return Decimal(cast("str", value["decimal"])) if value.keys() == {"decimal"} else value


def _read(text: str, day: date) -> list[Row]:
    return [{"bucket": day, **row} for row in json.loads(text, object_hook=_number)]
