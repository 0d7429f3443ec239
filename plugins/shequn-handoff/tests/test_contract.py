"""The contract suite, for a group and for a place with links."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from shequn_handoff import shequn_platforms, shequn_sandboxes
from shequn_sdk.platforms.hooks import PlatformSpec, SandboxSpec
from shequn_sdk.testing.contract import AdapterContract

[PLATFORM] = shequn_platforms()
[SANDBOX] = shequn_sandboxes()


class TestWechatGroup(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    unknown_channel = "没有这个群"


class TestXiaohongshu(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType({"place": "xiaohongshu"})
    unknown_channel = "没有这个账号"
