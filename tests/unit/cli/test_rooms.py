"""The commands of links, shop, moderation and feedback, as people and programs use them."""

import json

import pytest
from typer.testing import CliRunner

from shequn_sdk.cli._app import app


@pytest.fixture
def home(tmp_path):
    (tmp_path / "shequn.toml").write_text('[communities.club]\ntitle = "读书会"\n', encoding="utf-8")
    return tmp_path


def run(home, *words, code=0):
    result = CliRunner().invoke(app, [*words, "--home", str(home)])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def data(home, *words):
    return json.loads(run(home, *words, "--json").stdout)


def test_links_and_entrances(home):
    [made] = data(home, "links", "shorten", "https://shop.example/a", "--campaign", "spring")
    assert [row["code"] for row in data(home, "links", "list")] == [made["code"]]
    assert data(home, "links", "clicks", made["code"]) == []
    data(home, "links", "close", made["code"])
    assert data(home, "links", "list") == []
    assert len(data(home, "links", "list", "--all")) == 1
    assert "must begin with https://" in run(home, "links", "shorten", "javascript:alert(1)", code=2).stderr
    [door] = data(home, "entrances", "open", "poster", "--campaign", "spring")
    assert (door["name"], door["campaign"]) == ("poster", "spring")
    assert "poster" in run(home, "entrances", "list").stdout
    data(home, "entrances", "close", "poster")
    assert data(home, "entrances", "list") == []
    tagged = run(home, "links", "tag", "https://a.example/?x=1", "--source", "telegram", code=2)
    assert "No such option" in tagged.stderr  # it needs no workspace
    told = CliRunner().invoke(app, ["links", "tag", "https://a.example/?x=1", "--source", "telegram"]).stdout
    assert "utm_source=telegram" in told


def test_partners(home):
    data(home, "partners", "add", "gym", "--title", "力量健身", "--kind", "brand")
    [agreed] = data(home, "partners", "agree", "gym", "每周互推一次", "--side", "gave")
    data(home, "partners", "settle", str(agreed["id"]))
    for _ in range(2):  # the key makes it once
        data(home, "partners", "enter", "gym", "300", "--side", "got", "--kind", "money", "--key", "spring")
    assert "力量健身" in run(home, "partners", "list").stdout
    found = data(home, "partners", "result", "gym")
    assert "300" in json.dumps(found)
    assert "600" not in json.dumps(found)


def test_shop_and_coupons(home):
    data(home, "shop", "add", "tea", "--title", "早茶", "--price", "29.90")
    data(home, "shop", "record", "o-1", "29.90", "--sku", "tea", "--member", "tg:1")
    [order] = data(home, "shop", "orders")
    assert (order["native_id"], order["amount"]) == ("o-1", "29.90")
    data(home, "shop", "refund", "o-1")
    assert data(home, "shop", "orders")[0]["refunded"] == "29.90"
    [coupon] = data(home, "coupons", "add", "SPRING", "--percent", "10")
    assert coupon["code"] == "SPRING"
    assert "SPRING" in run(home, "coupons", "list").stdout


def test_moderation(home, tmp_path):
    assert data(home, "moderation", "rules", "set", "standard")
    assert data(home, "moderation", "rules", "show")["rules"]
    assert run(home, "moderation", "dry-run", "早上好").stdout
    assert data(home, "moderation", "backtest")["messages"] == 0
    assert "no account named 'bot'" in run(home, "moderation", "raid", "on", "bot:1", code=2).stderr
    assert data(home, "moderation", "raid") == []
    assert any("rules" in row["what"] for row in data(home, "moderation", "audit"))


def test_feedback(home):
    assert "feedback.open" in run(home, "feedback", "submit", "x", code=2).stderr
    run(home, "feedback", "open")
    [made] = data(home, "feedback", "submit", "希望周末也有活动", "--member", "tg:1")
    number = str(made["id"])
    data(home, "feedback", "assign", number, "lin")
    assert [row["assignee"] for row in data(home, "feedback", "list")] == ["lin"]
    data(home, "feedback", "settle", number, "本周六开始", "--public")
    assert [row["state"] for row in data(home, "feedback", "list", "--state", "done")] == ["done"]
    assert "本周六开始" in run(home, "feedback", "digest").stdout
