"""Pushes in XML: an account that chose this format (`eps/push/set_format`) is told in that of WeChat (微信XML格式兼容)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

from shequn_weibo.wire import Push, format_time

__all__ = ["BLANK", "read_xml_push"]

BLANK = b"\xef\xbb\xbf \t\r\n"
"""What may stand before a push: a byte order mark, and blanks."""
_MOST_DEPTH = 8
_TYPES: Mapping[str, str] = MappingProxyType({"location": "position"})
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DATA: Mapping[str, str] = MappingProxyType(
    {
        "MediaId": "tovfid",
        "MediaID": "tovfid",
        "Location_X": "latitude",
        "Location_Y": "longitude",
        "EventKey": "key",
        "Ticket": "ticket",
    }
)
_SCENE = "qrscene_"
"""What WeChat's format sets before the key of a code that somebody scanned to follow."""


def read_xml_push(body: bytes) -> Push:
    """Read a push in XML as the same push in JSON would be read.

    Raises:
        ValueError: it is not well-formed, or is built to harm (a DTD, entities, depth).
    """
    fields = _fields(body.lstrip(BLANK))
    kind = fields.get("MsgType", "").lower()
    data: dict[str, Any] = {name: fields[tag] for tag, name in _DATA.items() if fields.get(tag)}
    if kind == "event":
        subtype = fields.get("Event", "").lower()
        if subtype == "subscribe" and str(data.get("key", "")).startswith(_SCENE):
            subtype = "scan_follow"
            data["key"] = data["key"].removeprefix(_SCENE)
        data["subtype"] = subtype
    return Push(
        type=_TYPES.get(kind, kind),
        sender_id=fields.get("FromUserName"),
        receiver_id=fields.get("ToUserName"),
        created_at=_time(fields.get("CreateTime", "")),
        text=fields.get("Content", ""),
        data=data,
    )


def _time(stamp: str) -> str:
    """Write seconds (or milliseconds) as the time that JSON pushes have; what is no number stays."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 15):
        return stamp
    return format_time(datetime.fromtimestamp(int(stamp) / (1000 if len(stamp) > 11 else 1), UTC))


def _fields(body: bytes) -> dict[str, str]:
    try:
        return _leaves(body)
    except expat.ExpatError as error:
        # what members write may hold control characters and half characters, which no XML may
        clean = _FORBIDDEN.sub("\ufffd", body.decode("utf-8", "replace")).encode()
        if clean == body:
            raise ValueError("not well-formed") from error
        try:
            return _leaves(clean)
        except expat.ExpatError as again:
            raise ValueError("not well-formed") from again


def _leaves(body: bytes) -> dict[str, str]:
    """Give the texts of the elements right below the root, by their names."""
    fields: dict[str, str] = {}
    path: list[str] = []
    parts: list[str] = []

    def refuse(*_: object) -> None:
        raise ValueError("a DTD in a push")

    def start(name: str, _: object) -> None:
        path.append(name)
        parts.clear()
        if len(path) > _MOST_DEPTH:
            raise ValueError("a push that is nested too deeply")

    def end(name: str) -> None:
        if len(path) == len(("xml", "field")):
            fields.setdefault(name, "".join(parts).strip())
        path.pop()
        parts.clear()

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = parts.append
    parser.Parse(body, True)
    return fields
