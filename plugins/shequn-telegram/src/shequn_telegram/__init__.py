"""Telegram (Bot API) for shequn-sdk."""
