"""Commands that look at contents and follow feeds."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from shequn_sdk.cli._app import app

TOML = """
[communities.health]
title = "健康"

[accounts.bot]
platform = "telegram"
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "shequn.toml").write_text(TOML, encoding="utf-8")
    monkeypatch.setenv("SHEQUN_BOT_TOKEN", "1:T")

    def call(*arguments: str, code: int = 0):
        result = CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)])
        assert result.exit_code == code, result.output
        return result

    return call


def test_preview_in_every_form(run, tmp_path):
    told = run("preview", "今晚**八点** <b>", "--to", "bot:-1001").output
    assert "今晚八点 <b>" in told
    page, pictures = tmp_path / "p.html", tmp_path / "png"
    run("preview", "今晚八点 <b>", "--to", "bot:-1001", "--html", str(page), "--png", str(pictures))
    assert "&lt;b&gt;" in page.read_text(encoding="utf-8")
    assert (pictures / "01-bot.png").read_bytes().startswith(b"\x89PNG")
    [row] = json.loads(run("preview", "x", "--to", "bot:-1001", "--json").stdout)
    assert (row["ok"], row["messages"][0]["text"]) == (True, "x")


def test_preview_of_what_cannot_be_sent(run, tmp_path):
    missing = run("preview", "x", "--to", "bot:-1001", "--photo", str(tmp_path / "no.jpg"), code=1)
    assert "does not exist" in missing.output
    run("preview", "x", code=2)
    content = tmp_path / "content.json"
    content.write_text('{"text": "x", "hashtag": ["a"]}', encoding="utf-8")
    assert "hashtag" in run("preview", "--content", str(content), "--to", "bot:-1001", code=2).output
    content.write_text('{"text": "来自文件"}', encoding="utf-8")
    assert "来自文件" in run("preview", "--content", str(content), "--to", "bot:-1001").output


def test_feeds(run, tmp_path):
    run("feeds", "add", "https://a.example/f", "--word", "早餐", "--every", "90")
    [feed] = json.loads(run("feeds", "list", "--json").stdout)
    assert (feed["url"], feed["filters"]["words"], feed["every"]) == (
        "https://a.example/f",
        ["早餐"],
        "PT1H30M",
    )
    run("feeds", "add", "ftp://a.example/f", code=2)
    opml = tmp_path / "feeds.opml"
    run("feeds", "opml", "--export", str(opml))
    assert "known" in run("feeds", "opml", "--import", str(opml)).output
    opml.write_text("<opml><body>", encoding="utf-8")
    assert "line 1" in run("feeds", "opml", "--import", str(opml), code=2).output
    run("feeds", "opml", code=2)
    run("feeds", "draft", "7", code=2)
    run("feeds", "remove", str(feed["id"]))
    assert json.loads(run("feeds", "list", "--json").stdout) == []
    assert "not counted" in run("feeds", "trends").output
    run("feeds", "watch")
    report = json.loads(run("feeds", "trends", "--json").stdout)
    assert report["words"] == []
