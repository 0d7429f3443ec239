"""Mode `robot`: a group robot's webhook (群机器人). Document 91770."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from shequn_sdk.domain import Account, MediaKind, Piece, Post
from shequn_sdk.errors import ConfigError, TargetNotFound
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart, HttpClient
from shequn_wecom.adapter import BaseAdapter
from shequn_wecom.api import RobotApi
from shequn_wecom.errors import PLATFORM
from shequn_wecom.media import MediaShelf, file_of
from shequn_wecom.render import (
    MEDIA_TYPES,
    article_link,
    article_text,
    check_text,
    digest,
    link_body,
    mentioned,
    refuse,
    sniff,
    text_body,
)

__all__ = ["CHANNEL", "RobotAdapter"]

CHANNEL = "robot"
"""The one channel of a robot: the group in which it lives."""


class RobotAdapter(BaseAdapter):
    """Speaks into one group; hears nothing, and can take nothing back.

    WeCom gives a robot's messages no id, so that a post's id is made here from the delivery's key.
    """

    def __init__(self, account: Account, context: AdapterContext) -> None:
        super().__init__(account, context)
        key = account.secret("key")
        if not key:
            raise ConfigError(
                f"the wecom account {account.name!r} needs secret key: what follows key= in the robot's address"
            )
        self.api = RobotApi(key=key, base_url=account.base_url, context=context)
        self._context = context
        self._shelf = MediaShelf(self._upload, context=context, limits=self._manifest.limits.media_bytes)

    @property
    def _http(self) -> HttpClient:
        return self.api.http

    async def check(self) -> str:
        """Ask WeCom whether the key is good; posts nothing."""
        await self.api.probe()
        return "wecom robot: the key is good"

    async def _upload(self, part: FilePart, kind: str) -> str:
        return (await self.api.upload(part, kind=kind)).media_id

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Post into the robot's group."""
        if channel != CHANNEL:
            raise TargetNotFound(
                f"a wecom robot has the one channel {CHANNEL!r}, not {channel!r}; make an account per robot",
                platform=PLATFORM,
                operation="webhook/send",
            )
        self._needs(piece)
        await self.api.send(await self._body(piece))
        return self._post(channel, f"robot-{digest(idempotency_key)}", piece, attrs={"id_made_here": True})

    async def _body(self, piece: Piece) -> dict[str, Any]:
        limit = self.manifest.limits.text.maximum
        text_format = self.options.text_format
        if piece.article is not None:
            link = article_link(piece.article)
            if link is not None:
                return link_body(link, "", text_format, limit=limit)
            return article_text(piece.article, text_format, limit=limit)
        if piece.media:
            return await self._media(piece)
        check_text(piece.text, limit=limit)
        if piece.link is not None:
            return link_body(piece.link, piece.text, text_format, limit=limit)
        if not piece.text.strip():
            raise refuse("the message is empty")
        body = text_body(piece.text, text_format)
        members = mentioned(piece)
        if members and body["msgtype"] == "text":
            body["text"]["mentioned_list"] = members
        return body

    async def _media(self, piece: Piece) -> dict[str, Any]:
        media = piece.media[0]
        if media.kind is MediaKind.PHOTO:
            if media.native_id is not None:
                raise refuse("a robot sends a picture's bytes; give it as path, url or data")
            data = await file_of(media, self._context, limits=self.manifest.limits.media_bytes)
            if sniff(data) not in {"png", "jpg"}:
                raise refuse("a robot's picture is a JPG or PNG")
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            return {"msgtype": "image", "image": {"base64": base64.b64encode(data).decode(), "md5": md5}}
        if media.kind is MediaKind.VIDEO:
            raise refuse("a robot sends no video; send it as a document")
        kind = MEDIA_TYPES[media.kind]
        return {"msgtype": kind, kind: {"media_id": await self._shelf.media_id(media)}}
