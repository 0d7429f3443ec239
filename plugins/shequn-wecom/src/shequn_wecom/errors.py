"""From errcode to the typed tree: one table, with what to do next.

`data/errcodes.txt` knows the kind of every published code; `_RULES` below says more about the codes that matter to a
community, and wins. Codes that neither knows are judged by their range. WeCom's errmsg is for people and changes: it
is shown, never compared. Codes: https://developer.work.weixin.qq.com/document/path/90313
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files

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

__all__ = ["NOT_YET", "PLATFORM", "STALE_TOKEN", "WINDOW", "Rule", "error_of", "rule_of"]

PLATFORM = "wecom"

STALE_TOKEN = frozenset({40001, 40014, 42001})
"""Answers, other than gettoken's, after which a fresh token may help: once."""

NOT_YET = frozenset({41063, 41079})
"""What was asked about is being dispatched: the answer is the same for a minute at least."""

WINDOW = timedelta(seconds=60)
"""A block lasts as long as the window of the limit that was passed; the shortest is a minute and no header says which."""

_KINDS: dict[str, type[PlatformError]] = {
    kind.__name__: kind
    for kind in (
        AuthFailed,
        Conflict,
        ContentRejected,
        InvalidContent,
        PermissionDenied,
        RateLimited,
        TargetNotFound,
        Unavailable,
    )
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What an errcode means."""

    kind: type[PlatformError]
    meaning: str = ""
    todo: str = ""
    retry_after: timedelta | None = None
    scope: str = ""


_A, _P, _T, _I, _C, _R, _U = (
    AuthFailed,
    PermissionDenied,
    TargetNotFound,
    InvalidContent,
    Conflict,
    RateLimited,
    Unavailable,
)
_J = ContentRejected
_DAY = timedelta(days=1)

_RULES: dict[int, Rule] = {
    -1: Rule(_U, "the platform is busy", "try again, at most three times"),
    6000: Rule(_U, "two writers changed the same record", "try again later"),
    40001: Rule(
        _A,
        "the secret does not belong to the corporation, or the application is disabled",
        "compare corp_id and corp_secret with the console; do not try in a loop, it blocks the address for an hour",
    ),
    40003: Rule(_T, "the userid is unknown", "look at the spelling and the application's visible range"),
    40007: Rule(_I, "the media is unknown or older than three days", "upload it again"),
    40008: Rule(_I, "the message type is unknown here"),
    40013: Rule(_A, "the corporation is unknown", "copy corp_id from 我的企业 in the console"),
    40014: Rule(_A, "the access token is not valid, a fresh one neither", "check corp_secret"),
    40031: Rule(_T, "the list of userids holds unknown ones"),
    40033: Rule(_I, "the body holds \\u escapes", "send UTF-8 as it is"),
    40035: Rule(_I, "a parameter is wrong"),
    40050: Rule(_T, "the group is unknown", "take it off the list of channels"),
    40056: Rule(_A, "the agent id is wrong", "copy agent_id from the application's page"),
    40058: Rule(_I, "a parameter is missing or has the wrong form"),
    40063: Rule(_I, "a required field is empty"),
    40068: Rule(_T, "the tag is gone", "read the list of tags again"),
    40071: Rule(_C, "a tag of that name exists", "use the one that is there"),
    40074: Rule(_I, "news cannot be confidential", "send it with safe=0"),
    40091: Rule(_A, "the secret is not valid", "copy corp_secret again from the application's page"),
    40096: Rule(_T, "the customer is unknown", "read the list of customers again"),
    40100: Rule(_C, "the customer is being transferred already"),
    40123: Rule(_I, "the picture is damaged or no JPG or PNG"),
    40126: Rule(_C, "there are 3000 corporate tags already", "delete some"),
    40128: Rule(_C, "the customer was transferred twice in 90 days", "wait until the 90 days are over"),
    40129: Rule(_U, "the customer is being transferred", "ask again later"),
    40130: Rule(_I, "handing over to the same member"),
    40131: Rule(_C, "the member who hands over does not follow the customer"),
    40143: Rule(_P, "the member is banned and cannot hand over customers"),
    40201: Rule(_J, "the spam filter refused the content", "change the wording"),
    40204: Rule(_J, "WeChat's spam filter refused the content", "change the wording"),
    40206: Rule(_I, "the body is too large"),
    41001: Rule(_A, "the access token is missing in the query"),
    41002: Rule(_A, "corp_id is missing"),
    41004: Rule(_A, "corp_secret is missing"),
    41041: Rule(_I, "a contact way holds more than 100 members"),
    41044: Rule(_T, "the contact way is gone"),
    41045: Rule(_C, "the corporation has all the contact ways it may have", "delete unused ones"),
    41047: Rule(_T, "the mass message is unknown"),
    41048: Rule(_T, "nobody is there to send to", "check the customers or groups and who follows them"),
    41050: Rule(
        _C, "the welcome code is used up or older than 20 seconds", "welcome straight from the callback"
    ),
    41051: Rule(_C, "the customer talks with the member already, no welcome is possible"),
    41053: Rule(_P, "the customer did not agree to message archiving"),
    41054: Rule(_P, "the member has not activated the account"),
    41055: Rule(_C, "the corporation has 100 group welcome templates already", "delete some"),
    41058: Rule(_P, "the welcome template belongs to another application"),
    41063: Rule(_U, "the mass message is being dispatched", "ask again in a minute"),
    41064: Rule(_I, "there are more than nine attachments"),
    41068: Rule(_I, "an intercept rule has too many words"),
    41069: Rule(_C, "there are 100 intercept rules already", "delete some"),
    41070: Rule(_T, "the intercept rule is unknown"),
    41071: Rule(_T, "the intercept rule is gone"),
    41077: Rule(_C, "an intercept rule of that name exists"),
    41078: Rule(_R, "too many moments are being made", "wait for them", WINDOW, "account"),
    41079: Rule(_U, "the moment is being dispatched", "ask again in a minute"),
    41091: Rule(_I, "a join way leads into at most five groups"),
    41093: Rule(_C, "the mass message was cancelled"),
    41094: Rule(_R, "three reminders in 24 hours were sent already", "wait", _DAY, "channel"),
    41096: Rule(_C, "a welcome message is being sent already"),
    42001: Rule(
        _A, "the access token has expired, a fresh one too", "check the machine's clock and corp_secret"
    ),
    42045: Rule(_I, "the card has no card_action"),
    42052: Rule(_C, "a message can be recalled for 24 hours only"),
    43004: Rule(_P, "the member has neither bound WeChat nor followed the plug-in"),
    44001: Rule(_I, "the media is empty"),
    44004: Rule(_I, "the text is empty"),
    45001: Rule(_I, "the media is too large"),
    45002: Rule(_I, "the text is too long; WeCom counts UTF-8 bytes"),
    45007: Rule(_I, "the voice is longer than 60 seconds"),
    45008: Rule(_I, "there must be one to eight articles"),
    45009: Rule(
        _R, "the frequency limit is passed", "wait a whole window; calls meanwhile fail too", WINDOW, "app"
    ),
    45033: Rule(
        _R, "too many requests of the corporation at once", "use fewer at a time", timedelta(seconds=2), "app"
    ),
    46004: Rule(_T, "the member is unknown"),
    48002: Rule(
        _P,
        "the application may not call this",
        "for customers: list it under 客户联系 → API → 可调用接口的应用; for app groups: make its visible range the root",
    ),
    48004: Rule(_A, "the authorisation of the application is void"),
    48005: Rule(_P, "the interface was retired"),
    49008: Rule(_T, "the group was dismissed", "take it off the list of channels"),
    50002: Rule(_P, "the member is outside the application's range"),
    50003: Rule(_P, "the application is disabled", "enable it in the console"),
    50100: Rule(_C, "the cursor of the listing is void", "list again from the start"),
    60011: Rule(_P, "the target is outside the application's visible range", "widen it in the console"),
    60020: Rule(
        _P,
        "the calling address is not trusted",
        "add the address in the message to 企业可信IP of the application; it takes a minute to work",
    ),
    60111: Rule(_T, "the userid is unknown"),
    60123: Rule(_T, "the department is unknown"),
    60140: Rule(_C, "the response code of the card is used up or expired"),
    81013: Rule(_T, "no receiver is valid", "check the ids and the application's visible range"),
    81017: Rule(_I, "the request holds too many ids, or the range is too wide", "ask in slices of 100"),
    81026: Rule(_U, "the function is under maintenance", "try again later"),
    82001: Rule(_I, "the message has no receiver"),
    84061: Rule(_T, "the member and the customer do not know each other"),
    84074: Rule(
        _P, "the member has no customer-contact right", "add the member under 客户联系 → 权限配置 → 使用范围"
    ),
    85002: Rule(_J, "the content holds forbidden words", "change the wording"),
    86001: Rule(_T, "the chat id is not valid"),
    86003: Rule(_T, "the app group is unknown"),
    86004: Rule(_I, "the group's name is not valid"),
    86005: Rule(_I, "the group's owner is not valid"),
    86006: Rule(_I, "an app group has 2 to 2000 members"),
    86007: Rule(_T, "a member of the group is not valid"),
    86008: Rule(_P, "the group was made by another application"),
    86207: Rule(_I, "the owner is not among the members"),
    86215: Rule(_C, "a group with that id exists"),
    86216: Rule(_T, "a member of the group is unknown"),
    90500: Rule(_C, "the owner has not left the corporation"),
    90501: Rule(_T, "this is no customer group"),
    93000: Rule(
        _A,
        "the robot's address is wrong, or the robot was removed from its group",
        "make a robot and set its key",
    ),
    93004: Rule(_P, "the robot is disabled"),
    93006: Rule(_T, "the robot's chat id is wrong"),
    93008: Rule(_P, "the robot is not in that group"),
    95001: Rule(_C, "five customer-service messages were sent already", "wait for the customer to write"),
    95002: Rule(_C, "the customer's last message is more than 48 hours ago"),
    301002: Rule(_P, "the token belongs to another application"),
    301007: Rule(_A, "the corporation is dissolved or banned"),
    301019: Rule(_I, "the picture's md5 does not fit its bytes"),
    301042: Rule(_P, "the address is not on the allow list"),
    640019: Rule(_R, "the quota of calls is spent", "wait", WINDOW, "app"),
}

_BY_RANGE: tuple[tuple[int, int, type[PlatformError]], ...] = (
    (40000, 41999, InvalidContent),
    (42000, 42026, AuthFailed),
    (42027, 42999, InvalidContent),
    (43000, 43999, PermissionDenied),
    (44000, 45999, InvalidContent),
    (46000, 46999, TargetNotFound),
    (48000, 48999, PermissionDenied),
    (50000, 50999, PermissionDenied),
    (60000, 60999, PermissionDenied),
    (80000, 83999, InvalidContent),
    (86000, 86999, InvalidContent),
    (93000, 93999, PermissionDenied),
)

_HINT = re.compile(r"hint: ?\[([^\]]{1,120})\]")
_SHOWN = 300


@cache
def _published() -> dict[int, type[PlatformError]]:
    kinds: dict[int, type[PlatformError]] = {}
    kind: type[PlatformError] = PlatformError
    for line in (files("shequn_wecom") / "data" / "errcodes.txt").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.endswith(":"):
            kind = _KINDS[line[:-1]]
            continue
        for item in line.split():
            first, dots, last = item.partition("..")
            for code in range(int(first), int(last if dots else first) + 1):
                kinds[code] = kind
    return kinds


def rule_of(code: int) -> Rule:
    """Give what an errcode means: our own words, else the published kind, else the kind of its range."""
    rule = _RULES.get(code)
    if rule is not None:
        return rule
    kind = _published().get(code)
    if kind is None:
        kind = next((kind for first, last, kind in _BY_RANGE if first <= code <= last), PlatformError)
    return Rule(kind, retry_after=WINDOW if kind is RateLimited else None)


def error_of(code: int, errmsg: str, *, operation: str) -> PlatformError:
    """Make the error that an answer means; `errmsg` must be free of secrets.

    WeCom's own codes are clear refusals, so that nothing landed; also of those that ask to try again.
    """
    rule = rule_of(code)
    hint = _HINT.search(errmsg)
    said = errmsg[:_SHOWN].strip()
    parts = [f"wecom refused {operation} with errcode {code}"]
    if rule.meaning:
        parts.append(f": {rule.meaning}")
    if rule.todo:
        parts.append(f"; {rule.todo}")
    if said:
        parts.append(f" (it said: {said})")
    message = "".join(parts)
    request_id = hint.group(1) if hint else ""
    if rule.kind is RateLimited:
        return RateLimited(
            message,
            retry_after=rule.retry_after,
            scope=rule.scope,
            platform=PLATFORM,
            operation=operation,
            code=code,
            request_id=request_id,
        )
    return rule.kind(
        message,
        platform=PLATFORM,
        operation=operation,
        code=code,
        request_id=request_id,
        landed=Landing.SURELY_NOT,
    )
