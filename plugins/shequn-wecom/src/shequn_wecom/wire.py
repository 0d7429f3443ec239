"""What WeCom's answers hold, as lean structs: only what is used, everything optional, unknown fields ignored.

They are read by `shequn_sdk.platforms.lenient`, which takes texts for numbers and null for what is left out; a missing
errcode is success.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = [
    "AddedTags",
    "Agent",
    "Answer",
    "AppChat",
    "BatchContacts",
    "Behaviour",
    "ChatInfo",
    "ContactWays",
    "Contacts",
    "Created",
    "CustomerDetail",
    "Department",
    "Departments",
    "FollowUsers",
    "GroupDetail",
    "GroupList",
    "GroupStatistics",
    "Head",
    "JoinWayAnswer",
    "MassList",
    "MassResults",
    "MassSent",
    "MassTasks",
    "MomentResult",
    "Moments",
    "Rules",
    "Sent",
    "SentStatistics",
    "TagList",
    "TagMembers",
    "Token",
    "Transfers",
    "Uploaded",
    "User",
    "Users",
]


class Head(msgspec.Struct):
    """Where an answer says no, in whatever form the numbers come."""

    errcode: Any = None
    errmsg: Any = None


class Answer(msgspec.Struct):
    """What every answer may hold."""

    errcode: int = 0
    errmsg: str = ""
    next_cursor: str = ""


class Token(Answer):
    """gettoken."""

    access_token: str = ""
    expires_in: int = 7200


class Sent(Answer):
    """message/send."""

    msgid: str = ""
    invaliduser: str = ""
    invalidparty: str = ""
    invalidtag: str = ""
    unlicenseduser: str = ""
    response_code: str = ""


class SentStatistic(msgspec.Struct):
    """How many messages an application sent."""

    agentid: int = 0
    count: int = 0


class SentStatistics(Answer):
    """message/get_statistics."""

    statistics: list[SentStatistic] = []


class Uploaded(Answer):
    """media/upload and its kin."""

    media_id: str = ""
    url: str = ""
    created_at: int = 0


class Created(Answer):
    """Calls that answer with the id of what they made."""

    chatid: str = ""
    config_id: str = ""
    qr_code: str | None = None
    template_id: str = ""
    jobid: str | int = ""
    rule_id: str | int = ""
    chat_id: str = ""


class Agent(Answer):
    """agent/get."""

    name: str = ""
    agentid: str | int = ""


class ChatInfo(msgspec.Struct):
    """An app group."""

    chatid: str = ""
    name: str = ""
    owner: str = ""
    userlist: list[str] = []


class AppChat(Answer):
    """appchat/get."""

    chat_info: ChatInfo = msgspec.field(default_factory=ChatInfo)


class Department(msgspec.Struct):
    """A department."""

    id: int = 0
    name: str = ""
    parentid: int = 0


class Departments(Answer):
    """department/list and department/simplelist."""

    department: list[Department] = []
    department_id: list[Department] = []


class Member(msgspec.Struct):
    """A member of the corporation as lists give it."""

    userid: str = ""
    name: str = ""
    department: list[int] = []
    status: int = 1


class User(Answer):
    """user/get."""

    userid: str = ""
    name: str = ""
    alias: str = ""
    position: str = ""
    status: int = 1
    department: list[int] = []


class Users(Answer):
    """user/simplelist, user/list."""

    userlist: list[Member] = []


class MemberTag(msgspec.Struct):
    """A tag on members."""

    tagid: int | str = 0
    tagname: str = ""


class TagMembers(Answer):
    """tag/list, tag/get."""

    taglist: list[MemberTag] = []
    tagname: str = ""
    userlist: list[Member] = []
    partylist: list[int] = []


class FollowUsers(Answer):
    """get_follow_user_list."""

    follow_user: list[str] = []


class Contacts(Answer):
    """externalcontact/list."""

    external_userid: list[str] = []


class Contact(msgspec.Struct):
    """A customer's own profile."""

    external_userid: str = ""
    name: str = ""
    type: int = 0
    gender: int = 0
    unionid: str = ""
    corp_name: str = ""
    position: str = ""
    avatar: str = ""


class FollowTag(msgspec.Struct):
    """A tag that a member put on a customer."""

    tag_id: str = ""
    tag_name: str = ""
    group_name: str = ""
    type: int = 1


class Follow(msgspec.Struct):
    """How one member knows a customer."""

    userid: str = ""
    remark: str = ""
    description: str = ""
    createtime: int = 0
    tags: list[FollowTag] = []
    tag_id: list[str] = []
    remark_mobiles: list[str] = []
    add_way: int = 0
    state: str = ""
    oper_userid: str = ""


class CustomerDetail(Answer):
    """externalcontact/get."""

    external_contact: Contact = msgspec.field(default_factory=Contact)
    follow_user: list[Follow] = []


class BatchContact(msgspec.Struct):
    """One entry of batch/get_by_user."""

    external_contact: Contact = msgspec.field(default_factory=Contact)
    follow_info: Follow = msgspec.field(default_factory=Follow)


class BatchContacts(Answer):
    """externalcontact/batch/get_by_user."""

    external_contact_list: list[BatchContact] = []


class CorpTag(msgspec.Struct):
    """A corporate tag."""

    id: str = ""
    name: str = ""
    create_time: int = 0
    order: int = 0
    deleted: bool = False


class TagGroup(msgspec.Struct):
    """A group of corporate tags."""

    group_id: str = ""
    group_name: str = ""
    create_time: int = 0
    order: int = 0
    deleted: bool = False
    tag: list[CorpTag] = []


class TagList(Answer):
    """get_corp_tag_list."""

    tag_group: list[TagGroup] = []


class AddedTags(Answer):
    """add_corp_tag."""

    tag_group: TagGroup = msgspec.field(default_factory=TagGroup)


class ContactWay(msgspec.Struct):
    """A contact way."""

    config_id: str = ""
    type: int = 0
    scene: int = 0
    remark: str = ""
    skip_verify: bool = True
    state: str = ""
    qr_code: str | None = None
    user: list[str] = []


class ContactWays(Answer):
    """get_contact_way (one, or a list of one in old copies) and list_contact_way."""

    contact_way: list[ContactWay] | ContactWay = []


class JoinWay(msgspec.Struct):
    """A join way."""

    config_id: str = ""
    scene: int = 0
    remark: str = ""
    auto_create_room: int = 1
    room_base_name: str = ""
    room_base_id: int = 0
    chat_id_list: list[str] = []
    qr_code: str | None = None
    state: str = ""
    mark_source: bool = True


class JoinWayAnswer(Answer):
    """groupchat/get_join_way."""

    join_way: JoinWay = msgspec.field(default_factory=JoinWay)


class GroupHead(msgspec.Struct):
    """A customer group as the list gives it."""

    chat_id: str = ""
    status: int = 0


class GroupList(Answer):
    """groupchat/list."""

    group_chat_list: list[GroupHead] = []


class UserRef(msgspec.Struct):
    """Somebody's id."""

    userid: str = ""


class GroupMember(msgspec.Struct):
    """A member of a customer group."""

    userid: str = ""
    type: int = 2
    join_time: int = 0
    join_scene: int = 0
    state: str = ""
    invitor: UserRef | None = None
    group_nickname: str = ""
    name: str = ""
    unionid: str = ""


class Group(msgspec.Struct):
    """A customer group."""

    chat_id: str = ""
    name: str = ""
    owner: str = ""
    create_time: int = 0
    notice: str = ""
    member_list: list[GroupMember] = []
    admin_list: list[UserRef] = []
    member_version: str = ""


class GroupDetail(Answer):
    """groupchat/get."""

    group_chat: Group = msgspec.field(default_factory=Group)


class GroupNumbers(msgspec.Struct):
    """Counts of groups."""

    new_chat_cnt: int = 0
    chat_total: int = 0
    chat_has_msg: int = 0
    new_member_cnt: int = 0
    member_total: int = 0
    member_has_msg: int = 0
    msg_total: int = 0
    migrate_trainee_chat_cnt: int = 0


class GroupStatistic(msgspec.Struct):
    """Counts of one owner, or of one day."""

    owner: str = ""
    stat_time: int = 0
    data: GroupNumbers = msgspec.field(default_factory=GroupNumbers)


class GroupStatistics(Answer):
    """groupchat/statistic and statistic_group_by_day."""

    total: int = 0
    next_offset: int = 0
    items: list[GroupStatistic] = []


class BehaviourDay(msgspec.Struct):
    """What members did with customers on one day; ratios are absent when there were no chats."""

    stat_time: int = 0
    chat_cnt: int = 0
    message_cnt: int = 0
    reply_percentage: float | None = None
    avg_reply_time: float | None = None
    negative_feedback_cnt: int = 0
    new_apply_cnt: int = 0
    new_contact_cnt: int = 0


class Behaviour(Answer):
    """get_user_behavior_data."""

    behavior_data: list[BehaviourDay] = []


class MassSent(Answer):
    """add_msg_template."""

    msgid: str = ""
    fail_list: list[str] = []


class MassTask(msgspec.Struct):
    """One member's part of a mass message."""

    userid: str = ""
    status: int = 0
    send_time: int = 0


class MassTasks(Answer):
    """get_groupmsg_task."""

    task_list: list[MassTask] = []


class MassResult(msgspec.Struct):
    """One receiver of a mass message."""

    external_userid: str = ""
    chat_id: str = ""
    userid: str = ""
    status: int = 0
    send_time: int = 0


class MassResults(Answer):
    """get_groupmsg_send_result."""

    send_list: list[MassResult] = []


class MassRecord(msgspec.Struct):
    """A mass message as the list gives it."""

    msgid: str = ""
    creator: str = ""
    create_time: int = 0
    create_type: int = 0
    text: dict[str, Any] | None = None
    attachments: list[dict[str, Any]] = []


class MassList(Answer):
    """get_groupmsg_list_v2."""

    group_msg_list: list[MassRecord] = []


class MomentOutcome(msgspec.Struct):
    """Result of making a moment."""

    errcode: int = 0
    errmsg: str = ""
    moment_id: str = ""


class MomentResult(Answer):
    """get_moment_task_result."""

    status: int = 0
    result: MomentOutcome = msgspec.field(default_factory=MomentOutcome)


class MomentTouch(msgspec.Struct):
    """Somebody who liked or commented."""

    external_userid: str = ""
    userid: str = ""
    create_time: int = 0


class MomentPart(msgspec.Struct):
    """One member's part of a moment."""

    userid: str = ""
    publish_status: int = 0


class Moments(Answer):
    """get_moment_task and get_moment_comments."""

    task_list: list[MomentPart] = []
    comment_list: list[MomentTouch] = []
    like_list: list[MomentTouch] = []


class ExtraRule(msgspec.Struct):
    """What else a rule looks at."""

    semantics_list: list[int] = []


class Range(msgspec.Struct):
    """To whom a rule applies."""

    user_list: list[str] = []
    department_list: list[int] = []


class InterceptRule(msgspec.Struct):
    """A rule on words that employees may not send."""

    rule_id: str | int = ""
    rule_name: str = ""
    word_list: list[str] = []
    extra_rule: ExtraRule = msgspec.field(default_factory=ExtraRule)
    intercept_type: int = 0
    applicable_range: Range = msgspec.field(default_factory=Range)
    create_time: int = 0


class Rules(Answer):
    """get_intercept_rule and get_intercept_rule_list."""

    rule: InterceptRule = msgspec.field(default_factory=InterceptRule)
    rule_list: list[InterceptRule] = []


class Transfer(msgspec.Struct):
    """How one customer's transfer goes."""

    external_userid: str = ""
    errcode: int = 0
    status: int = 0
    takeover_time: int = 0
    chat_id: str = ""


class Transfers(Answer):
    """transfer_customer, transfer_result, groupchat/transfer."""

    customer: list[Transfer] = []
    failed_chat_list: list[Transfer] = []
