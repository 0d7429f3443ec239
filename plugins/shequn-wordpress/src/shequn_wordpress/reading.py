"""Reading posts, drafts included, and their earlier states."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from shequn_sdk.domain import Clock
from shequn_wordpress import wire
from shequn_wordpress.api import Api
from shequn_wordpress.html import plain_of
from shequn_wordpress.wire import Revision, WordPressPost

__all__ = ["Reader"]


class Reader:
    """What can be read of a site's posts."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def iter_posts(
        self, *, status: str = "publish", since: datetime | None = None, search: str = ""
    ) -> AsyncIterator[WordPressPost]:
        """Give posts, newest first; other states than publish need the right to edit them.

        Args:
            status: publish, future, draft, pending, private, or several with commas.
            since: changed at or after this instant.
            search: words in title or text.
        """
        params: dict[str, str | int] = {
            "status": status,
            "context": "edit",
            "orderby": "date",
            "order": "desc",
        }
        if since is not None:
            moment = since.astimezone(UTC) - timedelta(seconds=1)
            params["modified_after"] = moment.isoformat().replace("+00:00", "Z")
        if search:
            params["search"] = search
        async for row in self._api.pages("/posts", "posts.list", params):
            yield wire.post_of(row, "posts.list", now=self._clock.now())

    async def get_post(self, message: str) -> WordPressPost:
        """Read one post, drafts included."""
        response = await self._api.read(f"/posts/{wire.ident(message)}", "posts.get", {"context": "edit"})
        return wire.post_of(wire.one(response), "posts.get", now=self._clock.now())

    async def get_image(self, post: WordPressPost) -> str:
        """Give the address of a post's featured picture; "" when it has none."""
        if not post.image_id:
            return ""
        row = wire.one(await self._api.read(f"/media/{wire.ident(post.image_id)}", "media.get"))
        return wire.text(row, "source_url")

    async def iter_revisions(self, message: str) -> AsyncIterator[Revision]:
        """Give earlier states of a post, newest first."""
        path = f"/posts/{wire.ident(message)}/revisions"
        async for row in self._api.pages(path, "revisions.list", {"context": "edit"}):
            at = wire.instant(row.get("modified_gmt")) or wire.instant(row.get("date_gmt"))
            if at is not None:
                yield Revision(
                    id=wire.number(row, "id", "revisions.list"),
                    author=wire.text(row, "author"),
                    modified_at=at,
                    title=plain_of(wire.raw(row, "title")),
                    html=wire.raw(row, "content"),
                )

    async def restore(self, message: str, revision: str) -> WordPressPost:
        """Give a post the title and text of one of its revisions again."""
        path = f"/posts/{wire.ident(message)}/revisions/{wire.ident(revision)}"
        row = wire.one(await self._api.read(path, "revisions.get", {"context": "edit"}))
        body = {name: wire.raw(row, name) for name in ("title", "content", "excerpt")}
        response = await self._api.write(
            "POST", f"/posts/{wire.ident(message)}", "posts.update", body, repeatable=True
        )
        return wire.post_of(wire.one(response), "posts.update", now=self._clock.now())
