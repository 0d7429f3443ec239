"""A preview as a picture, drawn with Pillow and with fonts that can draw what it says."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shequn_sdk.domain import EntityKind, Media, MediaKind, Piece
from shequn_sdk.errors import MissingExtra
from shequn_sdk.publishing.pictures import sniff
from shequn_sdk.reports._fonts import check_glyphs, coverage, find_fonts

if TYPE_CHECKING:
    from shequn_sdk.publishing.preview import Preview, Shown

__all__ = ["preview_png"]

_SCALE = 2
_INK, _SOFT, _LINE, _ACCENT, _BAD, _PAPER = "#1c1c1e", "#6b6b70", "#dcdcd6", "#1257a8", "#b3261e", "#ffffff"
_PAD = 16
_MOST_HEIGHT = 6000
"""Points; longer previews are cut, as a picture of a long article serves nobody."""
_LINKS = frozenset({EntityKind.LINK, EntityKind.MENTION, EntityKind.HASHTAG})


class _Run(NamedTuple):
    """Characters of one font and look."""

    text: str
    font: Any
    colour: str
    bold: bool
    width: float


def preview_png(preview: Preview, *, width: int = 420) -> bytes:
    """Draw a preview; see `Preview.png`."""
    try:
        image = import_module("PIL.Image")
        draw = import_module("PIL.ImageDraw")
    except ModuleNotFoundError as error:
        raise MissingExtra("pictures of previews need Pillow", "media") from error
    missing = check_glyphs(_texts(preview))
    card = _Card(image, draw, width=width, boxes=frozenset(missing))
    card.whole(preview)
    return card.png()


def _texts(preview: Preview) -> Iterator[str]:
    yield preview.title
    yield str(preview.channel)
    yield "↳□○▸…"
    for piece, shown in zip(preview.pieces, preview.shown, strict=True):
        yield shown.text
        yield from (button.label for row in piece.buttons for button in row)
        yield from (one.filename or (one.path.name if one.path else "") for one in piece.media)
        if piece.link is not None:
            yield piece.link.title + piece.link.description + str(piece.link.url)
        if piece.article is not None:
            yield piece.article.title + (piece.article.digest or piece.article.body[:200])
        if piece.poll is not None:
            yield piece.poll.question
            yield from piece.poll.choices
    yield from (one.what + one.why for one in preview.changes)
    yield from (one.what for one in preview.problems)


@lru_cache(maxsize=4)
def _fonts() -> tuple[Path, ...]:
    return tuple(find_fonts())


@lru_cache(maxsize=8192)
def _font_of(character: str) -> Path:
    """Give the first font that draws a character; the first font when none does."""
    fonts = _fonts()
    return next((font for font in fonts if ord(character) in coverage(font)), fonts[0])


@lru_cache(maxsize=64)
def _loaded(font: Path, size: int) -> Any:
    return import_module("PIL.ImageFont").truetype(str(font), size)


class _Card:
    """Draws from top to bottom on a canvas that is cut in the end."""

    def __init__(self, image: Any, draw: Any, *, width: int, boxes: frozenset[str]) -> None:
        self.image = image
        self.width = width
        self.boxes = boxes
        self.canvas: Any = image.new("RGB", (width * _SCALE, _MOST_HEIGHT * _SCALE), _PAPER)
        self.pen: Any = draw.Draw(self.canvas)
        self.y = float(_PAD)

    def whole(self, preview: Preview) -> None:
        self.text(preview.title, size=16, bold=True)
        self.text(str(preview.channel), size=12, colour=_SOFT)
        self.rule()
        for piece, shown in zip(preview.pieces, preview.shown, strict=True):
            self.piece(piece, shown)
            self.rule()
        for problem in preview.problems:
            self.text(f"▸ {problem.what}", size=12, colour=_BAD)
        for change in preview.changes:
            self.text(f"▸ {change.what}: {change.why}", size=12, colour=_SOFT)

    def png(self) -> bytes:
        height = min(int(self.y + _PAD), _MOST_HEIGHT) * _SCALE
        out = io.BytesIO()
        self.canvas.crop((0, 0, self.width * _SCALE, height)).save(out, format="PNG", optimize=True)
        return out.getvalue()

    def piece(self, piece: Piece, shown: Shown) -> None:
        indent = 14 if piece.follows else 0
        if piece.follows:
            self.text(f"↳ {piece.follows}", size=12, colour=_SOFT)
        for one in piece.media:
            self.file(one)
        if shown.text:
            self.text(shown.text, size=15, styles=_styles(shown), indent=indent)
        if piece.link is not None:
            self.quoted(piece.link.title or str(piece.link.url), piece.link.description, str(piece.link.url))
        if piece.article is not None:
            self.quoted(piece.article.title, piece.article.digest or piece.article.body[:200], "")
        if piece.poll is not None:
            self.text(piece.poll.question, size=15, bold=True)
            for choice in piece.poll.choices:
                self.box(f"○ {choice}")
        for row in piece.buttons:
            self.box("   ".join(button.label for button in row), colour=_ACCENT)

    def rule(self) -> None:
        self.y += 6
        self.pen.line((0, self.y * _SCALE, self.width * _SCALE, self.y * _SCALE), fill=_LINE, width=_SCALE)
        self.y += 10

    def box(self, text: str, *, colour: str = _INK) -> None:
        top = self.y + 2
        self.y += 8
        self.text(text, size=14, indent=10, colour=colour)
        bottom = self.y + 2
        edge = (_PAD * _SCALE, top * _SCALE, (self.width - _PAD) * _SCALE, bottom * _SCALE)
        self.pen.rounded_rectangle(edge, radius=6 * _SCALE, outline=_LINE, width=_SCALE)
        self.y += 6

    def quoted(self, title: str, about: str, url: str) -> None:
        top = self.y
        self.text(title, size=14, bold=True, indent=10)
        if about:
            self.text(about, size=13, indent=10)
        if url:
            self.text(url, size=12, indent=10, colour=_ACCENT)
        self.pen.rectangle(
            (_PAD * _SCALE, top * _SCALE, (_PAD + 3) * _SCALE - 1, self.y * _SCALE), fill=_ACCENT
        )
        self.y += 4

    def file(self, media: Media) -> None:
        if (
            media.kind is MediaKind.PHOTO
            and media.data is not None
            and sniff(media.data).startswith("image/")
        ):
            with self.image.open(io.BytesIO(media.data)) as picture:
                thumb = picture.convert("RGBA")
            thumb.thumbnail(((self.width - 2 * _PAD) * _SCALE, 260 * _SCALE))
            if self.y * _SCALE + thumb.height < self.canvas.height:
                self.canvas.paste(thumb, (_PAD * _SCALE, int(self.y * _SCALE)), thumb)
            self.y += thumb.height / _SCALE + 8
            return
        name = media.filename or (media.path.name if media.path is not None else "")
        self.box(f"{media.kind}: {name}".rstrip(": "), colour=_SOFT)

    def text(
        self,
        text: str,
        *,
        size: int,
        colour: str = _INK,
        bold: bool = False,
        indent: int = 0,
        styles: Sequence[tuple[str, bool]] | None = None,
    ) -> None:
        """Write text, broken into lines; `styles` gives colour and boldness per character."""
        room = (self.width - 2 * _PAD - indent) * _SCALE
        start = 0
        for line in text.split("\n"):
            looks = [(colour, bold)] * len(line) if styles is None else styles[start : start + len(line)]
            start += len(line) + 1
            for row in self._rows(line, looks, size * _SCALE, room):
                x = float((_PAD + indent) * _SCALE)
                if self.y < _MOST_HEIGHT - 40:
                    for run in row:
                        self.pen.text(
                            (x, (self.y + size) * _SCALE),
                            run.text,
                            font=run.font,
                            fill=run.colour,
                            anchor="ls",
                            stroke_width=1 if run.bold else 0,
                            stroke_fill=run.colour,
                        )
                        x += run.width
                self.y += size * 1.55
        self.y += 2

    def _rows(
        self, line: str, looks: Sequence[tuple[str, bool]], size: int, room: float
    ) -> Iterator[list[_Run]]:
        """Break a line where it is full: at spaces for words, anywhere between Chinese characters."""
        row: list[_Run] = []
        used = 0.0
        for word, begin in _words(line):
            runs = list(self._runs(word, looks[begin : begin + len(word)], size))
            width = sum(run.width for run in runs)
            if used and used + width > room:
                yield row
                row, used = [], 0.0
                if word == " ":
                    continue
            for run in runs:
                if width > room and run.width > room - used:
                    for character in run.text:
                        wide = run.font.getlength(character)
                        if used and used + wide > room:
                            yield row
                            row, used = [], 0.0
                        row.append(run._replace(text=character, width=wide))
                        used += wide
                    continue
                row.append(run)
                used += run.width
        yield row

    def _runs(self, text: str, looks: Sequence[tuple[str, bool]], size: int) -> Iterator[_Run]:
        start = 0
        keys = [
            (_font_of("□" if character in self.boxes else character), look)
            for character, look in zip(text, looks, strict=True)
        ]
        for index in range(1, len(text) + 1):
            if index < len(text) and keys[index] == keys[start]:
                continue
            part = "".join("□" if one in self.boxes else one for one in text[start:index])
            font = _loaded(keys[start][0], size)
            colour, bold = keys[start][1]
            yield _Run(part, font, colour, bold, font.getlength(part))
            start = index


def _words(line: str) -> Iterator[tuple[str, int]]:
    """Give what must not be broken, with its place: words of letters, single characters otherwise."""
    start = 0
    for index, character in enumerate(line):
        if character == " " or character >= "\u2e80":
            if start < index:
                yield line[start:index], start
            yield character, index
            start = index + 1
    if start < len(line):
        yield line[start:], start


def _styles(shown: Shown) -> list[tuple[str, bool]]:
    colours = [_INK] * len(shown.text)
    bold = [False] * len(shown.text)
    for entity in shown.entities:
        for index in range(entity.offset, min(entity.offset + entity.length, len(shown.text))):
            if entity.kind in _LINKS:
                colours[index] = _ACCENT
            elif entity.kind is EntityKind.BOLD:
                bold[index] = True
    return list(zip(colours, bold, strict=True))
