"""Communities, their channels and the accounts that reach them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, JsonValue, SecretStr, model_validator

from shequn_sdk.domain._base import Frozen, Identifier, Name
from shequn_sdk.domain.refs import ChannelRef

__all__ = [
    "Account",
    "Channel",
    "ChannelKind",
    "Community",
    "CommunityKind",
    "LifecycleDays",
    "Role",
    "ZoneName",
]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone, for example Asia/Shanghai") from error
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""Name of an IANA time zone that this machine knows."""


class CommunityKind(StrEnum):
    """What a community is for; the handbooks run each kind differently."""

    FUNNEL = "funnel"
    """引流群: open to all, light touch."""
    NEWCOMER = "newcomer"
    """新用户群: first experience, builds trust."""
    TRAINING_CAMP = "training_camp"
    """训练营群: taught along a calendar, ends."""
    INTEREST = "interest"
    """兴趣群."""
    BRAND = "brand"
    """品牌群."""
    CORE = "core"
    """核心群."""
    PAID = "paid"
    """付费群."""
    RELATION = "relation"
    """Alumni, colleagues: 关系群."""


class ChannelKind(StrEnum):
    """What kind of place a channel is."""

    GROUP = "group"
    BROADCAST = "broadcast"
    FORUM = "forum"
    THREAD = "thread"
    TIMELINE = "timeline"
    DIRECT = "direct"
    ROBOT = "robot"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What a member is in a community; ordered from most to least."""

    OWNER = "owner"
    """群主."""
    ADMIN = "admin"
    """管理员."""
    MODERATOR = "moderator"
    KOL = "kol"
    """Opinion leader 意见领袖."""
    MEMBER = "member"
    RESTRICTED = "restricted"
    LEFT = "left"
    BANNED = "banned"


class Account(Frozen):
    """Credentials on a platform, named in the settings (账号)."""

    name: Name
    platform: Name
    base_url: str | None = None
    """Where the platform's API is; None is the real platform. The sandbox sets it."""
    secrets: Mapping[str, SecretStr] = Field(default_factory=dict)
    """Tokens, keys and passwords; never shown."""
    options: Mapping[str, JsonValue] = Field(default_factory=dict)
    """What else the platform's plugin takes; validated by the plugin."""

    def secret(self, key: str) -> str:
        """Give one secret in the clear, "" when it is not set."""
        value = self.secrets.get(key)
        return value.get_secret_value() if value is not None else ""


class Channel(Frozen):
    """A place on a platform where content lands or members talk (渠道)."""

    ref: ChannelRef
    platform: Name
    title: str = ""
    kind: ChannelKind = ChannelKind.UNKNOWN
    description: str = ""
    parent_id: Identifier | None = None
    """Native id of the guild, corporation or forum that holds it."""
    username: str = ""
    member_count: int | None = None
    """As the platform says; None when it does not."""
    attrs: Mapping[str, JsonValue] = Field(default_factory=dict)


class LifecycleDays(Frozen):
    """After how many local days a member's stage changes; those of the metric `members.lifecycle`."""

    new_days: int = Field(default=7, ge=1, le=3650)
    """First known in the last so many days: new."""
    active_days: int = Field(default=14, ge=1, le=3650)
    """Acted in the last so many days: active."""
    churned_days: int = Field(default=56, ge=1, le=3650)
    """Silent for longer: churned, like those who left."""

    @model_validator(mode="after")
    def _in_order(self) -> LifecycleDays:
        if self.churned_days < self.active_days:
            raise ValueError("churned_days must not be less than active_days")
        return self


class Community(Frozen):
    """A community over its channels (社群)."""

    name: Name
    title: str = ""
    kind: CommunityKind = CommunityKind.INTEREST
    positioning: str = ""
    """What it stands for, in one or two sentences (定位)."""
    audience: str = ""
    """For whom it is (目标人群)."""
    zone: ZoneName = "Asia/Shanghai"
    """Local days, hours and calendars are of this IANA zone."""
    language: str = "zh-CN"
    channels: tuple[ChannelRef, ...] = ()
    rules: tuple[str, ...] = ()
    """Rules that members see (群规)."""
    lifecycle: LifecycleDays = LifecycleDays()
    """When its members count as new, active, silent or churned."""
