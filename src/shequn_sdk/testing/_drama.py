"""What happens in a rehearsal besides ordinary days: raids, crises, campaigns, and who buys."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from pydantic import JsonValue

from shequn_sdk.client import AsyncShequn
from shequn_sdk.domain import ChannelRef, Content
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.links.model import Source
from shequn_sdk.moderation.crisis import CrisisPlan, CrisisStep, Thresholds
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.playbook.model import Playbook, ProductSpec
from shequn_sdk.testing._rooms import Entrance, SimulatedMember
from shequn_sdk.testing.simulate import SimulatedCommunity

__all__ = ["Campaign", "Drama", "Order"]

_QUARREL = timedelta(minutes=25)
"""After which what angry members wrote is heard."""
_STEPS = (
    ("reply", "看一遍投诉，用统一口径公开回复一次，不争辩。", timedelta(minutes=30), timedelta(minutes=20)),
    ("contact", "逐个私下联系投诉的人，记下要求。", timedelta(hours=2), timedelta(minutes=100)),
    ("explain", "说明原因和补偿，公布下次怎么避免。", timedelta(hours=24), timedelta(hours=20)),
)
"""Name, words, time allowed, and when the rehearsed team does it."""
_OVER = timedelta(hours=21)
_LASTS = timedelta(days=7)
"""How long a campaign brings people, and they buy with its coupon."""
_OFF = 20
"""Percent."""
_KEEN = 0.12
"""Share of those whom a campaign brought who buy on a day."""

Scene = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Order:
    """Something that was bought in a rehearsal."""

    number: str
    amount: str
    at: datetime
    person: str
    entrance: str = ""
    coupon: str = ""


@dataclass(slots=True)
class Campaign:
    """A campaign: one named entrance, one content everywhere, one coupon."""

    name: str
    coupon: str
    begins: datetime
    posted: int = 0
    """Channels in which its content was planned."""


@dataclass(slots=True)
class Drama:
    """Plays what was arranged when its time comes.

    Args:
        sq: the community's client.
        book: its playbook, with addresses.
        life: its members.
        team: channel in which the team is told of a crisis.
        main: number of the place to which it all happens, and its channel.
        buyers: share of active members who buy something in a week.
    """

    sq: AsyncShequn
    book: Playbook
    life: SimulatedCommunity
    team: ChannelRef
    main: tuple[int, ChannelRef]
    buyers: float
    orders: list[Order] = field(default_factory=list[Order])
    campaigns: list[Campaign] = field(default_factory=list[Campaign])
    _scenes: list[tuple[datetime, int, Scene]] = field(default_factory=list[tuple[datetime, int, Scene]])
    _number: int = 0

    async def arrange(self, days: int, *, raids: int, crises: int, campaigns: int) -> None:
        """Spread what is to happen over the days."""
        start = self.life.world.clock.now()
        for number in range(raids):
            self._at(start + timedelta(days=days) * (number + 1) / (raids + 1), self._raid)
        if crises:
            await self.sq.crises.set_plan(self._plan(), community=self.book.name)
        for number in range(crises):
            day = int(days * (number + 0.5) / crises)
            self._at(start + timedelta(days=day, hours=20), self._quarrel)
        for number in range(campaigns):
            begins = start + timedelta(days=int(days * (number + 0.3) / campaigns), hours=10)
            campaign = Campaign(f"campaign-{number + 1}", f"CAMPAIGN-{number + 1}", begins)
            self.campaigns.append(campaign)
            self._at(begins, lambda campaign=campaign: self._begin(campaign))

    def next_scene(self) -> datetime | None:
        """Give the instant of what comes next."""
        return self._scenes[0][0] if self._scenes else None

    async def play(self) -> None:
        """Let happen what is due."""
        while self._scenes and self._scenes[0][0] <= self.life.world.clock.now():
            await heapq.heappop(self._scenes)[2]()

    def _at(self, instant: datetime, scene: Scene) -> None:
        self._number += 1
        heapq.heappush(self._scenes, (instant.astimezone(UTC), self._number, scene))

    async def _nothing(self) -> None:
        """Only be heard."""

    # raids and crises

    async def _raid(self) -> None:
        self.life.raid(people=20, place=self.main[0])

    def _plan(self) -> CrisisPlan:
        return CrisisPlan(
            title="差评与投诉集中爆发",
            roles={"team": self.team},
            steps=tuple(
                CrisisStep(name=name, role="team", text=text, within=within)
                for name, text, within, _ in _STEPS
            ),
            thresholds=Thresholds(negative_share=0.3, least_messages=15, window=timedelta(hours=1)),
        )

    async def _quarrel(self) -> None:
        now = self.life.world.clock.now()
        self.life.quarrel(people=25, within=_QUARREL * 0.9, place=self.main[0])
        self._at(now + _QUARREL, self._nothing)
        for name, _, _, after in _STEPS:
            self._at(now + _QUARREL + after, lambda name=name: self._step(name))
        self._at(now + _QUARREL + _OVER, self._calm)

    async def _step(self, name: str) -> None:
        for incident in await self.sq.crises.list(community=self.book.name):
            if incident.ended_at is None:
                await self.sq.crises.done(incident.id, name, actor="rehearsed team")

    async def _calm(self) -> None:
        for incident in await self.sq.crises.list(community=self.book.name):
            if incident.ended_at is None:
                await self.sq.crises.end(incident.id, actor="rehearsed team", note="calm again")

    # campaigns and buying

    async def _begin(self, campaign: Campaign) -> None:
        place, channel = self.main
        invites = self.sq.accounts.manifest(channel.account).supports(Capability.INVITES)
        entrance = await self.sq.entrances.open(
            campaign.name,
            channel=channel if invites else None,
            community=self.book.name,
            source=Source(campaign=campaign.name, content=campaign.name, place="campaign"),
        )
        await self.sq.coupons.add(
            campaign.coupon, percent=_OFF, ends=campaign.begins + 2 * _LASTS, community=self.book.name
        )
        text = f"**限时活动**：本周入群，报名减 {_OFF}%，优惠码 {campaign.coupon}。"
        for one in self.book.channels:
            if one.ref is not None:
                await self.sq.publish(
                    Content(text=f"{text} {one.link}" if one.link else text, category="campaign"),
                    to=[one.ref],
                    at=campaign.begins,
                    idempotency_key=f"rehearsal/{campaign.name}/{one.name}",
                    timeout=0,
                )
                campaign.posted += 1
        brought = max(5, self.life.size // 25)
        way = Entrance(campaign.name, invite=entrance.url)
        self.life.invite(way, people=brought, within=_LASTS, place=place)

    async def shop(self, day: date) -> None:
        """Let some of those who are there buy something from the playbook's shop."""
        if not self.book.products:
            return
        rng = self.life.world.rng("shop", day.isoformat())
        if self.buyers:
            present = [one for one in self.life.present() if one.traits.buy]
            expected = len(present) * self.buyers / 7
            count = int(expected) + (rng.random() < expected % 1)
            for one in rng.sample(present, min(count, len(present))):
                await self._buy(day, one, rng.choice(self.book.products))
        now = self.life.world.clock.now()
        for campaign in self.campaigns:
            if campaign.begins < now < campaign.begins + 2 * _LASTS:
                keen = [one for one in self.life.present() if one.entrance == campaign.name]
                for one in keen:
                    if rng.random() < _KEEN:
                        await self._buy(day, one, rng.choice(self.book.products), campaign)

    async def _buy(
        self, day: date, one: SimulatedMember, product: ProductSpec, campaign: Campaign | None = None
    ) -> None:
        refs = self.life.refs(one)
        if not refs:
            return
        number = f"{day.isoformat()}-{len(self.orders)}"
        amount, coupon, entrance = Decimal(product.price), "", ""
        if campaign is not None:
            try:
                quote = await self.sq.coupons.redeem(
                    campaign.coupon,
                    key=number,
                    price=amount,
                    currency=product.currency,
                    member=refs[0],
                    sku=product.sku,
                    community=self.book.name,
                )
            except (InvalidInput, UnknownName):
                return  # used theirs already, or were not heard yet
            amount, coupon, entrance = quote.total, campaign.coupon, campaign.name
        await self.sq.shop.record_order(
            number,
            amount=amount,
            currency=product.currency,
            sku=product.sku,
            member=refs[0],
            member_name=one.person.name,
            coupon=coupon,
            entrance=entrance,
            community=self.book.name,
        )
        now = self.life.world.clock.now()
        self.orders.append(Order(number, str(amount), now, one.person.id, entrance, coupon))

    # after

    async def told(self) -> dict[str, JsonValue]:
        """Say what came of crises and campaigns."""
        incidents = await self.sq.crises.list(community=self.book.name)
        results = {one.name: one for one in await self.sq.entrances.results(community=self.book.name)}
        money: dict[str, Decimal] = {}
        for one in await self.sq.conversion.revenue(by="campaign", community=self.book.name):
            money[one.name] = money.get(one.name, Decimal()) + one.revenue
        return {
            "crises": [
                {
                    "cause": one.cause,
                    "began": one.began_at.isoformat(),
                    "hours": None
                    if one.ended_at is None
                    else round((one.ended_at - one.began_at) / timedelta(hours=1), 1),
                    "steps": len(one.steps),
                    "in_time": one.in_time,
                }
                for one in reversed(incidents)
            ],
            "campaigns": [
                {
                    "name": one.name,
                    "channels": one.posted,
                    "joined": results[one.name].joined if one.name in results else 0,
                    "orders": sum(order.entrance == one.name for order in self.orders),
                    "revenue": str(money.get(one.name, Decimal())),
                }
                for one in self.campaigns
            ],
        }
