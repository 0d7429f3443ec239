"""Texts of messages: parse mode or entities, trimming, entities that Telegram finds itself."""

from __future__ import annotations

import re
from typing import Any

from shequn_telegram.sandbox.markup import Entities, parse_html, parse_markdown, parse_markdown_v2, utf16
from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import bad

__all__ = ["formatted", "found_entities", "read_text"]

_KINDS = frozenset(
    [
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "code",
        "pre",
        "blockquote",
        "expandable_blockquote",
        "text_link",
        "text_mention",
        "custom_emoji",
        "mention",
        "hashtag",
        "cashtag",
        "bot_command",
        "url",
        "email",
        "phone_number",
        "bank_card_number",
        "date_time",
    ]
)
_KEPT = frozenset(
    [
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "code",
        "pre",
        "blockquote",
        "expandable_blockquote",
        "text_link",
        "text_mention",
        "custom_emoji",
        "date_time",
    ]
)
_FOUND = (
    ("url", re.compile(r"https?://[^\s<>\"，。！？）】]+[^\s<>\"，。！？）】.,:;!?)\]']")),
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("mention", re.compile(r"(?<![\w/@])@[A-Za-z][A-Za-z0-9_]{3,31}\b")),
    ("hashtag", re.compile(r"(?<![\w#&/])#(?=[^\d\s]*[^\W\d])\w{1,256}")),
    ("bot_command", re.compile(r"(?<![\w/<>@])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")),
)
_SPECIAL = re.compile(r"[@#/]|://")


def found_entities(text: str, taken: Entities) -> Entities:
    """Give the entities that Telegram finds by itself, outside those that are there."""
    if not _SPECIAL.search(text):
        return []
    found: Entities = []
    blocked = [
        (e["offset"], e["offset"] + e["length"]) for e in taken if e["type"] in {"code", "pre", "text_link"}
    ]
    for kind, pattern in _FOUND:
        for match in pattern.finditer(text):
            start = utf16(text[: match.start()])
            end = start + utf16(match[0])
            if any(start < last and first < end for first, last in blocked):
                continue
            blocked.append((start, end))
            found.append({"offset": start, "length": end - start, "type": kind})
    return found


def _explicit(given: Any, text: str) -> Entities:
    if not isinstance(given, list):
        raise bad("can't parse MessageEntity: Expected an Array of MessageEntity")
    total = utf16(text)
    inside = _inside_symbols(text)
    entities: Entities = []
    for item in given:
        if not isinstance(item, dict):
            raise bad("can't parse MessageEntity: Expected an Object")
        kind, offset, length = item.get("type"), item.get("offset"), item.get("length")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise bad("can't parse MessageEntity: Unsupported type specified")
        if isinstance(offset, str) or isinstance(length, str):
            try:
                offset, length = int(str(offset)), int(str(length))
            except ValueError:
                offset = None
        if not isinstance(offset, int) or not isinstance(length, int):
            raise bad('can\'t parse MessageEntity: Field "offset" must be of type Number')
        if offset < 0 or offset > total:
            raise bad(f"receive an entity with incorrect offset {offset}")
        if length < 0 or offset + length > total:
            raise bad(f"receive an entity with incorrect length {length}")
        if offset in inside:
            raise bad(f"entity begins in a middle of a UTF-16 symbol at byte offset {inside[offset]}")
        if offset + length in inside:
            raise bad(f"entity ends in a middle of a UTF-16 symbol at byte offset {inside[offset + length]}")
        if not length or kind not in _KEPT:
            continue
        entity: dict[str, Any] = {"offset": offset, "length": length, "type": kind}
        if kind == "text_link":
            entity["url"] = str(item.get("url", ""))
            if not entity["url"]:
                raise bad("can't parse MessageEntity: Can't find field \"url\"")
        if kind == "text_mention":
            user = item.get("user")
            if not isinstance(user, dict) or not str(user.get("id", "")).lstrip("-").isdigit():
                raise bad("can't parse MessageEntity: Can't find field \"user\"")
            entity["user"] = {"id": int(user["id"])}
        for name in ("language", "custom_emoji_id"):
            if item.get(name):
                entity[name] = str(item[name])
        entities.append(entity)
    return entities


def _inside_symbols(text: str) -> dict[int, int]:
    """Give the UTF-16 offsets that lie inside a surrogate pair, with the byte offset of their character."""
    if text.isascii():
        return {}
    found: dict[int, int] = {}
    units = size = 0
    for character in text:
        if character > "\uffff":
            found[units + 1] = size
            units += 1
        units += 1
        size += len(character.encode("utf-8", "surrogatepass"))
    return found


def _check_nesting(entities: Entities) -> Entities:
    """Cut entities that overlap without containing each other, as the server does."""
    entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    ends: list[int] = []
    for entity in entities:
        while ends and ends[-1] <= entity["offset"]:
            ends.pop()
        if ends and entity["offset"] + entity["length"] > ends[-1]:
            entity["length"] = ends[-1] - entity["offset"]
        ends.append(entity["offset"] + entity["length"])
    return entities


def _trim(text: str, entities: Entities) -> tuple[str, Entities]:
    stripped = text.lstrip()
    if not stripped:
        return "", []
    front = utf16(text[: len(text) - len(stripped)])
    stripped = stripped.rstrip()
    if len(stripped) == len(text):
        return text, entities
    total = utf16(stripped)
    kept: Entities = []
    for entity in entities:
        start = max(0, entity["offset"] - front)
        end = min(total, entity["offset"] + entity["length"] - front)
        if end > start:
            kept.append({**entity, "offset": start, "length": end - start})
    return stripped, kept


def formatted(text: str, *, mode: str, given: Any, users: Any) -> tuple[str, Entities]:
    """Give plain text with all its entities; `users` makes the `user` of mentions from an id, None for unknown ones."""
    mode = mode.strip().lower()
    if "\ud800" <= max(text, default="") <= "\udfff":
        raise bad("text must be encoded in UTF-8")
    text = text.replace("\r", "").replace("\x00", " ")
    if mode == "html":
        plain, entities = parse_html(text)
    elif mode == "markdownv2":
        plain, entities = parse_markdown_v2(text)
    elif mode == "markdown":
        plain, entities = parse_markdown(text)
    elif mode in {"", "none"}:
        plain, entities = text, _explicit(given, text) if given else []
    else:
        raise bad("unsupported parse_mode")
    plain, entities = _trim(plain, entities)
    kept: Entities = []
    for entity in _check_nesting(entities):
        if entity["type"] == "text_mention":
            user = users(entity["user"]["id"])
            if user is None:
                continue  # somebody the bot never met: the text stays, the mention goes
            kept.append({**entity, "user": user})
        else:
            kept.append(entity)
    kept += found_entities(plain, kept)
    kept.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    return plain, kept


def read_text(
    params: Parameters,
    users: Any,
    *,
    text: str = "text",
    entities: str = "entities",
    mode: str = "parse_mode",
) -> tuple[str, Entities]:
    """Read a text parameter with its parse mode or entities."""
    return formatted(params.text(text), mode=params.text(mode), given=params.nested(entities), users=users)
