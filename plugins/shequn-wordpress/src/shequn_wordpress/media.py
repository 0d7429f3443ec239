"""Pictures on their way to the library of a site."""

from __future__ import annotations

import mimetypes
from typing import Any

import anyio

from shequn_sdk.domain import Media, Piece
from shequn_sdk.errors import InvalidContent
from shequn_wordpress import wire
from shequn_wordpress.api import Api
from shequn_wordpress.html import figure
from shequn_wordpress.manifest import PLATFORM

__all__ = ["Uploads", "refuse"]


def refuse(why: str) -> InvalidContent:
    """Make the error of content that was not sent because WordPress would not take it."""
    return InvalidContent(f"wordpress: {why}", platform=PLATFORM, operation="posts.create")


class Uploads:
    """Uploads pictures of at most `limit` bytes."""

    def __init__(self, api: Api, *, limit: int) -> None:
        self._api = api
        self._limit = limit

    async def place(self, piece: Piece, content: str) -> dict[str, Any]:
        """Upload what a piece shows; gives the fields of the post that change for it, `content` being its text."""
        cover = piece.article.cover if piece.article is not None else None
        if cover is not None:
            return {"featured_media": int((await self.upload(cover))[0])}
        if not piece.media:
            return {}
        figures: list[str] = []
        first = ""
        for media in piece.media:
            if media.url is not None:
                figures.append(figure(media, str(media.url)))
                continue
            native, url = await self.upload(media)
            first = first or native
            figures.append(figure(media, url))
        changed: dict[str, Any] = {"content": "\n".join((*figures, content)).strip()}
        if first:
            changed["featured_media"] = int(first)
        return changed

    async def upload(self, media: Media) -> tuple[str, str]:
        """Upload a picture with its description; gives its id and its address.

        Raises:
            InvalidContent: the file cannot be read or is too large.
        """
        if media.native_id is not None:
            row = wire.one(await self._api.read(f"/media/{wire.ident(media.native_id)}", "media.get"))
            return wire.number(row, "id", "media.get"), wire.text(row, "source_url")
        data, name = await self._load(media)
        mime = media.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
        if "." not in name:  # WordPress goes by the suffix
            name += mimetypes.guess_extension(mime) or ""
        row = await self._api.upload(data, filename=name, mime=mime)
        native = wire.number(row, "id", "media.create")
        if media.alt:
            await self._api.write(
                "POST", f"/media/{native}", "media.update", {"alt_text": media.alt}, repeatable=True
            )
        return native, wire.text(row, "source_url")

    async def _load(self, media: Media) -> tuple[bytes, str]:
        if media.url is not None:
            raise refuse("a picture given by its address is not uploaded; give a file")
        name = media.filename or (media.path.name if media.path is not None else "picture.jpg")
        data = media.data
        if data is None:
            try:
                data = await anyio.Path(media.path or "").read_bytes()
            except OSError as error:
                raise refuse(f"{name} cannot be read ({error.strerror}); check the path") from error
        if len(data) > self._limit:
            raise refuse(f"{name} has {len(data)} bytes, option upload_bytes allows {self._limit}")
        return data, name
