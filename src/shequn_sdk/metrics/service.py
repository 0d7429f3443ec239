"""Computing metrics: from a name and a range to points with their coverage and freshness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import anyio.to_thread
from pydantic import ValidationError

from shequn_sdk.domain import Clock, Comparison, Coverage, Grain, MetricPoint, MetricResult
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics import buckets, closed, lookup
from shequn_sdk.metrics import compare as comparing
from shequn_sdk.metrics.compile import Compiled, compile_metric
from shequn_sdk.metrics.macros import Request
from shequn_sdk.metrics.model import FinishContext, Metric, MetricParams, Row, Segment
from shequn_sdk.metrics.registry import Registry
from shequn_sdk.metrics.store.base import EventStore, Session, StoreHolder
from shequn_sdk.scheduling.clock import SystemClock

__all__ = ["Metrics"]


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request with everything resolved but the data."""

    metric: Metric
    request: Request
    community: str | None
    start: date | datetime | None
    end: date | datetime | None
    last: timedelta | None


class Metrics:
    """Computes metrics over an event store (指标计算).

    `compute` is for async code and runs in a thread; `compute_now` is the same for blocking code.
    """

    def __init__(
        self,
        store: EventStore | StoreHolder,
        *,
        registry: Registry | None = None,
        clock: Clock | None = None,
        reported_kinds: Mapping[str, frozenset[str]] | None = None,
        rollups: bool = True,
    ) -> None:
        """Read from `store`.

        Args:
            store: the event store, or an `AsyncEventStore` over it.
            registry: the metrics; the built-in ones by default.
            clock: says which local day is still running; the machine's by default.
            reported_kinds: per platform, the kinds of interaction that it tells at all (`Manifest.reports`). A kind
                that was ever seen counts as reported, too.
            rollups: whether roll-ups may be read in place of the log; results are the same.
        """
        self._store: EventStore = store if isinstance(store, EventStore) else store.store
        self.registry = registry if registry is not None else Registry()
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._reported = dict(reported_kinds or {})
        self._rollups = rollups

    def list(self) -> list[Metric]:
        """List all metrics, by name."""
        return self.registry.list()

    def get(self, name: str) -> Metric:
        """Give a metric's definition; `UnknownName` names the nearest ones."""
        return self.registry.get(name)

    async def compute(
        self,
        name: str,
        *,
        community: str | None = None,
        start: date | None = None,
        end: date | None = None,
        last: timedelta | None = None,
        grain: Grain | str | None = None,
        by: Sequence[str] = (),
        where: Segment | None = None,
        compare: str | None = None,
        params: Mapping[str, object] | None = None,
    ) -> MetricResult:
        """Compute one metric; see `compute_now`."""
        return await anyio.to_thread.run_sync(
            lambda: self.compute_now(
                name,
                community=community,
                start=start,
                end=end,
                last=last,
                grain=grain,
                by=by,
                where=where,
                compare=compare,
                params=params,
            )
        )

    def compute_now(
        self,
        name: str,
        *,
        community: str | None = None,
        start: date | None = None,
        end: date | None = None,
        last: timedelta | None = None,
        grain: Grain | str | None = None,
        by: Sequence[str] = (),
        where: Segment | None = None,
        compare: str | None = None,
        params: Mapping[str, object] | None = None,
    ) -> MetricResult:
        """Compute one metric.

        Args:
            name: the metric, for example `active_members.dau`.
            community: one community; None is all of them, each person counted once.
            start: first local day; an aware datetime means its day in the community's zone.
            end: last local day, the day itself included.
            last: in place of `start`: so many days up to `end`, or up to today.
            grain: length of a bucket; None is the metric's own.
            by: dimensions to split by: community, platform, channel, role, tag, entrance …
            where: which members and places to look at.
            compare: `previous_period` or `previous_year`.
            params: the metric's parameters, by name.

        Without a range all data is taken.

        Raises:
            UnknownName: no such metric or community.
            InvalidInput: a grain, dimension, parameter or range that does not fit the metric.
            StoreBusy: another process did not let go of the store in time.
        """
        metric = self.registry.get(name)
        ask = _Ask(
            metric=metric,
            request=Request(
                grain=_grain(metric, grain),
                dims=_dims(metric, by),
                params=_params(metric, params),
                segment=where or Segment(),
                community=community is not None,
                rollup=self._rollups,
            ),
            community=community,
            start=start,
            end=end,
            last=last,
        )
        if last is not None and start is not None:
            raise InvalidInput("give start= or last=, not both")
        if compare is not None and compare not in comparing.AGAINST:
            raise InvalidInput(f"compare= takes {' or '.join(comparing.AGAINST)}, not {compare!r}")
        with self._store.read(purpose=f"metric {name}") as session:
            return _Run(session, ask, self._clock.now(), self._reported).result(compare)


def _grain(metric: Metric, grain: Grain | str | None) -> Grain:
    if grain is None:
        return metric.grains[0]
    known = {str(item): item for item in metric.grains}
    if str(grain) not in known:
        raise InvalidInput(f"{metric.name} comes per {', '.join(known)}, not per {str(grain)!r}")
    return known[str(grain)]


def _dims(metric: Metric, by: Sequence[str]) -> tuple[str, ...]:
    asked = (by,) if isinstance(by, str) else tuple(dict.fromkeys(by))
    for name in asked:
        if name not in metric.dims:
            known = ", ".join(sorted(metric.dims)) or "no dimension at all"
            raise InvalidInput(f"{metric.name} cannot be split by {name!r}; it knows {known}")
    return asked


def _params(metric: Metric, params: Mapping[str, object] | None) -> MetricParams:
    try:
        return metric.params.model_validate(dict(params or {}))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        known = ", ".join(metric.params.model_fields)
        raise InvalidInput(
            f"parameter {where!r} of {metric.name} does not fit: {fault['msg']}; it knows {known}"
        ) from error


class _Run:
    """One computation within one turn on the store."""

    def __init__(
        self, session: Session, ask: _Ask, now: datetime, reported: Mapping[str, frozenset[str]]
    ) -> None:
        self.session = session
        self.ask = ask
        self.warnings: list[str] = []
        self.scope = lookup.scope(session, ask.community)
        self.today = now.astimezone(ZoneInfo(self.scope.zone)).date()
        self.reported = reported

    def result(self, compare: str | None) -> MetricResult:
        ask, scope = self.ask, self.scope
        start, end = self._range()
        platforms, coverage = self._coverage()
        points: tuple[MetricPoint, ...] = ()
        comparison: Comparison | None = None
        if start is not None and end is not None:
            points = self._points(start, end, platforms, coverage)
            if compare is not None:
                comparison = self._comparison(compare, start, end, points, platforms, coverage)
            if scope.first is None or end < scope.first or (scope.last is not None and start > scope.last):
                self.warnings.append(
                    f"no data between {start} and {end}"
                    + (f"; there is data from {scope.first} to {scope.last}" if scope.first else "")
                )
        still: datetime | None = getattr(self.session, "snapshot_at", None)
        if still is not None:
            self.warnings.append(f"the event store was busy: this is its state of {still.isoformat()}")
        if any(point.partial for point in points):
            self.warnings.append(
                "some buckets are partial: still running, or with a window before the first data"
            )
        return MetricResult(
            metric=ask.metric.name,
            version=ask.metric.version,
            unit=ask.metric.unit,
            grain=ask.request.grain,
            community=ask.community,
            start=start,
            end=end,
            points=points,
            warnings=tuple(self.warnings),
            coverage=coverage,
            data_as_of=scope.as_of,
            late_share=scope.late_share,
            comparison=comparison,
        )

    def _range(self) -> tuple[date | None, date | None]:
        ask, scope = self.ask, self.scope
        start, end = (_day(value, scope.zone) for value in (ask.start, ask.end))
        if ask.last is not None:
            days = ask.last.days
            if days < 1:
                raise InvalidInput(f"last= must be at least one day, not {ask.last}")
            end = end or self.today
            start = end - timedelta(days=days - 1)
        if start is not None and end is not None and end < start:
            raise InvalidInput(f"the range ends on {end}, before it starts on {start}")
        start = start or scope.first
        end = end or scope.last
        if start is not None and end is not None and end < start:
            end = start
        return start, end

    def _coverage(self) -> tuple[tuple[str, ...] | None, Coverage | None]:
        """Find the platforms that report what the metric needs."""
        metric, segment = self.ask.metric, self.ask.request.segment
        if not metric.needs and not metric.needs_any:
            return None, None
        total = [
            platform
            for platform in self.scope.platforms
            if segment.platforms is None or platform in segment.platforms
        ]
        covered: list[str] = []
        for platform in total:
            kinds = self.scope.kinds.get(platform, frozenset()) | self.reported.get(platform, frozenset())
            if metric.needs <= kinds and (not metric.needs_any or metric.needs_any & kinds):
                covered.append(platform)
        missing = tuple(platform for platform in total if platform not in covered)
        coverage = Coverage(covered=len(covered), total=len(total), missing=missing)
        if missing:
            wanted = ", ".join(sorted(metric.needs or metric.needs_any))
            self.warnings.append(
                f"not reported ({wanted}) by {', '.join(missing)}: left out, not counted as 0"
            )
        return (tuple(covered) if missing else None), coverage

    def _points(
        self, start: date, end: date, platforms: tuple[str, ...] | None, coverage: Coverage | None
    ) -> tuple[MetricPoint, ...]:
        ask = self.ask
        metric, grain = ask.metric, ask.request.grain
        if coverage is not None and coverage.covered == 0:
            return buckets.unknown(start, end, grain)
        request = Request(
            grain=grain,
            dims=ask.request.dims,
            params=ask.request.params,
            segment=ask.request.segment,
            community=ask.request.community,
            platforms=platforms,
            rollup=ask.request.rollup,
            persons=self.scope.persons,
        )
        compiled = compile_metric(metric, request, dialect=self.session.dialect)
        if metric.finish_table is not None:
            table = self.session.arrow(compiled.sql, self._values(compiled, start, end))
            rows = metric.finish_table(table, self._context(start, end))
        else:
            rows = closed.rows(
                self.session,
                metric,
                request,
                community=self.scope.number,
                start=start,
                end=end,
                today=self.today,
                compute=lambda first, last: self._rows(compiled, first, last),
            )
        if metric.finish is not None:
            rows = metric.finish(rows, self._context(start, end))
        lead = metric.lead_of(request.params)
        window = buckets.Window(start, end, self.today, self.scope.first, self.scope.last_any, lead)
        points = buckets.points(rows, metric, grain, window, split=bool(request.dims))
        return lookup.name_dims(self.session, points)

    def _values(self, compiled: Compiled, start: date, end: date) -> dict[str, object]:
        values: dict[str, object] = dict(compiled.values)
        mature = min(end, self.today - timedelta(days=1), self.scope.last_any or end)
        values |= {"community": self.scope.number, "start": start, "end": end, "mature": mature}
        return {name: values[name] for name in compiled.names if name in values}

    def _rows(self, compiled: Compiled, start: date, end: date) -> list[Row]:
        columns, rows = self.session.rows(compiled.sql, self._values(compiled, start, end))
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _context(self, start: date, end: date) -> FinishContext:
        session = self.session
        return FinishContext(
            params=self.ask.request.params,
            grain=self.ask.request.grain,
            start=start,
            end=end,
            today=self.today,
            last_day=self.scope.last_any or end,
            zone=self.scope.zone,
            describe=lambda persons: lookup.describe(session, persons),
            contents=lambda numbers: lookup.contents(session, numbers),
        )

    def _comparison(
        self,
        against: str,
        start: date,
        end: date,
        points: tuple[MetricPoint, ...],
        platforms: tuple[str, ...] | None,
        coverage: Coverage | None,
    ) -> Comparison:
        grain = self.ask.request.grain
        before_start, before_end = comparing.earlier_range(against, start, end, grain)
        unknown = self.scope.first is not None and before_start < self.scope.first
        if unknown:
            self.warnings.append(
                f"the range compared with starts before the first data on {self.scope.first}"
            )
        earlier = self._points(before_start, before_end, platforms, coverage)
        if unknown and grain is Grain.TOTAL:
            earlier = tuple(point.model_copy(update={"partial": True}) for point in earlier)
        return comparing.comparison(
            self.ask.metric,
            against=against,
            start=before_start,
            end=before_end,
            current=points,
            previous=earlier,
        )


def _day(value: date | datetime | None, zone: str) -> date | None:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInput(f"{value} has no time zone; give a date or an aware datetime")
        return value.astimezone(ZoneInfo(zone)).date()
    return value
