"""A local WeChat Work: real HTTP below `/wecom/cgi-bin`, invented people, callbacks that are signed and encrypted."""

from __future__ import annotations

from shequn_wecom.sandbox.sandbox import WecomSandbox

__all__ = ["WecomSandbox"]
