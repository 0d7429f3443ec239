"""Writes rich text the way a manifest's markup says."""

from __future__ import annotations

from collections.abc import Callable

import regex

from shequn_sdk.domain import Entity, EntityKind
from shequn_sdk.platforms.manifest import Markup, TextLimit, measure
from shequn_sdk.publishing.markdown import RichText

__all__ = ["URL", "lost_kinds", "measurer", "render"]

URL = regex.compile(r"https?://[!-~]+")
"""A bare address: platforms that count links apart end it at the first character outside ASCII."""

_VERBATIM = frozenset({EntityKind.CODE, EntityKind.PRE})
_UNMARKED = frozenset({EntityKind.LINK, EntityKind.MENTION, EntityKind.HASHTAG})


def lost_kinds(rich: RichText, markup: Markup) -> frozenset[EntityKind]:
    """Give the kinds of formatting that the markup cannot write."""
    if markup.entities:
        return frozenset()
    known = set(markup.marks) | _UNMARKED
    if markup.line_quote:
        known.add(EntityKind.QUOTE)
    return frozenset(one.kind for one in rich.entities if one.kind not in known)


def render(rich: RichText, markup: Markup) -> tuple[str, tuple[Entity, ...]]:
    """Give the text to send, and the entities that go beside it."""
    if markup.entities:
        return rich.text, tuple(one for one in rich.entities if one.kind is not EntityKind.HASHTAG)
    if not rich.entities:
        return _escape(rich.text, markup, verbatim=False), ()
    ordered = sorted(rich.entities, key=lambda one: (one.offset, -one.length))
    text, _ = _write(rich.text, ordered, 0, 0, len(rich.text), markup, verbatim=False)
    return text, ()


def _write(
    text: str, entities: list[Entity], index: int, start: int, end: int, markup: Markup, *, verbatim: bool
) -> tuple[str, int]:
    """Write `text[start:end]` with the entities from `index` on that lie in it; give the index after them."""
    out: list[str] = []
    position = start
    while index < len(entities) and entities[index].offset < end:
        entity = entities[index]
        last = min(entity.offset + entity.length, end)
        out.append(_escape(text[position : entity.offset], markup, verbatim=verbatim))
        inner, index = _write(
            text,
            entities,
            index + 1,
            entity.offset,
            last,
            markup,
            verbatim=verbatim or (entity.kind in _VERBATIM and entity.kind in markup.marks),
        )
        out.append(_wrap(entity, text[entity.offset : last], inner, markup))
        position = last
    out.append(_escape(text[position:end], markup, verbatim=verbatim))
    return "".join(out), index


def _wrap(entity: Entity, bare: str, inner: str, markup: Markup) -> str:
    if entity.kind is EntityKind.LINK:
        if bare == entity.url or not entity.url:
            return entity.url or inner
        return markup.link.replace("{text}", inner).replace("{url}", entity.url)
    if entity.kind is EntityKind.MENTION:
        return markup.mention.replace("{name}", bare.removeprefix("@")).replace("{id}", entity.member_id)
    if entity.kind is EntityKind.HASHTAG:
        return bare
    if entity.kind is EntityKind.QUOTE and markup.line_quote:
        return "\n".join(markup.line_quote + line for line in inner.split("\n"))
    before, after = markup.marks.get(entity.kind, ("", ""))
    if entity.kind is EntityKind.PRE and entity.language and before.endswith("```\n"):
        before = f"{before[:-1]}{entity.language}\n"
    return f"{before}{inner}{after}"


def _escape(text: str, markup: Markup, *, verbatim: bool) -> str:
    if not text or not (markup.replace or markup.escape):
        return text
    if markup.escape and not verbatim:
        # An address must stay what it is, escaped or not.
        pieces: list[str] = []
        position = 0
        for found in URL.finditer(text):
            pieces.append(_escape_characters(text[position : found.start()], markup))
            pieces.append(found.group())
            position = found.end()
        pieces.append(_escape_characters(text[position:], markup))
        text = "".join(pieces)
    if markup.replace:
        text = "".join(markup.replace.get(character, character) for character in text)
    return text


def _escape_characters(text: str, markup: Markup) -> str:
    if not any(character in text for character in markup.escape):
        return text
    return "".join(markup.escape_with + one if one in markup.escape else one for one in text)


def measurer(limit: TextLimit, markup: Markup, link_cost: int | None) -> Callable[[RichText], bool]:
    """Give a function that says whether rich text, once written, is within `limit`."""

    def fits(rich: RichText) -> bool:
        text, _ = render(rich, markup)
        if link_cost is None:
            return measure(text, limit.unit) <= limit.maximum
        rest, links = URL.subn("", text)
        return measure(rest, limit.unit) + links * link_cost <= limit.maximum

    return fits
