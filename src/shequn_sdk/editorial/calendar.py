"""The room of the content calendar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio.to_thread
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Content, new_id
from shequn_sdk.editorial import _clashes, _days, _queue, _reading
from shequn_sdk.editorial._desk import Edit, Steps, read_back, rested, undo_last
from shequn_sdk.editorial._hand_in import handed_in, without_time
from shequn_sdk.editorial._lines import Line, entry, find, new_line, with_content
from shequn_sdk.editorial._room import EditorialRoom, moment_of
from shequn_sdk.editorial.approvals import Approvals
from shequn_sdk.editorial.model import (
    BestTime,
    Clash,
    Difference,
    Entry,
    EntryState,
    ImportVerdict,
    Step,
    View,
    as_state,
)
from shequn_sdk.errors import InvalidInput
from shequn_sdk.house import House
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard

__all__ = ["Calendar"]

_ENDED = frozenset({EntryState.LANDED, EntryState.CANCELLED})


class Calendar(EditorialRoom):
    """What is to be said when and where: ideas, drafts, review, up to what landed (内容日历)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`."""
        super().__init__(house)
        self._days = _days.Days(house.home)
        self._recovered = False

    def listen(self, dispatcher: Dispatcher) -> None:
        """Finish, once per process, what another one died over."""
        dispatcher.on_batch("shequn.calendar", self._hear)

    async def _hear(self, heard: Sequence[Heard]) -> None:
        if not self._recovered:
            self._recovered = True
            await self.settle()

    # writing

    async def add(
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
        """Put a content into the calendar.

        Args:
            content: what is to be said; files by path, url or native id.
            to: channels; an idea needs none yet.
            at: aware instant; None is none yet.
            state: `idea`, `draft`, or `scheduled`, which hands it in at once (see `schedule`).
            key: adding again under the same key changes nothing and gives the entry that is there.
            community: its name; not needed when there is one.
            actor: who does it, as `platform:native-id` or any name.

        Raises:
            InvalidInput: a channel is malformed, `at` is naive, or it cannot be scheduled as it is.
            UnknownName: no such account or community.
            NotSupported: a scheduled content cannot be said in a channel in any form.
        """
        where = self._community(community).name
        chosen = as_state(state)
        if chosen not in {EntryState.IDEA, EntryState.DRAFT, EntryState.SCHEDULED}:
            raise InvalidInput(f"an entry begins as idea, draft or scheduled, not as {chosen}")
        refs, moment = self._refs(to), moment_of(at)
        if chosen is EntryState.SCHEDULED:
            await self._sayable(content, refs)

        def work(conn: Connection, now: int) -> Steps:
            if key is not None and _reading.by_key(conn, where, key) is not None:
                return Steps("add", ())
            line = new_line(where, content, refs, state=chosen, author=actor, now=now)
            line = line._replace(key=key, at=moment)
            return Steps(
                "add", [Edit(None, handed_in(conn, line) if chosen is EntryState.SCHEDULED else line)]
            )

        lines = await self._change(where, work, actor)
        if lines:
            return entry(lines[0])
        found = await (await self._house.store()).read(lambda conn: _reading.by_key(conn, where, key or ""))
        if found is None:
            raise InvalidInput(f"the entry with the key {key!r} was taken away in this moment; repeat")
        return entry(found)

    async def edit(
        self,
        number: int,
        *,
        content: Content | None = None,
        to: Sequence[ChannelRef | str] | None = None,
        actor: str = "",
    ) -> Entry:
        """Change what an entry says, or where. It becomes a new version, which needs its approval anew.

        What stood in the ledger is cancelled and planned again in one go.

        Raises:
            InvalidInput: it has landed, is being sent, or was cancelled; nothing was changed.
            UnknownName: no such entry or account.
        """
        refs = None if to is None else self._refs(to)

        def change(conn: Connection, line: Line) -> Line:
            if line.state == EntryState.CANCELLED:
                raise InvalidInput(f"entry {number} was cancelled; copy it to use it again")
            after = line
            if content is not None:
                # the same content in another version: what members do with it counts together
                same = content.model_copy(update={"id": entry(line).content.id})
                after = with_content(after, same)
            if refs is not None:
                after = _with_channels(after, refs)
            if (after.content, after.channels) == (line.content, line.channels):
                return line
            after = after._replace(approved=0, author=actor or line.author, note="")
            if line.state in {EntryState.IN_REVIEW, EntryState.SCHEDULED, EntryState.APPROVED}:
                return handed_in(conn, after)
            return after._replace(state=str(EntryState.DRAFT)) if line.state == EntryState.FAILED else after

        before = await self.get(number)
        if before.state in {EntryState.IN_REVIEW, EntryState.SCHEDULED}:
            await self._sayable(content or before.content, refs or before.channels)
        return await self._edited(number, "edit", change, actor)

    async def schedule(self, number: int, *, at: datetime | None = None, actor: str = "") -> Entry:
        """Hand an entry in: it waits for approval where a policy asks for it, else it goes to the ledger.

        An entry in review with a time stands in the ledger too, blocked. Without any time it becomes approved.

        Args:
            number: the entry.
            at: when; the time that it has when not given. A time that has passed sends at once.
            actor: who does it.

        Raises:
            InvalidInput: it has no channel, has landed, or is being sent.
            NotSupported: it cannot be said in a channel in any form.
        """
        moment = moment_of(at)
        before = await self.get(number)
        await self._sayable(before.content, before.channels)

        def change(conn: Connection, line: Line) -> Line:
            if line.state == EntryState.CANCELLED:
                raise InvalidInput(f"entry {number} was cancelled; copy it to use it again")
            return handed_in(conn, line if moment is None else line._replace(at=moment, queued=0))

        return await self._edited(number, "schedule", change, actor)

    async def move(self, number: int, *, at: datetime | None, actor: str = "") -> Entry:
        """Give an entry another time; None takes it out of the ledger. Its approval stays: that is of what it says.

        Raises:
            InvalidInput: it has landed or is being sent; nothing was changed.
        """
        moment = moment_of(at)

        def change(_: Connection, line: Line) -> Line:
            return without_time(line._replace(at=moment, queued=0))

        return await self._edited(number, "move", change, actor)

    async def shift(
        self,
        by: timedelta,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> Sequence[Entry]:
        """Move everything from `start` (now when not given) to `end` that has not landed; one step, all or nothing.

        Whole days keep the local hour, also over the night on which clocks are changed.

        Raises:
            InvalidInput: one of them is being sent, or would come into the past; nothing was changed.
        """
        place = self._community(community)
        ref = None if channel is None else str(ChannelRef.parse(channel))
        span = (moment_of(start), moment_of(end))

        def work(conn: Connection, now: int) -> Steps:
            lines = _reading.movable(conn, place.name, start=now if span[0] is None else span[0], end=span[1])
            lines = [line for line in lines if ref is None or ref in line.refs]
            edits = [
                Edit(line, line._replace(at=_queue.shifted(line.at or 0, by, place.zone))) for line in lines
            ]
            late = next((edit for edit in edits if (edit.after.at or 0) < now), None)
            if late is not None:
                raise InvalidInput(f"entry {late.after.id} would come into the past; shift by less")
            return Steps("shift", edits, note=f"by {by}")

        return [entry(line) for line in await self._change(place.name, work, actor)]

    async def copy(
        self,
        number: int,
        *,
        to: Sequence[ChannelRef | str] | None = None,
        at: datetime | None = None,
        actor: str = "",
    ) -> Entry:
        """Make a draft with the same content; it is another content to the metrics."""
        before = await self.get(number)
        content = before.content.model_copy(update={"id": new_id()})
        refs = before.channels if to is None else self._refs(to)
        return await self.add(content, to=refs, at=at, community=before.community, actor=actor)

    async def cancel(self, number: int, *, reason: str = "", actor: str = "") -> Entry:
        """Take an entry off the calendar and out of the ledger; it stays to be looked at.

        Raises:
            InvalidInput: it has landed or is being sent; nothing was changed.
        """

        def change(_: Connection, line: Line) -> Line:
            return line._replace(state=str(EntryState.CANCELLED), note=reason[:2000])

        return await self._edited(number, "cancel", change, actor)

    async def undo(self, *, steps: int = 1, community: str | None = None, actor: str = "") -> Sequence[Step]:
        """Take back the last steps, latest first; gives them. What they had put into the ledger is taken back, too.

        Raises:
            InvalidInput: there is nothing (more) to undo, or an entry of the step has landed or was approved since. What
                was undone before stays undone, and the message says how many that are.
        """
        where = self._community(community).name
        found: list[Step] = []
        for _turn in range(steps):

            def work(conn: Connection, _: int) -> Steps:
                return undo_last(conn, where) or Steps("undo", ())

            try:
                lines = await self._change(where, work, actor)
            except InvalidInput as error:
                raise InvalidInput(f"{error} ({len(found)} of {steps} undone)") from None
            if not lines:
                raise InvalidInput(f"there is nothing to undo ({len(found)} of {steps} undone)")
            found += await self.log(limit=1, community=where)
        return found

    # reading

    async def get(self, number: int) -> Entry:
        """Give an entry as it stands, with what became of it in the ledger.

        Raises:
            UnknownName: there is none of that number.
        """
        store = await self._house.store()
        line = await store.read(lambda conn: find(conn, number))
        if line.batch and line.state not in _ENDED:
            now = to_us(store.clock.now())
            await store.write(lambda conn: read_back(conn, [number], now=now))
            line = await store.read(lambda conn: find(conn, number))
        return entry(line)

    async def entries(
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
        """List entries by time, those without one last; `view` is the faster way to look at many."""
        where = self._community(community).name
        await self.settle(community=where)
        store = await self._house.store()
        lines = await store.read(
            lambda conn: _reading.lines(
                conn,
                where,
                states=[str(as_state(state)) for state in states],
                start=moment_of(start),
                end=moment_of(end),
                channel=None if channel is None else str(ChannelRef.parse(channel)),
                category=category,
                limit=limit,
            )
        )
        return [entry(line) for line in lines]

    async def view(
        self,
        *,
        start: date | None = None,
        end: date | None = None,
        channel: ChannelRef | str | None = None,
        states: Sequence[EntryState | str] = (),
        community: str | None = None,
    ) -> View:
        """Show a stretch of the calendar with festivals and days off; by default this month, in the community's zone.

        Args:
            start: first local day.
            end: last local day; the end of that month when not given.
            channel: only what goes there.
            states: only entries in these; all but cancelled ones when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: `end` lies before `start`, or more than 400 days after it.
        """
        place = self._community(community)
        store = await self._house.store()
        first, last = _reading.stretch(start, end, today=_days.local(store.clock.now(), place.zone))
        low, high = (
            to_us(_days.instant_of(datetime(day.year, day.month, day.day), place.zone))  # noqa: DTZ001 - local time
            for day in (first, last + timedelta(days=1))
        )
        now = to_us(store.clock.now())
        stale = await store.read(
            lambda conn: rested(conn, now=now, community=place.name, start=low, end=high)
        )
        if stale:
            await store.write(lambda conn: read_back(conn, stale, now=now))
        ref = None if channel is None else str(ChannelRef.parse(channel))
        wanted = [str(as_state(state)) for state in states]
        cards, undated = await store.read(
            lambda conn: _reading.cards(conn, place.name, start=low, end=high, channel=ref, states=wanted)
        )
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return View.model_construct(
            community=place.name,
            zone=place.zone,
            start=first,
            end=last,
            cards=cards,
            undated=undated,
            days=tuple(self._days.of(day) for day in days),
        )

    async def log(
        self, *, number: int | None = None, limit: int = 50, community: str | None = None
    ) -> Sequence[Step]:
        """Give what was done to the calendar, or to one entry, latest first."""
        where = self._community(community).name
        store = await self._house.store()
        return await store.read(lambda conn: _reading.steps(conn, where, number=number, limit=limit))

    async def diff(self, number: int, *, old: int | None = None, new: int | None = None) -> Difference:
        """Say what differs between two versions of an entry: the newest and the one before when not given.

        Raises:
            UnknownName: no such entry or version.
        """
        store = await self._house.store()
        return await store.read(lambda conn: _reading.difference(conn, number, old=old, new=new))

    async def check(
        self,
        content: Content | int,
        *,
        to: Sequence[ChannelRef | str] | None = None,
        at: datetime | None = None,
        within: timedelta = timedelta(minutes=30),
        memory: timedelta = timedelta(days=90),
        community: str | None = None,
    ) -> Sequence[Clash]:
        """Say what speaks against a content, or an entry by its number, at a time and place; forbids nothing.

        Args:
            content: what is to be said, or the number of an entry, whose channels and time are taken.
            to: channels.
            at: aware instant.
            within: posts nearer than this in one channel are too close.
            memory: how far away near-duplicates are looked for, before and after.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: there is no time to check, or it is naive.
        """
        place = self._community(community)
        store = await self._house.store()
        now = store.clock.now()
        if isinstance(content, int):
            known = content
            line = await store.read(lambda conn: find(conn, known))
            place = self._community(line.community)
        else:
            line = new_line(place.name, content, (), state=EntryState.DRAFT, author="", now=to_us(now))
        if to is not None:
            line = _with_channels(line, self._refs(to))
        if at is not None:
            line = line._replace(at=moment_of(at))
        question = _clashes.question(
            line, now=now, zone=place.zone, within=within, memory=memory, days=self._days
        )
        return await store.read(lambda conn: _clashes.clashes(conn, question))

    async def best_time(
        self, *, count: int = 3, last: timedelta = timedelta(days=56), community: str | None = None
    ) -> Sequence[BestTime]:
        """Give the hours of the week in which most members are active, with how sure that is; empty without data.

        Args:
            count: how many hours.
            last: how far back to look; activity of long ago says little.
            community: its name; not needed when there is one.
        """
        place = self._community(community)
        events = await self._house.events()
        if place.name not in {info.name for info in await events.communities()}:
            return ()
        metrics = await self._house.metrics()
        result = await metrics.compute("activity.best_hour", community=place.name, last=last)
        return _days.best_times(result, count=count, now=self._house.clock.now(), zone=place.zone)

    # in and out

    async def import_file(
        self,
        source: Path | str | bytes,
        *,
        form: Literal["csv", "json"] | None = None,
        partial: bool = False,
        files: Path | None = None,
        community: str | None = None,
        actor: str = "",
    ) -> ImportVerdict:
        """Read entries from CSV or JSON; gives a verdict for each row, with line and column of what is wrong.

        One wrong row and nothing is imported, unless `partial`; it is one step that `undo` takes back. A row with a
        `key` that is there already is left as it is. The columns are those of `export_csv`; see docs/calendar.md.

        Args:
            source: path of a file, or its bytes; at most 20 MB and 100,000 rows.
            form: what it is; by its name or its first character when not given.
            partial: take the rows that are right.
            files: directory in which pictures named in it lie, and which they cannot leave; that of the file by default.
            community: its name; not needed when there is one.
            actor: who does it.

        Raises:
            InvalidInput: it cannot be read at all: too large, no text, no header, an unknown column.
        """
        from shequn_sdk.editorial import _importing  # noqa: PLC0415 - only for importing

        place = self._community(community)
        job = await _importing.read(self._house, source, form=form, files=files, place=place, actor=actor)
        if job.rejected and not partial:
            return job.verdict(())
        if not job.lines:
            return job.verdict(())

        def work(conn: Connection, _: int) -> Steps:
            return _importing.steps(conn, job, place.name)

        return job.verdict(await self._change(place.name, work, actor))

    async def export_csv(self, *, community: str | None = None) -> str:
        """Write all entries as CSV that `import_file` reads; what a spreadsheet would run as a formula is escaped.

        A table has no place for polls, articles, buttons and what is said otherwise per platform: of these their words
        come out.
        """
        from shequn_sdk.editorial import _exporting  # noqa: PLC0415 - only for exporting

        place = self._community(community)
        return _exporting.to_csv(await self.entries(limit=1_000_000, community=place.name), zone=place.zone)

    async def export_ical(
        self, *, start: datetime | None = None, end: datetime | None = None, community: str | None = None
    ) -> str:
        """Write entries that have a time as an iCalendar (RFC 5545), for any calendar program; times are in UTC."""
        from shequn_sdk.editorial import _exporting  # noqa: PLC0415 - only for exporting

        place = self._community(community)
        found = await self.entries(start=start, end=end, limit=1_000_000, community=place.name)
        return _exporting.to_ical(found, title=place.title or place.name, now=self._house.clock.now())

    async def page(
        self,
        *,
        start: date | None = None,
        form: Literal["month", "week"] = "month",
        language: str | None = None,
        community: str | None = None,
    ) -> str:
        """Draw a month or a week as an HTML page with thumbnails: one file, light and dark, for screens and phones.

        Args:
            start: a day in it; today when not given.
            form: `month` or `week`.
            language: `zh` or `en`; the community's when not given.
            community: its name; not needed when there is one.
        """
        from shequn_sdk.editorial import _page  # noqa: PLC0415 - only when a page is wanted

        place = self._community(community)
        today = _days.local(self._house.clock.now(), place.zone)
        first, last = _page.span(start or today, form)
        view = await self.view(start=first, end=last, community=place.name)
        store = await self._house.store()
        wanted = [card.id for card in view.cards if card.pictures][:400]
        contents = await store.read(lambda conn: _reading.contents(conn, wanted))
        drawing = partial(
            _page.draw,
            view,
            contents,
            title=place.title or place.name,
            form=form,
            focus=start or today,
            today=today,
            language=language or place.language,
        )
        return await anyio.to_thread.run_sync(drawing)  # reads and shrinks pictures

    async def settle(self, *, community: str | None = None) -> int:
        """Finish what a process that died had begun, and note what became of what was due; gives how many entries changed.

        Other calls do this for what they touch; nothing needs to call it.
        """
        finished = await self._desk.recover()
        store = await self._house.store()
        now = to_us(store.clock.now())
        numbers = await store.read(lambda conn: rested(conn, now=now))
        changed = await store.write(lambda conn: read_back(conn, numbers, now=now)) if numbers else []
        await self._house.room(Approvals).remind()
        return finished + len(changed)

    # inside

    async def _edited(self, number: int, action: str, change: Any, actor: str) -> Entry:
        store = await self._house.store()
        community = (await store.read(lambda conn: find(conn, number))).community

        def work(conn: Connection, _: int) -> Steps:
            line = find(conn, number)
            after = change(conn, line)
            return Steps(action, () if after == line else [Edit(line, after)])

        lines = await self._change(community, work, actor)
        return entry(lines[0]) if lines else await self.get(number)


def _with_channels(line: Line, refs: Sequence[ChannelRef]) -> Line:
    blank = new_line(line.community, Content(text="-"), refs, state=EntryState.DRAFT, author="", now=0)
    return line._replace(channels=blank.channels)
