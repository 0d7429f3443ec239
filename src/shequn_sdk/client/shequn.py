"""`AsyncShequn`: a workspace in one object."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from zoneinfo import ZoneInfo

import anyio

from shequn_sdk.client.channels import AsyncChannelHandle
from shequn_sdk.client.facets import AsyncDeliveries, AsyncMetrics
from shequn_sdk.client.rooms import AsyncRooms
from shequn_sdk.client.schedules import AsyncSchedules
from shequn_sdk.client.workspace import Workspace, temporary_home
from shequn_sdk.domain import (
    Account,
    ChannelRef,
    Clock,
    Community,
    Content,
    LatePolicy,
    MemberRef,
    OnUnknown,
    Priority,
    Receipt,
)
from shequn_sdk.errors import ConfigError, UnknownName
from shequn_sdk.platforms.accounts import Accounts
from shequn_sdk.platforms.discovery import Plugins, load_plugins
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.scheduling.clock import SystemClock
from shequn_sdk.settings import Settings, load_settings

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.listening.importers.job import ImportResult, Progress
    from shequn_sdk.members.filters import Filter
    from shequn_sdk.publishing.preview import Explanation, Preview, Verdict
    from shequn_sdk.reports.model import GoalLine, Report
    from shequn_sdk.scheduling.models import Schedule
    from shequn_sdk.scheduling.triggers import Trigger

__all__ = ["AsyncShequn", "days"]

F = TypeVar("F", bound=Callable[..., object])


def days(number: int) -> timedelta:
    """Give a span of so many days; reads well as `last=days(90)`."""
    return timedelta(days=number)


class AsyncShequn(AsyncRooms):
    """A workspace: its accounts, what it sends, what it hears, what it measures (社群工作台).

    Use `open` in `async with`. Nothing is opened, connected or created before it is needed.

    ```python
    async with AsyncShequn.open("shequn.toml") as sq:
        receipts = await sq.publish(Content(text="今晚八点直播"), to=["health_bot:-100123"])
    ```
    """

    def __init__(self, workspace: Workspace, *, stack: AsyncExitStack) -> None:
        """Made by `open`."""
        self._workspace = workspace
        self._stack = stack
        self.deliveries = AsyncDeliveries(workspace)
        self.metrics = AsyncMetrics(workspace)
        self.schedules = AsyncSchedules(workspace)

    @classmethod
    def open(
        cls,
        source: Path | str | None = None,
        *,
        home: Path | str | None = None,
        accounts: Iterable[Account] = (),
        communities: Iterable[Community] = (),
        clock: Clock | None = None,
        plugins: Plugins | None = None,
        transport: Any = None,
        timeout: float = 30.0,
    ) -> Self:
        """Name a workspace; `async with` opens it.

        Args:
            source: a `shequn.toml`, or the directory that holds it.
            home: the workspace's directory, instead of `source`. With neither, `accounts` live in a temporary
                workspace that is removed at the end; without accounts it is this directory.
            accounts: further accounts, beside those of the settings.
            communities: further communities.
            clock: the source of time; the machine's when not given.
            plugins: what `load_plugins` gave; loaded from what is installed when not given.
            transport: an httpx transport to use instead of the network, for tests.
            timeout: seconds for one request to a platform.

        Raises:
            ConfigError: the settings are wrong.
        """
        stack = AsyncExitStack()
        accounts, communities = tuple(accounts), tuple(communities)
        if source is not None:
            if home is not None:
                raise ConfigError("give either a settings file or home, not both")
            path = Path(source)
            if path.suffix == ".toml" and not path.is_file():
                raise ConfigError(f"{path} does not exist: make one with `shequn init`")
            home = path.parent if path.suffix == ".toml" else path
        if home is None:
            home = temporary_home(stack) if accounts else Path()
        settings = load_settings(home)
        settings = settings.model_copy(
            update={
                "accounts": (*settings.accounts, *accounts),
                "communities": (*settings.communities, *communities),
            }
        )
        clock = clock or SystemClock()
        plugins = plugins or load_plugins(only=settings.plugins)
        context = AdapterContext(
            clock=clock,
            transport=transport,
            timeout=timeout,
            private_hosts=frozenset(settings.private_hosts),
        )
        return cls(Workspace(settings, plugins=plugins, clock=clock, context=context), stack=stack)

    async def __aenter__(self) -> Self:
        """Open the accounts; makes no request."""
        await self._stack.__aenter__()
        await self._stack.enter_async_context(self._workspace)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything that was opened."""
        await self._stack.__aexit__(kind, error, trace)

    # -- what there is

    @property
    def settings(self) -> Settings:
        """The workspace's settings."""
        return self._workspace.settings

    @property
    def plugins(self) -> Plugins:
        """What plugins offer."""
        return self._workspace.plugins

    @property
    def accounts(self) -> Accounts:
        """The accounts with their adapters and manifests."""
        return self._workspace.accounts

    def channel(self, channel: ChannelRef | str) -> AsyncChannelHandle:
        """Give a handle for everything that can be done in one channel.

        Raises:
            InvalidInput: `channel` is no `account:native-id`.
            UnknownName: there is no such account.
        """
        ref = ChannelRef.parse(channel)
        self.accounts.account(ref.account)
        return AsyncChannelHandle(ref, self.accounts)

    def local(self, naive: datetime, channel: ChannelRef | str) -> datetime:
        """Give the instant of a local time in the zone of a channel's community; aware times stay as they are."""
        if naive.tzinfo is not None:
            return naive
        community = self.settings.community_of(ChannelRef.parse(channel)) or self._workspace.community(None)
        return naive.replace(tzinfo=ZoneInfo(community.zone if community else "UTC"))

    # -- OUT

    async def publish(
        self,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        at: datetime | None = None,
        priority: Priority = Priority.NORMAL,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown | None = None,
        needs_approval: bool = False,
        timeout: float | None = 60.0,
    ) -> list[Receipt]:
        """Publish to channels; gives one outcome per channel, in the order of `to`.

        A refused or dead channel does not hide the others, and what nobody knows is reported as unknown, never as
        success or failure. Everything is in the ledger before the first request.

        Args:
            content: what is to be said; it is fitted to each platform.
            to: channels as `account:native-id`.
            at: aware instant; later than now plans the deliveries and returns at once with status pending.
            priority: which goes first when a limit makes them wait.
            idempotency_key: publishing again with the same key sends nothing and gives the first outcomes.
            on_unknown: instead of the platform's own default.
            needs_approval: wait for `deliveries.approve`.
            timeout: seconds to wait for outcomes; what is not settled by then is pending.

        Raises:
            UnknownName: an account does not exist.
            InvalidInput: a channel is malformed, or `at` is naive.
            NotSupported: the content cannot be said on a platform in any form.
        """
        settings = self.settings.delivery
        publishing = await self._workspace.publishing()
        return await publishing.publish(
            content,
            [ChannelRef.parse(channel) for channel in to],
            at=at,
            priority=priority,
            idempotency_key=idempotency_key,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            timeout=timedelta(seconds=timeout) if timeout is not None else None,
            late=settings.late,
            grace=timedelta(minutes=settings.grace_minutes),
        )

    async def preview(self, content: Content, *, to: Sequence[ChannelRef | str]) -> list[Preview]:
        """Show what a content becomes in each channel: its messages as text, page and picture; sends nothing.

        Files on this machine are read, checked and converted as they would be for sending.

        Raises:
            UnknownName: an account does not exist.
            InvalidInput: a channel is malformed, or there is none.
        """
        from shequn_sdk.publishing.preview import look

        return await look(content, self.accounts, to)

    async def explain(self, content: Content, *, to: Sequence[ChannelRef | str]) -> list[Explanation]:
        """Say what is changed about a content for each channel, and why; errors as for `preview`."""
        from shequn_sdk.publishing.preview import Explanation, look

        return [
            Explanation(
                channel=one.channel,
                platform=one.platform,
                messages=len(one.pieces),
                changes=one.changes,
                problems=one.problems,
            )
            for one in await look(content, self.accounts, to)
        ]

    async def check(self, content: Content, *, to: Sequence[ChannelRef | str]) -> list[Verdict]:
        """Say whether a content can be sent to each channel, and what stands against it; errors as for `preview`."""
        from shequn_sdk.publishing.preview import Verdict, look

        return [
            Verdict(channel=one.channel, platform=one.platform, problems=one.problems)
            for one in await look(content, self.accounts, to)
        ]

    async def schedule(
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
        idempotency_key: str | None = None,
    ) -> Schedule:
        """Publish a content whenever `when` says; the same as `schedules.publish`, where the arguments are explained.

        ```python
        await sq.schedule(content, to=["health_bot:-100123"], when=Cron("0 20 * * fri", tz="Asia/Shanghai"))
        ```

        Raises:
            UnknownName: an account does not exist.
            InvalidInput: a channel is malformed, the name is taken, or the trigger has nothing to come.
            NotSupported: the content cannot be said on a platform in any form.
        """
        return await self.schedules.publish(
            content,
            to=to,
            when=when,
            name=name,
            priority=priority,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            late=late,
            grace=grace,
            idempotency_key=idempotency_key,
        )

    async def deliver(self) -> None:
        """Fire schedules and deliver what is due, until cancelled. Several processes may do this at once."""
        await self._workspace.awaited_store()
        publishing = await self._workspace.publishing()
        scheduler = await self._workspace.scheduler()
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._stop_on_signal, stop)
            group.start_soon(scheduler.run, stop)
            await publishing.run(stop, concurrency=self.settings.delivery.concurrency)
            group.cancel_scope.cancel()

    def on_notice(self, listener: F) -> F:
        """Call `listener` with each `publishing.Notice`: unknowns, hand-overs, what is overdue; usable as a decorator.

        The process that wrote the delivery down calls it. It may be a coroutine function; a blocking one should be
        quick. `delivery.notify` in the settings posts the same to a channel.
        """
        self._workspace.add_notice_listener(listener)
        return listener

    # -- IN

    def on(
        self,
        *names: str,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
        include_bots: bool = False,
        text: str = "",
        keywords: Sequence[str] = (),
        segment: Filter | str | None = None,
        where: Callable[[Heard], bool] | None = None,
        name: str = "",
    ) -> Callable[[F], F]:
        """Register a handler for events such as `message` or `member.joined`; see `listening.Dispatcher.on`.

        The handler takes one `listening.events.Heard`, and may be a coroutine function or block.

        Args:
            names: event names; none means `message`.
            channel: only events of this channel.
            community: only events of this community.
            include_bots: also what bots do, perhaps ourselves.
            text: only when this pattern is found in the text, whatever the case.
            keywords: only when at least one is in the text, whatever the case.
            segment: only of members in this segment: a filter, or the name of a saved one.
            where: only when this function gives true.
            name: name in dead letters; the function's own by default.

        Raises:
            InvalidInput: `text` is no pattern, or a keyword is empty.
        """
        from shequn_sdk.listening.filters import narrowed

        async def inside(heard: Heard) -> bool:
            if heard.community is None or not heard.interaction.member or segment is None:
                return False
            ref = MemberRef(platform=heard.interaction.platform, native_id=heard.interaction.member)
            try:
                return await self.segments.contains(segment, ref, community=heard.community)
            except UnknownName as error:
                if error.kind == "member":
                    return False
                raise

        def register(function: F) -> F:
            handler = narrowed(
                function,
                text=text,
                keywords=keywords,
                where=where,
                inside=inside if segment is not None else None,
            )
            self._workspace.add_handler(
                lambda dispatcher: dispatcher.on(
                    *names, channel=channel, community=community, include_bots=include_bots, name=name
                )(handler)
            )
            return function

        return register

    async def poll_once(self, *accounts: str) -> int:
        """Receive what waits at the platforms, once per account; gives the number of new events.

        Args:
            accounts: names; all that have a source when none is given.
        """
        sources = await self._workspace.sources()
        names = accounts or sources.names()
        return sum([(await sources.poll_once(name)).new for name in names])

    async def process(self) -> int:
        """Call the handlers for what was received; gives the number of interactions."""
        return (await (await self._workspace.dispatcher()).dispatch_pending()).interactions

    async def collect(self) -> int:
        """Put what was received into the event store; gives the number of interactions."""
        return (await (await self._workspace.dispatcher()).forward_pending()).interactions

    async def deliver_due(self) -> int:
        """Fire schedules and deliver what is due now, and return; gives the number of deliveries that were worked on."""
        await (await self._workspace.scheduler()).tick()
        return await (await self._workspace.publishing()).drain()

    async def drain(self) -> None:
        """Do everything that waits now: `process`, `deliver_due`, `collect`."""
        await self.process()
        await self.deliver_due()
        await self.collect()

    async def run(self, *, webhook_host: str = "127.0.0.1", webhook_port: int = 0) -> None:
        """Listen, dispatch and deliver until cancelled, or until SIGTERM or SIGINT, which finish what is under way.

        Args:
            webhook_host: address for inbound webhooks, health and numbers.
            webhook_port: port for `/hooks/{account}`, `/healthz`, `/readyz` and `/metrics`; 0 serves none.

        Raises:
            ConfigError: the extra `webhook` is needed and not installed.
        """
        await self._workspace.awaited_store()
        sources = await self._workspace.sources()
        dispatcher = await self._workspace.dispatcher()
        publishing = await self._workspace.publishing()
        scheduler = await self._workspace.scheduler()
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._stop_on_signal, stop)
            group.start_soon(scheduler.run, stop)
            group.start_soon(sources.run)
            group.start_soon(dispatcher.run)
            if webhook_port:
                group.start_soon(self._serve, webhook_host, webhook_port)
            await publishing.run(stop, concurrency=self.settings.delivery.concurrency)
            group.cancel_scope.cancel()

    async def webhook_app(self, *, prefix: str = "/hooks") -> Any:
        """Give the ASGI app that takes the platforms' webhooks, to be mounted in one of yours."""
        from shequn_sdk.listening.webhooks import webhook_app

        inbox = await self._workspace.inbox()
        return webhook_app(self.accounts, inbox, clock=self._workspace.clock, prefix=prefix)

    async def _serve(self, host: str, port: int) -> None:
        from shequn_sdk.client.serving import OperationsApp, serve

        await serve(OperationsApp(self._workspace, await self.webhook_app()), host=host, port=port)

    async def dashboard(
        self, *, community: str | None = None, language: str = "zh", port: int = 8088
    ) -> None:
        """Serve the live report to browsers on this machine, until cancelled.

        Raises:
            ConfigError: the port is taken, or the extra `webhook` is not installed.
        """
        from shequn_sdk.client.serving import serve
        from shequn_sdk.reports.dashboard import dashboard_app

        await serve(
            dashboard_app(lambda: self.report(community=community, language=language)),
            host="127.0.0.1",
            port=port,
        )

    @staticmethod
    async def _stop_on_signal(stop: anyio.Event) -> None:
        try:
            receiver = anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT)
        except (NotImplementedError, RuntimeError, ValueError):
            return
        try:
            with receiver as signals:
                async for _ in signals:
                    stop.set()
                    return
        except (NotImplementedError, RuntimeError, ValueError):
            return  # not the main thread, or a system without signals: cancelling stops us

    # -- LOOK

    def import_formats(self) -> Mapping[str, str]:
        """Give the formats that `import_history` reads, with a word about each."""
        from shequn_sdk.listening.importers.registry import Importers

        return {spec.name: spec.title for spec in Importers(self.plugins.importers.values()).list()}

    async def import_history(
        self,
        path: Path | str,
        *,
        format: str | None = None,  # noqa: A002 - the natural word
        community: str = "",
        zone: str = "",
        columns: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> ImportResult:
        """Import a community's history into the event store; a killed import goes on, a second one adds nothing.

        Args:
            path: the file.
            format: one of `import_formats()`; found out by looking at the file when not given.
            community: its name; not needed when the settings have one. A new name makes a community.
            zone: IANA zone of a new community and of times that say none; "" is the settings', else UTC.
            columns: field of an interaction to column of the file, for tables.
            options: further fields of `listening.importers.base.ImportOptions`.
            progress: called after each batch.

        Raises:
            InvalidInput: the file cannot be read as that format, or an option is wrong.
            StoreBusy: another process held the event store for too long.
        """
        from shequn_sdk.client.history import import_history

        return await import_history(
            self._workspace,
            Path(path),
            form=format,
            community=community,
            zone=zone,
            columns=dict(columns or {}),
            options=dict(options or {}),
            progress=progress,
        )

    async def report(
        self,
        *,
        community: str | None = None,
        language: str = "zh",
        last: timedelta | None = None,
        title: str = "",
        goals: Sequence[GoalLine] = (),
    ) -> Report:
        """Build the report of a community; `Report.write` makes files of it.

        Args:
            community: its name; not needed when there is one.
            language: `zh` or `en`.
            last: how far back from the newest event; everything when not given.
            title: instead of the community's own.
            goals: what is to be reached.
        """
        from shequn_sdk.client.reporting import build

        return await build(
            self._workspace,
            community=community,
            language=language,
            last=last,
            title=title,
            goals=tuple(goals),
        )

    # -- checks for `shequn doctor`

    async def check_store(self) -> str:
        """Open the operational store; gives a line for people."""
        await self._workspace.store()
        return f"{self.settings.store_url.split('@')[-1]} opens"

    async def check_inbox(self) -> str:
        """Open the inbox; gives a line for people."""
        stats = await (await self._workspace.inbox()).stats()
        return f"{stats.events} events kept"

    async def check_events(self) -> str:
        """Open the event store; gives a line for people."""
        events = await self._workspace.events()
        as_of = await events.data_as_of()
        return f"data as of {as_of.isoformat(timespec='seconds')}" if as_of else "empty"
