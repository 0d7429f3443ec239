"""Routes of what the application sells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shequn_discord.sandbox.forms import ApiError, Form
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.routes_apps import own_app
from shequn_discord.sandbox.world import World

if TYPE_CHECKING:
    from shequn_discord.sandbox.gateway import Hub

__all__ = ["add_entitlement"]


@route("GET", "/applications/{app}/entitlements")
async def list_entitlements(call: Call) -> Reply:
    """Read what was bought."""
    own_app(call)
    limit = call.number("limit", 100, 1, 100)
    after, before = call.place("after", 0), call.place("before", 1 << 64)
    user = call.query.get("user_id")
    found = [
        item
        for number, item in sorted(call.world.entitlements.items(), key=lambda pair: int(pair[0]))
        if after < int(number) < before
        and (user is None or item["user_id"] == user)
        and not (call.flag("exclude_ended") and item["deleted"])
    ]
    return 200, found[:limit]


@route("POST", "/applications/{app}/entitlements")
async def create_entitlement(call: Call) -> Reply:
    """Give a test entitlement."""
    own_app(call)
    form = Form({} if call.body is None else call.body)
    sku = form.snowflake(form.body.get("sku_id"), "sku_id", required=True) or ""
    owner = form.snowflake(form.body.get("owner_id"), "owner_id", required=True) or ""
    kind = form.choice(form.body.get("owner_type"), "owner_type", (1, 2), required=True)
    form.done()
    return 200, add_entitlement(call.world, call.hub, sku, owner, kind=8, guild=kind == 1)


def add_entitlement(
    world: World, hub: Hub, sku: str, owner: str, *, kind: int, guild: bool = False
) -> dict[str, Any]:
    """Give an entitlement and tell about it."""
    found: dict[str, Any] = {
        "id": world.snowflake(),
        "sku_id": sku,
        "application_id": world.app_id,
        "user_id": owner,
        "type": kind,
        "deleted": False,
        "consumed": False,
        "starts_at": world.stamp(),
        "ends_at": None,
    }
    if guild:
        found |= {
            "guild_id": owner,
            "user_id": world.guilds[owner].owner_id if owner in world.guilds else owner,
        }
    world.entitlements[found["id"]] = found
    hub.emit("ENTITLEMENT_CREATE", found, private=True)
    return found


@route("GET", "/applications/{app}/entitlements/{entitlement}")
async def get_entitlement(call: Call) -> Reply:
    """Read one."""
    own_app(call)
    found = call.world.entitlements.get(call.params["entitlement"])
    if found is None:
        raise ApiError(404, 10081, "Unknown Entitlement")
    return 200, found


@route("DELETE", "/applications/{app}/entitlements/{entitlement}")
async def delete_entitlement(call: Call) -> Reply:
    """Take a test entitlement back."""
    own_app(call)
    found = call.world.entitlements.pop(call.params["entitlement"], None)
    if found is None:
        raise ApiError(404, 10081, "Unknown Entitlement")
    call.hub.emit("ENTITLEMENT_DELETE", {**found, "deleted": True}, private=True)
    return 204, None


@route("POST", "/applications/{app}/entitlements/{entitlement}/consume")
async def consume(call: Call) -> Reply:
    """Use a consumable one up."""
    own_app(call)
    found = call.world.entitlements.get(call.params["entitlement"])
    if found is None:
        raise ApiError(404, 10081, "Unknown Entitlement")
    found["consumed"] = True
    call.hub.emit("ENTITLEMENT_UPDATE", found, private=True)
    return 204, None


@route("GET", "/applications/{app}/skus")
async def skus(call: Call) -> Reply:
    """Read what is sold: nothing."""
    own_app(call)
    return 200, []
