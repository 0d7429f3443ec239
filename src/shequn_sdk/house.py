"""What every room of a workspace is given: the stores and services below it, and the rooms beside it.

A room is one subject of a community's work: members, moderation, the content calendar. It subclasses `Room`, takes a
`House`, opens nothing when it is made, and keeps its state in the operational store. `listen` says what it wants to hear,
`serve` which schedules it carries out; both are called when a workspace first dispatches or fires.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from shequn_sdk.domain import Clock, Community, Interaction, MemberRef, PrivacySettings
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.accounts import Accounts

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.metrics.service import Metrics
    from shequn_sdk.metrics.store.aio import AsyncEventStore
    from shequn_sdk.platforms.discovery import Plugins
    from shequn_sdk.publishing.service import Publishing
    from shequn_sdk.scheduling.scheduler import Scheduler
    from shequn_sdk.stores.store import Store

__all__ = ["House", "Room"]

R = TypeVar("R", bound="Room")


class House(Protocol):
    """What a room stands in (a workspace)."""

    @property
    def home(self) -> Path:
        """The workspace's directory."""
        ...

    @property
    def clock(self) -> Clock:
        """The source of time. What is compared with other processes' times goes by `store().clock`."""
        ...

    @property
    def communities(self) -> Sequence[Community]:
        """The communities of the settings."""
        ...

    @property
    def accounts(self) -> Accounts:
        """The accounts with their adapters and manifests."""
        ...

    @property
    def privacy(self) -> PrivacySettings:
        """How much of members is kept, and for how long."""
        ...

    @property
    def plugins(self) -> Plugins:
        """What plugins offer."""
        ...

    def community(self, name: str | None) -> Community | None:
        """Give the community that is meant: the named one, or the only one there is.

        Raises:
            UnknownName: the settings name communities, and not this one.
        """
        ...

    async def store(self) -> Store:
        """Give the operational store."""
        ...

    async def publishing(self) -> Publishing:
        """Give what sends."""
        ...

    async def scheduler(self) -> Scheduler:
        """Give what fires schedules."""
        ...

    async def events(self) -> AsyncEventStore:
        """Give the event store."""
        ...

    async def metrics(self) -> Metrics:
        """Give what measures."""
        ...

    async def record(self, interactions: Sequence[Interaction], *, community: str) -> int:
        """Put interactions that no platform told of into the inbox, as if one had: handlers hear them, metrics count them.

        Gives how many were new; one with the id of an earlier one is not.
        """
        ...

    async def forget_raw(self, refs: Sequence[MemberRef]) -> int | None:
        """Take raw events of members out of the inbox; gives how many, None where it cannot search them."""
        ...

    async def prune_raw(self, keep: timedelta) -> int:
        """Drop raw events that are older than `keep` and have been seen by everything; gives how many."""
        ...

    def room(self, kind: type[R]) -> R:
        """Give the workspace's only room of that kind."""
        ...


class Room:
    """What all rooms share."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        self._house = house

    def listen(self, dispatcher: Dispatcher) -> None:
        """Register what this room wants to hear; by default nothing."""

    def serve(self, scheduler: Scheduler) -> None:
        """Register what this room does for schedules; by default nothing."""

    def _community(self, name: str | None) -> Community:
        """Give the community that is meant.

        Raises:
            InvalidInput: there are none or several, and none is named.
            UnknownName: there is none of that name.
        """
        found = self._house.community(name)
        if found is not None:
            return found
        if name:  # settings without communities: what was imported, or a trial
            return Community(name=name, title=name)
        names = ", ".join(one.name for one in self._house.communities)
        raise InvalidInput(
            f"say which community: {names}" if names else "no community is set up: add one to shequn.toml"
        )
