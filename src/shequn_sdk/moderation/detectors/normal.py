"""Text as a reader takes it: width, case, look-alikes, traditional characters and what stands between letters taken away.

Every character is folded on its own, so that the fold of a text is the concatenation of the folds of its characters:
matching runs over the folded text, and offsets in the original are worked out only when something was found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import compress, count

__all__ = ["LONGEST", "TURNED", "Folded", "fold", "fold_character", "simplify"]

LONGEST = 100_000
"""Characters looked at; what stands behind them is not."""

_LOOK_ALIKES = {
    # Cyrillic, Greek and other letters that are drawn like Latin ones
    **dict(zip("авсеніјкмопԛрѕтухԝһԁɡѵӏ", "abceнijkmonqpstyxwhdgvl", strict=True)),
    **dict(zip("αβγεικνορτυχωη", "abyeiknoptyxwn", strict=True)),
    **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)),
    **dict(zip("ɑøłđħŧıʍ", "aoldhtiw", strict=True)),
    "н": "h",
    "ʋ": "v",
    "√": "v",
    "∨": "v",
    "⋁": "v",
    "∪": "u",
    "〇": "0",
    "ⅰ": "i",
    **dict.fromkeys("❤♥♡💗💖💕💓💛💚💙💜🧡🖤", "心"),  # 微❤ is read as 微信's second syllable
    **dict.fromkeys("\u115f\u1160丶丨丿", ""),  # letters that nobody sees, and strokes that part others
}
_TRADITIONAL = (
    "賺赚錢钱單单號号掃扫碼码優优領领銷销傳传鏈链點点擊击進进羣群聯联繫系係系帳帐賬账戶户貸贷費费買买賣卖貨货價价"
    "獎奖贈赠專专業业務务雲云網网飛飞機机號号電电話话銀银歡欢迎迎資资產产穩稳漲涨幣币實实時时間间報报學学習习"
    "試试員员團团隊队廣广減减體体療疗藥药醫医證证書书辦办發发財财個个們们還还這这沒没過过對对說说請请誰谁讓让給给"
    "從从來来為为麼么樣样題题問问復复應应該该氣气壞坏騙骗詐诈滾滚腦脑殘残豬猪蠢蠢廢废閉闭罵骂爛烂噁恶惡恶"
    "煩烦嘔呕嚴严歲岁慘惨憤愤悶闷難难過过傷伤淚泪絕绝厭厌無无聊聊覺觉後后悔悔貴贵壓压倉仓險险積积極极賠赔償偿"
    "關关閱阅讀读轉转賽赛競竞賭赌盤盘彩彩視视頻频頭头條条撥拨補补貼贴紅红包包稅税檢检驗验訊讯語语識识別别"
    "剛刚開开處处備备註注啟启動动種种類类項项總总結结與与並并"
)
_SIMPLE = dict(zip(_TRADITIONAL[::2], _TRADITIONAL[1::2], strict=True))


@lru_cache(1)
def _converter() -> object | None:
    try:
        from opencc import OpenCC  # noqa: PLC0415 - the extra `chinese`
    except ImportError:
        return None
    return OpenCC("t2s")


def simplify(character: str) -> str:
    """Give the simplified form of a Chinese character: all of them with the extra `chinese`, else the common ones."""
    known = _SIMPLE.get(character)
    if known is not None:
        return known
    converter = _converter()
    if converter is None:
        return character
    return converter.convert(character)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def fold_character(character: str) -> str:
    """Give the letters and digits that a character is read as; "" for everything that is none.

    >>> fold_character("Ｖ"), fold_character("а"), fold_character("④"), fold_character("錢"), fold_character("!")
    ('v', 'a', '4', '钱', '')
    """
    if character in _LOOK_ALIKES:
        return _LOOK_ALIKES[character]
    code = ord(character)
    if 0x1F1E6 <= code <= 0x1F1FF:  # regional indicators spell words, too
        return chr(code - 0x1F1E6 + ord("a"))
    if 0x1F150 <= code <= 0x1F189 and code not in range(
        0x1F16A, 0x1F170
    ):  # negative circled and squared letters
        return chr((code - 0x1F150) % 32 + ord("a")) if (code - 0x1F150) % 32 < 26 else ""
    out: list[str] = []
    for part in unicodedata.normalize("NFKD", character).casefold():
        kind = unicodedata.category(part)
        if kind[0] == "L" or kind == "Nd":
            part = _LOOK_ALIKES.get(part, part)  # noqa: PLW2901 - folded step by step
            if kind == "Nd" and not part.isascii():
                part = str(unicodedata.digit(part))  # noqa: PLW2901
            out.append(simplify(part) if part >= "\u2e80" else part)
    return "".join(out)


class _Table(dict[int, str]):
    def __missing__(self, code: int) -> str:
        folded = self[code] = fold_character(chr(code))
        return folded


_TABLE = _Table()
_ASCII_GONE = {code: None for code in range(128) if not chr(code).isalnum()}


def fold(text: str) -> str:
    """Give the letters and digits that a text is read as, in the order in which they stand."""
    return text.translate(_ASCII_GONE).lower() if text.isascii() else text.translate(_TABLE)


TURNED = "\u202e"
_ENDS = "\u202c\u2066\u2067\u2068\u2069\n"


def _unturned(text: str) -> tuple[str, list[int]]:
    """Give a text as it is shown where a right-to-left override turns it round, with the original offsets."""
    order: list[int] = []
    position = 0
    while position < len(text):
        if text[position] != TURNED:
            order.append(position)
            position += 1
            continue
        end = position + 1
        while end < len(text) and text[end] not in _ENDS:
            end += 1
        order.extend(reversed(range(position + 1, end)))
        position = end + 1
    return "".join([text[index] for index in order]), order


class Folded:
    """A message and its folded text (归一化)."""

    __slots__ = ("_offsets", "_order", "plain", "shown", "text")

    def __init__(self, text: str) -> None:
        """Fold `text`, of which the first `LONGEST` characters are looked at."""
        if len(text) > LONGEST:
            text = text[:LONGEST]
        self.text = text
        """The original."""
        self._order: list[int] | None = None
        self._offsets: Sequence[int] | None = None
        self.shown = text
        """As it is shown: where a right-to-left override turns it round, turned back."""
        if TURNED in text:
            self.shown, self._order = _unturned(text)
        self.plain = fold(self.shown)
        """Folded letters and digits, nothing between them."""

    def _origins(self) -> Sequence[int]:
        """Give, for each letter of `plain`, where in `shown` it stands."""
        if self._offsets is not None:
            return self._offsets
        parts = list(map(_TABLE.__getitem__, map(ord, self.shown)))
        offsets = list(compress(count(), parts))
        if len(offsets) != len(self.plain):  # a character that is read as several letters
            offsets = [index for index, part in enumerate(parts) for _ in part]
        self._offsets = offsets
        return offsets

    def shown_span(self, start: int, end: int) -> tuple[int, int]:
        """Give the part of `shown` that a part of `plain` came from."""
        offsets = self._origins()
        return offsets[start], offsets[end - 1] + 1

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Give the part of the original that a part of `shown` came from."""
        if self._order is None:
            return start, end
        part = self._order[start:end]
        return (min(part), max(part) + 1) if part else (0, 0)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Give the part of the original that a part of `plain` came from."""
        return self.original(*self.shown_span(start, end))
