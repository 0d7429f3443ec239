"""The platform's own list and number of members, against ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from shequn_sdk.domain import ChannelRef, MemberRef, Membership, Role
from shequn_sdk.members.identities import Seen, find_identities, note_identities
from shequn_sdk.members.membership import Act, note_acts
from shequn_sdk.members.models import CountReason, DirectoryImport, MemberCount
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import ChannelDirectory, MemberDirectory
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.members import identity, membership
from shequn_sdk.stores.tables.profiles import presence

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["explain", "read_directory"]

_STEP = 500
_GONE = frozenset({Role.LEFT, Role.BANNED})
Progress = Callable[[int], None]


def _note(
    conn: Connection, found: Sequence[Membership], channel: ChannelRef, community: str, now: int
) -> int:
    known = find_identities(conn, [one.identity.ref for one in found])
    seen = [
        Seen(
            ref=one.identity.ref,
            at=0 if one.identity.ref in known else now,
            display_name=one.identity.display_name[:256],
            username=one.identity.username[:256],
            is_bot=one.identity.is_bot,
            account=channel.account,
        )
        for one in found
    ]
    numbers = note_identities(conn, [one for one in seen if one.ref not in known])
    numbers = {**known, **numbers}
    acts = [
        Act(
            community=community,
            ref=one.identity.ref,
            at=now if one.joined_at is None else to_us(one.joined_at),
            joins=one.joined_at is not None,
            account=channel.account,
            channel=channel.native_id,
            role=one.role.value,
            source="directory",
        )
        for one in found
    ]
    note_acts(conn, acts, numbers)
    return len(found) - len(known)


def _close(conn: Connection, channel: ChannelRef, community: str, present: set[int], now: int) -> int:
    """Let those leave whom the directory does not name any more."""
    rows = conn.execute(
        select(presence.c.identity_id).where(
            presence.c.account == channel.account,
            presence.c.channel == channel.native_id,
            presence.c.left_at.is_(None),
            presence.c.since < now,
        )
    ).all()
    gone = [row.identity_id for row in rows if row.identity_id not in present]
    refs = {
        row.id: MemberRef(platform=row.platform, native_id=row.native_id)
        for start in range(0, len(gone), 400)
        for row in conn.execute(
            select(identity.c.id, identity.c.platform, identity.c.native_id).where(
                identity.c.id.in_(gone[start : start + 400])
            )
        )
    }
    acts = [
        Act(
            community=community,
            ref=ref,
            at=now,
            leaves=True,
            account=channel.account,
            channel=channel.native_id,
            source="directory",
        )
        for ref in refs.values()
    ]
    note_acts(conn, acts, {ref: number for number, ref in refs.items()})
    return len(gone)


async def read_directory(
    house: House, channel: ChannelRef, community: str, *, progress: Progress | None
) -> DirectoryImport:
    """Read the platform's list of members into ours; reading it again changes nothing.

    Raises:
        NotSupported: the account cannot list members.
    """
    house.accounts.manifest(channel.account).require(Capability.LIST_MEMBERS)
    adapter = house.accounts.adapter(channel.account)
    assert isinstance(adapter, MemberDirectory)
    store = await house.store()
    now = to_us(house.clock.now())
    present: set[int] = set()
    read = new = 0
    chunk: list[Membership] = []

    async def flush() -> None:
        nonlocal new
        items = list(chunk)
        new += await store.write(lambda conn: _note(conn, items, channel, community, now))
        refs = [one.identity.ref for one in items]
        present.update((await store.read(lambda conn: find_identities(conn, refs))).values())
        chunk.clear()
        if progress is not None:
            progress(read)

    async for one in adapter.iter_members(channel.native_id):
        if one.role in _GONE:
            continue
        read += 1
        chunk.append(one)
        if len(chunk) >= _STEP:
            await flush()
    if chunk:
        await flush()
    left = await store.write(lambda conn: _close(conn, channel, community, present, now))
    return DirectoryImport(read=read, new=new, left=left)


async def explain(house: House, channel: ChannelRef, community: str) -> MemberCount:
    """Set our number of members in a channel beside the platform's, and say why they differ."""
    manifest = house.accounts.manifest(channel.account)
    adapter = house.accounts.adapter(channel.account)
    store = await house.store()

    def look(conn: Connection) -> tuple[dict[MemberRef, tuple[int, bool, bool]], int]:
        rows = conn.execute(
            select(
                identity.c.platform,
                identity.c.native_id,
                identity.c.person_id,
                identity.c.is_bot,
                presence.c.left_at,
            )
            .join(identity, identity.c.id == presence.c.identity_id)
            .where(presence.c.account == channel.account, presence.c.channel == channel.native_id)
        )
        ours = {
            MemberRef(platform=row.platform, native_id=row.native_id): (
                row.person_id,
                bool(row.is_bot),
                row.left_at is None,
            )
            for row in rows
        }
        members = conn.execute(
            select(func.count(func.distinct(identity.c.person_id)))
            .select_from(membership)
            .join(identity, identity.c.id == membership.c.identity_id)
            .where(
                membership.c.community == community, membership.c.left_at.is_(None), identity.c.is_bot == 0
            )
        ).scalar_one()
        return ours, int(members)

    known, members = await store.read(look)
    here = {ref: (owner, bot) for ref, (owner, bot, present) in known.items() if present}
    persons = {owner for owner, bot in here.values() if not bot}
    people = sum(not bot for _, bot in here.values())
    bots = len(here) - people
    reasons = [CountReason(why="one person, several accounts here", number=people - len(persons))]
    theirs: int | None = None
    if manifest.supports(Capability.MEMBER_COUNT) and isinstance(adapter, ChannelDirectory):
        theirs = await adapter.count_members(channel.native_id)
    certain = manifest.supports(Capability.LIST_MEMBERS) and isinstance(adapter, MemberDirectory)
    if certain and isinstance(adapter, MemberDirectory):
        listed: dict[MemberRef, bool] = {}
        async for one in adapter.iter_members(channel.native_id):
            if one.role not in _GONE:
                listed[one.identity.ref] = one.identity.is_bot
        lost = sum(ref not in listed for ref, (_, bot) in here.items() if not bot)
        away = sum(ref in known and not known[ref][2] for ref in listed if not listed[ref])
        unheard = sum(ref not in known and not listed[ref] for ref in listed)
        reasons += [
            CountReason(why="left unseen", number=-lost, note="the platform does not list them any more"),
            CountReason(why="joined before we listened", number=unheard, note="listed, but never heard of"),
            CountReason(why="came back unseen", number=away, note="listed, though we heard them leave"),
            CountReason(why="bots", number=sum(listed.values()), note="the platform counts them"),
        ]
        if theirs is None:
            theirs = len(listed)
    elif theirs is not None:
        reasons.append(CountReason(why="bots", number=bots, note="the platform counts them"))
    if theirs is not None:
        rest = theirs - len(persons) - sum(one.number for one in reasons)
        if certain:
            reasons.append(
                CountReason(
                    why="not in the platform's list", number=rest, note="its number and its list differ"
                )
            )
        elif rest >= 0:
            reasons.append(
                CountReason(
                    why="joined before we listened",
                    number=rest,
                    note="or never seen to act, our own account among them; no list of members to compare with",
                )
            )
        else:
            reasons.append(
                CountReason(why="left unseen", number=rest, note="no list of members to compare with")
            )
    return MemberCount(
        channel=channel,
        ours=len(persons),
        theirs=theirs,
        reasons=tuple(one for one in reasons if one.number),
        certain=certain,
        community_members=members,
    )
