"""Points: booked once, balanced always, taken back with what they were for."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from shequn_sdk import InvalidInput
from shequn_sdk.domain import MemberRef
from shequn_sdk.incentives import _ledger
from shequn_sdk.incentives._ledger import Move, fingerprint
from shequn_sdk.incentives._specs import identity_of
from shequn_sdk.incentives.models import Award, Decay, PointRule, PointRules
from shequn_sdk.stores.schema import load_tables
from shequn_sdk.stores.tables.members import person

TALK = PointRule(name="talk", kind="message", points=2, per_day=6, min_letters=2)
CLAP = PointRule(name="clap", kind="reaction", points=1)
RULES = PointRules(rules=(TALK, CLAP, PointRule(name="daily", kind="check_in", points=5)))


async def balance(club, member):
    return (await club.sq.points.get_balance(member)).balance


async def test_rules_award_once_and_up_to_their_caps(club):
    await club.sq.points.set_rules(RULES)
    talk = [club.event("telegram:1", text="早上好") for _ in range(5)]
    await club.hear(*talk)
    await club.hear(*talk)
    assert await balance(club, "telegram:1") == 6
    club.clock.advance(timedelta(days=1))
    await club.hear(
        club.event("telegram:1", text="早上好"),
        club.event("telegram:1", text="🎉" * 400),  # no letters
        club.event("telegram:1", text="早上好", is_bot=True),
        club.event("telegram:1", "check_in"),
    )
    found = await club.sq.points.get_balance("telegram:1")
    assert (found.balance, found.earned) == (13, 13)
    assert [one.rule for one in await club.sq.points.get_history("telegram:1", limit=2)] == ["daily", "talk"]
    assert (await club.sq.points.check()).ok
    assert await balance(club, "telegram:404") == 0


async def test_caps_per_week_and_for_the_target(club):
    await club.sq.points.set_rules(
        PointRules(
            rules=(
                PointRule(name="answer", kind="answer", points=3, per_week=7),
                PointRule(name="asked", kind="answer", points=1, to="target"),
            )
        )
    )
    for _ in range(4):
        await club.hear(club.event("telegram:1", "answer", target="2"))
        club.clock.advance(timedelta(days=1))
    await club.hear(club.event("telegram:1", "answer", target="1"))
    assert await balance(club, "telegram:1") == 7
    assert await balance(club, "telegram:2") == 4
    club.clock.advance(timedelta(days=3))  # Monday
    await club.hear(club.event("telegram:1", "answer"))
    assert await balance(club, "telegram:1") == 10


async def test_what_is_taken_back_takes_the_points_back(club):
    await club.sq.points.set_rules(RULES)
    said = club.event("discord:1", text="买它买它")
    clap = club.event("discord:2", "reaction", message=said.message, text="👍")
    other = club.event("discord:3", "reaction", message=said.message, text="👍")
    heart = club.event("discord:2", "reaction", message=said.message, text="❤️")
    await club.hear(said, clap, other, heart)
    gone = club.event("discord:2", "retract", message=said.message, text="👍", attrs={"retracts": "reaction"})
    await club.hear(gone)
    assert [await balance(club, f"discord:{n}") for n in (1, 2, 3)] == [2, 1, 1]
    # a deletion that does not say who; heard twice
    deleted = club.event("discord:", "retract", message=said.message, attrs={"retracts": "message"})
    await club.hear(deleted, deleted)
    await club.hear(
        club.event(
            "discord:",
            "retract",
            message=said.message,
            text="",
            attrs={"retracts": "reaction", "everyone": True},
        )
    )
    assert [await balance(club, f"discord:{n}") for n in (1, 2, 3)] == [0, 0, 0]
    # who deletes and writes again gets nothing more for it: the cap remembers
    for _ in range(10):
        again = club.event("discord:1", text="买它买它")
        await club.hear(
            again, club.event("discord:", "retract", message=again.message, attrs={"retracts": "message"})
        )
    await club.hear(club.event("discord:1", text="买它买它"))
    assert await balance(club, "discord:1") == 0
    assert (await club.sq.points.check()).ok


async def test_a_refund_takes_back_what_a_purchase_earned(club):
    await club.sq.points.set_rules(PointRules(rules=(PointRule(name="buy", kind="purchase", points=50),)))
    bought = club.event("shop:1", "purchase", id="order/9", message="", value=99.0)
    await club.hear(bought)
    assert await balance(club, "shop:1") == 50
    await club.hear(club.event("shop:1", "refund", message="", attrs={"order": "order/9"}))
    assert await balance(club, "shop:1") == 0


async def test_one_person_on_two_platforms(club):
    await club.sq.points.set_rules(RULES)
    await club.hear(*(club.event("telegram:1", text="早上好") for _ in range(2)))
    await club.hear(club.event("discord:1", text="早上好"))
    assert await balance(club, "telegram:1") == 4
    await club.merge("telegram:1", "discord:1")
    found = await club.sq.points.get_balance("discord:1")
    assert (found.balance, dict(found.by_member)) == (6, {"telegram:1": 4, "discord:1": 2})
    await club.hear(club.event("discord:1", text="早上好"), club.event("telegram:1", text="早上好"))
    assert await balance(club, "telegram:1") == 6  # the cap is the person's


async def test_awards_by_hand(club):
    await club.sq.points.award("telegram:1", points=10, idempotency_key="prize", note="征文")
    found = await club.sq.points.award("telegram:1", points=10, idempotency_key="prize", note="征文")
    assert found.balance == 10
    (entry,) = await club.sq.points.get_history("telegram:1")
    assert (entry.points, entry.note) == (10, "征文")
    assert await club.sq.points.reverse(entry.id)
    assert not await club.sq.points.reverse(entry.id)
    assert await balance(club, "telegram:1") == 0
    with pytest.raises(InvalidInput, match="at least 1"):
        await club.sq.points.award("telegram:1", points=-5, idempotency_key="x")
    with pytest.raises(InvalidInput, match="no award"):
        await club.sq.points.reverse(999)
    with pytest.raises(InvalidInput, match="no member"):
        await club.sq.points.award_many(
            [Award(member="telegram:1", points=1, key="a"), Award(member="?", points=1, key="b")]
        )
    assert await balance(club, "telegram:1") == 0
    with pytest.raises(InvalidInput, match="one name"):
        await club.sq.points.set_rules(PointRules(rules=(TALK, TALK)))


async def test_points_expire_soonest_first_and_decay(club):
    month = timedelta(days=30)
    await club.sq.points.set_rules(PointRules(expires_after=month, decay=Decay(percent=10, every=2 * month)))
    await club.sq.points.award("telegram:1", points=100, idempotency_key="a")
    await club.pass_time(timedelta(days=10))
    await club.sq.points.award("telegram:1", points=40, idempotency_key="b")
    store = await club.sq._workspace.store()
    number = await club.sq.members.person_of("telegram:1")
    await store.write(
        lambda conn: _ledger.spend(
            conn, "club", number, amount=30, event="s", at=1, day="2026-03-12", note=""
        )
    )
    await club.pass_time(timedelta(days=21))  # the first hundred expire; thirty of them were spent
    assert await balance(club, "telegram:1") == 40
    assert (await club.sq.points.get_history("telegram:1", limit=1))[0].points == -70
    assert await club.sq.points.expire() == 0
    await club.sq.points.set_rules(PointRules(decay=Decay(percent=10, every=2 * month)))
    await club.sq.points.award("discord:2", points=100, idempotency_key="c")
    await club.pass_time(timedelta(days=61))
    assert await balance(club, "discord:2") == 90
    assert await balance(club, "telegram:1") == 0
    await club.pass_time(timedelta(days=60))
    assert await balance(club, "discord:2") == 81
    assert (await club.sq.points.check()).ok


async def test_signals_come_with_evidence(club):
    await club.sq.points.set_rules(PointRules(rules=(PointRule(name="talk", kind="message", points=1), CLAP)))
    posts = {member: club.event(f"telegram:{member}", text=f"今天的第{member}件事") for member in "1234567"}
    events = list(posts.values())
    for number in range(10):  # 1 and 2 clap for each other, 3 to 5 in a ring, 6 for everybody
        for giver, taker in [("1", "2"), ("2", "1"), ("3", "4"), ("4", "5"), ("5", "3")]:
            club.clock.advance(30)
            events.append(
                club.event(
                    f"telegram:{giver}",
                    "reaction",
                    message=posts[taker].message,
                    attrs={"emoji": f"{number}"},
                )
            )
        events.append(
            club.event(
                "telegram:6",
                "reaction",
                message=posts[str(number % 5 + 1)].message,
                attrs={"emoji": f"{number}"},
            )
        )
    events += [club.event("telegram:7", text=f"签到{number}！！！") for number in range(25)]
    await club.hear(*events)
    found = {signal.kind: signal for signal in await club.sq.points.find_signals()}
    assert found["pair"].members == ("telegram:1", "telegram:2")
    assert found["pair"].count == 20
    assert set(found["ring"].members) == {"telegram:3", "telegram:4", "telegram:5"}
    assert found["burst"].members == ("telegram:7",)
    assert not any("telegram:6" in one.members for one in found.values())
    assert all(one.evidence for one in found.values())
    assert await balance(club, "telegram:7") == 26  # nothing is done about it
    club.clock.advance(timedelta(days=8))
    assert await club.sq.points.find_signals() == []


def test_fingerprints_forget_what_changes_and_the_text():
    assert fingerprint("打卡打卡打卡 第12天！！") == fingerprint("打卡打卡打卡第13天")
    assert fingerprint("今天去爬山") != fingerprint("今天去游泳")
    assert fingerprint("🎉🎉🎉") == fingerprint("👍") == "emoji"
    assert fingerprint("") == fingerprint("好") == ""
    assert "爬山" not in fingerprint("今天去爬山")


moves = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(1, 50),
        st.integers(0, 30),
        st.sampled_from(["award", "spend", "reverse"]),
    ),
    max_size=25,
)


@limits(max_examples=40)
@given(moves)
def test_all_accounts_add_up_to_nothing(acts):
    engine = create_engine("sqlite://")
    load_tables().create_all(engine)
    with engine.begin() as conn:
        refs = [MemberRef(platform="telegram", native_id=str(n)) for n in range(1, 5)]
        numbers = identity_of(conn, refs, 0)
        expected = dict.fromkeys(range(1, 5), 0)
        done = {}
        for who, amount, key, what in acts:
            number = numbers[refs[who - 1]]
            if what == "award":
                event = f"award/{key}"
                if _ledger.book(
                    conn, "club", [Move(event, "award", _ledger.ISSUED, number, amount, 0, "2026-03-02")]
                ):
                    expected[who] += amount
                    done[key] = (who, amount, True)
            elif what == "spend":
                owner = conn.execute(
                    select(person.c.id).order_by(person.c.id).limit(1).offset(who - 1)
                ).scalar()
                if expected[who] >= amount:
                    _ledger.spend(
                        conn,
                        "club",
                        owner,
                        amount=amount,
                        event=f"s{len(done)}/{key}/{amount}",
                        at=0,
                        day="2026-03-02",
                        note="",
                    )
                    left = _ledger.of_person(conn, "club", owner).balance
                    assert left in (expected[who] - amount, expected[who])  # the same event is booked once
                    expected[who] = left
                else:
                    with pytest.raises(InvalidInput, match="are needed"):
                        _ledger.spend(
                            conn, "club", owner, amount=amount, event="x", at=0, day="2026-03-02", note=""
                        )
            elif key in done:
                from shequn_sdk.stores.tables.incentives import points_entry

                rows = conn.execute(select(points_entry).where(points_entry.c.event == f"award/{key}")).all()
                holder, points, open_ = done[key]
                assert _ledger.reverse(
                    conn, "club", rows, kind="reversal", at=0, day="2026-03-02", note=""
                ) == int(open_)
                if open_:
                    expected[holder] -= points
                    done[key] = (holder, points, False)
            _, _, total, wrong = _ledger.check(conn, "club")
            assert total == 0
            assert not wrong
        for who in range(1, 5):
            owner = conn.execute(select(person.c.id).order_by(person.c.id).limit(1).offset(who - 1)).scalar()
            assert _ledger.of_person(conn, "club", owner).balance == expected[who]


WORKER = """
import asyncio, sys
from shequn_sdk import AsyncShequn, Community
from shequn_sdk.incentives.models import Award

async def main():
    async with AsyncShequn.open(home=sys.argv[1], communities=[Community(name="club")]) as sq:
        number = 0
        while True:
            batch = [Award(member=f"telegram:{n % 7}", points=n % 5 + 1, key=str(n)) for n in range(number, number + 50)]
            await sq.points.award_many(batch)
            number += 50
            print(number, flush=True)

asyncio.run(main())
"""


async def test_balances_are_exact_after_a_kill(tmp_path):
    """What was reported as booked is there after kill -9, whole batches only, and booking it again changes nothing."""
    from shequn_sdk import AsyncShequn, Community

    reported = 0
    for _ in range(2):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for lines, line in enumerate(worker.stdout, 1):
            reported = max(reported, int(line))
            if lines >= 6:
                worker.send_signal(signal.SIGKILL)
                break
        rest = worker.stdout.read().split()  # what it had said before it died
        worker.wait()
        worker.stdout.close()
        reported = max([reported, *map(int, rest)])
    async with AsyncShequn.open(home=tmp_path, communities=[Community(name="club")]) as sq:
        found = await sq.points.check()
        assert found.ok
        assert found.entries >= reported
        assert found.entries % 50 == 0
        expected = dict.fromkeys(range(7), 0)
        for number in range(found.entries):
            expected[number % 7] += number % 5 + 1
        for member, points in expected.items():
            assert (await sq.points.get_balance(f"telegram:{member}")).balance == points


@pytest.mark.postgres
async def test_the_ledger_is_the_same_on_postgresql(postgres_cluster):
    """Rows are handed to the driver as they are: by name here, by place in SQLite."""
    import psycopg

    from shequn_sdk.stores.store import Store

    with psycopg.connect(postgres_cluster.url, autocommit=True) as admin:
        admin.execute("create database points_tests")
    store = await Store.open(postgres_cluster.url.rsplit("/", 1)[0] + "/points_tests")

    def write(conn):
        numbers = identity_of(conn, [MemberRef(platform="telegram", native_id=str(n)) for n in range(3)], 0)
        moves = [
            Move(
                f"e{n}", "award", _ledger.ISSUED, number, n + 1, 1, "2026-03-02", expires_at=None if n else 9
            )
            for n, number in enumerate(numbers.values())
        ]
        return (
            _ledger.book(conn, "club", moves),
            _ledger.book(conn, "club", moves),
            _ledger.check(conn, "club"),
        )

    try:
        first, again, (entries, accounts, total, wrong) = await store.write(write)
    finally:
        await store.aclose()
    assert (first, again, entries, accounts, total, wrong) == (3, 0, 3, 4, 0, [])


async def test_segments_compare_points_of_persons(club):
    from shequn_sdk.members import filters as f

    await club.hear(*(club.event(f"telegram:{number}", text="早") for number in range(4)))
    await club.sq.points.award_many(
        [
            Award(member="telegram:1", points=60, key="a"),
            Award(member="discord:1", points=50, key="b"),
            Award(member="telegram:2", points=99, key="c"),
            Award(member="telegram:3", points=100, key="d"),
        ]
    )
    await club.merge("telegram:1", "discord:1")
    rich = f.Number(source="points", at_least=100)
    found = {str(one.ref) for one in await club.sq.segments.members(rich)}
    assert found in ({"telegram:1", "telegram:3"}, {"discord:1", "telegram:3"})
    assert await club.sq.segments.count(rich) == 2
    assert await club.sq.segments.count(f.Number(source="points", at_least=1, at_most=99)) == 1
    assert await club.sq.segments.count(~f.Number(source="points", at_least=1)) == 1
    assert (await club.sq.points.numbers())[MemberRef.parse("discord:1")] == 110.0
