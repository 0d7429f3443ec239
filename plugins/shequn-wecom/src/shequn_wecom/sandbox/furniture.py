"""Ready-made people and places of the local WeChat Work."""

from __future__ import annotations

from typing import Any

from shequn_wecom.events import CUSTOMERS
from shequn_wecom.sandbox.state import (
    App,
    AppChat,
    CorpMember,
    CustomerGroup,
    CustomerRecord,
    FollowRecord,
    GroupEntry,
    Robot,
    TagGroupRecord,
    TagRecord,
    World,
)

__all__ = ["AGENT", "SMALL_AGENT", "furnish", "new_group", "ready_account"]

AGENT = 1000002
"""Agent id of the application that may do everything."""
SMALL_AGENT = 1000003
"""Agent id of one without customer contact and with a small visible range."""


def furnish(world: World, *, customers: bool) -> None:
    """Put people and places into an empty world."""
    world.departments.update({2: "运营", 3: "客服"})
    world.member_tags[1] = "核心"
    world.apps[AGENT] = App(AGENT, "社群助手", world.hex(43))
    world.apps[SMALL_AGENT] = App(
        SMALL_AGENT, "小应用", world.hex(43), customer_contact=False, whole_corp=False
    )
    for userid, name, departments, cares in (
        ("lin", "小林", [2], True),
        ("chen", "小陈", [2], True),
        ("wang", "小王", [3], False),
    ):
        world.members[userid] = CorpMember(userid, name, departments, customer_contact=cares)
    world.members["lin"].tags.add(1)
    digits = world.hex(32)
    key = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    world.robots[key] = Robot(key, "robot")
    world.appchats["core"] = AppChat("core", "核心成员群", "lin", ["lin", "chen"], AGENT)
    tags = TagGroupRecord(f"et{world.hex(30)}", "阶段", 1, world.now())
    for name in ("新客", "活跃"):
        tag = TagRecord(f"et{world.hex(30)}", name, 0, world.now())
        tags.tags[tag.id] = tag
    world.tag_groups[tags.id] = tags
    group = world.groups[new_group(world, "读书会")]
    if customers:
        _add_customers(world, group)


def _add_customers(world: World, group: CustomerGroup) -> None:
    for number, (name, userid) in enumerate((("读者甲", "lin"), ("读者乙", "lin"), ("读者丙", "chen")), 1):
        customer = f"wmReady{number}{world.hex(20)}"
        follow = FollowRecord(userid, world.now(), add_way=1)
        world.customers[customer] = CustomerRecord(customer, name, {userid: follow})
        if userid == "lin":
            group.members[customer] = GroupEntry(customer, external=True, joined_at=world.now(), name=name)


def new_group(world: World, title: str) -> str:
    """Make a customer group with its owner in it; gives its id."""
    group = CustomerGroup(f"wr{world.hex(30)}", title, "lin", world.now(), notice="友善交流", admins=["chen"])
    group.members["lin"] = GroupEntry("lin", external=False, joined_at=world.now(), name="小林")
    world.groups[group.id] = group
    return group.id


def ready_account(world: World, mode: str, base_url: str, callback_secrets: dict[str, str]) -> dict[str, Any]:
    """Give settings with which the SDK reaches this world in a mode."""
    if mode == "robot":
        return {
            "base_url": base_url,
            "secrets": {"key": next(iter(world.robots))},
            "options": {"mode": mode},
            "channels": ["robot"],
            "members": list(world.members),
        }
    secrets = {"corp_secret": world.apps[AGENT].secret}
    if mode in {"app", "customer"}:
        secrets |= callback_secrets
    options: dict[str, Any] = {"mode": mode, "corp_id": world.corp_id, "agent_id": AGENT}
    members = [member.userid for member in world.members.values()]
    if mode == "customer":
        options["sender"] = "lin"
        members = list(world.customers)
    channels = {
        "app": ["@all", "party:2", "tag:1", "user:lin"],
        "appchat": list(world.appchats),
        "customer": [*world.groups, CUSTOMERS],
    }[mode]
    return {
        "base_url": base_url,
        "secrets": secrets,
        "options": options,
        "channels": channels,
        "members": members,
    }
