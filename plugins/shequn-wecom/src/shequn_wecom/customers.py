"""Customers, their corporate tags, and handing them over (客户, 企业标签, 继承). Documents 92994, 92117, 92125."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from shequn_sdk.errors import TargetNotFound
from shequn_wecom import wire
from shequn_wecom.api import Api
from shequn_wecom.errors import PLATFORM
from shequn_wecom.models import Customer, Follower, Tag, TagGroup, TransferState, instant

__all__ = ["Customers", "slices"]

_NO_RELATION = "84061"
_STATES = {1: "done", 2: "waiting", 3: "refused", 4: "full", 5: "none"}


def slices(items: Sequence[str], size: int) -> list[list[str]]:
    """Cut a list into lists of at most `size`, as WeCom's calls take them."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def _follower(follow: wire.Follow) -> Follower:
    return Follower(
        userid=follow.userid,
        remark=follow.remark,
        description=follow.description,
        since=instant(follow.createtime),
        add_way=follow.add_way,
        state=follow.state,
        tags=tuple(tag.tag_id for tag in follow.tags if tag.tag_id) or tuple(follow.tag_id),
    )


def _customer(contact: wire.Contact, follows: Sequence[wire.Follow]) -> Customer:
    return Customer(
        id=contact.external_userid,
        name=contact.name,
        kind=contact.type,
        unionid=contact.unionid,
        company=contact.corp_name,
        followers=tuple(_follower(follow) for follow in follows),
    )


def _group(group: wire.TagGroup) -> TagGroup:
    return TagGroup(
        id=group.group_id,
        name=group.group_name,
        tags=tuple(Tag(id=tag.id, name=tag.name) for tag in group.tag if not tag.deleted),
    )


class Customers:
    """Calls about customers; needs an application that may use 客户联系."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def list_followers(self) -> list[str]:
        """Give the userids of members with the customer-contact right."""
        answer = await self._api.get("externalcontact/get_follow_user_list", wire.FollowUsers)
        return answer.follow_user

    async def list_ids(self, userid: str) -> list[str]:
        """Give the ids of a member's customers; none is no error."""
        try:
            answer = await self._api.get("externalcontact/list", wire.Contacts, {"userid": userid})
        except TargetNotFound as error:
            if error.code == _NO_RELATION:
                return []
            raise
        return answer.external_userid

    async def get(self, customer: str) -> Customer:
        """Read one customer with all followers.

        Raises:
            TargetNotFound: nobody in reach knows this customer.
        """
        contact: wire.Contact | None = None
        follows: list[wire.Follow] = []
        cursor = ""
        while True:
            params = {"external_userid": customer, **({"cursor": cursor} if cursor else {})}
            page = await self._api.get("externalcontact/get", wire.CustomerDetail, params)
            contact = contact or page.external_contact
            known = {follow.userid for follow in follows}
            fresh = [follow for follow in page.follow_user if follow.userid not in known]
            follows += fresh
            cursor = page.next_cursor
            if not cursor or not fresh:
                break
        if not contact.external_userid:
            raise TargetNotFound(
                f"wecom knows no customer {customer}; read the list of customers again",
                platform=PLATFORM,
                operation="externalcontact/get",
            )
        return _customer(contact, follows)

    async def iter_of(self, userids: Sequence[str]) -> AsyncIterator[Customer]:
        """Give the customers of members, one entry per pair of customer and follower."""
        for part in slices(userids, 100):
            body = {"userid_list": part}
            try:
                async for page in self._api.pages(
                    "externalcontact/batch/get_by_user", wire.BatchContacts, body, limit=100
                ):
                    for entry in page.external_contact_list:
                        if entry.external_contact.external_userid:
                            yield _customer(entry.external_contact, [entry.follow_info])
            except TargetNotFound as error:
                if error.code != _NO_RELATION:
                    raise

    async def remark(
        self,
        userid: str,
        customer: str,
        *,
        remark: str | None = None,
        description: str | None = None,
        company: str | None = None,
        mobiles: Sequence[str] | None = None,
    ) -> None:
        """Change what a member noted about a customer (备注); None leaves a field as it is."""
        body: dict[str, Any] = {"userid": userid, "external_userid": customer}
        fields = {"remark": remark, "description": description, "remark_company": company}
        body.update({name: value for name, value in fields.items() if value is not None})
        if mobiles is not None:
            # an empty list would change nothing; one empty number clears them
            body["remark_mobiles"] = list(mobiles) or [""]
        await self._api.post("externalcontact/remark", wire.Answer, body, idempotent=True)

    async def list_tags(self) -> list[TagGroup]:
        """Give the corporate tags in their groups."""
        answer = await self._api.post("externalcontact/get_corp_tag_list", wire.TagList, {}, idempotent=True)
        return [_group(group) for group in answer.tag_group if not group.deleted]

    async def add_tags(self, group: str, names: Sequence[str]) -> TagGroup:
        """Make tags in the group of that name, which is made when it is new.

        Raises:
            Conflict: a name is taken.
        """
        body = {"group_name": group, "tag": [{"name": name} for name in names]}
        answer = await self._api.post("externalcontact/add_corp_tag", wire.AddedTags, body)
        return _group(answer.tag_group)

    async def rename_tag(self, tag: str, name: str) -> None:
        """Rename a tag or a group of tags."""
        await self._api.post(
            "externalcontact/edit_corp_tag", wire.Answer, {"id": tag, "name": name}, idempotent=True
        )

    async def delete_tags(self, *, tags: Sequence[str] = (), groups: Sequence[str] = ()) -> None:
        """Delete tags, or groups with all of their tags."""
        body = {"tag_id": list(tags), "group_id": list(groups)}
        await self._api.post("externalcontact/del_corp_tag", wire.Answer, body)

    async def mark(
        self, userid: str, customer: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Put tags on a customer, and take others off, in the name of a follower."""
        body = {
            "userid": userid,
            "external_userid": customer,
            "add_tag": list(add),
            "remove_tag": list(remove),
        }
        await self._api.post("externalcontact/mark_tag", wire.Answer, body, idempotent=True)

    async def transfer(
        self, *, customers: Sequence[str], old: str, new: str, message: str = "", resigned: bool = False
    ) -> list[TransferState]:
        """Hand customers over to another member; at most 100 at a time are sent, and twice in 90 days each.

        Args:
            message: what the customers are told, at most 200 characters; not for members who left.
            resigned: whether `old` has left the corporation.
        """
        operation = (
            "externalcontact/resigned/transfer_customer" if resigned else "externalcontact/transfer_customer"
        )
        states: list[TransferState] = []
        for part in slices(customers, 100):
            body: dict[str, Any] = {"handover_userid": old, "takeover_userid": new, "external_userid": part}
            if message and not resigned:
                body["transfer_success_msg"] = message
            answer = await self._api.post(operation, wire.Transfers, body)
            states += [
                TransferState(customer=item.external_userid, code=item.errcode) for item in answer.customer
            ]
        return states

    async def iter_transfers(
        self, *, old: str, new: str, resigned: bool = False
    ) -> AsyncIterator[TransferState]:
        """Give how the hand-overs between two members stand."""
        operation = (
            "externalcontact/resigned/transfer_result" if resigned else "externalcontact/transfer_result"
        )
        body = {"handover_userid": old, "takeover_userid": new}
        async for page in self._api.pages(operation, wire.Transfers, body, limit=1000):
            for item in page.customer:
                yield TransferState(
                    customer=item.external_userid,
                    code=item.errcode,
                    state=_STATES.get(item.status, str(item.status)),
                )

    async def transfer_groups(
        self, chats: Sequence[str], *, new: str, owner_left: bool = False
    ) -> dict[str, int]:
        """Give customer groups a new owner; gives the errcode of each group that refused."""
        operation = (
            "externalcontact/groupchat/transfer" if owner_left else "externalcontact/groupchat/onjob_transfer"
        )
        failed: dict[str, int] = {}
        for part in slices(chats, 100):
            answer = await self._api.post(operation, wire.Transfers, {"chat_id_list": part, "new_owner": new})
            failed.update({item.chat_id: item.errcode for item in answer.failed_chat_list})
        return failed
