"""Customers and hand-overs, as the local WeChat Work keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.paging import page
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import (
    CustomerRecord,
    FollowRecord,
    HandOver,
    World,
)
from shequn_wecom.sandbox.tokens import Call

__all__ = ["CustomerCalls", "customer_of", "relation"]

MAX_TAGS = 3000
_ACCEPTED_AFTER = timedelta(days=1)
"""When a customer who does not object belongs to the new member."""
_TRANSFERS_COUNTED = timedelta(days=90)
_MOST_TRANSFERS = 2
_ASSIGNED = 202
_REMARKS = {"remark": ("remark", 20), "remark_company": ("company", 20), "description": ("description", 150)}


def customer_of(world: World, customer: str) -> CustomerRecord:
    """Give a customer."""
    found = world.customers.get(customer)
    if found is None:
        raise Refuse(40096)
    return found


def relation(world: World, call: Call) -> FollowRecord:
    """Give how the member and the customer of a call know each other."""
    member = world.follower(call.text("userid", 41009))
    record = customer_of(world, call.text("external_userid", 41035))
    follow = record.follows.get(member.userid)
    if follow is None:
        raise Refuse(84061)
    return follow


class CustomerCalls:
    """Customers, transfers, and members' work with customers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        found: dict[str, Handler] = {
            "externalcontact/get_follow_user_list": self._followers,
            "externalcontact/list": self._list,
            "externalcontact/get": self._get,
            "externalcontact/batch/get_by_user": self._batch,
            "externalcontact/remark": self._remark,
            "externalcontact/close_temp_chat": self._nothing,
            "externalcontact/transfer_customer": self._transfer,
            "externalcontact/transfer_result": self._transfer_result,
            "externalcontact/resigned/transfer_customer": self._transfer,
            "externalcontact/resigned/transfer_result": self._transfer_result,
            "externalcontact/get_unassigned_list": self._unassigned,
            "externalcontact/get_user_behavior_data": self._behaviour,
        }
        return {path: self._settled(handler) for path, handler in found.items()}

    def _settled(self, handler: Handler) -> Handler:
        def handle(call: Call) -> Any:
            for one in self._world.hand_overs:
                if not one.done and self._world.now() - one.at >= _ACCEPTED_AFTER:
                    self._hand_over(one)
            return handler(call)

        return handle

    def _hand_over(self, one: HandOver) -> None:
        one.done = True
        record = self._world.customers[one.customer]
        follow = record.follows.pop(one.old, None)
        if follow is not None:
            follow.userid, follow.add_way = one.new, _ASSIGNED
            record.follows.setdefault(one.new, follow)

    def _followers(self, call: Call) -> dict[str, Any]:
        return {"follow_user": [m.userid for m in self._world.members.values() if m.customer_contact]}

    def _of(self, userid: str) -> list[CustomerRecord]:
        member = self._world.follower(userid)
        return [record for record in self._world.customers.values() if member.userid in record.follows]

    def _list(self, call: Call) -> dict[str, Any]:
        found = self._of(call.text("userid", 41009))
        if not found:
            raise Refuse(84061)
        return {"external_userid": [record.id for record in found]}

    def _contact(self, record: CustomerRecord) -> dict[str, Any]:
        return {"external_userid": record.id, "name": record.name, "type": 1, "gender": 0, "avatar": ""}

    def _tag_name(self, tag: str) -> tuple[str, str]:
        for group in self._world.tag_groups.values():
            if tag in group.tags:
                return group.name, group.tags[tag].name
        return "", ""

    def _follow(self, follow: FollowRecord, *, full: bool) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "userid": follow.userid,
            "remark": follow.remark,
            "description": follow.description,
            "createtime": int(follow.since.timestamp()),
            "remark_corp_name": follow.company,
            "remark_mobiles": list(follow.mobiles),
            "oper_userid": follow.userid,
            "add_way": follow.add_way,
        }
        if follow.state:
            shown["state"] = follow.state
        if full:
            shown["tags"] = [
                {
                    "group_name": self._tag_name(tag)[0],
                    "tag_name": self._tag_name(tag)[1],
                    "tag_id": tag,
                    "type": 1,
                }
                for tag in follow.tags
            ]
        else:
            shown["tag_id"] = list(follow.tags)
        return shown

    def _get(self, call: Call) -> dict[str, Any]:
        record = customer_of(self._world, call.text("external_userid", 41035))
        if not record.follows:
            raise Refuse(84061)
        follows = [self._follow(follow, full=True) for follow in record.follows.values()]
        return {"external_contact": self._contact(record), "follow_user": follows}

    def _batch(self, call: Call) -> dict[str, Any]:
        userids = call.items("userid_list", most=100, code=81017)
        if not userids:
            # older clients send one userid
            userids = [call.text("userid", 41009)]
        entries: list[dict[str, Any]] = []
        for userid in userids:
            member = self._world.follower(userid)
            entries += [
                {
                    "external_contact": self._contact(record),
                    "follow_info": self._follow(record.follows[member.userid], full=False),
                }
                for record in self._of(userid)
            ]
        return {
            **page(call, entries, name="external_contact_list", default=50, most=100),
            "fail_info": {"unlicensed_userid_list": []},
        }

    def _remark(self, call: Call) -> dict[str, Any]:
        follow = relation(self._world, call)
        for name, (target, most) in _REMARKS.items():
            value = call.body.get(name)
            if value is not None:
                if len(str(value)) > most:
                    raise Refuse(40035, name)
                setattr(follow, target, str(value))
        if "remark_mobiles" in call.body:
            follow.mobiles = [number for number in call.items("remark_mobiles") if number]
        return {}

    def _transfer(self, call: Call) -> dict[str, Any]:
        old = self._world.follower(call.text("handover_userid", 41009))
        new = self._world.follower(call.text("takeover_userid", 41009))
        if old.userid == new.userid:
            raise Refuse(40130)
        results = [
            {"external_userid": customer, "errcode": self._start_transfer(customer, old.userid, new.userid)}
            for customer in call.items("external_userid", most=100, code=81017)
        ]
        return {"customer": results}

    def _start_transfer(self, customer: str, old: str, new: str) -> int:
        """Offer a customer to another member; the customer is theirs a day later. Gives the errcode."""
        world = self._world
        record = world.customers.get(customer)
        if record is None:
            return 40096
        if old not in record.follows:
            return 40131
        recent = [
            one
            for one in world.hand_overs
            if one.customer == customer and world.now() - one.at < _TRANSFERS_COUNTED
        ]
        if any(not one.done for one in recent):
            return 40129
        if len(recent) >= _MOST_TRANSFERS:
            return 40128
        world.hand_overs.append(HandOver(customer, old, new, world.now()))
        return 0

    def _transfer_result(self, call: Call) -> dict[str, Any]:
        old, new = (call.text(f"{side}_userid", 41009) for side in ("handover", "takeover"))
        pair = tuple(self._world.follower(userid).userid for userid in (old, new))
        found = [
            {
                "external_userid": one.customer,
                "status": 1 if one.done else 2,
                "takeover_time": int((one.at + _ACCEPTED_AFTER).timestamp()) if one.done else 0,
            }
            for one in self._world.hand_overs
            if (one.old, one.new) == pair
        ]
        return page(call, found, name="customer", default=1000, most=1000)

    def _behaviour(self, call: Call) -> dict[str, Any]:
        users = call.items("userid", most=100, code=81017)
        if not users and not call.items("partyid"):
            raise Refuse(40063, "userid")
        start, end = call.number("start_time", 0), call.number("end_time", 0)
        if not 0 < start <= end or end - start > 30 * 86400:
            raise Refuse(40035, "start_time and end_time")
        wanted = {self._world.follower(user).userid for user in users}
        data: list[dict[str, Any]] = []
        day = start - (start + 8 * 3600) % 86400
        while day <= min(end, self._world.stamp()):
            first, last = datetime.fromtimestamp(day, UTC), datetime.fromtimestamp(day + 86400, UTC)
            fresh = sum(
                first <= follow.since < last
                for record in self._world.customers.values()
                for follow in record.follows.values()
                if follow.userid in wanted
            )
            data.append(
                {
                    "stat_time": day,
                    "chat_cnt": 0,
                    "message_cnt": 0,
                    "negative_feedback_cnt": 0,
                    "new_apply_cnt": fresh,
                    "new_contact_cnt": fresh,
                }
            )
            day += 86400
        return {"behavior_data": data}

    def _nothing(self, call: Call) -> dict[str, Any]:
        return {}

    def _unassigned(self, call: Call) -> dict[str, Any]:
        return {"info": [], "is_last": True, "next_cursor": ""}
