"""The site as the runtime and simulated people see it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from shequn_sdk.errors import NotSupported
from shequn_sdk.testing.sandbox import (
    BaseSandbox,
    FaultKind,
    Person,
    SandboxChannel,
    SandboxContext,
    SandboxMessage,
)
from shequn_wordpress.html import plain_of
from shequn_wordpress.sandbox.server import application
from shequn_wordpress.sandbox.state import Attachment, Category, Comment, SitePost, User

__all__ = ["WordPressSandbox"]

_SITE = "posts"


class WordPressSandbox(BaseSandbox):
    """A WordPress on this machine.

    Options: `role` of the account's user (editor, author, contributor), `max_upload` in bytes.
    """

    platform = "wordpress"
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "react": "WordPress has no reactions",
            "share": "nothing is shared inside a site",
            "vote": "WordPress has no polls",
            "press": "posts have no buttons",
            "confirm": "nobody presses send",
        }
    )

    def __init__(self, context: SandboxContext) -> None:
        super().__init__(context)
        self.password = " ".join(f"{context.rng.getrandbits(16):04x}" for _ in range(6))
        self.username = "health_editor"
        self.me = User(1, self.username, "健康编辑", str(context.options.get("role", "editor")))
        self.users: dict[int, User] = {1: self.me}
        self.posts: dict[int, SitePost] = {}
        self.comments: dict[int, Comment] = {}
        self.media: dict[int, Attachment] = {}
        self.categories: dict[int, Category] = {1: Category(1, "未分类", "uncategorized")}
        self.tags: dict[int, Category] = {}
        self.max_upload = int(context.options.get("max_upload", 8 * 1024 * 1024))
        self._number = 10
        self._held: list[Comment] = []
        self._ready = self.new_post(
            self.me, title="欢迎", content="<p>欢迎来到健康养生社。</p>", status="publish"
        )
        self.app: Any = application(self)

    # what the runtime asks

    def describe(self) -> dict[str, Any]:
        """Give what a client needs."""
        return {
            "base_url": self.context.base_url,
            "secrets": {"application_password": self.password},
            "options": {"username": self.username},
            "channels": [_SITE],
            "members": [],
        }

    def operation(self, method: str, path: str) -> str:
        """Name the operation of a request for fault rules."""
        if method in {"GET", "HEAD"}:
            return "read"
        if path.endswith("/posts"):
            return "publish"
        return "upload" if path.endswith("/media") else "delete" if method == "DELETE" else "edit"

    def rate_limited(self, retry_after: float) -> tuple[int, Mapping[str, str], bytes]:
        """Give what hosts answer to too many requests: WordPress itself has no such answer."""
        headers = {"retry-after": f"{retry_after:g}", "content-type": "text/html"}
        return 429, headers, b"<html><h1>429 Too Many Requests</h1></html>"

    def channels(self) -> Sequence[SandboxChannel]:
        """Give the site and its categories."""
        return [
            SandboxChannel(_SITE, "posts", kind="site"),
            *(
                SandboxChannel(f"category:{one.id}", one.name, kind="category")
                for one in self.categories.values()
            ),
        ]

    def messages(self, channel: str, *, limit: int = 50) -> Sequence[SandboxMessage]:
        """Give the newest posts, newest first; those in the bin are not there."""
        wanted = None if channel == _SITE else int(channel.removeprefix("category:"))
        found = [
            post
            for post in reversed(self.posts.values())
            if post.status != "trash" and (wanted is None or wanted in post.categories)
        ]
        return [
            SandboxMessage(
                channel=channel,
                native_id=str(post.id),
                author_id=str(post.author),
                author_name=self.users[post.author].name,
                by_account=post.author == self.me.id,
                text=f"{post.content}" if post.content else post.title,
                at=post.date,
                attachments=int(post.featured_media > 0),
            )
            for post in found[:limit]
        ]

    # what people do

    def create_channel(self, title: str, *, kind: str = "category") -> str:
        """Make a category."""
        number = self.next_id()
        self.categories[number] = Category(number, title, f"c-{number}")
        return f"category:{number}"

    def join(self, channel: str, person: Person, *, invite: str = "") -> None:
        """Let a person register."""
        self.user(person)

    def leave(self, channel: str, person: Person) -> None:
        """Let a person's account be removed; what they wrote stays."""

    def user(self, person: Person) -> User:
        """Give the account of a person."""
        native = int(self.member_id(person))
        return self.users.setdefault(native, User(native, f"u{native}", person.name, "subscriber"))

    def say(self, channel: str, person: Person, text: str, *, reply_to: str = "") -> str:
        """Let a person comment: under the post or below the comment that is named, else under the welcome."""
        parent = 0
        if reply_to.startswith("comment:"):
            parent = int(reply_to.removeprefix("comment:"))
            post = self.comments[parent].post
        else:
            post = int(reply_to) if reply_to else self._ready.id
        author = self.user(person)
        made = Comment(self.next_id(), post, parent, author.id, author.name, text, self.now())
        fault = self.context.faults.for_event(self.platform)
        if fault is not None and fault.kind is FaultKind.LATE_EVENT:
            made.status = "hold"  # waits for moderation
            self._held.append(made)
            self.comments[made.id] = made
            return f"comment:{made.id}"
        for held in self._held:
            held.status = "approved"
        self._held.clear()
        self.comments[made.id] = made
        return f"comment:{made.id}"

    def write(self, person: Person, title: str, content: str) -> str:
        """Let another author publish a post; gives its id."""
        author = self.user(person)
        return str(self.new_post(author, title=title, content=content, status="publish").id)

    # what both use

    def next_id(self) -> int:
        """Give a number that nothing has yet."""
        self._number += 1
        return self._number

    def new_post(self, author: User, **fields: Any) -> SitePost:
        """Put a post on the site."""
        now = self.now()
        number = self.next_id()
        post = SitePost(
            id=number,
            author=author.id,
            status=fields.get("status", "draft"),
            title=fields.get("title", ""),
            content=fields.get("content", ""),
            excerpt=fields.get("excerpt", ""),
            slug=self.free_slug(fields["slug"]) if fields.get("slug") else "",
            date=fields.get("date") or now,
            modified=now,
            categories=fields.get("categories") or [1],
            featured_media=fields.get("featured_media", 0),
            comment_status=fields.get("comment_status", "open"),
            tags=fields.get("tags") or [],
        )
        self.give_slug(post)
        self.posts[number] = post
        return post

    def give_slug(self, post: SitePost) -> None:
        """Give an address of the title to a post that has none; drafts and what waits for review need none yet."""
        if not post.slug and post.status not in {"draft", "pending"}:
            post.slug = self.free_slug("-".join(plain_of(post.title).lower().split()) or str(post.id))

    def free_slug(self, wanted: str) -> str:
        """Give an address that no post has: WordPress counts up."""
        taken = {post.slug for post in self.posts.values()}
        found, number = wanted, 2
        while found in taken:
            found, number = f"{wanted}-{number}", number + 1
        return found

    def publish_due(self) -> None:
        """Publish what was scheduled, as WordPress does when somebody looks."""
        for post in self.posts.values():
            if post.status == "future" and post.date <= self.now():
                post.status = "publish"
                self.give_slug(post)

    def named(self, header: str) -> bool:
        """Whether an Authorization header names a user there is."""
        try:
            user = base64.b64decode(header.partition(" ")[2]).decode().partition(":")[0]
        except ValueError:
            return False
        return user == self.username

    def allowed(self, header: str) -> bool:
        """Whether an Authorization header names the account's user; spaces in the password do not count."""
        kind, _, token = header.partition(" ")
        try:
            user, _, password = base64.b64decode(token).decode().partition(":")
        except ValueError:
            return False
        same = password.replace(" ", "") == self.password.replace(" ", "")
        return kind.lower() == "basic" and user == self.username and same

    def close_comments(self, post: str) -> None:
        """Let nobody comment on a post any more."""
        self.posts[int(post)].comment_status = "closed"

    def at(self, post: str) -> datetime:
        """Give when a post is, or will be, published.

        Raises:
            NotSupported: there is no such post.
        """
        if int(post) not in self.posts:
            raise NotSupported(f"the sandbox has no post {post}", platform=self.platform, capability="at")
        return self.posts[int(post)].date
