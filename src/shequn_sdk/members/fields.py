"""Custom fields of profiles: declared, typed, validated; contacts are sealed."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import Field, JsonValue, model_validator
from sqlalchemy import Connection, delete, insert, select

from shequn_sdk.domain import Frozen, Name
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.members.sealing import Sealer
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.tables.profiles import field_spec, profile_field

__all__ = [
    "CONTACTS",
    "HIDDEN",
    "FieldKind",
    "FieldSpec",
    "Stored",
    "declare",
    "prepare",
    "read_fields",
    "specs",
    "write",
]

HIDDEN = "•••"
"""What stands for a contact that was not asked for."""
_CHUNK = 400
_MOST = 200


class FieldKind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    PHONE = "phone"
    """Sealed at rest, like the other contacts."""
    EMAIL = "email"
    ADDRESS = "address"


CONTACTS = frozenset({FieldKind.PHONE, FieldKind.EMAIL, FieldKind.ADDRESS})
"""Kinds that are sealed at rest."""


class FieldSpec(Frozen):
    """A declared field of profiles (自定义字段)."""

    name: Name
    kind: FieldKind
    title: str = Field(default="", max_length=100)
    choices: tuple[str, ...] = Field(default=(), max_length=100)
    """Of a choice."""
    minimum: float | None = None
    """Of a number."""
    maximum: float | None = None
    max_length: int = Field(default=500, ge=1, le=10_000)
    """Of a text, in code points."""

    @model_validator(mode="after")
    def _fits(self) -> FieldSpec:
        if (self.kind is FieldKind.CHOICE) != bool(self.choices):
            raise ValueError("a choice needs choices, and no other kind has them")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum must not be above maximum")
        return self

    def check(self, value: JsonValue | date) -> JsonValue:
        """Give a value in the form in which it is kept.

        Raises:
            InvalidInput: it is no value of this field; the message says what is.
        """
        try:
            return _CHECKS[self.kind](self, value)
        except (TypeError, ValueError) as error:
            words = str(error) if isinstance(error, InvalidInput) else f"{value!r} is no {self.kind}"
            shown = f"field {self.name!r}: {words}"
            if self.kind in CONTACTS:
                shown = f"field {self.name!r}: what was given is no {self.kind}"
            raise InvalidInput(shown, source=self.name) from None

    def number_of(self, value: JsonValue) -> float | None:
        """Give the number by which values are compared; None when they are not."""
        if self.kind is FieldKind.DATE:
            return float(date.fromisoformat(str(value)).toordinal())
        if isinstance(value, bool):
            return float(value)
        return float(value) if isinstance(value, (int, float)) else None


def _text(spec: FieldSpec, value: Any) -> JsonValue:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{value!r} is no text")
    text = unicodedata.normalize("NFC", value.strip())
    if len(text) > spec.max_length:
        raise InvalidInput(f"the text has {len(text)} characters, {spec.max_length} are allowed")
    return text


def _number(spec: FieldSpec, value: Any) -> JsonValue:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InvalidInput(f"{value!r} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise InvalidInput(f"{value!r} is no number")
    if (spec.minimum is not None and number < spec.minimum) or (
        spec.maximum is not None and number > spec.maximum
    ):
        raise InvalidInput(f"{number:g} is not between {spec.minimum} and {spec.maximum}")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _date(_: FieldSpec, value: Any) -> JsonValue:
    found = value if isinstance(value, date) else date.fromisoformat(str(value))
    return date(found.year, found.month, found.day).isoformat()


def _choice(spec: FieldSpec, value: Any) -> JsonValue:
    if value not in spec.choices:
        raise InvalidInput(f"{value!r} is none of {', '.join(spec.choices)}")
    return str(value)


def _boolean(_: FieldSpec, value: Any) -> JsonValue:
    if isinstance(value, bool):
        return value
    known = {
        "yes": True,
        "true": True,
        "1": True,
        "是": True,
        "no": False,
        "false": False,
        "0": False,
        "否": False,
    }
    found = known.get(str(value).strip().lower())
    if found is None:
        raise InvalidInput(f"{value!r} is neither yes nor no")
    return found


def _phone(_: FieldSpec, value: Any) -> JsonValue:
    digits = re.sub(r"[\s().-]", "", unicodedata.normalize("NFKC", str(value)))
    if re.fullmatch(r"1[3-9]\d{9}", digits):
        digits = "+86" + digits  # numbers of mainland China are written without a country code
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if not re.fullmatch(r"\+?\d{5,15}", digits):
        raise InvalidInput("no phone number")
    return digits


def _email(_: FieldSpec, value: Any) -> JsonValue:
    text = unicodedata.normalize("NFKC", str(value)).strip().lower()
    if len(text) > 254 or not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text):
        raise InvalidInput("no e-mail address")
    return text


_CHECKS = {
    FieldKind.TEXT: _text,
    FieldKind.NUMBER: _number,
    FieldKind.DATE: _date,
    FieldKind.CHOICE: _choice,
    FieldKind.BOOLEAN: _boolean,
    FieldKind.PHONE: _phone,
    FieldKind.EMAIL: _email,
    FieldKind.ADDRESS: _text,
}


class Stored(NamedTuple):
    """A value ready for its row."""

    name: str
    value: str
    number: float | None
    blind: str


def specs(conn: Connection) -> dict[str, FieldSpec]:
    """Give the declared fields by name."""
    return {name: _spec(spec) for name, spec in _SPECS.all(conn)}


_SPECS = Fast("select name, spec from field_spec order by name")


@lru_cache(maxsize=256)
def _spec(text: str) -> FieldSpec:
    return FieldSpec.model_validate_json(text)


def declare(conn: Connection, spec: FieldSpec) -> None:
    """Declare a field, or change its declaration.

    Raises:
        InvalidInput: members have values of another kind in it.
    """
    known = specs(conn)
    old = known.get(spec.name)
    if old is None and len(known) >= _MOST:
        raise InvalidInput(f"there are {_MOST} fields already")
    if old is not None and old.kind is not spec.kind:
        used = conn.execute(
            select(profile_field.c.identity_id).where(profile_field.c.name == spec.name).limit(1)
        ).first()
        if used is not None:
            raise InvalidInput(
                f"field {spec.name!r} holds values of kind {old.kind}: clear them, or take another name",
                source=spec.name,
            )
    conn.execute(delete(field_spec).where(field_spec.c.name == spec.name))
    conn.execute(insert(field_spec).values(name=spec.name, spec=spec.model_dump_json()))


def prepare(
    known: Mapping[str, FieldSpec],
    values: Mapping[str, JsonValue | date],
    *,
    identity: int,
    sealer: Sealer | None,
) -> list[Stored | str]:
    """Check values and seal contacts; a name alone is a field that is to be cleared.

    Raises:
        UnknownName: a field is not declared.
        InvalidInput: a value does not fit.
    """
    out: list[Stored | str] = []
    for name, value in values.items():
        spec = known.get(name)
        if spec is None:
            raise UnknownName("field", name, nearest=tuple(known)[:5])
        if value is None:
            out.append(name)
            continue
        kept = spec.check(value)
        if spec.kind in CONTACTS and sealer is not None:
            text = str(kept)
            sealed = sealer.seal(text, context=f"{name}:{identity}")
            out.append(Stored(name, json.dumps(sealed), None, sealer.blind(text, kind=spec.kind)))
        else:
            out.append(Stored(name, json.dumps(kept, ensure_ascii=False), spec.number_of(kept), ""))
    return out


def write(
    conn: Connection, identity: int, others: Sequence[int], ready: Sequence[Stored | str], now: int
) -> None:
    """Put values into the profile of an identity; cleared ones go from all identities of the person."""
    for one in ready:
        name = one if isinstance(one, str) else one.name
        whose = others if isinstance(one, str) else [identity]
        conn.execute(
            delete(profile_field).where(profile_field.c.name == name, profile_field.c.identity_id.in_(whose))
        )
        if not isinstance(one, str):
            conn.execute(
                insert(profile_field).values(
                    identity_id=identity,
                    name=name,
                    value=one.value,
                    number=one.number,
                    blind=one.blind,
                    at=now,
                )
            )


def read_fields(
    conn: Connection, identities: Sequence[int], *, sealer: Sealer | None = None
) -> dict[str, JsonValue]:
    """Give the newest value of each field over the identities of a person; contacts hidden without a sealer."""
    known = specs(conn)
    found: dict[str, JsonValue] = {}
    for start in range(0, len(identities), _CHUNK):
        for row in conn.execute(
            select(profile_field)
            .where(profile_field.c.identity_id.in_(identities[start : start + _CHUNK]))
            .order_by(profile_field.c.at, profile_field.c.identity_id)
        ):
            spec = known.get(row.name)
            value: JsonValue = json.loads(row.value)
            if spec is not None and spec.kind in CONTACTS:
                value = (
                    HIDDEN
                    if sealer is None
                    else sealer.open(str(value), context=f"{row.name}:{row.identity_id}")
                )
            found[row.name] = value
    return dict(sorted(found.items()))
