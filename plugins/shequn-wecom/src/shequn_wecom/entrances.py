"""Named ways in: contact ways to a member, join ways into customer groups (渠道活码, 加入群聊). Documents 96348, 99547."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from shequn_sdk.platforms.ports import Invite
from shequn_wecom import wire
from shequn_wecom.api import Api

__all__ = ["MAX_STATE", "Entrances"]

MAX_STATE = 30
"""Characters of a state."""


def _contact_invite(way: wire.ContactWay) -> Invite:
    return Invite(
        id=way.config_id,
        url=way.qr_code or "",
        name=way.state,
        needs_approval=not way.skip_verify,
        attrs={"users": tuple(way.user), "remark": way.remark},
    )


class Entrances:
    """Calls about entrances. WeCom's console does not show those made here: keep their ids."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def create_contact_way(
        self, users: Sequence[str], *, state: str = "", remark: str = "", skip_verify: bool = True
    ) -> Invite:
        """Make a QR code that adds one of `users` as a contact; `state` comes back with who used it."""
        body: dict[str, Any] = {
            "type": 1 if len(users) == 1 else 2,
            "scene": 2,
            "remark": remark[:MAX_STATE],
            "skip_verify": skip_verify,
            "state": state,
            "user": list(users),
        }
        made = await self._api.post("externalcontact/add_contact_way", wire.Created, body)
        return Invite(
            id=made.config_id,
            url=made.qr_code or "",
            name=state,
            needs_approval=not skip_verify,
            attrs={"users": tuple(users), "remark": remark},
        )

    async def get_contact_way(self, config_id: str) -> Invite:
        """Read a contact way."""
        answer = await self._api.post(
            "externalcontact/get_contact_way", wire.ContactWays, {"config_id": config_id}, idempotent=True
        )
        ways = answer.contact_way
        if isinstance(ways, wire.ContactWay):
            return _contact_invite(ways)
        return _contact_invite(ways[0] if ways else wire.ContactWay(config_id=config_id))

    async def iter_contact_ways(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[str]:
        """Give the ids of contact ways made in a span; the platform's default is the last 90 days."""
        body: dict[str, Any] = {}
        if since is not None:
            body["start_time"] = int(since.timestamp())
        if until is not None:
            body["end_time"] = int(until.timestamp())
        async for page in self._api.pages(
            "externalcontact/list_contact_way", wire.ContactWays, body, limit=1000
        ):
            ways = page.contact_way
            for way in [ways] if isinstance(ways, wire.ContactWay) else ways:
                yield way.config_id

    async def update_contact_way(
        self, config_id: str, *, users: Sequence[str], state: str, remark: str | None = None
    ) -> None:
        """Change whom a contact way adds, and its state; None leaves the remark as it is."""
        body: dict[str, Any] = {"config_id": config_id, "user": list(users), "state": state}
        if remark is not None:
            body["remark"] = remark[:MAX_STATE]
        await self._api.post("externalcontact/update_contact_way", wire.Answer, body, idempotent=True)

    async def delete_contact_way(self, config_id: str) -> None:
        """End a contact way."""
        await self._api.post("externalcontact/del_contact_way", wire.Answer, {"config_id": config_id})

    async def create_join_way(
        self, chats: Sequence[str], *, state: str = "", remark: str = "", new_room_name: str = ""
    ) -> Invite:
        """Make a QR code into one to five customer groups; when they are full WeCom opens another.

        Args:
            new_room_name: name of the groups that are opened; "" opens none.
        """
        body: dict[str, Any] = {
            "scene": 2,
            "remark": remark[:MAX_STATE],
            "auto_create_room": 1 if new_room_name else 0,
            "chat_id_list": list(chats),
            "state": state,
        }
        if new_room_name:
            body["room_base_name"] = new_room_name
            body["room_base_id"] = 1
        made = await self._api.post("externalcontact/groupchat/add_join_way", wire.Created, body)
        return await self.get_join_way(made.config_id)

    async def get_join_way(self, config_id: str) -> Invite:
        """Read a join way."""
        way = await self._join_way(config_id)
        return Invite(
            id=way.config_id or config_id,
            url=way.qr_code or "",
            name=way.state,
            attrs={"chats": tuple(way.chat_id_list), "remark": way.remark},
        )

    async def _join_way(self, config_id: str) -> wire.JoinWay:
        answer = await self._api.post(
            "externalcontact/groupchat/get_join_way",
            wire.JoinWayAnswer,
            {"config_id": config_id},
            idempotent=True,
        )
        return answer.join_way

    async def update_join_way(
        self, config_id: str, *, chats: Sequence[str], state: str, remark: str | None = None
    ) -> None:
        """Change the groups and the state of a join way; None leaves the remark as it is.

        WeCom replaces the whole of it, so that the rest is read first and sent again. Costs two requests.
        """
        way = await self._join_way(config_id)
        body: dict[str, Any] = {
            "config_id": config_id,
            "scene": way.scene or 2,
            "remark": way.remark if remark is None else remark[:MAX_STATE],
            "auto_create_room": way.auto_create_room,
            "chat_id_list": list(chats),
            "state": state,
            "mark_source": way.mark_source,
        }
        if way.room_base_name:
            body |= {"room_base_name": way.room_base_name, "room_base_id": way.room_base_id}
        await self._api.post("externalcontact/groupchat/update_join_way", wire.Answer, body, idempotent=True)

    async def delete_join_way(self, config_id: str) -> None:
        """End a join way."""
        await self._api.post("externalcontact/groupchat/del_join_way", wire.Answer, {"config_id": config_id})
