"""Comments, users, friendships and account calls of the local Weibo."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from shequn_sdk.platforms.manifest import LengthUnit, measure
from shequn_weibo.sandbox.posts import page_of
from shequn_weibo.sandbox.server import Call, Handler, Limits
from shequn_weibo.sandbox.state import CommentRecord, Refuse, StatusRecord, UserRecord, World

__all__ = ["Comments", "People"]


class Comments:
    """Handlers about comments."""

    def __init__(self, world: World, limits: Limits) -> None:
        self._world = world
        self._limits = limits

    def reads(self) -> dict[str, Handler]:
        """Give the handlers made with GET."""
        return {
            "comments/show": self.show,
            "comments/to_me": lambda call: self._list(call, self._world.comments_to.get(call.uid, [])),
            "comments/by_me": lambda call: self._list(call, self._world.comments_by.get(call.uid, [])),
            "comments/timeline": lambda call: self._list(
                call,
                sorted(
                    {*self._world.comments_to.get(call.uid, []), *self._world.comments_by.get(call.uid, [])}
                ),
            ),
            "comments/mentions": lambda call: self._list(
                call, self._world.comments_mentioning.get(call.uid, [])
            ),
            "comments/show_batch": self.show_batch,
        }

    def writes(self) -> dict[str, Handler]:
        """Give the handlers made with POST."""
        return {
            "comments/create": self.create,
            "comments/reply": self.reply,
            "comments/destroy": self.destroy,
            "comments/destroy_batch": self.destroy_batch,
        }

    def _list(self, call: Call, ids: list[int]) -> dict[str, Any]:
        rows: Iterator[CommentRecord] = self._world.visible(ids, self._world.comments)
        page = page_of(call, rows, default=50, most=200)
        return {
            "comments": [self._world.comment_json(row, viewer=call.uid) for row in page],
            "hasvisible": False,
            "previous_cursor": 0,
            "next_cursor": 0,
            # with phantom rows it counts what is hidden, as Weibo's does
            "total_number": self._world.count(ids, self._world.comments)
            + int(self._world.option("phantom_rows", 0)),
        }

    def _status(self, call: Call) -> StatusRecord:
        if not call.fields.get("id"):
            raise Refuse(20109)
        status = self._world.statuses.get(call.whole("id"))
        if status is None or status.deleted:
            raise Refuse(20101)
        return status

    def _comment(self, call: Call) -> CommentRecord:
        if not call.fields.get("cid"):
            raise Refuse(20204)
        comment = self._world.comments.get(call.whole("cid"))
        if comment is None:
            raise Refuse(20201)
        return comment

    def show(self, call: Call) -> dict[str, Any]:
        """Give the comments under a post, newest first."""
        return self._list(call, self._world.under.get(self._status(call).id, []))

    def show_batch(self, call: Call) -> list[dict[str, Any]]:
        """Give several comments."""
        given = [part for part in call.text("cids").split(",") if part.isascii() and part.isdigit()]
        if len(given) > 50:
            raise Refuse(20009)
        found = [self._world.comments[int(part)] for part in given if int(part) in self._world.comments]
        return [self._world.comment_json(row, viewer=call.uid) for row in found]

    def create(self, call: Call) -> dict[str, Any]:
        """Comment on a post."""
        return self._write(call, self._status(call), call.text("comment"), 0)

    def reply(self, call: Call) -> dict[str, Any]:
        """Answer a comment."""
        status, answered = self._status(call), self._comment(call)
        if answered.status != status.id:
            raise Refuse(20201)
        text = call.text("comment")
        if call.fields.get("without_mention", "0") != "1":
            text = f"回复@{self._world.users[answered.author].name}:{text}"
        return self._write(call, status, text, answered.id)

    def _write(self, call: Call, status: StatusRecord, text: str, answers: int) -> dict[str, Any]:
        world, uid = self._world, call.uid
        if measure(call.fields["comment"], LengthUnit.HANZI) > 140:
            raise Refuse(20012)
        self._limits.admit_write(uid, "comments/create", 10024)
        key = f"comment:{status.id}:{answers}:{text}"
        if world.recent(uid, key, timedelta(minutes=1)):
            raise Refuse(20019)
        world.did(uid, key)
        world.did(uid, "comments/create")
        made = CommentRecord(world.new_id(), status.id, uid, text, world.now(), answers=answers, by_app=True)
        return world.comment_json(world.add_comment(made), viewer=uid)

    def _remove(self, call: Call, comment: CommentRecord) -> dict[str, Any]:
        owner = self._world.statuses[comment.status].author
        if call.uid not in {comment.author, owner}:
            raise Refuse(20203)
        body = self._world.comment_json(comment, viewer=call.uid)
        self._world.remove_comment(comment)
        return body

    def destroy(self, call: Call) -> dict[str, Any]:
        """Delete a comment."""
        return self._remove(call, self._comment(call))

    def destroy_batch(self, call: Call) -> list[dict[str, Any]]:
        """Delete at most 20 comments."""
        given = [part for part in call.text("cids").split(",") if part.isascii() and part.isdigit()]
        if len(given) > 20:
            raise Refuse(20009)
        found = [self._world.comments[int(part)] for part in given if int(part) in self._world.comments]
        return [self._remove(call, row) for row in found]


class People:
    """Handlers about users, friendships, the account, and unread counters."""

    def __init__(self, world: World, limits: Limits) -> None:
        self._world = world
        self._limits = limits

    def reads(self) -> dict[str, Handler]:
        """Give the handlers made with GET."""
        return {
            "users/show": self.show,
            "users/domain_show": self.domain_show,
            "users/counts": self.counts,
            "friendships/followers": lambda call: self._page(call, self._followers(call)),
            "friendships/followers/ids": lambda call: self._id_page(call, self._followers(call)),
            "friendships/friends": lambda call: self._page(call, self._friends(call)),
            "friendships/friends/ids": lambda call: self._id_page(call, self._friends(call)),
            "friendships/show": self.friendship,
            "account/get_uid": lambda call: {"uid": int(call.uid)},
            "account/rate_limit_status": self._limits.status,
            "remind/unread_count": self.unread,
        }

    def writes(self) -> dict[str, Handler]:
        """Give the handlers made with POST."""
        return {
            "friendships/create": self.follow,
            "friendships/destroy": self.unfollow,
            "remind/set_count": self.set_count,
        }

    def _named(self, call: Call, uid: str = "uid", name: str = "screen_name") -> UserRecord:
        given, called = call.fields.get(uid, ""), call.fields.get(name, "")
        if bool(given) == bool(called):
            raise Refuse(10017 if given else 20002)
        if given:
            found = self._world.users.get(given)
        else:
            found = next((user for user in self._world.users.values() if user.name == called), None)
        if found is None:
            raise Refuse(20003)
        return found

    def show(self, call: Call) -> dict[str, Any]:
        """Give a user: the authorised one, or one who authorised the application."""
        user = self._named(call)
        if call.level != "commercial" and user.uid != call.uid and not user.authorised:
            raise Refuse(10014)
        body = self._world.user_json(user.uid, viewer=call.uid)
        newest = next(
            self._world.visible(self._world.by_author.get(user.uid, []), self._world.statuses), None
        )
        if newest is not None:
            body["status"] = self._world.status_json(newest, trim_user=True)
        return body

    def domain_show(self, call: Call) -> dict[str, Any]:
        """Find nobody: no user here has a short address (个性域名)."""
        call.text("domain")
        raise Refuse(20003)

    def counts(self, call: Call) -> list[dict[str, Any]]:
        """Give counters of users."""
        given = [part.strip() for part in call.fields.get("uids", "").split(",") if part.strip()]
        if not given:
            raise Refuse(20002)
        if len(given) > 100:
            raise Refuse(20009)
        as_text = bool(self._world.option("string_counts", False))
        found: list[dict[str, Any]] = []
        for uid in given:
            if uid not in self._world.users:
                continue
            body = self._world.user_json(uid)
            shown = {
                "id": body["id"],
                "followers_count": body["followers_count"],
                "friends_count": body["friends_count"],
                "statuses_count": body["statuses_count"],
                "private_friends_count": 0,
            }
            found.append({key: str(value) for key, value in shown.items()} if as_text else shown)
        return found

    def _whose(self, call: Call) -> UserRecord:
        if not call.fields.get("uid") and not call.fields.get("screen_name"):
            return self._world.users[call.uid]
        user = self._named(call)
        if user.uid != call.uid and call.level != "commercial":
            raise Refuse(10014)
        return user

    def _followers(self, call: Call) -> list[str]:
        return list(reversed(self._whose(call).followers))

    def _friends(self, call: Call) -> list[str]:
        whose = self._whose(call).uid
        return [user.uid for user in self._world.users.values() if whose in user.followers]

    def _cut(self, call: Call, uids: list[str]) -> tuple[list[str], dict[str, int]]:
        most = 200 if call.level == "commercial" else 5
        count = call.whole("count", 50 if call.level == "commercial" else 5, least=1, most=most)
        start = call.whole("cursor")
        seen = [uid for uid in uids if call.level == "commercial" or self._world.users[uid].authorised]
        end = start + count
        cursors = {
            "next_cursor": end if end < len(seen) else 0,
            "previous_cursor": max(0, start - count),
            "total_number": len(uids),
        }
        return seen[start:end], cursors

    def _page(self, call: Call, uids: list[str]) -> dict[str, Any]:
        cut, cursors = self._cut(call, uids)
        return {"users": [self._world.user_json(uid, viewer=call.uid) for uid in cut], **cursors}

    def _id_page(self, call: Call, uids: list[str]) -> dict[str, Any]:
        cut, cursors = self._cut(call, uids)
        return {"ids": [int(uid) for uid in cut], **cursors}

    def friendship(self, call: Call) -> dict[str, Any]:
        """Say who of two follows whom."""
        if call.fields.get("source_id") or call.fields.get("source_screen_name"):
            source = self._named(call, "source_id", "source_screen_name")
        else:
            source = self._world.users[call.uid]
        target = self._named(call, "target_id", "target_screen_name")

        def side(one: UserRecord, other: UserRecord) -> dict[str, Any]:
            return {
                "id": int(one.uid),
                "screen_name": one.name,
                "followed_by": other.uid in one.followers,
                "following": one.uid in other.followers,
                "notifications_enabled": False,
            }

        return {"target": side(target, source), "source": side(source, target)}

    def follow(self, call: Call) -> dict[str, Any]:
        """Follow a user."""
        if not call.fields.get("uid") and not call.fields.get("screen_name"):
            raise Refuse(20502)
        user = self._named(call)
        if user.uid == call.uid:
            raise Refuse(20504)
        if not self._world.follow(user, call.uid):
            raise Refuse(20506)
        return self._world.user_json(user.uid, viewer=call.uid)

    def unfollow(self, call: Call) -> dict[str, Any]:
        """Follow a user no longer."""
        user = self._named(call)
        self._world.unfollow(user, call.uid)
        return self._world.user_json(user.uid, viewer=call.uid)

    def unread(self, call: Call) -> dict[str, int]:
        """Give the unread counters; not limited."""
        world, uid = self._world, call.uid
        if call.fields.get("uid", uid) != uid:
            raise Refuse(10017)
        user = world.users[uid]

        def newer(kind: str, ids: list[int], rows: dict[int, Any]) -> int:
            return world.count(ids, rows, above=user.reset.get(kind, 0))

        return {
            "status": 0,
            "follower": user.new_followers,
            "cmt": newer("cmt", world.comments_to.get(uid, []), world.comments),
            "dm": user.reset.get("dms", 0),
            "mention_status": newer("mention_status", world.mentioning.get(uid, []), world.statuses),
            "mention_cmt": newer("mention_cmt", world.comments_mentioning.get(uid, []), world.comments),
            "group": 0,
            "private_group": 0,
            "notice": 0,
            "invite": 0,
            "badge": 0,
            "photo": 0,
            "msgbox": 0,
        }

    def set_count(self, call: Call) -> dict[str, bool]:
        """Set an unread counter back."""
        kind = call.text("type")
        user = self._world.users[call.uid]
        if kind == "follower":
            user.new_followers = 0
        elif kind == "dm":
            user.reset["dms"] = 0
        elif kind in {"cmt", "mention_status", "mention_cmt"}:
            user.reset[kind] = self._world.new_id()
        else:
            raise Refuse(10017)
        return {"result": True}
