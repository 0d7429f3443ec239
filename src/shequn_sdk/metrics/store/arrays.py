"""Arrow arrays without `pyarrow.array`: that looks for pandas first, and importing pandas takes longer than a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

__all__ = ["array", "flags_of", "run"]


def array(values: Any, kind: Any = None, *, missing: Any = None) -> Any:
    """Make an Arrow array of numpy values, or of a list of texts, flags or numbers that may hold None.

    Args:
        values: a numpy array, or a sequence.
        kind: the `pyarrow.DataType`; a numpy array's own when not given, text for a sequence. Days are `datetime64[D]`.
        missing: where a numpy array has nothing, as flags.

    Raises:
        UnicodeEncodeError: a text is no valid Unicode.
    """
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    if not isinstance(values, np.ndarray):
        if kind is None or kind == pa.string():
            return _texts(values)
        missing = np.fromiter((value is None for value in values), bool, len(values))
        empty = False if kind == pa.bool_() else 0
        plain = [empty if value is None else value for value in values]
        values = np.array(plain, bool if kind == pa.bool_() else kind.to_pandas_dtype())
        return _numbers(values, kind, missing if missing.any() else None)
    if values.dtype == np.dtype("datetime64[D]"):
        return _numbers(values.astype(np.int32), pa.date32(), missing)
    return _numbers(values, kind if kind is not None else pa.from_numpy_dtype(values.dtype), missing)


def run(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    given: Any,  # noqa: ARG001 - read by DuckDB
    parameters: Mapping[str, object] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Run a statement that reads the Arrow table `given`.

    DuckDB finds it by the name of the local variable: to register it makes a view, which costs more than the statement.
    """
    return con.execute(sql, dict(parameters or {}))


def flags_of(values: Any) -> Any:
    """Give an Arrow array of flags without missing ones as a numpy array."""
    import numpy as np  # noqa: PLC0415

    bits = np.frombuffer(values.buffers()[1], np.uint8)
    start = values.offset
    return np.unpackbits(bits, bitorder="little")[start : start + len(values)].astype(bool)


def _bits(flags: Any) -> Any:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _numbers(values: Any, kind: Any, missing: Any) -> Any:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    valid = None if missing is None else _bits(~missing)
    data = _bits(values) if kind == pa.bool_() else pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [valid, data])


def _texts(values: Sequence[str | None]) -> Any:
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    size = len(values)
    valid = None
    if None in values:
        missing = np.fromiter((value is None for value in values), bool, size)
        valid = _bits(~missing)
    texts = [value or "" for value in values] if valid is not None else values
    joined = "".join(texts)  # type: ignore[arg-type]
    if joined.isascii():
        data, lengths = joined.encode(), map(len, texts)  # type: ignore[arg-type]
    else:
        encoded = [text.encode() for text in texts]  # type: ignore[union-attr]
        data, lengths = b"".join(encoded), map(len, encoded)
    if len(data) >= 2**31:  # offsets of this type have 31 bits
        return pa.array(values, pa.string())
    offsets = np.zeros(size + 1, np.int32)
    np.cumsum(np.fromiter(lengths, np.int32, size), out=offsets[1:])
    return pa.Array.from_buffers(pa.string(), size, [valid, pa.py_buffer(offsets), pa.py_buffer(data)])
