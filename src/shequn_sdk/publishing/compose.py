"""Fits content to a platform: the pieces that its manifest allows, and what had to change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

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
from shequn_sdk.publishing.markdown import RichText, parse_markdown
from shequn_sdk.publishing.render import lost_kinds, measurer, render
from shequn_sdk.publishing.split import split

__all__ = ["compose"]

_MEDIA: dict[MediaKind, tuple[Capability, ...]] = {
    MediaKind.PHOTO: (Capability.PUBLISH_PHOTO,),
    MediaKind.VIDEO: (Capability.PUBLISH_VIDEO,),
    MediaKind.AUDIO: (Capability.PUBLISH_AUDIO,),
    MediaKind.VOICE: (Capability.PUBLISH_AUDIO,),
    MediaKind.ANIMATION: (Capability.PUBLISH_VIDEO, Capability.PUBLISH_PHOTO),
    MediaKind.DOCUMENT: (Capability.PUBLISH_DOCUMENT,),
}
_ALBUM_FAMILY = {
    MediaKind.PHOTO: "visual",
    MediaKind.VIDEO: "visual",
    MediaKind.AUDIO: "audio",
    MediaKind.DOCUMENT: "document",
}
"""Kinds that may share an album; the others go alone."""


def compose(content: Content, manifest: Manifest, *, account: str = "") -> Variant:
    """Give the form of `content` for one account: pure, the same for the same arguments.

    Formatting is written by `manifest.markup`, length is measured on what is written. What the platform cannot do is
    replaced where that makes sense (a poll by numbered choices, buttons by links), and each such change is listed.

    Raises:
        NotSupported: nothing of the content can be published by this account.
        InvalidInput: a part breaks a limit and cannot be split or replaced.
    """
    return _Composer(content, manifest, account).run()


class _Composer:
    def __init__(self, content: Content, manifest: Manifest, account: str) -> None:
        self.content = content
        self.manifest = manifest
        self.account = account
        self.limits = manifest.limits
        self.changes: list[Change] = []

    def change(self, field: str, what: str, why: str) -> None:
        self.changes.append(Change(what=what, why=why, field=field))

    def can(self, capability: Capability) -> bool:
        return capability in self.manifest.capabilities

    def run(self) -> Variant:
        rich = self.text()
        media = self.media()
        poll, rich = self.poll(rich)
        rich = self.article_as_text(rich)
        link, rich = self.link(rich)
        rows, rich = self.buttons(rich, media)
        rich = self.hashtags(rich)
        lost = lost_kinds(rich, self.manifest.markup)
        if lost:
            kinds = ", ".join(sorted(lost))
            self.change("text", f"formatting left out: {kinds}", f"{self.manifest.platform} cannot show it")
        pieces = self.pieces(rich, media, link=link)
        if self.content.article is not None and self.can(Capability.PUBLISH_ARTICLE):
            pieces.append(Piece(article=self.content.article))
        if poll is not None:
            pieces.append(Piece(poll=poll))
        if not pieces:
            raise NotSupported(
                self.manifest.explain(self._first_need()),
                platform=self.manifest.platform,
                capability=str(self._first_need()),
            )
        return Variant(
            content_id=self.content.id,
            platform=self.manifest.platform,
            pieces=self.finish(pieces, rows),
            changes=tuple(self.changes),
        )

    def _first_need(self) -> Capability:
        if self.content.media:
            return _MEDIA[self.content.media[0].kind][0]
        return Capability.PUBLISH_POLL if self.content.poll is not None else Capability.PUBLISH_TEXT

    # parts of the content

    def text(self) -> RichText:
        content = self.content
        override = content.overrides.get(self.account) or content.overrides.get(self.manifest.platform)
        rich = parse_markdown(override if override is not None else content.text)
        if content.title and content.article is None:
            rich = RichText.marked(content.title.strip(), EntityKind.BOLD).then(rich)
        return rich

    def media(self) -> list[Media]:
        kept: list[Media] = []
        for one in self.content.media:
            able = [need for need in _MEDIA[one.kind] if self.can(need)] if self.limits.media_per_post else []
            if able:
                self._check_media(one)
                kept.append(one)
                continue
            name = one.filename or one.alt or str(one.kind)
            why = self.manifest.explain(_MEDIA[one.kind][0])
            self.change("media", f"{name} replaced by its link" if one.url else f"{name} left out", why)
        return kept

    def _check_media(self, one: Media) -> None:
        most = self.limits.media_bytes.get(one.kind)
        if most is not None and one.data is not None and len(one.data) > most:
            raise InvalidInput(
                f"{one.filename or one.kind} has {len(one.data)} bytes, {self.manifest.platform} takes {most}; "
                "make it smaller"
            )
        taken = self.limits.media_mime.get(one.kind)
        if taken and one.mime and one.mime not in taken:
            raise InvalidInput(
                f"{self.manifest.platform} takes no {one.mime} as {one.kind}: use {', '.join(sorted(taken))}"
            )

    def poll(self, rich: RichText) -> tuple[Poll | None, RichText]:
        poll = self.content.poll
        if poll is None:
            return None, rich
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
                self.change(
                    "poll", f"poll runs {_span(fitted)}", f"allowed are {_span(least)} to {_span(most)}"
                )
                poll = poll.model_copy(update={"duration": fitted})
        return poll, rich

    def _why_no_poll(self, poll: Poll) -> str:
        if not self.can(Capability.PUBLISH_POLL):
            return self.manifest.explain(Capability.PUBLISH_POLL)
        least, most = self.limits.poll_choices
        if not least <= len(poll.choices) <= most:
            return f"{len(poll.choices)} choices, allowed are {least} to {most}"
        if self.limits.poll_question is not None and not self.limits.poll_question.fits(poll.question):
            return f"the question is longer than {_limit(self.limits.poll_question)}"
        longest = self.limits.poll_choice
        if longest is not None and not all(longest.fits(choice) for choice in poll.choices):
            return f"a choice is longer than {_limit(longest)}"
        return ""

    def article_as_text(self, rich: RichText) -> RichText:
        article = self.content.article
        if article is None:
            return rich
        if self.can(Capability.PUBLISH_ARTICLE):
            for limit, value, name in (
                (self.limits.article_title, article.title, "title"),
                (self.limits.article_body, article.body, "body"),
            ):
                if limit is not None and not limit.fits(value):
                    raise InvalidInput(f"the article's {name} is longer than {_limit(limit)}; shorten it")
            return rich
        why = self.manifest.explain(Capability.PUBLISH_ARTICLE)
        rich = rich.then(RichText.marked(article.title, EntityKind.BOLD))
        if article.url is not None:
            self.change("article", "article replaced by its digest and a link", why)
            rich = rich.then(RichText(article.digest.strip()))
            return rich.then(RichText(str(article.url)), "\n")
        self.change("article", "article sent as text", why)
        return rich.then(parse_markdown(article.body))

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
        self.change(
            "link", "link card replaced by its address", self.manifest.explain(Capability.PUBLISH_LINK)
        )
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
                        f"the data of button {button.label!r} is longer than {_limit(longest)}"
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
        line = RichText()
        for tag in tags:
            line = line.then(RichText.marked(form.replace("{tag}", tag), EntityKind.HASHTAG), " ")
        return rich.then(line)

    # pieces

    def pieces(self, rich: RichText, media: Sequence[Media], *, link: bool) -> list[Piece]:
        groups = self._groups(media)
        card = self.content.link if link else None
        if rich.text and groups:
            caption = self.limits.caption or self.limits.text
            together = self.limits.caption_with_media
            if (
                together
                and len(groups) == 1
                and self._fits(caption)(rich)
                and (len(groups[0]) == 1 or self.limits.caption_with_album)
            ):
                text, entities = render(rich, self.manifest.markup)
                return [Piece(text=text, entities=entities, media=groups[0], link=card)]
            if together and not self.can(Capability.PUBLISH_TEXT):
                return self._captioned(rich, groups)
            why = (
                "it does not fit into one caption"
                if together
                else "text and files never share a message here"
            )
            self.change("text", "text follows the media", why)
        pieces = [Piece(media=group) for group in groups]
        if rich.text or card is not None:
            if rich.text and not self.can(Capability.PUBLISH_TEXT) and card is None:
                if not pieces and self.content.poll is None and self.content.article is None:
                    self.manifest.require(Capability.PUBLISH_TEXT)
                self.change("text", "text left out", self.manifest.explain(Capability.PUBLISH_TEXT))
                return pieces
            pieces += self._texts(rich, card)
        return pieces

    def _captioned(self, rich: RichText, groups: Sequence[tuple[Media, ...]]) -> list[Piece]:
        """Put the text into captions, where text alone cannot be sent."""
        texts = split(rich, self._fits(self.limits.caption or self.limits.text))
        if len(texts) > len(groups):
            raise InvalidInput(
                f"the text is too long for the captions of {len(groups)} posts, and "
                + self.manifest.explain(Capability.PUBLISH_TEXT)
            )
        pieces: list[Piece] = []
        for number, group in enumerate(groups):
            text, entities = render(texts[number], self.manifest.markup) if number < len(texts) else ("", ())
            pieces.append(Piece(text=text, entities=entities, media=group))
        return pieces

    def _texts(self, rich: RichText, card: object) -> list[Piece]:
        parts = split(rich, self._fits(self.limits.text))
        if len(parts) > 1:
            why = f"longer than {_limit(self.limits.text)}"
            self.change("text", f"split into {len(parts)} messages", why)
        if card is None and not rich.entities:
            return [Piece(text=render(part, self.manifest.markup)[0]) for part in parts]
        before = {one.url for one in rich.entities if one.kind is EntityKind.LINK}
        after = {one.url for part in parts for one in part.entities if one.kind is EntityKind.LINK}
        for url in sorted(before - after):
            self.change(
                "text", f"link to {url} left out", "its address alone is longer than a message may be"
            )
        pieces: list[Piece] = []
        for part in parts:
            text, entities = render(part, self.manifest.markup)
            pieces.append(Piece(text=text, entities=entities))
        if card is not None:
            last = pieces.pop() if pieces else Piece()
            pieces.append(last.model_copy(update={"link": card}))
        return pieces

    def _fits(self, limit: TextLimit) -> Callable[[RichText], bool]:
        return measurer(limit, self.manifest.markup, self.limits.link_cost)

    def _groups(self, media: Sequence[Media]) -> list[tuple[Media, ...]]:
        most = self.limits.media_per_post if self.can(Capability.PUBLISH_ALBUM) else 1
        groups: list[list[Media]] = []
        for one in media:
            family = _ALBUM_FAMILY.get(one.kind)
            last = groups[-1] if groups else None
            if last and family and len(last) < most and _ALBUM_FAMILY.get(last[0].kind) == family:
                last.append(one)
            else:
                groups.append([one])
        if len(groups) > 1:
            self.change(
                "media", f"media split into {len(groups)} posts", f"at most {most} go into one, of one kind"
            )
        return [tuple(group) for group in groups]

    def finish(self, pieces: list[Piece], rows: tuple[tuple[Button, ...], ...]) -> tuple[Piece, ...]:
        """Add what belongs to the first piece, the last piece and all pieces."""
        content = self.content
        reply_to = content.reply_to
        if reply_to and not self.can(Capability.REPLY):
            self.change("reply_to", "sent as a message of its own", self.manifest.explain(Capability.REPLY))
            reply_to = None
        bearer = next(
            (number for number in range(len(pieces) - 1, -1, -1) if len(pieces[number].media) <= 1), None
        )
        if not (rows or reply_to or content.silent or content.attrs):
            return tuple(pieces)
        done: list[Piece] = []
        for number, piece in enumerate(pieces):
            done.append(
                piece.model_copy(
                    update={
                        "buttons": rows if number == bearer else (),
                        "reply_to": reply_to if number == 0 else None,
                        "silent": content.silent,
                        "attrs": content.attrs,
                    }
                )
            )
        if rows and bearer is None:
            self.change("buttons", "buttons left out", "an album takes no buttons")
        return tuple(done)


def _limit(limit: TextLimit) -> str:
    return f"{limit.maximum} {limit.unit.replace('_', ' ')}"


def _span(span: timedelta) -> str:
    return str(span)
