from __future__ import annotations

import io

import pytest
from PIL import Image

from shequn_sdk.errors import ConfigError, MissingGlyphs
from shequn_sdk.reports import Chart, ChartKind, Language, Mark, build_report
from shequn_sdk.reports import _fonts as fonts
from shequn_sdk.reports.png import render_png

SHIPPED = [next(fonts.SHIPPED.glob("*.otf"))]


def ranking(*names):
    marks = tuple(Mark(x=name, value=n + 1) for n, name in enumerate(names))
    return Chart(name="kol", title="意见领袖", kind=ChartKind.RANKING, marks=marks)


@pytest.fixture
def only_shipped(monkeypatch):
    """A machine with Python and nothing else: no font but the shipped one."""
    monkeypatch.setattr(fonts, "_SYSTEM", ())
    monkeypatch.delenv("SHEQUN_FONT", raising=False)


async def test_every_chart_becomes_a_picture_that_is_not_blank(report_context, only_shipped):
    report = await build_report(report_context())
    pictures = report.png()
    assert list(pictures) == [chart.name for chart in report.charts]
    for data in pictures.values():
        image = Image.open(io.BytesIO(data)).convert("RGB")
        image.load()
        assert image.width > 1000
        colors = image.getcolors(maxcolors=1 << 24) or []
        drawn = sum(count for count, color in colors if color != (255, 255, 255))
        assert drawn > 0.01 * image.width * image.height


def test_different_characters_look_different(only_shipped):
    # Characters without a glyph would all be the same empty box.
    one, other = (render_png(ranking(name)) for name in ("王", "李"))
    assert one != other


@pytest.mark.parametrize("language", list(Language))
def test_weekdays_and_months_follow_the_language(language, only_shipped):
    marks = tuple(Mark(x=str(hour), value=hour) for hour in range(168))
    picture = render_png(Chart(name="h", title="t", kind=ChartKind.HEATMAP, marks=marks), language=language)
    assert picture.startswith(b"\x89PNG")


def test_a_letter_that_no_font_has_is_refused_with_the_fix(only_shipped):
    with pytest.raises(MissingGlyphs, match=r"fonts-noto-cjk.*SHEQUN_FONT") as caught:
        render_png(ranking("王小明", "\U0002a6d6先生"))
    assert caught.value.characters == "\U0002a6d6"


def test_emoji_without_a_font_are_named_and_boxed(only_shipped):
    assert fonts.check_glyphs(["大厨 🌸"]) == "🌸"
    assert render_png(ranking("大厨 🌸")) == render_png(ranking("大厨 □"))


def test_the_shipped_font_covers_gb2312_and_common_names():
    covered = fonts.coverage(SHIPPED[0])
    hanzi = [
        bytes([row, cell]).decode("gb2312")
        for row in range(0xB0, 0xF8)
        for cell in range(0xA1, 0xFF)
        if not (row == 0xD7 and cell > 0xF9)
    ]
    assert len(hanzi) == 6763
    assert not [char for char in hanzi if ord(char) not in covered]
    assert not fonts.uncovered(["喆堃玥珺昇翀祎彧", "ABCxyz019%·…—《》「」"], fonts=SHIPPED)


def test_the_font_that_the_user_names_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(fonts, "_SYSTEM", ())
    monkeypatch.setattr(fonts, "SHIPPED", tmp_path / "empty")
    monkeypatch.setenv("SHEQUN_FONT", str(SHIPPED[0]))
    assert fonts.uncovered(["王"]) == ""
    monkeypatch.setenv("SHEQUN_FONT", str(tmp_path / "gone.otf"))
    with pytest.raises(ConfigError, match="SHEQUN_FONT"):
        fonts.uncovered(["王"])


def test_a_damaged_font_file_draws_nothing(tmp_path):
    for name in ("a.ttf", "b.ttc"):
        (tmp_path / name).write_bytes(b"no font at all")
        assert fonts.coverage(tmp_path / name) == frozenset()


def test_missing_and_partial_values_show():
    whole = tuple(Mark(x=f"2026-08-{day:02d}", value=day) for day in range(1, 15))
    partial = (*whole[:-1], whole[-1].model_copy(update={"partial": True}))
    missing = (*whole[:5], whole[5].model_copy(update={"value": None}), *whole[6:])
    zero = (*whole[:5], whole[5].model_copy(update={"value": 0}), *whole[6:])
    for kind in (ChartKind.LINE, ChartKind.BARS):
        pictures = {
            render_png(Chart(name="c", title="t", kind=kind, marks=marks))
            for marks in (whole, partial, missing, zero)
        }
        assert len(pictures) == 4
