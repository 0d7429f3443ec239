"""Links with campaign tags (UTM), and which targets a link may have."""

from __future__ import annotations

import ipaddress
import unicodedata
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from shequn_sdk.errors import InvalidInput

__all__ = ["MAX_URL", "checked_url", "tagged"]

MAX_URL = 2000
"""Longest address in characters; browsers and messengers cut longer ones."""
_KEYS = ("source", "medium", "campaign", "term", "content")


def checked_url(url: str) -> str:
    """Give `url` with its host in lower-case ASCII.

    Raises:
        InvalidInput: it is not http(s), has no host or names a user, holds control characters or is too long.
    """
    text = url.strip()
    if len(text) > MAX_URL:
        raise InvalidInput(f"the address has {len(text)} characters; at most {MAX_URL} work everywhere")
    if any(unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} or char in '\\ "<>' for char in text):
        raise InvalidInput(f"{text[:80]!r} holds characters that no address has; write them percent-encoded")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"{text[:80]!r} is no address: {error}") from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        raise InvalidInput(f"{text[:80]!r} must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("an address must not name a user or password: it would be shown to everybody")
    host = parts.hostname
    try:
        ipaddress.ip_address(host)
        name = f"[{host}]" if ":" in host else host
    except ValueError:
        try:
            name = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            raise InvalidInput(f"{host!r} is no host name") from None
    if port is not None:
        name += f":{port}"
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    fragment = quote(parts.fragment, safe="/%:@!$&'()*+,;=~-._?")
    return urlunsplit((parts.scheme.lower(), name, path, query, fragment))


def tagged(
    url: str, *, source: str, medium: str = "social", campaign: str = "", term: str = "", content: str = ""
) -> str:
    """Give `url` with UTM parameters, which replace those that it has; everything else of it stays.

    >>> tagged("https://example.com/a?x=1#top", source="telegram", campaign="春节")
    'https://example.com/a?x=1&utm_source=telegram&utm_medium=social&utm_campaign=%E6%98%A5%E8%8A%82#top'

    Raises:
        InvalidInput: `url` is no http(s) address, `source` is empty, or the result is too long.
    """
    if not source.strip():
        raise InvalidInput("a tagged link needs a source, such as the platform's or channel's name")
    parts = urlsplit(checked_url(url))
    values = dict(zip(_KEYS, (source, medium, campaign, term, content), strict=True))
    tags = [(f"utm_{key}", value.strip()) for key, value in values.items() if value.strip()]
    names = {name for name, _ in tags}
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in names]
    made = urlunsplit(parts._replace(query=urlencode([*kept, *tags])))
    if len(made) > MAX_URL:
        raise InvalidInput(
            f"the tagged address has {len(made)} characters; at most {MAX_URL} work everywhere"
        )
    return made
