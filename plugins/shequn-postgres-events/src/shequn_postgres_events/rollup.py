# ruff: noqa: S608 - names and lists of the packages only; every other value is bound
"""Roll-ups: day and hour sums that are recomputed only for the days that changed."""

from __future__ import annotations

from shequn_postgres_events.connection import Connection
from shequn_sdk.metrics.macros import PASSIVE
from shequn_sdk.metrics.store.schema import MEMBER_DAY_COUNTS

__all__ = ["refresh"]

_PASSIVE = ", ".join(f"'{kind}'" for kind in PASSIVE)
_COUNTS = ", ".join(f"count(*) filter (where e.kind = '{kind}')" for kind in MEMBER_DAY_COUNTS)
_DAY = "d.community_no = e.community_no and d.local_day = e.local_day"

_STEPS = (
    *(
        f"delete from {table} as e using dirty as d where {_DAY}"
        for table in ("member_day", "community_hour", "ingest_stats")
    ),
    """delete from person_day as e using dirty as d
    where d.local_day = e.local_day and (d.community_no = e.community_no or e.community_no = -1)""",
    f"""insert into member_day
    select e.community_no, e.member_no, e.person_no, e.platform, e.local_day, count(*), {_COUNTS}, min(e.ts), max(e.ts)
    from events as e join dirty as d on {_DAY}
    where e.member_no is not null and not e.is_bot and not e.is_spam and not e.is_retracted and e.kind not in ({_PASSIVE})
    group by e.community_no, e.member_no, e.person_no, e.platform, e.local_day""",
    f"""insert into person_day select e.community_no, e.person_no, e.local_day, sum(e.actions)
    from member_day as e join dirty as d on {_DAY} group by e.community_no, e.person_no, e.local_day""",
    """insert into person_day select -1, e.person_no, e.local_day, sum(e.actions) from member_day as e
    where e.local_day in (select local_day from dirty) group by e.person_no, e.local_day""",
    f"""insert into community_hour
    select e.community_no, e.platform, e.local_day, e.local_hour, e.kind, count(*) filter (where not e.is_spam),
        count(*) filter (where e.is_spam), count(*) filter (where e.is_negative and not e.is_spam)
    from events as e join dirty as d on {_DAY} where not e.is_bot and not e.is_retracted
    group by e.community_no, e.platform, e.local_day, e.local_hour, e.kind""",
    f"""insert into ingest_stats
    select e.community_no, e.platform, e.kind, e.local_day, count(*),
        count(*) filter (where e.ts < e.ingested_at - interval '1 day'), max(e.ts)
    from events as e join dirty as d on {_DAY} group by e.community_no, e.platform, e.kind, e.local_day""",
    "delete from dirty_days",
)


def refresh(con: Connection) -> int:
    """Recompute the dirty days within the caller's transaction; give how many there were."""
    con.execute(
        "create temporary table dirty on commit drop as select distinct community_no, local_day from dirty_days"
    )
    con.execute("analyze dirty")
    row = con.execute("select count(*) from dirty").fetchone()
    days = int(row[0]) if row is not None else 0
    if days:
        for step in _STEPS:
            con.execute(step.encode())
    return days
