"""Which texts say nearly the same: shingles, SimHash to find candidates, Jaccard to be sure.

SimHash: M. Charikar, Similarity Estimation Techniques from Rounding Algorithms, STOC 2002. The share of differing bits
estimates the angle between two texts' shingle vectors; texts that share 60 % of their shingles differ in about 14 of 64 bits.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import regex

__all__ = ["NEAR", "groups", "nearest", "shingles", "simhash", "similarity"]

NEAR = 0.55
"""Jaccard similarity from which on two texts say nearly the same."""
_BITS = 64
_CANDIDATE = 20
"""Differing bits up to which a pair is compared; texts at random differ in 32 +- 4."""
_PARTS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]|[\p{L}\p{N}]+")
_MOST_CHARACTERS = 2000


def shingles(text: str) -> frozenset[str]:
    """Give runs of three: of characters where words have no spaces (Chinese), of words elsewhere.

    Short texts have runs of two or of one as well, so that two titles can be compared.
    """
    plain = unicodedata.normalize("NFKC", text[:_MOST_CHARACTERS]).casefold()
    parts: list[str] = _PARTS.findall(plain)
    width = 3 if len(parts) >= 12 else 2 if len(parts) >= 4 else 1
    return frozenset("\x1f".join(parts[at : at + width]) for at in range(len(parts) - width + 1))


def simhash(found: Iterable[str]) -> int:
    """Give 64 bits, as a signed number that any database keeps; 0 for nothing."""
    hashes = [hashlib.blake2b(one.encode(), digest_size=8).digest() for one in found]
    if not hashes:
        return 0
    bits = np.unpackbits(np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, 8), axis=1)
    chosen = bits.sum(axis=0, dtype=np.int64) * 2 > len(hashes)
    return int.from_bytes(np.packbits(chosen).tobytes(), "big", signed=True)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Give the Jaccard similarity: what both have, divided by what either has; two empty sets are 0."""
    both = len(one & other)
    return both / (len(one) + len(other) - both) if both else 0.0


def nearest(
    found: frozenset[str], mark: int, others: Sequence[tuple[int, frozenset[str]]], *, near: float = NEAR
) -> int | None:
    """Give the index of the other text that is most like this one; None when none is near enough.

    Args:
        found: shingles of the text.
        mark: its SimHash.
        others: SimHash and shingles of each other text.
        near: least Jaccard similarity.
    """
    if not others or not found:
        return None
    marks = np.array([other for other, _ in others], dtype=np.int64)
    differing = np.bitwise_count((marks ^ np.int64(mark)).view(np.uint64))
    best, index = near, None
    for candidate in np.flatnonzero(differing <= _CANDIDATE).tolist():
        like = similarity(found, others[candidate][1])
        if like >= best:
            if index is not None and like == best:
                continue
            best, index = like, candidate
    return index


def groups(texts: Sequence[str], *, near: float = NEAR) -> list[int]:
    """Give for each text the index of the first one that it says nearly the same as; its own when it is the first."""
    heads: list[int] = []
    known: list[tuple[int, frozenset[str]]] = []
    for index, text in enumerate(texts):
        found = shingles(text)
        mark = simhash(found)
        like = nearest(found, mark, known, near=near)
        heads.append(index if like is None else heads[like])
        known.append((mark, found))
    return heads
