"""The report on one picture, and in a few lines."""

from __future__ import annotations

import struct

import pytest

from shequn_sdk.errors import MissingGlyphs
from shequn_sdk.reports import build_report
from shequn_sdk.reports.model import Card, Finding, Section


def size(picture):
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", picture[16:24])


async def test_the_picture_grows_with_what_there_is_to_show(report_context):
    report = await build_report(report_context())
    whole = report.overview()
    bare = report.model_copy(update={"sections": report.sections[:1]}).overview()
    empty = report.model_copy(update={"sections": ()}).overview()
    assert size(whole)[0] == size(bare)[0] or size(whole)[0] > 1500
    assert size(whole)[1] > size(bare)[1] > 300
    assert size(empty)[1] < size(whole)[1]
    assert len(whole) < 1_000_000


async def test_a_title_that_no_font_draws_is_refused_with_the_fix(report_context):
    report = (await build_report(report_context())).model_copy(update={"title": "\U0001214e cuneiform"})
    with pytest.raises(MissingGlyphs, match="SHEQUN_FONT"):
        report.overview()


async def test_the_brief_says_the_numbers_of_the_page(report_context):
    report = await build_report(report_context())
    brief = report.brief()
    first = report.sections[0]
    assert brief.startswith(f"**{report.title}**")
    for card in first.cards:
        assert (card.label in brief) == (card.value is not None or bool(card.text))
    assert len(report.brief(limit=80)) <= 80
    assert (
        report.brief(limit=80).splitlines() == brief.splitlines()[: len(report.brief(limit=80).splitlines())]
    )


async def test_text_of_others_stays_text(report_context):
    report = (await build_report(report_context())).model_copy(
        update={
            "title": "*bold* [link](https://x) @all",
            "sections": (
                Section(
                    name="summary",
                    title="s",
                    cards=(Card(label="a_b", value=None), Card(label="c`d", value=3)),
                    findings=(Finding(title="~x~", evidence="e", actions=("do *it*",)),),
                ),
            ),
        }
    )
    brief = report.brief()
    assert "\\*bold\\* \\[link\\](https://x) @\u200ball" in brief
    assert "a\\_b" not in brief
    assert "- c\\`d: 3" in brief
    assert "→ do \\*it\\*" in brief


async def test_the_picture_is_one_of_the_forms(report_context, tmp_path):
    (path,) = (await build_report(report_context())).write(tmp_path, formats=["overview"])
    assert path.name == "overview.png"
    assert size(path.read_bytes())[0] > 1000
