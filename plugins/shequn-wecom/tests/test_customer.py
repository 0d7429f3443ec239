"""Mode customer over real HTTP: groups, entrances, tags, mass messages, welcomes, figures, rules."""

from __future__ import annotations

from datetime import date, timedelta

import httpx
import pytest
import respx

from shequn_sdk.domain import Link, Media, MediaKind, Piece, Role
from shequn_sdk.errors import (
    Conflict,
    InvalidContent,
    InvalidInput,
    Landing,
    NotSupported,
    PermissionDenied,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.testing.sandbox import FaultKind, FaultRule, Person
from shequn_wecom.events import parse_event

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64
ANNA, BO = Person(id="p1", name="读者甲"), Person(id="p2", name="读者乙")


def group_of(wecom) -> str:
    return next(iter(wecom.sandbox.world.groups))


def heard(wecom):
    return [
        i
        for plain in wecom.sandbox.callbacks.waiting
        for i in parse_event(plain.encode(), account="a").interactions
    ]


@pytest.fixture
async def wecom(start_wecom):
    return await start_wecom(mode="customer", no_customers=True)


async def test_groups_with_members_scenes_and_states(wecom):
    customer = await wecom.adapter("customer")
    chat = group_of(wecom)
    invite = await customer.create_invite(chat, name="poster-7")
    wecom.sandbox.join(chat, ANNA, invite=invite.id)
    wecom.sandbox.join(chat, BO)
    channels = {c.ref.native_id: c async for c in customer.iter_channels()}
    assert channels[chat].title == "读书会"
    assert channels[chat].member_count == 3
    members = {m.identity.ref.native_id: m async for m in customer.iter_members(chat)}
    anna = members[wecom.sandbox.member_id(ANNA)]
    assert (anna.identity.display_name, anna.identity.attrs["state"], anna.identity.attrs["join_scene"]) == (
        "读者甲",
        "poster-7",
        3,
    )
    assert anna.joined_at == wecom.clock.now()
    assert members["lin"].role is Role.OWNER
    assert await customer.count_members(chat) == 3
    assert (await customer.get_member(chat, wecom.sandbox.member_id(BO))).identity.attrs[
        "invited_by"
    ] == "lin"
    with pytest.raises(TargetNotFound):
        await customer.get_member(chat, "wmNobody")
    joins = [i for i in heard(wecom) if i.kind == "join"]
    assert [i.member for i in joins] == [wecom.sandbox.member_id(ANNA), wecom.sandbox.member_id(BO)]
    assert joins[0].attrs["scene"] == "qr_code"
    wecom.sandbox.leave(chat, BO)
    assert heard(wecom)[-1].kind == "leave"
    wecom.sandbox.dismiss(chat)
    with pytest.raises(TargetNotFound) as caught:
        await customer.get_channel(chat)
    assert caught.value.code == "49008"


async def test_contact_way_brings_customers_with_their_state(wecom):
    customer = await wecom.adapter("customer")
    invite = await customer.create_invite("customers", name="poster-7")
    assert invite.url
    assert (await customer.entrances.get_contact_way(invite.id)).name == "poster-7"
    wecom.sandbox.join("customers", ANNA, invite=invite.url)
    [event] = heard(wecom)
    assert (event.kind, event.channel, event.entrance, event.target) == (
        "join",
        "customers",
        "poster-7",
        "lin",
    )
    found = await customer.customers.get(event.member)
    assert found.followers[0].state == "poster-7"
    members = [m async for m in customer.iter_members("customers")]
    assert [m.identity.attrs["state"] for m in members] == ["poster-7"]
    assert await customer.count_members("customers") == 1
    assert (await customer.get_member("customers", event.member)).identity.display_name == "读者甲"
    assert [way async for way in customer.entrances.iter_contact_ways()] == [invite.id]
    await customer.entrances.update_contact_way(invite.id, users=["chen"], state="poster-8")
    assert (await customer.entrances.get_contact_way(invite.id)).name == "poster-8"
    await customer.revoke_invite("customers", invite.id)
    with pytest.raises(TargetNotFound) as caught:
        await customer.entrances.get_contact_way(invite.id)
    assert caught.value.code == "41044"
    wecom.sandbox.leave("customers", ANNA)
    assert heard(wecom)[-1].kind == "leave"
    assert await customer.customers.list_ids("lin") == []


async def test_join_way_is_read_changed_and_ended(wecom):
    customer = await wecom.adapter("customer")
    chat = group_of(wecom)
    invite = await customer.create_invite(chat, name="bus")
    assert invite.attrs["chats"] == (chat,)
    await customer.entrances.update_join_way(invite.id, chats=[chat], state="train")
    assert (await customer.entrances.get_join_way(invite.id)).name == "train"
    await customer.revoke_invite(chat, invite.id)
    with pytest.raises(TargetNotFound):
        await customer.entrances.get_join_way(invite.id)
    with pytest.raises(NotSupported):
        await customer.create_invite(chat, name="x", max_uses=3)
    with pytest.raises(InvalidContent):
        await customer.create_invite(chat, name="x" * 31)
    with pytest.raises(TargetNotFound):
        await customer.create_invite("tag:x", name="x")


async def test_tags_are_made_put_on_and_deleted(wecom):
    customer = await wecom.adapter("customer")
    wecom.sandbox.join("customers", ANNA)
    member = wecom.sandbox.member_id(ANNA)
    group = await customer.customers.add_tags("兴趣", ["读书", "跑步"])
    tags = {tag.name: tag.id for tag in group.tags}
    with pytest.raises(Conflict):
        await customer.customers.add_tags("兴趣", ["读书"])
    await customer.tag(member, add=[tags["读书"], tags["跑步"]])
    await customer.tag(member, remove=[tags["跑步"]])
    assert (await customer.customers.get(member)).followers[0].tags == (tags["读书"],)
    assert [m.identity.ref.native_id async for m in customer.iter_members(f"tag:{tags['读书']}")] == [member]
    assert [m async for m in customer.iter_members(f"tag:{tags['跑步']}")] == []
    assert (await customer.get_channel(f"tag:{tags['读书']}")).title == "读书"
    await customer.customers.rename_tag(tags["读书"], "共读")
    names = {tag.name for group in await customer.customers.list_tags() for tag in group.tags}
    assert {"共读", "跑步", "新客", "活跃"} == names
    await customer.customers.delete_tags(tags=list(tags.values()))
    assert [group.name for group in await customer.customers.list_tags()] == ["阶段"]
    with pytest.raises(TargetNotFound):
        await customer.tag(member, add=["etGone"])


async def test_remarks_and_transfers(wecom):
    customer = await wecom.adapter("customer")
    wecom.sandbox.join("customers", ANNA)
    member = wecom.sandbox.member_id(ANNA)
    [follower] = (await customer.customers.get(member)).followers
    await customer.customers.remark(follower.userid, member, remark="甲", mobiles=["13000000000"])
    [follower] = (await customer.customers.get(member)).followers
    assert follower.remark == "甲"
    other = "chen" if follower.userid == "lin" else "lin"
    states = await customer.customers.transfer(customers=[member, "wmX"], old=follower.userid, new=other)
    assert [state.code for state in states] == [0, 40096]
    again = await customer.customers.transfer(customers=[member], old=follower.userid, new=other)
    assert [state.code for state in again] == [40129], "on its way already"
    for hours, wanted in ((23, "waiting"), (1, "done")):
        wecom.clock.advance(timedelta(hours=hours))
        [state] = [one async for one in customer.customers.iter_transfers(old=follower.userid, new=other)]
        assert (state.customer, state.state) == (member, wanted)
    assert [one.userid for one in (await customer.customers.get(member)).followers] == [other]
    chat = group_of(wecom)
    assert await customer.customers.transfer_groups([chat, "wrX"], new="chen") == {"wrX": 90501}
    assert (await customer.groups.get(chat)).owner == "chen"
    assert await customer.customers.transfer_groups([chat], new="lin", owner_left=True) == {chat: 90500}
    with pytest.raises(PermissionDenied) as caught:
        await customer.customers.list_ids("wang")
    assert caught.value.code == "84074"


async def test_mass_message_waits_for_its_sender(wecom):
    customer = await wecom.adapter("customer")
    chat = group_of(wecom)
    link = Link(url="https://example.com/rules", title="群规")
    photo = Media(kind=MediaKind.PHOTO, data=PNG)
    piece = Piece(text="本周共读开始", link=link, media=(photo,))
    post = await customer.publish(chat, piece, idempotency_key="k")
    assert customer.manifest.person_must_confirm
    [waiting] = wecom.sandbox.messages(chat)
    assert waiting.waiting_for_person
    confirmation = await customer.get_confirmation(chat, post.native_id)
    assert (confirmation.sent, confirmation.pending) == (0, 1)
    await customer.remind(chat, post.native_id)
    await customer.remind(chat, post.native_id)
    await customer.remind(chat, post.native_id)
    with pytest.raises(RateLimited):
        await customer.remind(chat, post.native_id)
    wecom.clock.advance(timedelta(hours=1))
    wecom.sandbox.confirm(chat, post.native_id)
    confirmation = await customer.get_confirmation(chat, post.native_id)
    assert (confirmation.sent, confirmation.pending, confirmation.failed) == (1, 0, 0)
    assert confirmation.posts[0].channel.native_id == chat
    assert confirmation.posts[0].landed_at == wecom.clock.now()
    assert not wecom.sandbox.messages(chat)[0].waiting_for_person
    listed = [
        m
        async for m in customer.campaigns.iter_mass(
            chat_type="group", since=wecom.clock.now() - timedelta(days=1), until=wecom.clock.now()
        )
    ]
    assert [(m.id, m.text) for m in listed] == [(post.native_id, "本周共读开始")]


async def test_a_task_that_perhaps_was_made_is_found_again(wecom):
    customer = await wecom.adapter("customer")
    chat, other = group_of(wecom), wecom.sandbox.create_channel("跑步群")
    since = wecom.clock.now()
    wecom.clock.advance(timedelta(seconds=2))
    wecom.server.faults.set([FaultRule(FaultKind.RESET_AFTER, operation="publish", times=1)])
    with pytest.raises(Unavailable) as caught:
        await customer.publish(chat, Piece(text="本周共读"), idempotency_key="k")
    assert caught.value.landed is Landing.PERHAPS
    found = await customer.find_landed(chat, Piece(text="本周共读"), idempotency_key="k", since=since)
    [task] = wecom.sandbox.world.mass
    assert found.native_id == task
    for channel, text, start in (
        (other, "本周共读", since),
        (chat, "别的", since),
        (chat, "本周共读", wecom.clock.now() + timedelta(seconds=5)),
        ("customers", "本周共读", since),
    ):
        nothing = await customer.find_landed(channel, Piece(text=text), idempotency_key="k", since=start)
        assert nothing is None
    await customer.cancel_task(chat, task)
    assert await customer.find_landed(chat, Piece(text="本周共读"), idempotency_key="k", since=since) is None


async def test_a_task_without_text_is_found_by_what_is_attached(wecom):
    customer = await wecom.adapter("customer")
    chat, since = group_of(wecom), wecom.clock.now()

    def linked(page: str) -> Piece:
        return Piece(link=Link(url=f"https://example.com/{page}", title="新书"))

    post = await customer.publish(chat, linked("a"), idempotency_key="k")
    found = await customer.find_landed(chat, linked("a"), idempotency_key="k", since=since)
    assert found.native_id == post.native_id
    assert await customer.find_landed(chat, linked("b"), idempotency_key="k", since=since) is None


async def test_mass_message_can_be_cancelled(wecom):
    customer = await wecom.adapter("customer")
    chat = group_of(wecom)
    post = await customer.publish(chat, Piece(text="错的"), idempotency_key="k")
    await customer.cancel_task(chat, post.native_id)
    await customer.cancel_task(chat, post.native_id)
    confirmation = await customer.get_confirmation(chat, post.native_id)
    assert (confirmation.sent, confirmation.pending, dict(confirmation.reasons)) == (0, 0, {"cancelled": 1})
    assert wecom.sandbox.messages(chat) == []


async def test_mass_message_to_customers_counts_those_who_left_and_those_who_had_enough(start_wecom):
    wecom = await start_wecom(mode="customer", no_customers=True, mass_per_month=1)
    customer = await wecom.adapter("customer", sender="")
    for person in (ANNA, BO, Person(id="p3", name="读者丙")):
        wecom.sandbox.join("customers", person)
    one = await customer.publish(
        await customer.direct_channel(wecom.sandbox.member_id(ANNA)), Piece(text="你好"), idempotency_key="1"
    )
    wecom.sandbox.confirm("", one.native_id)
    everybody = await customer.publish("customers", Piece(text="大家好"), idempotency_key="2")
    wecom.sandbox.leave("customers", BO)
    wecom.sandbox.confirm("", everybody.native_id)
    confirmation = await customer.get_confirmation("customers", everybody.native_id)
    assert confirmation.sent == 1
    assert dict(confirmation.reasons) == {"no_longer_a_contact": 1, "receiver_quota_spent": 1}
    wecom.clock.advance(timedelta(days=31))
    again = await customer.publish("customers", Piece(text="四月"), idempotency_key="3")
    wecom.sandbox.confirm("", again.native_id)
    assert (await customer.get_confirmation("customers", again.native_id)).sent == 2


async def test_mass_message_mistakes(wecom):
    customer = await wecom.adapter("customer")
    with pytest.raises(TargetNotFound) as caught:
        await customer.publish("customers", Piece(text="谁?"), idempotency_key="k")
    assert caught.value.code == "41048"
    with pytest.raises(TargetNotFound, match="customers"):
        await customer.publish("what:ever", Piece(text="x"), idempotency_key="k")
    with pytest.raises(InvalidContent, match="4000"):
        await customer.publish(group_of(wecom), Piece(text="汉" * 1334), idempotency_key="k")
    with pytest.raises(InvalidContent, match="empty"):
        await customer.publish(group_of(wecom), Piece(text=" "), idempotency_key="k")
    await customer.publish(group_of(wecom), Piece(text="汉" * 1333 + "a"), idempotency_key="k")
    small = wecom.sandbox.describe()["small_app"]
    other = await wecom.adapter(
        "customer", secrets={"corp_secret": small["corp_secret"]}, agent_id=small["agent_id"]
    )
    with pytest.raises(PermissionDenied, match="可调用接口的应用"):
        await other.publish(group_of(wecom), Piece(text="x"), idempotency_key="k")


async def test_group_owner_sends_when_no_sender_is_set(wecom):
    customer = await wecom.adapter("customer", sender="")
    post = await customer.publish(group_of(wecom), Piece(text="x"), idempotency_key="k")
    assert post.attrs["waits_for"] == "lin"


async def test_welcome_within_twenty_seconds_and_once(wecom):
    customer = await wecom.adapter("customer")
    wecom.sandbox.join("customers", ANNA)
    [event] = heard(wecom)
    await customer.welcome(event, Piece(text="欢迎加入读书会"))
    [(who, body)] = wecom.sandbox.world.welcomed
    assert (who, body["text"]["content"]) == (event.member, "欢迎加入读书会")
    with pytest.raises(Conflict) as caught:
        await customer.welcome(event, Piece(text="again"))
    assert caught.value.code == "41051"
    wecom.sandbox.join("customers", BO)
    late = heard(wecom)[-1]
    wecom.clock.advance(timedelta(seconds=20))
    with pytest.raises(Conflict, match="20 s"):
        await customer.welcome(late, Piece(text="too late"))
    with pytest.raises(Conflict, match="no welcome code"):
        await customer.welcome(late.model_copy(update={"attrs": {}}), Piece(text="x"))
    assert len(wecom.sandbox.world.welcomed) == 1


async def test_group_welcome_templates(wecom):
    customer = await wecom.adapter("customer")
    template = await customer.campaigns.add_group_welcome("%NICKNAME%，你好")
    assert template in wecom.sandbox.world.templates
    await customer.campaigns.delete_group_welcome(template)
    assert not wecom.sandbox.world.templates


async def test_moments(wecom):
    customer = await wecom.adapter("customer")
    job = await customer.campaigns.add_moment(text="新书到了", users=["lin"])
    moment = await customer.campaigns.find_moment(job)
    assert moment is not None
    assert await customer.campaigns.list_publishers(moment) == {"lin": False}
    record = wecom.sandbox.world.moments[moment]
    record.published.add("lin")
    record.likes.append(("lin", "wmA", wecom.clock.now()))
    assert await customer.campaigns.list_publishers(moment) == {"lin": True}
    activity = await customer.campaigns.get_moment_activity(moment, "lin")
    assert dict(activity.likes) == {"wmA": wecom.clock.now()}
    await customer.campaigns.cancel_moment(moment)
    assert record.cancelled


async def test_a_moment_that_cannot_be_made_says_why(wecom):
    customer = await wecom.adapter("customer")
    path = "/externalcontact/get_moment_task_result"
    failed = {
        "errcode": 0,
        "status": 3,
        "type": "add_moment_task",
        "result": {"errcode": 41048, "errmsg": "no"},
    }
    with respx.mock(base_url=str(wecom.account("customer").base_url), assert_all_mocked=False) as router:
        router.get("/gettoken").respond(json={"errcode": 0, "access_token": "tok-1234", "expires_in": 7200})
        router.get(path).respond(json={"errcode": 0, "status": 2, "result": None})
        assert await customer.campaigns.find_moment("job1") is None
        router.get(path).respond(json=failed)
        with pytest.raises(TargetNotFound) as caught:
            await customer.campaigns.find_moment("job1")
    assert caught.value.code == "41048"


async def test_figures_come_for_yesterday_and_before(wecom):
    customer = await wecom.adapter("customer")
    chat = group_of(wecom)
    wecom.sandbox.join(chat, ANNA)
    wecom.sandbox.join("customers", ANNA)
    wecom.sandbox.say(chat, ANNA, "早")
    wecom.sandbox.say(chat, ANNA, "大家早")
    today = date(2026, 3, 2)
    with pytest.raises(InvalidContent):
        [day async for day in customer.numbers.iter_by_owner(["lin"], first=today)]
    wecom.clock.advance(timedelta(days=1))
    [row] = [day async for day in customer.numbers.iter_by_owner(["lin"], first=today)]
    assert (row.owner, row.new_members, row.messages, row.members_with_messages) == ("lin", 1, 2, 1)
    days = await customer.numbers.list_by_day(["lin"], first=today - timedelta(days=1), last=today)
    assert [day.messages for day in days] == [0, 2]
    assert days[1].day.isoformat() == "2026-03-01T16:00:00+00:00"
    followed = wecom.sandbox.world.customers[wecom.sandbox.member_id(ANNA)].follows
    [userid] = followed
    behaviour = await customer.numbers.list_behaviour(userid, first=today, last=today)
    assert [(day.new_customers, day.reply_share) for day in behaviour] == [(1, None)]


async def test_intercept_rules(wecom):
    customer = await wecom.adapter("customer")
    rule = await customer.rules.add("红包", words=["红包"], users=["lin"], semantics=[3], blocks=False)
    found = await customer.rules.get(rule)
    assert (found.name, found.words, found.semantics, found.blocks, found.users) == (
        "红包",
        ("红包",),
        (3,),
        False,
        ("lin",),
    )
    with pytest.raises(Conflict):
        await customer.rules.add("红包", words=["x"], users=["lin"])
    await customer.rules.update(rule, words=["红包", "转账"])
    assert (await customer.rules.get(rule)).words == ("红包", "转账")
    assert [item.name for item in await customer.rules.list()] == ["红包"]
    await customer.rules.delete(rule)
    with pytest.raises(TargetNotFound):
        await customer.rules.get(rule)


async def test_pages_are_followed_to_the_end(wecom):
    customer = await wecom.adapter("customer")
    for number in range(105):
        wecom.sandbox.join("customers", Person(id=f"many{number}", name=str(number)))
    found = {c.id async for c in customer.customers.iter_of(["lin", "chen"])}
    assert len(found) == 105
    chats = [wecom.sandbox.create_channel(f"群{number}") for number in range(3)]
    listed = [chat async for chat in customer.groups.iter_ids(owners=("lin",))]
    assert set(chats) < set(listed)
    assert await customer.groups.find_chat(f"open-{chats[0]}") == chats[0]
    assert "2 members" in await customer.check()


async def test_polling_finds_joins_with_their_entrance_and_leaves(wecom):
    customer = await wecom.adapter("customer", group_events="poll")
    assert customer.manifest.supports(Capability.POLL_EVENTS)
    chat = group_of(wecom)
    invite = await customer.create_invite(chat, name="poster-7")
    first = await customer.receive(None)
    assert list(first.events) == []
    wecom.clock.advance(timedelta(seconds=60))
    wecom.sandbox.join(chat, ANNA, invite=invite.id)
    wecom.sandbox.join(chat, BO)
    second = await customer.receive(first.cursor)
    found = [i for raw in second.events for i in customer.parse(raw).interactions]
    assert [(i.kind, i.member, i.entrance) for i in found] == [
        ("join", wecom.sandbox.member_id(ANNA), "poster-7"),
        ("join", wecom.sandbox.member_id(BO), ""),
    ]
    # an older cursor finds the same again, under the same ids
    assert [raw.event_id for raw in (await customer.receive(first.cursor)).events] == [
        r.event_id for r in second.events
    ]
    assert list((await customer.receive(second.cursor)).events) == []
    wecom.sandbox.leave(chat, BO)
    wecom.clock.advance(timedelta(seconds=60))
    wecom.sandbox.leave(chat, ANNA)
    wecom.sandbox.join(chat, ANNA)
    third = await customer.receive(second.cursor)
    kinds = sorted((i.kind.value, i.member) for raw in third.events for i in customer.parse(raw).interactions)
    anna, bo = wecom.sandbox.member_id(ANNA), wecom.sandbox.member_id(BO)
    assert kinds == sorted([("leave", bo), ("leave", anna), ("join", anna)])
    with pytest.raises(InvalidInput):
        await customer.receive("bad cursor")
    # callbacks of the same changes then stay silent, so that nobody counts twice
    from shequn_sdk.platforms.ports import RawEvent

    for plain in wecom.sandbox.callbacks.waiting:
        assert customer.parse(RawEvent(event_id="x", payload=plain.encode())).interactions == ()


async def test_polling_is_off_by_default(wecom):
    customer = await wecom.adapter("customer")
    with pytest.raises(NotSupported, match="poll"):
        await customer.receive(None)


async def test_reads_lag_behind_changes(start_wecom):
    wecom = await start_wecom(mode="customer", no_customers=True, read_lag=2)
    customer = await wecom.adapter("customer")
    chat = group_of(wecom)
    wecom.sandbox.join(chat, ANNA)
    assert await customer.count_members(chat) == 1
    wecom.clock.advance(timedelta(seconds=2))
    assert await customer.count_members(chat) == 2


async def test_moments_name_whom_they_reach(wecom):
    customer = await wecom.adapter("customer")
    wecom.sandbox.join("customers", ANNA)
    member = wecom.sandbox.member_id(ANNA)
    [follower] = (await customer.customers.get(member)).followers
    body = {"text": {"content": "hi"}, "visible_range": {"sender_list": {"user_list": [follower.userid]}}}
    calls = customer.api
    job = (await calls.post("externalcontact/add_moment_task", dict, body))["jobid"]
    made = await calls.get("externalcontact/get_moment_task_result", dict, {"jobid": job})
    wanted = {"moment_id": made["result"]["moment_id"], "userid": follower.userid}
    seen = await calls.post("externalcontact/get_moment_customer_list", dict, wanted)
    assert seen["customer_list"] == [{"userid": follower.userid, "external_userid": member}]
    assert (await calls.post("externalcontact/get_moment_send_result", dict, wanted))["customer_list"] == []
    wecom.sandbox.world.moments[wanted["moment_id"]].published.add(follower.userid)
    sent = await calls.post("externalcontact/get_moment_send_result", dict, wanted)
    assert sent["customer_list"] == [{"external_userid": member}]


async def test_files_come_in_the_field_that_the_documents_name(wecom):
    told = wecom.sandbox.describe()
    secret = told["accounts"]["customer"]["secrets"]["corp_secret"]
    async with httpx.AsyncClient(base_url=told["base_url"]) as client:
        login = {"corpid": told["corp_id"], "corpsecret": secret}
        token = (await client.get("/gettoken", params=login)).json()["access_token"]
        query = {"access_token": token, "type": "file"}
        for field, code in (("file", 44001), ("media", 0)):
            answer = await client.post("/media/upload", params=query, files={field: ("a.txt", b"123456")})
            assert answer.json()["errcode"] == code
        for scene, has in ((1, False), (2, True)):
            body = {"type": 1, "scene": scene, "user": ["lin"]}
            url = "/externalcontact/{}?access_token=" + token
            made = (await client.post(url.format("add_contact_way"), json=body)).json()
            wanted = {"config_id": made["config_id"]}
            way = (await client.post(url.format("get_contact_way"), json=wanted)).json()["contact_way"]
            assert bool(made["qr_code"]) is bool(way["qr_code"]) is has
