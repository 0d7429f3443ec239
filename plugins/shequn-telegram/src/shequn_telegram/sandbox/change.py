"""Methods that change what stands: edit, delete, pin, react, answer."""

from __future__ import annotations

from typing import Any

from shequn_telegram.manifest import REACTIONS
from shequn_telegram.sandbox.calls import Call, method
from shequn_telegram.sandbox.markup_reply import read_markup
from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import bad
from shequn_telegram.sandbox.send import media_content, read_caption
from shequn_telegram.sandbox.state import Chat, Member, Stored
from shequn_telegram.sandbox.text import read_text

__all__: list[str] = []

_TWO_DAYS = 48 * 3600
_UNMODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content "
    "and reply markup of the message"
)
_MEDIA = ("photo", "video", "audio", "document", "animation", "voice")


def _editable(call: Call) -> tuple[Chat, Stored]:
    if "inline_message_id" in call.params:
        raise bad("MESSAGE_ID_INVALID")
    chat, member, message = call.message("message to edit not found")
    own = message.bot == call.bot.user.id
    if not own and not (chat.type == "channel" and member is not None and member.may("can_edit_messages")):
        raise bad("message can't be edited")
    if message.service or "forward_origin" in message.data:
        raise bad("message can't be edited")
    return chat, message


def _apply(call: Call, chat: Chat, message: Stored, remove: tuple[str, ...], content: dict[str, Any]) -> Any:
    before = message.data
    markup = read_markup(call.params)
    after = {
        name: value for name, value in before.items() if name not in {*remove, "reply_markup", "edit_date"}
    }
    after.update(content)
    if markup is not None and markup["inline_keyboard"]:
        after["reply_markup"] = markup
    if after == {name: value for name, value in before.items() if name != "edit_date"}:
        raise bad(_UNMODIFIED)
    call.world.spend(call.bot, chat)
    after["edit_date"] = call.world.now()
    message.data = after
    call.world.tell("edited_message", chat, message)
    return message.json()


@method("editMessageText")
def edit_text(call: Call) -> Any:
    """Replace a text."""
    chat, message = _editable(call)
    text, entities = read_text(call.params, call.world.user_json)
    if not text:
        raise bad("message text is empty")
    if len(text) > 4096:
        raise bad("message is too long")
    if "text" not in message.data:
        raise bad("there is no text in the message to edit")
    content: dict[str, Any] = {"text": text}
    if entities:
        content["entities"] = entities
    preview = call.params.nested("link_preview_options")
    if isinstance(preview, dict) and preview:
        content["link_preview_options"] = preview
    return _apply(call, chat, message, ("text", "entities", "link_preview_options"), content)


@method("editMessageCaption")
def edit_caption(call: Call) -> Any:
    """Replace a caption."""
    chat, message = _editable(call)
    if not any(kind in message.data for kind in _MEDIA):
        raise bad("there is no caption in the message to edit")
    content = read_caption(call.params, call.world)
    return _apply(call, chat, message, ("caption", "caption_entities", "show_caption_above_media"), content)


@method("editMessageMedia")
def edit_media(call: Call) -> Any:
    """Replace a file and its caption."""
    chat, message = _editable(call)
    media = call.params.nested("media")
    if not isinstance(media, dict) or media.get("type") not in _MEDIA:
        raise bad("can't parse media JSON object")
    nested = Parameters(media, call.params.files)
    content = {
        **media_content(call, media["type"], media.get("media"), nested),
        **read_caption(nested, call.world),
    }
    remove = (*_MEDIA, "text", "entities", "caption", "caption_entities", "has_media_spoiler")
    return _apply(call, chat, message, remove, content)


@method("editMessageReplyMarkup")
def edit_markup(call: Call) -> Any:
    """Replace the keyboard."""
    chat, message = _editable(call)
    return _apply(call, chat, message, (), {})


# delete


def _may_delete(call: Call, chat: Chat, member: Member | None, message: Stored) -> bool:
    age = call.world.now() - message.date
    own = message.bot == call.bot.user.id
    if chat.type == "private" or own:
        right = "can_post_messages" if chat.type == "channel" else "can_delete_messages"
        return age < _TWO_DAYS or (member is not None and own and member.may(right))
    return member is not None and member.may("can_delete_messages")


def _remove(chat: Chat, message: Stored) -> None:
    del chat.messages[message.id]
    if message.id in chat.pinned:
        chat.pinned.remove(message.id)


@method("deleteMessage")
def delete_message(call: Call) -> Any:
    """Delete a message."""
    chat, member, message = call.message("message to delete not found")
    if not _may_delete(call, chat, member, message):
        raise bad("message can't be deleted")
    _remove(chat, message)
    return True


@method("deleteMessages")
def delete_messages(call: Call) -> Any:
    """Delete several messages; those that are missing are skipped."""
    chat, member = call.chat()
    ids = call.params.nested("message_ids")
    if not isinstance(ids, list) or not ids:
        raise bad("message identifiers are not specified")
    if len(ids) > 100:
        raise bad("too many messages specified")
    found = [chat.messages[int(item)] for item in ids if str(item).isdigit() and int(item) in chat.messages]
    if not all(_may_delete(call, chat, member, message) for message in found):
        raise bad("message can't be deleted")
    for message in found:
        _remove(chat, message)
    return True


# pins


def _pinning(call: Call) -> Chat:
    chat, member = call.chat()
    right = "can_edit_messages" if chat.type == "channel" else "can_pin_messages"
    if chat.type != "private":
        call.right(member, right, "not enough rights to manage pinned messages in the chat")
    return chat


@method("pinChatMessage")
def pin(call: Call) -> Any:
    """Pin a message."""
    chat = _pinning(call)
    message = call.world.find_message(chat, call.params.integer("message_id"), "message to pin not found")
    if message.id in chat.pinned:
        return True
    chat.pinned.append(message.id)
    pinned = {name: value for name, value in message.json().items() if name != "reply_to_message"}
    call.world.service(chat, call.bot.user, {"pinned_message": pinned}, bot=call.bot.user.id)
    return True


@method("unpinChatMessage")
def unpin(call: Call) -> Any:
    """Take a pin away; without an id the newest."""
    chat = _pinning(call)
    if "message_id" in call.params:
        number = call.params.integer("message_id") or 0
        if number not in chat.messages:
            raise bad("message to unpin not found")
        if number in chat.pinned:
            chat.pinned.remove(number)
    elif chat.pinned:
        chat.pinned.pop()
    return True


@method("unpinAllChatMessages")
def unpin_all(call: Call) -> Any:
    """Take all pins away."""
    _pinning(call).pinned.clear()
    return True


# reactions


@method("setMessageReaction")
def set_reaction(call: Call) -> Any:
    """Set the bot's reaction."""
    chat, _, message = call.message("message to react not found")
    given = call.params.nested("reaction") or []
    if not isinstance(given, list):
        raise bad("can't parse reaction JSON object")
    if len(given) > 1:
        raise bad("REACTIONS_TOO_MANY")
    chosen: list[str] = []
    for item in given:
        if not isinstance(item, dict):
            raise bad("can't parse ReactionType: expected an Object")
        emoji = str(item.get("emoji", "")).replace("\ufe0f", "")
        if item.get("type") == "custom_emoji" and item.get("custom_emoji_id"):
            emoji = f"custom:{item['custom_emoji_id']}"
        elif emoji not in REACTIONS or (
            chat.reactions_allowed is not None and emoji not in chat.reactions_allowed
        ):
            raise bad("REACTION_INVALID")
        chosen.append(emoji)
    if chosen:
        message.reactions[call.bot.user.id] = chosen
    else:
        message.reactions.pop(call.bot.user.id, None)
    return True


@method("deleteMessageReaction")
def delete_reaction(call: Call) -> Any:
    """Take somebody's reaction away."""
    _, member, message = call.message("message to delete reactions not found")
    call.right(member, "can_delete_messages", "not enough rights to delete reactions")
    message.reactions.pop(call.params.integer("user_id") or call.params.integer("actor_chat_id") or 0, None)
    return True


@method("deleteAllMessageReactions")
def delete_all_reactions(call: Call) -> Any:
    """Take somebody's reactions away everywhere in a chat."""
    chat, member = call.chat()
    call.right(member, "can_delete_messages", "not enough rights to delete reactions")
    who = call.params.integer("user_id") or call.params.integer("actor_chat_id") or 0
    for message in chat.messages.values():
        message.reactions.pop(who, None)
    return True


# answers


@method("answerCallbackQuery")
def answer_callback(call: Call) -> Any:
    """Acknowledge a pressed button."""
    if len(call.params.text("text")) > 200:
        raise bad("MESSAGE_TOO_LONG")
    query = call.world.queries.get(call.params.text("callback_query_id"))
    now = call.world.context.clock.now().timestamp()
    if query is None or query.bot != call.bot.user.id or query.done is not None or now - query.at > 150:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    query.answered = True
    return True
