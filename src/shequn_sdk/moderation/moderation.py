"""The room of moderation: rules, what they did, who decides, how it is taken back, raid mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from shequn_sdk.domain import ChannelRef, MemberRef
from shequn_sdk.house import House, Room
from shequn_sdk.moderation import book, checks, raids
from shequn_sdk.moderation.backtest import read_history, run_backtest
from shequn_sdk.moderation.desk import Desk
from shequn_sdk.moderation.engine import Decision, Facts, Message
from shequn_sdk.moderation.officer import WORK, Officer
from shequn_sdk.moderation.results import Action, Appeal, AuditLine, Backtest, Case, Raid, RuleCheck
from shequn_sdk.moderation.rules import RuleSet, load_rules, standard_rules
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.moderation import moderation_case

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Moderation"]


class Moderation(Room):
    """Order in the community: rules, what they did, who decides, appeals, raid mode (秩序管理)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._officer = Officer(house)
        self._desk = Desk(house, self._officer)

    def listen(self, dispatcher: Dispatcher) -> None:
        """Hear messages, edits, comments, joins and mentions."""
        dispatcher.on_batch("shequn.moderation", self._officer.hear)

    def serve(self, scheduler: Scheduler) -> None:
        """Carry out what was put off, and end raids."""
        scheduler.handlers.add(WORK, self._fired)

    async def _fired(self, arguments: Any, firing: Firing) -> None:
        del arguments, firing
        await self._officer.work()

    # -- rules

    async def set_rules(
        self, rules: RuleSet | Path | str, *, community: str | None = None, actor: str = ""
    ) -> RuleSet:
        """Let rules hold from now on; the ones before stay in the audit trail. An empty `RuleSet()` turns moderation off.

        Args:
            rules: the rules, the path of a TOML file, or `standard` or `standard-en` for those of the package.
            community: its name; not needed when there is one.
            actor: who does it, for the audit trail.

        Raises:
            InvalidInput: the file cannot be used; the message names the key.
            UnknownName: a detector of a plugin is not there.
            ConfigError: an extra is needed and not installed.
        """
        chosen = self._read_rules(rules)
        self._officer.engine(chosen)  # whatever cannot be built is refused now
        name = self._community(community).name
        store = await self._house.store()
        now = to_us(store.clock.now())
        await store.write(
            lambda conn: book.set_body(conn, name, "rules", chosen.model_dump_json(), actor=actor, now=now)
        )
        self._officer.watch.forget()
        return chosen

    async def rules(self, *, community: str | None = None) -> RuleSet:
        """Give the rules that hold; an empty set when none were set."""
        name = self._community(community).name
        patrol = (await self._officer.watch.patrols(await self._house.store())).get(name)
        return RuleSet() if patrol is None else patrol.rules

    def check_rules(self, rules: RuleSet | Path | str) -> Sequence[RuleCheck]:
        """Look for what is valid and yet probably not meant: rules that never decide, words too short, slow patterns.

        Raises:
            InvalidInput: the file cannot be used.
        """
        return checks.check(self._read_rules(rules))

    @staticmethod
    def _read_rules(rules: RuleSet | Path | str) -> RuleSet:
        if isinstance(rules, RuleSet):
            return rules
        if rules in {"standard", "standard-zh", "standard-en"}:
            return standard_rules(language="en" if str(rules).endswith("en") else "zh")
        return load_rules(rules)

    # -- trying out

    async def dry_run(
        self,
        text: str,
        *,
        member: MemberRef | str | None = None,
        community: str | None = None,
        rules: RuleSet | Path | str | None = None,
    ) -> Decision:
        """Say what rules would do to a text; nothing is done and nothing is kept.

        Args:
            text: what somebody might write.
            member: as whom; without one, a member of whom nothing is known.
            community: its name; not needed when there is one.
            rules: other rules than those that hold.
        """
        chosen = await self.rules(community=community) if rules is None else self._read_rules(rules)
        store = await self._house.store()
        now = to_us(store.clock.now())
        facts = Facts()
        who = ""
        if member is not None:
            ref = MemberRef.parse(member)
            who = str(ref)
            name = self._community(community).name
            known = await store.read(partial(book.facts_of, community=name, refs=[ref], now=now))
            facts = known.get(ref, facts)
        return self._officer.engine(chosen).judge(Message(text, member=who, at=now), facts)

    async def backtest(
        self,
        rules: RuleSet | Path | str | None = None,
        *,
        community: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        labels: Mapping[tuple[str, str], bool] | None = None,
        limit: int = 200_000,
    ) -> Backtest:
        """Say what rules would have done to stored history: whom they had hit, and how often people agree.

        Labels are what people decided on cases (approved or overruled), and `labels`. Texts are stored only where the
        setting `privacy.store_text` is `full`. Members are judged by what is known of them today.

        Args:
            rules: those to try; without them, those that hold.
            community: its name; not needed when there is one.
            since: aware instant from which on; all by default.
            until: aware instant before which; all by default.
            labels: by platform and native id of a message, whether it was wrong.
            limit: most messages, the oldest first.
        """
        name = self._community(community).name
        chosen = await self.rules(community=name) if rules is None else self._read_rules(rules)
        events = await self._house.events()
        past, without = await events.query(
            lambda session: read_history(session, name, since=since, until=until, limit=limit)
        )
        refs = [MemberRef.parse(one) for one in {past_one.message.member for past_one in past} if one]
        store = await self._house.store()
        now = to_us(store.clock.now())

        def read(conn: Connection) -> tuple[dict[MemberRef, Facts], dict[tuple[str, str], bool]]:
            decided = conn.execute(
                select(moderation_case.c.platform, moderation_case.c.message, moderation_case.c.state).where(
                    moderation_case.c.community == name,
                    moderation_case.c.actor != "rules",
                    moderation_case.c.state.in_(("acted", "overruled")),
                )
            )
            known = {(row.platform, row.message): row.state == "acted" for row in decided}
            return book.facts_of(conn, name, refs, now=now), known

        facts, known = await store.read(read)
        return run_backtest(
            self._officer.engine(chosen),
            past,
            {str(ref): one for ref, one in facts.items()},
            without_text=without,
            labels={**known, **(labels or {})},
        )

    # -- what was found

    async def queue(self, *, community: str | None = None, limit: int = 100) -> Sequence[Case]:
        """Give the cases that wait for a person, newest first."""
        return await self.cases(community=community, states=("queued",), limit=limit)

    async def cases(
        self,
        *,
        community: str | None = None,
        states: Sequence[str] = (),
        member: MemberRef | str | None = None,
        limit: int = 100,
    ) -> Sequence[Case]:
        """Give cases, newest first; of all states (`queued`, `acted`, `overruled`, `recorded`) by default."""
        name = self._community(community).name
        return await self._desk.cases(community=name, states=states, member=member, limit=limit)

    async def get_case(self, case: int) -> Case:
        """Give one case.

        Raises:
            UnknownName: there is none of that number.
        """
        return await self._desk.get_case(case)

    async def actions(self, case: int) -> Sequence[Action]:
        """Give what a case led to on the platform, and what became of it.

        Raises:
            UnknownName: there is no such case.
        """
        return await self._desk.actions(case)

    async def approve(self, case: int, *, actor: str = "", note: str = "") -> Case:
        """Agree with the rules on a queued case: what they call for is done now.

        Raises:
            UnknownName: there is no such case.
            InvalidInput: it was decided already.
        """
        return await self._desk.settle(case, "acted", actor=actor, note=note)

    async def overrule(self, case: int, *, actor: str = "", note: str = "") -> Case:
        """Say that nothing was wrong: a queued case is closed; what was done already is taken back as far as possible.

        A deleted message and a removal cannot be taken back; mutes, bans and strikes are, and metrics no longer count it.

        Raises:
            UnknownName: there is no such case.
            InvalidInput: it was overruled already.
        """
        return await self._desk.settle(case, "overruled", actor=actor, note=note)

    async def strikes(self, member: MemberRef | str, *, community: str | None = None) -> int:
        """Give how many strikes of a member count now, those of the same person on other platforms too."""
        return await self._desk.strikes(member, community=self._community(community).name)

    # -- appeals

    async def appeal(self, case: int, *, text: str) -> Appeal:
        """Note that a member disagrees; the operators are told. Once per case.

        Raises:
            UnknownName: there is no such case.
            InvalidInput: the case was not acted on, or has an appeal already, or the text is longer than 2,000 characters.
        """
        return await self._desk.appeal(case, text=text)

    async def appeals(self, *, community: str | None = None, decided: bool = False) -> Sequence[Appeal]:
        """Give the open appeals, oldest first; with `decided` all."""
        return await self._desk.appeals(community=self._community(community).name, decided=decided)

    async def decide(self, case: int, *, grant: bool, actor: str = "", note: str = "") -> Appeal:
        """Decide an appeal: granted, the case is overruled and what was done is taken back.

        Raises:
            UnknownName: there is no such case or appeal.
            InvalidInput: it was decided already.
        """
        return await self._desk.decide(case, grant=grant, actor=actor, note=note)

    async def audit(
        self, *, community: str | None = None, subject: str = "", limit: int = 200
    ) -> Sequence[AuditLine]:
        """Give the audit trail, newest first; of one subject such as `case:7` when it is named."""
        return await self._desk.audit(community=self._community(community).name, subject=subject, limit=limit)

    # -- raid mode

    async def raid_on(
        self, channel: ChannelRef | str, *, reason: str, community: str | None = None, actor: str = ""
    ) -> Raid:
        """Protect a channel now, as the detector would: slow mode, newcomers muted, our own bot quiet.

        What the platform does not offer is left out and stands in the raid's `notes`; the operators are told. It ends by
        itself after calm, also when this process was restarted meanwhile. A channel that is protected already stays so
        for longer.

        Raises:
            InvalidInput: the channel is malformed or belongs to no community with rules.
            UnknownName: there is no such account.
        """
        ref = ChannelRef.parse(channel)
        name = self._community(community).name
        return await self._officer.protect(name, ref, cause=reason, actor=actor or "operator")

    async def raid_off(self, channel: ChannelRef | str, *, actor: str = "") -> bool:
        """End raid mode now and restore what it changed; gives whether it was on."""
        store = await self._house.store()
        key = str(ChannelRef.parse(channel))
        now = to_us(store.clock.now())

        def write(conn: Connection) -> Raid | None:
            raid = raids.open_raids(conn).get(key)
            if raid is not None:
                raids.end(conn, raid.id, actor=actor or "operator", now=now)
            return raid

        raid = await store.write(write)
        self._officer.watch.forget()
        if raid is not None:
            await self._officer.calm(raid)
        return raid is not None

    async def raids(self, *, community: str | None = None, limit: int = 50) -> Sequence[Raid]:
        """Give raids, newest first; those without an end go on."""
        name = self._community(community).name
        store = await self._house.store()
        return await store.read(partial(raids.list_raids, community=name, limit=limit))

    async def is_quiet(self, channel: ChannelRef | str) -> bool:
        """Whether our own bot should keep quiet in a channel: welcomes and campaigns wait while it is raided.

        Cheap: read from the store every few seconds at most. Notices to operators are not meant.
        """
        return await self._officer.is_quiet(str(ChannelRef.parse(channel)))

    async def work(self) -> int:
        """Carry out the actions that are due and end the raids that are over; gives how many actions were tried.

        `sq.process`, schedules and `sq.run` do this by themselves.
        """
        return await self._officer.work()
