"""The README's tables are those of the plugins that are installed."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_capability_tables_are_those_of_the_manifests():
    spec = importlib.util.spec_from_file_location("capabilities", ROOT / "tools/capabilities.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, made in module.tables().items():
        assert made in (ROOT / name).read_text(encoding="utf-8"), "run tools/capabilities.py"


def test_both_readmes_show_the_two_commands():
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "python3 dev.py demo" in text
        assert "python3 dev.py test" in text
        assert "DEMO_OUTPUT" not in text
