"""One place where only a person can post: publishing makes a task, and the person's word is the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from shequn_handoff.api import Backend, FolderBackend, HttpBackend
from shequn_handoff.desk import Desk
from shequn_handoff.errors import refuse
from shequn_handoff.manifest import PLACES, PLATFORM, manifest_for, options_of
from shequn_handoff.tasks import NewTask, Task, TaskFile, Verdict, task_id
from shequn_sdk.domain import Account, ChannelRef, Media, MediaKind, Piece, Post
from shequn_sdk.errors import ConfigError, TargetNotFound
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Capability, Manifest, measure
from shequn_sdk.platforms.media import read_media
from shequn_sdk.platforms.ports import Confirmation, PostNumbers

__all__ = ["HandoffAdapter"]

_NEEDS: Mapping[MediaKind, Capability] = {
    MediaKind.PHOTO: Capability.PUBLISH_PHOTO,
    MediaKind.ANIMATION: Capability.PUBLISH_PHOTO,
    MediaKind.VIDEO: Capability.PUBLISH_VIDEO,
    MediaKind.DOCUMENT: Capability.PUBLISH_DOCUMENT,
    MediaKind.AUDIO: Capability.PUBLISH_AUDIO,
    MediaKind.VOICE: Capability.PUBLISH_AUDIO,
}
_SUFFIX: Mapping[bytes, str] = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png", b"GIF8": "gif", b"%PDF": "pdf"}
MAX_FILES = 40 * 1024 * 1024
"""Bytes of all files of a task together."""


class HandoffAdapter:
    """An account whose posts are made by a person (人工代发). A channel is the name of a group or page."""

    def __init__(self, account: Account, context: AdapterContext) -> None:
        self.account = account
        self.options = options_of(account)
        self._manifest = manifest_for(account)
        self._context = context
        self._clock = context.clock
        self._backend: Backend
        if account.base_url is not None:
            token = account.secret("token")
            if not token:
                raise ConfigError(
                    f"the handoff account {account.name!r} has a base_url, so it needs the secret token of that desk"
                )
            self._backend = HttpBackend(base_url=account.base_url, token=token, context=context)
        elif self.options.folder is not None:
            self._backend = FolderBackend(Desk(self.options.folder, clock=context.clock))
        else:
            raise ConfigError(
                f"the handoff account {account.name!r} needs option folder (where tasks are kept), or base_url and "
                "the secret token of a desk"
            )

    @property
    def platform(self) -> str:
        """Name of the platform."""
        return PLATFORM

    @property
    def manifest(self) -> Manifest:
        """What a person can be asked to post here."""
        return self._manifest

    async def __aenter__(self) -> Self:
        """Open connections; makes no request."""
        await self._backend.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._backend.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"HandoffAdapter({self.account.name!r})"

    async def check(self) -> str:
        """Look at the desk; gives a line for people."""
        waiting = await self._backend.waiting()
        return f"handoff to {PLACES[self.options.place].title}: {waiting} task(s) wait for a person"

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Make a task; the same key gives the same task. The post's `native_id` is the task's id."""
        self._check(channel, piece)
        place = PLACES[self.options.place]
        files = [await self._file(number, media) for number, media in enumerate(piece.media, 1)]
        if sum(len(file.data) for file in files) > MAX_FILES:
            raise refuse(f"the files have more than {MAX_FILES} bytes together; make them smaller")
        task = await self._backend.add(
            NewTask(
                id=task_id(self.account.name, channel, idempotency_key),
                account=self.account.name,
                channel=channel,
                place=self.options.place,
                place_title=place.title,
                text=piece.text,
                files=tuple(files),
                checklist=self.options.checklist or place.steps,
                deadline=self._clock.now() + self._manifest.confirm_within,
            )
        )
        return self._post(task)

    def _check(self, channel: str, piece: Piece) -> None:
        if piece.poll is not None:
            self._manifest.require(Capability.PUBLISH_POLL)
        if piece.article is not None:
            self._manifest.require(Capability.PUBLISH_ARTICLE)
        if piece.link is not None:
            self._manifest.require(Capability.PUBLISH_LINK)
        if piece.buttons:
            self._manifest.require(Capability.BUTTONS)
        if piece.reply_to:
            self._manifest.require(Capability.REPLY)
        for media in piece.media:
            self._manifest.require(_NEEDS[media.kind])
        limits = self._manifest.limits
        if len(piece.media) > 1:
            self._manifest.require(Capability.PUBLISH_ALBUM)
        if len(piece.media) > limits.media_per_post:
            raise refuse(
                f"{self._manifest.title} takes {limits.media_per_post} files, not {len(piece.media)}; leave some out"
            )
        if not piece.text.strip() and not piece.media:
            raise refuse("a task needs text or files")
        if not limits.text.fits(piece.text):
            raise refuse(
                f"the text has {measure(piece.text, limits.text.unit)} characters and {limits.text.maximum} are the "
                "most; shorten it, or set text_limit to what the place takes"
            )
        self._known(channel, "tasks/create")

    def _known(self, channel: str, operation: str) -> None:
        if self.options.channels and channel not in self.options.channels:
            raise TargetNotFound(
                f"handoff: {channel!r} is none of the channels of {self.account.name!r}; add it to option channels",
                platform=PLATFORM,
                operation=operation,
            )

    async def _file(self, number: int, media: Media) -> TaskFile:
        data = await read_media(media, self._context)
        if data is None:
            raise refuse("a native id names no file here; give the file itself")
        name = media.filename or (media.path.name if media.path is not None else "")
        if not name:
            suffix = next((kind for sign, kind in _SUFFIX.items() if data.startswith(sign)), "bin")
            name = f"{media.kind}{number}.{suffix}"
        return TaskFile(name=name, data=data)

    def _post(self, task: Task) -> Post:
        told = task.result if task.result is not None and task.result.verdict is Verdict.CONFIRMED else None
        return Post(
            channel=ChannelRef(account=self.account.name, native_id=task.channel),
            native_id=task.id,
            landed_at=told.at if told is not None else task.created_at,
            url=told.link if told is not None else "",
            text=task.text,
            attrs={"place": task.place},
        )

    async def find_landed(
        self, channel: str, piece: Piece, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        """Look for the task of this delivery; see `Reconciler`."""
        self._manifest.require(Capability.RECONCILE)
        task = await self._backend.find(task_id(self.account.name, channel, idempotency_key))
        return None if task is None else self._post(task)

    # the person

    async def get_confirmation(self, channel: str, task: str) -> Confirmation:
        """Read what the person told; see `Confirmer`."""
        kept = await self._task(channel, task)
        told = kept.result
        if told is None:
            return Confirmation(sent=0, pending=1)
        if told.verdict is Verdict.CONFIRMED:
            return Confirmation(sent=1, pending=0, posts=(self._post(kept),))
        return Confirmation(sent=0, pending=0, failed=1, reasons={told.reason or str(told.verdict): 1})

    async def remind(self, channel: str, task: str) -> None:
        """Put the task first on the desk, marked as reminded."""
        await self._task(channel, task)
        await self._backend.remind(task)

    async def cancel_task(self, channel: str, task: str) -> None:
        """Take the task back.

        Raises:
            Conflict: the person has concluded it already.
        """
        await self._task(channel, task)
        await self._backend.cancel(task)

    async def _task(self, channel: str, task: str) -> Task:
        kept = await self._backend.find(task)
        if kept is None or kept.channel != channel:
            raise TargetNotFound(
                f"handoff: there is no task {task[:80]} for {channel!r}; look whether the desk's folder was moved",
                platform=PLATFORM,
                operation="tasks/get",
            )
        return kept

    async def get_post_numbers(self, channel: str, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """Give the numbers that the person told; None where none was told."""
        self._manifest.require(Capability.POST_METRICS)
        found: list[PostNumbers] = []
        for message in dict.fromkeys(messages):
            task = await self._backend.find(message)
            if task is None or task.channel != channel:
                continue
            told = task.result
            numbers = told if told is not None and told.verdict is Verdict.CONFIRMED else None
            found.append(
                PostNumbers(
                    native_id=message,
                    measured_at=numbers.told_at if numbers else self._clock.now(),
                    views=numbers.views if numbers else None,
                    reactions=numbers.likes if numbers else None,
                    comments=numbers.comments if numbers else None,
                    shares=numbers.shares if numbers else None,
                )
            )
        return found
