"""What members must send themselves: mass messages and moments; and welcomes (群发, 朋友圈, 欢迎语).

Documents 92135, 93338, 95094, 92137, 92366.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from shequn_sdk.errors import Conflict, Unavailable
from shequn_wecom import wire
from shequn_wecom.api import Api
from shequn_wecom.attachments import kinds_told
from shequn_wecom.errors import PLATFORM, error_of
from shequn_wecom.models import MassMessage, MomentActivity, instant

__all__ = ["Campaigns", "Progress"]

_DISPATCHING = "41063"
_CANCELLED = "41093"
_SENDING = "41096"
_DONE = 3
"""Status of a job that made a moment, or failed to."""

_REASONS = {2: "no_longer_a_contact", 3: "receiver_quota_spent"}


class Progress:
    """How far a mass message has come."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        """Receiver (customer or group) to time of sending in seconds, 0 when not told."""
        self.pending = 0
        self.failed = 0
        self.reasons: dict[str, int] = {}

    def fail(self, reason: str) -> None:
        """Count one receiver who did not get it."""
        self.failed += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


class Campaigns:
    """Calls about messages that wait for a member to press send."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def send_mass(
        self,
        *,
        text: str,
        attachments: Sequence[dict[str, Any]] = (),
        sender: str,
        chats: Sequence[str] = (),
        customers: Sequence[str] = (),
        tags: Sequence[Sequence[str]] = (),
    ) -> tuple[str, tuple[str, ...]]:
        """Ask a member to send a message; gives the task's id and the receivers that are refused already.

        Args:
            chats: customer groups that `sender` owns; else it goes to single customers.
            customers: at most 10,000; empty is all customers of `sender`.
            tags: customers who have one tag of each of these lists.
        """
        body: dict[str, Any] = {"chat_type": "group" if chats else "single"}
        if chats:
            body["chat_id_list"] = list(chats)
        if customers:
            body["external_userid"] = list(customers)
        if tags:
            body["tag_filter"] = {"group_list": [{"tag_list": list(group)} for group in tags]}
        if sender:
            body["sender"] = sender
        if text:
            body["text"] = {"content": text}
        if attachments:
            body["attachments"] = list(attachments)
        answer = await self._api.post("externalcontact/add_msg_template", wire.MassSent, body)
        if not answer.msgid:
            raise Unavailable(
                "wecom took the mass message without naming the task; it is looked up before it is sent again",
                platform=PLATFORM,
                operation="externalcontact/add_msg_template",
            )
        return answer.msgid, tuple(answer.fail_list)

    async def progress(self, task: str, *, chat: str = "") -> Progress:
        """Read how far a mass message has come; with `chat` only in that group."""
        progress = Progress()
        try:
            async for page in self._api.pages(
                "externalcontact/get_groupmsg_task", wire.MassTasks, {"msgid": task}, limit=500
            ):
                for part in page.task_list:
                    await self._add_results(progress, task, part, chat)
        except Unavailable as error:
            if error.code != _DISPATCHING:
                raise
            progress.pending += 1
        except Conflict as error:
            if error.code != _CANCELLED:
                raise
            progress.fail("cancelled")
        if not (progress.sent or progress.pending or progress.failed):
            progress.pending = 1
        return progress

    async def _add_results(self, progress: Progress, task: str, part: wire.MassTask, chat: str) -> None:
        body = {"msgid": task, "userid": part.userid}
        found = False
        async for page in self._api.pages(
            "externalcontact/get_groupmsg_send_result", wire.MassResults, body, limit=500
        ):
            for result in page.send_list:
                receiver = result.chat_id or result.external_userid
                if chat and result.chat_id and result.chat_id != chat:
                    continue
                found = True
                if result.status == 1:
                    progress.sent[receiver] = result.send_time or part.send_time
                elif result.status in _REASONS:
                    progress.fail(_REASONS[result.status])
                else:
                    progress.pending += 1
        if not found and part.status != 2:
            progress.pending += 1

    async def remind(self, task: str) -> None:
        """Remind the member; at most three times in 24 hours."""
        await self._api.post("externalcontact/remind_groupmsg_send", wire.Answer, {"msgid": task})

    async def cancel(self, task: str) -> None:
        """Take back what no member has sent yet; a task that is cancelled already is no error."""
        try:
            await self._api.post("externalcontact/cancel_groupmsg_send", wire.Answer, {"msgid": task})
        except Conflict as error:
            if error.code != _CANCELLED:
                raise

    async def iter_mass(
        self, *, chat_type: str, since: datetime, until: datetime
    ) -> AsyncIterator[MassMessage]:
        """Give mass messages made in a span of at most a month; `chat_type` is single or group."""
        body = {
            "chat_type": chat_type,
            "start_time": int(since.timestamp()),
            "end_time": int(until.timestamp()),
            "filter_type": 2,
        }
        async for page in self._api.pages(
            "externalcontact/get_groupmsg_list_v2", wire.MassList, body, limit=100
        ):
            for record in page.group_msg_list:
                yield MassMessage(
                    id=record.msgid,
                    text=str((record.text or {}).get("content", "")),
                    kinds=tuple(kinds_told(record.attachments)),
                    creator=record.creator,
                    created_at=instant(record.create_time),
                )

    async def find_mass(
        self,
        *,
        text: str,
        kinds: Sequence[str] = (),
        chat_type: str,
        receiver: str,
        since: datetime,
        until: datetime,
    ) -> MassMessage | None:
        """Find a mass message by its text and one receiver ("" is any); without text by its attachments (`kinds_of`).

        A cancelled one counts as none.
        """
        since = since.replace(microsecond=0)
        async for record in self.iter_mass(chat_type=chat_type, since=since, until=until):
            if record.text != text or (not text and record.kinds != tuple(kinds)):
                continue
            if record.created_at is not None and record.created_at < since:
                continue
            try:
                if not receiver or await self.reaches(record.id, receiver):
                    return record
            except Conflict as error:
                if error.code != _CANCELLED:
                    raise
        return None

    async def reaches(self, task: str, receiver: str) -> bool:
        """Whether a mass message goes to a customer or group, sent or not."""
        async for page in self._api.pages(
            "externalcontact/get_groupmsg_task", wire.MassTasks, {"msgid": task}, limit=500
        ):
            for part in page.task_list:
                body = {"msgid": task, "userid": part.userid}
                async for results in self._api.pages(
                    "externalcontact/get_groupmsg_send_result", wire.MassResults, body, limit=500
                ):
                    if any(receiver in {item.chat_id, item.external_userid} for item in results.send_list):
                        return True
        return False

    async def welcome(self, code: str, *, text: str, attachments: Sequence[dict[str, Any]] = ()) -> None:
        """Send the welcome that belongs to a code: once, and within 20 s of the event."""
        body: dict[str, Any] = {"welcome_code": code}
        if text:
            body["text"] = {"content": text}
        if attachments:
            body["attachments"] = list(attachments)
        try:
            await self._api.post("externalcontact/send_welcome_msg", wire.Answer, body)
        except Conflict as error:
            if error.code != _SENDING:
                raise

    async def add_group_welcome(self, text: str, *, notify: bool = True) -> str:
        """Make a group welcome template; the group's owner must choose it in the client. Gives its id."""
        body = {"text": {"content": text}, "notify": int(notify)}
        made = await self._api.post("externalcontact/group_welcome_template/add", wire.Created, body)
        return made.template_id

    async def delete_group_welcome(self, template: str) -> None:
        """Delete a group welcome template."""
        await self._api.post(
            "externalcontact/group_welcome_template/del", wire.Answer, {"template_id": template}
        )

    async def add_moment(
        self,
        *,
        text: str,
        attachments: Sequence[dict[str, Any]] = (),
        users: Sequence[str] = (),
        tags: Sequence[str] = (),
    ) -> str:
        """Ask members to publish a moment; gives the job's id, good for 24 hours.

        Args:
            users: who shall publish; empty is everybody in range.
            tags: customers with one of these see it; empty is all.
        """
        body: dict[str, Any] = {}
        if text:
            body["text"] = {"content": text}
        if attachments:
            body["attachments"] = list(attachments)
        visible: dict[str, Any] = {}
        if users:
            visible["sender_list"] = {"user_list": list(users)}
        if tags:
            visible["external_contact_list"] = {"tag_list": list(tags)}
        if visible:
            body["visible_range"] = visible
        made = await self._api.post("externalcontact/add_moment_task", wire.Created, body)
        return str(made.jobid)

    async def find_moment(self, job: str) -> str | None:
        """Give the moment's id once the job is done, None before.

        Raises:
            PlatformError: the job is done and has failed.
        """
        answer = await self._api.get(
            "externalcontact/get_moment_task_result", wire.MomentResult, {"jobid": job}
        )
        if answer.status == _DONE and answer.result.errcode:
            raise error_of(
                answer.result.errcode, answer.result.errmsg, operation="externalcontact/add_moment_task"
            )
        return answer.result.moment_id or None

    async def list_publishers(self, moment: str) -> dict[str, bool]:
        """Give the members asked to publish, and whether they did."""
        done: dict[str, bool] = {}
        async for page in self._api.pages(
            "externalcontact/get_moment_task", wire.Moments, {"moment_id": moment}, limit=500
        ):
            done.update({part.userid: part.publish_status == 1 for part in page.task_list})
        return done

    async def get_moment_activity(self, moment: str, userid: str) -> MomentActivity:
        """Give who liked and commented on a member's moment."""
        answer = await self._api.post(
            "externalcontact/get_moment_comments",
            wire.Moments,
            {"moment_id": moment, "userid": userid},
            idempotent=True,
        )
        return MomentActivity(
            comments={
                (item.external_userid or item.userid).strip(): instant(item.create_time)
                for item in answer.comment_list
            },
            likes={
                (item.external_userid or item.userid).strip(): instant(item.create_time)
                for item in answer.like_list
            },
        )

    async def cancel_moment(self, moment: str) -> None:
        """Take back a moment's task from those who have not published."""
        await self._api.post("externalcontact/cancel_moment_task", wire.Answer, {"moment_id": moment})
