"""What a report is made from and made of: typed records with no drawing in them."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, AwareDatetime, JsonValue

from shequn_sdk.domain import Frozen, Grain, MetricName, MetricResult, Unit
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.hooks import ReportSection
from shequn_sdk.reports._text import visible

__all__ = [
    "FORMATS",
    "Card",
    "Cell",
    "ChannelDeliveries",
    "Chart",
    "ChartKind",
    "Column",
    "Compute",
    "DeliveryCounts",
    "Finding",
    "GoalLine",
    "Language",
    "Mark",
    "Report",
    "ReportContext",
    "Section",
    "Table",
    "Text",
]

FORMATS = ("html", "md", "csv", "png", "parquet", "overview")
"""Forms that a report can be written in."""

Text = Annotated[str, AfterValidator(visible)]
"""Text without characters that hide, reorder or break what stands around it."""

Cell = Text | int | float | None
"""Content of a table cell; None means not reported, which is never 0."""


class Compute(Protocol):
    """Computes a metric by name; `Metrics.compute` is one."""

    def __call__(
        self,
        name: str,
        *,
        community: str | None = None,
        start: date | None = None,
        end: date | None = None,
        last: Any = None,
        grain: Grain | None = None,
        by: Sequence[str] = (),
        compare: Any = None,
        params: Any = None,
    ) -> Awaitable[MetricResult]:
        """Compute one metric."""
        ...


class Language(StrEnum):
    """Language that a report is written in."""

    ZH = "zh"
    EN = "en"


class ChannelDeliveries(Frozen):
    """How deliveries to one channel ended."""

    channel: Text
    landed: int = 0
    refused: int = 0
    unknown: int = 0
    waiting: int = 0


class DeliveryCounts(Frozen):
    """How the period's deliveries ended (投递结果)."""

    landed: int = 0
    refused: int = 0
    """Without `untaken`."""
    untaken: int = 0
    """Private messages to members who never wrote to the account, or closed theirs: refused, and told another way."""
    unknown: int = 0
    """Sent with no clear answer: it may stand on the platform."""
    waiting: int = 0
    """Planned, deferred or waiting for a person."""
    channels: tuple[ChannelDeliveries, ...] = ()


class GoalLine(Frozen):
    """One goal of the plan (目标) and how far it is."""

    title: Text
    target: float | int
    metric: MetricName | None = None
    """Computed when `value` is not given."""
    value: float | int | None = None
    expected: float | int | None = None
    """What the plan wants by today, when the plan says so."""
    unit: Unit | None = None
    due: date | None = None
    at_most: bool = False
    """The goal is to stay below the target."""

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None while the value is not known."""
        if self.value is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


class Finding(Frozen):
    """One finding of the diagnosis (诊断) and what to do about it."""

    title: Text
    evidence: Text = ""
    confidence: float | None = None
    """0 to 1."""
    actions: tuple[Text, ...] = ()


class Card(Frozen):
    """One number of the summary."""

    label: Text
    value: float | int | None
    unit: Unit | None = None
    note: Text = ""
    text: Text = ""
    """Shown instead of the value, for what is no number."""


class Column(Frozen):
    """One column of a table."""

    title: Text
    unit: Unit | None = None


class Table(Frozen):
    """Rows under named columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    title: Text = ""


class ChartKind(StrEnum):
    """Form of a chart."""

    LINE = "line"
    BARS = "bars"
    RANKING = "ranking"
    HEATMAP = "heatmap"
    """168 hours of the week."""
    MATRIX = "matrix"
    """Cohorts by age."""
    CUSTOM = "custom"
    """A Vega-Lite specification of a plugin."""


class Mark(Frozen):
    """One value that a chart shows."""

    x: Text
    """Bucket, hour of the week, age of the cohort or label, by the kind of chart."""
    value: float | int | None
    """None is drawn as missing, never as 0."""
    series: Text = ""
    y: Text = ""
    """Row of a matrix."""
    partial: bool = False


class Chart(Frozen):
    """A chart as data; it is drawn only when a form that shows pictures is written."""

    name: str
    """Name of its picture file."""
    title: Text
    kind: ChartKind
    marks: tuple[Mark, ...] = ()
    unit: Unit | None = None
    x_title: Text = ""
    y_title: Text = ""
    description: Text = ""
    """What a reader who cannot see the picture should know."""
    spec: dict[str, JsonValue] | None = None
    """Vega-Lite specification with inline data, of a `CUSTOM` chart only."""


class Section(Frozen):
    """One section of a report."""

    name: str
    title: Text
    text: tuple[Text, ...] = ()
    cards: tuple[Card, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    goals: tuple[GoalLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[Text, ...] = ()
    order: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """Everything that a report is built from."""

    compute: Compute
    title: str
    start: date
    """First local day."""
    end: date
    """Last local day."""
    community: str | None = None
    language: Language = Language.ZH
    zone: str = "Asia/Shanghai"
    generated_at: datetime | None = None
    deliveries: DeliveryCounts | None = None
    goals: tuple[GoalLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    """Display names of members by the id that metrics use."""
    titles: Mapping[str, str] = field(default_factory=dict[str, str])
    """Titles of contents by the id that metrics use."""
    meanings: Mapping[str, str] = field(default_factory=dict[str, str])
    """What metrics mean, by name and in the report's language; built-in words are used for the rest."""
    sections: tuple[ReportSection, ...] = ()
    """Sections that plugins offer; `render(context)` gives a `Section`, or an awaitable of one, or None."""
    retention: str = "retention.weekly"
    """Metric of the retention matrix."""


class Report(Frozen):
    """A finished report (运营报告), ready to be written in any form."""

    title: Text
    language: Language
    start: date
    end: date
    zone: str
    community: str | None = None
    generated_at: AwareDatetime | None = None
    data_as_of: AwareDatetime | None = None
    sections: tuple[Section, ...] = ()
    results: tuple[MetricResult, ...] = ()
    """Every metric that was computed, as it came."""

    @property
    def charts(self) -> tuple[Chart, ...]:
        """All charts, in reading order."""
        return tuple(chart for section in self.sections for chart in section.charts)

    def html(self) -> str:
        """Give one self-contained page that needs no network. Raises `ConfigError` without extra [report]."""
        from shequn_sdk.reports.html import render_html  # noqa: PLC0415  (jinja2 is optional)

        return render_html(self)

    def markdown(self, *, pictures: Mapping[str, str] | None = None) -> str:
        """Give the report as Markdown; `pictures` maps chart names to addresses of their pictures."""
        from shequn_sdk.reports.markdown import render_markdown  # noqa: PLC0415

        return render_markdown(self, pictures=pictures or {})

    def csv(self) -> dict[str, str]:
        """Give one CSV text per metric, by metric name."""
        from shequn_sdk.reports.csvs import render_csvs  # noqa: PLC0415

        return render_csvs(self)

    def png(self) -> dict[str, bytes]:
        """Give one picture per chart, by chart name.

        Raises `MissingGlyphs` when no font at hand draws a letter, `ConfigError` without extra [report].
        """
        from shequn_sdk.reports.png import render_pngs  # noqa: PLC0415

        return render_pngs(self)

    def overview(self) -> bytes:
        """Give the headline numbers and the two most telling charts as one picture (PNG).

        Raises `MissingGlyphs` when no font at hand draws a letter, `ConfigError` without extra [report].
        """
        from shequn_sdk.reports.overview import render_overview  # noqa: PLC0415

        return render_overview(self)

    def brief(self, *, limit: int = 1500) -> str:
        """Give a summary for a chat, as Markdown of at most `limit` characters."""
        from shequn_sdk.reports.brief import render_brief  # noqa: PLC0415

        return render_brief(self, limit=limit)

    def write(
        self, directory: Path | str, *, formats: Iterable[str] = ("html", "png", "csv", "md")
    ) -> list[Path]:
        """Write the forms asked for and give the files' paths; each file appears whole or not at all.

        Pictures come last, so that a missing glyph or extra leaves the other forms written.
        """
        from shequn_sdk.reports.files import write_report  # noqa: PLC0415

        wanted = frozenset(formats)
        if unknown := wanted.difference(FORMATS):
            raise InvalidInput(
                f"a report cannot be written as {', '.join(sorted(unknown))}; choose from {', '.join(FORMATS)}"
            )
        return write_report(self, Path(directory), wanted)
