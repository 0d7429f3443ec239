"""The room of sign-ups: the numbered list that a group carries on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pydantic import Field
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Community, Content, Frozen, InteractionKind, MemberRef, Piece
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._board import Board, Subject, act_of, words_of
from shequn_sdk.engagement._rows import Act, NewAct, Row
from shequn_sdk.engagement._words import plain, say
from shequn_sdk.engagement.models import Activity, ActivityState, Closing, Span
from shequn_sdk.engagement.solitaire import Line, Solitaire, clean, parse_solitaire, render_solitaire
from shequn_sdk.errors import InvalidInput, ShequnError
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Editor

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing

__all__ = ["SignUpLine", "SignUpList", "SignUps"]

_LEAVE = ("退出", "取消", "退出接龙", "取消接龙", "leave")
_PLUS = ("+1", "＋1", "+", "加一")


class SignUpLine(Frozen):
    """One line of a list."""

    number: int
    member: str
    name: str
    note: str = ""


class SignUpList(Frozen):
    """How a list stands (接龙)."""

    activity: str
    title: str
    state: ActivityState
    lines: tuple[SignUpLine, ...] = ()
    waiting: tuple[SignUpLine, ...] = ()
    """Those beyond the capacity, in order."""
    text: str = ""
    """The list as text, to be copied on."""


class _Spec(Frozen):
    word: str
    capacity: int | None = Field(default=None, ge=1)
    post_every: int = 5


@dataclass(slots=True)
class _Kept:
    act: Act
    line: Line
    since: tuple[int, int]


class SignUps(Subject):
    """Group solitaire (接龙): members carry on a numbered list; each person has one line, and the last word counts."""

    KIND = "sign_up"

    async def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        word: str = "接龙",
        capacity: int | None = None,
        closes: Span = None,
        text: str = "",
        post_every: int = 5,
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """Post an empty list and take lines.

        A line is given by `接龙 两份`, by `+1`, by an answer to the list, or by copying the whole list with one's own line
        added, as people do in WeChat groups: of a copy only the sender's own line is taken, whatever they did to others'.
        `退出` takes one's line away. The list is edited in place where the platform can; elsewhere it is posted again after
        every `post_every` changes and at the end.

        Args:
            title: what the list is of.
            to: channels as `account:native-id`.
            word: what begins a line.
            capacity: how many have a place; the others wait in order. None is without end.
            closes: when it ends.
            text: what is said above, Markdown.
            post_every: changes after which it is posted again where it cannot be edited.
            community: whose; that of the first channel by default.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            InvalidInput: no word, a capacity below one, or an end before now.
            NotSupported: a channel cannot take the post; nothing was opened.
        """
        if not word.strip() or (capacity is not None and capacity < 1) or post_every < 1:
            raise InvalidInput("a sign-up needs a word, and a capacity and post_every of at least 1")
        owner = self._owner(community, to)
        spec = _Spec(word=word.strip(), capacity=capacity, post_every=post_every)
        return await self._open(
            title=title,
            spec=spec,
            content=Content(text=_shown(owner, spec, title, (), intro=text)),
            to=to,
            community=owner.name,
            closes=closes,
            idempotency_key=idempotency_key,
        )

    async def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """Give sign-ups, newest first."""
        return await self._list(community, state, limit)

    async def get_list(self, sign_up: str) -> SignUpList:
        """Give how a list stands.

        Raises:
            UnknownName: there is no such sign-up.
        """
        store = await self._house.store()
        return await store.read(lambda conn: _read(conn, _rows.get(conn, sign_up, self.KIND)))

    async def add(self, sign_up: str, member: MemberRef | str, *, name: str, note: str = "") -> SignUpList:
        """Write or correct a member's line for them.

        Raises:
            UnknownName: there is no such sign-up.
            InvalidInput: it is closed, or the name is empty.
        """
        if not clean(name, 64):
            raise InvalidInput("a line needs a name")
        row, act = await self._by_hand(sign_up, member, "line", value=_value(name, note))
        await self._note(row, [act])
        await self._show(row)
        return await self.get_list(sign_up)

    async def remove(self, sign_up: str, member: MemberRef | str) -> SignUpList:
        """Take a member's line away; one without a line is no error.

        Raises:
            UnknownName: there is no such sign-up.
            InvalidInput: it is closed.
        """
        row, act = await self._by_hand(sign_up, member, "leave")
        await self._note(row, [act])
        await self._show(row)
        return await self.get_list(sign_up)

    async def close(self, sign_up: str) -> SignUpList:
        """End a sign-up and post the whole list; closing again changes nothing.

        Raises:
            UnknownName: there is no such sign-up.
        """
        row, _ = await self._closed(await self._row(sign_up), lambda *_: "")
        found = await self.get_list(sign_up)
        if row.state == "closed":
            await self._say(row, _text(self._of(row), found), key="result")
        return found

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        if (await self._row(arguments.activity)).state == "open":
            await self.close(arguments.activity)

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Take lines, and show the list."""
        spec = _Spec.model_validate_json(row.spec)
        store = await self._house.store()
        known = {(line.name, line.note) for line in await store.read(lambda conn: _lines(conn, row))}
        acts: list[NewAct] = []
        for one in heard:
            act = _read_line(row, spec, one, known)
            if act is not None and not row.is_over(act.at):
                acts.append(act)
                if act.act == "line":
                    line = json.loads(act.value)
                    known.add((line["name"], line["note"]))
        if await self._note(row, acts):
            await self._show(row)

    async def _show(self, row: Row) -> None:
        """Edit the list where it stands, or post it again now and then."""
        row = await self._house.room(Board).landed(row)
        spec = _Spec.model_validate_json(row.spec)
        store = await self._house.store()

        def look(conn: Connection) -> tuple[SignUpList, int]:
            return _read(conn, row), len(_rows.acts_of(conn, row.id, ("line", "leave")))

        found, changes = await store.read(look)
        owner = self._of(row)
        text = _shown(owner, spec, row.title, found.lines, waiting=found.waiting)
        again: list[ChannelRef] = []
        for spot in row.spots:
            ref = ChannelRef(account=spot.account, native_id=spot.channel)
            manifest = self._house.accounts.manifest(spot.account)
            if not manifest.supports(Capability.EDIT):
                again.append(ref)
                continue
            if not spot.message:
                continue
            publishing = await self._house.publishing()
            pieces = publishing.preview(Content(text=text), ref).pieces
            first, *rest = pieces
            if rest or not await self._edited(spot.account, spot.channel, spot.message, first):
                again.append(ref)
        if again and changes % spec.post_every == 0:
            await self._say(row, text, key=f"list/{changes}", to=again)

    async def _edited(self, account: str, channel: str, message: str, piece: Piece) -> bool:
        adapter = cast("Editor", self._house.accounts.adapter(account))
        try:
            await adapter.edit(channel, message, piece)
        except ShequnError:
            return False
        return True


def _value(name: str, note: str) -> str:
    return json.dumps({"name": clean(name, 64), "note": clean(note, 200)}, ensure_ascii=False)


def _read_line(row: Row, spec: _Spec, heard: Heard, known: set[tuple[str, str]]) -> NewAct | None:
    """Give the line that a message is."""
    event = heard.interaction
    if event.kind not in {
        InteractionKind.MESSAGE,
        InteractionKind.COMMENT,
        InteractionKind.COMMAND,
        InteractionKind.BUTTON,
    }:
        return None
    said = words_of(heard).strip()
    name = clean(event.member_name, 64).replace(" ", "_") or event.member
    answers = any(
        spot.account == heard.account and spot.message and spot.message == event.parent for spot in row.spots
    )
    bare = said.removeprefix("/").lstrip("#").strip()
    if bare in _LEAVE and (answers or bare.endswith(spec.word) or not event.parent):
        return act_of(heard, "leave")
    if said in _PLUS:
        return act_of(heard, "line", value=_value(name, ""))
    copied = parse_solitaire(said)
    if copied is not None and (len(copied.lines) > 1 or said.lstrip().startswith("#")):
        new = [line for line in copied.lines if (line.name, line.note) not in known]
        own = next((line for line in new if line.name in {name, event.username}), new[-1] if new else None)
        return None if own is None else act_of(heard, "line", value=_value(own.name, own.note))
    if bare.casefold().startswith(spec.word.casefold()):
        rest = bare[len(spec.word) :]
        if not rest or not rest[0].isalnum() or rest[0].isdigit() or "\u4e00" <= rest[0] <= "\u9fff":
            return act_of(heard, "line", value=_value(name, rest.lstrip(" :：,，")))
        return None
    if answers and copied is not None and len(copied.lines) == 1:
        return act_of(heard, "line", value=_value(copied.lines[0].name, copied.lines[0].note))
    if answers and said and "\n" not in said and len(said) <= 60:
        return act_of(heard, "line", value=_value(name, said))
    return None


def fold_lines(acts: Iterable[Act]) -> list[tuple[Act, Line]]:
    """Give each person's line, in the order in which they first came and did not leave."""
    kept: dict[int, _Kept] = {}
    for one in acts:
        if one.act == "leave":
            kept.pop(one.person, None)
            continue
        data = json.loads(one.value)
        line = Line(name=data["name"] or one.member, note=data["note"])
        before = kept.get(one.person)
        kept[one.person] = _Kept(one, line, before.since if before else (one.at, one.id))
    return [(one.act, one.line) for one in sorted(kept.values(), key=lambda one: one.since)]


def _lines(conn: Connection, row: Row) -> list[Line]:
    return [line for _, line in fold_lines(_rows.acts_of(conn, row.id, ("line", "leave")))]


def _read(conn: Connection, row: Row) -> SignUpList:
    spec = _Spec.model_validate_json(row.spec)
    lines = [
        SignUpLine(number=number, member=act.member, name=line.name, note=line.note)
        for number, (act, line) in enumerate(fold_lines(_rows.acts_of(conn, row.id, ("line", "leave"))), 1)
    ]
    most = len(lines) if spec.capacity is None else spec.capacity
    listed = Solitaire(
        title=clean(row.title, 200),
        lines=tuple(Line(name=one.name, note=one.note) for one in lines[:most]),
    )
    return SignUpList(
        activity=row.id,
        title=row.title,
        state=ActivityState(row.state),
        lines=tuple(lines[:most]),
        waiting=tuple(lines[most:]),
        text=render_solitaire(listed),
    )


def _text(owner: Community, found: SignUpList) -> str:
    lines = [f"**\\#接龙 {plain(found.title, most=200)}**"]
    lines += [
        f"{one.number}\\. {plain(one.name)} {plain(one.note, most=200)}".rstrip() for one in found.lines
    ]
    return "\n".join(lines if found.lines else [*lines, say(owner, "sign_up.nobody")])


def _shown(
    owner: Community,
    spec: _Spec,
    title: str,
    lines: Sequence[SignUpLine],
    *,
    waiting: Sequence[SignUpLine] = (),
    intro: str = "",
) -> str:
    parts = [f"**\\#接龙 {plain(title, most=200)}**"]
    parts += [intro] if intro else []
    shown = [f"{one.number}\\. {plain(one.name)} {plain(one.note, most=200)}".rstrip() for one in lines]
    parts.append("\n".join(shown) or say(owner, "sign_up.nobody"))
    if waiting:
        parts.append("⏳ " + "、".join(plain(one.name) for one in waiting))
    parts.append(say(owner, "sign_up.how", word=plain(spec.word), leave=_LEAVE[0]))
    return "\n\n".join(parts)
