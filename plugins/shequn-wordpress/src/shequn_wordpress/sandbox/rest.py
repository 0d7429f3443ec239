"""What every call of the sandbox's site does: who asks, parameters, pages, refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from shequn_wordpress.sandbox.sandbox import WordPressSandbox

__all__ = ["STATES", "Params", "Refused", "Rest", "rendered"]

STATES = frozenset({"publish", "future", "draft", "pending", "private"})
BASE = "/wp-json/wp/v2"
_HIGHEST = 2**53


class Refused(Exception):
    """Raised by a handler: the answer is this error."""

    def __init__(self, code: str, message: str, status: int, **data: Any) -> None:
        super().__init__(code)
        self.answer = JSONResponse(
            {"code": code, "message": message, "data": {"status": status, **data}}, status_code=status
        )


def invalid(name: str, why: str, *, code: str = "") -> Refused:
    """Make the error of a parameter that is not taken."""
    details: dict[str, Any] = {name: {"code": code, "message": why, "data": None}} if code else {}
    return Refused(
        "rest_invalid_param", f"Invalid parameter(s): {name}", 400, params={name: why}, details=details
    )


def rendered(text: str) -> str:
    """Write a comment as WordPress shows it: paragraphs, and no markup that the writer may not use."""
    return f"<p>{escape(text, quote=False)}</p>\n" if text else ""


class Params:
    """Parameters of a request, wherever they stand: in the query, a form, or JSON, which wins."""

    def __init__(self, given: dict[str, Any], file: tuple[str, str, bytes] | None = None) -> None:
        self.given = given
        self.file = file
        """Name, type and bytes of an uploaded file."""

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str, default: str = "") -> str:
        """Give a text, or the raw form of one."""
        value = self.given.get(name, default)
        if isinstance(value, dict):
            value = value.get("raw", "")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise invalid(name, f"{name} is not of type string.", code="rest_invalid_type")
        return str(value)

    def whole(self, name: str, default: int = 0, *, least: int = 0, most: int = _HIGHEST) -> int:
        """Give an integer between two bounds."""
        value = self.given.get(name, default)
        if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(name, f"{name} is not of type integer.", code="rest_invalid_type")
        if not least <= value <= most:
            bounds = f"{name} must be between {least} (inclusive) and {most} (inclusive)"
            raise invalid(name, bounds, code="rest_out_of_bounds")
        return value

    def wholes(self, name: str) -> list[int]:
        """Give a list of integers, also when it is written with commas."""
        value = self.given.get(name, [])
        items: list[Any] = (
            value if isinstance(value, list) else [part for part in str(value).split(",") if part]
        )
        return [Params({f"{name}[{at}]": item}).whole(f"{name}[{at}]") for at, item in enumerate(items)]

    def texts(self, name: str) -> list[str]:
        """Give a list of texts, also when it is written with commas."""
        value = self.given.get(name, [])
        items: list[Any] = value if isinstance(value, list) else str(value).split(",")
        return [str(item).strip() for item in items if str(item).strip()]

    def yes(self, name: str) -> bool:
        """Give a truth value."""
        return str(self.given.get(name, "")).lower() in {"true", "1"}

    def one_of(self, name: str, default: str, *known: str) -> str:
        """Give one of the words that are known."""
        value = self.text(name, default)
        if value not in known:
            raise invalid(name, f"{name} is not one of {', '.join(known)}.", code="rest_not_in_enum")
        return value

    def moment(self, name: str) -> datetime | None:
        """Give an instant; the site's zone is UTC."""
        if name not in self.given:
            return None
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise invalid(name, "Invalid date.", code="rest_invalid_date") from None
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


class Rest:
    """Calls on one site."""

    def __init__(self, sandbox: WordPressSandbox) -> None:
        self.sandbox = sandbox

    # who asks

    def user(self, request: Request) -> bool:
        """Whether somebody is logged in."""
        header = request.headers.get("authorization", "")
        if header and not self.sandbox.allowed(header):
            known = self.sandbox.named(header)
            raise Refused(
                "incorrect_password" if known else "invalid_username",
                "The provided password is an invalid application password."
                if known
                else "Unknown username. Check again or try your email address.",
                401,
            )
        return bool(header)

    def need(self, request: Request, right: str, code: str, message: str) -> None:
        """Refuse who lacks a right: 401 to strangers, 403 to users."""
        known = self.user(request)
        if not known or (right and not self.sandbox.me.may(right)):
            raise Refused(code, message, 403 if known else 401)

    def edit(self, request: Request) -> bool:
        """Whether raw forms are asked for, which needs the right to edit."""
        if request.query_params.get("context") != "edit":
            self.user(request)
            return False
        self.need(
            request,
            "edit_posts",
            "rest_forbidden_context",
            "Sorry, you are not allowed to edit posts in this post type.",
        )
        return True

    # parameters

    async def params(self, request: Request) -> Params:
        """Read the query and the body."""
        given: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            _put(given, name, value)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method in {"GET", "HEAD"} or kind.startswith(("image/", "video/", "audio/")):
            return Params(given)
        if kind in {"multipart/form-data", "application/x-www-form-urlencoded"}:
            return await self._form(request, given)
        if kind != "application/json":
            return Params(given)
        data = await request.body()
        try:
            found: Any = json.loads(data) if data else {}
        except (ValueError, RecursionError):
            raise Refused(
                "rest_invalid_json",
                "Invalid JSON body passed.",
                400,
                json_error_code=4,
                json_error_message="Syntax error",
            ) from None
        return Params({**given, **found} if isinstance(found, dict) else given)

    async def _form(self, request: Request, given: dict[str, Any]) -> Params:
        file = ("", "", b"")
        try:
            form: FormData = await request.form(max_part_size=64 << 20)
        except (MultiPartException, ValueError, KeyError):
            raise Refused("rest_upload_no_data", "No data supplied.", 400) from None
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if name == "file":
                    file = (value.filename or "", value.content_type or "", await value.read())
            else:
                _put(given, name, value)
        await form.close()
        return Params(given, file)

    # lists

    def page(
        self,
        request: Request,
        params: Params,
        rows: Sequence[Any],
        show: Callable[[Any], dict[str, Any]],
        *,
        past_end: str = "",
    ) -> Response:
        """Give one page; `past_end` is the code with which a page beyond the last is refused, "" gives an empty one."""
        size = params.whole("per_page", 10, least=1, most=100)
        page = params.whole("page", 1, least=1)
        start = params.whole("offset", (page - 1) * size)
        pages = math.ceil(len(rows) / size)
        if past_end and page > max(pages, 1):
            raise Refused(
                past_end,
                "The page number requested is larger than the number of pages available.",
                400,
            )
        shown = [show(row) for row in rows[start : start + size]]
        headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(pages)}
        links = [
            f'<{request.url.include_query_params(page=number)}>; rel="{name}"'
            for name, number, there in (("prev", page - 1, page > 1), ("next", page + 1, page < pages))
            if there
        ]
        if links:
            headers["Link"] = ", ".join(links)
        return JSONResponse([_chosen(params, row) for row in shown], headers=headers)

    def answer(self, params: Params, row: dict[str, Any], *, made: str = "") -> Response:
        """Give one object; `made` is the kind of what was created just now."""
        headers = {"Location": f"{self.sandbox.context.base_url}{BASE}/{made}/{row['id']}"} if made else None
        return JSONResponse(_chosen(params, row), status_code=201 if made else 200, headers=headers)

    def links(self, kind: str, number: int) -> dict[str, Any]:
        """Give the links that go with an object."""
        base = f"{self.sandbox.context.base_url}{BASE}/{kind}"
        return {"self": [{"href": f"{base}/{number}"}], "collection": [{"href": base}]}


def _put(given: dict[str, Any], name: str, value: str) -> None:
    if name.endswith("[]"):
        given.setdefault(name[:-2], []).append(value)
    else:
        given[name] = value


def _chosen(params: Params, row: dict[str, Any]) -> dict[str, Any]:
    names = {name.partition(".")[0] for name in params.texts("_fields")}
    return {name: value for name, value in row.items() if name in names} if names else row
