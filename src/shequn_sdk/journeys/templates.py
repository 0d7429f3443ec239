"""Journeys to begin with, as data: take one, change its words, save it.

Their words are neutral and short; whoever runs the community says it better. What they offer is left out: marketing needs
the member's consent, which no template can have.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shequn_sdk.errors import UnknownName
from shequn_sdk.journeys.models import Journey

__all__ = ["TEMPLATES", "template"]


def _say(name: str, day: int, text: str, *, at: str = "10:00", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "wait": {"kind": "day", "day": day, "at": at},
        "do": {"kind": "say", "text": text},
        **more,
    }


_NOT_TALKED = {"kind": "not", "of": {"kind": "active", "days": 3}}

TEMPLATES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "welcome": {
            "title": "入群仪式",
            "start": {"kind": "joined"},
            "urgent": True,
            "steps": [
                {
                    "name": "welcome",
                    "do": {
                        "kind": "welcome",
                        "text": "欢迎 {name} 加入{community}!先说说你最想在这里得到什么吧。",
                    },
                }
            ],
        },
        "newcomer-week": {
            "title": "新人七天",
            "start": {"kind": "joined"},
            "steps": [
                _say("rules", 1, "{name},这是群里的规则与常用资料,有问题随时问。"),
                _say("first-talk", 3, "{name},来群里打个招呼吧,大家都很友好。", when=_NOT_TALKED),
                {
                    "name": "ask",
                    "wait": {"kind": "day", "day": 7, "at": "10:00"},
                    "do": {"kind": "task", "title": "回访新人 {name}", "text": "问问第一周的感受与需要。"},
                },
            ],
        },
        "training-camp": {
            "title": "训练营",
            "start": {"kind": "event", "event": "purchase"},
            "urgent": True,
            "steps": [
                _say("before", 0, "{name},训练营明天开始,请准备好笔记本。", at="20:00"),
                *[
                    _say(f"day-{day}", day, f"第 {day} 天:今天的内容已经发布,学完来打卡。", at="08:00")
                    for day in range(1, 7)
                ],
                _say("graduate", 7, "{name},恭喜结营!把你的收获分享到群里吧。", at="20:00"),
                {"name": "mark", "do": {"kind": "tag", "tags": ["结营"]}},
            ],
        },
        "wake-the-silent": {
            "title": "唤醒沉默成员",
            "start": {"kind": "silent", "days": 30, "at": "19:00"},
            "exit_on": ["member.left", "message"],
            "steps": [
                {
                    "name": "hello",
                    "do": {"kind": "say", "text": "{name},好久不见!群里最近有你可能喜欢的话题。"},
                },
                _say("again", 7, "{name},我们很想听听你的近况。", at="19:00"),
                {
                    "name": "call",
                    "wait": {"kind": "day", "day": 14, "at": "10:00"},
                    "do": {
                        "kind": "task",
                        "title": "联系 {name}",
                        "text": "已沉默一个多月,两次消息没有回应。",
                    },
                },
            ],
        },
        "renewal": {
            "title": "续费提醒",
            "start": {"kind": "date", "source": "membership_ends", "days_before": 7, "at": "10:00"},
            "exit_on": ["member.left", "purchase"],
            "steps": [
                {
                    "name": "week",
                    "do": {
                        "kind": "say",
                        "text": "{name},你的会员还有 7 天到期,续费后权益不中断。",
                        "purpose": "service",
                    },
                },
                {
                    "name": "last-day",
                    "wait": {"kind": "day", "day": 6, "at": "10:00"},
                    "do": {"kind": "say", "text": "{name},会员明天到期。", "purpose": "service"},
                },
            ],
        },
        "birthday": {
            "title": "生日祝福",
            "start": {"kind": "birthday", "at": "09:00"},
            "steps": [
                {"name": "wish", "do": {"kind": "say", "text": "{name},生日快乐!愿你新的一岁平安喜乐。🎂"}}
            ],
        },
        "festivals": {
            "title": "节日祝福",
            "start": {
                "kind": "festival",
                "festivals": ["spring_festival", "lantern", "dragon_boat", "mid_autumn", "new_year"],
                "at": "09:30",
            },
            "only": {"kind": "active", "days": 90},
            "steps": [
                {"name": "wish", "do": {"kind": "say", "text": "{name},{community}祝你节日快乐,阖家安康!"}}
            ],
        },
    }
)
"""Fields of a journey by the template's name."""


def template(name: str, **changes: Any) -> Journey:
    """Give a journey of a template; `changes` are fields that differ, for example `name` or `steps`.

    Raises:
        UnknownName: there is no such template.
    """
    found = TEMPLATES.get(name)
    if found is None:
        raise UnknownName("template", name, nearest=tuple(TEMPLATES))
    return Journey.model_validate({"name": name, **found, **changes})
