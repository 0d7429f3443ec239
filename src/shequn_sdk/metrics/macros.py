# ruff: noqa: S608 - every value is bound; what is written into the text comes from this module
"""The words that metric SQL is written in: each expands to plain SQL for one request.

Macros keep the time zone, the filters and the choice between roll-up and log out of the metric files:

| macro | expands to |
|---|---|
| `@log` | the events, with member facts joined when a dimension or segment asks for them |
| `@walked` | the same for the segment alone: each event once, whatever it is split by |
| `@keep(e)` | community, segment, no bots, no spam, nothing retracted |
| `@scope(e)` | as `@keep`, but bots and spam stay |
| `@aimed`, `@aimed_scope(e)` | `@log` and `@scope` with the facts of the member addressed in place of the actor's |
| `@active(e)` | the kinds that make a member active |
| `@within(e)`, `@within(e, n)` | local day in the range, or from n days before it |
| `@until(e)` | local day not after the range |
| `@dims(e)` | the asked dimensions as columns `d_…`, each with a comma behind |
| `@group(e)` | the columns behind them, for `group by` beside `@dims(e)` |
| `@d`, `@d(x)` | the same columns further up |
| `@posts(e)` | messages that answer nothing, by whomever |
| `@same(a, b)` | `and a.d_… = b.d_…` for joins |
| `@bucket(e)`, `@bucket_of(day)` | start of the bucket of a row, or of a day |
| `@week(day)`, `@hour_of_week(e)` | Monday of the ISO week; 0-167, Monday 00 first |
| `@index_of(day)`, `@next_bucket(b)` | running number of a day's bucket; start of the bucket after `b` |
| `@spans`, `@funnel` | the days of a retention, the steps of a funnel, from the parameters |
| `@seconds(a, b)` | whole seconds from `a` to `b` |
| `@person_days(n)`, `@person_days_all` | one row per person and active local day: in the range and n days before, or ever |
| `@daily_persons` | `local_day` and how many persons were active on it, as `people` |
| `@hours`, `@events(e)` | what was done per local day, hour and kind, still to be limited in time and kinds; how often |
| `@post_days` | messages that answer nothing, by whomever: `content_no`, `local_day` and where; still to be limited |
| `@acts`, `@views` | what was done with a message (`post_no`, `kind`), and who saw it: `single` acts, and a `counter` |
| `@first_days` | each person's first local day, as joiner or as actor |
| `@start`, `@end`, `@param(x)` | bound values |
| `@window` | days of a trailing window, from the parameters |
| `@quantile(x, q)` | exact quantile with interpolation |
| `@rate(currency)`, `@purse(currency)` | what one unit counts by the parameter `rates`, NULL when it is not listed; in which purse it goes: its own, or one for all when there are rates |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from shequn_sdk.errors import InvalidInput
from shequn_sdk.metrics.columns import COLUMNS, ColumnMacros, Request
from shequn_sdk.metrics.funnels import funnel_sql
from shequn_sdk.metrics.model import Segment

__all__ = ["MEMBER_DIMS", "PASSIVE", "ROLLUP_DIMS", "Expander", "Request"]

PASSIVE = ("join", "leave", "retract", "channel_moved", "role_changed", "moderation", "join_request", "other")
MEMBER_DIMS = frozenset({"role", "tag", "entrance"})
ROLLUP_DIMS = frozenset({"community", "platform", "role", "tag", "entrance"})

_MACRO = re.compile(r"@([a-z_]+)")
_BITS = 2_000_000
"""With more persons than this a bit per person and day costs more memory than a hash table."""
_SAFE = re.compile(r"^[a-z_]+$")


class Expander(ColumnMacros):
    """Expands the macros of one request; remembers the values to bind."""

    def __init__(self, request: Request, *, dialect: str = "duckdb") -> None:
        super().__init__(request, dialect=dialect)
        self.values: dict[str, object] = {}
        self._macros: dict[str, Callable[..., str]] = {
            "log": self._log,
            "aimed": lambda: self._source("event_log", "target_no"),
            "walked": lambda: self._source("event_log", dims=()),
            "aimed_scope": lambda e: self._scope(e, "target_no"),
            "keep": self._keep,
            "scope": self._scope,
            "active": self._active,
            "within": self._within,
            "until": lambda e: f"{e}.local_day <= cast($end as date)",
            "dims": self._dims,
            "d": self._d,
            "group": self._group,
            "group_d": lambda e: self._d(e).rstrip(", "),
            "posts": self._posts,
            "same": self._same,
            "bucket": self._bucket,
            "bucket_of": self._bucket_of,
            "week": self._week,
            "index_of": self._index_of,
            "next_bucket": self._next_bucket,
            "hour_of_week": self._hour_of_week,
            "spans": self._spans,
            "funnel": self._funnel,
            "seconds": lambda a, b: f"date_diff('second', {a}, {b})",
            "person_days": self._person_days,
            "person_days_all": lambda: self._person_days(None),
            "first_days": self._first_days,
            "daily_persons": self._daily_persons,
            "hours": self._hours,
            "events": self._events,
            "post_days": self._post_days,
            "acts": self._acts,
            "views": self._views,
            "start": lambda: "cast($start as date)",
            "end": lambda: "cast($end as date)",
            "param": self._param,
            "window": lambda: f"{self._window():d}",
            "rate": self._rate,
            "purse": lambda currency: "cast('' as varchar)" if self._rates() else currency,
            "quantile": lambda x, q: f"quantile_cont({x}, {q})",
        }

    def expand(self, text: str) -> str:
        """Give plain SQL; macros within macros are expanded too."""
        for _ in range(10):
            if "@" not in text:
                return text
            text = self._pass(text)
        raise InvalidInput(f"a macro does not end: {text[:80]!r}")

    def _pass(self, text: str) -> str:
        parts: list[str] = []
        position = 0
        while (match := _MACRO.search(text, position)) is not None:
            parts.append(text[position : match.start()])
            position = match.end()
            arguments: list[str] = []
            if text[position : position + 1] == "(":
                arguments, position = _arguments(text, position)
            parts.append(self._one(match[1], arguments))
        return "".join(parts) + text[position:]

    def _one(self, name: str, arguments: list[str]) -> str:
        macro = self._macros.get(name)
        if macro is None:
            raise InvalidInput(f"unknown macro @{name}; known: {', '.join(sorted(self._macros))}")
        try:
            return macro(*arguments)
        except TypeError as error:
            raise InvalidInput(
                f"macro @{name} takes other arguments than ({', '.join(arguments)})"
            ) from error

    # -- sources -----------------------------------------------------------------------------------------------

    def _facts(self, member: str, dims: Sequence[str]) -> tuple[list[str], str]:
        """Give the member columns to join, and the joins, by the column that names the member."""
        wanted = set(dims) & MEMBER_DIMS
        segment = self.request.segment
        if segment.roles is not None:
            wanted.add("role")
        if segment.entrances is not None:
            wanted.add("entrance")
        columns: list[str] = []
        joins = ""
        if wanted & {"role", "entrance"}:
            columns += ["coalesce(pr.role, '') as role", "coalesce(pr.entrance, '') as entrance"]
            joins += f" left join profiles as pr on pr.community_no = ev.community_no and pr.member_no = ev.{member}"
        if "tag" in wanted:
            columns.append("coalesce(tg.tag, '') as tag")
            joins += f" left join member_tags as tg on tg.community_no = ev.community_no and tg.member_no = ev.{member}"
        return columns, joins

    def _source(self, table: str, member: str = "member_no", dims: Sequence[str] | None = None) -> str:
        columns, joins = self._facts(member, self.request.dims if dims is None else dims)
        return f"(select ev.*, {', '.join(columns)} from {table} as ev{joins})" if columns else table

    def _log(self) -> str:
        return self._source("event_log")

    @property
    def _rollup(self) -> bool:
        request = self.request
        params = request.params
        return (
            request.rollup
            and not params.include_bots
            and not params.include_spam
            and getattr(params, "kinds", None) is None
            and set(request.dims) <= ROLLUP_DIMS
            and request.segment.channels is None
        )

    def _person_days(self, lead: str | None) -> str:
        within = "@until(e)" if lead is None else f"@within(e, {lead})"
        request = self.request
        if not self._rollup:
            return (
                "(select distinct @dims(e) e.person_no, e.local_day from @log as e where @keep(e) and @active(e) "
                f"and {within} and e.person_no is not null)"
            )
        if (
            request.dims in ((), ("community",))
            and request.segment == Segment()
            and request.platforms is None
        ):
            number = "= cast($community as integer)" if request.community else "= -1"
            if request.dims and not request.community:
                number = "<> -1"  # that one stands for all communities together
            return (
                f"(select @dims(e) e.person_no, e.local_day from person_day as e where e.community_no {number} "
                f"and {within})"
            )
        return (
            f"(select distinct @dims(e) e.person_no, e.local_day from {self._source('member_day')} as e "
            f"where {self._where('e')} and {within})"
        )

    def _daily_persons(self) -> str:
        if (
            self._rollup
            or self.dialect != "duckdb"
            or self.request.dims
            or not 0 < self.request.persons <= _BITS
        ):
            return (
                "(select @d p.local_day, cast(count(*) as bigint) as people from @person_days(0) as p "
                "group by @d p.local_day)"
            )
        # Person numbers are dense: one bit per person and day counts them exactly, without a hash table.
        return (
            f"(select e.local_day, bit_count(bitstring_agg(e.person_no, 0, {self.request.persons:d})) as people "
            "from @log as e where @keep(e) and @active(e) and @within(e) and e.person_no is not null "
            "group by e.local_day)"
        )

    def _window(self) -> int:
        params: Any = self.request.params
        return params.window

    @property
    def _hour_rollup(self) -> bool:
        request, params = self.request, self.request.params
        return (
            request.rollup
            and request.segment.model_copy(update={"platforms": None}) == Segment()
            and not params.include_bots
            and not params.include_spam
            and set(request.dims) <= {"community", "platform", "kind"}
        )

    def _events(self, e: str) -> str:
        return f"sum({e}.events)" if self._hour_rollup else "count(*)"

    def _hours(self) -> str:
        if self._hour_rollup:
            return (
                "(select h.community_no, h.platform, h.kind, h.local_day, h.local_hour, h.events "
                f"from community_hour as h where {self._where('h')})"
            )
        return f"(select {self._log_columns()} from @log as g where @keep(g))"

    def _log_columns(self) -> str:
        names = dict.fromkeys(
            ("kind", "local_day", "local_hour", *(COLUMNS[name] for name in self.request.dims))
        )
        return ", ".join(f"g.{name}" for name in names) + ", 1 as events"

    @property
    def _content_rollup(self) -> bool:
        request, params = self.request, self.request.params
        return (
            self.dialect == "duckdb"
            and request.rollup
            and request.segment.model_copy(update={"platforms": None}) == Segment()
            and not params.include_bots
            and not params.include_spam
        )

    def _post_days(self) -> str:
        names = "community_no, {0}.platform, {0}.channel_no, {0}.content_no, {0}.local_day"
        if self._content_rollup:
            return f"(select c.{names.format('c')} from content_stats as c where {self._where('c')} and c.kind = 'post')"
        return f"(select g.{names.format('g')} from @log as g where @posts(g))"

    def _acts(self) -> str:
        if self._content_rollup:
            return self._content("'reaction', 'vote', 'comment', 'share'")
        return (
            f"(select {self._act('g.content_no', 'g.kind')} from @log as g "
            "where @keep(g) and g.kind in ('reaction', 'vote') and g.content_no is not null union all "
            "select g.parent_no as post_no, case when g.kind = 'share' then 'share' else 'comment' end as kind, "
            "1 as single, cast(null as double) as counter from @log as g where @keep(g) "
            "and g.kind in ('comment', 'message', 'question', 'answer', 'share') and g.parent_no is not null)"
        )

    def _views(self) -> str:
        if self._content_rollup:
            return self._content("'view'")
        return (
            f"(select {self._act('g.content_no', 'g.kind')} from @log as g "
            "where @keep(g) and g.kind = 'view' and g.content_no is not null)"
        )

    def _content(self, kinds: str) -> str:
        return (
            "(select c.content_no as post_no, c.kind, c.events as single, c.counter from content_stats as c "
            f"where {self._where('c')} and c.kind in ({kinds}))"
        )

    @staticmethod
    def _act(post: str, kind: str) -> str:
        """A number that a platform reports without saying who is a counter, not an act."""
        return (
            f"{post} as post_no, {kind} as kind, "
            "case when g.member_no is null and g.value is not null then 0 else 1 end as single, "
            "case when g.member_no is null then g.value end as counter"
        )

    def _first_days(self) -> str:
        # Joins are in no roll-up; there are few of them beside the actions.
        return (
            "(select @d person_no, min(local_day) as first_day from ("
            "select @d person_no, local_day from @person_days_all as pd union all "
            "select @dims(j) j.person_no, j.local_day from @log as j where @keep(j) and @until(j) "
            "and j.kind in ('join', 'follow') and j.person_no is not null) as seen group by @d person_no)"
        )

    # -- conditions --------------------------------------------------------------------------------------------

    def _list(self, name: str, values: Sequence[str]) -> str:
        names: list[str] = []
        for position, value in enumerate(values):
            key = f"{name}_{position}"
            self.values[key] = value
            names.append(f"cast(${key} as varchar)")
        return "(" + ", ".join(names) + ")" if names else "(null)"

    def _where(self, e: str, member: str = "member_no") -> str:
        request, segment = self.request, self.request.segment
        parts: list[str] = []
        if request.community:
            parts.append(f"{e}.community_no = cast($community as integer)")
        if request.platforms is not None:
            parts.append(f"{e}.platform in {self._list('covered', request.platforms)}")
        if segment.platforms is not None:
            parts.append(f"{e}.platform in {self._list('platform', segment.platforms)}")
        if segment.channels is not None:
            parts.append(
                f"{e}.channel_no in (select ch.channel_no from channels as ch "
                f"where ch.native_id in {self._list('channel', segment.channels)})"
            )
        if segment.roles is not None:
            parts.append(f"{e}.role in {self._list('role', segment.roles)}")
        if segment.entrances is not None:
            parts.append(f"{e}.entrance in {self._list('entrance', segment.entrances)}")
        for name, tags, word in (
            ("tag", segment.tags, "in"),
            ("without", segment.without_tags or None, "not in"),
        ):
            if tags is not None:
                parts.append(
                    f"{e}.{member} {word} (select tm.member_no from member_tags as tm "
                    f"where tm.tag in {self._list(name, tags)}"
                    + (" and tm.community_no = cast($community as integer))" if request.community else ")")
                )
        return " and ".join(parts) or "1 = 1"

    def _scope(self, e: str, member: str = "member_no") -> str:
        return f"{self._where(e, member)} and not {e}.is_retracted"

    def _keep(self, e: str) -> str:
        text = self._scope(e)
        if not self.request.params.include_bots:
            text += f" and not {e}.is_bot"
        if not self.request.params.include_spam:
            text += f" and not {e}.is_spam"
        return text

    def _active(self, e: str) -> str:
        kinds = getattr(self.request.params, "kinds", None)
        word = "not in" if kinds is None else "in"
        chosen = PASSIVE if kinds is None else tuple(str(kind) for kind in kinds)
        if not all(_SAFE.match(kind) for kind in chosen):
            raise InvalidInput(f"a kind of interaction is a plain word, not {chosen!r}")
        return f"{e}.kind {word} ({', '.join(repr(kind) for kind in chosen)})" if chosen else "1 = 0"

    @staticmethod
    def _within(e: str, lead: str = "0") -> str:
        first = "cast($start as date)" if lead == "0" else f"cast($start as date) - {lead}"
        return f"{e}.local_day between {first} and cast($end as date)"

    def _posts(self, e: str) -> str:
        # The community's own posts come from bots and own accounts: they are what is measured, not who.
        return (
            f"{self._scope(e)} and not {e}.is_spam and {e}.kind in ('message', 'question') "
            f"and {e}.parent_no is null and {e}.content_no is not null"
        )

    def _funnel(self) -> str:
        params: Any = self.request.params
        kinds = [str(kind) for kind in params.steps]
        if not all(_SAFE.match(kind) for kind in kinds):
            raise InvalidInput(f"a kind of interaction is a plain word, not {kinds!r}")
        return funnel_sql(kinds, params.order, params.window_days, split=bool(self.request.dims))

    def _rates(self) -> Any:
        return getattr(self.request.params, "rates", None) or {}

    def _rate(self, currency: str) -> str:
        """Write what one unit of a currency counts; exact, so that ties stay ties on every engine."""
        rates = self._rates()
        if not rates:
            return "cast(1 as decimal(18, 6))"
        cases = ""
        for position, (name, rate) in enumerate(sorted(rates.items())):
            self.values[f"currency_{position}"] = name
            self.values[f"rate_{position}"] = str(rate)
            cases += (
                f" when {currency} = cast($currency_{position} as varchar) "
                f"then cast(cast($rate_{position} as varchar) as decimal(18, 6))"
            )
        return f"case{cases} end"

    def _param(self, name: str) -> str:
        value = getattr(self.request.params, name)
        if isinstance(value, bool):
            return "true" if value else "false"
        kind = "varchar" if isinstance(value, str) else "double" if isinstance(value, float) else "integer"
        self.values[f"p_{name}"] = value
        return f"cast($p_{name} as {kind})"


def _arguments(text: str, opening: int) -> tuple[list[str], int]:
    """Split the arguments within the parentheses that start at `opening`; give them and where they end."""
    depth = 0
    found: list[str] = []
    begin = opening + 1
    for position in range(opening, len(text)):
        character = text[position]
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                found.append(text[begin:position].strip())
                return found, position + 1
        elif character == "," and depth == 1:
            found.append(text[begin:position].strip())
            begin = position + 1
    raise InvalidInput(f"a parenthesis is not closed: {text[opening : opening + 60]!r}")
