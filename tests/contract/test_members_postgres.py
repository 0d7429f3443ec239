"""Members, segments, journeys and erasure on PostgreSQL: the same calls, the same answers."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from shequn_sdk import AsyncShequn, Interaction, InteractionKind
from shequn_sdk.errors import UnknownName
from shequn_sdk.journeys import models as j
from shequn_sdk.members.fields import FieldKind, FieldSpec
from shequn_sdk.members.filters import ActiveWithin, Field, Tagged
from shequn_sdk.members.membership import bump
from shequn_sdk.members.models import Birthday
from shequn_sdk.scheduling.clock import ManualClock

pytestmark = pytest.mark.postgres


async def test_a_member_from_joining_to_erasure(tmp_path, postgres_url):
    (tmp_path / "shequn.toml").write_text(
        f'store = "{postgres_url}"\nrooms = ["members", "segments", "journeys"]\n[communities.club]\n',
        encoding="utf-8",
    )
    clock = ManualClock(datetime(2026, 3, 2, 4, tzinfo=UTC))
    async with AsyncShequn.open(home=tmp_path, clock=clock) as sq:

        async def act(member, kind, number, text=""):
            platform, _, native = member.partition(":")
            event = Interaction(
                id=f"e{number}",
                kind=InteractionKind(kind),
                platform=platform,
                member=native,
                member_name=native,
                occurred_at=clock.now(),
                text=text,
            )
            await sq._workspace.record([event], community="club")
            await sq.drain()

        await sq.journeys.set_policy(j.Policy(quiet=None))
        await sq.journeys.save(
            j.Journey(
                name="week",
                start=j.Joined(),
                steps=(
                    j.Step(name="hi", do=j.Say(text="hi {name}")),
                    j.Step(name="later", wait=j.OnDay(day=2), do=j.AddTags(tags=("later",))),
                ),
            )
        )
        await act("tg:1", "join", 1)
        await act("dc:1", "join", 2)
        proof = await sq.members.start_proof("tg:1")
        await act("dc:1", "message", 3, text=proof.code)
        assert await sq.members.person_of("tg:1") == await sq.members.person_of("dc:1")
        await sq.members.declare_field(FieldSpec(name="weight", kind=FieldKind.NUMBER))
        await sq.members.set_fields("tg:1", {"weight": 60})
        await sq.members.set_birthday("tg:1", Birthday(month=3, day=2))
        await sq.members.tag("tg:1", "gold", actor="lin")
        await sq.members.set_consent("dc:1", "marketing", allowed=True, source="form")
        wanted = Tagged(tag="gold") & ActiveWithin(days=3) & Field(name="weight", op=">", value=50)
        assert await sq.segments.count(wanted) == 1
        assert await sq.segments.contains(wanted, "dc:1")
        assert len(await sq.journeys.tasks()) == 2, "both joined before they were one"
        [change] = await sq.members.history("tg:1")
        await sq.members.unmerge(change.id, reason="a mistake", actor="lin")
        assert await sq.segments.count(wanted) == 0, "the activity was the other one's"
        assert await sq.members.suggest_merges(minimum=0.1) == []
        clock.advance(timedelta(days=3))
        await sq.deliver_due()
        assert {one.state for one in await sq.journeys.runs()} == {"finished"}
        assert await sq.segments.count(Tagged(tag="later")) == 2
        document = await sq.members.export("tg:1")
        assert document["person"]["fields"] == {"weight": 60}
        await sq.members.erase("tg:1", actor="lin")
        with pytest.raises(UnknownName):
            await sq.members.get("tg:1")
        assert await sq.segments.count(Tagged(tag="later")) == 1

        store = await sq._workspace.store()
        numbers = []

        async def count():
            numbers.append(await store.write(lambda conn: bump(conn, "change")))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(count)
        assert len(set(numbers)) == 20, "writers at once never share a number"
