"""Triggers that count from an instant: once, every so often, some days after an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, Unpack

from pydantic import AwareDatetime, field_validator, model_validator

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.recurrence.base import Occurrence, Options, Trigger
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, clock_time, resolve, zone_of

__all__ = ["AfterEvent", "Every", "Once"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = timedelta(days=36_525)
"""A century: longer offsets are slips of the pen."""


class Once(Trigger):
    """One instant. A local time needs `tz`; one that does not exist or exists twice there is refused."""

    kind: Literal["once"] = "once"
    at: AwareDatetime

    def __init__(self, at: datetime | str | None = None, *, tz: str = "", **options: Unpack[Options]) -> None:
        """Fire at `at`, an aware instant, or a naive local time of `tz`."""
        if isinstance(at, str):
            try:
                at = datetime.fromisoformat(at)
            except ValueError:
                raise InvalidInput(f"Once: at: {at!r} is no date and time; write 2026-12-31 20:00") from None
        if not isinstance(at, datetime):
            raise InvalidInput("Once: at is missing; it is a date and time, such as 2026-12-31 20:00")
        if not 1970 <= at.year <= 9998:
            raise InvalidInput(f"Once: at: {at} is not possible: years go from 1970 to 9998")
        if at.tzinfo is None:
            at = _exactly(at, tz)
        super().__init__(at=at, tz=tz or "UTC", **options)

    @field_validator("at")
    @classmethod
    def _in_utc(cls, at: datetime) -> datetime:
        return at.astimezone(UTC)

    def nominal_after(self, after: datetime) -> tuple[datetime, tuple[str, ...]] | None:
        """Give the one instant, unless it has passed."""
        return (self.at, ()) if self.at > after else None


def _exactly(naive: datetime, tz: str) -> datetime:
    if not tz:
        raise InvalidInput(f"Once: {naive} has no zone: add an offset, or say tz")
    zone = zone_of(tz)
    found = resolve(naive, zone, gap=Gap.SKIP, overlap=Overlap.BOTH)
    if len(found) == 0:
        after = resolve(naive, zone, gap=Gap.SHIFT_FORWARD, overlap=Overlap.FIRST)[0].astimezone(zone)
        raise InvalidInput(
            f"Once: {naive} does not exist in {tz}: clocks are put forward then; the next instant is {after.isoformat()}"
        )
    if found[0] != found[-1]:
        both = " or ".join(instant.astimezone(zone).isoformat() for instant in found)
        raise InvalidInput(f"Once: {naive} exists twice in {tz}, clocks are put back then; say {both}")
    return found[0]


class Every(Trigger):
    """Every so often, counted from an anchor, in real time: daylight saving changes nothing."""

    kind: Literal["every"] = "every"
    interval: timedelta
    anchor: AwareDatetime = _EPOCH
    """All occurrences are whole intervals away from here, and none is before it."""

    def __init__(
        self,
        interval: timedelta | str | float = timedelta(),
        *,
        anchor: datetime | str = _EPOCH,
        tz: str = "UTC",
        **options: Unpack[Options],
    ) -> None:
        """Fire every `interval`; `tz` is for `only` and `quiet`."""
        super().__init__(interval=interval, anchor=anchor, tz=tz, **options)

    @model_validator(mode="after")
    def _possible(self) -> Every:
        if self.interval < timedelta(seconds=1):
            raise InvalidInput(f"interval: {self.interval} is too short: at least one second is needed")
        return self

    def nominal_after(self, after: datetime) -> tuple[datetime, tuple[str, ...]] | None:
        """Give the next multiple."""
        anchor = self.anchor.astimezone(UTC)
        number = max(0, (after - anchor) // self.interval + 1)
        try:
            return anchor + number * self.interval, ()
        except OverflowError:
            return None


class AfterEvent(Trigger):
    """Some time after an event of a member (第几天 of an SOP): day 1, 3, 7 after joining, each at its hour.

    The trigger itself names no member; `for_event` gives the one that fires.
    """

    kind: Literal["after_event"] = "after_event"
    offset: timedelta
    """Whole days when `at` is given: 1 is the day after the event's own local day."""
    at: str | None = None
    """Local time of the day; without it the offset counts from the event's own instant."""
    event: AwareDatetime | None = None

    def __init__(
        self,
        offset: timedelta | str | float = timedelta(),
        *,
        at: str | None = None,
        tz: str = "UTC",
        event: datetime | str | None = None,
        **options: Unpack[Options],
    ) -> None:
        """Fire `offset` after the event."""
        super().__init__(offset=offset, at=at, tz=tz, event=event, **options)

    @model_validator(mode="after")
    def _possible(self) -> AfterEvent:
        if self.offset < timedelta():
            raise InvalidInput("offset: nothing can happen before the event that starts it")
        if self.offset > _LONGEST:
            raise InvalidInput(f"offset: {self.offset.days:,} days is too long: at most a hundred years")
        if self.at is not None:
            clock_time(self.at)
            if self.offset % timedelta(days=1):
                raise InvalidInput(f"offset: {self.offset} must be whole days when `at` names the hour")
        return self

    def for_event(self, event: datetime) -> AfterEvent:
        """Give the trigger for one event.

        Raises:
            InvalidInput: `event` is naive.
        """
        if event.year > 9800:
            raise InvalidInput(f"event: {event} is not possible: years go to 9800")
        return AfterEvent(
            self.offset,
            at=self.at,
            tz=self.tz,
            event=event,
            only=self.only,
            quiet=self.quiet,
            jitter=self.jitter,
            seed=self.seed,
        )

    def due_for(self, event: datetime) -> Occurrence | None:
        """Give the occurrence that an event leads to; None when the filters leave it out."""
        return self.for_event(event).next_after(event - timedelta(microseconds=1))

    def nominal_after(self, after: datetime) -> tuple[datetime, tuple[str, ...]] | None:
        """Give the one instant; never earlier than the event."""
        if self.event is None:
            raise InvalidInput("AfterEvent needs an event: use for_event(instant)")
        event = self.event.astimezone(UTC)
        if self.at is None:
            nominal = event + self.offset
        else:
            zone = zone_of(self.tz)
            local = datetime.combine(event.astimezone(zone).date() + self.offset, clock_time(self.at))
            nominal = max(event, resolve(local, zone, gap=Gap.SHIFT_FORWARD, overlap=Overlap.FIRST)[0])
        return (nominal, ()) if nominal > after else None
