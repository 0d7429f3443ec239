"""Leases: prolongs a worker's own, takes back those that others let end, and follows a clock that was set back."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from shequn_sdk.domain import Clock
from shequn_sdk.publishing import bulk, ledger, shared
from shequn_sdk.publishing.failpoints import hit
from shequn_sdk.publishing.outcomes import SETTLED, Outcomes
from shequn_sdk.publishing.policy import us
from shequn_sdk.publishing.rows import Row
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store

__all__ = ["Sweeper"]

_log = logging.getLogger(__name__)
_SET_BACK = 2_000_000
"""Microseconds by which a clock must have gone back to count as set back."""
_RECENT = 60_000_000
"""Microseconds for which a process that gave a sign of life counts as another worker."""


class Sweeper:
    """What every worker does each third of a lease, besides delivering."""

    def __init__(
        self,
        store: Store,
        outcomes: Outcomes,
        *,
        clock: Clock,
        settled: Callable[[Row, Row | None], None],
        share: bool | None,
    ) -> None:
        """Sweep for one worker.

        Args:
            settled: told of every row that came to rest.
            share: whether requests are counted in the store; None does so while several processes have it open.
        """
        self._store = store
        self._outcomes = outcomes
        self._clock = clock
        self._settled = settled
        self._share = share
        self._ahead: int | None = None
        self.held: set[int] = set()
        """Rows that somebody here works on; only their leases are prolonged."""
        self._leases: dict[int, tuple[float, int]] = {}
        self.shared = bool(share)
        """Whether other processes work as well, so that limits are counted in the store."""

    async def tick(self) -> None:
        """Prolong own leases, take back ended ones, and put right what a clock that was set back made wrong."""
        now = to_us(self._clock.now())
        back = self._set_back_by(now)
        if back and self._store.is_sqlite:  # several hosts go by the server's clock
            moved = await self._store.write(lambda conn: ledger.set_back(conn, now=now, by=back))
            _log.warning("the clock was set back by %.1f s; %d deliveries follow it", back / 1e6, moved)
        lease, timer = now + us(self._outcomes.options.lease), self._clock.monotonic()
        held, renew = sorted(self.held), ledger.renew if self._store.is_sqlite else bulk.renew
        kept = await self._store.write(
            lambda conn: renew(conn, held, owner=self._outcomes.worker, now=now, lease=lease)
        )
        for number in kept & self._leases.keys():
            self._leases[number] = (timer, lease)
        await self.sweep()

    def hold(self, row: Row, timer: float) -> None:
        """Work on a row whose lease was written after the timer showed `timer`."""
        self.held.add(row.id)
        if row.lease_until is not None:
            self._leases[row.id] = (timer, row.lease_until)

    def drop(self, *rows: int) -> None:
        """Work on rows no more."""
        self.held.difference_update(rows)
        for number in rows:
            self._leases.pop(number, None)

    def is_over(self, row: Row) -> bool:
        """Whether the lease of a row that is worked on has ended, by the ledger's clock or by the timer.

        The ledger's clock alone would not tell: it may have been set back while this process stood still.
        """
        known = self._leases.get(row.id)
        if known is None:
            return True
        stood = self._clock.monotonic() - known[0]
        return (
            stood > self._outcomes.options.lease / timedelta(seconds=1) or to_us(self._clock.now()) > known[1]
        )

    def _set_back_by(self, now: int) -> int:
        """Give the microseconds by which the clock was set back since the last tick; 0 for less than seconds."""
        ahead = int(self._clock.monotonic() * 1e6) - now
        last, self._ahead = self._ahead, ahead
        return ahead - last if last is not None and ahead - last > _SET_BACK else 0

    async def sweep(self, *, dead_workers: bool = False) -> int:
        """Take back what workers left; gives how many rows that were.

        Args:
            dead_workers: also end the leases of processes of this host that no longer run.
        """
        now = to_us(self._clock.now())

        def clean(conn: Connection) -> list[Row]:
            rows = ledger.expired_leases(conn, now=now)
            if dead_workers:
                for owner in ledger.owners(conn):
                    if self._is_dead(owner):
                        rows += [row for row in ledger.of_owner(conn, owner) if row not in rows]
            if self._share is None:
                self.shared = shared.several(conn, since=self._store.stamp() - _RECENT)
            taken = (self._outcomes.abandoned(conn, row, now) for row in rows)
            return [row for row in taken if row is not None]

        rows = await self._store.write(clean)
        for row in rows:
            if row.state in SETTLED:
                self._settled(row, None)
        if rows:
            hit("swept")
        return len(rows)

    def _is_dead(self, owner: str) -> bool:
        host, _, rest = owner.rpartition(":")[0].rpartition(":")
        if host != self._store.host or not rest.isdigit():
            return False
        try:
            os.kill(int(rest), 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
