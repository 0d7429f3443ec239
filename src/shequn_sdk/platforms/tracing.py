"""Spans around requests, when the program that uses us has OpenTelemetry; else nothing at all."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

__all__ = ["span"]


def span(name: str, **attributes: str) -> AbstractContextManager[Any]:
    """Give a span named `name`; attributes never hold secrets or addresses.

    OpenTelemetry is used when the program has imported it, and is never imported here: it costs nothing otherwise.
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return nullcontext()
    tracer = trace.get_tracer("shequn_sdk")
    return tracer.start_as_current_span(
        name, attributes={f"shequn.{key}": value for key, value in attributes.items()}
    )
