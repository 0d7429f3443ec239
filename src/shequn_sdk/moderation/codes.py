"""Codes in pictures that members post: loaded within limits, read, and judged like what they wrote (二维码识别)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from shequn_sdk.errors import ShequnError
from shequn_sdk.moderation.actions import AccountBook
from shequn_sdk.moderation.detectors.pictures import read_codes
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Pictures

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard

__all__ = ["CodeReader", "pictures_of"]

_log = logging.getLogger(__name__)
_MOST_BYTES = 5 * 1024 * 1024
_MOST_PICTURES = 3
"""Of one message."""
_AT_ONCE = 4
_MOST_TEXT = 2000


def pictures_of(heard: Heard) -> Sequence[str]:
    """Give the names of the pictures in a message, as far as they are looked at."""
    found = heard.interaction.attrs.get("pictures")
    return [one for one in found if isinstance(one, str)][:_MOST_PICTURES] if isinstance(found, list) else []


class CodeReader:
    """Loads pictures where the platform lets it, and gives what the codes in them say.

    Pictures of more than 5 MB, more than three of a message, and what takes longer than `patience` for a whole batch are
    left out: a message is judged without them rather than late.
    """

    def __init__(self, accounts: AccountBook, *, patience: float = 10.0) -> None:
        """Load by the adapters of `accounts`; `patience` is in real seconds."""
        self._accounts = accounts
        self._patience = patience

    async def read(self, heard: Sequence[Heard]) -> Mapping[int, str]:
        """Give the texts of codes by the place of the message in `heard`; none where there are none."""
        wanted = [(place, one.account, name) for place, one in enumerate(heard) for name in pictures_of(one)]
        wanted = [one for one in wanted if self._accounts.manifest(one[1]).supports(Capability.PICTURES)]
        texts: dict[int, list[str]] = {}
        room = anyio.CapacityLimiter(_AT_ONCE)

        async def look(place: int, account: str, name: str) -> None:
            async with room:
                try:
                    texts.setdefault(place, []).extend(await self._codes(account, name))
                except ShequnError as error:  # judged without it
                    _log.info("a picture was not looked at: %s", error)

        with anyio.move_on_after(self._patience):
            async with anyio.create_task_group() as group:
                for one in wanted:
                    group.start_soon(look, *one)
        return {place: "\n".join(found)[:_MOST_TEXT] for place, found in texts.items() if found}

    async def _codes(self, account: str, name: str) -> Sequence[str]:
        adapter = self._accounts.adapter(account)
        if not isinstance(adapter, Pictures):
            return ()
        data = await adapter.load_picture(name, most_bytes=_MOST_BYTES)
        return await anyio.to_thread.run_sync(partial(read_codes, data), abandon_on_cancel=True)
