"""Write the capability table of both READMEs from the plugins' manifests; `--check` only compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.manifest import Capability

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- capabilities -->\n).*?(<!-- /capabilities -->)", re.DOTALL)


def table() -> str:
    """Give the table as Markdown: one column per platform and mode."""
    specs = sorted(load_plugins().platforms.values(), key=lambda spec: spec.name)
    manifests = [manifest for spec in specs for manifest in spec.manifests]
    rows = [
        "| | " + " | ".join(f"{m.platform} {m.mode}".strip() for m in manifests) + " |",
        "|---|" + "---|" * len(manifests),
    ]
    for capability in Capability:
        if any(manifest.supports(capability) for manifest in manifests):
            marks = ["✓" if manifest.supports(capability) else "" for manifest in manifests]
            rows.append(f"| {capability.value.replace('_', ' ')} | " + " | ".join(marks) + " |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write, or compare."""
    made = table()
    different = 0
    for path in (ROOT / "README.md", ROOT / "README.zh-CN.md"):
        text = path.read_text(encoding="utf-8")
        fresh = BLOCK.sub(lambda match: match[1] + made + match[2], text)
        if fresh != text:
            different = 1
            if "--check" in sys.argv:
                print(f"{path.name}: the capability table is old; run tools/capabilities.py")
            else:
                path.write_text(fresh, encoding="utf-8")
    return different if "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
