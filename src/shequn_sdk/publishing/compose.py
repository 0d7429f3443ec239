"""Fits content to a platform: the form that its manifest allows, and what had to change."""

from __future__ import annotations

from shequn_sdk.domain import Content, Piece, Variant
from shequn_sdk.platforms.manifest import Manifest

__all__ = ["compose"]


def compose(content: Content, manifest: Manifest, *, account: str = "") -> Variant:
    """Give the form of `content` for one account."""
    text = content.overrides.get(account) or content.overrides.get(manifest.platform) or content.text
    piece = Piece(
        text=text,
        media=content.media,
        poll=content.poll,
        buttons=content.buttons,
        link=content.link,
        article=content.article,
        reply_to=content.reply_to,
        silent=content.silent,
    )
    return Variant(content_id=content.id, platform=manifest.platform, pieces=(piece,))
