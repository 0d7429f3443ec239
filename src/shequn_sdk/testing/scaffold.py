"""Writes a new platform plugin: a complete package that passes its contract suite before the first change."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path

from shequn_sdk.errors import InvalidInput

__all__ = ["create_plugin"]

_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
_LONGEST = 24
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "src/__init__.py": "src/{module}/__init__.py",
    "src/adapter.py": "src/{module}/adapter.py",
    "src/errors.py": "src/{module}/errors.py",
    "src/manifest.py": "src/{module}/manifest.py",
    "src/sandbox.py": "src/{module}/sandbox.py",
    "tests/test_contract.py": "tests/test_contract.py",
    "tests/test_plugin.py": "tests/test_plugin.py",
}


def create_plugin(name: str, directory: Path) -> list[Path]:
    """Write the package `shequn-<name>` into `directory`, which must be empty or not there yet.

    The package serves a small invented platform with text, history, members and events; its parts are to be replaced
    by those of the real one. Gives the files that were written.

    Raises:
        InvalidInput: the name cannot be that of a platform, or the directory holds something already.
    """
    module = "shequn_" + name.replace("-", "_")
    if not _NAME.match(name) or len(name) > _LONGEST or keyword.iskeyword(name) or name == "sdk":
        raise InvalidInput(
            f"{name!r} cannot name a platform: use up to {_LONGEST} small letters, digits and single hyphens, "
            "beginning with a letter, for example my-forum"
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InvalidInput(f"{directory} holds something already: name a new or empty directory")
    title = "".join(part.capitalize() for part in name.split("-"))
    source = files("shequn_sdk.testing").joinpath("_scaffold")
    written: list[Path] = []
    for template, target in _FILES.items():
        text = source.joinpath(template + ".tmpl").read_text(encoding="utf-8")
        text = text.replace("__MODULE__", module).replace("__NAME__", name).replace("__CLASS__", title)
        path = directory / target.format(module=module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    typed = directory / "src" / module / "py.typed"
    typed.touch()
    return [*written, typed]
