"""The room of members: who they are over all platforms, what is known of them, and what they allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import JsonValue
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, MemberRef
from shequn_sdk.errors import InvalidInput, StoreBusy, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.members import consents, fields, merging, proofs, reading
from shequn_sdk.members.fields import FieldSpec
from shequn_sdk.members.identities import find_identities, persons_of
from shequn_sdk.members.membership import note_heard, touch
from shequn_sdk.members.models import (
    Birthday,
    DirectoryImport,
    Erased,
    MemberCount,
    MemberInfo,
    PersonChange,
    Proof,
    Purpose,
    Suggestion,
    Swept,
)
from shequn_sdk.members.sealing import Sealer
from shequn_sdk.stores.schema import from_us, to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Members"]

T = TypeVar("T")
SWEEP = "shequn.members.sweep"


class Members(Room):
    """Who the members are, over all platforms (成员)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`; opens nothing."""
        super().__init__(house)
        self._keys: Sealer | None = None
        self._scheduled = False

    def listen(self, dispatcher: Dispatcher) -> None:
        """Note whoever does something, and what it means for their memberships."""
        dispatcher.on_batch("shequn.members", self._note)

    def serve(self, scheduler: Scheduler) -> None:
        """Enforce retention periods when a schedule says so."""
        scheduler.handlers.add(SWEEP, self._sweep)

    async def _keep_periods(self) -> None:
        """Make the daily sweep a schedule, where the settings name a period."""
        self._scheduled = True
        if not self._house.privacy.model_fields_set & {"raw_days", "text_days", "inactive_days"}:
            return
        from shequn_sdk.scheduling.triggers import Cron  # noqa: PLC0415 - rarely needed

        zone = next((one.zone for one in self._house.communities), "UTC")
        await (await self._house.scheduler()).create(
            SWEEP, when=Cron("30 3 * * *", tz=zone), idempotency_key=SWEEP
        )

    async def _note(self, heard: Sequence[Heard]) -> None:
        if not self._scheduled:
            await self._keep_periods()

        def write(conn: Connection) -> list[int]:
            numbers = note_heard(conn, heard)
            said = [
                proofs.Said(
                    identity=numbers[MemberRef(platform=one.platform, native_id=one.member)],
                    event=one.id,
                    at=to_us(one.occurred_at),
                    selector=selector,
                    secret=secret,
                )
                for one in (each.interaction for each in heard)
                if one.member and not one.is_bot and proofs.MARK in one.text.upper()
                for selector, secret in proofs.codes_in(one.text)
            ]
            return proofs.hear(conn, said) if said else []

        if await (await self._house.store()).write(write):
            await self._push()

    async def _push(self) -> None:
        from shequn_sdk.members.pushing import push  # noqa: PLC0415 - metrics are heavy

        try:
            await push(self._house)
        except StoreBusy:
            return  # it is written down, and goes with the next change or sweep

    async def _sweep(self, arguments: None, firing: Firing) -> None:
        del arguments, firing
        await self.sweep()

    async def _with(self, member: MemberRef | str, work: Callable[[Connection, int, list[int]], T]) -> T:
        """Run `work` in a transaction with the number of the identity and those of all the person's identities."""
        return await (await self._house.store()).write(self._on(member, work))

    @staticmethod
    def _on(
        member: MemberRef | str, work: Callable[[Connection, int, list[int]], T]
    ) -> Callable[[Connection], T]:
        ref = MemberRef.parse(member)

        def run(conn: Connection) -> T:
            number = find_identities(conn, [ref]).get(ref)
            if number is None:
                raise UnknownName("member", str(ref))
            owner = persons_of(conn, [number])[number]
            return work(conn, number, merging.identities_of(conn, [owner])[owner])

        return run

    @property
    def _now(self) -> int:
        return to_us(self._house.clock.now())

    def _sealer(self) -> Sealer:
        self._keys = self._keys or Sealer(self._house.privacy.contact_key)
        return self._keys

    def _lookup(self, name: str) -> Any:
        return next((one for one in self._house.communities if one.name == name), None)

    # who they are

    async def person_of(self, member: MemberRef | str) -> int:
        """Give the number of the person behind a member `platform:native-id`; it changes when persons are merged.

        Raises:
            InvalidInput: `member` is malformed.
            UnknownName: nobody of that id was ever seen.
        """
        store = await self._house.store()
        return await store.read(self._on(member, lambda conn, number, _: persons_of(conn, [number])[number]))

    async def get(self, member: MemberRef | str, *, contacts: bool = False) -> MemberInfo:
        """Give a person with identities, memberships, stage, profile, tags and consent.

        Args:
            member: any of their identities.
            contacts: open phone numbers and addresses; without it they are `•••`.

        Raises:
            UnknownName: nobody of that id was ever seen.
            ConfigError: contacts are asked for, and the key is missing or another one.
        """
        sealer = self._sealer() if contacts else None
        now = self._house.clock.now()

        def look(conn: Connection, number: int, numbers: list[int]) -> MemberInfo:
            del numbers
            owner = persons_of(conn, [number])[number]
            found = reading.member_info(conn, owner, now=now, lookup=self._lookup, sealer=sealer)
            assert found is not None
            return found

        return await (await self._house.store()).read(self._on(member, look))

    async def find(self, text: str, *, limit: int = 20) -> Sequence[MemberInfo]:
        """Give persons whose name or user name holds a text, seen last first; a name matches however it is written."""
        from shequn_sdk.members.searching import find  # noqa: PLC0415 - rarely needed

        return await find(self._house, text, limit=limit, lookup=self._lookup)

    # merging

    async def merge(
        self, a: MemberRef | str, b: MemberRef | str, *, reason: str, actor: str, score: float | None = None
    ) -> PersonChange | None:
        """Make two identities, and whoever else is one with them, one person; None when they were already.

        Args:
            a: one of them.
            b: the other.
            reason: kept in the history, for whoever doubts it.
            actor: who decides.
            score: of the suggestion that is followed.

        Raises:
            UnknownName: one of them was never seen.
        """
        other = MemberRef.parse(b)
        now = self._now

        def write(conn: Connection, number: int, numbers: list[int]) -> PersonChange | None:
            del numbers
            second = find_identities(conn, [other]).get(other)
            if second is None:
                raise UnknownName("member", str(other))
            made = merging.merge(conn, number, second, reason=reason, actor=actor, now=now, score=score)
            return None if made is None else merging.changes_of(conn, [number], limit=1)[0]

        found = await self._with(a, write)
        await self._push()
        return found

    async def unmerge(self, change: int, *, reason: str, actor: str) -> PersonChange:
        """Take a merge back: what moved is a person of its own again, in the past of the metrics as well.

        Raises:
            UnknownName: there is no such merge.
            InvalidInput: it was taken back already.
        """
        now = self._now

        def write(conn: Connection) -> PersonChange:
            number = merging.unmerge(conn, change, reason=reason, actor=actor, now=now)
            return merging.change(conn, number)

        found = await (await self._house.store()).write(write)
        await self._push()
        return found

    async def history(self, member: MemberRef | str, *, limit: int = 100) -> Sequence[PersonChange]:
        """Give the merges of a person and their undoing, newest first."""
        store = await self._house.store()
        return await store.read(
            self._on(member, lambda conn, _, numbers: merging.changes_of(conn, numbers, limit=limit))
        )

    async def suggest_merges(self, *, minimum: float = 0.5, limit: int = 100) -> Sequence[Suggestion]:
        """Give pairs that may be one person, surest first, with reasons; follow one with `merge`, refuse it with `part`.

        Compared are user names, display names, birthdays, contacts and first appearances; names that more than four
        persons share say nothing. The score orders, it is no probability.
        """
        store = await self._house.store()
        return await store.read(lambda conn: merging.suggest(conn, minimum=minimum, limit=limit))

    async def part(self, a: MemberRef | str, b: MemberRef | str, *, actor: str) -> None:
        """Note that two are not one person, so that it is not suggested again."""
        first, second = MemberRef.parse(a), MemberRef.parse(b)
        now = self._now

        def write(conn: Connection) -> None:
            known = find_identities(conn, [first, second])
            for ref in (first, second):
                if ref not in known:
                    raise UnknownName("member", str(ref))
            merging.dismiss(conn, known[first], known[second], actor=actor, now=now)

        await (await self._house.store()).write(write)

    async def start_proof(self, member: MemberRef | str, *, life: timedelta = proofs.LIFE) -> Proof:
        """Make a code for a member; whoever writes it with another account, once and in time, is the same person.

        Give it to the member privately. It may be written anywhere we listen, alone or within a message.

        Raises:
            UnknownName: the member was never seen.
            InvalidInput: five codes were made for them within an hour, or `life` is not within a day.
        """
        if not timedelta(seconds=1) <= life <= timedelta(days=1):
            raise InvalidInput("a code lives between a second and a day")
        now = self._now
        code, until = await self._with(
            member, lambda conn, number, _: proofs.begin(conn, number, now=now, life=life)
        )
        return Proof(member=MemberRef.parse(member), code=code, expires_at=from_us(until))

    # what is known of them

    async def declare_field(self, spec: FieldSpec) -> None:
        """Declare a custom field of profiles, or change its declaration.

        Raises:
            InvalidInput: it holds values of another kind already.
            ConfigError: it is a contact, and there is no key to seal it with.
        """
        if spec.kind in fields.CONTACTS:
            self._sealer()
        await (await self._house.store()).write(lambda conn: fields.declare(conn, spec))

    async def list_fields(self) -> Sequence[FieldSpec]:
        """Give the declared fields, by name."""
        found = await (await self._house.store()).read(fields.specs)
        return list(found.values())

    async def set_fields(self, member: MemberRef | str, values: Mapping[str, JsonValue | date]) -> None:
        """Put values into a profile, all or none; None clears a field.

        Raises:
            UnknownName: the member was never seen, or a field is not declared.
            InvalidInput: a value does not fit its field.
            ConfigError: it is a contact, and the key is missing.
        """
        now = self._now

        def write(conn: Connection, number: int, numbers: list[int]) -> None:
            known = fields.specs(conn)
            sealed = any(known[name].kind in fields.CONTACTS for name in values if name in known)
            ready = fields.prepare(known, values, identity=number, sealer=self._sealer() if sealed else None)
            fields.write(conn, number, numbers, ready, now)
            touch(conn, numbers)

        await self._with(member, write)

    async def set_birthday(self, member: MemberRef | str, birthday: Birthday | None) -> None:
        """Note a birthday, solar or lunar; None forgets it."""
        now = self._now

        def write(conn: Connection, number: int, numbers: list[int]) -> None:
            for one in [number] if birthday is not None else numbers:
                consents.set_birthday(conn, one, birthday, now=now)
            touch(conn, numbers)

        await self._with(member, write)

    async def tag(
        self,
        member: MemberRef | str,
        *tags: str,
        community: str | None = None,
        actor: str,
        on_platform: Mapping[str, str] | None = None,
    ) -> Sequence[str]:
        """Put tags on a member: here, in the event store for metrics, and on the platform where it has tags.

        Args:
            member: any identity of theirs.
            tags: 1 to 64 characters each.
            community: in which; not needed when there is one.
            actor: who does it.
            on_platform: the platform's own id of a tag, for those that stand there too.

        Returns:
            What became of the platform's tags that were not put, as reasons; empty when all is well.
        """
        return await self._change_tags(
            member, tags, community=community, actor=actor, on_platform=on_platform, add=True
        )

    async def untag(
        self,
        member: MemberRef | str,
        *tags: str,
        community: str | None = None,
        actor: str,
        on_platform: Mapping[str, str] | None = None,
    ) -> Sequence[str]:
        """Take tags off a member, whichever identity has them; arguments and result as of `tag`."""
        return await self._change_tags(
            member, tags, community=community, actor=actor, on_platform=on_platform, add=False
        )

    async def _change_tags(
        self,
        member: MemberRef | str,
        tags: Sequence[str],
        *,
        community: str | None,
        actor: str,
        on_platform: Mapping[str, str] | None,
        add: bool,
    ) -> Sequence[str]:
        from shequn_sdk.members.tagging import change_tags  # noqa: PLC0415 - rarely needed

        name = self._community(community).name
        reasons = await change_tags(
            self._house, member, tags, community=name, actor=actor, on_platform=on_platform or {}, add=add
        )
        await self._push()
        return reasons

    # what they allow

    async def set_consent(
        self,
        member: MemberRef | str,
        purpose: Purpose | str,
        *,
        allowed: bool,
        until: datetime | None = None,
        source: str,
        community: str | None = None,
    ) -> None:
        """Note what a member said to being written to for a purpose.

        Args:
            member: any identity of theirs.
            purpose: a `Purpose`; `do_not_disturb` with `allowed=True` keeps all but `service` away.
            allowed: what they said.
            until: for how long; without end when not given.
            source: where they said it, for example `button 2026-03-01`.
            community: in which; not needed when there is one.

        Raises:
            InvalidInput: no such purpose.
        """
        name, now = self._community(community).name, self._now
        if purpose not in {*Purpose, consents.QUIET}:
            raise InvalidInput(f"{purpose!r} is no purpose: {', '.join(Purpose)} or {consents.QUIET}")

        def write(conn: Connection, number: int, numbers: list[int]) -> None:
            del numbers
            consents.set_consent(
                conn,
                name,
                number,
                purpose=str(purpose),
                allowed=allowed,
                until=None if until is None else to_us(until),
                at=now,
                source=source,
            )

        await self._with(member, write)

    async def may_contact(
        self, member: MemberRef | str, purpose: Purpose | str, *, community: str | None = None
    ) -> consents.Permission:
        """Say whether a member may be written to for a purpose, with the reason; marketing is refused unless allowed."""
        name, now = self._community(community).name, self._now
        wanted = Purpose(purpose)
        store = await self._house.store()
        return await store.read(
            self._on(
                member, lambda conn, _, numbers: consents.may(conn, name, numbers, purpose=wanted, now=now)
            )
        )

    # against the platform

    async def explain_count(self, channel: ChannelRef | str) -> MemberCount:
        """Set our number of members in a channel beside the platform's, with a reason for each part of the difference.

        Costs one request where the platform tells a number, and all pages of its list where it has one.

        Raises:
            UnknownName: there is no such account.
            PlatformError: the platform did not answer.
        """
        from shequn_sdk.members.directory import explain  # noqa: PLC0415 - rarely needed

        ref = ChannelRef.parse(channel)
        return await explain(self._house, ref, self._home_of(ref))

    async def import_directory(
        self, channel: ChannelRef | str, *, progress: Callable[[int], None] | None = None
    ) -> DirectoryImport:
        """Read the platform's list of members into ours; who is not in it any more has left. Repeating it is harmless.

        Args:
            channel: whose members.
            progress: called with how many were read so far, every 500.

        Raises:
            NotSupported: the account cannot list members.
            PlatformError: the platform did not answer; what was read stays.
        """
        from shequn_sdk.members.directory import read_directory  # noqa: PLC0415 - rarely needed

        ref = ChannelRef.parse(channel)
        return await read_directory(self._house, ref, self._home_of(ref), progress=progress)

    def _home_of(self, channel: ChannelRef) -> str:
        found = next((one for one in self._house.communities if channel in one.channels), None)
        return found.name if found is not None else self._community(None).name

    # privacy

    async def export(self, member: MemberRef | str) -> dict[str, JsonValue]:
        """Give everything that is kept of a person, over all rooms, as one JSON document; contacts are opened.

        Raises:
            UnknownName: nobody of that id was ever seen.
        """
        from shequn_sdk.members.erasing import export  # noqa: PLC0415 - rarely needed

        return await export(self._house, MemberRef.parse(member), await self.get(member))

    async def erase(self, member: MemberRef | str, *, actor: str) -> Erased:
        """Erase a person from all rooms, the event store and its archives, and the raw events in the inbox.

        A crash in between leaves a note, by which `sweep` finishes it. What others did stays, without the pointer.

        Raises:
            UnknownName: nobody of that id was ever seen.
            StoreBusy: another process held the event store for too long; repeat, or leave it to `sweep`.
        """
        from shequn_sdk.members.erasing import erase  # noqa: PLC0415 - rarely needed

        return await erase(self._house, MemberRef.parse(member), actor=actor)

    async def sweep(self) -> Swept:
        """Enforce the retention periods of `[privacy]`, finish erasures, and tell the event store what it missed."""
        from shequn_sdk.members.erasing import sweep  # noqa: PLC0415 - rarely needed

        await self._push()
        return await sweep(self._house)

    async def rotate_key(self) -> int:
        """Seal all contacts anew under the first key of `[privacy] contact_key`; gives how many were not yet.

        Raises:
            ConfigError: a key is missing, or is another one; nothing was changed.
        """
        from shequn_sdk.members.erasing import reseal  # noqa: PLC0415 - rarely needed

        sealer = self._sealer()
        return await (await self._house.store()).write(lambda conn: reseal(conn, sealer))
