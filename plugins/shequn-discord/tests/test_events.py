"""Reading of events: every sample, every mapped type, unknown and broken input."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_discord import wire
from shequn_discord.events import KNOWN, EventParser
from shequn_sdk.domain import Interaction, InteractionKind
from shequn_sdk.errors import InvalidInput
from shequn_sdk.platforms.ports import RawEvent
from shequn_sdk.scheduling.clock import ManualClock

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 6, 21, 12, tzinfo=UTC)
PARSER = EventParser(account="club", own="99", clock=ManualClock(NOW), guild_channels={"12": "1200"})
K = InteractionKind
USER = {"id": "55", "username": "li", "global_name": "Li"}
MESSAGE = {
    "id": "1300000000000000099",
    "channel_id": "20",
    "guild_id": "10",
    "author": USER,
    "content": "你好",
    "timestamp": "2026-06-21T12:00:00.123000+00:00",
    "type": 0,
}


def frame(kind, data, *, seq=7, event_id="s:7"):
    payload = json.dumps({"t": kind, "s": seq, "op": 0, "d": data}, ensure_ascii=False).encode()
    return RawEvent(event_id, payload, {"received_at": "2026-06-21T12:00:01+00:00"})


def one(kind, data):
    parsed = PARSER.parse(frame(kind, data))
    assert parsed.known
    assert parsed.kind == kind
    assert len(parsed.interactions) == 1
    check_validated(parsed.interactions[0])
    return parsed.interactions[0]


def check_validated(found):
    """What the parser assembles is what full validation gives."""
    again = Interaction.model_validate(found.model_dump())
    assert again == found
    assert Interaction.model_validate_json(found.model_dump_json()) == found
    for name in Interaction.model_fields:
        assert type(getattr(again, name)) is type(getattr(found, name)), name


SHAPES = {
    "hikari__guild_text_channel": wire.Channel,
    "hikari__guild_forum_channel": wire.Channel,
    "hikari__guild_public_thread": wire.Channel,
    "hikari__member": wire.Member,
    "hikari__guild_member_ban": wire.Ban,
    "hikari__rest_guild": wire.Guild,
    "hikari__gateway_guild": wire.Guild,
    "hikari__invite": wire.InviteInfo,
    "hikari__scheduled": wire.ScheduledEvent,
    "hikari__incoming_webhook": wire.WebhookInfo,
    "hikari__poll": wire.PollInfo,
    "hikari__auto_mod_rule": wire.AutoModRule,
    "docs__auto-moderation": wire.AutoModRule,
    "docs__channel": wire.Channel,
    "docs__entitlement": wire.Entitlement,
    "docs__guild__example_guild_member": wire.Member,
    "docs__guild__example_guild": wire.Guild,
    "docs__guild__example_ban": wire.Ban,
    "docs__invite__example_invite_object": wire.InviteInfo,
    "docs__message__example_message": wire.Message,
    "docs__permissions__example_role": wire.Role,
    "docs__user__example_partial_guild": wire.Guild,
    "docs__webhook__example_incoming_webhook": wire.WebhookInfo,
}
EVENTS = {
    "docs__webhook-events__entitlement_create_example": K.ENTITLEMENT,
    "docs__application-commands__example_interaction": K.COMMAND,
    "docs__application-commands__example_interaction_2": K.COMMAND,
    "docs__application-commands__example_interaction_3": K.COMMAND,
}
GATEWAY = {"docs__gateway-events__example_identify", "docs__gateway-events__example_request_guild_members"}


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_decodes(path):
    body = path.read_bytes()
    kind = next(
        (k for name, k in sorted(SHAPES.items(), key=lambda i: -len(i[0])) if path.stem.startswith(name)),
        None,
    )
    if kind is not None:
        found = msgspec.json.decode(body, type=kind)
        assert json.loads(body)[found.__struct_fields__[0]] is not None
        return
    if path.stem in EVENTS:
        parsed = PARSER.parse(RawEvent("sample", body))
        assert parsed.interactions[0].kind is EVENTS[path.stem]
        check_validated(parsed.interactions[0])
        return
    if path.stem in GATEWAY:
        assert PARSER.parse(RawEvent("sample", body)).known is False
        return
    if "error" in path.stem:
        from shequn_discord.errors import error_for
        from shequn_sdk.platforms.http import HttpResponse

        assert error_for(HttpResponse(400, {}, body, "discord", "x")) is not None
        return
    assert json.loads(body)  # answers of which nothing is read, commands and lists


def test_message():
    found = one("MESSAGE_CREATE", MESSAGE | {"mentions": [USER], "attachments": [{"id": "1"}], "position": 3})
    assert found.id == "message:1300000000000000099"
    assert (found.kind, found.member, found.member_name, found.text) == (K.MESSAGE, "55", "Li", "你好")
    assert found.occurred_at == datetime(2026, 6, 21, 12, 0, 0, 123000, tzinfo=UTC)
    assert (found.thread, found.account, found.platform) == ("20", "club", "discord")
    assert found.attrs == {"guild_id": "10", "mentions": ["55"], "attachments": 1}
    assert one("MESSAGE_CREATE", MESSAGE | {"member": {"nick": "小李"}}).member_name == "小李"


def test_reply_forward_and_service_messages():
    reference = {"type": 0, "message_id": "7", "channel_id": "20"}
    reply = one(
        "MESSAGE_CREATE",
        MESSAGE
        | {
            "type": 19,
            "message_reference": reference,
            "referenced_message": {"id": "7", "author": {"id": "8"}},
        },
    )
    assert (reply.kind, reply.parent, reply.target) == (K.MESSAGE, "7", "8")
    share = one(
        "MESSAGE_CREATE", MESSAGE | {"message_reference": reference | {"type": 1, "channel_id": "21"}}
    )
    assert (share.kind, share.parent, share.attrs["from_channel"]) == (K.SHARE, "7", "21")
    for kind in (6, 7, 8, 18, 46, 999):
        assert PARSER.parse(frame("MESSAGE_CREATE", MESSAGE | {"type": kind})).interactions == []
    bought = one("MESSAGE_CREATE", MESSAGE | {"type": 25, "role_subscription_data": {"tier_name": "金"}})
    assert (bought.kind, bought.attrs["tier"], bought.value) == (K.PURCHASE, "金", None)


def test_own_doings_are_left_out():
    assert (
        PARSER.parse(
            frame("MESSAGE_CREATE", MESSAGE | {"author": {"id": "99", "username": "me"}})
        ).interactions
        == []
    )
    reaction = {"user_id": "99", "channel_id": "1", "message_id": "2", "emoji": {"name": "🔥", "id": None}}
    assert PARSER.parse(frame("MESSAGE_REACTION_ADD", reaction)).interactions == []


def test_edits_and_deletions():
    edit = one(
        "MESSAGE_UPDATE", MESSAGE | {"edited_timestamp": "2026-06-21T12:05:00+00:00", "content": "neu"}
    )
    assert (edit.kind, edit.text) == (K.EDIT, "neu")
    assert PARSER.parse(frame("MESSAGE_UPDATE", MESSAGE)).interactions == []  # only its preview came
    gone = one("MESSAGE_DELETE", {"id": "5", "channel_id": "20", "guild_id": "10"})
    assert (gone.kind, gone.target, gone.attrs["retracts"]) == (K.RETRACT, "5", "message")
    assert gone.occurred_at == datetime(2026, 6, 21, 12, 0, 1, tzinfo=UTC)
    many = PARSER.parse(frame("MESSAGE_DELETE_BULK", {"ids": ["1", "2"], "channel_id": "20"})).interactions
    assert [item.target for item in many] == ["1", "2"]


def test_reactions_and_votes():
    reaction = {
        "user_id": "55",
        "channel_id": "20",
        "message_id": "5",
        "guild_id": "10",
        "message_author_id": "8",
        "emoji": {"id": "77", "name": "party"},
        "member": {"user": USER, "roles": []},
    }
    added = one("MESSAGE_REACTION_ADD", reaction)
    assert (added.kind, added.text, added.target, added.member_name) == (K.REACTION, "party:77", "8", "Li")
    removed = one("MESSAGE_REACTION_REMOVE", reaction)
    assert (removed.kind, removed.target, removed.attrs["retracts"]) == (K.RETRACT, "5", "reaction")
    assert added.attrs["emoji"] == removed.attrs["emoji"] == "party:77"
    cleared = one("MESSAGE_REACTION_REMOVE_ALL", {"channel_id": "20", "message_id": "5"})
    assert cleared.attrs["everyone"] is True
    assert (
        one(
            "MESSAGE_REACTION_REMOVE_EMOJI", {"channel_id": "2", "message_id": "5", "emoji": {"name": "🔥"}}
        ).text
        == "🔥"
    )
    vote = {"user_id": "55", "channel_id": "20", "message_id": "5", "answer_id": 2}
    assert one("MESSAGE_POLL_VOTE_ADD", vote).attrs["choice"] == 1
    assert one("MESSAGE_POLL_VOTE_REMOVE", vote).kind is K.RETRACT


def test_members():
    add = {
        "guild_id": "12",
        "user": USER,
        "joined_at": "2026-06-21T12:01:00+00:00",
        "nick": "小李",
        "pending": True,
    }
    joined = one("GUILD_MEMBER_ADD", add)
    assert (joined.kind, joined.channel, joined.member_name) == (K.JOIN, "1200", "小李")
    assert joined.attrs == {"pending": True, "guild_id": "12"}
    left = one("GUILD_MEMBER_REMOVE", {"guild_id": "10", "user": USER})
    assert (left.kind, left.channel, left.member) == (K.LEAVE, "10", "55")
    banned = one("GUILD_BAN_ADD", {"guild_id": "10", "user": USER})
    assert (banned.kind, banned.target, banned.attrs["action"]) == (K.MODERATION, "55", "ban")
    assert one("GUILD_BAN_REMOVE", {"guild_id": "10", "user": USER}).attrs["action"] == "unban"


def test_audit_log():
    entry = {"id": "1300000000000000001", "guild_id": "10", "user_id": "3", "target_id": "55"}
    kicked = one("GUILD_AUDIT_LOG_ENTRY_CREATE", entry | {"action_type": 20, "reason": "spam"})
    assert (kicked.kind, kicked.target, kicked.attrs["by"], kicked.attrs["reason"]) == (
        K.MODERATION,
        "55",
        "3",
        "spam",
    )
    changes = [{"key": "$add", "new_value": [{"id": "9", "name": "vip"}]}]
    role = one("GUILD_AUDIT_LOG_ENTRY_CREATE", entry | {"action_type": 25, "changes": changes})
    assert (role.kind, role.attrs["added"]) == (K.ROLE_CHANGED, ["9"])
    timeout = [{"key": "communication_disabled_until", "new_value": "2026-06-22T00:00:00+00:00"}]
    assert (
        one("GUILD_AUDIT_LOG_ENTRY_CREATE", entry | {"action_type": 24, "changes": timeout}).kind
        is K.MODERATION
    )
    for action, changes in ((24, [{"key": "nick"}]), (22, []), (9999, [])):
        body = entry | {"action_type": action, "changes": changes}
        assert PARSER.parse(frame("GUILD_AUDIT_LOG_ENTRY_CREATE", body)).interactions == []


def test_server_life():
    invite = {"code": "aB3dE", "channel_id": "20", "guild_id": "10", "inviter": USER}
    assert one("INVITE_CREATE", invite).attrs["invite"] == "aB3dE"
    assert one("INVITE_DELETE", invite).attrs["event"] == "invite_delete"
    interest = {"guild_scheduled_event_id": "6", "user_id": "55", "guild_id": "10"}
    assert one("GUILD_SCHEDULED_EVENT_USER_ADD", interest).attrs["scheduled_event_id"] == "6"
    assert one("GUILD_SCHEDULED_EVENT_USER_REMOVE", interest).kind is K.RETRACT
    thread = {
        "id": "1300000000000000200",
        "parent_id": "20",
        "guild_id": "10",
        "owner_id": "55",
        "name": "Faden",
    }
    assert one("THREAD_CREATE", thread | {"newly_created": True}).thread == "1300000000000000200"
    assert PARSER.parse(frame("THREAD_CREATE", thread)).interactions == []
    automod = {"guild_id": "10", "user_id": "55", "rule_id": "4", "action": {"type": 1}, "content": "x"}
    assert one("AUTO_MODERATION_ACTION_EXECUTION", automod).target == "55"


def test_interactions_and_entitlements():
    call = {"id": "1300000000000000300", "application_id": "9", "token": "secret-token", "channel_id": "20"}
    data = {
        "name": "checkin",
        "options": [{"name": "day", "value": 3}, {"name": "sub", "options": [{"name": "x"}]}],
    }
    command = one("INTERACTION_CREATE", call | {"type": 2, "data": data, "member": {"user": USER}})
    assert (command.kind, command.text, command.attrs["options"]) == (K.COMMAND, "checkin", {"day": 3})
    assert "acknowledged" not in command.attrs
    button = one(
        "INTERACTION_CREATE",
        call | {"type": 3, "data": {"custom_id": "go"}, "message": {"id": "5"}, "user": USER},
    )
    assert (button.kind, button.text, button.message, button.member) == (K.BUTTON, "go", "5", "55")
    assert PARSER.parse(frame("INTERACTION_CREATE", call | {"type": 4})).interactions == []
    bought = {"id": "1300000000000000400", "sku_id": "1", "application_id": "9", "user_id": "55", "type": 8}
    parsed = PARSER.parse(frame("ENTITLEMENT_CREATE", bought))
    assert [item.kind for item in parsed.interactions] == [K.ENTITLEMENT, K.PURCHASE]
    assert all(item.value is None for item in parsed.interactions)
    assert len(PARSER.parse(frame("ENTITLEMENT_CREATE", bought | {"type": 4})).interactions) == 1
    assert one("ENTITLEMENT_UPDATE", bought | {"ends_at": "2026-07-01T00:00:00+00:00"}).kind is K.ENTITLEMENT
    assert one("ENTITLEMENT_DELETE", bought).kind is K.RETRACT


def test_unknown_types_are_kept():
    parsed = PARSER.parse(frame("SOMETHING_NEW_IN_2027", {"a": 1}))
    assert (parsed.kind, parsed.known, tuple(parsed.interactions)) == ("SOMETHING_NEW_IN_2027", False, ())
    assert PARSER.parse(frame("GUILD_UPDATE", {"id": "1"})).known
    assert {"MESSAGE_CREATE", "GUILD_CREATE"} <= KNOWN


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"t":"MESSAGE_CREATE","d":' + b"[" * 100_000,
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"t":"MESSAGE_CREATE","s":1,"op":0,"d":{"id":"1"}}',
        b'{"t":"MESSAGE_CREATE","s":1,"op":0,"d":null}',
        b'{"t":"MESSAGE_CREATE","d":{"id":"x","channel_id":"1","author":{"id":"1"}}}',
    ],
)
def test_broken_payloads(payload):
    with pytest.raises(InvalidInput):
        PARSER.parse(RawEvent("x", payload))


def test_a_message_without_a_time_has_that_of_its_id():
    frame = b'{"t":"MESSAGE_CREATE","d":{"id":"1517888899999989760","channel_id":"1","author":{"id":"1"},"timestamp":"soon"}}'
    [found] = PARSER.parse(RawEvent("x", frame)).interactions
    assert found.occurred_at.year == 2026


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_noise_never_crashes(payload):
    try:
        parsed = PARSER.parse(RawEvent("x", payload))
    except InvalidInput:
        return
    assert not parsed.interactions


@given(st.text(max_size=2000))
def test_any_text_passes_unchanged(text):
    text = text.encode("utf-8", "ignore").decode()
    assert one("MESSAGE_CREATE", MESSAGE | {"content": text}).text == text


def test_only_pictures_among_the_files_are_named():
    files = [
        {"id": "1", "filename": "a.bin", "url": "https://cdn.discordapp.com/1", "content_type": "image/webp"},
        {"id": "2", "filename": "B.JPG", "url": "https://cdn.discordapp.com/2"},
        {"id": "3", "filename": "c.png", "url": "https://cdn.discordapp.com/3", "content_type": "text/html"},
        {"id": "4", "filename": "d.png", "url": "", "content_type": None},
    ]
    found = one("MESSAGE_CREATE", MESSAGE | {"attachments": files})
    assert found.attrs["attachments"] == 4
    assert found.attrs["pictures"] == ["https://cdn.discordapp.com/1", "https://cdn.discordapp.com/2"]
    assert "pictures" not in one("MESSAGE_CREATE", MESSAGE | {"attachments": files[2:]}).attrs
