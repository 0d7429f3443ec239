"""`shequn calendar`."""

import json

import icalendar
import pytest
from typer.testing import CliRunner

from shequn_sdk.cli._app import app

runner = CliRunner()


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "shequn.toml").write_text(
        """
        [communities.health]
        title = "健康养生社"
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
    done = runner.invoke(app, ["calendar", *words, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if done.stdout.strip() else json.loads(done.stderr)


def test_an_entrys_life(home):
    (made,) = call("add", "今晚八点直播", "--to", "bot:-100", "--at", "2099-03-06 20:00", "--by", "desk:anna")
    assert (made["id"], made["state"], made["at"]) == (1, "draft", "2099-03-06 20:00")
    (card,) = call("--from", "2099-03-01", "--state", "draft")
    assert card["instant"] == "2099-03-06T12:00:00+00:00"
    assert call("--from", "2099-03-01", "--channel", "bot:-101") == []
    assert call("schedule", "1")[0]["state"] == "scheduled"
    assert call("move", "1", "--at", "2099-03-07 20:00")[0]["at"] == "2099-03-07 20:00"
    assert call("shift", "1")[0]["at"] == "2099-03-08 20:00"
    assert call("undo", "2")[0]["note"].startswith("step 4")
    assert [row["action"] for row in call("log", "1")] == ["undo", "undo", "shift", "move", "schedule", "add"]
    assert call("diff", "1")["fields"] == []
    assert call("copy", "1")[0]["id"] == 2
    assert call("cancel", "1", "--note", "改期")[0]["state"] == "cancelled"
    assert "hold" not in call("cancel", "99", code=2)["error"]["message"]
    shown = runner.invoke(app, ["calendar", "--from", "2099-03-01", "--state", "cancelled"]).output
    assert "今晚八点直播" in shown


def test_slots_and_queue(home):
    slots = call("slots", "bot:-100", "--add", "fri 20:00", "--add", "周一 08:00")
    assert [(one["day"], one["time"]) for one in slots] == [("mon", "08:00"), ("fri", "20:00")]
    free = call("next-slot", "bot:-100")[0]
    (queued,) = call("add", "多喝水", "--to", "bot:-100", "--queue")
    assert queued["at"] == free["at"]
    assert call("next-slot", "bot:-100")[0]["at"] > free["at"]
    assert len(call("slots", "--remove", str(slots[0]["id"]))) == 1
    assert "--add" in call("next-slot", "bot:-5", code=2)["error"]["message"]
    assert call("best-time") == []
    assert "leave" in call("add", "x", "--queue", "--idea", code=2)["error"]["message"]


def test_files(home, tmp_path):
    table = tmp_path / "plan.csv"
    table.write_text("内容,时间\n好,2099-03-06 20:00\n坏,明天\n", encoding="utf-8")
    assert call("import", str(table), code=2)["imported"] == 0
    assert call("import", str(table), "--partial", code=3)["imported"] == 1
    done = runner.invoke(app, ["calendar", "import", str(table)])
    assert "0 imported, 1 wrong" in done.output
    target = tmp_path / "plan.ics"
    call("ical", str(target))
    (event,) = icalendar.Calendar.from_ical(target.read_bytes()).walk("VEVENT")
    assert event["SUMMARY"] == "好"
    assert "好" in runner.invoke(app, ["calendar", "export"]).output
    page = tmp_path / "plan.html"
    call("--from", "2099-03-01", "--html", str(page), "--week", "--language", "en")
    assert "Week of 23 February 2099" in page.read_text(encoding="utf-8")


def test_approvals(home):
    async def prepare():
        from shequn_sdk import AsyncShequn
        from shequn_sdk.editorial.model import ApprovalPolicy

        async with AsyncShequn.open(home=home) as sq:
            await sq.approvals.set_policy(
                ApprovalPolicy.model_validate({"approvers": ["desk:anna", "desk:bo"]})
            )

    import anyio

    anyio.run(prepare)
    call("add", "新品", "--to", "bot:-100", "--at", "2099-03-06 20:00", "--schedule", "--by", "desk:anna")
    assert [one["entry"] for one in call("approvals")] == [1]
    assert "--by" in call("approve", "1", code=2)["error"]["message"]
    assert "wrote" in call("approve", "1", "--by", "desk:anna", code=2)["error"]["message"]
    assert call("request-changes", "1", "--note", "价格?", "--by", "desk:bo")[0]["state"] == "changes"
    call("schedule", "1")
    assert call("approve", "1", "--by", "desk:bo")[0]["state"] == "approved"
    assert call("hold", "1", "--by", "desk:bo")[0]["held"] is True
    assert call("hold", "1", "--release", "--by", "desk:bo")[0]["held"] is False
    assert "desk:bo approve" in runner.invoke(app, ["calendar", "approvals", "1"]).output


def test_days_are_read_as_days(home):
    call("add", "x", "--to", "bot:-100", "--at", "2099-03-31 23:30")
    assert len(call("--from", "2099-03-31", "--to", "2099-03-31")) == 1
    assert "stretch" in call("--from", "2099-03-31", "--to", "2099-03-01", code=2)["error"]["message"]
