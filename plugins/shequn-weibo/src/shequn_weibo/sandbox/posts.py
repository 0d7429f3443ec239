"""Posts of the local Weibo: sharing with its rules, timelines with their gaps, counters, short links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice, takewhile
from typing import Any, TypeVar

from shequn_sdk.platforms.manifest import LengthUnit, measure
from shequn_weibo.mid import id_of, mid_of
from shequn_weibo.render import safe_link
from shequn_weibo.sandbox.server import Call, Handler, Limits
from shequn_weibo.sandbox.state import CommentRecord, Refuse, StatusRecord, World

__all__ = ["Posts", "hidden", "page_of"]

_URL = re.compile(r"https?://[0-9A-Za-z\-._~:/?#\[\]@!$&'()*+,;=%]+", re.ASCII)
_TOPIC = re.compile(r"#[^#\n]+#")
_AT = re.compile(r"@([\w-]+)")
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
_WHOLE = 140
"""汉字 up to which timelines show a post whole."""
_LARGEST = 5 * 1024 * 1024

Row = TypeVar("Row", StatusRecord, CommentRecord)


def page_of(call: Call, rows: Iterable[Row], *, default: int, most: int) -> list[Row]:
    """Cut a page out of rows, newest first: `since_id` is exclusive, `max_id` inclusive, then `page` and `count`."""
    since, highest = call.whole("since_id"), call.whole("max_id")
    count = call.whole("count", default, least=1, most=most)
    page = call.whole("page", 1, least=1)
    newer = takewhile(lambda row: row.id > since, rows)
    kept = (row for row in newer if not highest or row.id <= highest)
    cut = islice(kept, (page - 1) * count, page * count)
    return [copy for row in cut for copy in ([row, row] if row.twice else [row])]


def hidden(world: World, call: Call, author: str) -> bool:
    """Whether a row of `author` is left out for this application."""
    return call.level != "commercial" and author != call.uid and not world.users[author].authorised


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    """Cut a long post as timelines do."""
    if measure(row["text"], LengthUnit.HANZI) <= _WHOLE:
        return row
    link = f"http://m.weibo.cn/status/{row['id']}"
    return {**row, "text": f"{row['text'][:_WHOLE]}...全文： {link}", "isLongText": True}


def _listed(key: str, rows: Sequence[Any], total: int) -> dict[str, Any]:
    return {
        key: list(rows),
        "hasvisible": False,
        "previous_cursor": 0,
        "next_cursor": 0,
        "total_number": total,
    }


class Posts:
    """Handlers about posts."""

    def __init__(self, world: World, limits: Limits) -> None:
        self._world = world
        self._limits = limits
        self._late = int(world.option("accept_late", 0))

    def reads(self) -> dict[str, Handler]:
        """Give the handlers made with GET."""
        return {
            "statuses/user_timeline": self.user_timeline,
            "statuses/user_timeline/ids": lambda call: self._only_ids(self.user_timeline(call)),
            "statuses/home_timeline": self.home_timeline,
            "statuses/friends_timeline": self.home_timeline,
            "statuses/mentions": self.mentions,
            "statuses/mentions/ids": lambda call: self._only_ids(self.mentions(call)),
            "statuses/repost_timeline": self.repost_timeline,
            "statuses/show": self.show,
            "statuses/show_batch": self.show_batch,
            "statuses/count": self.count,
            "statuses/querymid": self.querymid,
            "statuses/queryid": self.queryid,
            "statuses/go": self.go,
            "short_url/shorten": self.shorten,
            "short_url/expand": self.expand,
            "emotions": self._emotions,
        }

    def writes(self) -> dict[str, Handler]:
        """Give the handlers made with POST."""
        return {
            "statuses/share": self.share,
            "statuses/repost": self.repost,
            "statuses/destroy": self.destroy,
            "statuses/update": self._closed,
            "statuses/upload": self._closed,
            "statuses/upload_url_text": self._closed,
        }

    def _emotions(self, call: Call) -> list[dict[str, str]]:
        return [{"phrase": "[赞]", "type": "face", "url": "https://img.example.com/zan.gif"}]

    def _closed(self, call: Call) -> Any:
        raise Refuse(10014)

    # writing

    def share(self, call: Call) -> dict[str, Any]:
        """Post, when all rules are kept."""
        world, uid = self._world, call.uid
        text = call.text("status")
        if world.option("require_rip", False):
            call.text("rip")
        assert call.token is not None
        domains = call.token.app.safe_domains
        if not safe_link(text, domains):
            raise Refuse(10017)
        if measure(text, LengthUnit.HANZI) > int(world.option("text_limit", 140)):
            raise Refuse(20012)
        picture = b""
        if "pic" in call.files:
            picture = call.files["pic"][1]
            self._check_picture(picture)
        elif "pic" in call.fields:
            raise Refuse(20007)
        self._limits.admit_write(uid, "statuses/share", 20016)
        key = f"said:{text}"
        if world.recent(uid, key, timedelta(minutes=float(world.option("duplicate_minutes", 10)))):
            raise Refuse(20019)
        world.did(uid, key)
        world.did(uid, "statuses/share")
        status = StatusRecord(
            id=world.new_id(),
            author=uid,
            text=_URL.sub(lambda match: self._short(match[0]), _TOPIC.sub("", text)),
            at=world.now(),
            picture=picture,
            mentions=self._mentioned(text) - {uid},
            by_app=True,
        )
        if self._late > 0:
            self._late -= 1
            status.visible_at = world.now() + timedelta(seconds=float(world.option("late_seconds", 90)))
            world.odd.add(status.id)
            world.add_status(status)
            raise Refuse(20032)
        return world.status_json(world.add_status(status), viewer=uid)

    def _check_picture(self, data: bytes) -> None:
        if not data.startswith(_PICTURES):
            raise Refuse(20005)
        if len(data) >= _LARGEST:
            raise Refuse(20006)

    def _mentioned(self, text: str) -> set[str]:
        names = set(_AT.findall(text))
        return {user.uid for user in self._world.users.values() if user.name in names} if names else set()

    def repost(self, call: Call) -> dict[str, Any]:
        """Share another post."""
        world, uid = self._world, call.uid
        if call.level != "commercial":
            raise Refuse(10014)
        origin = self._status(call)
        text = call.fields.get("status") or "转发微博"
        if measure(text, LengthUnit.HANZI) > 140:
            raise Refuse(20012)
        if world.recent(uid, f"repost:{origin.id}:{text}", timedelta(minutes=10)):
            raise Refuse(20111)
        world.did(uid, f"repost:{origin.id}:{text}")
        made = StatusRecord(
            world.new_id(), uid, text, world.now(), origin=origin.origin or origin.id, by_app=True
        )
        return world.status_json(world.add_status(made), viewer=uid)

    def destroy(self, call: Call) -> dict[str, Any]:
        """Delete one's own post."""
        if call.level != "commercial" and not self._world.option("allow_delete", False):
            raise Refuse(10014)
        status = self._status(call)
        if status.author != call.uid:
            raise Refuse(20102)
        body = self._world.status_json(status, viewer=call.uid)
        status.deleted = True
        self._world.odd.add(status.id)
        return body

    def _status(self, call: Call) -> StatusRecord:
        if not call.fields.get("id"):
            raise Refuse(20109)
        status = self._world.statuses.get(call.whole("id"))
        if status is None or status.deleted:
            raise Refuse(20101)
        return status

    # reading

    def _write_rows(self, call: Call, rows: Sequence[StatusRecord]) -> list[dict[str, Any]]:
        trim = call.fields.get("trim_user") == "1"
        return [_cut(self._world.status_json(row, viewer=call.uid, trim_user=trim)) for row in rows]

    @staticmethod
    def _only_ids(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "statuses": [row["idstr"] for row in body["statuses"]]}

    def user_timeline(self, call: Call) -> dict[str, Any]:
        """Give the own posts: the newest 5 for a normal application."""
        world, uid = self._world, call.uid
        if call.fields.get("uid") and call.fields.get("screen_name"):
            raise Refuse(10017)
        wanted = call.fields.get("uid") or uid
        if call.fields.get("screen_name"):
            wanted = next(
                (user.uid for user in world.users.values() if user.name == call.fields["screen_name"]), ""
            )
        if wanted not in world.users:
            raise Refuse(20003)
        if wanted != uid and call.level != "commercial":
            raise Refuse(10014)
        ids = world.by_author.get(wanted, [])
        rows: Iterable[StatusRecord] = world.visible(ids, world.statuses)
        total = world.count(ids, world.statuses)
        if call.level != "commercial":
            rows = islice(rows, int(world.option("newest", 5)))
        feature = call.fields.get("feature", "0")
        if feature in {"1", "2"}:
            rows = (row for row in rows if (not row.origin if feature == "1" else bool(row.picture)))
        return _listed("statuses", self._write_rows(call, page_of(call, rows, default=20, most=100)), total)

    def home_timeline(self, call: Call) -> dict[str, Any]:
        """Give posts of those whom the user follows, and the own ones."""
        world = self._world
        authors = [user.uid for user in world.users.values() if call.uid in user.followers] + [call.uid]
        ids = sorted(native for author in authors for native in world.by_author.get(author, ()))
        return self._filtered(call, ids, "statuses", default=20, most=100)

    def mentions(self, call: Call) -> dict[str, Any]:
        """Give posts that mention the user."""
        return self._filtered(
            call, self._world.mentioning.get(call.uid, []), "statuses", default=50, most=200
        )

    def repost_timeline(self, call: Call) -> dict[str, Any]:
        """Give the shares of a post."""
        status = self._status(call)
        return self._filtered(call, self._world.reposts.get(status.id, []), "reposts", default=20, most=200)

    def _filtered(self, call: Call, ids: list[int], key: str, *, default: int, most: int) -> dict[str, Any]:
        """Leave out what the application may not see; the total still counts it."""
        world = self._world
        every = world.visible(ids, world.statuses)
        total = world.count(ids, world.statuses)
        by_author = call.fields.get("filter_by_author", "0")
        if by_author in {"1", "2"}:
            followed = by_author == "1"
            every = (row for row in every if (call.uid in world.users[row.author].followers) is followed)
        if call.fields.get("filter_by_type") == "1":
            every = (row for row in every if not row.origin)
        rows = (row for row in every if not hidden(world, call, row.author))
        return _listed(key, self._write_rows(call, page_of(call, rows, default=default, most=most)), total)

    def show(self, call: Call) -> dict[str, Any]:
        """Give one post."""
        status = self._status(call)
        if hidden(self._world, call, status.author):
            raise Refuse(20112)
        return self._world.status_json(status, viewer=call.uid)

    def _ids(self, call: Call, name: str, most: int) -> list[int]:
        given = [part.strip() for part in call.fields.get(name, "").split(",") if part.strip()]
        if not given:
            raise Refuse(20001)
        if len(given) > most:
            raise Refuse(20009)
        if not all(part.isascii() and part.isdigit() for part in given):
            raise Refuse(10017)
        return [int(part) for part in given]

    def show_batch(self, call: Call) -> dict[str, Any]:
        """Give several posts."""
        rows = [
            self._world.statuses[native]
            for native in self._ids(call, "ids", 50)
            if native in self._world.statuses
        ]
        return {"statuses": self._write_rows(call, rows), "total_number": len(rows)}

    def count(self, call: Call) -> list[dict[str, Any]]:
        """Give counters; unknown ids are left out."""
        world = self._world
        as_text = bool(world.option("string_counts", False))
        found: list[dict[str, Any]] = []
        for native in self._ids(call, "ids", 100):
            status = world.statuses.get(native)
            if status is None or status.deleted:
                continue
            counts = {
                "comments": world.count_comments(native),
                "reposts": len(world.reposts.get(native, ())),
                "attitudes": len(status.likes),
            }
            shown = {key: str(value) for key, value in counts.items()} if as_text else counts
            found.append({"id": str(native) if as_text else native, **shown})
        return found

    def querymid(self, call: Call) -> Any:
        """Turn ids into short forms."""
        ids = self._ids(call, "id", 20)
        if call.fields.get("is_batch") == "1":
            return [{str(native): mid_of(native)} for native in ids]
        return {"mid": mid_of(ids[0])}

    def go(self, call: Call) -> str:
        """Give the address of a post's page, to which this leads."""
        uid, native = call.text("uid"), call.text("id")
        if not (native.isascii() and native.isdigit() and len(native) <= 20):
            raise Refuse(10017)
        return f"https://weibo.com/{uid}/{mid_of(native)}"

    def queryid(self, call: Call) -> Any:
        """Turn short forms into ids."""
        mids = [part for part in call.text("mid").split(",") if part]
        try:
            ids = [
                id_of(mid) if call.fields.get("isBase62", "1") == "1" else str(int(mid)) for mid in mids[:20]
            ]
        except ValueError:
            raise Refuse(10017) from None
        if call.fields.get("is_batch") == "1":
            return [{mid: native} for mid, native in zip(mids, ids, strict=False)]
        return {"id": ids[0]}

    # short links

    def _short(self, url: str) -> str:
        if url.startswith("http://t.cn/"):
            return url
        for short, long in self._world.short.items():
            if long == url:
                return short
        short = "http://t.cn/A6" + "".join(self._world.rng.choice(_LETTERS) for _ in range(6))
        self._world.short[short] = url
        return short

    def shorten(self, call: Call) -> dict[str, Any]:
        """Make short links of at most 20 addresses."""
        longs = call.lists.get("url_long", [])
        if not longs:
            raise Refuse(10016)
        if len(longs) > 20:
            raise Refuse(20009)
        return {
            "urls": [
                {"url_short": self._short(url), "url_long": url, "type": 0, "result": True}
                if _URL.fullmatch(url)
                else {"url_short": "", "url_long": url, "type": 0, "result": False}
                for url in longs
            ]
        }

    def expand(self, call: Call) -> dict[str, Any]:
        """Give the addresses behind short links."""
        shorts = call.lists.get("url_short", [])
        if not shorts:
            raise Refuse(10016)
        known = self._world.short
        return {
            "urls": [
                {"url_short": url, "url_long": known.get(url, ""), "type": 0, "result": url in known}
                for url in shorts[:20]
            ]
        }
