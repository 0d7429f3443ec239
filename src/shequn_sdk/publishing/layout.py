"""Lays text, files and a card out as messages: captions, albums, and what has to be split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shequn_sdk.domain import EntityKind, Link, Media, MediaKind, Piece
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.manifest import Capability, Manifest, TextLimit, measure
from shequn_sdk.publishing.markdown import RichText
from shequn_sdk.publishing.render import URL, measurer, render
from shequn_sdk.publishing.split import split

__all__ = ["Layout", "limit_words"]

_ALBUM_FAMILY = {
    MediaKind.PHOTO: "visual",
    MediaKind.VIDEO: "visual",
    MediaKind.AUDIO: "audio",
    MediaKind.DOCUMENT: "document",
}
"""Kinds that may share an album; the others go alone."""


class Layout:
    """Makes the pieces of one content for one manifest; `change` is told what had to be changed."""

    def __init__(self, manifest: Manifest, change: Callable[[str, str, str], None]) -> None:
        """Lay out for `manifest`."""
        self.manifest = manifest
        self.limits = manifest.limits
        self.change = change

    def can(self, capability: Capability) -> bool:
        """Whether the manifest declares it."""
        return capability in self.manifest.capabilities

    def pieces(
        self, rich: RichText, media: Sequence[Media], card: Link | None, *, alone: bool
    ) -> list[Piece]:
        """Give the messages in order.

        Args:
            rich: the text.
            media: files that the platform takes.
            card: a link that goes as a card.
            alone: whether nothing else of the content follows, so that text that cannot be sent is an error.
        """
        if not media:
            return self._with_text([], rich, card, alone=alone)
        groups = self._groups(media)
        if rich.text:
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
            one = len(groups) == 1 and (len(groups[0]) == 1 or self.limits.caption_with_album)
            if together and one and self.limits.caption is None:
                # it has to be split anyway, and a caption may be as long as a text
                pieces = self.texts(rich, card)
                return [pieces[0].model_copy(update={"media": groups[0]}), *pieces[1:]]
            why = (
                "it does not fit into one caption"
                if together
                else "text and files never share a message here"
            )
            self.change("text", "text follows the media", why)
        return self._with_text([Piece(media=group) for group in groups], rich, card, alone=alone)

    def _with_text(
        self, pieces: list[Piece], rich: RichText, card: Link | None, *, alone: bool
    ) -> list[Piece]:
        if not rich.text and card is None:
            return pieces
        if rich.text and card is None and not self.can(Capability.PUBLISH_TEXT):
            if not pieces and alone:
                self.manifest.require(Capability.PUBLISH_TEXT)
            self.change("text", "text left out", self.manifest.explain(Capability.PUBLISH_TEXT))
            return pieces
        return pieces + self.texts(rich, card)

    def texts(
        self, rich: RichText, card: Link | None = None, *, limit: TextLimit | None = None, field: str = "text"
    ) -> list[Piece]:
        """Give the messages of a text alone; the card goes with the last."""
        limit = limit or self.limits.text
        fits = self._fits(limit)
        parts: list[RichText] = []
        if self.limits.link_required_domain and field == "text" and not fits(rich):
            parts = self._linked(rich, fits)
        parts = parts or split(rich, fits)
        if len(parts) > 1:
            self.change(field, f"split into {len(parts)} messages", f"longer than {limit_words(limit)}")
        if card is None and not rich.entities:
            return [Piece(text=render(part, self.manifest.markup)[0]) for part in parts]
        if len(parts) > 1 or (parts and len(parts[0].entities) < len(rich.entities)):
            before = {one.url for one in rich.entities if one.kind is EntityKind.LINK}
            after = {one.url for part in parts for one in part.entities if one.kind is EntityKind.LINK}
            for url in sorted(before - after):
                self.change(
                    field, f"link to {url} left out", "its address alone is longer than a message may be"
                )
        pieces: list[Piece] = []
        for part in parts:
            text, entities = render(part, self.manifest.markup)
            pieces.append(Piece(text=text, entities=entities))
        if card is not None:
            last = pieces.pop() if pieces else Piece()
            pieces.append(last.model_copy(update={"link": card}))
        return pieces

    def _linked(self, rich: RichText, fits: Callable[[RichText], bool]) -> list[RichText]:
        """Split where every message needs a link: those without one get the first link of the whole text."""
        in_text = URL.search(rich.text)
        links = [one.url for one in rich.entities if one.kind is EntityKind.LINK]
        link = links[0] if links else in_text.group() if in_text is not None else ""
        if not link:
            return []

        def whole(part: RichText) -> RichText:
            has = URL.search(part.text) or any(one.kind is EntityKind.LINK for one in part.entities)
            return part if has else part.then(RichText(link), "\n")

        room = self.limits.text.maximum - measure(f"\n{link}", self.limits.text.unit)
        if room < self.limits.text.maximum // 4:  # the link alone fills a message
            return []
        shorter = self.limits.text.model_copy(update={"maximum": room})
        parts = [whole(part) for part in split(rich, self._fits(shorter))]
        if not all(fits(part) for part in parts):
            return []
        self.change(
            "text", "the link repeated in every message", f"{self.manifest.platform} wants one in each"
        )
        return parts

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


def limit_words(limit: TextLimit) -> str:
    """Give a limit as people say it: `2048 utf8`."""
    return f"{limit.maximum} {limit.unit.replace('_', ' ')}"
