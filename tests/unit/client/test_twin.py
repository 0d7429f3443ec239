"""The blocking twin has the same methods with the same parameters."""

import inspect
from collections.abc import AsyncIterator, Iterator

import pytest

from shequn_sdk.client import (
    AsyncChannelHandle,
    AsyncDeliveries,
    AsyncMetrics,
    AsyncSchedules,
    AsyncShequn,
    ChannelHandle,
    Deliveries,
    Metrics,
    Schedules,
    Shequn,
)


def members(cls):
    return {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("asynchronous", "blocking"),
    [
        (AsyncShequn, Shequn),
        (AsyncDeliveries, Deliveries),
        (AsyncMetrics, Metrics),
        (AsyncSchedules, Schedules),
        (AsyncChannelHandle, ChannelHandle),
    ],
)
def test_twins_agree(asynchronous, blocking):
    ours, theirs = members(asynchronous), members(blocking)
    assert set(ours) == set(theirs)
    for name, method in ours.items():
        if isinstance(method, property):
            assert isinstance(theirs[name], property), name
            continue
        left, right = inspect.signature(method), inspect.signature(theirs[name])
        assert left.parameters == right.parameters, name
        assert not inspect.iscoroutinefunction(theirs[name]), name
        if inspect.isasyncgenfunction(method):
            assert (
                str(left.return_annotation).replace(AsyncIterator.__name__, Iterator.__name__)
                == right.return_annotation
            )


def test_every_method_is_documented():
    for cls in (
        AsyncShequn,
        Shequn,
        AsyncDeliveries,
        Deliveries,
        AsyncSchedules,
        Schedules,
        AsyncChannelHandle,
        ChannelHandle,
    ):
        for name, method in members(cls).items():
            assert inspect.getdoc(method), f"{cls.__name__}.{name}"
