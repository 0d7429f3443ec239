"""A community's plan as one validated TOML file: who it is for, what is said when, what is to be reached."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from shequn_sdk.domain import Community, CommunityKind, Content, Frozen, MetricName, Name, Poll, ZoneName
from shequn_sdk.errors import InvalidInput

__all__ = ["ContentSlot", "GoalPlan", "Plan", "PlannedPost", "Weekday", "builtin_plan", "load_plan"]

MAX_FILE_BYTES = 1_000_000


class Weekday(StrEnum):
    """Day of the week, in the order of ISO 8601."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"

    @property
    def number(self) -> int:
        """0 for Monday to 6 for Sunday."""
        return list(Weekday).index(self)


class ContentSlot(Frozen):
    """A column of the content plan (栏目): on which days, at what local time, and what in turn."""

    name: Name
    title: str
    days: tuple[Weekday, ...] = Field(min_length=1)
    at: time
    """Local time in the community's zone."""
    category: str = ""
    promotional: bool = False
    texts: tuple[str, ...] = ()
    """Markdown, used in turn."""
    poll: tuple[str, ...] = ()
    """Choices: the text becomes the question of a poll."""
    hashtags: tuple[str, ...] = ()


class GoalPlan(Frozen):
    """A goal (目标): a metric, what it is to reach, and by when."""

    name: Name
    title: str
    metric: MetricName
    target: float
    within_days: int = Field(default=365, ge=1)
    relative: bool = False
    """The target is a multiple of the value at the start."""


class PlannedPost(Frozen):
    """One content with the instant at which it is due."""

    slot: Name
    due: datetime
    content: Content


class Plan(Frozen):
    """The plan of a community (运营方案)."""

    name: Name
    title: str
    kind: CommunityKind = CommunityKind.INTEREST
    positioning: str
    audience: str
    zone: ZoneName = "Asia/Shanghai"
    language: str = "zh-CN"
    rules: tuple[str, ...] = ()
    welcome: str = ""
    """Said to newcomers; `{name}` is the member's name."""
    content: tuple[ContentSlot, ...] = Field(min_length=1)
    goals: tuple[GoalPlan, ...] = ()

    def community(self) -> Community:
        """Give the community that the plan describes, still without channels."""
        return Community(
            name=self.name,
            title=self.title,
            kind=self.kind,
            positioning=self.positioning,
            audience=self.audience,
            zone=self.zone,
            language=self.language,
            rules=self.rules,
        )

    def posts(self, start: date, days: int) -> Iterator[PlannedPost]:
        """Give what the plan publishes on `days` local days from `start`, in order of time.

        The content's id names plan, slot and day, so that planning twice plans nothing twice.
        """
        zone = ZoneInfo(self.zone)
        turns = dict.fromkeys((slot.name for slot in self.content), 0)
        for offset in range(days):
            day = start + timedelta(days=offset)
            due = [slot for slot in self.content if any(item.number == day.weekday() for item in slot.days)]
            for slot in sorted(due, key=lambda slot: (slot.at, slot.name)):
                turn = turns[slot.name]
                turns[slot.name] += 1
                at = datetime.combine(day, slot.at, tzinfo=zone)
                yield PlannedPost(slot=slot.name, due=at, content=self._content(slot, day, turn))

    def _content(self, slot: ContentSlot, day: date, turn: int) -> Content:
        text = slot.texts[turn % len(slot.texts)] if slot.texts else slot.title
        return Content(
            id=f"{self.name}/{slot.name}/{day.isoformat()}",
            text="" if slot.poll else text,
            poll=Poll(question=text, choices=slot.poll) if slot.poll else None,
            category=slot.category or slot.name,
            promotional=slot.promotional,
            hashtags=slot.hashtags,
        )


def builtin_plan(name: str = "health") -> Plan:
    """Give a plan that comes with the package."""
    text = (
        resources.files("shequn_sdk.playbook")
        .joinpath("templates", f"{name}.toml")
        .read_text(encoding="utf-8")
    )
    return _validated(tomllib.loads(text), name)


def load_plan(path: Path | str) -> Plan:
    """Read a plan file.

    Raises:
        InvalidInput: it cannot be read, is no TOML, or says what cannot be; names the field.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(
                f"{path} is larger than {MAX_FILE_BYTES} bytes; is it a plan?", source=str(path)
            )
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", source=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8: save it as UTF-8", source=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is no valid TOML: {error}", source=str(path)) from error
    return _validated(data, str(path))


def _validated(data: dict[str, Any], source: str) -> Plan:
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        # misspelt keys first: they are why others are missing
        errors = sorted(
            error.errors(include_input=False, include_url=False),
            key=lambda item: item["type"] != "extra_forbidden",
        )
        problems = [_problem(item) for item in errors[:5]]
        raise InvalidInput(f"{source} is no valid plan: {'; '.join(problems)}", source=source) from None


def _problem(item: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{where}: {item['msg']}"
    known = (
        ContentSlot if "content" in item["loc"][:-1] else GoalPlan if "goals" in item["loc"][:-1] else Plan
    )
    near = difflib.get_close_matches(str(item["loc"][-1]), known.model_fields, n=1)
    return f"unknown key {where!r}" + (f", did you mean {near[0]!r}?" if near else "")
