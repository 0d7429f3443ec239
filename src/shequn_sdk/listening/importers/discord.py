"""DiscordChatExporter's JSON: one channel or thread per file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from shequn_sdk.domain import InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.importers.base import Chunk, ImportOptions, Position, SkipReason, Times
from shequn_sdk.listening.importers.jsonrows import MOST_ANONYMOUS, JsonRows, text_of
from shequn_sdk.listening.importers.jsonstream import CutOff, JsonItems, TooLarge

__all__ = ["DiscordExportImporter"]

_K = InteractionKind
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WALK = frozenset({"messages"})
_JOINS = frozenset({"GuildMemberJoin", "RecipientAdd", "7", "1"})
_LEAVES = frozenset({"RecipientRemove", "2"})
_GONE = "456226577798135808"
"""The one account under which Discord shows all whose accounts were erased: nobody."""
_TALK = frozenset({"Default", "Reply", "0", "19", "20", "23", "ChatInputCommand", "ContextMenuCommand", ""})


class DiscordExportImporter:
    """Reads JSON that DiscordChatExporter wrote.

    A thread is a channel of its own, as it is for a bot that listens; its messages name it in their attrs as well. Reactions carry no time of
    their own: they take their message's. Reactions whose members the export does not name have no member.
    """

    def read(self, source: Path, *, options: ImportOptions, resume: Position | None) -> Iterator[Chunk]:
        """Give the messages as interactions; see `Importer.read`."""
        context = resume.context if resume else {}
        items = JsonItems(
            source, walk=_WALK, max_item=max(options.max_line, 1 << 20) * 8, state=context.get("json")
        )
        reader = _Reader(options, context.get("channel", {}))
        number = resume.line if resume else 0
        found = resume is not None
        warning = ""
        stream = iter(items)
        while True:
            try:
                item = next(stream)
            except StopIteration:
                break
            except CutOff as error:
                warning = f"{source.name}: {error}; everything before it was read"
                break
            if item.path == ("messages",):
                found = True
                if item.opened or item.closed:
                    continue
                number += 1
                reader.message(item.value, number)
                if reader.rows.full:
                    yield reader.rows.flush(items, number=number, context={"channel": reader.channel})
            elif item.path == ("channel",) and isinstance(item.value, dict):
                channel = cast("dict[str, Any]", item.value)
                reader.channel = {
                    key: text_of(channel.get(key)) for key in ("id", "type", "categoryId", "name")
                }
        if not found:
            raise InvalidInput(
                f"{source.name} is no DiscordChatExporter file: it holds no messages. {warning}".strip(),
                source=source.name,
            )
        yield reader.rows.flush(items, number=number, context={"channel": reader.channel}, warning=warning)


def _dicts(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[object]", value) if isinstance(one, dict)]


def _dict(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _who(user: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns that say who it was."""
    member = text_of(user.get("id"))
    return {
        "member": "" if member == _GONE else member,
        "member_name": "" if member == _GONE else text_of(user.get("nickname")) or text_of(user.get("name")),
        "is_bot": user.get("isBot") is True,
    }


class _Reader:
    def __init__(self, options: ImportOptions, channel: Mapping[str, str]) -> None:
        self.rows = JsonRows("discord", "discord export", options)
        self.channel = dict(channel)
        self._wanted = options.channel
        self._times = Times(options)

    def _where(self) -> tuple[str, str]:
        """Give channel and thread."""
        native = self.channel.get("id", "")
        thread = native if "Thread" in self.channel.get("type", "") else ""
        return self._wanted or native, thread

    def message(self, value: object, number: int) -> None:
        rows = self.rows
        rows.read += 1
        if value is TooLarge:
            rows.skips.add(number, SkipReason.TOO_LARGE)
            return
        if not isinstance(value, dict):
            rows.skips.add(number, SkipReason.MALFORMED, repr(value)[:100])
            return
        message = cast("dict[str, Any]", value)
        native = text_of(message.get("id"))
        if not native:
            rows.skips.add(number, SkipReason.MALFORMED, "a message without id")
            return
        at = self._times.read(message.get("timestamp"))
        if isinstance(at, SkipReason):
            rows.skips.add(number, at, f"message {native}: {message.get('timestamp')!r}")
            return
        self._message(message, native, at, number)

    def _message(self, message: dict[str, Any], native: str, at: int, number: int) -> None:
        rows = self.rows
        channel, thread = self._where()
        author = _dict(message.get("author"))
        reference = _dict(message.get("reference"))
        who: dict[str, Any] = {
            "channel": channel,
            **_who(author),
            "message": native,
        }
        kind = text_of(message.get("type"))
        forwarded = reference.get("type") == "Forward" or bool(message.get("forwardedMessage"))
        stickers = [text_of(one.get("name")) for one in _dicts(message.get("stickers"))]
        attrs: dict[str, Any] = {
            "thread": thread,
            "username": text_of(author.get("name")),
            "stickers": stickers,
            "attachments": len(_dicts(message.get("attachments"))) or None,
            "mentions": [text_of(one.get("id")) for one in _dicts(message.get("mentions"))],
        }
        if kind in _JOINS or kind in _LEAVES:
            self._come_or_go(message, kind, who, at, thread)
        else:
            if kind not in _TALK:
                attrs["service"] = kind
            text = text_of(message.get("content"))
            answered = text_of(reference.get("messageId"))
            place = text_of(reference.get("channelId"))
            if answered and place not in {"", self.channel.get("id", "")}:
                attrs["parent_channel"] = place
            if forwarded and not text:
                text = text_of(_dict(message.get("forwardedMessage")).get("content"))
            rows.add(
                id=f"message:{native}",
                kind=_K.OTHER if kind not in _TALK else _K.SHARE if forwarded else _K.MESSAGE,
                at=at,
                parent=answered,
                text=text,
                attrs=attrs,
                **who,
            )
            edited = self._times.read(message.get("timestampEdited"))
            if isinstance(edited, int) and edited > at:
                rows.add(
                    # written as Discord writes it, so that a listening bot's edit is the same
                    id=f"edit:{native}:{(_EPOCH + timedelta(microseconds=edited)).isoformat()}",
                    kind=_K.EDIT,
                    at=edited,
                    text=text,
                    attrs={"thread": thread},
                    **who,
                )
            self._command(message, channel, native, at, thread)
        self._reactions(message, channel, native, at, number, thread)

    def _come_or_go(
        self, message: Mapping[str, Any], kind: str, who: Mapping[str, Any], at: int, thread: str
    ) -> None:
        move = _K.JOIN if kind in _JOINS else _K.LEAVE
        people = [who]
        mentioned = _dicts(message.get("mentions"))
        if kind not in {"GuildMemberJoin", "7"} and mentioned:
            people = [{**who, **_who(one)} for one in mentioned]
        for one in people:
            by = who["member"] if one["member"] != who["member"] else ""
            self.rows.add(
                id=f"{move}:{who['message']}:{one['member']}",
                kind=move,
                at=at,
                attrs={"thread": thread, "by": by},
                **one,
            )

    def _command(self, message: Mapping[str, Any], channel: str, native: str, at: int, thread: str) -> None:
        used = _dict(message.get("interaction"))
        user = _who(_dict(used.get("user")))
        if text_of(used.get("id")) and user["member"]:
            self.rows.add(
                id=f"interaction:{text_of(used.get('id'))}",
                kind=_K.COMMAND,
                at=at,
                channel=channel,
                **user,
                message=native,
                text=text_of(used.get("name")),
                attrs={"thread": thread},
            )

    def _reactions(
        self, message: Mapping[str, Any], channel: str, native: str, at: int, number: int, thread: str
    ) -> None:
        for reaction in _dicts(message.get("reactions")):
            symbol = _dict(reaction.get("emoji"))
            emoji = text_of(symbol.get("name")) or text_of(symbol.get("code"))
            mark = text_of(symbol.get("id")) or emoji
            attrs = {"emoji": emoji, "thread": thread}
            listed = _dicts(reaction.get("users"))
            users = [user for user in map(_who, listed) if user["member"]]
            for user in users:
                self.rows.add(
                    id=f"reaction:{channel}:{native}:{user['member']}:{mark}",
                    kind=_K.REACTION,
                    at=at,
                    channel=channel,
                    **user,
                    message=native,
                    attrs=attrs,
                )
            count = reaction.get("count")
            rest = max(count if isinstance(count, int) else 0, len(listed)) - len(users)
            if rest > MOST_ANONYMOUS:
                self.rows.skips.add(
                    number, SkipReason.MALFORMED, f"message {native} claims {count} reactions"
                )
                continue
            for index in range(rest):
                self.rows.add(
                    id=f"reaction:{channel}:{native}::{mark}:#{index}",
                    kind=_K.REACTION,
                    at=at,
                    channel=channel,
                    message=native,
                    attrs=attrs,
                )
