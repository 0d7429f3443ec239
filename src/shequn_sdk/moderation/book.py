"""Rows of moderation, read and written inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from shequn_sdk.domain import MemberRef, Role
from shequn_sdk.errors import UnknownName
from shequn_sdk.members.identities import Seen, find_identities, note_identities
from shequn_sdk.moderation.engine import Decision, Facts
from shequn_sdk.moderation.results import Action, Case
from shequn_sdk.moderation.rules import Ladder, RuleSet
from shequn_sdk.stores.fast import Fast
from shequn_sdk.stores.schema import from_us
from shequn_sdk.stores.tables.members import identity, membership
from shequn_sdk.stores.tables.moderation import (
    moderation_action,
    moderation_audit,
    moderation_case,
    moderation_rules,
    moderation_strike,
)
from shequn_sdk.stores.tables.profiles import member_tag

__all__ = ["NewAction", "NewCase", "add_case", "audit", "facts_of", "plan", "rules_of"]


class NewCase(NamedTuple):
    """A case to be written."""

    community: str
    event: str
    member: Seen | None
    platform: str
    account: str
    channel: str
    message: str
    decision: Decision
    state: str
    at: int


class NewAction(NamedTuple):
    """An action to be written."""

    source: str
    kind: str
    account: str
    channel: str
    member: str = ""
    message: str = ""
    seconds: int | None = None
    reason: str = ""
    identity_id: int | None = None
    due: int = 0


def new_row(conn: Connection, table: Any, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with its key is there; gives whether it was new."""
    make = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    return conn.execute(make(table).values(**values).on_conflict_do_nothing()).rowcount > 0


def audit(
    conn: Connection, community: str, at: int, *, actor: str, what: str, subject: str, detail: str = ""
) -> None:
    """Write a line of the audit trail."""
    conn.execute(
        insert(moderation_audit).values(
            community=community, at=at, actor=actor, what=what, subject=subject, detail=detail[:2000]
        )
    )


# -- rules


def rules_of(conn: Connection, kind: str = "rules") -> dict[str, tuple[int, str]]:
    """Give the newest rules of all communities: version and JSON."""
    table = moderation_rules
    newest = (
        select(table.c.community, func.max(table.c.version).label("version"))
        .where(table.c.kind == kind)
        .group_by(table.c.community)
        .subquery()
    )
    rows = conn.execute(
        select(table.c.community, table.c.version, table.c.body).join(
            newest,
            (table.c.community == newest.c.community)
            & (table.c.version == newest.c.version)
            & (table.c.kind == kind),
        )
    )
    return {row.community: (row.version, row.body) for row in rows}


def set_body(conn: Connection, community: str, kind: str, body: str, *, actor: str, now: int) -> int:
    """Write a further version of rules; the same again is none. Gives its number."""
    known = rules_of(conn, kind).get(community)
    if known is not None and known[1] == body:
        return known[0]
    version = 1 if known is None else known[0] + 1
    conn.execute(
        insert(moderation_rules).values(
            community=community, kind=kind, version=version, body=body, actor=actor, created_at=now
        )
    )
    audit(conn, community, now, actor=actor, what=f"{kind} set", subject=f"{kind}:{version}")
    return version


# -- members


def facts_of(
    conn: Connection, community: str, refs: Iterable[MemberRef], *, now: int
) -> dict[MemberRef, Facts]:
    """Give what is known of members: role, tags, when they joined, strikes that count; of all identities of a person."""
    numbers = find_identities(conn, refs)
    if not numbers:
        return {}
    ids = list(numbers.values())
    persons: dict[int, int] = {
        row.id: row.person_id
        for row in conn.execute(select(identity.c.id, identity.c.person_id).where(identity.c.id.in_(ids)))
    }
    of_person: dict[int, list[int]] = {}
    for number, person in conn.execute(
        select(identity.c.id, identity.c.person_id).where(identity.c.person_id.in_(set(persons.values())))
    ):
        of_person.setdefault(person, []).append(number)
    every = [number for numbers_of in of_person.values() for number in numbers_of]
    places: dict[int, tuple[str, int | None]] = {
        row.identity_id: (row.role, row.joined_at)
        for row in conn.execute(
            select(membership.c.identity_id, membership.c.role, membership.c.joined_at).where(
                membership.c.community == community, membership.c.identity_id.in_(every)
            )
        )
    }
    tags: dict[int, set[str]] = {}
    for number, tag in conn.execute(
        select(member_tag.c.identity_id, member_tag.c.tag).where(
            member_tag.c.community == community, member_tag.c.identity_id.in_(every)
        )
    ):
        tags.setdefault(number, set()).add(tag)
    strikes: dict[int, int] = {
        row[0]: row[1]
        for row in conn.execute(
            select(moderation_strike.c.identity_id, func.count())
            .where(
                moderation_strike.c.community == community,
                moderation_strike.c.identity_id.in_(every),
                moderation_strike.c.revoked_at.is_(None),
                moderation_strike.c.expires_at > now,
            )
            .group_by(moderation_strike.c.identity_id)
        )
    }
    order = {role: number for number, role in enumerate(Role)}
    found: dict[MemberRef, Facts] = {}
    for ref, number in numbers.items():
        mine = of_person.get(persons.get(number, 0), [number])
        roles = [Role(places[one][0]) for one in mine if one in places and places[one][0] in order]
        joined = [at for one in mine if one in places and (at := places[one][1]) is not None]
        found[ref] = Facts(
            role=min(roles, key=lambda role: order[role]) if roles else Role.MEMBER,
            tags=frozenset(tag for one in mine for tag in tags.get(one, ())),
            joined_at=min(joined) if joined else None,
            strikes=sum(strikes.get(one, 0) for one in mine),
        )
    return found


# -- cases


def add_case(conn: Connection, case: NewCase, *, now: int) -> int | None:
    """Write a case; gives its number, None when this event has one already."""
    number = None
    if case.member is not None:
        number = note_identities(conn, [case.member])[case.member.ref]
    new = new_row(
        conn,
        moderation_case,
        {
            "community": case.community,
            "event": case.event,
            "platform": case.platform,
            "account": case.account,
            "channel": case.channel,
            "identity_id": number,
            "message": case.message,
            "rule": case.decision.rule,
            "score": case.decision.score,
            "decision": case.decision.model_dump_json(exclude={"effects"}),
            "state": case.state,
            "actor": "" if case.state == "queued" else "rules",
            "note": "",
            "happened_at": case.at,
            "decided_at": None if case.state == "queued" else now,
        },
    )
    if not new:
        return None
    found = conn.execute(
        select(moderation_case.c.id).where(moderation_case.c.event == case.event)
    ).scalar_one()
    audit(
        conn,
        case.community,
        now,
        actor="rules",
        what=case.state,
        subject=f"case:{found}",
        detail=case.decision.explain(),
    )
    return int(found)


_CASE = select(
    moderation_case,
    identity.c.native_id.label("native_id"),
    identity.c.display_name.label("display_name"),
    identity.c.is_bot.label("is_bot"),
).select_from(moderation_case.outerjoin(identity, moderation_case.c.identity_id == identity.c.id))


def to_case(row: Row[Any]) -> Case:
    """Give a case of its row."""
    member = MemberRef(platform=row.platform, native_id=row.native_id) if row.native_id else None
    return Case(
        id=row.id,
        community=row.community,
        member=member,
        member_name=row.display_name or "",
        channel=f"{row.account}:{row.channel}" if row.channel else "",
        message=row.message,
        rule=row.rule,
        score=row.score,
        decision=Decision.model_validate_json(row.decision),
        state=row.state,
        actor=row.actor,
        note=row.note,
        happened_at=from_us(row.happened_at),
        decided_at=None if row.decided_at is None else from_us(row.decided_at),
    )


def case_row(conn: Connection, case: int) -> Row[Any]:
    """Give a case's row with its member.

    Raises:
        UnknownName: there is none of that number.
    """
    row = conn.execute(_CASE.where(moderation_case.c.id == case)).one_or_none()
    if row is None:
        raise UnknownName("case", str(case))
    return row


def cases(
    conn: Connection, community: str, *, states: Sequence[str], member: int | None, limit: int
) -> list[Case]:
    """Give cases, newest first."""
    wanted = _CASE.where(moderation_case.c.community == community)
    if states:
        wanted = wanted.where(moderation_case.c.state.in_(states))
    if member is not None:
        wanted = wanted.where(moderation_case.c.identity_id == member)
    return [to_case(row) for row in conn.execute(wanted.order_by(moderation_case.c.id.desc()).limit(limit))]


def settle_case(conn: Connection, case: int, *, state: str, actor: str, note: str, now: int) -> bool:
    """Decide a queued case; gives whether it was still to be decided."""
    return (
        conn.execute(
            update(moderation_case)
            .where(moderation_case.c.id == case, moderation_case.c.state == "queued")
            .values(state=state, actor=actor, note=note, decided_at=now)
        ).rowcount
        > 0
    )


# -- what follows


def punish(
    conn: Connection, row: Row[Any], rules: RuleSet, *, strikes_before: int, now: int
) -> tuple[list[str], str, int | None]:
    """Write the strike and the actions that a case calls for.

    Gives the kinds of actions, what the member is to be told (a ladder action or ""), and the seconds of it.
    """
    rule = next((one for one in rules.rules if one.name == row.rule), None)
    if rule is None:
        return [], "", None
    effects = rule.then
    base = NewAction(
        f"case:{row.id}",
        "",
        row.account,
        row.channel,
        member=row.native_id or "",
        message=row.message,
        reason=rule.title or rule.name,
        identity_id=row.identity_id,
        due=now,
    )
    kinds: list[NewAction] = []
    if effects.delete and row.message:
        kinds.append(base._replace(kind="delete"))
    action, duration = effects.action, effects.duration
    if effects.strike and row.identity_id is not None:
        add_strike(conn, row.id, row.community, row.identity_id, rules.ladder, now=now)
        step = rules.ladder.step(strikes_before + 1)
        if step is not None and _severity(step.action) > _severity(action):
            action, duration = step.action, step.duration
    seconds = None if duration is None else int(duration.total_seconds())
    if action is not None and action != "warn" and row.native_id:
        kinds.append(base._replace(kind=str(action), seconds=seconds))
        if action == "ban" and seconds is not None:
            kinds.append(base._replace(kind="unban", due=now + seconds * 1_000_000))
    for one in kinds:
        plan(conn, row.community, one, now=now)
    told = str(action) if action is not None and action in {"warn", "mute"} else ""
    return [one.kind for one in kinds], told, seconds


def _severity(action: str | None) -> int:
    return 0 if action is None else ("", "warn", "mute", "kick", "ban").index(str(action))


def add_strike(
    conn: Connection, case: int, community: str, identity_id: int, ladder: Ladder, *, now: int
) -> None:
    """Give a strike for a case, once."""
    expires = now + int(ladder.strikes_expire.total_seconds() * 1_000_000)
    new_row(
        conn,
        moderation_strike,
        {
            "case_id": case,
            "community": community,
            "identity_id": identity_id,
            "given_at": now,
            "expires_at": expires,
            "revoked_at": None,
        },
    )


def plan(conn: Connection, community: str, action: NewAction, *, now: int) -> bool:
    """Write an action to be carried out, once per source; gives whether it is new."""
    return new_row(
        conn,
        moderation_action,
        {
            "community": community,
            "source": action.source,
            "kind": action.kind,
            "account": action.account,
            "channel": action.channel,
            "identity_id": action.identity_id,
            "member": action.member,
            "message": action.message,
            "seconds": action.seconds,
            "reason": action.reason[:500],
            "state": "planned",
            "attempts": 0,
            "due": action.due or now,
            "error": "",
            "created_at": now,
            "ended_at": None,
        },
    )


def to_action(row: Row[Any]) -> Action:
    """Give an action of its row."""
    return Action(
        id=row.id,
        source=row.source,
        kind=row.kind,
        channel=f"{row.account}:{row.channel}",
        member=row.member,
        message=row.message,
        seconds=row.seconds,
        reason=row.reason,
        state=row.state,
        attempts=row.attempts,
        due=from_us(row.due),
        error=row.error,
        ended_at=None if row.ended_at is None else from_us(row.ended_at),
    )


_COUNT = Fast(
    "insert into moderation_tally (community, minute, messages, negative, junk, mentions) "
    "values (:community, :minute, :messages, :negative, :junk, :mentions) "
    "on conflict (community, minute) do update set messages = moderation_tally.messages + excluded.messages, "
    "negative = moderation_tally.negative + excluded.negative, junk = moderation_tally.junk + excluded.junk, "
    "mentions = moderation_tally.mentions + excluded.mentions"
)


def count(conn: Connection, counts: Mapping[tuple[str, int], Sequence[int]]) -> None:
    """Add to the tallies: by community and start of ten minutes, messages, negative, junk, mentions."""
    _COUNT.many(
        conn,
        [
            {
                "community": community,
                "minute": minute,
                "messages": messages,
                "negative": negative,
                "junk": junk,
                "mentions": mentions,
            }
            for (community, minute), (messages, negative, junk, mentions) in sorted(counts.items())
        ],
    )


_TALLY = Fast(
    "select coalesce(sum(messages), 0), coalesce(sum(negative), 0), coalesce(sum(junk), 0), coalesce(sum(mentions), 0) "
    "from moderation_tally where community = :community and minute >= :since"
)


def tally(conn: Connection, community: str, *, since: int) -> tuple[int, int, int, int]:
    """Give messages, negative ones, junk and mentions since an instant."""
    row = _TALLY.one(conn, {"community": community, "since": since})
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


def dumps(value: Any) -> str:
    """Write JSON as it is kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
