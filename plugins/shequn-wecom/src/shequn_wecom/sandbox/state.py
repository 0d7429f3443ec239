"""What the local WeChat Work remembers: corporation, members, customers, groups, media, messages."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shequn_sdk.domain import Clock
from shequn_wecom.sandbox.refusals import Refuse

__all__ = [
    "App",
    "AppChat",
    "ContactWay",
    "CorpMember",
    "CustomerGroup",
    "CustomerRecord",
    "FollowRecord",
    "GroupEntry",
    "HandOver",
    "JoinWayRecord",
    "MassMessageTask",
    "MediaFile",
    "MomentTask",
    "Robot",
    "Said",
    "TagGroupRecord",
    "TagRecord",
    "WelcomeCode",
    "World",
]

ROOT = 1


@dataclass(slots=True)
class App:
    """A self-built application."""

    agent_id: int
    name: str
    secret: str
    customer_contact: bool = True
    whole_corp: bool = True
    """Whether its visible range is the root department."""


@dataclass(slots=True)
class CorpMember:
    """A member of the corporation."""

    userid: str
    name: str
    departments: list[int] = field(default_factory=lambda: [ROOT])
    tags: set[int] = field(default_factory=set[int])
    customer_contact: bool = False
    position: str = ""


@dataclass(slots=True)
class FollowRecord:
    """How a member has a customer."""

    userid: str
    since: datetime
    add_way: int = 1
    state: str = ""
    remark: str = ""
    description: str = ""
    company: str = ""
    mobiles: list[str] = field(default_factory=list[str])
    tags: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class CustomerRecord:
    """A customer."""

    id: str
    name: str
    follows: dict[str, FollowRecord] = field(default_factory=dict[str, FollowRecord])
    received: list[datetime] = field(default_factory=list[datetime])
    """When mass messages reached them."""


@dataclass(slots=True)
class HandOver:
    """A customer on the way from one member to another."""

    customer: str
    old: str
    new: str
    at: datetime
    done: bool = False


@dataclass(slots=True)
class GroupEntry:
    """A member of a customer group."""

    userid: str
    external: bool
    joined_at: datetime
    scene: int = 1
    state: str = ""
    invitor: str = ""
    name: str = ""


@dataclass(slots=True)
class CustomerGroup:
    """A customer group."""

    id: str
    name: str
    owner: str
    created_at: datetime
    notice: str = ""
    members: dict[str, GroupEntry] = field(default_factory=dict[str, GroupEntry])
    admins: list[str] = field(default_factory=list[str])
    version: int = 1
    dismissed: bool = False
    messages: list[datetime] = field(default_factory=list[datetime])
    speakers: list[tuple[datetime, str]] = field(default_factory=list[tuple[datetime, str]])
    joins: list[datetime] = field(default_factory=list[datetime])
    received: list[datetime] = field(default_factory=list[datetime])
    shown: dict[str, Any] | None = None
    """What reads give while a change is too young to be seen."""
    changed_at: datetime | None = None

    @property
    def version_text(self) -> str:
        """member_version as WeCom shows it."""
        return f"{self.id}-v{self.version}"


@dataclass(slots=True)
class ContactWay:
    """A contact way."""

    config_id: str
    body: dict[str, Any]
    qr_code: str
    created_at: datetime
    agent_id: int


@dataclass(slots=True)
class JoinWayRecord:
    """A join way."""

    config_id: str
    body: dict[str, Any]
    qr_code: str | None
    agent_id: int


@dataclass(slots=True)
class TagRecord:
    """A corporate tag."""

    id: str
    name: str
    order: int
    created_at: datetime


@dataclass(slots=True)
class TagGroupRecord:
    """A group of corporate tags."""

    id: str
    name: str
    order: int
    created_at: datetime
    tags: dict[str, TagRecord] = field(default_factory=dict[str, TagRecord])


@dataclass(slots=True)
class MediaFile:
    """An uploaded file."""

    id: str
    kind: str
    name: str
    data: bytes
    until: datetime
    robot: str = ""
    """Key of the robot that alone may use it."""


@dataclass(slots=True)
class Robot:
    """A group robot."""

    key: str
    channel: str
    hits: list[datetime] = field(default_factory=list[datetime])
    blocked_until: datetime | None = None


@dataclass(slots=True)
class AppChat:
    """A group that an application made."""

    id: str
    name: str
    owner: str
    members: list[str]
    agent_id: int
    shown: bool = False
    """Members see it after the first message only."""


@dataclass(slots=True)
class Said:
    """A message that stands somewhere."""

    channel: str
    id: str
    author: str
    author_name: str
    by_account: bool
    text: str
    at: datetime
    attachments: int = 0
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    task_id: str = ""
    response_code: str = ""
    votes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    waiting: bool = False
    receivers: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class MassResult:
    """One receiver of a mass message."""

    receiver: str
    group: bool
    status: int = 0
    at: datetime | None = None


@dataclass(slots=True)
class MassMessageTask:
    """A mass message that waits for its senders."""

    id: str
    body: dict[str, Any]
    chat_type: str
    created_at: datetime
    parts: dict[str, list[MassResult]]
    sent_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    cancelled: bool = False
    reminders: list[datetime] = field(default_factory=list[datetime])
    dispatched_at: datetime | None = None


@dataclass(slots=True)
class MomentTask:
    """A moment that waits for its publishers."""

    job: str
    moment_id: str
    body: dict[str, Any]
    created_at: datetime
    users: list[str]
    published: set[str] = field(default_factory=set[str])
    cancelled: bool = False
    likes: list[tuple[str, str, datetime]] = field(default_factory=list[tuple[str, str, datetime]])
    comments: list[tuple[str, str, datetime]] = field(default_factory=list[tuple[str, str, datetime]])


@dataclass(slots=True)
class WelcomeCode:
    """A welcome code: 20 seconds, once."""

    code: str
    customer: str
    userid: str
    at: datetime
    used: bool = False


class World:
    """The whole of the local WeChat Work."""

    def __init__(self, *, clock: Clock, rng: random.Random, options: Mapping[str, Any]) -> None:
        self.clock = clock
        self.rng = rng
        self.options = options
        self.corp_id = "ww" + self.hex(16)
        self.apps: dict[int, App] = {}
        self.departments: dict[int, str] = {ROOT: "社群公司"}
        self.member_tags: dict[int, str] = {}
        self.members: dict[str, CorpMember] = {}
        self.customers: dict[str, CustomerRecord] = {}
        self.groups: dict[str, CustomerGroup] = {}
        self.contact_ways: dict[str, ContactWay] = {}
        self.join_ways: dict[str, JoinWayRecord] = {}
        self.tag_groups: dict[str, TagGroupRecord] = {}
        self.media: dict[str, MediaFile] = {}
        self.robots: dict[str, Robot] = {}
        self.appchats: dict[str, AppChat] = {}
        self.mass: dict[str, MassMessageTask] = {}
        self.moments: dict[str, MomentTask] = {}
        self.rules: dict[str, dict[str, Any]] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.hand_overs: list[HandOver] = []
        self.welcome_codes: dict[str, WelcomeCode] = {}
        self.welcomed: list[tuple[str, dict[str, Any]]] = []
        """Customer and message of every welcome that was sent."""
        self.said: dict[str, list[Said]] = {}
        self.by_id: dict[str, Said] = {}
        self._serial = 0

    def now(self) -> datetime:
        """Give the sandbox's time."""
        return self.clock.now()

    def stamp(self) -> int:
        """Give the sandbox's time in seconds."""
        return int(self.now().timestamp())

    def hex(self, digits: int) -> str:
        """Give random hexadecimal digits, the same for the same seed."""
        return f"{self.rng.getrandbits(digits * 4):0{digits}x}"

    def serial(self) -> int:
        """Give the next number."""
        self._serial += 1
        return self._serial

    def member(self, userid: str) -> CorpMember | None:
        """Find a member; WeCom does not look at upper and lower case."""
        return self.members.get(userid.lower())

    def follower(self, userid: str) -> CorpMember:
        """Give a member who may care for customers."""
        member = self.member(userid)
        if member is None:
            raise Refuse(60111)
        if not member.customer_contact:
            raise Refuse(84074)
        return member

    def group(self, chat_id: str) -> CustomerGroup:
        """Give a customer group that lives."""
        found = self.groups.get(chat_id)
        if found is None:
            raise Refuse(90501 if chat_id in self.appchats else 40050)
        if found.dismissed:
            raise Refuse(49008)
        return found

    def stand(self, said: Said) -> Said:
        """Put a message where people see it."""
        self.said.setdefault(said.channel, []).append(said)
        self.by_id[said.id] = said
        return said

    def media_file(self, media_id: str, *, kinds: tuple[str, ...], robot: str = "") -> MediaFile:
        """Give an uploaded file that may be used here."""
        if not media_id:
            raise Refuse(41006)
        found = self.media.get(media_id)
        if found is None or found.until <= self.now() or found.robot != robot:
            raise Refuse(40007)
        if found.kind not in kinds:
            raise Refuse(40004)
        return found
