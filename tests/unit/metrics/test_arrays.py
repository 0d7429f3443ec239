"""Arrays are those that Arrow would make, and pandas stays out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.metrics.store.arrays import array, flags_of


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))))
def test_texts(values):
    made = array(values, pa.string())
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string()))


@given(st.lists(st.one_of(st.none(), st.booleans())))
def test_flags(values):
    made = array(values, pa.bool_())
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.bool_()))


@given(st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1))))
def test_numbers(values):
    for kind in (pa.int32(), pa.int64(), pa.float64()):
        assert array(values, kind).equals(pa.array(values, kind))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(5, dtype=np.int64), pa.timestamp("us")),
        (np.arange(5, dtype=np.int32), pa.date32()),
        (np.arange(10, dtype=np.int8)[::2], None),
        (np.array([True, False] * 9), None),
        (np.array([], dtype=np.int64), None),
    ],
)
def test_numpy(values, kind):
    made = array(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))


@given(st.lists(st.booleans()), st.integers(0, 9))
def test_flags_come_back(values, skipped):
    assert flags_of(pa.array(values, pa.bool_())[skipped:]).tolist() == values[skipped:]


def test_what_is_no_text_is_refused():
    with pytest.raises(UnicodeEncodeError):
        array(["a", "\ud800"])


def test_appending_and_measuring_leave_pandas_alone(tmp_path):
    pytest.importorskip("pandas")
    script = """
import sys
from shequn_sdk.domain import InteractionBatch
from shequn_sdk.metrics import DuckDBEventStore, Metrics
batch = InteractionBatch(platform="p")
attrs = '{"spam": true, "reaction": "x", "amount": "3"}'
for n in range(5):
    batch.append(id=str(n), kind="message", occurred_at=1_700_000_000_000_000 + n, member=f"m{n}", member_name="n",
        message=str(n), target="t", text="a?", attrs=attrs if n else "", value=float(n) if n else None, entrance="e")
batch.append(id="j", kind="join", occurred_at=1_700_000_000_000_000, member="m1", entrance="e")
batch.append(id="r", kind="retract", occurred_at=1_700_000_001_000_000, member="m1", message="1",
    attrs='{"retracts": "message"}')
with DuckDBEventStore(sys.argv[1]) as store:
    store.ensure_community("c")
    store.append(batch, community="c")
    store.append(batch, community="c")
    print(Metrics(store).compute_now("active_members.dau", community="c").points[0].value, "pandas" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "e.duckdb")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "False"]
