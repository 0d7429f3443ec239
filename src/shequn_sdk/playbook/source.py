"""Reads playbooks: TOML or YAML, with line and column of whatever is wrong."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from shequn_sdk.errors import InvalidInput, MissingExtra
from shequn_sdk.playbook.model import Playbook

__all__ = ["Position", "builtin_playbook", "load_playbook", "parse_playbook", "templates"]

MAX_FILE_BYTES = 1_000_000
MAX_DEPTH = 12
_SHOWN = 10
Path_ = tuple[str | int, ...]
Position = tuple[int, int]
"""Line and column, both from 1."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""^(\s*)((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def templates() -> Sequence[str]:
    """Give the names of the playbooks that come with the package."""
    folder = resources.files("shequn_sdk.playbook").joinpath("templates")
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )


def builtin_playbook(name: str = "health") -> Playbook:
    """Give a playbook that comes with the package.

    Raises:
        InvalidInput: there is none of that name.
    """
    return parse_playbook(template_text(name), source=f"template {name}")


def template_text(name: str) -> str:
    """Give the text of a playbook that comes with the package, for people to edit."""
    if name not in templates():
        near = difflib.get_close_matches(name, templates(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(templates())}"
        raise InvalidInput(f"there is no template {name!r}; {hint}")
    return (
        resources.files("shequn_sdk.playbook")
        .joinpath("templates", f"{name}.toml")
        .read_text(encoding="utf-8")
    )


def load_playbook(path: Path | str) -> Playbook:
    """Read a playbook file; `.yaml` and `.yml` are YAML, everything else is TOML.

    Raises:
        InvalidInput: it cannot be read or says what cannot be; the message names line, column and the nearest key.
        ConfigError: it is YAML and the extra `yaml` is not installed.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(
                f"{path} is larger than {MAX_FILE_BYTES} bytes; is it a playbook?", source=str(path)
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", source=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8: save it as UTF-8", source=str(path)) from error
    return parse_playbook(text, source=str(path), yaml=path.suffix.lower() in {".yaml", ".yml"})


def parse_playbook(text: str, *, source: str = "playbook", yaml: bool = False) -> Playbook:
    """Read a playbook's text.

    Raises:
        InvalidInput: it is malformed or says what cannot be.
        ConfigError: it is YAML and the extra `yaml` is not installed.
    """
    if yaml:
        data, places = _from_yaml(text, source)
    else:
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
            line, column = (int(found[1]), int(found[2])) if found else (None, None)
            raise InvalidInput(
                f"{source} is no valid TOML: {error}", source=source, line=line, column=column
            ) from error
        places = dict(_toml_places(text))
    try:
        return Playbook.model_validate(data)
    except ValidationError as error:
        raise _explained(error, places, source) from None


def _explained(error: ValidationError, places: Mapping[Path_, Position], source: str) -> InvalidInput:
    # misspelt keys first: they are why others are missing
    errors = sorted(
        error.errors(include_input=False, include_url=False),
        key=lambda item: (item["type"] != "extra_forbidden", _place(item["loc"], places)),
    )
    # a list is also too short where its only element is wrong
    inner = [item["loc"] for item in errors]
    errors = [
        item
        for item in errors
        if item["type"] != "too_short"
        or not any(len(loc) > len(item["loc"]) and loc[: len(item["loc"])] == item["loc"] for loc in inner)
    ]
    problems: list[str] = []
    for item in errors[:_SHOWN]:
        line, column = _place(item["loc"], places)
        where = ".".join(str(part) for part in item["loc"])
        what = item["msg"]
        if item["type"] == "extra_forbidden":
            known = _fields_at(Playbook, item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
            what = "unknown key" + (
                f", did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
            )
        problems.append(f"line {line}, column {column}: {where}: {what}")
    more = f" … and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    line, column = _place(errors[0]["loc"], places)
    return InvalidInput(
        f"{source} is no valid playbook:\n  " + "\n  ".join(problems) + more,
        source=source,
        line=line,
        column=column,
    )


def _place(loc: Sequence[str | int], places: Mapping[Path_, Position]) -> Position:
    """Give where a path stands, or the nearest thing around it."""
    path = tuple(loc)
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return (1, 1)


def _fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return list(model.model_fields)
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, list, Union, types.UnionType, Mapping}:
        for inner in get_args(annotation):
            found = _model_in(inner)
            if found is not None:
                return found
    return None


def _toml_places(text: str) -> Iterator[tuple[Path_, Position]]:
    """Give where tables and keys of a valid TOML text stand; values over several lines are passed over."""
    base: Path_ = ()
    counts: dict[Path_, int] = {}
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if depth or quote:
            depth, quote = _scan(line, depth, quote)
            continue
        header = _HEADER.match(line)
        if header is not None:
            parts = _keys(header[2])
            base = _resolved(parts, counts)
            if header[1] == "[[":
                key = base
                counts[key] = counts.get(key, -1) + 1
                base = (*key, counts[key])
            yield base, (number, line.index("[") + 1)
            continue
        key_match = _KEY.match(line)
        if key_match is not None:
            yield (*base, *_keys(key_match[2])), (number, len(key_match[1]) + 1)
            depth, quote = _scan(line[key_match.end() :], 0, "")


def _keys(text: str) -> Path_:
    return tuple(
        part.strip().strip("\"'") for part in re.findall(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""", text)
    )


def _resolved(parts: Path_, counts: Mapping[Path_, int]) -> Path_:
    """Put the number of the last element after each part that is an array of tables, except the last part."""
    path: Path_ = ()
    for place, part in enumerate(parts):
        path = (*path, part)
        if path in counts and place < len(parts) - 1:
            path = (*path, counts[path])
    return path


def _scan(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Follow brackets and quotes through a line; gives the depth and the open triple quote at its end."""
    place = 0
    while place < len(line):
        if quote:
            end = line.find(quote, place)
            if end < 0:
                return (depth, quote) if len(quote) == 3 else (depth, "")
            if quote == '"' and line[end - 1] == "\\" and end > 0:
                place = end + 1
                continue
            place, quote = end + len(quote), ""
            continue
        if line.startswith(('"""', "'''"), place):
            quote = line[place : place + 3]
            place += 3
            continue
        char = line[place]
        if char in "\"'":
            quote = char
        elif char == "#":
            return depth, ""
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        place += 1
    return max(0, depth), quote if len(quote) == 3 else ""


def _from_yaml(text: str, source: str) -> tuple[Any, dict[Path_, Position]]:
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise MissingExtra("a playbook in YAML needs a reader", "yaml", otherwise="or write TOML") from None
    places: dict[Path_, Position] = {}

    def walk(node: Any, path: Path_, above: frozenset[int]) -> None:
        # an alias makes a tree of a few lines into one of millions of nodes, or into a ring
        if id(node) in seen or id(node) in above or len(path) > MAX_DEPTH:
            raise InvalidInput(
                f"{source}, line {node.start_mark.line + 1}: aliases (&, *) and deep nesting are not taken",
                source=source,
                line=node.start_mark.line + 1,
                column=node.start_mark.column + 1,
            )
        seen.add(id(node))
        places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            known: set[str] = set()
            for key, value in node.value:
                line, column = key.start_mark.line + 1, key.start_mark.column + 1
                if str(key.value) in known:
                    raise InvalidInput(
                        f"{source}, line {line}: {key.value!r} stands here twice",
                        source=source,
                        line=line,
                        column=column,
                    )
                known.add(str(key.value))
                places[(*path, str(key.value))] = (line, column)
                walk(value, (*path, str(key.value)), above | {id(node)})
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                walk(value, (*path, number), above | {id(node)})

    seen: set[int] = set()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            walk(node, (), frozenset())
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        what = getattr(error, "problem", None) or "it cannot be read"
        at = f", line {line}, column {column}" if line else ""
        raise InvalidInput(
            f"{source} is no valid YAML{at}: {what}", source=source, line=line, column=column
        ) from error
    except RecursionError:
        raise InvalidInput(f"{source} is nested too deeply to be a playbook", source=source) from None
    if not isinstance(data, dict):
        raise InvalidInput(f"{source} must be a table of keys and values at its top", source=source)
    return _timed(data), places


def _timed(value: Any) -> Any:
    """Read 12:30 as a time of day: YAML 1.1 makes the sexagesimal number 750 of it."""
    if isinstance(value, dict):
        return {
            key: _clock(item) if key in {"at", "start", "end"} else _timed(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_timed(item) for item in value]
    return value


def _clock(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return f"{value // 60:02d}:{value % 60:02d}"
    return _timed(value)
