"""What people tell: read from a form's fields, or from a table with a verdict per row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from shequn_handoff.desk import Desk
from shequn_handoff.tasks import Result, Verdict
from shequn_sdk.errors import InvalidInput, ShequnError

__all__ = ["COLUMNS", "RowOutcome", "import_results", "read_result", "safe_cell", "write_form"]

COLUMNS = ("task", "verdict", "at", "link", "views", "likes", "comments", "shares", "reason")
_LARGEST = 10 * 1024 * 1024
_MOST_ROWS = 100_000
_WORDS: Mapping[str, Verdict] = {
    "confirmed": Verdict.CONFIRMED,
    "yes": Verdict.CONFIRMED,
    "已发布": Verdict.CONFIRMED,
    "已发": Verdict.CONFIRMED,
    "是": Verdict.CONFIRMED,
    "refused": Verdict.REFUSED,
    "no": Verdict.REFUSED,
    "未发布": Verdict.REFUSED,
    "未发": Verdict.REFUSED,
    "否": Verdict.REFUSED,
}
_FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y-%m-%dT%H:%M")
_NUMBER = re.compile(r"[0-9][0-9,]{0,15}", re.ASCII)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row."""

    line: int
    task: str
    taken: bool
    why: str = ""
    """Why it was not taken."""


def safe_cell(text: str) -> str:
    """Give a cell that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_FORMULA) else text


def read_result(fields: Mapping[str, str], *, now: datetime, zone: str = "Asia/Shanghai") -> Result:
    """Read what a person filled in; a time without a zone is in `zone`.

    Raises:
        InvalidInput: a field cannot be read; the message says which, in the person's words.
    """
    told = {name: (fields.get(name) or "").strip().removeprefix("'") for name in COLUMNS}
    verdict = _WORDS.get(told["verdict"].lower())
    if verdict is None:
        raise InvalidInput(f"verdict 只能是 confirmed 或 refused，不是 {told['verdict'][:40]!r}")
    if verdict is Verdict.REFUSED and not told["reason"]:
        raise InvalidInput("没有发布时请填写原因 (reason)")
    if len(told["reason"]) > 500:
        raise InvalidInput("原因 (reason) 不能超过 500 字")
    at = _time(told["at"], zone) if told["at"] else now
    if at > now and (at - now).total_seconds() > 300:
        raise InvalidInput("发布时间 (at) 在将来")
    return Result(
        verdict=verdict,
        at=at,
        told_at=now,
        reason=told["reason"],
        link=_link(told["link"]),
        views=_count("views", told),
        likes=_count("likes", told),
        comments=_count("comments", told),
        shares=_count("shares", told),
    )


def _time(text: str, zone: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        for form in _FORMATS:
            try:
                at = datetime.strptime(text, form)  # noqa: DTZ007 - the zone follows
                break
            except ValueError:
                continue
        else:
            raise InvalidInput(f"发布时间 (at) 请写成 2026-03-02 20:00，不是 {text[:40]!r}") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone))


def _link(text: str) -> str:
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or len(text) > 2000 or any(ord(sign) < 33 for sign in text):
        raise InvalidInput("链接 (link) 请以 https:// 开头，不含空格")
    return text


def _count(name: str, told: Mapping[str, str]) -> int | None:
    text = told[name]
    if not text:
        return None
    if not _NUMBER.fullmatch(text) or int(text.replace(",", "")) > 10**12:
        raise InvalidInput(f"{name} 请填写整数，不是 {text[:40]!r}")
    return int(text.replace(",", ""))


def import_results(
    desk: Desk, path: str | Path, *, report: str | Path | None = None, zone: str = "Asia/Shanghai"
) -> Sequence[RowOutcome]:
    """Take the results of a CSV file, row by row; rows with a mistake are told, the others are taken.

    Args:
        report: where to write the rows' outcomes as CSV, None for nowhere.
        zone: of times that name none.

    Raises:
        InvalidInput: the file cannot be read as a table with the columns task and verdict.
    """
    outcomes: list[RowOutcome] = []
    for line, row in _rows(Path(path)):
        task = (row.get("task") or "").strip().removeprefix("'")
        if not (row.get("verdict") or "").strip():
            outcomes.append(RowOutcome(line, task, taken=False, why="还没有填写 verdict"))
            continue
        try:
            desk.conclude(task, read_result(row, now=desk.now(), zone=zone))
        except ShequnError as error:
            outcomes.append(RowOutcome(line, task, taken=False, why=str(error)))
        else:
            outcomes.append(RowOutcome(line, task, taken=True))
    if report is not None:
        rows = [[str(one.line), one.task, "taken" if one.taken else "not taken", one.why] for one in outcomes]
        _write_csv(Path(report), [["line", "task", "outcome", "why"], *rows])
    return outcomes


def _rows(path: Path) -> Iterable[tuple[int, Mapping[str, str]]]:
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise InvalidInput(f"{path} has {size} bytes, {_LARGEST} are the most", source=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}", source=str(path)) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("gb18030")  # what Excel writes on Chinese machines
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"{path} is neither UTF-8 nor GB18030; save it as CSV UTF-8", source=str(path)
            ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"task", "verdict"} <= set(header):
            raise InvalidInput(
                f"{path} needs the columns task and verdict; known columns are {', '.join(COLUMNS)}",
                source=str(path),
            )
        reader.fieldnames = header
        found: list[tuple[int, Mapping[str, str]]] = []
        for row in reader:
            if len(found) >= _MOST_ROWS:
                raise InvalidInput(f"{path} has more than {_MOST_ROWS} rows; split it", source=str(path))
            found.append(
                (
                    reader.line_num,
                    {str(key): value or "" for key, value in row.items() if isinstance(key, str)},
                )
            )
    except csv.Error as error:
        raise InvalidInput(f"{path} is no CSV ({error})", source=str(path), line=reader.line_num) from error
    return found


def write_form(desk: Desk, path: str | Path) -> int:
    """Write a table of the waiting tasks for people to fill in; gives how many there are."""
    tasks = desk.list(waiting=True)
    rows = [
        [task.id, "", "", "", "", "", "", "", "", task.channel, task.text[:60].replace("\n", " ")]
        for task in tasks
    ]
    _write_csv(Path(path), [[*COLUMNS, "channel", "text"], *rows])
    return len(tasks)


def _write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(text.getvalue().encode("utf-8-sig"))
    draft.replace(path)
