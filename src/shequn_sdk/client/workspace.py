"""The rooms of a workspace, opened when they are first entered and closed together."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

import anyio
from pydantic import BaseModel

from shequn_sdk.client.registry import NUMBERS, ROOMS
from shequn_sdk.domain import Clock, Community, Interaction, InteractionBatch, MemberRef, PrivacySettings
from shequn_sdk.errors import ConfigError, InvalidInput, ShequnError, StoreBusy, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.listening.texts import with_texts
from shequn_sdk.platforms.accounts import Accounts
from shequn_sdk.platforms.discovery import Plugins
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.settings import Settings

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.inbox import Inbox
    from shequn_sdk.listening.sources import SourceRunner
    from shequn_sdk.metrics.service import Metrics
    from shequn_sdk.metrics.store import EventStore
    from shequn_sdk.metrics.store.aio import AsyncEventStore
    from shequn_sdk.publishing.notices import Listener
    from shequn_sdk.publishing.service import EngineFactory, Publishing
    from shequn_sdk.scheduling.scheduler import Scheduler
    from shequn_sdk.stores.store import Store

__all__ = ["Workspace"]

_log = logging.getLogger(__name__)
_PATIENCE = 60.0
"""Seconds for which a worker waits for a locked store before it ends."""

T = TypeVar("T")
R = TypeVar("R", bound=Room)


class Workspace:
    """One workspace's stores and services. Each is opened by its first use; nothing is opened that is not used."""

    def __init__(
        self, settings: Settings, *, plugins: Plugins, clock: Clock, context: AdapterContext
    ) -> None:
        """Know the settings; opens nothing."""
        self.settings = settings
        self.plugins = plugins
        self.clock = clock
        self.sync: Literal["full", "normal"] = "full"
        """Of the store and the inbox, where they are files: see `Store.open`. Set it before they are opened."""
        self.on: Literal["threads", "loop"] = "threads"
        """Where both are used; the same. On the loop the process is alone: the event store's file stays open as well."""
        self.accounts = Accounts(settings.accounts, plugins=plugins, context=context)
        self._rooms: dict[str, Any] = {}
        self._subjects: dict[type[Room], Room] = {}
        self._known: set[str] = set()
        self._handlers: list[Callable[[Dispatcher], object]] = []
        self._notice_listeners: list[Listener] = []
        self._schedule_handlers: list[Callable[[Scheduler], object]] = []
        self._stack = AsyncExitStack()
        self._lock: anyio.Lock | None = None

    async def __aenter__(self) -> Self:
        """Open the accounts, which makes no request."""
        self._lock = anyio.Lock()
        await self._stack.__aenter__()
        await self._stack.enter_async_context(self.accounts)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened, in reverse order."""
        await self._stack.__aexit__(kind, error, trace)
        self._rooms.clear()
        self._subjects.clear()

    @property
    def home(self) -> Path:
        """The workspace's directory."""
        return self.settings.home

    @property
    def communities(self) -> Sequence[Community]:
        """The communities of the settings."""
        return self.settings.communities

    @property
    def privacy(self) -> PrivacySettings:
        """How much of members is kept, and for how long."""
        return self.settings.privacy

    def room(self, kind: type[R]) -> R:
        """Give the workspace's only room of that kind."""
        ready = self._subjects.get(kind)
        if ready is None:
            ready = self._subjects.setdefault(kind, kind(self))
            if (add := getattr(ready, "add_numbers", None)) is not None:
                for source, where in NUMBERS.items():
                    add(source, partial(self._numbers, where))
        return cast("R", ready)

    async def _numbers(self, where: str, community: str) -> Mapping[MemberRef, float]:
        """Ask a room, which is entered only now, for a number per member."""
        module, _, kind = where.partition(":")
        return await self.room(getattr(import_module(module), kind)).numbers(community=community)

    def _all_rooms(self) -> list[Room]:
        """Give the rooms that listen and serve: those that the settings name, or all."""
        chosen = ROOMS if self.settings.rooms is None else self.settings.rooms
        rooms: list[Room] = []
        for name in chosen:
            where = ROOMS.get(name)
            if where is None:
                raise UnknownName("room", name, nearest=tuple(ROOMS))
            module, _, kind = where.partition(":")
            rooms.append(self.room(getattr(import_module(module), kind)))
        return rooms

    async def _room(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        ready = self._rooms.get(name)
        if ready is None:
            if self._lock is None:
                raise InvalidInput("the workspace is not open: use AsyncShequn.open(...) in `async with`")
            if name in {"store", "inbox", "events"}:
                async with self._lock:
                    ready = self._rooms.get(name) or await self._opened(name, make)
            else:
                ready = await self._opened(name, make)
        return cast("T", ready)

    async def _opened(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        self.settings.home.mkdir(parents=True, exist_ok=True)
        made = await make()
        return self._rooms.setdefault(name, made)

    async def store(self) -> Store:
        """Give the operational store."""

        async def make() -> Store:
            from shequn_sdk.stores.store import Store

            store = await Store.open(self.settings.store_url, clock=self.clock, sync=self.sync, on=self.on)
            self._stack.push_async_callback(store.aclose)
            return store

        return await self._room("store", make)

    async def awaited_store(self) -> Store:
        """Give the operational store, for a process that works on for long.

        A file that another process of this host keeps locked is waited for, up to a minute: that process may stand
        still, or be killed soon.

        Raises:
            StoreBusy: it stayed locked, or another host has it open.
        """
        until = anyio.current_time() + _PATIENCE
        while True:
            try:
                return await self.store()
            except StoreBusy as error:
                server = self.settings.store_url.startswith("postgres")  # has waited already
                if error.owner or server or anyio.current_time() > until:
                    raise
                _log.warning("%s; this worker waits for it", error)
                await anyio.sleep(1.0)

    async def inbox(self) -> Inbox:
        """Give the inbox."""

        async def make() -> Inbox:
            from shequn_sdk.listening.inbox import Inbox

            inbox = await Inbox.open(self.settings.inbox_path, clock=self.clock, sync=self.sync, on=self.on)
            self._stack.push_async_callback(inbox.aclose)
            return inbox

        return await self._room("inbox", make)

    async def publishing(self) -> Publishing:
        """Give what sends."""
        store = await self.store()

        async def make() -> Publishing:
            from shequn_sdk.publishing.policy import DeliveryOptions
            from shequn_sdk.publishing.service import Publishing

            delivery = self.settings.delivery
            publishing = Publishing(
                store,
                self.accounts,
                clock=self.clock,
                on_unknown=delivery.on_unknown,
                options=DeliveryOptions(max_attempts=delivery.max_attempts),
                engine=self._engine(delivery.engine),
                notify=delivery.notify or None,
            )
            for listener in self._notice_listeners:
                publishing.on_notice(listener)
            return publishing

        return await self._room("publishing", make)

    def add_notice_listener(self, listener: Listener) -> None:
        """Tell `listener` what a person has to look at, from now on."""
        self._notice_listeners.append(listener)
        publishing = self._rooms.get("publishing")
        if publishing is not None:
            publishing.on_notice(listener)

    def _engine(self, name: str) -> EngineFactory | None:
        """Give what makes the delivery engine that the settings name; None is the embedded one."""
        if name in {"", "embedded"}:
            return None
        spec = self.plugins.engine(name)
        url = self.settings.store_url
        scheme = url.partition("://")[0].partition("+")[0]
        if scheme not in spec.schemes:
            raise ConfigError(
                f"the engine {name!r} needs a store of {' or '.join(spec.schemes)}://…, but the store is {scheme}; "
                "set `store` in shequn.toml, or leave delivery.engine out"
            )
        return lambda source, clock: spec.create(url, source, clock)

    async def scheduler(self) -> Scheduler:
        """Give what fires schedules; `workdays.toml` in the workspace overrides the Chinese work calendar."""
        store = await self.store()
        publishing = await self.publishing()

        async def make() -> Scheduler:
            from shequn_sdk.client.report_schedule import add_report_handler
            from shequn_sdk.client.schedules import add_publish_handler
            from shequn_sdk.scheduling.chinese import WorkDays
            from shequn_sdk.scheduling.scheduler import Scheduler

            overrides = self.settings.home / "workdays.toml"
            days = WorkDays.load(overrides) if overrides.is_file() else None
            scheduler = Scheduler(store, clock=self.clock, days=days)
            add_publish_handler(scheduler, publishing)
            add_report_handler(scheduler, self, publishing)
            for room in self._all_rooms():
                room.serve(scheduler)
            for register in self._schedule_handlers:
                register(scheduler)
            return scheduler

        return await self._room("scheduler", make)

    def add_schedule_handler(
        self, name: str, function: Callable[..., object], *, arguments: type[BaseModel] | None
    ) -> None:
        """Register a handler for schedules when the scheduler is made, or now when it is there already."""

        def register(scheduler: Scheduler) -> object:
            return scheduler.handlers.add(name, function, arguments=arguments)

        self._schedule_handlers.append(register)
        ready = self._rooms.get("scheduler")
        if ready is not None:
            register(ready)

    async def events(self) -> AsyncEventStore:
        """Give the event store."""

        async def make() -> AsyncEventStore:
            from shequn_sdk.metrics.store.aio import AsyncEventStore

            store = AsyncEventStore(self._event_store())
            self._stack.push_async_callback(store.aclose)
            return store

        return await self._room("events", make)

    def _event_store(self) -> EventStore:
        """Make the event store that the settings name: a file, or what a plugin offers for the URL's scheme."""
        scheme, mark, _ = self.settings.events.partition("://")
        if not mark:
            from shequn_sdk.metrics.store.duckdb import DuckDBEventStore

            if self.on == "loop":
                # nobody else waits for the file: it stays open, and needs no copy to be read from
                return DuckDBEventStore(self.settings.events_path, clock=self.clock, idle=60.0)
            return DuckDBEventStore(
                self.settings.events_path, clock=self.clock, snapshot_every=timedelta(minutes=5)
            )
        for spec in self.plugins.event_stores.values():
            if scheme.partition("+")[0] in spec.schemes:
                return spec.create(self.settings.events, self.clock)
        known = ", ".join(
            sorted(name for spec in self.plugins.event_stores.values() for name in spec.schemes)
        )
        raise ConfigError(
            f"no plugin offers an event store for {scheme}://…; install shequn-postgres-events or shequn-clickhouse "
            f"(schemes that are offered: {known or 'none'}), or set `events` to a file"
        )

    async def metrics(self) -> Metrics:
        """Give what measures."""
        events = await self.events()

        async def make() -> Metrics:
            from shequn_sdk.metrics.registry import Registry
            from shequn_sdk.metrics.service import Metrics

            registry = Registry()
            for metric in self.plugins.metrics:
                registry.add(metric)
            return Metrics(events, registry=registry, clock=self.clock, reported_kinds=self._reported_kinds())

        return await self._room("metrics", make)

    def _reported_kinds(self) -> dict[str, frozenset[str]]:
        kinds: dict[str, frozenset[str]] = {}
        for name in self.accounts.names():
            with contextlib.suppress(ShequnError):
                manifest = self.accounts.manifest(name)
                kinds[manifest.platform] = kinds.get(manifest.platform, frozenset()) | manifest.reports
        return kinds

    async def dispatcher(self) -> Dispatcher:
        """Give what carries events from the inbox to handlers and the event store."""
        inbox = await self.inbox()

        async def make() -> Dispatcher:
            from shequn_sdk.listening.dispatch import Dispatcher

            dispatcher = Dispatcher(
                self.accounts,
                inbox,
                clock=self.clock,
                communities=self.settings.communities,
                append=self.append,
                notify=self.plugins.notify if self.plugins.observers else None,
            )
            for room in self._all_rooms():
                room.listen(dispatcher)
            for register in self._handlers:
                register(dispatcher)
            return dispatcher

        return await self._room("dispatcher", make)

    def add_handler(self, register: Callable[[Dispatcher], object]) -> None:
        """Register handlers when the dispatcher is made, or now when it is there already."""
        self._handlers.append(register)
        ready = self._rooms.get("dispatcher")
        if ready is not None:
            register(ready)

    async def sources(self) -> SourceRunner:
        """Give what receives."""
        inbox = await self.inbox()

        async def make() -> SourceRunner:
            from shequn_sdk.listening.sources import SourceRunner

            return SourceRunner(self.accounts, inbox, clock=self.clock)

        return await self._room("sources", make)

    async def append(self, batch: InteractionBatch, community: str) -> object:
        """Put interactions into the event store."""
        events = await self.events()
        if community not in self._known:
            known = self.settings.community(community)
            # names that no settings give a zone: what was imported has one already, what belongs nowhere gets UTC
            found = {item.name for item in await events.communities()} if known is None else set[str]()
            if community not in found:
                await events.ensure_community(community, zone=known.zone if known is not None else "UTC")
            self._known.add(community)
        return await events.append(with_texts(batch, self.settings.privacy.store_text), community=community)

    async def record(self, interactions: Sequence[Interaction], *, community: str) -> int:
        """Put interactions that no platform told of into the inbox; gives how many were new."""
        from shequn_sdk.listening.dispatch import LOCAL, own_event

        inbox = await self.inbox()
        return (await inbox.add(LOCAL, [own_event(one, community) for one in interactions])).new

    async def forget_raw(self, refs: Sequence[MemberRef]) -> int | None:
        """Take raw events of members out of the inbox; gives how many, None where it cannot search them."""
        from shequn_sdk.listening.dispatch import read_event

        return await (await self.inbox()).forget(
            refs,
            accounts={name: self.accounts.platform(name) for name in self.accounts.names()},
            read=lambda event: read_event(self.accounts, event).interactions,
        )

    async def prune_raw(self, keep: timedelta) -> int:
        """Drop raw events that are older than `keep` and have been seen by everything; gives how many."""
        return await (await self.inbox()).prune(keep=keep)

    def community(self, name: str | None) -> Community | None:
        """Give the community that is meant: the named one, or the only one there is.

        Raises:
            UnknownName: the settings name communities, and not this one.
        """
        if name:
            found = self.settings.community(name)
            if found is None and self.settings.communities:
                import difflib

                names = [item.name for item in self.settings.communities]
                raise UnknownName(
                    "community", name, nearest=tuple(difflib.get_close_matches(name, names, n=2) or names[:2])
                )
            return found
        return self.settings.communities[0] if len(self.settings.communities) == 1 else None


def temporary_home(stack: AsyncExitStack) -> Path:
    """Make a workspace directory that is removed when `stack` closes."""
    folder = tempfile.TemporaryDirectory(prefix="shequn-", ignore_cleanup_errors=True)
    stack.callback(folder.cleanup)
    return Path(folder.name)
