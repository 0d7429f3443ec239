"""Importing history into the workspace's event store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shequn_sdk.client.workspace import Workspace
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.listening.importers.job import ImportResult, Progress

__all__ = ["DEFAULT_COMMUNITY", "import_history"]

DEFAULT_COMMUNITY = "main"
"""Name of the community that an import makes when the settings have none."""


async def import_history(
    workspace: Workspace,
    path: Path,
    *,
    form: str | None,
    community: str,
    zone: str,
    columns: dict[str, str],
    options: dict[str, Any],
    progress: Callable[[Progress], None] | None,
) -> ImportResult:
    """Import a file; see `AsyncShequn.import_history`."""
    from shequn_sdk.listening.importers.base import ImportOptions
    from shequn_sdk.listening.importers.job import import_file
    from shequn_sdk.listening.importers.registry import Importers

    known = workspace.community(community or None)
    if known is None and not community and len(workspace.settings.communities) > 1:
        names = ", ".join(item.name for item in workspace.settings.communities)
        raise InvalidInput(f"say into which community: {names}")
    name = known.name if known is not None else community or DEFAULT_COMMUNITY
    zone = zone or (known.zone if known is not None else "UTC")
    try:
        fields = {"zone": zone, **({"columns": columns} if columns else {}), **options}
        read = ImportOptions.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InvalidInput(f"import option {where!r}: {problem['msg']}") from None
    events = await workspace.events()
    await events.ensure_community(name, zone=zone)
    return await import_file(
        path,
        community=name,
        append=workspace.append,
        importer=form,
        options=read,
        importers=Importers(workspace.plugins.importers.values()),
        state_dir=workspace.settings.home / "imports",
        clock=workspace.clock,
        on_progress=progress,
    )
