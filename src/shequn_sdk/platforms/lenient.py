"""Reading what platforms answer when it has not quite the form that their documents promise."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar, cast

import msgspec

__all__ = ["decode", "mended", "repaired"]

T = TypeVar("T")


def decode(body: bytes, answer: type[T]) -> T:
    """Read JSON into a structure; null, empty values and numbers in place of texts (or texts of numbers) are no fault.

    What is null or empty counts as left out, so that the structure's default stands; half characters become U+FFFD.
    Only answers that do not fit as they are pay for the second reading.

    >>> class User(msgspec.Struct):
    ...     id: str = ""
    ...     name: str = ""
    ...     posts: int = 0
    >>> decode(b'{"id": 7, "name": null, "posts": "3"}', User)
    User(id='7', name='', posts=3)

    Raises:
        ValueError: it is no JSON, or of another form altogether.
        RecursionError: it is nested too deeply.
    """
    try:
        return msgspec.json.decode(body, type=answer, strict=False)
    except UnicodeDecodeError:
        misfit = ValueError("it is not UTF-8")
    except ValueError as error:
        misfit = error
    try:
        return msgspec.convert(_texts(json.loads(mended(body))), type=answer, strict=False)
    except ValueError:  # a misfit again, or no JSON at all
        pass
    raise misfit  # not from the error above: those of json hold the whole body, which may tell a secret back


def _texts(value: object) -> Any:
    """Write numbers as texts, which fit both, and leave out what is null or empty."""
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {name: _texts(item) for name, item in items if not _empty(item)}
    if isinstance(value, list):
        return [_texts(item) for item in cast("list[object]", value) if not _empty(item)]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _empty(value: object) -> bool:
    return value is None or value in ("", [], {})


_EXACT = 2.0**53


def repaired(raw: bytes) -> bytes:
    """Give JSON without what no model takes; what cannot be read at all comes back as it is.

    Half characters (a lone surrogate, bytes that are not UTF-8) become U+FFFD, keys with null go, whole numbers written
    as `5.0` become `5`. Unlike `decode` it keeps what is empty: an empty list may say that a vote was taken back.

    >>> repaired(b'{"id": 5.0, "name": null, "choices": []}')
    b'{"id":5,"choices":[]}'
    """
    whole = mended(raw)
    try:
        return msgspec.json.encode(_plain(msgspec.json.decode(whole)))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return whole


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[str, Any]", value).items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)"
)


def mended(raw: bytes) -> bytes:
    r"""Give JSON in which half characters (a lone surrogate, bytes that are not UTF-8) are U+FFFD; nothing else changes.

    >>> mended(rb'{"text": "\ud83d"}')
    b'{"text": "\\uFFFD"}'
    """

    def whole(found: re.Match[bytes]) -> bytes:
        lone = len(found[0]) == len(b"\\uD800")
        return b"\\uFFFD" if lone else found[0]

    return _ESCAPE.sub(whole, raw.decode("utf-8", "replace").encode())
