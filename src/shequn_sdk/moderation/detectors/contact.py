"""Links and contact codes: what leads out of the community."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from shequn_sdk.moderation.detectors.normal import Folded

__all__ = ["Link", "find_handles", "find_links", "may_link", "normal_url"]

_ENDINGS = (
    "com|cn|net|org|io|me|cc|tv|co|us|uk|ru|info|biz|top|xyz|vip|icu|club|shop|site|online|store|live|link|app|dev|gg|ly"
    "|pw|tk|ml|ga|cf|gq|win|bid|loan|click|work|fun|wang|ren|ltd|group|pro|invalid|example"
)
_URL = re.compile(
    rf"(?:https?|hxxps?)\s*:\s*/\s*/\s*[^\s<>\"'，。；！？、）)】]+"
    rf"|(?<![@a-z0-9_.-])(?:[a-z0-9](?:[a-z0-9-]{{0,62}}))(?:\.[a-z0-9-]{{1,63}}){{0,4}}\.(?:{_ENDINGS})(?![a-z0-9-])(?:[/?#][^\s<>\"'，。；！？、）)】]*)?",
    re.IGNORECASE,
)
_HIDDEN_DOTS = re.compile(
    rf"\s*(?:\[\s*\.\s*\]|\(\s*\.\s*\)|\[dot\]|\(dot\)|\s+dot\s+|。|点|點)\s*(?={_ENDINGS}(?![a-z0-9]))",
    re.IGNORECASE,
)
_DOT_WORD = re.compile(r"[。｡点點]\s*[^\s\u3000-\u9fff0-9]")
_SHORTENERS = frozenset(
    [
        "bit.ly",
        "tinyurl.com",
        "t.cn",
        "dwz.cn",
        "url.cn",
        "suo.im",
        "is.gd",
        "goo.gl",
        "ow.ly",
        "cutt.ly",
        "rb.gy",
        "t.co",
        "lnk.bio",
        "linktr.ee",
        "3.cn",
        "u.nu",
    ]
)
_INVITES = ("t.me/", "telegram.me/", "discord.gg/", "discord.com/invite/", "wa.me/", "chat.whatsapp.com/", "line.me/", "u.wechat.com/", "qm.qq.com/", "jq.qq.com/")  # fmt: skip
_CHEAP = frozenset(
    [
        "top",
        "xyz",
        "vip",
        "icu",
        "club",
        "win",
        "bid",
        "loan",
        "click",
        "work",
        "fun",
        "tk",
        "ml",
        "ga",
        "cf",
        "gq",
        "pw",
        "wang",
        "ren",
    ]
)
_HOST = re.compile(r"^[a-z]+://([^/?#]+)")
_NUMBERS = str.maketrans("零〇一二三四五六七八九壹贰叁肆伍陆柒捌玖幺两", "00123456789123456789" + "12")
_HANDLE = re.compile(r"[a-z][a-z0-9]{4,19}|[0-9]{5,12}")
_PHONE = re.compile(r"(?<!\d)(?:(?:86)?1[3-9]\d{9}|0\d{2,3}[2-8]\d{7})(?!\d)")
_FOREIGN = re.compile(r"\+\d[\d\s().-]{7,17}\d|\b555-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b")
_AT = re.compile(r"(?<![\w.])@[a-z][a-z0-9_]{4,31}", re.IGNORECASE)


class Link(NamedTuple):
    """An address in a message."""

    url: str
    """Normalised."""
    host: str
    start: int
    """Offset in the shown text."""
    end: int
    weight: float
    why: str


def normal_url(text: str) -> str:
    """Give an address in one form: scheme and host in small letters, width and hidden characters folded, no fragment.

    >>> normal_url("HXXPS://ＥＸＡＭＰＬＥ.com./a?b=1#c")
    'https://example.com/a?b=1'
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(
        one for one in plain if unicodedata.category(one) not in {"Cf", "Cc", "Mn"} and not one.isspace()
    )
    if "://" not in plain:
        plain = f"http://{plain}"
    scheme, _, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    if not slash:
        host, mark, query = rest.partition("?")
        slash, path = ("/?", query) if mark else ("", "")
    path = path.partition("#")[0]
    host = host.partition("#")[0].rpartition("@")[2].casefold().rstrip(".")
    return f"{scheme.casefold().replace('hxxp', 'http')}://{host}{slash}{path}"


def may_link(folded: Folded) -> bool:
    """Say at once that there is no address in a message; True means that `find_links` has to look.

    A dot written as a word counts only before something that may be the ending of a host.
    """
    shown = folded.shown
    return (
        "." in shown
        or "．" in shown
        or "://" in shown
        or "：//" in shown
        or "dot" in folded.plain
        or (("点" in shown or "。" in shown or "點" in shown) and _DOT_WORD.search(shown) is not None)
    )


def find_links(folded: Folded) -> list[Link]:
    """Give the addresses in a message, those with dots written as words too."""
    text = folded.shown
    if not text.isascii():
        # the same length, so that offsets stay: characters of several letters are left as they are
        text = "".join([_narrow(one) for one in text])
    found = [_link(match.group(), match.start(), match.end()) for match in _URL.finditer(text)]
    for match in _HIDDEN_DOTS.finditer(text):
        start = match.start()
        while start > 0 and (
            text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] in "-.")
        ):
            start -= 1
        end = match.end()
        while end < len(text) and text[end].isascii() and not text[end].isspace():
            end += 1
        if match.start() - start >= 2 and not any(one.start <= start < one.end for one in found):
            url = f"{text[start : match.start()]}.{text[match.end() : end]}"
            link = _link(url, start, end)
            found.append(link._replace(weight=0.5, why="an address with its dot written as a word"))
    return found


def _narrow(character: str) -> str:
    if character < "\u0080" or "\u4e00" <= character <= "\u9fff":
        return character
    form = unicodedata.normalize("NFKC", character)
    return form if len(form) == 1 else character


def _link(text: str, start: int, end: int) -> Link:
    url = normal_url(text)
    match = _HOST.match(url)
    host = match.group(1) if match else ""
    rest = url.partition("://")[2]
    name = host.removeprefix("www.").partition(":")[0]
    weight, why = 0.25, "an address"
    if text.lower().startswith("hxxp"):
        weight, why = 0.4, "an address with its scheme disguised"
    elif any(rest.removeprefix("www.").startswith(one) for one in _INVITES):
        weight, why = 0.45, "an invitation elsewhere"
    elif name in _SHORTENERS:
        weight, why = 0.4, "a shortened address"
    elif "xn--" in name or not name.isascii():
        weight, why = 0.45, "a host of foreign letters"
    elif name.replace(".", "").isdigit():
        weight, why = 0.45, "an address without a name"
    elif name.rpartition(".")[2] in _CHEAP:
        weight, why = 0.4, "an address under an ending that spammers like"
    return Link(url, name, start, end, weight, why)


def find_handles(folded: Folded, after: list[int]) -> list[tuple[int, int, str]]:
    """Give contact codes: (start, end, why) in the folded text.

    Args:
        folded: the message.
        after: where in the folded text words that name a messenger end; a code stands within 12 characters behind one.
    """
    plain = folded.plain
    digits = plain.translate(_NUMBERS)
    found = [(match.start(), match.end(), "a telephone number") for match in _PHONE.finditer(digits)]
    for end in after:
        for match in _HANDLE.finditer(digits, end, min(len(digits), end + 32)):
            if match.start() > end + 12:
                break
            word = match.group()
            latin_before = end > 0 and plain[end - 1].isascii() and match.start() == end
            telling = any(one.isdigit() for one in word) or (
                not latin_before and _alone(plain, match.start(), match.end()) and not _is_english(folded)
            )
            if telling and not any(start <= match.start() < stop for start, stop, _ in found):
                found.append((match.start(), match.end(), "a contact code"))
                break
    return found


def find_at(folded: Folded) -> list[tuple[int, int]]:
    """Give what looks like a foreign number or an @name, in the shown text."""
    return [match.span() for pattern in (_FOREIGN, _AT) for match in pattern.finditer(folded.shown)]


def _alone(plain: str, start: int, end: int) -> bool:
    return (start == 0 or not plain[start - 1].isascii()) and (end == len(plain) or not plain[end].isascii())


def _is_english(folded: Folded) -> bool:
    return folded.plain.isascii()
