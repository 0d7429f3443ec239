"""Customer groups and their join ways, as the local WeChat Work keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.paging import page
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import CustomerGroup, GroupEntry, JoinWayRecord, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["GroupCalls", "add_member", "remove_member"]

_DAY = 86400
_CHINA = 8 * 3600


def show(group: CustomerGroup, *, names: bool) -> dict[str, Any]:
    """Give a group as groupchat/get does."""
    members: list[dict[str, Any]] = []
    for entry in group.members.values():
        shown: dict[str, Any] = {
            "userid": entry.userid,
            "type": 2 if entry.external else 1,
            "join_time": int(entry.joined_at.timestamp()),
            "join_scene": entry.scene,
            "group_nickname": "",
        }
        if entry.invitor:
            shown["invitor"] = {"userid": entry.invitor}
        if entry.state:
            shown["state"] = entry.state
        if names:
            shown["name"] = entry.name
        members.append(shown)
    return {
        "chat_id": group.id,
        "name": group.name,
        "owner": group.owner,
        "create_time": int(group.created_at.timestamp()),
        "notice": group.notice,
        "member_list": members,
        "admin_list": [{"userid": userid} for userid in group.admins],
        "member_version": group.version_text,
    }


def _freeze(world: World, group: CustomerGroup) -> None:
    """Keep what reads give while the change is too young."""
    lag = float(world.options.get("read_lag", 0))
    if lag and (group.changed_at is None or world.now() - group.changed_at >= timedelta(seconds=lag)):
        group.shown = show(group, names=True)
    group.changed_at = world.now()


def add_member(world: World, group: CustomerGroup, entry: GroupEntry) -> tuple[str, str]:
    """Let somebody into a group; gives the version before and after."""
    _freeze(world, group)
    before = group.version_text
    group.members[entry.userid] = entry
    group.joins.append(world.now())
    group.version += 1
    return before, group.version_text


def remove_member(world: World, group: CustomerGroup, userid: str) -> tuple[str, str]:
    """Take somebody out of a group; gives the version before and after."""
    _freeze(world, group)
    before = group.version_text
    del group.members[userid]
    group.version += 1
    return before, group.version_text


class GroupCalls:
    """externalcontact/groupchat/*."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        calls: dict[str, Handler] = {
            "groupchat/list": self._list,
            "groupchat/get": self._get,
            "groupchat/statistic": self._statistic,
            "groupchat/statistic_group_by_day": self._statistic_by_day,
            "groupchat/add_join_way": self._add_way,
            "groupchat/get_join_way": self._get_way,
            "groupchat/update_join_way": self._update_way,
            "groupchat/del_join_way": self._delete_way,
            "groupchat/transfer": self._transfer_left,
            "groupchat/onjob_transfer": self._transfer,
            "opengid_to_chatid": self._find,
        }
        return {f"externalcontact/{name}": handler for name, handler in calls.items()}

    def _list(self, call: Call) -> dict[str, Any]:
        if "limit" not in call.body:
            raise Refuse(40058, "limit missing")
        chosen = call.body.get("owner_filter") or {}
        owners = chosen.get("userid_list") if isinstance(chosen, dict) else None
        if owners and len(owners) > 100:
            raise Refuse(81017)
        if not owners and len(self._world.members) > 1000:
            raise Refuse(81017)
        status = call.number("status_filter", 0)
        found = [
            {"chat_id": group.id, "status": 0}
            for group in self._world.groups.values()
            if not group.dismissed and (not owners or group.owner in owners) and status == 0
        ]
        return page(call, found, name="group_chat_list", default=100, most=1000)

    def _get(self, call: Call) -> dict[str, Any]:
        group = self._world.group(call.text("chat_id", 40058))
        names = call.number("need_name", 0) == 1
        lag = float(self._world.options.get("read_lag", 0))
        young = group.changed_at is not None and self._world.now() - group.changed_at < timedelta(seconds=lag)
        if young and group.shown is not None:
            return {"group_chat": group.shown}
        group.shown = None
        return {"group_chat": show(group, names=names)}

    # statistics

    def _span(self, call: Call) -> tuple[int, int, list[str]]:
        chosen = call.body.get("owner_filter")
        owners = chosen.get("userid_list") if isinstance(chosen, dict) else None
        if not isinstance(owners, list) or not owners:
            raise Refuse(40058, "owner_filter missing")
        if len(owners) > 100:
            raise Refuse(81017)
        first = call.number("day_begin_time", 0)
        last = call.number("day_end_time", first)
        first -= (first + _CHINA) % _DAY
        last -= (last + _CHINA) % _DAY
        today = self._world.stamp()
        today -= (today + _CHINA) % _DAY
        if not today - 180 * _DAY <= first <= last or last >= today:
            raise Refuse(40035, "only yesterday and before, at most 180 days back")
        return first, last, [str(owner) for owner in owners]

    def _count(self, owners: list[str], first: int, last: int) -> dict[str, Any]:
        start, end = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last + _DAY, UTC)
        groups = [g for g in self._world.groups.values() if g.owner in owners and g.created_at < end]
        inside = [[at for at in group.messages if start <= at < end] for group in groups]
        speakers = {(g.id, who) for g in groups for at, who in g.speakers if start <= at < end}
        return {
            "new_chat_cnt": sum(start <= group.created_at < end for group in groups),
            "chat_total": len(groups),
            "chat_has_msg": sum(bool(messages) for messages in inside),
            "new_member_cnt": sum(start <= at < end for group in groups for at in group.joins),
            "member_total": sum(len(group.members) for group in groups),
            "member_has_msg": len(speakers),
            "msg_total": sum(len(messages) for messages in inside),
            "migrate_trainee_chat_cnt": 0,
        }

    def _statistic(self, call: Call) -> dict[str, Any]:
        first, last, owners = self._span(call)
        keys = {1: "new_chat_cnt", 2: "chat_total", 3: "new_member_cnt", 4: "member_total"}
        key = keys.get(call.number("order_by", 1))
        if key is None:
            raise Refuse(40035, "order_by")
        counts = [(owner, self._count([owner], first, last)) for owner in owners]
        counts.sort(key=lambda pair: pair[1][key], reverse=not call.number("order_asc", 0))
        items = [{"owner": owner, "data": data} for owner, data in counts]
        offset, limit = call.number("offset", 0), call.number("limit", 500)
        if not 1 <= limit <= 1000:
            raise Refuse(40035, "limit")
        chosen = items[offset : offset + limit]
        return {"total": len(items), "next_offset": offset + len(chosen), "items": chosen}

    def _statistic_by_day(self, call: Call) -> dict[str, Any]:
        first, last, owners = self._span(call)
        days = range(first, last + 1, _DAY)
        return {"items": [{"stat_time": day, "data": self._count(owners, day, day)} for day in days]}

    # join ways

    def _check_way(self, body: dict[str, Any]) -> None:
        if body.get("scene") not in {1, 2}:
            raise Refuse(40058, "scene")
        chats = body.get("chat_id_list")
        if not isinstance(chats, list) or not chats:
            raise Refuse(40058, "chat_id_list")
        if len(chats) > 5:
            raise Refuse(41091)
        for chat in chats:
            self._world.group(str(chat))
        if len(str(body.get("state", ""))) > 30:
            raise Refuse(40058, "state too long")

    def _add_way(self, call: Call) -> dict[str, Any]:
        self._check_way(call.body)
        config_id = self._world.hex(32)
        body = {**call.body, "remark": str(call.body.get("remark", ""))[:30]}
        qr_code = f"https://wework.example/join/{config_id}" if body["scene"] == 2 else None
        assert call.app is not None
        self._world.join_ways[config_id] = JoinWayRecord(config_id, body, qr_code, call.app.agent_id)
        return {"config_id": config_id}

    def _way(self, call: Call) -> JoinWayRecord:
        found = self._world.join_ways.get(call.text("config_id", 41043))
        assert call.app is not None
        if found is None or found.agent_id != call.app.agent_id:
            raise Refuse(41044)
        return found

    def _get_way(self, call: Call) -> dict[str, Any]:
        way = self._way(call)
        return {
            "join_way": {
                "config_id": way.config_id,
                "scene": way.body["scene"],
                "remark": way.body["remark"],
                "auto_create_room": way.body.get("auto_create_room", 1),
                "room_base_name": way.body.get("room_base_name", ""),
                "room_base_id": way.body.get("room_base_id", 0),
                "chat_id_list": way.body["chat_id_list"],
                "qr_code": way.qr_code,
                "state": way.body.get("state", ""),
                "mark_source": way.body.get("mark_source", True),
            }
        }

    def _update_way(self, call: Call) -> dict[str, Any]:
        way = self._way(call)
        self._check_way(call.body)
        way.body = {"remark": "", **{k: v for k, v in call.body.items() if k != "config_id"}}
        return {}

    def _delete_way(self, call: Call) -> dict[str, Any]:
        del self._world.join_ways[self._way(call).config_id]
        return {}

    # transfers

    def _transfer(self, call: Call) -> dict[str, Any]:
        new = self._world.follower(call.text("new_owner", 40063))
        failed: list[dict[str, Any]] = []
        for chat in call.items("chat_id_list", most=100, code=81017):
            group = self._world.groups.get(chat)
            if group is None or group.dismissed:
                failed.append(
                    {"chat_id": chat, "errcode": 90501, "errmsg": "chat is not external group chat"}
                )
            elif group.owner == new.userid:
                failed.append({"chat_id": chat, "errcode": 90504, "errmsg": "same owner"})
            else:
                group.owner = new.userid
        return {"failed_chat_list": failed}

    def _transfer_left(self, call: Call) -> dict[str, Any]:
        self._world.follower(call.text("new_owner", 40063))
        failed = [
            {"chat_id": chat, "errcode": 90500, "errmsg": "the owner of this chat is not resigned"}
            for chat in call.items("chat_id_list", most=100, code=81017)
        ]
        return {"failed_chat_list": failed}

    def _find(self, call: Call) -> dict[str, Any]:
        chat = call.text("opengid", 90511).removeprefix("open-")
        if chat not in self._world.groups:
            raise Refuse(90511)
        return {"chat_id": chat}
