# ruff: noqa: S608 - names of this package and literals it quotes itself
"""Putting a batch in: what goes with the rows first, the rows last, in one block.

ClickHouse has no transactions over tables. So numbers, names and days to recompute are written before the events: alone
they change no result, and a repetition after a crash finds or replaces them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shequn_clickhouse import people
from shequn_clickhouse.connection import Server, chunks
from shequn_clickhouse.schema import EVENT_FIELDS
from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics import Appended, CommunityInfo
from shequn_sdk.metrics.store.keyed import keyed_rows
from shequn_sdk.metrics.store.rows import MESSAGE_KINDS
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS

__all__ = ["append_batch", "channel_numbers", "known_events", "put_contents", "put_events"]

_SAID = frozenset(MESSAGE_KINDS)
_LAST_DAY = date(2149, 6, 6)
"""The last day that ClickHouse's type of two bytes holds."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Retraction:
    content: int
    member: int | None
    kind: str
    detail: str
    ts: datetime


def _takes_back(taken: _Retraction, event: Row) -> bool:
    """Whether a retraction takes an event back.

    A message may be recalled by somebody else than its author (a moderator), a reaction or vote only by its own member.
    """
    said = taken.kind in _SAID
    return (
        event["content_no"] == taken.content
        and event["ts"] <= taken.ts
        and (event["kind"] == taken.kind or (said and event["kind"] in _SAID))
        and (said or event["member_no"] == taken.member)
        and (not event["detail"] or taken.detail in {"", event["detail"]})
    )


def append_batch(
    server: Server, batch: InteractionBatch, *, community: CommunityInfo, now: datetime
) -> Appended:
    """Store what is new of a batch; the caller has the turn.

    Raises:
        InvalidInput: see `shequn_sdk.metrics.store.keyed.keyed_rows`; or an event after 2149.
    """
    rows: list[Row] = keyed_rows(batch, community.zone).to_pylist()
    if rows and max(row["local_day"] for row in rows) > _LAST_DAY:
        raise InvalidInput(f"a batch of {batch.source or batch.platform} has times after {_LAST_DAY}")
    for row in rows:
        row["event_id"] = uuid.UUID(bytes=row["event_id"])
    known = known_events(server, community.number, rows)
    rows = [row for row in rows if row["event_id"] not in known]
    if not rows:
        return Appended(new=0, duplicates=len(batch), late=0)
    channels = channel_numbers(server, community.number, {(batch.platform, row["channel"]) for row in rows})
    members = _members(server, batch.platform, rows)
    events = [_event(row, batch.platform, community.number, channels, members, now) for row in rows]
    taken = [
        _Retraction(event["content_no"], event["member_no"], row["retracts"], row["detail"], event["ts"])
        for row, event in zip(rows, events, strict=True)
        if row["kind"] == "retract" and event["content_no"] is not None
    ]
    _keep_retractions(server, community.number, taken)
    _mark_taken_back(server, events)
    older = _older_taken_back(server, taken)
    _keep_days(server, {(event["community_no"], event["local_day"]) for event in [*events, *older]})
    put_contents(
        server,
        {
            (event["content_no"], event["platform"], event["channel_no"], row["message"])
            for row, event in zip(rows, events, strict=True)
            if event["content_no"] is not None and event["kind"] in _SAID
        },
    )
    _entrances(server, community.number, rows, members)
    server.still_mine("append")
    put_events(server, [*events, *older])
    late = sum(event["ts"] < now - timedelta(days=1) for event in events)
    return Appended(new=len(events), duplicates=len(batch) - len(events), late=late)


def known_events(server: Server, community: int, rows: Sequence[Row]) -> set[uuid.UUID]:
    """Find which of these events the store has, among events of their days and kinds."""
    found: set[uuid.UUID] = set()
    if not rows:
        return found
    days = ", ".join(f"'{day}'" for day in sorted({row["local_day"] for row in rows}))
    kinds = ", ".join(f"'{kind}'" for kind in sorted({row["kind"] for row in rows}))
    for some in chunks(str(row["event_id"]) for row in rows):
        found.update(
            row[0]
            for row in server.rows(
                f"select event_id from events where community_no = {community} and local_day in ({days}) "
                f"and kind in ({kinds}) and event_id in ({some})"
            )
        )
    return found


def channel_numbers(
    server: Server, community: int, channels: set[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """Give the numbers of channels, new ones where needed."""
    found = {
        (platform, native): number
        for platform, native, number in server.rows(
            f"select platform, native_id, channel_no from channels where community_no = {community}"
        )
    }
    new = sorted(channels - set(found))
    if new:
        first = people.next_number(server, "channels", "channel_no")
        numbers = list(range(first, first + len(new)))
        server.insert(
            "channels",
            {
                "channel_no": numbers,
                "community_no": [community] * len(new),
                "platform": [platform for platform, _ in new],
                "native_id": [native for _, native in new],
            },
        )
        found.update(zip(new, numbers, strict=True))
    return found


def _members(server: Server, platform: str, rows: Sequence[Row]) -> dict[str, people.Person]:
    """Give the members of the rows, new ones with numbers in the order in which they appear; note names and bots."""
    wanted = dict.fromkeys(native for row in rows for native in (row["member"], row["target"]) if native)
    found = people.members_by_native(server, platform, wanted)
    names: dict[str, str] = {}
    bots: set[str] = set()
    for row in rows:
        if row["member_name"]:
            names[row["member"]] = row["member_name"]
        if row["bot"]:
            bots.add(row["member"])
    changed: list[people.Person] = []
    turned: list[int] = []
    number = people.next_number(server, "members", "member_no") if len(found) < len(wanted) else 0
    for native in wanted:
        person = found.get(native)
        if person is None:
            found[native] = people.Person(
                number, number, platform, native, names.get(native, ""), native in bots
            )
            changed.append(found[native])
            number += 1
            continue
        becomes_bot = native in bots and not person.is_bot
        if becomes_bot:
            turned.append(person.number)
        if becomes_bot or names.get(native, person.name) != person.name:
            person.name = names.get(native, person.name)
            person.is_bot = person.is_bot or becomes_bot
            changed.append(person)
    people.put_members(server, changed)
    if turned:
        people.mark_bots(server, turned, bot=True)
    return found


def _event(
    row: Row,
    platform: str,
    community: int,
    channels: Mapping[tuple[str, str], int],
    members: Mapping[str, people.Person],
    now: datetime,
) -> Row:
    actor, target = members.get(row["member"]), members.get(row["target"])
    return {
        "event_id": row["event_id"],
        "community_no": community,
        "platform": platform,
        "channel_no": channels[platform, row["channel"]],
        "member_no": actor.number if actor else None,
        "person_no": actor.person if actor else None,
        "target_no": target.number if target else None,
        "content_no": row["content_no"],
        "parent_no": row["parent_no"],
        "kind": row["kind"],
        "ts": row["ts"].replace(tzinfo=UTC),
        "local_day": row["local_day"],
        "local_hour": row["local_hour"],
        "value": row["value"],
        "amount": row["amount"],
        "currency": row["currency"],
        "detail": row["detail"],
        "is_spam": row["spam"],
        "is_negative": row["negative"],
        "is_question": row["question"] or row["kind"] == "question",
        "is_bot": row["bot"] or bool(actor and actor.is_bot),
        "is_retracted": False,
        "attrs": row["attrs"] or None,
        "ingested_at": now,
        "version": 1,
        "is_deleted": 0,
    }


def _keep_retractions(server: Server, community: int, taken: Sequence[_Retraction]) -> None:
    server.insert(
        "retractions",
        {
            "community_no": [community] * len(taken),
            "content_no": [item.content for item in taken],
            "member_no": [item.member for item in taken],
            "kind": [item.kind for item in taken],
            "detail": [item.detail for item in taken],
            "ts": [item.ts for item in taken],
        },
    )


def _mark_taken_back(server: Server, events: Sequence[Row]) -> None:
    """Mark the events that were taken back before they arrived, or by a row of their own batch."""
    if not server.rows("select 1 from retractions limit 1"):
        return
    by_content: dict[int, list[_Retraction]] = {}
    wanted = sorted({event["content_no"] for event in events if event["content_no"] is not None})
    for some in chunks(wanted):
        for content, member, kind, detail, ts in server.rows(
            f"select content_no, member_no, kind, detail, ts from retractions where content_no in ({some})"
        ):
            taken = _Retraction(content, member, kind, detail, ts.replace(tzinfo=UTC))
            by_content.setdefault(content, []).append(taken)
    for event in events:
        if any(_takes_back(taken, event) for taken in by_content.get(event["content_no"], ())):
            event["is_retracted"] = True


def _older_taken_back(server: Server, taken: Sequence[_Retraction]) -> list[Row]:
    """Give the rows that the store has and the retractions take back, marked and one version on."""
    found: list[Row] = []
    by_content: dict[int, list[_Retraction]] = {}
    for item in taken:
        by_content.setdefault(item.content, []).append(item)
    for some in chunks(sorted(by_content)):
        result = server.query(
            f"select {', '.join(EVENT_FIELDS)} from events where content_no in ({some}) and not is_retracted"
        )
        for values in result.result_rows:
            event: Row = dict(zip(result.column_names, values, strict=True))
            for name in ("ts", "ingested_at"):
                event[name] = event[name].replace(tzinfo=UTC)
            if any(_takes_back(item, event) for item in by_content[event["content_no"]]):
                found.append(event | {"is_retracted": True, "version": event["version"] + 1})
    return found


def _keep_days(server: Server, days: set[tuple[int, date]]) -> None:
    ordered = sorted(days)
    server.insert(
        "dirty_days",
        {"community_no": [number for number, _ in ordered], "local_day": [day for _, day in ordered]},
    )


def put_contents(server: Server, contents: set[tuple[int, str, int, str]]) -> None:
    """Keep which message a key stands for: (key, platform, channel's number, native id)."""
    ordered = sorted(contents)
    names = ("content_no", "platform", "channel_no", "native_id")
    server.insert("contents", {name: [item[place] for item in ordered] for place, name in enumerate(names)})


def _entrances(
    server: Server, community: int, rows: Sequence[Row], members: Mapping[str, people.Person]
) -> None:
    """Keep by which entrance members came first."""
    found: dict[int, str] = {}
    for row in rows:
        if row["kind"] == "join" and row["entrance"] and row["member"]:
            found.setdefault(members[row["member"]].number, row["entrance"])
    for some in chunks(list(found)):
        for (known,) in server.rows(
            f"select member_no from profiles where community_no = {community} and member_no in ({some})"
        ):
            found.pop(known, None)
    server.insert(
        "profiles",
        {
            "community_no": [community] * len(found),
            "member_no": list(found),
            "role": [None] * len(found),
            "entrance": list(found.values()),
            "version": [1] * len(found),
            "is_deleted": [0] * len(found),
        },
    )


def put_events(server: Server, events: Sequence[Row]) -> None:
    """Write rows of `events` in one block, which the engine keeps whole or not at all."""
    names = (*EVENT_COLUMNS, "version", "is_deleted")
    server.insert("events", {name: [event[name] for event in events] for name in names})
