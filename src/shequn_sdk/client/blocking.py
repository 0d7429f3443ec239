"""The blocking twin: the same methods over one background event loop."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from shequn_sdk.client.rooms import Rooms
from shequn_sdk.client.rooms.channel import ChannelHandle
from shequn_sdk.client.rooms.deliveries import Deliveries
from shequn_sdk.client.rooms.metrics import Metrics
from shequn_sdk.client.rooms.schedules import Schedules
from shequn_sdk.client.shequn import AsyncShequn
from shequn_sdk.domain import (
    Account,
    ChannelRef,
    Clock,
    Community,
    Content,
    LatePolicy,
    OnUnknown,
    Priority,
    Receipt,
)
from shequn_sdk.errors import ConfigError
from shequn_sdk.platforms.accounts import Accounts
from shequn_sdk.platforms.discovery import Plugins
from shequn_sdk.settings import Settings

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.listening.importers.job import ImportResult, Progress
    from shequn_sdk.members.filters import Filter
    from shequn_sdk.publishing.preview import Explanation, Preview, Verdict
    from shequn_sdk.reports.model import GoalLine, Report
    from shequn_sdk.scheduling.models import Schedule
    from shequn_sdk.scheduling.triggers import Trigger

__all__ = ["Shequn"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


class Shequn(Rooms):
    """The blocking twin of `AsyncShequn`: one background event loop, one pool, the same methods.

    ```python
    with Shequn.open("shequn.toml") as sq:
        receipts = sq.publish(Content(text="今晚八点直播"), to=["health_bot:-100123"])
    ```
    """

    def __init__(self, inner: AsyncShequn) -> None:
        """Made by `open`."""
        super().__init__(self._opened)
        self._inner = inner
        self._rooms = inner
        self._running: BlockingPortal | None = None
        self._exit = ExitStack()
        self.deliveries = Deliveries(inner.deliveries, self._opened)
        self.metrics = Metrics(inner.metrics, self._opened)
        self.schedules = Schedules(inner.schedules, self._opened)

    def _opened(self) -> BlockingPortal:
        if self._running is None:
            raise ConfigError("the workspace is not open: use Shequn.open(...) in `with`")
        return self._running

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
        """See `AsyncShequn.open`."""
        return cls(
            AsyncShequn.open(
                source,
                home=home,
                accounts=accounts,
                communities=communities,
                clock=clock,
                plugins=plugins,
                transport=transport,
                timeout=timeout,
            )
        )

    def __enter__(self) -> Self:
        """Start the loop and open the accounts; makes no request."""
        with ExitStack() as stack:
            self._running = stack.enter_context(start_blocking_portal())
            stack.enter_context(self._running.wrap_async_context_manager(self._inner))
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything that was opened, and end the loop."""
        try:
            self._exit.__exit__(kind, error, trace)
        finally:
            self._running = None

    @property
    def settings(self) -> Settings:
        """The workspace's settings."""
        return self._inner.settings

    @property
    def plugins(self) -> Plugins:
        """What plugins offer."""
        return self._inner.plugins

    @property
    def accounts(self) -> Accounts:
        """The accounts with their manifests."""
        return self._inner.accounts

    def channel(self, channel: ChannelRef | str) -> ChannelHandle:
        """See `AsyncShequn.channel`."""
        return ChannelHandle(self._inner.channel(channel), self._opened)

    def local(self, naive: datetime, channel: ChannelRef | str) -> datetime:
        """See `AsyncShequn.local`."""
        return self._inner.local(naive, channel)

    def publish(
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
        """See `AsyncShequn.publish`."""
        return self._do(
            self._inner.publish,
            content,
            to=to,
            at=at,
            priority=priority,
            idempotency_key=idempotency_key,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            timeout=timeout,
        )

    def preview(self, content: Content, *, to: Sequence[ChannelRef | str]) -> list[Preview]:
        """See `AsyncShequn.preview`."""
        return self._do(self._inner.preview, content, to=to)

    def explain(self, content: Content, *, to: Sequence[ChannelRef | str]) -> list[Explanation]:
        """See `AsyncShequn.explain`."""
        return self._do(self._inner.explain, content, to=to)

    def check(self, content: Content, *, to: Sequence[ChannelRef | str]) -> list[Verdict]:
        """See `AsyncShequn.check`."""
        return self._do(self._inner.check, content, to=to)

    def schedule(
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
        """See `AsyncShequn.schedule`."""
        return self._do(
            self._inner.schedule,
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

    def deliver(self) -> None:
        """See `AsyncShequn.deliver`."""
        self._do(self._inner.deliver)

    def on_notice(self, listener: F) -> F:
        """See `AsyncShequn.on_notice`; it is called in the background thread and should be quick."""
        return self._inner.on_notice(listener)

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
        """See `AsyncShequn.on`; blocking handlers run on threads of their own."""
        return self._inner.on(
            *names,
            channel=channel,
            community=community,
            include_bots=include_bots,
            text=text,
            keywords=keywords,
            segment=segment,
            where=where,
            name=name,
        )

    def poll_once(self, *accounts: str) -> int:
        """See `AsyncShequn.poll_once`."""
        return self._do(self._inner.poll_once, *accounts)

    def process(self) -> int:
        """See `AsyncShequn.process`."""
        return self._do(self._inner.process)

    def collect(self) -> int:
        """See `AsyncShequn.collect`."""
        return self._do(self._inner.collect)

    def deliver_due(self) -> int:
        """See `AsyncShequn.deliver_due`."""
        return self._do(self._inner.deliver_due)

    def drain(self) -> None:
        """See `AsyncShequn.drain`."""
        self._do(self._inner.drain)

    def run(self, *, webhook_host: str = "127.0.0.1", webhook_port: int = 0) -> None:
        """See `AsyncShequn.run`."""
        self._do(self._inner.run, webhook_host=webhook_host, webhook_port=webhook_port)

    def webhook_app(self, *, prefix: str = "/hooks") -> Any:
        """See `AsyncShequn.webhook_app`; the app itself is asynchronous."""
        return self._do(self._inner.webhook_app, prefix=prefix)

    def dashboard(self, *, community: str | None = None, language: str = "zh", port: int = 8088) -> None:
        """See `AsyncShequn.dashboard`."""
        self._do(self._inner.dashboard, community=community, language=language, port=port)

    def import_formats(self) -> Mapping[str, str]:
        """See `AsyncShequn.import_formats`."""
        return self._inner.import_formats()

    def import_history(
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
        """See `AsyncShequn.import_history`."""
        return self._do(
            self._inner.import_history,
            path,
            format=format,
            community=community,
            zone=zone,
            columns=columns,
            options=options,
            progress=progress,
        )

    def report(
        self,
        *,
        community: str | None = None,
        language: str = "zh",
        last: timedelta | None = None,
        title: str = "",
        goals: Sequence[GoalLine] = (),
    ) -> Report:
        """See `AsyncShequn.report`."""
        return self._do(
            self._inner.report, community=community, language=language, last=last, title=title, goals=goals
        )

    def check_store(self) -> str:
        """See `AsyncShequn.check_store`."""
        return self._do(self._inner.check_store)

    def check_inbox(self) -> str:
        """See `AsyncShequn.check_inbox`."""
        return self._do(self._inner.check_inbox)

    def check_events(self) -> str:
        """See `AsyncShequn.check_events`."""
        return self._do(self._inner.check_events)
