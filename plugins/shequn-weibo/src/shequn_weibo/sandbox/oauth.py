"""The authorisation of the local Weibo: approves by itself, unless it is told to deny."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from shequn_weibo.sandbox.server import Call, Handler
from shequn_weibo.sandbox.state import App, Refuse, TokenRecord, World

__all__ = ["Authorisation"]

_CODE_LASTS = timedelta(minutes=10)
_LASTS = {"test": timedelta(days=1), "normal": timedelta(days=30), "commercial": timedelta(days=30)}


class Authorisation:
    """OAuth 2 with codes that are good once and tokens that end by the clock."""

    def __init__(self, world: World, *, uid: str) -> None:
        self._world = world
        self._uid = uid

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "authorize": self.authorize,
            "access_token": self.access_token,
            "get_token_info": self.token_info,
            "revokeoauth2": self.revoke,
        }

    def issue(self, app: App, uid: str, *, lasts: timedelta, fan: bool = False) -> TokenRecord:
        """Make a token."""
        seconds = self._world.option("token_seconds", None)
        if seconds is not None:
            lasts = timedelta(seconds=float(seconds))
        now = self._world.now()
        record = TokenRecord(f"2.00{self._world.hex(28)}", uid, app, now, now + lasts, fan=fan)
        self._world.tokens[record.token] = record
        return record

    def _app(self, key: str) -> App:
        app = self._world.apps.get(key)
        if app is None:
            raise Refuse(21324)
        return app

    def authorize(self, call: Call) -> str:
        """Send the browser back with a code, or with a refusal; `sandbox_uid` chooses another user."""
        app = self._app(call.text("client_id", 21323))
        redirect = call.text("redirect_uri", 21323)
        if redirect != app.redirect_uri:
            raise Refuse(21322)
        if call.fields.get("response_type", "code") != "code":
            raise Refuse(21329)
        fields = {"state": call.fields["state"]} if call.fields.get("state") else {}
        if self._world.option("authorize", "approve") == "deny" or call.fields.get("sandbox_deny"):
            fields |= {"error": "access_denied", "error_code": "21330", "error_uri": "/oauth2/authorize"}
        else:
            uid = call.fields.get("sandbox_uid", self._uid)
            if uid not in self._world.users:
                raise Refuse(20003)
            code = self._world.hex(32)
            self._world.codes[code] = (uid, app, redirect, self._world.now())
            fields["code"] = code
        return f"{redirect}{'&' if '?' in redirect else '?'}{urlencode(fields)}"

    def access_token(self, call: Call) -> dict[str, Any]:
        """Exchange a code."""
        if call.method != "POST":
            raise Refuse(21323, "POST is needed")
        key, secret = call.fields.get("client_id", ""), call.fields.get("client_secret", "")
        scheme, _, rest = call.header.partition(" ")
        if scheme.lower() == "basic":
            try:
                key, _, secret = base64.b64decode(rest).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise Refuse(21324) from None
        if not key:
            raise Refuse(21323)
        app = self._app(key)
        if secret != app.secret:
            raise Refuse(21324)
        if call.fields.get("grant_type") != "authorization_code":
            raise Refuse(21328)
        found = self._world.codes.pop(call.text("code", 21323), None)
        if found is None:
            raise Refuse(21325)
        uid, owner, redirect, made = found
        if owner is not app or redirect != call.fields.get("redirect_uri") or self._old(made):
            raise Refuse(21325)
        record = self.issue(app, uid, lasts=_LASTS[app.level])
        seconds = int((record.expires_at - record.created_at).total_seconds())
        return {
            "access_token": record.token,
            "expires_in": seconds,
            "remind_in": str(seconds),
            "uid": uid,
            "isRealName": "true",
        }

    def _old(self, made: datetime) -> bool:
        return self._world.now() - made > _CODE_LASTS

    def _token(self, call: Call) -> TokenRecord:
        scheme, _, rest = call.header.partition(" ")
        given = call.fields.get("access_token") or (rest if scheme.lower() in {"oauth2", "bearer"} else "")
        found = self._world.tokens.get(given)
        if found is None:
            raise Refuse(21332)
        if found.revoked:
            raise Refuse(21316)
        if found.expires_at <= self._world.now():
            raise Refuse(21327)
        return found

    def token_info(self, call: Call) -> dict[str, Any]:
        """Tell what a token is good for."""
        record = self._token(call)
        return {
            "uid": int(record.uid),
            "appkey": record.app.key,
            "scope": None,
            "create_at": int(record.created_at.timestamp()),
            "expire_in": int((record.expires_at - self._world.now()).total_seconds()),
        }

    def revoke(self, call: Call) -> dict[str, str]:
        """End a token."""
        self._token(call).revoked = True
        return {"result": "true"}
