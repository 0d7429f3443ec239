# ruff: noqa: S608 - names and numbers of this module only; every other value is bound
"""A community in one portable file: a zip of Parquet tables that speak of native ids, not of this store's numbers."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.store import people
from shequn_sdk.metrics.store.base import Appended, CommunityInfo
from shequn_sdk.metrics.store.log import LOG
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS
from shequn_sdk.metrics.store.tombstones import read_tombstones

if TYPE_CHECKING:
    import duckdb

__all__ = ["export", "load"]

_FORMAT = "shequn-community"
_VERSION = 1
_PARTS = ("events", "members", "contents", "profiles", "tags", "retractions")
_NUMBERS = {"community_no", "channel_no", "member_no", "person_no", "target_no"}
_PLAIN = tuple(name for name in EVENT_COLUMNS if name not in _NUMBERS)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def export(con: duckdb.DuckDBPyConnection, community: CommunityInfo, path: Path) -> int:
    """Write the file beside its place and move it there whole; give the number of events."""
    c = community.number
    plain = ", ".join(f"e.{name}" for name in _PLAIN)
    queries = {
        "events": f"""select {plain}, c.native_id as channel, a.native_id as member, t.native_id as target
            from {LOG} as e join channels as c using (channel_no) left join members as a on a.member_no = e.member_no
            left join members as t on t.member_no = e.target_no where e.community_no = {c} order by e.ts""",
        "members": f"""select m.platform, m.native_id, m.name, m.is_bot, p.platform as person_platform,
                p.native_id as person from members as m left join members as p on p.member_no = m.person_no
            where m.member_no in (select member_no from {LOG} where community_no = {c}
                union select target_no from {LOG} where community_no = {c}
                union select member_no from profiles where community_no = {c}) order by m.member_no""",
        "contents": f"""select o.content_no, o.platform, c.native_id as channel, o.native_id
            from contents as o join channels as c using (channel_no) where c.community_no = {c}""",
        "profiles": f"""select m.platform, m.native_id, p.role, p.entrance, p.joined_at, p.left_at
            from profiles as p join members as m using (member_no) where p.community_no = {c}""",
        "tags": f"""select m.platform, m.native_id, t.tag from member_tags as t join members as m using (member_no)
            where t.community_no = {c}""",
        "retractions": f"""select r.content_no, m.platform, m.native_id, r.kind, r.detail, r.ts
            from retractions as r left join members as m using (member_no) where r.community_no = {c}""",
    }
    count = con.execute(f"select count(*) from {LOG} where community_no = {c}").fetchall()[0][0]
    partial = path.with_name(path.name + ".part")
    about = {"format": _FORMAT, "version": _VERSION, "community": community.name, "zone": community.zone}
    with (
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr("about.json", json.dumps(about | {"events": count}))
        for name, sql in queries.items():
            part = Path(folder) / f"{name}.parquet"
            con.execute(f"copy ({sql}) to {_literal(part)} (format parquet, compression zstd)")
            archive.write(part, part.name)
    partial.replace(path)
    return count


def _about(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads(archive.read("about.json"))
    except (KeyError, ValueError) as error:
        raise InvalidInput(f"{path} is no export of a community", source=str(path)) from error
    if about.get("format") != _FORMAT:
        raise InvalidInput(f"{path} is no export of a community", source=str(path))
    if int(about.get("version", 0)) > _VERSION:
        raise InvalidInput(f"{path} was exported by a newer version; upgrade shequn-sdk", source=str(path))
    return about


def load(con: duckdb.DuckDBPyConnection, path: Path, name: str | None) -> Appended:
    """Read an export within the caller's transaction."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise InvalidInput(f"{path} is no export of a community, or is cut off", source=str(path)) from error
    with archive, tempfile.TemporaryDirectory() as folder:
        about = _about(archive, path)
        for part in _PARTS:
            archive.extract(f"{part}.parquet", folder)
            source = _literal(Path(folder) / f"{part}.parquet")
            con.execute(f"create or replace temp table in_{part} as select * from read_parquet({source})")
        _leave_out_erased(con)
        target = name or str(about["community"])
        community = people.find_community(con, target) or people.add_community(
            con, target, str(about["zone"])
        )
        return _merge(con, community)


def _leave_out_erased(con: duckdb.DuckDBPyConnection) -> None:
    """Take what was read of members whom this store erased out again."""
    tombstones = read_tombstones(con)
    if not tombstones:
        return
    natives: dict[str, list[str]] = {}
    for platform, native in con.execute("select platform, native_id from in_members").fetchall():
        natives.setdefault(platform, []).append(native)
    con.execute("create or replace temp table erased(platform varchar, native_id varchar, until timestamp)")
    for platform, found in natives.items():
        for native, until in tombstones.erased(platform, found).items():
            con.execute(
                "insert into erased values ($p, $i, make_timestamp($t))",
                {"p": platform, "i": native, "t": until},
            )
    con.execute(
        """delete from in_events as i using erased as x
        where x.platform = i.platform and x.native_id = i.member and i.ts <= x.until"""
    )
    con.execute(
        """update in_events set target = null, attrs = null from erased as x
        where x.platform = in_events.platform and x.native_id = in_events.target and in_events.ts <= x.until"""
    )
    for part in ("members", "profiles", "tags", "retractions"):
        con.execute(
            f"""delete from in_{part} as i using erased as x
            where x.platform = i.platform and x.native_id = i.native_id and not exists (
                select 1 from in_events as e where e.platform = i.platform and e.member = i.native_id)"""
        )


def _merge(con: duckdb.DuckDBPyConnection, community: CommunityInfo) -> Appended:
    c = community.number
    con.execute(
        """insert into members select n, n, platform, native_id, name, is_bot from (
            select (select coalesce(max(member_no), 0) from members) + row_number() over () as n, i.*
            from in_members as i anti join members as m using (platform, native_id))"""
    )
    con.execute(
        """update members set person_no = p.member_no from in_members as i join members as p
            on p.platform = i.person_platform and p.native_id = i.person
        where members.platform = i.platform and members.native_id = i.native_id
            and members.person_no = members.member_no"""
    )
    con.execute(
        f"""insert into channels select (select coalesce(max(channel_no), 0) from channels) + row_number() over (),
            {c}, platform, channel from (select distinct platform, channel from in_events) as i
        where not exists (select 1 from channels as k where k.community_no = {c} and k.platform = i.platform
            and k.native_id = i.channel)"""
    )
    con.execute(
        f"""create or replace temp table fresh as select i.* from in_events as i
        anti join (select event_id from {LOG} where community_no = {c}) as e using (event_id)"""
    )
    selected = ", ".join(
        {
            "community_no": str(c),
            "channel_no": "k.channel_no",
            "member_no": "a.member_no",
            "person_no": "a.person_no",
            "target_no": "t.member_no",
        }.get(column, f"f.{column}")
        for column in EVENT_COLUMNS
    )
    con.execute(
        f"""insert into events ({", ".join(EVENT_COLUMNS)}) select {selected} from fresh as f
        join channels as k on k.community_no = {c} and k.platform = f.platform and k.native_id = f.channel
        left join members as a on a.platform = f.platform and a.native_id = f.member
        left join members as t on t.platform = f.platform and t.native_id = f.target order by f.ts"""
    )
    con.execute(
        f"""insert into contents select i.content_no, i.platform, k.channel_no, i.native_id from in_contents as i
        join channels as k on k.community_no = {c} and k.platform = i.platform and k.native_id = i.channel
        where i.content_no not in (select content_no from contents)"""
    )
    con.execute(
        f"""insert into profiles select {c}, m.member_no, i.role, i.entrance, i.joined_at, i.left_at
        from in_profiles as i join members as m using (platform, native_id)
        where m.member_no not in (select member_no from profiles where community_no = {c})"""
    )
    con.execute(
        f"""insert into member_tags select {c}, m.member_no, i.tag from in_tags as i
        join members as m using (platform, native_id) where not exists (select 1 from member_tags as t
            where t.community_no = {c} and t.member_no = m.member_no and t.tag = i.tag)"""
    )
    con.execute(
        f"""insert into retractions select {c}, i.content_no, m.member_no, i.kind, i.detail, i.ts
        from in_retractions as i left join members as m on m.platform = i.platform and m.native_id = i.native_id
        where not exists (select 1 from retractions as r where r.community_no = {c}
            and r.content_no = i.content_no and r.kind = i.kind and r.ts = i.ts)"""
    )
    con.execute(f"insert into dirty_days select distinct {c}, local_day from fresh")
    total, new = con.execute(
        "select (select count(*) from in_events), (select count(*) from fresh)"
    ).fetchall()[0]
    return Appended(new=new, duplicates=total - new, late=0)
