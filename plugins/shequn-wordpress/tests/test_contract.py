"""The contract suite, for an editor, and for an account whose posts cannot be found again."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from shequn_sdk.platforms.hooks import PlatformSpec, SandboxSpec
from shequn_sdk.testing.contract import AdapterContract
from shequn_wordpress import shequn_platforms, shequn_sandboxes

[PLATFORM] = shequn_platforms()
[SANDBOX] = shequn_sandboxes()
UNKNOWN = b'{"wordpress":"never_heard_of","row":{"id":7}}'


class TestEditor(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    unknown_channel = "category:987654"
    unknown_event = UNKNOWN


class TestOwnAddresses(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    options = MappingProxyType({"slug_from_key": False})
    unknown_channel = "category:987654"
    unknown_event = UNKNOWN
