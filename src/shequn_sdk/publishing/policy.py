"""Pure decisions of the dispatcher: what an outcome makes of a row. No I/O, no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shequn_sdk.domain import LatePolicy, OnUnknown
from shequn_sdk.errors import Landing, PlatformError, RateLimited, ShequnError
from shequn_sdk.platforms.manifest import Idempotency, Manifest
from shequn_sdk.publishing.following import is_comment
from shequn_sdk.publishing.rows import Row

__all__ = [
    "DeliveryOptions",
    "after_failure",
    "after_unknown",
    "backoff",
    "is_late",
    "landed",
    "replanned",
    "us",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """Times and numbers of the delivery; the defaults fit the platforms we know."""

    lease: timedelta = timedelta(seconds=20)
    """How long a worker may be silent. Below 30 s, so that Discord still knows a nonce when the next worker repeats."""
    request_timeout: timedelta = timedelta(seconds=60)
    """Longest time of one request; after it the delivery is unknown."""
    max_attempts: int = 8
    """Requests that surely did not land, after which the delivery is refused."""
    backoff_first: timedelta = timedelta(seconds=1)
    backoff_most: timedelta = timedelta(minutes=10)
    hold: timedelta = timedelta(seconds=5)
    """Longest wait for a limit during which a worker keeps its claim; for longer ones the row goes back."""
    max_checks: int = 6
    """Look-ups of an unknown that fail, after which it is held for a person."""
    confirm_poll: timedelta = timedelta(minutes=10)
    """How often to ask how far a person has come."""
    remind_at: tuple[float, ...] = (0.5, 0.9)
    """When to remind a person, as shares of the time until the deadline."""


def us(span: timedelta) -> int:
    """Give microseconds."""
    return span // timedelta(microseconds=1)


def backoff(attempt: int, options: DeliveryOptions) -> int:
    """Give the microseconds to wait after the `attempt`-th failure: doubling, capped."""
    return min(us(options.backoff_most), us(options.backoff_first) * 2 ** min(max(attempt - 1, 0), 30))


def is_late(row: Row, now: int) -> bool:
    """Whether a row that was never attempted is later than its policy allows."""
    if row.attempts or row.attempted_at is not None:
        return False
    late = LatePolicy(row.late)
    if late is LatePolicy.SEND:
        return row.grace is not None and now - row.due > row.grace
    return now - row.due > (row.grace or 0)


def _error(row: Row, error: BaseException) -> Row:
    return row._replace(error=str(error) or type(error).__name__, error_type=type(error).__name__)


def after_failure(
    row: Row, error: BaseException, *, now: int, options: DeliveryOptions, wait: int = 0
) -> tuple[Row, str]:
    """Give what a failed request makes of a row, and the cause for the trail.

    An error that is none of ours says nothing about the platform, so the row becomes unknown.

    Args:
        wait: microseconds to wait after a rate limit.
    """
    failed = _error(row, error)._replace(updated_at=now, lease_until=None, owner="")
    if isinstance(error, RateLimited):
        ready = now + wait
        return (
            failed._replace(
                state="deferred", ready_at=ready, attempts=row.attempts - 1, limited=row.limited + 1
            ),
            f"rate limit, no attempt consumed: {error}",
        )
    if isinstance(error, PlatformError):
        if error.landed is Landing.PERHAPS:
            return failed._replace(state="unknown"), f"no certain answer: {error}"
        if error.retryable:
            if row.attempts >= options.max_attempts:
                message = f"given up after {row.attempts} attempts: {error}"
                return failed._replace(state="refused", error=message), message
            return (
                failed._replace(state="deferred", ready_at=now + backoff(row.attempts, options)),
                f"surely not landed, will be tried again: {error}",
            )
        return failed._replace(state="refused"), f"refused: {error}"
    if isinstance(error, ShequnError):
        return failed._replace(state="refused"), f"refused before any request: {error}"
    message = f"the adapter failed in a way that tells nothing ({type(error).__name__}: {error})"
    return failed._replace(state="unknown", error=message), message


def after_unknown(
    row: Row, manifest: Manifest | None, *, now: int, default: OnUnknown | None, options: DeliveryOptions
) -> tuple[Row, str]:
    """Give what becomes of a fresh unknown: repeat with the native key, look up, send again, or hold.

    `check_at` is set when a look-up follows; a row that comes back as `planned` may be sent again.
    """
    ability = manifest.idempotency if manifest is not None and not is_comment(row) else Idempotency()
    first = row.attempted_at if row.attempted_at is not None else now
    margin = us(options.request_timeout) // 4
    remembered = ability.window is None or now - first < us(ability.window) - margin
    if ability.native_key and remembered and row.attempts < options.max_attempts:
        return (
            replanned(row, now + backoff(row.attempts, options), now=now),
            "the platform drops a repeated request with the same key, so it is repeated",
        )
    if ability.reconcile:
        return (
            row._replace(check_at=now + us(ability.reconcile_delay), updated_at=now),
            "will be looked up on the platform",
        )
    policy = row.unknown_policy or default or OnUnknown.HOLD
    if policy is OnUnknown.RESEND and row.attempts < options.max_attempts:
        return (
            replanned(row, now + backoff(row.attempts, options), now=now),
            "sent again at the risk of a double post, as was asked for",
        )
    held = row._replace(check_at=None, updated_at=now)
    return held, "held for a person: look at the channel, then resolve it"


def replanned(row: Row, ready_at: int, *, now: int) -> Row:
    """Give the row as it waits for another try."""
    return row._replace(
        state="planned",
        ready_at=ready_at,
        check_at=None,
        owner="",
        lease_until=None,
        updated_at=now,
        checks=0,
    )


def landed(row: Row, post_json: str, *, now: int) -> Row:
    """Give the row as it stands on the platform."""
    return row._replace(
        state="landed",
        post=post_json,
        error="",
        error_type="",
        check_at=None,
        owner="",
        lease_until=None,
        updated_at=now,
    )
