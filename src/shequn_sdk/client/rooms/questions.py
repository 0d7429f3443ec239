"""The blocking twin of `questions`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.duty import Hours, Shift
    from shequn_sdk.engagement.models import Activity, ActivityState
    from shequn_sdk.engagement.questions import Question, QuestionReport
    from shequn_sdk.engagement.questions import Questions as AsyncQuestions
    from shequn_sdk.listening.events import Heard

__all__ = ["Questions"]


class Questions(Twin):
    """The blocking twin of `shequn_sdk.engagement.questions.Questions`."""

    def __init__(self, inner: AsyncQuestions, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open_desk(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        promise: timedelta = timedelta(minutes=30),
        hours: Sequence[Hours] = (),
        shifts: Sequence[Shift] = (),
        marks: Sequence[str] = ("?", "？"),
        keywords: Sequence[str] = (),
        commands: Sequence[str] = ("ask", "提问"),
        remind_to: Sequence[ChannelRef | str] = (),
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `Questions.open_desk`."""
        return self._do(
            self._inner.open_desk,
            title,
            to=to,
            promise=promise,
            hours=hours,
            shifts=shifts,
            marks=marks,
            keywords=keywords,
            commands=commands,
            remind_to=remind_to,
            community=community,
            idempotency_key=idempotency_key,
        )

    def list_desks(
        self, *, community: str | None = None, state: ActivityState | str | None = "open"
    ) -> Sequence[Activity]:
        """See `Questions.list_desks`."""
        return self._do(self._inner.list_desks, community=community, state=state)

    def close_desk(self, desk: str) -> Activity:
        """See `Questions.close_desk`."""
        return self._do(self._inner.close_desk, desk)

    def get_on_duty(self, desk: str, *, at: datetime | None = None) -> str:
        """See `Questions.get_on_duty`."""
        return self._do(self._inner.get_on_duty, desk, at=at)

    def hand_over(self, desk: str, *, person: str, until: datetime) -> str:
        """See `Questions.hand_over`."""
        return self._do(self._inner.hand_over, desk, person=person, until=until)

    def list(
        self,
        *,
        state: Literal["open", "overdue", "answered", "dismissed"] = "open",
        desk: str | None = None,
        community: str | None = None,
        limit: int = 100,
    ) -> Sequence[Question]:
        """See `Questions.list`."""
        return self._do(self._inner.list, state=state, desk=desk, community=community, limit=limit)

    def answer(self, number: int, text: str, *, by: str = "") -> Question:
        """See `Questions.answer`."""
        return self._do(self._inner.answer, number, text, by=by)

    def dismiss(self, number: int, *, by: str = "") -> Question:
        """See `Questions.dismiss`."""
        return self._do(self._inner.dismiss, number, by=by)

    def report(
        self, desk: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> QuestionReport:
        """See `Questions.report`."""
        return self._do(self._inner.report, desk, since=since, until=until)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `Questions.hear`."""
        self._do(self._inner.hear, row, heard)
