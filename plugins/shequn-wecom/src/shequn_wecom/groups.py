"""Customer groups: listing, reading, and what changed between two readings (客户群). Documents 92120, 96338."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shequn_sdk.domain import Identity, Interaction, InteractionKind, MemberRef, Membership, Role
from shequn_sdk.errors import InvalidContent
from shequn_wecom import wire
from shequn_wecom.api import Api
from shequn_wecom.customers import slices
from shequn_wecom.errors import PLATFORM
from shequn_wecom.models import instant

__all__ = ["GroupMember", "GroupSnapshot", "Groups", "diff"]

_TOO_WIDE = "81017"
_SCENES = {1: "invited", 2: "link", 3: "qr_code"}


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A member of a customer group at one moment."""

    id: str
    joined_at: datetime | None = None
    scene: int = 0
    """join_scene: 1 invited, 2 invite link, 3 QR code of the group."""
    state: str = ""
    """State of the join way by which the member came."""
    external: bool = True
    name: str = ""
    invited_by: str = ""
    nickname: str = ""
    unionid: str = ""


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A customer group at one moment (客户群)."""

    id: str
    name: str = ""
    owner: str = ""
    notice: str = ""
    version: str = ""
    """member_version: changes with every change of members."""
    created_at: datetime | None = None
    members: Mapping[str, GroupMember] = field(default_factory=dict[str, GroupMember])
    admins: frozenset[str] = frozenset()

    def membership(self, member: GroupMember) -> Membership:
        """Give a member in the SDK's common form."""
        role = Role.MEMBER
        if member.id == self.owner:
            role = Role.OWNER
        elif member.id in self.admins:
            role = Role.ADMIN
        attrs: dict[str, Any] = {"external": member.external, "join_scene": member.scene}
        for name in ("state", "invited_by", "unionid"):
            if value := getattr(member, name):
                attrs[name] = value
        return Membership(
            identity=Identity(
                ref=MemberRef(platform=PLATFORM, native_id=member.id),
                display_name=member.name or member.nickname,
                attrs=attrs,
            ),
            role=role,
            joined_at=member.joined_at,
            title=member.nickname,
        )


def snapshot_of(group: wire.Group) -> GroupSnapshot:
    """Read the answer of groupchat/get."""
    return GroupSnapshot(
        id=group.chat_id,
        name=group.name,
        owner=group.owner,
        notice=group.notice,
        version=group.member_version,
        created_at=instant(group.create_time),
        members={
            item.userid: GroupMember(
                id=item.userid,
                joined_at=instant(item.join_time),
                scene=item.join_scene,
                state=item.state,
                external=item.type != 1,
                name=item.name,
                invited_by=item.invitor.userid if item.invitor else "",
                nickname=item.group_nickname,
                unionid=item.unionid,
            )
            for item in group.member_list
            if item.userid
        },
        admins=frozenset(item.userid for item in group.admin_list),
    )


def diff(
    old: Mapping[str, int] | None, new: GroupSnapshot, *, account: str, at: datetime
) -> list[Interaction]:
    """Give joins and leaves between two readings of a group's members.

    Args:
        old: id to time of joining (seconds; 0 unknown) at the earlier reading; None when there was none, which gives
            no interactions, because who was there before us did not join now.
        at: when the new reading was made; leaves have no time of their own.

    Somebody who left and came back between the readings has another time of joining and counts as both.
    """
    if old is None:
        return []
    found: list[Interaction] = []
    for member in new.members.values():
        joined = int(member.joined_at.timestamp()) if member.joined_at else 0
        before = old.get(member.id)
        if before is not None and (before == joined or not joined):
            continue
        if before is not None:
            found.append(_leave(new, member.id, before, account, member.joined_at or at))
        attrs: dict[str, Any] = {"join_scene": member.scene, "external": member.external}
        if member.scene in _SCENES:
            attrs["scene"] = _SCENES[member.scene]
        found.append(
            Interaction(
                id=f"join:{new.id}:{member.id}:{joined}",
                kind=InteractionKind.JOIN,
                platform=PLATFORM,
                account=account,
                channel=new.id,
                member=member.id,
                member_name=member.name,
                target=member.invited_by,
                occurred_at=member.joined_at or at,
                entrance=member.state,
                attrs=attrs,
            )
        )
    found += [
        _leave(new, member, joined, account, at)
        for member, joined in old.items()
        if member not in new.members
    ]
    return found


def _leave(group: GroupSnapshot, member: str, joined: int, account: str, at: datetime) -> Interaction:
    return Interaction(
        id=f"leave:{group.id}:{member}:{joined}",
        kind=InteractionKind.LEAVE,
        platform=PLATFORM,
        account=account,
        channel=group.id,
        member=member,
        occurred_at=at,
        attrs={"seen_by": "comparison", "version": group.version},
    )


class Groups:
    """Calls about customer groups."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def iter_ids(self, *, owners: Sequence[str] = (), status: int = 0) -> AsyncIterator[str]:
        """Give the ids of customer groups.

        Args:
            owners: only theirs; empty is everybody, who are named one hundred at a time where the range is too wide.
            status: 0 all, 1 owner left, 2 being transferred, 3 transferred.
        """
        try:
            async for chat in self._ids(owners, status):
                yield chat
        except InvalidContent as error:
            if owners or error.code != _TOO_WIDE:
                raise
            everybody = await self._api.get("externalcontact/get_follow_user_list", wire.FollowUsers)
            async for chat in self._ids(everybody.follow_user, status):
                yield chat

    async def _ids(self, owners: Sequence[str], status: int) -> AsyncIterator[str]:
        filters: list[dict[str, Any]] = [
            {"owner_filter": {"userid_list": part}} for part in slices(owners, 100)
        ] or [{}]
        for extra in filters:
            body = {"status_filter": status, **extra}
            async for page in self._api.pages(
                "externalcontact/groupchat/list", wire.GroupList, body, limit=1000
            ):
                for head in page.group_chat_list:
                    if head.chat_id:
                        yield head.chat_id

    async def get(self, chat: str) -> GroupSnapshot:
        """Read a group with its members; what changed less than two seconds ago may be missing.

        Raises:
            TargetNotFound: unknown, dismissed, or no customer group.
        """
        answer = await self._api.post(
            "externalcontact/groupchat/get",
            wire.GroupDetail,
            {"chat_id": chat, "need_name": 1},
            idempotent=True,
        )
        return snapshot_of(answer.group_chat)

    async def find_chat(self, opengid: str) -> str:
        """Give the chat id of a group that a mini program knows by its opengid."""
        answer = await self._api.post(
            "externalcontact/opengid_to_chatid", wire.Created, {"opengid": opengid}, idempotent=True
        )
        return answer.chat_id
