"""Signs of farming in the ledger: what was seen, with evidence; judging is for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from shequn_sdk.incentives._specs import faces
from shequn_sdk.incentives.models import Signal
from shequn_sdk.stores.tables.incentives import points_account, points_entry
from shequn_sdk.stores.tables.members import identity

__all__ = ["find"]

_PAIR = 8
"""Reactions each way that make a pair worth a look …"""
_SHARE = 0.5
"""… when they are at least this share of all that each of the two gives."""
_BURST = 20
_MINUTE = 60_000_000
_ALIKE = 6
_COPIERS = 3
_EVIDENCE = 10


def find(conn: Connection, community: str, since: int) -> Sequence[Signal]:
    """Give all signals of awards since an instant, strongest first within each kind."""
    query = (
        select(
            identity.c.person_id.label("person"),
            points_entry.c.at,
            points_entry.c.place,
            points_entry.c.fingerprint,
        )
        .join(points_account, points_account.c.id == points_entry.c.target_id)
        .join(identity, identity.c.id == points_account.c.identity_id)
        .where(
            points_entry.c.community == community,
            points_entry.c.kind == "award",
            points_entry.c.at >= since,
            points_entry.c.place != "",
        )
        .order_by(points_entry.c.at, points_entry.c.id)
    )
    rows: list[Any] = list(conn.execute(query))
    named = faces(conn, {row.person for row in rows})
    names = {person: member for person, (member, _) in named.items()}
    return [*_pairs(rows, names), *_bursts(rows, names), *_alike(rows, names), *_copied(rows, names)]


def _pairs(rows: Sequence[Any], names: dict[int, str]) -> list[Signal]:
    """Two who give each other most of their reactions; several such pairs that hang together are a ring."""
    authors = {row.place.partition("/")[2]: row.person for row in rows if row.place.startswith("message/")}
    given: defaultdict[int, Counter[int]] = defaultdict(Counter)
    where: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for row in rows:
        if not row.place.startswith("reaction/"):
            continue
        author = authors.get(row.place.partition("/")[2].rpartition("/")[0])
        if author is not None and author != row.person:
            given[row.person][author] += 1
            where[row.person, author].append(row.place)

    def heavy(one: int, other: int) -> bool:
        count = given[one][other]
        return count >= _PAIR and count >= _SHARE * given[one].total()

    linked: defaultdict[int, set[int]] = defaultdict(set)
    found: list[Signal] = []
    for one, targets in list(given.items()):
        for other in list(targets):
            if one < other and heavy(one, other) and heavy(other, one):
                there, back = given[one][other], given[other][one]
                linked[one].add(other)
                linked[other].add(one)
                found.append(
                    Signal(
                        kind="pair",
                        members=(names[one], names[other]),
                        count=there + back,
                        words=f"they gave each other {there} and {back} reactions, of {given[one].total()} and "
                        f"{given[other].total()} in all",
                        evidence=(*where[one, other][:5], *where[other, one][:5]),
                    )
                )
    found.sort(key=lambda signal: (-signal.count, signal.members))
    return [*found, *_rings(given, names, where)]


def _rings(
    given: dict[int, Counter[int]], names: dict[int, str], where: dict[tuple[int, int], list[str]]
) -> list[Signal]:
    """Groups of three and more in which everybody's favourite is the next, and the last one's the first."""
    favourite = {
        one: targets.most_common(1)[0][0]
        for one, targets in given.items()
        if targets and targets.most_common(1)[0][1] >= max(_PAIR, _SHARE * targets.total())
    }
    found: list[Signal] = []
    done: set[int] = set()
    for start in sorted(favourite):
        path: list[int] = []
        one = start
        while one in favourite and one not in path and one not in done:
            path.append(one)
            one = favourite[one]
        if one in path:
            ring = path[path.index(one) :]
            if len(ring) >= 3:
                links = list(zip(ring, [*ring[1:], ring[0]], strict=True))
                count = sum(given[giver][taker] for giver, taker in links)
                found.append(
                    Signal(
                        kind="ring",
                        members=tuple(names[member] for member in ring),
                        count=count,
                        words=f"each gives most of their reactions to the next: {count} in a ring of {len(ring)}",
                        evidence=tuple(where[link][0] for link in links)[:_EVIDENCE],
                    )
                )
        done |= set(path)
    return found


def _bursts(rows: Sequence[Any], names: dict[int, str]) -> list[Signal]:
    times: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        times[row.person].append(row)
    found: list[Signal] = []
    for person, awards in times.items():
        first = best = 0
        window: list[Any] = []
        for last, row in enumerate(awards):
            while row.at - awards[first].at > _MINUTE:
                first += 1
            if last - first + 1 > best:
                best, window = last - first + 1, awards[first : last + 1]
        if best >= _BURST:
            found.append(
                Signal(
                    kind="burst",
                    members=(names[person],),
                    count=best,
                    words=f"{best} awards within a minute",
                    evidence=tuple(row.place for row in window[:_EVIDENCE]),
                )
            )
    return sorted(found, key=lambda signal: (-signal.count, signal.members))


def _alike(rows: Sequence[Any], names: dict[int, str]) -> list[Signal]:
    texts: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.fingerprint:
            texts[row.person, row.fingerprint].append(row.place)
    found = [
        Signal(
            kind="alike",
            members=(names[person],),
            count=len(places),
            words=f"{len(places)} messages of nothing but emoji"
            if mark == "emoji"
            else f"{len(places)} messages that are all but the same",
            evidence=tuple(places[:_EVIDENCE]),
        )
        for (person, mark), places in texts.items()
        if len(places) >= _ALIKE
    ]
    return sorted(found, key=lambda signal: (-signal.count, signal.members))


def _copied(rows: Sequence[Any], names: dict[int, str]) -> list[Signal]:
    texts: defaultdict[str, dict[int, list[str]]] = defaultdict(dict)
    for row in rows:
        if row.fingerprint and row.fingerprint != "emoji":
            texts[row.fingerprint].setdefault(row.person, []).append(row.place)
    found: list[Signal] = []
    for writers in texts.values():
        often = {person: places for person, places in writers.items() if len(places) >= 2}
        if len(often) >= _COPIERS:
            count = sum(map(len, often.values()))
            found.append(
                Signal(
                    kind="copied",
                    members=tuple(sorted(names[person] for person in often)),
                    count=count,
                    words=f"{len(often)} persons wrote the same {count} times",
                    evidence=tuple(places[0] for places in often.values())[:_EVIDENCE],
                )
            )
    return sorted(found, key=lambda signal: (-signal.count, signal.members))
