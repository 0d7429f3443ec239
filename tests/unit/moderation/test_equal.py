"""What makes the engine fast changes no verdict: with each way out taken away it says the same."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shequn_sdk.moderation.detectors.contact import find_links, may_link
from shequn_sdk.moderation.detectors.content import CLEAN, Content, flooded
from shequn_sdk.moderation.detectors.hunch import builtin_hunch
from shequn_sdk.moderation.detectors.lexicon import KEYWORD, Entry, Hit, Words, _stands_alone, builtin_entries
from shequn_sdk.moderation.detectors.normal import Folded
from shequn_sdk.moderation.engine import Engine
from shequn_sdk.moderation.rules import Effects, Rule, RuleSet
from shequn_sdk.testing import _talk

from . import quality

KEYWORDS = [Entry("违规词", KEYWORD, 1.0, "word"), Entry("free pills", KEYWORD, 1.0, "pills")]
CONTENT = Content(KEYWORDS)
PIECES = [one.word for one in builtin_entries()] + [
    "你",
    "不",
    "吗？",
    "13800138000",
    "V",
    "x.com",
    "点",
    " ",
    "。",
]


def plainly(folded):
    """Read a message with every step taken, whatever was found before."""
    flood = flooded(folded.text, folded)
    hits, links = CONTENT._words.find(folded), find_links(folded)
    return CONTENT._weigh(folded, hits, links, CONTENT._hunch.ask(folded), flood)


def same(text):
    folded = Folded(text)
    fast, slow = CONTENT.read(text), plainly(folded)
    assert fast.verdicts == slow.verdicts
    assert list(fast.keywords) == list(slow.keywords)
    assert fast is not CLEAN or not slow.links
    assert may_link(folded) or not find_links(folded)


def test_on_labelled_messages_and_talk():
    rng = random.Random(5)
    for row in quality.load() + quality.load("blind"):
        same(row.text)
    for _ in range(1500):
        same("".join(rng.choice((_talk.chat, _talk.answer, _talk.question))(rng) for _ in range(2)))


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join))
@settings(max_examples=400)
def test_on_any_words_of_the_lexicons(text):
    same(text)


@given(st.text(alphabet="加微信vx薇刷单税跟着稳\u200b\u202e❤ab1 .点。dotｃc/:o不很焦虑", max_size=40))
@settings(max_examples=300)
def test_on_any_letters(text):
    same(text)


@given(
    st.lists(st.sampled_from(PIECES[:-6]), min_size=1, max_size=3), st.sampled_from(["", " ", "，", "\u200b"])
)
def test_the_automaton_finds_what_a_search_for_each_word_finds(words, between):
    folded = Folded(between.join(words))
    lexicon = Words(builtin_entries())
    wanted = set()
    for number, form in enumerate(lexicon.forms):
        for match in re.finditer(f"(?={re.escape(form)})", folded.plain):
            start, end = match.start(), match.start() + len(form)
            pattern = lexicon._patterns[number]
            if not pattern.latin or _stands_alone(folded, start, end, pattern.parts):
                wanted |= {Hit(entry, start, end) for entry in pattern.entries}
    assert set(lexicon.find(folded)) == wanted


def test_the_packed_sum_of_weights_is_their_sum():
    hunch = builtin_hunch()
    for row in quality.load("blind"):
        folded = Folded(row.text)
        found = {one for one in hunch.weights if one in folded.plain}
        opinion = hunch.ask(folded)
        size = len(folded.plain) // 4 + 1 if folded.plain.isascii() else len(folded.plain)
        logits = [
            sum(hunch.weights[one][which] for one in found) / size**0.5 + hunch.bias[which]
            for which in range(3)
        ]
        if max(logits) < -2.95:
            assert opinion == (0, 0, 0)
        else:
            odds = [1 / (1 + 2.718281828459045**-one) for one in logits]
            odds[0] *= min(1.0, size / 12)
            assert opinion == pytest.approx(odds, abs=1e-6)


def test_heavy_weights_do_not_run_into_one_another():
    from shequn_sdk.moderation.detectors.hunch import Hunch

    forms = [chr(0x4E00 + number) for number in range(600)]
    hunch = Hunch(dict.fromkeys(forms, (900.0, -900.0, 900.0, 0.0)), (0, 0, 0, 0))
    opinion = hunch.ask(Folded("".join(forms)))
    assert (opinion.junk, opinion.conflict, opinion.negative) == (1.0, 0.0, 1.0)


def test_names_of_keyword_rules():
    rules = RuleSet(rules=(Rule(name="w", keywords=("违规词",), then=Effects(delete=True)),))
    engine = Engine(rules)
    assert engine.find_keywords("这是违 规 词") == ("w",)
    assert engine.find_keywords("\u202e词规违\u202c") == ("w",)
    assert engine.find_keywords("这是好词") == ()
