"""What is to be said, platform-neutral, and its forms on platforms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import AnyHttpUrl, AwareDatetime, Field, JsonValue, model_validator

from shequn_sdk.domain._base import Frozen, Identifier, Name, new_id
from shequn_sdk.domain.refs import ChannelRef

__all__ = [
    "Article",
    "Button",
    "Change",
    "Content",
    "Entity",
    "EntityKind",
    "Link",
    "Media",
    "MediaKind",
    "Piece",
    "Poll",
    "PollResult",
    "Post",
    "Variant",
]


class MediaKind(StrEnum):
    """Form of a file."""

    PHOTO = "photo"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    ANIMATION = "animation"
    DOCUMENT = "document"


class Media(Frozen):
    """A file that goes with content; exactly one of `path`, `url`, `data`, `native_id` says where it is."""

    kind: MediaKind
    path: Path | None = None
    url: AnyHttpUrl | None = None
    data: bytes | None = Field(default=None, repr=False)
    native_id: Identifier | None = None
    """Id of a file that the platform already holds."""
    filename: str = ""
    mime: str = ""
    alt: str = ""
    """Description for those who cannot see it."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(value is not None for value in (self.path, self.url, self.data, self.native_id)) != 1:
            raise ValueError("give exactly one of path, url, data, native_id")
        return self


class Link(Frozen):
    """A link with what its card shows."""

    url: AnyHttpUrl
    title: str = ""
    description: str = ""
    image: Media | None = None


class Poll(Frozen):
    """A question with choices (投票)."""

    question: str = Field(min_length=1)
    choices: tuple[str, ...] = Field(min_length=1)
    multiple: bool = False
    anonymous: bool = False
    duration: timedelta | None = None
    correct: int | None = None
    """Index of the right answer, which makes it a quiz."""
    explanation: str = ""


class Article(Frozen):
    """A long text with a title (文章); `body` is Markdown."""

    title: str = Field(min_length=1)
    body: str
    author: str = ""
    digest: str = ""
    cover: Media | None = None
    url: AnyHttpUrl | None = None
    """Where the whole text can be read."""


class Button(Frozen):
    """A button under a message: either opens `url`, or sends `data` back as an interaction."""

    label: str = Field(min_length=1)
    url: AnyHttpUrl | None = None
    data: str = ""

    @model_validator(mode="after")
    def _one_effect(self) -> Self:
        if (self.url is None) == (not self.data):
            raise ValueError("a button has either a url or data")
        return self


class Content(Frozen):
    """What is to be said, platform-neutral (内容).

    `text` is a Markdown subset: `**bold**`, `*italic*`, `~~strike~~`, code, code blocks, quotes, links, lists.
    """

    id: Identifier = Field(default_factory=new_id)
    text: str = ""
    title: str = ""
    media: tuple[Media, ...] = ()
    link: Link | None = None
    poll: Poll | None = None
    article: Article | None = None
    buttons: tuple[tuple[Button, ...], ...] = ()
    hashtags: tuple[str, ...] = ()
    reply_to: Identifier | None = None
    """Native id of the message that this answers; fits one channel only."""
    silent: bool = False
    """Ask the platform not to ring."""
    category: str = ""
    """Kind of content in the plan: health tips, product, chat … (栏目)."""
    promotional: bool = False
    """Advertises something; the diagnosis watches the share of these (广告)."""
    overrides: Mapping[Name, str] = Field(default_factory=dict)
    """Text to use on a platform (key: platform name) or account instead of `text`."""
    attrs: Mapping[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.text.strip() or self.media or self.poll or self.article or self.link):
            raise ValueError("content is empty: give text, media, a link, a poll or an article")
        return self


class EntityKind(StrEnum):
    """Meaning of a stretch of text."""

    BOLD = "bold"
    ITALIC = "italic"
    UNDERLINE = "underline"
    STRIKE = "strike"
    SPOILER = "spoiler"
    CODE = "code"
    PRE = "pre"
    QUOTE = "quote"
    LINK = "link"
    MENTION = "mention"
    HASHTAG = "hashtag"


class Entity(Frozen):
    """A stretch of text with a meaning; `offset` and `length` count Unicode code points."""

    kind: EntityKind
    offset: int = Field(ge=0)
    length: int = Field(ge=1)
    url: str = ""
    """Target of a link."""
    language: str = ""
    """Language of a code block."""
    member_id: str = ""
    """Native id of the member that a mention names."""


class Piece(Frozen):
    """One message as one platform takes it: one request, one delivery.

    `text` is what is sent, rendered in the platform's markup. Where the platform takes entities beside
    plain text, `entities` holds them and `text` is plain.
    """

    text: str = ""
    entities: tuple[Entity, ...] = ()
    media: tuple[Media, ...] = ()
    poll: Poll | None = None
    article: Article | None = None
    link: Link | None = None
    buttons: tuple[tuple[Button, ...], ...] = ()
    reply_to: Identifier | None = None
    silent: bool = False
    attrs: Mapping[str, JsonValue] = Field(default_factory=dict)


class Change(Frozen):
    """Something that the composer had to change, and why."""

    what: str
    why: str
    field: str = ""


class Variant(Frozen):
    """The form of one content for one platform: its pieces in order (变体)."""

    content_id: Identifier
    platform: Name
    pieces: tuple[Piece, ...]
    changes: tuple[Change, ...] = ()


class Post(Frozen):
    """What landed: one message on one platform (帖子)."""

    channel: ChannelRef
    native_id: Identifier
    """Id of the message on the platform, made unique by the channel."""
    native_ids: tuple[Identifier, ...] = ()
    """All ids, when the platform made several messages of one request (an album)."""
    landed_at: AwareDatetime
    url: str = ""
    text: str = ""
    attrs: Mapping[str, JsonValue] = Field(default_factory=dict)


class PollResult(Frozen):
    """State of a poll as the platform tells it."""

    native_id: Identifier
    votes: tuple[int, ...]
    """Per choice, in the order of the choices."""
    voters: int | None = None
    closed: bool = False
