"""Commands about the workspace itself: init, doctor, plugins, new-plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shequn_sdk.cli._common import HomeOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.errors import InvalidInput, ShequnError

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn

__all__ = ["add_commands"]


@command
async def init(
    out: Output,
    home: HomeOption = Path(),
    community: Annotated[
        str, typer.Option(help="Name of the community: lower case letters, digits, - and _.")
    ] = "main",
    title: Annotated[str, typer.Option(help="Title that people see.")] = "",
    zone: Annotated[str, typer.Option(help="IANA time zone of its local days.")] = "Asia/Shanghai",
    platform: Annotated[
        list[str] | None, typer.Option(help="Add an account on this platform; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace: writes `shequn.toml` for you to fill in."""
    from pydantic import SecretStr, ValidationError

    from shequn_sdk.domain import Account, Community
    from shequn_sdk.platforms.discovery import load_plugins
    from shequn_sdk.settings import settings_template

    path = home / "shequn.toml"
    if path.exists():
        raise InvalidInput(f"{path} exists already: edit it, or choose another --home")
    plugins = load_plugins()
    accounts: list[Account] = []
    for name in platform or []:
        spec = plugins.platform(name)
        secrets = {key: SecretStr("") for key in (spec.manifests[0].secrets if spec.manifests else ())}
        accounts.append(Account(name=f"{name}_bot", platform=name, secrets=secrets))
    try:
        made = Community(name=community, title=title or community, zone=zone)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InvalidInput(f"--{problem['loc'][0]}: {problem['msg']}") from None
    home.mkdir(parents=True, exist_ok=True)
    path.write_text(settings_template(accounts, [made]), encoding="utf-8")
    if out.as_json:
        out.json(
            {"settings": path, "community": community, "accounts": [account.name for account in accounts]}
        )
    else:
        out.line(f"wrote {path}")
        for account in accounts:
            for key in account.secrets:
                out.line(
                    f"set {account.name.upper()}_{key.upper()} in the environment, then run: "
                    f"shequn doctor{'' if home == Path() else f' --home {home}'}"
                )


@client_command
async def doctor(sq: AsyncShequn, out: Output) -> Exit | None:
    """Check settings, plugins, stores and every account's credentials, and say what to do."""
    rows: list[dict[str, object]] = []

    def found(what: str, problem: ShequnError | None, detail: str = "") -> None:
        rows.append(
            {"check": what, "ok": problem is None, "detail": detail if problem is None else str(problem)}
        )

    found(
        "settings",
        None,
        f"{len(sq.settings.communities)} communities, {len(sq.settings.accounts)} accounts",
    )
    for plugin in sq.plugins.loaded:
        problem = next((error for error in sq.plugins.load_errors if error.plugin == plugin.name), None)
        found(f"plugin {plugin.name}", problem, ", ".join(plugin.offers))
    for what, check in (
        ("store", sq.check_store),
        ("inbox", sq.check_inbox),
        ("event store", sq.check_events),
    ):
        try:
            found(what, None, await check())
        except ShequnError as error:
            found(what, error)
    for name in sq.accounts.names():
        try:
            found(f"account {name}", None, await sq.accounts.adapter(name).check())
        except ShequnError as error:
            found(f"account {name}", error)
    out.table(rows, ["check", "ok", "detail"])
    return None if all(row["ok"] for row in rows) else Exit.FAILED


@command
async def plugins(
    out: Output,
    capabilities: Annotated[
        bool, typer.Option("--capabilities", help="Show what each platform can do.")
    ] = False,
    as_json: JsonOption = False,
) -> Exit | None:
    """List plugins, what they offer, and why a broken one is not used."""
    from shequn_sdk.platforms.discovery import load_plugins
    from shequn_sdk.platforms.manifest import Capability

    found = load_plugins()
    if capabilities:
        manifests = [manifest for spec in found.platforms.values() for manifest in spec.manifests]
        rows = [
            {"capability": str(item)}
            | {
                f"{m.platform} {m.mode}".strip(): "yes" if m.supports(item) else m.missing.get(item, "no")
                for m in manifests
            }
            for item in Capability
        ]
        if not out.as_json:
            rows = [
                {key: value if value == "yes" or key == "capability" else "no" for key, value in row.items()}
                for row in rows
            ]
        out.table(rows, ["capability", *(f"{m.platform} {m.mode}".strip() for m in manifests)])
        return None
    rows = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "offers": list(plugin.offers) if out.as_json else ", ".join(plugin.offers),
            "error": plugin.error,
        }
        for plugin in found.loaded
    ]
    out.table(
        rows,
        ["name", "version", "offers", "error"],
        empty="no plugin is installed: platforms are packages named shequn-PLATFORM",
    )
    return Exit.PARTLY if found.load_errors else None


@command
async def new_plugin(
    out: Output,
    name: Annotated[str, typer.Argument(help="Name of the platform: lower case letters and digits.")],
    directory: Annotated[Path, typer.Argument(help="Where to make the package.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Make a complete, tested package for a new platform."""
    from shequn_sdk.testing.scaffold import create_plugin

    written = create_plugin(name, directory)
    if out.as_json:
        out.json({"files": written})
    else:
        for path in written:
            out.line(str(path))
        out.line("next: install it with `pip install -e`, run its tests with `pytest`, then read its README")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(init)
    app.command()(doctor)
    app.command()(plugins)
    app.command("new-plugin")(new_plugin)
