"""The room of partners: who works with the community, what was agreed, and what each side gave and got."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from shequn_sdk.domain import ChannelRef, Content, MemberRef, Name
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.links.entrances import Entrances
from shequn_sdk.links.model import (
    Agreement,
    AgreementState,
    Balance,
    Partner,
    PartnerKind,
    PartnerResult,
    Side,
    Source,
)
from shequn_sdk.members.identities import find_identities
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.links import agreement, link_click, partner, partner_entry, short_link
from shequn_sdk.stores.tables.members import identity

__all__ = ["Partners"]


class Partners(Room):
    """Brands, sponsors, opinion leaders and other communities: agreements and results (合作)."""

    async def add(
        self,
        name: Name,
        *,
        title: str,
        kind: PartnerKind | str,
        community: str | None = None,
        member: MemberRef | str | None = None,
        note: str = "",
    ) -> Partner:
        """Enter a partner; entering one again changes title, kind, member and note.

        Args:
            name: by which entrances' and links' sources name it.
            title: for people.
            kind: what it is.
            community: its name; not needed when there is one.
            member: who it is among the members, for an opinion leader.
            note: for operators.

        Raises:
            InvalidInput: `name` or `kind` is unfit.
            UnknownName: no such community, or that member was never seen.
        """
        where = self._community(community).name
        try:
            chosen = PartnerKind(kind)
        except ValueError:
            raise InvalidInput(f"a partner is one of {', '.join(PartnerKind)}, not {kind!r}") from None
        ref = None if member is None else MemberRef.parse(member)
        store = await self._house.store()
        made = Partner(
            community=where, name=name, title=title, kind=chosen, note=note, created_at=store.clock.now()
        )

        def write(conn: Connection) -> None:
            number = None
            if ref is not None:
                number = find_identities(conn, [ref]).get(ref)
                if number is None:
                    raise UnknownName("member", str(ref))
            values = {
                "title": title,
                "kind": chosen.value,
                "identity_id": number,
                "note": note,
                "ended_at": None,
            }
            done = conn.execute(
                update(partner).where(partner.c.community == where, partner.c.name == name).values(values)
            )
            if done.rowcount == 0:
                conn.execute(
                    insert(partner).values(
                        community=where, name=name, created_at=to_us(made.created_at), **values
                    )
                )

        await store.write(write)
        return await self.get(name, community=where)

    async def get(self, name: str, *, community: str | None = None) -> Partner:
        """Give a partner.

        Raises:
            UnknownName: there is none of that name.
        """
        found = await self.list(community=community, ended=True)
        for one in found:
            if one.name == name:
                return one
        names = [one.name for one in found]
        raise UnknownName("partner", name, nearest=tuple(difflib.get_close_matches(name, names, n=2)))

    async def list(self, *, community: str | None = None, ended: bool = False) -> Sequence[Partner]:
        """Give the partners by name; those that ended only when asked for."""
        where = self._community(community).name
        store = await self._house.store()

        def look(conn: Connection) -> Sequence[Any]:
            query = (
                select(partner, identity.c.platform, identity.c.native_id)
                .outerjoin(identity, identity.c.id == partner.c.identity_id)
                .where(partner.c.community == where)
                .order_by(partner.c.name)
            )
            return conn.execute(query if ended else query.where(partner.c.ended_at.is_(None))).all()

        return [_partner(row) for row in await store.read(look)]

    async def end(self, name: str, *, community: str | None = None) -> Partner:
        """End the work with a partner; what was noted stays.

        Raises:
            UnknownName: there is none of that name.
        """
        found = await self.get(name, community=community)
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            conn.execute(
                update(partner)
                .where(
                    partner.c.community == found.community,
                    partner.c.name == name,
                    partner.c.ended_at.is_(None),
                )
                .values(ended_at=now)
            )

        await store.write(write)
        return await self.get(name, community=found.community)

    # -- what was agreed

    async def agree(
        self,
        name: str,
        what: str,
        *,
        side: Side | str,
        kind: str = "post",
        due: datetime | None = None,
        community: str | None = None,
    ) -> Agreement:
        """Note something that one side promised.

        Args:
            name: the partner's.
            what: in words.
            side: `gave` when we are to do it, `got` when they are.
            kind: for example `post`, `event`, `goods`, `money`.
            due: aware instant by which it is to happen.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: `side` is neither, `what` is empty, or `due` is naive.
            UnknownName: no such partner.
        """
        found = await self.get(name, community=community)
        if not what.strip():
            raise InvalidInput("say what was agreed")
        if due is not None and due.tzinfo is None:
            raise InvalidInput("due must be an aware instant")
        return await self._agreed(found, what, _side(side), kind, due, batch="", reference="")

    async def cross_post(
        self,
        name: str,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        at: datetime | None = None,
        community: str | None = None,
        needs_approval: bool = False,
        idempotency_key: str,
    ) -> Agreement:
        """Plan the post that we agreed to publish for a partner; it counts as given when it has landed everywhere.

        Args:
            name: the partner's.
            content: what is to be said; links in it are best made with a `Source` that names the partner.
            to: channels.
            at: aware instant; now when not given.
            community: its name; not needed when there is one.
            needs_approval: wait for `deliveries.approve`.
            idempotency_key: planning again with the same key plans nothing and gives the first agreement.

        Raises:
            InvalidInput: no channel is given, or one is malformed.
            NotSupported: a platform cannot take it in any form.
            UnknownName: no such partner or account.
        """
        found = await self.get(name, community=community)
        if not to:
            raise InvalidInput("say where: to=['account:native-id']")
        batch = f"partner/{found.community}/{name}/{idempotency_key}"
        publishing = await self._house.publishing()
        await publishing.plan(
            content,
            [ChannelRef.parse(one) for one in to],
            at=at,
            needs_approval=needs_approval,
            idempotency_key=batch,
            actor=f"partner {name}",
        )
        what = content.title or content.text[:80] or f"content {content.id}"
        return await self._agreed(found, what, Side.GAVE, "post", at, batch=batch, reference="")

    async def settle(
        self, agreement_id: int, *, kept: bool = True, reference: str = "", cancelled: bool = False
    ) -> Agreement:
        """Say what became of an agreement: it was kept, broken, or both sides dropped it.

        Raises:
            UnknownName: no such agreement.
            InvalidInput: it was settled otherwise before.
        """
        state = (
            AgreementState.CANCELLED if cancelled else AgreementState.DONE if kept else AgreementState.BROKEN
        )
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> Row[Any]:
            row = conn.execute(select(agreement).where(agreement.c.id == agreement_id)).one_or_none()
            if row is None:
                raise UnknownName("agreement", str(agreement_id))
            if row.state == AgreementState.OPEN.value:
                conn.execute(
                    update(agreement)
                    .where(agreement.c.id == agreement_id)
                    .values(state=state.value, reference=reference, settled_at=now)
                )
                if state is AgreementState.DONE:
                    _enter(
                        conn,
                        row.community,
                        row.partner,
                        Side(row.side),
                        row.kind,
                        Decimal(1),
                        "",
                        key=f"agreement/{agreement_id}",
                        note=row.what,
                        at=now,
                    )
            elif row.state != state.value:
                raise InvalidInput(f"agreement {agreement_id} is {row.state} already")
            return conn.execute(select(agreement).where(agreement.c.id == agreement_id)).one()

        return _agreement(await store.write(write))

    async def agreements(
        self, name: str | None = None, *, community: str | None = None, settled: bool = False
    ) -> Sequence[Agreement]:
        """Give agreements, the earliest due first; our own posts are settled here by what the ledger knows of them."""
        where = self._community(community).name
        await self._settle_posts(where)
        store = await self._house.store()

        def look(conn: Connection) -> Sequence[Row[Any]]:
            query = select(agreement).where(agreement.c.community == where)
            if name is not None:
                query = query.where(agreement.c.partner == name)
            if not settled:
                query = query.where(agreement.c.state == AgreementState.OPEN.value)
            return conn.execute(
                query.order_by(agreement.c.due.is_(None), agreement.c.due, agreement.c.id)
            ).all()

        return [_agreement(row) for row in await store.read(look)]

    async def _agreed(
        self,
        found: Partner,
        what: str,
        side: Side,
        kind: str,
        due: datetime | None,
        *,
        batch: str,
        reference: str,
    ) -> Agreement:
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> Row[Any]:
            if batch:
                old = conn.execute(select(agreement).where(agreement.c.batch == batch)).one_or_none()
                if old is not None:
                    return old
            made = conn.execute(
                insert(agreement).values(
                    community=found.community,
                    partner=found.name,
                    side=side.value,
                    kind=kind,
                    what=what[:500],
                    due=None if due is None else to_us(due),
                    state=AgreementState.OPEN.value,
                    batch=batch,
                    reference=reference,
                    created_at=now,
                    settled_at=None,
                )
            ).inserted_primary_key
            assert made is not None
            return conn.execute(select(agreement).where(agreement.c.id == made[0])).one()

        return _agreement(await store.write(write))

    async def _settle_posts(self, community: str) -> None:
        store = await self._house.store()

        def look(conn: Connection) -> Sequence[Any]:
            return conn.execute(
                select(agreement.c.id, agreement.c.batch).where(
                    agreement.c.community == community,
                    agreement.c.batch != "",
                    agreement.c.state == AgreementState.OPEN.value,
                )
            ).all()

        publishing = await self._house.publishing()
        for row in await store.read(look):
            receipts = await publishing.get_receipts(row.batch)
            if receipts and all(one.landed for one in receipts):
                address = next((r.posts[0].url for r in receipts if r.posts and r.posts[0].url), "")
                await self.settle(row.id, reference=address)

    # -- what each side gave and got

    async def enter(
        self,
        name: str,
        *,
        side: Side | str,
        kind: str,
        amount: Decimal | int | str,
        unit: str = "",
        key: str,
        note: str = "",
        at: datetime | None = None,
        community: str | None = None,
    ) -> None:
        """Note what one side gave: money, goods, mentions, newcomers.

        Args:
            name: the partner's.
            side: `gave` or `got`, seen from us.
            kind: for example `money`, `goods`, `mention`.
            amount: more than 0.
            unit: currency (ISO 4217) or what is counted.
            key: names the thing; entering it again with the same key changes nothing.
            note: in words.
            at: aware instant; now when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: the amount is no positive number, or `key` is empty.
            UnknownName: no such partner.
        """
        found = await self.get(name, community=community)
        try:
            value = Decimal(amount)
        except ArithmeticError:
            raise InvalidInput(f"{amount!r} is no amount") from None
        if not value.is_finite() or value <= 0 or not key:
            raise InvalidInput("an entry needs an amount above 0 and a key that names it")
        store = await self._house.store()
        when = to_us(store.clock.now()) if at is None else to_us(at)
        chosen = _side(side)
        with contextlib.suppress(IntegrityError):  # another process entered it this moment
            await store.write(
                lambda conn: _enter(
                    conn, found.community, name, chosen, kind, value, unit, key=key, note=note, at=when
                )
            )

    async def result(self, name: str, *, community: str | None = None) -> PartnerResult:
        """Say what working with a partner brought: balances, clicks, joins, and who of them stayed.

        Joins and clicks are those of entrances and short links whose source names the partner.

        Raises:
            UnknownName: no such partner.
        """
        found = await self.get(name, community=community)
        where = found.community
        open_ones = await self.agreements(name, community=where)
        store = await self._house.store()
        now = store.clock.now()

        def look(conn: Connection) -> tuple[Sequence[Row[Any]], Sequence[Any]]:
            entries = conn.execute(
                select(partner_entry).where(
                    partner_entry.c.community == where, partner_entry.c.partner == name
                )
            ).all()
            links = conn.execute(
                select(short_link.c.source, func.coalesce(func.sum(link_click.c.people), 0))
                .outerjoin(link_click, link_click.c.code == short_link.c.code)
                .where(short_link.c.community == where)
                .group_by(short_link.c.code, short_link.c.source)
            ).all()
            return entries, links

        entries, links = await store.read(look)
        balances: dict[tuple[str, str], dict[str, Decimal]] = {}
        for row in entries:
            line = balances.setdefault((row.kind, row.unit), {"gave": Decimal(0), "got": Decimal(0)})
            line[row.side] += Decimal(row.amount)
        through = [
            one
            for one in await self._house.room(Entrances).results(community=where)
            if one.source.partner == name
        ]
        return PartnerResult(
            partner=found,
            balances=tuple(
                Balance(kind=kind, unit=unit, gave=line["gave"], got=line["got"])
                for (kind, unit), line in sorted(balances.items())
            ),
            open_agreements=len(open_ones),
            overdue=sum(one.is_overdue(now) for one in open_ones),
            clicks=sum(int(row[1]) for row in links if Source.model_validate_json(row[0]).partner == name),
            joined=sum(one.joined for one in through),
            present=sum(one.present for one in through),
            active=sum(one.active for one in through),
        )


def _side(side: Side | str) -> Side:
    try:
        return Side(side)
    except ValueError:
        raise InvalidInput(f"side is gave (we to them) or got (they to us), not {side!r}") from None


def _enter(
    conn: Connection,
    community: str,
    name: str,
    side: Side,
    kind: str,
    amount: Decimal,
    unit: str,
    *,
    key: str,
    note: str,
    at: int,
) -> None:
    there = select(partner_entry.c.id).where(
        partner_entry.c.community == community, partner_entry.c.partner == name, partner_entry.c.key == key
    )
    if conn.execute(there).one_or_none() is not None:
        return
    conn.execute(
        insert(partner_entry).values(
            community=community,
            partner=name,
            side=side.value,
            kind=kind,
            amount=str(amount),
            unit=unit,
            key=key,
            note=note[:500],
            at=at,
        )
    )


def _partner(row: Any) -> Partner:
    return Partner(
        community=row.community,
        name=row.name,
        title=row.title,
        kind=PartnerKind(row.kind),
        member=MemberRef(platform=row.platform, native_id=row.native_id) if row.native_id else None,
        note=row.note,
        created_at=from_us(row.created_at),
        ended_at=None if row.ended_at is None else from_us(row.ended_at),
    )


def _agreement(row: Row[Any]) -> Agreement:
    return Agreement(
        id=row.id,
        community=row.community,
        partner=row.partner,
        side=Side(row.side),
        kind=row.kind,
        what=row.what,
        due=None if row.due is None else from_us(row.due),
        state=AgreementState(row.state),
        reference=row.reference,
        settled_at=None if row.settled_at is None else from_us(row.settled_at),
    )
