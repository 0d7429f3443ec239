"""The blocking twin of `polls`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, MemberRef, Poll
    from shequn_sdk.engagement._rows import Row
    from shequn_sdk.engagement.models import Activity, ActivityState, Span
    from shequn_sdk.engagement.polls import Polls as AsyncPolls
    from shequn_sdk.engagement.polls import PollTally
    from shequn_sdk.listening.events import Heard

__all__ = ["Polls"]


class Polls(Twin):
    """The blocking twin of `shequn_sdk.engagement.polls.Polls`."""

    def __init__(self, inner: AsyncPolls, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def open(
        self,
        poll: Poll,
        *,
        to: Sequence[ChannelRef | str],
        closes: Span = None,
        community: str | None = None,
        intro: str = "",
        results: Literal["post", "keep"] = "post",
        idempotency_key: str | None = None,
    ) -> Activity:
        """See `Polls.open`."""
        return self._do(
            self._inner.open,
            poll,
            to=to,
            closes=closes,
            community=community,
            intro=intro,
            results=results,
            idempotency_key=idempotency_key,
        )

    def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """See `Polls.list`."""
        return self._do(self._inner.list, community=community, state=state, limit=limit)

    def get_result(self, poll: str) -> PollTally:
        """See `Polls.get_result`."""
        return self._do(self._inner.get_result, poll)

    def vote(self, poll: str, member: MemberRef | str, *, choices: Sequence[int]) -> PollTally:
        """See `Polls.vote`."""
        return self._do(self._inner.vote, poll, member, choices=choices)

    def close(self, poll: str) -> PollTally:
        """See `Polls.close`."""
        return self._do(self._inner.close, poll)

    def cancel(self, poll: str) -> Activity:
        """See `Polls.cancel`."""
        return self._do(self._inner.cancel, poll)

    def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """See `Polls.hear`."""
        self._do(self._inner.hear, row, heard)
