"""Listening: what members do arrives once, typed, and nothing unknown breaks it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput, VerificationFailed
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Parsed, RawEvent, WebhookRequest
from shequn_sdk.testing._contract.hooks import ContractHooks, every_test_requires
from shequn_sdk.testing._contract.rig import Rig, soon_after, within
from shequn_sdk.testing.sandbox.api import FaultKind
from shequn_sdk.testing.sandbox.faults import FaultRule

__all__ = ["EventContract", "WebhookContract"]

_SOURCES = (Capability.POLL_EVENTS, Capability.GATEWAY)
_SAID = frozenset(
    {InteractionKind.MESSAGE, InteractionKind.COMMENT, InteractionKind.MENTION, InteractionKind.QUESTION}
)
_NONSENSE = (b"", b"\x00\xff\xfe", b"{", b"[]", b"null", b"<", b"[" * 50_000, b'{"a":' * 50_000)
OVERSIZE = 16 * 1024 * 1024


def _interactions(heard: Iterable[tuple[RawEvent, Parsed]]) -> list[Interaction]:
    return [interaction for _, parsed in heard for interaction in parsed.interactions]


def _texts(heard: Iterable[tuple[RawEvent, Parsed]], start: str) -> dict[str, Interaction]:
    return {item.text: item for item in _interactions(heard) if item.text.startswith(start)}


class EventContract(ContractHooks):
    """Events of members, by polling or over a gateway."""

    @pytest.mark.requires(any_of=_SOURCES)
    async def test_what_a_member_says_arrives(self, rig: Rig) -> None:
        """A message arrives with who, where, when and what; reading it twice gives the same."""
        person = rig.person()
        rig.sandbox.join(rig.channel, person)
        heard = await rig.hear(
            lambda turn: rig.sandbox.say(rig.channel, person, f"heard-{turn}"),
            lambda all_: bool(_texts(all_, "heard-")),
        )
        said = next(iter(_texts(heard, "heard-").values()))
        assert said.kind in _SAID
        assert said.platform == rig.spec.name
        assert said.account == rig.account.name
        assert said.channel == rig.channel
        assert said.member == rig.sandbox.member_id(person)
        assert said.message
        assert soon_after(rig.clock, said.occurred_at)
        for raw, parsed in heard:
            assert raw.event_id
            assert rig.adapter.parse(raw) == parsed, "parse() is not pure"
        every = [interaction.id for interaction in _interactions(heard)]
        assert len(every) == len(set(every))

    @pytest.mark.requires(any_of=_SOURCES)
    async def test_joining_and_leaving_arrive_where_reported(self, rig: Rig) -> None:
        """Where the manifest says that joins and leaves are told, they are."""
        wanted = {InteractionKind.JOIN, InteractionKind.LEAVE} & {
            *map(InteractionKind, _known(rig.manifest.reports))
        }
        if not wanted:
            return
        people = [rig.person() for _ in range(200)]

        def act(turn: int) -> None:
            rig.sandbox.join(rig.channel, people[turn])
            rig.sandbox.leave(rig.channel, people[turn])

        heard = await rig.hear(act, lambda all_: wanted <= {item.kind for item in _interactions(all_)})
        for item in _interactions(heard):
            if item.kind in wanted:
                assert item.member in {rig.sandbox.member_id(person) for person in people}
                assert item.channel == rig.channel

    @pytest.mark.requires(any_of=_SOURCES)
    async def test_a_duplicate_is_recognised(self, rig: Rig) -> None:
        """An event delivered twice has the same event id and the same interaction id."""
        rig.faults.set([FaultRule(FaultKind.DUPLICATE_EVENT)])
        person = rig.person()
        rig.sandbox.join(rig.channel, person)

        def act(turn: int) -> None:
            for number in range(3):
                rig.sandbox.say(rig.channel, person, f"twice-{turn}-{number}")

        def enough(all_: list[tuple[RawEvent, Parsed]]) -> bool:
            return any(text.endswith("-2") for text in _texts(all_, "twice-"))

        heard = await rig.hear(act, enough)
        by_text: dict[str, set[tuple[str, str]]] = {}
        for raw, parsed in heard:
            for item in parsed.interactions:
                if item.text.startswith("twice-"):
                    by_text.setdefault(item.text, set()).add((raw.event_id, item.id))
        for text, seen in by_text.items():
            assert len(seen) == 1, f"{text} came under {seen}"

    @pytest.mark.requires(any_of=_SOURCES)
    async def test_a_late_event_keeps_its_time(self, rig: Rig) -> None:
        """An event delivered behind later ones is not lost, and says when it happened, not when it came."""
        rig.faults.set([FaultRule(FaultKind.LATE_EVENT, times=1)])
        person = rig.person()

        def act(turn: int) -> None:
            if turn == 0:
                rig.sandbox.join(rig.channel, person)
            for number in range(4):
                rig.clock.advance(60.0)
                rig.sandbox.say(rig.channel, person, f"late-{turn}-{number}")

        def whole(all_: list[tuple[RawEvent, Parsed]]) -> list[list[Interaction]]:
            turns: dict[str, list[Interaction]] = {}
            for text, item in sorted(_texts(all_, "late-").items()):
                turns.setdefault(text.rpartition("-")[0], []).append(item)
            return [items for items in turns.values() if len(items) == 4]

        heard = await rig.hear(act, lambda all_: bool(whole(all_)))
        for items in whole(heard):
            times = [item.occurred_at for item in items]
            assert times == sorted(times)
            assert times[-1] - times[0] >= timedelta(minutes=2)

    @pytest.mark.requires(Capability.POLL_EVENTS)
    async def test_events_come_in_order_until_acknowledged(self, rig: Rig) -> None:
        """Order is that of the happening; what was not acknowledged comes again under the same ids."""
        person = rig.person()
        rig.sandbox.join(rig.channel, person)

        def act(turn: int) -> None:
            for number in range(4):
                rig.sandbox.say(rig.channel, person, f"again-{turn}-{number}")

        act(0)
        first = await within(rig.adapter.receive(None))
        again = await within(rig.adapter.receive(None))
        assert first.events
        assert [raw.event_id for raw in again.events][: len(first.events)] == [
            raw.event_id for raw in first.events
        ]
        heard = await rig.hear(lambda _: None, lambda all_: len(_texts(all_, "again-0")) == 4)
        assert list(_texts(heard, "again-0")) == [f"again-0-{number}" for number in range(4)]

    @pytest.mark.requires(any_of=(*_SOURCES, Capability.WEBHOOK))
    async def test_unknown_events_are_kept(self, rig: Rig) -> None:
        """A type that is not known gives `known=False`, never an error."""
        parsed = rig.adapter.parse(RawEvent(event_id="unknown", payload=self.unknown_event))
        assert parsed.known is False
        assert not parsed.interactions
        assert isinstance(parsed.kind, str)

    @pytest.mark.requires(any_of=(*_SOURCES, Capability.WEBHOOK))
    @pytest.mark.parametrize("payload", _NONSENSE, ids=lambda payload: repr(payload[:5]))
    async def test_nonsense_is_a_typed_error(self, rig: Rig, payload: bytes) -> None:
        """What is no event at all raises InvalidInput, or is kept as unknown; nothing else."""
        try:
            parsed = rig.adapter.parse(RawEvent(event_id="nonsense", payload=payload))
        except InvalidInput:
            return
        assert parsed.known is False


@every_test_requires(Capability.WEBHOOK)
class WebhookContract(ContractHooks):
    """Webhooks are believed only when they are signed, new and small."""

    async def test_signed_webhook_is_taken(self, rig: Rig) -> None:
        """A typical event gives events that can be read."""
        reply = rig.adapter.verify(self.sign_webhook(rig, None))
        assert 200 <= reply.status < 300
        assert reply.events
        for raw in reply.events:
            assert raw.event_id
            assert isinstance(rig.adapter.parse(raw), Parsed)

    async def test_forged_webhook_is_refused(self, rig: Rig) -> None:
        """Without headers, query or with another signature it is VerificationFailed."""
        good = self.sign_webhook(rig, None)
        forged = [
            WebhookRequest(good.method, good.path, {}, {}, good.body, good.received_at),
            *(
                WebhookRequest(good.method, good.path, query, headers, good.body, good.received_at)
                for query, headers in _tampered(good)
            ),
        ]
        for request in forged:
            with pytest.raises(VerificationFailed):
                rig.adapter.verify(request)

    @pytest.mark.parametrize("body", [b"", b"\xff\x00", b"{", b"<xml>", b"[" * 50_000])
    async def test_unreadable_webhook_is_refused(self, rig: Rig, body: bytes) -> None:
        """A body that is no event, signed as the typical one was, is VerificationFailed or gives no known event."""
        good = self.sign_webhook(rig, None)
        request = WebhookRequest(good.method, good.path, good.query, good.headers, body, good.received_at)
        try:
            reply = rig.adapter.verify(request)
        except VerificationFailed:
            return
        for raw in reply.events:
            try:
                parsed = rig.adapter.parse(raw)
            except InvalidInput:
                continue
            assert not parsed.known, "a body that is no event was taken for one"

    async def test_replayed_webhook_is_refused_or_recognised(self, rig: Rig) -> None:
        """The same request again is refused or has the same event ids; a day later it is refused where time is signed."""
        request = self.sign_webhook(rig, None)
        first = [raw.event_id for raw in rig.adapter.verify(request).events]
        try:
            second = [raw.event_id for raw in rig.adapter.verify(request).events]
        except VerificationFailed:
            second = first
        assert second == first
        if self.undated_webhooks:
            return
        rig.clock.advance(timedelta(days=1))
        old = WebhookRequest(
            request.method, request.path, request.query, request.headers, request.body, rig.clock.now()
        )
        with pytest.raises(VerificationFailed):
            rig.adapter.verify(old)

    async def test_oversized_webhook_is_refused(self, rig: Rig) -> None:
        """Sixteen MiB are refused, even when they are signed."""
        with pytest.raises(VerificationFailed):
            rig.adapter.verify(self.sign_webhook(rig, b'{"x":"' + b"x" * OVERSIZE + b'"}'))


def _known(names: Iterable[str]) -> list[str]:
    kinds = {str(kind) for kind in InteractionKind}
    return [name for name in names if name in kinds]


def _tampered(good: WebhookRequest) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Give the query and headers of a request, each time with one signing value changed."""
    marks = ("sign", "token", "secret", "ed25519")
    changed: list[tuple[dict[str, str], dict[str, str]]] = []
    for name, value in good.query.items():
        if any(mark in name.lower() for mark in marks):
            changed.append(({**good.query, name: _flip(value)}, dict(good.headers)))
    for name, value in good.headers.items():
        if any(mark in name.lower() for mark in marks):
            changed.append((dict(good.query), {**good.headers, name: _flip(value)}))
    return changed


def _flip(value: str) -> str:
    return ("0" if value[:1] != "0" else "1") + value[1:]
