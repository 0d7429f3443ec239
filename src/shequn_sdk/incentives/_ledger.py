"""The ledger inside a transaction: every entry moves an amount from one account to another, so that all is balanced."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, case, func, insert, or_, select, text

from shequn_sdk.domain import MemberRef
from shequn_sdk.errors import InvalidInput
from shequn_sdk.incentives.models import Decay
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.tables.incentives import points_account, points_entry
from shequn_sdk.stores.tables.members import identity

__all__ = ["Move", "book", "check", "earned", "fingerprint", "letters", "of_person", "reverse", "used"]

ISSUED = "system:issued"
REDEEMED = "system:redeemed"
EXPIRED = "system:expired"
DECAYED = "system:decayed"
_CHUNK = 400
_ENTRY = ("community", "event", "kind", "source_id", "target_id", "amount", "at", "day", "rule", "place", "fingerprint", "expires_at", "reverses", "note")  # fmt: skip
_KNOWN = Fast("select event from points_entry where community = :community and event in :events")
_NUMBERS = Fast("select name, id from points_account where community = :community and name in :names")
_ENTER = Fast(
    f"insert into points_entry ({', '.join(_ENTRY)}) values ({', '.join(f':{name}' for name in _ENTRY)})"  # noqa: S608 - constant text
)
_CARRY = Fast("update points_account set balance = balance + :change where id = :key")
_USED = Fast(
    "select i.person_id, e.rule, e.day, sum(e.amount) from identity i cross join points_account a "
    "cross join points_entry e where a.identity_id = i.id and e.target_id = a.id and i.person_id in :persons "
    "and a.community = :community and e.kind = 'award' and e.rule in :rules and e.day >= :since "
    "group by i.person_id, e.rule, e.day"
)
"""SQLite looks up in the order of a cross join: without statistics it would begin with all accounts of the community."""
_SINCE = Fast(
    "select a.id, i.person_id from identity i cross join points_account a where a.identity_id = i.id "
    "and a.community = :community and i.person_id in ("
    "select p.person_id from points_account o cross join identity p where o.identity_id = p.id and o.id in ("
    "select target_id from points_entry where id > :entry and kind = 'award'))"
)
_REPEATED = re.compile(r"(.)\1+")


@dataclass(frozen=True, slots=True)
class Move:
    """An amount from one account to another."""

    event: str
    kind: str
    source: str | int
    """Name of a system account, or number of an identity."""
    target: str | int
    amount: int
    at: int
    day: str
    rule: str = ""
    place: str = ""
    fingerprint: str = ""
    expires_at: int | None = None
    reverses: int | None = None
    note: str = ""


@dataclass(slots=True)
class Holding:
    """What a person has."""

    accounts: dict[int, tuple[str, int]] = field(default_factory=dict[int, tuple[str, int]])
    """Number of the account to the member and its balance."""
    identities: dict[int, int] = field(default_factory=dict[int, int])
    """Number of the account to the identity."""

    @property
    def balance(self) -> int:
        """All of it."""
        return sum(balance for _, balance in self.accounts.values())


def _name(account: str | int) -> str:
    return f"identity:{account}" if isinstance(account, int) else account


def known_events(conn: Connection, community: str, events: Iterable[str]) -> set[str]:
    """Give those of the events that are booked already."""
    return {event for (event,) in _KNOWN.all(conn, {"community": community, "events": list(events)})}


def lock(conn: Connection, community: str) -> None:
    """Let one transaction at a time book for a community; SQLite has one writer anyway."""
    if conn.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"points:{community}".encode()).digest()[:7], "big")
        conn.execute(text("select pg_advisory_xact_lock(:key)"), {"key": key})


def _accounts(conn: Connection, community: str, names: Iterable[str]) -> dict[str, int]:
    wanted = list(dict.fromkeys(names))
    found: dict[str, int] = dict(_NUMBERS.all(conn, {"community": community, "names": wanted}))
    missing = [name for name in wanted if name not in found]
    if missing:
        rows: list[dict[str, Any]] = [
            {
                "community": community,
                "name": name,
                "identity_id": int(name.partition(":")[2]) if name.startswith("identity:") else None,
                "balance": 0,
            }
            for name in missing
        ]
        conn.execute(insert(points_account), rows)
        found |= _accounts(conn, community, missing)
    return found


def book(conn: Connection, community: str, moves: Sequence[Move]) -> int:
    """Book moves in one go, and carry the balances; what is booked already is left out. Gives how many were new.

    Raises:
        InvalidInput: an amount that is not positive.
    """
    if any(move.amount <= 0 for move in moves):
        raise InvalidInput("an entry of the ledger moves a positive amount")
    lock(conn, community)
    known = known_events(conn, community, (move.event for move in moves))
    fresh: dict[str, Move] = {}
    for move in moves:
        if move.event not in known:
            fresh.setdefault(move.event, move)
    if not fresh:
        return 0
    numbers = _accounts(
        conn, community, (_name(one) for move in fresh.values() for one in (move.source, move.target))
    )
    changes: defaultdict[int, int] = defaultdict(int)
    rows: list[dict[str, Any]] = []
    for move in fresh.values():
        source, target = numbers[_name(move.source)], numbers[_name(move.target)]
        changes[source] -= move.amount
        changes[target] += move.amount
        rows.append(
            {
                "community": community,
                "event": move.event,
                "kind": move.kind,
                "source_id": source,
                "target_id": target,
                "amount": move.amount,
                "at": move.at,
                "day": move.day,
                "rule": move.rule,
                "place": move.place,
                "fingerprint": move.fingerprint,
                "expires_at": move.expires_at,
                "reverses": move.reverses,
                "note": move.note,
            }
        )
    _ENTER.many(conn, rows)
    _CARRY.many(conn, [{"change": change, "key": key} for key, change in sorted(changes.items())])
    return len(rows)


def of_person(conn: Connection, community: str, person: int) -> Holding:
    """Give what a person has, account by account."""
    query = (
        select(
            points_account.c.id,
            points_account.c.balance,
            identity.c.id.label("identity"),
            identity.c.platform,
            identity.c.native_id,
        )
        .join(identity, identity.c.id == points_account.c.identity_id)
        .where(points_account.c.community == community, identity.c.person_id == person)
        .order_by(points_account.c.id)
    )
    holding = Holding()
    for row in conn.execute(query):
        holding.accounts[row.id] = (f"{row.platform}:{row.native_id}", row.balance)
        holding.identities[row.id] = row.identity
    return holding


def spend(
    conn: Connection, community: str, person: int, *, amount: int, event: str, at: int, day: str, note: str
) -> None:
    """Take an amount from a person, from their fullest account first.

    Raises:
        InvalidInput: they do not have it.
    """
    lock(conn, community)
    holding = of_person(conn, community, person)
    if holding.balance < amount:
        raise InvalidInput(f"{amount} points are needed, there are {holding.balance}")
    left = amount
    moves: list[Move] = []
    for number, (_, balance) in sorted(holding.accounts.items(), key=lambda one: -one[1][1]):
        take = min(left, balance)
        if take > 0:
            moves.append(
                Move(
                    f"{event}/{number}",
                    "redeem",
                    holding.identities[number],
                    REDEEMED,
                    take,
                    at,
                    day,
                    note=note,
                )
            )
            left -= take
    book(conn, community, moves)


def reverse(
    conn: Connection, community: str, entries: Iterable[Any], *, kind: str, at: int, day: str, note: str
) -> int:
    """Take entries back, each once; gives how many were."""
    rows = list(entries)
    accounts = sorted({one for row in rows for one in (row.source_id, row.target_id)})
    names: dict[int, str] = {}
    for start in range(0, len(accounts), _CHUNK):
        query = select(points_account.c.id, points_account.c.name).where(
            points_account.c.id.in_(accounts[start : start + _CHUNK])
        )
        names |= {row.id: row.name for row in conn.execute(query)}
    return book(
        conn,
        community,
        [
            Move(
                event=f"{kind}/{row.id}",
                kind=kind,
                source=names[row.target_id],
                target=names[row.source_id],
                amount=row.amount,
                at=at,
                day=day,
                rule=row.rule,
                reverses=row.id,
                note=note,
            )
            for row in rows
        ],
    )


def used(
    conn: Connection, community: str, persons: Iterable[int], rules: Iterable[str], since: str
) -> dict[tuple[int, str, str], int]:
    """Give what persons got by rules since a day: (person, rule, day) to points.

    What was taken back counts too: who deletes and writes again gets nothing for it.
    """
    asked = {"community": community, "persons": list(persons), "rules": list(rules), "since": since}
    return {(person, rule, day): int(points) for person, rule, day, points in _USED.all(conn, asked)}


def earned(
    conn: Connection,
    community: str,
    *,
    since: str = "",
    until: str = "9",
    rule: str | None = None,
    person: int | None = None,
    accounts: Sequence[int] | None = None,
) -> dict[int, int]:
    """Give what each person earned on the local days from `since` up to and without `until`; what was taken back is not.

    With `accounts`, which are all of some persons as `accounts_since` gives them, only these are looked at, on all days.
    """
    back = select(points_entry.c.reverses).where(points_entry.c.kind == "reversal")
    if accounts is None:
        back = back.where(points_entry.c.community == community)
    else:  # nothing of the community and its days here: a planner without statistics would look through all of them
        back = back.where(points_entry.c.source_id.in_(accounts))
    query = (
        select(identity.c.person_id, func.sum(points_entry.c.amount).label("points"))
        .join(points_account, points_account.c.identity_id == identity.c.id)
        .join(points_entry, points_entry.c.target_id == points_account.c.id)
        .where(points_entry.c.kind == "award", points_entry.c.id.not_in(back))
        .group_by(identity.c.person_id)
    )
    if accounts is None:
        query = query.where(
            points_entry.c.community == community, points_entry.c.day >= since, points_entry.c.day < until
        )
    else:
        query = query.where(points_entry.c.target_id.in_(accounts))
    if rule is not None:
        query = query.where(points_entry.c.rule == rule)
    if person is not None:
        query = query.where(identity.c.person_id == person)
    return {row.person_id: int(row.points) for row in conn.execute(query)}


def last_entry(conn: Connection) -> int:
    """Give the number of the newest entry; 0 without any."""
    return conn.execute(select(func.max(points_entry.c.id))).scalar() or 0


def accounts_since(conn: Connection, community: str, entry: int) -> dict[int, int]:
    """Give all accounts, each with its person, of the persons who were awarded something after an entry."""
    return dict(_SINCE.all(conn, {"community": community, "entry": entry}))


def check(conn: Connection, community: str) -> tuple[int, int, int, list[str]]:
    """Give entries, accounts, the sum of all balances, and accounts whose balance is not the sum of their entries."""
    moved: defaultdict[int, int] = defaultdict(int)
    entries = 0
    for column, sign in ((points_entry.c.source_id, -1), (points_entry.c.target_id, 1)):
        query = (
            select(column, func.sum(points_entry.c.amount).label("amount"), func.count().label("rows"))
            .where(points_entry.c.community == community)
            .group_by(column)
        )
        for row in conn.execute(query):
            moved[row[0]] += sign * int(row.amount)
            entries += row.rows if sign > 0 else 0
    accounts = conn.execute(
        select(points_account.c.id, points_account.c.name, points_account.c.balance).where(
            points_account.c.community == community
        )
    ).all()
    wrong = [row.name for row in accounts if row.balance != moved.get(row.id, 0)]
    return entries, len(accounts), sum(row.balance for row in accounts), wrong


def expiring(conn: Connection, community: str, now: int) -> dict[int, int]:
    """Give what is to expire of each account: account's number to points.

    What is spent is what would expire soonest. So of an account expires what came in with an end that has passed, less
    everything that ever went out; entries that were taken back, and those that took them back, count on neither side.
    """
    back = select(points_entry.c.reverses).where(
        points_entry.c.community == community, points_entry.c.reverses.is_not(None)
    )
    came = (
        select(points_entry.c.target_id, func.sum(points_entry.c.amount).label("points"))
        .where(
            points_entry.c.community == community,
            points_entry.c.expires_at <= now,
            points_entry.c.id.not_in(back),
        )
        .group_by(points_entry.c.target_id)
    )
    passed = {row.target_id: int(row.points) for row in conn.execute(came)}
    went: dict[int, int] = {}
    numbers = sorted(passed)
    for start in range(0, len(numbers), _CHUNK):
        query = (
            select(points_entry.c.source_id, func.sum(points_entry.c.amount).label("points"))
            .where(
                points_entry.c.source_id.in_(numbers[start : start + _CHUNK]),
                points_entry.c.reverses.is_(None),
                points_entry.c.id.not_in(back),
            )
            .group_by(points_entry.c.source_id)
        )
        went |= {row.source_id: int(row.points) for row in conn.execute(query)}
    return {
        number: points - went.get(number, 0)
        for number, points in passed.items()
        if points > went.get(number, 0)
    }


def decaying(conn: Connection, community: str, decay: Decay, now: int, day: str) -> list[Move]:
    """Give what is lost of accounts whose person was awarded nothing for a whole period, once for each period."""
    span = decay.every // timedelta(microseconds=1)
    newest = (
        select(identity.c.person_id, func.max(points_entry.c.at).label("at"))
        .join(points_account, points_account.c.identity_id == identity.c.id)
        .join(points_entry, points_entry.c.target_id == points_account.c.id)
        .where(points_account.c.community == community, points_entry.c.kind == "award")
        .group_by(identity.c.person_id)
    )
    last = {row.person_id: int(row.at) for row in conn.execute(newest)}
    query = (
        select(
            points_account.c.id,
            points_account.c.balance,
            identity.c.id.label("identity"),
            identity.c.person_id,
        )
        .join(identity, identity.c.id == points_account.c.identity_id)
        .where(points_account.c.community == community, points_account.c.balance > 0)
    )
    moves: list[Move] = []
    for row in conn.execute(query):
        periods = (now - last.get(row.person_id, now)) // span
        lost = row.balance * decay.percent // 100
        if periods >= 1 and lost > 0:
            event = f"decay/{row.id}/{last[row.person_id]}/{periods}"
            moves.append(Move(event, "decay", row.identity, DECAYED, lost, now, day))
    return moves


def history(conn: Connection, community: str, person: int, limit: int) -> list[Any]:
    """Give the newest entries of a person's accounts, as the person sees them."""
    numbers = list(of_person(conn, community, person).accounts)
    if not numbers:
        return []
    signed = case(
        (points_entry.c.target_id.in_(numbers), points_entry.c.amount), else_=-points_entry.c.amount
    )
    query = (
        select(points_entry, signed.label("points"))
        .where(or_(points_entry.c.target_id.in_(numbers), points_entry.c.source_id.in_(numbers)))
        .order_by(points_entry.c.id.desc())
        .limit(limit)
    )
    return list(conn.execute(query))


def everyone(conn: Connection, community: str) -> dict[MemberRef, float]:
    """Give what the person of each member with an account has."""
    query = (
        select(identity.c.person_id, identity.c.platform, identity.c.native_id, points_account.c.balance)
        .join(points_account, points_account.c.identity_id == identity.c.id)
        .where(points_account.c.community == community)
    )
    rows = conn.execute(query).all()
    persons: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        persons[row.person_id] += row.balance
    return {
        MemberRef(platform=row.platform, native_id=row.native_id): float(persons[row.person_id])
        for row in rows
    }


def balances(conn: Connection, community: str, numbers: Sequence[int]) -> Mapping[int, Any]:
    """Give accounts of members by their numbers."""
    query = select(points_account).where(
        points_account.c.community == community, points_account.c.id.in_(numbers)
    )
    return {row.id: row for row in conn.execute(query)}


def letters(text: str) -> int:
    """Count letters and digits: emoji, punctuation and spaces are none.

    >>> letters("早安☀️☀️!!"), letters("🎉" * 500)
    (2, 0)
    """
    return sum(unicodedata.category(one)[0] in "LN" for one in text[:10_000])


def fingerprint(text: str) -> str:
    """Give what near-identical texts have in common, and nothing by which the text could be read.

    Case, width, digits, punctuation, emoji and repetitions make no difference. Texts with fewer than four letters give "",
    except those that are nothing but emoji.

    >>> fingerprint("哈哈哈哈哈，好棒！！1") == fingerprint("哈哈 好棒")
    True
    """
    folded = unicodedata.normalize("NFKC", text[:2000]).casefold()
    kept = _REPEATED.sub(r"\1", "".join(one for one in folded if unicodedata.category(one)[0] == "L"))
    if not kept and text.strip():
        return "emoji"
    if len(kept) < 3:
        return ""
    return hashlib.sha256(kept.encode()).hexdigest()[:16]
