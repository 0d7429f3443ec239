"""From a metric and a request to the text that an engine runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.macros import Expander, Request
from shequn_sdk.metrics.model import Metric

__all__ = ["Compiled", "compile_metric", "lint", "transpile"]

_PLACEHOLDER = re.compile(r"\$([a-z_][a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Text for one engine, and the values to bind besides community, start and end."""

    sql: str
    values: Mapping[str, object]
    names: frozenset[str]
    """Placeholders that the text uses."""


def compile_metric(metric: Metric, request: Request, *, dialect: str = "duckdb") -> Compiled:
    """Expand the macros; translate for engines other than DuckDB, whose dialect the files are written in."""
    expander = Expander(request, dialect=dialect)
    text = expander.expand(metric.sql)
    if dialect != "duckdb":
        text = transpile(text, dialect)
    return Compiled(text, expander.values, frozenset(_PLACEHOLDER.findall(text)))


@lru_cache(maxsize=512)
def transpile(sql: str, dialect: str) -> str:
    """Translate plain SQL with `$name` placeholders; the placeholders stay."""
    import sqlglot  # noqa: PLC0415 - a third of a second, and DuckDB needs none of it
    from sqlglot import exp  # noqa: PLC0415

    tree = sqlglot.parse_one(sql, read="duckdb")
    marks: dict[str, str] = {}

    def hide(node: Any) -> Any:
        # A placeholder has another form in every engine: a column name passes through all of them unchanged.
        if isinstance(node, (exp.Parameter, exp.Placeholder)):
            name = node.name
            marks[f"shequn_mark_{name}"] = f"${name}"
            return exp.column(f"shequn_mark_{name}")
        if dialect == "clickhouse" and isinstance(node, exp.PercentileCont):
            return exp.CombinedParameterizedAgg(
                this="quantileExactInclusive", expressions=[node.expression], params=[node.this]
            )
        return node

    tree = tree.transform(hide)
    if dialect == "clickhouse":
        # Where two joined tables have a column of one name, ClickHouse calls the output `table.column`.
        outputs: Any = tree
        for item in list(outputs.selects):
            if isinstance(item, exp.Column) and item.table:
                item.replace(exp.alias_(item.copy(), item.name))
    text = tree.sql(dialect=dialect)
    for mark in sorted(marks, key=len, reverse=True):
        text = re.sub(rf'["`]?\b{mark}\b["`]?', lambda _, mark=mark: marks[mark], text)
    return text


def lint(metric: Metric, request: Request) -> list[str]:
    """List what is wrong with a metric's SQL; empty is clean.

    Checked: it parses, no `select *`, output columns are bucket, dimensions and value (or numerator and
    denominator), and no expression is named like a bare input column of the same select (ClickHouse would silently
    take the alias; a column with its table before it is safe).
    """
    import sqlglot  # noqa: PLC0415
    from sqlglot import exp  # noqa: PLC0415

    try:
        text = compile_metric(metric, request).sql
        tree: Any = sqlglot.parse_one(text, read="duckdb")
    except (InvalidInput, sqlglot.ParseError) as error:
        return [f"{metric.name}: {error}"]
    faults: list[str] = []
    own: Any = sqlglot.parse_one(_without_sources(metric, request), read="duckdb")
    stars = [star.parent for star in own.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
    # `ev` is the inner name of `@log`: that one is the engine's, not the metric's.
    if any(not (isinstance(parent, exp.Column) and parent.table == "ev") for parent in stars):
        faults.append(f"{metric.name}: select * hides which columns it uses")
    for select in own.find_all(exp.Select):
        inner = {
            id(node)
            for nested in select.find_all(exp.Select)
            if nested is not select
            for node in nested.walk()
        }
        inputs = {
            column.name
            for column in select.find_all(exp.Column)
            if id(column) not in inner and not column.table
        }
        for item in select.expressions:
            named = isinstance(item, exp.Alias) and item.alias in inputs
            if named and not isinstance(item.this, exp.Column):
                faults += [f"{metric.name}: {item.alias!r} names an expression and an input column"]
    names = [item.alias_or_name for item in tree.selects]
    if "bucket" not in names:
        faults.append(f"{metric.name}: no column bucket in {names}")
    if "value" not in names and not {"numerator", "denominator"} <= set(names) and not metric.finished:
        faults.append(f"{metric.name}: neither value nor numerator and denominator in {names}")
    return faults


def _without_sources(metric: Metric, request: Request) -> str:
    """Expand all but the source macros, so that only the metric's own text is judged."""
    text = re.sub(r"@log\b", "event_log", metric.sql)
    text = re.sub(r"@(person_days_all|first_days|daily_persons|hours|post_days|acts|views)\b", r"\1", text)
    text = re.sub(r"@person_days\([^()]*\)", "person_days", text)
    return Expander(request).expand(text)
