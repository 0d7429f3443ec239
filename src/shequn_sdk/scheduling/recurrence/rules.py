"""Triggers by the local calendar: cron expressions, RRULEs, weekly slots."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import MAXYEAR, UTC, datetime, time, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any, Literal, Unpack

from cronsim import CronSim, CronSimError
from dateutil.rrule import DAILY, HOURLY, MINUTELY, SECONDLY, WEEKLY, rrule, rrulestr
from pydantic import model_validator

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.recurrence.base import Options, Trigger
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, clock_time, next_local, zone_of
from shequn_sdk.scheduling.recurrence.possible import check_parts, comes, part

__all__ = ["Cron", "RRule", "Weekly"]

Nominal = tuple[datetime, tuple[str, ...]] | None


class LocalOptions(Options, total=False):
    """What triggers by the wall clock take in addition."""

    gap: Gap
    overlap: Overlap


class LocalTrigger(Trigger):
    """A trigger by the wall clock of `tz`."""

    gap: Gap = Gap.SHIFT_FORWARD
    """For local times that do not exist."""
    overlap: Overlap = Overlap.FIRST
    """For local times that exist twice."""

    def __init__(self, **data: Any) -> None:
        """Validate."""
        super().__init__(**data)

    def _local(self, step: Callable[[datetime], datetime | None], after: datetime) -> Nominal:
        found = next_local(step, zone_of(self.tz), after, gap=self.gap, overlap=self.overlap)
        return None if found is None else (found, ())


_FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_RANGES = ("0-59", "0-59", "0-23", "1-31 or L", "1-12 or JAN-DEC", "0-7 or SUN-SAT")
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_SOME_DAY = datetime(2024, 1, 1)  # noqa: DTZ001 - local time


def _cron_error(expression: str, error: CronSimError) -> InvalidInput:
    parts = list(re.finditer(r"\S+", expression))
    name = str(error).removeprefix("Bad ")
    if len(parts) not in {5, 6} or name not in _FIELDS:
        return InvalidInput(
            f"{expression!r} has {len(parts)} fields; a cron expression has 5 (minute hour day month weekday), "
            "or 6 with seconds in front",
            source="Cron",
        )
    number = _FIELDS.index(name)
    field = parts[number - (6 - len(parts))]
    if name == "day-of-month" and re.fullmatch(r"30|31", field.group()):
        return InvalidInput(
            f"{expression!r} never comes: no month that it names has a day {field.group()}",
            source="Cron",
            column=field.start() + 1,
        )
    words = f"{expression!r}: {name} {field.group()!r} at column {field.start() + 1} is not possible"
    return InvalidInput(f"{words}; it goes from {_RANGES[number]}", source="Cron", column=field.start() + 1)


@lru_cache(maxsize=4096)
def _check_cron(expression: str) -> str:
    """Give the expression in fields, when it can come."""
    text = _ALIASES.get(expression.strip().lower(), expression)
    try:
        next(CronSim(text, _SOME_DAY))
    except CronSimError as error:
        raise _cron_error(text, error) from None
    except (StopIteration, OverflowError):
        raise InvalidInput(f"{text!r} never comes: no such day exists", source="Cron") from None
    return text


class Cron(LocalTrigger):
    """A cron expression of 5 fields, or of 6 with seconds in front; `L`, `5L`, `1#2` and names are known.

    Jobs at fixed hours follow `gap` and `overlap`. With `*` in the minutes or hours real time counts, as in cron:
    hourly jobs run every hour, in a night of 25 hours 25 times.
    """

    kind: Literal["cron"] = "cron"
    expression: str

    def __init__(self, expression: str = "", *, tz: str = "", **options: Unpack[LocalOptions]) -> None:
        """Fire by the wall clock of `tz`."""
        super().__init__(expression=expression, tz=tz, **options)

    @model_validator(mode="after")
    def _possible(self) -> Cron:
        _check_cron(self.expression)
        return self

    def nominal_after(self, after: datetime) -> Nominal:
        """Give the next match."""
        text = _check_cron(self.expression)
        minute, hour = text.split()[-5:-3]
        if not minute.startswith("*") and not hour.startswith("*"):
            return self._local(lambda cursor: _cron_step(text, cursor), after)
        try:
            for found in CronSim(text, after.astimezone(zone_of(self.tz))):
                if found > after:
                    return found.astimezone(UTC), ()
        except OverflowError:
            pass
        return None


def _cron_step(text: str, cursor: datetime) -> datetime | None:
    try:
        return next(CronSim(text, cursor), None)
    except OverflowError:
        return None


_DAYS = {
    name: number
    for number, names in enumerate(
        (
            ("mon", "monday", "周一", "星期一", "礼拜一"),
            ("tue", "tuesday", "周二", "星期二", "礼拜二"),
            ("wed", "wednesday", "周三", "星期三", "礼拜三"),
            ("thu", "thursday", "周四", "星期四", "礼拜四"),
            ("fri", "friday", "周五", "星期五", "礼拜五"),
            ("sat", "saturday", "周六", "星期六", "礼拜六"),
            ("sun", "sunday", "周日", "周天", "星期日", "星期天", "礼拜日", "礼拜天"),
        )
    )
    for name in names
}


@lru_cache(maxsize=4096)
def _slots(slots: tuple[str, ...]) -> tuple[tuple[int, time], ...]:
    found: set[tuple[int, time]] = set()
    for number, slot in enumerate(slots):
        day, at = [*slot.split(None, 1), "", ""][:2]
        if day.lower() not in _DAYS or not at:
            raise InvalidInput(
                f"slots.{number}: {slot!r} is no weekly slot; write it as 'fri 20:00' or '周五 20:00'",
                source="Weekly",
                column=number + 1,
            )
        found.add((_DAYS[day.lower()], clock_time(at, source=f"slots.{number}")))
    return tuple(sorted(found))


class Weekly(LocalTrigger):
    """Slots of the week (固定时段), such as `fri 20:00` or `周五 20:00`."""

    kind: Literal["weekly"] = "weekly"
    slots: tuple[str, ...]

    def __init__(
        self, slots: Sequence[str] | str = (), *, tz: str = "", **options: Unpack[LocalOptions]
    ) -> None:
        """Fire in each of `slots`, every week."""
        super().__init__(slots=(slots,) if isinstance(slots, str) else slots, tz=tz, **options)

    @model_validator(mode="after")
    def _possible(self) -> Weekly:
        if not self.slots:
            raise InvalidInput("slots: at least one is needed, such as 'fri 20:00'", source="Weekly")
        _slots(self.slots)
        return self

    def nominal_after(self, after: datetime) -> Nominal:
        """Give the next slot."""
        slots = _slots(self.slots)

        def step(cursor: datetime) -> datetime | None:
            monday = cursor.date() - timedelta(days=cursor.weekday())
            for week in (0, 7):
                for day, at in slots:
                    found = datetime.combine(monday + timedelta(days=week + day), at)
                    if found > cursor:
                        return found
            return None

        return self._local(step, after)


_UNTIL = re.compile(r"UNTIL=([^;]*)", re.IGNORECASE)
_STEP = {
    DAILY: timedelta(days=1),
    WEEKLY: timedelta(weeks=1),
    HOURLY: timedelta(hours=1),
    MINUTELY: timedelta(minutes=1),
}


def _until(text: str, tz: str) -> datetime:
    """Read an end: a day (that day is in), a local time, or one in UTC."""
    for form in ("%Y%m%d", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ"):
        try:
            found = datetime.strptime(text.upper(), form)  # noqa: DTZ007 - local time
        except ValueError:
            continue
        if form == "%Y%m%d":
            return found.replace(hour=23, minute=59, second=59)
        if form.endswith("Z") and found.year < MAXYEAR:
            return found.replace(tzinfo=UTC).astimezone(zone_of(tz)).replace(tzinfo=None)
        return found
    raise InvalidInput(
        f"rule: UNTIL={text} is no date; write 20261231, 20261231T200000 (local) or 20261231T120000Z (UTC)",
        source="RRule",
    )


def _parse_rule(text: str, start: datetime, tz: str) -> rrule:
    text = text.strip()
    if "\n" in text or "DTSTART" in text.upper():
        raise InvalidInput(
            "rule: one RRULE is expected, without DTSTART; give `start` instead", source="RRule"
        )

    check_parts(text)

    def local(found: re.Match[str]) -> str:
        return f"UNTIL={_until(found[1].strip(), tz):%Y%m%dT%H%M%S}"

    words = _UNTIL.sub(local, text)
    try:
        rule = rrulestr(words, dtstart=start)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise InvalidInput(
            f"rule: {text!r} cannot be read as an RRULE: {error}; an example is FREQ=WEEKLY;BYDAY=FR",
            source="RRule",
        ) from None
    if not isinstance(rule, rrule):
        raise InvalidInput(f"rule: {text!r} is no single RRULE", source="RRule")
    return rule


@lru_cache(maxsize=4096)
def _rule(text: str, start: datetime, tz: str) -> rrule:
    rule = _parse_rule(text, start, tz)
    frequency, interval, count = (part(rule, name) for name in ("freq", "interval", "count"))
    if frequency == SECONDLY:
        raise InvalidInput(
            "rule: FREQ=SECONDLY is not offered; use Every(timedelta(seconds=…))", source="RRule"
        )
    if frequency in {HOURLY, MINUTELY} and part(rule, "bysetpos"):
        raise InvalidInput("rule: BYSETPOS needs FREQ=DAILY or longer", source="RRule")
    if interval < 1:
        raise InvalidInput("rule: INTERVAL must be at least 1", source="RRule")
    if count is not None and not 1 <= count <= 100_000:
        raise InvalidInput("rule: COUNT must be from 1 to 100,000", source="RRule")
    if interval > 10_000_000:
        raise InvalidInput("rule: INTERVAL must be at most 10,000,000", source="RRule")
    # dateutil looks until the year 9999 for what never comes
    if not comes(rule):
        until = part(rule, "until")
        if until is not None and comes(rule.replace(until=None)):
            raise InvalidInput(
                f"rule: {text!r} never comes: it ends (UNTIL) before it first would, counted from {start}",
                source="RRule",
            )
        raise InvalidInput(f"rule: {text!r} never comes: no day matches it", source="RRule")
    return rule


class _Counted:
    """The times of a rule with COUNT, which must be counted from its start: once, and kept as far as asked for."""

    def __init__(self, rule: rrule) -> None:
        self._more = iter(rule)
        self._found: list[datetime] = []
        self._lock = Lock()

    def after(self, cursor: datetime) -> datetime | None:
        """Give the first time after another; None when the count is used up."""
        with self._lock:
            while not self._found or self._found[-1] <= cursor:
                following = next(self._more, None)
                if following is None:
                    return None
                self._found.append(following)
            return self._found[bisect_right(self._found, cursor)]


@lru_cache(maxsize=64)
def _counted(text: str, start: datetime, tz: str) -> _Counted:
    return _Counted(_rule(text, start, tz))


class RRule(LocalTrigger):
    """A recurrence rule of RFC 5545 (iCalendar), by local time; `FREQ=SECONDLY` is not offered."""

    kind: Literal["rrule"] = "rrule"
    rule: str
    """Such as `FREQ=MONTHLY;BYDAY=1SA`; `UNTIL` may be local or end in Z."""
    start: datetime
    """Naive local time of `tz`; the first occurrence when it matches the rule."""

    def __init__(
        self,
        rule: str = "",
        *,
        start: datetime | str | None = None,
        tz: str = "",
        **options: Unpack[LocalOptions],
    ) -> None:
        """Recur by `rule` from `start`; an aware `start` is turned into local time."""
        super().__init__(rule=rule, start=start, tz=tz, **options)

    @model_validator(mode="before")
    @classmethod
    def _local_start(cls, data: Any) -> Any:
        if isinstance(data, dict):
            start = data.get("start")
            if isinstance(start, str):
                try:
                    start = datetime.fromisoformat(start)
                except ValueError:
                    raise InvalidInput(f"start: {start!r} is no date and time") from None
            if isinstance(start, datetime) and start.tzinfo is not None:
                start = start.astimezone(zone_of(str(data.get("tz") or ""))).replace(tzinfo=None)
            if not isinstance(start, datetime):
                raise InvalidInput(
                    "start is missing: the local time from which the rule counts", source="RRule"
                )
            return {**data, "start": start}
        return data

    @model_validator(mode="after")
    def _possible(self) -> RRule:
        if not self.rule:
            raise InvalidInput("rule is missing, an example is FREQ=WEEKLY;BYDAY=FR", source="RRule")
        _rule(self.rule, self.start, self.tz)
        return self

    def nominal_after(self, after: datetime) -> Nominal:
        """Give the next recurrence."""
        return self._local(self._step, after)

    def _step(self, cursor: datetime) -> datetime | None:
        rule = _rule(self.rule, self.start, self.tz)
        counted = part(rule, "count") is not None
        span, interval = _STEP.get(part(rule, "freq")), part(rule, "interval")
        if span is not None and not counted and cursor > self.start:
            # whole intervals further on the rule looks the same, and dateutil counts from its start each time
            steps = (cursor - self.start) // (span * interval) - 1
            if steps > 8:
                rule = rule.replace(dtstart=self.start + steps * interval * span)
        try:
            return (_counted(self.rule, self.start, self.tz) if counted else rule).after(cursor)
        except (OverflowError, ValueError):
            return None
