"""Counts votes that were written as answers, where the platform has no polls."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime

import regex

from shequn_sdk.domain import Frozen, Interaction, InteractionKind, Poll

__all__ = ["Tally", "count_choices", "read_choices"]

_WORDS = frozenset(
    {InteractionKind.MESSAGE, InteractionKind.COMMENT, InteractionKind.ANSWER, InteractionKind.EDIT}
)
_HAN = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_NUMBER = r"(?:\d{1,2}|十[一二三四五六七八九]?|[一二两三四五六七八九])"
_CLASSIFIER = r"(?:号|项|个|票|选项|[.)）、])?"
_VOTE = regex.compile(
    rf"(?:我)?(?:选择?|投票?给?|要|支持|vote(?:\s+for)?|option|no\.?|#)?\s*[:：]?\s*第?\s*"
    rf"({_NUMBER}){_CLASSIFIER}"
    rf"(?:\s*(?:[,，、+&和/\s]|and)\s*第?({_NUMBER}){_CLASSIFIER})*"
    r"\s*[!！.。~～谢谢啦吧\s]*",
    regex.IGNORECASE,
)
_MENTION = regex.compile(r"^(?:@\S+\s+)+")
_LONGEST = 100
"""Longer texts are no votes."""


class Tally(Frozen):
    """What was counted from answers."""

    votes: tuple[int, ...]
    """Per choice, in the order of the choices."""
    voters: int
    """Members with a vote that counts."""
    unread: int
    """Answers that name no choice, or more choices than the poll allows."""


def count_choices(
    poll: Poll,
    answers: Iterable[Interaction],
    *,
    until: datetime | None = None,
    who: Callable[[Interaction], str] | None = None,
) -> Tally:
    """Count the votes of a poll that was sent as numbered choices.

    A vote is an answer that is nothing but numbers of choices (`2`, `２`, `2️⃣`, `②`, `选2`, `第二个`, and `1、3` where
    several are allowed) or the words of a choice. Every member has one vote; the last one counts. A vote whose message
    was taken back does not count, bots never do.

    Args:
        poll: the question and its choices.
        answers: what was said under the post, in any order; give only what belongs to it.
        until: end of the vote, exclusive; None counts everything.
        who: gives the person behind an interaction, to count somebody on two platforms once; platform and id when not
            given.
    """
    latest: dict[str, list[tuple[datetime, str, tuple[int, ...]]]] = {}
    gone: set[tuple[str, str]] = set()
    unread = 0
    ordered = sorted(answers, key=lambda one: one.occurred_at)
    for one in ordered:
        if until is not None and one.occurred_at >= until:
            continue
        if one.kind is InteractionKind.RETRACT:
            gone.add((one.platform, one.target or one.message))
            continue
        if one.kind not in _WORDS or one.is_bot or not one.member:
            continue
        chosen = read_choices(poll, one.text)
        if not chosen:
            unread += 1
            continue
        person = who(one) if who is not None else f"{one.platform}:{one.member}"
        latest.setdefault(person, []).append((one.occurred_at, f"{one.platform}\x00{one.message}", chosen))
    lost = {f"{platform}\x00{message}" for platform, message in gone if message}
    votes = [0] * len(poll.choices)
    voters = 0
    for cast in latest.values():
        standing = [entry for entry in cast if entry[1] not in lost]
        if not standing:
            continue
        voters += 1
        for index in standing[-1][2]:
            votes[index] += 1
    return Tally(votes=tuple(votes), voters=voters, unread=unread)


def read_choices(poll: Poll, text: str) -> tuple[int, ...]:
    """Give the indexes of the choices that an answer names; empty when it is no vote."""
    if len(text) > _LONGEST:
        return ()
    plain = _MENTION.sub("", _plain(text))
    for index, choice in enumerate(poll.choices):
        if plain and plain.casefold() == _plain(choice).casefold():
            return (index,)
    found = _VOTE.fullmatch(plain)
    if found is None:
        return ()
    numbers = [_number(one) for one in (*found.captures(1), *found.captures(2))]
    if any(not 1 <= number <= len(poll.choices) for number in numbers):
        return ()
    chosen = tuple(dict.fromkeys(number - 1 for number in numbers))
    return chosen if poll.multiple or len(chosen) == 1 else ()


def _plain(text: str) -> str:
    """Write full-width, circled and emoji digits as digits."""
    text = text.replace("🔟", "10").replace("\ufe0f", "").replace("\u20e3", "")
    return unicodedata.normalize("NFKC", text).strip()


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    if len(text) == 2:
        return 10 + _HAN[text[1]]
    return _HAN[text]
