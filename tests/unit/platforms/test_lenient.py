"""Answers that have not quite the promised form."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.platforms.lenient import decode


class Person(msgspec.Struct):
    id: str = ""
    name: str = "?"
    age: int = 0
    share: float = 0.0
    nice: bool = False
    tags: list[str] = []


class Page(msgspec.Struct):
    people: list[Person] = []
    owner: Person = msgspec.field(default_factory=Person)
    note: str | None = None


def test_what_fits_is_read_as_it_is():
    page = decode(b'{"people": [{"id": "1", "age": 3}], "new": {}}', Page)
    assert page == Page(people=[Person(id="1", age=3)])


def test_null_empty_and_numbers_in_place_of_texts():
    body = {
        "people": [
            None,
            {"id": 9007199254740993, "name": None, "age": "4", "share": "0.5", "nice": 1, "tags": None},
            {"id": "b", "age": "", "nice": True, "tags": [7, None, "x"]},
        ],
        "owner": [],
    }
    page = decode(json.dumps(body).encode(), Page)
    assert page.people == [
        Person(id="9007199254740993", age=4, share=0.5, nice=True),
        Person(id="b", nice=True, tags=["7", "x"]),
    ]
    assert page.owner == Person()


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\udc00", b"\xff", rb"\ud83dx"])
def test_half_a_character_spoils_nothing_else(half):
    page = decode(b'{"people": [{"id": "1", "name": "' + half + b'"}], "new": "' + half + b'"}', Page)
    assert page.people[0].id == "1"
    assert page.people[0].name.startswith("\ufffd")
    whole = decode(rb'{"people": [{"id": 1, "name": "\ud83d\ude00 \\ud83d"}]}', Page)
    assert whole.people[0].name == "😀 \\ud83d"


def test_another_form_altogether_names_the_first_misfit():
    with pytest.raises(msgspec.ValidationError, match="age"):
        decode(b'{"people": [{"age": "old"}]}', Page)
    with pytest.raises(msgspec.ValidationError):
        decode(b"[1]", Page)
    with pytest.raises(ValueError):
        decode(b"<html>", Page)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "age", "tags"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["people", "owner", "note", "other"]), _VALUES))
def test_it_reads_or_says_why_not(body):
    try:
        page = decode(json.dumps(body).encode(), Page)
    except ValueError:
        return
    assert isinstance(page, Page)


@pytest.mark.parametrize(
    "body", [b"<html>s3cr3t-token</html>", b'{"id": s3cr3t-token}', b"\xff s3cr3t-token"]
)
def test_no_error_keeps_the_body(body):
    with pytest.raises(ValueError, match=r"JSON|UTF-8|xpected") as caught:
        decode(body, dict)
    link: BaseException | None = caught.value
    while link is not None:
        assert "s3cr3t" not in repr(link) + repr(vars(link)) + repr(link.args)
        link = link.__cause__ or link.__context__
