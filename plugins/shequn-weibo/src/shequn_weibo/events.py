"""From what Weibo tells to interactions: rows that were polled, and pushes of the fan service."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from pydantic import JsonValue

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms import lenient
from shequn_sdk.platforms.ports import Parsed, RawEvent
from shequn_weibo import wire
from shequn_weibo.errors import PLATFORM
from shequn_weibo.push import read_push
from shequn_weibo.push_xml import BLANK

__all__ = ["DIRECT", "comment_of", "parse_event", "wrap"]

DIRECT = "dm:"
"""How ids of private channels begin; the member's uid follows."""
_MESSAGES = frozenset({"text", "image", "voice", "position"})
_K = InteractionKind


class _Envelope(msgspec.Struct):
    """What was polled, as it came, with what its row does not say."""

    polled: str = ""
    owner: str = ""
    """uid of our account."""
    at: str = ""
    """When we saw it, for what has no time of its own."""
    row: msgspec.Raw = msgspec.Raw(b"null")


def wrap(polled: str, row: bytes, *, owner: str, at: datetime) -> bytes:
    """Make the payload of a polled event."""
    return msgspec.json.encode(_Envelope(polled=polled, owner=owner, at=at.isoformat(), row=msgspec.Raw(row)))


def parse_event(raw: RawEvent, *, account: str) -> Parsed:
    """Read one event; see `EventSource.parse`.

    Raises:
        InvalidInput: it is no event at all.
    """
    try:
        pushed = raw.payload.lstrip(BLANK)[:1] == b"<"
        envelope = _Envelope() if pushed else lenient.decode(raw.payload, _Envelope)
        if not envelope.polled:
            push = read_push(raw.payload)
            received = raw.headers.get("received-at")
            at = datetime.fromisoformat(received) if received else datetime.fromtimestamp(0, UTC)
            return _push(push, raw.event_id, account=account, at=at)
        return _polled(envelope, account=account)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
        raise InvalidInput("an event of weibo cannot be read", source="weibo") from error


def _polled(envelope: _Envelope, *, account: str) -> Parsed:
    kind, owner = envelope.polled, envelope.owner
    row, seen = bytes(envelope.row), datetime.fromisoformat(envelope.at)
    if kind in {"comment", "comment_mention"}:
        comment = lenient.decode(row, wire.Comment)
        mention = kind == "comment_mention"
        found = comment_of(comment, account=account, owner=owner, mention=mention, seen=seen)
    elif kind in {"mention", "repost"}:
        status = lenient.decode(row, wire.Status)
        found = _status(status, account=account, owner=owner, shared=kind == "repost", seen=seen)
    elif kind == "follower":
        user = lenient.decode(row, wire.User)
        found = Interaction(
            id=f"follow:{user.uid}",
            kind=_K.FOLLOW,
            platform=PLATFORM,
            account=account,
            channel=owner,
            member=user.uid,
            member_name=user.screen_name or user.name,
            occurred_at=seen,
            attrs={"time": "seen"},
        )
    else:
        return Parsed(kind=kind, known=False)
    return Parsed(kind=kind, interactions=(found,))


def _name(user: wire.User | None) -> str:
    return "" if user is None else user.screen_name or user.name


def comment_of(
    comment: wire.Comment,
    *,
    account: str,
    owner: str,
    seen: datetime,
    post: str = "",
    mention: bool = False,
) -> Interaction:
    """Read a comment; `post` is the post it stands under and `seen` its time, when the row leaves them out."""
    answered = comment.reply_comment
    under = comment.status.native_id if comment.status is not None else ""
    attrs: dict[str, JsonValue] = {}
    target = ""
    if answered is not None:
        attrs["reply_to"] = answered.native_id
        target = answered.user.uid if answered.user is not None else ""
    if target == owner:  # we are no member of our community
        attrs["answers_bot"], target = owner, ""
    return Interaction(
        id=f"comment:{comment.native_id}",
        kind=_K.MENTION if mention else _K.COMMENT,
        platform=PLATFORM,
        account=account,
        channel=owner,
        member=comment.user.uid if comment.user is not None else "",
        member_name=_name(comment.user),
        occurred_at=wire.time_of(comment.created_at, otherwise=seen),
        message=comment.native_id,
        parent=under or post,
        target=target,
        text=html.unescape(comment.text),
        attrs=attrs,
    )


def _status(status: wire.Status, *, account: str, owner: str, shared: bool, seen: datetime) -> Interaction:
    origin = status.retweeted_status
    shared = shared or (origin is not None and origin.author == owner)
    return Interaction(
        id=f"status:{status.native_id}",
        kind=_K.SHARE if shared else _K.MENTION,
        platform=PLATFORM,
        account=account,
        channel=owner,
        member=status.author,
        member_name=_name(status.user),
        occurred_at=wire.time_of(status.created_at, otherwise=seen),
        message=status.native_id,
        parent=origin.native_id if origin is not None else "",
        text=html.unescape(status.text),
        attrs={"answers_bot": owner},
    )


def _push(push: wire.Push, event_id: str, *, account: str, at: datetime) -> Parsed:
    sender, owner = wire.ident(push.sender_id), wire.ident(push.receiver_id)
    subtype = push.told("subtype")
    name = f"{push.type}/{subtype}" if subtype else push.type

    def made(kind: InteractionKind, **more: Any) -> Parsed:
        found = Interaction.model_validate(
            {
                "id": event_id,
                "kind": kind,
                "platform": PLATFORM,
                "account": account,
                "channel": owner,
                "member": sender,
                "occurred_at": wire.time_of(push.created_at, otherwise=at),
                **more,
            }
        )
        return Parsed(kind=name, interactions=(found,))

    if not sender or not owner:
        return Parsed(kind=name, known=False)
    if push.type in _MESSAGES:
        attrs = {} if push.type == "text" else {"form": push.type, **_plain(push.data)}
        return made(_K.MESSAGE, channel=DIRECT + sender, message=event_id, text=push.text, attrs=attrs)
    if push.type == "mention":
        return made(_K.MENTION, message=push.told("key"), text=push.text)
    if push.type == "event":
        key = push.told("key")
        if subtype in {"follow", "scan_follow"}:
            return made(_K.FOLLOW, entrance=key)
        if subtype == "unfollow":
            return made(_K.UNFOLLOW)
        # a subscription to the fan service's messages, without following the account
        if subtype in {"subscribe", "unsubscribe"}:
            return made(
                _K.FOLLOW if subtype == "subscribe" else _K.UNFOLLOW, attrs={"what": "fan_service_messages"}
            )
        if subtype in {"click", "view"}:
            return made(_K.CLICK, text=key, attrs={"what": subtype})
        if subtype == "scan":
            return made(_K.CLICK, entrance=key, attrs={"what": "scan"})
    return Parsed(kind=name, known=False)


def _plain(data: Any) -> dict[str, JsonValue]:
    parts = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    return {key: value for key, value in parts.items() if isinstance(value, str | int | float)}
