"""Mass messages, welcomes, moments and intercept rules, as the local WeChat Work keeps them."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shequn_wecom.sandbox.messages import Handler, size
from shequn_wecom.sandbox.paging import page
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import MassMessageTask, MassResult, MomentTask, Said, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["CampaignCalls"]

_ATTACHMENTS = {"image": "image", "video": "video", "file": "file", "link": "", "miniprogram": ""}
_CHINA = ZoneInfo("Asia/Shanghai")
_DAY = timedelta(days=1)


class CampaignCalls:
    """externalcontact/*: what members send, and what they may not."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        calls: dict[str, Handler] = {
            "add_msg_template": self._add_mass,
            "get_groupmsg_list_v2": self._list_mass,
            "get_groupmsg_task": self._mass_parts,
            "get_groupmsg_send_result": self._mass_results,
            "get_group_msg_result": self._mass_results_old,
            "remind_groupmsg_send": self._remind,
            "cancel_groupmsg_send": self._cancel,
            "send_welcome_msg": self._welcome,
            "group_welcome_template/add": self._add_template,
            "group_welcome_template/edit": self._edit_template,
            "group_welcome_template/get": self._get_template,
            "group_welcome_template/del": self._delete_template,
            "add_moment_task": self._add_moment,
            "get_moment_task_result": self._moment_result,
            "get_moment_task": self._moment_parts,
            "get_moment_list": self._moment_list,
            "get_moment_comments": self._moment_comments,
            "cancel_moment_task": self._cancel_moment,
            "add_intercept_rule": self._add_rule,
            "get_intercept_rule_list": self._list_rules,
            "get_intercept_rule": self._get_rule,
            "update_intercept_rule": self._update_rule,
            "del_intercept_rule": self._delete_rule,
        }
        return {f"externalcontact/{name}": handler for name, handler in calls.items()}

    def _check_message(self, body: dict[str, Any], *, most_text: int) -> str:
        text = str((body.get("text") or {}).get("content", ""))
        attachments = body.get("attachments") or []
        if size(text) > most_text:
            raise Refuse(45002)
        if not isinstance(attachments, list):
            raise Refuse(41065)
        if len(attachments) > 9:
            raise Refuse(41064)
        if not text and not attachments:
            raise Refuse(41089)
        for item in attachments:
            kind = item.get("msgtype") if isinstance(item, dict) else None
            if kind not in _ATTACHMENTS:
                raise Refuse(41065)
            content = item.get(kind) or {}
            if kind == "link" and not (content.get("title") and content.get("url")):
                raise Refuse(40063, "link")
            if _ATTACHMENTS[kind] and not content.get("pic_url"):
                self._world.media_file(str(content.get("media_id", "")), kinds=(kind,))
        return text

    # mass messages

    def _add_mass(self, call: Call) -> dict[str, Any]:
        world, body = self._world, call.body
        chat_type = str(body.get("chat_type") or "single")
        self._check_message(body, most_text=4000)
        sender = str(body.get("sender") or "")
        if sender:
            sender = world.follower(sender).userid
        parts: dict[str, list[MassResult]] = {}
        failed: list[str] = []
        if chat_type == "group":
            if not sender:
                raise Refuse(40058, "sender missing")
            owned = [g.id for g in world.groups.values() if g.owner == sender and not g.dismissed]
            wanted = call.items("chat_id_list", most=2000, code=81017) or owned
            good = [chat for chat in wanted if chat in owned]
            failed = [chat for chat in wanted if chat not in owned]
            parts[sender] = [MassResult(chat, group=True) for chat in good]
        elif chat_type == "single":
            wanted = call.items("external_userid", most=10_000, code=81017)
            tag_groups = (body.get("tag_filter") or {}).get("group_list") or []
            for customer in wanted or list(world.customers):
                record = world.customers.get(customer)
                follows = list(record.follows.values()) if record else []
                follows = [follow for follow in follows if not sender or follow.userid == sender]
                # one of each list: OR inside a list, AND across lists
                follows = [
                    follow
                    for follow in follows
                    if all(set(group.get("tag_list") or []) & set(follow.tags) for group in tag_groups)
                ]
                if not follows:
                    if wanted:
                        failed.append(customer)
                    continue
                parts.setdefault(follows[0].userid, []).append(MassResult(customer, group=False))
        else:
            raise Refuse(86214)
        if not any(parts.values()):
            raise Refuse(41048)
        task = MassMessageTask(
            id=f"msg{world.hex(30)}",
            body=dict(body),
            chat_type=chat_type,
            created_at=world.now(),
            parts=parts,
        )
        world.mass[task.id] = task
        for results in parts.values():
            for result in results:
                world.stand(self._said(task, result, sender or next(iter(parts))))
        return {"fail_list": failed, "msgid": task.id}

    def _said(self, task: MassMessageTask, result: MassResult, author: str) -> Said:
        return Said(
            channel=result.receiver if result.group else f"customer:{result.receiver}",
            id=task.id,
            author=author,
            author_name=author,
            by_account=True,
            text=str((task.body.get("text") or {}).get("content", "")),
            at=self._world.now(),
            attachments=len(task.body.get("attachments") or []),
            body=task.body,
            waiting=True,
        )

    def confirm(self, task_id: str, *, userid: str = "") -> None:
        """Let the member in charge, or all of them, press send."""
        task = self._task(task_id)
        if task.cancelled:
            raise Refuse(41093)
        for sender, results in task.parts.items():
            if sender in task.sent_at or (userid and sender != userid):
                continue
            now = self._world.now()
            task.sent_at[sender] = now
            for result in results:
                result.at = now
                result.status = self._deliver(sender, result, now)
                channel = result.receiver if result.group else f"customer:{result.receiver}"
                messages = self._world.said.get(channel, [])
                for said in [said for said in messages if said.id == task.id]:
                    said.waiting = False
                    said.at = now
                    if result.status != 1:
                        messages.remove(said)

    def _deliver(self, sender: str, result: MassResult, now: datetime) -> int:
        if result.group:
            group = self._world.groups.get(result.receiver)
            if group is None or group.dismissed or group.owner != sender:
                return 2
            received = group.received
        else:
            record = self._world.customers.get(result.receiver)
            if record is None or sender not in record.follows:
                return 2
            received = record.received
        if self._spent(received, now):
            return 3
        received.append(now)
        return 1

    def _spent(self, received: list[datetime], now: datetime) -> bool:
        """Whether a receiver has had as many mass messages as the month has days."""
        local = now.astimezone(_CHINA)
        quota = calendar.monthrange(local.year, local.month)[1]
        month = [at for at in received if at.astimezone(_CHINA).strftime("%Y%m") == local.strftime("%Y%m")]
        return len(month) >= int(self._world.options.get("mass_per_month", quota))

    def _task(self, msgid: str) -> MassMessageTask:
        found = self._world.mass.get(msgid)
        if found is None:
            raise Refuse(41047)
        return found

    def _list_mass(self, call: Call) -> dict[str, Any]:
        chat_type = call.text("chat_type")
        start, end = call.number("start_time", 0), call.number("end_time", 0)
        if not 0 < start <= end or end - start > 31 * 86400:
            raise Refuse(40035, "start_time and end_time")
        found = [
            {
                "msgid": task.id,
                "create_time": str(int(task.created_at.timestamp())),
                "create_type": 0,
                "text": task.body.get("text") or {"content": ""},
                "attachments": task.body.get("attachments") or [],
            }
            for task in self._world.mass.values()
            if task.chat_type == chat_type and start <= int(task.created_at.timestamp()) <= end
        ]
        return page(call, found, name="group_msg_list", default=50, most=100)

    def _mass_parts(self, call: Call) -> dict[str, Any]:
        task = self._task(call.text("msgid", 41046))
        parts: list[dict[str, Any]] = []
        for userid in task.parts:
            sent = task.sent_at.get(userid)
            part: dict[str, Any] = {"userid": userid, "status": 2 if sent else 0}
            if sent:
                part["send_time"] = int(sent.timestamp())
            parts.append(part)
        if task.cancelled and not task.sent_at:
            raise Refuse(41093)
        return page(call, parts, name="task_list", default=500, most=1000)

    def _result(self, result: MassResult, userid: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"userid": userid, "status": result.status}
        shown["chat_id" if result.group else "external_userid"] = result.receiver
        if result.at and result.status == 1:
            shown["send_time"] = int(result.at.timestamp())
        return shown

    def _mass_results(self, call: Call) -> dict[str, Any]:
        task = self._task(call.text("msgid", 41046))
        userid = call.text("userid", 41009)
        found = [self._result(result, userid) for result in task.parts.get(userid, [])]
        return page(call, found, name="send_list", default=500, most=1000)

    def _mass_results_old(self, call: Call) -> dict[str, Any]:
        task = self._task(call.text("msgid", 41046))
        found = [self._result(result, userid) for userid, results in task.parts.items() for result in results]
        return {"check_status": 1 if task.sent_at else 0, "detail_list": found, "next_cursor": ""}

    def _remind(self, call: Call) -> dict[str, Any]:
        task = self._task(call.text("msgid", 41046))
        if task.cancelled:
            raise Refuse(41093)
        now = self._world.now()
        task.reminders = [at for at in task.reminders if now - at < _DAY]
        if len(task.reminders) >= 3:
            raise Refuse(41094)
        task.reminders.append(now)
        return {}

    def _cancel(self, call: Call) -> dict[str, Any]:
        task = self._task(call.text("msgid", 41046))
        if task.cancelled:
            raise Refuse(41093)
        task.cancelled = True
        for messages in self._world.said.values():
            messages[:] = [said for said in messages if said.id != task.id or not said.waiting]
        return {}

    # welcomes

    def _welcome(self, call: Call) -> dict[str, Any]:
        world = self._world
        code = world.welcome_codes.get(call.text("welcome_code", 41049))
        if code is None or world.now() - code.at >= timedelta(seconds=20):
            raise Refuse(41050)
        if code.used:
            raise Refuse(41051)
        text = self._check_message(call.body, most_text=4000)
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
        if not text and not any(body.get(kind) for kind in _ATTACHMENTS):
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

    # moments

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

    # intercept rules

    def _check_rule(self, rule: dict[str, Any], *, own: str = "") -> None:
        if not 1 <= len(str(rule.get("rule_name", ""))) <= 20:
            raise Refuse(40058, "rule_name")
        if any(r["rule_name"] == rule["rule_name"] for i, r in self._world.rules.items() if i != own):
            raise Refuse(41077)
        words = rule.get("word_list") or []
        if len(words) > 300:
            raise Refuse(41068)
        if any(not 1 <= len(str(word)) <= 32 for word in words):
            raise Refuse(41083)
        if any(item not in {1, 2, 3} for item in rule.get("semantics_list") or []):
            raise Refuse(41084)
        if rule.get("intercept_type") not in {1, 2}:
            raise Refuse(40058, "intercept_type")
        scope = rule.get("applicable_range") or {}
        users, parties = scope.get("user_list") or [], scope.get("department_list") or []
        if not users and not parties:
            raise Refuse(40063, "applicable_range")
        if len(users) > 1000 or len(parties) > 1000:
            raise Refuse(41076)

    def _add_rule(self, call: Call) -> dict[str, Any]:
        if len(self._world.rules) >= 100:
            raise Refuse(41069)
        rule = {**call.body, "create_time": self._world.stamp()}
        self._check_rule(rule)
        rule_id = f"rule{self._world.hex(28)}"
        self._world.rules[rule_id] = rule
        return {"rule_id": rule_id}

    def _rule(self, call: Call) -> tuple[str, dict[str, Any]]:
        wanted = call.text("rule_id", 41070)
        if wanted not in self._world.rules:
            raise Refuse(41070)
        return wanted, self._world.rules[wanted]

    def _list_rules(self, call: Call) -> dict[str, Any]:
        found = [
            {"rule_id": rule_id, "rule_name": rule["rule_name"], "create_time": rule["create_time"]}
            for rule_id, rule in self._world.rules.items()
        ]
        return {"rule_list": found}

    def _get_rule(self, call: Call) -> dict[str, Any]:
        rule_id, rule = self._rule(call)
        shown = {
            "rule_id": rule_id,
            "rule_name": rule["rule_name"],
            "word_list": rule.get("word_list") or [],
            "extra_rule": {"semantics_list": rule.get("semantics_list") or []},
            "intercept_type": rule["intercept_type"],
            "applicable_range": rule["applicable_range"],
        }
        return {"rule": shown}

    def _update_rule(self, call: Call) -> dict[str, Any]:
        rule_id, rule = self._rule(call)
        changed = {
            **rule,
            **{k: v for k, v in call.body.items() if k in {"rule_name", "word_list", "intercept_type"}},
        }
        extra = call.body.get("extra_rule")
        if isinstance(extra, dict):
            changed["semantics_list"] = extra.get("semantics_list") or []
        scope = {k: list(v) for k, v in (rule.get("applicable_range") or {}).items()}
        for name in ("user_list", "department_list"):
            add = (call.body.get("add_applicable_range") or {}).get(name) or []
            remove = (call.body.get("remove_applicable_range") or {}).get(name) or []
            items = [*scope.get(name, []), *add]
            scope[name] = [item for item in dict.fromkeys(items) if item not in remove]
        changed["applicable_range"] = scope
        self._check_rule(changed, own=rule_id)
        self._world.rules[rule_id] = changed
        return {}

    def _delete_rule(self, call: Call) -> dict[str, Any]:
        del self._world.rules[self._rule(call)[0]]
        return {}
