"""Rules of points, and what the ledger tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field

from shequn_sdk.domain import Frozen, InteractionKind, Name

__all__ = [
    "Award",
    "Balance",
    "Decay",
    "Entry",
    "LedgerCheck",
    "PointRule",
    "PointRules",
    "Signal",
]


class PointRule(Frozen):
    """So many points for each interaction of a kind (积分规则)."""

    name: Name
    kind: InteractionKind
    points: int = Field(ge=1, le=1_000_000)
    per_day: int | None = Field(default=None, ge=1)
    """Most points that a person gets by this rule on one local day; None is without end."""
    per_week: int | None = Field(default=None, ge=1)
    """Most points in one local week, Monday to Sunday."""
    to: Literal["actor", "target"] = "actor"
    """Who gets them: who did it, or at whom it was aimed, where the platform says (an answered author, who invited)."""
    min_letters: int = Field(default=0, ge=0)
    """Letters and digits that a text must have: emoji and punctuation earn nothing."""
    expires_after: timedelta | None = None
    """How long these points last; None is what `PointRules` says."""


class Decay(Frozen):
    """What is lost by being away (积分衰减)."""

    percent: int = Field(ge=1, le=100)
    """Of the balance, rounded down, for each period that begins without an award."""
    every: timedelta = timedelta(days=30)


class PointRules(Frozen):
    """All rules of a community."""

    rules: tuple[PointRule, ...] = ()
    expires_after: timedelta | None = None
    """How long points last; None is for ever."""
    decay: Decay | None = None


class Award(Frozen):
    """Points that are given by hand or by a program, in a batch."""

    member: str
    """`platform:native-id`."""
    points: int = Field(ge=1)
    key: str = Field(min_length=1, max_length=300)
    """What they are for: the same key is booked once."""
    note: str = Field(default="", max_length=300)


class Balance(Frozen):
    """What a person has, over all their members on all platforms (积分余额)."""

    member: str
    balance: int
    """May be below 0, when points were taken back that had been spent."""
    earned: int
    """All that ever came in and was not taken back."""
    by_member: Mapping[str, int] = Field(default_factory=dict)


class Entry(Frozen):
    """One entry of the ledger: an amount from one account to another."""

    id: int
    kind: str
    """award, reversal, redeem, refund, expiry, decay."""
    points: int
    """Above 0 came in, below 0 went out, as the member sees it."""
    rule: str
    day: date
    at: AwareDatetime
    expires_at: AwareDatetime | None = None
    note: str = ""


class LedgerCheck(Frozen):
    """Whether the ledger agrees with itself (对账)."""

    entries: int
    accounts: int
    total: int
    """Sum of all balances: 0, or something is wrong."""
    wrong: tuple[str, ...] = ()
    """Accounts whose kept balance is not the sum of their entries."""

    @property
    def ok(self) -> bool:
        """Whether all agrees."""
        return self.total == 0 and not self.wrong


class Signal(Frozen):
    """A sign of points that were farmed (刷分线索): evidence for a person to judge, never a punishment."""

    kind: Literal["pair", "ring", "burst", "alike", "copied"]
    """Two who react to each other; several who do so; many awards within a minute; one person's messages all alike;
    the same message of several persons."""
    members: tuple[str, ...]
    count: int
    words: str
    """What was seen, in words."""
    evidence: tuple[str, ...] = ()
    """Places of what was counted: `kind/platform/channel/message`, at most ten."""
