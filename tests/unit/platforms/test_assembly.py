"""Interactions assembled of checked values are what validation gives."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.platforms.assembly import assemble, blank

TEXT = st.text(max_size=20)


@given(
    number=TEXT,
    kind=st.sampled_from(InteractionKind),
    at=st.datetimes(timezones=st.just(UTC)),
    text=TEXT,
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    attrs=st.dictionaries(TEXT, st.none() | st.booleans() | TEXT, max_size=3),
)
def test_assembled_is_validated(number, kind, at, text, value, attrs):
    given_fields = {
        "id": number,
        "kind": kind,
        "occurred_at": at,
        "text": text,
        "value": value,
        "attrs": attrs,
    }
    made = assemble({**blank("telegram", "bot"), **given_fields})
    assert made == Interaction(platform="telegram", account="bot", **given_fields)
    assert Interaction.model_validate_json(made.model_dump_json()) == made
    assert made.model_copy(update={"text": "other"}).text == "other"


def test_a_blank_is_not_shared():
    first = blank("telegram", "bot")
    first["text"] = "x"
    assert blank("telegram", "bot")["text"] == ""
    made = assemble({**blank("p", "a"), "id": "1", "kind": InteractionKind.JOIN, "occurred_at": datetime(2026, 1, 1, tzinfo=UTC), "attrs": {}})  # fmt: skip
    assert repr(made).startswith("Interaction(id='1'")
