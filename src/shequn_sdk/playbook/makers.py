"""How each kind of item of a playbook is made and unmade in the rooms."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Protocol

from shequn_sdk.commerce.shop import Shop
from shequn_sdk.domain import ChannelRef, InteractionKind
from shequn_sdk.engagement.check_ins import CheckIns
from shequn_sdk.engagement.duty import Hours, Shift
from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.feedback.feedback import Feedback
from shequn_sdk.feedback.model import FeedbackDesk
from shequn_sdk.house import House
from shequn_sdk.incentives.badges import Badge, Badges
from shequn_sdk.incentives.models import PointRule, PointRules
from shequn_sdk.incentives.points import Points
from shequn_sdk.journeys.journeys import Journeys
from shequn_sdk.journeys.models import (
    After,
    AnyStart,
    BeforeDate,
    Birthday,
    Joined,
    Journey,
    OnDay,
    Say,
    Silent,
    Step,
)
from shequn_sdk.links.entrances import Entrances
from shequn_sdk.links.model import Source
from shequn_sdk.links.partners import Partners
from shequn_sdk.moderation.model import ADVERT, CONFLICT, DUPLICATE, FLOOD, SCAM
from shequn_sdk.moderation.moderation import Moderation
from shequn_sdk.moderation.rules import (
    Effects,
    Ladder,
    LadderAction,
    LadderStep,
    Rule,
    RuleSet,
    standard_rules,
)
from shequn_sdk.playbook.goals import Goals
from shequn_sdk.playbook.items import Item
from shequn_sdk.scheduling.triggers import Once, Trigger, Weekly

__all__ = ["MAKERS", "Maker", "is_quiet", "shown"]

_HIDDEN = dict.fromkeys(
    (*range(32), 127, *range(128, 160), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)


_DETECTORS = {
    "advertisement": ADVERT,
    "flooding": FLOOD,
    "duplicate": DUPLICATE,
    "scam": SCAM,
    "conflict": CONFLICT,
}


class Maker(Protocol):
    """Makes and unmakes items of one kind; both may be called again after a crash."""

    async def make(self, house: House, community: str, item: Item) -> str:
        """Make it; gives what to remember it by."""
        ...

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        """End it; `again` when it is to be made anew at once."""
        ...


def shown(name: str) -> str:
    """Give a member's name as it may stand in a sentence: short, and without marks that turn or hide text."""
    return " ".join(name.translate(_HIDDEN).split())[:64] or "朋友"


async def is_quiet(house: House, channel: ChannelRef) -> bool:
    """Whether our own bot is to keep quiet in a channel, as in a raid."""
    return await house.room(Moderation).is_quiet(channel)


class _Schedules:
    """Columns, single contents and festivals: schedules that call a handler of the playbook."""

    def __init__(self, kind: str, handler: str) -> None:
        self._kind = kind
        self._handler = handler

    async def make(self, house: House, community: str, item: Item) -> str:
        when: Trigger
        if "when" in item.body:
            when = Weekly(item.body["when"]["at"], tz=item.body["when"]["tz"])
        else:
            when = Once(datetime.fromisoformat(item.body["due"]).replace(tzinfo=None), tz=item.body["tz"])
        scheduler = await house.scheduler()
        made = await scheduler.create(
            self._handler,
            when=when,
            arguments=item.body["post"],
            name=f"{community}/{self._kind}/{item.key}",
            idempotency_key=f"playbook/{community}/{self._kind}/{item.key}/{item.digest}/{house.clock.now().date()}",
        )
        return made.id

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        scheduler = await house.scheduler()
        with contextlib.suppress(UnknownName, InvalidInput):  # ended by itself, or cancelled by hand
            await scheduler.cancel(ref)


class _Partners:
    async def make(self, house: House, community: str, item: Item) -> str:
        body = item.body
        made = await house.room(Partners).add(
            body["name"], title=body["title"], kind=body["kind"], note=body["note"], community=community
        )
        return made.name

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if not again:
            await house.room(Partners).end(key, community=community)


class _Entrances:
    async def make(self, house: House, community: str, item: Item) -> str:
        body = item.body
        source = Source(campaign=body["campaign"], partner=body["partner"], place=body["place"])
        made = await house.room(Entrances).open(
            body["name"], channel=body["ref"] or None, source=source, community=community
        )
        return made.url

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if again:
            raise InvalidInput(
                f"entrance {key!r} is printed and shared already: what it stands for cannot change; give the new one another name"
            )
        # it is printed and shared: whoever comes by it still comes from there. `entrances close` ends it


class _Products:
    async def make(self, house: House, community: str, item: Item) -> str:
        body = item.body
        made = await house.room(Shop).add_product(
            body["sku"],
            title=body["title"],
            price=Decimal(body["price"]),
            currency=body["currency"],
            kind=body["kind"],
            term_days=body["term_days"],
            community=community,
        )
        return made.sku

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if not again:
            await house.room(Shop).close_product(key, community=community)


class _Goals:
    async def make(self, house: House, community: str, item: Item) -> str:
        body = item.body
        made = await house.room(Goals).put(
            body["name"],
            metric=body["metric"],
            target=body["target"],
            title=body["title"],
            relative=body["relative"],
            at_most=body["at_most"],
            start=date.fromisoformat(body["start"]),
            due=date.fromisoformat(body["due"]),
            community=community,
        )
        return made.name

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if not again:
            with contextlib.suppress(UnknownName):
                await house.room(Goals).remove(key, community=community)


class _CheckIns:
    async def make(self, house: House, community: str, item: Item) -> str:
        body = item.body
        made = await house.room(CheckIns).open(
            body["title"],
            to=body["to"],
            words=body["words"],
            cards=body["make_up_cards"],
            answers="milestones",
            community=community,
            idempotency_key=f"playbook/{community}/{item.key}/{item.digest}",
        )
        return made.id

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        with contextlib.suppress(UnknownName, InvalidInput):
            await house.room(CheckIns).close(ref)


class _Points:
    async def make(self, house: House, community: str, item: Item) -> str:
        cap = item.body["daily_cap"]
        rules = tuple(
            PointRule(
                name=f"playbook-{kind.replace('_', '-')}",
                kind=InteractionKind(kind),
                points=points,
                per_day=max(cap, points) if cap else None,
            )
            for kind, points in sorted(item.body["points"].items())
            if points > 0
        )
        await house.room(Points).set_rules(PointRules(rules=rules), community=community)
        return "rules"

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if not again:
            await house.room(Points).set_rules(PointRules(), community=community)


class _Badges:
    async def make(self, house: House, community: str, item: Item) -> str:
        made = await house.room(Badges).define(
            Badge(name=item.key, title=item.key, by="points", at_least=item.body["points"]),
            community=community,
        )
        return made.name

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if not again:
            with contextlib.suppress(UnknownName):
                await house.room(Badges).remove(key, community=community)


class _Moderation:
    """The banned words and detectors of a playbook, with the ladder that it names."""

    async def make(self, house: House, community: str, item: Item) -> str:
        body = item.body
        wanted = {_DETECTORS[one] for one in body["detect"]}
        rules = tuple(
            one for one in standard_rules().rules if wanted & set(one.kinds)
        )  # those of the package say what is doubtful and goes before a person
        if body["banned_words"]:
            words = Rule(
                name="banned-words",
                title="群规禁止的内容",
                priority=50,
                keywords=tuple(body["banned_words"]),
                then=Effects(delete=True, strike=True),
            )
            rules = (words, *rules)
        notify = (ChannelRef.parse(body["notify_ref"]),) if body["notify_ref"] else ()
        made = RuleSet(rules=rules, ladder=_ladder(body["ladder"]), operators=notify)
        await house.room(Moderation).set_rules(made, community=community, actor="playbook")
        return "rules"

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if not again:
            await house.room(Moderation).set_rules(RuleSet(), community=community, actor="playbook")


def _ladder(actions: Sequence[str]) -> Ladder:
    steps = [
        LadderStep(
            strikes=number,
            action=LadderAction(action),
            duration=timedelta(days=1) if action == LadderAction.MUTE else None,
        )
        for number, action in enumerate(actions, 1)
    ]
    return Ladder(steps=tuple(steps))


class _Journeys:
    """Paths by day, birthdays, and waking the silent: journeys of members."""

    async def make(self, house: House, community: str, item: Item) -> str:
        journeys = house.room(Journeys)
        made = await journeys.save(_journey(item), community=community)
        await journeys.resume(made.name, community=community)
        return made.name

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if not again:
            with contextlib.suppress(UnknownName):
                await house.room(Journeys).end(ref, reason="left the playbook", community=community)


def _journey(item: Item) -> Journey:
    body = item.body
    if item.kind == "care":
        start: AnyStart = Birthday() if item.key == "birthday" else Silent(days=body["days"])
        steps = (Step(name="say", do=Say(text=body["text"], fallback="task")),)
        return Journey(name=f"playbook-{item.key}", title=item.title, start=start, steps=steps)
    days = body["after_days"]
    begin: AnyStart = (
        Joined()
        if body["start"] == "joined"
        else Silent(days=days)
        if body["start"] == "silent"
        else BeforeDate(source="membership_ends", days_before=days)
    )
    steps = tuple(
        Step(
            name=f"day-{one['day']}-{number}",
            wait=OnDay(day=one["day"], at=one["at"][:5])
            if one["at"]
            else After(delay=timedelta(days=one["day"])),
            do=Say(text=one["text"], fallback="task"),
        )
        for number, one in enumerate(body["steps"])
    )
    return Journey(name=item.key, title=item.title, start=begin, steps=steps, hold_out=body["hold_out"])


class _Feedback:
    """What is promised to who says something, and the day on which it is told what became of it."""

    async def make(self, house: House, community: str, item: Item) -> str:
        body = item.body
        shifts = tuple(Shift.model_validate(one) for one in body["shifts"])
        desk = FeedbackDesk(
            marks=tuple(body["words"]),
            promise=timedelta(minutes=body["reply_within_minutes"]),
            hours=tuple(Hours(days=one.days, start=one.start, end=one.end) for one in shifts),
            shifts=shifts,
        )
        feedback = house.room(Feedback)
        await feedback.open(desk, community=community)
        if not body["digest"] or not body["digest_to"]:
            return ""
        when = Weekly([f"{body['digest']} 19:30"], tz=body["zone"])
        return await feedback.schedule_digest(to=body["digest_to"], when=when, community=community)

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        if ref:
            scheduler = await house.scheduler()
            with contextlib.suppress(UnknownName, InvalidInput):
                await scheduler.cancel(ref)
        if not again:
            await house.room(Feedback).close(community=community)


class _Welcome:
    """Kept with the item itself; the room of playbooks says it."""

    async def make(self, house: House, community: str, item: Item) -> str:
        return json.dumps(item.body, ensure_ascii=False)

    async def unmake(self, house: House, community: str, key: str, ref: str, *, again: bool) -> None:
        return


MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "content": _Schedules("content", "shequn.playbook.slot"),
        "one_off": _Schedules("one_off", "shequn.playbook.content"),
        "festival": _Schedules("festival", "shequn.playbook.content"),
        "partner": _Partners(),
        "entrance": _Entrances(),
        "product": _Products(),
        "goal": _Goals(),
        "check_in": _CheckIns(),
        "points": _Points(),
        "badge": _Badges(),
        "welcome": _Welcome(),
        "feedback": _Feedback(),
        "moderation": _Moderation(),
        "journey": _Journeys(),
        "care": _Journeys(),
    }
)
