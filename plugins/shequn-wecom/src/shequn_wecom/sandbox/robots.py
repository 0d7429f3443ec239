"""Group robots, as the local WeChat Work runs them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import timedelta
from typing import Any

from shequn_wecom.sandbox.media import MediaCalls
from shequn_wecom.sandbox.messages import check_content, text_of
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import Robot, Said, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["Robots"]

_KINDS = frozenset({"text", "markdown", "markdown_v2", "image", "news", "file", "voice", "template_card"})
_MINUTE = timedelta(minutes=1)
PER_MINUTE = 20


class Robots:
    """webhook/send and webhook/upload_media: the key is all they need."""

    def __init__(self, world: World, media: MediaCalls) -> None:
        self._world = world
        self._media = media

    def _robot(self, call: Call) -> Robot:
        found = self._world.robots.get(call.query.get("key", ""))
        if found is None:
            raise Refuse(93000)
        return found

    def _pace(self, robot: Robot) -> None:
        now = self._world.now()
        if robot.blocked_until is not None and now < robot.blocked_until:
            raise Refuse(45009)
        robot.blocked_until = None
        if self._world.options.get("robot_window") == "sliding":
            robot.hits = [at for at in robot.hits if now - at < _MINUTE]
        elif robot.hits and now - robot.hits[0] >= _MINUTE:
            robot.hits = []
        if len(robot.hits) >= PER_MINUTE:
            robot.blocked_until = now + _MINUTE
            raise Refuse(45009)
        robot.hits.append(now)

    def send(self, call: Call) -> dict[str, Any]:
        """Post into the robot's group."""
        robot, body = self._robot(call), call.body
        kind = check_content(self._world, body, kinds=_KINDS, markdown=4096, robot=robot.key)
        if kind == "image":
            self._check_image(body["image"])
        self._pace(robot)
        self._world.stand(
            Said(
                channel=robot.channel,
                id=f"r-{self._world.hex(24)}",
                author="robot",
                author_name="群机器人",
                by_account=True,
                text=text_of(body),
                at=self._world.now(),
                attachments=int(kind in {"image", "file", "voice"}),
                body=body,
            )
        )
        return {}

    def _check_image(self, image: dict[str, Any]) -> None:
        try:
            data = base64.b64decode(str(image.get("base64", "")), validate=True)
        except (binascii.Error, ValueError):
            raise Refuse(40058, "base64") from None
        if not data:
            raise Refuse(44001)
        if len(data) > 2 << 20:
            raise Refuse(40009)
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != str(image.get("md5", "")).lower():
            raise Refuse(301019)
        if not data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
            raise Refuse(40123)

    def upload(self, call: Call) -> dict[str, Any]:
        """Keep a file that this robot can send."""
        robot = self._robot(call)
        kind = call.query.get("type", "")
        if kind not in {"file", "voice"}:
            raise Refuse(40004)
        limit = 20 << 20 if kind == "file" else 2 << 20
        found = self._media.store(call, kind, limit=limit, robot=robot.key)
        return {"type": kind, "media_id": found.id, "created_at": str(self._world.stamp())}
