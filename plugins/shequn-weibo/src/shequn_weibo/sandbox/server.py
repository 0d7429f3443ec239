"""The ASGI application: reads a request, checks token, level and limits, asks a handler."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from shequn_weibo.sandbox.state import Refuse, TokenRecord, World
from shequn_weibo.wire import CHINA

__all__ = ["Call", "Handler", "Limits", "make_app", "refusal"]

_WORDS: Mapping[int, str] = {
    10001: "System error!",
    10005: "this api requires appkey of higher level!",
    10006: "Source paramter (appkey) is missing",
    10014: "Insufficient app permissions!",
    10016: "Miss required parameter , see doc for more info.",
    10017: "param error, see doc for more info.",
    10020: "Request api not found!",
    10021: "HTTP method is not suported for this request!",
    10022: "IP requests out of rate limit!",
    10023: "User requests out of rate limit!",
    10024: "User requests for (%s) out of rate limit!",
    20001: "Ids is null",
    20003: "User does not exists!",
    20005: "Unsupported image type, only suport JPG, GIF, PNG!",
    20006: "Image size too large.",
    20008: "Content is null.",
    20009: "IDs is too many.",
    20012: "Text too long, please input text less than 140 characters!",
    20016: "Out of limit",
    20019: "repeat content!",
    20032: "Update success, while server slow now, please wait 1-2 minutes!",
    20101: "Target weibo does not exist!",
    20102: "Not your own weibo",
    20112: "Permission Denied!",
    20201: "Target weibo comment does not exist!",
    20203: "Not your own comment!",
    20502: "Need you follow uid.",
    20504: "Can not follow yourself!",
    20506: "already followed",
    21321: "Applications over the unaudited use restrictions!",
    21322: "redirect_uri_mismatch",
    21323: "invalid_request",
    21324: "invalid_client",
    21325: "invalid_grant",
    21327: "expired_token",
    21328: "unsupported_grant_type",
    21329: "unsupported_response_type",
    21330: "access_denied",
    21316: "token_revoked",
    21332: "invalid_access_token",
}
_FORBIDDEN = frozenset({10004, 10005, 10014, 10022, 10023, 10024, 20016, 20112, 21321})
_FREE = frozenset({"remind/unread_count", "account/rate_limit_status"})


@dataclass(slots=True)
class Call:
    """A request, read."""

    method: str
    path: str
    """Below `/2/`, without `.json`; or below `/oauth2/`."""
    fields: dict[str, str]
    lists: dict[str, list[str]]
    address: str
    header: str = ""
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    token: TokenRecord | None = None

    @property
    def uid(self) -> str:
        """Who calls."""
        assert self.token is not None
        return self.token.uid

    @property
    def level(self) -> str:
        """The application's level."""
        assert self.token is not None
        return self.token.app.level

    def text(self, name: str, code: int = 10016) -> str:
        """Give a field that must be there."""
        value = self.fields.get(name, "")
        if not value.strip():
            raise Refuse(code)
        return value

    def whole(self, name: str, default: int = 0, *, least: int = 0, most: int = 1 << 63) -> int:
        """Give a number."""
        value = self.fields.get(name, "").strip()
        if not value:
            return default
        if not (value.isascii() and value.isdigit()):
            raise Refuse(10017)
        return min(max(int(value[:20]), least), most)


Handler = Callable[[Call], Any]


class Limits:
    """Counts calls and refuses those past a limit."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.user_limit: int = int(world.option("user_limit", 100))
        self.ip_limit: int = int(world.option("ip_limit", 15_000))
        self.hourly: dict[str, int] = {
            "statuses/share": int(world.option("posts_per_hour", 30)),
            "comments/create": int(world.option("comments_per_hour", 60)),
        }

    def admit(self, call: Call) -> None:
        """Count a call, or refuse it."""
        if call.path in _FREE or (call.token is not None and call.token.fan):
            return
        calls, world = self._world.calls, self._world
        ip_key = ("ip", call.address, world.hour())
        if calls[ip_key] >= self.ip_limit:
            raise Refuse(10022)
        user_key = ("user", call.uid, world.day())
        if call.level != "commercial" and calls[user_key] >= self.user_limit:
            raise Refuse(10023)
        calls[ip_key] += 1
        calls[user_key] += 1

    def admit_write(self, uid: str, path: str, code: int) -> None:
        """Refuse a write past its hourly limit."""
        if self._world.recent(uid, path) >= self.hourly[path]:
            raise Refuse(code, (_WORDS.get(code, "") % path) if code == 10024 else "")

    def status(self, call: Call) -> dict[str, Any]:
        """Write `account/rate_limit_status`."""
        world = self._world
        now = world.now().astimezone(CHINA)
        used = world.calls["user", call.uid, world.day()]
        midnight = datetime(now.year, now.month, now.day, tzinfo=CHINA) + timedelta(days=1)
        return {
            "api_rate_limits": [
                {
                    "api": f"/{path}",
                    "limit": limit,
                    "limit_time_unit": "HOURS",
                    "remaining_hits": max(0, limit - world.recent(call.uid, path)),
                }
                for path, limit in self.hourly.items()
            ],
            "ip_limit": self.ip_limit,
            "limit_time_unit": "DAYS",
            "remaining_ip_hits": max(0, self.ip_limit - world.calls["ip", call.address, world.hour()]),
            "remaining_user_hits": max(0, self.user_limit - used),
            "reset_time": midnight.strftime("%Y-%m-%d %H:%M:%S"),
            "reset_time_in_seconds": int((midnight - now).total_seconds()),
            "user_limit": self.user_limit,
        }


def refusal(world: World, refuse: Refuse, request: str, *, oauth: bool = False) -> tuple[int, dict[str, Any]]:
    """Write an error: HTTP status and body."""
    code: int | str = str(refuse.code) if world.option("string_codes", False) else refuse.code
    word = _WORDS.get(refuse.code, "error")
    body: dict[str, Any] = {
        "request": request,
        "error_code": code,
        "error": word if oauth else refuse.text or word,
    }
    if oauth:
        body["error_description"] = refuse.text or word.replace("_", " ")
    forced = int(world.option("error_status", 0))
    return forced or refuse.status or (403 if refuse.code in _FORBIDDEN else 400), body


def _respond(body: Any, status: int = 200) -> Response:
    try:
        data = msgspec.json.encode(body)
    except ValueError:  # half of a pair of surrogates
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Response(data, status_code=status, media_type="application/json; charset=UTF-8")


async def _read(request: Request, path: str) -> Call:
    lists: dict[str, list[str]] = {}
    files: dict[str, tuple[str, bytes]] = {}
    for name, value in request.query_params.multi_items():
        lists.setdefault(name, []).append(value)
    if request.method == "POST":
        try:
            form = await request.form(max_part_size=64 << 20)
        except (MultiPartException, ValueError, KeyError):
            raise Refuse(10017) from None
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name] = (value.filename or "", await value.read())
            else:
                lists.setdefault(name, []).append(value)
        await form.close()
    return Call(
        method=request.method,
        path=path,
        fields={name: values[0] for name, values in lists.items()},
        lists=lists,
        address=request.client.host if request.client else "127.0.0.1",
        header=request.headers.get("authorization", ""),
        files=files,
    )


def make_app(
    world: World,
    limits: Limits,
    *,
    reads: Mapping[str, Handler],
    writes: Mapping[str, Handler],
    oauth: Mapping[str, Handler],
    control: Callable[[Request], Any],
    levels: Mapping[str, str],
) -> Starlette:
    """Make the application.

    Args:
        reads: by path, made with GET.
        writes: by path, made with POST.
        oauth: by path below `/oauth2/`.
        levels: paths that only an application of a higher level may call.
    """

    def admit(call: Call) -> TokenRecord:
        header = call.header.strip()
        scheme, _, rest = header.partition(" ")
        token = (
            rest.strip() if scheme.lower() in {"oauth2", "bearer"} else call.fields.get("access_token", "")
        )
        if not token:
            raise Refuse(10006)
        found = world.tokens.get(token)
        if found is None:
            raise Refuse(21332)
        if found.revoked:
            raise Refuse(21316)
        if found.expires_at <= world.now():
            raise Refuse(21327)
        if found.app.level == "test" and found.uid not in found.app.test_users:
            raise Refuse(21321)
        return found

    def serve(call: Call) -> Any:
        if not (call.path in reads or call.path in writes):
            raise Refuse(10020)
        if call.method == "POST" and call.path not in writes:
            raise Refuse(10021)
        if call.method == "GET" and call.path not in reads:
            raise Refuse(10021)
        call.token = admit(call)
        if call.token.fan != call.path.startswith(("messages/", "eps/")):
            raise Refuse(10014)
        if levels.get(call.path, "") == "commercial" and call.level != "commercial":
            raise Refuse(10014)
        limits.admit(call)
        return (reads if call.method == "GET" else writes)[call.path](call)

    async def endpoint(request: Request) -> Response:
        path = request.path_params["path"]
        try:
            if not path.endswith(".json"):
                raise Refuse(10020)  # noqa: TRY301 - all refusals are written in one place
            answer = serve(await _read(request, path.removesuffix(".json")))
            return RedirectResponse(answer, 302) if isinstance(answer, str) else _respond(answer)
        except Refuse as refuse:
            status, body = refusal(world, refuse, f"/{path}")
            return _respond(body, status)

    async def authorise(request: Request) -> Response:
        path = request.path_params["path"]
        try:
            handler = oauth.get(path)
            if handler is None:
                raise Refuse(10020)  # noqa: TRY301
            answer = handler(await _read(request, path))
            return RedirectResponse(answer, 302) if isinstance(answer, str) else _respond(answer)
        except Refuse as refuse:
            status, body = refusal(world, refuse, f"/oauth2/{path}", oauth=True)
            return _respond(body, status)

    async def controls(request: Request) -> Response:
        return await control(request)

    return Starlette(
        routes=[
            Route("/2/{path:path}", endpoint, methods=["GET", "POST"]),
            Route("/oauth2/{path:path}", authorise, methods=["GET", "POST"]),
            Route("/_push", controls, methods=["GET", "POST"]),
        ]
    )
