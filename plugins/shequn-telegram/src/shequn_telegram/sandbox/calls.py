"""One call under way, and the table of methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import bad
from shequn_telegram.sandbox.state import Chat, Member, Stored
from shequn_telegram.sandbox.world import Bot, World

__all__ = ["METHODS", "Call", "Described", "method"]


@dataclass(frozen=True, slots=True)
class Described:
    """A result with a `description` beside it."""

    result: Any
    description: str


@dataclass(slots=True)
class Call:
    """A call of a bot."""

    world: World
    bot: Bot
    params: Parameters

    def chat(self, name: str = "chat_id", *, write: bool = False) -> tuple[Chat, Member | None]:
        """Give the chat that a parameter names, and the bot's standing there."""
        chat = self.world.find_chat(self.params.values.get(name))
        return chat, self.world.enter(self.bot, chat, write=write)

    def message(self, missing: str, name: str = "message_id") -> tuple[Chat, Member | None, Stored]:
        """Give chat, standing and the message that the parameters name."""
        chat, member = self.chat()
        if name not in self.params:
            raise bad("message identifier is not specified")
        return chat, member, self.world.find_message(chat, self.params.integer(name), missing)

    def right(self, member: Member | None, right: str, text: str) -> None:
        """Check that the bot has an administrator's right.

        Raises:
            Refused: it has not.
        """
        if member is None or not member.may(right):
            raise bad(text)


METHODS: dict[str, Callable[[Call], Any]] = {}
"""By lower-case name."""


def method(name: str) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """Register the handler of a method."""

    def register(handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        METHODS[name.lower()] = handler
        return handler

    return register
