"""HTTP for adapters: the one module that imports httpx, and the place where secrets are kept out of messages."""

from __future__ import annotations

import contextlib
import json as jsonlib
import logging
import random
import ssl
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, lru_cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, quote_plus

import httpx
import tenacity

from shequn_sdk.errors import ConfigError, Landing, PlatformError, RateLimited, Unavailable
from shequn_sdk.platforms import seams
from shequn_sdk.platforms.dates import note_date
from shequn_sdk.platforms.gate import pass_gate
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.tracing import span

__all__ = ["FilePart", "HttpClient", "HttpResponse", "Redactor", "plain_transport", "verified_tls"]

_log = logging.getLogger(__name__)

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_MIN_SECRET = 4


@cache
def verified_tls() -> ssl.SSLContext:
    """Give how certificates are verified, once per process: reading the authorities takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class Redactor:
    """Replaces known secrets in text by `***`, in the forms in which they may appear in URLs and messages."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        """Know `secrets`; those shorter than 4 characters are ignored."""
        self._needles: list[str] = []
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Know one more secret, for example an access token that was just fetched."""
        if len(secret) < _MIN_SECRET:
            return
        for form in (secret, quote(secret, safe=""), quote_plus(secret), quote(secret)):
            if form not in self._needles:
                self._needles.append(form)
        self._needles.sort(key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Give `text` without secrets."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, "***")
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._needles)} forms)"


class _RequestLogFilter(logging.Filter):
    """Takes known secrets out of the log lines of httpx, which show whole URLs, and of httpcore, which show headers."""

    NAMES = (
        "httpx",
        "httpcore.connection",
        "httpcore.http11",
        "httpcore.http2",
        "httpcore.proxy",
        "httpcore.socks",
    )

    def __init__(self) -> None:
        super().__init__()
        self._redactors: weakref.WeakSet[Redactor] = weakref.WeakSet()

    def watch(self, redactor: Redactor) -> None:
        self._redactors.add(redactor)
        for name in self.NAMES:
            logger = logging.getLogger(name)
            if self not in logger.filters:
                logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        text = shown = record.getMessage()
        for redactor in self._redactors:
            shown = redactor(shown)
        if shown != text:
            record.msg, record.args = shown, ()
        return True


_request_log = _RequestLogFilter()


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a multipart request."""

    filename: str
    data: bytes
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer, read whole; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    platform: str = ""
    operation: str = ""

    def json(self) -> Any:
        """Decode the body.

        Raises:
            Unavailable: it is not JSON; `landed` is PERHAPS, because something answered.
        """
        # nothing is raised from the errors of json: they hold the body, which may tell a secret back
        with contextlib.suppress(ValueError, RecursionError):
            return jsonlib.loads(self.body)
        raise Unavailable(
            f"{self.platform} answered {self.operation} with HTTP {self.status} and {len(self.body)} bytes that "
            "are no JSON; if this repeats, look whether base_url is the platform's",
            platform=self.platform,
            operation=self.operation,
            code=self.status,
        )


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return error.retry_after.total_seconds() + random.uniform(0.0, 0.25)  # noqa: S311 - jitter
    return min(30.0, 0.5 * 2.0 ** (state.attempt_number - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_CONNECTING = frozenset(
    {
        "httpcore.ConnectError",
        "httpcore.ConnectTimeout",
        "httpcore.PoolTimeout",
        "httpcore.UnsupportedProtocol",
        "aiohttp.ClientConnectorError",
        "aiohttp.ConnectionTimeoutError",
        "aiohttp.InvalidURL",
        "respx.SideEffectError",  # played by a test
    }
)


def _never_sent(error: httpx.HTTPError) -> bool:
    """Tell whether `error` proves that no byte of the request left.

    The kind alone does not prove it: transports over other libraries also map resets to a failure of connecting. So
    the cause below, where there is one, must be a failure of connecting in its own library.
    """
    if not isinstance(error, _BEFORE_SENDING):
        return False
    cause = error.__cause__
    while cause is not None:
        if not isinstance(cause, _BEFORE_SENDING):
            names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(cause).__mro__}
            return not names.isdisjoint(_CONNECTING)
        cause = cause.__cause__
    return True


_url = lru_cache(maxsize=256)(httpx.URL)
"""Parsing an address costs as much as sending to it, and most requests go to few."""


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def plain_transport(*, max_connections: int = 10) -> httpx.AsyncHTTPTransport:
    """Give httpx's own connections, for `AdapterContext.transport` where the extra `fast` is not wanted."""
    limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
    return httpx.AsyncHTTPTransport(verify=verified_tls(), limits=limits, trust_env=False)


def _fast_transport(limits: httpx.Limits) -> httpx.AsyncBaseTransport | None:
    if not seams.use_fast_transport:
        return None
    try:
        from shequn_sdk.platforms.fast import FastTransport  # noqa: PLC0415 - an extra, and slow to import
    except ModuleNotFoundError:  # the extra is not installed: httpx's own it is
        return None
    return FastTransport(limits=limits)


class HttpClient:
    """One connection pool for one account.

    The connections are aiohttp's when the extra `fast` is installed (about half of the CPU per request), else httpx's
    own; `AdapterContext.transport` overrides either, for example by `plain_transport()`. In a pytest run
    they are httpx's own, so that respx and pytest-httpx can stand in for them. Certificates are verified, redirects
    are not followed, and the environment's proxies are not used.

    Args:
        platform: the platform's name, for messages.
        base_url: where the API is, with or without a slash at the end.
        context: clock, transport and time-out from core.
        headers: sent with every request.
        secrets: never shown in messages, logs or reprs, not even inside a URL.
        max_connections: size of the pool; httpx's own cost grows with open connections, so keep it small.
        max_wait: longest time that a retry waits for Retry-After; longer ones are raised to the caller.
    """

    def __init__(
        self,
        *,
        platform: str,
        base_url: str,
        context: AdapterContext,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        max_connections: int = 10,
        max_wait: timedelta = timedelta(seconds=60),
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigError(f"base_url of {platform} must start with http:// or https://")
        self.platform = platform
        self.redact = Redactor(secrets)
        _request_log.watch(self.redact)
        self._base_url = base_url.rstrip("/")
        self._context = context
        self._headers = dict(headers or {})
        self._limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections
        )
        self._max_wait = max_wait.total_seconds()
        self._client: httpx.AsyncClient | None = None
        self._transport: httpx.AsyncBaseTransport = httpx.AsyncBaseTransport()
        self._open = False

    async def __aenter__(self) -> Self:
        """Be ready; the pool itself is opened by the first request."""
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pool."""
        self._open = False
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    def __repr__(self) -> str:
        return f"HttpClient({self.platform!r}, {self.redact(self._base_url)!r})"

    async def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        params: Mapping[str, str | int | float | bool] | None = None,
        json: Any = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, FilePart] | Sequence[tuple[str, FilePart]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        attempts: int = 4,
        check: Callable[[HttpResponse], object] | None = None,
    ) -> HttpResponse:
        """Make a request and give its answer, whatever its status.

        Args:
            path: appended to `base_url`; an absolute URL is taken as it is.
            operation: the platform's name of the call, for messages and logs. Never put a secret into it.
            form: fields of a form; with `files` the form is multipart.
            timeout: seconds, when not the account's.
            idempotent: whether a request that may have reached the platform can be repeated. Only then are time-outs,
                5xx and rate limits retried here; publishing never is, because the ledger decides about it.
            attempts: how often at most.
            check: called with the answer; raises the typed error that the answer means.

        Raises:
            Unavailable: no answer; `landed` says whether the request can have had an effect.
            PlatformError: whatever `check` raises.
        """

        async def once() -> HttpResponse:
            with span(f"{self.platform} {operation}", platform=self.platform, operation=operation):
                response = await self._send(
                    method, path, operation, params, json, content, form, files, headers, timeout
                )
                if check is not None:
                    check(response)
                return response

        if not idempotent or attempts <= 1:
            return await once()

        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=_wait,
            retry=tenacity.retry_if_exception(self._worth_repeating),
            sleep=self._sleep,
            before_sleep=self._log_retry(operation),
            reraise=True,
        )
        return await retrying(once)

    async def _send(
        self,
        method: str,
        path: str,
        operation: str,
        params: Mapping[str, str | int | float | bool] | None,
        json: Any,
        content: bytes | None,
        form: Mapping[str, str] | None,
        files: Mapping[str, FilePart] | Sequence[tuple[str, FilePart]] | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> HttpResponse:
        client = self._client or self._connect()
        url = path if path.startswith(("http://", "https://")) else self._base_url + path
        parts: list[tuple[str, tuple[str | None, bytes, str] | tuple[str | None, bytes]]] | None = None
        data: Mapping[str, str] | None = form
        if files is not None:
            items = files.items() if isinstance(files, Mapping) else files
            parts = [(name, (part.filename, part.data, part.content_type)) for name, part in items]
        own_headers = dict(headers or {})
        if json is not None and content is None:
            content = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            own_headers.setdefault("Content-Type", "application/json")
        answered = False
        try:
            request = client.build_request(
                method,
                _url(url),
                params=dict(params) if params else None,
                content=content,
                data=dict(data) if data is not None else None,
                files=parts,
                headers=own_headers,
                timeout=httpx.USE_CLIENT_DEFAULT
                if timeout is None
                else httpx.Timeout(timeout, connect=min(10.0, timeout)),
            )
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug(
                    "%s %s",
                    method,
                    self.redact(str(request.url)),
                    extra={"platform": self.platform, "operation": operation},
                )
            pass_gate()
            # past the client, whose cookies, redirects and logins are not wanted and take as long as the sending
            answer = await self._transport.handle_async_request(request)
            answered = True
            try:
                body = await self._read(answer, operation)
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            landed = Landing.SURELY_NOT if not answered and _never_sent(error) else Landing.PERHAPS
            raise self._unavailable(operation, error, landed) from None
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise ConfigError(
                f"{self.platform}: {operation} cannot be sent: {self.redact(str(error))}; check base_url and ids"
            ) from None
        found = _headers(answer.headers.raw)
        note_date(found)
        return HttpResponse(
            status=answer.status_code,
            headers=found,
            body=body,
            platform=self.platform,
            operation=operation,
        )

    def _connect(self) -> httpx.AsyncClient:
        if not self._open:
            raise ConfigError(f"the {self.platform} adapter is not open: use it in `async with`")
        self._transport = (
            self._context.transport
            or _fast_transport(self._limits)
            or httpx.AsyncHTTPTransport(verify=verified_tls(), limits=self._limits, trust_env=False)
        )
        self._client = httpx.AsyncClient(
            headers=self._headers,
            timeout=httpx.Timeout(self._context.timeout, connect=min(10.0, self._context.timeout)),
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
        )
        return self._client

    async def _read(self, answer: httpx.Response, operation: str) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                raise Unavailable(
                    f"{self.platform} answered {operation} with more than {MAX_RESPONSE_BYTES} bytes",
                    platform=self.platform,
                    operation=operation,
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _unavailable(self, operation: str, error: Exception, landed: Landing) -> Unavailable:
        kind = type(error).__name__
        detail = self.redact(str(error)) or kind
        what = "was not reached" if landed is Landing.SURELY_NOT else "gave no answer"
        return Unavailable(
            f"{self.platform} {what} for {operation} ({kind}: {detail}); check the network and base_url",
            platform=self.platform,
            operation=operation,
            landed=landed,
        )

    def _worth_repeating(self, error: BaseException) -> bool:
        if isinstance(error, RateLimited):
            return error.retry_after is None or error.retry_after.total_seconds() <= self._max_wait
        return isinstance(error, PlatformError) and error.retryable

    async def _sleep(self, seconds: float) -> None:
        await self._context.clock.sleep(seconds)

    def _log_retry(self, operation: str) -> Callable[[tenacity.RetryCallState], Awaitable[None] | None]:
        def log(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome is not None else None
            _log.warning(
                "%s %s failed (%s), attempt %d follows",
                self.platform,
                operation,
                type(error).__name__,
                state.attempt_number + 1,
                extra={"platform": self.platform, "operation": operation, "attempt": state.attempt_number},
            )

        return log
