"""The room of slots and of the queue that fills them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, update

from shequn_sdk.domain import ChannelRef, Content
from shequn_sdk.editorial import _queue, _reading, _slots
from shequn_sdk.editorial._lines import entry
from shequn_sdk.editorial._room import EditorialRoom, aware, moment_of
from shequn_sdk.editorial.model import Blackout, Entry, Evergreen, FreeSlot, Slot
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.editorial import calendar_blackout, calendar_evergreen, calendar_slot

__all__ = ["Queue"]


class Queue(EditorialRoom):
    """The times at which each channel speaks, and what fills them: queue and evergreens (固定时段与待发队列)."""

    async def add_slots(
        self,
        channel: ChannelRef | str,
        slots: Sequence[str] | str,
        *,
        zone: str | None = None,
        category: str = "",
        community: str | None = None,
    ) -> Sequence[Slot]:
        """Give a channel slots of the week; those it has already stay. Gives all of the channel.

        Args:
            channel: where.
            slots: such as `fri 20:00` or `周五 20:00`.
            zone: by whose clock; the community's when not given.
            category: contents of this category only; "" takes any.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: one is no slot of the week, or the zone is unknown.
            UnknownName: no such account.
        """
        place = self._community(community)
        (ref,) = self._refs([channel])
        chosen = zone or place.zone
        wanted = _slots.read_slots(slots, chosen)
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> list[_slots.SlotRow]:
            known = {(one.zone, one.weekday, one.time) for one in _slots.slots_of(conn, str(ref))}
            rows = [
                {
                    "community": place.name,
                    "channel": str(ref),
                    "zone": chosen,
                    "weekday": weekday,
                    "time": at,
                    "category": category,
                }
                for weekday, at in wanted
                if (chosen, weekday, at) not in known
            ]
            if rows:
                conn.execute(insert(calendar_slot), rows)
                _slots.fill_slots(conn, str(ref), since=now)
            return _slots.slots_of(conn, str(ref))

        return [_slots.to_slot(row) for row in await store.write(write)]

    async def slots(
        self, channel: ChannelRef | str | None = None, *, community: str | None = None
    ) -> Sequence[Slot]:
        """List the slots of a channel, or of the community."""
        where = self._community(community).name
        ref = None if channel is None else str(ChannelRef.parse(channel))
        store = await self._house.store()
        return await store.read(lambda conn: _queue.list_slots(conn, where, ref))

    async def remove_slot(self, slot: int) -> None:
        """Take a slot away; what stands in it keeps its time.

        Raises:
            UnknownName: there is none of that number.
        """
        store = await self._house.store()
        if not await store.write(lambda conn: _queue.remove_slot(conn, slot)):
            raise UnknownName("slot", str(slot))

    async def next_slot(
        self,
        channel: ChannelRef | str,
        *,
        category: str = "",
        after: datetime | None = None,
        community: str | None = None,
    ) -> FreeSlot | None:
        """Give the first free slot of a channel later than `after` (now); None when it has none for the category."""
        where = self._community(community).name
        ref = str(ChannelRef.parse(channel))
        store = await self._house.store()
        begin = aware(after) or store.clock.now()
        return await store.read(
            lambda conn: _slots.first_free(conn, where, ref, category=category, after=begin)
        )

    async def add(
        self,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        key: str | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> Sequence[Entry]:
        """Put a content into the next free slot of each channel that takes its category, and hand it in.

        Each channel gets an entry of its own, as their slots differ. Adding again under the same `key` adds nothing
        and gives the entries that are there.

        Raises:
            InvalidInput: a channel has no slot for the category; nothing was added.
            NotSupported: it cannot be said in a channel in any form.
        """
        where = self._community(community).name
        refs = self._refs(to)
        await self._sayable(content, refs)
        work = _queue.queueing(where, content, refs, key=key, actor=actor)
        lines = await self._change(where, work, actor)
        if key is not None and not lines:
            store = await self._house.store()
            keys = [f"{key}/{ref}" for ref in refs]
            found = await store.read(lambda conn: [_reading.by_key(conn, where, one) for one in keys])
            lines = [line for line in found if line is not None]
        return [entry(line) for line in lines]

    async def reshuffle(
        self,
        channel: ChannelRef | str,
        *,
        rng: random.Random | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> Sequence[Entry]:
        """Deal a channel's queued entries anew over the slots that they have, within each category; one step.

        Of twenty deals the one with the fewest advertisements in a row is taken.
        """
        where = self._community(community).name
        ref = str(ChannelRef.parse(channel))
        dealer = rng or random.Random()  # noqa: S311 - nothing is won here
        lines = await self._change(where, _queue.reshuffling(where, ref, dealer), actor)
        return [entry(line) for line in sorted(lines, key=lambda line: line.at or 0)]

    async def add_evergreen(
        self,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        cooldown: timedelta,
        max_uses: int | None = None,
        community: str | None = None,
    ) -> Evergreen:
        """Keep a content that may be said again: at least `cooldown` apart, at most `max_uses` times in all.

        Raises:
            InvalidInput: the cooldown or the number of uses is not positive, or there is no channel.
        """
        where = self._community(community).name
        refs = self._refs(to)
        if cooldown <= timedelta(0) or (max_uses is not None and max_uses < 1) or not refs:
            raise InvalidInput("an evergreen needs a channel, a positive cooldown, and at least one use")
        store = await self._house.store()
        now = to_us(store.clock.now())
        values = _queue.evergreen_values(where, content, refs, cooldown, max_uses, now)
        made = await store.write(
            lambda conn: conn.execute(insert(calendar_evergreen).values(values)).inserted_primary_key
        )
        number = made[0] if made else 0
        return next(one for one in await self.evergreens(community=where) if one.id == number)

    async def evergreens(self, *, ended: bool = False, community: str | None = None) -> Sequence[Evergreen]:
        """List evergreen contents with how often they were used, planned uses too."""
        where = self._community(community).name
        store = await self._house.store()
        return await store.read(lambda conn: _queue.list_evergreens(conn, where, ended=ended))

    async def end_evergreen(self, number: int) -> None:
        """Use an evergreen no more; planned uses stay.

        Raises:
            UnknownName: there is none of that number.
        """
        store = await self._house.store()
        done = await store.write(
            lambda conn: (
                conn.execute(
                    update(calendar_evergreen).where(calendar_evergreen.c.id == number).values(ended=1)
                ).rowcount
            )
        )
        if not done:
            raise UnknownName("evergreen", str(number))

    async def fill(
        self, *, until: datetime, community: str | None = None, actor: str = ""
    ) -> Sequence[Entry]:
        """Put evergreens into slots that are free until then, the longest unused first; one step.

        Cooldown and maximum hold over all channels. Approval is asked for as for any entry.
        """
        where = self._community(community).name
        end = aware(until)
        lines = await self._change(where, _queue.filling(where, end or until, actor), actor)
        return [entry(line) for line in lines]

    async def add_blackout(
        self,
        start: datetime,
        end: datetime,
        *,
        reason: str,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
    ) -> Blackout:
        """Note a time in which nothing is to go out: slots in it are left out, `check` warns of it.

        Raises:
            InvalidInput: a time is naive, or the end is not after the start.
        """
        where = self._community(community).name
        begin, stop = moment_of(start), moment_of(end)
        if begin is None or stop is None or stop <= begin:
            raise InvalidInput("a blackout ends after it starts")
        values = {
            "community": where,
            "channel": "" if channel is None else str(self._refs([channel])[0]),
            "starts_at": begin,
            "ends_at": stop,
            "reason": reason[:500],
        }
        store = await self._house.store()
        made = await store.write(
            lambda conn: conn.execute(insert(calendar_blackout).values(values)).inserted_primary_key
        )
        return Blackout(
            id=made[0] if made else 0,
            start=start,
            end=end,
            reason=reason[:500],
            channel=None if channel is None else ChannelRef.parse(channel),
        )

    async def blackouts(self, *, community: str | None = None) -> Sequence[Blackout]:
        """List the blackouts that have not passed, by their start."""
        where = self._community(community).name
        store = await self._house.store()
        now = to_us(store.clock.now())
        return await store.read(lambda conn: _queue.list_blackouts(conn, where, since=now))

    async def remove_blackout(self, number: int) -> None:
        """Take a blackout away.

        Raises:
            UnknownName: there is none of that number.
        """
        store = await self._house.store()
        done = await store.write(
            lambda conn: (
                conn.execute(delete(calendar_blackout).where(calendar_blackout.c.id == number)).rowcount
            )
        )
        if not done:
            raise UnknownName("blackout", str(number))
