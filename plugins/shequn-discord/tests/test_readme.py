"""The README's table is what the manifests say."""

from __future__ import annotations

from pathlib import Path

from shequn_discord.manifest import BOT, WEBHOOK
from shequn_sdk.platforms.manifest import Capability

README = Path(__file__).parent.parent / "README.md"


def table() -> str:
    modes = (BOT, WEBHOOK)
    rows = ["| | " + " | ".join(f"`{mode.mode}`" for mode in modes) + " |", "|---|" + ":-:|" * len(modes)]
    for capability in Capability:
        if any(mode.supports(capability) for mode in modes):
            marks = " | ".join("✓" if mode.supports(capability) else "" for mode in modes)
            rows.append(f"| {capability.replace('_', ' ')} | {marks} |")
    return "\n".join(rows) + "\n"


def test_table():
    text = README.read_text(encoding="utf-8")
    assert text.split("<!-- capabilities -->\n")[1].split("<!-- /capabilities -->")[0] == table()


def test_every_option_and_secret_is_described():
    text = README.read_text(encoding="utf-8")
    source = (Path(__file__).parent.parent / "src/shequn_discord/base.py").read_text(encoding="utf-8")
    import re

    names = set(re.findall(r'options\.get\("(\w+)"', source)) | set(re.findall(r'number\("(\w+)"', source))
    assert names
    for name in names | set(BOT.secrets) | set(WEBHOOK.secrets):
        assert f"`{name}`" in text, name
