"""Approval blocks publishing: who, how many, by which version, by which chat; replays do nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import Content, InvalidInput
from shequn_sdk.domain import Role
from shequn_sdk.editorial.model import ApprovalPolicy, Decision, EntryState
from shequn_sdk.errors import UnknownName
from shequn_sdk.testing.sandbox.api import Person

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
TONIGHT = NOW + timedelta(hours=8)
ANNA, BO, CHEN = "desk:anna", "desk:bo", "desk:chen"


def policy(*names, **more):
    return ApprovalPolicy.model_validate({"approvers": names or (ANNA, BO), **more})


async def planned(sq):
    return [one.state for one in reversed(await sq.deliveries.list())]


async def test_nothing_goes_out_before_enough_have_approved(place):
    sq = place.sq
    await sq.approvals.set_policy(policy(ANNA, BO, CHEN, needed=2))
    entry = await sq.calendar.add(
        Content(text="今晚直播"), to=[place.one, place.two], at=TONIGHT, state="scheduled", actor=ANNA
    )
    assert entry.state is EntryState.IN_REVIEW
    assert await planned(sq) == ["blocked", "blocked"]
    with pytest.raises(InvalidInput, match="wrote entry"):
        await sq.approvals.approve(entry.id, by=ANNA)
    with pytest.raises(InvalidInput, match="may not"):
        await sq.approvals.approve(entry.id, by="desk:stranger")
    for _ in range(2):
        approval = await sq.approvals.approve(entry.id, by=BO, note="好")
    assert (approval.state, approval.approved, approval.needed) == ("open", 1, 2)
    assert [str(one) for one in approval.missing] == [CHEN]
    await place.pass_to(TONIGHT)
    assert place.posts(place.one) == []
    approval = await sq.approvals.approve(entry.id, by=CHEN)
    assert (approval.state, approval.approved, approval.missing) == ("approved", 2, ())
    assert (await sq.calendar.get(entry.id)).state is EntryState.SCHEDULED
    assert (await sq.approvals.approve(entry.id, by=CHEN)).state == "approved"
    await place.pass_to(TONIGHT + timedelta(hours=1))
    assert place.posts(place.one) == ["今晚直播"] == place.posts(place.two)
    assert [(str(one.member), one.decision) for one in approval.votes] == [
        (BO, Decision.APPROVE),
        (CHEN, Decision.APPROVE),
    ]


async def test_an_edited_version_needs_approval_anew(place):
    sq = place.sq
    await sq.approvals.set_policy(policy(ANNA, needed=None))
    entry = await sq.calendar.add(Content(text="第一版"), to=[place.one], at=TONIGHT, state="scheduled")
    await sq.approvals.approve(entry.id, by=ANNA)
    assert await planned(sq) == ["planned"]
    edited = await sq.calendar.edit(entry.id, content=Content(text="第二版"), actor=BO)
    assert (edited.state, edited.version) == (EntryState.IN_REVIEW, 2)
    assert await planned(sq) == ["cancelled", "blocked"]
    moved = await sq.calendar.move(entry.id, at=TONIGHT + timedelta(minutes=5))
    assert moved.state is EntryState.IN_REVIEW
    await place.pass_to(TONIGHT + timedelta(hours=1))
    assert place.posts(place.one) == []
    old, new = await sq.approvals.history(entry.id)
    assert (old.state, new.state) == ("superseded", "open")
    await sq.approvals.approve(entry.id, by=ANNA)
    # its time passed while it waited: it goes out now
    await place.pass_to(TONIGHT + timedelta(hours=1, minutes=1))
    assert place.posts(place.one) == ["第二版"]


async def test_moving_keeps_the_approval(place):
    sq = place.sq
    await sq.approvals.set_policy(policy())
    entry = await sq.calendar.add(Content(text="一"), to=[place.one], at=TONIGHT, state="scheduled")
    await sq.approvals.approve(entry.id, by=ANNA)
    moved = await sq.calendar.move(entry.id, at=TONIGHT + timedelta(days=1))
    assert moved.state is EntryState.SCHEDULED
    assert await planned(sq) == ["cancelled", "planned"]
    assert (await sq.calendar.move(entry.id, at=None)).state is EntryState.APPROVED
    assert (await sq.calendar.schedule(entry.id, at=TONIGHT)).state is EntryState.SCHEDULED


async def test_changes_and_holds(place):
    sq = place.sq
    await sq.approvals.set_policy(policy())
    entry = await sq.calendar.add(Content(text="一"), to=[place.one], at=TONIGHT, state="scheduled")
    await sq.approvals.request_changes(entry.id, by=ANNA, note="标题太长")
    back = await sq.calendar.get(entry.id)
    assert (back.state, back.note) == (EntryState.DRAFT, "标题太长")
    assert await planned(sq) == ["cancelled"]
    with pytest.raises(InvalidInput, match="sent back"):
        await sq.approvals.approve(entry.id, by=BO)
    await sq.calendar.schedule(entry.id)
    code = (await sq.approvals.get(entry.id)).code
    await sq.approvals.approve(entry.id, by=BO)
    await sq.approvals.hold(entry.id, by=ANNA, note="等法务")
    assert await planned(sq) == ["cancelled", "paused"]
    await place.pass_to(TONIGHT + timedelta(hours=1))
    assert place.posts(place.one) == []
    assert (await sq.calendar.get(entry.id)).held
    await sq.approvals.release(entry.id, by=ANNA)
    await place.pass_to(TONIGHT + timedelta(hours=2))
    assert place.posts(place.one) == ["一"]
    with pytest.raises(InvalidInput, match="landed"):
        await sq.approvals.hold(entry.id, by=ANNA)
    assert len({code, *(one.code for one in await sq.approvals.history(entry.id))}) == 1
    assert [step.action for step in await sq.calendar.log(number=entry.id)] == [
        "release",
        "hold",
        "approve",
        "schedule",
        "changes",
        "add",
    ]


async def test_what_is_approved_while_it_is_held_stays(place):
    sq = place.sq
    await sq.approvals.set_policy(policy())
    entry = await sq.calendar.add(Content(text="一"), to=[place.one], at=TONIGHT, state="scheduled")
    await sq.approvals.hold(entry.id, by=ANNA)
    await sq.approvals.approve(entry.id, by=BO)
    await place.pass_to(TONIGHT)
    assert place.posts(place.one) == []
    await sq.approvals.release(entry.id, by=BO)
    await place.pass_to(TONIGHT + timedelta(minutes=1))
    assert place.posts(place.one) == ["一"]


async def test_policies_by_category_and_roles(place):
    sq = place.sq
    await sq.approvals.set_policy(policy(), category="product")
    free = await sq.calendar.add(Content(text="一"), to=[place.one], at=TONIGHT, state="scheduled")
    assert free.state is EntryState.SCHEDULED
    bound = await sq.calendar.add(
        Content(text="二", category="product"), to=[place.one], at=TONIGHT, state="scheduled"
    )
    assert bound.state is EntryState.IN_REVIEW
    assert [one.entry for one in await sq.approvals.waiting()] == [bound.id]
    with pytest.raises(InvalidInput, match="needs no approval"):
        await sq.approvals.approve(free.id, by=ANNA)
    with pytest.raises(UnknownName):
        await sq.approvals.get(free.id)
    await sq.approvals.set_policy(None, category="product")
    assert await sq.approvals.policy(category="product") is None
    # nobody has the role yet: nothing is approved by accident
    await sq.approvals.set_policy(ApprovalPolicy(roles=frozenset({Role.ADMIN}), needed=None))
    third = await sq.calendar.add(Content(text="三"), to=[place.one], at=TONIGHT, state="scheduled")
    with pytest.raises(InvalidInput, match="may not"):
        await sq.approvals.approve(third.id, by=ANNA)
    store = await sq._workspace.store()

    def promote(conn):
        from shequn_sdk.domain import MemberRef
        from shequn_sdk.members.identities import Seen, note_identities
        from shequn_sdk.stores.tables.members import membership

        numbers = note_identities(conn, [Seen(MemberRef.parse(ANNA), 0)])
        conn.execute(
            membership.insert().values(
                community="health",
                identity_id=numbers[MemberRef.parse(ANNA)],
                role="admin",
                joins=1,
                entrance="",
                first_at=0,
                change=1,
            )
        )

    await store.write(promote)
    assert (await sq.approvals.approve(third.id, by=ANNA)).state == "approved"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (ApprovalPolicy(), "names approvers"),
        (policy(ANNA, needed=2), "2 must approve"),
        (policy(ANNA, ANNA, needed=2), "only 1"),
    ],
)
async def test_policies_under_which_nobody_could_approve(place, bad, words):
    with pytest.raises(InvalidInput, match=words):
        await place.sq.approvals.set_policy(bad)


async def test_by_a_button_in_a_chat(place):
    """Only the named approvers, only where it was asked, only the version that was asked about, and once."""
    sq, platform = place.sq, place.platform
    desk = place.two.partition(":")[2]
    people = {name: Person(id=name, name=name) for name in ("anna", "bo", "eve")}
    for person in people.values():
        platform.join(desk, person)
        platform.join(place.one.partition(":")[2], person)
    anna, bo = (f"telegram:{platform.member_id(people[name])}" for name in ("anna", "bo"))
    await sq.approvals.set_policy(policy(anna, bo, needed=2, channel=place.two))
    entry = await sq.calendar.add(Content(text="今晚 *直播*"), to=[place.one], at=TONIGHT, state="scheduled")
    await place.pass_to(NOW)
    question = next(one for one in platform.messages(desk) if "待审" in one.text)
    assert "今晚 直播" in question.text
    approval = await sq.approvals.get(entry.id)
    assert approval.code not in question.text
    platform.press(desk, people["eve"], question.native_id, f"sqap:{approval.code}:a")
    platform.press(desk, people["anna"], question.native_id, f"sqap:{approval.code}:a")
    platform.press(desk, people["anna"], question.native_id, f"sqap:{approval.code}:a")
    await place.pass_to(NOW + timedelta(minutes=1))
    assert (await sq.approvals.get(entry.id)).approved == 1
    # by a command; in another chat it is not heard
    platform.say(place.one.partition(":")[2], people["bo"], f"/approve {entry.id}")
    platform.say(desk, people["eve"], f"/approve {entry.id}")
    await place.pass_to(NOW + timedelta(minutes=2))
    assert (await sq.approvals.get(entry.id)).state == "open"
    platform.say(desk, people["bo"], f"通过 {approval.code}")
    await place.pass_to(NOW + timedelta(minutes=3))
    assert (await sq.approvals.get(entry.id)).state == "approved"
    texts = [one.text for one in platform.messages(desk)]
    assert any("通过 2/2,将按时发布" in text for text in texts)
    assert any("may not decide" in text for text in texts)
    # an edited version voids the old button
    await sq.calendar.edit(entry.id, content=Content(text="改过"))
    await place.pass_to(NOW + timedelta(minutes=4))
    platform.press(desk, people["anna"], question.native_id, f"sqap:{approval.code}:a")
    await place.pass_to(NOW + timedelta(minutes=5))
    assert (await sq.approvals.get(entry.id)).approved == 0
    await place.pass_to(TONIGHT)
    assert place.posts(place.one) == [f"/approve {entry.id}"]


async def test_hearing_the_same_event_again_does_nothing(place):
    from shequn_sdk.domain import Interaction, InteractionKind
    from shequn_sdk.listening.events import Heard

    sq = place.sq
    await sq.approvals.set_policy(policy("telegram:1", "telegram:2", needed=2, channel=place.two))
    entry = await sq.calendar.add(Content(text="一"), to=[place.one], at=TONIGHT, state="scheduled")
    event = Interaction(
        id="update:1",
        kind=InteractionKind.MESSAGE,
        platform="telegram",
        account="bot",
        channel=place.two.partition(":")[2],
        member="1",
        occurred_at=NOW,
        text=f"/hold {entry.id} 等一等",
    )
    heard = Heard(name="message", interaction=event, community="health", account="bot", seq=1)
    room = sq.approvals
    await room._hear([heard])
    assert (await sq.calendar.get(entry.id)).held
    await room.release(entry.id, by="telegram:1")
    await room._hear([heard])
    assert not (await sq.calendar.get(entry.id)).held
    answers = [one for one in await sq.deliveries.list() if "已暂缓" in one.text]
    assert len(answers) == 1
    assert [vote.decision for vote in (await room.get(entry.id)).votes] == [Decision.HOLD, Decision.RELEASE]


async def test_without_buttons_the_question_tells_a_code_word(place):
    from shequn_sdk.domain import Community
    from shequn_sdk.editorial import _chat
    from shequn_sdk.editorial._lines import find
    from shequn_sdk.platforms.manifest import Capability, Manifest

    sq = place.sq
    await sq.approvals.set_policy(policy())
    entry = await sq.calendar.add(
        Content(text="说 `代码` 与 <b>"), to=[place.one], at=TONIGHT, state="scheduled"
    )
    approval = await sq.approvals.get(entry.id)
    line = await (await sq._workspace.store()).read(lambda conn: find(conn, entry.id))
    plain = Manifest(platform="weibo", capabilities=frozenset({Capability.PUBLISH_TEXT}))
    for language, words in (("zh-CN", f"通过 {approval.code}"), ("en", f"approve {approval.code}")):
        community = Community(name="health", language=language)
        content = _chat.question(line, entry.content, approval, manifest=plain, community=community)
        assert words in content.text
        assert content.buttons == ()
    with pytest.raises(InvalidInput, match="which chat"):
        await sq.approvals.ask(entry.id)
    asked = await sq.approvals.ask(entry.id, to=place.two)
    assert str(asked.channel) == place.two
    await sq.approvals.ask(entry.id, to=place.two)
    await place.pass_to(NOW + timedelta(minutes=1))
    assert len(place.posts(place.two)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/approve 12", (Decision.APPROVE, "", 12, "")),
        ("/approve@health_bot 12 好", (Decision.APPROVE, "", 12, "好")),
        ("通过:ABCDEFGH", (Decision.APPROVE, "ABCDEFGH", None, "")),
        ("退回 #12 标题太长\n改短", (Decision.CHANGES, "", 12, "标题太长\n改短")),
        ("Hold abcdefgh", (Decision.HOLD, "ABCDEFGH", None, "")),
        ("我通过 12 楼的考试了", None),
        ("通过", None),
        ("/approve twelve", None),
        ("x" * 5000, None),
    ],
)
def test_what_counts_as_an_answer(text, expected):
    from shequn_sdk.domain import Interaction, InteractionKind
    from shequn_sdk.editorial._chat import read
    from shequn_sdk.listening.events import Heard

    event = Interaction(
        id="1", kind=InteractionKind.MESSAGE, platform="telegram", member="1", occurred_at=NOW, text=text
    )
    found = read(Heard(name="message", interaction=event, community=None, account="bot", seq=1))
    assert (None if found is None else tuple(found)[:4]) == expected
