"""What a playbook asks for, item by item: each has a key, a digest of what it says, and can be made and unmade."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import AnyHttpUrl, BaseModel, Field

from shequn_sdk.domain import ChannelRef, Content, Frozen, Name, ZoneName
from shequn_sdk.playbook.check import festival_day, festival_post, one_off_post
from shequn_sdk.playbook.model import Playbook
from shequn_sdk.playbook.plan import ContentSlot, Weekday, with_links

__all__ = ["ContentPost", "Item", "SlotPost", "due_of", "items_of"]

_SPAN = timedelta(days=3 * 366)
"""How far ahead festivals are set down whose rule no trigger knows."""


class SlotPost(Frozen):
    """What the schedule of a column is called with."""

    community: Name
    slot: ContentSlot
    starts: date
    zone: ZoneName
    to: tuple[ChannelRef, ...]
    links: Mapping[str, AnyHttpUrl] = Field(default_factory=dict)
    """What goes with it in single channels."""
    ends: date | None = None


class ContentPost(Frozen):
    """What the schedule of a single content is called with."""

    content: Content
    to: tuple[ChannelRef, ...]


class Item(BaseModel):
    """One thing that a playbook asks for."""

    kind: str
    key: str
    title: str
    body: dict[str, Any]
    """All that it says, as JSON."""

    @property
    def digest(self) -> str:
        """Stands for what it says: another digest, another item."""
        text = json.dumps(self.body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def items_of(playbook: Playbook, *, starts: date, today: date) -> list[Item]:
    """Give everything that a playbook asks for.

    Args:
        playbook: checked, with addresses for its channels.
        starts: local day from which columns take turns.
        today: local day; festivals are asked for three years ahead of it.
    """
    return [
        *_columns(playbook, starts),
        *_one_offs(playbook),
        *_festivals(playbook, min(starts, today), today),
        *_others(playbook, starts),
    ]


def _columns(playbook: Playbook, starts: date) -> Iterator[Item]:
    for slot in playbook.content:
        post = SlotPost(
            community=playbook.name,
            slot=slot,
            starts=starts,
            zone=playbook.zone,
            to=playbook.refs(slot.channels),
            links=playbook.links(),
            ends=playbook.ends,
        )
        yield Item(
            kind="content",
            key=slot.name,
            title=f"{slot.title} ({' '.join(day.value for day in slot.days)} {slot.at:%H:%M})",
            body={
                "post": post.model_dump(mode="json"),
                "when": {
                    "at": [f"{day.value} {slot.at:%H:%M}" for day in _sorted(slot.days)],
                    "tz": playbook.zone,
                },
            },
        )


def _sorted(days: Sequence[Weekday]) -> list[Weekday]:
    return sorted(days, key=lambda day: day.number)


def _single(
    playbook: Playbook, key: str, kind: str, due: datetime, content: Content, names: tuple[str, ...]
) -> Item:
    post = ContentPost(content=with_links(content, playbook.links()), to=playbook.refs(names))
    return Item(
        kind=kind,
        key=key,
        title=f"{content.text[:40]} ({due:%Y-%m-%d %H:%M})",
        body={"post": post.model_dump(mode="json"), "due": due.isoformat(), "tz": playbook.zone},
    )


def _one_offs(playbook: Playbook) -> Iterator[Item]:
    for one in playbook.one_offs:
        post = one_off_post(playbook, one)
        yield _single(playbook, one.name, "one_off", post.due, post.content, one.channels)


def _festivals(playbook: Playbook, since: date, today: date) -> Iterator[Item]:
    last = min(today + _SPAN, playbook.ends) if playbook.ends is not None else today + _SPAN
    for number, feast in enumerate(playbook.festivals):
        for year in range(since.year, last.year + 2):
            day = festival_day(feast.festival, year)
            if day is None:
                continue
            post = festival_post(playbook, number, day)
            if since <= post.due.date() <= last:
                # the key names the festival, so that moving lines in the file changes nothing
                key = f"{feast.festival}/{feast.days_before}/{post.due.date().isoformat()}"
                content = post.content.model_copy(update={"id": f"{playbook.name}/festival/{key}"})
                yield _single(playbook, key, "festival", post.due, content, feast.channels)


def _others(playbook: Playbook, starts: date) -> Iterator[Item]:
    for one in playbook.partners:
        yield Item(kind="partner", key=one.name, title=one.title, body=one.model_dump(mode="json"))
    for one in playbook.entrances:
        body = one.model_dump(mode="json")
        refs = playbook.refs((one.channel,)) if one.channel else ()
        body["ref"] = str(refs[0]) if refs else ""
        yield Item(kind="entrance", key=one.name, title=one.campaign or one.name, body=body)
    for one in playbook.products:
        yield Item(kind="product", key=one.sku, title=one.title, body=one.model_dump(mode="json"))
    for one in playbook.goals:
        body = one.model_dump(mode="json")
        body["start"] = starts.isoformat()
        body["due"] = (starts + timedelta(days=one.within_days)).isoformat()
        yield Item(kind="goal", key=one.name, title=one.title, body=body)
    for one in playbook.check_ins:
        body = one.model_dump(mode="json") | {"to": [str(ref) for ref in playbook.refs(one.channels)]}
        yield Item(kind="check_in", key=one.name, title=one.title, body=body)
    if playbook.incentives.points:
        body = playbook.incentives.model_dump(mode="json", exclude={"badges"})
        yield Item(
            kind="points", key="rules", title=f"{len(playbook.incentives.points)} rules of points", body=body
        )
    for name, points in playbook.incentives.badges.items():
        yield Item(kind="badge", key=name, title=f"{name} from {points} points on", body={"points": points})
    if playbook.moderation.banned_words or playbook.moderation.detect:
        body = playbook.moderation.model_dump(mode="json")
        notify = playbook.refs((playbook.moderation.notify,)) if playbook.moderation.notify else ()
        body["notify_ref"] = str(notify[0]) if notify else ""
        yield Item(kind="moderation", key="rules", title="rules of order", body=body)
    quiet = [f"{one:%H:%M}" for one in playbook.quiet]
    for one in playbook.journeys:
        body = one.model_dump(mode="json") | {"quiet": quiet, "zone": playbook.zone}
        yield Item(kind="journey", key=one.name, title=f"{one.name}: {len(one.steps)} steps", body=body)
    if playbook.care.birthday:
        body = {"text": playbook.care.birthday, "quiet": quiet, "zone": playbook.zone}
        yield Item(kind="care", key="birthday", title="birthday greetings", body=body)
    if playbook.care.wake and playbook.care.wake_after_days:
        body = {
            "text": playbook.care.wake,
            "days": playbook.care.wake_after_days,
            "quiet": quiet,
            "zone": playbook.zone,
        }
        yield Item(
            kind="care",
            key="wake",
            title=f"wakes who is silent for {playbook.care.wake_after_days} days",
            body=body,
        )
    if playbook.feedback is not None:
        body = playbook.feedback.model_dump(mode="json") | {
            "digest_to": [str(ref) for ref in playbook.refs(())][:1],
            "zone": playbook.zone,
            "shifts": [
                {"person": "、".join(one.people)[:100], "days": [day.number for day in one.on_duty]}
                | (
                    {"start": f"{one.start:%H:%M}", "end": f"{one.end:%H:%M}"}
                    if one.start and one.end
                    else {}
                )
                for one in playbook.roles
                if one.on_duty
            ],
        }
        minutes = playbook.feedback.reply_within_minutes
        yield Item(kind="feedback", key="promise", title=f"answers within {minutes} minutes", body=body)
    if playbook.welcome:
        yield Item(
            kind="welcome",
            key="welcome",
            title=playbook.welcome[:40],
            body={
                "text": playbook.welcome,
                "links": {ref: str(url) for ref, url in playbook.links().items()},
            },
        )


def due_of(item: Item) -> datetime | None:
    """Give the instant at which a single content is due; None for what is not for one moment."""
    return datetime.fromisoformat(item.body["due"]) if "due" in item.body and "post" in item.body else None
