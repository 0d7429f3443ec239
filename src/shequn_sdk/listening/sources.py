"""Sources: one supervised loop per account that receives, stores durably, and only then acknowledges."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import anyio

from shequn_sdk.domain import Clock
from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    Conflict,
    NotSupported,
    PermissionDenied,
    RateLimited,
    ShequnError,
    StoreBusy,
    StoreError,
    StoreFull,
)
from shequn_sdk.listening.inbox import Added, Inbox
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import Adapter, EventSource, PromptSource

__all__ = ["AccountsLike", "SourceHealth", "SourceRunner", "SourceState"]

_log = logging.getLogger(__name__)
_FATAL = (AuthFailed, PermissionDenied, NotSupported, ConfigError)
_SLOW = 30.0
"""Seconds to wait when another consumer holds the source, or the disk is full."""


class AccountsLike(Protocol):
    """What listening needs of `shequn_sdk.platforms.accounts.Accounts`."""

    def names(self) -> tuple[str, ...]:
        """Give all account names."""
        ...

    def adapter(self, name: str) -> Adapter:
        """Give an open adapter."""
        ...

    def manifest(self, name: str) -> Manifest:
        """Give what the account can do."""
        ...

    def platform(self, name: str) -> str:
        """Give the account's platform."""
        ...


class SourceState(StrEnum):
    """How a source is."""

    IDLE = "idle"
    LISTENING = "listening"
    BACKING_OFF = "backing_off"
    STOPPED = "stopped"
    """Ended by us."""
    FAILED = "failed"
    """Ended by an error that waiting does not cure, such as a revoked token."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """The state of one source."""

    account: str
    state: SourceState = SourceState.IDLE
    batches: int = 0
    events: int = 0
    duplicates: int = 0
    failures: int = 0
    """In a row; 0 after a good batch."""
    error: str = ""
    error_type: str = ""
    last_received_at: datetime | None = None
    """When a batch, perhaps an empty one, came last."""
    retry_at: datetime | None = None


class SourceRunner:
    """Keeps all sources of a workspace running, each on its own: one that fails does not stop the others."""

    def __init__(
        self,
        accounts: AccountsLike,
        inbox: Inbox,
        *,
        clock: Clock,
        only: Iterable[str] | None = None,
        backoff: timedelta = timedelta(seconds=1),
        max_backoff: timedelta = timedelta(minutes=2),
        rng: random.Random | None = None,
    ) -> None:
        """Run the sources of `accounts`, or of those named in `only`."""
        self._accounts = accounts
        self._inbox = inbox
        self._clock = clock
        self._only = None if only is None else frozenset(only)
        self._backoff = backoff.total_seconds()
        self._max_backoff = max_backoff.total_seconds()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._health: dict[str, SourceHealth] = {}

    def names(self) -> tuple[str, ...]:
        """Give the accounts whose manifest declares a source; an account whose plugin is missing counts as failed."""
        found: list[str] = []
        for name in self._accounts.names():
            if self._only is not None and name not in self._only:
                continue
            try:
                manifest = self._accounts.manifest(name)
            except ShequnError as error:
                self._note(name, state=SourceState.FAILED, error=str(error), error_type=type(error).__name__)
                continue
            if manifest.supports(Capability.POLL_EVENTS) or manifest.supports(Capability.GATEWAY):
                found.append(name)
        return tuple(found)

    def health(self) -> Mapping[str, SourceHealth]:
        """Give the state of every source that was started."""
        return dict(self._health)

    async def run(self) -> None:
        """Run all sources until cancelled; returns early only when every source has failed for good."""
        async with anyio.create_task_group() as group:
            for name in self.names():
                group.start_soon(self._supervise, name, name=f"source {name}")

    async def poll_once(self, account: str) -> Added:
        """Receive what waits at the platform, one batch, and store it; the next call acknowledges it.

        Raises:
            NotSupported: the account has no source.
            PlatformError: as the adapter raises it.
        """
        return await self._poll(account, prompt=True)

    async def _poll(self, account: str, *, prompt: bool) -> Added:
        adapter = self._accounts.adapter(account)
        if not isinstance(adapter, EventSource):
            raise NotSupported(
                f"account {account!r} has no source to poll; it may offer webhooks",
                platform=adapter.platform,
                capability=Capability.POLL_EVENTS,
            )
        receive = adapter.receive_now if prompt and isinstance(adapter, PromptSource) else adapter.receive
        cursor = await self._inbox.cursor(account)
        batch = await receive(cursor)
        added = await self._inbox.add(account, batch.events, cursor=batch.cursor)
        seen = self._health.get(account, SourceHealth(account))
        self._note(
            account,
            state=SourceState.LISTENING,
            batches=seen.batches + 1,
            events=seen.events + added.new,
            duplicates=seen.duplicates + added.duplicates,
            failures=0,
            error="",
            error_type="",
            last_received_at=self._clock.now(),
            retry_at=None,
        )
        return added

    async def _supervise(self, account: str) -> None:
        self._note(account, state=SourceState.LISTENING)
        try:
            interval = self._accounts.manifest(account).min_poll_interval.total_seconds()
            while True:
                began = self._clock.monotonic()
                try:
                    added = await self._poll(account, prompt=False)
                except _FATAL as error:
                    self._note(
                        account, state=SourceState.FAILED, error=str(error), error_type=type(error).__name__
                    )
                    _log.error(
                        "source %s stopped: %s",
                        account,
                        error,
                        extra={"account": account},
                    )
                    return
                except ShequnError as error:
                    await self._wait(account, error)
                except Exception as error:  # noqa: BLE001 - a plugin's bug must not end the other sources
                    _log.exception("source %s failed unexpectedly", account, extra={"account": account})
                    await self._wait(account, error)
                else:
                    pause = interval - (self._clock.monotonic() - began)
                    if pause > 0:
                        await self._clock.sleep(pause)
                    elif not (added.new or added.duplicates):
                        # An adapter that answers "nothing" at once must not spin the loop.
                        await anyio.sleep(0.01)
        finally:
            if self._health[account].state is not SourceState.FAILED:
                self._note(account, state=SourceState.STOPPED, retry_at=None)

    async def _wait(self, account: str, error: Exception) -> None:
        failures = self._health[account].failures + 1
        seconds = self.delay(error, failures)
        self._note(
            account,
            state=SourceState.BACKING_OFF,
            failures=failures,
            error=str(error) if isinstance(error, ShequnError) else type(error).__name__,
            error_type=type(error).__name__,
            retry_at=self._clock.now() + timedelta(seconds=seconds),
        )
        _log.warning(
            "source %s waits %.1f s after %s",
            account,
            seconds,
            type(error).__name__,
            extra={"account": account},
        )
        await self._clock.sleep(seconds)

    def delay(self, error: Exception, failures: int) -> float:
        """Give the seconds to wait after the `failures`-th failure in a row.

        Retry-After wins; a second consumer or a full disk is waited out slowly; all else doubles up to the maximum,
        with a fifth of jitter.
        """
        if isinstance(error, RateLimited) and error.retry_after is not None:
            return error.retry_after.total_seconds()
        if isinstance(error, (Conflict, StoreFull)):
            base = min(_SLOW, self._max_backoff)
        elif isinstance(error, StoreError) and not isinstance(error, StoreBusy):
            base = self._max_backoff
        else:
            base = min(self._max_backoff, self._backoff * 2 ** min(failures - 1, 20))
        return base * (0.9 + 0.2 * self._rng.random())

    def _note(self, account: str, **changes: object) -> None:
        seen = self._health.get(account, SourceHealth(account))
        self._health[account] = replace(seen, **changes)
