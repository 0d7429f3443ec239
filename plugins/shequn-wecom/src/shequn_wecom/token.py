"""The access token of one application: fetched once however many ask, renewed early, never in a loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import anyio

from shequn_sdk.domain import Clock
from shequn_sdk.errors import AuthFailed, PermissionDenied, PlatformError

__all__ = ["AccessToken"]

EARLY = timedelta(minutes=5)
"""How long before its end a token is renewed; at most a tenth of its life."""

_PAUSE = timedelta(minutes=1)
"""For how long a refused secret is not tried again: WeCom blocks an address that goes on, for an hour."""


class AccessToken:
    """Holds the token (access_token) of one pair of corporation and secret.

    `fetch` asks the platform and gives the token and its life.
    """

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, timedelta]]], *, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = anyio.Lock()
        self._token = ""
        self._renew_at: datetime | None = None
        self._refused: PlatformError | None = None
        self._refused_until: datetime | None = None

    def __repr__(self) -> str:
        return f"AccessToken({'***' if self._token else 'none'})"

    async def get(self) -> str:
        """Give a token that should still live; those who ask meanwhile wait for the same request.

        Raises:
            AuthFailed, PermissionDenied: the secret or the address was refused; for a minute the same refusal is
                raised without asking again.
            Unavailable: no answer.
        """
        if self._fresh():
            return self._token
        async with self._lock:
            if self._fresh():
                return self._token
            now = self._clock.now()
            if self._refused is not None and self._refused_until is not None and now < self._refused_until:
                raise self._refused.with_traceback(None)
            try:
                token, life = await self._fetch()
            except (AuthFailed, PermissionDenied) as error:
                self._refused, self._refused_until = error, now + _PAUSE
                raise
            self._refused = None
            self._token = token
            self._renew_at = now + life - min(EARLY, life / 10)
            return token

    def drop(self, token: str) -> None:
        """Forget `token`, unless another call has replaced it already."""
        if token == self._token:
            self._token = ""
            self._renew_at = None

    def _fresh(self) -> bool:
        return bool(self._token) and self._renew_at is not None and self._clock.now() < self._renew_at
