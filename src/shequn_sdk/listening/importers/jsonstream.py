"""Reads huge JSON exports item by item with exact byte positions, in bounded memory.

Only the containers that an importer names are walked; every other value, such as one message, is decoded whole.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shequn_sdk.errors import InvalidInput

__all__ = ["CutOff", "Item", "JsonItems", "TooLarge"]

_CHUNK = 1 << 20
_LONGEST_TOKEN = 16
"""A literal or escape that the buffer's end cuts is reported at most so far before the end."""
_SPACE = re.compile(r"[ \t\r\n]*")
_STRUCTURE = re.compile(r'["\\{}\[\]]')


class TooLarge:
    """Stands for a value that was longer than allowed and was passed over."""


@dataclass(frozen=True, slots=True)
class Item:
    """A value that was reached."""

    path: tuple[str, ...]
    """Keys of the containers around it, then its own key; elements of a walked list have the list's path."""
    value: Any
    """Decoded; or `TooLarge`; or None with `opened` or `closed`."""
    opened: bool = False
    """A walked container begins."""
    closed: bool = False


class CutOff(Exception):
    """The file ends or breaks in the middle; `offset` says where."""

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


class _NeedMore(Exception):
    pass


class JsonItems:
    """Walks a JSON document.

    `walk` holds the keys whose containers are walked; all else is decoded. `state()` after any item gives what
    `state=` of a later reader needs to go on behind that item.
    """

    def __init__(
        self,
        source: Path,
        *,
        walk: frozenset[str],
        walk_items: frozenset[str] = frozenset(),
        max_item: int = 32 << 20,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        """Read `source`; lists named in `walk_items` hold objects that are walked themselves."""
        self._source = source
        self._walk = walk
        self._walk_items = walk_items
        self._max_item = max_item
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._base = int(state["offset"]) if state else 0
        # one entry per open container: [key, "{" or "[", whether something stands in it already]
        self._stack: list[tuple[str, str, bool]] = (
            [(str(key), str(kind), bool(some)) for key, kind, some in state["stack"]] if state else []
        )
        self._started = bool(state)
        self._eof = False

    @property
    def offset(self) -> int:
        """Bytes up to where reading stands."""
        return self._base + len(self._text[: self._at].encode("utf-8", "surrogateescape"))

    def state(self) -> dict[str, Any]:
        """Give what a later reader needs to go on from here, as JSON."""
        return {"offset": self.offset, "stack": [list(entry) for entry in self._stack]}

    def __iter__(self) -> Generator[Item]:
        """Give items in the order of the file.

        Raises:
            InvalidInput: the file cannot be read, or is no JSON from its very beginning.
            CutOff: it is cut off or broken further on.
        """
        try:
            with self._source.open("rb") as file:
                # surrogateescape keeps broken bytes countable; decoded values are cleaned by the importers
                self._file = file
                self._bytes = codecs.getincrementaldecoder("utf-8")("surrogateescape")
                if self._base == 0 and file.read(3) == codecs.BOM_UTF8:
                    self._base = 3
                file.seek(self._base)
                yield from self._items()
        except OSError as error:
            name = self._source.name
            raise InvalidInput(f"{name} cannot be read: {error.strerror}", source=name) from error

    # -- buffer

    def _more(self) -> bool:
        """Read on; false at the end of the file."""
        if self._eof:
            return False
        # Read at least as much as is there, so that a long value is tried a few times only.
        size = max(_CHUNK, len(self._text) - self._at)
        data = self._file.read(size)
        self._base = self.offset
        self._text = self._text[self._at :] + self._bytes.decode(data, final=not data)
        self._at = 0
        self._eof = not data
        return bool(data)

    def _peek(self) -> str:
        """Give the next character that is no blank, "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _broken(self, what: str) -> CutOff:
        return CutOff(f"{what} at byte {self.offset}", offset=self.offset)

    # -- walking

    def _items(self) -> Generator[Item]:
        if not self._started:
            if self._peek() != "{":
                raise InvalidInput(f"{self._source.name} holds no JSON object", source=self._source.name)
            self._at += 1
            self._stack.append(("", "{", False))
        while self._stack:
            name, kind, some = self._stack[-1]
            first = self._peek()
            if first == "":
                raise self._broken("the file is cut off")
            if first == ("}" if kind == "{" else "]"):
                self._at += 1
                path = self._path()
                self._stack.pop()
                yield Item(path, None, closed=True)
                continue
            if some:
                if first != ",":
                    raise self._broken("the JSON is broken")
                self._at += 1
                first = self._peek()
            key = name
            if kind == "{":
                key = self._key()
                first = self._peek()
            self._stack[-1] = (name, kind, True)
            if (
                first in "{["
                and first
                and (
                    (kind == "{" and key in self._walk)
                    or (kind == "[" and name in self._walk_items and first == "{")
                )
            ):
                self._at += 1
                self._stack.append((key if kind == "{" else "", first, False))
                yield Item(self._path(), None, opened=True)
                continue
            value = self._value()
            yield Item((*self._path(), key) if kind == "{" else self._path(), value)
        if self._peek():
            raise self._broken("something follows the JSON document")

    def _path(self) -> tuple[str, ...]:
        return tuple(name for name, _, _ in self._stack if name)

    def _key(self) -> str:
        key = self._value()
        if not isinstance(key, str) or self._peek() != ":":
            raise self._broken("the JSON is broken")
        self._at += 1
        return key

    def _value(self) -> Any:
        while True:
            try:
                return self._decode()
            except _NeedMore:
                if self._eof:
                    raise self._broken("the file is cut off") from None
                if len(self._text) - self._at > self._max_item:
                    self._pass_over()
                    return TooLarge
                self._more()

    def _decode(self) -> Any:
        try:
            value, end = self._decoder.raw_decode(self._text, self._at)
        except (json.JSONDecodeError, RecursionError, ValueError) as error:
            if isinstance(error, RecursionError) or not isinstance(error, json.JSONDecodeError):
                raise self._broken("the JSON is nested too deeply or holds an endless number") from None
            # Is it broken, or does it only go on beyond the buffer? More text tells.
            near_end = error.pos >= len(self._text) - _LONGEST_TOKEN or "Unterminated" in error.msg
            if near_end and not (
                self._eof and error.pos < len(self._text) and "Unterminated" not in error.msg
            ):
                raise _NeedMore from None
            raise self._broken("the JSON is broken") from None
        if end == len(self._text) and not self._eof and not isinstance(value, (dict, list, str)):
            raise _NeedMore  # a number may go on
        if end - self._at > self._max_item:
            value = TooLarge
        self._at = end
        return value

    def _pass_over(self) -> None:
        depth = 0
        in_text = False
        if self._text[self._at] not in '{["':
            raise self._broken("the JSON is broken")
        while True:
            match = _STRUCTURE.search(self._text, self._at)
            if match is None:
                self._at = len(self._text)
            else:
                mark = match.group()
                self._at = match.end()
                if mark == "\\" and in_text:
                    if self._at == len(self._text):
                        self._more()
                    self._at += 1
                elif mark == '"':
                    in_text = not in_text
                elif not in_text:
                    depth += 1 if mark in "{[" else -1
                if depth <= 0 and not in_text:
                    return
            if self._at >= len(self._text) and not self._more():
                raise self._broken("the file is cut off")
