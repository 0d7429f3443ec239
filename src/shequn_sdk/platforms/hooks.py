"""Hook specifications of the plugin port, and the records that hooks return.

A plugin is a module or object registered under the entry-point group `shequn`:

```toml
[project.entry-points.shequn]
myplatform = "shequn_myplatform"
```

All hooks collect: every plugin's answers count. None of them may do work; they hand over objects and factories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pluggy

from shequn_sdk.domain import Account, Clock, Interaction
from shequn_sdk.platforms.manifest import API_VERSION, Manifest
from shequn_sdk.platforms.ports import Adapter

__all__ = [
    "PROJECT",
    "AdapterContext",
    "CommandGroup",
    "DetectorSpec",
    "EngineSpec",
    "EventStoreSpec",
    "ImporterSpec",
    "PlatformSpec",
    "ReportSection",
    "SandboxSpec",
    "ShequnSpecs",
    "hookimpl",
    "hookspec",
]

PROJECT = "shequn"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What core hands to every adapter it makes."""

    clock: Clock
    transport: Any = None
    """An `httpx.AsyncBaseTransport` to use instead of the network: the test seam.

    None is the network: over aiohttp's connections when the extra `fast` is installed (never in a pytest run, where
    respx must be able to stand in), else over httpx's own, which `shequn_sdk.platforms.http.plain_transport()` asks for.
    """
    timeout: float = 30.0
    """Seconds for one request."""
    private_hosts: frozenset[str] = frozenset()
    """`host:port` in private networks from which media may be fetched."""


@dataclass(frozen=True, slots=True)
class PlatformSpec:
    """A platform that a plugin offers."""

    name: str
    title: str
    create: Callable[[Account, AdapterContext], Adapter]
    """Make the adapter of one account. Raises `ConfigError` for wrong settings; makes no request."""
    manifest: Callable[[Account], Manifest]
    """The manifest of an account, without making its adapter."""
    manifests: tuple[Manifest, ...]
    """One manifest per mode, for tables and docs."""
    docs: str = ""
    """Where set-up is described, for error messages."""
    api_version: int = API_VERSION


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A local server that behaves like a platform; `create` takes a `shequn_sdk.testing.sandbox.SandboxContext`."""

    platform: str
    create: Callable[[Any], Any]
    api_version: int = API_VERSION
    rehearsal_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options of the sandbox with which a community is rehearsed in it, such as the mode."""
    rehearsal_account: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options of an account that answers at once when nothing waits, so that a rehearsal need not wait."""


@dataclass(frozen=True, slots=True)
class ImporterSpec:
    """A reader of history files; `create` gives a `shequn_sdk.listening.importers.Importer`."""

    name: str
    title: str
    create: Callable[..., Any]
    suffixes: tuple[str, ...] = ()
    sniff: Callable[[bytes], bool] | None = None
    """Whether the first 4096 bytes look like its format."""


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """A moderation detector; `create` gives an object with `detect(interaction)`."""

    name: str
    create: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """A delivery engine; `create(url, ledger, clock)` gives a `shequn_sdk.scheduling.engine.DeliveryEngine`."""

    name: str
    schemes: tuple[str, ...]
    create: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class EventStoreSpec:
    """An event store; `create(url, clock)` gives a `shequn_sdk.metrics.store.EventStore`.

    `url` is what the setting `events` says and may hold a password: it must not reach messages or logs.
    """

    name: str
    schemes: tuple[str, ...]
    create: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ReportSection:
    """A section of the report; `render` takes a `shequn_sdk.reports.ReportContext`."""

    name: str
    title: str
    render: Callable[[Any], Any]
    order: int = 500


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """A command group of the CLI: `app` is a `typer.Typer`."""

    name: str
    app: Any


class ShequnSpecs:
    """The hooks. Each is since API 1 and collects."""

    @hookspec
    def shequn_platforms(self) -> Iterable[PlatformSpec]:
        """Offer platforms; called once, when plugins are loaded.

        Example:
            @hookimpl
            def shequn_platforms(): return [PlatformSpec(name="echo", title="Echo", ...)]
        """
        return ()

    @hookspec
    def shequn_sandboxes(self) -> Iterable[SandboxSpec]:
        """Offer local servers of platforms, for `shequn sandbox`, the demo and tests."""
        return ()

    @hookspec
    def shequn_metrics(self) -> Iterable[Any]:
        """Offer metrics: `shequn_sdk.metrics.Metric` records with packaged SQL."""
        return ()

    @hookspec
    def shequn_detectors(self) -> Iterable[DetectorSpec]:
        """Offer moderation detectors."""
        return ()

    @hookspec
    def shequn_importers(self) -> Iterable[ImporterSpec]:
        """Offer readers of history files."""
        return ()

    @hookspec
    def shequn_engines(self) -> Iterable[EngineSpec]:
        """Offer delivery engines."""
        return ()

    @hookspec
    def shequn_event_stores(self) -> Iterable[EventStoreSpec]:
        """Offer event stores."""
        return ()

    @hookspec
    def shequn_report_sections(self) -> Iterable[ReportSection]:
        """Offer sections of the report."""
        return ()

    @hookspec
    def shequn_commands(self) -> Iterable[CommandGroup]:
        """Offer command groups of the CLI."""
        return ()

    @hookspec
    def shequn_on_interaction(self, interaction: Interaction) -> None:
        """Observe every interaction after it was dispatched. Must return at once and not raise."""
