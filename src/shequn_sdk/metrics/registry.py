"""All metrics by name: the built-in ones and those of plugins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib import import_module

from shequn_sdk.errors import PluginError, UnknownName
from shequn_sdk.metrics.model import Metric

__all__ = ["Registry", "builtin_metrics"]

_ROOMS = (
    "activity",
    "membership",
    "retention",
    "content",
    "leaders",
    "atmosphere",
    "office",
    "feedback",
    "conversion",
)


@cache
def builtin_metrics() -> tuple[Metric, ...]:
    """Give the metrics that come with the package."""
    found: list[Metric] = []
    for room in _ROOMS:
        found.extend(import_module(f"shequn_sdk.metrics.builtin.{room}").METRICS)
    return tuple(found)


class Registry:
    """Metrics by name; a clash is an error unless the newcomer says what it replaces."""

    def __init__(self, metrics: Iterable[Metric] | None = None) -> None:
        """Start with `metrics`, by default the built-in ones."""
        self._metrics: dict[str, Metric] = {}
        for metric in builtin_metrics() if metrics is None else metrics:
            self.add(metric)

    def add(self, metric: Metric, *, plugin: str = "") -> None:
        """Add one.

        Raises:
            PluginError: the name is taken, the documentation lacks a language, or it replaces what is not there.
        """
        taken = metric.name in self._metrics
        if taken and metric.replaces != metric.name:
            raise PluginError(
                f"metric {metric.name!r} is defined twice; rename it, or set replaces={metric.name!r} to take its place",
                plugin=plugin,
            )
        if metric.replaces is not None and metric.replaces not in self._metrics:
            raise PluginError(
                f"metric {metric.name!r} replaces {metric.replaces!r}, which is not there", plugin=plugin
            )
        if not {"zh", "en"} <= set(metric.doc) or not metric.grains:
            raise PluginError(
                f"metric {metric.name!r} needs doc in zh and en, and at least one grain", plugin=plugin
            )
        if metric.replaces is not None and metric.replaces != metric.name:
            del self._metrics[metric.replaces]
        self._metrics[metric.name] = metric

    def get(self, name: str) -> Metric:
        """Give the metric.

        Raises:
            UnknownName: there is none; the nearest names are given.
        """
        metric = self._metrics.get(name)
        if metric is None:
            nearest = tuple(difflib.get_close_matches(name, self._metrics, n=3, cutoff=0.4))
            raise UnknownName("metric", name, nearest=nearest)
        return metric

    def list(self) -> list[Metric]:
        """List all, by name."""
        return [self._metrics[name] for name in sorted(self._metrics)]
