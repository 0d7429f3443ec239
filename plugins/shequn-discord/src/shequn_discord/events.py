"""Gateway dispatches, HTTP interactions and app webhook events, read into interactions.

The hot path decodes once, into structs that hold only what is used. Two sorts of event ids exist: where Discord names
the thing (a message, a join) the id is made of its ids; where it names nothing (a reaction, a leaving) the raw event's
own id is used, which is the same whenever the session is resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from shequn_discord.event_readers import (
    READERS,
    CallReaders,
    MessageReaders,
    message_interaction,
)
from shequn_discord.event_wire import (
    APP_EVENT,
    CALLED,
    ENTITLEMENT,
    ENVELOPE,
    FRAMES,
    KNOWN,
    SILENT,
    STRUCTS,
    TYPES,
    AppEvent,
)
from shequn_discord.server_readers import ServerReaders
from shequn_discord.snowflake import parse_time
from shequn_sdk.domain import Clock, Interaction
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.lenient import repaired
from shequn_sdk.platforms.ports import Parsed, RawEvent

__all__ = ["KNOWN", "EventParser", "message_interaction"]


class EventParser(MessageReaders, ServerReaders, CallReaders):
    """Reads the raw events of one account; see `Readers` for its arguments."""

    def __init__(
        self, *, account: str, own: str, clock: Clock, guild_channels: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(account=account, own=own, clock=clock, guild_channels=guild_channels)
        self._readers: dict[type[Any], tuple[str, Callable[[Any, RawEvent], list[Interaction]]]] = {
            STRUCTS[tag]: (tag, getattr(self, name)) for tag, name in READERS.items()
        }

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one event; unknown types come back with `known=False`.

        Raises:
            InvalidInput: the payload cannot be read at all, or a known event lacks what it must have.
        """
        try:
            frame = FRAMES.decode(raw.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            mended = repaired(raw.payload)
            raw = replace(raw, payload=mended)
            try:
                frame = FRAMES.decode(mended)
            except (msgspec.MsgspecError, RecursionError):
                return self._other(raw)
        except RecursionError:
            return self._other(raw)
        tag, reader = self._readers[type(frame)]
        try:
            return Parsed(tag, reader(frame.d, raw))
        except (ValueError, OverflowError) as error:
            raise InvalidInput(f"{tag} {raw.event_id} holds an id or instant that cannot be read") from error

    def _other(self, raw: RawEvent) -> Parsed:
        try:
            envelope = ENVELOPE.decode(raw.payload)
            if envelope.t is None and envelope.token:
                return Parsed("INTERACTION_CREATE", self._called(CALLED.decode(raw.payload), raw))
            if envelope.t is None and envelope.application_id and envelope.op is None:
                return self._app_event(APP_EVENT.decode(raw.payload), raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError, OverflowError) as error:
            raise InvalidInput(
                f"event {raw.event_id} of {len(raw.payload)} bytes is no readable Discord event; it is kept raw"
            ) from error
        kind = envelope.t or ""
        if kind in TYPES:
            raise InvalidInput(
                f"{kind} {raw.event_id} lacks a field that it must have, or has one of another type"
            )
        return Parsed(kind or f"op {envelope.op}", (), known=kind in SILENT)

    def _app_event(self, body: AppEvent, raw: RawEvent) -> Parsed:
        if body.event is None:
            return Parsed("PING", ())
        tag = body.event.type
        if tag in {"ENTITLEMENT_CREATE", "ENTITLEMENT_UPDATE", "ENTITLEMENT_DELETE"}:
            entitlement = ENTITLEMENT.decode(body.event.data)
            at = parse_time(body.event.timestamp) if body.event.timestamp else None
            return Parsed(tag, getattr(self, READERS[tag])(entitlement, raw, at))
        return Parsed(tag, (), known=tag in SILENT)
