"""A local Bot API server: real HTTP, the real server's shapes, limits and error texts, driven by simulated people."""

from __future__ import annotations

from shequn_telegram.sandbox.server import TelegramSandbox

__all__ = ["TelegramSandbox"]
