"""Tasks and their results in a folder: one directory per task, each file written whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from shequn_handoff.page import task_page
from shequn_handoff.tasks import NewTask, Result, Task, TaskFile, Verdict
from shequn_sdk.domain import Clock
from shequn_sdk.errors import ConfigError, Conflict, InvalidInput, TargetNotFound, Unavailable

__all__ = ["Desk"]

_log = logging.getLogger(__name__)

PLATFORM = "handoff"
_ID = re.compile(r"[0-9a-f]{20}", re.ASCII)
_UNSAFE = re.compile(r"[^\w.\-]+")


class Desk:
    """The tasks of one folder (交接台). Blocking: call it on a thread. Several processes may share the folder."""

    def __init__(self, folder: str | Path, *, clock: Clock) -> None:
        self.folder = Path(folder)
        self._clock = clock

    def __repr__(self) -> str:
        return f"Desk({str(self.folder)!r})"

    def now(self) -> datetime:
        """Give the present instant."""
        return self._clock.now()

    def add(self, new: NewTask) -> Task:
        """Keep a task; one with the same id stays as it is and is given back.

        Raises:
            Unavailable: the folder cannot be written; nothing half-written stays.
        """
        self._check(new.id)
        final = self.folder / new.id
        if final.is_dir():
            return self.get(new.id)
        names = _names(new.files)
        task = Task(
            **new.model_dump(exclude={"files"}),
            files=tuple(names),
            created_at=self._clock.now(),
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self.folder))
            try:
                for name, file in zip(names, new.files, strict=True):
                    _write(draft / name, file.data)
                _write(draft / "text.txt", task.text.encode())
                _write(draft / "task.html", task_page(task).encode())
                _write(draft / "task.json", task.model_dump_json(indent=2).encode())
                draft.chmod(0o755)
                _sync_folder(draft)
                draft.rename(final)
                _sync_folder(self.folder)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                if final.is_dir():
                    return self.get(new.id)  # another process made the same task in the meantime
                raise
        except OSError as error:
            raise Unavailable(
                f"handoff: {self.folder} cannot be written ({error.strerror or error}); make room or rights, then try again",
                platform=PLATFORM,
                operation="tasks/create",
            ) from error
        return task

    def get(self, task: str) -> Task:
        """Read a task with its result.

        Raises:
            TargetNotFound: there is none of that id.
        """
        kept = self.peek(task)
        return kept.model_copy(update={"result": self._result(task)})

    def peek(self, task: str) -> Task:
        """Read a task without its result, which may be damaged.

        Raises:
            TargetNotFound: there is none of that id.
        """
        self._check(task)
        try:
            kept = Task.model_validate_json((self.folder / task / "task.json").read_bytes())
        except FileNotFoundError:
            raise TargetNotFound(
                f"handoff: there is no task {task} in {self.folder}", platform=PLATFORM, operation="tasks/get"
            ) from None
        except (OSError, ValidationError) as error:
            raise ConfigError(
                f"handoff: task {task} in {self.folder} cannot be read; was it changed?"
            ) from error
        return kept.model_copy(update={"reminders": self._reminders(task)})

    def list(self, *, waiting: bool = False) -> Sequence[Task]:
        """Give all tasks, oldest first; with `waiting` only those without a result.

        A task that cannot be read does not hold up the others: it is left out, and logged. One whose result cannot be
        read waits for it again.
        """
        try:
            names = [entry.name for entry in self.folder.iterdir() if _ID.fullmatch(entry.name)]
        except FileNotFoundError:
            return []
        tasks = [task for name in names if (task := self._listed(name)) is not None]
        kept = [task for task in tasks if not waiting or task.result is None]
        return sorted(kept, key=lambda task: (task.created_at, task.id))

    def _listed(self, name: str) -> Task | None:
        try:
            return self.get(name)
        except InvalidInput as error:
            _log.warning("%s", error)
            return self.peek(name)
        except (ConfigError, TargetNotFound) as error:  # damaged, or taken away just now
            _log.warning("%s", error)
            return None

    def file(self, task: str, name: str) -> Path:
        """Give the path of one of a task's files, and of nothing else."""
        if name not in self.peek(task).files:
            raise TargetNotFound(
                f"handoff: task {task} has no file {name[:80]!r}", platform=PLATFORM, operation="tasks/file"
            )
        return self.folder / task / name

    def conclude(self, task: str, result: Result) -> Task:
        """Keep what the person told. Numbers and link of a confirmed task may be told again, newer ones count.

        Raises:
            Conflict: the task has another result already.
        """
        kept = self.peek(task)
        try:
            before = self._result(task)
        except InvalidInput:
            before = None  # told again
        if before is not None and before.verdict is not result.verdict:
            raise Conflict(
                f"handoff: task {task} is {before.verdict} already and cannot become {result.verdict}; hand it over anew",
                platform=PLATFORM,
                operation="tasks/conclude",
            )
        if before is not None:
            told = {name: value for name, value in result.model_dump().items() if value not in {None, ""}}
            result = before.model_copy(update={**told, "at": before.at, "verdict": before.verdict})
        self._replace(task, "result.json", result.model_dump_json(indent=2).encode())
        return kept.model_copy(update={"result": result})

    def remind(self, task: str) -> int:
        """Count a reminder; the form shows reminded tasks first. Gives how many there were."""
        kept = self.get(task)
        if kept.result is not None:
            return kept.reminders
        count = kept.reminders + 1
        told = {"reminders": count, "at": self._clock.now().isoformat()}
        self._replace(task, "reminders.json", json.dumps(told).encode())
        return count

    def cancel(self, task: str) -> None:
        """Take a task back; a cancelled one is no error.

        Raises:
            Conflict: the person has concluded it already.
        """
        now = self._clock.now()
        self.conclude(task, Result(verdict=Verdict.CANCELLED, at=now, told_at=now, reason="cancelled"))

    def _check(self, task: str) -> None:
        if not _ID.fullmatch(task):
            raise TargetNotFound(
                f"handoff: {task[:80]!r} is no id of a task", platform=PLATFORM, operation="tasks/get"
            )

    def _result(self, task: str) -> Result | None:
        try:
            return Result.model_validate_json((self.folder / task / "result.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise InvalidInput(
                f"result.json of task {task} cannot be read; tell the result again by the form",
                source=str(self.folder / task / "result.json"),
            ) from error

    def _reminders(self, task: str) -> int:
        try:
            return int(json.loads((self.folder / task / "reminders.json").read_bytes())["reminders"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0

    def _replace(self, task: str, name: str, data: bytes) -> None:
        place = self.folder / task
        try:
            handle, draft = tempfile.mkstemp(prefix=f".{name}-", dir=place)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(draft).replace(place / name)
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
            _sync_folder(place)
        except OSError as error:
            raise Unavailable(
                f"handoff: {place} cannot be written ({error.strerror or error})",
                platform=PLATFORM,
                operation="tasks/conclude",
            ) from error


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(files: Sequence[TaskFile]) -> list[str]:
    """Give names that are safe in any folder and keep the order."""
    names: list[str] = []
    for number, file in enumerate(files, 1):
        stem, dot, suffix = Path(file.name).name.rpartition(".")
        kind = _UNSAFE.sub("", suffix)[:8].lower() if dot else "bin"
        base = _UNSAFE.sub("_", stem if dot else suffix).strip("._")[:60] or "file"
        names.append(f"{number:02d}-{base}.{kind or 'bin'}")
    return names
