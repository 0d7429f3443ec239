"""What is kept of a member, over all rooms: gathered for export, taken away on request.

A room that keeps something per member has a module with two functions and names it in `PARTS`:

```python
def export_rows(conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]: ...
def erase_rows(conn: Connection, identities: Sequence[int]) -> int: ...
```

`export_rows` gives rows by table, of JSON values; `erase_rows` removes or empties them and gives how many it touched. Both
are database work only, and run in one transaction with those of the other rooms, before the identities themselves go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from sqlalchemy import Connection

__all__ = ["PARTS", "PersonalData", "parts"]

PARTS: tuple[str, ...] = (
    "shequn_sdk.commerce._privacy",
    "shequn_sdk.editorial._privacy",
    "shequn_sdk.engagement._privacy",
    "shequn_sdk.incentives._privacy",
    "shequn_sdk.feedback._privacy",
    "shequn_sdk.journeys._privacy",
    "shequn_sdk.links._privacy",
    "shequn_sdk.moderation._privacy",
    "shequn_sdk.members._privacy",
)
"""Modules by name, in the order in which they erase; that of the members is the last, others refer to its rows."""


class PersonalData(Protocol):
    """What a module in `PARTS` has."""

    def export_rows(self, conn: Connection, identities: Sequence[int]) -> Mapping[str, list[dict[str, Any]]]:
        """Give what is kept of these identities, by table."""
        ...

    def erase_rows(self, conn: Connection, identities: Sequence[int]) -> int:
        """Remove what is kept of these identities; gives how many rows were removed or emptied."""
        ...


def parts() -> Iterator[tuple[str, PersonalData]]:
    """Give the parts with the names of their rooms."""
    for name in PARTS:
        yield name.split(".")[-2], cast("PersonalData", import_module(name))
