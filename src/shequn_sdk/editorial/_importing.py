"""Reading a calendar from CSV or JSON: every row with a verdict, every fault with line and column."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio.lowlevel
import anyio.to_thread
from pydantic import ValidationError
from sqlalchemy import Connection

from shequn_sdk.domain import Community, Content, Link, Media, MediaKind
from shequn_sdk.editorial import _reading
from shequn_sdk.editorial._columns import COLUMNS, NAMES, unescaped
from shequn_sdk.editorial._days import instant_of
from shequn_sdk.editorial._desk import Edit, Steps
from shequn_sdk.editorial._hand_in import handed_in
from shequn_sdk.editorial._lines import Line, new_line
from shequn_sdk.editorial._room import check_sayable, refs_of
from shequn_sdk.editorial.model import EntryState, ImportVerdict, RowVerdict
from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.house import House
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.publishing.service import Publishing

__all__ = ["Job", "read", "steps"]

_MOST_BYTES = 20_000_000
_MOST_ROWS = 100_000
_MOST_CELL = 20_000
_SPLIT = re.compile(r"[;；\n]+")
_YES = frozenset({"1", "yes", "y", "true", "是", "√", "x"})
_NO = frozenset({"", "0", "no", "n", "false", "否"})
_VIDEO = frozenset({".mp4", ".mov", ".m4v", ".webm"})
_BEGIN = frozenset({"idea", "draft", "scheduled"})
_STATES = {"选题": "idea", "草稿": "draft", "已排期": "scheduled", "排期": "scheduled"} | {
    str(state): str(state) if str(state) in _BEGIN else "draft" for state in EntryState
}
"""What an exported entry comes back as: what was approved once has to be handed in again."""
_TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y年%m月%d日 %H:%M")


class _WrongError(Exception):
    """A row that cannot be taken."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class _Row(NamedTuple):
    line: int
    values: Mapping[str, Any]
    columns: Mapping[str, int]
    """Where each value stands, from 1."""


@dataclass(slots=True)
class Job:
    """What was read: a verdict for each row, and the lines of those that are right."""

    rows: list[RowVerdict] = field(default_factory=list[RowVerdict])
    lines: list[tuple[int, Line]] = field(default_factory=list[tuple[int, Line]])
    """With the number of their row."""
    notes: list[str] = field(default_factory=list[str])
    known: set[int] = field(default_factory=set[int])
    """Rows whose key was in the calendar already."""

    @property
    def rejected(self) -> int:
        """How many rows are wrong."""
        return sum(not row.ok for row in self.rows)

    def verdict(self, written: Sequence[Line]) -> ImportVerdict:
        """Give the public form, with the numbers of what was written."""
        numbers = dict(
            zip(
                (place for place, _ in self.lines if place not in self.known),
                (line.id for line in written),
                strict=False,
            )
        )
        held = not written and self.rejected
        rows: list[RowVerdict] = []
        for place, row in enumerate(self.rows):
            update: dict[str, object] = {"entry": numbers.get(place)}
            if row.ok and place in self.known:
                update["message"] = "its key is in the calendar already: left as it is"
            elif row.ok and held:
                update["message"] = "right, and not imported because other rows are not"
            rows.append(row.model_copy(update=update))
        return ImportVerdict(
            rows=tuple(rows), imported=len(written), rejected=self.rejected, notes=tuple(self.notes)
        )


async def read(
    house: House,
    source: Path | str | bytes,
    *,
    form: str | None,
    files: Path | None,
    place: Community,
    actor: str,
) -> Job:
    """Read a file into a job; writes nothing.

    Raises:
        InvalidInput: it cannot be read at all.
    """
    job = Job()
    publishing = await house.publishing()
    data, root = await anyio.to_thread.run_sync(_load, source)
    text = _decoded(data, job)
    if form not in {None, "csv", "json"}:
        raise InvalidInput(f"{form!r} cannot be imported: csv or json")
    chosen = form or ("json" if text.lstrip()[:1] in {"[", "{"} else "csv")
    root = root if files is None else files
    seen: dict[str, int] = {}
    rows = _json_rows(text) if chosen == "json" else _csv_rows(text)
    for number, row in enumerate(rows):
        if number % 100 == 99:
            await anyio.lowlevel.checkpoint()
        if number >= _MOST_ROWS:
            raise InvalidInput(f"more than {_MOST_ROWS:,} rows: import it in parts", line=row.line)
        try:
            line = _line(house, publishing, row, place, actor, root)
            _single(line.key, row.line, seen)
        except _WrongError as error:
            job.rows.append(
                RowVerdict(
                    line=row.line,
                    column=row.columns.get(error.name),
                    field=error.name,
                    ok=False,
                    message=str(error),
                )
            )
            continue
        job.rows.append(RowVerdict(line=row.line, ok=True))
        job.lines.append((number, line))
    if not job.rows:
        raise InvalidInput("there is no row in it", line=1)
    return job


def _single(key: str | None, line: int, seen: dict[str, int]) -> None:
    if key is not None and seen.setdefault(key, line) != line:
        raise _WrongError("key", f"the key {key!r} stands in line {seen[key]} already")


def steps(conn: Connection, job: Job, community: str) -> Steps:
    """Give the step that writes what was read; rows whose key is known are left out."""
    job.known.clear()
    edits: list[Edit] = []
    for place, line in job.lines:
        if line.key is not None and _reading.by_key(conn, community, line.key) is not None:
            job.known.add(place)
            continue
        edits.append(Edit(None, handed_in(conn, line) if line.state == EntryState.SCHEDULED else line))
    return Steps("import", edits, note=f"{len(edits)} rows")


def _load(source: Path | str | bytes) -> tuple[bytes, Path | None]:
    if isinstance(source, bytes):
        if len(source) > _MOST_BYTES:
            raise InvalidInput(f"larger than {_MOST_BYTES:,} bytes: import it in parts")
        return source, None
    path = Path(source)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidInput(
                f"{path} is larger than {_MOST_BYTES:,} bytes: import it in parts", source=str(path)
            )
        return path.read_bytes(), path.parent
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", source=str(path)) from None


def _decoded(data: bytes, job: Job) -> str:
    if b"\x00" in data:
        at = data.index(b"\x00")
        raise InvalidInput(
            f"byte {at + 1} is no text: save the table as CSV in UTF-8", line=data.count(b"\n", 0, at) + 1
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError:
            line = data.count(b"\n", 0, error.start) + 1
            raise InvalidInput(
                f"line {line} is neither UTF-8 nor GB 18030: save the file as UTF-8", line=line
            ) from None
        job.notes.append("read as GB 18030, because it is no UTF-8")
        return text


def _csv_rows(text: str) -> Iterator[_Row]:
    head = text.partition("\n")[0]
    mark = max((",", ";", "\t"), key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    names: list[str] = []
    begins = 1
    try:
        for cells in reader:
            line, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = [_name(cell, number, line) for number, cell in enumerate(cells, 1)]
                double = next((name for at, name in enumerate(names) if name in names[:at]), None)
                if double is not None:
                    raise InvalidInput(f"line {line}: the column {double!r} stands there twice", line=line)
                continue
            columns = {name: number for number, name in enumerate(names, 1)}
            values: dict[str, Any] = {name: unescaped(cell) for name, cell in zip(names, cells, strict=False)}
            if len(cells) > len(names):
                values["…"] = (
                    f"the row has {len(cells)} cells, the header {len(names)}: quote cells with commas"
                )
                columns["…"] = len(names) + 1
            yield _Row(line, values, columns)
    except csv.Error as error:
        raise InvalidInput(
            f"line {reader.line_num}: {error}; quote the cell and double its quotes", line=reader.line_num
        ) from None
    if not names:
        raise InvalidInput("the file is empty: its first line names the columns", line=1)


def _name(cell: str, column: int, line: int) -> str:
    found = NAMES.get(cell.strip().casefold())
    if found is None:
        known = ", ".join(COLUMNS)
        raise InvalidInput(
            f"line {line}, column {column}: {cell.strip()!r} is no column; there are {known}",
            line=line,
            column=column,
        )
    return found


def _json_rows(text: str) -> Iterator[_Row]:
    """Read a list of objects, or one object a line, each with the line in which it begins."""
    decoder = json.JSONDecoder()
    listed = text.lstrip().startswith("[")
    at = text.index("[") + 1 if listed else 0
    line, counted, first = 1, 0, True
    while True:
        at = _past(text, at, " \t\r\n")
        if listed and text[at : at + 1] == "]" and not text[at + 1 :].strip():
            return
        if not listed and at >= len(text):
            return
        if listed and not first:
            if text[at : at + 1] != ",":
                raise _broken(text, at, "a comma or the end of the list is missing")
            at = _past(text, at + 1, " \t\r\n")
        first = False
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise _broken(text, error.pos, error.msg) from None
        except RecursionError:
            raise _broken(text, at, "nested too deeply") from None
        column = at - (text.rfind("\n", 0, at) + 1) + 1
        if isinstance(value, dict):
            values = {
                NAMES.get(str(name).strip().casefold(), str(name)): item for name, item in value.items()
            }
            yield _Row(line, values, dict.fromkeys([*values, *COLUMNS], column))
        else:
            yield _Row(line, {"…": 'a row is an object such as {"text": "…"}'}, {"…": column})
        at = end


def _past(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _broken(text: str, at: int, what: str) -> InvalidInput:
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    return InvalidInput(f"line {line}, column {column}: {what}", line=line, column=column)


def _line(
    house: House, publishing: Publishing, row: _Row, place: Community, actor: str, root: Path | None
) -> Line:
    values = row.values
    if "…" in values:
        raise _WrongError("…", str(values["…"]))
    unknown = next((name for name in values if name not in COLUMNS and name != "content"), None)
    if unknown is not None:
        raise _WrongError(unknown, f"{unknown!r} is no column; there are content, {', '.join(COLUMNS)}")
    state = _STATES.get(_text(values, "state").strip().casefold() or "draft")
    if state is None:
        raise _WrongError("state", f"{values['state']!r} is no state: idea, draft or scheduled")
    content = _content(values, root)
    try:
        names = _several(values, "channels")
        refs = refs_of(house, names) if names else list(place.channels)
    except InvalidInput as error:
        raise _WrongError("channels", str(error)) from None
    at = _at(values, place.zone)
    if state == EntryState.SCHEDULED:
        if at is None:
            raise _WrongError("at", "a scheduled row needs a time")
        if not refs:
            raise _WrongError("channels", "a scheduled row needs a channel")
        try:
            check_sayable(publishing, content, refs)
        except (NotSupported, InvalidInput) as error:
            raise _WrongError("text", str(error)) from None
    try:
        line = new_line(place.name, content, refs, state=EntryState(state), author=actor, now=0)
    except InvalidInput as error:
        raise _WrongError("content", str(error)) from None
    key = _text(values, "key").strip()
    if len(key) > 200:
        raise _WrongError("key", "a key has at most 200 characters")
    return line._replace(key=key or None, at=None if at is None else to_us(at))


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _WrongError(name, f"{name} is a text, not {json.dumps(value, ensure_ascii=False)[:60]}")
    text = str(value)
    if len(text) > _MOST_CELL:
        raise _WrongError(name, f"{name} has {len(text):,} characters, more than {_MOST_CELL:,}")
    return text


def _several(values: Mapping[str, Any], name: str) -> list[str]:
    value = values.get(name)
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            raise _WrongError(name, f"{name} is a list of texts")
        return [str(item).strip() for item in value if str(item).strip()]
    return [part.strip() for part in _SPLIT.split(_text(values, name)) if part.strip()]


def _flag(values: Mapping[str, Any], name: str) -> bool:
    value = values.get(name)
    if isinstance(value, bool):
        return value
    text = _text(values, name).strip().casefold()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise _WrongError(name, f"{name} is yes or no (是 or 否), not {text!r}")


def _at(values: Mapping[str, Any], zone: str) -> datetime | None:
    text = _text(values, "at").strip()
    if not text:
        return None
    found: datetime | None = None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        for form in _TIMES:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007 - local time
                break
            except ValueError:
                continue
    if found is None or (len(text) <= 10 and ":" not in text):
        raise _WrongError(
            "at", f"{text!r} is no time; write it as 2026-03-02 20:00 (local) or 2026-03-02T20:00+08:00"
        )
    try:
        return instant_of(found, zone) if found.tzinfo is None else found
    except (OverflowError, ValueError):
        raise _WrongError("at", f"{text!r} lies outside of the calendar") from None


def _content(values: Mapping[str, Any], root: Path | None) -> Content:
    whole = values.get("content")
    if whole is not None:
        if not isinstance(whole, dict):
            raise _WrongError("content", "content is an object as Content.model_dump gives it")
        try:
            # as from JSON, where bytes are base64; paths of this machine are not taken from a file
            content = Content.model_validate_json(json.dumps(whole))
        except ValidationError as error:
            raise _WrongError("content", _said(error)) from None
        if any(media.path is not None for media in content.media):
            raise _WrongError("content", "name files of this machine under pictures, not within content")
        return content
    pictures = _several(values, "pictures")
    alts = _several(values, "alt")
    link = _text(values, "link").strip()
    try:
        return Content(
            text=_text(values, "text"),
            title=_text(values, "title").strip(),
            category=_text(values, "category").strip(),
            promotional=_flag(values, "promotional"),
            hashtags=tuple(tag.strip("#＃ ") for tag in _several(values, "hashtags")),
            comments=tuple(_several(values, "comments")),
            link=Link.model_validate({"url": link}) if link else None,
            media=tuple(
                _media(name, alts[number] if number < len(alts) else "", root)
                for number, name in enumerate(pictures)
            ),
        )
    except ValidationError as error:
        name = "link" if error.title == "Link" else "pictures" if error.title == "Media" else "text"
        raise _WrongError(name, _said(error)) from None


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _media(name: str, alt: str, root: Path | None) -> Media:
    kind = MediaKind.VIDEO if Path(name.partition("?")[0]).suffix.lower() in _VIDEO else MediaKind.PHOTO
    if re.match(r"https?://", name):
        return Media.model_validate({"kind": kind, "url": name, "alt": alt})
    if root is None:
        raise _WrongError(
            "pictures", f"{name!r} is a file: say in which directory with files=, or give an address"
        )
    home = root.resolve()
    path = (home / name).resolve()
    if not path.is_relative_to(home):
        raise _WrongError("pictures", f"{name!r} leads out of {root}")
    if not path.is_file():
        raise _WrongError("pictures", f"{name!r} is no file in {root}")
    return Media(kind=kind, path=path, alt=alt)
