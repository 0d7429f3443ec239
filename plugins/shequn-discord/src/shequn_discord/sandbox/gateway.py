"""The sandbox's Gateway: sessions, identify and resume, heartbeats, intents, compression, and faults of events."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from shequn_discord.sandbox.permissions import BITS, permissions
from shequn_discord.sandbox.world import ChannelState, GuildState, World
from shequn_sdk.testing.sandbox.api import FaultKind, FaultSource

__all__ = ["Hub", "Session"]

_PRIVILEGED = (1 << 1) | (1 << 8) | (1 << 15)
_ALL_INTENTS = (1 << 26) - 1
_CONTENT = 1 << 15
_BUFFER = 2000
_MAX_FRAME = 4096
_SENDS = 120
_FATAL = {
    4001: "Unknown opcode.",
    4002: "Error while decoding payload.",
    4003: "Not authenticated.",
    4004: "Authentication failed.",
    4005: "Already authenticated.",
    4007: "Invalid seq.",
    4008: "You are being rate limited.",
    4009: "Session timed out.",
    4010: "Invalid shard.",
    4012: "Invalid API version.",
    4013: "Invalid intent(s).",
    4014: "Disallowed intent(s).",
}

# event to (intent in a server, intent in direct messages); 0 is always told
_INTENTS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(
        [
            "GUILD_CREATE",
            "GUILD_UPDATE",
            "GUILD_DELETE",
            "GUILD_ROLE_CREATE",
            "GUILD_ROLE_UPDATE",
            "GUILD_ROLE_DELETE",
            "CHANNEL_CREATE",
            "CHANNEL_UPDATE",
            "CHANNEL_DELETE",
            "CHANNEL_PINS_UPDATE",
            "THREAD_CREATE",
            "THREAD_UPDATE",
            "THREAD_DELETE",
            "THREAD_MEMBER_UPDATE",
            "STAGE_INSTANCE_CREATE",
            "STAGE_INSTANCE_UPDATE",
            "STAGE_INSTANCE_DELETE",
        ],
        (1 << 0, 0),
    ),
    **dict.fromkeys(["GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE"], (1 << 1, 0)),
    **dict.fromkeys(["GUILD_AUDIT_LOG_ENTRY_CREATE", "GUILD_BAN_ADD", "GUILD_BAN_REMOVE"], (1 << 2, 0)),
    "WEBHOOKS_UPDATE": (1 << 5, 0),
    **dict.fromkeys(["INVITE_CREATE", "INVITE_DELETE"], (1 << 6, 0)),
    **dict.fromkeys(["MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"], (1 << 9, 1 << 12)),
    "MESSAGE_DELETE_BULK": (1 << 9, 0),
    **dict.fromkeys(
        [
            "MESSAGE_REACTION_ADD",
            "MESSAGE_REACTION_REMOVE",
            "MESSAGE_REACTION_REMOVE_ALL",
            "MESSAGE_REACTION_REMOVE_EMOJI",
        ],
        (1 << 10, 1 << 13),
    ),
    "TYPING_START": (1 << 11, 1 << 14),
    **dict.fromkeys(
        [
            "GUILD_SCHEDULED_EVENT_CREATE",
            "GUILD_SCHEDULED_EVENT_UPDATE",
            "GUILD_SCHEDULED_EVENT_DELETE",
            "GUILD_SCHEDULED_EVENT_USER_ADD",
            "GUILD_SCHEDULED_EVENT_USER_REMOVE",
        ],
        (1 << 16, 0),
    ),
    **dict.fromkeys(
        ["AUTO_MODERATION_RULE_CREATE", "AUTO_MODERATION_RULE_UPDATE", "AUTO_MODERATION_RULE_DELETE"],
        (1 << 20, 0),
    ),
    "AUTO_MODERATION_ACTION_EXECUTION": (1 << 21, 0),
    **dict.fromkeys(["MESSAGE_POLL_VOTE_ADD", "MESSAGE_POLL_VOTE_REMOVE"], (1 << 24, 1 << 25)),
}


@dataclass(slots=True)
class Session:
    """One Gateway session; it outlives its connection for a while."""

    id: str
    intents: int
    shard: tuple[int, int]
    seq: int = 0
    buffer: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=_BUFFER))
    link: _Link | None = None
    dropped_at: float = 0.0


class _Close(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _packer(compress: str | None) -> Callable[[bytes], bytes] | None:
    """Give what compresses one message of a transport's stream; None is none, or one that this machine lacks."""
    if compress == "zlib-stream":
        zipped = zlib.compressobj()
        return lambda data: zipped.compress(data) + zipped.flush(zlib.Z_SYNC_FLUSH)
    if compress == "zstd-stream":
        try:
            zstd: Any = importlib.import_module("backports.zstd")
        except ModuleNotFoundError:
            return None
        packed = zstd.ZstdCompressor()
        return lambda data: packed.compress(data) + packed.flush(packed.FLUSH_BLOCK)
    return None


class _Link:
    """One websocket."""

    def __init__(self, socket: WebSocket, *, compress: str | None) -> None:
        self.socket = socket
        self.session: Session | None = None
        self.queue: asyncio.Queue[str | int] = asyncio.Queue()
        self._pack = _packer(compress)
        self.silent = False

    def send(self, text: str) -> None:
        """Queue a frame."""
        self.queue.put_nowait(text)

    def close(self, code: int) -> None:
        """Queue the end."""
        self.queue.put_nowait(code)

    async def pump(self) -> None:
        """Write what is queued, until the end."""
        while True:
            item = await self.queue.get()
            try:
                if isinstance(item, int):
                    await self.socket.close(item, _FATAL.get(item, ""))
                    return
                if self._pack is None:
                    await self.socket.send_text(item)
                else:
                    data = self._pack(item.encode())
                    await self.socket.send_bytes(data)
            except (RuntimeError, WebSocketDisconnect):
                return


class Hub:
    """All sessions, and the one place from which events go out.

    Options of the sandbox used here: `heartbeat_interval` (ms), `allowed_intents` (privileged ones switched on in the
    portal), `max_concurrency`, `identify_limit`, `shards`, `resume_window` (s).
    """

    def __init__(self, *, world: World, faults: FaultSource, options: Mapping[str, Any]) -> None:
        self._world = world
        self._faults = faults
        self.heartbeat = int(options.get("heartbeat_interval", 41_250))
        self.allowed = int(options.get("allowed_intents", _PRIVILEGED))
        self.concurrency = int(options.get("max_concurrency", 16))
        self.total = int(options.get("identify_limit", 1000))
        self.shards = int(options.get("shards", 1))
        self._window = float(options.get("resume_window", 3600))
        self.remaining = self.total
        self.url = ""
        self.sessions: dict[str, Session] = {}
        self._links: set[_Link] = set()
        self._identified: dict[int, deque[float]] = {}
        self._chunked: dict[str, float] = {}
        self._late: set[asyncio.TimerHandle] = set()

    # events out

    def emit(
        self,
        name: str,
        data: Mapping[str, Any],
        *,
        guild: GuildState | None = None,
        channel: ChannelState | None = None,
        private: bool = False,
    ) -> None:
        """Tell all sessions that may hear it. `private` events belong to no server (interactions, entitlements)."""
        number = guild.id if guild is not None else channel.guild_id if channel is not None else None
        if (
            channel is not None
            and not permissions(self._world, channel, self._world.bot_id) & BITS["VIEW_CHANNEL"]
        ):
            return
        if number is not None and self._world.bot_id not in self._world.guilds[number].members:
            return
        fault = self._faults.for_event("discord")
        if fault is not None and fault.kind is FaultKind.LATE_EVENT:
            loop = asyncio.get_running_loop()
            handle = loop.call_later(
                fault.delay or 0.05, lambda: self._spread(name, data, number, private=private)
            )
            self._late.add(handle)
            return
        self._spread(name, data, number, private=private)
        if fault is not None and fault.kind is FaultKind.DUPLICATE_EVENT:
            self._spread(name, data, number, private=private, again=True)

    def _spread(
        self,
        name: str,
        data: Mapping[str, Any],
        guild: str | None,
        *,
        private: bool = False,
        again: bool = False,
    ) -> None:
        wanted = _INTENTS.get(name, (0, 0))[0 if guild is not None else 1]
        for session in list(self.sessions.values()):
            if not private and wanted and not session.intents & wanted:
                continue
            number, count = session.shard
            if (int(guild) >> 22) % count != number if guild is not None else number != 0:
                continue
            self.dispatch(session, name, self._stripped(session, name, data), again=again)

    def _stripped(self, session: Session, name: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        if session.intents & _CONTENT or name not in {"MESSAGE_CREATE", "MESSAGE_UPDATE"}:
            return data
        me = self._world.bot_id
        mine = data.get("author", {}).get("id") == me
        if mine or "guild_id" not in data or any(user["id"] == me for user in data.get("mentions", ())):
            return data
        found = {**data, "content": "", "embeds": [], "attachments": [], "components": []}
        found.pop("poll", None)
        return found

    def dispatch(self, session: Session, name: str, data: Any, *, again: bool = False) -> None:
        """Send one event to one session and keep it for a resume."""
        if not again:
            session.seq += 1
        event = {"t": name, "s": session.seq, "op": 0, "d": data}
        try:
            text = msgspec.json.encode(event).decode()
        except ValueError:  # half of a pair of surrogates
            text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        session.buffer.append((session.seq, text))
        if session.link is not None and not session.link.silent:
            session.link.send(text)

    # what tests and scripts use

    def request_reconnect(self) -> None:
        """Ask every client to come back (op 7)."""
        for link in list(self._links):
            link.send('{"op":7,"d":null,"s":null,"t":null}')

    def invalidate(self, *, resumable: bool = False) -> None:
        """Tell every client that its session is not valid (op 9)."""
        if not resumable:
            for session in self.sessions.values():
                session.link = None
            self.sessions.clear()
        for link in list(self._links):
            link.send(json.dumps({"op": 9, "d": resumable, "s": None, "t": None}))

    def close_all(self, code: int) -> None:
        """Close every connection with a code."""
        for link in list(self._links):
            link.close(code)

    def silence(self, *, on: bool = True) -> None:
        """Stop answering heartbeats and sending, as a dead connection would."""
        for link in list(self._links):
            link.silent = on

    def demand_heartbeat(self) -> None:
        """Ask every client to beat at once (op 1)."""
        for link in list(self._links):
            link.send('{"op":1,"d":null,"s":null,"t":null}')

    @property
    def connected(self) -> int:
        """How many identified connections there are."""
        return sum(session.link is not None for session in self.sessions.values())

    async def stop(self) -> None:
        """End all connections."""
        for handle in self._late:
            handle.cancel()
        self._late.clear()
        self.close_all(1001)

    # one connection

    async def serve(self, socket: WebSocket) -> None:
        """Serve one websocket to its end."""
        await socket.accept()
        query = socket.query_params
        compress = query.get("compress")
        link = _Link(socket, compress=compress)
        self._links.add(link)
        pump = asyncio.create_task(link.pump())
        try:
            if query.get("v", "10") not in {"9", "10"}:
                raise _Close(4012)  # noqa: TRY301 - one place closes
            if query.get("encoding", "json") != "json" or (
                compress is not None and _packer(compress) is None
            ):
                raise _Close(4002)  # noqa: TRY301 - one place closes
            link.send(_frame(10, {"heartbeat_interval": self.heartbeat, "_trace": ["sandbox"]}))
            await self._converse(socket, link)
        except _Close as close:
            link.close(close.code)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await pump
        except (WebSocketDisconnect, RuntimeError) as gone:
            code = getattr(gone, "code", 0)
            if link.session is not None and code in {1000, 1001}:
                self.sessions.pop(link.session.id, None)
        finally:
            self._links.discard(link)
            if link.session is not None and link.session.link is link:
                link.session.link = None
                link.session.dropped_at = asyncio.get_running_loop().time()
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    async def _converse(self, socket: WebSocket, link: _Link) -> None:
        loop = asyncio.get_running_loop()
        sent: deque[float] = deque()
        limit = self.heartbeat / 1000 * 2 + 5
        while True:
            try:
                async with asyncio.timeout(limit):
                    message = await socket.receive()
            except TimeoutError:
                raise _Close(4009) from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            data: bytes = message.get("bytes") or (message.get("text") or "").encode()
            now = loop.time()
            sent.append(now)
            while sent[0] <= now - 60:
                sent.popleft()
            if len(sent) > _SENDS:
                raise _Close(4008)
            if len(data) > _MAX_FRAME:
                raise _Close(4002)
            try:
                frame = json.loads(data)
                code = frame["op"]
            except (ValueError, TypeError, KeyError, RecursionError):
                raise _Close(4002) from None
            self._take(link, code, frame.get("d"))

    def _take(self, link: _Link, code: Any, data: Any) -> None:
        if code == 1:
            if not link.silent:
                link.send(_frame(11, None))
        elif code == 2:
            self._identify(link, data)
        elif code == 6:
            self._resume(link, data)
        elif code in {3, 4, 8, 31, 43}:
            if link.session is None:
                raise _Close(4003)
            if code == 8:
                self._members(link.session, data)
        else:
            raise _Close(4001)

    def _identify(self, link: _Link, data: Any) -> None:
        if link.session is not None:
            raise _Close(4005)
        if not isinstance(data, Mapping):
            raise _Close(4002)
        if str(data.get("token", "")).removeprefix("Bot ") != self._world.token:
            raise _Close(4004)
        intents = data.get("intents")
        if isinstance(intents, bool) or not isinstance(intents, int) or intents < 0 or intents > _ALL_INTENTS:
            raise _Close(4013)
        if intents & _PRIVILEGED & ~self.allowed:
            raise _Close(4014)
        shard = data.get("shard") or [0, 1]
        try:
            number, count = int(shard[0]), int(shard[1])
        except (TypeError, ValueError, IndexError, KeyError):
            raise _Close(4010) from None
        if not 0 <= number < count:
            raise _Close(4010)
        now = asyncio.get_running_loop().time()
        recent = self._identified.setdefault(number % self.concurrency, deque())
        while recent and recent[0] <= now - 5:
            recent.popleft()
        if (recent and self.concurrency == 1) or len(recent) >= self.concurrency or self.remaining <= 0:
            link.send(_frame(9, data=False))
            return
        recent.append(now)
        self.remaining -= 1
        self._forget(now)
        session = Session(id=self._world.code(32), intents=intents, shard=(number, count), link=link)
        self.sessions[session.id] = session
        link.session = session
        self._ready(session)

    def _forget(self, now: float) -> None:
        for session in list(self.sessions.values()):
            if session.link is None and session.dropped_at < now - self._window:
                del self.sessions[session.id]

    def _ready(self, session: Session) -> None:
        world = self._world
        number, count = session.shard
        mine = [
            guild
            for guild in world.guilds.values()
            if world.bot_id in guild.members and (int(guild.id) >> 22) % count == number
        ]
        self.dispatch(
            session,
            "READY",
            {
                "v": 10,
                "user": {**world.users[world.bot_id], "verified": True, "mfa_enabled": False, "email": None},
                "guilds": [{"id": guild.id, "unavailable": True} for guild in mine],
                "session_id": session.id,
                "resume_gateway_url": self.url,
                "session_type": "normal",
                "shard": [number, count],
                "application": {"id": world.app_id, "flags": world.intents_flags},
                "private_channels": [],
                "user_settings": {},
                "relationships": [],
                "presences": [],
                "_trace": ["sandbox"],
            },
        )
        if session.intents & 1:
            for guild in mine:
                self.dispatch(session, "GUILD_CREATE", self.guild_create(session, guild))

    def guild_create(self, session: Session, guild: GuildState) -> dict[str, Any]:
        """A server as the Gateway tells it when it becomes available."""
        world = self._world
        members = list(guild.members)
        if not session.intents & (1 << 1):
            members = [user for user in (world.bot_id,) if user in guild.members]
        visible = [
            channel
            for channel in world.channels_of(guild)
            if permissions(world, channel, world.bot_id) & BITS["VIEW_CHANNEL"]
        ]
        threads = [
            world.channel_json(thread)
            for thread in world.channels_of(guild, threads=True)
            if not thread.data["thread_metadata"]["archived"]
        ]
        return {
            **world.guild_json(guild),
            "joined_at": guild.members[world.bot_id]["joined_at"],
            "large": len(guild.members) > 250,
            "unavailable": False,
            "member_count": len(guild.members),
            "voice_states": [],
            "members": [world.member_json(guild, user) for user in members[:250]],
            "channels": [world.channel_json(channel) for channel in visible],
            "threads": threads,
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": list(guild.events.values()),
            "soundboard_sounds": [],
        }

    def _resume(self, link: _Link, data: Any) -> None:
        if link.session is not None:
            raise _Close(4005)
        if not isinstance(data, Mapping):
            raise _Close(4002)
        if str(data.get("token", "")).removeprefix("Bot ") != self._world.token:
            raise _Close(4004)
        session = self.sessions.get(str(data.get("session_id")))
        seq = data.get("seq")
        if session is None or not isinstance(seq, int):
            link.send(_frame(9, data=False))
            return
        if seq > session.seq:
            raise _Close(4007)
        if session.buffer and session.buffer[0][0] > seq + 1:
            del self.sessions[session.id]
            link.send(_frame(9, data=False))
            return
        if session.link is not None:
            session.link.close(4000)
            session.link.session = None
        session.link = link
        link.session = session
        for number, text in list(session.buffer):
            if number > seq:
                link.send(text)
        self.dispatch(session, "RESUMED", {"_trace": ["sandbox"]})

    def _members(self, session: Session, data: Any) -> None:
        world = self._world
        if not isinstance(data, Mapping):
            raise _Close(4002)
        guild = world.guilds.get(str(data.get("guild_id")))
        if guild is None or world.bot_id not in guild.members:
            return
        nonce = data.get("nonce")
        wanted = data.get("user_ids")
        query = data.get("query")
        if query == "" and not data.get("limit"):
            if not session.intents & (1 << 1):
                raise _Close(4014)
            now = asyncio.get_running_loop().time()
            last = self._chunked.get(guild.id)
            if last is not None and now - last < 30:
                self.dispatch(
                    session,
                    "RATE_LIMITED",
                    {
                        "opcode": 8,
                        "retry_after": 30 - (now - last),
                        "meta": {"guild_id": guild.id, "nonce": nonce},
                    },
                )
                return
            self._chunked[guild.id] = now
        found = list(guild.members)
        missing: list[str] = []
        if wanted is not None:
            ids = [str(item) for item in (wanted if isinstance(wanted, list) else [wanted])]
            found, missing = (
                [i for i in ids if i in guild.members],
                [i for i in ids if i not in guild.members],
            )
        elif query:
            found = [i for i in found if world.users[i]["username"].startswith(str(query))]
        if data.get("limit"):
            found = found[: int(data["limit"])]
        chunks = [found[start : start + 1000] for start in range(0, len(found), 1000)] or [[]]
        for index, chunk in enumerate(chunks):
            body: dict[str, Any] = {
                "guild_id": guild.id,
                "members": [world.member_json(guild, user) for user in chunk],
                "chunk_index": index,
                "chunk_count": len(chunks),
            }
            if missing:
                body["not_found"] = missing
            if nonce is not None:
                body["nonce"] = nonce
            if data.get("presences"):
                body["presences"] = []
            self.dispatch(session, "GUILD_MEMBERS_CHUNK", body)


def _frame(code: int, data: Any) -> str:
    return json.dumps({"op": code, "d": data, "s": None, "t": None}, separators=(",", ":"))
