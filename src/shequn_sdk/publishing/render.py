"""Writes rich text the way a manifest's markup says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import regex

from shequn_sdk.domain import Entity, EntityKind
from shequn_sdk.platforms.manifest import Markup, TextLimit, measure
from shequn_sdk.publishing.markdown import RichText, Span

__all__ = ["URL", "Measurer", "lost_kinds", "measurer", "render", "without"]

URL = regex.compile(r"https?://[!-~]+")
"""A bare address: platforms that count links apart end it at the first character outside ASCII."""

_MOST_PENS = 256
_VERBATIM = frozenset({EntityKind.CODE, EntityKind.PRE})
_UNMARKED = frozenset({EntityKind.LINK, EntityKind.MENTION, EntityKind.HASHTAG})


class _Pen(NamedTuple):
    """What a markup means for writing, worked out once."""

    markup: Markup
    known: frozenset[EntityKind]
    special: regex.Pattern[str] | None
    """Finds characters that must be written otherwise; None when there are none."""
    replace: dict[int, str]
    escaped: dict[int, str]


_pens: dict[int, _Pen] = {}
_last: tuple[RichText | None, Markup | None, str] = (None, None, "")


def _pen(markup: Markup) -> _Pen:
    pen = _pens.get(id(markup))
    if pen is not None and pen.markup is markup:
        return pen
    known = set(markup.marks) | _UNMARKED
    if markup.line_quote:
        known.add(EntityKind.QUOTE)
    special = "".join((*markup.escape, *markup.replace))
    pen = _Pen(
        markup,
        frozenset(known),
        regex.compile(f"[{regex.escape(special, special_only=False)}]") if special else None,
        {ord(one): text for one, text in markup.replace.items()},
        {ord(one): markup.escape_with + one for one in markup.escape},
    )
    if len(_pens) >= _MOST_PENS:
        _pens.clear()
    _pens[id(markup)] = pen
    return pen


def lost_kinds(rich: RichText, markup: Markup) -> frozenset[EntityKind]:
    """Give the kinds of formatting that the markup cannot write."""
    if markup.entities or not rich.entities:
        return frozenset()
    known = _pen(markup).known
    return frozenset([one.kind for one in rich.entities if one.kind not in known])


def without(rich: RichText, kinds: frozenset[EntityKind]) -> RichText:
    """Give the text without stretches of these kinds."""
    return (
        RichText(rich.text, tuple(one for one in rich.entities if one.kind not in kinds)) if kinds else rich
    )


def render(rich: RichText, markup: Markup) -> tuple[str, tuple[Entity, ...]]:
    """Give the text to send, and the entities that go beside it."""
    if markup.entities:
        return rich.text, tuple(one.entity() for one in rich.entities if one.kind is not EntityKind.HASHTAG)
    return _written(rich, markup), ()


def _written(rich: RichText, markup: Markup) -> str:
    global _last  # noqa: PLW0603 - what was measured is what is sent next
    known, under, text = _last
    if known is rich and under is markup:
        return text
    pen = _pen(markup)
    if rich.entities:
        ordered = sorted(rich.entities, key=_order)
        text = _write(rich.text, ordered, 0, 0, len(rich.text), pen, verbatim=False)[0]
    else:
        text = _escape(rich.text, pen, verbatim=False)
    _last = rich, markup, text
    return text


def _order(span: Span) -> tuple[int, int]:
    return span.offset, -span.length


def _write(
    text: str, entities: list[Span], index: int, start: int, end: int, pen: _Pen, *, verbatim: bool
) -> tuple[str, int]:
    """Write `text[start:end]` with the entities from `index` on that lie in it; give the index after them."""
    out: list[str] = []
    position = start
    while index < len(entities) and entities[index].offset < end:
        entity = entities[index]
        last = min(entity.offset + entity.length, end)
        out.append(_escape(text[position : entity.offset], pen, verbatim=verbatim))
        inner, index = _write(
            text,
            entities,
            index + 1,
            entity.offset,
            last,
            pen,
            verbatim=verbatim or (entity.kind in _VERBATIM and entity.kind in pen.markup.marks),
        )
        out.append(_wrap(entity, text[entity.offset : last], inner, pen.markup))
        position = last
    out.append(_escape(text[position:end], pen, verbatim=verbatim))
    return "".join(out), index


def _wrap(entity: Span, bare: str, inner: str, markup: Markup) -> str:
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


def _escape(text: str, pen: _Pen, *, verbatim: bool) -> str:
    if pen.special is None or pen.special.search(text) is None:
        return text
    if pen.escaped and not verbatim:
        if "://" in text:
            # An address must stay what it is, escaped or not.
            pieces: list[str] = []
            position = 0
            for found in URL.finditer(text):
                pieces.append(text[position : found.start()].translate(pen.escaped))
                pieces.append(found.group())
                position = found.end()
            pieces.append(text[position:].translate(pen.escaped))
            text = "".join(pieces)
        else:
            text = text.translate(pen.escaped)
    return text.translate(pen.replace) if pen.replace else text


@dataclass(frozen=True, slots=True)
class Measurer:
    """Says how long rich text is once it is written, and whether that is within a limit."""

    limit: TextLimit
    markup: Markup
    link_cost: int | None = None

    def size(self, rich: RichText) -> int:
        """Give the length in the limit's unit."""
        text = rich.text if self.markup.entities else _written(rich, self.markup)
        if self.link_cost is None or "://" not in text:
            return measure(text, self.limit.unit)
        rest, links = URL.subn("", text)
        return measure(rest, self.limit.unit) + links * self.link_cost

    def __call__(self, rich: RichText) -> bool:
        """Whether it fits."""
        return self.size(rich) <= self.limit.maximum


def measurer(limit: TextLimit, markup: Markup, link_cost: int | None) -> Measurer:
    """Give a function that says whether rich text, once written, is within `limit`."""
    return Measurer(limit, markup, link_cost)
