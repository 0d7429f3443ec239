"""Calls of WordPress's REST API v2 in the name of one user, with an application password."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from typing import Any

from shequn_sdk.domain import Account
from shequn_sdk.errors import ConfigError, InvalidContent
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient, HttpResponse
from shequn_wordpress import wire
from shequn_wordpress.errors import checker
from shequn_wordpress.manifest import PLATFORM, Options

__all__ = ["Api"]

_PAGE = 100
"""The most that WordPress gives at once."""
_MOST_PAGES = 1000
_PAST_THE_END = frozenset({"rest_post_invalid_page_number", "rest_revision_invalid_page_number"})


class Api:
    """The connection to one site."""

    def __init__(self, account: Account, options: Options, context: AdapterContext) -> None:
        password = account.secret("application_password")
        if not options.username or not password:
            raise ConfigError(
                f"the wordpress account {account.name!r} needs the option username and the secret application_password: "
                "make one under Users → Profile → Application Passwords, or run `shequn sandbox` to try without a site"
            )
        if account.base_url is None:
            raise ConfigError(f"the wordpress account {account.name!r} needs base_url, the site's address")
        base = str(account.base_url).rstrip("/")
        if not base.endswith("/wp-json"):
            base += "/wp-json"
        token = base64.b64encode(f"{options.username}:{password}".encode()).decode()
        self.http = HttpClient(
            platform=PLATFORM,
            base_url=f"{base}/wp/v2",
            context=context,
            headers={"Authorization": f"Basic {token}"},
            secrets=(password, password.replace(" ", ""), token),
            max_connections=2,
        )
        self._check = checker(self.http.redact)

    def __repr__(self) -> str:
        return "Api(***)"

    async def read(
        self, path: str, operation: str, params: Mapping[str, str | int] | None = None
    ) -> HttpResponse:
        """Read; repeated when that may help."""
        return await self.http.request(
            "GET", path, operation=operation, params=params, idempotent=True, check=self._check
        )

    async def write(
        self,
        method: str,
        path: str,
        operation: str,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        """Write, once unless it is `repeatable`."""
        return await self.http.request(
            method,
            path,
            operation=operation,
            json=None if body is None else dict(body),
            idempotent=repeatable,
            check=self._check,
        )

    async def upload(self, data: bytes, *, filename: str, mime: str) -> Mapping[str, Any]:
        """Upload one file; gives the attachment."""
        stem, dot, suffix = filename.rpartition(".")
        name = f"{_plain(stem) or 'file'}.{_plain(suffix)}" if dot else _plain(filename) or "file"
        response = await self.http.request(
            "POST",
            "/media",
            operation="media.create",
            content=data,
            headers={
                "Content-Type": mime,
                "Content-Disposition": f'attachment; filename="{name}"',
            },
            check=self._check,
        )
        return wire.one(response)

    async def pages(
        self, path: str, operation: str, params: Mapping[str, str | int]
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Give all rows of a list, page by page."""
        for page in range(1, _MOST_PAGES + 1):
            try:
                response = await self.read(path, operation, {**params, "per_page": _PAGE, "page": page})
            except InvalidContent as error:
                # rows went away since the page before
                if page > 1 and error.code in _PAST_THE_END:
                    return
                raise
            found = wire.rows(response)
            for row in found:
                yield row
            last = response.headers.get("x-wp-totalpages", "")
            if len(found) < _PAGE or (last.isdecimal() and page >= int(last)):
                return


def _plain(name: str) -> str:
    """Give a part of a file's name that every server takes in a header."""
    kept = (sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "-" for sign in name)
    return "".join(kept).strip("-.")
