"""Run the contract suite of every plugin and write its outcome as a table into `docs/platforms/capabilities.md`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- contract -->\n).*?(<!-- /contract -->)", re.DOTALL)


def certificates() -> list[dict[str, Any]]:
    """Run the suites and give their certificates."""
    tests = [str(path) for path in sorted(ROOT.glob("plugins/*/tests/test_contract.py"))]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "certificates.json")
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--no-header", f"--shequn-certificate={file}", *tests],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return json.loads(file.read_text(encoding="utf-8"))["certificates"]


def table(found: list[dict[str, Any]]) -> str:
    """Give the table as Markdown."""
    rows = [
        "| account | suite | tests passed | skipped by the manifest | excused | certified |",
        "|---|---|---|---|---|---|",
    ]
    for item in sorted(found, key=lambda item: (item["platform"], item["mode"], item["contract"])):
        account = f"{item['platform']} {item['mode']}".strip()
        suite = item["contract"].rpartition("::")[2]
        certified = "✓" if item["certified"] else ""
        rows.append(
            f"| {account} | `{suite}` | {item['passed']} | {item['skipped']} | {len(item['excused'])} | {certified} |"
        )
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write."""
    made = table(certificates())
    print(made)
    path = ROOT / "docs/platforms/capabilities.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(BLOCK.sub(lambda match: match[1] + made + match[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
