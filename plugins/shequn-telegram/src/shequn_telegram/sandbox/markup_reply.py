"""Keyboards under messages."""

from __future__ import annotations

import re
from typing import Any

from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import bad

__all__ = ["read_markup"]

_EFFECTS = (
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
    "disabled",
)
_URL = re.compile(r"(?:(?:https?|tg|ton|tonsite)://\S+|[\w-]+(?:\.[\w-]+)+\S*)$")


def read_markup(params: Parameters) -> dict[str, Any] | None:
    """Give the inline keyboard that a message shows; other keyboards are checked and leave no trace in it.

    Raises:
        Refused: it cannot be taken.
    """
    markup = params.nested("reply_markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" not in markup:
        if "keyboard" in markup and not isinstance(markup["keyboard"], list):
            raise bad('field "keyboard" of the ReplyKeyboardMarkup must be an Array')
        return None
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list):
        raise bad('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array')
    shown: list[list[dict[str, Any]]] = []
    for row in rows:
        if not isinstance(row, list):
            raise bad('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
        if row:
            shown.append([_button(button) for button in row])
    if sum(map(len, shown)) > 100:
        raise bad("reply markup is too long")
    return {"inline_keyboard": shown}


def _button(button: Any) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise bad("can't parse inline keyboard button: expected an Object")
    text = button.get("text")
    if not isinstance(text, str) or not text.strip():
        raise bad("can't parse inline keyboard button: Button text must be non-empty")
    made: dict[str, Any] = {"text": text}
    for name in ("icon_custom_emoji_id", "style"):
        if button.get(name):
            made[name] = button[name]
    if url := button.get("url"):
        if not _URL.match(str(url)):
            raise bad(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
        return {**made, "url": url if "://" in str(url) else f"http://{url}"}
    for name in _EFFECTS:
        value = button.get(name)
        if value is None:
            continue
        if name == "callback_data" and not 1 <= len(str(value).encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
        return {**made, name: value}
    raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
