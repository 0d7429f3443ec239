"""Telegram Desktop's JSON export: one chat, or a whole account with all its chats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from zlib import crc32

from shequn_sdk.domain import InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.importers.base import Chunk, ImportOptions, Position, SkipReason, Times
from shequn_sdk.listening.importers.jsonrows import MOST_ANONYMOUS, JsonRows, text_of
from shequn_sdk.listening.importers.jsonstream import CutOff, JsonItems, TooLarge

__all__ = ["TelegramExportImporter"]

_K = InteractionKind
_WALK = frozenset({"chats", "left_chats", "list", "messages"})
_WALK_ITEMS = frozenset({"list"})
_JOINS = frozenset({"join_group_by_link", "join_group_by_request"})
_MEDIA = (
    "photo",
    "poll",
    "location_information",
    "contact_information",
    "game_title",
    "invoice_information",
    "giveaway_information",
    "giveaway_results",
    "todo_list",
    "paid_stars_amount",
    "file",
)
_AMBIGUOUS = ""
_NOT_HERE = "(File "
"""So begins what stands in place of a file, as of a custom emoji, that was not exported."""


class TelegramExportImporter:
    """Reads `result.json` as Telegram Desktop writes it (chat history export).

    Ids of chats, messages, joins and reactions are those that a bot sees, so that an import and live listening of
    one chat may overlap. Service messages name members who were added or removed by others only by display name: the
    name is resolved by a first pass over the file, and becomes `name:…` where nobody or several bear it.
    """

    def read(self, source: Path, *, options: ImportOptions, resume: Position | None) -> Iterator[Chunk]:
        """Give the messages as interactions; see `Importer.read`."""
        context = resume.context if resume else {}
        reader = _Reader(options, _names(source, options), context.get("chat", {}))
        items = _open(source, options, context.get("json"))
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
            if item.path and item.path[-1] == "messages":
                found = True
                if item.closed:
                    reader.chat = {}
                if item.opened or item.closed:
                    continue
                number += 1
                reader.message(item.value, number)
                if reader.rows.full:
                    yield reader.rows.flush(items, number=number, context={"chat": reader.chat})
            elif not item.closed and item.path[-1:] and not item.opened:
                reader.field(item.path[-1], item.value)
        if not found:
            raise InvalidInput(
                f"{source.name} is no Telegram export: it holds no messages. {warning}".strip(),
                source=source.name,
            )
        yield reader.rows.flush(items, number=number, context={"chat": reader.chat}, warning=warning)


def _open(source: Path, options: ImportOptions, state: Mapping[str, Any] | None) -> JsonItems:
    return JsonItems(
        source, walk=_WALK, walk_items=_WALK_ITEMS, max_item=max(options.max_line, 1 << 20) * 8, state=state
    )


def _names(source: Path, options: ImportOptions) -> dict[str, str]:
    """Give display name to member id for all names that exactly one member bears."""
    names: dict[str, str] = {}
    try:
        for item in _open(source, options, None):
            value = item.value
            if item.path[-1:] != ("messages",) or not isinstance(value, dict):
                continue
            message = cast("dict[str, Any]", value)
            for name, native in (("from", "from_id"), ("actor", "actor_id")):
                shown, member = message.get(name), _peer(message.get(native))
                if isinstance(shown, str) and shown and member and names.setdefault(shown, member) != member:
                    names[shown] = _AMBIGUOUS
    except CutOff:
        pass
    return names


def _peer(value: object) -> str:
    """Turn the export's peer id into the one that bots see; "" for an account of which nothing is left."""
    text = text_of(value)
    if text.startswith("channel"):
        return _supergroup(text.removeprefix("channel"))
    for prefix, sign in (("user", ""), ("chat", "-")):
        if text.startswith(prefix):
            return sign + text.removeprefix(prefix)
    return "" if text == "deleted_account" else text


def _supergroup(native: str) -> str:
    """Give the id that bots see: the number below -10^12, which for ten digits is `-100` before them."""
    return f"-{10**12 + int(native)}" if len(native) > 10 and native.isdecimal() else f"-100{native}"


def _chat_id(chat: Mapping[str, Any]) -> str:
    kind, native = text_of(chat.get("type")), text_of(chat.get("id"))
    if not native or native.startswith("-"):
        return native
    if kind.endswith(("supergroup", "channel")):
        return _supergroup(native)
    return f"-{native}" if kind == "private_group" else native


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = [cast("dict[str, object]", value)]
    if isinstance(value, list):
        parts = cast("list[object]", value)
        return "".join(
            text_of(cast("dict[str, object]", part).get("text")) if isinstance(part, dict) else text_of(part)
            for part in parts
        )
    return text_of(value)


def _command(message: Mapping[str, Any]) -> str:
    """Give the bot's command with which a message begins, such as `/start@helper`."""
    for name in ("text", "text_entities"):
        parts = message.get(name)
        if isinstance(parts, list) and parts and isinstance(parts[0], dict):
            first = cast("dict[str, Any]", parts[0])
            if first.get("type") == "bot_command":
                return text_of(first.get("text"))
    return ""


def _dicts(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        return []
    return [cast("dict[str, Any]", one) for one in cast("list[object]", value) if isinstance(one, dict)]


class _Reader:
    def __init__(self, options: ImportOptions, names: dict[str, str], chat: Mapping[str, Any]) -> None:
        self.rows = JsonRows("telegram", "telegram export", options)
        self.chat: dict[str, Any] = {
            name: list(one) if name == "topics" else one for name, one in chat.items()
        }
        self._channel = options.channel
        self._names = names
        self._times = Times(options)

    def field(self, key: str, value: object) -> None:
        if key in {"id", "type", "name"}:
            self.chat[key] = text_of(value)

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
        if message.get("type") == "unsupported":
            rows.skips.add(number, SkipReason.UNSUPPORTED, f"message {native}")
            return
        if not native:
            rows.skips.add(number, SkipReason.MALFORMED, "a message without id")
            return
        at = self._at(message, "date")
        if isinstance(at, SkipReason):
            rows.skips.add(number, at, f"message {native}: {message.get('date')!r}")
            return
        channel = self._channel or _chat_id(self.chat)
        if message.get("type") == "service":
            self._service(message, channel, native, at)
        else:
            self._plain(message, channel, native, at, number)
        self._reactions(message, channel, native, at, number)

    def _at(self, message: Mapping[str, Any], key: str) -> int | SkipReason:
        unix = message.get(f"{key}_unixtime")
        if unix is not None:
            return self._times.read(unix)
        return self._times.read(message.get(key))

    def _local(self, message: Mapping[str, Any], at: int, written: object) -> int:
        """Read a time that is written in the exporter's zone, whose offset the message itself tells."""
        try:
            own = datetime.fromisoformat(str(message.get("date")))
            other = datetime.fromisoformat(str(written))
            micros = at + round((other - own).total_seconds()) * 1_000_000
        except (ValueError, TypeError):
            return at
        good = self._times.check(micros)
        return at if isinstance(good, SkipReason) else good

    def _plain(self, message: dict[str, Any], channel: str, native: str, at: int, number: int) -> None:
        rows = self.rows
        member, name = _peer(message.get("from_id")), text_of(message.get("from"))
        broadcast = self.chat.get("type", "").endswith("_channel")
        if broadcast and member == _chat_id(self.chat):
            member, name = (
                "",
                text_of(message.get("author")) or name,
            )  # who of its people wrote it is not told
        text = _text(message.get("text")) or _text(message.get("text_entities"))
        parent, thread = text_of(message.get("reply_to_message_id")), ""
        if parent in self.chat.get("topics", ()):
            # in a forum each message answers the one that opened its topic, unless it answers another
            parent, thread = "", parent
        elsewhere = _peer(message.get("reply_to_peer_id"))
        forwarded = "forwarded_from" in message
        origin = _peer(message.get("forwarded_from_id"))
        # Telegram's own copy of a channel's post in its discussion group; nobody shared anything
        copied = (
            forwarded
            and not broadcast
            and text_of(message.get("from_id")).startswith("channel")
            and (origin == member if origin else message.get("forwarded_from") == message.get("from"))
        )
        media = text_of(message.get("media_type")) or next(
            (key.removesuffix("_information") for key in _MEDIA if message.get(key) is not None), ""
        )
        poll = message.get("poll")
        attrs: dict[str, Any] = {
            "media": media,
            "emoji": text_of(message.get("sticker_emoji")),
            "forwarded_from": text_of(message.get("forwarded_from")),
            "forwarded_from_id": origin,
            "via_bot": text_of(message.get("via_bot")),
            "thread": thread,
            "parent_channel": elsewhere if parent and elsewhere != channel else "",
        }
        kind = _K.OTHER if copied else _K.SHARE if forwarded else _K.MESSAGE
        if copied:
            attrs["service"] = "automatic_forward"
        elif not forwarded and (command := _command(message)):
            kind = _K.COMMAND
            attrs["command"], _, attrs["to"] = command[1:].partition("@")
            attrs["arguments"] = text[len(command) :].strip()
        if isinstance(poll, dict):
            poll = cast("dict[str, Any]", poll)
            attrs["question"] = _text(poll.get("question"))
            attrs["choices"] = [_text(answer.get("text")) for answer in _dicts(poll.get("answers"))]
        rows.add(
            id=f"message:{channel}:{native}",
            kind=kind,
            at=at,
            channel=channel,
            member=member,
            member_name=name,
            message=native,
            parent=parent,
            text=text,
            attrs=attrs,
        )
        if isinstance(poll, dict):
            for index, answer in enumerate(_dicts(poll.get("answers"))):
                self._anonymous(
                    answer.get("voters"),
                    f"vote:{channel}:{native}:{index}",
                    _K.VOTE,
                    channel,
                    native,
                    at,
                    {"choice": index},
                    number,
                )
        edited = self._at(message, "edited") if "edited" in message or "edited_unixtime" in message else None
        if isinstance(edited, int) and "edited_unixtime" not in message:
            edited = self._local(message, at, message.get("edited"))
        if isinstance(edited, int) and edited > at:  # old exports say 1970 of what was never edited
            rows.add(
                id=f"edit:{channel}:{native}:{edited // 1_000_000}:{crc32(text.encode()):x}",
                kind=_K.EDIT,
                at=edited,
                channel=channel,
                member=member,
                member_name=name,
                message=native,
                text=text,
            )

    def _service(self, message: dict[str, Any], channel: str, native: str, at: int) -> None:
        action = text_of(message.get("action"))
        if action == "topic_created":
            self.chat.setdefault("topics", []).append(native)
        actor, name = _peer(message.get("actor_id")), text_of(message.get("actor"))
        people = message.get("members")
        people = cast("list[object]", people) if isinstance(people, list) else []
        if action in _JOINS:
            self._come_or_go(
                _K.JOIN, channel, native, at, actor, name, attrs={"action": action}, entrance="link"
            )
        elif action == "create_group" or (action == "invite_members" and people):
            if action == "create_group" and actor and name not in people:
                self._come_or_go(_K.JOIN, channel, native, at, actor, name, attrs={"action": action})
            self._people(_K.JOIN, people, message, channel, native, at)
        elif action == "remove_members" and people:
            self._people(_K.LEAVE, people, message, channel, native, at)
        else:
            self.rows.add(
                id=f"message:{channel}:{native}",
                kind=_K.OTHER,
                at=at,
                channel=channel,
                member=actor,
                member_name=name,
                message=text_of(message.get("message_id")) or native,
                text=_text(message.get("text")),
                attrs={"service": action or "unknown", "title": text_of(message.get("title"))},
            )

    def _people(
        self,
        kind: InteractionKind,
        people: Sequence[object],
        message: Mapping[str, Any],
        channel: str,
        native: str,
        at: int,
    ) -> None:
        actor, actor_name = _peer(message.get("actor_id")), text_of(message.get("actor"))
        for index, one in enumerate(people):
            name = text_of(one)
            by_name = not (name and name == actor_name and actor)
            member = actor
            if by_name:
                member = self._names.get(name, _AMBIGUOUS) or (f"name:{name}" if name else "")
            attrs = {"action": text_of(message.get("action")), "by": actor if actor != member else ""}
            self._come_or_go(
                kind, channel, f"{native}:{index}", at, member, name, attrs=attrs, by_name=by_name
            )

    def _come_or_go(
        self,
        kind: InteractionKind,
        channel: str,
        native: str,
        at: int,
        member: str,
        name: str,
        *,
        attrs: Mapping[str, Any],
        entrance: str = "",
        by_name: bool = False,
    ) -> None:
        # A name may be resolved in one export and not in the next: then only the message's id stays the same.
        self.rows.add(
            id=f"{kind}:{channel}:#{native}" if by_name else f"{kind}:{channel}:{member}:{at // 1_000_000}",
            kind=kind,
            at=at,
            channel=channel,
            member=member,
            member_name=name,
            message=native.partition(":")[0],
            entrance=entrance,
            attrs=attrs,
        )

    def _reactions(self, message: dict[str, Any], channel: str, native: str, at: int, number: int) -> None:
        unknown = 0
        for reaction in _dicts(message.get("reactions")):
            emoji = (
                text_of(reaction.get("emoji"))
                or text_of(reaction.get("document_id"))
                or text_of(reaction.get("type"))
            )
            if emoji.startswith(_NOT_HERE):
                unknown += 1
                emoji = f"custom_emoji:{unknown}"
            listed = _dicts(reaction.get("recent"))
            # of accounts that are gone only the number is left: as one they would all have the same id
            recent = [one for one in listed if _peer(one.get("from_id"))]
            for one in recent:
                member = _peer(one.get("from_id"))
                when = self._local(message, at, one.get("date"))
                self.rows.add(
                    id=f"reaction:{channel}:{native}:{member}:{emoji}:{when // 1_000_000}",
                    kind=_K.REACTION,
                    at=when,
                    channel=channel,
                    member=member,
                    member_name=text_of(one.get("from")),
                    message=native,
                    attrs={"emoji": emoji},
                )
            count = reaction.get("count")
            count = max(count, len(listed)) if isinstance(count, int) else len(listed)
            if count > len(recent):
                self._anonymous(
                    count - len(recent),
                    f"reaction:{channel}:{native}::{emoji}",
                    _K.REACTION,
                    channel,
                    native,
                    at,
                    {"emoji": emoji},
                    number,
                )

    def _anonymous(
        self,
        count: object,
        prefix: str,
        kind: InteractionKind,
        channel: str,
        native: str,
        at: int,
        attrs: Mapping[str, Any],
        number: int = 0,
    ) -> None:
        """Add what was counted but whose members the export does not name: one row each, without member."""
        if not isinstance(count, int) or isinstance(count, bool):
            return
        if count > MOST_ANONYMOUS:
            self.rows.skips.add(number, SkipReason.MALFORMED, f"message {native} claims {count} {kind}s")
            return
        for index in range(count):
            self.rows.add(
                id=f"{prefix}:#{index}", kind=kind, at=at, channel=channel, message=native, attrs=attrs
            )
