"""The blocking twin of `schedules`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.domain import LatePolicy, Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Any, Literal

    from anyio.from_thread import BlockingPortal
    from pydantic import BaseModel

    from shequn_sdk.client.schedules import AsyncSchedules, F
    from shequn_sdk.domain import ChannelRef, Content, OnUnknown
    from shequn_sdk.scheduling.models import Overlapping, Run, RunState, Schedule, Upcoming
    from shequn_sdk.scheduling.triggers import Trigger

__all__ = ["Schedules"]


class Schedules(Twin):
    """The blocking twin of `shequn_sdk.client.schedules.AsyncSchedules`."""

    def __init__(self, inner: AsyncSchedules, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def handler(self, name: str, *, arguments: type[BaseModel] | None = None) -> Callable[[F], F]:
        """See `AsyncSchedules.handler`."""
        return self._inner.handler(name, arguments=arguments)

    def publish(
        self,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        when: Trigger,
        name: str = "",
        priority: Priority = Priority.NORMAL,
        on_unknown: OnUnknown | None = None,
        needs_approval: bool = False,
        late: LatePolicy | None = None,
        grace: timedelta | None = None,
        overlap: Overlapping | Literal["queue", "skip", "parallel"] = "queue",
        catch_up: int = 1,
        idempotency_key: str | None = None,
    ) -> Schedule:
        """See `AsyncSchedules.publish`."""
        return self._do(
            self._inner.publish,
            content,
            to=to,
            when=when,
            name=name,
            priority=priority,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            late=late,
            grace=grace,
            overlap=overlap,
            catch_up=catch_up,
            idempotency_key=idempotency_key,
        )

    def report(
        self,
        *,
        to: Sequence[ChannelRef | str],
        when: Trigger,
        community: str = "",
        days: int = 7,
        language: Literal["zh", "en"] = "zh",
        title: str = "",
        picture: bool = True,
        needs_approval: bool = False,
        name: str = "",
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        idempotency_key: str | None = None,
    ) -> Schedule:
        """See `AsyncSchedules.report`."""
        return self._do(
            self._inner.report,
            to=to,
            when=when,
            community=community,
            days=days,
            language=language,
            title=title,
            picture=picture,
            needs_approval=needs_approval,
            name=name,
            late=late,
            grace=grace,
            idempotency_key=idempotency_key,
        )

    def create(
        self,
        handler: str,
        *,
        when: Trigger,
        arguments: Mapping[str, Any] | BaseModel | None = None,
        name: str = "",
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        overlap: Overlapping | Literal["queue", "skip", "parallel"] = "queue",
        catch_up: int = 1,
        idempotency_key: str | None = None,
    ) -> Schedule:
        """See `AsyncSchedules.create`."""
        return self._do(
            self._inner.create,
            handler,
            when=when,
            arguments=arguments,
            name=name,
            late=late,
            grace=grace,
            overlap=overlap,
            catch_up=catch_up,
            idempotency_key=idempotency_key,
        )

    def list(self, *, limit: int = 100, ended: bool = False) -> Sequence[Schedule]:
        """See `AsyncSchedules.list`."""
        return self._do(self._inner.list, limit=limit, ended=ended)

    def get(self, schedule: str) -> Schedule:
        """See `AsyncSchedules.get`."""
        return self._do(self._inner.get, schedule)

    def upcoming(self, count: int = 20, *, until: datetime | None = None) -> Sequence[Upcoming]:
        """See `AsyncSchedules.upcoming`."""
        return self._do(self._inner.upcoming, count, until=until)

    def history(
        self, schedule: str | None = None, *, states: Sequence[RunState] = (), limit: int = 100
    ) -> Sequence[Run]:
        """See `AsyncSchedules.history`."""
        return self._do(self._inner.history, schedule, states=states, limit=limit)

    def dead_letters(self, *, limit: int = 100) -> Sequence[Run]:
        """See `AsyncSchedules.dead_letters`."""
        return self._do(self._inner.dead_letters, limit=limit)

    def retry(self, run: int) -> None:
        """See `AsyncSchedules.retry`."""
        self._do(self._inner.retry, run)

    def dismiss(self, run: int) -> None:
        """See `AsyncSchedules.dismiss`."""
        self._do(self._inner.dismiss, run)

    def pause(self, schedule: str) -> Schedule:
        """See `AsyncSchedules.pause`."""
        return self._do(self._inner.pause, schedule)

    def resume(self, schedule: str) -> Schedule:
        """See `AsyncSchedules.resume`."""
        return self._do(self._inner.resume, schedule)

    def reschedule(self, schedule: str, *, when: Trigger) -> Schedule:
        """See `AsyncSchedules.reschedule`."""
        return self._do(self._inner.reschedule, schedule, when=when)

    def cancel(self, schedule: str) -> Schedule:
        """See `AsyncSchedules.cancel`."""
        return self._do(self._inner.cancel, schedule)

    def tick(self) -> int:
        """See `AsyncSchedules.tick`."""
        return self._do(self._inner.tick)
