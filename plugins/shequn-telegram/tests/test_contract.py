"""The conformance kit's suite, over the sandbox."""

from __future__ import annotations

import json

from shequn_sdk.platforms.ports import WebhookRequest
from shequn_sdk.testing.contract import AdapterContract, Rig
from shequn_telegram import shequn_platforms, shequn_sandboxes

UPDATE = {
    "update_id": 91,
    "message": {
        "message_id": 5,
        "from": {"id": 55, "is_bot": False, "first_name": "Li"},
        "chat": {"id": -1002223334445, "title": "读书会", "type": "supergroup"},
        "date": 1782000000,
        "text": "你好",
    },
}


class TestTelegram(AdapterContract):
    """Everything the manifest declares."""

    platform = next(iter(shequn_platforms()))
    sandbox = next(iter(shequn_sandboxes()))
    undated_webhooks = (
        "Telegram signs no time; a replayed update has the update_id of the first and is recognised by it"
    )

    def forum(self, rig: Rig) -> str:
        return str(rig.sandbox.describe()["named_channels"]["forum"])

    def role(self, rig: Rig) -> str:
        return "moderator"

    def sign_webhook(self, rig: Rig, body: bytes | None) -> WebhookRequest:
        return WebhookRequest(
            method="POST",
            path="/webhook",
            query={},
            headers={"x-telegram-bot-api-secret-token": rig.account.secret("webhook_secret")},
            body=json.dumps(UPDATE).encode() if body is None else body,
            received_at=rig.clock.now(),
        )
