"""Mode `customer`: customers and customer groups (客户联系). What is published waits for a member to press send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from shequn_sdk.domain import (
    Account,
    Channel,
    ChannelKind,
    Identity,
    Interaction,
    MemberRef,
    Membership,
    Piece,
    Post,
)
from shequn_sdk.errors import Conflict, NotSupported, TargetNotFound
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Confirmation, Invite, Parsed, RawBatch, RawEvent
from shequn_wecom.adapter import ApiAdapter
from shequn_wecom.attachments import attachments_of, kinds_of
from shequn_wecom.campaigns import Campaigns
from shequn_wecom.customers import Customers
from shequn_wecom.entrances import MAX_STATE, Entrances
from shequn_wecom.errors import PLATFORM
from shequn_wecom.events import CUSTOMERS
from shequn_wecom.groups import Groups, GroupSnapshot
from shequn_wecom.models import Customer, instant
from shequn_wecom.numbers import Numbers, Rules
from shequn_wecom.polling import GroupPoller, parse_polled
from shequn_wecom.render import check_text, refuse

__all__ = ["CustomerAdapter"]

WELCOME_WITHIN = timedelta(seconds=20)
"""Age at which a welcome code dies. Document 92137."""


class CustomerAdapter(ApiAdapter):
    """Cares for customers and customer groups.

    Channels: `wr…` (a customer group), `customer:wm…` (one customer), `tag:et…` (customers with a tag), `customers`
    (all customers of `sender`, or of everybody). No API posts into any of them by itself: `publish` makes a task, and
    the member in charge presses send.
    """

    def __init__(self, account: Account, context: AdapterContext) -> None:
        super().__init__(account, context)
        self.customers = Customers(self.api)
        self.entrances = Entrances(self.api)
        self.groups = Groups(self.api)
        self.campaigns = Campaigns(self.api)
        self.numbers = Numbers(self.api)
        self.rules = Rules(self.api)
        self._owners: dict[str, str] = {}
        self._poller = GroupPoller(
            self.groups, account=account.name, clock=context.clock, owners=self.options.owners
        )

    async def check(self) -> str:
        """Ask WeCom which members may care for customers; gives a line for people."""
        followers = await self.customers.list_followers()
        return f"wecom customer: {len(followers)} members of {self.options.corp_id} may care for customers"

    # speaking, by way of a person

    async def publish(self, channel: str, piece: Piece, *, idempotency_key: str) -> Post:
        """Ask a member to send the piece; the post's `native_id` names the task (see `get_confirmation`).

        Raises:
            TargetNotFound: the channel has no customer or group behind it.
        """
        self._needs(piece)
        check_text(piece.text, limit=self.manifest.limits.text.maximum)
        attachments = await attachments_of(piece, self._shelf)
        target: dict[str, Any]
        kind, colon, value = channel.partition(":")
        if channel == CUSTOMERS:
            target = {"sender": self.options.sender}
        elif colon and kind == "customer" and value:
            target = {"sender": self.options.sender, "customers": [value]}
        elif colon and kind == "tag" and value:
            target = {"sender": self.options.sender, "tags": [[value]]}
        elif not colon:
            target = {"sender": await self._owner(channel), "chats": [channel]}
        else:
            raise TargetNotFound(
                f"wecom has no channel {channel!r}: write a group's id (wr…), customer:wm…, tag:et… or {CUSTOMERS}",
                platform=PLATFORM,
                operation="externalcontact/add_msg_template",
            )
        task, refused = await self.campaigns.send_mass(text=piece.text, attachments=attachments, **target)
        wanted = {*target.get("chats", ()), *target.get("customers", ())}
        if wanted and wanted <= set(refused):
            raise TargetNotFound(
                f"wecom refuses {channel} as a receiver: the sender does not own the group or have the customer",
                platform=PLATFORM,
                operation="externalcontact/add_msg_template",
            )
        attrs: dict[str, object] = {"waits_for": target["sender"] or "each follower"}
        if refused:
            attrs["refused"] = list(refused)
        return self._post(channel, task, piece, attrs=attrs)

    async def _owner(self, chat: str) -> str:
        if self.options.sender:
            return self.options.sender
        if chat not in self._owners:
            self._owners[chat] = (await self.groups.get(chat)).owner
        return self._owners[chat]

    async def find_landed(
        self, channel: str, piece: Piece, *, idempotency_key: str, since: datetime
    ) -> Post | None:
        """Find a mass message of this text, or without text of these attachments, to this channel since then.

        WeCom keeps no key of ours.

        A cancelled task counts as none. For `customers` and tags the text alone decides.
        """
        kind, _, value = channel.partition(":")
        single = channel == CUSTOMERS or kind in {"customer", "tag"}
        receiver = value if kind == "customer" else "" if single else channel
        record = await self.campaigns.find_mass(
            text=piece.text,
            kinds=kinds_of(piece),
            chat_type="single" if single else "group",
            receiver=receiver,
            since=max(since, self.clock.now() - timedelta(days=29)),
            until=self.clock.now() + timedelta(minutes=1),
        )
        if record is None:
            return None
        post = self._post(channel, record.id, piece)
        return post.model_copy(update={"landed_at": record.created_at or post.landed_at})

    async def get_confirmation(self, channel: str, task: str) -> Confirmation:
        """Read who has sent the task, and to whom."""
        chat = channel if ":" not in channel and channel != CUSTOMERS else ""
        progress = await self.campaigns.progress(task, chat=chat)
        posts = tuple(
            Post(
                channel=self._ref(receiver if chat else f"customer:{receiver}"),
                native_id=task,
                landed_at=instant(seconds) or self.clock.now(),
            )
            for receiver, seconds in progress.sent.items()
        )
        return Confirmation(
            sent=len(posts),
            pending=progress.pending,
            failed=progress.failed,
            posts=posts,
            reasons=dict(progress.reasons),
        )

    async def remind(self, channel: str, task: str) -> None:
        """Remind the member; WeCom allows three reminders in 24 hours."""
        await self.campaigns.remind(task)

    async def cancel_task(self, channel: str, task: str) -> None:
        """Take back what is not sent yet."""
        await self.campaigns.cancel(task)

    async def welcome(self, interaction: Interaction, piece: Piece) -> None:
        """Welcome a new customer, within 20 s of the event and once.

        Raises:
            Conflict: the event holds no welcome code, or is too old; no request was made.
        """
        self.manifest.require(Capability.WELCOME)
        code = _welcome_code(interaction, self.clock.now())
        check_text(piece.text, limit=self.manifest.limits.text.maximum)
        attachments = await attachments_of(piece, self._shelf)
        await self.campaigns.welcome(code, text=piece.text, attachments=attachments)

    # channels and members

    async def get_channel(self, channel: str) -> Channel:
        """Read a customer group, or what stands for customers."""
        kind, colon, value = channel.partition(":")
        if channel == CUSTOMERS:
            return self._named(channel, "客户", ChannelKind.BROADCAST)
        if colon and kind == "customer":
            customer = await self.customers.get(value)
            return self._named(channel, customer.name, ChannelKind.DIRECT, members=1)
        if colon and kind == "tag":
            for group in await self.customers.list_tags():
                for tag in group.tags:
                    if tag.id == value:
                        return self._named(channel, tag.name, ChannelKind.BROADCAST)
            raise TargetNotFound(f"wecom has no customer tag {value}", platform=PLATFORM, code=40068)
        group = await self.groups.get(channel)
        self._owners[channel] = group.owner
        found = self._named(channel, group.name, ChannelKind.GROUP, members=len(group.members))
        attrs = {"owner": group.owner, "member_version": group.version}
        return found.model_copy(update={"description": group.notice, "attrs": attrs})

    def _named(self, channel: str, title: str, kind: ChannelKind, *, members: int | None = None) -> Channel:
        return Channel(
            ref=self._ref(channel),
            platform=PLATFORM,
            title=title,
            kind=kind,
            parent_id=self.options.corp_id,
            member_count=members,
        )

    async def count_members(self, channel: str) -> int:
        """Count the members of a group, or the customers behind the other channels."""
        if ":" not in channel and channel != CUSTOMERS:
            return len((await self.groups.get(channel)).members)
        count = 0
        async for _ in self.iter_members(channel):
            count += 1
        return count

    async def iter_channels(self) -> AsyncIterator[Channel]:
        """Give `customers` and the customer groups; one request per group."""
        yield await self.get_channel(CUSTOMERS)
        async for chat in self.groups.iter_ids(owners=self.options.owners):
            try:
                yield await self.get_channel(chat)
            except TargetNotFound:
                continue  # dismissed since it was listed

    async def get_member(self, channel: str, member: str) -> Membership:
        """Read one member of a group, or one customer."""
        if ":" not in channel and channel != CUSTOMERS:
            group = await self.groups.get(channel)
            found = group.members.get(member)
            if found is None:
                raise TargetNotFound(
                    f"{member} is not in {channel}",
                    platform=PLATFORM,
                    operation="externalcontact/groupchat/get",
                )
            return group.membership(found)
        return _membership(await self.customers.get(member))

    async def iter_members(self, channel: str) -> AsyncIterator[Membership]:
        """Give a group's members with scene and state, or customers with their followers."""
        kind, colon, value = channel.partition(":")
        if colon and kind == "customer":
            yield _membership(await self.customers.get(value))
            return
        if not colon and channel != CUSTOMERS:
            group: GroupSnapshot = await self.groups.get(channel)
            for member in group.members.values():
                yield group.membership(member)
            return
        seen: set[str] = set()
        followers = [self.options.sender] if self.options.sender else await self.customers.list_followers()
        async for customer in self.customers.iter_of(followers):
            if customer.id in seen or (colon and value not in customer.followers[0].tags):
                continue
            seen.add(customer.id)
            yield _membership(customer)

    async def direct_channel(self, member: str) -> str:
        """Give the channel of one customer; what is sent there waits for a person, too."""
        return f"customer:{member}"

    async def tag(self, member: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Put corporate tags on a customer and take others off, in the name of `sender` or the first follower."""
        customer = await self.customers.get(member)
        userids = [follower.userid for follower in customer.followers]
        if not userids:
            raise TargetNotFound(
                f"no member follows {member}, so nobody can tag them", platform=PLATFORM, code=84061
            )
        userid = self.options.sender if self.options.sender in userids else userids[0]
        await self.customers.mark(userid, member, add=add, remove=remove)

    # entrances

    async def create_invite(
        self,
        channel: str,
        *,
        name: str = "",
        expires_at: datetime | None = None,
        max_uses: int | None = None,
        needs_approval: bool = False,
    ) -> Invite:
        """Make an entrance whose `name` comes back as the state of who used it.

        For `customers` it is a contact way to `sender` or to all members with the right; for a group a join way.

        Raises:
            NotSupported: it shall expire or be counted, or a group's shall need approval; WeCom has none of these.
        """
        if expires_at is not None or max_uses is not None or (needs_approval and channel != CUSTOMERS):
            raise NotSupported(
                "entrances of WeCom neither expire nor count, and join ways need no approval: revoke them in time",
                platform=PLATFORM,
                capability=Capability.INVITES,
            )
        if len(name) > MAX_STATE:
            raise refuse(f"an entrance's name has at most {MAX_STATE} characters, not {len(name)}")
        if channel == CUSTOMERS:
            users = (
                [self.options.sender]
                if self.options.sender
                else (await self.customers.list_followers())[:100]
            )
            return await self.entrances.create_contact_way(
                users, state=name, remark=name, skip_verify=not needs_approval
            )
        if ":" in channel:
            raise TargetNotFound(f"{channel} has no entrance; use {CUSTOMERS} or a group", platform=PLATFORM)
        return await self.entrances.create_join_way([channel], state=name, remark=name)

    async def revoke_invite(self, channel: str, invite: str) -> None:
        """End an entrance, named by its config_id."""
        if channel == CUSTOMERS:
            await self.entrances.delete_contact_way(invite)
        else:
            await self.entrances.delete_join_way(invite)

    # listening by comparison

    async def receive(self, cursor: str | None) -> RawBatch:
        """Compare the member lists of some customer groups with the cursor's; see `EventSource`.

        Raises:
            NotSupported: option group_events is not `poll`.
        """
        self.manifest.require(Capability.POLL_EVENTS)
        return await self._poller.receive(cursor)

    def parse(self, raw: RawEvent) -> Parsed:
        """Read one callback, or one finding of `receive`."""
        return parse_polled(raw) or super().parse(raw)


def _welcome_code(interaction: Interaction, now: datetime) -> str:
    code = interaction.attrs.get("welcome_code")
    operation = "externalcontact/send_welcome_msg"
    if not isinstance(code, str) or not code:
        raise Conflict(
            "this event has no welcome code: the customer talked with the member before, or the console has a "
            "welcome of its own",
            platform=PLATFORM,
            operation=operation,
        )
    age = now - interaction.occurred_at
    if age >= WELCOME_WITHIN:
        raise Conflict(
            f"the welcome code is {age.total_seconds():.0f} s old and lives 20 s; welcome straight from the event",
            platform=PLATFORM,
            operation=operation,
            code=41050,
        )
    return code


def _membership(customer: Customer) -> Membership:
    first = customer.followers[0] if customer.followers else None
    attrs: dict[str, Any] = {"followers": [follower.userid for follower in customer.followers]}
    if first is not None:
        attrs["add_way"] = first.add_way
        if first.state:
            attrs["state"] = first.state
        if first.tags:
            attrs["tags"] = list(first.tags)
    if customer.unionid:
        attrs["unionid"] = customer.unionid
    return Membership(
        identity=Identity(
            ref=MemberRef(platform=PLATFORM, native_id=customer.id), display_name=customer.name, attrs=attrs
        ),
        joined_at=first.since if first else None,
        title=first.remark if first else "",
    )
