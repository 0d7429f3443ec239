"""What the bytes of a file say it is, and pictures without what they tell about the camera and the place.

Nothing is decoded here: metadata is cut out of JPEG, PNG and WebP files as they are, without loss.
"""

from __future__ import annotations

import struct
import zlib

from shequn_sdk.errors import InvalidInput

__all__ = ["sniff", "without_metadata"]

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
)
_ORIENTATION = 0x0112


def sniff(data: bytes) -> str:
    """Give the MIME type that the first bytes show; "" when they show none that is known here."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    for offset, magic, mime in _MAGIC:
        if data[offset : offset + len(magic)] == magic:
            return mime
    return ""


def without_metadata(data: bytes) -> tuple[bytes, bool]:
    """Give a JPEG, PNG or WebP file without EXIF, GPS, XMP, IPTC and comments, and whether any was there.

    Colours stay right: the ICC profile is kept. How the picture is to be turned is kept as well, in an EXIF block that
    holds nothing else.

    Raises:
        InvalidInput: the file is broken.
    """
    kind = sniff(data)
    try:
        if kind == "image/jpeg":
            return _jpeg(data)
        if kind == "image/png":
            return _png(data)
        if kind == "image/webp":
            return _webp(data)
    except (struct.error, IndexError) as error:
        raise InvalidInput("the picture's file is broken off; save it again") from error
    return data, False


def _exif_of(orientation: int) -> bytes:
    """Give the smallest EXIF block that holds an orientation."""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    return b"MM\x00*" + struct.pack(">I", 8) + struct.pack(">H", 1) + entry + struct.pack(">I", 0)


def _orientation(exif: bytes) -> int:
    """Read the orientation of an EXIF block; 1 when it has none or cannot be read."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    if first + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(f"{order}H", exif, first)
    for number in range(min(count, 512)):
        at = first + 2 + 12 * number
        if at + 12 > len(exif):
            break
        tag, kind = struct.unpack_from(f"{order}HH", exif, at)
        if tag == _ORIENTATION and kind == 3:
            (value,) = struct.unpack_from(f"{order}H", exif, at + 8)
            return value if 1 <= value <= 8 else 1
    return 1


def _jpeg(data: bytes) -> tuple[bytes, bool]:
    out = [data[:2]]
    at, found, orientation = 2, False, 1
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in {0xDA, 0xD9}:  # the picture itself, or its end
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise InvalidInput("the JPEG file is broken off; save it again")
        body = data[at + 4 : end]
        if marker == 0xE1 and body[:6] == b"Exif\x00\x00":
            orientation = _orientation(body[6:])
            found = True
        elif marker in {0xE1, 0xED, 0xFE}:  # XMP, IPTC, comment
            found = True
        else:
            out.append(data[at:end])
        at = end
    if not found:
        return data, False
    if orientation != 1:
        exif = b"Exif\x00\x00" + _exif_of(orientation)
        out.insert(1, b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
    return b"".join((*out, data[at:])), True


def _png(data: bytes) -> tuple[bytes, bool]:
    out = [data[:8]]
    at, found, orientation = 8, False, 1
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise InvalidInput("the PNG file is broken off; save it again")
        if kind == b"eXIf":
            orientation = _orientation(data[at + 8 : at + 8 + length])
            found = True
        elif kind in {b"tEXt", b"zTXt", b"iTXt", b"tIME"}:
            found = True
        else:
            out.append(data[at:end])
        at = end
        if kind == b"IEND":
            break
    if not found:
        return data, False
    if orientation != 1:
        body = b"eXIf" + _exif_of(orientation)
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        out.insert(2, chunk)  # behind the header chunk
    return b"".join(out), True


def _webp(data: bytes) -> tuple[bytes, bool]:
    out: list[bytes] = []
    at, found, orientation = 12, False, 1
    while at + 8 <= len(data):
        kind = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        end = at + 8 + length + (length & 1)
        if at + 8 + length > len(data):
            raise InvalidInput("the WebP file is broken off; save it again")
        if kind == b"EXIF":
            exif = data[at + 8 : at + 8 + length]
            orientation = _orientation(exif.removeprefix(b"Exif\x00\x00"))
            found = True
        elif kind == b"XMP ":
            found = True
        else:
            out.append(data[at:end])
        at = end
    if not found:
        return data, False
    if out and out[0][:4] == b"VP8X":
        flags = out[0][8] & ~0x0C
        if orientation != 1:
            flags |= 0x08
        out[0] = out[0][:8] + bytes([flags]) + out[0][9:]
    if orientation != 1:
        exif = _exif_of(orientation)
        out.append(b"EXIF" + struct.pack("<I", len(exif)) + exif)
    body = b"WEBP" + b"".join(out)
    return b"RIFF" + struct.pack("<I", len(body)) + body, True
