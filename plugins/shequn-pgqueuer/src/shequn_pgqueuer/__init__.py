"""A delivery engine for many hosts: PgQueuer carries the wakes, the ledger decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shequn_sdk.domain import Clock
from shequn_sdk.platforms.hooks import EngineSpec, hookimpl

__all__ = ["shequn_engines"]


def _create(url: str, ledger: Any, clock: Clock) -> Any:
    from shequn_pgqueuer.engine import PgQueuerEngine  # noqa: PLC0415 - PgQueuer is loaded when it is used

    del ledger  # the queue is PgQueuer's, not the ledger's index
    return PgQueuerEngine(url, clock=clock)


@hookimpl
def shequn_engines() -> Iterable[EngineSpec]:
    """Offer PgQueuer."""
    return [EngineSpec(name="pgqueuer", schemes=("postgresql",), create=_create)]
