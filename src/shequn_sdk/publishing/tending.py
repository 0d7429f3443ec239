"""Looking after what is in the ledger: lists, history, and what people decide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Clock, Delivery, DeliveryState, Receipt, Transition
from shequn_sdk.publishing import care, holds, ledger, queries
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.planning import Target, by_lane
from shequn_sdk.publishing.rows import Row, receipt_of, to_delivery
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store

__all__ = ["Tending"]


class Tending(ABC):
    """What operators see of deliveries and do to them; `Publishing` is one."""

    def __init__(self, store: Store, accounts: AccountBook, *, clock: Clock) -> None:
        """Look after the ledger in `store`."""
        self._store = store
        self._accounts = accounts
        self._clock = clock

    @abstractmethod
    async def _enlisted(self, write: Callable[[Connection], list[Row]], *, few: bool) -> list[Row]:
        """Write rows, and with them their wakes."""

    @abstractmethod
    def _settled(self, row: Row, old: Row | None = None) -> None:
        """Tell those who wait that a row changed."""

    async def deliveries(
        self,
        *,
        states: Iterable[DeliveryState] = (),
        account: str | None = None,
        channel: Target | None = None,
        content_id: str | None = None,
        idempotency_key: str | None = None,
        schedule_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        limit: int = 1000,
        order: Literal["oldest", "newest"] = "oldest",
    ) -> list[Delivery]:
        """List deliveries; `since` and `until` compare their due instants, `after` is the last id seen in that order."""
        query = queries.select_deliveries(
            states=states,
            account=account,
            channel=None if channel is None else ChannelRef.parse(channel),
            content_id=content_id,
            batch=idempotency_key,
            schedule_id=schedule_id,
            since=since,
            until=until,
            after=after,
            limit=limit,
            order=order,
        )
        rows = await self._store.read(lambda conn: queries.fetch(conn, query))
        return [to_delivery(row) for row in rows]

    async def get(self, delivery: int) -> Delivery:
        """Give one delivery.

        Raises:
            InvalidInput: there is none of that id.
        """
        return to_delivery(await self._store.read(lambda conn: ledger.find(conn, delivery)))

    async def get_receipts(self, idempotency_key: str) -> list[Receipt]:
        """Give the receipts of what was published under a key; empty when nothing was."""
        rows = await self._store.read(lambda conn: ledger.by_batch(conn, idempotency_key))
        return [receipt_of(group) for group in by_lane(rows)]

    async def history(self, delivery: int) -> list[Transition]:
        """Give every step of a delivery with its cause, oldest first."""
        return await self._store.read(lambda conn: queries.history(conn, delivery))

    async def counts(self) -> Mapping[DeliveryState, int]:
        """Count deliveries by state; states without any are 0."""
        return MappingProxyType(await self._store.read(queries.counts))

    async def export(self, format: Literal["csv", "json", "jsonl"] = "csv") -> str:  # noqa: A002 - the field's word
        """Give the whole ledger as text."""
        return await self._store.read(lambda conn: queries.export(conn, format))

    async def retry(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Send a refused or expired delivery again, with the later pieces that fell with it; a deferred one now.

        Raises:
            InvalidInput: its state does not allow it; the message says what does.
        """
        return await self._care(lambda conn, now: care.retry(conn, delivery, now=now, actor=actor))

    async def cancel(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Give up a delivery that has not landed; later pieces of the same content fall with it.

        Raises:
            InvalidInput: its request is under way, or it came to its end already.
        """
        row = await self._store.read(lambda conn: ledger.find(conn, delivery))
        if row.state == "awaiting_person":
            await care.cancel_task(self._accounts.adapter(row.account), row)
        return await self._care(lambda conn, now: care.cancel(conn, delivery, now=now, actor=actor))

    async def resolve(
        self, delivery: int, *, landed: bool, native_id: str | None = None, actor: str = "user"
    ) -> Delivery:
        """Say what became of an unknown: it landed (perhaps as `native_id`), or it did not and is to be sent again.

        Raises:
            InvalidInput: the delivery is not unknown.
        """
        return await self._care(
            lambda conn, now: care.resolve(
                conn, delivery, landed=landed, native_id=native_id, now=now, actor=actor
            )
        )

    async def approve(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Let a blocked delivery and its other pieces go.

        Raises:
            InvalidInput: it is not blocked.
        """
        return await self._care(lambda conn, now: care.approve(conn, delivery, now=now, actor=actor))

    async def pause(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Keep a waiting delivery back until `resume`."""
        return await self._care(lambda conn, now: care.pause(conn, delivery, now=now, actor=actor))

    async def resume(self, delivery: int, *, actor: str = "user") -> Delivery:
        """Let a paused delivery go."""
        return await self._care(lambda conn, now: care.resume(conn, delivery, now=now, actor=actor))

    async def heed_holds(self) -> int:
        """Pause what waits in channels that are protected against a raid, and let it go where they no longer are.

        Moderation calls it when a raid begins and ends; calling it again changes nothing. Answers are never held.
        """
        now = to_us(self._clock.now())
        rows = await self._enlisted(lambda conn: holds.heed(conn, now=now), few=False)
        for row in rows:
            self._settled(row)
        return len(rows)

    async def _care(self, work: care.Work) -> Delivery:
        now = to_us(self._clock.now())
        (row,) = await self._enlisted(lambda conn: [work(conn, now)], few=True)
        self._settled(row)
        return to_delivery(row)
