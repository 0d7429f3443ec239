"""What needs an extra says which, and never ends in a traceback about a module."""

import importlib
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

from shequn_sdk.domain import Grain, MetricResult
from shequn_sdk.errors import ConfigError, MissingExtra


def served():
    from shequn_sdk.client.serving import serve

    return serve(None, host="127.0.0.1", port=0).send(None)


def sandbox():
    sys.modules.pop("shequn_sdk.testing.sandbox.server", None)
    return importlib.import_module("shequn_sdk.testing.sandbox.server")


def call(module, name, *args, **options):
    return lambda: getattr(importlib.import_module(f"shequn_sdk.{module}"), name)(*args, **options)


RESULT = MetricResult(metric="active_members.dau", version=1, unit="members", grain=Grain.DAY)

NEEDS = [
    ("uvicorn", "webhook", served),
    ("uvicorn", "sandbox", sandbox),
    ("psycopg", "postgres", call("stores.connecting", "make_engine", "postgresql://nowhere/x", "full")),
    ("yaml", "yaml", call("playbook.source", "_from_yaml", "a: 1", "plan.yaml")),
    ("feedparser", "feeds", call("feeds.reading", "parse_feed", b"<rss/>", url="https://example.org/feed")),
    ("jieba", "chinese", call("feeds.words", "segmenter", Path())),
    ("polars", "dataframe", call("metrics.frames", "to_polars", RESULT)),
    ("pandas", "dataframe", call("metrics.frames", "to_pandas", RESULT)),
    ("jinja2", "report", call("reports.files", "check_formats", frozenset({"html"}))),
]


@pytest.mark.parametrize(("module", "extra", "use"), NEEDS, ids=[f"{one[0]}-{one[1]}" for one in NEEDS])
def test_a_missing_package_names_its_extra(monkeypatch, module, extra, use):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'shequn-sdk\[{extra}\]'") as caught:
        use()
    assert caught.value.extra == extra
    assert isinstance(caught.value, ConfigError)


def test_extras_that_are_named_exist():
    known = set(metadata("shequn-sdk").get_all("Provides-Extra"))
    assert {extra for _, extra, _ in NEEDS} <= known
