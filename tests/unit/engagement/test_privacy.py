"""What engagement keeps of a member can be shown and taken away; what was announced keeps its numbers."""

from datetime import timedelta

from shequn_sdk.domain import MemberRef
from shequn_sdk.engagement import _privacy
from shequn_sdk.engagement.draw import verify
from shequn_sdk.engagement.lotteries import Prize
from shequn_sdk.members.identities import find_identities


async def test_export_and_erase(scene):
    hour = timedelta(hours=1)
    lottery = await scene.sq.lotteries.open("抽奖", prizes=[Prize(name="书")], to=scene.to, closes=hour)
    topic = await scene.sq.topics.open("话题", to=scene.to, closes=hour)
    await scene.sq.questions.open_desk("答疑", to=scene.to)
    said = await scene.says("telegram:7", "为什么？", name="小林")
    await scene.says("telegram:8", "因为", parent=said.message)
    await scene.says("telegram:7", "抽奖", name="小林")
    await scene.pass_time(hour)
    assert (await scene.sq.topics.get_summary(topic.id)).noticed[0].name == "小林"
    store = await scene.sq._workspace.store()
    ref = MemberRef.parse("telegram:7")
    (number,) = (await store.read(lambda conn: find_identities(conn, [ref]))).values()
    exported = await store.read(lambda conn: _privacy.export_rows(conn, [number]))
    assert {row["act"] for row in exported["engagement_act"]} == {"enter", "entry", "won", "message"}
    assert exported["engagement_question"][0]["text"] == "为什么？"
    assert await store.write(lambda conn: _privacy.erase_rows(conn, [number])) > 4
    exported = await store.read(lambda conn: _privacy.export_rows(conn, [number]))
    assert not any(exported.values())
    summary = await scene.sq.topics.get_summary(topic.id)
    assert (summary.messages, summary.noticed[0].name, summary.noticed[0].text) == (3, "", "")
    result = await scene.sq.lotteries.get_result(lottery.id)
    assert (result.winners[0].member, result.entrants) == ("", 1)
    assert verify(await scene.sq.lotteries.get_certificate(lottery.id)).ok
