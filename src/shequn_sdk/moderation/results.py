"""What the room of moderation gives: cases, actions, appeals, raids, lines of the audit trail."""

from __future__ import annotations

from pydantic import AwareDatetime

from shequn_sdk.domain import Frozen, MemberRef
from shequn_sdk.moderation.engine import Decision

__all__ = ["Action", "Appeal", "AuditLine", "Backtest", "BacktestHit", "Case", "Raid", "RuleCheck"]


class Case(Frozen):
    """A message on which a rule decided, or a person is to decide (案件)."""

    id: int
    community: str
    member: MemberRef | None = None
    member_name: str = ""
    channel: str = ""
    """`account:native-id`."""
    message: str = ""
    """Native id; the text is not kept, only the words that explain the verdict."""
    rule: str
    score: float
    decision: Decision
    state: str
    """`queued`, `acted`, `overruled` or `recorded`."""
    actor: str = ""
    note: str = ""
    happened_at: AwareDatetime
    decided_at: AwareDatetime | None = None


class Action(Frozen):
    """Something to be done on a platform, and what became of it (处置)."""

    id: int
    source: str
    """`case:7` or `raid:3`."""
    kind: str
    channel: str
    member: str = ""
    message: str = ""
    seconds: int | None = None
    reason: str = ""
    state: str
    """`planned`, `trying`, `done`, `unknown` (looked at again), `refused` (the platform said no), `unsupported` (a person
    was asked), `spared` (an administrator or a bot), `dropped` (no longer wanted)."""
    attempts: int = 0
    due: AwareDatetime
    error: str = ""
    ended_at: AwareDatetime | None = None


class Appeal(Frozen):
    """A member who disagrees (申诉)."""

    case: int
    community: str
    text: str
    state: str
    """`open`, `granted` or `denied`."""
    actor: str = ""
    note: str = ""
    created_at: AwareDatetime
    decided_at: AwareDatetime | None = None


class Raid(Frozen):
    """A time during which a channel is protected (防炸群模式)."""

    id: int
    community: str
    channel: str
    cause: str
    actor: str
    began_at: AwareDatetime
    quiet_at: AwareDatetime
    """It ends then, unless there are further signs."""
    ended_at: AwareDatetime | None = None
    notes: tuple[str, ...] = ()
    """What could not be done on this platform, and why."""


class AuditLine(Frozen):
    """Who did what, when (审计)."""

    at: AwareDatetime
    actor: str
    what: str
    subject: str
    detail: str = ""


class BacktestHit(Frozen):
    """A message that rules would have hit."""

    at: AwareDatetime
    member: str
    channel: str
    rule: str
    review: bool
    score: float
    words: str
    """Why."""


class Backtest(Frozen):
    """What rules would have done to stored history (回测)."""

    messages: int
    """Messages with a text: others cannot be judged."""
    without_text: int
    """Messages whose text is not stored; see the setting `privacy.store_text`."""
    hits: int
    reviews: int
    members: int
    """Different members that would have been hit."""
    by_rule: dict[str, int]
    examples: tuple[BacktestHit, ...] = ()
    labelled: int = 0
    """Messages on which a person had decided."""
    precision: float | None = None
    """Of hits on labelled messages, the share in which the person agreed; None without such hits."""
    recall: float | None = None
    """Of labelled messages that a person found wrong, the share that was hit."""


class RuleCheck(Frozen):
    """A remark on a set of rules."""

    rule: str
    problem: str
