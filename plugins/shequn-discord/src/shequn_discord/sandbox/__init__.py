"""A local Discord: REST v9 and v10, Gateway, signed interactions, and members who act."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.websockets import WebSocket

from shequn_discord.sandbox import routes_apps, routes_channels, routes_events, routes_guilds, routes_messages
from shequn_discord.sandbox.forms import ApiError
from shequn_discord.sandbox.gateway import Hub
from shequn_discord.sandbox.limits import Limiter, answer_429
from shequn_discord.sandbox.messaging import make_message, place_message
from shequn_discord.sandbox.permissions import BITS, permissions
from shequn_discord.sandbox.router import Router
from shequn_discord.sandbox.world import ChannelState, GuildState, MessageState, World
from shequn_discord.snowflake import parse_time, snowflake_at
from shequn_sdk.errors import InvalidInput, PermissionDenied, PlatformError, TargetNotFound
from shequn_sdk.testing.sandbox import BaseSandbox, Person, SandboxChannel, SandboxContext, SandboxMessage

__all__ = ["DiscordSandbox"]

_KINDS = {
    0: "group",
    1: "direct",
    2: "voice",
    5: "broadcast",
    10: "thread",
    11: "thread",
    12: "thread",
    15: "forum",
}
_CREATED = {"group": 0, "broadcast": 5, "announcement": 5, "forum": 15, "voice": 2}
_OPERATIONS = {
    ("POST", "/channels/{channel}/messages"): "publish",
    ("POST", "/channels/{channel}/threads"): "publish",
    ("POST", "/webhooks/{webhook}/{token}"): "publish",
    ("PATCH", "/channels/{channel}/messages/{message}"): "edit",
    ("DELETE", "/channels/{channel}/messages/{message}"): "delete",
    ("PUT", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me"): "react",
    ("DELETE", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me"): "react",
    ("PATCH", "/guilds/{guild}/members/{user}"): "moderate",
    ("DELETE", "/guilds/{guild}/members/{user}"): "moderate",
    ("PUT", "/guilds/{guild}/bans/{user}"): "moderate",
    ("DELETE", "/guilds/{guild}/bans/{user}"): "moderate",
    ("GET", "/gateway/bot"): "receive",
}


class DiscordSandbox(BaseSandbox):
    """A Discord on this machine.

    Each channel made by `create_channel` has a server of its own, whose id the channel shares as the first channel of
    old servers does; so joins, which belong to a server, are told under the channel's id too.

    Options: `strict_limits` (True), `bucket_shape` (`fixed` or `leaky`), `bucket_sizes` (route to amount and
    seconds), `bot_permissions` (bits of the bot's role), `allowed_intents` (privileged ones), `heartbeat_interval`
    (ms), `max_concurrency`, `identify_limit`, `shards`, `resume_window`, `search_index_delay` (s),
    `interactions_url`, `require_user_agent` (True), `rate_limit_scope` of injected 429s (`user`).
    """

    platform = "discord"

    def __init__(self, context: SandboxContext) -> None:
        super().__init__(context)
        options = context.options
        self.world = World(clock=context.clock, rng=context.rng, options=options)
        self.limiter = Limiter(
            context.clock,
            shape=str(options.get("bucket_shape", "fixed")),
            strict=bool(options.get("strict_limits", True)),
            sizes=options.get("bucket_sizes", {}),
        )
        self.hub = Hub(world=self.world, faults=context.faults, options=options)
        self.hub.url = f"{context.ws_url}/gateway"
        self._tasks: set[asyncio.Task[Any]] = set()
        self._router = Router(
            world=self.world,
            hub=self.hub,
            limiter=self.limiter,
            base_url=context.base_url,
            spawn=self._spawn,
            call_back=context.call_back,
            tick=self.tick,
        )
        self.app = self._serve
        self.owner = Person(id="discord-owner", name="群主", username="owner")
        self._owner_id = self.member_id(self.owner)
        self._make_guild()

    def _make_guild(self) -> None:
        world = self.world
        guild = world.add_guild("读书会", owner=self._owner_id)
        self.guild_id = guild.id
        world.add_channel(guild, "general", 0, channel_id=guild.id, topic="大家说话的地方")
        self._news = world.add_channel(guild, "announcements", 5).id
        tags = [
            {"id": world.snowflake(), "name": name, "moderated": False, "emoji_id": None, "emoji_name": None}
            for name in ("提问", "分享")
        ]
        self._forum = world.add_channel(guild, "forum", 15, available_tags=tags).id
        self._voice = world.add_channel(guild, "朗读室", 2).id
        self._ready: dict[str, str] = {"owner": self._owner_id}
        for name, username in (("李雷", "lilei"), ("韩梅梅", "hanmeimei")):
            person = Person(id=f"discord-{username}", name=name, username=username)
            user = self.member_id(person)
            world.add_member(guild, user)
            self._ready[username] = user
        self._webhook = routes_channels.add_webhook(world, world.channels[guild.id], "公告")
        world.endpoint = self.context.options.get("interactions_url")

    # what the runtime asks

    def describe(self) -> dict[str, Any]:
        """Give addresses, secrets, and the ready-made server."""
        world = self.world
        guild = world.guilds[self.guild_id]
        base = f"{self.context.base_url}/api/v10"
        return {
            "base_url": base,
            "gateway_url": self.hub.url,
            "token": world.token,
            "application_id": world.app_id,
            "bot_id": world.bot_id,
            "public_key": world.public_key,
            "guild_id": guild.id,
            "secrets": {"token": world.token, "public_key": world.public_key},
            "options": {"application_id": world.app_id},
            "channels": {
                "general": guild.id,
                "announcements": self._news,
                "forum": self._forum,
            },
            "voice_channel": self._voice,
            "members": dict(self._ready),
            "roles": {role["name"]: number for number, role in guild.roles.items()},
            "webhook_url": f"{base}/webhooks/{self._webhook['id']}/{self._webhook['token']}",
        }

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            root = scope.get("root_path", "")
            if scope["path"].removeprefix(root).rstrip("/") == "/gateway":
                await self.hub.serve(WebSocket(scope, receive, send))
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._router(scope, receive, send)

    def _spawn(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End Gateway connections and unfinished callbacks."""
        await self.hub.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tick(self) -> None:
        """Do what is due: scheduled events start and end, polls expire."""
        routes_events.tick_events(self.world, self.hub)
        now = self.world.now()
        for channel in list(self.world.channels.values()):
            for message in list(channel.messages.values()):
                poll = message.data.get("poll")
                if poll is not None and not message.poll_ended and parse_time(poll["expiry"]) <= now:
                    routes_messages.end_poll(self.world, self.hub, channel, message)

    def operation(self, method: str, path: str) -> str:
        """Name the operation of a request."""
        if path.rstrip("/").endswith("/gateway"):
            return "gateway"
        _, _, rest = path.partition("/api/v")
        found, _, _ = self._router.find(method, "/" + rest.partition("/")[2])
        if found is None:
            return super().operation(method, path)
        name = _OPERATIONS.get((method, found.template))
        return name or ("read" if method == "GET" else found.handler.__name__.strip("_"))

    def rate_limited(self, retry_after: float) -> tuple[int, Mapping[str, str], bytes]:
        """Give Discord's 429."""
        scope = str(self.context.options.get("rate_limit_scope", "user"))
        return answer_429(retry_after, scope=scope)

    def channels(self) -> Sequence[SandboxChannel]:
        """Give all channels and threads."""
        found: list[SandboxChannel] = []
        for channel in self.world.channels.values():
            guild = self.world.guilds.get(channel.guild_id or "")
            name = channel.data.get("name") or "direct message"
            title = f"{guild.name} / {name}" if guild is not None else str(name)
            count = len(guild.members) if guild is not None else len(channel.recipients)
            found.append(SandboxChannel(channel.id, title, _KINDS.get(channel.data["type"], "group"), count))
        return found

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give the newest messages of a channel."""
        place = self.world.channels.get(channel)
        if place is None:
            return []
        self.tick()
        newest = list(place.messages.values())[-limit:]
        return [self._shown(place, message) for message in reversed(newest)]

    def _shown(self, channel: ChannelState, message: MessageState) -> SandboxMessage:
        data = message.data
        author = data["author"]
        cards = [
            "\n".join(str(e[k]) for k in ("title", "description", "url") if e.get(k))
            for e in data["embeds"]
            if e.get("type") != "poll_result"
        ]
        parts = [data["content"], *cards]
        poll = data.get("poll")
        choices: list[tuple[str, int]] = []
        if poll is not None:
            parts.append(poll["question"]["text"])
            choices = [
                (str(a["poll_media"].get("text", "")), len(message.votes.get(a["answer_id"], ())))
                for a in poll["answers"]
            ]
        return SandboxMessage(
            channel=channel.id,
            native_id=message.id,
            author_id=author["id"],
            author_name=author.get("global_name") or author["username"],
            by_account=author["id"] == self.world.bot_id or "webhook_id" in data,
            text="\n".join(part for part in parts if part),
            at=parse_time(data["timestamp"]),
            reactions={str(e["name"]): len(users) for e, users in message.reactions.values() if users},
            attachments=len(data["attachments"]),
            choices=choices,
        )

    # people

    def native_id(self, person: Person, attempt: int) -> str:
        """Make a snowflake of the year before the sandbox began."""
        digest = hashlib.blake2b(f"{person.id}/{attempt}".encode(), digest_size=8).digest()
        start = snowflake_at(self.now() - timedelta(days=400))
        return str(start + int.from_bytes(digest) % (365 * 86_400_000 << 22))

    def member_id(self, person: Person) -> str:
        """Give a person's user id, and make the user known."""
        user = super().member_id(person)
        if user not in self.world.users:
            name = person.username or f"user{user[-6:]}"
            self.world.add_user(user, name, global_name=person.name, bot=person.is_bot)
        return user

    def create_channel(self, title: str, *, kind: str = "group") -> str:
        """Make a server with one channel."""
        guild = self.world.add_guild(title, owner=self._owner_id)
        channel = self.world.add_channel(guild, title, _CREATED.get(kind, 0), channel_id=guild.id)
        for session in list(self.hub.sessions.values()):
            if session.intents & 1 and (int(guild.id) >> 22) % session.shard[1] == session.shard[0]:
                self.hub.dispatch(session, "GUILD_CREATE", self.hub.guild_create(session, guild))
        return channel.id

    def _place(self, channel: str) -> ChannelState:
        self.tick()
        place = self.world.channels.get(channel)
        if place is None:
            raise TargetNotFound(
                f"no channel {channel} in the sandbox", platform=self.platform, operation="sandbox"
            )
        return place

    def _guild(self, channel: str) -> GuildState:
        place = self._place(channel)
        guild = self.world.guilds.get(place.guild_id or "")
        if guild is None:
            raise TargetNotFound(
                f"channel {channel} is a direct message", platform=self.platform, operation="sandbox"
            )
        return guild

    def join(self, channel: str, person: Person, *, invite: str = "") -> None:
        """Let a person join the channel's server; a banned one cannot."""
        guild, user = self._guild(channel), self.member_id(person)
        if user in guild.members:
            return
        if user in guild.bans:
            raise PermissionDenied(
                f"{person.name} is banned", platform=self.platform, operation="join", code=40007
            )
        roles: list[str] = []
        if invite:
            code = invite.rstrip("/").rpartition("/")[2]
            roles = list(self.world.invites.get(code, {}).get("role_ids", []))
            self._do(lambda: routes_channels.use_invite(self.world, self.hub, guild, code))
        self.world.add_member(guild, user, roles=roles)
        data = {**self.world.member_json(guild, user), "guild_id": guild.id}
        self.hub.emit("GUILD_MEMBER_ADD", data, guild=guild)

    def leave(self, channel: str, person: Person) -> None:
        """Let a person leave the channel's server."""
        guild, user = self._guild(channel), self.member_id(person)
        if user in guild.members:
            routes_guilds.remove_member(self.world, self.hub, guild, user)

    def _do(self, act: Any) -> Any:
        """Turn Discord's refusals into errors for whoever plays a member."""
        try:
            return act()
        except ApiError as error:
            text = f"the sandbox refused: {error}"
            kind: type[PlatformError] = TargetNotFound if error.status == 404 else PermissionDenied
            raise kind(text, platform=self.platform, operation="sandbox", code=error.body["code"]) from None

    def _speaker(self, place: ChannelState, person: Person, need: str = "SEND_MESSAGES") -> str:
        user = self.member_id(person)
        if place.guild_id is None:
            return user
        guild = self.world.guilds[place.guild_id]
        if user not in guild.members:
            self.join(place.id, person)
        if place.is_thread and need == "SEND_MESSAGES":
            need = "SEND_MESSAGES_IN_THREADS"
        if not permissions(self.world, place, user) & BITS[need]:
            raise PermissionDenied(
                f"{person.name} may not do this here", platform=self.platform, operation="sandbox", code=50013
            )
        return user

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        """Let a person write; joins them first when they are no member. Slow mode and AutoMod apply."""
        place = self._place(channel)
        user = self._speaker(place, person)
        now = self.now()
        slow = int(place.data.get("rate_limit_per_user") or 0)
        last = place.spoken.get(user)
        free = permissions(self.world, place, user) & BITS["BYPASS_SLOWMODE"]
        if slow and last is not None and now - last < timedelta(seconds=slow) and not free:
            raise PermissionDenied(
                "slow mode: wait before writing again",
                platform=self.platform,
                operation="sandbox",
                code=20016,
            )
        if len(text) > 2000:
            raise InvalidInput("a message on Discord has at most 2000 characters")
        if routes_events.automod(self.world, self.hub, place, user, text):
            raise PermissionDenied(
                "AutoMod blocked the message", platform=self.platform, operation="sandbox", code=200000
            )
        place.spoken[user] = now
        body: dict[str, Any] = {"content": text}
        if reply_to:
            body["message_reference"] = {"message_id": reply_to}
        return self._write(place, user, body)

    def _write(self, place: ChannelState, user: str, body: Mapping[str, Any]) -> str:
        author = self.world.users[user]
        message = self._do(
            lambda: make_message(self.world, place, author, body, {}, base_url=self.context.base_url)
        )
        place_message(self.world, self.hub, place, message)
        return message.id

    def direct(self, person: Person, text: str) -> str:
        """Let a person write to the bot privately; gives the channel's id."""
        place = self.world.direct(self.member_id(person))
        self._write(place, self.member_id(person), {"content": text})
        return place.id

    def _message(self, place: ChannelState, message: str) -> MessageState:
        found = place.messages.get(message)
        if found is None:
            raise TargetNotFound(
                f"no message {message} in the sandbox",
                platform=self.platform,
                operation="sandbox",
                code=10008,
            )
        return found

    def react(self, channel: str, person: Person, message: str, emoji: str) -> None:
        """Let a person react; "" takes all their reactions away."""
        place = self._place(channel)
        found = self._message(place, message)
        user = self._speaker(place, person, "ADD_REACTIONS")
        if emoji:
            routes_messages.react_as(self.world, self.hub, place, found, user, {"id": None, "name": emoji})
            return
        for key in list(found.reactions):
            routes_messages.unreact_as(self.hub, place, found, user, key)

    def share(self, channel: str, person: Person, message: str) -> str:
        """Let a person forward a message into the same channel."""
        place = self._place(channel)
        user = self._speaker(place, person)
        reference = {"type": 1, "message_id": message, "channel_id": channel}
        return self._write(place, user, {"message_reference": reference})

    def vote(self, channel: str, person: Person, message: str, choice: int) -> None:
        """Let a person vote; -1 takes all their votes back. Another choice replaces the vote of a single-choice poll."""
        place = self._place(channel)
        found = self._message(place, message)
        user = self._speaker(place, person, "VIEW_CHANNEL")
        poll = found.data.get("poll")
        if poll is None or found.poll_ended or not -1 <= choice < len(poll["answers"]):
            raise InvalidInput(f"message {message} has no open poll with a choice {choice}")
        for answer, users in found.votes.items():
            if user in users and (choice < 0 or (not poll["allow_multiselect"] and answer != choice + 1)):
                del users[user]
                self._tell_vote("REMOVE", place, found, user, answer)
        if choice >= 0 and user not in found.votes.setdefault(choice + 1, {}):
            found.votes[choice + 1][user] = None
            self._tell_vote("ADD", place, found, user, choice + 1)

    def _tell_vote(
        self, what: str, place: ChannelState, message: MessageState, user: str, answer: int
    ) -> None:
        data = {"user_id": user, "channel_id": place.id, "message_id": message.id, "answer_id": answer}
        if place.guild_id is not None:
            data["guild_id"] = place.guild_id
        self.hub.emit(f"MESSAGE_POLL_VOTE_{what}", data, channel=place)

    def press(self, channel: str, person: Person, message: str, data: str) -> None:
        """Let a person press a button; goes to the interactions URL when one is set, else through the Gateway."""
        place = self._place(channel)
        found = self._message(place, message)
        user = self._speaker(place, person, "VIEW_CHANNEL")
        known = {
            item.get("custom_id")
            for row in found.data["components"]
            for item in row.get("components", ())
            if not item.get("disabled")
        }
        if data not in known:
            raise InvalidInput(f"message {message} has no button {data!r}")
        self._interact(place, user, 3, {"component_type": 2, "custom_id": data}, found)

    def command(
        self, channel: str, person: Person, name: str, options: Mapping[str, Any] | None = None
    ) -> None:
        """Let a person call a slash command that the bot has registered."""
        place = self._place(channel)
        user = self._speaker(place, person, "USE_APPLICATION_COMMANDS")
        registered = {
            item["name"]: item
            for where in ("", place.guild_id or "")
            for item in self.world.commands.get(where, {}).values()
        }
        if name not in registered:
            raise InvalidInput(f"the bot has registered no command {name!r}")
        data: dict[str, Any] = {"id": registered[name]["id"], "name": name, "type": 1}
        if options:
            data["options"] = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        self._interact(place, user, 2, data, None)

    def _interact(
        self, place: ChannelState, user: str, kind: int, data: Mapping[str, Any], message: MessageState | None
    ) -> None:
        payload = routes_apps.make_interaction(self.world, place, user, kind, data, message=message)
        if self.world.endpoint is None:
            self.hub.emit("INTERACTION_CREATE", payload, private=True)
        else:
            self._spawn(self._call(self.world.endpoint, payload))

    async def _call(self, url: str, payload: Mapping[str, Any]) -> None:
        body = json.dumps(payload, ensure_ascii=False).encode()
        result = await self.context.call_back(url, body, routes_apps.signed(self.world, body))
        if result.status != 200:
            return
        try:
            answer = json.loads(result.body)
            routes_apps.apply_response(
                self.world, self.hub, str(payload["token"]), answer, base_url=self.context.base_url
            )
        except (ValueError, ApiError, AttributeError):
            return

    def interested(self, channel: str, person: Person, event: str, *, on: bool = True) -> None:
        """Let a person be interested in a scheduled event."""
        guild = self._guild(channel)
        if event not in guild.events:
            raise TargetNotFound(f"no event {event}", platform=self.platform, operation="sandbox", code=10070)
        routes_events.show_interest(self.hub, guild, event, self.member_id(person), on=on)

    def buy(self, person: Person, sku: str) -> str:
        """Let a person buy something from the application; gives the entitlement's id."""
        found = routes_apps.add_entitlement(self.world, self.hub, sku, self.member_id(person), kind=8)
        return str(found["id"])
