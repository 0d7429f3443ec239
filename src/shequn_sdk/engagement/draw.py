"""The verifiable draw: pure functions that anybody can repeat from a certificate.

1. Before anybody enters, the SHA-256 of a secret seed is published together with the statement: prizes, conditions,
   weights, and where public randomness comes from, if any (commit).
2. At the end the list of entries is fixed: one line `code weight` per entrant, sorted; its SHA-256 is published.
3. The draw takes 64-bit numbers from HMAC-SHA256(seed, statement digest, list digest, public randomness, counter). A
   number at or above the largest multiple of the total weight is thrown away, so that no entrant is favoured. Who is
   drawn leaves the list; replacements go on with the same stream.
4. The seed is published (reveal): everybody can check 1 and repeat 3.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationError

from shequn_sdk.domain import Frozen
from shequn_sdk.errors import InvalidInput

__all__ = [
    "FORMAT",
    "Certificate",
    "Drawn",
    "Verification",
    "commitment",
    "digest",
    "draw_order",
    "entrant_code",
    "entry_list",
    "read_certificate",
    "statement_digest",
    "verify",
]

FORMAT = "shequn-lottery/1"
_SPAN = 1 << 64
_LARGEST = 16 * 1024 * 1024
"""Bytes of the largest certificate that is read: some 400,000 entrants."""


class Drawn(Frozen):
    """One entrant who was drawn."""

    position: int = Field(ge=1)
    """In the order of the draw."""
    code: str
    slot: int = Field(ge=1)
    """Which of the prizes, counted from 1 as the statement lists them."""
    prize: str
    instead_of: int | None = None
    """Position of the winner whom this one replaces."""
    outcome: Literal["won", "replaced"] = "won"
    reason: str = ""


class Certificate(Frozen):
    """What is needed to repeat a draw, offline and without this package (开奖凭证)."""

    format: Literal["shequn-lottery/1"] = FORMAT
    statement: Mapping[str, Any]
    """What was published before anybody entered; `commitment` and `slots` are in it."""
    statement_sha256: str
    entries: tuple[tuple[str, int], ...]
    entries_sha256: str
    public_randomness: str = ""
    seed: str
    """64 hexadecimal digits."""
    draws: tuple[Drawn, ...]
    unawarded: int = 0
    """Prizes that nobody was left for."""


class Verification(Frozen):
    """What became of a check."""

    ok: bool
    problems: tuple[str, ...] = ()


def digest(text: str) -> str:
    """Give the SHA-256 of a text's UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def commitment(seed: str) -> str:
    """Give what is published of a seed before the draw.

    >>> commitment("00" * 32)[:8]
    '66687aad'
    """
    return hashlib.sha256(bytes.fromhex(seed)).hexdigest()


def statement_digest(statement: Mapping[str, Any]) -> str:
    """Give the digest of a statement: of its JSON with sorted keys and no spaces."""
    return digest(json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def entrant_code(lottery: str, member: str) -> str:
    """Give the code under which a member stands on the list of a lottery.

    Everybody can work out their own; a list does not tell who is on it to those who know no members' ids.
    """
    return digest(f"{lottery}|{member}")[:16]


def entry_list(entries: Mapping[str, int] | Sequence[tuple[str, int]]) -> str:
    r"""Give the canonical list: a line `code weight` per entrant, sorted by code.

    >>> entry_list({"b": 2, "a": 1})
    'a 1\nb 2\n'
    """
    pairs = entries.items() if isinstance(entries, Mapping) else entries
    return "".join(f"{code} {weight}\n" for code, weight in sorted(pairs))


def _numbers(seed: str, statement: str, entries: str, public: str) -> Iterator[int]:
    """Give the stream of numbers below 2**64: four of each HMAC."""
    key = bytes.fromhex(seed)
    counter = 0
    while True:
        block = hmac.digest(key, f"{statement}\n{entries}\n{public}\n{counter}".encode(), "sha256")
        for start in range(0, 32, 8):
            yield int.from_bytes(block[start : start + 8], "big")
        counter += 1


def draw_order(
    entries: Mapping[str, int], *, seed: str, statement: str, public: str = "", count: int
) -> list[str]:
    """Give the codes in the order in which they are drawn, at most `count` and at most all of them.

    Args:
        entries: code to weight, whole numbers of at least 1.
        seed: 64 hexadecimal digits.
        statement: digest of the statement.
        public: public randomness, "" for none.
        count: how many to draw.
    """
    left = sorted(entries.items())
    total = sum(entries.values())
    if total >= _SPAN or any(weight < 1 for weight in entries.values()):
        raise InvalidInput("weights must be whole numbers of at least 1, with a sum below 2**64")
    stream = _numbers(seed, statement, digest(entry_list(entries)), public)
    drawn: list[str] = []
    while left and len(drawn) < count:
        bound = _SPAN - _SPAN % total
        number = next(one for one in stream if one < bound) % total
        for index, (code, weight) in enumerate(left):  # noqa: B007 - the one at which it stops
            number -= weight
            if number < 0:
                break
        code, weight = left.pop(index)  # pyright: ignore[reportPossiblyUnboundVariable]
        total -= weight
        drawn.append(code)
    return drawn


def read_certificate(data: str | bytes) -> Certificate:
    """Read a certificate's JSON.

    Raises:
        InvalidInput: it is none, or larger than 16 MiB.
    """
    if len(data) > _LARGEST:
        raise InvalidInput("the certificate is larger than 16 MiB")
    try:
        return Certificate.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidInput(f"this is no certificate of a lottery: {where}: {first['msg']}") from None


def verify(certificate: Certificate) -> Verification:
    """Repeat a draw from its certificate, and say what does not agree.

    What it cannot see: whether the statement is the one that was published before the first entry (compare its digest with
    the post), and whether entrants were left off the list (each can look for their own code).
    """
    problems: list[str] = []
    statement = certificate.statement
    try:
        if commitment(certificate.seed) != statement.get("commitment"):
            problems.append("the seed is not the one that was committed to")
    except ValueError:
        return Verification(ok=False, problems=("the seed is no hexadecimal number",))
    if statement_digest(statement) != certificate.statement_sha256:
        problems.append("the statement was changed after its digest was made")
    codes = [code for code, _ in certificate.entries]
    if codes != sorted(set(codes)) or any(weight < 1 for _, weight in certificate.entries):
        problems.append("the list is not sorted, names somebody twice, or has a weight below 1")
        return Verification(ok=False, problems=tuple(problems))
    if digest(entry_list(certificate.entries)) != certificate.entries_sha256:
        problems.append("the list of entries was changed after its digest was made")
    if statement.get("randomness") and not certificate.public_randomness:
        problems.append("the public randomness that was announced is missing")
    if not statement.get("randomness") and certificate.public_randomness:
        problems.append("public randomness was used that was not announced")
    order = draw_order(
        dict(certificate.entries),
        seed=certificate.seed,
        statement=certificate.statement_sha256,
        public=certificate.public_randomness,
        count=len(certificate.draws),
    )
    if [one.code for one in certificate.draws] != order:
        problems.append("the draw gives other winners")
    problems += _awards(certificate)
    return Verification(ok=not problems, problems=tuple(problems))


def _awards(certificate: Certificate) -> list[str]:
    """Check that prizes went to who was drawn, in order."""
    slots = [str(one) for one in certificate.statement.get("slots", [])]
    first = min(len(slots), len(certificate.entries))
    held: dict[int, int] = {}
    for position, one in enumerate(certificate.draws, 1):
        if one.position != position or not 1 <= one.slot <= len(slots) or slots[one.slot - 1] != one.prize:
            return [f"draw {position} names another position or prize than the statement"]
        if position <= first:
            if one.slot != position or one.instead_of is not None:
                return [f"draw {position} should have prize {position}"]
        else:
            gone = one.instead_of or 0
            before = certificate.draws[gone - 1] if 0 < gone < position else None
            if before is None or before.outcome != "replaced" or before.slot != one.slot:
                return [f"draw {position} replaces nobody who gave up that prize"]
        if one.outcome == "won":
            if one.slot in held:
                return [f"prize {one.slot} went to two entrants"]
            held[one.slot] = position
    if len(certificate.draws) < first:
        return ["fewer were drawn than there are prizes and entrants"]
    if certificate.unawarded != len(slots) - len(held):
        return ["the number of prizes that were not awarded is wrong"]
    return []
