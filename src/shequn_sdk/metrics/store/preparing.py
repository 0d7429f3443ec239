"""What follows from a batch alone, worked out without the store, and perhaps while it keeps another batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.store.arrays import array, flags_of
from shequn_sdk.metrics.store.rows import (
    KINDS,
    Extras,
    check,
    content_numbers,
    event_digests,
    picker,
    read_attrs,
    unique_rows,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CODES", "Prepared", "prepare"]

CODES = {kind: code for code, kind in enumerate(KINDS)}


@dataclass(slots=True)
class Prepared:
    """What follows from a batch alone; rows are in order of time, each identity at its earliest only."""

    batch: InteractionBatch
    order: NDArray[np.int64]
    """Positions in the batch."""
    micros: NDArray[np.int64]
    ids: NDArray[np.uint8]
    """16 bytes each."""
    codes: NDArray[np.int8]
    contents: NDArray[np.int64]
    parents: NDArray[np.int64] | None
    asked: NDArray[np.bool_] | None
    extras: Extras

    def without(self, old: NDArray[np.int64]) -> Prepared:
        """Leave rows out, given by their places in this order."""
        import numpy as np  # noqa: PLC0415

        keep = np.ones(len(self.order), bool)
        keep[old] = False
        return replace(
            self,
            order=self.order[keep],
            micros=self.micros[keep],
            ids=self.ids[keep],
            codes=self.codes[keep],
            contents=self.contents[keep],
            parents=None if self.parents is None else self.parents[keep],
            asked=None if self.asked is None else self.asked[keep],
        )

    def picker(self) -> Callable[[Sequence[Any]], Sequence[Any]]:
        """Give the function that takes these rows out of a column of the batch."""
        whole = len(self.order) == len(self.batch) and bool((self.order[1:] > self.order[:-1]).all())
        return picker(self.order.tolist(), whole=whole)


def prepare(batch: InteractionBatch) -> Prepared:
    """Check a batch and work out its keys, without a look at the store.

    Raises:
        InvalidInput: see `rows.check`.
    """
    import numpy as np  # noqa: PLC0415

    micros = check(batch)
    extras = read_attrs(batch)
    try:
        digests = event_digests(batch)
        order = unique_rows(digests, micros)
        packed = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)
        found = Prepared(
            batch,
            order,
            micros[order],
            np.ascontiguousarray(packed[order]),
            np.fromiter(map(CODES.__getitem__, batch.kind), np.int8, len(batch))[order],
            content_numbers(batch.platform, batch.channel, batch.message)[order],
            content_numbers(batch.platform, extras.parent_channel or batch.channel, batch.parent)[order]
            if any(batch.parent)
            else None,
            None,
            extras,
        )
        found.asked = _asked(found)
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"a batch of {batch.source or batch.platform} has text that is no valid Unicode: {error}"
        ) from error
    return found


def _asked(prepared: Prepared) -> NDArray[np.bool_] | None:
    """Tell which rows ask something; None when no row does."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415

    asked = prepared.codes == CODES["question"]
    if any(prepared.batch.text):
        kernels: Any = pyarrow.compute
        text = array(prepared.picker()(prepared.batch.text), pa.string())
        asked |= flags_of(kernels.match_substring_regex(text, r"[?？]\s*$"))
    return asked if asked.any() else None
