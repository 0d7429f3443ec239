"""Rate limits of the sandbox: buckets with their headers, the global limit, refused requests, scripted 429s."""

from __future__ import annotations

import hashlib
import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shequn_sdk.domain import Clock

__all__ = ["Limiter", "Verdict", "answer_429"]

GLOBAL = 50
INVALID = 10_000

# (method and path template) to amount and seconds; what is not here gets the default
_SIZES: Mapping[str, tuple[int, float]] = {
    "POST /channels/{channel}/messages": (5, 5.0),
    "PATCH /channels/{channel}/messages/{message}": (5, 5.0),
    "DELETE /channels/{channel}/messages/{message}": (5, 1.0),
    "POST /channels/{channel}/messages/bulk-delete": (1, 3.0),
    "GET /channels/{channel}/messages": (5, 5.0),
    "PUT /channels/{channel}/messages/{message}/reactions/{emoji}/@me": (4, 1.0),
    "DELETE /channels/{channel}/messages/{message}/reactions/{emoji}/@me": (4, 1.0),
    "POST /webhooks/{webhook}/{token}": (5, 2.0),
    "PATCH /channels/{channel}": (5, 15.0),
    "POST /users/@me/channels": (10, 10.0),
    "GET /guilds/{guild}/members": (10, 10.0),
    "GET /guilds/{guild}/messages/search": (10, 10.0),
}
_DEFAULT = (10, 5.0)
_EXEMPT = ("POST /interactions/",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the limiter says about one request."""

    headers: dict[str, str]
    refused: tuple[int, dict[str, str], bytes] | None = None


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    reset_at: float = 0.0


@dataclass(slots=True)
class _Script:
    scope: str
    retry_after: float
    times: int
    path: str = ""


def answer_429(
    retry_after: float, *, scope: str = "user", code: int = 0, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Give Discord's answer to too many requests."""
    text = "The resource is being rate limited." if scope == "shared" else "You are being rate limited."
    body: dict[str, Any] = {
        "message": text,
        "retry_after": round(retry_after, 3),
        "global": scope == "global",
    }
    if code:
        body["code"] = code
    found = {
        **(headers or {}),
        "content-type": "application/json",
        "retry-after": str(max(1, math.ceil(retry_after))),
        "x-ratelimit-scope": scope,
        "via": "1.1 google",
    }
    if scope == "global":
        found["x-ratelimit-global"] = "true"
    return 429, found, json.dumps(body, separators=(",", ":")).encode()


@dataclass(slots=True)
class Limiter:
    """All buckets of the sandbox.

    `shape` is `fixed` (the whole window has to pass) or `leaky` (tokens come back one by one). Without `strict`
    headers are sent and nothing is refused.
    """

    clock: Clock
    shape: str = "fixed"
    strict: bool = True
    sizes: Mapping[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict[tuple[str, str], _Bucket])
    _sent: deque[float] = field(default_factory=deque[float])
    _invalid: deque[float] = field(default_factory=deque[float])
    _scripts: list[_Script] = field(default_factory=list[_Script])
    global_until: float = 0.0

    def script(self, scope: str, retry_after: float, *, times: int = 1, path: str = "") -> None:
        """Refuse the next `times` requests whose path contains `path`."""
        self._scripts.append(_Script(scope, retry_after, times, path))

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def judge(self, route: str, major: str, path: str) -> Verdict:
        """Take a token for one request, or refuse it."""
        now = self._now()
        if route.startswith(_EXEMPT):
            return Verdict({})
        for script in self._scripts:
            if script.times > 0 and script.path in path:
                script.times -= 1
                return Verdict({}, answer_429(script.retry_after, scope=script.scope))
        self._scripts = [script for script in self._scripts if script.times > 0]
        limit, per = self.sizes.get(route) or _SIZES.get(route) or _DEFAULT
        if not self.strict:
            limit = max(limit, 1000)
        name = hashlib.md5(route.encode(), usedforsecurity=False).hexdigest()
        bucket = self._buckets.get((name, major))
        if bucket is None:
            if len(self._buckets) > 20_000:
                self._buckets.clear()
            bucket = self._buckets[name, major] = _Bucket(float(limit), now)
        if self.shape == "leaky":
            bucket.tokens = min(float(limit), bucket.tokens + max(0.0, now - bucket.at) * limit / per)
            bucket.at = now
        elif now >= bucket.reset_at:
            bucket.tokens, bucket.reset_at = float(limit), now + per
        while self._sent and self._sent[0] <= now - 1.0:
            self._sent.popleft()
        if self.strict and len(self._sent) >= GLOBAL:
            return Verdict({}, answer_429(max(0.05, self._sent[0] + 1.0 - now), scope="global"))
        allowed = bucket.tokens >= 1.0 - 1e-9
        if allowed or not self.strict:
            bucket.tokens = max(0.0, bucket.tokens - 1.0)
            self._sent.append(now)
        after = (limit - bucket.tokens) * per / limit if self.shape == "leaky" else bucket.reset_at - now
        headers = {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(int(bucket.tokens + 1e-9)),
            "x-ratelimit-reset": f"{now + after:.3f}",
            "x-ratelimit-reset-after": f"{max(0.0, after):.3f}",
            "x-ratelimit-bucket": name,
        }
        if allowed or not self.strict:
            return Verdict(headers)
        wait = (1.0 - bucket.tokens) * per / limit if self.shape == "leaky" else after
        return Verdict(headers, answer_429(max(0.001, wait), scope="user", headers=headers))

    def count(self, status: int, scope: str = "") -> None:
        """Count a refused request."""
        if status in {401, 403} or (status == 429 and scope != "shared"):
            self._invalid.append(self._now())

    @property
    def banned(self) -> bool:
        """Whether too many requests were refused in the last ten minutes."""
        now = self._now()
        while self._invalid and self._invalid[0] <= now - 600:
            self._invalid.popleft()
        return len(self._invalid) >= INVALID
