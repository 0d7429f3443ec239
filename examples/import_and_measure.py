"""Import a community's history from a file and measure it; needs no platform at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from shequn_sdk import Shequn

HISTORY = """\
who,when,what
lin,2026-03-02T08:00:00+08:00,早安打卡
wang,2026-03-02T08:05:00+08:00,打卡 +1
lin,2026-03-03T08:01:00+08:00,今天走了一万步
zhao,2026-03-03T21:30:00+08:00,睡前拉伸完成
lin,2026-03-04T08:02:00+08:00,第三天
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.csv")
        path.write_text(HISTORY, encoding="utf-8")
        with Shequn.open(home=folder) as sq:
            columns = {"member": "who", "occurred_at": "when", "text": "what"}
            result = sq.import_history(
                path, format="csv", community="walkers", zone="Asia/Shanghai", columns=columns
            )
            print(f"{result.added} interactions added")
            again = sq.import_history(path, format="csv", community="walkers", columns=columns)
            print(f"importing again adds {again.added}")
            for point in sq.metrics.compute("active_members.dau", community="walkers").points:
                print(point.bucket, point.value)


if __name__ == "__main__":
    main()
