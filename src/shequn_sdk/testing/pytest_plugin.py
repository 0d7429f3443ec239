"""Pytest plugin for developers of platform plugins: the contract suite's markers and its certificate.

It is loaded in every pytest run of an environment that has shequn-sdk, so it imports nothing but pytest and the
standard library until a contract test is there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shequn_sdk.platforms import seams

__all__: list[str] = []

_KEY = "shequn_contract"
_SKIP_PREFIX = "not in the manifest: "

_MARKS = {"proven": "✓", "failed": "✗", "declared": "○", "not declared": "·"}

pytest.register_assert_rewrite("shequn_sdk.testing.contract", "shequn_sdk.testing._contract")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--shequn-certificate`."""
    parser.getgroup("shequn").addoption(
        "--shequn-certificate",
        metavar="FILE",
        default="",
        help="write what the adapter contract suite proved, as JSON",
    )


_BEFORE = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and the collector of results."""
    config.addinivalue_line(
        "markers", "requires(*capabilities, **properties): skip unless the adapter's manifest declares them"
    )
    config.pluginmanager.register(_Certificate(config), "shequn-certificate")
    # respx and pytest-httpx stand in for httpx's own connections only
    config.stash[_BEFORE] = seams.use_fast_transport
    seams.use_fast_transport = False


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let HTTP clients choose their connections as before: a run within a run leaves the outer one as it is."""
    seams.use_fast_transport = config.stash.get(_BEFORE, True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run contract tests on anyio and mark them for the certificate."""
    for item in items:
        cls = getattr(item, "cls", None)
        if cls is None or not any(
            base.__name__ == "AdapterContract" and _is_ours(base) for base in cls.__mro__[1:]
        ):
            continue
        name = getattr(item, "originalname", "") or item.name
        if not hasattr(_contract(cls), name):
            continue
        capabilities: list[str] = []
        any_of: list[str] = []
        # the original's marks count, also when the test is overridden
        for marker in getattr(getattr(_contract(cls), name), "pytestmark", ()):
            if marker.name != "requires":
                continue
            capabilities += map(str, marker.args)
            any_of += map(str, marker.kwargs.get("any_of", ()))
            capabilities += [key for key in marker.kwargs if key != "any_of"]
        entry = {
            "class": cls.__name__,
            "test": name,
            "capabilities": capabilities,
            "any_of": any_of,
            "suite": sum(test.startswith("test") for test in dir(_contract(cls))),
        }
        item.user_properties.append((_KEY, entry))


def _is_ours(cls: type) -> bool:
    return cls.__module__ == "shequn_sdk.testing.contract"


def _contract(cls: type) -> type:
    return next(base for base in cls.__mro__ if base.__name__ == "AdapterContract" and _is_ours(base))


def _account(value: Any) -> tuple[str, str, list[str]]:
    platform, mode, declared = value if value is not None else ("", "", ())
    return str(platform), str(mode), [str(name) for name in declared]


class _Certificate:
    """Collects the outcomes of contract tests and tells them at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the outcome of one test."""
        found = dict(report.user_properties)
        entry = found.get(_KEY)
        if not isinstance(entry, dict) or (report.when != "call" and report.outcome == "passed"):
            return
        platform, mode, declared = _account(found.get("shequn_account"))
        outcome, reason = report.outcome, ""
        if hasattr(report, "wasxfail"):
            outcome, reason = "xfailed", str(report.wasxfail)
        elif report.outcome == "skipped" and isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        known = self._results.get(report.nodeid)
        if known is not None and known["outcome"] == "failed":
            return
        self._results[report.nodeid] = {
            **entry,
            "capabilities": [*entry["capabilities"], *(name for name in entry["any_of"] if name in declared)],
            "declared": declared,
            "platform": platform,
            "mode": mode,
            "outcome": outcome,
            "reason": reason,
        }

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print a line per contract class (a table with `-v` or with a file), and write the file."""
        if not self._results:
            return
        certificates = [_certify(name, rows) for name, rows in self._classes().items()]
        path = self._config.getoption("--shequn-certificate")
        whole = bool(path) or self._config.get_verbosity() > 0
        terminalreporter.section("shequn contract", sep="-")
        for one in certificates:
            mode = f" ({one['mode']})" if one["mode"] else ""
            terminalreporter.write_line(
                f"{one['platform'] or '?'}{mode}: {one['passed']} passed, {one['failed']} failed, "
                f"{one['skipped']} skipped by the manifest, {len(one['excused'])} excused, "
                f"{len(one['skipped_by_hand'])} skipped by hand: "
                + ("CERTIFIED" if one["certified"] else "NOT CERTIFIED")
                + ("" if one["complete"] else ", only a part of the suite ran")
            )
            for row in one["capabilities"] if whole else ():
                terminalreporter.write_line(_line(row))
        if path:
            text = json.dumps({"certificates": certificates}, ensure_ascii=False, indent=2)
            Path(path).write_text(text + "\n", encoding="utf-8")

    def _classes(self) -> dict[str, list[dict[str, Any]]]:
        classes: dict[str, list[dict[str, Any]]] = {}
        for nodeid, row in sorted(self._results.items()):
            classes.setdefault(nodeid.rpartition("::")[0], []).append(row)
        return classes


def _line(row: dict[str, Any]) -> str:
    text = f"{row['passed']} passed" + (f", {row['failed']} failed" if row["failed"] else "")
    if row["state"] == "declared":
        text = "its methods are there; what they do is for the plugin's own tests to show"
    elif row["state"] == "not declared":
        text = row["reason"]
    return f"  {_MARKS[row['state']]} {row['capability']:<24} {text}"


def _certify(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    by_manifest = [
        row for row in rows if row["outcome"] == "skipped" and row["reason"].startswith(_SKIP_PREFIX)
    ]
    by_hand = [row["test"] for row in rows if row["outcome"] == "skipped" and row not in by_manifest]
    failed = [row["test"] for row in rows if row["outcome"] == "failed"]
    passed = sum(row["outcome"] == "passed" for row in rows)
    complete = len({row["test"] for row in rows}) == rows[0]["suite"]
    return {
        "contract": name,
        "platform": next((row["platform"] for row in rows if row["platform"]), ""),
        "mode": next((row["mode"] for row in rows if row["mode"]), ""),
        "certified": complete and passed > 0 and not failed and not by_hand,
        "complete": complete,
        "passed": passed,
        "failed": len(failed),
        "skipped": len(by_manifest),
        "failures": sorted(set(failed)),
        "skipped_by_hand": sorted(set(by_hand)),
        "excused": [
            {"test": row["test"], "reason": row["reason"]} for row in rows if row["outcome"] == "xfailed"
        ],
        "capabilities": _by_capability(rows),
    }


def _by_capability(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    declared = {name for row in rows for name in row["declared"]}
    names = ["always", *sorted(declared | {name for row in rows for name in row["capabilities"]})]
    table: list[dict[str, Any]] = []
    for capability in names:
        mine = [row for row in rows if capability in (row["capabilities"] or ["always"])]
        if not mine and capability not in declared:
            continue
        passed = sum(row["outcome"] == "passed" for row in mine)
        failed = sum(row["outcome"] == "failed" for row in mine)
        state = (
            "failed"
            if failed
            else "proven"
            if passed
            else "declared"
            if capability in declared
            else "not declared"
        )
        reason = next((row["reason"].removeprefix(_SKIP_PREFIX) for row in mine if row["reason"]), "")
        table.append(
            {
                "capability": capability,
                "state": state,
                "passed": passed,
                "failed": failed,
                "skipped": sum(row["outcome"] == "skipped" for row in mine),
                "reason": reason if state == "not declared" else "",
            }
        )
    return table
