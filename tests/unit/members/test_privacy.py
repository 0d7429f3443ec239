"""Personal data: sealed, exported whole, erased everywhere, kept no longer than the settings say."""

import base64
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from shequn_sdk import AsyncShequn, Community, Content
from shequn_sdk.domain import InteractionBatch
from shequn_sdk.errors import ConfigError, StoreBusy, UnknownName
from shequn_sdk.journeys.templates import template
from shequn_sdk.listening.texts import digest_of, with_texts
from shequn_sdk.members.fields import HIDDEN, FieldKind, FieldSpec
from shequn_sdk.members.privacy import PARTS, parts
from shequn_sdk.members.sealing import Sealer
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.settings import load_settings
from shequn_sdk.stores.tables.delivery import delivery
from shequn_sdk.stores.tables.profiles import erasure, profile_field

from .conftest import START, Club

OLD = "old:" + base64.b64encode(b"a" * 32).decode()
NEW = "new:" + base64.b64encode(b"b" * 32).decode()
PHONE = "138 0013 8000"


def open_club(home, clock, key="", more=""):
    home.mkdir(exist_ok=True)
    lines = f"[privacy]\n{more}\n"
    if key:
        lines += f'contact_key = "{key}"\n'
    (home / "shequn.toml").write_text(lines + '[communities.club]\ntitle = "读书会"\n', encoding="utf-8")
    return AsyncShequn.open(home=home, clock=clock)


def test_every_part_has_both_functions():
    found = dict(parts())
    assert len(found) == len(PARTS)
    assert PARTS[-1] == "shequn_sdk.members._privacy", "the identities go last"
    for part in found.values():
        assert callable(part.export_rows)
        assert callable(part.erase_rows)


async def test_contacts_are_sealed_hidden_and_opened_on_request(tmp_path, clock, caplog):
    caplog.set_level(logging.DEBUG)
    async with open_club(tmp_path, clock, OLD) as sq:
        club = Club(sq, clock)
        await club.act("tg:1")
        await club.act("dc:1")
        await sq.members.declare_field(FieldSpec(name="phone", kind=FieldKind.PHONE))
        await sq.members.set_fields("tg:1", {"phone": PHONE})
        await sq.members.set_fields("dc:1", {"phone": "+86 13800138000"})
        assert (await sq.members.get("tg:1")).fields == {"phone": HIDDEN}
        assert (await sq.members.get("tg:1", contacts=True)).fields == {"phone": "+8613800138000"}
        [pair] = await sq.members.suggest_merges()
        assert pair.score == 0.95 or pair.score > 0.95
        assert "same phone number or address" in pair.reasons
        store = await sq._workspace.store()
        kept = await store.read(lambda conn: conn.execute(select(profile_field)).all())
        assert "1380013" not in str(kept)
        assert OLD[4:] not in repr(sq.settings)
        assert OLD[4:] not in repr(sq.members._sealer())
    assert b"13800138000" not in b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert "13800138000" not in caplog.text
    assert OLD[4:] not in caplog.text


async def test_wrong_missing_and_rotated_keys(tmp_path, clock):
    async with open_club(tmp_path, clock, OLD) as sq:
        await Club(sq, clock).act("tg:1")
        await sq.members.declare_field(FieldSpec(name="mail", kind=FieldKind.EMAIL))
        await sq.members.set_fields("tg:1", {"mail": "Lin@Example.com"})
    async with open_club(tmp_path, clock) as sq:
        with pytest.raises(ConfigError, match="SHEQUN_CONTACT_KEY"):
            await sq.members.get("tg:1", contacts=True)
        with pytest.raises(ConfigError, match="SHEQUN_CONTACT_KEY"):
            await sq.members.set_fields("tg:1", {"mail": "x@y.z"})
        with pytest.raises(ConfigError, match="SHEQUN_CONTACT_KEY"):
            await sq.members.declare_field(FieldSpec(name="phone", kind=FieldKind.PHONE))
    wrong = "old:" + base64.b64encode(b"c" * 32).decode()
    async with open_club(tmp_path, clock, wrong) as sq:
        with pytest.raises(ConfigError, match="not the one"):
            await sq.members.get("tg:1", contacts=True)
    async with open_club(tmp_path, clock, f"{NEW},{OLD}") as sq:
        assert await sq.members.rotate_key() == 1
        assert await sq.members.rotate_key() == 0
    async with open_club(tmp_path, clock, NEW) as sq:
        assert (await sq.members.get("tg:1", contacts=True)).fields == {"mail": "lin@example.com"}
    async with open_club(tmp_path, clock, OLD) as sq:
        with pytest.raises(ConfigError, match="'new'"):
            await sq.members.get("tg:1", contacts=True)


@pytest.mark.parametrize(
    "key", ["x", "a:b", "a:" + base64.b64encode(b"a" * 31).decode(), f"{OLD},{OLD}", ":"]
)
def test_malformed_keys_are_refused_without_showing_them(key):
    with pytest.raises(ConfigError) as caught:
        Sealer(SecretStr(key))
    assert len(key) < 10 or key[2:] not in str(caught.value)


def test_a_sealed_value_fits_its_own_row_only():
    sealer = Sealer(SecretStr(OLD))
    sealed = sealer.seal("secret", context="phone:1")
    assert sealer.open(sealed, context="phone:1") == "secret"
    assert sealer.seal("secret", context="phone:1") != sealed
    with pytest.raises(ConfigError):
        sealer.open(sealed, context="phone:2")
    assert (
        sealer.blind("a", kind="phone") == sealer.blind("a", kind="phone") != sealer.blind("a", kind="email")
    )


def test_the_key_comes_from_the_environment(tmp_path):
    assert load_settings(tmp_path, environ={}).privacy.store_text == "none"
    found = load_settings(tmp_path, environ={"SHEQUN_CONTACT_KEY": OLD}).privacy
    assert found.contact_key.get_secret_value() == OLD
    (tmp_path / "shequn.toml").write_text(
        '[privacy]\ncontact_key = "env:MINE"\nraw_days = 3\n', encoding="utf-8"
    )
    found = load_settings(tmp_path, environ={"MINE": NEW}).privacy
    assert (found.contact_key.get_secret_value(), found.raw_days) == (NEW, 3)
    with pytest.raises(ConfigError, match="MINE"):
        load_settings(tmp_path, environ={})
    (tmp_path / "shequn.toml").write_text('[privacy]\nstore_text = "some"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="store_text"):
        load_settings(tmp_path, environ={})


async def test_export_holds_everything_and_erase_leaves_nothing(tmp_path, clock):
    async with open_club(tmp_path, clock, OLD) as sq:
        club = Club(sq, clock)
        for member in ("tg:1", "dc:77001", "tg:2"):
            await club.act(member, "join", name="小满" if member != "tg:2" else "other")
        await sq.members.merge("tg:1", "dc:77001", reason="r", actor="a")
        await sq.members.declare_field(FieldSpec(name="phone", kind=FieldKind.PHONE))
        await sq.members.set_fields("tg:1", {"phone": PHONE})
        await sq.members.tag("tg:1", "gold", actor="a")
        await sq.members.set_consent("tg:1", "marketing", allowed=True, source="form")
        await sq.journeys.save(template("newcomer-week"))
        await sq.journeys.enrol("newcomer-week", "tg:1")
        await club.act("tg:2", target="1", text="hi", name="other")
        await sq.collect()
        document = await sq.members.export("dc:77001")
        assert document == json.loads(json.dumps(document))
        assert sorted(document["members"]) == ["dc:77001", "tg:1"]
        assert document["person"]["fields"] == {"phone": "+8613800138000"}
        assert {"membership", "member_tag", "consent"} <= set(document["rooms"]["members"])
        assert len(document["rooms"]["journeys"]["journey_run"]) == 1
        assert {event["kind"] for event in document["events"]} == {"join"}
        assert "other" not in json.dumps(document, ensure_ascii=False)

        erased = await sq.members.erase("tg:1", actor="lin")
        assert sorted(str(one) for one in erased.members) == ["dc:77001", "tg:1"]
        assert erased.events == 2
        assert {"members", "journeys"} <= set(erased.rows)
        for member in ("tg:1", "dc:77001"):
            with pytest.raises(UnknownName):
                await sq.members.get(member)
        assert (await sq.members.get("tg:2")).name == "other"
        store = await sq._workspace.store()
        [row] = await store.read(lambda conn: conn.execute(select(erasure)).all())
        assert (row.refs, row.identities, row.done_at is not None, row.actor) == ("[]", "[]", True, "lin")
        events = await sq._workspace.events()
        assert await events.query(lambda s: s.rows("select native_id from members order by 1")[1]) == [("2",)]
        assert await sq.segments.count(template("festivals").only) == 1

        def everywhere(conn):
            tables = [
                name
                for (name,) in conn.exec_driver_sql("select name from sqlite_master where type = 'table'")
            ]
            return {name: str(conn.exec_driver_sql(f'select * from "{name}"').all()) for name in tables}

        for name, rows in (await store.read(everywhere)).items():
            assert "77001" not in rows, name
            assert "小满" not in rows, name


async def test_what_was_said_to_a_member_is_emptied_in_the_ledger(tmp_path, clock):
    from shequn_sdk.platforms.discovery import load_plugins
    from shequn_sdk.testing.sandbox.server import SandboxServer

    plugins = load_plugins(only=["telegram"])
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock) as server:
        channel = server["telegram"].create_channel("club")
        account = server.account("telegram", name="bot")
        async with AsyncShequn.open(
            home=tmp_path,
            accounts=[account],
            communities=[Community(name="club")],
            plugins=plugins,
            clock=clock,
        ) as sq:
            await Club(sq, clock).act("telegram:5550001", name="小满")
            await Club(sq, clock).act("telegram:2", name="other", id="e9")
            for member in ("5550001", "2"):
                [receipt] = await sq.publish(
                    Content(text=f"[小满](member:telegram:{member}) hello"), to=[f"bot:{channel}"]
                )
                assert receipt.landed
            document = await sq.members.export("telegram:5550001")
            assert [row["text"] for row in document["rooms"]["members"]["delivery"]] == ["小满 hello"]
            await sq.members.erase("telegram:5550001", actor="lin")
            store = await sq._workspace.store()
            rows = await store.read(
                lambda conn: conn.execute(select(delivery.c.text, delivery.c.piece)).all()
            )
            assert [row.text for row in rows] == ["", "小满 hello"]
            assert "5550001" not in str(rows)
            assert len(await sq.deliveries.list()) == 2, "the ledger still counts it"


async def test_an_erasure_that_was_cut_off_is_finished_by_the_sweep(tmp_path, clock, monkeypatch):
    async with open_club(tmp_path, clock) as sq:
        club = Club(sq, clock)
        await club.act("tg:1")
        await sq.collect()
        events = await sq._workspace.events()
        forget = events.forget

        async def busy(ref):
            raise StoreBusy("held by another process")

        monkeypatch.setattr(events, "forget", busy)
        with pytest.raises(StoreBusy):
            await sq.members.erase("tg:1", actor="lin")
        assert (await sq.members.get("tg:1")).number
        monkeypatch.setattr(events, "forget", forget)
        swept = await sq.members.sweep()
        assert swept.unfinished == 1
        with pytest.raises(UnknownName):
            await sq.members.get("tg:1")


async def test_the_inactive_are_erased_after_their_time(tmp_path, clock):
    async with open_club(tmp_path, clock, more="inactive_days = 60") as sq:
        club = Club(sq, clock)
        await club.act("tg:1")
        await club.act("tg:2")
        await club.act("dc:1")
        await sq.members.merge("tg:2", "dc:1", reason="r", actor="a")
        clock.advance(timedelta(days=40))
        await club.act("dc:1")
        await sq.collect()
        assert (await sq.members.sweep()).members == 0
        clock.advance(timedelta(days=30))
        assert (await sq.members.sweep()).members == 1
        with pytest.raises(UnknownName):
            await sq.members.get("tg:1")
        assert (await sq.members.get("tg:2")).number, "the person was active with another account"


@pytest.mark.parametrize("keep", ["none", "hash", "full"])
async def test_as_much_text_is_kept_as_the_settings_say(tmp_path, clock, keep):
    clock = ManualClock(datetime(2026, 1, 15, tzinfo=UTC))
    async with open_club(tmp_path, clock, more=f'store_text = "{keep}"\ntext_days = 10') as sq:
        club = Club(sq, clock)
        await club.act("tg:1", text="今天走了 一万步?")
        clock.move_to(START)
        await club.act("tg:1", text="今晚八点")
        await sq.collect()
        events = await sq._workspace.events()

        async def texts():
            attrs = await events.query(lambda s: s.rows("select attrs from event_log order by ts")[1])
            return [json.loads(row[0] or "{}") for row in attrs]

        words = ["今天走了 一万步?", "今晚八点"]
        expected = {
            "none": [{}, {}],
            "hash": [{"text_hash": digest_of(one)} for one in words],
            "full": [{"text": one} for one in words],
        }[keep]
        assert await texts() == expected
        questions = await events.query(lambda s: s.rows("select count(*) from events where is_question")[1])
        assert questions == [(1,)], "what metrics need is known whatever is kept"
        await events.archive(before=START.date())
        swept = await sq.members.sweep()
        assert swept.texts == (0 if keep == "none" else 1)
        assert await texts() == [{}, expected[1]], "in archives as well"
        assert b"\xe4\xb8\x80\xe4\xb8\x87\xe6\xad\xa5" not in b"".join(
            path.read_bytes() for path in tmp_path.glob("events.duckdb*") if path.is_file()
        )


async def test_raw_events_are_dropped_after_their_time(tmp_path, clock):
    async with open_club(tmp_path, clock, more="raw_days = 2") as sq:
        await Club(sq, clock).act("tg:1")
        await sq.collect()
        clock.advance(timedelta(days=1))
        assert (await sq.members.sweep()).raw_events == 0
        inbox = await sq._workspace.inbox()
        assert (await inbox.stats()).events == 1
        clock.advance(timedelta(days=3))
        await sq.deliver_due()
        assert (await inbox.stats()).events == 0, "the sweep is a schedule where the settings name a period"
        assert (await sq.members.sweep()).raw_events == 0
        [sweep] = [one for one in await sq.schedules.list() if one.handler == "shequn.members.sweep"]
        assert sweep.next_due is not None


def test_digests_are_of_the_words_not_of_their_form():
    assert digest_of("Ｆｒｅｅ  Gift") == digest_of("free gift") != digest_of("freegift")
    batch = InteractionBatch(platform="p")
    batch.append(id="1", kind="message", occurred_at=1, text="x", attrs='{"a": 1}')
    batch.append(id="2", kind="join", occurred_at=1)
    assert json.loads(with_texts(batch, "full").attrs[0]) == {"a": 1, "text": "x"}
    assert with_texts(batch, "full").attrs[1] == ""
    assert with_texts(batch, "none") is batch
