"""Messages, edits and service messages."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.platforms.assembly import assemble
from shequn_telegram import wire
from shequn_telegram._reader import Reader, at_second, decode_keys, stars

__all__ = ["MessageReader"]

_KIND = InteractionKind
_MESSAGE = InteractionKind.MESSAGE
_decode_special = msgspec.json.Decoder(wire.SpecialUpdate).decode
_from_timestamp = datetime.fromtimestamp
_MEDIA = ("photo", "video", "document", "sticker", "voice", "audio", "animation", "video_note", "poll")
_OTHER_MEDIA = frozenset(
    {
        "dice",
        "location",
        "venue",
        "contact",
        "game",
        "story",
        "paid_media",
        "live_photo",
        "checklist",
        "rich_message",
    }
)
_ENVELOPE = frozenset(
    {
        "message_id",
        "date",
        "chat",
        "from",
        "sender_chat",
        "message_thread_id",
        "is_topic_message",
        "author_signature",
        "has_protected_content",
        "sender_tag",
        "sender_boost_count",
        "reply_to_message",
        "via_bot",
        "reply_markup",
        "direct_messages_topic",
        "effect_id",
        "edit_date",
        "sender_business_bot",
        "guest_query_id",
        "guest_bot_caller_user",
        "guest_bot_caller_chat",
        "business_connection_id",
        "forward_origin",
        "forward_date",
        "forward_from",
        "forward_from_chat",
        "forward_from_message_id",
        "forward_sender_name",
        "forward_signature",
        "is_automatic_forward",
        "external_reply",
        "quote",
        "reply_to_story",
        "reply_to_checklist_task_id",
        "reply_to_poll_option_id",
        "is_from_offline",
        "is_paid_post",
        "paid_star_count",
        "media_group_id",
        "has_media_spoiler",
        "link_preview_options",
        "suggested_post_info",
        "receiver_user",
        "ephemeral_message_id",
    }
)


class MessageReader(Reader):
    """Reads what stands under `message`, `channel_post` and their edited forms."""

    def _message(self, message: wire.Message, payload: bytes) -> Sequence[Interaction]:
        text = message.text
        special: wire.Special | None = None
        other = ""
        if text is None:
            special = self._special(payload)
            if special.caption is None:
                found = self._service(message, special, payload)
                if not isinstance(found, str):
                    return found
                other = found
            text = special.caption or ""
        chat = str(message.chat.id)
        mid = str(message.message_id)
        user = message.from_
        thread = message.message_thread_id
        fields = self._blank.copy()
        fields["id"] = f"message:{chat}:{mid}"
        fields["kind"] = _MESSAGE
        fields["channel"] = chat
        fields["message"] = mid
        fields["occurred_at"] = _from_timestamp(message.date, UTC)
        fields["text"] = text
        fields["attrs"] = attrs = {}
        if thread is not None:
            fields["thread"] = str(thread)
        if user is not None and message.sender_chat is None:
            fields["member"] = str(user.id)
            fields["member_name"] = (
                f"{user.first_name} {user.last_name}" if user.last_name else user.first_name
            )
            fields["username"] = user.username
            fields["is_bot"] = user.is_bot
        else:
            fields.update(self._author(message))
        if special is not None:
            self._media(special, attrs)
            if other:
                attrs["media"] = other
        elif text[:1] == "/" and (entities := message.entities):
            first = entities[0]
            if first.type == "bot_command" and first.offset == 0:
                fields["kind"] = _KIND.COMMAND
                name, _, bot = text[1 : first.length].partition("@")
                attrs["command"] = name
                attrs["arguments"] = text[first.length :].strip()
                if bot:
                    attrs["to"] = bot
        if message.is_automatic_forward:
            # Telegram's own copy of a channel's post in its discussion group; nobody shared anything
            fields["kind"] = _KIND.OTHER
            attrs["service"] = "automatic_forward"
            self._origin(message, fields, attrs)
        elif message.forward_origin is not None or message.forward_date is not None:
            fields["kind"] = _KIND.SHARE
            self._origin(message, fields, attrs)
        elif (replied := message.reply_to_message) is not None:
            self._reply(message, replied, fields, attrs)
        return (assemble(fields),)

    def _special(self, payload: bytes) -> wire.Special:
        found = _decode_special(payload)
        special = found.message or found.channel_post or found.edited_message or found.edited_channel_post
        return special if special is not None else wire.Special()

    def _media(self, special: wire.Special, attrs: dict[str, Any]) -> None:
        media = next((name for name in _MEDIA if getattr(special, name) is not None), "")
        if media:
            attrs["media"] = media
            if special.photo and special.photo[-1].file_id:  # the last is the largest
                attrs["pictures"] = [special.photo[-1].file_id]
            if special.poll is not None:
                attrs["poll"] = special.poll.id
        if special.media_group_id is not None:
            attrs["media_group_id"] = special.media_group_id

    def _origin(self, message: wire.Message, fields: dict[str, Any], attrs: dict[str, Any]) -> None:
        origin = message.forward_origin
        if origin is None:
            return
        attrs["origin"] = origin.type
        chat = origin.chat or origin.sender_chat
        if chat is not None:
            attrs["origin_channel"] = str(chat.id)
        if origin.message_id is not None:
            fields["parent"] = str(origin.message_id)
        if origin.sender_user is not None and not origin.sender_user.is_bot:
            fields["target"] = str(origin.sender_user.id)

    def _reply(
        self, message: wire.Message, replied: wire.Replied, fields: dict[str, Any], attrs: dict[str, Any]
    ) -> None:
        if replied.forum_topic_created is not None and replied.message_id == message.message_thread_id:
            return  # every message of a topic refers to the topic's first; that is no answer
        fields["parent"] = str(replied.message_id)
        if replied.is_automatic_forward:
            # a comment under a post of the linked channel
            if fields["kind"] is _MESSAGE:
                fields["kind"] = _KIND.COMMENT
            origin = replied.forward_origin
            if origin is not None and origin.chat is not None and origin.message_id is not None:
                attrs["post_channel"] = str(origin.chat.id)
                attrs["post"] = str(origin.message_id)
        elif replied.sender_chat is not None:
            # an anonymous administrator or a channel: a place, not a member
            attrs["answers_chat"] = str(replied.sender_chat.id)
        elif replied.from_ is not None and replied.from_.is_bot:
            attrs["answers_bot"] = str(replied.from_.id)
        elif replied.from_ is not None:
            fields["target"] = str(replied.from_.id)

    def _service(
        self, message: wire.Message, special: wire.Special, payload: bytes
    ) -> Sequence[Interaction] | str:
        """Read a message that has neither text nor caption.

        A text when it is an ordinary one after all: the medium that the lean models leave out, "" for others.
        """
        if special.photo is not None or special.sticker is not None or special.video is not None:
            return ""
        chat, at, mid = str(message.chat.id), at_second(message.date), str(message.message_id)
        if (joined := special.new_chat_members) is not None:
            return [self._joined(user, message, chat, at, mid) for user in joined]
        if (left := special.left_chat_member) is not None:
            id_ = f"leave:{chat}:{left.id}:{message.date}"
            attrs = self._actor(message.from_, left)
            return (self._by(left, _KIND.LEAVE, id_, at, channel=chat, message=mid, attrs=attrs),)
        if special.migrate_to_chat_id is not None or special.migrate_from_chat_id is not None:
            old, new = chat, str(special.migrate_to_chat_id)
            if special.migrate_from_chat_id is not None:
                old, new = str(special.migrate_from_chat_id), chat
            fields = {"id": f"moved:{old}:{new}", "kind": _KIND.CHANNEL_MOVED, "channel": old, "target": new}
            return (self._make({**fields, "occurred_at": at}),)
        if special.successful_payment is not None:
            return (self._payment(message, special.successful_payment, _KIND.PURCHASE, chat, at, mid),)
        if special.refunded_payment is not None:
            return (self._payment(message, special.refunded_payment, _KIND.REFUND, chat, at, mid),)
        if any(getattr(special, name) is not None for name in _MEDIA):
            return ""
        return self._rare(message, payload, chat, at, mid)

    def _rare(
        self, message: wire.Message, payload: bytes, chat: str, at: datetime, mid: str
    ) -> Sequence[Interaction] | str:
        """Read what the lean models leave out: pins, titles, topics … named by their own key; dice and places are text."""
        keys = decode_keys(payload)
        inner = decode_keys(keys.get("message") or keys["channel_post"])
        medium = next((key for key in inner if key in _OTHER_MEDIA), "")
        if medium:
            return medium
        name = next((key for key in inner if key not in _ENVELOPE), "")
        fields = self._author(message)
        fields.update(id=f"message:{chat}:{mid}", channel=chat, message=mid, occurred_at=at)
        fields.update(kind=_KIND.OTHER, attrs={"service": name or "unknown"})
        if message.message_thread_id is not None:
            fields["thread"] = str(message.message_thread_id)
        return (self._make(fields),)

    def _joined(
        self, user: wire.User, message: wire.Message, chat: str, at: datetime, mid: str
    ) -> Interaction:
        return self._by(
            user,
            _KIND.JOIN,
            f"join:{chat}:{user.id}:{message.date}",
            at,
            channel=chat,
            message=mid,
            attrs=self._actor(message.from_, user),
        )

    def _payment(
        self,
        message: wire.Message,
        payment: wire.Payment,
        kind: InteractionKind,
        chat: str,
        at: datetime,
        mid: str,
    ) -> Interaction:
        attrs: dict[str, Any] = {
            "charge_id": payment.telegram_payment_charge_id,
            "payload": payment.invoice_payload,
        }
        if payment.is_recurring:
            attrs["recurring"] = True
        if payment.subscription_expiration_date is not None:
            attrs["subscription_until"] = payment.subscription_expiration_date
        fields = self._author(message)
        fields.update(
            # a renewal of a subscription keeps the charge's id; its message makes it another purchase
            id=f"{kind}:{payment.telegram_payment_charge_id}:{chat}:{mid}",
            kind=kind,
            channel=chat,
            message=mid,
            occurred_at=at,
            value=stars(payment.total_amount, payment.currency),
            currency=payment.currency,
            attrs=attrs,
        )
        return self._make(fields)

    def _edit(self, message: wire.Message, payload: bytes) -> Sequence[Interaction]:
        chat, mid = str(message.chat.id), str(message.message_id)
        text = message.text if message.text is not None else self._special(payload).caption or ""
        edited = message.edit_date or message.date
        fields = self._author(message)
        fields.update(
            id=f"edit:{chat}:{mid}:{edited}:{zlib.crc32(text.encode('utf-8', 'surrogatepass')):x}",
            kind=_KIND.EDIT,
            channel=chat,
            message=mid,
            occurred_at=at_second(edited),
            text=text,
        )
        if message.message_thread_id is not None:
            fields["thread"] = str(message.message_thread_id)
        return (self._make(fields),)
