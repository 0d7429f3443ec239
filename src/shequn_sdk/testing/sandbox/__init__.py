"""The sandbox: local servers that behave like the platforms.

`api` is what a platform's sandbox implements, `base` what most of them share, `faults` decides what goes wrong,
`server` runs them. Importing this package loads no server; `SandboxServer` and `serve` load theirs when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shequn_sdk.testing.sandbox.api import (
    CallbackResult,
    Fault,
    FaultKind,
    FaultSource,
    Person,
    PlatformSandbox,
    SandboxChannel,
    SandboxContext,
    SandboxMessage,
)
from shequn_sdk.testing.sandbox.base import BaseSandbox
from shequn_sdk.testing.sandbox.faults import FaultRule, NoFaults, SeededFaults

if TYPE_CHECKING:
    from shequn_sdk.testing.sandbox.server import SandboxServer, serve

__all__ = [
    "BaseSandbox",
    "CallbackResult",
    "Fault",
    "FaultKind",
    "FaultRule",
    "FaultSource",
    "NoFaults",
    "Person",
    "PlatformSandbox",
    "SandboxChannel",
    "SandboxContext",
    "SandboxMessage",
    "SandboxServer",
    "SeededFaults",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name in {"SandboxServer", "serve"}:
        from shequn_sdk.testing.sandbox import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
