# ruff: noqa: S608, ISC004 - plain words and numbers only, checked by the caller; lists of texts
"""The SQL of a funnel, in the words of `macros`: one table per step, then a row per step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

__all__ = ["funnel_sql"]

_NOT_DONE = "('retract', 'moderation', 'role_changed', 'channel_moved', 'join_request', 'other')"
"""What happens to a member rather than by it: it does not come between two steps."""


def funnel_sql(kinds: Sequence[str], order: str, window_days: int, *, split: bool) -> str:
    """Write the tables `step_1` and on, with columns person_no, entered and reached, one row per person, and their counts.

    Args:
        kinds: of the steps; plain words.
        order: `ordered`, `strict` or `any`, as `FunnelParams` explains them.
        window_days: within so many days of the entry.
        split: whether dimensions are asked for.
    """
    window = f"interval '{window_days:d}' day"
    tables = _WAYS[order](kinds, window)
    rows = " union all ".join(
        f"select @d(s) {number} as step, '{'' if order == 'any' else kind}' as step_kind, "
        "cast(count(*) as bigint) as numerator, @quantile(@seconds(s.entered, s.reached), 0.5) as median_seconds, "
        f"cast(sum(case when s.entered + {window} > cast($mature as timestamp) + interval '1' day "
        f"then 1 else 0 end) as bigint) as immature from step_{number} as s"
        + (" group by @group_d(s)" if split else "")
        for number, kind in enumerate(kinds, 1)
    )
    return (
        f"{', '.join(tables)}, counted as ({rows}) select @d @start as bucket, c.step, c.step_kind, c.numerator, "
        "c.median_seconds, c.immature from counted as c"
    )


def _ordered(kinds: Sequence[str], window: str) -> list[str]:
    """Take each step at its first time not before the step before; others may lie between."""
    tables = [
        "step_1 as (select @dims(e) e.person_no, min(e.ts) as entered, min(e.ts) as reached from @log as e "
        f"where @keep(e) and @within(e) and e.person_no is not null and e.kind = '{kinds[0]}' "
        "group by @group(e) e.person_no)"
    ]
    for number, kind in enumerate(kinds[1:], 2):
        after = ">" if kind == kinds[number - 2] else ">="
        tables.append(
            f"step_{number} as (select @d(s) s.person_no, s.entered, min(e.ts) as reached "
            f"from step_{number - 1} as s join @walked as e on e.person_no = s.person_no "
            f"where @keep(e) and e.kind = '{kind}' and e.ts {after} s.reached and e.ts <= s.entered + {window} "
            "group by @d(s) s.person_no, s.entered)"
        )
    return tables


def _strict(kinds: Sequence[str], window: str) -> list[str]:
    """Take runs of events that follow each other without another between; any entry in the range may begin one."""
    ranks = " ".join(
        f"when '{kind}' then {place}" for kind, place in dict(zip(kinds, range(1, 99), strict=False)).items()
    )
    tables = [
        "path as (select e.person_no, e.event_id, e.ts, e.kind, row_number() over (partition by e.person_no "
        f"order by e.ts, case e.kind {ranks} else 0 end, e.event_id) as place from @walked as e "
        f"where @keep(e) and e.person_no is not null and e.kind not in {_NOT_DONE})",
        "run_1 as (select @dims(e) e.person_no, w.place, e.ts as entered, e.ts as reached from @log as e "
        "join path as w on w.event_id = e.event_id "
        f"where @keep(e) and @within(e) and e.person_no is not null and e.kind = '{kinds[0]}')",
    ]
    tables += [
        f"run_{number} as (select @d(r) r.person_no, r.place, r.entered, w.ts as reached from run_{number - 1} as r "
        f"join path as w on w.person_no = r.person_no and w.place = r.place + {number - 1} "
        f"where w.kind = '{kind}' and w.ts <= r.entered + {window})"
        for number, kind in enumerate(kinds[1:], 2)
    ]
    for number in range(1, len(kinds) + 1):
        tables.append(
            f"first_{number} as (select @d(r) r.person_no, min(r.place) as place from run_{number} as r "
            "group by @d(r) r.person_no)"
        )
        tables.append(
            f"step_{number} as (select @d(r) r.person_no, r.entered, r.reached from run_{number} as r "
            f"join first_{number} as f on f.person_no = r.person_no and f.place = r.place @same(f, r))"
        )
    return tables


def _any(kinds: Sequence[str], window: str) -> list[str]:
    """Take the steps in whatever order they come; whichever is done first in the range is the entry."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    tables = [
        "entries as (select @dims(e) e.person_no, min(e.ts) as entered from @log as e where @keep(e) and @within(e) "
        f"and e.person_no is not null and e.kind in ({listed}) group by @group(e) e.person_no)",
        "done as (select @d(n) n.person_no, n.entered, e.kind, min(e.ts) as reached from entries as n "
        f"join @walked as e on e.person_no = n.person_no where @keep(e) and e.kind in ({listed}) "
        f"and e.ts >= n.entered and e.ts <= n.entered + {window} group by @d(n) n.person_no, n.entered, e.kind)",
        "numbered as (select @d(o) o.person_no, o.entered, o.reached, row_number() over (partition by @d(o) o.person_no "
        "order by o.reached, o.kind) as place from done as o)",
    ]
    tables += [
        f"step_{number} as (select @d(s) s.person_no, s.entered, s.reached from numbered as s where s.place = {number})"
        for number in range(1, len(kinds) + 1)
    ]
    return tables


_WAYS: Mapping[str, Callable[[Sequence[str], str], list[str]]] = {
    "ordered": _ordered,
    "strict": _strict,
    "any": _any,
}
