"""Every declared capability over real HTTP against the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shequn_sdk.domain import (
    Button,
    ChannelKind,
    Entity,
    EntityKind,
    InteractionKind,
    Link,
    Media,
    MediaKind,
    Piece,
    Poll,
    Role,
)
from shequn_sdk.errors import Conflict, InvalidContent, NotSupported, TargetMoved, TargetNotFound
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import CAPABILITY_PROTOCOLS
from shequn_telegram import MANIFEST

from .conftest import HAN, LI, NEW, Place

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc"
    b"\xf8\x0f\x00\x01\x01\x01\x00\x1b\xb6\xeeV\x00\x00\x00\x00IEND\xaeB`\x82"
)


async def _say(tg: Place, channel: str, text: str, **more: object) -> str:
    return (await tg.adapter.publish(channel, Piece(text=text, **more), idempotency_key="k")).native_id


async def test_text_with_entities_lands_with_utf16_offsets(tg: Place):
    text = "👨‍👩‍👧 家 bold"
    bold = Entity(kind=EntityKind.BOLD, offset=text.index("bold"), length=4)
    post = await tg.adapter.publish(tg.group, Piece(text=text, entities=(bold,)), idempotency_key="k")
    stored = tg.sandbox.world.chats[int(tg.group)].messages[int(post.native_id)]
    entity = stored.data["entities"][0]
    units = text.encode("utf-16-le")
    start, length = entity["offset"] * 2, entity["length"] * 2
    assert units[start : start + length].decode("utf-16-le") == "bold"
    assert post.url.endswith(f"/{post.native_id}")
    assert post.landed_at == tg.clock.now()


@pytest.mark.parametrize(
    "kind",
    [
        MediaKind.PHOTO,
        MediaKind.VIDEO,
        MediaKind.AUDIO,
        MediaKind.VOICE,
        MediaKind.ANIMATION,
        MediaKind.DOCUMENT,
    ],
)
async def test_media(tg: Place, kind: MediaKind):
    media = Media(kind=kind, data=PNG, filename="a.bin")
    post = await tg.adapter.publish(tg.group, Piece(text="说明", media=(media,)), idempotency_key="k")
    shown = tg.sandbox.messages(tg.group, limit=1)[0]
    assert (shown.native_id, shown.attachments >= 1 or kind is MediaKind.ANIMATION, shown.text) == (
        post.native_id,
        True,
        "说明",
    )


async def test_media_by_path_and_by_id(tg: Place, tmp_path):
    path = tmp_path / "图.pdf"
    path.write_bytes(b"%PDF-1.7")
    await tg.adapter.publish(
        tg.group, Piece(media=(Media(kind=MediaKind.DOCUMENT, path=path),)), idempotency_key="k"
    )
    stored = list(tg.sandbox.world.chats[int(tg.group)].messages.values())[-1]
    file_id = stored.data["document"]["file_id"]
    assert stored.data["document"]["file_name"] == "图.pdf"
    again = Media(kind=MediaKind.DOCUMENT, native_id=file_id)
    await tg.adapter.publish(tg.group, Piece(media=(again,)), idempotency_key="k")
    got = await tg.adapter.api.call("getFile", {"file_id": file_id}, result=dict)
    assert await tg.adapter.api.download(got["file_path"]) == b"%PDF-1.7"


async def test_missing_file_is_content_error(tg: Place, tmp_path):
    media = Media(kind=MediaKind.PHOTO, path=tmp_path / "gone.jpg")
    with pytest.raises(InvalidContent, match="cannot be read"):
        await tg.adapter.publish(tg.group, Piece(media=(media,)), idempotency_key="k")


async def test_album(tg: Place):
    media = tuple(Media(kind=MediaKind.PHOTO, data=PNG) for _ in range(3))
    post = await tg.adapter.publish(tg.group, Piece(text="三张", media=media), idempotency_key="k")
    assert len(post.native_ids) == 3
    groups = {
        tg.sandbox.world.chats[int(tg.group)].messages[int(n)].data["media_group_id"] for n in post.native_ids
    }
    assert groups == {post.attrs["media_group_id"]}
    mixed = (media[0], Media(kind=MediaKind.DOCUMENT, data=b"x"))
    with pytest.raises(InvalidContent):
        await tg.adapter.publish(tg.group, Piece(media=mixed), idempotency_key="k")


async def test_link_buttons_reply_silent_mention(tg: Place):
    first = await _say(tg, tg.group, "问题")
    li = tg.sandbox.member_id(LI)
    piece = Piece(
        text="@李雷 看这里",
        entities=(Entity(kind=EntityKind.MENTION, offset=0, length=3, member_id=li),),
        link=Link(url="https://example.org/a", title="全文"),
        buttons=((Button(label="报名", data="join:1"), Button(label="规则", url="https://example.org/r")),),
        reply_to=first,
        silent=True,
    )
    post = await tg.adapter.publish(tg.group, piece, idempotency_key="k")
    data = tg.sandbox.world.chats[int(tg.group)].messages[int(post.native_id)].data
    assert data["reply_to_message"]["message_id"] == int(first)
    assert data["text"].endswith("全文")
    assert {e["type"] for e in data["entities"]} == {"text_mention", "text_link"}
    assert data["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "join:1"
    with pytest.raises(TargetNotFound, match="replied"):
        await _say(tg, tg.group, "x", reply_to="99999")


async def test_poll_votes_close(tg: Place):
    poll = Poll(question="下次共读?", choices=("三体", "活着"), duration=timedelta(days=1))
    post = await tg.adapter.publish(tg.group, Piece(poll=poll), idempotency_key="k")
    tg.sandbox.vote(tg.group, LI, post.native_id, 1)
    tg.sandbox.vote(tg.group, HAN, post.native_id, 0)
    tg.sandbox.vote(tg.group, HAN, post.native_id, -1)
    heard = [i for i in await tg.hear() if i.kind in {InteractionKind.VOTE, InteractionKind.RETRACT}]
    assert [(i.kind, i.channel, i.message) for i in heard] == [
        (InteractionKind.VOTE, tg.group, post.native_id),
        (InteractionKind.VOTE, tg.group, post.native_id),
        (InteractionKind.RETRACT, tg.group, post.native_id),
    ]
    assert heard[0].attrs["choices"] == [1]
    result = await tg.adapter.close_poll(tg.group, post.native_id)
    assert (result.votes, result.voters, result.closed) == ((0, 1), 1, True)
    with pytest.raises(Conflict):
        await tg.adapter.close_poll(tg.group, post.native_id)
    with pytest.raises(NotSupported):
        await tg.adapter.get_poll(tg.group, post.native_id)


async def test_quiz_and_timed_close(tg: Place):
    poll = Poll(
        question="1+1", choices=("1", "2"), correct=1, explanation="算术", duration=timedelta(minutes=5)
    )
    post = await tg.adapter.publish(tg.group, Piece(poll=poll), idempotency_key="k")
    tg.clock.advance(timedelta(minutes=6))
    heard = await tg.hear()
    assert any(i.attrs.get("service") == "poll" and i.attrs["closed"] for i in heard)
    assert post.attrs["poll_id"]


async def test_edit_delete_pin_react(tg: Place):
    message = await _say(tg, tg.group, "早")
    await tg.adapter.edit(tg.group, message, Piece(text="早安"))
    await tg.adapter.edit(tg.group, message, Piece(text="早安"))  # unchanged is no error
    assert tg.sandbox.messages(tg.group)[0].text == "早安"
    await tg.adapter.pin(tg.group, message)
    assert tg.sandbox.world.chats[int(tg.group)].pinned == [int(message)]
    await tg.adapter.unpin(tg.group, message)
    assert not tg.sandbox.world.chats[int(tg.group)].pinned
    await tg.adapter.react(tg.group, message, "👍")
    assert dict(tg.sandbox.messages(tg.group)[0].reactions) == {"👍": 1}
    await tg.adapter.react(tg.group, message, "")
    assert not tg.sandbox.messages(tg.group)[0].reactions
    with pytest.raises(InvalidContent):
        await tg.adapter.react(tg.group, message, "🦷")
    await tg.adapter.delete(tg.group, message)
    await tg.adapter.delete(tg.group, message)  # gone already is no error
    with pytest.raises(TargetNotFound):
        await tg.adapter.edit(tg.group, message, Piece(text="x"))


async def test_edit_media(tg: Place):
    media = Media(kind=MediaKind.PHOTO, data=PNG)
    post = await tg.adapter.publish(tg.group, Piece(text="一", media=(media,)), idempotency_key="k")
    await tg.adapter.edit(tg.group, post.native_id, Piece(text="二", media=(media,)))
    assert tg.sandbox.messages(tg.group)[0].text == "二"
    await tg.adapter.edit(tg.group, post.native_id, Piece(text="三"))
    shown = tg.sandbox.messages(tg.group)[0]
    assert (shown.text, shown.attachments) == ("三", 1)


async def test_topics(tg: Place):
    topic = await tg.adapter.open_topic(tg.forum, "本周话题")
    post = await tg.adapter.publish(topic, Piece(text="开聊"), idempotency_key="k")
    chat, _, thread = topic.partition("/")
    assert chat == tg.forum
    assert tg.sandbox.world.chats[int(chat)].messages[int(post.native_id)].thread == int(thread)
    tg.sandbox.say(topic, LI, "我来")
    heard = [i for i in await tg.hear() if i.kind is InteractionKind.MESSAGE]
    assert [(i.thread, i.parent, i.text) for i in heard] == [(thread, "", "我来")]
    assert (await tg.adapter.get_channel(topic)).kind is ChannelKind.THREAD
    await tg.adapter.close_topic(tg.forum, topic)
    await tg.adapter.close_topic(tg.forum, thread)
    await tg.adapter.reopen_topic(tg.forum, topic)
    with pytest.raises(TargetNotFound):
        await _say(tg, f"{tg.forum}/4242", "nowhere")
    with pytest.raises(Conflict):
        await tg.adapter.open_topic(tg.group, "no forum")


async def test_channel_and_members(tg: Place):
    channel = await tg.adapter.get_channel(tg.group)
    assert (channel.title, channel.kind, channel.member_count) == ("读书会", ChannelKind.GROUP, 6)
    assert (await tg.adapter.get_channel(tg.channel)).kind is ChannelKind.BROADCAST
    assert (await tg.adapter.get_channel("@shequn_news")).attrs["id"] == tg.channel
    assert (await tg.adapter.get_channel(tg.forum)).kind is ChannelKind.FORUM
    assert await tg.adapter.count_members(tg.group) == 6
    member = await tg.adapter.get_member(tg.group, tg.sandbox.member_id(LI))
    assert (member.role, member.identity.display_name) == (Role.OWNER, "李雷")
    with pytest.raises(TargetNotFound):
        await tg.adapter.get_member(tg.group, "424242")
    admins = await tg.adapter.list_admins(tg.group)
    assert {a.role for a in admins} == {Role.OWNER, Role.ADMIN}
    with pytest.raises(NotSupported, match="administrators"):
        tg.adapter.iter_members(tg.group)
    with pytest.raises(NotSupported):
        tg.adapter.iter_channels()


async def test_moderation(tg: Place):
    han = tg.sandbox.member_id(HAN)
    await tg.adapter.restrict(tg.group, han, until=tg.clock.now() + timedelta(hours=1))
    assert (await tg.adapter.get_member(tg.group, han)).role is Role.RESTRICTED
    tg.clock.advance(timedelta(hours=2))
    assert (await tg.adapter.get_member(tg.group, han)).role is Role.MEMBER
    await tg.adapter.restrict(tg.group, han, until=None)
    await tg.adapter.unrestrict(tg.group, han)
    assert (await tg.adapter.get_member(tg.group, han)).role is Role.MEMBER
    await tg.adapter.kick(tg.group, han)
    assert (await tg.adapter.get_member(tg.group, han)).role is Role.LEFT
    tg.sandbox.join(tg.group, HAN)
    await tg.adapter.ban(tg.group, han, until=tg.clock.now() + timedelta(seconds=5))
    found = await tg.adapter.get_member(tg.group, han)
    assert found.role is Role.BANNED
    assert found.until is not None  # not for ever, although Telegram takes less than 30 s so
    await tg.adapter.unban(tg.group, han)
    await tg.adapter.unban(tg.group, han)
    assert (await tg.adapter.get_member(tg.group, han)).role is Role.LEFT
    await tg.adapter.kick(tg.basic, han)
    assert (await tg.adapter.get_member(tg.basic, han)).role is Role.LEFT
    with pytest.raises(Conflict):
        await tg.adapter.restrict(tg.basic, tg.sandbox.member_id(LI), until=None)


async def test_roles(tg: Place):
    han = tg.sandbox.member_id(HAN)
    await tg.adapter.grant_role(tg.group, han, "moderator")
    assert (await tg.adapter.get_member(tg.group, han)).role is Role.ADMIN
    await tg.adapter.grant_role(tg.group, han, "title:班长")
    await tg.adapter.grant_role(tg.group, han, "can_change_info")
    raw = tg.sandbox.world.chats[int(tg.group)].members[int(han)]
    assert raw.rights["can_change_info"]
    assert raw.rights["can_delete_messages"]
    assert (await tg.adapter.get_member(tg.group, han)).title == "班长"
    await tg.adapter.revoke_role(tg.group, han, "can_change_info")
    raw = tg.sandbox.world.chats[int(tg.group)].members[int(han)]
    assert not raw.rights.get("can_change_info")
    await tg.adapter.revoke_role(tg.group, han, "moderator")
    assert (await tg.adapter.get_member(tg.group, han)).role is Role.MEMBER
    await tg.adapter.revoke_role(tg.group, han, "moderator")
    await tg.adapter.grant_role(tg.group, han, "tag:营养师")
    assert (await tg.adapter.get_member(tg.group, han)).title == "营养师"
    await tg.adapter.revoke_role(tg.group, han, "tag:营养师")
    with pytest.raises(InvalidContent, match="no role"):
        await tg.adapter.grant_role(tg.group, han, "emperor")


async def test_invites_and_requests(tg: Place):
    invite = await tg.adapter.create_invite(
        tg.group, name="weibo-0621", max_uses=1, expires_at=tg.clock.now() + timedelta(days=1)
    )
    assert (invite.name, invite.max_uses) == ("weibo-0621", 1)
    tg.sandbox.join(tg.group, NEW, invite=invite.id)
    joins = [i for i in await tg.hear() if i.kind is InteractionKind.JOIN]
    assert {i.id for i in joins} == {joins[0].id}  # told twice, one id
    assert joins[0].entrance == "weibo-0621"
    await tg.adapter.revoke_invite(tg.group, invite.id)
    asking = await tg.adapter.create_invite(tg.channel, name="kol-a", needs_approval=True)
    tg.sandbox.join(tg.channel, NEW, invite=asking.id)
    asked = [i for i in await tg.hear() if i.kind is InteractionKind.JOIN_REQUEST]
    assert [(i.entrance, i.member) for i in asked] == [("kol-a", tg.sandbox.member_id(NEW))]
    await tg.adapter.approve_join(tg.channel, asked[0].member)
    joined = [i for i in await tg.hear() if i.kind is InteractionKind.JOIN]
    assert [(i.entrance, i.attrs["via_join_request"]) for i in joined] == [("kol-a", True)]
    with pytest.raises(Conflict):
        await tg.adapter.decline_join(tg.channel, asked[0].member)
    tg.sandbox.leave(tg.channel, NEW)
    tg.sandbox.join(tg.channel, NEW, invite=asking.id)
    await tg.adapter.decline_join(tg.channel, asked[0].member)
    paid = await tg.adapter.create_subscription_invite(tg.channel, stars=100, name="vip")
    assert paid.attrs["stars"] == 100
    with pytest.raises(InvalidContent):
        await tg.adapter.create_invite(tg.group, name="x" * 33)
    with pytest.raises(InvalidContent):
        await tg.adapter.create_invite(tg.group, needs_approval=True, max_uses=3)


async def test_commands_and_buttons(tg: Place):
    await tg.adapter.set_commands({"start": "开始", "help": "帮助"})
    stored = await tg.adapter.api.call("getMyCommands", result=list)
    assert [c["command"] for c in stored] == ["start", "help"]
    await tg.adapter.set_commands({})
    piece = Piece(text="报名", buttons=((Button(label="好", data="yes"),),))
    post = await tg.adapter.publish(tg.group, piece, idempotency_key="k")
    tg.sandbox.press(tg.group, LI, post.native_id, "yes")
    tg.sandbox.say(tg.group, LI, "/start@shequn_bot ref1")
    heard = await tg.hear()
    button = next(i for i in heard if i.kind is InteractionKind.BUTTON)
    assert (button.attrs["data"], button.channel, button.message) == ("yes", tg.group, post.native_id)
    await tg.adapter.answer_button(button, "收到")
    command = next(i for i in heard if i.kind is InteractionKind.COMMAND)
    assert (command.attrs["command"], command.attrs["arguments"]) == ("start", "ref1")
    tg.clock.advance(timedelta(minutes=5))
    with pytest.raises(Conflict, match="too old"):
        await tg.adapter.answer_button(button)


async def test_direct_messages(tg: Place):
    han = tg.sandbox.member_id(HAN)
    with pytest.raises(TargetNotFound, match="write to the bot first"):
        await _say(tg, await tg.adapter.direct_channel(han), "您好")
    tg.sandbox.say(han, HAN, "/start")
    assert await _say(tg, await tg.adapter.direct_channel(han), "您好")
    tg.sandbox.leave(han, HAN)
    with pytest.raises(TargetNotFound, match="blocked"):
        await _say(tg, han, "您好")
    kinds = [i.kind for i in await tg.hear()]
    assert InteractionKind.UNFOLLOW in kinds


async def test_stars(tg: Place):
    post = await tg.adapter.send_invoice(
        tg.group, title="课程", description="一期", payload="course-1", stars=50
    )
    tg.sandbox.press(tg.group, LI, post.native_id, "pay")
    query = next(i for i in await tg.hear() if i.attrs.get("service") == "pre_checkout_query")
    await tg.adapter.answer_pre_checkout(query)
    bought = next(i for i in await tg.hear() if i.kind is InteractionKind.PURCHASE)
    assert (bought.value, bought.currency, bought.attrs["payload"]) == (50.0, "XTR", "course-1")
    assert await tg.adapter.star_balance() == 50
    await tg.adapter.refund(bought.member, str(bought.attrs["charge_id"]))
    await tg.adapter.refund(bought.member, str(bought.attrs["charge_id"]))
    assert await tg.adapter.star_balance() == 0
    assert any(i.kind is InteractionKind.REFUND for i in await tg.hear())
    assert (
        await tg.adapter.create_invoice_link(title="月", description="d", payload="p", stars=5, monthly=True)
    ).startswith("https://")
    tg.sandbox.press(tg.group, HAN, post.native_id, "pay")
    query = next(i for i in await tg.hear() if i.attrs.get("service") == "pre_checkout_query")
    await tg.adapter.answer_pre_checkout(query, refusal="名额已满")
    assert not [i for i in await tg.hear() if i.kind is InteractionKind.PURCHASE]


async def test_migration(tg: Place):
    new_id = tg.sandbox.migrate(tg.basic)
    with pytest.raises(TargetMoved) as moved:
        await _say(tg, tg.basic, "在吗")
    assert moved.value.new_id == new_id
    told = [i for i in await tg.hear() if i.kind is InteractionKind.CHANNEL_MOVED]
    assert {(i.id, i.channel, i.target) for i in told} == {(f"moved:{tg.basic}:{new_id}", tg.basic, new_id)}
    assert await _say(tg, new_id, "在")


async def test_comments_shares_reactions(tg: Place):
    post = await _say(tg, tg.channel, "公告一")
    copy = tg.sandbox.messages(tg.discussion, limit=1)[0]
    tg.sandbox.say(tg.discussion, HAN, "评论", reply_to=copy.native_id)
    tg.sandbox.react(tg.channel, HAN, post, "🔥")
    said = tg.sandbox.say(tg.group, LI, "好文")
    tg.sandbox.share(tg.group, HAN, said)
    tg.sandbox.react(tg.group, HAN, said, "👍")
    tg.sandbox.react(tg.group, HAN, said, "")
    tg.sandbox.edit(tg.group, LI, said, "好文!")
    heard = await tg.hear()
    by_kind = {i.kind: i for i in heard}
    comment = by_kind[InteractionKind.COMMENT]
    assert (comment.attrs["post_channel"], comment.attrs["post"], comment.parent) == (
        tg.channel,
        post,
        copy.native_id,
    )
    assert by_kind[InteractionKind.SHARE].target == tg.sandbox.member_id(LI)
    assert by_kind[InteractionKind.REACTION].attrs["emoji"] == "👍"
    assert by_kind[InteractionKind.RETRACT].attrs["retracts"] == "reaction"
    assert by_kind[InteractionKind.EDIT].text == "好文!"
    counts = next(i for i in heard if i.attrs.get("service") == "reaction_count")
    assert counts.attrs["reactions"] == {"🔥": 1}
    assert not [i for i in heard if i.kind is InteractionKind.SHARE and i.channel == tg.discussion]


async def test_forward_and_check(tg: Place):
    message = await _say(tg, tg.group, "转发我")
    post = await tg.adapter.forward(tg.discussion, tg.group, message)
    assert post.text == "转发我"
    assert "@shequn_bot" in await tg.adapter.check()


def test_manifest_and_code_agree():
    from shequn_telegram.adapter import TelegramAdapter

    for capability in MANIFEST.capabilities:
        protocol = CAPABILITY_PROTOCOLS.get(capability)
        if protocol is not None:
            names = [name for name in vars(protocol) if not name.startswith("_")]
            assert all(hasattr(TelegramAdapter, name) for name in names), capability
    assert not MANIFEST.capabilities & set(MANIFEST.missing)
    assert MANIFEST.capabilities | set(MANIFEST.missing) == set(Capability)
