"""What the calendar and approvals speak of."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

from pydantic import AwareDatetime, Field

from shequn_sdk.domain import ChannelRef, Content, Frozen, MemberRef, Name, Role, ZoneName
from shequn_sdk.errors import InvalidInput

__all__ = [
    "Approval",
    "ApprovalPolicy",
    "BestTime",
    "Blackout",
    "Card",
    "Clash",
    "ClashKind",
    "DayNote",
    "Decision",
    "Difference",
    "Entry",
    "EntryState",
    "Evergreen",
    "FreeSlot",
    "ImportVerdict",
    "RowVerdict",
    "Slot",
    "Step",
    "View",
    "Vote",
    "as_state",
]


class EntryState(StrEnum):
    """How far an entry has come."""

    IDEA = "idea"
    """选题: may be no more than a line."""
    DRAFT = "draft"
    """草稿."""
    IN_REVIEW = "in_review"
    """待审: waits for approvals; when it has a time, it stands in the ledger, blocked."""
    APPROVED = "approved"
    """已审: approved, and without a time."""
    SCHEDULED = "scheduled"
    """已排期: in the ledger, goes out at its time."""
    LANDED = "landed"
    """已发布: stands in every channel."""
    FAILED = "failed"
    """At least one channel did not get it; `note` says why."""
    CANCELLED = "cancelled"


def as_state(value: EntryState | str) -> EntryState:
    """Read a state.

    Raises:
        InvalidInput: there is none of that name; the message lists them.
    """
    try:
        return EntryState(value)
    except ValueError:
        raise InvalidInput(f"{value!r} is no state of an entry: {', '.join(EntryState)}") from None


class Entry(Frozen):
    """One content in the calendar, with where and when it is to be said (排期条目)."""

    id: int
    community: Name
    state: EntryState
    content: Content
    channels: tuple[ChannelRef, ...] = ()
    at: AwareDatetime | None = None
    version: int = 1
    """Rises when content or channels change; approvals are of a version."""
    held: bool = False
    """Kept back by somebody (暂缓), whatever its state."""
    queued: bool = False
    """Its time is a slot that it got from the queue."""
    evergreen: int | None = None
    """The evergreen content that it is a use of."""
    author: str = ""
    """Who wrote this version, as `platform:native-id` or any name."""
    key: str | None = None
    note: str = ""
    """Why it failed, or what was asked to be changed."""
    idempotency_key: str = ""
    """Under which it stands in the ledger; "" when it does not."""
    landed_at: AwareDatetime | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Card(Frozen):
    """An entry as a calendar's page shows it; `get` has the whole."""

    id: int
    state: EntryState
    title: str
    """The beginning of its text."""
    channels: tuple[str, ...] = ()
    at: AwareDatetime | None = None
    category: str = ""
    promotional: bool = False
    pictures: int = 0
    held: bool = False
    version: int = 1


class DayNote(Frozen):
    """What a day of the calendar is."""

    day: date
    festivals: tuple[str, ...] = ()
    """Chinese names."""
    holiday: bool = False
    works: bool = True
    provisional: bool = False
    """The State Council has not announced that year's days off."""
    lunar: str = ""
    """Such as 八月十五; "" without the extra `cn-calendar`."""


class View(Frozen):
    """A stretch of the calendar (日历视图)."""

    community: Name
    zone: ZoneName
    start: date
    end: date
    """The last day shown."""
    cards: tuple[Card, ...]
    """By time."""
    undated: tuple[Card, ...] = ()
    """Ideas, drafts and approved entries without a time, newest first, at most 200."""
    days: tuple[DayNote, ...] = ()


class Slot(Frozen):
    """A time of the week at which a channel speaks (固定时段)."""

    id: int
    channel: ChannelRef
    zone: ZoneName
    weekday: int = Field(ge=0, le=6)
    """0 is Monday."""
    time: str
    """Such as 20:00, by the clock of `zone`."""
    category: str = ""
    """Takes contents of this category only; "" takes any."""


class FreeSlot(Frozen):
    """The next slot of a channel that nothing has taken."""

    slot: int
    channel: ChannelRef
    zone: ZoneName
    at: AwareDatetime
    week: int
    """Which of the slot's weeks: weeks since Monday, 1 January of the year 1."""


class Evergreen(Frozen):
    """A content that may be said again and again (常青内容)."""

    id: int
    content: Content
    channels: tuple[ChannelRef, ...]
    cooldown: timedelta
    """Least time between two uses."""
    max_uses: int | None = None
    uses: int = 0
    last_use: AwareDatetime | None = None
    """Time of the latest use, planned ones too."""
    ended: bool = False


class Blackout(Frozen):
    """A time in which nothing is to go out (静默期)."""

    id: int
    start: AwareDatetime
    end: AwareDatetime
    reason: str
    channel: ChannelRef | None = None
    """None is all channels of the community."""


class ClashKind(StrEnum):
    """What does not go together."""

    TOO_CLOSE = "too_close"
    PROMOTIONAL_IN_A_ROW = "promotional_in_a_row"
    BLACKOUT = "blackout"
    FESTIVAL = "festival"
    """An advertisement on a festival or a day of a feast's break."""
    NEAR_DUPLICATE = "near_duplicate"
    PAST = "past"


class Clash(Frozen):
    """Something that speaks against an entry (冲突); nothing is forbidden by it."""

    kind: ClashKind
    message: str
    channel: ChannelRef | None = None
    entry: int | None = None
    """The other entry."""
    similarity: float | None = None


class BestTime(Frozen):
    """An hour of the week in which many members are active (最佳发布时间)."""

    weekday: int
    """0 is Monday."""
    hour: int
    """By the community's zone."""
    members: float
    """Active members in an average one of these hours, thin data drawn to what is usual at that hour."""
    weeks: int
    """How often that hour lies in the data."""
    confidence: float
    """How sure it is that more are active in this hour than in the average one, 0 to 1, corrected for its being the
    best of 168; member-hours count as independent, so that it says rather too much."""
    next_at: AwareDatetime


class Difference(Frozen):
    """What differs between two versions of an entry (版本差异)."""

    entry: int
    old: int
    new: int
    fields: tuple[str, ...]
    """Names of what differs."""
    text: str
    """Unified diff, empty when nothing differs."""


class Step(Frozen):
    """One change to the calendar, as the audit log has it (操作记录)."""

    id: int
    at: AwareDatetime
    actor: str
    action: str
    note: str = ""
    entries: tuple[int, ...] = ()
    undoable: bool = False
    """`undo` would take it back."""


class RowVerdict(Frozen):
    """What became of one row of an imported file."""

    line: int
    """Where the row begins, from 1."""
    column: int | None = None
    """Of what is wrong, from 1; in JSON the character of the line."""
    field: str = ""
    ok: bool
    message: str = ""
    entry: int | None = None
    warnings: tuple[str, ...] = ()


class ImportVerdict(Frozen):
    """What an import did, row by row (导入结果)."""

    rows: tuple[RowVerdict, ...]
    imported: int
    """0 when a row was wrong and `partial` was not asked for: nothing is half imported."""
    rejected: int
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every row was right."""
        return self.rejected == 0


class ApprovalPolicy(Frozen):
    """Who must approve what goes out (审批规则)."""

    approvers: tuple[MemberRef, ...] = ()
    """Named members; `desk:anna` names somebody who is on no platform."""
    roles: frozenset[Role] = frozenset()
    """Members of the community with one of these roles may approve, too."""
    needed: int | None = Field(default=1, ge=1)
    """How many different persons must approve; None is all of them."""
    own: bool = False
    """Whether somebody may approve what he wrote himself."""
    channel: ChannelRef | None = None
    """Where approvals are asked for when an entry is submitted."""


class Decision(StrEnum):
    """What an approver says."""

    APPROVE = "approve"
    """通过."""
    CHANGES = "changes"
    """退回修改."""
    HOLD = "hold"
    """暂缓."""
    RELEASE = "release"
    """Ends a hold."""


class Vote(Frozen):
    """One decision of one person."""

    member: MemberRef | None
    """None: erased on request."""
    decision: Decision
    note: str = ""
    at: AwareDatetime


class Approval(Frozen):
    """Where the approval of one version of an entry stands (审批)."""

    entry: int
    version: int
    state: str
    """`open`, `approved`, `changes` (asked for), or `superseded` by a newer version."""
    code: str
    """What is typed in a chat that has no buttons: `approve CODE` or `通过 CODE`."""
    channel: ChannelRef | None = None
    needed: int
    """How many different persons must approve."""
    approved: int
    """How many have."""
    missing: tuple[MemberRef, ...] = ()
    """Who may approve and has not."""
    votes: tuple[Vote, ...] = ()
    asked_by: str = ""
    created_at: AwareDatetime
    closed_at: AwareDatetime | None = None
