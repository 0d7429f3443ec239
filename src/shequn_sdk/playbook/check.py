"""Looks a playbook over: contradictions, and what handbooks on community operation warn of."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from shequn_sdk.domain import CommunityKind, Content, Frozen, Role
from shequn_sdk.playbook.model import OneOff, Playbook, Threshold
from shequn_sdk.playbook.plan import ContentSlot, PlannedPost, Weekday
from shequn_sdk.scheduling.chinese import Festival, festivals

__all__ = [
    "Finding",
    "Level",
    "check_playbook",
    "festival_day",
    "festival_post",
    "one_off_post",
    "posts_of",
]

_MONTH = 30
_FEWEST_A_MONTH = 8
_MOST_A_DAY = 8
"""Posts a day in one channel above which members mute a group."""
_CLOSE = timedelta(minutes=10)
_REPEATS = 6
"""Times that the same text may come within a month before it bores."""


class Level(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """It contradicts itself or cannot be done: it is not applied."""
    WARNING = "warning"
    """Handbooks warn of it."""
    HINT = "hint"


class Finding(Frozen):
    """Something about a playbook that should be thought over."""

    level: Level
    code: str
    """Stable name of the rule."""
    where: str
    """Path in the file, such as `content.2.at`; "" is the whole."""
    message: str
    advice: str = ""


def posts_of(playbook: Playbook, start: date, days: int) -> list[tuple[PlannedPost, tuple[str, ...]]]:
    """Give everything the playbook publishes on `days` local days from `start`, with the names of its channels, by time."""
    first = playbook.starts or start
    last = start + timedelta(days=days)
    if playbook.ends is not None:
        last = min(last, playbook.ends + timedelta(days=1))
    found = _posts(playbook, first, max(start, first), last)
    return sorted(found, key=lambda item: (item[0].due, item[0].slot))


def _posts(
    playbook: Playbook, first: date, begin: date, last: date
) -> Iterator[tuple[PlannedPost, tuple[str, ...]]]:
    slots = {slot.name: slot for slot in playbook.content}
    # turns count from the playbook's own first day, so that looking from another day shows the same texts
    for post in playbook.posts(first, max(0, (last - first).days)):
        if post.due.date() >= begin:
            yield post, slots[post.slot].channels
    for one in playbook.one_offs:
        if begin <= one.day < last:
            yield one_off_post(playbook, one), one.channels
    for number, feast in enumerate(playbook.festivals):
        for year in range(begin.year, last.year + 2):
            day = festival_day(feast.festival, year)
            if day is not None and begin <= day - timedelta(days=feast.days_before) < last:
                yield festival_post(playbook, number, day), feast.channels


def one_off_post(playbook: Playbook, one: OneOff) -> PlannedPost:
    """Give the content of one day."""
    return PlannedPost(
        slot=one.name,
        due=datetime.combine(one.day, one.at, tzinfo=ZoneInfo(playbook.zone)),
        content=Content(
            id=f"{playbook.name}/{one.name}/{one.day.isoformat()}",
            text=one.text,
            category=one.category or one.name,
            promotional=one.promotional,
        ),
    )


def festival_post(playbook: Playbook, number: int, day: date) -> PlannedPost:
    """Give the content for the `number`-th festival of the playbook, which falls on `day`."""
    feast = playbook.festivals[number]
    due = day - timedelta(days=feast.days_before)
    return PlannedPost(
        slot=f"festival-{number}",
        due=datetime.combine(due, feast.at, tzinfo=ZoneInfo(playbook.zone)),
        content=Content(
            id=f"{playbook.name}/festival-{number}/{due.isoformat()}",
            text=feast.text,
            category="festival",
            promotional=feast.promotional,
        ),
    )


def festival_day(name: str, year: int) -> date | None:
    """Give the day of a festival in a civil year; None when it has none of that name (or day) in it."""
    if len(name) == 5 and name[2] == "-":
        try:
            return date(year, int(name[:2]), int(name[3:]))
        except ValueError:
            return None
    return next((one.date for one in _feasts(year) if name in {one.key, one.name}), None)


def _feasts(year: int) -> tuple[Festival, ...]:
    return festivals(year)


def check_playbook(
    playbook: Playbook,
    *,
    today: date,
    accounts: Mapping[str, str] | None = None,
    metrics: Collection[str] | None = None,
) -> list[Finding]:
    """Give what is wrong with a playbook, errors first.

    Args:
        playbook: what is looked over.
        today: local day; what is over is told.
        accounts: name to platform of the accounts that there are; None leaves that unchecked.
        metrics: names that goals may have; None leaves that unchecked.
    """
    found: list[Finding] = []
    for rule in (_names, _times, _cadence, _money, _content, _people, _path, _rules):
        found.extend(rule(playbook))
    found += _days(playbook, today)
    if accounts is not None:
        found += _channels(playbook, accounts)
    if metrics is not None:
        found += _goals(playbook, metrics)
    order = list(Level)
    return sorted(found, key=lambda one: (order.index(one.level), one.where, one.code))


def _error(code: str, where: str, message: str, advice: str = "") -> Finding:
    return Finding(level=Level.ERROR, code=code, where=where, message=message, advice=advice)


def _warning(code: str, where: str, message: str, advice: str = "") -> Finding:
    return Finding(level=Level.WARNING, code=code, where=where, message=message, advice=advice)


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known)) or 'none'}"


def _names(playbook: Playbook) -> Iterator[Finding]:
    groups: dict[str, list[str]] = {
        "channels": [one.name for one in playbook.channels],
        "content": [one.name for one in playbook.content],
        "one_offs": [one.name for one in playbook.one_offs],
        "journeys": [one.name for one in playbook.journeys],
        "check_ins": [one.name for one in playbook.check_ins],
        "partners": [one.name for one in playbook.partners],
        "entrances": [one.name for one in playbook.entrances],
        "products": [one.sku for one in playbook.products],
        "goals": [one.name for one in playbook.goals],
    }
    for group, names in groups.items():
        for name, times in Counter(names).items():
            if times > 1:
                yield _error(
                    "name-twice", group, f"{name!r} stands here {times} times", "give each its own name"
                )
    refs = Counter(str(one.ref) for one in playbook.channels if one.ref)
    for ref, times in refs.items():
        if times > 1:
            yield _error("channel-twice", "channels", f"{ref} is the address of {times} channels")
    known = set(groups["channels"])
    users: list[tuple[str, tuple[str, ...]]] = [
        *((f"content.{n}.channels", one.channels) for n, one in enumerate(playbook.content)),
        *((f"one_offs.{n}.channels", one.channels) for n, one in enumerate(playbook.one_offs)),
        *((f"check_ins.{n}.channels", one.channels) for n, one in enumerate(playbook.check_ins)),
        *((f"festivals.{n}.channels", one.channels) for n, one in enumerate(playbook.festivals)),
        *(
            (f"entrances.{n}.channel", (one.channel,))
            for n, one in enumerate(playbook.entrances)
            if one.channel is not None
        ),
    ]
    if playbook.moderation.notify is not None:
        users.append(("moderation.notify", (playbook.moderation.notify,)))
    for where, names in users:
        for name in names:
            if name not in known:
                yield _error("unknown-channel", where, f"there is no channel {name!r}", _near(name, known))
    partners = set(groups["partners"])
    for number, one in enumerate(playbook.entrances):
        if one.partner and one.partner not in partners:
            yield _error(
                "unknown-partner",
                f"entrances.{number}.partner",
                f"there is no partner {one.partner!r}",
                _near(one.partner, partners),
            )


def _times(playbook: Playbook) -> Iterator[Finding]:
    begin, end = playbook.quiet
    for number, slot in enumerate(playbook.content):
        if _is_quiet(slot.at, begin, end):
            yield _warning(
                "quiet-hours",
                f"content.{number}.at",
                f"{slot.title!r} is published at {slot.at:%H:%M}, within the quiet hours",
                f"choose a time between {end:%H:%M} and {begin:%H:%M}, or change quiet",
            )
        if len(set(slot.days)) != len(slot.days):
            yield _error("day-twice", f"content.{number}.days", f"{slot.title!r} names a day twice")
    by_moment: dict[tuple[Weekday, str], list[tuple[time, ContentSlot]]] = defaultdict(list)
    names = [one.name for one in playbook.channels] or [""]
    for slot in playbook.content:
        for day in slot.days:
            for channel in slot.channels or names:
                by_moment[day, channel].append((slot.at, slot))
    clashes: set[tuple[str, str]] = set()
    for listed in by_moment.values():
        for (before, one), (after, other) in pairwise(
            sorted(listed, key=lambda item: (item[0], item[1].name))
        ):
            near = datetime.combine(date.min, after) - datetime.combine(date.min, before)
            if near < _CLOSE and one.name != other.name:
                clashes.add((one.name, other.name))
    for one, other in sorted(clashes):
        yield _warning(
            "clash",
            "content",
            f"{one!r} and {other!r} come within {_CLOSE.seconds // 60} minutes of each other in one channel",
            "move one of them, or give them different channels",
        )
    for number, feast in enumerate(playbook.festivals):
        if festival_day(feast.festival, 2028) is None:  # a leap year has every day
            keys = {name for one in _feasts(2028) for name in (one.key, one.name)}
            yield _error(
                "unknown-festival",
                f"festivals.{number}.festival",
                f"{feast.festival!r} is no festival",
                _near(feast.festival, keys) + "; or write a day of your own as MM-DD",
            )


def _is_quiet(at: time, begin: time, end: time) -> bool:
    return begin <= at < end if begin <= end else at >= begin or at < end


def _cadence(playbook: Playbook) -> Iterator[Finding]:
    names = [one.name for one in playbook.channels] or [""]
    for channel in names:
        days = Counter(
            day
            for slot in playbook.content
            if not slot.channels or channel in slot.channels
            for day in slot.days
        )
        where = f"in {channel!r} " if channel else ""
        for day, count in sorted(days.items(), key=lambda item: item[0].number):
            if count > _MOST_A_DAY:
                yield _warning(
                    "too-many-a-day",
                    "content",
                    f"{count} posts {where}on {day.value}: members mute a group that talks more than {_MOST_A_DAY} times a day",
                )
    month = sum(len(slot.days) for slot in playbook.content) * _MONTH / 7 + len(playbook.one_offs)
    if month < _FEWEST_A_MONTH:
        yield _warning(
            "no-months-plan",
            "content",
            f"about {month:.0f} posts in the first month: groups without a month's plan die within two weeks",
            "plan at least two posts a week before opening",
        )
    for number, slot in enumerate(playbook.content):
        texts = max(1, len(set(slot.texts)))
        times = len(slot.days) * _MONTH / 7
        if times / texts > _REPEATS and not slot.poll and "check" not in (slot.category or slot.name):
            yield _warning(
                "repeats",
                f"content.{number}.texts",
                f"{slot.title!r} says each of its {texts} texts about {times / texts:.0f} times a month",
                "write more of them, or publish it less often",
            )


def _money(playbook: Playbook) -> Iterator[Finding]:
    weekly = sum(len(slot.days) for slot in playbook.content)
    sold = sum(len(slot.days) for slot in playbook.content if slot.promotional)
    if weekly and sold / weekly > playbook.promotion.share + 1e-9:
        yield _warning(
            "too-commercial",
            "content",
            f"{sold} of {weekly} posts a week advertise ({sold / weekly:.0%}): communities that turned commercial died",
            f"keep it under {playbook.promotion.share:.0%}",
        )
    if playbook.promotion.share > 0.5:
        yield _warning("promotion-share", "promotion.share", "more than half of what is said may advertise")
    entry = playbook.entry
    if entry.threshold is Threshold.PAID and not entry.price:
        yield _error("no-price", "entry.price", "who comes in pays, but there is no price")
    if entry.threshold is not Threshold.PAID and entry.price:
        yield _error(
            "price-without-threshold", "entry.threshold", "there is a price, but nobody has to pay it"
        )
    if entry.threshold is Threshold.TASK and not entry.task:
        yield _error("no-task", "entry.task", "a task opens the door, but it is not said which")
    if playbook.kind is CommunityKind.FUNNEL and entry.threshold is Threshold.PAID:
        yield _error(
            "funnel-with-price",
            "entry.threshold",
            "a funnel pool (引流群) is open to all; this one costs money",
        )
    if playbook.kind is CommunityKind.PAID and entry.threshold is not Threshold.PAID:
        yield _error(
            "paid-without-price", "entry.threshold", "a paid community needs entry.threshold = 'paid'"
        )
    for number, one in enumerate(playbook.products):
        if (one.kind == "membership") != (one.term_days is not None):
            yield _error(
                "membership-term",
                f"products.{number}.term_days",
                f"{one.sku}: a membership, and nothing else, needs term_days",
            )


def _content(playbook: Playbook) -> Iterator[Finding]:
    subjects = sorted(
        {one.subject for one in playbook.content if one.subject}
        | {s for c in playbook.channels for s in c.subjects}
    )
    if len(playbook.channels) == 1 and len(subjects) > 3:
        yield _warning(
            "one-pot",
            "channels",
            f"{len(subjects)} subjects in one group ({', '.join(subjects[:5])}): one pot for all is past mending later",
            "separate members by subject or level from the start",
        )
    for number, slot in enumerate(playbook.content):
        if slot.poll and len(slot.poll) < 2:
            yield _error("poll-of-one", f"content.{number}.poll", f"{slot.title!r} is a poll with one choice")
        for choice, times in Counter(slot.poll).items():
            if times > 1:
                yield _error(
                    "choice-twice", f"content.{number}.poll", f"the choice {choice!r} stands there twice"
                )
    asks = any(
        one.poll or one.category in {"topic", "poll", "check_in", "question"} for one in playbook.content
    )
    if not asks and not playbook.check_ins:
        yield _warning(
            "nothing-to-do",
            "content",
            "nothing asks members to take part: no poll, topic, check-in or question",
            "one or two interactive topics a week keep a community alive",
        )


def _people(playbook: Playbook) -> Iterator[Finding]:
    roles = {one.role for one in playbook.roles}
    if Role.OWNER not in roles and Role.ADMIN not in roles:
        yield _warning(
            "nobody-responsible", "roles", "no owner or administrator is named", "name one under roles"
        )
    duty = {day for one in playbook.roles for day in one.on_duty}
    missing = [day.value for day in Weekday if day not in duty]
    if missing:
        who = "on any day" if len(missing) == 7 else f"on {', '.join(missing)}"
        yield _warning(
            "nobody-on-duty",
            "roles",
            f"nobody is on duty {who}: questions stay unanswered",
            "give roles on_duty days",
        )
    if (
        playbook.feedback is not None
        and playbook.feedback.reply_within_minutes < 24 * 60
        and len(missing) > 0
    ):
        yield _error(
            "promise-without-duty",
            "feedback.reply_within_minutes",
            f"an answer is promised within {playbook.feedback.reply_within_minutes} minutes, but nobody is on duty "
            f"on {', '.join(missing)}",
        )
    for number, one in enumerate(playbook.roles):
        if (one.start is None) != (one.end is None):
            yield _error("half-a-shift", f"roles.{number}", "a shift needs both start and end")
    if not playbook.positioning.strip():
        yield _warning("no-positioning", "positioning", "it is not said what the community stands for")
    if not playbook.audience.strip():
        yield _warning("no-audience", "audience", "it is not said for whom the community is")
    ages = playbook.audience_profile.ages
    if ages is not None and not 0 < ages[0] <= ages[1] <= 120:
        yield _error("ages", "audience_profile.ages", f"{ages[0]} to {ages[1]} are no ages from young to old")
    if not playbook.welcome:
        yield _warning("no-welcome", "welcome", "newcomers are not welcomed", "say what to do first")


def _path(playbook: Playbook) -> Iterator[Finding]:
    for number, one in enumerate(playbook.journeys):
        days = [(step.day, step.at or time.min) for step in one.steps]
        if days != sorted(days):
            yield _error(
                "steps-out-of-order",
                f"journeys.{number}.steps",
                f"the steps of {one.name!r} are not in order of time",
            )
        if one.start in {"silent", "membership_ends"} and one.after_days == 0:
            yield _error(
                "no-days", f"journeys.{number}.after_days", f"{one.name!r} needs after_days: how many?"
            )
    care = playbook.care
    if (care.wake_after_days is None) != (not care.wake):
        yield _error("half-a-wake", "care", "waking the silent needs both wake_after_days and wake")
    if playbook.kind is CommunityKind.TRAINING_CAMP:
        if playbook.ends is None:
            yield _error("camp-without-end", "ends", "a training camp ends: say on which day")
        if not playbook.journeys:
            yield _warning(
                "camp-without-path",
                "journeys",
                "a training camp teaches along a calendar: plan its days as a journey",
            )


def _rules(playbook: Playbook) -> Iterator[Finding]:
    if not playbook.rules:
        yield _warning("no-rules", "rules", "there are no rules: members cannot know what is not wanted")
    if not playbook.moderation.banned_words and not playbook.moderation.detect:
        yield _warning("no-moderation", "moderation", "nothing is done about advertisements and flooding")
    if not playbook.entry.leave:
        yield _warning("no-exit", "entry.leave", "there is no word on when members are shown out (退出机制)")
    if not playbook.goals:
        yield _warning("no-goals", "goals", "there are no goals: nobody can say whether it works")
    if playbook.incentives.badges and not playbook.incentives.points:
        yield _error(
            "badges-without-points", "incentives.badges", "badges take points, but nothing gives any"
        )
    for badge, points in playbook.incentives.badges.items():
        if points < 1:
            yield _error(
                "badge-for-nothing", f"incentives.badges.{badge}", "a badge takes at least one point"
            )


def _days(playbook: Playbook, today: date) -> Iterator[Finding]:
    start = playbook.starts or today
    if playbook.ends is not None and playbook.ends <= start:
        yield _error(
            "ends-before-start", "ends", f"it ends on {playbook.ends}, not after its start on {start}"
        )
    if playbook.ends is not None and playbook.ends < today:
        yield _error("over", "ends", f"it ended on {playbook.ends}")
    for number, one in enumerate(playbook.one_offs):
        if one.day < today:
            yield Finding(
                level=Level.HINT,
                code="past",
                where=f"one_offs.{number}.day",
                message=f"{one.name!r} was due on {one.day}: it is not published any more",
            )
        elif playbook.ends is not None and one.day > playbook.ends:
            yield _error("after-the-end", f"one_offs.{number}.day", f"{one.name!r} is due after the end")


def _channels(playbook: Playbook, accounts: Mapping[str, str]) -> Iterator[Finding]:
    if not playbook.channels:
        yield _error(
            "no-channels", "channels", "there is no channel", "add [[channels]] with a name and a ref"
        )
    for number, one in enumerate(playbook.channels):
        if one.ref is None:
            yield _error(
                "no-address",
                f"channels.{number}.ref",
                f"channel {one.name!r} has no address",
                "write ref = 'account:native-id'",
            )
        elif one.ref.account not in accounts:
            yield _error(
                "unknown-account",
                f"channels.{number}.ref",
                f"there is no account {one.ref.account!r}",
                _near(one.ref.account, accounts),
            )


def _goals(playbook: Playbook, metrics: Collection[str]) -> Iterator[Finding]:
    for number, one in enumerate(playbook.goals):
        if one.metric not in metrics:
            yield _error(
                "unknown-metric",
                f"goals.{number}.metric",
                f"there is no metric {one.metric!r}",
                _near(one.metric, metrics),
            )
        if one.target <= 0:
            yield _error("no-target", f"goals.{number}.target", f"{one.title!r} aims at {one.target:g}")
        if one.relative and one.target == 1:
            yield _warning(
                "goal-of-now", f"goals.{number}.target", f"{one.title!r} is reached from the start"
            )
