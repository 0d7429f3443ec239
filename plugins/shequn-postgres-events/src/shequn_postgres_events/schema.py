"""Tables of the event store on a server, in a schema of their own. Times are UTC without a zone, in microseconds."""

from __future__ import annotations

__all__ = ["SCHEMA", "TABLES", "VERSION"]

SCHEMA = "shequn_events"
VERSION = 1

TABLES = """
create table meta(key text primary key, value text not null);
create table communities(community_no smallint primary key, name text not null unique, zone text not null);
create table channels(channel_no integer primary key, community_no smallint not null, platform text not null,
    native_id text not null, unique(community_no, platform, native_id));
create table members(member_no integer primary key, person_no integer not null, platform text not null,
    native_id text not null, name text not null, is_bot boolean not null, unique(platform, native_id));
create index on members(person_no);
create table profiles(community_no smallint not null, member_no integer not null, role text, entrance text,
    joined_at timestamp, left_at timestamp, primary key(community_no, member_no));
create table member_tags(community_no smallint not null, member_no integer not null, tag text not null,
    primary key(community_no, member_no, tag));
create table contents(content_no bigint not null, platform text not null, channel_no integer not null,
    native_id text not null, primary key(content_no, channel_no));
create table events(event_id uuid not null, community_no smallint not null, platform text not null,
    channel_no integer not null, member_no integer, person_no integer, target_no integer, content_no bigint,
    parent_no bigint, kind text not null, ts timestamp not null, local_day date not null,
    local_hour smallint not null, value double precision, amount numeric(18, 4), currency text not null,
    detail text not null, is_spam boolean not null, is_negative boolean not null, is_question boolean not null,
    is_bot boolean not null, is_retracted boolean not null, attrs text, ingested_at timestamp not null,
    primary key(event_id, community_no));
create index on events(community_no, local_day);
create index on events(content_no) where content_no is not null;
create index on events(member_no) where member_no is not null;
create index on events(target_no) where target_no is not null;
create view event_log as select * from events;
create table retractions(community_no smallint not null, content_no bigint not null, member_no integer,
    kind text not null, detail text not null, ts timestamp not null);
create index on retractions(content_no);
create table tombstones(digest uuid primary key, until timestamp not null);
create table dirty_days(community_no smallint not null, local_day date not null);
create table member_day(community_no smallint not null, member_no integer not null, person_no integer not null,
    platform text not null, local_day date not null, actions integer not null, message integer not null,
    comment integer not null, reaction integer not null, share integer not null, "view" integer not null,
    vote integer not null, check_in integer not null, question integer not null, answer integer not null,
    purchase integer not null, first_ts timestamp not null, last_ts timestamp not null);
create index on member_day(community_no, local_day);
create table person_day(community_no smallint not null, person_no integer not null, local_day date not null,
    actions integer not null);
create index on person_day(community_no, local_day);
create table community_hour(community_no smallint not null, platform text not null, local_day date not null,
    local_hour smallint not null, kind text not null, events bigint not null, spam bigint not null,
    negative bigint not null);
create index on community_hour(community_no, local_day);
create table ingest_stats(community_no smallint not null, platform text not null, kind text not null,
    local_day date not null, events bigint not null, late bigint not null, last_ts timestamp not null);
create index on ingest_stats(community_no, local_day)
"""
