"""Where an adapter keeps its tasks: in a folder of this machine, or at a desk over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote

import anyio.to_thread
from pydantic import ValidationError

from shequn_handoff.desk import Desk
from shequn_handoff.errors import error_of
from shequn_handoff.tasks import NewTask, Task
from shequn_sdk.errors import TargetNotFound, Unavailable
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient, HttpResponse

__all__ = ["Backend", "FolderBackend", "HttpBackend"]

PLATFORM = "handoff"


class Backend(Protocol):
    """Keeps tasks."""

    async def __aenter__(self) -> Self:
        """Be ready."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        ...

    async def waiting(self) -> int:
        """Count the tasks without a result."""
        ...

    async def add(self, new: NewTask) -> Task:
        """Keep a task, or give the one of that id."""
        ...

    async def find(self, task: str) -> Task | None:
        """Read a task; None when there is none."""
        ...

    async def remind(self, task: str) -> None:
        """Count a reminder."""
        ...

    async def cancel(self, task: str) -> None:
        """Take a task back."""
        ...


class FolderBackend:
    """Tasks in a folder, reached on a thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __aenter__(self) -> Self:
        """Be ready."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    async def waiting(self) -> int:
        """Count the tasks without a result."""
        return len(await anyio.to_thread.run_sync(lambda: self._desk.list(waiting=True)))

    async def add(self, new: NewTask) -> Task:
        """Keep a task; a cancelled caller leaves it whole or not there."""
        return await anyio.to_thread.run_sync(self._desk.add, new)

    async def find(self, task: str) -> Task | None:
        """Read a task; None when there is none."""
        try:
            return await anyio.to_thread.run_sync(self._desk.get, task)
        except TargetNotFound:
            return None

    async def remind(self, task: str) -> None:
        """Count a reminder."""
        await anyio.to_thread.run_sync(self._desk.remind, task)

    async def cancel(self, task: str) -> None:
        """Take a task back."""
        await anyio.to_thread.run_sync(self._desk.cancel, task)


class HttpBackend:
    """Tasks at a desk (`handoff_app`) on this or another machine."""

    def __init__(self, *, base_url: str, token: str, context: AdapterContext) -> None:
        self._http = HttpClient(
            platform=PLATFORM,
            base_url=base_url,
            context=context,
            headers={"Authorization": f"Bearer {token}"},
            secrets=(token,),
            max_connections=2,
        )

    def __repr__(self) -> str:
        return f"HttpBackend({self._http!r})"

    async def __aenter__(self) -> Self:
        """Be ready; makes no request."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._http.__aexit__(kind, error, trace)

    async def waiting(self) -> int:
        """Count the tasks without a result."""
        response = await self._call("GET", "/api/desk", "desk/state", idempotent=True)
        told = response.json()
        count = told.get("waiting") if isinstance(told, dict) else None
        if not isinstance(count, int):
            raise self._nonsense(response)
        return count

    async def add(self, new: NewTask) -> Task:
        """Hand a task over, once."""
        files: Sequence[dict[str, str]] = [
            {"name": file.name, "data": base64.b64encode(file.data).decode()} for file in new.files
        ]
        body = {**new.model_dump(mode="json", exclude={"files"}), "files": files}
        return self._task(await self._call("POST", "/api/tasks", "tasks/create", json=body))

    async def find(self, task: str) -> Task | None:
        """Read a task; None when there is none."""
        try:
            return self._task(
                await self._call("GET", f"/api/tasks/{quote(task, safe='')}", "tasks/get", idempotent=True)
            )
        except TargetNotFound:
            return None

    async def remind(self, task: str) -> None:
        """Count a reminder."""
        await self._call("POST", f"/api/tasks/{quote(task, safe='')}/remind", "tasks/remind")

    async def cancel(self, task: str) -> None:
        """Take a task back; repeated when no answer came, because that does no harm."""
        await self._call("POST", f"/api/tasks/{quote(task, safe='')}/cancel", "tasks/cancel", idempotent=True)

    async def _call(
        self, method: str, path: str, operation: str, *, json: object = None, idempotent: bool = False
    ) -> HttpResponse:
        def check(response: HttpResponse) -> None:
            error = error_of(response)
            if error is not None:
                raise error

        return await self._http.request(
            method, path, operation=operation, json=json, idempotent=idempotent, attempts=3, check=check
        )

    def _task(self, response: HttpResponse) -> Task:
        try:
            return Task.model_validate_json(response.body)
        except ValidationError as error:
            raise self._nonsense(response) from error

    def _nonsense(self, response: HttpResponse) -> Unavailable:
        return Unavailable(
            f"handoff: the desk answered {response.operation} with something else than a task; look whether base_url "
            "is the desk's",
            platform=PLATFORM,
            operation=response.operation,
            code=response.status,
        )
