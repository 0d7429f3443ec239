"""Group commit where the store has many writers: what is asked for while a transaction runs shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from shequn_sdk.errors import StoreError
from shequn_sdk.stores.store import Store

__all__ = ["Together"]

A = TypeVar("A")
B = TypeVar("B")


class Together(Generic[A, B]):
    """Collects items of one event loop and does them in sets, each set in one transaction.

    On a server every transaction costs several round trips and a flush of its log, however little it writes. A set is
    whatever has come while earlier sets were under way, so that nobody waits for a set to fill.
    """

    def __init__(
        self,
        store: Store,
        work: Callable[[Connection, Sequence[A]], Sequence[B]],
        *,
        flights: int = 2,
        most: int = 128,
    ) -> None:
        """Do items by `work`, which gives one answer per item, in their order.

        Args:
            work: runs on a store thread inside the transaction; may be run again (see `Store.write`).
            flights: transactions under way at once.
            most: items in one transaction.
        """
        self._store = store
        self._work = work
        self._flights = flights
        self._most = most
        self._waiting: list[tuple[A, asyncio.Future[B]]] = []
        self._flying: set[asyncio.Task[None]] = set()

    async def do(self, item: A) -> B:
        """Do one item, and return once it is durable.

        Raises:
            StoreBusy: nobody knows whether it was done, if the connection broke at the commit; see `Store.write`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[B] = loop.create_future()
        self._waiting.append((item, future))
        if len(self._flying) < self._flights:
            task = loop.create_task(self._fly())
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)
        return await future

    async def _fly(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            items = [item for item, _ in batch]
            try:
                answers = await self._store.write(lambda conn, items=items: self._work(conn, items))
            except BaseException as error:
                if isinstance(error, Exception) and not isinstance(error, StoreError) and len(batch) > 1:
                    await self._singly(batch)
                    continue
                for _, future in batch:
                    if not future.done():
                        future.set_exception(_copy(error))
                if not isinstance(error, Exception):
                    raise
            else:
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)

    async def _singly(self, batch: Sequence[tuple[A, asyncio.Future[B]]]) -> None:
        """Do each item alone, so that the one that fails takes no other with it."""
        for item, future in batch:
            try:
                (answer,) = await self._store.write(lambda conn, item=item: self._work(conn, [item]))
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(answer)


def _copy(error: BaseException) -> BaseException:
    """Give an error of the same kind: each waiter needs one of its own for its own traceback."""
    if isinstance(error, asyncio.CancelledError):
        return StoreError("the transaction was given up while it ran; look again what was written")
    if not isinstance(error, StoreError):
        return error
    copied = type(error)(str(error))
    copied.__cause__ = error.__cause__
    return copied
