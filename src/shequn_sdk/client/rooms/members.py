"""The blocking twin of `members`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.members import proofs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime, timedelta

    from anyio.from_thread import BlockingPortal
    from pydantic import JsonValue

    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.members import consents
    from shequn_sdk.members.fields import FieldSpec
    from shequn_sdk.members.members import Members as AsyncMembers
    from shequn_sdk.members.models import (
        Birthday,
        DirectoryImport,
        Erased,
        MemberCount,
        MemberInfo,
        PersonChange,
        Proof,
        Purpose,
        Suggestion,
        Swept,
    )

__all__ = ["Members"]


class Members(Twin):
    """The blocking twin of `shequn_sdk.members.members.Members`."""

    def __init__(self, inner: AsyncMembers, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def person_of(self, member: MemberRef | str) -> int:
        """See `Members.person_of`."""
        return self._do(self._inner.person_of, member)

    def get(self, member: MemberRef | str, *, contacts: bool = False) -> MemberInfo:
        """See `Members.get`."""
        return self._do(self._inner.get, member, contacts=contacts)

    def find(self, text: str, *, limit: int = 20) -> Sequence[MemberInfo]:
        """See `Members.find`."""
        return self._do(self._inner.find, text, limit=limit)

    def merge(
        self, a: MemberRef | str, b: MemberRef | str, *, reason: str, actor: str, score: float | None = None
    ) -> PersonChange | None:
        """See `Members.merge`."""
        return self._do(self._inner.merge, a, b, reason=reason, actor=actor, score=score)

    def unmerge(self, change: int, *, reason: str, actor: str) -> PersonChange:
        """See `Members.unmerge`."""
        return self._do(self._inner.unmerge, change, reason=reason, actor=actor)

    def history(self, member: MemberRef | str, *, limit: int = 100) -> Sequence[PersonChange]:
        """See `Members.history`."""
        return self._do(self._inner.history, member, limit=limit)

    def suggest_merges(self, *, minimum: float = 0.5, limit: int = 100) -> Sequence[Suggestion]:
        """See `Members.suggest_merges`."""
        return self._do(self._inner.suggest_merges, minimum=minimum, limit=limit)

    def part(self, a: MemberRef | str, b: MemberRef | str, *, actor: str) -> None:
        """See `Members.part`."""
        self._do(self._inner.part, a, b, actor=actor)

    def start_proof(self, member: MemberRef | str, *, life: timedelta = proofs.LIFE) -> Proof:
        """See `Members.start_proof`."""
        return self._do(self._inner.start_proof, member, life=life)

    def declare_field(self, spec: FieldSpec) -> None:
        """See `Members.declare_field`."""
        self._do(self._inner.declare_field, spec)

    def list_fields(self) -> Sequence[FieldSpec]:
        """See `Members.list_fields`."""
        return self._do(self._inner.list_fields)

    def set_fields(self, member: MemberRef | str, values: Mapping[str, JsonValue | date]) -> None:
        """See `Members.set_fields`."""
        self._do(self._inner.set_fields, member, values)

    def set_birthday(self, member: MemberRef | str, birthday: Birthday | None) -> None:
        """See `Members.set_birthday`."""
        self._do(self._inner.set_birthday, member, birthday)

    def tag(
        self,
        member: MemberRef | str,
        *tags: str,
        community: str | None = None,
        actor: str,
        on_platform: Mapping[str, str] | None = None,
    ) -> Sequence[str]:
        """See `Members.tag`."""
        return self._do(
            self._inner.tag, member, *tags, community=community, actor=actor, on_platform=on_platform
        )

    def untag(
        self,
        member: MemberRef | str,
        *tags: str,
        community: str | None = None,
        actor: str,
        on_platform: Mapping[str, str] | None = None,
    ) -> Sequence[str]:
        """See `Members.untag`."""
        return self._do(
            self._inner.untag, member, *tags, community=community, actor=actor, on_platform=on_platform
        )

    def set_consent(
        self,
        member: MemberRef | str,
        purpose: Purpose | str,
        *,
        allowed: bool,
        until: datetime | None = None,
        source: str,
        community: str | None = None,
    ) -> None:
        """See `Members.set_consent`."""
        self._do(
            self._inner.set_consent,
            member,
            purpose,
            allowed=allowed,
            until=until,
            source=source,
            community=community,
        )

    def may_contact(
        self, member: MemberRef | str, purpose: Purpose | str, *, community: str | None = None
    ) -> consents.Permission:
        """See `Members.may_contact`."""
        return self._do(self._inner.may_contact, member, purpose, community=community)

    def explain_count(self, channel: ChannelRef | str) -> MemberCount:
        """See `Members.explain_count`."""
        return self._do(self._inner.explain_count, channel)

    def import_directory(
        self, channel: ChannelRef | str, *, progress: Callable[[int], None] | None = None
    ) -> DirectoryImport:
        """See `Members.import_directory`."""
        return self._do(self._inner.import_directory, channel, progress=progress)

    def export(self, member: MemberRef | str) -> dict[str, JsonValue]:
        """See `Members.export`."""
        return self._do(self._inner.export, member)

    def erase(self, member: MemberRef | str, *, actor: str) -> Erased:
        """See `Members.erase`."""
        return self._do(self._inner.erase, member, actor=actor)

    def sweep(self) -> Swept:
        """See `Members.sweep`."""
        return self._do(self._inner.sweep)

    def rotate_key(self) -> int:
        """See `Members.rotate_key`."""
        return self._do(self._inner.rotate_key)
