"""One channel of one account, with everything that its platform lets be done there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from shequn_sdk.domain import Channel, ChannelRef, Content, Interaction, Membership, PollResult
from shequn_sdk.errors import NotSupported, PluginError
from shequn_sdk.platforms.accounts import Accounts
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import (
    ChannelDirectory,
    Commenter,
    DirectMessenger,
    Editor,
    HistoryReader,
    Invite,
    Invites,
    JoinRequests,
    MemberDirectory,
    Moderator,
    Pinner,
    Polls,
    PostMetrics,
    PostNumbers,
    Reactions,
    Roles,
    Searcher,
    SlowMode,
    Topics,
)

__all__ = ["AsyncChannelHandle"]

P = TypeVar("P")
_C = Capability


class AsyncChannelHandle:
    """What can be done in one channel. Every method asks the manifest first.

    All methods raise `NotSupported` before any request where the platform offers nothing of the kind, and the
    `PlatformError` tree where it refuses.
    """

    def __init__(self, ref: ChannelRef, accounts: Accounts) -> None:
        """Made by `AsyncShequn.channel`."""
        self._ref = ref
        self._accounts = accounts
        self._id = ref.native_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.ref)!r})"

    @property
    def ref(self) -> ChannelRef:
        """Which channel it is."""
        return self._ref

    @property
    def manifest(self) -> Manifest:
        """What the account can do."""
        return self._accounts.manifest(self.ref.account)

    def _as(self, protocol: type[P], capability: Capability) -> P:
        self.manifest.require(capability)
        adapter = self._accounts.adapter(self.ref.account)
        if not isinstance(adapter, protocol):
            raise PluginError(
                f"the plugin of {adapter.platform} declares {capability} but its adapter is no {protocol.__name__}",
                plugin=adapter.platform,
            )
        return adapter

    async def info(self) -> Channel:
        """Read what the platform knows of the channel."""
        channel = await self._as(ChannelDirectory, _C.CHANNEL_INFO).get_channel(self._id)
        return channel.model_copy(update={"ref": self.ref})

    async def count_members(self) -> int:
        """Read the platform's own number of members."""
        return await self._as(ChannelDirectory, _C.MEMBER_COUNT).count_members(self._id)

    async def get_member(self, member: str) -> Membership:
        """Read one member by native id."""
        return await self._as(MemberDirectory, _C.GET_MEMBER).get_member(self._id, member)

    async def iter_members(self) -> AsyncIterator[Membership]:
        """Give all members, page by page."""
        async for membership in self._as(MemberDirectory, _C.LIST_MEMBERS).iter_members(self._id):
            yield membership

    async def iter_history(self, *, since: datetime | None = None) -> AsyncIterator[Interaction]:
        """Give past messages, oldest first."""
        async for interaction in self._as(HistoryReader, _C.READ_HISTORY).iter_history(self._id, since=since):
            yield interaction

    async def search(self, query: str) -> AsyncIterator[Interaction]:
        """Give messages that match, newest first."""
        async for interaction in self._as(Searcher, _C.SEARCH).search(self._id, query):
            yield interaction

    async def edit(self, message: str, content: Content) -> None:
        """Replace a message's content.

        Raises:
            NotSupported: the new content does not fit into one message.
        """
        from shequn_sdk.publishing.compose import compose

        editor = self._as(Editor, _C.EDIT)
        variant = compose(content, self.manifest, account=self.ref.account)
        if len(variant.pieces) != 1:
            raise NotSupported(
                f"the new content needs {len(variant.pieces)} messages and a message can only become one; shorten it",
                platform=self.manifest.platform,
                capability=str(_C.EDIT),
            )
        await editor.edit(self._id, message, variant.pieces[0])

    async def delete(self, message: str) -> None:
        """Delete a message; one that is gone already is no error."""
        await self._as(Editor, _C.DELETE).delete(self._id, message)

    async def pin(self, message: str) -> None:
        """Pin a message."""
        await self._as(Pinner, _C.PIN).pin(self._id, message)

    async def unpin(self, message: str) -> None:
        """Take a pin away."""
        await self._as(Pinner, _C.PIN).unpin(self._id, message)

    async def react(self, message: str, emoji: str) -> None:
        """Set our own reaction; "" takes it away."""
        await self._as(Reactions, _C.REACT).react(self._id, message, emoji)

    async def close_poll(self, message: str) -> PollResult:
        """End a poll now."""
        return await self._as(Polls, _C.CLOSE_POLL).close_poll(self._id, message)

    async def get_poll(self, message: str) -> PollResult:
        """Read a poll's state."""
        return await self._as(Polls, _C.POLL_RESULTS).get_poll(self._id, message)

    async def get_post_numbers(self, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """Read the counters of posts; what the platform does not tell is None."""
        return await self._as(PostMetrics, _C.POST_METRICS).get_post_numbers(self._id, messages)

    async def comment(self, message: str, text: str, *, reply_to: str = "") -> str:
        """Comment on a post, or answer a comment; gives the comment's id."""
        return await self._as(Commenter, _C.COMMENTS).comment(self._id, message, text, reply_to=reply_to)

    async def delete_comment(self, message: str, comment: str) -> None:
        """Delete a comment."""
        await self._as(Commenter, _C.COMMENTS).delete_comment(self._id, message, comment)

    async def iter_comments(self, message: str) -> AsyncIterator[Interaction]:
        """Give the comments under a post, oldest first."""
        async for interaction in self._as(Commenter, _C.COMMENTS).iter_comments(self._id, message):
            yield interaction

    async def restrict(self, member: str, *, until: datetime | None, reason: str = "") -> None:
        """Keep a member from writing until `until` (None: until lifted)."""
        await self._as(Moderator, _C.RESTRICT).restrict(self._id, member, until=until, reason=reason)

    async def unrestrict(self, member: str) -> None:
        """Let a member write again."""
        await self._as(Moderator, _C.RESTRICT).unrestrict(self._id, member)

    async def kick(self, member: str, *, reason: str = "") -> None:
        """Remove a member, who may come back."""
        await self._as(Moderator, _C.KICK).kick(self._id, member, reason=reason)

    async def ban(self, member: str, *, until: datetime | None = None, reason: str = "") -> None:
        """Remove a member, who may not come back until `until`."""
        await self._as(Moderator, _C.BAN).ban(self._id, member, until=until, reason=reason)

    async def unban(self, member: str) -> None:
        """Lift a ban."""
        await self._as(Moderator, _C.BAN).unban(self._id, member)

    async def set_slow_mode(self, delay: timedelta) -> None:
        """Let each member write once per `delay`; zero ends it."""
        await self._as(SlowMode, _C.SLOW_MODE).set_slow_mode(self._id, delay)

    async def grant_role(self, member: str, role: str) -> None:
        """Give one of the platform's own roles."""
        await self._as(Roles, _C.ROLES).grant_role(self._id, member, role)

    async def revoke_role(self, member: str, role: str) -> None:
        """Take one of the platform's own roles away."""
        await self._as(Roles, _C.ROLES).revoke_role(self._id, member, role)

    async def open_topic(self, title: str) -> ChannelRef:
        """Open a topic or thread; gives the channel to publish to."""
        native = await self._as(Topics, _C.TOPICS).open_topic(self._id, title)
        return ChannelRef(account=self.ref.account, native_id=native)

    async def close_topic(self, topic: str) -> None:
        """Close a topic or thread, named by the native id that `open_topic` gave."""
        await self._as(Topics, _C.TOPICS).close_topic(self._id, topic)

    async def create_invite(
        self,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Invite:
        """Make a named entrance; joins through it carry its name."""
        return await self._as(Invites, _C.INVITES).create_invite(
            self._id, name=name, expires_at=expires_at, max_uses=max_uses, needs_approval=needs_approval
        )

    async def revoke_invite(self, invite: str) -> None:
        """End an entrance, named by its id."""
        await self._as(Invites, _C.INVITES).revoke_invite(self._id, invite)

    async def approve_join(self, member: str) -> None:
        """Let an applicant in."""
        await self._as(JoinRequests, _C.JOIN_REQUESTS).approve_join(self._id, member)

    async def decline_join(self, member: str) -> None:
        """Turn an applicant away."""
        await self._as(JoinRequests, _C.JOIN_REQUESTS).decline_join(self._id, member)

    async def direct_channel(self, member: str) -> ChannelRef:
        """Give the channel in which a member can be written to privately."""
        native = await self._as(DirectMessenger, _C.DIRECT_MESSAGE).direct_channel(member)
        return ChannelRef(account=self.ref.account, native_id=native)
