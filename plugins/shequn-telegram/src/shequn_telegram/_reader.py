"""Interactions made of checked values; the base of the readers of updates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.platforms.assembly import assemble, blank
from shequn_telegram import wire

__all__ = ["Fields", "PollPlace", "Reader", "at_second", "decode_keys", "stars"]

Fields = dict[str, Any]
PollPlace = Callable[[str], tuple[str, str] | None]
"""Gives channel and message of a poll by its id, None when it is not known."""

decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_from_timestamp = datetime.fromtimestamp
_NO_MINOR_UNITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF", "XTR"}
)  # fmt: skip


def stars(amount: int, currency: str) -> float:
    """Give an amount of the currency's smallest unit in its main unit; Stars (XTR) have no smaller one."""
    return float(amount) if currency in _NO_MINOR_UNITS else amount / 100


def at_second(seconds: int) -> datetime:
    """Give the instant of a Unix time."""
    return _from_timestamp(seconds, UTC)


class Reader:
    """What every reader of updates needs: the account's name and how interactions are put together."""

    def __init__(
        self, account: str, *, now: Callable[[], float], poll_place: PollPlace | None, platform: str
    ) -> None:
        self._account = account
        self._platform = platform
        self._now = now
        self._poll_place = poll_place
        self._blank: Fields = blank(platform, account)

    def _make(self, fields: dict[str, Any]) -> Interaction:
        whole = self._blank.copy()
        whole["attrs"] = {}
        whole.update(fields)
        return assemble(whole)

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
        return assemble(fields)

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

    def _actor(self, actor: wire.User | None, user: wire.User) -> dict[str, Any]:
        return {} if actor is None or actor.id == user.id else {"by": str(actor.id)}
