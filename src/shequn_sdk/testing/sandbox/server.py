"""The server under every platform's sandbox: one loopback port, real HTTP and websocket, in the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import random
import socket
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TextIO
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from shequn_sdk.domain import Account, Clock
from shequn_sdk.errors import ConfigError, MissingExtra, PluginError
from shequn_sdk.platforms.hooks import SandboxSpec
from shequn_sdk.platforms.http import verified_tls
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.testing.sandbox._control import Control
from shequn_sdk.testing.sandbox._play import TRANSPORT, PlayedApp, Receive, Scope, Send, answer
from shequn_sdk.testing.sandbox.api import CallbackResult, FaultSource, PlatformSandbox, SandboxContext
from shequn_sdk.testing.sandbox.faults import SeededFaults

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
except ModuleNotFoundError as error:
    raise MissingExtra("sandboxes are served by uvicorn", "sandbox") from error

__all__ = ["SandboxServer", "serve"]

_log = logging.getLogger(__name__)

_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_BACKLOG = 2048


class _Http(H11Protocol):
    """uvicorn's protocol, which also lets the app reach its connection."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.access_log = False  # its lines hold whole URLs, and with them tokens
        self.app = _with_transport(self.app, transport)


class _Websocket(WebSocketsSansIOProtocol):
    """The same for websockets."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def _with_transport(app: Any, transport: Any) -> Any:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[TRANSPORT] = transport
        await app(scope, receive, send)

    return inner


class SandboxServer:
    """Serves platforms' sandboxes under `/<platform>`, the page under `/` and the controls under `/_control`.

    An async context manager; runs inside the caller's event loop, so that a `ManualClock` can be shared with it.

    Args:
        specs: the platforms to serve, as plugins offer them.
        clock: the sandboxes' time; the machine's by default.
        seed: every platform draws from its own random numbers made from it.
        faults: what goes wrong; by default nothing, until rules are set on `faults` or over `/_control/faults`.
        host: address to listen on; anything but loopback is refused, because the controls ask for no password.
        port: 0 takes a free one.
        options: per platform, handed to its sandbox.
        max_body: largest request body in bytes; larger ones are answered with 413.
    """

    def __init__(
        self,
        specs: Iterable[SandboxSpec],
        *,
        clock: Clock | None = None,
        seed: int = 0,
        faults: FaultSource | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        max_body: int = 64 * 1024 * 1024,
    ) -> None:
        if not _is_loopback(host):
            raise ConfigError(f"the sandbox listens on this machine only, not on {host!r}: use 127.0.0.1")
        self._specs = tuple(specs)
        self._clock = clock or SystemClock()
        self._seed = seed
        self.faults: FaultSource = SeededFaults(seed) if faults is None else faults
        """What goes wrong: `SeededFaults` unless another source was given."""
        self._host = host
        self._port = port
        self._options = options or {}
        self._max_body = max_body
        self._platforms: dict[str, PlatformSandbox] = {}
        self._apps: dict[str, PlayedApp] = {}
        self._base_url = ""
        self._server: uvicorn.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None
        self._stopping = asyncio.Event()
        self._control: Control | None = None

    # reading

    @property
    def base_url(self) -> str:
        """Root of the server, no slash at the end."""
        return self._base_url

    @property
    def clock(self) -> Clock:
        """The sandboxes' clock."""
        return self._clock

    def __getitem__(self, platform: str) -> PlatformSandbox:
        """Give a platform's sandbox."""
        return self._platforms[platform]

    def __iter__(self) -> Iterator[str]:
        return iter(self._platforms)

    def __len__(self) -> int:
        return len(self._platforms)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Give, per platform, what a client needs (`PlatformSandbox.describe`)."""
        return {name: platform.describe() for name, platform in self._platforms.items()}

    def account(self, platform: str, *, name: str = "") -> Account:
        """Give an account that reaches a platform's sandbox, made from what it describes."""
        found = self._platforms[platform].describe()
        return Account(
            name=name or platform,
            platform=platform,
            base_url=found["base_url"],
            secrets={key: SecretStr(str(value)) for key, value in found.get("secrets", {}).items()},
            options=found.get("options", {}),
        )

    # running

    async def __aenter__(self) -> Self:
        """Bind the port, make the platforms, start serving.

        Raises:
            ConfigError: the port is taken.
            PluginError: two plugins offer the same platform.
        """
        sock = self._bind()
        try:
            self._make_platforms()
            self._control = Control(
                self._platforms, clock=self._clock, faults=self.faults, hosts=_LOOPBACK_HOSTS | {self._host}
            )
            self._client = httpx.AsyncClient(
                timeout=10.0,
                verify=verified_tls(),
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=20),
            )
            self._server = self._make_server()
            await self._server.startup(sockets=[sock])
            await self._server.on_tick(0)
        except BaseException:
            sock.close()
            raise
        self._ticker = asyncio.create_task(self._server.main_loop(), name="shequn-sandbox-clock")
        try:
            for platform in self._platforms.values():
                await platform.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the platforms and close every connection."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop; a second call does nothing."""
        server, self._server = self._server, None
        if server is None:
            return
        self._stopping.set()
        server.should_exit = True
        for listener in server.servers:
            listener.close()
        for platform in self._platforms.values():
            try:
                await platform.stop()
            except Exception:  # noqa: BLE001 - one platform's mistake must not keep the others' sockets open
                _log.exception("the sandbox of %s did not stop cleanly", platform.platform)
        await self._end_connections(server)
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def drop_websockets(self) -> int:
        """Cut every open websocket without a closing frame; gives how many. For tests of resuming."""
        if self._server is None:
            return 0
        open_ones = [link for link in self._server.server_state.connections if isinstance(link, _Websocket)]
        for link in open_ones:
            link.transport.abort()
        return len(open_ones)

    async def _end_connections(self, server: uvicorn.Server) -> None:
        state = server.server_state
        for link in list(state.connections):
            link.shutdown()
        for _ in range(3):
            await asyncio.sleep(0)
        tasks = set(state.tasks)
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=0.25)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left, timeout=1.0)
        for link in list(state.connections):
            if not link.transport.is_closing():
                link.transport.abort()
        for listener in server.servers:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await listener.wait_closed()
        await asyncio.sleep(0)

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # with the protocol named, asyncio switches Nagle's algorithm off; else each answer waits 40 ms for an ACK
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self._host, self._port))
            sock.listen(_BACKLOG)
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            raise ConfigError(
                f"the sandbox cannot listen on {self._host}:{self._port} ({error.strerror}); choose another port, "
                "or 0 for a free one"
            ) from error
        port = sock.getsockname()[1]
        name = f"[{self._host}]" if ":" in self._host else self._host
        self._base_url = f"http://{name}:{port}"
        return sock

    def _make_platforms(self) -> None:
        for spec in self._specs:
            if spec.platform in self._platforms:
                raise PluginError(f"two plugins offer a sandbox for {spec.platform!r}; uninstall one of them")
            context = SandboxContext(
                clock=self._clock,
                rng=random.Random(f"{self._seed}/{spec.platform}"),
                base_url=f"{self._base_url}/{spec.platform}",
                faults=self.faults,
                call_back=self._call_back,
                options=self._options.get(spec.platform, {}),
            )
            try:
                platform = spec.create(context)
            except Exception as error:
                raise PluginError(
                    f"the sandbox of {spec.platform!r} cannot be made ({type(error).__name__}: {error}); "
                    "report it to its plugin's authors",
                    plugin=spec.platform,
                ) from error
            self._platforms[spec.platform] = platform
            self._apps[spec.platform] = PlayedApp(
                platform, faults=self.faults, max_body=self._max_body, stopping=self._stopping
            )

    def _make_server(self) -> uvicorn.Server:
        config = uvicorn.Config(
            self._app,
            http=_Http,
            ws=_Websocket,
            lifespan="off",
            loop="none",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=300,
            ws_ping_interval=None,
            ws_ping_timeout=None,
            ws_per_message_deflate=False,
            ws_max_size=1024 * 1024,
            h11_max_incomplete_event_size=256 * 1024,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        return server

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        name, slash, rest = path.removeprefix("/").partition("/")
        app = self._apps.get(name)
        if app is not None:
            raw: bytes = scope.get("raw_path") or path.encode()
            prefix = f"/{name}".encode()
            inner = {
                **scope,
                "root_path": scope.get("root_path", "") + f"/{name}",
                "path": slash + rest or "/",
                "raw_path": raw.removeprefix(prefix) or b"/",
            }
            await app(inner, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif path == "/" or name == "_control":
            assert self._control is not None
            await self._control(scope, receive, send)
        else:
            there = ", ".join(f"/{known}" for known in self._apps)
            await answer(send, 404, f"nothing at {path}: the sandbox serves {there}".encode(), close=True)

    async def _call_back(self, url: str, body: bytes, headers: Mapping[str, str]) -> CallbackResult:
        if self._client is None:
            return CallbackResult(0, {}, b"the sandbox is not running")
        try:
            if not _is_loopback(urlsplit(url).hostname or ""):
                return CallbackResult(0, {}, b"the sandbox calls back to this machine only")
            reply = await self._client.post(url, content=body, headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return CallbackResult(0, {}, type(error).__name__.encode())
        return CallbackResult(reply.status_code, dict(reply.headers), reply.content)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def serve(
    specs: Iterable[SandboxSpec],
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    out: TextIO,
    clock: Clock | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Serve until cancelled; first writes one JSON line to `out`: what each platform describes, and `sandbox`.

    `sandbox` holds the address of the page and of the controls.
    """
    async with SandboxServer(specs, clock=clock, seed=seed, host=host, port=port, options=options) as server:
        own = {
            "base_url": server.base_url,
            "page": f"{server.base_url}/",
            "control": f"{server.base_url}/_control",
        }
        out.write(json.dumps({**server.describe(), "sandbox": own}, ensure_ascii=False) + "\n")
        out.flush()
        await asyncio.Event().wait()
