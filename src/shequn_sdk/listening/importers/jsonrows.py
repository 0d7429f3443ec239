"""What importers of JSON exports share: rows, chunks, and the end of a file that was cut off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shequn_sdk.domain import InteractionBatch, InteractionKind
from shequn_sdk.listening.importers.base import MOST_TEXT, Chunk, ImportOptions, Position, Skips, clean
from shequn_sdk.listening.importers.jsonstream import JsonItems

__all__ = ["JsonRows", "text_of"]

MOST_ANONYMOUS = 100_000
"""More reactions or votes of one kind on one message are not believed."""


def text_of(value: object) -> str:
    """Give text that every store can keep; numbers become text, all else is "".

    >>> text_of(12), text_of(None), text_of({})
    ('12', '', '')
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ""


class JsonRows:
    """Collects rows and counts until a chunk is full."""

    def __init__(self, platform: str, source: str, options: ImportOptions) -> None:
        """Collect for `platform`."""
        self._platform = options.platform or platform
        self._source = source
        self._full = options.batch_rows
        self._clear()

    def _clear(self) -> None:
        self.batch = InteractionBatch(platform=self._platform, source=self._source)
        self.skips = Skips()
        self.read = 0
        self._size = 0

    @property
    def full(self) -> bool:
        """Whether a chunk should be given."""
        return self.read >= self._full or len(self.batch) >= self._full or self._size > MOST_TEXT

    def add(
        self,
        *,
        id: str,  # noqa: A002 - the column's name
        kind: InteractionKind,
        at: int,
        attrs: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        """Add a row; `attrs` without empty values become JSON."""
        self._size += len(columns.get("text", ""))
        kept = {key: value for key, value in (attrs or {}).items() if value not in (None, "", [], {})}
        self.batch.append(
            id=id,
            kind=kind.value,
            occurred_at=at,
            attrs=clean(json.dumps(kept, ensure_ascii=False, separators=(",", ":"))) if kept else "",
            **columns,
        )

    def flush(self, items: JsonItems, *, number: int, context: Mapping[str, Any], warning: str = "") -> Chunk:
        """Give the chunk; `context` is the importer's own state."""
        position = Position(offset=items.offset, line=number, context={"json": items.state(), **context})
        chunk = Chunk(self.batch, position, self.read, self.skips, warning)
        self._clear()
        return chunk
