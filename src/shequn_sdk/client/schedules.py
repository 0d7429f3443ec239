"""Schedules of a workspace: what is published, or called, again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from shequn_sdk.client.workspace import Workspace
from shequn_sdk.domain import ChannelRef, Content, Frozen, LatePolicy, OnUnknown, Priority

if TYPE_CHECKING:
    from shequn_sdk.publishing.service import Publishing
    from shequn_sdk.scheduling.models import Firing, Overlapping, Run, RunState, Schedule, Upcoming
    from shequn_sdk.scheduling.scheduler import Scheduler
    from shequn_sdk.scheduling.triggers import Trigger

__all__ = ["AsyncSchedules", "PublishArguments", "add_publish_handler"]

F = TypeVar("F", bound=Callable[..., object])
PUBLISH = "publish"


class PublishArguments(Frozen):
    """What the built-in handler `publish` is called with."""

    content: Content
    to: tuple[ChannelRef, ...]
    priority: Priority = Priority.NORMAL
    on_unknown: OnUnknown | None = None
    needs_approval: bool = False


def add_publish_handler(scheduler: Scheduler, publishing: Publishing) -> None:
    """Register the handler `publish`: it plans one delivery per channel, once per occurrence however often it is called."""

    async def publish(arguments: PublishArguments, firing: Firing) -> None:
        await publishing.plan(
            arguments.content,
            arguments.to,
            priority=arguments.priority,
            on_unknown=arguments.on_unknown,
            needs_approval=arguments.needs_approval,
            idempotency_key=firing.key,
            schedule_id=firing.schedule,
            actor=f"schedule {firing.name or firing.schedule}",
        )

    scheduler.handlers.add(PUBLISH, publish, arguments=PublishArguments)


class AsyncSchedules:
    """What is to happen when (定时任务), what is to come, and what became of it."""

    def __init__(self, workspace: Workspace) -> None:
        """Made by `AsyncShequn`."""
        self._workspace = workspace

    def handler(self, name: str, *, arguments: type[BaseModel] | None = None) -> Callable[[F], F]:
        """Register a handler that schedules call by its name; see `scheduling.Scheduler.handler`.

        It takes its validated arguments and a `scheduling.models.Firing`. Processes leave occurrences of handlers that
        they do not know to others; what no process took for ten minutes is parked among the dead letters.
        """

        def register(function: F) -> F:
            self._workspace.add_schedule_handler(name, function, arguments=arguments)
            return function

        return register

    async def publish(
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
        """Publish a content whenever `when` says; each occurrence is published once.

        Args:
            content: what is to be said.
            to: channels as `account:native-id`.
            when: a trigger, such as `Cron("0 20 * * fri", tz="Asia/Shanghai")`.
            name: by which people find the schedule.
            priority: which goes first when a limit makes them wait.
            on_unknown: instead of the platform's own default.
            needs_approval: each occurrence waits for `deliveries.approve`.
            late: what to do with an occurrence that could not begin in time; the settings' when not given.
            grace: how late it may begin; the settings' when neither it nor `late` is given.
            overlap: what to do with an occurrence that comes while the one before it still runs.
            catch_up: how many missed occurrences are made up for, the latest ones.
            idempotency_key: making it again under the same key gives the first one.

        Raises:
            UnknownName: an account does not exist.
            InvalidInput: a channel is malformed, the name is taken, or the trigger has nothing to come.
            NotSupported: the content cannot be said on a platform in any form.
        """
        settings = self._workspace.settings.delivery
        refs = tuple(ChannelRef.parse(channel) for channel in to)
        scheduler = await self._workspace.scheduler()
        publishing = await self._workspace.publishing()
        for ref in refs:
            self._workspace.accounts.account(ref.account)
            publishing.preview(content, ref)
        from shequn_sdk.errors import InvalidInput
        from shequn_sdk.scheduling.models import Overlapping

        if not refs:
            raise InvalidInput("to is empty: name at least one channel")
        if late is None and grace is None:
            grace = timedelta(minutes=settings.grace_minutes)
        return await scheduler.create(
            PUBLISH,
            when=when,
            arguments=PublishArguments(
                content=content,
                to=refs,
                priority=priority,
                on_unknown=on_unknown,
                needs_approval=needs_approval,
            ),
            name=name,
            late=late or settings.late,
            grace=grace,
            overlap=Overlapping(overlap),
            catch_up=catch_up,
            idempotency_key=idempotency_key,
        )

    async def report(
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
        """Deliver a report (周报) whenever `when` says: a brief, and the overview picture where the channel takes one.

        It speaks of the local days before the occurrence, also when it is late. Without the extra [report], or without a
        font for it, the brief goes alone.

        Args:
            to: channels as `account:native-id`.
            when: a trigger, such as `Cron("0 9 * * mon", tz="Asia/Shanghai")`.
            community: not needed when there is one.
            days: how many days it speaks of.
            language: zh or en.
            title: the community's when not given.
            picture: whether to send a picture at all.
            needs_approval: each one waits for `deliveries.approve`.
            name: by which people find the schedule.
            late: what to do with an occurrence that could not begin in time.
            grace: how late it may begin.
            idempotency_key: making it again under the same key gives the first one.

        Raises:
            UnknownName: an account or the community does not exist.
            InvalidInput: a channel is malformed, none is given, or the trigger has nothing to come.
            NotSupported: nothing can be said in one of the channels.
        """
        from pydantic import ValidationError

        from shequn_sdk.client.report_schedule import REPORT, ReportArguments
        from shequn_sdk.errors import InvalidInput

        refs = tuple(ChannelRef.parse(channel) for channel in to)
        scheduler = await self._workspace.scheduler()
        publishing = await self._workspace.publishing()
        self._workspace.community(community or None)
        for ref in refs:
            self._workspace.accounts.account(ref.account)
            publishing.preview(Content(text=title or REPORT), ref)
        try:
            arguments = ReportArguments(
                to=refs,
                community=community,
                days=days,
                language=language,
                title=title,
                picture=picture,
                needs_approval=needs_approval,
            )
        except ValidationError as error:
            fault = error.errors()[0]
            raise InvalidInput(f"a report cannot be scheduled: {fault['loc'][0]}: {fault['msg']}") from error
        return await scheduler.create(
            REPORT,
            when=when,
            arguments=arguments,
            name=name,
            late=late,
            grace=grace,
            idempotency_key=idempotency_key,
        )

    async def create(
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
        """Call a handler of yours whenever `when` says; see `publish` for the arguments.

        Raises:
            UnknownName: no handler has that name.
            InvalidInput: the arguments do not fit it, the name is taken, or the trigger has nothing to come.
        """
        from shequn_sdk.scheduling.models import Overlapping

        return await (await self._workspace.scheduler()).create(
            handler,
            when=when,
            arguments=arguments,
            name=name,
            late=late,
            grace=grace,
            overlap=Overlapping(overlap),
            catch_up=catch_up,
            idempotency_key=idempotency_key,
        )

    async def list(self, *, limit: int = 100, ended: bool = False) -> Sequence[Schedule]:
        """Give schedules by the time they were made; with `ended` those that ended or were cancelled, too."""
        from shequn_sdk.scheduling.models import ScheduleState

        states = tuple(ScheduleState) if ended else (ScheduleState.ACTIVE, ScheduleState.PAUSED)
        return await (await self._workspace.scheduler()).list(states=states, limit=limit)

    async def get(self, schedule: str) -> Schedule:
        """Give one by its id or its name.

        Raises:
            UnknownName: there is none.
        """
        return await (await self._workspace.scheduler()).get(schedule)

    async def upcoming(self, count: int = 20, *, until: datetime | None = None) -> Sequence[Upcoming]:
        """Give the next occurrences of all schedules, by their due instants."""
        return await (await self._workspace.scheduler()).upcoming(count, until=until)

    async def history(
        self, schedule: str | None = None, *, states: Sequence[RunState] = (), limit: int = 100
    ) -> Sequence[Run]:
        """Give what became of occurrences, latest first.

        Raises:
            UnknownName: there is no such schedule.
        """
        scheduler = await self._workspace.scheduler()
        return await scheduler.history(schedule=schedule, states=states, limit=limit)

    async def dead_letters(self, *, limit: int = 100) -> Sequence[Run]:
        """Give the occurrences that wait for a person: failed, parked, or too late and to be asked about."""
        return await (await self._workspace.scheduler()).dead_letters(limit=limit)

    async def retry(self, run: int) -> None:
        """Let a dead letter run again.

        Raises:
            UnknownName: there is no such occurrence.
            InvalidInput: it is no dead letter.
        """
        await (await self._workspace.scheduler()).retry(run)

    async def dismiss(self, run: int) -> None:
        """Put a dead letter aside.

        Raises:
            UnknownName: there is no such occurrence.
            InvalidInput: it is no dead letter.
        """
        await (await self._workspace.scheduler()).dismiss(run)

    async def pause(self, schedule: str) -> Schedule:
        """Stop firing until `resume`.

        Raises:
            UnknownName: there is no such schedule.
            InvalidInput: it has ended or was cancelled.
        """
        return await (await self._workspace.scheduler()).pause(schedule)

    async def resume(self, schedule: str) -> Schedule:
        """Go on from now; the pause is not made up for.

        Raises:
            UnknownName: there is no such schedule.
            InvalidInput: it has ended or was cancelled.
        """
        return await (await self._workspace.scheduler()).resume(schedule)

    async def reschedule(self, schedule: str, *, when: Trigger) -> Schedule:
        """Give a schedule another trigger, from now on.

        Raises:
            UnknownName: there is no such schedule.
            InvalidInput: it was cancelled, or the trigger has nothing to come.
        """
        return await (await self._workspace.scheduler()).reschedule(schedule, when=when)

    async def cancel(self, schedule: str) -> Schedule:
        """End a schedule for good; its history stays.

        Raises:
            UnknownName: there is no such schedule.
        """
        return await (await self._workspace.scheduler()).cancel(schedule)

    async def tick(self) -> int:
        """Fire what is due now; gives the number of occurrences. `run`, `deliver` and `deliver_due` do it themselves."""
        return await (await self._workspace.scheduler()).tick()
