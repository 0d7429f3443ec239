"""Modes robot and appchat over real HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shequn_sdk.domain import Article, Entity, EntityKind, Link, Media, MediaKind, Piece, Poll, Role
from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    InvalidContent,
    NotSupported,
    RateLimited,
    TargetNotFound,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


async def test_robot_posts_text_and_mentions(wecom):
    robot = await wecom.adapter("robot")
    post = await robot.publish("robot", Piece(text="今晚 20:00 直播"), idempotency_key="k")
    assert post.native_id.startswith("robot-")
    mention = Entity(kind=EntityKind.MENTION, offset=0, length=3, member_id="lin")
    await robot.publish("robot", Piece(text="@小林 你好", entities=(mention,)), idempotency_key="k2")
    await robot.publish("robot", Piece(text="<@lin> 你好"), idempotency_key="k3")
    bodies = [said.body for said in wecom.sandbox.world.said["robot"]]
    assert [body["msgtype"] for body in bodies] == ["text", "text", "markdown"]
    assert bodies[1]["text"]["mentioned_list"] == ["lin"]
    assert "good" in await robot.check()


@pytest.mark.parametrize(
    ("text_format", "limit"), [("auto", 2048), ("text", 2048), ("markdown", 4096), ("markdown_v2", 4096)]
)
async def test_robot_limits_in_bytes(wecom, text_format, limit):
    robot = await wecom.adapter("robot", text_format=text_format)
    assert robot.manifest.limits.text.maximum == limit
    text = "汉" * (limit // 3) + "a" * (limit % 3)
    await robot.publish("robot", Piece(text=text), idempotency_key="k")
    assert wecom.sandbox.messages("robot")[0].text == text
    with pytest.raises(InvalidContent):
        await robot.publish("robot", Piece(text=text + "a"), idempotency_key="k2")


async def test_robot_sends_pictures_files_links_and_articles(wecom):
    robot = await wecom.adapter("robot")
    photo = Media(kind=MediaKind.PHOTO, data=PNG)
    await robot.publish("robot", Piece(media=(photo,)), idempotency_key="1")
    document = Media(kind=MediaKind.DOCUMENT, data=b"%PDF-1.7 ....", filename="周报.pdf")
    await robot.publish("robot", Piece(media=(document,)), idempotency_key="2")
    voice = Media(kind=MediaKind.VOICE, data=b"#!AMR\n......")
    await robot.publish("robot", Piece(media=(voice,)), idempotency_key="3")
    link = Link(url="https://example.com/a", title="活动回顾")
    await robot.publish("robot", Piece(link=link), idempotency_key="4")
    await robot.publish("robot", Piece(article=Article(title="周报", body="正文")), idempotency_key="5")
    kinds = [said.body["msgtype"] for said in wecom.sandbox.world.said["robot"]]
    assert kinds == ["image", "file", "voice", "news", "markdown"]


async def test_robot_refuses_what_it_cannot_do(wecom):
    robot = await wecom.adapter("robot")
    with pytest.raises(NotSupported, match="mode app"):
        await robot.publish("robot", Piece(poll=Poll(question="?", choices=("a", "b"))), idempotency_key="k")
    with pytest.raises(TargetNotFound):
        await robot.publish("other", Piece(text="x"), idempotency_key="k")
    with pytest.raises(InvalidContent, match="empty"):
        await robot.publish("robot", Piece(text="  "), idempotency_key="k")
    gif = Media(kind=MediaKind.PHOTO, data=b"GIF89a......")
    with pytest.raises(InvalidContent, match="JPG"):
        await robot.publish("robot", Piece(media=(gif,)), idempotency_key="k")
    assert wecom.sandbox.messages("robot") == []


async def test_robot_is_held_at_twenty_a_minute(wecom):
    robot = await wecom.adapter("robot")
    for number in range(20):
        await robot.publish("robot", Piece(text=f"第 {number}"), idempotency_key=str(number))
    with pytest.raises(RateLimited) as caught:
        await robot.publish("robot", Piece(text="太快"), idempotency_key="k")
    assert caught.value.retry_after == timedelta(seconds=60)
    assert caught.value.landed == "surely_not"
    wecom.clock.advance(timedelta(seconds=60))
    await robot.publish("robot", Piece(text="好了"), idempotency_key="k")
    assert len(wecom.sandbox.messages("robot")) == 21


async def test_unknown_key_is_refused_without_showing_it(wecom):
    robot = await wecom.adapter("robot", secrets={"key": "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"})
    with pytest.raises(AuthFailed) as caught:
        await robot.publish("robot", Piece(text="x"), idempotency_key="k")
    assert caught.value.code == "93000"
    assert "693axxx6" not in f"{caught.value}{caught.value!r}{robot!r}{robot.api!r}{robot.api.http!r}"


async def test_missing_key_says_where_it_is(wecom):
    with pytest.raises(ConfigError, match="key="):
        await wecom.adapter("robot", secrets={"key": ""})


async def test_app_group_from_making_to_leaving(wecom):
    chat = await wecom.adapter("appchat")
    made = await chat.create_chat(
        members=["lin", "chen", "wang"], name="训练营", owner="lin", chat_id="camp1"
    )
    assert made == "camp1"
    # the second time finds the group that is there
    assert await chat.create_chat(members=["lin", "chen"], chat_id="camp1") == "camp1"
    info = await chat.get_channel("camp1")
    assert (info.title, info.member_count, info.attrs["owner"]) == ("训练营", 3, "lin")
    assert not wecom.sandbox.world.appchats["camp1"].shown
    post = await chat.publish("camp1", Piece(text="**早安**"), idempotency_key="k")
    assert post.native_id.startswith("appchat-")
    assert wecom.sandbox.world.appchats["camp1"].shown
    assert [m.text for m in wecom.sandbox.messages("camp1")] == ["**早安**"]
    await chat.kick("camp1", "wang")
    members = {m.identity.ref.native_id: m.role async for m in chat.iter_members("camp1")}
    assert members == {"lin": Role.OWNER, "chen": Role.MEMBER}
    assert await chat.count_members("camp1") == 2
    assert (await chat.get_member("camp1", "chen")).role is Role.MEMBER
    with pytest.raises(TargetNotFound):
        await chat.get_member("camp1", "wang")
    with pytest.raises(InvalidContent) as caught:
        await chat.kick("camp1", "chen")
    assert caught.value.code == "86006"
    await chat.update_chat("camp1", add=["wang"], name="训练营二期", owner="chen")
    assert (await chat.get_channel("camp1")).title == "训练营二期"


async def test_app_group_mistakes_are_typed(wecom):
    chat = await wecom.adapter("appchat")
    with pytest.raises(TargetNotFound) as caught:
        await chat.publish("nowhere", Piece(text="x"), idempotency_key="k")
    assert caught.value.code == "86003"
    with pytest.raises(InvalidContent):
        await chat.create_chat(members=["lin"])
    with pytest.raises(TargetNotFound):
        await chat.create_chat(members=["lin", "ghost"])
    with pytest.raises(NotSupported, match="app groups"):
        [channel async for channel in chat.iter_channels()]
    for call in (
        chat.restrict("core", "lin", until=None),
        chat.unrestrict("core", "lin"),
        chat.ban("core", "lin"),
        chat.unban("core", "lin"),
    ):
        with pytest.raises(NotSupported):
            await call


async def test_app_group_takes_files_and_links(wecom):
    chat = await wecom.adapter("appchat")
    for number, (kind, data) in enumerate(
        [
            (MediaKind.PHOTO, PNG),
            (MediaKind.VIDEO, b"\x00\x00\x00\x18ftypmp42...."),
            (MediaKind.VOICE, b"#!AMR\n....."),
            (MediaKind.DOCUMENT, b"%PDF-1.7 ..."),
        ]
    ):
        await chat.publish("core", Piece(media=(Media(kind=kind, data=data),)), idempotency_key=str(number))
    await chat.publish("core", Piece(link=Link(url="https://example.com", title="看")), idempotency_key="l")
    await chat.publish("core", Piece(article=Article(title="周报", body="正文")), idempotency_key="a")
    kinds = [said.body["msgtype"] for said in wecom.sandbox.world.said["core"]]
    assert kinds == ["image", "video", "voice", "file", "news", "markdown"]


async def test_an_application_without_the_whole_corporation_makes_no_groups(wecom):
    small = wecom.sandbox.describe()["small_app"]
    chat = await wecom.adapter(
        "appchat", secrets={"corp_secret": small["corp_secret"]}, agent_id=small["agent_id"]
    )
    from shequn_sdk.errors import PermissionDenied

    with pytest.raises(PermissionDenied, match="visible range"):
        await chat.create_chat(members=["lin", "chen"])
