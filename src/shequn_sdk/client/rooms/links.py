"""The blocking twin of `links`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.links.links import Links as AsyncLinks
    from shequn_sdk.links.model import Clicks, ShortLink, Source
    from shequn_sdk.links.redirect import RedirectApp

__all__ = ["Links"]


class Links(Twin):
    """The blocking twin of `shequn_sdk.links.links.Links`."""

    def __init__(self, inner: AsyncLinks, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def tag(
        self,
        url: str,
        *,
        source: str,
        medium: str = "social",
        campaign: str = "",
        term: str = "",
        content: str = "",
    ) -> str:
        """See `Links.tag`."""
        return self._inner.tag(
            url, source=source, medium=medium, campaign=campaign, term=term, content=content
        )

    def shorten(
        self,
        url: str,
        *,
        community: str | None = None,
        code: str = "",
        entrance: str = "",
        source: Source | None = None,
        expires_at: datetime | None = None,
    ) -> ShortLink:
        """See `Links.shorten`."""
        return self._do(
            self._inner.shorten,
            url,
            community=community,
            code=code,
            entrance=entrance,
            source=source,
            expires_at=expires_at,
        )

    def get(self, code: str) -> ShortLink:
        """See `Links.get`."""
        return self._do(self._inner.get, code)

    def list(
        self, *, community: str | None = None, ended: bool = False, limit: int = 200
    ) -> Sequence[ShortLink]:
        """See `Links.list`."""
        return self._do(self._inner.list, community=community, ended=ended, limit=limit)

    def close(self, code: str) -> ShortLink:
        """See `Links.close`."""
        return self._do(self._inner.close, code)

    def clicks(self, code: str, *, last: timedelta = timedelta(days=30)) -> Sequence[Clicks]:
        """See `Links.clicks`."""
        return self._do(self._inner.clicks, code, last=last)

    def app(self) -> RedirectApp:
        """See `Links.app`."""
        return self._inner.app()
