"""What an importer implements, and what all importers share: options, chunks, skips, times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field

from shequn_sdk.domain import Frozen, InteractionBatch, InteractionKind, Name, ZoneName

__all__ = [
    "Chunk",
    "DateOrder",
    "ImportOptions",
    "Importer",
    "Position",
    "Skip",
    "SkipReason",
    "Skips",
    "TimeFormat",
    "Times",
    "clean",
    "with_days",
    "written_time",
]

FUTURE_GRACE = timedelta(days=1)
"""How far ahead of the clock an instant may lie: zones and clocks that are off."""
MOST_TEXT = 16 << 20
"""Characters of text after which a batch is given, however few rows it has."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class SkipReason(StrEnum):
    """Why a row was not imported."""

    MALFORMED = "malformed"
    BAD_TIME = "bad_time"
    BEFORE_1970 = "before_1970"
    IN_THE_FUTURE = "in_the_future"
    TOO_LARGE = "too_large"
    BAD_ENCODING = "bad_encoding"
    MISSING_MEMBER = "missing_member"
    UNKNOWN_KIND = "unknown_kind"
    UNSUPPORTED = "unsupported"
    """The exporting program could not export it either."""


class TimeFormat(StrEnum):
    """How a column tells instants."""

    AUTO = "auto"
    """Numbers by their size as seconds, milliseconds or microseconds since 1970; all else as ISO 8601.

    Where the first rows of a table hold nothing but days such as 20260105, these are days.
    """
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    ISO = "iso"


class DateOrder(StrEnum):
    """Which of day and month comes first in a written date."""

    AUTO = "auto"
    """Found from the file: a number above 12 tells; else the order in which time does not run backwards."""
    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"
    YEAR_FIRST = "year_first"


class ImportOptions(Frozen):
    """How to read a history file. Each importer uses the fields that make sense for it."""

    platform: Name | None = None
    """Platform of the interactions; None is the importer's own."""
    channel: str | None = None
    """Native id of the channel for rows that name none."""
    kind: InteractionKind = InteractionKind.MESSAGE
    """Kind of rows that name none."""
    columns: Mapping[str, str] = Field(default_factory=dict)
    """Field of an interaction to column (name, or number from 1): `{"member": "user_id", "occurred_at": "time"}`."""
    kinds: Mapping[str, InteractionKind] = Field(default_factory=dict)
    """What the file's kind column says to a kind: `{"签到": "check_in"}`."""
    encoding: str | None = None
    """None finds it: UTF-8, UTF-16 with a mark, else GB18030."""
    delimiter: str | None = None
    """None finds it."""
    header: bool | None = None
    """Whether the first line names the columns; None finds it."""
    zone: ZoneName = "UTC"
    """Zone of times that tell none."""
    time_format: TimeFormat = TimeFormat.AUTO
    date_order: DateOrder = DateOrder.AUTO
    batch_rows: int = Field(default=100_000, ge=1, le=1_000_000)
    """Rows per batch; long texts make batches smaller. Memory grows with it, not with the file."""
    max_line: int = Field(default=1 << 20, ge=64)
    """Longest line or record in bytes; longer ones are skipped and counted."""
    now: AwareDatetime | None = None
    """Instant against which "in the future" is judged; None is the clock's."""


class Position(Frozen):
    """Where reading can go on."""

    offset: int = 0
    """Bytes before it."""
    line: int = 0
    """Lines, records or rows before it."""
    context: Mapping[str, Any] = Field(default_factory=dict)
    """What else the importer needs, as JSON."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that was not imported."""

    line: int
    """Line of a text file, or number of the record, from 1."""
    reason: SkipReason
    detail: str = ""


@dataclass(slots=True)
class Skips:
    """Counts skips and keeps the first few as examples."""

    examples_kept: int = 20
    counts: dict[str, int] = field(default_factory=dict[str, int])
    examples: list[Skip] = field(default_factory=list[Skip])

    def add(self, line: int, reason: SkipReason, detail: str = "") -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        if len(self.examples) < self.examples_kept:
            self.examples.append(Skip(line, reason, clean(detail)[:200]))


@dataclass(frozen=True, slots=True)
class Chunk:
    """What an importer yields: a batch, and the position after it."""

    batch: InteractionBatch
    position: Position
    read: int
    """Rows or records looked at for it, with the skipped ones."""
    skips: Skips = field(default_factory=Skips)
    warning: str = ""
    """Why reading ended early, with the place: the file is cut off. Only the last chunk has one."""


@runtime_checkable
class Importer(Protocol):
    """A reader of one kind of history file."""

    def read(self, source: Path, *, options: ImportOptions, resume: Position | None) -> Iterator[Chunk]:
        """Give the file's interactions in chunks of about `options.batch_rows`.

        Event ids must be the same whenever the same file is read, also when resumed at any chunk's position, and
        differ between rows that are different events. Memory must not grow with the file.

        Raises:
            InvalidInput: the file is not of this format, or options do not fit.
        """
        ...


def clean(text: str) -> str:
    r"""Give text that every store can keep: no NUL, no halves of surrogate pairs.

    >>> clean("a\x00b")
    'ab'
    """
    if "\x00" in text:
        text = text.replace("\x00", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


_YEAR_FIRST = r"(?P<y>\d{4})\s?[-/.年]\s?(?P<m>\d{1,2})\s?[-/.月]\s?(?P<d>\d{1,2})日?"
_YEAR_LAST = r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<year>\d{4})"
_CLOCK = (
    r"(?:[T,\s]+(?P<hour>\d{1,2})[:时點点](?P<minute>\d{2})(?:[:分](?P<second>\d{2})(?:\.\d+)?秒?)?分?"
    r"(?:\s?(?P<noon>[AaPp])\.?[Mm]\.?)?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?$"
)
_WRITTEN = re.compile(rf"(?:{_YEAR_FIRST}|{_YEAR_LAST}){_CLOCK}")


def written_time(text: str, order: DateOrder) -> datetime | None:
    """Read a time as people and spreadsheets write it; None when it is none, or day and month may be meant either way.

    >>> written_time("2026年1月5日 9:03", DateOrder.AUTO)
    datetime.datetime(2026, 1, 5, 9, 3)
    >>> written_time("5/1/2026 9:03 PM", DateOrder.DAY_FIRST)
    datetime.datetime(2026, 1, 5, 21, 3)
    >>> written_time("5/1/2026", DateOrder.AUTO)

    Raises:
        ValueError: there is no such day or hour.
    """
    if text[:1].isalpha() or "," in text[2:8]:  # Mon, 05 Jan 2026 10:00:00 GMT
        return parsedate_to_datetime(text)
    found = _WRITTEN.match(text)
    if found is None:
        return None
    if found["y"] is not None:
        year, month, day = int(found["y"]), int(found["m"]), int(found["d"])
    else:
        year, day, month = int(found["year"]), int(found["a"]), int(found["b"])
        if order is DateOrder.MONTH_FIRST:
            day, month = month, day
        elif order is not DateOrder.DAY_FIRST and found["sep"] != ".":
            return None
    hour = int(found["hour"] or 0)
    if found["noon"] is not None:
        hour = hour % 12 + (12 if found["noon"] in "Pp" else 0)
    zone = found["zone"]
    moment = datetime(year, month, day, hour, int(found["minute"] or 0), int(found["second"] or 0))  # noqa: DTZ001
    if zone is None:
        return moment
    if zone in {"Z", "UTC", "GMT"}:
        return moment.replace(tzinfo=UTC)
    return moment.replace(tzinfo=datetime.strptime(zone, "%z").tzinfo)


def with_days(options: ImportOptions, sample: Iterable[object]) -> ImportOptions:
    """Give options that read days written as one number (20260105), if all times of the sample are such.

    As seconds since 1970 the years 1990 to 2100 would all lie within two weeks of August 1970.
    """
    found = [text for value in sample if value is not None and (text := str(value).strip())]
    if options.time_format is not TimeFormat.AUTO or not found or not all(map(_is_day, found)):
        return options
    return options.model_copy(update={"time_format": TimeFormat.ISO})


def _is_day(text: str) -> bool:
    if not (len(text) == 8 and text.isascii() and text.isdigit() and "1990" <= text[:4] <= "2100"):
        return False
    try:
        datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - only whether there is such a day
    except ValueError:
        return False
    return True


class Times:
    """Reads instants of one column; gives microseconds since 1970 UTC, or why not."""

    def __init__(self, options: ImportOptions) -> None:
        """Read as `options` say; `options.now` must be set."""
        assert options.now is not None
        self._format = options.time_format
        self._zone = ZoneInfo(options.zone)
        self._order = options.date_order
        self.latest = (options.now + FUTURE_GRACE - _EPOCH) // _MICROSECOND
        self._factor = {
            TimeFormat.SECONDS: 1_000_000,
            TimeFormat.MILLISECONDS: 1_000,
            TimeFormat.MICROSECONDS: 1,
        }.get(self._format)

    def read(self, value: object) -> int | SkipReason:
        """Read text, a number or a datetime."""
        if isinstance(value, datetime):
            return self.of(value)
        if isinstance(value, bool) or value is None:
            return SkipReason.BAD_TIME
        if isinstance(value, (int, float)) and not (self._format is TimeFormat.ISO and _is_day(str(value))):
            return self.number(value)
        text = str(value).strip()
        if self._format is not TimeFormat.ISO:
            try:
                # Python's underscores in numbers are no one's timestamps
                # longer ones are no timestamps, and int() of very long digits is slow
                if len(text) < 25 and "_" not in text:
                    return self.number(int(text))
            except ValueError:
                pass
            try:
                if "_" not in text:
                    return self.number(float(text))
            except ValueError:
                if self._format is not TimeFormat.AUTO:
                    return SkipReason.BAD_TIME
        try:
            return self.of(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            pass
        try:
            written = written_time(text, self._order) if len(text) < 64 else None
        except (ValueError, OverflowError):
            written = None
        return SkipReason.BAD_TIME if written is None else self.of(written)

    def number(self, value: float) -> int | SkipReason:
        """Read a number since 1970."""
        if isinstance(value, float) and not math.isfinite(value):
            return SkipReason.BAD_TIME
        factor = self._factor
        if factor is None:
            size = abs(value)
            factor = 1_000_000 if size < 1e11 else 1_000 if size < 1e14 else 1
        return self.check(value * factor if isinstance(value, int) else round(value * factor))

    def of(self, value: datetime) -> int | SkipReason:
        """Take a datetime; a naive one is in the options' zone."""
        try:
            if value.tzinfo is None:
                value = value.replace(tzinfo=self._zone)
            return self.check((value - _EPOCH) // _MICROSECOND)
        except OverflowError:
            return SkipReason.BAD_TIME

    def check(self, micros: int) -> int | SkipReason:
        """Give `micros` if it lies between 1970 and a day from now."""
        if micros < 0:
            return SkipReason.BEFORE_1970
        return micros if micros <= self.latest else SkipReason.IN_THE_FUTURE
