"""Publishing: from content to what stands on a platform, with an account of every step.

`from shequn_sdk.publishing.service import Publishing` loads SQLAlchemy; this package alone does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shequn_sdk.publishing.notices import Notice, NoticeKind
    from shequn_sdk.publishing.policy import DeliveryOptions
    from shequn_sdk.publishing.service import Publishing

__all__ = ["DeliveryOptions", "Notice", "NoticeKind", "Publishing"]


def __getattr__(name: str) -> Any:
    if name == "Publishing":
        from shequn_sdk.publishing.service import Publishing  # noqa: PLC0415 - loads SQLAlchemy

        return Publishing
    if name == "DeliveryOptions":
        from shequn_sdk.publishing.policy import DeliveryOptions  # noqa: PLC0415

        return DeliveryOptions
    if name in {"Notice", "NoticeKind"}:
        from shequn_sdk.publishing import notices  # noqa: PLC0415 - loads SQLAlchemy

        return getattr(notices, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
