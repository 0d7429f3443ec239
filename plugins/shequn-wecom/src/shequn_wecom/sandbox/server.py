"""The ASGI application: reads a request, checks token and rights, asks a handler, answers with HTTP 200."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.refusals import Refuse, refusal_body
from shequn_wecom.sandbox.state import World
from shequn_wecom.sandbox.tokens import Call, Tokens

__all__ = ["READS", "make_app"]

_log = logging.getLogger(__name__)

READS = frozenset(
    {
        "gettoken",
        "getcallbackip",
        "get_api_domain_ip",
        "agent/get",
        "agent/list",
        "user/get",
        "user/simplelist",
        "user/list",
        "department/list",
        "department/simplelist",
        "department/get",
        "tag/list",
        "tag/get",
        "auth/getuserinfo",
        "user/getuserinfo",
        "appchat/get",
        "media/get",
        "externalcontact/get_follow_user_list",
        "externalcontact/list",
        "externalcontact/get",
        "externalcontact/get_moment_task_result",
        "externalcontact/get_intercept_rule_list",
    }
)
"""Calls that are made with GET."""

_SENDS = frozenset({"message/send", "appchat/send"})
_ESCAPED = re.compile(rb"\\u00[89a-fA-F][0-9a-fA-F]|\\u(?!00)[0-9a-fA-F]{4}")


def make_app(
    world: World,
    tokens: Tokens,
    handlers: dict[str, Handler],
    robots: dict[str, Handler],
    control: Callable[[Request], Any],
) -> Starlette:
    """Make the application.

    Args:
        handlers: by path below `/cgi-bin/`; they need a token.
        robots: by path; they need a key.
        control: answers `/_callback`, which sets the address of callbacks.
    """

    def answer(body: dict[str, Any]) -> Response:
        if "errcode" not in body:
            body = {"errcode": 0, "errmsg": "ok", **body}
        headers = {"Error-Code": str(body["errcode"]), "Error-Msg": "ok" if not body["errcode"] else "error"}
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        return Response(data, media_type="application/json; charset=UTF-8", headers=headers)

    async def read(request: Request, path: str) -> Call:
        raw = b""
        body: Any = {}
        file: tuple[str, bytes] | None = None
        kind = request.headers.get("content-type", "")
        if request.method == "POST" and kind.startswith("multipart/"):
            try:
                form = await request.form(max_part_size=64 << 20)
            except (MultiPartException, ValueError, KeyError):
                raise Refuse(44001) from None
            found = form.get("media")
            if isinstance(found, UploadFile):
                file = (found.filename or "", await found.read())
            elif isinstance(found, str):
                file = ("", found.encode())
            await form.close()
        elif request.method == "POST":
            raw = await request.body()
            if world.options.get("refuse_escapes") and _ESCAPED.search(raw):
                raise Refuse(40033)
            if raw.strip():
                try:
                    body = json.loads(raw)
                except (ValueError, RecursionError):
                    raise Refuse(40058, "request body is no JSON") from None
        if not isinstance(body, dict):
            raise Refuse(40058, "request body is no object")
        address = request.client.host if request.client else "127.0.0.1"
        return Call(
            method=request.method,
            path=path,
            query=dict(request.query_params),
            body={str(name): value for name, value in body.items()},
            raw=raw,
            address=address,
            file=file,
        )

    def serve(call: Call) -> dict[str, Any]:
        if call.path == "gettoken":
            return tokens.gettoken(call)
        if call.path in robots:
            return robots[call.path](call)
        handler = handlers.get(call.path)
        if handler is None:
            raise Refuse(48005, "no such interface in the sandbox")
        call.app = tokens.admit(call, counts=call.path not in _SENDS)
        if call.path.startswith("externalcontact/") and not call.app.customer_contact:
            raise Refuse(48002)
        if call.method == "GET" and call.path not in READS:
            raise Refuse(40063, "use POST")
        return handler(call)

    def serve_any(call: Call) -> dict[str, Any]:
        """Refuse a body whose parts have the wrong types, wherever a handler stumbles over it."""
        try:
            return serve(call)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError):
            _log.debug("%s stumbled", call.path, exc_info=True)
            raise Refuse(40058, "a part of the body has the wrong type") from None

    def media(call: Call) -> Response:
        call.app = tokens.admit(call, counts=True)
        found = world.media_file(call.query.get("media_id", ""), kinds=("image", "voice", "video", "file"))
        name = found.name.encode("ascii", "replace").decode().replace('"', "")
        return Response(
            found.data,
            media_type="application/octet-stream",
            headers={"Content-disposition": f'attachment; filename="{name}"'},
        )

    async def endpoint(request: Request) -> Response:
        path = request.path_params["path"].strip("/")
        address = request.client.host if request.client else "127.0.0.1"
        try:
            call = await read(request, path)
            return media(call) if path == "media/get" else answer(serve_any(call))
        except Refuse as refuse:
            return answer(refusal_body(refuse, at=world.now(), serial=world.serial(), address=address))

    async def callback(request: Request) -> Response:
        return await control(request)

    return Starlette(
        routes=[
            Route("/cgi-bin/{path:path}", endpoint, methods=["GET", "POST"]),
            Route("/_callback", callback, methods=["GET", "POST"]),
        ]
    )
