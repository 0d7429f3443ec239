"""The newest identities of a community, kept in memory: what a redelivered batch is compared with first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Recent"]

_KEPT = 300_000
"""So many identities are remembered, 24 bytes each."""
_COMPARED = 20_000
"""With more candidates than this the engine's search is the cheaper one."""


@dataclass(slots=True)
class _Part:
    times: NDArray[np.int64]
    """In order."""
    ids: NDArray[Any]
    """16 bytes each."""


@dataclass(slots=True)
class Recent:
    """Everything that was stored after `floor`, while nobody else can write."""

    floor: int
    """A time: what the store has up to it is not remembered here."""
    parts: list[_Part] = field(default_factory=list[_Part])
    size: int = 0

    def add(self, ids: NDArray[np.uint8], times: NDArray[np.int64]) -> None:
        """Remember stored rows, given in order of time; the oldest make room."""
        import numpy as np  # noqa: PLC0415

        first = int(np.searchsorted(times, self.floor, side="right"))
        if first == len(times):
            return
        self.parts.append(_Part(times[first:], _whole(ids[first:])))
        self.size += len(times) - first
        while self.size > _KEPT and len(self.parts) > 1:
            oldest = min(self.parts, key=lambda part: part.times[-1])
            self.parts = [part for part in self.parts if part is not oldest]
            self.size -= len(oldest.times)
            self.floor = max(self.floor, int(oldest.times[-1]))

    def find(self, ids: NDArray[np.uint8], times: NDArray[np.int64]) -> list[int] | None:
        """Give the positions of rows, given in order of time and newer than `floor`, that are stored.

        None when there are so many to compare with that the engine should be asked.
        """
        import numpy as np  # noqa: PLC0415

        if not len(times):
            return []
        candidates: list[NDArray[Any]] = []
        newest = self.floor
        for part in self.parts:
            first = int(np.searchsorted(part.times, times[0], side="left"))
            last = int(np.searchsorted(part.times, times[-1], side="right"))
            if first < last:
                candidates.append(part.ids[first:last])
                newest = max(newest, int(part.times[last - 1]))
        if sum(map(len, candidates)) > _COMPARED:
            return None
        stored: set[bytes] = set()
        for found in candidates:
            stored.update(found.tolist())
        # What is newer than all that is stored cannot be stored.
        own = _whole(ids[: int(np.searchsorted(times, newest, side="right"))])
        return [row for row, key in enumerate(own.tolist()) if key in stored]


def _whole(ids: NDArray[np.uint8]) -> NDArray[Any]:
    """See each row of 16 bytes as one value."""
    import numpy as np  # noqa: PLC0415

    return np.ascontiguousarray(ids).view("V16").reshape(-1)
