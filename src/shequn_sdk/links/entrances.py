"""The room of entrances: named ways in, and what came through each."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select, update

from shequn_sdk.domain import ChannelRef, Community, MemberRef
from shequn_sdk.errors import InvalidInput, ShequnError, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.links.model import Entrance, EntranceKind, EntranceResult, Source
from shequn_sdk.members.identities import find_identities
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Invite, InviteReader, Invites
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.links import entrance, link_click, short_link
from shequn_sdk.stores.tables.members import identity, membership

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard

__all__ = ["Entrances"]

_log = logging.getLogger(__name__)
MAX_NAME = 30
"""Characters of a name: WeCom's state holds 30, Telegram's link names 32."""


class Entrances(Room):
    """Named ways into the community, so that every join has a source (入口, 渠道)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._looking = asyncio.Lock()

    def listen(self, dispatcher: Dispatcher) -> None:
        """Find out the entrance of joins whose platform does not tell it."""
        dispatcher.on("member.joined", name="shequn.entrances.joined")(self._joined)

    async def open(
        self,
        name: str,
        *,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
        source: Source | None = None,
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Entrance:
        """Make a named entrance; opening the same one again gives the first.

        With `channel` the platform's own invite is made (Telegram link, Discord invite, WeCom contact way), and joins by it
        carry `name`. Without, it is only a name that joins or orders bring along from elsewhere.

        Args:
            name: at most 30 characters, lower case.
            channel: where it leads.
            community: its name; by default the channel's, or the only one.
            source: what it belongs to: campaign, content, partner, opinion leader, place.
            expires_at: aware instant at which the platform ends it, where it can.
            max_uses: how many may use it, where the platform can limit that.
            needs_approval: whether joiners wait for an administrator, where the platform can.

        Raises:
            InvalidInput: the name is unfit or names another entrance.
            NotSupported: the platform has no invites, or none of that kind.
            UnknownName: no such community or account.
        """
        if len(name) > MAX_NAME:
            raise InvalidInput(f"an entrance's name has at most {MAX_NAME} characters, not {len(name)}")
        ref = None if channel is None else ChannelRef.parse(channel)
        where = self._place(community, ref)
        store = await self._house.store()
        old = await store.read(lambda conn: _find(conn, where.name, name))
        if old is not None:
            if old.channel != (str(ref) if ref else "") or old.closed_at is not None:
                raise InvalidInput(
                    f"the entrance {name!r} exists already, elsewhere or ended: use another name"
                )
            return _entrance(old)
        entry = Entrance(
            community=where.name,
            name=name,
            kind=EntranceKind.INVITE if ref else EntranceKind.NAMED,
            channel=ref,
            source=source or Source(),
            created_at=store.clock.now(),
        )
        invite = Invite(id="", url="")
        if ref is not None:
            self._house.accounts.manifest(ref.account).require(Capability.INVITES)
            adapter = self._house.accounts.adapter(ref.account)
            assert isinstance(adapter, Invites)
            invite = await adapter.create_invite(
                ref.native_id,
                name=name,
                expires_at=expires_at,
                max_uses=max_uses,
                needs_approval=needs_approval,
            )

        def write(conn: Connection) -> Row[Any]:
            if _find(conn, where.name, name) is None:
                conn.execute(
                    insert(entrance).values(
                        community=entry.community,
                        name=name,
                        kind=entry.kind.value,
                        channel=str(ref) if ref else "",
                        url=invite.url,
                        native_id=invite.id,
                        source=entry.source.model_dump_json(exclude_defaults=True),
                        uses=invite.uses or 0,
                        created_at=to_us(entry.created_at),
                        closed_at=None,
                    )
                )
            found = _find(conn, where.name, name)
            assert found is not None
            return found

        return _entrance(await store.write(write))

    async def get(self, name: str, *, community: str | None = None) -> Entrance:
        """Give an entrance.

        Raises:
            UnknownName: there is none of that name.
        """
        where = self._community(community).name
        store = await self._house.store()
        row = await store.read(lambda conn: _find(conn, where, name))
        if row is None:
            names = [one.name for one in await self.list(community=community, ended=True)]
            raise UnknownName("entrance", name, nearest=tuple(difflib.get_close_matches(name, names, n=2)))
        return _entrance(row)

    async def list(self, *, community: str | None = None, ended: bool = False) -> Sequence[Entrance]:
        """Give the community's entrances by name; those that were closed only when asked for."""
        where = self._community(community).name
        store = await self._house.store()

        def look(conn: Connection) -> Sequence[Row[Any]]:
            query = select(entrance).where(entrance.c.community == where).order_by(entrance.c.name)
            return conn.execute(query if ended else query.where(entrance.c.closed_at.is_(None))).all()

        return [_entrance(row) for row in await store.read(look)]

    async def close(self, name: str, *, community: str | None = None) -> Entrance:
        """End an entrance, on its platform too; what came through it stays counted.

        Raises:
            UnknownName: there is none of that name.
            PlatformError: the platform did not end its invite; the entrance stays open.
        """
        found = await self.get(name, community=community)
        store = await self._house.store()
        row = await store.read(lambda conn: _find(conn, found.community, name))
        assert row is not None
        if found.channel is not None and found.closed_at is None:
            adapter = self._house.accounts.adapter(found.channel.account)
            if isinstance(adapter, Invites):
                await adapter.revoke_invite(found.channel.native_id, row.native_id or row.url)
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            conn.execute(
                update(entrance)
                .where(
                    entrance.c.community == found.community,
                    entrance.c.name == name,
                    entrance.c.closed_at.is_(None),
                )
                .values(closed_at=now)
            )

        await store.write(write)
        return await self.get(name, community=found.community)

    async def results(
        self,
        *,
        community: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Sequence[EntranceResult]:
        """Say what came through each entrance, most joins first; the last line, without a name, is all others.

        Persons are counted, not identities: who came to two channels by two entrances counts where they came last. A join by
        an invite whose address or id is known counts for its name.

        Args:
            community: its name; not needed when there is one.
            start: aware instant of the first join that counts; the beginning when not given.
            end: aware instant before which the last one lies; now when not given.
        """
        where = self._community(community).name
        store = await self._house.store()
        low = 0 if start is None else to_us(start)
        high = to_us(store.clock.now()) + 1 if end is None else to_us(end)

        def look(conn: Connection) -> tuple[Sequence[Any], dict[str, int], Sequence[Any]]:
            known = conn.execute(select(entrance).where(entrance.c.community == where)).all()
            clicks = conn.execute(
                select(short_link.c.entrance, func.coalesce(func.sum(link_click.c.people), 0))
                .outerjoin(
                    link_click,
                    (link_click.c.code == short_link.c.code)
                    & (link_click.c.hour >= low)
                    & (link_click.c.hour < high),
                )
                .where(short_link.c.community == where, short_link.c.entrance != "")
                .group_by(short_link.c.entrance)
            ).all()
            joins = conn.execute(
                select(
                    identity.c.person_id,
                    membership.c.entrance,
                    membership.c.joined_at,
                    membership.c.left_at,
                    membership.c.last_active,
                )
                .join(identity, identity.c.id == membership.c.identity_id)
                .where(
                    membership.c.community == where,
                    membership.c.joined_at >= low,
                    membership.c.joined_at < high,
                    identity.c.is_bot == 0,
                )
                .order_by(membership.c.joined_at, membership.c.identity_id)
            ).all()
            return known, {row[0]: int(row[1]) for row in clicks}, joins

        known, clicks, joins = await store.read(look)
        return _summed(known, clicks, joins)

    def _place(self, community: str | None, channel: ChannelRef | None) -> Community:
        if community is None and channel is not None:
            for one in self._house.communities:
                if channel in one.channels:
                    return one
        return self._community(community)

    async def _joined(self, heard: Heard) -> None:
        """Compare the invites' uses with those last seen, where joins do not tell by which they came."""
        event = heard.interaction
        if (
            event.entrance
            or not heard.community
            or not event.member
            or event.account not in self._house.accounts.names()
        ):
            return
        if not self._house.accounts.manifest(event.account).supports(Capability.INVITE_USES):
            return
        store = await self._house.store()
        where, account = heard.community, event.account

        def waiting(conn: Connection) -> Sequence[Row[Any]]:
            return conn.execute(
                select(entrance).where(
                    entrance.c.community == where,
                    entrance.c.channel.startswith(f"{account}:", autoescape=True),
                    entrance.c.closed_at.is_(None),
                )
            ).all()

        async with self._looking:
            rows = await store.read(waiting)
            if not rows:
                return
            adapter = self._house.accounts.adapter(account)
            assert isinstance(adapter, InviteReader)
            channel = ChannelRef.parse(rows[0].channel).native_id
            uses = {one.id: one.uses or 0 for one in await adapter.list_invites(channel)}
            grown = {
                row.name: uses[row.native_id] - row.uses
                for row in rows
                if uses.get(row.native_id, 0) > row.uses
            }

            def write(conn: Connection) -> None:
                for row in rows:
                    if row.name in grown:
                        conn.execute(
                            update(entrance)
                            .where(entrance.c.community == where, entrance.c.name == row.name)
                            .values(uses=uses[row.native_id])
                        )
                if len(grown) == 1 and sum(grown.values()) == 1:
                    ref = MemberRef(platform=event.platform, native_id=event.member)
                    number = find_identities(conn, [ref]).get(ref)
                    conn.execute(
                        update(membership)
                        .where(membership.c.community == where, membership.c.identity_id == number)
                        .values(entrance=next(iter(grown)))
                    )

            await store.write(write)
        if len(grown) == 1 and sum(grown.values()) == 1:
            await self._tell_events(
                where, MemberRef(platform=event.platform, native_id=event.member), next(iter(grown))
            )

    async def _tell_events(self, community: str, member: MemberRef, name: str) -> None:
        from shequn_sdk.metrics.store.base import MemberFacts  # noqa: PLC0415 - brings DuckDB

        try:
            events = await self._house.events()
            await events.set_members([MemberFacts(ref=member, entrance=name)], community=community)
        except ShequnError as error:  # the membership has it; metrics by entrance miss this one
            _log.warning("the event store was not told of an entrance: %s", type(error).__name__)


def _find(conn: Connection, community: str, name: str) -> Row[Any] | None:
    return conn.execute(
        select(entrance).where(entrance.c.community == community, entrance.c.name == name)
    ).one_or_none()


def _entrance(row: Row[Any]) -> Entrance:
    return Entrance(
        community=row.community,
        name=row.name,
        kind=EntranceKind(row.kind),
        channel=ChannelRef.parse(row.channel) if row.channel else None,
        url=row.url,
        source=Source.model_validate_json(row.source),
        created_at=from_us(row.created_at),
        closed_at=None if row.closed_at is None else from_us(row.closed_at),
    )


def _summed(known: Sequence[Any], clicks: dict[str, int], joins: Sequence[Any]) -> Sequence[EntranceResult]:
    aliases = {alias: row.name for row in known for alias in (row.name, row.url, row.native_id) if alias}
    by_person: dict[int, tuple[str, bool, bool]] = {}
    for row in joins:  # oldest first: the newest join decides the entrance
        _, present, active = by_person.get(row.person_id, ("", False, False))
        by_person[row.person_id] = (
            aliases.get(row.entrance, row.entrance),
            present or row.left_at is None,
            active or (row.last_active is not None and row.last_active > row.joined_at),
        )
    sums: dict[str, list[int]] = {row.name: [0, 0, 0] for row in known}
    for name, present, active in by_person.values():
        line = sums.setdefault(name, [0, 0, 0])
        line[0] += 1
        line[1] += present
        line[2] += active
    for name in clicks:
        sums.setdefault(name, [0, 0, 0])
    sources = {row.name: Source.model_validate_json(row.source) for row in known}
    results = [
        EntranceResult(
            name=name,
            source=sources.get(name, Source()),
            clicks=clicks.get(name) if name else None,
            joined=line[0],
            present=line[1],
            active=line[2],
        )
        for name, line in sums.items()
    ]
    return sorted(results, key=lambda one: (one.name == "", -one.joined, one.name))
