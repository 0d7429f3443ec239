"""The rooms of a workspace: the attribute of the client, and where its class is.

After a change here, or to the public methods of a room: `python tools/twins.py` writes the properties of both clients and
the blocking twins.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["NUMBERS", "PARTS", "ROOMS"]

ROOMS: Mapping[str, str] = MappingProxyType(
    {
        "members": "shequn_sdk.members.members:Members",
        "moderation": "shequn_sdk.moderation.moderation:Moderation",
        "crises": "shequn_sdk.moderation.crises:Crises",
        "segments": "shequn_sdk.members.segments:Segments",
        "journeys": "shequn_sdk.journeys.journeys:Journeys",
        "links": "shequn_sdk.links.links:Links",
        "entrances": "shequn_sdk.links.entrances:Entrances",
        "partners": "shequn_sdk.links.partners:Partners",
        "feeds": "shequn_sdk.feeds.feeds:Feeds",
        "check_ins": "shequn_sdk.engagement.check_ins:CheckIns",
        "polls": "shequn_sdk.engagement.polls:Polls",
        "questions": "shequn_sdk.engagement.questions:Questions",
        "topics": "shequn_sdk.engagement.topics:Topics",
        "contests": "shequn_sdk.engagement.contests:Contests",
        "gatherings": "shequn_sdk.engagement.gatherings:Gatherings",
        "sign_ups": "shequn_sdk.engagement.sign_ups:SignUps",
        "lotteries": "shequn_sdk.engagement.lotteries:Lotteries",
        "feedback": "shequn_sdk.feedback.feedback:Feedback",
        "shop": "shequn_sdk.commerce.shop:Shop",
        "coupons": "shequn_sdk.commerce.coupons:Coupons",
        "conversion": "shequn_sdk.commerce.conversion:Conversion",
        "experiments": "shequn_sdk.commerce.experiments:Experiments",
        "approvals": "shequn_sdk.editorial.approvals:Approvals",
        "calendar": "shequn_sdk.editorial.calendar:Calendar",
        "queue": "shequn_sdk.editorial.queue:Queue",
        "points": "shequn_sdk.incentives.points:Points",
        "badges": "shequn_sdk.incentives.badges:Badges",
        "tiers": "shequn_sdk.incentives.tiers:Tiers",
        "leaderboards": "shequn_sdk.incentives.leaderboards:Leaderboards",
        "rewards": "shequn_sdk.incentives.rewards:Rewards",
        "goals": "shequn_sdk.playbook.goals:Goals",
        "playbook": "shequn_sdk.playbook.playbooks:Playbooks",
    }
)
"""In the order in which they hear: who it is comes before what is to be done about it."""

NUMBERS: Mapping[str, str] = MappingProxyType({"points": "shequn_sdk.incentives.points:Points"})
"""What filters `Number(source=…)` of segments can compare, by the room whose `numbers` gives it."""

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "deliveries": "shequn_sdk.client.facets:AsyncDeliveries",
        "metrics": "shequn_sdk.client.facets:AsyncMetrics",
        "schedules": "shequn_sdk.client.schedules:AsyncSchedules",
        "channel": "shequn_sdk.client.channels:AsyncChannelHandle",
    }
)
"""The client's own parts, which are no rooms; their blocking twins are written from them in the same way."""
