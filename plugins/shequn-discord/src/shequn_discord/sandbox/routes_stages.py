"""Routes of stage instances: a stage channel that is live, with its topic."""

from __future__ import annotations

from typing import Any

from shequn_discord.sandbox.forms import ApiError, Form
from shequn_discord.sandbox.router import Call, Reply, route
from shequn_discord.sandbox.world import GuildState

__all__ = ["close_stage"]

_S = "/stage-instances/{channel}"
_STAGE = 13


def _of(call: Call) -> tuple[GuildState, dict[str, Any]]:
    """Give the live stage of the path's channel."""
    channel = call.channel()
    guild = call.world.guilds.get(channel.guild_id or "")
    stage = None if guild is None else guild.stages.get(channel.id)
    if guild is None or stage is None:
        raise ApiError(404, 10067, "Unknown Stage Instance")
    return guild, stage


@route("POST", "/stage-instances")
async def open_stage(call: Call) -> Reply:
    """Begin a stage."""
    form = Form({} if call.body is None else call.body)
    number = form.snowflake(form.body.get("channel_id"), "channel_id", required=True)
    topic = form.text(form.body.get("topic"), "topic", maximum=120, minimum=1, required=True)
    privacy = form.choice(form.body.get("privacy_level"), "privacy_level", (1, 2), default=2)
    event = form.snowflake(form.body.get("guild_scheduled_event_id"), "guild_scheduled_event_id")
    form.done()
    channel = call.channel("MANAGE_CHANNELS", number=number or "0")
    guild = call.world.guilds.get(channel.guild_id or "")
    if guild is None or channel.data["type"] != _STAGE:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    if channel.id in guild.stages:
        raise ApiError(400, 150006, "The Stage is already open.")
    stage = {
        "id": call.world.snowflake(),
        "guild_id": guild.id,
        "channel_id": channel.id,
        "topic": topic,
        "privacy_level": privacy,
        "discoverable_disabled": True,
        "guild_scheduled_event_id": event,
    }
    guild.stages[channel.id] = stage
    call.hub.emit("STAGE_INSTANCE_CREATE", stage, channel=channel)
    return 200, stage


@route("GET", _S)
async def read_stage(call: Call) -> Reply:
    """Read a live stage."""
    return 200, _of(call)[1]


@route("PATCH", _S)
async def change_stage(call: Call) -> Reply:
    """Change what a live stage is about."""
    _, stage = _of(call)
    channel = call.channel("MANAGE_CHANNELS")
    form = Form({} if call.body is None else call.body)
    topic = form.text(form.body.get("topic"), "topic", maximum=120, minimum=1)
    privacy = form.choice(form.body.get("privacy_level"), "privacy_level", (1, 2))
    form.done()
    stage["topic"] = topic or stage["topic"]
    stage["privacy_level"] = privacy or stage["privacy_level"]
    call.hub.emit("STAGE_INSTANCE_UPDATE", stage, channel=channel)
    return 200, stage


@route("DELETE", _S)
async def end_stage(call: Call) -> Reply:
    """End a stage."""
    _of(call)
    close_stage(call, call.channel("MANAGE_CHANNELS").id)
    return 204, None


def close_stage(call: Call, number: str) -> None:
    """End the stage of a channel, when one is live there."""
    channel = call.world.channels[number]
    guild = call.world.guilds.get(channel.guild_id or "")
    stage = None if guild is None else guild.stages.pop(number, None)
    if stage is not None:
        call.hub.emit("STAGE_INSTANCE_DELETE", stage, channel=channel)
