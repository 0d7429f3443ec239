"""WeChat Work 企业微信 for shequn-sdk: application messages, group robots, app groups, and customer contact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, SandboxSpec, hookimpl
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter

__all__ = ["shequn_platforms", "shequn_sandboxes"]


def _create(account: Account, context: AdapterContext) -> Adapter:
    from shequn_wecom.adapter import create  # noqa: PLC0415 - loaded when an account is used

    return create(account, context)


def _manifest(account: Account) -> Manifest:
    from shequn_wecom.manifest import manifest_for  # noqa: PLC0415

    return manifest_for(account)


def _sandbox(context: Any) -> Any:
    from shequn_wecom.sandbox import WecomSandbox  # noqa: PLC0415

    return WecomSandbox(context)


@hookimpl
def shequn_platforms() -> Iterable[PlatformSpec]:
    """Offer WeChat Work."""
    from shequn_wecom.manifest import MANIFESTS  # noqa: PLC0415

    return (
        PlatformSpec(
            name="wecom",
            title="WeChat Work 企业微信",
            create=_create,
            manifest=_manifest,
            manifests=MANIFESTS,
            docs="docs/platforms/wecom.md",
        ),
    )


@hookimpl
def shequn_sandboxes() -> Iterable[SandboxSpec]:
    """Offer a local WeChat Work."""
    return (SandboxSpec(platform="wecom", create=_sandbox, rehearsal_options={"mode": "robot"}),)
