"""What one simulated member does at one moment, and the record of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from shequn_sdk.domain import InteractionKind
from shequn_sdk.errors import NotSupported, PermissionDenied, ShequnError
from shequn_sdk.testing import _talk
from shequn_sdk.testing._rooms import Entrance, Room, Said, SimulatedMember, find_shop
from shequn_sdk.testing.truth import GroundTruth, SimulatedAct
from shequn_sdk.testing.world import Personality, World

__all__ = ["Act", "Acts", "is_spam"]

Act = Callable[[datetime], None]

_POLL_OPEN = timedelta(days=4)
_GOODS = (
    ("健康餐周卡", Decimal(99)),
    ("瑜伽垫", Decimal(128)),
    ("线上课程", Decimal(199)),
    ("体脂秤", Decimal(159)),
)


class Acts:
    """Makes the acts of members; each act is a function of the instant at which it is played.

    Args:
        at: plans a further act for later.
    """

    def __init__(
        self, world: World, truth: GroundTruth, rooms: Sequence[Room], *, at: Callable[[datetime, Act], None]
    ) -> None:
        self._world = world
        self._truth = truth
        self._rooms = rooms
        self._at = at

    def enter(
        self,
        number: int,
        member: SimulatedMember,
        now: datetime,
        rng: random.Random,
        *,
        spam: bool = False,
        way: Entrance | None = None,
    ) -> Entrance | None:
        room = self._rooms[number]
        entrances = room.place.entrances
        entrance = way
        if entrance is None and entrances:
            entrance = rng.choices(entrances, [one.weight for one in entrances])[0]
        invite = entrance.invite if entrance else ""

        def join() -> str:
            room.place.sandbox.join(room.place.channel, member.person, invite=invite)
            return ""

        if self._try(room, "join", member, join) is not None:
            name = entrance.name if entrance else ""
            member.entrance = member.entrance or name
            self._record(now, InteractionKind.JOIN, room, member, entrance=name, spam=spam)
        return entrance

    def leaver(self, member: SimulatedMember) -> Act:
        def act(now: datetime) -> None:
            member.left_at = now
            for number in member.places:
                room = self._rooms[number]

                def leave(room: Room = room) -> str:
                    room.place.sandbox.leave(room.place.channel, member.person)
                    return ""

                if self._try(room, "leave", member, leave) is not None:
                    self._record(now, InteractionKind.LEAVE, room, member, spam=is_spam(member))

        return act

    def visit_of(self, member: SimulatedMember) -> Act:
        def act(now: datetime) -> None:
            if member.enthusiasm(now) > 0.0:
                self._visit(member, now)

        return act

    def _visit(self, member: SimulatedMember, now: datetime) -> None:
        rng = self._world.rng("visit", member.person.id, now.timestamp())
        number = rng.choice(member.places)
        room = self._rooms[number]
        traits = member.traits
        acts: list[Act] = []
        if is_spam(member):
            acts.append(self.says(member, number, _talk.advert(rng)))
        else:
            today = self._world.local(now).date()
            if rng.random() < traits.check_in and member.checked_in_on != today and room.place.talk:
                member.checked_in_on = today
                member.check_ins += 1
                text = _talk.check_in(rng, member.check_ins)
                acts.append(self.says(member, number, text, check_in=True))
            if rng.random() < traits.react:
                acts.append(self._reacts(member, room, rng))
            if rng.random() < traits.vote:
                acts.append(self._votes(member, room, rng))
            if rng.random() < traits.reply:
                acts.append(self._replies(member, room, rng))
            if rng.random() < traits.talk and room.place.talk:
                text = _talk.question(rng) if rng.random() < 0.25 else _talk.chat(rng)
                acts.append(self.says(member, number, text))
            if rng.random() < traits.share:
                acts.append(self._shares(member, room, rng))
            if rng.random() < traits.buy:
                acts.append(self._buys(member, room, rng))
        for place, thing in enumerate(acts):
            if place == 0:
                thing(now)
            else:
                self._at(now + timedelta(seconds=place * rng.uniform(8, 90)), thing)

    def says(self, member: SimulatedMember, number: int, text: str, *, check_in: bool = False) -> Act:
        room = self._rooms[number]

        def act(now: datetime) -> None:
            self._say(room, member, now, text, "", check_in=check_in)

        return act

    def _say(
        self,
        room: Room,
        member: SimulatedMember,
        now: datetime,
        text: str,
        parent: str,
        *,
        check_in: bool = False,
    ) -> None:
        if member.left_at is not None:
            return
        place = room.place
        made = self._try(
            room,
            "say",
            member,
            lambda: place.sandbox.say(place.channel, member.person, text, reply_to=parent),
        )
        if made is None:
            return
        room.hear(Said(made, member.person.id, now, 0.3 if check_in else member.traits.charisma))
        self._record(
            now,
            InteractionKind.MESSAGE,
            room,
            member,
            message=made,
            parent=parent,
            check_in=check_in,
            spam=is_spam(member),
        )

    def _replies(self, member: SimulatedMember, room: Room, rng: random.Random) -> Act:
        def act(now: datetime) -> None:
            said = room.choose(rng, member.person.id, now)
            if said is not None:
                self._say(room, member, now, _talk.answer(rng), said.native_id)

        return act

    def _reacts(self, member: SimulatedMember, room: Room, rng: random.Random) -> Act:
        def act(now: datetime) -> None:
            said = room.choose(rng, member.person.id, now, act="react")
            if said is None or member.left_at is not None:
                return
            room.touched.add((member.person.id, "react", said.native_id))
            if self._react(room, member, said, _talk.reaction(rng)):
                self._record(now, InteractionKind.REACTION, room, member, message=said.native_id)
                if rng.random() < 0.02:
                    self._at(
                        now + timedelta(seconds=rng.uniform(5, 60)), self._takes_back(member, room, said)
                    )

        return act

    def _takes_back(self, member: SimulatedMember, room: Room, said: Said) -> Act:
        def act(now: datetime) -> None:
            if member.left_at is None and self._react(room, member, said, ""):
                self._record(now, InteractionKind.RETRACT, room, member, message=said.native_id)

        return act

    def _react(self, room: Room, member: SimulatedMember, said: Said, emoji: str) -> bool:
        def react() -> str:
            room.place.sandbox.react(room.place.channel, member.person, said.native_id, emoji)
            return ""

        return self._try(room, "react", member, react) is not None

    def _votes(self, member: SimulatedMember, room: Room, rng: random.Random) -> Act:
        def act(now: datetime) -> None:
            person = member.person.id
            polls = [
                said
                for said in room.posts
                if said.choices
                and now - said.at < _POLL_OPEN
                and (person, "vote", said.native_id) not in room.touched
            ]
            if not polls or member.left_at is not None:
                return
            poll = polls[-1]
            room.touched.add((person, "vote", poll.native_id))
            liking = [1.0 / (number + 1) for number in range(poll.choices)]
            choice = rng.choices(range(poll.choices), liking)[0]

            def vote() -> str:
                room.place.sandbox.vote(room.place.channel, member.person, poll.native_id, choice)
                return ""

            if self._try(room, "vote", member, vote) is not None:
                self._record(now, InteractionKind.VOTE, room, member, message=poll.native_id)

        return act

    def _shares(self, member: SimulatedMember, room: Room, rng: random.Random) -> Act:
        def act(now: datetime) -> None:
            said = room.choose(rng, member.person.id, now, act="share")
            if said is None or member.left_at is not None:
                return
            room.touched.add((member.person.id, "share", said.native_id))
            place = room.place
            made = self._try(
                room,
                "share",
                member,
                lambda: place.sandbox.share(place.channel, member.person, said.native_id),
            )
            if made is not None:
                self._record(now, InteractionKind.SHARE, room, member, message=made, parent=said.native_id)

        return act

    def _buys(self, member: SimulatedMember, room: Room, rng: random.Random) -> Act:
        item, amount = rng.choice(_GOODS)

        def act(now: datetime) -> None:
            shop = find_shop(room.place.sandbox)
            if shop is None or member.left_at is not None:
                return
            channel = room.place.channel
            made = self._try(
                room,
                "buy",
                member,
                lambda: shop.buy(channel, member.person, item=item, amount=amount, currency="CNY"),
            )
            if made is not None:
                self._record(now, InteractionKind.PURCHASE, room, member, message=made, amount=amount)

        return act

    # bookkeeping

    def _try(self, room: Room, act: str, member: SimulatedMember, do: Callable[[], str]) -> str | None:
        if act in room.missing:
            return None
        try:
            return do()
        except NotSupported:
            room.missing.add(act)
        except PermissionDenied:
            member.refused += 1
            self._truth.refused[act] += 1
        except ShequnError:
            self._truth.refused[act] += 1
        return None

    def _record(
        self,
        now: datetime,
        kind: InteractionKind,
        room: Room,
        member: SimulatedMember,
        *,
        message: str = "",
        parent: str = "",
        entrance: str = "",
        amount: Decimal | None = None,
        check_in: bool = False,
        spam: bool = False,
    ) -> None:
        sandbox = room.place.sandbox
        self._truth.acts.append(
            SimulatedAct(
                at=now,
                kind=kind,
                platform=sandbox.platform,
                channel=room.place.channel,
                person=member.person.id,
                member=sandbox.member_id(member.person),
                message=message,
                parent=parent,
                entrance=entrance,
                amount=amount,
                check_in=check_in,
                spam=spam,
            )
        )


def is_spam(member: SimulatedMember) -> bool:
    """Whether a member came to advertise."""
    return member.personality is Personality.SPAMMER
