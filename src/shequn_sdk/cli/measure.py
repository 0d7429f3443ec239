"""Commands that import, measure and report: import, metrics, report, dashboard."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shequn_sdk.cli._common import CommunityOption, HomeOption, client_command, command
from shequn_sdk.cli._output import Exit, Output
from shequn_sdk.domain import Grain
from shequn_sdk.errors import InvalidInput

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn

__all__ = ["add_commands"]


@client_command
async def import_(
    sq: AsyncShequn,
    out: Output,
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="Format, see --formats; found out by looking at the file when left out.",
        ),
    ] = "",
    file: Annotated[Path | None, typer.Argument(help="File to read.")] = None,
    formats: Annotated[bool, typer.Option("--formats", help="List the formats.")] = False,
    community: CommunityOption = None,
    zone: Annotated[str, typer.Option(help="Zone of a new community, and of times that say none.")] = "",
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Column map, for example --column member=who; may be repeated."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="Option of the format, for example --option separator=,"),
    ] = None,
) -> Exit | None:
    """Import a community's history. A killed import goes on where it was; importing again adds nothing."""
    if formats or not form:
        out.table(
            [{"format": name, "what": title} for name, title in sq.import_formats().items()],
            ["format", "what"],
        )
        return None
    if file is None and form not in sq.import_formats():
        form, file = "", Path(form)
    if file is None:
        raise InvalidInput(f"say which file: shequn import {form} FILE")
    if not file.is_file():
        raise InvalidInput(f"{file} is no file", source=str(file))
    with out.progress(f"importing {file.name}", float(file.stat().st_size)) as show:
        result = await sq.import_history(
            file,
            format=form or None,
            community=community or "",
            zone=zone,
            columns=_pairs(column, "--column"),
            options=_pairs(option, "--option"),
            progress=lambda state: show(float(state.bytes_read)),
        )
    code = None if result.complete else Exit.PARTLY
    if out.as_json:
        out.json(result)
        return code
    rate = result.read / max(result.elapsed.total_seconds(), 0.001)
    out.line(
        f"{result.read:,} read ({rate:,.0f}/s), {result.added:,} added, {result.duplicates:,} known already, "
        f"{result.skipped_total:,} skipped"
    )
    for reason, count in result.skipped.items():
        out.note(f"skipped {count:,}: {reason}")
    for example in result.examples[:5]:
        out.note(f"  line {example.line}: {example.reason} {example.detail}")
    if result.warning:
        out.note(result.warning)
    return code


def _pairs(items: list[str] | None, name: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise InvalidInput(f"{name} {item!r}: write it as name=value")
        pairs[key.strip()] = value
    return pairs


def _day(value: datetime | None) -> date | None:
    return value.date() if value is not None else None


@client_command
async def metrics(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="Name of the metric, for example active_members.dau.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the metrics.")] = False,
    community: CommunityOption = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="First local day; the first with data when not given."
        ),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last local day.")
    ] = None,
    last: Annotated[int, typer.Option("--last", help="The last so many days instead.")] = 0,
    grain: Annotated[Grain | None, typer.Option(help="Length of the buckets.")] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Dimension to split by; may be repeated.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", help="Parameter of the metric, for example --param window=30"),
    ] = None,
) -> None:
    """Compute a metric, or list them."""
    if list_ or not name:
        rows = [
            {
                "metric": item.name,
                "version": item.version,
                "unit": str(item.unit),
                "what": item.doc.get("en", ""),
                "zh": item.doc.get("zh", ""),
                "formula": item.formula,
            }
            for item in await sq.metrics.list()
        ]
        out.table(rows, ["metric", "unit", "what", "zh"])
        return
    result = await sq.metrics.compute(
        name,
        community=community,
        start=_day(start),
        end=_day(end),
        last=timedelta(days=last) if last else None,
        grain=grain,
        by=tuple(by or ()),
        params=_pairs(param, "--param") or None,
    )
    if out.as_json:
        out.json(result)
        return
    dims = sorted({key for point in result.points for key in point.dims})
    rows = [
        {
            "bucket": point.bucket,
            **point.dims,
            "value": "not reported" if point.value is None else point.value,
            "note": "partial" if point.partial else "",
        }
        for point in result.points
    ]
    out.table(
        rows,
        ["bucket", *dims, "value", "note"],
        title=f"{result.metric} ({result.unit} per {result.grain})",
        empty="no data",
    )
    for warning in result.warnings:
        out.note(warning)
    if result.data_as_of is not None:
        out.note(f"data as of {result.data_as_of.isoformat(timespec='seconds')}")


@client_command
async def report(
    sq: AsyncShequn,
    out: Output,
    directory: Annotated[
        Path | None, typer.Option("--out", help="Where to write; `reports` in the workspace when not given.")
    ] = None,
    formats: Annotated[
        str, typer.Option("--formats", help="Any of html,overview,png,csv,md,parquet.")
    ] = "html",
    community: CommunityOption = None,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    last: Annotated[int, typer.Option("--last", help="The last so many days; all when not given.")] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Write the community's report; the HTML page needs no network."""
    import webbrowser

    wanted = frozenset(part.strip() for part in formats.split(",") if part.strip())
    made = await sq.report(
        community=community, language=language, last=timedelta(days=last) if last else None
    )
    target = directory or sq.settings.home / "reports"
    paths = made.write(target, formats=wanted)
    if out.as_json:
        out.json({"files": [{"path": path, "bytes": path.stat().st_size} for path in paths]})
    else:
        for path in paths:
            out.line(f"wrote {path} ({path.stat().st_size / 1000:,.0f} kB)")
    page = next((path for path in paths if path.suffix == ".html"), None)
    if open_ and page is not None:
        webbrowser.open(page.resolve().as_uri())


@command
async def dashboard(
    out: Output,
    community: CommunityOption = None,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on loopback.")] = 8088,
    home: HomeOption = Path(),
) -> None:
    """Serve the live report to browsers on this machine."""
    from shequn_sdk.client import AsyncShequn

    async with AsyncShequn.open(home=home) as sq:
        out.note(f"http://127.0.0.1:{port}/ – stop with Ctrl+C")
        await sq.dashboard(community=community, language=language, port=port)


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("import")(import_)
    app.command()(metrics)
    app.command()(report)
    app.command()(dashboard)
