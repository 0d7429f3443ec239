"""Application messages and app groups, as the local WeChat Work takes them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import ROOT, App, AppChat, Said, World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["Handler", "Messages", "card_of", "check_content", "text_of"]

Handler = Callable[[Call], dict[str, Any]]

_CHAT_ID = re.compile(r"^[0-9A-Za-z]{1,32}$")
_TASK_ID = re.compile(r"^[0-9A-Za-z_\-@]{1,128}$")
_APP_KINDS = frozenset(
    {
        "text",
        "image",
        "voice",
        "video",
        "file",
        "textcard",
        "news",
        "mpnews",
        "markdown",
        "miniprogram_notice",
        "template_card",
    }
)
_CHAT_KINDS = _APP_KINDS - {"miniprogram_notice", "template_card"}


def size(value: Any) -> int:
    """Give bytes of UTF-8."""
    return len(str(value).encode("utf-8", "surrogatepass"))


def check_content(
    world: World, body: dict[str, Any], *, kinds: frozenset[str], markdown: int, robot: str = ""
) -> str:
    """Check msgtype and its content; gives the msgtype."""
    kind = body.get("msgtype")
    if not isinstance(kind, str) or kind not in kinds:
        raise Refuse(40008)
    content = body.get(kind)
    if not isinstance(content, dict):
        raise Refuse(40063 if content is None else 40058, kind)
    if kind in {"text", "markdown", "markdown_v2"}:
        text = content.get("content", "")
        if not isinstance(text, str) or not text:
            raise Refuse(44004)
        if size(text) > (2048 if kind == "text" else markdown):
            raise Refuse(45002)
    elif kind in {"image", "voice", "video", "file"} and "base64" not in content:
        world.media_file(str(content.get("media_id", "")), kinds=(kind,), robot=robot)
    elif kind == "textcard":
        for name in ("title", "description", "url"):
            if not content.get(name):
                raise Refuse(40063, name)
    elif kind in {"news", "mpnews"}:
        articles = content.get("articles")
        if not isinstance(articles, list) or not 1 <= len(articles) <= 8:
            raise Refuse(45008)
        for article in articles:
            needed = ("title", "url") if kind == "news" else ("title", "thumb_media_id", "content")
            if not isinstance(article, dict) or not all(article.get(name) for name in needed):
                if (
                    kind == "news"
                    and isinstance(article, dict)
                    and article.get("title")
                    and article.get("appid")
                ):
                    continue
                raise Refuse(40063, kind)
            if kind == "mpnews":
                world.media_file(str(article["thumb_media_id"]), kinds=("image",))
                if size(article["content"]) > 666 * 1024:
                    raise Refuse(45002)
        if kind == "news" and body.get("safe") == 1:
            raise Refuse(40074)
    elif kind == "template_card":
        _check_card(content, robot=bool(robot))
    return kind


def _check_card(card: dict[str, Any], *, robot: bool) -> None:
    kind = card.get("card_type")
    interactive = {"button_interaction", "vote_interaction", "multiple_interaction"}
    allowed = {"text_notice", "news_notice"} | (set[str]() if robot else interactive)
    if kind not in allowed:
        raise Refuse(42031 if kind not in interactive else 40008)
    title = card.get("main_title")
    has_title = isinstance(title, dict) and bool(title.get("title"))
    if kind in {"text_notice", "news_notice"}:
        action = card.get("card_action")
        if not isinstance(action, dict) or not (action.get("url") or action.get("appid")):
            raise Refuse(42045)
        if not has_title and not card.get("sub_title_text"):
            raise Refuse(42033)
        if kind == "news_notice" and not (card.get("card_image") or card.get("image_text_area")):
            raise Refuse(42044)
    elif not _TASK_ID.match(str(card.get("task_id", ""))):
        raise Refuse(42014)
    for name, most, code in (
        ("horizontal_content_list", 6, 42035),
        ("jump_list", 3, 42042),
        ("vertical_content_list", 4, 42036),
        ("button_list", 6, 42038),
    ):
        if len(card.get(name) or []) > most:
            raise Refuse(code)
    if kind == "button_interaction":
        buttons = card.get("button_list")
        if not isinstance(buttons, list) or not buttons:
            raise Refuse(42038)
        for button in buttons:
            if not button.get("text"):
                raise Refuse(42038)
            if button.get("type") != 1 and not 1 <= size(button.get("key", "")) <= 1024:
                raise Refuse(42039)
    if kind == "vote_interaction":
        options = (card.get("checkbox") or {}).get("option_list") or []
        if not 1 <= len(options) <= 20:
            raise Refuse(42037)
        if not (card.get("submit_button") or {}).get("key"):
            raise Refuse(42046)


def text_of(body: dict[str, Any]) -> str:
    """Give what people read of a message."""
    kind = str(body.get("msgtype", ""))
    content = body.get(kind) or {}
    if kind in {"text", "markdown", "markdown_v2"}:
        return str(content.get("content", ""))
    if kind in {"news", "mpnews"}:
        lines = [
            f"{item.get('title', '')}\n{item.get('description', '')}" for item in content.get("articles", [])
        ]
        return "\n".join(lines).strip()
    if kind == "textcard":
        return f"{content.get('title', '')}\n{content.get('description', '')}"
    if kind == "template_card":
        title = content.get("main_title") or {}
        parts = [title.get("title", ""), title.get("desc", ""), content.get("sub_title_text", "")]
        return "\n".join(part for part in parts if part)
    return ""


def card_of(body: dict[str, Any]) -> dict[str, Any]:
    """Give the card of a message, {} for others."""
    card = body.get("template_card")
    return card if isinstance(card, dict) and body.get("msgtype") == "template_card" else {}


class Messages:
    """message/* and appchat/*."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sent: dict[str, tuple[datetime, dict[str, Any]]] = {}
        self._per_member: dict[tuple[int, str], list[datetime]] = {}
        self._counts: dict[tuple[int, str], int] = {}
        self._task_ids: dict[tuple[int, str], str] = {}

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "message/send": self._send,
            "message/recall": self._recall,
            "message/update_template_card": self._update_card,
            "message/get_statistics": self._statistics,
            "appchat/create": self._chat_create,
            "appchat/update": self._chat_update,
            "appchat/get": self._chat_get,
            "appchat/send": self._chat_send,
        }

    # application messages

    def _send(self, call: Call) -> dict[str, Any]:
        world, body = self._world, call.body
        app = self._app(call)
        if str(body.get("agentid", "")) != str(app.agent_id):
            raise Refuse(40056 if body.get("agentid") not in world.apps else 301002)
        if not any(body.get(name) for name in ("touser", "toparty", "totag")):
            raise Refuse(82001)
        kind = check_content(world, body, kinds=_APP_KINDS, markdown=2048)
        users = [part for part in str(body.get("touser", "")).split("|") if part]
        parties = [part for part in str(body.get("toparty", "")).split("|") if part]
        tags = [part for part in str(body.get("totag", "")).split("|") if part]
        everybody = users == ["@all"]
        if everybody:
            parties, tags = [], []
        if len(users) > 1000:
            raise Refuse(40032)
        if len(parties) > 100:
            raise Refuse(82002)
        if len(tags) > 100:
            raise Refuse(82003)
        receivers: dict[str, None] = {}
        bad_users = [user.lower() for user in users if not everybody and world.member(user) is None]
        bad_parties = [
            party for party in parties if not party.isdigit() or int(party) not in world.departments
        ]
        bad_tags = [tag for tag in tags if not tag.isdigit() or int(tag) not in world.member_tags]
        for member in world.members.values():
            if (
                everybody
                or any(member.userid.lower() == user.lower() for user in users)
                or any(str(department) in parties for department in member.departments)
                or ROOT in {int(party) for party in parties if party.isdigit()}
                or any(str(tag) in tags for tag in member.tags)
            ):
                receivers[member.userid] = None
        valid = len(users) - len(bad_users) + len(parties) - len(bad_parties) + len(tags) - len(bad_tags)
        if not valid:
            raise Refuse(81013)
        again = self._duplicate(app, body)
        if again is not None:
            return again
        answer: dict[str, Any] = {
            "invaliduser": "|".join(bad_users),
            "invalidparty": "|".join(bad_parties),
            "invalidtag": "|".join(bad_tags),
            "unlicenseduser": "",
            "msgid": f"m-{world.hex(32)}",
        }
        card = card_of(body)
        task_id = str(card.get("task_id", ""))
        if task_id:
            if (app.agent_id, task_id) in self._task_ids:
                raise Refuse(42014, "task_id existed")
            self._task_ids[app.agent_id, task_id] = answer["msgid"]
            answer["response_code"] = world.hex(40)
        delivered = [userid for userid in receivers if self._within(app, userid)]
        if delivered or everybody or parties or tags:
            channels = ["@all"] if everybody else []
            good = [
                user
                for user in users
                if not everybody and world.member(user) is not None and self._got(user, delivered)
            ]
            channels += ["user:" + "|".join(good)] if good else []
            channels += [f"party:{party}" for party in parties if party not in bad_parties]
            channels += [f"tag:{tag}" for tag in tags if tag not in bad_tags]
            for channel in channels:
                world.stand(
                    Said(
                        channel=channel,
                        id=answer["msgid"],
                        author=str(app.agent_id),
                        author_name=app.name,
                        by_account=True,
                        text=text_of(body),
                        at=world.now(),
                        attachments=int(kind in {"image", "voice", "video", "file"}),
                        body=body,
                        task_id=task_id,
                        response_code=answer.get("response_code", ""),
                        receivers=delivered,
                    )
                )
        day = world.now().date().isoformat()
        self._counts[app.agent_id, day] = self._counts.get((app.agent_id, day), 0) + 1
        self._remember(app, body, answer)
        return answer

    @staticmethod
    def _got(user: str, delivered: list[str]) -> bool:
        return any(user.lower() == userid.lower() for userid in delivered)

    def _app(self, call: Call) -> App:
        assert call.app is not None
        return call.app

    def _canonical(self, app: App, body: dict[str, Any]) -> str:
        text = json.dumps(body, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(f"{app.agent_id}/{text}".encode("utf-8", "surrogatepass")).hexdigest()

    def _duplicate(self, app: App, body: dict[str, Any]) -> dict[str, Any] | None:
        if body.get("enable_duplicate_check") != 1:
            return None
        interval = body.get("duplicate_check_interval", 1800)
        if not isinstance(interval, int) or not 0 < interval <= 14400:
            raise Refuse(40035, "duplicate_check_interval")
        known = self._sent.get(self._canonical(app, body))
        if known is None or self._world.now() - known[0] >= timedelta(seconds=interval):
            return None
        return known[1]

    def _remember(self, app: App, body: dict[str, Any], answer: dict[str, Any]) -> None:
        if body.get("enable_duplicate_check") == 1:
            self._sent[self._canonical(app, body)] = (self._world.now(), answer)

    def _within(self, app: App, userid: str) -> bool:
        """Whether a member still gets messages of an application: 30 a minute, 1000 an hour, the rest is dropped."""
        now = self._world.now()
        hits = [
            at for at in self._per_member.get((app.agent_id, userid), []) if now - at < timedelta(hours=1)
        ]
        fine = len(hits) < 1000 and sum(now - at < timedelta(minutes=1) for at in hits) < 30
        self._per_member[app.agent_id, userid] = [*hits, now] if fine else hits
        return fine

    def _recall(self, call: Call) -> dict[str, Any]:
        world = self._world
        msgid = call.text("msgid")
        found = world.by_id.get(msgid)
        if found is None or found.author != str(self._app(call).agent_id):
            raise Refuse(40058, "invalid msgid")
        if world.now() - found.at > timedelta(hours=24):
            raise Refuse(42052)
        for channel, messages in world.said.items():
            world.said[channel] = [said for said in messages if said.id != msgid]
        return {}

    def _update_card(self, call: Call) -> dict[str, Any]:
        code = call.text("response_code", 60140)
        for messages in self._world.said.values():
            for said in messages:
                if said.response_code == code:
                    said.response_code = ""
                    card = call.body.get("template_card")
                    if isinstance(card, dict):
                        said.body = {"msgtype": "template_card", "template_card": card}
                        said.text = text_of(said.body)
                    elif not isinstance(call.body.get("button"), dict):
                        raise Refuse(40063, "button")
                    return {"invaliduser": []}
        raise Refuse(60140)

    def _statistics(self, call: Call) -> dict[str, Any]:
        back = timedelta(days=call.number("time_type", 0))
        day = (self._world.now() - back).date().isoformat()
        items = [
            {"agentid": app.agent_id, "app_name": app.name, "count": count}
            for app in self._world.apps.values()
            if (count := self._counts.get((app.agent_id, day), 0))
        ]
        return {"statistics": items}

    # app groups

    def _chat(self, call: Call) -> AppChat:
        chat_id = call.text("chatid", 86201)
        found = self._world.appchats.get(chat_id)
        if found is None:
            raise Refuse(86003)
        if found.agent_id != self._app(call).agent_id:
            raise Refuse(86008)
        return found

    def _members(self, userids: list[str]) -> list[str]:
        found: list[str] = []
        for userid in userids:
            member = self._world.member(userid)
            if member is None:
                raise Refuse(86216, userid)
            if member.userid not in found:
                found.append(member.userid)
        return found

    def _chat_create(self, call: Call) -> dict[str, Any]:
        world, app = self._world, self._app(call)
        if not app.whole_corp:
            raise Refuse(60011)
        chat_id = str(call.body.get("chatid") or f"chat{world.hex(16)}")
        if len(chat_id) > 32:
            raise Refuse(86205)
        if not _CHAT_ID.match(chat_id):
            raise Refuse(86001)
        if chat_id in world.appchats:
            raise Refuse(86215)
        given = call.items("userlist")
        if not given:
            raise Refuse(86204)
        members = self._members(given)
        if not 2 <= len(members) <= 2000:
            raise Refuse(86006)
        owner = str(call.body.get("owner") or members[0])
        if owner not in members:
            raise Refuse(86207)
        name = str(call.body.get("name", ""))[:50]
        world.appchats[chat_id] = AppChat(chat_id, name, owner, members, app.agent_id)
        return {"chatid": chat_id}

    def _chat_update(self, call: Call) -> dict[str, Any]:
        chat = self._chat(call)
        members = [user for user in chat.members if user not in call.items("del_user_list")]
        members += [user for user in self._members(call.items("add_user_list")) if user not in members]
        if not 2 <= len(members) <= 2000:
            raise Refuse(86006)
        owner = str(call.body.get("owner") or (chat.owner if chat.owner in members else members[0]))
        if owner not in members:
            raise Refuse(86207)
        chat.members, chat.owner = members, owner
        if call.body.get("name"):
            chat.name = str(call.body["name"])[:50]
        return {}

    def _chat_get(self, call: Call) -> dict[str, Any]:
        chat = self._chat(call)
        info = {"chatid": chat.id, "name": chat.name, "owner": chat.owner, "userlist": list(chat.members)}
        return {"chat_info": info}

    def _chat_send(self, call: Call) -> dict[str, Any]:
        chat, app = self._chat(call), self._app(call)
        kind = check_content(self._world, call.body, kinds=_CHAT_KINDS, markdown=2048)
        chat.shown = True
        self._world.stand(
            Said(
                channel=chat.id,
                id=f"a-{self._world.hex(24)}",
                author=str(app.agent_id),
                author_name=app.name,
                by_account=True,
                text=text_of(call.body),
                at=self._world.now(),
                attachments=int(kind in {"image", "voice", "video", "file"}),
                body=call.body,
                receivers=list(chat.members),
            )
        )
        return {}
