# ruff: noqa: S608 - names of this package and literals it quotes itself
"""A community in one portable file, and back."""

from __future__ import annotations

import uuid
from datetime import UTC
from pathlib import Path
from typing import Any

from shequn_clickhouse import people, write
from shequn_clickhouse.connection import Server
from shequn_sdk.metrics import Appended, CommunityInfo
from shequn_sdk.metrics.store.parcel import (
    PLAIN_COLUMNS,
    Parcel,
    leave_out_erased,
    part_schemas,
    read_parcel,
    write_parcel,
)

__all__ = ["export", "load"]


def _queries(number: int) -> dict[str, str]:
    plain = ", ".join(f"e.{name} as {name}" for name in PLAIN_COLUMNS)
    return {
        "events": f"""select {plain}, c.native_id as channel, a.native_id as member, t.native_id as target
            from events as e left join channels as c on c.channel_no = e.channel_no
            left join members as a on a.member_no = e.member_no left join members as t on t.member_no = e.target_no
            where e.community_no = {number} order by e.ts, e.event_id""",
        "members": f"""select m.platform as platform, m.native_id as native_id, m.name as name, m.is_bot as is_bot,
                p.platform as person_platform, p.native_id as person
            from members as m left join members as p on p.member_no = m.person_no where m.member_no in (
                select assumeNotNull(member_no) from events where community_no = {number} and member_no is not null
                union all select assumeNotNull(target_no) from events where community_no = {number} and target_no is not null
                union all select member_no from profiles where community_no = {number}) order by m.member_no""",
        "contents": f"""select o.content_no as content_no, o.platform as platform, c.native_id as channel,
                o.native_id as native_id
            from contents as o join channels as c on c.channel_no = o.channel_no
            where c.community_no = {number} order by o.content_no""",
        "profiles": f"""select m.platform as platform, m.native_id as native_id, p.role as role, p.entrance as entrance,
                p.joined_at as joined_at, p.left_at as left_at
            from profiles as p join members as m on m.member_no = p.member_no
            where p.community_no = {number} order by m.member_no""",
        "tags": f"""select m.platform as platform, m.native_id as native_id, t.tag as tag
            from member_tags as t join members as m on m.member_no = t.member_no
            where t.community_no = {number} order by m.member_no, t.tag""",
        "retractions": f"""select r.content_no as content_no, m.platform as platform, m.native_id as native_id,
                r.kind as kind, r.detail as detail, r.ts as ts
            from retractions as r left join members as m on m.member_no = r.member_no
            where r.community_no = {number} order by r.ts, r.content_no""",
    }


def export(server: Server, community: CommunityInfo, path: Path) -> int:
    """Write the file whole or not at all; give the number of events. The tables pass through memory."""
    import pyarrow as pa  # noqa: PLC0415

    parts: dict[str, Any] = {}
    schemas = part_schemas()
    for name, sql in _queries(community.number).items():
        result = server.query(sql)
        rows: list[tuple[Any, ...]] = list(result.result_rows)
        if not rows:  # then the engine may leave the columns' names out
            parts[name] = schemas[name].empty_table()
            continue
        columns = list(zip(*rows, strict=True))
        arrays: list[Any] = []
        for column, values in zip(result.column_names, columns, strict=True):
            kind = schemas[name].field(column).type
            if kind == pa.uuid():
                arrays.append(pa.array([value.bytes for value in values], pa.binary(16)).cast(kind))
            else:
                arrays.append(pa.array(values, kind))
        table = pa.Table.from_arrays(arrays, names=list(result.column_names))
        parts[name] = table.select(schemas[name].names)
    return write_parcel(path, Parcel(community.name, community.zone, parts))


def _rows(parcel: Parcel, name: str) -> list[dict[str, Any]]:
    return parcel.parts[name].to_pylist()


def load(server: Server, path: Path, name: str | None) -> Appended:
    """Read an export; the caller has the turn. The events come last, so that a crash leaves none of them half-known."""
    parcel = leave_out_erased(read_parcel(path), people.read_tombstones(server))
    target = name or parcel.community
    community = people.find_community(server, target) or people.add_community(server, target, parcel.zone)
    number = community.number
    members = _load_members(server, parcel)
    events = _rows(parcel, "events")
    for event in events:
        identity = event["event_id"]
        event["event_id"] = identity if isinstance(identity, uuid.UUID) else uuid.UUID(bytes=identity)
    known = write.known_events(server, number, events)
    fresh = [event for event in events if event["event_id"] not in known]
    contents = _rows(parcel, "contents")
    channels = write.channel_numbers(
        server, number, {(row["platform"], row["channel"]) for row in [*fresh, *contents]}
    )
    write.put_contents(
        server,
        {
            (row["content_no"], row["platform"], channels[row["platform"], row["channel"]], row["native_id"])
            for row in contents
        },
    )
    _load_facts(server, parcel, number, members)
    rows = [_event(event, number, channels, members) for event in fresh]
    days = sorted({row["local_day"] for row in rows})
    server.insert("dirty_days", {"community_no": [number] * len(days), "local_day": days})
    server.still_mine("import")
    write.put_events(server, rows)
    return Appended(new=len(rows), duplicates=len(events) - len(rows), late=0)


def _event(
    event: dict[str, Any],
    community: int,
    channels: dict[tuple[str, str], int],
    members: dict[tuple[str, str], people.Person],
) -> dict[str, Any]:
    platform = event["platform"]
    actor = members.get((platform, event["member"] or ""))
    target = members.get((platform, event["target"] or ""))
    return {
        **{name: event[name] for name in PLAIN_COLUMNS},
        "ts": event["ts"].replace(tzinfo=UTC),
        "ingested_at": event["ingested_at"].replace(tzinfo=UTC),
        "community_no": community,
        "channel_no": channels[platform, event["channel"]],
        "member_no": actor.number if actor else None,
        "person_no": actor.person if actor else None,
        "target_no": target.number if target else None,
        "version": 1,
        "is_deleted": 0,
    }


def _load_members(server: Server, parcel: Parcel) -> dict[tuple[str, str], people.Person]:
    rows = _rows(parcel, "members")
    found: dict[tuple[str, str], people.Person] = {}
    for platform in sorted({row["platform"] for row in rows}):
        natives = [row["native_id"] for row in rows if row["platform"] == platform]
        for native, person in people.members_by_native(server, platform, natives).items():
            found[platform, native] = person
    number = people.next_number(server, "members", "member_no")
    changed: dict[int, people.Person] = {}
    for row in rows:
        key = row["platform"], row["native_id"]
        if key not in found:
            found[key] = people.Person(number, number, *key, row["name"], row["is_bot"])
            changed[number] = found[key]
            number += 1
    for row in rows:
        own = found[row["platform"], row["native_id"]]
        person = found.get((row["person_platform"], row["person"]))
        if person is not None and own.person == own.number and person.number != own.number:
            own.person = person.number
            changed[own.number] = own
    people.put_members(server, list(changed.values()))
    return found


def _load_facts(
    server: Server, parcel: Parcel, community: int, members: dict[tuple[str, str], people.Person]
) -> None:
    """Keep profiles, tags and retractions that are not there already."""
    there = {
        row[0] for row in server.rows(f"select member_no from profiles where community_no = {community}")
    }
    profiles = [
        (members[row["platform"], row["native_id"]].number, row)
        for row in _rows(parcel, "profiles")
        if members[row["platform"], row["native_id"]].number not in there
    ]
    server.insert(
        "profiles",
        {
            "community_no": [community] * len(profiles),
            "member_no": [number for number, _ in profiles],
            "role": [row["role"] for _, row in profiles],
            "entrance": [row["entrance"] for _, row in profiles],
            "joined_at": [people.aware(row["joined_at"]) for _, row in profiles],
            "left_at": [people.aware(row["left_at"]) for _, row in profiles],
            "version": [1] * len(profiles),
            "is_deleted": [0] * len(profiles),
        },
    )
    tags = [(members[row["platform"], row["native_id"]].number, row["tag"]) for row in _rows(parcel, "tags")]
    versions = {
        (number, tag): version
        for number, tag, version in server.query(
            f"select member_no, tag, max(version) from member_tags where community_no = {community} "
            "group by member_no, tag settings final = 0"
        ).result_rows
    }
    server.insert(
        "member_tags",
        {
            "community_no": [community] * len(tags),
            "member_no": [number for number, _ in tags],
            "tag": [tag for _, tag in tags],
            "version": [versions.get(key, 0) + 1 for key in tags],
            "is_deleted": [0] * len(tags),
        },
    )
    taken = _rows(parcel, "retractions")
    server.insert(
        "retractions",
        {
            "community_no": [community] * len(taken),
            "content_no": [row["content_no"] for row in taken],
            "member_no": [
                members[row["platform"], row["native_id"]].number if row["native_id"] else None
                for row in taken
            ],
            "kind": [row["kind"] for row in taken],
            "detail": [row["detail"] for row in taken],
            "ts": [people.aware(row["ts"]) for row in taken],
        },
    )
