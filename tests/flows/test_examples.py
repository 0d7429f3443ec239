"""Every example runs, and says what its text promises."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "approval_by_button.py": [
        "Eve pressed: 0 of 2, open",
        "Bo pressed: 2 of 2, approved",
        "on the platform: 今晚八点直播",
        "now it is landed",
    ],
    "bulk_import.py": [
        "line 3: column 2:",
        "0 imported",
        "corrected: 3 imported",
        "again: 0 imported",
        "a formula is only text: True",
        "after undo: 0 entries",
    ],
    "ab_variants.py": ["B - A: +", "B is better"],
    "all_platforms.py": [
        "weibo: landed",
        "handoff: awaiting_person",
        "in the end: telegram landed discord landed wecom landed weibo landed handoff landed",
        "heard on telegram: message by 3 members",
        "heard on weibo: follow by 3 members",
        "heard on weibo: mention by 3 members",
        "heard on wecom: join by 3 members",
        "told by a person:",
    ],
    "campaign_entrances.py": [
        "poster: 3 joined, 1 active, 1 bought",
        "article: 2 joined, 1 active, 1 bought",
        "(none): 1 joined, 0 active, 0 bought",
        "campaign spring: 227.9 CNY",
        "the gym brought 3 members, of whom 1 did something",
    ],
    "care_for_members.py": [
        "one person: discord + telegram",
        "why: proof by a code",
        "on both and active: 1",
        "journey: rules sent (channel) first-talk sent (channel) ask task (task)",
        "task: 回访新人 林小满 until 10 March",
    ],
    "publish_to_a_channel.py": ["landed", "refused", "on the platform: '早安！"],
    "listen_and_answer.py": ["欢迎 林小满", "好问题"],
    "import_and_measure.py": [
        "5 interactions added",
        "importing again adds 0",
        "2026-03-02 2",
        "2026-03-04 1",
    ],
    "recompute_report.py": [
        "retention.weekly: 6 numbers agree",
        "kol.pagerank: 20 numbers agree",
        "all 277 numbers of the report agree with 1600 lines",
    ],
    "weekly_report.py": ["健走打卡社 周报", "统计周期: 2026年8月31日 – 2026年9月6日", "with 1 picture"],
    "write_a_metric.py": ["2026-03-02 2", "2026-03-03 0", "2026-03-04 1"],
    "schedule_and_rehearse.py": [
        "to come: 2026-09-11T12:00:00+00:00 live",
        "history: moon 2026-09-25T01:00:00+00:00 done",
        "on the platform: 中秋快乐",
    ],
    "feed_to_draft.py": [
        "news: 1 new from 健康报",
        "inside: 169.254.169.254 is an address of a private network",
        "bomb: the feed declares XML entities",
        "one story in 健康报 and 日报",
        "来源：健康报",
        "published: 早餐吃好，午后有精神",
    ],
    "feedback_promise.py": [
        "message complaint (normal), due in 12 h: 投诉：打卡链接打不开！",
        "operators were told: 3 times",
        "in the group: 你们说，我们做",
        "answered in time: 0.0",
    ],
    "lottery.py": [
        "4 entrants, 3 winners",
        "the draw is right: 4 entries",
        "with one entrant more: WRONG: list of entries",
    ],
    "verify_lottery.py": ["give a certificate"],
    "check_in_with_points.py": [
        "44 points, tier 银牌会员",
        "redeemed milk, 19 points left",
        "the ledger agrees: True",
        "恭喜 林小满 连续打卡 3 天！奖励一杯豆浆！",
    ],
    "poll_over_platforms.py": [
        "telegram: its own poll",
        "weibo: numbered choices",
        "八点 4 {'discord': 2, 'telegram': 2}",
        "九点 3 {'discord': 1, 'telegram': 1, 'weibo': 1}",
    ],
    "moderate.py": [
        "dry run: acted on by rule 'bargains'",
        "case 1: advert acted because of",
        "overruled: True",
        "strikes: 1",
        "strikes after the appeal: 0",
        "如有异议可以申诉，编号 1",
    ],
    "write_a_plugin.py": ["landed in 2 pieces", "door"],
}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example(path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert path.name in SAYS, "say here what the example must print"
    for words in SAYS[path.name]:
        assert words in done.stdout
