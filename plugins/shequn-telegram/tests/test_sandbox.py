"""The Bot API server, seen from outside over real HTTP."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import FaultKind, FaultRule, SandboxServer
from shequn_telegram.manifest import ALLOWED_UPDATES
from shequn_telegram.sandbox.calls import METHODS, Call
from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import Refused

from .conftest import HAN, LI, NEW, NOW, Place, tg_specs


class Raw:
    """A client that knows nothing."""

    def __init__(self, place: Place, http: httpx.AsyncClient) -> None:
        self.place = place
        self.http = http
        described = place.sandbox.describe()
        self.base, self.token = described["base_url"], described["token"]

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        response = await self.http.post(f"{self.base}/bot{self.token}/{method}", json=params)
        body = response.json()
        assert response.headers["content-type"] == "application/json"
        assert body["ok"] is (response.status_code == 200)
        assert body.get("error_code", 200) == response.status_code
        return body

    async def refused(self, method: str, **params: Any) -> str:
        body = await self.call(method, **params)
        assert body["ok"] is False, body
        return body["description"]

    async def result(self, method: str, **params: Any) -> Any:
        body = await self.call(method, **params)
        assert body["ok"], body
        return body["result"]


@pytest.fixture
async def tg_raw(tg: Place) -> AsyncIterator[Raw]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield Raw(tg, http)


async def test_four_parameter_styles_and_both_verbs(tg_raw: Raw):
    url = f"{tg_raw.base}/bot{tg_raw.token}/SENDmessage"
    nested = {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
    flat = {
        "chat_id": tg_raw.place.group,
        "text": "嗨",
        "reply_markup": json.dumps(nested),
        "disable_notification": "true",
    }
    answers = [
        await tg_raw.http.get(url, params=flat),
        await tg_raw.http.post(url, params=flat),
        await tg_raw.http.post(url, data=flat),
        await tg_raw.http.post(url, json={**flat, "chat_id": int(flat["chat_id"]), "reply_markup": nested}),
        await tg_raw.http.post(url, data=flat, files={"unused": ("a", b"b")}),
        await tg_raw.http.post(
            url, params=flat, content=b"", headers={"content-type": "application/octet-stream"}
        ),
        await tg_raw.http.post(
            url, params=flat, content=b"junk", headers={"content-type": "application/octet-stream"}
        ),
    ]
    for answer in answers:
        result = answer.json()["result"]
        assert (result["text"], result["reply_markup"]) == ("嗨", nested)
        assert result["date"] == int(NOW.timestamp())
        assert None not in result.values()
    ids = [answer.json()["result"]["message_id"] for answer in answers]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/bot0123:abc/getMe", 401, "Unauthorized: invalid token specified"),
        ("/botabc/getMe", 401, "Unauthorized: invalid token specified"),
        ("/bot99999999999999999:abc/getMe", 401, "Unauthorized: invalid token specified"),
        (f"/bot1:{'x' * 90}/getMe", 401, "Unauthorized: invalid token specified"),
        ("/bot7000000001:wrong/getMe", 401, "Unauthorized"),
        ("/nothing", 404, "Not Found"),
        ("/bot{token}/fly", 404, "Not Found: method not found"),
        ("/bot{token}/", 404, "Not Found"),
        ("/file/bot{token}/none.jpg", 404, "Not Found"),
    ],
)
async def test_paths_and_tokens(tg_raw: Raw, path: str, status: int, text: str):
    answer = await tg_raw.http.get(tg_raw.base + path.replace("{token}", tg_raw.token))
    assert answer.json() == {"ok": False, "error_code": status, "description": text}
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("mode", "text", "plain", "entities"),
    [
        ("HTML", "<b>a<i>👍</i></b>&lt;&#x4e2d;", "a👍<中", [("bold", 0, 3), ("italic", 1, 2)]),
        ("html", '<a href="https://e.org">l</a> <span class="tg-spoiler">s</span>', "l s", [("text_link", 0, 1), ("spoiler", 2, 1)]),
        ("HTML", '<pre><code class="language-py">x = 1</code></pre>', "x = 1", [("pre", 0, 5)]),
        ("HTML", "<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1)]),
        ("MarkdownV2", "*b _i_* __u__ ~s~ ||p||", "b i u s p", [("bold", 0, 3), ("italic", 2, 1), ("underline", 4, 1), ("strikethrough", 6, 1), ("spoiler", 8, 1)]),
        ("MarkdownV2", "`c\\`d` [l\\.](https://e.org/a\\)b)", "c`d l.", [("code", 0, 3), ("text_link", 4, 2)]),
        ("MarkdownV2", "```py\nx\n```", "x", [("pre", 0, 1)]),
        ("MarkdownV2", ">q1\n>q2\nend", "q1\nq2\nend", [("blockquote", 0, 5)]),
        ("Markdown", "*b* _i_ `c` [l](https://e.org) a\\_b", "b i c l a_b", [("bold", 0, 1), ("italic", 2, 1), ("code", 4, 1), ("text_link", 6, 1)]),
        ("", "#话题 @li_sandbox /go https://e.org/x.", "#话题 @li_sandbox /go https://e.org/x.", [("hashtag", 0, 3), ("mention", 4, 11), ("bot_command", 16, 3), ("url", 20, 15)]),
        ("", "  padded \n", "padded", []),
    ],
)  # fmt: skip
async def test_parse_modes(
    tg_raw: Raw, mode: str, text: str, plain: str, entities: list[tuple[str, int, int]]
):
    result = await tg_raw.result("sendMessage", chat_id=tg_raw.place.group, text=text, parse_mode=mode)
    assert result["text"] == plain
    assert [(e["type"], e["offset"], e["length"]) for e in result.get("entities", [])] == entities


@pytest.mark.parametrize(
    ("mode", "text", "error"),
    [
        ("HTML", "a<x>", 'Unsupported start tag "x" at byte offset 1'),
        ("HTML", "中<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("HTML", "中</b>", "Unexpected end tag at byte offset 3"),
        ("HTML", "<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("MarkdownV2", "a.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("MarkdownV2", "中*a", "Can't find end of Bold entity at byte offset 3"),
        ("MarkdownV2", "a [b", "Can't find end of TextUrl entity at byte offset 2"),
        ("Markdown", "a_b", "Can't find end of the entity starting at byte offset 1"),
    ],
)
async def test_markup_errors(tg_raw: Raw, mode: str, text: str, error: str):
    said = await tg_raw.refused("sendMessage", chat_id=tg_raw.place.group, text=text, parse_mode=mode)
    assert said == f"Bad Request: can't parse entities: {error}"


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("sendMessage", {"text": "x" * 4097}, "message is too long"),
        ("sendMessage", {"text": "  "}, "message text is empty"),
        ("sendMessage", {"text": "x", "chat_id": ""}, "chat_id is empty"),
        ("sendMessage", {"text": "x", "chat_id": "-1"}, "chat not found"),
        ("sendMessage", {"text": "x", "chat_id": "@nobody_here"}, "chat not found"),
        ("sendMessage", {"text": "x", "message_thread_id": 77}, "message thread not found"),
        ("sendMessage", {"text": "x", "parse_mode": "bb"}, "unsupported parse_mode"),
        ("sendMessage", {"text": "👍", "entities": [{"type": "bold", "offset": 1, "length": 1}]},
         "entity begins in a middle of a UTF-16 symbol at byte offset 0"),
        ("sendMessage", {"text": "x", "reply_parameters": {"message_id": 777}}, "message to be replied not found"),
        ("sendMessage", {"text": "x", "reply_markup": "{"}, "can't parse reply keyboard markup JSON object"),
        ("sendMessage", {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "中" * 22}]]}}, "BUTTON_DATA_INVALID"),
        ("sendMessage", {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}},
         "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
        ("sendPhoto", {"photo": "no-such-id"}, "wrong file identifier/HTTP URL specified"),
        ("sendPhoto", {}, "there is no photo in the request"),
        ("sendPoll", {"question": "x" * 301, "options": ["a", "b"]}, "poll question length must not exceed 300"),
        ("sendPoll", {"question": "x", "options": ["a" * 101]}, "poll options length must not exceed 100"),
        ("sendPoll", {"question": "x", "options": list("abcdefghijklm")}, "poll can't have more than 12 options"),
        ("sendMediaGroup", {"media": [{"type": "photo", "media": "https://e.org/a.jpg"}]}, "too few messages to send as an album"),
        ("editMessageText", {"message_id": 777, "text": "x"}, "message to edit not found"),
        ("deleteMessage", {"message_id": 777}, "message to delete not found"),
        ("pinChatMessage", {"message_id": 777}, "message to pin not found"),
        ("setMessageReaction", {"message_id": 777}, "message to react not found"),
        ("stopPoll", {"message_id": 777}, "message with poll to stop not found"),
        ("createForumTopic", {"name": "x"}, "the chat is not a forum"),
        ("approveChatJoinRequest", {"user_id": 5}, "user not found"),
        ("answerCallbackQuery", {"callback_query_id": "1"}, "query is too old and response timeout expired or query ID is invalid"),
        ("getFile", {"file_id": "x"}, "invalid file_id"),
        ("createChatInviteLink", {"name": "x" * 33}, "INVITE_TITLE_TOO_LONG"),
        ("setWebhook", {"url": "hello"}, "invalid webhook URL specified"),
        ("setWebhook", {"url": "https://e.org", "secret_token": "x y"}, "secret token contains unallowed characters"),
    ],
)  # fmt: skip
async def test_refusals(tg_raw: Raw, method: str, params: dict[str, Any], error: str):
    assert (
        await tg_raw.refused(method, **{"chat_id": tg_raw.place.group, **params}) == f"Bad Request: {error}"
    )


async def test_limits_at_their_boundary(tg_raw: Raw):
    group = tg_raw.place.group
    assert len((await tg_raw.result("sendMessage", chat_id=group, text="👍" * 4096))["text"]) == 4096
    photo = "https://e.org/a.jpg"
    assert await tg_raw.result("sendPhoto", chat_id=group, photo=photo, caption="中" * 1024)
    assert "caption is too long" in await tg_raw.refused(
        "sendPhoto", chat_id=group, photo=photo, caption="中" * 1025
    )
    assert (
        "caption is too long"
        not in (
            await tg_raw.result(
                "sendPhoto", chat_id=group, photo=photo, caption=f"<b>{'中' * 1024}</b>", parse_mode="HTML"
            )
        )["caption"]
    )
    channel = tg_raw.place.channel
    refused = await tg_raw.refused(
        "sendPoll", chat_id=channel, question="q", options=["a"], is_anonymous=False
    )
    assert refused == "Bad Request: non-anonymous polls can't be sent to channel chats"


async def test_edit_unchanged(tg_raw: Raw):
    sent = await tg_raw.result("sendMessage", chat_id=tg_raw.place.group, text="a")
    at = {"chat_id": tg_raw.place.group, "message_id": sent["message_id"]}
    assert (await tg_raw.refused("editMessageText", **at, text="a")).startswith(
        "Bad Request: message is not modified: "
    )
    tg_raw.place.clock.advance(60)
    edited = await tg_raw.result("editMessageText", **at, text="b")
    assert edited["edit_date"] == edited["date"] + 60
    other = tg_raw.place.sandbox.say(tg_raw.place.group, LI, "x")
    assert (
        await tg_raw.refused("editMessageText", **{**at, "message_id": other}, text="b")
        == "Bad Request: message can't be edited"
    )


async def test_updates_are_confirmed_by_offset(tg_raw: Raw):
    place = tg_raw.place
    await tg_raw.result("getUpdates", offset=-1, allowed_updates=[])
    for number in range(5):
        place.sandbox.say(place.group, LI, str(number))
    first = await tg_raw.result("getUpdates", limit=2)
    assert [u["message"]["text"] for u in first] == ["0", "1"]
    assert [u["message"]["text"] for u in await tg_raw.result("getUpdates", limit=0)] == [
        "0"
    ]  # clamped to 1..100
    ids = [u["update_id"] for u in await tg_raw.result("getUpdates")]
    assert ids == list(range(ids[0], ids[0] + 5))
    after = await tg_raw.result("getUpdates", offset=ids[2])
    assert [u["update_id"] for u in after] == ids[2:]
    assert [u["update_id"] for u in await tg_raw.result("getUpdates", offset=-1)] == ids[-1:]
    assert [u["update_id"] for u in await tg_raw.result("getUpdates")] == ids[-1:]
    assert await tg_raw.result("getUpdates", offset=ids[-1] + 1) == []


async def test_allowed_updates_persist_and_leave_members_out_by_default(tg_raw: Raw):
    place = tg_raw.place
    await tg_raw.result("getUpdates", offset=-1, allowed_updates=[])
    place.sandbox.join(place.group, NEW)
    said = place.sandbox.say(place.group, NEW, "x")
    place.sandbox.react(place.group, LI, said, "👍")
    updates = await tg_raw.result("getUpdates")
    assert [next(k for k in u if k != "update_id") for u in updates] == ["message", "message"]
    await tg_raw.result(
        "getUpdates",
        offset=updates[-1]["update_id"] + 1,
        allowed_updates='["chat_member","message_reaction","nonsense"]',
    )
    await tg_raw.result("getUpdates")
    place.sandbox.leave(place.group, NEW)
    place.sandbox.react(place.group, LI, said, "🔥")
    kinds = [next(k for k in u if k != "update_id") for u in await tg_raw.result("getUpdates")]
    assert kinds == ["chat_member", "message_reaction"]


async def test_only_administrators_hear_members_and_privacy_hides_messages(tg_raw: Raw):
    place = tg_raw.place
    place.sandbox.set_rights(place.group, status="member")
    await tg_raw.result("getUpdates", offset=-1, allowed_updates=list(ALLOWED_UPDATES))
    place.sandbox.join(place.group, NEW)
    place.sandbox.say(place.group, LI, "between us")
    place.sandbox.say(place.group, LI, "/help")
    place.sandbox.say(place.group, LI, "/help@another_bot")
    texts = [u["message"].get("text", "joined") for u in await tg_raw.result("getUpdates")]
    assert texts == ["joined", "/help"]


async def test_a_second_poll_ends_the_first(tg_raw: Raw):
    queue = tg_raw.place.sandbox.bot.queue
    first = asyncio.create_task(tg_raw.refused("getUpdates", timeout=50))
    while (waiting := queue._poll) is None:  # noqa: ASYNC110 - watches a state
        await asyncio.sleep(0.01)
    second = asyncio.create_task(tg_raw.result("getUpdates", timeout=50))
    assert (await first).startswith("Conflict: terminated by other getUpdates request; make sure")
    while queue._poll in {None, waiting}:  # noqa: ASYNC110 - watches a state
        await asyncio.sleep(0.01)
    tg_raw.place.sandbox.say(tg_raw.place.group, LI, "now")
    assert [u["message"]["text"] for u in await second] == ["now"]


async def test_webhook_is_delivered_retried_and_excludes_polling(tg_raw: Raw):
    place = tg_raw.place
    got: list[tuple[bytes, bytes]] = []
    statuses = [500, 200, 200]
    arrived = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        got.append((head.lower(), await reader.readexactly(length)))
        status = statuses.pop(0)
        body = json.dumps(
            {"method": "sendMessage", "chat_id": place.group, "text": "from the answer"}
        ).encode()
        writer.write(
            b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body)) + body
        )
        await writer.drain()
        writer.close()
        if len(got) == 2:
            arrived.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await tg_raw.call("setWebhook", url=f"http://127.0.0.1:{port}/hook", secret_token="abc-1")
    assert answer["description"] == "Webhook was set"
    assert "can't use getUpdates method while webhook is active" in await tg_raw.refused("getUpdates")
    place.sandbox.say(place.group, LI, "hello")
    async with asyncio.timeout(300):
        await arrived.wait()
    assert got[0][1] == got[1][1]
    assert b"x-telegram-bot-api-secret-token: abc-1" in got[0][0]
    assert json.loads(got[0][1])["message"]["text"] == "hello"
    async with asyncio.timeout(300):
        while place.sandbox.messages(place.group)[0].text != "from the answer":  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)
    info = await tg_raw.result("getWebhookInfo")
    assert info["url"].endswith("/hook")
    assert "500" in info["last_error_message"]
    assert (await tg_raw.call("deleteWebhook"))["description"] == "Webhook was deleted"
    assert (await tg_raw.call("deleteWebhook"))["description"] == "Webhook is already deleted"
    assert (await tg_raw.result("getWebhookInfo"))["url"] == ""
    server.close()


async def test_rights(tg_raw: Raw):
    place = tg_raw.place
    li, han = place.sandbox.member_id(LI), place.sandbox.member_id(HAN)
    group = {"chat_id": place.group}
    assert (
        await tg_raw.refused("banChatMember", **group, user_id=li) == "Bad Request: can't remove chat owner"
    )
    place.sandbox.set_rights(place.group, "can_pin_messages")
    assert "not enough rights to restrict/unrestrict" in await tg_raw.refused(
        "banChatMember", **group, user_id=han
    )
    assert "manage chat invite link" in await tg_raw.refused("createChatInviteLink", **group)
    said = place.sandbox.say(place.group, HAN, "x")
    assert "message can't be deleted" in await tg_raw.refused("deleteMessage", **group, message_id=said)
    assert await tg_raw.result("pinChatMessage", **group, message_id=said)
    assert "CHAT_ADMIN_REQUIRED" in await tg_raw.refused(
        "promoteChatMember", **group, user_id=han, can_pin_messages=True
    )
    place.sandbox.set_rights(place.channel, status="member")
    assert "need administrator rights in the channel chat" in await tg_raw.refused(
        "sendMessage", chat_id=place.channel, text="x"
    )
    place.sandbox.set_rights(place.group, status="restricted")
    assert "not enough rights to send text messages to the chat" in await tg_raw.refused(
        "sendMessage", **group, text="x"
    )
    place.sandbox.set_rights(place.group, status="kicked")
    assert (
        await tg_raw.refused("sendMessage", **group, text="x")
        == "Forbidden: bot was kicked from the supergroup chat"
    )
    place.sandbox.set_rights(place.group, status="left")
    assert (
        await tg_raw.refused("sendMessage", **group, text="x")
        == "Forbidden: bot is not a member of the supergroup chat"
    )


@pytest.mark.parametrize("tg", [{"strict_limits": True}], indirect=True)
async def test_strict_limits_follow_the_clock(tg_raw: Raw):
    place = tg_raw.place
    send = {"chat_id": place.group, "text": "x"}
    for _ in range(3):
        await tg_raw.result("sendMessage", **send)
    response = await tg_raw.http.post(f"{tg_raw.base}/bot{tg_raw.token}/sendMessage", json=send)
    body = response.json()
    wait = body["parameters"]["retry_after"]
    assert response.status_code == 429
    assert response.headers["retry-after"] == str(wait)
    assert body["description"] == f"Too Many Requests: retry after {wait}"
    place.clock.advance(wait)
    await tg_raw.result("sendMessage", **send)
    sent = 4
    while True:
        place.clock.advance(1)
        body = await tg_raw.call("sendMessage", **send)
        if not body["ok"]:
            break
        sent += 1
    assert sent == 20
    assert body["parameters"]["retry_after"] > 20


@pytest.mark.parametrize("tg", [{"expire_updates": True}], indirect=True)
async def test_updates_expire(tg_raw: Raw):
    place = tg_raw.place
    place.sandbox.say(place.group, LI, "old")
    place.clock.advance(timedelta(hours=25))
    place.sandbox.say(place.group, LI, "new")
    assert [u["message"]["text"] for u in await tg_raw.result("getUpdates")] == ["new"]


async def test_people_keep_to_the_rules(tg_raw: Raw):
    place = tg_raw.place
    sandbox = place.sandbox
    with pytest.raises(InvalidInput, match="no member"):
        sandbox.say(place.group, NEW, "x")
    with pytest.raises(NotSupported):
        sandbox.say(place.channel, HAN, "x")
    with pytest.raises(InvalidInput, match="no reaction"):
        sandbox.react(place.group, HAN, sandbox.say(place.group, HAN, "x"), "🦷")
    await tg_raw.result("banChatMember", chat_id=place.group, user_id=sandbox.member_id(HAN))
    with pytest.raises(InvalidInput, match="banned"):
        sandbox.join(place.group, HAN)
    link = await tg_raw.result("createChatInviteLink", chat_id=place.group, name="k", member_limit=1)
    sandbox.join(place.group, NEW, invite="k")
    with pytest.raises(InvalidInput, match="used up"):
        sandbox.join(place.group, HAN.__class__(id="z", name="z"), invite=link["invite_link"])
    with pytest.raises(NotSupported):
        sandbox.confirm(place.group, "1")


async def test_paid_membership_ends(tg_raw: Raw):
    place = tg_raw.place
    link = await tg_raw.result(
        "createChatSubscriptionInviteLink",
        chat_id=place.channel,
        subscription_period=2592000,
        subscription_price=9,
    )
    place.sandbox.join(place.channel, NEW, invite=link["invite_link"])
    who = {"chat_id": place.channel, "user_id": place.sandbox.member_id(NEW)}
    assert (await tg_raw.result("getChatMember", **who))["until_date"] == int(NOW.timestamp()) + 2592000
    place.clock.advance(timedelta(days=31))
    assert (await tg_raw.result("getChatMember", **who))["status"] == "left"


async def test_event_faults():
    async with (
        SandboxServer(tg_specs(), clock=ManualClock(NOW), seed=1) as server,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        described = server.describe()["telegram"]
        sandbox = server["telegram"]
        group = described["channels"][0]
        url = f"{described['base_url']}/bot{described['token']}/getUpdates"

        async def texts() -> list[tuple[int, str]]:
            return [(u["update_id"], u["message"]["text"]) for u in (await http.get(url)).json()["result"]]

        server.faults.set([FaultRule(FaultKind.DUPLICATE_EVENT, times=1)])
        sandbox.say(group, LI, "twice")
        (first, second) = await texts()
        assert first == second
        server.faults.set([FaultRule(FaultKind.LATE_EVENT, times=1)])
        sandbox.say(group, LI, "late")
        sandbox.say(group, LI, "early")
        assert [text for _, text in await texts()][2:] == ["early", "late"]


async def test_forwards_and_copies(tg_raw: Raw):
    place = tg_raw.place
    said = int(place.sandbox.say(place.group, LI, "原文"))
    to = {"chat_id": place.discussion, "from_chat_id": place.group}
    forwarded = await tg_raw.result("forwardMessage", **to, message_id=said)
    assert forwarded["forward_origin"]["sender_user"]["first_name"] == "李雷"
    copied = await tg_raw.result("copyMessage", **to, message_id=said)
    assert copied == {"message_id": forwarded["message_id"] + 1}
    assert len(await tg_raw.result("copyMessages", **to, message_ids=[said, said + 77])) == 1
    assert "strictly increasing" in await tg_raw.refused("copyMessages", **to, message_ids=[said, said])
    assert (
        await tg_raw.refused("forwardMessage", **to, message_id=777)
        == "Bad Request: message to forward not found"
    )


async def test_describe_and_page(tg_raw: Raw):
    described = tg_raw.place.sandbox.describe()
    assert described["base_url"].endswith("/telegram")
    assert described["secrets"]["token"] == described["token"]
    assert {c.native_id for c in tg_raw.place.sandbox.channels()} == set(described["channels"])
    made = tg_raw.place.sandbox.create_channel("新群")
    tg_raw.place.sandbox.join(made, LI)
    await tg_raw.result("sendMessage", chat_id=made, text="hello")
    shown = tg_raw.place.sandbox.messages(made)
    assert [(m.text, m.by_account) for m in shown] == [("hello", True)]
    assert tg_raw.place.sandbox.operation("POST", f"/bot{tg_raw.token}/sendMessage") == "publish"
    assert tg_raw.place.sandbox.operation("POST", f"/bot{tg_raw.token}/getUpdates") == "receive"


JUNK: list[Any] = [
    "", "x", 0, 1, -1, 10**20, 1.5, float("inf"), True, None, [], {}, [1], [[]], [{}], [None], {"a": 1}, {"type": "emoji"}, [{"type": "emoji"}],
    [{"type": "photo"}], {"inline_keyboard": [[1]]}, {"inline_keyboard": 1}, '{"a"', "[1,2]", "true", [{"text": 1}], [{"amount": "x"}],
    {"message_id": [1]}, {"chat_id": []}, [{"type": []}], [{"type": {}, "offset": 0, "length": 1}], "9" * 5000,
]  # fmt: skip
NAMES = [
    "text",
    "caption",
    "entities",
    "caption_entities",
    "parse_mode",
    "reply_markup",
    "reply_parameters",
    "media",
    "photo",
    "document",
    "question",
    "options",
    "type",
    "correct_option_ids",
    "open_period",
    "close_date",
    "explanation",
    "message_ids",
    "from_chat_id",
    "message_thread_id",
    "permissions",
    "until_date",
    "custom_title",
    "tag",
    "name",
    "expire_date",
    "member_limit",
    "subscription_price",
    "invite_link",
    "reaction",
    "commands",
    "scope",
    "prices",
    "payload",
    "title",
    "description",
    "currency",
    "file_id",
    "limit",
    "offset",
    "action",
    "emoji",
    "latitude",
    "longitude",
    "message_id",
    "user_id",
]


async def test_no_parameters_break_the_server(tg: Place):
    described = tg.sandbox.describe()
    places = [*described["channels"], described["members"][0]]
    rng = random.Random(5)
    answered = refused = 0
    for name in sorted(METHODS):
        if name == "setwebhook":
            continue
        for _ in range(120):
            values = {key: rng.choice(JUNK) for key in NAMES if rng.random() < 0.3}
            values["chat_id"] = rng.choice(places) if rng.random() < 0.9 else rng.choice(JUNK)
            if rng.random() < 0.6:
                values |= {"user_id": rng.choice(described["members"]), "message_id": rng.randint(1, 5)}
            try:
                json.dumps(
                    METHODS[name](Call(tg.sandbox.world, tg.sandbox.bot, Parameters(values))), default=repr
                )
            except Refused as error:
                answered += 1
                refused += error.status < 500
    assert answered == refused > 1000
