"""One shard of the Gateway: connects, identifies or resumes, beats, and hands dispatches over as raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from shequn_sdk.errors import AuthFailed, ConfigError, PermissionDenied, ShequnError, Unavailable
from shequn_sdk.platforms.deepjson import members
from shequn_sdk.platforms.lenient import repaired

__all__ = ["COMMUNITY_INTENTS", "FATAL", "Dispatch", "Shard", "ShardState", "gateway_url"]

_log = logging.getLogger(__name__)
_frames = logging.getLogger(f"{__name__}.frames")
_frames.setLevel(logging.INFO)  # on DEBUG websockets writes frames into the log, and one holds the token

COMMUNITY_INTENTS = 18_974_279
"""Servers, members, moderation, invites, messages, reactions, text, scheduled events, AutoMod, polls."""
MAX_SEND = 4096
MAX_FRAME = 64 * 1024 * 1024
SENDS_PER_MINUTE = 110
"""Discord closes at 120; the rest is kept for heartbeats."""
_ASKS_PER_MINUTE = 60
"""How many sends may have been made for `catch_up` to ask once more."""
_ZOMBIE = 4900
"""Any code but 1000 and 1001, which would end the session."""
_END = b"\x00\x00\xff\xff"

FATAL: dict[int, Callable[[], ShequnError]] = {
    4004: lambda: AuthFailed(
        "discord refused the token at the Gateway (4004): copy it again from the developer portal (Bot page)",
        platform="discord",
        operation="identify",
        code=4004,
    ),
    4010: lambda: ConfigError("shard_ids does not fit shards (Gateway 4010): ids count from 0"),
    4011: lambda: ConfigError(
        'the bot is in too many servers for one shard (Gateway 4011): set shards to "auto"'
    ),
    4012: lambda: ConfigError("discord no longer offers this Gateway version (4012): update shequn-discord"),
    4013: lambda: ConfigError("the option intents is no valid number of intents (Gateway 4013)"),
    4014: lambda: PermissionDenied(
        "discord disallows the intents (Gateway 4014): enable Server Members and Message Content on the Bot page of "
        "the developer portal, or set the option intents without them",
        platform="discord",
        operation="identify",
        code=4014,
    ),
}
"""Close codes after which coming back is useless, and what they mean."""
_NEW_SESSION = frozenset({4003, 4007, 4009})


class _Frame(msgspec.Struct, gc=False):
    op: int
    d: msgspec.Raw = msgspec.Raw(b"null")
    s: int | None = None
    t: str | None = None


class _Hello(msgspec.Struct, gc=False):
    heartbeat_interval: float


class _Ready(msgspec.Struct, gc=False):
    session_id: str
    resume_gateway_url: str = ""


_FRAME = msgspec.json.Decoder(_Frame)
_HELLO = msgspec.json.Decoder(_Hello)
_READY = msgspec.json.Decoder(_Ready)


def _read_frame(data: bytes) -> _Frame:
    try:
        try:
            return _FRAME.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _FRAME.decode(repaired(data))
    except RecursionError:
        # Nested too deeply. A resumed session would send it again and again: kept with its number it becomes a dead letter.
        parts = members(data)
        content = parts.pop("d", b"null")
        rest = b",".join(
            b'"%b":%b' % (key.encode(), value) for key, value in parts.items() if key in {"op", "s", "t"}
        )
        return msgspec.structs.replace(_FRAME.decode(b"{%b}" % rest), d=msgspec.Raw(content))


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One dispatch as it came."""

    shard: int
    session: str
    seq: int
    kind: str
    data: msgspec.Raw
    frame: bytes


@dataclass(slots=True)
class ShardState:
    """What a resume needs."""

    session: str = ""
    seq: int = 0
    url: str = ""

    def forget(self) -> None:
        """Drop the session: the next connection identifies anew."""
        self.session, self.seq, self.url = "", 0, ""


def gateway_url(base: str, *, compress: bool) -> str:
    """Add version, encoding and compression to a Gateway address."""
    parts = urlsplit(base)
    query = dict(parse_qsl(parts.query)) | {"v": "10", "encoding": "json"}
    if compress:
        query["compress"] = "zlib-stream"
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", urlencode(query), ""))


class _Restart(Exception):
    """The connection is over; come back after `delay` seconds."""

    def __init__(self, why: str, *, delay: float = 0.0, failed: bool = False) -> None:
        super().__init__(why)
        self.delay = delay
        self.failed = failed


class Shard:
    """One connection, kept up until it is stopped or a fatal close code comes.

    Args:
        number: of this shard.
        count: of all shards.
        token: the bot's token.
        intents: bits of what to hear.
        url: where to identify.
        state: session to resume, filled by the shard.
        deliver: called with every dispatch, in order.
        identify_turn: awaited before an identify, because those are limited.
        compress: whether the connection is compressed with zlib-stream.
        pause: says whether reading must wait, because nobody takes the events.
    """

    def __init__(
        self,
        *,
        number: int,
        count: int,
        token: str,
        intents: int,
        url: str,
        state: ShardState,
        deliver: Callable[[Dispatch], None],
        identify_turn: Callable[[], Any],
        compress: bool = True,
        user_agent: str = "",
        pause: Callable[[], bool] = lambda: False,
    ) -> None:
        self.number = number
        self.state = state
        self._count = count
        self._token = token
        self._intents = intents
        self._url = url
        self._deliver = deliver
        self._identify_turn = identify_turn
        self._compress = compress
        self._user_agent = user_agent
        self._pause = pause
        self._stopping = False
        self._unreadable = False
        self._socket: ClientConnection | None = None
        self._acked = True
        self._beaten = self._answered = 0
        self._changed = asyncio.Event()
        self._sends: deque[float] = deque(maxlen=SENDS_PER_MINUTE)
        self._beats: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        self.error: ShequnError | None = None
        self.fatal = False
        self.zombies = 0
        self.resumes = 0
        self.identifies = 0
        self.lost_sessions = 0

    def __repr__(self) -> str:
        return f"Shard({self.number}/{self._count}, session={bool(self.state.session)}, seq={self.state.seq})"

    async def run(self, failed: Callable[[], None]) -> None:
        """Stay connected; ends only on a fatal close code, which is kept in `error`.

        Args:
            failed: called whenever `error` was set, to wake who waits.
        """
        failures = 0
        while not self._stopping:
            delay = 0.0
            try:
                await self._connection()
            except _Restart as restart:
                delay = restart.delay
                failures = failures + 1 if restart.failed and not self.connected.is_set() else 0
                _log.info("gateway shard %d: %s", self.number, restart)
            except ShequnError as error:
                self.error, self.fatal = error, True
                failed()
                return
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
                failures += 1
                self.error = Unavailable(
                    f"discord's Gateway was not reached ({type(error).__name__}); it is tried again; check the network "
                    "and gateway_url",
                    platform="discord",
                    operation="gateway",
                )
                failed()
            finally:
                self.connected.clear()
                self._changed.set()
            if self._stopping:
                return
            backoff = min(60.0, 0.5 * 2 ** min(failures, 8)) if failures else 0.0
            await asyncio.sleep(delay + backoff * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    async def _connection(self) -> None:
        resuming = bool(self.state.session)
        base = self.state.url if resuming and self.state.url else self._url
        async with connect(
            gateway_url(base, compress=self._compress),
            compression=None,
            max_size=MAX_FRAME,
            ping_interval=None,
            open_timeout=20,
            close_timeout=2,
            user_agent_header=self._user_agent or None,
            proxy=None,
            logger=_frames,
        ) as socket:
            self._socket = socket
            self._sends.clear()
            self._beaten = self._answered = 0
            inflate = zlib.decompressobj()
            buffer = bytearray()
            try:
                while True:
                    while self._pause():  # noqa: ASYNC110 - it drains at the caller's pace
                        await asyncio.sleep(0.05)
                    message = await socket.recv()
                    if isinstance(message, str):
                        await self._take(message.encode())
                        continue
                    buffer += message
                    if not buffer.endswith(_END):
                        continue
                    try:
                        text = inflate.decompress(bytes(buffer))
                    except zlib.error as error:
                        raise _Restart("unreadable compressed data", failed=True) from error
                    buffer.clear()
                    await self._take(text)
            except ConnectionClosed as closed:
                self._closed(closed)
            finally:
                if self._beats is not None:
                    self._beats.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await self._beats
                    self._beats = None
                self._socket = None

    def _closed(self, closed: ConnectionClosed) -> None:
        code = closed.rcvd.code if closed.rcvd is not None else 0
        fatal = FATAL.get(code)
        if fatal is not None:
            self.state.forget()
            raise fatal()
        if code in _NEW_SESSION and self.state.session:
            self.lost_sessions += 1
            self.state.forget()
        raise _Restart(f"closed with {code or 'no code'}", failed=code not in {0, 1000, 1001})

    async def _take(self, data: bytes) -> None:
        try:
            await self._do(_read_frame(data), data)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            _log.warning("gateway shard %d: a frame of %d bytes cannot be read", self.number, len(data))
            if self._unreadable and self.state.session:  # a resumed session sends it again and again
                self.lost_sessions += 1
                self.state.forget()
            self._unreadable = not self._unreadable
            raise _Restart("unreadable frame", failed=True) from error

    async def _do(self, frame: _Frame, data: bytes) -> None:
        if frame.op == 0:
            self._dispatch(frame, data)
        elif frame.op == 10:
            await self._hello(_HELLO.decode(frame.d).heartbeat_interval / 1000)
        elif frame.op == 11:
            self._acked = True
            self._answered += 1
            self._changed.set()
        elif frame.op == 1:
            await self._beat()
        elif frame.op == 7:
            await self._close(_ZOMBIE)
            raise _Restart("asked to reconnect")
        elif frame.op == 9:
            if bytes(frame.d) != b"true":
                if self.state.session:
                    self.lost_sessions += 1
                self.state.forget()
                await self._close(1000)
                raise _Restart("session is not valid", delay=random.uniform(1.0, 5.0))  # noqa: S311 - jitter
            await self._close(_ZOMBIE)
            raise _Restart("session is to be resumed", delay=random.uniform(0.1, 1.0))  # noqa: S311 - jitter

    def _dispatch(self, frame: _Frame, data: bytes) -> None:
        if frame.t == "READY":
            ready = _READY.decode(frame.d)
            self.state.session = ready.session_id
            self.state.url = ready.resume_gateway_url
            self._stand()
        elif frame.t == "RESUMED":
            self.resumes += 1
            self._stand()
        if frame.s is not None:
            if frame.s <= self.state.seq and frame.t != "READY":
                return  # sent twice
            self.state.seq = frame.s
        self._deliver(Dispatch(self.number, self.state.session, self.state.seq, frame.t or "", frame.d, data))

    def _stand(self) -> None:
        self.connected.set()
        self.error = None
        self._changed.set()

    async def catch_up(self) -> bool:
        """Wait until the connection stands and everything that Discord had to say has come.

        Resumed, Discord first says what was missed. Standing, it answers a heartbeat behind what it said before; that
        costs one send, and gives False when too many were made already within a minute.
        """
        while self.error is None and not self.fatal and not self._stopping:
            self._changed.clear()
            if not self.connected.is_set():
                await self._changed.wait()
                continue
            now = asyncio.get_running_loop().time()
            if sum(at > now - 60 for at in self._sends) >= _ASKS_PER_MINUTE:
                return False
            self._sends.append(now)
            with contextlib.suppress(ConnectionClosed):
                await self._beat()
            asked = self._beaten
            while self.connected.is_set() and self._answered < asked:
                self._changed.clear()
                await self._changed.wait()
            if self.connected.is_set():
                return True
        return True

    async def _hello(self, interval: float) -> None:
        self._acked = True
        if self._beats is not None:
            self._beats.cancel()
        self._beats = asyncio.create_task(self._heartbeat(interval))
        if self.state.session:
            await self._send(
                {
                    "op": 6,
                    "d": {"token": self._token, "session_id": self.state.session, "seq": self.state.seq},
                }
            )
            return
        turn = self._identify_turn()
        if turn is not None:
            await turn
        self.identifies += 1
        await self._send(
            {
                "op": 2,
                "d": {
                    "token": self._token,
                    "intents": self._intents,
                    "shard": [self.number, self._count],
                    "large_threshold": 250,
                    "properties": {"os": sys.platform, "browser": "shequn", "device": "shequn"},
                },
            }
        )

    async def _heartbeat(self, interval: float) -> None:
        await asyncio.sleep(interval * random.random())  # noqa: S311 - jitter asked for by Discord
        while True:
            if not self._acked:
                self.zombies += 1
                _log.warning("gateway shard %d: no answer to the heartbeat, reconnecting", self.number)
                await self._close(_ZOMBIE)
                return
            self._acked = False
            with contextlib.suppress(ConnectionClosed):
                await self._beat()
            await asyncio.sleep(interval)

    async def _beat(self) -> None:
        if self._socket is not None:
            self._beaten += 1
            await self._socket.send(msgspec.json.encode({"op": 1, "d": self.state.seq or None}).decode())

    async def _send(self, payload: dict[str, Any]) -> None:
        data = msgspec.json.encode(payload)
        if len(data) > MAX_SEND:
            raise ConfigError(f"a Gateway message of {len(data)} bytes is longer than {MAX_SEND}")
        loop = asyncio.get_running_loop()
        while len(self._sends) == SENDS_PER_MINUTE and self._sends[0] > loop.time() - 60:  # noqa: ASYNC110 - a clock, no event
            await asyncio.sleep(self._sends[0] + 60 - loop.time())
        self._sends.append(loop.time())
        if self._socket is None:
            raise Unavailable("the Gateway is not connected", platform="discord", operation="gateway")
        await self._socket.send(data.decode())

    async def request_members(self, guild: str, *, nonce: str) -> None:
        """Ask for all members of a server; they come as GUILD_MEMBERS_CHUNK. At most once in 30 s per server."""
        await self._send({"op": 8, "d": {"guild_id": guild, "query": "", "limit": 0, "nonce": nonce}})

    async def stop(self) -> None:
        """Close so that the session can be resumed later; `run` then returns."""
        self._stopping = True
        await self._close(_ZOMBIE)

    async def _close(self, code: int) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed, OSError):
                await self._socket.close(code)
