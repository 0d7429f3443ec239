"""What was settled in public, told as one post (你们说，我们做)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from shequn_sdk.domain import ChannelRef, Content, Frozen, Name
from shequn_sdk.feedback import records
from shequn_sdk.feedback.model import FeedbackItem
from shequn_sdk.house import House
from shequn_sdk.scheduling.models import Firing
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.feedback import feedback_item

__all__ = ["DigestArguments", "Digests"]


class DigestArguments(Frozen):
    """What the schedule of a digest is called with."""

    community: Name
    to: tuple[ChannelRef, ...]
    title: str


class Digests:
    """Makes and publishes digests."""

    def __init__(self, house: House) -> None:
        """Publish in `house`."""
        self._house = house

    async def content(self, community: str, title: str) -> Content | None:
        """Give the digest of what was not told yet; None when there is nothing."""
        items = await self._untold(community)
        return _digest_of(title, items) if items else None

    async def _untold(self, community: str) -> Sequence[FeedbackItem]:
        store = await self._house.store()
        return await store.read(
            lambda conn: records.find(
                conn,
                feedback_item.c.community == community,
                feedback_item.c.public == 1,
                feedback_item.c.settled_at.is_not(None),
                feedback_item.c.told_at.is_(None),
            )
        )

    async def publish(self, arguments: DigestArguments, firing: Firing) -> None:
        """Publish one, and note what was told."""
        items = await self._untold(arguments.community)
        if not items:
            return
        publishing = await self._house.publishing()
        await publishing.plan(
            _digest_of(arguments.title, items),
            list(arguments.to),
            idempotency_key=firing.key,
            schedule_id=firing.schedule,
            actor="feedback digest",
        )
        store = await self._house.store()
        now = to_us(store.clock.now())
        for one in items:
            await store.write(partial(records.change, number=one.id, told_at=now))


def _digest_of(title: str, items: Sequence[FeedbackItem]) -> Content:
    lines = [f"{number}. {one.outcome}" for number, one in enumerate(items, 1)]
    return Content(text=f"**{title}**\n\n" + "\n".join(lines), category="feedback")
