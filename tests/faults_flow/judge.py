"""Compares the ledger with what really stands on the platforms."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from scene import Place, Scene, Stand

from shequn_sdk.publishing.trail import read

__all__ = ["Line", "Report", "Row", "Verdict", "judge", "read_ledger", "standing", "under_way"]

_MARKER = re.compile(r"(c\d{4})p(\d)")
_OPEN = "('planned', 'claimed', 'attempting', 'deferred')"
_EARLIER_HELD = (
    "select 1 from delivery h where h.batch = d.batch and h.account = d.account and h.channel = d.channel "
    "and h.part < d.part and h.state = 'unknown' and h.check_at is null"
)
_HOLDS = frozenset({"tg", "robot0", "robot1", "robot2"})
"""Accounts whose platform neither drops a repetition nor can be asked."""
_ADAPTER = "no certain answer"
_LEASE = re.compile(r"the lease of \S*?:(\d+):\w+ ended while the request was under way")
_STOPPED = "the worker was stopped while the request was under way"
_LONGEST = 15.0
"""Seconds after a fault within which a worker that may have been frozen writes down what it met."""
_SEEN = frozenset({"server_error", "server_error_after", "reset_before", "reset_after", "malformed", "slow"})
"""Faults of a request after which nobody knows whether it landed."""


class Row(NamedTuple):
    """A delivery as the store holds it."""

    id: int
    account: str
    channel: str
    content: str
    part: int
    parts: int
    state: str
    error: str
    native_id: str
    id_made_here: bool
    waits: bool
    """Whether an earlier piece of the same content is held for a person."""


class Line(NamedTuple):
    """A line of the audit trail."""

    delivery: int
    at: float
    new: str
    cause: str
    actor: str


@dataclass(slots=True)
class Verdict:
    """What one account's deliveries came to."""

    account: str
    platform: str
    channels: int = 0
    deliveries: int = 0
    landed: int = 0
    refused: int = 0
    unknown_once: int = 0
    """Deliveries whose fate was unknown for a time."""
    held: int = 0
    """Unknowns that were held for a person."""
    lost: list[str] = field(default_factory=list[str])
    duplicates: list[str] = field(default_factory=list[str])
    false_reports: list[str] = field(default_factory=list[str])
    order: list[str] = field(default_factory=list[str])
    unexplained: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Report:
    """A fault run's outcome."""

    seed: int
    seconds: float = 0.0
    verdicts: dict[str, Verdict] = field(default_factory=dict[str, Verdict])
    faults: dict[str, int] = field(default_factory=dict[str, int])
    events: dict[str, int] = field(default_factory=dict[str, int])
    causes: dict[str, int] = field(default_factory=dict[str, int])
    """Why deliveries became unknown."""
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    problems: list[str] = field(default_factory=list[str])
    """What does not belong to one account: a worker that ended by itself, a run that did not settle."""

    @property
    def deliveries(self) -> int:
        return sum(verdict.deliveries for verdict in self.verdicts.values())

    def findings(self) -> list[str]:
        """Give everything that must not be."""
        found = list(self.problems)
        for verdict in self.verdicts.values():
            for name in ("lost", "duplicates", "false_reports", "order", "unexplained"):
                found += [f"{verdict.account} {name}: {one}" for one in getattr(verdict, name)]
        return found

    def as_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {**asdict(self), "deliveries": self.deliveries}


def _connect(ledger: Path | str) -> Any:
    """Open a ledger to read it: an SQLite file, or the URL of a PostgreSQL database."""
    if isinstance(ledger, Path):
        return sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=20)
    import psycopg

    return psycopg.connect(ledger, autocommit=True)


def read_ledger(ledger: Path | str) -> tuple[list[Row], list[Line]]:
    """Read all deliveries and the whole audit trail."""
    native, made = "json_extract(post, '$.native_id')", "json_extract(post, '$.attrs.id_made_here')"
    if not isinstance(ledger, Path):
        native, made = "post::json ->> 'native_id'", "post::json -> 'attrs' ->> 'id_made_here'"
    with closing(_connect(ledger)) as conn:
        rows = [
            Row(*values[:8], values[8] or "", values[9] in {1, "true"}, bool(values[10]))
            for values in conn.execute(
                f"select id, account, channel, content_id, part, parts, state, error, {native}, {made}, "
                f"exists ({_EARLIER_HELD}) from delivery d order by id"
            )
        ]
        trail = [
            Line(step.delivery_id, step.at.timestamp(), str(step.new), step.cause, step.actor)
            for delivery, text in conn.execute("select id, trail from delivery order by id")
            for step in read(delivery, text)
        ]
    return rows, trail


def under_way(ledger: Path | str) -> int:
    """Count the deliveries that nobody has to touch and that are not at rest yet."""
    with closing(_connect(ledger)) as conn:
        query = (
            f"select count(*) from delivery d where check_at is not null or (state in {_OPEN} "
            f"and not exists ({_EARLIER_HELD}))"
        )
        return int(conn.execute(query).fetchone()[0])


def standing(scene: Scene) -> dict[Place, list[tuple[str, int, Stand]]]:
    """Give what stands in each place, oldest first: content, part, message."""
    found: dict[Place, list[tuple[str, int, Stand]]] = {}
    for place in scene.places:
        sandbox = scene.server["wecom" if place.platform == "robot" else place.platform]
        here = found[place] = []
        for message in reversed(sandbox.messages(place.shown, limit=100_000)):
            match = _MARKER.match(message.text) if message.by_account else None
            if match:
                here.append((match[1], int(match[2]), Stand(message.native_id, message.at)))
    return found


def judge(
    scene: Scene,
    ledger: Path | str,
    *,
    faults: Sequence[tuple[float, str, str, Any]],
    harmed: frozenset[int],
    offsets: Sequence[float],
    stalls: Sequence[float] = (),
) -> tuple[dict[str, Verdict], dict[str, int]]:
    """Judge every delivery; gives a verdict per account, and why deliveries became unknown.

    Args:
        faults: what the platforms did wrong: instant, platform, operation, kind.
        harmed: processes that were killed, frozen, told to stop, or lived through a jump of the clock.
        offsets: by how much the clock of the workers was ever wrong, in seconds.
        stalls: when the machine on which the platforms run stood still for a second or more.
    """
    rows, trail = read_ledger(ledger)
    stands = standing(scene)
    places = {(place.account, place.channel): place for place in scene.places}
    verdicts: dict[str, Verdict] = {}
    for place in scene.places:
        verdict = verdicts.setdefault(place.account, Verdict(place.account, place.platform))
        verdict.channels += 1
    history: defaultdict[int, list[Line]] = defaultdict(list)
    for line in trail:
        history[line.delivery].append(line)
    _judge_rows(rows, stands, places, verdicts)
    _judge_plan(scene, rows, verdicts)
    causes: Counter[str] = Counter()
    once = {row.id for row in rows if any(line.new == "unknown" for line in history[row.id])}
    for row in rows:
        verdict = verdicts[row.account]
        verdict.unknown_once += row.id in once
        verdict.held += any("held for a person" in line.cause for line in history[row.id])
    causes.update(_explain(rows, history, verdicts, faults, harmed, offsets, stalls))
    _judge_order(rows, stands, places, verdicts, once)
    return verdicts, dict(causes)


def _judge_rows(
    rows: Sequence[Row],
    stands: Mapping[Place, list[tuple[str, int, Stand]]],
    places: Mapping[tuple[str, str], Place],
    verdicts: Mapping[str, Verdict],
) -> None:
    copies: defaultdict[tuple[Place, str, int], list[Stand]] = defaultdict(list)
    for place, found in stands.items():
        for content, part, stand in found:
            copies[place, content, part].append(stand)
    for row in rows:
        verdict, place = verdicts[row.account], places[row.account, row.channel]
        name = f"{row.account}:{row.channel} {row.content}p{row.part} (delivery {row.id}, {row.state})"
        here = copies.pop((place, row.content, row.part), [])
        verdict.deliveries += 1
        verdict.landed += row.state == "landed"
        verdict.refused += row.state == "refused"
        if len(here) > 1:
            verdict.duplicates.append(f"{name} stands {len(here)} times")
        if row.state == "landed":
            if not here:
                verdict.lost.append(f"{name} is reported as landed and stands nowhere")
            elif not row.id_made_here and row.native_id not in {stand.native_id for stand in here}:
                verdict.false_reports.append(
                    f"{name} is reported as {row.native_id}, which is another message"
                )
        elif row.state in {"refused", "cancelled", "expired"}:
            if here:
                verdict.false_reports.append(f"{name} stands there: {row.error}")
            elif not place.closed:
                verdict.lost.append(f"{name} was given up: {row.error}")
        elif row.state == "unknown":
            if row.account not in _HOLDS:
                verdict.unexplained.append(f"{name} is held: {row.error}")
        elif not (row.state == "planned" and row.waits):
            verdict.lost.append(f"{name} is not at rest: {row.error}")
    for (place, content, part), here in copies.items():
        verdicts[place.account].false_reports.append(
            f"{place.ref} {content}p{part} stands there unasked: {here}"
        )


def _judge_plan(scene: Scene, rows: Sequence[Row], verdicts: Mapping[str, Verdict]) -> None:
    written = Counter((f"{row.account}:{row.channel}", row.content) for row in rows)
    for (ref, content), pieces in scene.planned.items():
        if written[ref, content] != pieces:
            verdict = verdicts[ref.partition(":")[0]]
            verdict.lost.append(f"{ref} {content}: {written[ref, content]} of {pieces} pieces in the ledger")


def _judge_order(
    rows: Sequence[Row],
    stands: Mapping[Place, list[tuple[str, int, Stand]]],
    places: Mapping[tuple[str, str], Place],
    verdicts: Mapping[str, Verdict],
    once: set[int],
) -> None:
    """Contents stand in the order in which they were published, and pieces in theirs.

    Others may overtake a content whose piece is held for a person; the order of the pieces is kept even then.
    """
    overtaken = {
        (places[row.account, row.channel], row.content)
        for row in rows
        if row.id in once and row.account in _HOLDS
    }
    for place, found in stands.items():
        order = [(content, part) for content, part, _ in found if (place, content) not in overtaken]
        for before, after in pairwise(order):
            if after < before:
                verdicts[place.account].order.append(f"{place.ref}: {after} stands after {before}")
        parts: dict[str, int] = {}
        for content, part, _ in found:
            if part < parts.get(content, -1):
                verdicts[place.account].order.append(
                    f"{place.ref}: {content}p{part} stands after a later piece"
                )
            parts[content] = part


def _explain(
    rows: Sequence[Row],
    history: Mapping[int, list[Line]],
    verdicts: Mapping[str, Verdict],
    faults: Sequence[tuple[float, str, str, Any]],
    harmed: frozenset[int],
    offsets: Sequence[float],
    stalls: Sequence[float],
) -> Counter[str]:
    """Find for each unknown the fault that made it; each fault of a platform explains one unknown at most."""
    causes: Counter[str] = Counter()
    struck: defaultdict[str, list[float]] = defaultdict(list)
    for at, platform, _, kind in faults:
        if str(kind) in _SEEN:
            struck[platform].append(at)
    asking: defaultdict[str, list[tuple[Verdict, str, list[int]]]] = defaultdict(list)
    for row in rows:
        verdict = verdicts[row.account]
        platform = "wecom" if verdict.platform == "robot" else verdict.platform
        for line in _fresh_unknowns(history[row.id]):
            name = f"delivery {row.id}: {line.cause}"
            lease = _LEASE.search(line.cause)
            if lease is not None:
                causes["a worker was killed, frozen, or its clock jumped"] += 1
                if int(lease[1]) not in harmed:
                    verdict.unexplained.append(f"{name}, and nothing had happened to that worker")
            elif line.cause.startswith(_ADAPTER) and _STOPPED in line.cause:
                causes["a worker was told to stop"] += 1
            elif line.cause.startswith(_ADAPTER):
                causes["the platform's answer did not come or made no sense"] += 1
                near = [
                    number
                    for number, at in enumerate(struck[platform])
                    if any(-1.0 <= line.at - offset - at <= _LONGEST for offset in offsets)
                ]
                busy = any(-1.0 <= line.at - offset - at <= _LONGEST for offset in offsets for at in stalls)
                if busy and "Timeout" in line.cause:
                    causes["the machine of the platforms stood still"] += 1
                else:
                    asking[platform].append((verdict, name, near))
            else:
                causes[line.cause] += 1
                verdict.unexplained.append(f"{name}: no fault makes that")
    for platform, questions in asking.items():
        for verdict, name in _without_fault(questions):
            verdict.unexplained.append(f"{name}, and {platform} had done nothing wrong then")
    return causes


def _fresh_unknowns(lines: Sequence[Line]) -> list[Line]:
    return [
        line
        for before, line in zip([None, *lines], lines, strict=False)
        if line.new == "unknown" and (before is None or before.new != "unknown")
    ]


def _without_fault(questions: Sequence[tuple[Verdict, str, list[int]]]) -> list[tuple[Verdict, str]]:
    """Give those for whom no fault is left when each takes one: a largest matching by augmenting paths."""
    taken: dict[int, int] = {}

    def place(question: int, seen: set[int]) -> bool:
        for fault in questions[question][2]:
            if fault in seen:
                continue
            seen.add(fault)
            if fault not in taken or place(taken[fault], seen):
                taken[fault] = question
                return True
        return False

    return [questions[number][:2] for number in range(len(questions)) if not place(number, set())]
