"""`shequn schedules`."""

import json

import pytest
from typer.testing import CliRunner

from shequn_sdk.cli._app import app

runner = CliRunner()


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "shequn.toml").write_text(
        """
        [communities.health]
        zone = "Asia/Shanghai"
        channels = ["bot:-100"]
        [accounts.bot]
        platform = "telegram"
        """,
        encoding="utf-8",
    )
    monkeypatch.setenv("SHEQUN_BOT_TOKEN", "1:T")
    monkeypatch.setenv("SHEQUN_HOME", str(tmp_path))
    return tmp_path


def call(*words, code=0):
    done = runner.invoke(app, ["schedules", *words, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if done.stdout.strip() else json.loads(done.stderr)


def test_add_and_look(home):
    call("add", "今晚八点直播", "--to", "bot:-100", "--cron", "0 20 * * fri", "--name", "live")
    call("add", "中秋快乐", "--to", "bot:-100", "--lunar", "8-15 09:00", "--name", "moon")
    call(
        "add",
        "早安",
        "--to",
        "bot:-100",
        "--weekly",
        "mon 08:00",
        "--weekly",
        "周五 08:00",
        "--only",
        "workdays",
    )
    rows = call()
    assert [row["name"] for row in rows] == ["live", "moon", ""]
    assert "Asia/Shanghai" in rows[0]["trigger"]
    assert len(call("upcoming", "--count", "7")) == 7
    assert runner.invoke(app, ["schedules"]).output.count("publish") == 3
    assert call("history") == []


def test_pause_resume_cancel(home):
    call("add", "hi", "--to", "bot:-100", "--cron", "0 20 * * fri", "--name", "live")
    assert call("pause", "live")[0]["state"] == "paused"
    assert call("upcoming") == []
    assert call("resume", "live")[0]["next"]
    (gone,) = call("cancel", "live")
    assert gone["state"] == "cancelled"
    assert call() == []
    assert [row["id"] for row in call("--all")] == [gone["id"]]


def test_reschedule(home):
    call("add", "hi", "--to", "bot:-100", "--cron", "0 20 * * fri", "--name", "live")
    (row,) = call("reschedule", "live", "--cron", "30 9 * * mon")
    assert "30 9 * * mon Asia/Shanghai" in row["trigger"], "its zone stays"
    assert "T09:30:00+08:00" in row["next"] or "T01:30:00" in row["next"]
    call("pause", "live")
    (row,) = call("reschedule", "live", "--weekly", "sun 10:00", "--zone", "Europe/Berlin")
    assert (row["state"], row["next"]) == ("paused", "")
    assert "Europe/Berlin" in row["trigger"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["reschedule", "nothing", "--cron", "0 9 * * *"], "nothing"),
        (["add", "hi", "--to", "bot:-100", "--cron", "61 * * * *"], "minute '61'"),
        (["add", "hi", "--to", "bot:-100"], "in one way"),
        (["add", "hi", "--to", "bot:-100", "--cron", "0 9 * * *", "--weekly", "fri 20:00"], "in one way"),
        (["add", "hi", "--cron", "0 9 * * *"], "say where"),
        (["add", "hi", "--to", "nobody:1", "--cron", "0 9 * * *"], "nobody"),
        (["add", "hi", "--to", "bot:-100", "--at", "2020-01-01T09:00:00"], "has passed"),
        (["add", "hi", "--to", "bot:-100", "--lunar", "autumn"], "month-day"),
        (["add", "hi", "--to", "bot:-100", "--cron", "0 9 * * *", "--only", "sundays"], "workdays"),
        (["add", "hi", "--to", "bot:-100", "--cron", "0 9 * * *", "--zone", "Asia/Peking"], "IANA"),
        (["pause", "nothing"], "nothing"),
        (["retry", "7"], "7"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(home, words, says):
    assert says in call(*words, code=2)["error"]["message"]
