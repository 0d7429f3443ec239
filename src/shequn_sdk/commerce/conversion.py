"""The room of conversion: from entrance to purchase to referral, and what brought the money."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select

from shequn_sdk.commerce import orders
from shequn_sdk.commerce.attribution import AttributionModel, shares, split
from shequn_sdk.commerce.model import Order
from shequn_sdk.domain import ChannelRef, Frozen, MemberRef
from shequn_sdk.errors import InvalidInput
from shequn_sdk.house import Room
from shequn_sdk.links.entrances import Entrances
from shequn_sdk.links.model import Entrance, Source
from shequn_sdk.members.identities import note_identities, seen_in
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.commerce import shop_order, touch
from shequn_sdk.stores.tables.members import identity, membership

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard

__all__ = ["AttributedRevenue", "Conversion", "FunnelLine"]

_US = timedelta(microseconds=1)
_BY: dict[str, Callable[[Source], str]] = {
    "campaign": lambda source: source.campaign,
    "content": lambda source: source.content,
    "partner": lambda source: source.partner,
    "kol": lambda source: source.kol,
    "medium": lambda source: source.medium,
    "place": lambda source: source.place,
}


class FunnelLine(Frozen):
    """How far those came who entered by one way (转化漏斗)."""

    name: str
    """Entrance, campaign, partner … ; "" is everybody without."""
    clicks: int | None
    """None when no short link leads there."""
    joined: int
    """Persons."""
    active: int
    """Of these, who did something after joining."""
    bought: int
    """Of these who joined, who have an order that was not wholly paid back."""
    bought_again: int
    """With two or more of them."""
    referred: int
    """By whose own entrance somebody else joined."""


class AttributedRevenue(Frozen):
    """Money that one source is owed, in one currency."""

    name: str
    """"" is what no touch explains."""
    currency: str
    revenue: Decimal
    """After refunds."""
    orders: Decimal
    """Orders, in parts where one is owed to several."""
    buyers: int
    """Persons with a part."""


@dataclass(frozen=True, slots=True)
class _Touch:
    entrance: str
    at: int


class Conversion(Room):
    """Funnels, attribution and referrals (转化, 归因, 裂变)."""

    def listen(self, dispatcher: Dispatcher) -> None:
        """Note by which entrances members were touched."""
        dispatcher.on_batch("shequn.conversion.touches", self._touched)

    async def funnel(
        self,
        *,
        by: str = "entrance",
        start: datetime | None = None,
        end: datetime | None = None,
        community: str | None = None,
    ) -> Sequence[FunnelLine]:
        """Follow those who joined in a period: did they do something, buy, buy again, bring others?

        Persons are counted by the entrance of their newest join in the period; what they did counts whenever it was after.

        Args:
            by: `entrance`, or a part of its source: `campaign`, `content`, `partner`, `kol`, `medium`, `place`.
            start: aware instant of the first join; the beginning when not given.
            end: aware instant before which the last one lies; now when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: `by` is none of these.
        """
        where = self._community(community).name
        named = await self._names(where, by)
        store = await self._house.store()
        low = 0 if start is None else to_us(start)
        high = to_us(store.clock.now()) + 1 if end is None else to_us(end)
        joins, bought = await store.read(lambda conn: _people(conn, where, low, high))
        entrances = self._house.room(Entrances)
        results = await entrances.results(community=where, start=start, end=end)
        known = {one.name: one for one in await entrances.list(community=where, ended=True)}
        owners = await store.read(lambda conn: _owners(conn, list(known.values())))
        newest: dict[int, tuple[str, int, bool]] = {}
        for person, entrance, joined_at, active in joins:
            newest[person] = (
                _canonical(entrance, known),
                joined_at,
                active or newest.get(person, ("", 0, False))[2],
            )
        brought: dict[int, set[int]] = {}
        for person, (entrance, _, _) in newest.items():
            owner = owners.get(entrance)
            if owner is not None and owner != person:
                brought.setdefault(owner, set()).add(person)
        sums: dict[str, list[int]] = {}
        for person, (entrance, joined_at, active) in newest.items():
            times = sum(at >= joined_at for at in bought.get(person, ()))
            line = sums.setdefault(named(entrance), [0] * 5)
            for place, value in enumerate((1, active, times > 0, times > 1, person in brought)):
                line[place] += value
        clicks: dict[str, int] = {}
        for one in results:
            if one.clicks is not None:
                clicks[named(one.name)] = clicks.get(named(one.name), 0) + one.clicks
                sums.setdefault(named(one.name), [0] * 5)
        lines = [
            FunnelLine(
                name=name,
                clicks=clicks.get(name) if name else None,
                joined=line[0],
                active=line[1],
                bought=line[2],
                bought_again=line[3],
                referred=line[4],
            )
            for name, line in sums.items()
        ]
        return sorted(lines, key=lambda one: (one.name == "", -one.joined, one.name))

    async def revenue(
        self,
        *,
        by: str = "entrance",
        model: AttributionModel | str = AttributionModel.LAST,
        window: timedelta = timedelta(days=30),
        start: datetime | None = None,
        end: datetime | None = None,
        community: str | None = None,
    ) -> Sequence[AttributedRevenue]:
        """Share the money of a period among the touches that came before each purchase; currencies are never added.

        A touch is any interaction that brought an entrance along: a join by invite, a click that named the member, an order
        that names its entrance. The parts sum to exactly what was paid, less refunds; what no touch explains stands under "".

        Args:
            by: `entrance`, or a part of its source: `campaign`, `content`, `partner`, `kol`, `medium`, `place`.
            model: `first`, `last`, `linear` or `position` (40 % first, 40 % last, the rest between).
            window: how long before the purchase a touch may lie.
            start: aware instant of the first order; the beginning when not given.
            end: aware instant before which the last one lies; now when not given.
            community: its name; not needed when there is one.

        Raises:
            InvalidInput: `by` or `model` is unknown, or the window is not positive.
        """
        where = self._community(community).name
        try:
            chosen = AttributionModel(model)
        except ValueError:
            raise InvalidInput(f"a model is one of {', '.join(AttributionModel)}, not {model!r}") from None
        if window <= timedelta(0):
            raise InvalidInput("the window must be positive")
        named = await self._names(where, by)
        store = await self._house.store()
        low = None if start is None else to_us(start)
        high = None if end is None else to_us(end)

        def look(conn: Connection) -> list[tuple[Order, int | None, list[_Touch]]]:
            found = orders.find(conn, where, low=low, high=high)
            query = (
                select(shop_order.c.id, identity.c.person_id)
                .join(identity, identity.c.id == shop_order.c.identity_id)
                .where(shop_order.c.community == where)
            )
            people: dict[int, int] = {row[0]: row[1] for row in conn.execute(query)}
            touches: dict[int, list[_Touch]] = {}
            for person, entrance, at in conn.execute(
                select(identity.c.person_id, touch.c.entrance, touch.c.at)
                .join(identity, identity.c.id == touch.c.identity_id)
                .where(touch.c.community == where)
                .order_by(touch.c.at, touch.c.key)
            ):
                touches.setdefault(person, []).append(_Touch(entrance, at))
            # where a join did not tell its entrance itself, it was found out afterwards
            for person, entrance, at in conn.execute(
                select(identity.c.person_id, membership.c.entrance, membership.c.joined_at)
                .join(identity, identity.c.id == membership.c.identity_id)
                .where(
                    membership.c.community == where,
                    membership.c.entrance != "",
                    membership.c.joined_at.is_not(None),
                )
            ):
                touches.setdefault(person, []).append(_Touch(entrance, at))
            for path in touches.values():
                path.sort(key=lambda one: one.at)
            return [(one, people.get(one.id), touches.get(people.get(one.id, -1), [])) for one in found]

        known = {one.name: one for one in await self._house.room(Entrances).list(community=where, ended=True)}
        reach = window // _US
        money: dict[tuple[str, str], Decimal] = {}
        parts_of: dict[tuple[str, str], Decimal] = {}
        buyers: dict[tuple[str, str], set[str]] = {}
        for order, person, before in await store.read(look):
            if order.net <= 0:
                continue
            at = to_us(order.at)
            path = [named(_canonical(one.entrance, known)) for one in before if at - reach <= one.at <= at]
            if order.entrance:
                path.append(named(_canonical(order.entrance, known)))
            path = [name for place, name in enumerate(path) if place == 0 or path[place - 1] != name]
            path = [name for name in path if name] or [""]
            parts = shares(path, chosen)
            for name, part in split(order.net, parts).items():
                key = (name, order.currency)
                money[key] = money.get(key, Decimal(0)) + part
                buyers.setdefault(key, set()).add(f"p{person}" if person is not None else f"o{order.id}")
            for name, part in split(Decimal(1), parts).items():
                key = (name, order.currency)
                parts_of[key] = parts_of.get(key, Decimal(0)) + part
        lines = [
            AttributedRevenue(
                name=name,
                currency=currency,
                revenue=_tidy(value),
                orders=_tidy(parts_of[name, currency]),
                buyers=len(buyers[name, currency]),
            )
            for (name, currency), value in money.items()
        ]
        return sorted(lines, key=lambda one: (one.currency, one.name == "", -one.revenue, one.name))

    async def referral(
        self,
        member: MemberRef | str,
        *,
        channel: ChannelRef | str | None = None,
        community: str | None = None,
    ) -> Entrance:
        """Give a member's own entrance, by which friends come (裂变); the same one each time.

        Args:
            member: `platform:native-id`.
            channel: where it leads; without it, it is only a name to bring along.
            community: its name; not needed when there is one.

        Raises:
            NotSupported: the platform has no invites.
        """
        ref = MemberRef.parse(member)
        code = hashlib.sha256(str(ref).encode()).hexdigest()[:12]
        place = "" if channel is None else hashlib.sha256(str(channel).encode()).hexdigest()[:4]
        return await self._house.room(Entrances).open(
            f"ref-{code}{'-' + place if place else ''}",
            channel=channel,
            source=Source(kol=str(ref), medium="referral"),
            community=community,
        )

    async def _names(self, community: str, by: str) -> Callable[[str], str]:
        if by == "entrance":
            return lambda entrance: entrance
        part = _BY.get(by)
        if part is None:
            raise InvalidInput(f"by is entrance, {', '.join(_BY)}, not {by!r}")
        known = {
            one.name: part(one.source)
            for one in await self._house.room(Entrances).list(community=community, ended=True)
        }
        return lambda entrance: known.get(entrance, "")

    async def _touched(self, heard: Sequence[Heard]) -> None:
        news = [one for one in heard if one.interaction.entrance and one.interaction.member and one.community]
        if not news:
            return
        store = await self._house.store()

        def write(conn: Connection) -> None:
            seen = [found for one in news if (found := seen_in(one.interaction)) is not None]
            numbers = note_identities(conn, seen)
            for one in news:
                event = one.interaction
                key = f"{event.platform}/{event.id}"
                there = select(touch.c.key).where(touch.c.community == one.community, touch.c.key == key)
                if conn.execute(there).one_or_none() is None:
                    conn.execute(
                        insert(touch).values(
                            community=one.community,
                            key=key,
                            identity_id=numbers[MemberRef(platform=event.platform, native_id=event.member)],
                            entrance=event.entrance,
                            kind=event.kind.value,
                            at=to_us(event.occurred_at),
                        )
                    )

        await store.write(write)


def _tidy(value: Decimal) -> Decimal:
    """Drop the zeros at the end that sharing out has left."""
    short = value.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


def _canonical(entrance: str, known: dict[str, Entrance]) -> str:
    if entrance in known or not entrance:
        return entrance
    return next((one.name for one in known.values() if one.url and one.url == entrance), entrance)


def _people(
    conn: Connection, community: str, low: int, high: int
) -> tuple[list[tuple[int, str, int, bool]], dict[int, list[int]]]:
    joins = conn.execute(
        select(identity.c.person_id, membership.c.entrance, membership.c.joined_at, membership.c.last_active)
        .join(identity, identity.c.id == membership.c.identity_id)
        .where(
            membership.c.community == community,
            membership.c.joined_at >= low,
            membership.c.joined_at < high,
            identity.c.is_bot == 0,
        )
        .order_by(membership.c.joined_at, membership.c.identity_id)
    ).all()
    bought: dict[int, list[int]] = {}
    for row in conn.execute(
        select(identity.c.person_id, shop_order.c.at, shop_order.c.amount, shop_order.c.refunded)
        .join(identity, identity.c.id == shop_order.c.identity_id)
        .where(shop_order.c.community == community)
    ):
        if Decimal(row.amount) > Decimal(row.refunded):
            bought.setdefault(row.person_id, []).append(row.at)
    return [(row[0], row[1], row[2], row[3] is not None and row[3] > row[2]) for row in joins], bought


def _owners(conn: Connection, entrances: Sequence[Entrance]) -> dict[str, int]:
    """Give the person to whom each entrance belongs, where it belongs to a member."""
    owners: dict[str, int] = {}
    refs: dict[str, Any] = {}
    for one in entrances:
        if ":" in one.source.kol:
            refs[one.name] = one.source.kol.partition(":")
    for name, (platform, _, native_id) in refs.items():
        person = conn.execute(
            select(identity.c.person_id).where(
                identity.c.platform == platform, identity.c.native_id == native_id
            )
        ).scalar()
        if person is not None:
            owners[name] = person
    return owners
