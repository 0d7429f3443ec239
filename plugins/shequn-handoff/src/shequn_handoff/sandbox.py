"""A desk in a temporary folder, whose person confirms when the test or the page says so."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from shequn_handoff.app import LOOPBACK, handoff_app
from shequn_handoff.desk import Desk
from shequn_handoff.manifest import PLACES
from shequn_handoff.tasks import Result, Task, Verdict
from shequn_sdk.errors import TargetNotFound
from shequn_sdk.testing.sandbox import BaseSandbox, SandboxChannel, SandboxContext, SandboxMessage

__all__ = ["HandoffSandbox"]

_NO_API = "the place tells nothing to programs"


class HandoffSandbox(BaseSandbox):
    """A desk over HTTP. Options: `place`, `channels`, `folder` (kept after the end when given)."""

    platform = "handoff"
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        dict.fromkeys(("join", "leave", "say", "react", "share", "vote", "press"), _NO_API)
    )

    def __init__(self, context: SandboxContext) -> None:
        super().__init__(context)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        folder = context.options.get("folder")
        if not folder:
            self._temporary = tempfile.TemporaryDirectory(prefix="shequn-handoff-")
            folder = self._temporary.name
        self.desk = Desk(Path(str(folder)), clock=context.clock)
        self._place = str(context.options.get("place", "wechat_group"))
        self._channels = [str(name) for name in context.options.get("channels", ("读书会一群", "读书会二群"))]
        self._token = f"{context.rng.getrandbits(128):032x}"
        self.app: Any = handoff_app(self.desk.folder, self._token, clock=context.clock, hosts=LOOPBACK)

    def describe(self) -> dict[str, Any]:
        """Give addresses, token and channels."""
        return {
            "base_url": self.context.base_url,
            "form_url": f"{self.context.base_url}/?token={self._token}",
            "secrets": {"token": self._token},
            "token": self._token,
            "options": {"place": self._place, "channels": list(self._channels)},
            "channels": list(self._channels),
            "members": [],
        }

    async def stop(self) -> None:
        """Remove the temporary folder."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def operation(self, method: str, path: str) -> str:
        """Name a request for fault rules."""
        if method == "POST" and path == "/api/tasks":
            return "publish"
        return "read" if method in {"GET", "HEAD"} else path.rpartition("/")[2]

    def channels(self) -> Sequence[SandboxChannel]:
        """Give the places' groups."""
        title = PLACES[self._place].title
        return [SandboxChannel(name, f"{title} {name}", "group") for name in self._channels]

    def create_channel(self, title: str, *, kind: str = "group") -> str:
        """Add a group; accounts that were described before do not list it yet."""
        if title not in self._channels:
            self._channels.append(title)
        return title

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give what was handed over, newest first."""
        tasks = [task for task in self.desk.list() if task.channel == channel]
        return [self._shown(task) for task in reversed(tasks[-limit:])] if limit > 0 else []

    def _shown(self, task: Task) -> SandboxMessage:
        return SandboxMessage(
            channel=task.channel,
            native_id=task.id,
            author_id=task.account,
            author_name=task.account,
            by_account=True,
            text=task.text,
            at=task.created_at,
            attachments=len(task.files),
            waiting_for_person=task.result is None,
        )

    def confirm(self, channel: str, task: str) -> None:
        """Let the person post it and say so, with some numbers."""
        kept = self.desk.get(task)
        if kept.channel != channel:
            raise TargetNotFound(f"there is no task {task} for {channel}", platform="handoff")
        now = self.now()
        rng = self.context.rng
        views = rng.randrange(20, 400)
        self.desk.conclude(
            task,
            Result(
                verdict=Verdict.CONFIRMED,
                at=now,
                told_at=now,
                views=views,
                likes=views // 10,
                comments=views // 25,
            ),
        )
