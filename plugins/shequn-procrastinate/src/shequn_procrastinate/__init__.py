"""A delivery engine for many hosts: Procrastinate carries the wakes, the ledger decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shequn_sdk.domain import Clock
from shequn_sdk.platforms.hooks import EngineSpec, hookimpl

__all__ = ["shequn_engines"]


def _create(url: str, ledger: Any, clock: Clock) -> Any:
    from shequn_procrastinate.engine import ProcrastinateEngine  # noqa: PLC0415 - Procrastinate is loaded when it is used

    del ledger  # the queue is Procrastinate's, not the ledger's index
    return ProcrastinateEngine(url, clock=clock)


@hookimpl
def shequn_engines() -> Iterable[EngineSpec]:
    """Offer Procrastinate."""
    return [EngineSpec(name="procrastinate", schemes=("postgresql",), create=_create)]
