"""What a journey finds around it: its community's zone and name, and somebody who is awake when its next step comes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shequn_sdk.domain import LatePolicy
from shequn_sdk.errors import InvalidInput
from shequn_sdk.journeys.knowing import Person
from shequn_sdk.journeys.models import Journey
from shequn_sdk.journeys.reaching import filled
from shequn_sdk.journeys.timing import due_of, minute_after
from shequn_sdk.scheduling.triggers import Once

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["WAKE", "Setting"]

WAKE = "shequn.journeys.wake"
"""Name of the handler that works on what is due."""


class Setting:
    """The surroundings of all journeys of a workspace."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        self._house = house
        self._woken: set[datetime] = set()

    def zone(self, community: str) -> str:
        """Give the zone of a community."""
        return next((one.zone for one in self._house.communities if one.name == community), "UTC")

    def title(self, community: str) -> str:
        """Give the name of a community for people."""
        return next((one.title for one in self._house.communities if one.name == community), "") or community

    async def wake_at(self, at: datetime) -> None:
        """Make sure that somebody works at an instant, whichever process lives then; once per minute."""
        minute = minute_after(at)
        if minute in self._woken:
            return
        scheduler = await self._house.scheduler()
        try:
            await scheduler.create(
                WAKE,
                when=Once(minute),
                late=LatePolicy.SEND,
                idempotency_key=f"journeys/{minute.isoformat()}",
            )
        except InvalidInput:
            return  # the minute has passed meanwhile: whoever asked works now
        if len(self._woken) > 10_000:
            self._woken.clear()
        self._woken.add(minute)

    def words(self, text: str, person: Person, *, community: str, anchor: datetime) -> str:
        """Fill in a text for a person whose journey began at `anchor`."""
        days = (self._house.clock.now() - anchor).days
        return filled(
            text, name=person.name, community=self.title(community), days=days, fields=person.fields
        )

    def next_due(
        self, journey: Journey, place: int, anchor: datetime, reached: datetime, community: str
    ) -> datetime:
        """Give when a step comes, before quiet hours and caps."""
        return due_of(journey.step(place), anchor=anchor, reached=reached, zone=self.zone(community))
