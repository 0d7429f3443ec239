"""Splits rich text into pieces that fit: at paragraphs, lines, sentences, words, never inside what belongs together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

import regex

from shequn_sdk.errors import InvalidInput
from shequn_sdk.publishing.markdown import RichText
from shequn_sdk.publishing.render import URL, Measurer

__all__ = ["split"]

_GRAPHEME = regex.compile(r"\X")
_SINGLE = regex.compile(
    "[\t\n -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e\u2e80-\u3029\u3030-\u3098\u309b-\ua4cf\uac00-\ud7a3"
    "\uf900-\ufaff\uff01-\uff9d\uffa0-\uffef]*"
)
"""Characters of which each is a grapheme, whatever of these stands beside it: Latin, Chinese, kana, Hangul."""
_BOUNDS = (
    (regex.compile(r"\n[ \t]*\n\s*"), 0.5),
    (regex.compile(r"\n"), 0.5),
    (regex.compile(r"[。！？!?…]+[”’」』）)]*|[.;；]+(?=\s)"), 0.3),
    (regex.compile(r"\s+|[，、：,]+"), 0.0),
)
"""Where to split, best first, and how full a piece must be at least for that bound to be taken."""
_BACKWARDS = {1: regex.compile(r"(?r)\n"), 3: regex.compile(r"(?r)\s+|[，、：,]+")}
"""Bounds that are so many that they are searched from where they are wanted, not listed."""


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
        simple = _SINGLE.fullmatch(self.text) is not None
        self.graphemes: Sequence[int] = (
            range(1, len(self.text) + 1)
            if simple
            else [found.end() for found in _GRAPHEME.finditer(self.text)]
        )
        self.allowed = None if simple else set(self.graphemes)
        self._ends: dict[int, list[int]] = {}
        self.atoms = sorted(
            {(one.offset, one.offset + one.length) for one in rich.entities}
            | {(found.start(), found.end()) for found in URL.finditer(self.text)}
        )

    def ends(self, number: int) -> list[int]:
        """Give where a bound of that number ends."""
        found = self._ends.get(number)
        if found is None:
            found = [one.end() for one in _BOUNDS[number][0].finditer(self.text)]
            if self.allowed is not None:
                found = [end for end in found if end in self.allowed]
            self._ends[number] = found
        return found

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
        if isinstance(self.fits, Measurer):
            return self.graphemes[self._by_size(start, low, self.fits)]
        high = len(self.graphemes)  # does not fit, or is beyond the end
        step = 64
        while low + step < high:
            if not self.fits(self.rich.part(start, self.graphemes[low + step])):
                high = low + step
                break
            low += step
            step *= 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.fits(self.rich.part(start, self.graphemes[middle])):
                low = middle
            else:
                high = middle
        return self.graphemes[low]

    def _by_size(self, start: int, low: int, measured: Measurer) -> int:
        """Search where the length says that the bound should be: a few looks instead of fifteen."""
        most, last = measured.limit.maximum, len(self.graphemes) - 1
        at_low = 0
        reach = most
        while True:
            high = min(low + reach, last)
            at_high = measured.size(self.rich.part(start, self.graphemes[high]))
            if at_high > most:
                break
            if high == last:
                return last
            low, at_low = high, at_high
        turn = 0
        while high - low > 1:
            share = (most - at_low + 0.5) / max(at_high - at_low, 1)
            guess = low + int((high - low) * min(share, 1.0)) if turn % 3 < 2 else (low + high) // 2
            turn += 1
            guess = min(max(guess, low + 1), high - 1)
            size = measured.size(self.rich.part(start, self.graphemes[guess]))
            if size <= most:
                low, at_low = guess, size
            else:
                high, at_high = guess, size
        return low

    def choices(self, start: int, furthest: int) -> Iterator[int]:
        """Give ends to try, best first."""
        for hard in (False, True):
            for number, (_, share) in enumerate(_BOUNDS):
                least = start + int((furthest - start) * share)
                yield from self._last_bound(number, max(start, least - 1), furthest, hard=hard)
            for number in range(len(_BOUNDS)):
                yield from self._last_bound(number, start, furthest, hard=hard)
            if not hard:
                yield from self._last(sorted({first for first, _ in self.atoms}), start, furthest, hard=False)
                yield from self._last(self.graphemes, start, furthest, hard=False)
        index = bisect_right(self.graphemes, furthest)
        lowest = bisect_right(self.graphemes, start)
        yield from reversed(self.graphemes[lowest:index])

    def _last_bound(self, number: int, above: int, furthest: int, *, hard: bool) -> list[int]:
        """Give where the last bound of that number in (above, furthest] ends, if it may be used."""
        pattern = _BACKWARDS.get(number)
        if pattern is None:
            return self._last(self.ends(number), above, furthest, hard=hard)
        for found in pattern.finditer(self.text, above, furthest):
            end = found.end()
            if (
                end > above
                and (self.allowed is None or end in self.allowed)
                and (hard or not self._inside(end))
            ):
                return [end]
        return []

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
