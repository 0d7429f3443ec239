"""What is said to members, in the community's language, and names made safe to say."""

from __future__ import annotations

import re

import regex

from shequn_sdk.domain import Community

__all__ = ["plain", "say", "short"]

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!>~|<&:@])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")

_WORDS: dict[str, tuple[str, str]] = {
    "vote.how": ("回复序号即可投票。", "Reply with a number to vote."),
    "vote.how_many": ("可多选，回复序号，如 1 3。", "Reply with one or more numbers, such as 1 3."),
    "vote.until": ("截止：{until}", "Closes: {until}"),
    "vote.result": ("投票结果：{title}", "Result: {title}"),
    "vote.line": ("{choice}：{votes} 票（{share}%）", "{choice}: {votes} ({share}%)"),
    "vote.voters": ("共 {voters} 人投票。", "{voters} voted."),
    "check_in.how": ("发送「{word}」打卡。", "Say “{word}” to check in."),
    "check_in.done": (
        "{name} 打卡成功，连续 {streak} 天，累计 {total} 天。",
        "{name} checked in: {streak} days in a row, {total} in all.",
    ),
    "check_in.again": ("{name} 今天已经打过卡了。", "{name} has checked in today already."),
    "check_in.milestone": (
        "恭喜 {name} 连续打卡 {days} 天！{words}",
        "{name} has checked in for {days} days! {words}",
    ),
    "check_in.button": ("打卡", "Check in"),
    "lottery.how": ("发送「{word}」参加抽奖。", "Say “{word}” to enter."),
    "lottery.prizes": ("奖品：{prizes}", "Prizes: {prizes}"),
    "lottery.rules": ("参加条件：{rules}", "Conditions: {rules}"),
    "lottery.commitment": (
        "种子承诺（SHA-256）：`{commitment}`",
        "Commitment to the seed (SHA-256): `{commitment}`",
    ),
    "lottery.statement": ("规则指纹：`{digest}`", "Digest of the rules: `{digest}`"),
    "lottery.closed": (
        "「{title}」报名截止：{entrants} 人，名单指纹 `{digest}`。",
        "“{title}” is closed: {entrants} entrants, digest of the list `{digest}`.",
    ),
    "lottery.waits": ("等待公开随机数：{source}", "Waiting for public randomness: {source}"),
    "lottery.result": ("「{title}」开奖", "“{title}”: the draw"),
    "lottery.line": ("{prize}：{name}", "{prize}: {name}"),
    "lottery.fewer": (
        "参加人数少于奖品数，{left} 份奖品未送出。",
        "Fewer entrants than prizes: {left} not awarded.",
    ),
    "lottery.replaced": (
        "「{title}」候补：{prize} 改由 {name} 获得。",
        "“{title}”: {prize} goes to {name} instead.",
    ),
    "lottery.seed": ("种子：`{seed}`", "Seed: `{seed}`"),
    "sign_up.how": (
        "参加请回复：{word} 内容（如：{word} 两份）；退出请回复：{leave}。",
        "Reply “{word} …” to join, “{leave}” to leave.",
    ),
    "sign_up.nobody": ("（还没有人）", "(nobody yet)"),
    "gathering.when": ("时间：{start}", "When: {start}"),
    "gathering.where": ("地点：{place}", "Where: {place}"),
    "gathering.how": (
        "发送「{word}」报名，「{leave}」取消。",
        "Say “{word}” to sign up, “{leave}” to cancel.",
    ),
    "gathering.places": ("名额：{capacity} 人，满后进入候补。", "{capacity} places, then a waiting list."),
    "gathering.in": ("{name} 报名成功（第 {number} 位）。", "{name} is in (number {number})."),
    "gathering.waits": (
        "{name} 进入候补，第 {number} 位。",
        "{name} is on the waiting list, number {number}.",
    ),
    "gathering.out": ("{name} 已取消报名。", "{name} has cancelled."),
    "gathering.moved_up": ("有人退出，{name} 候补成功！", "A place is free: {name} is in!"),
    "gathering.remind": ("提醒：「{title}」{start} 开始。", "Reminder: “{title}” starts {start}."),
    "gathering.here": ("{name} 签到成功。", "{name} is here."),
    "contest.how": ("带话题 #{tag} 发布作品即可参加。", "Post with #{tag} to enter."),
    "contest.media": ("作品须带图片或视频。", "Entries need a picture or a video."),
    "contest.vote_reaction": (
        "给作品点表情即为投票，每人 {votes} 票。",
        "React to an entry to vote; {votes} each.",
    ),
    "contest.vote_number": (
        "回复作品编号投票，每人 {votes} 票。",
        "Reply with an entry's number to vote; {votes} each.",
    ),
    "contest.entries": ("「{title}」参赛作品", "“{title}”: the entries"),
    "contest.result": ("「{title}」结果", "“{title}”: the result"),
    "contest.line": ("第 {rank} 名 {name}（{votes} 票）", "{rank}. {name} ({votes})"),
    "contest.nobody": ("没有作品参赛。", "No entries."),
    "contest.tie.share": ("票数相同并列。", "Equal votes share a rank."),
    "contest.tie.earliest": ("票数相同，先提交者在前。", "Of equal votes, the earlier entry wins."),
    "topic.result": ("「{title}」讨论小结", "“{title}”: what was said"),
    "topic.numbers": (
        "{messages} 条发言，{members} 人参与，{replies} 条回复，{reactions} 个表情。",
        "{messages} messages by {members} members, {replies} answers, {reactions} reactions.",
    ),
    "topic.top": ("最受关注：{name}：{text}", "Most noticed: {name}: {text}"),
    "question.remind": (
        "{who}：还有 {count} 个问题等待回答，最早的已等 {minutes} 分钟。",
        "{who}: {count} questions wait; the oldest for {minutes} minutes.",
    ),
    "question.duty": ("值班同事", "whoever is on duty"),
    "question.handover": ("值班交接：现在由 {who} 值班。", "On duty now: {who}."),
}


def plain(text: str, *, most: int = 64) -> str:
    """Give untrusted text as Markdown that shows it as it is, on one line, without what turns or hides text."""
    shown = " ".join(_CONTROL.sub(" ", text).split())
    return _MARKS.sub(r"\\\1", short(shown, most))


def short(text: str, most: int) -> str:
    """Cut a text that is too long, with an ellipsis; combined characters stay whole."""
    if len(text) <= most:
        return text
    kept = ""
    for part in regex.findall(r"\X", text):
        if len(kept) + len(part) > most - 1:
            break
        kept += part
    return kept + "…"


def say(community: Community, key: str, **values: object) -> str:
    """Give words in the community's language: Chinese, or English for every other."""
    chinese, english = _WORDS[key]
    return (chinese if community.language.startswith("zh") else english).format(**values)
