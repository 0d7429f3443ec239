"""Tables. Each row of a replacing table has a version; the highest one stands, unless it says that the row is deleted."""

from __future__ import annotations

from shequn_sdk.metrics.store.schema import EVENT_COLUMNS, MEMBER_DAY_COUNTS

__all__ = ["EVENT_FIELDS", "EVENT_TYPES", "TABLES", "TURN", "VERSION"]

VERSION = 1
TURN = "writers_turn"
"""Table that exists while somebody writes."""

_INSTANT = "DateTime64(6, 'UTC')"

EVENT_TYPES = {
    "event_id": "UUID",
    "community_no": "Int16",
    "platform": "LowCardinality(String)",
    "channel_no": "Int32",
    "member_no": "Nullable(Int32)",
    "person_no": "Nullable(Int32)",
    "target_no": "Nullable(Int32)",
    "content_no": "Nullable(Int64)",
    "parent_no": "Nullable(Int64)",
    "kind": "LowCardinality(String)",
    "ts": _INSTANT,
    "local_day": "Date",
    "local_hour": "Int8",
    "value": "Nullable(Float64)",
    "amount": "Nullable(Decimal(18, 4))",
    "currency": "LowCardinality(String)",
    "detail": "String",
    "is_spam": "Bool",
    "is_negative": "Bool",
    "is_question": "Bool",
    "is_bot": "Bool",
    "is_retracted": "Bool",
    "attrs": "Nullable(String)",
    "ingested_at": _INSTANT,
}
EVENT_FIELDS = (*EVENT_COLUMNS, "version", "is_deleted")

_REPLACED = "version UInt64, is_deleted UInt8"
_REPLACING = "ReplacingMergeTree(version, is_deleted)"
# A batch that was acknowledged is on the disk, not only in the system's cache.
_DURABLE = "settings fsync_after_insert = 1, fsync_part_directory = 1"

TABLES = (
    "create table meta (key String, value String) engine = ReplacingMergeTree order by key",
    """create table communities (community_no Int16, name String, zone String)
    engine = ReplacingMergeTree order by name""",
    """create table channels (channel_no Int32, community_no Int16, platform String, native_id String)
    engine = ReplacingMergeTree order by (community_no, platform, native_id)""",
    f"""create table members (member_no Int32, person_no Int32, platform String, native_id String, name String,
    is_bot Bool, {_REPLACED}) engine = {_REPLACING} order by (platform, native_id) {_DURABLE}""",
    f"""create table profiles (community_no Int16, member_no Int32, role Nullable(String), entrance Nullable(String),
    joined_at Nullable({_INSTANT}), left_at Nullable({_INSTANT}), {_REPLACED})
    engine = {_REPLACING} order by (community_no, member_no)""",
    f"""create table member_tags (community_no Int16, member_no Int32, tag String, {_REPLACED})
    engine = {_REPLACING} order by (community_no, member_no, tag)""",
    """create table contents (content_no Int64, platform String, channel_no Int32, native_id String)
    engine = ReplacingMergeTree order by (content_no, channel_no)""",
    f"""create table events ({", ".join(f"{name} {EVENT_TYPES[name]}" for name in EVENT_COLUMNS)}, {_REPLACED},
    index by_content content_no type bloom_filter granularity 4, index by_member member_no type bloom_filter granularity 4)
    engine = {_REPLACING} order by (community_no, local_day, kind, event_id) {_DURABLE}""",
    "create view event_log as select * from events final",
    f"""create table retractions (community_no Int16, content_no Int64, member_no Nullable(Int32), kind String,
    detail String, ts {_INSTANT})
    engine = ReplacingMergeTree order by (content_no, kind, ts, detail, community_no, ifNull(member_no, 0)) {_DURABLE}""",
    f"""create table tombstones (digest UUID, until DateTime64(6, 'UTC'), version UInt64)
    engine = ReplacingMergeTree(version) order by digest {_DURABLE}""",
    f"""create table dirty_days (community_no Int16, local_day Date)
    engine = MergeTree order by (community_no, local_day) {_DURABLE}""",
    f"""create table member_day (community_no Int16, member_no Int32, person_no Int32, platform String, local_day Date,
    actions Int32, {", ".join(f"{kind} Int32" for kind in MEMBER_DAY_COUNTS)}, first_ts {_INSTANT}, last_ts {_INSTANT},
    {_REPLACED}) engine = {_REPLACING} order by (community_no, local_day, platform, member_no)""",
    f"""create table person_day (community_no Int16, person_no Int32, local_day Date, actions Int32, {_REPLACED})
    engine = {_REPLACING} order by (community_no, local_day, person_no)""",
    f"""create table community_hour (community_no Int16, platform String, local_day Date, local_hour Int8, kind String,
    events Int64, spam Int64, negative Int64, {_REPLACED})
    engine = {_REPLACING} order by (community_no, local_day, platform, local_hour, kind)""",
    f"""create table ingest_stats (community_no Int16, platform String, kind String, local_day Date, events Int64,
    late Int64, last_ts {_INSTANT}, {_REPLACED})
    engine = {_REPLACING} order by (community_no, local_day, platform, kind)""",
)
