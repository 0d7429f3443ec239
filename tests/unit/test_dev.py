"""Which failed tests of a whole run `dev.py test` tries once more."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dev():
    spec = importlib.util.spec_from_file_location("shequn_dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def noted(folder: Path, *names: str) -> Path:
    file = folder / "v" / "cache" / "lastfailed"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(dict.fromkeys(names, True)), encoding="utf-8")
    return folder


def test_few_failed_tests_get_a_second_chance(dev, tmp_path):
    cache = noted(tmp_path, "tests/b.py::two[x::y]", "tests/a.py::one")
    assert dev.failed_tests(1, cache) == ["tests/a.py::one", "tests/b.py::two[x::y]"]


@pytest.mark.parametrize("code", [0, 2, 3, 4, 5])
def test_only_a_run_that_went_to_its_end(dev, tmp_path, code):
    assert dev.failed_tests(code, noted(tmp_path, "tests/a.py::one")) == []


def test_not_many_and_none_that_could_not_be_collected(dev, tmp_path):
    many = [f"tests/a.py::test_{number}" for number in range(dev.SECOND_CHANCES + 1)]
    assert dev.failed_tests(1, noted(tmp_path / "many", *many)) == []
    assert len(dev.failed_tests(1, noted(tmp_path / "few", *many[1:]))) == dev.SECOND_CHANCES
    assert dev.failed_tests(1, noted(tmp_path / "file", "tests/a.py::one", "tests/broken.py")) == []
    assert dev.failed_tests(1, tmp_path / "nothing") == []


@pytest.mark.parametrize(("second", "code"), [(0, 0), (1, 1)])
def test_the_second_chance_decides_and_names_the_unsteady(dev, monkeypatch, capsys, second, code):
    calls = []

    def run(*command, env=None):
        calls.append(command)
        if len(calls) == 1:
            noted(Path(command[-1].removeprefix("cache_dir=")), "tests/a.py::one")
        return (1, second)[len(calls) - 1]

    monkeypatch.setattr(dev, "setup", lambda group: None)
    monkeypatch.setattr(dev, "_run", run)
    assert dev.test([]) == code
    assert calls[1][-3:] == ("-n", "0", "tests/a.py::one")
    assert ("failed once, passed alone: tests/a.py::one" in capsys.readouterr().out) is (second == 0)


def test_named_tests_get_none(dev, monkeypatch):
    calls = []
    monkeypatch.setattr(dev, "setup", lambda group: None)
    monkeypatch.setattr(dev, "_run", lambda *command, env=None: calls.append(command) or 1)
    assert dev.test(["tests/unit"]) == 1
    assert len(calls) == 1
