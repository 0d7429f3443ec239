"""The room of rewards: points turned into coupons and goods, never more than there are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, func, insert, select, update

from shequn_sdk.domain import Frozen, MemberRef, Name
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.house import Room
from shequn_sdk.incentives import _ledger
from shequn_sdk.incentives._specs import faces, local_day_of, person_of
from shequn_sdk.members.identities import find_identities
from shequn_sdk.scheduling.triggers import Cron
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.incentives import points_entry, redemption, reward, reward_code
from shequn_sdk.stores.tables.members import identity

if TYPE_CHECKING:
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Redemption", "RedemptionState", "Reward", "Rewards"]


class Reward(Frozen):
    """What points can be turned into (积分商城)."""

    name: Name
    title: str = Field(min_length=1, max_length=200)
    cost: int = Field(ge=1)
    kind: Literal["coupon", "goods"] = "goods"
    per_person: int | None = Field(default=None, ge=1)
    """How often a person may have it; what was refunded does not count."""
    valid_for: timedelta | None = None
    """How long it can be claimed; then it expires. None is for ever."""
    stock: int | None = Field(default=None, ge=0)
    """How many are left; None is without end. Of coupons with codes, as many as there are codes."""


class RedemptionState(StrEnum):
    """Where a redemption stands."""

    OPEN = "open"
    """Paid with points, not handed over yet."""
    FULFILLED = "fulfilled"
    REFUNDED = "refunded"
    EXPIRED = "expired"
    """Not claimed in time; the points are gone."""


class Redemption(Frozen):
    """Points turned into a reward (兑换)."""

    id: int
    reward: Name
    member: str
    """`platform:native-id`; "" once they were erased."""
    name: str = ""
    cost: int
    state: RedemptionState
    code: str = Field(default="", repr=False)
    """Code of a coupon: whoever has it can use it."""
    at: AwareDatetime
    expires_at: AwareDatetime | None = None
    note: str = ""


class _Due(Frozen):
    community: str


class Rewards(Room):
    """Rewards for points (兑换): stock and points are taken in one transaction, so that nothing is sold twice."""

    def serve(self, scheduler: Scheduler) -> None:
        """Let what was not claimed expire, every hour."""
        scheduler.handlers.add("shequn.rewards.expire", self._hourly, arguments=_Due)

    async def offer(
        self, offered: Reward, *, codes: Sequence[str] = (), community: str | None = None
    ) -> Reward:
        """Offer a reward, or change one of that name; what was redeemed keeps its terms.

        Args:
            offered: the reward; `stock` replaces what is left.
            codes: coupon codes, each given out once; further codes are added to those there are, and `stock` follows.
            community: whose.

        Raises:
            InvalidInput: codes for goods.
        """
        owner = self._community(community)
        if codes and offered.kind != "coupon":
            raise InvalidInput("codes are for coupons: give kind='coupon'")
        store = await self._house.store()
        now = to_us(store.clock.now())
        number = hashlib.sha256(json.dumps([owner.name, offered.name]).encode()).hexdigest()[:32]

        def write(conn: Connection) -> Reward:
            spec = offered.model_dump_json()
            known = conn.execute(select(reward.c.id).where(reward.c.id == number).with_for_update()).first()
            values: dict[str, Any] = {"spec": spec, "stock": offered.stock, "state": "offered"}
            if known is None:
                conn.execute(
                    insert(reward).values(
                        id=number, community=owner.name, name=offered.name, created_at=now, **values
                    )
                )
            else:
                conn.execute(update(reward).where(reward.c.id == number).values(**values))
            there = set(
                conn.execute(select(reward_code.c.code).where(reward_code.c.reward_id == number)).scalars()
            )
            for code in dict.fromkeys(codes):
                if code not in there:
                    conn.execute(insert(reward_code).values(reward_id=number, code=code, redemption_id=None))
            if codes or there:
                free = conn.execute(
                    select(func.count()).where(
                        reward_code.c.reward_id == number, reward_code.c.redemption_id.is_(None)
                    )
                ).scalar_one()
                conn.execute(update(reward).where(reward.c.id == number).values(stock=free))
            return _offered(conn, owner.name, offered.name)

        made = await store.write(write)
        if offered.valid_for is not None:
            await (await self._house.scheduler()).create(
                "shequn.rewards.expire",
                when=Cron("5 * * * *", tz=owner.zone),
                arguments=_Due(community=owner.name),
                idempotency_key=f"rewards/{owner.name}/expire",
            )
        return made

    async def withdraw(self, name: str, *, community: str | None = None) -> Reward:
        """Offer a reward no more; what was redeemed stays.

        Raises:
            UnknownName: there is none of that name.
        """
        owner = self._community(community)

        def write(conn: Connection) -> Reward:
            found = _offered(conn, owner.name, name)
            chosen = (reward.c.community == owner.name, reward.c.name == name)
            conn.execute(update(reward).where(*chosen).values(state="withdrawn"))
            return found

        return await (await self._house.store()).write(write)

    async def list(self, *, community: str | None = None) -> Sequence[Reward]:
        """Give what is offered, with what is left, cheapest first."""
        owner = self._community(community)

        def look(conn: Connection) -> Sequence[Reward]:
            names = conn.execute(
                select(reward.c.name).where(reward.c.community == owner.name, reward.c.state == "offered")
            ).scalars()
            return sorted(
                (_offered(conn, owner.name, name) for name in names), key=lambda one: (one.cost, one.name)
            )

        return await (await self._house.store()).read(look)

    async def redeem(
        self, name: str, member: MemberRef | str, *, idempotency_key: str, community: str | None = None
    ) -> Redemption:
        """Turn a person's points into a reward; the same key gives the first redemption.

        Raises:
            UnknownName: there is no such reward, or nobody of that id was ever seen.
            InvalidInput: it is sold out or withdrawn, the person had it as often as may be, or lacks points.
        """
        owner, ref = self._community(community), MemberRef.parse(member)
        store = await self._house.store()
        now = store.clock.now()
        at = to_us(now)

        def write(conn: Connection) -> Redemption:
            _ledger.lock(conn, owner.name)
            known = conn.execute(
                select(redemption.c.id).where(
                    redemption.c.community == owner.name, redemption.c.event == idempotency_key
                )
            ).scalar()
            if known is not None:
                return _redemption(conn, owner.name, known)
            person = person_of(conn, ref)
            if person is None:
                raise UnknownName("member", str(ref))
            found = _offered(conn, owner.name, name)
            row = conn.execute(
                select(reward.c.id, reward.c.state, reward.c.stock).where(
                    reward.c.community == owner.name, reward.c.name == name
                )
            ).one()
            if row.state != "offered":
                raise InvalidInput(f"{found.title!r} is not offered any more")
            had = _had(conn, row.id, person)
            if found.per_person is not None and had >= found.per_person:
                raise InvalidInput(f"{ref} had {found.title!r} {had} times; more is not allowed")
            if row.stock is not None:
                taken = conn.execute(
                    update(reward)
                    .where(reward.c.id == row.id, reward.c.stock > 0)
                    .values(stock=reward.c.stock - 1)
                )
                if not taken.rowcount:
                    raise InvalidInput(f"{found.title!r} is sold out")
            ends = None if found.valid_for is None else to_us(now + found.valid_for)
            made = conn.execute(
                insert(redemption).values(
                    reward_id=row.id,
                    community=owner.name,
                    identity_id=find_identities(conn, [ref])[ref],
                    event=idempotency_key,
                    cost=found.cost,
                    state="open",
                    code="",
                    at=at,
                    expires_at=ends,
                    note="",
                )
            ).inserted_primary_key
            number = int(made[0]) if made else 0
            _ledger.spend(
                conn,
                owner.name,
                person,
                amount=found.cost,
                event=f"redeem/{number}",
                at=at,
                day=local_day_of(owner, now),
                note=found.title,
            )
            _give_code(conn, row.id, number)
            return _redemption(conn, owner.name, number)

        return await store.write(write)

    async def fulfil(self, redemption_id: int, *, note: str = "", community: str | None = None) -> Redemption:
        """Note that a reward was handed over; doing so again changes nothing.

        Raises:
            UnknownName: there is no such redemption.
            InvalidInput: it was refunded or has expired.
        """
        return await self._settle(redemption_id, "fulfilled", ("open",), note, community)

    async def refund(
        self,
        redemption_id: int,
        *,
        note: str = "",
        restock: Literal["restock", "keep_out"] = "restock",
        community: str | None = None,
    ) -> Redemption:
        """Give the points back, to the members they came from, once; refunding again changes nothing.

        A coupon's code is not given out again: it may have been read.

        Args:
            redemption_id: its number.
            note: why.
            restock: whether goods return to the stock.
            community: whose.

        Raises:
            UnknownName: there is no such redemption.
            InvalidInput: it has expired.
        """
        return await self._settle(redemption_id, "refunded", ("open", "fulfilled"), note, community, restock)

    async def list_redemptions(
        self,
        *,
        member: MemberRef | str | None = None,
        state: RedemptionState | str | None = None,
        community: str | None = None,
        limit: int = 100,
    ) -> Sequence[Redemption]:
        """Give redemptions, newest first."""
        owner = self._community(community)
        ref = None if member is None else MemberRef.parse(member)

        def look(conn: Connection) -> Sequence[Redemption]:
            query = select(redemption.c.id).where(redemption.c.community == owner.name)
            if state is not None:
                query = query.where(redemption.c.state == RedemptionState(state).value)
            if ref is not None:
                person = person_of(conn, ref)
                mine = select(identity.c.id).where(identity.c.person_id == person)
                query = query.where(redemption.c.identity_id.in_(mine))
            numbers = conn.execute(query.order_by(redemption.c.id.desc()).limit(limit)).scalars()
            return [_redemption(conn, owner.name, number) for number in numbers]

        return await (await self._house.store()).read(look)

    async def _settle(
        self,
        number: int,
        state: str,
        allowed: Sequence[str],
        note: str,
        community: str | None,
        restock: str = "keep_out",
    ) -> Redemption:
        owner = self._community(community)
        store = await self._house.store()
        now = store.clock.now()

        def write(conn: Connection) -> Redemption:
            _ledger.lock(conn, owner.name)
            found = _redemption(conn, owner.name, number)
            if found.state == state:
                return found
            if found.state not in allowed:
                raise InvalidInput(f"redemption {number} is {found.state}: it cannot become {state}")
            _change(conn, number, state, to_us(now), note)
            if state == "refunded":
                day = local_day_of(owner, now)
                paid = conn.execute(
                    select(points_entry).where(
                        points_entry.c.community == owner.name,
                        points_entry.c.kind == "redeem",
                        points_entry.c.event.startswith(f"redeem/{number}/", autoescape=True),
                    )
                ).all()
                _ledger.reverse(conn, owner.name, paid, kind="refund", at=to_us(now), day=day, note=note)
                if restock == "restock" and not found.code:
                    chosen = (reward.c.community == owner.name, reward.c.name == found.reward)
                    conn.execute(
                        update(reward)
                        .where(*chosen, reward.c.stock.is_not(None))
                        .values(stock=reward.c.stock + 1)
                    )
            return _redemption(conn, owner.name, number)

        return await store.write(write)

    async def _hourly(self, arguments: _Due, firing: Firing) -> None:
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            query = select(redemption.c.id).where(
                redemption.c.community == arguments.community,
                redemption.c.state == "open",
                redemption.c.expires_at <= now,
            )
            for number in conn.execute(query).scalars().all():
                _change(conn, number, "expired", now, "not claimed in time")

        await store.write(write)


def _change(conn: Connection, number: int, state: str, now: int, note: str) -> None:
    conn.execute(
        update(redemption)
        .where(redemption.c.id == number)
        .values(state=state, settled_at=now, note=note[:300])
    )


def _offered(conn: Connection, community: str, name: str) -> Reward:
    row = conn.execute(
        select(reward.c.spec, reward.c.stock).where(reward.c.community == community, reward.c.name == name)
    ).first()
    if row is None:
        names = conn.execute(select(reward.c.name).where(reward.c.community == community)).scalars()
        raise UnknownName("reward", name, nearest=tuple(sorted(names)[:3]))
    return Reward.model_validate_json(row.spec).model_copy(update={"stock": row.stock})


def _had(conn: Connection, number: str, person: int) -> int:
    return conn.execute(
        select(func.count())
        .select_from(redemption)
        .join(identity, identity.c.id == redemption.c.identity_id)
        .where(
            redemption.c.reward_id == number,
            identity.c.person_id == person,
            redemption.c.state != "refunded",
        )
    ).scalar_one()


def _give_code(conn: Connection, number: str, redeemed: int) -> None:
    """Give out the next code, where the reward has codes."""
    code = conn.execute(
        select(reward_code.c.code)
        .where(reward_code.c.reward_id == number, reward_code.c.redemption_id.is_(None))
        .order_by(reward_code.c.code)
        .limit(1)
    ).scalar()
    if code is not None:
        conn.execute(
            update(reward_code)
            .where(reward_code.c.reward_id == number, reward_code.c.code == code)
            .values(redemption_id=redeemed)
        )
        conn.execute(update(redemption).where(redemption.c.id == redeemed).values(code=code))


def _redemption(conn: Connection, community: str, number: int) -> Redemption:
    row = conn.execute(
        select(
            redemption,
            reward.c.name.label("reward_name"),
            identity.c.platform,
            identity.c.native_id,
            identity.c.person_id,
        )
        .join(reward, reward.c.id == redemption.c.reward_id)
        .outerjoin(identity, identity.c.id == redemption.c.identity_id)
        .where(redemption.c.id == number, redemption.c.community == community)
    ).first()
    if row is None:
        raise UnknownName("redemption", str(number))
    named = faces(conn, [row.person_id]) if row.person_id is not None else {}
    return Redemption(
        id=row.id,
        reward=row.reward_name,
        member=f"{row.platform}:{row.native_id}" if row.platform else "",
        name=named.get(row.person_id or 0, ("", ""))[1],
        cost=row.cost,
        state=RedemptionState(row.state),
        code=row.code,
        at=from_us(row.at),
        expires_at=None if row.expires_at is None else from_us(row.expires_at),
        note=row.note,
    )
