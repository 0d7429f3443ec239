"""Corporate tags and contact ways, as the local WeChat Work keeps them."""

from __future__ import annotations

from typing import Any

from shequn_wecom.sandbox.customers import relation
from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.paging import page
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import ContactWay, TagGroupRecord, TagRecord, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["ContactWayCalls", "TagCalls"]

MAX_TAGS = 3000


class TagCalls:
    """Corporate tags on customers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "externalcontact/get_corp_tag_list": self._tags,
            "externalcontact/add_corp_tag": self._add_tags,
            "externalcontact/edit_corp_tag": self._edit_tag,
            "externalcontact/del_corp_tag": self._delete_tags,
            "externalcontact/mark_tag": self._mark,
        }

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
        follow = relation(self._world, call)
        add, remove = call.items("add_tag"), call.items("remove_tag")
        if not add and not remove:
            raise Refuse(40063, "add_tag")
        known = {tag for group in self._world.tag_groups.values() for tag in group.tags}
        if any(tag not in known for tag in add):
            raise Refuse(40068)
        follow.tags = [tag for tag in dict.fromkeys([*follow.tags, *add]) if tag not in remove]
        return {}


class ContactWayCalls:
    """Contact ways."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "externalcontact/add_contact_way": self._add_way,
            "externalcontact/get_contact_way": self._get_way,
            "externalcontact/list_contact_way": self._list_ways,
            "externalcontact/update_contact_way": self._update_way,
            "externalcontact/del_contact_way": self._delete_way,
        }

    def _add_way(self, call: Call) -> dict[str, Any]:
        world, body = self._world, call.body
        self._check_way(body)
        config_id = world.hex(32)
        qr_code = f"https://wework.example/qr/{config_id}" if body.get("scene") == 2 else ""
        assert call.app is not None
        world.contact_ways[config_id] = ContactWay(
            config_id, dict(body), qr_code, world.now(), call.app.agent_id
        )
        return {"config_id": config_id, "qr_code": qr_code}

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
