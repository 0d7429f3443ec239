"""Callbacks: crypto vectors, forgery, replay, size, bombs, fixtures, and the sandbox's own sending."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import InteractionKind, Piece
from shequn_sdk.errors import ConfigError, InvalidContent, InvalidInput, VerificationFailed
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_sdk.testing.sandbox import FaultKind, FaultRule, Person, SeededFaults
from shequn_wecom.callbacks import CallbackReceiver
from shequn_wecom.crypto import CallbackCrypto
from shequn_wecom.events import event_id, parse_event, read_xml

FIXTURES = Path(__file__).parent / "fixtures"
VECTORS = json.loads((FIXTURES / "crypto" / "vectors.json").read_text("utf-8"))
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def crypto_of(vector) -> CallbackCrypto:
    return CallbackCrypto(
        token=vector["token"], encoding_aes_key=vector["encoding_aes_key"], receive_id=vector["receive_id"]
    )


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: v["name"])
def test_published_vectors(vector):
    crypto = crypto_of(vector)
    plain = crypto.open(
        msg_signature=vector["msg_signature"],
        timestamp=vector["timestamp"],
        nonce=vector["nonce"],
        encrypted=vector["ciphertext"],
    )
    assert plain.decode() == vector["expected_plaintext"]
    assert crypto.encrypt(plain, random16=bytes.fromhex(vector["random16_hex"])) == vector["ciphertext"]


@pytest.mark.parametrize("vector", VECTORS["negative"], ids=lambda v: v["name"])
def test_published_negative_vectors(vector):
    if "encoding_aes_key" in vector:
        with pytest.raises(ConfigError):
            CallbackCrypto(token="t", encoding_aes_key=vector["encoding_aes_key"], receive_id="ww1")
        return
    base = next(item for item in VECTORS["vectors"] if item["name"] == vector["based_on"])
    changed = {**base, **vector["change"]}
    with pytest.raises(VerificationFailed):
        crypto_of(changed).open(
            msg_signature=changed["msg_signature"],
            timestamp=changed["timestamp"],
            nonce=changed["nonce"],
            encrypted=changed["ciphertext"],
        )


@given(
    message=st.binary(max_size=300),
    receive_id=st.text(alphabet="abcw0123", max_size=20),
    random16=st.binary(min_size=16, max_size=16),
)
def test_what_is_encrypted_is_decrypted(message, receive_id, random16):
    crypto = CallbackCrypto(token="t", encoding_aes_key=KEY, receive_id=receive_id)
    assert crypto.decrypt(crypto.encrypt(message, random16=random16)) == message


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    import base64

    crypto = CallbackCrypto(token="t", encoding_aes_key=KEY, receive_id="ww1")
    with pytest.raises(VerificationFailed):
        crypto.decrypt(base64.b64encode(noise).decode())


def signed(
    plain: str, *, at: datetime = NOW, nonce: str = "n1", receive_id: str = "ww1", token: str = "tok"
) -> WebhookRequest:
    crypto = CallbackCrypto(token=token, encoding_aes_key=KEY, receive_id=receive_id)
    encrypted = crypto.encrypt(plain.encode())
    stamp = str(int(at.timestamp()))
    body = f"<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    return request(body.encode(), crypto.sign(stamp, nonce, encrypted), stamp, nonce)


def request(
    body: bytes, sign: str, stamp: str, nonce: str, *, method: str = "POST", **query: str
) -> WebhookRequest:
    return WebhookRequest(
        method=method,
        path="/",
        query={"msg_signature": sign, "timestamp": stamp, "nonce": nonce, **query},
        headers={},
        body=body,
        received_at=NOW,
    )


def receiver() -> CallbackReceiver:
    return CallbackReceiver(CallbackCrypto(token="tok", encoding_aes_key=KEY, receive_id="ww1"))


TEXT = (
    "<xml><ToUserName>ww1</ToUserName><FromUserName>lin</FromUserName><CreateTime>1772409600</CreateTime>"
    "<MsgType>text</MsgType><Content>你好</Content><MsgId>77</MsgId><AgentID>1</AgentID></xml>"
)


def test_a_delivery_gives_one_event_and_an_empty_answer():
    reply = receiver().verify(signed(TEXT))
    [event] = reply.events
    assert (event.event_id, event.payload.decode(), reply.body, reply.status) == ("msg:77", TEXT, b"", 200)


def test_retries_of_one_event_have_one_id():
    hook = receiver()
    joined = TEXT.replace("<MsgId>77</MsgId>", "")
    first = hook.verify(signed(joined, nonce="n1")).events[0]
    again = hook.verify(signed(joined, nonce="n2")).events[0]
    other = hook.verify(signed(joined.replace("lin", "chen"), nonce="n3")).events[0]
    assert first.event_id == again.event_id != other.event_id


def test_a_replayed_request_is_refused():
    hook = receiver()
    once = signed(TEXT)
    hook.verify(once)
    with pytest.raises(VerificationFailed, match="replay"):
        hook.verify(once)


@pytest.mark.parametrize("age", [timedelta(minutes=-11), timedelta(minutes=11)])
def test_old_and_future_requests_are_refused(age):
    with pytest.raises(VerificationFailed, match="clock"):
        receiver().verify(signed(TEXT, at=NOW + age))


@pytest.mark.parametrize(
    "forged",
    [
        signed(TEXT, token="other"),
        signed(TEXT, receive_id="wwOTHER"),
        request(b"<xml><Encrypt>AAAA</Encrypt></xml>", "0" * 40, str(int(NOW.timestamp())), "n"),
        request(b"<xml></xml>", "0" * 40, str(int(NOW.timestamp())), "n"),
        request(b"no xml", "0" * 40, str(int(NOW.timestamp())), "n"),
        request(b"{", "0" * 40, str(int(NOW.timestamp())), "n"),
        request(b'{"a":1}', "0" * 40, str(int(NOW.timestamp())), "n"),
        request(b"", "汉" * 40, str(int(NOW.timestamp())), "n"),
        request(b"", "", "", ""),
        request(b"", "a", "not a number", "n"),
        request(b"", "a", str(int(NOW.timestamp())), "n", method="DELETE"),
        request(b"", "a", str(int(NOW.timestamp())), "n", method="GET"),
        request(b"x" * (1024 * 1024 + 1), "a", str(int(NOW.timestamp())), "n"),
    ],
)
def test_forged_and_broken_requests_are_refused(forged):
    with pytest.raises(VerificationFailed):
        receiver().verify(forged)


BOMB = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>'


def test_xml_bombs_are_refused_outside_and_inside():
    with pytest.raises(VerificationFailed, match="XML"):
        receiver().verify(request(BOMB.encode(), "0" * 40, str(int(NOW.timestamp())), "n"))
    with pytest.raises(VerificationFailed, match="read"):
        receiver().verify(signed(BOMB))
    with pytest.raises(InvalidInput, match="deep"):
        read_xml(b"<xml>" + b"<a>" * 40 + b"</a>" * 40 + b"</xml>")


@given(st.binary(max_size=300))
def test_parsing_noise_raises_one_kind_of_error(noise):
    for read in (event_id, lambda data: parse_event(data, account="a")):
        try:
            read(noise)
        except InvalidInput:
            continue


def test_check_of_the_address_answers_the_plain_echo():
    crypto = CallbackCrypto(token="tok", encoding_aes_key=KEY, receive_id="ww1")
    echo = crypto.encrypt(b"5927782489442352469")
    stamp = str(int(NOW.timestamp()))
    asked = request(
        b"", crypto.sign(stamp, "n", echo), stamp, "n", method="GET", echostr=echo.replace("+", " ")
    )
    hook = receiver()
    assert hook.verify(asked).body == b"5927782489442352469"
    assert hook.verify(asked).events == ()


def test_bot_messages_are_json():
    vector = next(item for item in VECTORS["vectors"] if item["kind"] == "incoming-json-aibot")
    hook = CallbackReceiver(crypto_of(vector), max_age=timedelta(days=9999))
    body = json.dumps({"encrypt": vector["ciphertext"]}).encode()
    [event] = hook.verify(request(body, vector["msg_signature"], vector["timestamp"], vector["nonce"])).events
    received = datetime.fromisoformat(event.headers["received-at"])
    [message] = parse_event(event.payload, account="a", received_at=received).interactions
    assert (message.id, message.member, message.text, message.channel) == (
        "bot:m-1",
        "zhangsan",
        "你好",
        "@all/user:zhangsan",
    )
    assert message.occurred_at == NOW
    unknown = parse_event(b'{"msgid":"1","msgtype":"hologram"}', account="a")
    assert not unknown.known


def bot(msgtype, *, single=False, **part):
    """A callback as section 9.5 of our notes on the platform has it."""
    where = {"chattype": "single"} if single else {"chattype": "group", "chatid": "c1"}
    body = {"msgid": "m1", "aibotid": "BOT", **where, "from": {"userid": "lin"}, "msgtype": msgtype, **part}
    payload = json.dumps(
        {**body, "response_url": "https://example.com/r?code=S"}, ensure_ascii=False
    ).encode()
    [found] = parse_event(payload, account="a", home="@all", received_at=NOW).interactions
    assert "response_url" not in str(found)
    return found


def test_bots_hear_what_is_written_to_them():
    said = bot(
        "text", single=True, text={"content": "好"}, quote={"msgtype": "text", "text": {"content": "前"}}
    )
    assert (said.channel, said.thread, said.text, said.attrs["quote"]) == (
        "@all/user:lin",
        "user:lin",
        "好",
        "前",
    )
    assert (bot("voice", voice={"content": "语音"}).text, bot("text", text={"content": "x"}).thread) == (
        "语音",
        "",
    )
    assert bot("image", image={"url": "https://x/1"}).attrs["url"] == "https://x/1"
    assert bot("file", file={"url": "https://x/f"}).attrs["url"] == "https://x/f"
    items = [{"msgtype": "text", "text": {"content": "看图"}}, {"msgtype": "image", "image": {"url": "u"}}, 5]
    assert bot("mixed", mixed={"msg_item": items}).text == "看图"
    assert bot("text", text="flat").text == ""
    assert bot("text", text={"content": "x"}, **{"from": "lin"}).member == ""
    nobody = parse_event(b'{"msgtype":"event","event":{"eventtype":"enter_chat"}}', account="a").interactions[
        0
    ]
    assert (nobody.channel, nobody.member) == ("@all", "")


def test_bots_hear_what_is_pressed_chosen_and_thought_of_them():
    card = {"card_type": "button_interaction", "event_key": "b1", "task_id": "t1"}
    pressed = bot("event", event={"eventtype": "template_card_event", "template_card_event": card})
    assert (pressed.kind, pressed.text, pressed.message) == (InteractionKind.BUTTON, "b1", "t1")
    chosen = {"selected_item": [{"question_key": "q1", "option_ids": {"option_id": ["1", "2"]}}]}
    card |= {"card_type": "vote_interaction", "selected_items": chosen}
    voted = bot("event", event={"eventtype": "template_card_event", "template_card_event": card})
    assert (voted.kind, voted.text, voted.attrs["choices"]) == (InteractionKind.VOTE, "1,2", [1, 2])
    assert voted.attrs["selected"] == {"q1": ["1", "2"]}
    detail = {"id": "s1", "type": 2, "content": "不对"}
    thought = bot("event", event={"eventtype": "feedback_event", "feedback_event": detail})
    assert (thought.kind, thought.text, thought.message) == (InteractionKind.FEEDBACK, "不对", "s1")
    bare = bot("event", event={"eventtype": "template_card_event"})
    assert (bare.kind, bare.text) == (InteractionKind.BUTTON, "")


EXPECTED = {
    "ChangeContactEvent_CreateUser.xml": ("change_contact/create_user", ["join"]),
    "ChangeExternalChatEvent_Create.xml": ("change_external_chat/create", ["other"]),
    "ChangeExternalChatEvent_Dismiss.xml": ("change_external_chat/dismiss", ["other"]),
    "ChangeExternalChatEvent_Update.xml": ("change_external_chat/update", ["join", "join"]),
    "ChangeExternalContactEvent_AddExternalContact.xml": (
        "change_external_contact/add_external_contact",
        ["join"],
    ),
    "ChangeExternalContactEvent_AddHalfExternalContact.xml": (
        "change_external_contact/add_half_external_contact",
        ["follow"],
    ),
    "ChangeExternalContactEvent_DeleteFollowUser.xml": ("change_external_contact/del_follow_user", ["leave"]),
    "ChangeExternalContactEvent_EditExternalContact.xml": (
        "change_external_contact/edit_external_contact",
        [],
    ),
    "ChangeExternalContactEvent_TransferFail.xml": ("change_external_contact/transfer_fail", []),
    "ChangeExternalTagEvent_Create.xml": ("change_external_tag/create", []),
    "EnterAgentPushEvent.xml": ("enter_agent", ["other"]),
    "SubscribePushEvent.xml": ("subscribe", ["follow"]),
    "TemplateCardPushEvent.xml": ("template_card_event", ["button"]),
    "TextMessageEvent.xml": ("message/text", ["message"]),
    "selfbuilt_add_external_contact.xml": ("change_external_contact/add_external_contact", ["join"]),
    "selfbuilt_change_external_chat_update.xml": ("change_external_chat/update", ["join", "join"]),
    "selfbuilt_del_external_contact.xml": ("change_external_contact/del_external_contact", ["leave"]),
    "selfbuilt_template_card_event.xml": ("template_card_event", ["button"]),
}


@pytest.mark.parametrize("path", sorted((FIXTURES / "events").iterdir()), ids=lambda path: path.stem)
def test_every_event_fixture_decodes(path):
    parsed = parse_event(path.read_bytes(), account="a")
    kind, kinds = EXPECTED[path.name]
    assert (parsed.kind, [i.kind.value for i in parsed.interactions], parsed.known) == (kind, kinds, True)
    assert all(i.occurred_at.year >= 1973 and i.platform == "wecom" for i in parsed.interactions)
    ids = [i.id for i in parsed.interactions]
    assert len(set(ids)) == len(ids)


def test_both_spellings_of_card_options_and_both_forms_of_member_lists():
    for name, options in (
        ("TemplateCardPushEvent", "OpitonId1"),
        ("selfbuilt_template_card_event", "OptionId1"),
    ):
        [click] = parse_event((FIXTURES / "events" / f"{name}.xml").read_bytes(), account="a").interactions
        assert click.attrs["selected"]["QuestionKey1"][0] == options
    text = (FIXTURES / "events" / "selfbuilt_change_external_chat_update.xml").read_text("utf-8")
    start, end = text.index("<MemChangeList>"), text.index("</MemChangeList>")
    flat = text[:start] + "<MemChangeList><![CDATA[Jack,Rose]]>" + text[end:]
    assert [i.member for i in parse_event(flat.encode(), account="a").interactions] == ["Jack", "Rose"]


def test_unknown_events_are_kept_and_handed_over_customers_have_not_left():
    odd = parse_event(b"<xml><MsgType>event</MsgType><Event>brand_new</Event><X>1</X></xml>", account="a")
    assert (odd.kind, odd.known, list(odd.interactions)) == ("brand_new", False, [])
    text = (FIXTURES / "events" / "selfbuilt_del_external_contact.xml").read_text("utf-8")
    moved = text.replace("</xml>", "<Source><![CDATA[DELETE_BY_TRANSFER]]></Source></xml>")
    [event] = parse_event(moved.encode(), account="a").interactions
    assert event.kind == "other"


async def listen(wecom, adapter):
    """Serve the adapter's webhook on a real port; gives its address and what came."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    events, refused = [], []

    async def hook(incoming):
        try:
            reply = adapter.verify(
                WebhookRequest(
                    method=incoming.method,
                    path=incoming.url.path,
                    query=dict(incoming.query_params),
                    headers=dict(incoming.headers),
                    body=await incoming.body(),
                    received_at=wecom.clock.now(),
                )
            )
        except VerificationFailed as error:
            refused.append(str(error))
            return Response(status_code=403)
        events.extend(reply.events)
        return Response(reply.body, reply.status)

    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Starlette(routes=[Route("/hook", hook, methods=["GET", "POST"])]),
        log_config=None,
        lifespan="off",
        ws="none",
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[sock])

    async def stop():
        server.should_exit = True
        await server.shutdown(sockets=[sock])

    wecom.stack.push_async_callback(stop)
    return f"http://127.0.0.1:{sock.getsockname()[1]}/hook", events, refused


async def test_the_sandbox_checks_the_address_then_sends_signed_and_encrypted(start_wecom):
    wecom = await start_wecom(mode="customer")
    customer = await wecom.adapter("customer")
    url, events, refused = await listen(wecom, customer)
    assert await wecom.sandbox.register_callback(url)
    chat = next(iter(wecom.sandbox.world.groups))
    wecom.sandbox.join(chat, Person(id="p", name="甲"))
    wecom.sandbox.join("customers", Person(id="p", name="甲"))
    await wecom.sandbox.callbacks.drain()
    found = [i for raw in events for i in customer.parse(raw).interactions]
    assert [(i.kind.value, i.channel, i.account) for i in found] == [
        ("join", chat, "my_customer"),
        ("join", "customers", "my_customer"),
    ]
    assert refused == []
    await customer.welcome(found[1], Piece(text="欢迎"))
    assert len(wecom.sandbox.world.welcomed) == 1


async def test_changes_made_through_the_api_send_nothing(start_wecom):
    wecom = await start_wecom(mode="customer")
    customer = await wecom.adapter("customer")
    url, events, _ = await listen(wecom, customer)
    wecom.sandbox.callbacks.url = url
    await customer.create_invite("customers", name="x")
    await customer.customers.add_tags("g", ["t"])
    await wecom.sandbox.callbacks.drain()
    assert events == []


async def test_members_write_to_the_application_and_duplicates_keep_their_id(wecom):
    app = await wecom.adapter("app")
    url, events, _ = await listen(wecom, app)
    wecom.sandbox.callbacks.url = url
    assert isinstance(wecom.server.faults, SeededFaults)
    wecom.server.faults.set([FaultRule(FaultKind.DUPLICATE_EVENT, times=1)])
    number = wecom.sandbox.say("user:lin", Person(id="lin", name="小林"), "打卡 ]]> <b>")
    wecom.sandbox.join("party:2", Person(id="new", name="新人"))
    wecom.sandbox.leave("party:2", Person(id="new", name="新人"))
    await wecom.sandbox.callbacks.drain()
    assert [raw.event_id for raw in events[:2]] == [f"msg:{number}"] * 2
    found = [app.parse(raw).interactions[0] for raw in events[1:]]
    assert [(i.kind.value, i.channel) for i in found] == [
        ("message", "@all/user:lin"),
        ("join", "@all/party:2"),
        ("leave", "@all/party:2"),
    ]
    assert (found[0].text, found[0].thread) == ("打卡 ]]> <b>", "user:lin")
    # an answer into the channel of what was said reaches that member only
    await app.publish(found[0].channel, Piece(text="收到"), idempotency_key="k")
    assert wecom.sandbox.messages("user:lin")[0].text == "收到"
    assert wecom.sandbox.messages("@all") == []


def test_joins_count_in_the_channel_that_the_settings_name():
    data = (FIXTURES / "events" / "ChangeContactEvent_CreateUser.xml").read_bytes()
    channels = [
        parse_event(data, account="a", home=home).interactions[0].channel
        for home in ("@all", "party:1", "party:2")
    ]
    assert channels == ["@all/party:1", "party:1", "party:1"]


async def test_pictures_that_members_send_to_the_application_can_be_loaded(wecom):
    app = await wecom.adapter("app")
    url, events, _ = await listen(wecom, app)
    wecom.sandbox.callbacks.url = url
    picture = b"\xff\xd8\xff" + bytes(500)
    wecom.sandbox.show("user:lin", Person(id="lin", name="小林"), picture, "看看这个")
    await wecom.sandbox.callbacks.drain()
    shown, said = (app.parse(raw).interactions[0] for raw in events)
    assert (shown.text, shown.attrs["type"], said.text) == ("", "image", "看看这个")
    (name,) = shown.attrs["pictures"]
    assert "pictures" not in said.attrs
    assert app.manifest.supports(Capability.PICTURES)
    assert await app.load_picture(name, most_bytes=1000) == picture
    with pytest.raises(InvalidContent, match="more than 100"):
        await app.load_picture(name, most_bytes=100)
    wecom.clock.advance(timedelta(days=4))
    with pytest.raises(InvalidContent):
        await app.load_picture(name, most_bytes=1000)


async def test_callbacks_are_tried_three_times(wecom):
    app = await wecom.adapter("app", secrets={"callback_token": "another-token"})
    url, events, refused = await listen(wecom, app)
    assert not await wecom.sandbox.register_callback(url)
    wecom.sandbox.callbacks.url = url
    wecom.sandbox.say("user:lin", Person(id="lin", name="小林"), "hi")
    await wecom.sandbox.callbacks.drain()
    assert (len(events), len(refused), len(wecom.sandbox.callbacks.failed)) == (0, 4, 1)


async def test_the_address_can_be_set_over_http(start_wecom):
    import httpx

    wecom = await start_wecom(mode="customer")
    customer = await wecom.adapter("customer")
    url, events, _ = await listen(wecom, customer)
    control = wecom.sandbox.describe()["callback_control"]
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.post(control, json={"url": url})).json()["ok"]
        wecom.sandbox.join("customers", Person(id="p", name="甲"))
        await wecom.sandbox.callbacks.drain()
        assert (await http.get(control)).json()["delivered"] == len(events) == 1
        for bad in ("{", "[]", json.dumps({"url": url + "x"}), json.dumps({"url": "http://example.com/"})):
            assert (await http.post(control, content=bad)).status_code == 400
    assert wecom.sandbox.callbacks.url == url
