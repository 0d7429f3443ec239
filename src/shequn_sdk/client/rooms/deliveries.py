"""The blocking twin of `deliveries`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Literal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.client.facets import AsyncDeliveries
    from shequn_sdk.domain import ChannelRef, Delivery, DeliveryState, Transition

__all__ = ["Deliveries"]


class Deliveries(Twin):
    """The blocking twin of `shequn_sdk.client.facets.AsyncDeliveries`."""

    def __init__(self, inner: AsyncDeliveries, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def list(
        self,
        *,
        states: Sequence[DeliveryState] = (),
        channel: ChannelRef | str | None = None,
        content: str | None = None,
        after: int | None = None,
        limit: int = 100,
        order: Literal["newest", "oldest"] = "newest",
    ) -> Sequence[Delivery]:
        """See `AsyncDeliveries.list`."""
        return self._do(
            self._inner.list,
            states=states,
            channel=channel,
            content=content,
            after=after,
            limit=limit,
            order=order,
        )

    def get(self, delivery: int) -> Delivery:
        """See `AsyncDeliveries.get`."""
        return self._do(self._inner.get, delivery)

    def history(self, delivery: int) -> Sequence[Transition]:
        """See `AsyncDeliveries.history`."""
        return self._do(self._inner.history, delivery)

    def counts(self) -> Mapping[DeliveryState, int]:
        """See `AsyncDeliveries.counts`."""
        return self._do(self._inner.counts)

    def retry(self, delivery: int) -> Delivery:
        """See `AsyncDeliveries.retry`."""
        return self._do(self._inner.retry, delivery)

    def cancel(self, delivery: int) -> Delivery:
        """See `AsyncDeliveries.cancel`."""
        return self._do(self._inner.cancel, delivery)

    def approve(self, delivery: int, *, by: str) -> Delivery:
        """See `AsyncDeliveries.approve`."""
        return self._do(self._inner.approve, delivery, by=by)

    def resolve(self, delivery: int, *, landed: bool, native_id: str = "") -> Delivery:
        """See `AsyncDeliveries.resolve`."""
        return self._do(self._inner.resolve, delivery, landed=landed, native_id=native_id)

    def export(self, form: Literal["jsonl", "json", "csv"] = "jsonl") -> str:
        """See `AsyncDeliveries.export`."""
        return self._do(self._inner.export, form)
