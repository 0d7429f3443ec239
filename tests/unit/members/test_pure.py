"""Names, stages and standings: pure functions and their properties."""

import re
import unicodedata
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shequn_sdk.domain import LifecycleDays, MemberRef
from shequn_sdk.members.lifecycle import Days, Stage, stage_of
from shequn_sdk.members.membership import PASSIVE, Act, after
from shequn_sdk.members.names import match_key, shown
from shequn_sdk.metrics.macros import PASSIVE as METRICS_PASSIVE

TODAY = date(2026, 3, 1)
REF = MemberRef(platform="p", native_id="u")
TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\x00-\x1f]")


def test_the_same_kinds_are_passive_as_in_metrics():
    assert {str(kind) for kind in PASSIVE} == set(METRICS_PASSIVE)


@given(st.text(max_size=300))
def test_shown_names_are_one_line_and_turn_nothing(name):
    text = shown(name)
    assert len(text) <= 64
    assert not TURNS.search(text)
    assert text == text.strip()
    assert shown(text) == text, "showing a shown name changes nothing"


def test_tricks_in_names():
    assert shown("管理员\u202egnp.exe\u202c\u2066x\u2069") == "管理员gnp.exex"
    assert shown("a" + "\u0335" * 40) == "a" + "\u0335" * 3
    assert shown("👩\u200d🚀 Lin") == "👩\u200d🚀 Lin"
    assert shown("\u200b\u2060 ") == ""
    assert len(shown("长" * 500)) == 64
    assert shown("two\nlines\tof") == "two lines of"


@given(st.text(max_size=60))
def test_names_match_however_they_are_written(name):
    key = match_key(name)
    assert match_key(key) == key
    assert match_key(unicodedata.normalize("NFKC", name)) == key


def test_names_that_are_equal_to_people_are_equal():
    assert match_key("Ｌｉｎ_小满 ✨") == match_key("lin 小满") == "lin小满"
    assert match_key("STRASSE") == match_key("Straße")
    assert match_key("✨✨") == ""


@given(
    first=st.integers(0, 400),
    last=st.none() | st.integers(0, 400),
    left=st.booleans(),
    gap=st.none() | st.tuples(st.integers(0, 400), st.integers(0, 400)),
    rejoined=st.booleans(),
    limits=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 80)),
)
def test_stages_are_those_of_the_metric(first, last, left, gap, rejoined, limits):
    """The rules of `members.lifecycle`, written a second time as the SQL has them; resurrected is a part of active."""

    def ago(n):
        return TODAY - timedelta(days=n)

    new, active, more = limits
    churned = active + more
    days = Days(
        first=ago(first),
        last=None if last is None else ago(last),
        left=left,
        away=ago(max(gap)) if gap else None,
        returned=ago(min(gap)) if gap else None,
        rejoined=rejoined,
    )
    found = stage_of(
        days,
        today=TODAY,
        thresholds=LifecycleDays(new_days=new, active_days=active, churned_days=churned),
    )
    if left:
        expected = "churned"
    elif first < new:
        expected = "new"
    elif last is not None and last < active:
        expected = "active"
    elif (first if last is None else last) < churned:
        expected = "silent"
    else:
        expected = "churned"
    assert ("active" if found is Stage.RESURRECTED else str(found)) == expected


def test_a_long_silence_that_ends_is_a_return():
    days = Days(
        first=date(2025, 1, 1), last=date(2026, 2, 27), away=date(2025, 11, 1), returned=date(2026, 2, 27)
    )
    assert stage_of(days, today=TODAY) is Stage.RESURRECTED
    assert stage_of(days._replace(away=date(2026, 2, 20)), today=TODAY) is Stage.ACTIVE
    assert stage_of(days._replace(away=date(2026, 2, 20), rejoined=True), today=TODAY) is Stage.RESURRECTED
    assert stage_of(days, today=date(2026, 3, 13)) is Stage.SILENT


def test_thresholds_must_make_sense():
    with pytest.raises(ValidationError, match="churned_days"):
        LifecycleDays(active_days=30, churned_days=10)


acts = st.builds(
    lambda at, what: Act("c", REF, at * 3_600_000_000, **what),
    st.integers(1, 3000),
    st.sampled_from([{"joins": True}, {"leaves": True}, {"active": True}, {"joins": True, "active": True}]),
)


def run(many, start=None):
    for act in many:
        start = after(start, act)
    return start


@given(st.lists(acts, min_size=1, max_size=20))
def test_an_act_that_comes_again_changes_nothing(many):
    done = run(many)
    assert after(done, many[-1]) == done


@given(st.lists(acts, min_size=1, max_size=20), st.randoms())
def test_first_and_last_do_not_depend_on_the_order_of_arrival(many, rng):
    shuffled = many[:]
    rng.shuffle(shuffled)
    one, other = run(many), run(shuffled)
    assert one.first_at == other.first_at == min(act.at for act in many)
    seen = [act.at for act in many if act.active]
    latest = max(seen) if seen else None
    for done in (one, other):  # a microsecond later when it was heard after a joining of the same instant
        assert done.last_active == latest or (latest == done.joined_at and done.last_active == latest + 1)


@given(st.lists(acts, min_size=1, max_size=30))
def test_in_order_the_state_is_that_of_the_last_change(many):
    many = sorted(many, key=lambda act: act.at)
    done = run(many)
    moves = [act for act in many if act.joins or act.leaves]
    if moves and len({act.at for act in moves}) == len(moves):
        assert (done.left_at is None) == moves[-1].joins
        state, joins = moves[0].leaves, 0
        inside = False
        for act in moves:
            if act.joins and not inside:
                joins += 1
            inside = act.joins
        assert done.joins == joins
        assert state in {True, False}


JOIN, LEAVE, SAY = (Act("c", REF, 100, **{what: True}) for what in ("joins", "leaves", "active"))
FOLLOW = JOIN._replace(active=True)


def active_since(standing):
    """As results of entrances count it."""
    return standing.last_active is not None and standing.last_active > standing.joined_at


def test_what_is_heard_after_a_joining_of_the_same_second_came_after_it():
    assert active_since(run([JOIN, SAY]))
    assert active_since(run([JOIN, SAY, SAY, JOIN]))
    assert active_since(run([SAY._replace(at=50), JOIN, SAY]))
    assert run([JOIN, SAY, SAY]).last_active == 101
    assert run([JOIN, SAY, LEAVE]).left_at == 100


def test_what_is_heard_before_a_joining_of_the_same_second_is_not_after_it():
    assert not active_since(run([SAY, JOIN]))
    assert not active_since(run([SAY, JOIN, SAY, JOIN])), "both are handled again after a crash"
    assert not active_since(run([JOIN, SAY._replace(at=99)])), "late news"
    assert not active_since(run([FOLLOW, FOLLOW])), "following is the joining itself"
    assert active_since(run([FOLLOW, SAY._replace(at=101)]))


def test_a_hundred_joins_are_one():
    many = [Act("c", REF, at, joins=True, entrance=f"door{at}") for at in range(100, 200)]
    done = run(many)
    assert (done.joins, done.joined_at, done.entrance) == (1, 100, "door100")
    gone = after(done, Act("c", REF, 300, leaves=True))
    back = after(gone, Act("c", REF, 400, joins=True, entrance="other"))
    assert (back.joins, back.joined_at, back.left_at, back.entrance) == (2, 400, None, "other")
    assert back.returned_at == 400
    assert after(back, Act("c", REF, 250, leaves=True)) == back, "late news of an earlier leaving"
    assert after(done, Act("c", REF, 500, leaves=True), elsewhere=True) == done
    assert replace(done, role="admin") == after(done, Act("c", REF, 100, role="admin"))
