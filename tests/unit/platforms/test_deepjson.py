"""JSON is taken apart without a decoder's limit of nesting."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.platforms.deepjson import elements, members

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(st.lists(values, max_size=6), st.sampled_from([None, 2]), st.booleans())
def test_elements_are_those_of_the_decoder(rows, indent, plain):
    text = json.dumps(rows, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    assert [json.loads(part) for part in elements(text)] == rows


@given(st.dictionaries(st.text(max_size=5), values, max_size=6), st.sampled_from([None, 2]))
def test_members_are_those_of_the_decoder(row, indent):
    found = members(json.dumps(row, indent=indent).encode())
    assert {key: json.loads(value) for key, value in found.items()} == row


def test_depth_does_not_matter():
    deep = b"[" * 100_000 + b"]" * 100_000
    assert elements(b'[1, {"a": %b}, "x"]' % deep) == [b"1", b'{"a": %b}' % deep, b'"x"']
    assert members(b'{"id": 7, "rows": %b}' % deep) == {"id": b"7", "rows": deep}


@pytest.mark.parametrize("text", [b"", b"1", b"{}", b"[1, [2]", b"[" * 5000])
def test_what_is_no_array_is_refused(text):
    with pytest.raises(ValueError, match=r"array|early"):
        elements(text)
