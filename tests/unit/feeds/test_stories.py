"""Items of several feeds that tell one story."""

from hypothesis import given
from hypothesis import strategies as st

from shequn_sdk.feeds.records import _story, _Told
from shequn_sdk.publishing.similar import fingerprint, signed

LONG = "国家卫生健康委员会今天发布居民膳食指南，建议每天吃够十二种食物，每周吃够二十五种，早餐要有谷类、蛋类、奶类和蔬菜水果。"


def stories(texts):
    """Give for each text the number of the first that tells its story."""
    told, found = [], []
    for number, text in enumerate(texts):
        mark = signed(fingerprint(text))
        story = _story(mark, text, told)
        found.append(number if story is None else story)
        told.append(_Told(mark, found[-1], text))
    return found


def test_what_is_copied_with_small_changes_is_one_story():
    texts = [
        LONG,
        "（记者 林）" + LONG.replace("今天", "昨天"),
        "股市今天收盘上涨，成交额超过一万亿元，科技板块领涨，银行板块回落，北向资金净买入。",
        LONG + "更多内容请关注本报。",
        "WHO says walking ten thousand steps a day is good for the heart and lowers blood pressure",
        "Walking ten thousand steps a day is good for the heart and lowers blood pressure, WHO says",
        "",
        "",
    ]
    assert stories(texts) == [0, 0, 2, 0, 4, 4, 6, 7]


def test_the_most_alike_is_chosen():
    others = [
        _Told(signed(fingerprint(text)), number, text)
        for number, text in enumerate((LONG + "尾巴很长的另一段话", LONG), 1)
    ]
    assert _story(signed(fingerprint(LONG)), LONG, others) == 2


@given(st.text(max_size=300))
def test_a_text_tells_its_own_story(text):
    assert stories([text, text])[1] == (0 if fingerprint(text) else 1)
