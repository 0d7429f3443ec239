"""Reading back: channels, members, pages, and what is done to messages."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shequn_sdk.domain import Channel, Membership, Piece, Poll
from shequn_sdk.errors import TargetNotFound
from shequn_sdk.platforms.manifest import Capability
from shequn_sdk.testing._contract.hooks import ContractHooks
from shequn_sdk.testing._contract.rig import Rig, within

__all__ = ["ReadContract"]


async def _all(pages: Any) -> list[Any]:
    async def walk() -> list[Any]:
        return [item async for item in pages]

    return await within(walk())


class ReadContract(ContractHooks):
    """What the platform tells comes back whole and typed."""

    @pytest.mark.requires(Capability.CHANNEL_INFO)
    async def test_channel_is_described(self, rig: Rig) -> None:
        """`get_channel` names the channel; an unknown one is TargetNotFound."""
        channel = await within(rig.adapter.get_channel(rig.channel))
        assert isinstance(channel, Channel)
        assert channel.ref.native_id == rig.channel
        assert channel.ref.account == rig.account.name
        assert channel.platform == rig.spec.name
        with pytest.raises(TargetNotFound):
            await within(rig.adapter.get_channel(self.missing_channel(rig)))

    @pytest.mark.requires(Capability.LIST_CHANNELS)
    async def test_channels_are_listed(self, rig: Rig) -> None:
        """`iter_channels` gives every channel once."""
        made = {rig.sandbox.create_channel(f"契约 {number}") for number in range(12)}
        found = [channel.ref.native_id for channel in await _all(rig.adapter.iter_channels())]
        assert made <= set(found)
        assert max(Counter(found).values()) == 1

    @pytest.mark.requires(Capability.MEMBER_COUNT)
    async def test_members_are_counted(self, rig: Rig) -> None:
        """Three more members are three more."""
        before = await within(rig.adapter.count_members(rig.channel))
        for _ in range(3):
            rig.sandbox.join(rig.channel, rig.person())
        rig.clock.advance(timedelta(days=1))
        assert await within(rig.adapter.count_members(rig.channel)) == before + 3

    @pytest.mark.requires(Capability.GET_MEMBER)
    async def test_member_is_found(self, rig: Rig) -> None:
        """A member is given with id and name; a stranger is TargetNotFound."""
        person, stranger = rig.person(), rig.person()
        rig.sandbox.join(rig.channel, person)
        membership = await within(rig.adapter.get_member(rig.channel, rig.sandbox.member_id(person)))
        assert isinstance(membership, Membership)
        assert membership.identity.ref.platform == rig.spec.name
        assert membership.identity.ref.native_id == rig.sandbox.member_id(person)
        assert person.name in membership.identity.display_name
        with pytest.raises(TargetNotFound):
            await within(rig.adapter.get_member(rig.channel, rig.sandbox.member_id(stranger)))

    @pytest.mark.requires(Capability.LIST_MEMBERS)
    async def test_members_come_whole_across_pages(self, rig: Rig) -> None:
        """Every member is given once, however many pages there are."""
        people = [rig.person() for _ in range(self.crowd)]
        for person in people:
            rig.sandbox.join(rig.channel, person)
        found = [
            member.identity.ref.native_id for member in await _all(rig.adapter.iter_members(rig.channel))
        ]
        assert {rig.sandbox.member_id(person) for person in people} <= set(found)
        assert max(Counter(found).values()) == 1

    @pytest.mark.requires(Capability.READ_HISTORY)
    async def test_history_comes_whole_across_pages(self, rig: Rig) -> None:
        """Every message is given once, oldest first, and `since` is obeyed."""
        person = rig.person()
        rig.sandbox.join(rig.channel, person)
        middle = rig.clock.now()
        for number in range(self.crowd):
            rig.clock.advance(2.0)
            if number == self.crowd // 2:
                middle = rig.clock.now() - timedelta(seconds=1)
            rig.sandbox.say(rig.channel, person, f"history-{number}")
        told = [item for item in await _all(rig.adapter.iter_history(rig.channel)) if "history-" in item.text]
        assert [item.text for item in told] == [f"history-{number}" for number in range(self.crowd)]
        assert len({item.id for item in told}) == self.crowd
        later = await _all(rig.adapter.iter_history(rig.channel, since=middle))
        assert sum("history-" in item.text for item in later) == self.crowd - self.crowd // 2

    @pytest.mark.requires(Capability.COMMENTS)
    async def test_comments_come_whole_across_pages(self, rig: Rig) -> None:
        """Every comment under a post is given once; our own is among them and can be deleted."""
        person = rig.person()
        rig.sandbox.join(rig.channel, person) if rig.manifest.supports(Capability.LIST_MEMBERS) else None
        post = await within(rig.adapter.publish(rig.channel, self.piece("comment here"), idempotency_key="k"))
        for number in range(self.crowd):
            rig.clock.advance(1.0)
            rig.sandbox.say(rig.channel, person, f"comment-{number}", reply_to=post.native_id)
        rig.clock.advance(60.0)
        own = await within(rig.adapter.comment(rig.channel, post.native_id, "own-comment"))
        found = await _all(rig.adapter.iter_comments(rig.channel, post.native_id))
        texts = Counter(item.text for item in found)
        assert all(texts[f"comment-{number}"] == 1 for number in range(self.crowd))
        assert texts["own-comment"] == 1
        await within(rig.adapter.delete_comment(rig.channel, post.native_id, own))
        left = await _all(rig.adapter.iter_comments(rig.channel, post.native_id))
        assert "own-comment" not in {item.text for item in left}

    @pytest.mark.requires(Capability.EDIT, Capability.PUBLISH_TEXT)
    async def test_edit_replaces(self, rig: Rig) -> None:
        """The new text stands; the same edit again is no error."""
        post = await within(rig.adapter.publish(rig.channel, self.piece("before-edit"), idempotency_key="k"))
        for _ in range(2):
            await within(rig.adapter.edit(rig.channel, post.native_id, self.piece("after-edit")))
        assert rig.standing("before-edit") == 0
        assert rig.standing("after-edit") == 1

    @pytest.mark.requires(Capability.DELETE, Capability.PUBLISH_TEXT)
    async def test_delete_can_be_repeated(self, rig: Rig) -> None:
        """The message is gone; deleting it again is no error."""
        post = await within(rig.adapter.publish(rig.channel, self.piece("to-delete"), idempotency_key="k"))
        for _ in range(2):
            await within(rig.adapter.delete(rig.channel, post.native_id))
        assert rig.standing("to-delete") == 0

    @pytest.mark.requires(Capability.REACT, Capability.PUBLISH_TEXT)
    async def test_reaction_is_set_and_taken_away(self, rig: Rig) -> None:
        """Our own reaction stands, and goes."""
        post = await within(rig.adapter.publish(rig.channel, self.piece("to-react"), idempotency_key="k"))
        await within(rig.adapter.react(rig.channel, post.native_id, "👍"))
        assert self._reactions(rig, post.native_id) == 1
        await within(rig.adapter.react(rig.channel, post.native_id, ""))
        assert self._reactions(rig, post.native_id) == 0

    def _reactions(self, rig: Rig, native_id: str) -> int:
        found = [message for message in rig.sandbox.messages(rig.channel) if message.native_id == native_id]
        return sum(found[0].reactions.values())

    @pytest.mark.requires(Capability.PUBLISH_POLL, Capability.POLL_RESULTS)
    async def test_votes_are_read(self, rig: Rig) -> None:
        """Two votes for the second choice come back as such."""
        poll = Poll(question="契约？", choices=("甲", "乙", "丙"), duration=timedelta(days=1))
        post = await within(rig.adapter.publish(rig.channel, Piece(poll=poll), idempotency_key="k"))
        for _ in range(2):
            person = rig.person()
            rig.sandbox.join(rig.channel, person)
            rig.sandbox.vote(rig.channel, person, post.native_id, 1)
        result = await within(rig.adapter.get_poll(rig.channel, post.native_id))
        assert result.votes == (0, 2, 0)
        assert not result.closed

    @pytest.mark.requires(Capability.POST_METRICS, Capability.PUBLISH_TEXT)
    async def test_missing_posts_are_left_out_of_numbers(self, rig: Rig) -> None:
        """Counters name the post; a counter that the platform does not tell is None."""
        post = await within(rig.adapter.publish(rig.channel, self.piece("numbers"), idempotency_key="k"))
        numbers = await within(rig.adapter.get_post_numbers(rig.channel, [post.native_id]))
        assert [number.native_id for number in numbers] == [post.native_id]
        assert numbers[0].measured_at.tzinfo is not None
