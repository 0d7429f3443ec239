"""Group commit where the store has many writers: what is asked for while a transaction runs shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from shequn_sdk.errors import StoreError
from shequn_sdk.stores.store import Store

__all__ = ["Together"]

_WORTH_PARTING = 48
"""Items that are worth two transactions."""
_FEW = 4
"""Items that are not worth the way to a thread."""

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
        self._flying = 0
        self._written = 0
        """Sets that the store has now."""
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, item: A) -> asyncio.Future[B]:
        """Do one item; what is given is there once it is durable.

        Raises:
            StoreBusy: nobody knows whether it was done, if the connection broke at the commit; see `Store.write`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[B] = loop.create_future()
        self._waiting.append((item, future))
        if self._flying < self._flights:
            self._flying += 1
            task = loop.create_task(self._fly())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def _fly(self) -> None:
        try:
            await self._sets()
        finally:
            # here and not when the task is done: what is asked for between the two would wait for the next one
            self._flying -= 1

    async def _sets(self) -> None:
        while self._waiting:
            size = self._size()
            batch, self._waiting = self._waiting[:size], self._waiting[size:]
            items = [item for item, _ in batch]
            self._written += 1
            try:
                answers = await self._store.write(
                    lambda conn, items=items: self._work(conn, items), quick=size <= _FEW, apart=size > _FEW
                )
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
            finally:
                self._written -= 1

    def _size(self) -> int:
        """Give how many of those that wait go into a set: an equal part for each flight that is free.

        One set of all of them would leave this process idle while the server works, and the server while it does.
        """
        number = len(self._waiting)
        if number >= _WORTH_PARTING:
            number = -(-number // max(1, self._flights - self._written))
        return min(number, self._most)

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
