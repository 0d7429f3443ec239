"""Which invite a joiner came through: uses before and after, since Discord does not say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from shequn_sdk.platforms.ports import Invite

__all__ = ["InviteTracker"]


class InviteTracker:
    """Attributes joins to invites by the difference of their uses (渠道归因).

    Exact while one person joins between two looks. When several joined and several invites were used, or an
    invite vanished that had more than one use left, the answer is "" rather than a guess.

    Args:
        load: reads the invites of a server with their uses, for example `adapter.list_invites`.
        names: code to campaign; Discord invites have no names of their own.
    """

    def __init__(
        self, load: Callable[[str], Awaitable[Sequence[Invite]]], *, names: Mapping[str, str] | None = None
    ) -> None:
        self._load = load
        self._names = dict(names or {})
        self._known: dict[str, dict[str, Invite]] = {}

    def name(self, code: str, campaign: str) -> None:
        """Remember what an invite stands for."""
        self._names[code] = campaign

    async def look(self, channel: str) -> None:
        """Take the present uses as the state before the next join."""
        self._known[channel] = {invite.id: invite for invite in await self._load(channel)}

    async def attribute(self, channel: str, *, joins: int = 1) -> str:
        """Give the campaign (else the code) through which the last `joins` members came, "" when that is unclear."""
        before = self._known.get(channel)
        await self.look(channel)
        if before is None:
            return ""
        after = self._known[channel]
        grown: dict[str, int] = {}
        for code, invite in after.items():
            old = before.get(code)
            delta = (invite.uses or 0) - ((old.uses or 0) if old is not None else 0)
            if delta > 0:
                grown[code] = delta
        for code, invite in before.items():
            # Its last use deletes an invite.
            if (
                code not in after
                and invite.max_uses is not None
                and (invite.uses or 0) + 1 >= invite.max_uses
            ):
                grown[code] = 1
        if len(grown) != 1 or sum(grown.values()) != joins:
            return ""
        code = next(iter(grown))
        return self._names.get(code, code)
