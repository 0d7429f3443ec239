"""What is to be said, platform-neutral, and its forms on platforms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import AnyHttpUrl, AwareDatetime, Field, JsonValue, field_validator, model_validator

from shequn_sdk.domain._base import Frozen, Identifier, Name, new_id
from shequn_sdk.domain.refs import ChannelRef

__all__ = [
    "OWN_CLOCK",
    "Article",
    "Button",
    "Change",
    "Content",
    "Entity",
    "EntityKind",
    "Link",
    "Media",
    "MediaKind",
    "Override",
    "Part",
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


Part: TypeAlias = Literal[
    "title", "text", "media", "link", "poll", "article", "buttons", "hashtags", "comments", "reply_to"
]
"""A part of content that an override can leave out."""


class Override(Frozen):
    """What is said otherwise on a platform, by an account or in a channel (改写); None leaves it as it is."""

    text: str | None = None
    title: str | None = None
    media: tuple[Media, ...] | None = None
    link: Link | None = None
    poll: Poll | None = None
    article: Article | None = None
    buttons: tuple[tuple[Button, ...], ...] | None = None
    hashtags: tuple[str, ...] | None = None
    comments: tuple[str, ...] | None = None
    silent: bool | None = None
    drop: frozenset[Part] = frozenset()
    """Parts that are left out there."""


_OVERRIDE_KEY = re.compile(r"^[a-z][a-z0-9_-]{0,62}(:.{1,255})?$")


class Content(Frozen):
    """What is to be said, platform-neutral (内容).

    `text` is a Markdown subset: `**bold**`, `*italic*`, `~~strike~~`, code, code blocks, quotes, links, lists. A link to
    `member:telegram:55,discord:77` mentions a member where the platform knows them, and is a plain name elsewhere.
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
    comments: tuple[str, ...] = ()
    """What follows under the post (首评), Markdown each: as its comment where the platform has comments, as an answer
    to it where messages can be answered, else as a message of its own."""
    reply_to: Identifier | None = None
    """Native id of the message that this answers; fits one channel only."""
    silent: bool = False
    """Ask the platform not to ring."""
    category: str = ""
    """Kind of content in the plan: health tips, product, chat … (栏目)."""
    promotional: bool = False
    """Advertises something; the diagnosis watches the share of these (广告)."""
    overrides: Mapping[str, str | Override] = Field(default_factory=dict)
    """What is said otherwise somewhere. The key is a platform's name, an account's name or a channel as
    `account:native-id`; a mere text stands for an override of the text. Where several apply, the channel's comes
    before the account's, and that before the platform's, part by part."""
    attrs: Mapping[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.text.strip() or self.media or self.poll or self.article or self.link):
            raise ValueError("content is empty: give text, media, a link, a poll or an article")
        return self

    @field_validator("overrides")
    @classmethod
    def _known_keys(cls, value: Mapping[str, str | Override]) -> Mapping[str, str | Override]:
        for key in value:
            if not _OVERRIDE_KEY.fullmatch(key):
                raise ValueError(f"{key!r} names no platform, account or channel (account:native-id)")
        return value

    def for_channel(self, *, platform: str, account: str = "", channel: str = "") -> Content:
        """Give the content as it is said there: the overrides that apply are put in, and no others are left.

        The result may be empty, when an override drops everything.
        """
        if not self.overrides:
            return self
        changed: dict[str, object] = {"overrides": {}}
        for key in (platform, account, f"{account}:{channel}" if channel else ""):
            found = self.overrides.get(key) if key else None
            if isinstance(found, str):
                changed["text"] = found
            elif found is not None:
                for name in Override.model_fields:
                    value = getattr(found, name)
                    if name != "drop" and value is not None:
                        changed[name] = value
                for name in found.drop:
                    changed[name] = Content.model_fields[name].get_default(call_default_factory=True)
        return self.model_copy(update=changed)

    def differs_by_channel(self) -> bool:
        """Whether an override names a single channel."""
        return any(":" in key for key in self.overrides)


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
    follows: Literal["", "comment", "reply"] = ""
    """How it hangs on the first piece: as a comment under it, or as an answer to it. The publisher sees to that, so
    that an adapter gets a comment by `comment` and an answer with `reply_to`."""
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


OWN_CLOCK = "own_clock"
"""Attribute of posts whose `landed_at` is by the clock of this machine."""


class Post(Frozen):
    """What landed: one message on one platform (帖子)."""

    channel: ChannelRef
    native_id: Identifier
    """Id of the message on the platform, made unique by the channel."""
    native_ids: tuple[Identifier, ...] = ()
    """All ids, when the platform made several messages of one request (an album)."""
    landed_at: AwareDatetime
    """By the platform's clock; `attrs` has `own_clock` where it does not tell when."""
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
