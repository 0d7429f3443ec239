"""The desk: cases that wait for a person, what was decided, appeals, the audit trail."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select, update

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import House
from shequn_sdk.members.identities import find_identities
from shequn_sdk.moderation import book
from shequn_sdk.moderation.engine import Facts
from shequn_sdk.moderation.officer import Officer, Told
from shequn_sdk.moderation.results import Action, Appeal, AuditLine, Case
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.moderation import (
    moderation_action,
    moderation_appeal,
    moderation_audit,
    moderation_case,
    moderation_strike,
)

__all__ = ["Desk"]


class Desk:
    """What people decide."""

    def __init__(self, house: House, officer: Officer) -> None:
        """Decide for a room whose effects `officer` carries out."""
        self._house = house
        self._officer = officer

    async def cases(
        self,
        *,
        community: str,
        states: Sequence[str] = (),
        member: MemberRef | str | None = None,
        limit: int = 100,
    ) -> Sequence[Case]:
        """Give cases, newest first; all states by default."""
        name = community

        def read(conn: Connection) -> list[Case]:
            number = None
            if member is not None:
                ref = MemberRef.parse(member)
                number = find_identities(conn, [ref]).get(ref, -1)  # pyright: ignore[reportArgumentType]
            return book.cases(conn, name, states=states, member=number, limit=limit)

        return await (await self._house.store()).read(read)

    async def get_case(self, case: int) -> Case:
        """Give one case.

        Raises:
            UnknownName: there is none of that number.
        """
        return await (await self._house.store()).read(lambda conn: book.to_case(book.case_row(conn, case)))

    async def actions(self, case: int) -> Sequence[Action]:
        """Give what a case led to on the platform, and what became of it."""

        def read(conn: Connection) -> list[Action]:
            book.case_row(conn, case)
            table = moderation_action
            rows = conn.execute(
                select(table)
                .where(table.c.source.in_((f"case:{case}", f"case:{case}/undo")))
                .order_by(table.c.id)
            )
            return [book.to_action(row) for row in rows]

        return await (await self._house.store()).read(read)

    async def settle(self, case: int, state: str, *, actor: str, note: str) -> Case:
        """Decide a case, and do or take back what it calls for."""
        store = await self._house.store()
        patrols = await self._officer.watch.patrols(store)
        now = to_us(store.clock.now())

        def write(conn: Connection) -> tuple[Row[Any], Told, bool]:
            row = book.case_row(conn, case)
            told: Told = ([], "", None)
            was_queued = book.settle_case(
                conn, case, state=state, actor=actor or "operator", note=note, now=now
            )
            if not was_queued:
                if state == "acted" or row.state == "overruled":
                    raise InvalidInput(
                        f"case {case} is {row.state} already: only queued ones can be approved"
                    )
                self._undo(conn, row, actor=actor or "operator", note=note, now=now)
            elif state == "acted":
                patrol = patrols.get(row.community)
                strikes = 0
                if row.native_id:
                    ref = MemberRef(platform=row.platform, native_id=row.native_id)
                    strikes = book.facts_of(conn, row.community, [ref], now=now)[ref].strikes
                if patrol is not None:
                    told = book.punish(conn, row, patrol.rules, strikes_before=strikes, now=now)
            book.audit(
                conn,
                row.community,
                now,
                actor=actor or "operator",
                what=state,
                subject=f"case:{case}",
                detail=note,
            )
            return row, told, was_queued

        row, told, was_queued = await store.write(write)
        if state == "acted":
            await self._officer.follow(row, told, patrols.get(row.community))
        elif not was_queued:
            await self._officer.record(row, retract=True)
        await self._officer.work()
        return await self.get_case(case)

    @staticmethod
    def _undo(conn: Connection, row: Row[Any], *, actor: str, note: str, now: int) -> None:
        """Take back what a case led to."""
        conn.execute(
            update(moderation_case)
            .where(moderation_case.c.id == row.id)
            .values(state="overruled", actor=actor, note=note, decided_at=now)
        )
        conn.execute(
            update(moderation_strike)
            .where(moderation_strike.c.case_id == row.id, moderation_strike.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        table = moderation_action
        mine = f"case:{row.id}"
        conn.execute(
            update(table)
            .where(table.c.source == mine, table.c.state == "planned")
            .values(state="dropped", ended_at=now)
        )
        undo = {"mute": "unmute", "ban": "unban"}
        for action in conn.execute(
            select(table).where(
                table.c.source == mine,
                table.c.kind.in_(tuple(undo)),
                table.c.state.in_(("done", "unknown", "trying")),
            )
        ).all():
            book.plan(
                conn,
                row.community,
                book.NewAction(
                    f"{mine}/undo",
                    undo[action.kind],
                    action.account,
                    action.channel,
                    member=action.member,
                    reason="overruled",
                    identity_id=action.identity_id,
                ),
                now=now,
            )

    async def strikes(self, member: MemberRef | str, *, community: str) -> int:
        """Give how many strikes of a member count now, those of the same person on other platforms too."""
        name = community
        ref = MemberRef.parse(member)
        store = await self._house.store()
        now = to_us(store.clock.now())
        found = await store.read(partial(book.facts_of, community=name, refs=[ref], now=now))
        return found.get(ref, Facts()).strikes  # pyright: ignore[reportArgumentType]

    # -- appeals

    async def appeal(self, case: int, *, text: str) -> Appeal:
        """Note that a member disagrees; the operators are told. Once per case.

        Raises:
            UnknownName: there is no such case.
            InvalidInput: the case was not acted on, or has an appeal already, or the text is longer than 2,000 characters.
        """
        if not text.strip() or len(text) > 2000:
            raise InvalidInput("an appeal needs a text of at most 2,000 characters")
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> Row[Any]:
            row = book.case_row(conn, case)
            if row.state != "acted":
                raise InvalidInput(f"case {case} is {row.state}: there is nothing to appeal against")
            values = {
                "case_id": case,
                "community": row.community,
                "text": text,
                "state": "open",
                "actor": "",
                "note": "",
                "created_at": now,
                "decided_at": None,
            }
            if not book.new_row(conn, moderation_appeal, values):
                raise InvalidInput(f"case {case} has an appeal already")
            book.audit(conn, row.community, now, actor="member", what="appeal", subject=f"case:{case}")
            return row

        row = await store.write(write)
        await self._officer.tell(
            row.community, "appeal", idempotency_key=f"moderation/appeal/{case}", case=case
        )
        return await self._appeal(case)

    async def appeals(self, *, community: str, decided: bool = False) -> Sequence[Appeal]:
        """Give the open appeals, oldest first; with `decided` all."""
        name = community
        table = moderation_appeal
        wanted = select(table).where(table.c.community == name).order_by(table.c.created_at)
        if not decided:
            wanted = wanted.where(table.c.state == "open")
        return await (await self._house.store()).read(
            lambda conn: [_appeal(row) for row in conn.execute(wanted)]
        )

    async def decide(self, case: int, *, grant: bool, actor: str = "", note: str = "") -> Appeal:
        """Decide an appeal: granted, the case is overruled and what was done is taken back.

        Raises:
            UnknownName: there is no such case or appeal.
            InvalidInput: it was decided already.
        """
        store = await self._house.store()
        now = to_us(store.clock.now())
        table = moderation_appeal

        def write(conn: Connection) -> None:
            row = conn.execute(select(table).where(table.c.case_id == case)).one_or_none()
            if row is None:
                raise UnknownName("appeal against case", str(case))
            done = conn.execute(
                update(table)
                .where(table.c.case_id == case, table.c.state == "open")
                .values(
                    state="granted" if grant else "denied",
                    actor=actor or "operator",
                    note=note,
                    decided_at=now,
                )
            ).rowcount
            if not done:
                raise InvalidInput(f"the appeal against case {case} was {row.state} already")
            what = "appeal granted" if grant else "appeal denied"
            book.audit(
                conn,
                row.community,
                now,
                actor=actor or "operator",
                what=what,
                subject=f"case:{case}",
                detail=note,
            )

        await store.write(write)
        if grant:
            with contextlib.suppress(InvalidInput):  # overruled meanwhile
                await self.settle(case, "overruled", actor=actor, note=note)
        return await self._appeal(case)

    async def _appeal(self, case: int) -> Appeal:
        table = moderation_appeal
        return await (await self._house.store()).read(
            lambda conn: _appeal(conn.execute(select(table).where(table.c.case_id == case)).one())
        )

    async def audit(self, *, community: str, subject: str = "", limit: int = 200) -> Sequence[AuditLine]:
        """Give the audit trail, newest first; of one subject such as `case:7` when it is named."""
        name = community
        table = moderation_audit
        wanted = select(table).where(table.c.community == name)
        if subject:
            wanted = wanted.where(table.c.subject == subject)
        wanted = wanted.order_by(table.c.id.desc()).limit(limit)

        def read(conn: Connection) -> list[AuditLine]:
            return [
                AuditLine(
                    at=from_us(row.at), actor=row.actor, what=row.what, subject=row.subject, detail=row.detail
                )
                for row in conn.execute(wanted)
            ]

        return await (await self._house.store()).read(read)


def _appeal(row: Row[Any]) -> Appeal:
    return Appeal(
        case=row.case_id,
        community=row.community,
        text=row.text,
        state=row.state,
        actor=row.actor,
        note=row.note,
        created_at=from_us(row.created_at),
        decided_at=None if row.decided_at is None else from_us(row.decided_at),
    )
