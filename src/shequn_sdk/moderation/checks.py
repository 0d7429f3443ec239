"""What is valid in rules and yet probably not meant."""

from __future__ import annotations

import time
from collections.abc import Sequence

import regex

from shequn_sdk.moderation.detectors.lexicon import fold_word
from shequn_sdk.moderation.model import KINDS
from shequn_sdk.moderation.results import RuleCheck
from shequn_sdk.moderation.rules import Rule, RuleSet

__all__ = ["check"]

_TRIALS = ("a" * 200 + "!", "加" * 200 + "！", "1 " * 100, "http://" + "a." * 60)
_SLOW = 0.02


def check(rules: RuleSet) -> Sequence[RuleCheck]:
    """Give remarks, by rule."""
    found: list[RuleCheck] = []
    words: dict[str, str] = {}
    for rule in rules.rules:
        found += [RuleCheck(rule=rule.name, problem=one) for one in _remarks(rule, rules)]
        for word in rule.keywords:
            other = words.setdefault(fold_word(word), rule.name)
            if other != rule.name:
                found.append(RuleCheck(rule=rule.name, problem=f"keyword {word!r} is in rule {other!r} too"))
    if not rules.operators and any(
        one.then.notify or one.then.review or one.review_below for one in rules.rules
    ):
        found.append(
            RuleCheck(rule="", problem="operators is empty: nobody is told, look into the queue yourself")
        )
    return found


def _remarks(rule: Rule, rules: RuleSet) -> list[str]:
    found: list[str] = []
    for kind, score in rule.kinds.items():
        if kind not in KINDS and not rules.detectors:
            found.append(f"no detector gives {kind!r}; there are {', '.join(KINDS)}")
        if rule.review_below is not None and score >= rule.review_below:
            found.append(f"review_below {rule.review_below} never applies: {kind} begins at {score}")
    found += [
        f"keyword {word!r} is a single letter and will hit often"
        for word in rule.keywords
        if len(fold_word(word)) < 2
    ]
    for pattern in (*rule.patterns, *rule.names):
        compiled = regex.compile(pattern)
        if compiled.search("") is not None:
            found.append(f"pattern {pattern!r} matches everything")
            continue
        for trial in _TRIALS:
            started = time.perf_counter()
            try:
                compiled.search(trial, timeout=_SLOW)
            except TimeoutError:
                found.append(
                    f"pattern {pattern!r} takes longer than {_SLOW:g} s on a text of {len(trial)} characters"
                )
                break
            if time.perf_counter() - started > _SLOW:
                found.append(f"pattern {pattern!r} is slow")
                break
    if rule.then.action in {"kick", "ban"} and rule.review_below is None and rule.kinds:
        found.append(f"{rule.then.action} at once on a detector's word: consider review_below")
    return found
