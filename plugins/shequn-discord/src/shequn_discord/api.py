"""Calls to Discord's REST API: buckets, headers, and typed errors around the shared HTTP client."""

from __future__ import annotations

import base64
import binascii
import json as jsonlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar, get_origin
from urllib.parse import quote

import msgspec

from shequn_discord.buckets import Buckets
from shequn_discord.errors import error_for
from shequn_sdk.errors import AuthFailed, RateLimited, Unavailable
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient, HttpResponse
from shequn_sdk.platforms.lenient import repaired

__all__ = ["BASE_URL", "USER_AGENT", "Api", "bot_id_of", "fill", "read"]

BASE_URL = "https://discord.com/api/v10"
USER_AGENT = "DiscordBot (https://shequn-sdk.invalid, 0.1.0)"
_DEAD_FOR = 60.0
"""Seconds for which a refused token is not tried again: each refusal counts towards a ban of the address."""

_T = TypeVar("_T")


def bot_id_of(token: str) -> str:
    """Give the bot's user id, which is the first part of its token; "" when the token has another form."""
    head = token.partition(".")[0]
    try:
        text = base64.b64decode(head + "=" * (-len(head) % 4), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    return text if text.isdigit() else ""


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill the path template; every value is quoted, so that none can change the path."""
    path = template
    for name, value in values.items():
        path = path.replace("{" + name + "}", quote(value, safe="@"))
    return path


def _major(values: Mapping[str, str]) -> str:
    for name in ("channel", "guild", "webhook"):
        if name in values:
            return f"{name}:{values[name]}:{values.get('token', '')}"
    return ""


class Api:
    """Requests of one account.

    Args:
        base_url: of the API with its version, for example `https://discord.com/api/v10`.
        context: clock, transport and time-out.
        token: the bot's token; "" sends no Authorization (webhooks).
        secrets: further texts that must never be shown.
        max_wait: how long a request waits for its bucket before `RateLimited` is raised instead.
    """

    def __init__(
        self,
        *,
        base_url: str,
        context: AdapterContext,
        token: str = "",
        secrets: Sequence[str] = (),
        max_wait: timedelta = timedelta(seconds=10),
    ) -> None:
        self._token = token
        self.clock = context.clock
        self.base_url = base_url
        self.http = HttpClient(
            platform="discord",
            base_url=base_url,
            context=context,
            headers={"User-Agent": USER_AGENT},
            secrets=(token, *secrets),
        )
        self.buckets = Buckets(context.clock, max_wait=max_wait)
        self._dead_until = -1.0

    def __repr__(self) -> str:
        return f"Api({self.base_url!r})"

    async def call(
        self,
        method: str,
        template: str,
        *,
        operation: str,
        values: Mapping[str, str] | None = None,
        params: Mapping[str, str | int | float | bool] | None = None,
        json: Any = None,
        files: Sequence[FilePart] = (),
        reason: str = "",
        idempotent: bool | None = None,
        authorized: bool = True,
        exempt: bool = False,
    ) -> HttpResponse:
        """Make one call and give its answer when it is a success.

        Args:
            template: path with `{name}` for each of `values`; the names channel, guild, webhook make its bucket.
            files: sent as `files[n]` beside `payload_json`.
            reason: for the audit log, cut to 512 characters.
            idempotent: whether repeating is safe; None says so for all methods but POST and PATCH.
            authorized: whether the bot's token is sent.
            exempt: interaction calls are outside the global limit.

        Raises:
            PlatformError: what the answer means.
        """
        if authorized and self._token and self.clock.monotonic() < self._dead_until:
            raise AuthFailed(
                f"discord refused this token less than a minute ago, {operation} was not sent: "
                "copy the token again from the developer portal (Bot page)",
                platform="discord",
                operation=operation,
                code=401,
            )
        values = values or {}
        route, major = f"{method} {template}", _major(values)
        headers: dict[str, str] = {}
        if authorized and self._token:
            headers["Authorization"] = f"Bot {self._token}"
        if reason:
            headers["X-Audit-Log-Reason"] = quote(reason[:512], safe="", errors="replace")
        body: dict[str, Any] = {"json": json}
        if files:
            text = jsonlib.dumps(json or {}, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            body = {
                "form": {"payload_json": text},
                "files": [(f"files[{number}]", part) for number, part in enumerate(files)],
            }
        safe = method not in {"POST", "PATCH"} if idempotent is None else idempotent

        def observe(response: HttpResponse, bucket: Any) -> None:
            error = error_for(response, self.http.redact)
            wait: float | None = None
            if isinstance(error, RateLimited) and error.retry_after is not None:
                wait = error.retry_after.total_seconds()
            self.buckets.observe(route, major, bucket, response.status, response.headers, wait)
            if isinstance(error, AuthFailed) and authorized and response.status == 401:
                self._dead_until = self.clock.monotonic() + _DEAD_FOR
            if error is not None:
                raise error

        attempts = 3 if safe else 1
        path = fill(template, values)
        for attempt in range(attempts):
            async with self.buckets.slot(route, major, operation=operation, exempt=exempt) as bucket:
                try:
                    return await self.http.request(
                        method,
                        path,
                        operation=operation,
                        params=params,
                        headers=headers,
                        check=lambda response, bucket=bucket: observe(response, bucket),
                        **body,
                    )
                except Unavailable:
                    if attempt + 1 >= attempts:
                        raise
                except RateLimited as error:
                    if error.code == "110000" or attempt + 1 >= attempts or error.retry_after is None:
                        raise
            if attempt + 1 < attempts:
                await self.clock.sleep(0.25 * 2**attempt)
        raise AssertionError("the loop returns or raises")

    async def get(
        self,
        kind: type[_T],
        template: str,
        *,
        operation: str,
        values: Mapping[str, str] | None = None,
        params: Mapping[str, str | int | float | bool] | None = None,
        authorized: bool = True,
    ) -> _T:
        """GET and decode into `kind`."""
        answer = await self.call(
            "GET", template, operation=operation, values=values, params=params, authorized=authorized
        )
        return read(kind, answer)


def read(kind: type[_T], answer: HttpResponse) -> _T:
    """Decode an answer.

    Raises:
        Unavailable: the answer makes no sense; what was asked has perhaps happened.
    """
    try:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if (
                get_origin(kind) is list and answer.body.strip() == b"null"
            ):  # Discord's schema allows it for lists
                return kind()
            return msgspec.json.decode(repaired(answer.body), type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Unavailable(
            f"discord answered {answer.operation} with HTTP {answer.status} and {len(answer.body)} bytes that cannot "
            "be read; if this repeats, look whether base_url is Discord's",
            platform="discord",
            operation=answer.operation,
            code=answer.status,
        ) from error
