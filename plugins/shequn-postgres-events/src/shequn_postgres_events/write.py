# ruff: noqa: S608 - names and lists of the packages only; every other value is bound
"""Putting a batch in: COPY into a temporary table, then set by set; the caller holds the writers' lock."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from shequn_postgres_events.connection import Connection
from shequn_sdk.domain import InteractionBatch
from shequn_sdk.metrics import Appended, CommunityInfo
from shequn_sdk.metrics.store.keyed import keyed_rows
from shequn_sdk.metrics.store.rows import MESSAGE_KINDS

__all__ = ["append_batch", "copy_table", "rename_and_mark", "taken_back"]

_SAID = ", ".join(f"'{kind}'" for kind in MESSAGE_KINDS)
_TYPES = {
    "string": "text",
    "bool": "boolean",
    "int64": "bigint",
    "int8": "smallint",
    "double": "double precision",
    "date32[day]": "date",
    "timestamp[us]": "timestamp",
    "decimal128(18, 4)": "numeric(18, 4)",
    "fixed_size_binary[16]": "uuid",
    "extension<arrow.uuid>": "uuid",
}


def taken_back(event: str, member: str) -> str:
    """Write the condition that retraction `r` takes an event back.

    A message may be recalled by somebody else than its author (a moderator), a reaction or vote only by its own member.
    """
    return f"""{event}.content_no = r.content_no and {event}.ts <= r.ts
        and ({event}.kind = r.kind or (r.kind in ({_SAID}) and {event}.kind in ({_SAID})))
        and (r.kind in ({_SAID}) or {member}.member_no is not distinct from r.member_no)
        and (r.detail = '' or {event}.detail = '' or r.detail = {event}.detail)"""


def copy_table(con: Connection, name: str, table: Any) -> None:
    """Make a temporary table of an Arrow table, with the rows' order in column `n`; it goes with the transaction."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    kernels: Any = pyarrow.compute
    spelled: list[str] = []
    for position, field in enumerate(table.schema):
        kind = _TYPES[str(field.type)]
        spelled.append(f'"{field.name}" {kind}')
        if kind == "uuid":
            stored = table[field.name].cast(pa.binary(16)).to_pylist()
            table = table.set_column(
                position, field.name, pa.array([None if item is None else item.hex() for item in stored])
            )
        elif kind == "text":  # a NUL cannot be stored in a text
            table = table.set_column(
                position, field.name, kernels.replace_substring(table[field.name], "\x00", "")
            )
    table = table.append_column("n", pa.array(range(table.num_rows), pa.int64()))
    con.execute(f"create temporary table {name} ({', '.join(spelled)}, n bigint) on commit drop".encode())
    if table.num_rows:
        written = io.BytesIO()
        csv.write_csv(table, written, csv.WriteOptions(include_header=False))
        with (
            con.cursor() as cursor,
            cursor.copy(sql.SQL("copy {} from stdin (format csv)").format(sql.Identifier(name))) as copy,
        ):
            copy.write(written.getbuffer())


def append_batch(
    con: Connection, batch: InteractionBatch, *, community: CommunityInfo, now: datetime
) -> Appended:
    """Store what is new of a batch.

    Raises:
        InvalidInput: see `shequn_sdk.metrics.store.keyed.keyed_rows`.
    """
    table = keyed_rows(batch, community.zone)
    copy_table(con, "incoming", table)
    keys = {"c": community.number, "p": batch.platform, "now": now}
    con.execute(
        """create temporary table fresh on commit drop as select i.* from incoming as i
        where not exists (select 1 from events as e where e.event_id = i.event_id and e.community_no = %(c)s)""",
        keys,
    )
    con.execute("analyze fresh")
    new = _count(con, "select count(*) from fresh")
    if not new:
        return Appended(new=0, duplicates=len(batch), late=0)
    con.execute(
        """insert into channels
        select (select coalesce(max(channel_no), 0) from channels) + row_number() over (order by f.channel), %(c)s,
            %(p)s, f.channel
        from (select distinct channel from fresh) as f
        where not exists (select 1 from channels as k where k.community_no = %(c)s and k.platform = %(p)s
            and k.native_id = f.channel)""",
        keys,
    )
    _members(con, keys)
    retracts = "retract" in batch.kind
    if retracts:
        con.execute(
            """insert into retractions select %(c)s, f.content_no, m.member_no, f.retracts, f.detail, f.ts
            from fresh as f left join members as m on m.platform = %(p)s and m.native_id = f.member
            where f.kind = 'retract' and f.content_no is not null""",
            keys,
        )
    _events(con, keys)
    if retracts:
        _take_back(con, keys)
    late = _count(con, "select count(*) from fresh where ts < %(then)s", {"then": now - timedelta(days=1)})
    return Appended(new=new, duplicates=len(batch) - new, late=late)


def _count(con: Connection, query: str, values: dict[str, Any] | None = None) -> int:
    row = con.execute(query.encode(), values).fetchone()
    return int(row[0]) if row is not None else 0


def _members(con: Connection, keys: dict[str, Any]) -> None:
    """Give numbers to members that are new, in the order in which they appear; note new names and bots."""
    con.execute(
        """create temporary table people on commit drop as
        select native_id, min(line) as line, (array_agg(name order by line desc) filter (where name <> ''))[1] as name,
            bool_or(bot) as bot
        from (select f.member as native_id, f.n * 2 as line, f.member_name as name, f.bot from fresh as f
            union all select f.target, f.n * 2 + 1, '', false from fresh as f) as s
        where native_id <> '' group by native_id"""
    )
    con.execute(
        """insert into members
        select s.top + s.place, s.top + s.place, %(p)s, s.native_id, coalesce(s.name, ''), s.bot
        from (select (select coalesce(max(member_no), 0) from members) as top, row_number() over (order by p.line) as place,
                p.* from people as p where not exists (select 1 from members as m
                where m.platform = %(p)s and m.native_id = p.native_id)) as s""",
        keys,
    )
    rename_and_mark(con, keys)


def rename_and_mark(con: Connection, keys: dict[str, Any]) -> None:
    """Note the names of `people`, and who of them turned out to be a bot."""
    con.execute(
        """update members as m set name = p.name from people as p
        where m.platform = %(p)s and m.native_id = p.native_id and p.name <> m.name""",
        keys,
    )
    bots = con.execute(
        """update members as m set is_bot = true from people as p
        where m.platform = %(p)s and m.native_id = p.native_id and p.bot and not m.is_bot returning m.member_no""",
        keys,
    ).fetchall()
    if bots:
        found = {"m": [row[0] for row in bots]}
        con.execute(
            "insert into dirty_days select distinct community_no, local_day from events where member_no = any(%(m)s)",
            found,
        )
        con.execute("update events set is_bot = true where member_no = any(%(m)s)", found)


def _events(con: Connection, keys: dict[str, Any]) -> None:
    con.execute(
        f"""insert into events (event_id, community_no, platform, channel_no, member_no, person_no, target_no,
            content_no, parent_no, kind, ts, local_day, local_hour, value, amount, currency, detail, is_spam,
            is_negative, is_question, is_bot, is_retracted, attrs, ingested_at)
        select f.event_id, %(c)s, %(p)s, k.channel_no, a.member_no, a.person_no, t.member_no, f.content_no, f.parent_no,
            f.kind, f.ts, f.local_day, f.local_hour, f.value, f.amount, f.currency, f.detail, f.spam, f.negative,
            f.question or f.kind = 'question', f.bot or coalesce(a.is_bot, false),
            exists (select 1 from retractions as r where {taken_back("f", "a")}), nullif(f.attrs, ''), %(now)s
        from fresh as f
        join channels as k on k.community_no = %(c)s and k.platform = %(p)s and k.native_id = f.channel
        left join members as a on a.platform = %(p)s and a.native_id = f.member
        left join members as t on t.platform = %(p)s and t.native_id = f.target
        order by f.n on conflict do nothing""".encode(),
        keys,
    )
    con.execute(
        f"""insert into contents select distinct f.content_no, %(p)s, k.channel_no, f.message from fresh as f
        join channels as k on k.community_no = %(c)s and k.platform = %(p)s and k.native_id = f.channel
        where f.content_no is not null and f.kind in ({_SAID}) on conflict do nothing""".encode(),
        keys,
    )
    con.execute("insert into dirty_days select distinct %(c)s, local_day from fresh", keys)
    con.execute(
        """insert into profiles
        select %(c)s, m.member_no, null, (array_agg(f.entrance order by f.n))[1], null, null
        from fresh as f join members as m on m.platform = %(p)s and m.native_id = f.member
        where f.kind = 'join' and f.entrance <> '' group by m.member_no on conflict do nothing""",
        keys,
    )


def _take_back(con: Connection, keys: dict[str, Any]) -> None:
    """Mark the events that the new retractions take back."""
    con.execute(
        f"""with gone as (
            update events as e set is_retracted = true
            from (select f.content_no, m.member_no, f.retracts as kind, f.detail, f.ts from fresh as f
                left join members as m on m.platform = %(p)s and m.native_id = f.member
                where f.kind = 'retract' and f.content_no is not null) as r
            where {taken_back("e", "e")} and not e.is_retracted returning e.community_no, e.local_day)
        insert into dirty_days select distinct community_no, local_day from gone""".encode(),
        keys,
    )
