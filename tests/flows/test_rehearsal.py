"""A playbook is lived on four sandboxes at once, and what its report says is recomputed from the raw interactions."""

import importlib.util
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shequn_sdk import AsyncShequn, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.diagnosis import RULES, diagnose
from shequn_sdk.playbook.source import builtin_playbook
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.rehearsal import Rehearsal


def _sibling(name):
    """Import a file beside this one, which is no package."""
    spec = importlib.util.spec_from_file_location(f"flows_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


recount, recount_text, recount_plan = map(_sibling, ("recount", "recount_text", "recount_plan"))


async def agree(home, book, start, length):
    """Count every number of the report again; gives the rows and how many numbers agree."""
    last = start + timedelta(days=length - 1)
    end = datetime.combine(last, time(23, 59, 59), tzinfo=ZoneInfo(book.zone))  # when the report was made
    async with AsyncShequn.open(home=home, communities=[book.community()], clock=ManualClock(end)) as sq:
        events = await sq._workspace.events()
        _, rows = await events.query(lambda session: session.rows(recount.QUERY.format(community=book.name)))
        _, refs = await events.query(lambda session: session.rows(recount.MEMBERS))
        landed = await sq.deliveries.list(limit=1_000_000)
        goals = await sq.goals.report()
        findings = await sq.metrics.diagnose()
        read = await diagnose(
            sq.metrics.compute, community=book.name, end=last, rules=recount_plan.loud(RULES)
        )
    rows = [recount.Row(*row) for row in rows]
    counted = recount.Recount(rows, start, length)
    readings = recount_plan.Readings(counted, rows, last)
    text = (home / "reports" / "report.md").read_text(encoding="utf-8")
    numbers = {
        "files": recount.check(home, counted, {ref: person for person, ref, _ in refs}),
        "text": recount_text.check_text(
            home, text, counted, rows, {person: name for person, _, name in refs}
        ),
        "goals": recount_plan.check_goals(goals, counted, last, text),
        "readings": recount_plan.check_readings(read, readings),
        "findings": recount_plan.check_findings(findings, RULES, readings, text),
    }
    return rows, landed, numbers


async def rehearse(home, *, days, members, template="health", start=date(2026, 9, 21), **drama):
    rehearsal = Rehearsal(
        builtin_playbook(template),
        days=days,
        members=members,
        start=start,
        buyers=0.2,
        home=home,
        **drama,
    )
    return rehearsal, await rehearsal.run()


async def test_the_health_community_lives_on_four_platforms(tmp_path):
    home = tmp_path / "rehearsal"
    start = date(2026, 9, 21)  # the week of the mid-autumn festival
    rehearsal, lived = await rehearse(home, days=8, members=80, raids=1, crises=1, campaigns=1, start=start)
    assert lived.platforms == ("telegram", "discord", "wecom", "weibo")
    numbers = lived.numbers
    assert numbers["posts_landed"] > 50
    assert (numbers["posts_refused"], numbers["posts_unknown"]) == (0, 0)
    truth = rehearsal.truth
    heard_joins = truth.counts(platform="telegram")[InteractionKind.JOIN]
    assert 0 < heard_joins <= numbers["joined"]
    by_entrance = truth.by_entrance()
    for name in ("official", "gym-poster"):
        assert numbers["by_entrance"].get(name, 0) <= by_entrance[name]
        assert numbers["by_entrance"].get(name, 0) > 0
    assert numbers["orders"] == len(rehearsal.orders) > 0
    assert float(numbers["revenue"]["CNY"]) == sum(float(order.amount) for order in rehearsal.orders)
    rows, landed, recounted = await agree(home, rehearsal.book, start, 8)
    assert recounted["files"] > 250
    assert recounted["text"] > 250
    assert recounted["goals"] >= 16
    assert recounted["readings"] >= 6
    assert recounted["findings"] > 0
    heard(rehearsal, lived, rows, landed, festivals=("中秋快乐",))
    page = (home / "reports" / "report.html").read_text(encoding="utf-8")
    assert "健康养生社" in page
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    with pytest.raises(InvalidInput, match="something else"):
        await Rehearsal(builtin_playbook("health"), home=tmp_path / "mine").run()


def owed(rehearsal, name):
    """Add up what is due to an entrance by last touch: orders of whom it touched at most 30 days before.

    A touch is to come by it, and any order that names it, because its coupon was used.
    """
    touches = [(act.person, act.at) for act in rehearsal.truth.acts if act.entrance == name]
    touches += [(order.person, order.at) for order in rehearsal.orders if order.entrance == name]
    by_person = defaultdict(list)
    for person, at in touches:
        by_person[person].append(at)
    return sum(
        Decimal(order.amount)
        for order in rehearsal.orders
        if any(timedelta() <= order.at - at <= timedelta(days=30) for at in by_person[order.person])
    )


def heard(rehearsal, lived, rows, landed, *, festivals):
    """Look at raids, crises, campaigns and festivals from both sides: what was done, and what was noticed."""
    truth, numbers = rehearsal.truth, lived.numbers
    raided = [act for act in truth.acts if act.spam and act.kind is InteractionKind.JOIN]
    assert len(raided) >= 20
    (crisis,) = numbers["crises"]
    assert "negative" in crisis["cause"]  # the thresholds noticed, nobody pressed a button
    assert crisis["hours"] == 21.0
    assert (crisis["steps"], crisis["in_time"]) == (3, 3)
    by_entrance = truth.by_entrance()
    for campaign in numbers["campaigns"]:
        name = campaign["name"]
        assert 0 < campaign["joined"] <= by_entrance[name]
        mine = [order for order in rehearsal.orders if order.entrance == name]
        assert campaign["orders"] == len(mine)
        assert Decimal(campaign["revenue"]) == owed(rehearsal, name)
        assert all(order.coupon for order in mine)
    posts = [one for one in landed if "限时活动" in one.text]
    assert Counter(one.channel.account for one in posts) == dict.fromkeys(
        lived.platforms, len(numbers["campaigns"])
    )
    assert {str(one.state) for one in posts} == {"landed"}
    for greeting in festivals:
        texts = [one for one in landed if greeting in one.text]
        assert {one.channel.account for one in texts} == set(lived.platforms), greeting
    purchases = Counter(row.kind for row in rows)["purchase"]
    assert purchases >= numbers["orders"] == len(rehearsal.orders)


@pytest.mark.parametrize("template", ["funnel", "brand", "ecommerce"])
async def test_other_templates_can_be_rehearsed(tmp_path, template):
    rehearsal, lived = await rehearse(tmp_path / "r", days=2, members=12, template=template)
    assert lived.numbers["posts_landed"] > 0
    assert lived.numbers["posts_refused"] == 0
    assert rehearsal.truth.members() > 0


@pytest.mark.slow
async def test_a_year_of_a_thousand_members(tmp_path):
    home = tmp_path / "rehearsal"
    start = date(2026, 3, 2)
    rehearsal, lived = await rehearse(
        home, days=365, members=1000, raids=3, crises=1, campaigns=2, start=start
    )
    assert (lived.numbers["posts_refused"], lived.numbers["posts_unknown"]) == (0, 0)
    assert lived.numbers["orders"] == len(rehearsal.orders)
    rows, landed, recounted = await agree(home, rehearsal.book, start, 365)
    assert recounted["files"] > 4000
    assert recounted["text"] > 600
    assert recounted["goals"] >= 20
    assert recounted["readings"] >= 12
    heard(rehearsal, lived, rows, landed, festivals=("端午安康", "中秋快乐", "新春快乐"))
