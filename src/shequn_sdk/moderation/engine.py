"""The engine: one pass over a message, then rules in order of priority. No input or output; dry by nature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import regex

from shequn_sdk.domain import ChannelRef, Frozen, Interaction, InteractionKind, MemberRef, Role
from shequn_sdk.errors import InvalidInput
from shequn_sdk.moderation.detectors.content import CLEAN, Content, Reading
from shequn_sdk.moderation.detectors.hunch import Hunch
from shequn_sdk.moderation.detectors.lexicon import KEYWORD, Entry, Words
from shequn_sdk.moderation.detectors.normal import Folded
from shequn_sdk.moderation.detectors.recent import Copies, Pace
from shequn_sdk.moderation.model import Evidence, Verdict, evidence
from shequn_sdk.moderation.rules import Effects, Rule, RuleSet
from shequn_sdk.stores.schema import from_us

__all__ = ["Decision", "Engine", "Facts", "Message", "Sighting", "Trace", "member_key", "wrap_plugin"]

_PATTERN_SECONDS = 0.05
_PATTERN_TEXT = 4000
_US = timedelta(microseconds=1)
Extra = Callable[["Message"], Sequence[Verdict]]
"""A plugin's detector."""


class Message(NamedTuple):
    """What is judged: a message, an edit, a comment, or a joining (whose text is empty)."""

    text: str
    event: str = "message"
    channel: str = ""
    """`account:native-id`."""
    member: str = ""
    """`platform:native-id`."""
    name: str = ""
    at: int = 0
    """Microseconds since 1970 UTC."""
    interaction: Interaction | None = None
    """What plugins' detectors are given; made of the rest when there is none."""


class Facts(NamedTuple):
    """What is known of the member, asked for only when something was found."""

    role: Role = Role.MEMBER
    tags: frozenset[str] = frozenset()
    joined_at: int | None = None
    """Microseconds since 1970 UTC; None when nobody saw it."""
    strikes: int = 0


class Sighting(NamedTuple):
    """What was found in one message, before anybody asked whose it is."""

    message: Message
    verdicts: tuple[Verdict, ...]
    rules: tuple[tuple[Rule, float, tuple[Evidence, ...]], ...]
    """Triggered rules with the score and the words, in order of priority."""
    hosts: tuple[str, ...] = ()


class Trace(Frozen):
    """How one rule took a message: for people who ask why."""

    rule: str
    outcome: str
    """`hit`, `review`, or why not."""
    score: float = 0.0


class Decision(Frozen):
    """What the rules say to one message (裁定)."""

    rule: str = ""
    """The rule that decided; "" when none did."""
    effects: Effects = Effects()
    review: bool = False
    """A person is to decide."""
    score: float = 0.0
    verdicts: tuple[Verdict, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    """Words that triggered the rule."""
    trace: tuple[Trace, ...] = ()

    @property
    def hits(self) -> bool:
        """Whether a rule decided."""
        return bool(self.rule)

    def explain(self) -> str:
        """Say in one line what was decided and why."""
        if not self.rule:
            why = "; ".join(f"{one.rule}: {one.outcome}" for one in self.trace)
            return f"nothing to do ({why})" if why else "nothing to do: no rule was triggered"
        words = "; ".join(f"{one.word!r} at {one.start} ({one.why})" for one in self.evidence[:5])
        what = "put before a person" if self.review else "acted on"
        return f"{what} by rule {self.rule!r}, score {self.score:.2f}: {words}"


class Engine:
    """Judges messages by one set of rules (规则引擎).

    Its detectors for floods and copies remember what it saw: use one engine per community, and feed it in order of time.
    """

    def __init__(self, rules: RuleSet, *, hunch: Hunch | None = None, extras: Sequence[Extra] = ()) -> None:
        """Compile the rules, which takes some milliseconds for a thousand keywords.

        Args:
            rules: what holds.
            hunch: a model of your own.
            extras: detectors of plugins.
        """
        self.rules = rules
        active = sorted((one for one in rules.rules if one.enabled), key=lambda one: (one.priority, one.name))
        self._order = {rule.name: number for number, rule in enumerate(active)}
        self._by_name = {rule.name: rule for rule in active}
        self._entries = [
            Entry(word, KEYWORD, 1.0, rule.name) for rule in active for word in dict.fromkeys(rule.keywords)
        ]
        self._content = Content(self._entries, pinyin=rules.pinyin, hunch=hunch)
        self._patterns = [
            (rule, [regex.compile(one) for one in rule.patterns]) for rule in active if rule.patterns
        ]
        self._names = [(rule, [regex.compile(one) for one in rule.names]) for rule in active if rule.names]
        self._by_kind: dict[str, list[Rule]] = {}
        for rule in active:
            for kind in rule.kinds:
                self._by_kind.setdefault(kind, []).append(rule)
        self._watches_kinds = frozenset(self._by_kind)
        self._pace = Pace(messages=rules.flood_messages, seconds=rules.flood_seconds)
        self._copies = Copies(members=rules.copies)
        self._extras = tuple(extras)

    def look(self, message: Message) -> Sighting | None:
        """Look at one message; gives None when no rule is triggered and no verdict is worth noting."""
        text, event, channel, member, _, at, _ = message
        folded = Folded(text)
        reading = self._content.read_folded(folded)
        pace = copies = None
        if member and event != "edit":
            pace = self._pace.see(channel, member, at, text)
            copies = self._copies.see(member, at, folded.plain, text)
        if (
            reading is CLEAN
            and pace is None
            and copies is None
            and not (self._extras or self._patterns or self._names)
        ):
            return None
        found = [*reading.verdicts, *(one for one in (pace, copies) if one is not None)]
        for extra in self._extras:
            found.extend(extra(message))
        return self._sighting(message, folded, reading, found)

    def find_keywords(self, text: str) -> tuple[str, ...]:
        """Give the names of the rules whose keywords are in a text; no other trigger is looked at."""
        hits = self._keywords.find_in(text)
        return tuple(dict.fromkeys(hit.entry.why for hit in hits)) if hits else ()

    @cached_property
    def _keywords(self) -> Words:
        return Words(self._entries)

    def _sighting(
        self, message: Message, folded: Folded, reading: Reading, found: list[Verdict]
    ) -> Sighting | None:
        triggered: dict[str, tuple[float, list[Evidence]]] = {}
        for verdict in found:
            for rule in self._by_kind.get(verdict.kind, ()):
                if verdict.score >= rule.kinds[verdict.kind]:
                    _note(triggered, rule, verdict.score, verdict.evidence)
        for hit in reading.keywords:
            start, end = folded.span(hit.start, hit.end)
            shown = evidence(message.text, start, end, f"keyword {hit.entry.word!r}")
            _note(triggered, self._by_name[hit.entry.why], 1.0, (shown,))
        for rule, patterns in self._patterns:
            _search(triggered, rule, patterns, message.text[:_PATTERN_TEXT], "pattern")
        for rule, patterns in self._names:
            _search(triggered, rule, patterns, message.name[:256], "name")
        if not triggered and not found:
            return None
        order = self._order
        chosen = [
            (self._by_name[name], score, tuple(words))
            for name, (score, words) in sorted(triggered.items(), key=lambda item: order[item[0]])
        ]
        return Sighting(message, tuple(found), tuple(chosen), tuple(link.host for link in reading.links))

    def decide(self, sighting: Sighting, facts: Facts) -> Decision:
        """Say what the rules want, now that it is known who wrote."""
        trace: list[Trace] = []
        chosen: list[tuple[Rule, float, tuple[Evidence, ...], bool]] = []
        for rule, score, words in sighting.rules:
            why = _spared(rule, sighting, facts)
            if why:
                trace.append(Trace(rule=rule.name, outcome=why, score=score))
                continue
            review = rule.then.review or (rule.review_below is not None and score < rule.review_below)
            trace.append(Trace(rule=rule.name, outcome="review" if review else "hit", score=score))
            chosen.append((rule, score, words, review))
            if not rule.goes_on:
                break
        if not chosen:
            return Decision(verdicts=sighting.verdicts, trace=tuple(trace))
        first, score, words, review = chosen[0]
        effects = (
            first.then if len(chosen) == 1 else _joined([one[0].then for one in chosen if one[3] == review])
        )
        return Decision(
            rule=first.name,
            effects=effects,
            review=review,
            score=score,
            verdicts=sighting.verdicts,
            evidence=words,
            trace=tuple(trace),
        )

    def judge(self, message: Message, facts: Facts | None = None) -> Decision:
        """Look and decide at once: the dry run of one message."""
        sighting = self.look(message)
        return Decision() if sighting is None else self.decide(sighting, facts or Facts())

    def explain(self, message: Message, facts: Facts | None = None) -> str:
        """Say what would be done to a message, and why, rule by rule."""
        decision = self.judge(message, facts)
        lines = [decision.explain()]
        lines += [f"verdict {one.kind} {one.score:.2f}: {one.words()}" for one in decision.verdicts]
        lines += [f"rule {one.rule}: {one.outcome} (score {one.score:.2f})" for one in decision.trace]
        return "\n".join(lines)


def _note(
    triggered: dict[str, tuple[float, list[Evidence]]], rule: Rule, score: float, words: Sequence[Evidence]
) -> None:
    known = triggered.get(rule.name)
    if known is None:
        triggered[rule.name] = (score, list(words))
    else:
        triggered[rule.name] = (max(score, known[0]), [*known[1], *words])


def _search(
    triggered: dict[str, tuple[float, list[Evidence]]],
    rule: Rule,
    patterns: Sequence[Any],
    text: str,
    what: str,
) -> None:
    for pattern in patterns:
        try:
            match = pattern.search(text, timeout=_PATTERN_SECONDS)
        except TimeoutError:
            continue  # a pattern that takes too long on this text does not hit; `rules check` warns of such
        if match is not None:
            start, end = match.span() if what == "pattern" else (0, 0)
            shown = Evidence(
                word=match.group()[:80], start=start, end=end, why=f"{what} {pattern.pattern[:60]!r}"
            )
            _note(triggered, rule, 1.0, (shown,))
            return


def _spared(rule: Rule, sighting: Sighting, facts: Facts) -> str:
    """Give why a triggered rule does not hold; "" when it does."""
    message, unless, when = sighting.message, rule.unless, rule.when
    if message.event not in rule.on:
        return f"not for {message.event}"
    if facts.role in unless.roles:
        return f"exempt: {facts.role}"
    if unless.tags & facts.tags:
        return f"exempt: tag {min(unless.tags & facts.tags)}"
    if message.member and any(str(one) == message.member for one in unless.members):
        return "exempt: member"
    if any(_within(message.channel, one) for one in unless.channels):
        return "exempt: channel"
    age = None if facts.joined_at is None else (message.at - facts.joined_at) * _US
    if unless.member_for is not None and age is not None and age >= unless.member_for:
        return f"exempt: a member for {age.days} days"
    if when.roles and facts.role not in when.roles:
        return f"only for {', '.join(sorted(when.roles))}"
    if when.tags and not when.tags & facts.tags:
        return "only for members with a tag"
    if when.channels and not any(_within(message.channel, one) for one in when.channels):
        return "only in other channels"
    if when.joined_within is not None and (age is None or age > when.joined_within):
        return "only for newcomers"
    if facts.strikes < when.strikes:
        return f"only from {when.strikes} strikes on"
    if when.with_link and not _foreign(sighting.hosts, when.allowed_domains):
        return "only with a link"
    return ""


def _within(channel: str, ref: ChannelRef) -> bool:
    name = str(ref)
    return channel == name or channel.startswith(f"{name}/")


def _foreign(hosts: Sequence[str], allowed: Sequence[str]) -> bool:
    return any(not any(host == one or host.endswith(f".{one}") for one in allowed) for host in hosts)


def _joined(effects: Sequence[Effects]) -> Effects:
    severity = {None: 0, "warn": 1, "mute": 2, "kick": 3, "ban": 4}
    worst = max(effects, key=lambda one: severity[one.action])
    return Effects(
        delete=any(one.delete for one in effects),
        strike=any(one.strike for one in effects),
        action=worst.action,
        duration=worst.duration,
        notify=any(one.notify for one in effects),
        review=any(one.review for one in effects),
    )


def wrap_plugin(name: str, detector: Any) -> Extra:
    """Make the function that the engine calls of a plugin's detector, whose `detect` takes an interaction.

    It may give None, a `Verdict`, a mapping of its fields, or several of these.

    Raises:
        InvalidInput: it has no `detect`.
    """
    detect = getattr(detector, "detect", None)
    if not callable(detect):
        raise InvalidInput(f"detector {name!r} has no method detect(interaction)")

    def run(message: Message) -> Sequence[Verdict]:
        found: Any = detect(message.interaction or _interaction(message))
        if found is None:
            return ()
        many = [found] if isinstance(found, (Verdict, Mapping)) else list(found)
        return [one if isinstance(one, Verdict) else Verdict.model_validate(one) for one in many]

    return run


def _interaction(message: Message) -> Interaction:
    platform, _, member = message.member.partition(":")
    account, _, channel = message.channel.partition(":")
    return Interaction(
        id=f"moderation/{message.at}",
        kind=InteractionKind(message.event),
        platform=platform or "unknown",
        account=account,
        channel=channel,
        member=member,
        member_name=message.name,
        occurred_at=from_us(message.at),
        text=message.text,
    )


def member_key(platform: str, member: str) -> str:
    """Give the form in which the engine knows a member."""
    return str(MemberRef(platform=platform, native_id=member)) if member else ""
