"""What the room of members keeps of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, or_, select, update

from shequn_sdk.members.membership import bump
from shequn_sdk.stores.tables.delivery import delivery
from shequn_sdk.stores.tables.members import identity, membership, person
from shequn_sdk.stores.tables.profiles import (
    birthday,
    consent,
    fact_push,
    member_tag,
    merge_no,
    person_change,
    presence,
    profile_field,
    proof,
    proof_miss,
)

__all__ = ["erase_rows", "export_rows", "mentions"]

_OWN: tuple[Table, ...] = (membership, presence, profile_field, member_tag, consent, birthday)
_FINAL = ("landed", "refused", "partly", "cancelled", "expired")


def mentions(conn: Connection, identities: Sequence[int]) -> list[int]:
    """Give the deliveries that went to these members, or mention them: rows of the ledger that came to their end."""
    found: dict[int, None] = {}
    rows = conn.execute(
        select(identity.c.platform, identity.c.native_id).where(identity.c.id.in_(list(identities)))
    ).all()
    for row in rows:
        mention = f'"member_id":"{row.native_id}"'
        own = (row.native_id, f"user:{row.native_id}", f"customer:{row.native_id}", f"direct:{row.native_id}")
        for one in conn.execute(
            select(delivery.c.id).where(
                delivery.c.platform == row.platform,
                delivery.c.state.in_(_FINAL),
                or_(delivery.c.channel.in_(own), delivery.c.piece.contains(mention, autoescape=True)),
            )
        ):
            found[one.id] = None
    return list(found)


def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
    """Give what is kept, by table; contacts sealed as they are (`Members.export` opens them)."""
    numbers = list(identities)
    tables: dict[str, list[dict[str, Any]]] = {
        "identity": [
            dict(row) for row in conn.execute(select(identity).where(identity.c.id.in_(numbers))).mappings()
        ]
    }
    for table in _OWN:
        tables[table.name] = [
            dict(row)
            for row in conn.execute(select(table).where(table.c.identity_id.in_(numbers))).mappings()
        ]
    tables["delivery"] = [
        dict(row)
        for number in mentions(conn, numbers)
        for row in conn.execute(
            select(
                delivery.c.id, delivery.c.account, delivery.c.channel, delivery.c.due, delivery.c.text
            ).where(delivery.c.id == number)
        ).mappings()
    ]
    return {name: rows for name, rows in tables.items() if rows}


def erase_rows(conn: Connection, identities: Sequence[int]) -> int:
    """Remove it, and empty what was said to them; gives how many rows that were."""
    numbers = list(identities)
    total = 0
    told = mentions(conn, numbers)
    for number in told:  # names of channels may be those of people, and must differ within one publication
        total += conn.execute(
            update(delivery)
            .where(delivery.c.id == number)
            .values(text="", piece="{}", post=None, channel=f"erased:{number}", target=f"erased:{number}")
        ).rowcount
    for table in (*_OWN, proof, proof_miss, fact_push):
        total += conn.execute(delete(table).where(table.c.identity_id.in_(numbers))).rowcount
    conn.execute(delete(merge_no).where(or_(merge_no.c.low.in_(numbers), merge_no.c.high.in_(numbers))))
    owners = set(conn.execute(select(identity.c.person_id).where(identity.c.id.in_(numbers))).scalars().all())
    total += conn.execute(delete(identity).where(identity.c.id.in_(numbers))).rowcount
    left = set(conn.execute(select(identity.c.person_id).where(identity.c.person_id.in_(owners))).scalars())
    for owner in owners - left:
        conn.execute(
            delete(person_change).where(or_(person_change.c.kept == owner, person_change.c.gone == owner))
        )
        conn.execute(delete(person).where(person.c.id == owner))
    bump(conn, "epoch")
    return total
