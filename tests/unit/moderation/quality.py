# ruff: noqa: T201 - run by hand, it says how good the detectors are
"""The labelled messages, and what detectors make of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

KINDS = ("advert", "scam", "negative", "conflict")
ALIKE = {"junk": {"advert", "scam"}}
FOLDER = Path(__file__).parent


class Labelled(NamedTuple):
    labels: frozenset[str]
    language: str
    text: str

    @property
    def held_out(self):
        """Half of them, by a hash of the text: never looked at while words and weights were chosen."""
        return hashlib.sha256(self.text.encode()).digest()[0] % 2 == 1


def load(name="labelled"):
    rows = []
    for line in (FOLDER / f"{name}.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            labels, language, text = line.split("\t")
            rows.append(Labelled(frozenset(labels.split("+")) - {"none"}, language, text))
    return rows


def measure(content, rows, *, threshold=0.5):
    """Give, per kind, (precision, recall, hits, cases, false alarms)."""
    result = {}
    for kind in (*KINDS, *ALIKE):
        kinds = ALIKE.get(kind, {kind})
        right = wrong = cases = 0
        for row in rows:
            found = any(
                one.kind in kinds and one.score >= threshold for one in content.read(row.text).verdicts
            )
            cases += bool(kinds & row.labels)
            right += found and bool(kinds & row.labels)
            wrong += found and not kinds & row.labels
        result[kind] = (
            right / (right + wrong) if right + wrong else None,
            right / cases if cases else None,
            right,
            cases,
            wrong,
        )
    return result


if __name__ == "__main__":
    import sys

    from shequn_sdk.moderation.detectors.content import Content

    content = Content()
    rows = load()
    for name, part in (
        ("fresh", load("fresh")),
        ("blind", load("blind")),
        ("later", load("later")),
        ("tricky", load("tricky")),
        ("tune", [r for r in rows if not r.held_out]),
        ("held out", [r for r in rows if r.held_out]),
    ):
        print(name, len(part))
        for kind, (precision, recall, right, cases, wrong) in measure(content, part).items():
            shares = " ".join("  – " if one is None else f"{one:.2f}" for one in (precision, recall))
            print(f"  {kind:9} precision, recall {shares} ({right}/{cases}, {wrong} false)")
    if "-v" in sys.argv:
        for row in rows:
            if row.held_out:
                continue
            found = {one.kind: one.score for one in content.read(row.text).verdicts}
            for kind in KINDS:
                hit = found.get(kind, 0) >= 0.5
                if hit != (kind in row.labels):
                    print("MISS " if not hit else "FALSE", kind, found, row.text)
