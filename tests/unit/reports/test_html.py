from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import anyio
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shequn_sdk.errors import ConfigError
from shequn_sdk.reports import Chart, ChartKind, Language, Mark, Report, Section, build_report
from shequn_sdk.reports.html import json_for_script

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects elements and scripts, and checks that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.scripts, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)
        elif not self.open or self.open[-1] != "style":
            self.text.append(data)


def values(spec):
    """Give all inline data rows of a specification; Altair keeps them apart from the layers."""
    return [row for rows in spec["datasets"].values() for row in rows]


@pytest.fixture
def page_zh(report_context):
    return anyio.run(build_report, report_context()).html()


def test_the_page_is_whole_and_asks_the_network_for_nothing(page_zh):
    page = Page(page_zh)
    for tag, attrs in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            assert not re.match(r"(?i)\s*([a-z]+:)?//|https?:", attrs.get(name) or ""), (tag, attrs)
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        assert not any(name.startswith("on") for name in attrs)
    style = page_zh[page_zh.index("<style>") : page_zh.index("</style>")]
    assert "@import" not in style
    assert set(re.findall(r"url\((\w+:)", style)) == {"data:"}


def test_the_policy_allows_just_the_page_s_own_scripts(page_zh):
    page = Page(page_zh)
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    run = [text for attrs, text in page.scripts if attrs.get("type") != "application/json"]
    assert len(run) == 2
    for text in run:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_every_chart_is_valid_json_with_its_data_inline(page_zh):
    specs = {
        a["id"]: json.loads(text) for a, text in Page(page_zh).scripts if a.get("type") == "application/json"
    }
    assert len(specs) == 8
    assert all('"url":' not in json.dumps(spec) for spec in specs.values())
    rows = [row for row in values(specs["chart-3"]) if "part" in row]
    assert any(row["part"] for row in rows)
    assert {row["shown"] for row in rows if row["v"] is None} == {"未上报"}


async def test_both_languages(report_context, page_zh):
    english = (await build_report(report_context(language=Language.EN))).html()
    assert '<html lang="zh-CN">' in page_zh
    assert "意见领袖" in page_zh
    assert "未上报" in page_zh
    assert '<html lang="en">' in english
    assert "Opinion leaders" in english
    assert "not reported" in english
    assert "prefers-color-scheme: dark" in english
    assert "@media print" in english


def test_chinese_is_brought_along_for_readers_without_a_font(page_zh):
    assert "data:font/otf;base64," in page_zh


def test_twelve_charts_of_a_year_stay_below_two_megabytes():
    days = [f"2026-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 29)]
    charts = tuple(
        Chart(name=f"c{n}", title=f"图 {n}", kind=ChartKind.LINE if n % 2 else ChartKind.BARS, marks=tuple(
            Mark(x=day, value=i * n % 97, series=series) for series in ("a",) for i, day in enumerate(days)
        ))
        for n in range(12)
    )  # fmt: skip
    report = Report(
        title="年度", language=Language.ZH, start="2026-01-01", end="2026-12-28", zone="Asia/Shanghai",
        sections=(Section(name="all", title="全部", charts=charts),),
    )  # fmt: skip
    assert len(report.html().encode()) <= 2_000_000


HOSTILE = st.one_of(
    st.text(min_size=1),
    st.sampled_from(
        [
            "</script><script>alert(1)</script>",
            "<!--<script>",
            "]]><img src=x onerror=alert(1)>",
            '"><svg onload=alert(1)>',
            "{{ 7*7 }}{% raw %}",
            "\u2028\u2029\u202etxt.exe",
            "${alert(1)}",
            "&lt;b&gt;",
        ]
    ),
)


@given(name=HOSTILE, title=HOSTILE)
@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
def test_names_of_members_are_shown_and_never_run(name, title):
    chart = Chart(
        name="c", title=title, kind=ChartKind.RANKING, marks=(Mark(x=name, value=1),), description=name
    )
    report = Report(
        title=title, language=Language.EN, start="2026-01-01", end="2026-01-02", zone="UTC",
        sections=(Section(name="s", title=name, text=(title,), charts=(chart,), notes=(name,)),),
    )  # fmt: skip
    page = Page(report.html())
    assert [tag for tag, _ in page.tags].count("script") == 4
    assert not [tag for tag, _ in page.tags if tag in {"img", "svg", "b", "iframe"}]
    assert not [a for _, a in page.tags if any(key.startswith("on") for key in a)]
    spec = json.loads(page.scripts[0][1])
    shown = values(spec)[0]["x"]
    assert shown == report.charts[0].marks[0].x
    if "\r" not in title and shown.strip():
        assert report.title.strip() in "".join(page.text)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_in_a_script_block_cannot_leave_it(value):
    text = json_for_script(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


async def test_without_the_extra_the_error_says_what_to_install(report_context, monkeypatch, tmp_path):
    report = await build_report(report_context())
    real = __import__("importlib").import_module

    def absent(name, *args):
        if name.split(".")[0] in {"altair", "vl_convert", "jinja2", "fontTools", "markupsafe"}:
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr("importlib.import_module", absent)
    for form in ("html", "png"):
        with pytest.raises(ConfigError, match=r"shequn-sdk\[report\]"):
            report.write(tmp_path, formats={form})
    assert {path.suffix for path in report.write(tmp_path, formats={"csv", "md"})} == {".csv", ".md"}
