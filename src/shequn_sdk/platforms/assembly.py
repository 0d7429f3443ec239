"""Interactions put together of values whose types a wire model has checked already, for readers on a hot path.

Validation of all 21 fields a second time costs as much as decoding. Whoever assembles must hold, by a test over every
kind of event, that `Interaction.model_validate` gives the same.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from shequn_sdk.domain import Interaction

__all__ = ["assemble", "blank"]

_new = Interaction.__new__
_set_dict = BaseModel.__dict__["__dict__"].__set__
_set_fields = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__
_DEFAULTS: dict[str, Any] = {
    name: None if field.is_required() or field.default_factory else field.default
    for name, field in Interaction.model_fields.items()
}
_ALL_FIELDS = set(Interaction.model_fields)
"""Shared by all interactions made here: they are frozen, so nobody changes it."""


def blank(platform: str, account: str) -> dict[str, Any]:
    """Give all fields with their defaults; copy it, and fill `id`, `kind`, `occurred_at` and `attrs` at least."""
    return {**_DEFAULTS, "platform": platform, "account": account}


def assemble(fields: dict[str, Any]) -> Interaction:
    """Make an interaction of all its fields, unchecked; `fields` becomes its own."""
    made = _new(Interaction)
    _set_dict(made, fields)
    _set_fields(made, _ALL_FIELDS)
    _set_extra(made, None)
    _set_private(made, None)
    return made
