"""How channels, members and messages are named across platforms."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import model_serializer, model_validator

from shequn_sdk.domain._base import Frozen, Identifier, Name
from shequn_sdk.errors import InvalidInput

__all__ = ["ChannelRef", "MemberRef"]

_ACCOUNT = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")


class ChannelRef(Frozen):
    """A place on a platform as people write it: `account:native-id` (渠道).

    >>> ChannelRef.parse("health_bot:-100123").native_id
    '-100123'
    >>> str(ChannelRef(account="club", native_id="42"))
    'club:42'
    """

    account: Name
    """Name of the account in the settings."""
    native_id: Identifier
    """The platform's own id, as text; it may itself contain colons."""

    @classmethod
    def parse(cls, text: str | ChannelRef) -> ChannelRef:
        """Read `account:native-id`.

        Raises:
            InvalidInput: the text has no colon, or one of its halves is empty or malformed.
        """
        if isinstance(text, ChannelRef):
            return text
        account, colon, native = text.partition(":")
        if not colon or not native.strip() or not _ACCOUNT.match(account):
            raise InvalidInput(
                f"{text!r} is no channel: write account:native-id, for example health_bot:-100123"
            )
        return cls(account=account, native_id=native.strip())

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            account, _, native = value.partition(":")
            return {"account": account, "native_id": native}
        return value

    @model_serializer
    def _to_text(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.account}:{self.native_id}"


class MemberRef(Frozen):
    """A person on one platform: `platform:native-id`."""

    platform: Name
    native_id: Identifier

    @classmethod
    def parse(cls, text: str | MemberRef) -> Self | MemberRef:
        """Read `platform:native-id`.

        Raises:
            InvalidInput: the text has no colon, or one of its halves is empty or malformed.
        """
        if isinstance(text, MemberRef):
            return text
        platform, colon, native = text.partition(":")
        if not colon or not native.strip() or not _ACCOUNT.match(platform):
            raise InvalidInput(f"{text!r} is no member: write platform:native-id, for example telegram:55")
        return cls(platform=platform, native_id=native.strip())

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            platform, _, native = value.partition(":")
            return {"platform": platform, "native_id": native}
        return value

    @model_serializer
    def _to_text(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.platform}:{self.native_id}"
