#!/usr/bin/env python3
"""Writes the blocking twins of the rooms and of the client's parts, and both clients' properties, from signatures.

`python tools/twins.py` writes them, `python tools/twins.py --check` says whether they are up to date.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REGISTRY = ROOT / "src" / "shequn_sdk" / "client" / "registry.py"
# not imported: its package needs what is written here
_REGISTERED = runpy.run_path(str(REGISTRY))
ROOMS: dict[str, str] = dict(_REGISTERED["ROOMS"])
PARTS: dict[str, str] = dict(_REGISTERED["PARTS"])
OUT = ROOT / "src" / "shequn_sdk" / "client" / "rooms"
SKIP = {"listen", "serve"}
HEAD = '"""{doc} Written by tools/twins.py: change the room, not this file."""\n\nfrom __future__ import annotations\n\n'


def main() -> int:
    """Write or check."""
    check = "--check" in sys.argv
    wanted = {f"{name}.py": _twin(name, where) for name, where in (ROOMS | PARTS).items()}
    wanted["__init__.py"] = _clients()
    stale: list[str] = []
    OUT.mkdir(exist_ok=True)
    for file, text in wanted.items():
        path = OUT / file
        formatted = _formatted(text, path)
        if not path.exists() or path.read_text(encoding="utf-8") != formatted:
            stale.append(file)
            if not check:
                path.write_text(formatted, encoding="utf-8")
    for path in OUT.glob("*.py"):
        if path.name not in wanted:
            stale.append(path.name)
            if not check:
                path.unlink()
    print(f"{'stale' if check else 'written'}: {', '.join(stale) or 'none'}")
    return 1 if check and stale else 0


def _formatted(text: str, path: Path) -> str:
    for arguments in (["check", "--fix", "--quiet", "--select", "I,F401,UP,TC"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(path), "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.stdout:
            text = done.stdout
    return text


def _twin(attribute: str, where: str) -> str:
    module_name, _, class_name = where.partition(":")
    path = ROOT.joinpath("src", *module_name.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = class_name.removeprefix("Async")
    node = next(item for item in tree.body if isinstance(item, ast.ClassDef) and item.name == class_name)
    methods = [item for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))]
    public = [item for item in methods if not item.name.startswith("_") and item.name not in SKIP]
    names = {part.id for item in public for part in _signature_nodes(item) if isinstance(part, ast.Name)}
    texts = {part.value for item in public for part in _signature_nodes(item) if _is_text(part)}
    names |= {
        name for text in texts for name in text.replace("|", " ").replace("[", " ").replace("]", " ").split()
    }
    lines = [HEAD.format(doc=f"The blocking twin of `{attribute}`.")]
    lines += ["from shequn_sdk.client._twin import Twin\n"]
    values = {
        part.id
        for item in public
        for value in (*item.args.defaults, *item.args.kw_defaults)
        if value is not None
        for part in ast.walk(value)
        if isinstance(part, ast.Name)
    }
    lines += ["from typing import TYPE_CHECKING\n", *sorted(_imports(tree, module_name, values))]
    lines += [
        "if TYPE_CHECKING:\n",
        *(f"    {line}" for line in sorted(_imports(tree, module_name, names - values))),
    ]
    lines += [
        "    from collections.abc import Callable, Iterator\n",
        "    from anyio.from_thread import BlockingPortal\n",
        f"    from {module_name} import {class_name}{'' if name != class_name else f' as Async{name}'}\n",
    ]
    lines += [f"\n__all__ = [{name!r}]\n\n\n"]
    lines += [f'class {name}(Twin):\n    """The blocking twin of `{module_name}.{class_name}`."""\n\n']
    lines += [f"    def __init__(self, inner: Async{name}, portal: Callable[[], BlockingPortal]) -> None:\n"]
    lines += [
        '        """Made by `Shequn`."""\n        super().__init__(portal)\n        self._inner = inner\n'
    ]
    lines += [_method(item, class_name) for item in public]
    return "".join(lines)


def _is_text(part: ast.AST) -> bool:
    return isinstance(part, ast.Constant) and isinstance(part.value, str)


def _signature_nodes(item: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.AST]:
    roots: list[ast.AST] = [item.args]
    if item.returns is not None:
        roots.append(item.returns)
    return [part for root in roots for part in ast.walk(root)]


def _imports(tree: ast.Module, module_name: str, names: set[str]) -> set[str]:
    found: set[str] = set()
    bodies = [tree.body, *(item.body for item in tree.body if isinstance(item, ast.If))]
    for item in (one for body in bodies for one in body):
        if isinstance(item, ast.ImportFrom) and item.module != "__future__":
            found |= {
                f"from {item.module} import {ast.unparse(alias)}\n"
                for alias in item.names
                if (alias.asname or alias.name) in names
            }
        elif isinstance(item, ast.Import):
            found |= {
                f"import {ast.unparse(alias)}\n" for alias in item.names if alias.name.split(".")[0] in names
            }
        elif isinstance(item, (ast.ClassDef, ast.FunctionDef)) and item.name in names:
            found.add(f"from {module_name} import {item.name}\n")
        elif isinstance(item, (ast.Assign, ast.AnnAssign)):
            targets = item.targets if isinstance(item, ast.Assign) else [item.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id in names:
                    found.add(f"from {module_name} import {target.id}\n")
    return found


def _method(item: ast.FunctionDef | ast.AsyncFunctionDef, class_name: str) -> str:
    args = item.args
    passed = [arg.arg for arg in (*args.posonlyargs, *args.args)[1:]]
    if args.vararg:
        passed.append(f"*{args.vararg.arg}")
    passed += [f"{arg.arg}={arg.arg}" for arg in args.kwonlyargs]
    if args.kwarg:
        passed.append(f"**{args.kwarg.arg}")
    returns = ast.unparse(item.returns) if item.returns is not None else "None"
    decorators = "".join(f"    @{ast.unparse(one)}\n" for one in item.decorator_list)
    head = f"{decorators}    def {item.name}({ast.unparse(args)}) -> "
    doc = f'        """See `{class_name}.{item.name}`."""\n'
    if any(ast.unparse(one) == "property" for one in item.decorator_list):
        return f"\n{head}{returns}:\n{doc}        return self._inner.{item.name}\n"
    call = f"self._inner.{item.name}"
    if returns.startswith(("AsyncIterator[", "AsyncGenerator[")):
        inner = returns.partition("[")[2].rpartition("]")[0].removesuffix(", None")
        return f"\n{head}Iterator[{inner}]:\n{doc}        return self._each({call}({', '.join(passed)}))\n"
    if isinstance(item, ast.AsyncFunctionDef):
        verb = "" if returns == "None" else "return "
        return f"\n{head}{returns}:\n{doc}        {verb}self._do({', '.join([call, *passed])})\n"
    return f"\n{head}{returns}:\n{doc}        return {call}({', '.join(passed)})\n"


def _clients() -> str:
    lines = [HEAD.format(doc="The rooms as both clients show them.")]
    lines += ["from typing import TYPE_CHECKING\n", "from shequn_sdk.client._twin import Twin\n"]
    lines += ["from shequn_sdk.client.workspace import Workspace\n\nif TYPE_CHECKING:\n"]
    for name, where in ROOMS.items():
        module, _, kind = where.partition(":")
        lines.append(f"    from {module} import {kind} as Async{kind}\n")
        lines.append(f"    from shequn_sdk.client.rooms.{name} import {kind}\n")
    lines.append(
        '\n__all__ = ["AsyncRooms", "Rooms"]\n\n\nclass AsyncRooms:\n    """The rooms of `AsyncShequn`."""\n\n'
    )
    lines.append("    _workspace: Workspace\n")
    for name, where in ROOMS.items():
        module, _, kind = where.partition(":")
        title = _title(module, kind)
        lines.append(f'\n    @property\n    def {name}(self) -> Async{kind}:\n        """{title}"""\n')
        lines.append(f"        from {module} import {kind}\n\n        return self._workspace.room({kind})\n")
    lines.append('\n\nclass Rooms(Twin):\n    """The rooms of `Shequn`."""\n\n    _rooms: AsyncRooms\n')
    for name, where in ROOMS.items():
        kind = where.partition(":")[2]
        lines.append(
            f'\n    @property\n    def {name}(self) -> {kind}:\n        """See `AsyncShequn.{name}`."""\n'
        )
        lines.append(f"        from shequn_sdk.client.rooms.{name} import {kind}\n\n")
        lines.append(f"        return {kind}(self._rooms.{name}, self._portal)\n")
    return "".join(lines)


def _title(module: str, kind: str) -> str:
    doc = inspect.getdoc(getattr(importlib.import_module(module), kind)) or ""
    return doc.partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
