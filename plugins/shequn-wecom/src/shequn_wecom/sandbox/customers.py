"""Customers, corporate tags, contact ways and hand-overs, as the local WeChat Work keeps them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.paging import page
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import (
    ContactWay,
    CustomerRecord,
    FollowRecord,
    TagGroupRecord,
    TagRecord,
    World,
)
from shequn_wecom.sandbox.tokens import Call

__all__ = ["CustomerCalls"]

MAX_TAGS = 3000
_REMARKS = {"remark": ("remark", 20), "remark_company": ("company", 20), "description": ("description", 150)}


class CustomerCalls:
    """externalcontact/*: customers, tags, contact ways, transfers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        calls: dict[str, Handler] = {
            "get_follow_user_list": self._followers,
            "list": self._list,
            "get": self._get,
            "batch/get_by_user": self._batch,
            "remark": self._remark,
            "get_corp_tag_list": self._tags,
            "add_corp_tag": self._add_tags,
            "edit_corp_tag": self._edit_tag,
            "del_corp_tag": self._delete_tags,
            "mark_tag": self._mark,
            "add_contact_way": self._add_way,
            "get_contact_way": self._get_way,
            "list_contact_way": self._list_ways,
            "update_contact_way": self._update_way,
            "del_contact_way": self._delete_way,
            "close_temp_chat": lambda _: {},
            "transfer_customer": self._transfer,
            "transfer_result": self._transfer_result,
            "resigned/transfer_customer": self._transfer,
            "resigned/transfer_result": self._transfer_result,
            "get_unassigned_list": lambda _: {"info": [], "is_last": True, "next_cursor": ""},
            "get_user_behavior_data": self._behaviour,
        }
        return {f"externalcontact/{name}": handler for name, handler in calls.items()}

    # customers

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

    def _customer(self, customer: str) -> CustomerRecord:
        found = self._world.customers.get(customer)
        if found is None:
            raise Refuse(40096)
        return found

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
        record = self._customer(call.text("external_userid", 41035))
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

    def _relation(self, call: Call) -> FollowRecord:
        member = self._world.follower(call.text("userid", 41009))
        record = self._customer(call.text("external_userid", 41035))
        follow = record.follows.get(member.userid)
        if follow is None:
            raise Refuse(84061)
        return follow

    def _remark(self, call: Call) -> dict[str, Any]:
        follow = self._relation(call)
        for name, (target, most) in _REMARKS.items():
            value = call.body.get(name)
            if value is not None:
                if len(str(value)) > most:
                    raise Refuse(40035, name)
                setattr(follow, target, str(value))
        if "remark_mobiles" in call.body:
            follow.mobiles = [number for number in call.items("remark_mobiles") if number]
        return {}

    # tags

    def _show_group(self, group: TagGroupRecord) -> dict[str, Any]:
        return {
            "group_id": group.id,
            "group_name": group.name,
            "create_time": int(group.created_at.timestamp()),
            "order": group.order,
            "deleted": False,
            "tag": [
                {
                    "id": tag.id,
                    "name": tag.name,
                    "create_time": int(tag.created_at.timestamp()),
                    "order": tag.order,
                    "deleted": False,
                }
                for tag in sorted(group.tags.values(), key=lambda tag: -tag.order)
            ],
        }

    def _tags(self, call: Call) -> dict[str, Any]:
        tags, groups = call.items("tag_id"), call.items("group_id")
        found = [
            group
            for group in self._world.tag_groups.values()
            if not (tags or groups) or group.id in groups or any(tag in group.tags for tag in tags)
        ]
        return {"tag_group": [self._show_group(group) for group in found]}

    def _add_tags(self, call: Call) -> dict[str, Any]:
        world, body = self._world, call.body
        given = body.get("tag")
        if not isinstance(given, list) or not given:
            raise Refuse(40063, "tag")
        names = [str(item.get("name", "")) if isinstance(item, dict) else "" for item in given]
        if any(not 1 <= len(name) <= 30 for name in names):
            raise Refuse(40072)
        if sum(len(group.tags) for group in world.tag_groups.values()) + len(names) > MAX_TAGS:
            raise Refuse(40126)
        group: TagGroupRecord | None
        if body.get("group_id"):
            group = world.tag_groups.get(str(body["group_id"]))
            if group is None:
                raise Refuse(40068)
        else:
            name = str(body.get("group_name", ""))
            if not 1 <= len(name) <= 30:
                raise Refuse(40072)
            group = next((group for group in world.tag_groups.values() if group.name == name), None)
        taken = {tag.name for tag in group.tags.values()} if group else set[str]()
        if len(set(names)) < len(names) or taken & set(names):
            raise Refuse(40071)
        if group is None:
            group = TagGroupRecord(
                f"et{world.hex(30)}", str(body["group_name"]), call.number("order", 0), world.now()
            )
            world.tag_groups[group.id] = group
        made: list[TagRecord] = []
        for item, name in zip(given, names, strict=True):
            tag = TagRecord(f"et{world.hex(30)}", name, int(item.get("order", 0)), world.now())
            group.tags[tag.id] = tag
            made.append(tag)
        shown = self._show_group(group)
        shown["tag"] = [tag for tag in shown["tag"] if tag["id"] in {record.id for record in made}]
        return {"tag_group": shown}

    def _edit_tag(self, call: Call) -> dict[str, Any]:
        wanted = call.text("id", 40068)
        for group in self._world.tag_groups.values():
            record = group if group.id == wanted else group.tags.get(wanted)
            if record is None:
                continue
            name = call.body.get("name")
            if name is not None:
                if not 1 <= len(str(name)) <= 30:
                    raise Refuse(40072)
                others = group.tags.values() if record is not group else self._world.tag_groups.values()
                if any(other.name == name and other is not record for other in others):
                    raise Refuse(40071)
                record.name = str(name)
            record.order = call.number("order", record.order)
            return {}
        raise Refuse(40068)

    def _delete_tags(self, call: Call) -> dict[str, Any]:
        tags, groups = call.items("tag_id"), call.items("group_id")
        known = {tag for group in self._world.tag_groups.values() for tag in group.tags}
        if any(tag not in known for tag in tags) or any(g not in self._world.tag_groups for g in groups):
            raise Refuse(40068)
        gone = set(tags)
        for group in list(self._world.tag_groups.values()):
            if group.id in groups:
                gone |= set(group.tags)
            for tag in gone & set(group.tags):
                del group.tags[tag]
            if not group.tags:
                # a group vanishes with its last tag
                del self._world.tag_groups[group.id]
        for record in self._world.customers.values():
            for follow in record.follows.values():
                follow.tags = [tag for tag in follow.tags if tag not in gone]
        return {}

    def _mark(self, call: Call) -> dict[str, Any]:
        follow = self._relation(call)
        add, remove = call.items("add_tag"), call.items("remove_tag")
        if not add and not remove:
            raise Refuse(40063, "add_tag")
        known = {tag for group in self._world.tag_groups.values() for tag in group.tags}
        if any(tag not in known for tag in add):
            raise Refuse(40068)
        follow.tags = [tag for tag in dict.fromkeys([*follow.tags, *add]) if tag not in remove]
        return {}

    # contact ways

    def _add_way(self, call: Call) -> dict[str, Any]:
        world, body = self._world, call.body
        self._check_way(body)
        config_id = world.hex(32)
        qr_code = f"https://wework.example/qr/{config_id}"
        assert call.app is not None
        world.contact_ways[config_id] = ContactWay(
            config_id, dict(body), qr_code, world.now(), call.app.agent_id
        )
        return {"config_id": config_id, "qr_code": qr_code if body.get("scene") == 2 else ""}

    def _check_way(self, body: dict[str, Any]) -> None:
        kind, scene = body.get("type"), body.get("scene")
        if kind is None:
            raise Refuse(41037)
        if scene is None:
            raise Refuse(41038)
        if kind not in {1, 2}:
            raise Refuse(41039)
        if scene not in {1, 2}:
            raise Refuse(41040)
        users = body.get("user") or []
        parties = body.get("party") or []
        if kind == 1 and (len(users) != 1 or parties):
            raise Refuse(41039, "type 1 takes one user")
        if not users and not parties:
            raise Refuse(40063, "user")
        if len(users) > 100:
            raise Refuse(41041)
        for userid in users:
            self._world.follower(str(userid))
        if len(str(body.get("state", ""))) > 30 or len(str(body.get("remark", ""))) > 30:
            raise Refuse(40058, "state or remark too long")

    def _way(self, call: Call) -> ContactWay:
        found = self._world.contact_ways.get(call.text("config_id", 41043))
        if found is None:
            raise Refuse(41044)
        return found

    def _get_way(self, call: Call) -> dict[str, Any]:
        way = self._way(call)
        body = way.body
        shown = {
            "config_id": way.config_id,
            "type": body.get("type"),
            "scene": body.get("scene"),
            "remark": body.get("remark", ""),
            "skip_verify": body.get("skip_verify", True),
            "state": body.get("state", ""),
            "user": body.get("user", []),
            "party": body.get("party", []),
            "qr_code": way.qr_code,
        }
        return {"contact_way": shown}

    def _list_ways(self, call: Call) -> dict[str, Any]:
        now = self._world.stamp()
        start, end = call.number("start_time", now - 90 * 86400), call.number("end_time", now)
        found = [
            {"config_id": way.config_id}
            for way in self._world.contact_ways.values()
            if start <= int(way.created_at.timestamp()) <= end
        ]
        return page(call, found, name="contact_way", default=100, most=1000)

    def _update_way(self, call: Call) -> dict[str, Any]:
        way = self._way(call)
        changed = {**way.body, **{k: v for k, v in call.body.items() if k != "config_id"}}
        self._check_way(changed)
        way.body = changed
        return {}

    def _delete_way(self, call: Call) -> dict[str, Any]:
        del self._world.contact_ways[self._way(call).config_id]
        return {}

    # transfers and statistics

    def _transfer(self, call: Call) -> dict[str, Any]:
        old = self._world.follower(call.text("handover_userid", 41009))
        new = self._world.follower(call.text("takeover_userid", 41009))
        if old.userid == new.userid:
            raise Refuse(40130)
        results: list[dict[str, Any]] = []
        for customer in call.items("external_userid", most=100, code=81017):
            record = self._world.customers.get(customer)
            code = 0
            if record is None:
                code = 40096
            elif old.userid not in record.follows:
                code = 40131
            else:
                follow = record.follows.pop(old.userid)
                follow.userid = new.userid
                follow.add_way = 202
                record.follows[new.userid] = follow
            results.append({"external_userid": customer, "errcode": code})
        return {"customer": results}

    def _transfer_result(self, call: Call) -> dict[str, Any]:
        new = self._world.follower(call.text("takeover_userid", 41009))
        found = [
            {"external_userid": record.id, "status": 1, "takeover_time": int(follow.since.timestamp())}
            for record in self._world.customers.values()
            for follow in record.follows.values()
            if follow.userid == new.userid and follow.add_way == 202
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
        while day <= end:
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
