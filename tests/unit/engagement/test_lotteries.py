"""Lotteries: nobody wins who has not entered, nobody wins twice, and everybody can repeat the draw."""

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import InvalidInput
from shequn_sdk.engagement.draw import (
    Certificate,
    commitment,
    digest,
    draw_order,
    entrant_code,
    entry_list,
    read_certificate,
    verify,
)
from shequn_sdk.engagement.lotteries import Eligibility, Prize
from shequn_sdk.errors import UnknownName

SCRIPT = Path(__file__).parents[3] / "examples" / "verify_lottery.py"
entries = st.dictionaries(
    st.text("0123456789abcdef", min_size=1, max_size=16), st.integers(1, 50), max_size=30
)
seeds = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(entries, seeds, st.integers(0, 40), st.text(max_size=8))
def test_a_draw_takes_entrants_only_and_each_once(pool, seed, count, public):
    order = draw_order(pool, seed=seed, statement="s", public=public, count=count)
    assert len(order) == min(count, len(pool))
    assert len(set(order)) == len(order)
    assert set(order) <= set(pool)
    # a longer draw begins with the shorter one: replacements go on where it ended
    assert draw_order(pool, seed=seed, statement="s", public=public, count=count + 3)[: len(order)] == order
    # the order in which entrants are given does not matter
    assert (
        draw_order(dict(reversed(pool.items())), seed=seed, statement="s", public=public, count=count)
        == order
    )


def test_chances_follow_the_weights():
    """Chi-squared over 6,000 seeds; the bound is passed by chance once in ten million."""
    pool = {"a": 1, "b": 2, "c": 3, "d": 4}
    won = Counter(
        draw_order(pool, seed=digest(str(number)), statement="s", count=1)[0] for number in range(6000)
    )
    expected = {code: 6000 * weight / 10 for code, weight in pool.items()}
    chi = sum((won[code] - wanted) ** 2 / wanted for code, wanted in expected.items())
    assert chi < 35.0


def test_numbers_beyond_the_last_whole_multiple_are_thrown_away(monkeypatch):
    from shequn_sdk.engagement import draw

    total = 3
    beyond = (1 << 64) - (1 << 64) % total
    monkeypatch.setattr(draw, "_numbers", lambda *_: iter([beyond, (1 << 64) - 1, 1]))
    assert draw_order({"a": 1, "b": 1, "c": 1}, seed="00", statement="", count=1) == ["b"]


def test_wrong_weights_are_refused():
    with pytest.raises(InvalidInput, match="at least 1"):
        draw_order({"a": 0}, seed="00" * 32, statement="", count=1)


PRIZES = (Prize(name="瑜伽垫", count=2), Prize(name="毛巾"))


async def drawn(scene, prizes=PRIZES, people=8, **more):
    lottery = await scene.sq.lotteries.open(
        "春日抽奖", prizes=prizes, to=scene.to, closes=timedelta(hours=1), **more
    )
    for number in range(people):
        await scene.says(f"{'telegram' if number % 2 else 'discord'}:{number}", "抽奖")
    await scene.pass_time(timedelta(hours=1))
    return lottery, await scene.sq.lotteries.get_result(lottery.id)


def run_script(certificate: Certificate, tmp_path, *members):
    path = tmp_path / "certificate.json"
    path.write_text(certificate.model_dump_json(), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), str(path), *members], capture_output=True, text=True
    )


def test_the_script_stands_alone():
    text = SCRIPT.read_text(encoding="utf-8")
    assert "shequn" not in text.replace("shequn-lottery", "")
    assert len(text.splitlines()) < 60


async def test_a_lottery_from_the_first_post_to_the_certificate(scene, tmp_path):
    lottery, result = await drawn(scene)
    first, closed, said = scene.said("telegram")
    certificate = await scene.sq.lotteries.get_certificate(lottery.id)
    assert certificate.statement["commitment"] in first
    assert certificate.statement_sha256 in first
    assert certificate.seed not in first + closed
    assert certificate.entries_sha256 in closed
    assert certificate.seed in said
    assert result.state == "drawn"
    assert [one.prize for one in result.winners] == ["瑜伽垫", "瑜伽垫", "毛巾"]
    assert len({one.member for one in result.winners}) == 3
    assert all(one.name in said for one in result.winners)
    assert verify(certificate).ok
    done = run_script(certificate, tmp_path, "telegram:1", "telegram:99")
    assert done.returncode == 0, done.stderr
    assert "8 entries" in done.stdout
    assert "telegram:1 is on the list" in done.stdout
    assert "telegram:99 is NOT on the list" in done.stdout
    # drawing and closing again change nothing
    assert await scene.sq.lotteries.draw(lottery.id) == result
    assert await scene.sq.lotteries.close(lottery.id) == result
    assert len(scene.said("telegram")) == 3


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("seed", "11" * 32),
        ("statement_sha256", "0" * 64),
        ("entries_sha256", "0" * 64),
        ("unawarded", 1),
        ("public_randomness", "x"),
        ("statement.slots", ["车"] * 3),
        ("draws.0.code", "swap"),
        ("draws.0.prize", "车"),
        ("draws.0.slot", 2),
        ("entries.0.1", 7),
        ("entries.0.1", 0),
    ],
)
async def test_whatever_is_changed_is_seen(scene, tmp_path, where, value):
    lottery, _ = await drawn(scene, people=5)
    data = json.loads((await scene.sq.lotteries.get_certificate(lottery.id)).model_dump_json())
    node = data
    *path, last = [int(part) if part.isdigit() else part for part in where.split(".")]
    for part in path:
        node = node[part]
    node[last] = data["draws"][1]["code"] if value == "swap" else value
    certificate = read_certificate(json.dumps(data))
    assert not verify(certificate).ok
    assert run_script(certificate, tmp_path).returncode != 0


async def test_fewer_entrants_than_prizes(scene, tmp_path):
    lottery, result = await drawn(scene, people=2)
    assert (len(result.winners), result.unawarded) == (2, 1)
    assert "1 份奖品未送出" in scene.said("discord")[-1]
    certificate = await scene.sq.lotteries.get_certificate(lottery.id)
    assert verify(certificate).ok
    assert run_script(certificate, tmp_path).returncode == 0
    # nobody is left to replace with
    result = await scene.sq.lotteries.redraw(lottery.id, position=1, reason="放弃")
    assert (result.unawarded, result.winners[0].replaced) == (2, True)
    assert verify(await scene.sq.lotteries.get_certificate(lottery.id)).ok


async def test_nobody_entered(scene, tmp_path):
    lottery, result = await drawn(scene, people=0)
    assert (result.winners, result.unawarded) == ((), 3)
    certificate = await scene.sq.lotteries.get_certificate(lottery.id)
    assert verify(certificate).ok
    assert run_script(certificate, tmp_path).returncode == 0


async def test_replacements_leave_out_who_was_drawn(scene, tmp_path):
    lottery, result = await drawn(scene)
    before = {one.member for one in result.winners}
    result = await scene.sq.lotteries.redraw(lottery.id, position=2, reason="联系不上")
    new = result.winners[-1]
    assert new.member not in before
    assert new.prize == "瑜伽垫"
    assert result.winners[1].reason == "联系不上"
    await scene.sq.drain()
    assert new.name in scene.said("telegram")[-1]
    result = await scene.sq.lotteries.redraw(lottery.id, position=new.position, reason="放弃")
    assert result.winners[-1].member not in before | {new.member}
    certificate = await scene.sq.lotteries.get_certificate(lottery.id)
    assert verify(certificate).ok
    assert run_script(certificate, tmp_path).returncode == 0
    for position in (2, 99):
        with pytest.raises(InvalidInput, match="nobody holds"):
            await scene.sq.lotteries.redraw(lottery.id, position=position, reason="")


async def test_public_randomness(scene):
    lottery, result = await drawn(scene, randomness="第 900000 个比特币区块的哈希")
    assert result.state == "waiting"
    assert "等待公开随机数" in scene.said("telegram")[-1]
    with pytest.raises(InvalidInput, match="stays secret"):
        await scene.sq.lotteries.get_certificate(lottery.id)
    with pytest.raises(InvalidInput, match="give public="):
        await scene.sq.lotteries.draw(lottery.id)
    result = await scene.sq.lotteries.draw(lottery.id, public="0000abc")
    assert result.state == "drawn"
    assert verify(await scene.sq.lotteries.get_certificate(lottery.id)).ok
    other = await scene.sq.lotteries.open("x", prizes=[Prize(name="y")], to=scene.to, closes=timedelta(1))
    with pytest.raises(InvalidInput, match="close it before"):
        await scene.sq.lotteries.draw(other.id, public="x")


async def test_one_person_has_one_entry(scene):
    lottery = await scene.sq.lotteries.open(
        "抽奖", prizes=[Prize(name="书")], to=scene.to, closes=timedelta(hours=1), ways=("word", "reaction")
    )
    post = next(one.message for one in lottery.places if one.channel.account == "telegram")
    for _ in range(100):  # the same member a hundred times
        await scene.hear(scene.event("telegram:1", text="抽奖"))
    await scene.hear(
        scene.event("telegram:1", "reaction", message=post, attrs={"emoji": "🎉"}),
        scene.event("telegram:2", "reaction", message=post, attrs={"emoji": "🎉"}),
        scene.event("telegram:3", "reaction", message="other", attrs={"emoji": "🎉"}),
        scene.event("discord:1", text="/抽奖"),
        scene.event("discord:5", text="抽奖好玩吗"),
        scene.event("discord:6", text="抽奖", is_bot=True),
        scene.event("discord:4", text="抽奖", at=scene.clock.now() + timedelta(hours=1)),
    )
    await scene.merge("telegram:1", "discord:1")
    result = await scene.sq.lotteries.close(lottery.id)
    assert result.entrants == 2
    await scene.merge("telegram:1", "telegram:2")
    assert (await scene.sq.lotteries.get_result(lottery.id)).entrants == 2
    codes = {code for code, _ in (await scene.sq.lotteries.get_certificate(lottery.id)).entries}
    assert codes == {entrant_code(lottery.id, one) for one in ("discord:1", "telegram:2")}


async def test_conditions(scene):
    first, result = await drawn(scene, people=3)
    winners = {one.member for one in result.winners}
    since = scene.clock.now() - timedelta(days=30)
    again, result = await drawn(scene, people=5, eligibility=Eligibility(no_winners_since=since))
    assert not winners & {one.member for one in result.winners}
    assert result.excluded == {"won before": 3}
    assert "未中过奖" in scene.said("telegram")[3]
    _, result = await drawn(scene, people=2, eligibility=Eligibility(check_ins=1))
    assert result.excluded == {"too few check-ins": 2}
    await scene.hear(scene.event("telegram:1", "join"), scene.event("discord:0", "join"))
    _, result = await drawn(scene, people=2, eligibility=Eligibility(joined_before=since))
    assert result.excluded == {"joined too late": 2}
    del first, again


async def test_bad_input(scene):
    with pytest.raises(InvalidInput, match="needs prizes"):
        await scene.sq.lotteries.open("x", prizes=[], to=scene.to, closes=timedelta(1))
    with pytest.raises(InvalidInput, match="needs prizes"):
        await scene.sq.lotteries.open("x", prizes=[Prize(name="y")], to=scene.to, closes=None)
    with pytest.raises(UnknownName):
        await scene.sq.lotteries.get_result("none")
    opened = await scene.sq.lotteries.open("x", prizes=[Prize(name="y")], to=scene.to, closes=timedelta(1))
    await scene.sq.lotteries.enter(opened.id, "telegram:5")
    assert (await scene.sq.lotteries.enter(opened.id, "telegram:5")).entrants == 1
    await scene.sq.lotteries.cancel(opened.id)
    assert (await scene.sq.lotteries.get_result(opened.id)).state == "cancelled"
    with pytest.raises(InvalidInput, match="cancelled"):
        await scene.sq.lotteries.close(opened.id)
    with pytest.raises(InvalidInput, match="no certificate"):
        read_certificate("{}")
    with pytest.raises(InvalidInput, match="16 MiB"):
        read_certificate(b" " * (17 * 1024 * 1024))


async def test_the_seed_is_never_shown_before_the_draw(scene, caplog):
    from shequn_sdk.engagement._rows import find

    opened = await scene.sq.lotteries.open(
        "x", prizes=[Prize(name="y")], to=scene.to, closes=timedelta(1), idempotency_key="k"
    )
    store = await scene.sq._workspace.store()
    row = await store.read(lambda conn: find(conn, opened.id))
    assert len(row.secret) == 64
    assert row.secret not in repr(row) + repr(opened) + repr(await scene.sq.lotteries.get_result(opened.id))
    assert commitment(row.secret) in scene.said("telegram")[0]
    assert entry_list({}) == ""
    same = await scene.sq.lotteries.open(
        "x", prizes=[Prize(name="y")], to=scene.to, closes=timedelta(1), idempotency_key="k"
    )
    assert same == opened
    assert row.secret not in caplog.text
