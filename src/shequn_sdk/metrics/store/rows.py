"""From a batch to checked columns and keys, without a look at the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from shequn_sdk.domain import InteractionBatch, InteractionKind
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "KINDS",
    "MESSAGE_KINDS",
    "Extras",
    "check",
    "content_key",
    "content_number",
    "content_numbers",
    "event_digests",
    "picker",
    "read_attrs",
    "time_ranges",
    "unique_rows",
]

MESSAGE_KINDS = ("message", "comment", "question", "answer", "share")
"""Kinds whose `message` is a content of their own."""

_EARLIEST = 0
_LATEST = 7_258_118_400_000_000  # the year 2200: later instants are errors of a clock or of a unit
_DAY = 86_400_000_000
_MAX_RANGES = 48
KINDS = tuple(str(kind) for kind in InteractionKind)
_KINDS = frozenset(KINDS)
_T = TypeVar("_T")


class _Hash(Protocol):
    def digest(self) -> bytes: ...


def _md5() -> Callable[[bytes], _Hash]:
    try:
        # Python's own form: OpenSSL's takes twice as long for texts as short as an event's key.
        from _md5 import md5  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        return cast("Callable[[bytes], _Hash]", partial(hashlib.md5, usedforsecurity=False))
    return cast("Callable[[bytes], _Hash]", md5)


_hash = _md5()


def check(batch: InteractionBatch) -> NDArray[np.int64]:
    """Refuse what cannot be stored; give the times.

    Raises:
        InvalidInput: columns of different lengths, an unknown kind, or times outside 1970-2200.
    """
    import numpy as np  # noqa: PLC0415

    lengths = {name: len(values) for name, values in batch.columns()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(
            f"a batch of {batch.source or batch.platform} has columns of different lengths: {lengths}"
        )
    if unknown := set(batch.kind) - _KINDS:
        raise InvalidInput(
            f"unknown kind of interaction {min(unknown)!r}; known: {', '.join(sorted(_KINDS))}"
        )
    try:
        micros = np.array(batch.occurred_at, np.int64)
    except OverflowError:
        micros = np.array([_LATEST])
    if len(micros) and not (micros.min() >= _EARLIEST and micros.max() < _LATEST):
        raise InvalidInput(
            f"a batch of {batch.source or batch.platform} has times outside 1970-2200; occurred_at is in "
            "microseconds since 1970 UTC"
        )
    return micros


def event_digests(batch: InteractionBatch) -> list[bytes]:
    """Give each row's identity: 128 bits of a hash of platform, native id, kind and actor."""
    platform, md5 = batch.platform, _hash
    return [
        md5(f"{platform}\x1f{native}\x1f{kind}\x1f{member}".encode()).digest()
        for native, kind, member in zip(batch.id, batch.kind, batch.member, strict=True)
    ]


def content_number(platform: str, channel: str, message: str) -> int:
    """Give a message's key: 63 bits of a hash, so that a reply can name what has not arrived yet."""
    digest = _hash(f"{platform}\x1f{channel}\x1f{message}".encode()).digest()
    return int.from_bytes(digest[8:], "little") >> 1


def content_numbers(platform: str, channels: Sequence[str], messages: Sequence[str]) -> NDArray[np.int64]:
    """Give `content_number` of each row's message, 0 where it is empty."""
    import numpy as np  # noqa: PLC0415

    md5 = _hash
    # Remembering keys does not pay: a look into a large dictionary costs as much as the hash.
    digests = b"".join(
        [
            md5(f"{platform}\x1f{channel}\x1f{message}".encode()).digest()
            for channel, message in zip(channels, messages, strict=True)
            if message
        ]
    )
    found = (np.frombuffer(digests, "<u8")[1::2] >> np.uint64(1)).astype(np.int64)
    if len(found) == len(messages):
        return found
    numbers = np.zeros(len(messages), np.int64)
    numbers[np.fromiter(map(bool, messages), bool, len(messages))] = found
    return numbers


def content_key(channel: str, message: str) -> str:
    """Write the SQL (DuckDB) that gives what `content_number` gives."""
    return (
        f"case when {message} = '' then null else "
        f"cast(md5_number(concat_ws(chr(31), $platform, {channel}, {message})) >> 65 as bigint) end"
    )


def unique_rows(digests: Sequence[bytes], micros: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the positions of the rows in order of time, each identity at its earliest only."""
    import numpy as np  # noqa: PLC0415

    size = len(digests)
    if size > 1 and bool((micros[1:] < micros[:-1]).any()):
        order = np.argsort(micros, kind="stable")
    else:
        order = np.arange(size)
    if len(set(digests)) == size:
        return order
    first: dict[bytes, int] = {}
    for row in order.tolist():
        first.setdefault(digests[row], row)
    return np.fromiter(first.values(), np.int64, len(first))


def time_ranges(micros: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Give the stretches of days that the rows cover, so that one late row does not widen the search to months."""
    import numpy as np  # noqa: PLC0415

    lowest, highest = int(micros.min()), int(micros.max())
    if highest // _DAY - lowest // _DAY <= 1:
        return [(lowest, highest)]
    ranges: list[tuple[int, int]] = []
    for day in np.unique(micros // _DAY).tolist():
        if ranges and day - ranges[-1][1] <= 1:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    if len(ranges) > _MAX_RANGES:
        ranges = _widest_gaps(ranges)
    return [(max(first * _DAY, lowest), min((last + 1) * _DAY - 1, highest)) for first, last in ranges]


def _widest_gaps(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join the ranges over all but the widest gaps between them."""
    gaps = sorted(range(1, len(ranges)), key=lambda n: ranges[n - 1][1] - ranges[n][0])[: _MAX_RANGES - 1]
    bounds = [0, *sorted(gaps), len(ranges)]
    return [(ranges[start][0], ranges[stop - 1][1]) for start, stop in pairwise(bounds)]


def picker(rows: Sequence[int], *, whole: bool) -> Callable[[Sequence[_T]], Sequence[_T]]:
    """Give the function that takes these rows out of a column; `whole` says that they are all, in order."""
    if whole:
        return lambda column: column
    if len(rows) < 2:
        return lambda column: [column[row] for row in rows]
    return cast("Callable[[Sequence[_T]], Sequence[_T]]", itemgetter(*rows))


@dataclass(slots=True)
class Extras:
    """What is read out of `attrs`, one value per row; None where no row has any."""

    parent_channel: list[str] | None = None
    detail: list[str] | None = None
    retracts: list[str] | None = None
    amount: list[str | None] | None = None
    spam: list[bool] | None = None
    negative: list[bool] | None = None


def _detail(attrs: dict[str, Any], kind: str) -> str:
    """Give which reaction or choice it is, or takes back; platforms call a reaction `emoji`, which a sticker has as well."""
    names = ("reaction", "emoji", "choice") if kind in {"reaction", "retract"} else ("reaction", "choice")
    return next((str(attrs[name]) for name in names if attrs.get(name) not in {None, ""}), "")


def read_attrs(batch: InteractionBatch) -> Extras:
    """Read the attributes that have columns of their own.

    Raises:
        InvalidInput: one is no JSON object.
    """
    extras = Extras()
    if not any(batch.attrs):
        return extras
    size = len(batch)
    for row, text in enumerate(batch.attrs):
        if not text:
            continue
        try:
            attrs: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"attrs of {batch.id[row]!r} are no JSON: {error}") from error
        if not isinstance(attrs, dict):
            raise InvalidInput(f"attrs of {batch.id[row]!r} are no JSON object")
        found = cast("dict[str, Any]", attrs)
        if parent := found.get("parent_channel"):
            extras.parent_channel = extras.parent_channel or list(batch.channel)
            extras.parent_channel[row] = str(parent)
        if detail := _detail(found, batch.kind[row]):
            extras.detail = extras.detail or [""] * size
            extras.detail[row] = detail
        if retracts := found.get("retracts"):
            extras.retracts = extras.retracts or [""] * size
            extras.retracts[row] = str(retracts)
        if "amount" in found:
            amounts: list[str | None] = extras.amount or [None] * size
            amounts[row] = str(found["amount"])
            extras.amount = amounts
        if found.get("spam"):
            extras.spam = extras.spam or [False] * size
            extras.spam[row] = True
        if found.get("negative"):
            extras.negative = extras.negative or [False] * size
            extras.negative[row] = True
    return extras
