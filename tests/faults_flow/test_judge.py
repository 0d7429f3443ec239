"""The judge sees what is wrong: it is shown ledgers and platforms that differ."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import judge as judging
from judge import Line, Report, Row
from scene import Place, Stand

AT = datetime(2026, 3, 1, tzinfo=UTC)
PLACE = Place("dc", "1", "discord", "1")
CHAT = Place("tg", "2", "telegram", "2")


def row(number: int, state: str, *, place: Place = PLACE, part: int = 0, native: str = "") -> Row:
    """A delivery of content c000N."""
    native = native or (f"m{number}" if state == "landed" else "")
    return Row(
        number, place.account, place.channel, f"c{number:04d}", part, 1, state, "", native, False, False
    )


def verdict_of(
    monkeypatch: pytest.MonkeyPatch,
    rows: list[Row],
    stands: list[tuple[int, str]],
    *,
    trail: list[Line] | None = None,
    faults: list[tuple[float, str, str, Any]] | None = None,
    harmed: frozenset[int] = frozenset(),
    place: Place = PLACE,
    planned: int | None = None,
) -> list[str]:
    """Judge `rows` against messages, each the number of its content and its native id."""
    found = [(f"c{number:04d}", 0, Stand(native, AT)) for number, native in stands]
    monkeypatch.setattr(judging, "standing", lambda scene: {place: found})
    monkeypatch.setattr(judging, "read_ledger", lambda path: (rows, trail or []))
    numbers = range(1, (len(rows) if planned is None else planned) + 1)
    scene = SimpleNamespace(places=[place], planned={(place.ref, f"c{number:04d}"): 1 for number in numbers})
    verdicts, _ = judging.judge(
        scene,  # type: ignore[arg-type]
        Path("nowhere"),
        faults=faults or [],
        harmed=harmed,
        offsets=[0.0],
    )
    report = Report(1)
    report.verdicts = verdicts
    return report.findings()


def test_a_faithful_ledger_has_no_findings(monkeypatch):
    rows = [row(1, "landed"), row(2, "landed")]
    assert verdict_of(monkeypatch, rows, [(1, "m1"), (2, "m2")]) == []


@pytest.mark.parametrize(
    ("rows", "stands", "word"),
    [
        ([row(1, "landed")], [], "lost"),
        ([row(1, "planned")], [], "lost"),
        ([row(1, "refused")], [], "lost"),
        ([row(1, "landed")], [(1, "m1"), (1, "m9")], "duplicates"),
        ([row(1, "refused")], [(1, "m1")], "false_reports"),
        ([row(1, "landed", native="m7")], [(1, "m1")], "false_reports"),
        ([row(1, "landed")], [(1, "m1"), (5, "m5")], "false_reports"),
        ([row(1, "landed"), row(2, "landed")], [(2, "m2"), (1, "m1")], "order"),
        ([row(1, "unknown")], [], "unexplained"),
    ],
)
def test_each_wrong_is_named(monkeypatch, rows, stands, word):
    findings = verdict_of(monkeypatch, rows, stands)
    assert findings
    assert word in findings[0]


def test_what_never_reached_the_ledger_is_lost(monkeypatch):
    findings = verdict_of(monkeypatch, [row(1, "landed")], [(1, "m1")], planned=2)
    assert [finding for finding in findings if "lost" in finding and "c0002" in finding]


def line(delivery: int, cause: str, at: float = 100.0) -> Line:
    """A step to `unknown`."""
    return Line(delivery, at, "unknown", cause, "worker")


def test_each_fault_explains_one_unknown(monkeypatch):
    rows = [row(1, "unknown", place=CHAT), row(2, "unknown", place=CHAT)]
    trail = [line(1, "no certain answer: reset"), line(2, "no certain answer: reset", at=101.0)]
    one = [(99.0, "telegram", "publish", "reset_after")]
    assert len(verdict_of(monkeypatch, rows, [], trail=trail, faults=one, place=CHAT)) == 1
    two = [*one, (100.5, "telegram", "publish", "malformed")]
    assert verdict_of(monkeypatch, rows, [], trail=trail, faults=two, place=CHAT) == []
    elsewhere = [*one, (100.5, "discord", "publish", "malformed")]
    assert len(verdict_of(monkeypatch, rows, [], trail=trail, faults=elsewhere, place=CHAT)) == 1


def test_a_lease_that_ended_needs_a_worker_that_was_harmed(monkeypatch):
    rows = [row(1, "unknown", place=CHAT)]
    trail = [line(1, "the lease of host-1:4242:ab12 ended while the request was under way")]
    assert verdict_of(monkeypatch, rows, [], trail=trail, harmed=frozenset({4242}), place=CHAT) == []
    assert len(verdict_of(monkeypatch, rows, [], trail=trail, harmed=frozenset({17}), place=CHAT)) == 1
