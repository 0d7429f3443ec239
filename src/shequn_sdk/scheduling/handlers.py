"""Handlers by name: a schedule keeps a name and JSON, so that it survives a restart and a move of the code."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import anyio.to_thread
from pydantic import BaseModel, ValidationError

from shequn_sdk.errors import InvalidInput, UnknownName
from shequn_sdk.scheduling.models import Firing

__all__ = ["Handler", "Handlers"]

Function = Callable[[Any, Firing], Awaitable[object] | object]


class Handler(NamedTuple):
    """A function that schedules may call."""

    name: str
    function: Function
    arguments: type[BaseModel] | None

    async def __call__(self, arguments: Any, firing: Firing) -> None:
        """Call it; one that blocks runs on a thread."""
        if inspect.iscoroutinefunction(self.function):
            await self.function(arguments, firing)
            return
        result = await anyio.to_thread.run_sync(self.function, arguments, firing)
        if inspect.isawaitable(result):
            await result

    def check(self, arguments: Mapping[str, Any]) -> Any:
        """Give the validated arguments.

        Raises:
            InvalidInput: they do not fit; the message names the field.
        """
        if self.arguments is None:
            if arguments:
                raise InvalidInput(
                    f"handler {self.name!r} takes no arguments, got {', '.join(sorted(arguments))}"
                )
            return None
        try:
            return self.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "arguments"
            raise InvalidInput(
                f"the arguments do not fit handler {self.name!r}: {where}: {first['msg']}", source=where
            ) from None


class Handlers:
    """The handlers of one process."""

    def __init__(self) -> None:
        """Know none."""
        self._known: dict[str, Handler] = {}

    def add(self, name: str, function: Function, *, arguments: type[BaseModel] | None = None) -> Handler:
        """Register a function under a name.

        Raises:
            InvalidInput: the name is empty, or another function has it.
        """
        if not name:
            raise InvalidInput("a handler needs a name")
        given: object = function
        if not callable(given):
            raise InvalidInput(f"handler {name!r} must be a function, not {type(given).__name__}")
        model: object = arguments
        if model is not None and not hasattr(model, "model_validate"):
            raise InvalidInput(f"the arguments of handler {name!r} must be a pydantic model, not {model!r}")
        known = self._known.get(name)
        if known is not None and known.function is not function:
            raise InvalidInput(f"two functions want to be the handler {name!r}; give one another name")
        self._known[name] = handler = Handler(name, function, arguments)
        return handler

    def get(self, name: str) -> Handler:
        """Give a handler.

        Raises:
            UnknownName: none has that name.
        """
        handler = self._known.get(name)
        if handler is None:
            near = difflib.get_close_matches(name, self._known, n=2)
            raise UnknownName("handler", name, nearest=tuple(near))
        return handler

    def names(self) -> tuple[str, ...]:
        """Give all names."""
        return tuple(sorted(self._known))
