"""Weibo 新浪微博 for shequn-sdk: posts, comments, mentions, counts, and messages of the fan service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, SandboxSpec, hookimpl
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter

__all__ = ["shequn_platforms", "shequn_sandboxes"]


def _create(account: Account, context: AdapterContext) -> Adapter:
    from shequn_weibo.adapter import WeiboAdapter  # noqa: PLC0415 - loaded when an account is used

    return WeiboAdapter(account, context)


def _manifest(account: Account) -> Manifest:
    from shequn_weibo.manifest import manifest_for  # noqa: PLC0415

    return manifest_for(account)


def _sandbox(context: Any) -> Any:
    from shequn_weibo.sandbox import WeiboSandbox  # noqa: PLC0415

    return WeiboSandbox(context)


@hookimpl
def shequn_platforms() -> Iterable[PlatformSpec]:
    """Offer Weibo."""
    from shequn_weibo.manifest import MANIFESTS  # noqa: PLC0415

    return (
        PlatformSpec(
            name="weibo",
            title="Weibo 新浪微博",
            create=_create,
            manifest=_manifest,
            manifests=MANIFESTS,
            docs="docs/platforms/weibo.md",
        ),
    )


@hookimpl
def shequn_sandboxes() -> Iterable[SandboxSpec]:
    """Offer a local Weibo."""
    return (SandboxSpec(platform="weibo", create=_sandbox),)
