"""Interactions: one thing a member did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field, JsonValue

from shequn_sdk.domain._base import Frozen

__all__ = ["Interaction", "InteractionBatch", "InteractionKind"]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InteractionKind(StrEnum):
    """What a member did."""

    JOIN = "join"
    LEAVE = "leave"
    MESSAGE = "message"
    EDIT = "edit"
    COMMENT = "comment"
    REACTION = "reaction"
    SHARE = "share"
    VIEW = "view"
    VOTE = "vote"
    CHECK_IN = "check_in"
    QUESTION = "question"
    ANSWER = "answer"
    PURCHASE = "purchase"
    REFUND = "refund"
    FEEDBACK = "feedback"
    MENTION = "mention"
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    CLICK = "click"
    COMMAND = "command"
    BUTTON = "button"
    JOIN_REQUEST = "join_request"
    ENTITLEMENT = "entitlement"
    RETRACT = "retract"
    """Takes back an earlier interaction: a reaction removed, a message recalled, a vote withdrawn. `target`
    names the message, `attrs["retracts"]` the kind that is taken back."""
    CHANNEL_MOVED = "channel_moved"
    """The channel got another id, in `target`."""
    ROLE_CHANGED = "role_changed"
    MODERATION = "moderation"
    """Somebody was muted, banned, or had a message removed."""
    OTHER = "other"


class Interaction(Frozen):
    """One thing a member did (互动).

    Ids are the platform's own, as text. `id` never changes for the same event, so that a redelivered event is
    recognised; `occurred_at` is the platform's time, not ours.
    """

    id: str
    """Unique on the platform, for example `update:91` or `reaction:chat:message:user:👍`."""
    kind: InteractionKind
    platform: str
    account: str = ""
    """Name of the account that heard it; "" for imports."""
    channel: str = ""
    """Native id of the channel."""
    member: str = ""
    """Native id of who did it; "" when the platform does not say."""
    member_name: str = ""
    username: str = ""
    is_bot: bool = False
    occurred_at: AwareDatetime
    message: str = ""
    """Native id of the message that this is, or that it acts on."""
    parent: str = ""
    """Native id of the message that this answers, shares or comments on."""
    target: str = ""
    """Native id of the member at whom it is aimed (reply's author, message receiver, invited person)."""
    thread: str = ""
    text: str = ""
    value: float | None = None
    """Amount of a purchase, number of views, weight; None when it has none."""
    currency: str = ""
    entrance: str = ""
    """Named way by which a joiner came: invite link's name, contact way's state (入口)."""
    attrs: Mapping[str, JsonValue] = Field(default_factory=dict)


@dataclass(slots=True)
class InteractionBatch:
    """Many interactions as columns: what importers yield and the event store takes.

    All columns have the same length. `occurred_at` is in microseconds since 1970 UTC. Other columns mean what the
    fields of `Interaction` mean; `value` may hold None.
    """

    platform: str
    source: str = ""
    """Where they came from, for messages to people."""
    id: list[str] = field(default_factory=list[str])
    kind: list[str] = field(default_factory=list[str])
    occurred_at: list[int] = field(default_factory=list[int])
    channel: list[str] = field(default_factory=list[str])
    member: list[str] = field(default_factory=list[str])
    member_name: list[str] = field(default_factory=list[str])
    is_bot: list[bool] = field(default_factory=list[bool])
    message: list[str] = field(default_factory=list[str])
    parent: list[str] = field(default_factory=list[str])
    target: list[str] = field(default_factory=list[str])
    text: list[str] = field(default_factory=list[str])
    value: list[float | None] = field(default_factory=list[float | None])
    currency: list[str] = field(default_factory=list[str])
    entrance: list[str] = field(default_factory=list[str])
    attrs: list[str] = field(default_factory=list[str])
    """JSON objects as text; "" for none."""

    def __len__(self) -> int:
        return len(self.id)

    def columns(self) -> Iterator[tuple[str, list[object]]]:
        """Give each column's name and values."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, list):
                yield item.name, value

    def append(
        self,
        *,
        id: str,  # noqa: A002 - the column's name
        kind: str,
        occurred_at: int | datetime,
        channel: str = "",
        member: str = "",
        member_name: str = "",
        is_bot: bool = False,
        message: str = "",
        parent: str = "",
        target: str = "",
        text: str = "",
        value: float | None = None,
        currency: str = "",
        entrance: str = "",
        attrs: str = "",
    ) -> None:
        """Add one row; a datetime must be aware."""
        if isinstance(occurred_at, datetime):
            occurred_at = (occurred_at - _EPOCH) // _MICROSECOND
        self.id.append(id)
        self.kind.append(kind)
        self.occurred_at.append(occurred_at)
        self.channel.append(channel)
        self.member.append(member)
        self.member_name.append(member_name)
        self.is_bot.append(is_bot)
        self.message.append(message)
        self.parent.append(parent)
        self.target.append(target)
        self.text.append(text)
        self.value.append(value)
        self.currency.append(currency)
        self.entrance.append(entrance)
        self.attrs.append(attrs)
