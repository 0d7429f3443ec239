"""Runs an importer: streams batches into the event store and remembers durably how far it came."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import anyio.to_thread
from pydantic import Field, ValidationError

from shequn_sdk.domain import Clock, Frozen
from shequn_sdk.errors import InvalidInput, StoreError, StoreFull
from shequn_sdk.listening.dispatch import Append
from shequn_sdk.listening.importers.base import Chunk, Importer, ImportOptions, Position, SkipReason
from shequn_sdk.listening.importers.registry import Importers
from shequn_sdk.scheduling.clock import SystemClock

__all__ = ["ImportJob", "ImportResult", "Progress", "SkippedRow", "import_file"]

_HEAD = 1 << 20
_TAIL = 1 << 16
_EXAMPLES = 20


class SkippedRow(Frozen):
    """An example of a row that was not imported."""

    line: int
    """Line of a text file, or number of the record, from 1."""
    reason: SkipReason
    detail: str = ""


class ImportResult(Frozen):
    """What an import did (导入结果). `read` = rows that became interactions + rows skipped."""

    importer: str
    source: str
    """Name of the file."""
    community: str
    read: int = 0
    """Rows, messages or records looked at."""
    interactions: int = 0
    """Handed to the event store; one row may give several (a message and its reactions)."""
    added: int = 0
    """Of those, new to the event store."""
    duplicates: int = 0
    """Of those, known already; after a killed import also the last batch before the kill."""
    skipped: Mapping[SkipReason, int] = Field(default_factory=dict)
    examples: tuple[SkippedRow, ...] = ()
    """The first skipped rows."""
    bytes_read: int = 0
    bytes_total: int = 0
    resumed_at: int | None = None
    """Byte at which an earlier, interrupted import was taken up; None when it began anew."""
    complete: bool = True
    warning: str = ""
    """Why the file could not be read to its end; what came before was imported."""
    elapsed: timedelta = timedelta(0)

    @property
    def skipped_total(self) -> int:
        """How many rows were skipped."""
        return sum(self.skipped.values())


class Progress(Frozen):
    """How far an import is."""

    bytes_read: int
    bytes_total: int
    read: int
    added: int
    skipped: int


@runtime_checkable
class _Appended(Protocol):
    @property
    def new(self) -> int: ...
    @property
    def duplicates(self) -> int: ...


class _State(Frozen):
    """What is kept on disk between runs."""

    version: int = 1
    key: str
    size: int
    head: str
    tail: str
    """Digest of the bytes before the position: an edited file is read anew."""
    position: Position
    result: ImportResult


class ImportJob:
    """One import of one file into one community; may be killed and run again.

    After each batch that `append` stored, the position is written durably. A run after a kill goes on there; the
    batch that perhaps was stored just before the kill is handed over again, with the same ids, so that the event
    store recognises it. A finished import forgets its position: importing again reads all and adds nothing.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        importer: Importer,
        name: str,
        community: str,
        append: Append,
        state_dir: str | Path | None,
        options: ImportOptions | None = None,
        clock: Clock | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Import `source`.

        Args:
            source: the file.
            importer: reads it.
            name: the importer's name, for the result and the position's file.
            community: where its interactions belong.
            append: stores a batch durably.
            state_dir: directory for the position; None keeps none, so that a killed import begins anew.
            options: how to read.
            clock: against which "in the future" is judged.
            on_progress: called after each batch, in the event loop.
        """
        self._source = Path(source)
        self._importer = importer
        self._name = name
        self._community = community
        self._append = append
        self._clock = clock or SystemClock()
        given = options or ImportOptions()
        self._key = self._make_key(given)
        self._options = (
            given if given.now is not None else given.model_copy(update={"now": self._clock.now()})
        )
        self._state_file = None if state_dir is None else Path(state_dir) / f"import-{self._key[:24]}.json"
        self._on_progress = on_progress

    def _make_key(self, options: ImportOptions) -> str:
        fields = options.model_dump_json(exclude={"now", "batch_rows"})
        parts = (str(self._source.absolute()), self._name, self._community, fields)
        return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    async def run(self) -> ImportResult:
        """Import the file, from where an earlier run was interrupted.

        Raises:
            InvalidInput: the file cannot be read or is not of this format; what was handed over before stays.
            StoreError: the event store cannot take a batch; run again to go on.
        """
        began = time.perf_counter()
        total = await anyio.to_thread.run_sync(self._size)
        state = await anyio.to_thread.run_sync(self._load)
        result = ImportResult(
            importer=self._name, source=self._source.name, community=self._community, bytes_total=total
        )
        resume: Position | None = None
        if state is not None:
            resume = state.position
            result = state.result.model_copy(update={"bytes_total": total, "resumed_at": resume.offset})
        self._report(result)
        chunks = self._importer.read(self._source, options=self._options, resume=resume)
        reader = ThreadPoolExecutor(1, thread_name_prefix="import")
        try:
            # The next chunk is read while the event store takes this one.
            coming = reader.submit(next, chunks, None)
            while (chunk := await anyio.to_thread.run_sync(coming.result)) is not None:
                coming = reader.submit(next, chunks, None)
                stored = await self._append(chunk.batch, self._community) if len(chunk.batch) else None
                result = _added(result, chunk, stored)
                await anyio.to_thread.run_sync(self._save, chunk.position, result)
                self._report(result)
        finally:
            reader.submit(_close, chunks)
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(reader.shutdown)
        await anyio.to_thread.run_sync(self._forget)
        elapsed = timedelta(seconds=time.perf_counter() - began)
        return result.model_copy(update={"elapsed": elapsed, "complete": not result.warning})

    def _report(self, result: ImportResult) -> None:
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    bytes_read=result.bytes_read,
                    bytes_total=result.bytes_total,
                    read=result.read,
                    added=result.added,
                    skipped=result.skipped_total,
                )
            )

    # -- on disk

    def _size(self) -> int:
        try:
            if not self._source.is_file():
                what = "is a directory" if self._source.is_dir() else "is not there"
                raise InvalidInput(
                    f"{self._source.name} {what}: name a file to import", source=self._source.name
                )
            return self._source.stat().st_size
        except (OSError, ValueError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(
                f"{self._source.name} cannot be read: {error}", source=self._source.name
            ) from error

    def _digests(self, offset: int) -> tuple[str, str]:
        with self._source.open("rb") as file:
            head = file.read(min(_HEAD, offset))
            file.seek(max(0, offset - _TAIL))
            tail = file.read(min(_TAIL, offset))
        return hashlib.sha256(head).hexdigest(), hashlib.sha256(tail).hexdigest()

    def _load(self) -> _State | None:
        if self._state_file is None:
            return None
        try:
            state = _State.model_validate_json(self._state_file.read_bytes())
        except (OSError, ValidationError):
            return None  # none, or not ours: ids make beginning anew harmless
        offset = state.position.offset
        if (
            state.key != self._key
            or state.version != 1
            or self._source.stat().st_size < max(offset, state.size)
        ):
            return None
        return state if (state.head, state.tail) == self._digests(offset) else None

    def _save(self, position: Position, result: ImportResult) -> None:
        if self._state_file is None:
            return
        head, tail = self._digests(position.offset)
        state = _State(
            key=self._key, size=result.bytes_total, head=head, tail=tail, position=position, result=result
        )
        fresh = self._state_file.with_suffix(".new")
        try:
            self._state_file.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(state.model_dump_json().encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._state_file)
        except OSError as error:
            kind = StoreFull if error.errno == 28 else StoreError
            raise kind(
                f"the import's position cannot be saved: {error.strerror}; run it again to go on"
            ) from error

    def _forget(self) -> None:
        if self._state_file is not None:
            with contextlib.suppress(FileNotFoundError):
                self._state_file.unlink()


def _close(chunks: Iterator[Chunk]) -> None:
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def _added(result: ImportResult, chunk: Chunk, stored: object) -> ImportResult:
    many = len(chunk.batch)
    new, duplicates = (stored.new, stored.duplicates) if isinstance(stored, _Appended) else (many, 0)
    skipped: dict[SkipReason, int] = dict(result.skipped)
    for reason, count in chunk.skips.counts.items():
        skipped[SkipReason(reason)] = skipped.get(SkipReason(reason), 0) + count
    examples = result.examples
    if len(examples) < _EXAMPLES:
        more = (
            SkippedRow(line=one.line, reason=one.reason, detail=one.detail) for one in chunk.skips.examples
        )
        examples = (*examples, *more)[:_EXAMPLES]
    return result.model_copy(
        update={
            "read": result.read + chunk.read,
            "interactions": result.interactions + many,
            "added": result.added + new,
            "duplicates": result.duplicates + duplicates,
            "skipped": skipped,
            "examples": examples,
            "bytes_read": min(chunk.position.offset, result.bytes_total),
            "warning": chunk.warning,
        }
    )


async def import_file(
    source: str | Path,
    *,
    community: str,
    append: Append,
    importer: str | None = None,
    options: ImportOptions | None = None,
    importers: Importers | None = None,
    state_dir: str | Path | None = None,
    clock: Clock | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> ImportResult:
    """Import a history file into a community.

    Args:
        source: the file.
        community: where its interactions belong.
        append: `async (batch, community)`, stores a batch durably and knows repeated ids.
        importer: `edges`, `csv`, `parquet`, `telegram`, `discord`, `whatsapp` or a plugin's; None looks at the file.
        options: how to read it.
        importers: built-in and plugins' importers; None is the built-in ones.
        state_dir: where the position of an interrupted import is kept; None keeps none.
        clock: against which "in the future" is judged.
        on_progress: called after each batch.

    Raises:
        InvalidInput: the file cannot be read or is not of the format.
        UnknownName: no such importer.
        StoreError: the event store cannot take a batch; call again to go on.
    """
    known = importers or Importers()
    path = Path(source)
    name = importer or await anyio.to_thread.run_sync(partial(known.detect, path))
    job = ImportJob(
        path,
        importer=known.create(name),
        name=name,
        community=community,
        append=append,
        state_dir=state_dir,
        options=options,
        clock=clock,
        on_progress=on_progress,
    )
    return await job.run()
