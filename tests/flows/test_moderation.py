"""Order on the local servers: from a message to what was done, back again, and through a restart."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO

import httpx
import pytest
from sqlalchemy import func, select

from shequn_sdk import AsyncShequn, Community, InvalidInput
from shequn_sdk.domain import ChannelRef, Content, LatePolicy, Priority
from shequn_sdk.errors import UnknownName
from shequn_sdk.moderation import _privacy, raids
from shequn_sdk.moderation.codes import CodeReader, pictures_of
from shequn_sdk.moderation.crisis import CrisisPlan, CrisisStep, Thresholds, standard_plan
from shequn_sdk.moderation.rules import Effects, RaidSettings, Rule, RuleSet, standard_rules
from shequn_sdk.platforms.discovery import load_plugins
from shequn_sdk.platforms.hooks import DetectorSpec, hookimpl
from shequn_sdk.scheduling.clock import ManualClock
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.tables.moderation import moderation_action, moderation_case
from shequn_sdk.testing.sandbox.api import FaultKind, Person
from shequn_sdk.testing.sandbox.faults import FaultRule, SeededFaults
from shequn_sdk.testing.sandbox.server import SandboxServer
from shequn_sdk.testing.simulate import Place, SimulatedCommunity
from shequn_sdk.testing.world import World

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADVERT = "加 V 芯：ab12345 领优惠券，名额有限"


class _Swearing:
    """A plugin with a detector."""

    def detect(self, interaction):
        if "完蛋" in interaction.text:
            return {"kind": "doom", "score": 0.9, "evidence": []}
        return None


class _Plugin:
    @hookimpl
    def shequn_detectors(self):
        return [DetectorSpec(name="doom", create=_Swearing)]


class Scene:
    """A group, a channel of operators, and members who write."""

    def __init__(self, home, sandbox, plugins, clock, faults, name="telegram"):
        self.home, self.sandbox, self.plugins, self.clock, self.faults = home, sandbox, plugins, clock, faults
        self.name = name
        self.platform = sandbox[name]
        self.group = self.platform.create_channel("健康社")
        self.operators = self.platform.create_channel("管理组")
        self.channel = f"bot:{self.group}"
        account = sandbox.account(name, name="bot")
        options = {**account.options, "poll_timeout": 0} if name == "telegram" else account.options
        self.account = account.model_copy(update={"options": options})
        self.sq = None

    def open(self):
        community = Community(name="club", channels=(ChannelRef(account="bot", native_id=self.group),))
        return AsyncShequn.open(
            home=self.home,
            accounts=[self.account],
            plugins=self.plugins,
            communities=[community],
            clock=self.clock,
        )

    def person(self, name="小王", key=""):
        person = Person(id=key or name, name=name)
        self.platform.join(self.group, person)
        return person

    def ref(self, person):
        return f"{self.name}:{self.platform.member_id(person)}"

    async def say(self, person, text):
        message = self.platform.say(self.group, person, text)
        await self.live()
        return message

    async def live(self):
        while await self.sq.poll_once():
            await self.sq.process()
        await self.sq.drain()

    async def pass_time(self, by):
        """Move the clock from one due instant to the next."""
        until = self.clock.now() + by
        scheduler = await self.sq._workspace.scheduler()
        await scheduler.drain(until=until)
        await self.sq.drain()

    def said(self, channel=None):
        return [one.text for one in reversed(self.platform.messages(channel or self.group, limit=500))]

    def told(self):
        return self.said(self.operators)

    def rules(self, **changes):
        operators = (ChannelRef(account="bot", native_id=self.operators),)
        return standard_rules().model_copy(update={"operators": operators, **changes})

    async def role(self, person):
        adapter = self.sq._workspace.accounts.adapter("bot")
        return str((await adapter.get_member(self.group, self.platform.member_id(person))).role)

    async def promote(self, person):
        url = f"{self.account.base_url}/bot{self.account.secret('token')}/promoteChatMember"
        async with httpx.AsyncClient() as client:
            data = {
                "chat_id": self.group,
                "user_id": self.platform.member_id(person),
                "can_pin_messages": True,
            }
            answer = await client.post(url, json=data)
        assert answer.json()["ok"], answer.text


@pytest.fixture
async def scene(tmp_path):
    plugins = load_plugins(only=["telegram"], extra=[("doom", _Plugin())])
    clock, faults = ManualClock(NOW), SeededFaults(3)
    async with SandboxServer([plugins.sandbox("telegram")], clock=clock, faults=faults) as sandbox:
        made = Scene(tmp_path, sandbox, plugins, clock, faults)
        async with made.open() as sq:
            made.sq = sq
            await sq.moderation.set_rules(made.rules())
            sq.moderation._officer.patience = (
                2.0  # the clock stands still: an adapter that waits waits for ever
            )
            yield made


async def test_an_advert_is_deleted_counted_and_explained(scene):
    wang = scene.person()
    await scene.say(wang, "大家早，今天继续打卡")
    await scene.say(wang, ADVERT)
    assert ADVERT not in scene.said()
    assert any("未经同意的广告" in text and "编号 1" in text for text in scene.said())
    (case,) = await scene.sq.moderation.cases()
    assert (case.state, case.rule, str(case.member)) == ("acted", "advert", scene.ref(wang))
    assert "ab12345" in [one.word for one in case.decision.evidence]
    (action,) = await scene.sq.moderation.actions(case.id)
    assert (action.kind, action.state) == ("delete", "done")
    assert await scene.sq.moderation.strikes(scene.ref(wang)) == 1
    lines = await scene.sq.moderation.audit(subject="case:1")
    assert [one.what for one in lines] == ["delete done", "acted"]
    share = await scene.sq.metrics.compute("atmosphere.spam_share", community="club")
    assert (share.points[-1].numerator, share.points[-1].denominator) == (1, 2)


async def test_the_ladder_climbs_and_strikes_expire(scene):
    wang = scene.person()
    for number in range(3):
        await scene.say(wang, f"{ADVERT}{number}")
        scene.clock.advance(timedelta(hours=2))
    kinds = [[one.kind for one in await scene.sq.moderation.actions(case)] for case in (1, 2, 3)]
    assert kinds == [["delete"], ["delete", "mute"], ["delete", "mute"]]
    assert await scene.role(wang) == "restricted"
    assert await scene.sq.moderation.strikes(scene.ref(wang)) == 3
    scene.clock.advance(timedelta(days=31))
    assert await scene.sq.moderation.strikes(scene.ref(wang)) == 0


async def test_doubtful_cases_wait_for_a_person(scene):
    wang = scene.person()
    await scene.say(wang, "家里闲置跑步机转让")
    (case,) = await scene.sq.moderation.queue()
    assert case.state == "queued"
    assert any("待判定" in text for text in scene.told())
    assert await scene.sq.moderation.actions(case.id) == []
    done = await scene.sq.moderation.approve(case.id, actor="林", note="广告")
    assert (done.state, done.actor) == ("acted", "林")
    assert "家里闲置跑步机转让" not in scene.said()
    with pytest.raises(InvalidInput, match="acted already"):
        await scene.sq.moderation.approve(case.id)
    await scene.say(wang, "家里面膜买二送一，要的群里说")
    (second,) = await scene.sq.moderation.queue()
    assert (await scene.sq.moderation.overrule(second.id)).state == "overruled"
    assert await scene.sq.moderation.queue() == []


async def test_an_appeal_takes_everything_back(scene):
    wang = scene.person()
    await scene.say(wang, "你是不是傻逼，滚出去")
    assert await scene.say(wang, "你们都是垃圾，滚") or True
    cases = [one for one in await scene.sq.moderation.cases() if one.state == "acted"]
    last = cases[0].id
    with pytest.raises(InvalidInput, match="2,000"):
        await scene.sq.moderation.appeal(last, text=" ")
    appeal = await scene.sq.moderation.appeal(last, text="我在开玩笑")
    assert appeal.state == "open"
    with pytest.raises(InvalidInput, match="already"):
        await scene.sq.moderation.appeal(last, text="again")
    await scene.sq.drain()
    assert any("申诉" in text for text in scene.told())
    before = await scene.sq.moderation.strikes(scene.ref(wang))
    decided = await scene.sq.moderation.decide(last, grant=True, actor="林")
    assert decided.state == "granted"
    assert await scene.sq.moderation.strikes(scene.ref(wang)) == before - 1
    with pytest.raises(InvalidInput, match="granted already"):
        await scene.sq.moderation.decide(last, grant=False)
    with pytest.raises(UnknownName):
        await scene.sq.moderation.decide(999, grant=True)
    await scene.sq.drain()
    share = await scene.sq.metrics.compute("atmosphere.negative_share", community="club")
    assert share.points[-1].numerator == len(cases) - 1


async def test_a_mute_is_lifted_when_overruled(scene):
    wang = scene.person()
    await scene.say(wang, "老师带单稳赚不赔，先垫付后返佣，加微信 gp66688 扫码进群")
    (case,) = await scene.sq.moderation.cases()
    assert case.rule == "scam"
    assert await scene.role(wang) == "restricted"
    await scene.sq.moderation.overrule(case.id, note="误判")
    assert await scene.role(wang) == "member"
    assert [one.kind for one in await scene.sq.moderation.actions(case.id)] == ["delete", "mute", "unmute"]


async def test_administrators_are_spared(scene):
    boss = scene.person("老板")
    await scene.promote(boss)
    await scene.sq.moderation.set_rules(
        RuleSet(rules=(Rule(name="word", keywords=("违规词",), then=Effects(action="ban")),))
    )
    await scene.say(boss, "这里有违规词")
    for case in await scene.sq.moderation.cases():
        assert [one.state for one in await scene.sq.moderation.actions(case.id)] == ["spared"]
    assert await scene.role(boss) == "admin"


async def test_events_that_come_twice_are_one_case(scene):
    wang = scene.person()
    await scene.live()
    scene.faults.set([FaultRule(FaultKind.DUPLICATE_EVENT)])
    await scene.say(wang, ADVERT)
    scene.faults.clear()
    assert len(await scene.sq.moderation.cases()) == 1
    heard = []
    (await scene.sq._workspace.dispatcher()).on_batch("again", lambda some: _keep(heard, some))
    li = scene.person("小李")
    await scene.say(li, ADVERT)
    await scene.sq.moderation._officer.hear(heard)
    await scene.sq.moderation._officer.hear(heard)
    assert len(await scene.sq.moderation.cases()) == 2
    assert await scene.sq.moderation.strikes(scene.ref(li)) == 1


async def _keep(heard, some):
    heard.extend(some)


async def test_an_unknown_outcome_is_looked_at_again(scene):
    wang = scene.person()
    await scene.sq.moderation.set_rules(
        RuleSet(rules=(Rule(name="word", keywords=("违规词",), then=Effects(action="kick")),))
    )
    await scene.live()
    scene.faults.set([FaultRule(FaultKind.RESET_AFTER, operation="moderate", times=5)])
    await scene.say(wang, "违规词")
    scene.faults.clear()
    (action,) = await scene.sq.moderation.actions(1)
    played = {name for _, name, _ in scene.faults.played}
    assert "moderate" in played
    assert action.state == "unknown", action
    await scene.pass_time(timedelta(hours=2))
    (action,) = await scene.sq.moderation.actions(1)
    assert (action.state, action.error) == ("done", "found done when looked at again")


async def test_what_is_put_off_survives_a_restart(scene):
    wang = scene.person()
    await scene.live()
    scene.faults.set([FaultRule(FaultKind.RATE_LIMIT, operation="delete", delay=40)])
    await scene.say(wang, ADVERT)
    (action,) = await scene.sq.moderation.actions(1)
    assert action.state in {"planned", "unknown"}
    scene.faults.clear()
    await scene.sq.__aexit__(None, None, None)
    async with scene.open() as again:
        scene.sq = again
        await scene.pass_time(timedelta(minutes=5))
        (action,) = await again.moderation.actions(1)
        assert action.state == "done"
        assert ADVERT not in scene.said()
    async with scene.open() as last:
        scene.sq = last


async def test_exempt_members_and_dry_runs(scene):
    wang = scene.person()
    await scene.live()
    found = await scene.sq.moderation.dry_run(ADVERT)
    assert found.rule == "advert"
    assert "acted on by rule 'advert'" in found.explain()
    assert await scene.sq.moderation.cases() == []
    ref = scene.ref(wang)
    rules = scene.rules()
    spared = rules.rules[1].model_copy(
        update={"unless": rules.rules[1].unless.model_copy(update={"members": (ref.split(":"),)})}
    )
    del spared
    exempt = RuleSet.model_validate(
        {
            "rules": [
                {
                    "name": "advert",
                    "kinds": {"advert": 0.5},
                    "unless": {"members": [ref]},
                    "then": {"delete": True},
                }
            ]
        }
    )
    found = await scene.sq.moderation.dry_run(ADVERT, member=ref, rules=exempt)
    assert not found.hits
    assert found.trace[0].outcome == "exempt: member"


async def test_detectors_of_plugins(scene):
    doom = Rule(name="doom", kinds={"doom": 0.5}, then=Effects(delete=True))
    with pytest.raises(UnknownName, match="gloom"):
        await scene.sq.moderation.set_rules(RuleSet(rules=(doom,), detectors=("gloom",)))
    await scene.sq.moderation.set_rules(RuleSet(rules=(doom,), detectors=("doom",)))
    await scene.say(scene.person(), "这下完蛋了")
    (case,) = await scene.sq.moderation.cases()
    assert case.rule == "doom"


async def test_a_raid_protects_the_group_and_ends_by_itself(scene):
    quick = RaidSettings(joins=10, seconds=120, calm=timedelta(minutes=10))
    await scene.sq.moderation.set_rules(scene.rules(raid=quick))
    old = scene.person("老成员")
    await scene.live()
    scene.clock.advance(timedelta(hours=1))
    life = SimulatedCommunity(
        World(scene.clock, seed=5), [Place(scene.platform, scene.group)], size=0, days=1
    )
    life.raid(people=30, within=timedelta(minutes=1))
    for _ in range(20):
        life.live_until(scene.clock.now() + timedelta(seconds=10))
        await scene.live()
    (raid,) = await scene.sq.moderation.raids()
    assert raid.ended_at is None
    assert raid.actor == "detector"
    assert any("slow_mode" in note for note in raid.notes), raid.notes
    assert await scene.sq.moderation.is_quiet(scene.channel)
    assert sum("防炸群" in text for text in scene.told()) == 1
    raiders = [one for one in life.members if one.left_at is None]
    assert [await scene.role(one.person) for one in raiders].count("restricted") >= len(raiders) - 2
    assert await scene.role(old) == "member"
    late = [
        one
        for one in scene.platform.messages(scene.group, limit=500)
        if one.by_account and one.at > raid.began_at
    ]
    assert late == [], "the bot keeps quiet in the group meanwhile"
    await scene.sq.__aexit__(None, None, None)
    async with scene.open() as again:
        scene.sq = again
        assert await again.moderation.is_quiet(scene.channel)
        await scene.pass_time(timedelta(minutes=30))
        (raid,) = await again.moderation.raids()
        assert raid.ended_at is not None
        assert not await again.moderation.is_quiet(scene.channel)
        assert any("恢复正常" in text for text in scene.told())
        store = await again._workspace.store()
        counts = await store.read(
            lambda conn: dict(
                conn.execute(
                    select(moderation_action.c.kind, func.count())
                    .where(moderation_action.c.source.like("raid:%"), moderation_action.c.state == "done")
                    .group_by(moderation_action.c.kind)
                ).all()
            )
        )
        assert 0 < counts["unmute"] <= counts["mute"]
    async with scene.open() as last:
        scene.sq = last


async def test_raid_mode_by_hand(scene):
    raid = await scene.sq.moderation.raid_on(scene.channel, reason="rehearsal", actor="林")
    assert (await scene.sq.moderation.raid_on(scene.channel, reason="again")).id == raid.id
    assert await scene.sq.moderation.raid_off(scene.channel)
    assert not await scene.sq.moderation.raid_off(scene.channel)
    whats = [one.what for one in await scene.sq.moderation.audit(subject=f"raid:{raid.id}")]
    assert whats == ["raid mode off", "raid mode on"]


async def test_members_who_change_names_each_minute(scene):
    person = Person(id="chameleon", name="甲")
    scene.platform.join(scene.group, person)
    for number in range(12):
        named = Person(id="chameleon", name=f"变色龙{number}\u202e[x](http://a.b)")
        scene.platform.say(scene.group, named, f"{ADVERT}{number}" if number % 11 == 0 else f"早上好{number}")
        scene.clock.advance(timedelta(minutes=1))
        await scene.live()
    assert [one.rule for one in await scene.sq.moderation.cases()] == ["advert", "advert"]
    assert await scene.sq.moderation.strikes(scene.ref(person)) == 2
    assert not any("\u202e" in text or "http://a.b" in text for text in scene.said() if "编号" in text)


async def test_bad_input_from_members(scene):
    wang = scene.person()
    for text in ("👍" * 300, "\u202e" * 50 + "x", "加" * 4000, "\u200b" * 100 + "微" * 10, "a\u0301" * 1500):
        scene.platform.say(scene.group, wang, text)
        scene.clock.advance(timedelta(minutes=1))
    await scene.live()
    dispatcher = await scene.sq._workspace.dispatcher()
    assert await dispatcher.list_dead() == []
    assert {one.rule for one in await scene.sq.moderation.cases()} <= {"flood", "advert", "copies"}
    assert await scene.role(wang) == "restricted"


async def test_history_is_judged_as_it_would_have_been(scene):
    scene.home.joinpath("shequn.toml").write_text('[privacy]\nstore_text = "full"\n', encoding="utf-8")
    await scene.sq.__aexit__(None, None, None)
    async with scene.open() as sq:
        scene.sq = sq
        object.__setattr__(sq.settings.privacy, "store_text", "full")
        await sq.moderation.set_rules(RuleSet())
        wang, li = scene.person(), scene.person("小李")
        for text in ("早上好", ADVERT, "今天跑了五公里"):
            await scene.say(wang, text)
            scene.clock.advance(timedelta(minutes=5))
        noted = await scene.say(li, "公园门口有违规词")
        found = await sq.moderation.backtest("standard")
        assert (found.messages, found.hits, found.members) == (4, 1, 1)
        assert found.examples[0].rule == "advert"
        assert found.precision is None
        native = scene.platform.messages(scene.group)[0].native_id
        del noted
        labels = {("telegram", native): True}
        word = RuleSet(rules=(Rule(name="word", keywords=("违规词",), then=Effects(delete=True)),))
        found = await sq.moderation.backtest(word, labels=labels)
        assert (found.hits, found.precision, found.recall) == (1, 1.0, 1.0)
        assert await sq.moderation.cases() == []
    async with scene.open() as last:
        scene.sq = last


async def test_a_crisis_is_begun_by_its_thresholds(scene):
    here = ChannelRef(account="bot", native_id=scene.operators)
    plan = CrisisPlan(
        roles={"lead": here},
        steps=(
            CrisisStep(name="look", role="lead", text="核实情况", within=timedelta(minutes=10)),
            CrisisStep(name="answer", role="lead", text="发布回应", within=timedelta(minutes=30)),
        ),
        thresholds=Thresholds(negative_share=0.5, least_messages=4),
    )
    await scene.sq.crises.set_plan(plan)
    assert await scene.sq.crises.check() == []
    people = [scene.person(name) for name in ("甲", "乙", "丙", "丁", "戊", "己")]
    for person, text in zip(
        people,
        ["太失望了，说话不算数", "垃圾服务，退款！", "气死我了", "差评，再也不来了", "早", "失望"],
        strict=True,
    ):
        scene.platform.say(scene.group, person, text)
    await scene.live()
    assert await scene.sq.crises.check()
    scene.sq.crises._looked_at = -1e9
    await scene.say(people[0], "太失望了")
    (incident,) = await scene.sq.crises.list()
    assert not incident.drill
    assert "negative" in incident.cause
    assert await scene.sq.crises.is_quiet()
    scene.clock.advance(timedelta(minutes=5))
    await scene.sq.crises.done(incident.id, "look", actor="林")
    await scene.pass_time(timedelta(minutes=40))
    assert any("due now" in text and "answer" in text for text in scene.told())
    assert not any("due now" in text and "look" in text for text in scene.told())
    await scene.sq.crises.done(incident.id, "answer", actor="林", note="晚了")
    ended = await scene.sq.crises.end(incident.id)
    assert (ended.done, ended.in_time) == (2, 1)
    assert "late" in ended.report()
    assert not await scene.sq.crises.is_quiet()
    with pytest.raises(InvalidInput, match="ended"):
        await scene.sq.crises.done(incident.id, "answer")


async def test_a_drill_disturbs_nobody_and_reports(scene):
    with pytest.raises(UnknownName):
        await scene.sq.crises.drill()
    await scene.sq.crises.set_plan(standard_plan(f"bot:{scene.operators}"))
    drill = await scene.sq.crises.drill(cause="演习：产品质量")
    assert (await scene.sq.crises.drill()).id == drill.id
    for _ in range(8):
        await scene.pass_time(timedelta(seconds=10))
    assert sum("DRILL" in text for text in scene.told()) == 6
    assert not await scene.sq.crises.is_quiet()
    with pytest.raises(UnknownName, match="confirm"):
        await scene.sq.crises.done(drill.id, "confrm")
    await scene.sq.crises.done(drill.id, "confirm", actor="林")
    ended = await scene.sq.crises.end(drill.id)
    assert "1 of 6 steps taken, 1 in time" in ended.report()
    assert "settle (lead): missed" in ended.report()


async def test_what_is_kept_of_a_member_can_be_taken_away(scene):
    wang = scene.person()
    await scene.say(wang, ADVERT)
    await scene.sq.moderation.appeal(1, text="我没有")
    store = await scene.sq._workspace.store()
    identities = await store.read(
        lambda conn: list(conn.execute(select(moderation_case.c.identity_id)).scalars())
    )
    kept = await store.read(lambda conn: _privacy.export_rows(conn, identities))
    assert {*kept} == {"moderation_case", "moderation_strike", "moderation_action", "moderation_appeal"}
    json.dumps(kept, default=str)
    assert await store.write(lambda conn: _privacy.erase_rows(conn, identities)) >= 4
    assert await store.read(lambda conn: _privacy.export_rows(conn, identities)) == {}
    (case,) = await scene.sq.moderation.cases()
    assert case.member is None
    assert "ab12345" not in case.model_dump_json()


async def test_on_discord_slow_mode_is_set_and_taken_back(tmp_path):
    plugins = load_plugins(only=["discord"])
    clock = ManualClock(NOW)
    async with SandboxServer([plugins.sandbox("discord")], clock=clock) as sandbox:
        scene = Scene(tmp_path, sandbox, plugins, clock, None, name="discord")
        async with scene.open() as sq:
            scene.sq = sq
            await sq.moderation.set_rules(scene.rules())
            await sq.moderation.raid_on(scene.channel, reason="test")
            adapter = sq._workspace.accounts.adapter("bot")
            slow = (await adapter.get_channel(scene.group)).attrs
            assert 30 in slow.values(), slow
            await sq.moderation.raid_off(scene.channel)
            assert 30 not in (await adapter.get_channel(scene.group)).attrs.values()


def _code(text, *, scale=6):
    zxingcpp = pytest.importorskip("zxingcpp")
    from PIL import Image

    made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    buffer = BytesIO()
    Image.fromarray(zxingcpp.write_barcode_to_image(made, scale=scale)).save(buffer, "PNG")
    return buffer.getvalue()


async def test_codes_in_pictures_are_judged_where_the_rules_ask_for_it(scene):
    picture = _code("加微信 ab12345 免费领资料，名额有限")
    wang, li = scene.person(), scene.person("小李")
    scene.platform.show(scene.group, wang, picture, "看看这个")
    await scene.live()
    assert await scene.sq.moderation.cases() == []
    await scene.sq.moderation.set_rules(scene.rules(codes=True))
    scene.platform.show(scene.group, wang, picture, "看看这个")
    scene.platform.show(scene.group, li, _code("https://example.com/menu"), "今天的菜单")
    scene.platform.show(scene.group, li, b"no picture at all")
    await scene.live()
    (case,) = await scene.sq.moderation.cases()
    assert (case.rule, str(case.member)) == ("advert", scene.ref(wang))
    assert "ab12345" in [one.word for one in case.decision.evidence]
    assert scene.said().count("看看这个") == 1


async def test_a_picture_that_cannot_be_loaded_holds_nothing_up(scene):
    await scene.sq.moderation.set_rules(scene.rules(codes=True))
    wang = scene.person()
    scene.faults.set([FaultRule(FaultKind.SERVER_ERROR, operation="read", times=6)])
    scene.platform.show(scene.group, wang, _code("加微信 ab12345 免费领资料"), "晚安")
    await scene.say(wang, ADVERT)
    scene.faults.clear()
    assert [one.rule for one in await scene.sq.moderation.cases()] == ["advert"]
    assert await (await scene.sq._workspace.dispatcher()).list_dead() == []


async def test_a_picture_that_is_too_large_is_not_loaded(scene):
    await scene.live()
    scene.platform.show(
        scene.group, scene.person(), _code("加微信 ab12345 免费领资料") + bytes(6 * 1024 * 1024)
    )
    heard = []
    (await scene.sq._workspace.dispatcher()).on_batch("pictures", lambda some: _keep(heard, some))
    await scene.live()
    found = await CodeReader(scene.sq._workspace.accounts).read([one for one in heard if pictures_of(one)])
    assert found == {}
    assert sum(bool(pictures_of(one)) for one in heard) == 1


async def test_what_is_planned_waits_for_the_end_of_a_raid_and_is_sent_once(scene):
    publishing = await scene.sq._workspace.publishing()
    soon, later = NOW + timedelta(minutes=5), NOW + timedelta(days=1)
    post = partial(publishing.plan, to=[scene.channel])
    await post(Content(text="早报"), at=soon)
    await post(Content(text="晚安"), at=soon, late=LatePolicy.SKIP, grace=timedelta(minutes=10))
    await post(Content(text="一天以后"), at=later)
    await post(Content(text="别的群"), to=[f"bot:{scene.operators}"], at=soon)
    (mine,) = await post(Content(text="人扣下的"), at=soon)
    (kept,) = mine.deliveries
    await publishing.pause(kept)
    quick = RaidSettings(calm=timedelta(minutes=20))
    await scene.sq.moderation.set_rules(scene.rules(raid=quick))
    await scene.sq.moderation.raid_on(scene.channel, reason="rehearsal")
    await post(Content(text="突袭中写的"))
    await post(Content(text="回答"), priority=Priority.REPLY)
    await scene.pass_time(timedelta(minutes=10))
    assert [text for text in scene.said() if "防炸群" not in text] == ["回答"]
    assert "别的群" in scene.told()
    await scene.sq.__aexit__(None, None, None)
    async with scene.open() as again:
        scene.sq = again
        await scene.pass_time(timedelta(minutes=15))
        assert (await again.moderation.raids())[0].ended_at is not None
        await scene.pass_time(timedelta(minutes=1))
        assert sorted(scene.said()) == sorted(["回答", "早报", "晚安", "突袭中写的"])
        assert not await again.moderation.raid_off(scene.channel)
        await scene.pass_time(timedelta(days=1))
        assert sorted(scene.said()) == sorted(["回答", "早报", "晚安", "突袭中写的", "一天以后"])
        lines = await (await again._workspace.publishing()).history(kept)
        assert lines[-1].cause == "paused"
    async with scene.open() as last:
        scene.sq = last


async def test_a_raid_ended_by_a_process_that_was_killed_still_lets_go(scene):
    publishing = await scene.sq._workspace.publishing()
    await scene.sq.moderation.raid_on(scene.channel, reason="rehearsal")
    await publishing.plan(Content(text="等着"), [scene.channel])
    store = await scene.sq._workspace.store()
    now = to_us(scene.clock.now())
    await store.write(lambda conn: raids.end(conn, 1, actor="killed after this", now=now))
    await scene.sq.drain()
    assert scene.said() == []
    await scene.sq.__aexit__(None, None, None)
    async with scene.open() as again:
        scene.sq = again
        await again.moderation.work()
        await again.drain()
        assert scene.said() == ["等着"]
        assert await publishing_again(again) == 0
    async with scene.open() as last:
        scene.sq = last


async def publishing_again(sq):
    return await (await sq._workspace.publishing()).heed_holds()


async def test_what_a_person_lets_go_during_a_raid_goes(scene):
    publishing = await scene.sq._workspace.publishing()
    await scene.sq.moderation.raid_on(scene.channel, reason="rehearsal")
    (receipt,) = await publishing.plan(Content(text="公告"), [scene.channel])
    assert "raid" in receipt.reason
    await publishing.resume(*receipt.deliveries)
    await publishing.heed_holds()
    await scene.sq.drain()
    assert scene.said() == ["公告"]
