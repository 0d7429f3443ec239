"""Commands about conversion: funnel, shop, coupons, experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shequn_sdk.cli._common import CommunityOption, JsonOption, client_command, command
from shequn_sdk.cli._output import Output

if TYPE_CHECKING:
    from shequn_sdk.client import AsyncShequn

__all__ = ["add_commands"]

funnel = typer.Typer(
    help="From entrance to purchase to referral, and what brought the money.", no_args_is_help=True
)
shop = typer.Typer(help="Products, orders, refunds and memberships.", no_args_is_help=True)
coupons = typer.Typer(help="Coupons.", no_args_is_help=True)
experiments = typer.Typer(help="Experiments with arms drawn by chance.", no_args_is_help=True)

ByOption = Annotated[
    str, typer.Option("--by", help="entrance, campaign, content, partner, kol, medium or place.")
]


@client_command
async def steps(
    sq: AsyncShequn,
    out: Output,
    by: ByOption = "entrance",
    community: CommunityOption = None,
) -> None:
    """Show how far those came who entered by each way."""
    found = await sq.conversion.funnel(by=by, community=community)
    rows = [one.model_dump() | {"name": one.name or ("" if out.as_json else "(none)")} for one in found]
    columns = ["name", "clicks", "joined", "active", "bought", "bought_again", "referred"]
    out.table(rows, columns, empty="nobody came yet")


@client_command
async def revenue(
    sq: AsyncShequn,
    out: Output,
    by: ByOption = "entrance",
    model: Annotated[str, typer.Option(help="first, last, linear or position.")] = "last",
    window: Annotated[int, typer.Option(min=1, help="Days before a purchase in which a touch counts.")] = 30,
    community: CommunityOption = None,
) -> None:
    """Share money among what led to it; currencies are never added."""
    from datetime import timedelta

    found = await sq.conversion.revenue(
        by=by, model=model, window=timedelta(days=window), community=community
    )
    rows = [
        one.model_dump(mode="json") | {"name": one.name or ("" if out.as_json else "(unexplained)")}
        for one in found
    ]
    out.table(rows, ["name", "currency", "revenue", "orders", "buyers"], empty="nothing sold yet")


_PRODUCT = ["sku", "title", "kind", "price", "currency", "term_days"]
_ORDER = ["shop", "native_id", "member", "sku", "amount", "refunded", "currency", "at"]


@client_command
async def add_product(
    sq: AsyncShequn,
    out: Output,
    sku: Annotated[str, typer.Argument(help="Letters, digits, ., _ and -.")],
    title: Annotated[str, typer.Option(help="For people.")],
    price: Annotated[str, typer.Option(help="Exact, such as 99.90.")],
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    kind: Annotated[str, typer.Option(help="goods, membership, course, service or placement.")] = "goods",
    term_days: Annotated[int | None, typer.Option(min=1, help="Of a membership.")] = None,
    community: CommunityOption = None,
) -> None:
    """Enter a product, or change it."""
    made = await sq.shop.add_product(
        sku,
        title=title,
        price=price,
        currency=currency,
        kind=kind,
        term_days=term_days,
        community=community,
    )
    out.table([made], _PRODUCT)


@client_command
async def products(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> None:
    """Show products."""
    found = await sq.shop.products(community=community)
    out.table(found, _PRODUCT, empty="no products")


@client_command
async def orders(
    sq: AsyncShequn,
    out: Output,
    member: Annotated[str, typer.Option(help="platform:native-id; all when not given.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to show.")] = 100,
    community: CommunityOption = None,
) -> None:
    """Show orders, newest first."""
    found = await sq.shop.orders(member=member or None, limit=limit, community=community)
    rows = [one.model_dump(mode="json") | {"member": str(one.member or "")} for one in found]
    out.table(rows, _ORDER, empty="no orders")


@client_command
async def record(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(help="The shop's own number: an order is noted once.")],
    amount: Annotated[str, typer.Argument(help="What was paid.")],
    member: Annotated[str, typer.Option(help="platform:native-id.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "CNY",
    sku: Annotated[str, typer.Option(help="What was bought.")] = "",
    shop_name: Annotated[str, typer.Option("--shop", help="Where it was paid.")] = "shop",
    entrance: Annotated[str, typer.Option(help="By which the buyer came.")] = "",
    community: CommunityOption = None,
) -> None:
    """Note that somebody paid."""
    made = await sq.shop.record_order(
        number,
        amount=amount,
        member=member or None,
        currency=currency,
        sku=sku,
        shop=shop_name,
        entrance=entrance,
        community=community,
    )
    out.table([made.model_dump(mode="json") | {"member": str(made.member or "")}], _ORDER)


@client_command
async def refund(
    sq: AsyncShequn,
    out: Output,
    number: Annotated[str, typer.Argument(help="The order's number.")],
    amount: Annotated[str, typer.Option(help="All that is left when not given.")] = "",
    refund_id: Annotated[str, typer.Option("--refund", help="Its own number, when there are several.")] = "",
    shop_name: Annotated[str, typer.Option("--shop", help="Where it was paid.")] = "shop",
    community: CommunityOption = None,
) -> None:
    """Note that an order was paid back, in part or whole."""
    made = await sq.shop.record_refund(
        number, amount=amount or None, refund_id=refund_id, shop=shop_name, community=community
    )
    out.table([made.model_dump(mode="json") | {"member": str(made.member or "")}], _ORDER)


@client_command
async def memberships(
    sq: AsyncShequn,
    out: Output,
    expiring: Annotated[
        int | None, typer.Option(min=1, help="Only those that end within so many days.")
    ] = None,
    sku: Annotated[str, typer.Option(help="Only of this product.")] = "",
    community: CommunityOption = None,
) -> None:
    """Show running memberships, the one that ends first in front."""
    from datetime import timedelta

    if expiring is None:
        found = await sq.shop.memberships(sku=sku, community=community)
    else:
        found = await sq.shop.expiring(within=timedelta(days=expiring), sku=sku, community=community)
    rows = [one.model_dump(mode="json") | {"member": str(one.member)} for one in found]
    out.table(rows, ["member", "sku", "starts", "ends", "renewals"], empty="no memberships")


_COUPON = ["code", "percent", "amount", "currency", "minimum", "sku", "uses", "max_uses", "ends"]


@client_command
async def add_coupon(
    sq: AsyncShequn,
    out: Output,
    code: Annotated[str, typer.Argument(help="Letters, digits and -.")],
    percent: Annotated[str, typer.Option(help="Share off.")] = "",
    amount: Annotated[str, typer.Option(help="Amount off.")] = "",
    currency: Annotated[str, typer.Option(help="Of amount and minimum.")] = "",
    minimum: Annotated[str, typer.Option(help="Least price.")] = "0",
    sku: Annotated[str, typer.Option(help="Only for this product.")] = "",
    max_uses: Annotated[int | None, typer.Option(min=1, help="In all.")] = None,
    per_person: Annotated[int, typer.Option(min=1, help="By one person.")] = 1,
    community: CommunityOption = None,
) -> None:
    """Make a coupon."""
    made = await sq.coupons.add(
        code,
        percent=percent or None,
        amount=amount or None,
        currency=currency,
        minimum=minimum,
        sku=sku,
        max_uses=max_uses,
        per_person=per_person,
        community=community,
    )
    out.table([made], _COUPON)


@client_command
async def list_coupons(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> None:
    """Show coupons with their uses."""
    found = await sq.coupons.list(community=community)
    out.table(found, _COUPON, empty="no coupons")


@client_command
async def list_experiments(sq: AsyncShequn, out: Output, community: CommunityOption = None) -> None:
    """Show experiments, newest first."""
    found = await sq.experiments.list(community=community)
    rows = [
        one.model_dump(mode="json") | {"arms": dict(one.arms) if out.as_json else list(one.arms)}
        for one in found
    ]
    columns = ["name", "question", "arms", "outcome", "planned", "started_at", "ended_at"]
    out.table(rows, columns, empty="no experiments")


@client_command
async def result(
    sq: AsyncShequn,
    out: Output,
    name: Annotated[str, typer.Argument(help="Of the experiment.")],
    community: CommunityOption = None,
) -> None:
    """Compare the arms of an experiment with its control."""
    found = await sq.experiments.result(name, community=community)
    if out.as_json:
        out.json(found)
        return
    rows = [
        {
            "arm": one.arm,
            "persons": one.persons,
            "waiting": one.waiting,
            "successes": one.successes,
            "share": None if one.share is None else f"{one.share:.1%}",
            "difference": None if one.effect is None else f"{one.effect.difference:+.1%}",
            "interval": None if one.effect is None else f"{one.effect.low:+.1%} to {one.effect.high:+.1%}",
        }
        for one in found.arms
    ]
    columns = ["arm", "persons", "waiting", "successes", "share", "difference", "interval"]
    out.table(rows, columns, title=found.experiment.question)
    out.line(found.verdict)
    for warning in found.warnings:
        out.note(warning)


@command
async def size(
    out: Output,
    base: Annotated[float, typer.Argument(help="Share of successes now, such as 0.10.")],
    lift: Annotated[float, typer.Argument(help="Rise worth finding, such as 0.03.")],
    as_json: JsonOption = False,
) -> None:
    """Say how many persons each arm needs."""
    from shequn_sdk.commerce.trials import sample_size

    needed = sample_size(base, lift)
    if out.as_json:
        out.json({"persons_per_arm": needed})
    else:
        out.line(f"{needed} persons per arm (power 80 %, level 95 %)")


def add_commands(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for name, group, commands in (
        ("funnel", funnel, {"steps": steps, "revenue": revenue}),
        (
            "shop",
            shop,
            {
                "add": add_product,
                "products": products,
                "orders": orders,
                "record": record,
                "refund": refund,
                "memberships": memberships,
            },
        ),
        ("coupons", coupons, {"add": add_coupon, "list": list_coupons}),
        ("experiments", experiments, {"list": list_experiments, "result": result, "size": size}),
    ):
        for word, function in commands.items():
            group.command(word)(function)
        app.add_typer(group, name=name)
