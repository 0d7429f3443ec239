"""What detectors find: verdicts with the words that explain them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from shequn_sdk.domain import Frozen

__all__ = [
    "ADVERT",
    "CONFLICT",
    "DUPLICATE",
    "FLOOD",
    "KINDS",
    "NEGATIVE",
    "RAID",
    "SCAM",
    "Evidence",
    "Verdict",
]

ADVERT = "advert"
SCAM = "scam"
FLOOD = "flood"
DUPLICATE = "duplicate"
RAID = "raid"
NEGATIVE = "negative"
CONFLICT = "conflict"
KINDS = (ADVERT, SCAM, FLOOD, DUPLICATE, RAID, NEGATIVE, CONFLICT)
"""The kinds of verdict that this package gives; a plugin's detector may give others."""


class Evidence(Frozen):
    """A part of the message that speaks for a verdict."""

    word: str
    """As it stands in the message, cut after 80 characters."""
    start: int = Field(ge=0)
    """Offset in code points of the original text."""
    end: int = Field(ge=0)
    why: str
    """What it was taken for."""


class Verdict(Frozen):
    """What a detector thinks of a message (判定)."""

    kind: str
    score: float = Field(ge=0, le=1)
    """0 to 1; a weight for rules to compare, no probability."""
    evidence: tuple[Evidence, ...] = ()

    def words(self) -> str:
        """Give the evidence as one line for people."""
        return "; ".join(f"{one.word!r} at {one.start}: {one.why}" for one in self.evidence)


def evidence(text: str, start: int, end: int, why: str) -> Evidence:
    """Make evidence of a part of `text`."""
    return Evidence(word=text[start:end][:80], start=start, end=end, why=why)


def noisy_or(weights: Sequence[float]) -> float:
    """Join independent hints: 1 - Π(1 - w); no hint gives 0, and no number of weak hints gives more than 1."""
    rest = 1.0
    for weight in weights:
        rest *= 1.0 - weight
    return 1.0 - rest
