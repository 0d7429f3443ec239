"""Mass messages, as the local WeChat Work keeps them."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shequn_wecom.sandbox.messages import Handler, size
from shequn_wecom.sandbox.paging import page
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import MassMessageTask, MassResult, Said, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["ATTACHMENTS", "MassCalls", "check_message"]

ATTACHMENTS = {"image": "image", "video": "video", "file": "file", "link": "", "miniprogram": ""}
_CHINA = ZoneInfo("Asia/Shanghai")
_DAY = timedelta(days=1)


def check_message(world: World, body: dict[str, Any], *, most_text: int) -> str:
    """Check text and attachments of a mass message or welcome; gives the text."""
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
        if kind not in ATTACHMENTS:
            raise Refuse(41065)
        content = item.get(kind) or {}
        if kind == "link" and not (content.get("title") and content.get("url")):
            raise Refuse(40063, "link")
        if ATTACHMENTS[kind] and not content.get("pic_url"):
            world.media_file(str(content.get("media_id", "")), kinds=(kind,))
    return text


class MassCalls:
    """Mass messages."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "externalcontact/add_msg_template": self._add_mass,
            "externalcontact/get_groupmsg_list_v2": self._list_mass,
            "externalcontact/get_groupmsg_task": self._mass_parts,
            "externalcontact/get_groupmsg_send_result": self._mass_results,
            "externalcontact/get_group_msg_result": self._mass_results_old,
            "externalcontact/remind_groupmsg_send": self._remind,
            "externalcontact/cancel_groupmsg_send": self._cancel,
        }

    def _add_mass(self, call: Call) -> dict[str, Any]:
        world, body = self._world, call.body
        chat_type = str(body.get("chat_type") or "single")
        check_message(world, body, most_text=4000)
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
