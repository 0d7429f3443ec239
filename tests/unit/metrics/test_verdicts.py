"""Verdicts travel with the interactions, and metrics count them."""

from __future__ import annotations

import json
from datetime import date

import pytest

from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics import Metrics
from shequn_sdk.metrics.verdicts import Verdict, classified, word_classifier


def test_flags_come_in_beside_what_is_there(make_batch):
    batch = make_batch(
        {"id": "a", "text": "加 微 信 领 红 包"},
        {"id": "b", "text": "太差了", "attrs": '{"thread": 7}'},
        {"id": "c", "text": "加微信", "attrs": '{"spam": false}'},
        {"id": "d", "text": ""},
        {"id": "e", "text": "Terrible!"},
    )
    words = word_classifier(spam=["加微信"], negative=["太差", "TERRIBLE"])
    found = classified(batch, words, name="words/1")
    attrs = [json.loads(text) if text else None for text in found.attrs]
    assert attrs == [
        {"spam": True, "negative": False, "classifier": "words/1"},
        {"thread": 7, "spam": False, "negative": True, "classifier": "words/1"},
        {"spam": False, "negative": False, "classifier": "words/1"},
        None,
        {"spam": False, "negative": True, "classifier": "words/1"},
    ]
    assert batch.attrs[0] == ""


def test_no_opinion_leaves_a_row_alone(make_batch):
    batch = make_batch({"id": "a", "text": "hello", "attrs": "{}"})
    assert classified(batch, lambda _: Verdict(), name="shy/1").attrs == ["{}"]


def test_shares_count_verdicts(event_store, make_batch, events_clock):
    batch = make_batch(*({"id": str(n), "text": text} for n, text in enumerate(["买买买", "坏", "好", "好"])))
    words = word_classifier(spam=["买买"], negative=["坏"])
    event_store.append(classified(batch, words, name="words/1"), community="health")
    metrics = Metrics(event_store, clock=events_clock)
    shares = [
        metrics.compute_now(f"atmosphere.{name}", community="health", grain="total").points[0]
        for name in ("spam_share", "negative_share")
    ]
    assert [(point.numerator, point.denominator) for point in shares] == [(1, 4), (1, 3)]
    assert (
        metrics.compute_now(
            "active_members.dau", community="health", start=date(2026, 3, 1), end=date(2026, 3, 1)
        )
        .points[0]
        .value
        == 1
    )


@pytest.mark.parametrize("name", ["words", "Words/1", "words/", ""])
def test_a_verdict_says_whose_it_is(make_batch, name):
    with pytest.raises(InvalidInput, match="name/version"):
        classified(make_batch({"text": "x"}), lambda _: Verdict(spam=True), name=name)


def test_attributes_that_are_no_object_are_refused(make_batch):
    for attrs in ("{", "[]"):
        with pytest.raises(InvalidInput, match="JSON"):
            classified(make_batch({"text": "x", "attrs": attrs}), lambda _: Verdict(spam=True), name="a/1")
