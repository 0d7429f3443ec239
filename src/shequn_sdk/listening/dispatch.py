"""Dispatch: reads the inbox in order, parses, calls handlers, and forwards interactions to the event store.

Two consumers, each with its own durable position: `dispatch` calls handlers and observers, `events` forwards batches.
Both are at-least-once: after a crash the last few events come again, with the same `Heard.seq` and interaction ids.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from shequn_sdk.domain import (
    ChannelRef,
    Clock,
    Community,
    Interaction,
    InteractionBatch,
    InteractionKind,
)
from shequn_sdk.errors import ConfigError, InvalidInput, ShequnError, StoreError, UnknownName
from shequn_sdk.listening.events import Heard, event_name, kinds_of
from shequn_sdk.listening.inbox import DeadLetter, Failure, Inbox, StoredEvent
from shequn_sdk.listening.reading import LOCAL, Communities, own_event, read_event, to_batch_row
from shequn_sdk.listening.sources import AccountsLike

__all__ = [
    "LOCAL",
    "Append",
    "Communities",
    "Dispatcher",
    "Drained",
    "Handler",
    "own_event",
    "read_event",
    "to_batch_row",
]

_log = logging.getLogger(__name__)
DISPATCH = "dispatch"
EVENTS = "events"
PARSE = "parse"
_APPEND = "append"
_RECENT = 10_000
"""Interactions remembered, so that one which two events tell of is handled once."""

Append = Callable[[InteractionBatch, str], Awaitable[object]]
"""Stores a batch for a community durably; must take a repeated interaction id as the same interaction."""
HandlerFunction = Callable[[Heard], object]
BatchFunction = Callable[[Sequence[Heard]], Awaitable[object]]
_F = TypeVar("_F", bound=HandlerFunction)


@dataclass(frozen=True, slots=True)
class Handler:
    """A registered handler with its filters."""

    name: str
    """Its dead letters carry this name."""
    function: HandlerFunction
    kinds: frozenset[InteractionKind]
    channel: ChannelRef | None = None
    community: str | None = None
    include_bots: bool = False

    def wants(self, heard: Heard) -> bool:
        """Whether its filters let an event through."""
        interaction = heard.interaction
        return (
            interaction.kind in self.kinds
            and (self.include_bots or not interaction.is_bot)
            and (self.community is None or heard.community == self.community)
            and (self.channel is None or heard.channel == self.channel)
        )


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain did."""

    events: int = 0
    interactions: int = 0
    unknown: int = 0
    failures: int = 0

    def __add__(self, other: Drained) -> Drained:
        return Drained(
            self.events + other.events,
            self.interactions + other.interactions,
            self.unknown + other.unknown,
            self.failures + other.failures,
        )


@dataclass(slots=True)
class _Work:
    """What came out of some events, to be recorded with the position."""

    heard: list[tuple[StoredEvent, list[Heard]]] = field(
        default_factory=list[tuple[StoredEvent, list[Heard]]]
    )
    failures: list[Failure] = field(default_factory=list[Failure])
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    moved: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


class Dispatcher:
    """Carries events from the inbox to handlers, observers and the event store (分发).

    Run one dispatcher per inbox. A failing handler becomes a dead letter (`retry_dead` runs it again) and stops
    neither the other handlers nor the events behind it.
    """

    def __init__(
        self,
        accounts: AccountsLike,
        inbox: Inbox,
        *,
        clock: Clock,
        communities: Iterable[Community] = (),
        append: Append | None = None,
        notify: Callable[[Interaction], None] | None = None,
        unassigned: str = "unassigned",
        handler_timeout: timedelta = timedelta(seconds=60),
        batch: int = 100,
        forward_batch: int = 10_000,
    ) -> None:
        """Dispatch what `inbox` holds.

        Args:
            accounts: give the adapters that parse.
            inbox: where events come from.
            clock: for waiting after failures.
            communities: channels of these are resolved to them.
            append: takes batches for the event store; None forwards nothing, and events wait for it.
            notify: called with every interaction after its handlers (`Plugins.notify`).
            unassigned: community under which interactions of unknown channels are stored.
            handler_timeout: how long one handler may take on one event.
            batch: events per durable step of the `dispatch` consumer; so many may be handled again after a crash.
            forward_batch: events per batch to `append`.
        """
        self._accounts = accounts
        self._inbox = inbox
        self._clock = clock
        self._communities = Communities(communities)
        self._append = append
        self._notify = notify
        self._unassigned = unassigned
        self._timeout = handler_timeout.total_seconds()
        self._batch = batch
        self._forward_batch = forward_batch
        self._handlers: list[Handler] = []
        self._batch_handlers: dict[str, BatchFunction] = {}
        self._ready = False
        self._recent: dict[tuple[str, str], None] = {}
        self._trouble: dict[str, str] = {}

    @property
    def trouble(self) -> tuple[str, ...]:
        """Why `run` cannot drain at the moment; empty when it can."""
        return tuple(self._trouble.values())

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """The registered handlers, in the order in which they are called."""
        return tuple(self._handlers)

    def on(
        self,
        *names: str | InteractionKind,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
        include_bots: bool = False,
        name: str = "",
    ) -> Callable[[_F], _F]:
        """Register a handler for event names such as `message` or `member.joined` (`*` is all).

        The handler takes one `Heard`; it may be async, or blocking (then it runs on a thread).

        >>> from shequn_sdk.listening.events import EVENT_NAMES
        >>> sorted(EVENT_NAMES)[:3]
        ['answer', 'button', 'channel.moved']

        Args:
            names: event names; none means `message`.
            channel: only events of this channel.
            community: only events of this community.
            include_bots: also what bots do, perhaps ourselves: mind endless answers.
            name: name in dead letters; the function's own by default. Keep it stable over releases.

        Raises:
            UnknownName: no such event.
            ConfigError: two handlers have one name.
        """
        kinds = frozenset[InteractionKind]().union(*(kinds_of(one) for one in names or ("message",)))
        where = ChannelRef.parse(channel) if channel is not None else None

        def register(function: _F) -> _F:
            self.add_handler(
                Handler(
                    name=name or f"{function.__module__}.{getattr(function, '__qualname__', repr(function))}",
                    function=function,
                    kinds=kinds,
                    channel=where,
                    community=community,
                    include_bots=include_bots,
                )
            )
            return function

        return register

    def add_handler(self, handler: Handler) -> None:
        """Register a handler.

        Raises:
            ConfigError: its name is taken: dead letters could not tell the two apart.
        """
        self._name_is_free(handler.name)
        self._handlers.append(handler)

    def on_batch(self, name: str, function: BatchFunction) -> None:
        """Register a handler that takes all interactions of a step at once, before the handlers of single ones.

        For what writes a little for each of many. It hears everything, bots and channels without community too. When it
        fails on a batch it is called again with each event alone, and what fails then becomes a dead letter; a store that
        is away holds up the whole step.

        Raises:
            ConfigError: the name is taken.
        """
        self._name_is_free(name)
        self._batch_handlers[name] = function

    def _name_is_free(self, name: str) -> None:
        taken = {PARSE, _APPEND, "size", *self._batch_handlers, *(one.name for one in self._handlers)}
        if name in taken:
            raise ConfigError(f"a handler named {name!r} is there already: give it another name=")

    # -- draining

    async def dispatch_pending(self) -> Drained:
        """Handle what waits now for the `dispatch` consumer; gives what was done."""
        total = Drained()
        await self._prepare()
        while events := await self._inbox.read(DISPATCH, limit=self._batch):
            work = self._parse_all(events)
            for name, function in self._batch_handlers.items():
                work.failures.extend(await self._handle_batch(name, function, work.heard))
            for event, heard in work.heard:
                fresh = [one for one in heard if (one.account, one.interaction.id) not in self._recent]
                work.failures.extend(await self._handle(event, fresh, self._handlers))
                self._remember(fresh)
            await self._inbox.advance(
                DISPATCH,
                events[-1].seq,
                after=events[0].seq - 1,
                failures=work.failures,
                unknown=work.unknown,
                moved=work.moved,
            )
            total += _counted(events, work)
        return total

    async def forward_pending(self) -> Drained:
        """Hand what waits now for the `events` consumer to `append`; gives what was done.

        Raises:
            StoreError: the event store cannot take it now; everything stays in the inbox for the next call.
            UnknownName: the event store does not know a community; make it known, everything stays in the inbox.
        """
        total = Drained()
        if self._append is None:
            return total
        await self._prepare()
        while events := await self._inbox.read(EVENTS, limit=self._forward_batch):
            work = await anyio.to_thread.run_sync(self._parse_all, events)
            work.failures.extend(await self._forward(self._append, work.heard))
            await self._inbox.advance(
                EVENTS,
                events[-1].seq,
                after=events[0].seq - 1,
                failures=work.failures,
                unknown=work.unknown,
                moved=work.moved,
            )
            total += _counted(events, work)
        return total

    async def drain(self) -> Drained:
        """Do all that waits now, for both consumers; gives what handlers were called for."""
        done = await self.dispatch_pending()
        await self.forward_pending()
        return done

    async def run(self, *, poll_interval: timedelta = timedelta(milliseconds=200)) -> None:
        """Drain until cancelled; looks every `poll_interval` for what other processes added."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._loop, self.dispatch_pending, poll_interval, name="dispatch")
            if self._append is not None:
                group.start_soon(self._loop, self.forward_pending, poll_interval, name="events")

    async def _loop(self, step: Any, interval: timedelta) -> None:
        failures = 0
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - events stay in the inbox until it works again
                failures += 1
                self._trouble[step.__name__] = f"{type(error).__name__}: {error}"
                if isinstance(error, ShequnError):
                    _log.warning("dispatch waits after %s: %s", type(error).__name__, error)
                else:
                    _log.exception("dispatch waits after an unexpected failure")
                await self._clock.sleep(min(30.0, 0.5 * 2 ** min(failures, 6)))
            else:
                failures = 0
                self._trouble.pop(step.__name__, None)
                await self._inbox.wait(interval.total_seconds())

    async def _prepare(self) -> None:
        if self._ready:
            return
        await self._inbox.register(DISPATCH)
        if self._append is not None:
            await self._inbox.register(EVENTS)
        for account, old, new in await self._inbox.list_moved():
            self._communities.moved(account, old, new)
        self._ready = True

    # -- one step

    def _remember(self, heard: Iterable[Heard]) -> None:
        for one in heard:
            self._recent[one.account, one.interaction.id] = None
        while len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]

    def _parse_all(self, events: Sequence[StoredEvent]) -> _Work:
        work = _Work()
        for event in events:
            try:
                parsed = read_event(self._accounts, event)
            except ShequnError as error:
                work.failures.append(Failure(event, PARSE, f"{type(error).__name__}: {error}"))
                continue
            except Exception as error:  # noqa: BLE001 - one unreadable event must not hold up the others
                _log.exception("the adapter of %s failed to parse event %s", event.account, event.event_id)
                work.failures.append(
                    Failure(event, PARSE, f"the adapter failed: {type(error).__name__}: {error}")
                )
                continue
            if not parsed.known:
                work.unknown[event.account, parsed.kind] += 1
            for one in parsed.interactions:
                if one.kind is InteractionKind.CHANNEL_MOVED and one.channel and one.target:
                    work.moved.append((event.account, one.channel, one.target))
                    self._communities.moved(event.account, one.channel, one.target)
            work.heard.append((event, self._locate(event, parsed.interactions)))
        return work

    def _locate(self, event: StoredEvent, interactions: Sequence[Interaction]) -> list[Heard]:
        return [
            Heard(
                name=event_name(one.kind),
                interaction=one if one.account else one.model_copy(update={"account": event.account}),
                community=event.raw.headers.get("community")
                or self._communities.find(event.account, one.channel),
                account=one.account if event.account == LOCAL and one.account else event.account,
                seq=event.seq,
            )
            for one in interactions
        ]

    async def _handle_batch(
        self, name: str, function: BatchFunction, work: Sequence[tuple[StoredEvent, list[Heard]]]
    ) -> list[Failure]:
        heard = [
            one for _, found in work for one in found if (one.account, one.interaction.id) not in self._recent
        ]
        if not heard:
            return []
        try:
            with anyio.fail_after(self._timeout):
                await function(heard)
        except StoreError:
            raise  # nothing is wrong with the events: they wait
        except Exception as error:  # noqa: BLE001 - kept as a dead letter
            if len(work) > 1:
                return [
                    failure for one in work for failure in await self._handle_batch(name, function, [one])
                ]
            _log.warning(
                "handler %s failed on event %s: %s", name, work[0][0].event_id, error, exc_info=error
            )
            return [Failure(work[0][0], name, f"{type(error).__name__}: {error}")]
        return []

    async def _handle(
        self, event: StoredEvent, heard: Sequence[Heard], handlers: Sequence[Handler]
    ) -> list[Failure]:
        failures: list[Failure] = []
        for one in heard:
            for handler in handlers:
                if any(failure.stage == handler.name for failure in failures) or not handler.wants(one):
                    continue
                try:
                    with anyio.fail_after(self._timeout):
                        await _call(handler.function, one)
                except Exception as error:  # noqa: BLE001 - kept as a dead letter
                    reason = (
                        f"no answer within {self._timeout:g} s"
                        if isinstance(error, TimeoutError) and not str(error)
                        else f"{type(error).__name__}: {error}"
                    )
                    _log.warning(
                        "handler %s failed on event %s: %s",
                        handler.name,
                        event.event_id,
                        reason,
                        exc_info=error,
                    )
                    failures.append(Failure(event, handler.name, reason))
            if self._notify is not None:
                try:
                    self._notify(one.interaction)
                except Exception:  # noqa: BLE001 - observers must not disturb
                    _log.exception("an observer failed on %s", one.interaction.id)
        return failures

    def _batches(
        self, heard: Sequence[tuple[StoredEvent, list[Heard]]]
    ) -> dict[tuple[str, str], InteractionBatch]:
        batches: dict[tuple[str, str], InteractionBatch] = {}
        for _, found in heard:
            for one in found:
                key = (one.interaction.platform, one.community or self._unassigned)
                batch = batches.get(key)
                if batch is None:
                    batch = batches[key] = InteractionBatch(platform=key[0], source=f"account {one.account}")
                to_batch_row(batch, one.interaction)
        return batches

    async def _forward(
        self, append: Append, heard: Sequence[tuple[StoredEvent, list[Heard]]]
    ) -> list[Failure]:
        batches = await anyio.to_thread.run_sync(self._batches, heard)
        try:
            for (_, community), batch in batches.items():
                await append(batch, community)
        except UnknownName:
            raise  # the community is not set up: every event would be refused
        except InvalidInput as error:
            if len(heard) == 1:
                return [Failure(heard[0][0], _APPEND, f"{type(error).__name__}: {error}")]
            # Find the culprits by halves; what is appended twice has the same ids.
            middle = len(heard) // 2
            return [
                *await self._forward(append, heard[:middle]),
                *await self._forward(append, heard[middle:]),
            ]
        return []

    # -- dead letters

    async def list_dead(self, *, limit: int = 1000) -> list[DeadLetter]:
        """Give dead letters, oldest first."""
        return await self._inbox.list_dead(limit=limit)

    async def retry_dead(self, letter: int) -> bool:
        """Try one dead letter again: parse, then the handlers or the event store that missed it.

        Returns:
            Whether it went through and was taken off the list; if not, another attempt is counted.

        Raises:
            UnknownName: no such dead letter.
            ConfigError: the handler is not registered any more, or the event was never stored whole.
        """
        dead = await self._inbox.get_dead(letter)
        if dead.stage == "size":
            raise ConfigError(
                f"dead letter {letter} was too large to be stored: only its first bytes are kept"
            )
        handlers = [one for one in self._handlers if dead.stage in {PARSE, one.name}]
        batch_handlers = {
            name: function for name, function in self._batch_handlers.items() if dead.stage in {PARSE, name}
        }
        if not handlers and not batch_handlers and dead.stage not in {PARSE, _APPEND}:
            raise ConfigError(f"dead letter {letter} is of handler {dead.stage!r}, which is not registered")
        await self._prepare()
        work = self._parse_all([dead.event])
        failures = work.failures
        if not failures and dead.stage != _APPEND:
            for name, function in batch_handlers.items():
                failures.extend(await self._handle_batch(name, function, work.heard))
            for event, heard in work.heard:
                failures.extend(await self._handle(event, heard, handlers))
        if self._append is not None and work.heard and dead.stage in {PARSE, _APPEND}:
            failures.extend(await self._forward(self._append, work.heard))
        await self._inbox.bury(failures)
        if any(failure.stage == dead.stage for failure in failures):
            return False
        await self._inbox.drop_dead([letter])
        return not failures


def _counted(events: Sequence[StoredEvent], work: _Work) -> Drained:
    return Drained(
        events=len(events),
        interactions=sum(len(heard) for _, heard in work.heard),
        unknown=work.unknown.total(),
        failures=len(work.failures),
    )


async def _call(function: HandlerFunction, heard: Heard) -> None:
    call: Any = function
    while isinstance(call, functools.partial):
        call = call.func
    if inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None)):  # noqa: B004 - async callables
        result: Any = function(heard)
        await result
        return
    result = await anyio.to_thread.run_sync(function, heard, abandon_on_cancel=True)
    if inspect.isawaitable(result):
        await result
