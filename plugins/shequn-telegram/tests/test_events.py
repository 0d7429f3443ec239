"""Update bytes to interactions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.ports import Parsed
from shequn_sdk.scheduling.clock import ManualClock
from shequn_telegram.albums import AlbumCollector
from shequn_telegram.events import KNOWN_UPDATES, UpdateParser

FIXTURES = Path(__file__).parent / "fixtures"
CHAT = {"id": -1002223334445, "title": "读书会", "type": "supergroup"}
LI = {"id": 55, "is_bot": False, "first_name": "Li", "last_name": "Lei", "username": "li"}
WANG = {"id": 66, "is_bot": False, "first_name": "Wang"}
MESSAGE = {"message_id": 7, "from": LI, "chat": CHAT, "date": 1782000100}
parser = UpdateParser(
    "bot", now=lambda: 1782000999.0, poll_place=lambda poll: ("-1", "3") if poll == "p1" else None
)


def parse(**update: Any) -> Parsed:
    return parser.parse(json.dumps({"update_id": 91, **update}, ensure_ascii=False).encode())


def one(**update: Any) -> Interaction:
    (found,) = parse(**update).interactions
    return found


def check_validated(found: Interaction) -> None:
    """What the parser assembles is what full validation gives."""
    again = Interaction.model_validate(found.model_dump())
    assert again == found
    assert Interaction.model_validate_json(found.model_dump_json()) == found
    for name in Interaction.model_fields:
        assert type(getattr(again, name)) is type(getattr(found, name)), name


def _fixture_updates() -> list[Any]:
    updates: list[Any] = []
    wraps = {
        "message": "message",
        "poll": "poll",
        "poll_answer": "poll_answer",
        "callback_query": "callback_query",
    }
    for path in sorted(FIXTURES.glob("*.json")):
        data = json.loads(path.read_text())
        kind = path.stem.partition("__")[0]
        if kind == "update":
            updates.append(pytest.param(data, id=path.stem))
        elif kind == "request":
            updates += [pytest.param(item, id=f"{path.stem}-{n}") for n, item in enumerate(data["result"])]
        elif kind in wraps:
            updates.append(pytest.param({"update_id": 1, wraps[kind]: data}, id=path.stem))
    return updates


@pytest.mark.parametrize("update", _fixture_updates())
def test_fixtures_decode(update: dict[str, Any]):
    parsed = parser.parse(json.dumps(update).encode())
    broken = "some fields are missing" in str(update) or "something unknown to us" in str(update)
    assert parsed.known is not broken
    assert bool(parsed.interactions) is not broken
    for found in parsed.interactions:
        check_validated(found)


def test_other_fixtures_decode_as_results():
    from shequn_telegram import wire

    for path in FIXTURES.glob("chat_member__*.json"):
        member = wire.decode(path.read_bytes(), wire.ChatMember)
        assert member.user.id
        assert member.status in {"administrator", "restricted"}
    for path in FIXTURES.glob("chat_full_info__*.json"):
        assert wire.decode(path.read_bytes(), wire.FullChat).type in {"private", "channel"}
    boosts = json.loads((FIXTURES / "user_chat_boosts__deserialize.json").read_bytes())
    for boost in boosts["boosts"]:
        assert wire.decode(json.dumps(boost).encode(), wire.Boost).boost_id


def test_message_reply_and_text():
    found = one(
        message={
            **MESSAGE,
            "text": "好",
            "reply_to_message": {"message_id": 3, "from": WANG, "chat": CHAT, "date": 1},
        }
    )
    assert (found.kind, found.id) == (InteractionKind.MESSAGE, "message:-1002223334445:7")
    assert (found.member, found.member_name, found.username) == ("55", "Li Lei", "li")
    assert (found.parent, found.target, found.text, found.account) == ("3", "66", "好", "bot")
    assert found.occurred_at == datetime.fromtimestamp(1782000100, UTC)
    check_validated(found)


def test_anonymous_admin_and_channel_post():
    anonymous = {**MESSAGE, "sender_chat": CHAT, "author_signature": "站长", "text": "x"}
    assert (one(message=anonymous).member, one(message=anonymous).member_name) == (str(CHAT["id"]), "站长")
    channel = {"id": -100777, "title": "公告", "type": "channel"}
    post = one(
        channel_post={"message_id": 1, "sender_chat": channel, "chat": channel, "date": 5, "text": "x"}
    )
    assert (post.member, post.member_name, post.kind) == ("", "公告", InteractionKind.MESSAGE)


def test_join_told_twice_has_one_id_and_says_by_which_link():
    service = one(message={**MESSAGE, "new_chat_members": [LI]})
    change = {
        "chat": CHAT,
        "from": LI,
        "date": 1782000100,
        "old_chat_member": {"user": LI, "status": "left"},
        "new_chat_member": {"user": LI, "status": "member"},
        "invite_link": {"invite_link": "https://t.me/+A", "creator": WANG, "name": "weibo-0621",
                        "creates_join_request": False, "is_primary": False, "is_revoked": False},
    }  # fmt: skip
    told = one(chat_member=change)
    assert service.kind is told.kind is InteractionKind.JOIN
    assert service.id == told.id
    assert told.entrance == "weibo-0621"
    left = one(message={**MESSAGE, "left_chat_member": LI})
    gone = one(
        chat_member={
            **change,
            "old_chat_member": change["new_chat_member"],
            "new_chat_member": {"user": LI, "status": "left"},
        }
    )
    assert left.id == gone.id
    assert left.kind is InteractionKind.LEAVE
    assert one(message={**MESSAGE, "from": WANG, "new_chat_members": [LI]}).attrs == {"by": "66"}
    several = parse(message={**MESSAGE, "new_chat_members": [LI, WANG]}).interactions
    assert [i.member for i in several] == ["55", "66"]


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ({"status": "left"}, {"status": "member"}, ["join"]),
        ({"status": "member"}, {"status": "kicked", "until_date": 0}, ["leave", "moderation"]),
        ({"status": "kicked", "until_date": 0}, {"status": "left"}, ["moderation"]),
        ({"status": "left"}, {"status": "kicked", "until_date": 0}, ["moderation"]),
        ({"status": "member"}, {"status": "restricted", "is_member": True, "until_date": 9}, ["moderation"]),
        ({"status": "restricted", "is_member": False, "until_date": 0}, {"status": "restricted", "is_member": True, "until_date": 0}, ["join", "moderation"]),
        ({"status": "restricted", "is_member": True, "until_date": 0}, {"status": "left"}, ["leave", "moderation"]),
        ({"status": "member"}, {"status": "administrator"}, ["role_changed"]),
        ({"status": "administrator"}, {"status": "member"}, ["role_changed"]),
        ({"status": "member"}, {"status": "member"}, ["role_changed"]),
    ],
)  # fmt: skip
def test_member_changes(old: dict[str, Any], new: dict[str, Any], kinds: list[str]):
    change = {
        "chat": CHAT,
        "from": WANG,
        "date": 9,
        "old_chat_member": {"user": LI, **old},
        "new_chat_member": {"user": LI, **new},
    }
    found = parse(chat_member=change).interactions
    assert [i.kind for i in found] == kinds
    assert len({i.id for i in found}) == len(found)
    for item in found:
        check_validated(item)
        if item.kind in {"moderation", "role_changed"}:
            assert (item.member, item.target) == ("66", "55")


def test_reactions_are_diffed():
    def reaction(emoji: str) -> dict[str, str]:
        return {"type": "emoji", "emoji": emoji}

    change = {"chat": CHAT, "message_id": 7, "user": LI, "date": 9}
    both = parse(
        message_reaction={
            **change,
            "old_reaction": [reaction("👍"), reaction("🔥")],
            "new_reaction": [reaction("🔥"), reaction("🎉")],
        }
    )
    assert [(i.kind, i.attrs["emoji"]) for i in both.interactions] == [("reaction", "🎉"), ("retract", "👍")]
    assert both.interactions[1].target == "7"
    custom = one(
        message_reaction={
            **change,
            "old_reaction": [],
            "new_reaction": [{"type": "custom_emoji", "custom_emoji_id": "9"}],
        }
    )
    assert custom.attrs == {"emoji": "custom:9"}
    paid = one(message_reaction={**change, "old_reaction": [], "new_reaction": [{"type": "paid"}]})
    assert paid.attrs == {"emoji": "paid"}
    for item in (*both.interactions, custom, paid):
        check_validated(item)


def test_votes_and_buttons_use_our_time():
    raw = json.dumps(
        {"update_id": 5, "poll_answer": {"poll_id": "p1", "user": LI, "option_ids": [1]}}
    ).encode()
    (vote,) = parser.parse(raw, received_at="1782000500.5").interactions
    assert (vote.kind, vote.channel, vote.message) == ("vote", "-1", "3")
    assert vote.occurred_at == datetime.fromtimestamp(1782000500.5, UTC)
    (fallback,) = parser.parse(raw).interactions
    assert fallback.occurred_at == datetime.fromtimestamp(1782000999, UTC)
    assert vote.id == fallback.id
    taken = one(poll_answer={"poll_id": "p2", "user": LI, "option_ids": []})
    assert (taken.kind, taken.attrs["retracts"], taken.channel) == ("retract", "vote", "")
    for item in (vote, taken):
        check_validated(item)


@pytest.mark.parametrize(
    ("extra", "kind", "attrs"),
    [
        ({"text": "/start@shequn_bot a b", "entities": [{"type": "bot_command", "offset": 0, "length": 17}]}, "command",
         {"command": "start", "to": "shequn_bot", "arguments": "a b"}),
        ({"text": "/no command"}, "message", {}),
        ({"caption": "c", "photo": [{}]}, "message", {"media": "photo"}),
        ({"photo": [{}], "media_group_id": "13"}, "message", {"media": "photo", "media_group_id": "13"}),
        ({"sticker": {}}, "message", {"media": "sticker"}),
        ({"dice": {"emoji": "🎲", "value": 3}}, "message", {"media": "dice"}),
        ({"new_chat_title": "新"}, "other", {"service": "new_chat_title"}),
        ({"pinned_message": {"message_id": 3, "chat": CHAT, "date": 0}}, "other", {"service": "pinned_message"}),
        ({"invented_in_2031": {}}, "other", {"service": "invented_in_2031"}),
        ({"text": "f", "forward_origin": {"type": "channel", "date": 1, "chat": {"id": -9, "type": "channel"}, "message_id": 4}},
         "share", {"origin": "channel", "origin_channel": "-9"}),
        ({"text": "f", "forward_date": 1}, "share", {}),
        ({"text": "a", "is_automatic_forward": True}, "other", {"service": "automatic_forward"}),
    ],
)  # fmt: skip
def test_kinds_of_messages(extra: dict[str, Any], kind: str, attrs: dict[str, Any]):
    found = one(message={**MESSAGE, **extra})
    assert (found.kind, dict(found.attrs)) == (kind, attrs)
    check_validated(found)


def test_payments():
    paid = {"currency": "XTR", "total_amount": 50, "invoice_payload": "p", "telegram_payment_charge_id": "c1"}
    found = one(message={**MESSAGE, "successful_payment": paid})
    assert (found.kind, found.value, found.currency) == ("purchase", 50.0, "XTR")
    euros = one(message={**MESSAGE, "successful_payment": {**paid, "currency": "EUR", "total_amount": 145}})
    assert euros.value == 1.45
    refund = one(message={**MESSAGE, "refunded_payment": paid})
    assert refund.kind is InteractionKind.REFUND
    assert refund.id != found.id


def test_unknown_types_are_kept():
    parsed = parse(never_heard_of={"x": 1})
    assert (parsed.kind, parsed.known, parsed.interactions) == ("never_heard_of", False, ())
    assert parse(inline_query={"id": "1"}).known
    assert set(KNOWN_UPDATES) >= {"message", "chat_member", "stopped_message_generation"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"update_id":"x"}',
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"\\ud83d"',
    ],
)
def test_nonsense_is_refused(payload: bytes):
    with pytest.raises(InvalidInput):
        parser.parse(payload)


@pytest.mark.parametrize("date", [10**30, 10**18, -(10**18), "soon", None, 1.5])
def test_impossible_dates_are_kept_raw(date: Any):
    parsed = parse(message={**MESSAGE, "date": date, "text": "x"})
    assert (parsed.known, parsed.kind) == (False, "message")


def test_zero_width_and_bidirectional_text_passes():
    text = "\u202eevil\u2066\u200b\ufeff👨‍👩‍👧"
    assert one(message={**MESSAGE, "text": text}).text == text


@given(
    st.text(max_size=50),
    st.integers(-(2**52), 2**52),
    st.integers(0, 2**32),
    st.text(max_size=10),
    st.booleans(),
)
def test_assembled_is_validated(text: str, chat: int, date: int, name: str, bot: bool):
    user = {"id": 5, "is_bot": bot, "first_name": name}
    update = {
        "update_id": 1,
        "message": {"message_id": 1, "from": user, "chat": {"id": chat}, "date": date, "text": text},
    }
    for found in parser.parse(json.dumps(update).encode()).interactions:
        check_validated(found)
        assert found.text == text


def test_album_collector_waits_for_quiet():
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    albums = AlbumCollector(clock, quiet=timedelta(seconds=1))

    def item(number: int, group: str | None, caption: str = "") -> Interaction:
        extra = {"media_group_id": group} if group else {}
        return one(message={**MESSAGE, "message_id": number, "photo": [{}], "caption": caption, **extra})

    assert [len(a.interactions) for a in albums.add(item(1, None))] == [1]
    assert not albums.add(item(11, "g"))
    clock.advance(0.6)
    assert not albums.add(item(9, "g", "说明"))
    assert not albums.add(item(9, "g", "说明"))  # redelivered
    clock.advance(0.9)
    assert not albums.due()
    assert albums.next_due == pytest.approx(0.1)
    clock.advance(0.2)
    (album,) = albums.due()
    assert [i.message for i in album.interactions] == ["9", "11"]
    assert album.text == "说明"
    assert albums.next_due is None
    for number in range(9):
        assert not albums.add(item(number, "h"))
    assert len(albums.add(item(10, "h"))[0].interactions) == 10
    albums.add(item(30, "z"))
    assert len(albums.flush()) == 1


def test_the_form_that_names_the_entrance_is_handed_over_first():
    from shequn_sdk.platforms.ports import RawEvent
    from shequn_telegram.adapter import _links_first

    def event(number: int, **update: Any) -> RawEvent:
        return RawEvent(f"update:{number}", json.dumps({"update_id": number, **update}).encode())

    def told(user: dict[str, Any]) -> dict[str, Any]:
        return {
            "chat": CHAT,
            "new_chat_member": {"user": user, "status": "member"},
            "invite_link": {"invite_link": "x"},
        }

    text = event(1, message={**MESSAGE, "text": "a"})
    li, wang = (
        event(2, message={**MESSAGE, "new_chat_members": [LI]}),
        event(3, message={**MESSAGE, "new_chat_members": [WANG]}),
    )
    by_link = event(4, chat_member=told(LI))
    assert _links_first([text, li, wang, by_link]) == [text, wang, by_link, li]
    assert _links_first([text, by_link, li]) == [text, by_link, li]
    assert _links_first([li, text]) == [li, text]
    assert _links_first([event(5, message={"new_chat_members": "?"}), by_link])[0].event_id == "update:5"
