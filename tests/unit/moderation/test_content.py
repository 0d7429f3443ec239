"""Verdicts explain themselves by words of the original, and bad input is judged, not crashed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.moderation.detectors.content import Content
from shequn_sdk.moderation.detectors.pictures import read_codes
from shequn_sdk.moderation.detectors.recent import Copies, Joins, Pace

CONTENT = Content()
SOUND = Content(pinyin=True)


def kinds(text, content=CONTENT, least=0.5):
    return {one.kind for one in content.read(text).verdicts if one.score >= least}


def test_words_that_explain_stand_where_they_say():
    text = "姐妹们看过来：加 V\u200b芯：ab12345 领优惠券"
    (verdict,) = CONTENT.read(text).verdicts
    assert verdict.kind == "advert"
    assert verdict.score > 0.8
    for one in verdict.evidence:
        assert text[one.start : one.end] == one.word
    assert "ab12345" in [one.word for one in verdict.evidence]


@pytest.mark.parametrize(
    "text",
    [
        "加@@微：abcd888 看货",
        "佳薇新 a12345 看货",
        "ｗｅｃｈａｔ：ａｂ１２３４５ 下单",
        "\u202e54321ba 信微加\u202c 免费领",
        "+徽❤ kk99887 领资料",
    ],
)
def test_disguises(text):
    assert "advert" in kinds(text, SOUND)


def test_a_word_inside_another_is_none():
    assert kinds("My husband and the classbook are at the sbahn station") == set()


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("我很失望", True),
        ("没有失望", False),
        ("一点都不失望", False),
        ("I am not disappointed", False),
        ("I am so disappointed", True),
        ("垃圾分类很重要", False),
    ],
)
def test_negation(text, there):
    assert ("negative" in kinds(text)) is there


def test_strong_words_make_it_worse():
    weak = next(one for one in CONTENT.read("失望").verdicts if one.kind == "negative")
    strong = next(one for one in CONTENT.read("非常失望").verdicts if one.kind == "negative")
    assert strong.score > weak.score


def test_warning_of_an_advert_is_none():
    text = "大家当心，“刷单返利先垫付”都是骗子"
    assert not kinds(text)


@pytest.mark.parametrize("text", ["👍" * 300, "哈" * 200, "a\u0301" * 3000, "！" * 5000])
def test_floods_in_one_message(text):
    assert "flood" in kinds(text)


def test_a_hundred_kilobytes():
    found = CONTENT.read("今天天气很好，我们去公园散步吧。" * 7000)
    assert [one.kind for one in found.verdicts] == ["flood"]


@given(st.text(max_size=200))
def test_anything_can_be_read(text):
    for verdict in SOUND.read(text).verdicts:
        assert 0 <= verdict.score <= 1
        for one in verdict.evidence:
            assert 0 <= one.start <= one.end <= len(text)


@given(st.text(alphabet="加微信vx薇\u200b\u202e\u202c\ufe0f❤ab1 .点c/o", max_size=60))
def test_anything_like_an_advert_can_be_read(text):
    for verdict in SOUND.read(text).verdicts:
        for one in verdict.evidence:
            assert text[one.start : one.end][:80] == one.word


def test_pace():
    pace = Pace(messages=3, seconds=10)
    seen = [pace.see("c", "m", second * 1_000_000, "x") for second in range(5)]
    assert [one is not None for one in seen] == [False, False, False, True, True]
    assert pace.see("c", "m", 60_000_000, "x") is None
    assert pace.see("c", "n", 4_000_000, "x") is None


def test_copies():
    copies = Copies(members=3)
    text = "今晚八点直播间见不要错过这一次机会哦"
    assert copies.see("a", 0, text, text) is None
    assert copies.see("b", 1, text, text) is None
    assert copies.see("c", 2, f"{text}7", text).score >= 0.7
    assert copies.see("d", 3, "生日快乐", "生日快乐") is None
    assert copies.see("e", 3_600_000_000, text, text) is None


def test_joins_of_one_person_a_hundred_times_are_no_raid():
    joins = Joins(joins=10, seconds=60)
    assert not any(joins.see("c", "same", f"name{n}", n) for n in range(100))
    raid = [joins.see("c", f"m{n}", f"甲乙{chr(0x4E00 + n)}", 1000 + n) for n in range(10)]
    assert raid[-1] is not None
    assert len(joins.newcomers("c", 0)) == 11


def test_similar_names_are_a_raid_sooner():
    joins = Joins(joins=50, seconds=60, similar=5)
    assert [joins.see("c", f"m{n}", f"客服小美_{n:02}", n) is not None for n in range(6)] == [False] * 4 + [
        True
    ] * 2


def test_codes_in_pictures():
    zxingcpp = pytest.importorskip("zxingcpp")
    from io import BytesIO

    from PIL import Image

    made = zxingcpp.create_barcode("加微信 ab12345 免费领资料", zxingcpp.BarcodeFormat.QRCode)
    buffer = BytesIO()
    Image.fromarray(zxingcpp.write_barcode_to_image(made, scale=6)).save(buffer, "PNG")
    (found,) = read_codes(buffer.getvalue())
    assert kinds(found) == {"advert"}
    assert read_codes(b"no picture") == []


@pytest.mark.parametrize(
    "text", ["1", "早上好3", "加油", "收到", "ok", "888", "+1", "晚安", "谢谢老师", "哈哈哈", "yes", "在吗"]
)
def test_small_talk_is_nothing(text):
    assert kinds(text, least=0.3) == set()


def test_the_talk_of_the_simulator_is_honest():
    import random

    from shequn_sdk.testing import _talk

    rng = random.Random(3)
    for make in (_talk.chat, _talk.question, _talk.answer, _talk.hello):
        assert not [text for text in {make(rng) for _ in range(300)} if kinds(text)]
    assert all(kinds(_talk.advert(rng)) & {"advert", "scam"} for _ in range(50))


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("等了整整一个下午也没人来", True),
        ("同一件事问了五遍都没结果", True),
        ("早知道就不报这个班了", True),
        ("一次不如一次", True),
        ("still no reply from support", True),
        ("the second time this month they cancelled on us, such a waste of my evening", True),
        ("等了三天终于收到了，谢谢", False),
        ("早知道就早点来了", False),
        ("still no snow this winter", False),
        ("My phone broke after ten good years", False),
    ],
)
def test_complaints_are_known_by_how_they_are_built(text, there):
    found = [one for one in CONTENT.read(text).verdicts if one.kind == "negative" and one.score >= 0.5]
    assert bool(found) == there
    for one in found:
        assert all(text[part.start : part.end] == part.word for part in one.evidence)
