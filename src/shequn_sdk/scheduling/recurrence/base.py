"""What all triggers share: strictly later occurrences, days of the Chinese calendar, quiet hours, jitter."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, TypedDict

from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator

from shequn_sdk.domain import Frozen
from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.chinese import DayFilter, WorkDays, default_work_days
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, clock_time, resolve, zone_of

__all__ = ["Checked", "Occurrence", "Options", "Quiet", "Trigger"]

_TRIES = 5_000
"""Nominal times that the filters may refuse in a row, before a trigger counts as one that never fires."""
_YEARS = 60
"""Years that filters may leave out in a row."""
_TICK = timedelta(microseconds=1)


def _explain(kind: str, error: ValidationError) -> str:
    parts: list[str] = []
    for item in error.errors(include_url=False):
        where = ".".join(str(step) for step in item["loc"])
        cause = item.get("ctx", {}).get("error")
        words = str(cause) if cause is not None else item["msg"]
        parts.append(f"{where}: {words}" if where and not words.startswith(where) else words)
    return f"{kind}: {'; '.join(parts)}"


class Checked(Frozen):
    """A model whose constructor raises `InvalidInput` instead of pydantic's error."""

    def __init__(self, **data: Any) -> None:
        """Validate."""
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InvalidInput(_explain(type(self).__name__, error), source=type(self).__name__) from None


class Quiet(Checked):
    """Hours in which nothing goes out (免打扰), by the trigger's own zone; may span midnight."""

    start: str
    """Such as 22:00."""
    end: str
    """Such as 08:00; the first minute in which things go out again."""
    then: Literal["shift", "skip"] = "shift"
    """Move to `end`, or leave out."""

    def __init__(self, start: str = "", end: str = "", *, then: Literal["shift", "skip"] = "shift") -> None:
        """Be quiet from `start` to `end`."""
        super().__init__(start=start, end=end, then=then)

    @model_validator(mode="after")
    def _times(self) -> Quiet:
        if clock_time(self.start, source="start") == clock_time(self.end, source="end"):
            raise InvalidInput("quiet hours must not begin and end at the same time")
        return self

    def ends(self, local: datetime) -> datetime | None:
        """Give the naive local time at which the quiet hours around `local` end; None outside of them."""
        start, end, now = clock_time(self.start), clock_time(self.end), local.time()
        inside = start <= now < end if start < end else now >= start or now < end
        if not inside:
            return None
        day = local.date() + timedelta(days=1 if start > end and now >= start else 0)
        return datetime.combine(day, end)


class Occurrence(Frozen):
    """One instant at which something is to happen."""

    nominal: AwareDatetime
    """What the rule says, in UTC; names the occurrence."""
    due: AwareDatetime
    """The nominal instant after jitter and quiet hours."""
    provisional: bool = False
    """It rests on days off that the State Council has not announced; it is planned again when they are."""
    notes: tuple[str, ...] = ()
    """Why it is not simply the nominal time."""


class Options(TypedDict, total=False):
    """What every trigger takes beside its own arguments."""

    only: DayFilter | Literal["workdays", "days_off", "holidays"] | None
    quiet: Quiet | None
    jitter: timedelta
    seed: int


class Trigger(Checked):
    """Says when something is to happen (触发器). Triggers are values: equal when they say the same, kept as JSON."""

    tz: str
    only: DayFilter | None = None
    """Fire on these days of the Chinese calendar only (调休 counted); days are of `tz`."""
    quiet: Quiet | None = None
    jitter: timedelta = Field(default=timedelta(), ge=timedelta(), le=timedelta(days=1))
    """Delay each occurrence by a part of this span, always the same for the same seed and nominal instant."""
    seed: int = 0

    def __init__(self, **data: Any) -> None:
        """Validate."""
        super().__init__(**data)

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        zone_of(name)
        return name

    @abstractmethod
    def nominal_after(self, after: datetime) -> tuple[datetime, tuple[str, ...]] | None:
        """Give the rule's own next instant strictly later than `after` (both in UTC), with notes."""

    def next_after(self, after: datetime, *, days: WorkDays | None = None) -> Occurrence | None:
        """Give the first occurrence whose nominal instant is strictly later than `after`; None when there is none.

        Args:
            after: aware instant; the nominal instant of an occurrence gives the one that follows it.
            days: which days are worked, for `only`; the published calendar when not given.

        Raises:
            InvalidInput: `after` is naive.
            ConfigError: the trigger needs the extra `cn-calendar`, which is not installed.
        """
        if after.tzinfo is None:
            raise InvalidInput("after must be aware: give it a tzinfo")
        zone = zone_of(self.tz)
        provisional, cursor = False, after.astimezone(UTC)
        end = cursor.year + _YEARS
        for _ in range(_TRIES):
            found = self.nominal_after(cursor)
            if found is None or (found[0].year > end and cursor > after):
                return None
            nominal, notes = found
            cursor = nominal
            if self.only is not None:
                local = nominal.astimezone(zone).date()
                day = (days or default_work_days()).of(local)
                provisional = provisional or day.provisional
                if not day.matches(self.only):
                    midnight = datetime.combine(local + timedelta(days=1), time())
                    cursor = resolve(midnight, zone, gap=Gap.SHIFT_FORWARD, overlap=Overlap.FIRST)[0] - _TICK
                    cursor = max(cursor, nominal)
                    continue
            due = self._due(nominal)
            if due is None:
                cursor = max(nominal, self._after_quiet(nominal) - _TICK)
                continue
            if provisional:
                notes = (*notes, "days off are not announced yet")
            if due != nominal:
                notes = (*notes, f"moved by {due - nominal}")
            return Occurrence.model_construct(nominal=nominal, due=due, provisional=provisional, notes=notes)
        return None

    def _after_quiet(self, nominal: datetime) -> datetime:
        zone = zone_of(self.tz)
        end = self.quiet.ends(nominal.astimezone(zone).replace(tzinfo=None)) if self.quiet else None
        if end is None:
            return nominal
        return resolve(end, zone, gap=Gap.SHIFT_FORWARD, overlap=Overlap.FIRST)[0]

    def _due(self, nominal: datetime) -> datetime | None:
        due = nominal
        if self.jitter:
            digest = hashlib.sha256(f"{self.seed}:{nominal.isoformat()}".encode()).digest()
            share = int.from_bytes(digest[:6]) / 2**48
            due += timedelta(milliseconds=int(share * (self.jitter / timedelta(milliseconds=1))))
        if self.quiet is not None:
            zone = zone_of(self.tz)
            end = self.quiet.ends(due.astimezone(zone).replace(tzinfo=None))
            if end is not None:
                if self.quiet.then == "skip":
                    return None
                due = resolve(end, zone, gap=Gap.SHIFT_FORWARD, overlap=Overlap.SECOND)[0]
        return due

    def upcoming(self, count: int, *, after: datetime, days: WorkDays | None = None) -> list[Occurrence]:
        """Give at most `count` occurrences after an instant."""
        found: list[Occurrence] = []
        while len(found) < count:
            following = self.next_after(found[-1].nominal if found else after, days=days)
            if following is None:
                break
            found.append(following)
        return found
