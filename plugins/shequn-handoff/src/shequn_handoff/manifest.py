"""What a person can be asked to post, per place, as data.

The places publish few limits, and change them: every number here is a cautious default and an option.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from pydantic import Field, ValidationError, field_validator

from shequn_sdk.domain import Account, Frozen
from shequn_sdk.errors import ConfigError
from shequn_sdk.platforms.manifest import (
    Capability,
    Idempotency,
    Limits,
    Manifest,
    Markup,
    TextLimit,
)

__all__ = ["MANIFESTS", "PLACES", "PLATFORM", "Options", "Place", "manifest_for", "options_of"]

PLATFORM = "handoff"


@dataclass(frozen=True, slots=True)
class Place:
    """A place where only a person can post."""

    title: str
    text: int
    """Code points of a text, by default."""
    pictures: int
    """Files that go with it, by default."""
    hashtag: str
    steps: tuple[str, ...]
    """What the person does, in order."""


PLACES: Mapping[str, Place] = MappingProxyType(
    {
        "wechat_group": Place(
            "微信群",
            2000,
            9,
            "",
            (
                "打开微信，进入目标群",
                "粘贴文字并检查",
                "按顺序发送图片",
                "确认群内已显示",
                "回到任务页填写结果",
            ),
        ),
        "qq_group": Place(
            "QQ群",
            2000,
            9,
            "",
            (
                "打开 QQ，进入目标群",
                "粘贴文字并检查",
                "按顺序发送图片",
                "确认群内已显示",
                "回到任务页填写结果",
            ),
        ),
        "zhihu": Place(
            "知乎",
            2000,
            9,
            "#{tag}#",
            (
                "登录知乎",
                "新建想法或回答并粘贴文字",
                "上传图片",
                "发布后复制链接",
                "回到任务页填写链接与数据",
            ),
        ),
        "xiaohongshu": Place(
            "小红书",
            1000,
            18,
            "#{tag}",
            (
                "打开小红书并新建笔记",
                "先上传图片，再粘贴文字",
                "检查标题与话题",
                "发布后复制链接",
                "回到任务页填写链接与数据",
            ),
        ),
        "zhishixingqiu": Place(
            "知识星球",
            5000,
            9,
            "#{tag}#",
            (
                "打开知识星球，进入目标星球",
                "新建主题并粘贴文字",
                "上传图片或文件",
                "发布后复制链接",
                "回到任务页填写结果",
            ),
        ),
        "douyin": Place(
            "抖音",
            1000,
            18,
            "#{tag}",
            (
                "打开抖音并新建作品",
                "上传视频或图片",
                "粘贴文字作为描述",
                "发布后复制链接",
                "回到任务页填写链接与数据",
            ),
        ),
        "other": Place(
            "其他",
            2000,
            9,
            "#{tag}",
            ("打开目标位置", "粘贴文字并检查", "上传图片", "发布", "回到任务页填写结果"),
        ),
    }
)


class Options(Frozen):
    """Options of a hand-over account, as the settings give them."""

    place: str = "other"
    """Which place it is: one of `PLACES`."""
    folder: Path | None = None
    """Where tasks are kept; needed unless `base_url` names a desk that keeps them."""
    channels: tuple[str, ...] = ()
    """Groups or pages that tasks may name; empty takes any name."""
    text_limit: int | None = Field(default=None, ge=1)
    """Code points of a text; None is the place's default."""
    file_limit: int | None = Field(default=None, ge=1)
    """Files of one task; None is the place's default."""
    confirm_within_hours: float = Field(default=24.0, gt=0)
    """How long a task waits for the person."""
    checklist: tuple[str, ...] = ()
    """Steps for the person; empty takes the place's."""
    desk_url: str = ""
    """Where people open the form, for reminders; it may be another address than `base_url`."""

    @field_validator("place")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PLACES:
            raise ValueError(f"{value!r} is none of {', '.join(PLACES)}")
        return value


def options_of(account: Account) -> Options:
    """Read and check an account's options.

    Raises:
        ConfigError: one is unknown or wrong; the message names it.
    """
    try:
        return Options.model_validate(dict(account.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"option {where!r} of the handoff account {account.name!r} cannot be used: {first['msg']}; "
            f"options are {', '.join(sorted(Options.model_fields))}"
        ) from None


_C = Capability
_BY_HAND = "a person posts it; ask them to do it by hand"


def _manifest(options: Options, *, remote: bool) -> Manifest:
    place = PLACES[options.place]
    files = options.file_limit or place.pictures
    capabilities = {
        _C.PUBLISH_TEXT,
        _C.PUBLISH_PHOTO,
        _C.PUBLISH_VIDEO,
        _C.PUBLISH_DOCUMENT,
        _C.MASS_MESSAGE,
        _C.POST_METRICS,
        _C.RECONCILE,
    }
    if files > 1:
        capabilities.add(_C.PUBLISH_ALBUM)
    return Manifest(
        platform=PLATFORM,
        mode=options.place,
        title=f"Hand-over: {place.title}",
        capabilities=frozenset(capabilities),
        missing={
            _C.EDIT: _BY_HAND,
            _C.DELETE: _BY_HAND,
            _C.DELETE_OTHERS: _BY_HAND,
            _C.PIN: _BY_HAND,
            _C.PUBLISH_POLL: "write the choices into the text and count the answers by hand",
            _C.POLL_EVENTS: "the place tells nothing to programs; numbers come with the person's confirmation",
        },
        limits=Limits(
            text=TextLimit(maximum=options.text_limit or place.text),
            media_per_post=files,
        ),
        markup=Markup(name="plain", hashtag=place.hashtag),
        idempotency=Idempotency(native_key=True, reconcile=True, reconcile_delay=timedelta(0)),
        person_must_confirm=True,
        confirm_within=timedelta(hours=options.confirm_within_hours),
        reports=frozenset({"view", "reaction", "comment", "share"}),
        max_concurrency=2,
        secrets=("token",) if remote else (),
        notes=("Nothing is sent by the program: a person copies the task and confirms it.",),
    )


def manifest_for(account: Account) -> Manifest:
    """Give the manifest of an account, by its place.

    Raises:
        ConfigError: an option is wrong.
    """
    return _manifest(options_of(account), remote=account.base_url is not None)


MANIFESTS = tuple(_manifest(Options(place=place), remote=False) for place in PLACES)
"""One manifest per place."""
