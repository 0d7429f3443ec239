"""Records of links, entrances and partners."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from pydantic import AwareDatetime, Field

from shequn_sdk.domain import ChannelRef, Frozen, MemberRef, Name

__all__ = [
    "Agreement",
    "AgreementState",
    "Balance",
    "Clicks",
    "Entrance",
    "EntranceKind",
    "EntranceResult",
    "Partner",
    "PartnerKind",
    "PartnerResult",
    "ShortLink",
    "Side",
    "Source",
]


class Source(Frozen):
    """What brought somebody: content, campaign, partner, opinion leader, place (来源)."""

    campaign: str = Field(default="", max_length=120)
    content: str = Field(default="", max_length=255)
    """Id of the content in which it stood."""
    partner: str = Field(default="", max_length=63)
    kol: str = Field(default="", max_length=255)
    """Opinion leader, as `platform:native-id` or by name."""
    medium: str = Field(default="", max_length=60)
    """For example `social`, `qr`, `email`, `offline`."""
    place: str = Field(default="", max_length=120)
    """Where it was shown: a channel, a shop, a poster."""


class EntranceKind(StrEnum):
    """Form of an entrance."""

    INVITE = "invite"
    """The platform's own: Telegram invite link, Discord invite, WeCom contact way."""
    NAMED = "named"
    """A name that joins or orders bring along from elsewhere: a form, a shop, a printed code."""


class Entrance(Frozen):
    """A named way into the community (入口)."""

    community: str
    name: Name
    kind: EntranceKind
    channel: ChannelRef | None = None
    url: str = ""
    source: Source = Source()
    created_at: AwareDatetime
    closed_at: AwareDatetime | None = None


class EntranceResult(Frozen):
    """What came through one entrance in a period."""

    name: str
    """"" stands for members who came by no named entrance."""
    source: Source = Source()
    clicks: int | None = None
    """By people, on short links that lead to it; None when no short link does."""
    joined: int
    """Persons whose newest join in the period was by it."""
    present: int
    """Of these, who are still there."""
    active: int
    """Of these, who have done something since they came."""


class ShortLink(Frozen):
    """A short link that counts its clicks and knows nobody (短链)."""

    code: str
    community: str
    url: str
    entrance: str = ""
    source: Source = Source()
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None
    people: int = 0
    """Clicks by people, in all."""
    robots: int = 0
    """Looks by messengers' previews and crawlers."""


class Clicks(Frozen):
    """Clicks in one hour."""

    hour: AwareDatetime
    people: int
    robots: int


class PartnerKind(StrEnum):
    """What a partner is."""

    BRAND = "brand"
    SPONSOR = "sponsor"
    KOL = "kol"
    COMMUNITY = "community"
    MEDIA = "media"


class Partner(Frozen):
    """Somebody with whom the community works (合作伙伴)."""

    community: str
    name: Name
    title: str
    kind: PartnerKind
    member: MemberRef | None = None
    """Who it is among the members, for an opinion leader."""
    note: str = ""
    created_at: AwareDatetime
    ended_at: AwareDatetime | None = None


class Side(StrEnum):
    """Who gave."""

    GAVE = "gave"
    """We to them."""
    GOT = "got"
    """They to us."""


class AgreementState(StrEnum):
    """State of something agreed."""

    OPEN = "open"
    DONE = "done"
    BROKEN = "broken"
    """It was due and did not happen."""
    CANCELLED = "cancelled"


class Agreement(Frozen):
    """One thing that one side promised the other, such as a cross-post (互推)."""

    id: int
    community: str
    partner: str
    side: Side
    kind: str
    what: str
    due: AwareDatetime | None = None
    state: AgreementState
    reference: str = ""
    """Where it can be seen: a post's address, an invoice."""
    settled_at: AwareDatetime | None = None

    def is_overdue(self, now: AwareDatetime) -> bool:
        """Whether it should have happened by now."""
        return self.state is AgreementState.OPEN and self.due is not None and self.due < now


class Balance(Frozen):
    """What one kind of thing adds up to with a partner."""

    kind: str
    unit: str
    gave: Decimal
    got: Decimal


class PartnerResult(Frozen):
    """What working with a partner brought."""

    partner: Partner
    balances: tuple[Balance, ...]
    open_agreements: int
    overdue: int
    clicks: int
    joined: int
    present: int
    active: int
