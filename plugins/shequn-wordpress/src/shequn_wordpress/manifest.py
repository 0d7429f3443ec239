"""What a WordPress account can do, as data.

WordPress itself publishes no rate limits and few limits of size: what hosts add differs, so those numbers are options.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, ValidationError

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

__all__ = ["MANIFESTS", "PLATFORM", "Options", "manifest_for", "options_of"]

PLATFORM = "wordpress"
_K = EntityKind
_C = Capability
_MB = 1024 * 1024
_COMMENT = 65_525
"""Bytes of a comment: `wp_get_comment_fields_max_lengths`, where the database says nothing else."""


class Options(Frozen):
    """Options of a WordPress account, as the settings give them."""

    username: str = ""
    """Name of the user to whom the application password belongs."""
    status: Literal["publish", "draft", "pending", "private"] = "publish"
    """What a post becomes unless its content says otherwise (`attrs["wordpress_status"]`)."""
    slug_from_key: bool = True
    """Give new posts an address made of the delivery's key, by which a post is found again after a broken
    connection. Without it WordPress makes the address of the title, and posts cannot be found again."""
    text_limit: int = Field(default=50_000, ge=100)
    """Code points of a post; WordPress itself has no limit, hosts limit the size of a request."""
    upload_bytes: int = Field(default=8 * _MB, ge=1024)
    """Largest file; the host's `upload_max_filesize`."""
    requests_per_minute: int = Field(default=60, ge=1)
    """Cautious: WordPress has no limit, hosts and firewalls do."""
    poll_minutes: float = Field(default=2.0, ge=0.1)
    """Between two looks for new comments and posts."""
    look_back_hours: float = Field(default=24.0, ge=0.1)
    """How far back comments are asked for again, because those that wait for moderation appear with their old time."""


def options_of(account: Account) -> Options:
    """Read and check an account's options.

    Raises:
        ConfigError: one is unknown or wrong; the message names it.
    """
    try:
        return Options.model_validate(dict(account.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"option {where!r} of the wordpress account {account.name!r} cannot be used: {first['msg']}; "
            f"options are {', '.join(sorted(Options.model_fields))}"
        ) from None


_MARKUP = Markup(
    name="html",
    marks={
        _K.BOLD: ("<strong>", "</strong>"),
        _K.ITALIC: ("<em>", "</em>"),
        _K.UNDERLINE: ("<u>", "</u>"),
        _K.STRIKE: ("<s>", "</s>"),
        _K.CODE: ("<code>", "</code>"),
        _K.PRE: ("<pre>", "</pre>"),
        _K.QUOTE: ("<blockquote>", "</blockquote>"),
    },
    replace={"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"},
    link='<a href="{url}">{text}</a>',
)
_CAPABILITIES = frozenset(
    {
        _C.PUBLISH_TEXT,
        _C.PUBLISH_PHOTO,
        _C.PUBLISH_ALBUM,
        _C.PUBLISH_ARTICLE,
        _C.EDIT,
        _C.DELETE,
        _C.POST_METRICS,
        _C.COMMENTS,
        _C.CHANNEL_INFO,
        _C.LIST_CHANNELS,
        _C.POLL_EVENTS,
    }
)
_MISSING = {
    _C.PUBLISH_VIDEO: "upload it in WordPress, or link to it",
    _C.PUBLISH_AUDIO: "upload it in WordPress, or link to it",
    _C.PUBLISH_DOCUMENT: "upload it in WordPress, or link to it",
    _C.PUBLISH_POLL: "WordPress has none without a plugin of its own",
    _C.PUBLISH_LINK: "a link stands in the text",
    _C.BUTTONS: "a link stands in the text",
    _C.REPLY: "answers are comments (`comment`)",
    _C.MENTION: "WordPress tells nobody that they were named",
    _C.DELETE_OTHERS: "what readers write are comments: put them into the bin in WordPress, or use delete_comment",
    _C.MEMBER_COUNT: "readers are no members; count subscribers where they subscribe",
    _C.READ_HISTORY: "posts are read by `iter_posts`, comments by `iter_comments`",
    _C.WEBHOOK: "WordPress calls nobody without a plugin of its own; new comments are polled",
}
_NO_RECONCILE = "a post without an address of its own cannot be told from others: set slug_from_key"


def _manifest(options: Options) -> Manifest:
    capabilities, missing = set(_CAPABILITIES), dict(_MISSING)
    if options.slug_from_key:
        capabilities.add(_C.RECONCILE)
    else:
        missing[_C.RECONCILE] = _NO_RECONCILE
    return Manifest(
        platform=PLATFORM,
        title="WordPress",
        capabilities=frozenset(capabilities),
        missing=missing,
        limits=Limits(
            text=TextLimit(maximum=options.text_limit),
            comment=TextLimit(maximum=_COMMENT, unit=LengthUnit.UTF8),
            media_per_post=20,
            media_bytes={MediaKind.PHOTO: options.upload_bytes},
            media_mime={MediaKind.PHOTO: frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})},
            alt_text=TextLimit(maximum=1000),
        ),
        markup=_MARKUP,
        rate_limits=(
            RateLimit(
                name="requests",
                amount=options.requests_per_minute,
                per=timedelta(minutes=1),
                scope=RateScope.ACCOUNT,
                shape=RateShape.SLIDING,
                operations=frozenset({"*"}),
                source="an option; WordPress publishes none",
            ),
        ),
        idempotency=Idempotency(reconcile=options.slug_from_key, reconcile_delay=timedelta(seconds=2)),
        reports=frozenset({"comment", "message", "comments"}),
        max_concurrency=2,
        min_poll_interval=timedelta(minutes=options.poll_minutes),
        secrets=("application_password",),
        notes=(
            "Channels: `posts` is the whole site, `category:7` a category; what others write is heard in `posts`.",
            "An article's body is Markdown and becomes HTML; HTML in it is shown, not carried out.",
            "`attrs` of a content: wordpress_status (draft, pending, private, publish), publish_at (an instant).",
            "Views are not counted by WordPress; comments are.",
        ),
    )


def manifest_for(account: Account) -> Manifest:
    """Give the manifest of an account.

    Raises:
        ConfigError: an option is wrong.
    """
    return _manifest(options_of(account))


MANIFESTS = (_manifest(Options()),)
"""The manifest with its default options."""
