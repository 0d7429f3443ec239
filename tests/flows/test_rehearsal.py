"""A playbook is lived on four sandboxes at once, and what its report says is recomputed from the raw interactions."""

import csv
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.playbook.source import builtin_playbook
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.rehearsal import Rehearsal

PASSIVE = {"join", "leave", "retract", "channel_moved", "role_changed", "moderation", "join_request", "other"}


async def raw_rows(home, end):
    """Read all that was heard, as plain tuples: person, kind, time, local day, local hour, target, spam, retracted."""
    async with AsyncShequn.open(home=home, clock=ManualClock(end)) as sq:
        events = await sq._workspace.events()
        _, rows = await events.query(
            lambda session: session.rows(
                "select e.person_no, e.kind, e.ts, e.local_day, e.local_hour, t.person_no, e.is_spam, e.is_retracted, "
                "e.is_bot, coalesce(t.is_bot, false) from events as e left join members as t on t.member_no = e.target_no "
                "where e.community_no = (select community_no from communities where name = 'health') order by e.ts"
            )
        )
        return rows


def series(home, name):
    with (home / "reports" / f"{name}.csv").open(encoding="utf-8-sig") as file:
        return {row["bucket"]: row["value"] for row in csv.DictReader(file) if row["value"]}


def walk(moves, days):
    """Go through moves (time, turn, person, day) and count who came in, who went and who is there at each day's end."""
    by_day = defaultdict(list)
    for _, turn, person, day in sorted(moves, key=lambda move: (move[0], move[1])):
        by_day[day].append((turn, person))
    present, ever, joined, left, total = set(), set(), Counter(), Counter(), {}
    for day in days:
        for turn, person in by_day.get(day, ()):
            if turn < 2 and person not in present:
                present.add(person)
                joined[day] += 1
            elif turn == 2 and (person in present or person not in ever):
                present.discard(person)
                left[day] += 1
            ever.add(person)
        total[day] = len(present)
    return joined, left, total


def recomputed(rows, days):
    """Count in plain Python what METRICS defines: who was active, came, went and was there, day by day."""
    active, hours = defaultdict(set), Counter()
    moves, addressed = [], []  # who is only addressed is known, and has not joined
    seen, named = set(), set()
    for person, kind, ts, day, hour, target, spam, retracted, bot, target_bot in rows:
        if retracted or bot:
            continue
        if person is not None and not spam:
            if kind not in PASSIVE:
                active[day].add(person)
                hours[day.weekday() * 24 + hour] += 1
            if kind in {"join", "follow"}:
                moves.append((ts, 1, person, day))
            elif kind in {"leave", "unfollow"}:
                moves.append((ts, 2, person, day))
            elif kind not in {"moderation", "join_request", "retract"} and person not in seen:
                seen.add(person)
                moves.append((ts, 0, person, day))
        if target is not None and not target_bot and kind != "retract" and target not in named:
            named.add(target)
            addressed.append((ts, 0, target, day))
    joined, left, _ = walk(moves, days)
    _, _, total = walk(moves + addressed, days)
    window = lambda day, length: len(  # noqa: E731 - reads best in place
        set().union(*(active.get(day - timedelta(days=back), set()) for back in range(length)))
    )
    return {
        "active_members.dau": {day: len(active.get(day, ())) for day in days},
        "active_members.wau": {day: window(day, 7) for day in days},
        "active_members.mau": {day: window(day, 28) for day in days},
        "members.joined": joined,
        "members.left": left,
        "members.total": total,
        "activity.heatmap": hours,
    }


def agree(home, rows, start, length):
    days = [start + timedelta(days=number) for number in range(length)]
    expected = recomputed(rows, days)
    for name, values in expected.items():
        said = {key: float(value) for key, value in series(home, name).items() if float(value)}
        wanted = {str(key): float(value) for key, value in values.items() if value}
        assert said == wanted, name


async def rehearse(home, *, days, members, raids=0, template="health", start=date(2026, 9, 21)):
    rehearsal = Rehearsal(
        builtin_playbook(template),
        days=days,
        members=members,
        raids=raids,
        start=start,
        buyers=0.2,
        home=home,
    )
    return rehearsal, await rehearsal.run()


async def test_the_health_community_lives_on_four_platforms(tmp_path):
    home = tmp_path / "rehearsal"
    start = date(2026, 9, 21)  # the week of the mid-autumn festival
    rehearsal, lived = await rehearse(home, days=8, members=60, raids=1, start=start)
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
    rows = await raw_rows(home, datetime(2026, 10, 1, tzinfo=UTC))
    agree(home, rows, start, 8)
    page = (home / "reports" / "report.html").read_text(encoding="utf-8")
    assert "健康养生社" in page
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    with pytest.raises(InvalidInput, match="something else"):
        await Rehearsal(builtin_playbook("health"), home=tmp_path / "mine").run()


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
    rehearsal, lived = await rehearse(home, days=365, members=1000, raids=3, start=start)
    assert (lived.numbers["posts_refused"], lived.numbers["posts_unknown"]) == (0, 0)
    assert lived.numbers["orders"] == len(rehearsal.orders)
    rows = await raw_rows(home, datetime(2027, 3, 2, tzinfo=UTC))
    agree(home, rows, start, 365)
