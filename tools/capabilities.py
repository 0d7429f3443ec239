"""Write the capability tables from the plugins' manifests; `--check` only compares.

The READMEs get a column per platform, `docs/platforms/capabilities.md` one per kind of account.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.manifest import Capability, Manifest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- capabilities -->\n).*?(<!-- /capabilities -->)", re.DOTALL)


def tables() -> dict[str, str]:
    """Give the table of each file as Markdown."""
    specs = sorted(load_plugins().platforms.values(), key=lambda spec: spec.name)
    short = _table({spec.name: spec.manifests for spec in specs})
    long = _table({f"{m.platform} {m.mode}".strip(): [m] for spec in specs for m in spec.manifests})
    return {"README.md": short, "README.zh-CN.md": short, "docs/platforms/capabilities.md": long}


def _table(columns: Mapping[str, Sequence[Manifest]]) -> str:
    rows = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for capability in Capability:
        marks = [_mark(capability, manifests) for manifests in columns.values()]
        if any(marks):
            rows.append(f"| {capability.value.replace('_', ' ')} | " + " | ".join(marks) + " |")
    return "\n".join(rows) + "\n"


def _mark(capability: Capability, manifests: Sequence[Manifest]) -> str:
    """Say whether all, some or none of a platform's kinds of account can do it."""
    able = sum(manifest.supports(capability) for manifest in manifests)
    return "✓" if able == len(manifests) else "some" if able else ""


def main() -> int:
    """Write, or compare."""
    different = 0
    for name, made in tables().items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        fresh = BLOCK.sub(lambda match, made=made: match[1] + made + match[2], text)
        if fresh != text:
            different = 1
            if "--check" in sys.argv:
                print(f"{name}: the capability table is old; run tools/capabilities.py")
            else:
                path.write_text(fresh, encoding="utf-8")
    return different if "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
