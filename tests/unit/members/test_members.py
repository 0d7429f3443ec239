"""Members over several platforms: who is one person, and what is known of them."""

import logging
from datetime import date, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from shequn_sdk import InvalidInput
from shequn_sdk.domain import Role
from shequn_sdk.errors import UnknownName
from shequn_sdk.listening.events import Heard
from shequn_sdk.members.fields import FieldKind, FieldSpec
from shequn_sdk.members.lifecycle import Stage
from shequn_sdk.members.models import Birthday, Purpose
from shequn_sdk.stores.tables.members import identity, membership, person


async def persons_counted(sq):
    """How many persons the metrics see."""
    await sq.collect()
    events = await sq._workspace.events()
    return await events.query(
        lambda session: session.rows("select count(distinct person_no) from members")[1][0][0]
    )


async def test_joins_leaves_and_activity_are_kept(club, clock):
    await club.act("tg:1", "join", entrance="poster", name="林小满")
    clock.advance(timedelta(days=20))
    await club.act("tg:1", name="")
    info = await club.sq.members.get("tg:1")
    (own,) = info.memberships
    assert (info.name, own.joins, own.entrance, own.stage) == ("林小满", 1, "poster", Stage.ACTIVE)
    assert own.role is Role.MEMBER
    clock.advance(timedelta(days=30))
    assert (await club.sq.members.get("tg:1")).memberships[0].stage is Stage.SILENT
    await club.act("tg:1", "leave")
    assert (await club.sq.members.get("tg:1")).memberships[0].stage is Stage.CHURNED
    clock.advance(timedelta(days=1))
    await club.act("tg:1", "join", entrance="friend")
    await club.act("tg:1")
    (own,) = (await club.sq.members.get("tg:1")).memberships
    assert (own.joins, own.entrance, own.stage) == (2, "friend", Stage.RESURRECTED)


async def test_one_who_joins_a_hundred_times_and_changes_names_is_one_member(club, clock):
    for number in range(100):
        clock.advance(timedelta(minutes=1))
        await club.act("tg:1", "join", name=f"name {number}\u202e")
    store = await club.sq._workspace.store()

    def look(conn):
        counts = [
            conn.execute(select(func.count()).select_from(t)).scalar() for t in (person, identity, membership)
        ]
        return counts, conn.execute(select(membership.c.joins)).scalar()

    assert await store.read(look) == ([1, 1, 1], 1)
    assert (await club.sq.members.get("tg:1")).name == "name 99"


async def test_merging_and_undoing_it_moves_the_numbers_of_the_metrics(club):
    for member in ("tg:1", "dc:1", "dc:2"):
        await club.act(member, name=member)
    members = club.sq.members
    assert await persons_counted(club.sq) == 3
    first = await members.merge("tg:1", "dc:1", reason="told us", actor="lin")
    second = await members.merge("dc:1", "dc:2", reason="same phone", actor="lin", score=0.9)
    assert await members.person_of("tg:1") == await members.person_of("dc:2")
    assert await members.merge("tg:1", "dc:2", reason="again", actor="lin") is None
    assert await persons_counted(club.sq) == 1
    undone = await members.unmerge(first.id, reason="a mistake", actor="wang")
    assert [str(one) for one in undone.moved] == ["dc:1"]
    assert (
        await members.person_of("tg:1") == await members.person_of("dc:2") != await members.person_of("dc:1")
    )
    assert await persons_counted(club.sq) == 2
    with pytest.raises(InvalidInput, match="already"):
        await members.unmerge(first.id, reason="again", actor="wang")
    with pytest.raises(UnknownName):
        await members.unmerge(999, reason="none", actor="wang")
    history = await members.history("tg:1")
    assert [(one.kind, one.actor, one.undone) for one in history] == [
        ("unmerge", "wang", False),
        ("merge", "lin", False),
        ("merge", "lin", True),
    ]
    assert history[1].score == second.score == 0.9


async def test_merged_persons_are_told_to_the_event_store_before_their_events_are(club):
    await club.act("tg:1")
    await club.act("dc:1")
    await club.sq.members.merge("tg:1", "dc:1", reason="r", actor="a")  # nothing was collected yet
    assert await persons_counted(club.sq) == 1


async def test_a_code_written_with_the_other_account_proves_it(club, caplog):
    caplog.set_level(logging.DEBUG)
    await club.act("tg:1")
    await club.act("dc:1")
    proof = await club.sq.members.start_proof("tg:1")
    assert proof.code not in repr(proof)
    await club.act("tg:1", text=f"here: {proof.code}")  # with the same account: proves nothing
    assert await club.sq.members.person_of("tg:1") != await club.sq.members.person_of("dc:1")
    await club.act("dc:1", "command", text=f"/link {proof.code.lower()}", id="said")
    assert await club.sq.members.person_of("tg:1") == await club.sq.members.person_of("dc:1")
    (change,) = await club.sq.members.history("dc:1")
    assert (change.reason, change.actor) == ("proof by a code", "member")
    await club.act("dc:9", text=proof.code)
    assert await club.sq.members.person_of("dc:9") != await club.sq.members.person_of("tg:1"), "works once"
    assert proof.code not in caplog.text


async def test_codes_end_and_guessing_is_not_heard(club, clock):
    for member in ("tg:1", "dc:1", "dc:2"):
        await club.act(member)
    members = club.sq.members
    proof = await members.start_proof("tg:1")
    clock.advance(timedelta(minutes=16))
    await club.act("dc:1", text=proof.code)
    assert await members.person_of("tg:1") != await members.person_of("dc:1")
    proof = await members.start_proof("tg:1")
    wrong = proof.code[:8] + ("A" if proof.code[-1] != "A" else "B") * 8
    for number in range(5):
        await club.act("dc:1", text=wrong, id=f"guess{number}")
    await club.act("dc:2", text=proof.code)
    assert await members.person_of("tg:1") != await members.person_of("dc:2"), "five wrong ones kill a code"
    proof = await members.start_proof("tg:1")
    await club.act("dc:1", text=proof.code)
    assert await members.person_of("tg:1") != await members.person_of("dc:1"), "who guesses is not heard"
    clock.advance(timedelta(minutes=61))
    proof = await members.start_proof("tg:1")
    await club.act("dc:1", text=proof.code)
    assert await members.person_of("tg:1") == await members.person_of("dc:1")
    for _ in range(4):
        await members.start_proof("tg:1")
    with pytest.raises(InvalidInput, match="within an hour"):
        await members.start_proof("tg:1")
    with pytest.raises(UnknownName):
        await members.start_proof("tg:77")


async def test_the_same_wrong_code_heard_twice_is_one_guess(club):
    await club.act("tg:1")
    proof = await club.sq.members.start_proof("tg:1")
    wrong = proof.code[:8] + "A" * 8
    members = club.sq.members
    event = await club.act("dc:1", text=wrong)
    for _ in range(9):
        await members._note([Heard("message", event, "club", "dc", 1)])
    await club.act("dc:1", text=proof.code)
    assert await members.person_of("tg:1") == await members.person_of("dc:1")


async def test_suggestions_have_scores_and_reasons(club, clock):
    await club.act("tg:1", name="林小满", username="lin_xm")
    await club.act("dc:1", name="Lin XM", username="Lin_XM")
    clock.advance(timedelta(hours=2))
    await club.act("dc:2", name="ＬＩＮ小满")
    await club.act("wb:3", name="林小满 🌱")
    for number in range(6):
        await club.act(f"x{number}:1", name="小王")
    members = club.sq.members
    await members.set_birthday("tg:1", Birthday(month=5, day=1, year=1990))
    await members.set_birthday("wb:3", Birthday(month=5, day=1, year=1990))
    found = await members.suggest_merges(minimum=0.3)
    assert [(str(one.a), str(one.b)) for one in found] == [("tg:1", "dc:1"), ("tg:1", "wb:3")]
    assert found[1].reasons == ("same display name", "same date of birth")
    assert found[1].score == round(1 - 0.55 * 0.5, 3)
    assert found[0].reasons == (
        "same user name",
        "the user name of one is the display name of the other",
        "first seen within ten minutes of each other",
    )
    await members.part("wb:3", "tg:1", actor="lin")
    assert [str(one.b) for one in await members.suggest_merges(minimum=0.3)] == ["dc:1"]
    await members.merge("tg:1", "dc:1", reason="suggested", actor="lin", score=found[0].score)
    assert await members.suggest_merges(minimum=0.3) == []


async def test_fields_are_declared_typed_and_validated(club):
    await club.act("tg:1")
    await club.act("dc:1")
    members = club.sq.members
    for spec in (
        FieldSpec(name="goal", kind=FieldKind.CHOICE, choices=("减脂", "增肌")),
        FieldSpec(name="weight", kind=FieldKind.NUMBER, minimum=30, maximum=300),
        FieldSpec(name="since", kind=FieldKind.DATE),
        FieldSpec(name="vip", kind=FieldKind.BOOLEAN),
        FieldSpec(name="note", kind=FieldKind.TEXT, max_length=10),
    ):
        await members.declare_field(spec)
    await members.set_fields(
        "tg:1", {"goal": "减脂", "weight": "61.5", "since": date(2026, 1, 2), "vip": "是", "note": " 早起 "}
    )
    info = await members.get("tg:1")
    assert info.fields == {"goal": "减脂", "note": "早起", "since": "2026-01-02", "vip": True, "weight": 61.5}
    for bad in ({"goal": "睡觉"}, {"weight": 20}, {"weight": "nan"}, {"since": "tomorrow"}, {"vip": "maybe"}):
        with pytest.raises(InvalidInput, match=next(iter(bad))):
            await members.set_fields("tg:1", {"note": "kept?"} | bad)
    with pytest.raises(InvalidInput, match="10 are allowed"):
        await members.set_fields("tg:1", {"note": "x" * 11})
    with pytest.raises(UnknownName, match="gaol"):
        await members.set_fields("tg:1", {"gaol": "减脂"})
    assert (await members.get("tg:1")).fields == info.fields, "all or none"
    with pytest.raises(InvalidInput, match="holds values"):
        await members.declare_field(FieldSpec(name="weight", kind=FieldKind.TEXT))
    await members.merge("tg:1", "dc:1", reason="r", actor="a")
    club.clock.advance(timedelta(seconds=1))
    await members.set_fields("dc:1", {"weight": 60, "note": None})
    assert (await members.get("tg:1")).fields == {
        "goal": "减脂",
        "since": "2026-01-02",
        "vip": True,
        "weight": 60,
    }
    with pytest.raises(ValidationError):
        FieldSpec(name="x", kind=FieldKind.CHOICE)


async def test_tags_reach_the_metrics_and_follow_a_merge(club):
    await club.act("tg:1")
    await club.act("dc:1")
    members = club.sq.members
    await members.tag("tg:1", "gold", " 早 起 ", actor="lin")
    await members.tag("tg:1", "gold", actor="lin")
    await members.merge("tg:1", "dc:1", reason="r", actor="a")
    assert (await members.get("dc:1")).memberships[0].tags == ("gold", "早 起")
    await club.sq.collect()
    events = await club.sq._workspace.events()
    tags = await events.query(lambda s: s.rows("select tag from member_tags order by tag")[1])
    assert tags == [("gold",), ("早 起",)]
    await members.untag("dc:1", "gold", actor="lin")
    assert (await members.get("tg:1")).memberships[0].tags == ("早 起",)
    assert await events.query(lambda s: s.rows("select tag from member_tags")[1]) == [("早 起",)]
    with pytest.raises(InvalidInput, match="no tag"):
        await members.tag("tg:1", "a\u202eb", actor="lin")
    with pytest.raises(UnknownName):
        await members.tag("tg:404", "gold", actor="lin")


async def test_marketing_needs_a_yes_and_do_not_disturb_keeps_all_but_service_away(club, clock):
    await club.act("tg:1")
    await club.act("dc:1")
    members = club.sq.members

    async def allowed(member="tg:1"):
        return {str(one) for one in Purpose if (await members.may_contact(member, one)).allowed}

    assert await allowed() == {"service", "care"}
    await members.set_consent("tg:1", "marketing", allowed=True, source="form")
    assert await allowed() == {"service", "care", "marketing"}
    await members.set_consent(
        "tg:1", "do_not_disturb", allowed=True, until=clock.now() + timedelta(days=1), source="button"
    )
    assert await allowed() == {"service"}
    assert "disturbed until" in (await members.may_contact("tg:1", "care")).reason
    clock.advance(timedelta(days=2))
    assert await allowed() == {"service", "care", "marketing"}
    await members.merge("tg:1", "dc:1", reason="r", actor="a")
    await members.set_consent("dc:1", "marketing", allowed=False, source="reply")
    assert "marketing" not in await allowed("tg:1"), "what they said last counts, with whichever account"
    with pytest.raises(InvalidInput, match="no purpose"):
        await members.set_consent("tg:1", "spam", allowed=True, source="x")


async def test_birthdays(club):
    await club.act("tg:1")
    await club.sq.members.set_birthday("tg:1", Birthday(month=8, day=30, lunar=True, leap=True))
    assert (await club.sq.members.get("tg:1")).birthday.leap
    await club.sq.members.set_birthday("tg:1", None)
    assert (await club.sq.members.get("tg:1")).birthday is None
    for bad in (
        {"month": 2, "day": 30},
        {"month": 2, "day": 29, "year": 2025},
        {"month": 1, "day": 31, "lunar": True},
    ):
        with pytest.raises(ValidationError):
            Birthday(**bad)


async def test_found_by_name_however_it_is_written(club):
    await club.act("tg:1", name="林小满", username="lin")
    await club.act("dc:1", name="Other")
    assert [str(one.ref) for one in await club.sq.members.find("小满")] == ["tg:1"]
    assert [str(one.ref) for one in await club.sq.members.find("ＯＴＨＥＲ")] == ["dc:1"]
    assert len(await club.sq.members.find("")) == 2
    assert await club.sq.members.find("nobody") == []
