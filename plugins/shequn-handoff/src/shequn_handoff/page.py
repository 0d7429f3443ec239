"""The pages a person sees: the task with a button to copy it, and the form for its result. Everything is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta, timezone
from html import escape

from shequn_handoff.tasks import Task

__all__ = ["COPY_SCRIPT", "desk_page", "form_page", "message_page", "task_page"]

_CHINA = timezone(timedelta(hours=8))
"""People of the places live by it; it has no summer time."""
_STYLE = """
body{font:16px/1.6 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1d2330}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f6f8;padding:1rem;border-radius:8px;font:inherit}
button{font:inherit;padding:.45rem 1rem;border:0;border-radius:6px;background:#1f6feb;color:#fff;cursor:pointer}
button.no{background:#8a3324}label{display:block;margin:.5rem 0}input,textarea{font:inherit;padding:.3rem .5rem;width:100%;box-sizing:border-box}
input[type=checkbox]{width:auto}img{max-width:10rem;max-height:10rem;margin:.25rem;border-radius:6px}
fieldset{border:1px solid #d5d9e0;border-radius:8px;margin:1rem 0}.due{color:#8a3324}.grid{display:grid;grid-template-columns:repeat(4,1fr);gap:.5rem}
@media(prefers-color-scheme:dark){body{background:#14171d;color:#e6e9ef}pre{background:#1f242d}}
"""
COPY_SCRIPT = """
document.getElementById("copy").addEventListener("click", async (event) => {
  const text = document.getElementById("text").textContent;
  try { await navigator.clipboard.writeText(text); }
  catch { const area = document.createElement("textarea"); area.value = text; document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); }
  event.target.textContent = "已复制";
});
"""
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp")


def _page(title: str, body: str, *, nonce: str = "", script: str = "") -> str:
    mark = f' nonce="{escape(nonce)}"' if nonce else ""
    tail = f"<script{mark}>{script}</script>" if script else ""
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}{tail}</body></html>"
    )


def _content(task: Task, *, base: str) -> str:
    due = ""
    if task.deadline:
        local = task.deadline.astimezone(_CHINA)
        due = f'<p class="due">截止：<time>{local:%Y-%m-%d %H:%M}</time>（北京时间）</p>'
    files = "".join(
        f'<a href="{escape(base + name)}" download><img src="{escape(base + name)}" alt="{escape(name)}"></a>'
        if name.endswith(_PICTURES)
        else f'<p><a href="{escape(base + name)}" download>{escape(name)}</a></p>'
        for name in task.files
    )
    steps = "".join(f'<label><input type="checkbox"> {escape(step)}</label>' for step in task.checklist)
    return (
        f"<h1>{escape(task.place_title or task.place)} · {escape(task.channel)}</h1>{due}"
        f'<pre id="text">{escape(task.text)}</pre><p><button id="copy" type="button">复制文字</button></p>'
        f"{files}<fieldset><legend>清单</legend>{steps}</fieldset>"
    )


def task_page(task: Task) -> str:
    """Write the page that lies beside a task's files."""
    return _page(
        f"任务 {task.id}", _content(task, base="") + f"<p>任务编号：{escape(task.id)}</p>", script=COPY_SCRIPT
    )


def form_page(task: Task, *, csrf: str, nonce: str, error: str = "") -> str:
    """Write the page on which the person tells the result."""
    said = f'<p class="due" role="alert">{escape(error)}</p>' if error else ""
    if task.result is not None:
        told = task.result
        numbers = ", ".join(
            f"{label} {value}"
            for label, value in (
                ("浏览", told.views),
                ("点赞", told.likes),
                ("评论", told.comments),
                ("分享", told.shares),
            )
            if value is not None
        )
        said += (
            f"<p>已记录：<strong>{escape(told.verdict)}</strong> {escape(numbers)} {escape(told.reason)}</p>"
        )
    hidden = f'<input type="hidden" name="csrf" value="{escape(csrf)}">'
    numbers = "".join(
        f'<label>{label}<input name="{name}" inputmode="numeric" pattern="[0-9]*"></label>'
        for name, label in (("views", "浏览"), ("likes", "点赞"), ("comments", "评论"), ("shares", "分享"))
    )
    confirm = (
        f'<form method="post"><fieldset><legend>已发布</legend>{hidden}<input type="hidden" name="verdict" value="confirmed">'
        '<label>发布时间（留空为现在）<input name="at" placeholder="2026-03-02 20:00"></label>'
        '<label>链接<input name="link" inputmode="url" placeholder="https://"></label>'
        f'<div class="grid">{numbers}</div><p><button>确认已发布</button></p></fieldset></form>'
    )
    refuse = (
        f'<form method="post"><fieldset><legend>没有发布</legend>{hidden}<input type="hidden" name="verdict" value="refused">'
        '<label>原因<input name="reason" required maxlength="500"></label>'
        '<p><button class="no">记录为未发布</button></p></fieldset></form>'
    )
    done = task.result is not None and task.result.verdict != "confirmed"
    forms = "" if done else confirm + ("" if task.result is not None else refuse)
    body = said + _content(task, base=f"{task.id}/files/") + forms + '<p><a href="../">全部任务</a></p>'
    return _page(f"任务 {task.id}", body, nonce=nonce, script=COPY_SCRIPT)


def desk_page(tasks: Sequence[Task]) -> str:
    """Write the list of tasks; reminded ones come first."""
    waiting = sorted((task for task in tasks if task.result is None), key=lambda task: -task.reminders)
    done = [task for task in tasks if task.result is not None]

    def row(task: Task) -> str:
        state = (
            escape(task.result.verdict) if task.result else "等待" + ("（已提醒）" if task.reminders else "")
        )
        preview = escape(task.text[:60])
        return f'<li><a href="tasks/{escape(task.id)}">{escape(task.channel)}</a> · {state} · {preview}</li>'

    lists = f"<ul>{''.join(map(row, waiting))}</ul>" if waiting else "<p>没有等待的任务。</p>"
    if done:
        lists += f"<h2>已完成</h2><ul>{''.join(map(row, reversed(done[-50:])))}</ul>"
    return _page("交接台", f"<h1>交接台</h1>{lists}")


def message_page(text: str) -> str:
    """Write a page with one sentence."""
    return _page("交接台", f"<p>{escape(text)}</p>")
