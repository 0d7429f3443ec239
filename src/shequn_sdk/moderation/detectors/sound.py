"""Calls to get in touch whose characters merely sound right: 佳薇心, 嘉维欣. Needs the extra `chinese`."""

from __future__ import annotations

from importlib.util import find_spec

from shequn_sdk.errors import MissingExtra
from shequn_sdk.moderation.detectors.normal import Folded

__all__ = ["Sounds"]

_CALLS = (
    "jia wei xin",
    "jia wo wei xin",
    "tian jia wei xin",
    "jia v xin",
    "jia qq",
    "jia kou kou",
    "wei xin hao",
    "wei xin qun",
)
_HONEST = frozenset({"加微信", "加我微信", "添加微信", "微信号", "微信群"})


class _Table(dict[int, str]):
    def __missing__(self, code: int) -> str:
        from pypinyin import Style, lazy_pinyin  # noqa: PLC0415 - the extra `chinese`

        character = chr(code)
        said = (
            lazy_pinyin(character, style=Style.NORMAL)[0] if "\u4e00" <= character <= "\u9fff" else character
        )
        self[code] = said
        return said


class Sounds:
    """Finds syllables of calls, whatever characters they are written with."""

    def __init__(self) -> None:
        """Make ready.

        Raises:
            MissingExtra: the extra `chinese` is not installed.
        """
        if find_spec("pypinyin") is None:
            raise MissingExtra("pinyin=True needs pypinyin", "chinese")
        self._table = _Table()

    def find(self, folded: Folded) -> list[tuple[int, int]]:
        """Give the parts of the folded text that sound like a call but are not written like one."""
        plain = folded.plain
        if len(plain) > 500 or not any("\u4e00" <= one <= "\u9fff" for one in plain):
            return self._latin(plain)
        syllables = [self._table[ord(one)] for one in plain]
        text = " ".join(syllables)
        starts: list[int] = []
        place = 0
        for one in syllables:
            starts.append(place)
            place += len(one) + 1
        index = {start: number for number, start in enumerate(starts)}
        found: list[tuple[int, int]] = []
        for call in _CALLS:
            at = text.find(call)
            while at >= 0:
                first = index.get(at)
                end = at + len(call)
                last = index.get(end + 1, len(plain) if end == len(text) else None)
                if first is not None and last is not None and plain[first:last] not in _HONEST:
                    found.append((first, last))
                at = text.find(call, at + 1)
        return found + self._latin(plain)

    @staticmethod
    def _latin(plain: str) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for call in ("jiaweixin", "jiawx", "jiavx", "jiawei", "weixinhao"):
            at = plain.find(call)
            if at >= 0:
                found.append((at, at + len(call)))
                break
        return found
