"""What Discord can do for an account, per mode: a bot, or one channel's webhook."""

from __future__ import annotations

from datetime import timedelta

from shequn_sdk.domain import Account, EntityKind, MediaKind
from shequn_sdk.errors import ConfigError
from shequn_sdk.platforms.manifest import (
    Capability,
    Idempotency,
    Limits,
    Manifest,
    Markup,
    RateLimit,
    RateScope,
    RateShape,
    TextLimit,
)

__all__ = ["BOT", "WEBHOOK", "manifest_for"]

_C = Capability
_K = EntityKind
_FILE = 10 * 1024 * 1024
"""Default size of one file; boosted servers take more."""

_LIMITS = Limits(
    text=TextLimit(maximum=2000),
    media_per_post=10,
    media_bytes=dict.fromkeys(MediaKind, _FILE),
    alt_text=TextLimit(maximum=1024),
    poll_question=TextLimit(maximum=300),
    poll_choice=TextLimit(maximum=55),
    poll_choices=(1, 10),
    poll_duration=(timedelta(hours=1), timedelta(hours=768)),
    buttons=25,
    buttons_per_row=5,
    button_data=TextLimit(maximum=100),
    article_title=TextLimit(maximum=256),
    article_body=TextLimit(maximum=4096),
    invite_name=TextLimit(maximum=255),
)

_MARKUP = Markup(
    name="discord",
    marks={
        _K.BOLD: ("**", "**"),
        _K.ITALIC: ("*", "*"),
        _K.UNDERLINE: ("__", "__"),
        _K.STRIKE: ("~~", "~~"),
        _K.SPOILER: ("||", "||"),
        _K.CODE: ("`", "`"),
        _K.PRE: ("```{language}\n", "\n```"),
    },
    escape="\\*_~|`><#-",
    link="[{text}]({url})",
    mention="<@{id}>",
    hashtag="#{tag}",
    line_quote="> ",
)

_WHY = {
    _C.COMMENTS: "Discord has no comments under a post; open a thread with open_topic, or answer with reply_to",
    _C.TAGS: "Discord has roles instead of tags; use grant_role and revoke_role",
    _C.WELCOME: "Discord ties no message to a join; publish one when a join arrives",
    _C.MASS_MESSAGE: "Discord forbids mass messages to members; publish to a channel",
    _C.JOIN_REQUESTS: "the join request calls are not documented for bots; let onboarding or a role decide",
    _C.STATISTICS: "Guild Insights is not open to bots; metrics are computed from events",
    _C.POLL_EVENTS: "events come through the Gateway; use it (GATEWAY)",
}

_SOURCE = "https://discord.com/developers/docs/topics/rate-limits"

BOT = Manifest(
    platform="discord",
    mode="bot",
    title="Discord bot",
    capabilities=frozenset(
        {
            _C.PUBLISH_TEXT,
            _C.PUBLISH_PHOTO,
            _C.PUBLISH_VIDEO,
            _C.PUBLISH_AUDIO,
            _C.PUBLISH_DOCUMENT,
            _C.PUBLISH_ALBUM,
            _C.PUBLISH_POLL,
            _C.PUBLISH_ARTICLE,
            _C.PUBLISH_LINK,
            _C.BUTTONS,
            _C.REPLY,
            _C.MENTION,
            _C.EDIT,
            _C.DELETE,
            _C.DELETE_OTHERS,
            _C.PIN,
            _C.REACT,
            _C.CLOSE_POLL,
            _C.POLL_RESULTS,
            _C.RECONCILE,
            _C.POST_METRICS,
            _C.READ_HISTORY,
            _C.CHANNEL_INFO,
            _C.LIST_CHANNELS,
            _C.MEMBER_COUNT,
            _C.TOPICS,
            _C.PICTURES,
            _C.SLOW_MODE,
            _C.GET_MEMBER,
            _C.LIST_MEMBERS,
            _C.DIRECT_MESSAGE,
            _C.RESTRICT,
            _C.KICK,
            _C.BAN,
            _C.ROLES,
            _C.INVITES,
            _C.INVITE_USES,
            _C.GATEWAY,
            _C.WEBHOOK,
            _C.COMMANDS,
            _C.ANSWER_BUTTON,
            _C.SCHEDULED_EVENTS,
            _C.AUTO_MODERATION,
            _C.SEARCH,
            _C.PAYMENTS,
        }
    ),
    missing=_WHY,
    limits=_LIMITS,
    markup=_MARKUP,
    rate_limits=(
        RateLimit(
            name="global",
            amount=50,
            per=timedelta(seconds=1),
            scope=RateScope.ACCOUNT,
            operations=frozenset({"*"}),
            source=_SOURCE,
        ),
        RateLimit(
            name="messages of a channel",
            amount=5,
            per=timedelta(seconds=5),
            scope=RateScope.ENDPOINT_CHANNEL,
            shape=RateShape.FIXED,
            operations=frozenset({"publish", "reply"}),
            source=_SOURCE,
        ),
    ),
    idempotency=Idempotency(
        native_key=True,
        window=timedelta(minutes=2),
        reconcile=True,
        reconcile_delay=timedelta(seconds=2),
    ),
    reports=frozenset(
        {
            "join",
            "leave",
            "message",
            "edit",
            "reaction",
            "share",
            "vote",
            "command",
            "button",
            "entitlement",
            "purchase",
            "retract",
            "moderation",
            "role_changed",
            "mention",
            "reactions",
            "comments",
            "votes",
            "members",
        }
    ),
    max_concurrency=8,
    secrets=("token",),
    notes=(
        "Views are not counted by Discord; reach is not reported.",
        "Joins, leaves and bans have the server's id as their channel, or what the option guild_channels names.",
        "A restriction ends after 28 days at the latest; a ban has no end.",
        "Voters of a poll can be seen by everybody: anonymous polls and quizzes become plain polls.",
        "Reading other people's text needs the Message Content intent, listing members the Server Members intent.",
    ),
)

WEBHOOK = Manifest(
    platform="discord",
    mode="webhook",
    title="Discord channel webhook",
    capabilities=frozenset(
        {
            _C.PUBLISH_TEXT,
            _C.PUBLISH_PHOTO,
            _C.PUBLISH_VIDEO,
            _C.PUBLISH_AUDIO,
            _C.PUBLISH_DOCUMENT,
            _C.PUBLISH_ALBUM,
            _C.PUBLISH_POLL,
            _C.PUBLISH_ARTICLE,
            _C.PUBLISH_LINK,
            _C.MENTION,
            _C.EDIT,
            _C.DELETE,
        }
    ),
    missing={
        capability: "a channel webhook can only write; use a bot token (mode bot)"
        for capability in sorted(BOT.capabilities)
        if capability
        not in {
            _C.PUBLISH_TEXT,
            _C.PUBLISH_PHOTO,
            _C.PUBLISH_VIDEO,
            _C.PUBLISH_AUDIO,
            _C.PUBLISH_DOCUMENT,
            _C.PUBLISH_ALBUM,
            _C.PUBLISH_POLL,
            _C.PUBLISH_ARTICLE,
            _C.PUBLISH_LINK,
            _C.MENTION,
            _C.EDIT,
            _C.DELETE,
        }
    }
    | _WHY,
    limits=_LIMITS.model_copy(update={"buttons": 0}),
    markup=_MARKUP,
    rate_limits=(
        RateLimit(
            name="webhook",
            amount=5,
            per=timedelta(seconds=2),
            scope=RateScope.ACCOUNT,
            operations=frozenset({"*"}),
            source="https://github.com/discord/discord-api-docs/issues/367",
        ),
        RateLimit(
            name="webhooks of a channel",
            amount=30,
            per=timedelta(minutes=1),
            scope=RateScope.CHANNEL,
            operations=frozenset({"publish", "reply"}),
            source="https://github.com/discord/discord-api-docs/issues/367",
        ),
    ),
    max_concurrency=2,
    secrets=("webhook_url",),
    notes=("A webhook has no nonce and cannot read: a post that perhaps landed is held for a person.",),
)


def manifest_for(account: Account) -> Manifest:
    """Give the manifest of an account.

    Raises:
        ConfigError: the option `mode` is unknown.
    """
    mode = account.options.get("mode", "bot")
    if mode == "webhook":
        return WEBHOOK
    if mode != "bot":
        raise ConfigError(f"account {account.name}: mode must be bot or webhook, not {mode!r}")
    if account.options.get("members_intent", True) is False:
        return BOT.model_copy(
            update={
                "capabilities": BOT.capabilities - {_C.LIST_MEMBERS},
                "missing": {
                    **BOT.missing,
                    _C.LIST_MEMBERS: "members_intent is switched off for this account; enable the Server Members "
                    "intent in the developer portal (Bot page) and remove the option",
                },
            }
        )
    return BOT
