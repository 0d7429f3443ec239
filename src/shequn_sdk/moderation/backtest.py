"""Rules over history: whom they would have hit, and how often people had agreed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shequn_sdk.metrics.store.base import Session
from shequn_sdk.metrics.store.log import LOG
from shequn_sdk.moderation.detectors.normal import LONGEST
from shequn_sdk.moderation.engine import Engine, Facts, Message
from shequn_sdk.moderation.results import Backtest, BacktestHit
from shequn_sdk.stores.schema import from_us, to_us

__all__ = ["Past", "read_history", "run_backtest"]

_MESSAGES = "('message', 'comment', 'question', 'answer', 'edit')"


class Past(NamedTuple):
    """A stored message."""

    message: Message
    native_id: str


def read_history(
    session: Session, community: str, *, since: datetime | None, until: datetime | None, limit: int
) -> tuple[list[Past], int]:
    """Give the messages whose texts are stored, oldest first, and how many there are without a text."""
    start = since.astimezone(UTC).replace(tzinfo=None) if since is not None else datetime(1970, 1, 1)  # noqa: DTZ001
    end = until.astimezone(UTC).replace(tzinfo=None) if until is not None else datetime(9999, 1, 1)  # noqa: DTZ001
    source = LOG if session.dialect == "duckdb" else "events"
    columns, rows = session.rows(
        "select e.ts, e.kind, e.platform, h.native_id as channel, "  # noqa: S608 - a name and a number of ours
        "m.native_id as member, m.name, c.native_id as message, e.attrs "
        f"from {source} as e join communities as o on o.community_no = e.community_no "
        "left join channels as h on h.channel_no = e.channel_no "
        "left join members as m on m.member_no = e.member_no "
        "left join contents as c on c.content_no = e.content_no and c.platform = e.platform "
        f"where o.name = $community and e.kind in {_MESSAGES} and not e.is_bot "
        "and e.ts >= cast($since as timestamp) and e.ts < cast($until as timestamp) "
        f"order by e.ts limit {int(limit)}",
        {"community": community, "since": start.isoformat(sep=" "), "until": end.isoformat(sep=" ")},
    )
    del columns
    past: list[Past] = []
    without = 0
    for ts, kind, platform, channel, member, name, message, attrs in rows:
        text = _text(attrs)
        if not text:
            without += 1
            continue
        event = "message" if kind not in {"comment", "edit", "question", "answer"} else kind
        past.append(
            Past(
                Message(
                    text[:LONGEST],
                    event=event,
                    channel=f"{platform}:{channel or ''}",
                    member=f"{platform}:{member}" if member else "",
                    name=name or "",
                    at=to_us(ts.replace(tzinfo=UTC)),
                ),
                message or "",
            )
        )
    return past, without


def _text(attrs: str | None) -> str:
    if not attrs or '"text"' not in attrs:
        return ""
    data: Any = json.loads(attrs)
    found = data.get("text") if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""


def run_backtest(
    engine: Engine,
    past: Iterable[Past],
    facts: Mapping[str, Facts],
    *,
    without_text: int = 0,
    labels: Mapping[tuple[str, str], bool] | None = None,
    examples: int = 20,
) -> Backtest:
    """Judge history with rules.

    Args:
        engine: with the rules to be tried; its memory of floods and copies must be fresh.
        past: messages, oldest first.
        facts: of members as they are today, by `platform:native-id`: what they were then is not kept.
        without_text: how many messages could not be judged.
        labels: by platform and native id of the message, whether a person found it wrong.
        examples: how many hits to give in full.
    """
    labels = labels or {}
    messages = hits = reviews = labelled = agreed = right = wrong_ones = 0
    members: set[str] = set()
    by_rule: dict[str, int] = {}
    shown: list[BacktestHit] = []
    for one in past:
        messages += 1
        message = one.message
        decision = engine.judge(message, facts.get(message.member))
        label = labels.get((message.member.partition(":")[0], one.native_id))
        acts = decision.hits and _does_something(decision.effects)
        if label is not None:
            labelled += 1
            wrong_ones += label
            if acts:
                agreed += 1
                right += label
        if not acts:
            continue
        hits += 1
        reviews += decision.review
        members.add(message.member)
        by_rule[decision.rule] = by_rule.get(decision.rule, 0) + 1
        if len(shown) < examples:
            shown.append(
                BacktestHit(
                    at=from_us(message.at),
                    member=message.member,
                    channel=message.channel,
                    rule=decision.rule,
                    review=decision.review,
                    score=decision.score,
                    words="; ".join(f"{part.word!r}: {part.why}" for part in decision.evidence[:3]),
                )
            )
    return Backtest(
        messages=messages,
        without_text=without_text,
        hits=hits,
        reviews=reviews,
        members=len(members),
        by_rule=by_rule,
        examples=tuple(shown),
        labelled=labelled,
        precision=right / agreed if agreed else None,
        recall=right / wrong_ones if wrong_ones else None,
    )


def _does_something(effects: Any) -> bool:
    return bool(effects.delete or effects.strike or effects.action or effects.notify or effects.review)
