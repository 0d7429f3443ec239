"""One Weibo account: its timeline as a channel, comments, counters, events, and private messages where allowed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, NoReturn, Self

from shequn_sdk.domain import (
    OWN_CLOCK,
    Account,
    Channel,
    ChannelKind,
    ChannelRef,
    Identity,
    Interaction,
    MemberRef,
    Membership,
    Piece,
    Post,
)
from shequn_sdk.errors import (
    ConfigError,
    Conflict,
    Landing,
    NotSupported,
    PlatformError,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Capability, LengthUnit, Manifest, TextLimit
from shequn_sdk.platforms.ports import (
    Parsed,
    PostNumbers,
    RawBatch,
    RawEvent,
    WebhookReply,
    WebhookRequest,
)
from shequn_weibo import wire
from shequn_weibo.api import Api, form_of
from shequn_weibo.budget import DayPlan
from shequn_weibo.errors import ACCEPTED_LATE, DUPLICATE, FOLLOWING, GONE, PLATFORM
from shequn_weibo.events import DIRECT, comment_of, parse_event
from shequn_weibo.manifest import MAX_PICTURE, manifest_for, options_of
from shequn_weibo.mid import permalink
from shequn_weibo.oauth import OAuth
from shequn_weibo.polling import Poller
from shequn_weibo.push import PushReceiver, message_data
from shequn_weibo.render import check_comment, check_piece, fingerprint, picture_of, stands_as

__all__ = ["WeiboAdapter"]

_NEWEST = 5
"""Posts of the own timeline that a normal application sees."""
_COMMENTS = 200
_BATCH = 100
_REMEMBERED = 512
_LATE = "late:"
"""How the id of a post begins that Weibo took, but did not show yet."""


class WeiboAdapter:
    """An account on Weibo. Its channel is the uid of the user who authorised; `dm:UID` is a private channel."""

    def __init__(self, account: Account, context: AdapterContext) -> None:
        self.account = account
        self.options = options_of(account)
        self._manifest = manifest_for(account)
        self._context = context
        token = account.secret("access_token")
        if not token:
            raise ConfigError(
                f"the weibo account {account.name!r} needs the secret access_token: get one with "
                "shequn_weibo.oauth.OAuth, or run `shequn sandbox` to try without an account"
            )
        self._fan_token = account.secret("fan_token")
        app_secret = account.secret("app_secret")
        self._receiver: PushReceiver | None = None
        if self.options.fan_service:
            if not app_secret or not self._fan_token:
                raise ConfigError(
                    f"the weibo account {account.name!r} has fan_service, so it needs the secrets app_secret and "
                    "fan_token: copy them from 粉丝服务 → 高级功能 → 开发者模式"
                )
            self._receiver = PushReceiver(
                app_secret,
                path_secret=self.options.push_path_secret,
                max_age=timedelta(minutes=self.options.push_minutes),
            )
        self.plan = DayPlan(clock=context.clock, per_day=self.options.per_day, reserve=self.options.reserve)
        self._api = Api(
            access_token=token,
            base_url=account.base_url,
            options=self.options,
            context=context,
            plan=self.plan,
            secrets=(self._fan_token, app_secret, self.options.push_path_secret),
        )
        self._poller = Poller(
            self._api,
            options=self.options,
            clock=context.clock,
            followers=not self.options.fan_service,
        )
        self._uid = self.options.uid
        self._uid_lock = asyncio.Lock()
        self._keys: OrderedDict[str, str] = OrderedDict()

    @property
    def platform(self) -> str:
        """Name of the platform."""
        return PLATFORM

    @property
    def manifest(self) -> Manifest:
        """What this account can do at its level."""
        return self._manifest

    async def __aenter__(self) -> Self:
        """Open connections; makes no request."""
        await self._api.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._api.http.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"WeiboAdapter({self.account.name!r})"

    async def check(self) -> str:
        """Ask Weibo whose token this is and how long it is good; gives a line for people."""
        info = await self._api.token_info()
        uid = wire.ident(info.uid) or await self._own_uid()
        user = await self._api.get("users/show", wire.User, {"uid": uid})
        days = (wire.number(info.expire_in) or 0) / 86400
        left = "" if self.plan.left is None else f", {self.plan.left} calls left today"
        return (
            f"weibo {self.options.level}: {user.screen_name or 'user'} (uid {uid}), token good for {days:.1f} days"
            f"{left}"
        )

    def oauth(self) -> OAuth:
        """Give the authorisation of this account's application: option `redirect_uri`, secrets `app_key` and `app_secret`."""
        return OAuth(
            app_key=self.account.secret("app_key"),
            app_secret=self.account.secret("app_secret"),
            redirect_uri=self.options.redirect_uri,
            context=self._context,
            base_url=self.account.base_url,
        )

    # publishing

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Post to the own timeline, or write to a member (`dm:UID`); see `Publisher`.

        A refusal as repeated is looked up among the newest posts: where the text stands, it has landed.
        """
        if channel.startswith(DIRECT):
            return await self._write_to(channel, piece, idempotency_key)
        self.manifest.require(Capability.PUBLISH_TEXT)
        check_piece(piece, self.manifest, self.options.safe_domains)
        await self._own(channel, "statuses/share")
        picture = None
        if piece.media:
            picture = await picture_of(piece.media[0], self._context, limit=MAX_PICTURE)
        form = form_of(status=piece.text, rip=self.options.rip)
        try:
            status = await self._api.post("statuses/share", wire.Status, form, picture=picture)
        except PlatformError as error:
            if error.code == ACCEPTED_LATE:
                return await self._shown_late(channel, piece, idempotency_key)
            if error.code in DUPLICATE:
                return await self._stands_already(channel, piece, idempotency_key, error)
            raise
        if not status.native_id:
            raise Unavailable(
                "weibo answered statuses/share without an id; look at the timeline whether the post stands",
                platform=PLATFORM,
                operation="statuses/share",
            )
        return self._post(channel, status, idempotency_key)

    def _post(self, channel: str, status: wire.Status, key: str) -> Post:
        native = status.native_id
        if key:  # only who published it, or found it again, knows whose it is
            self._keys[native] = key
        while len(self._keys) > _REMEMBERED:
            self._keys.popitem(last=False)
        landed = wire.time_of(status.created_at, otherwise=self._api.clock.now())
        return Post(
            channel=ChannelRef(account=self.account.name, native_id=channel),
            native_id=native,
            landed_at=landed,
            url=permalink(channel, native) if native.isdigit() and channel.isdigit() else "",
            text=status.text,
        )

    async def _shown_late(self, channel: str, piece: Piece, key: str) -> Post:
        """Give the post that Weibo took but may not show yet."""
        since = self._api.clock.now() - timedelta(minutes=5)
        try:
            found = await self._find(channel, piece, key, since=since)
        except PlatformError:
            found = None  # taken is taken; the id can be found later
        if found is not None:
            return found
        return Post(
            channel=ChannelRef(account=self.account.name, native_id=channel),
            native_id=f"{_LATE}{key}"[:255],
            landed_at=self._api.clock.now(),
            text=piece.text,
            attrs={"shown_late": True, OWN_CLOCK: True},
        )

    async def _stands_already(self, channel: str, piece: Piece, key: str, error: PlatformError) -> Post:
        since = self._api.clock.now() - timedelta(minutes=self.options.duplicate_minutes)
        found = None
        try:
            found = await self._find(channel, piece, key, since=since)
        except PlatformError:
            error.landed = Landing.PERHAPS
            raise error from None
        if found is None:
            # similar to an older post, or our own first attempt that is not shown yet
            error.landed = Landing.PERHAPS
            raise error
        return found

    async def _find(self, channel: str, piece: Piece, key: str, *, since: datetime) -> Post | None:
        return self._match(channel, await self._newest(channel), piece, key, since=since)

    def _match(
        self, channel: str, rows: Sequence[wire.Status], piece: Piece, key: str, *, since: datetime
    ) -> Post | None:
        """Find among own posts one with this text that belongs to no other delivery."""
        if not fingerprint(piece.text):
            return None
        since = since.replace(microsecond=0)
        for status in rows:
            if wire.time_of(status.created_at, otherwise=since) < since:
                continue
            if stands_as(piece.text, status.text) and self._keys.get(status.native_id, key) == key:
                return self._post(channel, status, key)
        return None

    async def _newest(self, channel: str) -> list[wire.Status]:
        page = await self._api.get(
            "statuses/user_timeline", wire.StatusPage, {"uid": channel, "count": _NEWEST}
        )
        return [status for status in page.statuses if status.native_id]

    async def find_landed(
        self, channel: str, piece: Piece, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        """Look a post up among the newest 5 of the own timeline, by its text; see `Reconciler`.

        Raises:
            Unavailable: five posts were made since; whether an older one is ours cannot be seen any more.
            NotSupported: messages to members cannot be looked up.
        """
        self.manifest.require(Capability.RECONCILE)
        if channel.startswith(DIRECT):
            raise NotSupported(
                "weibo: messages to members cannot be looked up; ask the member, then resolve the delivery",
                platform=PLATFORM,
                capability=Capability.RECONCILE,
            )
        await self._own(channel, "statuses/user_timeline")
        if not fingerprint(piece.text):
            raise Unavailable(
                "weibo: a post that is nothing but a link or a topic cannot be recognised again; look at the timeline, "
                "then resolve the delivery",
                platform=PLATFORM,
                operation="statuses/user_timeline",
            )
        rows = await self._newest(channel)
        found = self._match(channel, rows, piece, idempotency_key, since=since)
        if found is not None:
            return found
        times = [wire.time_of(status.created_at, otherwise=since) for status in rows]
        if len(times) >= _NEWEST and min(times) >= since:
            raise Unavailable(
                f"weibo: {len(times)} posts were made since, and no more than {_NEWEST} can be read; look at the "
                "timeline on weibo.com, then resolve the delivery",
                platform=PLATFORM,
                operation="statuses/user_timeline",
            )
        return None

    async def delete(self, channel: str, message: str) -> None:
        """Delete an own post; one that is gone is no error."""
        self.manifest.require(Capability.DELETE)
        await self._own(channel, "statuses/destroy")
        try:
            await self._api.post("statuses/destroy", wire.Status, {"id": message})
        except TargetNotFound as error:
            if error.code not in GONE:
                raise

    async def edit(self, channel: str, message: str, piece: Piece) -> None:
        """Refuse: posts cannot be changed."""
        self.manifest.require(Capability.EDIT)

    async def get_post_numbers(self, channel: str, messages: Sequence[str]) -> Sequence[PostNumbers]:
        """Read shares, comments and likes, 100 posts per call; Weibo tells no views."""
        self.manifest.require(Capability.POST_METRICS)
        wanted = [message for message in dict.fromkeys(messages) if message.isascii() and message.isdigit()]
        told: dict[str, PostNumbers] = {}
        for start in range(0, len(wanted), _BATCH):
            ids = ",".join(wanted[start : start + _BATCH])
            counts = await self._api.get("statuses/count", list[wire.Count], {"ids": ids})
            now = self._api.clock.now()
            for count in counts:
                native = wire.ident(count.id)
                told[native] = PostNumbers(
                    native_id=native,
                    measured_at=now,
                    reactions=wire.number(count.attitudes),
                    comments=wire.number(count.comments),
                    shares=wire.number(count.reposts),
                )
        return [told[message] for message in wanted if message in told]

    async def iter_own_posts(self) -> AsyncIterator[Post]:
        """Give the newest posts of the own timeline, newest first; 5 for a normal application."""
        uid = await self._own_uid()
        for status in await self._newest(uid):
            yield self._post(uid, status, self._keys.get(status.native_id, ""))

    # comments

    async def comment(self, channel: str, message: str, text: str, *, reply_to: str = "") -> str:
        """Comment on a post, or answer a comment; gives the comment's id."""
        self.manifest.require(Capability.COMMENTS)
        check_comment(text, TextLimit(maximum=self.options.comment_limit, unit=LengthUnit.HANZI))
        form = form_of(id=message, cid=reply_to, comment=text, rip=self.options.rip)
        operation = "comments/reply" if reply_to else "comments/create"
        made = await self._api.post(operation, wire.Comment, form)
        return made.native_id

    async def delete_comment(self, channel: str, message: str, comment: str) -> None:
        """Delete a comment; one that is gone is no error."""
        self.manifest.require(Capability.COMMENTS)
        try:
            await self._api.post("comments/destroy", wire.Comment, {"cid": comment})
        except TargetNotFound as error:
            if error.code not in GONE:
                raise

    async def iter_comments(self, channel: str, message: str) -> AsyncIterator[Interaction]:
        """Give the comments under a post, oldest first; Weibo gives them newest first, so all are read before."""
        self.manifest.require(Capability.COMMENTS)
        found: dict[str, Interaction] = {}
        bottom = 0
        while True:
            asked: dict[str, str | int] = {"id": message, "count": _COMMENTS, "page": 1}
            if bottom:
                asked["max_id"] = bottom - 1
            page = await self._api.get("comments/show", wire.CommentPage, asked)
            rows = [row for row in page.comments if row.native_id.isascii() and row.native_id.isdigit()]
            numbers = [int(row.native_id) for row in rows]
            for row in rows:
                item = comment_of(
                    row,
                    account=self.account.name,
                    owner=channel,
                    post=message,
                    seen=self._api.clock.now(),
                )
                found.setdefault(row.native_id, item)
            # hidden comments make pages shorter, and total_number counts them: only an empty page is the end
            if not numbers or min(numbers) < 2 or (bottom and min(numbers) >= bottom):
                break
            bottom = min(numbers)
        for native in sorted(found, key=int):
            yield found[native]

    # channel and members

    async def get_channel(self, channel: str) -> Channel:
        """Read the own timeline as a channel."""
        self.manifest.require(Capability.CHANNEL_INFO)
        await self._own(channel, "users/show")
        user = await self._api.get("users/show", wire.User, {"uid": channel})
        return Channel(
            ref=ChannelRef(account=self.account.name, native_id=channel),
            platform=PLATFORM,
            title=user.screen_name or user.name,
            kind=ChannelKind.TIMELINE,
            description=user.description,
            username=user.domain,
            member_count=wire.number(user.followers_count),
            attrs={"verified": user.verified is True, "posts": wire.number(user.statuses_count)},
        )

    async def count_members(self, channel: str) -> int:
        """Read the number of followers (粉丝数)."""
        self.manifest.require(Capability.MEMBER_COUNT)
        await self._own(channel, "users/counts")
        counts = await self._api.get("users/counts", list[wire.UserCount], {"uids": channel})
        for count in counts:
            followers = wire.number(count.followers_count)
            if wire.ident(count.id) == channel and followers is not None:
                return followers
        raise Unavailable(
            "weibo left the number of followers out; ask again later",
            platform=PLATFORM,
            operation="users/counts",
            landed=Landing.SURELY_NOT,
        )

    def iter_channels(self) -> AsyncIterator[Channel]:
        """Refuse: there is one timeline only."""
        self._refuse(Capability.LIST_CHANNELS)

    async def get_member(self, channel: str, member: str) -> Membership:
        """Read whether a user follows this account; see `MemberDirectory`."""
        self.manifest.require(Capability.GET_MEMBER)
        await self._own(channel, "friendships/show")
        found = await self._api.get(
            "friendships/show", wire.Friendship, {"source_id": member, "target_id": channel}
        )
        if not (found.source.following or found.target.followed_by):
            raise TargetNotFound(
                f"weibo: user {member} does not follow {channel}",
                platform=PLATFORM,
                operation="friendships/show",
            )
        return self._membership(member, found.source.screen_name)

    async def iter_members(self, channel: str) -> AsyncIterator[Membership]:
        """Give the followers, where the level allows."""
        self.manifest.require(Capability.LIST_MEMBERS)
        await self._own(channel, "friendships/followers")
        cursor, seen = 0, set[int]()
        while True:
            page = await self._api.get(
                "friendships/followers", wire.FollowerPage, {"uid": channel, "count": 200, "cursor": cursor}
            )
            for user in page.users:
                if user.uid:
                    yield self._membership(user.uid, user.screen_name or user.name)
            cursor = wire.number(page.next_cursor) or 0
            if cursor <= 0 or cursor in seen:
                return
            seen.add(cursor)

    async def get_user(self, uid: str) -> Identity:
        """Read a user; a normal application sees the authorised user only."""
        user = await self._api.get("users/show", wire.User, {"uid": uid})
        return self._identity(
            uid,
            user.screen_name or user.name,
            {"followers": wire.number(user.followers_count), "location": user.location},
        )

    async def follow(self, uid: str) -> None:
        """Follow a user (commercial level); following already is no error."""
        try:
            await self._api.post("friendships/create", wire.User, {"uid": uid})
        except Conflict as error:
            if error.code != FOLLOWING:
                raise

    async def get_limits(self) -> Mapping[str, int | None]:
        """Ask what is left of the limits; does not count."""
        told = await self._api.get("account/rate_limit_status", wire.RateStatus)
        return {
            "remaining_user_hits": wire.number(told.remaining_user_hits),
            "remaining_ip_hits": wire.number(told.remaining_ip_hits),
            "reset_time_in_seconds": wire.number(told.reset_time_in_seconds),
        }

    def _identity(self, uid: str, name: str, attrs: dict[str, Any] | None = None) -> Identity:
        return Identity(
            ref=MemberRef(platform=PLATFORM, native_id=uid),
            display_name=name,
            username=name,
            attrs=attrs or {},
        )

    def _membership(self, uid: str, name: str) -> Membership:
        return Membership(identity=self._identity(uid, name))

    # private messages

    async def direct_channel(self, member: str) -> str:
        """Give the private channel of a member, who can be answered for 48 hours after writing."""
        self.manifest.require(Capability.DIRECT_MESSAGE)
        return DIRECT + member

    async def _write_to(self, channel: str, piece: Piece, key: str) -> Post:
        self.manifest.require(Capability.DIRECT_MESSAGE)
        for forms, need in ((piece.media, Capability.PUBLISH_PHOTO), (piece.buttons, Capability.BUTTONS)):
            if forms or piece.poll is not None or piece.article is not None or piece.link is not None:
                raise NotSupported(
                    "weibo's fan service takes text only here; write it as text",
                    platform=PLATFORM,
                    capability=need,
                )
        form = {
            # this host's documents name the token as a field
            "access_token": self._fan_token,
            "type": "text",
            "data": message_data(piece.text),
            "receiver_id": channel.removeprefix(DIRECT),
            "save_sender_box": "1",
        }
        await self._api.post("messages/reply", dict[str, Any], form, token=self._fan_token)
        return Post(
            channel=ChannelRef(account=self.account.name, native_id=channel),
            native_id=f"message:{key}"[:255],
            landed_at=self._api.clock.now(),
            text=piece.text,
            attrs={OWN_CLOCK: True},
        )

    # listening

    async def receive(self, cursor: str | None) -> RawBatch:
        """Poll once, within the day's budget; see `EventSource`."""
        self.manifest.require(Capability.POLL_EVENTS)
        return await self._poller.receive(cursor, uid=await self._own_uid())

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one event; see `EventSource`."""
        return parse_event(raw, account=self.account.name)

    def verify(self, request: WebhookRequest) -> WebhookReply:
        """Check a push of the fan service; see `WebhookSource`."""
        self.manifest.require(Capability.WEBHOOK)
        assert self._receiver is not None
        return self._receiver.verify(request)

    # who we are

    async def _own_uid(self) -> str:
        if not self._uid:
            async with self._uid_lock:
                if not self._uid:
                    answer = await self._api.get("account/get_uid", wire.Uid)
                    self._uid = wire.ident(answer.uid)
        return self._uid

    async def _own(self, channel: str, operation: str) -> None:
        """Refuse a channel that is not the own timeline."""
        own = await self._own_uid()
        if channel != own:
            raise TargetNotFound(
                f"weibo: {channel!r} is not the timeline of this account; its channel is {own}, and nobody else's can "
                "be read or written",
                platform=PLATFORM,
                operation=operation,
            )

    def _refuse(self, capability: Capability) -> NoReturn:
        raise NotSupported(self.manifest.explain(capability), platform=PLATFORM, capability=str(capability))
