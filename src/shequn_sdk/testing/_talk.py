"""What members of a health community say: short, invented Chinese sentences put together by chance."""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["advert", "angry", "answer", "chat", "check_in", "hello", "question", "reaction"]

_TOPICS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "饮食",
        (
            "早餐换成了燕麦加鸡蛋",
            "晚饭只吃七分饱",
            "少油少盐坚持第二周",
            "今天的便当是糙米和西兰花",
            "把奶茶戒了",
        ),
        ("早餐吃什么比较顶饱", "晚上饿了能吃点什么", "减脂期可以吃水果吗", "外卖怎么点才健康"),
    ),
    (
        "运动",
        (
            "晚上跑了五公里",
            "跟着视频练了二十分钟核心",
            "骑车上下班第三天",
            "今天爬了十二层楼梯",
            "午休去走了六千步",
        ),
        ("膝盖不好适合做什么运动", "新手跑步怎么安排强度", "力量和有氧先做哪个", "久坐腰酸怎么拉伸"),
    ),
    (
        "睡眠",
        ("昨晚十一点就睡了", "睡前不看手机真的有用", "这周平均睡够七个小时", "午睡二十分钟精神好多了"),
        ("总是半夜醒怎么办", "喝咖啡几点以后就不行了", "睡前泡脚有用吗", "倒班的人怎么调作息"),
    ),
    (
        "护肤",
        ("防晒坚持一个月了", "换季皮肤终于稳定了", "少熬夜脸色确实好", "护肤减到三步反而好"),
        ("敏感肌怎么选防晒", "秋冬起皮怎么办", "补水和保湿差在哪"),
    ),
    (
        "情绪",
        ("今天给自己放了半天假", "写日记三天心情平静多了", "周末去公园走走很解压", "学会说不之后轻松很多"),
        ("工作压力大怎么缓解", "焦虑的时候你们都做什么", "怎么开始练冥想"),
    ),
    (
        "体检",
        ("体检报告比去年好", "血压降下来一点了", "体重这个月少了两斤", "尿酸正常了很开心"),
        ("体检前要注意什么", "血脂偏高先改饮食还是先运动", "多久查一次比较合适"),
    ),
)
_OPENINGS = ("", "", "", "分享一下，", "打扰大家，", "今天", "说个小进步：", "刚刚发现，", "我这边")
_ENDINGS = ("。", "！", "，继续加油。", "，大家呢？", "～", "，感觉不错。", "，慢慢来。", " 💪", " 🌿")
_ANSWERS = (
    "我也是这样过来的，坚持两周就有感觉。",
    "可以先从量少的开始试试。",
    "赞同，循序渐进最重要。",
    "谢谢分享，学到了！",
    "我的经验是记录下来，看得见变化就有动力。",
    "建议先问问医生，别自己硬扛。",
    "哈哈，我也在做这个。",
    "这个方法我试过，确实有用。",
    "收藏了，明天就试。",
    "加油，我们一起！",
)
_HELLOS = (
    "大家好，新人报到！",
    "大家好，朋友推荐来的，多多关照。",
    "终于找到组织了 😊",
    "你好呀，想来一起养成好习惯。",
)
_CHECK_INS = ("打卡", "今日打卡 ✅", "运动打卡", "早起打卡", "饮食打卡 🥗")
_ADVERTS = (
    "月入过万不是梦，加微信了解兼职详情",
    "特效减肥茶，七天瘦十斤，私聊有优惠",
    "点击链接领取红包 http://promo.invalid/hb",
    "专业代办信用卡，秒批高额，扫码联系",
    "内部优惠券免费领，进群就送，名额有限",
)
_ANGER = (
    "太失望了，收了钱就不管了，骗子！",
    "投诉三天没人理，垃圾服务，退钱！",
    "虚假宣传，坑人，大家都别买。",
    "气死我了，客服态度恶劣，差评！",
    "一群骗子，浪费我的钱和时间。",
    "食材都坏了还敢发货，太恶心了，必须道歉！",
    "再不给说法我就曝光你们，太过分了。",
)
_REACTIONS = ("👍", "❤", "🔥", "👏", "🎉", "💯")


def chat(rng: random.Random) -> str:
    """Say something about a topic."""
    _, statements, _ = rng.choice(_TOPICS)
    return rng.choice(_OPENINGS) + rng.choice(statements) + rng.choice(_ENDINGS)


def question(rng: random.Random) -> str:
    """Ask something."""
    _, _, questions = rng.choice(_TOPICS)
    return rng.choice(("请问", "想问问大家，", "求助，", "")) + rng.choice(questions) + "？"


def answer(rng: random.Random) -> str:
    """Answer somebody."""
    return rng.choice(_ANSWERS)


def hello(rng: random.Random) -> str:
    """Say hello as a newcomer."""
    return rng.choice(_HELLOS)


def check_in(rng: random.Random, day: int) -> str:
    """Check in on the `day`-th day."""
    return f"{rng.choice(_CHECK_INS)} 第{day}天"


def advert(rng: random.Random) -> str:
    """Advertise, as spammers do."""
    return rng.choice(_ADVERTS)


def angry(rng: random.Random) -> str:
    """Be angry, as many are in a crisis."""
    return rng.choice(_ANGER)


def reaction(rng: random.Random, allowed: Sequence[str] = _REACTIONS) -> str:
    """Choose an emoji; the first ones are the most usual."""
    weights = [1.0 / (place + 1) for place in range(len(allowed))]
    return rng.choices(list(allowed), weights)[0]
