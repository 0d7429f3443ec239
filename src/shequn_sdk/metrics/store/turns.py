"""Taking turns on a file that only one process may open at a time.

DuckDB refuses a second process while a writer has the file, even for reading. So every session first takes an
advisory lock on a file beside it. A second lock is the queue: whoever wants a turn holds it while waiting, so a busy
owner that lets go cannot snatch the turn back before those who wait.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from shequn_sdk.errors import StoreBusy, StoreError

__all__ = ["Turn"]

_STEP = 0.005


def _try_lock(descriptor: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        import msvcrt  # noqa: PLC0415

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    except OSError as error:
        raise StoreError(
            f"cannot take a turn on {path.with_suffix('')}: {error.strerror or error}; check that the directory "
            "exists and is writable"
        ) from error


class Turn:
    """The right to open the store's file, held by at most one holder at a time on this machine."""

    def __init__(self, path: Path) -> None:
        """Keep the locks in `path` and beside it; nothing is opened yet."""
        self._path = path
        self._queue = path.with_name(path.name + ".queue")
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object has the turn."""
        return self._descriptor is not None

    def take(self, *, purpose: str, timeout: float) -> None:
        """Wait for the turn.

        Raises:
            StoreBusy: `timeout` seconds passed; the message names who has the turn.
        """
        if self._descriptor is not None:
            return
        deadline = time.monotonic() + timeout
        queue = _open(self._queue)
        try:
            self._wait(queue, deadline, timeout)
            lock = _open(self._path)
            try:
                self._wait(lock, deadline, timeout)
            except BaseException:
                os.close(lock)
                raise
        finally:
            os.close(queue)
        note = json.dumps({"pid": os.getpid(), "purpose": purpose}).encode()
        with contextlib.suppress(
            OSError
        ):  # the note only serves messages; a full disk must not stop a reader
            os.ftruncate(lock, 0)
            os.pwrite(lock, note, 0)
        self._descriptor = lock

    def _wait(self, descriptor: int, deadline: float, timeout: float) -> None:
        step = _STEP
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                owner = self.owner()
                raise StoreBusy(
                    f"the event store is in use by {owner or 'another process'}; waited {timeout:g} s. "
                    "Try again when it is done, or give a longer timeout",
                    owner=owner,
                )
            time.sleep(step)
            step = min(step * 1.5, 0.05)

    def release(self) -> None:
        """Give the turn up; harmless when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def wanted(self) -> bool:
        """Whether somebody else waits for the turn."""
        queue = _open(self._queue)
        try:
            return not _try_lock(queue)
        finally:
            os.close(queue)

    def owner(self) -> str:
        """Say who has the turn, as far as it left a note."""
        try:
            note = json.loads(self._path.read_text("utf-8") or "{}")
            return f"process {note['pid']} ({note['purpose']})" if note else ""
        except (OSError, ValueError, KeyError):
            return ""
