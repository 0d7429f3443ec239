"""Lean wire models: only the fields of the Bot API that are used; unknown fields are skipped, the raw bytes stay."""

from __future__ import annotations

from typing import Any

import msgspec

from shequn_sdk.platforms.lenient import repaired

__all__ = [
    "CallbackQuery",
    "Chat",
    "ChatMember",
    "ChatMemberUpdated",
    "Entity",
    "Envelope",
    "InviteLink",
    "JoinRequest",
    "Message",
    "Poll",
    "PollAnswer",
    "ReactionCounts",
    "ReactionUpdate",
    "SentMessage",
    "Special",
    "Update",
    "User",
]


class Wire(msgspec.Struct, gc=False):
    """Base of the wire models; fields stand in the order in which the server writes them. None of them refers back to another, so the cycle collector may skip them."""


class User(Wire):
    """`User`."""

    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str = ""


class Chat(Wire):
    """`Chat`, and what is used of `ChatFullInfo`."""

    id: int
    first_name: str = ""
    last_name: str = ""
    title: str = ""
    username: str = ""
    is_forum: bool = False
    type: str = ""


class Place(Wire):
    """A chat of which only the id is read."""

    id: int


class FullChat(Chat):
    """`ChatFullInfo`, as far as it goes into a `Channel`."""

    description: str = ""
    bio: str = ""
    invite_link: str = ""
    linked_chat_id: int | None = None
    slow_mode_delay: int | None = None
    join_by_request: bool = False
    join_to_send_messages: bool = False
    max_reaction_count: int | None = None


class Entity(Wire):
    """`MessageEntity`; offsets are in UTF-16 code units."""

    type: str
    offset: int
    length: int


class Origin(Wire):
    """`MessageOrigin*`."""

    type: str = ""
    sender_user: User | None = None
    sender_chat: Chat | None = None
    chat: Chat | None = None
    message_id: int | None = None
    sender_user_name: str = ""


class Payment(Wire):
    """`SuccessfulPayment` and `RefundedPayment`."""

    currency: str
    total_amount: int
    telegram_payment_charge_id: str
    invoice_payload: str = ""
    subscription_expiration_date: int | None = None
    is_recurring: bool = False
    is_first_recurring: bool = False


class PollOption(Wire):
    """`PollOption`."""

    text: str = ""
    voter_count: int = 0


class Poll(Wire):
    """`Poll`."""

    id: str
    options: list[PollOption]
    question: str = ""
    total_voter_count: int = 0
    is_closed: bool = False


class Present(Wire):
    """An object of which only the presence matters."""


class PhotoSize(Wire):
    """One of the sizes in which a photo is kept."""

    file_id: str = ""


class File(Wire):
    """Where a file can be loaded."""

    file_size: int = 0
    file_path: str = ""


class Replied(Wire):
    """A message that is replied to: what is needed to know its author and whether it is a channel's post."""

    message_id: int
    from_: User | None = msgspec.field(default=None, name="from")
    sender_chat: Chat | None = None
    is_automatic_forward: bool = False
    forward_origin: Origin | None = None
    forum_topic_created: Present | None = None


class Message(Wire, kw_only=True):
    """`Message`, as far as messages with text need it; `Special` reads the rest when there is none."""

    message_id: int
    from_: User | None = msgspec.field(default=None, name="from")
    author_signature: str | None = None
    sender_chat: Chat | None = None
    chat: Place
    message_thread_id: int | None = None
    is_automatic_forward: bool = False
    date: int
    forward_origin: Origin | None = None
    forward_date: int | None = None
    reply_to_message: Replied | None = None
    edit_date: int | None = None
    text: str | None = None
    entities: list[Entity] | None = None


class Special(Wire):
    """What a message without text may carry."""

    caption: str | None = None
    media_group_id: str | None = None
    photo: list[PhotoSize] | None = None
    video: Present | None = None
    audio: Present | None = None
    voice: Present | None = None
    document: Present | None = None
    animation: Present | None = None
    sticker: Present | None = None
    video_note: Present | None = None
    poll: Poll | None = None
    new_chat_members: list[User] | None = None
    left_chat_member: User | None = None
    migrate_to_chat_id: int | None = None
    migrate_from_chat_id: int | None = None
    successful_payment: Payment | None = None
    refunded_payment: Payment | None = None


class SpecialUpdate(Wire):
    """An update whose message is read as `Special`."""

    message: Special | None = None
    edited_message: Special | None = None
    channel_post: Special | None = None
    edited_channel_post: Special | None = None


class InviteLink(Wire):
    """`ChatInviteLink`."""

    invite_link: str
    name: str = ""
    creates_join_request: bool = False
    is_primary: bool = False
    is_revoked: bool = False
    expire_date: int | None = None
    member_limit: int | None = None
    pending_join_request_count: int | None = None
    subscription_period: int | None = None
    subscription_price: int | None = None


class ChatMember(Wire):
    """`ChatMember*`, told apart by `status`."""

    user: User
    status: str
    is_member: bool = False
    until_date: int | None = None
    custom_title: str = ""
    tag: str = ""
    can_send_messages: bool = False
    can_manage_chat: bool = False
    can_be_edited: bool = False

    @property
    def inside(self) -> bool:
        """Whether this is a member now."""
        status = self.status
        return status in _INSIDE or (status == "restricted" and self.is_member)


_INSIDE = frozenset({"member", "administrator", "creator"})


class ChatMemberUpdated(Wire, kw_only=True):
    """`ChatMemberUpdated`."""

    chat: Chat
    from_: User | None = msgspec.field(default=None, name="from")
    date: int
    old_chat_member: ChatMember
    new_chat_member: ChatMember
    invite_link: InviteLink | None = None
    via_join_request: bool = False


class JoinRequest(Wire):
    """`ChatJoinRequest`."""

    chat: Place
    date: int
    from_: User = msgspec.field(name="from")
    user_chat_id: int | None = None
    bio: str = ""
    invite_link: InviteLink | None = None
    query_id: str = ""


class ReactionType(Wire):
    """`ReactionType*`."""

    type: str
    emoji: str = ""
    custom_emoji_id: str = ""

    @property
    def label(self) -> str:
        """The emoji, `custom:<id>` for custom emoji, `paid` for paid reactions."""
        return self.emoji or (f"custom:{self.custom_emoji_id}" if self.custom_emoji_id else self.type)


class ReactionUpdate(Wire, kw_only=True):
    """`MessageReactionUpdated`."""

    chat: Place
    message_id: int
    user: User | None = None
    actor_chat: Chat | None = None
    date: int
    old_reaction: list[ReactionType]
    new_reaction: list[ReactionType]


class ReactionCount(Wire):
    """`ReactionCount`."""

    type: ReactionType
    total_count: int


class ReactionCounts(Wire):
    """`MessageReactionCountUpdated`."""

    chat: Place
    message_id: int
    date: int
    reactions: list[ReactionCount]


class PollAnswer(Wire):
    """`PollAnswer`."""

    poll_id: str
    option_ids: list[int]
    user: User | None = None
    voter_chat: Chat | None = None


class PressedMessage(Wire):
    """The message under which a button was pressed; inaccessible ones have a date of 0."""

    message_id: int
    chat: Place
    message_thread_id: int | None = None
    is_topic_message: bool = False


class CallbackQuery(Wire):
    """`CallbackQuery`."""

    id: str
    from_: User = msgspec.field(name="from")
    message: PressedMessage | None = None
    inline_message_id: str = ""
    data: str = ""
    game_short_name: str = ""


class PreCheckout(Wire):
    """`PreCheckoutQuery`."""

    id: str
    from_: User = msgspec.field(name="from")
    currency: str = ""
    total_amount: int = 0
    invoice_payload: str = ""


class PaidMedia(Wire):
    """`PaidMediaPurchased`."""

    from_: User = msgspec.field(name="from")
    paid_media_payload: str = ""


class Subscription(Wire):
    """`BotSubscriptionUpdated`."""

    user: User
    invoice_payload: str = ""
    state: str = ""


class BoostSource(Wire):
    """`ChatBoostSource*`."""

    source: str = ""
    user: User | None = None


class Boost(Wire):
    """`ChatBoost`."""

    boost_id: str
    add_date: int
    source: BoostSource
    expiration_date: int | None = None


class BoostUpdated(Wire):
    """`ChatBoostUpdated`."""

    chat: Chat
    boost: Boost


class BoostRemoved(Wire):
    """`ChatBoostRemoved`."""

    chat: Chat
    boost_id: str
    remove_date: int
    source: BoostSource


class Update(Wire):
    """`Update`; types that are not here are kept raw and reported as unknown."""

    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    channel_post: Message | None = None
    edited_channel_post: Message | None = None
    chat_member: ChatMemberUpdated | None = None
    message_reaction: ReactionUpdate | None = None
    message_reaction_count: ReactionCounts | None = None
    callback_query: CallbackQuery | None = None
    poll: Poll | None = None
    poll_answer: PollAnswer | None = None
    my_chat_member: ChatMemberUpdated | None = None
    chat_join_request: JoinRequest | None = None
    pre_checkout_query: PreCheckout | None = None
    purchased_paid_media: PaidMedia | None = None
    subscription: Subscription | None = None
    chat_boost: BoostUpdated | None = None
    removed_chat_boost: BoostRemoved | None = None


class Parameters(Wire):
    """`ResponseParameters`."""

    migrate_to_chat_id: int | None = None
    retry_after: float | None = None


class Envelope(Wire):
    """Every answer of the Bot API; `result` stays undecoded."""

    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: Parameters | None = None


class SentMessage(Wire):
    """A message that we sent; its id is what matters, as it stands whatever the rest looks like."""

    message_id: int
    date: int = 0
    chat: Chat | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    media_group_id: str | None = None
    poll: Poll | None = None
    text: str | None = None
    caption: str | None = None


class ForumTopic(Wire):
    """`ForumTopic`."""

    message_thread_id: int
    name: str = ""


class PlainUpdate(Wire):
    """An update of which only the id is read."""

    update_id: int


def decode(raw: bytes | msgspec.Raw, kind: Any) -> Any:
    """Decode JSON into `kind`; raises `msgspec.DecodeError`, `msgspec.ValidationError` or `RecursionError`.

    What `repaired` mends is no error: one odd name in a batch of updates must not hold up the others, which cannot be
    asked for without it.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # numbers in texts are no error either
        return msgspec.json.decode(repaired(bytes(raw)), type=kind, strict=False)
