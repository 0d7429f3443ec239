"""A task that a person does, and what the person told of it."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum

from pydantic import AwareDatetime, Field

from shequn_sdk.domain import Frozen

__all__ = ["NewTask", "Result", "Task", "TaskFile", "Verdict", "task_id"]

_LARGEST_COUNT = 10**12


class Verdict(StrEnum):
    """What became of a task."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class TaskFile(Frozen):
    """A picture or other file to post."""

    name: str
    data: bytes = Field(repr=False)


class NewTask(Frozen):
    """What is to be posted by a person."""

    id: str
    account: str
    channel: str
    place: str
    place_title: str = ""
    text: str
    files: tuple[TaskFile, ...] = ()
    checklist: tuple[str, ...] = ()
    deadline: AwareDatetime | None = None


class Task(Frozen):
    """A task as it is kept; its files lie beside it."""

    id: str
    account: str
    channel: str
    place: str
    place_title: str = ""
    text: str
    files: tuple[str, ...] = ()
    checklist: tuple[str, ...] = ()
    created_at: AwareDatetime
    deadline: AwareDatetime | None = None
    reminders: int = 0
    result: Result | None = None


class Result(Frozen):
    """What the person told; a number that was not told is None, never 0."""

    verdict: Verdict
    at: AwareDatetime
    """When it was posted or refused, as the person says."""
    told_at: AwareDatetime
    reason: str = Field(default="", max_length=500)
    link: str = Field(default="", max_length=2000)
    views: int | None = Field(default=None, ge=0, le=_LARGEST_COUNT)
    likes: int | None = Field(default=None, ge=0, le=_LARGEST_COUNT)
    comments: int | None = Field(default=None, ge=0, le=_LARGEST_COUNT)
    shares: int | None = Field(default=None, ge=0, le=_LARGEST_COUNT)


Task.model_rebuild()


def task_id(account: str, channel: str, key: str) -> str:
    """Give the id of a task: the same for the same delivery."""
    return hashlib.sha256(json.dumps([account, channel, key]).encode()).hexdigest()[:20]
