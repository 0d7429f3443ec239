"""Members who come, go and change; join requests; boosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_telegram import wire
from shequn_telegram._reader import Reader, at_second

__all__ = ["MemberReader"]

_KIND = InteractionKind


class MemberReader(Reader):
    """Reads `chat_member`, `my_chat_member`, `chat_join_request` and boosts."""

    def _member_change(self, change: wire.ChatMemberUpdated) -> Sequence[Interaction]:
        old, new = change.old_chat_member, change.new_chat_member
        user, chat, at = new.user, str(change.chat.id), at_second(change.date)
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
                at_second(change.date),
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
                at_second(request.date),
                channel=chat,
                entrance=entrance,
                attrs=attrs,
            ),
        )

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
            return self._by(source.user, _KIND.OTHER, id_, at_second(date), channel=str(chat.id), attrs=attrs)
        fields: dict[str, Any] = {"id": id_, "kind": _KIND.OTHER, "channel": str(chat.id), "attrs": attrs}
        return self._make({**fields, "occurred_at": at_second(date)})
