from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.errors import InvalidInput
from shequn_sdk.playbook.source import builtin_playbook, load_playbook

PLAN = builtin_playbook("health")


@given(st.dates(min_value=date(2020, 1, 1), max_value=date(2035, 1, 1)), st.integers(0, 60))
def test_posts_come_in_order_on_the_planned_days(start, days):
    posts = list(PLAN.posts(start, days))
    assert [post.due for post in posts] == sorted(post.due for post in posts)
    slots = {slot.name: slot for slot in PLAN.content}
    for post in posts:
        slot = slots[post.slot]
        assert start <= post.due.date() < start + timedelta(days=days)
        assert post.due.weekday() in {day.number for day in slot.days}
        assert post.due.timetz().replace(tzinfo=None) == slot.at
        assert str(post.due.tzinfo) == PLAN.zone
    assert len({post.content.id for post in posts}) == len(posts), "planning twice plans nothing twice"


def test_texts_take_turns():
    articles = [post.content.text for post in PLAN.posts(date(2026, 3, 2), 28) if post.slot == "article"]
    texts = next(slot.texts for slot in PLAN.content if slot.name == "article")
    assert articles == [texts[turn % len(texts)] for turn in range(12)]


def test_the_handbooks_cadence_is_kept():
    week = [post.slot for post in PLAN.posts(date(2026, 3, 2), 7)]
    assert 2 <= week.count("article") <= 3
    assert 1 <= week.count("video") <= 2
    promotional = [slot for slot in PLAN.content if slot.promotional]
    assert sum(len(slot.days) for slot in promotional) * 3 < len(week), "advertisements stay under a third"


def test_polls_become_polls():
    [poll] = [post.content.poll for post in PLAN.posts(date(2026, 3, 2), 7) if post.content.poll]
    assert poll.choices[0] == "健康饮食"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "no valid TOML"),
        ("name = 'x'\ntitle = 'X'\npositioning = ''\naudience = ''\ncontent = []", "content"),
        ("name = 'X Y'\ntitle = ''", "name"),
        ("nmae = 'x'", "nmae: unknown key, did you mean .name."),
    ],
)
def test_mistakes_name_the_field(tmp_path, text, words):
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=words):
        load_playbook(path)


def test_a_missing_or_foreign_file_is_a_clear_error(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_playbook(tmp_path / "none.toml")
    (tmp_path / "bin.toml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        load_playbook(tmp_path / "bin.toml")
