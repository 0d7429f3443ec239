"""Uploaded files, as the local WeChat Work keeps them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import MediaFile, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["MediaCalls"]

_SIZES = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}
_MAGIC = {"image": (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"), "voice": (b"#!AMR",)}


class MediaCalls:
    """media/*: files that live for three days."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "media/upload": self._upload,
            "media/uploadimg": self._upload_image,
            "media/upload_attachment": self._upload_attachment,
        }

    def store(self, call: Call, kind: str, *, limit: int, robot: str = "") -> MediaFile:
        """Keep an uploaded file for three days."""
        if call.file is None:
            raise Refuse(44001)
        name, data = call.file
        if len(data) <= 5:
            raise Refuse(40006 if data else 44001)
        if len(data) > limit:
            raise Refuse(45001)
        magic = _MAGIC.get(kind)
        if magic and not data.startswith(magic):
            raise Refuse(40123 if kind == "image" else 301016)
        if kind == "video" and data[4:8] != b"ftyp":
            raise Refuse(40004)
        world = self._world
        found = MediaFile(f"3{world.hex(40)}", kind, name, data, world.now() + timedelta(days=3), robot)
        world.media[found.id] = found
        return found

    def _upload(self, call: Call) -> dict[str, Any]:
        kind = call.query.get("type", "")
        if kind not in _SIZES:
            raise Refuse(40004)
        found = self.store(call, kind, limit=_SIZES[kind])
        return {"type": kind, "media_id": found.id, "created_at": str(self._world.stamp())}

    def _upload_image(self, call: Call) -> dict[str, Any]:
        found = self.store(call, "image", limit=2 << 20)
        return {"url": f"https://wework.example/pic/{found.id}"}

    def _upload_attachment(self, call: Call) -> dict[str, Any]:
        kind = call.query.get("media_type", "")
        if kind not in _SIZES:
            raise Refuse(40004)
        found = self.store(call, kind, limit=_SIZES[kind])
        return {"type": kind, "media_id": found.id, "created_at": self._world.stamp()}
