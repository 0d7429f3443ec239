"""The command `shequn`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from shequn_sdk.cli._app import app

    app()
