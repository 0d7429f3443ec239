"""A batch as one Arrow table with the keys that every engine gives it: what event stores on servers start from."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.store.arrays import array
from shequn_sdk.metrics.store.rows import (
    check,
    content_numbers,
    event_digests,
    read_attrs,
    unique_rows,
)
from shequn_sdk.metrics.store.zones import local_days_and_hours

__all__ = ["bind", "keyed_rows"]

_NAMES = re.compile(r"\$([a-z_][a-z0-9_]*)")
_PLACES = Decimal("0.0001")
_LARGEST = Decimal(10) ** 14
_PAID = frozenset({"purchase", "refund"})


def bind(sql: str, write: Callable[[str], str]) -> str:
    """Write the `$name` placeholders of metric SQL as an engine's driver wants them."""
    return _NAMES.sub(lambda found: write(found[1]), sql)


def _amount(text: str | None, value: float | None, kind: str) -> Decimal | None:
    """Give the amount of money with four places; None when there is none, or none that a ledger can hold."""
    if text is None and (kind not in _PAID or value is None):
        return None
    try:
        amount = Decimal(repr(value) if text is None else text)
        return amount.quantize(_PLACES, ROUND_HALF_UP) if abs(amount) < _LARGEST else None
    except InvalidOperation:
        return None if kind not in _PAID or value is None or text is None else _amount(None, value, kind)


def keyed_rows(batch: InteractionBatch, zone: str) -> Any:
    """Give the rows of a batch as a `pyarrow.Table`, each event once (its earliest row), earliest first.

    Besides the batch's own columns there are `event_id` (16 bytes, to be read as UUID), `content_no`, `parent_no`,
    `local_day`, `local_hour`, `question`, and what `attrs` say: `detail`, `retracts`, `amount`, `spam`, `negative`.

    Raises:
        InvalidInput: columns of different lengths, an unknown kind, attrs that are no JSON, text that is no Unicode, or
            times outside 1970-2200.
    """
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415

    kernels: Any = pyarrow.compute
    micros = check(batch)
    size = len(batch)
    extras = read_attrs(batch)
    days, hours = local_days_and_hours(micros, zone)
    platform = batch.platform
    none, blank, false = [None] * size, [""] * size, [False] * size
    try:
        digests = event_digests(batch)
        text = array(batch.text, pa.string())
        amounts = [
            _amount(stated, value, kind)
            for stated, value, kind in zip(extras.amount or none, batch.value, batch.kind, strict=True)
        ]

        def numbers(channels: list[str], messages: list[str]) -> Any:
            found = content_numbers(platform, channels, messages)
            return array(found, missing=found == 0)

        table = pa.table(
            {
                "event_id": pa.array(digests, pa.binary(16)),
                "kind": array(batch.kind, pa.string()),
                "ts": array(micros, pa.timestamp("us")),
                "local_day": array(days, pa.date32()),
                "local_hour": array(hours, pa.int8()),
                "channel": array(batch.channel, pa.string()),
                "member": array(batch.member, pa.string()),
                "member_name": array(batch.member_name, pa.string()),
                "bot": array(batch.is_bot, pa.bool_()),
                "message": array(batch.message, pa.string()),
                "target": array(batch.target, pa.string()),
                "content_no": numbers(batch.channel, batch.message),
                "parent_no": numbers(extras.parent_channel or batch.channel, batch.parent),
                "question": kernels.match_substring_regex(text, r"[?？]\s*$"),
                "value": array(batch.value, pa.float64()),
                "amount": pa.array(amounts, pa.decimal128(18, 4)),
                "currency": array(batch.currency, pa.string()),
                "entrance": array(batch.entrance, pa.string()),
                "detail": array(extras.detail or blank, pa.string()),
                "retracts": array(extras.retracts or blank, pa.string()),
                "spam": array(extras.spam or false, pa.bool_()),
                "negative": array(extras.negative or false, pa.bool_()),
                "attrs": array(batch.attrs, pa.string()),
            }
        )
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"a batch of {batch.source or platform} has text that is no valid Unicode: {error}"
        ) from error
    order = unique_rows(digests, micros)
    return table if np.array_equal(order, np.arange(size)) else table.take(array(order))
