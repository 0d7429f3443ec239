"""Fits content to a platform: the pieces that its manifest allows, and what had to change."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from shequn_sdk.domain import (
    Button,
    Change,
    Content,
    EntityKind,
    Media,
    MediaKind,
    Piece,
    Poll,
    Variant,
)
from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.platforms.manifest import Capability, Manifest, TextLimit
from shequn_sdk.publishing.layout import Layout, limit_words
from shequn_sdk.publishing.markdown import MEMBER, RichText, Span, parse_markdown
from shequn_sdk.publishing.pictures import sniff
from shequn_sdk.publishing.render import lost_kinds, without

__all__ = ["compose"]

_MEDIA: dict[MediaKind, tuple[Capability, ...]] = {
    MediaKind.PHOTO: (Capability.PUBLISH_PHOTO,),
    MediaKind.VIDEO: (Capability.PUBLISH_VIDEO,),
    MediaKind.AUDIO: (Capability.PUBLISH_AUDIO,),
    MediaKind.VOICE: (Capability.PUBLISH_AUDIO,),
    MediaKind.ANIMATION: (Capability.PUBLISH_VIDEO, Capability.PUBLISH_PHOTO),
    MediaKind.DOCUMENT: (Capability.PUBLISH_DOCUMENT,),
}
_NOT_IN_TAG = regex.compile(r"[^\w]+")
_GRAPHEME = regex.compile(r"\X")


def compose(content: Content, manifest: Manifest, *, account: str = "", channel: str = "") -> Variant:
    """Give the form of `content` for one account: pure, the same for the same arguments.

    Formatting is written by `manifest.markup`, length is measured on what is written. What the platform cannot do is
    replaced where that makes sense (a poll by numbered choices, buttons by links), and each such change is listed.
    Files are not opened here: `shequn_sdk.publishing.media` checks and converts them.

    Args:
        content: what is to be said.
        manifest: what the account can do.
        account: its name, for overrides.
        channel: native id of the channel, for overrides that name one.

    Raises:
        NotSupported: nothing of the content can be published by this account.
        InvalidInput: a part breaks a limit and cannot be split or replaced.
    """
    content = content.for_channel(platform=manifest.platform, account=account, channel=channel)
    return _Composer(content, manifest).run()


class _Composer:
    def __init__(self, content: Content, manifest: Manifest) -> None:
        self.content = content
        self.manifest = manifest
        self.limits = manifest.limits
        changes: list[Change] = []

        def change(field: str, what: str, why: str) -> None:
            changes.append(Change(what=what, why=why, field=field))

        # Not methods: the layout would hold this object, and thousands of circles keep the collector busy.
        self.changes = changes
        self.change = change
        self.layout = Layout(manifest, change)

    def can(self, capability: Capability) -> bool:
        return capability in self.manifest.capabilities

    def run(self) -> Variant:
        content, manifest = self.content, self.manifest
        rich = self.text()
        media = self.media() if content.media else []
        poll = content.poll
        if poll is not None:
            poll, rich = self.poll(poll, rich)
        if content.article is not None:
            rich = self.article_as_text(rich)
        card = False
        if content.link is not None or content.media:
            card, rich = self.link(rich)
        rows: tuple[tuple[Button, ...], ...] = ()
        if content.buttons:
            rows, rich = self.buttons(rich, media)
        if content.hashtags:
            rich = self.hashtags(rich)
        if rich.entities:
            lost = lost_kinds(rich, manifest.markup)
            if lost:
                kinds = ", ".join(sorted(lost))
                self.change("text", f"formatting left out: {kinds}", f"{manifest.platform} cannot show it")
                rich = without(rich, lost)
        alone = content.poll is None and content.article is None
        pieces = self.layout.pieces(rich, media, content.link if card else None, alone=alone)
        if content.article is not None and self.can(Capability.PUBLISH_ARTICLE):
            pieces.append(Piece(article=content.article))
        if poll is not None:
            pieces.append(Piece(poll=poll))
        if not pieces:
            raise NotSupported(
                manifest.explain(self._first_need()),
                platform=manifest.platform,
                capability=str(self._first_need()),
            )
        pieces = self.finish(pieces, rows)
        if content.comments:
            pieces += self.comments()
        return Variant(
            content_id=content.id,
            platform=manifest.platform,
            pieces=tuple(pieces),
            changes=tuple(self.changes),
        )

    def _first_need(self) -> Capability:
        if self.content.media:
            return _MEDIA[self.content.media[0].kind][0]
        return Capability.PUBLISH_POLL if self.content.poll is not None else Capability.PUBLISH_TEXT

    # parts of the content

    def text(self) -> RichText:
        content = self.content
        rich = self.marked(content.text)
        if content.title and content.article is None:
            rich = RichText.marked(content.title.strip(), EntityKind.BOLD).then(rich)
        return rich

    def marked(self, text: str) -> RichText:
        """Read Markdown; mentions become those that the platform knows."""
        rich = parse_markdown(text)
        if MEMBER not in text or not any(one.url.startswith(MEMBER) for one in rich.entities):
            return rich
        kept: list[Span] = []
        for entity in rich.entities:
            if not entity.url.startswith(MEMBER):
                kept.append(entity)
                continue
            name = rich.text[entity.offset : entity.offset + entity.length]
            member = _member_on(self.manifest.platform, entity.url)
            if member and self.can(Capability.MENTION):
                kept.append(Span(EntityKind.MENTION, entity.offset, entity.length, member_id=member))
            else:
                why = (
                    self.manifest.explain(Capability.MENTION)
                    if member
                    else f"no id of theirs on {self.manifest.platform} is given"
                )
                self.change("text", f"{name} is named, not mentioned", why)
        return RichText(rich.text, tuple(kept))

    def media(self) -> list[Media]:
        kept: list[Media] = []
        for one in self.content.media:
            able = [need for need in _MEDIA[one.kind] if self.can(need)] if self.limits.media_per_post else []
            if able:
                self._check_media(one)
                kept.append(self._described(one))
                continue
            name = one.filename or one.alt or str(one.kind)
            why = self.manifest.explain(_MEDIA[one.kind][0])
            self.change("media", f"{name} replaced by its link" if one.url else f"{name} left out", why)
        return kept

    def _check_media(self, one: Media) -> None:
        if one.kind is MediaKind.PHOTO and one.data is not None and sniff(one.data).startswith("image/"):
            return  # a picture can be made smaller or written in another format
        most = self.limits.media_bytes.get(one.kind)
        if most is not None and one.data is not None and len(one.data) > most:
            raise InvalidInput(
                f"{one.filename or one.kind} has {len(one.data)} bytes, {self.manifest.platform} takes {most}; "
                "make it smaller"
            )
        taken = self.limits.media_mime.get(one.kind)
        if one.kind is not MediaKind.PHOTO and taken and one.mime and one.mime not in taken:
            raise InvalidInput(
                f"{self.manifest.platform} takes no {one.mime} as {one.kind}: use {', '.join(sorted(taken))}"
            )

    def _described(self, one: Media) -> Media:
        """Fit the description for those who cannot see the file."""
        if not one.alt:
            return one
        limit = self.limits.alt_text
        if limit is None:
            self.change("media", "description left out", f"{self.manifest.platform} shows none with a file")
            return one
        if limit.fits(one.alt):
            return one
        ends = [found.end() for found in _GRAPHEME.finditer(one.alt)]
        while ends and not limit.fits(one.alt[: ends[-1]] + "…"):
            ends.pop()
        self.change("media", "description shortened", f"longer than {limit_words(limit)}")
        return one.model_copy(update={"alt": one.alt[: ends[-1] if ends else 0] + "…"})

    def poll(self, poll: Poll, rich: RichText) -> tuple[Poll | None, RichText]:
        why = self._why_no_poll(poll)
        if why:
            self.change("poll", "poll replaced by numbered choices", why)
            lines = "\n".join(f"{number}. {choice}" for number, choice in enumerate(poll.choices, 1))
            as_text = RichText.marked(poll.question, EntityKind.BOLD).then(RichText(lines), "\n")
            return None, rich.then(as_text)
        if poll.duration is not None and self.limits.poll_duration is not None:
            least, most = self.limits.poll_duration
            fitted = min(max(poll.duration, least), most)
            if fitted != poll.duration:
                self.change("poll", f"poll runs {fitted}", f"allowed are {least} to {most}")
                poll = poll.model_copy(update={"duration": fitted})
        return poll, rich

    def _why_no_poll(self, poll: Poll) -> str:
        if not self.can(Capability.PUBLISH_POLL):
            return self.manifest.explain(Capability.PUBLISH_POLL)
        least, most = self.limits.poll_choices
        if not least <= len(poll.choices) <= most:
            return f"{len(poll.choices)} choices, allowed are {least} to {most}"
        if self.limits.poll_question is not None and not self.limits.poll_question.fits(poll.question):
            return f"the question is longer than {limit_words(self.limits.poll_question)}"
        longest = self.limits.poll_choice
        if longest is not None and not all(longest.fits(choice) for choice in poll.choices):
            return f"a choice is longer than {limit_words(longest)}"
        return ""

    def article_as_text(self, rich: RichText) -> RichText:
        article = self.content.article
        if article is None:
            return rich
        if self.can(Capability.PUBLISH_ARTICLE):
            limits: tuple[tuple[TextLimit | None, str, str], ...] = (
                (self.limits.article_title, article.title, "title"),
                (self.limits.article_body, article.body, "body"),
            )
            for limit, value, name in limits:
                if limit is not None and not limit.fits(value):
                    raise InvalidInput(
                        f"the article's {name} is longer than {limit_words(limit)}; shorten it"
                    )
            return rich
        why = self.manifest.explain(Capability.PUBLISH_ARTICLE)
        rich = rich.then(RichText.marked(article.title, EntityKind.BOLD))
        if article.url is not None:
            self.change("article", "article replaced by its digest and a link", why)
            rich = rich.then(RichText(article.digest.strip()))
            return rich.then(RichText(str(article.url)), "\n")
        self.change("article", "article sent as text", why)
        return rich.then(self.marked(article.body))

    def link(self, rich: RichText) -> tuple[bool, RichText]:
        """Give whether the link goes as a card; a link that does not is written into the text."""
        for one in self.content.media:
            if one.url is not None and not any(self.can(need) for need in _MEDIA[one.kind]):
                label = RichText(f"{one.alt}: {one.url}" if one.alt else str(one.url))
                rich = rich.then(label, "\n")
        link = self.content.link
        if link is None:
            return False, rich
        if self.can(Capability.PUBLISH_LINK):
            return True, rich
        why = self.manifest.explain(Capability.PUBLISH_LINK)
        if str(link.url) in rich.text or any(one.url == str(link.url) for one in rich.entities):
            self.change("link", "link card left out; its address is in the text", why)
            return False, rich
        self.change("link", "link card replaced by its address", why)
        if link.title and link.title not in rich.text:
            rich = rich.then(RichText(link.title))
            return False, rich.then(RichText(str(link.url)), "\n")
        return False, rich.then(RichText(str(link.url)))

    def buttons(
        self, rich: RichText, media: Sequence[Media]
    ) -> tuple[tuple[tuple[Button, ...], ...], RichText]:
        rows = tuple(row for row in self.content.buttons if row)
        if not rows:
            return (), rich
        flat = [button for row in rows for button in row]
        why = ""
        if not self.can(Capability.BUTTONS):
            why = self.manifest.explain(Capability.BUTTONS)
        elif len(media) > 1 and not rich.text:
            why = "an album takes no buttons"
        elif self.limits.buttons and len(flat) > self.limits.buttons:
            why = f"{len(flat)} buttons, at most {self.limits.buttons} are allowed"
        if not why:
            longest = self.limits.button_data
            for button in flat:
                if longest is not None and button.data and not longest.fits(button.data):
                    raise InvalidInput(
                        f"the data of button {button.label!r} is longer than {limit_words(longest)}"
                    )
            return self._button_rows(rows), rich
        lines = [f"{button.label}: {button.url}" for button in flat if button.url is not None]
        if lines:
            self.change("buttons", "buttons replaced by links", why)
        dropped = [button.label for button in flat if button.url is None]
        if dropped:
            self.change("buttons", f"buttons left out: {', '.join(dropped)}", why)
        return (), rich.then(RichText("\n".join(lines)))

    def _button_rows(self, rows: Sequence[tuple[Button, ...]]) -> tuple[tuple[Button, ...], ...]:
        wide = self.limits.buttons_per_row
        if all(len(row) <= wide for row in rows):
            return tuple(rows)
        self.change("buttons", "button rows broken", f"at most {wide} fit into a row")
        return tuple(row[first : first + wide] for row in rows for first in range(0, len(row), wide))

    def hashtags(self, rich: RichText) -> RichText:
        tags = [tag.strip().strip("#").strip() for tag in self.content.hashtags]
        tags = [tag for tag in tags if tag]
        if not tags:
            return rich
        form = self.manifest.markup.hashtag
        if not form:
            self.change("hashtags", "hashtags left out", f"{self.manifest.platform} does not show them")
            return rich
        open_ended = not form.endswith("#")
        line = ""
        marks: list[Span] = []
        for tag in tags:
            whole = _NOT_IN_TAG.sub("_", tag).strip("_") if open_ended else tag
            if whole != tag:
                self.change("hashtags", f"#{tag} written {whole}", "a hashtag ends at the first other sign")
            if not whole:
                continue
            written = form.replace("{tag}", whole)
            line = f"{line} " if line else line
            marks.append(Span(EntityKind.HASHTAG, len(line), len(written)))
            line += written
        return rich.then(RichText(line, tuple(marks)))

    # finishing

    def finish(self, pieces: list[Piece], rows: tuple[tuple[Button, ...], ...]) -> list[Piece]:
        """Add what belongs to the first piece, the last piece and all pieces."""
        content = self.content
        reply_to = content.reply_to
        if reply_to and not self.can(Capability.REPLY):
            self.change("reply_to", "sent as a message of its own", self.manifest.explain(Capability.REPLY))
            reply_to = None
        if not (rows or reply_to or content.silent or content.attrs):
            return pieces
        bearer = next(
            (number for number in range(len(pieces) - 1, -1, -1) if len(pieces[number].media) <= 1), None
        )
        done = [
            piece.model_copy(
                update={
                    "buttons": rows if number == bearer else (),
                    "reply_to": reply_to if number == 0 else None,
                    "silent": content.silent,
                    "attrs": content.attrs,
                }
            )
            for number, piece in enumerate(pieces)
        ]
        if rows and bearer is None:
            self.change("buttons", "buttons left out", "an album takes no buttons")
        return done

    def comments(self) -> list[Piece]:
        """Give what follows under the post."""
        manifest = self.manifest
        if self.can(Capability.COMMENTS):
            how, limit = "comment", self.limits.comment or self.limits.text
        elif self.can(Capability.REPLY) and self.can(Capability.PUBLISH_TEXT):
            how, limit = "reply", self.limits.text
        else:
            how, limit = "", self.limits.text
            if not self.can(Capability.PUBLISH_TEXT):
                self.change("comments", "comments left out", manifest.explain(Capability.COMMENTS))
                return []
            self.change(
                "comments", "comments sent as messages of their own", manifest.explain(Capability.COMMENTS)
            )
        pieces: list[Piece] = []
        for comment in self.content.comments:
            for piece in self.layout.texts(self.marked(comment), limit=limit, field="comments"):
                attrs = self.content.attrs if how != "comment" else {}
                update = {"follows": how, "silent": self.content.silent and how != "comment", "attrs": attrs}
                pieces.append(piece.model_copy(update=update))
        return pieces


def _member_on(platform: str, url: str) -> str:
    """Give the id on one platform of the member that a mention names; "" when none is given."""
    for one in url.removeprefix(MEMBER).split(","):
        name, _, native = one.partition(":")
        if name == platform:
            return native
    return ""
