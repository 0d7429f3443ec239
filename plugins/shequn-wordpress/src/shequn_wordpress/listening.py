"""Hears new comments and posts of others by asking for them.

The cursor holds the newest instant and the ids that were told since `look_back` before it: a comment that waited for
moderation appears with its old time, and is still found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shequn_sdk.domain import Clock, Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.ports import Parsed, RawBatch, RawEvent
from shequn_wordpress import wire
from shequn_wordpress.api import Api
from shequn_wordpress.html import plain_of
from shequn_wordpress.manifest import PLATFORM

__all__ = ["SITE", "Listener", "comment_of", "parse"]

SITE = "posts"
"""The channel that is the whole site."""
_MOST_IDS = 5000
_FIELDS: Mapping[str, str] = {
    "comments": "id,post,parent,author,author_name,date_gmt,content,status,type",
    "posts": "id,author,date_gmt,modified_gmt,title,content,excerpt,link,status,featured_media,categories",
}


class Listener:
    """Asks one site for what is new."""

    def __init__(self, api: Api, *, clock: Clock, look_back: timedelta) -> None:
        self._api = api
        self._clock = clock
        self._look_back = look_back

    async def receive(self, cursor: str | None, *, own: str) -> RawBatch:
        """Give what is new since the cursor, oldest first; posts of the user `own` are none."""
        state = _state(cursor)
        found: list[tuple[datetime, int, RawEvent]] = []
        following: dict[str, Any] = {}
        for kind in ("posts", "comments"):
            known = state.get(kind, {})
            newest = wire.instant(known.get("newest")) or self._clock.now()
            since = newest - self._look_back
            told: dict[str, str] = {
                str(key): str(value) for key, value in dict(known.get("told", {})).items()
            }
            params: dict[str, str | int] = {
                "after": since.isoformat().replace("+00:00", "Z"),
                "order": "asc",
                "orderby": "date_gmt" if kind == "comments" else "date",
                "_fields": _FIELDS[kind],
            }
            async for row in self._api.pages(f"/{kind}", f"{kind}.list", params):
                at = wire.instant(row.get("date_gmt"))
                if at is None:
                    continue
                native = wire.number(row, "id", f"{kind}.list")
                newest = max(newest, at)
                if native in told:
                    continue
                told[native] = at.isoformat()
                if kind == "posts" and wire.text(row, "author") == own:
                    continue
                payload = json.dumps({"wordpress": kind, "row": row}, ensure_ascii=False).encode()
                found.append((at, int(native), RawEvent(event_id=f"{kind}:{native}", payload=payload)))
            edge = newest - self._look_back - timedelta(hours=1)
            kept = {key: value for key, value in told.items() if (wire.instant(value) or edge) > edge}
            following[kind] = {
                "newest": newest.isoformat(),
                "told": dict(list(kept.items())[-_MOST_IDS:]),
            }
        found.sort(key=lambda entry: entry[:2])
        return RawBatch(events=[event for _, _, event in found], cursor=json.dumps(following))


def _state(cursor: str | None) -> Mapping[str, Any]:
    found = wire.decoded((cursor or "{}").encode())
    return found if found is not None else {}


def parse(raw: RawEvent, *, account: str) -> Parsed:
    """Read one event.

    Raises:
        InvalidInput: it is no event of ours, or lacks what it should have.
    """
    told = wire.decoded(raw.payload)
    if told is None:
        raise InvalidInput("the event is no JSON object")
    kind = str(told.get("wordpress", told.get("type", "")))
    row = told.get("row")
    if kind not in _FIELDS or not isinstance(row, dict):
        return Parsed(kind=kind, known=False)
    make = comment_of if kind == "comments" else _post_interaction
    return Parsed(kind=kind, interactions=[make(row, account=account)])  # pyright: ignore[reportUnknownArgumentType]


def comment_of(row: Mapping[str, Any], *, account: str) -> Interaction:
    """Read a comment.

    Raises:
        InvalidInput: it lacks what every comment has.
    """
    at = wire.instant(row.get("date_gmt"))
    native, post = wire.text(row, "id"), wire.text(row, "post")
    if at is None or not native.isdecimal() or not post.isdecimal():
        raise InvalidInput("a comment of wordpress lacks id, post or date")
    author, parent = wire.text(row, "author"), wire.text(row, "parent")
    name = plain_of(wire.text(row, "author_name"))[:200]
    return Interaction(
        id=f"comment:{native}",
        kind=InteractionKind.COMMENT,
        platform=PLATFORM,
        account=account,
        channel=SITE,
        # guests have no id; the name that they give is all there is
        member=author if author not in {"", "0"} else (f"guest:{name}" if name else ""),
        member_name=name,
        occurred_at=at,
        message=f"comment:{native}",
        parent=f"comment:{parent}" if parent not in {"", "0"} else post,
        thread=post,
        text=plain_of(wire.raw(row, "content")),
    )


def _post_interaction(row: Mapping[str, Any], *, account: str) -> Interaction:
    at = wire.instant(row.get("date_gmt"))
    native = wire.text(row, "id")
    if at is None or not native.isdecimal():
        raise InvalidInput("a post of wordpress lacks id or date")
    title, text = plain_of(wire.raw(row, "title")), plain_of(wire.raw(row, "content"))
    return Interaction(
        id=f"post:{native}",
        kind=InteractionKind.MESSAGE,
        platform=PLATFORM,
        account=account,
        channel=SITE,
        member=wire.text(row, "author"),
        occurred_at=at,
        message=native,
        text=f"{title}\n{text}".strip(),
        attrs={"url": wire.text(row, "link")},
    )
