"""Previews as an HTML page: everything that people wrote is escaped, nothing is fetched."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from shequn_sdk.domain import Entity, EntityKind, Media, MediaKind, Piece
from shequn_sdk.publishing.pictures import sniff

if TYPE_CHECKING:
    from shequn_sdk.publishing.preview import Preview, Shown

__all__ = ["previews_html"]

_TAGS = {
    EntityKind.BOLD: "b",
    EntityKind.ITALIC: "i",
    EntityKind.UNDERLINE: "u",
    EntityKind.STRIKE: "s",
    EntityKind.CODE: "code",
    EntityKind.PRE: "code",
    EntityKind.QUOTE: "q",
    EntityKind.MENTION: "mark",
    EntityKind.HASHTAG: "em",
}
_WORDS = {
    "zh": ("发布预览", "改动", "不能发送", "评论", "回复", "没有改动"),
    "en": ("Preview", "Changes", "Cannot be sent", "comment", "answer", "Nothing was changed"),
}
_CSS = """
:root{color-scheme:light dark;--ink:#1c1c1e;--paper:#f4f4f1;--card:#fff;--line:#dcdcd6;--soft:#6b6b70;--bad:#b3261e;
--mark:#e8f0fe;--accent:#1257a8}
@media (prefers-color-scheme:dark){:root{--ink:#ececee;--paper:#161618;--card:#212124;--line:#3a3a3f;--soft:#a2a2a8;
--bad:#ff8a80;--mark:#1f2e45;--accent:#8ab8f5}}
*{box-sizing:border-box}body{margin:0;padding:24px 16px;background:var(--paper);color:var(--ink);
font:15px/1.6 -apple-system,"Segoe UI","PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
h1{font-size:20px;margin:0 auto 16px;max-width:1240px}main{display:grid;gap:16px;max-width:1240px;margin:auto;
grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));align-items:start}
article{background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden}
header{padding:10px 14px;border-bottom:1px solid var(--line)}header b{display:block}header span{color:var(--soft);
font-size:13px;overflow-wrap:anywhere}.piece{padding:12px 14px;border-bottom:1px solid var(--line)}
.piece p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}.piece.under{padding-left:28px}
.files{display:grid;grid-template-columns:repeat(auto-fit,minmax(96px,1fr));gap:6px;margin-bottom:8px}
.files img{width:100%;max-height:260px;object-fit:cover;border-radius:6px;display:block}
.file{padding:10px;border:1px dashed var(--line);border-radius:6px;color:var(--soft);font-size:13px;
overflow-wrap:anywhere}.card{border-left:3px solid var(--accent);padding:4px 10px;margin-top:8px;font-size:14px}
.poll div{border:1px solid var(--line);border-radius:6px;padding:4px 10px;margin-top:6px}
.buttons{display:flex;gap:6px;margin-top:8px}.buttons span{flex:1;text-align:center;border:1px solid var(--line);
border-radius:6px;padding:4px 6px;font-size:14px}code{font-family:ui-monospace,monospace;background:var(--mark)}
q{display:inline-block;quotes:none;border-left:3px solid var(--line);padding-left:8px}mark{background:var(--mark);
color:var(--accent)}em{font-style:normal;color:var(--accent)}i{font-style:italic}
footer{padding:10px 14px;font-size:13px;color:var(--soft)}footer ul{margin:4px 0 0;padding-left:18px}
.bad{color:var(--bad)}.tag{font-size:12px;color:var(--soft)}
"""


def previews_html(previews: Sequence[Preview], *, language: str = "zh") -> str:
    """Give one page that stands alone, with a card per channel; `language` is zh or en."""
    words = _WORDS.get(language, _WORDS["en"])
    cards = "".join(_card(one, words) for one in previews)
    return (
        f'<!doctype html><html lang="{"zh-CN" if words is _WORDS["zh"] else "en"}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
        f"'unsafe-inline'\"><title>{words[0]}</title><style>{_CSS}</style><h1>{words[0]}</h1><main>{cards}</main></html>\n"
    )


def _card(preview: Preview, words: tuple[str, ...]) -> str:
    pieces = "".join(
        _piece(piece, shown, words) for piece, shown in zip(preview.pieces, preview.shown, strict=True)
    )
    notes = ""
    if preview.problems:
        items = "".join(f"<li>{escape(one.what)}</li>" for one in preview.problems)
        notes += f'<div class="bad">{words[2]}<ul>{items}</ul></div>'
    if preview.changes:
        items = "".join(f"<li>{escape(one.what)}: {escape(one.why)}</li>" for one in preview.changes)
        notes += f"<div>{words[1]}<ul>{items}</ul></div>"
    return (
        f"<article><header><b>{escape(preview.title)}</b><span>{escape(str(preview.channel))}</span></header>"
        f"{pieces}<footer>{notes or words[5]}</footer></article>"
    )


def _piece(piece: Piece, shown: Shown, words: tuple[str, ...]) -> str:
    out: list[str] = []
    if piece.follows:
        out.append(f'<div class="tag">↳ {words[3] if piece.follows == "comment" else words[4]}</div>')
    if piece.media:
        out.append(f'<div class="files">{"".join(_file(one) for one in piece.media)}</div>')
    if shown.text:
        out.append(f"<p>{_formatted(shown.text, shown.entities)}</p>")
    if piece.link is not None:
        title = escape(piece.link.title or str(piece.link.url))
        about = f"<br>{escape(piece.link.description)}" if piece.link.description else ""
        out.append(f'<div class="card"><b>{title}</b>{about}<br><em>{escape(str(piece.link.url))}</em></div>')
    if piece.article is not None:
        about = piece.article.digest or piece.article.body[:200]
        out.append(f'<div class="card"><b>{escape(piece.article.title)}</b><br>{escape(about)}</div>')
    if piece.poll is not None:
        choices = "".join(f"<div>○ {escape(choice)}</div>" for choice in piece.poll.choices)
        out.append(f'<div class="poll"><b>{escape(piece.poll.question)}</b>{choices}</div>')
    for row in piece.buttons:
        labels = "".join(f"<span>{escape(button.label)}</span>" for button in row)
        out.append(f'<div class="buttons">{labels}</div>')
    return f'<section class="piece{" under" if piece.follows else ""}">{"".join(out)}</section>'


def _file(media: Media) -> str:
    alt = escape(media.alt or media.filename or str(media.kind))
    if media.kind is MediaKind.PHOTO and media.data is not None:
        mime = sniff(media.data)
        if mime.startswith("image/"):
            return f'<img alt="{alt}" src="data:{mime};base64,{base64.b64encode(media.data).decode()}">'
    name = media.filename or (
        media.path.name if media.path is not None else str(media.url or media.native_id or "")
    )
    return f'<div class="file">{escape(str(media.kind))}: {escape(name or alt)}</div>'


def _formatted(text: str, entities: Sequence[Entity]) -> str:
    """Write text with its stretches; they nest, never overlap by half."""
    out: list[str] = []
    open_ends: list[tuple[int, str]] = []
    position = 0

    def until(end: int) -> None:
        nonlocal position
        while open_ends and open_ends[-1][0] <= end:
            last, tag = open_ends.pop()
            out.append(escape(text[position:last]) + f"</{tag}>")
            position = last
        out.append(escape(text[position:end]))
        position = end

    for entity in sorted(entities, key=lambda one: (one.offset, -one.length)):
        tag = _TAGS.get(entity.kind, "em")
        until(entity.offset)
        title = f' title="{escape(entity.url)}"' if entity.url else ""
        out.append(f"<{tag}{title}>")
        open_ends.append((entity.offset + entity.length, tag))
    until(len(text))
    return "".join(out)
