"""What simulated people do."""

from __future__ import annotations

from typing import Any

from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.testing.sandbox import Person
from shequn_telegram.manifest import REACTIONS
from shequn_telegram.sandbox.chats import admit
from shequn_telegram.sandbox.send import forward_automatically
from shequn_telegram.sandbox.state import Chat, Invite, Member, Stored, User
from shequn_telegram.sandbox.text import found_entities
from shequn_telegram.sandbox.updates import encode
from shequn_telegram.sandbox.world import Bot, Query, World

__all__ = ["People"]


class People:
    """Acts of people, on a world. Channels are `chat` or `chat/thread`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def user(self, person: Person, number: int) -> User:
        """Give the user behind a person."""
        user = self.world.users.get(number)
        if user is None:
            user = User(
                number, person.name, username=person.username, is_bot=person.is_bot, language=person.language
            )
            self.world.users[number] = user
        return user

    def place(self, channel: str) -> tuple[Chat, int]:
        """Give chat and topic of a channel; people follow a group that moved."""
        chat_id, _, thread = channel.partition("/")
        chat: Chat | None = None
        if chat_id.lstrip("-").isdigit():
            chat = self.world.chats.get(int(chat_id))
            if chat is None and int(chat_id) in self.world.users:
                chat = self.world.private(self.world.users[int(chat_id)])
        elif chat_id.startswith("@"):
            chat = self.world.chats.get(self.world.usernames.get(chat_id[1:].lower(), 0))
        while chat is not None and chat.migrated_to:
            chat = self.world.chats[chat.migrated_to]
        if chat is None:
            raise InvalidInput(f"the sandbox has no Telegram chat {channel!r}")
        number = int(thread) if thread.isdigit() else 0
        if number > 1 and number not in chat.topics and number not in chat.messages:
            raise InvalidInput(f"{channel!r} has no such topic")
        return chat, number if number > 1 else 0

    def message(self, chat: Chat, message: str) -> Stored:
        """Give a message that stands."""
        found = chat.messages.get(int(message)) if message.isdigit() else None
        if found is None:
            raise InvalidInput(f"no message {message!r} stands in {chat.title or chat.id}")
        return found

    def _inside(self, chat: Chat, user: User, act: str, permission: str = "") -> Member:
        member = self.world.member(chat, user.id)
        if member is None or not member.inside:
            raise InvalidInput(f"{user.name} is no member of {chat.title}, so cannot {act} there")
        if permission and not member.is_admin:
            allowed = member.permissions.get(permission, True) if member.status == "restricted" else True
            if not allowed or not chat.permissions.get(permission, True):
                raise InvalidInput(f"{user.name} is restricted in {chat.title} and cannot {act}")
        return member

    # coming and going

    def join(self, chat: Chat, user: User, invite: str) -> None:
        """Join, by a link when one is given; links that ask for approval make a request."""
        world = self.world
        if chat.type == "private":
            self._unblock(chat, user)
            return
        standing = world.member(chat, user.id)
        if standing is not None and standing.inside:
            return
        if standing is not None and standing.status == "kicked":
            raise InvalidInput(f"{user.name} is banned from {chat.title}")
        link = self._link(chat, invite) if invite else None
        if link is not None and link.approval:
            self._ask(chat, user, link)
            return
        admit(world, chat, user, invite=link)

    def _link(self, chat: Chat, invite: str) -> Invite:
        link = chat.invites.get(invite) or next(
            (found for found in chat.invites.values() if found.name == invite and not found.revoked), None
        )
        if link is None or link.revoked:
            raise InvalidInput(f"{chat.title} has no invite link {invite!r}")
        if (link.expires and link.expires <= self.world.now()) or (link.limit and link.used >= link.limit):
            raise InvalidInput(f"the invite link {link.name or link.url!r} is used up or over")
        return link

    def _ask(self, chat: Chat, user: User, link: Invite) -> None:
        if user.id not in chat.requests:
            chat.requests[user.id] = link
            link.pending += 1
        payload = {
            "chat": chat.json(),
            "from": user.json(),
            "user_chat_id": user.id,
            "date": self.world.now(),
            "invite_link": link.json(),
        }
        chat_private = self.world.private(user)
        chat_private.started = True  # an applicant can be written to for a while
        self.world.tell_admins("chat_join_request", chat, payload, "can_invite_users")

    def _unblock(self, chat: Chat, user: User) -> None:
        chat.started, was_blocked, chat.blocked = True, chat.blocked, False
        if was_blocked:
            self._tell_block(chat, user, "kicked", "member")

    def _tell_block(self, chat: Chat, user: User, old: str, new: str) -> None:
        for bot in self.world.bots.values():
            payload = {
                "chat": chat.json(),
                "from": user.json(),
                "date": self.world.now(),
                "old_chat_member": Member(bot.user, old).json("private"),
                "new_chat_member": Member(bot.user, new).json("private"),
            }
            self.world.tell_bot(bot, "my_chat_member", payload)

    def leave(self, chat: Chat, user: User) -> None:
        """Leave; in a private chat this blocks the bot."""
        if chat.type == "private":
            if not chat.blocked:
                chat.blocked = True
                self._tell_block(chat, user, "member", "kicked")
            return
        old = self.world.member(chat, user.id)
        if old is None or not old.inside:
            return
        new = Member(user, "left", is_member=False)
        self.world.put(chat, new)
        self.world.tell_member(chat, user, old, new)
        if chat.type != "channel":
            self.world.service(chat, user, {"left_chat_member": user.json()})

    # talking

    def say(self, chat: Chat, user: User, text: str, *, thread: int = 0, reply_to: str = "") -> Stored:
        """Write a message."""
        return self.post(chat, user, self._text(text), thread=thread, reply_to=reply_to)

    def _text(self, text: str) -> dict[str, Any]:
        content: dict[str, Any] = {"text": text}
        if entities := found_entities(text, []):
            content["entities"] = entities
        return content

    def post(
        self, chat: Chat, user: User, content: dict[str, Any], *, thread: int = 0, reply_to: str = ""
    ) -> Stored:
        """Put a message of a person into a chat."""
        replied = self.message(chat, reply_to) if reply_to else None
        if chat.type == "private":
            chat.started, chat.blocked = True, False
        else:
            member = self._inside(chat, user, "write", "can_send_messages")
            if chat.type == "channel" and not member.is_admin:
                raise NotSupported(
                    f"only administrators write in the channel {chat.title}; members comment in its discussion group",
                    platform="telegram",
                    capability="say",
                )
        if replied is not None:
            thread = (
                thread or replied.thread or (0 if chat.forum or chat.type != "supergroup" else replied.id)
            )
        data: dict[str, Any] = {"message_id": chat.next_id()}
        data["sender_chat" if chat.type == "channel" else "from"] = (
            chat.json() if chat.type == "channel" else user.json()
        )
        data["chat"] = chat.json()
        data["date"] = self.world.now()
        if thread and chat.type == "supergroup":
            data["message_thread_id"] = thread
            if chat.forum:
                data["is_topic_message"] = True
        if replied is not None:
            data["reply_to_message"] = {
                key: value
                for key, value in replied.json().items()
                if key not in {"reply_to_message", "reply_markup"}
            }
        elif thread and chat.forum and (first := chat.messages.get(thread)) is not None:
            data["reply_to_message"] = first.data
        data.update(content)
        author = 0 if chat.type == "channel" else user.id
        message = Stored(data["message_id"], data["date"], author, data, thread=thread)
        self.world.store(chat, message)
        self.world.tell("message", chat, message)
        if chat.type == "channel" and chat.linked:
            forward_automatically(self.world, chat, message)
        return message

    def edit(self, chat: Chat, user: User, message: str, text: str) -> None:
        """Change an own message."""
        found = self.message(chat, message)
        if found.author != user.id:
            raise InvalidInput(f"{user.name} did not write message {message}")
        kept = {key: value for key, value in found.data.items() if key not in {"text", "entities"}}
        found.data = {**kept, **self._text(text), "edit_date": self.world.now()}
        self.world.tell("edited_message", chat, found)

    def share(self, chat: Chat, user: User, message: str) -> Stored:
        """Forward a message into the same chat."""
        found = self.message(chat, message)
        content = {
            key: value
            for key, value in found.data.items()
            if key in {"text", "entities", "caption", "caption_entities", "photo", "video", "document", "audio", "voice",
                       "animation", "sticker", "location", "contact"}
        }  # fmt: skip
        origin: dict[str, Any]
        if "forward_origin" in found.data:
            origin = found.data["forward_origin"]
        elif chat.type == "channel":
            origin = {"type": "channel", "date": found.date, "chat": chat.json(), "message_id": found.id}
        else:
            origin = {"type": "user", "date": found.date, "sender_user": found.data["from"]}
        return self.post(chat, user, {"forward_origin": origin, **content})

    # reacting

    def react(self, chat: Chat, user: User, message: str, emoji: str) -> None:
        """React with one emoji; "" takes all reactions away."""
        found = self.message(chat, message)
        if chat.type != "private":
            self._inside(chat, user, "react", "can_react_to_messages")
        emoji = emoji.replace("\ufe0f", "")
        if emoji and emoji not in REACTIONS:
            raise InvalidInput(f"Telegram has no reaction {emoji!r}")
        old = found.reactions.get(user.id, [])
        new = [emoji] if emoji else []
        if old == new:
            return
        if new:
            found.reactions[user.id] = new
        else:
            del found.reactions[user.id]
        if chat.type == "channel":
            self._tell_counts(chat, found)
            return
        payload = {
            "chat": chat.json(),
            "message_id": found.id,
            "user": user.json(),
            "date": self.world.now(),
            "old_reaction": [{"type": "emoji", "emoji": item} for item in old],
            "new_reaction": [{"type": "emoji", "emoji": item} for item in new],
        }
        if chat.type == "private":
            encoded = encode(payload)
            for bot in self.world.bots.values():
                bot.queue.push("message_reaction", encoded)
        else:
            self.world.tell_admins("message_reaction", chat, payload)

    def _tell_counts(self, chat: Chat, message: Stored) -> None:
        counts: dict[str, int] = {}
        for given in message.reactions.values():
            for emoji in given:
                counts[emoji] = counts.get(emoji, 0) + 1
        reactions = [
            {"type": {"type": "emoji", "emoji": emoji}, "total_count": count}
            for emoji, count in counts.items()
        ]
        payload = {
            "chat": chat.json(),
            "message_id": message.id,
            "date": self.world.now(),
            "reactions": reactions,
        }
        self.world.tell_admins("message_reaction_count", chat, payload)

    def vote(self, chat: Chat, user: User, message: str, choice: int) -> None:
        """Vote; -1 withdraws."""
        poll = self.message(chat, message).poll
        if poll is None:
            raise InvalidInput(f"message {message} is no poll")
        self.world.tick()
        if poll.closed:
            raise InvalidInput(f"the poll {poll.question!r} is closed")
        if choice >= len(poll.options) or choice < -1:
            raise InvalidInput(f"the poll {poll.question!r} has no choice {choice}")
        if chat.type != "private":
            self._inside(chat, user, "vote")
        before = poll.votes.get(user.id)
        if choice < 0:
            if before is None:
                return
            del poll.votes[user.id]
        else:
            if before is not None and not poll.multiple and not poll.revoting:
                raise InvalidInput(f"votes of the poll {poll.question!r} cannot be changed")
            chosen = sorted({*before, choice}) if before and poll.multiple else [choice]
            if chosen == before:
                return
            poll.votes[user.id] = chosen
        self.world.tell_poll(poll)
        if poll.anonymous:
            return
        options = poll.votes.get(user.id, [])
        payload = {
            "poll_id": poll.id,
            "user": user.json(),
            "option_ids": options,
            "option_persistent_ids": [str(option) for option in options],
        }
        for bot in self.world.bots.values():
            if bot.user.id == poll.owner:
                self.world.tell_bot(bot, "poll_answer", payload)

    def press(self, chat: Chat, user: User, message: str, data: str) -> None:
        """Press the button with that data; on an invoice, its pay button."""
        found = self.message(chat, message)
        buttons = [b for row in found.data.get("reply_markup", {}).get("inline_keyboard", []) for b in row]
        bot = next((b for b in self.world.bots.values() if b.user.id == found.bot), None)
        if bot is None:
            raise InvalidInput(f"message {message} has no buttons of a bot")
        if found.invoice is not None and any(button.get("pay") for button in buttons) and data in {"", "pay"}:
            self._pay(bot, chat, user, found, found.invoice)
            return
        if not any(button.get("callback_data") == data for button in buttons):
            raise InvalidInput(f"message {message} has no button with the data {data!r}")
        query = self._query(bot)
        payload = {
            "id": query.id,
            "from": user.json(),
            "message": found.json(),
            "chat_instance": str(abs(chat.id) * 7919),
            "data": data,
        }
        self.world.tell_bot(bot, "callback_query", payload)

    def _query(self, bot: Bot) -> Query:
        number = str(7_000_000_000_000_000 + self.world.serial())
        query = Query(number, self.world.context.clock.now().timestamp(), bot.user.id)
        self.world.queries[number] = query
        return query

    def _pay(self, bot: Bot, chat: Chat, user: User, message: Stored, invoice: dict[str, Any]) -> None:
        query = self._query(bot)

        def done(ok: bool) -> None:  # noqa: FBT001 - a callback
            if ok:
                self._paid(bot, chat, user, invoice)

        query.done = done
        payload = {
            "id": query.id,
            "from": user.json(),
            "currency": invoice["currency"],
            "total_amount": invoice["total"],
            "invoice_payload": invoice["payload"],
        }
        self.world.tell_bot(bot, "pre_checkout_query", payload)

    def _paid(self, bot: Bot, chat: Chat, user: User, invoice: dict[str, Any]) -> None:
        charge = f"stx{self.world.rng.getrandbits(64):016x}{self.world.serial()}"
        self.world.payments[charge] = {
            "id": charge,
            "user": user.id,
            "chat": chat.id,
            "amount": invoice["total"],
            "payload": invoice["payload"],
            "refunded": False,
        }
        bot.stars += invoice["total"]
        partner = {"type": "user", "transaction_type": "invoice_payment", "user": user.json()}
        self.world.transactions.append(
            {"id": charge, "amount": invoice["total"], "date": self.world.now(), "source": partner}
        )
        payment = {
            "currency": invoice["currency"],
            "total_amount": invoice["total"],
            "invoice_payload": invoice["payload"],
            "telegram_payment_charge_id": charge,
            "provider_payment_charge_id": "",
        }
        self.world.service(chat, user, {"successful_payment": payment})

    # what a person in charge does

    def migrate(self, chat: Chat) -> Chat:
        """Turn a basic group into a supergroup, with another id."""
        if chat.type != "group":
            raise InvalidInput(f"{chat.title} is no basic group")
        new = self.world.make_chat(chat.title, "supergroup")
        for member in chat.members.values():
            self.world.put(new, member)
        owner = next((member.user for member in chat.members.values() if not member.user.is_bot), None)
        self.world.service(chat, owner, {"migrate_to_chat_id": new.id})
        chat.migrated_to, new.migrated_from = new.id, chat.id
        self.world.service(new, owner, {"migrate_from_chat_id": chat.id})
        return new
