"""Methods that the adapter does not need, called as any other client may, by the signatures of the Bot API alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from .conftest import HAN, LI, Place


class Client:
    """Sends JSON, or a form when there are files."""

    def __init__(self, place: Place, http: httpx.AsyncClient) -> None:
        described = place.sandbox.describe()
        self.place, self._http = place, http
        self._base = f"{described['base_url']}/bot{described['token']}"

    async def __call__(self, method: str, files: Any = None, **params: Any) -> Any:
        if files:
            data = {
                name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()
            }
            answer = await self._http.post(f"{self._base}/{method}", data=data, files=files)
        else:
            answer = await self._http.post(f"{self._base}/{method}", json=params)
        body = answer.json()
        return body["result"] if body["ok"] else body["description"].removeprefix("Bad Request: ")

    async def user(self, person: Any, chat: str) -> int:
        self.place.sandbox.join(chat, person)
        self.place.sandbox.say(chat, person, "hi")
        told = [one["message"] for one in await self("getUpdates") if "message" in one]
        return told[-1]["from"]["id"]


@pytest.fixture
async def bot(tg: Place) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield Client(tg, http)


@pytest.mark.parametrize("name", ["document", "video", "audio", "voice", "animation", "sticker"])
async def test_files_by_upload_by_id_and_by_address(bot: Client, name: str):
    method, chat = f"send{name.title()}", bot.place.group
    sent = await bot(method, chat_id=chat, files={name: ("a.bin", b"x" * 50)})
    again = await bot(method, chat_id=chat, **{name: sent[name]["file_id"]})
    assert again[name]["file_unique_id"] == sent[name]["file_unique_id"]
    assert name in await bot(method, chat_id=chat, **{name: "https://example.com/a.bin"})
    assert await bot(method, chat_id=chat) == f"there is no {name} in the request"


async def test_places_people_and_dice(bot: Client):
    chat = bot.place.group
    place = {"latitude": 39.9, "longitude": 116.4}
    assert (await bot("sendLocation", chat_id=chat, **place))["location"] == place
    assert await bot("sendLocation", chat_id=chat, latitude=99, longitude=0) == "wrong location specified"
    assert "must be numbers" in await bot("sendLocation", chat_id=chat)
    venue = await bot("sendVenue", chat_id=chat, **place, title="书店", address="路 1 号")
    assert venue["venue"] == {"location": place, "title": "书店", "address": "路 1 号"}
    assert await bot("sendVenue", chat_id=chat, **place) == 'parameter "title" is required'
    contact = await bot("sendContact", chat_id=chat, phone_number="+861", first_name="x")
    assert contact["contact"] == {"phone_number": "+861", "first_name": "x"}
    assert await bot("sendContact", chat_id=chat, phone_number="+861") == 'parameter "first_name" is required'
    assert (await bot("sendDice", chat_id=chat, emoji="🏀"))["dice"]["emoji"] == "🏀"
    assert await bot("sendDice", chat_id=chat, emoji="x") == "wrong dice emoji specified"


@pytest.mark.parametrize("action", ["typing", "upload_document", "record_video_note", "find_location"])
async def test_actions_that_there_are(bot: Client, action: str):
    assert await bot("sendChatAction", chat_id=bot.place.group, action=action) is True


@pytest.mark.parametrize("action", ["dancing", "", "record_document"])
async def test_actions_that_there_are_not(bot: Client, action: str):
    assert (
        await bot("sendChatAction", chat_id=bot.place.group, action=action)
        == "wrong parameter action in request"
    )


async def test_the_topic_that_every_forum_has(bot: Client):
    chat = bot.place.forum
    for method, results in (
        ("closeGeneralForumTopic", (True, "TOPIC_NOT_MODIFIED")),
        ("reopenGeneralForumTopic", (True, "TOPIC_NOT_MODIFIED")),
        ("hideGeneralForumTopic", (True, "TOPIC_NOT_MODIFIED")),
        ("closeGeneralForumTopic", ("TOPIC_NOT_MODIFIED",)),
        ("unhideGeneralForumTopic", (True, "TOPIC_NOT_MODIFIED")),
        ("reopenGeneralForumTopic", (True,)),
    ):
        for result in results:
            assert await bot(method, chat_id=chat) == result, method
    assert await bot("editGeneralForumTopic", chat_id=chat, name="大厅") is True
    assert await bot("editGeneralForumTopic", chat_id=chat, name="大厅") == "TOPIC_NOT_MODIFIED"
    assert await bot("editGeneralForumTopic", chat_id=chat, name=" ") == "TOPIC_NAME_EMPTY"
    assert await bot("closeGeneralForumTopic", chat_id=bot.place.group) == "the chat is not a forum"


async def test_pins_of_the_general_topic_only(bot: Client):
    chat = bot.place.forum
    topic = (await bot("createForumTopic", chat_id=chat, name="读书"))["message_thread_id"]
    inside = await bot("sendMessage", chat_id=chat, message_thread_id=topic, text="a")
    outside = await bot("sendMessage", chat_id=chat, text="b")
    for message in (inside, outside):
        assert await bot("pinChatMessage", chat_id=chat, message_id=message["message_id"]) is True
    assert await bot("unpinAllGeneralForumTopicMessages", chat_id=chat) is True
    assert (await bot("getChat", chat_id=chat))["pinned_message"]["text"] == "a"
    assert await bot("unpinAllForumTopicMessages", chat_id=chat, message_thread_id=topic) is True
    assert "pinned_message" not in await bot("getChat", chat_id=chat)


async def test_titles_of_administrators(bot: Client):
    chat = bot.place.group
    await bot.user(LI, chat)
    number = await bot.user(HAN, chat)
    title = {"chat_id": chat, "user_id": number, "custom_title": "班长"}
    assert await bot("setChatAdministratorCustomTitle", **title) == "user is not an administrator"
    assert await bot("promoteChatMember", chat_id=chat, user_id=number, can_pin_messages=True) is True
    assert await bot("setChatAdministratorCustomTitle", **title) is True
    assert (await bot("getChatMember", chat_id=chat, user_id=number))["custom_title"] == "班长"
    assert await bot("unbanChatMember", chat_id=chat, user_id=number, only_if_banned=True) is True
    assert (await bot("getChatMember", chat_id=chat, user_id=number))["status"] == "administrator"


async def test_strangers_have_no_pictures(bot: Client):
    number = await bot.user(LI, bot.place.group)
    assert await bot("getUserProfilePhotos", user_id=number) == {"total_count": 0, "photos": []}
    assert await bot("getUserProfilePhotos", user_id=5) == "user not found"
    assert await bot("getUserProfilePhotos") == "invalid user_id specified"
    assert await bot("getUserChatBoosts", chat_id=bot.place.channel, user_id=number) == {"boosts": []}


async def test_links_are_changed_and_revoked(bot: Client):
    chat = bot.place.group
    first = await bot("exportChatInviteLink", chat_id=chat)
    assert first != await bot("exportChatInviteLink", chat_id=chat), "the primary link is a new one each time"
    link = (await bot("createChatInviteLink", chat_id=chat, name="n", member_limit=5))["invite_link"]
    changed = await bot("editChatInviteLink", chat_id=chat, invite_link=link, name="m")
    assert (changed["name"], "member_limit" in changed) == ("m", False)
    assert (await bot("revokeChatInviteLink", chat_id=chat, invite_link=link))["is_revoked"] is True
    assert (
        await bot("editChatInviteLink", chat_id=chat, invite_link="https://t.me/+no", name="m")
        == "INVITE_HASH_EXPIRED"
    )
    number = await bot.user(LI, chat)
    assert await bot("declineChatJoinRequest", chat_id=chat, user_id=number) == "USER_ALREADY_PARTICIPANT"


async def test_commands_by_scope_and_language(bot: Client):
    scope = {"scope": {"type": "chat", "chat_id": int(bot.place.group)}, "language_code": "zh"}
    commands = [{"command": "start", "description": "开始"}]
    assert await bot("setMyCommands", commands=commands, **scope) is True
    assert await bot("getMyCommands", **scope) == commands
    assert await bot("getMyCommands") == []
    assert await bot("deleteMyCommands", **scope) is True
    assert await bot("getMyCommands", **scope) == []
    wrong = [{"command": "Start!", "description": "s"}]
    assert await bot("setMyCommands", commands=wrong) == "BOT_COMMAND_INVALID"
