"""OAuth 2 of Weibo: from the authorize page to a token, and back.

There is no refresh token for web applications: sending the user through the page again extends the authorisation.
https://open.weibo.com/wiki/Oauth2/access_token
"""

from __future__ import annotations

import hmac
import secrets as _secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from shequn_sdk.errors import AuthFailed, ConfigError, PermissionDenied, VerificationFailed
from shequn_sdk.platforms.hooks import AdapterContext
from shequn_sdk.platforms.http import HttpClient, HttpResponse
from shequn_weibo import wire
from shequn_weibo.api import oauth_base_of, read, refusal_of
from shequn_weibo.errors import PLATFORM

__all__ = ["Grant", "OAuth", "new_state"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user granted: store the token as secret `access_token`, the rest as options."""

    access_token: str = field(repr=False)
    uid: str
    expires_at: datetime
    """Option `token_expires_at`: one day for an unreviewed application, usually 30 days for a reviewed one."""


def new_state() -> str:
    """Make a fresh `state` for `authorize_url`; keep it in the user's session."""
    return _secrets.token_urlsafe(24)


class OAuth:
    """The calls of an application, not of a user; an async context manager.

    Args:
        app_key: App Key of the application's page.
        redirect_uri: exactly the registered callback address.
        base_url: the API's base, as in the account's settings; None is Weibo.
    """

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        redirect_uri: str,
        context: AdapterContext,
        base_url: str | None = None,
    ) -> None:
        if not (app_key and app_secret and redirect_uri):
            raise ConfigError(
                "weibo's authorisation needs app_key, app_secret and redirect_uri: copy them from the application's "
                "page in the open platform console"
            )
        self._app_key = app_key
        self._app_secret = app_secret
        self._redirect_uri = redirect_uri
        self._clock = context.clock
        self._base = oauth_base_of(base_url)
        self._http = HttpClient(
            platform=PLATFORM, base_url=self._base, context=context, secrets=(app_secret,), max_connections=2
        )

    def __repr__(self) -> str:
        return f"OAuth({self._app_key!r})"

    async def __aenter__(self) -> Self:
        """Be ready; makes no request."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        await self._http.__aexit__(kind, error, trace)

    def authorize_url(
        self, *, state: str, scope: str = "", display: str = "default", force_login: bool = False
    ) -> str:
        """Give the page to which the user's browser is sent."""
        fields = {
            "client_id": self._app_key,
            "redirect_uri": self._redirect_uri,
            "response_type": "code",
            "state": state,
            "display": display,
        }
        if scope:
            fields["scope"] = scope
        if force_login:
            fields["forcelogin"] = "true"
        return f"{self._base}/authorize?{urlencode(fields)}"

    def code_from(self, query: Mapping[str, str], *, state: str) -> str:
        """Read the code with which the user came back.

        Raises:
            VerificationFailed: `state` is not ours.
            PermissionDenied: the user refused.
        """
        if not state or not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
            raise VerificationFailed("weibo's authorisation came back with another state; start it again")
        if query.get("error") or not query.get("code"):
            raise PermissionDenied(
                "the user did not authorise the application; ask again, or publish without this account",
                platform=PLATFORM,
                operation="oauth2/authorize",
                code=query.get("error_code", "21330"),
            )
        return query["code"]

    async def exchange(self, code: str) -> Grant:
        """Turn a code, which is good once, into a token.

        Raises:
            AuthFailed: the code was used, is too old, or keys and addresses do not fit.
        """
        self._http.redact.add(code)
        answer = await self._call(
            "access_token",
            wire.Token,
            {
                "client_id": self._app_key,
                "client_secret": self._app_secret,
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._redirect_uri,
            },
        )
        seconds = wire.number(answer.expires_in)
        if not answer.access_token or seconds is None:
            raise AuthFailed(
                "weibo answered the code without a token; start the authorisation again",
                platform=PLATFORM,
                operation="oauth2/access_token",
            )
        self._http.redact.add(answer.access_token)
        return Grant(
            access_token=answer.access_token,
            uid=wire.ident(answer.uid),
            expires_at=self._clock.now() + timedelta(seconds=seconds),
        )

    async def describe(self, access_token: str) -> Grant:
        """Ask how long a token is still good."""
        self._http.redact.add(access_token)
        info = await self._call("get_token_info", wire.TokenInfo, {"access_token": access_token})
        seconds = wire.number(info.expire_in) or 0
        return Grant(
            access_token=access_token,
            uid=wire.ident(info.uid),
            expires_at=self._clock.now() + timedelta(seconds=seconds),
        )

    async def revoke(self, access_token: str) -> None:
        """End a token."""
        self._http.redact.add(access_token)
        await self._call("revokeoauth2", dict[str, Any], {"access_token": access_token})

    async def _call(self, name: str, answer: type[Any], form: Mapping[str, str]) -> Any:
        def check(response: HttpResponse) -> None:
            error = refusal_of(response, self._http)
            if error is not None:
                raise error

        response = await self._http.request(
            "POST", f"/{name}", operation=f"oauth2/{name}", form=form, check=check
        )
        return read(response, answer)
