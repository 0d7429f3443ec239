"""A new plugin is whole: it passes its own contract suite and the linter before anybody changes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shequn_sdk.errors import InvalidInput
from shequn_sdk.testing.scaffold import create_plugin


def run(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *args],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory / "src")},
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.mark.parametrize("name", ["my-forum", "a-name-as-long-as-it-goes"[:24]])
def test_a_new_plugin_is_clean(tmp_path: Path, name: str) -> None:
    written = create_plugin(name, tmp_path / "new")
    assert all(path.is_file() for path in written)
    module = "shequn_" + name.replace("-", "_")
    project = tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["shequn"] == {name: module}
    assert project["project"]["name"] == f"shequn-{name}"
    for path in written:
        assert "__NAME__" not in path.read_text()
        assert "__MODULE__" not in path.read_text()
        assert "__CLASS__" not in path.read_text()
    for check in (["check", "."], ["format", "--check", "."]):
        done = run(tmp_path / "new", "ruff", *check)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_plugin_passes_its_contract(tmp_path: Path) -> None:
    create_plugin("my-forum", tmp_path / "new")
    done = run(tmp_path / "new", "pytest", "-q", "-p", "no:cacheprovider", "--shequn-certificate=cert.json")
    assert done.returncode == 0, done.stdout + done.stderr
    (told,) = json.loads((tmp_path / "new" / "cert.json").read_text())["certificates"]
    assert told["certified"] is True
    assert told["platform"] == "my-forum"
    assert told["passed"] > 50
    assert not told["excused"]


@pytest.mark.parametrize(
    "name", ["", "My", "1a", "a_b", "a--b", "-a", "a-", "../x", "a b", "class", "sdk", "x" * 25, "群"]
)
def test_names_that_cannot_be_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot name a platform"):
        create_plugin(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="holds something"):
        create_plugin("echo", tmp_path)
    with pytest.raises(InvalidInput, match="holds something"):
        create_plugin("echo", tmp_path / "mine.txt")
    (tmp_path / "empty").mkdir()
    assert create_plugin("echo", tmp_path / "empty")
