"""What becomes of a row that did not simply land, decided inside the transaction that writes it down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from shequn_sdk.domain import LatePolicy, OnUnknown
from shequn_sdk.errors import ShequnError
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.publishing import ledger
from shequn_sdk.publishing.book import AccountBook
from shequn_sdk.publishing.ledger import Change
from shequn_sdk.publishing.policy import DeliveryOptions, after_unknown, landed, replanned
from shequn_sdk.publishing.rows import Row

__all__ = ["SETTLED", "Outcomes"]

SETTLED = frozenset(
    {"landed", "refused", "unknown", "cancelled", "expired", "awaiting_person", "partly", "blocked"}
)
"""States in which a row has come to rest, for those who wait for it."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The decisions of one worker."""

    accounts: AccountBook
    options: DeliveryOptions
    worker: str
    on_unknown: OnUnknown | None

    def manifest(self, row: Row) -> Manifest | None:
        """Give what the row's account can do; None when the account cannot be used any more."""
        try:
            return self.accounts.manifest(row.account)
        except ShequnError:
            return None

    def unknown(self, conn: Connection, row: Row, now: int) -> Row:
        """Say what follows for a fresh unknown, and give the row as it is then."""
        new, cause = after_unknown(
            row, self.manifest(row), now=now, default=self.on_unknown, options=self.options
        )
        return new if ledger.change(conn, Change(row, new, cause, self.worker)) else row

    def too_late(self, conn: Connection, row: Row, new: Row) -> Row | None:
        """Use the answer that came after the lease had ended, if nobody has tried again since."""
        present = ledger.find(conn, row.id)
        if present.state != "unknown" or present.attempts != row.attempts:
            return None
        if new.state == "landed":
            known = landed(present, new.post or "", now=new.updated_at)
        elif new.state in {"refused", "deferred"}:  # both mean that it surely did not land
            known = replanned(present, new.ready_at, now=new.updated_at)._replace(
                attempts=new.attempts, limited=new.limited, error=new.error, error_type=new.error_type
            )
            if new.state == "refused":
                known = known._replace(state="refused")
        else:
            return None
        cause = f"{known.state}: the answer came after the lease had ended"
        return known if ledger.change(conn, Change(present, known, cause, self.worker)) else None

    def late(self, conn: Connection, row: Row, now: int) -> Row | None:
        """End a row whose time has passed, or let it wait for a person, as its policy says."""
        waited = timedelta(microseconds=now - row.due)
        planned = replanned(row, row.ready_at, now=now)
        if row.late_policy is not LatePolicy.ASK:
            why = f"its time passed {waited} ago, which is later than allowed"
            new = planned._replace(state="expired", error=why)
            return new if ledger.change(conn, Change(row, new, why, self.worker)) else None
        why = f"its time passed {waited} ago; approve it to send it, or cancel it"
        new = planned._replace(state="blocked", error=why)
        first = ledger.change(conn, Change(row, planned, "late", self.worker))
        return new if first and ledger.change(conn, Change(planned, new, why, self.worker)) else None

    def not_sent(self, conn: Connection, row: Row, now: int, cause: str) -> Row | None:
        """Take an intent back although its lease may have ended: surely nothing was sent by this worker."""
        present = ledger.find(conn, row.id)
        mine = (present.state, present.fence) == (row.state, row.fence) or present.state == "unknown"
        if not mine or present.attempts != row.attempts:
            return None
        new = replanned(present, now, now=now)._replace(attempts=row.attempts - 1)
        return new if ledger.change(conn, Change(present, new, cause, self.worker)) else None

    def abandoned(self, conn: Connection, row: Row, now: int) -> Row | None:
        """Take back what a worker left: claimed rows wait again, begun ones become unknown."""
        if row.state == "claimed":
            new = replanned(row, row.ready_at, now=now)
            cause = f"the lease of {row.owner} ended before the request; no attempt consumed"
            return new if ledger.change(conn, Change(row, new, cause, self.worker)) else None
        new = row._replace(
            state="unknown",
            owner="",
            lease_until=None,
            updated_at=now,
            error="the worker vanished while the request was under way",
            error_type="Unavailable",
        )
        cause = f"the lease of {row.owner} ended while the request was under way"
        if not ledger.change(conn, Change(row, new, cause, self.worker)):
            return None
        return self.unknown(conn, new, now)
