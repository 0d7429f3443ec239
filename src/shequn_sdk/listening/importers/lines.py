"""Lines of text files with exact byte positions, whatever the encoding and however long a line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shequn_sdk.errors import InvalidInput

__all__ = ["Line", "detect_encoding", "head_of", "lines"]

_CHUNK = 1 << 20
_SAMPLE = 1 << 16


@dataclass(slots=True)
class Line:
    """One line without its end; `data` is None when it was too long."""

    number: int
    """From 1."""
    end: int
    """Byte offset of what follows it."""
    data: bytes | None
    """In the file's encoding, but UTF-16 comes as UTF-8."""


def head_of(source: Path, size: int = _SAMPLE) -> bytes:
    """Give the first bytes of a file.

    Raises:
        InvalidInput: it cannot be read.
    """
    try:
        with source.open("rb") as file:
            return file.read(size)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{source.name!r} cannot be read: {error}", source=source.name) from error


def detect_encoding(source: Path, wanted: str | None) -> str:
    """Give the encoding of a text file: as wanted, or by its mark and its first 64 KiB.

    Raises:
        InvalidInput: there is no such encoding, or the file is none of UTF-8, UTF-16 with a mark, GB18030.
    """
    if wanted is not None:
        try:
            name = codecs.lookup(wanted).name
        except (LookupError, ValueError) as error:
            raise InvalidInput(f"no encoding named {wanted!r}: try utf-8, gb18030 or utf-16") from error
        head = head_of(source, 2)
        if name == "utf-16":
            return "utf-16-be" if head == codecs.BOM_UTF16_BE else "utf-16-le"
        if name.startswith(("utf-32", "utf-7")):
            raise InvalidInput(f"encoding {wanted!r} is not supported: convert the file to UTF-8")
        return "utf-8" if name == "utf-8-sig" else name
    head = head_of(source)
    if head.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if head.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    # a text whose every second byte is NUL is UTF-16 without its mark
    if len(head) >= 4 and not any(head[1:64:2]) and all(head[0:64:2]):
        return "utf-16-le"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
    except UnicodeDecodeError as wrong:
        bad = wrong.start
    else:
        return "utf-8"
    try:
        codecs.getincrementaldecoder("gb18030")().decode(head)
    except UnicodeDecodeError:
        # A file that is UTF-8 but for some broken lines is read as such; the broken lines are counted.
        if bad > 0 or b"\n" in head:
            return "utf-8"
        raise InvalidInput(
            f"{source.name} is neither UTF-8, UTF-16 nor GB18030 text: name its encoding", source=source.name
        ) from None
    return "gb18030"


def _bom(encoding: str) -> bytes:
    return {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(
        encoding, b""
    )


def lines(
    source: Path, *, encoding: str, offset: int = 0, number: int = 0, max_line: int = 1 << 20
) -> Iterator[Line]:
    """Give the lines from `offset` on, of which `number` stand before it. Memory is bounded by `max_line`.

    Raises:
        InvalidInput: the file cannot be read.
    """
    wide = encoding.startswith("utf-16")
    decoder = codecs.getincrementaldecoder(encoding)("replace") if wide else None
    try:
        with source.open("rb") as file:
            if offset == 0:
                mark = _bom(encoding)
                offset = len(mark) if mark and file.read(len(mark)) == mark else 0
            file.seek(offset)
            rest = b""
            too_long = False
            while True:
                chunk = file.read(_CHUNK)
                if decoder is not None:
                    data = decoder.decode(chunk, final=not chunk).encode("utf-8", "surrogatepass")
                else:
                    data = chunk
                parts = data.split(b"\n")
                parts[0] = rest + parts[0]
                rest = parts.pop()
                for part in parts:
                    number += 1
                    offset += _width(part, encoding) + 2 if wide else len(part) + 1
                    if too_long or len(part) > max_line:
                        too_long = False
                        yield Line(number, offset, None)
                    else:
                        yield Line(number, offset, part)
                if len(rest) > max_line:
                    # Drop what was read of an endless line, but count its bytes.
                    too_long = True
                    offset += _width(rest, encoding) if wide else len(rest)
                    rest = b""
                if not chunk:
                    break
            if rest or too_long:
                number += 1
                offset += _width(rest, encoding) if wide else len(rest)
                yield Line(number, offset, None if too_long or len(rest) > max_line else rest)
    except OSError as error:
        raise InvalidInput(f"{source.name} cannot be read: {error.strerror}", source=source.name) from error


def _width(data: bytes, encoding: str) -> int:
    return len(data.decode("utf-8", "surrogatepass").encode(encoding, "surrogatepass"))
