# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""Roll-ups: sums per day, hour and content that are recomputed only for the days that changed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from shequn_sdk.metrics.macros import PASSIVE
from shequn_sdk.metrics.store.log import LOG
from shequn_sdk.metrics.store.schema import MEMBER_DAY_COUNTS

if TYPE_CHECKING:
    import duckdb

__all__ = ["PASSIVE_KINDS", "refresh", "stretches"]

PASSIVE_KINDS = PASSIVE
"""Kinds that do not make a member active: what happens to a member, takes something back, or is not known."""

_SPAN = 31
"""Days of one step: so that a whole log is rolled up within the memory that a month takes."""
_STRETCHES = 40
"""With more separate stretches than this, looking each of them up costs more than reading what lies between."""

_BOUNDS = "e.ts >= cast($low as date) - interval 2 day and e.ts < cast($high as date) + interval 2 day"
# A day of a zone lies within two days of UTC on either side: this lets the engine skip the other blocks.


def refresh(con: duckdb.DuckDBPyConnection) -> int:
    """Recompute the dirty days; give how many there were.

    Each step is a transaction that also ticks its days off, so that a crash leaves the rest dirty.
    """
    days = con.execute(
        "select local_day, count(distinct community_no) from dirty_days group by 1 order by 1"
    ).fetchall()
    for low, high in stretches([day for day, _ in days]):
        con.begin()
        try:
            _step(con, low, high)
            con.commit()
        except BaseException:
            con.rollback()
            raise
    return sum(count for _, count in days)


def stretches(days: list[date]) -> list[tuple[date, date]]:
    """Cut sorted days into stretches of at most a month; the more there are, the wider the gaps within one may be."""
    gap = 3
    while True:
        found: list[tuple[date, date]] = []
        for day in days:
            if found and (day - found[-1][1]).days <= gap and (day - found[-1][0]).days < _SPAN:
                found[-1] = (found[-1][0], day)
            else:
                found.append((day, day))
        if len(found) <= max(_STRETCHES, (days[-1] - days[0]).days // _SPAN + 1 if days else 0):
            return found
        gap *= 2


def _step(con: duckdb.DuckDBPyConnection, low: date, high: date) -> None:
    bounds = {"low": low, "high": high}
    con.execute(
        """create or replace temp table dirty as select distinct community_no, local_day from dirty_days
        where local_day between $low and $high""",
        bounds,
    )
    for table in ("member_day", "community_hour", "ingest_stats", "content_stats"):
        con.execute(
            f"""delete from {table} as t where t.local_day between $low and $high and exists (
                select 1 from dirty as d where d.community_no = t.community_no and d.local_day = t.local_day)""",
            bounds,
        )
    con.execute(
        """delete from person_day as t where t.local_day between $low and $high and exists (select 1 from dirty as d
        where d.local_day = t.local_day and (d.community_no = t.community_no or t.community_no = -1))""",
        bounds,
    )
    con.execute(
        """delete from metric_point as t where t.last_day >= $low and t.first_day <= $high and exists (
            select 1 from dirty as d where d.local_day between t.first_day and t.last_day
                and (t.community_no = d.community_no or t.community_no = -1))""",
        bounds,
    )
    _days(con, bounds)
    _hours(con, bounds)
    _contents(con, bounds)
    con.execute("delete from dirty_days where local_day between $low and $high", bounds)


def _days(con: duckdb.DuckDBPyConnection, bounds: dict[str, date]) -> None:
    passive = ", ".join(f"'{kind}'" for kind in PASSIVE_KINDS)
    counts = ", ".join(
        f"""cast(count(*) filter (where e.kind = '{kind}') as integer) as "{kind}\""""
        for kind in MEMBER_DAY_COUNTS
    )
    con.execute(
        f"""insert into member_day
        select e.community_no, e.member_no, e.person_no, e.platform, e.local_day, cast(count(*) as integer), {counts},
            min(e.ts), max(e.ts)
        from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {_BOUNDS} and e.member_no is not null and not e.is_bot and not e.is_spam and not e.is_retracted
            and e.kind not in ({passive})
        group by e.community_no, e.member_no, e.person_no, e.platform, e.local_day
        order by e.local_day""",
        bounds,
    )
    con.execute(
        """insert into person_day
        select m.community_no, m.person_no, m.local_day, cast(sum(m.actions) as integer)
        from member_day as m join dirty as d on d.community_no = m.community_no and d.local_day = m.local_day
        where m.local_day between $low and $high
        group by m.community_no, m.person_no, m.local_day order by m.local_day""",
        bounds,
    )
    con.execute(
        """insert into person_day
        select -1, m.person_no, m.local_day, cast(sum(m.actions) as integer)
        from member_day as m
        where m.local_day between $low and $high and m.local_day in (select local_day from dirty)
        group by m.person_no, m.local_day order by m.local_day""",
        bounds,
    )


def _hours(con: duckdb.DuckDBPyConnection, bounds: dict[str, date]) -> None:
    con.execute(
        f"""insert into community_hour
        select e.community_no, e.platform, e.local_day, e.local_hour, e.kind,
            count(*) filter (where not e.is_spam), count(*) filter (where e.is_spam),
            count(*) filter (where e.is_negative and not e.is_spam)
        from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {_BOUNDS} and not e.is_bot and not e.is_retracted
        group by e.community_no, e.platform, e.local_day, e.local_hour, e.kind order by e.local_day""",
        bounds,
    )
    con.execute(
        f"""insert into ingest_stats
        select e.community_no, e.platform, e.kind, e.local_day, count(*),
            count(*) filter (where e.ts < e.ingested_at - interval 1 day), max(e.ts)
        from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {_BOUNDS} group by e.community_no, e.platform, e.kind, e.local_day order by e.local_day""",
        bounds,
    )


def _contents(con: duckdb.DuckDBPyConnection, bounds: dict[str, date]) -> None:
    """Sum up what was done with each message per day, and which messages are posts.

    Where a platform tells a number without saying who (a view counter), the largest of the day is kept beside.
    """
    acts = f"""from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {_BOUNDS} and not e.is_bot and not e.is_spam and not e.is_retracted"""
    con.execute(
        f"""insert into content_stats
        select a.community_no, a.platform, 0, a.post_no, a.local_day, a.kind,
            sum(case when a.member_no is null and a.value is not null then 0 else 1 end),
            max(case when a.member_no is null then a.value end), count(distinct a.person_no)
        from (
            select e.community_no, e.platform, e.content_no as post_no, e.local_day, e.kind, e.member_no,
                e.person_no, e.value
            {acts} and e.kind in ('view', 'reaction', 'vote') and e.content_no is not null
            union all
            select e.community_no, e.platform, e.parent_no as post_no, e.local_day,
                case when e.kind = 'share' then 'share' else 'comment' end as kind, e.member_no, e.person_no, null
            {acts} and e.kind in ('comment', 'message', 'question', 'answer', 'share') and e.parent_no is not null
        ) as a
        group by a.community_no, a.platform, a.post_no, a.local_day, a.kind order by a.local_day""",
        bounds,
    )
    con.execute(
        f"""insert into content_stats
        select e.community_no, e.platform, e.channel_no, e.content_no, e.local_day, 'post', count(*), null, 0
        from {LOG} as e join dirty as d on d.community_no = e.community_no and d.local_day = e.local_day
        where {_BOUNDS} and not e.is_spam and not e.is_retracted and e.kind in ('message', 'question')
            and e.parent_no is null and e.content_no is not null
        group by e.community_no, e.platform, e.channel_no, e.content_no, e.local_day order by e.local_day""",
        bounds,
    )
