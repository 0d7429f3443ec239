"""Readers of what happens on a server: who comes and goes, what moderators do, invites, events and threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shequn_discord.event_readers import Readers
from shequn_discord.event_wire import (
    SCREENED,
    AuditEntry,
    AutoModEvent,
    EventUser,
    GuildUser,
    InviteEvent,
    MemberAdd,
    MemberUpdate,
)
from shequn_discord.snowflake import parse_time, time_of
from shequn_discord.wire import Channel
from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.platforms.ports import RawEvent

__all__ = ["ServerReaders"]

_K = InteractionKind
AUDITED: Mapping[int, str] = {
    20: "kick",
    21: "prune",
    24: "timeout",
    72: "delete_message",
    73: "delete_messages",
    143: "automod_block",
    144: "automod_alert",
    145: "automod_timeout",
}


class ServerReaders(Readers):
    """Members, moderation and the life of a server."""

    def _join(self, data: MemberAdd, raw: RawEvent) -> list[Interaction]:
        at = parse_time(data.joined_at) if data.joined_at else self._at(raw)
        return self._one(
            _K.JOIN,
            f"join:{data.guild_id}:{data.user.id}:{data.joined_at or raw.event_id}",
            at,
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            user=data.user,
            name=data.nick or "",
            attrs={"pending": True} if data.pending else None,
        )

    def _update(self, data: MemberUpdate, raw: RawEvent) -> list[Interaction]:
        """Tell that a member may take part from now on; the joining was told when it was, and is not told again."""
        if SCREENED not in raw.headers:
            return []
        return self._one(
            _K.ROLE_CHANGED,
            f"screened:{data.guild_id}:{data.user.id}:{data.joined_at or ''}",
            self._at(raw),
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            user=data.user,
            name=data.nick or "",
            attrs={"action": "screened", "pending": False},
        )

    def _leave(self, data: GuildUser, raw: RawEvent) -> list[Interaction]:
        return self._one(
            _K.LEAVE,
            raw.event_id,
            self._at(raw),
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            user=data.user,
        )

    def _ban(self, data: GuildUser, raw: RawEvent) -> list[Interaction]:
        return self._banned(data, raw, "ban")

    def _unban(self, data: GuildUser, raw: RawEvent) -> list[Interaction]:
        return self._banned(data, raw, "unban")

    def _banned(self, data: GuildUser, raw: RawEvent, action: str) -> list[Interaction]:
        return self._one(
            _K.MODERATION,
            raw.event_id,
            self._at(raw),
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            target=str(data.user.id),
            attrs={"action": action, "username": data.user.username},
        )

    def _audit(self, data: AuditEntry, raw: RawEvent) -> list[Interaction]:
        action = "role" if data.action_type == 25 else AUDITED.get(data.action_type, "")
        changes = [str(change.get("key", "")) for change in data.changes]
        if data.action_type == 24 and "communication_disabled_until" not in changes:
            action = ""
        if not action:
            return []
        attrs: dict[str, Any] = {"action": action}
        if data.reason:
            attrs["reason"] = data.reason
        if action == "role":
            for change in data.changes:
                name = {"$add": "added", "$remove": "removed"}.get(str(change.get("key")))
                roles = change.get("new_value")
                if name and isinstance(roles, list):
                    attrs[name] = [str(role.get("id", "")) for role in roles if isinstance(role, dict)]
        return self._one(
            _K.ROLE_CHANGED if action == "role" else _K.MODERATION,
            f"audit:{data.id}",
            time_of(str(data.id)),
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            target=str(data.target_id or ""),
            attrs={**attrs, "by": str(data.user_id or "")},
        )

    def _automod(self, data: AutoModEvent, raw: RawEvent) -> list[Interaction]:
        kind = data.action.get("type")
        attrs: dict[str, Any] = {
            "action": "automod",
            "action_type": kind if isinstance(kind, int) else None,
            "rule_id": str(data.rule_id),
        }
        if data.matched_keyword:
            attrs["keyword"] = data.matched_keyword
        return self._one(
            _K.MODERATION,
            raw.event_id,
            self._at(raw),
            channel=data.channel_id or self._home(data.guild_id),
            guild=data.guild_id,
            message=str(data.message_id or ""),
            target=str(data.user_id),
            text=data.content,
            attrs=attrs,
        )

    def _invite(self, data: InviteEvent, raw: RawEvent) -> list[Interaction]:
        at = parse_time(data.created_at) if data.created_at else self._at(raw)
        return self._one(
            _K.OTHER,
            f"invite:{data.code}:create",
            at,
            channel=data.channel_id,
            guild=data.guild_id,
            user=data.inviter,
            attrs={"event": "invite_create", "invite": data.code},
        )

    def _uninvite(self, data: InviteEvent, raw: RawEvent) -> list[Interaction]:
        return self._one(
            _K.OTHER,
            f"invite:{data.code}:delete",
            self._at(raw),
            channel=data.channel_id,
            guild=data.guild_id,
            attrs={"event": "invite_delete", "invite": data.code},
        )

    def _interest(self, data: EventUser, raw: RawEvent) -> list[Interaction]:
        return self._interested(_K.OTHER, data, raw, {"event": "scheduled_event_interest"})

    def _uninterest(self, data: EventUser, raw: RawEvent) -> list[Interaction]:
        return self._interested(
            _K.RETRACT, data, raw, {"event": "scheduled_event_interest", "retracts": "other"}
        )

    def _interested(
        self, kind: InteractionKind, data: EventUser, raw: RawEvent, attrs: dict[str, Any]
    ) -> list[Interaction]:
        number = str(data.guild_scheduled_event_id)
        return self._one(
            kind,
            raw.event_id,
            self._at(raw),
            channel=self._home(data.guild_id),
            guild=data.guild_id,
            member_id=str(data.user_id),
            target=number if kind is _K.RETRACT else "",
            attrs={**attrs, "scheduled_event_id": number},
        )

    def _thread(self, data: Channel, raw: RawEvent) -> list[Interaction]:
        if not data.newly_created:
            return []
        number = str(data.id)
        return self._one(
            _K.OTHER,
            f"thread:{number}",
            time_of(number),
            channel=data.parent_id or data.id,
            guild=data.guild_id,
            member_id=str(data.owner_id or ""),
            text=data.name or "",
            thread=number,
            attrs={"event": "thread_create"},
        )
