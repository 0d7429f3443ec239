"""Names of events as handlers are registered for them, and what a handler is given."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shequn_sdk.domain import ChannelRef, Interaction, InteractionKind
from shequn_sdk.errors import UnknownName

__all__ = ["EVENT_NAMES", "Heard", "event_name", "kinds_of"]

_K = InteractionKind
EVENT_NAMES: Mapping[str, InteractionKind] = MappingProxyType(
    {
        "member.joined": _K.JOIN,
        "member.left": _K.LEAVE,
        "member.asked_to_join": _K.JOIN_REQUEST,
        "member.role_changed": _K.ROLE_CHANGED,
        "member.followed": _K.FOLLOW,
        "member.unfollowed": _K.UNFOLLOW,
        "message": _K.MESSAGE,
        "message.edited": _K.EDIT,
        "message.shared": _K.SHARE,
        "message.viewed": _K.VIEW,
        "comment": _K.COMMENT,
        "reaction": _K.REACTION,
        "mention": _K.MENTION,
        "vote": _K.VOTE,
        "check_in": _K.CHECK_IN,
        "question": _K.QUESTION,
        "answer": _K.ANSWER,
        "feedback": _K.FEEDBACK,
        "purchase": _K.PURCHASE,
        "refund": _K.REFUND,
        "entitlement": _K.ENTITLEMENT,
        "click": _K.CLICK,
        "command": _K.COMMAND,
        "button": _K.BUTTON,
        "retracted": _K.RETRACT,
        "moderation": _K.MODERATION,
        "channel.moved": _K.CHANNEL_MOVED,
        "other": _K.OTHER,
    }
)
"""Event name to kind of interaction; each kind has exactly one name, and `*` stands for all."""

_NAMES: Mapping[InteractionKind, str] = MappingProxyType({kind: name for name, kind in EVENT_NAMES.items()})


@dataclass(frozen=True, slots=True)
class Heard:
    """What a handler is given: the interaction and where it belongs."""

    name: str
    """Event name, for example `member.joined`."""
    interaction: Interaction
    community: str | None
    """Name of the community that the channel belongs to; None when it belongs to none."""
    account: str
    """Account that heard it."""
    seq: int
    """Its number in the inbox: the same when it is handled again."""

    @property
    def channel(self) -> ChannelRef | None:
        """The channel, None for events that have none, or that no account of ours heard."""
        native = self.interaction.channel
        heard = not self.account.startswith("_")
        return ChannelRef(account=self.account, native_id=native) if native and heard else None


def event_name(kind: InteractionKind) -> str:
    """Give the event name of a kind."""
    return _NAMES[kind]


def kinds_of(name: str | InteractionKind) -> frozenset[InteractionKind]:
    """Give the kinds that an event name stands for; a kind's own value works too, `*` is all.

    >>> kinds_of("member.joined") == kinds_of("join")
    True

    Raises:
        UnknownName: there is no such event; the message has the nearest names.
    """
    if name == "*":
        return frozenset(InteractionKind)
    kind = EVENT_NAMES.get(name)
    if kind is None:
        try:
            kind = InteractionKind(name)
        except ValueError:
            nearest = tuple(difflib.get_close_matches(str(name), [*EVENT_NAMES, *InteractionKind], n=3))
            raise UnknownName("event", str(name), nearest=nearest) from None
    return frozenset({kind})
