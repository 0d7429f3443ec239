"""The commands of members, segments and journeys, as people and programs use them."""

import json
from datetime import UTC, datetime

import anyio
import pytest
from typer.testing import CliRunner

from shequn_sdk import AsyncShequn, Interaction, InteractionKind
from shequn_sdk.cli._app import app


@pytest.fixture
def home(tmp_path):
    (tmp_path / "shequn.toml").write_text('[communities.club]\ntitle = "读书会"\n', encoding="utf-8")

    async def fill():
        async with AsyncShequn.open(home=tmp_path) as sq:
            await sq._workspace.record(
                [
                    Interaction(
                        id=f"{platform}/{member}",
                        kind=InteractionKind.JOIN,
                        platform=platform,
                        member=member,
                        member_name=f"小满\u202e{member}",
                        occurred_at=datetime.now(UTC),
                    )
                    for platform, member in (("tg", "1"), ("dc", "1"), ("tg", "2"))
                ],
                community="club",
            )
            await sq.drain()

    anyio.run(fill)
    return tmp_path


def run(home, *words, code=0):
    result = CliRunner().invoke(app, [*words, "--home", str(home)])
    assert result.exit_code == code, (result.stdout, result.stderr)
    return result


def data(home, *words):
    return json.loads(run(home, *words, "--json").stdout)


def test_members(home):
    assert {row["member"] for row in data(home, "members")} == {"tg:1", "dc:1", "tg:2"}
    assert "\u202e" not in run(home, "members").stdout
    assert len(data(home, "members", "--find", "小满2")) == 1
    [change] = data(home, "members", "merge", "tg:1", "dc:1", "--reason", "told us", "--by", "lin")
    assert change["kind"] == "merge"
    assert data(home, "members", "merge", "tg:1", "dc:1", "--reason", "again", "--by", "lin") == []
    assert len(data(home, "members", "show", "tg:1")["identities"]) == 2
    assert "new" in run(home, "members", "show", "dc:1").stdout
    assert [row["kind"] for row in data(home, "members", "history", "dc:1")] == ["merge"]
    data(home, "members", "unmerge", str(change["id"]), "--reason", "mistake", "--by", "lin")
    assert len(data(home, "members", "show", "tg:1")["identities"]) == 1
    [pair] = data(home, "members", "suggest")
    assert {pair["a"], pair["b"]} == {"tg:1", "dc:1"}
    assert pair["reasons"][0] == "same display name"
    assert data(home, "members", "suggest", "--minimum", "0.9") == []
    assert data(home, "members", "proof", "tg:1")["code"].startswith("SQ-")
    assert data(home, "members", "tag", "tg:1", "gold", "--by", "lin")[0]["tags"] == ["gold"]
    assert data(home, "members", "tag", "tg:1", "gold", "--remove", "--by", "lin")[0]["tags"] == []
    said = data(home, "members", "consent", "tg:1", "marketing", "yes", "--source", "form")
    assert said[0]["allowed"] is True
    run(home, "members", "consent", "tg:1", "marketing", "perhaps", "--source", "form", code=2)
    run(home, "members", "show", "tg:404", code=2)


def test_export_and_erase(home, tmp_path):
    assert data(home, "members", "export", "tg:1")["members"] == ["tg:1"]
    target = tmp_path / "out.json"
    run(home, "members", "export", "tg:1", "--to", str(target))
    assert json.loads(target.read_text(encoding="utf-8"))["format"] == "shequn-member-export/1"
    assert target.stat().st_mode & 0o077 == 0
    assert "--yes" in run(home, "members", "erase", "tg:1", "--by", "lin", code=2).stderr
    assert data(home, "members", "erase", "tg:1", "--by", "lin", "--yes")["members"] == ["tg:1"]
    run(home, "members", "show", "tg:1", code=2)
    assert data(home, "members", "sweep")[0]["unfinished"] == 0


def test_segments(home):
    run(home, "members", "tag", "tg:1", "gold", "--by", "lin")
    gold = '{"kind": "tag", "tag": "gold"}'
    assert data(home, "segments", "save", "gold", gold) == [{"name": "gold", "members": 1}]
    assert data(home, "segments", "count", "gold") == [{"members": 1}]
    assert data(home, "segments", "count", '{"kind": "not", "of": ' + gold + "}") == [{"members": 2}]
    assert [row["member"] for row in data(home, "segments", "members", "gold")] == ["tg:1"]
    assert [row["members"] for row in data(home, "segments")] == [1]
    assert "gold" in run(home, "segments").stdout
    assert data(home, "segments", "delete", "gold") == {"deleted": "gold"}
    for bad in ("{", '{"kind": "tagg"}', "nobody"):
        run(home, "segments", "count", bad, code=2)


def test_journeys(home, tmp_path):
    names = [one["name"] for one in data(home, "journeys", "templates")]
    assert "newcomer-week" in names
    data(home, "journeys", "save", "--template", "newcomer-week")
    whole = next(one for one in data(home, "journeys", "templates") if one["name"] == "welcome")
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(whole | {"name": "mine"}), encoding="utf-8")
    data(home, "journeys", "save", str(file))
    assert {row["name"]: row["state"] for row in data(home, "journeys")} == {
        "mine": "active",
        "newcomer-week": "active",
    }
    steps = data(home, "journeys", "preview", "newcomer-week", "tg:1")
    assert [one["form"] for one in steps] == ["task", "task", "task"]

    async def begin():
        async with AsyncShequn.open(home=home) as sq:
            await sq.journeys.enrol("mine", "tg:1")

    anyio.run(begin)
    [one] = data(home, "journeys", "runs", "mine")
    assert (one["state"], one["done"]) == ("finished", ["welcome: task"])
    [task] = data(home, "journeys", "tasks")
    assert "小满1" in task["name"]
    assert data(home, "journeys", "done", str(task["id"]), "--by", "lin") == {
        "task": task["id"],
        "done": "done",
    }
    assert data(home, "journeys", "tasks") == []
    assert data(home, "journeys", "pause", "mine") == [{"name": "mine", "state": "paused"}]
    assert data(home, "journeys", "resume", "mine") == [{"name": "mine", "state": "active"}]
    assert data(home, "journeys", "end", "mine") == [{"name": "mine", "state": "ended"}]
    file.write_text('{"name": "x"}', encoding="utf-8")
    assert "mine.json" in run(home, "journeys", "save", str(file), code=2).stderr
    run(home, "journeys", "save", code=2)
    run(home, "journeys", "drop", "99", "--by", "lin", code=2)
