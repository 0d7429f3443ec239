"""Mood, spam and answers."""

from __future__ import annotations

from shequn_sdk.metrics.model import Metric

METRICS: list[Metric] = []
