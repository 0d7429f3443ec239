"""A client of others, unchanged, against the sandbox: wechatpy, in its threads and with its own HTTP library."""

from __future__ import annotations

import io
import warnings

import anyio.to_thread
import pytest

from shequn_sdk.testing.sandbox import FaultKind, FaultRule, Person

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    work = pytest.importorskip("wechatpy.work", reason="wechatpy 2 is not installed")


@pytest.fixture
async def wecom(start_wecom):
    return await start_wecom(no_customers=True)


pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore")]

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64
ANNA = Person(id="p1", name="读者甲")


class LocalClient(work.WeChatClient):
    """wechatpy as it is; only the address of gettoken, which it holds as a constant, is the sandbox's."""

    def fetch_access_token(self):
        return self._fetch_access_token(
            url=f"{self.API_BASE_URL}gettoken", params={"corpid": self.corp_id, "corpsecret": self.secret}
        )


@pytest.fixture
async def client(wecom):
    account = wecom.account("customer")
    found = LocalClient(account.options["corp_id"], account.secret("corp_secret"))
    found.API_BASE_URL = f"{account.base_url}/"
    return found


run = anyio.to_thread.run_sync


async def test_wechatpy_sends_messages(wecom, client):
    agent = wecom.sandbox.describe()["agent_id"]
    answer = await run(lambda: client.message.send_text(agent, "lin", "今晚八点直播"))
    assert answer["errcode"] == 0
    assert answer["invaliduser"] == ""
    await run(lambda: client.message.send_markdown(agent, "@all", "**早安**"))
    assert wecom.sandbox.messages("user:lin")[0].native_id == answer["msgid"]
    assert wecom.sandbox.messages("@all")[0].text == "**早安**"
    uploaded = await run(lambda: client.media.upload("image", ("a.png", io.BytesIO(PNG), "image/png")))
    await run(lambda: client.message.send_image(agent, "lin", uploaded["media_id"]))
    assert wecom.sandbox.messages("user:lin")[0].attachments == 1


async def test_wechatpy_reads_the_directory(wecom, client):
    assert (await run(lambda: client.user.get("lin")))["name"] == "小林"
    assert {item["id"] for item in await run(client.department.list)} == {1, 2, 3}
    assert [item["tagname"] for item in await run(client.tag.list)] == ["核心"]
    assert (await run(lambda: client.agent.get(wecom.sandbox.describe()["agent_id"])))["name"] == "社群助手"
    assert await run(client.misc.get_wechat_ips) == ["127.0.0.1"]


async def test_wechatpy_runs_app_groups(wecom, client):
    made = await run(
        lambda: client.appchat.create(chat_id="camp1", name="训练营", owner="lin", user_list=["lin", "chen"])
    )
    assert made["chatid"] == "camp1"
    await run(lambda: client.appchat.send_text("camp1", "早"))
    await run(lambda: client.appchat.update("camp1", name="二期"))
    got = await run(lambda: client.appchat.get("camp1"))
    assert got["name"] == "二期"
    assert wecom.sandbox.messages("camp1")[0].text == "早"


async def test_wechatpy_cares_for_customers_and_groups(wecom, client):
    contact = client.external_contact
    assert (await run(contact.get_follow_user_list))["follow_user"] == ["lin", "chen"]
    way = await run(lambda: contact.add_contact_way(type=1, scene=2, state="poster-7", user=["lin"]))
    wecom.sandbox.join("customers", ANNA, invite=way["config_id"])
    [customer] = (await run(lambda: contact.list("lin")))["external_userid"]
    got = await run(lambda: contact.get(customer))
    assert got["follow_user"][0]["state"] == "poster-7"
    tags = await run(lambda: contact.add_corp_tag(None, "兴趣", 1, [{"name": "读书", "order": 1}]))
    tag = tags["tag_group"]["tag"][0]["id"]
    await run(lambda: contact.mark_tag("lin", customer, add_tag=[tag]))
    got = await run(lambda: contact.get(customer))
    assert got["follow_user"][0]["tags"][0]["tag_name"] == "读书"

    chat = next(iter(wecom.sandbox.world.groups))
    wecom.sandbox.join(chat, ANNA)
    groups = await run(client.external_contact_group_chat.list_all)
    assert [item["chat_id"] for item in groups] == [chat]
    members = (await run(lambda: client.external_contact_group_chat.get(chat)))["group_chat"]["member_list"]
    assert members[0]["userid"] == "lin"
    assert len(members) == 2


async def test_wechatpy_asks_a_member_to_send(wecom, client):
    wecom.sandbox.join("customers", ANNA)
    customer, record = next(iter(wecom.sandbox.world.customers.items()))
    [follower] = record.follows
    body = {
        "chat_type": "single",
        "external_userid": [customer],
        "sender": follower,
        "text": {"content": "本周共读开始"},
        "link": None,
    }
    answer = await run(lambda: client.external_contact.add_msg_template(body))
    wecom.sandbox.confirm("", answer["msgid"])
    result = await run(lambda: client.external_contact.get_group_msg_result(answer["msgid"]))
    assert [item["status"] for item in result["detail_list"]] == [1]


async def test_wechatpy_sees_errors_and_renews_its_token(wecom, client):
    from wechatpy.exceptions import WeChatClientException

    with pytest.raises(WeChatClientException) as caught:
        await run(lambda: client.user.get("ghost"))
    assert caught.value.errcode == 60111
    before = wecom.sandbox.tokens.calls
    wecom.sandbox.tokens.expire_now()
    await run(lambda: client.user.get("lin"))
    assert wecom.sandbox.tokens.calls == before + 1
    wecom.server.faults.set([FaultRule(FaultKind.RATE_LIMIT, times=1)])
    with pytest.raises(WeChatClientException) as limited:
        await run(lambda: client.user.get("lin"))
    assert limited.value.errcode == 45009


async def test_wechatpy_reads_what_the_sandbox_calls_back(wecom):
    from urllib.parse import parse_qsl

    from wechatpy.work import parse_message
    from wechatpy.work.crypto import WeChatCrypto

    account = wecom.account("app")
    crypto = WeChatCrypto(
        account.secret("callback_token"), account.secret("encoding_aes_key"), account.options["corp_id"]
    )
    wecom.sandbox.say("user:lin", Person(id="lin", name="小林"), "打卡")
    query, body = wecom.sandbox.callbacks.envelope(wecom.sandbox.callbacks.waiting[-1])
    parts = dict(parse_qsl(query))
    plain = crypto.decrypt_message(body.decode(), parts["msg_signature"], parts["timestamp"], parts["nonce"])
    message = parse_message(plain)
    assert (message.type, message.content, message.source) == ("text", "打卡", "lin")
    asked = dict(parse_qsl(wecom.sandbox.callbacks.check_query("123456")))
    echo = crypto.check_signature(
        asked["msg_signature"], asked["timestamp"], asked["nonce"], asked["echostr"]
    )
    assert echo == "123456"
