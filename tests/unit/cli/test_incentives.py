"""The commands of points, rewards, tiers, polls and lotteries."""

import json

import anyio
import pytest
from typer.testing import CliRunner

from shequn_sdk import AsyncShequn
from shequn_sdk.cli._app import app
from shequn_sdk.engagement.draw import (
    Certificate,
    Drawn,
    commitment,
    digest,
    draw_order,
    entry_list,
    statement_digest,
)
from shequn_sdk.incentives.rewards import Reward
from shequn_sdk.incentives.tiers import Ladder, Tier


@pytest.fixture
def home(tmp_path):
    (tmp_path / "shequn.toml").write_text('[communities.club]\ntitle = "Club"\n', encoding="utf-8")
    return tmp_path


def run(home, *arguments, code=0):
    words = [*arguments] if "verify" in arguments else [*arguments, "--home", str(home)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == code, done.output
    return done


def found(home, *arguments):
    return json.loads(run(home, *arguments, "--json").stdout)


def test_points_rewards_and_tiers(home):
    for _ in range(2):
        run(home, "points", "award", "telegram:1", "50", "--key", "prize", "--note", "征文")
    shown = found(home, "points", "show", "telegram:1")
    assert (shown["balance"], shown["entries"][0]["note"]) == (50, "征文")
    assert found(home, "points")[0]["points"] == 50
    assert found(home, "points", "check")["ok"] is True
    assert found(home, "points", "signals") == []
    rules = home / "rules.json"
    rules.write_text('{"rules": [{"name": "talk", "kind": "message", "points": 1}]}', encoding="utf-8")
    run(home, "points", "rules", str(rules))
    assert found(home, "points", "rules")["rules"][0]["name"] == "talk"
    rules.write_text('{"rules": [{"name": "talk", "kind": "shouting", "points": 1}]}', encoding="utf-8")
    assert "rules.0.kind" in run(home, "points", "rules", str(rules), code=2).output

    async def set_up():
        async with AsyncShequn.open(home=home) as sq:
            await sq.rewards.offer(Reward(name="cup", title="杯", cost=30))
            await sq.rewards.redeem("cup", "telegram:1", idempotency_key="a")
            await sq.tiers.set_ladder(Ladder(tiers=(Tier(name="silver", title="银牌", at_least=40),)))

    anyio.run(set_up)
    assert found(home, "rewards")[0]["cost"] == 30
    (made,) = found(home, "rewards", "redemptions")
    assert made["state"] == "open"
    run(home, "rewards", "refund", str(made["id"]))
    assert found(home, "points", "show", "telegram:1")["balance"] == 50
    assert found(home, "tiers", "review")[0]["new"] == "silver"
    assert found(home, "tiers", "--tier", "silver")[0]["member"] == "telegram:1"
    run(home, "points", "--period", "year", code=2)
    run(home, "rewards", "refund", "99", code=2)


def test_empty_lists_and_wrong_words(home):
    for name in ("polls", "lottery", "check-ins", "questions", "gatherings"):
        assert found(home, name) == []
    assert found(home, "questions", "report") == []
    run(home, "polls", "--state", "half-open", code=2)
    assert "--choice" in run(home, "polls", "open", "几点", "--to", "a:1", code=2).output
    run(home, "lottery", "open", "x", "--prize", "a=b", "--to", "a:1", code=2)
    run(home, "lottery", "open", "x", "--prize", "a", "--to", "a:1", "--joined-before", "2026-03-01", code=2)
    for name in ("show", "draw", "certificate"):
        run(home, "lottery", name, "none", code=2)
    run(home, "polls", "show", "none", code=2)


def test_a_certificate_is_verified_offline(tmp_path):
    seed = "ab" * 32
    statement = {"id": "l1", "slots": ["书"], "randomness": "", "commitment": commitment(seed)}
    entries = {digest(f"l1|telegram:{n}")[:16]: 1 for n in range(5)}
    (winner,) = draw_order(entries, seed=seed, statement=statement_digest(statement), count=1)
    certificate = Certificate(
        statement=statement,
        statement_sha256=statement_digest(statement),
        entries=tuple(sorted(entries.items())),
        entries_sha256=digest(entry_list(entries)),
        seed=seed,
        draws=(Drawn(position=1, code=winner, slot=1, prize="书"),),
    )
    path = tmp_path / "certificate.json"
    path.write_text(certificate.model_dump_json(), encoding="utf-8")
    done = run(tmp_path, "lottery", "verify", str(path), "--member", "telegram:3", "--member", "telegram:9")
    assert "the draw is right" in done.output
    assert "telegram:3 is on the list" in done.output
    assert "telegram:9 is NOT on the list" in done.output
    path.write_text(certificate.model_copy(update={"seed": "cd" * 32}).model_dump_json(), encoding="utf-8")
    assert "not the one that was committed to" in run(tmp_path, "lottery", "verify", str(path), code=1).output
    path.write_text("{}", encoding="utf-8")
    run(tmp_path, "lottery", "verify", str(path), code=2)
