"""The portable file of a community as Arrow tables, for stores that cannot write Parquet themselves.

It is the file of `DuckDBEventStore.export_community`: a zip of Parquet tables that speak of native ids.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.store.schema import EVENT_COLUMNS
from shequn_sdk.metrics.store.tombstones import Tombstones

__all__ = ["PLAIN_COLUMNS", "Parcel", "leave_out_erased", "part_schemas", "read_parcel", "write_parcel"]

_FORMAT = "shequn-community"
_VERSION = 1
_NUMBERS = frozenset({"community_no", "channel_no", "member_no", "person_no", "target_no"})

PLAIN_COLUMNS = tuple(name for name in EVENT_COLUMNS if name not in _NUMBERS)
"""Columns of events that mean the same in every store."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a file holds."""

    community: str
    zone: str
    parts: Mapping[str, Any]
    """`pyarrow.Table` per part: events, members, contents, profiles, tags, retractions."""


def part_schemas() -> dict[str, Any]:
    """Give the `pyarrow.Schema` of each part."""
    import pyarrow as pa  # noqa: PLC0415

    text, flag, number, instant = pa.string(), pa.bool_(), pa.int64(), pa.timestamp("us")
    plain: dict[str, Any] = {
        "event_id": pa.uuid(),
        "ts": instant,
        "ingested_at": instant,
        "local_day": pa.date32(),
        "local_hour": pa.int8(),
        "content_no": number,
        "parent_no": number,
        "value": pa.float64(),
        "amount": pa.decimal128(18, 4),
    }
    events = [
        (name, plain.get(name, flag if name.startswith("is_") else text))
        for name in (*PLAIN_COLUMNS, "channel", "member", "target")
    ]
    who = [("platform", text), ("native_id", text)]
    return {
        "events": pa.schema(events),
        "members": pa.schema(
            [*who, ("name", text), ("is_bot", flag), ("person_platform", text), ("person", text)]
        ),
        "contents": pa.schema(
            [("content_no", number), ("platform", text), ("channel", text), ("native_id", text)]
        ),
        "profiles": pa.schema(
            [*who, ("role", text), ("entrance", text), ("joined_at", instant), ("left_at", instant)]
        ),
        "tags": pa.schema([*who, ("tag", text)]),
        "retractions": pa.schema(
            [("content_no", number), *who, ("kind", text), ("detail", text), ("ts", instant)]
        ),
    }


def leave_out_erased(parcel: Parcel, tombstones: Tombstones) -> Parcel:
    """Take out what is known of members whom a store erased, and pointers at them."""
    import pyarrow as pa  # noqa: PLC0415

    rows: dict[str, list[dict[str, Any]]] = {}
    erased: dict[tuple[str, str], datetime] = {}
    natives: dict[str, list[str]] = {}
    for member in parcel.parts["members"].select(["platform", "native_id"]).to_pylist():
        natives.setdefault(member["platform"], []).append(member["native_id"])
    for platform, some in natives.items():
        for native, until in tombstones.erased(platform, some).items():
            erased[platform, native] = datetime(1970, 1, 1) + timedelta(microseconds=until)  # noqa: DTZ001 - naive UTC
    if not erased:
        return parcel

    def gone(platform: str, native: str | None, ts: datetime) -> bool:
        until = erased.get((platform, native or ""))
        return until is not None and ts <= until

    rows["events"] = []
    for event in parcel.parts["events"].to_pylist():
        if not gone(event["platform"], event["member"], event["ts"]):
            if gone(event["platform"], event["target"], event["ts"]):
                event["target"] = event["attrs"] = None
            rows["events"].append(event)
    alive = {(event["platform"], event["member"]) for event in rows["events"]}
    for name in ("members", "profiles", "tags", "retractions"):
        rows[name] = [
            row
            for row in parcel.parts[name].to_pylist()
            if (key := (row["platform"], row["native_id"])) not in erased or key in alive
        ]
    schemas = part_schemas()
    changed = {name: pa.Table.from_pylist(found, schemas[name]) for name, found in rows.items()}
    return Parcel(parcel.community, parcel.zone, {**parcel.parts, **changed})


def write_parcel(path: Path, parcel: Parcel) -> int:
    """Write the file beside its place and move it there whole; give the number of events.

    Raises:
        InvalidInput: the directory does not exist.
    """
    from pyarrow import parquet  # noqa: PLC0415

    if not path.parent.is_dir():
        raise InvalidInput(f"there is no directory {path.parent}", source=str(path))
    count = int(parcel.parts["events"].num_rows)
    about = {"format": _FORMAT, "version": _VERSION, "community": parcel.community, "zone": parcel.zone}
    partial = path.with_name(path.name + ".part")
    with (
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
    ):
        archive.writestr("about.json", json.dumps(about | {"events": count}))
        for name, schema in part_schemas().items():
            part = Path(folder) / f"{name}.parquet"
            parquet.write_table(parcel.parts[name].cast(schema), part, compression="zstd")
            archive.write(part, part.name)
    partial.replace(path)
    return count


def read_parcel(path: Path) -> Parcel:
    """Read a file of `write_parcel` or of the embedded store.

    Raises:
        InvalidInput: it is no such file, cut off, or of a newer version.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    if not path.is_file():
        raise InvalidInput(f"there is no file {path}", source=str(path))
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            about: dict[str, Any] = json.loads(archive.read("about.json"))
            if about.get("format") != _FORMAT:
                raise InvalidInput(f"{path} is no export of a community", source=str(path))
            if int(about.get("version", 0)) > _VERSION:
                raise InvalidInput(
                    f"{path} was exported by a newer version; upgrade shequn-sdk", source=str(path)
                )
            parts: dict[str, Any] = {}
            for name, schema in part_schemas().items():
                archive.extract(f"{name}.parquet", folder)
                table = parquet.ParquetFile(Path(folder) / f"{name}.parquet").read()
                parts[name] = table.select(schema.names).cast(schema)
            return Parcel(str(about["community"]), str(about["zone"]), parts)
    except (zipfile.BadZipFile, KeyError, ValueError, pa.ArrowInvalid) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path} is no export of a community, or is cut off", source=str(path)) from error
