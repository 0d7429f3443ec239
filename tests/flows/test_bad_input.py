"""What strangers, broken files and broken servers do to a workspace: clear words, an exit code, and nothing lost."""

import json

import pytest
from typer.testing import CliRunner

from shequn_sdk.cli._app import app
from shequn_sdk.cli._output import Exit

TOKEN = "7000000009:AAF-a-token-that-must-not-be-seen"
HOSTILE = "\x1b[31m红\x1b[0m\u202e倒\u200b零</script><img src=x onerror=alert(1)>"


def shequn(*arguments, code=0):
    """Run a command in this process; nothing but typed errors may come out of it."""
    result = CliRunner().invoke(app, [str(item) for item in arguments], catch_exceptions=False)
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    assert "Traceback" not in result.stdout + result.stderr
    return result


def words(result):
    return " ".join(result.stderr.split())


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def imported(home, form, path, *more, code=0):
    return json.loads(shequn("import", form, path, "--home", home, "--json", *more, code=code).stdout)


def test_every_bad_line_is_counted_and_every_good_one_kept(tmp_path):
    file = tmp_path / "log.txt"
    lines = [
        b"1 2 1082040961",
        b"only two",
        b"1 2 noon",
        b"1 2 -86400",
        b"1 2 99999999999",
        b"1 2 \x00 1082040961",
        b"3 \xff\xfe 1082040961",
        b"4 " + b"x" * 10_000_000 + b" 1082040961",
        b"",
        b"5 6 1082155839",
    ]
    file.write_bytes(b"\n".join(lines))
    result = imported(tmp_path / "home", "edges", file)
    assert result["added"] == 2
    skipped = result["skipped"]
    assert sum(skipped.values()) == result["read"] - 2
    assert {"malformed", "bad_time", "before_1970", "in_the_future", "too_large", "bad_encoding"} <= set(
        skipped
    )
    assert {example["line"] for example in result["examples"]} >= {2, 3, 4, 5, 6, 7, 8}
    assert imported(tmp_path / "home", "edges", file)["added"] == 0


def chat(messages):
    return {"name": "读书会", "type": "private_supergroup", "id": 1, "messages": messages}


def said(number, text="早安", **more):
    return {
        "id": number, "type": "message", "date": "2026-03-02T08:00:00", "date_unixtime": str(1772409600 + number),
        "from": "林", "from_id": "user1", "text": text, **more,
    }  # fmt: skip


def test_a_truncated_export_keeps_what_came_before_and_goes_on_when_whole(tmp_path):
    whole = json.dumps(chat([said(n) for n in range(1, 200)]), ensure_ascii=False).encode()
    file = tmp_path / "result.json"
    file.write_bytes(whole[: len(whole) // 2])
    result = imported(tmp_path / "home", "telegram", file, code=Exit.PARTLY)
    assert 0 < result["added"] < 199
    assert "byte" in result["warning"]
    file.write_bytes(whole)
    again = imported(tmp_path / "home", "telegram", file)
    assert result["added"] + again["added"] == 199


@pytest.mark.parametrize("opener", ["[", '{"a":'])
def test_json_nested_a_hundred_thousand_deep_is_refused_in_words(tmp_path, opener):
    deep = opener * 100_000
    file = tmp_path / "result.json"
    file.write_text(
        '{"name":"x","type":"private_group","id":1,"messages":[' + json.dumps(said(1)) + "," + deep
    )
    result = imported(tmp_path / "home", "telegram", file, code=Exit.PARTLY)
    assert result["added"] == 1
    assert not result["complete"]
    file.write_text(deep)
    shequn("import", "telegram", file, "--home", tmp_path / "home", code=Exit.USAGE)
    closed = deep + "1" + {"[": "]", '{"a":': "}"}[opener] * 100_000
    text = json.dumps(chat([said(1), said(2, text="DEEP"), said(3)])).replace('"DEEP"', closed)
    file.write_text(text)
    result = CliRunner().invoke(
        app,
        ["import", "telegram", str(file), "--home", str(tmp_path / "third"), "--json"],
        catch_exceptions=False,
    )
    assert result.exit_code in {0, Exit.PARTLY}
    assert json.loads(result.stdout)["added"] >= 1


@pytest.mark.parametrize("form", ["telegram", "discord", "edges", "csv", "whatsapp", "parquet", "nonsense"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 5000, bytes(range(256)) * 40, b"<html>no</html>", b"null", b"PAR1"]
)
def test_a_file_that_is_something_else_entirely(tmp_path, form, content):
    file = tmp_path / "file.bin"
    file.write_bytes(content)
    result = CliRunner().invoke(
        app, ["import", form, str(file), "--home", str(tmp_path / "home"), "--json"], catch_exceptions=False
    )
    assert result.exit_code in {Exit.OK, Exit.USAGE, Exit.PARTLY}, result.stderr
    if result.exit_code == Exit.USAGE:
        assert json.loads(result.stderr.splitlines()[-1])["error"]["exit_code"] == Exit.USAGE
        assert not result.stdout
    else:
        assert json.loads(result.stdout)["added"] == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_table_in_any_usual_encoding(tmp_path, encoding):
    file = tmp_path / "table.csv"
    file.write_bytes("time,member,text\n2026-03-02 08:00:00,林小满,早安各位朋友\n".encode(encoding))
    assert imported(tmp_path / "home", "csv", file)["added"] == 1


# ── settings and plans ────────────────────────────────────────────────────────────────────────────────────────────────

GOOD = '[communities.club]\ntitle = "读书会"\nzone = "Asia/Shanghai"\n'


@pytest.mark.parametrize(
    ("text", "said_so"),
    [
        ("[comunities.club]\n", "did you mean 'communities'?"),
        ("[accounts.a]\nplatfrom = 'telegram'\n", "did you mean 'platform'?"),
        ("[communities.club]\nzonne = 'UTC'\n", "did you mean 'zone'?"),
        ("[communities.club]\nzone = 'Asia/Shangai'\n", "zone"),
        ("[delivery]\nmax_atempts = 3\n", "did you mean 'max_attempts'?"),
        ("[delivery]\nconcurrency = 'many'\n", "concurrency"),
        ("[accounts.a]\nplatform = 'telegram'\n[accounts.a]\nplatform = 'discord'\n", "line 3"),
        ("[accounts.a]\nplatform = 'telegramm'\n", "telegramm"),
        ("[accounts.a]\nplatform = 3\n", "platform"),
        ("[accounts]\na = 3\n", "accounts.a must be a table"),
        ("[communities.club]\nchannels = ['a:1']\n", "no account 'a'"),
        ("[communities.club]\nchannels = ['nocolon']\n", "channels"),
        ("x = [" * 100_000, "shequn.toml"),
        ("\x00", "shequn.toml"),
        ("a = 'unfinished", "no valid TOML"),
        ("plugins = ['telegarm']\n[accounts.a]\nplatform='telegram'\n", "telegarm"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path, text, said_so):
    (tmp_path / "shequn.toml").write_text(text, encoding="utf-8")
    result = shequn("publish", "hi", "--to", "a:1", "--home", tmp_path, code=Exit.USAGE)
    assert said_so in words(result)
    assert not result.stdout


def test_settings_in_another_encoding_are_named(tmp_path):
    (tmp_path / "shequn.toml").write_bytes('[communities.club]\ntitle = "读书会"\n'.encode("utf-16"))
    assert "UTF-8" in words(shequn("doctor", "--home", tmp_path, code=Exit.USAGE))


@pytest.mark.parametrize("make", ["file", "broken link", "loop"])
def test_a_home_that_is_no_directory(tmp_path, make):
    home = tmp_path / "home"
    if make == "file":
        home.write_text("mine")
    elif make == "broken link":
        home.symlink_to(tmp_path / "nowhere" / "at" / "all")
    else:
        home.symlink_to(home)
    for command in (
        ["init"],
        ["doctor"],
        ["deliveries"],
        ["metrics", "active_members.dau"],
        ["report"],
        ["demo"],
    ):
        result = CliRunner().invoke(app, [*command, "--home", str(home)], catch_exceptions=False)
        assert "Traceback" not in result.stderr
        assert result.exit_code in {Exit.FAILED, Exit.USAGE} or make == "broken link", (
            command,
            result.stdout,
        )


@pytest.mark.parametrize(
    ("text", "said_so"),
    [
        ("titel = 'x'\n", "titel"),
        ("name = 'x'\nname = 'y'\n", "line 2"),
        ("name = 3\n", "name"),
        ("\x00", "plan.toml"),
        ("name = '" + "x" * 2_000_000 + "'", "plan.toml"),
        ("x = [" * 100_000, "plan.toml"),
    ],
)
def test_a_mistake_in_the_plan_is_named(tmp_path, text, said_so):
    plan = tmp_path / "plan.toml"
    plan.write_text(text)
    result = shequn("demo", "--plan", plan, "--days", 1, "--home", tmp_path / "demo", code=Exit.USAGE)
    assert said_so in words(result)
    assert not (tmp_path / "demo").exists()
