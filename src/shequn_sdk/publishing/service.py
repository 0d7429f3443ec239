"""The room's face: publish, plan, work, and look after what is in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Self

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import (
    ChannelRef,
    Clock,
    Content,
    LatePolicy,
    OnUnknown,
    Priority,
    Receipt,
    Variant,
)
from shequn_sdk.errors import StoreBusy, StoreFull
from shequn_sdk.platforms.governor import Governor
from shequn_sdk.publishing import ledger
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.compose import compose
from shequn_sdk.publishing.failpoints import hit
from shequn_sdk.publishing.planning import Plan, Planner, Target, by_lane
from shequn_sdk.publishing.policy import DeliveryOptions
from shequn_sdk.publishing.rows import Row, receipt_of
from shequn_sdk.publishing.working import EngineFactory, Working
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store

__all__ = ["EngineFactory", "Publishing", "Target"]

_log = logging.getLogger(__name__)
_FEW = 8
"""Most rows that are a small write."""


class Publishing(Working):
    """Publishes contents and keeps account of every delivery (发布).

    One instance per process and store is enough; several processes may each have one on the same store.
    """

    def __init__(
        self,
        store: Store,
        accounts: AccountBook,
        *,
        clock: Clock | None = None,
        worker: str | None = None,
        on_unknown: OnUnknown | None = None,
        options: DeliveryOptions | None = None,
        governor: Governor | None = None,
        engine: EngineFactory | None = None,
        share_limits: bool | None = None,
        notify: Target | None = None,
    ) -> None:
        """Publish for `accounts` through `store`.

        Args:
            clock: the store's by default.
            worker: name in the audit trail; the store's worker id by default, which lets other processes see at once
                that this one has died.
            on_unknown: what to do with perhaps landed deliveries that can neither be repeated safely nor looked up;
                None holds them.
            options: leases, attempts, waits.
            governor: share one with other users of the same accounts.
            engine: makes the engine of `run`; the embedded one by default.
            share_limits: whether to count requests in the store for all processes; None does so while several
                processes have the store open.
            notify: channel of the operators, to which questions and reminders are posted.

        Raises:
            InvalidInput: `notify` is malformed.
            UnknownName: its account does not exist.
        """
        super().__init__(
            store,
            accounts,
            clock=clock,
            worker=worker,
            on_unknown=on_unknown,
            options=options,
            governor=governor,
            engine=engine,
            share_limits=share_limits,
        )
        self._planner = Planner(accounts, self._clock)
        if notify is not None:
            self._notices.channel = self._planner.parse([notify])[0]

    async def __aenter__(self) -> Self:
        """Give itself; there is nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave; the store and the accounts belong to the caller."""

    # saying something

    async def publish(
        self,
        content: Content,
        to: Sequence[Target],
        *,
        at: datetime | None = None,
        priority: Priority = Priority.NORMAL,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown | None = None,
        needs_approval: bool = False,
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        timeout: timedelta | None = None,
    ) -> list[Receipt]:
        """Publish `content` to channels and give one receipt per channel, in the order of `to`.

        What is not to be sent yet, or has not come to rest within `timeout`, is `pending` in its receipt and stays in
        the ledger, where a worker goes on with it. A failing platform hides no other.

        Args:
            at: when to send; now by default.
            idempotency_key: publishing again under the same key sends nothing and gives the same receipts.
            on_unknown: overrides the default for these deliveries.
            needs_approval: wait for `approve`.
            late: what to do when it could not be sent in time.
            grace: how late it may be sent; None is without end.
            timeout: how long to wait for outcomes; 30 seconds by default. With a clock that is moved by hand nothing
                is waited for beyond what can be done at once.

        Raises:
            UnknownName: an account does not exist; nothing was written.
            InvalidInput: a channel is malformed, or `to` is empty.
        """
        plan = Plan(
            at=at,
            priority=priority,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            late=late,
            grace=grace,
        )
        rows = [group for _, group in await self._write(content, to, plan, key=idempotency_key)]
        now = to_us(self._clock.now())
        ids = [row.id for group in rows for row in group if row.due <= now]
        if ids:
            lanes = list(dict.fromkeys(group[0].lane for group in rows))
            seconds = 30.0 if timeout is None else timeout / timedelta(seconds=1)
            self._onlookers += 1
            try:
                with anyio.move_on_after(seconds):
                    await self._await(ids, lanes)
            finally:
                self._onlookers -= 1
            if self._engine is None:
                await self._notices.tell()
        try:
            return await self._receipts(rows)
        except (StoreBusy, StoreFull) as error:
            # An error would read as if nothing had been published; what was written is delivered by whoever can.
            _log.warning("outcomes cannot be read, so they are given as pending: %s", error)
            return [receipt_of(group) for group in rows]

    async def plan(
        self,
        content: Content,
        to: Sequence[Target],
        *,
        at: datetime | None = None,
        priority: Priority = Priority.NORMAL,
        idempotency_key: str | None = None,
        on_unknown: OnUnknown | None = None,
        needs_approval: bool = False,
        late: LatePolicy = LatePolicy.SEND,
        grace: timedelta | None = None,
        schedule_id: str | None = None,
        actor: str = "",
    ) -> list[Receipt]:
        """Write deliveries into the ledger and leave the sending to a worker; arguments as for `publish`."""
        plan = Plan(
            at=at,
            priority=priority,
            on_unknown=on_unknown,
            needs_approval=needs_approval,
            late=late,
            grace=grace,
            schedule_id=schedule_id,
            actor=actor,
        )
        written = await self._write(content, to, plan, key=idempotency_key)
        return [receipt_of(group, ref) for ref, group in written]

    async def plan_many(
        self,
        contents: Iterable[tuple[Content, Sequence[Target], datetime | None]],
        *,
        priority: Priority = Priority.NORMAL,
        on_unknown: OnUnknown | None = None,
        actor: str = "",
    ) -> int:
        """Write many deliveries in one transaction; gives how many rows were written.

        The idempotency key of each is its content's id.
        """
        new: list[Row] = []
        for content, to, at in contents:
            plan = Plan(at=at, priority=priority, on_unknown=on_unknown)
            new += self._planner.rows(content, self._planner.parse(to), plan, batch=content.id)
        actor = actor or self._worker
        written = await self._enlisted(
            lambda conn: self._planner.write(conn, new, key=None, actor=actor), few=False
        )
        return len(written)

    def preview(self, content: Content, to: Target) -> Variant:
        """Give the form that `content` will have in a channel, with what had to change; sends nothing.

        Raises:
            NotSupported: the account cannot publish it in any form.
        """
        ref = ChannelRef.parse(to)
        return compose(
            content, self._accounts.manifest(ref.account), account=ref.account, channel=ref.native_id
        )

    # inside

    async def _post_notice(self, content: Content, channel: ChannelRef, key: str) -> None:
        await self.plan(content, [channel], idempotency_key=key, on_unknown=OnUnknown.HOLD, actor="notices")

    async def _write(
        self, content: Content, to: Sequence[Target], plan: Plan, *, key: str | None
    ) -> list[tuple[ChannelRef, list[Row]]]:
        """Write rows; gives them per channel, in the order of `to`."""
        refs = self._planner.parse(to)
        new = self._planner.rows(content, refs, plan, batch=key or "")
        actor = plan.actor or self._worker
        written = await self._enlisted(
            lambda conn: self._planner.write(conn, new, key=key, actor=actor), few=len(new) <= _FEW
        )
        hit("planned")
        groups = {group[0].lane: group for group in by_lane(written)}
        lanes = ((ref, (ref.account, ref.native_id)) for ref in refs)
        return [(ref, groups[lane]) for ref, lane in lanes if lane in groups]

    async def _receipts(self, groups: Sequence[Sequence[Row]]) -> list[Receipt]:
        def look(conn: Connection) -> list[list[Row]]:
            return [ledger.by_ids(conn, (row.id for row in group)) for group in groups]

        return [receipt_of(group) for group in await self._store.read(look)]
