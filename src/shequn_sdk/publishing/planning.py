"""From a content to rows of the ledger: targets checked, pieces composed, keys made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Clock, Content, LatePolicy, OnUnknown, Piece, Priority, new_id
from shequn_sdk.errors import InvalidInput, NotSupported, UnknownName
from shequn_sdk.publishing import holds, ledger
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.compose import compose
from shequn_sdk.publishing.media import check_files
from shequn_sdk.publishing.policy import us
from shequn_sdk.publishing.rows import PRIORITIES, Row
from shequn_sdk.stores.schema import to_us

__all__ = ["Plan", "Planner", "Target", "by_lane"]

Target: TypeAlias = str | ChannelRef
"""A channel as text `account:native-id`, or parsed."""


_parsed = lru_cache(4096)(ChannelRef.parse)
"""The same few channels come again and again, and checking one costs more than looking it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How contents are to be delivered."""

    at: datetime | None = None
    priority: Priority = Priority.NORMAL
    on_unknown: OnUnknown | None = None
    needs_approval: bool = False
    late: LatePolicy = LatePolicy.SEND
    grace: timedelta | None = None
    schedule_id: str | None = None
    actor: str = field(default="")


class Planner:
    """Makes rows."""

    def __init__(self, accounts: AccountBook, clock: Clock) -> None:
        """Plan for `accounts`."""
        self._accounts = accounts
        self._clock = clock

    def parse(self, to: Sequence[Target]) -> list[ChannelRef]:
        """Read targets, each once.

        Raises:
            InvalidInput: malformed or empty.
            UnknownName: an account does not exist.
        """
        if isinstance(to, str):
            raise InvalidInput("`to` is a list of channels, not one text")
        refs = [_parsed(one) if type(one) is str else ChannelRef.parse(one) for one in to]
        if len(refs) > 1:
            refs = list(dict.fromkeys(refs))
        if not refs:
            raise InvalidInput("nowhere to publish to: give at least one channel")
        names = frozenset(self._accounts.names())
        for ref in refs:
            if ref.account not in names:
                self._accounts.platform(ref.account)  # raises with the nearest names
                raise UnknownName("account", ref.account)
        return refs

    def rows(self, content: Content, refs: Sequence[ChannelRef], plan: Plan, *, batch: str = "") -> list[Row]:
        """Give the rows of a content, not yet written; what cannot be composed becomes a refused row."""
        now = to_us(self._clock.now())
        if plan.at is not None and plan.at.tzinfo is None:
            raise InvalidInput("`at` has no time zone: give an aware datetime")
        due = now if plan.at is None else to_us(plan.at)
        batch = batch or new_id()
        rows: list[Row] = []
        forms: dict[str, tuple[list[tuple[str, str]], str, str]] = {}
        by_channel = content.differs_by_channel()
        for ref in refs:
            form = str(ref) if by_channel else ref.account
            if form not in forms:
                forms[form] = self._compose(content, ref)
            documents, error, error_type = forms[form]
            state = "refused" if error else "blocked" if plan.needs_approval else "planned"
            if plan.needs_approval and not error:
                error = "waits for an approval"
            for part, (shown, document) in enumerate(documents):
                key = hashlib.sha256(f"{batch}\x00{ref}\x00{part}".encode()).hexdigest()[:32]
                rows.append(
                    Row(
                        id=0,
                        batch=batch,
                        content_id=content.id,
                        account=ref.account,
                        channel=ref.native_id,
                        target=ref.native_id,
                        platform=self._accounts.platform(ref.account),
                        part=part,
                        parts=len(documents),
                        state=state,
                        priority=PRIORITIES.index(plan.priority),
                        due=due,
                        ready_at=due,
                        attempts=0,
                        limited=0,
                        moves=0,
                        key=key,
                        owner="",
                        fence=0,
                        lease_until=None,
                        attempted_at=None,
                        check_at=None,
                        checks=0,
                        reminders=0,
                        deadline=None,
                        on_unknown=str(plan.on_unknown) if plan.on_unknown is not None else "",
                        late=str(plan.late),
                        grace=None if plan.grace is None else us(plan.grace),
                        schedule_id=plan.schedule_id,
                        error=error,
                        error_type=error_type,
                        post=None,
                        text=shown,
                        piece=document,
                        created_at=now,
                        updated_at=now,
                    )
                )
        return rows

    def write(self, conn: Connection, rows: Sequence[Row], *, key: str | None, actor: str) -> list[Row]:
        """Write rows in one transaction; what was published under `key` before is given instead of written again."""
        known = ledger.by_batch(conn, key) if key else []
        lanes = {row.lane for row in known}
        fresh = [row for row in rows if row.lane not in lanes]
        moved, held = ledger.moved_or_held(conn)
        if moved:
            fresh = [row._replace(target=ledger.moved_to(conn, row.account, row.channel)) for row in fresh]
        if held:
            fresh = holds.kept_back(fresh, holds.held_channels(conn))
        return known + ledger.insert(conn, fresh, actor=actor)

    def _compose(self, content: Content, ref: ChannelRef) -> tuple[list[tuple[str, str]], str, str]:
        """Give each piece as what people see and as JSON; or one that cannot be sent, with the reason why."""
        manifest = self._accounts.manifest(ref.account)
        error = error_type = ""
        try:
            pieces = compose(content, manifest, account=ref.account, channel=ref.native_id).pieces
        except (NotSupported, InvalidInput) as failed:
            pieces = (Piece(text=content.text),)
            error, error_type = str(failed), type(failed).__name__
        else:
            try:
                check_files(pieces)
            except InvalidInput as failed:  # kept whole, so that it can be retried when the file is there
                error, error_type = str(failed), type(failed).__name__
        return (
            [(_shown(one), one.model_dump_json(exclude_defaults=True)) for one in pieces],
            error,
            error_type,
        )


def by_lane(rows: Iterable[Row]) -> list[list[Row]]:
    """Group rows by channel, pieces in order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.lane, []).append(row)
    return [sorted(group, key=lambda row: row.part) for group in groups.values()]


def _shown(piece: Piece) -> str:
    """Give what people see of a piece in lists."""
    if piece.text:
        return piece.text
    if piece.poll is not None:
        return piece.poll.question
    if piece.article is not None:
        return piece.article.title
    return " ".join(media.filename or str(media.kind) for media in piece.media)
