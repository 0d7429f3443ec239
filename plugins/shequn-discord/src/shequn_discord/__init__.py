"""Discord (REST v10, Gateway, interactions) for shequn-sdk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shequn_discord.manifest import BOT, WEBHOOK, manifest_for
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, SandboxSpec, hookimpl

if TYPE_CHECKING:
    from shequn_sdk.domain import Account
    from shequn_sdk.platforms.ports import Adapter

__all__ = ["shequn_platforms", "shequn_sandboxes"]


def _create(account: Account, context: AdapterContext) -> Adapter:
    from shequn_discord.adapter import create  # noqa: PLC0415 - keeps discovery light

    return create(account, context)


def _sandbox(context: Any) -> Any:
    from shequn_discord.sandbox import DiscordSandbox  # noqa: PLC0415 - keeps discovery light

    return DiscordSandbox(context)


@hookimpl
def shequn_platforms() -> Iterable[PlatformSpec]:
    """Offer Discord."""
    return [
        PlatformSpec(
            name="discord",
            title="Discord",
            create=_create,
            manifest=manifest_for,
            manifests=(BOT, WEBHOOK),
            docs="docs/platforms/discord.md",
        )
    ]


@hookimpl
def shequn_sandboxes() -> Iterable[SandboxSpec]:
    """Offer the local Discord."""
    return [SandboxSpec(platform="discord", create=_sandbox, rehearsal_account={"receive_wait": 0.05})]
