"""Export and erasure of a person over everything that is kept, and the retention periods."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.members.fields import CONTACTS, read_fields, specs
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.members.merging import identities_of
from shequn_sdk.members.models import Erased, MemberInfo, Swept
from shequn_sdk.members.privacy import parts
from shequn_sdk.members.sealing import Sealer
from shequn_sdk.metrics.store.base import Session, TextKeeper
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import identity, membership
from shequn_sdk.stores.tables.profiles import erasure, profile_field, proof, proof_miss

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["erase", "export", "reseal", "sweep"]

FORMAT = "shequn-member-export/1"
_EVENTS = 1_000_000
_BATCH = 100
_DAY = timedelta(days=1)


def _numbers(conn: Connection, ref: MemberRef) -> list[int]:
    number = find_identities(conn, [ref]).get(ref)
    if number is None:
        raise UnknownName("member", str(ref))
    owner = persons_of(conn, [number])[number]
    return identities_of(conn, [owner])[owner]


async def export(house: House, ref: MemberRef, info: MemberInfo) -> dict[str, JsonValue]:
    """Give everything that is kept of a person as one JSON document."""
    store = await house.store()
    sealer = Sealer(house.privacy.contact_key) if house.privacy.contact_key.get_secret_value() else None

    def look(conn: Connection) -> tuple[dict[str, Any], dict[str, JsonValue], bool]:
        numbers = _numbers(conn, ref)
        sealed = any(spec.kind in CONTACTS for spec in specs(conn).values()) and sealer is None
        rooms = {name: dict(part.export_rows(conn, numbers)) for name, part in parts()}
        rooms.get("members", {}).pop("profile_field", None)  # they stand open under "person"
        return rooms, read_fields(conn, numbers, sealer=sealer), sealed

    rooms, opened, hidden = await store.read(look)
    refs = [one.ref for one in info.identities]
    person = info.model_dump(mode="json") | {"fields": opened}
    document: dict[str, JsonValue] = {
        "format": FORMAT,
        "exported_at": house.clock.now().isoformat(),
        "members": [str(one) for one in refs],
        "person": person,
        "rooms": {name: tables for name, tables in rooms.items() if tables},
        "events": [row for one in refs for row in await _events_of(house, one)],
    }
    if hidden and any(value == "•••" for value in opened.values()):
        document["note"] = (
            "contacts are sealed and the key is not set: set SHEQUN_CONTACT_KEY and export again"
        )
    return json.loads(json.dumps(document, ensure_ascii=False, default=str))


async def _events_of(house: House, ref: MemberRef) -> list[dict[str, JsonValue]]:
    from shequn_sdk.metrics.store.log import LOG  # noqa: PLC0415 - DuckDB's view over archives

    def look(session: Session) -> list[dict[str, JsonValue]]:
        log = LOG if session.dialect == "duckdb" else "events"
        names, rows = session.rows(
            f"""select c.name as community, e.kind, e.ts, e.value, e.currency, e.detail, e.attrs, h.native_id as channel
            from {log} as e join members as m on m.member_no = e.member_no
            join communities as c on c.community_no = e.community_no
            left join channels as h on h.channel_no = e.channel_no
            where m.platform = $platform and m.native_id = $member order by e.ts limit {_EVENTS}""",  # noqa: S608 - names of ours
            {"platform": ref.platform, "member": ref.native_id},
        )
        return [
            {"member": str(ref)}
            | {
                name: value.isoformat() + "Z" if isinstance(value, datetime) else value
                for name, value in zip(names, row, strict=True)
                if value not in (None, "")
            }
            for row in rows
        ]

    return await (await house.events()).query(look, purpose="export of a member")


async def erase(house: House, ref: MemberRef, *, actor: str) -> Erased:
    """Erase a person everywhere; what is begun is noted first, so that it is finished after a crash."""
    store = await house.store()
    now = to_us(house.clock.now())

    def begin(conn: Connection) -> tuple[int, list[int], list[MemberRef]]:
        numbers = _numbers(conn, ref)
        refs = [
            MemberRef(platform=row.platform, native_id=row.native_id)
            for row in conn.execute(
                select(identity.c.platform, identity.c.native_id).where(identity.c.id.in_(numbers))
            )
        ]
        made = conn.execute(
            insert(erasure).values(
                requested_at=now,
                refs=json.dumps([str(one) for one in refs]),
                identities=json.dumps(numbers),
                actor=actor,
                removed="{}",
            )
        ).inserted_primary_key
        return int(made[0]) if made else 0, numbers, refs

    number, numbers, refs = await store.write(begin)
    return await _finish(house, number, numbers, refs)


async def _finish(house: House, number: int, numbers: Sequence[int], refs: Sequence[MemberRef]) -> Erased:
    store = await house.store()
    events = 0
    log = await house.events()
    for ref in refs:
        try:
            events += (await log.forget(ref)).events
        except InvalidInput:
            continue  # never appeared there
    raw = await house.forget_raw(refs)

    def remove(conn: Connection) -> dict[str, int]:
        removed = {name: part.erase_rows(conn, numbers) for name, part in parts()}
        conn.execute(
            update(erasure)
            .where(erasure.c.id == number)
            .values(
                done_at=to_us(house.clock.now()),
                refs="[]",
                identities="[]",
                removed=json.dumps(removed | {"events": events}),
            )
        )
        return {name: rows for name, rows in removed.items() if rows}

    rows = await store.write(remove)
    return Erased(members=tuple(refs), rows=rows, events=events, raw_events=raw)


def _inactive(conn: Connection, before: int) -> list[MemberRef]:
    """Give one identity of each person whose every membership ended or fell silent before an instant."""
    latest = func.coalesce(membership.c.left_at, membership.c.last_active, membership.c.first_at)
    alive = (
        select(identity.c.person_id)
        .join(membership, membership.c.identity_id == identity.c.id)
        .where(or_(latest >= before, and_(membership.c.last_active >= before)))
    )
    rows = conn.execute(
        select(func.min(identity.c.id).label("id"))
        .where(identity.c.last_seen < before, identity.c.is_bot == 0, identity.c.person_id.not_in(alive))
        .group_by(identity.c.person_id)
        .having(func.max(identity.c.last_seen) < before)
        .limit(_BATCH)
    ).all()
    numbers = [row.id for row in rows]
    return [
        MemberRef(platform=row.platform, native_id=row.native_id)
        for row in conn.execute(
            select(identity.c.platform, identity.c.native_id).where(identity.c.id.in_(numbers))
        )
    ]


async def sweep(house: House) -> Swept:
    """Enforce the retention periods, and finish what an earlier erasure left."""
    store, policy = await house.store(), house.privacy
    now = house.clock.now()
    unfinished = members = texts = 0
    rows = await store.read(
        lambda conn: conn.execute(select(erasure).where(erasure.c.done_at.is_(None)).limit(_BATCH)).all()
    )
    for row in rows:
        refs = [MemberRef.parse(one) for one in json.loads(row.refs)]
        await _finish(house, row.id, json.loads(row.identities), refs)
        unfinished += 1
    raw = await house.prune_raw(timedelta(days=policy.raw_days))
    if policy.text_days is not None:
        events = (await house.events()).store
        if isinstance(events, TextKeeper):
            texts = await (await house.events()).drop_texts(before=now - policy.text_days * _DAY)
    if policy.inactive_days is not None:
        before = to_us(now - policy.inactive_days * _DAY)
        while found := await store.read(lambda conn: _inactive(conn, before)):
            for ref in found:
                await erase(house, ref, actor="retention")
                members += 1
    old = to_us(now - _DAY)

    def tidy(conn: Connection) -> None:
        conn.execute(delete(proof).where(proof.c.expires_at < old))
        conn.execute(delete(proof_miss).where(proof_miss.c.at < old))

    await store.write(tidy)
    return Swept(raw_events=raw, texts=texts, members=members, unfinished=unfinished)


def reseal(conn: Connection, sealer: Sealer) -> int:
    """Seal all contacts under the current key; gives how many were sealed under another."""
    kinds: Mapping[str, str] = {
        name: str(spec.kind) for name, spec in specs(conn).items() if spec.kind in CONTACTS
    }
    changed = 0
    for row in conn.execute(select(profile_field).where(profile_field.c.name.in_(list(kinds)))).all():
        sealed = str(json.loads(row.value))
        if sealer.is_current(sealed):
            continue
        context = f"{row.name}:{row.identity_id}"
        text = sealer.open(sealed, context=context)
        conn.execute(
            update(profile_field)
            .where(profile_field.c.identity_id == row.identity_id, profile_field.c.name == row.name)
            .values(
                value=json.dumps(sealer.seal(text, context=context)),
                blind=sealer.blind(text, kind=kinds[row.name]),
            )
        )
        changed += 1
    return changed
