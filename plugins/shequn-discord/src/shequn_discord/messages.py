"""Messages: publish, edit, delete, pin, react, polls, look-up, history, search and counters."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from shequn_discord.api import read
from shequn_discord.base import FORUMS, Base
from shequn_discord.events import message_interaction
from shequn_discord.render import Rendered, nonce_for, render, thread_name
from shequn_discord.snowflake import checked, made_at, snowflake_at, time_of
from shequn_discord.wire import Channel, Landed, Message, Reaction
from shequn_sdk.domain import Interaction, Piece, PollResult, Post
from shequn_sdk.errors import InvalidContent, PlatformError, RateLimited, TargetNotFound, Unavailable
from shequn_sdk.platforms.ports import PostNumbers

__all__ = ["Messages", "poll_result"]

_MESSAGES = "/channels/{channel}/messages"
_MESSAGE = "/channels/{channel}/messages/{message}"
_PAGE = 100
_DIRECTS = 10_000
"""Direct channels that are remembered."""
_SEARCH_PAGE = 25
_SEARCH_END = 9_975
_CUSTOM = re.compile(r"^<a?:(\w+:\d+)>$")
_TAKES_NO_MESSAGE = frozenset({"50008", "40058"})


class _Created(msgspec.Struct, gc=False):
    """A new thread with its first message."""

    id: str | int
    message: Message | None = None


class _Found(msgspec.Struct, gc=False):
    messages: list[list[Message]] = msgspec.field(default_factory=list)
    total_results: int = 0


class _Threads(msgspec.Struct, gc=False):
    threads: list[Channel] = msgspec.field(default_factory=list)
    has_more: bool = False


def poll_result(message: Message) -> PollResult:
    """Read votes; a missing counter is 0, as Discord leaves those out.

    Raises:
        InvalidContent: the message has no poll.
    """
    poll = message.poll
    if poll is None:
        raise InvalidContent(
            f"message {message.id} has no poll", platform="discord", operation="get poll", code=520006
        )
    counts = {entry.id: entry.count for entry in (poll.results.answer_counts if poll.results else [])}
    return PollResult(
        native_id=str(message.id),
        votes=tuple(counts.get(answer.answer_id, 0) for answer in poll.answers),
        voters=None if poll.allow_multiselect else sum(counts.values()),
        closed=bool(poll.results and poll.results.is_finalized),
    )


def _reaction_sum(reactions: Sequence[Reaction]) -> int:
    return sum(reaction.count for reaction in reactions)


def _same(message: Message, rendered: Rendered) -> bool:
    """Whether a message of ours is what was to be sent."""
    body: dict[str, Any] = rendered.body
    if message.content.strip() != str(body.get("content", "")).strip():
        return False
    if len(message.attachments) != len(rendered.files):
        return False
    poll = body.get("poll")
    if (message.poll is None) != (poll is None):
        return False
    if (
        message.poll is not None
        and poll is not None
        and message.poll.question.text != poll["question"]["text"]
    ):
        return False
    wanted = [str(embed.get("title", "")) for embed in body.get("embeds", []) if embed.get("title")]
    return all(title in {embed.title for embed in message.embeds} for title in wanted)


class Messages(Base):
    """Part of the adapter that deals with messages."""

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Send `piece`; a forum gets a new post. Repeating with the same key within minutes sends nothing new."""
        rendered = await render(piece, idempotency_key=idempotency_key)
        kept = self._channels.get(channel)
        if kept is not None and kept[1].type in FORUMS:
            return await self._publish_post(channel, piece, rendered)
        try:
            answer = await self._api.call(
                "POST",
                _MESSAGES,
                operation="publish",
                values=self._ids(channel=channel),
                json=rendered.body,
                files=rendered.files,
            )
        except PlatformError as error:
            if error.code not in _TAKES_NO_MESSAGE or (await self._channel(channel)).type not in FORUMS:
                raise
            return await self._publish_post(channel, piece, rendered)
        return self._post(channel, read(Landed, answer))

    async def _publish_post(self, channel: str, piece: Piece, rendered: Rendered) -> Post:
        message = {
            key: value
            for key, value in rendered.body.items()
            if key not in {"nonce", "enforce_nonce", "message_reference", "poll"}
        }
        tags = piece.attrs.get("tags")
        body: dict[str, Any] = {"name": thread_name(piece), "message": message}
        if isinstance(tags, list | tuple):
            body["applied_tags"] = [str(tag) for tag in tags][:5]
        if piece.poll is not None:
            raise InvalidContent(
                "a forum post cannot begin with a poll; publish the poll into the post",
                platform="discord",
                operation="publish",
            )
        answer = await self._api.call(
            "POST",
            "/channels/{channel}/threads",
            operation="publish",
            values=self._ids(channel=channel),
            json=body,
            files=rendered.files,
        )
        created = read(_Created, answer)
        thread = str(created.id)
        if created.message is not None:
            return self._post(thread, created.message)
        return Post(channel=self._ref(thread), native_id=thread, landed_at=time_of(thread), text=piece.text)

    def _post(self, channel: str, message: Message | Landed) -> Post:
        number = str(message.id)
        kept = self._channels.get(channel)
        guild = str(kept[1].guild_id or "@me") if kept is not None else ""
        return Post(
            channel=self._ref(channel),
            native_id=number,
            landed_at=made_at(number, message.timestamp),
            url=f"https://discord.com/channels/{guild}/{channel}/{number}" if guild else "",
            text=message.content,
        )

    async def edit(self, channel: str, message: str, piece: Piece) -> None:
        """Replace text, embeds, files and buttons of our own message."""
        rendered = await render(piece)
        body = rendered.body
        body.pop("message_reference", None)
        body.pop("flags", None)
        if body.pop("poll", None) is not None:
            raise InvalidContent(
                "a poll cannot be edited on Discord; close it and publish a new one",
                platform="discord",
                operation="edit",
                code=520003,
            )
        for key, empty in (("content", ""), ("embeds", []), ("components", []), ("attachments", [])):
            body.setdefault(key, empty)
        await self._api.call(
            "PATCH",
            _MESSAGE,
            operation="edit",
            values=self._ids(channel=channel, message=message),
            json=body,
            files=rendered.files,
            idempotent=True,
        )

    async def delete(self, channel: str, message: str) -> None:
        """Delete; gone already is no error."""
        try:
            await self._api.call(
                "DELETE", _MESSAGE, operation="delete", values=self._ids(channel=channel, message=message)
            )
        except TargetNotFound as error:
            if error.code != "10008":
                raise

    async def pin(self, channel: str, message: str) -> None:
        """Pin; at most 250 in a channel."""
        await self._pins("PUT", channel, message)

    async def unpin(self, channel: str, message: str) -> None:
        """Take the pin away."""
        await self._pins("DELETE", channel, message)

    async def _pins(self, method: str, channel: str, message: str) -> None:
        await self._api.call(
            method,
            "/channels/{channel}/messages/pins/{message}",
            operation="pin" if method == "PUT" else "unpin",
            values=self._ids(channel=channel, message=message),
        )

    async def react(self, channel: str, message: str, emoji: str) -> None:
        """Set our own reaction; "" takes all of ours away. Custom emojis are written `name:id`."""
        ids = self._ids(channel=channel, message=message)
        if emoji:
            await self._own_reaction("PUT", ids, emoji)
            return
        found = await self._api.get(Message, _MESSAGE, operation="get message", values=ids)
        for reaction in found.reactions:
            if reaction.me:
                await self._own_reaction("DELETE", ids, reaction.emoji.text)

    async def _own_reaction(self, method: str, ids: dict[str, str], emoji: str) -> None:
        await self._api.call(
            method,
            _MESSAGE + "/reactions/{emoji}/@me",
            operation="react",
            values=ids | {"emoji": _CUSTOM.sub(r"\1", emoji)},
        )

    async def close_poll(self, channel: str, message: str) -> PollResult:
        """End our own poll now."""
        answer = await self._api.call(
            "POST",
            "/channels/{channel}/polls/{message}/expire",
            operation="close poll",
            values=self._ids(channel=channel, message=message),
        )
        return poll_result(read(Message, answer))

    async def get_poll(self, channel: str, message: str) -> PollResult:
        """Read the votes so far."""
        found = await self._api.get(
            Message, _MESSAGE, operation="get poll", values=self._ids(channel=channel, message=message)
        )
        return poll_result(found)

    async def find_landed(
        self, channel: str, piece: Piece, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        """Find our own post made at or after `since`, by its nonce where Discord tells it, else by its content."""
        rendered = await render(piece, idempotency_key=idempotency_key)
        nonce = nonce_for(idempotency_key)
        kept = self._channels.get(channel)
        if kept is not None and kept[1].type in FORUMS:
            return await self._find_post(channel, piece, since)
        try:
            async for message in self._walk(channel, since - timedelta(seconds=1)):
                if str(message.author.id) != self._own:
                    continue
                if message.nonce is not None:
                    if str(message.nonce) == nonce:
                        return self._post(channel, message)
                    continue
                if _same(message, rendered):
                    return self._post(channel, message)
        except PlatformError as error:
            if error.code not in _TAKES_NO_MESSAGE and error.code != "50024":
                raise
            return await self._find_post(channel, piece, since)
        return None

    async def _find_post(self, channel: str, piece: Piece, since: datetime) -> Post | None:
        guild = await self._guild_of(channel)
        answer = await self._api.call(
            "GET",
            "/guilds/{guild}/threads/active",
            operation="list threads",
            values=self._ids(guild=guild),
        )
        for thread in read(_Threads, answer).threads:
            number = str(thread.id)
            if (
                str(thread.parent_id) == channel
                and str(thread.owner_id) == self._own
                and thread.name == thread_name(piece)
                and time_of(number) >= since - timedelta(seconds=1)
            ):
                return Post(
                    channel=self._ref(number), native_id=number, landed_at=time_of(number), text=piece.text
                )
        return None

    async def _walk(self, channel: str, since: datetime) -> AsyncIterator[Message]:
        """Give messages from `since` on, oldest first."""
        after = max(0, snowflake_at(since.astimezone(UTC)) - 1)
        while True:
            page = await self._api.get(
                list[Message],
                _MESSAGES,
                operation="list messages",
                values=self._ids(channel=channel),
                params={"after": str(after), "limit": _PAGE},
            )
            rows = sorted((row for row in page if str(row.id).isdecimal()), key=lambda row: int(row.id))
            for message in rows:
                yield message
            if len(page) < _PAGE or not rows:
                return
            after = int(rows[-1].id)

    async def iter_history(
        self, channel: str, *, since: datetime | None = None
    ) -> AsyncIterator[Interaction]:
        """Give past messages of others, oldest first; text needs the Message Content intent."""
        found = await self._channel(channel)
        guild = str(found.guild_id or "")
        async for message in self._walk(channel, since or datetime(2015, 1, 1, tzinfo=UTC)):
            interaction = message_interaction(message, account=self._account.name, guild=guild, own=self._own)
            if interaction is not None:
                yield interaction

    async def search(self, channel: str, query: str) -> AsyncIterator[Interaction]:
        """Give messages that match, newest first; waits while Discord still builds its index."""
        guild = await self._guild_of(channel)
        params: dict[str, str | int | float | bool] = {
            "content": query,
            "limit": _SEARCH_PAGE,
            "sort_by": "timestamp",
            "sort_order": "desc",
        }
        if channel != guild or await self._is_channel(channel):
            params["channel_id"] = channel
        offset = 0
        while offset <= _SEARCH_END:
            page = await self._search(guild, params | {"offset": offset})
            for group in page.messages:
                for message in group:
                    interaction = message_interaction(
                        message, account=self._account.name, guild=guild, own=self._own
                    )
                    if interaction is not None:
                        yield interaction
            offset += _SEARCH_PAGE
            if not page.messages or offset >= page.total_results:
                return

    async def _is_channel(self, channel: str) -> bool:
        try:
            await self._channel(channel)
        except TargetNotFound:
            return False
        return True

    async def _search(
        self, guild: str, params: dict[str, str | int | float | bool], *, tries: int = 6
    ) -> _Found:
        for attempt in range(tries):
            try:
                answer = await self._api.call(
                    "GET",
                    "/guilds/{guild}/messages/search",
                    operation="search",
                    values=self._ids(guild=guild),
                    params=params,
                )
            except RateLimited as error:
                if error.code != "110000" or attempt + 1 == tries:
                    raise
                wait = error.retry_after.total_seconds() if error.retry_after is not None else 0.0
                await self._clock.sleep(max(1.0, wait))
                continue
            return read(_Found, answer)
        raise AssertionError("the loop returns or raises")

    async def get_post_numbers(self, channel: str, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """Read reactions, answers and votes; views and shares are not told by Discord.

        Costs one request per message, and one more to count its answers where the server's search is ready.
        Comments are None when neither a thread nor the search tells them.
        """
        numbers: list[PostNumbers] = []
        for number in messages:
            try:
                found = await self._api.get(
                    Message,
                    _MESSAGE,
                    operation="get message",
                    values=self._ids(channel=channel, message=number),
                )
            except TargetNotFound as error:
                if error.code != "10008":
                    raise
                continue
            numbers.append(
                PostNumbers(
                    native_id=number,
                    measured_at=self._clock.now(),
                    reactions=_reaction_sum(found.reactions),
                    comments=await self._count_answers(channel, found),
                    votes=sum(poll_result(found).votes) if found.poll is not None else None,
                )
            )
        return numbers

    async def _count_answers(self, channel: str, message: Message) -> int | None:
        thread = message.thread
        in_thread = None
        if thread is not None:
            in_thread = (
                thread.total_message_sent if thread.total_message_sent is not None else thread.message_count
            )
        try:
            guild = await self._guild_of(channel)
            page = await self._search(guild, {"replied_to_message_id": str(message.id), "limit": 1}, tries=1)
        except PlatformError as error:
            if isinstance(error, Unavailable) or error.code not in {
                "110000",
                "50001",
                "50013",
                "50003",
                "403",
                "404",
            }:
                raise
            return in_thread
        return page.total_results + (in_thread or 0)

    async def direct_channel(self, member: str) -> str:
        """Open the direct channel of a member. Discord limits strangers: never do it for many at once."""
        known = self._directs.get(member)
        if known is not None:
            return known
        answer = await self._api.call(
            "POST",
            "/users/@me/channels",
            operation="open direct channel",
            json={"recipient_id": checked(member, "member")},
            idempotent=True,
        )
        found = read(Channel, answer)
        self._keep(self._channels, str(found.id), found)
        if len(self._directs) >= _DIRECTS:
            self._directs.clear()
        self._directs[member] = str(found.id)  # the same for ever, and opening one is limited most of all
        return str(found.id)
