"""The manifests, and what the README says of them."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from shequn_sdk.domain import Account
from shequn_sdk.platforms.manifest import Capability, LengthUnit
from shequn_wecom import shequn_platforms
from shequn_wecom.manifest import MANIFESTS, manifest_for

BY_MODE = {manifest.mode: manifest for manifest in MANIFESTS}


def test_readme_has_the_table_of_the_manifests():
    text = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    table = text.split("<!-- capabilities -->\n")[1].split("<!-- /capabilities -->")[0]
    rows = ["| | " + " | ".join(f"`{mode}`" for mode in BY_MODE) + " |", "|---|" + ":-:|" * len(BY_MODE)]
    for capability in Capability:
        marks = ["✓" if manifest.supports(capability) else "" for manifest in MANIFESTS]
        if any(marks):
            rows.append(f"| {capability.value.replace('_', ' ')} | " + " | ".join(marks) + " |")
    assert table == "\n".join(rows) + "\n"


def test_limits_are_bytes():
    assert {mode: manifest.limits.text.maximum for mode, manifest in BY_MODE.items()} == {
        "app": 2048,
        "robot": 2048,
        "appchat": 2048,
        "customer": 4000,
    }
    assert all(manifest.limits.text.unit is LengthUnit.UTF8 for manifest in MANIFESTS)


def test_rate_limits_of_the_document():
    [robot] = BY_MODE["robot"].limits_for("publish", "robot")
    assert (robot.amount, robot.per) == (20, timedelta(minutes=1))
    assert {limit.amount for limit in BY_MODE["app"].limits_for("publish", "user:lin")} == {30, 1000}
    assert {limit.amount for limit in BY_MODE["app"].limits_for("publish", "@all")} == {30, 1000}
    [mass] = BY_MODE["customer"].limits_for("publish", "wrA1")
    assert mass.amount == 28
    day = manifest_for(Account(name="a", platform="wecom", options={"mode": "customer", "mass_quota": "day"}))
    assert day.limits_for("publish", "wrA1")[0].per == timedelta(days=1)


def test_every_missing_capability_says_more_than_nothing():
    for manifest in MANIFESTS:
        for capability in (Capability.EDIT, Capability.REACT, Capability.READ_HISTORY, Capability.REPLY):
            assert len(manifest.explain(capability)) > 60
    assert "no API posts into a customer group" in BY_MODE["customer"].explain(Capability.REPLY)


def test_listening_needs_the_callback_secrets():
    deaf = manifest_for(Account(name="a", platform="wecom"))
    assert not deaf.supports(Capability.WEBHOOK)
    assert "callback_token" in deaf.explain(Capability.WEBHOOK)
    assert not deaf.reports
    secrets = {"callback_token": SecretStr("t"), "encoding_aes_key": SecretStr("k")}
    assert manifest_for(Account(name="a", platform="wecom", secrets=secrets)).supports(Capability.WEBHOOK)


def test_the_hook_offers_four_modes():
    [spec] = shequn_platforms()
    assert [manifest.mode for manifest in spec.manifests] == ["app", "robot", "appchat", "customer"]


def test_importing_the_plugin_loads_nothing_heavy():
    code = "import sys, shequn_wecom; print([m for m in ('starlette','cryptography','httpx','defusedxml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
