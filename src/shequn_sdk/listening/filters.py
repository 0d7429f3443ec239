"""Further filters of handlers: by the words of an event, by a function of yours, by a segment of members."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio.to_thread
import regex

from shequn_sdk.errors import InvalidInput
from shequn_sdk.listening.events import Heard

__all__ = ["narrowed"]

_MOST = 4096
"""Code points of a text that patterns see."""
_SECONDS = 0.5
"""For which a pattern may look; patterns of people can be slow on texts of members."""


def _compiled(pattern: str) -> Any:
    try:
        return regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        raise InvalidInput(f"text={pattern!r} is no pattern: {error}", source="text") from None


def narrowed(
    function: Callable[[Heard], object],
    *,
    text: str = "",
    keywords: Sequence[str] = (),
    where: Callable[[Heard], bool] | None = None,
    inside: Callable[[Heard], Awaitable[bool]] | None = None,
) -> Callable[[Heard], object]:
    """Give a handler that hears only what all filters let through; the function itself when there are none.

    Args:
        function: the handler; blocking ones run on threads.
        text: a pattern of the library `regex`, found anywhere in the text, whatever the case.
        keywords: at least one must be in the text, whatever the case.
        where: must be true.
        inside: must be true, and is asked last, because it looks into a store.

    Raises:
        InvalidInput: `text` is no pattern, or a keyword is empty.
    """
    if any(not word.strip() for word in keywords):
        raise InvalidInput("a keyword is empty", source="keywords")
    if not text and not keywords and where is None and inside is None:
        return function
    pattern = _compiled(text) if text else None
    words = tuple(word.casefold() for word in keywords)

    @functools.wraps(function)
    async def handle(heard: Heard) -> None:
        said = heard.interaction.text[:_MOST]
        if words and not any(word in said.casefold() for word in words):
            return
        if pattern is not None and pattern.search(said, timeout=_SECONDS) is None:
            return
        if where is not None and not where(heard):
            return
        if inside is not None and not await inside(heard):
            return
        if inspect.iscoroutinefunction(function):
            await function(heard)
            return
        result = await anyio.to_thread.run_sync(function, heard, abandon_on_cancel=True)
        if inspect.isawaitable(result):
            await result

    return handle
