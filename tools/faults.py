"""Proof by faults, the long form: `python tools/faults.py --seed 7 --deliveries 2000`.

Publishes through worker processes that are killed, frozen, stopped, given wrong clocks and full disks, to local platforms
that break connections, answer nonsense and refuse; then compares the ledger with what really stands there. Then it
listens under kills and doubled and late events, and compares the event store with what people did. Prints tables, writes
JSON, and ends with 1 when anything was lost, doubled, out of order, reported wrongly or left without an explanation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "faults_flow"))

from harness import Run, run_deliveries
from hearing import Hearing, run_listening
from judge import Report


def table(report: Report) -> str:
    """Give the verdicts as a Markdown table."""
    titles = ["account", "channels", "deliveries", "landed", "refused", "unknown for a time", "held", "lost"]
    titles += ["twice", "false reports", "out of order", "unexplained"]
    lines = [
        f"| {' | '.join(titles)} |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in report.verdicts.values():
        numbers = [one.channels, one.deliveries, one.landed, one.refused, one.unknown_once, one.held]
        numbers += [
            len(found) for found in (one.lost, one.duplicates, one.false_reports, one.order, one.unexplained)
        ]
        lines.append(
            f"| {one.account} ({one.platform}) | " + " | ".join(str(number) for number in numbers) + " |"
        )
    return "\n".join(lines)


def hearing_table(hearing: Hearing) -> str:
    """Give what was heard as a Markdown table."""
    lines = [
        "| platform | said | reactions | counted once | missing | counted twice |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in hearing.platforms.items():
        lines.append(
            f"| {name} | {one.said} | {one.reacted} | {one.once} | {len(one.missing)} | {len(one.twice)} |"
        )
    return "\n".join(lines)


def say(text: str) -> None:
    """Print with the time."""
    print(time.strftime("%X"), text, flush=True)


def run_of(seed: int, deliveries: int) -> Run:
    """Give a run whose events grow with its deliveries."""
    scale = max(1, deliveries // 250)
    return Run(
        seed=seed,
        deliveries=deliveries,
        kills=max(4, deliveries // 60),
        freezes=max(1, scale // 2),
        jumps=(45.0, -30.0, 90.0, -60.0) if deliveries > 500 else (9.0, -4.0),
        full_disks=max(1, scale // 2),
        stops=max(1, scale // 2),
        storm=6 if deliveries > 500 else 2,
        lease=20.0 if deliveries > 500 else 5.0,
        pause=(0.5, 3.0),
        settle=600.0,
    )


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--deliveries", type=int, default=2000)
    parser.add_argument(
        "--messages", type=int, default=400, help="messages to hear per platform; 0 leaves it out"
    )
    parser.add_argument("--home", type=Path, help="keep the workspace here, to look at it afterwards")
    parser.add_argument("--out", type=Path, default=Path("faults.json"), help="where to write the JSON")
    args = parser.parse_args()
    report = anyio.run(partial(run_deliveries, run_of(args.seed, args.deliveries), home=args.home, tell=say))
    written = {"deliveries": report.as_json()}
    findings = report.findings()
    print(
        f"\n{report.deliveries} deliveries in {report.seconds:.0f} s, seed {args.seed}\n\n{table(report)}\n"
    )
    for title, counts in (("done to workers", report.events), ("unknown because", report.causes)):
        print(f"{title}: " + ", ".join(f"{name} {number}" for name, number in counts.items()))
    print("done by platforms: " + ", ".join(f"{name} {number}" for name, number in report.faults.items()))
    for name, why in report.skipped.items():
        print(f"left out {name}: {why}")
    if args.messages:
        hearing = anyio.run(partial(run_listening, args.seed, messages=args.messages, tell=say))
        written["listening"] = hearing.as_json()
        findings += hearing.findings()
        print(f"\n{hearing_table(hearing)}\n")
    args.out.write_text(json.dumps(written, indent=1, ensure_ascii=False), encoding="utf-8")
    for finding in findings:
        print("WRONG", finding)
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
