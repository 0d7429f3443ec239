"""Approval in a chat: what is asked, what an answer is, what is said to it."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, NamedTuple

from shequn_sdk.domain import Button, ChannelRef, Community, Content, InteractionKind, Priority
from shequn_sdk.editorial._lines import Line, said
from shequn_sdk.editorial.model import Approval, Decision
from shequn_sdk.errors import ShequnError
from shequn_sdk.house import House
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import Commands
from shequn_sdk.scheduling.recurrence.local import zone_of
from shequn_sdk.stores.schema import from_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard

__all__ = ["Answer", "question", "read", "reply", "same_place"]

_SHOWN = 600
_BUTTON = re.compile(r"sqap:([A-Z2-9]{8}):([ach])")
_WORDS = {
    "approve": Decision.APPROVE,
    "通过": Decision.APPROVE,
    "同意": Decision.APPROVE,
    "changes": Decision.CHANGES,
    "退回": Decision.CHANGES,
    "修改": Decision.CHANGES,
    "hold": Decision.HOLD,
    "暂缓": Decision.HOLD,
    "release": Decision.RELEASE,
    "恢复": Decision.RELEASE,
}
_SAID = re.compile(
    rf"\s*/?(?P<word>{'|'.join(_WORDS)})(?:@\w+)?[\s:：#]+(?:(?P<entry>\d{{1,12}})|(?P<code>[A-Za-z2-9]{{8}}))"
    r"(?:[\s,，:：]+(?P<note>.*))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_LETTERS = {"a": Decision.APPROVE, "c": Decision.CHANGES, "h": Decision.HOLD}
_ZH = {
    "head": "待审 #{entry} 第 {version} 版",
    "by": "{author} 提交",
    "need": "需 {needed} 人通过",
    "code": "回复「通过 {code}」「退回 {code} 原因」或「暂缓 {code}」",
    "approve": "通过",
    "changes": "退回修改",
    "hold": "暂缓",
    "when": "发布时间",
    "none": "未定",
    "done_approve": "已记录:#{entry} 通过 {approved}/{needed}",
    "done_changes": "已退回:#{entry}",
    "done_hold": "已暂缓:#{entry}",
    "done_release": "已恢复:#{entry}",
    "out": ",将按时发布",
    "old": "#{entry} 已改为第 {version} 版,请审新版",
    "refused": "未能记录:{detail}",
    "unknown": "这条审批已失效",
}
_EN = {
    "head": "For approval: #{entry}, version {version}",
    "by": "by {author}",
    "need": "{needed} must approve",
    "code": "Answer “approve {code}”, “changes {code} why” or “hold {code}”",
    "approve": "Approve",
    "changes": "Ask for changes",
    "hold": "Hold",
    "when": "goes out",
    "none": "no time yet",
    "done_approve": "Noted: #{entry} has {approved} of {needed} approvals",
    "done_changes": "Sent back: #{entry}",
    "done_hold": "Held: #{entry}",
    "done_release": "Released: #{entry}",
    "out": ", it goes out at its time",
    "old": "#{entry} was changed: look at version {version}",
    "refused": "Not noted: {detail}",
    "unknown": "This approval is no longer asked for",
}


class Answer(NamedTuple):
    """What somebody in a chat decided."""

    decision: Decision
    code: str = ""
    entry: int | None = None
    note: str = ""
    button: bool = False


def read(heard: Heard) -> Answer | None:
    """Read a pressed button or a message as an answer; None when it is none."""
    event = heard.interaction
    if event.kind is InteractionKind.BUTTON:
        data = event.attrs.get("data")
        found = _BUTTON.fullmatch(data if isinstance(data, str) else event.text)
        return None if found is None else Answer(_LETTERS[found[2]], code=found[1], button=True)
    if event.kind not in {InteractionKind.MESSAGE, InteractionKind.COMMAND} or len(event.text) > 3000:
        return None
    text = event.text
    options = event.attrs.get("options")
    if event.kind is InteractionKind.COMMAND and isinstance(options, dict):
        text = " ".join([text, *(str(value) for value in options.values())])
    said_so = _SAID.fullmatch(text)
    if said_so is None:
        return None
    number = said_so["entry"]
    return Answer(
        _WORDS[said_so["word"].lower()],
        code=(said_so["code"] or "").upper(),
        entry=int(number) if number else None,
        note=(said_so["note"] or "").strip(),
    )


def same_place(asked: str, heard: Heard) -> bool:
    """Whether an answer came from the chat in which it was asked, or from a topic in it."""
    if not asked:
        return False
    ref = ChannelRef.parse(asked)
    native = heard.interaction.channel
    return heard.account == ref.account and (
        native == ref.native_id
        or native.startswith(f"{ref.native_id}/")
        or ref.native_id.startswith(f"{native}/")
    )


def _words(community: Community | None) -> dict[str, str]:
    return _EN if community is not None and not community.language.lower().startswith("zh") else _ZH


def _plain(text: str) -> str:
    """Take from a line what would be markup."""
    return re.sub(r"([\\`*_~\[\]<>|])", r"\\\1", " ".join(text.split()))


def question(
    line: Line, content: Content, approval: Approval, *, manifest: Manifest, community: Community
) -> Content:
    """Give what is sent to a chat to ask for an approval."""
    words = _words(community)
    when = words["none"]
    if line.at is not None:
        when = from_us(line.at).astimezone(zone_of(community.zone)).strftime("%Y-%m-%d %H:%M")
    text = said(content)
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    head = words["head"].format(entry=line.id, version=line.version)
    author = f" · {_plain(words['by'].format(author=line.author))}" if line.author else ""
    lines = [
        f"**{head}**{author}",
        f"{words['when']} {when} · {_plain(', '.join(line.refs))} · {words['need'].format(needed=approval.needed)}",
        "",
        *(f"> {part}" if part.strip() else ">" for part in shown.splitlines()),
    ]
    buttons: tuple[tuple[Button, ...], ...] = ()
    if manifest.supports(Capability.BUTTONS):
        buttons = (
            tuple(
                Button(label=words[name], data=f"sqap:{approval.code}:{letter}")
                for name, letter in (("approve", "a"), ("changes", "c"), ("hold", "h"))
            ),
        )
    else:
        lines += ["", words["code"].format(code=approval.code)]
    return Content(text="\n".join(lines), buttons=buttons)


async def reply(
    house: House,
    heard: Heard,
    answer: Answer,
    word: str,
    *,
    community: Community | None,
    line: Line | None = None,
    approval: Approval | None = None,
    detail: str = "",
) -> None:
    """Tell who answered what came of it: on the button where the platform can, and in the chat."""
    words = _words(community)
    key = f"done_{answer.decision}" if word == "done" else word
    text = words[key].format(
        entry=line.id if line is not None else "",
        version=line.version if line is not None else "",
        approved=approval.approved if approval is not None else "",
        needed=approval.needed if approval is not None else "",
        detail=detail,
    )
    if (
        word == "done"
        and approval is not None
        and approval.state == "approved"
        and line is not None
        and not line.held
    ):
        text += words["out"]
    event = heard.interaction
    pressed = answer.button or event.kind is InteractionKind.COMMAND
    if pressed and house.accounts.manifest(heard.account).supports(Capability.ANSWER_BUTTON):
        adapter = house.accounts.adapter(heard.account)
        if isinstance(adapter, Commands):
            # the platform may have waited for too long; the answer in the chat stands anyway
            with contextlib.suppress(ShequnError):
                await adapter.answer_button(event, text[:190])
    if word == "unknown" or (answer.button and word != "done"):
        return
    publishing = await house.publishing()
    await publishing.plan(
        Content(text=_plain(text), reply_to=None if answer.button or not event.message else event.message),
        [ChannelRef(account=heard.account, native_id=event.channel)],
        priority=Priority.REPLY,
        idempotency_key=f"approval/heard/{heard.account}/{event.id}",
        actor="approvals",
    )
