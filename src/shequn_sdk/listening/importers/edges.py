"""Edge lists: `source target time` per line; each line is one interaction from source to target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.listening.importers.base import (
    Chunk,
    ImportOptions,
    Position,
    SkipReason,
    Skips,
    TimeFormat,
    Times,
    clean,
    with_days,
)
from shequn_sdk.listening.importers.lines import Line, detect_encoding, head_of, lines

__all__ = ["EdgeListImporter", "looks_like_edges"]

_PLATFORM = "import"
_COMMENT = (b"#", b"%")
_TARGETS = ([b"dst"], [b"target"], [b"to"], [b"receiver"], [b"destination"])
_COMMENT_BYTES = b"#%"


class EdgeListImporter:
    """Reads edge lists separated by blanks, tabs or commas, with or without a header line.

    The id of an interaction holds its line's number, because two equal lines are two events. `options.channel` and
    `options.platform` say where it happened.
    """

    def read(self, source: Path, *, options: ImportOptions, resume: Position | None) -> Iterator[Chunk]:
        """Give the lines as interactions; see `Importer.read`."""
        encoding = detect_encoding(source, options.encoding)
        start = resume or Position()
        if options.delimiter:
            delimiter: bytes | None = options.delimiter.encode()
        else:
            first = _first_line(head_of(source))
            # between tabs a time may hold a blank
            delimiter = b"," if b"," in first else b"\t" if first.count(b"\t") == 2 else None
        options = with_days(options, _sample(source, delimiter))
        times = Times(options)
        latest = times.latest
        rows = _Rows(options)
        last: Line | None = None
        # the fast path knows whole seconds in ASCII digits; all else takes the slow one
        seconds = options.time_format in {TimeFormat.AUTO, TimeFormat.SECONDS}
        utf8 = encoding == "utf-8" or encoding.startswith("utf-16")
        for line in lines(
            source, encoding=encoding, offset=start.offset, number=start.line, max_line=options.max_line
        ):
            if line.number == 1 and options.header:
                last = line
                continue
            rows.read += 1
            data = line.data
            fields = data.split(delimiter) if data is not None else ()
            if seconds and len(fields) == 3 and (utf8 or data.isascii()) and b"\x00" not in data:  # pyright: ignore[reportOptionalMemberAccess, reportOperatorIssue]
                left, right, when = fields if delimiter is None else [one.strip() for one in fields]
                if when.isdigit() and len(when) < 12 and left and right and left[0] not in _COMMENT_BYTES:
                    micros = int(when) * 1_000_000
                    if micros <= latest and rows.add(left, right, micros, line.number):
                        last = line
                        if rows.read >= options.batch_rows:
                            yield rows.flush(Position(offset=line.end, line=line.number))
                        continue
            _slow(line, delimiter, encoding, times, rows, options)
            last = line
            if rows.read >= options.batch_rows:
                yield rows.flush(Position(offset=line.end, line=line.number))
        if last is not None:
            yield rows.flush(Position(offset=last.end, line=last.number))


def _sample(source: Path, delimiter: bytes | None) -> list[str]:
    """Give the times of the first lines, without the header's."""
    found = [
        fields[2].decode("ascii", "replace").strip()
        for line in head_of(source).splitlines()[:200]
        if not line.startswith(_COMMENT) and len(fields := line.split(delimiter)) == 3
    ]
    return found if found and found[0].isdigit() else found[1:]


def _first_line(head: bytes) -> bytes:
    return next((line for line in head.splitlines() if line.strip() and not line.startswith(_COMMENT)), b"")


class _Rows:
    def __init__(self, options: ImportOptions) -> None:
        self._platform = options.platform or _PLATFORM
        self._channel = options.channel or ""
        self._kind = options.kind.value
        self._clear()

    def _clear(self) -> None:
        self.src: list[str] = []
        self.dst: list[str] = []
        self.at: list[int] = []
        self.line: list[int] = []
        self.read = 0
        self.skips = Skips()

    def add(self, left: bytes, right: bytes, micros: int, line: int) -> bool:
        try:
            src, dst = left.decode(), right.decode()
        except UnicodeDecodeError:
            return False
        self.src.append(src)
        self.dst.append(dst)
        self.at.append(micros)
        self.line.append(line)
        return True

    def flush(self, position: Position) -> Chunk:
        many = len(self.at)
        empty = [""] * many
        batch = InteractionBatch(
            platform=self._platform,
            source="edges",
            id=[
                f"edge:{line}:{src}:{dst}:{at}"
                for line, src, dst, at in zip(self.line, self.src, self.dst, self.at, strict=True)
            ],
            kind=[self._kind] * many,
            occurred_at=self.at,
            channel=[self._channel] * many,
            member=self.src,
            member_name=empty.copy(),
            is_bot=[False] * many,
            message=empty.copy(),
            parent=empty.copy(),
            target=self.dst,
            text=empty.copy(),
            value=[None] * many,
            currency=empty.copy(),
            entrance=empty.copy(),
            attrs=empty,
        )
        chunk = Chunk(batch=batch, position=position, read=self.read, skips=self.skips)
        self._clear()
        return chunk


def _slow(
    line: Line, delimiter: bytes | None, encoding: str, times: Times, rows: _Rows, options: ImportOptions
) -> None:
    """Take a line that the fast path does not: other time forms, other encodings, or not a row at all."""
    if line.data is None:
        rows.skips.add(line.number, SkipReason.TOO_LARGE, f"longer than {options.max_line} bytes")
        return
    stripped = line.data.strip()
    if not stripped or stripped.startswith(_COMMENT):
        rows.read -= 1
        return
    try:
        text = line.data.decode("utf-8" if encoding.startswith("utf-16") else encoding)
    except UnicodeDecodeError as error:
        rows.skips.add(line.number, SkipReason.BAD_ENCODING, str(error))
        return
    fields = [clean(part.strip()) for part in text.split(delimiter.decode() if delimiter else None)]
    if "\x00" in text or len(fields) != 3 or not all(fields):
        rows.skips.add(line.number, SkipReason.MALFORMED, text)
        return
    at = times.read(fields[2])
    if isinstance(at, SkipReason):
        if line.number == 1 and options.header is not False and at is SkipReason.BAD_TIME:
            rows.read -= 1
            return
        rows.skips.add(line.number, at, text)
        return
    rows.src.append(fields[0])
    rows.dst.append(fields[1])
    rows.at.append(at)
    rows.line.append(line.number)


def looks_like_edges(head: bytes) -> bool:
    """Whether the first bytes look like `source target time` lines."""
    found = [line for line in head.splitlines()[:6] if line.strip() and not line.startswith(_COMMENT)]
    if not found:
        return False
    names = found[0].lower().replace(b",", b" ").split()
    if b"," in found[0] and not names[-1].isdigit() and names[1:2] not in _TARGETS:
        return False  # a table with named columns
    rows = [line.replace(b",", b" ").split() for line in (found[1:] or found)]
    try:
        return all(len(row) == 3 and float(row[2]) >= 0 for row in rows[:3])
    except ValueError:
        return False
