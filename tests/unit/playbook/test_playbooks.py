"""A playbook is applied once, changes where the file changed, and is carried out on time."""

from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, Community, DeliveryState, InvalidInput
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.playbook.playbooks import Action
from shequn_sdk.playbook.source import builtin_playbook, parse_playbook, template_text
from shequn_sdk.testing import ManualClock
from shequn_sdk.testing.sandbox import Person, SandboxServer

NOW = datetime(2026, 11, 30, 16, tzinfo=UTC)  # Tuesday, 1 December, 00:00 in Shanghai


@pytest.fixture
async def stage(tmp_path):
    plugins = load_plugins()
    clock = ManualClock(NOW)
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as sandbox:
        channel = sandbox["telegram"].create_channel("健康养生社")
        account = sandbox.account("telegram", name="bot")
        account = account.model_copy(update={"options": {**account.options, "poll_timeout": 0}})
        club = Community(name="health", channels=[f"bot:{channel}"])
        async with AsyncShequn.open(
            home=tmp_path, accounts=[account], communities=[club], clock=clock, plugins=plugins
        ) as sq:
            yield sq, clock, sandbox["telegram"], channel


def playbook(channel, **changes):
    book = builtin_playbook("health")
    main = next(one for one in book.channels if one.name == "main")
    main = main.model_copy(update={"ref": parse_ref(f"bot:{channel}")})
    check_ins = tuple(one.model_copy(update={"channels": ()}) for one in book.check_ins)
    return book.model_copy(update={"channels": (main,), "check_ins": check_ins, **changes})


def parse_ref(text):
    from shequn_sdk import ChannelRef

    return ChannelRef.parse(text)


async def live(sq, clock, until):
    while clock.now() < until:
        (following, *_) = [*await sq.schedules.upcoming(1), None]
        if following is None or following.due > until:
            clock.move_to(until)
        else:
            clock.move_to(following.due)
        await sq.deliver_due()


async def test_a_second_time_changes_nothing(stage):
    sq, clock, _, channel = stage
    book = playbook(channel)
    before = await sq.playbook.diff(book)
    assert {one.action for one in before.changes} == {Action.CREATE}
    done = await sq.playbook.apply(book)
    assert [one.error for one in done.changes if one.error] == []
    assert len(done.changes) == len(before.changes)
    again = await sq.playbook.apply(book)
    assert (again.changes, again.kept) == ((), len(before.changes))
    clock.advance(timedelta(days=3))
    assert (await sq.playbook.diff(book)).changes == ()
    applied = await sq.playbook.applied()
    assert (applied.starts, applied.items) == (date(2026, 12, 1), len(before.changes))
    assert {one.name for one in await sq.goals.list()} == {"double_members", "daily_active"}
    assert {one.name for one in await sq.partners.list()} == {"light_meal", "gym"}
    assert {one.name for one in await sq.entrances.list()} == {"official", "gym-poster"}
    assert [one.sku for one in await sq.shop.products()] == ["camp-21"]
    assert (await sq.points.get_rules()).rules
    assert {one.name: one.at_least for one in await sq.badges.list()} == {
        "starter": 20,
        "steady": 100,
        "guide": 500,
    }
    less = book.incentives.model_copy(update={"badges": {"starter": 30}})
    done = await sq.playbook.apply(book.model_copy(update={"incentives": less}))
    assert {(one.kind, one.key, one.action) for one in done.changes} == {
        ("badge", "starter", Action.CHANGE),
        ("badge", "steady", Action.REMOVE),
        ("badge", "guide", Action.REMOVE),
    }
    assert {one.name: one.at_least for one in await sq.badges.list()} == {"starter": 30}


async def test_what_is_published_is_what_was_planned_and_turns_go_on(stage):
    sq, clock, telegram, channel = stage
    book = playbook(channel, check_ins=())
    planned = [one for one in await sq.playbook.plan(book, days=14) if one.content.text]
    await sq.playbook.apply(book)
    await live(sq, clock, NOW + timedelta(days=7, hours=1))
    # an operator edits one text in the middle: the turns of all others go on
    slots = tuple(
        one.model_copy(update={"texts": ("NEW", *one.texts[1:])}) if one.name == "video" else one
        for one in book.content
    )
    changed = book.model_copy(update={"content": slots})
    diff = await sq.playbook.apply(changed)
    assert [(one.kind, one.key, one.action) for one in diff.changes] == [("content", "video", Action.CHANGE)]
    await live(sq, clock, NOW + timedelta(days=14))
    edit = NOW + timedelta(days=7, hours=1)
    first_video = (
        next(one for one in slots if one.name == "video").texts[0],
        next(one for one in book.content if one.name == "video").texts[0],
    )
    expected = [
        first_video[0] if one.due > edit and one.content.text == first_video[1] else one.content.text
        for one in planned
    ]
    said = [one.text for one in reversed(telegram.messages(channel)) if one.by_account and not one.choices]
    assert [text.partition("\n\n#")[0] for text in said] == [text.replace("**", "") for text in expected]
    assert "NEW" in expected
    counts = await sq.deliveries.counts()
    whole = await sq.playbook.plan(book, start=date(2026, 12, 1), days=14)
    assert {state: n for state, n in counts.items() if n} == {DeliveryState.LANDED: len(whole)}


async def test_what_left_the_file_is_ended_and_withdrawing_ends_all(stage):
    sq, _, _, channel = stage
    book = playbook(channel)
    await sq.playbook.apply(book)
    less = book.model_copy(
        update={"content": book.content[:1], "partners": book.partners[1:], "goals": book.goals[:1]}
    )
    diff = await sq.playbook.apply(less)
    assert {one.action for one in diff.changes} == {Action.REMOVE}
    assert [one.name for one in await sq.goals.list()] == ["double_members"]
    assert [one.name for one in await sq.partners.list()] == ["gym"]
    names = {one.name for one in await sq.schedules.list()}
    assert "health/content/article" in names
    assert "health/content/video" not in names
    await sq.playbook.withdraw()
    assert [one for one in await sq.schedules.list() if one.name.startswith("health/")] == []
    assert await sq.playbook.applied() is None
    # and it can be applied anew
    assert [one.error for one in (await sq.playbook.apply(book)).changes if one.error] == []


async def test_errors_change_nothing(stage):
    sq, _, _, channel = stage
    book = playbook(channel)
    bad = book.model_copy(update={"goals": (book.goals[0].model_copy(update={"metric": "members.totl"}),)})
    with pytest.raises(
        InvalidInput, match=r"goals\.0\.metric: there is no metric 'members\.totl'.*members\.total"
    ):
        await sq.playbook.apply(bad)
    with pytest.raises(InvalidInput, match="has no address"):
        await sq.playbook.apply(builtin_playbook("health"))
    assert await sq.schedules.list() == []
    assert await sq.playbook.applied() is None
    with pytest.raises(InvalidInput, match="days must lie"):
        await sq.playbook.plan(book, days=0)
    with pytest.raises(InvalidInput, match="line 3"):
        parse_playbook(template_text("health").replace("version = 1", "versoin = 1"))


async def test_newcomers_are_welcomed_once_with_a_name_that_hides_nothing(stage):
    sq, _, telegram, channel = stage
    await sq.playbook.apply(playbook(channel))
    telegram.join(channel, Person(id="p1", name="\u202e林小满\u200f"))
    while await sq.poll_once():
        await sq.drain()
    await sq.drain()
    said = [one.text for one in telegram.messages(channel) if one.by_account and "欢迎" in one.text]
    assert said == ["欢迎 林小满 加入健康养生社！先看看群规，再来说说你最想养成的一个习惯吧。"]


async def test_one_offs_and_festivals_fall_due_once(stage):
    sq, clock, telegram, channel = stage
    text = """
version = 1
name = "health"
title = "健康养生社"
positioning = "p"
audience = "a"
[[channels]]
name = "main"
ref = "bot:CHANNEL"
[[content]]
name = "weekly"
title = "Weekly"
days = ["mon"]
at = 12:00:00
[[one_offs]]
name = "opening"
day = 2026-12-03
at = 10:00:00
text = "开业啦"
[[festivals]]
festival = "12-12"
text = "双十二"
[[festivals]]
festival = "春节"
days_before = 1
text = "明天过年"
""".replace("CHANNEL", channel)
    await sq.playbook.apply(parse_playbook(text))
    await live(sq, clock, datetime(2027, 2, 7, tzinfo=UTC))
    # applied again after they have passed, even with another text
    diff = await sq.playbook.apply(parse_playbook(text.replace("开业啦", "开业大吉")))
    assert all(one.action is Action.CREATE and one.kind == "festival" for one in diff.changes)
    said = {one.text: one.at for one in telegram.messages(channel)}
    assert said["开业啦"] == datetime(2026, 12, 3, 2, tzinfo=UTC)
    assert said["双十二"] == datetime(2026, 12, 12, 1, tzinfo=UTC)
    assert said["明天过年"] == datetime(2027, 2, 5, 1, tzinfo=UTC)
    assert "开业大吉" not in said


async def test_goals_say_what_is_missing(stage):
    sq, clock, telegram, channel = stage
    await sq.goals.put("grow", title="到 100 人", metric="members.total", target=100, due=date(2026, 12, 31))
    with pytest.raises(InvalidInput, match=r"did you mean 'members\.total'"):
        await sq.goals.put("x", metric="members.totl", target=1, due=date(2027, 1, 1))
    with pytest.raises(InvalidInput, match="due on"):
        await sq.goals.put("x", metric="members.total", target=1, due=date(2026, 1, 1))
    with pytest.raises(InvalidInput, match="positive"):
        await sq.goals.put("x", metric="members.total", target=-1, due=date(2027, 1, 1))
    await sq.poll_once()  # from now on Telegram tells by which link people come
    way = await sq.entrances.open("official", channel=f"bot:{channel}")
    for day in range(10):
        for number in range(3):
            telegram.join(channel, Person(id=f"p{day}-{number}", name="n"), invite=way.url)
        while await sq.poll_once():
            await sq.drain()
        clock.advance(timedelta(days=1))
    await sq.drain()
    (report,) = await sq.goals.report()
    assert report.gap == 100 - report.progress.value
    assert report.per_day_needed == pytest.approx(report.gap / 20)
    assert report.per_day_now == pytest.approx(3)
    assert any("'official' brought 30" in line for line in report.advice), report.advice
