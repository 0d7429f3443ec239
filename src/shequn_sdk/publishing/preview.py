"""Shows what a content becomes before anything is sent: the messages, what was changed and why, and what stands against it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from shequn_sdk.domain import Change, ChannelRef, Content, Entity, Frozen, Name, Piece
from shequn_sdk.errors import ConfigError, InvalidInput, NotSupported
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.compose import compose
from shequn_sdk.publishing.markdown import parse_markdown
from shequn_sdk.publishing.media import ready
from shequn_sdk.publishing.render import URL

__all__ = ["Explanation", "Preview", "Problem", "Shown", "Verdict", "look", "parse_channels"]


class Problem(Frozen):
    """Something for which a content cannot be sent to a channel as it is."""

    what: str
    """What is wrong, and what to do."""
    kind: str
    """Name of the error that publishing would meet."""


class Shown(Frozen):
    """Text as people will see it: formatting beside it, not written into it."""

    text: str = ""
    entities: tuple[Entity, ...] = ()


class Verdict(Frozen):
    """Whether a content can be sent to a channel (检查)."""

    channel: ChannelRef
    platform: Name
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing stands against it."""
        return not self.problems


class Explanation(Frozen):
    """What is changed about a content for a channel, and why (说明)."""

    channel: ChannelRef
    platform: Name
    messages: int
    """How many messages it becomes."""
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """Each change as a sentence for people."""
        return tuple(f"{one.what}: {one.why}" for one in self.changes)


class Preview(Frozen):
    """How a content will look in a channel (预览)."""

    channel: ChannelRef
    platform: Name
    title: str
    """The platform's name for people, with its mode."""
    pieces: tuple[Piece, ...] = ()
    """The messages as they are sent, pictures converted."""
    shown: tuple[Shown, ...] = Field(default=(), repr=False)
    """The text of each message as people see it."""
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it can be sent."""
        return not self.problems

    @property
    def text(self) -> str:
        """The messages as plain text, with what goes beside the text in brackets."""
        parts: list[str] = []
        for piece, shown in zip(self.pieces, self.shown, strict=True):
            lines = [f"[{one.kind}: {_label(one)}]" for one in piece.media]
            lines += [shown.text] if shown.text else []
            if piece.link is not None:
                lines.append(f"[link: {piece.link.title or piece.link.url}]")
            if piece.poll is not None:
                lines += [piece.poll.question, *(f"○ {choice}" for choice in piece.poll.choices)]
            if piece.article is not None:
                lines.append(f"[article: {piece.article.title}]")
            lines += [" ".join(f"[{button.label}]" for button in row) for row in piece.buttons]
            head = {"comment": "↳ comment: ", "reply": "↳ answer: "}.get(piece.follows, "")
            parts.append(head + "\n".join(lines))
        return "\n\n———\n\n".join(parts)

    def html(self, *, language: str = "zh") -> str:
        """Give a whole page with this preview alone; see `previews_html` for several."""
        from shequn_sdk.publishing.preview_page import previews_html  # noqa: PLC0415 - only when a page is wanted

        return previews_html([self], language=language)

    def png(self, *, width: int = 420) -> bytes:
        """Draw it as a PNG picture, `width` points wide at double resolution.

        Raises:
            ConfigError: the extra `media` is not installed.
            MissingGlyphs: no font at hand draws a letter of it.
        """
        from shequn_sdk.publishing.preview_picture import preview_png  # noqa: PLC0415 - loads Pillow

        return preview_png(self, width=width)


def _label(media: object) -> str:
    name = getattr(media, "filename", "") or getattr(media, "alt", "")
    path = getattr(media, "path", None)
    return name or (path.name if isinstance(path, Path) else "") or str(getattr(media, "url", None) or "file")


def parse_channels(accounts: AccountBook, to: Sequence[ChannelRef | str]) -> list[ChannelRef]:
    """Read channels, each once.

    Raises:
        InvalidInput: malformed, or none.
        UnknownName: an account does not exist.
    """
    if isinstance(to, str):
        raise InvalidInput("`to` is a list of channels, not one text")
    refs = list(dict.fromkeys(ChannelRef.parse(one) for one in to))
    if not refs:
        raise InvalidInput("nowhere to look at: give at least one channel")
    for ref in refs:
        accounts.platform(ref.account)
    return refs


async def look(content: Content, accounts: AccountBook, to: Sequence[ChannelRef | str]) -> list[Preview]:
    """Give what `content` becomes in each channel; reads the files it names and sends nothing.

    What cannot be sent has problems instead of an exception, so that one channel hides no other.

    Raises:
        InvalidInput: a channel is malformed, or there is none.
        UnknownName: an account does not exist.
    """
    return [await _look(content, accounts.manifest(ref.account), ref) for ref in parse_channels(accounts, to)]


async def _look(content: Content, manifest: Manifest, ref: ChannelRef) -> Preview:
    title = manifest.title or manifest.platform
    try:
        variant = compose(content, manifest, account=ref.account, channel=ref.native_id)
    except (NotSupported, InvalidInput) as error:
        return Preview(channel=ref, platform=manifest.platform, title=title, problems=(_problem(error),))
    changes, problems = list(variant.changes), list(_missing_link(variant.pieces, manifest))
    pieces: list[Piece] = []
    for piece in variant.pieces:
        kept = piece
        try:
            kept, more = await ready(piece, manifest)
            changes += more
        except (InvalidInput, ConfigError) as error:
            problems.append(_problem(error))
        pieces.append(kept)
    return Preview(
        channel=ref,
        platform=manifest.platform,
        title=title,
        pieces=tuple(pieces),
        shown=tuple(_shown(piece, manifest) for piece in pieces),
        changes=tuple(changes),
        problems=tuple(problems),
    )


def _problem(error: Exception) -> Problem:
    return Problem(what=" ".join(str(error).split()), kind=type(error).__name__)


def _missing_link(pieces: Sequence[Piece], manifest: Manifest) -> Sequence[Problem]:
    if not manifest.limits.link_required_domain:
        return ()
    posts = [piece for piece in pieces if piece.follows != "comment"]
    if all(URL.search(piece.text) for piece in posts):
        return ()
    return (
        Problem(
            what=f"{manifest.platform} takes no post without a link under the account's safe domain; add one",
            kind="InvalidContent",
        ),
    )


def _shown(piece: Piece, manifest: Manifest) -> Shown:
    """Read what was written for the platform back into text with formatting."""
    if piece.entities or manifest.markup.entities or not manifest.markup.marks:
        return Shown(text=piece.text, entities=piece.entities)
    rich = parse_markdown(piece.text)
    return Shown(text=rich.text, entities=tuple(one.entity() for one in rich.entities))
