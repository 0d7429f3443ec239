"""Importers by name: the built-in ones, and those that plugins offer."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from shequn_sdk.errors import InvalidInput, PluginError, UnknownName
from shequn_sdk.listening.importers.base import Importer
from shequn_sdk.listening.importers.lines import head_of
from shequn_sdk.platforms.hooks import ImporterSpec

__all__ = ["BUILT_IN", "Importers"]


def _edges() -> Importer:
    from shequn_sdk.listening.importers.edges import EdgeListImporter  # noqa: PLC0415 - loaded when used

    return EdgeListImporter()


def _csv() -> Importer:
    from shequn_sdk.listening.importers.tables import CsvImporter  # noqa: PLC0415 - loaded when used

    return CsvImporter()


def _parquet() -> Importer:
    from shequn_sdk.listening.importers.tables import ParquetImporter  # noqa: PLC0415 - loaded when used

    return ParquetImporter()


def _telegram() -> Importer:
    from shequn_sdk.listening.importers.telegram import TelegramExportImporter  # noqa: PLC0415 - loaded when used

    return TelegramExportImporter()


def _discord() -> Importer:
    from shequn_sdk.listening.importers.discord import DiscordExportImporter  # noqa: PLC0415 - loaded when used

    return DiscordExportImporter()


def _whatsapp() -> Importer:
    from shequn_sdk.listening.importers.whatsapp import WhatsAppImporter  # noqa: PLC0415 - loaded when used

    return WhatsAppImporter()


def _is_edges(head: bytes) -> bool:
    from shequn_sdk.listening.importers.edges import looks_like_edges  # noqa: PLC0415 - loaded when used

    return looks_like_edges(head)


def _is_whatsapp(head: bytes) -> bool:
    from shequn_sdk.listening.importers.whatsapp import looks_like_whatsapp  # noqa: PLC0415 - loaded when used

    return looks_like_whatsapp(head)


def _is_json(*keys: bytes) -> Callable[[bytes], bool]:
    def look(head: bytes) -> bool:
        return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and any(key in head for key in keys)

    return look


BUILT_IN: Mapping[str, ImporterSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ImporterSpec(
                "parquet",
                "Parquet with a column map",
                _parquet,
                (".parquet", ".pq"),
                lambda head: head[:4] == b"PAR1",
            ),
            ImporterSpec(
                "discord",
                "DiscordChatExporter JSON",
                _discord,
                (".json",),
                _is_json(b'"guild"', b'"dateRange"'),
            ),
            ImporterSpec(
                "telegram",
                "Telegram Desktop export (result.json)",
                _telegram,
                (".json",),
                _is_json(b'"messages"', b'"chats"', b'"about"', b'"personal_information"'),
            ),
            ImporterSpec("whatsapp", "WhatsApp text export", _whatsapp, (".txt",), _is_whatsapp),
            ImporterSpec(
                "edges", "Edge list: source target time", _edges, (".txt", ".tsv", ".edges"), _is_edges
            ),
            ImporterSpec("csv", "CSV with a column map", _csv, (".csv", ".tsv"), None),
        )
    }
)
"""In the order in which a file is tried when nobody names its format."""


class Importers:
    """All importers of a workspace."""

    def __init__(self, plugins: Iterable[ImporterSpec] = ()) -> None:
        """Know the built-in importers and `plugins` (`Plugins.importers.values()`).

        Raises:
            PluginError: a plugin's importer has the name of another.
        """
        self._specs = dict(BUILT_IN)
        for spec in plugins:
            if spec.name in self._specs:
                raise PluginError(f"importer {spec.name!r} is there already", plugin=spec.name)
            self._specs[spec.name] = spec

    def list(self) -> tuple[ImporterSpec, ...]:
        """Give all, built-in ones first."""
        return tuple(self._specs.values())

    def create(self, name: str) -> Importer:
        """Make an importer by its name.

        Raises:
            UnknownName: there is none.
        """
        spec = self._specs.get(name)
        if spec is None:
            nearest = tuple(difflib.get_close_matches(name, self._specs, n=2)) or tuple(self._specs)
            raise UnknownName("importer", name, nearest=nearest)
        made: Any = spec.create()
        return cast("Importer", made)

    def detect(self, source: Path) -> str:
        """Name the importer for a file, by its first 4096 bytes, else by its suffix.

        Raises:
            InvalidInput: none fits, or the file cannot be read.
        """
        head = head_of(source, 4096)
        for spec in self._specs.values():
            if spec.sniff is not None and spec.sniff(head):
                return spec.name
        for spec in self._specs.values():
            if source.suffix.lower() in spec.suffixes and spec.sniff is None:
                return spec.name
        raise InvalidInput(
            f"cannot tell the format of {source.name}: name it, one of {', '.join(self._specs)}",
            source=source.name,
        )
