"""Topics: opened on a plan, listened to, summed up, and their texts forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from shequn_sdk import InvalidInput
from shequn_sdk.engagement.topics import TopicPlan
from shequn_sdk.scheduling.triggers import Weekly
from shequn_sdk.stores.tables.engagement import act


async def test_a_topic_is_summed_up(scene):
    opened = await scene.sq.topics.open(
        "分享今天的健康餐", to=scene.to, text="晒一晒！", closes=timedelta(hours=2)
    )
    first = await scene.says("telegram:1", "三文鱼沙拉 *好吃*")
    await scene.says("telegram:2", "看着不错", parent=first.message)
    await scene.hear(scene.event("telegram:3", "reaction", message=first.message, attrs={"emoji": "👍"}))
    await scene.says("discord:4", "今天吃面")
    await scene.hear(first)
    await scene.merge("telegram:1", "discord:4")
    found = await scene.sq.topics.get_summary(opened.id)
    assert (found.messages, found.members, found.answers, found.reactions) == (3, 2, 1, 1)
    assert found.by_platform == {"discord": 1, "telegram": 2}
    assert (found.noticed[0].member, found.noticed[0].answers, found.noticed[0].reactions) == (
        "telegram:1",
        1,
        1,
    )
    await scene.pass_time(timedelta(hours=3))
    assert "3 条发言，2 人参与" in scene.said("telegram")[-1]
    assert "最受关注：成员1：三文鱼沙拉 *好吃*" in scene.said("telegram")[-1]
    assert "三文鱼沙拉 \\*好吃\\*" in scene.said("discord")[-1]
    await scene.says("telegram:1", "太晚了")
    assert (await scene.sq.topics.close(opened.id)).messages == 3
    store = await scene.sq._workspace.store()
    kept = await store.read(
        lambda conn: conn.execute(select(act.c.value).where(act.c.act == "message")).scalars().all()
    )
    assert set(kept) == {""}


async def test_a_weekly_plan(scene):
    topics = [TopicPlan(title=f"话题{number}") for number in (1, 2)]
    await scene.sq.topics.plan(
        "weekly", topics, when=Weekly("周三 20:00", tz="Asia/Shanghai"), to=scene.to, lasts=timedelta(hours=3)
    )
    await scene.pass_time(timedelta(days=21))
    opened = await scene.sq.topics.list()
    assert [one.title for one in opened] == ["话题1", "话题2", "话题1"]
    assert {one.state for one in opened} == {"closed"}
    assert "话题2" in scene.said("telegram")
    with pytest.raises(InvalidInput, match="at least one topic"):
        await scene.sq.topics.plan("x", [], when=Weekly("周三 20:00", tz="Asia/Shanghai"), to=scene.to)
