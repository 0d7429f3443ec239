"""What members and operators are told: short, neutral, without blame. `{…}` are filled in; nothing of a message is repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from shequn_sdk.moderation.rules import LadderAction

__all__ = ["deed", "duration_words", "member_text", "operator_text"]

_MEMBER: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "zh": {
            "warn": "{name}，您好：您的一条消息与群规不符（{title}），请留意。如有异议可以申诉，编号 {case}。",
            "mute": "{name}，您好：因{title}，您在 {time} 内暂不能发言。如有异议可以申诉，编号 {case}。",
            "mute_open": "{name}，您好：因{title}，您暂不能发言，管理员会跟进。如有异议可以申诉，编号 {case}。",
        },
        "en": {
            "warn": "{name}, one of your messages does not fit the rules here ({title}). You may appeal, number {case}.",
            "mute": "{name}, because of {title} you cannot write for {time}. You may appeal, number {case}.",
            "mute_open": "{name}, because of {title} you cannot write for now; an administrator will follow up. You may appeal, number {case}.",
        },
    }
)
_OPERATOR: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "zh": {
            "notice": "【秩序】{community}：规则 {rule}，编号 {case}，得分 {score}。依据：{why}。",
            "review": "【待判定】{community}：规则 {rule}，编号 {case}，得分 {score}。依据：{why}。请在队列中批准或驳回。",
            "task": "【需人工处理】{channel}：请{what}（编号 {case}）。原因：{why}。",
            "raid": "【防炸群】{channel} 已进入保护模式：{why}。",
            "calm": "【防炸群】{channel} 已恢复正常。",
            "appeal": "【申诉】{community}：编号 {case} 有新的申诉，请处理。",
        },
        "en": {
            "notice": "[order] {community}: rule {rule}, case {case}, score {score}. Because of: {why}.",
            "review": "[to decide] {community}: rule {rule}, case {case}, score {score}. Because of: {why}. Approve or overrule it in the queue.",
            "task": "[by hand] {channel}: please {what} (case {case}). Why: {why}.",
            "raid": "[raid] {channel} is protected now: {why}.",
            "calm": "[raid] {channel} is back to normal.",
            "appeal": "[appeal] {community}: there is an appeal against case {case}.",
        },
    }
)
_DONE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "zh": {
            "delete": "删除该消息",
            "mute": "将该成员禁言",
            "unmute": "解除该成员的禁言",
            "kick": "将该成员移出",
            "ban": "将该成员移出并不再允许加入",
            "unban": "解除对该成员的封禁",
            "slow_mode": "开启或关闭慢速发言",
        },
        "en": {
            "delete": "delete the message",
            "mute": "mute the member",
            "unmute": "let the member write again",
            "kick": "remove the member",
            "ban": "remove the member for good",
            "unban": "let the member come back",
            "slow_mode": "set or end slow mode",
        },
    }
)


_MARKS = re.compile(r"[\\`*_~\[\]()<>#|@\x00-\x1f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str, *, most: int = 80) -> str:
    """Give foreign text without what could be taken for markup, a mention or a turn of direction."""
    return _MARKS.sub("", text)[:most].strip()


def _language(language: str) -> str:
    return "en" if language.startswith("en") else "zh"


def duration_words(duration: timedelta, *, language: str) -> str:
    """Give a span in words.

    >>> duration_words(timedelta(hours=1), language="en")
    '1 h'
    """
    seconds = int(duration.total_seconds())
    zh = _language(language) == "zh"
    for size, word in (
        (86_400, "天" if zh else "d"),
        (3600, "小时" if zh else "h"),
        (60, "分钟" if zh else "min"),
    ):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {word}"
    return f"{max(1, round(seconds / 60))} {'分钟' if zh else 'min'}"


def member_text(
    action: LadderAction | str, *, language: str, name: str, title: str, case: int, duration: timedelta | None
) -> str:
    """Give what a member is told."""
    words = _MEMBER[_language(language)]
    key = str(action)
    if key == "mute" and duration is None:
        key = "mute_open"
    time = duration_words(duration, language=language) if duration is not None else ""
    shown = plain(name, most=40) or ("这位成员" if _language(language) == "zh" else "You")
    return words[key].format(name=shown, title=title, case=case, time=time)


def operator_text(key: str, *, language: str, **values: object) -> str:
    """Give what operators are told."""
    return _OPERATOR[_language(language)][key].format(**values)


def deed(kind: str, *, language: str) -> str:
    """Say an action in words: what a person is asked to do."""
    return _DONE[_language(language)].get(kind, kind)
