"""Finding plugins: each failure is isolated and kept, never fatal to the rest."""

from __future__ import annotations

import difflib
import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy

from shequn_sdk.domain import Interaction
from shequn_sdk.errors import PluginError, UnknownName
from shequn_sdk.platforms.hooks import (
    PROJECT,
    CommandGroup,
    DetectorSpec,
    EngineSpec,
    EventStoreSpec,
    ImporterSpec,
    PlatformSpec,
    ReportSection,
    SandboxSpec,
    ShequnSpecs,
)
from shequn_sdk.platforms.manifest import API_VERSION

__all__ = ["LoadedPlugin", "Plugins", "load_plugins"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that was found, and how it fared."""

    name: str
    distribution: str
    version: str
    error: str = ""
    """Why it is not used; "" when it is."""
    offers: tuple[str, ...] = ()
    """What it brings, for people: `platform telegram`, `sandbox telegram` …"""


_T = TypeVar("_T")


@dataclass(frozen=True)
class Plugins:
    """All that plugins offer, by name. Made by `load_plugins`; immutable afterwards."""

    loaded: tuple[LoadedPlugin, ...] = ()
    platforms: Mapping[str, PlatformSpec] = field(default_factory=dict[str, PlatformSpec])
    sandboxes: Mapping[str, SandboxSpec] = field(default_factory=dict[str, SandboxSpec])
    importers: Mapping[str, ImporterSpec] = field(default_factory=dict[str, ImporterSpec])
    detectors: Mapping[str, DetectorSpec] = field(default_factory=dict[str, DetectorSpec])
    engines: Mapping[str, EngineSpec] = field(default_factory=dict[str, EngineSpec])
    event_stores: Mapping[str, EventStoreSpec] = field(default_factory=dict[str, EventStoreSpec])
    report_sections: Mapping[str, ReportSection] = field(default_factory=dict[str, ReportSection])
    commands: Mapping[str, CommandGroup] = field(default_factory=dict[str, CommandGroup])
    metrics: tuple[Any, ...] = ()
    load_errors: tuple[PluginError, ...] = ()
    observers: tuple[Callable[[Interaction], None], ...] = ()

    def platform(self, name: str) -> PlatformSpec:
        """Give a platform by its name.

        Raises:
            UnknownName: no plugin offers it; the message names the nearest ones and the broken plugins.
        """
        return self._get("platform", self.platforms, name)

    def sandbox(self, platform: str) -> SandboxSpec:
        """Give the sandbox of a platform.

        Raises:
            UnknownName: no plugin offers one.
        """
        return self._get("sandbox", self.sandboxes, platform)

    def engine(self, name: str) -> EngineSpec:
        """Give a delivery engine by its name.

        Raises:
            UnknownName: no plugin offers it.
        """
        return self._get("engine", self.engines, name)

    def _get(self, kind: str, among: Mapping[str, _T], name: str) -> _T:
        try:
            return among[name]
        except KeyError:
            nearest = tuple(difflib.get_close_matches(name, among, n=2))
            broken = "; ".join(f"{error.plugin}: {error}" for error in self.load_errors)
            unknown = UnknownName(kind, name, nearest=nearest)
            if not nearest:
                there = (
                    ", ".join(sorted(among))
                    or "none is installed; platforms are packages named shequn-PLATFORM"
                )
                unknown.args = (f"{unknown}; there are: {there}",)
            if broken:
                unknown.args = (f"{unknown} (plugins that failed to load: {broken})",)
            raise unknown from None

    def notify(self, interaction: Interaction) -> None:
        """Tell observers of an interaction; a failing one is logged and does not stop the others."""
        for observer in self.observers:
            try:
                observer(interaction)
            except Exception:  # noqa: BLE001 - observers are strangers' code
                _log.exception("an observer of a plugin failed on %s", interaction.id)


_KINDS: tuple[tuple[str, str, str, str], ...] = (
    # hook, field of Plugins, word for people, attribute that names a record
    ("shequn_platforms", "platforms", "platform", "name"),
    ("shequn_sandboxes", "sandboxes", "sandbox", "platform"),
    ("shequn_importers", "importers", "importer", "name"),
    ("shequn_detectors", "detectors", "detector", "name"),
    ("shequn_engines", "engines", "engine", "name"),
    ("shequn_event_stores", "event_stores", "event store", "name"),
    ("shequn_report_sections", "report_sections", "report section", "name"),
    ("shequn_commands", "commands", "command", "name"),
)


class _Loader:
    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(ShequnSpecs)
        self.tables: dict[str, dict[str, Any]] = {kind[1]: {} for kind in _KINDS}
        self.owners: dict[tuple[str, str], str] = {}
        self.metrics: list[Any] = []
        self.loaded: list[LoadedPlugin] = []
        self.errors: list[PluginError] = []
        self.observers: list[Callable[[Interaction], None]] = []

    def add(self, name: str, load: Callable[[], object], distribution: str, version: str) -> None:
        label = distribution or name
        try:
            offers = self._register(name, load(), label)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is kept, not passed on
            text = f"{type(error).__name__}: {error}" if not isinstance(error, PluginError) else str(error)
            problem = PluginError(
                f"plugin {name!r} of {label} is not used: {text}", plugin=name, distribution=distribution
            )
            problem.__cause__ = error
            self.errors.append(problem)
            self.loaded.append(LoadedPlugin(name, distribution, version, error=text))
            _log.warning("%s", problem, extra={"plugin": name})
        else:
            self.loaded.append(LoadedPlugin(name, distribution, version, offers=tuple(offers)))

    def _register(self, name: str, plugin: object, label: str) -> list[str]:
        if self.manager.has_plugin(name):
            raise PluginError(f"two plugins are named {name!r}; the second one is of {label}")
        self.manager.register(plugin, name=name)
        try:
            self.manager.check_pending()
            return self._take(plugin, label)
        except BaseException:
            self.manager.unregister(name=name)
            raise

    def _take(self, plugin: object, label: str) -> list[str]:
        offers: list[str] = []
        found: list[tuple[str, str, Any]] = []
        metrics: list[Any] = []
        for caller in self.manager.get_hookcallers(plugin) or ():
            others = [other for other in self.manager.get_plugins() if other is not plugin]
            if caller.name == "shequn_on_interaction":
                continue
            answers = self.manager.subset_hook_caller(caller.name, others)()
            for record in (record for answer in answers for record in answer or ()):
                self._check_version(record, label)
                kind = next((kind for kind in _KINDS if kind[0] == caller.name), None)
                if kind is None:
                    metrics.append(record)
                    offers.append(f"metric {getattr(record, 'name', record)}")
                    continue
                key = str(getattr(record, kind[3]))
                if key in self.tables[kind[1]]:
                    raise PluginError(f"{kind[2]} {key!r} is offered by {self.owners[kind[1], key]} already")
                found.append((kind[1], key, record))
                offers.append(f"{kind[2]} {key}")
        for table, key, record in found:
            self.tables[table][key] = record
            self.owners[table, key] = label
        self.metrics.extend(metrics)
        observe = getattr(plugin, "shequn_on_interaction", None)
        if observe is not None:
            self.observers.append(lambda interaction: observe(interaction=interaction))
            offers.append("observer of interactions")
        return offers

    @staticmethod
    def _check_version(record: object, label: str) -> None:
        version = getattr(record, "api_version", API_VERSION)
        if version != API_VERSION:
            advice = "update the plugin" if version < API_VERSION else "update shequn-sdk"
            raise PluginError(
                f"{label} was written for plugin API {version}, this is {API_VERSION}: {advice}"
            )


def load_plugins(
    *,
    discover: bool = True,
    only: Sequence[str] | None = None,
    extra: Iterable[tuple[str, object]] = (),
) -> Plugins:
    """Load plugins from entry points of group `shequn`, in the order of their names.

    Args:
        discover: whether to look at what is installed.
        only: names of entry points to load; None is all.
        extra: further plugins as (name, module or object), for tests and programs.

    Returns:
        What loaded plugins offer. A plugin that fails to import, misspells a hook, offers a name that is taken, or was
        written for another API version is left out whole, and stands in `load_errors`.
    """
    loader = _Loader()
    extra = tuple(extra)
    for name, plugin in extra:
        loader.add(name, lambda plugin=plugin: plugin, "", "")
    if discover:
        entries = sorted(entry_points(group=PROJECT), key=lambda entry: entry.name)
        for entry in entries:
            if only is None or entry.name in only:
                loader.add(entry.name, entry.load, *_distribution(entry))
        installed = [entry.name for entry in entries]
        given = {name for name, _ in extra}
        for name in only or ():
            if name not in installed and name not in given:
                loader.add(name, functools.partial(_missing, name, installed), "", "")
    tables = {name: MappingProxyType(table) for name, table in loader.tables.items()}
    return Plugins(
        loaded=tuple(loader.loaded),
        metrics=tuple(loader.metrics),
        load_errors=tuple(loader.errors),
        observers=tuple(loader.observers),
        **tables,
    )


def _missing(name: str, installed: Sequence[str]) -> object:
    near = difflib.get_close_matches(name, installed, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(installed) or 'none'}"
    raise PluginError(f"it is asked for by name and not installed; {hint}")


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    return (entry.dist.name, entry.dist.version) if entry.dist is not None else ("", "")
