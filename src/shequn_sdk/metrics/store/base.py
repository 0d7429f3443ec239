"""What an event store offers, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import AwareDatetime

from shequn_sdk.domain import Frozen, InteractionBatch, MemberRef, Name, Role, ZoneName

__all__ = [
    "Appended",
    "CommunityInfo",
    "EventStore",
    "Forgotten",
    "MemberFacts",
    "Session",
    "StoreHolder",
    "TextKeeper",
    "Unlinking",
]


class Appended(Frozen):
    """What became of one batch."""

    new: int
    duplicates: int
    """Rows that the store, or the batch itself, already had."""
    late: int
    """New rows that happened more than a day before they arrived."""
    erased: int = 0
    """Rows that were not stored because their member was erased after they happened."""

    def __add__(self, other: Appended) -> Appended:
        return Appended(
            erased=self.erased + other.erased,
            new=self.new + other.new,
            duplicates=self.duplicates + other.duplicates,
            late=self.late + other.late,
        )


class CommunityInfo(Frozen):
    """A community as the event store knows it."""

    number: int
    name: Name
    zone: ZoneName


class MemberFacts(Frozen):
    """What is known of a member beyond what the log shows; None leaves a fact as it is."""

    ref: MemberRef
    role: Role | None = None
    tags: frozenset[str] | None = None
    joined_at: AwareDatetime | None = None
    left_at: AwareDatetime | None = None
    entrance: str | None = None
    is_bot: bool | None = None


class Forgotten(Frozen):
    """What an erasure removed."""

    events: int
    """Events that the member had done."""
    mentions: int
    """Events of others that had pointed at the member, kept without the pointer."""
    archives: int
    """Archive files that were rewritten."""


class Session(Protocol):
    """One turn on the store, for reading."""

    dialect: str
    """Name of the engine as SQLGlot spells it."""

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run one query; give the column names and all rows."""
        ...

    def arrow(self, sql: str, parameters: Mapping[str, object] | None = None) -> Any:
        """Run one query; give a `pyarrow.Table`."""
        ...


@runtime_checkable
class EventStore(Protocol):
    """Keeps interactions (事件库); blocking, safe to use from several threads.

    Each event is identified by its platform, native id, kind and actor: appending it again changes nothing.
    """

    def ensure_community(self, name: str, *, zone: str = "Asia/Shanghai") -> CommunityInfo:
        """Make sure that the community is known; its zone decides what a local day is and stays as it is."""
        ...

    def communities(self) -> Sequence[CommunityInfo]:
        """List the communities, oldest first."""
        ...

    def append(self, batch: InteractionBatch, *, community: str) -> Appended:
        """Store a batch whole or not at all; when it returns, the batch survives a crash."""
        ...

    def set_members(self, facts: Sequence[MemberFacts], *, community: str) -> None:
        """Note roles, tags and other facts of members."""
        ...

    def link_persons(self, refs: Sequence[MemberRef]) -> None:
        """Count these identities as one person from now on, in the past as well."""
        ...

    def forget(self, ref: MemberRef) -> Forgotten:
        """Erase a member from events, roll-ups and archives."""
        ...

    def read(self, *, purpose: str = "read") -> AbstractContextManager[Session]:
        """Take a turn for reading; roll-ups are fresh."""
        ...

    def data_as_of(self, *, community: str | None = None) -> datetime | None:
        """Give the time of the newest event; None when there is none."""
        ...

    def export_community(self, name: str, path: Path) -> int:
        """Write a community into one portable file; give the number of events."""
        ...

    def import_community(self, path: Path, *, name: str | None = None) -> Appended:
        """Read a file of `export_community`, perhaps under another name; what is there already is left out."""
        ...

    def archive(self, *, before: date) -> int:
        """Move whole months that ended before `before` to Parquet files; queries go on seeing them."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


@runtime_checkable
class Unlinking(Protocol):
    """An event store that can take `link_persons` back."""

    def unlink_person(self, ref: MemberRef) -> None:
        """Count this identity as a person of its own again."""
        ...


@runtime_checkable
class TextKeeper(Protocol):
    """An event store that can let go of the texts which the settings made it keep."""

    def drop_texts(self, *, before: datetime) -> int:
        """Empty texts of events before an instant, in archives as well; give how many."""
        ...


class StoreHolder(Protocol):
    """What holds a blocking store: `AsyncEventStore`."""

    store: EventStore
