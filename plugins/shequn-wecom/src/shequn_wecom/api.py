"""WeCom's HTTP conventions: errors inside a 200, the token in the query, one replay after a stale token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from shequn_sdk.errors import AuthFailed, InvalidContent, Landing, PlatformError, RateLimited, Unavailable
from shequn_sdk.platforms import lenient
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient, HttpResponse
from shequn_wecom import wire
from shequn_wecom.errors import NOT_YET, PLATFORM, STALE_TOKEN, WINDOW, error_of
from shequn_wecom.token import AccessToken

__all__ = ["BASE_URL", "Api", "RobotApi", "base_of"]

BASE_URL = "https://qyapi.weixin.qq.com/cgi-bin"

_UNKNOWN_TYPE = 40008

T = TypeVar("T", bound=wire.Answer)

MAX_WAIT = timedelta(seconds=30)
"""Reads wait this long for a limit by themselves; WeCom's usual 60 seconds are the caller's to plan."""


def base_of(base_url: str | None) -> str:
    """Give the base with `/cgi-bin`, whether or not the setting has it."""
    base = (base_url or BASE_URL).rstrip("/")
    return base if urlsplit(base).path.endswith("/cgi-bin") else base + "/cgi-bin"


def _refusal(response: HttpResponse, http: HttpClient) -> tuple[int, str]:
    """Give errcode and errmsg; (0, "") when all is well.

    Raises:
        Unavailable: the answer is not WeCom's.
    """
    if response.status == 429:
        raise _too_many(response)
    if response.status >= 500 or response.status == 408:
        raise Unavailable(
            f"wecom answered {response.operation} with HTTP {response.status}; try again later",
            platform=PLATFORM,
            operation=response.operation,
            code=response.status,
        )
    try:
        head = lenient.decode(response.body, wire.Head)
        code = int(head.errcode or 0)
    except (ValueError, TypeError, RecursionError) as error:
        if response.status == 413:
            raise InvalidContent(
                f"the gateway before wecom finds {response.operation} too large; use smaller files",
                platform=PLATFORM,
                operation=response.operation,
                code=413,
            ) from None
        raise Unavailable(
            f"wecom answered {response.operation} with HTTP {response.status} and {len(response.body)} bytes that are "
            "no answer of its API; if this repeats, look whether base_url is right",
            platform=PLATFORM,
            operation=response.operation,
            code=response.status,
            landed=Landing.PERHAPS if response.status < 300 else Landing.SURELY_NOT,
        ) from error
    if code == 0 and response.status >= 400:
        raise Unavailable(
            f"wecom answered {response.operation} with HTTP {response.status}; look whether base_url is right",
            platform=PLATFORM,
            operation=response.operation,
            code=response.status,
            landed=Landing.SURELY_NOT,
        )
    return code, http.redact(str(head.errmsg or ""))


def _too_many(response: HttpResponse) -> RateLimited:
    """Give the error of a gateway before WeCom, which itself answers 45009 with HTTP 200."""
    told = response.headers.get("retry-after", "")
    return RateLimited(
        f"the gateway before wecom refused {response.operation} with HTTP 429; wait",
        retry_after=timedelta(seconds=int(told)) if told.isdecimal() and len(told) < 6 else WINDOW,
        scope="app",
        platform=PLATFORM,
        operation=response.operation,
        code=429,
    )


def _read(response: HttpResponse, answer: type[T]) -> T:
    try:
        return lenient.decode(response.body, answer)
    except (ValueError, RecursionError) as error:
        raise Unavailable(
            f"wecom answered {response.operation} with fields of an unexpected form ({error})",
            platform=PLATFORM,
            operation=response.operation,
        ) from error


class Api:
    """Calls with an access token, for one application.

    Reads (`idempotent=True`) are repeated when the platform is busy; anything that posts is sent once, and once more
    only when the answer was that the token is stale, which is a clear no.
    """

    def __init__(
        self,
        *,
        corp_id: str,
        corp_secret: str,
        base_url: str | None,
        context: AdapterContext,
        max_connections: int = 4,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._corp_id = corp_id
        self._corp_secret = corp_secret
        self.http = HttpClient(
            platform=PLATFORM,
            base_url=base_of(base_url),
            context=context,
            secrets=(corp_secret, *secrets),
            max_connections=max_connections,
            max_wait=MAX_WAIT,
        )
        self.clock = context.clock
        self.token = AccessToken(self._fetch_token, clock=context.clock)

    def __repr__(self) -> str:
        return f"Api({self._corp_id!r})"

    async def _fetch_token(self) -> tuple[str, timedelta]:
        def check(response: HttpResponse) -> None:
            code, errmsg = _refusal(response, self.http)
            if code:
                raise error_of(code, errmsg, operation="gettoken")

        try:
            response = await self.http.request(
                "GET",
                "/gettoken",
                operation="gettoken",
                params={"corpid": self._corp_id, "corpsecret": self._corp_secret},
                idempotent=True,
                attempts=3,
                check=check,
            )
            answer = _read(response, wire.Token)
        except Unavailable as error:
            # nothing of the caller's content was under way yet
            error.landed = Landing.SURELY_NOT
            raise
        if not answer.access_token:
            raise AuthFailed(
                "wecom gave no access token; compare corp_id and corp_secret with the console",
                platform=PLATFORM,
                operation="gettoken",
            )
        self.http.redact.add(answer.access_token)
        return answer.access_token, timedelta(seconds=max(0, answer.expires_in))

    async def get(
        self,
        operation: str,
        answer: type[T],
        params: Mapping[str, str | int] | None = None,
    ) -> T:
        """Make a reading GET; `operation` is the path below `/cgi-bin/`."""
        response = await self._call("GET", operation, params=params, idempotent=True)
        return _read(response, answer)

    async def post(
        self,
        operation: str,
        answer: type[T],
        body: Any,
        *,
        idempotent: bool = False,
    ) -> T:
        """Make a POST; `idempotent` when a repetition does no harm."""
        response = await self._call("POST", operation, json=body, idempotent=idempotent)
        return _read(response, answer)

    async def upload(self, operation: str, part: FilePart, params: Mapping[str, str | int]) -> wire.Uploaded:
        """Upload a file as the multipart field `media`."""
        response = await self._call("POST", operation, params=params, files={"media": part}, idempotent=True)
        return _read(response, wire.Uploaded)

    async def download(self, media_id: str) -> bytes:
        """Fetch a media file.

        Raises:
            InvalidContent: the media is unknown or older than three days.
        """
        response = await self._call("GET", "media/get", params={"media_id": media_id}, idempotent=True)
        return response.body

    async def pages(
        self, operation: str, answer: type[T], body: Mapping[str, Any], *, limit: int
    ) -> AsyncIterator[T]:
        """Give every page of a listing that goes by `cursor` and `next_cursor`."""
        cursor = ""
        seen: set[str] = set()
        while True:
            page = await self.post(
                operation, answer, {**body, "cursor": cursor, "limit": limit}, idempotent=True
            )
            yield page
            cursor = page.next_cursor
            # a cursor that comes back would make the listing endless
            if not cursor or cursor in seen:
                return
            seen.add(cursor)

    async def _call(
        self,
        method: str,
        operation: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        files: Mapping[str, FilePart] | None = None,
        idempotent: bool = False,
    ) -> HttpResponse:
        token = await self.token.get()
        stale = 0
        later: PlatformError | None = None

        def check(response: HttpResponse) -> None:
            nonlocal stale, later
            stale, later = 0, None
            kind = response.headers.get("content-type", "")
            if operation == "media/get" and "json" not in kind and not response.headers.get("error-code"):
                return
            code, errmsg = _refusal(response, self.http)
            if code in STALE_TOKEN:
                stale = code
            if code in NOT_YET:
                later = error_of(code, errmsg, operation=operation)
            elif code:
                raise error_of(code, errmsg, operation=operation)

        async def once(token: str) -> HttpResponse:
            response = await self.http.request(
                method,
                f"/{operation}",
                operation=operation,
                params={"access_token": token, **(params or {})},
                json=json,
                files=files,
                idempotent=idempotent,
                check=check,
            )
            if later is not None:  # not raised within: asking again at once is of no use
                raise later
            return response

        try:
            return await once(token)
        except AuthFailed:
            if not stale:
                raise
        self.token.drop(token)
        return await once(await self.token.get())


class RobotApi:
    """Calls of one group robot: the key in the query is all it needs."""

    def __init__(self, *, key: str, base_url: str | None, context: AdapterContext) -> None:
        self._key = key
        self.http = HttpClient(
            platform=PLATFORM,
            base_url=base_of(base_url),
            context=context,
            secrets=(key,),
            max_connections=2,
            max_wait=MAX_WAIT,
        )

    def __repr__(self) -> str:
        return "RobotApi(***)"

    def _check(self, operation: str, response: HttpResponse) -> None:
        code, errmsg = _refusal(response, self.http)
        if code:
            raise error_of(code, errmsg, operation=operation)

    async def send(self, body: Any) -> None:
        """Post a message into the robot's group, once."""
        await self.http.request(
            "POST",
            "/webhook/send",
            operation="webhook/send",
            params={"key": self._key},
            json=body,
            check=lambda response: self._check("webhook/send", response),
        )

    async def probe(self) -> None:
        """Ask whether the key is good, by a message of a type that does not exist: a good key refuses just that."""
        operation = "webhook/send"

        def check(response: HttpResponse) -> None:
            code, errmsg = _refusal(response, self.http)
            if code not in {0, _UNKNOWN_TYPE}:
                raise error_of(code, errmsg, operation=operation)

        await self.http.request(
            "POST",
            f"/{operation}",
            operation=operation,
            params={"key": self._key},
            json={"msgtype": "probe"},
            idempotent=True,
            check=check,
        )

    async def upload(self, part: FilePart, *, kind: str) -> wire.Uploaded:
        """Upload a file (`kind` file or voice) that only this robot can send, for three days."""
        response = await self.http.request(
            "POST",
            "/webhook/upload_media",
            operation="webhook/upload_media",
            params={"key": self._key, "type": kind},
            files={"media": part},
            idempotent=True,
            check=lambda response: self._check("webhook/upload_media", response),
        )
        return _read(response, wire.Uploaded)
