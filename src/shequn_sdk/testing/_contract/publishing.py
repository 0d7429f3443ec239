"""Publishing: what lands, limits, order, and what happens when it goes wrong."""

from __future__ import annotations

import math
import random
import socket
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest
import regex

from shequn_sdk.domain import Button, Content, Piece, Poll, Post
from shequn_sdk.errors import (
    AuthFailed,
    InvalidContent,
    Landing,
    NotSupported,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)
from shequn_sdk.platforms.manifest import Capability, TextLimit, measure
from shequn_sdk.testing._contract.hooks import ContractHooks, every_test_requires
from shequn_sdk.testing._contract.manifest import PHOTO
from shequn_sdk.testing._contract.rig import HastyClock, Rig, fill, soon_after, within
from shequn_sdk.testing.sandbox.api import FaultKind
from shequn_sdk.testing.sandbox.faults import FaultRule

__all__ = ["FaultContract", "PublishContract"]

_C = Capability
_ALPHABETS = ("ascii", "hanzi", "emoji", "family")
_PERHAPS = (FaultKind.SERVER_ERROR_AFTER, FaultKind.RESET_AFTER, FaultKind.MALFORMED)


async def _publish(rig: Rig, piece: Piece, key: str, *, channel: str = "") -> Post:
    request = rig.adapter.publish(channel or rig.channel, piece, idempotency_key=key)
    return await within(request, clock=rig.clock)


@every_test_requires(Capability.PUBLISH_TEXT)
class PublishContract(ContractHooks):
    """What is published stands on the platform as it was asked for."""

    async def test_text_lands(self, rig: Rig) -> None:
        """A text stands in the channel, and the post names it."""
        post = await _publish(rig, self.piece("契约 contract-1"), "key-1")
        assert post.channel.native_id == rig.channel
        assert post.channel.account == rig.account.name
        assert post.native_id
        assert soon_after(rig.clock, post.landed_at), (
            f"landed_at is {post.landed_at}, the sandbox has {rig.clock.now()}"
        )
        assert rig.standing("contract-1") == 1
        assert rig.recorder.requests >= 1

    async def test_order_in_a_channel_is_kept(self, rig: Rig) -> None:
        """Messages stand in the order in which they were published, each under its own id."""
        posts: list[Post] = []
        for number in range(6):
            rig.clock.advance(timedelta(seconds=5))
            posts.append(await _publish(rig, self.piece(f"order-{number}."), f"order-{number}"))
        found = [text for text in rig.texts() if "order-" in text]
        assert [regex.search(r"order-\d", text).group() for text in found] == [f"order-{n}" for n in range(6)]  # pyright: ignore[reportOptionalMemberAccess]
        assert len({post.native_id for post in posts}) == 6
        assert [post.landed_at for post in posts] == sorted(post.landed_at for post in posts)

    @pytest.mark.parametrize("alphabet", _ALPHABETS)
    async def test_text_limit_is_exact(self, rig: Rig, alphabet: str) -> None:
        """A text of the maximum in the declared unit lands, one unit more is InvalidContent and stands nowhere."""
        await self._exact(rig, rig.manifest.limits.text, alphabet, self.piece)

    @pytest.mark.requires(Capability.PUBLISH_PHOTO, caption_with_media=True)
    async def test_caption_limit_is_exact(self, rig: Rig) -> None:
        """The same for the text that goes with a picture."""
        limit = rig.manifest.limits.caption or rig.manifest.limits.text
        await self._exact(
            rig, limit, "ascii", lambda text: self.piece(text).model_copy(update={"media": (PHOTO,)})
        )

    async def _exact(self, rig: Rig, limit: TextLimit, alphabet: str, make: Any) -> None:
        overhead = _overhead(make, limit)
        room = TextLimit(maximum=limit.maximum - overhead, unit=limit.unit)
        await _publish(rig, make(fill(room, alphabet, prefix="b")), f"at-{alphabet}")
        stands = len(rig.texts())
        rig.clock.advance(timedelta(minutes=2))
        with pytest.raises(InvalidContent) as caught:
            await _publish(rig, make(fill(room, alphabet, over=True, prefix="b")), f"past-{alphabet}")
        assert caught.value.landed is Landing.SURELY_NOT
        assert len(rig.texts()) == stands

    @pytest.mark.requires(Capability.PUBLISH_POLL)
    async def test_poll_limits_are_exact(self, rig: Rig) -> None:
        """Question, choices and their number: the maximum lands, one more is InvalidContent."""
        limits = rig.manifest.limits
        assert limits.poll_question is not None
        assert limits.poll_choice is not None
        fewest, most = limits.poll_choices
        choices = tuple(f"c{number}" for number in range(most))
        long = fill(limits.poll_choice, "hanzi")
        good = (
            Poll(question=fill(limits.poll_question, "hanzi"), choices=choices),
            Poll(question="q", choices=(long, *choices[1:])),
            Poll(question="q", choices=choices[:fewest]),
        )
        bad = [
            Poll(question=fill(limits.poll_question, "hanzi", over=True), choices=choices),
            Poll(question="q", choices=(fill(limits.poll_choice, "hanzi", over=True), *choices[1:])),
            Poll(question="q", choices=(*choices, "more")),
        ]
        if fewest > 1:
            bad.append(Poll(question="q", choices=choices[: fewest - 1]))
        for number, poll in enumerate(good):
            rig.clock.advance(timedelta(minutes=2))
            await _publish(rig, Piece(poll=poll), f"good-{number}")
        for number, poll in enumerate(bad):
            rig.clock.advance(timedelta(minutes=2))
            with pytest.raises(InvalidContent):
                await _publish(rig, Piece(poll=poll), f"bad-{number}")

    @pytest.mark.requires(Capability.BUTTONS)
    async def test_button_data_limit_is_exact(self, rig: Rig) -> None:
        """A button's data of the maximum lands, one more is InvalidContent."""
        limit = rig.manifest.limits.button_data
        if limit is None:
            return
        piece = self.piece("按钮")
        at, past = (Button(label="好", data=fill(limit, "ascii", over=over)) for over in (False, True))
        await _publish(rig, piece.model_copy(update={"buttons": ((at,),)}), "at")
        with pytest.raises(InvalidContent):
            await _publish(rig, piece.model_copy(update={"buttons": ((past,),)}), "past")

    async def test_compose_breaks_no_entity_and_no_grapheme(self, rig: Rig) -> None:
        """Long formatted texts are split within the limit, at grapheme bounds, with every mark closed; all of it lands."""
        from shequn_sdk.publishing.compose import compose

        manifest = rig.manifest
        rng = random.Random(5)
        for number in range(4):
            text = _formatted(rng, manifest.limits.text)
            variant = compose(Content(text=text), manifest)
            assert variant.pieces
            whole = "".join(piece.text for piece in variant.pieces)
            for sign in "健睡":
                assert whole.count(sign) == text.count(sign), "compose lost a part of the text, or doubled it"
            for piece in variant.pieces:
                check_piece(piece, manifest.limits.text, manifest.markup.marks.values())
            if manifest.limits.link_required_domain:
                continue
            for part, piece in enumerate(variant.pieces):
                rig.clock.advance(timedelta(minutes=2))
                await _publish(rig, piece, f"compose-{number}-{part}")

    async def test_unknown_channel_is_a_typed_error(self, rig: Rig) -> None:
        """A channel that is not there raises TargetNotFound (or PermissionDenied, where the platform hides it)."""
        with pytest.raises((TargetNotFound, PermissionDenied)) as caught:
            await _publish(rig, self.piece("nowhere"), "nowhere", channel=self.missing_channel(rig))
        assert caught.value.landed is Landing.SURELY_NOT
        assert caught.value.platform == rig.spec.name
        assert caught.value.operation, "say which call failed"

    @pytest.mark.requires(Capability.MASS_MESSAGE, confirmed_by_person=True)
    async def test_a_person_confirms(self, rig: Rig) -> None:
        """Nobody got it before the person in charge pressed send; afterwards somebody did."""
        post = await _publish(rig, self.piece("to-confirm"), "confirm")
        before = await within(rig.adapter.get_confirmation(rig.channel, post.native_id))
        assert before.sent == 0
        assert before.pending > 0
        rig.sandbox.confirm(rig.channel, post.native_id)
        after = await within(rig.adapter.get_confirmation(rig.channel, post.native_id))
        assert after.sent > 0
        assert after.pending < before.pending

    @pytest.mark.requires(native_key=True)
    async def test_same_key_lands_once(self, rig: Rig) -> None:
        """Where the platform has keys, the same key twice makes one message, also after a broken connection."""
        piece = self.piece("once-only")
        await _publish(rig, piece, "same")
        await _publish(rig, piece, "same")
        assert rig.standing("once-only") == 1
        again = self.piece("after-reset")
        rig.faults.set([FaultRule(FaultKind.RESET_AFTER, operation="publish", times=1)])
        with pytest.raises(Unavailable):
            await _publish(rig, again, "reset")
        await _publish(rig, again, "reset")
        assert rig.standing("after-reset") == 1

    @pytest.mark.requires(Capability.RECONCILE)
    async def test_what_perhaps_landed_is_found(self, rig: Rig) -> None:
        """After a broken connection the post is found; what was never sent is not."""
        since = rig.clock.now() - timedelta(seconds=1)
        piece, never = self.piece("found-again"), self.piece("never-sent")
        rig.faults.set([FaultRule(FaultKind.RESET_AFTER, operation="publish", times=1)])
        with pytest.raises(Unavailable):
            await _publish(rig, piece, "found")
        rig.clock.advance(rig.manifest.idempotency.reconcile_delay + timedelta(minutes=2))
        post = await within(rig.adapter.find_landed(rig.channel, piece, idempotency_key="found", since=since))
        assert post is not None
        stands = [m.native_id for m in rig.sandbox.messages(rig.channel) if "found-again" in m.text]
        assert post.native_id in stands
        assert (
            await within(rig.adapter.find_landed(rig.channel, never, idempotency_key="never", since=since))
            is None
        )


@every_test_requires(Capability.PUBLISH_TEXT)
class FaultContract(ContractHooks):
    """A failed request is reported as what it is: surely not landed, or perhaps."""

    @pytest.mark.parametrize("kind", _PERHAPS)
    async def test_unknown_outcome_is_neither_failure_nor_success(self, rig: Rig, kind: FaultKind) -> None:
        """It happened, but no clear answer came: Unavailable that says PERHAPS, and no second attempt inside."""
        rig.faults.set([FaultRule(kind, operation="publish", times=1)])
        with pytest.raises(PlatformError) as caught:
            await _publish(rig, self.piece("perhaps-1"), "perhaps")
        assert isinstance(caught.value, Unavailable)
        assert caught.value.landed is Landing.PERHAPS
        assert rig.standing("perhaps-1") == 1, "the publish request did not reach the fault: see operation()"

    async def test_late_answer_is_an_unknown_outcome(self, rig: Rig) -> None:
        """An answer after the time-out is Unavailable and PERHAPS."""
        rig.faults.set([FaultRule(FaultKind.SLOW, operation="publish", times=1, delay=20.0)])
        async with rig.another(timeout=1.0) as hurried:
            with pytest.raises(Unavailable) as caught:
                await within(hurried.publish(rig.channel, self.piece("late-1"), idempotency_key="late"))
        assert caught.value.landed is Landing.PERHAPS

    @pytest.mark.parametrize("kind", [FaultKind.SERVER_ERROR, FaultKind.RESET_BEFORE])
    async def test_nothing_happened_is_never_success(self, rig: Rig, kind: FaultKind) -> None:
        """A request that had no effect raises a retryable error and is not repeated inside."""
        rig.faults.set([FaultRule(kind, operation="publish", times=1)])
        with pytest.raises(PlatformError) as caught:
            await _publish(rig, self.piece("nothing-1"), "nothing")
        assert caught.value.retryable
        assert rig.standing("nothing-1") == 0, (
            "publish was repeated inside the adapter; the ledger decides about that"
        )

    async def test_unreached_platform_is_surely_not_landed(self, rig: Rig) -> None:
        """Nobody listens at base_url: Unavailable that says SURELY_NOT."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            closed = f"http://127.0.0.1:{sock.getsockname()[1]}"
            async with rig.another(base_url=closed, clock=HastyClock(rig.clock)) as lost:
                with pytest.raises(Unavailable) as caught:
                    await within(lost.publish(rig.channel, self.piece("lost"), idempotency_key="lost"))
        assert caught.value.landed is Landing.SURELY_NOT

    async def test_rate_limit_is_reported_with_its_wait(self, rig: Rig) -> None:
        """Too many requests raise RateLimited with the platform's own wait; nothing stands, nothing is repeated."""
        rig.faults.set([FaultRule(FaultKind.RATE_LIMIT, operation="publish", times=1, delay=7.0)])
        with pytest.raises(RateLimited) as caught:
            await _publish(rig, self.piece("limited-1"), "limited")
        assert caught.value.landed is Landing.SURELY_NOT
        waited = caught.value.retry_after
        assert waited is None or 7.0 <= waited.total_seconds() <= 9.0 or not _says_wait(rig)
        assert waited is not None or not _says_wait(rig), (
            "the platform said how long to wait, the error does not"
        )
        assert rig.standing("limited-1") == 0

    async def test_retry_after_is_obeyed(self, rig: Rig) -> None:
        """A read that is limited either waits as long as it was told, or says so to the caller."""
        clock = HastyClock(rig.clock)
        async with rig.another(clock=clock) as patient:
            rig.faults.set([FaultRule(FaultKind.RATE_LIMIT, times=1, delay=7.0)])
            try:
                await within(patient.check())
            except RateLimited as error:
                waited = error.retry_after.total_seconds() if error.retry_after else None
            else:
                waited = clock.slept
        if _says_wait(rig):
            assert waited is not None
            assert waited >= 7.0, f"asked to wait 7 s, waited {waited} s"
        assert rig.faults.played.total() == 1, "check() made no request that can be limited"

    async def test_wrong_secret_is_auth_failed(self, rig: Rig) -> None:
        """A wrong secret raises AuthFailed, for check and for publish."""
        async with rig.another(secrets=self.wrong_secrets(rig)) as stranger:
            with pytest.raises(AuthFailed):
                await within(stranger.check())
            with pytest.raises(AuthFailed) as caught:
                await within(
                    stranger.publish(rig.channel, self.piece("stranger"), idempotency_key="stranger")
                )
        assert caught.value.landed is Landing.SURELY_NOT
        assert rig.standing("stranger") == 0

    async def test_publishing_can_be_cancelled(self, rig: Rig) -> None:
        """A cancelled publish ends, and the adapter works on."""
        rig.faults.set([FaultRule(FaultKind.SLOW, operation="publish", times=1, delay=20.0)])
        with anyio.move_on_after(0.3) as scope:
            await rig.adapter.publish(rig.channel, self.piece("cancelled"), idempotency_key="cancelled")
        assert scope.cancelled_caught
        rig.faults.clear()
        await _publish(rig, self.piece("works-on"), "works-on")
        assert rig.standing("works-on") == 1


def _says_wait(rig: Rig) -> bool:
    """Whether the platform's own answer for too many requests says how long to wait."""
    _, headers, body = rig.sandbox.rate_limited(7.0)
    return any(name.lower() == "retry-after" for name in headers) or b"retry" in body.lower()


def _overhead(make: Any, limit: TextLimit) -> int:
    """Give what `make` adds to a text, in the limit's unit."""
    try:
        return measure(make("bb").text, limit.unit) - measure("bb", limit.unit)
    except NotSupported:  # pragma: no cover - a hook of the plugin
        return 0


_UNITS = (
    "健康",
    "睡得好",
    "a word ",
    "👨‍👩‍👧",
    "👍🏽",
    "🇨🇳",
    "e\u0301",
    "❤️",
    "한글",
    "，",
    "。\n",
    "\n\n",
    "क्षि",
    " ",
)
_WRAPS = ("**{}**", "*{}*", "~~{}~~", "`{}`", "[{}](https://example.org/a?b=c&d=e)")


def _formatted(rng: random.Random, limit: TextLimit) -> str:
    """Make a Markdown text of about two and a half times the limit."""
    parts: list[str] = []
    size = 0
    goal = min(math.ceil(limit.maximum * 2.5), 12_000)
    while size < goal:
        words = "".join(rng.choice(_UNITS) for _ in range(rng.randint(2, 30)))
        inner = words.replace("\n", " ").strip()
        text = rng.choice(_WRAPS).format(inner) if inner and rng.random() < 0.35 else words
        parts.append(text + " ")
        size += measure(text, limit.unit)
    return "".join(parts)


def check_piece(piece: Piece, limit: TextLimit, marks: Sequence[tuple[str, str]] | Any) -> None:
    """Check that a piece is within its limit and that nothing was cut in the middle."""
    text = piece.text
    assert limit.fits(text), (
        f"a piece measures {measure(text, limit.unit)} {limit.unit}, {limit.maximum} is the limit"
    )
    assert text.strip(), "a piece is empty"
    text.encode()  # a lone surrogate fails here
    assert not regex.match(r"\p{M}|\u200d|[\ufe00-\ufe0f]|\p{Emoji_Modifier}", text), (
        "a piece begins inside a grapheme"
    )
    assert not text.endswith("\u200d"), "a piece ends inside a grapheme"
    flags = regex.search(r"[\U0001F1E6-\U0001F1FF]+$", text)
    assert flags is None or len(flags.group()) % 2 == 0, "a flag was cut in half"
    bounds = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    for entity in piece.entities:
        assert entity.offset + entity.length <= len(text), "an entity reaches past its piece"
        assert {entity.offset, entity.offset + entity.length} <= bounds, "an entity ends inside a grapheme"
    for opening, closing in marks:
        if opening == closing and len(opening) > 1:
            assert text.count(opening) % 2 == 0, f"{opening} is not closed in its piece"
        elif opening != closing and opening.startswith("<"):
            assert text.count(opening) == text.count(closing), f"{opening} is not closed in its piece"
