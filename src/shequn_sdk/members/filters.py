"""Filters of members: small typed values that can be combined, kept as JSON and read by people.

```python
Tagged(tag="减脂") & ActiveWithin(days=7) & ~OnPlatform(platforms=("discord",))
```
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import Field as Parameter
from pydantic import TypeAdapter, ValidationError

from shequn_sdk.domain import Frozen, Name, Role
from shequn_sdk.errors import InvalidInput
from shequn_sdk.members.lifecycle import Stage

__all__ = [
    "ActiveWithin",
    "Acts",
    "And",
    "AnyFilter",
    "Entrance",
    "Field",
    "Filter",
    "HasRole",
    "InSegment",
    "InStage",
    "JoinedWithin",
    "Left",
    "Not",
    "Number",
    "OnPlatform",
    "Or",
    "Tagged",
    "parse_filter",
    "walk",
]

Days = Annotated[int, Parameter(ge=1, le=36_500)]
_DEEP = 30


class Filter(Frozen):
    """Which members (筛选条件). Filters combine by `&`, `|` and `~`."""

    def __and__(self, other: Filter) -> And:
        return And(of=(*_parts(And, self), *_parts(And, other)))

    def __or__(self, other: Filter) -> Or:
        return Or(of=(*_parts(Or, self), *_parts(Or, other)))

    def __invert__(self) -> Not:
        return Not(of=cast("AnyFilter", self))


def _parts(kind: type[And | Or], one: Filter) -> tuple[AnyFilter, ...]:
    # a filter of another package cannot be stored: pydantic refuses it here
    return one.of if isinstance(one, kind) else (cast("AnyFilter", one),)


class And(Filter):
    """All hold; of none it is everybody."""

    kind: Literal["and"] = "and"
    of: tuple[AnyFilter, ...] = Parameter(default=(), max_length=50)


class Or(Filter):
    """At least one holds."""

    kind: Literal["or"] = "or"
    of: tuple[AnyFilter, ...] = Parameter(default=(), max_length=50)


class Not(Filter):
    """Does not hold."""

    kind: Literal["not"] = "not"
    of: AnyFilter


class Tagged(Filter):
    """Has a tag."""

    kind: Literal["tag"] = "tag"
    tag: str = Parameter(min_length=1, max_length=64)


class InStage(Filter):
    """Is in one of these stages of life; see `lifecycle.Stage`."""

    kind: Literal["stage"] = "stage"
    stages: tuple[Stage, ...] = Parameter(min_length=1)


class HasRole(Filter):
    """Has one of these roles, as the best over their identities."""

    kind: Literal["role"] = "role"
    roles: tuple[Role, ...] = Parameter(min_length=1)


class JoinedWithin(Filter):
    """First known in the last so many local days, today being the first of them."""

    kind: Literal["joined"] = "joined"
    days: Days


class ActiveWithin(Filter):
    """Acted in the last so many local days, today being the first of them."""

    kind: Literal["active"] = "active"
    days: Days


class Entrance(Filter):
    """Came by one of these entrances, the last time."""

    kind: Literal["entrance"] = "entrance"
    names: tuple[str, ...] = Parameter(min_length=1)


class OnPlatform(Filter):
    """Has an identity on one of these platforms, in this community."""

    kind: Literal["platform"] = "platform"
    platforms: tuple[Name, ...] = Parameter(min_length=1)


class Left(Filter):
    """Left, and did not join again. Without it, who left is in no segment."""

    kind: Literal["left"] = "left"


class Field(Filter):
    """Compares a custom field of the profile; who has no value is not in it. Contacts cannot be compared."""

    kind: Literal["field"] = "field"
    name: Name
    op: Literal["is", "is not", "<", "<=", ">", ">=", "set"] = "is"
    value: str | float | bool = ""
    """A date as 2026-03-01; of `set` nothing."""


class Acts(Filter):
    """Did something at least so often, by the roll-ups of the event store; what has no column counts as `actions`."""

    kind: Literal["acts"] = "acts"
    act: Literal[
        "actions",
        "message",
        "comment",
        "reaction",
        "share",
        "view",
        "vote",
        "check_in",
        "question",
        "answer",
        "purchase",
    ] = "actions"
    at_least: int = Parameter(default=1, ge=1)
    within: Days | None = None
    """Local days; None is ever."""


class Number(Filter):
    """Compares a number that another room knows, such as points; who has none has 0."""

    kind: Literal["number"] = "number"
    source: Name
    at_least: float | None = None
    at_most: float | None = None


class InSegment(Filter):
    """Is in a saved segment."""

    kind: Literal["segment"] = "segment"
    name: Name


AnyFilter: TypeAlias = Annotated[
    And
    | Or
    | Not
    | Tagged
    | InStage
    | HasRole
    | JoinedWithin
    | ActiveWithin
    | Entrance
    | OnPlatform
    | Left
    | Field
    | Acts
    | Number
    | InSegment,
    Parameter(discriminator="kind"),
]
"""Any of the filters, for models that hold one."""

And.model_rebuild()
Or.model_rebuild()
Not.model_rebuild()
_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyFilter)


def walk(one: Filter, *, deep: int = 0) -> Iterator[Filter]:
    """Give a filter and all within it.

    Raises:
        InvalidInput: they are nested more than 30 deep.
    """
    if deep > _DEEP:
        raise InvalidInput(f"filters are nested more than {_DEEP} deep")
    yield one
    if isinstance(one, (And, Or)):
        for inner in one.of:
            yield from walk(inner, deep=deep + 1)
    elif isinstance(one, Not):
        yield from walk(one.of, deep=deep + 1)


def parse_filter(data: str | bytes | dict[str, Any]) -> Any:
    """Read a filter from its JSON, or from what `json.loads` made of it.

    >>> parse_filter('{"kind": "tag", "tag": "gold"}')
    Tagged(kind='tag', tag='gold')

    Raises:
        InvalidInput: it is no filter; the message says where.
    """
    try:
        value = json.loads(data) if isinstance(data, (str, bytes)) else data
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the filter is no JSON: {error}", source="filter") from None
    try:
        found = _ADAPTER.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "filter"
        raise InvalidInput(f"{where}: {first['msg']}", source=where) from None
    except RecursionError:
        raise InvalidInput(f"filters are nested more than {_DEEP} deep", source="filter") from None
    for _ in walk(found):
        pass
    return found
