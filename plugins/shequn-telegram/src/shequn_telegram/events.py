"""Update bytes to interactions: one decode into lean structs, one validated `Interaction` for each thing done.

Ids name the event, not the delivery, so that the same event heard twice is one:

- a message is `message:<chat>:<message>`, an edit adds its time and a checksum of its text;
- a join is `join:<chat>:<member>:<second>` and a leave `leave:…`. Telegram tells a join up to twice: as a service
  message (`new_chat_members`) and, to administrators, as a `chat_member` update. Both carry the time of the same
  action, so both give the same id, and whoever keeps ids counts one;
- a reaction is `reaction:<chat>:<message>:<member>:<emoji>:<second>`, taking it back `retract:…`;
- a vote has no time of its own; it is `vote:<poll>:<member>:<update>`.

The speed comes from decoding only the fields of `wire`, and from looking at every value once: msgspec checks the type of
each value while it decodes, strictly, and the interaction is then assembled from those checked values without letting
pydantic check them again (a second check of all 21 fields costs as much as everything else together). Tests hold that
what is assembled here is exactly what `Interaction.model_validate` accepts and gives, for every kind of update.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import BaseModel

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.ports import Parsed
from shequn_telegram import wire

__all__ = ["KNOWN_UPDATES", "RECEIVED_AT", "PollPlace", "UpdateParser", "stars"]

RECEIVED_AT = "received-at"
"""Header of a raw event: our time in seconds since 1970, for updates that have no time of their own."""

KNOWN_UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
    "stopped_message_generation",
)
"""Update types of Bot API 10.3."""

PollPlace = Callable[[str], tuple[str, str] | None]
"""Gives channel and message of a poll by its id, None when it is not known."""

_KIND = InteractionKind
_MESSAGE = InteractionKind.MESSAGE
_REACTION = InteractionKind.REACTION
_KNOWN = frozenset(KNOWN_UPDATES)
_decode = msgspec.json.Decoder(wire.Update).decode
_decode_special = msgspec.json.Decoder(wire.SpecialUpdate).decode
_decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_new = Interaction.__new__
_set_dict = BaseModel.__dict__["__dict__"].__set__
_set_fields = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__
_FIELDS: dict[str, Any] = {
    name: None if field.is_required() or field.default_factory else field.default
    for name, field in Interaction.model_fields.items()
}
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
    }
)
_NO_MINOR_UNITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF", "XTR"}
)  # fmt: skip
_UNREADABLE: tuple[type[Exception], ...] = (
    msgspec.MsgspecError,
    ValueError,
    OverflowError,
    OSError,
    RecursionError,
)

_ALL_FIELDS = set(Interaction.model_fields)
"""Shared by all interactions made here: they are frozen, so nobody changes it."""


def _assemble(fields: dict[str, Any]) -> Interaction:
    """Make an interaction of all its fields, whose types are checked already; see the module's docstring."""
    made = _new(Interaction)
    _set_dict(made, fields)
    _set_fields(made, _ALL_FIELDS)
    _set_extra(made, None)
    _set_private(made, None)
    return made


def stars(amount: int, currency: str) -> float:
    """Give an amount of the currency's smallest unit in its main unit; Stars (XTR) have no smaller one."""
    return float(amount) if currency in _NO_MINOR_UNITS else amount / 100


def _name(user: wire.User) -> str:
    return f"{user.first_name} {user.last_name}" if user.last_name else user.first_name


def _at(seconds: int) -> datetime:
    return _from_timestamp(seconds, UTC)


class UpdateParser:
    """Reads updates for one account.

    Args:
        platform: name of the platform.
        account: name of the account that hears.
        now: our time in seconds since 1970, for updates without a time whose raw event has none either.
        poll_place: where the account's polls stand, so that votes get a channel; votes carry only the poll's id.
    """

    def __init__(
        self,
        account: str,
        *,
        now: Callable[[], float],
        poll_place: PollPlace | None = None,
        platform: str = "telegram",
    ) -> None:
        self._account = account
        self._platform = platform
        self._now = now
        self._poll_place = poll_place
        self._blank: dict[str, Any] = {**_FIELDS, "platform": platform, "account": account}

    def parse(self, payload: bytes, *, received_at: str = "") -> Parsed:
        """Read one update.

        An update of a known type with a shape that cannot be read counts as unknown: it is kept raw and the source
        goes on.

        Raises:
            InvalidInput: the payload is no update at all.
        """
        try:
            update = _decode(payload)
            if (message := update.message) is not None:
                return Parsed("message", self._message(message, payload))
            return self._rest(update, payload, received_at)
        except _UNREADABLE as error:
            return self._unreadable(payload, error)

    def _unreadable(self, payload: bytes, error: Exception) -> Parsed:
        try:
            keys = _decode_keys(payload)
            update_id = msgspec.json.decode(keys["update_id"], type=int)
        except (*_UNREADABLE, KeyError):
            raise InvalidInput(
                f"{self._platform} sent {len(payload)} bytes that are no update ({type(error).__name__}); "
                "they are kept as they are",
                source=self._account,
            ) from None
        del update_id
        kind = next((key for key in keys if key != "update_id"), "empty")
        return Parsed(kind, (), known=False)

    def _rest(self, update: wire.Update, payload: bytes, received_at: str) -> Parsed:
        if (change := update.chat_member) is not None:
            return Parsed("chat_member", self._member_change(change))
        if (reaction := update.message_reaction) is not None:
            return Parsed("message_reaction", self._reaction(reaction))
        if (message := update.edited_message) is not None:
            return Parsed("edited_message", self._edit(message, payload))
        if (message := update.channel_post) is not None:
            return Parsed("channel_post", self._message(message, payload))
        if (message := update.edited_channel_post) is not None:
            return Parsed("edited_channel_post", self._edit(message, payload))
        if (request := update.chat_join_request) is not None:
            return Parsed("chat_join_request", self._join_request(request))
        if (counts := update.message_reaction_count) is not None:
            return Parsed("message_reaction_count", self._reaction_counts(counts))
        if (change := update.my_chat_member) is not None:
            return Parsed("my_chat_member", self._own_change(change))
        if (boost := update.chat_boost) is not None:
            return Parsed("chat_boost", self._boost(boost))
        if (removed := update.removed_chat_boost) is not None:
            return Parsed("removed_chat_boost", self._boost_removed(removed))
        moment = float(received_at) if received_at else self._now()
        at = datetime.fromtimestamp(moment, UTC)
        if (query := update.callback_query) is not None:
            return Parsed("callback_query", self._button(query, at))
        if (answer := update.poll_answer) is not None:
            return Parsed("poll_answer", self._vote(answer, update.update_id, at))
        if (poll := update.poll) is not None:
            return Parsed("poll", self._poll(poll, update.update_id, at))
        if (checkout := update.pre_checkout_query) is not None:
            return Parsed("pre_checkout_query", self._checkout(checkout, at))
        if (media := update.purchased_paid_media) is not None:
            found = self._by(
                media.from_,
                _KIND.PURCHASE,
                f"paid_media:{update.update_id}",
                at,
                attrs={"payload": media.paid_media_payload},
            )
            return Parsed("purchased_paid_media", (found,))
        if (subscription := update.subscription) is not None:
            found = self._by(
                subscription.user,
                _KIND.ENTITLEMENT,
                f"subscription:{update.update_id}",
                at,
                attrs={"state": subscription.state, "payload": subscription.invoice_payload},
            )
            return Parsed("subscription", (found,))
        kind = next((key for key in _decode_keys(payload) if key != "update_id"), "empty")
        return Parsed(kind, (), known=kind in _KNOWN)

    # building

    def _make(self, fields: dict[str, Any]) -> Interaction:
        whole = self._blank.copy()
        whole["attrs"] = {}
        whole.update(fields)
        return _assemble(whole)

    def _by(self, user: wire.User, kind: InteractionKind, id_: str, at: datetime, **more: Any) -> Interaction:
        fields = self._blank.copy()
        fields["attrs"] = {}
        if more:
            fields.update(more)
        fields["id"] = id_
        fields["kind"] = kind
        fields["occurred_at"] = at
        fields["member"] = str(user.id)
        fields["member_name"] = f"{user.first_name} {user.last_name}" if user.last_name else user.first_name
        fields["username"] = user.username
        fields["is_bot"] = user.is_bot
        return _assemble(fields)

    # messages

    def _author(self, message: wire.Message) -> dict[str, Any]:
        sender = message.sender_chat
        if sender is not None:
            # an anonymous administrator, or somebody who writes as a channel: the person is not told
            if sender.id == message.chat.id and sender.type == "channel":
                return {"member_name": message.author_signature or sender.title}
            return {
                "member": str(sender.id),
                "member_name": message.author_signature or sender.title,
                "username": sender.username,
            }
        user = message.from_
        if user is None:
            return {"member_name": message.author_signature or ""}
        return {
            "member": str(user.id),
            "member_name": f"{user.first_name} {user.last_name}" if user.last_name else user.first_name,
            "username": user.username,
            "is_bot": user.is_bot,
        }

    def _message(self, message: wire.Message, payload: bytes) -> Sequence[Interaction]:
        text = message.text
        special: wire.Special | None = None
        if text is None:
            special = self._special(payload)
            if special.caption is None and (service := self._service(message, special, payload)) is not None:
                return service
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
        return (_assemble(fields),)

    def _special(self, payload: bytes) -> wire.Special:
        found = _decode_special(payload)
        special = found.message or found.channel_post or found.edited_message or found.edited_channel_post
        return special if special is not None else wire.Special()

    def _media(self, special: wire.Special, attrs: dict[str, Any]) -> None:
        media = next((name for name in _MEDIA if getattr(special, name) is not None), "")
        if media:
            attrs["media"] = media
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
        if origin.sender_user is not None:
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
            fields["target"] = str(replied.sender_chat.id)
        elif replied.from_ is not None:
            fields["target"] = str(replied.from_.id)

    def _service(
        self, message: wire.Message, special: wire.Special, payload: bytes
    ) -> Sequence[Interaction] | None:
        """Read a message that has neither text nor caption; None when it is an ordinary one after all."""
        if special.photo is not None or special.sticker is not None or special.video is not None:
            return None
        chat, at, mid = str(message.chat.id), _at(message.date), str(message.message_id)
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
            return None
        return self._rare(message, payload, chat, at, mid)

    def _rare(
        self, message: wire.Message, payload: bytes, chat: str, at: datetime, mid: str
    ) -> Sequence[Interaction]:
        """Read what the lean models leave out: pins, titles, topics, dice, locations … named by their own key."""
        keys = _decode_keys(payload)
        inner = _decode_keys(keys.get("message") or keys["channel_post"])
        name = next((key for key in inner if key not in _ENVELOPE), "")
        fields = self._author(message)
        fields.update(id=f"message:{chat}:{mid}", channel=chat, message=mid, occurred_at=at)
        if name in _OTHER_MEDIA:
            fields.update(kind=_KIND.MESSAGE, attrs={"media": name})
        else:
            fields.update(kind=_KIND.OTHER, attrs={"service": name or "unknown"})
        if message.message_thread_id is not None:
            fields["thread"] = str(message.message_thread_id)
        return (self._make(fields),)

    def _actor(self, actor: wire.User | None, user: wire.User) -> dict[str, Any]:
        return {} if actor is None or actor.id == user.id else {"by": str(actor.id)}

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
            occurred_at=_at(edited),
            text=text,
        )
        if message.message_thread_id is not None:
            fields["thread"] = str(message.message_thread_id)
        return (self._make(fields),)

    # members

    def _member_change(self, change: wire.ChatMemberUpdated) -> Sequence[Interaction]:
        old, new = change.old_chat_member, change.new_chat_member
        user, chat, at = new.user, str(change.chat.id), _at(change.date)
        actor = change.from_
        attrs = self._actor(actor, user)
        was, now = old.inside, new.inside
        found: list[Interaction] = []
        if now and not was:
            entrance = ""
            if (invite := change.invite_link) is not None:
                entrance = invite.name or invite.invite_link
                attrs["invite_link"] = invite.invite_link
            if change.via_join_request:
                attrs["via_join_request"] = True
            if new.until_date:
                attrs["until"] = new.until_date
            found.append(
                self._by(
                    user,
                    _KIND.JOIN,
                    f"join:{chat}:{user.id}:{change.date}",
                    at,
                    channel=chat,
                    entrance=entrance,
                    attrs=attrs,
                )
            )
        elif was and not now:
            found.append(
                self._by(
                    user,
                    _KIND.LEAVE,
                    f"leave:{chat}:{user.id}:{change.date}",
                    at,
                    channel=chat,
                    attrs={**attrs, "status": new.status},
                )
            )
        if old.status == new.status and was == now and new.status != "restricted":
            kind = _KIND.ROLE_CHANGED  # rights or title of an administrator changed
        elif "administrator" in {old.status, new.status} or "creator" in {old.status, new.status}:
            kind = _KIND.ROLE_CHANGED
        elif {old.status, new.status} & {"restricted", "kicked"} and attrs.get("by"):
            kind = _KIND.MODERATION
        else:
            return found
        details: dict[str, Any] = {"old": old.status, "new": new.status}
        if new.until_date:
            details["until"] = new.until_date
        found.append(
            self._by(
                actor or user,
                kind,
                f"{kind}:{chat}:{user.id}:{change.date}:{old.status}:{new.status}",
                at,
                channel=chat,
                target=str(user.id),
                attrs=details,
            )
        )
        return found

    def _own_change(self, change: wire.ChatMemberUpdated) -> Sequence[Interaction]:
        old, new = change.old_chat_member, change.new_chat_member
        chat = str(change.chat.id)
        kind = _KIND.OTHER
        if change.chat.type == "private":
            kind = _KIND.UNFOLLOW if new.status == "kicked" else _KIND.FOLLOW
        attrs: dict[str, Any] = {
            "service": "my_chat_member",
            "old": old.status,
            "new": new.status,
            "inside": new.inside,
        }
        return (
            self._by(
                change.from_ or new.user,
                kind,
                f"own:{chat}:{new.user.id}:{change.date}:{old.status}:{new.status}",
                _at(change.date),
                channel=chat,
                attrs=attrs,
            ),
        )

    def _join_request(self, request: wire.JoinRequest) -> Sequence[Interaction]:
        chat = str(request.chat.id)
        attrs: dict[str, Any] = {}
        if request.bio:
            attrs["bio"] = request.bio
        if request.user_chat_id is not None:
            attrs["direct_channel"] = str(request.user_chat_id)
        if request.query_id:
            attrs["query_id"] = request.query_id
        entrance = ""
        if (invite := request.invite_link) is not None:
            entrance = invite.name or invite.invite_link
            attrs["invite_link"] = invite.invite_link
        return (
            self._by(
                request.from_,
                _KIND.JOIN_REQUEST,
                f"join_request:{chat}:{request.from_.id}:{request.date}",
                _at(request.date),
                channel=chat,
                entrance=entrance,
                attrs=attrs,
            ),
        )

    # reactions, votes, buttons

    def _reaction(self, change: wire.ReactionUpdate) -> Sequence[Interaction]:
        base = self._blank.copy()
        base["channel"] = chat = str(change.chat.id)
        base["message"] = mid = str(change.message_id)
        base["occurred_at"] = _from_timestamp(change.date, UTC)
        who = ""
        if (user := change.user) is not None:
            base["member"] = who = str(user.id)
            base["member_name"] = f"{user.first_name} {user.last_name}" if user.last_name else user.first_name
            base["username"] = user.username
            base["is_bot"] = user.is_bot
        elif (actor := change.actor_chat) is not None:
            base["member"] = who = str(actor.id)
            base["member_name"] = actor.title
            base["username"] = actor.username
        old, new = change.old_reaction, change.new_reaction
        if len(new) == 1 and not old:  # nearly all
            emoji = new[0].emoji or new[0].label
            base["id"] = f"reaction:{chat}:{mid}:{who}:{emoji}:{change.date}"
            base["kind"] = _REACTION
            base["attrs"] = {"emoji": emoji}
            return (_assemble(base),)
        before = [reaction.label for reaction in old]
        after = [reaction.label for reaction in new]
        found: list[Interaction] = []
        for emoji in after:
            if emoji not in before:
                fields = base.copy()
                fields["id"] = f"reaction:{chat}:{mid}:{who}:{emoji}:{change.date}"
                fields["kind"] = _REACTION
                fields["attrs"] = {"emoji": emoji}
                found.append(_assemble(fields))
        for emoji in before:
            if emoji not in after:
                fields = base.copy()
                fields["id"] = f"retract:{chat}:{mid}:{who}:{emoji}:{change.date}"
                fields["kind"] = _KIND.RETRACT
                fields["target"] = mid
                fields["attrs"] = {"emoji": emoji, "retracts": "reaction"}
                found.append(_assemble(fields))
        return found

    def _reaction_counts(self, counts: wire.ReactionCounts) -> Sequence[Interaction]:
        chat, mid = str(counts.chat.id), str(counts.message_id)
        per_emoji = {count.type.label: count.total_count for count in counts.reactions}
        fields: dict[str, Any] = {
            "id": f"reaction_count:{chat}:{mid}:{counts.date}",
            "kind": _KIND.OTHER,
            "channel": chat,
            "message": mid,
            "occurred_at": _at(counts.date),
            "value": float(sum(per_emoji.values())),
            "attrs": {"service": "reaction_count", "reactions": per_emoji},
        }
        return (self._make(fields),)

    def _button(self, query: wire.CallbackQuery, at: datetime) -> Sequence[Interaction]:
        more: dict[str, Any] = {
            "attrs": {"data": query.data or query.game_short_name, "callback_query_id": query.id}
        }
        if (message := query.message) is not None:
            more["channel"] = str(message.chat.id)
            more["message"] = str(message.message_id)
            if message.message_thread_id is not None:
                more["thread"] = str(message.message_thread_id)
        elif query.inline_message_id:
            more["attrs"]["inline_message_id"] = query.inline_message_id
        return (self._by(query.from_, _KIND.BUTTON, f"button:{query.id}", at, **more),)

    def _place(self, poll_id: str) -> tuple[str, str]:
        return (self._poll_place(poll_id) if self._poll_place is not None else None) or ("", "")

    def _vote(self, answer: wire.PollAnswer, update_id: int, at: datetime) -> Sequence[Interaction]:
        channel, message = self._place(answer.poll_id)
        voter = answer.user
        who = voter.id if voter is not None else answer.voter_chat.id if answer.voter_chat else ""
        fields: dict[str, Any] = {
            "id": f"vote:{answer.poll_id}:{who}:{update_id}",
            "kind": _KIND.VOTE,
            "channel": channel,
            "message": message,
            "member": str(who),
            "occurred_at": at,
            "attrs": {"poll": answer.poll_id, "choices": answer.option_ids},
        }
        if voter is not None:
            fields["member_name"] = _name(voter)
            fields["username"] = voter.username
            fields["is_bot"] = voter.is_bot
        elif answer.voter_chat is not None:
            fields["member_name"] = answer.voter_chat.title
        if not answer.option_ids:
            fields["kind"] = _KIND.RETRACT
            fields["target"] = message
            fields["attrs"] = {"poll": answer.poll_id, "retracts": "vote"}
        return (self._make(fields),)

    def _poll(self, poll: wire.Poll, update_id: int, at: datetime) -> Sequence[Interaction]:
        channel, message = self._place(poll.id)
        fields: dict[str, Any] = {
            "id": f"poll:{poll.id}:{update_id}",
            "kind": _KIND.OTHER,
            "channel": channel,
            "message": message,
            "occurred_at": at,
            "value": float(poll.total_voter_count),
            "attrs": {
                "service": "poll",
                "poll": poll.id,
                "votes": [option.voter_count for option in poll.options],
                "closed": poll.is_closed,
            },
        }
        return (self._make(fields),)

    def _checkout(self, query: wire.PreCheckout, at: datetime) -> Sequence[Interaction]:
        return (
            self._by(
                query.from_,
                _KIND.OTHER,
                f"pre_checkout:{query.id}",
                at,
                value=stars(query.total_amount, query.currency),
                currency=query.currency,
                attrs={
                    "service": "pre_checkout_query",
                    "pre_checkout_query_id": query.id,
                    "payload": query.invoice_payload,
                },
            ),
        )

    # boosts

    def _boost(self, update: wire.BoostUpdated) -> Sequence[Interaction]:
        boost = update.boost
        attrs: dict[str, Any] = {
            "service": "chat_boost",
            "boost": boost.boost_id,
            "source": boost.source.source,
        }
        return (self._boosted(f"boost:{boost.boost_id}:{boost.add_date}", update.chat, boost.source, boost.add_date, attrs),)  # fmt: skip

    def _boost_removed(self, update: wire.BoostRemoved) -> Sequence[Interaction]:
        attrs: dict[str, Any] = {
            "service": "removed_chat_boost",
            "boost": update.boost_id,
            "source": update.source.source,
        }
        id_ = f"boost_removed:{update.boost_id}:{update.remove_date}"
        return (self._boosted(id_, update.chat, update.source, update.remove_date, attrs),)

    def _boosted(
        self, id_: str, chat: wire.Chat, source: wire.BoostSource, date: int, attrs: dict[str, Any]
    ) -> Interaction:
        if source.user is not None:
            return self._by(source.user, _KIND.OTHER, id_, _at(date), channel=str(chat.id), attrs=attrs)
        fields: dict[str, Any] = {"id": id_, "kind": _KIND.OTHER, "channel": str(chat.id), "attrs": attrs}
        return self._make({**fields, "occurred_at": _at(date)})
