"""Mode app over real HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shequn_sdk.domain import Article, Button, Content, Link, Media, MediaKind, Piece, Poll  # noqa: F401
from shequn_sdk.errors import Conflict, InvalidContent, NotSupported, TargetNotFound
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.testing.sandbox import Person

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


async def test_text_lands_with_an_id(wecom):
    app = await wecom.adapter("app")
    post = await app.publish("user:lin", Piece(text="今晚八点直播"), idempotency_key="k1")
    [message] = wecom.sandbox.messages("user:lin")
    assert (message.native_id, message.text, message.by_account) == (post.native_id, "今晚八点直播", True)
    assert post.landed_at == wecom.clock.now()


async def test_same_key_is_dropped_by_the_platform_and_another_key_is_not(wecom):
    app = await wecom.adapter("app")
    first = await app.publish("@all", Piece(text="早安"), idempotency_key="a")
    again = await app.publish("@all", Piece(text="早安"), idempotency_key="a")
    await app.publish("@all", Piece(text="早安"), idempotency_key="b")
    assert first.native_id == again.native_id
    assert len(wecom.sandbox.messages("@all")) == 2
    wecom.clock.advance(timedelta(seconds=1801))
    later = await app.publish("@all", Piece(text="早安"), idempotency_key="a")
    assert later.native_id != first.native_id


@pytest.mark.parametrize("channel", ["user:lin|chen", "party:2", "tag:1", "@all"])
async def test_all_forms_of_channels(wecom, channel):
    app = await wecom.adapter("app")
    await app.publish(channel, Piece(text="你好"), idempotency_key="k")
    assert [m.text for m in wecom.sandbox.messages(channel)] == ["你好"]
    assert (await app.get_channel(channel)).ref.native_id == channel
    members = [m.identity.ref.native_id async for m in app.iter_members(channel)]
    assert "lin" in members
    assert await app.count_members(channel) == len(members)
    assert (await app.get_member(channel, "LIN")).identity.ref.native_id == "lin"


async def test_some_receivers_unknown_is_told_and_all_unknown_is_an_error(wecom):
    app = await wecom.adapter("app")
    post = await app.publish("user:lin|Nobody", Piece(text="x1"), idempotency_key="k")
    assert post.attrs["invaliduser"] == "nobody"
    with pytest.raises(TargetNotFound) as caught:
        await app.publish("user:nobody", Piece(text="x2"), idempotency_key="k2")
    assert caught.value.code == "81013"
    assert caught.value.request_id
    with pytest.raises(TargetNotFound, match="user:lin"):
        await app.publish("lin", Piece(text="x3"), idempotency_key="k3")


async def test_text_limit_counts_utf8_bytes(wecom):
    app = await wecom.adapter("app")
    limit = app.manifest.limits.text
    fits = "汉" * 682 + "ab"
    assert limit.fits(fits)
    assert not limit.fits(fits + "c")
    await app.publish("user:lin", Piece(text=fits), idempotency_key="k")
    with pytest.raises(InvalidContent):
        await app.publish("user:lin", Piece(text=fits + "c"), idempotency_key="k2")
    assert wecom.sandbox.messages("user:lin")[0].text == fits


async def test_marked_text_is_sent_as_markdown_and_plain_text_as_text(wecom):
    app = await wecom.adapter("app")
    await app.publish("user:lin", Piece(text="**早安**"), idempotency_key="k")
    await app.publish("user:lin", Piece(text="3 * 4 = 12"), idempotency_key="k2")
    kinds = [said.body["msgtype"] for said in wecom.sandbox.world.said["user:lin"]]
    assert kinds == ["markdown", "text"]


@pytest.mark.parametrize(
    ("kind", "data", "msgtype"),
    [
        (MediaKind.PHOTO, PNG, "image"),
        (MediaKind.VIDEO, b"\x00\x00\x00\x18ftypmp42" + b"0" * 64, "video"),
        (MediaKind.VOICE, b"#!AMR\n" + b"0" * 64, "voice"),
        (MediaKind.AUDIO, b"ID3" + b"0" * 64, "file"),
        (MediaKind.DOCUMENT, b"%PDF-1.7" + b"0" * 64, "file"),
    ],
)
async def test_files_are_uploaded_once_and_sent(wecom, kind, data, msgtype):
    app = await wecom.adapter("app")
    piece = Piece(media=(Media(kind=kind, data=data, filename="读书会.bin"),))
    await app.publish("user:lin", piece, idempotency_key="k")
    await app.publish("user:lin", piece, idempotency_key="k")
    [said] = wecom.sandbox.world.said["user:lin"]
    assert said.body["msgtype"] == msgtype
    media_id = said.body[msgtype]["media_id"]
    stored = wecom.sandbox.world.media[media_id]
    assert await app.api.download(media_id) == data
    with pytest.raises(InvalidContent):
        await app.api.download("gone")
    assert (stored.data, stored.name) == (data, "读书会.bin")
    assert len(wecom.sandbox.world.media) == 1


async def test_files_that_cannot_be_sent_are_refused_before_a_request(wecom, tmp_path):
    app = await wecom.adapter("app")
    with pytest.raises(InvalidContent, match="5"):
        await app.publish(
            "user:lin", Piece(media=(Media(kind=MediaKind.PHOTO, data=b"12345"),)), idempotency_key="k"
        )
    big = Media(kind=MediaKind.VOICE, data=b"0" * (2 * 1024 * 1024 + 1))
    with pytest.raises(InvalidContent, match="bytes"):
        await app.publish("user:lin", Piece(media=(big,)), idempotency_key="k")
    with pytest.raises(InvalidContent, match="two pieces"):
        await app.publish(
            "user:lin",
            Piece(text="看图", media=(Media(kind=MediaKind.PHOTO, data=PNG),)),
            idempotency_key="k",
        )
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    await app.publish("user:lin", Piece(media=(Media(kind=MediaKind.PHOTO, path=path),)), idempotency_key="k")
    assert wecom.sandbox.messages("user:lin")[0].attachments == 1


async def test_link_article_and_long_link(wecom):
    app = await wecom.adapter("app")
    link = Link(url="https://example.com/a", title="活动回顾", description="三张图看完")
    await app.publish("user:lin", Piece(link=link), idempotency_key="1")
    await app.publish("user:lin", Piece(text="长" * 300, link=link), idempotency_key="2")
    article = Article(title="周报", body="# 指标\n\n**42** 位新成员")
    await app.publish("user:lin", Piece(article=article), idempotency_key="3")
    cover = Media(kind=MediaKind.PHOTO, data=PNG)
    await app.publish(
        "user:lin", Piece(article=article.model_copy(update={"cover": cover})), idempotency_key="4"
    )
    read_on = article.model_copy(update={"url": link.url, "digest": "本周"})
    await app.publish("user:lin", Piece(article=read_on), idempotency_key="5")
    bodies = [said.body for said in wecom.sandbox.world.said["user:lin"]]
    assert [body["msgtype"] for body in bodies] == ["news", "text", "markdown", "mpnews", "news"]
    assert "https://example.com/a" in bodies[1]["text"]["content"]
    assert "<strong>42</strong>" in bodies[3]["mpnews"]["articles"][0]["content"]
    assert bodies[4]["news"]["articles"][0]["description"] == "本周"


async def test_poll_is_a_vote_card_and_votes_come_back(wecom):
    app = await wecom.adapter("app")
    poll = Poll(question="下周直播主题", choices=("写作", "摄影"))
    post = await app.publish("user:lin", Piece(poll=poll), idempotency_key="k")
    lin = Person(id="lin", name="小林")
    wecom.sandbox.vote("user:lin", lin, post.native_id, 1)
    [message] = wecom.sandbox.messages("user:lin")
    assert list(message.choices) == [("写作", 0), ("摄影", 1)]
    with pytest.raises(Conflict):
        wecom.sandbox.vote("user:lin", lin, post.native_id, 0)
    from shequn_wecom.events import parse_event

    [vote] = parse_event(wecom.sandbox.callbacks.waiting[-1].encode(), account="a").interactions
    assert (vote.kind, vote.member, vote.message, vote.attrs["choices"]) == (
        "vote",
        "lin",
        post.native_ids[1],
        [1],
    )
    # the vote brings a code with which the card can be changed once
    await app.update_card(str(vote.attrs["response_code"]), users=["lin"], button="已投票")
    with pytest.raises(Conflict):
        await app.update_card(str(vote.attrs["response_code"]), users=["lin"], button="已投票")


async def test_buttons_are_cards_and_presses_come_back(wecom):
    app = await wecom.adapter("app")
    rows = ((Button(label="打卡", data="check-in"), Button(label="规则", url="https://example.com/r")),)
    post = await app.publish(
        "user:lin", Piece(text="打卡第 7 天\n坚持就是胜利", buttons=rows), idempotency_key="k"
    )
    wecom.sandbox.press("user:lin", Person(id="lin", name="小林"), post.native_id, "check-in")
    from shequn_wecom.events import parse_event

    [press] = parse_event(wecom.sandbox.callbacks.waiting[-1].encode(), account="a").interactions
    assert (press.kind, press.text, press.message) == ("button", "check-in", post.native_ids[1])
    links = ((Button(label="看", url="https://example.com/1"),),)
    await app.publish("user:lin", Piece(text="看这里", buttons=links), idempotency_key="k2")
    assert wecom.sandbox.world.said["user:lin"][-1].body["template_card"]["card_type"] == "text_notice"
    with pytest.raises(InvalidContent, match="card"):
        await app.publish("user:lin", Piece(text="长" * 200, buttons=rows), idempotency_key="k3")


async def test_recall_within_a_day(wecom):
    app = await wecom.adapter("app")
    post = await app.publish("user:lin", Piece(text="错的"), idempotency_key="k")
    await app.delete("user:lin", post.native_id)
    assert wecom.sandbox.messages("user:lin") == []
    post = await app.publish("user:lin", Piece(text="旧的"), idempotency_key="k2")
    wecom.clock.advance(timedelta(hours=25))
    with pytest.raises(Conflict) as caught:
        await app.delete("user:lin", post.native_id)
    assert caught.value.code == "42052"


async def test_edit_is_not_there_and_says_why(wecom):
    app = await wecom.adapter("app")
    with pytest.raises(NotSupported, match="update_card"):
        await app.edit("user:lin", "m", Piece(text="x"))
    assert not app.manifest.supports(Capability.EDIT)


async def test_check_channels_and_counts(wecom):
    app = await wecom.adapter("app")
    assert "社群助手" in await app.check()
    channels = [channel.ref.native_id async for channel in app.iter_channels()]
    assert channels == ["@all", "party:1", "party:2", "party:3", "tag:1"]
    await app.publish("user:lin", Piece(text="a"), idempotency_key="1")
    assert await app.count_sent() == 1
    assert await app.count_sent(yesterday=True) == 0
    assert await app.direct_channel("lin") == "user:lin"
    for channel in ("party:99", "tag:99", "user:ghost"):
        with pytest.raises(TargetNotFound):
            await app.get_channel(channel)
    with pytest.raises(TargetNotFound):
        await app.get_member("party:3", "lin")


async def test_more_than_thirty_a_minute_are_dropped_silently(wecom):
    app = await wecom.adapter("app")
    for number in range(31):
        await app.publish("user:lin", Piece(text=f"第 {number}"), idempotency_key=str(number))
    assert len(wecom.sandbox.messages("user:lin")) == 30
