"""Every declared capability over real HTTP and websocket against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shequn_sdk.domain import (
    Article,
    Button,
    ChannelKind,
    InteractionKind,
    Link,
    Media,
    MediaKind,
    Piece,
    Poll,
    Role,
)
from shequn_sdk.errors import (
    Conflict,
    InvalidContent,
    InvalidInput,
    NotSupported,
    PermissionDenied,
    RateLimited,
    TargetNotFound,
)
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import CAPABILITY_PROTOCOLS
from shequn_sdk.testing.sandbox import Person

LI = Person(id="li", name="小李", username="xiaoli")
WANG = Person(id="wang", name="小王", username="xiaowang")


def post(place, piece, key="k"):
    return place.adapter.publish(place.channel, piece, idempotency_key=key)


async def hear(place, act, kinds, *, cursor=None):
    """Act once connected and collect interactions until all kinds came."""
    batch = await place.adapter.receive(cursor)
    heard = []
    act()
    for _ in range(20):
        batch = await place.adapter.receive(batch.cursor)
        for raw in batch.events:
            heard += place.adapter.parse(raw).interactions
        if set(kinds) <= {item.kind for item in heard}:
            return heard, batch
    raise AssertionError(f"heard only {[item.kind for item in heard]}")


async def test_who_am_i(discord_place):
    assert "shequn" in await discord_place.adapter.check()


async def test_protocols_fit_the_manifest(discord_place):
    for capability in discord_place.adapter.manifest.capabilities:
        protocol = CAPABILITY_PROTOCOLS.get(capability)
        assert protocol is None or isinstance(discord_place.adapter, protocol), capability


async def test_publish_forms(discord_place):
    place = discord_place
    text = await post(place, Piece(text="**你好** <@1> \\<@2>"), "a")
    assert text.text == "**你好** <@1> \\<@2>"
    data = place.sandbox.world.channels[place.channel].messages[text.native_id].data
    assert data["mention_everyone"] is False

    media = (
        Media(kind=MediaKind.PHOTO, data=b"\x89PNG", filename="图.png", mime="image/png", alt="一张图"),
        Media(kind=MediaKind.DOCUMENT, data=b"pdf", filename="a.pdf"),
    )
    album = await post(place, Piece(text="两张", media=media), "b")
    stored = place.sandbox.world.channels[place.channel].messages[album.native_id].data["attachments"]
    assert [a["size"] for a in stored] == [4, 3]
    assert stored[0]["description"] == "一张图"

    card = await post(
        place, Piece(link=Link(url="https://example.org/x", title="规则", description="每天")), "c"
    )
    assert (
        place.sandbox.world.channels[place.channel].messages[card.native_id].data["embeds"][0]["title"]
        == "规则"
    )
    article = await post(place, Piece(article=Article(title="长文", body="正文 **粗**")), "d")
    assert (
        place.sandbox.world.channels[place.channel]
        .messages[article.native_id]
        .data["embeds"][0]["description"]
        == "正文 **粗**"
    )
    reply = await post(place, Piece(text="回复", reply_to=text.native_id), "e")
    data = place.sandbox.world.channels[place.channel].messages[reply.native_id].data
    assert data["type"] == 19
    assert data["message_reference"]["message_id"] == text.native_id
    photo = Media(kind=MediaKind.PHOTO, url="https://example.org/p.png")
    linked = await post(place, Piece(text="图", media=(photo,)), "f")
    embeds = place.sandbox.world.channels[place.channel].messages[linked.native_id].data["embeds"]
    assert embeds[0]["image"]["url"] == "https://example.org/p.png"


async def test_same_key_lands_once(discord_place):
    first = await post(discord_place, Piece(text="一次"), "delivery-0123456789abcdef-0123456789")
    again = await post(discord_place, Piece(text="一次"), "delivery-0123456789abcdef-0123456789")
    assert first.native_id == again.native_id
    assert sum(m.text == "一次" for m in discord_place.sandbox.messages(discord_place.channel)) == 1


async def test_find_landed(discord_place):
    place = discord_place
    since = datetime.now(UTC)
    assert (
        await place.adapter.find_landed(place.channel, Piece(text="x"), idempotency_key="k", since=since)
        is None
    )
    landed = await post(place, Piece(text="x"), "k")
    found = await place.adapter.find_landed(place.channel, Piece(text="x"), idempotency_key="k", since=since)
    assert found is not None
    assert found.native_id == landed.native_id


async def test_edit_delete_pin_react(discord_place):
    place, adapter = discord_place, discord_place.adapter
    landed = await post(place, Piece(text="旧", silent=True))
    await adapter.edit(place.channel, landed.native_id, Piece(text="新"))
    await adapter.edit(place.channel, landed.native_id, Piece(text="新"))
    await adapter.pin(place.channel, landed.native_id)
    assert landed.native_id in place.sandbox.world.channels[place.channel].pins
    await adapter.unpin(place.channel, landed.native_id)
    await adapter.react(place.channel, landed.native_id, "🔥")
    assert place.sandbox.messages(place.channel)[0].reactions == {"🔥": 1}
    await adapter.react(place.channel, landed.native_id, "")
    shown = place.sandbox.messages(place.channel)[0]
    assert (shown.text, dict(shown.reactions)) == ("新", {})
    with pytest.raises(InvalidContent):
        await adapter.react(place.channel, landed.native_id, "not-an-emoji")
    await adapter.delete(place.channel, landed.native_id)
    await adapter.delete(place.channel, landed.native_id)
    with pytest.raises(TargetNotFound):
        await adapter.edit(place.channel, landed.native_id, Piece(text="weg"))


async def test_polls(discord_place):
    place, adapter = discord_place, discord_place.adapter
    landed = await post(
        place, Piece(poll=Poll(question="几点？", choices=("八点", "九点"), duration=timedelta(minutes=90)))
    )
    place.sandbox.vote(place.channel, LI, landed.native_id, 1)
    place.sandbox.vote(place.channel, WANG, landed.native_id, 0)
    place.sandbox.vote(place.channel, WANG, landed.native_id, 1)
    result = await adapter.get_poll(place.channel, landed.native_id)
    assert (result.votes, result.voters, result.closed) == ((0, 2), 2, False)
    numbers = await adapter.get_post_numbers(place.channel, [landed.native_id])
    assert numbers[0].votes == 2
    closed = await adapter.close_poll(place.channel, landed.native_id)
    assert closed.closed
    with pytest.raises(Conflict):
        await adapter.close_poll(place.channel, landed.native_id)
    with pytest.raises(InvalidContent):
        await adapter.edit(place.channel, landed.native_id, Piece(text="x"))
    plain = await post(place, Piece(text="kein poll"), "p2")
    with pytest.raises(InvalidContent):
        await adapter.get_poll(place.channel, plain.native_id)


async def test_post_numbers_and_history_and_search(discord_place):
    place, adapter = discord_place, discord_place.adapter
    landed = await post(place, Piece(text="数一数"))
    place.sandbox.react(place.channel, LI, landed.native_id, "👍")
    place.sandbox.react(place.channel, WANG, landed.native_id, "👍")
    answer = place.sandbox.say(place.channel, LI, "我来答 answer", reply_to=landed.native_id)
    numbers = await adapter.get_post_numbers(place.channel, [landed.native_id, "1"])
    assert len(numbers) == 1
    assert (numbers[0].views, numbers[0].reactions, numbers[0].comments) == (None, 2, 1)
    history = [item async for item in adapter.iter_history(place.channel)]
    assert [item.message for item in history] == [answer]
    assert (history[0].parent, history[0].text) == (landed.native_id, "我来答 answer")
    found = [item async for item in adapter.search(place.channel, "answer")]
    assert [item.message for item in found] == [answer]


async def test_search_waits_for_the_index(discord_run):
    async with discord_run(options={"search_index_delay": 1.2}) as place:
        place.sandbox.say(place.channel, LI, "findbar")
        assert [item.text async for item in place.adapter.search(place.channel, "findbar")] == ["findbar"]


async def test_long_history_is_paged(discord_place):
    place = discord_place
    for number in range(230):
        place.sandbox.say(place.channel, LI, f"n{number}")
    texts = [item.text async for item in place.adapter.iter_history(place.channel)]
    assert texts == [f"n{number}" for number in range(230)]


async def test_channels_and_members(discord_place):
    place, adapter = discord_place, discord_place.adapter
    channel = await adapter.get_channel(place.channel)
    assert (channel.title, channel.kind) == ("general", ChannelKind.GROUP)
    titles = {item.title async for item in adapter.iter_channels()}
    assert {"general", "announcements", "forum"} <= titles
    before = await adapter.count_members(place.channel)
    place.sandbox.join(place.channel, LI)
    assert await adapter.count_members(place.channel) == before + 1
    li = await adapter.get_member(place.channel, place.sandbox.member_id(LI))
    assert (li.identity.display_name, li.role) == ("小李", Role.MEMBER)
    members = {item.identity.ref.native_id: item async for item in adapter.iter_members(place.channel)}
    assert members[place.described["named_members"]["owner"]].role is Role.OWNER
    with pytest.raises(TargetNotFound):
        await adapter.get_member(place.channel, place.sandbox.member_id(WANG))
    with pytest.raises(TargetNotFound):
        await adapter.get_channel("1300000000000000020")


async def test_members_need_the_intent(discord_run):
    async with discord_run(options={"allowed_intents": 0}) as place:
        with pytest.raises(PermissionDenied, match="Server Members"):
            [item async for item in place.adapter.iter_members(place.channel)]


async def test_moderation(discord_place):
    place, adapter, sandbox = discord_place, discord_place.adapter, discord_place.sandbox
    sandbox.join(place.channel, LI)
    li = sandbox.member_id(LI)
    await adapter.restrict(place.channel, li, until=None, reason="刷屏")
    assert (await adapter.get_member(place.channel, li)).role is Role.RESTRICTED
    with pytest.raises(PermissionDenied):
        sandbox.say(place.channel, LI, "darf ich?")
    await adapter.unrestrict(place.channel, li)
    sandbox.say(place.channel, LI, "jetzt")
    assert any(e.get("reason") == "刷屏" for e in sandbox.world.guilds[place.described["guild_id"]].audit)
    await adapter.kick(place.channel, li)
    await adapter.kick(place.channel, li)
    sandbox.join(place.channel, LI)
    await adapter.ban(place.channel, li, reason="广告", delete_messages=timedelta(days=1))
    assert [item.ref.native_id async for item in adapter.iter_bans(place.channel)] == [li]
    with pytest.raises(PermissionDenied):
        sandbox.join(place.channel, LI)
    await adapter.unban(place.channel, li)
    await adapter.unban(place.channel, li)
    banned, failed = await adapter.bulk_ban(place.channel, [li, "7"])
    assert (banned, failed) == ((li,), ("7",))
    with pytest.raises(Conflict):
        await adapter.bulk_ban(place.channel, ["7"])
    with pytest.raises(NotSupported):
        await adapter.ban(place.channel, li, until=datetime.now(UTC))
    with pytest.raises(PermissionDenied):
        await adapter.kick(place.channel, place.described["named_members"]["owner"])


async def test_slow_mode(discord_place):
    place = discord_place
    await place.adapter.set_slow_mode(place.channel, timedelta(seconds=30))
    place.sandbox.say(place.channel, LI, "eins")
    with pytest.raises(PermissionDenied):
        place.sandbox.say(place.channel, LI, "zwei")
    await place.adapter.set_slow_mode(place.channel, timedelta(0))
    place.sandbox.say(place.channel, LI, "zwei")
    with pytest.raises(InvalidInput):
        await place.adapter.set_slow_mode(place.channel, timedelta(hours=7))


async def test_roles(discord_place):
    place, adapter = discord_place, discord_place.adapter
    member = place.described["named_members"]["lilei"]
    role = place.described["roles"]["志愿者"]
    await adapter.grant_role(place.channel, member, role)
    await adapter.grant_role(place.channel, member, role)
    assert (await adapter.get_member(place.channel, member)).roles == (role,)
    await adapter.revoke_role(place.channel, member, role)
    assert (await adapter.get_member(place.channel, member)).roles == ()
    with pytest.raises(PermissionDenied):
        await adapter.grant_role(place.channel, member, place.described["roles"]["shequn"])
    assert (await adapter.list_roles(place.channel))[0].name == "@everyone"


async def test_topics(discord_place):
    place, adapter = discord_place, discord_place.adapter
    thread = await adapter.open_topic(place.channel, "本周话题")
    await adapter.publish(thread, Piece(text="im Faden"), idempotency_key="t")
    assert (await adapter.get_channel(thread)).kind is ChannelKind.THREAD
    await adapter.close_topic(place.channel, thread)
    forum = place.described["named_channels"]["forum"]
    opened = await adapter.open_topic(forum, "Frage")
    assert (await adapter.get_channel(opened)).parent_id == forum
    since = datetime.now(UTC)
    landed = await adapter.publish(forum, Piece(text="标题一\n正文"), idempotency_key="f1")
    assert landed.channel.native_id == landed.native_id
    assert (await adapter.get_channel(landed.native_id)).title == "标题一"
    found = await adapter.find_landed(forum, Piece(text="标题一\n正文"), idempotency_key="f1", since=since)
    assert found is not None
    assert found.native_id == landed.native_id


async def test_invites_and_attribution(discord_place):
    from shequn_discord.invites import InviteTracker

    place, adapter = discord_place, discord_place.adapter
    spring = await adapter.create_invite(place.channel, name="春季", max_uses=5)
    autumn = await adapter.create_invite(
        place.channel, max_uses=1, expires_at=datetime.now(UTC) + timedelta(hours=2)
    )
    assert spring.uses == 0
    assert autumn.expires_at is not None
    tracker = InviteTracker(adapter.list_invites, names={spring.id: "spring"})
    await tracker.look(place.channel)
    place.sandbox.join(place.channel, LI, invite=spring.url)
    assert await tracker.attribute(place.channel) == "spring"
    place.sandbox.join(place.channel, WANG, invite=autumn.id)
    assert await tracker.attribute(place.channel) == autumn.id
    uses = {item.id: item.uses for item in await adapter.list_invites(place.channel)}
    assert uses == {spring.id: 1}
    await adapter.revoke_invite(place.channel, spring.url)
    await adapter.revoke_invite(place.channel, spring.url)
    with pytest.raises(TargetNotFound):
        place.sandbox.join(place.channel, Person(id="zu", name="Zu"), invite=spring.id)
    with pytest.raises(NotSupported):
        await adapter.create_invite(place.channel, needs_approval=True)


async def test_direct_message(discord_place):
    place = discord_place
    place.sandbox.join(place.channel, LI)
    channel = await place.adapter.direct_channel(place.sandbox.member_id(LI))
    await place.adapter.publish(channel, Piece(text="悄悄"), idempotency_key="d")
    assert place.sandbox.messages(channel)[0].text == "悄悄"
    with pytest.raises(PermissionDenied):
        await place.adapter.direct_channel(place.sandbox.member_id(WANG))


async def test_extras(discord_place):
    place, adapter = discord_place, discord_place.adapter
    start = datetime.now(UTC) + timedelta(days=1)
    event = await adapter.create_scheduled_event(
        place.channel,
        name="读书会",
        start=start,
        end=start + timedelta(hours=1),
        location="https://meet.example.org/x",
    )
    place.sandbox.join(place.channel, LI)
    place.sandbox.interested(place.channel, LI, str(event.id))
    listed = await adapter.list_scheduled_events(place.channel)
    assert [(item.name, item.user_count) for item in listed] == [("读书会", 1)]
    assert [item async for item in adapter.iter_interested(place.channel, str(event.id))] == [
        place.sandbox.member_id(LI)
    ]
    assert (await adapter.set_event_status(place.channel, str(event.id), 2)).status == 2
    assert (await adapter.set_event_status(place.channel, str(event.id), 3)).status == 3
    with pytest.raises(Conflict):
        await adapter.set_event_status(place.channel, str(event.id), 2)
    await adapter.delete_scheduled_event(place.channel, str(event.id))

    rule = await adapter.create_keyword_rule(place.channel, name="广告", words=["加微信"], message="请勿广告")
    with pytest.raises(PermissionDenied):
        place.sandbox.say(place.channel, LI, "快加微信 abc")
    assert [item.name for item in await adapter.list_automod_rules(place.channel)] == ["广告"]
    await adapter.delete_automod_rule(place.channel, str(rule.id))
    place.sandbox.say(place.channel, LI, "快加微信 abc")

    ids = [(await post(place, Piece(text=f"m{n}"), f"m{n}")).native_id for n in range(3)]
    await adapter.bulk_delete(place.channel, ids)
    hook = await adapter.create_webhook(place.channel, name="小报")
    assert hook.token not in repr(hook)
    said = await adapter.execute_webhook(hook, Piece(text="vom Haken"), username="编辑")
    assert said.channel.native_id == place.channel
    news = place.described["named_channels"]["announcements"]
    note = await adapter.publish(news, Piece(text="公告"), idempotency_key="news")
    await adapter.crosspost(news, note.native_id)
    place.sandbox.buy(LI, "99")
    owned = [item async for item in adapter.iter_entitlements(member=place.sandbox.member_id(LI))]
    assert [str(item.sku_id) for item in owned] == ["99"]


async def test_gateway_hears_everything(discord_place):
    place, sandbox = discord_place, discord_place.sandbox
    landed = await post(place, Piece(text="frag", poll=Poll(question="?", choices=("a", "b"))))
    event = await place.adapter.create_scheduled_event(
        place.channel,
        name="x",
        start=datetime.now(UTC) + timedelta(days=1),
        end=datetime.now(UTC) + timedelta(days=2),
        location="da",
    )

    def act() -> None:
        sandbox.join(place.channel, LI)
        said = sandbox.say(place.channel, LI, "你好", reply_to=landed.native_id)
        sandbox.react(place.channel, LI, said, "👍")
        sandbox.react(place.channel, LI, said, "")
        sandbox.share(place.channel, LI, said)
        sandbox.vote(place.channel, LI, landed.native_id, 1)
        sandbox.interested(place.channel, LI, str(event.id))
        sandbox.buy(LI, "5")
        sandbox.leave(place.channel, LI)

    K = InteractionKind
    heard, _ = await hear(
        place,
        act,
        {
            K.JOIN,
            K.MESSAGE,
            K.REACTION,
            K.RETRACT,
            K.SHARE,
            K.VOTE,
            K.OTHER,
            K.ENTITLEMENT,
            K.PURCHASE,
            K.LEAVE,
        },
    )
    by_kind = {item.kind: item for item in heard}
    li = sandbox.member_id(LI)
    assert by_kind[K.JOIN].channel == place.channel
    assert (by_kind[K.MESSAGE].member, by_kind[K.MESSAGE].parent) == (li, landed.native_id)
    assert (by_kind[K.MESSAGE].target, by_kind[K.MESSAGE].attrs["answers_bot"]) == (
        "",
        place.described["bot_id"],
    )
    assert by_kind[K.REACTION].text == "👍"
    assert by_kind[K.VOTE].attrs["choice"] == 1
    assert by_kind[K.LEAVE].member == li
    assert all(item.member != place.described["bot_id"] for item in heard)


async def test_buttons_and_commands_through_the_gateway(discord_place):
    place, sandbox, adapter = discord_place, discord_place.sandbox, discord_place.adapter
    await adapter.set_commands({"checkin": "每日打卡", "帮助": "怎么用"})
    with pytest.raises(InvalidInput):
        await adapter.set_commands({"Bad Name": "x"})
    rows = ((Button(label="打卡", data="checkin:1"), Button(label="规则", url="https://example.org")),)
    landed = await post(place, Piece(text="打卡", buttons=rows))

    def act() -> None:
        sandbox.press(place.channel, LI, landed.native_id, "checkin:1")
        sandbox.command(place.channel, LI, "checkin")

    heard, _ = await hear(place, act, {InteractionKind.BUTTON, InteractionKind.COMMAND})
    by_kind = {item.kind: item for item in heard}
    button, command = by_kind[InteractionKind.BUTTON], by_kind[InteractionKind.COMMAND]
    assert (button.text, button.message, command.text) == ("checkin:1", landed.native_id, "checkin")
    await adapter.answer_button(button, "已打卡")
    await adapter.answer_button(command, "好")
    texts = [item.text for item in sandbox.messages(place.channel)]
    assert {"已打卡", "好"} <= set(texts)
    with pytest.raises(InvalidInput):
        await adapter.answer_button(heard[0].model_copy(update={"attrs": {}}))


async def test_rate_limits_are_learnt(discord_run):
    async with discord_run(account_options={"max_wait": 0.0}) as place:
        for number in range(5):
            await post(place, Piece(text=f"{number}"), f"{number}")
        with pytest.raises(RateLimited) as caught:
            await post(place, Piece(text="6"), "6")
        assert caught.value.scope == "endpoint"
        assert timedelta(0) < caught.value.retry_after <= timedelta(seconds=5)
        assert place.adapter._api.buckets.refused == 0  # waited ahead instead of bouncing


async def test_capabilities_are_all_here():
    from shequn_discord.manifest import BOT

    assert BOT.supports(Capability.GATEWAY, Capability.WEBHOOK)


async def test_pictures_of_members_can_be_loaded(discord_place):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(3000)
    heard, _ = await hear(
        discord_place,
        lambda: discord_place.sandbox.show(discord_place.channel, LI, picture, "看看这个"),
        [InteractionKind.MESSAGE],
    )
    (said,) = [one for one in heard if one.kind is InteractionKind.MESSAGE]
    assert said.text == "看看这个"
    (name,) = said.attrs["pictures"]
    load = discord_place.adapter.load_picture
    assert await load(name, most_bytes=5000) == picture
    with pytest.raises(InvalidContent, match="larger than 3000"):
        await load(name, most_bytes=3000)
    with pytest.raises(TargetNotFound, match="gone"):
        await load(name.replace("picture.png", "other.png"), most_bytes=5000)


@pytest.mark.parametrize(
    "address",
    [
        "https://cdn.discordapp.com.example.com/a.png",
        "http://cdn.discordapp.com/a.png",
        "https://cdn.discordapp.com@example.com/a.png",
        "https://169.254.169.254/latest/meta-data",
    ],
)
async def test_pictures_are_fetched_from_discord_only(discord_place, address):
    with pytest.raises(InvalidInput):
        await discord_place.adapter.load_picture(address, most_bytes=5000)
