"""The Gateway as an event source: shards run in the background, `receive` hands over and acknowledges."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shequn_discord.event_wire import SCREENED
from shequn_discord.gateway import Dispatch, Shard, ShardState
from shequn_discord.wire import Member
from shequn_sdk.domain import Clock
from shequn_sdk.errors import InvalidInput, RateLimited, Unavailable
from shequn_sdk.platforms.ports import RawBatch, RawEvent

__all__ = ["GatewayInfo", "GatewaySource"]

_NOISE = frozenset(
    {"READY", "RESUMED", "PRESENCE_UPDATE", "TYPING_START", "GUILD_MEMBERS_CHUNK", "VOICE_STATE_UPDATE"}
)
"""Dispatches that are used here or are no facts worth storing."""
_ENTRY = 30.0
"""Seconds for which `receive_now` waits for the connection to stand, and five more for each shard's turn to identify."""
_GLANCE = 0.25
"""Seconds for which it listens when it may not ask Discord again."""
MAX_BATCH = 200
MAX_BUFFER = 20_000
"""Events held for a caller that does not come; then reading stops until it does."""


@dataclass(frozen=True, slots=True)
class GatewayInfo:
    """Where the Gateway is, and how many connections it wants."""

    url: str
    shards: int = 1
    max_concurrency: int = 1
    remaining: int = 1000
    """Identifies left; using up more than there are resets the token."""
    reset_after: timedelta = timedelta(0)


class _Cursor(msgspec.Struct):
    """Sessions by shard number; made text for the caller."""

    shards: dict[str, tuple[str, int, str]] = {}
    v: int = 1
    newcomers: list[str] = []
    """Members in screening, as `server:user`."""


@dataclass(slots=True)
class _Held:
    shard: int
    session: str
    seq: int
    event: RawEvent


class _Chunk(msgspec.Struct, gc=False):
    guild_id: str
    nonce: str | None = None
    chunk_index: int = 0
    chunk_count: int = 1
    members: list[Member] = msgspec.field(default_factory=list)


class _User(msgspec.Struct, gc=False):
    id: str | int = ""


class _Screened(msgspec.Struct, gc=False):
    """A member, or a server with members, as far as screening goes."""

    id: str | int = ""
    guild_id: str | int = ""
    user: _User | None = None
    pending: bool = False
    members: list[_Screened] = []


class _Numbered(msgspec.Struct, gc=False):
    """Ids by which a dispatch is recognised even after a new identify."""

    id: str | int | None = None
    edited_timestamp: str | None = None
    guild_id: str | int | None = None
    joined_at: str | None = None
    user: dict[str, Any] | None = None


_MEMBERS = frozenset({"GUILD_CREATE", "GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE"})
MAX_NEWCOMERS = 100
"""Members in screening that are remembered, the newest; a cursor holds them."""


@dataclass(slots=True)
class _Wanted:
    done: asyncio.Future[list[Member]]
    members: list[Member] = field(default_factory=list[Member])


_BY_ID = frozenset(
    {
        "MESSAGE_CREATE",
        "MESSAGE_DELETE",
        "INTERACTION_CREATE",
        "ENTITLEMENT_CREATE",
        "GUILD_AUDIT_LOG_ENTRY_CREATE",
    }
)


def event_id(dispatch: Dispatch) -> str:
    """Give an id that a redelivery has too: made of the thing's own ids where there are any."""
    kind = dispatch.kind
    if kind in _BY_ID or kind in {"MESSAGE_UPDATE", "GUILD_MEMBER_ADD"}:
        try:
            facts = msgspec.json.decode(dispatch.data, type=_Numbered)
        except (msgspec.MsgspecError, RecursionError):
            facts = _Numbered()
        if kind in _BY_ID and facts.id is not None:
            return f"{kind}:{facts.id}"
        if kind == "MESSAGE_UPDATE" and facts.id is not None and facts.edited_timestamp:
            return f"{kind}:{facts.id}:{facts.edited_timestamp}"
        if kind == "GUILD_MEMBER_ADD" and facts.user and facts.joined_at:
            return f"{kind}:{facts.guild_id}:{facts.user.get('id')}:{facts.joined_at}"
    return f"{dispatch.session}:{dispatch.seq}"


class GatewaySource:
    """All shards of one account.

    Args:
        locate: asks where the Gateway is.
        token: the bot's token.
        intents: bits of what to hear.
        shards: how many, None for as many as Discord recommends.
        shard_ids: which of them run here, empty for all.
        wait: seconds for which `receive` waits for events.
    """

    def __init__(
        self,
        *,
        locate: Callable[[], Awaitable[GatewayInfo]],
        token: str,
        intents: int,
        clock: Clock,
        shards: int | None = None,
        shard_ids: Sequence[int] = (),
        compress: bool = True,
        wait: float = 10.0,
        user_agent: str = "",
    ) -> None:
        self._locate = locate
        self._token = token
        self._intents = intents
        self._clock = clock
        self._count = shards
        self._ids = tuple(shard_ids)
        self._compress = compress
        self._wait = wait
        self._user_agent = user_agent
        self._held: deque[_Held] = deque()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.shards: list[Shard] = []
        self._last_identify = -1e9
        self._identify_lock = asyncio.Lock()
        self._concurrency = 1
        self._wanted: dict[str, _Wanted] = {}
        self._newcomers: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"GatewaySource(shards={len(self.shards)}, held={len(self._held)})"

    async def aclose(self) -> None:
        """End the connections in a way that lets the sessions be resumed."""
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(*(shard.stop() for shard in self.shards))
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.shards.clear()
        self._held.clear()

    async def receive(self, cursor: str | None) -> RawBatch:
        """Acknowledge what `cursor` covers and wait for what comes after it."""
        known = await self._begin(cursor)
        if not self._held:
            await self._listen(self._wait)
        return self._batch(known)

    async def receive_now(self, cursor: str | None) -> RawBatch:
        """Acknowledge what `cursor` covers and give what Discord has by now; connects first where needed.

        Raises:
            Unavailable: the Gateway did not let us in, in time.
        """
        known = await self._begin(cursor)
        if not self._held:
            self._raise_fatal()
            whole = True
            try:
                async with asyncio.timeout(_ENTRY + 5.0 * len(self.shards)):
                    whole = all(await asyncio.gather(*(shard.catch_up() for shard in self.shards)))
            except TimeoutError:
                if not self._held and not all(shard.connected.is_set() for shard in self.shards):
                    raise Unavailable(
                        "discord's Gateway did not let us in in time; ask again",
                        platform="discord",
                        operation="gateway",
                    ) from None
            if not self._held:
                await self._listen(0 if whole else min(self._wait, _GLANCE))
        return self._batch(known)

    async def _begin(self, cursor: str | None) -> _Cursor:
        known = self._read(cursor)
        if not self._tasks:
            await self._start(known)
        else:
            self._acknowledge(known)
        return known

    async def _listen(self, seconds: float) -> None:
        self._raise_fatal()
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        if not self._held:
            self._raise_fatal()
            self._raise_trouble()

    def _batch(self, known: _Cursor) -> RawBatch:
        batch = [self._held[index] for index in range(min(MAX_BATCH, len(self._held)))]
        return RawBatch([held.event for held in batch], self._write(known, batch))

    def _read(self, cursor: str | None) -> _Cursor:
        if cursor is None:
            return _Cursor()
        try:
            return msgspec.json.decode(cursor, type=_Cursor)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidInput("the cursor is none of Discord's; pass None to start anew") from error

    def _write(self, known: _Cursor, batch: list[_Held]) -> str:
        places = dict(known.shards)
        rest = {held.shard for held in list(self._held)[len(batch) :]}
        urls = {shard.number: shard.state.url for shard in self.shards}
        for held in batch:
            places[str(held.shard)] = (held.session, held.seq, urls.get(held.shard, ""))
        for shard in self.shards:
            if shard.number not in rest and shard.state.session:
                places[str(shard.number)] = (shard.state.session, shard.state.seq, shard.state.url)
        return msgspec.json.encode(_Cursor(places, newcomers=list(self._newcomers))).decode()

    def _acknowledge(self, known: _Cursor) -> None:
        for number, (session, seq, _) in known.shards.items():
            mine = [held for held in self._held if str(held.shard) == number]
            last = -1
            for index, held in enumerate(mine):
                if held.session == session and held.seq <= seq:
                    last = index
            if last >= 0:
                done = {id(held) for held in mine[: last + 1]}
                for held in mine[: last + 1]:
                    self._newcomers.pop(held.event.headers.get(SCREENED, ""), None)
                self._held = deque(held for held in self._held if id(held) not in done)

    async def _start(self, known: _Cursor) -> None:
        info = await self._locate()
        count = self._count or max(1, info.shards)
        ids = self._ids or tuple(range(count))
        self._concurrency = max(1, info.max_concurrency)
        fresh = sum(str(number) not in known.shards for number in ids)
        if fresh > info.remaining:
            raise RateLimited(
                f"discord lets this bot identify {info.remaining} more times today and {fresh} are needed: nothing was "
                "connected; look why sessions are lost so often",
                retry_after=info.reset_after,
                scope="account",
                platform="discord",
                operation="identify",
            )
        self.shards = []
        self._newcomers = dict.fromkeys(known.newcomers[-MAX_NEWCOMERS:])
        for number in ids:
            session, seq, url = known.shards.get(str(number), ("", 0, ""))
            self.shards.append(
                Shard(
                    number=number,
                    count=count,
                    token=self._token,
                    intents=self._intents,
                    url=info.url,
                    state=ShardState(session, seq, url),
                    deliver=self._deliver,
                    identify_turn=self._identify_turn,
                    compress=self._compress,
                    user_agent=self._user_agent,
                    pause=lambda: len(self._held) >= MAX_BUFFER,
                )
            )
        self._tasks = [asyncio.create_task(shard.run(self._news.set)) for shard in self.shards]

    async def _identify_turn(self) -> None:
        async with self._identify_lock:
            loop = asyncio.get_running_loop()
            gap = 5.0 / self._concurrency
            wait = self._last_identify + gap - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            self._last_identify = loop.time()

    def _deliver(self, dispatch: Dispatch) -> None:
        if dispatch.kind == "GUILD_MEMBERS_CHUNK":
            self._chunk(dispatch)
        if dispatch.kind in _NOISE:
            return
        now: datetime = self._clock.now()
        headers = {"received_at": now.isoformat()}
        if dispatch.kind in _MEMBERS and (screened := self._screened(dispatch)):
            headers[SCREENED] = screened
        self._held.append(
            _Held(
                dispatch.shard,
                dispatch.session,
                dispatch.seq,
                RawEvent(event_id(dispatch), dispatch.frame, headers),
            )
        )
        self._news.set()

    def _screened(self, dispatch: Dispatch) -> str:
        """Note who is in screening; gives the member who has just come through it, "" for nobody.

        The event of a change does not say what changed. Who came through stays noted until that is acknowledged.
        """
        try:
            told = msgspec.json.decode(dispatch.data, type=_Screened, strict=False)
        except (msgspec.MsgspecError, RecursionError):
            return ""
        guild = told.guild_id or told.id
        for member in told.members or [told]:
            if member.user is None:
                continue
            key = f"{guild}:{member.user.id}"
            if dispatch.kind == "GUILD_MEMBER_REMOVE":
                self._newcomers.pop(key, None)
            elif member.pending:
                self._newcomers.pop(key, None)
                self._newcomers[key] = None
            elif key in self._newcomers and dispatch.kind == "GUILD_MEMBER_UPDATE":
                return key
        while len(self._newcomers) > MAX_NEWCOMERS:
            del self._newcomers[next(iter(self._newcomers))]
        return ""

    def _raise_fatal(self) -> None:
        for shard in self.shards:
            if shard.fatal and shard.error is not None:
                raise shard.error

    def _raise_trouble(self) -> None:
        troubled = [shard.error for shard in self.shards if shard.error is not None]
        if troubled and len(troubled) == len(self.shards):
            raise troubled[0]

    def _chunk(self, dispatch: Dispatch) -> None:
        try:
            chunk = msgspec.json.decode(dispatch.data, type=_Chunk)
        except (msgspec.MsgspecError, RecursionError):
            return
        wanted = self._wanted.get(chunk.nonce or "")
        if wanted is None:
            return
        wanted.members += chunk.members
        if chunk.chunk_index + 1 >= chunk.chunk_count and not wanted.done.done():
            wanted.done.set_result(wanted.members)

    async def all_members(self, guild: str, *, timeout: float = 60.0) -> Sequence[Member]:
        """Ask for all members over the Gateway, in chunks of 1000.

        Raises:
            Unavailable: not connected, or no answer in time.
        """
        shard = next(
            (s for s in self.shards if (int(guild) >> 22) % max(1, len(self.shards)) == s.number),
            self.shards[0] if self.shards else None,
        )
        if shard is None or not shard.connected.is_set():
            raise Unavailable(
                "the Gateway is not connected: call receive first", platform="discord", operation="members"
            )
        nonce = f"m{len(self._wanted)}-{guild}"[:32]
        wanted = self._wanted[nonce] = _Wanted(asyncio.get_running_loop().create_future())
        try:
            await shard.request_members(guild, nonce=nonce)
            async with asyncio.timeout(timeout):
                return await wanted.done
        except TimeoutError as error:
            raise Unavailable(
                "discord sent no members over the Gateway in time; it answers once in 30 seconds per server",
                platform="discord",
                operation="members",
            ) from error
        finally:
            del self._wanted[nonce]
