"""From decrypted callbacks to interactions: pure, and lenient about what WeCom adds.

Both envelopes are read: that of self-built applications (Event, CreateTime) and that of third-party suites (InfoType,
TimeStamp); and the JSON of AI bots. Event ids come from the fields that WeCom repeats in every retry.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms import lenient
from shequn_sdk.platforms.ports import Parsed
from shequn_wecom.bot_events import parse_bot
from shequn_wecom.errors import PLATFORM

__all__ = ["CUSTOMERS", "EVERYBODY", "event_id", "parse_event", "read_xml"]

EVERYBODY = "@all"
"""Native id of the channel of all members in an application's range."""

CUSTOMERS = "customers"
"""Native id of the channel that stands for all customers of the corporation's members."""

MAX_DEPTH = 12
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_JOIN_SCENES = {0: "invited", 1: "invited", 2: "link", 3: "qr_code"}

_K = InteractionKind
_MESSAGES = frozenset({"text", "image", "voice", "video", "location", "link", "file", "mixed"})


def read_xml(payload: bytes) -> Element:
    """Read XML that a stranger may have sent: no DTD, no entities, no depth beyond what WeCom uses.

    Raises:
        InvalidInput: it is not well-formed, or is built to harm.
    """
    try:
        try:
            root = _parse(payload)
        except ParseError:
            # what members write may hold control characters, which no XML may
            text = payload.decode("utf-8", "replace")
            clean = _FORBIDDEN.sub("\ufffd", text).encode()
            if clean == payload:
                raise
            root = _parse(clean)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise InvalidInput(
            f"a wecom callback is no safe XML ({type(error).__name__})", source="wecom callback"
        ) from error
    if _deeper(root, MAX_DEPTH):
        raise InvalidInput("a wecom callback is nested too deeply", source="wecom callback")
    return root


def _parse(payload: bytes) -> Element:
    root: Element = ElementTree.fromstring(
        payload, forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    return root


def _deeper(root: Element, depth: int) -> bool:
    level = list(root)
    for _ in range(depth):
        if not level:
            return False
        level = [child for node in level for child in node]
    return bool(level)


def _leaves(node: Element, path: str = "") -> Iterator[tuple[str, str]]:
    for child in node:
        name = f"{path}/{child.tag}"
        if len(child):
            yield from _leaves(child, name)
        else:
            yield name, (child.text or "").strip()


def _hash(parts: Iterator[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, text in parts:
        digest.update(f"{name}={text}\x1f".encode())
    return digest.hexdigest()[:32]


def event_id(payload: bytes) -> str:
    """Name a decrypted payload the same for each of WeCom's attempts to deliver it.

    Messages go by their MsgId; events by all of their fields, because WeCom numbers them not.
    """
    if payload.lstrip()[:1] == b"{":
        body = _json(payload)
        return (
            f"bot:{body['msgid']}" if body.get("msgid") else f"bot:{hashlib.sha256(payload).hexdigest()[:32]}"
        )
    root = read_xml(payload)
    number = (root.findtext("MsgId") or "").strip()
    if number:
        return f"msg:{number}"
    return f"event:{_hash(_leaves(root))}"


def _json(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(lenient.mended(payload), type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise InvalidInput("a wecom bot callback is no JSON object", source="wecom callback") from error


class _Fields:
    """The fields of one event."""

    def __init__(self, root: Element, account: str, home: str, received_at: datetime | None) -> None:
        self.root = root
        self.account = account
        self.home = home
        self.received_at = received_at or datetime.fromtimestamp(0, UTC)
        self.id = ""

    def __call__(self, name: str) -> str:
        return (self.root.findtext(name) or "").strip()

    def number(self, name: str) -> int | None:
        text = self(name)
        try:
            return int(text)
        except ValueError:
            return None

    @property
    def at(self) -> datetime:
        seconds = self.number("CreateTime") or self.number("TimeStamp")
        try:
            return datetime.fromtimestamp(seconds, UTC) if seconds else self.received_at
        except (OverflowError, ValueError, OSError):
            return self.received_at

    def attrs(self, *names: str) -> dict[str, Any]:
        """Give those of the fields that are there, under their names in lower case with underscores."""
        return {_snake(name): text for name in names if (text := self(name))}

    def talk(self) -> dict[str, str]:
        """Give who talks with the application, and where."""
        member = self("FromUserName")
        place = f"user:{member}"
        return {"channel": f"{self.home}/{place}", "thread": place, "member": member}

    def make(self, kind: InteractionKind, *, suffix: str = "", **more: Any) -> Interaction:
        return Interaction(
            id=f"{self.id}:{suffix}" if suffix else self.id,
            kind=kind,
            platform=PLATFORM,
            account=self.account,
            occurred_at=self.at,
            **more,
        )


def _snake(name: str) -> str:
    out = "".join(
        f"_{letter}" if letter.isupper() and i and not name[i - 1].isupper() else letter
        for i, letter in enumerate(name)
    )
    return out.lower()


def parse_event(
    payload: bytes,
    *,
    account: str,
    home: str = EVERYBODY,
    members_from_events: bool = True,
    received_at: datetime | None = None,
) -> Parsed:
    """Read one decrypted callback.

    Args:
        account: name of the account that heard it.
        home: channel inside which members' talks with the application are, as `home/user:lin`.
        members_from_events: whether changes of customer groups become JOIN and LEAVE here; False when polling their
            member lists does that already.
        received_at: stands in for a time that is missing, as in AI bots' messages, or cannot be.

    Raises:
        InvalidInput: it is neither XML nor JSON.
    """
    if payload.lstrip()[:1] == b"{":
        return parse_bot(
            _json(payload), identity=event_id(payload), account=account, home=home, received_at=received_at
        )
    root = read_xml(payload)
    fields = _Fields(root, account, home, received_at)
    fields.id = event_id(payload)
    kind = fields("MsgType")
    if kind and kind != "event":
        return _message(fields, kind)
    event = fields("Event") or fields("InfoType")
    change = fields("ChangeType")
    name = f"{event}/{change}" if change else event
    if event == "change_external_chat":
        return Parsed(
            kind=name, interactions=_chat(fields, change) if members_from_events else _quiet(fields, change)
        )
    reader = _READERS.get(name) or _READERS.get(event)
    if reader is None:
        return Parsed(kind=name or "unnamed", known=name in _SILENT or event in _SILENT)
    return Parsed(kind=name, interactions=reader(fields))


_SILENT = frozenset(
    {
        "change_external_tag",
        "batch_job_result",
        "upload_media_job_finish",
        "change_external_contact/edit_external_contact",
        "change_external_contact/transfer_fail",
        "change_external_contact/msg_audit_approved",
        "change_contact/update_user",
        "change_contact/create_party",
        "change_contact/update_party",
        "change_contact/delete_party",
        "change_contact/update_tag",
        "customer_acquisition",
        "msgaudit_notify",
        "open_approval_change",
        "living_status_change",
        "kf_msg_or_event",
        "close_inactive_agent",
        "reopen_inactive_agent",
    }
)
"""Events that are understood and say nothing about what a member did."""


def _message(fields: _Fields, kind: str) -> Parsed:
    if kind not in _MESSAGES:
        return Parsed(kind=f"message/{kind}", known=False)
    text = {"location": fields("Label"), "link": fields("Title")}.get(kind, fields("Content"))
    attrs = fields.attrs(
        "MediaId",
        "PicUrl",
        "Format",
        "ThumbMediaId",
        "Url",
        "Description",
        "AgentID",
        "Location_X",
        "Location_Y",
    )
    picture = fields("MediaId") if kind == "image" else ""
    message = fields.make(
        _K.MESSAGE,
        **fields.talk(),
        message=fields("MsgId"),
        text=text,
        attrs={"type": kind, **attrs, **({"pictures": [picture]} if picture else {})},
    )
    return Parsed(kind=f"message/{kind}", interactions=(message,))


def _contact(kind: InteractionKind) -> Callable[[_Fields], tuple[Interaction, ...]]:
    def read(fields: _Fields) -> tuple[Interaction, ...]:
        change = fields("ChangeType")
        attrs = {"event": change, **fields.attrs("WelcomeCode", "Source")}
        if kind is _K.LEAVE:
            attrs["by"] = "member" if change == "del_external_contact" else "customer"
        # handed over to a colleague: the customer stays the corporation's
        moved = fields("Source") == "DELETE_BY_TRANSFER"
        return (
            fields.make(
                _K.OTHER if moved else kind,
                channel=CUSTOMERS,
                member=fields("ExternalUserID"),
                target=fields("UserID"),
                entrance=fields("State"),
                attrs=attrs,
            ),
        )

    return read


def _ids(root: Element) -> list[str]:
    found = root.find("MemChangeList")
    if found is None:
        return []
    items = [(item.text or "").strip() for item in found]
    if not items:
        items = [part.strip() for part in (found.text or "").split(",")]
    return list(dict.fromkeys(item for item in items if item))


def _chat_attrs(fields: _Fields) -> dict[str, Any]:
    attrs: dict[str, Any] = fields.attrs("UpdateDetail", "LastMemVer", "CurMemVer")
    for name in ("JoinScene", "QuitScene", "MemChangeCnt"):
        number = fields.number(name)
        if number is not None:
            attrs[_snake(name)] = number
    return attrs


def _chat(fields: _Fields, change: str) -> tuple[Interaction, ...]:
    chat = fields("ChatId")
    attrs = _chat_attrs(fields)
    detail = fields("UpdateDetail")
    if change == "update" and detail in {"add_member", "del_member"}:
        joins = detail == "add_member"
        attrs.pop("quit_scene" if joins else "join_scene", None)
        if joins and "join_scene" in attrs:
            attrs["scene"] = _JOIN_SCENES.get(attrs["join_scene"], "other")
        if not joins and "quit_scene" in attrs:
            attrs["scene"] = "removed" if attrs["quit_scene"] == 1 else "left"
        members = _ids(fields.root)
        return tuple(
            fields.make(
                _K.JOIN if joins else _K.LEAVE, suffix=member, channel=chat, member=member, attrs=attrs
            )
            for member in members
        ) or (fields.make(_K.OTHER, channel=chat, attrs={"event": detail, **attrs}),)
    return (fields.make(_K.OTHER, channel=chat, attrs={"event": detail or change, **attrs}),)


def _quiet(fields: _Fields, change: str) -> tuple[Interaction, ...]:
    """Give what of a group's change does not come from polling: everything but its members."""
    if change == "update" and fields("UpdateDetail") in {"add_member", "del_member"}:
        return ()
    return _chat(fields, change)


def _app(kind: InteractionKind) -> Callable[[_Fields], tuple[Interaction, ...]]:
    def read(fields: _Fields) -> tuple[Interaction, ...]:
        attrs = {"event": fields("Event"), **fields.attrs("EventKey", "Latitude", "Longitude", "Precision")}
        return (fields.make(kind, attrs=attrs, **fields.talk()),)

    return read


def _directory(kind: InteractionKind) -> Callable[[_Fields], tuple[Interaction, ...]]:
    def read(fields: _Fields) -> tuple[Interaction, ...]:
        department = fields("MainDepartment") or fields("Department").split(",")[0]
        channel = f"party:{department}" if department else fields.home
        if fields.home == EVERYBODY and department:
            channel = f"{EVERYBODY}/{channel}"
        return (
            fields.make(
                kind,
                channel=channel,
                member=fields("UserID"),
                member_name=fields("Name"),
            ),
        )

    return read


def _chosen(fields: _Fields) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {}
    for item in fields.root.iterfind("SelectedItems/SelectedItem"):
        # old documents and some senders spell it OpitonIds
        options = [
            (node.text or "").strip()
            for path in ("OptionIds", "OpitonIds")
            for node in item.iterfind(f"{path}/*")
        ]
        chosen[(item.findtext("QuestionKey") or "").strip()] = [option for option in options if option]
    return chosen


def _card(fields: _Fields) -> tuple[Interaction, ...]:
    chosen = _chosen(fields)
    card = fields("CardType")
    attrs: dict[str, Any] = {
        "event": fields("Event"),
        **fields.attrs("EventKey", "TaskId", "CardType", "ResponseCode", "AgentID"),
    }
    if chosen:
        attrs["selected"] = chosen
    common: dict[str, Any] = {**fields.talk(), "message": fields("TaskId")}
    if card in {"vote_interaction", "multiple_interaction"} and chosen:
        options = [option for items in chosen.values() for option in items]
        attrs["choices"] = [int(option) for option in options if option.isdecimal() and len(option) < 4]
        return (fields.make(_K.VOTE, text=",".join(options), attrs=attrs, **common),)
    return (fields.make(_K.BUTTON, text=fields("EventKey"), attrs=attrs, **common),)


_READERS: Mapping[str, Callable[[_Fields], tuple[Interaction, ...]]] = MappingProxyType(
    {
        "change_external_contact/add_external_contact": _contact(_K.JOIN),
        "change_external_contact/add_half_external_contact": _contact(_K.FOLLOW),
        "change_external_contact/del_external_contact": _contact(_K.LEAVE),
        "change_external_contact/del_follow_user": _contact(_K.LEAVE),
        "change_contact/create_user": _directory(_K.JOIN),
        "change_contact/delete_user": _directory(_K.LEAVE),
        "template_card_event": _card,
        "template_card_menu_event": _card,
        "subscribe": _app(_K.FOLLOW),
        "unsubscribe": _app(_K.UNFOLLOW),
        "enter_agent": _app(_K.OTHER),
        "LOCATION": _app(_K.OTHER),
        "click": _app(_K.CLICK),
        "view": _app(_K.CLICK),
        "scancode_push": _app(_K.CLICK),
        "scancode_waitmsg": _app(_K.CLICK),
        "pic_sysphoto": _app(_K.CLICK),
        "pic_photo_or_album": _app(_K.CLICK),
        "pic_weixin": _app(_K.CLICK),
        "location_select": _app(_K.CLICK),
    }
)
