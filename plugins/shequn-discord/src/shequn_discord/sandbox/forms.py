"""Refusals of the sandbox in Discord's shapes, and the checks that make form errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shequn_discord.snowflake import parse_time

__all__ = ["ApiError", "Form", "forbidden", "missing_access", "unknown"]

_UNKNOWN = {
    10002: "Unknown Application",
    10003: "Unknown Channel",
    10004: "Unknown Guild",
    10006: "Unknown Invite",
    10007: "Unknown Member",
    10008: "Unknown Message",
    10009: "Unknown Permission Overwrite",
    10011: "Unknown Role",
    10013: "Unknown User",
    10014: "Unknown Emoji",
    10015: "Unknown Webhook",
    10026: "Unknown Ban",
    10029: "Unknown SKU",
    10062: "Unknown interaction",
    10063: "Unknown application command",
    10070: "Unknown Guild Scheduled Event",
    10094: "Unknown Auto Moderation rule",
}


class ApiError(Exception):
    """A refusal: status, code, message and, for forms, the tree of errors."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        errors: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"message": message, "code": code, **(extra or {})}
        if errors:
            self.body["errors"] = dict(errors)


def unknown(code: int) -> ApiError:
    """Give the 404 of a thing that is not there."""
    return ApiError(400 if code == 10014 else 404, code, _UNKNOWN[code])


def forbidden() -> ApiError:
    """Give the 403 of a missing permission."""
    return ApiError(403, 50013, "Missing Permissions")


def missing_access() -> ApiError:
    """Give the 403 of a place that cannot be seen."""
    return ApiError(403, 50001, "Missing Access")


class Form:
    """Collects the errors of one JSON body; `done` raises them."""

    def __init__(self, body: Any) -> None:
        if not isinstance(body, Mapping):
            raise ApiError(
                400,
                50035,
                "Invalid Form Body",
                errors={
                    "_errors": [
                        {
                            "code": "MODEL_TYPE_CONVERT",
                            "message": "Only dictionaries may be used in a ModelType",
                        }
                    ]
                },
            )
        self.body: dict[str, Any] = dict(body)
        self.errors: dict[str, Any] = {}

    def fail(self, path: str, code: str, message: str) -> None:
        """Add an error at a dotted path."""
        place = self.errors
        for part in path.split("."):
            place = place.setdefault(part, {})
        place.setdefault("_errors", []).append({"code": code, "message": message})

    def done(self) -> dict[str, Any]:
        """Give the body.

        Raises:
            ApiError: 50035, when anything failed.
        """
        if self.errors:
            raise ApiError(400, 50035, "Invalid Form Body", errors=self.errors)
        return self.body

    def text(
        self,
        value: Any,
        path: str,
        *,
        maximum: int,
        minimum: int = 0,
        required: bool = False,
        nullable: bool = True,
        strip: bool = True,
    ) -> str | None:
        """Check a text; length counts code points without surrounding white space."""
        if value is None:
            if required:
                self.fail(path, "BASE_TYPE_REQUIRED", "This field is required")
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.fail(path, "STRING_TYPE_CONVERT", "Could not interpret value as string.")
            return None
        text = str(value)
        length = len(text.strip()) if strip else len(text)
        if required and minimum and length == 0:
            self.fail(path, "BASE_TYPE_REQUIRED", "This field is required")
        elif minimum and not minimum <= length <= maximum:
            self.fail(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {minimum} and {maximum} in length.")
        elif length > maximum:
            self.fail(path, "BASE_TYPE_MAX_LENGTH", f"Must be {maximum} or fewer in length.")
        return text

    def number(
        self,
        value: Any,
        path: str,
        *,
        low: int,
        high: int,
        default: int | None = None,
        required: bool = False,
    ) -> int | None:
        """Check a whole number."""
        if value is None:
            if required:
                self.fail(path, "BASE_TYPE_REQUIRED", "This field is required")
            return default
        try:
            if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
                raise TypeError  # noqa: TRY301 - same answer as for text
            number = int(value)
        except (TypeError, ValueError):
            self.fail(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
            return default
        if number > high:
            self.fail(path, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {high}.")
        elif number < low:
            self.fail(path, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {low}.")
        return number

    def choice(
        self,
        value: Any,
        path: str,
        options: Sequence[int],
        *,
        default: int | None = None,
        required: bool = False,
    ) -> int | None:
        """Check one of some numbers."""
        number = self.number(value, path, low=-(2**53), high=2**53, default=default, required=required)
        if value is not None and number is not None and number not in options:
            allowed = ", ".join(map(str, options))
            self.fail(
                path,
                "BASE_TYPE_CHOICES",
                f"Value must be one of ({allowed}{',' if len(options) == 1 else ''}).",
            )
        return number

    def snowflake(self, value: Any, path: str, *, required: bool = False) -> str | None:
        """Check an id, given as text or number."""
        if value is None:
            if required:
                self.fail(path, "BASE_TYPE_REQUIRED", "This field is required")
            return None
        text = str(value)
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,20}", text):
            self.fail(path, "NUMBER_TYPE_COERCE", f'Value "{text[:100]}" is not snowflake.')
            return None
        return text

    def items(self, value: Any, path: str, *, maximum: int, minimum: int = 0) -> list[Any]:
        """Check a list."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []
        if minimum and not minimum <= len(value) <= maximum:
            self.fail(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {minimum} and {maximum} in length.")
        elif len(value) > maximum:
            self.fail(path, "BASE_TYPE_MAX_LENGTH", f"Must be {maximum} or fewer in length.")
        return value

    def instant(self, value: Any, path: str, *, required: bool = False) -> datetime | None:
        """Check an ISO 8601 instant."""
        if value is None:
            if required:
                self.fail(path, "BASE_TYPE_REQUIRED", "This field is required")
            return None
        try:
            return parse_time(str(value))
        except ValueError:
            self.fail(path, "DATE_TIME_TYPE_PARSE", f"Could not parse {str(value)[:50]}. Should be ISO8601.")
            return None

    def url(
        self, value: Any, path: str, *, schemes: Sequence[str] = ("http", "https"), required: bool = False
    ) -> None:
        """Check an address."""
        text = self.text(value, path, maximum=2048, required=required)
        if text and not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            scheme = text.partition(":")[0][:40]
            if "://" in text:
                self.fail(
                    path,
                    "URL_TYPE_INVALID_SCHEME",
                    f'Scheme "{scheme}" is not supported. Scheme must be one of ({", ".join(map(repr, schemes))}).',
                )
            else:
                self.fail(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
