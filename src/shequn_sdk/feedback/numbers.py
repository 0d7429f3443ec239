"""What feedback adds up to: how well it was taken, and what it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

from shequn_sdk.engagement.duty import minutes_between
from shequn_sdk.errors import ConfigError
from shequn_sdk.feedback.model import FeedbackDesk, FeedbackItem, FeedbackReport, Theme
from shequn_sdk.feedback.records import OPEN

__all__ = ["Cutter", "cutter", "report_of", "themes_of"]

Cutter = Callable[[str], Iterable[str]]


def report_of(
    items: Sequence[FeedbackItem], desk: FeedbackDesk, *, now: datetime, zone: str
) -> FeedbackReport:
    """Say how well feedback was taken."""
    answered = [one for one in items if one.answered_at is not None]
    judged = [one for one in items if one.answered_at or one.settled_at or one.is_overdue(now)]
    minutes = [
        minutes_between(one.created_at, one.answered_at, hours=desk.hours, zone=zone)
        for one in answered
        if one.answered_at is not None
    ]
    good = sum((one.answered_at or one.settled_at or now) <= one.due_at for one in judged)
    return FeedbackReport(
        items=len(items),
        by_kind=dict(Counter(one.kind.value for one in items)),
        by_source=dict(Counter(one.source.value for one in items)),
        open=sum(one.state.value in OPEN for one in items),
        overdue=sum(one.is_overdue(now) for one in items),
        answered=len(answered),
        in_time=good / len(judged) if judged else None,
        median_minutes=median(minutes) if minutes else None,
    )


def themes_of(
    told: Iterable[tuple[str, datetime]], *, since: datetime, cut: Cutter, most: int
) -> Sequence[Theme]:
    """Give the words of texts told from `since` on, with how often they stood in those told before."""
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for text, at in told:
        counts[at >= since].update(cut(text))
    before, present = counts
    return [
        Theme(word=word, items=number, before=before[word])
        for word, number in sorted(present.items(), key=lambda one: (-one[1], one[0]))[:most]
    ]


def cutter(home: Path) -> Cutter:
    """Give what cuts a text into words: by the extra `chinese`, else into pairs of characters."""
    from shequn_sdk.feeds.words import segmenter, words_of  # noqa: PLC0415 - a second for its dictionary

    try:
        cut = segmenter(home)
    except ConfigError:
        cut = _pairs
    return lambda text: words_of(text, cut)


def _pairs(text: str) -> Sequence[str]:
    """Give Latin words, and pairs of neighbouring Chinese characters."""
    found: list[str] = []
    for word in "".join(char if char.isalnum() else " " for char in text).split():
        if word.isascii():
            found.append(word)
        else:
            found += [word[place : place + 2] for place in range(len(word) - 1)] or [word]
    return found
