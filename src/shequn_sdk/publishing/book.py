"""What publishing needs to know of the accounts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter

__all__ = ["AccountBook"]


class AccountBook(Protocol):
    """What the dispatcher needs of `shequn_sdk.platforms.accounts.Accounts`."""

    def adapter(self, name: str) -> Adapter:
        """Give an account's adapter."""
        ...

    def manifest(self, name: str) -> Manifest:
        """Give what an account can do."""
        ...

    def platform(self, name: str) -> str:
        """Give the name of its platform."""
        ...

    def names(self) -> Iterable[str]:
        """Give the names of all accounts."""
        ...
