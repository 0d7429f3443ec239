"""The desk as a small web application: a form for people, and calls for adapters on other machines.

It is made for one machine or a private network: it answers only under the host names it was given (loopback by
default), people enter with a token once, forms carry a token of their own, and pages load nothing from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs

import anyio.to_thread
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shequn_handoff.desk import Desk
from shequn_handoff.page import desk_page, form_page, message_page
from shequn_handoff.results import COLUMNS, read_result
from shequn_handoff.tasks import NewTask
from shequn_sdk.domain import Clock
from shequn_sdk.errors import (
    ConfigError,
    Conflict,
    InvalidInput,
    ShequnError,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.scheduling.clock import SystemClock

__all__ = ["LOOPBACK", "handoff_app"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_TASK = 64 * 1024 * 1024
MAX_FORM = 64 * 1024
_COOKIE = "shequn_handoff"
_SHORTEST = 16
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}

_T = TypeVar("_T")


class _TooLarge(Exception):
    pass


def handoff_app(
    folder: str | Path,
    token: str,
    *,
    clock: Clock | None = None,
    hosts: Iterable[str] = LOOPBACK,
    zone: str = "Asia/Shanghai",
) -> Starlette:
    """Make the application for the tasks in `folder`.

    People open `/?token=…` once; adapters send the token as `Authorization: Bearer …`.

    Args:
        token: at least 16 characters, known to those who may tell results.
        hosts: host names under which it answers.
        zone: of times that people write without one.

    Raises:
        ConfigError: the token is too short.
    """
    if len(token) < _SHORTEST:
        raise ConfigError(
            f"the token of the hand-over desk needs at least {_SHORTEST} characters; make one with "
            '`python -c "import secrets; print(secrets.token_urlsafe(24))"`'
        )
    return _App(Desk(folder, clock=clock or SystemClock()), token, frozenset(hosts), zone).build()


async def _thread(call: Callable[..., _T], *args: Any) -> _T:
    return await anyio.to_thread.run_sync(lambda: call(*args))


class _App:
    def __init__(self, desk: Desk, token: str, hosts: frozenset[str], zone: str) -> None:
        self._desk = desk
        self._token = token.encode()
        self._hosts = hosts
        self._zone = zone

    def build(self) -> Starlette:
        routes = [
            Route("/", self._guard(self._index), methods=["GET"]),
            Route("/tasks/{task}", self._guard(self._form), methods=["GET"]),
            Route("/tasks/{task}", self._guard(self._told), methods=["POST"]),
            Route("/tasks/{task}/files/{name}", self._guard(self._file), methods=["GET"]),
            Route("/api/desk", self._guard(self._state, api=True), methods=["GET"]),
            Route("/api/tasks", self._guard(self._create, api=True), methods=["POST"]),
            Route("/api/tasks/{task}", self._guard(self._get, api=True), methods=["GET"]),
            Route("/api/tasks/{task}/remind", self._guard(self._remind, api=True), methods=["POST"]),
            Route("/api/tasks/{task}/cancel", self._guard(self._cancel, api=True), methods=["POST"]),
        ]
        return Starlette(routes=routes)

    # who may

    def _derived(self, purpose: str) -> str:
        return hmac.new(self._token, purpose.encode(), hashlib.sha256).hexdigest()

    def _same(self, given: str, wanted: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())

    def _guard(self, handler: Callable[[Request], Any], *, api: bool = False) -> Callable[[Request], Any]:
        async def guarded(request: Request) -> Response:
            response = await self._answer(request, handler, api=api)
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return guarded

    async def _answer(self, request: Request, handler: Callable[[Request], Any], *, api: bool) -> Response:
        host = request.headers.get("host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if name.strip("[]") not in self._hosts:
            return self._say(403, "this host name is not served here", api=api)
        if api:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not self._same(given.strip(), self._token.decode()):
                return self._say(401, "wrong token", api=True)
        else:
            entered = request.query_params.get("token")
            if entered is not None and request.method == "GET":
                if not self._same(entered, self._token.decode()):
                    return self._say(401, "口令不对", api=False)
                # the token leaves the address bar at once
                answer: Response = RedirectResponse(request.url.path or "/", 303)
                answer.set_cookie(
                    _COOKIE,
                    self._derived("session"),
                    httponly=True,
                    samesite="strict",
                    path="/",
                    max_age=30 * 86400,
                )
                return answer
            if not self._same(request.cookies.get(_COOKIE, ""), self._derived("session")):
                return self._say(401, "请用带口令的链接打开：/?token=…", api=False)
        try:
            return await handler(request)
        except _TooLarge:
            return self._say(413, "too large", api=api)
        except TargetNotFound:
            return self._say(404, "没有这个任务", api=api)
        except Conflict as error:
            return self._say(409, str(error), api=api)
        except Unavailable as error:
            return self._say(507, str(error), api=api)
        except (ShequnError, ValidationError, ValueError) as error:
            said = str(error) if isinstance(error, ShequnError) else "not understood"
            return self._say(400, said, api=api)
        except ClientDisconnect:
            return self._say(400, "gone", api=api)

    @staticmethod
    def _say(status: int, text: str, *, api: bool) -> Response:
        return JSONResponse({"error": text}, status) if api else HTMLResponse(message_page(text), status)

    async def _body(self, request: Request, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise _TooLarge
            chunks.append(chunk)
        return b"".join(chunks)

    # people

    async def _index(self, request: Request) -> Response:
        return self._html(desk_page(await _thread(self._desk.list)))

    @staticmethod
    def _html(text: str, status: int = 200, *, nonce: str = "") -> Response:
        script = f"script-src 'nonce-{nonce}'; " if nonce else ""
        policy = (
            f"default-src 'none'; {script}style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        return HTMLResponse(text, status, headers={"content-security-policy": policy})

    async def _form(self, request: Request) -> Response:
        return await self._shown(request.path_params["task"])

    async def _shown(self, task: str, *, status: int = 200, error: str = "") -> Response:
        try:
            kept = await _thread(self._desk.get, task)
        except InvalidInput as damaged:  # its result can be told again here
            kept, error = await _thread(self._desk.peek, task), error or str(damaged)
        nonce = secrets.token_urlsafe(12)
        text = form_page(kept, csrf=self._derived(f"form:{task}"), nonce=nonce, error=error)
        return self._html(text, status, nonce=nonce)

    async def _told(self, request: Request) -> Response:
        task = request.path_params["task"]
        body = await self._body(request, MAX_FORM)
        fields = {
            name: values[0]
            for name, values in parse_qs(body.decode("utf-8", "replace"), max_num_fields=40).items()
        }
        origin = request.headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")
        if foreign or not self._same(fields.get("csrf", ""), self._derived(f"form:{task}")):
            return self._say(403, "表单已失效，请重新打开任务页", api=False)
        try:
            told = {name: fields.get(name, "") for name in COLUMNS}
            result = read_result(told, now=self._desk.now(), zone=self._zone)
        except InvalidInput as error:
            return await self._shown(task, status=422, error=str(error))
        await _thread(self._desk.conclude, task, result)
        return RedirectResponse(request.url.path, 303)

    async def _file(self, request: Request) -> Response:
        path = await _thread(self._desk.file, request.path_params["task"], request.path_params["name"])
        kind = "attachment" if path.suffix not in {".jpg", ".jpeg", ".png", ".gif", ".webp"} else "inline"
        headers = {"content-security-policy": "default-src 'none'; sandbox"}
        return FileResponse(path, filename=path.name, content_disposition_type=kind, headers=headers)

    # adapters

    async def _state(self, request: Request) -> Response:
        waiting = await _thread(lambda: self._desk.list(waiting=True))
        return JSONResponse({"waiting": len(waiting)})

    async def _create(self, request: Request) -> Response:
        new = _Posted.model_validate_json(await self._body(request, MAX_TASK))
        files = [
            {"name": file.name, "data": base64.b64decode(file.data, validate=True)} for file in new.files
        ]
        task = NewTask.model_validate({**new.model_dump(exclude={"files"}), "files": files})
        return self._json(await _thread(self._desk.add, task))

    async def _get(self, request: Request) -> Response:
        return self._json(await _thread(self._desk.get, request.path_params["task"]))

    async def _remind(self, request: Request) -> Response:
        return JSONResponse({"reminders": await _thread(self._desk.remind, request.path_params["task"])})

    async def _cancel(self, request: Request) -> Response:
        task = request.path_params["task"]
        await _thread(self._desk.cancel, task)
        return self._json(await _thread(self._desk.get, task))

    @staticmethod
    def _json(model: BaseModel) -> Response:
        return Response(model.model_dump_json(), media_type="application/json")


class _PostedFile(BaseModel):
    name: str
    data: str


class _Posted(BaseModel):
    """A task as it comes over HTTP, files in base 64."""

    id: str
    account: str
    channel: str
    place: str
    place_title: str = ""
    text: str
    files: tuple[_PostedFile, ...] = ()
    checklist: tuple[str, ...] = ()
    deadline: str | None = None
