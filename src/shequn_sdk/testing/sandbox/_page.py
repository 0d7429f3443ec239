"""The page that shows what stands in each platform's channels, drawn on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources

from shequn_sdk.testing.sandbox.api import PlatformSandbox, SandboxChannel, SandboxMessage

__all__ = ["fragment", "page"]

_STYLE = """
@font-face{font-family:shequn;src:url(/_control/font);unicode-range:U+2E80-9FFF,U+FF00-FFEF}
:root{color-scheme:light dark;--ink:#1d2328;--soft:#5d6872;--line:#d9dee3;--card:#fff;--ground:#f3f5f7;--mine:#e6f2ec;--mark:#1f7a54}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8eb;--soft:#98a3ad;--line:#343c44;--card:#1c2126;--ground:#14181c;--mine:#1b3328;--mark:#63c39a}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 shequn,system-ui,-apple-system,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
header{position:sticky;top:0;z-index:1;display:flex;gap:.75rem;align-items:baseline;flex-wrap:wrap;padding:.6rem 1rem;background:var(--card);border-bottom:1px solid var(--line)}
h1{font-size:1rem;margin:0}h2{font-size:1rem;margin:1.2rem 0 .5rem}h3{font-size:.95rem;margin:0;overflow-wrap:anywhere}
time,.soft{color:var(--soft);font-size:.82rem}
main{padding:0 1rem 2rem;max-width:90rem;margin:auto}
.channels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:.8rem;align-items:start}
section.channel{background:var(--card);border:1px solid var(--line);border-radius:.6rem;overflow:hidden}
section.channel>div{padding:.55rem .8rem;border-bottom:1px solid var(--line)}
ol{list-style:none;margin:0;padding:.4rem .8rem;max-height:26rem;overflow:auto}
li{padding:.35rem .5rem;border-radius:.4rem;margin:.15rem -.5rem}li.mine{background:var(--mine)}
li p{margin:.05rem 0;white-space:pre-wrap;overflow-wrap:anywhere}b{font-weight:600}.mine b{color:var(--mark)}
.wait{color:#b26a00}#off{color:#c0392b;display:none}
""".strip()

_SCRIPT = """
(() => {
  const main = document.querySelector("main"), off = document.getElementById("off");
  let last = "";
  const tick = async () => {
    try {
      const answer = await fetch("/_control/fragment", {cache: "no-store"});
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      off.style.display = "none";
      if (text !== last) {
        const tops = [...document.querySelectorAll("ol")].map(list => [list.id, list.scrollTop]);
        main.innerHTML = last = text;
        for (const [id, top] of tops) { const list = document.getElementById(id); if (list) list.scrollTop = top; }
      }
    } catch { off.style.display = "inline"; }
    setTimeout(tick, document.hidden ? 5000 : 1500);
  };
  setTimeout(tick, 1500);
})();
""".strip()


def font() -> bytes:
    """Give the package's Chinese font, because not every machine has one; empty when it is not there."""
    found = resources.files("shequn_sdk.reports").joinpath("fonts/ShequnSansSC-Regular.otf")
    return found.read_bytes() if found.is_file() else b""


def page(platforms: Mapping[str, PlatformSandbox], *, now: str, nonce: str) -> str:
    """Give the whole page; `nonce` allows its one script."""
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>shequn sandbox</title>'
        f'<style nonce="{nonce}">{_STYLE}</style></head><body><header><h1>shequn sandbox</h1>'
        '<span class="soft">本机沙盒，不连任何真实平台</span><span id="off">连接已断开</span></header>'
        f'<main>{fragment(platforms, now=now)}</main><script nonce="{nonce}">{_SCRIPT}</script></body></html>'
    )


def fragment(platforms: Mapping[str, PlatformSandbox], *, now: str, limit: int = 30) -> str:
    """Give the part of the page that changes: every channel with its newest messages, lively channels first."""
    parts = [f'<p class="soft">沙盒时间 <time>{escape(now)}</time></p>']
    for name, platform in platforms.items():
        rooms = [
            (f"{name}-{number}", channel, platform.messages(channel.native_id, limit=limit))
            for number, channel in enumerate(platform.channels())
        ]
        rooms.sort(
            key=lambda room: max((message.at.timestamp() for message in room[2]), default=0.0), reverse=True
        )
        cards = "".join(_channel(key, channel, messages) for key, channel, messages in rooms)
        empty = '<p class="soft">还没有渠道</p>'
        parts.append(f'<h2>{escape(name)}</h2><div class="channels">{cards or empty}</div>')
    return "".join(parts)


def _channel(key: str, channel: SandboxChannel, messages: Sequence[SandboxMessage]) -> str:
    title = escape(channel.title or channel.native_id)
    facts = escape(f"{channel.kind} · {channel.native_id} · {channel.members} 人")
    rows = "".join(_message(message) for message in messages)
    empty = '<li class="soft">还没有消息</li>'
    return (
        f'<section class="channel"><div><h3>{title}</h3><span class="soft">{facts}</span></div>'
        f'<ol id="{escape(key)}">{rows or empty}</ol></section>'
    )


def _message(message: SandboxMessage) -> str:
    marks: list[str] = []
    if message.attachments:
        marks.append(f"📎 {message.attachments}")
    marks += [f"{choice} {votes} 票" for choice, votes in message.choices]
    marks += [f"{emoji} {count}" for emoji, count in sorted(message.reactions.items())]
    wait = '<span class="soft wait">待人工确认</span>' if message.waiting_for_person else ""
    extra = f'<div class="soft">{escape("　".join(marks))}</div>' if marks else ""
    at = escape(message.at.strftime("%m-%d %H:%M"))
    return (
        f'<li class="{"mine" if message.by_account else "theirs"}"><b>{escape(message.author_name or message.author_id)}</b> '
        f"<time>{at} UTC</time> {wait}<p>{escape(message.text)}</p>{extra}</li>"
    )
