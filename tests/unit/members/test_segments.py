"""Segments: what the columns say is what the members say one by one, however they came to be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shequn_sdk import InvalidInput
from shequn_sdk.domain import LifecycleDays, MemberRef, Role
from shequn_sdk.errors import UnknownName
from shequn_sdk.members import consents, merging
from shequn_sdk.members import filters as f
from shequn_sdk.members.columns import Columns, Scope, evaluate
from shequn_sdk.members.fields import FieldKind, FieldSpec
from shequn_sdk.members.identities import Seen, note_identities
from shequn_sdk.members.lifecycle import Stage
from shequn_sdk.members.membership import Act, note_acts, touch
from shequn_sdk.members.reading import membership_of
from shequn_sdk.stores.schema import to_us
from shequn_sdk.stores.store import Store
from shequn_sdk.stores.tables.members import identity, membership

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
ZONE = "Asia/Shanghai"
LIMITS = LifecycleDays(new_days=5, active_days=10, churned_days=20)
SCOPE = Scope(now=NOW, zone=ZONE, thresholds=LIMITS, specs={}, saved=lambda name: f.And(), given={})

step = st.one_of(
    st.tuples(
        st.just("act"),
        st.integers(0, 6),
        st.integers(0, 60 * 24),
        st.sampled_from(["join", "leave", "talk", "bot"]),
    ),
    st.tuples(st.just("merge"), st.integers(0, 6), st.integers(0, 6)),
    st.tuples(st.just("tag"), st.integers(0, 6), st.sampled_from(["a", "b"])),
    st.tuples(st.just("look")),
)
leaf = st.one_of(
    st.builds(lambda tag: f.Tagged(tag=tag), st.sampled_from(["a", "b", "c"])),
    st.builds(lambda stage: f.InStage(stages=(stage,)), st.sampled_from(Stage)),
    st.builds(lambda days: f.ActiveWithin(days=days), st.integers(1, 40)),
    st.builds(lambda days: f.JoinedWithin(days=days), st.integers(1, 40)),
    st.builds(lambda name: f.OnPlatform(platforms=(name,)), st.sampled_from(["p0", "p1", "zz"])),
    st.builds(lambda name: f.Entrance(names=(name,)), st.sampled_from(["door0", "door1"])),
    st.just(f.HasRole(roles=(Role.MEMBER,))),
    st.just(f.Left()),
)
some = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=5,
)


def ref(number):
    return MemberRef(platform=f"p{number % 2}", native_id=str(number))


def do(conn, one, alive):
    kind, *rest = one
    if kind == "act":
        number, minutes, what = rest
        at = to_us(NOW - timedelta(minutes=60 * 24 * 40) + timedelta(minutes=minutes * 40))
        numbers = note_identities(conn, [Seen(ref=ref(number), at=at, is_bot=what == "bot" and number == 6)])
        act = Act(
            "club",
            ref(number),
            at,
            joins=what == "join",
            leaves=what == "leave",
            active=what == "talk",
            account="a",
            channel="c",
            entrance=f"door{number % 2}" if what == "join" else "",
        )
        note_acts(conn, [act], numbers)
        alive[number] = numbers[ref(number)]
    elif kind == "merge" and {rest[0], rest[1]} <= set(alive):
        merging.merge(conn, alive[rest[0]], alive[rest[1]], reason="r", actor="a", now=1)
    elif kind == "tag" and rest[0] in alive:
        consents.tag(conn, "club", alive[rest[0]], [rest[1]], actor="a", now=1)
        touch(conn, [alive[rest[0]]])


def naive(conn, wanted):
    """The persons who pass, judged one by one from their rows."""
    people = {}
    joined = identity.join(membership, membership.c.identity_id == identity.c.id)
    for row in conn.execute(joined.select().with_only_columns(*identity.c, *membership.c)).mappings():
        if not row["is_bot"]:
            people.setdefault(row["person_id"], []).append(row)

    def holds(one, rows):
        info = membership_of(rows, now=NOW, zone=ZONE, thresholds=LIMITS)
        local = [NOW + timedelta(hours=8), timedelta(hours=8)]
        today = local[0].date()
        if isinstance(one, f.And):
            return all(holds(inner, rows) for inner in one.of)
        if isinstance(one, f.Or):
            return any(holds(inner, rows) for inner in one.of)
        if isinstance(one, f.Not):
            return not holds(one.of, rows)
        if isinstance(one, f.Tagged):
            return one.tag in consents.tags_of(conn, "club", [row["identity_id"] for row in rows])
        if isinstance(one, f.InStage):
            return info.stage in one.stages
        if isinstance(one, f.ActiveWithin):
            return info.last_active is not None and (
                (info.last_active + local[1]).date() > today - timedelta(days=one.days)
            )
        if isinstance(one, f.JoinedWithin):
            return (info.first_at + local[1]).date() > today - timedelta(days=one.days)
        if isinstance(one, f.OnPlatform):
            return any(row["platform"] in one.platforms for row in rows)
        if isinstance(one, f.Entrance):
            return info.entrance in one.names
        if isinstance(one, f.HasRole):
            return info.role in one.roles
        return info.left_at is not None

    asks = any(isinstance(one, f.Left) for one in f.walk(wanted))
    return {
        number
        for number, rows in people.items()
        if holds(wanted, rows) and (asks or any(row["left_at"] is None for row in rows))
    }


@pytest.fixture(scope="module")
async def store(tmp_path_factory):
    async with await Store.open(tmp_path_factory.mktemp("segments") / "s.db") as opened:
        yield opened


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(step, min_size=1, max_size=25), wanted=st.lists(some, min_size=1, max_size=4))
async def test_columns_brought_up_to_date_say_what_the_rows_say(store, steps, wanted):
    columns, alive = Columns("club"), {}

    class Undo(Exception):
        pass

    def run(conn):
        for one in steps:
            if one[0] == "look":
                columns.refresh(conn)
                columns.load_for(conn, wanted[0], SCOPE)
            else:
                do(conn, one, alive)
        columns.refresh(conn)
        fresh = Columns("club")
        fresh.refresh(conn)
        for one in wanted:
            expected = naive(conn, one)
            for book in (columns, fresh):
                book.load_for(conn, one, SCOPE)
                found = (
                    {int(n) for n in book.persons.numbers[evaluate(book, one, SCOPE)]} if len(book) else set()
                )
                assert found == expected, (one, book is fresh)
            for number in expected:
                few = Columns("club")
                few.refresh(conn, only=[number])
                few.load_for(conn, one, SCOPE)
                assert evaluate(few, one, SCOPE).any()
        raise Undo  # the next example starts anew

    with pytest.raises(Undo):
        await store.write(run)


async def test_segments_are_saved_counted_and_used_by_name(club, clock):
    sq = club.sq
    for number in range(6):
        await club.act(f"tg:{number}", "join", entrance="poster" if number < 4 else "friend")
    clock.advance(timedelta(days=20))
    for number in (0, 1, 4):
        await club.act(f"tg:{number}")
    await sq.members.tag("tg:0", "gold", actor="lin")
    warm = f.ActiveWithin(days=3) & f.Entrance(names=("poster",))
    assert await sq.segments.count(warm) == 2
    await sq.segments.save("warm", warm, note="talked lately")
    await sq.segments.save("gold", f.InSegment(name="warm") & f.Tagged(tag="gold"))
    assert [one.name for one in await sq.segments.list()] == ["gold", "warm"]
    assert await sq.segments.count("gold") == 1
    assert [str(one.ref) for one in await sq.segments.members("warm")] == ["tg:0", "tg:1"]
    first = (await sq.segments.members("warm", limit=1))[0]
    assert [str(one.ref) for one in await sq.segments.members("warm", after=first.person)] == ["tg:1"]
    assert await sq.segments.contains("gold", "tg:0")
    assert not await sq.segments.contains("gold", "tg:1")
    await club.act("tg:2")
    assert await sq.segments.count("warm") == 3, "counts are live"
    await club.act("tg:2", "leave")
    assert await sq.segments.count("warm") == 2
    assert await sq.segments.count(f.Left()) == 1
    with pytest.raises(InvalidInput, match="uses"):
        await sq.segments.delete("warm")
    with pytest.raises(InvalidInput, match="holds itself"):
        await sq.segments.save("warm", f.InSegment(name="gold"))
    with pytest.raises(UnknownName, match="warn"):
        await sq.segments.count("warn")
    with pytest.raises(InvalidInput, match="no name"):
        await sq.segments.save("Warm Ones", warm)
    await sq.segments.delete("gold")
    await sq.segments.delete("warm")
    assert await sq.segments.list() == []


async def test_fields_numbers_and_acts(club):
    sq = club.sq
    for number in range(4):
        await club.act(f"tg:{number}")
    for _ in range(3):
        await club.act("tg:1", "reaction")
    for spec in (
        FieldSpec(name="goal", kind=FieldKind.CHOICE, choices=("减脂", "增肌")),
        FieldSpec(name="weight", kind=FieldKind.NUMBER),
        FieldSpec(name="since", kind=FieldKind.DATE),
    ):
        await sq.members.declare_field(spec)
    await sq.members.set_fields("tg:0", {"goal": "减脂", "weight": 60, "since": "2026-01-05"})
    await sq.members.set_fields("tg:1", {"goal": "增肌", "weight": 80})

    async def who(wanted):
        return [one.ref.native_id for one in await sq.segments.members(wanted)]

    assert await who(f.Field(name="goal", value="减脂")) == ["0"]
    assert await who(f.Field(name="goal", op="is not", value="减脂")) == ["1"]
    assert await who(f.Field(name="weight", op=">=", value=60)) == ["0", "1"]
    assert await who(f.Field(name="weight", op="<", value=80)) == ["0"]
    assert await who(f.Field(name="since", op="<", value="2026-02-01")) == ["0"]
    assert await who(~f.Field(name="goal", op="set")) == ["2", "3"]
    for bad in (f.Field(name="goal", op="<", value="减脂"), f.Field(name="weight", value="heavy")):
        with pytest.raises(InvalidInput):
            await sq.segments.count(bad)
    with pytest.raises(UnknownName):
        await sq.segments.count(f.Field(name="height", value=1))

    async def points(community):
        assert community == "club"
        return {MemberRef.parse("tg:2"): 50.0, MemberRef.parse("tg:1"): 5.0, MemberRef.parse("tg:9"): 99.0}

    sq.segments.add_numbers("score", points)
    assert await who(f.Number(source="score", at_least=10)) == ["2"]
    assert await who(~f.Number(source="score", at_least=10)) == ["0", "1", "3"]
    with pytest.raises(UnknownName):
        await sq.segments.count(f.Number(source="coins", at_least=1))
    with pytest.raises(InvalidInput, match="above 0"):
        await sq.segments.count(f.Number(source="score", at_most=1))
    await sq.collect()
    assert await who(f.Acts(act="reaction", at_least=3, within=7)) == ["1"]
    assert await who(f.Acts(at_least=1)) == ["0", "1", "2", "3"]


def test_filters_are_json_that_people_can_read():
    wanted = f.Tagged(tag="gold") & ~f.OnPlatform(platforms=("discord",)) & f.ActiveWithin(days=7)
    assert isinstance(wanted, f.And)
    assert len(wanted.of) == 3
    assert f.parse_filter(wanted.model_dump_json()) == wanted
    for bad in ("{", '{"kind": "tagg"}', '{"kind": "tag"}', '{"kind": "active", "days": 0}', "[]", "1"):
        with pytest.raises(InvalidInput):
            f.parse_filter(bad)
    deep = f.Tagged(tag="x")
    for _ in range(40):
        deep = f.Not(of=deep)
    with pytest.raises(InvalidInput, match="30 deep"):
        f.parse_filter(deep.model_dump_json())
