"""What an adapter can do, as data: the single truth that core, composer and contract suite ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

import regex
from pydantic import Field

from shequn_sdk.domain import EntityKind, Frozen, MediaKind, Name
from shequn_sdk.errors import NotSupported

__all__ = [
    "API_VERSION",
    "Capability",
    "Idempotency",
    "LengthUnit",
    "Limits",
    "Manifest",
    "Markup",
    "PictureLimit",
    "RateLimit",
    "RateScope",
    "RateShape",
    "TextLimit",
    "measure",
]

API_VERSION = 1
"""Version of the plugin port; a plugin states the one it was written for."""


class Capability(StrEnum):
    """Something that an adapter may be able to do; each names one protocol method or one form of content."""

    # forms of content that `Publisher.publish` takes
    PUBLISH_TEXT = "publish_text"
    PUBLISH_PHOTO = "publish_photo"
    PUBLISH_VIDEO = "publish_video"
    PUBLISH_AUDIO = "publish_audio"
    PUBLISH_DOCUMENT = "publish_document"
    PUBLISH_ALBUM = "publish_album"
    PUBLISH_POLL = "publish_poll"
    PUBLISH_ARTICLE = "publish_article"
    PUBLISH_LINK = "publish_link"
    BUTTONS = "buttons"
    REPLY = "reply"
    MENTION = "mention"
    # what can be done with a message
    EDIT = "edit"
    DELETE = "delete"
    """The account's own messages can be deleted."""
    DELETE_OTHERS = "delete_others"
    """Messages of members can be deleted, by the same call; `DELETE` alone says nothing of these."""
    PIN = "pin"
    REACT = "react"
    CLOSE_POLL = "close_poll"
    POLL_RESULTS = "poll_results"
    RECONCILE = "reconcile"
    POST_METRICS = "post_metrics"
    READ_HISTORY = "read_history"
    COMMENTS = "comments"
    # channels
    CHANNEL_INFO = "channel_info"
    LIST_CHANNELS = "list_channels"
    MEMBER_COUNT = "member_count"
    TOPICS = "topics"
    SLOW_MODE = "slow_mode"
    PICTURES = "pictures"
    """Pictures that members post can be loaded."""
    # members
    GET_MEMBER = "get_member"
    LIST_MEMBERS = "list_members"
    DIRECT_MESSAGE = "direct_message"
    RESTRICT = "restrict"
    KICK = "kick"
    BAN = "ban"
    ROLES = "roles"
    TAGS = "tags"
    INVITES = "invites"
    INVITE_USES = "invite_uses"
    JOIN_REQUESTS = "join_requests"
    # listening
    POLL_EVENTS = "poll_events"
    WEBHOOK = "webhook"
    GATEWAY = "gateway"
    # platform specials
    COMMANDS = "commands"
    ANSWER_BUTTON = "answer_button"
    SCHEDULED_EVENTS = "scheduled_events"
    AUTO_MODERATION = "auto_moderation"
    SEARCH = "search"
    PAYMENTS = "payments"
    WELCOME = "welcome"
    MASS_MESSAGE = "mass_message"
    STATISTICS = "statistics"


class LengthUnit(StrEnum):
    """In what a platform counts the length of text."""

    CODE_POINTS = "code_points"
    UTF16 = "utf16"
    """UTF-16 code units."""
    UTF8 = "utf8"
    """Bytes of UTF-8."""
    HANZI = "hanzi"
    """One per Chinese character, one half per ASCII character, rounded up (汉字)."""
    GRAPHEMES = "graphemes"


def _hanzi(text: str) -> int:
    return (len(text.encode("gb18030", "replace")) + 1) // 2


_MEASURES: Mapping[LengthUnit, Callable[[str], int]] = MappingProxyType(
    {
        LengthUnit.CODE_POINTS: len,
        LengthUnit.UTF16: lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
        LengthUnit.UTF8: lambda text: len(text.encode("utf-8", "surrogatepass")),
        LengthUnit.HANZI: _hanzi,
        LengthUnit.GRAPHEMES: lambda text: len(regex.findall(r"\X", text)),
    }
)


def measure(text: str, unit: LengthUnit) -> int:
    """Give the length of `text` in `unit`.

    >>> measure("今晚8点", LengthUnit.HANZI), measure("👍", LengthUnit.UTF16)
    (4, 2)
    """
    return _MEASURES[unit](text)


class TextLimit(Frozen):
    """A maximum with its unit; `maximum` itself is still allowed."""

    maximum: int = Field(ge=1)
    unit: LengthUnit = LengthUnit.CODE_POINTS

    def fits(self, text: str) -> bool:
        """Whether `text` is not too long."""
        return measure(text, self.unit) <= self.maximum


class Markup(Frozen):
    """How the composer writes formatted text for a platform, as data.

    With `entities=True` text stays plain and formatting goes beside it. Otherwise each kind in `marks` is wrapped in
    its pair of marks; kinds that are missing are left plain, and the composer says so.
    """

    name: str = "plain"
    entities: bool = False
    marks: Mapping[EntityKind, tuple[str, str]] = Field(default_factory=dict)
    escape: str = ""
    """Characters that need `escape_with` before them in plain text."""
    escape_with: str = "\\"
    replace: Mapping[str, str] = Field(default_factory=dict)
    """Characters that are replaced in plain text, for example `<` by `&lt;`."""
    link: str = "{text} {url}"
    """Form of a link whose text differs from its address."""
    mention: str = "@{name}"
    """Form of a mention; may use `{name}` and `{id}`."""
    hashtag: str = "#{tag}"
    """Form of a hashtag, for example `#{tag}#`; "" leaves hashtags out."""
    line_quote: str = ""
    """What stands before each line of a quote, for example `> `."""


class RateScope(StrEnum):
    """What shares a budget."""

    APP = "app"
    ACCOUNT = "account"
    CHANNEL = "channel"
    ENDPOINT = "endpoint"
    ENDPOINT_CHANNEL = "endpoint_channel"


class RateShape(StrEnum):
    """How a budget refills."""

    SLIDING = "sliding"
    """At most `amount` in any stretch of `per`."""
    FIXED = "fixed"
    """Windows of length `per` that start with their first request."""
    CALENDAR = "calendar"
    """Windows aligned to the clock: minute, hour or local day of the platform's zone."""
    LEAKY = "leaky"
    """A bucket of `amount` that refills evenly over `per`."""


class RateLimit(Frozen):
    """A published limit: at most `amount` requests per `per`, in `scope`."""

    name: str
    amount: int = Field(ge=1)
    per: timedelta
    scope: RateScope
    shape: RateShape = RateShape.SLIDING
    operations: frozenset[str] = frozenset({"publish"})
    """Operations that count; `*` is all. Core's own are `publish`, `reply`, `edit`, `delete`, `react`, `moderate`, `read`."""
    channel_pattern: str = ""
    """Regular expression of native channel ids to which it applies (Telegram groups: `^-`); "" is all."""
    burst: int | None = None
    """How many may go at once; None is `amount`."""
    reserve: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share that only replies may use."""
    zone: str = "UTC"
    """Zone of calendar windows."""
    source: str = ""
    """Where the platform publishes it."""


class Idempotency(Frozen):
    """How repeating a publish that perhaps landed is made safe."""

    native_key: bool = False
    """The platform itself drops a repeated request with the same key or the same body."""
    window: timedelta | None = None
    """For how long the platform remembers."""
    reconcile: bool = False
    """Landed posts can be looked up (`Reconciler`)."""
    reconcile_delay: timedelta = timedelta(seconds=2)
    """How long a post may take before it can be seen."""


class PictureLimit(Frozen):
    """Measures that a picture must keep, in pixels; None is no limit."""

    longest_side: int | None = None
    sum_of_sides: int | None = None
    ratio: float | None = None
    """Longer side divided by the shorter one."""


class Limits(Frozen):
    """Limits of content, each with its unit."""

    text: TextLimit = TextLimit(maximum=4096)
    caption: TextLimit | None = None
    """Limit of text that goes with media; None is the limit of `text`."""
    media_per_post: int = 0
    media_bytes: Mapping[MediaKind, int] = Field(default_factory=dict)
    """Largest size per kind, in bytes."""
    media_mime: Mapping[MediaKind, frozenset[str]] = Field(default_factory=dict)
    """MIME types taken per kind; kinds that are missing take all."""
    picture: PictureLimit = PictureLimit()
    alt_text: TextLimit | None = None
    """Limit of the description of a picture; None where none is shown."""
    comment: TextLimit | None = None
    """Limit of a comment; None is the limit of `text`."""
    poll_question: TextLimit | None = None
    poll_choice: TextLimit | None = None
    poll_choices: tuple[int, int] = (2, 10)
    """Fewest and most choices."""
    poll_duration: tuple[timedelta, timedelta] | None = None
    buttons: int = 0
    buttons_per_row: int = 8
    button_data: TextLimit | None = None
    article_title: TextLimit | None = None
    article_body: TextLimit | None = None
    invite_name: TextLimit | None = None
    link_required_domain: bool = False
    """Every post needs a link under one of the account's safe domains."""
    link_cost: int | None = None
    """What any link counts, in the text's unit; None counts it as it is written."""
    caption_with_album: bool = True
    caption_with_media: bool = True
    """Whether text can go with a file in one message; False makes them two messages."""


class Manifest(Frozen):
    """What one account can do on one platform, in one mode (能力清单)."""

    platform: Name
    mode: str = ""
    """Variant of the platform: robot, app, customer contact, test level …; "" when it has one only."""
    api_version: int = API_VERSION
    title: str = ""
    capabilities: frozenset[Capability]
    missing: Mapping[Capability, str] = Field(default_factory=dict)
    """Why a capability is not there, and what to do instead; for `explain`."""
    limits: Limits = Limits()
    markup: Markup = Markup()
    rate_limits: tuple[RateLimit, ...] = ()
    idempotency: Idempotency = Idempotency()
    person_must_confirm: bool = False
    """A person has to press send: deliveries end in `awaiting_person` first."""
    confirm_within: timedelta = timedelta(days=1)
    reports: frozenset[str] = frozenset()
    """Kinds of interaction and counters that the platform tells at all: `view`, `reaction`, `join` … A metric over a
    kind that is not here is not reported, which is not 0."""
    max_concurrency: int = Field(default=8, ge=1)
    """Requests under way at once, per account."""
    min_poll_interval: timedelta = timedelta(0)
    secrets: tuple[str, ...] = ()
    """Names of the secrets that the account needs."""
    notes: tuple[str, ...] = ()

    def supports(self, *capabilities: Capability) -> bool:
        """Whether all of `capabilities` are declared."""
        return self.capabilities.issuperset(capabilities)

    def require(self, capability: Capability) -> None:
        """Check that `capability` is declared.

        Raises:
            NotSupported: it is not; the message is that of `explain`.
        """
        if capability not in self.capabilities:
            raise NotSupported(self.explain(capability), platform=self.platform, capability=str(capability))

    def explain(self, capability: Capability) -> str:
        """Say whether `capability` is there, and if not why and what to do."""
        where = f"{self.platform} ({self.mode})" if self.mode else self.platform
        if capability in self.capabilities:
            return f"{where} supports {capability}"
        why = self.missing.get(capability, "its API offers no such call to this account")
        return f"{where} does not support {capability}: {why}"

    def limits_for(self, operation: str, channel: str) -> tuple[RateLimit, ...]:
        """Give the rate limits that a request counts against."""
        return tuple(
            limit
            for limit in self.rate_limits
            if ("*" in limit.operations or operation in limit.operations)
            and (not limit.channel_pattern or regex.search(limit.channel_pattern, channel))
        )
