"""Splits rich text into pieces that fit: at paragraphs, lines, sentences, words, never inside what belongs together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import regex

from shequn_sdk.errors import InvalidInput
from shequn_sdk.publishing.markdown import RichText
from shequn_sdk.publishing.render import URL

__all__ = ["split"]

_GRAPHEME = regex.compile(r"\X")
_BOUNDS = (
    (regex.compile(r"\n[ \t]*\n\s*"), 0.5),
    (regex.compile(r"\n"), 0.5),
    (regex.compile(r"[。！？!?…]+[”’」』）)]*|[.;；]+(?=\s)"), 0.3),
    (regex.compile(r"\s+|[，、：,]+"), 0.0),
)
"""Where to split, best first, and how full a piece must be at least for that bound to be taken."""


def split(rich: RichText, fits: Callable[[RichText], bool]) -> list[RichText]:
    """Give pieces of `rich`, in order, of which each `fits`.

    A stretch is cut only when it alone does not fit; then it is closed in one piece and opened again in the next.

    Raises:
        InvalidInput: not even one character fits.
    """
    whole = rich.part(0, len(rich.text))
    if not whole.text:
        return []
    if fits(whole):
        return [whole]
    return _Splitter(whole, fits).run()


class _Splitter:
    def __init__(self, rich: RichText, fits: Callable[[RichText], bool]) -> None:
        self.rich = rich
        self.fits = fits
        self.text = rich.text
        self.graphemes = [found.end() for found in _GRAPHEME.finditer(self.text)]
        allowed = set(self.graphemes)
        self.bounds = [
            ([end for end in (found.end() for found in pattern.finditer(self.text)) if end in allowed], share)
            for pattern, share in _BOUNDS
        ]
        self.atoms = sorted(
            {(one.offset, one.offset + one.length) for one in rich.entities}
            | {(found.start(), found.end()) for found in URL.finditer(self.text)}
        )

    def run(self) -> list[RichText]:
        pieces: list[RichText] = []
        start = 0
        while start < len(self.text):
            piece, end = self.next(start)
            if piece.text:
                pieces.append(piece)
            start = end
            while start < len(self.text) and self.text[start].isspace():
                start += 1
        return pieces

    def next(self, start: int) -> tuple[RichText, int]:
        furthest = self.furthest(start)
        if furthest is None:
            return self.bare(start)
        if furthest == len(self.text):
            return self.rich.part(start, furthest), furthest
        for end in self.choices(start, furthest):
            piece = self.rich.part(start, end)
            if self.fits(piece):
                return piece, end
        return self.bare(start)

    def furthest(self, start: int) -> int | None:
        """Give the last grapheme bound up to which the text fits; None when not even one does."""
        low = bisect_right(self.graphemes, start)
        if not self.fits(self.rich.part(start, self.graphemes[low])):
            return None
        step = 64
        high = low
        while high < len(self.graphemes) - 1:
            probe = min(low + step, len(self.graphemes) - 1)
            if not self.fits(self.rich.part(start, self.graphemes[probe])):
                high = probe
                break
            low = high = probe
            step *= 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.fits(self.rich.part(start, self.graphemes[middle])):
                low = middle
            else:
                high = middle
        return self.graphemes[low]

    def choices(self, start: int, furthest: int) -> list[int]:
        """Give ends to try, best first."""
        found: list[int] = []
        for hard in (False, True):
            for ends, share in self.bounds:
                least = start + int((furthest - start) * share)
                found += self._last(ends, max(start, least - 1), furthest, hard=hard)
            for ends, _ in self.bounds:
                found += self._last(ends, start, furthest, hard=hard)
            if not hard:
                found += self._last(sorted({first for first, _ in self.atoms}), start, furthest, hard=False)
                found += self._last(self.graphemes, start, furthest, hard=False)
        index = bisect_right(self.graphemes, furthest)
        lowest = bisect_right(self.graphemes, start)
        found += reversed(self.graphemes[lowest:index])
        return found

    def _last(self, ends: Sequence[int], above: int, furthest: int, *, hard: bool) -> list[int]:
        """Give the last of `ends` in (above, furthest] that may be used."""
        for index in range(bisect_right(ends, furthest) - 1, -1, -1):
            end = ends[index]
            if end <= above:
                return []
            if hard or not self._inside(end):
                return [end]
        return []

    def _inside(self, position: int) -> bool:
        return any(first < position < last for first, last in self.atoms if first < position)

    def bare(self, start: int) -> tuple[RichText, int]:
        """Give one piece without its formatting, because the marks alone are too long."""
        plain = _Splitter(self.rich.plain(), self.fits)
        furthest = plain.furthest(start)
        if furthest is None:
            raise InvalidInput(
                f"{self.text[start : start + 20]!r} does not fit into one message at all; shorten the link or the text"
            )
        inside = [last for first, last in self.atoms if first <= start < last]
        end = min([furthest, *inside])
        return plain.rich.part(start, end), end
