"""The shared contract suite, for both modes of the adapter."""

from __future__ import annotations

import json
from types import MappingProxyType

from pydantic import SecretStr

from shequn_discord import shequn_platforms, shequn_sandboxes
from shequn_discord.sandbox.routes_apps import make_interaction, signed
from shequn_sdk.platforms.ports import WebhookRequest
from shequn_sdk.testing.contract import AdapterContract, Rig


class TestDiscordBot(AdapterContract):
    platform = next(iter(shequn_platforms()))
    sandbox = next(iter(shequn_sandboxes()))
    unknown_event = b'{"t":"NEVER_HEARD_OF","s":9,"op":0,"d":{"x":1}}'

    def role(self, rig: Rig) -> str:
        return str(rig.described["roles"]["志愿者"])

    def sign_webhook(self, rig: Rig, body: bytes | None) -> WebhookRequest:
        world = rig.sandbox.world
        if body is None:
            channel = world.channels[rig.channel]
            user = rig.described["named_members"]["lilei"]
            data = {"component_type": 2, "custom_id": "go"}
            body = json.dumps(make_interaction(world, channel, user, 3, data)).encode()
        return WebhookRequest("POST", "/", {}, signed(world, body), body, rig.clock.now())


class TestDiscordWebhook(AdapterContract):
    platform = next(iter(shequn_platforms()))
    sandbox = next(iter(shequn_sandboxes()))
    options = MappingProxyType({"mode": "webhook"})

    def make_account(self, server):
        account = super().make_account(server)
        url = server["discord"].describe()["webhook_url"]
        return account.model_copy(
            update={"secrets": {"webhook_url": SecretStr(url)}, "options": {"mode": "webhook"}}
        )
