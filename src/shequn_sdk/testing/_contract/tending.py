"""Tending a channel: order, entrances, polls, pins and albums do on the platform what they say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shequn_sdk.domain import Piece, Poll, PollResult
from shequn_sdk.errors import ShequnError
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.platforms.ports import Invite
from shequn_sdk.testing._contract.hooks import ContractHooks
from shequn_sdk.testing._contract.manifest import PHOTO
from shequn_sdk.testing._contract.rig import Rig, within
from shequn_sdk.testing.sandbox.api import Person

__all__ = ["TendingContract"]


def _member(rig: Rig) -> tuple[Person, str]:
    person = rig.person()
    rig.sandbox.join(rig.channel, person)
    return person, rig.sandbox.member_id(person)


def _size(rig: Rig) -> int:
    return next(channel.members for channel in rig.sandbox.channels() if channel.native_id == rig.channel)


class TendingContract(ContractHooks):
    """What an operator does to members and messages has its effect, and can be undone."""

    @pytest.mark.requires(Capability.RESTRICT)
    async def test_the_restricted_cannot_write_until_lifted(self, rig: Rig) -> None:
        """A restricted member's message is refused by the platform; afterwards it is taken again."""
        person, member = _member(rig)
        await within(rig.adapter.restrict(rig.channel, member, until=None, reason="test"))
        with pytest.raises(ShequnError):
            rig.sandbox.say(rig.channel, person, "muted")
        await within(rig.adapter.unrestrict(rig.channel, member))
        assert rig.sandbox.say(rig.channel, person, "free again")

    @pytest.mark.requires(Capability.RESTRICT)
    async def test_a_restriction_ends_by_itself(self, rig: Rig) -> None:
        """After `until` the member may write without anybody's doing."""
        person, member = _member(rig)
        until = rig.clock.now() + timedelta(hours=2)
        await within(rig.adapter.restrict(rig.channel, member, until=until))
        with pytest.raises(ShequnError):
            rig.sandbox.say(rig.channel, person, "muted")
        rig.clock.move_to(until + timedelta(minutes=1))
        assert rig.sandbox.say(rig.channel, person, "free again")

    @pytest.mark.requires(Capability.BAN)
    async def test_the_banned_stay_out_until_unbanned(self, rig: Rig) -> None:
        """A banned member can neither write nor come back; lifting the ban twice is no error."""
        person, member = _member(rig)
        await within(rig.adapter.ban(rig.channel, member, reason="test"))
        with pytest.raises(ShequnError):
            rig.sandbox.say(rig.channel, person, "banned")
        with pytest.raises(ShequnError):
            rig.sandbox.join(rig.channel, person)
        for _ in range(2):
            await within(rig.adapter.unban(rig.channel, member))
        rig.sandbox.join(rig.channel, person)
        assert rig.sandbox.say(rig.channel, person, "back")

    @pytest.mark.requires(Capability.KICK)
    async def test_the_kicked_may_come_back(self, rig: Rig) -> None:
        """A kicked member is out, and can join again."""
        person, member = _member(rig)
        before = _size(rig)
        await within(rig.adapter.kick(rig.channel, member, reason="test"))
        assert _size(rig) == before - 1
        rig.sandbox.join(rig.channel, person)
        assert _size(rig) == before

    @pytest.mark.requires(Capability.ROLES, Capability.GET_MEMBER)
    async def test_a_role_is_given_and_taken(self, rig: Rig) -> None:
        """A role shows at its member while it is given; giving or taking it twice is no error."""
        _, member = _member(rig)
        role = self.role(rig)

        async def standing() -> object:
            found = await within(rig.adapter.get_member(rig.channel, member))
            return found.role, frozenset(found.roles), found.title

        before = await standing()
        for _ in range(2):
            await within(rig.adapter.grant_role(rig.channel, member, role))
            assert await standing() != before
        for _ in range(2):
            await within(rig.adapter.revoke_role(rig.channel, member, role))
            assert await standing() == before

    @pytest.mark.requires(Capability.COMMANDS)
    async def test_commands_are_published_replaced_and_taken_away(self, rig: Rig) -> None:
        """Each call replaces the commands before it; the same twice is no error, and none takes them away."""
        both = {"checkin": "打卡", "help": "帮助"}
        for commands in (both, both, {"help": "帮助"}, {}):
            await within(rig.adapter.set_commands(commands))

    @pytest.mark.requires(Capability.INVITES)
    async def test_an_entrance_lets_people_in(self, rig: Rig) -> None:
        """A named entrance has an id and an address; somebody comes through it; it can be ended."""
        invite = await within(rig.adapter.create_invite(rig.channel, name="poster"))
        assert isinstance(invite, Invite)
        assert invite.id
        assert invite.url
        rig.sandbox.join(rig.channel, rig.person(), invite=invite.id)
        await within(rig.adapter.revoke_invite(rig.channel, invite.id))

    @pytest.mark.requires(Capability.INVITE_USES, Capability.INVITES)
    async def test_uses_of_an_entrance_are_counted(self, rig: Rig) -> None:
        """An entrance's number of uses grows by one when somebody comes through it."""
        invite = await within(rig.adapter.create_invite(rig.channel, name="counted"))

        async def uses() -> int | None:
            found = await within(rig.adapter.list_invites(rig.channel))
            return next(one.uses for one in found if one.id == invite.id)

        assert await uses() == 0
        rig.sandbox.join(rig.channel, rig.person(), invite=invite.id)
        assert await uses() == 1

    @pytest.mark.requires(Capability.PIN, Capability.PUBLISH_TEXT)
    async def test_a_message_is_pinned_and_unpinned(self, rig: Rig) -> None:
        """Pinning and unpinning our own message works."""
        post = await within(rig.adapter.publish(rig.channel, self.piece("to-pin"), idempotency_key="k"))
        await within(rig.adapter.pin(rig.channel, post.native_id))
        await within(rig.adapter.unpin(rig.channel, post.native_id))

    @pytest.mark.requires(Capability.REPLY, Capability.PUBLISH_TEXT)
    async def test_a_reply_lands(self, rig: Rig) -> None:
        """A reply to our own message stands beside it."""
        post = await within(rig.adapter.publish(rig.channel, self.piece("first-word"), idempotency_key="k1"))
        piece = self.piece("reply-word").model_copy(update={"reply_to": post.native_id})
        answer = await within(rig.adapter.publish(rig.channel, piece, idempotency_key="k2"))
        assert answer.native_id != post.native_id
        assert rig.standing("reply-word") == 1

    @pytest.mark.requires(Capability.PUBLISH_ALBUM)
    async def test_an_album_lands_as_one_post(self, rig: Rig) -> None:
        """Two pictures are one post, whatever number of messages the platform makes of it."""
        before = len(rig.texts())
        piece = Piece(media=(PHOTO, PHOTO.model_copy(update={"filename": "dot2.png"})))
        post = await within(rig.adapter.publish(rig.channel, piece, idempotency_key="k"))
        assert post.native_id
        assert 1 <= len(rig.texts()) - before <= 2
        stands = {message.native_id for message in rig.sandbox.messages(rig.channel)}
        assert {post.native_id, *post.native_ids} <= stands

    @pytest.mark.requires(Capability.CLOSE_POLL, Capability.PUBLISH_POLL)
    async def test_a_closed_poll_tells_its_result(self, rig: Rig) -> None:
        """Closing gives the votes, and nobody votes afterwards."""
        poll = Poll(question="契约？", choices=("甲", "乙"), duration=timedelta(days=1))
        post = await within(rig.adapter.publish(rig.channel, Piece(poll=poll), idempotency_key="k"))
        person, _ = _member(rig)
        rig.sandbox.vote(rig.channel, person, post.native_id, 1)
        result = await within(rig.adapter.close_poll(rig.channel, post.native_id))
        assert isinstance(result, PollResult)
        assert result.closed
        assert result.votes == (0, 1)
        late, _ = _member(rig)
        with pytest.raises(ShequnError):
            rig.sandbox.vote(rig.channel, late, post.native_id, 0)

    @pytest.mark.requires(Capability.SLOW_MODE)
    async def test_slow_mode_is_set_and_ended(self, rig: Rig) -> None:
        """A delay and none are both taken."""
        await within(rig.adapter.set_slow_mode(rig.channel, timedelta(seconds=30)))
        await within(rig.adapter.set_slow_mode(rig.channel, timedelta(0)))

    @pytest.mark.requires(Capability.DIRECT_MESSAGE)
    async def test_a_member_can_be_written_to(self, rig: Rig) -> None:
        """The private channel of a member has an id."""
        _, member = _member(rig)
        assert await within(rig.adapter.direct_channel(member))

    @pytest.mark.requires(Capability.TOPICS, Capability.PUBLISH_TEXT)
    async def test_an_opened_topic_is_published_to(self, rig: Rig) -> None:
        """A topic has an id that a piece can be published to; closing it works."""
        channel = self.forum(rig)
        topic = await within(rig.adapter.open_topic(channel, "每周话题"))
        assert topic
        assert topic != channel
        post = await within(rig.adapter.publish(topic, self.piece("topic-word"), idempotency_key="k"))
        assert post.native_id
        await within(rig.adapter.close_topic(channel, topic))

    @pytest.mark.requires(Capability.SEARCH)
    async def test_what_was_said_is_found_by_its_words(self, rig: Rig) -> None:
        """A search gives the message that has the word, and not the others."""
        person, _ = _member(rig)
        said = rig.sandbox.say(rig.channel, person, "findable words")
        rig.sandbox.say(rig.channel, person, "something else")
        found = [one async for one in rig.adapter.search(rig.channel, "findable")]
        assert [one.message for one in found] == [said]
