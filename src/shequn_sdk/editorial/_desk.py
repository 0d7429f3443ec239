"""How the calendar is changed: one transaction per step, with its audit line, and what it means for the ledger.

An entry and its deliveries are in one store, so that taking back what stands in the ledger and noting the change are one
transaction. Planning anew goes through `Publishing.plan` right after it, under a key that the transaction has written
down: whoever finds the note (`handing`) plans again under the same key, which sends nothing twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, insert, select, update

from shequn_sdk.domain import DeliveryState, LatePolicy, ReceiptStatus
from shequn_sdk.editorial import _requests
from shequn_sdk.editorial._lines import (
    Line,
    content_of,
    last_version,
    load,
    replace_places,
    store_line,
    store_lines,
)
from shequn_sdk.editorial.model import EntryState
from shequn_sdk.errors import InvalidInput, ShequnError
from shequn_sdk.house import House
from shequn_sdk.publishing import care, ledger
from shequn_sdk.publishing.planning import by_lane
from shequn_sdk.publishing.rows import receipt_of
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.delivery import delivery
from shequn_sdk.stores.tables.editorial import calendar_change, calendar_entry, calendar_step

__all__ = ["Desk", "Done", "Edit", "Steps", "Work", "read_back", "rested", "undo_last"]

_log = logging.getLogger(__name__)
LIVE = frozenset({str(EntryState.IN_REVIEW), str(EntryState.SCHEDULED)})
"""States in which an entry with a time stands in the ledger."""
_OPEN = (*sorted(LIVE), str(EntryState.FAILED))
_UNDER_WAY = {
    "landed": "it has landed in",
    "partly": "it has landed for some in",
    "attempting": "it is being sent to",
    "unknown": "nobody knows yet whether it landed in",
    "awaiting_person": "a person is to send it to",
}
_GRACE = timedelta(days=1)
"""How late an entry may still be sent."""


class Edit(NamedTuple):
    """An entry before and after; `before` is None for a new one."""

    before: Line | None
    after: Line


class Steps(NamedTuple):
    """What one step does."""

    action: str
    edits: Sequence[Edit]
    note: str = ""
    undoable: bool = True
    undoes: int | None = None


Work: TypeAlias = Callable[[Connection, int], Steps]


class Done(NamedTuple):
    """What a step did."""

    lines: list[Line]
    requests: list[int]
    """Approvals that are asked for now."""


class _UnfinishedError(ShequnError):
    """An entry whose last change has not reached the ledger yet."""

    def __init__(self, numbers: Sequence[int]) -> None:
        super().__init__("unfinished")
        self.numbers = numbers


class Desk:
    """Changes entries for one community's rooms."""

    def __init__(self, house: House) -> None:
        """Work in `house`."""
        self._house = house

    async def change(self, community: str, work: Work, *, actor: str) -> Done:
        """Carry out one step, then tell the ledger.

        Raises:
            InvalidInput: an entry has landed, is being sent, or changed in this moment; nothing was changed.
        """
        store = await self._house.store()

        def run(conn: Connection) -> Done:
            now = to_us(store.clock.now())
            return _record(conn, community, work(conn, now), actor=actor, now=now)

        for _ in range(3):
            try:
                done = await store.write(run)
            except _UnfinishedError as error:
                # what another process began has to reach the ledger before it can be taken back from there
                await self.hand_over(error.numbers)
                continue
            waiting = [line.id for line in done.lines if line.handing]
            if waiting:
                await self.hand_over(waiting)
            return done
        raise InvalidInput("others change the same entries all the time; repeat in a moment")

    async def hand_over(self, numbers: Sequence[int]) -> None:
        """Bring entries to the ledger that are noted for it; doing it again does nothing."""
        store = await self._house.store()
        publishing = await self._house.publishing()
        lines = await store.read(lambda conn: load(conn, list(numbers)))
        done: list[Line] = []
        for line in lines.values():
            if not line.handing or line.at is None:
                continue
            known = await publishing.deliveries(idempotency_key=line.batch)
            if not known:
                await publishing.plan(
                    content_of(line.content),
                    list(line.refs),
                    at=from_us(line.at),
                    idempotency_key=line.batch,
                    needs_approval=line.state == EntryState.IN_REVIEW,
                    late=LatePolicy.SEND,
                    grace=_GRACE,
                    actor=line.author or "calendar",
                )
            elif line.state == EntryState.SCHEDULED and not line.held:
                for one in known:
                    # the pieces of a content go together, and another process may have been here first
                    state = (await publishing.get(one.id)).state
                    if state is DeliveryState.BLOCKED:
                        await publishing.approve(one.id, actor="calendar")
                    elif state is DeliveryState.PAUSED:
                        await publishing.resume(one.id, actor="calendar")
            done.append(line)

        def mark(conn: Connection) -> None:
            for line in done:
                conn.execute(
                    update(calendar_entry)
                    .where(calendar_entry.c.id == line.id, calendar_entry.c.revision == line.revision)
                    .values(handing=0)
                )

        if done:
            await store.write(mark)

    async def recover(self) -> int:
        """Finish what a process that died had begun; gives how many entries."""
        store = await self._house.store()
        numbers = await store.read(
            lambda conn: list(
                conn.execute(select(calendar_entry.c.id).where(calendar_entry.c.handing == 1)).scalars()
            )
        )
        for number in numbers:
            try:
                await self.hand_over([number])
            except ShequnError as error:
                # one that cannot be planned (its account is gone, say) must not hold up the rest; it says so itself
                _log.warning("entry %d did not reach the ledger: %s", number, error)
                words = f"not in the ledger yet: {error}"[:2000]
                await store.write(
                    lambda conn, number=number, words=words: conn.execute(
                        update(calendar_entry).where(calendar_entry.c.id == number).values(note=words)
                    )
                )
        return len(numbers)


def _record(conn: Connection, community: str, steps: Steps, *, actor: str, now: int) -> Done:
    """Write one step: entries, what it takes back from the ledger, requests for approval, the audit line."""
    unfinished = [edit.before.id for edit in steps.edits if edit.before is not None and edit.before.handing]
    if unfinished:
        raise _UnfinishedError(unfinished)
    if not steps.edits:
        return Done([], [])
    fresh = [
        _planned(edit.after._replace(created_at=now, updated_at=now))
        for edit in steps.edits
        if edit.before is None
    ]
    lines: list[Line] = []
    for line in store_lines(conn, fresh):
        if line.batches:  # its key is made of its number, which is known only now
            keyed = line._replace(batch=_batch(line.id, line.batches))
            store_line(conn, line, keyed, versioned=False)
            lines.append(keyed)
        else:
            lines.append(line)
    before: dict[int, str] = {}
    moved: list[Line] = []
    for edit in steps.edits:
        if edit.before is not None:
            after = _edit(
                conn, edit.before, edit.after, actor=actor, now=now, restoring=steps.undoes is not None
            )
            before[after.id] = json.dumps(edit.before._asdict(), ensure_ascii=False)
            if _place(edit.before) != _place(after):
                moved.append(after)
            lines.append(after)
    if moved:
        replace_places(conn, moved)
    requests = _ask(conn, lines, changed=before.keys(), actor=actor, now=now)
    made = conn.execute(
        insert(calendar_step).values(
            community=community,
            at=now,
            actor=actor,
            action=steps.action,
            note=steps.note[:2000],
            undoable=int(steps.undoable),
        )
    ).inserted_primary_key
    number = made[0] if made else 0
    conn.execute(
        insert(calendar_change),
        [
            {"step_id": number, "entry_id": line.id, "revision": line.revision, "before": before.get(line.id)}
            for line in lines
        ],
    )
    if steps.undoes is not None:
        _rebase(conn, steps, lines)
    return Done(lines, requests)


def _rebase(conn: Connection, steps: Steps, lines: Sequence[Line]) -> None:
    """Let the steps before an undone one match the entries as they are again, so that they can be undone, too."""
    conn.execute(update(calendar_step).where(calendar_step.c.id == steps.undoes).values(undoable=0))
    for edit, line in zip(steps.edits, lines, strict=True):
        restored = json.loads(
            conn.execute(
                select(calendar_change.c.before).where(
                    calendar_change.c.step_id == steps.undoes, calendar_change.c.entry_id == line.id
                )
            ).scalar_one()
            or "null"
        )
        if restored is not None and edit.before is not None:
            conn.execute(
                update(calendar_change)
                .where(
                    calendar_change.c.entry_id == line.id, calendar_change.c.revision == restored["revision"]
                )
                .values(revision=line.revision)
            )


def _batch(number: int, times: int) -> str:
    return f"calendar/{number}/{times}"


def _place(line: Line) -> tuple[object, ...]:
    return line.at, line.channels, line.promotional, line.state in {"cancelled", "removed"}


def _planned(line: Line) -> Line:
    """Note that a line is to be planned, when it is one that stands in the ledger."""
    if line.batch or line.state not in LIVE or line.at is None or line.held or not line.refs:
        return line
    return line._replace(batches=line.batches + 1, batch=_batch(line.id, line.batches + 1), handing=1)


def _edit(conn: Connection, before: Line, after: Line, *, actor: str, now: int, restoring: bool) -> Line:
    if before.state == EntryState.LANDED:
        raise InvalidInput(f"entry {before.id} has landed and stays as it is; copy it to say it again")
    versioned = (before.content, before.channels) != (after.content, after.channels)
    after = after._replace(
        id=before.id,
        revision=before.revision + 1,
        updated_at=now,
        batch=before.batch,
        batches=before.batches,
        handing=0,
    )
    if versioned:
        kept = restoring and 0 < after.approved == after.version
        version = last_version(conn, before.id) + 1
        after = after._replace(version=version, approved=version if kept else 0)
    again = versioned or before.at != after.at or after.state not in LIVE
    if before.batch and again:
        _take_back(conn, before, actor=actor, now=now)
        after = after._replace(batch="")
    elif before.batch and after.held and not before.held:
        _keep_back(conn, before, actor=actor, now=now)
    elif before.batch and (before.state, before.held) != (after.state, after.held):
        after = after._replace(handing=1)
    after = _planned(after)
    store_line(conn, before, after, versioned=versioned)
    return after


def _take_back(conn: Connection, line: Line, *, actor: str, now: int) -> None:
    """Cancel an entry's deliveries.

    Raises:
        InvalidInput: one has landed or is under way; the transaction undoes the rest.
    """
    for row in ledger.by_batch(conn, line.batch):
        words = _UNDER_WAY.get(row.state)
        if words is not None:
            raise InvalidInput(
                f"entry {line.id} cannot be changed any more: {words} {row.account}:{row.channel} "
                f"(delivery {row.id}); copy it to say it again"
            )
        if row.state not in {"refused", "cancelled", "expired"}:
            care.cancel(conn, row.id, now=now, actor=actor or "calendar")


def _keep_back(conn: Connection, line: Line, *, actor: str, now: int) -> None:
    """Pause an entry's deliveries; what waits for an approval waits anyway."""
    for row in ledger.by_batch(conn, line.batch):
        words = _UNDER_WAY.get(row.state)
        if words is not None or row.state == "claimed":
            raise InvalidInput(
                f"entry {line.id} cannot be held any more: {words or 'it is about to be sent to'} "
                f"{row.account}:{row.channel} (delivery {row.id})"
            )
        if row.state in {"planned", "deferred"}:
            care.pause(conn, row.id, now=now, actor=actor or "calendar")


def _ask(
    conn: Connection, lines: Sequence[Line], *, changed: Collection[int], actor: str, now: int
) -> list[int]:
    """Open the requests that entries in review need; close those of older versions."""
    asked: list[int] = []
    for line in lines:
        if line.state == EntryState.IN_REVIEW:
            policy = _requests.policy_for(conn, line.community, line.category)
            if policy is None:
                raise InvalidInput(f"entry {line.id} waits for an approval that no policy asks for any more")
            number = _requests.open_request(conn, line, policy, asked_by=actor, now=now)
            if number is not None:
                asked.append(number)
        elif line.id in changed and (
            line.version > 1 or line.state in {EntryState.DRAFT, EntryState.CANCELLED, "removed"}
        ):
            _requests.supersede(
                conn, line.id, but=line.version if line.approved == line.version else 0, now=now
            )
    return asked


# what the ledger says


def rested(
    conn: Connection,
    *,
    now: int,
    community: str | None = None,
    start: int | None = None,
    end: int | None = None,
) -> list[int]:
    """Find entries whose deliveries came to an end of which the calendar does not know; within a stretch, or all due."""
    query = (
        select(calendar_entry.c.id)
        .join(delivery, delivery.c.batch == calendar_entry.c.batch)
        .where(
            calendar_entry.c.state.in_(_OPEN),
            calendar_entry.c.batch != "",
            delivery.c.state.in_(("landed", "partly", "refused", "cancelled", "expired")),
        )
        .distinct()
    )
    if community is not None:
        query = query.where(calendar_entry.c.community == community)
    if start is not None and end is not None:
        query = query.where(calendar_entry.c.at >= start, calendar_entry.c.at < end)
    else:
        query = query.where(calendar_entry.c.at <= now)
    failed = calendar_entry.c.state == EntryState.FAILED
    # a failed one is news only when somebody has let it be sent again, and it landed
    query = query.where(~failed | (delivery.c.updated_at > calendar_entry.c.updated_at))
    return list(conn.execute(query).scalars())


def read_back(conn: Connection, numbers: Sequence[int], *, now: int) -> list[Line]:
    """Write down what became of entries in the ledger; gives those that changed."""
    changed: list[Line] = []
    for line in load(conn, list(numbers)).values():
        if not line.batch or line.state not in _OPEN:
            continue
        rows = ledger.by_batch(conn, line.batch)
        if not rows:
            continue
        after = _outcome(line, rows)
        if (after.state, after.note) == (line.state, line.note):
            continue
        after = after._replace(revision=line.revision + 1, updated_at=now)
        conn.execute(
            update(calendar_entry)
            .where(calendar_entry.c.id == line.id, calendar_entry.c.revision == line.revision)
            .values(
                state=after.state,
                note=after.note,
                landed_at=after.landed_at,
                revision=after.revision,
                updated_at=now,
            )
        )
        if (after.state == EntryState.CANCELLED) != (line.state == EntryState.CANCELLED):
            replace_places(conn, [after])
        changed.append(after)
    return changed


def _outcome(line: Line, rows: Any) -> Line:
    receipts = [receipt_of(group) for group in by_lane(rows)]
    states = {one.status for one in receipts}
    if states <= {ReceiptStatus.LANDED, ReceiptStatus.PARTLY}:
        landed = max((row.updated_at for row in rows if row.state == "landed"), default=line.at)
        return line._replace(state=str(EntryState.LANDED), landed_at=landed, note="")
    if states & {ReceiptStatus.PENDING, ReceiptStatus.UNKNOWN, ReceiptStatus.AWAITING_PERSON}:
        back = line.state == EntryState.FAILED
        return line._replace(state=str(EntryState.SCHEDULED), note="") if back else line
    if states == {ReceiptStatus.CANCELLED}:
        return line._replace(state=str(EntryState.CANCELLED), note="cancelled in the ledger")
    words = [f"{one.channel} {one.status}: {one.reason}" for one in receipts if not one.landed]
    return line._replace(state=str(EntryState.FAILED), note="; ".join(words)[:2000])


def undo_last(conn: Connection, community: str) -> Steps | None:
    """Give the step that takes back the last one that can be taken back; None when there is none.

    Raises:
        InvalidInput: an entry was changed since in a way that is no step of the calendar: it landed, or was approved.
    """
    last = conn.execute(
        select(calendar_step)
        .where(calendar_step.c.community == community, calendar_step.c.undoable == 1)
        .order_by(calendar_step.c.id.desc())
        .limit(1)
    ).first()
    if last is None:
        return None
    changes = conn.execute(select(calendar_change).where(calendar_change.c.step_id == last.id)).all()
    lines = load(conn, [one.entry_id for one in changes])
    edits: list[Edit] = []
    for one in changes:
        line = lines.get(one.entry_id)
        if line is None or line.revision != one.revision:
            why = (
                "is gone"
                if line is None
                else "has landed"
                if line.state == EntryState.LANDED
                else "went on since"
            )
            raise InvalidInput(
                f"step {last.id} ({last.action}) cannot be undone: entry {one.entry_id} {why}; "
                "change it back by hand"
            )
        if one.before is None:
            edits.append(Edit(line, line._replace(state="removed", key=None)))
        else:
            old = Line(**json.loads(one.before))
            edits.append(Edit(line, old))
    return Steps("undo", edits, note=f"step {last.id}: {last.action}", undoable=False, undoes=last.id)
