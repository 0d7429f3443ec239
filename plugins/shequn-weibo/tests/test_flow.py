"""Every capability over real HTTP against the local Weibo."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from shequn_sdk.domain import InteractionKind, Media, MediaKind, Piece
from shequn_sdk.errors import (
    AuthFailed,
    Conflict,
    InvalidContent,
    NotSupported,
    PermissionDenied,
    RateLimited,
    TargetNotFound,
    Unavailable,
    VerificationFailed,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_weibo.mid import mid_of
from shequn_weibo.oauth import OAuth, new_state

LINK = "https://club.example.com/d7"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


def linked(text, **more):
    return Piece(text=f"{text} {LINK}", **more)


async def share(weibo, adapter, text="共读第七天", key="k", **more):
    return await adapter.publish(weibo.uid, linked(text, **more), idempotency_key=key)


async def hear(adapter, cursor=None):
    batch = await adapter.receive(cursor)
    return [item for raw in batch.events for item in adapter.parse(raw).interactions], batch.cursor


async def test_a_post_with_a_picture(weibo):
    adapter = await weibo.adapter()
    photo = Media(kind=MediaKind.PHOTO, data=PNG)
    post = await share(weibo, adapter, media=(photo,))
    assert post.url == f"https://weibo.com/{weibo.uid}/{mid_of(post.native_id)}"
    [shown] = weibo.sandbox.messages(weibo.uid)
    assert (shown.attachments, shown.native_id) == (1, post.native_id)
    assert "http://t.cn/" in shown.text
    for data in (b"no picture", b"GIF89a" + b"0" * (5 * 1024 * 1024)):
        with pytest.raises(InvalidContent):
            await share(weibo, adapter, "坏图", media=(Media(kind=MediaKind.PHOTO, data=data),))


async def test_what_cannot_be_posted_costs_no_call(weibo):
    adapter = await weibo.adapter()
    spent = adapter.plan.spent
    with pytest.raises(InvalidContent, match="safe domain"):
        await adapter.publish(weibo.uid, Piece(text="没有链接"), idempotency_key="k")
    with pytest.raises(InvalidContent, match="141"):
        await adapter.publish(weibo.uid, linked("汉" * 127), idempotency_key="k")
    with pytest.raises(NotSupported):
        await adapter.edit(weibo.uid, "1", linked("x"))
    assert adapter.plan.spent == spent


async def test_the_platform_checks_the_link_where_we_do_not(weibo):
    adapter = await weibo.adapter(safe_domains=[])
    with pytest.raises(InvalidContent) as caught:
        await adapter.publish(weibo.uid, Piece(text="没有链接"), idempotency_key="k")
    assert caught.value.code == "10017"


async def test_a_repeated_text_is_found_instead_of_posted_twice(weibo):
    adapter = await weibo.adapter()
    first = await share(weibo, adapter, key="same")
    again = await share(weibo, adapter, key="same")
    assert again.native_id == first.native_id
    with pytest.raises(Conflict) as caught:  # another delivery must not claim the same post
        await share(weibo, adapter, key="other")
    assert caught.value.code == "20019"
    assert len(weibo.sandbox.messages(weibo.uid)) == 1


async def test_accepted_late_has_landed(start_weibo):
    weibo = await start_weibo(accept_late=1)
    adapter = await weibo.adapter()
    post = await share(weibo, adapter, key="slow")
    assert post.attrs["shown_late"] is True
    since = weibo.clock.now() - timedelta(seconds=1)
    weibo.clock.advance(120)
    found = await adapter.find_landed(weibo.uid, linked("共读第七天"), idempotency_key="slow", since=since)
    assert found is not None
    assert found.native_id.isdigit()


async def test_looking_up_is_honest_about_its_reach(weibo):
    adapter = await weibo.adapter()
    since = weibo.clock.now()
    for number in range(5):
        weibo.clock.advance(10)
        await share(weibo, adapter, f"第 {number} 天", key=str(number))
    with pytest.raises(Unavailable, match="no more than 5"):
        await adapter.find_landed(weibo.uid, linked("不在"), idempotency_key="x", since=since)
    with pytest.raises(Unavailable, match="nothing but a link"):
        await adapter.find_landed(weibo.uid, Piece(text=LINK), idempotency_key="x", since=since)
    texts = [post.text[:5] async for post in adapter.iter_own_posts()]
    assert texts[0] == "第 4 天"


async def test_comments_numbers_and_members(start_weibo):
    weibo = await start_weibo(string_counts=True, string_codes=True)
    adapter = await weibo.adapter()
    post = await share(weibo, adapter)
    person = weibo.person()
    weibo.sandbox.join(weibo.uid, person)
    said = weibo.sandbox.say(weibo.uid, person, "打卡", reply_to=post.native_id)
    weibo.sandbox.react(weibo.uid, person, post.native_id, "👍")
    weibo.sandbox.share(weibo.uid, person, post.native_id)
    answer = await adapter.comment(weibo.uid, post.native_id, "收到", reply_to=said)
    comments = [item async for item in adapter.iter_comments(weibo.uid, post.native_id)]
    assert [item.text for item in comments] == ["打卡", "回复@成员0:收到"]
    assert comments[1].attrs["reply_to"] == said
    [numbers] = await adapter.get_post_numbers(weibo.uid, [post.native_id, "17", "late:x"])
    assert (numbers.comments, numbers.shares, numbers.reactions, numbers.views) == (2, 1, 1, None)
    await adapter.delete_comment(weibo.uid, post.native_id, answer)
    await adapter.delete_comment(weibo.uid, post.native_id, answer)
    with pytest.raises(TargetNotFound):
        await adapter.comment(weibo.uid, "17", "在吗")
    member = weibo.sandbox.member_id(person)
    assert (await adapter.get_member(weibo.uid, member)).identity.display_name == "成员0"
    assert (await adapter.get_user(member)).display_name == "成员0"
    with pytest.raises(TargetNotFound):
        await adapter.get_member(weibo.uid, "424242")
    assert await adapter.count_members(weibo.uid) == 3
    assert (await adapter.get_channel(weibo.uid)).member_count == 3
    with pytest.raises(PermissionDenied):
        await (await weibo.adapter(allow_delete=True)).delete(weibo.uid, post.native_id)


async def test_members_are_heard_cheaply(weibo):
    adapter = await weibo.adapter()
    post = await share(weibo, adapter)
    _, cursor = await hear(adapter)
    person, other = weibo.person(), weibo.person(1)
    weibo.sandbox.join(weibo.uid, person)
    weibo.clock.advance(3)
    said = weibo.sandbox.say(weibo.uid, person, "打卡", reply_to=post.native_id)
    weibo.clock.advance(3)
    weibo.sandbox.say(weibo.uid, other, "大家来看")
    weibo.clock.advance(timedelta(hours=1, minutes=1))
    weibo.sandbox.share(weibo.uid, other, post.native_id)
    heard, cursor = await hear(adapter, cursor)
    kinds = {item.kind for item in heard}
    assert kinds == {
        InteractionKind.FOLLOW,
        InteractionKind.COMMENT,
        InteractionKind.MENTION,
        InteractionKind.SHARE,
    }
    assert all(item.channel == weibo.uid and item.occurred_at.tzinfo for item in heard)
    comment = next(item for item in heard if item.kind is InteractionKind.COMMENT)
    assert (comment.message, comment.parent) == (said, post.native_id)
    spent = adapter.plan.spent
    for _ in range(10):
        weibo.clock.advance(timedelta(minutes=4))
        quiet, cursor = await hear(adapter, cursor)
        assert not quiet
    assert adapter.plan.spent == spent, "polling while nothing moved is free"


async def test_hidden_people_do_not_confuse_paging(start_weibo):
    weibo = await start_weibo(authorised_share=0.5)
    adapter = await weibo.adapter()
    for number in range(40):
        weibo.sandbox.say(weibo.uid, weibo.person(number), f"看 {number}")
    heard, cursor = await hear(adapter)
    visible = [
        user.uid
        for user in weibo.sandbox.world.users.values()
        if user.authorised and user.name.startswith("成员")
    ]
    assert {item.member for item in heard} == set(visible)
    assert 0 < len(visible) < 40
    assert not (await hear(adapter, cursor))[0]


async def test_the_budget_is_spread_and_kept_for_posts(start_weibo):
    weibo = await start_weibo()
    adapter = await weibo.adapter(poll_minutes=4)
    weibo.clock.move_to(weibo.clock.now().replace(hour=16))  # midnight in China
    cursor, person = None, weibo.person()
    half = None
    for turn in range(24 * 15):
        weibo.sandbox.say(weibo.uid, person, f"看 {turn}")
        _, cursor = await hear(adapter, cursor)
        weibo.clock.advance(timedelta(minutes=4) - timedelta(seconds=1) * (turn == 24 * 15 - 1))
        if turn == 12 * 15:
            half = adapter.plan.spent
    assert 30 <= half <= 50, "calls are spread over the day"
    assert adapter.plan.spent <= 70, "three tenths stay for posts"
    while adapter.plan.spent < 70:
        await adapter.count_members(weibo.uid)
    with pytest.raises(RateLimited) as caught:
        await adapter.count_members(weibo.uid)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after <= timedelta(minutes=1)
    await share(weibo, adapter, "还能发")
    weibo.clock.advance(timedelta(minutes=5))
    assert adapter.plan.spent == 0
    heard = []
    while more := (await hear(adapter, cursor)):
        heard += more[0]
        cursor = more[1]
        if not more[0]:
            break
    assert heard, "what was left for the next day comes"


async def test_a_restart_remembers_what_was_spent(weibo):
    adapter = await weibo.adapter()
    _, cursor = await hear(adapter)
    assert adapter.plan.spent > 0
    fresh = await weibo.adapter()
    await fresh.receive(cursor)
    assert fresh.plan.spent >= adapter.plan.spent


async def test_limits_of_the_platform(start_weibo):
    weibo = await start_weibo(user_limit=6)
    adapter = await weibo.adapter()
    for _ in range(6):
        await adapter.get_channel(weibo.uid)
    with pytest.raises(RateLimited) as caught:
        await adapter.get_channel(weibo.uid)
    assert caught.value.code == "10023"
    assert caught.value.retry_after == timedelta(hours=12), "asked from account/rate_limit_status"
    assert adapter.plan.left == 0
    assert (await adapter.get_limits())["remaining_user_hits"] == 0
    weibo.clock.advance(timedelta(hours=12))
    await adapter.get_channel(weibo.uid)


async def test_thirty_posts_an_hour(start_weibo):
    weibo = await start_weibo()
    adapter = await weibo.adapter()
    for number in range(30):
        await share(weibo, adapter, f"第 {number} 条", key=str(number))
    with pytest.raises(RateLimited) as caught:
        await share(weibo, adapter, "太快", key="fast")
    assert caught.value.code == "20016"
    weibo.clock.advance(timedelta(hours=1))
    await share(weibo, adapter, "现在可以", key="later")


async def test_authorisation_from_page_to_revocation(start_weibo):
    weibo = await start_weibo(level="test")
    told = weibo.sandbox.describe()
    state = new_state()
    async with OAuth(
        app_key=told["app_key"],
        app_secret=told["secrets"]["app_secret"],
        redirect_uri=told["redirect_uri"],
        base_url=told["base_url"],
        context=AdapterContext(clock=weibo.clock),
    ) as oauth:
        assert told["secrets"]["app_secret"] not in repr(oauth)
        async with httpx.AsyncClient() as browser:
            back = await browser.get(oauth.authorize_url(state=state))
            refused = await browser.get(oauth.authorize_url(state=state) + "&sandbox_deny=1")
        query = dict(parse_qsl(urlsplit(back.headers["location"]).query))
        code = oauth.code_from(query, state=state)
        with pytest.raises(VerificationFailed):
            oauth.code_from(query, state="stolen")
        with pytest.raises(PermissionDenied):
            oauth.code_from(dict(parse_qsl(urlsplit(refused.headers["location"]).query)), state=state)
        grant = await oauth.exchange(code)
        assert grant.access_token not in repr(grant)
        assert grant.expires_at == weibo.clock.now() + timedelta(days=1)
        with pytest.raises(AuthFailed) as caught:
            await oauth.exchange(code)
        assert caught.value.code == "21325"
        assert (await oauth.describe(grant.access_token)).uid == weibo.uid
        early = await weibo.adapter(token_expires_at=grant.expires_at.isoformat())
        await early.check()
        weibo.clock.advance(timedelta(days=1))
        with pytest.raises(AuthFailed, match="authorize page"):
            await early.check()
        with pytest.raises(AuthFailed) as caught:
            await oauth.describe(grant.access_token)
        assert caught.value.code == "21327"
        await oauth.revoke(weibo.sandbox.token.token)
    late = await weibo.adapter()
    with pytest.raises(AuthFailed, match="revoked"):
        await share(weibo, late)


async def test_fan_service_messages(start_weibo):
    weibo = await start_weibo(fan_service=True)
    adapter = await weibo.adapter()
    person = weibo.person()
    member = weibo.sandbox.member_id(person)
    channel = await adapter.direct_channel(member)
    with pytest.raises(TargetNotFound):
        await adapter.publish(channel, Piece(text="你好"), idempotency_key="k")
    weibo.sandbox.join(weibo.uid, person, invite="poster")
    weibo.sandbox.say(channel, person, "在吗")
    weibo.sandbox.leave(weibo.uid, weibo.sandbox._ready[0])
    heard = []
    for body in weibo.sandbox.fans.waiting:
        query = dict(parse_qsl(weibo.sandbox.fans.query()))
        reply = adapter.verify(WebhookRequest("POST", "/", query, {}, body, weibo.clock.now()))
        heard += [item for raw in reply.events for item in adapter.parse(raw).interactions]
    assert [item.kind for item in heard] == [
        InteractionKind.FOLLOW,
        InteractionKind.MESSAGE,
        InteractionKind.UNFOLLOW,
    ]
    assert heard[0].entrance == "poster"
    assert (heard[1].channel, heard[1].text) == (channel, "在吗")
    await adapter.publish(channel, Piece(text="在的 &=%"), idempotency_key="k")
    assert [row.text for row in weibo.sandbox.messages(channel)] == ["在的 &=%", "在吗"]
    with pytest.raises(InvalidContent):
        await adapter.publish(channel, Piece(text="长" * 300), idempotency_key="k")
    with pytest.raises(NotSupported):
        await adapter.find_landed(channel, Piece(text="x"), idempotency_key="k", since=weibo.clock.now())
    weibo.clock.advance(timedelta(hours=49))
    with pytest.raises(PermissionDenied):
        await adapter.publish(channel, Piece(text="晚了"), idempotency_key="k2")


async def test_forged_and_replayed_pushes_are_refused(start_weibo):
    weibo = await start_weibo(fan_service=True)
    adapter = await weibo.adapter(push_path_secret="a-part-nobody-knows")
    body = json.dumps(
        {
            "type": "text",
            "receiver_id": 1,
            "sender_id": 2,
            "created_at": "Mon Mar 02 12:00:00 +0800 2026",
            "text": "x",
        }
    ).encode()
    query = dict(parse_qsl(weibo.sandbox.fans.query()))
    path = "/weibo/a-part-nobody-knows"

    def request(**changed):
        given = {"method": "POST", "path": path, "query": query, "headers": {}, "body": body}
        return WebhookRequest(**{**given, **changed}, received_at=weibo.clock.now())

    first = adapter.verify(request())
    assert adapter.verify(request()).events[0].event_id == first.events[0].event_id
    with pytest.raises(VerificationFailed, match="another push"):
        adapter.verify(request(body=body.replace(b'"x"', b'"y"')))
    with pytest.raises(VerificationFailed, match="secret part"):
        adapter.verify(request(path="/weibo"))
    with pytest.raises(VerificationFailed, match="signature"):
        adapter.verify(request(query={**query, "nonce": "1"}))
    echo = dict(parse_qsl(weibo.sandbox.fans.query(echostr="123")))
    assert adapter.verify(request(method="GET", query=echo, body=b"")).body == b"123"
    weibo.clock.advance(timedelta(minutes=11))
    with pytest.raises(VerificationFailed, match="clock"):
        adapter.verify(request())


async def test_commercial_members_and_deletion(start_weibo):
    weibo = await start_weibo(level="commercial")
    adapter = await weibo.adapter()
    post = await share(weibo, adapter)
    await adapter.delete(weibo.uid, post.native_id)
    await adapter.delete(weibo.uid, post.native_id)
    assert not weibo.sandbox.messages(weibo.uid)
    members = [member.identity.display_name async for member in adapter.iter_members(weibo.uid)]
    assert sorted(members) == ["林小满", "陈一诺"]
    other = members and weibo.sandbox.describe()["members"][0]
    await adapter.follow(other)
    await adapter.follow(other)
    normal = await weibo.adapter(level="normal")
    with pytest.raises(NotSupported, match="commercial"):
        await normal.follow(other)


async def test_check_says_who_and_how_long(weibo):
    line = await (await weibo.adapter()).check()
    assert "读书会" in line
    assert "days" in line
    nameless = await weibo.adapter(uid="")
    assert (await share(weibo, nameless)).channel.native_id == weibo.uid


async def test_the_sandbox_checks_the_address_then_pushes_three_times_at_most(start_weibo):
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from shequn_weibo.push import passive_reply

    weibo = await start_weibo(fan_service=True)
    adapter = await weibo.adapter(push_path_secret="a-part-nobody-knows")
    events, tries = [], []

    async def hook(incoming):
        body = await incoming.body()
        tries.append(body)
        query, at = dict(incoming.query_params), weibo.clock.now()
        try:
            reply = adapter.verify(WebhookRequest(incoming.method, incoming.url.path, query, {}, body, at))
        except VerificationFailed:
            return Response(status_code=403)
        if incoming.method == "GET":
            return Response(reply.body)
        events.extend(reply.events)
        push = json.loads(body)
        if push["text"] == "坏":
            return Response(status_code=500)
        return Response(passive_reply(sender_id=str(push["sender_id"]), receiver_id=weibo.uid, text="欢迎 &"))

    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    app = Starlette(routes=[Route("/hook", hook, methods=["GET", "POST"])])
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[sock])
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/hook"
    try:
        assert not await weibo.sandbox.register_push(url)
        assert await weibo.sandbox.register_push(f"{url}?key=a-part-nobody-knows")
        tries.clear()
        channel = await adapter.direct_channel(weibo.sandbox.member_id(weibo.person()))
        weibo.sandbox.join(weibo.uid, weibo.person())
        weibo.sandbox.say(channel, weibo.person(), "坏")
        await weibo.sandbox.fans.drain()
    finally:
        server.should_exit = True
        await server.shutdown(sockets=[sock])
    assert len(tries) == 1 + 3
    assert len({raw.event_id for raw in events}) == 2
    assert (weibo.sandbox.fans.delivered, len(weibo.sandbox.fans.failed)) == (1, 1)
    assert [row.text for row in weibo.sandbox.messages(channel) if row.by_account] == ["欢迎 &"]


async def test_a_flood_is_read_whole_over_several_polls(start_weibo):
    weibo = await start_weibo(user_limit=10_000)
    adapter = await weibo.adapter(daily_budget=0)
    post = await share(weibo, adapter)
    person, cursor = weibo.person(), None
    texts: list[str] = []
    _, cursor = await hear(adapter)
    for flood in range(2):
        for number in range(460):
            weibo.clock.advance(1)
            weibo.sandbox.say(weibo.uid, person, f"{flood}-{number}", reply_to=post.native_id)
        for _ in range(4):
            heard, cursor = await hear(adapter, cursor)
            texts += [item.text for item in heard if item.kind is InteractionKind.COMMENT]
            weibo.sandbox.say(weibo.uid, person, f"{flood}-between-{_}", reply_to=post.native_id)
    heard, cursor = await hear(adapter, cursor)
    texts += [item.text for item in heard if item.kind is InteractionKind.COMMENT]
    assert len(texts) == len(set(texts)), "nothing is told twice"
    wanted = {
        f"{flood}-{number}"
        for flood in range(2)
        for number in [*range(460), *(f"between-{n}" for n in range(4))]
    }
    assert set(texts) == wanted
