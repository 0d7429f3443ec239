"""How WeCom says no: HTTP 200, errcode, and an errmsg with hint, address and a link at its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

__all__ = ["Refuse", "refusal_body"]


class Refuse(Exception):
    """Raised by a handler: the answer is this errcode."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


_WORDS: Mapping[int, str] = MappingProxyType(
    {
        -1: "system busy",
        40001: "invalid credential",
        40003: "invalid user",
        40004: "invalid media type",
        40006: "invalid media size",
        40007: "invalid media_id",
        40008: "invalid message type",
        40009: "invalid image size",
        40013: "invalid corpid",
        40014: "invalid access_token",
        40033: "invalid charset, request contains \\uxxxx",
        40035: "invalid parameter",
        40050: "chat not found",
        40056: "invalid agentid",
        40058: "invalid request parameter",
        40063: "some parameters are empty",
        40068: "invalid tagid",
        40071: "invalid tag name, already exists",
        40072: "invalid tag name length",
        40074: "news not support safe",
        40096: "invalid external userid",
        40123: "invalid image format",
        40126: "corp tag limit exceeded",
        40130: "handover user equals takeover user",
        40131: "not the follow user",
        41001: "access_token missing",
        41002: "corpid missing",
        41004: "corpsecret missing",
        41006: "media_id missing",
        41037: "contact way type missing",
        41038: "contact way scene missing",
        41039: "invalid contact way type",
        41040: "invalid contact way scene",
        41041: "contact way user limit exceeded",
        41043: "config_id missing",
        41044: "invalid config_id",
        41046: "msgid missing",
        41047: "invalid msgid",
        41048: "no customer to send",
        41049: "welcome_code missing",
        41050: "invalid welcome_code",
        41051: "customer has started chatting",
        41055: "template count limit exceeded",
        41064: "attachments count limit exceeded",
        41065: "invalid attachments type",
        41068: "word list limit exceeded",
        41069: "rule count limit exceeded",
        41070: "invalid rule_id",
        41076: "applicable range invalid",
        41077: "rule name not unique",
        41083: "invalid word",
        41084: "invalid semantics",
        41088: "attachments empty",
        41089: "text and attachments both empty",
        41091: "at most 5 groups",
        41093: "group msg cancelled",
        41094: "remind frequency limit",
        42001: "access_token expired",
        42052: "msgid expired",
        42045: "template_card.card_action missing or invalid",
        44001: "empty media data",
        44004: "text content is empty",
        45001: "media size out of limit",
        45002: "content size out of limit",
        45008: "article size out of limit",
        45009: "api freq out of limit",
        45033: "api concurrent out of limit",
        46004: "user not exist",
        48002: "api forbidden",
        49008: "group dismissed",
        50100: "invalid cursor",
        60011: "no privilege to access/modify contact/party/agent",
        60020: "not allow to access from your ip",
        60111: "userid not found",
        60123: "invalid party id",
        60140: "invalid response_code",
        81013: "user & party & tag all invalid",
        81017: "request count out of limit",
        82001: "touser & toparty & totag all empty",
        84061: "not external contact",
        84074: "no external contact permission",
        86001: "invalid chatid",
        86003: "chatid not exist",
        86004: "invalid chat name",
        86006: "invalid chat member count",
        86008: "not created by this agent",
        86201: "chatid missing",
        86204: "chat member missing",
        86205: "chatid too long",
        86207: "owner not in userlist",
        86215: "chatid existed",
        86216: "invalid chat userid",
        90501: "chat is not external group chat",
        90511: "invalid opengid",
        93000: "invalid webhook url",
        301019: "media md5 not match",
    }
)


def refusal_body(refuse: Refuse, *, at: datetime, serial: int, address: str) -> dict[str, Any]:
    """Give the body of a refusal in the shape that WeCom's have."""
    words = _WORDS.get(refuse.code, "refused")
    if refuse.detail:
        words = f"{words}, {refuse.detail}"
    hint = f"{int(at.timestamp())}_{serial % 100}_{serial:032x}"
    tail = f"hint: [{hint}], from ip: {address}, more info at https://open.work.weixin.qq.com/devtool/query?e={refuse.code}"
    return {"errcode": refuse.code, "errmsg": f"{words}, {tail}"}
