"""The room of playbooks: checked, planned, applied so that a second time changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime
from sqlalchemy import Connection, delete, insert, select, update

from shequn_sdk.domain import ChannelRef, Content, Frozen, Priority, Variant
from shequn_sdk.errors import InvalidInput, NotSupported, ShequnError, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.playbook import makers
from shequn_sdk.playbook.check import Finding, Level, check_playbook, posts_of
from shequn_sdk.playbook.items import ContentPost, Item, SlotPost, due_of, items_of
from shequn_sdk.playbook.model import Playbook
from shequn_sdk.playbook.plan import slot_content, turn_of, with_links
from shequn_sdk.playbook.source import load_playbook
from shequn_sdk.scheduling.models import Firing
from shequn_sdk.stores.schema import from_us, to_us
from shequn_sdk.stores.tables.playbook import applied_playbook, playbook_item

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Action", "Applied", "ItemChange", "PlannedEntry", "PlaybookDiff", "Playbooks"]

_FRESH = 5.0
"""Seconds for which the words of welcome are kept."""


class Action(StrEnum):
    """What becomes of an item."""

    CREATE = "create"
    CHANGE = "change"
    REMOVE = "remove"
    KEEP = "keep"


class ItemChange(Frozen):
    """What applying does to one item."""

    kind: str
    key: str
    action: Action
    title: str
    error: str = ""
    """Why it could not be done; "" when it could."""


class PlaybookDiff(Frozen):
    """What applying a playbook changes."""

    community: str
    changes: tuple[ItemChange, ...]
    """Everything that is not kept."""
    kept: int


class Applied(Frozen):
    """A playbook that was applied."""

    community: str
    starts: date
    applied_at: AwareDatetime
    items: int


class PlannedEntry(Frozen):
    """What a playbook publishes at one moment in one channel, and what the platform makes of it."""

    due: AwareDatetime
    slot: str
    channel: str
    """Name of the channel in the playbook."""
    content: Content
    changes: tuple[str, ...] = ()
    """What has to be changed for this platform, and why."""
    refused: str = ""
    """Why it cannot be published there in any form; "" when it can."""


class Playbooks(Room):
    """A community's whole plan as one file that runs itself (运营方案)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._welcomes: dict[str, str] = {}
        self._looked = float("-inf")

    def listen(self, dispatcher: Dispatcher) -> None:
        """Welcome newcomers with the words of the applied playbook."""
        dispatcher.on("member.joined", name="shequn.playbook.welcome")(self._joined)

    def serve(self, scheduler: Scheduler) -> None:
        """Publish what columns and days ask for."""
        scheduler.handlers.add("shequn.playbook.slot", self._publish_slot, arguments=SlotPost)
        scheduler.handlers.add("shequn.playbook.content", self._publish_content, arguments=ContentPost)

    async def check(self, playbook: Playbook | Path | str) -> Sequence[Finding]:
        """Look a playbook over against itself, the handbooks, and this workspace's accounts and metrics; errors first.

        Args:
            playbook: a playbook, or the path of its file.

        Raises:
            InvalidInput: the file cannot be read, or says what cannot be.
        """
        plan = _loaded(playbook)
        accounts = {name: self._house.accounts.platform(name) for name in self._house.accounts.names()}
        metrics = await self._house.metrics()
        return check_playbook(
            plan, today=self._today(plan), accounts=accounts, metrics=[one.name for one in metrics.list()]
        )

    async def plan(
        self, playbook: Playbook | Path | str, *, start: date | None = None, days: int = 30
    ) -> Sequence[PlannedEntry]:
        """Give what a playbook publishes, by channel, with what each platform cannot do; changes nothing.

        Args:
            playbook: a playbook, or the path of its file.
            start: first local day; its own, or today.
            days: how many local days.

        Raises:
            InvalidInput: the file cannot be read or says what cannot be, or `days` is not within 1 and 3,660.
        """
        plan = _loaded(playbook)
        if not 1 <= days <= 3660:
            raise InvalidInput(f"days must lie between 1 and 3660, not {days}")
        begin = start or plan.starts or self._today(plan)
        publishing = await self._house.publishing()
        found: list[PlannedEntry] = []
        known: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {}
        links = plan.links()
        for post, names in posts_of(plan, begin, days):
            content = with_links(post.content, links)
            for channel in plan.channels:
                if names and channel.name not in names:
                    continue
                # a text is fitted once per channel, however often it comes
                key = (channel.name, f"{post.content.text}\0{post.content.poll}")
                if key not in known:
                    known[key] = _fitted(publishing.preview, content, channel.ref)
                changes, refused = known[key]
                found.append(
                    PlannedEntry(
                        due=post.due,
                        slot=post.slot,
                        channel=channel.name,
                        content=post.content,
                        changes=changes,
                        refused=refused,
                    )
                )
        return found

    async def diff(self, playbook: Playbook | Path | str) -> PlaybookDiff:
        """Say what applying a playbook would change; changes nothing.

        Raises:
            InvalidInput: the file cannot be read, or says what cannot be.
        """
        plan = _loaded(playbook)
        wanted, known, _ = await self._compared(plan)
        return _diff(plan.name, wanted, known)

    async def apply(self, playbook: Playbook | Path | str) -> PlaybookDiff:
        """Make what a playbook asks for: schedules, goals, partners, entrances, products, rules, journeys.

        Everything is checked before the first change. What was applied before and says the same is left alone, what says
        something else is made anew, and what is not in the file any more is ended; what was published stays. When something
        fails in the middle (a platform that is away), the change carries `error`, the rest is done, and applying again goes
        on with what is missing.

        Raises:
            InvalidInput: the file cannot be read, or `check` finds errors; nothing was changed.
        """
        plan = _loaded(playbook)
        errors = [one for one in await self.check(plan) if one.level is Level.ERROR]
        if errors:
            lines = "\n  ".join(
                f"{one.where}: {one.message}{'; ' + one.advice if one.advice else ''}" for one in errors
            )
            raise InvalidInput(f"the playbook of {plan.name} is not applied:\n  {lines}")
        for entry in await self.plan(plan, days=14):
            if entry.refused:
                raise InvalidInput(
                    f"the playbook of {plan.name} is not applied: {entry.slot} cannot be published in "
                    f"{entry.channel}: {entry.refused}"
                )
        wanted, known, starts = await self._compared(plan)
        diff = _diff(plan.name, wanted, known)
        by_key = {(one.kind, one.key): one for one in wanted}
        done: list[ItemChange] = []
        for change in diff.changes:
            item = by_key.get((change.kind, change.key))
            ref = known.get((change.kind, change.key), ("", ""))[1]
            try:
                await self._carry_out(plan.name, change, item, ref)
            except ShequnError as error:
                done.append(change.model_copy(update={"error": str(error)}))
            else:
                done.append(change)
        await self._remember(plan, starts, complete=not any(one.error for one in done))
        self._looked = float("-inf")
        return diff.model_copy(update={"changes": tuple(done)})

    async def applied(self, *, community: str | None = None) -> Applied | None:
        """Give what was applied to a community; None when nothing was."""
        where = self._community(community).name
        store = await self._house.store()

        def look(conn: Connection) -> Applied | None:
            row = conn.execute(
                select(applied_playbook).where(applied_playbook.c.community == where)
            ).one_or_none()
            if row is None:
                return None
            items = conn.execute(select(playbook_item.c.key).where(playbook_item.c.community == where)).all()
            return Applied(
                community=where,
                starts=date.fromisoformat(row.starts),
                applied_at=from_us(row.applied_at),
                items=len(items),
            )

        return await store.read(look)

    async def withdraw(self, *, community: str | None = None) -> PlaybookDiff:
        """End everything that a playbook made; what was published, and what members earned, stays."""
        where = self._community(community).name
        known = await self._known(where)
        diff = _diff(where, [], known)
        for change in diff.changes:
            await self._carry_out(where, change, None, known[change.kind, change.key][1])
        store = await self._house.store()
        await store.write(
            lambda conn: (
                conn.execute(delete(applied_playbook).where(applied_playbook.c.community == where)).rowcount
            )
        )
        self._looked = float("-inf")
        return diff

    # -- inside

    def _today(self, plan: Playbook) -> date:
        return self._house.clock.now().astimezone(ZoneInfo(plan.zone)).date()

    async def _known(self, community: str) -> dict[tuple[str, str], tuple[str, str]]:
        store = await self._house.store()
        query = select(playbook_item).where(playbook_item.c.community == community)
        return await store.read(
            lambda conn: {(row.kind, row.key): (row.digest, row.ref) for row in conn.execute(query)}
        )

    async def _compared(
        self, plan: Playbook
    ) -> tuple[list[Item], dict[tuple[str, str], tuple[str, str]], date]:
        before = await self.applied(community=plan.name)
        today = self._today(plan)
        # turns go on from the first time, however often it is applied
        starts = plan.starts or (before.starts if before is not None else today)
        known = await self._known(plan.name)
        now = self._house.clock.now()
        wanted: list[Item] = []
        for item in items_of(plan, starts=starts, today=today):
            due = due_of(item)
            if due is None or due > now:
                wanted.append(item)
            elif (item.kind, item.key) in known:
                # it has happened: whatever the file says of it now, it stays
                known[item.kind, item.key] = (item.digest, known[item.kind, item.key][1])
                wanted.append(item)
        return wanted, known, starts

    async def _carry_out(self, community: str, change: ItemChange, item: Item | None, ref: str) -> None:
        maker = makers.MAKERS[change.kind]
        if change.action is not Action.CREATE:
            await maker.unmake(self._house, community, change.key, ref, again=item is not None)
        made = "" if item is None else await maker.make(self._house, community, item)
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            conn.execute(
                delete(playbook_item).where(
                    playbook_item.c.community == community,
                    playbook_item.c.kind == change.kind,
                    playbook_item.c.key == change.key,
                )
            )
            if item is not None:
                conn.execute(
                    insert(playbook_item).values(
                        community=community,
                        kind=change.kind,
                        key=change.key,
                        digest=item.digest,
                        ref=made,
                        applied_at=now,
                    )
                )

        await store.write(write)

    async def _remember(self, plan: Playbook, starts: date, *, complete: bool) -> None:
        store = await self._house.store()
        now = to_us(store.clock.now())
        values = {
            "starts": starts.isoformat(),
            "digest": "complete" if complete else "partly",
            "body": plan.model_dump_json(),
            "applied_at": now,
        }

        def write(conn: Connection) -> None:
            done = conn.execute(
                update(applied_playbook).where(applied_playbook.c.community == plan.name).values(values)
            )
            if done.rowcount == 0:
                conn.execute(insert(applied_playbook).values(community=plan.name, **values))

        await store.write(write)

    # -- what schedules and newcomers bring about

    async def _publish_slot(self, arguments: SlotPost, firing: Firing) -> None:
        day = firing.nominal.astimezone(ZoneInfo(arguments.zone)).date()
        if day < arguments.starts or (arguments.ends is not None and day > arguments.ends):
            return
        turn = turn_of(arguments.slot, arguments.starts, day)
        content = slot_content(arguments.community, arguments.slot, day, turn)
        await self._plan(with_links(content, arguments.links), arguments.to, firing)

    async def _publish_content(self, arguments: ContentPost, firing: Firing) -> None:
        await self._plan(arguments.content, arguments.to, firing)

    async def _plan(self, content: Content, to: tuple[ChannelRef, ...], firing: Firing) -> None:
        publishing = await self._house.publishing()
        await publishing.plan(
            content,
            to,
            # named by the content, not by the firing: a schedule that was made anew does not say it again
            idempotency_key=f"playbook/{content.id}",
            schedule_id=firing.schedule,
            actor=f"playbook {firing.name or firing.schedule}",
        )

    async def _joined(self, heard: Heard) -> None:
        event = heard.interaction
        if heard.community is None or heard.channel is None:
            return
        now = self._house.clock.monotonic()
        if now - self._looked > _FRESH:
            store = await self._house.store()
            query = select(playbook_item.c.community, playbook_item.c.ref).where(
                playbook_item.c.kind == "welcome"
            )
            self._welcomes = await store.read(lambda conn: {row[0]: row[1] for row in conn.execute(query)})
            self._looked = now
        kept = self._welcomes.get(heard.community)
        if not kept or await makers.is_quiet(self._house, heard.channel):
            return
        body = json.loads(kept)
        said = Content(
            text=str(body["text"]).replace("{name}", makers.shown(event.member_name)), category="welcome"
        )
        publishing = await self._house.publishing()
        try:
            await publishing.plan(
                with_links(said, body["links"]),
                [heard.channel],
                priority=Priority.REPLY,
                idempotency_key=f"welcome/{event.platform}/{event.id}",
                grace=timedelta(hours=6),
                actor="playbook welcome",
            )
        except NotSupported:
            return  # a channel in which the account cannot speak


def _fitted(
    preview: Callable[[Content, ChannelRef], Variant], content: Content, ref: ChannelRef | None
) -> tuple[tuple[str, ...], str]:
    if ref is None:
        return (), ""
    try:
        variant = preview(content, ref)
    except (NotSupported, UnknownName) as error:
        return (), str(error)
    return tuple(dict.fromkeys(f"{one.what}: {one.why}" for one in variant.changes)), ""


def _loaded(playbook: Playbook | Path | str) -> Playbook:
    return playbook if isinstance(playbook, Playbook) else load_playbook(playbook)


def _diff(
    community: str, wanted: Sequence[Item], known: dict[tuple[str, str], tuple[str, str]]
) -> PlaybookDiff:
    changes: list[ItemChange] = []
    kept = 0
    for item in wanted:
        before = known.get((item.kind, item.key))
        if before is not None and before[0] == item.digest:
            kept += 1
            continue
        action = Action.CREATE if before is None else Action.CHANGE
        changes.append(ItemChange(kind=item.kind, key=item.key, action=action, title=item.title))
    asked = {(item.kind, item.key) for item in wanted}
    changes += [
        ItemChange(kind=kind, key=key, action=Action.REMOVE, title=key)
        for kind, key in sorted(set(known) - asked)
    ]
    return PlaybookDiff(community=community, changes=tuple(changes), kept=kept)
