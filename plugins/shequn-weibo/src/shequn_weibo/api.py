"""Weibo's HTTP conventions: token in the header, errors by code in any status, a budget of calls per day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from shequn_sdk.errors import (
    AuthFailed,
    InvalidContent,
    Landing,
    NotSupported,
    PlatformError,
    RateLimited,
    Unavailable,
)
from shequn_sdk.platforms import lenient
from shequn_sdk.platforms.deepjson import elements, members
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient, HttpResponse
from shequn_weibo import wire
from shequn_weibo.budget import DayPlan
from shequn_weibo.errors import PLATFORM, USED_UP, error_of
from shequn_weibo.manifest import LEVELS, Options

__all__ = ["BASE_URL", "Api", "base_of", "form_of", "oauth_base_of", "read", "refusal_of"]

BASE_URL = "https://api.weibo.com/2"
REMIND_URL = "https://rm.api.weibo.com/2"
MESSAGE_URL = "https://m.api.weibo.com/2"

_LEVEL_OF: Mapping[str, str] = {
    "friendships/create": "commercial",
    "friendships/destroy": "commercial",
    "statuses/show_batch": "commercial",
    "search/topics": "commercial",
}
"""Interfaces that need more than the normal level."""
_FREE = frozenset({"remind/unread_count", "account/rate_limit_status", "messages/reply"})
"""Calls that do not count against the daily budget."""
_ASK_AGAIN = timedelta(minutes=10)

T = TypeVar("T")


def base_of(base_url: str | None) -> str:
    """Give the base with `/2`, whether or not the setting has it."""
    base = (base_url or BASE_URL).rstrip("/")
    return base if base.endswith("/2") else base + "/2"


def oauth_base_of(base_url: str | None) -> str:
    """Give where the OAuth calls are, beside `/2`."""
    return base_of(base_url).removesuffix("/2") + "/oauth2"


def refusal_of(response: HttpResponse, http: HttpClient) -> PlatformError | None:
    """Give the error that an answer holds, None when it is a success.

    Raises:
        Unavailable: the answer is none of Weibo's API.
    """
    operation, body = response.operation, response.body
    head = wire.Head()
    stripped = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    try:
        if stripped == b"{":
            head = _head(body)
        else:
            msgspec.json.decode(lenient.mended(body), type=msgspec.Raw)
    except (ValueError, RecursionError) as error:
        if response.status == 429:
            raise _too_many(response) from None
        if response.status == 413:
            raise InvalidContent(
                f"the gateway before weibo finds {operation} too large; use a smaller picture",
                platform=PLATFORM,
                operation=operation,
                code=413,
            ) from None
        refused = 300 <= response.status < 500 and response.status != 408
        raise Unavailable(
            f"weibo answered {operation} with HTTP {response.status} and {len(body)} bytes that are no answer of its "
            "API; if this repeats, look whether base_url is right",
            platform=PLATFORM,
            operation=operation,
            code=response.status,
            landed=Landing.SURELY_NOT if refused else Landing.PERHAPS,
        ) from error
    code = wire.ident(head.error_code)
    if code and code != "0":
        said = http.redact(str(head.error_description or head.error or "").strip())
        return error_of(code, said, operation=operation)
    if response.status == 429:
        raise _too_many(response)
    if response.status >= 400:
        raise Unavailable(
            f"weibo answered {operation} with HTTP {response.status} and no error_code; try again later",
            platform=PLATFORM,
            operation=operation,
            code=response.status,
            landed=Landing.PERHAPS if response.status >= 500 else Landing.SURELY_NOT,
        )
    return None


def _head(body: bytes) -> wire.Head:
    try:
        return lenient.decode(body, wire.Head)
    except RecursionError:  # a row far below is nested too deeply, which is no matter here
        parts = members(body)
        told = (
            b'"%b":%b' % (name.encode(), parts[name]) for name in wire.Head.__struct_fields__ if name in parts
        )
        return lenient.decode(b"{%b}" % b",".join(told), wire.Head)


def _too_many(response: HttpResponse) -> RateLimited:
    """Give the error of a gateway before Weibo, which itself answers with a code."""
    told = response.headers.get("retry-after", "")
    return RateLimited(
        f"the gateway before weibo refused {response.operation} with HTTP 429; wait",
        retry_after=timedelta(seconds=int(told))
        if told.isdecimal() and len(told) < 6
        else timedelta(minutes=1),
        scope="app",
        platform=PLATFORM,
        operation=response.operation,
        code=429,
    )


def read(response: HttpResponse, answer: type[T]) -> T:
    """Read an answer into its structure.

    Raises:
        Unavailable: it has another form.
    """
    try:
        if answer is not wire.Raws:
            return lenient.decode(response.body, answer)
        try:
            return msgspec.json.decode(response.body, type=answer)
        except (ValueError, RecursionError):
            return answer(**_rows(response.body))
    except (ValueError, RecursionError) as error:
        raise Unavailable(
            f"weibo answered {response.operation} with fields of an unexpected form ({error})",
            platform=PLATFORM,
            operation=response.operation,
        ) from error


def _rows(body: bytes) -> dict[str, list[msgspec.Raw]]:
    """Take a page apart of which one row cannot be read, so that it does not hold up the others; null is no rows."""
    parts = {name: rows for name, rows in members(lenient.mended(body)).items() if rows != b"null"}
    return {
        name: [msgspec.Raw(row) for row in elements(parts.get(name, b"[]"))]
        for name in wire.Raws.__struct_fields__
    }


class Api:
    """Calls in the name of one user, counted against the day's budget before they are sent."""

    def __init__(
        self,
        *,
        access_token: str,
        base_url: str | None,
        options: Options,
        context: AdapterContext,
        plan: DayPlan,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._token = access_token
        self._level = options.level
        self._expires_at = options.token_expires_at
        self.clock = context.clock
        self.plan = plan
        base = base_of(base_url)
        self._remind = base if base_url else REMIND_URL
        self._messages = base if base_url else MESSAGE_URL
        self._oauth = oauth_base_of(base_url)
        self.http = HttpClient(
            platform=PLATFORM,
            base_url=base,
            context=context,
            secrets=(access_token, *secrets),
            max_connections=2,
            max_wait=timedelta(seconds=30),
        )
        self._asked_at: datetime | None = None

    def __repr__(self) -> str:
        return "Api(***)"

    async def get(self, operation: str, answer: type[T], params: Mapping[str, str | int] | None = None) -> T:
        """Read; `operation` is the path below `/2/`, without `.json`."""
        response = await self._call("GET", operation, params=params)
        return read(response, answer)

    async def post(
        self,
        operation: str,
        answer: type[T],
        form: Mapping[str, str],
        *,
        picture: FilePart | None = None,
        token: str = "",
    ) -> T:
        """Write, once."""
        files = {"pic": picture} if picture is not None else None
        response = await self._call("POST", operation, form=form, files=files, token=token)
        return read(response, answer)

    async def token_info(self) -> wire.TokenInfo:
        """Ask what the token is good for; does not count."""
        self._check_token("oauth2/get_token_info")
        response = await self.http.request(
            "POST",
            f"{self._oauth}/get_token_info",
            operation="oauth2/get_token_info",
            form={"access_token": self._token},
            idempotent=True,
            attempts=2,
            check=self._check,
        )
        return read(response, wire.TokenInfo)

    async def unread(self, uid: str) -> wire.Unread:
        """Ask what moved; does not count, and is the cheapest signal there is."""
        return await self.get("remind/unread_count", wire.Unread, {"uid": uid})

    async def _call(
        self,
        method: str,
        operation: str,
        *,
        params: Mapping[str, str | int] | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, FilePart] | None = None,
        token: str = "",
    ) -> HttpResponse:
        write = method == "POST"
        self._permitted(operation)
        if not token:
            self._check_token(operation)
        counts = operation not in _FREE
        if counts:
            self.plan.check(operation, write=write)
        host = ""
        if operation.startswith("remind/"):
            host = self._remind
        elif operation.startswith("messages/"):
            host = self._messages
        secret = token or self._token

        answered = False

        def check(response: HttpResponse) -> None:
            nonlocal answered
            answered = True
            if counts:
                self.plan.note()
            self._check(response)

        try:
            return await self.http.request(
                method,
                f"{host}/{operation}.json",
                operation=operation,
                params=params,
                form=form,
                files=files,
                headers={"Authorization": f"OAuth2 {secret}"},
                idempotent=not write,
                attempts=2,
                check=check,
            )
        except RateLimited as error:
            if error.code in USED_UP:
                await self._learn_reset(error)
            raise
        except Unavailable as error:
            if counts and not answered and error.landed is Landing.PERHAPS:
                self.plan.note()  # it may have been counted there
            raise

    def _check(self, response: HttpResponse) -> None:
        error = refusal_of(response, self.http)
        if error is not None:
            raise error

    def _permitted(self, operation: str) -> None:
        needs = _LEVEL_OF.get(operation, "test")
        if LEVELS.index(self._level) < LEVELS.index(needs):
            raise NotSupported(
                f"weibo's {operation} needs an application of level {needs}, this one is {self._level}; "
                "apply for it in the open platform console, then set `level`",
                platform=PLATFORM,
                capability=operation,
            )

    def _check_token(self, operation: str) -> None:
        if self._expires_at is not None and self._expires_at <= self.clock.now():
            raise AuthFailed(
                f"weibo: the token ended at {self._expires_at.isoformat()}; send the user through the authorize page "
                "again (`OAuth.authorize_url`) and store the new token and its end",
                platform=PLATFORM,
                operation=operation,
                code="21327",
            )

    async def _learn_reset(self, error: RateLimited) -> None:
        """Put into the error how long the platform says that it lasts; asked at most every ten minutes."""
        if error.code == "10023":
            self.plan.exhaust()
        now = self.clock.now()
        if self._asked_at is not None and now - self._asked_at < _ASK_AGAIN:
            return
        self._asked_at = now
        try:
            response = await self.http.request(
                "GET",
                "/account/rate_limit_status.json",
                operation="account/rate_limit_status",
                headers={"Authorization": f"OAuth2 {self._token}"},
                check=self._check,
            )
            seconds = wire.number(read(response, wire.RateStatus).reset_time_in_seconds)
        except PlatformError:
            return
        if seconds is not None and seconds > 0:
            error.retry_after = timedelta(seconds=seconds)


def form_of(**fields: Any) -> dict[str, str]:
    """Make a form of the fields that are not empty."""
    return {name: str(value) for name, value in fields.items() if value not in {"", None}}
