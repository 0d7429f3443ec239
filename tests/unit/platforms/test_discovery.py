from types import SimpleNamespace

import pytest

from shequn_sdk.domain import Account, Interaction
from shequn_sdk.errors import ConfigError, UnknownName
from shequn_sdk.platforms.accounts import Accounts
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.hooks import AdapterContext, PlatformSpec, hookimpl
from shequn_sdk.platforms.manifest import Capability, Manifest
from shequn_sdk.scheduling.clock import SystemClock

MANIFEST = Manifest(platform="echo", capabilities=frozenset({Capability.PUBLISH_TEXT}))


class _Adapter:
    def __init__(self):
        self.platform, self.manifest, self.open = "echo", MANIFEST, False

    async def __aenter__(self):
        self.open = True
        return self

    async def __aexit__(self, *_):
        self.open = False

    async def check(self):
        return "echo"


def _spec(name="echo", **changes):
    def create(account, context):
        if account.name == "wrong":
            raise ConfigError("token is missing")
        return _Adapter()

    return PlatformSpec(
        name=name, title=name, create=create, manifest=lambda a: MANIFEST, manifests=(MANIFEST,), **changes
    )


def _plugin(*specs):
    class Plugin:
        @hookimpl
        def shequn_platforms(self):
            return specs

    return Plugin()


def test_good_plugins_are_taken():
    plugins = load_plugins(discover=False, extra=[("one", _plugin(_spec()))])
    assert set(plugins.platforms) == {"echo"}
    assert plugins.loaded[0].offers == ("platform echo",)
    assert plugins.load_errors == ()


def test_a_broken_plugin_does_not_stop_the_rest():
    class Broken:
        @hookimpl
        def shequn_platforms(self):
            raise RuntimeError("boom")

    plugins = load_plugins(discover=False, extra=[("bad", Broken()), ("good", _plugin(_spec()))])
    assert set(plugins.platforms) == {"echo"}
    [error] = plugins.load_errors
    assert error.plugin == "bad"
    assert "boom" in str(error)


def test_duplicates_are_refused_and_name_the_first_owner():
    plugins = load_plugins(
        discover=False, extra=[("a", _plugin(_spec())), ("b", _plugin(_spec(), _spec("other")))]
    )
    [error] = plugins.load_errors
    assert error.plugin == "b"
    assert "offered by a already" in str(error)
    assert set(plugins.platforms) == {"echo"}, "a plugin with a clash is left out whole"


def test_a_misspelt_hook_is_an_error():
    class Misspelt:
        @hookimpl
        def shequn_platform(self):
            return ()

    plugins = load_plugins(discover=False, extra=[("typo", Misspelt())])
    assert "shequn_platform" in str(plugins.load_errors[0])


@pytest.mark.parametrize(("version", "advice"), [(0, "update the plugin"), (99, "update shequn-sdk")])
def test_another_api_version_is_refused_with_advice(version, advice):
    plugins = load_plugins(discover=False, extra=[("old", _plugin(_spec(api_version=version)))])
    assert advice in str(plugins.load_errors[0])


def test_a_failing_observer_is_isolated(caplog):
    seen = []

    class Bad:
        @hookimpl
        def shequn_on_interaction(self, interaction):
            raise ValueError("no")

    class Good:
        @hookimpl
        def shequn_on_interaction(self, interaction):
            seen.append(interaction)

    plugins = load_plugins(discover=False, extra=[("bad", Bad()), ("good", Good())])
    event = Interaction.model_construct(id="1")
    plugins.notify(event)
    assert seen == [event]
    assert "an observer of a plugin failed" in caplog.text


def test_unknown_platform_names_the_nearest_and_the_broken():
    plugins = load_plugins(
        discover=False,
        extra=[("one", _plugin(_spec())), ("bad", SimpleNamespace(shequn_x=1)), ("two", _plugin(_spec()))],
    )
    with pytest.raises(UnknownName, match=r"did you mean 'echo'.*failed to load"):
        plugins.platform("ecko")


async def test_accounts_open_and_close_adapters_and_isolate_failures():
    plugins = load_plugins(discover=False, extra=[("one", _plugin(_spec()))])
    known = [
        Account(name="good", platform="echo"),
        Account(name="wrong", platform="echo"),
        Account(name="lost", platform="nowhere"),
    ]
    accounts = Accounts(known, plugins=plugins, context=AdapterContext(clock=SystemClock()))
    with pytest.raises(ConfigError, match="async with"):
        accounts.adapter("good")
    async with accounts:
        adapter = accounts.adapter("good")
        assert adapter.open
        with pytest.raises(ConfigError, match="token is missing"):
            accounts.adapter("wrong")
        with pytest.raises(UnknownName, match="no platform named 'nowhere'"):
            accounts.adapter("lost")
        with pytest.raises(UnknownName, match="did you mean 'good'"):
            accounts.adapter("goood")
    assert not adapter.open
    with pytest.raises(ConfigError, match="names must differ"):
        Accounts([known[0], known[0]], plugins=plugins, context=AdapterContext(clock=SystemClock()))
