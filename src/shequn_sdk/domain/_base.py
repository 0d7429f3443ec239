"""What all domain models share: frozen, strict about unknown fields, ids by default."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

__all__ = ["Frozen", "Identifier", "Name", "new_id"]

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
"""Name that people write in settings: lower case, at most 63 characters."""

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=255)]
"""Id at the border: always text, whatever the platform uses inside."""


class Frozen(BaseModel):
    """Base of every domain model: immutable, no unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_timedelta="iso8601",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        use_attribute_docstrings=True,
    )


def new_id() -> str:
    """Give a fresh random id (32 hexadecimal digits)."""
    return os.urandom(16).hex()
