"""One row nested beyond any decoder does not hold up the rest of its page."""

import msgspec
import pytest

from shequn_sdk.errors import Unavailable
from shequn_sdk.platforms.http import HttpResponse
from shequn_weibo import wire
from shequn_weibo.api import read
from shequn_weibo.polling import _read_row

DEEP = b"[" * 100_000 + b"]" * 100_000
ROW = b'{"created_at":"Mon Mar 02 12:00:00 +0800 2026","id":7,"idstr":"7","text":%b}'


def answer(body):
    return HttpResponse(200, {}, body, platform="weibo", operation="comments/to_me")


def test_a_deeply_nested_row_is_kept_with_its_place():
    page = read(answer(b'{"comments":[%b,%b],"total_number":2}' % (ROW % b'"x"', ROW % DEEP)), wire.Raws)
    assert [bytes(raw) for raw in page.comments] == [ROW % b'"x"', ROW % DEEP]
    assert page.statuses == []
    assert wire.ident(_read_row(page.comments[1]).idstr) == "7"


def test_other_answers_are_refused_as_before():
    with pytest.raises(Unavailable):
        read(answer(b'{"comments":%b' % DEEP), wire.Raws)
    with pytest.raises(Unavailable):
        read(answer(b'{"follower":%b}' % DEEP), wire.Unread)
    with pytest.raises(msgspec.DecodeError):
        _read_row(b"{")
