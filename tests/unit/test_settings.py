import pytest

from shequn_sdk.errors import ConfigError
from shequn_sdk.settings import load_settings, settings_template

GOOD = """
[communities.health]
title = "健康养生社"
channels = ["health_bot:-100123"]

[accounts.health_bot]
platform = "telegram"
[accounts.health_bot.secrets]
token = "env:BOT_TOKEN"
[accounts.health_bot.options]
chatty = true
"""


def write(home, text):
    (home / "shequn.toml").write_text(text, encoding="utf-8")
    return home


def test_reads_accounts_communities_and_secrets_from_the_environment(tmp_path):
    settings = load_settings(
        write(tmp_path, GOOD), environ={"BOT_TOKEN": "1:secret", "SHEQUN_HEALTH_BOT_EXTRA": "x-y-z"}
    )
    [account] = settings.accounts
    assert account.secret("token") == "1:secret"
    assert account.secret("extra") == "x-y-z"
    assert "1:secret" not in repr(settings)
    assert "1:secret" not in settings.model_dump_json()
    assert settings.community_of(settings.communities[0].channels[0]).name == "health"
    assert settings.community("nope") is None


def test_an_empty_workspace_is_fine(tmp_path):
    settings = load_settings(tmp_path / "new", environ={})
    assert settings.accounts == ()
    assert settings.store_url.endswith("store.db")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[acounts.x]\nplatform='t'", ["line 1", "acounts", "did you mean 'accounts'"]),
        ("[accounts.x]\nplattform='t'", ["line 2", "did you mean 'platform'"]),
        ("[communities.h]\ntitel='x'", ["line 2", "did you mean 'title'"]),
        ("[communities.h]\nzone='Asia/Shanghia'", ["line 2", "IANA"]),
        ("[communities.h]\nchannels=['bot:1']", ["no account 'bot'", "add [accounts.bot]"]),
        ("[communities.h]\nchannels=['x1:1']\n[accounts.x]\nplatform='t'", ["did you mean 'x'"]),
        ("[accounts.x]\nplatform='t'\n[accounts.x.secrets]\ntoken='env:NOT_SET'", ["NOT_SET", "not set"]),
        ("[accounts.x]\nplatform='t'\nsecrets=1", ["must be a table"]),
        ("[accounts.x]\nplatform='t'\n[accounts.x.secrets]\ntoken=1", ["must be text"]),
        ("a = = 1", ["no valid TOML"]),
        ("[delivery]\nconcurrency=0", ["concurrency"]),
    ],
)
def test_mistakes_name_the_key_and_what_to_do(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text), environ={})
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_is_not_utf8_says_so(tmp_path):
    (tmp_path / "shequn.toml").write_bytes("# 健康养生社群".encode("gb18030"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(tmp_path, environ={})


def test_the_template_reads_back_and_holds_no_secret(tmp_path):
    settings = load_settings(write(tmp_path, GOOD), environ={"BOT_TOKEN": "1:secret"})
    text = settings_template(settings.accounts, settings.communities)
    assert "1:secret" not in text
    again = load_settings(write(tmp_path, text), environ={"HEALTH_BOT_TOKEN": "1:other"})
    assert again.communities[0].channels == settings.communities[0].channels
    assert again.accounts[0].secret("token") == "1:other"


def test_plugins_can_be_limited_by_the_environment(tmp_path):
    assert load_settings(tmp_path, environ={"SHEQUN_PLUGINS": "telegram, weibo"}).plugins == (
        "telegram",
        "weibo",
    )


def test_every_setting_of_the_file_is_read(tmp_path):
    (tmp_path / "shequn.toml").write_text(
        'store = "sqlite:///x.db"\nevents = "e.duckdb"\nplugins = ["telegram"]\nrooms = ["members"]\n'
        'private_hosts = ["files.intra:443"]\n[delivery]\nconcurrency = 3\n[privacy]\nstore_text = "full"\n',
        encoding="utf-8",
    )
    found = load_settings(tmp_path, environ={})
    assert (found.store, found.events, found.plugins, found.rooms, found.private_hosts) == (
        "sqlite:///x.db",
        "e.duckdb",
        ("telegram",),
        ("members",),
        ("files.intra:443",),
    )
    assert (found.delivery.concurrency, found.privacy.store_text) == (3, "full")
    assert set(type(found).model_fields) - found.model_fields_set == set()


def test_all_variables_that_are_missing_are_told_at_once(tmp_path):
    (tmp_path / "shequn.toml").write_text(
        'store = "env:DB"\n[accounts.a]\nplatform = "telegram"\n[accounts.a.secrets]\ntoken = "env:A_TOKEN"\n'
        '[accounts.b]\nplatform = "discord"\n[accounts.b.secrets]\ntoken = "env:B_TOKEN"\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, environ={"DB": "sqlite:///x.db"})
    told = str(caught.value)
    assert "A_TOKEN (for accounts.a.secrets.token), B_TOKEN (for accounts.b.secrets.token)" in told
    assert "DB" not in told
