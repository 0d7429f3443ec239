"""The desk: where claims, intents and outcomes of one worker are written down.

`Desk` writes each in a transaction of its own; the store of one host has one writer, which joins them. `FileDesk` adds
that outcomes which come at once are written by few statements. `SetDesk` is for servers: what is asked for while a
transaction runs shares the next one, with one statement for each kind of step. All keep the order of steps: an intent
is durable before `begin`, `claim` or `finish` give its row.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

import anyio
from sqlalchemy import Connection

from shequn_sdk.domain import Clock
from shequn_sdk.errors import InvalidInput, StoreBusy, StoreFull
from shequn_sdk.publishing import bulk, ledger, sets, shared
from shequn_sdk.publishing.ledger import Change, Lane, Woken
from shequn_sdk.publishing.outcomes import Outcomes
from shequn_sdk.publishing.policy import us
from shequn_sdk.publishing.rows import Row
from shequn_sdk.publishing.shared import BudgetAsk
from shequn_sdk.publishing.sweeping import Sweeper
from shequn_sdk.stores.fast import Asked, one_trip
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store
from shequn_sdk.stores.together import Together

__all__ = ["Begin", "Claim", "Claimed", "Desk", "FileDesk", "Finish", "Finished", "SetDesk", "open_desk"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_WORTH_A_SET = 6
"""Outcomes that one statement for all of them writes faster than one for each."""
_AWAY = (StoreBusy, StoreFull)
_PATIENCE = 60.0
"""Seconds for which an outcome waits in memory for a store that is away."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Item:
    """Something to be written down; `stamps` and `leased` say when it was tried, by the ledger's clock and by the timer."""

    free: frozenset[str] = frozenset()
    """Accounts that nothing limits: their next rows may get their intent in the same step."""
    stamps: set[int] = field(default_factory=set[int])
    leased: float = 0.0


@dataclass(slots=True, eq=False, kw_only=True)
class Claim(_Item):
    """A wake: claim the row whose turn it is in the lane of this delivery."""

    delivery: int


@dataclass(slots=True, eq=False, kw_only=True)
class Begin(_Item):
    """The intent to send a claimed row, and the request to count with it."""

    row: Row
    ask: BudgetAsk | None


@dataclass(slots=True, eq=False, kw_only=True)
class Finish(_Item):
    """An outcome; with `chain`, also claim the next row of the lane."""

    row: Row
    new: Row
    cause: str
    chain: bool
    ask: BudgetAsk | None = None
    retry_after: int | None = None
    blocked: str = ""
    """What a refusal blocks, for all processes."""
    move: str = ""
    """The new id of the channel."""
    plain: bool = False
    """Whether `new` is what `policy.landed` makes of `row`, and no more to be done; nearly all are."""


class Claimed(NamedTuple):
    """What a wake brought."""

    woken: Woken
    row: Row | None
    head: tuple[int, int] | None
    """Id and ready instant of what goes first in the lane, when nothing could be claimed."""


class Finished(NamedTuple):
    """What an outcome became, and what was claimed with it."""

    last: Row | None
    """None when the row was taken away meanwhile."""
    following: Row | None
    head: tuple[int, int] | None
    """Id and ready instant of what goes first in the lane, when nothing could be claimed."""


Item: TypeAlias = Claim | Begin | Finish

_stamps = threading.Lock()
_last_stamp = 0


def _stamp(now: int) -> int:
    """Give `now`, or a little later: no two sets of this process have one stamp, so that it tells what belongs to which."""
    global _last_stamp  # noqa: PLW0603 - one per process is what it is for
    with _stamps:
        _last_stamp = now if not 0 <= _last_stamp - now < 1000 else _last_stamp + 1  # clocks may be set back
        return _last_stamp


class Desk:
    """One transaction per step."""

    def __init__(self, store: Store, outcomes: Outcomes, sweeper: Sweeper, *, clock: Clock) -> None:
        """Write down for one worker."""
        self._store = store
        self._outcomes = outcomes
        self._sweeper = sweeper
        self._clock = clock
        self._worker = outcomes.worker
        self._span = us(outcomes.options.lease)

    async def claim(self, item: Claim) -> Claimed:
        """Claim for a wake; the row is held by the sweeper's name from then on.

        Raises:
            InvalidInput: there is no such delivery.
            StoreBusy: the store stayed away for a minute.
        """
        done, again = await self.insist(lambda: self._claim(item))
        if done is None:
            raise InvalidInput(f"the ledger has no delivery {item.delivery}; list them with `deliveries`")
        if done.row is not None:
            self._sweeper.held.add(done.row.id)
        elif again:
            done = done._replace(row=await self._astray(done.woken.lane, item))
        return done

    async def begin(self, item: Begin) -> tuple[float, Row | None]:
        """Write the intent; gives the seconds to wait for a limit, or 0 and the row, None when its lease was lost.

        Raises:
            StoreBusy: the store stayed away for a minute.
        """
        (wait, begun), again = await self.insist(lambda: self._begin(item))
        if (
            begun is None and again
        ):  # it may have been written, and counted: then the limit asks to wait for itself
            begun = await self._read(lambda conn: self._begun_before(conn, item.row))
            wait = wait if begun is None else 0.0
        return wait, begun

    async def finish(self, item: Finish) -> Finished:
        """Write an outcome down, and claim the next row of the lane in the same transaction.

        Raises:
            StoreError: it could not be written within a minute.
        """
        again = False
        try:
            done = await self._finish(item)
        except _AWAY as error:
            done, again = await self._once_more(lambda: self._finish(item), error), True
        if again and done.last is None:
            present = await self._read(lambda conn: ledger.find(conn, item.row.id))
            written = (item.new.state, item.row.fence, item.new.updated_at)
            if (present.state, present.fence, present.updated_at) == written:
                return Finished(present, await self._astray(item.row.lane, item), None)
        if done.following is not None:
            self._sweeper.held.add(done.following.id)
        return done

    async def insist(self, write: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Write while the store is busy, full or away for a while; also says whether it had to be tried again.

        A write that was tried again may have been done the first time: its answer was lost, not its effect.
        """
        try:
            return await write(), False
        except _AWAY as error:
            return await self._once_more(write, error), True

    async def _once_more(self, write: Callable[[], Awaitable[T]], first: Exception) -> T:
        pause = 0.05
        _log.warning("a write is tried again in %.2g s: %s", pause, first)
        with anyio.move_on_after(_PATIENCE) as limit:
            while True:
                await anyio.sleep(pause)
                pause = min(pause * 2, 1.0)
                try:
                    return await write()
                except _AWAY as error:
                    if limit.cancel_called or anyio.current_time() + pause > limit.deadline:
                        raise
                    _log.warning("a write is tried again in %.2g s: %s", pause, error)
        raise StoreBusy(f"{self._store.where} stayed busy for {_PATIENCE:.0f} s; repeat later")

    async def _read(self, look: Callable[[Connection], T]) -> T:
        """Look up what an answer that was lost would have said; the store has just been away, and may be again."""
        found, _ = await self.insist(lambda: self._store.read(look))
        return found

    # one transaction each

    def _claim(self, item: Claim) -> Awaitable[Claimed | None]:
        def work(conn: Connection) -> Claimed | None:
            now = self._stamped(item)
            woken = ledger.look(conn, item.delivery)
            if woken is None:
                return None
            if _to_look_up(woken, now):
                return Claimed(woken, None, None)
            claimed = ledger.claim_in_lane(
                conn, lane=woken.lane, now=now, lease=self._lease(now), owner=self._worker
            )
            head = ledger.lane_head(conn, woken.lane, now=now) if claimed is None else None
            return Claimed(woken, claimed, head)

        return self._store.write(work, quick=True)

    def _begin(self, item: Begin) -> Awaitable[tuple[float, Row | None]]:
        def work(conn: Connection) -> tuple[float, Row | None]:
            now = self._stamped(item)
            if item.ask is not None:
                counter = shared.Counter(conn, [item.ask], now=now)
                wait = counter.charge(item.ask)
                if wait > 0:
                    return wait, None
                counter.write()
            return 0.0, ledger.begin(conn, item.row, now=now, lease=self._lease(now))

        return self._store.write(work, quick=True)

    def _finish(self, item: Finish) -> Awaitable[Finished]:
        return self._store.write(lambda conn: self._finished(conn, item, self._stamped(item)), quick=True)

    def _finished(self, conn: Connection, item: Finish, now: int) -> Finished:
        row, new = item.row, item.new
        if item.ask is not None:
            counter = shared.Counter(conn, [item.ask], now=now)
            counter.settle(item.ask)
            counter.write()
        self._note(conn, item, now)
        quick = item.chain and row.account in item.free and new.state == "landed"
        if quick and self._sweeper.shared:
            quick = not shared.blocked(conn, self._block_keys(row.lane, row.platform), now=now)
        step = Change(row, new, item.cause, self._worker)
        write = ledger.land if item.plain and row.owner == self._worker else ledger.change
        if not write(conn, step):
            return Finished(self._outcomes.too_late(conn, row, new), None, None)
        last = self._outcomes.unknown(conn, new, now) if new.state == "unknown" else new
        following, lease = None, self._lease(now)
        if quick:
            following = ledger.begin_next(conn, lane=row.lane, now=now, lease=lease, owner=self._worker)
        elif item.chain:
            following = ledger.claim_in_lane(conn, lane=row.lane, now=now, lease=lease, owner=self._worker)
        wanted = item.chain and following is None
        return Finished(last, following, ledger.lane_head(conn, row.lane, now=now) if wanted else None)

    # small things

    def _stamped(self, *items: _Item) -> int:
        """Give the instant of a transaction, and note it with what is done in it."""
        now, leased = _stamp(to_us(self._clock.now())), self._clock.monotonic()
        for item in items:
            item.stamps.add(now)
            item.leased = leased
        return now

    def _lease(self, now: int) -> int:
        return now + self._span

    def _note(self, conn: Connection, item: Finish, now: int) -> None:
        """Write down what an outcome tells besides itself."""
        if item.blocked and self._sweeper.shared:
            shared.block(conn, item.blocked, until=item.new.updated_at + (item.retry_after or 0), now=now)
        if item.move:
            ledger.remember_move(conn, account=item.row.account, old=item.row.target, new=item.move, at=now)

    @staticmethod
    def _block_keys(lane: Lane, platform: str) -> list[str]:
        account, channel = lane
        ends = [f"endpoint|{account}|{operation}" for operation in ("publish", "reply")]
        return [f"app|{platform}", f"account|{account}", f"channel|{account}|{channel}", *ends]

    @staticmethod
    def _begun_before(conn: Connection, row: Row) -> Row | None:
        """Find the intent that was written although its answer was lost: the fence says that it is ours."""
        present = ledger.find(conn, row.id)
        ours = (present.state, present.owner, present.fence) == ("attempting", row.owner, row.fence)
        return present if ours and present.attempts == row.attempts + 1 else None

    async def _astray(self, lane: Lane, item: _Item) -> Row | None:
        """Find what was claimed in a lane although the answer was lost, and hold it."""
        mine = await self._read(lambda conn: ledger.of_owner(conn, self._worker))
        held = self._sweeper.held
        for row in mine:
            if row.lane == lane and row.updated_at in item.stamps and row.id not in held:
                held.add(row.id)
                return row
        return None


class FileDesk(Desk):
    """One transaction per step; where many deliveries landed at once, one for all of them."""

    def __init__(self, store: Store, outcomes: Outcomes, sweeper: Sweeper, *, clock: Clock) -> None:
        """Write down for one worker on an SQLite file."""
        super().__init__(store, outcomes, sweeper, clock=clock)
        self._together: Together[Finish, Finished] = Together(store, self._work, most=sets.MOST)

    def _finish(self, item: Finish) -> Awaitable[Finished]:
        row = item.row
        simple = item.plain and item.chain and item.ask is None and row.state == "attempting"
        if simple and row.owner == self._worker and row.account in item.free:
            return self._together.do(item)
        return super()._finish(item)

    def _work(self, conn: Connection, items: Sequence[Finish]) -> list[Finished]:
        """Write that they landed, and claim and begin what follows in their lanes."""
        now = self._stamped(*items)
        alone = self._sweeper.shared and bool(shared.resting(conn, now=now).all())
        if len(items) < _WORTH_A_SET or alone:
            return [self._finished(conn, item, now) for item in items]
        steps = [Change(item.row, item.new, item.cause, self._worker) for item in items]
        landed = sets.land(conn, steps, owner=self._worker)
        lanes = [item.row.lane for item, done in zip(items, landed, strict=True) if done]
        got = sets.begin_next(conn, lanes, now=now, lease=self._lease(now), owner=self._worker)
        answers: list[Finished] = []
        for item, done in zip(items, landed, strict=True):
            row, new = item.row, item.new
            following = got.get(row.lane) if done else None
            if following is not None:
                answers.append(Finished(new, following, None))
            elif done:
                answers.append(Finished(new, None, ledger.lane_head(conn, row.lane, now=now)))
            else:
                answers.append(Finished(self._outcomes.too_late(conn, row, new), None, None))
        return answers


class SetDesk(Desk):
    """Many steps per transaction."""

    def __init__(self, store: Store, outcomes: Outcomes, sweeper: Sweeper, *, clock: Clock) -> None:
        """Write down for one worker on a server."""
        super().__init__(store, outcomes, sweeper, clock=clock)
        self._together: Together[Item, Any] = Together(store, self._work)

    def _claim(self, item: Claim) -> Awaitable[Claimed | None]:
        return self._together.do(item)

    def _begin(self, item: Begin) -> Awaitable[tuple[float, Row | None]]:
        return self._together.do(item)

    def _finish(self, item: Finish) -> Awaitable[Finished]:
        return self._together.do(item)

    def _work(self, conn: Connection, items: Sequence[Item]) -> list[Any]:
        """Do a set: outcomes, then budgets, then intents, then claims. One order for all sets, so that none waits in a circle.

        Most sets of a busy worker take three round trips: one for outcomes and locks, one for claims, one to commit.
        """
        now = self._stamped(*items)
        finishes = [item for item in items if isinstance(item, Finish)]
        begins = [item for item in items if isinstance(item, Begin)]
        claims = [item for item in items if isinstance(item, Claim)]
        plain = [item for item in finishes if item.plain and item.row.owner == self._worker]
        special = [item for item in finishes if not item.plain or item.row.owner != self._worker]
        wakes = {item.delivery for item in claims}
        together = not begins and not special and all(item.ask is None for item in plain)
        answers: dict[Item, Any] = {}
        found: _Asked | None = None
        with one_trip(conn):
            landed = bulk.land(conn, self._steps(plain), actor=self._worker, now=now) if plain else None
            if together:
                found = self._ask(conn, [item.row.lane for item in plain if item.chain], wakes, now)
        last, idle = self._landed(conn, plain, landed)
        if found is None:
            last.update(self._outcomes_of(conn, special, now))
            answers.update(self._intents(conn, begins, self._settled(conn, finishes, begins, now), now))
            lanes = [item.row.lane for item in finishes if item.chain and item.row.lane not in idle]
            with one_trip(conn):
                found = self._ask(conn, lanes, wakes, now)
        chained = [item for item in finishes if item.chain and last[item] is item.new]
        after = {item.row.lane: item for item in chained if item.row.lane not in idle}
        woken, locked, resting = found.read()
        waiting = [
            item for item in claims if item.delivery in woken and not _to_look_up(woken[item.delivery], now)
        ]
        by_lane = {woken[item.delivery].lane: item for item in waiting}
        lanes = {lane: lane[0] in item.free and item.new.state == "landed" for lane, item in after.items()}
        lanes.update((lane, lane[0] in by_lane[lane].free) for lane in by_lane.keys() & locked - after.keys())
        if resting:
            platforms = {lane: item.row.platform for lane, item in after.items()}
            platforms.update((one.lane, one.platform) for one in woken.values())
            for lane, quick in lanes.items():
                lanes[lane] = quick and resting.isdisjoint(self._block_keys(lane, platforms[lane]))
        got = bulk.claim(conn, lanes, now=now, lease=self._lease(now), owner=self._worker)
        heads = bulk.heads(conn, [lane for lane in {*after, *by_lane} if lane not in got], now=now)
        for item in finishes:
            answers[item] = Finished(last[item], None, None)
        for item in chained:
            lane = item.row.lane
            answers[item] = Finished(last[item], got.pop(lane, None), heads.get(lane))
        for item in claims:
            one = woken.get(item.delivery)
            if one is None:
                answers[item] = None
            elif _to_look_up(one, now):
                answers[item] = Claimed(one, None, None)
            else:
                answers[item] = Claimed(one, got.pop(one.lane, None), heads.get(one.lane))
        return [answers[item] for item in items]

    def _ask(self, conn: Connection, lanes: Sequence[Lane], wakes: Collection[int], now: int) -> _Asked:
        """Lock lanes, and those that wakes ask for where nobody else is claiming; and ask who rests."""
        return _Asked(
            bulk.lock_lanes(conn, lanes) if lanes else None,
            bulk.wake(conn, wakes, now=now) if wakes else None,
            shared.resting(conn, now=now) if self._sweeper.shared else None,
        )

    def _steps(self, items: Iterable[Finish]) -> list[Change]:
        return [Change(item.row, item.new, item.cause, self._worker) for item in items]

    def _landed(
        self, conn: Connection, items: Sequence[Finish], landed: Asked | None
    ) -> tuple[dict[Item, Row | None], set[Lane]]:
        """Give what each row became that simply landed, and the lanes in which nothing is due."""
        done: dict[int, bool] = dict(landed.all()) if landed is not None else {}
        last: dict[Item, Row | None] = {}
        idle: set[Lane] = set()
        for item in items:
            waits = done.get(item.row.id)
            last[item] = self._outcomes.too_late(conn, item.row, item.new) if waits is None else item.new
            if waits is False:
                idle.add(item.row.lane)
        return last, idle

    def _outcomes_of(self, conn: Connection, items: Sequence[Finish], now: int) -> dict[Item, Row | None]:
        """Write outcomes that bring more with them; gives what each row became."""
        done = bulk.change(conn, self._steps(items)) if items else set[int]()
        last: dict[Item, Row | None] = {}
        for item in items:
            self._note(conn, item, now)
            if item.row.id not in done:
                last[item] = self._outcomes.too_late(conn, item.row, item.new)
            elif item.new.state == "unknown":
                last[item] = self._outcomes.unknown(conn, item.new, now)
            else:
                last[item] = item.new
        return last

    def _settled(
        self, conn: Connection, finishes: Sequence[Finish], begins: Sequence[Begin], now: int
    ) -> dict[Begin, float]:
        """Count what was answered and what is to be sent; gives how long each must wait."""
        ended = [item.ask for item in finishes if item.ask is not None]
        asked = [item.ask for item in begins if item.ask is not None]
        if not ended and not asked:
            return {}
        counter = shared.Counter(conn, [*ended, *asked], now=now)
        for ask in ended:
            counter.settle(ask)
        waits = {item: counter.charge(item.ask) for item in begins if item.ask is not None}
        counter.write()
        return waits

    def _intents(
        self, conn: Connection, items: Sequence[Begin], waits: dict[Begin, float], now: int
    ) -> dict[Item, tuple[float, Row | None]]:
        ready = [item.row for item in items if not waits.get(item)]
        begun = bulk.begin(conn, ready, now=now, lease=self._lease(now), owner=self._worker)
        return {item: (waits.get(item, 0.0), begun.get(item.row.id)) for item in items}


class _Asked(NamedTuple):
    """What a set asks before it claims."""

    locks: Asked | None
    wakes: Asked | None
    resting: Asked | None

    def read(self) -> tuple[dict[int, Woken], set[Lane], set[str]]:
        """Give what wakes found, the lanes of these that are locked, and the keys under which a platform rests."""
        if self.locks is not None:
            self.locks.all()
        woken: dict[int, Woken] = {}
        locked: set[Lane] = set()
        for *values, mine in self.wakes.all() if self.wakes is not None else ():
            one = woken[values[0]] = Woken._make(values)
            if mine:
                locked.add(one.lane)
        keys = self.resting.all() if self.resting is not None else ()
        return woken, locked, {row[0].removeprefix("block|") for row in keys}


def _to_look_up(woken: Woken, now: int) -> bool:
    return woken.check_at is not None and woken.check_at <= now


def open_desk(store: Store, outcomes: Outcomes, sweeper: Sweeper, *, clock: Clock) -> Desk:
    """Give the desk that suits a store."""
    kind = FileDesk if store.is_sqlite else SetDesk
    return kind(store, outcomes, sweeper, clock=clock)
