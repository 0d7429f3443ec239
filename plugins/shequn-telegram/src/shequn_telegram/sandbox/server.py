"""The sandbox itself: the ASGI application and what the runtime asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from shequn_sdk.errors import InvalidInput
from shequn_sdk.testing.sandbox import BaseSandbox, Person, SandboxChannel, SandboxContext, SandboxMessage
from shequn_telegram.sandbox import account, change, chats, copies, members, polls
from shequn_telegram.sandbox import send as sending
from shequn_telegram.sandbox.calls import METHODS, Call, Described
from shequn_telegram.sandbox.parameters import Parameters, read_parameters
from shequn_telegram.sandbox.people import People
from shequn_telegram.sandbox.refusal import Refused
from shequn_telegram.sandbox.state import Chat, Member, Stored, User
from shequn_telegram.sandbox.updates import UpdateQueue, encode
from shequn_telegram.sandbox.world import Bot, World

__all__ = ["TelegramSandbox"]

METHOD_MODULES = (account, change, chats, copies, members, polls, sending)
"""Importing them fills `METHODS`."""

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_BOT_ID = 7_000_000_001
_TOKEN = "7000000001:AAE-sandbox-token-for-local-tests-0"  # noqa: S105 - opens nothing but this sandbox
_WEBHOOK_SECRET = "sandbox-webhook-secret"  # noqa: S105 - as above
_PEOPLE = (("li", "李雷"), ("han", "韩梅梅"), ("wang", "王芳"), ("zhang", "张伟"), ("liu", "刘洋"))
_PUBLISHING = ("send", "forward", "copy")
_MODERATING = frozenset(
    {"banchatmember", "unbanchatmember", "restrictchatmember", "promotechatmember", "kickchatmember"}
)
_NO_ANSWER = frozenset({"setwebhook", "deletewebhook", "close", "logout"})
_KINDS = {
    "group": "supergroup",
    "supergroup": "supergroup",
    "basic_group": "group",
    "channel": "channel",
    "broadcast": "channel",
    "forum": "forum",
}


class TelegramSandbox(BaseSandbox):
    """A Bot API server.

    Options: `strict_limits` (answer 429 by the published limits), `expire_updates` (drop updates after 24 h, buttons
    after 150 s), `privacy` (the bot's privacy mode, on by default), `token`, and `bots` (further bots: token to username).
    """

    platform = "telegram"

    def __init__(self, context: SandboxContext) -> None:
        super().__init__(context)
        self.app = self._serve
        self.world = World(context)
        self.people_acts = People(self.world)
        options = context.options
        token = str(options.get("token", _TOKEN))
        self._token = token
        self._privacy = bool(options.get("privacy", True))
        self.add_bot(token, "shequn_bot", "社群助手")
        for extra, username in dict(options.get("bots", {})).items():
            self.add_bot(str(extra), str(username), str(username))
        self._furnish()

    def add_bot(self, token: str, username: str, name: str) -> Bot:
        """Make a bot."""
        user = User(int(token.partition(":")[0]), name, username=username, is_bot=True)
        bot = Bot(token, user, UpdateQueue(self.context), privacy=self._privacy)
        bot.queue.tick = self.world.tick
        bot.queue.answered = lambda body: self._answered(bot, body)
        self.world.bots[token] = bot
        self.world.users[user.id] = user
        return bot

    @property
    def bot(self) -> Bot:
        """The bot of the account under test."""
        return self.world.bots[self._token]

    def _furnish(self) -> None:
        """Make the places and people that are there from the start."""
        world = self.world
        people = [self._user(Person(id=key, name=name, username=f"{key}_sandbox")) for key, name in _PEOPLE]
        self._places = {
            "supergroup": world.make_chat("读书会", "supergroup"),
            "group": world.make_chat("小组", "group"),
            "channel": world.make_chat("公告", "channel", username="shequn_news"),
            "forum": world.make_chat("论坛", "forum"),
            "discussion": world.make_chat("公告讨论", "supergroup"),
        }
        channel, discussion = self._places["channel"], self._places["discussion"]
        channel.linked, discussion.linked = discussion.id, channel.id
        for chat in self._places.values():
            world.put(chat, Member(people[0], "creator"))
            for user in people[1:]:
                world.put(chat, Member(user))
        world.private(people[0]).started = True

    # what the runtime asks

    def describe(self) -> dict[str, Any]:
        """Give token, webhook secret, channels (supergroup first) and members."""
        known = [
            self.member_id(Person(id=key, name=name, username=f"{key}_sandbox")) for key, name in _PEOPLE
        ]
        return {
            "base_url": self.context.base_url,
            "token": self._token,
            "secrets": {"token": self._token, "webhook_secret": _WEBHOOK_SECRET},
            "options": {},
            "bot_id": str(self.bot.user.id),
            "channels": [str(chat.id) for chat in self._places.values()],
            "named_channels": {name: str(chat.id) for name, chat in self._places.items()},
            "members": known,
        }

    async def stop(self) -> None:
        """End waiting requests and webhook deliveries."""
        for bot in self.world.bots.values():
            await bot.queue.stop()

    def operation(self, method: str, path: str) -> str:
        """Give `publish`, `edit`, `delete`, `react`, `receive`, `moderate`, `read`, or the method's own name."""
        name = path.rpartition("/")[2].lower()
        if name == "getupdates":
            return "receive"
        if name.startswith(_PUBLISHING) and name != "sendchataction":
            return "publish"
        if name.startswith("editmessage"):
            return "edit"
        if name.startswith("deletemessage"):
            return "delete"
        if name == "setmessagereaction":
            return "react"
        if name in _MODERATING:
            return "moderate"
        return "read" if name.startswith("get") else name

    def rate_limited(self, retry_after: float) -> tuple[int, Mapping[str, str], bytes]:
        """Give the 429, with the seconds in body and header."""
        seconds = max(1, int(-(-retry_after // 1)))
        body = {
            "ok": False,
            "error_code": 429,
            "description": f"Too Many Requests: retry after {seconds}",
            "parameters": {"retry_after": seconds},
        }
        return 429, {"content-type": "application/json", "retry-after": str(seconds)}, encode(body)

    def channels(self) -> Sequence[SandboxChannel]:
        """Give all groups, channels and private chats that were begun."""
        return [
            SandboxChannel(
                native_id=str(chat.id),
                title=chat.title or " ".join(filter(None, (chat.first_name, chat.last_name))),
                kind="forum" if chat.forum else chat.type,
                members=2 if chat.type == "private" else chat.inside,
            )
            for chat in self.world.chats.values()
            if not chat.migrated_to and (chat.type != "private" or chat.messages)
        ]

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give the newest messages of a channel, newest first; service messages are left out."""
        chat, thread = self.people_acts.place(channel)
        found: list[SandboxMessage] = []
        for message in reversed(chat.messages.values()):
            if len(found) >= limit:
                break
            if not message.service and (not thread or message.thread == thread):
                found.append(self._shown(chat, message))
        return found

    def _shown(self, chat: Chat, message: Stored) -> SandboxMessage:
        data = message.data
        author = data.get("from") or {}
        reactions: dict[str, int] = {}
        for given in message.reactions.values():
            for emoji in given:
                reactions[emoji] = reactions.get(emoji, 0) + 1
        poll = message.poll
        invoice = data.get("invoice", {}).get("title", "")
        text = data.get("text") or data.get("caption") or (poll.question if poll is not None else invoice)
        kinds = ("photo", "video", "audio", "voice", "document", "sticker", "video_note")
        return SandboxMessage(
            channel=str(chat.id),
            native_id=str(message.id),
            author_id=str(author.get("id", chat.id)),
            author_name=str(author.get("first_name", chat.title)),
            by_account=message.bot == self.bot.user.id,
            text=text,
            at=datetime.fromtimestamp(message.date, UTC),
            reactions=reactions,
            attachments=sum(kind in data for kind in kinds),
            choices=() if poll is None else tuple(zip(poll.options, poll.counts(), strict=True)),
        )

    # what simulated people do

    def _user(self, person: Person) -> User:
        return self.people_acts.user(person, int(self.member_id(person)))

    def _chat(self, channel: str, person: Person) -> tuple[Chat, int, User]:
        user = self._user(person)
        chat, thread = self.people_acts.place(channel)
        return chat, thread, user

    def create_channel(self, title: str, *, kind: str = "group") -> str:
        """Make a `group` (a supergroup), `basic_group`, `channel` or `forum`."""
        if kind not in _KINDS:
            raise InvalidInput(f"Telegram has no {kind!r}: there are {', '.join(_KINDS)}")
        return str(self.world.make_chat(title, _KINDS[kind]).id)

    def join(self, channel: str, person: Person, *, invite: str = "") -> None:
        """Join by a link's address or name when given; a link that asks for approval makes a join request."""
        chat, _, user = self._chat(channel, person)
        self.people_acts.join(chat, user, invite)

    def leave(self, channel: str, person: Person) -> None:
        """Leave; in the private chat with the bot this blocks it."""
        chat, _, user = self._chat(channel, person)
        self.people_acts.leave(chat, user)

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        """Write; the member's own id as channel is the private chat with the bot."""
        chat, thread, user = self._chat(channel, person)
        return str(self.people_acts.say(chat, user, text, thread=thread, reply_to=reply_to).id)

    def show(self, channel: str, person: Person, picture: bytes, caption: str = "") -> str:
        """Post a picture, with text under it."""
        chat, thread, user = self._chat(channel, person)
        content = sending.photo_content(self.world, picture)
        if caption:
            content["caption"] = caption
        return str(self.people_acts.post(chat, user, content, thread=thread).id)

    def edit(self, channel: str, person: Person, message: str, text: str) -> None:
        """Change an own message."""
        chat, _, user = self._chat(channel, person)
        self.people_acts.edit(chat, user, message, text)

    def react(self, channel: str, person: Person, message: str, emoji: str) -> None:
        """React with one emoji; "" takes it away."""
        chat, _, user = self._chat(channel, person)
        self.people_acts.react(chat, user, message, emoji)

    def share(self, channel: str, person: Person, message: str) -> str:
        """Forward a message into the same chat."""
        chat, _, user = self._chat(channel, person)
        return str(self.people_acts.share(chat, user, message).id)

    def vote(self, channel: str, person: Person, message: str, choice: int) -> None:
        """Vote; -1 withdraws the vote."""
        chat, _, user = self._chat(channel, person)
        self.people_acts.vote(chat, user, message, choice)

    def press(self, channel: str, person: Person, message: str, data: str) -> None:
        """Press a button; `pay` on an invoice starts the payment."""
        chat, _, user = self._chat(channel, person)
        self.people_acts.press(chat, user, message, data)

    def migrate(self, channel: str) -> str:
        """Turn a basic group into a supergroup; gives its new id."""
        chat, _ = self.people_acts.place(channel)
        return str(self.people_acts.migrate(chat).id)

    def set_rights(self, channel: str, *rights: str, status: str = "administrator") -> None:
        """Set the bot's own standing: its rights as administrator, or `member`, `restricted`, `left`, `kicked`."""
        chat, _ = self.people_acts.place(channel)
        if status == "administrator":
            self.world.set_admin(chat, self.bot.user, rights)
        else:
            inside = status in {"member", "restricted"}
            permissions = dict.fromkeys(rights, True)
            if status == "restricted":
                permissions = {name: name in rights for name in chat.permissions}
            self.world.put(chat, Member(self.bot.user, status, is_member=inside, permissions=permissions))

    def confirm(self, channel: str, task: str) -> None:
        """Refuse: bots need nobody's confirmation."""
        self.refuse("confirm")

    # HTTP

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        root: str = scope.get("root_path", "")
        path = unquote(path.removeprefix(root) if root and path.startswith(root) else path)
        try:
            if scope["method"] not in {"GET", "POST"}:
                raise Refused(405, "Method Not Allowed")  # noqa: TRY301 - one place answers all refusals
            if path.startswith("/file/bot"):
                await self._file(path.removeprefix("/file/bot"), send)
                return
            if not path.startswith("/bot"):
                raise Refused(404, "Not Found")  # noqa: TRY301 - one place answers all refusals
            token, slash, name = path.removeprefix("/bot").partition("/")
            if name.startswith("test/"):
                name = name.removeprefix("test/")
            bot = self.world.bot_for(token)
            if not slash or not name:
                raise Refused(404, "Not Found")  # noqa: TRY301 - one place answers all refusals
            params = await read_parameters(
                scope["query_string"], dict(scope["headers"]), await _body(receive)
            )
            self.world.tick()
            await self._call(bot, name.strip("/").lower(), params, send)
        except Refused as error:
            await _refuse(send, error)

    async def _call(self, bot: Bot, name: str, params: Parameters, send: Send) -> None:
        if name == "getupdates":
            bot.queue.set_allowed(params.nested("allowed_updates"))
            found = await bot.queue.get(
                offset=params.integer("offset") or 0,
                limit=100 if (limit := params.integer("limit")) is None else limit,
                timeout=params.integer("timeout") or 0,
            )
            await _answer(send, 200, b'{"ok":true,"result":' + found + b"}")
            return
        handler = METHODS.get(name)
        if handler is None:
            raise Refused(404, "Not Found: method not found")
        result = handler(Call(self.world, bot, params))
        if isinstance(result, Described):
            body: dict[str, Any] = {"ok": True, "result": result.result, "description": result.description}
        else:
            body = {"ok": True, "result": result}
        await _answer(send, 200, encode(body))

    async def _answered(self, bot: Bot, body: bytes) -> None:
        """Make the call that stands in the answer to a webhook; its result is lost."""
        try:
            params = await read_parameters(b"", {b"content-type": b"application/json"}, body)
            name = params.text("method").lower()
            if name in METHODS and not name.startswith("get") and name not in _NO_ANSWER:
                METHODS[name](Call(self.world, bot, params))
        except Refused:
            return

    async def _file(self, rest: str, send: Send) -> None:
        token, _, path = rest.partition("/")
        self.world.bot_for(token)
        file = next((file for file in self.world.files.values() if file["path"] == path), None)
        if file is None:
            raise Refused(404, "Not Found")
        await _answer(send, 200, file["data"], content_type=b"application/octet-stream")


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks = [body]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    *,
    content_type: bytes = b"application/json",
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, error: Refused) -> None:
    body: dict[str, Any] = {"ok": False, "error_code": error.status, "description": error.description}
    extra: list[tuple[bytes, bytes]] = []
    if error.parameters:
        body["parameters"] = dict(error.parameters)
        if "retry_after" in error.parameters:
            extra.append((b"retry-after", str(error.parameters["retry_after"]).encode()))
    await _answer(send, error.status, encode(body), extra=extra)
