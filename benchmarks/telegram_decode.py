"""Telegram update bytes to validated interactions, against json.loads and two clients' full decode, in one run.

    .venv/bin/python benchmarks/telegram_decode.py [--rounds 7]

Prints, per kind of update and for a mix, microseconds per update and how many times as fast as each peer we are. Every
peer gets the same bytes and does its own usual work: json.loads makes plain objects; aiogram validates its `Update`;
python-telegram-bot builds its `Update` with `de_json` from json.loads' objects.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from shequn_telegram.events import UpdateParser

LI = {
    "id": 1459074222,
    "is_bot": False,
    "first_name": "李",
    "last_name": "雷",
    "username": "li_lei",
    "language_code": "zh-hans",
}
WANG = {"id": 66, "is_bot": False, "first_name": "王芳", "username": "wangfang", "is_premium": True}
CHAT = {"id": -1002223334445, "title": "健康养生社群", "type": "supergroup", "username": "health_club"}
BASE = {"message_id": 20225, "from": LI, "chat": CHAT, "date": 1782000100}
LINK = {"invite_link": "https://t.me/+AbCdEf", "creator": {"id": 7000000001, "is_bot": True, "first_name": "社群助手"},
        "creates_join_request": False, "is_primary": False, "is_revoked": False, "name": "weibo-0621"}  # fmt: skip

UPDATES: dict[str, dict[str, Any]] = {
    "text": {"message": {**BASE, "text": "今天的健康餐打卡:燕麦、鸡蛋、蓝莓,再走一万步。"}},
    "text with entities": {
        "message": {**BASE, "text": "看这里 https://example.org/a #健康 @wangfang 一起来",
                    "entities": [{"offset": 4, "length": 21, "type": "url"}, {"offset": 26, "length": 3, "type": "hashtag"},
                                 {"offset": 30, "length": 9, "type": "mention"}]}},
    "reply": {"message": {**BASE, "text": "同意!", "reply_to_message": {"message_id": 20001, "from": WANG, "chat": CHAT,
                                                                     "date": 1782000000, "text": "早餐吃什么好?有推荐吗"}}},
    "photo": {"message": {**BASE, "caption": "打卡", "photo": [
        {"file_id": "AgACAgUAAxkBAAIBQ2" + "x" * 60 + str(n), "file_unique_id": f"AQAD{n}", "file_size": 1200 * n,
         "width": 90 * n, "height": 60 * n} for n in (1, 4, 9)]}},
    "reaction": {"message_reaction": {"chat": CHAT, "message_id": 881, "user": LI, "date": 1782000120, "old_reaction": [],
                                      "new_reaction": [{"type": "emoji", "emoji": "👍"}]}},
    "join by link": {"chat_member": {"chat": CHAT, "from": LI, "date": 1782000100, "old_chat_member": {"user": LI, "status": "left"},
                                     "new_chat_member": {"user": LI, "status": "member"}, "invite_link": LINK}},
    "callback": {"callback_query": {"id": "6266785", "from": LI, "chat_instance": "-7338", "data": "join:42",
                                    "message": {"message_id": 7, "chat": CHAT, "date": 1782000000, "text": "报名",
                                                "from": {"id": 7000000001, "is_bot": True, "first_name": "社群助手"}}}},
    "poll answer": {"poll_answer": {"poll_id": "5400000000000000001", "user": LI, "option_ids": [1],
                                    "option_persistent_ids": ["1"]}},
}  # fmt: skip
MIX = {
    "text": 40,
    "text with entities": 8,
    "reply": 18,
    "photo": 6,
    "reaction": 18,
    "join by link": 5,
    "callback": 3,
    "poll answer": 2,
}


def peers() -> dict[str, Callable[[bytes], Any]]:
    from aiogram.types import Update as AiogramUpdate
    from telegram import Update as PtbUpdate

    validate = AiogramUpdate.model_validate_json
    return {
        "json.loads": json.loads,
        "aiogram": validate,
        "python-telegram-bot": lambda raw: PtbUpdate.de_json(json.loads(raw)),
    }


def timed(work: Callable[[bytes], Any], updates: list[bytes], loops: int) -> float:
    started = time.perf_counter()
    for _ in range(loops):
        for raw in updates:
            work(raw)
    return (time.perf_counter() - started) / (loops * len(updates)) * 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    parser = UpdateParser("bench", now=time.time)

    def ours(raw: bytes) -> Any:
        parsed = parser.parse(raw)
        if not parsed.interactions:
            raise AssertionError("nothing was read")
        return parsed

    works = {"shequn": ours, **peers()}
    encoded = {
        name: json.dumps({"update_id": 91, **update}, ensure_ascii=False, separators=(",", ":")).encode()
        for name, update in UPDATES.items()
    }
    sets = {name: [raw] for name, raw in encoded.items()}
    sets["mix"] = [encoded[name] for name, share in MIX.items() for _ in range(share)]
    print(f"{'update':<20}{'bytes':>7}" + "".join(f"{name:>22}" for name in works))
    for name, updates in sets.items():
        loops = max(1, 2000 // len(updates))
        measured: dict[str, list[float]] = {work: [] for work in works}
        for _ in range(rounds):
            for work, run in works.items():  # in turns, so that a slow moment hits all
                gc.collect()
                few = loops if work in {"shequn", "json.loads"} else max(1, loops // 8)
                measured[work].append(timed(run, updates, few))
        best = {work: min(times) for work, times in measured.items()}
        line = f"{name:<20}{statistics.mean(map(len, updates)):>7.0f}{best['shequn']:>19.2f} µs"
        for work in list(works)[1:]:
            line += f"{best[work]:>11.2f} µs {best[work] / best['shequn']:>6.2f}x"
        print(line)


if __name__ == "__main__":
    main()
