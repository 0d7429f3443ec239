"""The columns of a calendar as a file, by their English and Chinese names, and how cells are written and read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["COLUMNS", "NAMES", "escaped", "unescaped"]

COLUMNS = (
    "key", "state", "at", "channels", "title", "text", "category", "promotional", "hashtags", "pictures", "alt", "link",
    "comments",
)  # fmt: skip
"""In the order in which they are written."""

NAMES: Mapping[str, str] = MappingProxyType(
    {name: name for name in COLUMNS}
    | {
        "编号": "key",
        "状态": "state",
        "时间": "at",
        "发布时间": "at",
        "date": "at",
        "渠道": "channels",
        "群": "channels",
        "channel": "channels",
        "to": "channels",
        "标题": "title",
        "内容": "text",
        "正文": "text",
        "栏目": "category",
        "分类": "category",
        "广告": "promotional",
        "标签": "hashtags",
        "话题": "hashtags",
        "图片": "pictures",
        "picture": "pictures",
        "图片说明": "alt",
        "链接": "link",
        "首评": "comments",
    }
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def escaped(text: str) -> str:
    """Write a cell so that no spreadsheet runs it: what begins like a formula gets a quote in front (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def unescaped(text: str) -> str:
    """Read what `escaped` wrote."""
    return text[1:] if text.startswith("'") and text[1:].startswith((*_FORMULA, "'")) else text
