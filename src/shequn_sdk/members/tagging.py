"""Tags on members: in the store, for the metrics, and on platforms that have tags of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import PlatformError, UnknownName
from shequn_sdk.members import consents
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.members.membership import touch
from shequn_sdk.members.merging import identities_of, note_push
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Tagger
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import identity

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["change_tags"]


async def change_tags(
    house: House,
    member: MemberRef | str,
    tags: Sequence[str],
    *,
    community: str,
    actor: str,
    on_platform: Mapping[str, str],
    add: bool,
) -> list[str]:
    """Put tags on a person or take them off; gives why the platform's own were not changed.

    Raises:
        UnknownName: the member was never seen.
        InvalidInput: a tag is malformed; nothing was changed.
    """
    ref = MemberRef.parse(member)
    wanted = [consents.checked_tag(one) for one in tags]
    now = to_us(house.clock.now())

    def write(conn: Connection) -> list[tuple[str, str, str]]:
        number = find_identities(conn, [ref]).get(ref)
        if number is None:
            raise UnknownName("member", str(ref))
        owner = persons_of(conn, [number])[number]
        numbers = identities_of(conn, [owner])[owner]
        if add:
            consents.tag(conn, community, number, wanted, actor=actor, now=now)
        else:
            consents.untag(conn, community, numbers, wanted)
        note_push(conn, community, [number] if add else numbers, now)
        touch(conn, numbers)
        rows = conn.execute(
            select(identity.c.platform, identity.c.native_id, identity.c.account).where(
                identity.c.id.in_(numbers)
            )
        )
        return [(row.platform, row.native_id, row.account) for row in rows]

    places = await (await house.store()).write(write)
    native = [on_platform[one] for one in wanted if one in on_platform]
    if not native:
        return []
    reasons: list[str] = []
    for platform, native_id, account in places:
        name = account or next(iter(house.accounts.on_platform(platform)), "")
        if not name or name not in house.accounts.names():
            continue
        manifest = house.accounts.manifest(name)
        adapter = house.accounts.adapter(name) if manifest.supports(Capability.TAGS) else None
        if not isinstance(adapter, Tagger):
            reasons.append(manifest.explain(Capability.TAGS))
            continue
        try:
            await adapter.tag(native_id, add=native if add else (), remove=() if add else native)
        except PlatformError as error:
            reasons.append(f"{platform}: {error}")
    return reasons
