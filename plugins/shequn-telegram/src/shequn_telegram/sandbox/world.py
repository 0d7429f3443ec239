"""The state of the sandbox and the rules that all calls share."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from shequn_sdk.testing.sandbox import SandboxContext
from shequn_telegram.sandbox.refusal import Refused, bad, forbidden, too_many
from shequn_telegram.sandbox.state import (
    ADMIN_RIGHTS,
    CHANNEL_RIGHTS,
    GROUP_RIGHTS,
    Chat,
    Invite,
    Member,
    Poll,
    Stored,
    User,
)
from shequn_telegram.sandbox.updates import UpdateQueue, encode

__all__ = ["Bot", "World"]


@dataclass(slots=True)
class Bot:
    """A bot with its token."""

    token: str
    user: User
    queue: UpdateQueue
    privacy: bool = True
    commands: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    stars: int = 0


@dataclass(slots=True)
class Query:
    """A pressed button or a checkout that waits for an answer."""

    id: str
    at: float
    bot: int
    done: Callable[[bool], None] | None = None
    answered: bool = False


class World:
    """Everything behind one Bot API server."""

    def __init__(self, context: SandboxContext) -> None:
        self.context = context
        self.rng = context.rng
        self.users: dict[int, User] = {}
        self.chats: dict[int, Chat] = {}
        self.usernames: dict[str, int] = {}
        self.bots: dict[str, Bot] = {}
        self.polls: dict[str, Poll] = {}
        self.queries: dict[str, Query] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.payments: dict[str, dict[str, Any]] = {}
        self.transactions: list[dict[str, Any]] = []
        self._closing: list[tuple[int, str]] = []
        self._groups = itertools.count(2_000_000_001)
        self._basic = itertools.count(400_000_001)
        self._serial = itertools.count(1)
        self._strict = bool(context.options.get("strict_limits", False))
        self._sent: dict[tuple[int, int, str], deque[float]] = {}

    # time and ids

    def now(self) -> int:
        """Give the present second."""
        return int(self.context.clock.now().timestamp())

    def serial(self) -> int:
        """Give a number that was never given before."""
        return next(self._serial)

    def tick(self) -> None:
        """Close the polls whose time is over."""
        now = self.now()
        while self._closing and self._closing[0][0] <= now:
            poll = self.polls.get(heapq.heappop(self._closing)[1])
            if poll is not None and not poll.closed:
                self.close_poll(poll)

    def close_later(self, poll: Poll) -> None:
        """Remember when a poll ends."""
        heapq.heappush(self._closing, (poll.close_at, poll.id))

    def close_poll(self, poll: Poll) -> None:
        """End a poll and tell its bot."""
        poll.closed = True
        self.tell_poll(poll)

    def tell_poll(self, poll: Poll) -> None:
        """Send a `poll` update to the bot that owns it."""
        for bot in self.bots.values():
            if bot.user.id == poll.owner and "poll" in bot.queue.allowed:
                bot.queue.push("poll", encode(poll.json()))

    # users and chats

    def user_json(self, user_id: int) -> dict[str, Any] | None:
        """Give the `User` object of somebody who is known, else None."""
        user = self.users.get(user_id)
        return user.json() if user is not None else None

    def make_chat(self, title: str, kind: str, *, username: str = "") -> Chat:
        """Make a group, supergroup, forum or channel in which all bots are administrators."""
        chat_type = "supergroup" if kind in {"forum", "supergroup"} else kind
        number = next(self._basic) if chat_type == "group" else 1_000_000_000_000 + next(self._groups)
        chat = Chat(id=-number, type=chat_type, title=title, username=username, forum=kind == "forum")
        chat.last_id = 1
        self.chats[chat.id] = chat
        if username:
            self.usernames[username.lower()] = chat.id
        for bot in self.bots.values():
            self.set_admin(chat, bot.user)
        return chat

    def set_admin(self, chat: Chat, user: User, rights: Iterable[str] | None = None) -> Member:
        """Make somebody an administrator; with all rights unless they are named."""
        own = CHANNEL_RIGHTS if chat.type == "channel" else GROUP_RIGHTS
        given = dict.fromkeys((*ADMIN_RIGHTS, *own) if rights is None else rights, True)
        given.setdefault("can_manage_chat", True)
        return self.put(chat, Member(user, "administrator", rights=given))

    def put(self, chat: Chat, member: Member) -> Member:
        """Store somebody's standing and keep the count."""
        before = chat.members.get(member.user.id)
        chat.inside += int(member.inside) - int(before.inside if before is not None else False)
        chat.members[member.user.id] = member
        return member

    def member(self, chat: Chat, user_id: int) -> Member | None:
        """Give somebody's standing, with bans and restrictions lifted whose time is over."""
        member = chat.members.get(user_id)
        if member is not None and member.until and member.until <= self.now():
            if member.status == "kicked":
                member = self.put(chat, Member(member.user, "left", is_member=False))
            elif member.status == "restricted":
                member = self.put(chat, Member(member.user, "member" if member.is_member else "left"))
            elif member.status == "member":  # a paid membership that was not renewed
                old = member
                member = self.put(chat, Member(member.user, "left", is_member=False))
                self.tell_member(chat, member.user, old, member)
        return member

    def private(self, user: User) -> Chat:
        """Give the private chat with a person, made when it is not there."""
        chat = self.chats.get(user.id)
        if chat is None:
            chat = Chat(
                id=user.id,
                type="private",
                username=user.username,
                first_name=user.first_name,
                last_name=user.last_name,
            )
            self.chats[user.id] = chat
        return chat

    def find_chat(self, value: Any) -> Chat:
        """Find the chat that a parameter names.

        Raises:
            Refused: it names none, or the chat moved.
        """
        if value is None or value == "":
            raise bad("chat_id is empty")
        chat: Chat | None = None
        text = str(value).strip()
        if text.startswith("@"):
            found = self.usernames.get(text[1:].lower())
            chat = self.chats.get(found) if found is not None else None
        else:
            try:
                number = int(text)
            except ValueError:
                raise bad("chat not found") from None
            chat = self.chats.get(number)
            if chat is None and number > 0 and number in self.users:
                chat = self.private(self.users[number])
        if chat is None:
            raise bad("chat not found")
        if chat.migrated_to:
            raise bad(
                "group chat was upgraded to a supergroup chat", {"migrate_to_chat_id": chat.migrated_to}
            )
        return chat

    def enter(self, bot: Bot, chat: Chat, *, write: bool = False) -> Member | None:
        """Check that a bot can reach a chat; gives its standing there, None in private chats.

        Raises:
            Refused: it cannot.
        """
        if chat.type == "private":
            if write and chat.id in {other.user.id for other in self.bots.values()}:
                raise forbidden("bot can't send messages to bots")
            if write and chat.blocked:
                raise forbidden("bot was blocked by the user")
            if write and not chat.started:
                raise forbidden("bot can't initiate conversation with a user")
            return None
        member = self.member(chat, bot.user.id)
        if member is not None and member.inside:
            return member
        if member is not None and member.status == "kicked":
            raise forbidden(f"bot was kicked from the {chat.kind}")
        if member is not None or chat.username:
            if chat.username and not write:
                return None
            raise forbidden(f"bot is not a member of the {chat.kind}")
        raise bad("chat not found")

    # limits

    def spend(self, bot: Bot, chat: Chat, messages: int = 1) -> None:
        """Count messages against the published limits, when the option `strict_limits` is set.

        Raises:
            Refused: 429, with the seconds to wait.
        """
        if not self._strict:
            return
        now = self.context.clock.now().timestamp()
        rules = [(0, "all", 30, 1.0), (chat.id, "burst", 3, 3.0)]
        if chat.id < 0:
            rules.append((chat.id, "group", 20, 60.0))
        waits: list[float] = []
        for place, name, amount, per in rules:
            times = self._sent.setdefault((bot.user.id, place, name), deque())
            while times and times[0] <= now - per:
                times.popleft()
            over = len(times) + messages - amount
            if over > 0 and times:
                waits.append(times[min(over, len(times)) - 1] + per - now)
        if waits:
            raise too_many(max(1, int(-(-max(waits) // 1))))
        for place, name, _, _ in rules:
            self._sent[bot.user.id, place, name].extend([now] * messages)

    # messages

    def store(self, chat: Chat, message: Stored) -> Stored:
        """Keep a message."""
        chat.messages[message.id] = message
        return message

    def find_message(self, chat: Chat, message_id: int | None, missing: str) -> Stored:
        """Find a message.

        Raises:
            Refused: it is not there; `missing` is the text.
        """
        message = chat.messages.get(message_id or 0)
        if message is None:
            raise bad(missing)
        return message

    def hears(self, bot: Bot, chat: Chat, message: Stored) -> bool:
        """Whether a message reaches a bot: privacy mode hides ordinary messages from bots that are no administrators."""
        if chat.type == "private":
            return True
        member = chat.members.get(bot.user.id)
        if member is None or not member.inside:
            return False
        if member.is_admin or not bot.privacy or message.service:
            return True
        data = message.data
        replied = data.get("reply_to_message", {}).get("from", {}).get("id")
        if replied == bot.user.id:
            return True
        text = data.get("text", "")
        if not text.startswith("/"):
            return False
        command = text.split(maxsplit=1)[0]
        return "@" not in command or command.lower().endswith(f"@{bot.user.username}".lower())

    def tell(self, kind: str, chat: Chat, message: Stored) -> None:
        """Send a message to every bot that hears it."""
        payload: bytes | None = None
        if chat.type == "channel":
            kind = {"message": "channel_post", "edited_message": "edited_channel_post"}[kind]
        for bot in self.bots.values():
            if (
                bot.user.id == message.bot
                or kind not in bot.queue.allowed
                or not self.hears(bot, chat, message)
            ):
                continue
            if payload is None:
                payload = encode(message.json())
            bot.queue.push(kind, payload)

    def tell_admins(self, kind: str, chat: Chat, payload: dict[str, Any], right: str = "") -> None:
        """Send an update to bots that are administrators of a chat (with a right, when one is named)."""
        encoded: bytes | None = None
        for bot in self.bots.values():
            member = chat.members.get(bot.user.id)
            if kind not in bot.queue.allowed or member is None or not member.is_admin:
                continue
            if right and not member.may(right):
                continue
            if encoded is None:
                encoded = encode(payload)
            bot.queue.push(kind, encoded)

    def tell_bot(self, bot: Bot, kind: str, payload: dict[str, Any]) -> None:
        """Send an update to one bot."""
        bot.queue.push(kind, encode(payload))

    def tell_member(
        self,
        chat: Chat,
        actor: User,
        old: Member,
        new: Member,
        *,
        invite: Invite | None = None,
        by_request: bool = False,
    ) -> None:
        """Send `chat_member` to administrators, `my_chat_member` to the bot that it is about."""
        payload: dict[str, Any] = {
            "chat": chat.json(),
            "from": actor.json(),
            "date": self.now(),
            "old_chat_member": old.json(chat.type),
            "new_chat_member": new.json(chat.type),
        }
        if invite is not None:
            payload["invite_link"] = invite.json()
        if by_request:
            payload["via_join_request"] = True
        for bot in self.bots.values():
            if bot.user.id == new.user.id and bot.user.id != actor.id:
                self.tell_bot(bot, "my_chat_member", payload)
        if not new.user.is_bot or all(bot.user.id != new.user.id for bot in self.bots.values()):
            self.tell_admins("chat_member", chat, payload)

    def service(self, chat: Chat, author: User | None, content: dict[str, Any], *, bot: int = 0) -> Stored:
        """Post a service message."""
        data: dict[str, Any] = {"message_id": chat.next_id()}
        if author is not None and chat.type != "channel":
            data["from"] = author.json()
        elif chat.type == "channel":
            data["sender_chat"] = chat.json()
        data.update(chat=chat.json(), date=self.now(), **content)
        message = Stored(
            data["message_id"], data["date"], author.id if author else 0, data, bot=bot, service=True
        )
        self.store(chat, message)
        self.tell("message", chat, message)
        return message

    def bot_for(self, token: str) -> Bot:
        """Find the bot of a token.

        Raises:
            Refused: 401.
        """
        number, colon, _ = token.partition(":")
        wrong = Refused(401, "Unauthorized: invalid token specified")
        if (
            token.startswith("0")
            or len(token) > 80
            or not colon
            or not number.isascii()
            or not number.isdigit()
        ):
            raise wrong
        if not 0 < int(number) < 2**54:
            raise wrong
        bot = self.bots.get(token)
        if bot is None:
            raise Refused(401, "Unauthorized")
        return bot
