"""Contents composed for four platforms beside a plain template per platform, in one run.

    .venv/bin/python benchmarks/compose.py [--contents 10000] [--rounds 5] [--profile]

Every content is different: a Chinese text with a title, a link and two hashtags, of which every third has Markdown, every
fourth a picture by its address, every fifth a poll, every sixth buttons, every tenth is longer than a message may be.

The peer is a jinja2 template per platform, compiled before, which writes the same parts in the same order and cuts what is
too long. It knows no Markdown, measures nothing in bytes or 汉字, splits nothing and cannot say what it changed.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import random
import statistics
import time

import jinja2

from shequn_sdk.domain import Button, Content, Link, Media, MediaKind, Poll
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.manifest import Manifest
from shequn_sdk.publishing.compose import compose

PLATFORMS = ("telegram", "discord", "wecom", "weibo")
WORDS = [
    "早餐",
    "燕麦",
    "鸡蛋",
    "蓝莓",
    "步行",
    "一万步",
    "睡眠",
    "打卡",
    "直播",
    "营养师",
    "健身",
    "瑜伽",
    "喝水",
    "护肤",
    "冥想",
    "社群",
    "分享",
    "坚持",
    "轻食",
    "周末",
]
TEMPLATE = (
    "{% if title %}{{ title }}\n\n{% endif %}{{ text | truncate(limit) }}"
    "{% if link %}\n\n{{ link.title }}\n{{ link.url }}{% endif %}"
    "{% if poll %}\n\n{{ poll.question }}{% for choice in poll.choices %}\n{{ loop.index }}. {{ choice }}{% endfor %}{% endif %}"
    "{% for row in buttons %}{% for button in row %}\n{{ button.label }}: {{ button.url }}{% endfor %}{% endfor %}"
    "\n\n{% for tag in hashtags %}#{{ tag }} {% endfor %}"
)
LIMITS = {"telegram": 4096, "discord": 2000, "wecom": 680, "weibo": 140}


def contents(count: int) -> list[Content]:
    rng = random.Random(7)
    made: list[Content] = []
    for number in range(count):
        size = 900 if number % 10 == 9 else rng.randrange(20, 60)
        words = [rng.choice(WORDS) for _ in range(size)]
        text = f"第{number}期：" + "，".join(words) + "。"
        if number % 3 == 0:
            text = f"**重点**：{text}\n\n- *{words[0]}*\n- `{words[1]}`\n\n[详情](https://club.example.com/{number})"
        made.append(
            Content(
                title=f"健康养生第{number}期",
                text=text,
                link=Link(url=f"https://club.example.com/d/{number}", title="阅读全文"),
                hashtags=(words[0], words[1]),
                media=(Media(kind=MediaKind.PHOTO, url=f"https://club.example.com/{number}.jpg"),)
                if number % 4 == 0
                else (),
                poll=Poll(question="您几点吃早餐？", choices=("七点前", "七到九点", "不吃"))
                if number % 5 == 0
                else None,
                buttons=((Button(label="报名", url="https://club.example.com/join"),),)
                if number % 6 == 0
                else (),
            )
        )
    return made


def composed(items: list[Content], manifests: list[Manifest]) -> float:
    gc.collect()
    begun = time.process_time()
    for content in items:
        for manifest in manifests:
            compose(content, manifest)
    return time.process_time() - begun


def templated(items: list[Content]) -> float:
    environment = jinja2.Environment()
    templates = [(environment.from_string(TEMPLATE), LIMITS[name]) for name in PLATFORMS]
    gc.collect()
    begun = time.process_time()
    for content in items:
        for template, limit in templates:
            template.render(
                title=content.title,
                text=content.text,
                link=content.link,
                poll=content.poll,
                buttons=content.buttons,
                hashtags=content.hashtags,
                limit=limit,
            )
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--contents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    plugins = load_plugins()
    manifests = [plugins.platform(name).manifests[0] for name in PLATFORMS]
    items = contents(options.contents)
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(composed, items[:2000], manifests)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(options.rounds):
        ours.append(composed(items, manifests))
        peer.append(templated(items))
    forms = len(items) * len(manifests)
    mine, theirs = statistics.median(ours), statistics.median(peer)
    print(
        f"{len(items)} contents for {len(manifests)} platforms, median of {options.rounds} rounds, CPU seconds"
    )
    print(
        f"  compose        {mine:6.2f} s   {len(items) / mine:9,.0f} contents/s   {forms / mine:9,.0f} forms/s"
    )
    print(
        f"  jinja2         {theirs:6.2f} s   {len(items) / theirs:9,.0f} contents/s   {forms / theirs:9,.0f} forms/s"
    )
    print(f"  ratio (compose / jinja2, above 1 is quicker): {theirs / mine:.2f}")


if __name__ == "__main__":
    main()
