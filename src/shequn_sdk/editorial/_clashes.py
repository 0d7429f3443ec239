"""What speaks against a content at a time and place: neighbours, blackouts, festivals, near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef
from shequn_sdk.editorial import _days, _slots
from shequn_sdk.editorial._lines import Line, content_of, load, said
from shequn_sdk.editorial.model import Clash, ClashKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.publishing.similar import SAME, candidates, overlap
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us, to_us

__all__ = ["Question", "clashes", "question"]

_NEIGHBOURS = Fast(
    "select entry_id, at, promotional from calendar_place where channel = :channel and at between :start and :end "
    "and entry_id <> :but order by at"
)
_BEFORE = Fast(
    "select entry_id, at, promotional from calendar_place where channel = :channel and at <= :at and entry_id <> :but "
    "order by at desc limit 1"
)
_AFTER = Fast(
    "select entry_id, at, promotional from calendar_place where channel = :channel and at > :at and entry_id <> :but "
    "order by at limit 1"
)
_MARKS = Fast(
    "select id, fingerprint from calendar_entry where community = :community and at between :start and :end "
    "and id <> :but and state not in ('cancelled', 'removed')"
)
_MOST = 20
"""Texts that are compared, nearest fingerprints first."""


class Question(NamedTuple):
    """What is asked about."""

    line: Line
    """Its text, channels and category; number 0 when it is not in the calendar."""
    at: datetime
    now: datetime
    zone: str
    within: timedelta
    memory: timedelta
    days: _days.Days


def question(
    line: Line, *, now: datetime, zone: str, within: timedelta, memory: timedelta, days: _days.Days
) -> Question:
    """Put the question about a line at its own time.

    Raises:
        InvalidInput: it has none.
    """
    if line.at is None:
        raise InvalidInput("say for when: there is no time to check")
    return Question(line, from_us(line.at), now, zone, within, memory, days)


def clashes(conn: Connection, question: Question) -> list[Clash]:
    """Give what speaks against it."""
    line, at = question.line, question.at
    found: list[Clash] = []
    if at < question.now:
        found.append(
            Clash(kind=ClashKind.PAST, message=f"{at.isoformat()} has passed: it would go out at once")
        )
    moment, within = to_us(at), question.within // timedelta(microseconds=1)
    for channel in line.refs:
        ref = ChannelRef.parse(channel)
        span = {"channel": channel, "start": moment - within, "end": moment + within, "but": line.id}
        for number, other, _ in _NEIGHBOURS.all(conn, span):
            apart = abs(other - moment) // 60_000_000
            found.append(
                Clash(
                    kind=ClashKind.TOO_CLOSE,
                    message=f"entry {number} goes to {channel} {apart} minutes {'before' if other <= moment else 'after'}",
                    channel=ref,
                    entry=number,
                )
            )
        if line.promotional:
            for query, word in ((_BEFORE, "before"), (_AFTER, "after")):
                other = query.one(conn, {"channel": channel, "at": moment, "but": line.id})
                if other is not None and other[2]:
                    found.append(
                        Clash(
                            kind=ClashKind.PROMOTIONAL_IN_A_ROW,
                            message=f"entry {other[0]}, the one {word} it in {channel}, advertises too",
                            channel=ref,
                            entry=other[0],
                        )
                    )
    found += _closed(conn, question)
    found += _festival(question)
    found += _duplicates(conn, question)
    return found


def _closed(conn: Connection, question: Question) -> Sequence[Clash]:
    moment = to_us(question.at)
    return [
        Clash(
            kind=ClashKind.BLACKOUT,
            message=f"nothing is to go out until {from_us(one.ends_at).isoformat()}: {one.reason}",
            channel=ChannelRef.parse(one.channel) if one.channel else None,
        )
        for one in _slots.blackouts(conn, question.line.community, since=moment)
        if one.starts_at <= moment and one.channel in {"", *question.line.refs}
    ]


def _festival(question: Question) -> Sequence[Clash]:
    if not question.line.promotional:
        return ()
    note = question.days.of(_days.local(question.at, question.zone))
    if not (note.festivals or note.holiday):
        return ()
    names = ", ".join(note.festivals) or "a day of a feast's break"
    return (Clash(kind=ClashKind.FESTIVAL, message=f"{note.day} is {names}: is this the day to advertise?"),)


def _duplicates(conn: Connection, question: Question) -> Sequence[Clash]:
    line = question.line
    if not line.fingerprint:
        return ()
    moment, memory = to_us(question.at), question.memory // timedelta(microseconds=1)
    span = {"community": line.community, "start": moment - memory, "end": moment + memory, "but": line.id}
    marked = _MARKS.all(conn, span)
    nearest = candidates(line.fingerprint, [mark for _, mark in marked])[:_MOST]
    near = [marked[at][0] for at in nearest]
    others = load(conn, near)
    text = said(content_of(line.content))
    found: list[Clash] = []
    for number in near:
        if number not in others:
            continue
        shared = overlap(text, said(content_of(others[number].content)))
        if shared >= SAME:
            found.append(
                Clash(
                    kind=ClashKind.NEAR_DUPLICATE,
                    message=f"entry {number} says nearly the same ({shared:.0%}): {others[number].title}",
                    entry=number,
                    similarity=round(shared, 3),
                )
            )
    return found
