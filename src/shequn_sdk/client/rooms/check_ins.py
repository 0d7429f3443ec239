"""The blocking twin of `check_ins`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.check_ins import CheckIns as AsyncCheckIns
    from shequn_sdk.engagement.check_ins import CheckInState
    from shequn_sdk.engagement.models import Activity, ActivityState, Ranked, Span
    from shequn_sdk.listening.events import Heard

__all__ = ["CheckIns"]


class CheckIns(Twin):
    """The blocking twin of `shequn_sdk.engagement.check_ins.CheckIns`."""

    def __init__(self, inner: AsyncCheckIns, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        words: Sequence[str] = ("打卡",),
        closes: Span = None,
        opens: datetime | None = None,
        zone: str | None = None,
        day_begins: time = time(0),
        milestones: Mapping[int, str] | None = None,
        answers: Literal["always", "milestones", "never"] = "always",
        cards: int = 0,
        make_up_within: int = 7,
        text: str = "",
        button: Literal["none", "shown"] = "none",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `CheckIns.open`."""
        return self._do(
            self._inner.open,
            title,
            to=to,
            words=words,
            closes=closes,
            opens=opens,
            zone=zone,
            day_begins=day_begins,
            milestones=milestones,
            answers=answers,
            cards=cards,
            make_up_within=make_up_within,
            text=text,
            button=button,
            community=community,
            idempotency_key=idempotency_key,
        )

    def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """See `CheckIns.list`."""
        return self._do(self._inner.list, community=community, state=state, limit=limit)

    def get_state(self, check_in: str, member: MemberRef | str) -> CheckInState:
        """See `CheckIns.get_state`."""
        return self._do(self._inner.get_state, check_in, member)

    def check_in(self, check_in: str, member: MemberRef | str, *, at: datetime | None = None) -> CheckInState:
        """See `CheckIns.check_in`."""
        return self._do(self._inner.check_in, check_in, member, at=at)

    def grant_cards(
        self, check_in: str, member: MemberRef | str, *, cards: int = 1, idempotency_key: str | None = None
    ) -> CheckInState:
        """See `CheckIns.grant_cards`."""
        return self._do(
            self._inner.grant_cards, check_in, member, cards=cards, idempotency_key=idempotency_key
        )

    def make_up(self, check_in: str, member: MemberRef | str, *, day: date) -> CheckInState:
        """See `CheckIns.make_up`."""
        return self._do(self._inner.make_up, check_in, member, day=day)

    def get_ranking(
        self, check_in: str, *, by: Literal["current", "longest", "total"] = "current", limit: int = 10
    ) -> Sequence[Ranked]:
        """See `CheckIns.get_ranking`."""
        return self._do(self._inner.get_ranking, check_in, by=by, limit=limit)

    def close(self, check_in: str) -> Activity:
        """See `CheckIns.close`."""
        return self._do(self._inner.close, check_in)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `CheckIns.hear`."""
        self._do(self._inner.hear, row, heard)
