"""The client: `AsyncShequn`, and its blocking twin `Shequn`."""

from shequn_sdk.client.blocking import ChannelHandle, Deliveries, Metrics, Shequn
from shequn_sdk.client.channels import AsyncChannelHandle
from shequn_sdk.client.facets import AsyncDeliveries, AsyncMetrics
from shequn_sdk.client.schedules import AsyncSchedules, Schedules
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
