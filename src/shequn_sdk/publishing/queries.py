"""Questions to the ledger that people ask: lists, counts, history, export. Plain SQLAlchemy, off the hot path."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, func, select

from shequn_sdk.domain import ChannelRef, DeliveryState, Transition
from shequn_sdk.errors import InvalidInput
from shequn_sdk.publishing.rows import Row, to_delivery
from shequn_sdk.publishing.trail import read
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.delivery import delivery

__all__ = ["counts", "export", "fetch", "history", "select_deliveries"]

_COLUMNS = [delivery.c[name] for name in Row._fields]
_EXPORTED: tuple[str, ...] = (
    "id", "content_id", "channel", "platform", "part", "parts", "state", "due", "attempts", "priority",
    "idempotency_key", "error", "error_type", "native_id", "landed_at", "created_at", "updated_at", "text",
)  # fmt: skip


def select_deliveries(
    *,
    states: Iterable[DeliveryState] = (),
    account: str | None = None,
    channel: ChannelRef | None = None,
    content_id: str | None = None,
    batch: str | None = None,
    schedule_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    limit: int | None = None,
    order: Literal["oldest", "newest"] = "oldest",
) -> Select[Any]:
    """Build the query of a list."""
    query = select(*_COLUMNS).order_by(delivery.c.id if order == "oldest" else delivery.c.id.desc())
    wanted = [str(state) for state in states]
    if wanted:
        query = query.where(delivery.c.state.in_(wanted))
    if channel is not None:
        query = query.where(delivery.c.account == channel.account, delivery.c.channel == channel.native_id)
    for column, value in (
        (delivery.c.account, account),
        (delivery.c.content_id, content_id),
        (delivery.c.batch, batch),
        (delivery.c.schedule_id, schedule_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if since is not None:
        query = query.where(delivery.c.due >= to_us(since))
    if until is not None:
        query = query.where(delivery.c.due < to_us(until))
    if after is not None:
        query = query.where(delivery.c.id > after if order == "oldest" else delivery.c.id < after)
    return query if limit is None else query.limit(limit)


def fetch(conn: Connection, query: Select[Any]) -> list[Row]:
    """Run a list query."""
    return [Row._make(values) for values in conn.execute(query)]


def history(conn: Connection, identity: int) -> list[Transition]:
    """Give the audit trail of a delivery.

    Raises:
        InvalidInput: there is none of that id.
    """
    text = conn.execute(select(delivery.c.trail).where(delivery.c.id == identity)).scalar()
    if text is None:
        raise InvalidInput(f"the ledger has no delivery {identity}; list them with `deliveries`")
    return read(identity, text)


def counts(conn: Connection) -> dict[DeliveryState, int]:
    """Count by state."""
    found = dict.fromkeys(DeliveryState, 0)
    for state, number in conn.execute(select(delivery.c.state, func.count()).group_by(delivery.c.state)):
        found[DeliveryState(state)] = number
    return found


def export(conn: Connection, format: str) -> str:  # noqa: A002 - the field's word
    """Give the ledger as CSV, as a JSON list or as JSON lines.

    Raises:
        InvalidInput: another format was asked for.
    """
    records = (_record(row) for row in fetch(conn, select_deliveries()))
    if format == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, _EXPORTED)
        writer.writeheader()
        writer.writerows(records)
        return out.getvalue()
    if format == "json":
        return json.dumps(list(records), ensure_ascii=False, indent=1)
    if format == "jsonl":
        return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    raise InvalidInput(f"{format!r} is no export format: use csv, json or jsonl")


def _record(row: Row) -> dict[str, Any]:
    shown = to_delivery(row)
    values = shown.model_dump(mode="json", exclude={"post"})
    post = shown.post
    values["native_id"] = post.native_id if post is not None else ""
    values["landed_at"] = post.landed_at.isoformat() if post is not None else ""
    return {name: values[name] for name in _EXPORTED}
