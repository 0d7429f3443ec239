# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""Putting a batch into the store: one transaction, no row twice, dense keys, local days.

Each step works on whole columns. The search for rows that the store already has is limited to the batch's own time
range (an event keeps its platform's time when it is redelivered), so it stays cheap at any size of the log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shequn_sdk.domain import InteractionBatch, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.store.base import Appended, CommunityInfo
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS
from shequn_sdk.metrics.store.zones import local_days_and_hours

if TYPE_CHECKING:
    import duckdb

__all__ = ["MESSAGE_KINDS", "append_batch", "content_key"]

MESSAGE_KINDS = ("message", "comment", "question", "answer", "share")
"""Kinds whose `message` is a content of their own."""

_EARLIEST = 0
_LATEST = 7_258_118_400_000_000  # the year 2200: later instants are errors of a clock or of a unit
_DAY = 86_400_000_000
_MAX_RANGES = 48
_KINDS = frozenset(str(kind) for kind in InteractionKind)
_IN_MESSAGE_KINDS = ", ".join(f"'{kind}'" for kind in MESSAGE_KINDS)


@dataclass(slots=True)
class _Extras:
    """What is read out of `attrs`, one value per row."""

    parent_channel: list[str]
    detail: list[str]
    retracts: list[str]
    amount: list[str | None]
    spam: list[bool]
    negative: list[bool]


def _check(batch: InteractionBatch) -> None:
    lengths = {name: len(values) for name, values in batch.columns()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(
            f"a batch of {batch.source or batch.platform} has columns of different lengths: {lengths}"
        )
    if unknown := set(batch.kind) - _KINDS:
        raise InvalidInput(
            f"unknown kind of interaction {min(unknown)!r}; known: {', '.join(sorted(_KINDS))}"
        )
    if batch.occurred_at and not (min(batch.occurred_at) >= _EARLIEST and max(batch.occurred_at) < _LATEST):
        raise InvalidInput(
            f"a batch of {batch.source or batch.platform} has times outside 1970-2200; occurred_at is in "
            "microseconds since 1970 UTC"
        )


def _extras(batch: InteractionBatch) -> _Extras:
    size = len(batch)
    extras = _Extras(batch.channel, [""] * size, [""] * size, [None] * size, [False] * size, [False] * size)
    if not any(batch.attrs):
        return extras
    extras.parent_channel = list(batch.channel)
    for row, text in enumerate(batch.attrs):
        if not text:
            continue
        try:
            attrs: Any = json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"attrs of {batch.id[row]!r} are no JSON: {error}") from error
        if not isinstance(attrs, dict):
            raise InvalidInput(f"attrs of {batch.id[row]!r} are no JSON object")
        extras.parent_channel[row] = str(attrs.get("parent_channel") or batch.channel[row])
        extras.detail[row] = str(attrs.get("reaction") or attrs.get("choice") or "")
        extras.retracts[row] = str(attrs.get("retracts") or "")
        extras.amount[row] = str(attrs["amount"]) if "amount" in attrs else None
        extras.spam[row] = bool(attrs.get("spam"))
        extras.negative[row] = bool(attrs.get("negative"))
    return extras


def _table(batch: InteractionBatch, zone: str) -> Any:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415

    extras = _extras(batch)
    micros = np.array(batch.occurred_at, dtype=np.int64)
    days, hours = local_days_and_hours(micros, zone)
    kernels: Any = pyarrow.compute
    text = pa.array(batch.text, pa.string())
    question: Any = (
        kernels.match_substring_regex(text, r"[?？]\s*$")
        if any(batch.text)
        else pa.array([False] * len(batch))
    )
    return pa.table(
        {
            "id": pa.array(batch.id, pa.string()),
            "kind": pa.array(batch.kind, pa.string()),
            "ts": pa.array(micros, pa.timestamp("us")),
            "local_day": pa.array(days, pa.date32()),
            "local_hour": pa.array(hours),
            "channel": pa.array(batch.channel, pa.string()),
            "member": pa.array(batch.member, pa.string()),
            "member_name": pa.array(batch.member_name, pa.string()),
            "bot": pa.array(batch.is_bot, pa.bool_()),
            "message": pa.array(batch.message, pa.string()),
            "parent": pa.array(batch.parent, pa.string()),
            "parent_channel": pa.array(extras.parent_channel, pa.string()),
            "target": pa.array(batch.target, pa.string()),
            "question": question,
            "value": pa.array(batch.value, pa.float64()),
            "amount": pa.array(extras.amount, pa.string()),
            "currency": pa.array(batch.currency, pa.string()),
            "entrance": pa.array(batch.entrance, pa.string()),
            "detail": pa.array(extras.detail, pa.string()),
            "retracts": pa.array(extras.retracts, pa.string()),
            "spam": pa.array(extras.spam, pa.bool_()),
            "negative": pa.array(extras.negative, pa.bool_()),
            "attrs": pa.array(batch.attrs, pa.string()),
        }
    )


def content_key(channel: str, message: str) -> str:
    """Write the SQL that gives a message's key: 63 bits of a hash, so that no look-up is ever needed."""
    return (
        f"case when {message} = '' then null else "
        f"cast(md5_number(concat_ws(chr(31), $platform, {channel}, {message})) >> 65 as bigint) end"
    )


def _time_ranges(times: list[int]) -> list[tuple[int, int]]:
    """Give the stretches of days that the rows cover, so that one late row does not widen the search to months."""
    days = sorted({time // _DAY for time in times})
    ranges: list[tuple[int, int]] = []
    for day in days:
        if ranges and day - ranges[-1][1] <= 1:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    if len(ranges) > _MAX_RANGES:
        ranges = [(days[0], days[-1])]
    lowest, highest = min(times), max(times)
    return [(max(first * _DAY, lowest), min((last + 1) * _DAY - 1, highest)) for first, last in ranges]


def append_batch(
    con: duckdb.DuckDBPyConnection,
    batch: InteractionBatch,
    *,
    community: CommunityInfo,
    now: datetime,
    log: str = "events",
) -> Appended:
    """Store what is new of a batch; the caller holds the transaction.

    Args:
        con: connection within a transaction.
        batch: rows of one platform.
        community: where they belong.
        now: time of arrival, kept with each row.
        log: table or view in which earlier events are looked for.
    """
    _check(batch)
    size = len(batch)
    if size == 0:
        return Appended(new=0, duplicates=0, late=0)
    con.register("incoming", _table(batch, community.zone))
    try:
        return _append(con, batch, community, now, log)
    finally:
        con.unregister("incoming")


def _append(
    con: duckdb.DuckDBPyConnection, batch: InteractionBatch, community: CommunityInfo, now: datetime, log: str
) -> Appended:
    platform = {"platform": batch.platform}
    seen = " union all ".join(
        f"select event_id from {log} where ts between make_timestamp({low}) and make_timestamp({high}) "
        f"and community_no = {community.number}"
        for low, high in _time_ranges(batch.occurred_at)
    )
    # Keys of contents are worked out here, once per new row: hashing is what ingest spends most of its time on.
    con.execute(
        f"""create or replace temp table fresh as
        select s.*, {content_key("s.channel", "s.message")} as content_no,
            {content_key("s.parent_channel", "s.parent")} as parent_no
        from (select cast(md5(concat_ws(chr(31), $platform, id, kind, member)) as uuid) as event_id, * from incoming) as s
        anti join ({seen}) as old using (event_id)""",
        platform,
    )
    rows, distinct = con.execute("select count(*), count(distinct event_id) from fresh").fetchall()[0]
    if rows != distinct:
        con.execute(
            """create or replace temp table fresh as
            select * from fresh qualify row_number() over (partition by event_id order by ts) = 1"""
        )
    late = 0
    if distinct:
        _channels(con, batch, community)
        _members(con, batch)
        _insert(con, batch, community, now)
        _retractions(con, batch, community)
        late = con.execute(
            "select count(*) from fresh where ts < cast($now as timestamp) - interval 1 day", {"now": now}
        ).fetchall()[0][0]
    return Appended(new=distinct, duplicates=len(batch) - distinct, late=late)


def _channels(con: duckdb.DuckDBPyConnection, batch: InteractionBatch, community: CommunityInfo) -> None:
    """Give numbers to channels that are new."""
    keys = {"community": community.number, "platform": batch.platform}
    known = con.execute(
        "select native_id from channels where community_no = $community and platform = $platform", keys
    ).fetchall()
    if set(batch.channel) <= {row[0] for row in known}:
        return
    con.execute(
        """insert into channels
        select (select coalesce(max(channel_no), 0) from channels) + row_number() over (order by channel),
            $community, $platform, channel
        from (select distinct channel from fresh) as c
        where not exists (select 1 from channels as k where k.community_no = $community
            and k.platform = $platform and k.native_id = c.channel)""",
        keys,
    )


def _members(con: duckdb.DuckDBPyConnection, batch: InteractionBatch) -> None:
    """Give numbers to the members of the fresh rows, new ones where needed; note new names and bots."""
    platform = {"platform": batch.platform}
    con.execute(
        """create or replace temp table people as
        select native_id, max(member_name) as name, bool_or(bot) as bot, min(line) as line from (
            select member as native_id, max(member_name) as member_name, bool_or(bot) as bot, min(ts) as line
            from fresh group by member
            union all select target, '', false, min(ts) from fresh group by target)
        where native_id <> '' group by native_id"""
    )
    con.execute(
        """create or replace temp table known as
        select m.* from members as m join people as p on p.native_id = m.native_id where m.platform = $platform""",
        platform,
    )
    counted = con.execute("select (select count(*) from people), (select count(*) from known)").fetchall()[0]
    if counted[0] > counted[1]:
        con.execute(
            """insert into members
            select n, n, $platform, native_id, name, bot from (
                select (select coalesce(max(member_no), 0) from members)
                    + row_number() over (order by line, native_id) as n, *
                from people anti join known using (native_id))""",
            platform,
        )
    if any(batch.member_name) or any(batch.is_bot):
        _rename(con)
    con.execute(
        """create or replace temp table people as
        select m.native_id, m.member_no, m.person_no, m.is_bot from members as m join people as p using (native_id)
        where m.platform = $platform""",
        platform,
    )


def _rename(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """create or replace temp table renamed as
        select k.member_no, p.name, p.bot, p.bot and not k.is_bot as new_bot
        from known as k join people as p using (native_id)
        where (p.name <> '' and p.name <> k.name) or (p.bot and not k.is_bot)"""
    )
    if not con.execute("select 1 from renamed limit 1").fetchall():
        return
    con.execute(
        """update members set name = case when r.name = '' then members.name else r.name end,
            is_bot = members.is_bot or r.bot
        from renamed as r where r.member_no = members.member_no"""
    )
    if con.execute("select 1 from renamed where new_bot limit 1").fetchall():
        con.execute(
            """insert into dirty_days select distinct community_no, local_day from events
            where member_no in (select member_no from renamed where new_bot)"""
        )
        con.execute(
            """update events set is_bot = true
            where member_no in (select member_no from renamed where new_bot)"""
        )


def _insert(
    con: duckdb.DuckDBPyConnection, batch: InteractionBatch, community: CommunityInfo, now: datetime
) -> None:
    keys = {"community": community.number, "platform": batch.platform}
    con.execute(
        f"""insert into events ({", ".join(EVENT_COLUMNS)})
        select f.event_id, $community, $platform, c.channel_no, a.member_no, a.person_no, t.member_no,
            f.content_no, f.parent_no, f.kind, f.ts, f.local_day, f.local_hour, f.value,
            coalesce(try_cast(f.amount as decimal(18, 4)),
                case when f.kind in ('purchase', 'refund') then cast(f.value as decimal(18, 4)) end),
            f.currency, f.detail, f.spam, f.negative,
            f.question or f.kind = 'question', f.bot or coalesce(a.is_bot, false), false,
            nullif(f.attrs, ''), cast($now as timestamp)
        from fresh as f
        left join people as a on a.native_id = f.member
        left join people as t on t.native_id = f.target
        join channels as c on c.native_id = f.channel and c.community_no = $community and c.platform = $platform
        order by f.ts""",
        keys | {"now": now},
    )
    if any(batch.message):
        con.execute(
            f"""insert into contents
            select distinct f.content_no, $platform, c.channel_no, f.message
            from fresh as f
            join channels as c on c.native_id = f.channel and c.community_no = $community and c.platform = $platform
            where f.content_no is not null and f.kind in ({_IN_MESSAGE_KINDS})""",
            keys,
        )
    con.execute(
        "insert into dirty_days select distinct $community, local_day from fresh",
        {"community": community.number},
    )
    if any(batch.entrance):
        con.execute(
            """insert into profiles
            select $community, p.member_no, null, arg_min(f.entrance, f.ts), null, null
            from fresh as f join people as p on p.native_id = f.member
            where f.kind = 'join' and f.entrance <> '' and not exists (select 1 from profiles as o
                where o.community_no = $community and o.member_no = p.member_no)
            group by p.member_no""",
            {"community": community.number},
        )


_TAKES_BACK = f"""e.content_no = r.content_no and e.ts <= r.ts and not e.is_retracted
    and (e.kind = r.kind or (r.kind in ({_IN_MESSAGE_KINDS}) and e.kind in ({_IN_MESSAGE_KINDS})))
    and (r.kind in ({_IN_MESSAGE_KINDS}) or e.member_no is not distinct from r.member_no)
    and (r.detail = '' or r.detail = e.detail)"""
# A message may be recalled by somebody else than its author (a moderator), a reaction or vote only by its own member.


def _retractions(con: duckdb.DuckDBPyConnection, batch: InteractionBatch, community: CommunityInfo) -> None:
    """Take back what the fresh rows retract, and fresh rows that were retracted before they arrived."""
    if "retract" in batch.kind:
        con.execute(
            """create or replace temp table taken as
            select $community as community_no, f.content_no, p.member_no,
                f.retracts as kind, f.detail, f.ts
            from fresh as f left join people as p on p.native_id = f.member
            where f.kind = 'retract' and f.message <> ''""",
            {"community": community.number},
        )
        con.execute("insert into retractions select * from taken")
        relation, scope = "taken", ""
    else:
        relation = "retractions"
        scope = "and e.event_id in (select event_id from fresh)"
        if not con.execute("select 1 from retractions limit 1").fetchall():
            return
    con.execute(
        f"""create or replace temp table gone as
        select distinct e.event_id, e.community_no, e.local_day from events as e join {relation} as r
        on {_TAKES_BACK} {scope}"""
    )
    if relation == "taken":
        con.execute(
            f"""insert into gone select distinct e.event_id, e.community_no, e.local_day
            from events as e join retractions as r on {_TAKES_BACK}
            where e.event_id in (select event_id from fresh)"""
        )
    con.execute("insert into dirty_days select distinct community_no, local_day from gone")
    con.execute("update events set is_retracted = true where event_id in (select event_id from gone)")
