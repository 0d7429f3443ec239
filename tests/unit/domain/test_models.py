from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shequn_sdk.domain import (
    Button,
    Community,
    Content,
    Interaction,
    InteractionBatch,
    InteractionKind,
    Media,
    MediaKind,
    Poll,
)


def test_models_are_frozen_and_know_their_fields():
    content = Content(text="早安")
    with pytest.raises(ValidationError):
        content.text = "x"
    with pytest.raises(ValidationError, match="extra"):
        Content(text="早安", txet="x")


def test_empty_content_is_refused():
    with pytest.raises(ValidationError, match="content is empty"):
        Content(text="  \n")
    assert Content(poll=Poll(question="?", choices=("a", "b"))).text == ""


def test_media_has_exactly_one_source():
    with pytest.raises(ValidationError, match="exactly one"):
        Media(kind=MediaKind.PHOTO)
    with pytest.raises(ValidationError, match="exactly one"):
        Media(kind=MediaKind.PHOTO, data=b"x", native_id="1")


def test_a_button_does_one_thing():
    with pytest.raises(ValidationError):
        Button(label="x")
    with pytest.raises(ValidationError):
        Button(label="x", url="https://a.example", data="d")


def test_a_community_needs_a_real_zone():
    with pytest.raises(ValidationError, match="IANA"):
        Community(name="h", zone="Mars/Olympus")


def test_instants_must_be_aware():
    with pytest.raises(ValidationError):
        Interaction(id="1", kind=InteractionKind.JOIN, platform="t", occurred_at=datetime(2026, 1, 1))


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)), st.integers(-12, 14))
def test_batches_keep_instants_to_the_microsecond(naive, hours):
    at = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    batch = InteractionBatch(platform="t")
    batch.append(id="1", kind="message", occurred_at=at)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=batch.occurred_at[0]) == at
    assert {len(values) for _, values in batch.columns()} == {1}
