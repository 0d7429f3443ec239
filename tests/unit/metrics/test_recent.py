"""The newest identities in memory give the same answer as a look into everything that was stored."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.metrics.store import recent
from shequn_sdk.metrics.store.recent import Recent


def ids(keys: list[int]) -> np.ndarray:
    return np.array([list(key.to_bytes(16, "big")) for key in keys], np.uint8).reshape(-1, 16)


rows = st.lists(st.integers(0, 60), max_size=25).map(lambda times: sorted(set(times)))


@given(stored=st.lists(rows, max_size=8), asked=rows, floor=st.integers(-1, 70))
def test_finds_what_was_stored_after_the_floor(stored: list[list[int]], asked: list[int], floor: int) -> None:
    known = Recent(floor)
    for times in stored:
        known.add(ids(times), np.array(times, np.int64))  # an identity is its time here
    newer = [time for time in asked if time > floor]
    everything = {time for times in stored for time in times}
    assert known.find(ids(newer), np.array(newer, np.int64)) == [
        row for row, time in enumerate(newer) if time in everything
    ]


def test_the_oldest_make_room_and_raise_the_floor(monkeypatch) -> None:
    monkeypatch.setattr(recent, "_KEPT", 10)
    known = Recent(0)
    for start in (30, 1, 20):
        times = list(range(start, start + 5))
        known.add(ids(times), np.array(times, np.int64))
    assert known.floor == 5
    assert known.size == 10
    assert known.find(ids([20, 26, 31]), np.array([20, 26, 31], np.int64)) == [0, 2]


def test_many_candidates_are_left_to_the_engine(monkeypatch) -> None:
    monkeypatch.setattr(recent, "_COMPARED", 3)
    known = Recent(0)
    known.add(ids([1, 2, 3, 4]), np.array([1, 2, 3, 4], np.int64))
    assert known.find(ids([1, 4]), np.array([1, 4], np.int64)) is None
    assert known.find(ids([4, 9]), np.array([4, 9], np.int64)) == [0]
