"""Commands about where members come from: links, entrances, partners."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shequn_sdk.cli._common import CommunityOption, HomeOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Output

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.links.model import Entrance, Partner, ShortLink

__all__ = ["add_commands"]

links = typer.Typer(help="Short links that count their clicks, and campaign tags.", no_args_is_help=True)
entrances = typer.Typer(help="Named ways in, and what came through each.", no_args_is_help=True)
partners = typer.Typer(
    help="Partners: agreements, what each side gave and got, results.", no_args_is_help=True
)

CampaignOption = Annotated[str, typer.Option("--campaign", help="Campaign it belongs to.")]
PartnerOption = Annotated[str, typer.Option("--partner", help="Partner it belongs to.")]
KolOption = Annotated[str, typer.Option("--kol", help="Opinion leader it belongs to.")]
ContentOption = Annotated[str, typer.Option("--content", help="Id of the content in which it stands.")]

_LINK = ["code", "url", "entrance", "campaign", "partner", "people", "robots"]
_ENTRANCE = ["name", "kind", "channel", "url", "campaign", "partner"]
_PARTNER = ["name", "title", "kind", "member", "note"]


def _link(one: ShortLink) -> dict[str, Any]:
    return one.model_dump(mode="json") | {"campaign": one.source.campaign, "partner": one.source.partner}


def _entrance(one: Entrance) -> dict[str, Any]:
    return one.model_dump(mode="json") | {"campaign": one.source.campaign, "partner": one.source.partner}


def _partner(one: Partner) -> dict[str, Any]:
    return one.model_dump(mode="json") | {"member": str(one.member) if one.member else ""}


@command
async def tag(
    out: Output,
    url: Annotated[str, typer.Argument(help="Address to tag.")],
    source: Annotated[str, typer.Option(help="Where it stands, such as telegram.")],
    medium: Annotated[str, typer.Option(help="Kind of place.")] = "social",
    campaign: CampaignOption = "",
    content: ContentOption = "",
    term: Annotated[str, typer.Option(help="Paid search words.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Give an address with UTM parameters."""
    from shequn_sdk.links.tags import tagged

    made = tagged(url, source=source, medium=medium, campaign=campaign, content=content, term=term)
    if out.as_json:
        out.json({"url": made})
    else:
        out.line(made)


@client_command
async def shorten(
    sq: AsyncShequn,
    out: Output,
    url: Annotated[str, typer.Argument(help="Where it leads.")],
    code: Annotated[str, typer.Option(help="Random when not given.")] = "",
    entrance: Annotated[str, typer.Option(help="Entrance it leads to.")] = "",
    campaign: CampaignOption = "",
    partner: PartnerOption = "",
    kol: KolOption = "",
    content: ContentOption = "",
    community: CommunityOption = None,
) -> None:
    """Make a short link."""
    from shequn_sdk.links.model import Source

    source = Source(campaign=campaign, partner=partner, kol=kol, content=content)
    made = await sq.links.shorten(url, code=code, entrance=entrance, source=source, community=community)
    out.table([_link(made)], _LINK)


@client_command
async def list_links(
    sq: AsyncShequn,
    out: Output,
    ended: Annotated[bool, typer.Option("--all", help="Also those that ended.")] = False,
    community: CommunityOption = None,
) -> None:
    """Show short links with their clicks."""
    found = await sq.links.list(community=community, ended=ended)
    out.table([_link(one) for one in found], _LINK, empty="no short links")


@client_command
async def clicks(
    sq: AsyncShequn,
    out: Output,
    code: Annotated[str, typer.Argument(help="Of the short link.")],
) -> None:
    """Show a link's clicks by hour of the last 30 days."""
    found = await sq.links.clicks(code)
    out.table(found, ["hour", "people", "robots"], empty="no clicks")


@client_command
async def close_link(
    sq: AsyncShequn,
    out: Output,
    code: Annotated[str, typer.Argument(help="Of the short link.")],
) -> None:
    """End a short link; its counts stay."""
    out.table([_link(await sq.links.close(code))], _LINK)


@command
async def serve(
    out: Output,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8090,
    home: HomeOption = Path(),
) -> None:
    """Answer short links over HTTP until stopped; put a proxy with TLS before it."""
    from shequn_sdk.client import AsyncShequn
    from shequn_sdk.client.serving import serve as run

    async with AsyncShequn.open(home=home) as sq:
        out.note(f"short links on http://{host}:{port}/<code>")
        await run(sq.links.app(), host=host, port=port)


@client_command
async def open_entrance(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="At most 30 characters, lower case.")],
    channel: Annotated[str, typer.Option(help="account:native-id; without it, only a name.")] = "",
    campaign: CampaignOption = "",
    partner: PartnerOption = "",
    kol: KolOption = "",
    content: ContentOption = "",
    community: CommunityOption = None,
) -> None:
    """Make a named entrance, with the platform's own invite where it leads to a channel."""
    from shequn_sdk.links.model import Source

    source = Source(campaign=campaign, partner=partner, kol=kol, content=content)
    made = await sq.entrances.open(name, channel=channel or None, source=source, community=community)
    out.table([_entrance(made)], _ENTRANCE)


@client_command
async def list_entrances(
    sq: AsyncShequn,
    out: Output,
    ended: Annotated[bool, typer.Option("--all", help="Also those that were closed.")] = False,
    community: CommunityOption = None,
) -> None:
    """Show entrances."""
    found = await sq.entrances.list(community=community, ended=ended)
    out.table([_entrance(one) for one in found], _ENTRANCE, empty="no entrances")


@client_command
async def results(
    sq: AsyncShequn,
    out: Output,
    community: CommunityOption = None,
) -> None:
    """Show how many came through each entrance, stayed, and did something."""
    found = await sq.entrances.results(community=community)
    rows = [
        one.model_dump(mode="json")
        | {"campaign": one.source.campaign, "partner": one.source.partner}
        | {"name": one.name or ("" if out.as_json else "(no entrance)")}
        for one in found
    ]
    columns = ["name", "campaign", "partner", "clicks", "joined", "present", "active"]
    out.table(rows, columns, empty="nobody came yet")


@client_command
async def close_entrance(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="Of the entrance.")],
    community: CommunityOption = None,
) -> None:
    """End an entrance, on its platform too."""
    out.table([_entrance(await sq.entrances.close(name, community=community))], _ENTRANCE)


@client_command
async def add_partner(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="By which entrances and links name it.")],
    title: Annotated[str, typer.Option(help="For people.")],
    kind: Annotated[str, typer.Option(help="brand, sponsor, kol, community or media.")],
    member: Annotated[str, typer.Option(help="platform:native-id of an opinion leader.")] = "",
    note: Annotated[str, typer.Option(help="For operators.")] = "",
    community: CommunityOption = None,
) -> None:
    """Enter a partner, or change it."""
    made = await sq.partners.add(
        name, title=title, kind=kind, member=member or None, note=note, community=community
    )
    out.table([_partner(made)], _PARTNER)


@client_command
async def list_partners(
    sq: AsyncShequn,
    out: Output,
    community: CommunityOption = None,
) -> None:
    """Show partners."""
    found = await sq.partners.list(community=community)
    out.table([_partner(one) for one in found], _PARTNER, empty="no partners")


@client_command
async def agree(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="The partner's.")],
    what: Annotated[str, typer.Argument(help="What was agreed.")],
    side: Annotated[str, typer.Option(help="gave: we do it for them; got: they for us.")],
    kind: Annotated[str, typer.Option(help="Such as post, event, goods, money.")] = "post",
    due: Annotated[datetime | None, typer.Option(help="By when, in the community's zone.")] = None,
    community: CommunityOption = None,
) -> None:
    """Note something that one side promised."""
    from zoneinfo import ZoneInfo

    found = await sq.partners.get(name, community=community)
    zone = next((one.zone for one in sq.settings.communities if one.name == found.community), "UTC")
    at = due if due is None or due.tzinfo is not None else due.replace(tzinfo=ZoneInfo(zone))
    made = await sq.partners.agree(name, what, side=side, kind=kind, due=at, community=community)
    out.table([made], ["id", "partner", "side", "kind", "what", "due", "state"])


@client_command
async def agreements(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="The partner's; all when not given.")] = "",
    settled: Annotated[bool, typer.Option("--all", help="Also those that were settled.")] = False,
    community: CommunityOption = None,
) -> None:
    """Show what was agreed, the earliest due first."""
    found = await sq.partners.agreements(name or None, settled=settled, community=community)
    columns = ["id", "partner", "side", "kind", "what", "due", "state", "reference"]
    out.table(found, columns, empty="nothing agreed")


@client_command
async def settle(
    sq: AsyncShequn,
    out: Output,
    agreement: Annotated[int, typer.Argument(help="Number from `partners agreements`.")],
    broken: Annotated[bool, typer.Option("--broken", help="It did not happen.")] = False,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="Both sides dropped it.")] = False,
    reference: Annotated[str, typer.Option(help="Where it can be seen.")] = "",
) -> None:
    """Say what became of an agreement; kept unless an option says otherwise."""
    made = await sq.partners.settle(agreement, kept=not broken, cancelled=cancelled, reference=reference)
    out.table([made], ["id", "partner", "side", "what", "state", "reference"])


@client_command
async def enter(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="The partner's.")],
    amount: Annotated[str, typer.Argument(help="More than 0.")],
    side: Annotated[str, typer.Option(help="gave or got, seen from us.")],
    kind: Annotated[str, typer.Option(help="Such as money, goods, mention.")],
    key: Annotated[str, typer.Option(help="Names the thing: it is entered once.")],
    unit: Annotated[str, typer.Option(help="Currency, or what is counted.")] = "",
    note: Annotated[str, typer.Option(help="In words.")] = "",
    community: CommunityOption = None,
) -> None:
    """Note what one side gave."""
    await sq.partners.enter(
        name,
        side=side,
        kind=kind,
        amount=amount,
        unit=unit,
        key=key,
        note=note,
        community=community,
    )
    balances = (await sq.partners.result(name, community=community)).balances
    out.table(balances, ["kind", "unit", "gave", "got"])


@client_command
async def result(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="The partner's.")],
    community: CommunityOption = None,
) -> None:
    """Show what working with a partner brought."""
    found = await sq.partners.result(name, community=community)
    if out.as_json:
        out.json(found)
        return
    columns = ["clicks", "joined", "present", "active", "open_agreements", "overdue"]
    out.table([found], columns, title=found.partner.title)
    rows = [{**one.model_dump(mode="json"), "balance": str(one.got - one.gave)} for one in found.balances]
    out.table(rows, ["kind", "unit", "gave", "got", "balance"], empty="nothing given or got yet")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for group, commands in (
        (
            links,
            {
                "tag": tag,
                "shorten": shorten,
                "list": list_links,
                "clicks": clicks,
                "close": close_link,
                "serve": serve,
            },
        ),
        (
            entrances,
            {"open": open_entrance, "list": list_entrances, "results": results, "close": close_entrance},
        ),
        (
            partners,
            {
                "add": add_partner,
                "list": list_partners,
                "agree": agree,
                "agreements": agreements,
                "settle": settle,
                "enter": enter,
                "result": result,
            },
        ),
    ):
        for name, function in commands.items():
            group.command(name)(function)
    app.add_typer(links, name="links")
    app.add_typer(entrances, name="entrances")
    app.add_typer(partners, name="partners")
