"""Looking up what nobody knows: whether an unknown landed, and how far a person has come with a hand-over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import anyio

from shequn_sdk.domain import OWN_CLOCK, Post
from shequn_sdk.platforms.dates import overheard
from shequn_sdk.platforms.ports import Adapter, Confirmer, Reconciler
from shequn_sdk.publishing.policy import DeliveryOptions, backoff, landed, replanned, us
from shequn_sdk.publishing.rows import Row
from shequn_sdk.stores.schema import from_us, to_us

__all__ = ["failed", "look"]

_SLACK = timedelta(seconds=5)
"""How much our clock may be ahead of a platform's, when nothing landed there before, without a second look."""
_FARTHEST = timedelta(days=1)
"""How much a clock may be ahead and still be put right by the platform's; more would mean to read too much."""
_RECENT = timedelta(minutes=15)
"""How old the post before may be to say where to begin: older ones would mean to read too much."""


async def look(
    row: Row,
    adapter: Adapter,
    now: Callable[[], int],
    options: DeliveryOptions,
    *,
    before: Sequence[Post] = (),
) -> tuple[Row, str]:
    """Ask the platform about a row; give what it becomes, and the cause ("" when nothing happened).

    Args:
        before: what landed in the channel before the row was attempted, in any order; the last one counts.
    """
    if row.state == "awaiting_person":
        return await _ask_person(row, adapter, now(), options)
    if row.state == "unknown":
        return await _look_up(row, adapter, now, options, before)
    return row._replace(check_at=None), ""


def failed(row: Row, error: BaseException, now: int, options: DeliveryOptions) -> tuple[Row, str]:
    """Give what becomes of a row whose look-up failed: another try later, or a hold."""
    checks = row.checks + 1
    if row.state == "unknown" and checks >= options.max_checks:
        why = f"could not be looked up ({error}); held for a person: look at the channel, then resolve it"
        return row._replace(check_at=None, checks=checks, updated_at=now, error=why), why
    later = now + max(backoff(checks, options), us(options.backoff_first))
    cause = f"could not be looked up, next try follows: {error}" if row.state == "unknown" else ""
    return row._replace(check_at=later, checks=checks, updated_at=now), cause


async def _look_up(
    row: Row, adapter: Adapter, clock: Callable[[], int], options: DeliveryOptions, before: Sequence[Post]
) -> tuple[Row, str]:
    if not isinstance(adapter, Reconciler):
        return row._replace(check_at=None), "this account cannot look posts up; held for a person"
    attempted = from_us(row.attempted_at if row.attempted_at is not None else row.created_at)
    # A lane is served one after another, so that the post can only stand after the one before it. That instant is by
    # the platform's clock; ours may be wrong, or may have jumped since.
    last = max((post.landed_at for post in before if not post.attrs.get(OWN_CLOCK)), default=None)
    known = last is not None and abs(attempted - last) <= _RECENT
    since = last if last is not None and known else attempted - _SLACK
    piece = row.load_piece()
    with anyio.fail_after(options.request_timeout / timedelta(seconds=1)):
        with overheard() as dates:
            post = await adapter.find_landed(row.target, piece, idempotency_key=row.key, since=since)
        ahead = _ahead(from_us(clock()), dates)
        if post is None and not known and ahead:
            post = await adapter.find_landed(row.target, piece, idempotency_key=row.key, since=since - ahead)
    now = clock()
    if post is not None:
        return landed(row, post.model_dump_json(), now=now), "found on the platform"
    if row.attempts >= options.max_attempts:
        why = f"given up after {row.attempts} attempts; it is surely not on the platform"
        return row._replace(state="refused", check_at=None, updated_at=now, error=why), why
    return replanned(row, now, now=now), "surely not on the platform, so it is sent again"


def _ahead(now: datetime, dates: Sequence[datetime]) -> timedelta:
    """Give how far our clock is ahead of the platform's, by what its answers say of their `Date`."""
    ahead = max((now - date for date in dates), default=timedelta())
    return min(ahead, _FARTHEST) if ahead >= timedelta(seconds=2) else timedelta()  # they tell whole seconds


async def _ask_person(row: Row, adapter: Adapter, now: int, options: DeliveryOptions) -> tuple[Row, str]:
    deadline = row.deadline if row.deadline is not None else now
    if not isinstance(adapter, Confirmer) or row.post is None:
        return row._replace(check_at=None), "this account cannot tell how far a person has come"
    task = Post.model_validate_json(row.post)
    told = await adapter.get_confirmation(row.target, task.native_id)
    done = row._replace(check_at=None, updated_at=now)
    counts = f"{told.sent} sent, {told.pending} pending, {told.failed} failed"
    if told.pending == 0 and told.sent and not told.failed:
        post = told.posts[0] if told.posts else task
        return landed(row, post.model_dump_json(), now=now), f"confirmed by a person: {counts}"
    if told.pending == 0 and (told.sent or told.failed):
        state = "partly" if told.sent else "refused"
        reasons = ", ".join(f"{why}: {number}" for why, number in told.reasons.items())
        return done._replace(state=state, error=f"{counts}. {reasons}".strip()), counts
    if now >= deadline:
        state = "partly" if told.sent else "expired"
        return done._replace(state=state, error=f"not confirmed in time: {counts}"), f"deadline: {counts}"
    return await _remind(row, adapter, task, now, deadline, options)


async def _remind(
    row: Row, adapter: Confirmer, task: Post, now: int, deadline: int, options: DeliveryOptions
) -> tuple[Row, str]:
    handed = to_us(task.landed_at)
    marks = [handed + int((deadline - handed) * share) for share in options.remind_at]
    cause, reminders = "", row.reminders
    passed = sum(mark <= now for mark in marks)
    if passed > reminders:
        await adapter.remind(row.target, task.native_id)
        reminders, cause = passed, "the person was reminded"
    following = [mark for mark in marks if mark > now]
    again = min([deadline, now + us(options.confirm_poll), *following])
    return row._replace(check_at=again, reminders=reminders, checks=0, updated_at=now), cause
