"""Hand-over to a person (人工代发), for places without an open API: a task to copy from, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shequn_sdk.domain import Account
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, SandboxSpec, hookimpl
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.platforms.ports import Adapter

if TYPE_CHECKING:
    from shequn_handoff.app import handoff_app

__all__ = ["handoff_app", "shequn_platforms", "shequn_sandboxes"]


def _create(account: Account, context: AdapterContext) -> Adapter:
    from shequn_handoff.adapter import HandoffAdapter  # noqa: PLC0415 - loaded when an account is used

    return HandoffAdapter(account, context)


def _manifest(account: Account) -> Manifest:
    from shequn_handoff.manifest import manifest_for  # noqa: PLC0415

    return manifest_for(account)


def _sandbox(context: Any) -> Any:
    from shequn_handoff.sandbox import HandoffSandbox  # noqa: PLC0415

    return HandoffSandbox(context)


@hookimpl
def shequn_platforms() -> Iterable[PlatformSpec]:
    """Offer hand-over."""
    from shequn_handoff.manifest import MANIFESTS  # noqa: PLC0415

    return (
        PlatformSpec(
            name="handoff",
            title="Hand-over to a person 人工代发",
            create=_create,
            manifest=_manifest,
            manifests=MANIFESTS,
            docs="docs/platforms/handoff.md",
        ),
    )


@hookimpl
def shequn_sandboxes() -> Iterable[SandboxSpec]:
    """Offer a desk with a person who confirms when told to."""
    return (SandboxSpec(platform="handoff", create=_sandbox),)


def __getattr__(name: str) -> Any:
    if name == "handoff_app":
        from shequn_handoff.app import handoff_app  # noqa: PLC0415

        return handoff_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
