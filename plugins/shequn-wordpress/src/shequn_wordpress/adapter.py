"""One user of one WordPress site: its posts as a channel, comments, media, revisions."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, NoReturn, Self

from shequn_sdk.domain import OWN_CLOCK, Account, Channel, ChannelKind, ChannelRef, Interaction, Piece, Post
from shequn_sdk.errors import InvalidContent, Landing, PlatformError, TargetNotFound
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import Parsed, PostNumbers, RawBatch, RawEvent
from shequn_wordpress import wire
from shequn_wordpress.api import Api
from shequn_wordpress.errors import GONE
from shequn_wordpress.html import html_of, plain_of, title_of
from shequn_wordpress.listening import SITE, Listener, comment_of, parse
from shequn_wordpress.manifest import PLATFORM, manifest_for, options_of
from shequn_wordpress.media import Uploads, refuse
from shequn_wordpress.reading import Reader

__all__ = ["WordPressAdapter"]

_CATEGORY = "category:"
_STATUSES = frozenset({"publish", "draft", "pending", "private"})
_ANY = "publish,future,draft,pending,private"


class WordPressAdapter(Reader):
    """An account on a WordPress site. Its channels are `posts`, and `category:7` for a category."""

    def __init__(self, account: Account, context: AdapterContext) -> None:
        self.account = account
        self.options = options_of(account)
        self._manifest = manifest_for(account)
        super().__init__(Api(account, self.options, context), context.clock)
        self.uploads = Uploads(self._api, limit=self.options.upload_bytes)
        self._listener = Listener(
            self._api, clock=context.clock, look_back=timedelta(hours=self.options.look_back_hours)
        )
        self._categories: set[str] = set()
        self._own = ""
        self._own_lock = asyncio.Lock()

    @property
    def platform(self) -> str:
        """Name of the platform."""
        return PLATFORM

    @property
    def manifest(self) -> Manifest:
        """What this account can do."""
        return self._manifest

    async def __aenter__(self) -> Self:
        """Open connections; makes no request."""
        await self._api.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._api.http.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"WordPressAdapter({self.account.name!r})"

    async def check(self) -> str:
        """Ask WordPress who this user is and what they may do; gives a line for people."""
        me = wire.one(await self._api.read("/users/me", "users.me", {"context": "edit"}))
        rights: Any = me.get("capabilities")
        may = rights if isinstance(rights, dict) else {}
        what = "publishes" if may.get("publish_posts") else "writes drafts only"  # pyright: ignore[reportUnknownMemberType]
        name = plain_of(wire.text(me, "name")) or self.options.username
        return f"wordpress: {name} (id {wire.number(me, 'id', 'users.me')}), {what}"

    async def _me(self) -> str:
        async with self._own_lock:
            if not self._own:
                me = wire.one(await self._api.read("/users/me", "users.me"))
                self._own = wire.number(me, "id", "users.me")
            return self._own

    # publishing

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Make a post; see `Publisher`.

        Pictures are uploaded first. `attrs` may hold `wordpress_status` and `publish_at`, an instant at which WordPress
        itself publishes it.
        """
        self._declared(piece)
        body = self._body(piece)
        body |= self._when(piece)
        if self.options.slug_from_key:
            body["slug"] = _slug(idempotency_key)
        try:
            body |= await self._place(channel)
            body |= await self.uploads.place(piece, str(body.get("content", "")))
        except PlatformError as error:
            error.landed = Landing.SURELY_NOT  # the post itself was not asked for yet
            raise
        row = wire.one(await self._api.write("POST", "/posts", "posts.create", body))
        return self._post(channel, row)

    def _declared(self, piece: Piece) -> None:
        for used, capability in (
            (piece.poll, Capability.PUBLISH_POLL),
            (piece.link, Capability.PUBLISH_LINK),
            (piece.buttons, Capability.BUTTONS),
            (piece.reply_to, Capability.REPLY),
        ):
            if used:
                self._manifest.require(capability)
        kinds = {
            "video": Capability.PUBLISH_VIDEO,
            "animation": Capability.PUBLISH_VIDEO,
            "audio": Capability.PUBLISH_AUDIO,
            "voice": Capability.PUBLISH_AUDIO,
            "document": Capability.PUBLISH_DOCUMENT,
        }
        for media in piece.media:
            self._manifest.require(kinds.get(str(media.kind), Capability.PUBLISH_PHOTO))

    def _body(self, piece: Piece) -> dict[str, Any]:
        article = piece.article
        if article is not None:
            body: dict[str, Any] = {"title": article.title, "content": html_of(article.body)}
            if article.digest:
                body["excerpt"] = article.digest
            self._check_length(article.body)
            return body
        self._check_length(piece.text)
        if not piece.text.strip() and not piece.media:
            raise refuse("a post needs a text or a picture")
        # WordPress itself makes paragraphs of blank lines, and leaves code blocks alone
        return {"title": title_of(piece.text), "content": piece.text}

    def _check_length(self, text: str) -> None:
        limit = self._manifest.limits.text
        if not limit.fits(text):
            raise refuse(f"the text is longer than {limit.maximum} code points (option text_limit)")

    def _when(self, piece: Piece) -> dict[str, Any]:
        status = piece.attrs.get("wordpress_status", self.options.status)
        if status not in _STATUSES:
            raise refuse(f"wordpress_status is {status!r}; give one of {', '.join(sorted(_STATUSES))}")
        at = piece.attrs.get("publish_at")
        if at is None:
            return {"status": status}
        when = wire.instant(at)
        if when is None or "T" not in str(at):
            raise refuse(f"publish_at is {at!r}; give an instant such as 2026-03-02T08:00:00+08:00")
        if status != "publish":
            raise refuse("publish_at needs wordpress_status publish")
        local = when.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        return {"status": "future" if when > self._clock.now() else "publish", "date_gmt": local.isoformat()}

    async def _place(self, channel: str) -> dict[str, Any]:
        """Give what puts a post into a channel; WordPress itself would silently leave an unknown category out."""
        if channel == SITE:
            return {}
        category = channel.removeprefix(_CATEGORY)
        if channel == category or not category.isdecimal():
            raise TargetNotFound(
                f"wordpress has no channel {channel!r}: write posts, or category:7",
                platform=PLATFORM,
                operation="categories.get",
            )
        if category not in self._categories:
            await self._api.read(f"/categories/{category}", "categories.get")
            self._categories.add(category)
        return {"categories": [int(category)]}

    def _post(self, channel: str, row: Mapping[str, Any]) -> Post:
        found = wire.post_of(row, "posts.create", now=self._clock.now())
        later = found.status == "future"
        attrs = {"status": found.status, "publish_at": found.published_at.isoformat()}
        return Post(
            channel=ChannelRef(account=self.account.name, native_id=channel),
            native_id=found.id,
            landed_at=self._clock.now() if later else found.published_at,
            url=found.url,
            text=found.text[:1000],
            attrs=attrs | {OWN_CLOCK: True} if later else attrs,
        )

    async def find_landed(
        self, channel: str, piece: Piece, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        """Look a post up by the address that its key gave it; see `Reconciler`.

        WordPress takes addresses away from what waits for review of somebody who may not publish: those posts are
        found by title and text.
        """
        self._manifest.require(Capability.RECONCILE)
        params: dict[str, str | int] = {"slug": _slug(idempotency_key), "status": _ANY, "context": "edit"}
        found = wire.rows(await self._api.read("/posts", "posts.list", params))
        if found:
            return self._post(channel, found[0])
        if piece.attrs.get("wordpress_status", self.options.status) != "pending":
            return None
        body = self._body(piece)
        wanted = [plain_of(str(body[name])) for name in ("title", "content")]
        params = {"author": int(await self._me()), "status": "pending", "context": "edit"}
        async for row in self._api.pages("/posts", "posts.list", params):
            made = wire.instant(row.get("date_gmt")) or self._clock.now()
            told = [plain_of(wire.raw(row, name)) for name in ("title", "content")]
            # pictures stand above the text
            if made >= since.replace(microsecond=0) and told[0] == wanted[0] and told[1].endswith(wanted[1]):
                return self._post(channel, row)
        return None

    async def edit(self, channel: str, message: str, piece: Piece) -> None:
        """Replace title and text of a post; WordPress keeps the old state as a revision."""
        self._declared(piece)
        body = self._body(piece)
        body |= await self.uploads.place(piece, str(body.get("content", "")))
        await self._api.write("POST", f"/posts/{wire.ident(message)}", "posts.update", body, repeatable=True)

    async def delete(self, channel: str, message: str) -> None:
        """Put a post into the bin; one that is there already, or gone, is no error."""
        try:
            await self._api.write("DELETE", f"/posts/{wire.ident(message)}", "posts.delete", repeatable=True)
        except TargetNotFound as error:
            if error.code not in GONE:
                raise

    async def get_post_numbers(self, channel: str, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """Count approved comments, one request per post; WordPress tells nothing else."""
        wanted = [one for one in dict.fromkeys(messages) if one.isdecimal()]
        told: list[PostNumbers] = []
        for message in wanted:
            try:
                await self._api.read(f"/posts/{message}", "posts.get", {"_fields": "id", "context": "edit"})
                response = await self._api.read(
                    "/comments", "comments.list", {"post": int(message), "per_page": 1, "_fields": "id"}
                )
            except TargetNotFound as error:
                if error.code not in GONE:
                    raise
                continue
            total = response.headers.get("x-wp-total", "")
            told.append(
                PostNumbers(
                    native_id=message,
                    measured_at=self._clock.now(),
                    comments=int(total) if total.isdecimal() else None,
                )
            )
        return told

    # comments

    async def comment(self, channel: str, message: str, text: str, *, reply_to: str = "") -> str:
        """Comment on a post, or answer a comment; gives the comment's id."""
        limit = self._manifest.limits.comment
        if limit is not None and not limit.fits(text):
            raise InvalidContent(
                f"wordpress: the comment is longer than {limit.maximum} bytes",
                platform=PLATFORM,
                operation="comments.create",
            )
        body: dict[str, Any] = {"post": int(wire.ident(message)), "content": text}
        if reply_to:
            body["parent"] = int(wire.ident(reply_to))
        row = wire.one(await self._api.write("POST", "/comments", "comments.create", body))
        return wire.COMMENT + wire.number(row, "id", "comments.create")

    async def delete_comment(self, channel: str, message: str, comment: str) -> None:
        """Put a comment into the bin; one that is there already, or gone, is no error."""
        try:
            await self._api.write(
                "DELETE", f"/comments/{wire.ident(comment)}", "comments.delete", repeatable=True
            )
        except TargetNotFound as error:
            if error.code not in GONE:
                raise

    async def iter_comments(self, channel: str, message: str) -> AsyncIterator[Interaction]:
        """Give the approved comments under a post, oldest first."""
        params: dict[str, str | int] = {
            "post": int(wire.ident(message)),
            "order": "asc",
            "orderby": "date_gmt",
        }
        async for row in self._api.pages("/comments", "comments.list", params):
            yield comment_of(row, account=self.account.name)

    # channels

    async def get_channel(self, channel: str) -> Channel:
        """Read the site, or a category."""
        if channel == SITE:
            return self._channel(SITE, "posts", "")
        await self._place(channel)
        row = wire.one(
            await self._api.read(f"/categories/{channel.removeprefix(_CATEGORY)}", "categories.get")
        )
        return self._channel(channel, wire.text(row, "name"), wire.text(row, "description"))

    def _channel(self, native: str, title: str, description: str) -> Channel:
        return Channel(
            ref=ChannelRef(account=self.account.name, native_id=native),
            platform=PLATFORM,
            title=plain_of(title),
            kind=ChannelKind.TIMELINE,
            description=plain_of(description),
        )

    async def count_members(self, channel: str) -> int:
        """Refuse: readers are no members."""
        self._refuse(Capability.MEMBER_COUNT)

    async def iter_channels(self) -> AsyncIterator[Channel]:
        """Give the site, then its categories."""
        yield self._channel(SITE, "posts", "")
        params: dict[str, str | int] = {"orderby": "id", "order": "asc"}
        async for row in self._api.pages("/categories", "categories.list", params):
            native = _CATEGORY + wire.number(row, "id", "categories.list")
            yield self._channel(native, wire.text(row, "name"), wire.text(row, "description"))

    # listening

    async def receive(self, cursor: str | None) -> RawBatch:
        """Give new comments and posts of others; see `EventSource`."""
        return await self._listener.receive(cursor, own=await self._me())

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one event."""
        return parse(raw, account=self.account.name)

    def _refuse(self, capability: Capability) -> NoReturn:
        self._manifest.require(capability)
        raise AssertionError


def _slug(key: str) -> str:
    """Give the address of a post by its delivery's key."""
    return "sq-" + hashlib.sha256(key.encode()).hexdigest()[:16]
