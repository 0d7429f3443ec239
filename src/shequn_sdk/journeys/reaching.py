"""How a member is reached: privately where that is allowed, else by a mention in their channel, else by a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import JsonValue

from shequn_sdk.domain import ChannelRef, Content, Interaction, Priority
from shequn_sdk.errors import ConfigError, InvalidInput, NotSupported, PlatformError, ShequnError, UnknownName
from shequn_sdk.journeys.knowing import Place
from shequn_sdk.journeys.models import Say, Welcome
from shequn_sdk.journeys.rows import Outcome
from shequn_sdk.members.names import shown
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import DirectMessenger, Welcomer

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = [
    "Outcome",
    "check_words",
    "filled",
    "mention",
    "send",
    "welcome_by_platform",
]

LOOK_AFTER = timedelta(minutes=2)
"""After which it is looked at what became of a message."""
_SLOT = re.compile(r"\{(name|community|days|field\.([a-z][a-z0-9_-]{0,62}))\}")
_ANY_SLOT = re.compile(r"\{([^{}\n]{0,80})\}")
_SIGNS = re.compile(r"([\\`*_\[\]()<>~#|!])")
MENTIONED = Literal["direct", "channel", "task", "welcome", "none"]


def check_words(text: str, fields: Sequence[str]) -> None:
    """Check that everything in braces can be filled in.

    Raises:
        InvalidInput: something cannot.
    """
    for found in _ANY_SLOT.finditer(text):
        slot = _SLOT.fullmatch(found[0])
        if slot is None or (slot[2] and slot[2] not in fields):
            raise InvalidInput(
                f"{found[0]} cannot be filled in: there are {{name}}, {{community}}, {{days}} and declared fields "
                "as {field.goal}"
            )


def filled(text: str, *, name: str, community: str, days: int, fields: Mapping[str, JsonValue]) -> str:
    """Fill in the braces; what members wrote themselves cannot become markup."""

    def value(found: re.Match[str]) -> str:
        if found[2]:
            inner = fields.get(found[2], "")
            return _SIGNS.sub(r"\\\1", shown(str(inner), most=200))
        plain = {"name": shown(name) or "朋友", "community": community, "days": str(days)}[found[1]]
        return _SIGNS.sub(r"\\\1", plain)

    return _SLOT.sub(value, text)


def mention(place: Place) -> str:
    """Give Markdown that mentions a member."""
    name = _SIGNS.sub(r"\\\1", shown(place.name) or "朋友")
    return f"[{name}](member:{place.platform}:{place.native_id})"


def _account_of(house: House, place: Place) -> str:
    names = house.accounts.on_platform(place.platform)
    return place.account if place.account in names else next(iter(names), "")


async def _direct(
    house: House, places: Sequence[Place], text: str, *, key: str, due: datetime
) -> Outcome | str:
    """Plan a private message; gives why not, when there is no way."""
    why = "none of their accounts is on a platform of ours"
    for place in places:
        name = _account_of(house, place)
        if not name:
            continue
        manifest = house.accounts.manifest(name)
        if not manifest.supports(Capability.DIRECT_MESSAGE):
            why = manifest.explain(Capability.DIRECT_MESSAGE)
            continue
        try:
            adapter = house.accounts.adapter(name)
            assert isinstance(adapter, DirectMessenger)
            channel = await adapter.direct_channel(place.native_id)
            await _plan(house, text, ChannelRef(account=name, native_id=channel), key=key, due=due)
        except (PlatformError, NotSupported, ConfigError, InvalidInput) as error:
            why = f"{place.platform}: {error}"
            continue
        return Outcome("planned", "direct", key=key, check=True)
    return why


async def _plan(house: House, text: str, to: ChannelRef, *, key: str, due: datetime) -> None:
    publishing = await house.publishing()
    await publishing.plan(
        Content(text=text), [to], at=due, idempotency_key=key, priority=Priority.NORMAL, actor="journeys"
    )


async def _in_channel(
    house: House, places: Sequence[Place], text: str, *, key: str, due: datetime, channel: ChannelRef | None
) -> Outcome | str:
    """Plan a mention in a channel; gives why not, when there is none."""
    why = "they are in no channel that we can write to"
    for place in places:
        where = channel or place.channel
        if where is None or where.account not in house.accounts.names():
            continue
        if not house.accounts.manifest(where.account).supports(Capability.PUBLISH_TEXT):
            why = house.accounts.manifest(where.account).explain(Capability.PUBLISH_TEXT)
            continue
        try:
            await _plan(house, f"{mention(place)} {text}", where, key=key, due=due)
        except (NotSupported, InvalidInput, ConfigError) as error:
            why = f"{where}: {error}"
            continue
        return Outcome("planned", "channel", key=key, check=True)
    return why


async def send(
    house: House,
    places: Sequence[Place],
    action: Say | Welcome,
    text: str,
    *,
    key: str,
    due: datetime,
    skip: frozenset[str] = frozenset(),
) -> Outcome:
    """Write to a member by the first way that is open; `task` as the form says that a person has to.

    Args:
        house: the workspace.
        places: the member's identities.
        action: says which ways may be taken.
        text: what to say.
        key: of the step; each way has one of its own, so that none is taken twice.
        due: when.
        skip: ways that were tried.
    """
    reasons: list[str] = []
    private = isinstance(action, Say) and action.to == "member"
    if private and "direct" not in skip:
        found = await _direct(house, places, text, key=f"{key}/direct", due=due)
        if isinstance(found, Outcome):
            return found
        reasons.append(found)
    if "channel" not in skip and (not private or action.fallback == "channel"):
        channel = action.channel if isinstance(action, Say) else None
        found = await _in_channel(house, places, text, key=f"{key}/channel", due=due, channel=channel)
        if isinstance(found, Outcome):
            return found._replace(note="; ".join(reasons))
        reasons.append(found)
    note = "; ".join(reasons)
    if action.fallback == "skip":
        return Outcome("skipped", "none", note=note)
    return Outcome("task", "task", key=f"{key}/task", note=note)


async def welcome_by_platform(house: House, heard: Interaction, account: str, text: str) -> Outcome | str:
    """Send the platform's own welcome, which is tied to the joining event; gives why not, when there is none."""
    try:
        manifest = house.accounts.manifest(account)
        if not manifest.supports(Capability.WELCOME):
            return manifest.explain(Capability.WELCOME)
        adapter = house.accounts.adapter(account)
        assert isinstance(adapter, Welcomer)
        publishing = await house.publishing()
        channel = heard.channel or heard.member
        variant = publishing.preview(Content(text=text), f"{account}:{channel}")
        await adapter.welcome(heard, variant.pieces[0])
    except UnknownName:
        return "the account is not of this workspace"
    except ShequnError as error:
        return f"the platform's welcome failed: {error}"
    return Outcome("sent", "welcome")
