"""What moderation hears: batches of interactions, judged, written down, acted on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Interaction, InteractionKind, MemberRef
from shequn_sdk.members.identities import find_identities, seen_in
from shequn_sdk.moderation import book, raids
from shequn_sdk.moderation.book import NewCase
from shequn_sdk.moderation.detectors.recent import Joins
from shequn_sdk.moderation.engine import Decision, Engine, Facts, Message, Sighting, member_key
from shequn_sdk.moderation.model import ADVERT, CONFLICT, NEGATIVE, SCAM, Verdict
from shequn_sdk.moderation.results import Raid
from shequn_sdk.moderation.rules import RuleSet
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.stores.store import Store

__all__ = ["Found", "Patrol", "Watch", "as_interaction"]

_K = InteractionKind
_EVENTS: Mapping[InteractionKind, str] = {
    _K.MESSAGE: "message",
    _K.EDIT: "edit",
    _K.COMMENT: "comment",
    _K.QUESTION: "question",
    _K.ANSWER: "answer",
    _K.JOIN: "join",
}
_FRESH = 5.0
"""Seconds for which rules and raids are taken as read; own changes are seen at once."""
_TEN_MINUTES = 600 * 1_000_000
_NO_CODES: Mapping[int, str] = MappingProxyType({})
_FLAGGED = 0.5
"""Verdicts from here on count as spam or as bad mood in tallies and metrics."""


class Patrol:
    """The rules of one community, ready for use."""

    def __init__(self, version: int, rules: RuleSet, engine: Engine) -> None:
        """Hold them with a memory for raids."""
        self.version = version
        self.rules = rules
        self.engine = engine
        self.joins = Joins(
            joins=rules.raid.joins, seconds=rules.raid.seconds, similar=rules.raid.similar_names
        )


class Found:
    """One sighting with what belongs to it."""

    __slots__ = ("case", "community", "decision", "heard", "sighting", "told")

    def __init__(self, community: str, heard: Heard, sighting: Sighting) -> None:
        self.community = community
        self.heard = heard
        self.sighting = sighting
        self.decision = Decision()
        self.case: int | None = None
        self.told: tuple[Sequence[str], str, int | None] = ((), "", None)


class Watch:
    """Judges what is heard; costs next to nothing where no community has rules."""

    def __init__(self, make: Callable[[RuleSet], Engine]) -> None:
        """`make` builds an engine for rules."""
        self._make = make
        self._patrols: dict[str, Patrol] = {}
        self.raids: dict[str, Raid] = {}
        self._read_at = -1e9

    def forget(self) -> None:
        """Read everything again at the next need."""
        self._read_at = -1e9

    @property
    def stale(self) -> bool:
        """Whether the rules must be read again."""
        return time.monotonic() - self._read_at >= _FRESH

    @property
    def wanted(self) -> bool:
        """Whether a community has rules, as far as is known."""
        return bool(self._patrols)

    async def patrols(self, store: Store) -> Mapping[str, Patrol]:
        """Give the rules by community, read again every few seconds."""
        if not self.stale:
            return self._patrols
        bodies, self.raids = await store.read(lambda conn: (book.rules_of(conn), raids.open_raids(conn)))
        fresh: dict[str, Patrol] = {}
        for community, (version, body) in bodies.items():
            known = self._patrols.get(community)
            if known is None or known.version != version:
                rules = RuleSet.model_validate_json(body)
                known = Patrol(version, rules, self._make(rules))
            fresh[community] = known
        self._patrols = fresh
        self._read_at = time.monotonic()
        return fresh

    def look(
        self, patrols: Mapping[str, Patrol], heard: Sequence[Heard], codes: Mapping[int, str] = _NO_CODES
    ) -> tuple[list[Found], list[tuple[Heard, Verdict]], list[Heard], dict[tuple[str, int], list[int]]]:
        """Judge a batch without asking the store.

        `codes` is what the codes in pictures say, by the place of the message: it is judged as if written below the text.
        Gives what was found, signs of raids, who joined a protected channel, and what to add to the tallies.
        """
        found: list[Found] = []
        signs: list[tuple[Heard, Verdict]] = []
        joined: list[Heard] = []
        counts: dict[tuple[str, int], list[int]] = {}
        for place, one in enumerate(heard):
            community, interaction = one.community, one.interaction
            patrol = patrols.get(community) if community else None
            event = _EVENTS.get(interaction.kind)
            if patrol is None or community is None or interaction.is_bot:
                continue
            at = to_us(interaction.occurred_at)
            if interaction.kind is _K.MENTION:
                _count(counts, community, at)[3] += 1
            if event is None:
                continue
            channel = f"{one.account}:{interaction.channel}"
            text = interaction.text
            message = Message(
                f"{text}\n{codes[place]}" if place in codes else text,
                event,
                channel,
                member_key(interaction.platform, interaction.member),
                interaction.member_name,
                at,
                interaction,
            )
            if event == "join":
                verdict = patrol.joins.see(channel, interaction.member, interaction.member_name, at)
                if channel in self.raids:
                    joined.append(one)
                if verdict is not None:
                    signs.append((one, verdict))
            sighting = patrol.engine.look(message)
            if event != "join":
                tally = _count(counts, community, at)
                tally[0] += event != "edit"
                if sighting is not None:
                    tally[1] += any(_is(verdict, NEGATIVE, CONFLICT) for verdict in sighting.verdicts)
                    tally[2] += any(_is(verdict, ADVERT, SCAM) for verdict in sighting.verdicts)
            if sighting is not None and sighting.rules:
                found.append(Found(community, one, sighting))
        return found, signs, joined, counts

    async def decide(
        self, store: Store, patrols: Mapping[str, Patrol], found: Sequence[Found]
    ) -> list[Found]:
        """Ask who wrote, decide, and write the cases with what follows from them; gives those that are new cases."""
        now = to_us(store.clock.now())
        refs: dict[str, set[MemberRef]] = {}
        for one in found:
            if one.heard.interaction.member:
                refs.setdefault(one.community, set()).add(_ref(one.heard.interaction))

        def read(conn: Connection) -> dict[str, dict[MemberRef, Facts]]:
            return {name: book.facts_of(conn, name, wanted, now=now) for name, wanted in refs.items()}

        facts = await store.read(read) if refs else {}
        hits: list[Found] = []
        for one in found:
            interaction = one.heard.interaction
            known = facts.get(one.community, {}).get(_ref(interaction)) if interaction.member else None
            one.decision = patrols[one.community].engine.decide(one.sighting, known or Facts())
            if one.decision.hits:
                hits.append(one)
        if not hits:
            return []

        def write(conn: Connection) -> list[int | None]:
            numbers: list[int | None] = []
            for one in hits:
                number = book.add_case(conn, _case(one), now=now)
                if number is not None and _state(one.decision) == "acted":
                    row = book.case_row(conn, number)
                    strikes = 0
                    if one.heard.interaction.member:
                        ref = _ref(one.heard.interaction)
                        strikes = book.facts_of(conn, one.community, [ref], now=now)[ref].strikes
                    rules = patrols[one.community].rules
                    one.told = book.punish(conn, row, rules, strikes_before=strikes, now=now)
                numbers.append(number)
            return numbers

        for one, number in zip(hits, await store.write(write), strict=True):
            one.case = number
        return [one for one in hits if one.case is not None]

    async def protect(
        self,
        store: Store,
        patrol: Patrol,
        channel: ChannelRef,
        *,
        community: str,
        cause: str,
        actor: str,
        slow: bool,
        mutes: bool,
        notes: Sequence[str],
        platform: str,
    ) -> tuple[Raid, bool]:
        """Begin raid mode, or let it last longer; mutes who just joined. Gives the raid and whether it is new."""
        now = to_us(store.clock.now())
        settings = patrol.rules.raid
        window = int(settings.newcomer_window.total_seconds() * 1_000_000)
        newcomers = patrol.joins.newcomers(str(channel), now - window) if mutes else []

        def write(conn: Connection) -> tuple[Raid, bool]:
            raid, new = raids.begin(
                conn, community, channel, settings, cause=cause, actor=actor, slow=slow, notes=notes, now=now
            )
            raids.mute(conn, raid, _numbers(conn, platform, newcomers), settings, now=now)
            return raid, new

        result = await store.write(write)
        self.forget()
        return result

    async def hold(self, store: Store, patrols: Mapping[str, Patrol], joined: Sequence[Heard]) -> None:
        """Mute who joins a protected channel."""
        now = to_us(store.clock.now())
        wanted = [
            (raid, one.interaction, patrols[raid.community].rules.raid)
            for one in joined
            if (raid := self.raids.get(str(one.channel))) is not None
            and raid.community in patrols
            and patrols[raid.community].rules.raid.mute_newcomers
        ]

        def write(conn: Connection) -> None:
            for raid, interaction, settings in wanted:
                raids.mute(
                    conn, raid, _numbers(conn, interaction.platform, [interaction.member]), settings, now=now
                )

        if wanted:
            await store.write(write)


def _numbers(conn: Connection, platform: str, members: Sequence[str]) -> list[tuple[str, int | None]]:
    refs = {MemberRef(platform=platform, native_id=one): one for one in members if one}
    known = find_identities(conn, refs)
    return [(native, known.get(ref)) for ref, native in refs.items()]


def _ref(interaction: Interaction) -> MemberRef:
    return MemberRef(platform=interaction.platform, native_id=interaction.member)


def _is(verdict: Verdict, *kinds: str) -> bool:
    return verdict.kind in kinds and verdict.score >= _FLAGGED


def _count(counts: dict[tuple[str, int], list[int]], community: str, at: int) -> list[int]:
    return counts.setdefault((community, at - at % _TEN_MINUTES), [0, 0, 0, 0])


def _state(decision: Decision) -> str:
    if decision.review:
        return "queued"
    effects = decision.effects
    acts = effects.delete or effects.strike or effects.action or effects.notify
    return "acted" if acts else "recorded"


def _case(found: Found) -> NewCase:
    interaction = found.heard.interaction
    return NewCase(
        community=found.community,
        event=f"{found.heard.account}/{interaction.id}",
        member=seen_in(interaction),
        platform=interaction.platform,
        account=found.heard.account,
        channel=interaction.channel,
        message=interaction.message,
        decision=found.decision,
        state=_state(found.decision),
        at=to_us(interaction.occurred_at),
    )


def as_interaction(
    case: Any, *, verdicts: Sequence[Verdict], rule: str, at: Any, retract: bool = False
) -> Interaction:
    """Make what metrics count of a case: the message was found to be spam, or in bad mood; or that is taken back."""
    attrs: dict[str, Any] = {"rule": rule, "case": case.id}
    if retract:
        attrs["retracts"] = str(_K.MODERATION)
    else:
        attrs["kinds"] = {one.kind: one.score for one in verdicts}
        spam = any(one.kind not in {NEGATIVE, CONFLICT} and one.score >= 0.4 for one in verdicts)
        attrs |= {"spam": True} if spam else {}
        attrs |= {"negative": True} if any(_is(one, NEGATIVE, CONFLICT) for one in verdicts) else {}
    return Interaction(
        id=f"moderation/case/{case.id}{'/retract' if retract else ''}",
        kind=_K.RETRACT if retract else _K.MODERATION,
        platform=case.platform,
        account=case.account,
        channel=case.channel,
        message=case.message,
        target=case.native_id or "",
        is_bot=True,
        occurred_at=at,
        attrs=attrs,
    )
