"""Events made up for tests of handlers: no platform, no store, no network."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import JsonValue

from shequn_sdk.domain import Interaction, MemberRef
from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.events import Heard, event_name, kinds_of

__all__ = ["heard"]

_numbers = itertools.count(1)


def heard(
    name: str = "message",
    *,
    member: MemberRef | str = "telegram:1",
    member_name: str = "林小满",
    text: str = "",
    community: str | None = "club",
    channel: str = "bot:-100",
    at: datetime | None = None,
    id: str = "",  # noqa: A002 - the field's name
    entrance: str = "",
    value: float | None = None,
    target: str = "",
    is_bot: bool = False,
    attrs: Mapping[str, JsonValue] | None = None,
) -> Heard:
    """Make what a handler is given.

    ```python
    await welcome(heard("member.joined", member_name="小满", entrance="poster"))
    ```

    Args:
        name: an event name of `sq.on`.
        member: who did it, as `platform:native-id`.
        member_name: what they call themselves.
        text: what they wrote.
        community: where; None is nowhere.
        channel: as `account:native-id`.
        at: aware instant; 1 March 2026 at noon UTC when not given.
        id: of the interaction; another one each time when not given.
        entrance: by which they came.
        value: amount or weight.
        target: native id of the member at whom it is aimed.
        is_bot: whether a bot did it.
        attrs: what the platform says besides.

    Raises:
        UnknownName: there is no such event.
        InvalidInput: a name stands for several events, or the member or channel is malformed.
    """
    kinds = kinds_of(name)
    if len(kinds) != 1:
        raise InvalidInput(f"{name!r} stands for several events: name one")
    ref = MemberRef.parse(member)
    account, _, native = channel.partition(":")
    number = next(_numbers)
    kind = next(iter(kinds))
    return Heard(
        name=event_name(kind),
        interaction=Interaction(
            id=id or f"heard/{number}",
            kind=kind,
            platform=ref.platform,
            account=account,
            channel=native,
            member=ref.native_id,
            member_name=member_name,
            is_bot=is_bot,
            occurred_at=at or datetime(2026, 3, 1, 12, tzinfo=UTC),
            message=f"m{number}",
            target=target,
            text=text,
            value=value,
            entrance=entrance,
            attrs=dict(attrs or {}),
        ),
        community=community,
        account=account,
        seq=number,
    )
