"""The calendar as a page: a month or a week, in one file, for screens and phones, light and dark."""

from __future__ import annotations

import base64
import contextlib
import io
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from typing import Literal

from shequn_sdk.domain import Content, Media, MediaKind
from shequn_sdk.editorial._days import local
from shequn_sdk.editorial.model import Card, DayNote, View
from shequn_sdk.scheduling.recurrence.local import zone_of

__all__ = ["draw", "span"]

_MOST_BYTES = 20_000_000
_SIDE = 96
_ZH = {
    "days": ("一", "二", "三", "四", "五", "六", "日"),
    "month": "{y} 年 {m} 月",
    "week": "{y} 年 {m} 月 {d} 日起的一周",
    "undated": "还没有时间",
    "empty": "没有安排",
    "holiday": "休",
    "work": "班",
    "provisional": "部分年份的放假安排尚未公布",
    "held": "暂缓",
    "ad": "广告",
    "states": {
        "idea": "选题", "draft": "草稿", "in_review": "待审", "approved": "已审", "scheduled": "已排期",
        "landed": "已发布", "failed": "失败", "cancelled": "已取消",
    },
}  # fmt: skip
_EN = {
    "days": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "month": "{name} {y}",
    "week": "Week of {d} {name} {y}",
    "undated": "No time yet",
    "empty": "nothing planned",
    "holiday": "off",
    "work": "worked",
    "provisional": "days off of some year are not announced yet",
    "held": "held",
    "ad": "ad",
    "states": {
        "idea": "idea", "draft": "draft", "in_review": "in review", "approved": "approved", "scheduled": "scheduled",
        "landed": "landed", "failed": "failed", "cancelled": "cancelled",
    },
}  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5d6878;--line:#dfe3e9;--feast:#b3261e;
--idea:#7a6ff0;--draft:#6b7684;--in_review:#b26a00;--approved:#0f7b6c;--scheduled:#1769c2;--landed:#2e7d32;
--failed:#c62828;--cancelled:#8b93a0;--today:#1769c2}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b212a;--ink:#e8ecf2;--soft:#9aa6b6;--line:#2d3643;
--feast:#ff8a80;--idea:#a79ff8;--draft:#a3adba;--in_review:#f0b35a;--approved:#4fc3b0;--scheduled:#6fb1f5;
--landed:#7fd08a;--failed:#ff8a80;--cancelled:#7d8794;--today:#6fb1f5}}
*{box-sizing:border-box}body{margin:0;padding:1.2rem;background:var(--bg);color:var(--ink);
font:14px/1.45 system-ui,-apple-system,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
header{display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:baseline;margin-bottom:.8rem}
h1{font-size:1.25rem;margin:0}h2{font-size:1rem;margin:1.4rem 0 .5rem}header p,.key{margin:0;color:var(--soft)}
.key{display:flex;flex-wrap:wrap;gap:.2rem .9rem;margin-bottom:.8rem;font-size:.85rem}
.dot{display:inline-block;width:.6rem;height:.6rem;border-radius:50%;background:var(--c);margin-right:.3rem}
.grid{display:grid;grid-template-columns:repeat(7,minmax(0,1fr));gap:1px;background:var(--line);
border:1px solid var(--line);border-radius:.5rem;overflow:hidden}
.name{background:var(--card);color:var(--soft);text-align:center;padding:.3rem;font-size:.85rem}
.day{background:var(--card);min-height:6.5rem;padding:.35rem;display:flex;flex-direction:column;gap:.25rem;min-width:0}
.week .day{min-height:18rem}.out{opacity:.5}.today .num{background:var(--today);color:var(--card);border-radius:1rem;
padding:0 .45rem}.top{display:flex;flex-wrap:wrap;gap:0 .4rem;align-items:baseline;font-size:.8rem;color:var(--soft)}
.num{font-weight:600;color:var(--ink);font-size:.95rem}.dow{display:none}.feast,.off{color:var(--feast)}
.card{border-left:3px solid var(--c);background:color-mix(in srgb,var(--c) 9%,var(--card));border-radius:.25rem;
padding:.2rem .35rem;display:flex;gap:.35rem;min-width:0;font-size:.85rem}
.card img{width:2rem;height:2rem;object-fit:cover;border-radius:.2rem;flex:none}
.said{min-width:0;flex:1}.said b{display:block;font-weight:500;overflow-wrap:anywhere;display:-webkit-box;
-webkit-box-orient:vertical;-webkit-line-clamp:2;overflow:hidden}
.more{color:var(--soft);font-size:.75rem;overflow-wrap:anywhere}.more i{font-style:normal;color:var(--c);font-weight:600}
.list{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,16rem),1fr));gap:.4rem}
.none{display:none}
@media(max-width:720px){body{padding:.8rem}.grid{display:block;border:0;background:none;border-radius:0;overflow:visible}
.name,.day.bare{display:none}.day,.week .day{min-height:0;border:1px solid var(--line);border-radius:.5rem;
margin-bottom:.5rem;padding:.5rem}.dow{display:inline}.out{display:none}.card{font-size:.95rem}.none{display:block;
color:var(--soft)}}
@media print{body{background:#fff}.card{break-inside:avoid}}
"""


def span(day: date, form: str) -> tuple[date, date]:
    """Give the first and last day that a page around `day` shows: whole weeks."""
    first = day if form == "week" else day.replace(day=1)
    last = day if form == "week" else first.replace(day=monthrange(day.year, day.month)[1])
    return first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())


def draw(
    view: View,
    contents: Mapping[int, Content],
    *,
    title: str,
    form: Literal["month", "week"],
    focus: date,
    today: date,
    language: str,
) -> str:
    """Draw a view of whole weeks."""
    words = _ZH if language.lower().startswith("zh") else _EN
    by_day: dict[date, list[Card]] = {}
    for card in view.cards:
        if card.at is not None:
            by_day.setdefault(local(card.at, view.zone), []).append(card)
    head = str(words["month" if form == "month" else "week"]).format(
        y=focus.year if form == "month" else view.start.year,
        m=focus.month if form == "month" else view.start.month,
        d=view.start.day,
        name=_MONTHS[(focus if form == "month" else view.start).month - 1],
    )
    pieces = [
        "<!doctype html>",
        f'<html lang="{escape(language, quote=True)}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)} · {escape(head)}</title><style>{_STYLE}</style></head><body>",
        f"<header><h1>{escape(title)}</h1><p>{escape(head)} · {escape(view.zone)}</p></header>",
        _key(words),
        f'<main class="grid {form}">',
        *(f'<div class="name">{escape(name)}</div>' for name in _names(words)),
    ]
    for note in view.days:
        out = form == "month" and note.day.month != focus.month
        pieces.append(_day(note, by_day.get(note.day, []), contents, words, view.zone, today=today, out=out))
    if not any(by_day.values()):
        pieces.append(f'<p class="none">{escape(str(words["empty"]))}</p>')
    pieces.append("</main>")
    if view.undated:
        pieces.append(f'<h2>{escape(str(words["undated"]))}</h2><section class="list">')
        pieces += [_card(card, contents, words, view.zone) for card in view.undated]
        pieces.append("</section>")
    if any(note.provisional for note in view.days):
        pieces.append(f'<p class="more">{escape(str(words["provisional"]))}</p>')
    pieces.append("</body></html>\n")
    return "\n".join(pieces)


def _names(words: Mapping[str, object]) -> Sequence[str]:
    names = words["days"]
    return [str(name) for name in names] if isinstance(names, tuple) else []


def _state(words: Mapping[str, object], state: str) -> str:
    states = words["states"]
    return str(states[state]) if isinstance(states, dict) else state


def _key(words: Mapping[str, object]) -> str:
    states = words["states"]
    names = list(states) if isinstance(states, dict) else []
    items = "".join(
        f'<span><span class="dot" style="--c:var(--{name})"></span>{escape(_state(words, name))}</span>'
        for name in names
        if name != "cancelled"
    )
    return f'<div class="key">{items}</div>'


def _day(
    note: DayNote,
    cards: Sequence[Card],
    contents: Mapping[int, Content],
    words: Mapping[str, object],
    zone: str,
    *,
    today: date,
    out: bool,
) -> str:
    kinds = ["day"]
    kinds += ["out"] if out else []
    kinds += ["today"] if note.day == today else []
    kinds += ["bare"] if not cards and not note.festivals else []
    top = [
        f'<span class="num">{note.day.day}</span>',
        f'<span class="dow">{escape(_names(words)[note.day.weekday()])}</span>',
    ]
    if note.lunar:
        top.append(f"<span>{escape(note.lunar)}</span>")
    if note.holiday:
        top.append(f'<span class="off">{escape(str(words["holiday"]))}</span>')
    elif note.works and note.day.weekday() >= 5:
        top.append(f"<span>{escape(str(words['work']))}</span>")
    top += [f'<span class="feast">{escape(name)}</span>' for name in note.festivals]
    inside = "".join(_card(card, contents, words, zone) for card in cards)
    return f'<section class="{" ".join(kinds)}"><div class="top">{"".join(top)}</div>{inside}</section>'


def _card(card: Card, contents: Mapping[int, Content], words: Mapping[str, object], zone: str) -> str:
    when = "" if card.at is None else card.at.astimezone(zone_of(zone)).strftime("%H:%M")
    marks = [f"<i>{escape(_state(words, str(card.state)))}</i>"]
    marks += [escape(str(words["held"]))] if card.held else []
    marks += [escape(str(words["ad"]))] if card.promotional else []
    marks += [escape(card.category)] if card.category else []
    marks.append(escape(", ".join(card.channels)))
    picture = _thumbnail(contents.get(card.id))
    return (
        f'<article class="card" style="--c:var(--{escape(str(card.state), quote=True)})" title="#{card.id}">{picture}'
        f'<div class="said"><b>{f"{when} " if when else ""}{escape(card.title)}</b>'
        f'<div class="more">{" · ".join(mark for mark in marks if mark)}</div></div></article>'
    )


def _thumbnail(content: Content | None) -> str:
    """Give the first picture as a small one within the page; nothing when it is elsewhere or cannot be read."""
    if content is None:
        return ""
    for media in content.media:
        if media.kind is not MediaKind.PHOTO:
            continue
        small = _small(media)
        if small:
            return f'<img alt="{escape(media.alt, quote=True)}" src="data:image/jpeg;base64,{small}">'
    return ""


def _small(media: Media) -> str:
    data = media.data
    if data is None and media.path is not None:
        with contextlib.suppress(OSError):
            data = media.path.read_bytes() if media.path.stat().st_size <= _MOST_BYTES else None
    if data is None:
        return ""
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415 - an extra, and only for pages with pictures
    except ImportError:
        return ""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.draft("RGB", (_SIDE * 2, _SIDE * 2))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
            picture.thumbnail((_SIDE, _SIDE))
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=70)
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""
    return base64.b64encode(out.getvalue()).decode("ascii")
