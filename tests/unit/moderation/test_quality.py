"""How good the detectors are, as numbers with floors. See docs/moderation.md for what they mean."""

import pytest

from shequn_sdk.errors import InvalidInput
from shequn_sdk.moderation.detectors.content import Content
from shequn_sdk.moderation.detectors.hunch import builtin_hunch, dumps, loads, train

from . import quality

CONTENT = Content()


def test_there_are_enough_labelled_messages():
    rows = quality.load() + quality.load("blind")
    assert len(rows) >= 400
    assert len({row.text for row in rows}) == len(rows)
    assert {row.language for row in rows} == {"zh", "en"}
    assert sum(not row.labels for row in rows) >= 150


@pytest.mark.parametrize(
    ("kind", "precision", "recall"),
    [
        ("advert", 0.97, 0.95),
        ("scam", 0.97, 0.95),
        ("negative", 0.92, 0.9),
        ("conflict", 0.92, 0.95),
        ("junk", 0.98, 0.97),
    ],
)
def test_on_messages_that_were_looked_at(kind, precision, recall):
    found, reached, *_ = quality.measure(CONTENT, quality.load())[kind]
    assert found >= precision
    assert reached >= recall


@pytest.mark.parametrize(
    ("kind", "precision", "recall"), [("junk", 0.9, 0.6), ("conflict", 0.85, 0.6), ("negative", 0.6, 0.15)]
)
def test_on_messages_written_afterwards(kind, precision, recall):
    """Low where a lexicon is all there is: new words of bad mood are mostly missed."""
    found, reached, *_ = quality.measure(CONTENT, quality.load("blind"))[kind]
    assert found >= precision
    assert reached >= recall


def test_hardly_an_honest_message_is_punished():
    """At the scores from which the standard rules act without a person."""
    honest = [row for row in quality.load() + quality.load("blind") if not row.labels]
    wrong = [
        row.text
        for row in honest
        for one in CONTENT.read(row.text).verdicts
        if (one.kind in {"advert", "scam"} and one.score >= 0.75)
        or (one.kind == "conflict" and one.score >= 0.8)
    ]
    assert len(wrong) <= len(honest) // 100, wrong


def test_the_packaged_model_is_the_one_that_these_messages_give():
    rows = quality.load()
    made = train(
        [(row.text, bool({"advert", "scam"} & row.labels), "conflict" in row.labels) for row in rows]
    )
    kept = builtin_hunch()
    assert made.weights.keys() == kept.weights.keys()
    assert all(made.weights[word] == pytest.approx(kept.weights[word], abs=0.02) for word in made.weights)


def test_a_model_can_be_written_and_read():
    model = train([("加我买药", True, False), ("今天跑步", False, False), ("你滚", False, True)], rounds=5)
    assert loads(dumps(model)).weights == model.weights
    with pytest.raises(InvalidInput, match="label some of each"):
        train([("今天", False, False)])
    with pytest.raises(InvalidInput, match="train it again"):
        loads("nonsense")
