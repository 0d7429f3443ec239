from datetime import date

import pytest

from shequn_sdk.playbook.check import Level, check_playbook, festival_day, posts_of
from shequn_sdk.playbook.plan import turn_of
from shequn_sdk.playbook.source import builtin_playbook, parse_playbook, template_text, templates

TODAY = date(2026, 11, 21)
HEALTH = template_text("health")


def codes(text, **options):
    return {one.code: one for one in check_playbook(parse_playbook(text), today=TODAY, **options)}


@pytest.mark.parametrize("name", templates())
def test_templates_are_beyond_reproach(name):
    assert check_playbook(builtin_playbook(name), today=TODAY) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "level"),
    [
        ("promotional = true", "", None, None),
        ('days = ["sat"]\nat = 11:00:00', 'days = ["mon","tue","wed","thu","fri","sat","sun"]\nat = 11:00:00', "too-commercial", "warning"),
        ('on_duty = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]', 'on_duty = ["mon"]', "nobody-on-duty", "warning"),
        ('on_duty = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]', 'on_duty = ["mon"]', "promise-without-duty", "error"),
        ('at = 20:00:00\ncategory = "video"', 'at = 23:30:00\ncategory = "video"', "quiet-hours", "warning"),
        ("at = 11:00:00", "at = 20:05:00", "clash", "warning"),
        ('poll = ["健康饮食", "运动训练", "护肤", "心理放松"]', 'poll = ["一个"]', "poll-of-one", "error"),
        ('poll = ["健康饮食", "运动训练", "护肤", "心理放松"]', 'poll = ["甲", "甲"]', "choice-twice", "error"),
        ('threshold = "none"', 'threshold = "paid"', "no-price", "error"),
        ('threshold = "none"', 'threshold = "task"', "no-task", "error"),
        ('threshold = "none"', 'threshold = "none"\nprice = "9"', "price-without-threshold", "error"),
        ('kind = "interest"', 'kind = "paid"', "paid-without-price", "error"),
        ('kind = "interest"', 'kind = "training_camp"', "camp-without-end", "error"),
        ('festival = "mid_autumn"', 'festival = "mid_autum"', "unknown-festival", "error"),
        ('channel = "main"\ncampaign', 'channel = "mian"\ncampaign', "unknown-channel", "error"),
        ('partner = "gym"', 'partner = "gim"', "unknown-partner", "error"),
        ('name = "club"', 'name = "main"', "name-twice", "error"),
        ("day = 3\n", "day = 9\n", "steps-out-of-order", "error"),
        ("wake_after_days = 30\n", "", "half-a-wake", "error"),
        ("points = { check_in = 5, message = 1, answer = 3, share = 2 }", "", "badges-without-points", "error"),
        ("target = 40", "target = 0", "no-target", "error"),
        ("rules = [", "# rules = [", "no-rules", "warning"),
        ("ages = [25, 45]", "ages = [45, 25]", "ages", "error"),
        ("version = 1", "version = 1\nstarts = 2026-12-01\nends = 2026-12-01", "ends-before-start", "error"),
        ("version = 1", "version = 1\nstarts = 2026-01-01\nends = 2026-02-01", "over", "error"),
        ("start = 09:00:00\n", "", "half-a-shift", "error"),
    ],
)  # fmt: skip
def test_each_rule(old, new, code, level):
    assert old in HEALTH
    found = codes(HEALTH.replace(old, new, 1), metrics=["members.total", "active_members.dau"])
    if code is None:
        assert found == {}
        return
    assert found[code].level is Level(level)
    assert found[code].message


def test_accounts_and_metrics_are_looked_up():
    found = codes(
        HEALTH, accounts={"health_bot": "telegram"}, metrics=["members.totals", "active_members.dau"]
    )
    assert found["no-address"].level is Level.ERROR
    assert "did you mean 'members.totals'" in found["unknown-metric"].advice
    text = HEALTH.replace('name = "main"\n', 'name = "main"\nref = "helth_bot:-100"\n', 1)
    assert (
        "did you mean 'health_bot'"
        in codes(text, accounts={"health_bot": "telegram"})["unknown-account"].advice
    )


def test_no_months_plan_and_one_pot():
    few = """
name = "few"
title = "Few"
positioning = "p"
audience = "a"
[[channels]]
name = "all"
platform = "telegram"
subjects = ["a", "b", "c", "d"]
[[content]]
name = "one"
title = "One"
days = ["mon"]
at = 12:00:00
texts = ["x"]
"""
    found = codes(few)
    for code in (
        "no-months-plan",
        "one-pot",
        "nobody-responsible",
        "nothing-to-do",
        "no-welcome",
        "no-goals",
        "no-exit",
    ):
        assert code in found, code
    crowded = few + "".join(
        f'[[content]]\nname = "n{n}"\ntitle = "N"\ndays = ["mon"]\nat = {8 + n:02d}:00:00\n' for n in range(9)
    )
    assert "too-many-a-day" in codes(crowded)
    bored = few.replace('["mon"]', '["mon","tue","wed","thu","fri","sat","sun"]')
    assert "repeats" in codes(bored)


def test_festivals_fall_on_their_days():
    assert festival_day("mid_autumn", 2026) == date(2026, 9, 25)
    assert festival_day("春节", 2027) == date(2027, 2, 6)
    assert festival_day("11-11", 2027) == date(2027, 11, 11)
    assert festival_day("02-29", 2027) is None
    assert festival_day("no", 2027) is None


def test_posts_of_a_later_day_go_on_with_the_turns():
    playbook = builtin_playbook("health").model_copy(update={"starts": date(2026, 12, 1)})
    whole = posts_of(playbook, date(2026, 12, 1), 60)
    later = posts_of(playbook, date(2026, 12, 20), 41)
    assert later == [one for one in whole if one[0].due.date() >= date(2026, 12, 20)]
    slots = {slot.name: slot for slot in playbook.content}
    turns = dict.fromkeys(slots, 0)
    for post, _ in whole:
        if post.slot in slots:
            assert turn_of(slots[post.slot], date(2026, 12, 1), post.due.date()) == turns[post.slot]
            turns[post.slot] += 1
    assert posts_of(playbook, date(2026, 11, 1), 30) == []
    ended = playbook.model_copy(update={"ends": date(2026, 12, 10)})
    assert max(one[0].due.date() for one in posts_of(ended, date(2026, 12, 1), 60)) == date(2026, 12, 10)
