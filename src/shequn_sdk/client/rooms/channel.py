"""The blocking twin of `channel`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.client.channels import AsyncChannelHandle
    from shequn_sdk.domain import Channel, ChannelRef, Content, Interaction, Membership, PollResult
    from shequn_sdk.platforms.manifest import Manifest
    from shequn_sdk.platforms.ports import Invite, PostNumbers

__all__ = ["ChannelHandle"]


class ChannelHandle(Twin):
    """The blocking twin of `shequn_sdk.client.channels.AsyncChannelHandle`."""

    def __init__(self, inner: AsyncChannelHandle, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    @property
    def ref(self) -> ChannelRef:
        """See `AsyncChannelHandle.ref`."""
        return self._inner.ref

    @property
    def manifest(self) -> Manifest:
        """See `AsyncChannelHandle.manifest`."""
        return self._inner.manifest

    def info(self) -> Channel:
        """See `AsyncChannelHandle.info`."""
        return self._do(self._inner.info)

    def count_members(self) -> int:
        """See `AsyncChannelHandle.count_members`."""
        return self._do(self._inner.count_members)

    def get_member(self, member: str) -> Membership:
        """See `AsyncChannelHandle.get_member`."""
        return self._do(self._inner.get_member, member)

    def iter_members(self) -> Iterator[Membership]:
        """See `AsyncChannelHandle.iter_members`."""
        return self._each(self._inner.iter_members())

    def iter_history(self, *, since: datetime | None = None) -> Iterator[Interaction]:
        """See `AsyncChannelHandle.iter_history`."""
        return self._each(self._inner.iter_history(since=since))

    def search(self, query: str) -> Iterator[Interaction]:
        """See `AsyncChannelHandle.search`."""
        return self._each(self._inner.search(query))

    def edit(self, message: str, content: Content) -> None:
        """See `AsyncChannelHandle.edit`."""
        self._do(self._inner.edit, message, content)

    def delete(self, message: str) -> None:
        """See `AsyncChannelHandle.delete`."""
        self._do(self._inner.delete, message)

    def pin(self, message: str) -> None:
        """See `AsyncChannelHandle.pin`."""
        self._do(self._inner.pin, message)

    def unpin(self, message: str) -> None:
        """See `AsyncChannelHandle.unpin`."""
        self._do(self._inner.unpin, message)

    def react(self, message: str, emoji: str) -> None:
        """See `AsyncChannelHandle.react`."""
        self._do(self._inner.react, message, emoji)

    def close_poll(self, message: str) -> PollResult:
        """See `AsyncChannelHandle.close_poll`."""
        return self._do(self._inner.close_poll, message)

    def get_poll(self, message: str) -> PollResult:
        """See `AsyncChannelHandle.get_poll`."""
        return self._do(self._inner.get_poll, message)

    def get_post_numbers(self, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """See `AsyncChannelHandle.get_post_numbers`."""
        return self._do(self._inner.get_post_numbers, messages)

    def comment(self, message: str, text: str, *, reply_to: str = "") -> str:
        """See `AsyncChannelHandle.comment`."""
        return self._do(self._inner.comment, message, text, reply_to=reply_to)

    def delete_comment(self, message: str, comment: str) -> None:
        """See `AsyncChannelHandle.delete_comment`."""
        self._do(self._inner.delete_comment, message, comment)

    def iter_comments(self, message: str) -> Iterator[Interaction]:
        """See `AsyncChannelHandle.iter_comments`."""
        return self._each(self._inner.iter_comments(message))

    def restrict(self, member: str, *, until: datetime | None, reason: str = "") -> None:
        """See `AsyncChannelHandle.restrict`."""
        self._do(self._inner.restrict, member, until=until, reason=reason)

    def unrestrict(self, member: str) -> None:
        """See `AsyncChannelHandle.unrestrict`."""
        self._do(self._inner.unrestrict, member)

    def kick(self, member: str, *, reason: str = "") -> None:
        """See `AsyncChannelHandle.kick`."""
        self._do(self._inner.kick, member, reason=reason)

    def ban(self, member: str, *, until: datetime | None = None, reason: str = "") -> None:
        """See `AsyncChannelHandle.ban`."""
        self._do(self._inner.ban, member, until=until, reason=reason)

    def unban(self, member: str) -> None:
        """See `AsyncChannelHandle.unban`."""
        self._do(self._inner.unban, member)

    def set_slow_mode(self, delay: timedelta) -> None:
        """See `AsyncChannelHandle.set_slow_mode`."""
        self._do(self._inner.set_slow_mode, delay)

    def grant_role(self, member: str, role: str) -> None:
        """See `AsyncChannelHandle.grant_role`."""
        self._do(self._inner.grant_role, member, role)

    def revoke_role(self, member: str, role: str) -> None:
        """See `AsyncChannelHandle.revoke_role`."""
        self._do(self._inner.revoke_role, member, role)

    def open_topic(self, title: str) -> ChannelRef:
        """See `AsyncChannelHandle.open_topic`."""
        return self._do(self._inner.open_topic, title)

    def close_topic(self, topic: str) -> None:
        """See `AsyncChannelHandle.close_topic`."""
        self._do(self._inner.close_topic, topic)

    def create_invite(
        self,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Invite:
        """See `AsyncChannelHandle.create_invite`."""
        return self._do(
            self._inner.create_invite,
            name=name,
            expires_at=expires_at,
            max_uses=max_uses,
            needs_approval=needs_approval,
        )

    def revoke_invite(self, invite: str) -> None:
        """See `AsyncChannelHandle.revoke_invite`."""
        self._do(self._inner.revoke_invite, invite)

    def approve_join(self, member: str) -> None:
        """See `AsyncChannelHandle.approve_join`."""
        self._do(self._inner.approve_join, member)

    def decline_join(self, member: str) -> None:
        """See `AsyncChannelHandle.decline_join`."""
        self._do(self._inner.decline_join, member)

    def direct_channel(self, member: str) -> ChannelRef:
        """See `AsyncChannelHandle.direct_channel`."""
        return self._do(self._inner.direct_channel, member)
