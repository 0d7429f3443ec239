"""The contract suite, once for each mode."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar
from urllib.parse import parse_qsl

from shequn_sdk.platforms.hooks import PlatformSpec, SandboxSpec
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_sdk.testing.contract import AdapterContract
from shequn_wecom import shequn_platforms, shequn_sandboxes

[PLATFORM] = shequn_platforms()
[SANDBOX] = shequn_sandboxes()

TYPICAL = (
    "<xml><ToUserName>ww1</ToUserName><FromUserName>lin</FromUserName><CreateTime>1772409600</CreateTime>"
    "<MsgType>text</MsgType><Content>打卡</Content><MsgId>77</MsgId><AgentID>1000002</AgentID></xml>"
)


def signed(rig, body: bytes | None) -> WebhookRequest:
    plain = TYPICAL if body is None else body.decode()
    query, envelope = rig.sandbox.callbacks.envelope(plain)
    return WebhookRequest("POST", "/wecom", dict(parse_qsl(query)), {}, envelope, rig.clock.now())


def heard(rig):
    """What the callbacks told, newest last."""
    waiting = [signed(rig, plain.encode()) for plain in rig.sandbox.callbacks.waiting]
    events = [raw for request in waiting for raw in rig.adapter.verify(request).events]
    return [one for raw in events for one in rig.adapter.parse(raw).interactions]


class TestApp(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType({"mode": "app"})
    unknown_channel = "user:nobody"

    def sign_webhook(self, rig, body):
        return signed(rig, body)

    async def shown_picture(self, rig, picture):
        rig.sandbox.show(rig.channel, rig.person(), picture)
        return heard(rig)[-1]


class TestRobot(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType({"mode": "robot"})
    unknown_channel = "elsewhere"


class TestAppChat(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType({"mode": "appchat"})
    unknown_channel = "nowhere"


class TestCustomer(AdapterContract):
    platform: ClassVar[PlatformSpec] = PLATFORM
    sandbox: ClassVar[SandboxSpec] = SANDBOX
    sandbox_options = MappingProxyType({"mode": "customer"})
    unknown_channel = "wrNowhere"

    def sign_webhook(self, rig, body):
        return signed(rig, body)

    def tag(self, rig):
        return rig.described["tags"][0]

    def tags_of(self, rig, member):
        follows = rig.sandbox.world.customers[member].follows.values()
        return {tag for follow in follows for tag in follow.tags}

    def member_to_tag(self, rig):
        person = rig.person()
        rig.sandbox.join("customers", person)
        return rig.sandbox.member_id(person)

    async def newcomer(self, rig):
        rig.sandbox.join("customers", rig.person())
        return heard(rig)[-1]
