"""The accounts of a workspace: their adapters are opened and closed together, and one that fails hides no other."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from shequn_sdk.domain import Account
from shequn_sdk.errors import ConfigError, ShequnError, UnknownName
from shequn_sdk.platforms.discovery import Plugins
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter

__all__ = ["Accounts"]


class Accounts:
    """Accounts by name, with their adapters and manifests. Use it as an async context manager."""

    def __init__(self, accounts: Iterable[Account], *, plugins: Plugins, context: AdapterContext) -> None:
        """Know `accounts`.

        Raises:
            ConfigError: two accounts have one name.
        """
        self._plugins = plugins
        self._context = context
        self._accounts: dict[str, Account] = {}
        self._adapters: dict[str, Adapter] = {}
        self._manifests: dict[str, Manifest] = {}
        self._stack = AsyncExitStack()
        self._failures: dict[str, ShequnError] = {}
        for account in accounts:
            self.add(account)

    def add(self, account: Account) -> None:
        """Know one more account.

        Raises:
            ConfigError: its name is taken.
        """
        if account.name in self._accounts:
            raise ConfigError(f"two accounts are named {account.name!r}: names must differ")
        self._accounts[account.name] = account

    async def __aenter__(self) -> Self:
        """Open the adapters, which makes no request; a failing one is raised when it is asked for."""
        await self._stack.__aenter__()
        for name in self._accounts:
            await self._make(name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all adapters."""
        self._adapters.clear()
        await self._stack.__aexit__(kind, error, trace)

    async def _make(self, name: str) -> None:
        account = self._accounts[name]
        try:
            made = self._plugins.platform(account.platform).create(account, self._context)
            self._adapters[name] = await self._stack.enter_async_context(made)
        except ShequnError as error:
            self._failures[name] = error

    def names(self) -> tuple[str, ...]:
        """Give the names of all accounts, in the order of the settings."""
        return tuple(self._accounts)

    def account(self, name: str) -> Account:
        """Give an account's settings.

        Raises:
            UnknownName: there is no such account.
        """
        try:
            return self._accounts[name]
        except KeyError:
            nearest = tuple(difflib.get_close_matches(name, self._accounts, n=2)) or self.names()[:3]
            raise UnknownName("account", name, nearest=nearest) from None

    def platform(self, name: str) -> str:
        """Give the name of an account's platform."""
        return self.account(name).platform

    def manifest(self, name: str) -> Manifest:
        """Give what an account can do; makes no request and no adapter."""
        if name not in self._manifests:
            account = self.account(name)
            self._manifests[name] = self._plugins.platform(account.platform).manifest(account)
        return self._manifests[name]

    def on_platform(self, platform: str) -> tuple[str, ...]:
        """Give the names of the accounts on a platform."""
        return tuple(name for name, account in self._accounts.items() if account.platform == platform)

    def adapter(self, name: str) -> Adapter:
        """Give an account's adapter, opened.

        Raises:
            UnknownName: no such account, or no plugin offers its platform.
            ConfigError: the account's settings do not fit, or the accounts are not open.
        """
        ready = self._adapters.get(name)
        if ready is not None:
            return ready
        self.account(name)
        if name in self._failures:
            raise self._failures[name]
        raise ConfigError("accounts are not open: use them in `async with`")
