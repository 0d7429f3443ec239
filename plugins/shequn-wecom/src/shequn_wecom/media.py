"""Files on their way to WeCom: read, checked, uploaded once, and remembered while the platform keeps them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from shequn_sdk.domain import Media, MediaKind
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import FilePart
from shequn_sdk.platforms.media import read_media
from shequn_wecom.manifest import SMALLEST_FILE
from shequn_wecom.render import MEDIA_TYPES, file_name, refuse

__all__ = ["MediaShelf", "file_of"]

_KEPT = timedelta(days=3) - timedelta(hours=2)
"""WeCom keeps a file for three days; some are left for a late retry."""
_SHELF = 512


async def file_of(media: Media, context: AdapterContext, *, limits: Mapping[MediaKind, int]) -> bytes:
    """Read a file's bytes from where it is.

    Raises:
        InvalidInput: the file cannot be read.
        InvalidContent: it is too small or too large for its kind.
        Unavailable: its address does not answer now.
    """
    data = await read_media(media, context)
    if data is None:
        raise refuse("a media_id has no bytes here")
    limit = limits.get(media.kind)
    if limit is not None and len(data) > limit:
        raise refuse(f"the {media.kind} has {len(data)} bytes and {limit} are the most")
    if len(data) <= SMALLEST_FILE:
        raise refuse(f"the {media.kind} has {len(data)} bytes; WeCom takes files above {SMALLEST_FILE}")
    return data


class MediaShelf:
    """Gives the media id of a file, uploading it when this process has not done so in the last days.

    The same file gets the same id, which keeps a repeated message identical, so that WeCom can drop it.
    """

    def __init__(
        self,
        upload: Callable[[FilePart, str], Awaitable[str]],
        *,
        context: AdapterContext,
        limits: Mapping[MediaKind, int],
    ) -> None:
        self._upload = upload
        self._context = context
        self._limits = limits
        self._known: OrderedDict[str, tuple[str, datetime]] = OrderedDict()

    async def media_id(self, media: Media) -> str:
        """Give the id under which WeCom holds the file."""
        if media.native_id is not None:
            return media.native_id
        data = await file_of(media, self._context, limits=self._limits)
        kind = MEDIA_TYPES[media.kind]
        name = file_name(media, data)
        key = hashlib.sha256(f"{kind}/{name}/".encode() + data).hexdigest()
        known = self._known.get(key)
        now = self._context.clock.now()
        if known is not None and known[1] > now:
            return known[0]
        part = FilePart(filename=name, data=data, content_type=media.mime or "application/octet-stream")
        media_id = await self._upload(part, kind)
        self._known[key] = (media_id, now + _KEPT)
        while len(self._known) > _SHELF:
            self._known.popitem(last=False)
        return media_id
