"""Fonts for pictures: what is shipped, what the user names, what the machine has, and what they can draw."""

from __future__ import annotations

import io
import os
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from shequn_sdk.errors import ConfigError, MissingGlyphs
from shequn_sdk.reports._extra import need

__all__ = ["SHIPPED", "check_glyphs", "coverage", "find_fonts", "font_directories", "uncovered", "web_font"]

SHIPPED = Path(__file__).parent / "fonts"
"""Directory of the font that comes with the package: GB 2312, Latin, punctuation."""

_SHIPPED_FONT = SHIPPED / "ShequnSansSC-Regular.otf"
_SYSTEM = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/Library/Fonts",
    "C:/Windows/Fonts",
)
_SUFFIXES = {".otf", ".ttf", ".ttc", ".otc"}
_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me"}


def named_font() -> Path | None:
    """Give the font file or directory that `SHEQUN_FONT` names; raise `ConfigError` when it is not there."""
    name = os.environ.get("SHEQUN_FONT", "").strip()
    if not name:
        return None
    path = Path(name).expanduser()
    if not path.exists():
        raise ConfigError(
            f"SHEQUN_FONT names {name!r}, which does not exist; name a font file or a directory"
        )
    return path


def font_directories() -> list[Path]:
    """Give the directories to register with the renderer, the shipped one first."""
    named = named_font()
    extra = [] if named is None else [named if named.is_dir() else named.parent]
    return [SHIPPED, *extra]


def find_fonts() -> Iterator[Path]:
    """Give font files in order of preference: shipped, named, system; CJK families first among the system's."""
    yield from sorted(SHIPPED.glob("*.otf"))
    named = named_font()
    if named is not None:
        yield from _fonts_in(named) if named.is_dir() else iter((named,))
    system = [font for directory in _SYSTEM for font in _fonts_in(Path(directory).expanduser())]
    wanted = ("cjk", "wqy", "pingfang", "msyh", "hei", "song", "noto", "dejavu")
    yield from sorted(system, key=lambda font: not any(part in font.name.lower() for part in wanted))


def _fonts_in(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from sorted(path for path in directory.rglob("*") if path.suffix.lower() in _SUFFIXES)


@lru_cache(maxsize=256)
def coverage(font: Path) -> frozenset[int]:
    """Give the code points that a font file can draw; an unreadable file draws none."""
    library: Any = need("fontTools.ttLib")
    try:
        with font.open("rb") as file:
            if font.suffix.lower() in {".ttc", ".otc"}:
                faces = library.TTCollection(file, lazy=True).fonts
            else:
                faces = [library.TTFont(file, lazy=True)]
            return frozenset(code for face in faces for code in (face.getBestCmap() or {}))
    except (OSError, library.TTLibError, AssertionError, KeyError, ValueError):
        return frozenset()


def uncovered(text: Iterable[str], *, fonts: Iterable[Path] | None = None) -> str:
    """Give the characters that no font draws, without those that draw nothing anyway."""
    missing = {char for part in text for char in part if unicodedata.category(char) not in _INVISIBLE}
    for font in find_fonts() if fonts is None else fonts:
        if not missing:
            break
        drawn = coverage(font)
        missing = {char for char in missing if ord(char) not in drawn}
    return "".join(sorted(missing))


def check_glyphs(text: Iterable[str], *, fonts: Iterable[Path] | None = None) -> str:
    """Give the symbols (emoji and the like) that no font draws; raise `MissingGlyphs` for letters and digits.

    The renderer draws an empty box without saying so. A name's letters carry meaning, so a picture without them
    is refused; an emoji is an ornament, which the caller replaces by a visible box.
    """
    missing = uncovered(text, fonts=fonts)
    letters = "".join(char for char in missing if unicodedata.category(char)[0] in "LNP")
    if letters:
        shown = letters if len(letters) <= 20 else f"{letters[:20]}…"
        raise MissingGlyphs(
            f"no font here draws {shown!r}, so the pictures would show empty boxes. Install a full font "
            "(Debian and Ubuntu: apt-get install fonts-noto-cjk or fonts-wqy-microhei, and fonts-noto-core for other "
            "scripts), or set SHEQUN_FONT to a font file that has them. The page, CSV and Markdown do not need it.",
            characters=letters,
        )
    return missing


def web_font(text: str) -> bytes:
    """Give a font file with just the East Asian characters of a text; empty when there are none."""
    wanted = {ord(char) for char in text if char >= "\u2e80"} & coverage(_SHIPPED_FONT)
    if not wanted:
        return b""
    subset: Any = need("fontTools.subset")
    options = subset.Options(hinting=False, layout_features=[], glyph_names=False, notdef_outline=True)
    out = io.BytesIO()
    with subset.load_font(str(_SHIPPED_FONT), options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=wanted)
        subsetter.subset(font)
        font.save(out)
    return out.getvalue()
