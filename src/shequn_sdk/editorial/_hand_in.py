"""What becomes of an entry that is handed in: review, ledger, or waiting for a time."""

from __future__ import annotations

from sqlalchemy import Connection

from shequn_sdk.editorial import _requests
from shequn_sdk.editorial._lines import Line
from shequn_sdk.editorial.model import EntryState
from shequn_sdk.errors import InvalidInput

__all__ = ["handed_in", "without_time"]


def handed_in(conn: Connection, line: Line) -> Line:
    """Give the line as it is after it was handed in: in review where a policy asks for an approval that it lacks.

    Raises:
        InvalidInput: it has no channel.
    """
    if not line.refs:
        raise InvalidInput("say where it goes before it is scheduled: it has no channel")
    if (
        line.approved != line.version
        and _requests.policy_for(conn, line.community, line.category) is not None
    ):
        return line._replace(state=str(EntryState.IN_REVIEW), note="")
    return without_time(line._replace(state=str(EntryState.SCHEDULED), note=""))


def without_time(line: Line) -> Line:
    """Give the line as scheduled only if it has a time, as approved otherwise."""
    if line.at is None and line.state == EntryState.SCHEDULED:
        return line._replace(state=str(EntryState.APPROVED))
    if line.at is not None and line.state == EntryState.APPROVED:
        return line._replace(state=str(EntryState.SCHEDULED))
    return line
