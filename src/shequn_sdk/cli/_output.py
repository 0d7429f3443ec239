"""How commands speak: tables for people, JSON for programs, errors with exit codes that mean something."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from typing import Any, cast

from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    InvalidInput,
    NotSupported,
    PermissionDenied,
    PlatformError,
    ShequnError,
    StoreBusy,
    StoreError,
)

__all__ = ["Exit", "Output", "exit_code", "printable"]


class Exit(IntEnum):
    """What an exit code means."""

    OK = 0
    FAILED = 1
    """What was asked did not work."""
    USAGE = 2
    """The command line, a setting or an input file is wrong."""
    PARTLY = 3
    """Some of it worked; the output says what did not."""
    BUSY = 4
    """Another process holds the store: try again."""
    DENIED = 5
    """The platform refused the credentials or lacks a right."""
    INTERRUPTED = 130


def exit_code(error: ShequnError) -> Exit:
    """Give the exit code of an error."""
    if isinstance(error, StoreBusy):
        return Exit.BUSY
    if isinstance(error, (AuthFailed, PermissionDenied)):
        return Exit.DENIED
    if isinstance(error, (PlatformError, StoreError)):
        return Exit.FAILED
    if isinstance(error, (ConfigError, InvalidInput, NotSupported)):
        return Exit.USAGE
    return Exit.FAILED


_HIDDEN = dict.fromkeys((*range(32), 127, *range(128, 160), *range(8234, 8239), *range(8294, 8298)))


def printable(value: object) -> str:
    """Give text that cannot move the cursor, colour the terminal or turn the reading direction."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, (list, tuple)):
        return ", ".join(printable(item) for item in cast("Sequence[object]", value))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return ", ".join(f"{printable(name)}: {printable(item)}" for name, item in pairs)
    return str(value).replace("\n", " ").translate(_HIDDEN)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


class Output:
    """What one command writes: results to stdout, everything else to stderr."""

    def __init__(self, *, as_json: bool = False) -> None:
        """Write tables, or JSON when `as_json`."""
        self.as_json = as_json
        self.console = Console(soft_wrap=True)
        self.errors = Console(stderr=True, soft_wrap=True)

    def json(self, value: Any) -> None:
        """Write one JSON document."""
        sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")
        sys.stdout.flush()

    def line(self, text: str) -> None:
        """Write a line for people; nothing with --json."""
        if not self.as_json:
            self.console.print(escape(text), highlight=False)

    def note(self, text: str) -> None:
        """Write a remark to stderr."""
        self.errors.print(escape(text), highlight=False, style="dim")

    def table(
        self,
        rows: Iterable[Mapping[str, Any] | BaseModel],
        columns: Sequence[str],
        *,
        title: str = "",
        empty: str = "nothing",
    ) -> None:
        """Write rows as a table, or as a JSON list of objects with all their keys."""
        mode = "json" if self.as_json else "python"
        listed = [row.model_dump(mode=mode) if isinstance(row, BaseModel) else row for row in rows]
        if self.as_json:
            self.json(listed)
            return
        if not listed:
            self.console.print(escape(empty), style="dim", highlight=False)
            return
        if self._is_too_narrow(listed, columns):
            self._records(listed, columns, title=title)
            return
        table = Table(title=title or None, header_style="bold", title_justify="left")
        numeric = {
            column
            for column in columns
            if any(
                isinstance(row.get(column), (int, float)) and not isinstance(row.get(column), bool)
                for row in listed
            )
        }
        for column in columns:
            table.add_column(
                column.replace("_", " "), justify="right" if column in numeric else "left", overflow="fold"
            )
        for row in listed:
            table.add_row(*(escape(printable(row.get(column))) for column in columns))
        self.console.print(table)

    def _is_too_narrow(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bool:
        """Whether columns would be folded to shreds: each gets at least its longest word, or 10 cells."""
        needed = 1
        for column in columns:
            texts = [column.replace("_", " "), *(printable(row.get(column)) for row in rows)]
            needed += 3 + min(10, max((cell_len(word) for text in texts for word in text.split()), default=0))
        return needed > self.console.width

    def _records(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, title: str) -> None:
        """Write each row as lines of "column: value", with an empty line between rows."""
        if title:
            self.console.print(escape(printable(title)), style="bold", highlight=False)
        for number, row in enumerate(rows):
            if number:
                self.console.print()
            for column in columns:
                text = printable(row.get(column))
                if text:
                    self.console.print(
                        f"[bold]{escape(column.replace('_', ' '))}:[/] {escape(text)}", highlight=False
                    )

    def error(self, error: ShequnError) -> Exit:
        """Write an error; gives the exit code."""
        code = exit_code(error)
        if self.as_json:
            details: dict[str, Any] = {
                "type": type(error).__name__,
                "message": str(error),
                "exit_code": int(code),
            }
            if isinstance(error, PlatformError):
                details |= {"platform": error.platform, "operation": error.operation, "code": error.code}
            sys.stderr.write(json.dumps({"error": details}, ensure_ascii=False) + "\n")
        else:
            self.errors.print(f"[bold red]error:[/] {escape(printable(error))}", highlight=False)
        return code

    @contextmanager
    def progress(self, label: str, total: float | None) -> Generator[Callable[[float], None]]:
        """Show a progress bar on stderr when it is a terminal; gives a function that takes how much is done."""
        if not self.errors.is_terminal:
            yield lambda _: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%") if total else MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.errors, transient=True) as bar:
            task = bar.add_task(escape(label), total=total)
            yield lambda done: bar.update(task, completed=done)
