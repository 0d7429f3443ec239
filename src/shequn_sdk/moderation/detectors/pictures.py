"""Codes in pictures: what a QR code says is judged like a message. Needs the extra `qr`."""

from __future__ import annotations

import io
from typing import Any

from shequn_sdk.errors import MissingExtra

__all__ = ["read_codes"]

_MOST_BYTES = 20 * 1024 * 1024
_MOST_PIXELS = 40_000_000


def read_codes(picture: bytes) -> list[str]:
    """Give the texts of the QR codes and bar codes in a picture; none for what is no picture.

    Pictures of more than 20 MB or 40 megapixels are not opened.

    Raises:
        MissingExtra: the extra `qr` is not installed.
    """
    try:
        import zxingcpp  # noqa: PLC0415 - the extra `qr`
        from PIL import Image  # noqa: PLC0415 - the extra `qr`
    except ImportError:
        raise MissingExtra("codes in pictures need a reader", "qr") from None
    if len(picture) > _MOST_BYTES:
        return []
    reader: Any = zxingcpp
    try:
        with Image.open(io.BytesIO(picture)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return []
            found = reader.read_barcodes(image.convert("L"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []
    return [str(one.text)[:4000] for one in found if one.text]
