"""WordPress for shequn-sdk: long texts, drafts, scheduled posts, media, revisions and comments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, SandboxSpec, hookimpl
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter

__all__ = ["shequn_platforms", "shequn_sandboxes"]


def _create(account: Account, context: AdapterContext) -> Adapter:
    from shequn_wordpress.adapter import WordPressAdapter  # noqa: PLC0415 - loaded when an account is used

    return WordPressAdapter(account, context)


def _manifest(account: Account) -> Manifest:
    from shequn_wordpress.manifest import manifest_for  # noqa: PLC0415

    return manifest_for(account)


def _sandbox(context: Any) -> Any:
    from shequn_wordpress.sandbox import WordPressSandbox  # noqa: PLC0415

    return WordPressSandbox(context)


@hookimpl
def shequn_platforms() -> Iterable[PlatformSpec]:
    """Offer WordPress."""
    from shequn_wordpress.manifest import MANIFESTS  # noqa: PLC0415

    return (
        PlatformSpec(
            name="wordpress",
            title="WordPress",
            create=_create,
            manifest=_manifest,
            manifests=MANIFESTS,
            docs="docs/platforms/wordpress.md",
        ),
    )


@hookimpl
def shequn_sandboxes() -> Iterable[SandboxSpec]:
    """Offer a local WordPress."""
    return (SandboxSpec(platform="wordpress", create=_sandbox),)
