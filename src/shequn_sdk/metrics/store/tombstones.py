"""Who was erased, kept as a keyed hash and a time, so that what comes late or is imported again is not stored anew."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shequn_sdk.domain import InteractionBatch, MemberRef

if TYPE_CHECKING:
    import duckdb

__all__ = ["Tombstones", "bury", "digest", "read_tombstones", "without_erased"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tombstones:
    """The erased members of a store, by what their native ids hash to."""

    def __init__(self, until: Mapping[bytes, datetime], salt: bytes) -> None:
        """Know them.

        Args:
            until: per digest, up to when nothing of the member is stored (UTC, naive).
            salt: what the store keys its digests with.
        """
        self._until = {
            digest: (instant.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
            for digest, instant in until.items()
        }
        self._salt = salt
        self._seen: dict[str, set[str]] = {}
        self._erased: dict[str, dict[str, int]] = {}

    def __bool__(self) -> bool:
        """Whether anybody was erased."""
        return bool(self._until)

    def erased(self, platform: str, natives: Iterable[str]) -> dict[str, int]:
        """Give who of a platform was erased, with the microsecond up to which nothing of it is stored."""
        seen = self._seen.setdefault(platform, {""})
        found = self._erased.setdefault(platform, {})
        for native in set(natives) - seen:
            until = self._until.get(digest(self._salt, platform, native))
            if until is not None:
                found[native] = until
            seen.add(native)
        return found


def read_tombstones(con: duckdb.DuckDBPyConnection) -> Tombstones:
    """Read who was erased."""
    rows = con.execute("select digest, max(until) from tombstones group by digest").fetchall()
    return Tombstones({key.bytes: until for key, until in rows}, _salt(con) if rows else b"")


def _salt(con: duckdb.DuckDBPyConnection) -> bytes:
    rows = con.execute("select value from meta where key = 'salt'").fetchall()
    if rows:
        return bytes.fromhex(rows[0][0])
    salt = secrets.token_bytes(16)
    con.execute("insert into meta values ('salt', $v)", {"v": salt.hex()})
    return salt


def digest(salt: bytes, platform: str, native: str) -> bytes:
    """Give what stands for an erased member: 16 bytes that only the store's salt can tie to an id."""
    text = f"{platform}\x1f{native}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16, key=salt).digest()


def bury(con: duckdb.DuckDBPyConnection, ref: MemberRef, until: datetime) -> None:
    """Refuse from now on what the member did up to an instant (naive UTC)."""
    key = uuid.UUID(bytes=digest(_salt(con), ref.platform, ref.native_id))
    con.execute("delete from tombstones where digest = $d", {"d": key})
    con.execute("insert into tombstones values ($d, $t)", {"d": key, "t": until})


def without_erased(batch: InteractionBatch, tombstones: Tombstones) -> InteractionBatch:
    """Give the batch without what erased members did, and without pointers at them; the batch itself if it has none."""
    erased = tombstones.erased(batch.platform, {*batch.member, *batch.target})
    if not erased or (erased.keys().isdisjoint(batch.member) and erased.keys().isdisjoint(batch.target)):
        return batch
    kept = [
        row
        for row, (member, at) in enumerate(zip(batch.member, batch.occurred_at, strict=True))
        if member not in erased or at > erased[member]
    ]
    found = InteractionBatch(platform=batch.platform, source=batch.source)
    for name, values in batch.columns():
        setattr(found, name, [values[row] for row in kept])
    for row, (target, at) in enumerate(zip(found.target, found.occurred_at, strict=True)):
        if target in erased and at <= erased[target]:
            found.target[row] = found.attrs[row] = ""
    return found
