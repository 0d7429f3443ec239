# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""Putting a batch into the store: one transaction, no row twice, dense keys, local days.

What follows from the batch alone is worked out first, without the store and perhaps while it keeps another batch
(see `preparing`). Numbers are given in memory; the engine is asked once which rows it has, and once to keep the others.
The search for rows that it has is limited to the batch's own time range (an event keeps its platform's time when it
is redelivered), so it stays cheap at any size of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.store.arrays import array, run
from shequn_sdk.metrics.store.base import Appended, CommunityInfo
from shequn_sdk.metrics.store.known import Known, micros_of
from shequn_sdk.metrics.store.log import LOG
from shequn_sdk.metrics.store.preparing import CODES, Prepared, prepare
from shequn_sdk.metrics.store.rows import (
    KINDS,
    MESSAGE_KINDS,
    content_key,
    picker,
    time_ranges,
)
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS
from shequn_sdk.metrics.store.tombstones import without_erased
from shequn_sdk.metrics.store.zones import local_days_and_hours

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MESSAGE_KINDS", "append_batch", "content_key"]

_IN_MESSAGE_KINDS = ", ".join(f"'{kind}'" for kind in MESSAGE_KINDS)
_LATE = timedelta(days=1)
_FIRST_DAY = date(1970, 1, 1).toordinal()


def append_batch(
    con: duckdb.DuckDBPyConnection,
    prepared: Prepared,
    *,
    community: CommunityInfo,
    now: datetime,
    known: Known | None = None,
) -> Appended:
    """Store what is new of a batch; the caller holds the transaction, and clears `known` when it fails.

    Args:
        con: connection within a transaction.
        prepared: rows of one platform.
        community: where they belong.
        now: time of arrival in UTC, naive, kept with each row.
        known: what earlier batches found out while the file stayed open.

    Raises:
        InvalidInput: a text is no valid Unicode.
    """
    known = known or Known()
    batch = prepared.batch
    given = len(batch)
    if tombstones := known.erased(con):
        batch = without_erased(batch, tombstones)
        if batch is not prepared.batch:
            prepared = prepare(batch)
    erased = given - len(batch)
    if not len(batch):
        return Appended(new=0, duplicates=0, late=0, erased=erased)
    fresh = _fresh(con, prepared, community, known)
    new = len(fresh.order)
    if not new:
        return Appended(new=0, duplicates=len(batch), late=0, erased=erased)
    try:
        _Fresh(con, fresh, community, now, known).store()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"a batch of {batch.source or batch.platform} has text that is no valid Unicode: {error}"
        ) from error
    late = int((fresh.micros < micros_of(now - _LATE)).sum())
    return Appended(new=new, duplicates=len(batch) - new, late=late, erased=erased)


def _uuids(digests: NDArray[np.uint8]) -> Any:
    """Make an Arrow array of identities without touching them one by one."""
    import pyarrow as pa  # noqa: PLC0415

    storage: Any = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(digests), [None, pa.py_buffer(digests)]
    )
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def _nullable(numbers: NDArray[Any]) -> Any:
    """Make an Arrow array in which 0 is nothing."""
    nothing = numbers == 0
    return array(numbers, missing=nothing if nothing.any() else None)


def _fresh(
    con: duckdb.DuckDBPyConnection, prepared: Prepared, community: CommunityInfo, known: Known
) -> Prepared:
    """Leave out the rows that the store has."""
    first = int(prepared.micros[0])
    old = _stored(con, community, known, prepared.ids, prepared.micros)
    if len(old):
        prepared = prepared.without(old)
    known.recent(con, community.number, first).add(prepared.ids, prepared.micros)
    return prepared


def _stored(
    con: duckdb.DuckDBPyConnection,
    community: CommunityInfo,
    known: Known,
    ids: NDArray[np.uint8],
    times: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Give the positions, of rows in order of time, that the store has."""
    import numpy as np  # noqa: PLC0415

    if known.archived(con, int(times[0]), int(times[-1])):
        return _searched(con, community, known, ids, times)
    recent = known.recent(con, community.number, int(times[0]))
    size = int(np.searchsorted(times, recent.floor, side="right"))
    found = recent.find(ids[size:], times[size:])
    if found is None:
        return _searched(con, community, known, ids, times)
    newest = np.array(found, np.int64) + size
    if not size:
        return newest
    return np.concatenate(
        [_searched(con, community, known, np.ascontiguousarray(ids[:size]), times[:size]), newest]
    )


def _searched(
    con: duckdb.DuckDBPyConnection,
    community: CommunityInfo,
    known: Known,
    ids: NDArray[np.uint8],
    times: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Ask the engine which of these rows it has; it looks only into the time that they cover."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    seen = " union all ".join(
        f"select event_id from {LOG if known.archived(con, first, last) else 'events'} "
        f"where ts between make_timestamp({first}) and make_timestamp({last}) "
        f"and community_no = {community.number}"
        for first, last in time_ranges(times)
    )
    found: Any = run(
        con,
        f"select p.n from given as p semi join ({seen}) as old using (event_id)",
        pa.table({"event_id": _uuids(ids), "n": array(np.arange(len(ids)))}),
    ).fetchnumpy()["n"]
    return found


class _Fresh:
    """The new rows on their way into the tables."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        fresh: Prepared,
        community: CommunityInfo,
        now: datetime,
        known: Known,
    ) -> None:
        self.con = con
        self.batch = fresh.batch
        self.community = community
        self.now = now
        self.known = known
        self.fresh = fresh
        self.extras = fresh.extras
        self.codes = fresh.codes
        self.contents = fresh.contents
        self.pick = fresh.picker()
        self.channel: Sequence[str] = self.pick(self.batch.channel)
        self.member: Sequence[str] = self.pick(self.batch.member)
        self.message: Sequence[str] = self.pick(self.batch.message)

    def store(self) -> None:
        """Keep the rows, and what follows from them."""
        channels = self.known.channel_numbers(
            self.con, self.community.number, self.batch.platform, self.channel
        )
        self._members()
        table = self._table(channels)
        self._insert(table)
        self._contents(channels)
        self._dirty()
        self._entrances()
        if (self.codes == CODES["retract"]).any():
            self._take_back(table)

    # -- numbers

    def _members(self) -> None:
        """Give numbers to the members of the rows, new ones where needed; note new names and bots."""
        batch, known, pick = self.batch, self.known, self.pick
        targets: Sequence[str] = pick(batch.target) if any(batch.target) else ()
        self.numbers, found = known.member_numbers(self.con, batch.platform, self.member, targets)
        self.members, self.targets = found
        named = any(batch.member_name) or any(batch.is_bot)
        if not (self.numbers.new or named):
            return
        names = pick(batch.member_name)
        bots = pick(batch.is_bot)
        if self.numbers.new:
            facts: dict[str, tuple[str, bool]] = {}
            if named:
                new = set(self.numbers.new)
                for native, name, bot in zip(self.member, names, bots, strict=True):
                    if native in new:
                        before = facts.get(native, ("", False))
                        facts[native] = (name or before[0], bot or before[1])
            known.add_members(self.con, batch.platform, facts)
        if named:
            self._rename(names, bots)

    def _rename(self, names: Sequence[str], bots: Sequence[bool]) -> None:
        known, numbers = self.known, self.numbers
        called: dict[int, str] = {}
        found: set[int] = set()
        for native, name, bot in zip(self.member, names, bots, strict=True):
            number = numbers[native]
            if not number:
                continue
            if name:
                called[number] = name
            if bot and number not in known.bots:
                found.add(number)
        called = {number: name for number, name in called.items() if known.names.get(number) != name}
        for number, name in called.items():
            known.names[number] = name
        if called:
            import pyarrow as pa  # noqa: PLC0415

            table = pa.table(
                {"member_no": array(list(called), pa.int32()), "name": array(list(called.values()))}
            )
            run(
                self.con,
                "update members set name = c.name from given as c where c.member_no = members.member_no",
                table,
            )
        if found:
            known.bots |= found
            listed = ", ".join(map(str, sorted(found)))
            self.con.execute(
                "insert into dirty_days select distinct community_no, local_day from "
                f"{LOG} where member_no in ({listed})"
            )
            self.con.execute(f"update members set is_bot = true where member_no in ({listed})")
            self.con.execute(f"update events set is_bot = true where member_no in ({listed})")

    # -- rows

    def _persons(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        import numpy as np  # noqa: PLC0415

        persons = self.known.persons
        if not persons:
            return numbers
        return np.fromiter((persons.get(n, n) for n in numbers.tolist()), np.int32, len(numbers))

    def _table(self, channels: dict[str, int]) -> dict[str, Any]:
        """Make the columns of `events`; a text is SQL for a value that all rows share."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        batch, fresh, extras, known = self.batch, self.fresh, self.extras, self.known
        pick, size = self.pick, len(fresh.order)
        days, hours = local_days_and_hours(fresh.micros, self.community.zone)
        self.days = days
        members = self.members
        persons = self._persons(members)
        places = set(self.channel)
        columns: dict[str, Any] = {
            "event_id": _uuids(fresh.ids),
            "community_no": f"{self.community.number}",
            "platform": "$platform",
            "channel_no": f"{channels[self.channel[0]]}"
            if len(places) == 1
            else array(np.fromiter(map(channels.__getitem__, self.channel), np.int32, size)),
            "member_no": _nullable(members),
            "person_no": _nullable(persons),
            "target_no": "null",
            "content_no": _nullable(self.contents),
            "parent_no": "null" if fresh.parents is None else _nullable(fresh.parents),
            "kind": pa.DictionaryArray.from_arrays(array(self.codes), array(KINDS)),
            "ts": array(fresh.micros, pa.timestamp("us")),
            "local_day": array(days, pa.date32()),
            "local_hour": array(hours),
            "value": "null",
            "amount": "null",
            "currency": self._text(batch.currency, "''"),
            "detail": self._text(extras.detail, "''"),
            "is_spam": self._flags(extras.spam),
            "is_negative": self._flags(extras.negative),
            "is_question": "false" if fresh.asked is None else array(fresh.asked),
            "is_bot": self._bots(members),
            "is_retracted": "false",
            "attrs": "null",
            "ingested_at": "cast($now as timestamp)",
        }
        if len(self.targets):
            columns["target_no"] = _nullable(self.targets)
        if batch.value.count(None) < len(batch):
            columns["value"] = array(pick(batch.value), pa.float64())
            columns["amount"] = (
                "case when r.kind in ('purchase', 'refund') then try_cast(r.value as decimal(18, 4)) end"
            )
        if extras.amount:
            columns["exact"] = array(pick(extras.amount), pa.string())
            columns["amount"] = f"coalesce(try_cast(r.exact as decimal(18, 4)), {columns['amount']})"
        if any(batch.attrs):
            columns["attrs"] = "nullif(r.attributes, '')"
            columns["attributes"] = array(pick(batch.attrs), pa.string())
        if known.has_retractions(self.con):
            columns["is_retracted"] = self._gone(columns)
        return columns

    def _text(self, column: list[str] | None, empty: str) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        if not column or not any(column):
            return empty
        return array(self.pick(column), pa.string())

    def _flags(self, column: list[bool] | None) -> Any:
        import pyarrow as pa  # noqa: PLC0415

        return array(self.pick(column), pa.bool_()) if column and any(column) else "false"

    def _bots(self, members: NDArray[np.int32]) -> Any:
        import numpy as np  # noqa: PLC0415

        known = self.known.bots
        if not known and not any(self.batch.is_bot):
            return "false"
        flags = np.array(self.pick(self.batch.is_bot), bool)
        if known:
            flags |= np.isin(members, np.fromiter(known, np.int32, len(known)))
        return array(flags) if flags.any() else "false"

    def _arrow(self, columns: dict[str, Any], *names: str) -> Any:
        """Make an Arrow table of some columns, shared values written out."""
        import pyarrow as pa  # noqa: PLC0415

        size = len(self.fresh.order)
        empty = {
            "''": lambda: array([""] * size),
            "null": lambda: pa.nulls(size),
            "false": lambda: array([False] * size, pa.bool_()),
        }
        return pa.table(
            {
                name: empty[value]() if isinstance(value, str) else value
                for name, value in ((name, columns[name]) for name in names)
            }
        )

    def _insert(self, columns: dict[str, Any]) -> None:
        import pyarrow as pa  # noqa: PLC0415

        arrays = {name: value for name, value in columns.items() if not isinstance(value, str)}
        selected = ", ".join(
            columns[name] if isinstance(columns[name], str) else f"r.{name}" for name in EVENT_COLUMNS
        )
        run(
            self.con,
            f"insert into events select {selected} from given as r",
            pa.table(arrays),
            {"platform": self.batch.platform, "now": self.now},
        )

    def _contents(self, channels: dict[str, int]) -> None:
        """Keep the native ids of messages that these rows are, each once."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        own = [CODES[kind] for kind in MESSAGE_KINDS]
        rows = np.flatnonzero(np.isin(self.codes, own) & (self.contents != 0))
        if not len(rows):
            return
        numbers, first = np.unique(self.contents[rows], return_index=True)
        pick = picker(rows[first].tolist(), whole=False)
        written: Sequence[str] = pick(self.channel)
        places = np.fromiter(map(channels.__getitem__, written), np.int32, len(written))
        natives = array(pick(self.message))
        run(
            self.con,
            "insert into contents select content_no, $platform, channel_no, native from given",
            pa.table({"content_no": array(numbers), "channel_no": array(places), "native": natives}),
            {"platform": self.batch.platform},
        )

    def _dirty(self) -> None:
        import numpy as np  # noqa: PLC0415

        number, known = self.community.number, self.known.dirty
        # The rows are in order of time, so are most of their days.
        first = np.append(True, self.days[1:] != self.days[:-1])
        new = [day for day in dict.fromkeys(self.days[first].tolist()) if (number, day) not in known]
        if new:
            values = ", ".join(f"({number}, '{date.fromordinal(_FIRST_DAY + day)}')" for day in new)
            self.con.execute(f"insert into dirty_days values {values}")
            known.update((number, day) for day in new)

    def _entrances(self) -> None:
        """Keep by which entrance members came first."""
        import pyarrow as pa  # noqa: PLC0415

        if not any(self.batch.entrance):
            return
        found: dict[int, str] = {}
        for native, kind, entrance in zip(
            self.member, self.pick(self.batch.kind), self.pick(self.batch.entrance), strict=True
        ):
            if kind == "join" and entrance and (number := self.numbers[native]):
                found.setdefault(number, entrance)
        if not found:
            return
        table = pa.table(
            {"member_no": array(list(found), pa.int32()), "entrance": array(list(found.values()))}
        )
        run(
            self.con,
            """insert into profiles select $c, i.member_no, null, i.entrance, null, null from given as i
            where not exists (select 1 from profiles as o where o.community_no = $c
                and o.member_no = i.member_no)""",
            table,
            {"c": self.community.number},
        )

    # -- what is taken back

    def _gone(self, columns: dict[str, Any]) -> Any:
        """Find the rows that were taken back before they arrived."""
        import numpy as np  # noqa: PLC0415

        table = self._arrow(columns, "content_no", "member_no", "kind", "detail", "ts")
        rows: Any = run(
            self.con,
            f"select distinct e.n from given as e join retractions as r on {taken_back('e')}",
            table.append_column("n", array(np.arange(len(self.codes)))),
        ).fetchnumpy()["n"]
        if not len(rows):
            return "false"
        flags = np.zeros(len(self.codes), bool)
        flags[rows] = True
        return array(flags)

    def _take_back(self, columns: dict[str, Any]) -> None:
        """Take back what the rows retract."""
        import pyarrow as pa  # noqa: PLC0415

        table = self._arrow(columns, "content_no", "member_no", "kind", "detail", "ts")
        retracts = self.pick(self.extras.retracts) if self.extras.retracts else [""] * len(self.codes)
        run(
            self.con,
            """create or replace temp table taken as
            select $c as community_no, cast(content_no as bigint) as content_no,
                cast(member_no as integer) as member_no, retracts as kind, detail, ts
            from given where kind = 'retract' and content_no is not null""",
            table.append_column("retracts", array(retracts, pa.string())),
            {"c": self.community.number},
        )
        self.con.execute("insert into retractions select * from taken")
        self.known.retractions = None
        self.con.execute(
            f"""create or replace temp table gone as
            select distinct e.event_id, e.community_no, e.local_day, e.ts from events as e join taken as r
            on {taken_back("e")} where not e.is_retracted"""
        )
        self.con.execute("insert into dirty_days select distinct community_no, local_day from gone")
        if self.known.archives:  # read by the search for duplicates
            # What it takes back may lie in an archived month: looked for there before the next reading.
            self.con.execute(
                f"""insert into late_retractions select r.* from taken as r where not exists (
                    select 1 from events as e where {taken_back("e")})"""
            )
        self.con.execute(
            """update events set is_retracted = true where event_id in (select event_id from gone)
            and ts between (select min(ts) from gone) and (select max(ts) from gone)"""
        )


def taken_back(e: str) -> str:
    """Write the condition that retraction `r` takes event `e` back.

    A message may be recalled by somebody else than its author (a moderator), a reaction or vote only by its own member.
    """
    return f"""{e}.content_no = r.content_no and {e}.ts <= r.ts
        and ({e}.kind = r.kind or (r.kind in ({_IN_MESSAGE_KINDS}) and {e}.kind in ({_IN_MESSAGE_KINDS})))
        and (r.kind in ({_IN_MESSAGE_KINDS}) or {e}.member_no is not distinct from r.member_no)
        and (r.detail = '' or {e}.detail = '' or r.detail = {e}.detail)"""
