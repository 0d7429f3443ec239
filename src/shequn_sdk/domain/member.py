"""Members: people, and the identities under which platforms know them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, Field, JsonValue

from shequn_sdk.domain._base import Frozen, Identifier, Name, new_id
from shequn_sdk.domain.community import Role
from shequn_sdk.domain.refs import MemberRef

__all__ = ["Identity", "Member", "Membership"]


class Identity(Frozen):
    """A person on one platform (身份)."""

    ref: MemberRef
    display_name: str = ""
    username: str = ""
    is_bot: bool = False
    language: str = ""
    attrs: Mapping[str, JsonValue] = Field(default_factory=dict)


class Membership(Frozen):
    """An identity in one channel, as the platform tells it."""

    identity: Identity
    role: Role = Role.MEMBER
    joined_at: AwareDatetime | None = None
    """None when the platform does not say."""
    until: AwareDatetime | None = None
    """End of a paid membership, a restriction or a ban."""
    title: str = ""
    roles: tuple[Identifier, ...] = ()
    """Native ids of the platform's own roles."""


class Member(Frozen):
    """A person across platforms (成员)."""

    id: Identifier = Field(default_factory=new_id)
    name: str = ""
    identities: tuple[Identity, ...] = ()
    tags: frozenset[Name] = frozenset()
    birthday: date | None = None
    fields: Mapping[Annotated[str, Field(max_length=64)], JsonValue] = Field(default_factory=dict)
    joined_at: AwareDatetime | None = None
    left_at: AwareDatetime | None = None
    role: Role = Role.MEMBER
