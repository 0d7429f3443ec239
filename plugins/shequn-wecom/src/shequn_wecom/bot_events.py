"""From an AI bot's decrypted callbacks (智能机器人), which are JSON, to interactions: pure and lenient.

https://developer.work.weixin.qq.com/document/path/100719 and 101027. A bot hears what mentions it in a group, and all
of what is written to it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.platforms.ports import Parsed
from shequn_wecom.errors import PLATFORM

__all__ = ["parse_bot"]

_K = InteractionKind
_MESSAGES = frozenset({"text", "image", "voice", "video", "file", "mixed"})
_VOTES = frozenset({"vote_interaction", "multiple_interaction"})
_DEPTH = 4


def _str(value: object) -> str:
    return "" if value is None else str(value)


def _part(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: Any = body.get(name)
    return found if isinstance(found, dict) else {}


def _items(body: Mapping[str, Any], name: str) -> list[Any]:
    found: Any = body.get(name)
    return found if isinstance(found, list) else []


def _text_of(body: Mapping[str, Any], depth: int = _DEPTH) -> str:
    kind = _str(body.get("msgtype"))
    if kind in {"text", "voice"}:
        return _str(_part(body, kind).get("content"))
    if kind == "mixed" and depth:
        found = (
            _text_of(item, depth - 1)
            for item in _items(_part(body, kind), "msg_item")
            if isinstance(item, dict)
        )
        return "\n".join(text for text in found if text)
    return ""


def _address_of(body: Mapping[str, Any]) -> str:
    """Give where the picture or file is; encrypted there, and for minutes only."""
    return _str(_part(body, _str(body.get("msgtype"))).get("url"))


def _chosen(card: Mapping[str, Any]) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {}
    for item in _items(_part(card, "selected_items"), "selected_item"):
        if isinstance(item, dict):
            options = _items(_part(item, "option_ids"), "option_id")
            chosen[_str(item.get("question_key"))] = [text for option in options if (text := _str(option))]
    return chosen


class _Event:
    """What an event of a bot means."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        event = _part(body, "event")
        self.what = _str(event.get("eventtype"))
        self.kind = _K.OTHER
        self.text = ""
        self.message = ""
        self.attrs: dict[str, Any] = {"event": self.what}
        detail = _part(event, self.what)
        if self.what == "template_card_event":
            self._card(detail)
        elif self.what == "feedback_event":
            self.kind, self.text = _K.FEEDBACK, _str(detail.get("content"))
            self.message = _str(detail.get("id"))
            if isinstance(detail.get("type"), int):
                self.attrs["feedback"] = detail["type"]

    def _card(self, card: Mapping[str, Any]) -> None:
        chosen = _chosen(card)
        self.kind, self.text = _K.BUTTON, _str(card.get("event_key"))
        self.message = _str(card.get("task_id"))
        names = ("event_key", "task_id", "card_type")
        self.attrs |= {name: text for name in names if (text := _str(card.get(name)))}
        if chosen:
            self.attrs["selected"] = chosen
            if card.get("card_type") in _VOTES:
                options = [option for some in chosen.values() for option in some]
                self.kind, self.text = _K.VOTE, ",".join(options)
                self.attrs["choices"] = [int(one) for one in options if one.isdecimal() and len(one) < 4]


def parse_bot(
    body: Mapping[str, Any], *, identity: str, account: str, home: str, received_at: datetime | None
) -> Parsed:
    """Read one decrypted callback of an AI bot.

    Args:
        identity: the event's id.
        account: name of the account that heard it.
        home: channel inside which members' talks with the bot are, as `home/user:lin`.
        received_at: stands in for a time that is missing.
    """
    kind = _str(body.get("msgtype"))
    attrs: dict[str, Any] = {"type": kind, "aibotid": _str(body.get("aibotid"))}
    if kind == "event":
        event = _Event(body)
        name = f"bot/{event.what or kind}"
        if event.what not in {"template_card_event", "feedback_event", "enter_chat"}:
            return Parsed(kind=name, known=False)
        meaning, text, message = event.kind, event.text, event.message
        attrs |= event.attrs
    elif kind in _MESSAGES:
        name, meaning, text, message = f"bot/{kind}", _K.MESSAGE, _text_of(body), ""
        quoted, address = _text_of(_part(body, "quote")), _address_of(body)
        attrs |= {"quote": quoted} if quoted else {}
        attrs |= {"url": address} if address else {}
    else:
        return Parsed(kind=f"bot/{kind}", known=kind == "stream")
    seconds = body.get("create_time")
    at = received_at or datetime.fromtimestamp(0, UTC)
    if isinstance(seconds, int) and 0 <= seconds < 1 << 33:
        at = datetime.fromtimestamp(seconds, UTC)
    member = _str(_part(body, "from").get("userid"))
    place = "" if body.get("chatid") or not member else f"user:{member}"
    interaction = Interaction(
        id=identity,
        kind=meaning,
        platform=PLATFORM,
        account=account,
        channel=_str(body.get("chatid")) or (f"{home}/{place}" if place else home),
        thread=place,
        member=member,
        occurred_at=at,
        message=message or _str(body.get("msgid")),
        text=text,
        attrs=attrs,
    )
    return Parsed(kind=name, interactions=(interaction,))
