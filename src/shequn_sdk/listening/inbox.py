"""The inbox: every raw event is stored durably before it is acknowledged or looked at.

One SQLite file in WAL mode. Several processes may append; each consumer reads in order and keeps its own position.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread

from shequn_sdk.domain import Clock, Interaction, MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.listening.inbox_file import (
    Added,
    ConsumerPosition,
    DeadLetter,
    Failure,
    InboxFile,
    InboxStats,
    StoredEvent,
)
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.scheduling.clock import SystemClock

__all__ = ["Added", "ConsumerPosition", "DeadLetter", "Failure", "Inbox", "InboxStats", "StoredEvent"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


_PAGE = 500
_LONG = 6


def _mine(
    events: Sequence[StoredEvent],
    members: set[tuple[str, str]],
    read: Callable[[StoredEvent], Iterable[Interaction]] | None,
    passed: int | None,
) -> list[int]:
    """Give the places of the events that are of these members, or speak of them and were seen by all."""
    tokens = [
        re.escape(native.encode("utf-8", "surrogatepass")) for _, native in members if len(native) >= _LONG
    ]
    spoken = re.compile(rb"(?<![\w-])(?:" + b"|".join(tokens) + rb")(?![\w-])") if tokens else None
    found: list[int] = []
    for place, event in enumerate(events):
        done: set[tuple[str, str]] = set()
        aimed: set[tuple[str, str]] = set()
        readable = read is not None
        if read is not None:
            try:
                for one in read(event):
                    done.add((one.platform, one.member))
                    aimed.add((one.platform, one.target))
            except Exception:  # noqa: BLE001 - what cannot be read is searched as it is
                readable = False
        seen = passed is None or event.seq <= passed or not readable
        if not members.isdisjoint(done) or (
            seen and (not members.isdisjoint(aimed) or (spoken is not None and spoken.search(event.payload)))
        ):
            found.append(place)
    return found


class Inbox:
    """The durable queue between platforms and everything that listens (收件箱). An async context manager.

    Events are recognised by (account, event id) for as long as they are kept (`prune`), so a redelivery is stored
    once. What `add` has returned for survives a killed process and a power cut.
    """

    def __init__(self, file: InboxFile, *, on: Literal["threads", "loop"] = "threads") -> None:
        """Use `Inbox.open`."""
        self._file = file
        self._here = on == "loop"
        # one connection: more threads would only wait for each other
        self._limiter = anyio.CapacityLimiter(1)
        self._bell: anyio.Event | None = None

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        clock: Clock | None = None,
        max_payload: int = 1 << 20,
        max_bytes: int = 4 << 30,
        busy_timeout: float = 10.0,
        sync: Literal["full", "normal"] = "full",
        on: Literal["threads", "loop"] = "threads",
    ) -> Self:
        """Open or create the inbox at `path`.

        Args:
            path: the file; its directory must exist.
            clock: source of the time of receipt.
            max_payload: largest event in bytes; larger ones become dead letters.
            max_bytes: largest size of the file; a fuller inbox raises `StoreFull`.
            busy_timeout: seconds to wait for another process's transaction before `StoreBusy`.
            sync: with `normal` what was added survives the end of the process, but the last of it not a power cut.
            on: where the file is used; see `Store.open`.

        Raises:
            StoreDamaged: the file is damaged or no inbox.
            StoreTooNew: a newer version wrote it.
            StoreBusy: another process held it for too long.
        """
        file = await anyio.to_thread.run_sync(
            functools.partial(
                InboxFile,
                Path(path),
                clock=clock or SystemClock(),
                max_payload=max_payload,
                max_bytes=max_bytes,
                busy_timeout=busy_timeout,
                sync=sync,
            )
        )
        return cls(file, on=on)

    async def __aenter__(self) -> Self:
        """Give itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the file."""
        with anyio.CancelScope(shield=True):
            await self._run(self._file.close)

    async def _run(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if self._here:
            return call(*args, **kwargs)
        return await anyio.to_thread.run_sync(functools.partial(call, *args, **kwargs), limiter=self._limiter)

    async def add(self, account: str, events: Sequence[RawEvent], *, cursor: str | None = None) -> Added:
        """Store events together with the source's cursor, in one durable transaction.

        Raises:
            StoreFull: nothing was stored, the cursor is as before.
            StoreBusy: another process holds the file.
            InvalidInput: an event has no id.
        """
        if any(not event.event_id for event in events):
            raise InvalidInput(f"an event of account {account!r} has no id: its adapter must give one")
        added = await self._run(self._file.add, account, events, cursor)
        if added.new and self._bell is not None:
            bell, self._bell = self._bell, None
            bell.set()
        return added

    async def cursor(self, account: str) -> str | None:
        """Give the cursor stored with the last batch of a source, None before the first."""
        return await self._run(self._file.cursor, account)

    async def register(self, consumer: str) -> int:
        """Make a consumer known, so that nothing is pruned before it has seen it; gives its position."""
        return await self._run(self._file.register, consumer)

    async def read(self, consumer: str, *, limit: int = 500, max_bytes: int = 8 << 20) -> list[StoredEvent]:
        """Give the next events for a consumer, in order, without moving its position."""
        return await self._run(self._file.read, consumer, limit, max_bytes)

    async def advance(
        self,
        consumer: str,
        seq: int,
        *,
        after: int | None = None,
        failures: Sequence[Failure] = (),
        unknown: Mapping[tuple[str, str], int] | None = None,
        moved: Sequence[tuple[str, str, str]] = (),
    ) -> None:
        """Record durably that a consumer is done with all events up to `seq`.

        Args:
            consumer: name of the consumer.
            seq: sequence number of the last event done.
            after: highest position at which the consumer may stand now; guards against a second drainer.
            failures: dead letters to record in the same transaction.
            unknown: counts of unknown event types by (account, type).
            moved: channels that got another id, as (account, old, new).

        Raises:
            StoreBusy: another process has moved the position meanwhile.
        """
        await self._run(self._file.advance, consumer, seq, after, failures, unknown or {}, moved)

    async def bury(self, failures: Sequence[Failure]) -> None:
        """Record failures without moving a position; a known one counts another attempt."""
        await self._run(self._file.bury, failures)

    async def list_dead(self, *, limit: int = 1000) -> list[DeadLetter]:
        """Give dead letters, oldest first."""
        return await self._run(self._file.dead, None, limit)

    async def get_dead(self, letter: int) -> DeadLetter:
        """Give one dead letter.

        Raises:
            UnknownName: there is none with that id.
        """
        found = await self._run(self._file.dead, [letter], 1)
        if not found:
            raise UnknownName("dead letter", str(letter))
        return found[0]

    async def drop_dead(self, letters: Iterable[int]) -> None:
        """Forget dead letters: they were handled, or nobody wants them."""
        await self._run(self._file.revive, list(letters))

    async def list_moved(self) -> list[tuple[str, str, str]]:
        """Give channels that got another id, as (account, old, new)."""
        return await self._run(self._file.moves)

    async def prune(
        self, *, keep: timedelta = timedelta(days=7), keep_dead: timedelta = timedelta(days=90)
    ) -> int:
        """Delete events that every consumer has passed and that are older than `keep`; gives how many.

        A redelivery after that time is taken for a new event, so `keep` must exceed the platform's redelivery time.
        Dead letters whose last attempt is older than `keep_dead` go as well: raw events are personal data.
        """
        return await self._run(self._file.prune, keep, keep_dead)

    async def forget(
        self,
        refs: Iterable[MemberRef],
        *,
        accounts: Mapping[str, str] | None = None,
        read: Callable[[StoredEvent], Iterable[Interaction]] | None = None,
    ) -> int:
        """Blank the raw events of members and drop their dead letters; gives how many there were.

        An event goes when the member did it. One that only speaks of the member (an answer to it, a mention) goes when
        every consumer has seen it; until then others still need it. It is found by what `read` says, and by the native
        id standing in the payload, for ids of at least six characters: shorter ones stand for anything.

        Args:
            refs: the members.
            accounts: each account's platform; an account that is not named is searched for all ids.
            read: gives what an event tells; the adapter's `parse`. What it raises counts as unreadable.
        """
        wanted = {(ref.platform, ref.native_id) for ref in refs}
        passed = await self._run(self._file.passed)
        count = 0
        for account in await self._run(self._file.accounts):
            platform = (accounts or {}).get(account)
            members = {one for one in wanted if platform is None or one[0] == platform}
            if not members:
                continue
            after = 0
            while events := await self._run(self._file.page, account, after, _PAGE):
                after = events[-1].seq
                found = await anyio.to_thread.run_sync(_mine, events, members, read, passed)
                await self._run(self._file.blank, [events[place].seq for place in found], ())
                count += len(found)
            letters = await self._run(self._file.dead_of, account)
            found = await anyio.to_thread.run_sync(
                _mine, [letter.event for letter in letters], members, read, None
            )
            dead = [letters[place].id for place in found]
            await self._run(self._file.blank, (), dead)
            count += len(dead)
        await self._run(self._file.settle)
        return count

    async def stats(self) -> InboxStats:
        """Give sizes, positions and counts."""
        return await self._run(self._file.stats)

    async def wait(self, seconds: float) -> None:
        """Return when this process has added something, or after `seconds` (others cannot ring the bell)."""
        bell = self._bell
        if bell is None:
            bell = self._bell = anyio.Event()
        with anyio.move_on_after(seconds):
            await bell.wait()
