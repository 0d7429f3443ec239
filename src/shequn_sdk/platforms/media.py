"""Reads the files that are to be published, wherever they are, and the pictures that members post."""

from __future__ import annotations

import anyio

from shequn_sdk.domain import Media
from shequn_sdk.errors import InvalidContent, InvalidInput, Landing, TargetNotFound, Unavailable
from shequn_sdk.platforms.fetch import Fetcher, TooLarge, host_of
from shequn_sdk.platforms.hooks import AdapterContext

__all__ = ["fetch_picture", "read_media"]

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


async def fetch_picture(
    url: str, context: AdapterContext, *, platform: str, hosts: frozenset[str], own: str, most_bytes: int
) -> bytes:
    """Give the bytes of a picture that a member posted, from the address that the platform named.

    No secret goes along, and nothing is fetched from elsewhere: the address came with an event.

    Args:
        url: of the picture.
        context: of the adapter.
        platform: for errors.
        hosts: from which the platform serves files over HTTPS.
        own: the account's `base_url`, whose host may serve them too, whatever its network; "" is none.
        most_bytes: largest picture.

    Raises:
        InvalidInput: the address is not the platform's.
        InvalidContent: it is larger than `most_bytes`.
        TargetNotFound: it is gone; such addresses expire.
        Unavailable: it does not answer now.
    """
    place = host_of(url)
    mine = frozenset({host_of(own)}) if own else frozenset[str]()
    if place not in mine and place not in {f"{host}:443" for host in hosts}:
        raise InvalidInput(f"{place} serves no files of {platform}: the picture is not fetched")
    try:
        async with Fetcher(
            user_agent="shequn-sdk", most_bytes=most_bytes, transport=context.transport
        ) as fetcher:
            answer = await fetcher.get(url, private=mine)
    except TooLarge as error:
        raise InvalidContent(str(error), platform=platform, operation="load picture") from None
    if answer.status in {403, 404, 410}:
        raise TargetNotFound(
            f"the picture is gone (HTTP {answer.status})", platform=platform, operation="load picture"
        )
    if answer.status >= 300:
        raise Unavailable(
            f"the picture's address answered HTTP {answer.status}",
            platform=platform,
            operation="load picture",
            landed=Landing.SURELY_NOT,
        )
    return answer.body
