"""The documentation speaks of what is there."""

import importlib
import re
from pathlib import Path

from typer.main import get_command

from shequn_sdk import AsyncShequn
from shequn_sdk.cli._app import app
from shequn_sdk.settings import DeliverySettings

ROOT = Path(__file__).parents[2]


def test_every_command_has_a_heading():
    headings = set(
        re.findall(r"^## ([a-z-]+)$", (ROOT / "docs/cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert headings == set(get_command(app).commands)


def test_every_setting_is_described():
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for name in (
        *DeliverySettings.model_fields,
        "store",
        "events",
        "plugins",
        "communities",
        "accounts",
        "base_url",
    ):
        assert re.search(rf"\b{name}\b", text), name


def test_python_blocks_compile():
    for path in (*ROOT.glob("docs/**/*.md"), *ROOT.glob("README*.md")):
        for number, block in enumerate(
            re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
        ):
            compile(
                block, f"{path.name}[{number}]", "exec", flags=0x2000
            )  # top-level await is fine in a sample


def test_no_file_names_this_machine():
    for path in (*ROOT.glob("docs/**/*.md"), *ROOT.glob("README*.md"), *ROOT.glob("examples/*.py")):
        assert not re.search(r"/(work|root|home)/", path.read_text(encoding="utf-8")), path


def test_every_call_in_the_docs_exists():
    from shequn_sdk.client.registry import PARTS, ROOMS

    def class_of(where):
        module, _, name = where.partition(":")
        return getattr(importlib.import_module(module), name)

    parts = {name: class_of(where) for name, where in (ROOMS | PARTS).items() if name != "channel"}
    for path in (*ROOT.glob("docs/**/*.md"), *ROOT.glob("README*.md")):
        for name, method in re.findall(r"\bsq\.(\w+)(?:\.(\w+))?", path.read_text(encoding="utf-8")):
            assert hasattr(AsyncShequn, name) or name in parts, f"{path.name}: sq.{name}"
            if name in parts and method:
                assert hasattr(parts[name], method), f"{path.name}: sq.{name}.{method}"


def test_every_proof_named_in_the_docs_exists():
    named = re.compile(r"`(?:tests/)?((?:unit|flows|contract|golden|faults)/[\w/.]*?)(?:::(\w+))?`")
    found = 0
    for path in (ROOT / "docs/mission.md", ROOT / "docs/calendar.md"):
        for where, test in named.findall(path.read_text(encoding="utf-8")):
            proof = ROOT / "tests" / where
            assert proof.exists(), f"{path.name}: {where}"
            assert not test or f"def {test}(" in proof.read_text(encoding="utf-8"), f"{path.name}: {test}"
            found += 1
    assert found > 50
