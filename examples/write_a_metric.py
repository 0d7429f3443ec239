"""Write a metric of one's own: check-ins per day and member. A plugin offers it by the hook `shequn_metrics`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from shequn_sdk import Shequn, hookimpl
from shequn_sdk.domain import Additivity, Grain, Unit
from shequn_sdk.metrics.model import Gaps, Metric
from shequn_sdk.platforms.discovery import load_plugins

CHECK_INS = Metric(
    name="habits.check_ins",
    unit=Unit.EVENTS,
    kind="count",
    additivity=Additivity.SUM,
    grains=(Grain.DAY, Grain.WEEK),
    sql="""
        select @bucket(e) as bucket, cast(count(*) as bigint) as value
        from @log as e
        where @keep(e) and e.kind = 'check_in' and @within(e)
        group by @bucket(e)
    """,
    doc={"zh": "打卡次数。", "en": "Check-ins."},
    formula="count of interactions of kind check_in",
    gaps=Gaps.ZERO,
)


class Habits:
    """The plugin: in a package of its own it would be a module under the entry-point group `shequn`."""

    @hookimpl
    def shequn_metrics(self) -> Iterable[Metric]:
        return [CHECK_INS]


HISTORY = """\
who,when,what
lin,2026-03-02T08:00:00+08:00,check_in
wang,2026-03-02T08:05:00+08:00,check_in
lin,2026-03-04T08:02:00+08:00,check_in
"""


def main() -> None:
    plugins = load_plugins(discover=False, extra=[("habits", Habits())])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.csv")
        path.write_text(HISTORY, encoding="utf-8")
        with Shequn.open(home=folder, plugins=plugins) as sq:
            sq.import_history(
                path,
                format="csv",
                zone="Asia/Shanghai",
                columns={"member": "who", "occurred_at": "when", "kind": "what"},
            )
            for point in sq.metrics.compute("habits.check_ins").points:
                print(point.bucket, point.value)


if __name__ == "__main__":
    main()
