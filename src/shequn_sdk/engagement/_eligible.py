"""Who may win: conditions that are stated before anybody enters, looked at when the list is fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, distinct, func, select

from shequn_sdk.domain import Frozen
from shequn_sdk.engagement._rows import Row
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.engagement import act, activity
from shequn_sdk.stores.tables.members import identity, membership

__all__ = ["Eligibility", "check_in_days", "refusals"]

_CHUNK = 400


class Eligibility(Frozen):
    """Who may win a lottery (参加资格). What is not set asks nothing."""

    joined_before: AwareDatetime | None = None
    """Member of the community since before this instant; who was there before we listened counts as such."""
    check_ins: int = Field(default=0, ge=0)
    """At least so many days of check-in in the community."""
    no_winners_since: AwareDatetime | None = None
    """Who won a lottery of the community since then is left out."""

    def words(self, language: str) -> list[str]:
        """Give the conditions in words, for the statement."""
        found: list[tuple[str, str]] = []
        if self.joined_before is not None:
            when = self.joined_before.isoformat(timespec="minutes")
            found.append((f"{when} 之前入群", f"member since before {when}"))
        if self.check_ins:
            found.append((f"打卡至少 {self.check_ins} 天", f"at least {self.check_ins} days of check-in"))
        if self.no_winners_since is not None:
            when = self.no_winners_since.isoformat(timespec="minutes")
            found.append((f"{when} 以来未中过奖", f"has not won since {when}"))
        return [chinese if language == "zh" else english for chinese, english in found]


def check_in_days(conn: Connection, row: Row, persons: Sequence[int]) -> dict[int, int]:
    """Count each person's days of check-in in the community."""
    found: dict[int, int] = {}
    for start in range(0, len(persons), _CHUNK):
        query = (
            select(identity.c.person_id, func.count(distinct(act.c.value)).label("days"))
            .join(act, act.c.identity_id == identity.c.id)
            .join(activity, activity.c.id == act.c.activity_id)
            .where(
                identity.c.person_id.in_(persons[start : start + _CHUNK]),
                activity.c.community == row.community,
                activity.c.kind == "check_in",
                act.c.act.in_(("check_in", "make_up")),
            )
            .group_by(identity.c.person_id)
        )
        found |= {one.person_id: one.days for one in conn.execute(query)}
    return found


def _members_before(conn: Connection, row: Row, persons: Sequence[int], before: datetime) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(persons), _CHUNK):
        query = (
            select(identity.c.person_id)
            .join(membership, membership.c.identity_id == identity.c.id)
            .where(
                identity.c.person_id.in_(persons[start : start + _CHUNK]),
                membership.c.community == row.community,
                membership.c.left_at.is_(None),
                membership.c.joined_at.is_(None) | (membership.c.joined_at < to_us(before)),
            )
        )
        found |= set(conn.execute(query).scalars())
    return found


def _winners(conn: Connection, row: Row, persons: Sequence[int], since: datetime) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(persons), _CHUNK):
        query = (
            select(identity.c.person_id)
            .join(act, act.c.identity_id == identity.c.id)
            .join(activity, activity.c.id == act.c.activity_id)
            .where(
                identity.c.person_id.in_(persons[start : start + _CHUNK]),
                activity.c.community == row.community,
                activity.c.kind == "lottery",
                act.c.act == "won",
                act.c.at >= to_us(since),
            )
        )
        found |= set(conn.execute(query).scalars())
    return found


def refusals(conn: Connection, row: Row, rules: Eligibility, persons: Sequence[int]) -> Mapping[int, str]:
    """Give who may not win, with the first condition that is not met."""
    refused: dict[int, str] = {}
    if rules.joined_before is not None:
        there = _members_before(conn, row, persons, rules.joined_before)
        refused |= {person: "joined too late" for person in persons if person not in there}
    if rules.check_ins:
        days = check_in_days(conn, row, persons)
        for person in persons:
            if days.get(person, 0) < rules.check_ins:
                refused.setdefault(person, "too few check-ins")
    if rules.no_winners_since is not None:
        for person in _winners(conn, row, persons, rules.no_winners_since):
            refused.setdefault(person, "won before")
    return refused
