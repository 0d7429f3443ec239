"""What the rooms of the calendar share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from shequn_sdk.domain import ChannelRef, Content
from shequn_sdk.editorial._desk import Desk, Work
from shequn_sdk.editorial._lines import Line
from shequn_sdk.editorial.approvals import Approvals
from shequn_sdk.errors import InvalidInput
from shequn_sdk.house import House, Room
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.publishing.service import Publishing

__all__ = ["EditorialRoom", "aware", "check_sayable", "moment_of", "refs_of"]


class EditorialRoom(Room):
    """A room that changes entries."""

    def __init__(self, house: House) -> None:
        """Stand in `house`."""
        super().__init__(house)
        self._desk = Desk(house)

    def _refs(self, to: Sequence[ChannelRef | str]) -> list[ChannelRef]:
        return refs_of(self._house, to)

    async def _sayable(self, content: Content, refs: Sequence[ChannelRef]) -> None:
        check_sayable(await self._house.publishing(), content, refs)

    async def _change(self, community: str, work: Work, actor: str) -> list[Line]:
        done = await self._desk.change(community, work, actor=actor)
        if done.requests:
            await self._house.room(Approvals).announce(done.requests)
        return done.lines


def refs_of(house: House, to: Sequence[ChannelRef | str]) -> list[ChannelRef]:
    """Read channels, each once.

    Raises:
        InvalidInput: one is malformed.
        UnknownName: an account does not exist.
    """
    if isinstance(to, str):
        raise InvalidInput("`to` is a list of channels, not one text")
    refs = list(dict.fromkeys(ChannelRef.parse(one) for one in to))
    for ref in refs:
        house.accounts.account(ref.account)
    return refs


def check_sayable(publishing: Publishing, content: Content, refs: Sequence[ChannelRef]) -> None:
    """Check, before it is kept as scheduled, that every channel takes it in some form.

    Raises:
        NotSupported: one does not.
        InvalidInput: its words or files fit nowhere.
    """
    for ref in refs:
        publishing.preview(content, ref)


def aware(at: datetime | None) -> datetime | None:
    """Give an instant back.

    Raises:
        InvalidInput: it has no time zone.
    """
    if at is not None and at.tzinfo is None:
        raise InvalidInput(f"{at} has no time zone: give an aware datetime")
    return at


def moment_of(at: datetime | None) -> int | None:
    """Give an instant as microseconds; errors as for `aware`."""
    found = aware(at)
    return None if found is None else to_us(found)
