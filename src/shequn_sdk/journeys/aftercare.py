"""What became of the messages that journeys sent: seen from the ledger, and tried another way where they were refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import Connection

from shequn_sdk.journeys import models as m
from shequn_sdk.journeys import rows
from shequn_sdk.journeys.knowing import Person, Who, know
from shequn_sdk.journeys.reaching import LOOK_AFTER, Outcome, send
from shequn_sdk.journeys.setting import Setting
from shequn_sdk.stores.schema import from_us, to_us

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["Aftercare"]

_MOST = 200
_PATIENCE = timedelta(days=3)
"""For so long it is looked at what became of a message."""
_GOOD = {"landed", "partly"}
_BAD = {"refused", "expired", "cancelled"}
_Settled: TypeAlias = tuple[rows.DueCheck, Outcome, datetime | None]
"""A step, what became of it, and when to look again."""


class Aftercare:
    """Looks after messages until they are settled."""

    def __init__(self, house: House, setting: Setting) -> None:
        """Stand in `house`; opens nothing."""
        self._house = house
        self._setting = setting

    async def look(self) -> None:
        """Look at what is to be looked after by now."""
        store = await self._house.store()
        while True:
            now = self._house.clock.now()
            due = await store.read(lambda conn, now=now: rows.due_checks(conn, now=to_us(now), limit=_MOST))
            if not due:
                return
            receipts = await store.read(
                lambda conn, due=due: rows.receipts_of(conn, [one.key for one in due])
            )
            settled: list[_Settled] = []
            refused: list[tuple[rows.DueCheck, str]] = []
            for one in due:
                states = {str(receipt.status) for receipt in receipts[one.key]}
                reason = next((receipt.reason for receipt in receipts[one.key] if receipt.reason), "")
                same = Outcome("planned", one.form, key=one.key, note=one.note)
                if states <= _GOOD and states:
                    settled.append((one, same._replace(state="sent"), None))
                elif states & _BAD or not states:
                    refused.append((one, reason or "the message is gone from the ledger"))
                elif now - from_us(one.at) > _PATIENCE:
                    settled.append((one, same._replace(note=f"still {', '.join(sorted(states))}"), None))
                else:
                    settled.append((one, same, now + max(LOOK_AFTER, now - from_us(one.at))))
            tasks: list[rows.NewTask] = []
            settled += await self._other_ways(refused, tasks)
            for again in {again for _, _, again in settled if again is not None}:
                await self._setting.wake_at(again)
            await store.write(
                lambda conn, made=settled, tasks=tasks, now=now: _settle(conn, made, tasks, to_us(now))
            )

    async def _other_ways(
        self, refused: Sequence[tuple[rows.DueCheck, str]], tasks: list[rows.NewTask]
    ) -> list[_Settled]:
        """Try the next way for each message that was refused."""
        if not refused:
            return []

        def look(conn: Connection) -> tuple[dict[int, rows.Run], dict[int, Who]]:
            found = rows.runs_of(conn, [one.run_id for one, _ in refused])
            return found, know(conn, list(found.values()))

        runs, who = await (await self._house.store()).read(look)
        return [
            await self._other_way(one, reason, runs[one.run_id], who[one.run_id].person, tasks)
            for one, reason in refused
        ]

    async def _other_way(
        self, one: rows.DueCheck, reason: str, run: rows.Run, person: Person, tasks: list[rows.NewTask]
    ) -> _Settled:
        journey = rows.journey_of(one.definition)
        step = journey.step(one.step)
        action = next((item for item in (step.do, step.otherwise) if isinstance(item, m.MESSAGES)), None)
        now = self._house.clock.now()
        tried = {"direct"} if one.form == "direct" else {"direct", "channel"}
        note = f"{one.note}; {one.form}: {reason}".strip("; ")
        if action is None:
            return one, Outcome("failed", one.form, one.key, note), None
        text = self._setting.words(action.text, person, community=run.community, anchor=from_us(run.anchor))
        key = f"journey/{one.run_id}/{step.name}"
        outcome = await send(
            self._house, person.places, action, text, key=key, due=now, skip=frozenset(tried)
        )
        if outcome.state == "task":
            title = f"{self._setting.title(run.community)}: {step.name}"
            tasks.append(run.task(journey.name, title, text, key, "", now))
        notes = "; ".join(part for part in (note, outcome.note) if part)
        return one, outcome._replace(note=notes), now + LOOK_AFTER if outcome.check else None


def _settle(
    conn: Connection,
    settled: Sequence[_Settled],
    tasks: Sequence[rows.NewTask],
    now: int,
) -> None:
    for task in tasks:
        rows.add_task(conn, task, now=now)
    for one, outcome, again in settled:
        check = None if again is None else to_us(again)
        rows.record(conn, one.run_id, one.step, one.name, outcome, at=one.at, check_at=check)
