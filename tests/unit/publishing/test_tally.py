"""Votes written as answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import Interaction, InteractionKind, Poll
from shequn_sdk.publishing.tally import count_choices, read_choices

START = datetime(2026, 3, 2, 4, tzinfo=UTC)
POLL = Poll(question="几点直播？", choices=("七点", "八点", "九点"))
MANY = POLL.model_copy(update={"multiple": True})


def answer(number: int, member: str, text: str, **more) -> Interaction:
    fields = {"kind": InteractionKind.MESSAGE, "platform": "p", "message": f"m{number}"} | more
    return Interaction(
        id=f"i{number}", member=member, text=text, occurred_at=START + timedelta(minutes=number), **fields
    )


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "２",
        "2️⃣",
        "②",
        "选2",
        "选择 2",
        "我选2！",
        "投2",
        "第二个",
        "选二",
        "2号",
        "2.",
        "#2",
        "八点",
        " 2 ",
        "@host 2",
        "vote for 2",
    ],
)
def test_ways_to_say_two(text):
    assert read_choices(POLL, text) == (1,)


@pytest.mark.parametrize(
    "text",
    ["", "0", "4", "22", "我今天走了2公里", "2点可以吗", "1 2", "好", "2" * 200, "-2", "2/3/4/5", "选"],
)
def test_what_is_no_vote(text):
    assert read_choices(POLL, text) == ()


def test_several_where_several_are_allowed():
    assert read_choices(MANY, "1、3") == (0, 2)
    assert read_choices(MANY, "1 3 1") == (0, 2)
    assert read_choices(MANY, "选1和2") == (0, 1)
    assert read_choices(Poll(question="q", choices=tuple(map(str, range(20, 32)))), "十二") == (11,)


def test_one_vote_per_member_and_the_last_counts():
    told = count_choices(
        POLL,
        [
            answer(3, "lin", "3"),
            answer(1, "lin", "1"),
            answer(2, "wang", "2"),
            answer(4, "bot", "1", is_bot=True),
            answer(5, "", "1"),
            answer(6, "zhao", "随便"),
            answer(7, "zhao", "1", kind=InteractionKind.REACTION),
        ],
    )
    assert (told.votes, told.voters, told.unread) == ((0, 1, 1), 2, 1)


def test_a_vote_that_was_taken_back_does_not_count():
    answers = [
        answer(1, "lin", "1"),
        answer(2, "lin", "2"),
        answer(3, "lin", "", kind=InteractionKind.RETRACT, target="m2"),
    ]
    assert count_choices(POLL, answers).votes == (1, 0, 0)


def test_the_end_and_people_on_two_platforms():
    answers = [answer(1, "lin", "1"), answer(2, "q-lin", "2", platform="q"), answer(9, "wang", "1")]
    early = count_choices(POLL, answers, until=START + timedelta(minutes=9))
    assert early.votes == (1, 1, 0)
    one = count_choices(POLL, answers, who=lambda item: item.member.removeprefix("q-"))
    assert (one.votes, one.voters) == ((1, 1, 0), 2)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["1", "2", "3", "hm"])), max_size=30),
    st.randoms(),
)
def test_order_of_arrival_does_not_matter(said, rng):
    answers = [answer(number, member, text) for number, (member, text) in enumerate(said)]
    last = {member: text for member, text in said if text != "hm"}
    told = count_choices(POLL, answers)
    assert told.votes == tuple(sum(text == str(n) for text in last.values()) for n in (1, 2, 3))
    assert told.voters == len(last)
    rng.shuffle(answers)
    assert count_choices(POLL, answers) == told
