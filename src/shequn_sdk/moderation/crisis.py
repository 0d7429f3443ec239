"""The crisis playbook as data: who does what by when, what sets it off, and how a drill went."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from shequn_sdk.domain import ChannelRef, Frozen, Name
from shequn_sdk.errors import InvalidInput

__all__ = ["CrisisPlan", "CrisisStep", "Incident", "StepReport", "Thresholds", "load_plan", "standard_plan"]


class Thresholds(Frozen):
    """What sets a crisis off by itself, within `window`."""

    window: timedelta = timedelta(hours=1)
    negative_share: float | None = Field(default=0.2, gt=0, le=1)
    """Messages in bad mood or with insults, of all messages; None does not look."""
    least_messages: int = Field(default=20, ge=1)
    """Below so many messages a share says nothing."""
    mentions: int | None = Field(default=None, ge=1)
    """Mentions of our account; None does not look."""
    raid: bool = False
    """A raid is one."""


class CrisisStep(Frozen):
    """One step: who, what, and within which time from the beginning."""

    name: Name
    role: str
    """One of the plan's roles."""
    text: str = Field(min_length=1, max_length=2000)
    """What is to be done, in words for that person."""
    within: timedelta


class CrisisPlan(Frozen):
    """What is done when it burns (危机预案)."""

    title: str = ""
    roles: Mapping[str, ChannelRef] = Field(min_length=1)
    """Where each role is reached: a channel of a person or of a team."""
    steps: tuple[CrisisStep, ...] = Field(min_length=1)
    thresholds: Thresholds = Thresholds()
    quiet: bool = True
    """Our own campaigns and welcomes wait meanwhile."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names: set[str] = set()
        for step in self.steps:
            if step.role not in self.roles:
                raise ValueError(
                    f"step {step.name!r} is for role {step.role!r}, which is not among the roles"
                )
            if step.name in names:
                raise ValueError(f"two steps are named {step.name!r}")
            names.add(step.name)
        return self


class StepReport(Frozen):
    """How one step went."""

    name: str
    role: str
    text: str
    due: AwareDatetime
    done_at: AwareDatetime | None = None
    done_by: str = ""
    note: str = ""
    late: timedelta | None = None
    """By how much it came too late; None when it was in time, or may still be."""


class Incident(Frozen):
    """A crisis or a drill, and how it went (危机 / 演练)."""

    id: int
    community: str
    drill: bool
    cause: str
    actor: str
    began_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    steps: tuple[StepReport, ...] = ()

    @property
    def done(self) -> int:
        """How many steps were taken."""
        return sum(one.done_at is not None for one in self.steps)

    @property
    def in_time(self) -> int:
        """How many steps were taken in time."""
        return sum(one.done_at is not None and one.late is None for one in self.steps)

    def report(self) -> str:
        """Say in some lines how it went, for people."""
        head = f"{'drill' if self.drill else 'crisis'} {self.id} in {self.community}: {self.cause}"
        lines = [head, f"{self.done} of {len(self.steps)} steps taken, {self.in_time} in time"]
        for one in self.steps:
            if one.done_at is None:
                state = "missed" if self.ended_at is not None else "open"
            else:
                after = one.done_at - self.began_at
                state = f"after {after}" + (f", {one.late} late" if one.late is not None else "")
            by = f" by {one.done_by}" if one.done_by else ""
            lines.append(f"{one.name} ({one.role}): {state}{by}" + (f" - {one.note}" if one.note else ""))
        return "\n".join(lines)


def load_plan(path: Path | str) -> CrisisPlan:
    """Read a plan from a TOML file.

    Raises:
        InvalidInput: it cannot be read, is no TOML, or says what cannot be.
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return CrisisPlan.model_validate(data)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", source=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} is no valid TOML: {error}", source=str(path)) from error
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[:5]
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
        raise InvalidInput(f"{path} is no valid crisis plan: {told}", source=str(path)) from None


def standard_plan(
    lead: ChannelRef | str, *, team: ChannelRef | str | None = None, language: str = "zh"
) -> CrisisPlan:
    """Give a plan to begin with: confirm, hold back, answer, follow up, look back.

    Args:
        lead: where whoever decides is reached.
        team: where moderators are reached; the same when not given.
        language: `zh` or `en`.
    """
    zh = not language.startswith("en")
    words = (
        ("confirm", "lead", timedelta(minutes=10), "核实情况：发生了什么、影响多少人、谁在说", "Find out what happened, whom it touches, who speaks"),
        ("hold", "team", timedelta(minutes=15), "暂停营销与欢迎消息，不删除批评，不与成员争论", "Hold back campaigns; do not delete criticism, do not argue"),
        ("answer", "lead", timedelta(minutes=30), "发布首次回应：承认看到了、正在做什么、何时再更新", "Say that it was seen, what is being done, and when there will be news"),
        ("listen", "team", timedelta(hours=2), "逐一联系受影响的成员并记录诉求", "Speak with those who are touched, and note what they want"),
        ("settle", "lead", timedelta(hours=24), "公布处理结果与改进措施", "Make public what was done and what will change"),
        ("review", "lead", timedelta(days=3), "复盘：哪里发现得晚、哪一步卡住、预案怎么改", "Look back: what came late, what to change in this plan"),
    )  # fmt: skip
    first = ChannelRef.parse(lead)
    return CrisisPlan(
        title="危机预案" if zh else "Crisis playbook",
        roles={"lead": first, "team": first if team is None else ChannelRef.parse(team)},
        steps=tuple(
            CrisisStep(name=name, role=role, within=within, text=chinese if zh else english)
            for name, role, within, chinese, english in words
        ),
    )
