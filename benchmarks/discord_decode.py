"""Discord events from bytes to a validated Interaction, against `json.loads` and hikari's entity factory.

Run: python benchmarks/discord_decode.py
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import warnings
from pathlib import Path

from shequn_discord.events import EventParser
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.scheduling.clock import SystemClock

USER = {
    "id": "1300000000000000055",
    "username": "li",
    "discriminator": "0",
    "global_name": "Li",
    "avatar": "b3b24c6d7cbcdec129d5d537067061a8",
    "avatar_decoration_data": None,
    "banner": None,
    "bot": False,
    "collectibles": None,
    "display_name_styles": None,
    "primary_guild": None,
    "public_flags": 0,
}
MEMBER = {
    "avatar": None,
    "banner": None,
    "communication_disabled_until": None,
    "deaf": False,
    "flags": 0,
    "joined_at": "2026-01-02T00:00:00.000000+00:00",
    "mute": False,
    "nick": "小李",
    "pending": False,
    "premium_since": None,
    "roles": ["1300000000000000030", "1300000000000000031"],
}
PLACE = {"channel_id": "1300000000000000020", "guild_id": "1300000000000000010"}
MESSAGE = {
    **PLACE,
    "type": 0,
    "tts": False,
    "timestamp": "2026-06-21T12:00:00.123000+00:00",
    "pinned": False,
    "nonce": "1300000000000000098",
    "mentions": [],
    "mention_roles": [],
    "mention_everyone": False,
    "member": MEMBER,
    "id": "1300000000000000099",
    "flags": 0,
    "embeds": [],
    "edited_timestamp": None,
    "content": "本周打卡第三天，读完了第二章，想问问大家怎么看结尾？",
    "components": [],
    "channel_type": 0,
    "author": USER,
    "attachments": [],
}
REPLY = {
    **MESSAGE,
    "type": 19,
    "mentions": [{**USER, "member": MEMBER}],
    "message_reference": {"type": 0, "message_id": "1300000000000000090", **PLACE},
    "referenced_message": {k: v for k, v in MESSAGE.items() if k not in {"member", "guild_id"}},
}
REACTION = {
    **PLACE,
    "user_id": "1300000000000000055",
    "type": 0,
    "message_id": "1300000000000000099",
    "message_author_id": "1300000000000000001",
    "member": {**MEMBER, "user": USER},
    "emoji": {"name": "🔥", "id": None},
    "burst": False,
}
JOIN = {**MEMBER, "guild_id": "1300000000000000010", "user": USER}
EVENTS = [
    ("MESSAGE_CREATE", MESSAGE, 6),
    ("MESSAGE_CREATE", REPLY, 2),
    ("MESSAGE_REACTION_ADD", REACTION, 2),
    ("GUILD_MEMBER_ADD", JOIN, 1),
]
ROUNDS, LOOPS = 7, 300


def hikari_decoders():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hikari
        from hikari.impl import entity_factory, event_factory

    class App:
        def __init__(self) -> None:
            self.entity_factory = entity_factory.EntityFactoryImpl(self)

    app = App()
    events = event_factory.EventFactoryImpl(app)
    return {
        "MESSAGE_CREATE": lambda d: events.deserialize_message_create_event(None, d),
        "MESSAGE_REACTION_ADD": lambda d: events.deserialize_message_reaction_add_event(None, d),
        "GUILD_MEMBER_ADD": lambda d: events.deserialize_guild_member_add_event(None, d),
    }, hikari.__version__


def timed(run) -> float:
    start = time.process_time()
    for _ in range(LOOPS):
        run()
    return (time.process_time() - start) / LOOPS


def main() -> None:
    async def inside() -> None:
        measure()

    asyncio.run(inside())


def measure() -> None:
    parser = EventParser(account="club", own="1", clock=SystemClock())
    decoders, version = hikari_decoders()
    lines = [
        "| events | json.loads | hikari | shequn | ratio to json.loads | ratio to hikari |",
        "|---|---|---|---|---|---|",
    ]
    mixed = [item for item in EVENTS for _ in range(item[2])]
    for title, chosen in [
        ("mixed (8 messages, 2 reactions, 1 join)", mixed),
        *((k, [(k, d, n)]) for k, d, n in EVENTS),
    ]:
        raws = [
            RawEvent(
                f"s:{n}",
                json.dumps(
                    {"t": kind, "s": n, "op": 0, "d": data}, ensure_ascii=False, separators=(",", ":")
                ).encode(),
                {"received_at": "2026-06-21T12:00:01.000000+00:00"},
            )
            for n, (kind, data, _) in enumerate(chosen)
        ]
        bodies = [raw.payload for raw in raws]

        def loads(bodies=bodies) -> None:
            for body in bodies:
                json.loads(body)

        def hikari(bodies=bodies) -> None:
            for body in bodies:
                frame = json.loads(body)
                decoders[frame["t"]](frame["d"])

        def shequn(raws=raws) -> None:
            for raw in raws:
                parser.parse(raw)

        assert all(len(parser.parse(raw).interactions) == 1 for raw in raws)
        hikari()
        rows = [(timed(loads), timed(hikari), timed(shequn)) for _ in range(ROUNDS)]
        a, b, c = (statistics.median(row[i] for row in rows) / len(raws) * 1e6 for i in range(3))
        ratio_json = statistics.median(row[0] / row[2] for row in rows)
        ratio_hikari = statistics.median(row[1] / row[2] for row in rows)
        lines.append(
            f"| {title} | {a:.2f} us | {b:.2f} us | {c:.2f} us | {ratio_json:.2f} | {ratio_hikari:.2f} |"
        )
    print("\n".join(lines))
    print(
        f"\nPython {sys.version.split()[0]}, hikari {version}; CPU time per event, median of {ROUNDS} rounds"
    )
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
