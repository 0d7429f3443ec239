"""Incoming albums: Telegram sends each picture as its own update and never says how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shequn_sdk.domain import Clock, Interaction

__all__ = ["Album", "AlbumCollector"]

_MOST = 10


@dataclass(frozen=True, slots=True)
class Album:
    """Messages that belong together, in the order of their ids (相册). A single message is an album of one."""

    interactions: tuple[Interaction, ...]

    @property
    def text(self) -> str:
        """The caption: that of the one item that has it."""
        return next((item.text for item in self.interactions if item.text), "")


class AlbumCollector:
    """Puts albums together: an album is complete when nothing was added for `quiet`, or at ten items.

    Feed every interaction to `add`, and ask `due` when `next_due` has come; both give what is complete.
    """

    def __init__(self, clock: Clock, *, quiet: timedelta = timedelta(seconds=1)) -> None:
        self._clock = clock
        self._quiet = quiet.total_seconds()
        self._open: dict[tuple[str, str], tuple[float, dict[str, Interaction]]] = {}

    def add(self, interaction: Interaction) -> Sequence[Album]:
        """Take one interaction; messages outside albums come back at once. A redelivered one counts once."""
        group = interaction.attrs.get("media_group_id")
        ready = list(self.due())
        if not isinstance(group, str):
            return [*ready, Album((interaction,))]
        key = (interaction.channel, group)
        items = self._open.pop(key, (0.0, {}))[1]
        items[interaction.message] = interaction
        if len(items) >= _MOST:
            ready.append(_album(items))
        else:
            # taken out and put back at the end: the dictionary stays ordered by due time
            self._open[key] = (self._clock.monotonic() + self._quiet, items)
        return ready

    def due(self) -> Sequence[Album]:
        """Give the albums to which nothing was added for the quiet time."""
        now = self._clock.monotonic()
        done = [key for key, (at, _) in self._open.items() if at <= now]
        return [_album(self._open.pop(key)[1]) for key in done]

    def flush(self) -> Sequence[Album]:
        """Give everything that is still open, for example at shutdown."""
        albums = [_album(items) for _, items in self._open.values()]
        self._open.clear()
        return albums

    @property
    def next_due(self) -> float | None:
        """Seconds until the next album is complete if nothing more comes, None when none is open."""
        first = next(iter(self._open.values()), None)
        return None if first is None else max(0.0, first[0] - self._clock.monotonic())


def _album(items: dict[str, Interaction]) -> Album:
    return Album(tuple(sorted(items.values(), key=lambda item: (len(item.message), item.message))))
