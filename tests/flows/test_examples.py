"""Every example runs, and says what its text promises."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
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
    "publish_to_a_channel.py": ["landed", "refused", "on the platform: '早安！"],
    "listen_and_answer.py": ["欢迎 林小满", "好问题"],
    "import_and_measure.py": [
        "5 interactions added",
        "importing again adds 0",
        "2026-03-02 2",
        "2026-03-04 1",
    ],
    "write_a_metric.py": ["2026-03-02 2", "2026-03-03 0", "2026-03-04 1"],
    "schedule_and_rehearse.py": [
        "to come: 2026-09-11T12:00:00+00:00 live",
        "history: moon 2026-09-25T01:00:00+00:00 done",
        "on the platform: 中秋快乐",
    ],
    "write_a_plugin.py": ["landed in 2 pieces", "door"],
}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example(path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert path.name in SAYS, "say here what the example must print"
    for words in SAYS[path.name]:
        assert words in done.stdout
