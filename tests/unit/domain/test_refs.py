import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import ChannelRef
from shequn_sdk.errors import InvalidInput


@given(
    st.from_regex(r"\A[a-z][a-z0-9_-]{0,20}\Z"), st.text(min_size=1, max_size=40).map(str.strip).filter(bool)
)
def test_what_is_printed_parses_back(account: str, native: str):
    ref = ChannelRef(account=account, native_id=native)
    assert ChannelRef.parse(str(ref)) == ref


@pytest.mark.parametrize("text", ["", "nocolon", ":x", "a:", "Bad:1", "a b:1"])
def test_malformed_refs_say_how_to_write_one(text: str):
    with pytest.raises(InvalidInput, match="account:native-id"):
        ChannelRef.parse(text)
