"""What is talked about: rising words and shared links of the community's own talk and of feeds, and open questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from shequn_sdk.feeds import records, talk
from shequn_sdk.feeds.model import FeedItem, Question, SharedLink, TrendingWord, TrendReport
from shequn_sdk.feeds.words import rising, words_of
from shequn_sdk.metrics.store.base import Session
from shequn_sdk.stores.schema import to_us

__all__ = ["Period", "Talk", "feed_words", "open_questions", "read_items", "read_talk", "report"]

Cut = Callable[[str], Iterable[str]]
_MOST_ITEMS = 5000


class Period:
    """Local days to report on, and the weeks before them."""

    def __init__(self, *, end: date, days: int, weeks: int, zone: str) -> None:
        """End with `end`, inclusive."""
        self.end, self.start = end, end - timedelta(days=days - 1)
        self.before_end = self.start - timedelta(days=1)
        self.before_start = self.start - timedelta(weeks=weeks)
        self.zone = ZoneInfo(zone)

    @staticmethod
    def number(day: date) -> int:
        """Give a day as it is kept."""
        return (day - talk.DAY_ZERO).days

    def instant(self, day: date) -> datetime:
        """Give the beginning of a local day."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)


class Talk:
    """What was counted of the community's talk; nothing was when it is not watched."""

    def __init__(self) -> None:
        self.note = ""
        self.messages = 0
        self.days_before = 0
        self.now: Mapping[str, int] = {}
        self.before: Mapping[str, int] = {}
        self.links: Sequence[tuple[str, int]] = ()
        self.counted = False


def read_talk(conn: Connection, community: str, period: Period, *, top: int) -> Talk:
    """Read the counts of a community."""
    found = Talk()
    state, since, _ = talk.watched(conn).get(community, ("", 0, 0))
    first, last = period.number(period.start), period.number(period.end)
    _, found.messages = talk.counted_days(conn, community, first, last)
    if not state or (state == "off" and not found.messages):
        found.note = (
            "the community's talk was not counted: texts are not kept unless that is asked for; turn it on with "
            "watch_talk, and give it some days"
        )
        return found
    found.counted = True
    if since > to_us(period.instant(period.start)):
        found.note = "the community's talk has been counted for a part of the period only"
    before = period.number(period.before_start), period.number(period.before_end)
    found.days_before, _ = talk.counted_days(conn, community, *before)
    found.now = talk.word_counts(conn, community, first, last)
    found.before = talk.word_counts(conn, community, *before)
    found.links = talk.link_counts(conn, community, first, last, most=top)
    return found


def read_items(conn: Connection, community: str, period: Period) -> list[FeedItem]:
    """Read the items of the feeds that a community follows, over the period and the weeks before."""
    return records.list_items(
        conn,
        community=community,
        since=to_us(period.instant(period.before_start)),
        until=to_us(period.instant(period.end + timedelta(days=1))),
        limit=_MOST_ITEMS,
    )


def feed_words(items: Sequence[FeedItem], period: Period, cut: Cut) -> tuple[Counter[str], Counter[str]]:
    """Count stories with a word, in the period and before: what several feeds copy from each other counts once."""
    start = period.instant(period.start)
    now: Counter[str] = Counter()
    before: Counter[str] = Counter()
    told: set[int] = set()
    for item in sorted(items, key=lambda one: one.id):
        if item.story in told:
            continue
        told.add(item.story)
        counts = now if item.published_at >= start else before
        counts.update(words_of(f"{item.title}\n{item.text}", cut))
    return now, before


def open_questions(session: Session, community: str, period: Period, *, most: int) -> list[Question]:
    """Give questions of the period that nobody else has answered by a reply, oldest first.

    A question is a message of kind question, or one that ends with a question mark. Answers that are no replies cannot be
    seen, so that an answered question may be here.
    """
    _, known = session.rows(
        "select c.community_no from communities as c where c.name = $name", {"name": community}
    )
    if not known:
        return []
    _, rows = session.rows(
        "select ch.platform, ch.native_id, c.native_id, q.asked_at from ("
        " select e.content_no, e.channel_no, min(e.person_no) as asker, min(e.ts) as asked_at from events as e"
        " where e.community_no = $number and e.is_question and not e.is_bot and not e.is_retracted"
        " and e.content_no is not null and e.person_no is not null"
        " and e.kind in ('message', 'question', 'comment') and e.ts >= $first and e.ts < $last"
        " group by e.content_no, e.channel_no) as q"
        " join contents as c on c.content_no = q.content_no"
        " join channels as ch on ch.channel_no = q.channel_no"
        " where not exists (select 1 from events as a where a.community_no = $number and a.parent_no = q.content_no"
        " and a.person_no is not null and a.person_no <> q.asker and not a.is_bot and a.ts >= q.asked_at"
        " and a.kind in ('message', 'comment', 'answer', 'question'))"
        " order by q.asked_at, c.native_id limit $most",
        {
            "number": known[0][0],
            "first": period.instant(period.start).replace(tzinfo=None),
            "last": period.instant(period.end + timedelta(days=1)).replace(tzinfo=None),
            "most": most,
        },
    )
    return [
        Question(platform=platform, channel=channel, message=message, asked_at=asked.replace(tzinfo=UTC))
        for platform, channel, message, asked in rows
    ]


def report(
    community: str,
    period: Period,
    found: Talk,
    items: Sequence[FeedItem],
    questions: Sequence[Question] | None,
    cut: Cut | None,
    *,
    top: int,
    least: int,
    notes: Sequence[str] = (),
) -> TrendReport:
    """Put a report together."""
    said = [note for note in (found.note, *notes) if note]
    in_feeds: Counter[str] = Counter()
    from_feeds: tuple[TrendingWord, ...] = ()
    if items and cut is not None:
        now, before = feed_words(items, period, cut)
        in_feeds = now
        if before:
            from_feeds = _words(now, before, now, top=top, least=min(least, 2))
        else:
            said.append("the feeds have brought nothing before the period, so nothing can be compared")
    words: tuple[TrendingWord, ...] | None = None
    if found.counted:
        words = _words(found.now, found.before, in_feeds, top=top, least=least)
        if not found.days_before:
            said.append("no talk was counted before the period, so no word can be said to rise")
    titles = {item.url: item.title for item in items}
    return TrendReport(
        community=community,
        start=period.start,
        end=period.end,
        words=words,
        feed_words=from_feeds,
        links=tuple(
            SharedLink(url=url, messages=times, title=titles.get(url, "")) for url, times in found.links
        )
        if found.counted
        else None,
        questions=None if questions is None else tuple(questions),
        messages=found.messages if found.counted else None,
        days_before=found.days_before,
        notes=tuple(said),
    )


def _words(
    now: Mapping[str, int], before: Mapping[str, int], in_feeds: Mapping[str, int], *, top: int, least: int
) -> tuple[TrendingWord, ...]:
    return tuple(
        TrendingWord(
            word=word,
            messages=now[word],
            before=before.get(word, 0),
            score=round(score, 2),
            in_feeds=in_feeds.get(word, 0),
        )
        for word, score in rising(now, before, least=least)[:top]
    )
