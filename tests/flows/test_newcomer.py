"""What the first pages say is what happens: their commands and programs run, word for word, on the local sandbox."""

import io
import json
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import anyio
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from shequn_sdk.cli._app import app
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.settings import load_settings
from shequn_sdk.testing.sandbox.server import SandboxServer

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")})
CHANNEL = "telegram_bot:-1001234567890"


def blocks(path, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def commands(path):
    """The `shequn …` lines of a page's console blocks."""
    for block in blocks(path, "(?:console|bash|sh|shell)"):
        for line in block.replace("\\\n", " ").splitlines():
            text = line.strip().removeprefix("$ ")
            if text.startswith("shequn "):
                yield shlex.split(text, comments=True)[1:]


ALL = [(page, command) for page in PAGES for command in commands(page)]


def test_there_are_commands_to_look_at():
    assert len(ALL) >= 8


@pytest.mark.parametrize(
    ("page", "command"), ALL, ids=lambda item: item.name if isinstance(item, Path) else " ".join(item)[:60]
)
def test_every_command_line_in_the_pages_is_understood(page, command, monkeypatch):
    """Parsed by the command line itself, which knows each command, option and argument; not run."""
    monkeypatch.setenv("SHEQUN_STORE", "postgresql://host/name")
    group = get_command(app)
    context = group.make_context("shequn", list(command), resilient_parsing=False)
    rest = [*context._protected_args, *context.args]
    while rest:
        name, found, rest = group.resolve_command(context, rest)
        assert found is not None, name
        context = found.make_context(name, rest, parent=context)
        if not hasattr(found, "resolve_command"):
            break
        group, rest = found, [*context._protected_args, *context.args]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + "-" + page.stem)
def test_every_settings_block_loads(page, tmp_path):
    for number, block in enumerate(blocks(page, "toml")):
        if not re.search(r"^\[(communities|accounts|delivery)", block, re.MULTILINE):
            continue
        named = {*re.findall(r"env:(\w+)", block)}
        home = tmp_path / str(number)
        home.mkdir()
        text = block
        channels = "".join(re.findall(r"^channels = .*", block, re.MULTILINE))
        for account in sorted(set(re.findall(r'"(\w+):[^"]*"', channels))):
            if f"[accounts.{account}]" not in text:
                text += f'\n[accounts.{account}]\nplatform = "telegram"\n'
        (home / "shequn.toml").write_text(text, encoding="utf-8")
        assert load_settings(home, environ=dict.fromkeys(named, "x"))


@pytest.fixture
async def sandbox():
    async with SandboxServer([load_plugins(only=["telegram"]).sandbox("telegram")]) as server:
        yield server


def on_the_sandbox(text, server):
    """Point a page's settings at the sandbox, as `base_url` is there for."""
    base = server.account("telegram", name="telegram_bot").base_url
    return text.replace('platform = "telegram"', f'platform = "telegram"\nbase_url = "{base}"')


async def test_getting_started_word_for_word(tmp_path, monkeypatch, sandbox):
    page = ROOT / "docs/getting-started.md"
    account = sandbox.account("telegram", name="telegram_bot")
    channel = sandbox["telegram"].create_channel("读书会")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", account.secret("token"))
    (tmp_path / "collegemsg.txt").write_text("1 2 1082040961\n3 4 1082155839\n")
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    said = page.read_text(encoding="utf-8")
    ran = []
    for written in commands(page):
        command = [part.replace(CHANNEL, f"telegram_bot:{channel}") for part in written]
        result = await anyio.to_thread.run_sync(lambda command=command: CliRunner().invoke(app, command))
        assert result.exit_code == 0, (command, result.stdout, result.stderr)
        ran.append(command[0])
        if command[0] == "init":
            for line in result.stdout.splitlines():
                assert line in said
            file = tmp_path / "club/shequn.toml"
            [block] = [text for text in blocks(page, "toml") if "[communities.club]" in text]
            made = file.read_text(encoding="utf-8")
            start = made.index("[communities.club]")
            made = made[:start] + block + made[made.index("[accounts.") :]
            made = on_the_sandbox(made, sandbox).replace(CHANNEL, f"telegram_bot:{channel}")
            file.write_text(made, encoding="utf-8")
        if command[0] == "metrics":
            assert len(json.loads(result.stdout)["points"]) == 2
    assert ran == ["init", "doctor", "publish", "deliveries", "import", "metrics", "report"]
    assert "早安" in sandbox["telegram"].messages(channel)[-1].text
    out = io.StringIO()
    for block in blocks(page, "python"):
        code = block.replace(CHANNEL, f"telegram_bot:{channel}")
        names = {}
        exec(compile(code, page.name, "exec"), names)
        with redirect_stdout(out):
            await names["main"]()
    assert "landed" in out.getvalue()


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
async def test_the_twelve_lines_of_the_readme(tmp_path, monkeypatch, sandbox, name):
    [block] = blocks(ROOT / name, "python")
    account = sandbox.account("telegram", name="x")
    first, second = (sandbox["telegram"].create_channel(title) for title in ("一", "二"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shequn.toml").write_text(
        f'[communities.health]\nchannels = ["health_bot:{first}", "club:{second}"]\n'
        + "".join(
            f'[accounts.{key}]\nplatform = "telegram"\nbase_url = "{account.base_url}"\n'
            f'[accounts.{key}.secrets]\ntoken = "{account.secret("token")}"\n'
            for key in ("health_bot", "club")
        ),
        encoding="utf-8",
    )
    names, out = {}, io.StringIO()
    code = block.replace("health_bot:-100123", f"health_bot:{first}").replace("club:42", f"club:{second}")
    exec(compile(code, name, "exec"), names)
    with redirect_stdout(out), anyio.fail_after(300):
        async with anyio.create_task_group() as group:
            group.start_soon(names["main"])
            while out.getvalue().count("landed") < 2:  # noqa: ASYNC110 - a plain text stream
                await anyio.sleep(0.05)
            await anyio.sleep(2)  # the rest is begun, and it runs
            group.cancel_scope.cancel()
    assert out.getvalue().count("landed") == 2, out.getvalue()
