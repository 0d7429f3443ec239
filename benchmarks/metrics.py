"""Metrics against named peers, as ratios of one run.

    python benchmarks/metrics.py [events] [--keep FOLDER]
        [--only ingest,registry,dau,pandas,graph,open,growth,probe]

Events come from `generate_events.py` (skewed, a year, 5 % redelivered in the ingest part). Times are the best of three.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from generate_events import generate

from shequn_sdk.domain import InteractionBatch, InteractionKind
from shequn_sdk.metrics import DuckDBEventStore, Metrics
from shequn_sdk.metrics.compile import compile_metric
from shequn_sdk.metrics.graph import pagerank
from shequn_sdk.metrics.store.duckdb import DuckDBSession


def best(work: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Give the best wall and the best CPU seconds."""
    spent: list[tuple[float, float]] = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        spent.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in spent), min(cpu for _, cpu in spent)


def in_turns(
    ours: Callable[[], object], theirs: Callable[[], object], times: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give the best of both, taken in turns so that both meet the same load."""
    spent: list[tuple[list[tuple[float, float]], Callable[[], object]]] = [([], ours), ([], theirs)]
    for turn in range(times):
        for found, work in spent if turn % 2 else reversed(spent):
            found.append(best(work, 1))
    mine, hers = ((min(wall for wall, _ in found), min(cpu for _, cpu in found)) for found, _ in spent)
    return mine, hers


def line(name: str, ours: float, theirs: float, peer: str) -> None:
    print(f"| {name} | {ours:.4f} | {theirs:.4f} ({peer}) | {ours / theirs:.3f} | {theirs / ours:.2f} |")


def head() -> None:
    print("| what | ours, s | peer, s | ours / peer | times faster |\n|---|---|---|---|---|")


def fast_fill(path: Path, rows: int) -> DuckDBEventStore:
    """Fill a store without the ingest path, which has a part of its own; one that is there is taken as it is."""
    there = path.exists()
    store = DuckDBEventStore(path, idle=600, memory_limit="3GB")
    if there:
        return store
    store.ensure_community("bench", zone="Asia/Shanghai")
    with store._write("fill") as con:  # noqa: SLF001 - fills without the ingest path
        con.execute("insert into channels select range, 1, 'bench', 'c' || range from range(1, 9)")
        for table in generate(rows):
            con.register("block", table)
            con.execute(
                """insert into events select cast(md5(cast(number as varchar)) as uuid), 1, 'bench',
                cast(channel as integer), cast(member + 1 as integer), cast(member + 1 as integer),
                case when kind in ('message', 'reaction', 'comment') then cast(aim + 1 as integer) end, message,
                case when parent >= 0 then parent end, kind, ts, cast(ts + interval 8 hour as date),
                cast(hour(ts + interval 8 hour) as tinyint), case when kind = 'purchase' then 9.9 end,
                case when kind = 'purchase' then 9.9 end, case when kind = 'purchase' then 'CNY' else '' end, '',
                number % 97 = 0, number % 89 = 0, kind = 'question', number % 101 = 0, false, null, ts from block"""
            )
            con.unregister("block")
            con.commit()  # so that a large fill does not wait in memory
            con.begin()
        con.execute(
            "insert into members select n, n, 'bench', 'm' || n, '', false from "
            "(select distinct member_no as n from events union select distinct target_no from events) where n is not null"
        )
        con.execute("insert into dirty_days select distinct community_no, local_day from events")
    return store


def _batches(rows: int) -> Iterator[InteractionBatch]:
    """Yield batches of 10,000 of which 5 % came before."""
    before: InteractionBatch | None = None
    for table in generate(rows, block=100_000):
        columns = {
            name: table[name].to_pylist() for name in ("number", "kind", "member", "aim", "message", "parent")
        }
        stamps = table["ts"].cast("int64").to_pylist()
        for start in range(0, len(stamps), 10_000):
            part = slice(start, start + 10_000)
            batch = InteractionBatch(platform="bench")
            batch.id = [f"e{n}" for n in columns["number"][part]]
            batch.kind = columns["kind"][part]
            batch.occurred_at = stamps[part]
            batch.member = [f"m{n}" for n in columns["member"][part]]
            batch.target = [f"m{n}" for n in columns["aim"][part]]
            batch.message = [f"p{n}" for n in columns["message"][part]]
            batch.parent = ["" if n < 0 else f"p{n}" for n in columns["parent"][part]]
            count = len(batch.id)
            for name in ("member_name", "text", "currency", "entrance", "attrs"):
                setattr(batch, name, [""] * count)
            batch.channel, batch.is_bot, batch.value = ["c"] * count, [False] * count, [None] * count
            if before is not None:
                for name, values in batch.columns():
                    values[: count // 20] = getattr(before, name)[-(count // 20) :]
            before = batch
            yield batch


def ingest(rows: int) -> None:
    """Append batches to the event store, and the same with executemany into SQLite in WAL mode."""
    with tempfile.TemporaryDirectory() as folder:
        store = DuckDBEventStore(Path(folder) / "events.duckdb", idle=60)
        store.ensure_community("bench")
        peers: dict[str, sqlite3.Connection] = {}
        more = "channel text, value real, currency text, is_bot integer, attrs text"
        for name in ("text key", "128-bit hash key", "128-bit hash key, what the event store keeps"):
            con = sqlite3.connect(Path(folder) / f"{name}.sqlite")
            con.executescript(
                "pragma journal_mode = wal; pragma synchronous = normal; create table e(id primary key, kind text, "
                "ts integer, member text, target text, message text, parent text"
                f"{', ' + more if 'keeps' in name else ''}) without rowid;"
            )
            peers[name] = con
        spent = dict.fromkeys(("ours", *peers), (0.0, 0.0))

        def timed(name: str, work: Callable[[], object]) -> None:
            wall, cpu = best(work, 1)
            spent[name] = (spent[name][0] + wall, spent[name][1] + cpu)

        def insert(con: sqlite3.Connection, batch: InteractionBatch, *, hashed: bool, whole: bool) -> None:
            keys = (
                f"{batch.platform}:{i}:{k}:{m}"
                for i, k, m in zip(batch.id, batch.kind, batch.member, strict=True)
            )
            ids = (
                (hashlib.md5(key.encode(), usedforsecurity=False).digest() for key in keys)
                if hashed
                else keys
            )
            columns = [batch.kind, batch.occurred_at, batch.member, batch.target, batch.message, batch.parent]
            if whole:
                columns += [batch.channel, batch.value, batch.currency, batch.is_bot, batch.attrs]
            marks = ", ".join("?" * (len(columns) + 1))
            with con:
                con.executemany(f"insert or ignore into e values ({marks})", zip(ids, *columns, strict=True))

        batches = _batches(rows)
        # the peers take turns with ours often enough that both meet the same load
        while part := list(islice(batches, 20)):
            timed("ours", lambda part=part: deque(store.append_all(part, community="bench"), maxlen=0))
            for name, con in peers.items():
                for batch in part:
                    timed(name, partial(insert, con, batch, hashed="hash" in name, whole="keeps" in name))
        # closing writes what is still in the logs of changes into the files: it belongs to the work of both
        timed("ours", store.close)
        for name, con in peers.items():
            timed(name, con.close)
    wall, cpu = spent["ours"]
    for name in peers:
        line(f"ingest {rows:,}, wall", wall, spent[name][0], f"SQLite WAL executemany, {name}")
        line(f"ingest {rows:,}, CPU", cpu, spent[name][1], f"SQLite WAL executemany, {name}")
    print(f"\n{rows / wall:,.0f} events/s, {rows / cpu:,.0f} per second of CPU\n")


HAND = {
    "active_members.dau": "select local_day, count(*) from (select distinct person_no, local_day from events where {keep} "
    "and {active} and person_no is not null) group by 1",
    "activity.interactions": "select local_day, count(*) from events where {keep} and {active} group by 1",
    "activity.heatmap": "select (isodow(local_day) - 1) * 24 + local_hour, count(*) from events where {keep} and {active} "
    "group by 1",
    "activity.messages_per_member": "select local_day, sum(n), count(*) from (select local_day, person_no, count(*) n from events "
    "where {keep} and person_no is not null and kind in ('message','comment','question','answer') group by 1, 2) group by 1",
    "atmosphere.spam_share": "select date_trunc('week', e.local_day), sum((e.is_spam or f.content_no is not null)::int), "
    "count(*) from events e left join (select distinct content_no from events where kind = 'moderation' and is_spam "
    "and not is_retracted and community_no = 1) f using (content_no) where not e.is_bot and not e.is_retracted "
    "and e.community_no = 1 and e.kind in ('message','comment','question','answer') group by 1",
    "conversion.buyers": "select date_trunc('month', local_day), sum(b), count(*) from (select local_day, person_no, "
    "max((kind = 'purchase')::int) b from events where {keep} and {active} and person_no is not null group by 1, 2) group by 1",
    "active_members.wau": "with d as (select person_no, local_day, lead(local_day, 1, local_day + 7) over (partition by person_no "
    "order by local_day) n from (select distinct person_no, local_day from events where {keep} and {active} and person_no "
    "is not null)), s as (select local_day d, 1 c from d union all select least(n, local_day + 7), -1 from d) "
    "select d, sum(sum(c)) over (order by d) from s group by d",
}
HAND["conversion.buyers"] = (
    "select m, sum(b), count(*) from (select date_trunc('month', local_day) m, person_no, max((kind = 'purchase')::int) b "
    "from events where {keep} and {active} and person_no is not null group by 1, 2) group by 1"
)


_OPEN = "(((date_diff('day', date '1970-01-05', {0}::date) // 7) * 5 + least(isodow({0}) - 1, 5)) * 32400 + case when isodow({0}) "
_OPEN += "<= 5 then greatest(0, least(32400, epoch({0}::time) - 32400)) else 0 end)"
WAITS = (
    "with q as (select date_trunc('week', min(local_day)) w, content_no, min(ts) asked, min(person_no) p from events where {keep} "
    "and is_question and content_no is not null and person_no is not null and kind in ('message', 'question', 'comment') "
    "group by content_no), f as (select w, q.content_no, asked + interval 8 hour a, min(e.ts) + interval 8 hour b from q left join "
    "(select * from events where {keep} and person_no is not null and kind in ('message','comment','answer','question')) e "
    "on e.parent_no = q.content_no and e.person_no <> p and e.ts >= asked group by w, q.content_no, asked), "
    "t as (select w, case when b is not null then "
    + _OPEN.format("b")
    + " - "
    + _OPEN.format("a")
    + " end s, "
    "timestamp '2026-01-01' > a and "
    + _OPEN.format("timestamp '2026-01-01'")
    + " - "
    + _OPEN.format("a")
    + " >= 32400 old from f) "
)
HAND |= {
    "response.business_median": WAITS
    + "select w, quantile_cont(s, 0.5), count(s), count(*) from t group by w",
    "response.business_p90": WAITS + "select w, quantile_cont(s, 0.9), count(s), count(*) from t group by w",
    "response.business_unanswered": WAITS
    + "select w, count(*) filter (coalesce(s >= 32400, old)), count(*) filter (s is not null or old) from t group by w",
    "content.spreaders": "with recursive s as (select content_no n, min(parent_no) u, min(person_no) p from events where {keep} and "
    "kind = 'share' and person_no is not null and content_no is not null and parent_no is not null group by 1), w as (select n, u, p, 1 d from s union all "
    "select w.n, s.u, w.p, d + 1 from w join s on s.n = w.u where d < 64) select m.platform, m.native_id, m.name, c from "
    "(select s.p, count(distinct w.n) c from w join s on s.n = w.u where s.p <> w.p group by 1 order by 2 desc limit 20) "
    "join members m on m.member_no = p order by c desc",
}


def rank_by_hand(text: str) -> Callable[[Any, dict[str, object]], None]:
    """Give PageRank as DuckDB statements: the edges by the metric's own query, and fifty rounds over them."""

    def run(session: Any, values: dict[str, object]) -> None:
        run = session.connection.execute
        run(
            "create or replace temp table edges as select source, aim, sum(acts * case act when 'reaction' then 1 when 'share' "
            f"then 5 when 'aimed' then 1 else 3 end) w from ({text}) group by all",
            values,
        )
        run(
            "create or replace temp table nodes as select n, (select sum(w) from edges where source = n) o from "
            "(select source n from edges union select aim from edges)"
        )
        run(
            "create or replace temp table ranks as select n, o, 1.0 / (select count(*) from nodes) r from nodes"
        )
        for _ in range(50):
            run(
                "create or replace temp table ranks as select n, o, 0.85 * coalesce(g, 0) + 0.15 / (select count(*) from nodes) "
                "+ 0.85 * (select coalesce(sum(r), 0) from ranks where o is null) / (select count(*) from nodes) r from nodes left join "
                "(select aim, sum(r * w / o) g from edges join ranks on n = source group by aim) on aim = n"
            )
        run("select n, r from ranks order by r desc limit 20").fetchall()

    return run


def straight(metrics: Metrics, name: str) -> tuple[str, dict[str, object]]:
    """Give the text that a metric's computation runs on the engine, and the values bound to it."""
    found: list[tuple[str, dict[str, object]]] = []
    texts: set[str] = set()

    class Listener(DuckDBSession):
        def rows(self, sql, parameters=None):  # type: ignore[no-untyped-def]
            if sql in texts:
                found.append((sql, dict(parameters or {})))
            return super().rows(sql, parameters)

        def arrow(self, sql, parameters=None):  # type: ignore[no-untyped-def]
            found.append((sql, dict(parameters or {})))
            return super().arrow(sql, parameters)

    def compiling(*given, **named):  # type: ignore[no-untyped-def]
        compiled = compile_metric(*given, **named)
        texts.add(compiled.sql)
        return compiled

    with (
        mock.patch("shequn_sdk.metrics.store.duckdb.DuckDBSession", Listener),
        mock.patch("shequn_sdk.metrics.service.compile_metric", compiling),
    ):
        metrics.compute_now(name, community="bench")
    (only,) = found
    return only


def registry(store: DuckDBEventStore, only: tuple[str, ...] = ()) -> None:
    """Compute every metric through the registry, from the log, against SQL straight on DuckDB.

    Where HAND has SQL written for DuckDB alone, that is the peer; otherwise the text of the metric itself, run and
    fetched without anything around it.
    """
    # What no event is of (ratings) is computed all the same: the platform says that it tells it.
    told = {"bench": frozenset(map(str, InteractionKind))}
    metrics = Metrics(store, rollups=False, reported_kinds=told)
    keep = "not is_bot and not is_spam and not is_retracted and community_no = 1"
    active = (
        "kind not in ('join','leave','retract','channel_moved','role_changed','moderation','join_request')"
    )
    ratios: dict[str, tuple[float, float]] = {}
    for metric in metrics.list():
        if only and not metric.name.startswith(only):
            continue
        name, values = metric.name, {}
        if name in HAND:
            text, peer = HAND[name].format(keep=keep, active=active), "hand-written SQL"
        else:
            (text, values), peer = straight(metrics, name), "its own SQL, straight"
        ask: Callable[[Any, dict[str, object]], object] = partial(DuckDBSession.rows, sql=text)
        if name.startswith("kol."):
            ask, peer = rank_by_hand(text), "PageRank in SQL, 50 rounds"

        def by_hand(ask: Callable[..., object] = ask, values: dict[str, object] = values) -> None:
            with store.read() as session:
                ask(session, parameters=values) if isinstance(ask, partial) else ask(session, values)

        (ours, our_cpu), (theirs, their_cpu) = in_turns(
            lambda name=name: metrics.compute_now(name, community="bench"), by_hand, 7
        )
        line(f"{name}, CPU", our_cpu, their_cpu, peer)
        ratios[name] = our_cpu / their_cpu, ours / theirs
    worst = sorted(ratios, key=lambda name: -ratios[name][0])
    print(f"\n{len(ratios)} metrics; worst by CPU:")
    for name in worst[:8]:
        print(f"{name}: {ratios[name][0]:.2f} of the CPU, {ratios[name][1]:.2f} of the wall time")
    print(f"above 1.3: {sum(cpu > 1.3 for cpu, _ in ratios.values())}\n")


def dau(store: DuckDBEventStore) -> None:
    """Exact DAU over the log against count(distinct), and over roll-ups."""
    keep = "not is_bot and not is_spam and not is_retracted and person_no is not null"

    def peer() -> None:
        with store.read() as session:
            session.rows(f"select local_day, count(distinct person_no) from events where {keep} group by 1")

    raw = Metrics(store, rollups=False)
    rolled = Metrics(store)
    theirs, their_cpu = best(peer)
    ours, our_cpu = best(lambda: raw.compute_now("active_members.dau", community="bench"))
    line("DAU from the log, wall", ours, theirs, "count(distinct) per day")
    line("DAU from the log, CPU", our_cpu, their_cpu, "count(distinct) per day")
    quick, quick_cpu = best(lambda: rolled.compute_now("active_members.dau", community="bench"))
    line("DAU from roll-ups, wall", quick, ours, "our own log form")
    line("DAU from roll-ups, CPU", quick_cpu, our_cpu, "our own log form")
    panel, _ = best(
        lambda: rolled.compute_now(
            "active_members.dau", community="bench", end=_last(store), last=timedelta(days=30)
        )
    )
    print(f"\n30-day DAU panel from roll-ups: {panel * 1000:.1f} ms\n")


def growth(store: DuckDBEventStore, rows: int) -> None:
    """Time what grows with the log, from the log and from roll-ups; compare the lines of two sizes."""
    raw, rolled = Metrics(store, rollups=False), Metrics(store)
    print(
        f"| {rows:,} events | log, s | log, CPU s | roll-up, s | roll-up, CPU s | times less |\n|---|---|---|---|---|---|"
    )
    for name, by in (
        ("active_members.dau", ("community",)),
        ("active_members.dau", ()),
        ("active_members.mau", ()),
        ("active_members.returning", ()),
        ("retention.weekly", ()),
        ("activity.heatmap", ()),
        ("content.engagement", ()),
    ):
        community = None if by else "bench"

        def ask(
            metrics: Metrics, name: str = name, by: tuple[str, ...] = by, community: str | None = community
        ) -> None:
            metrics.compute_now(name, community=community, by=by)

        slow, slow_cpu = best(lambda: ask(raw), 2)
        quick, quick_cpu = best(lambda: ask(rolled), 3)
        label = name + (f" by {by[0]}" if by else "")
        print(
            f"| {label} | {slow:.3f} | {slow_cpu:.3f} | {quick:.3f} | {quick_cpu:.3f} | {slow / quick:.1f} |",
            flush=True,
        )
    for name in ("active_members.dau", "activity.interactions", "activity.heatmap"):
        panel, _ = best(
            lambda name=name: rolled.compute_now(
                name, community="bench", end=_last(store), last=timedelta(days=30)
            ),
            9,
        )
        print(f"| 30 days of {name}, one community | | | {panel:.4f} | | |")


def _search(con: object, community: object, newest: int, ids: np.ndarray, micros: np.ndarray) -> None:
    """Look for rows among the stored ones, as `append` does."""
    from shequn_sdk.metrics.store import ingest
    from shequn_sdk.metrics.store.known import Known
    from shequn_sdk.metrics.store.recent import Recent

    known = Known(newest={community.number: Recent(newest * 1_000_000)}, archives=[])  # type: ignore[attr-defined]
    ingest._stored(con, community, known, np.ascontiguousarray(ids), micros)  # type: ignore[arg-type]  # noqa: SLF001


def probe(store: DuckDBEventStore, rows: int) -> None:
    """Time the search for duplicates of 10,000 rows: the newest, and rows that are 30 days late.

    The rows have other ids than those of the log; nothing is stored.
    """
    from shequn_sdk.metrics.store.rows import event_digests, unique_rows

    newest = store.data_as_of()
    assert newest is not None
    for label, days, hours in (
        ("newest hour", 0, 1),
        ("30 days late, an hour", 30, 1),
        ("30 days late, a day", 30, 24),
    ):
        end = newest - timedelta(days=days)
        batch = InteractionBatch(platform="bench")
        for number in range(10_000):
            batch.append(
                id=f"p{number}",
                kind="message",
                occurred_at=end - timedelta(hours=hours) * (number / 10_000),
                member="m1",
            )
        with store._session("probe") as con:  # noqa: SLF001 - a part of `append` alone
            (community,) = store.communities()
            micros = np.array(batch.occurred_at, np.int64)
            digests = event_digests(batch)
            order = unique_rows(digests, micros)
            ids = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 16)[order]
            store._use_threads(con, 1)  # noqa: SLF001 - as `append` does
            wall, cpu = best(partial(_search, con, community, int(newest.timestamp()), ids, micros[order]), 9)
        print(f"| 10,000 rows against {rows:,}: {label} | {wall * 1000:.1f} ms | {cpu * 1000:.1f} ms CPU |")


def _last(store: DuckDBEventStore):
    newest = store.data_as_of()
    assert newest is not None
    return newest.date()


def graph(edges: int) -> None:
    """PageRank over a skewed graph against networkx."""
    import networkx as nx

    rng = np.random.default_rng(3)
    nodes = max(10, edges // 6)
    source = np.minimum((rng.pareto(0.9, edges) * nodes / 40).astype(np.int64), nodes - 1)
    target = np.minimum((rng.pareto(0.7, edges) * nodes / 80).astype(np.int64), nodes - 1)
    weight = rng.integers(1, 6, edges).astype(np.float64)
    pairs, first = np.unique(source * nodes + target, return_inverse=True)
    weight = np.bincount(first, weights=weight)
    source, target = pairs // nodes, pairs % nodes
    used, flat = np.unique(np.concatenate([source, target]), return_inverse=True)
    source, target = flat[: len(pairs)], flat[len(pairs) :]
    ours, _ = best(lambda: pagerank(source, target, weight, nodes=len(used), tolerance=1e-6 * len(used) ** 0))
    rank = pagerank(source, target, weight, nodes=len(used))
    found: dict[int, float] = {}

    def peer() -> None:
        made = nx.DiGraph()
        made.add_weighted_edges_from(zip(source.tolist(), target.tolist(), weight.tolist(), strict=True))
        found.update(nx.pagerank(made, tol=1e-9))

    theirs, _ = best(peer, 1)
    line(f"PageRank, {len(pairs):,} edges, {len(used):,} nodes", ours, theirs, "networkx")
    top = set(np.argsort(-rank)[:100].tolist()) & set(sorted(found, key=lambda node: -found[node])[:100])
    print(f"\n{len(top)} of the top 100 are the same\n")


PEAK = """
import sys, time
def peak():
    # the kernel's ru_maxrss would start from the parent's
    return [int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")][0]
"""
PANDAS = """
import duckdb, pandas as pd
con = duckdb.connect(sys.argv[1], read_only=True)
con.execute("set enable_progress_bar = false")
wall, cpu = time.perf_counter(), time.process_time()
e = con.execute("select person_no, kind, local_day, local_hour, is_bot, is_spam, is_retracted, ts, is_negative from events").df()
kept = e[~e.is_bot & ~e.is_spam & ~e.is_retracted]
active = kept[~kept.kind.isin(["join", "leave"]) & kept.person_no.notna()]
days = active[["person_no", "local_day"]].drop_duplicates()
dau = days.groupby("local_day").size()
first = active.groupby("person_no").local_day.min()
week = days.local_day.dt.to_period("W-SUN").dt.start_time
cohort = days.person_no.map(first).dt.to_period("W-SUN").dt.start_time
retention = pd.DataFrame({"p": days.person_no, "c": cohort, "w": week}).drop_duplicates().groupby(["c", "w"]).size()
heat = active.groupby([active.local_day.dt.weekday, "local_hour"]).size()
talk = kept[kept.kind.isin(["message", "comment", "question", "answer"])]
per = talk.groupby(["local_day", "person_no"]).size().groupby("local_day").mean()
spam = e[~e.is_bot & e.kind.isin(["message", "comment", "question", "answer"])].groupby("local_day").is_spam.mean()
few = talk.groupby("person_no").size().sort_values()
print(time.perf_counter() - wall, time.process_time() - cpu, peak())
"""
OURS = """
from shequn_sdk.metrics import DuckDBEventStore, Metrics
store = DuckDBEventStore(sys.argv[1])
metrics = Metrics(store, rollups=False)
wall, cpu = time.perf_counter(), time.process_time()
for name in ("active_members.dau", "retention.weekly", "activity.heatmap", "activity.messages_per_member",
             "atmosphere.spam_share", "contributors.gini"):
    metrics.compute_now(name, community="bench")
print(time.perf_counter() - wall, time.process_time() - cpu, peak())
"""


def pandas_script(path: Path) -> None:
    """Six metrics from the log in a fresh process, against a pandas script for the same six."""
    found = []
    for script in (OURS, PANDAS):
        done = subprocess.run(
            [sys.executable, "-c", PEAK + script, str(path)], capture_output=True, text=True, check=True
        )
        found.append([float(part) for part in done.stdout.splitlines()[-1].split()])
    (ours, our_cpu, our_memory), (theirs, their_cpu, their_memory) = found
    line("six metrics from the log, wall", ours, theirs, "pandas script")
    line("six metrics from the log, CPU", our_cpu, their_cpu, "pandas script")
    line("six metrics from the log, peak GB", our_memory / 2**20, their_memory / 2**20, "pandas script")


def opening(path: Path) -> None:
    """What a turn costs: lock, open, one query, close."""
    store = DuckDBEventStore(path, idle=0)

    def turn() -> None:
        store.communities()

    wall, cpu = best(turn, 10)
    print(
        f"\none turn on the file (lock, open, query, close): {wall * 1000:.1f} ms wall, {cpu * 1000:.1f} ms CPU\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("events", nargs="?", default="1_000_000")
    parser.add_argument("--only", default="ingest,registry,dau,pandas,graph,open")
    parser.add_argument("--keep", type=Path, help="folder in which the filled store stays for the next run")
    parser.add_argument("--metric", action="append", default=[], help="of `registry` only what starts so")
    arguments = parser.parse_args()
    rows, parts = int(arguments.events), arguments.only.split(",")
    head()
    if "ingest" in parts:
        ingest(min(rows, 1_000_000))
    if {"registry", "dau", "pandas", "open", "growth", "probe"} & set(parts):
        with tempfile.TemporaryDirectory() as folder:
            path = (arguments.keep or Path(folder)) / f"bench{rows}.duckdb"
            store = fast_fill(path, rows)
            wall = time.perf_counter()
            store.refresh()
            print(f"\nroll-ups of {rows:,} events built in {time.perf_counter() - wall:.2f} s\n")
            head()
            if "registry" in parts:
                registry(store, tuple(arguments.metric))
            if "dau" in parts:
                dau(store)
            if "growth" in parts:
                growth(store, rows)
            if "probe" in parts:
                probe(store, rows)
            store.close()
            if "pandas" in parts:
                pandas_script(path)
            if "open" in parts:
                opening(path)
    if "graph" in parts:
        head()
        graph(1_000_000)
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
