"""The contract suite, once for each level, and with the fan service."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import parse_qsl

from shequn_sdk.domain import Piece
from shequn_sdk.platforms.hooks import PlatformSpec, SandboxSpec
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_sdk.testing.contract import AdapterContract
from shequn_weibo import shequn_platforms, shequn_sandboxes
from shequn_weibo.wire import format_time

[PLATFORM] = shequn_platforms()
[SANDBOX] = shequn_sandboxes()
UNKNOWN = b'{"polled":"never_heard_of","owner":"1","at":"2026-03-02T04:00:00+00:00","row":{"id":7}}'


def linked(text: str) -> Piece:
    return Piece(text=f"{text} https://club.example.com/d7")


class TestNormal(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    unknown_event = UNKNOWN

    def piece(self, text):
        return linked(text)


class TestUnreviewed(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType({"level": "test"})
    unknown_event = UNKNOWN

    def piece(self, text):
        return linked(text)


class TestCommercial(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType({"level": "commercial"})
    unknown_event = UNKNOWN

    def piece(self, text):
        return linked(text)


class TestFanService(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType(
        {"fan_service": True, "string_codes": True, "string_counts": True, "phantom_rows": 7}
    )
    unknown_event = (
        b'{"type":"never_heard_of","sender_id":1,"receiver_id":2,"created_at":"","text":"","data":{}}'
    )

    def piece(self, text):
        return linked(text)

    def sign_webhook(self, rig, body):
        if body is None:
            member = int(rig.described["members"][0])
            typical = {
                "type": "text",
                "receiver_id": int(rig.channel),
                "sender_id": member,
                "created_at": format_time(rig.clock.now()),
                "text": "打卡",
                "data": {},
            }
            body = json.dumps(typical).encode()
        query = dict(parse_qsl(rig.sandbox.fans.query()))
        return WebhookRequest("POST", "/weibo", query, {}, body, rig.clock.now())
