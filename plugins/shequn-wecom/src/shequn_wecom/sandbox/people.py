"""What people do in the local WeChat Work, and the callbacks that follow."""

from __future__ import annotations

from datetime import timedelta

from shequn_sdk.errors import Conflict, PermissionDenied, TargetNotFound
from shequn_wecom.sandbox.callbacks import CallbackSender, Fields, xml_of
from shequn_wecom.sandbox.groups import add_member, remove_member
from shequn_wecom.sandbox.messages import card_of
from shequn_wecom.sandbox.state import (
    CorpMember,
    CustomerGroup,
    CustomerRecord,
    FollowRecord,
    GroupEntry,
    MediaFile,
    Said,
    WelcomeCode,
    World,
)

__all__ = ["People"]

_QR_CODE = 1
_SCENE_INVITED = 1
_SCENE_QR = 3


class People:
    """Members and customers at work."""

    def __init__(self, world: World, callbacks: CallbackSender) -> None:
        self._world = world
        self._callbacks = callbacks

    # members of the corporation

    def hire(self, userid: str, name: str, department: int) -> None:
        """Make somebody a member of a department."""
        known = self._world.member(userid)
        if known is not None and department in known.departments:
            return
        if known is not None:
            known.departments.append(department)
            return
        self._world.members[userid.lower()] = CorpMember(userid, name, [department])
        common: Fields = {
            "UserID": userid,
            "Name": name,
            "Department": str(department),
            "MainDepartment": department,
        }
        self._callbacks.event({"Event": "change_contact", "ChangeType": "create_user", **common})

    def resign(self, userid: str) -> None:
        """Let a member leave the corporation."""
        member = self._world.members.pop(userid.lower(), None)
        if member is None:
            return
        for chat in self._world.appchats.values():
            chat.members = [item for item in chat.members if item != member.userid]
        main = member.departments[-1] if member.departments else 1
        fields: Fields = {"UserID": member.userid, "Department": str(main), "MainDepartment": main}
        self._callbacks.event({"Event": "change_contact", "ChangeType": "delete_user", **fields})

    def _employ(self, userid: str, name: str, channel: str) -> None:
        if self._world.member(userid) is None:
            if channel != "@all":
                raise PermissionDenied(
                    f"{name} is no member of the corporation, so cannot write", platform="wecom"
                )
            self.hire(userid, name, 1)

    def write_to_app(self, channel: str, userid: str, name: str, text: str, *, agent: int) -> str:
        """Let a member write to the application; it is told."""
        self._employ(userid, name, channel)
        return self._to_app(channel, userid, name, text, {"MsgType": "text", "Content": text}, agent=agent)

    def show_to_app(self, channel: str, userid: str, name: str, picture: bytes, *, agent: int) -> str:
        """Let a member send a picture to the application; it is told, and may fetch it for three days."""
        self._employ(userid, name, channel)
        world = self._world
        file = MediaFile(
            f"1{world.hex(40)}", "image", "picture.jpg", picture, world.now() + timedelta(days=3)
        )
        world.media[file.id] = file
        fields: Fields = {"MsgType": "image", "PicUrl": "http://p.qpic.invalid/pic", "MediaId": file.id}
        return self._to_app(channel, userid, name, "", fields, agent=agent)

    def _to_app(self, channel: str, userid: str, name: str, text: str, fields: Fields, *, agent: int) -> str:
        number = str(self._world.rng.randrange(10**18, 10**19))
        direct = f"user:{userid}"
        said = self._stand(direct, number, userid, name, text)
        if channel != direct:
            self._world.said.setdefault(channel, []).append(said)
        self._callbacks.send(
            xml_of(
                {
                    "ToUserName": self._world.corp_id,
                    "FromUserName": userid,
                    "CreateTime": self._world.stamp(),
                    **fields,
                    "MsgId": int(number),
                    "AgentID": agent,
                }
            )
        )
        return number

    def _stand(self, channel: str, number: str, author: str, name: str, text: str) -> Said:
        return self._world.stand(
            Said(
                channel=channel,
                id=number,
                author=author,
                author_name=name,
                by_account=False,
                text=text,
                at=self._world.now(),
            )
        )

    def talk(self, channel: str, author: str, name: str, text: str) -> str:
        """Let somebody write where no application listens."""
        return self._stand(channel, f"t-{self._world.hex(24)}", author, name, text).id

    def _click(self, said: Said, userid: str, key: str, agent: int, extra: Fields) -> None:
        said.response_code = self._world.hex(40)
        self._callbacks.event(
            {
                "FromUserName": userid,
                "Event": "template_card_event",
                "EventKey": key,
                "TaskId": said.task_id,
                "CardType": str(card_of(said.body).get("card_type", "")),
                "ResponseCode": said.response_code,
                "AgentID": agent,
                **extra,
            }
        )

    def vote(self, said: Said, userid: str, choice: int, *, agent: int) -> None:
        """Let a member vote; a card takes one vote of each."""
        checkbox = card_of(said.body).get("checkbox") or {}
        options = checkbox.get("option_list") or []
        if not 0 <= choice < len(options):
            raise TargetNotFound(f"the card has no choice {choice}", platform="wecom")
        if userid in said.votes:
            raise Conflict("this member has voted on the card already", platform="wecom")
        option = str(options[choice].get("id", ""))
        said.votes[userid] = [option]
        key = str((card_of(said.body).get("submit_button") or {}).get("key", ""))
        selected: Fields = {
            "SelectedItems": {
                "SelectedItem": {
                    "QuestionKey": str(checkbox.get("question_key", "")),
                    "OptionIds": {"OptionId": option},
                }
            }
        }
        self._click(said, userid, key, agent, selected)

    def press(self, said: Said, userid: str, key: str, *, agent: int) -> None:
        """Let a member press a button."""
        buttons = card_of(said.body).get("button_list") or []
        if not any(button.get("key") == key for button in buttons):
            raise TargetNotFound(f"the card has no button with the key {key}", platform="wecom")
        self._click(said, userid, key, agent, {})

    # customers

    def become_customer(self, customer: str, name: str, *, invite: str = "") -> None:
        """Let somebody add a member as a contact, perhaps through a contact way."""
        world = self._world
        way = next(
            (way for way in world.contact_ways.values() if invite and invite in {way.config_id, way.qr_code}),
            None,
        )
        if invite and way is None:
            raise TargetNotFound(f"there is no contact way {invite}", platform="wecom")
        users = [str(user) for user in way.body.get("user", [])] if way else []
        cares = [member.userid for member in world.members.values() if member.customer_contact]
        userid = (users or cares)[len(world.customers) % len(users or cares)]
        record = world.customers.setdefault(customer, CustomerRecord(customer, name))
        if userid in record.follows:
            return
        state = str(way.body.get("state", "")) if way else ""
        record.follows[userid] = FollowRecord(userid, world.now(), add_way=_QR_CODE, state=state)
        code = WelcomeCode(f"WC{world.hex(30)}", customer, userid, world.now())
        world.welcome_codes[code.code] = code
        event: Fields = {
            "Event": "change_external_contact",
            "ChangeType": "add_external_contact",
            "UserID": userid,
            "ExternalUserID": customer,
        }
        if state:
            event["State"] = state
        self._callbacks.event({**event, "WelcomeCode": code.code})

    def drop_members(self, customer: str) -> None:
        """Let a customer delete the members whom they had as contacts."""
        record = self._world.customers.get(customer)
        if record is None:
            return
        for userid in list(record.follows):
            del record.follows[userid]
            self._callbacks.event(
                {
                    "Event": "change_external_contact",
                    "ChangeType": "del_follow_user",
                    "UserID": userid,
                    "ExternalUserID": customer,
                }
            )

    # customer groups

    def join_group(self, group: CustomerGroup, customer: str, name: str, *, invite: str = "") -> None:
        """Let somebody into a customer group, perhaps through a join way."""
        world = self._world
        if customer in group.members:
            return
        way = next(
            (way for way in world.join_ways.values() if invite and invite in {way.config_id, way.qr_code}),
            None,
        )
        if invite and (way is None or group.id not in way.body["chat_id_list"]):
            raise TargetNotFound(f"there is no join way {invite} into {group.name}", platform="wecom")
        scene = _SCENE_QR if way else _SCENE_INVITED
        entry = GroupEntry(
            customer,
            external=True,
            joined_at=world.now(),
            scene=scene,
            state=str(way.body.get("state", "")) if way else "",
            invitor="" if way else group.owner,
            name=name,
        )
        before, after = add_member(world, group, entry)
        self._changed(group, "add_member", customer, before, after, {"JoinScene": 3 if way else 0})

    def leave_group(self, group: CustomerGroup, customer: str, *, removed: bool = False) -> None:
        """Let somebody leave a customer group, or be removed from it."""
        if customer not in group.members:
            return
        before, after = remove_member(self._world, group, customer)
        self._changed(group, "del_member", customer, before, after, {"QuitScene": int(removed)})

    def _changed(
        self, group: CustomerGroup, detail: str, member: str, before: str, after: str, scene: Fields
    ) -> None:
        self._callbacks.event(
            {
                "Event": "change_external_chat",
                "ChatId": group.id,
                "ChangeType": "update",
                "UpdateDetail": detail,
                **scene,
                "MemChangeCnt": 1,
                "MemChangeList": [member],
                "LastMemVer": before,
                "CurMemVer": after,
            }
        )

    def talk_in_group(self, group: CustomerGroup, customer: str, name: str, text: str) -> str:
        """Let a member of a customer group write; only the statistics tell of it."""
        if customer not in group.members:
            raise PermissionDenied(f"{name} is not in {group.name}", platform="wecom")
        now = self._world.now()
        group.messages.append(now)
        group.speakers.append((now, customer))
        return self.talk(group.id, customer, name, text)

    def dismiss(self, group: CustomerGroup) -> None:
        """Dismiss a customer group."""
        group.dismissed = True
        self._callbacks.event({"Event": "change_external_chat", "ChatId": group.id, "ChangeType": "dismiss"})
