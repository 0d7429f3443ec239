"""Policies, requests and votes inside a transaction of the operational store."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from shequn_sdk.domain import ChannelRef, MemberRef
from shequn_sdk.editorial._lines import Line
from shequn_sdk.editorial.model import Approval, ApprovalPolicy, Decision, Vote
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.editorial import approval_policy, approval_request, approval_vote
from shequn_sdk.stores.tables.members import identity, membership

__all__ = [
    "Standing",
    "by_code",
    "close",
    "open_request",
    "policy_for",
    "request_of",
    "standing",
    "supersede",
    "to_approval",
]

_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_GONE = ("left", "banned")


def policy_for(conn: Connection, community: str, category: str) -> ApprovalPolicy | None:
    """Give the policy for a category: its own, else the community's, else None."""
    rows = conn.execute(
        select(approval_policy.c.category, approval_policy.c.policy).where(
            approval_policy.c.community == community, approval_policy.c.category.in_({category, ""})
        )
    ).all()
    found: dict[str, str] = {row.category: row.policy for row in rows}
    text = found.get(category, found.get(""))
    return None if text is None else ApprovalPolicy.model_validate_json(text)


def supersede(conn: Connection, number: int, *, but: int, now: int) -> None:
    """Close the open requests of other versions of an entry."""
    conn.execute(
        update(approval_request)
        .where(
            approval_request.c.entry_id == number,
            approval_request.c.state.in_(("open", "approved")),
            approval_request.c.version != but,
        )
        .values(state="superseded", closed_at=func.coalesce(approval_request.c.closed_at, now))
    )


def open_request(
    conn: Connection, line: Line, policy: ApprovalPolicy, *, asked_by: str, now: int
) -> int | None:
    """Ask for the approval of an entry's version; gives the request's number, None when it is open already."""
    supersede(conn, line.id, but=line.version, now=now)
    known = conn.execute(
        select(approval_request.c.id, approval_request.c.state).where(
            approval_request.c.entry_id == line.id, approval_request.c.version == line.version
        )
    ).first()
    if known is not None:
        if known.state == "open":
            return None
        # handed in again unchanged: what was said before does not count any more, and the old code is void
        conn.execute(approval_vote.delete().where(approval_vote.c.request_id == known.id))
        conn.execute(
            update(approval_request)
            .where(approval_request.c.id == known.id)
            .values(
                state="open",
                closed_at=None,
                created_at=now,
                policy=policy.model_dump_json(),
                code=_code(),
                asked_by=asked_by,
                channel="" if policy.channel is None else str(policy.channel),
            )
        )
        return known.id
    made = conn.execute(
        insert(approval_request).values(
            community=line.community,
            entry_id=line.id,
            version=line.version,
            state="open",
            code=_code(),
            channel="" if policy.channel is None else str(policy.channel),
            policy=policy.model_dump_json(),
            asked_by=asked_by,
            created_at=now,
        )
    ).inserted_primary_key
    return None if made is None else made[0]


def _code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(8))


def request_of(conn: Connection, line: Line) -> Any:
    """Give the request for an entry's present version, None when there is none."""
    return conn.execute(
        select(approval_request).where(
            approval_request.c.entry_id == line.id, approval_request.c.version == line.version
        )
    ).first()


def by_code(conn: Connection, code: str) -> Any:
    """Give the request with a code, None when there is none."""
    return conn.execute(select(approval_request).where(approval_request.c.code == code)).first()


def close(conn: Connection, request: int, state: str, *, now: int) -> None:
    """End a request."""
    conn.execute(
        update(approval_request).where(approval_request.c.id == request).values(state=state, closed_at=now)
    )


class Standing:
    """Who may approve a request and who did; persons count, not identities."""

    def __init__(
        self,
        policy: ApprovalPolicy,
        allowed: Mapping[int, MemberRef],
        done: frozenset[int],
        author: int | None,
    ) -> None:
        self.policy = policy
        self.allowed = allowed
        """Persons who may approve, with a name for each."""
        self.done = done & allowed.keys()
        """Those of them whose last word was yes."""
        self.author = author

    @property
    def needed(self) -> int:
        """How many must approve."""
        return len(self.allowed) if self.policy.needed is None else self.policy.needed

    @property
    def reached(self) -> bool:
        """Whether enough have. Where nobody may approve, nothing is ever approved."""
        return bool(self.allowed) and len(self.done) >= self.needed

    @property
    def missing(self) -> tuple[MemberRef, ...]:
        """Who has not yet."""
        return tuple(ref for person, ref in self.allowed.items() if person not in self.done)


def standing(conn: Connection, request: Any, author: str) -> Standing:
    """Work out who may approve, and who did."""
    policy = ApprovalPolicy.model_validate_json(request.policy)
    numbers: dict[int, MemberRef] = {
        number: ref for ref, number in find_identities(conn, policy.approvers).items()
    }
    if policy.roles:
        rows = conn.execute(
            select(identity.c.id, identity.c.platform, identity.c.native_id)
            .join(membership, membership.c.identity_id == identity.c.id)
            .where(
                membership.c.community == request.community,
                membership.c.role.in_(sorted(str(role) for role in policy.roles)),
                membership.c.left_at.is_(None),
                membership.c.role.not_in(_GONE),
            )
        )
        for row in rows:
            numbers.setdefault(row.id, MemberRef(platform=row.platform, native_id=row.native_id))
    persons = persons_of(conn, numbers)
    allowed: dict[int, MemberRef] = {}
    for number in sorted(persons):
        allowed.setdefault(persons[number], numbers[number])
    writer = _person(conn, author)
    if not policy.own and writer is not None:
        allowed.pop(writer, None)
    votes = _votes(conn, request.id)
    voters = persons_of(conn, [row.identity_id for row in votes if row.identity_id is not None])
    last: dict[int, str] = {}
    for row in votes:
        if row.identity_id is not None and row.decision in {Decision.APPROVE, Decision.CHANGES}:
            last[voters[row.identity_id]] = row.decision
    done = frozenset(person for person, decision in last.items() if decision == Decision.APPROVE)
    return Standing(policy, allowed, done, writer)


def _person(conn: Connection, name: str) -> int | None:
    head, colon, _ = name.partition(":")
    if not colon or not head:
        return None
    try:
        ref = MemberRef.parse(name)
    except ValueError:
        return None
    number = find_identities(conn, [ref]).get(ref)
    return None if number is None else persons_of(conn, [number])[number]


def _votes(conn: Connection, request: int) -> Sequence[Any]:
    return conn.execute(
        select(approval_vote, identity.c.platform, identity.c.native_id)
        .outerjoin(identity, identity.c.id == approval_vote.c.identity_id)
        .where(approval_vote.c.request_id == request)
        .order_by(approval_vote.c.id)
    ).all()


def to_approval(conn: Connection, request: Any, author: str) -> Approval:
    """Give the public form."""
    found = standing(conn, request, author)
    return Approval(
        entry=request.entry_id,
        version=request.version,
        state=request.state,
        code=request.code,
        channel=ChannelRef.parse(request.channel) if request.channel else None,
        needed=found.needed,
        approved=len(found.done),
        missing=found.missing if request.state == "open" else (),
        votes=tuple(_vote(row) for row in _votes(conn, request.id)),
        asked_by=request.asked_by,
        created_at=from_us(request.created_at),
        closed_at=None if request.closed_at is None else from_us(request.closed_at),
    )


def _vote(row: Any) -> Vote:
    member = None
    if row.identity_id is not None:
        member = MemberRef(platform=row.platform, native_id=row.native_id)
    return Vote(member=member, decision=Decision(row.decision), note=row.note, at=from_us(row.at))


def numbers_of(conn: Connection, refs: Iterable[MemberRef]) -> Mapping[MemberRef, int]:
    """Give identities' numbers."""
    return find_identities(conn, refs)
