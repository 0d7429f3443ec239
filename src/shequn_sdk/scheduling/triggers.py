"""All triggers, and how they are kept: JSON with a `kind`.

```python
Cron("0 20 * * fri", tz="Asia/Shanghai")
Weekly(["周五 20:00"], tz="Asia/Shanghai", only="workdays")
LunarDate(8, 15, "09:00", tz="Asia/Shanghai")
```
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.chinese import DayFilter
from shequn_sdk.scheduling.recurrence.base import Occurrence, Quiet, Trigger
from shequn_sdk.scheduling.recurrence.local import Gap, Overlap
from shequn_sdk.scheduling.recurrence.lunar import LunarDate
from shequn_sdk.scheduling.recurrence.moments import AfterEvent, Every, Once
from shequn_sdk.scheduling.recurrence.rules import Cron, RRule, Weekly

__all__ = [
    "AfterEvent",
    "AnyTrigger",
    "Cron",
    "DayFilter",
    "Every",
    "Gap",
    "LunarDate",
    "Occurrence",
    "Once",
    "Overlap",
    "Quiet",
    "RRule",
    "Trigger",
    "Unreadable",
    "Weekly",
    "parse_trigger",
]

_Known = Annotated[Once | Every | Cron | RRule | Weekly | LunarDate | AfterEvent, Field(discriminator="kind")]


class Unreadable(Trigger):
    """A trigger of a store that cannot be read here: of a newer version, or edited by hand. It never fires.

    A schedule that has one is shown, and its occurrence parked; give it another trigger with `reschedule`, or cancel it.
    """

    kind: Literal["unreadable"] = "unreadable"
    text: str
    """What stands in the store."""
    reason: str
    """What is wrong with it."""

    def __init__(self, text: str, *, reason: str, tz: str = "UTC") -> None:
        """Stand for `text`."""
        super().__init__(text=text, reason=reason, tz=tz)

    def nominal_after(self, after: datetime) -> tuple[datetime, tuple[str, ...]] | None:
        """Refuse."""
        raise InvalidInput(f"the trigger cannot be read: {self.reason}", source="trigger")


AnyTrigger = Annotated[
    Once | Every | Cron | RRule | Weekly | LunarDate | AfterEvent | Unreadable, Field(discriminator="kind")
]
"""Any of the triggers, for models that hold one."""

_ADAPTER: TypeAdapter[Trigger] = TypeAdapter(_Known)


def parse_trigger(data: str | bytes | dict[str, Any]) -> Trigger:
    """Read a trigger from its JSON, or from what `json.loads` made of it.

    Raises:
        InvalidInput: it is no trigger, or one that can never fire; the message says what is wrong and where.
    """
    try:
        value = json.loads(data) if isinstance(data, (str, bytes)) else data
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the trigger is no JSON: {error}", source="trigger") from None
    try:
        return _ADAPTER.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        cause = first.get("ctx", {}).get("error")
        where = ".".join(str(step) for step in first["loc"])
        words = str(cause) if cause is not None else f"{where}: {first['msg']}".removeprefix(": ")
        raise InvalidInput(f"trigger: {words}", source="trigger") from None
