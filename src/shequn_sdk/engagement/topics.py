"""The room of topics: what is talked about each week, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from sqlalchemy import Connection

from shequn_sdk.domain import ChannelRef, Community, Content, Frozen, InteractionKind, Name
from shequn_sdk.engagement import _rows
from shequn_sdk.engagement._board import Subject, act_of, instant_of, key_of
from shequn_sdk.engagement._rows import NewAct, Row
from shequn_sdk.engagement._words import plain, say, short
from shequn_sdk.engagement.models import Activity, ActivityState, Closing, Span
from shequn_sdk.errors import InvalidInput
from shequn_sdk.scheduling.triggers import AnyTrigger

if TYPE_CHECKING:
    from shequn_sdk.listening.events import Heard
    from shequn_sdk.scheduling.models import Firing, Schedule
    from shequn_sdk.scheduling.scheduler import Scheduler

__all__ = ["Noticed", "TopicPlan", "TopicSummary", "Topics"]

_K = InteractionKind
_EXCERPT = 120


class Noticed(Frozen):
    """A message that got answers and reactions."""

    member: str
    name: str
    channel: ChannelRef
    message: str
    text: str = ""
    """Its beginning."""
    answers: int = 0
    reactions: int = 0


class TopicSummary(Frozen):
    """What came of a topic (讨论小结)."""

    activity: str
    title: str
    state: ActivityState
    messages: int
    members: int
    """Persons who wrote."""
    answers: int
    reactions: int
    by_platform: dict[str, int] = Field(default_factory=dict)
    """Messages per platform."""
    noticed: tuple[Noticed, ...] = ()
    """The three with most answers and reactions."""


class TopicPlan(Frozen):
    """One topic of a plan."""

    title: str = Field(min_length=1, max_length=200)
    text: str = ""
    """What is said to open it, Markdown."""


class _Spec(Frozen):
    text: str = ""
    results: Literal["post", "keep"] = "post"


class _Series(Frozen):
    name: Name
    community: str
    to: tuple[ChannelRef, ...]
    topics: tuple[TopicPlan, ...]
    lasts: timedelta
    results: Literal["post", "keep"] = "post"


class Topics(Subject):
    """Topics (话题): opened on a weekly plan, listened to, summed up; no more of the texts is kept than what is shown."""

    KIND = "topic"

    def serve(self, scheduler: Scheduler) -> None:
        """Open and close topics."""
        super().serve(scheduler)
        scheduler.handlers.add("shequn.topic.open", self._next, arguments=_Series)

    async def open(
        self,
        title: str,
        *,
        to: Sequence[ChannelRef | str],
        text: str = "",
        closes: Span = timedelta(days=1),
        results: Literal["post", "keep"] = "post",
        community: str | None = None,
        idempotency_key: str | None = None,
    ) -> Activity:
        """Open a topic now: what is said in its channels until it closes belongs to it.

        Args:
            title: what it is about.
            to: channels as `account:native-id`.
            text: what is said to open it, Markdown.
            closes: when it is summed up.
            results: whether the summary is posted.
            community: whose; that of the first channel by default.
            idempotency_key: opening again under the same key gives the first one.

        Raises:
            InvalidInput: it would close before it opens.
            NotSupported: a channel cannot take the post; nothing was opened.
        """
        owner = self._owner(community, to)
        now = await self._now()
        body = f"**{plain(title, most=200)}**\n\n{text}" if text else f"**{plain(title, most=200)}**"
        return await self._open(
            title=title,
            spec=_Spec(text=text, results=results),
            content=Content(text=body, category="topic"),
            to=to,
            community=owner.name,
            closes=instant_of(closes, now),
            idempotency_key=idempotency_key,
            number=key_of(self.KIND, owner.name, idempotency_key),
        )

    async def plan(
        self,
        name: Name,
        topics: Sequence[TopicPlan],
        *,
        when: AnyTrigger,
        to: Sequence[ChannelRef | str],
        lasts: timedelta = timedelta(days=1),
        results: Literal["post", "keep"] = "post",
        community: str | None = None,
    ) -> Schedule:
        """Open one topic after another whenever `when` says, such as `Weekly("周三 20:00")`, and begin again at the end.

        Args:
            name: of the plan; unique among schedules.
            topics: in order.
            when: a trigger.
            to: channels as `account:native-id`.
            lasts: how long each is open.
            results: whether summaries are posted.
            community: whose; that of the first channel by default.

        Raises:
            InvalidInput: no topics, a name that is taken, or a trigger without anything to come.
        """
        if not topics or lasts <= timedelta(0):
            raise InvalidInput("a plan needs at least one topic, and a time that each lasts")
        owner = self._owner(community, to)
        series = _Series(
            name=name,
            community=owner.name,
            to=tuple(ChannelRef.parse(one) for one in to),
            topics=tuple(topics),
            lasts=lasts,
            results=results,
        )
        for ref in series.to:
            self._house.accounts.account(ref.account)
        return await (await self._house.scheduler()).create(
            "shequn.topic.open", when=when, arguments=series, name=name
        )

    async def list(
        self, *, community: str | None = None, state: ActivityState | str | None = None, limit: int = 50
    ) -> Sequence[Activity]:
        """Give topics, newest first."""
        return await self._list(community, state, limit)

    async def get_summary(self, topic: str) -> TopicSummary:
        """Give what came of a topic so far; once it is closed, what was summed up then.

        Raises:
            UnknownName: there is no such topic.
        """
        row = await self._row(topic)
        if row.result:
            return TopicSummary.model_validate_json(row.result)
        return await (await self._house.store()).read(lambda conn: _summary(conn, row))

    async def close(self, topic: str) -> TopicSummary:
        """Sum a topic up, and post that where `results` says so; closing again gives the same.

        Raises:
            UnknownName: there is no such topic.
            InvalidInput: it was cancelled.
        """

        def make(conn: Connection, current: Row) -> str:
            found = _summary(conn, current).model_copy(update={"state": ActivityState.CLOSED})
            _rows.drop_values(conn, current.id, "message")
            return found.model_dump_json()

        row, _ = await self._closed(await self._row(topic), make)
        if not row.result:
            raise InvalidInput(f"{row.title!r} was cancelled: it has no summary")
        found = TopicSummary.model_validate_json(row.result)
        if _Spec.model_validate_json(row.spec).results == "post":
            await self._say(row, _announcement(self._of(row), found), key="result")
        return found

    async def cancel(self, topic: str) -> Activity:
        """End a topic without a summary.

        Raises:
            UnknownName: there is no such topic.
            InvalidInput: it is closed.
        """
        return await self._cancel(topic)

    async def _due(self, arguments: Closing, firing: Firing) -> None:
        if (await self._row(arguments.activity)).state == "open":
            await self.close(arguments.activity)

    async def _next(self, arguments: _Series, firing: Firing) -> None:
        """Open the topic whose turn it is: the series' first occurrence takes the first one."""
        scheduler = await self._house.scheduler()
        done = [
            run
            for run in await scheduler.history(schedule=firing.schedule, limit=100_000)
            if run.nominal < firing.nominal and run.state == "done"
        ]
        chosen = arguments.topics[len(done) % len(arguments.topics)]
        await self.open(
            chosen.title,
            to=arguments.to,
            text=chosen.text,
            closes=firing.due + arguments.lasts,
            results=arguments.results,
            community=arguments.community,
            idempotency_key=firing.key,
        )

    async def hear(self, row: Row, heard: Sequence[Heard]) -> None:
        """Note what is said while a topic is open."""
        acts: list[NewAct] = []
        for one in heard:
            event = one.interaction
            act: NewAct | None = None
            if event.kind in {_K.MESSAGE, _K.COMMENT, _K.MENTION}:
                parent = f"{event.channel}/{event.parent}" if event.parent else ""
                act = act_of(one, "message", value=f"{parent}\n{short(event.text.strip(), _EXCERPT)}")
            elif event.kind is _K.REACTION and event.message:
                act = act_of(one, "reaction", value=f"{event.channel}/{event.message}")
            if act is not None and act.at >= row.opens_at and not row.is_over(act.at):
                acts.append(act)
        await self._note(row, acts)


def _summary(conn: Connection, row: Row) -> TopicSummary:
    acts = _rows.acts_of(conn, row.id, ("message", "reaction"))
    said = [one for one in acts if one.act == "message"]
    parents = Counter(parent for one in said if (parent := one.value.partition("\n")[0]))
    hearts = Counter(one.value for one in acts if one.act == "reaction")
    # of the messages of a topic; reactions to older ones are no part of it
    own = {f"{one.channel}/{one.message}": one for one in said}
    opening = {f"{spot.channel}/{spot.message}" for spot in row.spots}
    scores = {key: parents[key] + hearts[key] for key in own}
    best = sorted((key for key, score in scores.items() if score), key=lambda key: (-scores[key], key))[:3]
    return TopicSummary(
        activity=row.id,
        title=row.title,
        state=ActivityState(row.state),
        messages=len(said),
        members=len({one.person for one in said}),
        answers=sum(count for key, count in parents.items() if key in own or key in opening),
        reactions=sum(count for key, count in hearts.items() if key in own or key in opening),
        by_platform=dict(sorted(Counter(one.platform for one in said).items())),
        noticed=tuple(
            Noticed(
                member=own[key].member,
                name=own[key].name,
                channel=ChannelRef(account=own[key].account, native_id=own[key].channel),
                message=own[key].message,
                text=own[key].value.partition("\n")[2],
                answers=parents[key],
                reactions=hearts[key],
            )
            for key in best
        ),
    )


def _announcement(owner: Community, found: TopicSummary) -> str:
    lines = [f"**{say(owner, 'topic.result', title=plain(found.title, most=200))}**"]
    lines.append(
        say(
            owner,
            "topic.numbers",
            messages=found.messages,
            members=found.members,
            replies=found.answers,
            reactions=found.reactions,
        )
    )
    lines += [
        say(owner, "topic.top", name=plain(one.name or one.member), text=plain(one.text, most=_EXCERPT))
        for one in found.noticed
        if one.text
    ]
    return "\n\n".join(lines)
