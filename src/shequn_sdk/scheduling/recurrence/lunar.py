"""Triggers by the lunar calendar (农历): birthdays and festivals."""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime
from typing import Literal, Unpack

from pydantic import Field, model_validator

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.chinese import lunar_calendar, solar_date
from shequn_sdk.scheduling.recurrence.base import Options
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap, clock_time, resolve, zone_of
from shequn_sdk.scheduling.recurrence.rules import LocalTrigger

__all__ = ["LunarDate"]

_YEARS = 60
"""Years to look ahead: leap months of one number return within 19 years, or, as the eleventh, hardly ever."""


class LunarOptions(Options, total=False):
    """What a lunar date takes in addition."""

    leap: bool
    leap_absent: Literal["plain", "skip"]
    day_absent: Literal["last", "skip"]
    gap: Gap
    overlap: Overlap


class LunarDate(LocalTrigger):
    """A day of the lunar year (农历), such as 8, 15 for the Mid-Autumn Festival; needs the extra `cn-calendar`."""

    kind: Literal["lunar"] = "lunar"
    month: int = Field(ge=1, le=12)
    day: int = Field(ge=1, le=30)
    at: str
    """Local time of the day."""
    leap: bool = False
    """The day is in the leap month (闰月)."""
    leap_absent: Literal["plain", "skip"] = "plain"
    """In years without that leap month: take the plain month of the same number, or nothing."""
    day_absent: Literal["last", "skip"] = "last"
    """In months of 29 days: day 30 is taken as the 29th, or left out."""

    def __init__(
        self,
        month: int = 0,
        day: int = 0,
        at: str = "09:00",
        *,
        tz: str = "",
        **options: Unpack[LunarOptions],
    ) -> None:
        """Fire on day `day` of lunar month `month`."""
        super().__init__(month=month, day=day, at=at, tz=tz, **options)

    @model_validator(mode="after")
    def _possible(self) -> LunarDate:
        clock_time(self.at)
        if self.leap and self.leap_absent == "skip" and self.month in {1, 12}:
            raise InvalidInput(f"month: no leap month {self.month} comes in this century")
        return self

    def nominal_after(self, after: datetime) -> tuple[datetime, tuple[str, ...]] | None:
        """Give the next such day."""
        zone, at = zone_of(self.tz), clock_time(self.at)
        calendar = lunar_calendar()
        # the lunar year begins after the civil one, so the last days of a lunar year are in the civil year after it
        first = after.year - 1
        for year in range(max(first, 2), min(first + _YEARS, MAXYEAR)):
            found = solar_date(
                year,
                self.month,
                self.day,
                leap=self.leap,
                leap_absent=self.leap_absent,
                day_absent=self.day_absent,
                calendar=calendar,
            )
            if found is None:
                continue
            for instant in resolve(
                datetime.combine(found.date, at), zone, gap=self.gap, overlap=self.overlap
            ):
                if instant > after:
                    return instant.astimezone(UTC), found.notes
        return None
