"""The blocking twin of `partners`. Written by tools/twins.py: change the room, not this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shequn_sdk.client._twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from anyio.from_thread import BlockingPortal

    from shequn_sdk.domain import ChannelRef, Content, MemberRef, Name
    from shequn_sdk.links.model import Agreement, Partner, PartnerKind, PartnerResult, Side
    from shequn_sdk.links.partners import Partners as AsyncPartners

__all__ = ["Partners"]


class Partners(Twin):
    """The blocking twin of `shequn_sdk.links.partners.Partners`."""

    def __init__(self, inner: AsyncPartners, portal: Callable[[], BlockingPortal]) -> None:
        """Made by `Shequn`."""
        super().__init__(portal)
        self._inner = inner

    def add(
        self,
        name: Name,
        *,
        title: str,
        kind: PartnerKind | str,
        community: str | None = None,
        member: MemberRef | str | None = None,
        note: str = "",
    ) -> Partner:
        """See `Partners.add`."""
        return self._do(
            self._inner.add, name, title=title, kind=kind, community=community, member=member, note=note
        )

    def get(self, name: str, *, community: str | None = None) -> Partner:
        """See `Partners.get`."""
        return self._do(self._inner.get, name, community=community)

    def list(self, *, community: str | None = None, ended: bool = False) -> Sequence[Partner]:
        """See `Partners.list`."""
        return self._do(self._inner.list, community=community, ended=ended)

    def end(self, name: str, *, community: str | None = None) -> Partner:
        """See `Partners.end`."""
        return self._do(self._inner.end, name, community=community)

    def agree(
        self,
        name: str,
        what: str,
        *,
        side: Side | str,
        kind: str = "post",
        due: datetime | None = None,
        community: str | None = None,
    ) -> Agreement:
        """See `Partners.agree`."""
        return self._do(self._inner.agree, name, what, side=side, kind=kind, due=due, community=community)

    def cross_post(
        self,
        name: str,
        content: Content,
        *,
        to: Sequence[ChannelRef | str],
        at: datetime | None = None,
        community: str | None = None,
        needs_approval: bool = False,
        idempotency_key: str,
    ) -> Agreement:
        """See `Partners.cross_post`."""
        return self._do(
            self._inner.cross_post,
            name,
            content,
            to=to,
            at=at,
            community=community,
            needs_approval=needs_approval,
            idempotency_key=idempotency_key,
        )

    def settle(
        self, agreement_id: int, *, kept: bool = True, reference: str = "", cancelled: bool = False
    ) -> Agreement:
        """See `Partners.settle`."""
        return self._do(self._inner.settle, agreement_id, kept=kept, reference=reference, cancelled=cancelled)

    def agreements(
        self, name: str | None = None, *, community: str | None = None, settled: bool = False
    ) -> Sequence[Agreement]:
        """See `Partners.agreements`."""
        return self._do(self._inner.agreements, name, community=community, settled=settled)

    def enter(
        self,
        name: str,
        *,
        side: Side | str,
        kind: str,
        amount: Decimal | int | str,
        unit: str = "",
        key: str,
        note: str = "",
        at: datetime | None = None,
        community: str | None = None,
    ) -> None:
        """See `Partners.enter`."""
        self._do(
            self._inner.enter,
            name,
            side=side,
            kind=kind,
            amount=amount,
            unit=unit,
            key=key,
            note=note,
            at=at,
            community=community,
        )

    def result(self, name: str, *, community: str | None = None) -> PartnerResult:
        """See `Partners.result`."""
        return self._do(self._inner.result, name, community=community)
