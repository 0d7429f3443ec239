"""Building a report: sections are asked one after the other, and one that fails does not stop the rest."""

from __future__ import annotations

import inspect
import logging

from shequn_sdk.domain import MetricResult
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.hooks import ReportSection
from shequn_sdk.reports import sections
from shequn_sdk.reports.model import Report, ReportContext, Section
from shequn_sdk.reports.words import word

__all__ = ["build_report"]

_log = logging.getLogger(__name__)


async def build_report(context: ReportContext) -> Report:
    """Compute the metrics and build a report of everything that the context has.

    A section whose metric is not available is left out, with a note. Raises `InvalidInput` when the period ends
    before it starts; errors of the event store pass through.
    """
    if context.end < context.start:
        raise InvalidInput(f"the report's period ends ({context.end}) before it starts ({context.start})")
    numbers = sections.Numbers(context)
    made: list[Section] = []
    notes: list[str] = []
    for order, title, make in sections.BUILT_IN:
        missing_before = len(numbers.missing)
        section = await make(context, numbers)
        if section is not None:
            made.append(section.model_copy(update={"order": order}))
        elif absent := numbers.missing[missing_before:]:
            notes.append(_skipped(context, ", ".join(absent), title))
    for hook in context.sections:
        section, failure = await _plugin_section(hook, context)
        if section is not None:
            made.append(section.model_copy(update={"order": hook.order}))
        if failure:
            notes.append(failure)
    last = sections.definitions(context, numbers.results)
    unavailable = [name for name in numbers.missing if not any(name in note for note in notes)]
    notes.extend(_skipped(context, name, "summary") for name in unavailable)
    last = last.model_copy(update={"notes": (*notes, *last.notes), "order": 10_000})
    made.append(last)
    return Report(
        title=context.title,
        language=context.language,
        start=context.start,
        end=context.end,
        zone=context.zone,
        community=context.community,
        generated_at=context.generated_at,
        data_as_of=max((at for r in numbers.results if (at := r.data_as_of)), default=None),
        sections=tuple(sorted(made, key=lambda section: section.order)),
        results=_unique(numbers.results),
    )


def _skipped(context: ReportContext, name: str, title: str) -> str:
    return word("skipped", context.language, name=name, section=word(title, context.language))


async def _plugin_section(hook: ReportSection, context: ReportContext) -> tuple[Section | None, str]:
    """Ask a plugin for its section; its failure becomes a note."""
    try:
        made = hook.render(context)
        if inspect.isawaitable(made):
            made = await made
    except Exception as error:  # noqa: BLE001  (a stranger's code must not cost the user the whole report)
        _log.warning("report section %s failed", hook.name, exc_info=True)
        return None, word("section_failed", context.language, section=hook.title, error=type(error).__name__)
    if made is None or isinstance(made, Section):
        return made, ""
    return None, word(
        "section_failed", context.language, section=hook.title, error=f"{type(made).__name__} is no Section"
    )


def _unique(results: tuple[MetricResult, ...]) -> tuple[MetricResult, ...]:
    """Drop results that came twice because two sections asked with different words."""
    kept: list[MetricResult] = []
    for result in results:
        if result not in kept:
            kept.append(result)
    return tuple(kept)
