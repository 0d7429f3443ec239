from __future__ import annotations

import csv
import io
import itertools
import os

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from shequn_sdk.domain import Grain, MetricPoint, MetricResult, Unit
from shequn_sdk.errors import ConfigError, InvalidInput
from shequn_sdk.reports import Language, build_report
from shequn_sdk.reports.csvs import BOM, metric_csv, safe_cell
from shequn_sdk.reports.files import write_atomic
from shequn_sdk.reports.markdown import escape


def result(*points):
    return MetricResult(metric="kol.pagerank", version=2, unit=Unit.SCORE, grain=Grain.TOTAL, points=points)


def rows_of(text):
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM), newline="")))


def test_missing_is_an_empty_cell_and_zero_is_zero():
    rows = rows_of(metric_csv(result(
        MetricPoint(bucket="2026-08-01", value=None), MetricPoint(bucket="2026-08-02", value=0, partial=True),
        MetricPoint(bucket="2026-08-03", value=-1.5, numerator=-3, denominator=2),
    )))  # fmt: skip
    assert [row["value"] for row in rows] == ["", "0", "-1.5"]
    assert [row["partial"] for row in rows] == ["false", "true", "false"]
    assert rows[2]["denominator"] == "2"


@given(st.text())
def test_no_text_of_members_is_a_formula(text):
    cell = safe_cell(text)
    assert isinstance(cell, str)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%"))
    row = rows_of(metric_csv(result(MetricPoint(bucket="total", value=1, dims={"name": text}))))[0]
    assert row["name"] == cell


def test_known_attacks_get_a_quote_and_numbers_do_not():
    assert safe_cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert safe_cell("  @SUM(A1)") == "'  @SUM(A1)"
    assert safe_cell("\t=1") == "' =1"
    assert safe_cell(-3) == -3


@given(st.text(min_size=1))
def test_markdown_shows_text_as_it_is(text):
    table = f"| a | b |\n| --- | --- |\n| {escape(text)} | end |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    cells = [t for before, t in itertools.pairwise(tokens) if before.type == "td_open"]
    assert len(cells) == 2
    assert {child.type for child in cells[0].children} <= {"text", "text_special"}


def test_hostile_names_stay_text_in_markdown():
    shown = escape("[x](javascript:1) <b> a|b `c` https://evil.example @all www.evil.example")
    html = MarkdownIt("gfm-like", {"linkify": False}).render(shown)
    assert "<a" not in html
    assert "<b>" not in html
    assert "https:" not in shown
    assert "www." not in shown
    assert "@" not in shown


async def test_markdown_has_every_section_and_both_languages(report_context):
    zh = (await build_report(report_context())).markdown()
    en = (await build_report(report_context(language=Language.EN))).markdown()
    for heading in ("## 概览", "## 成员留存", "## 意见领袖", "## 数据说明"):
        assert heading in zh
    assert "## Opinion leaders" in en
    assert "not reported" in en
    assert "王小明" in zh
    assert "](kol.png)" in (await build_report(report_context())).markdown(pictures={"retention": "kol.png"})


async def test_write_gives_all_files_and_leaves_no_rubbish(report_context, tmp_path):
    report = await build_report(report_context())
    paths = report.write(tmp_path / "out", formats=("html", "md", "csv", "parquet", "png"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)
    names = {path.name for path in paths}
    assert {"report.html", "report.md", "members.total.csv", "metrics.parquet", "retention.png"} <= names
    table = pq.read_table(tmp_path / "out" / "metrics.parquet").to_pylist()
    lost = [row for row in table if row["metric"] == "active_members.dau" and row["value"] is None]
    assert len(lost) == 2
    again = report.write(tmp_path / "out", formats=("md",))
    assert [path.name for path in again] == ["report.md"]


async def test_unknown_forms_are_refused_before_anything_is_written(report_context, tmp_path):
    report = await build_report(report_context())
    with pytest.raises(InvalidInput, match="docx"):
        report.write(tmp_path / "out", formats=("md", "docx"))
    assert not (tmp_path / "out").exists()


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.md"
    write_atomic(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["report.md"]


def test_a_picture_that_fails_leaves_the_other_forms(report_context, tmp_path, monkeypatch):
    import anyio

    from shequn_sdk.reports import png

    def fails(report):
        raise ConfigError("no renderer")

    monkeypatch.setattr(png, "render_pngs", fails)
    report = anyio.run(build_report, report_context())
    with pytest.raises(ConfigError):
        report.write(tmp_path, formats=("csv", "md", "html", "png"))
    assert (tmp_path / "report.html").exists()
