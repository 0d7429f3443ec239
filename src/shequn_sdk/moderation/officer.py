"""What follows from what was heard: cases written, members and operators told, actions carried out, raids ended."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row

from shequn_sdk.domain import ChannelRef, Content, Priority
from shequn_sdk.errors import InvalidInput, ShequnError, UnknownName
from shequn_sdk.house import House
from shequn_sdk.moderation import book, raids, templates
from shequn_sdk.moderation.actions import Executor, next_due
from shequn_sdk.moderation.codes import CodeReader, pictures_of
from shequn_sdk.moderation.detectors.pictures import read_codes
from shequn_sdk.moderation.engine import Decision, Engine, wrap_plugin
from shequn_sdk.moderation.results import Raid
from shequn_sdk.moderation.rules import RuleSet
from shequn_sdk.moderation.watch import Found, Patrol, Watch, as_interaction
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.scheduling.recurrence.moments import Once
from shequn_sdk.stores.schema import from_us, to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.stores.store import Store

__all__ = ["WORK", "Officer"]

_log = logging.getLogger(__name__)
WORK = "shequn.moderation.work"
"""Handler of schedules that carry out what was put off."""
Told = tuple[Sequence[str], str, int | None]


class Officer:
    """Does for the room of moderation what is nobody's question."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        self._house = house
        self.watch = Watch(self.engine)
        self._woken: set[int] = set()
        self._unheeded = True
        """Perhaps something waits for a raid that ended in a process that was killed then."""
        self.patience = 15.0
        """Real seconds for one action."""

    async def _now(self) -> tuple[Store, int]:
        store = await self._house.store()
        return store, to_us(store.clock.now())

    def engine(self, rules: RuleSet) -> Engine:
        """Build the engine of rules, with the detectors of plugins that they name.

        Raises:
            UnknownName: no plugin offers one of them.
            ConfigError: an extra is needed and not installed.
        """
        offered: Mapping[str, Any] = self._house.plugins.detectors
        extras: list[Any] = []
        for name in rules.detectors:
            if name not in offered:
                raise UnknownName("detector", name, nearest=tuple(offered)[:2])
            extras.append(wrap_plugin(name, offered[name].create()))
        if rules.codes:
            read_codes(b"")  # says at once when the extra is missing
        return Engine(rules, extras=extras)

    # -- raid mode

    async def protect(self, community: str, channel: ChannelRef, *, cause: str, actor: str) -> Raid:
        """Protect a channel, tell the operators what could not be done, and begin."""
        store = await self._house.store()
        patrol = (await self.watch.patrols(store)).get(community) or Patrol(
            0, RuleSet(), self.engine(RuleSet())
        )
        manifest = self._house.accounts.manifest(channel.account)
        notes = [
            manifest.explain(one)
            for one in (Capability.SLOW_MODE, Capability.RESTRICT)
            if not manifest.supports(one)
        ]
        if manifest.supports(Capability.JOIN_REQUESTS):
            notes.append(
                "let new members ask to join first: switch that on by hand, no platform lets a bot do it"
            )
        slow = manifest.supports(Capability.SLOW_MODE) and patrol.rules.raid.slow_mode > timedelta()
        raid, new = await self.watch.protect(
            store,
            patrol,
            channel,
            community=community,
            cause=cause,
            actor=actor,
            slow=slow,
            mutes=patrol.rules.raid.mute_newcomers and manifest.supports(Capability.RESTRICT),
            notes=notes,
            platform=manifest.platform,
        )
        await self._heed()
        if new:
            why = "; ".join([cause, *notes])
            await self.tell(
                community,
                "raid",
                idempotency_key=f"moderation/raid/{raid.id}",
                channel=str(channel),
                why=templates.plain(why, most=400),
            )
        await self.work()
        return raid

    async def calm(self, raid: Raid) -> None:
        """Tell that it is over, and restore."""
        await self._heed()
        await self.tell(
            raid.community, "calm", idempotency_key=f"moderation/raid/{raid.id}/end", channel=raid.channel
        )
        await self.work()

    async def _heed(self) -> None:
        """Let deliveries wait where a channel is protected, and go where it no longer is."""
        self._unheeded = True
        await (await self._house.publishing()).heed_holds()
        self._unheeded = False

    async def is_quiet(self, channel: str) -> bool:
        """Whether a channel is protected."""
        await self.watch.patrols(await self._house.store())
        return channel in self.watch.raids

    # -- hearing and doing

    async def hear(self, heard: Sequence[Heard]) -> None:
        """Judge a batch."""
        if not self.watch.wanted and not self.watch.stale:
            return
        store = await self._house.store()
        patrols = await self.watch.patrols(store)
        if not patrols:
            return
        codes = await self._codes(patrols, heard)
        found, signs, joined, counts = self.watch.look(patrols, heard, codes)
        if counts:
            await store.write(
                lambda conn: book.count(conn, {key: tuple(value) for key, value in counts.items()})
            )
        # where nobody can be muted the raid's notice said so: no task for each who joins
        manifest = self._house.accounts.manifest
        joined = [one for one in joined if manifest(one.account).supports(Capability.RESTRICT)]
        if joined:
            await self.watch.hold(store, patrols, joined)
        for one, verdict in signs:
            channel = one.channel
            if one.community and channel is not None and patrols[one.community].rules.raid.automatic:
                await self.protect(one.community, channel, cause=verdict.words(), actor="detector")
        cases = await self.watch.decide(store, patrols, found) if found else []
        for one in cases:
            await self._announce(one, patrols[one.community])
        if cases or joined:
            await self.work()

    async def _codes(self, patrols: Mapping[str, Patrol], heard: Sequence[Heard]) -> Mapping[int, str]:
        """Read the codes in pictures, where the rules ask for it."""
        wanting = {name for name, patrol in patrols.items() if patrol.rules.codes}
        places = [
            place
            for place, one in enumerate(heard)
            if one.community in wanting and not one.interaction.is_bot and pictures_of(one)
        ]
        if not places:
            return {}
        reader = CodeReader(self._house.accounts, patience=self.patience)
        found = await reader.read([heard[place] for place in places])
        return {places[number]: text for number, text in found.items()}

    async def _announce(self, found: Found, patrol: Patrol) -> None:
        """Tell members, operators and metrics of a new case."""
        decision, store = found.decision, await self._house.store()
        assert found.case is not None
        row = await store.read(lambda conn: book.case_row(conn, found.case or 0))
        if decision.review:
            await self._tell_case(row, "review", decision)
            return
        if row.state == "acted" and decision.effects.notify:
            await self._tell_case(row, "notice", decision)
        await self.follow(row, found.told, patrol)

    async def follow(
        self, row: Row[Any], told: tuple[Sequence[str], str, int | None], patrol: Patrol | None
    ) -> None:
        """Count a case for metrics, and tell its member."""
        await self.record(row)
        _, action, seconds = told
        channel = f"{row.account}:{row.channel}"
        if not action or patrol is None or not row.channel or await self.is_quiet(channel):
            return
        manifest = self._house.accounts.manifest(row.account)
        if action == "mute" and not manifest.supports(Capability.RESTRICT):
            return  # the operators are asked to; nobody is told of what was not done
        rule = next((one for one in patrol.rules.rules if one.name == row.rule), None)
        text = templates.member_text(
            action,
            language=patrol.rules.language,
            name=row.display_name or "",
            title=(rule.title if rule else "") or row.rule,
            case=row.id,
            duration=None if seconds is None else timedelta(seconds=seconds),
        )
        await self._say(
            [ChannelRef(account=row.account, native_id=row.channel)], text, f"moderation/case/{row.id}/told"
        )

    async def record(self, row: Row[Any], *, retract: bool = False) -> None:
        """Let metrics count a case, or no longer."""
        verdicts = Decision.model_validate_json(row.decision).verdicts
        at = from_us(row.happened_at)
        event = as_interaction(row, verdicts=verdicts, rule=row.rule, at=at, retract=retract)
        await self._house.record([event], community=row.community)

    async def _tell_case(self, row: Row[Any], key: str, decision: Decision) -> None:
        why = "; ".join(f"{templates.plain(one.word)}: {one.why}" for one in decision.evidence[:3])
        await self.tell(
            row.community,
            key,
            idempotency_key=f"moderation/case/{row.id}/{key}",
            case=row.id,
            rule=row.rule,
            score=f"{decision.score:.2f}",
            why=why,
        )

    async def tell(self, community: str, key: str, *, idempotency_key: str, **values: object) -> None:
        """Tell the operators, where any are named."""
        patrol = (await self.watch.patrols(await self._house.store())).get(community)
        if patrol is None or not patrol.rules.operators:
            return
        text = templates.operator_text(key, language=patrol.rules.language, community=community, **values)
        await self._say(patrol.rules.operators, text, idempotency_key)

    async def _say(self, to: Sequence[ChannelRef], text: str, key: str) -> None:
        publishing = await self._house.publishing()
        try:
            await publishing.plan(Content(text=text), to, priority=Priority.REPLY, idempotency_key=key)
        except ShequnError as error:  # a wrong channel of operators must not stop what protects the group
            _log.warning("a notice of moderation could not be planned: %s", error)

    async def _ask(self, row: Row[Any], why: str) -> None:
        patrol = (await self.watch.patrols(await self._house.store())).get(row.community)
        language = patrol.rules.language if patrol is not None else "zh"
        await self.tell(
            row.community,
            "task",
            idempotency_key=f"moderation/task/{row.id}",
            channel=f"{row.account}:{row.channel}",
            what=templates.deed(row.kind, language=language),
            case=row.source,
            why=why,
        )

    async def work(self) -> int:
        """Carry out what is due; gives how many actions were tried."""
        store = await self._house.store()
        now = to_us(store.clock.now())

        def finish(conn: Connection) -> list[Raid]:
            return [
                raids.to_raid(row)
                for row in raids.ending(conn, now=now)
                if raids.end(conn, row.id, actor="calm", now=now)
            ]

        over = await store.write(finish) if await store.read(lambda conn: raids.ending(conn, now=now)) else []
        if over:
            self.watch.forget()
        # what was being sent when a raid began may wait again by now
        if over or self._unheeded or self.watch.raids:
            await self._heed()
        for raid in over:
            await self.tell(
                raid.community, "calm", idempotency_key=f"moderation/raid/{raid.id}/end", channel=raid.channel
            )
        executor = Executor(
            store, self._house.accounts, clock=store.clock, ask=self._ask, patience=self.patience
        )
        done = 0
        while tried := await executor.work():
            done += tried
        await self._wake()
        return done

    async def _wake(self) -> None:
        """Plan to be called again when something is due, so that a restart loses nothing."""
        store = await self._house.store()

        def read(conn: Connection) -> int | None:
            times = [to_us(raid.quiet_at) for raid in raids.open_raids(conn).values()]
            due = next_due(conn)
            return min([*times, *([due] if due is not None else [])], default=None)

        due = await store.read(read)
        if due is None:
            return
        now = to_us(store.clock.now())
        at = max(due, now + 1_000_000)
        at += -at % 1_000_000
        if at in self._woken:
            return
        scheduler = await self._house.scheduler()
        with contextlib.suppress(InvalidInput):
            await scheduler.create(WORK, when=Once(from_us(at)), idempotency_key=f"{WORK}/{at}")
        self._woken = {one for one in self._woken if one > now} | {at}
