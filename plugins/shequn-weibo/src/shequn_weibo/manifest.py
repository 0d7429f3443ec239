"""What Weibo lets an application do at each level, as data.

Limits: https://open.weibo.com/wiki/Rate-limiting; publishing: https://open.weibo.com/wiki/2/statuses/share.
Revisions of these pages disagree, so every number is an option.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError, field_validator

from shequn_sdk.domain import Account, Frozen, MediaKind
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
from shequn_weibo.errors import PLATFORM

__all__ = ["LEVELS", "MANIFESTS", "Options", "manifest_for", "options_of"]

LEVELS = ("test", "normal", "commercial")
ZONE = "Asia/Shanghai"
MAX_PICTURE = 5 * 1024 * 1024 - 1
_DOMAIN = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class Options(Frozen):
    """Options of a Weibo account, as the settings give them."""

    level: Literal["test", "normal", "commercial"] = "normal"
    """What the application has: test (not reviewed), normal (reviewed), commercial (contract)."""
    uid: str = ""
    """uid of the user who authorised; asked from Weibo when it is missing."""
    safe_domains: tuple[str, ...] = ()
    """The application's 安全域名; every post needs a link under one of them. Empty leaves the check to Weibo."""
    rip: str = ""
    """Public IP address of the person who publishes; newer revisions of the documents require it."""
    text_limit: int = Field(default=140, ge=1, le=5000)
    """汉字 in a post."""
    comment_limit: int = Field(default=140, ge=1, le=2000)
    """汉字 in a comment."""
    daily_budget: int | None = Field(default=None, ge=0)
    """Calls per user and day; None is the level's own (test and normal 100, commercial none), 0 is none."""
    write_reserve: int | None = Field(default=None, ge=0)
    """Calls of the daily budget that only posts and comments may use; None is three tenths."""
    posts_per_hour: int = Field(default=30, ge=1)
    comments_per_hour: int = Field(default=60, ge=1)
    poll_minutes: float = Field(default=4.0, ge=3.0)
    """Between two polls; Weibo's terms ask for 3 to 5 minutes at least."""
    share_minutes: float = Field(default=60.0, ge=5.0)
    """Between two looks at the counters of our newest posts, which show who shared them."""
    sweep_hours: float = Field(default=6.0, gt=0)
    """A feed is read at least this often, even if its unread counter stands still."""
    allow_delete: bool | None = None
    """Whether the application may call `statuses/destroy`; None is what the level usually has."""
    fan_service: bool = False
    """Whether the account is verified and uses 粉丝服务: pushes come in, and messages can be answered."""
    push_minutes: float = Field(default=10.0, gt=0, le=1440)
    """How far a push's time may be from this machine's clock; Weibo's documents ask for no such check."""
    push_path_secret: str = ""
    """What nobody else knows of the push address: a part of its path, or `key` in its query. Pushes without it are
    refused."""
    token_expires_at: AwareDatetime | None = None
    """When the stored token ends (`Grant.expires_at`)."""
    redirect_uri: str = ""
    """The callback address registered for the application."""
    duplicate_minutes: float = Field(default=60.0, gt=0)
    """For how long Weibo is taken to refuse the same text again."""

    @field_validator("uid", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("uid")
    @classmethod
    def _decimal(cls, value: str) -> str:
        if value and not (value.isascii() and value.isdigit()):
            raise ValueError("must be the user's decimal id")
        return value

    @field_validator("safe_domains")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(domain.strip().lower().lstrip("*").strip(".") for domain in value)
        for domain in cleaned:
            if not _DOMAIN.fullmatch(domain):
                raise ValueError(f"{domain!r} is no domain; write for example club.example.com")
        return cleaned

    @field_validator("rip")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            ipaddress.ip_address(value)
        return value

    @property
    def per_day(self) -> int | None:
        """Calls a day, None for no limit."""
        if self.daily_budget is None:
            return None if self.level == "commercial" else 100
        return self.daily_budget or None

    @property
    def reserve(self) -> int:
        """Calls a day that only writes may use."""
        if self.per_day is None:
            return 0
        wanted = self.per_day * 3 // 10 if self.write_reserve is None else self.write_reserve
        return min(wanted, self.per_day)

    @property
    def can_delete(self) -> bool:
        """Whether posts can be deleted."""
        return self.level == "commercial" if self.allow_delete is None else self.allow_delete


def options_of(account: Account) -> Options:
    """Read and check an account's options.

    Raises:
        ConfigError: one is unknown or wrong; the message names it.
    """
    try:
        return Options.model_validate_json(_as_json(account))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"option {where!r} of the weibo account {account.name!r} cannot be used: {first['msg']}; "
            f"options are {', '.join(sorted(Options.model_fields))}"
        ) from None


def _as_json(account: Account) -> str:
    import json  # noqa: PLC0415 - dates come as text from the settings

    options = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in account.options.items()
    }
    return json.dumps(options)


_C = Capability
_BASE = frozenset(
    {
        _C.PUBLISH_TEXT,
        _C.PUBLISH_PHOTO,
        _C.MENTION,
        _C.RECONCILE,
        _C.POST_METRICS,
        _C.COMMENTS,
        _C.CHANNEL_INFO,
        _C.MEMBER_COUNT,
        _C.GET_MEMBER,
        _C.POLL_EVENTS,
    }
)
_MISSING = {
    _C.EDIT: "a post of the open API cannot be changed; delete it on weibo.com and publish anew",
    _C.PUBLISH_ALBUM: "statuses/share takes one picture",
    _C.PUBLISH_VIDEO: "statuses/share takes one picture; upload the video on weibo.com and share its link",
    _C.PUBLISH_POLL: "polls are made on weibo.com only; write the choices into the text",
    _C.PUBLISH_LINK: "there are no cards; the link stands in the text",
    _C.READ_HISTORY: "only the newest 5 of one's own posts can be read (iter_own_posts)",
    _C.LIST_CHANNELS: "an account has one timeline: its own",
    _C.SEARCH: "search needs a commercial contract",
    _C.REPLY: "answers to a post are comments (comment)",
    _C.DELETE_OTHERS: "posts of others stay; a comment under an own post is deleted on weibo.com, or tried with delete_comment",
    _C.BAN: "the API cannot block users",
    _C.KICK: "the API cannot remove followers",
    _C.REACT: "likes cannot be given by the API",
}
_NO_FOLLOWERS = (
    "friendships/followers shows 5 followers at most, and only those who authorised the same application"
)
_NO_DELETE = (
    "statuses/destroy is closed to most applications; set allow_delete when the console shows it as open"
)
_NO_FANS = "needs a verified account with 粉丝服务: set fan_service with the secrets fan_token and app_secret"


def _manifest(options: Options) -> Manifest:
    capabilities = set(_BASE)
    missing = dict(_MISSING)
    if options.can_delete:
        capabilities.add(_C.DELETE)
    else:
        missing[_C.DELETE] = _NO_DELETE
    if options.level == "commercial":
        capabilities.add(_C.LIST_MEMBERS)
    else:
        missing[_C.LIST_MEMBERS] = _NO_FOLLOWERS
    reports = {"comment", "mention", "share", "reaction", "follow"}
    secrets = ["access_token"]
    if options.fan_service:
        capabilities |= {_C.DIRECT_MESSAGE, _C.WEBHOOK}
        reports |= {"unfollow", "message"}
        secrets += ["app_secret", "fan_token"]
    else:
        missing |= {_C.DIRECT_MESSAGE: _NO_FANS, _C.WEBHOOK: _NO_FANS}
    return Manifest(
        platform=PLATFORM,
        mode=options.level,
        title=f"Weibo 新浪微博, {options.level} level",
        capabilities=frozenset(capabilities),
        missing=missing,
        limits=Limits(
            text=TextLimit(maximum=options.text_limit, unit=LengthUnit.HANZI),
            media_per_post=1,
            media_bytes={MediaKind.PHOTO: MAX_PICTURE},
            media_mime={MediaKind.PHOTO: frozenset({"image/jpeg", "image/png", "image/gif"})},
            link_required_domain=True,
            comment=TextLimit(maximum=options.comment_limit, unit=LengthUnit.HANZI),
        ),
        markup=Markup(name="weibo", mention="@{name}", hashtag=""),
        rate_limits=_rates(options),
        idempotency=Idempotency(
            window=timedelta(minutes=options.duplicate_minutes),
            reconcile=True,
            reconcile_delay=timedelta(seconds=10),
        ),
        reports=frozenset(reports),
        max_concurrency=2,
        min_poll_interval=timedelta(minutes=options.poll_minutes),
        secrets=tuple(secrets),
        notes=(
            "Every post needs a link under the application's safe domain (安全域名).",
            "Posts are found again among the newest 5 of the own timeline only.",
            "Of mentions, shares and followers Weibo shows those whose authors authorised the application.",
        ),
    )


def _rates(options: Options) -> tuple[RateLimit, ...]:
    page = "https://open.weibo.com/wiki/Rate-limiting"
    limits = [
        RateLimit(
            name="posts",
            amount=options.posts_per_hour,
            per=timedelta(hours=1),
            scope=RateScope.ACCOUNT,
            operations=frozenset({"publish"}),
            channel_pattern=r"^[^d]",
            source=page,
        ),
        RateLimit(
            name="comments",
            amount=options.comments_per_hour,
            per=timedelta(hours=1),
            scope=RateScope.ACCOUNT,
            operations=frozenset({"reply"}),
            source=page,
        ),
    ]
    if options.per_day is not None:
        limits.append(
            RateLimit(
                name="daily budget",
                amount=options.per_day,
                per=timedelta(days=1),
                scope=RateScope.ACCOUNT,
                shape=RateShape.CALENDAR,
                operations=frozenset({"*"}),
                zone=ZONE,
                source=page,
            )
        )
    return tuple(limits)


def manifest_for(account: Account) -> Manifest:
    """Give the manifest of an account, by its level.

    Raises:
        ConfigError: an option is wrong.
    """
    return _manifest(options_of(account))


MANIFESTS = tuple(_manifest(Options.model_validate({"level": level})) for level in LEVELS)
"""One manifest per level, without fan service."""
