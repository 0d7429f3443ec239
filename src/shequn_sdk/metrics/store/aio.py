"""The event store for async code: each call runs in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from shequn_sdk.domain import InteractionBatch, MemberRef
from shequn_sdk.errors import NotSupported
from shequn_sdk.metrics.store.base import (
    Appended,
    CommunityInfo,
    EventStore,
    Forgotten,
    MemberFacts,
    Session,
    TextKeeper,
    Unlinking,
)

__all__ = ["AsyncEventStore"]

T = TypeVar("T")


class AsyncEventStore:
    """The methods of an `EventStore`, awaited; one call at a time, in the order in which they were made."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self._limiter = anyio.CapacityLimiter(1)

    async def _run(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    async def ensure_community(self, name: str, *, zone: str = "Asia/Shanghai") -> CommunityInfo:
        """Make sure that the community is known."""
        return await self._run(partial(self.store.ensure_community, name, zone=zone))

    async def communities(self) -> Sequence[CommunityInfo]:
        """List the communities, oldest first."""
        return await self._run(self.store.communities)

    async def append(self, batch: InteractionBatch, *, community: str) -> Appended:
        """Store a batch whole or not at all; when it returns, the batch survives a crash."""
        return await self._run(partial(self.store.append, batch, community=community))

    async def set_members(self, facts: Sequence[MemberFacts], *, community: str) -> None:
        """Note roles, tags and other facts of members."""
        await self._run(partial(self.store.set_members, facts, community=community))

    async def link_persons(self, refs: Sequence[MemberRef]) -> None:
        """Count these identities as one person."""
        await self._run(partial(self.store.link_persons, refs))

    async def unlink_person(self, ref: MemberRef) -> None:
        """Count this identity as a person of its own again.

        Raises:
            NotSupported: this event store cannot take a link back.
        """
        if not isinstance(self.store, Unlinking):
            raise NotSupported(f"{type(self.store).__name__} cannot take persons apart again")
        await self._run(partial(self.store.unlink_person, ref))

    async def drop_texts(self, *, before: datetime) -> int:
        """Empty texts of events before an instant, in archives as well; give how many.

        Raises:
            NotSupported: this event store keeps none that it could let go.
        """
        if not isinstance(self.store, TextKeeper):
            raise NotSupported(f"{type(self.store).__name__} cannot let go of texts")
        return await self._run(partial(self.store.drop_texts, before=before))

    async def forget(self, ref: MemberRef) -> Forgotten:
        """Erase a member from events, roll-ups and archives."""
        return await self._run(partial(self.store.forget, ref))

    async def query(self, work: Callable[[Session], T], *, purpose: str = "read") -> T:
        """Run `work` with a session in the store's thread."""

        def run() -> T:
            with self.store.read(purpose=purpose) as session:
                return work(session)

        return await self._run(run)

    async def data_as_of(self, *, community: str | None = None) -> datetime | None:
        """Give the time of the newest event; None when there is none."""
        return await self._run(partial(self.store.data_as_of, community=community))

    async def export_community(self, name: str, path: Path) -> int:
        """Write a community into one portable file; give the number of events."""
        return await self._run(partial(self.store.export_community, name, path))

    async def import_community(self, path: Path, *, name: str | None = None) -> Appended:
        """Read a file of `export_community`."""
        return await self._run(partial(self.store.import_community, path, name=name))

    async def archive(self, *, before: date) -> int:
        """Move whole months that ended before `before` to Parquet files."""
        return await self._run(partial(self.store.archive, before=before))

    async def aclose(self) -> None:
        """Let the file go."""
        await self._run(self.store.close)
