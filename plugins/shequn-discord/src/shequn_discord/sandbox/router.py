"""HTTP side of the sandbox: routes, authorization, bodies, limits and answers."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from shequn_discord.sandbox.forms import ApiError, forbidden, missing_access, unknown
from shequn_discord.sandbox.permissions import BITS, guild_permissions, permissions
from shequn_discord.sandbox.world import ChannelState, GuildState, MessageState

if TYPE_CHECKING:
    from shequn_discord.sandbox.gateway import Hub
    from shequn_discord.sandbox.limits import Limiter
    from shequn_discord.sandbox.world import World

__all__ = ["ROUTES", "Call", "Reply", "Router", "Upload", "load_routes", "route"]

_VERSION = re.compile(r"^/api(?:/v(?:9|10))?(/(?!v\d).*)$")
"""Unversioned paths are taken too: addresses of webhooks are written so."""
MAX_BODY = 25 * 1024 * 1024
_AGENT = "DiscordBot ("
Reply = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart request."""

    filename: str
    content_type: str
    data: bytes


@dataclass(slots=True)
class Call:
    """One request, read."""

    world: World
    hub: Hub
    params: dict[str, str]
    query: Mapping[str, str]
    queries: Callable[[str], list[str]]
    body: Any
    files: dict[str, Upload]
    reason: str | None
    limiter: Limiter
    base_url: str
    spawn: Callable[[Awaitable[Any]], None]
    call_back: Callable[..., Awaitable[Any]]
    extra: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def me(self) -> str:
        """Id of the bot."""
        return self.world.bot_id

    def guild(self) -> GuildState:
        """Give the server of the path; the bot must be in it."""
        guild = self.world.guilds.get(self.params["guild"])
        if guild is None or self.me not in guild.members:
            raise unknown(10004)
        return guild

    def need(self, guild: GuildState, *names: str) -> None:
        """Check permissions of the bot in a server."""
        bits = guild_permissions(guild, self.me)
        if not all(bits & BITS[name] for name in names):
            raise forbidden()

    def channel(self, *names: str, number: str = "") -> ChannelState:
        """Give the channel of the path, seen by the bot, with permissions checked."""
        channel = self.world.channels.get(number or self.params["channel"])
        if channel is None:
            raise unknown(10003)
        guild = self.world.guilds.get(channel.guild_id or "")
        if guild is not None and self.me not in guild.members:
            raise missing_access()
        bits = permissions(self.world, channel, self.me)
        if not bits & BITS["VIEW_CHANNEL"]:
            raise missing_access()
        for name in names:
            if not bits & BITS[name]:
                raise forbidden()
        return channel

    def message(self, channel: ChannelState) -> MessageState:
        """Give the message of the path."""
        found = channel.messages.get(self.params["message"])
        if found is None:
            raise unknown(10008)
        return found

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """Read a number of the query, checked."""
        text = self.query.get(key)
        if text is None:
            return default
        bounds = "int value should be {} than or equal to {}."
        try:
            value = int(text)
        except ValueError:
            raise _query_error(key, "NUMBER_TYPE_COERCE", f'Value "{text[:50]}" is not int.') from None
        if value < low:
            raise _query_error(key, "NUMBER_TYPE_MIN", bounds.format("greater", low))
        if value > high:
            raise _query_error(key, "NUMBER_TYPE_MAX", bounds.format("less", high))
        return value

    def place(self, key: str, default: int) -> int:
        """Read an id of the query."""
        text = self.query.get(key)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,20}", text):
            raise _query_error(key, "NUMBER_TYPE_COERCE", f'Value "{text[:50]}" is not snowflake.')
        return int(text)

    def flag(self, key: str) -> bool:
        """Read a boolean of the query."""
        return self.query.get(key, "").lower() in {"true", "1"}


def _query_error(key: str, code: str, message: str) -> ApiError:
    return ApiError(
        400, 50035, "Invalid Form Body", errors={key: {"_errors": [{"code": code, "message": message}]}}
    )


Handler = Callable[[Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    template: str
    parts: tuple[str, ...]
    handler: Handler
    auth: bool


ROUTES: dict[tuple[str, int], list[_Route]] = {}
_PATHS: dict[int, list[tuple[str, ...]]] = {}


def route(method: str, template: str, *, auth: bool = True) -> Callable[[Handler], Handler]:
    """Register a handler; literal parts win over parameters."""

    def register(handler: Handler) -> Handler:
        parts = tuple(template.strip("/").split("/"))
        found = ROUTES.setdefault((method, len(parts)), [])
        found.append(_Route(method, template, parts, handler, auth))
        found.sort(key=lambda item: tuple(part.startswith("{") for part in item.parts))
        _PATHS.setdefault(len(parts), []).append(parts)
        return handler

    return register


def _match(parts: tuple[str, ...], path: list[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for part, value in zip(parts, path, strict=True):
        if part.startswith("{"):
            name = part[1:-1]
            if not value or (name not in {"emoji", "token", "code"} and not _is_id(value)):
                return None
            found[name] = value
        elif part != value:
            return None
    return found


def _is_id(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 20


def load_routes() -> None:
    """Import all modules that register routes."""
    for name in ["apps", "bans", "channels", "events", "guilds", "messages", "settings", "shop", "webhooks"]:
        importlib.import_module(f"shequn_discord.sandbox.routes_{name}")


class Router:
    """Reads requests, checks who asks and how often, calls the handler and writes the answer."""

    def __init__(
        self,
        *,
        world: World,
        hub: Hub,
        limiter: Limiter,
        base_url: str,
        spawn: Callable[[Awaitable[Any]], None],
        call_back: Callable[..., Awaitable[Any]],
        tick: Callable[[], None],
    ) -> None:
        self._world = world
        self._hub = hub
        self._limiter = limiter
        self._base_url = base_url
        self._spawn = spawn
        self._call_back = call_back
        self._tick = tick

    @staticmethod
    def strip(path: str) -> str:
        """Take the version off a path; "" when it is none of ours."""
        match = _VERSION.match(path)
        return match[1] if match is not None else ""

    def find(self, method: str, path: str) -> tuple[_Route | None, dict[str, str], bool]:
        """Give the route of a path, its parameters, and whether another method would fit."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        for item in ROUTES.get((method, len(parts)), ()):
            found = _match(item.parts, parts)
            if found is not None:
                return item, found, True
        other = any(_match(known, parts) is not None for known in _PATHS.get(len(parts), ()))
        return None, {}, other

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        self._tick()
        headers: dict[str, str] = {"via": "1.1 google"}
        try:
            if self._limiter.banned:
                return Response(
                    "<!DOCTYPE html><title>Access denied | discord.com used Cloudflare</title>",
                    429,
                    media_type="text/html",
                )
            raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
            prefix = request.scope.get("root_path", "").encode()
            path = raw.partition(b"?")[0].decode("latin-1")
            if prefix and path.startswith(prefix.decode()):
                path = path[len(prefix) :]
            if path.startswith("/files/"):
                data = self._world.files.get(path.removeprefix("/files/"))
                return Response(data or b"", 200 if data is not None else 404)
            match = _VERSION.match(path)
            if match is None:
                raise ApiError(404, 0, "404: Not Found")  # noqa: TRY301 - one place answers
            found, params, other = self.find(request.method, match[1])
            if found is None:
                raise (
                    ApiError(405, 0, "405: Method Not Allowed")
                    if other
                    else ApiError(404, 0, "404: Not Found")
                )
            self._authorize(request, found)
            kept = "channel guild webhook"
            major = (
                ":".join(params.get(name, "") for name in kept.split())
                + ":"
                + (params.get("token", "") if "webhook" in params else "")
            )
            verdict = self._limiter.judge(f"{found.method} {found.template}", major, match[1])
            headers |= verdict.headers
            if verdict.refused is not None:
                status, own, data = verdict.refused
                self._limiter.count(429, own.get("x-ratelimit-scope", ""))
                return _respond(status, data, headers | own)
            body, files = await self._read(request)
            call = Call(
                world=self._world,
                hub=self._hub,
                params=params,
                query=dict(request.query_params),
                queries=request.query_params.getlist,
                body=body,
                files=files,
                reason=_reason(request),
                limiter=self._limiter,
                base_url=self._base_url,
                spawn=self._spawn,
                call_back=self._call_back,
            )
            status, answer = await found.handler(call)
        except ApiError as error:
            self._limiter.count(error.status, "shared" if error.status == 429 else "")
            data = json.dumps(error.body, ensure_ascii=False, separators=(",", ":")).encode()
            return _respond(error.status, data, headers | error.headers)
        headers |= call.extra
        if status == 204:
            return Response(status_code=204, headers=headers)
        return _respond(status, msgspec.json.encode(answer), headers)

    def _authorize(self, request: Request, found: _Route) -> None:
        agent = request.headers.get("user-agent", "")
        if found.template.startswith(("/webhooks/", "/interactions/")):
            agent = _AGENT  # discord.py names none here and is served
        if self._world.options.get("require_user_agent", True) and not agent.startswith(_AGENT):
            raise ApiError(403, 40333, "internal network error")
        if not found.auth:
            return
        if request.headers.get("authorization", "") != f"Bot {self._world.token}":
            raise ApiError(401, 0, "401: Unauthorized")

    async def _read(self, request: Request) -> tuple[Any, dict[str, Upload]]:
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > MAX_BODY:
            raise ApiError(413, 40005, "Request entity too large")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return await self._read_form(request)
        data = await request.body()
        if len(data) > MAX_BODY:
            raise ApiError(413, 40005, "Request entity too large")
        if not data:
            return None, {}
        if kind == "application/x-www-form-urlencoded":
            return dict(await request.form()), {}
        if kind != "application/json":
            raise ApiError(
                400,
                50035,
                "Invalid Form Body",
                errors={
                    "_errors": [
                        {
                            "code": "CONTENT_TYPE_INVALID",
                            "message": "Expected \"Content-Type\" header to be one of {'application/json'}.",
                        }
                    ]
                },
            )
        return _loads(data), {}

    async def _read_form(self, request: Request) -> tuple[Any, dict[str, Upload]]:
        try:
            form = await request.form(max_part_size=MAX_BODY)
        except Exception as error:
            raise ApiError(400, 50035, "Invalid Form Body") from error
        body: Any = {}
        files: dict[str, Upload] = {}
        for name, value in form.multi_items():
            if isinstance(value, str):
                if name == "payload_json":
                    body = _loads(value.encode())
                elif isinstance(body, dict):
                    body.setdefault(name, value)
            elif name == "payload_json":
                body = _loads(await value.read())
            else:
                data = await value.read()
                files[name] = Upload(
                    value.filename or "unknown", value.content_type or "application/octet-stream", data
                )
        await form.close()
        if sum(len(upload.data) for upload in files.values()) > MAX_BODY:
            raise ApiError(413, 40005, "Request entity too large")
        return body, files


def _loads(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ApiError(400, 50109, "The request body contains invalid JSON.") from None


def _reason(request: Request) -> str | None:
    text = request.headers.get("x-audit-log-reason")
    if text is None:
        return None
    reason = unquote(text)
    if len(reason) > 512:
        raise ApiError(
            400,
            50035,
            "Invalid Form Body",
            errors={
                "reason": {
                    "_errors": [
                        {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 512 or fewer in length."}
                    ]
                }
            },
        )
    return reason


def _respond(status: int, data: bytes, headers: Mapping[str, str]) -> Response:
    response = Response(data, status, headers={k: v for k, v in headers.items() if k != "content-type"})
    response.headers["content-type"] = "application/json"
    return response
