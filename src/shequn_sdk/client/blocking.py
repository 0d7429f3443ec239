"""The blocking twin: the same methods over one background event loop."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from shequn_sdk.client._twin import Twin
from shequn_sdk.client.channels import AsyncChannelHandle
from shequn_sdk.client.facets import AsyncDeliveries, AsyncMetrics
from shequn_sdk.client.rooms import Rooms
from shequn_sdk.client.schedules import Schedules
from shequn_sdk.client.shequn import AsyncShequn
from shequn_sdk.domain import (
    Account,
    Channel,
    ChannelRef,
    Clock,
    Community,
    Content,
    Delivery,
    DeliveryState,
    Grain,
    Interaction,
    LatePolicy,
    Membership,
    MetricResult,
    OnUnknown,
    PollResult,
    Priority,
    Receipt,
    Transition,
)
from shequn_sdk.errors import ConfigError
from shequn_sdk.platforms.accounts import Accounts
from shequn_sdk.platforms.discovery import Plugins
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Invite, PostNumbers
from shequn_sdk.settings import Settings

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.listening.importers.job import ImportResult, Progress
    from shequn_sdk.members.filters import Filter
    from shequn_sdk.metrics.diagnosis import Finding
    from shequn_sdk.metrics.goals import Goal, GoalProgress
    from shequn_sdk.metrics.model import Metric, Segment
    from shequn_sdk.publishing.preview import Explanation, Preview, Verdict
    from shequn_sdk.reports.model import GoalLine, Report
    from shequn_sdk.scheduling.models import Schedule
    from shequn_sdk.scheduling.triggers import Trigger

__all__ = ["ChannelHandle", "Deliveries", "Metrics", "Shequn"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


class Deliveries(Twin):
    """The blocking twin of `AsyncDeliveries`."""

    def __init__(self, inner: AsyncDeliveries, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def list(
        self,
        *,
        states: Sequence[DeliveryState] = (),
        channel: ChannelRef | str | None = None,
        content: str | None = None,
        after: int | None = None,
        limit: int = 100,
        order: Literal["newest", "oldest"] = "newest",
    ) -> Sequence[Delivery]:
        """See `AsyncDeliveries.list`."""
        return self._do(
            self._inner.list,
            states=states,
            channel=channel,
            content=content,
            after=after,
            limit=limit,
            order=order,
        )

    def get(self, delivery: int) -> Delivery:
        """See `AsyncDeliveries.get`."""
        return self._do(self._inner.get, delivery)

    def history(self, delivery: int) -> Sequence[Transition]:
        """See `AsyncDeliveries.history`."""
        return self._do(self._inner.history, delivery)

    def counts(self) -> Mapping[DeliveryState, int]:
        """See `AsyncDeliveries.counts`."""
        return self._do(self._inner.counts)

    def retry(self, delivery: int) -> Delivery:
        """See `AsyncDeliveries.retry`."""
        return self._do(self._inner.retry, delivery)

    def cancel(self, delivery: int) -> Delivery:
        """See `AsyncDeliveries.cancel`."""
        return self._do(self._inner.cancel, delivery)

    def approve(self, delivery: int, *, by: str) -> Delivery:
        """See `AsyncDeliveries.approve`."""
        return self._do(self._inner.approve, delivery, by=by)

    def resolve(self, delivery: int, *, landed: bool, native_id: str = "") -> Delivery:
        """See `AsyncDeliveries.resolve`."""
        return self._do(self._inner.resolve, delivery, landed=landed, native_id=native_id)

    def export(self, form: Literal["jsonl", "json", "csv"] = "jsonl") -> str:
        """See `AsyncDeliveries.export`."""
        return self._do(self._inner.export, form)


class Metrics(Twin):
    """The blocking twin of `AsyncMetrics`."""

    def __init__(self, inner: AsyncMetrics, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def compute(
        self,
        name: str,
        *,
        community: str | None = None,
        start: date | None = None,
        end: date | None = None,
        last: timedelta | None = None,
        grain: Grain | str | None = None,
        by: Sequence[str] = (),
        where: Segment | None = None,
        compare: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> MetricResult:
        """See `AsyncMetrics.compute`."""
        return self._do(
            self._inner.compute,
            name,
            community=community,
            start=start,
            end=end,
            last=last,
            grain=grain,
            by=by,
            where=where,
            compare=compare,
            params=params,
        )

    def assess(self, goal: Goal, *, community: str | None = None) -> GoalProgress:
        """See `AsyncMetrics.assess`."""
        return self._do(self._inner.assess, goal, community=community)

    def diagnose(
        self, *, community: str | None = None, last: timedelta = timedelta(days=56)
    ) -> Sequence[Finding]:
        """See `AsyncMetrics.diagnose`."""
        return self._do(self._inner.diagnose, community=community, last=last)

    def list(self) -> Sequence[Metric]:
        """See `AsyncMetrics.list`."""
        return self._do(self._inner.list)


class ChannelHandle(Twin):
    """The blocking twin of `AsyncChannelHandle`."""

    def __init__(self, inner: AsyncChannelHandle, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn.channel`."""
        super().__init__(portal)
        self._inner = inner
        self.ref = inner.ref

    @property
    def manifest(self) -> Manifest:
        """What the account can do."""
        return self._inner.manifest

    def info(self) -> Channel:
        """See `AsyncChannelHandle.info`."""
        return self._do(self._inner.info)

    def count_members(self) -> int:
        """See `AsyncChannelHandle.count_members`."""
        return self._do(self._inner.count_members)

    def get_member(self, member: str) -> Membership:
        """See `AsyncChannelHandle.get_member`."""
        return self._do(self._inner.get_member, member)

    def iter_members(self) -> Iterator[Membership]:
        """See `AsyncChannelHandle.iter_members`."""
        return self._each(self._inner.iter_members())

    def iter_history(self, *, since: datetime | None = None) -> Iterator[Interaction]:
        """See `AsyncChannelHandle.iter_history`."""
        return self._each(self._inner.iter_history(since=since))

    def search(self, query: str) -> Iterator[Interaction]:
        """See `AsyncChannelHandle.search`."""
        return self._each(self._inner.search(query))

    def edit(self, message: str, content: Content) -> None:
        """See `AsyncChannelHandle.edit`."""
        self._do(self._inner.edit, message, content)

    def delete(self, message: str) -> None:
        """See `AsyncChannelHandle.delete`."""
        self._do(self._inner.delete, message)

    def pin(self, message: str) -> None:
        """See `AsyncChannelHandle.pin`."""
        self._do(self._inner.pin, message)

    def unpin(self, message: str) -> None:
        """See `AsyncChannelHandle.unpin`."""
        self._do(self._inner.unpin, message)

    def react(self, message: str, emoji: str) -> None:
        """See `AsyncChannelHandle.react`."""
        self._do(self._inner.react, message, emoji)

    def close_poll(self, message: str) -> PollResult:
        """See `AsyncChannelHandle.close_poll`."""
        return self._do(self._inner.close_poll, message)

    def get_poll(self, message: str) -> PollResult:
        """See `AsyncChannelHandle.get_poll`."""
        return self._do(self._inner.get_poll, message)

    def get_post_numbers(self, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """See `AsyncChannelHandle.get_post_numbers`."""
        return self._do(self._inner.get_post_numbers, messages)

    def comment(self, message: str, text: str, *, reply_to: str = "") -> str:
        """See `AsyncChannelHandle.comment`."""
        return self._do(self._inner.comment, message, text, reply_to=reply_to)

    def delete_comment(self, message: str, comment: str) -> None:
        """See `AsyncChannelHandle.delete_comment`."""
        self._do(self._inner.delete_comment, message, comment)

    def iter_comments(self, message: str) -> Iterator[Interaction]:
        """See `AsyncChannelHandle.iter_comments`."""
        return self._each(self._inner.iter_comments(message))

    def restrict(self, member: str, *, until: datetime | None, reason: str = "") -> None:
        """See `AsyncChannelHandle.restrict`."""
        self._do(self._inner.restrict, member, until=until, reason=reason)

    def unrestrict(self, member: str) -> None:
        """See `AsyncChannelHandle.unrestrict`."""
        self._do(self._inner.unrestrict, member)

    def kick(self, member: str, *, reason: str = "") -> None:
        """See `AsyncChannelHandle.kick`."""
        self._do(self._inner.kick, member, reason=reason)

    def ban(self, member: str, *, until: datetime | None = None, reason: str = "") -> None:
        """See `AsyncChannelHandle.ban`."""
        self._do(self._inner.ban, member, until=until, reason=reason)

    def unban(self, member: str) -> None:
        """See `AsyncChannelHandle.unban`."""
        self._do(self._inner.unban, member)

    def set_slow_mode(self, delay: timedelta) -> None:
        """See `AsyncChannelHandle.set_slow_mode`."""
        self._do(self._inner.set_slow_mode, delay)

    def grant_role(self, member: str, role: str) -> None:
        """See `AsyncChannelHandle.grant_role`."""
        self._do(self._inner.grant_role, member, role)

    def revoke_role(self, member: str, role: str) -> None:
        """See `AsyncChannelHandle.revoke_role`."""
        self._do(self._inner.revoke_role, member, role)

    def open_topic(self, title: str) -> ChannelRef:
        """See `AsyncChannelHandle.open_topic`."""
        return self._do(self._inner.open_topic, title)

    def close_topic(self, topic: str) -> None:
        """See `AsyncChannelHandle.close_topic`."""
        self._do(self._inner.close_topic, topic)

    def create_invite(
        self,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Invite:
        """See `AsyncChannelHandle.create_invite`."""
        return self._do(
            self._inner.create_invite,
            name=name,
            expires_at=expires_at,
            max_uses=max_uses,
            needs_approval=needs_approval,
        )

    def revoke_invite(self, invite: str) -> None:
        """See `AsyncChannelHandle.revoke_invite`."""
        self._do(self._inner.revoke_invite, invite)

    def approve_join(self, member: str) -> None:
        """See `AsyncChannelHandle.approve_join`."""
        self._do(self._inner.approve_join, member)

    def decline_join(self, member: str) -> None:
        """See `AsyncChannelHandle.decline_join`."""
        self._do(self._inner.decline_join, member)

    def direct_channel(self, member: str) -> ChannelRef:
        """See `AsyncChannelHandle.direct_channel`."""
        return self._do(self._inner.direct_channel, member)


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
