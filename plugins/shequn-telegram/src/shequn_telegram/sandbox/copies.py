"""Forwards and copies."""

from __future__ import annotations

from typing import Any

from shequn_telegram.sandbox.calls import Call, method
from shequn_telegram.sandbox.refusal import bad
from shequn_telegram.sandbox.send import begin, finish, read_caption
from shequn_telegram.sandbox.state import Chat, Stored

__all__: list[str] = []


_NOT_COPIED = frozenset(
    {"message_id", "from", "sender_chat", "chat", "date", "reply_to_message", "reply_markup", "message_thread_id", "is_topic_message",
     "forward_origin", "is_automatic_forward", "edit_date", "media_group_id", "has_protected_content", "external_reply"}
)  # fmt: skip


def _origin(chat: Chat, message: Stored) -> dict[str, Any]:
    if "forward_origin" in message.data:
        return message.data["forward_origin"]
    if chat.type == "channel":
        return {"type": "channel", "date": message.date, "chat": chat.json(), "message_id": message.id}
    return {"type": "user", "date": message.date, "sender_user": message.data.get("from", {})}


def _source(call: Call, missing: str, message_id: int | None) -> tuple[Chat, Stored]:
    chat, _ = call.chat("from_chat_id")
    message = call.world.find_message(chat, message_id, missing)
    what = "forwarded" if "forward" in missing else "copied"
    if message.service or message.data.get("has_protected_content"):
        raise bad(f"message can't be {what}")
    return chat, message


def _content(message: Stored) -> dict[str, Any]:
    return {name: value for name, value in message.data.items() if name not in _NOT_COPIED}


@method("forwardMessage")
def forward_message(call: Call) -> Any:
    """Forward a message."""
    draft = begin(call, "other")
    chat, message = _source(call, "message to forward not found", call.params.integer("message_id"))
    call.world.spend(call.bot, draft.chat)
    content = {"forward_origin": _origin(chat, message), **_content(message)}
    return finish(draft, content, poll=message.poll).json()


def _ids(call: Call) -> list[int]:
    ids = call.params.nested("message_ids")
    if not isinstance(ids, list) or not ids:
        raise bad("message identifiers are not specified")
    numbers = [int(item) for item in ids if str(item).lstrip("-").isdigit()]
    if len(numbers) > 100:
        raise bad("too many messages specified")
    if numbers != sorted(set(numbers)):
        raise bad("message identifiers must be in a strictly increasing order")
    return numbers


@method("forwardMessages")
def forward_messages(call: Call) -> Any:
    """Forward several messages; those that are missing are skipped."""
    return _bulk(call, forward=True)


@method("copyMessages")
def copy_messages(call: Call) -> Any:
    """Copy several messages; those that are missing are skipped."""
    return _bulk(call, forward=False)


def _bulk(call: Call, *, forward: bool) -> list[dict[str, int]]:
    ids = _ids(call)
    draft = begin(call, "other")
    chat, _ = call.chat("from_chat_id")
    found = [
        chat.messages[number]
        for number in ids
        if number in chat.messages and not chat.messages[number].service
    ]
    if not found:
        raise bad(f"message to {'forward' if forward else 'copy'} not found")
    call.world.spend(call.bot, draft.chat, len(found))
    sent: list[dict[str, int]] = []
    for message in found:
        content = _content(message)
        if forward:
            content = {"forward_origin": _origin(chat, message), **content}
        sent.append({"message_id": finish(draft, content, poll=message.poll).id})
    return sent


@method("copyMessage")
def copy_message(call: Call) -> Any:
    """Copy a message without naming its origin."""
    draft = begin(call, "other")
    _, message = _source(call, "message to copy not found", call.params.integer("message_id"))
    content = _content(message)
    if "caption" in call.params:
        content.pop("caption_entities", None)
        content.update(read_caption(call.params, call.world))
    call.world.spend(call.bot, draft.chat)
    return {"message_id": finish(draft, content, poll=message.poll).id}
