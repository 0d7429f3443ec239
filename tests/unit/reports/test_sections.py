from __future__ import annotations

from datetime import timedelta

import pytest

from shequn_sdk.domain import Grain, MetricPoint, MetricResult, Unit
from shequn_sdk.errors import InvalidInput, StoreBusy
from shequn_sdk.platforms.hooks import ReportSection
from shequn_sdk.reports import Card, Language, Section, build_report
from shequn_sdk.reports.model import DeliveryCounts
from shequn_sdk.reports.tables import chart_table

EVERY_SECTION = [
    "summary", "goals", "growth", "activity", "heatmap", "retention", "content_engagement", "opinion_leaders",
    "deliveries", "findings", "notes",
]  # fmt: skip


def section(report, name):
    return next(section for section in report.sections if section.name == name)


def cards(report):
    return {card.label: card for card in section(report, "summary").cards}


async def test_every_section_is_there_in_order(report_context):
    report = await build_report(report_context())
    assert [section.name for section in report.sections] == EVERY_SECTION
    assert report.data_as_of is not None
    assert len(report.results) == 10


async def test_summary_counts_whole_days_only(report_context):
    found = cards(await build_report(report_context(language=Language.EN)))
    assert found["Members"].value == 120 + 6 * 88
    assert "2026-10-28" in found["Members"].note
    assert found["Posts · unknown"].value == 1
    assert 0 < found["Stickiness (DAU/MAU)"].value < 1


async def test_stickiness_is_a_ratio_of_sums_over_days_that_both_have(report_context):
    base = {"version": 1, "unit": Unit.MEMBERS, "grain": Grain.DAY}
    dau = MetricResult(metric="active_members.dau", **base, points=(
        MetricPoint(bucket="2026-08-01", value=1), MetricPoint(bucket="2026-08-02", value=30),
        MetricPoint(bucket="2026-08-03", value=99, partial=True), MetricPoint(bucket="2026-08-04", value=None),
    ))  # fmt: skip
    mau = MetricResult(metric="active_members.mau", **base, points=tuple(
        MetricPoint(bucket=f"2026-08-0{day}", value=value) for day, value in ((1, 10), (2, 100), (3, 100), (4, 100))
    ))  # fmt: skip
    found = cards(
        await build_report(report_context({dau.metric: dau, mau.metric: mau}, language=Language.EN))
    )
    assert found["Stickiness (DAU/MAU)"].value == pytest.approx(31 / 110)


async def test_a_missing_metric_costs_its_section_and_leaves_a_note(report_context):
    context = report_context(language=Language.EN)
    del context.compute.prepared["kol.pagerank"]
    report = await build_report(context)
    assert "opinion_leaders" not in [section.name for section in report.sections]
    assert any("kol.pagerank" in note for note in section(report, "notes").notes)


async def test_nothing_at_all_still_gives_a_report(report_context):
    report = await build_report(report_context({}, deliveries=None, goals=(), findings=()))
    assert [section.name for section in report.sections] == ["summary", "notes"]
    assert section(report, "summary").notes
    assert len(report.html()) < 200_000


async def test_private_messages_that_nobody_takes_are_no_refusals(report_context):
    quiet = await build_report(report_context(language=Language.EN))
    assert not section(quiet, "deliveries").notes
    counts = DeliveryCounts(landed=5, refused=1, untaken=7)
    report = await build_report(report_context(language=Language.EN, deliveries=counts))
    cards = {card.label: card.value for card in section(report, "summary").cards}
    assert (cards["Posts · refused"], cards["Posts · private, not taken"]) == (1, 7)
    (note,) = section(report, "deliveries").notes
    assert note.startswith("7 private messages went to members who never wrote")


async def test_errors_of_the_store_are_not_taken_for_missing_metrics(report_context):
    async def busy(*_, **__):
        raise StoreBusy("taken")

    with pytest.raises(StoreBusy):
        await build_report(report_context(compute=busy))


async def test_a_period_that_ends_first_is_refused(report_context):
    context = report_context()
    with pytest.raises(InvalidInput, match="before it starts"):
        await build_report(report_context(end=context.start - timedelta(days=1)))


async def test_each_metric_is_computed_once_per_grain(report_context):
    context = report_context()
    await build_report(context)
    assert context.compute.asked.count("active_members.dau") == 1


async def test_best_hour_and_goals(report_context):
    report = await build_report(report_context(language=Language.EN))
    assert "Sat 20:00" in section(report, "heatmap").text[0]
    doubled, leaders, happy = section(report, "goals").goals
    assert (doubled.value, doubled.reached, leaders.reached, happy.reached) == (648, False, True, None)


async def test_a_flat_week_has_no_best_hour(report_context):
    context = report_context()
    flat = context.compute.prepared["activity.heatmap"]
    points = tuple(point.model_copy(update={"value": 0}) for point in flat.points)
    context.compute.prepared["activity.heatmap"] = flat.model_copy(update={"points": points})
    assert section(await build_report(context), "heatmap").text == ()


async def test_data_notes_tell_coverage_lateness_partial_and_missing(report_context):
    notes = "\n".join(section(await build_report(report_context(language=Language.EN)), "notes").notes)
    for part in ("covers 3 of 4, without wecom", "1.2% of the events", "two days have no data",
                 "active_members.dau: values that were not reported: 2", "active_members.mau: periods that are partial: 28"):  # fmt: skip
        assert part in notes


async def test_engagement_over_time_is_interactions_per_post_not_a_share(report_context):
    context = report_context(language=Language.EN)
    context.compute.prepared["content.engagement"] = MetricResult(
        metric="content.engagement", version=1, unit=Unit.RATIO, grain=Grain.WEEK,
        points=(MetricPoint(bucket="2026-08-03", value=3.2, numerator=16.0, denominator=5),
                MetricPoint(bucket="2026-08-10", value=None, numerator=0, denominator=0, partial=True)),
    )  # fmt: skip
    report = await build_report(context)
    table = section(report, "content_engagement").tables[0]
    assert table.rows == (("2026-08-03", 5, 16, 3.2), ("2026-08-10 (partial)", 0, 0, None))
    text = report.markdown()
    assert "| 3.2 |" in text
    assert "320" not in text


async def test_tables_of_charts_keep_missing_and_partial_apart_from_zero(report_context):
    report = await build_report(report_context(language=Language.EN))
    rows = {row[0]: row[1:] for row in chart_table(section(report, "activity").charts[0], Language.EN).rows}
    assert rows["2026-08-31"][0] == "not reported"
    assert rows["2026-08-01"][1] == "90 (partial)"


async def test_sections_of_plugins_are_placed_and_their_failures_contained(report_context):
    async def weather(context):
        return Section(name="weather", title="Weather", cards=(Card(label="Rain", value=None),))

    def broken(context):
        raise RuntimeError("secret detail")

    hooks = (
        ReportSection(name="weather", title="Weather", render=weather, order=120),
        ReportSection(name="broken", title="Broken", render=broken),
        ReportSection(name="wrong", title="Wrong", render=lambda context: {"not": "a section"}),
        ReportSection(name="silent", title="Silent", render=lambda context: None),
    )
    report = await build_report(report_context(language=Language.EN, sections=hooks))
    assert [section.name for section in report.sections][1] == "weather"
    notes = " ".join(section(report, "notes").notes)
    assert "“Broken” failed (RuntimeError)" in notes
    assert "“Wrong” failed" in notes
    assert "secret detail" not in notes
    assert "Silent" not in notes


async def test_a_flow_that_no_platform_reports_is_named_and_not_drawn(report_context):
    context = report_context(language=Language.EN)
    left = context.compute.prepared["members.left"]
    points = tuple(point.model_copy(update={"value": None}) for point in left.points)
    context.compute.prepared["members.left"] = left.model_copy(update={"points": points})
    report = await build_report(context)
    growth = section(report, "growth")
    assert {mark.series for mark in growth.charts[1].marks} == {"Joined"}
    assert growth.notes == ("Left: not reported",)
    assert cards(report)["Left"].value is None
