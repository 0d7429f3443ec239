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

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.assembly import assemble
from shequn_sdk.platforms.lenient import repaired
from shequn_sdk.platforms.ports import Parsed
from shequn_telegram import wire
from shequn_telegram._members import MemberReader
from shequn_telegram._messages import MessageReader
from shequn_telegram._reader import PollPlace, at_second, decode_keys, stars

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

_KIND = InteractionKind
_REACTION = InteractionKind.REACTION
_VOTE = InteractionKind.VOTE
_KNOWN = frozenset(KNOWN_UPDATES)
_decode = msgspec.json.Decoder(wire.Update).decode
_from_timestamp = datetime.fromtimestamp
_UNREADABLE: tuple[type[Exception], ...] = (
    msgspec.MsgspecError,
    ValueError,
    OverflowError,
    OSError,
    RecursionError,
)


class UpdateParser(MessageReader, MemberReader):
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
        super().__init__(account, now=now, poll_place=poll_place, platform=platform)

    def parse(self, payload: bytes, *, received_at: str = "") -> Parsed:
        """Read one update.

        An update of a known type with a shape that cannot be read counts as unknown: it is kept raw and the source
        goes on.

        Raises:
            InvalidInput: the payload is no update at all.
        """
        try:
            return self._read(payload, received_at)
        except _UNREADABLE as error:
            mended = repaired(payload)
            if mended != payload:
                try:
                    return self._read(mended, received_at)
                except _UNREADABLE:
                    pass
            return self._unreadable(mended, error)

    def _read(self, payload: bytes, received_at: str) -> Parsed:
        update = _decode(payload)
        if (message := update.message) is not None:
            return Parsed("message", self._message(message, payload))
        return self._rest(update, payload, received_at)

    def _unreadable(self, payload: bytes, error: Exception) -> Parsed:
        try:
            keys = decode_keys(payload)
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
        if (answer := update.poll_answer) is not None:
            at = _from_timestamp(float(received_at) if received_at else self._now(), UTC)
            return Parsed("poll_answer", self._vote(answer, update.update_id, at))
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
        kind = next((key for key in decode_keys(payload) if key != "update_id"), "empty")
        return Parsed(kind, (), known=kind in _KNOWN)

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
            return (assemble(base),)
        before = [reaction.label for reaction in old]
        after = [reaction.label for reaction in new]
        found: list[Interaction] = []
        for emoji in after:
            if emoji not in before:
                fields = base.copy()
                fields["id"] = f"reaction:{chat}:{mid}:{who}:{emoji}:{change.date}"
                fields["kind"] = _REACTION
                fields["attrs"] = {"emoji": emoji}
                found.append(assemble(fields))
        for emoji in before:
            if emoji not in after:
                fields = base.copy()
                fields["id"] = f"retract:{chat}:{mid}:{who}:{emoji}:{change.date}"
                fields["kind"] = _KIND.RETRACT
                fields["target"] = mid
                fields["attrs"] = {"emoji": emoji, "retracts": "reaction"}
                found.append(assemble(fields))
        return found

    def _reaction_counts(self, counts: wire.ReactionCounts) -> Sequence[Interaction]:
        chat, mid = str(counts.chat.id), str(counts.message_id)
        per_emoji = {count.type.label: count.total_count for count in counts.reactions}
        fields: dict[str, Any] = {
            "id": f"reaction_count:{chat}:{mid}:{counts.date}",
            "kind": _KIND.OTHER,
            "channel": chat,
            "message": mid,
            "occurred_at": at_second(counts.date),
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

    def _vote(self, answer: wire.PollAnswer, update_id: int, at: datetime) -> Sequence[Interaction]:
        poll = answer.poll_id
        fields = self._blank.copy()
        who = ""
        if (voter := answer.user) is not None:
            fields["member"] = who = str(voter.id)
            fields["member_name"] = (
                f"{voter.first_name} {voter.last_name}" if voter.last_name else voter.first_name
            )
            fields["username"] = voter.username
            fields["is_bot"] = voter.is_bot
        elif (chat := answer.voter_chat) is not None:
            fields["member"] = who = str(chat.id)
            fields["member_name"] = chat.title
        if self._poll_place is not None and (place := self._poll_place(poll)) is not None:
            fields["channel"], fields["message"] = place
        fields["id"] = f"vote:{poll}:{who}:{update_id}"
        fields["occurred_at"] = at
        if answer.option_ids:
            fields["kind"] = _VOTE
            fields["attrs"] = {"poll": poll, "choices": answer.option_ids}
        else:
            fields["kind"] = _KIND.RETRACT
            fields["target"] = fields["message"]
            fields["attrs"] = {"poll": poll, "retracts": "vote"}
        return (assemble(fields),)

    def _poll(self, poll: wire.Poll, update_id: int, at: datetime) -> Sequence[Interaction]:
        channel, message = (self._poll_place(poll.id) if self._poll_place is not None else None) or ("", "")
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
