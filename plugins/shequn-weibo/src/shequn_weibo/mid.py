"""Between the decimal id of a post and the short form that stands in its web address."""

from __future__ import annotations

from shequn_sdk.errors import InvalidInput

__all__ = ["id_of", "mid_of", "permalink"]

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_VALUE = {sign: number for number, sign in enumerate(ALPHABET)}


def mid_of(native_id: str | int) -> str:
    """Give the short form (base 62) of a decimal id.

    >>> mid_of("3501756485200075")
    'z0JH2lOMb'
    """
    digits = str(native_id)
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidInput(f"{digits[:40]!r} is no decimal id of a post")
    digits = str(int(digits))
    groups = [digits[max(end - 7, 0) : end] for end in range(len(digits), 0, -7)][::-1]
    first, *rest = (_encode(int(group)) for group in groups)
    return first + "".join(part.rjust(4, "0") for part in rest)


def id_of(mid: str) -> str:
    """Give the decimal id of a short form.

    >>> id_of("z0JH2lOMb")
    '3501756485200075'
    """
    if not mid or any(sign not in _VALUE for sign in mid):
        raise InvalidInput(f"{mid[:40]!r} is no short id of a post: letters and digits only")
    groups = [mid[max(end - 4, 0) : end] for end in range(len(mid), 0, -4)][::-1]
    first, *rest = (str(_decode(group)) for group in groups)
    return str(int(first + "".join(part.rjust(7, "0") for part in rest)))


def permalink(uid: str, native_id: str) -> str:
    """Give the web address of a post."""
    return f"https://weibo.com/{uid}/{mid_of(native_id)}"


def _encode(number: int) -> str:
    signs = ""
    while number:
        number, rest = divmod(number, 62)
        signs = ALPHABET[rest] + signs
    return signs or "0"


def _decode(text: str) -> int:
    number = 0
    for sign in text:
        number = number * 62 + _VALUE[sign]
    return number
