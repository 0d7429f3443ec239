"""From error_code to the typed tree: one table, with what to do next.

Weibo's English words are for people and differ by year, and the HTTP status per code is not documented: only the code
decides. Codes: https://open.weibo.com/wiki/Error_code
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shequn_sdk.errors import (
    AuthFailed,
    Conflict,
    ContentRejected,
    InvalidContent,
    Landing,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TargetNotFound,
    Unavailable,
)

__all__ = ["ACCEPTED_LATE", "DUPLICATE", "PLATFORM", "USED_UP", "Rule", "error_of", "rule_of"]

PLATFORM = "weibo"
ACCEPTED_LATE = "20032"
"""Taken, and shown after a delay: a success."""
DUPLICATE = frozenset({"20017", "20019", "20111"})
"""The text stands already, or nearly."""
USED_UP = frozenset({"10022", "10023", "10024"})
"""A limit is used up: `account/rate_limit_status` says when it starts anew."""
GONE = frozenset({"20101", "20201"})
FOLLOWING = "20506"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code means."""

    kind: type[PlatformError]
    meaning: str
    todo: str = ""
    retry_after: timedelta | None = None
    scope: str = ""
    landed: Landing = Landing.SURELY_NOT


_HOUR = timedelta(hours=1)
_AGAIN = "send the user through the authorize page again and store the new token"
_SETTINGS = (
    "compare app_key, app_secret and redirect_uri with the application's page in the open platform console"
)
_LEVEL = "set `level` to what the application has, or apply for the interface in the console"
_A, _P, _T, _I, _C, _R, _U, _J = (
    AuthFailed,
    PermissionDenied,
    TargetNotFound,
    InvalidContent,
    Conflict,
    RateLimited,
    Unavailable,
    ContentRejected,
)
_PERHAPS = Landing.PERHAPS

RULES: dict[int, Rule] = {
    10001: Rule(
        _U, "the system failed", "try again later; look first whether a post stands", landed=_PERHAPS
    ),
    10002: Rule(_U, "the service is not available", "try again later", landed=_PERHAPS),
    10003: Rule(_U, "a service behind it failed", "try again later", landed=_PERHAPS),
    10004: Rule(
        _R, "this address is blocked", "stop for an hour and poll less often", retry_after=_HOUR, scope="app"
    ),
    10005: Rule(_P, "the interface needs a higher level", _LEVEL),
    10006: Rule(_A, "appkey or token is missing", _SETTINGS),
    10007: Rule(_I, "the type of the file is not taken", "use JPEG, GIF or PNG"),
    10008: Rule(_I, "a parameter is wrong"),
    10009: Rule(_R, "too many tasks wait", "try again in a minute", retry_after=timedelta(minutes=1)),
    10010: Rule(_U, "the job expired", "try again", landed=_PERHAPS),
    10011: Rule(_U, "a call inside failed", "try again later", landed=_PERHAPS),
    10012: Rule(_I, "the request is illegal"),
    10013: Rule(_A, "the user is not valid", _AGAIN),
    10014: Rule(_P, "the application may not use the interface", _LEVEL),
    10016: Rule(_I, "a required parameter is missing"),
    10017: Rule(
        _I,
        "a value is not taken; a post needs a link under one of the application's safe domains",
        "add such a link, and enter its domain under 应用信息 → 安全域名",
    ),
    10018: Rule(_I, "the request is too long"),
    10020: Rule(_P, "there is no such interface for this application", _LEVEL),
    10021: Rule(_I, "the HTTP method is wrong"),
    10022: Rule(
        _R, "this address is past its hourly limit", "wait for the next hour", retry_after=_HOUR, scope="app"
    ),
    10023: Rule(
        _R,
        "this user is past the application's limit",
        "wait for the next day, or lower daily_budget so that calls are spread",
        retry_after=_HOUR,
        scope="account",
    ),
    10024: Rule(
        _R,
        "this user is past the limit of the interface",
        "wait for the next hour",
        retry_after=_HOUR,
        scope="endpoint",
    ),
    20001: Rule(_I, "no ids were given"),
    20002: Rule(_I, "no uid was given"),
    20003: Rule(_T, "the user does not exist"),
    20005: Rule(_I, "the picture is of a type that is not taken", "use JPEG, GIF or PNG"),
    20006: Rule(_I, "the picture is too big", "keep it below 5 MB"),
    20007: Rule(_I, "the picture did not come as multipart"),
    20008: Rule(_I, "the text is empty"),
    20009: Rule(_I, "too many ids at once", "ask for fewer"),
    20012: Rule(_I, "the text is longer than 140 汉字", "shorten it; 130 leave room for the link"),
    20013: Rule(_I, "the text is longer than 300 汉字", "shorten it"),
    20014: Rule(_U, "a parameter looks unsafe", "try once more", landed=Landing.SURELY_NOT),
    20016: Rule(
        _R,
        "posts come too fast",
        "wait some minutes; 30 an hour are the most",
        retry_after=timedelta(minutes=5),
        scope="endpoint",
    ),
    20017: Rule(_C, "a similar post stands already", "change the text"),
    20018: Rule(_J, "the text holds a link that is not allowed", "take it out"),
    20019: Rule(_C, "the same post stands already", "change the text"),
    20020: Rule(_J, "the text was taken for advertising", "write it differently"),
    20021: Rule(_J, "the text holds what is not allowed", "write it differently"),
    20023: Rule(_P, "the function is switched off"),
    20031: Rule(_P, "a person must enter a captcha", "log in on weibo.com with this account"),
    20033: Rule(_A, "the login is not normal", "log in on weibo.com with this account, then authorise again"),
    20101: Rule(_T, "the post does not exist"),
    20102: Rule(_P, "the post is somebody else's"),
    20103: Rule(_I, "one's own post cannot be reposted"),
    20109: Rule(_I, "no id of a post was given"),
    20111: Rule(_C, "the same was sent a moment ago", "change the text"),
    20112: Rule(_P, "the post may not be seen"),
    20120: Rule(_P, "the post may not be seen"),
    20121: Rule(_P, "the post may not be seen"),
    20201: Rule(_T, "the comment does not exist"),
    20203: Rule(_P, "the comment is somebody else's"),
    20204: Rule(_I, "no id of a comment was given"),
    20206: Rule(_P, "only people whom the author follows may comment"),
    20207: Rule(_P, "only trusted people may comment"),
    20502: Rule(_I, "no uid was given"),
    20504: Rule(_I, "nobody can follow themselves"),
    20505: Rule(_R, "too many were followed today", "go on tomorrow", retry_after=timedelta(days=1)),
    20506: Rule(_C, "already following"),
    21314: Rule(_A, "the token was used already", _AGAIN),
    21315: Rule(_A, "the token expired", _AGAIN),
    21316: Rule(_A, "the token was revoked", _AGAIN),
    21317: Rule(_A, "the token was rejected", _AGAIN),
    21319: Rule(_A, "the user withdrew the authorisation", _AGAIN),
    21321: Rule(
        _P,
        "the application is not reviewed and this user is no test account",
        "enter the user under 应用信息 → 测试信息, at most 15, or have the application reviewed",
    ),
    21322: Rule(_A, "redirect_uri is not the registered one", _SETTINGS),
    21323: Rule(_I, "the request is not valid", _SETTINGS),
    21324: Rule(_A, "app_key or app_secret is wrong", _SETTINGS),
    21325: Rule(_A, "the code was used, is too old, or belongs to another redirect_uri", _AGAIN),
    21326: Rule(_A, "the application may not do this", _SETTINGS),
    21327: Rule(_A, "the token expired", _AGAIN),
    21328: Rule(_I, "the grant type is unknown"),
    21329: Rule(_I, "the response type is unknown"),
    21330: Rule(_P, "the user refused", "ask the user again"),
    21331: Rule(_U, "the authorisation server is busy", "try again later", landed=Landing.SURELY_NOT),
    21332: Rule(_A, "the token is not valid", _AGAIN),
}
"""Every code that is known by name."""

_BY_RANGE: tuple[tuple[int, int, Rule], ...] = (
    (20401, 20499, Rule(_T, "the topic is not there")),
    (20501, 20599, Rule(_C, "the two users' relation does not allow it")),
    (20601, 20699, Rule(_C, "the list does not allow it")),
    (21301, 21320, Rule(_A, "the authorisation is not good", _AGAIN)),
    (20200, 20299, Rule(_P, "the comment is not allowed")),
    (20100, 20199, Rule(_P, "the post does not allow it")),
)


def rule_of(code: str) -> Rule:
    """Give what a code means; unknown codes are judged by their range, then as a plain refusal."""
    if code.isdecimal() and len(code) < 10:
        value = int(code)
        if value in RULES:
            return RULES[value]
        for first, last, rule in _BY_RANGE:
            if first <= value <= last:
                return rule
    return Rule(PlatformError, "the platform refused it", "see the table of error codes in Weibo's wiki")


def error_of(code: str, said: str, *, operation: str) -> PlatformError:
    """Make the error that an answer means; `said` must be free of secrets."""
    rule = rule_of(code)
    message = f"weibo refused {operation} with error_code {code}: {rule.meaning}"
    if rule.todo:
        message += f"; {rule.todo}"
    if said:
        message += f" (it said: {said[:200]})"
    if rule.kind is RateLimited:
        return RateLimited(
            message,
            retry_after=rule.retry_after,
            scope=rule.scope,
            platform=PLATFORM,
            operation=operation,
            code=code,
        )
    return rule.kind(message, platform=PLATFORM, operation=operation, code=code, landed=rule.landed)
