"""What an adapter implements: one small protocol per group of capabilities.

An adapter is a class with `platform`, `manifest`, `aopen` and `aclose`, plus the protocols that its manifest declares.
`CAPABILITY_PROTOCOLS` says which protocol a declared capability promises; the contract suite checks it.
Ids are native ids as text everywhere; instants are aware; what fails raises the tree of `shequn_sdk.errors`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, runtime_checkable

from shequn_sdk.domain import Channel, Interaction, Membership, Piece, PollResult, Post
from shequn_sdk.platforms.exchange import (
    Confirmation,
    Invite,
    Parsed,
    PostNumbers,
    RawBatch,
    RawEvent,
    WebhookReply,
    WebhookRequest,
)
from shequn_sdk.platforms.manifest import Capability, Manifest

__all__ = [
    "CAPABILITY_PROTOCOLS",
    "Adapter",
    "ChannelDirectory",
    "Commands",
    "Commenter",
    "Confirmation",
    "Confirmer",
    "DirectMessenger",
    "Editor",
    "EventSource",
    "HistoryReader",
    "Invite",
    "InviteReader",
    "Invites",
    "JoinRequests",
    "MemberDirectory",
    "Moderator",
    "Parsed",
    "Pictures",
    "Pinner",
    "Polls",
    "PostMetrics",
    "PostNumbers",
    "PromptSource",
    "Publisher",
    "RawBatch",
    "RawEvent",
    "Reactions",
    "Reconciler",
    "Roles",
    "Searcher",
    "SlowMode",
    "Tagger",
    "Topics",
    "WebhookReply",
    "WebhookRequest",
    "WebhookSource",
    "Welcomer",
]


@runtime_checkable
class Adapter(Protocol):
    """Every adapter: an async context manager around one account on one platform."""

    @property
    def platform(self) -> str:
        """Name of the platform."""
        ...

    @property
    def manifest(self) -> Manifest:
        """What this account can do; fixed from construction on, no request needed."""
        ...

    async def __aenter__(self) -> Self:
        """Open connections; makes no request."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        ...

    async def check(self) -> str:
        """Ask the platform who this account is; gives a line for people. For `shequn doctor`."""
        ...


@runtime_checkable
class Publisher(Protocol):
    """Sends one piece. PUBLISH_*, BUTTONS, REPLY, MENTION."""

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Send `piece` to `channel` with at most one request that can post.

        Args:
            channel: native id of the channel.
            piece: fitted to the manifest by the composer.
            idempotency_key: the same for every attempt of one delivery; used where the platform has such a key.

        Returns:
            What landed. Where a person must confirm, a post whose `native_id` names the task (`Confirmer`).

        Raises:
            PlatformError: its `landed` says whether the piece may stand on the platform.
        """
        ...


@runtime_checkable
class Editor(Protocol):
    """EDIT, DELETE, DELETE_OTHERS."""

    async def edit(self, channel: str, message: str, piece: Piece) -> None:
        """Replace the content; unchanged content is no error."""
        ...

    async def delete(self, channel: str, message: str) -> None:
        """Delete; a message that is gone already is no error."""
        ...


@runtime_checkable
class Pinner(Protocol):
    """PIN."""

    async def pin(self, channel: str, message: str) -> None:
        """Pin without ringing."""
        ...

    async def unpin(self, channel: str, message: str) -> None:
        """Take the pin away."""
        ...


@runtime_checkable
class Reactions(Protocol):
    """REACT."""

    async def react(self, channel: str, message: str, emoji: str) -> None:
        """Set our own reaction; "" takes it away."""
        ...


@runtime_checkable
class Polls(Protocol):
    """CLOSE_POLL, POLL_RESULTS."""

    async def close_poll(self, channel: str, message: str) -> PollResult:
        """End the poll now."""
        ...

    async def get_poll(self, channel: str, message: str) -> PollResult:
        """Read the poll's state."""
        ...


@runtime_checkable
class Reconciler(Protocol):
    """RECONCILE: looks up what perhaps landed."""

    async def find_landed(
        self, channel: str, piece: Piece, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        """Find our own post of `piece` made at or after `since`; None is a certain no."""
        ...


@runtime_checkable
class PostMetrics(Protocol):
    """POST_METRICS."""

    async def get_post_numbers(self, channel: str, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """Read counters; messages that are gone are left out."""
        ...


@runtime_checkable
class HistoryReader(Protocol):
    """READ_HISTORY."""

    def iter_history(self, channel: str, *, since: datetime | None = None) -> AsyncIterator[Interaction]:
        """Give past messages as interactions, oldest first."""
        ...


@runtime_checkable
class Commenter(Protocol):
    """COMMENTS: comments under a post."""

    async def comment(self, channel: str, message: str, text: str, *, reply_to: str = "") -> str:
        """Write a comment, or answer the comment `reply_to`; gives its id."""
        ...

    async def delete_comment(self, channel: str, message: str, comment: str) -> None:
        """Delete a comment."""
        ...

    def iter_comments(self, channel: str, message: str) -> AsyncIterator[Interaction]:
        """Give the comments under a post, oldest first."""
        ...


@runtime_checkable
class ChannelDirectory(Protocol):
    """CHANNEL_INFO, LIST_CHANNELS, MEMBER_COUNT."""

    async def get_channel(self, channel: str) -> Channel:
        """Read what the platform knows of a channel."""
        ...

    async def count_members(self, channel: str) -> int:
        """Read the platform's own number of members."""
        ...

    def iter_channels(self) -> AsyncIterator[Channel]:
        """Give the channels that this account can reach."""
        ...


@runtime_checkable
class MemberDirectory(Protocol):
    """GET_MEMBER, LIST_MEMBERS."""

    async def get_member(self, channel: str, member: str) -> Membership:
        """Read one member.

        Raises:
            TargetNotFound: not a member and never was.
        """
        ...

    def iter_members(self, channel: str) -> AsyncIterator[Membership]:
        """Give all members."""
        ...


@runtime_checkable
class DirectMessenger(Protocol):
    """DIRECT_MESSAGE."""

    async def direct_channel(self, member: str) -> str:
        """Give the native id of the channel in which `member` can be written to privately."""
        ...


@runtime_checkable
class Moderator(Protocol):
    """RESTRICT, KICK, BAN."""

    async def restrict(self, channel: str, member: str, *, until: datetime | None, reason: str = "") -> None:
        """Keep a member from writing until `until` (None: until lifted)."""
        ...

    async def unrestrict(self, channel: str, member: str) -> None:
        """Let a member write again."""
        ...

    async def kick(self, channel: str, member: str, *, reason: str = "") -> None:
        """Remove a member, who may come back."""
        ...

    async def ban(
        self, channel: str, member: str, *, until: datetime | None = None, reason: str = ""
    ) -> None:
        """Remove a member, who may not come back until `until`."""
        ...

    async def unban(self, channel: str, member: str) -> None:
        """Lift a ban; no error when there is none."""
        ...


@runtime_checkable
class SlowMode(Protocol):
    """SLOW_MODE."""

    async def set_slow_mode(self, channel: str, delay: timedelta) -> None:
        """Let each member write once per `delay`; zero ends it."""
        ...


@runtime_checkable
class Pictures(Protocol):
    """PICTURES: loads what members post; `attrs["pictures"]` of their messages names it."""

    async def load_picture(self, picture: str, *, most_bytes: int) -> bytes:
        """Load a picture by the name that `attrs["pictures"]` gives.

        Raises:
            InvalidContent: it is larger than `most_bytes`.
        """
        ...


@runtime_checkable
class Roles(Protocol):
    """ROLES: the platform's own roles."""

    async def grant_role(self, channel: str, member: str, role: str) -> None:
        """Give a role; having it already is no error."""
        ...

    async def revoke_role(self, channel: str, member: str, role: str) -> None:
        """Take a role; not having it is no error."""
        ...


@runtime_checkable
class Tagger(Protocol):
    """TAGS: the platform's own tags on a member."""

    async def tag(self, member: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Add and remove tags by their native ids."""
        ...


@runtime_checkable
class Topics(Protocol):
    """TOPICS: threads or topics inside a channel."""

    async def open_topic(self, channel: str, title: str) -> str:
        """Open one; gives the native id of the channel to publish to (`channel/thread` where both are needed)."""
        ...

    async def close_topic(self, channel: str, topic: str) -> None:
        """Close one."""
        ...


@runtime_checkable
class Invites(Protocol):
    """INVITES."""

    async def create_invite(
        self,
        channel: str,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Invite:
        """Make a named entrance."""
        ...

    async def revoke_invite(self, channel: str, invite: str) -> None:
        """End an entrance, named by its id."""
        ...


@runtime_checkable
class InviteReader(Protocol):
    """INVITE_USES: how often each entrance was used, where joins do not tell by which they came."""

    async def list_invites(self, channel: str) -> Sequence[Invite]:
        """Give the channel's living entrances with their `uses`."""
        ...


@runtime_checkable
class JoinRequests(Protocol):
    """JOIN_REQUESTS."""

    async def approve_join(self, channel: str, member: str) -> None:
        """Let an applicant in."""
        ...

    async def decline_join(self, channel: str, member: str) -> None:
        """Turn an applicant away."""
        ...


@runtime_checkable
class Commands(Protocol):
    """COMMANDS, ANSWER_BUTTON."""

    async def set_commands(self, commands: Mapping[str, str]) -> None:
        """Publish the account's commands: name to description."""
        ...

    async def answer_button(self, interaction: Interaction, text: str = "") -> None:
        """Acknowledge a pressed button, in the time the platform allows."""
        ...


@runtime_checkable
class Searcher(Protocol):
    """SEARCH."""

    def search(self, channel: str, query: str) -> AsyncIterator[Interaction]:
        """Give messages that match, newest first."""
        ...


@runtime_checkable
class Welcomer(Protocol):
    """WELCOME: the platform's own welcome message, tied to a joining event."""

    async def welcome(self, interaction: Interaction, piece: Piece) -> None:
        """Send it within the platform's time after the event."""
        ...


@runtime_checkable
class Confirmer(Protocol):
    """MASS_MESSAGE and every mode with `person_must_confirm`."""

    async def get_confirmation(self, channel: str, task: str) -> Confirmation:
        """Read how far the person has come; `task` is the `native_id` that `publish` gave."""
        ...

    async def remind(self, channel: str, task: str) -> None:
        """Remind the person."""
        ...

    async def cancel_task(self, channel: str, task: str) -> None:
        """Take back what is not confirmed yet."""
        ...


@runtime_checkable
class EventSource(Protocol):
    """POLL_EVENTS, GATEWAY: hands over events one batch after another."""

    async def receive(self, cursor: str | None) -> RawBatch:
        """Wait for events and give them (perhaps none, after the platform's long-poll time).

        Calling it with the `cursor` of an earlier batch acknowledges that batch; calling with the cursor before
        gives the same events again where the platform can. None starts anew.
        """
        ...

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one event; pure, fast, never raises for unknown types.

        Raises:
            InvalidInput: the payload is no readable event at all.
        """
        ...


@runtime_checkable
class PromptSource(Protocol):
    """Optional beside `EventSource`, for sources whose `receive` waits long where nothing has happened."""

    async def receive_now(self, cursor: str | None) -> RawBatch:
        """Give what waits at the platform, as `receive` does, without waiting for more."""
        ...


@runtime_checkable
class WebhookSource(Protocol):
    """WEBHOOK."""

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check signature, age and size; give the events and the answer.

        Raises:
            VerificationFailed: forged, replayed, too old, or unreadable.
        """
        ...

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one event; see `EventSource.parse`."""
        ...


_C = Capability
CAPABILITY_PROTOCOLS: Mapping[Capability, type] = MappingProxyType(
    {
        _C.PUBLISH_TEXT: Publisher,
        _C.PUBLISH_PHOTO: Publisher,
        _C.PUBLISH_VIDEO: Publisher,
        _C.PUBLISH_AUDIO: Publisher,
        _C.PUBLISH_DOCUMENT: Publisher,
        _C.PUBLISH_ALBUM: Publisher,
        _C.PUBLISH_POLL: Publisher,
        _C.PUBLISH_ARTICLE: Publisher,
        _C.PUBLISH_LINK: Publisher,
        _C.BUTTONS: Publisher,
        _C.REPLY: Publisher,
        _C.MENTION: Publisher,
        _C.EDIT: Editor,
        _C.DELETE: Editor,
        _C.DELETE_OTHERS: Editor,
        _C.PIN: Pinner,
        _C.REACT: Reactions,
        _C.CLOSE_POLL: Polls,
        _C.POLL_RESULTS: Polls,
        _C.RECONCILE: Reconciler,
        _C.POST_METRICS: PostMetrics,
        _C.READ_HISTORY: HistoryReader,
        _C.COMMENTS: Commenter,
        _C.CHANNEL_INFO: ChannelDirectory,
        _C.LIST_CHANNELS: ChannelDirectory,
        _C.MEMBER_COUNT: ChannelDirectory,
        _C.TOPICS: Topics,
        _C.SLOW_MODE: SlowMode,
        _C.PICTURES: Pictures,
        _C.GET_MEMBER: MemberDirectory,
        _C.LIST_MEMBERS: MemberDirectory,
        _C.DIRECT_MESSAGE: DirectMessenger,
        _C.RESTRICT: Moderator,
        _C.KICK: Moderator,
        _C.BAN: Moderator,
        _C.ROLES: Roles,
        _C.TAGS: Tagger,
        _C.INVITES: Invites,
        _C.INVITE_USES: InviteReader,
        _C.JOIN_REQUESTS: JoinRequests,
        _C.POLL_EVENTS: EventSource,
        _C.GATEWAY: EventSource,
        _C.WEBHOOK: WebhookSource,
        _C.COMMANDS: Commands,
        _C.ANSWER_BUTTON: Commands,
        _C.SEARCH: Searcher,
        _C.WELCOME: Welcomer,
        _C.MASS_MESSAGE: Confirmer,
    }
)
"""Protocol that a declared capability promises. A protocol's method whose own capability is not declared raises
`NotSupported` (`manifest.require`). Capabilities missing here are extra methods of the plugin, named in its README."""
