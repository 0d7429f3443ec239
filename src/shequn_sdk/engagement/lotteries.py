"""The room of lotteries: committed before, drawn by what nobody could choose, checked by everybody."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from shequn_sdk.domain import Button, ChannelRef, Community, Content, Frozen, InteractionKind, MemberRef
from shequn_sdk.engagement import _eligible, _rows
from shequn_sdk.engagement._board import (
    Subject,
    act_of,
    instant_of,
    key_of,
    local_time,
    words_of,
)
from shequn_sdk.engagement._eligible import Eligibility
from shequn_sdk.engagement._rows import NewAct, Row
from shequn_sdk.engagement._words import plain, say
from shequn_sdk.engagement.draw import (
    Certificate,
    Drawn,
    commitment,
    digest,
    draw_order,
    entrant_code,
    entry_list,
    statement_digest,
)
from shequn_sdk.engagement.models import Activity, ActivityState, Closing, Span
from shequn_sdk.errors import InvalidInput
from shequn_sdk.members.identities import Seen
from shequn_sdk.stores.schema import to_us

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing

__all__ = ["Eligibility", "Lotteries", "LotteryResult", "Prize", "Winner"]


class Prize(Frozen):
    """What can be won, and how often."""

    name: str = Field(min_length=1, max_length=200)
    count: int = Field(default=1, ge=1, le=10_000)


class Winner(Frozen):
    """Somebody who was drawn."""

    position: int
    prize: str
    member: str
    """`platform:native-id`; "" once the member was erased."""
    name: str
    code: str
    replaced: bool = False
    """They gave the prize up, or could not be reached; somebody else has it."""
    reason: str = ""


class LotteryResult(Frozen):
    """How a lottery stands (抽奖结果)."""

    activity: str
    title: str
    state: Literal["open", "waiting", "drawn", "cancelled"]
    """Waiting: the list is fixed, and the draw waits for public randomness or for `draw`."""
    commitment: str
    statement_sha256: str
    entrants: int
    entries_sha256: str = ""
    excluded: Mapping[str, int] = Field(default_factory=dict)
    """How many were left off the list, by reason."""
    winners: tuple[Winner, ...] = ()
    unawarded: int = 0
    """Prizes that nobody was left for: there were fewer entrants than prizes."""


class _Spec(Frozen):
    statement: Mapping[str, Any]
    statement_sha256: str
    eligibility: Eligibility
    weight: Literal["equal", "check_ins"]
    weight_cap: int
    word: str
    ways: tuple[str, ...]


class _Kept(Frozen):
    """What is fixed at the end of the entries, and what was drawn then."""

    entries: tuple[tuple[str, int], ...]
    entries_sha256: str
    excluded: Mapping[str, int] = Field(default_factory=dict)
    public: str = ""
    draws: tuple[Drawn, ...] = ()
    drawn_at: AwareDatetime | None = None


class Lotteries(Subject):
    """Lotteries that everybody can check (抽奖): the seed is committed to before anybody enters; see `engagement.draw`."""

    KIND = "lottery"

    async def open(
        self,
        title: str,
        *,
        prizes: Sequence[Prize],
        to: Sequence[ChannelRef | str],
        closes: Span,
        word: str = "抽奖",
        ways: Sequence[Literal["word", "button", "reaction"]] = ("word",),
        eligibility: Eligibility | None = None,
        weight: Literal["equal", "check_ins"] = "equal",
        weight_cap: int = 10,
        randomness: str = "",
        text: str = "",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """Publish the statement with the commitment, and take entries.

        Whoever says `word`, presses the button or reacts to the post has entered; each person once, whatever they do and
        wherever. At `closes` the list is fixed and posted; without public randomness it is drawn at once.

        Args:
            title: what it is called.
            prizes: in the order in which they are drawn.
            to: channels as `account:native-id`.
            closes: when the list is fixed.
            word: what enters.
            ways: how one can enter.
            eligibility: who may win; looked at when the list is fixed.
            weight: chances: equal, or as many as days of check-in, at most `weight_cap`.
            weight_cap: the most that one entrant counts.
            randomness: where public randomness will come from, such as "hash of the first Bitcoin block after 20:00"; it
                keeps the operator, who knows the seed, from adding entrants until the right one wins. `draw` takes it.
            text: what is said above the conditions, Markdown.
            community: whose; that of the first channel by default.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            InvalidInput: no prizes, or an end before now.
            NotSupported: a channel cannot take the post; nothing was opened.
        """
        end = instant_of(closes, await self._now())
        if not prizes or end is None or not word.strip():
            raise InvalidInput("a lottery needs prizes, a word that enters, and an end (closes)")
        owner = self._owner(community, to)
        number = key_of(self.KIND, owner.name, idempotency_key)
        rules = eligibility or Eligibility()
        store = await self._house.store()
        known = await store.read(lambda conn: _rows.find(conn, number))
        # what was committed to stays, should an earlier call have ended before it was posted
        seed = known.secret if known is not None else secrets.token_hex(32)
        statement = {
            "id": number,
            "title": title,
            "slots": [prize.name for prize in prizes for _ in range(prize.count)],
            "closes_at": end.isoformat(),
            "conditions": rules.words("zh" if owner.language.startswith("zh") else "en"),
            "weight": "1 each" if weight == "equal" else f"days of check-in, 1 to {weight_cap}",
            "randomness": randomness,
            "replacements": "drawn on from the same stream; whoever was drawn before is left out",
            "commitment": commitment(seed),
        }
        spec = _Spec(
            statement=statement,
            statement_sha256=statement_digest(statement),
            eligibility=rules,
            weight=weight,
            weight_cap=weight_cap,
            word=word.strip(),
            ways=tuple(ways),
        )
        if known is not None:
            spec = _Spec.model_validate_json(known.spec)
        return await self._open(
            title=title,
            spec=spec,
            content=_post(owner, spec, text),
            to=to,
            community=owner.name,
            closes=end,
            secret=seed,
            idempotency_key=idempotency_key,
            number=number,
        )

    async def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """Give lotteries, newest first."""
        return await self._list(community, state, limit)

    async def enter(self, lottery: str, member: MemberRef | str) -> LotteryResult:
        """Enter a member who asked elsewhere.

        Raises:
            UnknownName: there is no such lottery.
            InvalidInput: it is closed.
        """
        row, act = await self._by_hand(lottery, member, "enter")
        await self._note(row, [replace(act, event=f"enter/{act.seen.ref}")])
        return await self.get_result(lottery)

    async def get_result(self, lottery: str) -> LotteryResult:
        """Give how a lottery stands.

        Raises:
            UnknownName: there is no such lottery.
        """
        store = await self._house.store()
        return await store.read(lambda conn: _result(conn, _rows.get(conn, lottery, self.KIND)))

    async def close(self, lottery: str) -> LotteryResult:
        """Fix the list of entries and post its digest; draws at once unless public randomness was announced.

        One line per person: members that are one person by now have one entry. What is merged later changes nothing.

        Raises:
            UnknownName: there is no such lottery.
            InvalidInput: it was cancelled.
        """
        row, _ = await self._closed(
            await self._row(lottery), lambda conn, current: _fix(conn, current).model_dump_json()
        )
        if not row.result:
            raise InvalidInput(f"{row.title!r} was cancelled")
        kept = _Kept.model_validate_json(row.result)
        spec = _Spec.model_validate_json(row.spec)
        owner = self._of(row)
        title = plain(row.title, most=200)
        text = say(
            owner, "lottery.closed", title=title, entrants=len(kept.entries), digest=kept.entries_sha256
        )
        if spec.statement["randomness"]:
            text += "\n\n" + say(
                owner, "lottery.waits", source=plain(str(spec.statement["randomness"]), most=300)
            )
        await self._say(row, text, key="list")
        return await self.get_result(lottery) if spec.statement["randomness"] else await self.draw(lottery)

    async def draw(self, lottery: str, *, public: str = "") -> LotteryResult:
        """Draw, and post winners and seed; drawing again gives the same result.

        Args:
            lottery: its id; the list must be fixed (`close`).
            public: the public randomness, exactly as it was published; needed when it was announced.

        Raises:
            UnknownName: there is no such lottery.
            InvalidInput: it is open, or public randomness is missing or was not announced.
        """
        now = await self._now()

        def write(conn: Connection) -> tuple[Row, bool]:
            row = _rows.get(conn, lottery, self.KIND, lock=True)
            if row.state != "closed":
                raise InvalidInput(f"{row.title!r} is {row.state}: close it before it is drawn")
            kept, spec = _Kept.model_validate_json(row.result), _Spec.model_validate_json(row.spec)
            if kept.drawn_at is not None:
                return row, False
            source = spec.statement["randomness"]
            if bool(source) != bool(public.strip()):
                words = f"give public=, from: {source}" if source else "no public randomness was announced"
                raise InvalidInput(f"{row.title!r}: {words}")
            slots: list[str] = spec.statement["slots"]
            order = draw_order(
                dict(kept.entries),
                seed=row.secret,
                statement=spec.statement_sha256,
                public=public.strip(),
                count=len(slots),
            )
            draws = tuple(
                Drawn(position=place, code=code, slot=place, prize=slots[place - 1])
                for place, code in enumerate(order, 1)
            )
            kept = kept.model_copy(update={"draws": draws, "public": public.strip(), "drawn_at": now})
            _keep(conn, row, kept, draws, to_us(now))
            return replace(row, result=kept.model_dump_json()), True

        row, _ = await (await self._house.store()).write(write)
        result = await self.get_result(lottery)
        await self._say(row, _announcement(self._of(row), row, result), key="draw")
        return result

    async def redraw(self, lottery: str, *, position: int, reason: str) -> LotteryResult:
        """Replace a winner who gave the prize up or could not be reached, by the next of the same stream.

        Whoever was drawn before is left out. When nobody is left the prize is not awarded.

        Raises:
            UnknownName: there is no such lottery.
            InvalidInput: it was not drawn, or nobody won at that position, or they were replaced already.
        """
        now = to_us(await self._now())

        def write(conn: Connection) -> tuple[Row, Drawn | None]:
            row = _rows.get(conn, lottery, self.KIND, lock=True)
            kept = _Kept.model_validate_json(row.result) if row.result else None
            gone = next((one for one in kept.draws if one.position == position), None) if kept else None
            if kept is None or gone is None or gone.outcome != "won":
                raise InvalidInput(f"nobody holds a prize at position {position} of {row.title!r}")
            spec = _Spec.model_validate_json(row.spec)
            order = draw_order(
                dict(kept.entries),
                seed=row.secret,
                statement=spec.statement_sha256,
                public=kept.public,
                count=len(kept.draws) + 1,
            )
            new = None
            if len(order) > len(kept.draws):
                new = Drawn(
                    position=len(order),
                    code=order[-1],
                    slot=gone.slot,
                    prize=gone.prize,
                    instead_of=position,
                )
            lost = gone.model_copy(update={"outcome": "replaced", "reason": reason[:200]})
            draws = [lost if one.position == position else one for one in kept.draws]
            draws += [new] if new is not None else []
            kept = kept.model_copy(update={"draws": tuple(draws)})
            _keep(conn, row, kept, [new] if new is not None else [], now)
            return replace(row, result=kept.model_dump_json()), new

        row, new = await (await self._house.store()).write(write)
        result = await self.get_result(lottery)
        if new is not None:
            won = next(one for one in result.winners if one.position == new.position)
            text = say(
                self._of(row),
                "lottery.replaced",
                title=plain(row.title),
                prize=plain(won.prize, most=100),
                name=plain(won.name or won.code),
            )
            await self._say(row, text, key=f"redraw/{new.position}")
        return result

    async def get_certificate(self, lottery: str) -> Certificate:
        """Give what is needed to repeat the draw; publish its JSON, so that everybody can.

        Raises:
            UnknownName: there is no such lottery.
            InvalidInput: it was not drawn yet: the seed is still secret.
        """
        row = await self._row(lottery)
        kept = _Kept.model_validate_json(row.result) if row.result else None
        if kept is None or kept.drawn_at is None:
            raise InvalidInput(f"{row.title!r} was not drawn yet; its seed stays secret until then")
        spec = _Spec.model_validate_json(row.spec)
        return Certificate(
            statement=spec.statement,
            statement_sha256=spec.statement_sha256,
            entries=kept.entries,
            entries_sha256=kept.entries_sha256,
            public_randomness=kept.public,
            seed=row.secret,
            draws=kept.draws,
            unawarded=_unawarded(spec, kept),
        )

    async def cancel(self, lottery: str) -> Activity:
        """End a lottery whose list is not fixed yet, without a draw.

        Raises:
            UnknownName: there is no such lottery.
            InvalidInput: its list is fixed.
        """
        return await self._cancel(lottery)

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        if (await self._row(arguments.activity)).state == "open":
            await self.close(arguments.activity)

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Note who enters."""
        spec = _Spec.model_validate_json(row.spec)
        acts: list[NewAct] = []
        for one in heard:
            act = act_of(one, "enter") if _enters(row, spec, one) else None
            if act is not None and not row.is_over(act.at):
                acts.append(replace(act, event=f"enter/{act.seen.ref}"))
        await self._note(row, acts)


def _enters(row: Row, spec: _Spec, heard: Heard) -> bool:
    event = heard.interaction
    if event.kind is InteractionKind.REACTION:
        return "reaction" in spec.ways and any(
            spot.message and spot.message == event.message and spot.account == heard.account
            for spot in row.spots
        )
    said = words_of(heard)
    if event.kind is InteractionKind.BUTTON:
        return "button" in spec.ways and said == f"lottery/{row.id}"
    return "word" in spec.ways and said.removeprefix("/").casefold() == spec.word.casefold()


def _fix(conn: Connection, row: Row) -> _Kept:
    """Fix the list: one entry per person who may win, weighed."""
    spec = _Spec.model_validate_json(row.spec)
    persons: dict[int, list[_rows.Act]] = {}
    for one in _rows.acts_of(conn, row.id, ("enter",)):
        if not row.is_over(one.at):
            persons.setdefault(one.person, []).append(one)
    refused = _eligible.refusals(conn, row, spec.eligibility, list(persons))
    days = _eligible.check_in_days(conn, row, list(persons)) if spec.weight == "check_ins" else {}
    entries: dict[str, int] = {}
    noted: list[NewAct] = []
    for person, acts in persons.items():
        if person in refused:
            continue
        chosen = min(acts, key=lambda one: one.member)
        code = entrant_code(row.id, chosen.member)
        entries[code] = min(max(days.get(person, 1), 1), spec.weight_cap) if spec.weight == "check_ins" else 1
        seen = Seen(MemberRef.parse(chosen.member), chosen.at)
        noted.append(NewAct(seen, f"entry/{code}", chosen.at, "entry", code))
    _rows.add_acts(conn, row.id, noted)
    return _Kept(
        entries=tuple(sorted(entries.items())),
        entries_sha256=digest(entry_list(entries)),
        excluded=dict(Counter(refused.values())),
    )


def _keep(conn: Connection, row: Row, kept: _Kept, new: Sequence[Drawn], now: int) -> None:
    """Write down who won, so that later lotteries can leave them out."""
    by_code = {one.value: one for one in _rows.acts_of(conn, row.id, ("entry",))}
    acts = [
        NewAct(Seen(MemberRef.parse(found.member), now), f"won/{one.position}", now, "won", one.prize)
        for one in new
        if (found := by_code.get(one.code)) is not None
    ]
    _rows.add_acts(conn, row.id, acts)
    _rows.settle(conn, row, state="closed", result=kept.model_dump_json(), now=now)


def _post(owner: Community, spec: _Spec, text: str) -> Content:
    """Give what is posted before anybody enters."""
    statement = spec.statement
    slots = Counter(str(one) for one in statement["slots"])
    lines = [f"**{plain(str(statement['title']), most=200)}**", text]
    prizes = "、".join(f"{plain(name, most=100)}×{count}" for name, count in slots.items())
    lines.append(say(owner, "lottery.prizes", prizes=prizes))
    if statement["conditions"]:
        lines.append(say(owner, "lottery.rules", rules=plain("；".join(statement["conditions"]), most=500)))
    if "word" in spec.ways:
        lines.append(say(owner, "lottery.how", word=plain(spec.word)))
    end = datetime.fromisoformat(statement["closes_at"])
    lines.append(say(owner, "vote.until", until=local_time(owner, end)))
    lines.append(say(owner, "lottery.commitment", commitment=statement["commitment"]))
    lines.append(say(owner, "lottery.statement", digest=spec.statement_sha256))
    button = Button(label=spec.word[:20], data=f"lottery/{statement['id']}")
    return Content(
        text="\n\n".join(line for line in lines if line),
        buttons=((button,),) if "button" in spec.ways else (),
    )


def _announcement(owner: Community, row: Row, result: LotteryResult) -> str:
    lines = [f"**{say(owner, 'lottery.result', title=plain(row.title, most=200))}**"]
    shown = [one for one in result.winners if not one.replaced]
    lines += [
        say(owner, "lottery.line", prize=plain(one.prize, most=100), name=plain(one.name or one.code))
        for one in shown[:50]
    ]
    lines += [f"… +{len(shown) - 50}"] if len(shown) > 50 else []
    if result.unawarded:
        lines.append(say(owner, "lottery.fewer", left=result.unawarded))
    lines.append(say(owner, "lottery.seed", seed=row.secret))
    return "\n\n".join(lines)


def _unawarded(spec: _Spec, kept: _Kept) -> int:
    return len(spec.statement["slots"]) - sum(one.outcome == "won" for one in kept.draws)


def _result(conn: Connection, row: Row) -> LotteryResult:
    spec = _Spec.model_validate_json(row.spec)
    kept = _Kept.model_validate_json(row.result) if row.result else None
    known = {one.value: one for one in _rows.acts_of(conn, row.id, ("entry",))}
    entrants = (
        len(kept.entries) if kept else len({one.person for one in _rows.acts_of(conn, row.id, ("enter",))})
    )
    state: Literal["open", "waiting", "drawn", "cancelled"] = "open"
    if row.state == "cancelled":
        state = "cancelled"
    elif kept is not None:
        state = "drawn" if kept.drawn_at else "waiting"
    return LotteryResult(
        activity=row.id,
        title=row.title,
        state=state,
        commitment=spec.statement["commitment"],
        statement_sha256=spec.statement_sha256,
        entrants=entrants,
        entries_sha256=kept.entries_sha256 if kept else "",
        excluded=kept.excluded if kept else {},
        winners=tuple(
            Winner(
                position=one.position,
                prize=one.prize,
                member=known[one.code].member if one.code in known else "",
                name=known[one.code].name if one.code in known else "",
                code=one.code,
                replaced=one.outcome == "replaced",
                reason=one.reason,
            )
            for one in (kept.draws if kept else ())
        ),
        unawarded=_unawarded(spec, kept) if kept and kept.drawn_at else 0,
    )
