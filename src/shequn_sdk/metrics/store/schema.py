"""Tables of the event store. Times are UTC in microseconds; local days and hours are of the community's zone."""

from __future__ import annotations

__all__ = ["ADDED", "EVENT_COLUMNS", "MEMBER_DAY_COUNTS", "SCHEMA_VERSION", "TABLES"]

SCHEMA_VERSION = 2

EVENT_COLUMNS = (
    "event_id",
    "community_no",
    "platform",
    "channel_no",
    "member_no",
    "person_no",
    "target_no",
    "content_no",
    "parent_no",
    "kind",
    "ts",
    "local_day",
    "local_hour",
    "value",
    "amount",
    "currency",
    "detail",
    "is_spam",
    "is_negative",
    "is_question",
    "is_bot",
    "is_retracted",
    "attrs",
    "ingested_at",
)
"""Member and person are NULL when the platform does not say who it was; content is the message that it is or acts on."""

MEMBER_DAY_COUNTS = (
    "message",
    "comment",
    "reaction",
    "share",
    "view",
    "vote",
    "check_in",
    "question",
    "answer",
    "purchase",
)
"""Kinds with a column of their own in `member_day`."""

TABLES = """
create table meta(key varchar primary key, value varchar not null);
create table communities(community_no smallint primary key, name varchar not null unique, zone varchar not null);
create table channels(channel_no integer primary key, community_no smallint not null, platform varchar not null,
    native_id varchar not null);
create table members(member_no integer not null, person_no integer not null, platform varchar not null,
    native_id varchar not null, name varchar not null, is_bot boolean not null);
create table profiles(community_no smallint not null, member_no integer not null, role varchar, entrance varchar,
    joined_at timestamp, left_at timestamp);
create table member_tags(community_no smallint not null, member_no integer not null, tag varchar not null);
create table contents(content_no bigint not null, platform varchar not null, channel_no integer not null,
    native_id varchar not null);
create table events(event_id uuid not null, community_no smallint not null, platform varchar not null,
    channel_no integer not null, member_no integer, person_no integer, target_no integer, content_no bigint,
    parent_no bigint, kind varchar not null, ts timestamp not null, local_day date not null,
    local_hour tinyint not null, value double, amount decimal(18, 4), currency varchar not null,
    detail varchar not null, is_spam boolean not null, is_negative boolean not null, is_question boolean not null,
    is_bot boolean not null, is_retracted boolean not null, attrs varchar, ingested_at timestamp not null);
create table retractions(community_no smallint not null, content_no bigint not null, member_no integer,
    kind varchar not null, detail varchar not null, ts timestamp not null);
create table dirty_days(community_no smallint not null, local_day date not null);
create table archives(file varchar not null, first_ts timestamp not null, last_ts timestamp not null,
    events bigint not null);
create table member_day(community_no smallint not null, member_no integer not null, person_no integer not null,
    platform varchar not null, local_day date not null, actions integer not null, message integer not null,
    comment integer not null, reaction integer not null, share integer not null, "view" integer not null,
    vote integer not null, check_in integer not null, question integer not null, answer integer not null,
    purchase integer not null, first_ts timestamp not null, last_ts timestamp not null);
create table person_day(community_no smallint not null, person_no integer not null, local_day date not null,
    actions integer not null);
create table community_hour(community_no smallint not null, platform varchar not null, local_day date not null,
    local_hour tinyint not null, kind varchar not null, events bigint not null, spam bigint not null,
    negative bigint not null);
create table ingest_stats(community_no smallint not null, platform varchar not null, kind varchar not null,
    local_day date not null, events bigint not null, late bigint not null, last_ts timestamp not null);
"""

ADDED = (
    """create table if not exists content_stats(community_no smallint not null, platform varchar not null,
        channel_no integer not null, content_no bigint not null, local_day date not null, kind varchar not null,
        events bigint not null, counter double, persons bigint not null);
    create table if not exists tombstones(digest uuid not null, until timestamp not null);
    create table if not exists late_retractions(community_no smallint not null, content_no bigint not null,
        member_no integer, kind varchar not null, detail varchar not null, ts timestamp not null);
    create table if not exists metric_point(ask varchar not null, community_no smallint not null,
        bucket date not null, first_day date not null, last_day date not null, points varchar not null);
    insert into dirty_days select distinct community_no, local_day from ingest_stats;
    update meta set value = '2' where key = 'schema'""",
)
"""What brings a file from version 1 to 2, from 2 to 3, and so on; days whose roll-ups lack something are made dirty."""
