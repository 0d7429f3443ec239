"""What stands on the sandbox's site."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Attachment", "Category", "Comment", "Old", "SitePost", "User", "gmt"]


@dataclass(slots=True)
class User:
    """Somebody with an account on the site."""

    id: int
    login: str
    name: str
    role: str

    def may(self, right: str) -> bool:
        """Whether the role has a right."""
        rights = {
            "editor": {
                "edit_posts",
                "publish_posts",
                "edit_others_posts",
                "moderate_comments",
                "upload_files",
            },
            "author": {"edit_posts", "publish_posts", "upload_files"},
            "contributor": {"edit_posts"},
        }
        return right in rights.get(self.role, set())


@dataclass(slots=True)
class Old:
    """An earlier state of a post."""

    id: int
    author: int
    at: datetime
    title: str
    content: str
    excerpt: str


@dataclass(slots=True)
class SitePost:
    """A post in any state."""

    id: int
    author: int
    status: str
    title: str
    content: str
    excerpt: str
    slug: str
    date: datetime
    modified: datetime
    categories: list[int]
    featured_media: int = 0
    comment_status: str = "open"
    tags: list[int] = field(default_factory=list[int])
    old: list[Old] = field(default_factory=list[Old])


@dataclass(slots=True)
class Comment:
    """A comment under a post."""

    id: int
    post: int
    parent: int
    author: int
    author_name: str
    content: str
    date: datetime
    status: str = "approved"


@dataclass(slots=True)
class Attachment:
    """A file of the library."""

    id: int
    filename: str
    mime: str
    data: bytes
    at: datetime
    title: str = ""
    alt_text: str = ""
    caption: str = ""


@dataclass(slots=True)
class Category:
    """A category, or a tag."""

    id: int
    name: str
    slug: str
    description: str = ""


def gmt(at: datetime) -> str:
    """Write a time as WordPress does: seconds, in GMT, without a zone."""
    return at.replace(tzinfo=None, microsecond=0).isoformat()
