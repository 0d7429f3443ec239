"""The calendar on PostgreSQL: the same steps, the same answers as on SQLite."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, Content, InvalidInput
from shequn_sdk.editorial.model import ApprovalPolicy, ClashKind, EntryState
from shequn_sdk.testing import ManualClock

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
TONIGHT = NOW + timedelta(hours=8)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def sq(request, tmp_path, monkeypatch):
    store = f'store = "{request.getfixturevalue("postgres_url")}"' if request.param == "postgres" else ""
    (tmp_path / "shequn.toml").write_text(
        f"""
        {store}
        [communities.health]
        channels = ["bot:-1", "bot:-2"]
        [accounts.bot]
        platform = "telegram"
        base_url = "http://127.0.0.1:9"
        """,
        encoding="utf-8",
    )
    monkeypatch.setenv("SHEQUN_BOT_TOKEN", "1:T")
    async with AsyncShequn.open(home=tmp_path, clock=ManualClock(NOW)) as opened:
        yield opened


async def test_the_same_steps_on_every_store(sq):
    await sq.approvals.set_policy(
        ApprovalPolicy.model_validate({"approvers": ["desk:anna", "desk:bo"], "needed": 2}),
        category="product",
    )
    await sq.queue.add_slots("bot:-1", ["mon 20:00", "thu 08:00", "sat 10:00"])
    text = "每天走够八千步,晚饭后散步半小时,少吃油炸食品"
    queued = [
        (
            await sq.queue.add(
                Content(text=f"{text}{number}", promotional=number < 2), to=["bot:-1"], key=f"k{number}"
            )
        )[0]
        for number in range(4)
    ]
    assert [one.at for one in queued] == [
        TONIGHT,
        datetime(2026, 3, 5, 0, tzinfo=UTC),
        datetime(2026, 3, 7, 2, tzinfo=UTC),
        TONIGHT + timedelta(days=7),
    ]
    assert (await sq.queue.next_slot("bot:-1")).at == datetime(2026, 3, 12, 0, tzinfo=UTC)
    await sq.queue.reshuffle("bot:-1", rng=random.Random(3))
    await sq.calendar.undo()
    bound = await sq.calendar.add(
        Content(text="新品", category="product"),
        to=["bot:-2"],
        at=TONIGHT,
        state="scheduled",
        actor="desk:chen",
    )
    for name in ("desk:anna", "desk:bo", "desk:bo"):
        await sq.approvals.approve(bound.id, by=name)
    edited = await sq.calendar.edit(bound.id, content=Content(text="新品二版", category="product"))
    assert (edited.state, edited.version) == (EntryState.IN_REVIEW, 2)
    await sq.approvals.hold(bound.id, by="desk:anna")
    await sq.approvals.release(bound.id, by="desk:anna")
    await sq.approvals.request_changes(bound.id, by="desk:bo", note="再改")
    clashes = await sq.calendar.check(Content(text=text, promotional=True), to=["bot:-1"], at=TONIGHT)
    assert {one.kind for one in clashes} == {
        ClashKind.TOO_CLOSE,
        ClashKind.PROMOTIONAL_IN_A_ROW,
        ClashKind.NEAR_DUPLICATE,
    }
    table = "key,text,at,state\na,好,2026-03-09 20:00,scheduled\nb,坏,bad,\n"
    assert (await sq.calendar.import_file(table.encode())).imported == 0
    assert (await sq.calendar.import_file(table.encode(), partial=True)).imported == 1
    await sq.queue.add_evergreen(Content(text="常青"), to=["bot:-1"], cooldown=timedelta(days=1), max_uses=1)
    assert len(await sq.queue.fill(until=NOW + timedelta(days=30))) == 1
    view = await sq.calendar.view()
    assert len(view.cards) == 7
    assert [one.state for one in await sq.calendar.entries(channel="bot:-2", states=["draft"])] == [
        EntryState.DRAFT
    ]
    moved = await sq.calendar.shift(timedelta(days=1), channel="bot:-1")
    assert len(moved) == 6
    await sq.calendar.undo(steps=3)
    with pytest.raises(InvalidInput, match="went on since"):
        await sq.calendar.undo()
    live = [one for one in await sq.deliveries.list() if one.state == "planned"]
    assert sorted(one.due for one in live) == sorted(one.at for one in queued)


async def test_erasing_and_exporting_a_member(sq):
    from shequn_sdk.domain import MemberRef
    from shequn_sdk.editorial._privacy import erase_rows, export_rows
    from shequn_sdk.members.identities import find_identities

    await sq.approvals.set_policy(ApprovalPolicy.model_validate({"approvers": ["desk:anna", "desk:bo"]}))
    entry = await sq.calendar.add(Content(text="一"), to=["bot:-1"], at=TONIGHT, actor="desk:bo")
    await sq.calendar.schedule(entry.id, actor="desk:bo")
    await sq.approvals.approve(entry.id, by="desk:anna", note="好")
    store = await sq._workspace.store()

    def both(conn):
        anna, bo = (
            find_identities(conn, [MemberRef.parse(name)])[MemberRef.parse(name)]
            for name in ("desk:anna", "desk:bo")
        )
        exported = export_rows(conn, [anna])
        return exported, erase_rows(conn, [anna, bo]), export_rows(conn, [anna, bo])

    exported, touched, left = await store.write(both)
    assert [row["note"] for row in exported["approval_vote"]] == ["好"]
    assert [row["action"] for row in exported["calendar_step"]] == ["approve"]
    assert touched > 5
    assert left == {}
    found = await sq.calendar.get(entry.id)
    assert (found.author, found.state) == ("erased", EntryState.SCHEDULED)
    (approval,) = await sq.approvals.history(entry.id)
    assert [(vote.member, vote.note) for vote in approval.votes] == [(None, "")]
    assert "desk:" not in (await sq.approvals.policy()).model_dump_json()
    assert {step.actor for step in await sq.calendar.log()} == {"erased"}
