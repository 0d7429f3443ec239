"""The blocking twin of `moderation`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef
    from shequn_sdk.moderation.engine import Decision
    from shequn_sdk.moderation.moderation import Moderation as AsyncModeration
    from shequn_sdk.moderation.results import Action, Appeal, AuditLine, Backtest, Case, Raid, RuleCheck
    from shequn_sdk.moderation.rules import RuleSet

__all__ = ["Moderation"]


class Moderation(Twin):
    """The blocking twin of `shequn_sdk.moderation.moderation.Moderation`."""

    def __init__(self, inner: AsyncModeration, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def set_rules(
        self, rules: RuleSet | Path | str, *, community: str | None = None, actor: str = ""
    ) -> RuleSet:
        """See `Moderation.set_rules`."""
        return self._do(self._inner.set_rules, rules, community=community, actor=actor)

    def rules(self, *, community: str | None = None) -> RuleSet:
        """See `Moderation.rules`."""
        return self._do(self._inner.rules, community=community)

    def check_rules(self, rules: RuleSet | Path | str) -> Sequence[RuleCheck]:
        """See `Moderation.check_rules`."""
        return self._inner.check_rules(rules)

    def dry_run(
        self,
        text: str,
        *,
        member: MemberRef | str | None = None,
        community: str | None = None,
        rules: RuleSet | Path | str | None = None,
    ) -> Decision:
        """See `Moderation.dry_run`."""
        return self._do(self._inner.dry_run, text, member=member, community=community, rules=rules)

    def backtest(
        self,
        rules: RuleSet | Path | str | None = None,
        *,
        community: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        labels: Mapping[tuple[str, str], bool] | None = None,
        limit: int = 200000,
    ) -> Backtest:
        """See `Moderation.backtest`."""
        return self._do(
            self._inner.backtest,
            rules,
            community=community,
            since=since,
            until=until,
            labels=labels,
            limit=limit,
        )

    def queue(self, *, community: str | None = None, limit: int = 100) -> Sequence[Case]:
        """See `Moderation.queue`."""
        return self._do(self._inner.queue, community=community, limit=limit)

    def cases(
        self,
        *,
        community: str | None = None,
        states: Sequence[str] = (),
        member: MemberRef | str | None = None,
        limit: int = 100,
    ) -> Sequence[Case]:
        """See `Moderation.cases`."""
        return self._do(self._inner.cases, community=community, states=states, member=member, limit=limit)

    def get_case(self, case: int) -> Case:
        """See `Moderation.get_case`."""
        return self._do(self._inner.get_case, case)

    def actions(self, case: int) -> Sequence[Action]:
        """See `Moderation.actions`."""
        return self._do(self._inner.actions, case)

    def approve(self, case: int, *, actor: str = "", note: str = "") -> Case:
        """See `Moderation.approve`."""
        return self._do(self._inner.approve, case, actor=actor, note=note)

    def overrule(self, case: int, *, actor: str = "", note: str = "") -> Case:
        """See `Moderation.overrule`."""
        return self._do(self._inner.overrule, case, actor=actor, note=note)

    def strikes(self, member: MemberRef | str, *, community: str | None = None) -> int:
        """See `Moderation.strikes`."""
        return self._do(self._inner.strikes, member, community=community)

    def appeal(self, case: int, *, text: str) -> Appeal:
        """See `Moderation.appeal`."""
        return self._do(self._inner.appeal, case, text=text)

    def appeals(self, *, community: str | None = None, decided: bool = False) -> Sequence[Appeal]:
        """See `Moderation.appeals`."""
        return self._do(self._inner.appeals, community=community, decided=decided)

    def decide(self, case: int, *, grant: bool, actor: str = "", note: str = "") -> Appeal:
        """See `Moderation.decide`."""
        return self._do(self._inner.decide, case, grant=grant, actor=actor, note=note)

    def audit(
        self, *, community: str | None = None, subject: str = "", limit: int = 200
    ) -> Sequence[AuditLine]:
        """See `Moderation.audit`."""
        return self._do(self._inner.audit, community=community, subject=subject, limit=limit)

    def raid_on(
        self, channel: ChannelRef | str, *, reason: str, community: str | None = None, actor: str = ""
    ) -> Raid:
        """See `Moderation.raid_on`."""
        return self._do(self._inner.raid_on, channel, reason=reason, community=community, actor=actor)

    def raid_off(self, channel: ChannelRef | str, *, actor: str = "") -> bool:
        """See `Moderation.raid_off`."""
        return self._do(self._inner.raid_off, channel, actor=actor)

    def raids(self, *, community: str | None = None, limit: int = 50) -> Sequence[Raid]:
        """See `Moderation.raids`."""
        return self._do(self._inner.raids, community=community, limit=limit)

    def is_quiet(self, channel: ChannelRef | str) -> bool:
        """See `Moderation.is_quiet`."""
        return self._do(self._inner.is_quiet, channel)

    def work(self) -> int:
        """See `Moderation.work`."""
        return self._do(self._inner.work)
