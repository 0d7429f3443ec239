"""Formatted text into plain text and entities, with the real server's error texts; offsets in UTF-16 code units."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from shequn_telegram.sandbox.refusal import bad

__all__ = ["Entities", "parse_html", "parse_markdown", "parse_markdown_v2", "utf16"]

Entities = list[dict[str, Any]]

_HTML = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_CHARACTER = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,4}));")
_TAG_NAME = re.compile(r"[^\s>/]*")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>/"']+)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""")
_RESERVED = frozenset("_*[]()~`>#+-=|{}.!")
_USER_LINK = re.compile(r"tg://user\?id=(\d{1,16})$")


def utf16(text: str) -> int:
    """Give the length in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _fail(text: str) -> NoReturn:
    raise bad(f"can't parse entities: {text}")


@dataclass(slots=True)
class _Out:
    """Plain text under construction."""

    parts: list[str] = field(default_factory=list[str])
    length: int = 0
    entities: Entities = field(default_factory=list[dict[str, Any]])

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.length += utf16(text)

    def since(self, offset: int) -> str:
        """Give what was added from a UTF-16 offset on."""
        whole = "".join(self.parts).encode("utf-16-le", "surrogatepass")
        return whole[offset * 2 :].decode("utf-16-le", "surrogatepass")

    def close(self, kind: str, start: int, **more: Any) -> None:
        if self.length > start:
            self.entities.append({"type": kind, "offset": start, "length": self.length - start, **more})

    def link(self, start: int, url: str) -> None:
        url = url or self.since(start)
        user = _USER_LINK.match(url)
        if user is not None:
            self.close("text_mention", start, user={"id": int(user[1])})
        elif re.match(r"(?:https?|tg|tonsite|ftp)://\S+$|mailto:\S+$", url):
            self.close("text_link", start, url=url)
        elif re.match(r"[\w-]+(\.[\w-]+)+(/\S*)?$", url):
            self.close("text_link", start, url=f"http://{url}/" if "/" not in url else f"http://{url}")

    def done(self) -> tuple[str, Entities]:
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return "".join(self.parts), self.entities


@dataclass(slots=True)
class _Open:
    name: str
    start: int
    at: int
    """Byte offset of its beginning in the source."""
    url: str = ""
    language: str = ""
    expandable: bool = False


def _character(match: re.Match[str]) -> str | None:
    if match[3]:
        return _NAMED.get(match[3].lower())
    code = int(match[1]) if match[1] else int(match[2], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else None


def _unescape(text: str) -> str:
    return _CHARACTER.sub(lambda match: _character(match) or match[0], text)


def parse_html(text: str) -> tuple[str, Entities]:
    """Read parse mode HTML."""
    out, stack, position = _Out(), list[_Open](), 0
    while position < len(text):
        character = text[position]
        if character == "&" and (match := _CHARACTER.match(text, position)) and (found := _character(match)):
            out.add(found)
            position = match.end()
        elif character == "<" and text.startswith("</", position):
            position = _html_end(text, position, out, stack)
        elif character == "<":
            position = _html_start(text, position, out, stack)
        else:
            following = re.compile(r"[<&]").search(text, position + 1)
            end = following.start() if following else len(text)
            out.add(text[position:end])
            position = end
    if stack:
        _fail(f'Can\'t find end tag corresponding to start tag "{stack[-1].name}"')
    return out.done()


def _bytes(text: str, position: int) -> int:
    return len(text[:position].encode("utf-8", "surrogatepass"))


def _html_start(text: str, position: int, out: _Out, stack: list[_Open]) -> int:
    at = _bytes(text, position)
    match = _TAG_NAME.match(text, position + 1)
    name = match[0].lower() if match else ""
    cursor = match.end() if match else position + 1
    if cursor >= len(text):
        _fail(f"Unclosed start tag at byte offset {at}")
    if name not in _HTML:
        _fail(f'Unsupported start tag "{name}" at byte offset {at}')
    opened = _Open(name, out.length, at)
    attributes: dict[str, str] = {}
    while True:
        while cursor < len(text) and (text[cursor].isspace() or text[cursor] == "/"):
            cursor += 1
        if cursor >= len(text):
            _fail(f"Unclosed start tag at byte offset {at}")
        if text[cursor] == ">":
            break
        found = _ATTRIBUTE.match(text, cursor)
        if found is None:
            _fail(f'Empty attribute name in the tag "{name}" at byte offset {at}')
        attributes[found[1].lower()] = _unescape(found[3] or found[4] or found[5] or "")
        cursor = found.end()
    if name == "span" and attributes.get("class") != "tg-spoiler":
        _fail(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
    opened.url = attributes.get("href", "") if name == "a" else attributes.get("emoji-id", "")
    if name == "code" and attributes.get("class", "").startswith("language-"):
        opened.language = attributes["class"].removeprefix("language-")
    opened.expandable = name == "blockquote" and "expandable" in attributes
    stack.append(opened)
    return cursor + 1


def _html_end(text: str, position: int, out: _Out, stack: list[_Open]) -> int:
    at = _bytes(text, position)
    end = text.find(">", position)
    if end < 0:
        _fail(f"Unclosed end tag at byte offset {at}")
    name = text[position + 2 : end].strip().lower()
    if not stack:
        _fail(f"Unexpected end tag at byte offset {at}")
    opened = stack.pop()
    if name and name != opened.name:
        _fail(f'Unmatched end tag at byte offset {at}, expected "</{opened.name}>", found "</{name}>"')
    kind = _HTML[opened.name]
    if kind == "text_link":
        out.link(opened.start, opened.url)
    elif kind == "code" and stack and stack[-1].name == "pre":
        stack[-1].language = opened.language  # `<pre><code class="language-x">` is one block
    elif kind == "pre" and opened.language:
        out.close("pre", opened.start, language=opened.language)
    elif kind == "custom_emoji":
        out.close(kind, opened.start, custom_emoji_id=opened.url)
    elif kind == "blockquote" and opened.expandable:
        out.close("expandable_blockquote", opened.start)
    else:
        out.close(kind, opened.start)
    return end + 1


_V2_NAMES = {
    "bold": "Bold",
    "italic": "Italic",
    "underline": "Underline",
    "strikethrough": "Strikethrough",
    "spoiler": "Spoiler",
    "code": "Code",
    "pre": "Pre",
    "text_link": "TextUrl",
    "custom_emoji": "CustomEmoji",
    "blockquote": "Blockquote",
}
_V2_MARKS = (("||", "spoiler"), ("__", "underline"), ("*", "bold"), ("_", "italic"), ("~", "strikethrough"))


def parse_markdown_v2(text: str) -> tuple[str, Entities]:
    """Read parse mode MarkdownV2."""
    out, stack, position = _Out(), list[_Open](), 0
    line_start = True
    while position < len(text):
        character = text[position]
        top = stack[-1].name if stack else ""
        escaped = position + 1 < len(text) and "\x00" < text[position + 1] < "\x7f"
        if character == "\\" and escaped:
            out.add(text[position + 1])
            position += 2
            line_start = False
        elif top in {"code", "pre"}:
            mark = "`" if top == "code" else "```"
            if text.startswith(mark, position):
                opened = stack.pop()
                more = {"language": opened.language} if opened.language else {}
                out.close(top, opened.start, **more)
                position += len(mark)
            else:
                out.add(character)
                position += 1
        elif line_start and _quote_mark(text, position):
            if not any(opened.name == "blockquote" for opened in stack):
                stack.append(
                    _Open(
                        "blockquote",
                        out.length,
                        _bytes(text, position),
                        expandable=text.startswith("**>", position),
                    )
                )
            position += 3 if text.startswith("**>", position) else 1
            line_start = False
        elif character == "\n":
            if top == "blockquote" and not text.startswith(">", position + 1):
                opened = stack.pop()
                out.close("expandable_blockquote" if opened.expandable else "blockquote", opened.start)
            out.add(character)
            position += 1
            line_start = True
        elif character not in _RESERVED:
            out.add(character)
            position += 1
            line_start = False
        else:
            position = _v2_mark(text, position, out, stack)
            line_start = False
    if stack and stack[-1].name == "blockquote":
        opened = stack.pop()
        out.close("expandable_blockquote" if opened.expandable else "blockquote", opened.start)
    if stack:
        _fail(f"Can't find end of {_V2_NAMES[stack[-1].name]} entity at byte offset {stack[-1].at}")
    return out.done()


def _quote_mark(text: str, position: int) -> bool:
    return text.startswith(">", position) or text.startswith("**>", position)


def _v2_mark(text: str, position: int, out: _Out, stack: list[_Open]) -> int:
    top = stack[-1].name if stack else ""
    at = _bytes(text, position)
    for mark, kind in _V2_MARKS:
        if not text.startswith(mark, position):
            continue
        if (
            kind == "spoiler"
            and top == "blockquote"
            and stack[-1].expandable
            and _ends_line(text, position + 2)
        ):
            return position + 2
        if top == kind:
            out.close(kind, stack.pop().start)
        else:
            stack.append(_Open(kind, out.length, at))
        return position + len(mark)
    if text.startswith("```", position):
        opened = _Open("pre", out.length, at)
        stack.append(opened)
        language = re.compile(r"([^\s`]+)\n").match(text, position + 3)
        if language:
            opened.language = language[1]
            return language.end()
        return position + 3 + text.startswith("\n", position + 3)
    character = text[position]
    if character == "`":
        stack.append(_Open("code", out.length, at))
        return position + 1
    if character == "[" or text.startswith("![", position):
        custom = character == "!"
        stack.append(_Open("custom_emoji" if custom else "text_link", out.length, at))
        return position + 1 + custom
    if character == "]" and top in {"text_link", "custom_emoji"}:
        return _v2_link(text, position, out, stack)
    _fail(f"Character '{character}' is reserved and must be escaped with the preceding '\\'")


def _ends_line(text: str, position: int) -> bool:
    return position >= len(text) or text[position] == "\n"


def _v2_link(text: str, position: int, out: _Out, stack: list[_Open]) -> int:
    opened = stack.pop()
    position += 1
    url = ""
    if text.startswith("(", position):
        position += 1
        while position < len(text) and text[position] != ")":
            if text[position] == "\\" and position + 1 < len(text):
                position += 1
            url += text[position]
            position += 1
        if position >= len(text):
            _fail(f"Can't find end of a URL at byte offset {_bytes(text, position)}")
        position += 1
    if opened.name == "custom_emoji":
        identifier = re.search(r"id=(\d+)", url)
        if identifier is None:
            _fail("Custom emoji URL must have an emoji identifier")
        out.close("custom_emoji", opened.start, custom_emoji_id=identifier[1])
    else:
        out.link(opened.start, url)
    return position


def parse_markdown(text: str) -> tuple[str, Entities]:
    """Read the legacy parse mode Markdown, which knows no nesting."""
    out, position = _Out(), 0
    while position < len(text):
        character = text[position]
        if (
            character == "\\"
            and text[position + 1 : position + 2] in {"_", "*", "`", "["}
            and position + 1 < len(text)
        ):
            out.add(text[position + 1])
            position += 2
            continue
        if character not in "_*`[":
            out.add(character)
            position += 1
            continue
        at, start = _bytes(text, position), out.length
        mark = "```" if text.startswith("```", position) else character
        end = text.find("]" if mark == "[" else mark, position + len(mark))
        if end < 0:
            _fail(f"Can't find end of the entity starting at byte offset {at}")
        inner = text[position + len(mark) : end]
        position = end + len(mark)
        if mark == "[":
            out.add(inner)
            position = end + 1
            if text.startswith("(", position):
                close = text.find(")", position)
                if close < 0:
                    _fail(f"Can't find end of the entity starting at byte offset {at}")
                out.link(start, text[position + 1 : close])
                position = close + 1
            continue
        more: dict[str, Any] = {}
        if mark == "```":
            language = re.match(r"([^\s`]+)\n", inner)
            if language:
                more, inner = {"language": language[1]}, inner[language.end() :]
            inner = inner.removeprefix("\n")
        out.add(inner)
        out.close({"_": "italic", "*": "bold", "`": "code", "```": "pre"}[mark], start, **more)
    return out.done()
