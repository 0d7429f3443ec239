"""The blocking twin of `gatherings`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.gatherings import Gathering
    from shequn_sdk.engagement.gatherings import Gatherings as AsyncGatherings
    from shequn_sdk.engagement.models import Activity, ActivityState
    from shequn_sdk.listening.events import Heard

__all__ = ["Gatherings"]


class Gatherings(Twin):
    """The blocking twin of `shequn_sdk.engagement.gatherings.Gatherings`."""

    def __init__(self, inner: AsyncGatherings, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        starts_at: datetime,
        lasts: timedelta = timedelta(hours=2),
        place: str = "",
        capacity: int | None = None,
        word: str = "报名",
        leave: str = "取消报名",
        here: str = "签到",
        reminders: Sequence[timedelta] = (timedelta(days=1), timedelta(hours=1)),
        text: str = "",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `Gatherings.open`."""
        return self._do(
            self._inner.open,
            title,
            to=to,
            starts_at=starts_at,
            lasts=lasts,
            place=place,
            capacity=capacity,
            word=word,
            leave=leave,
            here=here,
            reminders=reminders,
            text=text,
            community=community,
            idempotency_key=idempotency_key,
        )

    def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """See `Gatherings.list`."""
        return self._do(self._inner.list, community=community, state=state, limit=limit)

    def get(self, gathering: str) -> Gathering:
        """See `Gatherings.get`."""
        return self._do(self._inner.get, gathering)

    def sign_up(self, gathering: str, member: MemberRef | str) -> Gathering:
        """See `Gatherings.sign_up`."""
        return self._do(self._inner.sign_up, gathering, member)

    def cancel_sign_up(self, gathering: str, member: MemberRef | str) -> Gathering:
        """See `Gatherings.cancel_sign_up`."""
        return self._do(self._inner.cancel_sign_up, gathering, member)

    def attend(self, gathering: str, member: MemberRef | str) -> Gathering:
        """See `Gatherings.attend`."""
        return self._do(self._inner.attend, gathering, member)

    def cancel(self, gathering: str) -> Activity:
        """See `Gatherings.cancel`."""
        return self._do(self._inner.cancel, gathering)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `Gatherings.hear`."""
        self._do(self._inner.hear, row, heard)
