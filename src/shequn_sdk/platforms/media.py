"""Reads the files that are to be published, wherever they are."""

from __future__ import annotations

import anyio

from shequn_sdk.domain import Media
from shequn_sdk.errors import InvalidInput, Landing, Unavailable
from shequn_sdk.platforms.fetch import Fetcher
from shequn_sdk.platforms.hooks import AdapterContext

__all__ = ["read_media"]

_MOST = 100 * 1024 * 1024


async def read_media(media: Media, context: AdapterContext, *, most: int | None = None) -> bytes | None:
    """Give the bytes of a file: as given, from the disk, or from its address; None of a native id, which has none here.

    An address may come from a stranger's feed. It is fetched without the account's secrets and connections, and in a
    private network only from the hosts that the setting `private_hosts` names.

    Args:
        media: what to read.
        context: of the adapter.
        most: largest size in bytes that is fetched from an address; 100 MB when not given.

    Raises:
        InvalidInput: the file cannot be read, or its address may not be fetched or gives none.
        Unavailable: its address does not answer now; nothing was sent to the platform.
    """
    if media.data is not None:
        return media.data
    if media.path is not None:
        try:
            return await anyio.Path(media.path).read_bytes()
        except OSError as error:
            raise InvalidInput(
                f"{media.path} cannot be read: {error.strerror or error}", source=str(media.path)
            ) from error
    if media.url is None:
        return None
    fetcher = Fetcher(user_agent="shequn-sdk", most_bytes=most or _MOST, transport=context.transport)
    try:
        async with fetcher:
            answer = await fetcher.get(str(media.url), private=context.private_hosts)
    except Unavailable as error:
        raise Unavailable(str(error), landed=Landing.SURELY_NOT) from None
    if answer.status >= 500:
        raise Unavailable(
            f"the {media.kind}'s address answered HTTP {answer.status}", landed=Landing.SURELY_NOT
        )
    if answer.status >= 400:
        raise InvalidInput(f"the {media.kind}'s address answered HTTP {answer.status}: give the file itself")
    return answer.body
