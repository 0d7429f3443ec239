"""The numbers that a reader wants first."""

from __future__ import annotations

from shequn_sdk.domain import Grain, MetricResult, Unit
from shequn_sdk.reports.model import Card, Language, ReportContext, Section
from shequn_sdk.reports.sections.readings import Numbers, latest, total_of
from shequn_sdk.reports.words import word

__all__ = ["summary"]

_TINY = 50
"""A growth rate says nothing when so many times as many joined as there were."""


async def summary(context: ReportContext, numbers: Numbers) -> Section:
    """Give the numbers that a reader wants first."""
    language = context.language
    cards: list[Card] = []
    total = await numbers.get("members.total", grain=Grain.DAY)
    joined, left = (
        await numbers.get("members.joined", grain=Grain.DAY),
        await numbers.get("members.left", grain=Grain.DAY),
    )
    dau = await numbers.get("active_members.dau", grain=Grain.DAY)
    mau = await numbers.get("active_members.mau", grain=Grain.DAY)
    if total:
        cards.append(_stock_card(word("members", language), total, language))
    gained, lost = total_of(joined), total_of(left)
    if joined:
        cards.append(Card(label=word("joined", language), value=gained, unit=joined.unit))
    if left:
        cards.append(Card(label=word("left", language), value=lost, unit=left.unit))
    if total and joined and left:
        end = latest(total)
        before = None if end is None or end.value is None else end.value - (gained or 0) + (lost or 0)
        # A community that starts at zero has no growth rate, and one that starts at hardly anything has a silly one.
        known = before is not None and before > 0 and before * _TINY >= (gained or 0)
        rate = ((gained or 0) - (lost or 0)) / before if before and known else None
        if rate is not None:
            cards.append(Card(label=word("growth_rate", language), value=rate, unit=Unit.RATIO))
    if dau:
        full = [point.value for point in dau.points if point.value is not None and not point.partial]
        mean = round(sum(full) / len(full), 1) if full else None
        cards.append(Card(label=word("mean_dau", language), value=mean, unit=dau.unit))
    if mau:
        cards.append(_stock_card(word("mau", language), mau, language))
    if dau and mau:
        cards.append(Card(label=word("stickiness", language), value=_stickiness(dau, mau), unit=Unit.RATIO))
    cards.extend(_delivery_cards(context))
    notes = () if total or joined or dau else (word("empty_store", language),)
    return Section(name="summary", title=word("summary", language), cards=tuple(cards), notes=notes)


def _stock_card(label: str, result: MetricResult | None, language: Language) -> Card:
    point = latest(result, complete=True) or latest(result)
    if point is None:
        return Card(label=label, value=None)
    note = word("partial_value" if point.partial else "last_complete", language, bucket=point.bucket)
    return Card(label=label, value=point.value, unit=result.unit if result else None, note=note)


def _stickiness(dau: MetricResult, mau: MetricResult) -> float | None:
    """Sum of DAU over sum of MAU for days on which both are complete; None without any."""
    monthly = {
        point.bucket: point.value for point in mau.points if point.value is not None and not point.partial
    }
    days = [
        (point.value, monthly[point.bucket])
        for point in dau.points
        if point.value is not None and not point.partial and monthly.get(point.bucket)
    ]
    return sum(day for day, _ in days) / sum(month for _, month in days) if days else None


def _delivery_cards(context: ReportContext) -> tuple[Card, ...]:
    counts = context.deliveries
    if counts is None:
        return ()
    language = context.language
    return tuple(
        Card(label=f"{word('posts', language)} · {word(key, language)}", value=value, unit=Unit.POSTS)
        for key, value in (
            ("landed", counts.landed),
            ("refused", counts.refused),
            ("untaken", counts.untaken),
            ("unknown", counts.unknown),
        )
        if value or key != "untaken"
    )
