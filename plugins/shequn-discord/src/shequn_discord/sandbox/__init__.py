"""A local Discord: REST v9 and v10, Gateway, signed interactions, and members who act."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.websockets import WebSocket

from shequn_discord.sandbox.acting import Acting
from shequn_discord.sandbox.limits import Limiter, answer_429
from shequn_discord.sandbox.router import Router, load_routes
from shequn_discord.sandbox.routes_webhooks import add_webhook
from shequn_discord.sandbox.world import ChannelState, MessageState
from shequn_discord.snowflake import parse_time
from shequn_sdk.testing.sandbox import Person, SandboxChannel, SandboxContext, SandboxMessage

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


class DiscordSandbox(Acting):
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
        load_routes()
        options = context.options
        self.limiter = Limiter(
            context.clock,
            shape=str(options.get("bucket_shape", "fixed")),
            strict=bool(options.get("strict_limits", True)),
            sizes=options.get("bucket_sizes", {}),
        )
        self.hub.url = f"{context.ws_url}/gateway"
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
        self._webhook = add_webhook(world, world.channels[guild.id], "公告")
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
            "channels": [guild.id, self._news, self._forum],
            "named_channels": {"general": guild.id, "announcements": self._news, "forum": self._forum},
            "voice_channel": self._voice,
            "members": list(self._ready.values()),
            "named_members": dict(self._ready),
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

    async def stop(self) -> None:
        """End Gateway connections and unfinished callbacks."""
        await self.hub.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def operation(self, method: str, path: str) -> str:
        """Name the operation of a request."""
        if path.rstrip("/").endswith("/gateway"):
            return "gateway"
        found, _, _ = self._router.find(method, self._router.strip(path.partition("?")[0]))
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
