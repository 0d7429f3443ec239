"""Control over HTTP: a person or another process moves the clock, lets people act and sets faults."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from shequn_sdk.domain import Clock
from shequn_sdk.errors import InvalidInput, NotSupported, ShequnError
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.testing.sandbox import _page
from shequn_sdk.testing.sandbox._play import Receive, Scope, Send, TooLarge, answer, read_body
from shequn_sdk.testing.sandbox.api import FaultKind, FaultSource, Person, PlatformSandbox
from shequn_sdk.testing.sandbox.faults import FaultRule, SeededFaults

__all__ = ["Control"]

_MAX_BODY = 1024 * 1024
_JSON = {"content-type": "application/json; charset=utf-8", "cache-control": "no-store"}
_HTML = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}

_ACTS: Mapping[str, tuple[str, ...]] = {
    "join": (),
    "leave": (),
    "say": ("text",),
    "react": ("message", "emoji"),
    "share": ("message",),
    "vote": ("message", "choice"),
    "press": ("message", "data"),
}
_OPTIONAL: Mapping[str, tuple[str, ...]] = {"join": ("invite",), "say": ("reply_to",)}


class _Bad(InvalidInput):
    """A request that cannot be understood."""


class Control:
    """The endpoints under `/_control` and the page at `/`."""

    def __init__(
        self,
        platforms: Mapping[str, PlatformSandbox],
        *,
        clock: Clock,
        faults: FaultSource,
        hosts: frozenset[str],
    ) -> None:
        self._platforms = platforms
        self._clock = clock
        self._faults = faults
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; refuses those that a foreign web page could have caused."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if self._hosts and host.strip("[]") not in self._hosts:
            await answer(send, 403, b"this host name is not served here", close=True)
            return
        method, path = scope["method"], scope["path"]
        if path == "/" and method == "GET":
            await self._send_page(send)
            return
        if path == "/_control/font" and method == "GET":
            await answer(
                send, 200, _page.font(), {"content-type": "font/otf", "cache-control": "max-age=86400"}
            )
            return
        if path == "/_control/fragment" and method == "GET":
            text = _page.fragment(self._platforms, now=self._now())
            await answer(send, 200, text.encode(), _HTML)
            return
        try:
            body = await self._body(method, headers, receive)
            result = self._route(method, path.removeprefix("/_control/"), body)
        except NotSupported as error:
            await self._send_json(send, 501, {"error": "NotSupported", "message": str(error)})
        except (ShequnError, KeyError, ValueError, TypeError) as error:
            status = 404 if isinstance(error, KeyError) else 400
            await self._send_json(send, status, {"error": type(error).__name__, "message": str(error)})
        except TooLarge:
            await answer(send, 413, b"Request Entity Too Large", close=True)
        else:
            await self._send_json(send, 200, result)

    async def _body(self, method: str, headers: Mapping[str, str], receive: Receive) -> dict[str, Any]:
        raw = await read_body(receive, _MAX_BODY)
        if method == "GET":
            return {}
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _Bad("send JSON with content-type application/json")
        try:
            value = json.loads(raw or b"{}")
        except (ValueError, RecursionError):
            raise _Bad("the body is no JSON") from None
        if not isinstance(value, dict):
            raise _Bad("the body must be a JSON object")
        return value

    def _route(self, method: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        match method, what:
            case "GET", "describe":
                return {name: platform.describe() for name, platform in self._platforms.items()}
            case "GET", "state":
                return self._state()
            case "GET", "clock":
                return {"now": self._now(), "movable": isinstance(self._clock, ManualClock)}
            case "POST", "clock":
                return self._move(body)
            case "POST", "act":
                return self._act(body)
            case "GET", "faults":
                return self._list_faults()
            case "POST", "faults":
                return self._set_faults(body)
            case _:
                raise _Bad(
                    f"no control {method} {what!r}: there are GET describe, state, clock, faults and "
                    "POST clock, act, faults"
                )

    def _state(self) -> dict[str, Any]:
        platforms: dict[str, Any] = {}
        for name, platform in self._platforms.items():
            channels: list[dict[str, Any]] = []
            for channel in platform.channels():
                messages = [
                    {**asdict(message), "at": message.at.isoformat()}
                    for message in platform.messages(channel.native_id)
                ]
                channels.append({**asdict(channel), "messages": messages})
            platforms[name] = {"channels": channels}
        return {"now": self._now(), "platforms": platforms}

    def _move(self, body: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(self._clock, ManualClock):
            raise _Bad("this sandbox runs on the machine's clock, which cannot be moved")
        if "to" in body:
            instant = datetime.fromisoformat(str(body["to"]))
            if instant.tzinfo is None:
                raise _Bad("`to` needs a time zone, for example 2026-03-01T08:00:00+08:00")
            self._clock.move_to(instant)
        else:
            self._clock.advance(timedelta(seconds=float(body["by"])))
        return {"now": self._now(), "movable": True}

    def _act(self, body: dict[str, Any]) -> dict[str, Any]:
        platform = self._platform(body)
        act = str(body["act"])
        if act == "create_channel":
            return {
                "result": platform.create_channel(str(body["title"]), kind=str(body.get("kind", "group")))
            }
        channel = str(body["channel"])
        if act == "confirm":
            platform.confirm(channel, str(body["task"]))
            return {"result": None}
        if act not in _ACTS:
            raise _Bad(f"nobody can {act!r}: there are {', '.join(_ACTS)}, confirm, create_channel")
        person = _person(body["person"])
        arguments = [int(body[name]) if name == "choice" else str(body[name]) for name in _ACTS[act]]
        named = {name: str(body[name]) for name in _OPTIONAL.get(act, ()) if name in body}
        result = getattr(platform, act)(channel, person, *arguments, **named)
        return {"result": result, "member": platform.member_id(person)}

    def _platform(self, body: dict[str, Any]) -> PlatformSandbox:
        name = str(body["platform"])
        if name not in self._platforms:
            raise _Bad(f"no platform {name!r} here: there are {', '.join(self._platforms)}")
        return self._platforms[name]

    def _list_faults(self) -> dict[str, Any]:
        faults = self._faults
        rules = [asdict(rule) for rule in faults.rules] if isinstance(faults, SeededFaults) else []
        played = faults.played if isinstance(faults, SeededFaults) else {}
        return {
            "rules": rules,
            "played": [
                {"platform": platform, "operation": operation, "kind": str(kind), "times": times}
                for (platform, operation, kind), times in sorted(played.items())
            ],
        }

    def _set_faults(self, body: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(self._faults, SeededFaults):
            raise _Bad("this sandbox's faults are fixed")
        rules: list[FaultRule] = []
        for rule in body["rules"]:
            fields: dict[str, Any] = {**rule, "kind": FaultKind(rule["kind"])}
            rules.append(FaultRule(**fields))
        if "seed" in body:
            self._faults.seed = int(body["seed"])
        self._faults.set(rules)
        return self._list_faults()

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="seconds")

    async def _send_json(self, send: Send, status: int, value: dict[str, Any]) -> None:
        await answer(send, status, json.dumps(value, ensure_ascii=False).encode(), _JSON)

    async def _send_page(self, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
            "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        text = _page.page(self._platforms, now=self._now(), nonce=nonce)
        await answer(send, 200, text.encode(), {**_HTML, "content-security-policy": policy})


def _person(value: Any) -> Person:
    if isinstance(value, str):
        return Person(id=value, name=value)
    fields = dict(value)
    if fields.get("birthday"):
        fields["birthday"] = date.fromisoformat(str(fields["birthday"]))
    fields.setdefault("name", str(fields["id"]))
    return Person(**fields)
