"""The room of feeds: polite requests, items, stories, drafts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import Cron
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.feeds.model import FeedFilter, FeedState, ItemState
from shequn_sdk.publishing.compose import compose

START = datetime(2026, 11, 21, 8, tzinfo=UTC)
URL = "https://news.example/feed"
BODY = "研究人员跟踪了一万名上班族，发现每天吃早餐的人午后更有精神，也更少吃零食，专家建议早餐要有谷类、蛋类和奶类。"


def rss(*items: tuple[str, str], title: str = "一家报纸", hour: int = 6) -> str:
    """Write a feed; each item is a title and a text."""
    parts = "".join(
        f"<item><guid>{title}-{name}</guid><title>{name}</title><link>https://news.example/{number}</link>"
        f"<pubDate>Sat, 21 Nov 2026 {hour:02}:{number:02}:00 GMT</pubDate><description>{text}</description></item>"
        for number, (name, text) in reversed(list(enumerate(items)))
    )
    return f"<rss version='2.0'><channel><title>{title}</title><link>https://news.example/</link>{parts}</channel></rss>"


async def test_a_feed_brings_each_item_once(sq, web, clock):
    web.put(URL, rss(("早餐", BODY), ("步行", "每天一万步")))
    feed = await sq.feeds.add(URL, category="健康", community="health")
    assert (await sq.feeds.add(URL)).id == feed.id
    [found] = await sq.feeds.refresh()
    assert (found.new, found.problem, found.title) == (2, "", "一家报纸")
    assert await sq.feeds.refresh() == []
    clock.advance(timedelta(hours=1))
    web.put(URL, rss(("早餐", BODY), ("步行", "每天一万步"), ("睡眠", "早睡")))
    [found] = await sq.feeds.refresh()
    assert found.new == 1
    items = await sq.feeds.items(feed=feed.id)
    assert [item.title for item in items] == ["睡眠", "步行", "早餐"]
    assert items[0].feed_title == "一家报纸"
    assert [item.title for item in await sq.feeds.items(words=["一万步"])] == ["步行"]
    assert await sq.feeds.items(words=["100%_"]) == []
    assert (await sq.feeds.get(feed.id)).site == "https://news.example/"


async def test_requests_are_conditional_and_servers_say_how_often(sq, web, clock):
    web.put(
        URL,
        rss(("a", "b")),
        etag='"v1"',
        last_modified="Sat, 21 Nov 2026 06:00:00 GMT",
        cache_control="public, max-age=7200",
    )
    feed = await sq.feeds.add(URL)
    await sq.feeds.refresh()
    assert (await sq.feeds.get(feed.id)).next_at == START + timedelta(hours=2)
    clock.advance(timedelta(hours=1))
    assert await sq.feeds.refresh() == []
    clock.advance(timedelta(hours=1))
    [found] = await sq.feeds.refresh()
    assert found.unchanged
    asked = web.asked[-1].headers
    assert asked["if-none-match"] == '"v1"'
    assert asked["if-modified-since"] == "Sat, 21 Nov 2026 06:00:00 GMT"


async def test_failures_wait_longer_and_retry_after_is_kept(sq, web, clock):
    web.put(URL, status=500)
    feed = await sq.feeds.add(URL)
    waits = []
    for _ in range(7):
        [found] = await sq.feeds.refresh()
        assert "HTTP 500" in found.problem
        now = await sq.feeds.get(feed.id)
        waits.append((now.next_at - clock.now()) / timedelta(hours=1))
        clock.advance(now.next_at - clock.now())
    assert waits == [1, 2, 4, 8, 16, 24, 24]
    web.put(URL, status=429, retry_after=str(3 * 86400))
    await sq.feeds.refresh()
    now = await sq.feeds.get(feed.id)
    assert now.next_at - clock.now() == timedelta(days=3)
    clock.advance(now.next_at - clock.now())
    web.put(URL, rss(("a", "b")))
    await sq.feeds.refresh()
    assert (await sq.feeds.get(feed.id)).failures == 0


async def test_gone_stops_and_moved_for_good_is_remembered(sq, web, clock):
    web.put(URL, status=410)
    gone = await sq.feeds.add(URL)
    [found] = await sq.feeds.refresh()
    assert found.state is FeedState.STOPPED
    clock.advance(timedelta(days=2))
    assert await sq.feeds.refresh() == []
    old, new = "http://old.example/rss", "https://new.example/rss"
    web.put(old, status=301, location=new)
    web.put(new, rss(("a", "b")))
    moved = await sq.feeds.add(old)
    assert (await sq.feeds.refresh())[0].new == 1
    assert (await sq.feeds.get(moved.id)).url == new
    web.put("https://third.example/rss", status=308, location=new)
    third = await sq.feeds.add("https://third.example/rss")
    [found] = await sq.feeds.refresh(third.id)
    assert found.state is FeedState.STOPPED
    assert f"feed {moved.id}" in found.problem
    web.put(URL, rss(("back", "again")))
    await sq.feeds.change(gone.id, paused=False)
    assert (await sq.feeds.refresh())[0].new == 1


async def test_hostile_feeds_fail_alone(sq, web):
    web.addresses = {"inside.example": "192.168.0.9"}
    web.put("https://a.example/f", status=302, location="http://inside.example/admin")
    web.put(
        "https://b.example/f",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><rss><channel><title>&a;</title></channel></rss>",
    )
    web.put("https://c.example/f", b"x" * (6 * 1024 * 1024))
    web.put("https://d.example/f", "<html>no feed</html>")
    web.put(URL, rss(("good", "one")))
    for host in "abcd":
        await sq.feeds.add(f"https://{host}.example/f")
    await sq.feeds.add(URL)
    found = await sq.feeds.refresh()
    assert [bool(one.problem) for one in found] == [True] * 4 + [False]
    for one, words in zip(found, ("private", "entities", "larger", "no RSS"), strict=False):
        assert words in one.problem
    assert "inside.example" not in {asked.headers["host"] for asked in web.asked}
    assert [item.title for item in await sq.feeds.items()] == ["good"]


async def test_filters_keep_items_out(sq, web):
    web.put(URL, rss(("早餐", BODY), ("广告", "ＳＡＬＥ 早餐"), ("股市", "上涨")))
    await sq.feeds.add(URL, filters=FeedFilter(words=("早餐",), without=("sale",)))
    [found] = await sq.feeds.refresh()
    assert (found.new, found.filtered) == (1, 2)
    assert [item.title for item in await sq.feeds.items()] == ["早餐"]
    assert len(await sq.feeds.items(states=())) == 3
    old = FeedFilter(max_age=timedelta(hours=1))
    assert not old.wants(title="", text="", author="", categories=(), age=timedelta(hours=2))
    who = FeedFilter(authors=("林",), categories=("健康",))
    assert who.wants(title="", text="", author="林小满", categories=("健康",), age=timedelta(0))
    assert not who.wants(title="", text="", author="王", categories=("健康",), age=timedelta(0))
    assert not who.wants(title="", text="", author="林", categories=(), age=timedelta(0))


async def test_what_several_feeds_tell_is_one_story(sq, web):
    other = "https://daily.example/feed"
    web.put(
        URL, rss(("早餐很重要", BODY), ("别的", "完全不同的一段话，说的是护肤和防晒的事情，冬天也要涂防晒霜"))
    )
    web.put(other, rss(("早餐很重要吗", BODY + "（转载）"), title="日报", hour=7))
    first = await sq.feeds.add(URL)
    await sq.feeds.refresh()
    await sq.feeds.add(other)
    await sq.feeds.refresh()
    stories = await sq.feeds.stories()
    assert [len(one.items) for one in stories] == [2, 1]
    assert [item.feed_title for item in stories[0].items] == ["一家报纸", "日报"]
    await sq.feeds.remove(first.id)
    [left] = await sq.feeds.stories()
    assert left.id == left.items[0].id
    with pytest.raises(UnknownName):
        await sq.feeds.get(first.id)


async def test_an_item_becomes_a_draft_that_names_its_source(sq, web):
    evil = "**买** [点](https://evil.example) @everyone &lt;script&gt;alert(1)&lt;/script&gt;\n# 大\n1. 一"
    web.put(URL, rss(("标题 *x*", evil + BODY * 5)))
    await sq.feeds.add(URL)
    await sq.feeds.refresh()
    [item] = await sq.feeds.items()
    draft = await sq.feeds.draft(item.id, most=120)
    assert draft.source.feed == "一家报纸"
    assert str(draft.content.link.url) == "https://news.example/0"
    from shequn_sdk.platforms.manifest import Capability, Manifest

    plain = Manifest(platform="p", capabilities=frozenset({Capability.PUBLISH_TEXT}))
    [piece] = compose(draft.content, plain).pieces
    assert piece.text.startswith("标题 *x*")
    assert "**买** [点](https://evil.example)" in piece.text
    assert "来源：一家报纸" in piece.text
    assert piece.text.endswith("https://news.example/0")
    assert [one.state for one in await sq.feeds.items(states=())] == [ItemState.DRAFTED]
    assert await sq.feeds.items() == []
    await sq.feeds.mark(item.id, state=ItemState.DISMISSED)
    assert await sq.feeds.stories() == []


async def test_opml_in_and_out(sq):
    opml = (
        '<opml version="2.0"><body><outline text="健康"><outline xmlUrl="https://a.example/f" text="A"/></outline>'
        '<outline xmlUrl="file:///etc/passwd" text="bad"/><outline xmlUrl="https://a.example/f"/></body></opml>'
    )
    done = await sq.feeds.import_opml(opml)
    assert ([one.title for one in done.added], done.known) == (["A"], ("https://a.example/f",))
    assert "line 1" in done.refused[0]
    again = await sq.feeds.import_opml(await sq.feeds.export_opml())
    assert (again.added, len(again.known)) == ((), 1)
    with pytest.raises(InvalidInput):
        await sq.feeds.import_opml("<opml><outline xmlUrl='https://b.example/f'/>")
    assert len(await sq.feeds.list()) == 1


async def test_bad_arguments(sq):
    for url in ("ftp://a.example/", "nothing", "http://a.example:25/", "https://a.example/" + "x" * 2000):
        with pytest.raises(InvalidInput):
            await sq.feeds.add(url)
    with pytest.raises(InvalidInput):
        await sq.feeds.add(URL, every=timedelta(seconds=5))
    for call in (sq.feeds.get, sq.feeds.remove, sq.feeds.refresh, sq.feeds.draft):
        with pytest.raises(UnknownName):
            await call(99)
    assert await sq.feeds.list() == []


async def test_what_is_kept_outlives_the_process_and_old_texts_are_forgotten(web, clock, open_again):
    web.put(URL, rss(("早餐", BODY)))
    async with open_again() as sq:
        await sq.feeds.add(URL)
        await sq.feeds.refresh()
    clock.advance(timedelta(days=100))
    async with open_again() as sq:
        assert await sq.feeds.prune() == 1
        [item] = await sq.feeds.items()
        assert item.text == ""
        assert (await sq.feeds.refresh())[0].new == 0


async def test_two_processes_look_once(web, clock, open_again):
    web.put(URL, rss(("早餐", BODY)))
    async with open_again() as one, open_again() as other:
        await one.feeds.add(URL)
        import anyio

        async with anyio.create_task_group() as group:
            group.start_soon(one.feeds.refresh)
            group.start_soon(other.feeds.refresh)
        assert len(web.asked) == 1


async def test_a_schedule_looks_at_feeds(sq, web, clock):
    web.put(URL, rss(("早餐", BODY)))
    await sq.feeds.add(URL)
    await sq.schedules.create("shequn.feeds.refresh", when=Cron("*/15 * * * *", tz="Asia/Shanghai"))
    await sq.deliver_due()
    assert web.asked == []
    clock.advance(timedelta(minutes=15))
    await sq.deliver_due()
    assert [item.title for item in await sq.feeds.items()] == ["早餐"]
