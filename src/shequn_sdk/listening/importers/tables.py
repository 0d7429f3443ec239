"""CSV and Parquet files whose columns a map names."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from shequn_sdk.domain import InteractionBatch, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.importers.base import (
    MOST_TEXT,
    Chunk,
    ImportOptions,
    Position,
    SkipReason,
    Skips,
    Times,
    clean,
    with_days,
)
from shequn_sdk.listening.importers.lines import Line, detect_encoding, head_of, lines

__all__ = ["CsvImporter", "ParquetImporter"]

_FIELDS = (
    "id", "kind", "occurred_at", "channel", "member", "member_name", "is_bot", "message", "parent", "target", "text",
    "value", "currency", "entrance",
)  # fmt: skip
_GUESSES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "event_id"),
    "kind": ("kind", "type", "event", "action"),
    "occurred_at": (
        "occurred_at",
        "time",
        "timestamp",
        "datetime",
        "date",
        "created_at",
        "ts",
        "sent_at",
        "created",
        "date_time",
        "时间",
        "日期",
        "发送时间",
        "发布时间",
    ),
    "channel": ("channel", "channel_id", "group", "group_id", "chat_id", "群", "群id"),
    "member": (
        "member",
        "member_id",
        "user_id",
        "user",
        "author_id",
        "author",
        "src",
        "source",
        "sender_id",
        "sender",
        "from_id",
        "uid",
        "成员",
        "用户",
        "发送者",
        "发言人",
    ),
    "member_name": ("member_name", "user_name", "username", "name", "nickname", "昵称"),
    "is_bot": ("is_bot", "bot"),
    "message": ("message", "message_id", "msg_id"),
    "parent": ("parent", "parent_id", "reply_to", "reply_to_id"),
    "target": ("target", "target_id", "dst", "receiver", "to"),
    "text": ("text", "content", "body", "message_text", "内容", "消息"),
    "value": ("value", "amount", "price", "金额"),
    "currency": ("currency", "币种"),
    "entrance": ("entrance", "invite", "入口", "来源"),
}
_TRUE = frozenset({"1", "true", "yes", "y", "t", "是"})
_SAMPLE_DELIMITERS = (",", "\t", ";", "|")
_SAMPLED = 200
"""So many rows tell what a column holds."""
_MOST_LINES = 2_000
"""A quoted field that goes on for longer was never closed."""


class _Refused(Exception):
    """A record cannot be read; the reason is for people."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(slots=True)
class _Feed:
    """Gives a csv reader its lines, and remembers those of the record that is being read."""

    source: Iterator[Line]
    encoding: str
    max_line: int
    back: list[Line] = field(default_factory=list[Line])
    current: list[Line] = field(default_factory=list[Line])
    size: int = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self.back.pop() if self.back else next(self.source, None)
        if line is None:
            if self.current:
                raise _Refused(SkipReason.MALFORMED, "a quote is never closed")
            raise StopIteration
        self.current.append(line)
        if line.data is None:
            raise _Refused(SkipReason.TOO_LARGE, "a line is longer than allowed")
        if b"\x00" in line.data:
            raise _Refused(SkipReason.MALFORMED, "NUL bytes")
        self.size += len(line.data)
        if len(self.current) > 1 and (len(self.current) > _MOST_LINES or self.size > self.max_line):
            raise _Refused(SkipReason.MALFORMED, "a quote is never closed")
        return line.data.decode(self.encoding) + "\n"

    def begin(self) -> None:
        self.current = []
        self.size = 0

    def give_back(self) -> Line:
        """Put all but the record's first line back; gives the first."""
        first, *others = self.current
        self.back.extend(reversed(others))
        return first

    @property
    def last(self) -> Line:
        return self.current[-1]


class CsvImporter:
    """Reads delimited text with a column map (`options.columns`); without one, well-known names are recognised.

    Cells are data and never evaluated, whatever sign they begin with. Columns that the map does not name are left
    out, unless it names them as `attrs.something`.
    """

    def read(self, source: Path, *, options: ImportOptions, resume: Position | None) -> Iterator[Chunk]:
        """Give the rows as interactions; see `Importer.read`."""
        encoding = detect_encoding(source, options.encoding)
        delimiter = options.delimiter or _delimiter(source, encoding)
        start = resume or Position()
        feed = _Feed(
            lines(
                source, encoding=encoding, offset=start.offset, number=start.line, max_line=options.max_line
            ),
            "utf-8" if encoding.startswith("utf-16") else encoding,
            options.max_line,
        )
        csv.field_size_limit(max(csv.field_size_limit(), options.max_line * 2))
        try:
            reader = csv.reader(feed, delimiter=delimiter)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"delimiter {delimiter!r} must be one character") from error
        names: list[str] | None = start.context.get("columns") if resume else None
        sample = _Sample(source, encoding, delimiter)
        rows: _Table | None = _Table("csv", names, options, sample.column) if resume else None
        last: Line | None = None
        while True:
            feed.begin()
            skip: tuple[Line, SkipReason, str] | None = None
            record: list[str] = []
            try:
                record = next(reader)
            except StopIteration:
                break
            except UnicodeDecodeError as error:
                skip = (feed.give_back(), SkipReason.BAD_ENCODING, str(error))
            except _Refused as error:
                skip = (feed.give_back(), error.reason, str(error))
            except csv.Error as error:
                skip = (feed.give_back(), SkipReason.MALFORMED, str(error))
            first = feed.current[0]
            last = first if skip else feed.last
            if rows is None:
                if skip is None and (_is_hint(record) or not any(cell.strip() for cell in record)):
                    continue
                names = _header(record, options) if skip is None else None
                rows = _Table("csv", names, options, sample.column)
                if names is not None:
                    rows.width = len(names)
                    continue
            if skip is not None:
                rows.read += 1
                rows.skips.add(skip[0].number, skip[1], skip[2])
            elif any(record):
                rows.take(first.number, record)
            if rows.read >= options.batch_rows or rows.size > MOST_TEXT:
                yield rows.flush(Position(offset=last.end, line=last.number, context={"columns": names}))
        if rows is None:
            raise InvalidInput(f"{source.name} is empty", source=source.name)
        if last is None:
            return
        yield rows.flush(Position(offset=last.end, line=last.number, context={"columns": names}))


def _delimiter(source: Path, encoding: str) -> str:
    head = head_of(source).decode(encoding, "replace")
    first = next((line for line in head.splitlines() if line.strip()), "").lstrip("\ufeff")
    if len(first) == 5 and first.startswith("sep="):
        return first[4]
    return max(_SAMPLE_DELIMITERS, key=first.count)


def _is_hint(record: Sequence[str]) -> bool:
    """Whether this is the line with which spreadsheets are told the delimiter: `sep=;`."""
    return len(record) == 2 and record[0].lstrip("\ufeff") == "sep=" and not record[1]


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first records of a file, for a look at what its columns hold."""

    source: Path
    encoding: str
    delimiter: str

    def column(self, index: int, *, header: bool) -> list[str]:
        """Give the cells of a column, without the header's."""
        head = head_of(self.source)
        text = head.decode(self.encoding, "replace").splitlines()
        if len(head) < self.source.stat().st_size:
            text.pop()  # cut off
        records: list[list[str]] = []
        with contextlib.suppress(csv.Error):
            records.extend(csv.reader(text[:_SAMPLED], delimiter=self.delimiter))
        records = [
            record for record in records if any(cell.strip() for cell in record) and not _is_hint(record)
        ]
        return [record[index] for record in records[1 if header else 0 :] if len(record) > index]


def _header(record: Sequence[str], options: ImportOptions) -> list[str] | None:
    """Give the column names if the record is a header."""
    names = [cell.strip().lstrip("\ufeff") for cell in record]
    if options.header is not None:
        return names if options.header else None
    known = {name for guesses in _GUESSES.values() for name in guesses} | {
        wanted for wanted in options.columns.values() if not wanted.isdigit()
    }
    lowered = {name.lower() for name in names}
    return names if lowered & {name.lower() for name in known} else None


def _column_map(names: Sequence[str] | None, options: ImportOptions) -> dict[str, int]:
    """Give field to column index.

    Raises:
        InvalidInput: the map names a field or a column that is not there, or no column tells the time.
    """
    lowered = {name.lower(): index for index, name in reversed(list(enumerate(names or ())))}
    found: dict[str, int] = {}
    for wanted, column in options.columns.items():
        if wanted not in _FIELDS and not wanted.startswith("attrs."):
            raise InvalidInput(
                f"column map: no field {wanted!r}; there are {', '.join(_FIELDS)} and attrs.NAME"
            )
        if column.lower() in lowered:
            found[wanted] = lowered[column.lower()]
        elif column.isdigit() and int(column) >= 1:
            found[wanted] = int(column) - 1
        else:
            raise InvalidInput(
                f"column map: no column {column!r}; the file has {', '.join(names or ('no header',))}"
            )
    for wanted, guesses in _GUESSES.items():
        if wanted not in found:
            index = next((lowered[guess] for guess in guesses if guess in lowered), None)
            if index is not None and index not in found.values():
                found[wanted] = index
    if (
        "message" in lowered
        and found.get("message") == lowered["message"]
        and not {"text", "kind", "parent"} & found.keys()
        and "message" not in options.columns
        and options.kind is InteractionKind.MESSAGE
    ):
        # a table of nothing but messages: that column is what they say, not which message is meant
        found["text"] = found.pop("message")
    if "occurred_at" not in found:
        raise InvalidInput(
            "no column tells the time: name it, for example columns={'occurred_at': 'time'}; "
            f"the file has {', '.join(names or ('no header',))}"
        )
    return found


class _Column(Protocol):
    def __call__(self, index: int, *, header: bool) -> Sequence[object]: ...


class _Table:
    """Turns records into rows of a batch."""

    def __init__(
        self, source: str, names: Sequence[str] | None, options: ImportOptions, sample: _Column
    ) -> None:
        self._map = _column_map(names, options)
        options = with_days(options, sample(self._map["occurred_at"], header=names is not None))
        self._attrs = {name[6:]: index for name, index in self._map.items() if name.startswith("attrs.")}
        self._options = options
        self._source = source
        self._times = Times(options)
        self._kinds: dict[str, InteractionKind] = {kind.value: kind for kind in InteractionKind}
        self._kinds.update(options.kinds)
        self.width = len(names) if names is not None else 0
        self._get: dict[str, Callable[[Sequence[Any]], Any]] = {
            name: _getter(index) for name, index in self._map.items()
        }
        self._texts = [(name, self._map[name]) for name in _TEXT_FIELDS if name in self._map]
        self._ids = [name for name, _ in self._texts if name in _IDS]
        self._clear()

    def _clear(self) -> None:
        self.batch = InteractionBatch(platform=self._options.platform or "import", source=self._source)
        self.skips = Skips()
        self.read = 0
        self.size = 0

    def flush(self, position: Position) -> Chunk:
        chunk = Chunk(self.batch, position, self.read, self.skips)
        self._clear()
        return chunk

    def take(self, number: int, record: Sequence[Any]) -> None:
        """Add a record, or count why not."""
        self.read += 1
        self.size += sum(map(len, record)) if self._source == "csv" else 0
        get = self._get
        if len(record) <= self._map["occurred_at"] or (
            self.width and len(record) > self.width and any(record[self.width :])
        ):
            self.skips.add(number, SkipReason.MALFORMED, f"{len(record)} cells: {record!r:.150}")
            return
        at = self._times.read(get["occurred_at"](record))
        if isinstance(at, SkipReason):
            self.skips.add(number, at, f"{get['occurred_at'](record)!r}")
            return
        kind = self._options.kind
        if "kind" in get and (told := _text(get["kind"](record))):
            mapped = self._kinds.get(told) or self._kinds.get(told.lower())
            if mapped is None:
                self.skips.add(number, SkipReason.UNKNOWN_KIND, told)
                return
            kind = mapped
        many = len(record)
        cells = {name: _text(record[index]) if index < many else "" for name, index in self._texts}
        for name in self._ids:
            if cells[name].endswith(".0") and cells[name][:-2].isdecimal():
                cells[name] = cells[name][:-2]  # went through a dataframe: the answer to 12 says 12.0
        if "member" in get and not cells["member"]:
            self.skips.add(number, SkipReason.MISSING_MEMBER, f"{record!r:.150}")
            return
        value: float | None = None
        if "value" in get and (told := _text(get["value"](record))):
            value = _number(told)
            if value is None:
                self.skips.add(number, SkipReason.MALFORMED, f"value {told!r} is no number")
                return
        own = cells.pop("id", "")
        if not own:
            digest = hashlib.blake2b(repr(list(record)).encode("utf-8", "replace"), digest_size=8).hexdigest()
            own = f"row:{number}:{digest}"
        cells.setdefault("channel", self._options.channel or "")
        if not cells["channel"]:
            cells["channel"] = self._options.channel or ""
        attrs = {name: text for name, index in self._attrs.items() if (text := _text(_getter(index)(record)))}
        self.batch.append(
            id=own,
            kind=kind.value,
            occurred_at=at,
            is_bot="is_bot" in get and _text(get["is_bot"](record)).lower() in _TRUE,
            value=value,
            attrs=json.dumps(attrs, ensure_ascii=False, separators=(",", ":")) if attrs else "",
            **cells,
        )


_IDS = frozenset({"id", "channel", "member", "message", "parent", "target"})
_TEXT_FIELDS = tuple(name for name in _FIELDS if name not in {"kind", "occurred_at", "is_bot", "value"})


def _getter(index: int) -> Callable[[Sequence[Any]], Any]:
    return lambda record: record[index] if index < len(record) else ""


_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")


def _number(text: str) -> float | None:
    """Read an amount as people write it: 1234.5, 1,234.5, 1.234,5 and 9,90; None when it is none.

    Where both signs stand, the last one is the decimal sign; a comma alone is one, unless it groups thousands.
    """
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and (point > comma or _THOUSANDS.fullmatch(text)):
        text = text.replace(",", "")
    elif comma >= 0:
        if text.count(",") > 1:
            return None
        text = text.replace(".", "").replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(value: object) -> str:
    if type(value) is str:  # nearly all: what the rest does of it
        value = value.strip()
        return value if value.isascii() and "\x00" not in value else clean(value)
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # ids that went through a spreadsheet or a dataframe: 12.0 is 12
    return clean(str(value).strip())


class ParquetImporter:
    """Reads Parquet files with a column map, a batch of rows at a time; needs no more memory than one row group."""

    def read(self, source: Path, *, options: ImportOptions, resume: Position | None) -> Iterator[Chunk]:
        """Give the rows as interactions; see `Importer.read`. A position's offset is in proportion to its rows."""
        import pyarrow as pa  # noqa: PLC0415 - heavy
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy

        try:
            with pq.ParquetFile(source, memory_map=True) as file:
                yield from self._batches(file, source.stat().st_size, options, resume)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(
                f"{source.name} is no readable Parquet file: {str(error)[:200]}", source=source.name
            ) from error

    def _batches(
        self, file: Any, size: int, options: ImportOptions, resume: Position | None
    ) -> Iterator[Chunk]:
        names: list[str] = list(file.schema_arrow.names)

        def sample(index: int, *, header: bool) -> Sequence[object]:  # noqa: ARG001 - there is none
            if index >= len(names):
                return ()
            first = next(file.iter_batches(batch_size=_SAMPLED, columns=[names[index]]), None)
            return () if first is None else _values(first.column(0))

        rows = _Table("parquet", names, options, sample)
        wanted = sorted({index for index in _column_map(names, options).values() if index < len(names)})
        total = int(file.metadata.num_rows)
        number = 0
        skip = resume.line if resume else 0
        for batch in file.iter_batches(
            batch_size=options.batch_rows, columns=[names[index] for index in wanted]
        ):
            many = int(batch.num_rows)
            if number + many <= skip:
                number += many
                continue
            columns: list[list[Any]] = [[None] * many for _ in names]
            for place, index in enumerate(wanted):
                columns[index] = _values(batch.column(place))
            for record in zip(*columns, strict=True):
                number += 1
                if number > skip:
                    rows.take(number, record)
            yield rows.flush(Position(offset=size * number // max(1, total), line=number))
        if total == 0:
            yield rows.flush(Position(offset=size))


def _values(column: Any) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415 - heavy

    if pa.types.is_timestamp(column.type):
        # As whole microseconds: nanoseconds do not fit a datetime. A naive column keeps its wall-clock time.
        micros = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.int64()).to_pylist()
        zone = UTC if column.type.tz else None
        return [None if one is None else _stamp(one, zone) for one in micros]
    if pa.types.is_date(column.type):
        return [None if one is None else datetime(one.year, one.month, one.day) for one in column.to_pylist()]  # noqa: DTZ001 - the options' zone is applied later
    return column.to_pylist()


def _stamp(micros: int, zone: Any) -> datetime | str:
    try:
        return datetime(1970, 1, 1, tzinfo=zone) + timedelta(microseconds=micros)
    except OverflowError:
        return str(micros) + " µs"
