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
    Times,
    clean,
)
from shequn_sdk.listening.importers.lines import Line, detect_encoding, head_of, lines

__all__ = ["EdgeListImporter", "looks_like_edges"]

_PLATFORM = "import"
_COMMENT = (b"#", b"%")


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
            delimiter = b"," if b"," in _first_line(head_of(source)) else None
        times = Times(options)
        latest = times.latest
        rows = _Rows(options)
        last: Line | None = None
        for line in lines(
            source, encoding=encoding, offset=start.offset, number=start.line, max_line=options.max_line
        ):
            data = line.data
            rows.read += 1
            try:
                # the hot path: three ASCII fields, whole seconds
                left, right, when = data.split(delimiter)  # pyright: ignore[reportOptionalMemberAccess]
                micros = int(when) * 1_000_000
                if not 0 <= micros <= latest or micros >= 100_000_000_000_000_000 or not left or not right:
                    raise ValueError
                rows.src.append(left.decode())
                rows.dst.append(right.decode())
                rows.at.append(micros)
                rows.line.append(line.number)
            except (ValueError, AttributeError):
                _slow(line, delimiter, encoding, times, rows, options)
            last = line
            if rows.read >= options.batch_rows:
                yield rows.flush(Position(offset=line.end, line=line.number))
        if last is not None:
            yield rows.flush(Position(offset=last.end, line=last.number))


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

    def flush(self, position: Position) -> Chunk:
        many = len(self.at)
        empty = [""] * many
        seconds = 1_000_000
        batch = InteractionBatch(
            platform=self._platform,
            source="edges",
            id=[
                f"edge:{line}:{src}:{dst}:{at // seconds}"
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
    del rows.src[len(rows.at) :], rows.dst[len(rows.at) :]
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
        if line.number == 1 and options.header:
            rows.read -= 1
            return
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
    rows = [line.replace(b",", b" ").split() for line in (found[1:] or found)]
    try:
        return all(len(row) == 3 and float(row[2]) >= 0 for row in rows[:3])
    except ValueError:
        return False
