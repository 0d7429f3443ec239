"""Caring for members: who asks to come in, who is welcomed and tagged, and what members write, show and press."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shequn_sdk.domain import Button, InteractionKind
from shequn_sdk.errors import InvalidContent, Landing, PlatformError
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.testing._contract.hooks import ContractHooks
from shequn_sdk.testing._contract.manifest import PHOTO
from shequn_sdk.testing._contract.rig import Rig, within

__all__ = ["CaringContract"]

_SOURCES = (Capability.POLL_EVENTS, Capability.GATEWAY)


def _stands(rig: Rig, words: str) -> int:
    """Count the messages of the account that hold `words`, wherever the platform shows them."""
    return sum(rig.standing(words, channel.native_id) for channel in rig.sandbox.channels())


class CaringContract(ContractHooks):
    """What is done for one member reaches that member, once."""

    @pytest.mark.requires(Capability.TAGS)
    async def test_a_tag_is_put_on_and_taken_off(self, rig: Rig) -> None:
        """A tag stands on its member until it is taken off; doing either twice is no error."""
        member, other = self.member_to_tag(rig), self.member_to_tag(rig)
        tag = self.tag(rig)
        assert tag not in self.tags_of(rig, member)
        for _ in range(2):
            await within(rig.adapter.tag(member, add=[tag]))
            assert tag in self.tags_of(rig, member)
        assert tag not in self.tags_of(rig, other), "another member was tagged as well"
        for _ in range(2):
            await within(rig.adapter.tag(member, remove=[tag]))
            assert tag not in self.tags_of(rig, member)

    @pytest.mark.requires(Capability.TAGS)
    async def test_a_tag_that_is_not_there_is_refused(self, rig: Rig) -> None:
        """An unknown tag, or an unknown member, is a typed error and changes nothing."""
        member, tag = self.member_to_tag(rig), self.tag(rig)
        stranger = rig.sandbox.member_id(rig.person())
        before = set(self.tags_of(rig, member))
        for who, what in ((member, f"{tag}-not-there"), (stranger, tag)):
            with pytest.raises(PlatformError) as caught:
                await within(rig.adapter.tag(who, add=[what]))
            assert caught.value.landed is Landing.SURELY_NOT
        assert set(self.tags_of(rig, member)) == before

    @pytest.mark.requires(Capability.WELCOME)
    async def test_a_newcomer_is_welcomed_once(self, rig: Rig) -> None:
        """The platform's own welcome reaches a newcomer; a second one for the same joining does not."""
        joined = await self.newcomer(rig)
        assert joined.kind in {InteractionKind.JOIN, InteractionKind.FOLLOW}
        assert joined.member
        await within(rig.adapter.welcome(joined, self.piece("welcome-word")))
        assert _stands(rig, "welcome-word") == 1
        with pytest.raises(PlatformError) as caught:
            await within(rig.adapter.welcome(joined, self.piece("welcome-word")))
        assert caught.value.landed is Landing.SURELY_NOT
        assert _stands(rig, "welcome-word") == 1

    @pytest.mark.requires(Capability.WELCOME)
    async def test_a_welcome_that_comes_too_late_is_refused(self, rig: Rig) -> None:
        """A day after the joining, and without a joining, no welcome is sent: the error says so."""
        joined = await self.newcomer(rig)
        rig.clock.advance(timedelta(days=1))
        for told in (joined, joined.model_copy(update={"attrs": {}})):
            with pytest.raises(PlatformError) as caught:
                await within(rig.adapter.welcome(told, self.piece("late-welcome")))
            assert caught.value.landed is Landing.SURELY_NOT
        assert _stands(rig, "late-welcome") == 0

    @pytest.mark.requires(Capability.JOIN_REQUESTS, Capability.INVITES, Capability.MEMBER_COUNT)
    async def test_an_applicant_is_let_in_or_turned_away(self, rig: Rig) -> None:
        """Who asks to come in is a member after approval, and is none after a refusal."""
        invite = await within(rig.adapter.create_invite(rig.channel, name="by request", needs_approval=True))
        welcome, unwelcome = rig.person(), rig.person()
        before = await within(rig.adapter.count_members(rig.channel))
        for person in (welcome, unwelcome):
            rig.sandbox.join(rig.channel, person, invite=invite.id)
        assert await within(rig.adapter.count_members(rig.channel)) == before, "applicants are no members yet"
        await within(rig.adapter.approve_join(rig.channel, rig.sandbox.member_id(welcome)))
        assert await within(rig.adapter.count_members(rig.channel)) == before + 1
        await within(rig.adapter.decline_join(rig.channel, rig.sandbox.member_id(unwelcome)))
        assert await within(rig.adapter.count_members(rig.channel)) == before + 1
        with pytest.raises(PlatformError):
            await within(rig.adapter.approve_join(rig.channel, rig.sandbox.member_id(unwelcome)))

    @pytest.mark.requires(Capability.DELETE_OTHERS)
    async def test_a_members_message_is_deleted(self, rig: Rig) -> None:
        """What a member wrote is gone, their other messages are not; deleting it again is no error."""
        person = rig.person()
        rig.sandbox.join(rig.channel, person)
        gone = rig.sandbox.say(rig.channel, person, "to be removed")
        kept = rig.sandbox.say(rig.channel, person, "to be kept")
        for _ in range(2):
            await within(rig.adapter.delete(rig.channel, gone))
        standing = {message.native_id for message in rig.sandbox.messages(rig.channel)}
        assert gone not in standing
        assert kept in standing

    @pytest.mark.requires(Capability.PICTURES)
    async def test_a_members_picture_is_loaded(self, rig: Rig) -> None:
        """The message names the picture, which comes as it was posted; a larger one than wanted is refused."""
        picture = PHOTO.data
        assert picture is not None
        shown = await self.shown_picture(rig, picture)
        names = shown.attrs["pictures"]
        assert isinstance(names, list | tuple)
        (name,) = names
        assert await within(rig.adapter.load_picture(name, most_bytes=len(picture))) == picture
        with pytest.raises(InvalidContent):
            await within(rig.adapter.load_picture(name, most_bytes=len(picture) - 1))

    @pytest.mark.requires(Capability.ANSWER_BUTTON, Capability.BUTTONS, any_of=_SOURCES)
    async def test_a_pressed_button_is_heard_and_answered(self, rig: Rig) -> None:
        """Who pressed what arrives, and can be acknowledged."""
        piece = self.piece("press here").model_copy(
            update={"buttons": ((Button(label="好", data="press-me"),),)}
        )
        post = await within(rig.adapter.publish(rig.channel, piece, idempotency_key="k"))
        person = rig.person()
        rig.sandbox.join(rig.channel, person)
        pressed = await rig.hear_one(
            InteractionKind.BUTTON,
            lambda _: rig.sandbox.press(rig.channel, person, post.native_id, "press-me"),
        )
        assert pressed.member == rig.sandbox.member_id(person)
        assert pressed.message == post.native_id
        assert pressed.text == "press-me" or pressed.attrs.get("data") == "press-me"
        await within(rig.adapter.answer_button(pressed, "thanks"))

    @pytest.mark.requires(Capability.MASS_MESSAGE, confirmed_by_person=True)
    async def test_a_task_is_taken_back_before_anybody_sends_it(self, rig: Rig) -> None:
        """The person in charge can be reminded; what is taken back waits for nobody and is sent to nobody."""
        post = await within(rig.adapter.publish(rig.channel, self.piece("taken-back"), idempotency_key="k"))
        await within(rig.adapter.remind(rig.channel, post.native_id))
        await within(rig.adapter.cancel_task(rig.channel, post.native_id))
        after = await within(rig.adapter.get_confirmation(rig.channel, post.native_id))
        assert (after.sent, after.pending) == (0, 0)
