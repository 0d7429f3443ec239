"""WordPress's error codes, and what they mean.

An error is `{"code": …, "message": …, "data": {"status": …}}`; codes are those of the REST controllers of WordPress 6.
What is no such object comes from something in front of WordPress: a firewall, a proxy, a wrong address.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, cast

from shequn_sdk.errors import (
    AuthFailed,
    Conflict,
    ContentRejected,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.http import HttpResponse
from shequn_wordpress.manifest import PLATFORM

__all__ = ["GONE", "checker", "error_of"]

GONE = frozenset({"rest_post_invalid_id", "rest_comment_invalid_id", "rest_already_trashed"})
"""What says that a post or comment is not there; a 404 of something in front of WordPress says nothing of the kind."""
_RIGHTS = "the user lacks a right; give the account a user who may do it (an editor or author)"
_LOGIN = (
    "the application password or the user name is wrong or revoked: make a new one under Users → Profile → Application "
    "Passwords, and look whether the server passes the Authorization header on"
)
_ERRORS: Mapping[str, tuple[type[PlatformError], str]] = MappingProxyType(
    {
        "incorrect_password": (AuthFailed, _LOGIN),
        "invalid_username": (AuthFailed, _LOGIN),
        "invalid_email": (AuthFailed, _LOGIN),
        "rest_not_logged_in": (AuthFailed, _LOGIN),
        "application_passwords_disabled": (AuthFailed, "the site allows no application passwords"),
        "application_passwords_disabled_for_user": (AuthFailed, "the user may have no application passwords"),
        "rest_cannot_create": (PermissionDenied, _RIGHTS),
        "rest_cannot_publish": (
            PermissionDenied,
            "the user may write drafts only; set option status to draft or pending",
        ),
        "rest_cannot_edit": (PermissionDenied, _RIGHTS),
        "rest_cannot_edit_others": (PermissionDenied, _RIGHTS),
        "rest_cannot_delete": (PermissionDenied, _RIGHTS),
        "rest_cannot_read": (PermissionDenied, _RIGHTS),
        "rest_cannot_read_post": (PermissionDenied, _RIGHTS),
        "rest_user_cannot_delete_post": (PermissionDenied, _RIGHTS),
        "rest_cannot_assign_term": (PermissionDenied, "the user may not put posts into that category"),
        "rest_cannot_assign_sticky": (PermissionDenied, _RIGHTS),
        "rest_invalid_author": (InvalidContent, "there is no such author"),
        "rest_invalid_featured_media": (InvalidContent, "there is no such picture; upload it again"),
        "rest_forbidden": (PermissionDenied, _RIGHTS),
        "rest_forbidden_context": (PermissionDenied, _RIGHTS),
        "rest_forbidden_status": (PermissionDenied, _RIGHTS),
        "rest_comment_closed": (PermissionDenied, "comments under the post are closed"),
        "rest_comment_draft_post": (PermissionDenied, "a draft takes no comments; publish it first"),
        "rest_comment_trash_post": (TargetNotFound, "the post is in the bin"),
        "rest_comment_login_required": (AuthFailed, _LOGIN),
        "rest_post_invalid_id": (TargetNotFound, "there is no such post"),
        "rest_comment_invalid_id": (TargetNotFound, "there is no such comment"),
        "rest_comment_invalid_post_id": (TargetNotFound, "there is no such post to comment on"),
        "rest_term_invalid": (TargetNotFound, "there is no such category"),
        "rest_post_invalid_parent": (TargetNotFound, "there is no such post"),
        "rest_already_trashed": (TargetNotFound, "it is in the bin already"),
        "rest_no_route": (
            TargetNotFound,
            "the site has no such interface; look whether base_url is the site's address",
        ),
        "rest_trash_not_supported": (Conflict, "the site has no bin"),
        "comment_duplicate": (Conflict, "the same comment stands there already"),
        "comment_flood": (RateLimited, "comments come too quickly; wait some seconds"),
        "comment_content_column_length": (InvalidContent, "the comment is too long"),
        "rest_comment_content_invalid": (InvalidContent, "the comment is empty"),
        "rest_comment_failed_create": (Unavailable, "WordPress could not keep the comment"),
        "rest_invalid_param": (InvalidContent, "WordPress does not take a value"),
        "rest_missing_callback_param": (InvalidContent, "WordPress lacks a value"),
        "empty_content": (InvalidContent, "a post needs a title, a text or an excerpt"),
        "rest_upload_no_data": (InvalidContent, "the file is empty"),
        "rest_upload_file_too_big": (
            InvalidContent,
            "the file is larger than the site takes; lower option upload_bytes",
        ),
        "rest_upload_user_quota_exceeded": (ContentRejected, "the user may upload no more files"),
        "rest_upload_limited_space": (ContentRejected, "the site has no space left for files"),
        "rest_upload_sideload_error": (ContentRejected, "the site does not take such a file"),
        "rest_upload_image_type_not_supported": (ContentRejected, "the site cannot process such a picture"),
    }
)
_BY_STATUS: Mapping[int, tuple[type[PlatformError], str]] = MappingProxyType(
    {
        401: (AuthFailed, _LOGIN),
        403: (PermissionDenied, _RIGHTS),
        404: (TargetNotFound, "it is not there; look whether base_url is the site's address"),
        409: (Conflict, "the state does not allow it"),
        410: (TargetNotFound, "it is gone"),
        413: (InvalidContent, "the request is larger than the host takes; lower option upload_bytes"),
    }
)


def checker(redact: Callable[[str], str]) -> Callable[[HttpResponse], None]:
    """Give the function that raises what a bad answer means."""

    def check(response: HttpResponse) -> None:
        error = error_of(response, redact)
        if error is not None:
            raise error

    return check


def error_of(response: HttpResponse, redact: Callable[[str], str]) -> PlatformError | None:
    """Give the error that an answer means; None for a good one."""
    operation = response.operation
    if response.status < 300:
        return None
    if response.status < 400:
        return _moved(response, redact)
    body = _body(response.body)
    code = str(body.get("code") or "")[:100]
    said = redact(" ".join(str(body.get("message") or "").split())[:200])
    if response.status == 429:
        return _limited(response, operation)
    known = _ERRORS.get(code)
    if known is not None and known[0] is RateLimited:
        return RateLimited(
            f"wordpress refused {operation}: {known[1]}",
            retry_after=timedelta(seconds=15),
            scope="account",
            platform=PLATFORM,
            operation=operation,
            code=code,
        )
    if known is None and (response.status >= 500 or response.status in {408, 425}):
        # PHP may have done it before it failed
        return Unavailable(
            f"wordpress failed at {operation} with HTTP {response.status} {code}".rstrip()
            + "; try again later",
            platform=PLATFORM,
            operation=operation,
            code=code or response.status,
            landed=Landing.PERHAPS,
        )
    kind, advice = known or _BY_STATUS.get(response.status, (InvalidContent, "WordPress refused it"))
    told = f" ({said})" if said else ""
    return kind(
        f"wordpress refused {operation}: {advice}{told}",
        platform=PLATFORM,
        operation=operation,
        code=code or response.status,
    )


def _moved(response: HttpResponse, redact: Callable[[str], str]) -> PlatformError:
    """Give the error of a redirect, which is not followed: it could take the password elsewhere."""
    target = redact(response.headers.get("location", ""))[:200] or "another address"
    return TargetNotFound(
        f"wordpress was asked for {response.operation} and sends to {target}; set base_url to the site's own address "
        "(https, with or without www)",
        platform=PLATFORM,
        operation=response.operation,
        code=response.status,
    )


def _limited(response: HttpResponse, operation: str) -> RateLimited:
    wait = _seconds(response.headers.get("retry-after", ""), response.headers.get("date", ""))
    return RateLimited(
        f"the host of the site asks to wait before {operation}",
        retry_after=None if wait is None else timedelta(seconds=min(max(wait, 0.0), 86400.0)),
        scope="account",
        platform=PLATFORM,
        operation=operation,
        code=429,
    )


def _body(data: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _seconds(value: str, date: str) -> float | None:
    """Read Retry-After, which is seconds or an instant; that is reckoned from the answer's own date."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):
        return None
