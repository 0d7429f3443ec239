"""Parameters of a call, in each of the four ways in which clients pass them."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from shequn_telegram.sandbox.refusal import bad

__all__ = ["Parameters", "Upload", "read_parameters"]

_MAX_PART = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file."""

    filename: str
    data: bytes
    content_type: str


@dataclass(slots=True)
class Parameters:
    """Values by name; nested ones may be objects (JSON body) or JSON text (all other ways)."""

    values: dict[str, Any]
    files: dict[str, Upload] = field(default_factory=dict[str, Upload])

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) not in {None, ""} if not self._nested(name) else True

    def _nested(self, name: str) -> bool:
        return isinstance(self.values.get(name), dict | list)

    def text(self, name: str) -> str:
        """Give text, "" when it is missing."""
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, str) else str(value)

    def integer(self, name: str) -> int | None:
        """Give a number; None when it is missing or no number, as the real server takes it for missing."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, int):
            return value
        if isinstance(value, float):
            return int(value) if math.isfinite(value) else None
        if isinstance(value, str):
            try:
                return int(value.strip())
            except ValueError:
                return None
        return None

    def flag(self, name: str) -> bool:
        """Give a boolean, False when it is missing."""
        value = self.values.get(name)
        return value is True or str(value).strip().lower() in {"true", "1", "yes"}

    def nested(self, name: str) -> Any:
        """Give an object or array, None when it is missing or empty.

        Raises:
            Refused: it is no JSON.
        """
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            what = {"reply_markup": "reply keyboard markup JSON object", "media": "media JSON object"}
            raise bad(f"can't parse {what.get(name, f'{name} JSON object')}") from None


async def read_parameters(query: bytes, headers: Mapping[bytes, bytes], body: bytes) -> Parameters:
    """Read query string and body.

    Raises:
        Refused: the body cannot be read.
    """
    values: dict[str, Any] = (
        dict(parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True)) if query else {}
    )
    if not body:
        return Parameters(values)
    full_type = headers.get(b"content-type", b"").decode("latin-1")
    content_type = full_type.partition(";")[0].strip().lower()
    if content_type == "application/json":
        try:
            decoded = json.loads(body)
        except (ValueError, RecursionError):
            raise bad("can't parse JSON object") from None
        if not isinstance(decoded, dict):
            raise bad("can't parse JSON object")
        values.update(decoded)
        return Parameters(values)
    if content_type == "application/x-www-form-urlencoded":
        try:
            values.update(parse_qsl(body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            raise bad("strings must be encoded in UTF-8") from None
        return Parameters(values)
    if content_type == "multipart/form-data":
        return await _multipart(values, full_type, body)
    return Parameters(values)


async def _multipart(values: dict[str, Any], content_type: str, body: bytes) -> Parameters:
    from starlette.datastructures import Headers  # noqa: PLC0415 - needed for uploads only

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        Headers({"content-type": content_type}),
        stream(),
        max_files=100,
        max_fields=1000,
        max_part_size=_MAX_PART,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError):
        raise bad("can't parse multipart/form-data") from None
    files: dict[str, Upload] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            data = await value.read()
            files[name] = Upload(
                value.filename or name, data, value.content_type or "application/octet-stream"
            )
        else:
            values[name] = value
    await form.close()
    return Parameters(values, files)
