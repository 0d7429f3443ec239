"""Every command that can be called without arguments answers, as a table and as JSON, also in an empty workspace."""

import json

import pytest
import typer
from typer.testing import CliRunner

from shequn_sdk.cli._app import app

STAYS = {"run", "worker", "dashboard", "demo", "sandbox", "links serve", "feeds watch"}
"""Commands that go on until they are stopped, or live for long."""
ASKS = {
    "init": "exists already",
    "publish": "--to account:native-id",
    "preview": "--to account:native-id",
    "report": "has no data yet: import a history",
    "calendar undo": "nothing to undo",
    "store info": "has no store yet",
    "feeds opml": "--import FILE or --export FILE",
    "moderation drill start": "no crisis plan",
    "tiers": "has no tiers",
    "tiers review": "has no tiers",
    "journeys save": "--template",
}
"""What the others say is missing in an empty workspace; a mistake in use, exit code 2."""


def leaves(command, path=()):
    """Give each command that does something: its words and its parameters."""
    children = getattr(command, "commands", None)
    if children is None or command.invoke_without_command:
        yield " ".join(path), command.params
    for name, child in (children or {}).items():
        yield from leaves(child, (*path, name))


ALL = dict(leaves(typer.main.get_command(app)))
BARE = [name for name, params in ALL.items() if name not in STAYS and not any(one.required for one in params)]


@pytest.mark.parametrize("name", BARE)
def test_it_answers(tmp_path, name):
    (tmp_path / "shequn.toml").write_text('[communities.club]\ntitle = "读书会"\n', encoding="utf-8")
    options = {one.name for one in ALL[name]}
    words = [*name.split(), *(["--home", str(tmp_path)] if "home" in options else [])]
    plain = CliRunner().invoke(app, words)
    if name in ASKS:
        assert (plain.exit_code, ASKS[name] in plain.stderr) == (2, True), plain.stderr
        error = json.loads(CliRunner().invoke(app, [*words, "--json"]).stderr)["error"]
        assert ASKS[name] in error["message"]
        return
    assert plain.exit_code == 0, (plain.stdout, plain.stderr, plain.exception)
    assert plain.stdout or plain.stderr
    if "as_json" in options:
        told = CliRunner().invoke(app, [*words, "--json"])
        assert told.exit_code == 0, (told.stdout, told.stderr, told.exception)
        json.loads(told.stdout)
