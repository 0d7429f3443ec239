"""Metrics are declared once, completely, in SQL that every engine can take."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.errors import PluginError, UnknownName
from shequn_sdk.metrics import Metric, Registry
from shequn_sdk.metrics.compile import compile_metric, lint, transpile
from shequn_sdk.metrics.macros import Request
from shequn_sdk.metrics.registry import builtin_metrics

ALL = [pytest.param(metric, id=metric.name) for metric in builtin_metrics()]


def declare(**changes):
    fields = {
        "name": "shop.visits",
        "unit": Unit.EVENTS,
        "kind": "count",
        "additivity": Additivity.SUM,
        "grains": (Grain.DAY,),
        "sql": "select @bucket(e) as bucket, count(*) as value from @log as e where @keep(e) and @within(e) group by @bucket(e)",
        "doc": {"zh": "访问次数。", "en": "Visits."},
        "formula": "count(visits)",
    }
    return Metric(**{**fields, **changes})


def request_for(metric, **changes):
    return Request(grain=metric.grains[0], dims=(), params=metric.params(), **changes)


@pytest.mark.parametrize("metric", ALL)
def test_built_in_sql_is_clean(metric):
    for grain, dims in itertools.product(metric.grains, {(), tuple(sorted(metric.dims))}):
        request = Request(grain=grain, dims=dims, params=metric.params(), community=True)
        assert lint(metric, request) == []


@pytest.mark.parametrize("dialect", ["postgres", "clickhouse", "spark"])
@pytest.mark.parametrize("metric", ALL)
def test_built_in_sql_translates(metric, dialect):
    compiled = compile_metric(metric, request_for(metric, community=True), dialect=dialect)
    assert "@" not in compiled.sql
    plain = compile_metric(metric, request_for(metric, community=True))
    assert compiled.names == plain.names


@pytest.mark.parametrize("metric", ALL)
def test_built_in_metrics_say_what_they_are(metric):
    assert metric.doc["zh"].endswith("。")
    assert metric.doc["en"].endswith(".")
    assert metric.formula
    assert metric.edge_cases
    if metric.kind == "distinct_count":
        assert metric.additivity is Additivity.NONE, "distinct counts are never summed"
    if metric.gaps.value == "carry":
        assert metric.kind in {"stock", "distinct_count"}


def test_a_name_is_taken_once_unless_replaced_on_purpose():
    registry = Registry([declare()])
    with pytest.raises(PluginError, match="twice"):
        registry.add(declare())
    registry.add(declare(version=2, replaces="shop.visits"))
    assert registry.get("shop.visits").version == 2
    registry.add(declare(name="shop.calls", replaces="shop.visits"))
    assert [metric.name for metric in registry.list()] == ["shop.calls"]
    with pytest.raises(PluginError, match="not there"):
        registry.add(declare(name="shop.other", replaces="shop.none"))
    with pytest.raises(PluginError, match="zh and en"):
        registry.add(declare(name="shop.silent", doc={"en": "Only one language."}))
    with pytest.raises(UnknownName, match=r"shop\.calls"):
        registry.get("shop.cals")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from @log as e", "select"),
        ("select e.local_day as day, 1 as value from @log as e", "bucket"),
        ("select e.local_day as bucket, count(*) as total from @log as e group by e.local_day", "neither"),
        ("select e.local_day as bucket, value + 1 as value from @log as e", "input column"),
        ("select from where", "shop.visits"),
        ("select @nonsense as bucket", "unknown macro"),
        ("select @within(a, b, c, d) as bucket", "other arguments"),
        ("select @within(e as bucket", "not closed"),
    ],
)
def test_lint_finds(sql, message):
    metric = declare(sql=sql)
    faults = lint(metric, request_for(metric))
    assert any(message in fault for fault in faults), faults


def test_placeholders_survive_translation():
    text = transpile("select cast($start as date) as a, $p_x as b, $p_x_y as c", "clickhouse")
    assert [word for word in ("$start", "$p_x ", "$p_x_y") if word in text + " "] == [
        "$start",
        "$p_x ",
        "$p_x_y",
    ]


def test_kinds_are_words():
    metric = declare(sql="select @active(e) as bucket, 1 as value from @log as e")
    with pytest.raises(ValueError, match="kinds"):
        metric.params(kinds=("x' or 1=1",))


def test_importing_metrics_is_light():
    script = (
        "import sys, shequn_sdk.metrics, shequn_sdk.metrics.service, shequn_sdk.metrics.diagnosis, "
        "shequn_sdk.metrics.goals, shequn_sdk.metrics.frames; shequn_sdk.metrics.Registry().list(); "
        "print([name for name in ('duckdb', 'pyarrow', 'numpy', 'sqlglot', 'pandas', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
