"""The client: `AsyncShequn`, and its blocking twin `Shequn`."""

from shequn_sdk.client.blocking import Shequn
from shequn_sdk.client.channels import AsyncChannelHandle
from shequn_sdk.client.facets import AsyncDeliveries, AsyncMetrics
from shequn_sdk.client.rooms.channel import ChannelHandle
from shequn_sdk.client.rooms.deliveries import Deliveries
from shequn_sdk.client.rooms.metrics import Metrics
from shequn_sdk.client.rooms.schedules import Schedules
from shequn_sdk.client.schedules import AsyncSchedules
from shequn_sdk.client.shequn import AsyncShequn, days

__all__ = [
    "AsyncChannelHandle",
    "AsyncDeliveries",
    "AsyncMetrics",
    "AsyncSchedules",
    "AsyncShequn",
    "ChannelHandle",
    "Deliveries",
    "Metrics",
    "Schedules",
    "Shequn",
    "days",
]
