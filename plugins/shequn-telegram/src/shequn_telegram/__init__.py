"""Telegram (Bot API) for shequn-sdk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, SandboxSpec, hookimpl
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter
from shequn_telegram.manifest import MANIFEST

if TYPE_CHECKING:
    from shequn_telegram.adapter import TelegramAdapter
    from shequn_telegram.albums import Album, AlbumCollector

__all__ = ["MANIFEST", "Album", "AlbumCollector", "TelegramAdapter", "shequn_platforms", "shequn_sandboxes"]


def _create(account: Account, context: AdapterContext) -> Adapter:
    from shequn_telegram.adapter import create  # noqa: PLC0415 - loads HTTP, which listing platforms does not need

    return create(account, context)


def _manifest(_account: Account) -> Manifest:
    return MANIFEST


def _create_sandbox(context: Any) -> Any:
    from shequn_telegram.sandbox import TelegramSandbox  # noqa: PLC0415 - the server's libraries are an extra

    return TelegramSandbox(context)


@hookimpl
def shequn_platforms() -> Iterable[PlatformSpec]:
    """Offer the platform `telegram`."""
    return [
        PlatformSpec(
            name="telegram",
            title="Telegram",
            create=_create,
            manifest=_manifest,
            manifests=(MANIFEST,),
            docs="docs/platforms/telegram.md",
        )
    ]


@hookimpl
def shequn_sandboxes() -> Iterable[SandboxSpec]:
    """Offer a local Bot API server."""
    return [SandboxSpec(platform="telegram", create=_create_sandbox, rehearsal_account={"poll_timeout": 0})]


def __getattr__(name: str) -> Any:
    if name == "TelegramAdapter":
        from shequn_telegram.adapter import TelegramAdapter  # noqa: PLC0415 - see _create

        return TelegramAdapter
    if name in {"Album", "AlbumCollector"}:
        from shequn_telegram import albums  # noqa: PLC0415 - as above

        return getattr(albums, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
