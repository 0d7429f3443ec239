# ruff: noqa: S608 - names and numbers of this module only
"""Roll-ups: day and hour sums that are recomputed only for the days that changed.

A day is replaced by writing its new rows with a higher version, and the rows it had with the mark of deletion and a
version in between: what is new stands, what is gone goes.
"""

from __future__ import annotations

from shequn_clickhouse.connection import Server
from shequn_sdk.metrics.macros import PASSIVE
from shequn_sdk.metrics.store.schema import MEMBER_DAY_COUNTS

__all__ = ["refresh"]

_PASSIVE = ", ".join(f"'{kind}'" for kind in PASSIVE)
_DIRTY = "(e.community_no, e.local_day) in (select community_no, local_day from dirty_days)"
_DIRTY_ALL = "e.local_day in (select local_day from dirty_days)"

_COLUMNS = {
    "member_day": ("community_no", "member_no", "person_no", "platform", "local_day", "actions", *MEMBER_DAY_COUNTS,
        "first_ts", "last_ts"),
    "person_day": ("community_no", "person_no", "local_day", "actions"),
    "community_hour": ("community_no", "platform", "local_day", "local_hour", "kind", "events", "spam", "negative"),
    "ingest_stats": ("community_no", "platform", "kind", "local_day", "events", "late", "last_ts"),
}  # fmt: skip

_COUNTS = ", ".join(f"toInt32(countIf(e.kind = '{kind}'))" for kind in MEMBER_DAY_COUNTS)

_FRESH = (
    # table, rows that are replaced, columns of the new rows, where they come from
    (
        "member_day",
        _DIRTY,
        (
            "e.community_no, assumeNotNull(e.member_no), assumeNotNull(e.person_no), e.platform, e.local_day, "
            f"toInt32(count()), {_COUNTS}, min(e.ts), max(e.ts)"
        ),
        f"""from events as e final where {_DIRTY} and e.member_no is not null and not e.is_bot and not e.is_spam
            and not e.is_retracted and e.kind not in ({_PASSIVE})
        group by e.community_no, e.member_no, e.person_no, e.platform, e.local_day""",
    ),
    (
        "person_day",
        f"e.community_no <> -1 and {_DIRTY}",
        "e.community_no, e.person_no, e.local_day, toInt32(sum(e.actions))",
        f"from member_day as e final where {_DIRTY} group by e.community_no, e.person_no, e.local_day",
    ),
    (
        "person_day",
        f"e.community_no = -1 and {_DIRTY_ALL}",
        "toInt16(-1), e.person_no, e.local_day, toInt32(sum(e.actions))",
        f"from member_day as e final where {_DIRTY_ALL} group by e.person_no, e.local_day",
    ),
    (
        "community_hour",
        _DIRTY,
        (
            "e.community_no, e.platform, e.local_day, e.local_hour, e.kind, toInt64(countIf(not e.is_spam)), "
            "toInt64(countIf(e.is_spam)), toInt64(countIf(e.is_negative and not e.is_spam))"
        ),
        f"""from events as e final where {_DIRTY} and not e.is_bot and not e.is_retracted
        group by e.community_no, e.platform, e.local_day, e.local_hour, e.kind""",
    ),
    (
        "ingest_stats",
        _DIRTY,
        (
            "e.community_no, e.platform, e.kind, e.local_day, toInt64(count()), "
            "toInt64(countIf(e.ts < e.ingested_at - interval 1 day)), max(e.ts)"
        ),
        f"from events as e final where {_DIRTY} group by e.community_no, e.platform, e.kind, e.local_day",
    ),
)


def refresh(server: Server) -> int:
    """Recompute the dirty days; give how many there were. The caller has the turn."""
    days = int(
        server.rows("select count() from (select distinct community_no, local_day from dirty_days)")[0][0]
    )
    if not days:
        return 0
    last = server.rows("select max(toUInt64OrZero(value)) from meta where key = 'refresh' settings final = 0")
    version = int(last[0][0] or 0) + 1
    server.insert("meta", {"key": ["refresh"], "value": [str(version)]})
    for table, gone, fresh, source in _FRESH:
        columns = ", ".join(_COLUMNS[table])
        old = ", ".join(f"e.{name}" for name in _COLUMNS[table])
        server.still_mine("roll-ups")
        server.run(
            f"insert into {table} ({columns}, version, is_deleted) "
            f"select {old}, toUInt64({2 * version}), toUInt8(1) from {table} as e final where {gone} union all "
            f"select {fresh}, toUInt64({2 * version + 1}), toUInt8(0) {source}"
        )
    server.run("truncate table dirty_days")
    return days
