"""How the Bot API says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Refused", "bad", "forbidden", "too_many"]


class Refused(Exception):
    """An answer with `ok: false`."""

    def __init__(self, status: int, description: str, parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def bad(text: str, parameters: Mapping[str, Any] | None = None) -> Refused:
    """Give a 400; its prefix is added."""
    return Refused(400, f"Bad Request: {text}", parameters)


def forbidden(text: str) -> Refused:
    """Give a 403."""
    return Refused(403, f"Forbidden: {text}")


def too_many(seconds: int) -> Refused:
    """Give a 429 that asks to wait."""
    return Refused(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})
