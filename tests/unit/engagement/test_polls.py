"""Polls: votes over platforms, one per person, counted until the end and not after."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import InvalidInput
from shequn_sdk.domain import Poll
from shequn_sdk.engagement._rows import Act
from shequn_sdk.engagement.counting import read_choices
from shequn_sdk.engagement.polls import count_votes
from shequn_sdk.errors import UnknownName

POLL = Poll(question="几点直播？", choices=("八点", "九点", "十点"))
MANY = tuple(f"选项{number}" for number in range(1, 15))
"""More than the platforms' polls take: numbered everywhere."""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2", (1,)),
        ("２", (1,)),
        ("2️⃣", (1,)),
        ("②", (1,)),
        ("二", (1,)),
        ("b", (1,)),
        ("选2", (1,)),
        ("我选 2 号！", (1,)),
        ("九点", (1,)),
        ("1、3", (0, 2)),
        ("1 3 1", (0, 2)),
        ("4", ()),
        ("0", ()),
        ("2 点见", ()),
        ("20000000000000000000000", ()),
        ("", ()),
        ("👍" * 500, ()),
        ("ａ\u202e", ()),
    ],
)
def test_choices_are_read_as_people_write_them(text, wanted):
    assert read_choices(text, POLL.choices) == wanted


@given(st.text())
def test_no_text_breaks_the_reader(text):
    chosen = read_choices(text, POLL.choices)
    assert len(set(chosen)) == len(chosen)
    assert all(0 <= one < 3 for one in chosen)


def ballot(number, person, identity, at, value, act="set", platform="telegram"):
    return Act(number, identity, person, f"{platform}:{identity}", "", "", at, act, value, "", "", "")


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.integers(0, 20),
            st.sampled_from(["0", "1", "2", "0,1"]),
            st.sampled_from(["set", "add", "remove", "clear"]),
        )
    ),
    st.booleans(),
)
def test_nobody_has_more_than_one_ballot(acts, multiple):
    rows = [ballot(n, i % 2, i, at, value, act) for n, (i, at, value, act) in enumerate(acts)]
    counted = count_votes(rows, choices=3, multiple=multiple, closes_at=15)
    assert set(counted.ballots) <= {0, 1}
    assert all(one.at[0] < 15 for one in counted.ballots.values())
    if not multiple:
        assert all(len(one.chosen) == 1 for one in counted.ballots.values())
    again = count_votes(list(reversed(rows)), choices=3, multiple=multiple, closes_at=15)
    assert {who: one.chosen for who, one in again.ballots.items()} == {
        who: one.chosen for who, one in counted.ballots.items()
    }


def native(scene, activity, platform):
    return next(place.message for place in activity.places if place.channel.account == platform)


async def test_native_polls_of_two_platforms_are_counted_together(scene):
    opened = await scene.sq.polls.open(POLL, to=scene.to, closes=timedelta(hours=2))
    assert [place.native for place in opened.places] == [True, True]
    on_telegram, on_discord = native(scene, opened, "telegram"), native(scene, opened, "discord")
    await scene.hear(
        scene.event("telegram:1", "vote", message=on_telegram, attrs={"choices": [0]}),
        scene.event("telegram:2", "vote", message=on_telegram, attrs={"choices": [1]}),
        scene.event("discord:7", "vote", message=on_discord, attrs={"choice": 1, "answer_id": 2}),
        scene.event("discord:8", "vote", message=on_discord, attrs={"choice": 2, "answer_id": 3}),
        scene.event("discord:8", "retract", message=on_discord, attrs={"choice": 2, "retracts": "vote"}),
        scene.event("discord:9", "vote", message="another poll", attrs={"choice": 1}),
    )
    tally = await scene.sq.polls.get_result(opened.id)
    assert [one.votes for one in tally.choices] == [1, 2, 0]
    assert tally.by_platform == {"discord": 1, "telegram": 2}
    # two members turn out to be one person: the later vote counts
    await scene.merge("telegram:1", "discord:7")
    tally = await scene.sq.polls.get_result(opened.id)
    assert ([one.votes for one in tally.choices], tally.voters) == ([0, 2, 0], 2)
    await scene.pass_time(timedelta(hours=3))
    closed = await scene.sq.polls.get_result(opened.id)
    assert closed.state == "closed"
    assert "投票结果" in scene.said("telegram")[-1]
    assert "九点：2 票（100%）" in scene.said("discord")[-1]
    # what is merged later changes nothing that was announced
    await scene.merge("telegram:1", "telegram:2")
    assert (await scene.sq.polls.get_result(opened.id)).voters == 2
    assert (await scene.sq.polls.close(opened.id)) == closed


async def test_numbers_are_counted_where_there_is_no_poll(scene):
    opened = await scene.sq.polls.open(
        Poll(question="选一个 *好的*", choices=MANY), to=scene.to, idempotency_key="spring"
    )
    assert not any(place.native for place in opened.places)
    assert any("14 choices" in note for note in opened.notes)
    text = scene.said("telegram")[-1]
    assert "选一个 *好的*" in text
    assert "12. 选项12" in text
    assert "回复序号" in text
    again = await scene.sq.polls.open(
        Poll(question="选一个 *好的*", choices=MANY), to=scene.to, idempotency_key="spring"
    )
    assert again.id == opened.id
    assert len(scene.said("telegram")) == 1
    event = await scene.says("telegram:1", "12", parent=native(scene, opened, "telegram"))
    await scene.hear(event)
    await scene.says("telegram:1", "选 11")
    await scene.says("telegram:2", "1 2")  # two choices where one is asked
    await scene.says("telegram:3", "15")
    await scene.says("telegram:4", "3", parent="something else")
    await scene.says("discord:5", "③")
    await scene.says("discord:6", "今天 3 点有雨")
    tally = await scene.sq.polls.get_result(opened.id)
    assert {one.choice: one.votes for one in tally.choices if one.votes} == {"选项3": 1, "选项11": 1}


async def test_a_bare_number_is_for_the_newest_poll(scene):
    first = await scene.sq.polls.open(Poll(question="一", choices=MANY), to=scene.to)
    scene.clock.advance(60)
    second = await scene.sq.polls.open(Poll(question="二", choices=MANY), to=scene.to)
    await scene.says("telegram:1", "1")
    await scene.says("telegram:2", "2", parent=native(scene, first, "telegram"))
    assert (await scene.sq.polls.get_result(first.id)).choices[1].votes == 1
    assert (await scene.sq.polls.get_result(second.id)).choices[0].votes == 1
    assert (await scene.sq.polls.get_result(second.id)).voters == 1


async def test_votes_after_closing_do_not_count(scene):
    opened = await scene.sq.polls.open(
        Poll(question="几点", choices=MANY), to=scene.to, closes=timedelta(hours=1)
    )
    await scene.says("telegram:1", "1")
    late = scene.clock.now() + timedelta(hours=1)
    # heard before the result was counted, but cast at the very end
    await scene.says("telegram:2", "1", at=late)
    tally = await scene.sq.polls.close(opened.id)
    assert (tally.voters, tally.late) == (1, 1)
    await scene.says("telegram:3", "1", at=late - timedelta(minutes=30))
    assert (await scene.sq.polls.get_result(opened.id)).voters == 1
    with pytest.raises(InvalidInput, match="closed"):
        await scene.sq.polls.vote(opened.id, "telegram:3", choices=[1])


async def test_votes_by_hand_and_wrong_ones(scene):
    opened = await scene.sq.polls.open(
        Poll(question="吃什么", choices=("面", "饭"), multiple=True), to=scene.to, results="keep"
    )
    tally = await scene.sq.polls.vote(opened.id, "telegram:1", choices=[1, 2])
    assert [one.share for one in tally.choices] == [1.0, 1.0]
    tally = await scene.sq.polls.vote(opened.id, "telegram:1", choices=[])
    assert tally.voters == 0
    with pytest.raises(InvalidInput, match="1 to 2"):
        await scene.sq.polls.vote(opened.id, "telegram:1", choices=[3])
    before = len(scene.said("telegram"))
    await scene.sq.polls.close(opened.id)
    assert len(scene.said("telegram")) == before
    with pytest.raises(InvalidInput, match="closed"):
        await scene.sq.polls.cancel(opened.id)


async def test_nothing_is_opened_that_cannot_be_said(scene):
    with pytest.raises(UnknownName):
        await scene.sq.polls.open(POLL, to=[*scene.to, "nobody:1"])
    with pytest.raises(InvalidInput, match="two choices"):
        await scene.sq.polls.open(Poll(question="?", choices=("a", "a")), to=scene.to)
    with pytest.raises(InvalidInput, match="before it opens"):
        await scene.sq.polls.open(POLL, to=scene.to, closes=timedelta(0))
    with pytest.raises(UnknownName):
        await scene.sq.polls.get_result("none")
    assert await scene.sq.polls.list() == []
    opened = await scene.sq.polls.open(POLL, to=scene.to)
    assert (await scene.sq.polls.cancel(opened.id)).state == "cancelled"
    with pytest.raises(InvalidInput, match="cancelled"):
        await scene.sq.polls.close(opened.id)


async def test_votes_are_counted_from_the_platforms_own_events(scene):
    """The same over the platform's own polling: nothing is injected."""
    from shequn_sdk.testing.sandbox.api import Person

    opened = await scene.sq.polls.open(POLL, to=[scene.to[0]])
    chat, message = scene.channels["telegram"], native(scene, opened, "telegram")
    people = [Person(f"p{number}", f"人{number}") for number in range(3)]
    for number, person in enumerate(people):
        scene.sandbox["telegram"].join(chat, person)
        scene.sandbox["telegram"].vote(chat, person, message, number % 2)
    scene.sandbox["telegram"].vote(chat, people[2], message, -1)
    await scene.sq.poll_once("telegram")
    await scene.sq.drain()
    tally = await scene.sq.polls.close(opened.id)
    assert [one.votes for one in tally.choices] == [1, 1, 0]
    assert any("2 voters by the platform's own count" in note for note in tally.notes)
