"""Settings: one `shequn.toml` per workspace, secrets from the environment, read once at the edge.

```toml
[communities.health]
title = "健康养生社"
zone = "Asia/Shanghai"
channels = ["health_bot:-1001234567890"]

[accounts.health_bot]
platform = "telegram"

[accounts.health_bot.secrets]
token = "env:HEALTH_BOT_TOKEN"      # or leave it out and set SHEQUN_HEALTH_BOT_TOKEN
```
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError

from shequn_sdk.domain import (
    Account,
    ChannelRef,
    Community,
    Frozen,
    LatePolicy,
    Name,
    OnUnknown,
    PrivacySettings,
)
from shequn_sdk.errors import ConfigError

__all__ = ["DeliverySettings", "Settings", "load_settings", "settings_template"]

FILE_NAME = "shequn.toml"
MAX_FILE_BYTES = 1_000_000


class DeliverySettings(Frozen):
    """How deliveries are handled unless a call says otherwise."""

    on_unknown: OnUnknown | None = None
    """None is the platform's own default: repeat where that is safe, hold otherwise."""
    late: LatePolicy = LatePolicy.SEND
    grace_minutes: float = Field(default=24 * 60, ge=0)
    max_attempts: int = Field(default=8, ge=1)
    concurrency: int = Field(default=16, ge=1, le=256)
    engine: str = ""
    """Name of the plugin's engine that carries wakes between hosts; "" is the embedded one."""
    notify: str = ""
    """Channel of the operators, as `account:native-id`, to which questions and reminders are posted."""


class Settings(Frozen):
    """Everything that a workspace's file and the environment say."""

    home: Path
    """The workspace's directory; stores and reports live in it."""
    communities: tuple[Community, ...] = ()
    accounts: tuple[Account, ...] = ()
    store: str = Field(default="", repr=False)
    """URL of the operational store, which may hold a password; "" is `store.db` in the workspace."""
    events: str = Field(default="", repr=False)
    """File of the embedded event store, or URL of one that a plugin offers, which may hold a password; "" is
    `events.duckdb` in the workspace."""
    plugins: tuple[Name, ...] | None = None
    """Names of the plugins to load; None is all that are installed."""
    rooms: tuple[Name, ...] | None = None
    """Rooms that listen and carry out schedules in `run`; None is all, () is none."""
    private_hosts: tuple[str, ...] = ()
    """`host:port` in private networks from which media may be fetched; public addresses need no mention."""
    delivery: DeliverySettings = DeliverySettings()
    privacy: PrivacySettings = PrivacySettings()

    @property
    def store_url(self) -> str:
        """URL of the operational store."""
        return self.store or f"sqlite:///{self.home / 'store.db'}"

    @property
    def inbox_path(self) -> Path:
        """File of the inbox."""
        return self.home / "inbox.db"

    @property
    def events_path(self) -> Path:
        """File of the embedded event store."""
        return Path(self.events) if self.events else self.home / "events.duckdb"

    def community(self, name: str) -> Community | None:
        """Give a community by its name."""
        return next((item for item in self.communities if item.name == name), None)

    def community_of(self, channel: ChannelRef) -> Community | None:
        """Give the community that holds a channel; the first one, when several do."""
        return next((item for item in self.communities if channel in item.channels), None)


_TABLES = {
    "communities",
    "accounts",
    "store",
    "events",
    "plugins",
    "rooms",
    "private_hosts",
    "delivery",
    "privacy",
}
_ACCOUNT_KEYS = {"platform", "base_url", "secrets", "options"}


def load_settings(home: Path | str, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Read `shequn.toml` in `home`; without a file, a workspace with no accounts.

    Args:
        home: the workspace's directory; need not exist.
        environ: instead of the process's environment.

    Raises:
        ConfigError: the file is unreadable, malformed, or says what cannot be; names the key, and the line where known.
    """
    environ = os.environ if environ is None else environ
    home = Path(home).expanduser()
    path = home / FILE_NAME
    try:
        if path.exists() and path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_FILE_BYTES} bytes; is it a settings file?")
        text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error
    return _build(home, path, data, text, environ)


def _build(home: Path, path: Path, data: dict[str, Any], text: str, environ: Mapping[str, str]) -> Settings:
    _known(data, _TABLES, path, text, "")
    missing: list[str] = []
    accounts = [
        _account(name, _table(raw, path, f"accounts.{name}"), path, text, environ, missing)
        for name, raw in _table(data.get("accounts", {}), path, "accounts").items()
    ]
    communities = [
        _validated(
            Community,
            {"name": name, **_table(raw, path, f"communities.{name}")},
            path,
            text,
            f"communities.{name}",
        )
        for name, raw in _table(data.get("communities", {}), path, "communities").items()
    ]
    known = {account.name for account in accounts}
    for community in communities:
        for channel in community.channels:
            if channel.account not in known:
                near = difflib.get_close_matches(channel.account, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"add [accounts.{channel.account}]"
                raise ConfigError(
                    f"{path}: community {community.name!r} has channel {str(channel)!r}, "
                    f"but there is no account {channel.account!r}; {hint}"
                )
    rest = {key: value for key, value in data.items() if key not in {"communities", "accounts"}}
    for key in ("store", "events"):
        if isinstance(rest.get(key), str):
            rest[key] = _resolved(rest[key], key, environ, missing)
    privacy = dict(_table(rest.get("privacy", {}), path, "privacy"))
    key = privacy.get("contact_key", environ.get("SHEQUN_CONTACT_KEY", ""))
    if isinstance(key, str) and key:
        rest["privacy"] = privacy | {"contact_key": _resolved(key, "privacy.contact_key", environ, missing)}
    if missing:
        raise ConfigError(f"{path}: these environment variables are not set: {', '.join(missing)}")
    only = environ.get("SHEQUN_PLUGINS", "")
    if only:
        rest["plugins"] = [name.strip() for name in only.split(",") if name.strip()]
    return _validated(
        Settings, {"home": home, "communities": communities, "accounts": accounts, **rest}, path, text, ""
    )


def _account(
    name: str, raw: dict[str, Any], path: Path, text: str, environ: Mapping[str, str], missing: list[str]
) -> Account:
    where = f"accounts.{name}"
    _known(raw, _ACCOUNT_KEYS, path, text, where)
    secrets: dict[str, SecretStr] = {}
    for key, value in _table(raw.get("secrets", {}), path, f"{where}.secrets").items():
        if not isinstance(value, str):
            raise ConfigError(f"{path}: {where}.secrets.{key} must be text")
        secrets[key] = SecretStr(_resolved(value, f"{where}.secrets.{key}", environ, missing))
    prefix = f"SHEQUN_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_"
    for variable, value in environ.items():
        if variable.startswith(prefix):
            secrets[variable.removeprefix(prefix).lower()] = SecretStr(value)
    return _validated(Account, {**raw, "name": name, "secrets": secrets}, path, text, where)


def _resolved(value: str, where: str, environ: Mapping[str, str], missing: list[str]) -> str:
    """Give a value, or what the environment variable it names holds; all that are missing are told at once."""
    if not value.startswith("env:"):
        return value
    variable = value.removeprefix("env:").strip()
    if variable not in environ:
        missing.append(f"{variable} (for {where})")
        return ""
    return environ[variable]


def _table(raw: Any, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: {where} must be a table")
    return raw


def _known(data: Mapping[str, Any], names: set[str], path: Path, text: str, where: str) -> None:
    for key in data:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(names))}"
            raise ConfigError(
                f"{path}{_line(text, key)}: unknown key {key!r} in {where or 'the file'}; {hint}"
            )


def _line(text: str, key: str) -> str:
    pattern = re.compile(rf"""(^|[\[.\s])["']?{re.escape(key)}["']?\s*([=\].]|$)""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.search(line):
            return f", line {number}"
    return ""


def _validated(model: type[Any], data: Mapping[str, Any], path: Path, text: str, where: str) -> Any:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [
            _problem(item, model, text) for item in error.errors(include_input=False, include_url=False)[:3]
        ]
        raise ConfigError(f"{path}: {where + ': ' if where else ''}{'; '.join(problems)}") from None


def _problem(item: Mapping[str, Any], model: type[Any], text: str) -> str:
    location = [str(part) for part in item["loc"]]
    if item["type"] == "extra_forbidden":
        key = location[-1]
        for part in location[:-1]:
            inner = model.model_fields.get(part)
            model = (
                inner.annotation if inner is not None and hasattr(inner.annotation, "model_fields") else model
            )
        near = difflib.get_close_matches(key, list(model.model_fields), n=1)
        where = f" in {'.'.join(location[:-1])}" if location[:-1] else ""
        return f"unknown key {key!r}{where}{_line(text, key)}" + (
            f", did you mean {near[0]!r}?" if near else ""
        )
    named = next((part for part in reversed(location) if not part.isdecimal()), "")
    return f"{'.'.join(location)}{_line(text, named)}: {item['msg']}"


def settings_template(accounts: Iterable[Account] = (), communities: Iterable[Community] = ()) -> str:
    """Write a `shequn.toml` for people to edit; secrets are never written, only where they come from."""
    lines = [
        "# Settings of this shequn workspace. Secrets come from the environment; never write them here.",
        "",
    ]
    for community in communities:
        lines += [
            f"[communities.{community.name}]",
            f"title = {_quoted(community.title)}",
            f"kind = {_quoted(community.kind)}",
            f"zone = {_quoted(community.zone)}",
            f"channels = [{', '.join(_quoted(str(channel)) for channel in community.channels)}]",
            "",
        ]
    for account in accounts:
        lines += [f"[accounts.{account.name}]", f"platform = {_quoted(account.platform)}"]
        if account.base_url:
            lines.append(f"base_url = {_quoted(account.base_url)}")
        lines.append("")
        if account.secrets:
            lines.append(f"[accounts.{account.name}.secrets]")
            lines += [f'{key} = "env:{account.name.upper()}_{key.upper()}"' for key in account.secrets]
            lines.append("")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
