"""Calls of the Bot API over the SDK's HTTP client; the token stands in the path and is never shown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

import msgspec

from shequn_sdk.errors import ConfigError, Unavailable
from shequn_sdk.platforms.deepjson import elements
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient, HttpResponse
from shequn_telegram.errors import PLATFORM, read_envelope
from shequn_telegram.wire import decode

__all__ = ["DEFAULT_BASE_URL", "BotApi"]

DEFAULT_BASE_URL = "https://api.telegram.org"
_TOKEN = re.compile(r"[1-9][0-9]{0,15}:[A-Za-z0-9_-]{1,64}")
_T = TypeVar("_T")


def _rows(result: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return decode(result, list[msgspec.Raw])
    except RecursionError:  # one row is nested too deeply: it must not hold up the others
        return [msgspec.Raw(row) for row in elements(bytes(result))]


class BotApi:
    """The Bot API of one bot.

    Args:
        token: as @BotFather gave it.
        base_url: address of the Bot API server, without the `/bot…` part.
        context: clock, transport and time-out.
    """

    def __init__(self, *, token: str, base_url: str | None, context: AdapterContext) -> None:
        if not token:
            raise ConfigError("telegram needs the secret `token`: get one from @BotFather")
        if not _TOKEN.fullmatch(token):
            raise ConfigError(
                "telegram's `token` does not look like one: it is a number, a colon and letters, as @BotFather gives it"
            )
        base = (base_url or DEFAULT_BASE_URL).rstrip("/")
        if not base.startswith(("http://", "https://")):
            raise ConfigError("base_url of telegram must start with http:// or https://")
        self._timeout = context.timeout
        self._http = HttpClient(
            platform=PLATFORM,
            base_url=f"{base}/bot{token}",
            context=context,
            secrets=(token, token.partition(":")[2]),
        )
        self._files_url = f"{base}/file/bot{token}"

    def __repr__(self) -> str:
        return f"BotApi({self._http!r})"

    async def __aenter__(self) -> Self:
        """Open the connections."""
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        """Close the connections."""
        await self._http.__aexit__(None, None, None)

    def redact(self, text: str) -> str:
        """Give `text` without the token."""
        return self._http.redact(text)

    async def call(
        self,
        method: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        result: type[_T],
        files: Mapping[str, FilePart] | None = None,
        idempotent: bool = False,
        timeout: float | None = None,
    ) -> _T:
        """Make a call and give its result as `result`.

        Args:
            files: uploads; then the parameters go as a multipart form, nested ones as JSON text.
            idempotent: repeat it here after time-outs, 5xx and rate limits.

        Raises:
            PlatformError: see `shequn_telegram.errors.RULES`.
        """
        parameters = parameters or {}
        # the path holds no secret of its own: the token is in the client's base_url
        scope = "channel" if "chat_id" in parameters else "account"

        def check(response: HttpResponse) -> None:
            read_envelope(response, scope=scope, redact=self._http.redact)

        if files:
            form = {
                key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for key, value in parameters.items()
            }
            response = await self._http.request(
                "POST", f"/{method}", operation=method, form=form, files=files, timeout=timeout
            )
        else:
            response = await self._http.request(
                "POST",
                f"/{method}",
                operation=method,
                json=parameters,
                idempotent=idempotent,
                timeout=timeout,
                check=check if idempotent else None,
            )
        envelope = read_envelope(response, scope=scope, redact=self._http.redact)
        try:
            if result == list[msgspec.Raw]:
                return cast("_T", _rows(envelope.result))
            return decode(envelope.result, result)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise Unavailable(
                f"telegram answered {method} with a result of another shape; the call itself went through",
                platform=PLATFORM,
                operation=method,
            ) from None

    async def download(self, file_path: str) -> bytes:
        """Load a file by the `file_path` that `getFile` gave."""
        response = await self._http.request(
            "GET", f"{self._files_url}/{file_path}", operation="download", idempotent=True
        )
        if response.status != 200:
            read_envelope(response, redact=self._http.redact)
        return response.body
