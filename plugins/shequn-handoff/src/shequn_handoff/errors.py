"""From the desk's HTTP answers to the typed tree: one table."""

from __future__ import annotations

from datetime import timedelta

from shequn_sdk.errors import (
    AuthFailed,
    Conflict,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.http import HttpResponse

__all__ = ["error_of", "refuse"]

_PLATFORM = "handoff"
_BY_STATUS: dict[int, tuple[type[PlatformError], str]] = {
    400: (
        InvalidContent,
        "the task has another form than this version of the desk takes; update both to one version",
    ),
    401: (AuthFailed, "the token is wrong; copy it from where the desk runs"),
    403: (PermissionDenied, "the desk is asked under a host name that it does not serve"),
    404: (TargetNotFound, "the desk has no such task; look whether its folder is the one of before"),
    409: (Conflict, "the task has its result already"),
    413: (InvalidContent, "the files are larger than the desk takes; make them smaller"),
    507: (Unavailable, "the desk's disk is full; make room, then try again"),
}


def refuse(why: str, *, operation: str = "tasks/create") -> InvalidContent:
    """Make the error of content that cannot be handed over."""
    return InvalidContent(f"handoff: {why}", platform=_PLATFORM, operation=operation)


def error_of(response: HttpResponse) -> PlatformError | None:
    """Give the error that an answer means, None for a success."""
    status, operation = response.status, response.operation
    if status < 300:
        return None
    if status == 429:
        try:
            wait = timedelta(seconds=float(response.headers["retry-after"]))
        except (KeyError, ValueError, OverflowError):
            wait = None
        return RateLimited(
            f"handoff: the desk asks to wait before {operation}",
            retry_after=wait,
            scope="account",
            platform=_PLATFORM,
            operation=operation,
            code=status,
        )
    found = _BY_STATUS.get(status)
    if found is not None:
        kind, todo = found
        return kind(
            f"handoff: the desk refused {operation}: {todo}",
            platform=_PLATFORM,
            operation=operation,
            code=status,
            landed=Landing.SURELY_NOT,
        )
    return Unavailable(
        f"handoff: the desk answered {operation} with HTTP {status}; look whether base_url is the desk's",
        platform=_PLATFORM,
        operation=operation,
        code=status,
        landed=Landing.PERHAPS if status >= 500 else Landing.SURELY_NOT,
    )
