"""The local WeChat Work as the sandbox runtime sees it: ready-made people and places, and what people do."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from shequn_sdk.errors import InvalidInput, TargetNotFound
from shequn_sdk.testing.sandbox import BaseSandbox, Person, SandboxChannel, SandboxContext, SandboxMessage
from shequn_wecom.events import CUSTOMERS
from shequn_wecom.manifest import MODES
from shequn_wecom.sandbox.callbacks import CallbackSender
from shequn_wecom.sandbox.campaigns import MassCalls
from shequn_wecom.sandbox.customers import CustomerCalls
from shequn_wecom.sandbox.directory import Directory
from shequn_wecom.sandbox.furniture import AGENT, SMALL_AGENT, furnish, new_group, ready_account
from shequn_wecom.sandbox.groups import GroupCalls
from shequn_wecom.sandbox.media import MediaCalls
from shequn_wecom.sandbox.messages import Handler, Messages
from shequn_wecom.sandbox.moments import MomentCalls, WelcomeCalls
from shequn_wecom.sandbox.people import People
from shequn_wecom.sandbox.refusals import Refuse, refusal_body
from shequn_wecom.sandbox.robots import Robots
from shequn_wecom.sandbox.rules import RuleCalls
from shequn_wecom.sandbox.server import READS, make_app
from shequn_wecom.sandbox.state import (
    ROOT,
    AppChat,
    Said,
    World,
)
from shequn_wecom.sandbox.tags import ContactWayCalls, TagCalls
from shequn_wecom.sandbox.tokens import Tokens

__all__ = ["WecomSandbox"]

_PUBLISHES = frozenset({"message/send", "appchat/send", "webhook/send", "externalcontact/add_msg_template"})
_NO_REACTIONS = "WeChat Work has no reactions that an application could see"


class WecomSandbox(BaseSandbox):
    """A corporation with an application, robots, an app group, customers and a customer group.

    Options: `mode` (whose account and channels `describe` puts first), `callback_url`, `token_seconds`,
    `rotate_tokens`, `trusted_ips`, `wrong_secrets`, `calls_per_minute`, `calls_per_hour`, `robot_window` (fixed or
    sliding), `read_lag` (seconds until a change of a customer group can be read), `mass_per_month`, `refuse_escapes`,
    `no_customers` (start without ready-made customers).
    """

    platform = "wecom"
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"react": _NO_REACTIONS, "share": "no forwarding of messages is told to an application"}
    )

    def __init__(self, context: SandboxContext) -> None:
        super().__init__(context)
        self.mode = str(context.options.get("mode", "app"))
        if self.mode not in MODES:
            raise InvalidInput(f"mode of the wecom sandbox is one of {', '.join(MODES)}, not {self.mode!r}")
        self.world = World(clock=context.clock, rng=context.rng, options=context.options)
        self.tokens = Tokens(self.world)
        self._callback_token = self.world.hex(24)
        self._aes_key = _aes_key(self.world.hex(64))
        self.callbacks = CallbackSender(
            context, self.world, token=self._callback_token, encoding_aes_key=self._aes_key
        )
        media = MediaCalls(self.world)
        self._mass = MassCalls(self.world)
        robots = Robots(self.world, media)
        self._people_acts = People(self.world, self.callbacks)
        furnish(self.world, customers=not context.options.get("no_customers"))
        self._robot_key = next(iter(self.world.robots))
        handlers: dict[str, Handler] = {}
        for part in (
            Messages(self.world),
            media,
            Directory(self.world),
            CustomerCalls(self.world),
            TagCalls(self.world),
            ContactWayCalls(self.world),
            GroupCalls(self.world),
            self._mass,
            WelcomeCalls(self.world),
            MomentCalls(self.world),
            RuleCalls(self.world),
        ):
            handlers |= part.routes()
        self.app: Any = make_app(
            self.world,
            self.tokens,
            handlers,
            {"webhook/send": robots.send, "webhook/upload_media": robots.upload},
            self.callbacks.control,
        )

    # what a client needs

    def describe(self) -> dict[str, Any]:
        """Give addresses, secrets and ids; `accounts` holds ready settings for each mode."""
        secrets = {"callback_token": self._callback_token, "encoding_aes_key": self._aes_key}
        base_url = f"{self.context.base_url}/cgi-bin"
        accounts = {mode: ready_account(self.world, mode, base_url, secrets) for mode in MODES}
        first = accounts[self.mode]
        world = self.world
        tag = next(iter(next(iter(world.tag_groups.values())).tags))
        return {
            "base_url": f"{self.context.base_url}/cgi-bin",
            "callback_control": f"{self.context.base_url}/_callback",
            "webhook_url": f"{self.context.base_url}/cgi-bin/webhook/send?key={self._robot_key}",
            "corp_id": world.corp_id,
            "agent_id": AGENT,
            "mode": self.mode,
            "secrets": first["secrets"],
            "options": first["options"],
            "channels": first["channels"],
            "members": first["members"],
            "accounts": accounts,
            "tags": [tag],
            "small_app": {"agent_id": SMALL_AGENT, "corp_secret": world.apps[SMALL_AGENT].secret},
        }

    async def start(self) -> None:
        """Begin to send callbacks."""
        self.callbacks.start()

    async def stop(self) -> None:
        """End callbacks."""
        await self.callbacks.stop()

    def operation(self, method: str, path: str) -> str:
        """Name a request for fault rules."""
        name = path.removeprefix("/cgi-bin/").strip("/")
        if name in _PUBLISHES:
            return "publish"
        if name == "gettoken":
            return "gettoken"
        leaf = name.rsplit("/", 1)[-1]
        reads = name in READS or leaf.startswith(("get", "list", "statistic"))
        return "read" if reads else name

    def rate_limited(self, retry_after: float) -> tuple[int, Mapping[str, str], bytes]:
        """Give WeCom's answer to too many calls: a 200 with 45009, and no Retry-After."""
        body = refusal_body(Refuse(45009), at=self.now(), serial=self.world.serial(), address="127.0.0.1")
        return (
            200,
            {"content-type": "application/json; charset=UTF-8", "error-code": "45009"},
            json.dumps(body).encode(),
        )

    async def register_callback(self, url: str) -> bool:
        """Check an address as the console does, and use it when it answers the check; gives whether it did."""
        return await self.callbacks.register(url)

    # people

    def native_id(self, person: Person, attempt: int) -> str:
        """Give a customer's id in mode customer, else a userid."""
        return (
            self._customer_id(person, attempt) if self.mode == "customer" else self._userid(person, attempt)
        )

    @staticmethod
    def _customer_id(person: Person, attempt: int = 0) -> str:
        return "wm" + hashlib.sha256(f"{person.id}/{attempt}".encode()).hexdigest()[:30]

    @staticmethod
    def _userid(person: Person, attempt: int = 0) -> str:
        return "u" + hashlib.sha256(f"{person.id}/{attempt}".encode()).hexdigest()[:15]

    def _as_customer(self, person: Person) -> str:
        return self.member_id(person) if self.mode == "customer" else self._customer_id(person)

    def _as_member(self, person: Person) -> str:
        for member in self.world.members.values():
            if person.id == member.userid:
                return member.userid
        return self._userid(person) if self.mode == "customer" else self.member_id(person)

    # what people see

    def channels(self) -> Sequence[SandboxChannel]:
        """Give all channels of all modes."""
        world = self.world
        found = [SandboxChannel("@all", "全员", "broadcast", len(world.members))]
        found += [
            SandboxChannel(
                f"party:{number}",
                name,
                "broadcast",
                sum(number in member.departments or number == ROOT for member in world.members.values()),
            )
            for number, name in world.departments.items()
        ]
        found += [SandboxChannel(robot.channel, "群机器人", "robot") for robot in world.robots.values()]
        found += [
            SandboxChannel(chat.id, chat.name, "group", len(chat.members)) for chat in world.appchats.values()
        ]
        found += [
            SandboxChannel(group.id, group.name, "group", len(group.members))
            for group in world.groups.values()
            if not group.dismissed
        ]
        found.append(SandboxChannel(CUSTOMERS, "客户", "broadcast", len(world.customers)))
        known = {channel.native_id for channel in found}
        found += [SandboxChannel(name, name, "direct", 1) for name in world.said if name not in known]
        return found

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give the newest messages of a channel, newest first."""
        said = self.world.said.get(channel, [])
        return [self._shown(item) for item in reversed(said[-limit:])] if limit > 0 else []

    def _shown(self, said: Said) -> SandboxMessage:
        options = (said.body.get("template_card") or {}).get("checkbox", {}).get("option_list", [])
        choices = [
            (
                str(option.get("text", "")),
                sum(str(option.get("id")) in votes for votes in said.votes.values()),
            )
            for option in options
        ]
        return SandboxMessage(
            channel=said.channel,
            native_id=said.id,
            author_id=said.author,
            author_name=said.author_name,
            by_account=said.by_account,
            text=said.text,
            at=said.at,
            attachments=said.attachments,
            choices=choices,
            waiting_for_person=said.waiting,
        )

    # what people do

    def create_channel(self, title: str, *, kind: str = "group") -> str:
        """Make a channel of the sandbox's mode: a department, an app group or a customer group.

        A robot has one channel, which is given again.
        """
        world = self.world
        if self.mode == "robot":
            return "robot"
        if self.mode == "appchat":
            chat_id = f"chat{world.hex(16)}"
            world.appchats[chat_id] = AppChat(chat_id, title[:50], "lin", ["lin", "chen"], AGENT)
            return chat_id
        if self.mode == "customer":
            return new_group(world, title)
        number = max(world.departments) + 1
        world.departments[number] = title
        world.members["lin"].departments.append(number)
        return f"party:{number}"

    def join(self, channel: str, person: Person, *, invite: str = "") -> None:
        """Let a person in: as a customer, into a customer group or app group, or as a member of a department."""
        world, acts = self.world, self._people_acts
        if channel == CUSTOMERS or channel.startswith("customer:"):
            acts.become_customer(self._as_customer(person), person.name, invite=invite)
        elif channel in world.groups:
            acts.join_group(world.group(channel), self._as_customer(person), person.name, invite=invite)
        elif channel in world.appchats:
            acts.hire(self._as_member(person), person.name, ROOT)
            chat = world.appchats[channel]
            chat.members = list(dict.fromkeys([*chat.members, self._as_member(person)]))
        elif channel == "@all" or channel.startswith(("party:", "user:", "tag:")) or channel == "robot":
            number = int(channel[6:]) if channel.startswith("party:") else ROOT
            if number not in world.departments:
                raise self._unknown(channel)
            acts.hire(self._as_member(person), person.name, number)
        else:
            raise self._unknown(channel)

    def leave(self, channel: str, person: Person) -> None:
        """Let a person go."""
        world, acts = self.world, self._people_acts
        if channel == CUSTOMERS or channel.startswith("customer:"):
            acts.drop_members(self._as_customer(person))
        elif channel in world.groups:
            acts.leave_group(world.group(channel), self._as_customer(person))
        elif channel in world.appchats:
            chat = world.appchats[channel]
            chat.members = [userid for userid in chat.members if userid != self._as_member(person)]
        else:
            acts.resign(self._as_member(person))

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        """Let a person write: to the application, or into a group, where no application hears it."""
        world = self.world
        if channel in world.groups:
            return self._people_acts.talk_in_group(
                world.group(channel), self._as_customer(person), person.name, text
            )
        if channel in world.appchats or channel == "robot":
            return self._people_acts.talk(channel, self._as_member(person), person.name, text)
        if channel == CUSTOMERS or channel.startswith("customer:"):
            return self._people_acts.talk(
                f"customer:{self._as_customer(person)}", self._as_customer(person), person.name, text
            )
        if channel != "@all" and not channel.startswith(("party:", "user:", "tag:")):
            raise self._unknown(channel)
        userid = self._as_member(person)
        return self._people_acts.write_to_app(channel, userid, person.name, text, agent=AGENT)

    def show(self, channel: str, person: Person, picture: bytes, caption: str = "") -> str:
        """Let a member send a picture to the application; WeCom's pictures have no text, so that follows by itself."""
        if channel != "@all" and not channel.startswith(("party:", "user:", "tag:")):
            raise self._unknown(channel)
        userid = self._as_member(person)
        number = self._people_acts.show_to_app(channel, userid, person.name, picture, agent=AGENT)
        if caption:
            self.say(channel, person, caption)
        return number

    def vote(self, channel: str, person: Person, message: str, choice: int) -> None:
        """Let a person vote on a vote card, once."""
        if choice < 0:
            self.refuse("vote")
        self._people_acts.vote(self._card(channel, message), self._as_member(person), choice, agent=AGENT)

    def press(self, channel: str, person: Person, message: str, data: str) -> None:
        """Let a person press a card's button with that key."""
        self._people_acts.press(self._card(channel, message), self._as_member(person), data, agent=AGENT)

    def _card(self, channel: str, message: str) -> Said:
        for said in self.world.said.get(channel, []):
            if message in {said.id, said.task_id}:
                return said
        raise TargetNotFound(f"there is no message {message} in {channel}", platform="wecom")

    def confirm(self, channel: str, task: str) -> None:
        """Let the members in charge press send."""
        try:
            self._mass.confirm(task)
        except Refuse as refuse:
            raise TargetNotFound(
                f"there is no mass message {task} to confirm in {channel}", platform="wecom", code=refuse.code
            ) from None

    def dismiss(self, channel: str) -> None:
        """Let the owner dismiss a customer group."""
        self._people_acts.dismiss(self.world.group(channel))

    def _unknown(self, channel: str) -> TargetNotFound:
        return TargetNotFound(f"the wecom sandbox has no channel {channel!r}", platform="wecom")


def _aes_key(digits: str) -> str:
    return (
        base64.b64encode(bytes.fromhex(digits)).decode().rstrip("=")[:43].replace("+", "a").replace("/", "b")
    )
