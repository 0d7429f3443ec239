"""CPU per published message beside python-telegram-bot with its rate limiter, on one local server, in one run.

    .venv/bin/python benchmarks/publish_cpu.py [--messages 400] [--rounds 5]

Process time of the client only: the server runs in a process of its own. All send the same text to the same chats, one
after the other, and read the answer into their own record of the message. The limiters are asked but never make anybody
wait. "ledger" writes the delivery, its intent and its outcome durably to SQLite, which the others do not do at all.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from strict_server import serving

TOKEN = "123456:AAExampleExampleExampleExampleExample"
TEXT = "各位早上好!今天的健康餐打卡开始了:燕麦、鸡蛋、蓝莓,再走一万步。"
CHATS = [-1001000000000 - number for number in range(40)]


async def measure(say: Callable[[int], Awaitable[object]], messages: int) -> float:
    """Give the milliseconds of CPU per message."""
    gc.collect()
    begun = time.process_time()
    for number in range(messages):
        await say(CHATS[number % len(CHATS)])
    return (time.process_time() - begun) / messages * 1000


async def every(url: str, *, messages: int, rounds: int) -> dict[str, float]:
    from telegram.ext import AIORateLimiter, ExtBot

    from shequn_sdk.domain import Account, Content, Piece
    from shequn_sdk.platforms.accounts import Accounts
    from shequn_sdk.platforms.discovery import load_plugins
    from shequn_sdk.platforms.hooks import AdapterContext
    from shequn_sdk.platforms.http import plain_transport
    from shequn_sdk.publishing import Publishing
    from shequn_sdk.scheduling.clock import SystemClock
    from shequn_sdk.stores.store import Store

    account = Account.model_validate(
        {"name": "bot", "platform": "telegram", "base_url": url, "secrets": {"token": TOKEN}}
    )
    plugins = load_plugins()
    limiter = AIORateLimiter(overall_max_rate=1e6, group_max_rate=1e6, group_time_period=1)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(f"sqlite:///{Path(folder) / 'store.db'}")
        contexts = {
            "adapter": AdapterContext(clock=SystemClock()),
            "adapter over httpx's own connections": AdapterContext(
                clock=SystemClock(), transport=plain_transport()
            ),
        }
        async with (
            ExtBot(TOKEN, base_url=f"{url}/bot", rate_limiter=limiter) as peer,
            Accounts([account], plugins=plugins, context=contexts["adapter"]) as accounts,
            Accounts(
                [account], plugins=plugins, context=contexts["adapter over httpx's own connections"]
            ) as plain,
        ):
            free = accounts.manifest("bot").model_copy(update={"rate_limits": ()})
            adapter, slow = accounts.adapter("bot"), plain.adapter("bot")
            piece, content = Piece(text=TEXT), Content(text=TEXT)
            accounts._manifests["bot"] = free  # noqa: SLF001 - nobody may wait here
            publishing = Publishing(store, accounts)
            ways: dict[str, Callable[[int], Awaitable[object]]] = {
                "python-telegram-bot": lambda chat: peer.send_message(chat, TEXT),
                "adapter": lambda chat: adapter.publish(str(chat), piece, idempotency_key="k"),  # type: ignore[attr-defined]
                "adapter over httpx's own connections": lambda chat: slow.publish(  # type: ignore[attr-defined]
                    str(chat), piece, idempotency_key="k"
                ),
                "ledger, one by one": lambda chat: publishing.publish(content, [f"bot:{chat}"]),
            }
            for turn in range(rounds + 1):
                for name, say in ways.items():
                    took = await measure(say, messages if turn else 40)
                    if turn:
                        found.setdefault(name, []).append(took)
                begun = time.process_time()
                for _ in range(max(messages // len(CHATS), 1)):
                    await publishing.publish(content, [f"bot:{chat}" for chat in CHATS])
                if turn:
                    count = max(messages // len(CHATS), 1) * len(CHATS)
                    found.setdefault("ledger, 40 channels at once", []).append(
                        (time.process_time() - begun) / count * 1000
                    )
        await store.aclose()
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with serving() as server:
        found = asyncio.run(every(server.url, messages=arguments.messages, rounds=arguments.rounds))
    base = found["python-telegram-bot"]
    print("| way | ms of CPU per message | ratio to python-telegram-bot |\n|---|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:.3f} | {value / base:.2f} |")


if __name__ == "__main__":
    main()
