"""What WordPress answers, read into what is used; everything else in it is left alone."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import AwareDatetime

from shequn_sdk.domain import Content, Frozen, Link, Media, MediaKind
from shequn_sdk.errors import TargetNotFound, Unavailable
from shequn_sdk.platforms import lenient
from shequn_sdk.platforms.http import HttpResponse
from shequn_wordpress.html import plain_of
from shequn_wordpress.manifest import PLATFORM

__all__ = [
    "COMMENT",
    "Revision",
    "WordPressPost",
    "decoded",
    "ident",
    "instant",
    "number",
    "one",
    "post_of",
    "raw",
    "rows",
    "text",
]


COMMENT = "comment:"
"""How the ids of comments begin, because posts have numbers too."""


class WordPressPost(Frozen):
    """A post as it stands in WordPress, drafts included."""

    id: str
    status: str
    title: str
    html: str
    """As it is stored, where the account may edit it; otherwise as it is shown."""
    excerpt: str = ""
    url: str = ""
    author: str = ""
    image_id: str = ""
    """Id of its featured picture; "" for none."""
    published_at: AwareDatetime
    """When it was, or will be, published."""
    modified_at: AwareDatetime

    @property
    def text(self) -> str:
        """The text without markup."""
        return plain_of(self.html)

    def as_content(self, *, most: int = 200, image: str = "") -> Content:
        """Make content of it for the communities: title, excerpt and link (摘要与链接).

        Args:
            most: code points of the excerpt, where the post has none of its own.
            image: address of a picture to go with it.
        """
        excerpt = plain_of(self.excerpt) or self.text
        if len(excerpt) > most:
            excerpt = excerpt[: most - 1].rstrip() + "…"
        escaped = "".join(f"\\{sign}" if sign in "\\`*_~[]<>#|" else sign for sign in excerpt)
        media: tuple[Media, ...] = ()
        if image:
            media = (Media.model_validate({"kind": MediaKind.PHOTO, "url": image, "alt": self.title}),)
        link = (
            Link.model_validate({"url": self.url, "title": self.title, "description": excerpt})
            if self.url
            else None
        )
        return Content(title=self.title, text=escaped, link=link, media=media)


class Revision(Frozen):
    """An earlier state of a post (修订版本)."""

    id: str
    author: str
    modified_at: AwareDatetime
    title: str
    html: str


def _broken(operation: str, what: str) -> Unavailable:
    return Unavailable(
        f"wordpress answered {operation} with {what}; look whether base_url is the site's address",
        platform=PLATFORM,
        operation=operation,
    )


def _json(response: HttpResponse) -> Any:
    """Decode an answer; notices that PHP writes before it, and half characters in it, are no matter."""
    body = lenient.mended(response.body)
    # nothing is raised from the errors of json: they hold the body, which may tell a secret back
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(body)
    start = min((place for sign in (b"[{", b"{", b"[]") if (place := body.find(sign)) >= 0), default=0)
    return replace(response, body=body[start:]).json()


def one(response: HttpResponse) -> Mapping[str, Any]:
    """Read an answer that is one object.

    Raises:
        Unavailable: it is something else.
    """
    found = _json(response)
    if not isinstance(found, dict):
        raise _broken(response.operation, "something that is no object")
    return cast("Mapping[str, Any]", found)


def rows(response: HttpResponse) -> list[Mapping[str, Any]]:
    """Read an answer that is a list of objects.

    Raises:
        Unavailable: it is something else.
    """
    found = _json(response)
    if not isinstance(found, list):
        raise _broken(response.operation, "something that is no list")
    return [cast("Mapping[str, Any]", row) for row in cast("list[Any]", found) if isinstance(row, dict)]


def number(row: Mapping[str, Any], name: str, operation: str = "") -> str:
    """Read an id.

    Raises:
        Unavailable: it has none.
    """
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).isdecimal():
        raise _broken(operation, f"no {name}")
    return str(value)


def instant(value: object) -> datetime | None:
    """Read a time that WordPress writes in GMT without a zone."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def raw(row: Mapping[str, Any], name: str) -> str:
    """Read a field that has a raw and a rendered form; raw when the account may see it."""
    value = row.get(name)
    if isinstance(value, dict):
        told = cast("Mapping[str, Any]", value)
        found = told.get("raw", told.get("rendered", ""))
        return found if isinstance(found, str) else ""
    return value if isinstance(value, str) else ""


def text(row: Mapping[str, Any], name: str) -> str:
    """Read a field as text; "" when it is not there, or null."""
    value = row.get(name)
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def post_of(row: Mapping[str, Any], operation: str, *, now: datetime) -> WordPressPost:
    """Read a post; `now` stands in for a date that it has not yet.

    Raises:
        Unavailable: it has no id.
    """
    published = instant(row.get("date_gmt")) or instant(row.get("modified_gmt")) or now
    image = row.get("featured_media")
    return WordPressPost(
        id=number(row, "id", operation),
        status=text(row, "status") or "publish",
        title=plain_of(raw(row, "title")),
        html=raw(row, "content"),
        excerpt=raw(row, "excerpt"),
        url=text(row, "link"),
        author=text(row, "author"),
        image_id=str(image) if image and isinstance(image, (int, str)) else "",
        published_at=published,
        modified_at=instant(row.get("modified_gmt")) or published,
    )


def decoded(payload: bytes) -> Mapping[str, Any] | None:
    """Read an event; None for what is no JSON object."""
    try:
        found: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None


def ident(native: str) -> str:
    """Give a number as WordPress knows it.

    Raises:
        TargetNotFound: it is none.
    """
    found = native.removeprefix(COMMENT)
    if not found.isdecimal() or not found.isascii():
        raise TargetNotFound(
            f"wordpress has nothing of the id {native[:50]!r}", platform=PLATFORM, operation="id"
        )
    return found
