"""Importing history into the workspace's event store."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shequn_sdk.client.workspace import Workspace
from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import InvalidInput, UnknownName

if TYPE_CHECKING:
    from shequn_sdk.listening.importers.job import ImportResult

__all__ = ["DEFAULT_COMMUNITY", "import_history"]

DEFAULT_COMMUNITY = "main"
"""Name of the community that an import makes when the settings have none."""


async def import_history(
    workspace: Workspace,
    path: Path,
    form: str,
    community: str,
    zone: str,
    columns: dict[str, str],
    options: dict[str, Any],
    progress: Callable[[int, int], object] | None,
) -> ImportResult:
    """Import a file; see `AsyncShequn.import_history`."""
    raise AssertionError(
        (
            workspace,
            path,
            form,
            community,
            zone,
            columns,
            options,
            progress,
            InteractionBatch,
            ValidationError,
            difflib,
            InvalidInput,
            UnknownName,
        )
    )
