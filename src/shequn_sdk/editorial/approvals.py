"""The room of approvals."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from shequn_sdk.domain import ChannelRef, MemberRef
from shequn_sdk.editorial import _chat, _requests
from shequn_sdk.editorial._desk import Desk, Edit, Steps
from shequn_sdk.editorial._hand_in import without_time
from shequn_sdk.editorial._lines import Line, content_of, find
from shequn_sdk.editorial.model import Approval, ApprovalPolicy, Decision, EntryState
from shequn_sdk.errors import InvalidInput, ShequnError, UnknownName
from shequn_sdk.house import House, Room
from shequn_sdk.members.identities import Seen, find_identities, note_identities, persons_of
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.editorial import approval_policy, approval_request, approval_vote

if TYPE_CHECKING:
    from shequn_sdk.listening.dispatch import Dispatcher
    from shequn_sdk.listening.events import Heard

__all__ = ["Approvals"]

_log = logging.getLogger(__name__)


class _Said(NamedTuple):
    """A decision as it is to be carried out."""

    member: MemberRef
    decision: Decision
    note: str = ""
    event: str | None = None
    """Id of the interaction by which it came."""
    request: int | None = None
    """The request that was answered, when it was one and not the entry."""


class Approvals(Room):
    """Who must say yes before something goes out, and who did (审批)."""

    def __init__(self, house: House) -> None:
        """Stand in `house`."""
        super().__init__(house)
        self._desk = Desk(house)

    def listen(self, dispatcher: Dispatcher) -> None:
        """Hear buttons and answers of approvers."""
        dispatcher.on_batch("shequn.approvals", self._hear)

    async def set_policy(
        self, policy: ApprovalPolicy | None, *, category: str = "", community: str | None = None
    ) -> None:
        """Say who must approve contents of a category, or of all that have no policy of their own.

        What is in review goes on under the policy under which it was handed in. None takes the policy away.

        Raises:
            InvalidInput: nobody could ever approve: neither approvers nor roles are named, or fewer than are needed.
            UnknownName: the channel's account does not exist.
        """
        where = self._community(community).name
        if policy is not None:
            if not policy.approvers and not policy.roles:
                raise InvalidInput(
                    "a policy names approvers, roles, or both: else nothing would ever be approved"
                )
            if not policy.roles and policy.needed is not None and len(set(policy.approvers)) < policy.needed:
                raise InvalidInput(
                    f"{policy.needed} must approve, but only {len(set(policy.approvers))} are named"
                )
            if policy.channel is not None:
                self._house.accounts.account(policy.channel.account)
        store = await self._house.store()
        now = to_us(store.clock.now())

        def write(conn: Connection) -> None:
            conn.execute(
                delete(approval_policy).where(
                    approval_policy.c.community == where, approval_policy.c.category == category
                )
            )
            if policy is not None:
                known = find_identities(conn, policy.approvers)
                note_identities(conn, [Seen(ref, now) for ref in policy.approvers if ref not in known])
                conn.execute(
                    insert(approval_policy).values(
                        community=where, category=category, policy=policy.model_dump_json(), updated_at=now
                    )
                )

        await store.write(write)

    async def policy(self, *, category: str = "", community: str | None = None) -> ApprovalPolicy | None:
        """Give the policy that holds for a category: its own, else the community's; None is none."""
        where = self._community(community).name
        store = await self._house.store()
        return await store.read(lambda conn: _requests.policy_for(conn, where, category))

    async def get(self, entry: int) -> Approval:
        """Give where the approval of an entry's present version stands.

        Raises:
            UnknownName: there is no such entry, or its present version was never handed in for approval.
        """
        store = await self._house.store()

        def look(conn: Connection) -> Approval | None:
            line = find(conn, entry)
            request = _requests.request_of(conn, line)
            return None if request is None else _requests.to_approval(conn, request, line.author)

        found = await store.read(look)
        if found is None:
            raise UnknownName("approval of entry", str(entry))
        return found

    async def history(self, entry: int) -> Sequence[Approval]:
        """Give the approvals of all versions of an entry with every decision, oldest first."""
        return await self._list(approval_request.c.entry_id == entry, limit=1000)

    async def waiting(self, *, limit: int = 200, community: str | None = None) -> Sequence[Approval]:
        """Give what waits for approval, oldest first."""
        where = self._community(community).name
        return await self._list(
            (approval_request.c.community == where) & (approval_request.c.state == "open"), limit=limit
        )

    async def approve(self, entry: int, *, by: MemberRef | str, note: str = "") -> Approval:
        """Approve an entry's present version. When enough have, its deliveries are released; at most once.

        Approving again changes nothing.

        Args:
            entry: its number.
            by: who approves, `platform:native-id`; `desk:anna` for somebody who is on no platform.
            note: for the record.

        Raises:
            InvalidInput: `by` is no approver of it, wrote it himself, or it does not wait for approval.
        """
        return await self._decided(entry, _Said(MemberRef.parse(by), Decision.APPROVE, note))

    async def request_changes(self, entry: int, *, by: MemberRef | str, note: str) -> Approval:
        """Send an entry back to be changed: it becomes a draft, and leaves the ledger; arguments as for `approve`.

        Raises:
            InvalidInput: as for `approve`, or it is being sent already.
        """
        return await self._decided(entry, _Said(MemberRef.parse(by), Decision.CHANGES, note))

    async def hold(self, entry: int, *, by: MemberRef | str, note: str = "") -> None:
        """Keep an entry back, approved or not, until `release`. Where there is a policy, its approvers may.

        Raises:
            InvalidInput: as for `approve`, or it is being sent already.
        """
        await self._decide(entry, _Said(MemberRef.parse(by), Decision.HOLD, note))

    async def release(self, entry: int, *, by: MemberRef | str, note: str = "") -> None:
        """End a hold. What was approved goes out at its time; what is overdue by less than a day, at once.

        Raises:
            InvalidInput: as for `approve`.
        """
        await self._decide(entry, _Said(MemberRef.parse(by), Decision.RELEASE, note))

    async def ask(self, entry: int, *, to: ChannelRef | str | None = None) -> Approval:
        """Ask for the approval of an entry in a chat, with buttons where the platform has them, else with a code word.

        Answers count from that chat only, and from approvers only. Asking again in the same chat sends nothing.

        Args:
            entry: its number; it must wait for approval.
            to: the chat; that of the policy when not given.

        Raises:
            InvalidInput: it does not wait for approval, or no chat is known.
            UnknownName: no such entry or account.
        """
        ref = None if to is None else ChannelRef.parse(to)
        if ref is not None:
            self._house.accounts.account(ref.account)
        store = await self._house.store()

        def write(conn: Connection) -> int:
            request = _requests.request_of(conn, find(conn, entry))
            if request is None or request.state != "open":
                raise InvalidInput(
                    f"entry {entry} does not wait for approval: hand it in with calendar.schedule"
                )
            if ref is not None:
                conn.execute(
                    approval_request.update()
                    .where(approval_request.c.id == request.id)
                    .values(channel=str(ref))
                )
            elif not request.channel:
                raise InvalidInput("say in which chat: the policy names none")
            return request.id

        await self.announce([await store.write(write)])
        return await self.get(entry)

    async def announce(self, requests: Sequence[int]) -> None:
        """Send what asks for approval into its chat; for the calendar, which calls it after an entry was handed in."""
        store = await self._house.store()
        publishing = await self._house.publishing()

        def look(conn: Connection) -> list[tuple[Any, Line, Approval]]:
            rows = conn.execute(
                select(approval_request).where(
                    approval_request.c.id.in_(list(requests)), approval_request.c.channel != ""
                )
            ).all()
            found: list[tuple[Any, Line, Approval]] = []
            for row in rows:
                line = find(conn, row.entry_id)
                found.append((row, line, _requests.to_approval(conn, row, line.author)))
            return found

        for row, line, approval in await store.read(look):
            ref = ChannelRef.parse(row.channel)
            manifest = self._house.accounts.manifest(ref.account)
            community = self._community(line.community)
            await publishing.plan(
                _chat.question(
                    line, content_of(line.content), approval, manifest=manifest, community=community
                ),
                [ref],
                idempotency_key=_ask_key(row),
                actor="approvals",
            )

    async def remind(self) -> None:
        """Ask what was to be asked and was not, because a process died in between."""
        store = await self._house.store()

        def look(conn: Connection) -> Sequence[Any]:
            return conn.execute(
                select(approval_request).where(
                    approval_request.c.state == "open", approval_request.c.channel != ""
                )
            ).all()

        rows = await store.read(look)
        if not rows:
            return
        publishing = await self._house.publishing()
        for row in rows:
            if not await publishing.get_receipts(_ask_key(row)):
                try:
                    await self.announce([row.id])
                except ShequnError as error:
                    _log.warning("approval of entry %d could not be asked for: %s", row.entry_id, error)

    # inside

    async def _list(self, where: Any, *, limit: int) -> Sequence[Approval]:
        store = await self._house.store()

        def look(conn: Connection) -> list[Approval]:
            rows = conn.execute(
                select(approval_request).where(where).order_by(approval_request.c.id).limit(limit)
            ).all()
            return [_requests.to_approval(conn, row, find(conn, row.entry_id).author) for row in rows]

        return await store.read(look)

    async def _decided(self, entry: int, said: _Said) -> Approval:
        await self._decide(entry, said)
        return await self.get(entry)

    async def _decide(self, entry: int, said: _Said) -> Line:
        """Carry out a decision in one transaction; the same interaction again does nothing."""
        store = await self._house.store()
        community = (await store.read(lambda conn: find(conn, entry))).community

        def work(conn: Connection, now: int) -> Steps:
            line = find(conn, entry)
            if said.event is not None:
                known = select(approval_vote.c.id).where(approval_vote.c.event == said.event)
                if conn.execute(known).first() is not None:
                    return Steps(str(said.decision), ())
            return _decision(conn, line, said, now=now)

        await self._desk.change(community, work, actor=str(said.member))
        return await store.read(lambda conn: find(conn, entry))

    async def _hear(self, heard: Sequence[Heard]) -> None:
        for one in heard:
            answer = _chat.read(one)
            if answer is not None:
                await self._answer(one, answer)

    async def _answer(self, heard: Heard, answer: _chat.Answer) -> None:
        """Carry out what was said in a chat, if it was said where it was asked, by one who may."""
        event = heard.interaction
        if not event.member or event.is_bot or not event.channel:
            return
        store = await self._house.store()
        found = await store.read(lambda conn: _asked(conn, answer))
        if found is None or not _chat.same_place(found[0].channel, heard):
            # somebody tries a number, or speaks of something else: nothing is told to strangers
            if answer.button:
                await _chat.reply(self._house, heard, answer, "unknown", community=None)
            return
        request, line = found
        community = self._community(line.community)
        word, detail = "done", ""
        if request.state == "superseded" or request.version != line.version:
            word = "old"
        else:
            said = _Said(
                member=MemberRef(platform=event.platform, native_id=event.member),
                decision=answer.decision,
                note=answer.note[:2000],
                event=f"{event.platform}/{event.account}/{event.id}",
                request=request.id,
            )
            try:
                line = await self._decide(line.id, said)
            except InvalidInput as error:
                word, detail = "refused", str(error)
        shown = await store.read(
            lambda conn: _requests.to_approval(conn, _by_id(conn, request.id), line.author)
        )
        await _chat.reply(
            self._house, heard, answer, word, community=community, line=line, approval=shown, detail=detail
        )


def _ask_key(row: Any) -> str:
    return f"approval/{row.id}/{row.code}/{row.channel}"


def _by_id(conn: Connection, number: int) -> Any:
    return conn.execute(select(approval_request).where(approval_request.c.id == number)).one()


def _asked(conn: Connection, answer: _chat.Answer) -> tuple[Any, Line] | None:
    """Find the request that an answer speaks of."""
    try:
        if answer.entry is not None:
            line = find(conn, answer.entry)
            request = _requests.request_of(conn, line)
            return None if request is None else (request, line)
        request = _requests.by_code(conn, answer.code)
        return None if request is None else (request, find(conn, request.entry_id))
    except ShequnError:
        return None


def _may(conn: Connection, line: Line, request: Any, said: _Said) -> tuple[int, bool]:
    """Give the identity that decides, and whether its person has approved already; checks that it may decide.

    Raises:
        InvalidInput: it may not; the message says why.
    """
    number = find_identities(conn, [said.member]).get(said.member)
    if request is None:
        if _requests.policy_for(conn, line.community, line.category) is not None:
            raise InvalidInput(f"entry {line.id} was not handed in for approval yet: use calendar.schedule")
        return number or 0, False
    standing = _requests.standing(conn, request, line.author)
    person = None if number is None else persons_of(conn, [number])[number]
    if person is None or person not in standing.allowed:
        if person is not None and person == standing.author and not standing.policy.own:
            raise InvalidInput(f"{said.member} wrote entry {line.id}: somebody else has to approve it")
        raise InvalidInput(f"{said.member} may not decide on entry {line.id}: the policy names others")
    return number or 0, person in standing.done


def _decision(conn: Connection, line: Line, said: _Said, *, now: int) -> Steps:
    """Note a decision, and give what it changes."""
    request = _requests.request_of(conn, line)
    if said.request is not None and (request is None or request.id != said.request):
        raise InvalidInput(f"entry {line.id} has been changed: look at version {line.version}")
    number, known = _may(conn, line, request, said)
    action, nothing = str(said.decision), Steps(str(said.decision), ())
    if line.state in {EntryState.LANDED, EntryState.CANCELLED}:
        raise InvalidInput(f"entry {line.id} is {line.state}: there is nothing to decide")
    if said.decision in {Decision.HOLD, Decision.RELEASE}:
        held = int(said.decision is Decision.HOLD)
        if request is not None:
            _vote(conn, request.id, number, said, now=now)
        if line.held == held:
            return nothing
        return Steps(action, [Edit(line, line._replace(held=held))], note=said.note, undoable=False)
    if request is None:
        raise InvalidInput(f"entry {line.id} needs no approval: no policy asks for one")
    if said.decision is Decision.APPROVE:
        if known or request.state == "approved":
            return nothing
        if request.state != "open":
            raise InvalidInput(f"entry {line.id} was sent back: hand it in again with calendar.schedule")
        _vote(conn, request.id, number, said, now=now)
        if not _requests.standing(conn, request, line.author).reached:
            return nothing
        _requests.close(conn, request.id, "approved", now=now)
        after = without_time(line._replace(state=str(EntryState.SCHEDULED), approved=line.version, note=""))
        return Steps(action, [Edit(line, after)], note=said.note, undoable=False)
    if request.state == "changes":
        return nothing
    _vote(conn, request.id, number, said, now=now)
    _requests.close(conn, request.id, "changes", now=now)
    after = line._replace(state=str(EntryState.DRAFT), approved=0, note=said.note)
    return Steps(action, [Edit(line, after)], note=said.note, undoable=False)


def _vote(conn: Connection, request: int, number: int, said: _Said, *, now: int) -> None:
    conn.execute(
        insert(approval_vote).values(
            request_id=request,
            identity_id=number,
            decision=str(said.decision),
            note=said.note[:2000],
            event=said.event,
            at=now,
        )
    )
