"""Figures that WeCom counts itself: groups and members' work (统计), and intercept rules. Documents 92133, 92132, 95130."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shequn_wecom import wire
from shequn_wecom.api import Api
from shequn_wecom.customers import slices
from shequn_wecom.models import BehaviourNumbers, GroupDay, Rule, instant

__all__ = ["Numbers", "Rules"]

_CHINA = ZoneInfo("Asia/Shanghai")
_MAX_BEHAVIOUR = timedelta(days=29)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time.min, _CHINA).timestamp())


def _group_day(item: wire.GroupStatistic) -> GroupDay:
    data = item.data
    return GroupDay(
        owner=item.owner,
        day=instant(item.stat_time),
        new_groups=data.new_chat_cnt,
        groups=data.chat_total,
        groups_with_messages=data.chat_has_msg,
        new_members=data.new_member_cnt,
        members=data.member_total,
        members_with_messages=data.member_has_msg,
        messages=data.msg_total,
    )


class Numbers:
    """Calls about statistics: yesterday and before, at most 180 days back, days of China; never per group."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def iter_by_owner(
        self, owners: Sequence[str], *, first: date, last: date | None = None
    ) -> AsyncIterator[GroupDay]:
        """Give counts per group owner, summed over the days from `first` to `last`."""
        for part in slices(owners, 100):
            offset = 0
            while True:
                body: dict[str, Any] = {
                    "day_begin_time": _midnight(first),
                    "day_end_time": _midnight(last or first),
                    "owner_filter": {"userid_list": part},
                    "order_by": 2,
                    "order_asc": 0,
                    "offset": offset,
                    "limit": 1000,
                }
                page = await self._api.post(
                    "externalcontact/groupchat/statistic", wire.GroupStatistics, body, idempotent=True
                )
                for item in page.items:
                    yield _group_day(item)
                if not page.items or page.next_offset <= offset or page.next_offset >= page.total:
                    break
                offset = page.next_offset

    async def list_by_day(self, owners: Sequence[str], *, first: date, last: date) -> list[GroupDay]:
        """Give counts per day over all of `owners` (at most 100)."""
        body = {
            "day_begin_time": _midnight(first),
            "day_end_time": _midnight(last),
            "owner_filter": {"userid_list": list(owners)},
        }
        page = await self._api.post(
            "externalcontact/groupchat/statistic_group_by_day", wire.GroupStatistics, body, idempotent=True
        )
        return [_group_day(item) for item in page.items]

    async def list_behaviour(self, userid: str, *, first: date, last: date) -> list[BehaviourNumbers]:
        """Give what one member did with customers per day; WeCom would sum several members into one figure."""
        found: list[BehaviourNumbers] = []
        start = first
        while start <= last:
            end = min(last, start + _MAX_BEHAVIOUR)
            body = {"userid": [userid], "start_time": _midnight(start), "end_time": _midnight(end)}
            answer = await self._api.post(
                "externalcontact/get_user_behavior_data", wire.Behaviour, body, idempotent=True
            )
            found += [
                BehaviourNumbers(
                    day=instant(day.stat_time),
                    chats=day.chat_cnt,
                    messages=day.message_cnt,
                    reply_share=None if day.reply_percentage is None else day.reply_percentage / 100,
                    reply_minutes=day.avg_reply_time,
                    lost=day.negative_feedback_cnt,
                    applications=day.new_apply_cnt,
                    new_customers=day.new_contact_cnt,
                )
                for day in answer.behavior_data
            ]
            start = end + timedelta(days=1)
        return found


class Rules:
    """Intercept rules: what employees may not send to customers (敏感词)."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def add(
        self,
        name: str,
        *,
        words: Sequence[str],
        users: Sequence[str] = (),
        departments: Sequence[int] = (),
        semantics: Sequence[int] = (),
        blocks: bool = True,
    ) -> str:
        """Make a rule for some members or departments; gives its id."""
        body: dict[str, Any] = {
            "rule_name": name,
            "word_list": list(words),
            "semantics_list": list(semantics),
            "intercept_type": 1 if blocks else 2,
            "applicable_range": {"user_list": list(users), "department_list": list(departments)},
        }
        made = await self._api.post("externalcontact/add_intercept_rule", wire.Created, body)
        return str(made.rule_id)

    async def list(self) -> list[Rule]:
        """Give all rules, by id and name only."""
        answer = await self._api.get("externalcontact/get_intercept_rule_list", wire.Rules)
        return [Rule(id=str(item.rule_id), name=item.rule_name) for item in answer.rule_list]

    async def get(self, rule: str) -> Rule:
        """Read a rule whole."""
        answer = await self._api.post(
            "externalcontact/get_intercept_rule", wire.Rules, {"rule_id": rule}, idempotent=True
        )
        found = answer.rule
        return Rule(
            id=str(found.rule_id) or rule,
            name=found.rule_name,
            words=tuple(found.word_list),
            semantics=tuple(found.extra_rule.semantics_list),
            blocks=found.intercept_type != 2,
            users=tuple(found.applicable_range.user_list),
            departments=tuple(found.applicable_range.department_list),
        )

    async def update(self, rule: str, *, name: str | None = None, words: Sequence[str] | None = None) -> None:
        """Change a rule's name or words."""
        body: dict[str, Any] = {"rule_id": rule}
        if name is not None:
            body["rule_name"] = name
        if words is not None:
            body["word_list"] = list(words)
        await self._api.post("externalcontact/update_intercept_rule", wire.Answer, body, idempotent=True)

    async def delete(self, rule: str) -> None:
        """Delete a rule."""
        await self._api.post("externalcontact/del_intercept_rule", wire.Answer, {"rule_id": rule})
