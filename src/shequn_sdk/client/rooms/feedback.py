"""The blocking twin of `feedback`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.feedback.model import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, Content, MemberRef
    from shequn_sdk.feedback.feedback import Feedback as AsyncFeedback
    from shequn_sdk.feedback.form import FormApp
    from shequn_sdk.feedback.model import (
        FeedbackDesk,
        FeedbackItem,
        FeedbackKind,
        FeedbackReport,
        FeedbackState,
        Theme,
        Urgency,
    )
    from shequn_sdk.scheduling.triggers import Trigger

__all__ = ["Feedback"]


class Feedback(Twin):
    """The blocking twin of `shequn_sdk.feedback.feedback.Feedback`."""

    def __init__(self, inner: AsyncFeedback, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(self, desk: FeedbackDesk | None = None, *, community: str | None = None) -> FeedbackDesk:
        """See `Feedback.open`."""
        return self._do(self._inner.open, desk, community=community)

    def desk(self, *, community: str | None = None) -> FeedbackDesk | None:
        """See `Feedback.desk`."""
        return self._do(self._inner.desk, community=community)

    def close(self, *, community: str | None = None) -> None:
        """See `Feedback.close`."""
        self._do(self._inner.close, community=community)

    def submit(
        self,
        text: str,
        *,
        member: MemberRef | str | None = None,
        kind: FeedbackKind | str | None = None,
        key: str = "",
        source: Source | str = Source.FORM,
        community: str | None = None,
    ) -> FeedbackItem:
        """See `Feedback.submit`."""
        return self._do(
            self._inner.submit, text, member=member, kind=kind, key=key, source=source, community=community
        )

    def form(
        self,
        *,
        title: str = "",
        language: str = "zh",
        secret: str | None = None,
        most: int = 5,
        community: str | None = None,
    ) -> FormApp:
        """See `Feedback.form`."""
        return self._inner.form(title=title, language=language, secret=secret, most=most, community=community)

    def list(
        self,
        *,
        states: Sequence[FeedbackState | str] = (),
        kind: FeedbackKind | str | None = None,
        assignee: str | None = None,
        overdue: bool = False,
        limit: int = 100,
        community: str | None = None,
    ) -> Sequence[FeedbackItem]:
        """See `Feedback.list`."""
        return self._do(
            self._inner.list,
            states=states,
            kind=kind,
            assignee=assignee,
            overdue=overdue,
            limit=limit,
            community=community,
        )

    def get(self, item: int) -> FeedbackItem:
        """See `Feedback.get`."""
        return self._do(self._inner.get, item)

    def triage(
        self,
        item: int,
        *,
        kind: FeedbackKind | str | None = None,
        urgency: Urgency | str | None = None,
        assignee: str | None = None,
    ) -> FeedbackItem:
        """See `Feedback.triage`."""
        return self._do(self._inner.triage, item, kind=kind, urgency=urgency, assignee=assignee)

    def answer(self, item: int, text: str, *, by: str = "") -> FeedbackItem:
        """See `Feedback.answer`."""
        return self._do(self._inner.answer, item, text, by=by)

    def settle(
        self, item: int, outcome: str, *, done: bool = True, public: bool = False, by: str = ""
    ) -> FeedbackItem:
        """See `Feedback.settle`."""
        return self._do(self._inner.settle, item, outcome, done=done, public=public, by=by)

    def report(self, *, last: timedelta = timedelta(days=30), community: str | None = None) -> FeedbackReport:
        """See `Feedback.report`."""
        return self._do(self._inner.report, last=last, community=community)

    def themes(
        self,
        *,
        last: timedelta = timedelta(days=30),
        kind: FeedbackKind | str | None = None,
        most: int = 20,
        community: str | None = None,
    ) -> Sequence[Theme]:
        """See `Feedback.themes`."""
        return self._do(self._inner.themes, last=last, kind=kind, most=most, community=community)

    def digest(self, *, title: str = "你们说，我们做", community: str | None = None) -> Content | None:
        """See `Feedback.digest`."""
        return self._do(self._inner.digest, title=title, community=community)

    def schedule_digest(
        self,
        *,
        to: Sequence[ChannelRef | str],
        when: Trigger,
        title: str = "你们说，我们做",
        community: str | None = None,
    ) -> str:
        """See `Feedback.schedule_digest`."""
        return self._do(self._inner.schedule_digest, to=to, when=when, title=title, community=community)
