"""Run an online community (社群) wherever its members are: one model, one scheduler, one set of metrics.

Everything that is promised is in `__all__`; names are loaded when they are first used, so that importing the package
costs almost nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn, Shequn, days
    from shequn_sdk.domain import (
        Account,
        Article,
        Button,
        Channel,
        ChannelRef,
        Community,
        Content,
        Delivery,
        DeliveryState,
        Interaction,
        InteractionKind,
        Link,
        Media,
        MediaKind,
        Member,
        MetricResult,
        OnUnknown,
        Poll,
        Post,
        Priority,
        Receipt,
        ReceiptStatus,
    )
    from shequn_sdk.errors import (
        ConfigError,
        InvalidInput,
        NotSupported,
        PlatformError,
        RateLimited,
        ShequnError,
        Unavailable,
    )
    from shequn_sdk.platforms.hooks import hookimpl
    from shequn_sdk.platforms.manifest import Capability, Manifest
    from shequn_sdk.scheduling.triggers import Cron, LunarDate, Weekly

__version__ = "0.1.0"

_WHERE = {
    "shequn_sdk.client": ("AsyncShequn", "Shequn", "days"),
    "shequn_sdk.domain": (
        "Account",
        "Article",
        "Button",
        "Channel",
        "ChannelRef",
        "Community",
        "Content",
        "Delivery",
        "DeliveryState",
        "Interaction",
        "InteractionKind",
        "Link",
        "Media",
        "MediaKind",
        "Member",
        "MetricResult",
        "OnUnknown",
        "Poll",
        "Post",
        "Priority",
        "Receipt",
        "ReceiptStatus",
    ),
    "shequn_sdk.errors": (
        "ConfigError",
        "InvalidInput",
        "NotSupported",
        "PlatformError",
        "RateLimited",
        "ShequnError",
        "Unavailable",
    ),
    "shequn_sdk.platforms.hooks": ("hookimpl",),
    "shequn_sdk.platforms.manifest": ("Capability", "Manifest"),
    "shequn_sdk.scheduling.triggers": ("Cron", "LunarDate", "Weekly"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Account",
    "Article",
    "AsyncShequn",
    "Button",
    "Capability",
    "Channel",
    "ChannelRef",
    "Community",
    "ConfigError",
    "Content",
    "Cron",
    "Delivery",
    "DeliveryState",
    "Interaction",
    "InteractionKind",
    "InvalidInput",
    "Link",
    "LunarDate",
    "Manifest",
    "Media",
    "MediaKind",
    "Member",
    "MetricResult",
    "NotSupported",
    "OnUnknown",
    "PlatformError",
    "Poll",
    "Post",
    "Priority",
    "RateLimited",
    "Receipt",
    "ReceiptStatus",
    "Shequn",
    "ShequnError",
    "Unavailable",
    "Weekly",
    "__version__",
    "days",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
