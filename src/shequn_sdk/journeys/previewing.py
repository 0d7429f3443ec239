"""A dry run of a journey for one member."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from shequn_sdk.domain import Community, MemberRef
from shequn_sdk.errors import UnknownName
from shequn_sdk.journeys import models as m
from shequn_sdk.journeys import rows
from shequn_sdk.journeys.knowing import Person, Place, people_of
from shequn_sdk.journeys.reaching import filled
from shequn_sdk.journeys.setting import Setting
from shequn_sdk.journeys.timing import after_caps, after_quiet
from shequn_sdk.members.consents import Permission, may
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.members.models import Purpose
from shequn_sdk.members.segments import Segments
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.house import House

__all__ = ["preview"]


def _form(house: House, action: m.AnyAction, places: Sequence[Place]) -> tuple[str, str]:
    """Give how an action would reach the member, and why not otherwise."""
    if not isinstance(action, (m.Say, m.Welcome)):
        return action.kind, ""
    why = ""
    for place in places:
        names = house.accounts.on_platform(place.platform)
        name = place.account if place.account in names else next(iter(names), "")
        if not name:
            continue
        manifest = house.accounts.manifest(name)
        wanted = Capability.WELCOME if isinstance(action, m.Welcome) else Capability.DIRECT_MESSAGE
        if isinstance(action, m.Say) and action.to == "channel":
            break
        if manifest.supports(wanted):
            return ("welcome" if isinstance(action, m.Welcome) else "direct"), ""
        why = why or manifest.explain(wanted)
    if action.fallback == "channel" or (isinstance(action, m.Say) and action.to == "channel"):
        known = house.accounts.names()
        own = action.channel if isinstance(action, m.Say) else None
        for where in (own, *(place.channel for place in places)):
            if where is not None and where.account in known:
                return "channel", why
    return ("skipped" if action.fallback == "skip" else "task"), why or "no account of ours reaches them"


async def preview(
    house: House, setting: Setting, home: Community, journey: m.Journey, ref: MemberRef
) -> Sequence[m.PlannedStep]:
    """Give the dated steps as they would come, each after the ones before it."""
    store = await house.store()
    now = house.clock.now()

    def look(conn: Connection) -> tuple[Person, m.Policy, dict[Purpose, Permission]]:
        number = find_identities(conn, [ref]).get(ref)
        if number is None:
            raise UnknownName("member", str(ref))
        owner = persons_of(conn, [number])[number]
        person = people_of(conn, home.name, [owner])[owner]
        allowed = {
            one: may(conn, home.name, person.identities, purpose=one, now=to_us(now)) for one in Purpose
        }
        return person, rows.policy_of(conn, home.name), allowed

    person, policy, allowed = await store.read(look)
    longest = max((cap.per for cap in policy.caps), default=timedelta())
    known = await store.read(
        lambda conn: rows.contacts_of(conn, person.identities, since=to_us(now - longest))
    )
    contacts = [at for own in known.values() for at in own.values()]
    reached, steps = now, list[m.PlannedStep]()
    for place, step in enumerate(journey.steps):
        due = setting.next_due(journey, place, now, reached, home.name)
        notes: list[str] = []
        if isinstance(step.wait, m.Until):
            notes.append(f"earlier, as soon as they do: {step.wait.event}")
        runs, action = True, step.do
        if step.when is not None:
            runs = await house.room(Segments).contains(step.when, ref, community=home.name)
            if not runs and step.otherwise is not None:
                runs, action = True, step.otherwise
                notes.append("its condition does not hold today: the other action")
            elif not runs:
                notes.append("its condition does not hold today")
        form, why = _form(house, action, person.places)
        if why:
            notes.append(why)
        if isinstance(action, (m.Say, m.Welcome)):
            purpose = action.purpose if isinstance(action, m.Say) else Purpose.CARE
            if not allowed[purpose].allowed:
                runs = False
                notes.append(allowed[purpose].reason)
            if not journey.urgent and isinstance(action, m.Say) and runs:
                moved = after_quiet(
                    after_caps(after_quiet(due, policy.quiet, home.zone), policy, contacts),
                    policy.quiet,
                    home.zone,
                )
                if moved > due:
                    notes.append(f"moved by quiet hours or caps from {due.isoformat(timespec='minutes')}")
                due = moved
            if runs:
                contacts.append(due)
        text = getattr(action, "text", "") or getattr(action, "title", "")
        steps.append(
            m.PlannedStep(
                step=step.name,
                due=due,
                action=action.kind,
                form=form,
                text=filled(
                    text,
                    name=person.name,
                    community=setting.title(home.name),
                    days=(due - now).days,
                    fields=person.fields,
                ),
                runs=runs,
                notes=tuple(notes),
            )
        )
        reached = due
    return steps
