"""Members, departments, tags on members and applications, as the local WeChat Work lists them."""

from __future__ import annotations

from typing import Any

from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import ROOT, CorpMember, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["Directory"]


class Directory:
    """user/*, department/*, tag/*, agent/*, getcallbackip."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "getcallbackip": lambda _: {"ip_list": ["127.0.0.1"]},
            "get_api_domain_ip": lambda _: {"ip_list": ["127.0.0.1"]},
            "agent/get": self._agent,
            "agent/list": self._agents,
            "user/get": self._user,
            "user/simplelist": self._users,
            "user/list": self._users,
            "user/list_id": self._user_ids,
            "department/list": self._departments,
            "department/simplelist": self._department_ids,
            "department/get": self._department,
            "tag/list": self._tags,
            "tag/get": self._tag,
            "auth/getuserinfo": self._who,
            "user/getuserinfo": self._who,
        }

    def _agent(self, call: Call) -> dict[str, Any]:
        assert call.app is not None
        if call.number("agentid", call.app.agent_id) != call.app.agent_id:
            raise Refuse(301002)
        return {
            "agentid": call.app.agent_id,
            "name": call.app.name,
            "square_logo_url": "",
            "description": "",
            "close": 0,
            "allow_userinfos": {"user": [{"userid": user.userid} for user in self._world.members.values()]},
            "allow_partys": {"partyid": [ROOT] if call.app.whole_corp else []},
        }

    def _agents(self, call: Call) -> dict[str, Any]:
        assert call.app is not None
        return {"agentlist": [{"agentid": call.app.agent_id, "name": call.app.name, "square_logo_url": ""}]}

    def _show(self, member: CorpMember) -> dict[str, Any]:
        return {
            "userid": member.userid,
            "name": member.name,
            "department": list(member.departments),
            "position": member.position,
            "status": 1,
            "main_department": member.departments[0] if member.departments else ROOT,
        }

    def _user(self, call: Call) -> dict[str, Any]:
        member = self._world.member(call.text("userid", 41009))
        if member is None:
            raise Refuse(60111)
        return self._show(member)

    def _users(self, call: Call) -> dict[str, Any]:
        department = call.number("department_id", ROOT)
        if department not in self._world.departments:
            raise Refuse(60123)
        children = department == ROOT and call.number("fetch_child", 0) == 1
        found = [m for m in self._world.members.values() if children or department in m.departments]
        if call.path == "user/list":
            return {"userlist": [self._show(member) for member in found]}
        names = ("userid", "name", "department")
        return {"userlist": [{name: self._show(member)[name] for name in names} for member in found]}

    def _user_ids(self, call: Call) -> dict[str, Any]:
        pairs = [(m.userid, d) for m in self._world.members.values() for d in m.departments]
        return {"next_cursor": "", "dept_user": [{"userid": user, "department": dep} for user, dep in pairs]}

    def _show_department(self, number: int) -> dict[str, Any]:
        parent = 0 if number == ROOT else ROOT
        return {"id": number, "name": self._world.departments[number], "parentid": parent, "order": 1}

    def _departments(self, call: Call) -> dict[str, Any]:
        wanted = call.number("id", ROOT)
        if wanted not in self._world.departments:
            raise Refuse(60123)
        numbers = list(self._world.departments) if wanted == ROOT else [wanted]
        return {"department": [self._show_department(number) for number in numbers]}

    def _department_ids(self, call: Call) -> dict[str, Any]:
        found = self._departments(call)["department"]
        return {"department_id": [{k: item[k] for k in ("id", "parentid", "order")} for item in found]}

    def _department(self, call: Call) -> dict[str, Any]:
        wanted = call.number("id", 0)
        if wanted not in self._world.departments:
            raise Refuse(60123)
        return {"department": self._show_department(wanted)}

    def _tags(self, call: Call) -> dict[str, Any]:
        return {"taglist": [{"tagid": k, "tagname": name} for k, name in self._world.member_tags.items()]}

    def _tag(self, call: Call) -> dict[str, Any]:
        number = call.number("tagid", 0)
        if number not in self._world.member_tags:
            raise Refuse(40068)
        users = [m for m in self._world.members.values() if number in m.tags]
        return {
            "tagname": self._world.member_tags[number],
            "userlist": [{"userid": m.userid, "name": m.name} for m in users],
            "partylist": [],
        }

    def _who(self, call: Call) -> dict[str, Any]:
        member = self._world.member(call.text("code", 41008).removeprefix("code-"))
        if member is None:
            raise Refuse(40029)
        return {"userid": member.userid}
