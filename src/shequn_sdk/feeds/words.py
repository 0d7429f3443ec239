"""Words of a text, and which of them are said more than before.

Rising words: log-odds ratio with an informative Dirichlet prior, after B. Monroe, M. Colaresi and K. Quinn, Fightin' Words
(Political Analysis 16, 2008). With y the messages that have a word, n their sum over all words, a the prior for the word and
a0 the sum of priors, for the period (1) and the time before (2):

    d = ln((y1 + a) / (n1 + a0 - y1 - a)) - ln((y2 + a) / (n2 + a0 - y2 - a))
    z = d / sqrt(1 / (y1 + a) + 1 / (y2 + a))

The prior is the word's share of both times together, scaled to `PRIOR` messages, so that rare words need more evidence.
"""

from __future__ import annotations

import logging
import math
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import regex

from shequn_sdk.errors import MissingExtra

__all__ = ["PRIOR", "links_in", "rising", "segmenter", "words_of"]

PRIOR = 100.0
"""Weight of the prior, in words."""
_WORD = regex.compile(r"[\p{L}\p{N}]")
_HAN = regex.compile(r"\p{Han}")
_LINK = regex.compile(r"https?://[^\s<>\"'，。！？、；：（）《》【】“”‘’]+", regex.IGNORECASE)
_MENTION = regex.compile(r"[@＠][^\s@＠]+")
_LONGEST = 2000
_COMMON = frozenset(
    [
        "的",
        "了",
        "是",
        "我",
        "你",
        "他",
        "她",
        "它",
        "们",
        "我们",
        "你们",
        "他们",
        "在",
        "有",
        "和",
        "就",
        "不",
        "也",
        "都",
        "还",
        "很",
        "这",
        "那",
        "这个",
        "那个",
        "一个",
        "吗",
        "呢",
        "吧",
        "啊",
        "呀",
        "哦",
        "嗯",
        "哈",
        "哈哈",
        "哈哈哈",
        "什么",
        "怎么",
        "可以",
        "没有",
        "没",
        "不是",
        "就是",
        "还是",
        "但是",
        "因为",
        "所以",
        "如果",
        "一下",
        "现在",
        "知道",
        "觉得",
        "真的",
        "自己",
        "大家",
        "谢谢",
        "好",
        "好的",
        "要",
        "会",
        "能",
        "去",
        "来",
        "到",
        "说",
        "看",
        "对",
        "给",
        "让",
        "把",
        "被",
        "跟",
        "与",
        "及",
        "或",
        "从",
        "以",
        "为",
        "于",
        "而",
        "之",
        "着",
        "过",
        "得",
        "地",
        "个",
        "上",
        "下",
        "里",
        "中",
        "后",
        "前",
        "时",
        "时候",
        "多",
        "少",
        "大",
        "小",
        "再",
        "又",
        "才",
        "只",
        "更",
        "最",
        "已经",
        "the",
        "a",
        "an",
        "and",
        "or",
        "of",
        "to",
        "in",
        "is",
        "are",
        "was",
        "were",
        "be",
        "it",
        "this",
        "that",
        "for",
        "on",
        "with",
        "as",
        "at",
        "by",
        "i",
        "you",
        "he",
        "she",
        "we",
        "they",
        "not",
        "but",
        "so",
        "if",
        "do",
        "have",
        "has",
        "had",
        "from",
        "will",
        "can",
        "my",
        "your",
        "our",
        "me",
    ]
)


@lru_cache(maxsize=8)
def segmenter(folder: Path) -> Callable[[str], Iterable[str]]:
    """Give what cuts Chinese into words; its dictionary is kept ready in `folder`. Takes a second at first.

    Raises:
        MissingExtra: the extra `chinese` is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its source has old escapes
            jieba: Any = import_module("jieba")
    except ModuleNotFoundError:
        raise MissingExtra("words of Chinese texts need jieba", "chinese") from None
    jieba.setLogLevel(logging.WARNING)
    cutter = jieba.Tokenizer()
    # not the machine's shared directory, where others could leave a dictionary for us to load
    folder.mkdir(parents=True, exist_ok=True)
    cutter.tmp_dir = str(folder)
    return lambda text: cutter.cut(text, HMM=True)


def words_of(text: str, cut: Callable[[str], Iterable[str]]) -> set[str]:
    """Give the words of a message that mean something: without links, mentions, numbers and common words."""
    plain = unicodedata.normalize("NFKC", text[:_LONGEST]).casefold()
    plain = _MENTION.sub(" ", _LINK.sub(" ", plain))
    found: set[str] = set()
    for one in cut(plain):
        word = one.strip()
        if not word or word in _COMMON or not _WORD.search(word) or word.isdecimal():
            continue
        if len(word) == 1:  # a single sign says little in Chinese, and nothing in Latin letters
            continue
        if len(word) > 30 or (len(word) == 2 and not _HAN.search(word)):
            continue
        found.add(word)
    return found


def links_in(text: str) -> set[str]:
    """Give the addresses in a text, without what follows `#` and without tracking parameters."""
    from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit  # noqa: PLC0415 - only for texts with links

    found: set[str] = set()
    for one in _LINK.findall(text[:20_000]):
        try:
            parts = urlsplit(one.rstrip(".,;:!?)]}'\""))
            if not parts.hostname or parts.username or len(one) > 1000:
                continue
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            continue
        kept = [
            (key, value)
            for key, value in parse_qsl(parts.query)
            if not key.lower().startswith("utm_")
            and key.lower() not in {"fbclid", "gclid", "spm", "share_token"}
        ]
        host = parts.hostname.lower() + port
        found.add(urlunsplit((parts.scheme.lower(), host, parts.path or "/", urlencode(kept), "")))
    return found


def rising(
    now: Mapping[str, int], before: Mapping[str, int], *, least: int = 3, least_score: float = 1.96
) -> list[tuple[str, float]]:
    """Give words that are said more than before with their z-score, surest first; the formula is the module's.

    Args:
        now: messages per word in the period.
        before: messages per word in the time before.
        least: messages that a word needs in the period.
        least_score: least z-score; 1.96 is the usual 5 %, without correction for the number of words.
    """
    together = Counter(now)
    together.update(before)
    whole = sum(together.values())
    n1, n2 = sum(now.values()), sum(before.values())
    if not n1 or not n2:
        return []
    found: list[tuple[str, float]] = []
    for word, y1 in now.items():
        if y1 < least:
            continue
        y2 = before.get(word, 0)
        prior = PRIOR * together[word] / whole
        rest1, rest2 = n1 + PRIOR - y1 - prior, n2 + PRIOR - y2 - prior
        if rest1 <= 0 or rest2 <= 0:
            continue
        odds = math.log((y1 + prior) / rest1) - math.log((y2 + prior) / rest2)
        score = odds / math.sqrt(1 / (y1 + prior) + 1 / (y2 + prior))
        if score >= least_score:
            found.append((word, score))
    return sorted(found, key=lambda one: (-one[1], one[0]))
