"""What WeCom can do in each of its four modes, as data.

Frequency limits: https://developer.work.weixin.qq.com/document/path/90454; robot: 91770; application messages: 90236;
mass messages: 92135.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from pydantic import ValidationError, field_validator

from shequn_sdk.domain import Account, EntityKind, Frozen, MediaKind
from shequn_sdk.errors import ConfigError
from shequn_sdk.platforms.manifest import (
    Capability,
    Idempotency,
    LengthUnit,
    Limits,
    Manifest,
    Markup,
    RateLimit,
    RateScope,
    RateShape,
    TextLimit,
)
from shequn_wecom.errors import PLATFORM

__all__ = ["MANIFESTS", "MODES", "Options", "manifest_for", "options_of"]

MODES = ("app", "robot", "appchat", "customer")

MEGABYTE = 1024 * 1024
SMALLEST_FILE = 5
"""Files of 5 bytes and fewer are refused."""


class Options(Frozen):
    """Options of a WeCom account, as the settings give them."""

    mode: Literal["app", "robot", "appchat", "customer"] = "app"
    """Which of WeCom's ways to speak this account is."""
    corp_id: str = ""
    """企业ID."""
    agent_id: int = 0
    """AgentId of the self-built application (mode app)."""
    home: str = "@all"
    """Channel inside which members' talks with the application are counted, as `@all/user:lin` (mode app)."""
    receive_id: str | None = None
    """Whom callbacks are meant for, when not the corporation: "" for AI bots, a suite's id for third parties."""
    callback_minutes: float = 10.0
    """How far a callback's time may be from this machine's clock; WeCom's documents ask for no such check."""
    text_format: Literal["auto", "text", "markdown", "markdown_v2"] = "auto"
    """auto sends markdown when the text has marks and plain text otherwise; markdown_v2 is the robot's only."""
    duplicate_window: int = 1800
    """Seconds for which WeCom drops a repeated application message; at most 14400."""
    sender: str = ""
    """userid of the member in whose name mass messages go to customers (mode customer)."""
    owners: tuple[str, ...] = ()
    """userids of group owners whose customer groups are listed; empty is all in the visible range."""
    mass_quota: Literal["month", "week", "day"] = "month"
    """Which quota of mass messages per customer and group the corporation chose in the console."""
    group_events: Literal["callback", "poll"] = "callback"
    """Where joins and leaves of customer groups come from: callbacks (at once), or comparing member lists (with the
    entrance's state)."""
    confirm_within_hours: float = 24.0
    """How long a mass message waits for the person."""

    @field_validator("agent_id", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("callback_minutes")
    @classmethod
    def _positive(cls, value: float) -> float:
        if not 0 < value <= 24 * 60:
            raise ValueError("must be above 0 and at most 1440 minutes")
        return value

    @field_validator("duplicate_window")
    @classmethod
    def _in_range(cls, value: int) -> int:
        if not 1 <= value <= 14400:
            raise ValueError("must be 1 to 14400 seconds")
        return value


def options_of(account: Account) -> Options:
    """Read and check an account's options.

    Raises:
        ConfigError: one is unknown or wrong; the message names it.
    """
    try:
        options = Options.model_validate(dict(account.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"option {where!r} of the wecom account {account.name!r} cannot be used: {first['msg']}; "
            f"options are {', '.join(sorted(Options.model_fields))}"
        ) from None
    if options.text_format == "markdown_v2" and options.mode != "robot":
        raise ConfigError(f"text_format markdown_v2 of the wecom account {account.name!r} needs mode robot")
    return options


_C = Capability


def _utf8(maximum: int) -> TextLimit:
    return TextLimit(maximum=maximum, unit=LengthUnit.UTF8)


_MARKDOWN = Markup(
    name="wecom-markdown",
    marks={EntityKind.BOLD: ("**", "**"), EntityKind.CODE: ("`", "`")},
    link="[{text}]({url})",
    mention="<@{id}>",
    line_quote="> ",
)
_MARKDOWN_V2 = Markup(
    name="wecom-markdown-v2",
    marks={
        EntityKind.BOLD: ("**", "**"),
        EntityKind.ITALIC: ("*", "*"),
        EntityKind.CODE: ("`", "`"),
        EntityKind.PRE: ("```\n", "\n```"),
    },
    link="[{text}]({url})",
    mention="@{name}",
    line_quote="> ",
)
_PLAIN = Markup(name="plain", link="{text} {url}", mention="@{name}")

_NO_REACTIONS = "WeCom has no reactions; use a vote card (mode app) or a link to a form"
_NO_EDIT = "only interactive cards can be changed, once, with the response code of the click: `update_card`"
_NO_PIN = "WeCom's API cannot pin"
_NO_HISTORY = "message texts are only in the paid archive 会话存档, which has no HTTP API"
_NO_NUMBERS = "WeCom tells no counts of a single message"
_NO_MODERATION = "WeCom's API cannot mute or remove; use intercept rules (敏感词) or the owner's client"
_LISTEN = "set callback_token and encoding_aes_key from the application's callback page 接收消息"

_COMMON_MISSING: Mapping[Capability, str] = MappingProxyType(
    {
        _C.EDIT: _NO_EDIT,
        _C.PIN: _NO_PIN,
        _C.REACT: _NO_REACTIONS,
        _C.READ_HISTORY: _NO_HISTORY,
        _C.SEARCH: _NO_HISTORY,
        _C.POST_METRICS: _NO_NUMBERS,
        _C.COMMENTS: "messages have no comments",
        _C.RECONCILE: "WeCom has no way to look up a message that was sent",
        _C.RESTRICT: _NO_MODERATION,
        _C.KICK: _NO_MODERATION,
        _C.BAN: _NO_MODERATION,
        _C.DELETE_OTHERS: "an application recalls its own messages only; what members write stays",
        _C.REPLY: "the API cannot quote a message; mention the member",
        _C.CLOSE_POLL: "a vote card is closed with `update_card` and the response code of a vote",
        _C.POLL_RESULTS: "votes come as callbacks only; count the VOTE interactions",
        _C.GATEWAY: "WeCom calls back over HTTP: use the webhook",
        _C.SLOW_MODE: "WeCom has no slow mode",
    }
)

_CORP_LIMITS = (
    RateLimit(
        name="per interface and minute",
        amount=10_000,
        per=timedelta(minutes=1),
        scope=RateScope.ENDPOINT,
        shape=RateShape.FIXED,
        operations=frozenset({"read", "edit", "delete", "moderate"}),
        source="90454: per corporation and interface",
    ),
    RateLimit(
        name="per interface and hour",
        amount=150_000,
        per=timedelta(hours=1),
        scope=RateScope.ENDPOINT,
        shape=RateShape.FIXED,
        operations=frozenset({"read", "edit", "delete", "moderate"}),
        source="90454: per corporation and interface",
    ),
)

_MEDIA_BYTES: Mapping[MediaKind, int] = MappingProxyType(
    {
        MediaKind.PHOTO: 10 * MEGABYTE,
        MediaKind.VIDEO: 10 * MEGABYTE,
        MediaKind.VOICE: 2 * MEGABYTE,
        MediaKind.AUDIO: 20 * MEGABYTE,
        MediaKind.ANIMATION: 20 * MEGABYTE,
        MediaKind.DOCUMENT: 20 * MEGABYTE,
    }
)
_IMAGES = frozenset({"image/jpeg", "image/png"})
_MEDIA_MIME: Mapping[MediaKind, frozenset[str]] = MappingProxyType(
    {
        MediaKind.PHOTO: _IMAGES,
        MediaKind.VIDEO: frozenset({"video/mp4"}),
        MediaKind.VOICE: frozenset({"audio/amr"}),
    }
)

_PER_MEMBER = "90236: same application to same member; what is more is dropped without an error"


def _app(options: Options, *, listens: bool) -> Manifest:
    missing = dict(_COMMON_MISSING)
    capabilities = {
        _C.PUBLISH_TEXT,
        _C.PUBLISH_PHOTO,
        _C.PUBLISH_VIDEO,
        _C.PUBLISH_AUDIO,
        _C.PUBLISH_DOCUMENT,
        _C.PUBLISH_POLL,
        _C.PUBLISH_ARTICLE,
        _C.PUBLISH_LINK,
        _C.BUTTONS,
        _C.DELETE,
        _C.CHANNEL_INFO,
        _C.LIST_CHANNELS,
        _C.MEMBER_COUNT,
        _C.GET_MEMBER,
        _C.LIST_MEMBERS,
        _C.DIRECT_MESSAGE,
        _C.STATISTICS,
        _C.PICTURES,
        _C.WEBHOOK,
    }
    missing[_C.MENTION] = "an application message goes to each member alone"
    missing[_C.PUBLISH_ALBUM] = "an application message holds one file"
    missing[_C.INVITES] = (
        "members of a corporation are added in the console; entrances exist in mode customer"
    )
    missing[_C.TAGS] = "tags of customers are in mode customer"
    if not listens:
        capabilities -= {_C.WEBHOOK, _C.PICTURES}
        missing |= {_C.WEBHOOK: _LISTEN, _C.PICTURES: _LISTEN}
    window = timedelta(seconds=options.duplicate_window)
    return Manifest(
        platform=PLATFORM,
        mode="app",
        title="企业微信应用消息",
        capabilities=frozenset(capabilities),
        missing=missing,
        limits=Limits(
            text=_utf8(2048),
            caption=_utf8(1),
            caption_with_media=False,
            media_per_post=1,
            media_bytes=_MEDIA_BYTES,
            media_mime=_MEDIA_MIME,
            poll_question=TextLimit(maximum=26),
            poll_choice=TextLimit(maximum=26),
            poll_choices=(1, 20),
            buttons=6,
            buttons_per_row=6,
            button_data=_utf8(1024),
            article_title=_utf8(128),
        ),
        markup=_PLAIN
        if options.text_format == "text"
        else _MARKDOWN.model_copy(update={"mention": "@{name}"}),
        rate_limits=(
            RateLimit(
                name="to one member per minute",
                amount=30,
                per=timedelta(minutes=1),
                scope=RateScope.CHANNEL,
                channel_pattern="(^|/)user:",
                source=_PER_MEMBER,
            ),
            RateLimit(
                name="to one member per hour",
                amount=1000,
                per=timedelta(hours=1),
                scope=RateScope.CHANNEL,
                channel_pattern="(^|/)user:",
                source=_PER_MEMBER,
            ),
            RateLimit(
                name="to many members per minute",
                amount=30,
                per=timedelta(minutes=1),
                scope=RateScope.ACCOUNT,
                channel_pattern="^(@all$|party:|tag:)",
                source=_PER_MEMBER,
            ),
            RateLimit(
                name="to many members per hour",
                amount=1000,
                per=timedelta(hours=1),
                scope=RateScope.ACCOUNT,
                channel_pattern="^(@all$|party:|tag:)",
                source=_PER_MEMBER,
            ),
            *_CORP_LIMITS,
        ),
        idempotency=Idempotency(native_key=True, window=window),
        reports=frozenset({"join", "leave", "message", "vote", "button", "click", "follow", "unfollow"})
        if listens
        else frozenset(),
        max_concurrency=4,
        secrets=("corp_secret",),
        notes=(
            "Channels: @all, user:lin (several joined by |), party:2, tag:3; what members say is in @all/user:lin.",
            "A day's budget is the corporation's account limit x 200 receivers.",
        ),
    )


def _robot(options: Options) -> Manifest:
    markdown = options.text_format in {"markdown", "markdown_v2"}
    markup = {"text": _PLAIN, "markdown_v2": _MARKDOWN_V2}.get(options.text_format, _MARKDOWN)
    capabilities = {
        _C.PUBLISH_TEXT,
        _C.PUBLISH_PHOTO,
        _C.PUBLISH_AUDIO,
        _C.PUBLISH_DOCUMENT,
        _C.PUBLISH_ARTICLE,
        _C.PUBLISH_LINK,
        _C.MENTION,
    }
    missing = dict(_COMMON_MISSING)
    if options.text_format == "markdown_v2":
        capabilities.discard(_C.MENTION)
        missing[_C.MENTION] = "markdown_v2 cannot mention; use text_format auto"
    deaf = "a group robot only speaks; use mode app to listen"
    missing.update(
        {
            _C.DELETE: "a robot's message has no id, so it cannot be taken back; use mode app",
            _C.WEBHOOK: deaf,
            _C.POLL_EVENTS: deaf,
            _C.PUBLISH_VIDEO: "robots send no video; send it as a file",
            _C.PUBLISH_POLL: "interactive cards need mode app",
            _C.PUBLISH_ALBUM: "a robot's message holds one picture or file",
            _C.BUTTONS: "interactive cards need mode app; put the link into the text",
            _C.LIST_CHANNELS: "a robot knows its own group only: channel `robot`",
            _C.LIST_MEMBERS: "a robot cannot see who is in its group",
            _C.DIRECT_MESSAGE: "a robot writes to its group only",
        }
    )
    return Manifest(
        platform=PLATFORM,
        mode="robot",
        title="企业微信群机器人",
        capabilities=frozenset(capabilities),
        missing=missing,
        limits=Limits(
            text=_utf8(4096 if markdown else 2048),
            caption=_utf8(1),
            caption_with_media=False,
            media_per_post=1,
            media_bytes={
                MediaKind.PHOTO: 2 * MEGABYTE,
                MediaKind.VOICE: 2 * MEGABYTE,
                MediaKind.AUDIO: 20 * MEGABYTE,
                MediaKind.DOCUMENT: 20 * MEGABYTE,
            },
            media_mime={MediaKind.PHOTO: _IMAGES, MediaKind.VOICE: frozenset({"audio/amr"})},
            article_title=_utf8(128),
        ),
        markup=markup,
        rate_limits=(
            RateLimit(
                name="per robot",
                amount=20,
                per=timedelta(minutes=1),
                scope=RateScope.ACCOUNT,
                source="91770: per key; the kind of window is not published, so the strictest is kept",
            ),
        ),
        max_concurrency=1,
        secrets=("key",),
        notes=("Channel: robot. The id of a post is made here, because WeCom gives none.",),
    )


def _appchat(options: Options) -> Manifest:
    capabilities = {
        _C.PUBLISH_TEXT,
        _C.PUBLISH_PHOTO,
        _C.PUBLISH_VIDEO,
        _C.PUBLISH_AUDIO,
        _C.PUBLISH_DOCUMENT,
        _C.PUBLISH_ARTICLE,
        _C.PUBLISH_LINK,
        _C.CHANNEL_INFO,
        _C.MEMBER_COUNT,
        _C.GET_MEMBER,
        _C.LIST_MEMBERS,
        _C.KICK,
    }
    missing = dict(_COMMON_MISSING)
    missing.update(
        {
            _C.LIST_CHANNELS: "WeCom does not list app groups; keep the chat ids that `create_chat` gave",
            _C.DELETE: "a message to an app group has no id and cannot be recalled",
            _C.PUBLISH_POLL: "vote cards need mode app",
            _C.BUTTONS: "cards cannot be sent to app groups; use mode app",
            _C.PUBLISH_ALBUM: "a message holds one file",
            _C.INVITES: "add members with `update_chat`",
            _C.WEBHOOK: "app groups send no events, and messages in them are not told",
            _C.POLL_EVENTS: "app groups send no events",
            _C.TAGS: "tags of customers are in mode customer",
            _C.MENTION: "app groups take no mentions",
            _C.DIRECT_MESSAGE: "use mode app",
        }
    )
    missing.pop(_C.KICK)
    person_times = (
        "90454: 20,000 receivers a minute and 300,000 an hour per corporation; a member gets 200 a minute"
    )
    return Manifest(
        platform=PLATFORM,
        mode="appchat",
        title="企业微信应用群聊",
        capabilities=frozenset(capabilities),
        missing=missing,
        limits=Limits(
            text=_utf8(2048),
            caption=_utf8(1),
            caption_with_media=False,
            media_per_post=1,
            media_bytes=_MEDIA_BYTES,
            media_mime=_MEDIA_MIME,
            article_title=_utf8(128),
        ),
        markup=_PLAIN
        if options.text_format == "text"
        else _MARKDOWN.model_copy(update={"mention": "@{name}"}),
        rate_limits=(
            RateLimit(
                name="to one group per minute",
                amount=200,
                per=timedelta(minutes=1),
                scope=RateScope.CHANNEL,
                source=person_times,
            ),
            RateLimit(
                name="to one group per day",
                amount=10_000,
                per=timedelta(days=1),
                scope=RateScope.CHANNEL,
                source=person_times,
            ),
            *_CORP_LIMITS,
        ),
        max_concurrency=4,
        secrets=("corp_secret",),
        notes=("Channel: the group's chatid. The id of a post is made here, because WeCom gives none.",),
    )


_MASS_QUOTAS: Mapping[str, tuple[int, timedelta]] = MappingProxyType(
    {"month": (28, timedelta(days=28)), "week": (7, timedelta(days=7)), "day": (1, timedelta(days=1))}
)


def _customer(options: Options, *, listens: bool) -> Manifest:
    capabilities = {
        _C.PUBLISH_TEXT,
        _C.PUBLISH_PHOTO,
        _C.PUBLISH_VIDEO,
        _C.PUBLISH_DOCUMENT,
        _C.PUBLISH_ALBUM,
        _C.PUBLISH_LINK,
        _C.MASS_MESSAGE,
        _C.CHANNEL_INFO,
        _C.LIST_CHANNELS,
        _C.MEMBER_COUNT,
        _C.GET_MEMBER,
        _C.LIST_MEMBERS,
        _C.DIRECT_MESSAGE,
        _C.TAGS,
        _C.INVITES,
        _C.STATISTICS,
        _C.AUTO_MODERATION,
        _C.RECONCILE,
    }
    missing = dict(_COMMON_MISSING)
    missing.pop(_C.RECONCILE)
    missing.update(
        {
            _C.DELETE: "a mass message that a person has sent cannot be recalled; before that, cancel its task",
            _C.PUBLISH_POLL: "customers get no interactive cards; link to a form or mini program",
            _C.BUTTONS: "customers get no interactive cards; use a link",
            _C.PUBLISH_ARTICLE: "send a link with a title and a picture",
            _C.PUBLISH_AUDIO: "mass messages take pictures, links, mini programs, videos and files",
            _C.MENTION: "no API posts into a customer group, and mass messages cannot mention",
            _C.REPLY: "no API posts into a customer group; a mass message must be confirmed by its owner",
            _C.POLL_EVENTS: "set group_events to poll to compare member lists of customer groups",
            _C.KICK: "only a group's owner or administrator can remove somebody, in the client",
        }
    )
    if listens:
        capabilities |= {_C.WEBHOOK, _C.WELCOME}
    else:
        missing[_C.WEBHOOK] = _LISTEN
        missing[_C.WELCOME] = f"the welcome code comes with a callback: {_LISTEN}"
    polls = options.group_events == "poll"
    if polls:
        capabilities.add(_C.POLL_EVENTS)
        missing.pop(_C.POLL_EVENTS)
    amount, per = _MASS_QUOTAS[options.mass_quota]
    return Manifest(
        platform=PLATFORM,
        mode="customer",
        title="企业微信客户联系",
        capabilities=frozenset(capabilities),
        missing=missing,
        limits=Limits(
            text=_utf8(4000),
            media_per_post=9,
            media_bytes={
                MediaKind.PHOTO: 10 * MEGABYTE,
                MediaKind.VIDEO: 10 * MEGABYTE,
                MediaKind.DOCUMENT: 20 * MEGABYTE,
            },
            media_mime={MediaKind.PHOTO: _IMAGES, MediaKind.VIDEO: frozenset({"video/mp4"})},
            invite_name=TextLimit(maximum=30),
        ),
        markup=_PLAIN,
        rate_limits=(
            RateLimit(
                name=f"mass messages per receiver and {options.mass_quota}",
                amount=amount,
                per=per,
                scope=RateScope.CHANNEL,
                zone="Asia/Shanghai",
                source="92135: as many per calendar month as it has days; or 7 a week; or 1 a day",
            ),
            *_CORP_LIMITS,
        ),
        idempotency=Idempotency(reconcile=True),
        person_must_confirm=True,
        confirm_within=timedelta(hours=options.confirm_within_hours),
        reports=frozenset({"join", "leave", "follow"})
        if listens
        else frozenset({"join", "leave"} if polls else ()),
        max_concurrency=3,
        min_poll_interval=timedelta(minutes=5),
        secrets=("corp_secret",),
        notes=(
            "Channels: wr… (customer group), customer:wm… (one), tag:et… (those with a tag), customers (all).",
            "No API posts into a customer group: a mass message waits until its owner presses send.",
        ),
    )


def manifest_for(account: Account) -> Manifest:
    """Give the manifest of an account.

    Raises:
        ConfigError: an option is wrong.
    """
    options = options_of(account)
    listens = bool(account.secret("callback_token") and account.secret("encoding_aes_key"))
    return _build(options, listens=listens)


def _build(options: Options, *, listens: bool) -> Manifest:
    match options.mode:
        case "robot":
            return _robot(options)
        case "appchat":
            return _appchat(options)
        case "customer":
            return _customer(options, listens=listens)
        case "app":
            return _app(options, listens=listens)


MANIFESTS: tuple[Manifest, ...] = tuple(
    _build(Options.model_validate({"mode": mode}), listens=True) for mode in MODES
)
"""One manifest per mode, with callbacks set up."""
