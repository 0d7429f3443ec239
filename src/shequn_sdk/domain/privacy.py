"""What the settings say about personal data: `[privacy]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from shequn_sdk.domain._base import Frozen

__all__ = ["PrivacySettings"]


class PrivacySettings(Frozen):
    """How much of members is kept, for how long, and under which key (隐私)."""

    store_text: Literal["none", "hash", "full"] = "none"
    """What the event store keeps of the words of members: nothing, a digest by which equal texts can be found, or the
    text, which rules can then be tried on."""
    raw_days: int = Field(default=30, ge=1)
    """Raw events of platforms are dropped from the inbox after so many days, once everything has seen them."""
    text_days: int | None = Field(default=None, ge=1)
    """Kept texts are emptied after so many days; None keeps them as long as their events."""
    inactive_days: int | None = Field(default=None, ge=30)
    """Members who left or fell silent so many days ago are erased; None erases nobody by itself."""
    contact_key: SecretStr = SecretStr("")
    """Seals phone numbers and addresses: `id:base64` of 32 bytes; older keys for reading follow after commas."""
