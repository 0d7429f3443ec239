"""Taking JSON apart that is nested too deeply for a decoder, so that one such row does not hold up the others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

__all__ = ["elements", "members"]

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]', re.DOTALL)
_SPACE = b" \t\r\n"


def _parts(text: bytes, opening: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give (key, value) of each part of the outermost array or object; an array's keys are empty."""
    text = text.strip(_SPACE)
    if not text.startswith(opening):
        raise ValueError(f"no {'array' if opening == b'[' else 'object'}")
    depth, begin, key, end = 0, 1, b"", 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in {b"[", b"{"}:
            depth += 1
        elif sign in {b"]", b"}"}:
            depth -= 1
            if depth == 0:
                end = token.start()
                break
        elif depth != 1:
            continue
        elif sign == b":":
            key, begin = text[begin : token.start()].strip(_SPACE), token.end()
        elif sign == b",":
            yield key, text[begin : token.start()].strip(_SPACE)
            key, begin = b"", token.end()
    if not end:
        raise ValueError("the text ends too early")
    if last := text[begin:end].strip(_SPACE):
        yield key, last


def elements(text: bytes) -> list[bytes]:
    """Give the elements of a JSON array as their own bytes, however deeply they are nested; they are not checked.

    >>> elements(b'[{"a": [1, "]"]}, 2]')
    [b'{"a": [1, "]"]}', b'2']

    Raises:
        ValueError: it is no array, or is cut off.
    """
    return [value for _, value in _parts(text, b"[")]


def members(text: bytes) -> dict[str, bytes]:
    """Give the members of a JSON object as their own bytes, however deeply they are nested; they are not checked.

    >>> members(b'{"id": 7, "rows": [[]]}')
    {'id': b'7', 'rows': b'[[]]'}

    Raises:
        ValueError: it is no object, or is cut off.
    """
    return {str(json.loads(key)): value for key, value in _parts(text, b"{")}
