"""What is talked about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from shequn_sdk.domain import Interaction, InteractionBatch, InteractionKind
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.feeds.feeds import Feeds
from shequn_sdk.listening.events import Heard

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
TODAY = date(2026, 11, 21)


def heard(seq: int, text: str, *, days_ago: float = 0, community: str | None = "health", **more) -> Heard:
    told = Interaction(
        id=f"i{seq}",
        kind=more.pop("kind", InteractionKind.MESSAGE),
        platform="p",
        channel="1",
        member=more.pop("member", "lin"),
        occurred_at=NOW - timedelta(days=days_ago),
        text=text,
        **more,
    )
    return Heard("message", told, community, "bot", seq)


def talk(now: str, before: str) -> list[Heard]:
    said = [heard(n + 1, before, days_ago=8 + n % 20) for n in range(60)]
    said += [heard(n + 61, before, days_ago=n % 7) for n in range(10)]
    return said + [heard(n + 71, now, days_ago=n % 7, member=f"m{n}") for n in range(12)]


async def test_what_was_not_counted_is_not_zero(sq):
    report = await sq.feeds.trends()
    assert (report.words, report.links, report.messages) == (None, None, None)
    assert "not counted" in report.notes[0]
    assert report.questions == ()
    assert (report.start, report.end) == (TODAY - timedelta(days=6), TODAY)


async def test_rising_words_and_shared_links(sq):
    room = sq._workspace.room(Feeds)
    await sq.feeds.watch_talk()
    await room._count(talk("冬至吃饺子 https://e.org/dumplings?utm_source=x", "早餐吃燕麦"))
    report = await sq.feeds.trends()
    words = [one.word for one in report.words]
    assert "冬至" in words
    assert "燕麦" not in words
    assert report.words[0].messages == 12
    assert report.words[0].before == 0
    assert [(one.url, one.messages) for one in report.links] == [("https://e.org/dumplings", 12)]
    assert report.messages == 22
    assert report.days_before == 20


async def test_events_that_come_again_count_once(sq):
    room = sq._workspace.room(Feeds)
    await sq.feeds.watch_talk()
    said = talk("冬至吃饺子", "早餐吃燕麦")
    await room._count(said[:40])
    await room._count(said[30:])
    await room._count(said)
    assert (await sq.feeds.trends()).messages == 22


async def test_nobody_is_counted_who_was_not_to_be(sq):
    room = sq._workspace.room(Feeds)
    await room._count([heard(1, "早餐吃燕麦")])
    await sq.feeds.watch_talk()
    await room._count(
        [
            heard(2, "早餐吃燕麦", community=None),
            heard(3, "早餐吃燕麦", community="other"),
            heard(4, "早餐吃燕麦", is_bot=True),
            heard(5, "早餐吃燕麦", kind=InteractionKind.REACTION),
            heard(6, "早餐吃燕麦"),
        ]
    )
    await sq.feeds.watch_talk(on=False)
    await room._count([heard(7, "早餐吃燕麦")])
    report = await sq.feeds.trends()
    assert report.messages == 1
    assert report.words == ()
    assert any("no talk was counted before" in note for note in report.notes)


async def test_nothing_but_counts_is_kept(sq, tmp_path):
    room = sq._workspace.room(Feeds)
    await sq.feeds.watch_talk()
    await room._count([heard(1, "我的手机号是一三八零零，林小满今晚发烧了", member="secret-member")])
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
    assert kept
    assert b"secret-member" not in kept
    assert "林小满今晚发烧了".encode() not in kept


async def test_local_days_are_of_the_community(sq):
    room = sq._workspace.room(Feeds)
    await sq.feeds.watch_talk()
    late = heard(
        1, "早餐吃燕麦", days_ago=1 - 9 / 24
    )  # 01:00 on the 21st in Shanghai, 17:00 on the 20th in UTC
    await room._count([late])
    assert (await sq.feeds.trends(days=1)).messages == 1
    assert (await sq.feeds.trends(days=1, end=date(2026, 11, 20))).messages == 0


async def test_feeds_tell_too_and_copies_count_once(sq, web, clock):
    def item(number: int, text: str, day: int) -> str:
        return (
            f"<item><guid>{number}</guid><title>{text}</title>"
            f"<pubDate>{day:02} Nov 2026 06:00:00 GMT</pubDate><description>{text}，编辑推荐</description></item>"
        )

    said = [
        "馅料怎么调才鲜香",
        "面皮要醒多久才筋道",
        "在南方为什么吃汤圆",
        "这顿饭老人小孩怎么分量",
        "冷冻之后会不会开裂",
        "蘸醋还是蘸酱油各地不同",
    ]
    eaten = [
        "坚果",
        "牛奶",
        "蓝莓",
        "香蕉",
        "鸡蛋",
        "酸奶",
        "蜂蜜",
        "红枣",
        "桂圆",
        "南瓜",
        "紫薯",
        "玉米",
        "豆浆",
        "虾仁",
        "海苔",
        "芝麻",
        "核桃",
        "葡萄",
        "木耳",
        "银耳",
    ]
    old = "".join(
        item(n, f"早餐燕麦配{one}，{one}要先{eaten[n - 7]}那样处理再加{eaten[n - 3]}", 1 + n % 10)
        for n, one in enumerate(eaten)
    )
    new = "".join(item(30 + n, f"冬至饺子，{text}", 20) for n, text in enumerate(said))
    for host in ("a", "b"):
        url = f"https://{host}.example/f"
        web.put(url, f"<rss version='2.0'><channel><title>{host}</title>{new}{old}</channel></rss>")
        await sq.feeds.add(url, community="health")
    await sq.feeds.refresh()
    report = await sq.feeds.trends(least=2)
    told = {one.word: one for one in report.feed_words}
    assert {"冬至", "饺子"} <= set(told)
    assert told["冬至"].messages <= 6
    assert "燕麦" not in told
    assert report.words is None


async def test_open_questions(sq):
    events = await sq._workspace.events()
    await events.ensure_community("health")
    batch = InteractionBatch(platform="p")

    def say(number: int, text: str, member: str, **more) -> None:
        batch.append(
            id=f"e{number}",
            kind="message",
            occurred_at=NOW - timedelta(hours=30 - number),
            channel="1",
            member=member,
            message=f"m{number}",
            text=text,
            **more,
        )

    say(1, "每天走多少步合适？", "lin")
    say(2, "一万步", "wang", parent="m1")
    say(3, "燕麦要煮多久?", "lin")
    say(4, "我自己也想知道", "lin", parent="m3")
    say(5, "没有问号", "lin")
    say(6, "几点睡？", "zhao")
    await events.append(batch, community="health")
    report = await sq.feeds.trends()
    assert [one.message for one in report.questions] == ["m3", "m6"]
    assert report.questions[0].asked_at == NOW - timedelta(hours=27)
    assert (report.questions[0].platform, report.questions[0].channel) == ("p", "1")
    assert (await sq.feeds.trends(top=1)).questions == report.questions[:1]


async def test_bad_arguments(sq):
    for wrong in ({"days": 0}, {"days": 93}, {"weeks_before": 0}, {"top": 0}):
        with pytest.raises(InvalidInput):
            await sq.feeds.trends(**wrong)
    with pytest.raises(UnknownName):
        await sq.feeds.trends(community="nobody")
