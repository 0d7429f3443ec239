"""The place of a fault run: platforms on this machine, accounts and channels on them, and what is to be said there."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from shequn_sdk.platforms.discovery import Plugins
from shequn_sdk.platforms.hooks import SandboxSpec
from shequn_sdk.testing.sandbox.api import Fault, FaultKind, Person
from shequn_sdk.testing.sandbox.faults import FaultRule, SeededFaults
from shequn_sdk.testing.sandbox.server import SandboxServer

__all__ = ["Place", "Scene", "Stand", "WatchedFaults", "calm_rules", "delivery_rules", "spec_of"]

WEIBO_PACE = 1.4
"""Seconds that Weibo takes for a post."""
_FILLER = "每天读二十页书也写一点想法"
"""Plain text without line ends, so that a paragraph of it is cut nowhere else than at its end."""
_SHARES: Mapping[str, float] = {"telegram": 0.3, "discord": 0.3, "wecom": 0.29, "robot": 0.06, "weibo": 0.05}
_LIMITS: Mapping[str, int] = {"telegram": 4096, "discord": 2000, "wecom": 2048, "robot": 2048, "weibo": 140}
_BYTES = frozenset({"wecom", "robot"})


def spec_of(plugins: Plugins, platform: str) -> tuple[SandboxSpec | None, str]:
    """Give a platform's sandbox, or the reason why it cannot be used."""
    try:
        return plugins.sandbox(platform), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


class WatchedFaults(SeededFaults):
    """Faults by seed, each noted with its instant."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.log: list[tuple[float, str, str, FaultKind]] = []

    def for_request(self, platform: str, operation: str) -> Fault | None:
        """Give the fault for one request."""
        fault = super().for_request(platform, operation)
        if fault is not None:
            self.log.append((time.time(), platform, operation, fault.kind))
        return fault


def delivery_rules(rate: float, storm: int) -> list[FaultRule]:
    """Give all kinds of faults of requests; each strikes `rate` of the publishing ones, and fewer of the others.

    Args:
        storm: how many requests in a row are refused as too many, once per platform; a third of it on WeChat Work, where
            each means to wait a minute, and none on Weibo, where it means the next hour.
    """
    kinds = FaultKind
    rules: list[FaultRule] = []
    for platform in ("telegram", "discord"):
        limit = FaultRule(kinds.RATE_LIMIT, platform=platform, operation="publish", delay=1.0)
        rules += [replace(limit, skip=20, times=storm), replace(limit, rate=rate / 2)]
    rules += [
        FaultRule(kinds.RATE_LIMIT, platform="wecom", operation="publish", skip=20, times=storm // 3),
        FaultRule(kinds.SERVER_ERROR, operation="publish", rate=rate),
        FaultRule(kinds.SERVER_ERROR_AFTER, operation="publish", rate=rate),
        FaultRule(kinds.RESET_BEFORE, operation="publish", rate=rate),
        FaultRule(kinds.RESET_AFTER, operation="publish", rate=rate),
        FaultRule(kinds.MALFORMED, operation="publish", rate=rate),
        FaultRule(kinds.SLOW, operation="publish", rate=rate, delay=0.4),
        FaultRule(kinds.SLOW, operation="publish", rate=rate / 4, delay=6.0),  # longer than the worker waits
    ]
    broken = (kinds.SERVER_ERROR, kinds.RESET_AFTER, kinds.RESET_BEFORE, kinds.MALFORMED)
    for operation in ("read", "gettoken"):
        rules += [FaultRule(kind, operation=operation, rate=rate / 2) for kind in broken]
    return [*rules, *calm_rules()]


def calm_rules() -> list[FaultRule]:
    """Give what remains when nothing goes wrong.

    Only the newest five posts of Weibo can be looked up, so it must be slow; real accounts post a few times an hour.
    """
    return [FaultRule(FaultKind.SLOW, platform="weibo", operation="publish", delay=WEIBO_PACE)]


@dataclass(frozen=True, slots=True)
class Place:
    """A channel as the ledger names it and as the sandbox does."""

    account: str
    channel: str
    platform: str
    shown: str
    """The channel's name in the sandbox."""
    closed: bool = False
    """Whether the platform refuses everything there."""

    @property
    def ref(self) -> str:
        return f"{self.account}:{self.channel}"


@dataclass(slots=True)
class Stand:
    """A message that stands on a platform."""

    native_id: str
    at: datetime


@dataclass(slots=True)
class Scene:
    """Accounts and channels on the sandboxes of one server."""

    server: SandboxServer
    seed: int
    places: list[Place] = field(default_factory=list[Place])
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    planned: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Pieces by place and content's id."""

    def furnish(self, deliveries: int) -> None:
        """Make accounts and channels for so many deliveries."""
        for platform in self.server:
            count = max(2, round(deliveries * _SHARES[platform] / 10))
            getattr(self, f"_{platform}")(count)

    def _account(self, name: str, platform: str, found: Mapping[str, Any], **options: Any) -> None:
        self.accounts[name] = {
            "platform": platform,
            "base_url": found["base_url"],
            "secrets": {key: str(value) for key, value in found["secrets"].items()},
            "options": {**found.get("options", {}), **options},
        }

    def _telegram(self, count: int) -> None:
        sandbox: Any = self.server["telegram"]
        self._account("tg", "telegram", sandbox.describe(), poll_timeout=1)
        for number in range(count):
            native = sandbox.create_channel(f"群{number}")
            self.places.append(Place("tg", native, "telegram", native))
        gone = sandbox.create_channel("不让说话的群")
        sandbox.set_rights(gone, status="kicked")
        self.places.append(Place("tg", gone, "telegram", gone, closed=True))

    def _discord(self, count: int) -> None:
        sandbox: Any = self.server["discord"]
        self._account("dc", "discord", sandbox.describe())
        for number in range(count):
            native = sandbox.create_channel(f"room{number}")
            self.places.append(Place("dc", native, "discord", native))

    def _wecom(self, count: int) -> None:
        sandbox: Any = self.server["wecom"]
        from shequn_wecom.sandbox.state import Robot

        ready = sandbox.describe()["accounts"]
        self._account("app", "wecom", ready["app"])
        for number in range(count):
            person = Person(id=f"staff{number}", name=f"同事{number}")
            sandbox.join("@all", person)
            channel = f"user:{sandbox.member_id(person)}"
            self.places.append(Place("app", channel, "wecom", channel))
        for number in range(3):
            key = f"{number:08d}-aaaa-bbbb-cccc-dddddddddddd"
            sandbox.world.robots[key] = Robot(key, f"robot{number}")
            self._account(
                f"robot{number}", "wecom", {**ready["robot"], "secrets": {"key": key}}, text_format="text"
            )
            self.places.append(Place(f"robot{number}", "robot", "robot", f"robot{number}"))

    def _weibo(self, count: int) -> None:
        del count
        sandbox: Any = self.server["weibo"]
        found = sandbox.describe()
        self._account("wb", "weibo", found, posts_per_hour=100_000, daily_budget=0)
        self.places.append(Place("wb", found["uid"], "weibo", found["uid"]))

    # what is to be said

    def contents(self, deliveries: int) -> list[dict[str, Any]]:
        """Give contents of one to three pieces for so many deliveries; the pieces carry `c0012p1`."""
        rng = random.Random(f"{self.seed}/contents")
        groups: dict[str, list[Place]] = {}
        for place in self.places:
            groups.setdefault(place.platform, []).append(place)
        share = sum(_SHARES[name] for name in groups)
        made: list[tuple[float, dict[str, Any]]] = []
        for name, places in groups.items():
            wanted = deliveries * _SHARES[name] / share
            rounds: list[tuple[int, list[Place]]] = []
            while wanted > 0:
                pieces = rng.choice((1, 1, 1, 2, 3))
                to = (
                    places
                    if len(places) == 1 or rng.random() < 0.8
                    else rng.sample(places, len(places) // 2 or 1)
                )
                rounds.append((pieces, to))
                wanted -= pieces * len(to)
            for number, (pieces, to) in enumerate(rounds):
                made.append((number / len(rounds), {"pieces": pieces, "name": name, "to": to}))
        made.sort(key=lambda item: item[0])
        plans: list[dict[str, Any]] = []
        for number, (_, one) in enumerate(made):
            identity = f"c{number:04d}"
            for place in one["to"]:
                self.planned[place.ref, identity] = one["pieces"]
            text = "\n\n".join(_paragraph(one["name"], f"{identity}p{part}") for part in range(one["pieces"]))
            plans.append({"id": identity, "text": text, "to": [place.ref for place in one["to"]]})
        return plans

    def write(
        self,
        home: Path,
        plans: Sequence[Mapping[str, Any]],
        *,
        communities: str = "",
        store: str = "",
        engine: str = "",
    ) -> None:
        """Write the workspace's settings and what is to be said."""
        lines = [f"store = {json.dumps(store)}"] if store else []
        lines += [
            communities,
            "[delivery]",
            "concurrency = 64",
            "max_attempts = 20",
            f'engine = "{engine}"',
            "",
        ]
        for name, account in self.accounts.items():
            lines += [f"[accounts.{name}]", f'platform = "{account["platform"]}"']
            lines += [f'base_url = "{account["base_url"]}"', f"[accounts.{name}.secrets]"]
            lines += [f"{key} = {json.dumps(value)}" for key, value in account["secrets"].items()]
            lines += [f"[accounts.{name}.options]"]
            lines += [
                f"{key} = {json.dumps(value)}"
                for key, value in account["options"].items()
                if value is not None
            ]
            lines.append("")
        home.mkdir(parents=True, exist_ok=True)
        (home / "shequn.toml").write_text("\n".join(lines), encoding="utf-8")
        (home / "contents.json").write_text(json.dumps(list(plans)), encoding="utf-8")


def _paragraph(platform: str, marker: str) -> str:
    """Give a paragraph that fills most of a message of its platform, so that the next one begins another."""
    room = _LIMITS[platform] * 2 // 3
    if platform == "weibo":
        return f"{marker} {_FILLER * 4} https://club.example.com/{marker}"
    text = f"{marker} "
    while len(text.encode() if platform in _BYTES else text) < room:
        text += _FILLER
    return text
