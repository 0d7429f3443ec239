"""For tests and rehearsals: sandboxes of the platforms, simulated members, and the contract kit for plugins.

- `shequn_sdk.testing.sandbox`: local servers that behave like the platforms, with faults by seed.
- `shequn_sdk.testing.simulate`, `.world`, `.truth`: members who live in them, and what they really did.
- `shequn_sdk.testing.heard`: an event to call a handler with.
- `shequn_sdk.testing.contract`: the suite that proves an adapter; pytest loads its plugin by itself.
- `shequn_sdk.testing.scaffold`: writes a new plugin package.

Nothing is loaded before it is asked for, because pytest imports this package in every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shequn_sdk.scheduling.clock import ManualClock
    from shequn_sdk.testing.hearing import heard
    from shequn_sdk.testing.sandbox import (
        BaseSandbox,
        Fault,
        FaultKind,
        FaultRule,
        NoFaults,
        Person,
        PlatformSandbox,
        SandboxChannel,
        SandboxContext,
        SandboxMessage,
        SandboxServer,
        SeededFaults,
        serve,
    )
    from shequn_sdk.testing.simulate import Entrance, Place, Shop, SimulatedCommunity, SimulatedMember
    from shequn_sdk.testing.truth import GroundTruth, SimulatedAct
    from shequn_sdk.testing.world import Personality, World

_HOMES = {
    "BaseSandbox": "shequn_sdk.testing.sandbox",
    "Entrance": "shequn_sdk.testing.simulate",
    "Fault": "shequn_sdk.testing.sandbox",
    "FaultKind": "shequn_sdk.testing.sandbox",
    "FaultRule": "shequn_sdk.testing.sandbox",
    "GroundTruth": "shequn_sdk.testing.truth",
    "ManualClock": "shequn_sdk.scheduling.clock",
    "NoFaults": "shequn_sdk.testing.sandbox",
    "Person": "shequn_sdk.testing.sandbox",
    "Personality": "shequn_sdk.testing.world",
    "Place": "shequn_sdk.testing.simulate",
    "PlatformSandbox": "shequn_sdk.testing.sandbox",
    "SandboxChannel": "shequn_sdk.testing.sandbox",
    "SandboxContext": "shequn_sdk.testing.sandbox",
    "SandboxMessage": "shequn_sdk.testing.sandbox",
    "SandboxServer": "shequn_sdk.testing.sandbox",
    "SeededFaults": "shequn_sdk.testing.sandbox",
    "Shop": "shequn_sdk.testing.simulate",
    "SimulatedAct": "shequn_sdk.testing.truth",
    "SimulatedCommunity": "shequn_sdk.testing.simulate",
    "SimulatedMember": "shequn_sdk.testing.simulate",
    "World": "shequn_sdk.testing.world",
    "heard": "shequn_sdk.testing.hearing",
    "serve": "shequn_sdk.testing.sandbox",
}

__all__ = [
    "BaseSandbox",
    "Entrance",
    "Fault",
    "FaultKind",
    "FaultRule",
    "GroundTruth",
    "ManualClock",
    "NoFaults",
    "Person",
    "Personality",
    "Place",
    "PlatformSandbox",
    "SandboxChannel",
    "SandboxContext",
    "SandboxMessage",
    "SandboxServer",
    "SeededFaults",
    "Shop",
    "SimulatedAct",
    "SimulatedCommunity",
    "SimulatedMember",
    "World",
    "heard",
    "serve",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
