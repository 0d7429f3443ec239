#!/usr/bin/env python3
"""Everything that this repository can do, with its own set-up: `python3 dev.py demo`, `python3 dev.py test`.

Needs Python 3.11 or later and nothing else. The first run makes `.venv` and installs the pinned, hash-checked
requirements; later runs start at once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("SHEQUN_VENV", ROOT / ".venv"))
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
# The second part of each pair completes the host, so that this file does not name one itself.
REGISTRY_HOSTS = tuple(
    a + b
    for a, b in (("pypi", ".org"), ("pythonhosted", ".org"), ("registry.npm", "js"), ("deb.debian", ".org"))
)
SECOND_CHANCES = 3
"""With more failed tests than this, a run is a failed one at once."""


def main() -> int:
    """Run one task."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the one file that an older Python may be asked to run
        print(
            f"Python 3.11 or later is needed, this is {sys.version.split()[0]}; try: python3.11 dev.py",
            file=sys.stderr,
        )
        return 2
    parser = argparse.ArgumentParser(
        prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for name, (_, text) in TASKS.items():
        tasks.add_parser(name, help=text, add_help=name not in PASS_ON)
    options, rest = parser.parse_known_args()
    if rest and options.task not in PASS_ON:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    os.chdir(ROOT)
    return TASKS[options.task][0](rest)


def setup(group: str) -> None:
    """Make the environment hold `requirements/<group>.txt` and this workspace."""
    stamp_value = _fingerprint(group)
    if any(
        _stamp(name).exists() and _stamp(name).read_text() == _fingerprint(name) for name in {group, "dev"}
    ):
        return
    print(f"Setting up {VENV.name} (once; {group} requirements) …", file=sys.stderr, flush=True)
    uv = shutil.which("uv")
    if not PYTHON.exists():
        if uv:
            _call([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)])
        else:
            _make_venv()
    elif not uv:
        _call([str(PYTHON), "-m", "ensurepip", "--upgrade"], quiet=True)
    installer = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)] if uv else [
        str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"
    ]  # fmt: skip
    _call([*installer, "--require-hashes", "-r", str(ROOT / "requirements" / f"{group}.txt")])
    packages = [ROOT, *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]
    editable = [part for package in packages for part in ("-e", str(package))]
    _call([*installer, "--no-deps", "--no-build-isolation", *editable])
    _stamp(group).write_text(stamp_value)


def _make_venv() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], check=False, capture_output=True, text=True
    )
    if made.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        print(made.stdout + made.stderr, file=sys.stderr)
        print(
            "Python could not make a virtual environment. On Debian and Ubuntu its module is a package of its own: "
            "apt-get install python3-venv",
            file=sys.stderr,
        )
        raise SystemExit(2)


def _stamp(group: str) -> Path:
    return VENV / f".ready-{group}"


def _fingerprint(group: str) -> str:
    digest = hashlib.sha256(str(ROOT).encode())
    for path in [
        ROOT / "requirements" / f"{group}.txt",
        ROOT / "pyproject.toml",
        *sorted(ROOT.glob("plugins/*/pyproject.toml")),
    ]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _call(command: list[str], *, quiet: bool = False) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL if quiet else None)
    if done.returncode != 0:
        print(f"failed ({done.returncode}): {' '.join(command[:6])} …", file=sys.stderr)
        raise SystemExit(done.returncode)


def _run(*command: str, env: dict[str, str] | None = None) -> int:
    return subprocess.run(list(command), check=False, env={**os.environ, **(env or {})}).returncode


def demo(rest: list[str]) -> int:
    """The health community lives 90 days on the local sandbox."""
    setup("run")
    return _run(str(BIN / "shequn"), "demo", *rest)


def test(rest: list[str]) -> int:
    """All tests; of a whole run up to three failed ones get a second chance, alone, and are named."""
    setup("dev")
    # Hundreds of processes are started: without their bytecode each compiles every module that it imports.
    env = {"PYTHONDONTWRITEBYTECODE": ""}
    pytest = [str(PYTHON), "-m", "pytest"]
    if rest:
        return _run(*pytest, *rest, env=env)
    jobs = ["-n", str(min(4, os.cpu_count() or 1)), "--dist", "worksteal"]
    with tempfile.TemporaryDirectory(prefix="shequn-tests-") as cache:  # of this run alone: no older failures
        code = _run(*pytest, *jobs, "-o", f"cache_dir={cache}", env=env)
        names = failed_tests(code, Path(cache))
    if not names:
        return code
    print(f"── once more, alone: {' '.join(names)}", flush=True)
    code = _run(*pytest, "-n", "0", *names, env=env)
    for name in names if code == 0 else ():
        print(f"unsteady: failed once, passed alone: {name}", flush=True)
    return code


def failed_tests(code: int, cache: Path) -> list[str]:
    """Give the tests to try once more: all that failed, if they are few and nothing else went wrong."""
    noted = cache / "v" / "cache" / "lastfailed"
    if code != 1 or not noted.exists():
        return []
    names = sorted(json.loads(noted.read_text("utf-8")))
    whole_files = any("::" not in name for name in names)  # could not be collected
    return [] if whole_files or len(names) > SECOND_CHANCES else names


def coverage(rest: list[str]) -> int:
    """Tests with branch coverage."""
    setup("dev")
    code = _run(str(PYTHON), "-m", "coverage", "run", "-m", "pytest", *rest)
    _run(str(PYTHON), "-m", "coverage", "combine", "--quiet")
    return code or _run(str(PYTHON), "-m", "coverage", "report")


def lint(_: list[str]) -> int:
    """Style, and that no file names a package registry or a machine's own path."""
    setup("dev")
    code = _run(str(PYTHON), "-m", "ruff", "check", ".") or _run(
        str(PYTHON), "-m", "ruff", "format", "--check", "."
    )
    listed = subprocess.run(["git", "ls-files", "-z"], check=False, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        if not path.is_file() or path.stat().st_size > 4_000_000:
            continue
        text = path.read_bytes()
        for host in REGISTRY_HOSTS:
            if host.encode() in text:
                print(f"{name}: names the package registry {host}")
                code = code or 1
    return code


def types(_: list[str]) -> int:
    """Static types: pyright, strict on the sources."""
    setup("dev")
    return _run(str(PYTHON), "-m", "pyright", "--pythonpath", str(PYTHON))


def imports(_: list[str]) -> int:
    """That the arrows between packages point down."""
    setup("dev")
    return _run(str(BIN / "lint-imports"))


def docs(_: list[str]) -> int:
    """Build the documentation offline, strictly."""
    setup("dev")
    return _run(str(PYTHON), "-m", "mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


def check(_: list[str]) -> int:
    """What CI runs: tests, lint, types, imports, docs."""
    for task in (test, lint, types, imports, docs):
        print(f"── {task.__name__}", flush=True)
        code = task([])
        if code:
            return code
    return 0


def lock(_: list[str]) -> int:
    """Renew the pinned requirement files (needs uv); the lock file itself stays out of git."""
    common = [
        "uv",
        "export",
        "--quiet",
        "--all-packages",
        "--no-emit-workspace",
        "--no-header",
        "--no-annotate",
        "--format",
        "requirements.txt",
    ]
    (ROOT / "requirements").mkdir(exist_ok=True)
    code = _run("uv", "lock", "--quiet")
    run_extras = [
        part
        for extra in ("report", "sandbox", "webhook", "cn-calendar", "media", "moderation")
        for part in ("--extra", extra)
    ]
    for name, options in (
        ("run", ["--no-default-groups", "--group", "build", *run_extras]),
        ("dev", ["--all-extras", "--all-groups"]),
    ):
        if code == 0:
            code = _run(*common, *options, "--output-file", str(ROOT / "requirements" / f"{name}.txt"))
    return code


def bench(rest: list[str]) -> int:
    """Run one benchmark: `dev.py bench telegram_decode`; without a name, list them."""
    setup("dev")
    if not rest:
        print("\n".join(sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py"))))
        return 0
    return _run(str(PYTHON), str(ROOT / "benchmarks" / f"{rest[0]}.py"), *rest[1:])


TASKS = {
    task.__name__: (task, (task.__doc__ or "").splitlines()[0])
    for task in (demo, test, check, lint, types, imports, docs, coverage, bench, lock)
}
PASS_ON = {"demo", "test", "coverage", "bench"}

if __name__ == "__main__":
    raise SystemExit(main())
