"""The calendar as a table and as an iCalendar."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from shequn_sdk.domain import Media
from shequn_sdk.editorial._columns import COLUMNS, escaped
from shequn_sdk.editorial._lines import said
from shequn_sdk.editorial.model import Entry, EntryState
from shequn_sdk.scheduling.recurrence.local import zone_of

__all__ = ["to_csv", "to_ical"]

_MARK = "\ufeff"
"""Tells spreadsheets that it is UTF-8."""
_STATUS = {
    EntryState.SCHEDULED: "CONFIRMED",
    EntryState.LANDED: "CONFIRMED",
    EntryState.CANCELLED: "CANCELLED",
    EntryState.FAILED: "CANCELLED",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _file(media: Media) -> str:
    if media.url is not None:
        return str(media.url)
    return media.path.name if media.path is not None else media.filename


def to_csv(entries: Sequence[Entry], *, zone: str) -> str:
    """Write entries as CSV, one a row; files by name, times local."""
    out = io.StringIO()
    out.write(_MARK)
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for one in entries:
        content = one.content
        cells = {
            "key": one.key or "",
            "state": str(one.state),
            "at": "" if one.at is None else one.at.astimezone(zone_of(zone)).isoformat(timespec="minutes"),
            "channels": "; ".join(str(ref) for ref in one.channels),
            "title": content.title,
            "text": content.text or (said(content) if not content.title else ""),
            "category": content.category,
            "promotional": "yes" if content.promotional else "",
            "hashtags": "; ".join(content.hashtags),
            "pictures": "; ".join(_file(media) for media in content.media),
            "alt": "; ".join(media.alt for media in content.media)
            if any(media.alt for media in content.media)
            else "",
            "link": "" if content.link is None else str(content.link.url),
            "comments": "; ".join(content.comments),
        }
        writer.writerow([escaped(cells[name]) for name in COLUMNS])
    return out.getvalue()


def _escape(text: str) -> str:
    """Write a TEXT value (RFC 5545, 3.3.11)."""
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _fold(line: str) -> Iterator[str]:
    """Fold a content line at 75 octets, between characters (RFC 5545, 3.1)."""
    left, size = "", 0
    for letter in line:
        octets = len(letter.encode("utf-8", "replace"))
        if size + octets > 75:
            yield left
            left, size = " ", 1
        left += letter
        size += octets
    yield left


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def to_ical(entries: Sequence[Entry], *, title: str, now: datetime) -> str:
    """Write entries that have a time as a calendar; UIDs stay the same, so that importing again updates."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//shequn-sdk//content calendar//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{_escape(title)}",
        f"X-WR-CALNAME:{_escape(title)}",
    ]
    for one in entries:
        if one.at is None:
            continue
        text = said(one.content)
        lines += [
            "BEGIN:VEVENT",
            f"UID:entry-{one.id}-{int(one.created_at.timestamp())}@{one.community}.shequn",
            f"DTSTAMP:{_moment(now)}",
            f"CREATED:{_moment(one.created_at)}",
            f"LAST-MODIFIED:{_moment(one.updated_at)}",
            f"SEQUENCE:{one.version - 1}",
            f"DTSTART:{_moment(one.at)}",
            "DURATION:PT15M",
            f"SUMMARY:{_escape(one.content.title or ' '.join(text.split())[:80] or str(one.state))}",
            f"DESCRIPTION:{_escape(text)}",
            f"LOCATION:{_escape(', '.join(str(ref) for ref in one.channels))}",
            f"STATUS:{_STATUS.get(one.state, 'TENTATIVE')}",
            "TRANSP:TRANSPARENT",
            f"X-SHEQUN-STATE:{one.state}",
        ]
        if one.content.category:
            lines.append(f"CATEGORIES:{_escape(one.content.category)}")
        lines.append("END:VEVENT")
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _fold(line))
