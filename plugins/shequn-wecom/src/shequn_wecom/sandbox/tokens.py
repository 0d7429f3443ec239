"""gettoken, and what every call checks first: address, token, rights, frequency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import App, World

__all__ = ["Call", "Tokens"]

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Call:
    """One request, read."""

    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    raw: bytes
    address: str
    app: App | None = None
    file: tuple[str, bytes] | None = None
    """Name and bytes of an uploaded file."""

    def text(self, name: str, missing: int = 40058) -> str:
        """Give a text that must be there."""
        value = self.body.get(name, self.query.get(name, ""))
        if not isinstance(value, str | int) or value == "":
            raise Refuse(missing, f"{name} missing")
        return str(value)

    def items(self, name: str, *, most: int | None = None, code: int = 40058) -> list[str]:
        """Give a list of texts, perhaps empty."""
        value = self.body.get(name) or []
        if not isinstance(value, list):
            raise Refuse(40058, f"{name} is no list")
        if most is not None and len(value) > most:
            raise Refuse(code, f"{name} has more than {most} items")
        return [str(item) for item in value]

    def number(self, name: str, default: int) -> int:
        """Give an integer."""
        value = self.body.get(name, self.query.get(name, default))
        try:
            return int(value)
        except (TypeError, ValueError):
            raise Refuse(40035, f"{name} is no number") from None


class Tokens:
    """Tokens of the applications, and the limits on calls."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.life = timedelta(seconds=int(world.options.get("token_seconds", 7200)))
        self.rotates = bool(world.options.get("rotate_tokens", False))
        """Whether each gettoken gives a new token, which ends the one before."""
        self.calls = 0
        """How often a token was given."""
        self._live: dict[str, tuple[App, datetime]] = {}
        self._dead: set[str] = set()
        self._wrong: dict[str, list[datetime]] = {}
        self._counts: dict[tuple[int, str], list[datetime]] = {}
        self._blocked: dict[tuple[int, str], datetime] = {}

    def expire_now(self) -> None:
        """End every token as if its time were over."""
        self._dead.update(self._live)
        self._live.clear()

    def revoke(self) -> None:
        """Forget every token: calls answer 40014."""
        self._live.clear()

    def gettoken(self, call: Call) -> dict[str, Any]:
        """Answer gettoken."""
        now = self._world.now()
        wrong = [at for at in self._wrong.get(call.address, []) if now - at < _HOUR]
        if len(wrong) >= int(self._world.options.get("wrong_secrets", 20)):
            raise Refuse(45009, "too many wrong secrets")
        self.check_address(call)
        corp, secret = call.query.get("corpid", ""), call.query.get("corpsecret", "")
        if not corp:
            raise Refuse(41002)
        if not secret:
            raise Refuse(41004)
        if corp != self._world.corp_id:
            raise Refuse(40013)
        app = next((app for app in self._world.apps.values() if app.secret == secret), None)
        if app is None:
            self._wrong[call.address] = [*wrong, now]
            raise Refuse(40001)
        self.calls += 1
        for token, (owner, until) in list(self._live.items()):
            if owner is app and until > now and not self.rotates:
                left = int((until - now).total_seconds())
                return {"access_token": token, "expires_in": left}
            if owner is app:
                del self._live[token]
                self._dead.add(token)
        token = f"sandbox-{self._world.hex(56)}"
        self._live[token] = (app, now + self.life)
        return {"access_token": token, "expires_in": int(self.life.total_seconds())}

    def check_address(self, call: Call) -> None:
        """Refuse addresses that are not trusted, when there is a list of trusted ones."""
        trusted = self._world.options.get("trusted_ips")
        if trusted is not None and call.address not in trusted:
            raise Refuse(60020)

    def admit(self, call: Call, *, counts: bool) -> App:
        """Give the application behind a call's token."""
        token = call.query.get("access_token", "")
        if not token:
            raise Refuse(41001)
        found = self._live.get(token)
        now = self._world.now()
        if token in self._dead or (found is not None and found[1] <= now):
            raise Refuse(42001)
        if found is None:
            raise Refuse(40014)
        self.check_address(call)
        if counts:
            self._count(call.path, now)
        return found[0]

    def _count(self, path: str, now: datetime) -> None:
        for index, (amount, per) in enumerate(
            (
                (int(self._world.options.get("calls_per_minute", 10_000)), _MINUTE),
                (int(self._world.options.get("calls_per_hour", 150_000)), _HOUR),
            )
        ):
            key = (index, path)
            blocked = self._blocked.get(key)
            if blocked is not None and now < blocked:
                raise Refuse(45009)
            hits = self._counts.setdefault(key, [])
            if hits and now - hits[0] >= per:
                hits.clear()
            if len(hits) >= amount:
                self._blocked[key] = now + per
                raise Refuse(45009)
            hits.append(now)
