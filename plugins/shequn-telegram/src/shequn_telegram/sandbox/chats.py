"""Methods around chats: information, titles, topics, links, join requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shequn_telegram.sandbox.calls import Call, method
from shequn_telegram.sandbox.members import read_permissions
from shequn_telegram.sandbox.refusal import bad
from shequn_telegram.sandbox.send import media_content
from shequn_telegram.sandbox.state import PERMISSIONS, Chat, Invite, Member, Topic
from shequn_telegram.sandbox.world import World

__all__ = ["admit", "new_link"]

_NO_LINKS = "not enough rights to manage chat invite link"
_NO_TOPICS = "not enough rights to manage topics"


@method("getChat")
def get_chat(call: Call) -> Any:
    """Tell about a chat."""
    chat, _ = call.chat()
    made: dict[str, Any] = {
        **chat.json(),
        "accent_color_id": abs(chat.id) % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            "unlimited_gifts": False,
            "limited_gifts": False,
            "unique_gifts": False,
            "premium_subscription": False,
            "gifts_from_channels": False,
        },
    }
    if chat.description:
        made["description"] = chat.description
    if chat.username:
        made["active_usernames"] = [chat.username]
    if chat.type in {"group", "supergroup"}:
        made["permissions"] = {name: chat.permissions.get(name, False) for name in PERMISSIONS}
    if chat.slow:
        made["slow_mode_delay"] = chat.slow
    if chat.linked:
        made["linked_chat_id"] = chat.linked
    primary = next((link.url for link in chat.invites.values() if link.primary and not link.revoked), "")
    if primary:
        made["invite_link"] = primary
    if chat.pinned and (pinned := chat.messages.get(chat.pinned[-1])) is not None:
        made["pinned_message"] = pinned.json()
    return made


@method("getChatMemberCount")
def count_members(call: Call) -> Any:
    """Count members."""
    chat, _ = call.chat()
    return 2 if chat.type == "private" else chat.inside


method("getChatMembersCount")(count_members)


@method("getChatAdministrators")
def administrators(call: Call) -> Any:
    """List owner and administrators."""
    chat, _ = call.chat()
    if chat.type == "private":
        raise bad("there are no administrators in the private chat")
    bots = call.params.flag("return_bots")
    return [
        member.json(chat.type, call.bot.user.id)
        for member in chat.members.values()
        if member.is_admin and (bots or not member.user.is_bot or member.user.id == call.bot.user.id)
    ]


def _changing(call: Call, right: str = "can_change_info") -> Chat:
    chat, member = call.chat()
    if chat.type == "private":
        raise bad("can't change private chat")
    call.right(member, right, f"not enough rights to change chat {right.rpartition('_')[2]}")
    return chat


@method("setChatTitle")
def set_title(call: Call) -> Any:
    """Rename a chat."""
    chat = _changing(call)
    title = call.params.text("title").strip()
    if not title:
        raise bad("chat title is empty")
    if title == chat.title:
        raise bad("CHAT_NOT_MODIFIED")
    chat.title = title[:128]
    chat.renamed()
    call.world.service(chat, call.bot.user, {"new_chat_title": chat.title}, bot=call.bot.user.id)
    return True


@method("setChatDescription")
def set_description(call: Call) -> Any:
    """Describe a chat."""
    chat = _changing(call)
    description = call.params.text("description").strip()[:255]
    if description == chat.description:
        raise bad("chat description is not modified")
    chat.description = description
    return True


@method("setChatPhoto")
def set_photo(call: Call) -> Any:
    """Give a chat a picture."""
    chat = _changing(call)
    sizes = media_content(call, "photo", call.params.values.get("photo"), call.params)["photo"]
    call.world.service(chat, call.bot.user, {"new_chat_photo": sizes}, bot=call.bot.user.id)
    return True


@method("deleteChatPhoto")
def delete_photo(call: Call) -> Any:
    """Take a chat's picture away."""
    chat = _changing(call)
    call.world.service(chat, call.bot.user, {"delete_chat_photo": True}, bot=call.bot.user.id)
    return True


@method("setChatPermissions")
def set_permissions(call: Call) -> Any:
    """Set what ordinary members may do."""
    chat, member = call.chat()
    call.right(member, "can_restrict_members", "not enough rights to change chat permissions")
    given = call.params.nested("permissions")
    if not isinstance(given, dict):
        raise bad("can't parse permissions JSON object")
    chat.permissions = read_permissions(given)
    return True


@method("leaveChat")
def leave_chat(call: Call) -> Any:
    """Leave."""
    chat, member = call.chat()
    if member is not None:
        call.world.put(chat, Member(member.user, "left", is_member=False))
    return True


# topics


def _forum(call: Call) -> tuple[Chat, Member | None]:
    chat, member = call.chat()
    if not chat.forum:
        raise bad("the chat is not a forum")
    call.right(member, "can_manage_topics", _NO_TOPICS)
    return chat, member


@method("createForumTopic")
def create_topic(call: Call) -> Any:
    """Open a topic."""
    chat, _ = _forum(call)
    name = call.params.text("name").strip()
    if not 1 <= len(name) <= 128:
        raise bad("TOPIC_NAME_EMPTY" if not name else "TOPIC_TITLE_TOO_LONG")
    color = call.params.integer("icon_color") or 7322096
    topic_id = chat.last_id + 1
    content = {
        "message_thread_id": topic_id,
        "is_topic_message": True,
        "forum_topic_created": {"name": name, "icon_color": color},
    }
    chat.topics[topic_id] = Topic(topic_id, name)
    call.world.service(chat, call.bot.user, content, bot=call.bot.user.id)
    return {"message_thread_id": topic_id, "name": name, "icon_color": color}


def _topic(call: Call) -> tuple[Chat, Topic]:
    chat, _ = _forum(call)
    topic = chat.topics.get(call.params.integer("message_thread_id") or 0)
    if topic is None:
        raise bad("message thread not found")
    return chat, topic


def _topic_service(call: Call, chat: Chat, topic: Topic, what: dict[str, Any]) -> bool:
    content = {"message_thread_id": topic.id, "is_topic_message": True, **what}
    call.world.service(chat, call.bot.user, content, bot=call.bot.user.id)
    return True


@method("editForumTopic")
def edit_topic(call: Call) -> Any:
    """Rename a topic."""
    chat, topic = _topic(call)
    name = call.params.text("name").strip() or topic.name
    if name == topic.name and "icon_custom_emoji_id" not in call.params:
        raise bad("TOPIC_NOT_MODIFIED")
    topic.name = name[:128]
    return _topic_service(call, chat, topic, {"forum_topic_edited": {"name": topic.name}})


@method("closeForumTopic")
def close_topic(call: Call) -> Any:
    """Close a topic."""
    chat, topic = _topic(call)
    if topic.closed:
        raise bad("TOPIC_NOT_MODIFIED")
    topic.closed = True
    return _topic_service(call, chat, topic, {"forum_topic_closed": {}})


@method("reopenForumTopic")
def reopen_topic(call: Call) -> Any:
    """Open a closed topic again."""
    chat, topic = _topic(call)
    if not topic.closed:
        raise bad("TOPIC_NOT_MODIFIED")
    topic.closed = False
    return _topic_service(call, chat, topic, {"forum_topic_reopened": {}})


@method("deleteForumTopic")
def delete_topic(call: Call) -> Any:
    """Delete a topic with its messages."""
    chat, topic = _topic(call)
    del chat.topics[topic.id]
    for number in [message.id for message in chat.messages.values() if message.thread == topic.id]:
        del chat.messages[number]
    return True


@method("unpinAllForumTopicMessages")
def unpin_topic(call: Call) -> Any:
    """Take a topic's pins away."""
    chat, topic = _topic(call)
    chat.pinned = [number for number in chat.pinned if chat.messages[number].thread != topic.id]
    return True


_GENERAL = {
    "closeGeneralForumTopic": ("closed", True, "forum_topic_closed"),
    "reopenGeneralForumTopic": ("closed", False, "forum_topic_reopened"),
    "hideGeneralForumTopic": ("hidden", True, "general_forum_topic_hidden"),
    "unhideGeneralForumTopic": ("hidden", False, "general_forum_topic_unhidden"),
}


def _turn_general(state: str, *, wanted: bool, told: str) -> Callable[[Call], Any]:
    def turn(call: Call) -> Any:
        chat, _ = _forum(call)
        if (state in chat.general) is wanted:
            raise bad("TOPIC_NOT_MODIFIED")
        if wanted:
            chat.general |= {state} | ({"closed"} if state == "hidden" else set())  # a hidden one is closed
        else:
            chat.general -= {state} | ({"hidden"} if state == "closed" else set())
        call.world.service(chat, call.bot.user, {told: {}}, bot=call.bot.user.id)
        return True

    return turn


for _name, (_state, _wanted, _told) in _GENERAL.items():
    method(_name)(_turn_general(_state, wanted=_wanted, told=_told))


@method("editGeneralForumTopic")
def edit_general(call: Call) -> Any:
    """Rename the topic that every forum has."""
    chat, _ = _forum(call)
    name = call.params.text("name").strip()[:128]
    if not name:
        raise bad("TOPIC_NAME_EMPTY")
    if name == chat.general_name:
        raise bad("TOPIC_NOT_MODIFIED")
    chat.general_name = name
    call.world.service(chat, call.bot.user, {"forum_topic_edited": {"name": name}}, bot=call.bot.user.id)
    return True


@method("unpinAllGeneralForumTopicMessages")
def unpin_general(call: Call) -> Any:
    """Take away the pins that are in no other topic."""
    chat, _ = _forum(call)
    chat.pinned = [number for number in chat.pinned if chat.messages[number].thread in chat.topics]
    return True


@method("getForumTopicIconStickers")
def topic_icons(_call: Call) -> Any:
    """List icons of topics: the sandbox has none."""
    return []


# links


def new_link(world: World) -> str:
    """Make the address of an invite link."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
    return "https://t.me/+" + "".join(world.rng.choice(letters) for _ in range(16))


def _linking(call: Call) -> Chat:
    chat, member = call.chat()
    if chat.type == "private":
        raise bad("can't manage invite links of the private chat")
    call.right(member, "can_invite_users", _NO_LINKS)
    return chat


def _configure(call: Call, link: Invite) -> Invite:
    params = call.params
    name = params.text("name")
    if len(name) > 32:
        raise bad("INVITE_TITLE_TOO_LONG")
    limit, expires = params.integer("member_limit") or 0, params.integer("expire_date") or 0
    approval = params.flag("creates_join_request")
    if limit and not 1 <= limit <= 99_999:
        raise bad("USAGE_LIMIT_INVALID")
    if limit and approval:
        raise bad("member limit can't be specified for links requiring administrator approval")
    if expires and expires <= call.world.now():
        raise bad("EXPIRE_DATE_INVALID")
    link.name, link.limit, link.expires, link.approval = name, limit, expires, approval
    return link


@method("createChatInviteLink")
def create_link(call: Call) -> Any:
    """Make an invite link."""
    chat = _linking(call)
    link = _configure(call, Invite(new_link(call.world), call.bot.user))
    chat.invites[link.url] = link
    return link.json()


@method("createChatSubscriptionInviteLink")
def create_subscription_link(call: Call) -> Any:
    """Make a link by which joining costs Stars."""
    chat = _linking(call)
    if chat.type != "channel":
        raise bad("method is available only for channel chats")
    period, price = call.params.integer("subscription_period"), call.params.integer("subscription_price") or 0
    if period != 2_592_000:
        raise bad("SUBSCRIPTION_PERIOD_INVALID")
    if not 1 <= price <= 10_000:
        raise bad("PRICING_AMOUNT_INVALID")
    name = call.params.text("name")
    if len(name) > 32:
        raise bad("INVITE_TITLE_TOO_LONG")
    link = Invite(new_link(call.world), call.bot.user, name, period=period, price=price)
    chat.invites[link.url] = link
    return link.json()


def _link(call: Call, chat: Chat) -> Invite:
    link = chat.invites.get(call.params.text("invite_link"))
    if link is None or link.creator.id != call.bot.user.id:
        raise bad("INVITE_HASH_EXPIRED")
    return link


@method("editChatInviteLink")
def edit_link(call: Call) -> Any:
    """Change an invite link."""
    chat = _linking(call)
    return _configure(call, _link(call, chat)).json()


@method("editChatSubscriptionInviteLink")
def edit_subscription_link(call: Call) -> Any:
    """Rename a paid link."""
    link = _link(call, _linking(call))
    link.name = call.params.text("name")[:32]
    return link.json()


@method("revokeChatInviteLink")
def revoke_link(call: Call) -> Any:
    """End an invite link."""
    chat = _linking(call)
    link = _link(call, chat)
    link.revoked = True
    if link.primary:
        fresh = Invite(new_link(call.world), call.bot.user, primary=True)
        chat.invites[fresh.url] = fresh
    return link.json()


@method("exportChatInviteLink")
def export_link(call: Call) -> Any:
    """Make a new primary link."""
    chat = _linking(call)
    for link in chat.invites.values():
        if link.primary and link.creator.id == call.bot.user.id:
            link.revoked = True
    link = Invite(new_link(call.world), call.bot.user, primary=True)
    chat.invites[link.url] = link
    return link.url


# join requests


def admit(
    world: Any,
    chat: Chat,
    user: Any,
    *,
    invite: Invite | None = None,
    actor: Any = None,
    by_request: bool = False,
) -> None:
    """Let somebody in, and tell it in both forms: `chat_member` first, then the service message."""
    old = world.member(chat, user.id) or Member(user, "left", is_member=False)
    until = world.now() + invite.period if invite is not None and invite.period else 0
    status = "restricted" if old.status == "restricted" else "member"
    new = Member(
        user, status, permissions=old.permissions, until=old.until if status == "restricted" else until
    )
    world.put(chat, new)
    if invite is not None:
        invite.used += 1
    world.tell_member(chat, actor or user, old, new, invite=invite, by_request=by_request)
    if chat.type != "channel":
        world.service(chat, user, {"new_chat_members": [user.json()]})


def _request(call: Call) -> tuple[Chat, Any, Invite | None]:
    chat, member = call.chat()
    call.right(member, "can_invite_users", "not enough rights to manage join requests in the chat")
    user = call.world.users.get(call.params.integer("user_id") or 0)
    if user is None:
        raise bad("user not found")
    if user.id not in chat.requests:
        known = call.world.member(chat, user.id)
        if known is not None and known.inside:
            raise bad("USER_ALREADY_PARTICIPANT")
        raise bad("HIDE_REQUESTER_MISSING")
    invite = chat.requests.pop(user.id)
    if invite is not None:
        invite.pending = max(0, invite.pending - 1)
    return chat, user, invite


def _no_query(_call: Call) -> Any:
    """Refuse: queries go to a chat's guard bot only, and the sandbox's chats have none."""
    raise bad("query is too old and response timeout expired or query ID is invalid")


method("answerChatJoinRequestQuery")(_no_query)
method("sendChatJoinRequestWebApp")(_no_query)


@method("approveChatJoinRequest")
def approve(call: Call) -> Any:
    """Let an applicant in."""
    chat, user, invite = _request(call)
    admit(call.world, chat, user, invite=invite, actor=call.bot.user, by_request=True)
    return True


@method("declineChatJoinRequest")
def decline(call: Call) -> Any:
    """Turn an applicant away."""
    _request(call)
    return True
