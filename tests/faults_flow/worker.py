"""A worker in a process of its own, which the fault runs kill, freeze and shake. Run: worker.py ROLE HOME CONTROL.

Roles: `publish` writes the contents of HOME/contents.json into the ledger, `deliver` works on it, `listen` does all
that a workspace does. CONTROL is a file that says how wrong this machine's clock is and whether its disk is full.
"""

from __future__ import annotations

import functools
import json
import os
import struct
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from shequn_sdk import AsyncShequn, Content
from shequn_sdk.errors import ShequnError
from shequn_sdk.publishing import policy
from shequn_sdk.scheduling.clock import SystemClock

CONTROL = struct.Struct("<d?")
"""Seconds that the clock goes ahead, and whether the disk is full."""


def read_control(path: Path) -> tuple[float, bool]:
    """Read the control file."""
    return CONTROL.unpack(path.read_bytes()[: CONTROL.size])


def write_control(path: Path, *, offset: float, full: bool) -> None:
    """Write the control file in one step."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(CONTROL.pack(offset, full))
    fresh.replace(path)


class WrongClock(SystemClock):
    """The machine's clock, set wrong as the control file says; its monotonic time is right, as on real machines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=read_control(self._path)[0])


async def fill_disk(sq: AsyncShequn, path: Path) -> None:
    """Let the store's file grow no further while the control file says that the disk is full."""
    store = await sq._workspace.store()
    was = False
    while True:
        full = read_control(path)[1]
        if full is not was:
            pages = 1 if full else 1 << 30  # SQLite takes a number below the present size for that size
            await store.write(
                lambda conn, pages=pages: conn.exec_driver_sql(f"pragma max_page_count={pages}")
            )
            was = full
        await anyio.sleep(0.05)


async def publish(sq: AsyncShequn, home: Path) -> None:
    """Write everything into the ledger; what was written before a kill is not written again."""
    plans: list[dict[str, Any]] = json.loads((home / "contents.json").read_text(encoding="utf-8"))
    for plan in plans:
        content = Content(id=plan["id"], text=plan["text"])
        while True:
            try:
                await sq.publish(content, to=plan["to"], idempotency_key=plan["id"], timeout=0)
            except ShequnError:
                await anyio.sleep(0.2)  # a full disk, or a lock that did not end
            else:
                break


async def main(role: str, home: Path, control: Path) -> None:
    """Play a role until told to stop."""
    lease = float(os.environ.get("SHEQUN_TEST_LEASE", "0"))
    if lease:
        policy.DeliveryOptions = functools.partial(policy.DeliveryOptions, lease=timedelta(seconds=lease))
    clock = None if os.environ.get("SHEQUN_TEST_RIGHT_CLOCK") else WrongClock(control)
    async with AsyncShequn.open(home=home, clock=clock, timeout=4.0) as sq:
        if role == "publish":
            await publish(sq, home)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(fill_disk, sq, control)
            await (sq.deliver() if role == "deliver" else sq.run())
            group.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
