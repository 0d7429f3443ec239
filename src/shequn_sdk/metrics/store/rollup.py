# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""Roll-ups: day and hour sums that are recomputed only for the days that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.metrics.macros import PASSIVE
from shequn_sdk.metrics.store.log import LOG
from shequn_sdk.metrics.store.schema import MEMBER_DAY_COUNTS

if TYPE_CHECKING:
    import duckdb

__all__ = ["PASSIVE_KINDS", "refresh"]

PASSIVE_KINDS = PASSIVE
"""Kinds that do not make a member active: what happens to a member, takes something back, or is not known."""

_FULL = 400
"""With more dirty days than this, looking each of them up costs more than reading the log once."""


def refresh(con: duckdb.DuckDBPyConnection) -> int:
    """Recompute the dirty days; give how many there were."""
    if not con.execute("select 1 from dirty_days limit 1").fetchall():
        return 0
    con.begin()
    try:
        days = con.execute("select distinct community_no, local_day from dirty_days").fetchall()
        con.execute(
            "create or replace temp table dirty as select distinct community_no, local_day from dirty_days"
        )
        _recompute(con)
        con.execute("delete from dirty_days")
        con.commit()
    except BaseException:
        con.rollback()
        raise
    return len(days)


def _recompute(con: duckdb.DuckDBPyConnection) -> None:
    passive = ", ".join(f"'{kind}'" for kind in PASSIVE_KINDS)
    # A day of a zone lies within two days of UTC on either side: this bound lets DuckDB skip the other blocks.
    low, high = con.execute("select min(local_day) - 2, max(local_day) + 2 from dirty").fetchall()[0]
    bounds = {"low": low, "high": high}
    within = "e.ts >= cast($low as date) and e.ts < cast($high as date)"
    for table in ("member_day", "community_hour", "ingest_stats"):
        con.execute(
            f"""delete from {table} as t where exists (select 1 from dirty as d
            where d.community_no = t.community_no and d.local_day = t.local_day)"""
        )
    con.execute(
        """delete from person_day as t where exists (select 1 from dirty as d
        where d.local_day = t.local_day and (d.community_no = t.community_no or t.community_no = -1))"""
    )
    counts = ", ".join(
        f"""cast(count(*) filter (where e.kind = '{kind}') as integer) as "{kind}\""""
        for kind in MEMBER_DAY_COUNTS
    )
    con.execute(
        f"""insert into member_day
        select e.community_no, e.member_no, e.person_no, e.platform, e.local_day, cast(count(*) as integer), {counts},
            min(e.ts), max(e.ts)
        from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {within} and e.member_no is not null and not e.is_bot and not e.is_spam and not e.is_retracted
            and e.kind not in ({passive})
        group by e.community_no, e.member_no, e.person_no, e.platform, e.local_day
        order by e.local_day""",
        bounds,
    )
    con.execute(
        """insert into person_day
        select m.community_no, m.person_no, m.local_day, cast(sum(m.actions) as integer)
        from member_day as m join dirty as d on d.community_no = m.community_no and d.local_day = m.local_day
        group by m.community_no, m.person_no, m.local_day order by m.local_day"""
    )
    con.execute(
        """insert into person_day
        select -1, m.person_no, m.local_day, cast(sum(m.actions) as integer)
        from member_day as m where m.local_day in (select local_day from dirty)
        group by m.person_no, m.local_day order by m.local_day"""
    )
    con.execute(
        f"""insert into community_hour
        select e.community_no, e.platform, e.local_day, e.local_hour, e.kind,
            count(*) filter (where not e.is_spam), count(*) filter (where e.is_spam),
            count(*) filter (where e.is_negative and not e.is_spam)
        from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {within} and not e.is_bot and not e.is_retracted
        group by e.community_no, e.platform, e.local_day, e.local_hour, e.kind order by e.local_day""",
        bounds,
    )
    con.execute(
        f"""insert into ingest_stats
        select e.community_no, e.platform, e.kind, e.local_day, count(*),
            count(*) filter (where e.ts < e.ingested_at - interval 1 day), max(e.ts)
        from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {within} group by e.community_no, e.platform, e.kind, e.local_day order by e.local_day""",
        bounds,
    )
