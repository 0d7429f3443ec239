"""Carrying out actions: durable rows, the manifest asked first, administrators spared, unknown outcomes looked at again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

import anyio
from sqlalchemy import Connection, Row, func, select, update

from shequn_sdk.domain import Clock, Role
from shequn_sdk.errors import (
    Conflict,
    Landing,
    NotSupported,
    PermissionDenied,
    PlatformError,
    RateLimited,
    ShequnError,
    TargetNotFound,
)
from shequn_sdk.moderation import book
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import MemberDirectory
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store
from shequn_sdk.stores.tables.moderation import moderation_action

__all__ = ["AccountBook", "Executor", "next_due"]

_log = logging.getLogger(__name__)
_LEASE = 60 * 1_000_000
"""So long a try may take before another process may look after it."""
_ATTEMPTS = 8
_PATIENCE = 15.0
"""Real seconds for one try: events behind it must not wait for a platform that asks to wait."""
_NEEDS: Mapping[str, Capability] = MappingProxyType(
    {
        "delete": Capability.DELETE_OTHERS,
        "mute": Capability.RESTRICT,
        "unmute": Capability.RESTRICT,
        "kick": Capability.KICK,
        "ban": Capability.BAN,
        "unban": Capability.BAN,
        "slow_mode": Capability.SLOW_MODE,
    }
)
_PUNISHES = frozenset({"mute", "kick", "ban"})
_REACHED: Mapping[str, frozenset[Role]] = MappingProxyType(
    {
        "mute": frozenset({Role.RESTRICTED, Role.BANNED, Role.LEFT}),
        "kick": frozenset({Role.LEFT, Role.BANNED}),
        "ban": frozenset({Role.BANNED}),
    }
)
"""Roles that show that an action of unknown outcome has happened."""
_OPEN = ("planned", "unknown", "trying")


class AccountBook(Protocol):
    """What is needed of the accounts."""

    def adapter(self, name: str) -> Any:
        """Give an account's adapter."""
        ...

    def manifest(self, name: str) -> Manifest:
        """Give an account's manifest."""
        ...


Notice = Callable[[Row[Any], str], Awaitable[None]]
"""Tells operators that a person has to do something, with the reason."""


def next_due(conn: Connection) -> int | None:
    """Give when there is something to do next."""
    found = conn.execute(
        select(func.min(moderation_action.c.due)).where(moderation_action.c.state.in_(_OPEN))
    ).scalar()
    return None if found is None else int(found)


class Executor:
    """Carries out what is due."""

    def __init__(
        self, store: Store, accounts: AccountBook, *, clock: Clock, ask: Notice, patience: float = _PATIENCE
    ) -> None:
        """Work on the rows of `store`; `ask` is called for what only a person can do."""
        self._patience = patience
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._ask = ask

    async def work(self, *, limit: int = 100) -> int:
        """Carry out what is due now; gives how many actions were tried."""
        now = to_us(self._clock.now())

        def claim(conn: Connection) -> list[Row[Any]]:
            table = moderation_action
            rows = conn.execute(
                select(table)
                .where(table.c.state.in_(_OPEN), table.c.due <= now)
                .order_by(table.c.id)
                .limit(limit)
            ).all()
            taken: list[Row[Any]] = []
            for row in rows:
                mine = conn.execute(
                    update(table)
                    .where(table.c.id == row.id, table.c.state == row.state, table.c.due == row.due)
                    .values(state="trying", attempts=row.attempts + 1, due=now + _LEASE)
                ).rowcount
                if mine:
                    taken.append(row)
            return taken

        taken = await self._store.write(claim)
        for row in taken:
            await self._one(row)
        return len(taken)

    async def _one(self, row: Row[Any]) -> None:
        state, error, due = await self._outcome(row)
        now = to_us(self._clock.now())
        ended = state not in _OPEN

        def write(conn: Connection) -> None:
            conn.execute(
                update(moderation_action)
                .where(moderation_action.c.id == row.id, moderation_action.c.state == "trying")
                .values(state=state, error=error[:500], due=due or now, ended_at=now if ended else None)
            )
            if ended:
                book.audit(
                    conn,
                    row.community,
                    now,
                    actor="moderation",
                    what=f"{row.kind} {state}",
                    subject=row.source,
                    detail=error,
                )

        await self._store.write(write)
        if state in {"unsupported", "refused"}:
            await self._ask(row, error)

    async def _outcome(self, row: Row[Any]) -> tuple[str, str, int | None]:
        """Try one action for a limited time; gives its state, why, and when to try again."""
        with anyio.move_on_after(self._patience):
            return await self._tried(row)
        return self._again(row, "unknown", f"no answer within {self._patience:g} s", None)

    async def _tried(self, row: Row[Any]) -> tuple[str, str, int | None]:
        try:
            manifest = self._accounts.manifest(row.account)
            need = _NEEDS[row.kind]
            if not manifest.supports(need):
                return "unsupported", manifest.explain(need), None
            adapter = self._accounts.adapter(row.account)
            if row.kind in _PUNISHES:
                settled = await self._settled(adapter, manifest, row)
                if settled is not None:
                    return *settled, None
            await self._call(adapter, row)
        except (TargetNotFound, Conflict) as error:
            return "done", f"nothing left to do: {error}", None
        except RateLimited as error:
            return self._again(row, "planned", str(error), error.retry_after)
        except NotSupported as error:
            return "unsupported", str(error), None
        except PlatformError as error:
            if not error.retryable:
                return "refused", str(error), None
            perhaps = error.landed is Landing.PERHAPS
            return self._again(row, "unknown" if perhaps else "planned", str(error), None)
        except ShequnError as error:
            return "refused", str(error), None
        return "done", "", None

    def _again(
        self, row: Row[Any], state: str, error: str, after: timedelta | None
    ) -> tuple[str, str, int | None]:
        if row.attempts + 1 >= _ATTEMPTS:
            return "refused", f"given up after {row.attempts + 1} attempts: {error}", None
        wait = after or timedelta(seconds=min(3600, 5 * 2**row.attempts))
        return state, error, to_us(self._clock.now() + wait)

    @staticmethod
    async def _settled(adapter: Any, manifest: Manifest, row: Row[Any]) -> tuple[str, str] | None:
        """Look at the member first: administrators and bots are spared; what has happened is not repeated."""
        if not manifest.supports(Capability.GET_MEMBER) or not isinstance(adapter, MemberDirectory):
            return None
        try:
            found = await adapter.get_member(row.channel, row.member)
        except PermissionDenied:
            return None  # may not look: try, and let the platform judge
        if found.role in {Role.OWNER, Role.ADMIN}:
            return "spared", f"the platform says {found.role}"
        if found.identity.is_bot:
            return "spared", "the platform says that it is a bot"
        tried = row.state in {"unknown", "trying"}
        if tried and found.role in _REACHED[row.kind]:
            return "done", "found done when looked at again"
        return None

    async def _call(self, adapter: Any, row: Row[Any]) -> None:
        until: datetime | None = None
        if row.seconds is not None:
            until = self._clock.now() + timedelta(seconds=row.seconds)
        if row.kind == "delete":
            await adapter.delete(row.channel, row.message)
        elif row.kind == "mute":
            await adapter.restrict(row.channel, row.member, until=until, reason=row.reason)
        elif row.kind == "unmute":
            await adapter.unrestrict(row.channel, row.member)
        elif row.kind == "kick":
            await adapter.kick(row.channel, row.member, reason=row.reason)
        elif row.kind == "ban":
            # an end of its own: some platforms' bans have none
            await adapter.ban(row.channel, row.member, until=None, reason=row.reason)
        elif row.kind == "unban":
            await adapter.unban(row.channel, row.member)
        else:
            await adapter.set_slow_mode(row.channel, timedelta(seconds=row.seconds or 0))
