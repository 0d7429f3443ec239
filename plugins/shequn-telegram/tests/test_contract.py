"""The conformance kit's suite, over the sandbox."""

from __future__ import annotations

from shequn_sdk.testing.contract import AdapterContract
from shequn_telegram import shequn_platforms, shequn_sandboxes


class TestTelegram(AdapterContract):
    """Everything the manifest declares."""

    platform = next(iter(shequn_platforms()))
    sandbox = next(iter(shequn_sandboxes()))
