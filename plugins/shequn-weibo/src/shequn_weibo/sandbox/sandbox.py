"""The local Weibo as the sandbox runtime sees it: a ready-made account, and what people do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import islice
from types import MappingProxyType
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shequn_sdk.errors import InvalidInput, ShequnError, TargetNotFound
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient
from shequn_sdk.testing.sandbox import (
    BaseSandbox,
    FaultKind,
    Person,
    SandboxChannel,
    SandboxContext,
    SandboxMessage,
)
from shequn_weibo.events import DIRECT
from shequn_weibo.manifest import LEVELS
from shequn_weibo.sandbox.fans import Fans
from shequn_weibo.sandbox.oauth import Authorisation
from shequn_weibo.sandbox.people import Comments, People
from shequn_weibo.sandbox.posts import Posts
from shequn_weibo.sandbox.server import Limits, make_app, refusal
from shequn_weibo.sandbox.state import (
    App,
    CommentRecord,
    Refuse,
    StatusRecord,
    TokenRecord,
    UserRecord,
    World,
)

__all__ = ["WeiboSandbox"]

UID = "1000000001"
DOMAIN = "club.example.com"
REDIRECT = "https://club.example.com/weibo/callback"
_OWN_LASTS = timedelta(days=5 * 365)
"""The developer's own token on the own application."""
_FAN_LASTS = timedelta(days=365)
_LATE = 90.0
_LEVELS = MappingProxyType(
    {
        "friendships/create": "commercial",
        "friendships/destroy": "commercial",
        "statuses/show_batch": "commercial",
    }
)


class WeiboSandbox(BaseSandbox):
    """A user with an application.

    Options: `level` (test, normal, commercial), `fan_service`, `callback_url`, `push_format` (json, xml),
    `safe_domains`, `token_seconds`, `authorize` (approve, deny), `authorised_share` (share of people who authorised the application), `user_limit`,
    `ip_limit`, `posts_per_hour`, `comments_per_hour`, `text_limit`, `newest`, `duplicate_minutes`, `accept_late`
    (how many posts are answered with 20032), `late_seconds`, `allow_delete`, `require_rip`, `string_codes`,
    `string_counts`, `error_status` (HTTP status of all errors), `phantom_rows` (comments that are counted but hidden).
    """

    platform = "weibo"
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "vote": "polls of Weibo are not in its open API",
            "press": "there are no buttons",
            "confirm": "nothing waits for a person",
        }
    )

    def __init__(self, context: SandboxContext) -> None:
        super().__init__(context)
        self.level = str(context.options.get("level", "normal"))
        if self.level not in LEVELS:
            raise InvalidInput(
                f"level of the weibo sandbox is one of {', '.join(LEVELS)}, not {self.level!r}"
            )
        world = self.world = World(clock=context.clock, rng=context.rng, options=context.options)
        self.limits = Limits(world)
        domains = tuple(str(domain) for domain in context.options.get("safe_domains", (DOMAIN,)))
        self.application = App(
            str(world.rng.randrange(10**9, 10**10)),
            world.hex(32),
            self.level,
            REDIRECT,
            domains,
            test_users={UID},
        )
        world.apps[self.application.key] = self.application
        world.users[UID] = UserRecord(UID, "读书会", verified=True, description="每天一起读二十页")
        self.oauth = Authorisation(world, uid=UID)
        self.token: TokenRecord = self.oauth.issue(self.application, UID, lasts=_OWN_LASTS)
        self.fan_token: TokenRecord = self.oauth.issue(self.application, UID, lasts=_FAN_LASTS, fan=True)
        self.fans = Fans(context, world, uid=UID, app_secret=self.application.secret)
        self._fan_service = bool(context.options.get("fan_service", False))
        self._ready = [Person(id="reader1", name="林小满"), Person(id="reader2", name="陈一诺")]
        for person in self._ready:
            self.join(UID, person)
        world.users[UID].new_followers = 0
        self.fans.waiting.clear()
        posts, comments, people = (
            Posts(world, self.limits),
            Comments(world, self.limits),
            People(world, self.limits),
        )
        self.app: Any = make_app(
            world,
            self.limits,
            reads={**posts.reads(), **comments.reads(), **people.reads()},
            writes={**posts.writes(), **comments.writes(), **people.writes(), **self.fans.writes()},
            oauth=self.oauth.routes(),
            control=self._set_push,
            levels=_LEVELS,
        )

    # what a client needs

    def describe(self) -> dict[str, Any]:
        """Give addresses, secrets and ids."""
        app = self.application
        return {
            "base_url": f"{self.context.base_url}/2",
            "oauth_url": f"{self.context.base_url}/oauth2",
            "push_control": f"{self.context.base_url}/_push",
            "level": self.level,
            "uid": UID,
            "token": self.token.token,
            "app_key": app.key,
            "redirect_uri": app.redirect_uri,
            "secrets": {
                "access_token": self.token.token,
                "app_key": app.key,
                "app_secret": app.secret,
                "fan_token": self.fan_token.token,
            },
            "options": {
                "level": self.level,
                "uid": UID,
                "safe_domains": list(app.safe_domains),
                "redirect_uri": app.redirect_uri,
                "fan_service": self._fan_service,
                "rip": "203.0.113.9",
            },
            "channels": [UID],
            "members": [self.member_id(person) for person in self._ready],
        }

    async def start(self) -> None:
        """Begin to push."""
        self.fans.start()

    async def stop(self) -> None:
        """End pushing."""
        await self.fans.stop()

    def operation(self, method: str, path: str) -> str:
        """Name a request for fault rules."""
        name = path.removeprefix("/2/").strip("/").removesuffix(".json")
        if name in {"statuses/share", "messages/reply"}:
            return "publish"
        if name == "remind/unread_count":
            return "receive"
        return "read" if method in {"GET", "HEAD"} or name == "oauth2/get_token_info" else name

    def rate_limited(self, retry_after: float) -> tuple[int, Mapping[str, str], bytes]:
        """Give Weibo's answer to too many calls, which does not say how long to wait."""
        status, body = refusal(self.world, Refuse(10024, "User requests out of rate limit!"), "/limited.json")
        return status, {"content-type": "application/json; charset=UTF-8"}, json.dumps(body).encode()

    # pushes

    async def register_push(self, url: str) -> bool:
        """Check an address as the console does, and use it when it answers the check; gives whether it did."""
        echo = str(self.world.rng.randrange(10**18, 10**19))
        joint = "&" if "?" in url else "?"
        client = HttpClient(
            platform="weibo", base_url=url, context=AdapterContext(clock=self.context.clock, timeout=5.0)
        )
        async with client:
            reply = await client.request(
                "GET", f"{url}{joint}{self.fans.query(echostr=echo)}", operation="check of the push address"
            )
        if reply.status != 200 or reply.body != echo.encode():
            return False
        self.fans.url = url
        return True

    async def _set_push(self, request: Request) -> Response:
        """Answer `/_push`: POST `{"url": …, "check": true}` sets where pushes go."""
        if request.method == "POST":
            try:
                body = json.loads(await request.body())
                url, check = str(body.get("url", "")), bool(body.get("check", True))
            except (ValueError, AttributeError):
                return JSONResponse({"ok": False, "why": 'send JSON: {"url": …, "check": true}'}, 400)
            try:
                good = not (url and check) or await self.register_push(url)
            except ShequnError as error:
                return JSONResponse({"ok": False, "why": str(error)}, 400)
            if not good:
                return JSONResponse({"ok": False, "why": "the address did not answer the check"}, 400)
            self.fans.url = url
        return JSONResponse(
            {
                "ok": True,
                "url": self.fans.url,
                "delivered": self.fans.delivered,
                "failed": len(self.fans.failed),
                "waiting": len(self.fans.waiting),
            }
        )

    # what people see

    def channels(self) -> Sequence[SandboxChannel]:
        """Give the timeline and the private channels."""
        own = self.world.users[UID]
        found = [SandboxChannel(UID, own.name, "timeline", len(own.followers))]
        found += [
            SandboxChannel(DIRECT + uid, self.world.users[uid].name, "direct", 1)
            for uid in dict.fromkeys(message.member for message in self.fans.messages)
        ]
        return found

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give own posts, posts that mention the account, shares and comments; newest first."""
        if limit <= 0:
            return []
        if channel.startswith(DIRECT):
            return self._private(channel)[:limit]
        if channel != UID:
            return []
        world = self.world
        rows = (
            world.statuses.get(native) or world.comments.get(native) for native in reversed(world.feeds[UID])
        )
        stand = (row for row in rows if row is not None and not row.deleted)
        return [self._shown(row) for row in islice(stand, limit)]

    def _shown(self, row: StatusRecord | CommentRecord) -> SandboxMessage:
        reactions: dict[str, int] = {}
        if isinstance(row, StatusRecord):
            for emoji in row.likes.values():
                reactions[emoji] = reactions.get(emoji, 0) + 1
        return SandboxMessage(
            channel=UID,
            native_id=str(row.id),
            author_id=row.author,
            author_name=self.world.users[row.author].name,
            by_account=row.author == UID,
            text=row.text,
            at=row.at,
            reactions=reactions,
            attachments=int(isinstance(row, StatusRecord) and bool(row.picture)),
        )

    def _private(self, channel: str) -> list[SandboxMessage]:
        member = channel.removeprefix(DIRECT)
        return [
            SandboxMessage(
                channel=channel,
                native_id=str(message.id),
                author_id=UID if message.by_account else member,
                author_name=self.world.users[UID if message.by_account else member].name,
                by_account=message.by_account,
                text=message.text,
                at=message.at,
            )
            for message in reversed(self.fans.messages)
            if message.member == member
        ]

    # what people do

    def _user(self, person: Person) -> UserRecord:
        uid = self.member_id(person)
        found = self.world.users.get(uid)
        if found is None:
            share = float(self.world.option("authorised_share", 1.0))
            authorised = share >= 1.0 or self.world.rng.random() < share
            found = self.world.users[uid] = UserRecord(uid, person.name, authorised=authorised)
        return found

    def _own(self, channel: str) -> UserRecord:
        if channel != UID:
            raise TargetNotFound(f"the weibo sandbox has no channel {channel!r}", platform="weibo")
        return self.world.users[UID]

    def create_channel(self, title: str, *, kind: str = "group") -> str:
        """Give the account's one timeline, which takes the title as its name."""
        self.world.users[UID].name = title[:30] or self.world.users[UID].name
        return UID

    def join(self, channel: str, person: Person, *, invite: str = "") -> None:
        """Let a person follow the account."""
        own, user = self._own(channel), self._user(person)
        if not self.world.follow(own, user.uid):
            return
        own.new_followers += 1
        self.fans.event(
            user.uid, "scan_follow" if invite else "follow", **({"key": invite} if invite else {})
        )

    def leave(self, channel: str, person: Person) -> None:
        """Let a person follow the account no longer."""
        own, user = self._own(channel), self._user(person)
        if self.world.unfollow(own, user.uid):
            self.fans.event(user.uid, "unfollow")

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        """Let a person comment (`reply_to`), mention the account, or write to it privately (`dm:UID`)."""
        user, world = self._user(person), self.world
        if channel.startswith(DIRECT):
            return self.fans.write(user.uid, text)
        self._own(channel)
        number = int(reply_to) if reply_to.isdigit() else 0
        row: StatusRecord | CommentRecord
        if not reply_to:
            row = world.add_status(StatusRecord(world.new_id(), user.uid, text, self.now(), mentions={UID}))
        elif number in world.statuses:
            row = world.add_comment(CommentRecord(world.new_id(), number, user.uid, text, self.now()))
        elif number in world.comments:
            under = world.comments[number].status
            row = world.add_comment(
                CommentRecord(world.new_id(), under, user.uid, text, self.now(), answers=number)
            )
        else:
            raise TargetNotFound(f"there is no post or comment {reply_to} to answer", platform="weibo")
        fault = self.context.faults.for_event("weibo")
        if fault is not None and fault.kind is FaultKind.LATE_EVENT:
            row.visible_at = self.now() + timedelta(seconds=fault.delay or _LATE)
            world.odd.add(row.id)
        row.twice = fault is not None and fault.kind is FaultKind.DUPLICATE_EVENT
        return str(row.id)

    def react(self, channel: str, person: Person, message: str, emoji: str) -> None:
        """Let a person like a post; "" takes the like away. Weibo tells the number only."""
        self._own(channel)
        user, status = self._user(person), self._status(message)
        if emoji:
            status.likes[user.uid] = emoji
        else:
            status.likes.pop(user.uid, None)

    def share(self, channel: str, person: Person, message: str) -> str:
        """Let a person share a post."""
        self._own(channel)
        user, status = self._user(person), self._status(message)
        made = StatusRecord(
            self.world.new_id(), user.uid, "转发微博", self.now(), origin=status.origin or status.id
        )
        return str(self.world.add_status(made).id)

    def _status(self, message: str) -> StatusRecord:
        status = self.world.statuses.get(int(message)) if message.isdigit() else None
        if status is None or status.deleted:
            raise TargetNotFound(f"there is no post {message}", platform="weibo")
        return status
