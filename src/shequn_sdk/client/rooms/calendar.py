"""The blocking twin of `calendar`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin
from shequn_sdk.editorial.model import EntryState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime
    from pathlib import Path
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, Content
    from shequn_sdk.editorial.calendar import Calendar as AsyncCalendar
    from shequn_sdk.editorial.model import BestTime, Clash, Difference, Entry, ImportVerdict, Step, View

__all__ = ["Calendar"]


class Calendar(Twin):
    """The blocking twin of `shequn_sdk.editorial.calendar.Calendar`."""

    def __init__(self, inner: AsyncCalendar, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def add(
        self,
        content: Content,
        *,
        to: Sequence[ChannelRef | str] = (),
        at: datetime | None = None,
        state: EntryState | str = EntryState.DRAFT,
        key: str | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> Entry:
        """See `Calendar.add`."""
        return self._do(
            self._inner.add, content, to=to, at=at, state=state, key=key, community=community, actor=actor
        )

    def edit(
        self,
        number: int,
        *,
        content: Content | None = None,
        to: Sequence[ChannelRef | str] | None = None,
        actor: str = "",
    ) -> Entry:
        """See `Calendar.edit`."""
        return self._do(self._inner.edit, number, content=content, to=to, actor=actor)

    def schedule(self, number: int, *, at: datetime | None = None, actor: str = "") -> Entry:
        """See `Calendar.schedule`."""
        return self._do(self._inner.schedule, number, at=at, actor=actor)

    def move(self, number: int, *, at: datetime | None, actor: str = "") -> Entry:
        """See `Calendar.move`."""
        return self._do(self._inner.move, number, at=at, actor=actor)

    def shift(
        self,
        by: timedelta,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> Sequence[Entry]:
        """See `Calendar.shift`."""
        return self._do(
            self._inner.shift, by, start=start, end=end, channel=channel, community=community, actor=actor
        )

    def copy(
        self,
        number: int,
        *,
        to: Sequence[ChannelRef | str] | None = None,
        at: datetime | None = None,
        actor: str = "",
    ) -> Entry:
        """See `Calendar.copy`."""
        return self._do(self._inner.copy, number, to=to, at=at, actor=actor)

    def cancel(self, number: int, *, reason: str = "", actor: str = "") -> Entry:
        """See `Calendar.cancel`."""
        return self._do(self._inner.cancel, number, reason=reason, actor=actor)

    def undo(self, *, steps: int = 1, community: str | None = None, actor: str = "") -> Sequence[Step]:
        """See `Calendar.undo`."""
        return self._do(self._inner.undo, steps=steps, community=community, actor=actor)

    def get(self, number: int) -> Entry:
        """See `Calendar.get`."""
        return self._do(self._inner.get, number)

    def entries(
        self,
        *,
        states: Sequence[EntryState | str] = (),
        start: datetime | None = None,
        end: datetime | None = None,
        channel: ChannelRef | str | None = None,
        category: str | None = None,
        limit: int = 200,
        community: str | None = None,
    ) -> Sequence[Entry]:
        """See `Calendar.entries`."""
        return self._do(
            self._inner.entries,
            states=states,
            start=start,
            end=end,
            channel=channel,
            category=category,
            limit=limit,
            community=community,
        )

    def view(
        self,
        *,
        start: date | None = None,
        end: date | None = None,
        channel: ChannelRef | str | None = None,
        states: Sequence[EntryState | str] = (),
        community: str | None = None,
    ) -> View:
        """See `Calendar.view`."""
        return self._do(
            self._inner.view, start=start, end=end, channel=channel, states=states, community=community
        )

    def log(
        self, *, number: int | None = None, limit: int = 50, community: str | None = None
    ) -> Sequence[Step]:
        """See `Calendar.log`."""
        return self._do(self._inner.log, number=number, limit=limit, community=community)

    def diff(self, number: int, *, old: int | None = None, new: int | None = None) -> Difference:
        """See `Calendar.diff`."""
        return self._do(self._inner.diff, number, old=old, new=new)

    def check(
        self,
        content: Content | int,
        *,
        to: Sequence[ChannelRef | str] | None = None,
        at: datetime | None = None,
        within: timedelta = timedelta(minutes=30),
        memory: timedelta = timedelta(days=90),
        community: str | None = None,
    ) -> Sequence[Clash]:
        """See `Calendar.check`."""
        return self._do(
            self._inner.check, content, to=to, at=at, within=within, memory=memory, community=community
        )

    def best_time(
        self, *, count: int = 3, last: timedelta = timedelta(days=56), community: str | None = None
    ) -> Sequence[BestTime]:
        """See `Calendar.best_time`."""
        return self._do(self._inner.best_time, count=count, last=last, community=community)

    def import_file(
        self,
        source: Path | str | bytes,
        *,
        form: Literal["csv", "json"] | None = None,
        partial: bool = False,
        files: Path | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> ImportVerdict:
        """See `Calendar.import_file`."""
        return self._do(
            self._inner.import_file,
            source,
            form=form,
            partial=partial,
            files=files,
            community=community,
            actor=actor,
        )

    def export_csv(self, *, community: str | None = None) -> str:
        """See `Calendar.export_csv`."""
        return self._do(self._inner.export_csv, community=community)

    def export_ical(
        self, *, start: datetime | None = None, end: datetime | None = None, community: str | None = None
    ) -> str:
        """See `Calendar.export_ical`."""
        return self._do(self._inner.export_ical, start=start, end=end, community=community)

    def page(
        self,
        *,
        start: date | None = None,
        form: Literal["month", "week"] = "month",
        language: str | None = None,
        community: str | None = None,
    ) -> str:
        """See `Calendar.page`."""
        return self._do(self._inner.page, start=start, form=form, language=language, community=community)

    def settle(self, *, community: str | None = None) -> int:
        """See `Calendar.settle`."""
        return self._do(self._inner.settle, community=community)
