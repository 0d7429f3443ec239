# ruff: noqa: S608 - names and lists of the packages only; every other value is bound
"""A community in one portable file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shequn_postgres_events import people
from shequn_postgres_events.connection import Connection
from shequn_postgres_events.session import arrow_table
from shequn_postgres_events.write import copy_table
from shequn_sdk.metrics import Appended, CommunityInfo
from shequn_sdk.metrics.store.parcel import (
    PLAIN_COLUMNS,
    Parcel,
    leave_out_erased,
    part_schemas,
    read_parcel,
    write_parcel,
)
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS

__all__ = ["export", "load"]

_QUERIES = {
    "events": f"""select {", ".join(f"e.{name}" for name in PLAIN_COLUMNS)}, c.native_id as channel, a.native_id as member,
            t.native_id as target
        from events as e join channels as c using (channel_no) left join members as a on a.member_no = e.member_no
        left join members as t on t.member_no = e.target_no where e.community_no = %(c)s order by e.ts, e.event_id""",
    "members": """select m.platform, m.native_id, m.name, m.is_bot, p.platform as person_platform, p.native_id as person
        from members as m left join members as p on p.member_no = m.person_no
        where m.member_no in (select member_no from events where community_no = %(c)s
            union select target_no from events where community_no = %(c)s
            union select member_no from profiles where community_no = %(c)s) order by m.member_no""",
    "contents": """select o.content_no, o.platform, c.native_id as channel, o.native_id
        from contents as o join channels as c using (channel_no) where c.community_no = %(c)s order by 1""",
    "profiles": """select m.platform, m.native_id, p.role, p.entrance, p.joined_at, p.left_at
        from profiles as p join members as m using (member_no) where p.community_no = %(c)s order by m.member_no""",
    "tags": """select m.platform, m.native_id, t.tag from member_tags as t join members as m using (member_no)
        where t.community_no = %(c)s order by m.member_no, t.tag""",
    "retractions": """select r.content_no, m.platform, m.native_id, r.kind, r.detail, r.ts
        from retractions as r left join members as m using (member_no) where r.community_no = %(c)s order by r.ts""",
}


def export(con: Connection, community: CommunityInfo, path: Path) -> int:
    """Write the file whole or not at all; give the number of events. The tables pass through memory."""
    schemas = part_schemas()
    parts: dict[str, Any] = {
        name: arrow_table(con.execute(query.encode(), {"c": community.number})).select(schemas[name].names)
        for name, query in _QUERIES.items()
    }
    return write_parcel(path, Parcel(community.name, community.zone, parts))


def load(con: Connection, path: Path, name: str | None) -> Appended:
    """Read an export within the caller's transaction."""
    parcel = leave_out_erased(read_parcel(path), people.read_tombstones(con))
    target = name or parcel.community
    community = people.find_community(con, target) or people.add_community(con, target, parcel.zone)
    for part, table in parcel.parts.items():
        copy_table(con, f"in_{part}", table)
    return _merge(con, {"c": community.number})


def _merge(con: Connection, keys: dict[str, int]) -> Appended:
    con.execute(
        """insert into members select s.top + s.place, s.top + s.place, s.platform, s.native_id, s.name, s.is_bot
        from (select (select coalesce(max(member_no), 0) from members) as top, row_number() over (order by i.n) as place,
            i.* from in_members as i where not exists (select 1 from members as m
                where m.platform = i.platform and m.native_id = i.native_id)) as s"""
    )
    con.execute(
        """update members as m set person_no = p.member_no from in_members as i join members as p
            on p.platform = i.person_platform and p.native_id = i.person
        where m.platform = i.platform and m.native_id = i.native_id and m.person_no = m.member_no"""
    )
    con.execute(
        """insert into channels
        select (select coalesce(max(channel_no), 0) from channels) + row_number() over (order by i.platform, i.channel),
            %(c)s, i.platform, i.channel
        from (select distinct platform, channel from in_events) as i
        where not exists (select 1 from channels as k where k.community_no = %(c)s and k.platform = i.platform
            and k.native_id = i.channel)""",
        keys,
    )
    con.execute(
        """create temporary table arrived on commit drop as select i.* from in_events as i
        where not exists (select 1 from events as e where e.community_no = %(c)s and e.event_id = i.event_id)""",
        keys,
    )
    selected = ", ".join(
        {
            "community_no": "%(c)s",
            "channel_no": "k.channel_no",
            "member_no": "a.member_no",
            "person_no": "a.person_no",
            "target_no": "t.member_no",
        }.get(column, f"f.{column}")
        for column in EVENT_COLUMNS
    )
    con.execute(
        f"""insert into events ({", ".join(EVENT_COLUMNS)}) select {selected} from arrived as f
        join channels as k on k.community_no = %(c)s and k.platform = f.platform and k.native_id = f.channel
        left join members as a on a.platform = f.platform and a.native_id = f.member
        left join members as t on t.platform = f.platform and t.native_id = f.target order by f.n""".encode(),
        keys,
    )
    for query in (
        """insert into contents select i.content_no, i.platform, k.channel_no, i.native_id from in_contents as i
        join channels as k on k.community_no = %(c)s and k.platform = i.platform and k.native_id = i.channel
        on conflict do nothing""",
        """insert into profiles select %(c)s, m.member_no, i.role, i.entrance, i.joined_at, i.left_at
        from in_profiles as i join members as m using (platform, native_id) on conflict do nothing""",
        """insert into member_tags select %(c)s, m.member_no, i.tag from in_tags as i
        join members as m using (platform, native_id) on conflict do nothing""",
        """insert into retractions select %(c)s, i.content_no, m.member_no, i.kind, i.detail, i.ts
        from in_retractions as i left join members as m on m.platform = i.platform and m.native_id = i.native_id
        where not exists (select 1 from retractions as r where r.community_no = %(c)s and r.content_no = i.content_no
            and r.kind = i.kind and r.ts = i.ts)""",
        "insert into dirty_days select distinct %(c)s, local_day from arrived",
    ):
        con.execute(query.encode(), keys)
    row = con.execute("select (select count(*) from in_events), (select count(*) from arrived)").fetchone()
    total, new = row if row is not None else (0, 0)
    return Appended(new=new, duplicates=total - new, late=0)
