"""Counts what the community talks about, per day and without keeping who said what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, and_, delete, func, insert, select, update

from shequn_sdk.domain import InteractionKind
from shequn_sdk.feeds.words import links_in, words_of
from shequn_sdk.listening.events import Heard
from shequn_sdk.stores.tables.feeds import talk_day, talk_link, talk_watch, talk_word

__all__ = [
    "DAY_ZERO",
    "count",
    "counted_days",
    "forget",
    "link_counts",
    "set_watch",
    "watched",
    "word_counts",
]

DAY_ZERO = date(1970, 1, 1)
_TEXTS = frozenset(
    {InteractionKind.MESSAGE, InteractionKind.COMMENT, InteractionKind.QUESTION, InteractionKind.ANSWER}
)


def set_watch(conn: Connection, community: str, *, on: bool, now: int) -> None:
    """Begin or end the counting; ending it keeps what was counted."""
    state = "on" if on else "off"
    known = conn.execute(select(talk_watch.c.state).where(talk_watch.c.community == community)).scalar()
    if known is None:
        conn.execute(insert(talk_watch).values(community=community, since=now, state=state, last_seq=0))
    elif known != state:
        changed = {"state": state, "since": now} if on else {"state": state}
        conn.execute(update(talk_watch).where(talk_watch.c.community == community).values(**changed))


def watched(conn: Connection) -> dict[str, tuple[str, int, int]]:
    """Give state, since when, and the newest counted event of every community that was ever watched."""
    rows = conn.execute(select(talk_watch))
    return {row.community: (row.state, row.since, row.last_seq) for row in rows}


def count(
    conn: Connection,
    heard: Sequence[Heard],
    *,
    zones: Callable[[str], str],
    cut: Callable[[str], Iterable[str]],
) -> int:
    """Add messages to the counts; each event counts once, however often it is handled. Gives how many counted."""
    watching = watched(conn)
    messages: Counter[tuple[str, int]] = Counter()
    words: Counter[tuple[str, int, str]] = Counter()
    links: Counter[tuple[str, int, str]] = Counter()
    newest: dict[str, int] = {}
    for one in heard:
        told = one.interaction
        community = one.community or ""
        state, _, last = watching.get(community, ("off", 0, 0))
        if (
            state != "on"
            or one.seq <= last
            or told.kind not in _TEXTS
            or told.is_bot
            or not told.text.strip()
        ):
            continue
        newest[community] = max(newest.get(community, 0), one.seq)
        day = (told.occurred_at.astimezone(ZoneInfo(zones(community))).date() - DAY_ZERO).days
        messages[community, day] += 1
        words.update((community, day, word) for word in words_of(told.text, cut))
        links.update((community, day, link) for link in links_in(told.text))
    for (community, day), number in messages.items():
        mine = sum(times for (where, when, _), times in words.items() if (where, when) == (community, day))
        keys = {"community": community, "day": day}
        _add(conn, talk_day, keys, {"messages": number, "words": mine})
    for (community, day, word), times in words.items():
        _add(conn, talk_word, {"community": community, "day": day, "word": word}, {"messages": times})
    for (community, day, link), times in links.items():
        _add(conn, talk_link, {"community": community, "day": day, "url": link}, {"messages": times})
    for community, seq in newest.items():
        conn.execute(update(talk_watch).where(talk_watch.c.community == community).values(last_seq=seq))
    return messages.total()


def _add(conn: Connection, table: Table, keys: Mapping[str, str | int], amounts: Mapping[str, int]) -> None:

    here = and_(*(table.c[name] == value for name, value in keys.items()))
    more = {name: table.c[name] + value for name, value in amounts.items()}
    if conn.execute(update(table).where(here).values(**more)).rowcount == 0:
        conn.execute(insert(table).values(**keys, **amounts))


def counted_days(conn: Connection, community: str, first: int, last: int) -> tuple[int, int]:
    """Give the days with counts and their messages, first and last inclusive."""
    query = select(func.count(), func.coalesce(func.sum(talk_day.c.messages), 0)).where(
        and_(talk_day.c.community == community, talk_day.c.day.between(first, last))
    )
    days, messages = conn.execute(query).one()
    return int(days), int(messages)


def word_counts(conn: Connection, community: str, first: int, last: int) -> dict[str, int]:
    """Give messages per word."""
    query = (
        select(talk_word.c.word, func.sum(talk_word.c.messages))
        .where(and_(talk_word.c.community == community, talk_word.c.day.between(first, last)))
        .group_by(talk_word.c.word)
    )
    return {word: int(times) for word, times in conn.execute(query)}


def link_counts(
    conn: Connection, community: str, first: int, last: int, *, most: int
) -> list[tuple[str, int]]:
    """Give the links shared most."""
    total = func.sum(talk_link.c.messages)
    query = (
        select(talk_link.c.url, total)
        .where(and_(talk_link.c.community == community, talk_link.c.day.between(first, last)))
        .group_by(talk_link.c.url)
        .order_by(total.desc(), talk_link.c.url)
        .limit(most)
    )
    return [(url, int(times)) for url, times in conn.execute(query)]


def forget(conn: Connection, *, before: date, rare: int = 2, rare_before: date | None = None) -> int:
    """Drop counts of days before `before`, and words said in fewer than `rare` messages of a day before `rare_before`."""
    day = (before - DAY_ZERO).days
    gone = 0
    for table in (talk_word, talk_link, talk_day):
        gone += conn.execute(delete(table).where(table.c.day < day)).rowcount
    if rare_before is not None:
        until = (rare_before - DAY_ZERO).days
        gone += conn.execute(
            delete(talk_word).where(and_(talk_word.c.day < until, talk_word.c.messages < rare))
        ).rowcount
    return gone


def week_before(first: date, weeks: int) -> tuple[date, date]:
    """Give the first and last day of the weeks before a day."""
    return first - timedelta(weeks=weeks), first - timedelta(days=1)
