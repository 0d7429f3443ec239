"""The one error table: status and a known piece of the description give the typed error and what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from shequn_sdk.errors import (
    AuthFailed,
    Conflict,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetMoved,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.deepjson import members
from shequn_sdk.platforms.http import HttpResponse
from shequn_telegram.wire import Envelope, decode

__all__ = ["PLATFORM", "RULES", "Rule", "error_for", "read_envelope"]

PLATFORM = "telegram"
_RETRY_AFTER = re.compile(r"retry after (\d{1,7})")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table; the first that matches counts."""

    status: int
    """0 is any."""
    text: str
    """Piece of the description, in lower case; "" is any."""
    error: type[PlatformError]
    next: str
    """What to do."""


_WRONG_CHAT = "check the id, and let the bot join the channel or the person write to it first"
_GONE = "it was deleted or never existed; drop the reference"
_RIGHTS = "make the bot an administrator with this right in the group's settings"
_UNREACHABLE = "the bot cannot write there any more; mark the target unreachable"
_MEDIA = "send the bytes instead of an address or id, and check format and size"
_TEXT = "change the text; sending it plain, without entities, is the safe way"
_STATE = "read the target's state and decide anew; repeating does not help"
_TWO = "run one consumer per token: stop the other, or delete the webhook"

RULES: tuple[Rule, ...] = (
    Rule(401, "", AuthFailed, "copy the token from @BotFather again; it may have been revoked"),
    Rule(404, "method not found", Conflict, "this Bot API server is older than the call; update it"),
    Rule(404, "", AuthFailed, "the server does not know this path: check base_url and the form of the token"),
    Rule(409, "", Conflict, _TWO),
    Rule(413, "", InvalidContent, "the upload is too large: 50 MB at most, photos 10 MB"),
    Rule(421, "", AuthFailed, "this self-hosted server does not serve this token"),
    # 403: people and chats that closed the door
    Rule(403, "bot was blocked by the user", TargetNotFound, _UNREACHABLE),
    Rule(403, "user is deactivated", TargetNotFound, _UNREACHABLE),
    Rule(403, "bot can't initiate conversation", TargetNotFound, "the person has to write to the bot first"),
    Rule(403, "can't send messages to bots", TargetNotFound, _UNREACHABLE),
    Rule(403, "bot was kicked", TargetNotFound, _UNREACHABLE),
    Rule(403, "bot is not a member", TargetNotFound, "add the bot to the channel"),
    Rule(403, "chat was deleted", TargetNotFound, _UNREACHABLE),
    Rule(403, "", PermissionDenied, _RIGHTS),
    # 400: targets
    Rule(400, "chat not found", TargetNotFound, _WRONG_CHAT),
    Rule(400, "chat_id is empty", TargetNotFound, _WRONG_CHAT),
    Rule(400, "user not found", TargetNotFound, _WRONG_CHAT),
    Rule(400, "user_id", TargetNotFound, _WRONG_CHAT),
    Rule(400, "peer_id_invalid", TargetNotFound, _WRONG_CHAT),
    Rule(400, "participant_id_invalid", TargetNotFound, _WRONG_CHAT),
    Rule(400, "user_id_invalid", TargetNotFound, _WRONG_CHAT),
    Rule(400, "user_not_participant", TargetNotFound, "not a member of this channel"),
    Rule(400, "member not found", TargetNotFound, "not a member of this channel"),
    Rule(400, "message thread not found", TargetNotFound, _GONE),
    Rule(400, "topic_deleted", TargetNotFound, _GONE),
    Rule(400, "topic_id_invalid", TargetNotFound, _GONE),
    Rule(400, "not found", TargetNotFound, _GONE),
    Rule(400, "message_id_invalid", TargetNotFound, _GONE),
    Rule(400, "invite_hash_expired", TargetNotFound, _GONE),
    Rule(400, "charge_not_found", TargetNotFound, _GONE),
    # the server turns a 403 whose text is one upper-case code into a 400
    Rule(400, "user_is_blocked", TargetNotFound, _UNREACHABLE),
    Rule(400, "input_user_deactivated", TargetNotFound, _UNREACHABLE),
    Rule(400, "channel_private", TargetNotFound, "add the bot to the channel"),
    # 400: state
    Rule(400, "message is not modified", Conflict, "nothing to do: it is so already"),
    Rule(400, "topic_not_modified", Conflict, "nothing to do: it is so already"),
    Rule(400, "chat_not_modified", Conflict, "nothing to do: it is so already"),
    Rule(400, "hide_requester_missing", Conflict, "the join request is gone: answered or withdrawn"),
    Rule(400, "user_already_participant", Conflict, "nothing to do: a member already"),
    Rule(400, "query is too old", Conflict, "drop it; answer buttons within seconds"),
    Rule(400, "charge_already_refunded", Conflict, "nothing to do: refunded already"),
    Rule(400, "topic_closed", Conflict, "reopen the topic or write elsewhere"),
    Rule(400, "poll has already been closed", Conflict, "nothing to do: closed already"),
    Rule(400, "poll can't be stopped", Conflict, _STATE),
    Rule(400, "message can't be", Conflict, "too old, not the bot's own, or protected"),
    Rule(
        400, "user is an administrator", PermissionDenied, "administrators can only be changed by the owner"
    ),
    Rule(400, "can't remove chat owner", PermissionDenied, "nobody can act against the owner"),
    Rule(400, "user_admin_invalid", PermissionDenied, "this administrator was made by somebody else"),
    Rule(400, "method is available", Conflict, "turn the group into a supergroup first"),
    Rule(400, "the chat is not a forum", Conflict, "switch topics on in the group's settings"),
    Rule(400, "chat_not_forum", Conflict, "switch topics on in the group's settings"),
    # 400: rights
    Rule(400, "not enough rights", PermissionDenied, _RIGHTS),
    Rule(400, "have no rights", PermissionDenied, _RIGHTS),
    Rule(400, "need administrator rights", PermissionDenied, _RIGHTS),
    Rule(400, "chat_admin_required", PermissionDenied, _RIGHTS),
    Rule(400, "right_forbidden", PermissionDenied, "the bot can give only rights that it has itself"),
    Rule(400, "_forbidden", PermissionDenied, _RIGHTS),
    Rule(400, "chat_restricted", PermissionDenied, _RIGHTS),
    Rule(400, "user_banned_in_channel", PermissionDenied, _RIGHTS),
    # 400: content
    Rule(400, "file identifier", InvalidContent, _MEDIA),
    Rule(400, "http url", InvalidContent, _MEDIA),
    Rule(400, "web page content", InvalidContent, _MEDIA),
    Rule(400, "file is too big", InvalidContent, _MEDIA),
    Rule(400, "photo_invalid", InvalidContent, _MEDIA),
    Rule(400, "message is too long", InvalidContent, "split it: 4096 characters at most"),
    Rule(400, "caption is too long", InvalidContent, "shorten it: 1024 characters at most"),
    Rule(400, "message text is empty", InvalidContent, "give some text"),
    Rule(400, "can't parse entities", InvalidContent, _TEXT),
    Rule(400, "reaction_invalid", InvalidContent, "take one of the emoji that the channel allows"),
    Rule(400, "button_data_invalid", InvalidContent, "button data has 1 to 64 bytes"),
    Rule(400, "reply markup is too long", InvalidContent, "use fewer or shorter buttons"),
    Rule(400, "", InvalidContent, "the Bot API cannot take this request; see its description"),
)


_LONGEST = 365 * 86_400.0
"""Seconds; what is longer is no wait but a mistake on the way."""


def error_for(
    operation: str,
    *,
    status: int,
    description: str = "",
    retry_after: float | None = None,
    migrate_to: int | None = None,
    scope: str = "",
) -> PlatformError:
    """Give the typed error of a refusal; what the platform said stays in the message."""
    said = description or f"HTTP {status}"
    if migrate_to is not None:
        return TargetMoved(
            f"telegram moved the group ({operation}): its id is {migrate_to} now; store it and repeat once",
            new_id=str(migrate_to),
            platform=PLATFORM,
            operation=operation,
            code=status,
        )
    if status == 429:
        if retry_after is None and (told := _RETRY_AFTER.search(description)):
            retry_after = float(told[1])
        if retry_after is not None:
            retry_after = min(retry_after, _LONGEST)
        wait = "as long as it takes" if retry_after is None else f"{retry_after:g} s"
        return RateLimited(
            f"telegram asks to wait {wait} before {operation} ({said}); slow this {scope or 'account'} down",
            retry_after=None if retry_after is None else timedelta(seconds=retry_after),
            scope=scope,
            platform=PLATFORM,
            operation=operation,
            code=status,
        )
    if status >= 500 or status < 400 or status == 408:
        return Unavailable(
            f"telegram failed at {operation} ({said}); reading may be repeated, a message may have been posted",
            platform=PLATFORM,
            operation=operation,
            code=status,
            landed=Landing.PERHAPS,
        )
    lowered = description.lower()
    for rule in RULES:
        if rule.status in {0, status} and rule.text in lowered:
            return rule.error(
                f"telegram refused {operation} ({said}): {rule.next}",
                platform=PLATFORM,
                operation=operation,
                code=status,
            )
    return InvalidContent(
        f"telegram refused {operation} ({said}); see the Bot API's page of this call",
        platform=PLATFORM,
        operation=operation,
        code=status,
    )


def _header_seconds(headers: Mapping[str, str]) -> float | None:
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _apart(body: bytes) -> Envelope:
    """Read an answer whose result no decoder takes."""
    parts = members(body)
    result = parts.pop("result", b"null")
    rest: Envelope = decode(
        b"{%b}" % b",".join(b'"%b":%b' % (key.encode(), value) for key, value in parts.items()), Envelope
    )
    return msgspec.structs.replace(rest, result=msgspec.Raw(result))


def read_envelope(response: HttpResponse, *, scope: str = "", redact: Callable[[str], str] = str) -> Envelope:
    """Read an answer; `redact` takes secrets out of what the server said.

    Raises:
        PlatformError: the answer is a refusal, or no answer of a Bot API server (then it is `Unavailable`).
    """
    status, operation = response.status, response.operation
    try:
        try:
            envelope: Envelope = decode(response.body, Envelope)
        except RecursionError:  # one result nested too deeply: the others are still wanted
            envelope = _apart(response.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        if 400 <= status < 500:  # a front end answers without JSON, before the call reaches the server
            raise error_for(
                operation, status=status, retry_after=_header_seconds(response.headers), scope=scope
            ) from None
        raise Unavailable(
            f"telegram answered {operation} with HTTP {status} and {len(response.body)} bytes that are no answer of a "
            "Bot API server; if this repeats, check base_url",
            platform=PLATFORM,
            operation=operation,
            code=status,
            landed=Landing.SURELY_NOT
            if 300 <= status < 400
            else Landing.PERHAPS,  # a redirect is not followed
        ) from None
    if envelope.ok and status == 200:
        return envelope
    parameters = envelope.parameters
    retry_after = parameters.retry_after if parameters is not None else None
    raise error_for(
        operation,
        status=envelope.error_code or status,
        description=redact(envelope.description),
        retry_after=_header_seconds(response.headers) if retry_after is None else retry_after,
        migrate_to=parameters.migrate_to_chat_id if parameters is not None else None,
        scope=scope,
    )
