"""Group solitaire: lines are read as people write them, one per person, and none is lost."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk import InvalidInput
from shequn_sdk.engagement.solitaire import Line, Solitaire, clean, parse_solitaire, render_solitaire

words = st.text(st.characters(categories=["L", "N", "So"]), min_size=1, max_size=12)
names = words.filter(lambda text: clean(text, 64) == text)
notes = st.lists(names, max_size=4).map(" ".join)
titles = st.lists(
    words.filter(lambda text: not text[0].isdigit() and clean(text, 64) == text), max_size=3
).map(" ".join)


@given(titles, st.lists(st.builds(Line, name=names, note=notes), min_size=1, max_size=30))
def test_what_is_written_is_read_again(title, lines):
    made = Solitaire(title=title, lines=tuple(lines))
    assert parse_solitaire(render_solitaire(made)) == made


@given(st.text(max_size=2000))
def test_no_text_breaks_the_reader(text):
    found = parse_solitaire(text)
    assert found is None or parse_solitaire(render_solitaire(found)) in (found, None)


def test_forms_that_people_use():
    text = "#接龙\n周末爬山，带水\n1、小林 两份\n2．小陈\n2) 小吴   三份\u202e\n 4：\n谢谢大家"
    found = parse_solitaire(text)
    assert found.title == "周末爬山，带水"
    assert [(one.name, one.note) for one in found.lines] == [("小林", "两份"), ("小陈", ""), ("小吴", "三份")]
    assert parse_solitaire("今天 3.5 公里") is None


async def test_a_list_is_carried_on(scene):
    opened = await scene.sq.sign_ups.open("拼单", to=scene.to, capacity=3)
    await scene.says("telegram:1", "接龙 两份", name="小林")
    await scene.says("discord:2", "+1", name="小陈")
    shown = (await scene.sq.sign_ups.get_list(opened.id)).text
    assert shown == "#接龙\n拼单\n1. 小林 两份\n2. 小陈"
    # a copy of the list: only the sender's own line is taken
    await scene.says("telegram:3", shown.replace("小林 两份", "小林 九份") + "\n3. 小吴 一份", name="小吴")
    await scene.says("telegram:1", "接龙 三份", name="小林")
    await scene.says("telegram:4", "接龙", name="小何")
    found = await scene.sq.sign_ups.get_list(opened.id)
    assert [(one.name, one.note) for one in found.lines] == [("小林", "三份"), ("小陈", ""), ("小吴", "一份")]
    assert [one.name for one in found.waiting] == ["小何"]
    assert "1. 小林 三份" in scene.said("telegram")[0]  # edited in place
    assert "⏳ 小何" in scene.said("discord")[0]
    assert len(scene.said("discord")) == 1
    await scene.says("discord:2", "退出", name="小陈")
    found = await scene.sq.sign_ups.get_list(opened.id)
    assert [one.name for one in found.lines] == ["小林", "小吴", "小何"]
    await scene.says("telegram:5", "接龙游戏真好玩 大家觉得呢")
    await scene.says("telegram:6", "接龙abc")
    await scene.sq.sign_ups.close(opened.id)
    await scene.says("telegram:7", "+1")
    found = await scene.sq.sign_ups.get_list(opened.id)
    assert "小何" in [one.name for one in found.lines]
    assert "成员7" not in found.text
    await scene.sq.drain()
    assert "小何" in scene.said("telegram")[-1]


async def test_hostile_names_and_one_person_twice(scene):
    opened = await scene.sq.sign_ups.open("拼单", to=scene.to, closes=timedelta(hours=1))
    await scene.says("telegram:1", "+1", name="**粗** [x](http://a.b)\n2. 假行\u202e")
    await scene.says("discord:1", "+1", name="小林")
    found = await scene.sq.sign_ups.get_list(opened.id)
    assert len(found.lines) == 2
    assert "\u202e" not in found.text
    assert len(found.text.splitlines()) == 4
    await scene.merge("telegram:1", "discord:1")
    found = await scene.sq.sign_ups.get_list(opened.id)
    assert [one.name for one in found.lines] == ["小林"]
    await scene.sq.sign_ups.add(opened.id, "telegram:9", name="老张", note="一份")
    assert len((await scene.sq.sign_ups.remove(opened.id, "telegram:9")).lines) == 1
    with pytest.raises(InvalidInput, match="needs a name"):
        await scene.sq.sign_ups.add(opened.id, "telegram:9", name="\u202e")
    with pytest.raises(InvalidInput, match="capacity"):
        await scene.sq.sign_ups.open("x", to=scene.to, capacity=0)
    await scene.pass_time(timedelta(hours=2))
    with pytest.raises(InvalidInput, match="closed"):
        await scene.sq.sign_ups.remove(opened.id, "telegram:9")
