"""Welcomes and moments, as the local WeChat Work keeps them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shequn_wecom.sandbox.campaigns import ATTACHMENTS, check_message
from shequn_wecom.sandbox.messages import Handler, size
from shequn_wecom.sandbox.paging import page
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import MomentTask, Said, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["MomentCalls", "WelcomeCalls"]

_DAY = timedelta(days=1)


class WelcomeCalls:
    """Welcomes of new customers, and welcome templates of groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "externalcontact/send_welcome_msg": self._welcome,
            "externalcontact/group_welcome_template/add": self._add_template,
            "externalcontact/group_welcome_template/edit": self._edit_template,
            "externalcontact/group_welcome_template/get": self._get_template,
            "externalcontact/group_welcome_template/del": self._delete_template,
        }

    def _welcome(self, call: Call) -> dict[str, Any]:
        world = self._world
        code = world.welcome_codes.get(call.text("welcome_code", 41049))
        if code is None or world.now() - code.at >= timedelta(seconds=20):
            raise Refuse(41050)
        if code.used:
            raise Refuse(41051)
        text = check_message(world, call.body, most_text=4000)
        code.used = True
        world.welcomed.append((code.customer, call.body))
        world.stand(
            Said(
                channel=f"customer:{code.customer}",
                id=f"w-{world.hex(24)}",
                author=code.userid,
                author_name=code.userid,
                by_account=True,
                text=text,
                at=world.now(),
                attachments=len(call.body.get("attachments") or []),
                body=call.body,
            )
        )
        return {}

    def _add_template(self, call: Call) -> dict[str, Any]:
        if len(self._world.templates) >= 100:
            raise Refuse(41055)
        self._check_template(call.body)
        template_id = f"msg{self._world.hex(30)}"
        self._world.templates[template_id] = dict(call.body)
        return {"template_id": template_id}

    def _check_template(self, body: dict[str, Any]) -> None:
        text = str((body.get("text") or {}).get("content", ""))
        if size(text) > 3000:
            raise Refuse(45002)
        if not text and not any(body.get(kind) for kind in ATTACHMENTS):
            raise Refuse(41089)

    def _template(self, call: Call) -> str:
        wanted = call.text("template_id", 40058)
        if wanted not in self._world.templates:
            raise Refuse(40037)
        return wanted

    def _edit_template(self, call: Call) -> dict[str, Any]:
        wanted = self._template(call)
        self._check_template(call.body)
        self._world.templates[wanted] = {k: v for k, v in call.body.items() if k != "template_id"}
        return {}

    def _get_template(self, call: Call) -> dict[str, Any]:
        return dict(self._world.templates[self._template(call)])

    def _delete_template(self, call: Call) -> dict[str, Any]:
        del self._world.templates[self._template(call)]
        return {}


class MomentCalls:
    """Moments."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "externalcontact/add_moment_task": self._add_moment,
            "externalcontact/get_moment_task_result": self._moment_result,
            "externalcontact/get_moment_task": self._moment_parts,
            "externalcontact/get_moment_list": self._moment_list,
            "externalcontact/get_moment_comments": self._moment_comments,
            "externalcontact/get_moment_customer_list": self._moment_customers,
            "externalcontact/get_moment_send_result": self._moment_sent,
            "externalcontact/cancel_moment_task": self._cancel_moment,
        }

    def _add_moment(self, call: Call) -> dict[str, Any]:
        world, body = self._world, call.body
        text = str((body.get("text") or {}).get("content", ""))
        attachments = body.get("attachments") or []
        if len(text) > 2000:
            raise Refuse(45002)
        if not text and not attachments:
            raise Refuse(41089)
        if len(attachments) > 9:
            raise Refuse(41064)
        senders = (body.get("visible_range") or {}).get("sender_list") or {}
        users = [str(user) for user in senders.get("user_list") or []]
        users = [world.follower(user).userid for user in users] or [
            m.userid for m in world.members.values() if m.customer_contact
        ]
        job, moment_id = world.hex(32), f"mom{world.hex(30)}"
        world.moments[moment_id] = MomentTask(job, moment_id, dict(body), world.now(), users)
        return {"jobid": job}

    def _moment_result(self, call: Call) -> dict[str, Any]:
        job = call.text("jobid", 40063)
        found = next((moment for moment in self._world.moments.values() if moment.job == job), None)
        if found is None or self._world.now() - found.created_at > _DAY:
            raise Refuse(40088)
        result = {
            "errcode": 0,
            "errmsg": "ok",
            "moment_id": found.moment_id,
            "invalid_sender_list": {"user_list": [], "department_list": []},
            "invalid_external_contact_list": {"tag_list": []},
        }
        return {"status": 3, "type": "add_moment_task", "result": result}

    def _moment(self, call: Call) -> MomentTask:
        found = self._world.moments.get(call.text("moment_id", 41059))
        if found is None:
            raise Refuse(41060)
        return found

    def _moment_parts(self, call: Call) -> dict[str, Any]:
        moment = self._moment(call)
        parts = [{"userid": user, "publish_status": int(user in moment.published)} for user in moment.users]
        return page(call, parts, name="task_list", default=500, most=1000)

    def _customers_of(self, call: Call) -> tuple[MomentTask, str, list[str]]:
        moment, userid = self._moment(call), call.text("userid", 41009)
        if userid not in moment.users:
            raise Refuse(41061)
        wanted = ((moment.body.get("visible_range") or {}).get("external_contact_list") or {}).get("tag_list")
        found = [
            record.id
            for record in self._world.customers.values()
            if (follow := record.follows.get(userid)) is not None
            and (not wanted or set(wanted) & set(follow.tags))
        ]
        return moment, userid, found

    def _moment_customers(self, call: Call) -> dict[str, Any]:
        _, userid, found = self._customers_of(call)
        rows = [{"userid": userid, "external_userid": customer} for customer in found]
        return page(call, rows, name="customer_list", default=500, most=1000)

    def _moment_sent(self, call: Call) -> dict[str, Any]:
        moment, userid, found = self._customers_of(call)
        rows = [{"external_userid": customer} for customer in found if userid in moment.published]
        return page(call, rows, name="customer_list", default=3000, most=5000)

    def _moment_list(self, call: Call) -> dict[str, Any]:
        start, end = call.number("start_time", 0), call.number("end_time", 0)
        found = [
            {
                "moment_id": moment.moment_id,
                "create_time": str(int(moment.created_at.timestamp())),
                "create_type": 0,
                "visible_type": 1,
                "text": moment.body.get("text") or {"content": ""},
            }
            for moment in self._world.moments.values()
            if start <= int(moment.created_at.timestamp()) <= end
        ]
        return page(call, found, name="moment_list", default=20, most=20)

    def _moment_comments(self, call: Call) -> dict[str, Any]:
        moment = self._moment(call)
        userid = call.text("userid", 41009)
        if userid not in moment.users:
            raise Refuse(41061)
        if userid not in moment.published:
            raise Refuse(41062)

        def show(touches: list[tuple[str, str, datetime]]) -> list[dict[str, Any]]:
            return [
                {"external_userid": who, "create_time": int(at.timestamp())}
                for owner, who, at in touches
                if owner == userid
            ]

        return {"comment_list": show(moment.comments), "like_list": show(moment.likes)}

    def _cancel_moment(self, call: Call) -> dict[str, Any]:
        self._moment(call).cancelled = True
        return {}
