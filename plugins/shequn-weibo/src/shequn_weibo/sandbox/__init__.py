"""A local Weibo: real HTTP below `/weibo/2` and `/weibo/oauth2`, invented people, signed pushes."""

from __future__ import annotations

from shequn_weibo.sandbox.sandbox import WeiboSandbox

__all__ = ["WeiboSandbox"]
