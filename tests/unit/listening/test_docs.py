from __future__ import annotations

from pathlib import Path

from shequn_sdk.listening.events import EVENT_NAMES
from shequn_sdk.listening.importers.base import SkipReason
from shequn_sdk.listening.importers.registry import BUILT_IN

DOCS = Path(__file__).parents[3] / "docs"


def test_every_event_name_is_documented():
    page = (DOCS / "listening.md").read_text(encoding="utf-8")
    assert [name for name, kind in EVENT_NAMES.items() if f"`{name}` | {kind.value} |" not in page] == []


def test_every_importer_and_skip_reason_is_documented():
    page = (DOCS / "importing.md").read_text(encoding="utf-8")
    assert [name for name in (*BUILT_IN, *SkipReason) if f"`{name}`" not in page] == []
