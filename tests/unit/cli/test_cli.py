import json
import sqlite3

import pytest
from typer.testing import CliRunner

from shequn_sdk.cli._app import app
from shequn_sdk.cli._output import Exit, Output, printable

runner = CliRunner()


def run(*arguments, code=0):
    result = runner.invoke(app, [str(item) for item in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output + result.stderr
    return result


@pytest.fixture
def edges(tmp_path):
    file = tmp_path / "log.txt"
    file.write_text("src dst time\n1 2 1082040961\n3 4 1082155839\n1 2 1082155839\n", encoding="utf-8")
    return file


def test_version_and_help():
    assert run("--version").output == "shequn 0.1.0\n"
    for command in (
        "init",
        "doctor",
        "demo",
        "sandbox",
        "plugins",
        "publish",
        "deliveries",
        "import",
        "metrics",
        "report",
    ):
        assert command in run(command, "--help").output


def test_import_metrics_and_report(tmp_path, edges):
    home = tmp_path / "home"
    first = json.loads(run("import", "edges", edges, "--home", home, "--json").stdout)
    assert (first["read"], first["added"], first["duplicates"]) == (3, 3, 0)
    again = json.loads(run("import", "edges", edges, "--home", home, "--json").stdout)
    assert (again["added"], again["duplicates"]) == (0, 3)
    result = json.loads(run("metrics", "active_members.dau", "--home", home, "--json").stdout)
    assert result["metric"] == "active_members.dau"
    assert (result["unit"], result["grain"]) == ("members", "day")
    assert {"points", "warnings", "data_as_of"} <= set(result)
    assert [(point["bucket"], point["value"]) for point in result["points"]] == [
        ("2004-04-15", 1),
        ("2004-04-16", 2),
    ]
    files = json.loads(run("report", "--home", home, "--formats", "md,csv", "--json").stdout)["files"]
    assert any(entry["path"].endswith("report.md") for entry in files)


def test_the_list_of_metrics_is_the_registry():
    rows = json.loads(run("metrics", "--list", "--json", "--home", ".").stdout)
    names = {row["metric"] for row in rows}
    assert {
        "active_members.dau",
        "active_members.wau",
        "active_members.mau",
        "members.joined",
        "members.left",
    } <= names
    assert {
        "members.total",
        "retention.weekly",
        "content.engagement",
        "activity.heatmap",
        "kol.pagerank",
    } <= names


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("publish", "hi"), Exit.USAGE, "--to account:native-id"),
        (("publish", "hi", "--to", "nocolon"), Exit.USAGE, "account:native-id"),
        (("publish", "hi", "--to", "nobody:1"), Exit.USAGE, "no account named 'nobody'"),
        (("publish", "", "--to", "a:1"), Exit.USAGE, "content is empty"),
        (("publish", "x", "--to", "a:1", "--photo", "missing.png"), Exit.USAGE, "missing.png is no file"),
        (("import", "edges", "nothing.txt"), Exit.USAGE, "nothing.txt is no file"),
        (("import", "edges"), Exit.USAGE, "say which file"),
        (("metrics", "active_members.dua"), Exit.USAGE, "there is no data yet"),
        (("report",), Exit.USAGE, "there is no data yet"),
        (("deliveries", "show", "1"), Exit.USAGE, "1"),
        (("deliveries", "resolve", "1"), Exit.USAGE, "--landed or --not-landed"),
        (("init", "--zone", "Mars/Olympus"), Exit.USAGE, "IANA"),
        (("init", "--platform", "nowhere"), Exit.USAGE, "no platform named 'nowhere'"),
        (("sandbox", "nowhere"), Exit.USAGE, "no sandbox named 'nowhere'"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, code=code)
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_misspelt_metric_names_the_nearest(tmp_path, edges):
    run("import", "edges", edges, "--home", tmp_path / "home")
    result = run("metrics", "active_members.dua", "--home", tmp_path / "home", code=Exit.USAGE)
    assert "active_members.dau" in result.stderr


def test_errors_are_json_when_asked(tmp_path):
    result = run("metrics", "x.y", "--home", tmp_path, "--json", code=Exit.USAGE)
    assert json.loads(result.stderr)["error"]["exit_code"] == Exit.USAGE


def test_stores_that_are_something_else_are_named_not_overwritten(tmp_path):
    (tmp_path / "events.duckdb").write_bytes(b"this is no database" * 100)
    result = run("metrics", "active_members.dau", "--home", tmp_path, code=Exit.FAILED)
    assert "events.duckdb" in result.stderr
    (tmp_path / "store.db").write_bytes(b"nor is this" * 100)
    assert "store.db" in run("deliveries", "--home", tmp_path, code=Exit.FAILED).stderr
    assert (tmp_path / "store.db").read_bytes().startswith(b"nor is this")


def test_a_foreign_sqlite_file_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute("create table holiday_photos (id)")
    db.close()
    run("deliveries", "--home", tmp_path, code=Exit.FAILED)
    with sqlite3.connect(tmp_path / "store.db") as db:
        assert [name for (name,) in db.execute("select name from sqlite_master")] == ["holiday_photos"]
    db.close()


def test_init_writes_a_file_that_doctor_reads(tmp_path):
    run("init", "--home", tmp_path, "--community", "health", "--title", "健康养生社")
    assert "健康养生社" in (tmp_path / "shequn.toml").read_text(encoding="utf-8")
    rows = json.loads(run("doctor", "--home", tmp_path, "--json").stdout)
    assert all(row["ok"] for row in rows)
    assert "exists already" in run("init", "--home", tmp_path, code=Exit.USAGE).stderr


def test_the_terminal_cannot_be_moved_by_members():
    assert printable("a\x1b[31mb\u202ec\r\nd") == "a[31mbc d"


def test_lists_are_read_by_people_and_narrow_terminals_get_lines(capsys, monkeypatch):
    rows = [{"channel": "health_bot:-1001234567890", "posts": ["2", "3"], "deliveries": [7], "reason": ""}]
    columns = ["channel", "posts", "deliveries", "reason"]
    Output().table(rows, columns)
    assert "2, 3" in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "30")
    Output().table(rows * 2, columns)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["channel: health_bot:-1001234567890", "posts: 2, 3", "deliveries: 7"]


def test_a_plugin_that_is_asked_for_and_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SHEQUN_PLUGINS", "telegarm")
    rows = json.loads(run("doctor", "--home", tmp_path, "--json", code=Exit.FAILED).stdout)
    assert [row["ok"] for row in rows if row["check"] == "plugin telegarm"] == [False]
    assert any("did you mean 'telegram'?" in row["detail"] for row in rows)
