"""The optional packages behind pictures and pages, and the error when they are absent."""

from __future__ import annotations

import importlib
from types import ModuleType

from shequn_sdk.errors import MissingExtra

__all__ = ["need"]


def need(module: str) -> ModuleType:
    """Import a module of extra [report]; raise `MissingExtra` that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"HTML pages and pictures need the package {module!r}",
            "report",
            otherwise="or write CSV or Markdown",
        ) from error
