"""What simulated members do in the local Discord."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from shequn_discord.sandbox import (
    routes_apps,
    routes_channels,
    routes_events,
    routes_guilds,
    routes_messages,
    routes_shop,
)
from shequn_discord.sandbox.forms import ApiError
from shequn_discord.sandbox.gateway import Hub
from shequn_discord.sandbox.messaging import make_message, place_message
from shequn_discord.sandbox.permissions import BITS, permissions
from shequn_discord.sandbox.router import Upload
from shequn_discord.sandbox.world import ChannelState, GuildState, MessageState, World
from shequn_discord.snowflake import parse_time, snowflake_at
from shequn_sdk.errors import InvalidInput, PermissionDenied, PlatformError, TargetNotFound
from shequn_sdk.testing.sandbox import BaseSandbox, Person, SandboxContext

__all__ = ["Acting"]

_CREATED = {"group": 0, "broadcast": 5, "announcement": 5, "forum": 15, "voice": 2}


class Acting(BaseSandbox):
    """Half of the sandbox: members who join, write, react, vote, press and buy."""

    def __init__(self, context: SandboxContext) -> None:
        super().__init__(context)
        self.world = World(clock=context.clock, rng=context.rng, options=context.options)
        self.hub = Hub(world=self.world, faults=context.faults, options=context.options)
        self.owner = Person(id="discord-owner", name="群主", username="owner")
        self._owner_id = self.member_id(self.owner)
        self._tasks: set[asyncio.Task[Any]] = set()

    def _spawn(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tick(self) -> None:
        """Do what is due: scheduled events start and end, polls expire."""
        routes_events.tick_events(self.world, self.hub)
        now = self.world.now()
        for channel, message in list(self.world.open_polls):
            if not message.poll_ended and parse_time(message.data["poll"]["expiry"]) <= now:
                routes_messages.end_poll(self.world, self.hub, channel, message)
        self.world.open_polls = [item for item in self.world.open_polls if not item[1].poll_ended]

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
        member = self.world.add_member(guild, user, roles=roles)
        member["pending"] = bool(self.world.options.get("screening"))
        self._tell_member("GUILD_MEMBER_ADD", guild, user)

    def accept_rules(self, channel: str, person: Person) -> None:
        """Let a person come through the server's screening."""
        guild, user = self._guild(channel), self.member_id(person)
        guild.members[user]["pending"] = False
        self._tell_member("GUILD_MEMBER_UPDATE", guild, user)

    def rename(self, channel: str, person: Person, nick: str) -> None:
        """Let a person take another name on the channel's server."""
        guild, user = self._guild(channel), self.member_id(person)
        guild.members[user]["nick"] = nick
        self._tell_member("GUILD_MEMBER_UPDATE", guild, user)

    def _tell_member(self, kind: str, guild: GuildState, user: str) -> None:
        self.hub.emit(kind, {**self.world.member_json(guild, user), "guild_id": guild.id}, guild=guild)

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
        if guild.members[user]["pending"]:
            raise PermissionDenied(
                f"{person.name} has not accepted the server's rules yet",
                platform=self.platform,
                operation="sandbox",
                code=50013,
            )
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

    def show(self, channel: str, person: Person, picture: bytes, caption: str = "") -> str:
        """Let a person post a picture, with text above it; joins them first when they are no member."""
        place = self._place(channel)
        user = self._speaker(place, person, need="ATTACH_FILES")
        kind = "image/jpeg" if picture.startswith(b"\xff\xd8") else "image/png"
        file = Upload(f"picture.{kind[6:]}", kind, picture)
        return self._write(place, user, {"content": caption}, {"files[0]": file})

    def _write(
        self,
        place: ChannelState,
        user: str,
        body: Mapping[str, Any],
        files: Mapping[str, Upload] = MappingProxyType({}),
    ) -> str:
        author = self.world.users[user]
        message = self._do(
            lambda: make_message(self.world, place, author, body, files, base_url=self.context.base_url)
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
        found = routes_shop.add_entitlement(self.world, self.hub, sku, self.member_id(person), kind=8)
        return str(found["id"])
