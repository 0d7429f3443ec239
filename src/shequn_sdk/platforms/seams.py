"""Switches for test tools; a program has no need of them."""

from __future__ import annotations

__all__ = ["use_fast_transport"]

use_fast_transport: bool = True
"""Whether `HttpClient` may take aiohttp's connections when the extra `fast` is installed.

The pytest plugin turns it off, because respx and pytest-httpx replace httpx's own connections only: with another
transport below, a mocked request would go out to the real platform.
"""
