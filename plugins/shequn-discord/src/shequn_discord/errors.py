"""What Discord's refusals mean: one table of its codes, and the reading of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from shequn_sdk.errors import (
    AuthFailed,
    Conflict,
    ContentRejected,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.http import HttpResponse

__all__ = ["CODES", "STATUSES", "check", "error_for", "form_errors"]

PLATFORM = "discord"
_PORTAL = "the developer portal"
_ROLE = "give the bot's role the permission in the server's settings, or move it above the target's top role"
_MAXIMUM = "delete something of the same kind first"
_LATER = "wait and try again"

CODES: Mapping[int, tuple[type[PlatformError], str]] = MappingProxyType(
    {
        # unknown things
        10001: (TargetNotFound, "check the account id"),
        10002: (TargetNotFound, "check the application id"),
        10003: (
            TargetNotFound,
            "the channel is gone or hidden from the bot; check its id and the View Channel right",
        ),
        10004: (TargetNotFound, "the bot is not in this server; invite it"),
        10005: (TargetNotFound, "check the integration id"),
        10006: (TargetNotFound, "the invite is revoked or has expired; make a new one"),
        10007: (TargetNotFound, "the person is not a member of the server"),
        10008: (TargetNotFound, "the message is deleted"),
        10009: (TargetNotFound, "check the overwrite id"),
        10011: (TargetNotFound, "the role is deleted; list the roles again"),
        10012: (AuthFailed, f"reset the token in {_PORTAL}"),
        10013: (TargetNotFound, "no such person; check the id"),
        10014: (InvalidContent, "use a unicode emoji, or name:id of one that the server has"),
        10015: (TargetNotFound, "the webhook is deleted; stop using it and make a new one"),
        10026: (TargetNotFound, "the person is not banned"),
        10057: (TargetNotFound, "check the server template"),
        10062: (Conflict, "the interaction was answered later than 3 seconds or is older than 15 minutes"),
        10063: (TargetNotFound, "register the command again"),
        10066: (TargetNotFound, "the command has no permissions of its own"),
        10067: (TargetNotFound, "no stage is open in this channel"),
        10070: (TargetNotFound, "the scheduled event is deleted"),
        10087: (TargetNotFound, "the tag is deleted; read the forum's tags again"),
        # what bots may not do
        20001: (PermissionDenied, "bots may not call this"),
        20002: (PermissionDenied, "only bots may call this"),
        20009: (ContentRejected, "explicit content cannot be sent to this receiver"),
        20012: (PermissionDenied, "the application belongs to someone else"),
        20016: (RateLimited, "slow mode is on in this channel"),
        20018: (PermissionDenied, "only the owner of the account may do this"),
        20022: (RateLimited, "announcement edits are limited"),
        20024: (PermissionDenied, "below the minimum age"),
        20028: (RateLimited, "the channel's write limit is reached"),
        20029: (RateLimited, "the server's write limit is reached"),
        20031: (ContentRejected, "the text holds words that are not allowed here"),
        20035: (PermissionDenied, "the server's premium level is too low"),
        # maxima
        30001: (Conflict, "the account is in too many servers; leave one"),
        30003: (Conflict, "250 messages are pinned; unpin one"),
        30005: (Conflict, f"the server has 250 roles; {_MAXIMUM}"),
        30007: (Conflict, f"the channel has 15 webhooks; {_MAXIMUM}"),
        30008: (Conflict, f"too many emojis; {_MAXIMUM}"),
        30010: (Conflict, "the message has 20 different reactions"),
        30013: (Conflict, f"the server has 500 channels; {_MAXIMUM}"),
        30015: (InvalidContent, "at most 10 files per message"),
        30016: (Conflict, f"the server has 1000 invites; {_MAXIMUM}"),
        30019: (Conflict, "too many members"),
        30032: (Conflict, f"too many commands; {_MAXIMUM}"),
        30033: (Conflict, "the thread has 1000 members"),
        30034: (RateLimited, "200 commands were made today in this server; wait a day"),
        30035: (Conflict, "too many bans of people outside the server"),
        30037: (RateLimited, "too many ban lists were read; wait"),
        30038: (Conflict, f"100 scheduled events are open; {_MAXIMUM}"),
        30039: (Conflict, f"too many stickers; {_MAXIMUM}"),
        30040: (RateLimited, "prune requests are limited; wait"),
        30046: (RateLimited, "messages older than an hour can be edited only seldom; wait"),
        30047: (Conflict, "too many pinned posts in the forum; unpin one"),
        30048: (InvalidContent, "too many tags in the forum"),
        30052: (InvalidContent, "the bitrate is too high"),
        30056: (Conflict, "too many premium emojis"),
        30058: (Conflict, f"too many webhooks in the server; {_MAXIMUM}"),
        30060: (Conflict, "the channel has 1000 overwrites"),
        30061: (Conflict, "the channel is too large"),
        # state of the request
        40001: (AuthFailed, f"the token is not valid for this call; reset it in {_PORTAL}"),
        40002: (PermissionDenied, "the account must be verified first"),
        40003: (RateLimited, "direct messages are opened too fast; do not send mass messages"),
        40004: (PermissionDenied, "sending is switched off for this account for now"),
        40005: (InvalidContent, "the request is larger than 25 MiB; send fewer or smaller files"),
        40006: (Unavailable, "Discord has switched this off for the moment"),
        40007: (Conflict, "the person is banned from this server; unban first"),
        40009: (InvalidContent, "move one channel to a category per call"),
        40011: (Conflict, "no connection"),
        40012: (Conflict, "the connection was revoked"),
        40032: (TargetNotFound, "the person is not in voice"),
        40033: (Conflict, "the message was crossposted already"),
        40041: (Conflict, "a command of this name exists"),
        40043: (Conflict, "the interaction failed to send"),
        40058: (Conflict, "a forum post must have its first message before it can be written to"),
        40060: (Conflict, "the interaction was answered already; send a follow-up"),
        40061: (Conflict, "tag names must differ"),
        40062: (RateLimited, "the service's resource is limited; wait"),
        40066: (Conflict, "no tag is there that somebody without rights could set"),
        40067: (InvalidContent, "this forum needs a tag on each post"),
        40074: (Conflict, "an entitlement was granted already"),
        40094: (Conflict, "the interaction has reached its number of follow-ups"),
        40333: (
            PermissionDenied,
            "Cloudflare blocked the request: the User-Agent must be DiscordBot (url, version)",
        ),
        # rights and forms
        50001: (
            PermissionDenied,
            "the bot cannot see it; check View Channel and, for member lists, the intent",
        ),
        50002: (PermissionDenied, "the account type does not allow it"),
        50003: (PermissionDenied, "not possible in a direct message"),
        50004: (PermissionDenied, "the server's widget is off"),
        50005: (PermissionDenied, "only the author may edit a message"),
        50006: (InvalidContent, "the message is empty; give text, a file, an embed or a poll"),
        50007: (PermissionDenied, "this person takes no direct messages from the bot"),
        50008: (InvalidContent, "this kind of channel takes no messages; for a forum open a post"),
        50009: (PermissionDenied, "the server's verification level is too high for this account"),
        50010: (TargetNotFound, "the application has no bot"),
        50013: (PermissionDenied, _ROLE),
        50014: (AuthFailed, f"the token is not valid; reset it in {_PORTAL}"),
        50015: (InvalidContent, "the note is too long"),
        50016: (InvalidContent, "give 2 to 100 messages to delete"),
        50017: (PermissionDenied, "the level of two-factor authentication does not allow it"),
        50019: (InvalidContent, "a message can be pinned only in its own channel"),
        50020: (InvalidContent, "the invite code is taken or not valid"),
        50021: (InvalidContent, "system messages cannot be changed"),
        50024: (InvalidContent, "this kind of channel cannot do that"),
        50025: (AuthFailed, "the OAuth2 token is not valid"),
        50026: (AuthFailed, "the OAuth2 token lacks a scope"),
        50027: (AuthFailed, "the webhook's token is wrong; copy its URL again"),
        50028: (InvalidContent, "the role is not valid"),
        50033: (InvalidContent, "a receiver is not valid"),
        50034: (
            InvalidContent,
            "messages older than 14 days cannot be deleted in bulk; delete them one by one",
        ),
        50035: (InvalidContent, "the form is not valid"),
        50036: (Conflict, "the bot is not in the server whose invite was accepted"),
        50041: (InvalidContent, "the API version is not valid"),
        50045: (InvalidContent, "the file is too large: 10 MiB each, 25 MiB per request"),
        50046: (InvalidContent, "the file is not valid"),
        50054: (PermissionDenied, "a member cannot be removed from itself"),
        50055: (TargetNotFound, "check the server id"),
        50067: (InvalidContent, "this message type is not valid here"),
        50068: (InvalidContent, "this message type cannot be changed"),
        50070: (PermissionDenied, "a payment source is needed"),
        50074: (Conflict, "a channel that community servers need cannot be deleted"),
        50080: (InvalidContent, "stickers of a message cannot be edited"),
        50081: (InvalidContent, "the sticker is not valid"),
        50083: (Conflict, "the thread is archived and locked; reopen it first"),
        50084: (InvalidContent, "the thread's notification setting is not valid"),
        50085: (InvalidContent, "`before` must be after the thread's creation"),
        50086: (InvalidContent, "community channels must be text channels"),
        50095: (PermissionDenied, "the server is not available in this region"),
        50097: (PermissionDenied, "the server needs monetisation for this"),
        50101: (PermissionDenied, "the server needs more boosts"),
        50109: (InvalidContent, "the request's body is no JSON"),
        50120: (PermissionDenied, "the file is not allowed"),
        50132: (PermissionDenied, "ownership cannot be passed to a bot"),
        50138: (InvalidContent, "the picture could not be made smaller"),
        50146: (TargetNotFound, "the uploaded file is gone"),
        50163: (PermissionDenied, "the application may not use this command"),
        50178: (PermissionDenied, "the person's account must be linked first"),
        50241: (PermissionDenied, "the role limits do not allow it"),
        50278: (PermissionDenied, "no server is shared with this person, who therefore cannot be written to"),
        50600: (PermissionDenied, "below the minimum age"),
        60003: (PermissionDenied, "the bot's owner needs two-factor authentication"),
        80004: (TargetNotFound, "nobody has this tag"),
        90001: (PermissionDenied, "the author of the message has blocked the bot"),
        90002: (PermissionDenied, "burst reactions are not open to bots"),
        110000: (RateLimited, "the search index is being built"),
        110001: (Unavailable, "not open yet"),
        130000: (Unavailable, "the API is overloaded"),
        150006: (Conflict, "the stage is open already"),
        160002: (PermissionDenied, "replying needs Read Message History"),
        160004: (Conflict, "the message has a thread already; its id is the message's"),
        160005: (Conflict, "the thread is locked; Manage Threads is needed"),
        160006: (Conflict, "the server has its most threads; archive some"),
        160007: (Conflict, "the server has its most announcement threads"),
        160014: (PermissionDenied, "forwarding needs access to the message's content"),
        170001: (InvalidContent, "the sticker's file is no valid JSON"),
        180000: (Conflict, "a finished or cancelled event cannot change"),
        180002: (Conflict, "the stage of the event cannot start"),
        200000: (
            ContentRejected,
            "an AutoMod rule of the server stopped the message; change the text or the rule",
        ),
        200001: (ContentRejected, "an AutoMod rule of the server stopped the title; change it or the rule"),
        220001: (InvalidContent, "a webhook to a forum needs thread_name or thread_id"),
        220002: (InvalidContent, "give either thread_name or thread_id"),
        220003: (InvalidContent, "webhooks make posts in forums only"),
        220004: (InvalidContent, "this webhook cannot be used in a forum"),
        240000: (ContentRejected, "a link was found harmful; remove it"),
        340013: (PermissionDenied, "the person is not old enough for this"),
        350000: (Conflict, "the default channels of the onboarding are needed"),
        500000: (Conflict, "nobody of the list could be banned; check ids and the bot's role"),
        520000: (PermissionDenied, "voting is blocked"),
        520001: (Conflict, "the poll has ended"),
        520002: (InvalidContent, "polls cannot be made in this kind of channel"),
        520003: (InvalidContent, "a message with a poll cannot be edited"),
        520004: (InvalidContent, "this emoji cannot be used in a poll"),
        520006: (InvalidContent, "the message has no poll"),
    }
)
"""Discord's JSON error codes: what they are in the tree, and what to do."""

STATUSES: Mapping[int, tuple[type[PlatformError], str]] = MappingProxyType(
    {
        400: (InvalidContent, "the request is not valid"),
        401: (AuthFailed, f"the token is wrong or was reset; copy it again from {_PORTAL} (Bot page)"),
        403: (PermissionDenied, _ROLE),
        404: (TargetNotFound, "it is gone or never was there; check the id"),
        405: (InvalidContent, "the call does not exist; update shequn-discord"),
        413: (InvalidContent, "the request is larger than 25 MiB; send fewer or smaller files"),
        429: (RateLimited, _LATER),
    }
)
"""HTTP statuses, for answers without a code of the table."""

_SCOPES = {"global": "account", "user": "endpoint", "shared": "channel"}


def form_errors(tree: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str, str]]:
    """Walk the `errors` of code 50035; gives path, code and message of each."""
    if not isinstance(tree, Mapping) or depth > 16:
        return
    for key, value in tree.items():
        if key == "_errors" and isinstance(value, list):
            for item in value[:20]:
                if isinstance(item, Mapping):
                    yield path or "request", str(item.get("code", "")), str(item.get("message", ""))
        else:
            yield from form_errors(value, f"{path}.{key}" if path else str(key), depth + 1)


def _decode(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < 1e8 else None


def _wait_time(headers: Mapping[str, str], data: Mapping[str, Any] | None) -> timedelta | None:
    seconds = _seconds((data or {}).get("retry_after"))
    if seconds is None:
        seconds = _seconds(headers.get("retry-after"))
    return None if seconds is None else timedelta(seconds=seconds)


def _rate_limited(
    headers: Mapping[str, str],
    data: Mapping[str, Any] | None,
    operation: str,
    code: int,
    hint: str,
    redact: Callable[[str], str],
) -> RateLimited:
    wait = _wait_time(headers, data)
    if data is None:
        scope, who = "app", "Cloudflare blocks this machine's address: too many refused requests"
    else:
        everything = bool(data.get("global")) or headers.get("x-ratelimit-global", "").lower() == "true"
        scope = "account" if everything else _SCOPES.get(headers.get("x-ratelimit-scope", ""), "endpoint")
        if code in {20016, 20022, 20028, 30046}:
            scope = "channel"
        elif code in {20029, 30034, 40003}:
            scope = "account"
        who = redact(str(data.get("message", "You are being rate limited.")))[:200]
    told = f"; wait {wait.total_seconds():.3g} s" if wait is not None else ""
    return RateLimited(
        f"discord limits {operation} ({who}): {hint}{told}",
        retry_after=wait,
        scope=scope,
        platform=PLATFORM,
        operation=operation,
        code=code or 429,
        request_id=headers.get("cf-ray", ""),
    )


def error_for(response: HttpResponse, redact: Callable[[str], str] = str) -> PlatformError | None:
    """Give the error that an answer means, None when it is a success.

    Args:
        redact: takes secrets out of what Discord, or a gateway before it, said.
    """
    status, headers, operation = response.status, response.headers, response.operation
    if 200 <= status < 300 and status != 202:
        return None
    data = _decode(response.body)
    raw = (data or {}).get("code", 0)
    code = raw if isinstance(raw, int) else 0
    if status == 202 and code != 110000:
        return None
    if status == 429 and CODES.get(code, (RateLimited,))[0] is not RateLimited:
        code = 0
    kind, hint = CODES.get(code) or STATUSES.get(status) or (None, "")
    if kind is RateLimited:
        return _rate_limited(headers, data, operation, code, hint, redact)
    request_id = headers.get("cf-ray", "")
    if kind is None or status >= 500:
        sure = kind is not None and status < 500
        return Unavailable(
            f"discord failed at {operation} with HTTP {status}; {hint or 'try again later'}",
            platform=PLATFORM,
            operation=operation,
            code=code or status,
            request_id=request_id,
            landed=Landing.SURELY_NOT if sure or 300 <= status < 500 else Landing.PERHAPS,
        )
    told = redact(str((data or {}).get("message", "")))[:300]
    if data is None and status == 403:
        hint = CODES[40333][1]
    details = list(form_errors((data or {}).get("errors")))
    if details:
        told = redact("; ".join(f"{path}: {message}" for path, _, message in details[:5]))[:600]
        if all(path.startswith("message_reference") for path, _, _ in details):
            kind, hint = TargetNotFound, "the message to answer is deleted or in another channel"
    if kind is Unavailable:
        return Unavailable(
            f"discord cannot do {operation} now: {hint}",
            platform=PLATFORM,
            operation=operation,
            code=code,
            landed=Landing.SURELY_NOT,
        )
    return kind(
        f"discord refused {operation}{f' ({told})' if told else ''}: {hint}",
        platform=PLATFORM,
        operation=operation,
        code=code or status,
        request_id=request_id,
        landed=Landing.SURELY_NOT,
    )


def check(response: HttpResponse) -> None:
    """Raise what an answer means, if it is no success."""
    error = error_for(response)
    if error is not None:
        raise error
