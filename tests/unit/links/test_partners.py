from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shequn_sdk import AsyncShequn, Community, Content, InvalidInput
from shequn_sdk.errors import UnknownName
from shequn_sdk.links.model import AgreementState, Side, Source
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.testing import ManualClock
from shequn_sdk.testing.sandbox.server import SandboxServer

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
async def sq(tmp_path):
    async with AsyncShequn.open(
        home=tmp_path, communities=[Community(name="club")], clock=ManualClock(NOW)
    ) as opened:
        yield opened


async def test_partners_agreements_and_balances(sq):
    gym = await sq.partners.add("gym", title="力量健身", kind="brand", note="张经理")
    assert await sq.partners.list() == [gym]
    posts = await sq.partners.agree("gym", "他们发一条推荐", side="got", due=NOW + timedelta(days=3))
    ours = await sq.partners.agree("gym", "我们发一条推荐", side=Side.GAVE, due=NOW - timedelta(days=1))
    assert [one.id for one in await sq.partners.agreements("gym")] == [ours.id, posts.id]
    result = await sq.partners.result("gym")
    assert (result.open_agreements, result.overdue) == (2, 1)
    for _ in range(2):
        await sq.partners.settle(posts.id, reference="https://weibo.example/1")
        await sq.partners.enter("gym", side="got", kind="money", amount="999.90", unit="CNY", key="invoice-1")
    await sq.partners.enter("gym", side="gave", kind="money", amount=Decimal("100.05"), unit="CNY", key="2")
    await sq.partners.enter("gym", side="gave", kind="money", amount=7, unit="USD", key="3")
    with pytest.raises(InvalidInput, match="done already"):
        await sq.partners.settle(posts.id, kept=False)
    result = await sq.partners.result("gym")
    assert {(b.kind, b.unit, b.gave, b.got) for b in result.balances} == {
        ("money", "CNY", Decimal("100.05"), Decimal("999.90")),
        ("money", "USD", Decimal(7), Decimal(0)),
        ("post", "", Decimal(0), Decimal(1)),
    }
    assert [one.state for one in await sq.partners.agreements(settled=True)] == [
        AgreementState.OPEN,
        AgreementState.DONE,
    ]
    await sq.partners.end("gym")
    assert await sq.partners.list() == []
    assert (await sq.partners.get("gym")).ended_at is not None


async def test_wrong_input(sq):
    await sq.partners.add("gym", title="健身房", kind="brand")
    with pytest.raises(UnknownName, match="gym"):
        await sq.partners.get("gim")
    with pytest.raises(InvalidInput, match="brand, sponsor"):
        await sq.partners.add("x", title="x", kind="friend")
    with pytest.raises(UnknownName, match="member"):
        await sq.partners.add("kol", title="老王", kind="kol", member="weibo:1")
    assert [one.name for one in await sq.partners.list()] == ["gym"]
    for amount in ("-1", "0", "NaN", "Infinity", "much"):
        with pytest.raises(InvalidInput):
            await sq.partners.enter("gym", side="got", kind="money", amount=amount, key="k")
    with pytest.raises(InvalidInput, match="gave"):
        await sq.partners.agree("gym", "x", side="us")
    with pytest.raises(InvalidInput):
        await sq.partners.agree("gym", "x", side="got", due=datetime(2027, 1, 1))
    with pytest.raises(UnknownName):
        await sq.partners.settle(99)


async def test_a_cross_post_counts_as_given_when_it_has_landed(tmp_path):
    plugins = load_plugins()
    async with SandboxServer([plugins.sandbox("telegram")]) as sandbox:
        channel = sandbox["telegram"].create_channel("健康养生社")
        account = sandbox.account("telegram", name="bot")
        club = Community(name="club", channels=[f"bot:{channel}"])
        async with AsyncShequn.open(
            home=tmp_path, accounts=[account], communities=[club], plugins=plugins
        ) as sq:
            await sq.partners.add("gym", title="力量健身", kind="brand")
            link = await sq.links.shorten("https://gym.example/", source=Source(partner="gym"))
            content = Content(text=f"推荐力量健身 {link.url}", promotional=True)
            for _ in range(2):
                made = await sq.partners.cross_post(
                    "gym", content, to=[f"bot:{channel}"], idempotency_key="march"
                )
            assert [one.id for one in await sq.partners.agreements("gym")] == [made.id]
            await sq.deliver_due()
            assert await sq.partners.agreements("gym") == []
            (done,) = await sq.partners.agreements("gym", settled=True)
            assert done.state is AgreementState.DONE
            assert (await sq.partners.result("gym")).balances[0].gave == 1
            assert len(sandbox["telegram"].messages(channel)) == 1
