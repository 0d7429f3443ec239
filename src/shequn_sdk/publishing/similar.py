"""Texts that say nearly the same, found by fingerprints of 64 bits (SimHash, Charikar 2002); Chinese needs no spaces.

A fingerprint can be stored and compared for nothing; where two are near, `overlap` of the texts themselves decides.

```python
near = [at for at in candidates(mark, marks) if overlap(text, texts[at]) >= SAME]
```
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import regex

__all__ = [
    "FAR",
    "SAME",
    "candidates",
    "distance",
    "fingerprint",
    "overlap",
    "shingles",
    "signed",
    "similarity",
]

FAR = 20
"""Bits by which fingerprints may differ for the texts themselves to be compared: a similarity of 0.55."""
SAME = 0.5
"""Overlap from which on two texts say nearly the same."""

_BITS = 64
_MASK = (1 << _BITS) - 1
_LANE = 24
"""Bits of a lane: more than the weights of 40,000 shingles take."""
_MOST = 20_000
"""Characters of a text that are looked at."""
_LINK = regex.compile(r"https?://\S+|\]\([^)]*\)")
_RUN = regex.compile(
    r"(?P<joined>[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]+)|(?P<word>[\p{L}\p{N}\p{M}]+)|(?P<sign>\p{So})"
)


def shingles(text: str) -> Counter[str]:
    """Count what a text is made of: words, and pairs of neighbouring characters where a script has no spaces.

    Links, punctuation, letter case and width make no difference. Of a longer text the first 20,000 characters count.
    """
    plain = _LINK.sub(" ", unicodedata.normalize("NFKC", text[:_MOST])).casefold()
    found: Counter[str] = Counter()
    last = ""
    for match in _RUN.finditer(plain):
        run = match.group()
        if match.lastgroup == "joined":
            found.update(run[at : at + 2] for at in range(max(1, len(run) - 1)))
            last = ""
        else:
            found[run] += 1
            if last:
                found[f"{last} {run}"] += 1
            last = run if match.lastgroup == "word" else ""
    return found


def _laid_out(byte: int) -> int:
    return sum(1 << bit * _LANE for bit in range(8) if byte >> bit & 1)


_LAYOUT = tuple(_laid_out(byte) for byte in range(256))
"""The eight bits of a byte, each in a lane of its own."""


@lru_cache(maxsize=65_536)
def _lanes(shingle: str) -> int:
    """Give the 64 bits of a shingle's hash, each in a lane of its own, so that one addition counts them all."""
    digest = blake2b(shingle.encode("utf-8", "surrogatepass"), digest_size=_BITS // 8).digest()
    return sum(_LAYOUT[byte] << number * 8 * _LANE for number, byte in enumerate(digest))


def fingerprint(text: str) -> int:
    """Give the fingerprint of a text: 64 bits, of which texts that share most shingles share most; 0 of an empty one."""
    total, sums = 0, 0
    for shingle, count in shingles(text).items():
        # a word said ten times does not make ten times the text
        weight = 16 if count == 1 else round(16 * (1 + math.log2(count)))
        total += weight
        sums += _lanes(shingle) * weight
    if not total:
        return 0
    packed = sums.to_bytes(_BITS * _LANE // 8, "little")
    width = _LANE // 8
    return sum(
        1 << bit
        for bit in range(_BITS)
        if 2 * int.from_bytes(packed[bit * width : (bit + 1) * width], "little") > total
    )


def signed(mark: int) -> int:
    """Give a fingerprint as the signed number of 64 bits that any database keeps."""
    return mark - (1 << _BITS) if mark >> (_BITS - 1) else mark


def distance(a: int, b: int) -> int:
    """Count the bits in which two fingerprints differ, signed or not."""
    return ((a ^ b) & _MASK).bit_count()


def candidates(mark: int, others: Sequence[int]) -> list[int]:
    """Give the indexes of the fingerprints near enough for the texts themselves to be compared, nearest first.

    Args:
        mark: a fingerprint as `signed` gives it.
        others: such fingerprints.
    """
    if not mark or not others:
        return []
    marks = np.array(others, dtype=np.int64)
    differing = np.bitwise_count((marks ^ np.int64(mark)).view(np.uint64))
    near = np.flatnonzero((differing <= FAR) & (marks != 0))
    return near[np.argsort(differing[near], kind="stable")].tolist()


def similarity(a: int | str, b: int | str) -> float:
    """Estimate how similar two texts are from their fingerprints, from 0 (unrelated) to 1; texts are fingerprinted first.

    A share h of differing bits estimates the angle pi*h between the texts' shingle vectors (Charikar 2002); its cosine is
    given. The standard error is about 0.1 in the middle of the range; of short texts `overlap` knows more.
    """
    one = fingerprint(a) if isinstance(a, str) else a
    other = fingerprint(b) if isinstance(b, str) else b
    if (one & _MASK == 0) or (other & _MASK == 0):
        return 0.0
    return max(0.0, math.cos(math.pi * distance(one, other) / _BITS))


def overlap(a: str, b: str) -> float:
    """Give the shingles that two texts share, as a part of all they have (Jaccard's index of the counts), from 0 to 1."""
    one, other = shingles(a), shingles(b)
    union = (one | other).total()
    return (one & other).total() / union if union else 0.0
