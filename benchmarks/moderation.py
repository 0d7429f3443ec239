"""Rule engine with 1,000 keyword rules and all detectors, against a loop of `re` searches over the same rules.

    python benchmarks/moderation.py [--messages 20000] [--rounds 3]

Both run on one core in one process, over the same invented chat: 94 in 100 messages are talk, 3 are honest messages full
of words that detectors look for, 3 are adverts, insults and the like. CPU time is measured, so that a busy machine
matters less; the ratio is of one run. Two comparisons, each with the same rules on both sides:

* the keyword rules alone: folding and the automaton, against one compiled pattern per rule, searched one after another;
* keyword rules and all detectors: the engine, against the same engine whose words (those of the rules and those of the
  detectors' lexicons) are searched one compiled pattern after another in the folded text. The model, links, floods and
  copies are the very same code on both sides, and cost both the same.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from pathlib import Path

from shequn_sdk.moderation.detectors.lexicon import Words
from shequn_sdk.moderation.engine import Engine, Facts, Message
from shequn_sdk.moderation.rules import Effects, Rule, RuleSet, standard_rules
from shequn_sdk.testing import _talk

PLACES = [a + b for a in "东西南北中前后左右上下大小新老" for b in "门路口桥湖园院村镇站店馆楼桌岸"]
LABELLED = Path(__file__).parents[1] / "tests" / "unit" / "moderation" / "labelled.tsv"


def labelled():
    rows = [
        line.split("\t")
        for line in LABELLED.read_text(encoding="utf-8").splitlines()
        if line and line[0] != "#"
    ]
    return [row[2] for row in rows if row[0] == "none"], [row[2] for row in rows if row[0] != "none"]


def chat(count: int, seed: int = 7) -> list[str]:
    rng = random.Random(seed)
    honest, others = labelled()
    makers = (_talk.chat, _talk.answer, _talk.question)
    texts = []
    for _ in range(count):
        dice = rng.random()
        if dice < 0.94:
            # one to three sentences, with a number of the day: people rarely say the very same
            said = [rng.choice(makers)(rng) for _ in range(rng.choice((1, 1, 2, 3)))]
            texts.append(
                f"{''.join(said)}{rng.choice(('今天', '刚才', '已经'))}{rng.choice(PLACES)}{rng.randrange(60)}分钟"
            )
        else:
            texts.append(rng.choice(honest if dice < 0.97 else others))
    return texts


def keywords(count: int, seed: int = 11) -> list[str]:
    """Words of two to four characters, hardly any of which occur in the talk."""
    rng = random.Random(seed)
    characters = [chr(code) for code in range(0x4E00, 0x9F00)]
    return ["".join(rng.choices(characters, k=rng.randint(2, 4))) for _ in range(count)]


def rules(words: list[str]) -> RuleSet:
    mine = tuple(
        Rule(name=f"word-{number}", keywords=(word,), then=Effects(delete=True), priority=200)
        for number, word in enumerate(words)
    )
    return standard_rules().model_copy(update={"rules": standard_rules().rules + mine})


def run_engine(engine: Engine, messages: list[Message]) -> tuple[float, int]:
    facts = Facts()
    hits = 0
    started = time.process_time()
    for message in messages:
        sighting = engine.look(message)
        if sighting is not None:
            hits += engine.decide(sighting, facts).hits
    return time.process_time() - started, hits


def run_words(engine: Engine, texts: list[str]) -> float:
    """Only what finds keywords: folding, the automaton, the rules' names."""
    find = engine.find_keywords
    find("")  # makes its automaton, as the constructor does for everything else
    started = time.process_time()
    for text in texts:
        find(text)
    return time.process_time() - started


class LoopedWords:
    """What `Words` finds, by one compiled pattern per word."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._patterns = [re.compile(re.escape(form)) for form in words.forms]
        words._find = self._found  # noqa: SLF001 - the peer: only how words are found differs

    def _found(self, plain: str) -> list[tuple[int, int, int]]:
        found = []
        for number, pattern in enumerate(self._patterns):
            match = pattern.search(plain)
            while match is not None:
                found.append((number, match.start(), match.end()))
                match = pattern.search(plain, match.start() + 1)
        return sorted(found, key=lambda one: (one[2], one[1]))


def looped(ruleset: RuleSet) -> Engine:
    engine = Engine(ruleset)
    for words in (engine._content._words, engine._content._context):  # noqa: SLF001
        LoopedWords(words)
    return engine


def run_loop(patterns: list[re.Pattern[str]], texts: list[str]) -> float:
    started = time.process_time()
    for text in texts:
        for pattern in patterns:
            if pattern.search(text):
                break
    return time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = chat(options.messages)
    words = keywords(1000)
    messages = [
        Message(text, channel="bot:1", member=f"telegram:{number % 997}", at=number * 300_000)
        for number, text in enumerate(texts)
    ]
    ruleset = rules(words)
    exact = [re.compile(re.escape(word)) for word in words]
    alike = [re.compile(r"[\W_]*".join(map(re.escape, word)), re.IGNORECASE) for word in words]
    keyword_rules = RuleSet(rules=ruleset.rules[len(standard_rules().rules) :])
    share = texts[: max(200, options.messages // 20)]
    best_engine = best_exact = best_alike = best_words = best_looped = 9e9
    hits = 0
    for _ in range(options.rounds):
        took, hits = run_engine(Engine(ruleset), messages)
        best_engine = min(best_engine, took / len(messages))
        best_words = min(best_words, run_words(Engine(keyword_rules), texts) / len(texts))
        some = messages[: len(share)]
        best_looped = min(best_looped, run_engine(looped(ruleset), some)[0] / len(some))
        best_exact = min(best_exact, run_loop(exact, share) / len(share))
        best_alike = min(best_alike, run_loop(alike, share) / len(share))
    length = sum(map(len, texts)) / len(texts)
    print(f"{len(texts):,} messages of {length:.0f} characters, {len(ruleset.rules):,} rules, {hits:,} hits")
    for name, best in (
        ("engine, 1,000 keyword rules and all detectors", best_engine),
        ("engine, the 1,000 keyword rules alone", best_words),
        ("loop of re, same rules: any case, anything between letters", best_alike),
        ("loop of re, the bare words only", best_exact),
        ("engine with its words by a loop of re, all detectors", best_looped),
    ):
        print(f"{name:60} {1 / best:>9,.0f} messages/s of CPU time ({best * 1e6:,.1f} µs each)")
    print(
        f"keyword rules alone, against the loop: {best_alike / best_words:.1f}x; against one of bare words: {best_exact / best_words:.1f}x"
    )
    print(f"all detectors on both sides: {best_looped / best_engine:.1f}x")
    print(f"all detectors, against the loop for the keyword rules alone: {best_alike / best_engine:.1f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
