"""Reading: from a stored event to interactions, and from interactions to the columns of a batch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from shequn_sdk.domain import Community, Interaction, InteractionBatch
from shequn_sdk.errors import ConfigError, InvalidInput
from shequn_sdk.listening.inbox import StoredEvent
from shequn_sdk.listening.sources import AccountsLike
from shequn_sdk.platforms.ports import EventSource, Parsed, RawEvent, WebhookSource

__all__ = ["LOCAL", "Communities", "own_event", "read_event", "to_batch_row"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LOCAL = "_local"
"""Account of the inbox under which this workspace's own interactions stand."""


def read_event(accounts: AccountsLike, event: StoredEvent) -> Parsed:
    """Read an event with the adapter of its account.

    Raises:
        ShequnError: the account is not there, or cannot read it.
    """
    if event.account == LOCAL:
        return Parsed("local", (_own(event),))
    adapter = accounts.adapter(event.account)
    if not isinstance(adapter, (EventSource, WebhookSource)):
        raise InvalidInput(f"account {event.account!r} cannot read events", source=event.event_id)
    return adapter.parse(event.raw)


def to_batch_row(batch: InteractionBatch, interaction: Interaction) -> None:
    """Add an interaction to a batch; what has no column (`thread`, `username`) goes into its attrs."""
    # what a handler may answer with for some minutes is no history, and a secret while it lasts
    attrs = {key: value for key, value in interaction.attrs.items() if not key.endswith("_token")}
    if interaction.thread:
        attrs.setdefault("thread", interaction.thread)
    if interaction.username:
        attrs.setdefault("username", interaction.username)
    batch.append(
        id=interaction.id,
        kind=interaction.kind.value,
        occurred_at=(interaction.occurred_at - _EPOCH) // _MICROSECOND,
        channel=interaction.channel,
        member=interaction.member,
        member_name=interaction.member_name,
        is_bot=interaction.is_bot,
        message=interaction.message,
        parent=interaction.parent,
        target=interaction.target,
        text=interaction.text,
        value=interaction.value,
        currency=interaction.currency,
        entrance=interaction.entrance,
        attrs=json.dumps(attrs, ensure_ascii=False, separators=(",", ":")) if attrs else "",
    )


class Communities:
    """Which community a channel belongs to; follows channels that got another id."""

    def __init__(self, communities: Iterable[Community]) -> None:
        """Know the channels of `communities`.

        Raises:
            ConfigError: two communities name one channel.
        """
        self._names: dict[tuple[str, str], str] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        for community in communities:
            for ref in community.channels:
                other = self._names.setdefault((ref.account, ref.native_id), community.name)
                if other != community.name:
                    raise ConfigError(f"channel {ref} belongs to both {other!r} and {community.name!r}")

    def moved(self, account: str, old: str, new: str) -> None:
        """Know that the channel `old` has the id `new` now, or the other way round for late events."""
        if old and new and old != new:
            self._aliases[account, new] = old
            self._aliases.setdefault((account, old), new)

    def find(self, account: str, channel: str) -> str | None:
        """Give the community's name, None when the channel belongs to none."""
        seen: set[str] = set()
        while channel not in seen:
            seen.add(channel)
            found = self._names.get((account, channel))
            if found is None and "/" in channel:
                found = self._names.get((account, channel.partition("/")[0]))
            if found is not None:
                return found
            channel = self._aliases.get((account, channel), channel)
        return None


def own_event(interaction: Interaction, community: str) -> RawEvent:
    """Make an event of the inbox of an interaction of our own; `Dispatcher` reads it back.

    Raises:
        InvalidInput: it has no id.
    """
    if not interaction.id:
        raise InvalidInput("an interaction needs an id that stays the same when it is recorded again")
    return RawEvent(
        interaction.id, interaction.model_dump_json(exclude_defaults=True).encode(), {"community": community}
    )


def _own(event: StoredEvent) -> Interaction:
    try:
        return Interaction.model_validate_json(event.raw.payload)
    except ValidationError as error:
        raise InvalidInput(f"event {event.event_id} of this workspace cannot be read") from error
