"""Sends pieces that hang on another: comments under a post and answers to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import cast

from shequn_sdk.domain import OWN_CLOCK, ChannelRef, Piece, Post
from shequn_sdk.errors import InvalidInput, NotSupported
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.platforms.ports import Adapter, Commenter, Publisher
from shequn_sdk.publishing.media import ready
from shequn_sdk.publishing.rows import Row

__all__ = ["is_comment", "ready_piece", "send"]


def is_comment(row: Row) -> bool:
    """Whether a row is a comment, which can be neither repeated with a key nor looked up as a post."""
    return '"follows":"comment"' in row.piece


def _post_of(rows: list[Row], row: Row) -> Post:
    """Give the post on which a row hangs, among the rows of its content.

    Raises:
        InvalidInput: it did not land.
    """
    for one in rows:
        if one.lane == row.lane and one.part == 0 and one.post and one.state == "landed":
            return Post.model_validate_json(one.post)
    raise InvalidInput(
        "the post under which it belongs did not land; publish that first, then retry this delivery"
    )


async def ready_piece(
    row: Row, piece: Piece, manifest: Manifest, rows: Callable[[], Awaitable[list[Row]]]
) -> tuple[Piece, Post | None]:
    """Give what is to be sent, its files checked and converted, and the post under which it is a comment.

    Args:
        row: the delivery.
        piece: what it holds, with files or following another piece.
        manifest: what its account can do.
        rows: gives the rows of its content; asked only for what hangs on another.

    Raises:
        InvalidInput: a file cannot be sent, or the post on which it hangs did not land.
        ConfigError: a picture must be converted and Pillow is not installed.
    """
    if piece.media:
        piece, _ = await ready(piece, manifest)
    if not piece.follows:
        return piece, None
    post = _post_of(await rows(), row)
    if piece.follows == "comment":
        return piece, post
    return piece.model_copy(update={"reply_to": post.native_id, "follows": ""}), None


def send(
    adapter: Adapter, row: Row, piece: Piece, under: Post | None, *, now: Callable[[], datetime]
) -> Awaitable[Post]:
    """Publish a piece, or write it as a comment `under` a post; a comment is given as a post of its own."""
    if under is None:
        return cast("Publisher", adapter).publish(row.target, piece, idempotency_key=row.key)
    return _comment(adapter, row, piece, under, now)


async def _comment(
    adapter: Adapter, row: Row, piece: Piece, under: Post, now: Callable[[], datetime]
) -> Post:
    if not isinstance(adapter, Commenter):
        raise NotSupported(
            f"the {row.platform} adapter declares comments and writes none",
            platform=row.platform,
            capability=str(Capability.COMMENTS),
        )
    native = await adapter.comment(row.target, under.native_id, piece.text)
    return Post(
        channel=ChannelRef(account=row.account, native_id=row.channel),
        native_id=native,
        landed_at=now(),
        text=piece.text,
        attrs={"comment_on": under.native_id, OWN_CLOCK: True},
    )
