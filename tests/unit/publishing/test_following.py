"""Comments and answers that go out with a post, and files that are looked at once more before they are sent."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from shequn_sdk import AsyncShequn, Content, DeliveryState, Media, MediaKind, ReceiptStatus
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing.sandbox.server import SandboxServer

LINK = "https://club.example.com/d7"


@pytest.fixture(scope="module")
def plugins():
    return load_plugins()


def picture(form: str = "WEBP") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "green").save(out, form)
    return out.getvalue()


async def test_a_comment_stands_under_the_post(plugins):
    async with SandboxServer([plugins.sandbox("weibo")]) as sandbox:
        account = sandbox.account("weibo", name="blog")
        channel = sandbox["weibo"].describe()["uid"]
        async with AsyncShequn.open(accounts=[account], plugins=plugins) as sq:
            [receipt] = await sq.publish(
                Content(text=f"今日早餐 {LINK}", comments=("往期在这里",)), to=[f"blog:{channel}"]
            )
            assert receipt.status is ReceiptStatus.LANDED
            post, comment = receipt.posts
            assert comment.attrs["comment_on"] == post.native_id
            told = [one async for one in sq.accounts.adapter("blog").iter_comments(channel, post.native_id)]
            assert [one.text for one in told] == ["往期在这里"]


async def test_an_answer_hangs_on_the_first_message_and_a_picture_is_converted(plugins, tmp_path):
    path = tmp_path / "meal.bmp"
    path.write_bytes(picture("BMP"))
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        platform = sandbox["telegram"]
        channel = platform.create_channel("群")
        async with AsyncShequn.open(
            accounts=[sandbox.account("telegram", name="bot")], plugins=plugins
        ) as sq:
            content = Content(
                text="早餐", media=(Media(kind=MediaKind.PHOTO, path=path),), comments=("配方",), silent=True
            )
            [receipt] = await sq.publish(content, to=[f"bot:{channel}"])
            assert receipt.status is ReceiptStatus.LANDED, receipt.reason
            _, second = receipt.posts
            shown = {one.native_id: one for one in platform.messages(channel)}
            assert shown[second.native_id].text == "配方"


async def test_without_the_post_there_is_no_comment(plugins, tmp_path):
    path = tmp_path / "meal.jpg"
    path.write_bytes(picture("JPEG"))
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        platform = sandbox["telegram"]
        channel = platform.create_channel("群")
        async with AsyncShequn.open(
            accounts=[sandbox.account("telegram", name="bot")], plugins=plugins
        ) as sq:
            content = Content(
                text="早餐", media=(Media(kind=MediaKind.PHOTO, path=path),), comments=("配方",)
            )
            publishing = await sq._workspace.publishing()
            await publishing.plan(content, [f"bot:{channel}"])
            path.unlink()
            await sq.deliver_due()
            rows = await sq.deliveries.list(order="oldest")
            assert [one.state for one in rows] == [DeliveryState.REFUSED] * 2
            assert "does not exist" in rows[0].error
            assert "retry" in rows[1].error
            assert platform.messages(channel) == []
            path.write_bytes(picture("JPEG"))
            await sq.deliveries.retry(rows[0].id)
            await sq.deliver_due()
            for row in await sq.deliveries.list(states=[DeliveryState.REFUSED]):
                await sq.deliveries.retry(row.id)
            await sq.deliver_due()
            assert {one.state for one in await sq.deliveries.list()} == {DeliveryState.LANDED}


async def test_a_missing_file_is_refused_when_it_is_planned_and_can_be_retried(plugins, tmp_path):
    path = tmp_path / "meal.jpg"
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        platform = sandbox["telegram"]
        channel = platform.create_channel("群")
        async with AsyncShequn.open(
            accounts=[sandbox.account("telegram", name="bot")], plugins=plugins
        ) as sq:
            content = Content(text="早餐", media=(Media(kind=MediaKind.PHOTO, path=path),))
            to = [f"bot:{channel}"]
            assert not (await sq.check(content, to=to))[0].ok
            [receipt] = await sq.publish(content, to=to)
            assert receipt.status is ReceiptStatus.REFUSED
            assert "does not exist" in receipt.reason
            path.write_bytes(picture("JPEG"))
            await sq.deliveries.retry(receipt.deliveries[0])
            await sq.deliver_due()
            assert [one.attachments for one in platform.messages(channel)] == [1]


async def test_one_content_says_something_else_in_one_channel(plugins):
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        platform = sandbox["telegram"]
        first, second = platform.create_channel("一"), platform.create_channel("二")
        async with AsyncShequn.open(
            accounts=[sandbox.account("telegram", name="bot")], plugins=plugins
        ) as sq:
            content = Content(text="大家好", overrides={f"bot:{second}": "二群好"})
            await sq.publish(content, to=[f"bot:{first}", f"bot:{second}"])
            assert [platform.messages(one)[0].text for one in (first, second)] == ["大家好", "二群好"]


def test_the_blocking_client_looks_as_well():
    from shequn_sdk import Account, Shequn

    account = Account.model_validate({"name": "bot", "platform": "telegram", "secrets": {"token": "1:T"}})
    with Shequn.open(accounts=[account]) as sq:
        content = Content(text="早 **安**", hashtags=("a b",))
        [preview] = sq.preview(content, to=["bot:-1001"])
        assert preview.text == "早 安\n\n#a_b"
        [explanation] = sq.explain(content, to=["bot:-1001"])
        assert explanation.lines == ("#a b written a_b: a hashtag ends at the first other sign",)
        assert sq.check(content, to=["bot:-1001"])[0].ok
