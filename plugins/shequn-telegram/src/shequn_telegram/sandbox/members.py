"""Methods around members: standing, bans, restrictions, roles."""

from __future__ import annotations

import re
from typing import Any

from shequn_telegram.sandbox.calls import Call, method
from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import bad
from shequn_telegram.sandbox.state import (
    ADMIN_RIGHTS,
    CHANNEL_RIGHTS,
    GROUP_RIGHTS,
    PERMISSIONS,
    Chat,
    Member,
    User,
)

__all__: list[str] = []

_NO_RESTRICT = "not enough rights to restrict/unrestrict chat member"
_YEAR = 366 * 86_400
_EMOJI = re.compile("[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]")


def _user(call: Call) -> User:
    number = call.params.integer("user_id")
    if number is None or number <= 0:
        raise bad("invalid user_id specified")
    user = call.world.users.get(number)
    if user is None:
        raise bad(
            "PARTICIPANT_ID_INVALID"
            if "chat_id" in call.params and call.world.find_chat(call.params.values["chat_id"]).id < 0
            else "user not found"
        )
    return user


@method("getChatMember")
def get_member(call: Call) -> Any:
    """Tell somebody's standing."""
    chat, _ = call.chat()
    user = _user(call)
    member = call.world.member(chat, user.id) or Member(user, "left", is_member=False)
    return member.json(chat.type, call.bot.user.id)


def _until(call: Call) -> int:
    until = call.params.integer("until_date") or 0
    seconds = until - call.world.now()
    return until if 30 <= seconds <= _YEAR else 0


def _against(call: Call, right: str, text: str) -> tuple[Chat, User, Member]:
    """Check that the bot may act against somebody."""
    chat, member = call.chat()
    if chat.type == "private":
        raise bad(
            "can't restrict members of the private chat"
            if "restrict" in text
            else "can't remove users from private chats"
        )
    user = _user(call)
    call.right(member, right, text)
    standing = call.world.member(chat, user.id) or Member(user, "left", is_member=False)
    if standing.status == "creator":
        raise bad("can't remove chat owner")
    if user.id == call.bot.user.id:
        raise bad("can't restrict self")
    if standing.status == "administrator" and standing.promoted_by != call.bot.user.id:
        raise bad("user is an administrator of the chat")
    return chat, user, standing


def _change(call: Call, chat: Chat, old: Member, new: Member) -> None:
    call.world.put(chat, new)
    call.world.tell_member(chat, call.bot.user, old, new)


@method("banChatMember")
def ban(call: Call) -> Any:
    """Remove somebody for good or for a time."""
    chat, user, old = _against(call, "can_restrict_members", _NO_RESTRICT)
    status = "left" if chat.type == "group" else "kicked"  # basic groups have no bans
    new = Member(user, status, is_member=False, until=_until(call) if status == "kicked" else 0)
    was_inside = old.inside
    if old.status != new.status or old.until != new.until:
        _change(call, chat, old, new)
    if call.params.flag("revoke_messages"):
        for number in [message.id for message in chat.messages.values() if message.author == user.id]:
            del chat.messages[number]
    if was_inside and chat.type != "channel":
        call.world.service(chat, call.bot.user, {"left_chat_member": user.json()}, bot=call.bot.user.id)
    return True


method("kickChatMember")(ban)


@method("unbanChatMember")
def unban(call: Call) -> Any:
    """Lift a ban; without `only_if_banned` somebody who is inside is removed."""
    chat = call.world.find_chat(call.params.values.get("chat_id"))
    if chat.type not in {"supergroup", "channel"}:
        raise bad("method is available for supergroup and channel chats only")
    chat, user, old = _against(call, "can_restrict_members", _NO_RESTRICT)
    if old.status == "kicked" or (old.inside and not call.params.flag("only_if_banned")):
        _change(call, chat, old, Member(user, "left", is_member=False))
        if old.inside and chat.type != "channel":
            call.world.service(chat, call.bot.user, {"left_chat_member": user.json()}, bot=call.bot.user.id)
    return True


@method("restrictChatMember")
def restrict(call: Call) -> Any:
    """Say what somebody may still do."""
    chat = call.world.find_chat(call.params.values.get("chat_id"))
    if chat.type != "supergroup":
        raise bad("method is available only for supergroups")
    chat, user, old = _against(call, "can_restrict_members", _NO_RESTRICT)
    given = call.params.nested("permissions")
    if given is None:
        given = call.params.values
    if not isinstance(given, dict):
        raise bad("can't parse permissions JSON object")
    permissions = read_permissions(given)
    if not call.params.flag("use_independent_chat_permissions"):
        _imply(permissions)
    if any(not permissions[name] and chat.permissions.get(name, True) for name in PERMISSIONS):
        new = Member(
            user, "restricted", permissions=permissions, is_member=old.inside, until=_until(call), tag=old.tag
        )
    else:
        new = Member(user, "member" if old.inside else "left", is_member=old.inside, tag=old.tag)
    _change(call, chat, old, new)
    return True


_FOLLOWS = {
    "can_react_to_messages": "can_send_messages",
    "can_edit_tag": "can_pin_messages",
    "can_manage_topics": "can_pin_messages",
}
"""Permissions that take another's value when they are left out."""


def read_permissions(given: dict[str, Any]) -> dict[str, bool]:
    """Give all permissions of a `ChatPermissions` object."""
    named = Parameters(given)
    return {name: named.flag(name if name in given else _FOLLOWS.get(name, name)) for name in PERMISSIONS}


def _imply(permissions: dict[str, bool]) -> None:
    """Apply what permissions meant before they became independent: media imply text."""
    if (
        permissions["can_send_other_messages"]
        or permissions["can_add_web_page_previews"]
        or permissions["can_send_polls"]
    ):
        permissions["can_send_messages"] = True
    if permissions["can_send_other_messages"] or permissions["can_add_web_page_previews"]:
        for name in PERMISSIONS[1:7]:
            permissions[name] = True


@method("promoteChatMember")
def promote(call: Call) -> Any:
    """Give and take administrators' rights."""
    chat, member = call.chat()
    if chat.type not in {"supergroup", "channel"}:
        raise bad("method is available for supergroup and channel chats only")
    user = _user(call)
    call.right(member, "can_promote_members", "CHAT_ADMIN_REQUIRED")
    old = call.world.member(chat, user.id) or Member(user, "left", is_member=False)
    if old.status == "creator":
        raise bad("can't remove chat owner")
    if old.status == "administrator" and old.promoted_by != call.bot.user.id:
        raise bad("USER_ADMIN_INVALID" if user.id != call.bot.user.id else "can't promote self")
    if not old.inside:
        raise bad("USER_NOT_PARTICIPANT")
    names = (*ADMIN_RIGHTS, *(CHANNEL_RIGHTS if chat.type == "channel" else GROUP_RIGHTS), "is_anonymous")
    rights = {name: True for name in names if call.params.flag(name)}
    if any(name != "is_anonymous" and member is not None and not member.may(name) for name in rights):
        raise bad("RIGHT_FORBIDDEN")
    if rights:
        rights["can_manage_chat"] = True
        new = Member(user, "administrator", rights=rights, title=old.title, promoted_by=call.bot.user.id)
    else:
        new = Member(user, "member")
    if (old.status, old.rights) != (new.status, new.rights):
        _change(call, chat, old, new)
    return True


def _check_label(text: str) -> None:
    if len(text) > 16:
        raise bad("ADMIN_RANK_INVALID")
    if _EMOJI.search(text):
        raise bad("ADMIN_RANK_EMOJI_NOT_ALLOWED")


@method("setChatAdministratorCustomTitle")
def set_title(call: Call) -> Any:
    """Give an administrator a title."""
    chat, _ = call.chat()
    if chat.type != "supergroup":
        raise bad("method is available only for supergroups")
    standing = call.world.member(chat, _user(call).id)
    if standing is None or standing.status != "administrator":
        raise bad("user is not an administrator")
    if standing.promoted_by != call.bot.user.id:
        raise bad("not enough rights to change custom title of the user")
    title = call.params.text("custom_title")
    _check_label(title)
    standing.title = title
    return True


@method("setChatMemberTag")
def set_tag(call: Call) -> Any:
    """Give an ordinary member a label."""
    chat, member = call.chat()
    call.right(member, "can_manage_tags", "not enough rights to manage member tags")
    standing = call.world.member(chat, _user(call).id)
    if standing is None or not standing.inside:
        raise bad("USER_NOT_PARTICIPANT")
    tag = call.params.text("tag")
    _check_label(tag)
    standing.tag = tag
    return True


def _sender_chat(call: Call) -> Any:
    _, member = call.chat()
    call.right(member, "can_restrict_members", _NO_RESTRICT)
    call.world.find_chat(call.params.values.get("sender_chat_id"))
    return True


method("banChatSenderChat")(_sender_chat)
method("unbanChatSenderChat")(_sender_chat)


@method("getUserChatBoosts")
def boosts(call: Call) -> Any:
    """List somebody's boosts: the sandbox has none."""
    call.chat()
    return {"boosts": []}


@method("getUserProfilePhotos")
def profile_photos(call: Call) -> Any:
    """List somebody's pictures: the sandbox has none."""
    _user(call)
    return {"total_count": 0, "photos": []}
