"""The blocking twin of `contests`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.contests import ContestResult
    from shequn_sdk.engagement.contests import Contests as AsyncContests
    from shequn_sdk.engagement.models import Activity, ActivityState, Span
    from shequn_sdk.listening.events import Heard

__all__ = ["Contests"]


class Contests(Twin):
    """The blocking twin of `shequn_sdk.engagement.contests.Contests`."""

    def __init__(self, inner: AsyncContests, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        hashtag: str,
        enter_for: Span,
        vote_for: Span,
        media: Literal["required", "optional"] = "optional",
        votes: Literal["reaction", "number"] = "reaction",
        votes_each: int = 1,
        self_votes: Literal["refused", "counted"] = "refused",
        ties: Literal["share", "earliest"] = "share",
        text: str = "",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `Contests.open`."""
        return self._do(
            self._inner.open,
            title,
            to=to,
            hashtag=hashtag,
            enter_for=enter_for,
            vote_for=vote_for,
            media=media,
            votes=votes,
            votes_each=votes_each,
            self_votes=self_votes,
            ties=ties,
            text=text,
            community=community,
            idempotency_key=idempotency_key,
        )

    def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """See `Contests.list`."""
        return self._do(self._inner.list, community=community, state=state, limit=limit)

    def get_result(self, contest: str) -> ContestResult:
        """See `Contests.get_result`."""
        return self._do(self._inner.get_result, contest)

    def close(self, contest: str) -> ContestResult:
        """See `Contests.close`."""
        return self._do(self._inner.close, contest)

    def cancel(self, contest: str) -> Activity:
        """See `Contests.cancel`."""
        return self._do(self._inner.cancel, contest)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `Contests.hear`."""
        self._do(self._inner.hear, row, heard)
