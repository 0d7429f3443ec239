"""A local WordPress: REST API v2 with application passwords."""

from __future__ import annotations

from shequn_wordpress.sandbox.sandbox import WordPressSandbox

__all__ = ["WordPressSandbox"]
