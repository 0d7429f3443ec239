"""The contract suite finds what it is there to find: each broken adapter fails the right tests, an honest one none."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import shequn_sdk.publishing.compose
import shequn_sdk.testing.contract  # noqa: F401 - loaded here, because pytester forgets what is loaded within
from shequn_sdk.testing.scaffold import create_plugin

pytest_plugins = ["pytester"]

BROKEN = {
    "DeclaresWhatItLacks": ["test_declared_capabilities_are_implemented"],
    "TwoManifests": ["test_manifest_belongs_to_the_platform"],
    "LimitTooHigh": ["test_text_limit_is_exact[ascii]"],
    "LimitTooLow": ["test_text_limit_is_exact[hanzi]"],
    "LimitInAnotherUnit": ["test_text_limit_is_exact[emoji]"],
    "AsksAlthoughUndeclared": ["test_undeclared_capabilities_are_refused_before_any_request"],
    "AsksOnOpening": ["test_opening_makes_no_request"],
    "ShowsTokenInRepr": ["test_secrets_are_in_no_repr"],
    "ShowsTokenInError": ["test_secrets_are_in_no_error"],
    "ShowsTokenBehindError": ["test_secrets_are_in_no_error"],
    "LogsToken": ["test_secrets_are_in_no_log"],
    "SwallowsUnknown": [
        "test_unknown_outcome_is_neither_failure_nor_success[reset_after]",
        "test_nothing_happened_is_never_success[server_error]",
    ],
    "CallsUnknownFailed": [
        "test_unknown_outcome_is_neither_failure_nor_success[malformed]",
        "test_late_answer_is_an_unknown_outcome",
    ],
    "CallsEverythingUnknown": [
        "test_unreached_platform_is_surely_not_landed",
        "test_unknown_channel_is_a_typed_error",
        "test_wrong_secret_is_auth_failed",
    ],
    "Repeats": [
        "test_nothing_happened_is_never_success[reset_before]",
        "test_rate_limit_is_reported_with_its_wait",
    ],
    "ForgetsKey": ["test_same_key_lands_once"],
    "ForgetsRetryAfter": ["test_rate_limit_is_reported_with_its_wait"],
    "HurriesAfterLimit": ["test_retry_after_is_obeyed"],
    "MapsErrorsRoughly": ["test_wrong_secret_is_auth_failed", "test_unknown_channel_is_a_typed_error"],
    "FirstPageOnly": ["test_members_come_whole_across_pages", "test_history_comes_whole_across_pages"],
    "FindsNothing": ["test_what_perhaps_landed_is_found"],
    "FindsAnything": ["test_what_perhaps_landed_is_found"],
    "MakesUpIds": ["test_what_a_member_says_arrives", "test_a_duplicate_is_recognised"],
    "TellsTimeOfArrival": ["test_a_late_event_keeps_its_time"],
    "FailsOnUnknownEvents": ["test_unknown_events_are_kept"],
    "BelievesWebhooks": ["test_forged_webhook_is_refused", "test_oversized_webhook_is_refused"],
    "BelievesOldWebhooks": ["test_replayed_webhook_is_refused_or_recognised"],
    "MisnamesTime": ["test_text_lands"],
}


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    create_plugin("echo", tmp_path / "echo")
    monkeypatch.syspath_prepend(tmp_path / "echo" / "src")
    return tmp_path / "echo"


def failed(pytester: pytest.Pytester, *args: str) -> tuple[set[str], set[str]]:
    done = pytester.inline_run("-q", "-p", "no:cacheprovider", *args)
    passed, _, failed = done.listoutcomes()
    return ({report.nodeid.partition("::")[2] for report in reports} for reports in (passed, failed))


def test_each_broken_adapter_is_found_out(echo: Path, pytester: pytest.Pytester) -> None:
    source = (Path(__file__).parent / "broken.py.txt").read_text(encoding="utf-8")
    path = pytester.makepyfile(test_broken=source)
    wanted = {f"Test{name}::{test}" for name, tests in BROKEN.items() for test in tests}
    honest = {f"TestHonest::{test}" for tests in BROKEN.values() for test in tests}
    good, bad = failed(pytester, *(f"{path}::{node}" for node in sorted(wanted | honest)))
    assert bad == wanted
    assert good == honest


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("    async def test_text_lands(self, rig): pass", "overrides the contract test test_text_lands"),
        ("    test_text_lands = None", "overrides the contract test test_text_lands"),
        (
            "    @pytest.mark.xfail(reason='not strict', strict=False)\n    async def test_text_lands(self, rig): pass",
            "overrides the contract test",
        ),
        (
            "    @pytest.mark.xfail(strict=True)\n    async def test_text_lands(self, rig): pass",
            "overrides the contract test",
        ),
        ("    pytestmark = pytest.mark.skip(reason='x')", "only the manifest skips"),
    ],
)
def test_overriding_a_contract_test_fails_collection(echo, pytester, body: str, error: str) -> None:
    pytester.makepyfile(
        "import pytest\nfrom shequn_echo import PLATFORM, SANDBOX\n"
        "from shequn_sdk.testing.contract import AdapterContract\n"
        f"class TestEcho(AdapterContract):\n    platform = PLATFORM\n    sandbox = SANDBOX\n{body}\n"
    )
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([f"*{error}*"])


def test_an_excused_override_is_in_the_certificate(echo, pytester) -> None:
    pytester.makepyfile(
        test_excused=(
            "import pytest\nfrom shequn_echo import PLATFORM, SANDBOX\n"
            "from shequn_sdk.testing.contract import AdapterContract\n"
            "class TestEcho(AdapterContract):\n    platform = PLATFORM\n    sandbox = SANDBOX\n"
            "    @pytest.mark.xfail(strict=True, reason='lands elsewhere')\n"
            "    async def test_text_lands(self, rig):\n        assert not rig.channel\n"
            "    async def test_of_the_plugin(self, rig):\n        assert rig.channel\n"
        )
    )
    done = pytester.runpytest_inprocess(
        "-p",
        "no:cacheprovider",
        "--shequn-certificate=cert.json",
        "-k",
        "test_text_lands or test_check or test_poll_limits or test_of_the_plugin",
    )
    done.assert_outcomes(passed=2, xfailed=1, skipped=1)
    done.stdout.fnmatch_lines(
        [
            "*shequn contract*",
            "*1 passed, 0 failed, 1 skipped*1 excused*: NOT CERTIFIED, only a part of the suite ran",
        ]
    )
    (told,) = json.loads((pytester.path / "cert.json").read_text())["certificates"]
    assert told["certified"] is told["complete"] is False
    assert told["excused"] == [{"test": "test_text_lands", "reason": "lands elsewhere"}]
    table = {row["capability"]: row for row in told["capabilities"]}
    assert table["publish_poll"]["state"] == "not declared"
    assert "publish_poll" in table["publish_poll"]["reason"]
    assert table["edit"]["state"] == "declared"


def test_a_failure_or_a_skip_by_hand_is_no_certificate(echo, pytester) -> None:
    pytester.makeconftest(
        "import pytest\ndef pytest_collection_modifyitems(items):\n"
        "    for item in items:\n"
        "        if 'test_check' in item.name: item.add_marker(pytest.mark.skip(reason='tired'))\n"
    )
    pytester.makepyfile(
        "import pytest\nfrom shequn_echo import PLATFORM, SANDBOX\n"
        "from shequn_sdk.testing.contract import AdapterContract\n"
        "class TestEcho(AdapterContract):\n    platform = PLATFORM\n    sandbox = SANDBOX\n"
    )
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", "test_text_lands or test_check")
    done.stdout.fnmatch_lines(["*1 skipped by hand: NOT CERTIFIED*"])


def test_the_pytest_plugin_loads_nothing_heavy(pytester) -> None:
    program = (
        "import sys, pytest\n"
        "class Look:\n"
        "    def pytest_sessionfinish(self):\n"
        "        heavy = {'httpx', 'duckdb', 'sqlalchemy', 'starlette', 'uvicorn', 'altair', 'pydantic'}\n"
        "        print('HEAVY', sorted(heavy & set(sys.modules)))\n"
        "sys.exit(pytest.main(['-q', '-s', '-p', 'no:cacheprovider', '-p', 'no:anyio', '-p', 'no:hypothesispytest', '-p', 'no:respx'], plugins=[Look()]))\n"
    )
    pytester.makepyfile("def test_nothing(): pass")
    done = pytester.run(sys.executable, "-c", program)
    assert "HEAVY []" in done.stdout.str()
