"""Joins and leaves of customer groups by comparing member lists, a few groups at a time.

Callbacks tell at once who came, but not through which entrance; member lists tell the entrance's state. The cursor
holds what was seen, so that a restart loses nothing, and giving an older cursor finds the same again.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

import msgspec

from shequn_sdk.domain import Clock, Interaction
from shequn_sdk.errors import InvalidInput, TargetNotFound
from shequn_sdk.platforms.ports import Parsed, RawBatch, RawEvent
from shequn_wecom.groups import Groups, diff

__all__ = ["BUDGET", "GroupPoller", "parse_polled"]

BUDGET = 20
"""Groups read by one `receive`: one request each."""
_PREFIX = b'{"polled":'
_LARGEST = 32 * 1024 * 1024


class _Seen(msgspec.Struct):
    version: str = ""
    members: dict[str, int] = {}


class _State(msgspec.Struct):
    """What the cursor holds."""

    groups: dict[str, _Seen] = {}
    queue: list[str] = []


class _Polled(msgspec.Struct):
    polled: str


def _load(cursor: str | None) -> _State:
    if not cursor:
        return _State()
    try:
        unpack = zlib.decompressobj()
        data = unpack.decompress(base64.b64decode(cursor, validate=True), _LARGEST)
        if unpack.unconsumed_tail:
            raise InvalidInput("the cursor of wecom's group polling is too large", source="cursor")
        return msgspec.json.decode(data, type=_State)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InvalidInput(
            "the cursor of wecom's group polling is damaged; start anew without one", source="cursor"
        ) from error


def _dump(state: _State) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(state))).decode()


class GroupPoller:
    """Reads customer groups in turn, `BUDGET` at a time."""

    def __init__(self, groups: Groups, *, account: str, clock: Clock, owners: Sequence[str]) -> None:
        self._groups = groups
        self._account = account
        self._clock = clock
        self._owners = owners

    async def receive(self, cursor: str | None) -> RawBatch:
        """Read the next groups of the round; a new round lists the groups again."""
        state = _load(cursor)
        if not state.queue:
            listed = [chat async for chat in self._groups.iter_ids(owners=self._owners)]
            state.queue = listed
            # groups that are gone from the list are forgotten, without counting their members as leavers
            state.groups = {chat: seen for chat, seen in state.groups.items() if chat in set(listed)}
        turn, state.queue = state.queue[:BUDGET], state.queue[BUDGET:]
        found: list[Interaction] = []
        for chat in turn:
            try:
                group = await self._groups.get(chat)
            except TargetNotFound:
                state.groups.pop(chat, None)
                continue
            seen = state.groups.get(chat)
            if seen is not None and seen.version and seen.version == group.version:
                continue
            before = seen.members if seen is not None else None
            found += diff(before, group, account=self._account, at=self._clock.now())
            state.groups[chat] = _Seen(
                version=group.version,
                members={
                    member.id: int(member.joined_at.timestamp()) if member.joined_at else 0
                    for member in group.members.values()
                },
            )
        events = [
            RawEvent(event_id=item.id, payload=msgspec.json.encode(_Polled(item.model_dump_json())))
            for item in found
        ]
        return RawBatch(events=events, cursor=_dump(state))


def parse_polled(raw: RawEvent) -> Parsed | None:
    """Read a finding of `GroupPoller`; None for anything else."""
    if not raw.payload.startswith(_PREFIX):
        return None
    try:
        interaction = Interaction.model_validate_json(msgspec.json.decode(raw.payload, type=_Polled).polled)
    except ValueError as error:
        raise InvalidInput("a finding of wecom's group polling cannot be read", source="wecom") from error
    return Parsed(kind=f"groupchat/{interaction.kind}", interactions=(interaction,))
