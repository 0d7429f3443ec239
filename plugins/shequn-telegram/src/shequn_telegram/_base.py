"""What the parts of the adapter share: the account, its manifest and the API."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from shequn_sdk.domain import Account
from shequn_sdk.errors import ConfigError, InvalidContent
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.manifest import Manifest
from shequn_telegram import wire
from shequn_telegram.api import BotApi
from shequn_telegram.errors import PLATFORM
from shequn_telegram.events import UpdateParser
from shequn_telegram.manifest import ALLOWED_UPDATES, MANIFEST

__all__ = ["AdapterBase", "number"]

_OPTIONS = frozenset({"poll_timeout", "allowed_updates", "max_webhook_bytes"})
_POLLS_KEPT = 10_000


def number(text: str, what: str) -> int:
    """Give a native id as the number that the Bot API wants.

    Raises:
        InvalidContent: it is none.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 16):
        raise InvalidContent(
            f"{text!r} is no Telegram {what}: its id is a number", platform=PLATFORM, operation="render"
        )
    return int(text)


class AdapterBase:
    """One bot.

    Options of the account: `poll_timeout` (seconds of one long poll, 0-50, 25 by default), `allowed_updates` (list of
    update types to ask for), `max_webhook_bytes` (largest webhook body, 1 MiB by default).
    """

    platform = PLATFORM

    def __init__(self, account: Account, context: AdapterContext) -> None:
        unknown = set(account.options) - _OPTIONS
        if unknown:
            raise ConfigError(
                f"telegram account {account.name!r} has unknown options {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(_OPTIONS))}"
            )
        self._account = account
        self._context = context
        self._clock = context.clock
        self.manifest: Manifest = MANIFEST
        self.api = BotApi(token=account.secret("token"), base_url=account.base_url, context=context)
        self._poll_timeout = _seconds(account)
        self._max_webhook_bytes = _bytes(account)
        self._allowed = _allowed(account)
        self._polls: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._parser = UpdateParser(
            account.name,
            now=lambda: context.clock.now().timestamp(),
            poll_place=self._polls.get,
        )

    def __repr__(self) -> str:
        return f"TelegramAdapter({self._account.name!r})"

    async def __aenter__(self) -> Self:
        """Open connections; makes no request."""
        await self.api.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self.api.__aexit__()

    async def check(self) -> str:
        """Ask Telegram which bot this is."""
        me = await self.api.call("getMe", result=dict[str, Any], idempotent=True)
        name = me.get("username") or me.get("first_name", "")
        hears = (
            "hears all messages"
            if me.get("can_read_all_group_messages")
            else "hears all messages where admin"
        )
        return f"@{name} (id {me.get('id')}), {hears}"

    async def _do(self, method: str, parameters: Mapping[str, Any], *, timeout: float | None = None) -> None:
        """Make a call that may be repeated and whose result says nothing."""
        await self.api.call(method, parameters, result=object, idempotent=True, timeout=timeout)

    def _remember_poll(self, poll: wire.Poll | None, channel: str, message: str) -> None:
        if poll is None:
            return
        self._polls[poll.id] = (channel, message)
        if len(self._polls) > _POLLS_KEPT:
            self._polls.popitem(last=False)


def _seconds(account: Account) -> float:
    value = account.options.get("poll_timeout", 25)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 50:
        raise ConfigError(
            f"poll_timeout of telegram account {account.name!r} is 0 to 50 seconds, not {value!r}"
        )
    return value


def _bytes(account: Account) -> int:
    value = account.options.get("max_webhook_bytes", 1024 * 1024)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"max_webhook_bytes of telegram account {account.name!r} is a positive number")
    return value


def _allowed(account: Account) -> list[str]:
    value = account.options.get("allowed_updates")
    if value is None:
        return list(ALLOWED_UPDATES)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"allowed_updates of telegram account {account.name!r} is a list of update types")
    return [str(item) for item in value]
