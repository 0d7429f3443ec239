"""Pushes in XML say what the same pushes in JSON say, and harm nobody."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qsl

import httpx
import pytest

from shequn_sdk.domain import InteractionKind
from shequn_sdk.errors import VerificationFailed
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_weibo.events import parse_event
from shequn_weibo.push import MAX_BODY, PushReceiver, sign
from shequn_weibo.wire import format_time

from .conftest import START

SECRET = "s" * 8
AT = int(START.timestamp())


def xml(*more: str, kind: str = "text", sender: str = "2000000002") -> bytes:
    head = f"<ToUserName>1000000001</ToUserName><FromUserName><![CDATA[{sender}]]></FromUserName>"
    rest = "".join(more)
    return f"<xml>{head}<CreateTime>{AT}</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>{rest}<MsgId/></xml>".encode()


def pushed(body: bytes, *, receiver: PushReceiver | None = None):
    query = {"timestamp": str(AT), "nonce": "n", "signature": sign(SECRET, str(AT), "n")}
    request = WebhookRequest("POST", "/", query, {}, body, START + timedelta(seconds=1))
    [raw] = (receiver or PushReceiver(SECRET)).verify(request).events
    return raw, parse_event(raw, account="club")


@pytest.mark.parametrize(
    ("body", "same"),
    [
        (xml("<Content><![CDATA[打卡 <b>]]></Content>"), {"type": "text", "text": "打卡 <b>"}),
        (
            xml("<MediaId>77</MediaId><PicUrl></PicUrl>", kind="image"),
            {"type": "image", "data": {"tovfid": "77"}},
        ),
        (
            xml("<Location_X>39.9</Location_X><Location_Y>116.4</Location_Y>", kind="location"),
            {"type": "position", "data": {"latitude": "39.9", "longitude": "116.4"}},
        ),
        (
            xml("<Event><![CDATA[CLICK]]></Event><EventKey>menu-1</EventKey>", kind="event"),
            {"type": "event", "data": {"subtype": "click", "key": "menu-1"}},
        ),
        (xml("<Event>follow</Event>", kind="event"), {"type": "event", "data": {"subtype": "follow"}}),
        (
            xml("<Event>subscribe</Event><EventKey>qrscene_poster-7</EventKey>", kind="event"),
            {"type": "event", "data": {"subtype": "scan_follow", "key": "poster-7"}},
        ),
        (xml("<Event>new_thing</Event>", kind="event"), {"type": "event", "data": {"subtype": "new_thing"}}),
        (xml(kind="never_heard_of"), {"type": "never_heard_of"}),
    ],
)
def test_xml_says_what_json_says(body, same):
    row = {"sender_id": 2000000002, "receiver_id": 1000000001, "created_at": format_time(START), **same}
    raw, parsed = pushed(body)
    other, expected = pushed(json.dumps(row).encode())
    assert parsed == expected
    assert raw.event_id == other.event_id


def test_what_members_write_may_hold_what_xml_may_not():
    for text in (b"a\x08b", b"a\xffb", "a\ufffeb".encode()):
        _, parsed = pushed(xml("<Content><![CDATA[?]]></Content>").replace(b"?", text))
        assert [item.text for item in parsed.interactions] == ["a\ufffdb"]
    _, parsed = pushed(b"\xef\xbb\xbf <?xml version='1.0' encoding='utf-8'?>" + xml("<Content>x</Content>"))
    assert [item.text for item in parsed.interactions] == ["x"]


LAUGHS = "".join(
    f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "ha"}{"&l0;" * 9 if n else ""}">' for n in range(9)
)


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE xml [" + LAUGHS.encode() + b"]>" + xml("<Content>&l8;</Content>"),
        b'<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + xml("<Content>&f;</Content>"),
        b'<!DOCTYPE xml SYSTEM "http://127.0.0.1:9/x.dtd">' + xml(),
        xml("<Content>&undeclared;</Content>"),
        b"<a>" * 100_000,
        b"<xml><MsgType>text</MsgType>",
        b"<",
        xml("<Content>" + "x" * MAX_BODY + "</Content>"),
    ],
    ids=["laughs", "file", "dtd", "undeclared", "depth", "cut", "sign", "size"],
)
def test_xml_that_is_built_to_harm_is_refused(body):
    with pytest.raises(VerificationFailed):
        pushed(body)


async def test_an_account_chooses_the_format_of_its_pushes(start_weibo):
    weibo = await start_weibo(fan_service=True)
    adapter = await weibo.adapter()
    told = weibo.sandbox.describe()
    async with httpx.AsyncClient(base_url=told["base_url"]) as client:
        for wanted, code in (("yaml", 10017), ("", 10016), ("xml", None)):
            form = {"access_token": told["secrets"]["fan_token"], "format": wanted}
            answer = await client.post("/eps/push/set_format.json", data=form)
            assert answer.json().get("error_code") == code
    weibo.sandbox.join(weibo.uid, weibo.person())
    channel = await adapter.direct_channel(weibo.sandbox.member_id(weibo.person()))
    weibo.sandbox.say(channel, weibo.person(), "打卡 ]]> & <xml>")
    heard = []
    for body in weibo.sandbox.fans.waiting:
        assert body.startswith(b"<xml>")
        query = dict(parse_qsl(weibo.sandbox.fans.query()))
        reply = adapter.verify(WebhookRequest("POST", "/", query, {}, body, weibo.clock.now()))
        heard += [item for raw in reply.events for item in adapter.parse(raw).interactions]
    assert [(item.kind, item.text) for item in heard] == [
        (InteractionKind.FOLLOW, ""),
        (InteractionKind.MESSAGE, "打卡 ]]> & <xml>"),
    ]
