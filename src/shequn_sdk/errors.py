"""Every error that shequn-sdk raises on purpose.

```
ShequnError
├── ConfigError            a setting is wrong or missing: says which, and what to do
│   └── MissingExtra       .extra: an optional package is not installed
├── PluginError            .plugin .distribution: failed to load, duplicate name, API version too old
├── NotSupported           .platform .capability: raised before any request is sent
├── InvalidInput           .source .line .column: a file, record, argument or name that cannot be used
│   └── UnknownName        .kind .name .nearest: no such metric, account, channel, schedule …
├── VerificationFailed     an inbound webhook that is forged, replayed, too old or too large
├── StoreError             the operational or the event store cannot do what was asked
│   ├── StoreBusy          .owner: another process holds it; try again
│   ├── StoreTooNew        written by a newer version of this package
│   ├── StoreDamaged       the file is not what it should be
│   └── StoreFull          no space left; nothing half-written stays
├── MissingGlyphs          .characters: a picture's font cannot draw them
└── PlatformError          .platform .operation .code .request_id .retryable .landed
    ├── AuthFailed         the credentials are wrong, expired or revoked
    ├── PermissionDenied   the account lacks a right
    ├── TargetNotFound     chat, message or member is gone or unreachable
    │   └── TargetMoved    .new_id: the channel has another id now
    ├── InvalidContent     the platform cannot take this form of content
    ├── ContentRejected    the platform's review refused it (审核不通过)
    ├── Conflict           the state does not allow it (already done, two consumers …)
    ├── RateLimited        .retry_after .scope
    └── Unavailable        network failure, timeout, 5xx, nonsense in the answer
```
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

__all__ = [
    "AuthFailed",
    "ConfigError",
    "Conflict",
    "ContentRejected",
    "InvalidContent",
    "InvalidInput",
    "Landing",
    "MissingExtra",
    "MissingGlyphs",
    "NotSupported",
    "PermissionDenied",
    "PlatformError",
    "PluginError",
    "RateLimited",
    "ShequnError",
    "StoreBusy",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreTooNew",
    "TargetMoved",
    "TargetNotFound",
    "Unavailable",
    "UnknownName",
    "VerificationFailed",
]


class Landing(StrEnum):
    """What a failed request means for the content it carried."""

    SURELY_NOT = "surely_not"
    """The platform said no, or the request never left: sending again cannot post twice."""
    PERHAPS = "perhaps"
    """Bytes were sent and no clear answer came: it may stand on the platform."""


class ShequnError(Exception):
    """Root of all errors that shequn-sdk raises on purpose."""


class ConfigError(ShequnError):
    """A setting is wrong or missing; the message names it and says what to do."""


class MissingExtra(ConfigError):
    """What was asked needs packages that are not installed; the message says how to get them."""

    def __init__(self, what: str, extra: str, *, otherwise: str = "") -> None:
        """Say that `what` needs `extra`, and what can be done without it."""
        super().__init__(f"{what}: pip install 'shequn-sdk[{extra}]'{f', {otherwise}' if otherwise else ''}")
        self.extra = extra


class PluginError(ShequnError):
    """A plugin failed to load, clashes with another or is too old."""

    def __init__(self, message: str, *, plugin: str = "", distribution: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin
        self.distribution = distribution


class NotSupported(ShequnError):
    """The manifest does not declare what was asked; no request was sent."""

    def __init__(self, message: str, *, platform: str = "", capability: str = "") -> None:
        super().__init__(message)
        self.platform = platform
        self.capability = capability


class InvalidInput(ShequnError, ValueError):
    """A file, record or argument that cannot be used; says where and why."""

    def __init__(
        self, message: str, *, source: str = "", line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.source = source
        self.line = line
        self.column = column


class UnknownName(InvalidInput):
    """Nothing of that name exists; the nearest names are in the message."""

    def __init__(self, kind: str, name: str, *, nearest: tuple[str, ...] = ()) -> None:
        hint = f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""
        super().__init__(f"no {kind} named {name!r}{hint}")
        self.kind = kind
        self.name = name
        self.nearest = nearest


class VerificationFailed(ShequnError):
    """An inbound webhook is forged, replayed, too old, too large or unreadable."""


class StoreError(ShequnError):
    """The operational store or the event store cannot do what was asked."""


class StoreBusy(StoreError):
    """Another process holds the store; `owner` says which, when that is known."""

    def __init__(self, message: str, *, owner: str = "") -> None:
        super().__init__(message)
        self.owner = owner


class StoreTooNew(StoreError):
    """The store was written by a newer version of shequn-sdk."""


class StoreDamaged(StoreError):
    """The file is not a store, or is damaged."""


class StoreFull(StoreError):
    """No space left on the device; the transaction was rolled back whole."""


class MissingGlyphs(ShequnError):
    """No font at hand can draw these characters; the message says how to get one."""

    def __init__(self, message: str, *, characters: str = "") -> None:
        super().__init__(message)
        self.characters = characters


class PlatformError(ShequnError):
    """A platform refused or failed; subclasses say how.

    Attributes:
        platform: name of the platform.
        operation: the platform's own name of the call, never a URL.
        code: the platform's code, as text ("" when it gave none).
        request_id: what to quote to the platform's support ("" when it gave none).
        landed: whether the content of the failed request may stand on the platform.
    """

    retryable: bool = False
    default_landed: Landing = Landing.SURELY_NOT

    def __init__(
        self,
        message: str,
        *,
        platform: str = "",
        operation: str = "",
        code: str | int = "",
        request_id: str = "",
        landed: Landing | None = None,
    ) -> None:
        super().__init__(message)
        self.platform = platform
        self.operation = operation
        self.code = str(code)
        self.request_id = request_id
        self.landed = self.default_landed if landed is None else landed


class AuthFailed(PlatformError):
    """The credentials are wrong, expired or revoked."""


class PermissionDenied(PlatformError):
    """The account lacks a right that the call needs."""


class TargetNotFound(PlatformError):
    """The channel, message or member is gone, or was never reachable."""


class TargetMoved(TargetNotFound):
    """The channel has another id now: repeat the call once with `new_id`."""

    def __init__(
        self, message: str, *, new_id: str, platform: str = "", operation: str = "", code: str | int = ""
    ) -> None:
        super().__init__(message, platform=platform, operation=operation, code=code)
        self.new_id = new_id


class InvalidContent(PlatformError):
    """The platform cannot take this form of content."""


class ContentRejected(PlatformError):
    """The platform's review refused the content (审核不通过)."""


class Conflict(PlatformError):
    """The state of the target does not allow it: already done, or two consumers."""


class RateLimited(PlatformError):
    """The platform asks to wait.

    Attributes:
        retry_after: how long, None when the platform did not say.
        scope: what is blocked: "app", "account", "channel", "endpoint" or "" when unknown.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        scope: str = "",
        platform: str = "",
        operation: str = "",
        code: str | int = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, platform=platform, operation=operation, code=code, request_id=request_id)
        self.retry_after = retry_after
        self.scope = scope


class Unavailable(PlatformError):
    """Network failure, time-out, 5xx, or an answer that makes no sense."""

    retryable = True
    default_landed = Landing.PERHAPS
