"""Rooms: what a workspace gives them, what they hear, and their blocking twins."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shequn_sdk import AsyncShequn, Community, Interaction, InteractionKind, InvalidInput, Shequn
from shequn_sdk.client.registry import ROOMS
from shequn_sdk.errors import UnknownName

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def bought(number: int, member: str = "u1") -> Interaction:
    return Interaction(
        id=f"order/{number}",
        kind=InteractionKind.PURCHASE,
        platform="shop",
        member=member,
        member_name="林小满",
        occurred_at=NOW,
        value=9.9,
        currency="CNY",
    )


def test_twins_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "tools/twins.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run python tools/twins.py: {done.stdout}{done.stderr}"


async def test_what_the_workspace_records_is_heard_once_and_counted(tmp_path):
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")]) as sq:
        heard = []

        @sq.on("purchase")
        async def sold(event):
            heard.append(event)

        house = sq._workspace
        assert await house.record([bought(1), bought(2, "u2")], community="club") == 2
        assert await house.record([bought(1)], community="club") == 0
        await sq.drain()
        assert [(one.community, one.interaction.id) for one in heard] == [
            ("club", "order/1"),
            ("club", "order/2"),
        ]
        assert await sq.members.person_of("shop:u1") != await sq.members.person_of("shop:u2")
        events = await house.events()
        assert sum(info.name == "club" for info in await events.communities()) == 1
        with pytest.raises(UnknownName):
            await sq.members.person_of("shop:u3")


async def test_a_failing_batch_handler_loses_only_its_own_events(tmp_path):
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")]) as sq:
        house = sq._workspace
        seen = []

        async def picky(heard):
            if any(one.interaction.id == "order/2" for one in heard):
                raise InvalidInput("not this one")
            seen.extend(one.interaction.id for one in heard)

        dispatcher = await house.dispatcher()
        dispatcher.on_batch("picky", picky)
        await house.record([bought(number) for number in (1, 2, 3)], community="club")
        await sq.process()
        assert sorted(seen) == ["order/1", "order/3"]
        (letter,) = await dispatcher.list_dead()
        assert letter.stage == "picky"


async def test_settings_choose_the_rooms_that_listen(tmp_path):
    (tmp_path / "shequn.toml").write_text(
        'rooms = []\n[communities.club]\ntitle = "Club"\n', encoding="utf-8"
    )
    async with AsyncShequn.open(home=tmp_path) as sq:
        await sq._workspace.record([bought(1)], community="club")
        await sq.process()
        with pytest.raises(UnknownName):
            await sq.members.person_of("shop:u1")
    (tmp_path / "shequn.toml").write_text('rooms = ["mombers"]\n', encoding="utf-8")
    async with AsyncShequn.open(home=tmp_path) as sq:
        with pytest.raises(UnknownName, match="mombers"):
            await sq.process()


def test_both_clients_show_every_room(tmp_path):
    with Shequn.open(home=tmp_path, communities=[Community(name="club")]) as sq:
        for name in ROOMS:
            assert getattr(sq, name).__doc__
