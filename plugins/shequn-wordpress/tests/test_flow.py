"""Long texts, drafts, schedules, media, revisions, rights, and excerpts for the communities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk import AsyncShequn, Content, ReceiptStatus
from shequn_sdk.domain import Account, Article, Interaction, InteractionKind, Media, MediaKind, Piece
from shequn_sdk.errors import (
    AuthFailed,
    ConfigError,
    Conflict,
    InvalidContent,
    InvalidInput,
    Landing,
    NotSupported,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpResponse
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.publishing.compose import compose
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import FaultKind, Person, SandboxServer
from shequn_sdk.testing.sandbox.faults import FaultRule, SeededFaults
from shequn_wordpress import shequn_sandboxes
from shequn_wordpress.adapter import WordPressAdapter
from shequn_wordpress.errors import error_of
from shequn_wordpress.html import html_of, plain_of, title_of
from shequn_wordpress.sandbox import WordPressSandbox

START = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
LIN = Person(id="lin", name="林小满")


class Site:
    def __init__(self, server: SandboxServer, clock: ManualClock, stack: AsyncExitStack) -> None:
        self.server, self.clock, self.stack = server, clock, stack
        self.sandbox: WordPressSandbox = server["wordpress"]

    async def adapter(self, **options) -> WordPressAdapter:
        account = self.server.account("wordpress", name="blog")
        account = account.model_copy(update={"options": {**account.options, **options}})
        return await self.stack.enter_async_context(
            WordPressAdapter(account, AdapterContext(clock=self.clock))
        )


@pytest.fixture
async def start() -> AsyncIterator[object]:
    async with AsyncExitStack() as stack:

        async def begin(*, faults=None, **options) -> Site:
            clock = ManualClock(START)
            server = SandboxServer(
                shequn_sandboxes(), clock=clock, seed=7, faults=faults, options={"wordpress": options}
            )
            await stack.enter_async_context(server)
            return Site(server, clock, stack)

        yield begin


def article(body: str, **more) -> Piece:
    return Piece(article=Article(title=more.pop("title", "早餐怎么吃"), body=body, **more))


async def all_of(pages) -> list:
    return [one async for one in pages]


async def test_an_article_becomes_safe_html(start):
    site = await start()
    adapter = await site.adapter()
    body = (
        "# 一\n\n**燕麦** `40g` <script>alert(1)</script>\n\n[坏](javascript:alert(1)) [好](https://e.org/?a=1&b=2)\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |"
    )
    post = await adapter.publish("posts", article(body, digest="摘要"), idempotency_key="k")
    kept = site.sandbox.posts[int(post.native_id)]
    assert "<script>" not in kept.content
    assert "&lt;script&gt;" in kept.content
    assert 'href="javascript' not in kept.content
    assert '<a href="https://e.org/?a=1&amp;b=2">' in kept.content
    assert "<table>" in kept.content
    assert (kept.title, kept.excerpt, kept.status) == ("早餐怎么吃", "摘要", "publish")
    assert post.url.startswith(site.sandbox.context.base_url)


async def test_drafts_and_posts_that_wordpress_publishes_itself(start):
    site = await start()
    adapter = await site.adapter()
    draft = Piece(text="草稿", attrs={"wordpress_status": "draft"})
    made = await adapter.publish("posts", draft, idempotency_key="d")
    assert made.attrs["status"] == "draft"
    assert [one.id for one in await all_of(adapter.iter_posts(status="draft"))] == [made.native_id]
    later = Piece(text="明早", attrs={"publish_at": "2026-03-03T08:00:00+08:00"})
    planned = await adapter.publish("posts", later, idempotency_key="f")
    assert planned.attrs["status"] == "future"
    assert site.sandbox.at(planned.native_id) == datetime(2026, 3, 3, tzinfo=UTC)
    assert planned.native_id not in [one.id for one in await all_of(adapter.iter_posts())]
    site.clock.advance(timedelta(days=1))
    assert planned.native_id in [one.id for one in await all_of(adapter.iter_posts())]
    for attrs in (
        {"publish_at": "tomorrow"},
        {"publish_at": "2026-03-03"},
        {"wordpress_status": "secret"},
        {"wordpress_status": "draft", "publish_at": "2026-03-09T08:00:00Z"},
    ):
        with pytest.raises(InvalidContent):
            await adapter.publish("posts", Piece(text="x", attrs=attrs), idempotency_key="bad")


async def test_pictures_are_uploaded_with_their_description(start, tmp_path):
    site = await start()
    adapter = await site.adapter()
    path = tmp_path / "早餐 1.png"
    path.write_bytes(PNG)
    media = (
        Media(kind=MediaKind.PHOTO, path=path, alt='一碗 "燕麦"', mime="image/png"),
        Media(kind=MediaKind.PHOTO, url="https://e.org/b.jpg"),
    )
    post = await adapter.publish("posts", Piece(text="两张图", media=media), idempotency_key="k")
    kept = site.sandbox.posts[int(post.native_id)]
    [file] = site.sandbox.media.values()
    assert (file.data, file.alt_text) == (PNG, '一碗 "燕麦"')
    assert kept.featured_media == file.id
    assert kept.content.count("<img") == 2
    assert 'alt="一碗 &quot;燕麦&quot;"' in kept.content
    found = await adapter.get_post(post.native_id)
    assert (await adapter.get_image(found)).endswith(file.filename)
    with pytest.raises(InvalidContent, match="upload_bytes"):
        await (await site.adapter(upload_bytes=1024)).publish(
            "posts", Piece(media=(Media(kind=MediaKind.PHOTO, data=b"x" * 2000),)), idempotency_key="big"
        )
    with pytest.raises(InvalidContent, match="cannot be read"):
        await adapter.publish(
            "posts",
            Piece(media=(Media(kind=MediaKind.PHOTO, path=tmp_path / "no.png"),)),
            idempotency_key="no",
        )


async def test_a_failed_upload_means_that_nothing_stands(start):
    faults = SeededFaults(3)
    site = await start(faults=faults)
    adapter = await site.adapter()
    faults.set([FaultRule(FaultKind.RESET_AFTER, operation="upload", times=1)])
    with pytest.raises(Unavailable) as caught:
        await adapter.publish(
            "posts", Piece(text="x", media=(Media(kind=MediaKind.PHOTO, data=PNG),)), idempotency_key="k"
        )
    assert caught.value.landed is Landing.SURELY_NOT
    assert len(site.sandbox.posts) == 1


async def test_revisions_and_restoring(start):
    site = await start()
    adapter = await site.adapter()
    post = await adapter.publish("posts", article("first"), idempotency_key="k")
    site.clock.advance(60)
    await adapter.edit("posts", post.native_id, article("second", title="新标题"))
    [old] = await all_of(adapter.iter_revisions(post.native_id))
    assert (old.title, plain_of(old.html)) == ("早餐怎么吃", "first")
    back = await adapter.restore(post.native_id, old.id)
    assert (back.title, back.text) == ("早餐怎么吃", "first")
    assert len(await all_of(adapter.iter_revisions(post.native_id))) == 2
    with pytest.raises(TargetNotFound):
        await adapter.restore(post.native_id, "999")


async def test_rights(start):
    site = await start(role="contributor")
    adapter = await site.adapter()
    assert "drafts only" in await adapter.check()
    with pytest.raises(PermissionDenied, match="drafts"):
        await adapter.publish("posts", Piece(text="x"), idempotency_key="k")
    shy = await site.adapter(status="pending")
    assert (await shy.publish("posts", Piece(text="x"), idempotency_key="p")).attrs["status"] == "pending"
    with pytest.raises(PermissionDenied):
        await shy.edit("posts", str(site.sandbox.write(LIN, "别人的", "文")), Piece(text="mine now"))


async def test_comments_closed_twice_and_nonsense_ids(start):
    site = await start()
    adapter = await site.adapter()
    post = await adapter.publish("posts", Piece(text="x"), idempotency_key="k")
    await adapter.comment("posts", post.native_id, "once")
    with pytest.raises(Conflict):
        await adapter.comment("posts", post.native_id, "once")
    site.sandbox.close_comments(post.native_id)
    with pytest.raises(PermissionDenied, match="closed"):
        await adapter.comment("posts", post.native_id, "late")
    with pytest.raises(InvalidContent):
        await adapter.comment("posts", post.native_id, "长" * 30_000)
    for call in (
        adapter.get_post("../users"),
        adapter.edit("posts", "x", Piece(text="y")),
        adapter.comment("posts", "９", "z"),
    ):
        with pytest.raises(TargetNotFound):
            await call
    [numbers] = await adapter.get_post_numbers("posts", [post.native_id, "424242"])
    assert (numbers.comments, numbers.views) == (1, None)


async def test_posts_go_into_categories_and_unknown_ones_are_refused(start):
    site = await start()
    adapter = await site.adapter()
    channel = site.sandbox.create_channel("饮食")
    post = await adapter.publish(channel, Piece(text="x"), idempotency_key="k")
    assert site.sandbox.posts[int(post.native_id)].categories == [int(channel.removeprefix("category:"))]
    assert (await adapter.get_channel(channel)).title == "饮食"
    for wrong in ("category:99999", "category:x", "pages", ""):
        with pytest.raises(TargetNotFound) as caught:
            await adapter.publish(wrong, Piece(text="x"), idempotency_key="w")
        assert caught.value.landed is Landing.SURELY_NOT


async def test_what_others_write_is_heard_once_also_when_moderated_late(start):
    faults = SeededFaults(3)
    site = await start(faults=faults)
    adapter = await site.adapter()
    own = await adapter.publish("posts", Piece(text="mine"), idempotency_key="k")
    first = await adapter.receive(None)
    faults.set([FaultRule(FaultKind.LATE_EVENT, times=1)])
    site.clock.advance(60)
    held = site.sandbox.say("posts", LIN, "等审核 <b>", reply_to=own.native_id)
    site.clock.advance(3600)
    faults.clear()
    second = await adapter.receive(first.cursor)
    site.sandbox.say("posts", LIN, "第二条", reply_to=held)
    site.sandbox.write(LIN, "读者来稿", "<p>正文</p>")
    third = await adapter.receive(second.cursor)
    told = [item for raw in third.events for item in adapter.parse(raw).interactions]
    assert [(item.kind, item.text) for item in told] == [
        (InteractionKind.COMMENT, "等审核 <b>"),
        (InteractionKind.COMMENT, "第二条"),
        (InteractionKind.MESSAGE, "读者来稿\n正文"),
    ]
    assert isinstance(told[0], Interaction)
    assert (told[0].parent, told[0].thread, told[1].parent) == (own.native_id, own.native_id, held)
    assert (await adapter.receive(third.cursor)).events == []
    assert second.events == []
    with pytest.raises(InvalidInput):
        adapter.parse(RawEvent(event_id="x", payload=b'{"wordpress":"comments","row":{"id":1}}'))


async def test_an_excerpt_with_its_link_goes_to_the_communities(start):
    site = await start()
    adapter = await site.adapter()
    body = "早餐要有谷类。" * 60 + "*不是斜体\\*"
    post = await adapter.publish("posts", article(body, title="早餐 [指南]"), idempotency_key="k")
    found = await adapter.get_post(post.native_id)
    content = found.as_content(most=50, image="https://e.org/a.jpg")
    plain = Manifest(platform="p", capabilities=frozenset({Capability.PUBLISH_TEXT}))
    [piece] = compose(content, plain).pieces
    assert piece.text.startswith("早餐 [指南]\n\n早餐要有谷类。")
    assert found.url in piece.text
    assert len(content.text) <= 50
    assert content.media


async def test_a_content_lands_with_its_comment_over_the_ledger():
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("wordpress")]) as sandbox:
        account = sandbox.account("wordpress", name="blog")
        async with AsyncShequn.open(accounts=[account], plugins=plugins) as sq:
            content = Content(
                article=Article(title="长文", body="**正文**"), comments=("往期 https://e.org/old",)
            )
            [receipt] = await sq.publish(content, to=["blog:posts"])
            assert receipt.status is ReceiptStatus.LANDED, receipt.reason
            post, comment = receipt.posts
            assert comment.attrs["comment_on"] == post.native_id
            [preview] = await sq.preview(content, to=["blog:posts"])
            assert "长文" in preview.html()


def test_settings_that_cannot_be_used():
    context = AdapterContext(clock=ManualClock(START))
    good = {
        "name": "blog",
        "platform": "wordpress",
        "base_url": "https://blog.example.org/wp-json/",
        "options": {"username": "u"},
        "secrets": {"application_password": "abcd efgh"},
    }
    adapter = WordPressAdapter(Account.model_validate(good), context)
    assert "abcd" not in repr(adapter)
    for change, words in (
        ({"options": {}}, "username"),
        ({"secrets": {}}, "application_password"),
        ({"base_url": None}, "base_url"),
        ({"options": {"username": "u", "statuss": "x"}}, "statuss"),
    ):
        with pytest.raises(ConfigError, match=words):
            WordPressAdapter(Account.model_validate({**good, **change}), context)
    with pytest.raises(NotSupported):
        adapter._refuse(Capability.MEMBER_COUNT)


@pytest.mark.parametrize(
    ("status", "body", "kind", "landed"),
    [
        (401, b'{"code":"incorrect_password","message":"no"}', AuthFailed, Landing.SURELY_NOT),
        (403, b"<html>firewall</html>", PermissionDenied, Landing.SURELY_NOT),
        (400, b'{"code":"comment_flood"}', RateLimited, Landing.SURELY_NOT),
        (429, b"<html>", RateLimited, Landing.SURELY_NOT),
        (500, b'{"code":"db_insert_error"}', Unavailable, Landing.PERHAPS),
        (502, b"", Unavailable, Landing.PERHAPS),
        (418, b'{"code":["x"]}', InvalidContent, Landing.SURELY_NOT),
        (400, b"[" * 100_000, InvalidContent, Landing.SURELY_NOT),
    ],
)
def test_errors(status, body, kind, landed):
    response = HttpResponse(
        status=status, headers={}, body=body, platform="wordpress", operation="posts.create"
    )
    error = error_of(response, str)
    assert isinstance(error, kind)
    assert isinstance(error, PlatformError)
    assert error.landed is landed


def test_between_html_and_text():
    assert plain_of("<p>a&amp;b</p><script>x</script><p>c<br>d</p>") == "a&b\nc\nd"
    assert html_of("<img src=x onerror=alert(1)>") == "<p>&lt;img src=x onerror=alert(1)&gt;</p>"
    assert title_of("<b>短</b>\n\n长") == "短"
    assert len(title_of("很长的一句话" * 30)) <= 61
