"""Proof that two accounts are of one person: a code given to the one is written with the other.

A code such as `SQ-7KQ4-M2XWP9TD` has a half by which it is found and a secret half, of which only a digest is kept. It
works once, for a quarter of an hour, and dies after five wrong secrets; somebody who guesses is not heard for an hour.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from shequn_sdk.errors import InvalidInput
from shequn_sdk.members.merging import merge
from shequn_sdk.stores.tables.profiles import proof, proof_miss

__all__ = ["LIFE", "MARK", "Said", "begin", "codes_in", "hear"]

LIFE = timedelta(minutes=15)
MARK = "SQ-"
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE = re.compile(rf"(?<![A-Z0-9])SQ-([{_LETTERS}]{{4}})-([{_LETTERS}]{{8}})(?![A-Z0-9])", re.IGNORECASE)
_PER_HOUR = 5
"""Codes for one member."""
_MISSES = 5
"""Wrong secrets until a code dies, and from one member until they are not heard."""
_HOUR = 3_600_000_000


class Said(NamedTuple):
    """A code that a member wrote."""

    identity: int
    event: str
    """Id of the interaction: the same one again is no second try."""
    at: int
    selector: str
    secret: str


def codes_in(text: str) -> list[tuple[str, str]]:
    """Give the codes in a text, as halves; at most three."""
    return [(found[1].upper(), found[2].upper()) for found in list(_CODE.finditer(text[:4096]))[:3]]


def _digest(selector: str, secret: str) -> str:
    return hashlib.sha256(f"{selector}:{secret}".encode()).hexdigest()


def begin(conn: Connection, identity: int, *, now: int, life: timedelta) -> tuple[str, int]:
    """Make a code for an identity; gives it with the instant at which it ends.

    Raises:
        InvalidInput: too many were made in the last hour.
    """
    recent = conn.execute(
        select(func.count()).where(proof.c.identity_id == identity, proof.c.created_at > now - _HOUR)
    ).scalar_one()
    if recent >= _PER_HOUR:
        raise InvalidInput(
            f"{_PER_HOUR} codes were made for this member within an hour: wait before the next"
        )
    selector = "".join(secrets.choice(_LETTERS) for _ in range(4))
    while conn.execute(select(proof.c.selector).where(proof.c.selector == selector)).scalar() is not None:
        selector = "".join(secrets.choice(_LETTERS) for _ in range(4))
    secret = "".join(secrets.choice(_LETTERS) for _ in range(8))
    until = now + life // timedelta(microseconds=1)
    conn.execute(
        insert(proof).values(
            selector=selector,
            digest=_digest(selector, secret),
            identity_id=identity,
            created_at=now,
            expires_at=until,
            misses=0,
        )
    )
    return f"{MARK}{selector}-{secret}", until


def hear(conn: Connection, said: Iterable[Said]) -> list[int]:
    """Take codes that members wrote; gives the numbers of the merges that follow."""
    merges: list[int] = []
    for one in said:
        row = conn.execute(select(proof).where(proof.c.selector == one.selector)).one_or_none()
        wrong = conn.execute(
            select(func.count()).where(
                proof_miss.c.identity_id == one.identity, proof_miss.c.at > one.at - _HOUR
            )
        ).scalar_one()
        if wrong >= _MISSES:
            continue
        if row is None or not hmac.compare_digest(row.digest, _digest(one.selector, one.secret)):
            _miss(conn, one, known=row is not None)
            continue
        spent = row.used_at is not None or row.misses >= _MISSES
        if spent or one.at > row.expires_at or row.identity_id == one.identity:
            continue
        conn.execute(
            update(proof).where(proof.c.selector == one.selector).values(used_at=one.at, used_by=one.identity)
        )
        made = merge(
            conn,
            row.identity_id,
            one.identity,
            reason="proof by a code",
            actor="member",
            now=one.at,
            score=1.0,
        )
        if made is not None:
            merges.append(made)
    return merges


def _miss(conn: Connection, one: Said, *, known: bool) -> None:
    told = conn.execute(
        select(proof_miss.c.id).where(
            proof_miss.c.identity_id == one.identity, proof_miss.c.event == one.event
        )
    ).first()
    if told is not None:
        return
    conn.execute(insert(proof_miss).values(identity_id=one.identity, event=one.event, at=one.at))
    if known:
        conn.execute(update(proof).where(proof.c.selector == one.selector).values(misses=proof.c.misses + 1))
