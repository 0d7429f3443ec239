"""Throughput at the limits: a local server counts arrivals and refuses what is over, at the machine's clock.

    .venv/bin/python benchmarks/limits.py [--only telegram-leaky ...] [--ours]

The share is the time that the fastest possible client needs, divided by the time from the first call to the last answer
as the client sees it. Messages are few, so that a case takes about 20 seconds (60 for the robot): 600 over 200 chats, 20
to one chat, 25 to each of 3 Discord channels, 40 by one robot. Ours goes the whole way through the ledger. The peers get
all messages at once as well, each chat or channel in order, as a program with a queue per chat would do it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from strict_server import serving

TOKEN = "123456:AAExampleExampleExampleExampleExample"
BOT_TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GExample.ExampleExampleExampleExampleExampleExa"
ROBOT_KEY = "01234567-89ab-cdef-0123-456789abcdef"
Send = Callable[[str, str], Awaitable[object]]

GROUPS = {str(-1001000000000 - number): 3 for number in range(200)}
ROOMS = {str(100000000000000001 + number): 25 for number in range(3)}

CASES: dict[str, tuple[str, dict[str, int], float, str]] = {
    # name: server, messages per channel, seconds of the fastest possible client, words
    "telegram-leaky": ("telegram-leaky", GROUPS, 19.0, "Telegram, 600 over 200 chats, bucket of 30 per s"),
    "telegram-strict": (
        "telegram-strict",
        GROUPS,
        19.0,
        "Telegram, 600 over 200 chats, sliding windows of 30 in 1 s",
    ),
    "telegram-hot": (
        "telegram-leaky",
        {"777": 23},
        20.0,
        "Telegram, one chat, 23 at 1 per s after a burst of 3",
    ),
    "telegram-hot-strict": (
        "telegram-no-burst",
        {"777": 21},
        20.0,
        "Telegram, one chat that grants no burst, 21 at 1 per s",
    ),
    "discord-leaky": ("discord-leaky", ROOMS, 20.0, "Discord, 3 x 25, leaky buckets of 5 per 5 s"),
    "discord-fixed": ("discord-fixed", ROOMS, 20.0, "Discord, 3 x 25, fixed windows of 5 per 5 s"),
    "wecom-robot": ("wecom", {"robot": 40}, 60.0, "WeCom robot, 40 at 20 per min"),
}
CLIENTS = {
    "telegram": ("ours", "python-telegram-bot", "aiogram"),
    "discord": ("ours", "discord.py", "hikari"),
    "wecom": ("ours",),
}


async def all_of(queues: dict[str, int], send: Send) -> float:
    """Send every queue in order, all queues at once; gives the seconds."""

    async def lane(channel: str, number: int) -> None:
        for index in range(number):
            await send(channel, f"message {index}")

    begun = time.monotonic()
    await asyncio.gather(*(lane(channel, number) for channel, number in queues.items()))
    return time.monotonic() - begun


async def ours(platform: str, url: str, queues: dict[str, int]) -> float:
    import anyio

    from shequn_sdk.domain import Account, Content, DeliveryState
    from shequn_sdk.platforms.accounts import Accounts
    from shequn_sdk.platforms.discovery import load_plugins
    from shequn_sdk.platforms.hooks import AdapterContext
    from shequn_sdk.publishing import Publishing
    from shequn_sdk.scheduling.clock import SystemClock
    from shequn_sdk.stores.store import Store

    settings: dict[str, Any] = {
        "name": "bot",
        "platform": platform,
        "base_url": url,
        "secrets": {"token": BOT_TOKEN if platform == "discord" else TOKEN},
    }
    if platform == "wecom":
        settings |= {"options": {"mode": "robot"}, "secrets": {"key": ROBOT_KEY}}
    account = Account.model_validate(settings)
    total = sum(queues.values())
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(f"sqlite:///{Path(folder) / 'store.db'}")
        async with Accounts(
            [account], plugins=load_plugins(), context=AdapterContext(clock=SystemClock())
        ) as accounts:
            publishing = Publishing(store, accounts)
            stop = anyio.Event()
            landed = 0
            adapter: Any = accounts.adapter("bot")
            publish = adapter.publish

            async def counted(*args: Any, **kwargs: Any) -> Any:
                nonlocal landed
                post = await publish(*args, **kwargs)
                landed += 1
                if landed == total:
                    stop.set()
                return post

            adapter.publish = counted
            rounds = [
                (Content(text=f"message {index}"), [f"bot:{channel}"], None)
                for index in range(max(queues.values()))
                for channel, number in queues.items()
                if index < number
            ]
            begun = time.monotonic()
            await publishing.plan_many(rounds)
            async with asyncio.TaskGroup() as group:
                worker = group.create_task(publishing.run(stop))
                await stop.wait()
                took = time.monotonic() - begun
                await worker
            counts = await publishing.counts()
            assert counts[DeliveryState.LANDED] == total, counts
        await store.aclose()
    return took


async def python_telegram_bot(platform: str, url: str, queues: dict[str, int]) -> float:
    from telegram.ext import AIORateLimiter, ExtBot
    from telegram.request import HTTPXRequest

    request = HTTPXRequest(connection_pool_size=64, pool_timeout=120)
    limiter = AIORateLimiter(max_retries=50)
    async with ExtBot(TOKEN, base_url=f"{url}/bot", rate_limiter=limiter, request=request) as bot:
        return await all_of(queues, lambda channel, text: bot.send_message(int(channel), text))


async def aiogram(platform: str, url: str, queues: dict[str, int]) -> float:
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.exceptions import TelegramRetryAfter

    bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))

    async def send(channel: str, text: str) -> None:
        while True:
            try:
                await bot.send_message(int(channel), text)
            except TelegramRetryAfter as error:
                await asyncio.sleep(error.retry_after)
            else:
                return

    try:
        return await all_of(queues, send)
    finally:
        await bot.session.close()


async def discord_py(platform: str, url: str, queues: dict[str, int]) -> float:
    import discord

    discord.http.Route.BASE = url
    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(BOT_TOKEN)
        return await all_of(
            queues, lambda channel, text: client.get_partial_messageable(int(channel)).send(text)
        )


async def hikari(platform: str, url: str, queues: dict[str, int]) -> float:
    import hikari

    app = hikari.RESTApp(url=url)
    await app.start()
    try:
        async with app.acquire(BOT_TOKEN, hikari.TokenType.BOT) as rest:
            return await all_of(queues, lambda channel, text: rest.create_message(int(channel), text))
    finally:
        await app.close()


ENGINES = {
    "ours": ours,
    "python-telegram-bot": python_telegram_bot,
    "aiogram": aiogram,
    "discord.py": discord_py,
    "hikari": hikari,
}


def one(case: str, client: str) -> None:
    """Run one client against a fresh server and print its row as JSON."""
    logging.disable(logging.CRITICAL)
    mode, queues, ideal, _ = CASES[case]
    with serving(mode) as server:
        took = asyncio.run(ENGINES[client](case.partition("-")[0], server.url, queues))
        seen = server.stats()
    row = {"took": took, "share": ideal / took, "refused": seen["refused"], "accepted": seen["accepted"]}
    row["load"] = os.getloadavg()[0]
    row["why"] = seen["why"][:12]
    print(json.dumps(row))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    parser.add_argument("--client", help="one client only, in this process; prints JSON")
    arguments = parser.parse_args()
    if arguments.client:
        one(arguments.only[0], arguments.client)
        return
    print("| case | client | s | fastest possible | share | refusals | load |\n|---|---|---|---|---|---|---|")
    for case in arguments.only:
        _, queues, ideal, words = CASES[case]
        for client in CLIENTS[case.partition("-")[0]]:
            if arguments.ours and client != "ours":
                continue
            command = [sys.executable, __file__, "--only", case, "--client", client]
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
                if done.returncode:
                    print(f"| {words} | {client} | failed: {done.stderr.strip().splitlines()[-1]} |")
                    continue
                row = json.loads(done.stdout.strip().splitlines()[-1])
                assert row["accepted"] == sum(queues.values()), row
                print(
                    f"| {words} | {client} | {row['took']:.2f} | {ideal:.0f} | {row['share']:.1%} | {row['refused']} "
                    f"| {row['load']:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
