"""What is said to members, in the community's language, and names made safe to say."""

from __future__ import annotations

import re

from shequn_sdk.domain import Community

__all__ = ["plain", "say"]

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!>~|<&:@])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")

_WORDS: dict[str, tuple[str, str]] = {
    "board.day": ("今日积分榜", "Points of the day"),
    "board.week": ("本周积分榜", "Points of the week"),
    "board.month": ("本月积分榜", "Points of the month"),
    "board.all": ("积分总榜", "Points of all time"),
    "board.line": ("{rank}\\. {name}：{points} 分", "{rank}\\. {name}: {points}"),
    "board.nobody": ("还没有人上榜。", "Nobody yet."),
    "badge.given": ("{name} 获得徽章「{title}」！", "{name} has earned the badge “{title}”!"),
    "tier.up": ("恭喜 {name} 升级为「{title}」！", "{name} is “{title}” now!"),
}


def plain(text: str, *, most: int = 64) -> str:
    """Give untrusted text as Markdown that shows it as it is, on one line, without what turns or hides text."""
    shown = " ".join(_CONTROL.sub(" ", text).split())
    return _MARKS.sub(r"\\\1", shown if len(shown) <= most else shown[: most - 1] + "…")


def say(community: Community, key: str, **values: object) -> str:
    """Give words in the community's language: Chinese, or English for every other."""
    chinese, english = _WORDS[key]
    return (chinese if community.language.startswith("zh") else english).format(**values)
