"""A community without platforms: what members did is recorded, as if a platform had told."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind
from shequn_sdk.scheduling.clock import ManualClock

START = datetime(2026, 3, 2, 4, tzinfo=UTC)
"""Monday, noon in Shanghai."""


class Club:
    """A workspace and its members."""

    def __init__(self, sq, clock):
        self.sq = sq
        self.clock = clock
        self.numbers = itertools.count(1)

    def event(self, member, kind="message", *, at=None, **more):
        platform, _, native = member.partition(":")
        number = next(self.numbers)
        base = {
            "id": f"event:{number}",
            "kind": InteractionKind(kind),
            "platform": platform,
            "account": platform,
            "channel": "1",
            "member": native,
            "member_name": f"成员{native}" if native else "",
            "occurred_at": at or self.clock.now(),
            "message": f"m{number}",
        }
        return Interaction(**{**base, **more})

    async def hear(self, *events):
        await self.sq._workspace.record(events, community="club")
        await self.sq.process()

    async def pass_time(self, span: timedelta):
        scheduler = await self.sq._workspace.scheduler()
        await scheduler.drain(until=self.clock.now() + span)
        await self.sq.process()

    async def merge(self, first, second):
        from sqlalchemy import update

        from shequn_sdk.stores.tables.members import identity

        store = await self.sq._workspace.store()
        person = await self.sq.members.person_of(first)
        platform, _, native = second.partition(":")
        await store.write(
            lambda conn: conn.execute(
                update(identity)
                .where(identity.c.platform == platform, identity.c.native_id == native)
                .values(person_id=person)
            )
        )


@pytest.fixture
async def club(tmp_path):
    clock = ManualClock(START)
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")], clock=clock) as sq:
        yield Club(sq, clock)
